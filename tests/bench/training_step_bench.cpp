// How fast a training step is, as a share of oneDNN's own matrix products of the same shapes in the same run, and what
// a second run beside it costs.
//
//     build/release/tests/bench/iclk_bench_training_step [seconds per measurement, default 2]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "iclk/core/random.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "iclk/mlp_stats/trainer.hpp"

using namespace iclk;
using namespace iclk::mlp_stats;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

TrainingOptions paper_size(BackendKind backend) {
  TrainingOptions options;
  options.n_items = 2000;
  options.stop_c1.reset();
  options.points_per_decade = 1;  // measurements are not part of a step
  options.backend = backend;
  return options;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Whole training steps (sampling, forward, backward, update) and bare matrix products in turn, in short stretches: the
/// speed of a shared machine drifts, and the ratio of neighbours does not.
struct Comparison {
  double steps_per_second = 0.0;  ///< median
  double product_rate = 0.0;      ///< FLOP/s, median
  double share = 0.0;             ///< median of the ratios of neighbours
};

Comparison compare(BackendKind backend, double seconds) {
  const double flops = flops_per_step({.n_features = 63, .hidden = 512}, 128);
  Trainer trainer(paper_size(backend));
  trainer.advance(1001);  // past the measurements of the first 1000 steps
  std::vector<double> steps, products, shares;
  constexpr std::uint64_t kStretch = 25;
  const auto start = Clock::now();
  do {
    products.push_back(measured_product_rate({.n_features = 63, .hidden = 512}, 128, 0.05));
    const auto before = Clock::now();
    trainer.advance(kStretch);
    steps.push_back(static_cast<double>(kStretch) / seconds_since(before));
    shares.push_back(steps.back() * flops / products.back());
  } while (seconds_since(start) < seconds);
  return {median(steps), median(products), median(shares)};
}

/// Mean rates of `n_threads` runs side by side, all measured over the same stretch of time.
double rate_side_by_side(int n_threads, double seconds) {
  std::latch ready(n_threads);
  std::vector<double> rates(static_cast<std::size_t>(n_threads));
  {
    std::vector<std::jthread> threads;
    for (auto& rate : rates) {
      threads.emplace_back([&rate, &ready, seconds] {
        Trainer trainer(paper_size(BackendKind::onednn));
        trainer.advance(1001);
        ready.arrive_and_wait();
        const auto start = Clock::now();
        std::uint64_t steps = 0;
        do {
          trainer.advance(25);
          steps += 25;
        } while (seconds_since(start) < seconds);
        rate = static_cast<double>(steps) / seconds_since(start);
      });
    }
  }
  double total = 0.0;
  for (const double rate : rates) total += rate;
  return total;
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2.0;
  const MlpShape shape{.n_features = 63, .hidden = 512};
  const double flops = flops_per_step(shape, 128);
  std::printf("network 63-512-512-1, batch 128: %.4f GFLOP a step; oneDNN %s\n", flops * 1e-9,
              onednn_description().c_str());

  std::printf("\n%-36s %12s %12s %10s\n", "one core, medians", "steps/s", "GFLOP/s", "share");
  for (int repeat = 0; repeat < 3; ++repeat) {
    const Comparison fast = compare(BackendKind::onednn, 2 * seconds);
    std::printf("%-36s %12.1f %12.1f %10s\n", "oneDNN products of these shapes", fast.product_rate / flops,
                fast.product_rate * 1e-9, "1");
    std::printf("%-36s %12.1f %12.1f %10.3f\n", "training step", fast.steps_per_second,
                fast.steps_per_second * flops * 1e-9, fast.share);
  }
  const Comparison plain = compare(BackendKind::eigen, seconds);
  std::printf("%-36s %12.1f %12.1f %10.3f\n", "training step, eigen backend", plain.steps_per_second,
              plain.steps_per_second * flops * 1e-9, plain.share);

  std::printf("\n%-36s %12s %12s %10s\n", "runs side by side", "one", "two", "ratio");
  for (int repeat = 0; repeat < 3; ++repeat) {
    const double one = rate_side_by_side(1, seconds);
    const double two = rate_side_by_side(2, seconds);
    std::printf("%-36s %12.1f %12.1f %10.3f\n", "steps/s, all runs together", one, two, two / one);
  }
}
