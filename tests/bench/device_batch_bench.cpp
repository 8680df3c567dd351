// How fast a card trains many networks of the paper's size together: run-steps per second (SGD steps of all networks) by the
// number of networks, in float32 and tf32, with the arithmetic and, at most, the memory traffic that this means.
//
//     build/cuda/tests/bench/iclk_bench_device_batch [seconds per measurement, default 1] [networks, default 8 ... 256]

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "device_rate.hpp"
#include "iclk/core/error.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "mlp_batch.hpp"

using namespace iclk;
using namespace iclk::mlp_stats;

namespace {

constexpr MlpShape kShape{.n_features = 63, .hidden = 512};
constexpr std::size_t kBatch = 128;
constexpr std::size_t kItems = 2000;

/// Bytes that a step of one network reads and writes if nothing stays in a cache; docs/performance.md counts them.
double bytes_per_step() {
  const double inputs = 4.0 * 64 * kBatch, w1 = 4.0 * 64 * kShape.hidden, w2 = 4.0 * kShape.hidden * kShape.hidden;
  const double layer = 4.0 * kBatch * kShape.hidden;
  return 4 * inputs + 3 * w1 + 4 * w2 + 17 * layer;
}

double run_steps_per_second(Precision precision, std::size_t n_runs, double seconds) {
  const auto batch = make_cuda_batch({.shape = kShape, .batch = kBatch, .capacity = n_runs, .precision = precision});
  const auto parameters = initial_parameters(kShape, 0);
  const auto dataset = make_item_dataset(kItems, kShape.n_features, LabelRule::random, InputForm::raw, 0);
  for (std::size_t slot = 0; slot < n_runs; ++slot) batch->place(slot, dataset, slot, 0, parameters);
  return bench::run_steps_per_second(n_runs, 256, seconds,
                                     [&](std::uint64_t n_steps) { batch->train(n_runs, n_steps, {}); });
}

}  // namespace

int main(int argc, char** argv) {
  std::printf("%s\n", cuda_description().c_str());
  if (cuda_problem()) return 0;
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1.0;
  const std::vector<std::size_t> sizes = bench::wanted_sizes(argc, argv, {8, 16, 32, 64, 128, 256});
  const double flops = flops_per_step(kShape, kBatch);
  std::printf("network 63-512-512-1, batch 128: %.4f GFLOP and at most %.2f MB a step\n\n", flops * 1e-9,
              bytes_per_step() * 1e-6);
  std::printf("%-10s %10s %14s %12s %12s\n", "precision", "networks", "run-steps/s", "TFLOP/s", "TB/s at most");
  for (const Precision precision : {Precision::float32, Precision::tf32}) {
    for (const std::size_t n_runs : sizes) {
      try {
        const double rate = run_steps_per_second(precision, n_runs, seconds);
        std::printf("%-10s %10zu %14.0f %12.1f %12.2f\n", std::string(name(precision)).c_str(), n_runs, rate,
                    rate * flops * 1e-12, rate * bytes_per_step() * 1e-12);
      } catch (const Error& error) {
        std::printf("%-10s %10zu %s\n", std::string(name(precision)).c_str(), n_runs, error.what());
      }
      std::fflush(stdout);
    }
  }
}
