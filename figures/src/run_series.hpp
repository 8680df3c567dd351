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

// Which runs of a folder belong together: what the figures of trajectories draw.
namespace iclk::figures {

using RunList = std::vector<const MeasuredRun*>;

/// Runs as the folder holds them, and what they belong to.
RunList runs_of_model(const MeasuredRuns& folder, std::string_view model);

/// Runs in lists of equal settings, in the order of their first run. Seeds, how long a run went on and how often it was
/// measured never count; neither do the settings named in `free`.
std::vector<RunList> runs_by_settings(const RunList& runs, std::span<const std::string_view> free = {});

/// The setting that makes attention decay: "lambda_w" in the minimal model, "attention_decay" in transformers.
std::string_view decay_key(std::string_view model) noexcept;
/// Its value [1/time], zero where the run does not have it.
double decay_of(const MeasuredRun& run) noexcept;

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

/// Error that a folder lacks something: `DATA: runs: expected ..., found none; `command` makes them`.
Error missing_runs(const std::filesystem::path& data, const std::string& expected, std::string_view command);

/// Median, smallest and largest of the numbers; empty for none.
Estimate range_of(std::vector<double> numbers);

}  // namespace iclk::figures
