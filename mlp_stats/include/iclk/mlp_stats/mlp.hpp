#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace iclk::mlp_stats {

/// Sizes of the 3-layer ReLU network phi(x) = W3 relu(W2 relu(W1 x + b1) + b2) + b3.
struct MlpShape {
  std::size_t n_features = 63;  ///< input width
  std::size_t hidden = 512;     ///< width of both hidden layers
  std::size_t n_outputs = 1;    ///< one logit, or as many numbers as a layer of a deeper model hands on

  bool operator==(const MlpShape&) const = default;
};

/// All weights of one network. Matrices are row-major [out x in]. Values are doubles whatever the precision of the
/// backend that trains them: every float is a double, so nothing is lost in passing them on.
struct MlpParameters {
  MlpShape shape;
  std::vector<double> w1;  ///< [hidden x n_features]
  std::vector<double> b1;  ///< [hidden]
  std::vector<double> w2;  ///< [hidden x hidden]
  std::vector<double> b2;  ///< [hidden]
  std::vector<double> w3;  ///< [n_outputs x hidden]
  std::vector<double> b3;  ///< [n_outputs]

  explicit MlpParameters(MlpShape shape);

  bool operator==(const MlpParameters&) const = default;
};

/// PyTorch's default initialisation: weights and biases of a layer are U(-1/sqrt(fan_in), 1/sqrt(fan_in)), rounded to
/// float. Layer l = 1, 2, 3 draws from its own stream (seed, initial_weights, l + layer_offset), so that a model with
/// several networks gives each its own numbers.
MlpParameters initial_parameters(MlpShape shape, std::uint64_t seed, std::uint64_t layer_offset = 0);

enum class InputGradient { not_needed, needed };

/// Floating-point operations of one SGD step: forward, gradients of all weights, gradients of the hidden layers and,
/// where needed, of the input. Counts only the matrix products, a multiplication and an addition each.
double flops_per_step(MlpShape shape, std::size_t batch,
                      InputGradient input_gradient = InputGradient::not_needed) noexcept;

}  // namespace iclk::mlp_stats
