#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "iclk/mlp_stats/mlp.hpp"

namespace iclk::mlp_stats {

enum class BackendKind {
  eigen,   ///< plain and readable: the definition of what a training step does
  onednn,  ///< matrix products by oneDNN, which picks the machine's instructions when it runs; the default
  cuda,    ///< many runs together on a graphics card, where the build has it
};

enum class Precision {
  float32,
  float64,
  tf32,  ///< float32 whose matrix products round their inputs to 11 significant bits
};

std::string_view name(BackendKind kind) noexcept;
std::string_view name(Precision precision) noexcept;

/// Whether the backend trains in this precision, and in words what it offers: "float32 with backend onednn (...)".
bool offers(BackendKind kind, Precision precision) noexcept;
std::string_view offered_precisions(BackendKind kind) noexcept;

/// Plain stochastic gradient descent on the mean loss of a batch, no momentum.
struct SgdOptions {
  double lr = 0.01;             ///< learning rate
  double weight_decay = 1e-10;  ///< added to the gradient as weight_decay * parameter, biases included
};

/// The network of mlp.hpp on a batch of rows, without data set and without loss: who uses it fills the inputs, reads
/// the outputs, fills the gradient of the loss in the outputs, and has the parameters moved:
///
///     engine->inputs() <- ...;  outputs = engine->forward();  engine->d_outputs() <- ...;
///     engine->backward_and_update(sgd, d_inputs);
///
/// Real: float or double. One engine uses one thread. What it computes depends on nothing outside, and a step allocates
/// nothing (oneDNN and Eigen take packing buffers from malloc). The arrays stay where they are as long as it lives.
template <class Real>
class MlpEngine {
 public:
  virtual ~MlpEngine() = default;

  virtual MlpShape shape() const noexcept = 0;
  virtual std::size_t batch() const noexcept = 0;

  virtual void upload(const MlpParameters& parameters) = 0;
  virtual MlpParameters download() const = 0;

  /// [batch x n_features], one row per sample: fill before forward(), leave alone until the way back is done.
  virtual std::span<Real> inputs() noexcept = 0;

  /// Outputs of all rows: [batch x n_outputs]. They hold until the next call.
  virtual std::span<const Real> forward() = 0;

  /// d loss / d outputs: [batch x n_outputs], to be filled between forward() and the way back.
  virtual std::span<Real> d_outputs() noexcept = 0;

  /// parameter <- parameter - lr (d loss / d parameter + weight_decay parameter), once per forward().
  /// `d_inputs`: [batch x n_features], receives d loss / d inputs at the parameters before the update; empty: not
  /// wanted.
  virtual void backward_and_update(const SgdOptions& options, std::span<Real> d_inputs) = 0;

  /// d loss / d inputs alone, [batch x n_features]; the parameters stay as they are. Once per forward().
  virtual void backward_inputs(std::span<Real> d_inputs) = 0;
};

/// `block`: rows that go through all layers together, 0 for the whole batch. Many rows (a thousand and more) are faster
/// in blocks of a few hundred, which stay in the cache; the rounding of the gradients depends on it.
///
/// Takes    batch >= 1; a block that is not 0 divides the batch.
/// Throws   Error when the backend does not offer the precision, and for backend cuda, which trains whole runs only.
template <class Real>
std::unique_ptr<MlpEngine<Real>> make_mlp_engine(BackendKind kind, MlpShape shape, std::size_t batch,
                                                 std::size_t block = 0);

extern template std::unique_ptr<MlpEngine<float>> make_mlp_engine<float>(BackendKind, MlpShape, std::size_t,
                                                                         std::size_t);
extern template std::unique_ptr<MlpEngine<double>> make_mlp_engine<double>(BackendKind, MlpShape, std::size_t,
                                                                           std::size_t);

}  // namespace iclk::mlp_stats
