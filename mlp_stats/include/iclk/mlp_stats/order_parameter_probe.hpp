#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "iclk/core/order_parameters.hpp"
#include "iclk/mlp_stats/backend.hpp"

namespace iclk::mlp_stats {

/// Order parameters of a network: exact averages over all K items and both labels, in double.
/// `workspace`: [n_items], overwritten. Returns c1 = NaN when a logit is not finite (the training diverged).
OrderParameters probe_order_parameters(Backend& backend, const ItemDataset& dataset, std::span<double> workspace);

/// SGD steps at which to measure: 0, then 10^(k / points_per_decade) rounded and without repeats, up to and including
/// max_iterations. points_per_decade >= 1.
std::vector<std::uint64_t> probe_iterations(std::uint64_t max_iterations, int points_per_decade);

}  // namespace iclk::mlp_stats
