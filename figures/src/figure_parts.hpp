#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"
#include "iclk/figures/draw_figure.hpp"
#include "iclk/figures/figure_tables.hpp"
#include "iclk/theory/seed_ensemble.hpp"

// Pieces that the table functions share. A figure is one fig*.cpp, one fig*.gp and one line in figure_list.cpp.
namespace iclk::figures {

/// A figure as the list holds it.
struct FigureEntry {
  FigureInfo info;
  double width = 0.0, height = 0.0;  ///< printed size [inch]; columns are 3.4 and 7 wide
  std::string_view script;           ///< text of its .gp file
  FigureTables (*tables)(const std::filesystem::path& data, const FigureOptions& options) = nullptr;
};
std::span<const FigureEntry> figure_entries() noexcept;
const FigureEntry& find_entry(std::string_view name);
/// Throws Error when the figure needs data and `data` is empty.
FigureTables tables_of(const FigureEntry& entry, const std::filesystem::path& data, const FigureOptions& options);

inline constexpr std::size_t kMostCurveSamples = 400;  ///< drawn of a curve; more cannot be told apart at 7 inches
inline constexpr double kBeyondCurve = 10.0;           ///< a time axis goes on for this factor after the longest curve
inline constexpr double kMarkerMargin = 1.4;   ///< factor around data on a logarithmic axis, so that no marker is cut
inline constexpr std::size_t kMostPanels = 6;  ///< of a figure with a panel for each N

/// Ends of an axis.
struct Range {
  double low = 0.0, high = 0.0;
};

/// The words with the separator between them.
std::string joined(const std::vector<std::string>& words, const std::string& separator);

/// Whether a file of this name is a table that draw_figure wrote: ID.csv or ID_<part>.csv.
bool is_figure_table(const std::string& file_name);

/// `foreign` for one file: where nothing says K, the K that the file is named after ("K500.csv", "mlp_k2000_s0.csv").
ForeignCurveOptions foreign_for(const std::filesystem::path& file, const ForeignCurveOptions& foreign);

/// Curves of one K, in the order of `read_curve_folder`.
struct Level {
  double n_items = 0.0;
  std::vector<const MeasuredCurve*> curves;
};
/// Curves grouped by K, rising. Throws Error when there are none.
std::vector<Level> levels_of(std::span<const MeasuredCurve> curves);

/// n colours in an order that also reads in grey: viridis from dark to the last shade that stands out on white.
std::vector<std::string> ordered_colors(std::size_t n);

/// Adds what the scripts need to draw one colour per K: n_levels, level_labels and level_colors (words), and
/// legend_step, which thins a legend that would grow too high.
void add_levels(FigureTables& figure, const std::vector<Level>& levels);

/// A logarithmic axis `name`: numbers NAME_min and NAME_max around [low, high] with a margin of the factor `margin`,
/// and the text NAME_tics with labelled powers of ten (steps 1, 2, 5 or all where few fit) and unlabelled
/// steps; NAME_marks is the same without labels, for an axis that shares those of another.
void add_log_axis(FigureTables& figure, const std::string& name, double low, double high, double margin = 1.0);

/// Indices of the samples to draw: all up to `limit`, else those nearest to `limit` log-spaced times; the last
/// included.
std::vector<std::size_t> drawn_samples(std::span<const double> times, std::size_t limit);

/// Time from which a curve is worth drawing: a tenth of the time at which c1 has fallen by a tenth. Before, nothing
/// happens, and on a logarithmic axis it would take most of the width.
double drawn_start(const MeasuredCurve& curve);

/// Adds a row and fails in debug builds when its width is not the table's.
void add_row(Table& table, std::vector<Cell> cells, int blank_lines_before = 0);

/// SGD steps at `time`, when the curve's learning rate is known.
Cell iteration_cell(const MeasuredCurve& curve, double time);
Cell seed_cell(const MeasuredCurve& curve);

/// "0.702 (0.690 to 0.714)": as many decimals as the interval warrants.
std::string format_estimate(const Estimate& estimate);
/// `value` with `digits` significant digits, in plain notation up to a million.
std::string format_rounded(double value, int digits);

/// The caption of a figure without measured curves: title, text, and the lines Settings and Numbers.
std::string make_theory_caption(std::string_view title, std::string_view text, std::string_view settings,
                                const std::vector<std::string>& numbers);

/// "N = 100, beta0 = 0 (sd 0.3 over seeds), w0 = 0".
std::string start_settings(const FigureOptions& options, bool over_seeds);

/// N of `options`, 100 where it is empty.
double context_of(const FigureOptions& options);

/// Start values over seeds as `options` say them.
theory::StartDistribution starts_of(const FigureOptions& options);

/// Colours of a scale from low to high, as gnuplot's `set palette defined` takes them.
std::string palette_text();

/// The caption: title, text, and the lines Runs, Settings, Numbers and Sources.
std::string make_caption(std::string_view title, std::string_view text, std::span<const MeasuredCurve> curves,
                         const std::vector<std::string>& numbers);

}  // namespace iclk::figures
