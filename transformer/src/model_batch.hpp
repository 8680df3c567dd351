#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "iclk/transformer/simulation_runs.hpp"

namespace iclk::transformer {

/// Models of one kind, each in a slot with items, a seed and a step count of its own, on a device that draws their
/// sequences, trains and tests them together: the numbers that Simulation draws and computes, up to rounding. Parameters
/// are those of the IclModel, in its order.
class ModelBatch {
 public:
  virtual ~ModelBatch() = default;

  /// Takes up a run at step 0. `dataset`: its items, none where K is infinite. The parameters come by load(), before or after.
  virtual void place(std::size_t slot, const SimulationOptions& run, const mlp_stats::ItemDataset& dataset) = 0;
  virtual void load(std::size_t slot, std::span<const NamedArray> parameters) = 0;
  virtual std::vector<NamedArray> parameters(std::size_t slot) const = 0;

  /// The next step to draw, and the losses of the steps since the last measurement before it.
  virtual void seek(std::size_t slot, std::uint64_t step, double loss_sum) = 0;
  virtual void move(std::size_t from, std::size_t to) = 0;

  /// `n_steps` SGD steps of the models in slots 0 ... n_slots - 1.
  virtual void train(std::size_t n_slots, std::uint64_t n_steps) = 0;

  /// Of those slots: sums of the losses of the SGD steps since the last measurement.
  virtual std::vector<double> loss_sums(std::size_t n_slots) const = 0;

  /// Tests the models in `slots` at their steps, and sets their loss sums to zero. In a sample all is there but iteration,
  /// time and training loss; numbers are not finite where the model has diverged.
  virtual std::vector<SimulationSample> measure(std::span<const std::size_t> slots) = 0;
};

struct ModelBatchOptions {
  SimulationOptions run;     ///< one of those that share the batch, in place of all (see run_kind)
  std::size_t capacity = 1;  ///< models
};

/// Throws Error where a run asks for backend cuda and it cannot be used here.
void require_device(std::span<const SimulationOptions> runs);

/// Runs of equal text can be trained together: all settings but those that each run has for itself.
std::string run_kind(const SimulationOptions& run);

/// A batch on the card. Throws Error when there is none, or it has too little memory.
std::unique_ptr<ModelBatch> make_cuda_batch(const ModelBatchOptions& options);

using ModelBatchFactory = std::function<std::unique_ptr<ModelBatch>(const ModelBatchOptions&)>;

/// simulate_runs with the batches of backend cuda made by `make_batch`.
std::vector<SimulationReport> simulate_runs(std::span<const SimulationOptions> runs,
                                            const std::filesystem::path& folder, const SimulationRunsOptions& options,
                                            const ModelBatchFactory& make_batch);

}  // namespace iclk::transformer
