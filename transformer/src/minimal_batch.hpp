#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "iclk/core/order_parameters.hpp"
#include "iclk/mlp_stats/mlp.hpp"
#include "iclk/transformer/simulation_runs.hpp"

namespace iclk::transformer {

/// What the runs of one batch have in common.
struct MinimalBatchOptions {
  mlp_stats::MlpShape shape;
  std::size_t batch = 128;            ///< sequences per SGD step
  TaskOptions task;                   ///< K counts as finite or infinite only
  bool attend_self = false;           ///< as in MinimalOptions
  mlp_stats::SgdOptions sgd;          ///< of the MLP; beta and w take steps of the same rate
  std::size_t test_sequences = 2000;  ///< per measurement and kind of test
  std::size_t capacity = 1;           ///< models
  mlp_stats::Precision precision = mlp_stats::Precision::float32;
};

/// Attention of one model, and what is summed up as it learns. Lives on the card as it is.
struct MinimalHead {
  double beta = 0.0;
  double w = 0.0;
  double lambda_w = 0.0;
  double lambda_beta = 0.0;
  double loss_sum = 0.0;  ///< of the SGD steps since the last measurement
};

/// A measurement as in SimulationSample; not finite where the model has diverged.
struct MinimalMeasurement {
  double icl_loss = 0.0;
  double icl_accuracy = 0.0;
  std::optional<double> iwl_loss, iwl_accuracy;
  OrderParameters memory;
};

/// Minimal models of one kind, each in a slot with items, a seed and a step count of its own, on a device that draws their
/// sequences, trains and tests them together: the numbers that Simulation draws and computes, up to rounding.
class MinimalBatch {
 public:
  virtual ~MinimalBatch() = default;

  /// `dataset`: items of the run, none where K is infinite. The network and the head come by set().
  virtual void place(std::size_t slot, const mlp_stats::ItemDataset& dataset, std::uint64_t seed) = 0;
  virtual void set(std::size_t slot, const mlp_stats::MlpParameters& network, const MinimalHead& head) = 0;
  virtual void seek(std::size_t slot, std::uint64_t step) = 0;  ///< the next step to draw
  virtual void move(std::size_t from, std::size_t to) = 0;
  virtual mlp_stats::MlpParameters network(std::size_t slot) const = 0;
  virtual std::vector<MinimalHead> heads(std::size_t first_slot, std::size_t n_slots) const = 0;
  MinimalHead head(std::size_t slot) const { return heads(slot, 1).front(); }

  /// `n_steps` SGD steps of the models in slots 0 ... n_slots - 1.
  virtual void train(std::size_t n_slots, std::uint64_t n_steps) = 0;

  /// Tests the models in `slots` at their steps, and sets their loss sums to zero.
  virtual std::vector<MinimalMeasurement> measure(std::span<const std::size_t> slots) = 0;
};

/// A batch on the card. Throws Error when there is none, or it has too little memory.
std::unique_ptr<MinimalBatch> make_cuda_batch(const MinimalBatchOptions& options);

using MinimalBatchFactory = std::function<std::unique_ptr<MinimalBatch>(const MinimalBatchOptions&)>;

/// simulate_runs with the batches of backend cuda made by `make_batch`.
std::vector<SimulationReport> simulate_runs(std::span<const SimulationOptions> runs,
                                            const std::filesystem::path& folder, const SimulationRunsOptions& options,
                                            const MinimalBatchFactory& make_batch);

}  // namespace iclk::transformer
