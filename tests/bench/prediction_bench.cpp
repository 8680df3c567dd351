// How long the main job takes without reading files: verdicts, memorization law and threshold of 24 curves.
//
//     build/release/tests/bench/iclk_bench_prediction

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

#include "iclk/fit/memorization_law.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/threshold.hpp"

using namespace iclk;

namespace {

/// A curve of the shape of a measured one: a plateau, then c1 ~ t^-2, 150 samples evenly spaced in ln t.
OrderParameterCurves synthetic_curve(double n_items, int seed) {
  const double scale = 0.4 * std::pow(n_items, 0.6) * (1.0 + 0.01 * seed);
  std::vector<double> times{0.0}, c1{0.5}, c2{0.5};
  for (int i = 0; i < 150; ++i) {
    const double time = 0.1 * std::pow(10.0, i / 32.0);
    const double u = time / scale;
    const double value = 0.5 / (1.0 + u * u);
    if (value < 1e-3) break;
    times.push_back(time);
    c1.push_back(value);
    c2.push_back(1.0 - value);
  }
  return {.c1 = Curve(times, c1), .c2 = Curve(times, c2), .c3 = {}, .c2_is_closure = false};
}

}  // namespace

int main() {
  using Clock = std::chrono::steady_clock;
  std::vector<OrderParameterCurves> curves;
  std::vector<double> n_items;
  for (const double k : {500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0, 32000.0, 50000.0}) {
    for (int seed = 0; seed < 3; ++seed) {
      curves.push_back(synthetic_curve(k, seed));
      n_items.push_back(k);
    }
  }
  double best = 1e9;
  double k_star = 0.0;
  for (int repeat = 0; repeat < 20; ++repeat) {
    const auto start = Clock::now();
    std::vector<fit::TruncatedCurve> truncated;
    std::vector<theory::ThresholdPoint> points;
    for (std::size_t i = 0; i < curves.size(); ++i) {
      const auto prediction = theory::predict_curve(curves[i], 100, {});
      truncated.push_back({n_items[i], curves[i].c1, prediction.integral.infinity});
      points.push_back({n_items[i], prediction.integral.infinity, prediction.required_integral});
    }
    const auto law = fit::fit_memorization_law(truncated);
    const auto threshold = theory::threshold_from_curves(points);
    const auto full_loss = theory::attention_flow({.n_context = 100}, {}, theory::ConstantMemorization{});
    k_star =
        threshold.k_star.value.value_or(full_loss.attention_half->time * static_cast<double>(law.truncated.n_points));
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  std::printf("verdicts, law and threshold of %zu curves: %.2f ms (K* = %.0f)\n", curves.size(), best * 1e3, k_star);
}
