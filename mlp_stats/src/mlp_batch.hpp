#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "iclk/core/order_parameters.hpp"
#include "iclk/mlp_stats/mlp_engine.hpp"
#include "iclk/mlp_stats/training_runs.hpp"

namespace iclk::mlp_stats {

struct MlpBatchOptions {
  MlpShape shape;            ///< of every network, one output
  std::size_t batch = 128;   ///< items per SGD step
  std::size_t capacity = 1;  ///< networks
  Precision precision = Precision::float32;
};

/// Networks of one shape, each in a slot with a data set, a seed and a step count of its own, on a device that trains them
/// together. A step is that of Backend; items are drawn on the device, with the numbers that a Trainer draws.
class MlpBatch {
 public:
  virtual ~MlpBatch() = default;

  virtual void place(std::size_t slot, const ItemDataset& dataset, std::uint64_t seed, std::uint64_t step,
                     const MlpParameters& parameters) = 0;
  virtual void seek(std::size_t slot, std::uint64_t step) = 0;  ///< the next step to draw
  virtual void move(std::size_t from, std::size_t to) = 0;
  virtual MlpParameters download(std::size_t slot) const = 0;

  /// `n_steps` SGD steps of the networks in slots 0 ... n_slots - 1, their items drawn with replacement.
  virtual void train(std::size_t n_slots, std::uint64_t n_steps, const SgdOptions& sgd) = 0;

  /// One step of slot 0 per row of `items`: [n_steps x batch]. The step count stays.
  virtual void train_given(std::span<const std::uint32_t> items, const SgdOptions& sgd) = 0;

  /// Order parameters of the networks in `slots` over all their items. c1 = NaN where a logit is not finite.
  virtual std::vector<OrderParameters> measure(std::span<const std::size_t> slots) = 0;

  /// Logits of all items of a slot, not signed: [n_items].
  virtual void logits(std::size_t slot, std::span<double> logits) = 0;
};

/// A batch on the card. Throws Error when there is none, or it has too little memory.
std::unique_ptr<MlpBatch> make_cuda_batch(const MlpBatchOptions& options);

using MlpBatchFactory = std::function<std::unique_ptr<MlpBatch>(const MlpBatchOptions&)>;

/// train_runs with the batches of backend cuda made by `make_batch`.
std::vector<RunReport> train_runs(std::span<const TrainingOptions> runs, const std::filesystem::path& folder,
                                  const TrainingRunsOptions& options, const MlpBatchFactory& make_batch);

}  // namespace iclk::mlp_stats
