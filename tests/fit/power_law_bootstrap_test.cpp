#include "iclk/fit/power_law_bootstrap.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "power_law_samples.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

fit::PowerLawBootstrap resample(const std::vector<fit::PowerLawPoint>& points, const fit::BootstrapOptions& options,
                                const fit::PowerLawOptions& fit_options = {}) {
  return fit::bootstrap_power_law(points, fit::fit_power_law(points, fit_options), fit_options, options);
}

/// Derivatives of the slope of a line by the level means, for equal weights: (u_k - mean u)/sum (u - mean u)^2.
std::vector<double> slope_derivatives(const std::vector<double>& log_x) {
  double mean = 0, spread = 0;
  for (const double u : log_x) mean += u / static_cast<double>(log_x.size());
  for (const double u : log_x) spread += (u - mean) * (u - mean);
  std::vector<double> c;
  for (const double u : log_x) c.push_back((u - mean) / spread);
  return c;
}

/// Curves c1 = 1/2 (1 + t/T)^-2 cut off at a time, T ~ K^0.6, with `scatter` of ln T between runs.
std::vector<fit::TruncatedCurve> power_curves(int levels, int runs, double scatter, double horizon = 3e4) {
  std::vector<fit::TruncatedCurve> curves;
  for (int k = 0; k < levels; ++k) {
    for (int r = 0; r < runs; ++r) {
      Rng rng(71, RandomPurpose::test, static_cast<std::uint64_t>(100 * k + r));
      const double n_items = 500 * std::pow(2.0, k);
      const double scale = 2 * std::pow(n_items, 0.6) * std::exp(scatter * rng.normal());
      std::vector<double> times{0.0}, c1{0.5};
      for (int i = 0; i < 150; ++i) {
        times.push_back(std::pow(10.0, i * std::log10(horizon) / 149));
        c1.push_back(0.5 * std::pow(1 + times.back() / scale, -2));
      }
      curves.push_back({.n_items = n_items, .c1 = Curve(times, c1)});
    }
  }
  return curves;
}

}  // namespace

TEST_CASE("power law bootstrap: resampled runs have the standard error of their own scatter",
          "[fit][power_law_bootstrap]") {
  // Slope and ln prefactor are linear in the runs, so the variance over all resamples is known: sum c_k^2 s_k^2/n_k
  // with s_k^2 the mean square within level k. 20 000 resamples: relative s.e. of an sd 1/sqrt(40000) = 0.5 %.
  const auto points = sample_law(8, 3, 0.02, 0.05);
  const auto boot = resample(points, {.resampling = fit::Resampling::runs, .n_resamples = 20000});
  REQUIRE(boot.outcome == fit::BootstrapOutcome::resampled);
  std::vector<double> log_x;
  for (std::size_t k = 0; k < 8; ++k) log_x.push_back(std::log(points[3 * k].x));
  const auto c = slope_derivatives(log_x);
  double variance = 0;
  for (std::size_t k = 0; k < 8; ++k) {
    double mean = 0, squares = 0;
    for (std::size_t r = 0; r < 3; ++r) mean += std::log(points[3 * k + r].y) / 3;
    for (std::size_t r = 0; r < 3; ++r) squares += std::pow(std::log(points[3 * k + r].y) - mean, 2) / 3;
    variance += c[k] * c[k] * squares / 3;
  }
  CHECK_THAT(boot.exponent.standard_error, WithinRel(std::sqrt(variance), 4 * 0.005));
  CHECK(std::abs(boot.exponent.bias) < 4 * std::sqrt(variance / 20000));
  CHECK_THAT(width(boot.exponent.percentile), WithinRel(2 * 1.96 * std::sqrt(variance), 0.05));
  CHECK_THAT(*boot.exponent.percentile.value, WithinRel(*fit::fit_power_law(points).exponent.value, 1e-12));
}

TEST_CASE("power law bootstrap: resampled levels have the standard error of pairs", "[fit][power_law_bootstrap]") {
  // With many levels the variance over resamples goes to that of the sandwich: sum c_k^2 r_k^2.
  const auto points = sample_law(100, 1, 0, 0.05);
  const auto law = fit::fit_power_law(points);
  const auto boot = resample(points, {.resampling = fit::Resampling::levels, .n_resamples = 4000});
  std::vector<double> log_x;
  for (const auto& p : points) log_x.push_back(std::log(p.x));
  const auto c = slope_derivatives(log_x);
  double variance = 0;
  for (std::size_t k = 0; k < c.size(); ++k) {
    const double residual = std::log(points[k].y / *law.prefactor.value) - *law.exponent.value * std::log(points[k].x);
    variance += c[k] * c[k] * residual * residual;
  }
  CHECK_THAT(boot.exponent.standard_error, WithinRel(std::sqrt(variance), 0.1));
  CHECK(boot.warnings.empty());  // a hundred levels are enough
}

