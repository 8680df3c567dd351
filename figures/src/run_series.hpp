#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/estimate.hpp"
#include "iclk/figures/figure_tables.hpp"
#include "iclk/figures/run_folder.hpp"
#include "run_parts.hpp"

// Pieces that the figures of trajectories share.
namespace iclk::figures {

inline constexpr std::size_t kMostAccuracySamples = 300;  ///< drawn of a line of accuracies
inline constexpr std::size_t kMostStrengthSamples = 250;  ///< drawn of a line of w or beta

/// Runs of a model, as the folder holds them.
RunList runs_of_model(const MeasuredRuns& folder, std::string_view model);

/// Whether the run has measurements, and all of these columns among them.
bool has_columns(const MeasuredRun& run, std::span<const std::string_view> columns) noexcept;

/// Runs of a model with finite K on random labels that differ in the decay of attention: the scan over most decays, by
/// rising decay. Empty when there are none.
RunList decay_scan(const MeasuredRuns& folder, std::string_view model);

/// "N = 25, K = ∞".
std::string size_label(const MeasuredRun& run);
/// SGD steps at a time of this run.
double iterations_at(const MeasuredRun& run, double time);

/// These curves, as a caption takes them.
std::vector<MeasuredCurve> copies_of(std::span<const MeasuredCurve* const> curves);

/// The caption of a figure of courses: the runs drawn, the curves behind theory's lines, numbers, and the files of the
/// folder that were left out.
std::string make_course_caption(std::string_view title, std::string_view text, const RunList& runs,
                                std::span<const MeasuredCurve> curves, const std::vector<std::string>& numbers,
                                const MeasuredRuns& folder);

/// Error that a folder lacks something: `DATA: runs: expected ..., found none; `command` makes them`.
Error missing_runs(const std::filesystem::path& data, const std::string& expected, std::string_view command);

/// Median, smallest and largest of the numbers; empty for none.
Estimate range_of(std::vector<double> numbers);

}  // namespace iclk::figures
