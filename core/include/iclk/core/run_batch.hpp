#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/run_set.hpp"

namespace iclk {

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

/// All runs of a batch as one piece of work for work_through: slots are filled from the queue, a run that ends makes
/// room for the next one, and when none is left the batch shrinks. Runs may be at different steps.
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

inline constexpr std::size_t kRunsTogether = 64;  ///< slots of a batch, unless `jobs` says how many

/// work_through for the runs that one device works on in batches, one batch after the other: runs of equal `kind` share
/// one, in the order of `queue`.
/// Takes    make_batch: a batch for the runs like the one with this number, with so many slots. Of the options `jobs` is
///          the number of slots (0: kRunsTogether) and after_turn is not called; on_progress names the runs in slots.
void work_through_batches(std::span<const std::size_t> queue, const std::function<std::string(std::size_t)>& kind,
                          const std::function<std::unique_ptr<RunBatch>(std::size_t, std::size_t)>& make_batch,
                          const RunSetOptions& options);

}  // namespace iclk