TEST_CASE("power law bootstrap: BCa leans to the long side of skewed scatter", "[fit][power_law_bootstrap]") {
  // ln y with exponential scatter at the largest x only: the slope is skewed to the right, and so is a second-order
  // interval. Without skewness (mirror images) BCa and percentile agree within their noise.
  std::vector<fit::PowerLawPoint> skewed, mirrored;
  Rng rng(5, RandomPurpose::test, 0);
  for (const double x : {100.0, 200.0, 400.0, 800.0}) {
    for (int r = 0; r < 20; ++r) {
      const double e = x > 400 ? -0.3 * std::log(1 - rng.uniform()) : 0.001 * rng.normal();
      skewed.push_back({.x = x, .y = x * std::exp(e)});
      mirrored.push_back({.x = x, .y = x * std::exp(e)});
      mirrored.push_back({.x = x, .y = x * std::exp((x > 400 ? 0.6 : 0.0) - e)});
    }
  }
  const fit::BootstrapOptions options{.resampling = fit::Resampling::runs, .n_resamples = 20000};
  const auto lean = resample(skewed, options).exponent;
  const double share = 0.1 * width(lean.percentile);
  CHECK(*lean.bca.low > *lean.percentile.low + 0.2 * share);
  CHECK(*lean.bca.high > *lean.percentile.high + 0.2 * share);
  const auto straight = resample(mirrored, options).exponent;
  CHECK_THAT(*straight.bca.low, WithinAbs(*straight.percentile.low, 0.02 * width(straight.percentile)));
  CHECK_THAT(*straight.bca.high, WithinAbs(*straight.percentile.high, 0.02 * width(straight.percentile)));
}

TEST_CASE("power law bootstrap: every option changes something and the seed repeats", "[fit][power_law_bootstrap]") {
  const auto points = sample_law(8, 3, 0.03, 0.03);
  const auto usual = resample(points, {});
  CHECK(*resample(points, {}).exponent.percentile.low == *usual.exponent.percentile.low);
  CHECK(*resample(points, {.seed = 1}).exponent.percentile.low != *usual.exponent.percentile.low);
  CHECK(resample(points, {.n_resamples = 200}).n_resamples == 200);
  const auto runs = resample(points, {.resampling = fit::Resampling::runs});
  const auto levels = resample(points, {.resampling = fit::Resampling::levels});
  CHECK(width(runs.exponent.percentile) < width(levels.exponent.percentile));
  CHECK(width(levels.exponent.percentile) < width(usual.exponent.percentile));
  CHECK(warns(runs, "does not see scatter of whole levels"));
  CHECK(warns(levels, "bootstrap intervals from 8 levels are too short"));
  CHECK(warns(usual, "bootstrap intervals from 8 levels are approximate"));
  CHECK(fit::name(fit::Resampling::runs) == "runs");
  CHECK(fit::name(fit::Resampling::levels) == "levels");
  CHECK(fit::name(fit::Resampling::both) == "both");
  CHECK(fit::name(usual.outcome) == "resampled");
}

TEST_CASE("power law bootstrap: tails widen the intervals and open ends stay open", "[fit][power_law_bootstrap]") {
  const auto points = sample_law(8, 3, 0, 0.02);
  auto tails = with_tails(points, 0.02);
  const auto bare = resample(points, {});
  const auto wide = resample(tails, {});
  CHECK(*wide.exponent.percentile.low < *bare.exponent.percentile.low);
  CHECK(*wide.exponent.percentile.high > *bare.exponent.percentile.high);
  CHECK(*wide.exponent.bca.high > *bare.exponent.bca.high);
  CHECK(*wide.prefactor.percentile.low < *bare.prefactor.percentile.low);
  CHECK_THAT(width(resample(tails, {}, {.use_tails = false}).exponent.percentile),
             WithinRel(width(bare.exponent.percentile), 1e-12));
  for (auto& p : tails) p.high.reset();
  const auto open = resample(tails, {});
  CHECK_FALSE(open.exponent.percentile.high);
  CHECK_FALSE(open.exponent.bca.high);
  CHECK_FALSE(open.prefactor.percentile.high);
  CHECK(open.exponent.percentile.low);
}

