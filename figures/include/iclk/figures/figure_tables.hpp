#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "iclk/core/curve_file.hpp"

namespace iclk::figures {

/// One field of a table: nothing (written as an empty field), a number or a text.
using Cell = std::variant<std::monostate, double, std::string>;

Cell cell(const std::optional<double>& value);

/// One tidy table: a row per observation, a column per quantity.
struct Table {
  struct Row {
    std::vector<Cell> cells;
    int blank_lines_before = 0;  ///< 1 starts a new line in the drawing, 2 a new block (gnuplot's `index`)
  };
  std::string part;  ///< "" is written to ID.csv, "fit" to ID_fit.csv
  std::vector<std::string> columns;
  std::vector<Row> rows;

  std::size_t column(std::string_view name) const;                             ///< throws Error for an unknown name
  std::optional<double> number(std::size_t row, std::string_view name) const;  ///< empty for a missing field or text
};

/// The table as CSV: a header row, numbers with the fewest digits that read back exactly, texts quoted where needed.
/// Blank lines separate what the drawing separates; pandas, R and spreadsheets skip them.
std::string to_csv(const Table& table);

/// Everything a figure shows: its script plots columns of `tables` and prints `texts`; it computes nothing.
struct FigureTables {
  std::vector<Table> tables;
  std::vector<std::pair<std::string, std::string>> texts;  ///< gnuplot string variables: labels, colours
  std::vector<std::pair<std::string, double>> numbers;     ///< gnuplot numeric variables: counts, axis ranges, switches
  std::string caption;                                     ///< what is drawn, settings, number of runs, sources

  const Table& table(std::string_view part) const;  ///< throws Error for an unknown part
};

/// What a user can choose about a figure.
struct FigureOptions {
  std::optional<double> n_context = 100;  ///< N of the threshold drawn into Fig. 5; empty draws none
  double beta0 = 0.0;                     ///< start value of beta for that threshold
  double w0 = 0.0;                        ///< start value of w for that threshold
  ForeignCurveOptions foreign = {};       ///< what curve files from elsewhere do not say themselves
  std::string gnuplot = "gnuplot";        ///< program that draws, looked up on PATH
};
void validate(const FigureOptions& options);  ///< throws Error naming the bad field

/// All memorization curves of a results folder, ordered by K, seed and file name.
///
/// Takes    data: a folder with `*.curves.csv` files in it or in its subfolder `curves`; if there are none, every
///          `*.csv` in these two folders is read as a foreign curve file (tables that a figure wrote are left out).
///          Or a single curve file.
/// Throws   Error when the folder is missing or holds no curves, for any file that cannot be read, for a curve
///          without K, and when two files hold the same (K, seed).
std::vector<MeasuredCurve> read_curve_folder(const std::filesystem::path& data,
                                             const ForeignCurveOptions& foreign = {});

/// Fig. 5: I_K(infinity) of each run with its tail bracket, the power law with its band, and the integral that
/// acquisition requires at N = n_context, whose crossing with the runs is K*.
///
/// Tables   "" one row per run; "fit" the law and its 95 % band over K; "law" its parameters and K* (one row);
///          "required" the required integral against K; "k_star" the two ends of the interval of K*.
/// Source   Fig. 5, Eq. 10, Eq. 12, Eq. 13.
/// Differs  The paper shows one point per K and no interval. The `ratio` columns (run over law) are ours.
/// Takes    curves: any number of K; with one K there is no law and no lower panel.
FigureTables fig5_tables(std::span<const MeasuredCurve> curves, const FigureOptions& options = {});

/// Fig. A.2: c1, c2, c3 of every run against SGD steps (against time where a file gave no learning rate).
///
/// Tables   "" n_items, seed, iteration, time, c1, c2, c3; a block per K, a line per seed. Curves of more than 400
///          samples are thinned to the samples nearest to 400 logarithmically spaced times.
/// Source   Fig. A.2.
FigureTables figA2_tables(std::span<const MeasuredCurve> curves, const FigureOptions& options = {});

/// Fig. A.3: c1(t) and I_K(t), continued beyond the measurement by the tail that I_K(infinity) rests on.
///
/// Tables   "" n_items, seed, iteration, time, c1, integral; "tail" the continuation where its form is a single
///          power or exponential; "infinity" I_K(infinity) with its bracket, one row per run.
/// Source   Fig. A.3, Eq. 10.
/// Differs  The caption of Fig. A.3 prints c1 as <exp(-phi)>, which is c3, and I_K without its factor 2.
FigureTables figA3_tables(std::span<const MeasuredCurve> curves, const FigureOptions& options = {});

}  // namespace iclk::figures
