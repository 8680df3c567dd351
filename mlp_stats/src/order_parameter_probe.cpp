#include "iclk/mlp_stats/order_parameter_probe.hpp"

#include <cmath>
#include <limits>

namespace iclk::mlp_stats {

OrderParameters probe_order_parameters(Backend& backend, const ItemDataset& dataset, std::span<double> workspace) {
  backend.logits(workspace);
  for (std::size_t i = 0; i < workspace.size(); ++i) {
    workspace[i] *= dataset.labels[i];
    if (!std::isfinite(workspace[i])) {
      OrderParameters diverged;
      diverged.c1 = std::numeric_limits<double>::quiet_NaN();
      return diverged;
    }
  }
  return order_parameters(workspace);
}

std::vector<std::uint64_t> probe_iterations(std::uint64_t max_iterations, int points_per_decade) {
  std::vector<std::uint64_t> iterations{0};
  for (int k = 0;; ++k) {
    const double exact = std::pow(10.0, static_cast<double>(k) / points_per_decade);
    if (exact >= static_cast<double>(max_iterations)) break;
    const auto iteration = static_cast<std::uint64_t>(std::llround(exact));
    if (iteration > iterations.back() && iteration < max_iterations) iterations.push_back(iteration);
  }
  if (max_iterations > 0) iterations.push_back(max_iterations);
  return iterations;
}

}  // namespace iclk::mlp_stats
