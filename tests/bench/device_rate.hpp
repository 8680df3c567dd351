#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

namespace iclk::bench {

/// Steps of all runs of a batch per second, over at least `seconds`. `train` takes a number of steps of each of `n_runs`
/// runs; its first call, which records them, is not timed.
template <class Train>
double run_steps_per_second(std::size_t n_runs, std::uint64_t stretch, double seconds, Train train) {
  using Clock = std::chrono::steady_clock;
  train(stretch);
  const auto start = Clock::now();
  std::uint64_t steps = 0;
  double elapsed = 0.0;
  do {
    train(stretch);
    steps += stretch;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  } while (elapsed < seconds);
  return static_cast<double>(steps) * static_cast<double>(n_runs) / elapsed;
}

/// Numbers of runs from the second argument on, or `sizes`.
inline std::vector<std::size_t> wanted_sizes(int argc, char** argv, std::vector<std::size_t> sizes) {
  if (argc <= 2) return sizes;
  sizes.clear();
  for (int i = 2; i < argc; ++i) sizes.push_back(std::strtoull(argv[i], nullptr, 10));
  return sizes;
}

}  // namespace iclk::bench
