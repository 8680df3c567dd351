#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "iclk/mlp_stats/item_dataset.hpp"
#include "iclk/mlp_stats/mlp_engine.hpp"

namespace iclk::mlp_stats {

/// A network with its data set on some device: a coarse boundary (upload, train many steps, read logits) that a
/// processor without our memory can serve. One Backend uses one thread; what it computes depends on nothing outside.
///
/// A step on a batch of items i_1 ... i_B (B = batch) is, with label y and logit z = phi(x):
///
///     loss = (1/B) sum_b sp(-y_b z_b),   parameter <- parameter - lr (d loss / d parameter + weight_decay parameter)
class Backend {
 public:
  virtual ~Backend() = default;

  virtual void upload(const MlpParameters& parameters) = 0;
  virtual MlpParameters download() const = 0;

  /// One SGD step per row of `batches`: [n_steps x batch] item numbers below n_items. Allocates nothing.
  virtual void train(std::span<const std::uint32_t> batches, const SgdOptions& options) = 0;

  /// Logits phi(x_i) of every item, not signed by the label: [n_items].
  virtual void logits(std::span<double> logits) = 0;
};

/// A backend for this data set, network and batch size. `dataset` must outlive it.
/// Throws   Error when the backend does not offer the precision, or cannot be used here.
std::unique_ptr<Backend> make_backend(BackendKind kind, Precision precision, const ItemDataset& dataset, MlpShape shape,
                                      std::size_t batch);

/// Makes the backend of a run for its data set and network.
using BackendFactory = std::function<std::unique_ptr<Backend>(const ItemDataset& dataset, MlpShape shape)>;

/// Why backend cuda cannot be used here, in one line: not in this build, no driver, no card. Empty when it can.
std::optional<std::string> cuda_problem();

/// The card and what it runs on: "NVIDIA H200, 140 GiB, CUDA 13.0"; or cuda_problem.
std::string cuda_description();

/// What oneDNN runs on here: its version and the instruction set that it picked, e.g. "2.6.3 avx512_core_bf16".
std::string onednn_description();

/// Rate of oneDNN's best matrix products of the shapes of one training step, measured now for about `seconds`
/// [FLOP/s, one thread]: the ceiling for a training step on this machine.
double measured_product_rate(MlpShape shape, std::size_t batch, double seconds = 0.2);

}  // namespace iclk::mlp_stats
