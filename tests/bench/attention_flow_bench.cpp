// Flows per second on one core, for each loss of the tower, to the last marker of acquisition.
//
//     build/release/tests/bench/iclk_bench_attention_flow

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>

#include "iclk/theory/attention_flow.hpp"

using namespace iclk;

namespace {

double seconds_per_flow(const theory::ContextModel& context, double rel_tol, int& steps) {
  using Clock = std::chrono::steady_clock;
  double best = 1e9;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto start = Clock::now();
    int n_flows = 0;
    // Starts around zero, as of an ensemble.
    for (int i = -20; i <= 20; ++i) {
      const auto flow = theory::attention_flow(context, {.w = 0.01 * i, .beta = -0.02 * i}, theory::LogitList{},
                                               {.rel_tol = rel_tol});
      steps = flow.steps;
      ++n_flows;
    }
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count() / n_flows);
  }
  return best;
}

}  // namespace

int main() {
  std::printf("%-20s %8s %8s %8s %10s\n", "model", "N", "rel_tol", "steps", "flows/s");
  for (const auto model : {theory::LossModel::leading, theory::LossModel::gaussian, theory::LossModel::binomial}) {
    for (const double n : {100.0, 1e4}) {
      for (const double rel_tol : {1e-8, 1e-10}) {
        int steps = 0;
        const double seconds = seconds_per_flow({.model = model, .n_context = n}, rel_tol, steps);
        std::printf("%-20s %8.0f %8.0e %8d %10.0f\n", std::string(theory::name(model)).c_str(), n, rel_tol, steps,
                    1.0 / seconds);
      }
    }
  }
}