TEST_CASE("power law bootstrap: degenerate data end with a word", "[fit][power_law_bootstrap][limits]") {
  using Points = std::vector<fit::PowerLawPoint>;
  CHECK(resample(Points{}, {}).outcome == fit::BootstrapOutcome::no_law);
  CHECK(resample(Points{{.x = 2, .y = 3}, {.x = 2, .y = 4}}, {}).outcome == fit::BootstrapOutcome::no_law);
  CHECK(resample(sample_law(3, 3, 0, 0.1), {}).outcome == fit::BootstrapOutcome::too_few_levels);
  CHECK(resample(sample_law(3, 3, 0, 0.1), {.resampling = fit::Resampling::runs}).outcome ==
        fit::BootstrapOutcome::resampled);
  const auto single = resample(sample_law(6, 1, 0, 0.1), {.resampling = fit::Resampling::runs});
  CHECK(single.outcome == fit::BootstrapOutcome::no_repeated_runs);
  CHECK(fit::name(single.outcome) == "no_repeated_runs");
  const auto exact = resample(sample_law(6, 2, 0, 0), {});
  REQUIRE(exact.outcome == fit::BootstrapOutcome::resampled);
  CHECK_THAT(*exact.exponent.percentile.low, WithinAbs(0.7, 1e-12));
  CHECK_THAT(*exact.exponent.percentile.high, WithinAbs(0.7, 1e-12));
  // Four levels: a resample in 64 holds a single one and is drawn again.
  CHECK(resample(sample_law(4, 1, 0, 0.1), {.resampling = fit::Resampling::levels}).n_redrawn > 0);
  Points many;
  for (int i = 1; i <= 2001; ++i)
    many.push_back({.x = static_cast<double>(i), .y = std::sqrt(i) * (1 + 0.1 * (i % 2))});
  const auto large = resample(many, {.n_resamples = 100});
  CHECK(large.exponent.percentile.low);
  CHECK_FALSE(large.exponent.bca.value);
  CHECK(warns(large, "BCa"));
}

TEST_CASE("power law bootstrap: curves are resampled with their common shape", "[fit][power_law_bootstrap]") {
  const auto curves = power_curves(8, 3, 0.03);
  const auto law = fit::fit_memorization_law(curves);
  REQUIRE(law.treatment == fit::TruncationTreatment::common_shape);
  const auto boot = fit::bootstrap_memorization_law(curves, law, {}, {.n_resamples = 200});
  REQUIRE(boot.outcome == fit::BootstrapOutcome::resampled);
  CHECK_THAT(*boot.exponent.percentile.value, WithinRel(*law.law.exponent.value, 1e-9));
  CHECK(holds(boot.exponent.percentile, 0.6));
  CHECK(holds(boot.exponent.bca, 0.6));
  CHECK(boot.exponent.standard_error > 0);
  // Resampling seeds within K sees less than both.
  const auto runs =
      fit::bootstrap_memorization_law(curves, law, {}, {.resampling = fit::Resampling::runs, .n_resamples = 200});
  CHECK(runs.exponent.standard_error < boot.exponent.standard_error);
  // Without tails one position is left, and the interval cannot be wider.
  fit::MemorizationLawOptions bare;
  bare.power_law.use_tails = false;
  const auto without =
      fit::bootstrap_memorization_law(curves, fit::fit_memorization_law(curves, bare), bare, {.n_resamples = 200});
  CHECK(width(without.exponent.percentile) <= width(boot.exponent.percentile) + 1e-12);

  // Curves that hardly decay have no common shape: integrals are resampled.
  const auto flat = power_curves(6, 2, 0.03, 3.0);
  const auto flat_law = fit::fit_memorization_law(flat);
  REQUIRE(flat_law.treatment != fit::TruncationTreatment::common_shape);
  const auto flat_boot = fit::bootstrap_memorization_law(flat, flat_law, {}, {.n_resamples = 200});
  CHECK(warns(flat_boot, "no common shape"));
  CHECK(fit::bootstrap_memorization_law({}, fit::fit_memorization_law({})).outcome == fit::BootstrapOutcome::no_law);
}

TEST_CASE("power law bootstrap: bad options are refused by name", "[fit][power_law_bootstrap][errors]") {
  const auto points = sample_law(5, 2, 0, 0.1);
  CHECK_THROWS_WITH(resample(points, {.n_resamples = 99}),
                    "n_resamples: expected a count from 100 to 10000000, got 99");
  CHECK_THROWS_WITH(fit::bootstrap_memorization_law({}, {}, {}, {.n_resamples = 0}),
                    "n_resamples: expected a count from 100 to 10000000, got 0");
  CHECK_THROWS_WITH(fit::bootstrap_power_law(std::vector<fit::PowerLawPoint>{{.x = 0, .y = 1}}, {}),
                    "points[0].x: expected a positive finite number, got 0");
}
