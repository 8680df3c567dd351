#include "iclk/mlp_stats/mlp.hpp"

#include <cmath>
#include <span>

#include "iclk/core/random.hpp"

namespace iclk::mlp_stats {
namespace {

/// Weights, then biases, of layer `layer` with `fan_in` inputs.
void initialise_layer(std::span<double> weights, std::span<double> biases, std::size_t fan_in, std::uint64_t seed,
                      std::uint64_t layer) {
  Rng rng(seed, RandomPurpose::initial_weights, layer);
  const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
  for (double& w : weights) w = static_cast<float>(rng.uniform(-bound, bound));
  for (double& b : biases) b = static_cast<float>(rng.uniform(-bound, bound));
}

}  // namespace

MlpParameters::MlpParameters(MlpShape shape_)
    : shape(shape_),
      w1(shape.hidden * shape.n_features),
      b1(shape.hidden),
      w2(shape.hidden * shape.hidden),
      b2(shape.hidden),
      w3(shape.n_outputs * shape.hidden),
      b3(shape.n_outputs) {}

MlpParameters initial_parameters(MlpShape shape, std::uint64_t seed, std::uint64_t layer_offset) {
  MlpParameters parameters(shape);
  initialise_layer(parameters.w1, parameters.b1, shape.n_features, seed, layer_offset + 1);
  initialise_layer(parameters.w2, parameters.b2, shape.hidden, seed, layer_offset + 2);
  initialise_layer(parameters.w3, parameters.b3, shape.hidden, seed, layer_offset + 3);
  return parameters;
}

double flops_per_step(MlpShape shape, std::size_t batch, InputGradient input_gradient) noexcept {
  const double layer1 = static_cast<double>(shape.n_features) * static_cast<double>(shape.hidden);
  const double layer2 = static_cast<double>(shape.hidden) * static_cast<double>(shape.hidden);
  const double layer3 = static_cast<double>(shape.hidden) * static_cast<double>(shape.n_outputs);
  const double products1 = input_gradient == InputGradient::needed ? 3.0 : 2.0;
  return 2.0 * static_cast<double>(batch) * (products1 * layer1 + 3.0 * layer2 + 3.0 * layer3);
}

}  // namespace iclk::mlp_stats
