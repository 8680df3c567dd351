#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "iclk/core/error.hpp"

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

/// The device that computes for us has failed, is full or is missing: no fault of the run that met it.
class DeviceError : public Error {
 public:
  using Error::Error;
};

/// Many runs that one device works on together, each in a slot. Whoever trains on such a device implements it.
class RunBatch {
 public:
  virtual ~RunBatch() = default;

  /// Takes up run `index` in a slot. Returns false when there is nothing left to do for it: the slot stays free.
  virtual bool start(std::size_t slot, std::size_t index) = 0;

  /// Steps that the run in the slot may do before it has to be measured; 0: now.
  virtual std::uint64_t steps_until_due(std::size_t slot) const = 0;

  /// `n_steps` of each of the runs in slots 0 ... n_slots - 1. None goes beyond its next measurement.
  virtual void train(std::size_t n_slots, std::uint64_t n_steps) = 0;

  /// Measures the runs in `slots` (rising).
  virtual void measure(std::span<const std::size_t> slots) = 0;
  virtual bool ended(std::size_t slot) const = 0;  ///< by training or by being measured; its result is written then

  /// The run in slot `from` goes on in slot `to`, whose own run has ended. Equal slots: the run is let go.
  virtual void move(std::size_t from, std::size_t to) = 0;
  virtual void save(std::size_t slot) = 0;
};

/// All runs of a batch as one piece of work for work_through: slots are filled from the queue, a run that ends makes room
/// for the next one, and when none is left the batch shrinks. Runs may be at different steps.
class BatchWork final : public ResumableRun {
 public:
  /// `queue`: runs in the order in which they start; capacity: slots of the batch, at least 1.
  BatchWork(std::vector<std::size_t> queue, std::size_t capacity, std::unique_ptr<RunBatch> batch);

  bool advance() override;
  void save() override;
  std::uint64_t iteration() const noexcept override { return steps_done_; }  ///< of all runs together
  const RunBatch& batch() const noexcept { return *batch_; }
  std::span<const std::size_t> active() const noexcept { return active_; }  ///< runs by slot

 private:
  void fill();
  void measure_due();
  void let_go();

  std::vector<std::size_t> queue_;  // the next one last
  std::size_t capacity_;
  std::unique_ptr<RunBatch> batch_;
  std::vector<std::size_t> active_;
  std::uint64_t steps_per_turn_ = 16;
  std::uint64_t steps_done_ = 0;
};

}  // namespace iclk
