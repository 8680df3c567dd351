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

/// Steps a second of a whole run: sampling, forward, backward, update. The best of many short stretches, and the mean.
struct Rate {
  double best = 0.0;
  double mean = 0.0;
};

Rate step_rate(BackendKind backend, double seconds) {
  Trainer trainer(paper_size(backend));
  trainer.advance(1001);  // past the measurements of the first 1000 steps
  Rate rate;
  constexpr std::uint64_t kStretch = 25;
  std::uint64_t steps = 0;
  const auto start = Clock::now();
  do {
    const auto before = Clock::now();
    trainer.advance(kStretch);
    rate.best = std::max(rate.best, static_cast<double>(kStretch) / seconds_since(before));
    steps += kStretch;
  } while (seconds_since(start) < seconds);
  rate.mean = static_cast<double>(steps) / seconds_since(start);
  return rate;
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

  std::printf("\n%-36s %12s %12s %10s\n", "one core", "steps/s", "GFLOP/s", "share");
  for (int repeat = 0; repeat < 3; ++repeat) {
    const double products = measured_product_rate(shape, 128, seconds);
    const Rate rate = step_rate(BackendKind::onednn, seconds);
    std::printf("%-36s %12.1f %12.1f %10s\n", "oneDNN products of these shapes", products / flops, products * 1e-9,
                "1");
    std::printf("%-36s %12.1f %12.1f %10.3f\n", "training step, best stretch", rate.best, rate.best * flops * 1e-9,
                rate.best * flops / products);
    std::printf("%-36s %12.1f %12.1f %10.3f\n", "training step, mean", rate.mean, rate.mean * flops * 1e-9,
                rate.mean * flops / products);
  }
  const Rate eigen = step_rate(BackendKind::eigen, seconds);
  std::printf("%-36s %12.1f %12.1f\n", "eigen backend, best stretch", eigen.best, eigen.best * flops * 1e-9);

  std::printf("\n%-36s %12s %12s %10s\n", "runs side by side", "one", "two", "ratio");
  for (int repeat = 0; repeat < 3; ++repeat) {
    const double one = rate_side_by_side(1, seconds);
    const double two = rate_side_by_side(2, seconds);
    std::printf("%-36s %12.1f %12.1f %10.3f\n", "steps/s, all runs together", one, two, two / one);
  }
}
