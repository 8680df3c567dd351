#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/transformer/simulation.hpp"

namespace iclk::transformer {

/// How one run of a set ended.
enum class RunStatus {
  finished,     ///< its file is written
  kept,         ///< it was there already, made by the same settings
  interrupted,  ///< asked to stop: a checkpoint is written, the same call goes on from it; or never started
  failed,       ///< diverged or met an error: no result, but a file that says why
};
std::string_view name(RunStatus status) noexcept;

struct SimulationReport {
  std::filesystem::path file;  ///< where the result is or will be
  SimulationOptions options;
  RunStatus status = RunStatus::interrupted;
  std::uint64_t iteration = 0;           ///< SGD steps done in all; of a run that was kept, what its file says
  std::uint64_t resumed_from = 0;        ///< of which an earlier call did these
  std::optional<SimulationSample> last;  ///< newest measurement of this call
  RunInfo head;         ///< of a finished or kept run: the settings and results at the head of its file
  std::string problem;  ///< of a failed run: why
};

/// Progress of the whole set, for a bar: called from the threads that train, one at a time, about twice a second.
struct SimulationProgress {
  std::size_t n_runs = 0;
  std::size_t n_done = 0;         ///< finished, kept or failed
  std::uint64_t steps_done = 0;   ///< SGD steps by this call
  double steps_per_second = 0.0;  ///< all threads together, over the last few seconds
  std::vector<SimulationReport> active;
};

struct SimulationRunsOptions {
  int jobs =
      0;  ///< runs side by side, one thread each; 0: one per core. With backend cuda: models trained together; 0: 64
  double checkpoint_seconds = 20.0;                                 ///< save running models this often
  const std::atomic<bool>* stop = nullptr;                          ///< set it (from a signal handler) to stop cleanly
  std::function<void(const SimulationProgress&)> on_progress = {};  ///< may be empty
  ModelFactory model = make_model;                                  ///< must give equal models for equal options
};

/// The files of a run: its result, what it goes on from, and why it failed.
std::filesystem::path simulation_file(const std::filesystem::path& folder, const SimulationOptions& options);
std::filesystem::path checkpoint_file(const std::filesystem::path& folder, const SimulationOptions& options);
std::filesystem::path failure_file(const std::filesystem::path& folder, const SimulationOptions& options);

/// Trains every run of the list, several side by side, each into its own file `FOLDER/<run_name>.simulation.csv`. Files
/// appear whole or not at all. A result that is already there is kept, a run that was cut off (at any moment, by any
/// means) goes on from its last checkpoint, one that had failed is tried again; in any case the bytes are those of an
/// undisturbed run, and no run depends on which others run beside it. A run that fails leaves the others alone. How
/// long each took goes to `FOLDER/runtimes.csv`, from which the time left is estimated.
///
/// With backend cuda runs of one kind (they may differ in K, seed, start, lambda and where they stop) are trained
/// together on the card, and one that has ended makes room for the next. Equal draws, but the rounding of matrix
/// products may depend on how many are in work: results agree as those of two backends do, not to the byte. `model` is
/// not asked.
///
/// Returns  one report per run, in the order of `runs`.
/// Throws   Error for bad options, the same run twice, a result or checkpoint there that other settings made, a damaged
///          checkpoint, an unwritable folder; all of this before any training.
std::vector<SimulationReport> simulate_runs(std::span<const SimulationOptions> runs,
                                            const std::filesystem::path& folder,
                                            const SimulationRunsOptions& options = {});

}  // namespace iclk::transformer
