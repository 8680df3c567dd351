// How long 1000 bootstrap resamples of a power law take: from 24 memorization curves, with their common shape found
// anew in each resample, and from 24 points.
//
//     build/release/tests/bench/iclk_bench_bootstrap

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <vector>

#include "iclk/core/random.hpp"
#include "iclk/fit/power_law_bootstrap.hpp"

using namespace iclk;

namespace {

/// A curve of the shape of a measured one: a plateau, then c1 ~ t^-2, 150 samples evenly spaced in ln t.
fit::TruncatedCurve synthetic_curve(double n_items, std::uint64_t index) {
  Rng rng(1, RandomPurpose::test, index);
  const double scale = 0.4 * std::pow(n_items, 0.6) * std::exp(0.03 * rng.normal());
  std::vector<double> times{0.0}, c1{0.5};
  for (int i = 0; i < 150; ++i) {
    const double time = 0.1 * std::pow(10.0, i / 32.0);
    const double u = time / scale;
    times.push_back(time);
    c1.push_back(0.5 / (1.0 + u * u));
  }
  return {.n_items = n_items, .c1 = Curve(times, c1)};
}

/// Best of three, processor time [s].
template <class Work>
double seconds(const Work& work) {
  double best = 1e9;
  for (int repeat = 0; repeat < 3; ++repeat) {
    const std::clock_t start = std::clock();
    work();
    best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
  }
  return best;
}

}  // namespace

int main() {
  std::vector<fit::TruncatedCurve> curves;
  std::vector<fit::PowerLawPoint> points;
  for (const double k : {500.0, 1000.0, 2000.0, 4000.0, 8000.0, 16000.0, 32000.0, 50000.0}) {
    for (int seed = 0; seed < 3; ++seed) curves.push_back(synthetic_curve(k, curves.size()));
  }
  const auto law = fit::fit_memorization_law(curves);
  for (std::size_t i = 0; i < curves.size(); ++i) {
    points.push_back({.x = curves[i].n_items,
                      .y = *law.infinity[i].value,
                      .low = law.infinity[i].low,
                      .high = law.infinity[i].high});
  }
  const auto point_law = fit::fit_power_law(points);
  for (const fit::Resampling resampling : {fit::Resampling::runs, fit::Resampling::levels, fit::Resampling::both}) {
    fit::PowerLawBootstrap from_curves, from_points;
    const double curve_time =
        seconds([&] { from_curves = fit::bootstrap_memorization_law(curves, law, {}, {.resampling = resampling}); });
    const double point_time =
        seconds([&] { from_points = fit::bootstrap_power_law(points, point_law, {}, {.resampling = resampling}); });
    std::printf("%d resamples of %-6s of 24 curves (%s): %.3f s, nu %.4f +- %.4f; of 24 points with tails: %.4f s\n",
                from_curves.n_resamples, std::string(fit::name(resampling)).c_str(),
                std::string(fit::name(law.treatment)).c_str(), curve_time, *law.law.exponent.value,
                from_curves.exponent.standard_error, point_time);
  }
}
