#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/transformer/simulation_runs.hpp"

namespace iclk::transformer {

/// Many runs from one plan, a TOML file:
///
///     [defaults]                  # of every grid; any setting of simulation_fields()
///     model = "minimal"
///     hidden = 128
///     seeds = "0:16"              # 0 1 ... 15; also a list of numbers and ranges, "0:4,7"
///
///     [[grid]]                    # all combinations of the arrays; a plan has one grid or more
///     items = [500, 1000, 2000, "inf"]
///     context = [50, 100]
///
///     [[grid]]
///     items = 4000
///     seeds = "0:4"
struct SweepPlan {
  std::string source;                   ///< file, as the user named it
  std::string text;                     ///< its contents
  std::vector<SimulationOptions> runs;  ///< grid by grid, the first setting of simulation_fields() varying slowest
  std::size_t n_repeated = 0;           ///< runs that an earlier grid had already; they are not in `runs` again
};

/// Throws Error `plan.toml:LINE: setting: problem`: not TOML, an unknown key, a wrong type, an empty array or grid, a
/// value or combination that no run can have.
SweepPlan read_sweep_plan(const std::filesystem::path& path);

/// A part of a plan for one of several machines: runs number index - 1, index - 1 + count, ...
struct Shard {
  std::uint64_t index = 1;  ///< 1 ... count
  std::uint64_t count = 1;
};

/// Trains the runs of a plan (or of a shard of it) in `folder` as simulate_runs does, and keeps a copy of the plan
/// there as `plan.toml`. A later plan may add runs, or leave some out: nothing that was finished is done again or lost.
std::vector<SimulationReport> run_sweep(const SweepPlan& plan, const std::filesystem::path& folder,
                                        const SimulationRunsOptions& options = {}, const Shard& shard = {});

/// A run that has failed, and why.
struct SweepFailure {
  std::string run;
  std::string problem;
};

/// How a sweep stands.
struct SweepStatus {
  std::size_t n_planned = 0;
  std::size_t n_finished = 0;     ///< of the planned ones, as all below
  std::size_t n_interrupted = 0;  ///< with a checkpoint: at work, or cut off
  std::size_t n_failed = 0;
  std::size_t n_waiting = 0;
  std::size_t n_unplanned = 0;  ///< results in the folder that the plan does not ask for
  /// Of those not finished, how many leave item_draw open, mean sketches by that, and stand in the folder with items,
  /// finished or begun: what the same plan meant to programs that knew no default but items.
  std::size_t n_with_items = 0;
  std::vector<SweepFailure> failures;

  /// Seconds on one core for all that is not finished: each run at the mean of the finished ones that differ in the
  /// seed alone, or in the seed and K, or of all. Empty before any has finished.
  std::optional<double> seconds_left;
};

/// Reads the plan in `folder` and what is there.
SweepStatus sweep_status(const std::filesystem::path& folder);

/// The settings and results at the head of one result file.
struct CollectedRun {
  std::filesystem::path file;
  RunInfo head;
};

/// Every result in a folder, by model, N, K and seed. Throws Error for a file that is not whole or of another version.
std::vector<CollectedRun> collect_runs(const std::filesystem::path& folder);

}  // namespace iclk::transformer
