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
  std::optional<double> n_context = 100;  ///< N; empty draws no threshold into Fig. 5 and means 100 elsewhere
  double beta0 = 0.0;                     ///< start value of beta; the mean over seeds where seeds differ
  double w0 = 0.0;                        ///< start value of w; the mean over seeds where seeds differ
  double beta0_sd = 0.3;                  ///< spread of beta0 over seeds (Figs. 6c, A.1b, phase diagram); >= 0
  double w0_sd = 0.0;                     ///< spread of w0 over seeds; >= 0
  ForeignCurveOptions foreign = {};       ///< what curve files from elsewhere do not say themselves
  bool skip_bad_files = false;            ///< leave out files that cannot be read; captions of runs name them
  std::string gnuplot = "gnuplot";        ///< program that draws, looked up on PATH
};
void validate(const FigureOptions& options);  ///< throws Error naming the bad field

/// All memorization curves of a results folder, ordered by K, seed and file name.
///
/// Takes    data: a folder with `*.curves.csv` files in it or in its subfolder `curves`; if there are none, every
///          `*.csv` in these two folders is read as a foreign curve file (tables that a figure wrote are left out).
///          Or a single curve file. A foreign file that does not say K, where `foreign` does not either, has the K in
///          its name, as in "mlp_K500_s0.csv".
/// Throws   Error when the folder is missing or holds no curves, for any file that cannot be read, for a curve
///          without K, and when two files hold the same (K, seed); with `problems` such files are left out and named
///          there instead, unless nothing is left.
std::vector<MeasuredCurve> read_curve_folder(const std::filesystem::path& data, const ForeignCurveOptions& foreign = {},
                                             std::vector<std::string>* problems = nullptr);

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

/// Fig. 4: the loss of attention over an untrained MLP against beta and w, with gradient flow on it from three starts,
/// and the loss along that flow against time: a plateau, then a fall.
///
/// Tables   "" beta, w, loss on a grid; "path" the flow from (w0, beta0 - 1), (w0, beta0), (w0, beta0 + 1), a block
///          each; "half" where half of the attention is on the copy.
/// Source   Fig. 4, Eq. 21.
/// Differs  The paper draws the approximation of Eq. 5; this is the exact loss.
FigureTables fig4_tables(const FigureOptions& options = {});

/// Fig. 6c, upper panel: how I_K(t) turns a spread of starts into early acquisition or none, with few in between.
///
/// Tables   "" time, integral of the curve; "tail" its continuation; "seeds" start, required integral and t_ICL of 40
///          seeds; "limit" I_K(infinity) with its bracket and the share of seeds below it; "share" the share of seeds
///          that have acquired by t.
/// Source   Fig. 6c, Eq. 10, Eq. 12.
/// Differs  The paper's panel is a sketch. The required integral is that of Eqs. 7-8 with the c2 of the curve.
/// Takes    curves: the one whose I_K(infinity) is closest to what the mean start needs is drawn. Without curves, a
///          power law of memorization at its threshold.
FigureTables fig6c_tables(std::span<const MeasuredCurve> curves, const FigureOptions& options = {});

/// Fig. A.1a: t_ICL against beta0 for an MLP that does not memorize, by every formula and by gradient flow on the exact
/// loss, and their ratio to the latter.
///
/// Tables   "" beta0, the times, the ratios.
/// Source   Fig. A.1a, Eq. 11, Eq. 37, Eq. 21.
/// Differs  Eq. 37 is drawn as corrected (factor 1/2) and as printed; the exact solution of Eqs. 7-8 is ours.
FigureTables figA1a_tables(const FigureOptions& options = {});

/// Fig. A.1b: distribution of t_ICL over normally distributed starts for an MLP that does not memorize: histogram of
/// sampled starts, exact density and lognormal approximation; and the upper tail for three spreads.
///
/// Tables   "" bins of the histogram; "lines" both densities; "tail" P(t_ICL > t), a block per spread.
/// Source   Fig. A.1b, Eq. 35.
/// Differs  The paper shows the histogram. The exact tail is heavier than lognormal.
FigureTables figA1b_tables(const FigureOptions& options = {});

/// Phase diagram in N and K: which share of seeds acquires in-context learning. Not in the paper.
///
/// Tables   "" per N the K that 1, 5, 10, 25, 50, 75, 90, 95 and 99 % of the seeds need at most, the threshold of
///          Eq. 13 and that of the exact loss; "runs" the measured K with the N at which half of the seeds acquire;
///          "probability" P(in-context learning) at the measured K and at N = 50, 100, 150, 200 and 250.
/// Source   Eq. 12, Eq. 13.
/// Takes    curves: at least two K, whose I_K(infinity) and c2 enter. Without curves, the law I_K(infinity) = 0.4
///          K^0.7.
FigureTables phase_tables(std::span<const MeasuredCurve> curves, const FigureOptions& options = {});

}  // namespace iclk::figures
