#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace iclk {

/// A folder that results are written into. Several programs may work in one folder: each holds a shared lock while this
/// object lives, and one that finds itself alone clears away the unfinished files of programs that were killed. File
/// systems that cannot lock a folder keep those leftovers (hidden files `.iclk-*.tmp`, harmless).
class RunFolder {
 public:
  /// Makes the folder where it is missing. Throws Error when it cannot be made or written to.
  explicit RunFolder(const std::filesystem::path& folder);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

 private:
  int descriptor_ = -1;
};

/// A run that is worked on in turns and can be put aside at the end of any of them.
class ResumableRun {
 public:
  virtual ~ResumableRun() = default;

  /// Works on for about half a second. Returns false once the run has ended and its result is written.
  virtual bool advance() = 0;
  virtual void save() = 0;  ///< writes a checkpoint; called between turns
  virtual std::uint64_t iteration() const noexcept = 0;
};

struct RunSetProgress {
  std::uint64_t steps_done = 0;     ///< by all runs of this call
  double steps_per_second = 0.0;    ///< all threads together, over the last few seconds
  std::vector<std::size_t> active;  ///< runs in work, rising
};

struct RunSetOptions {
  int jobs = 0;                             ///< runs side by side, one thread each; 0: one per core
  double checkpoint_seconds = 20.0;         ///< save running work this often
  const std::atomic<bool>* stop = nullptr;  ///< set it (from a signal handler) to save all running work and return

  /// Called after each turn of a run, and about twice a second with the progress of them all. One call at a time,
  /// from the threads that work. Both may be empty.
  std::function<void(std::size_t, const ResumableRun&)> after_turn = {};
  std::function<void(const RunSetProgress&)> on_progress = {};
};

/// Works through the runs numbered in `queue`, in that order, several side by side: `start` takes up a run by its
/// number, on the thread that works on it. Returns when all have ended or `stop` was set.
/// Throws   the first exception of a run, after the others were saved.
void work_through(std::span<const std::size_t> queue,
                  const std::function<std::unique_ptr<ResumableRun>(std::size_t)>& start, const RunSetOptions& options);

}  // namespace iclk
