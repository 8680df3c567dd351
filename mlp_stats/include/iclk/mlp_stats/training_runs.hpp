#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "iclk/mlp_stats/trainer.hpp"

namespace iclk::mlp_stats {

/// How one run of a set ended.
enum class RunStatus {
  finished,     ///< its curve file is written
  kept,         ///< it was there already, made by the same settings
  interrupted,  ///< asked to stop: a checkpoint is written, the same call goes on from it
  not_finite,   ///< diverged: no curve file is written
};
std::string_view name(RunStatus status) noexcept;

struct RunReport {
  std::filesystem::path curve_file;
  TrainingOptions options;
  RunStatus status = RunStatus::interrupted;
  std::uint64_t iteration = 0;          ///< SGD steps done in all
  std::uint64_t resumed_from = 0;       ///< of which an earlier call did these
  std::optional<OrderParameters> last;  ///< newest measurement
};

/// Progress of the whole set, for a bar: called from the threads that train, one at a time, about twice a second.
struct RunProgress {
  std::size_t n_runs = 0;
  std::size_t n_done = 0;         ///< finished or kept
  std::uint64_t steps_done = 0;   ///< SGD steps by this call
  double steps_per_second = 0.0;  ///< all threads together, over the last few seconds
  std::vector<RunReport> active;  ///< runs in work
};

struct TrainingRunsOptions {
  int jobs =
      0;  ///< runs side by side, one thread each; 0: one per core. With backend cuda: networks trained together; 0: 64
  double checkpoint_seconds = 20.0;                          ///< save running networks this often
  const std::atomic<bool>* stop = nullptr;                   ///< set it (from a signal handler) to stop cleanly
  std::function<void(const RunProgress&)> on_progress = {};  ///< may be empty
};

/// The file that holds the curve of a run: `FOLDER/k500_s0.curves.csv`.
std::filesystem::path curve_file(const std::filesystem::path& folder, const TrainingOptions& options);

/// Trains every run of the list, several side by side, each into its own curve file. Files appear whole or not at
/// all. A curve that is already there with the same settings is kept, a run that was cut off (at any moment, by any
/// means) goes on from its last checkpoint `FOLDER/k500_s0.checkpoint`; either way the bytes are those of an
/// undisturbed run, and no run depends on which others run beside it. The runs expected to last longest start first.
///
/// With backend cuda runs of one shape, learning rate and decay are trained together on the card, and one that has
/// ended makes room for the next. Equal draws, but the rounding of matrix products may depend on how many are in work:
/// curves agree as those of two backends do, not to the byte.
///
/// Returns  one report per run, in the order of `runs`.
/// Throws   Error for bad options, two runs with one file name, a file there made by other settings, a damaged
///          checkpoint, an unwritable folder; all of this before any training.
std::vector<RunReport> train_runs(std::span<const TrainingOptions> runs, const std::filesystem::path& folder,
                                  const TrainingRunsOptions& options = {});

}  // namespace iclk::mlp_stats
