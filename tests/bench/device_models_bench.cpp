// How fast a card trains many models of the paper's size together, drawing their sequences included: run-steps per second
// (SGD steps of all models) by the number of models, in float32 and tf32.
//
//     build/cuda/tests/bench/iclk_bench_device_models [seconds per measurement, default 1] [models, default 16 ... 128]

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "device_rate.hpp"
#include "iclk/core/error.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "model_batch.hpp"

using namespace iclk;
using namespace iclk::transformer;

namespace {

SimulationOptions paper_run(ModelKind model, bool infinite, mlp_stats::Precision precision) {
  SimulationOptions run = default_options(Profile::paper, model, infinite);
  if (!infinite) run.n_items = 2000;
  run.backend = mlp_stats::BackendKind::cuda;
  run.precision = precision;
  return run;
}

double run_steps_per_second(SimulationOptions run, std::size_t n_runs, double seconds) {
  const auto batch = make_cuda_batch({.run = run, .capacity = n_runs});
  for (std::size_t slot = 0; slot < n_runs; ++slot) {
    run.seed = slot;
    SimulationOptions start = run;
    start.backend = mlp_stats::BackendKind::eigen;
    start.precision = mlp_stats::Precision::float32;
    batch->place(slot, run, IclTask(task_options(run), slot).dataset());
    batch->load(slot, make_model(start)->parameters());
  }
  return bench::run_steps_per_second(n_runs, 128, seconds,
                                     [&](std::uint64_t n_steps) { batch->train(n_runs, n_steps); });
}

}  // namespace

int main(int argc, char** argv) {
  std::printf("%s\n", mlp_stats::cuda_description().c_str());
  if (mlp_stats::cuda_problem()) return 0;
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1.0;
  const std::vector<std::size_t> sizes = bench::wanted_sizes(argc, argv, {16, 32, 64, 128});
  std::printf("N = 100, D = 63, hidden 512, batch 128\n\n");
  std::printf("%-10s %-6s %-10s %8s %14s\n", "model", "K", "precision", "models", "run-steps/s");
  for (const ModelKind model : {ModelKind::minimal, ModelKind::one_layer}) {
    for (const bool infinite : {false, true}) {
      for (const auto precision : {mlp_stats::Precision::float32, mlp_stats::Precision::tf32}) {
        for (const std::size_t n_runs : sizes) {
          std::printf("%-10s %-6s %-10s %8zu ", std::string(name(model)).c_str(), infinite ? "inf" : "2000",
                      std::string(mlp_stats::name(precision)).c_str(), n_runs);
          try {
            std::printf("%14.0f\n", run_steps_per_second(paper_run(model, infinite, precision), n_runs, seconds));
          } catch (const Error& error) {
            std::printf("%s\n", error.what());
          }
          std::fflush(stdout);
        }
      }
    }
  }
}
