#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace iclk::mlp_stats {

/// Sizes of the 3-layer ReLU network phi(x) = w3 . relu(W2 relu(W1 x + b1) + b2) + b3.
struct MlpShape {
  std::size_t n_features = 63;  ///< input width
  std::size_t hidden = 512;     ///< width of both hidden layers

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
  std::vector<double> w3;  ///< [hidden]
  double b3 = 0.0;

  explicit MlpParameters(MlpShape shape);

  bool operator==(const MlpParameters&) const = default;
};

/// PyTorch's default initialisation: weights and biases of a layer are U(-1/sqrt(fan_in), 1/sqrt(fan_in)), rounded to
/// float. Layer l draws from its own stream (seed, initial_weights, l).
MlpParameters initial_parameters(MlpShape shape, std::uint64_t seed);

/// Floating-point operations of one SGD step: forward, gradients of all weights, gradient of the first hidden layer
/// (the gradient of the input is not needed). Counts only the matrix products, a multiplication and an addition each.
double flops_per_step(MlpShape shape, std::size_t batch) noexcept;

}  // namespace iclk::mlp_stats
