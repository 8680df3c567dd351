#pragma once

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/figures/figure_tables.hpp"
#include "iclk/figures/run_folder.hpp"
#include "run_groups.hpp"

// Pieces that the figures of training runs share.
namespace iclk::figures {

inline constexpr double kItemMargin = 1.5;  ///< factor around the measured K, for accuracies and shares against K

/// The runs that figure `id` draws: those of the folder that `wanted` takes. Throws Error naming what is missing and
/// the command that makes it when there is none.
MeasuredRuns drawn_runs(std::string_view id, const std::filesystem::path& data, const FigureOptions& options,
                        bool trajectories, const std::function<bool(const MeasuredRun&)>& wanted);

/// Seed of a run, or an empty cell.
Cell seed_cell(const MeasuredRun& run);

/// Whether the labels of a context fall as they may; balanced ones do not.
bool has_random_labels(const MeasuredRun& run) noexcept;
/// Whether contexts hold equally many labels of each kind, with or without the target's.
bool has_balanced_labels(const MeasuredRun& run) noexcept;

/// Whole numbers spread evenly in ln N from low to high, all odd or all even as most of the contexts of the groups are:
/// ties among an even number of other labels make 95 % accuracy come a little earlier or later in turn.
std::vector<double> theory_contexts(const std::vector<RunList>& places);

/// Factor above the data [low, high] on a logarithmic axis that leaves `share` of it to a legend.
double legend_room(double low, double high, double share);

/// Words as gnuplot's `word` takes them where they hold blanks.
std::string quoted_words(const std::vector<std::string>& words);

/// "minimal model", "one-layer transformer", "two-layer transformer".
std::string model_label(std::string_view model);

/// What the caption of a figure of runs says besides its title and text.
struct RunCaption {
  RunList runs;                           ///< those that are drawn
  std::size_t n_left_out = 0;             ///< runs of the folder that the figure could draw but for other settings
  std::span<const MeasuredCurve> curves;  ///< behind the theory's lines
  std::string no_theory;                  ///< why a line of theory is missing; empty where none is
  std::vector<std::string> numbers;
  std::vector<std::string> problems;  ///< files that were left out
};

/// The caption: title, text, and the lines Runs, Scale, Settings, Theory, Numbers and Sources.
std::string make_run_caption(std::string_view title, std::string_view text, const RunCaption& parts);

}  // namespace iclk::figures
