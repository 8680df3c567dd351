#pragma once

#include <cstdint>

#include "iclk/mlp_stats/trainer.hpp"

namespace iclk::test {

/// A run that is over in a fraction of a second.
inline mlp_stats::TrainingOptions small_run(std::uint64_t n_items, std::uint64_t seed) {
  mlp_stats::TrainingOptions options;
  options.n_items = n_items;
  options.seed = seed;
  options.dim = 10;
  options.hidden = 24;
  options.batch = 16;
  options.lr = 0.1;
  options.max_iterations = 4000;
  options.stop_c1 = 0.05;
  options.points_per_decade = 8;
  return options;
}

}  // namespace iclk::test
