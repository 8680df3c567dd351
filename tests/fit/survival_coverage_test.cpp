// Nominal 95 % intervals cover the truth in 93 to 97 % of 2000 synthetic samples; one standard error is 0.5 %.

#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "iclk/core/random.hpp"
#include "iclk/fit/survival.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

constexpr int kSets = 2000;
constexpr double kMedian = 274;
constexpr double kLogSd = 0.5;

bool holds(const Estimate& estimate, double truth) {
  return (!estimate.low || *estimate.low <= truth) && (!estimate.high || truth <= *estimate.high);
}

/// Lognormal times, a share `cured` of which never comes, watched until a random time from cap to 2 cap.
std::vector<fit::SurvivalRun> sample(Rng& rng, int n, double median, double cured, double cap) {
  std::vector<fit::SurvivalRun> runs;
  for (int i = 0; i < n; ++i) {
    const bool never = rng.uniform() < cured;
    const double time = median * std::exp(kLogSd * rng.normal());
    const double last = cap * (1 + rng.uniform());
    runs.push_back(never || time > last ? fit::SurvivalRun{last, false} : fit::SurvivalRun{time, true});
  }
  return runs;
}

template <typename Holds>
double coverage(std::uint64_t seed, Holds interval_holds) {
  int n_held = 0;
  for (int set = 0; set < kSets; ++set) {
    Rng rng(seed, RandomPurpose::test, static_cast<std::uint64_t>(set));
    n_held += interval_holds(rng) ? 1 : 0;
  }
  return static_cast<double>(n_held) / kSets;
}

void check_rate(double rate) {
  CHECK(rate >= 0.93);
  CHECK(rate <= 0.97);
}

}  // namespace

TEST_CASE("survival coverage: Kaplan-Meier median", "[fit][survival][.slow]") {
  for (const int n : {20, 50, 100}) {
    const double rate = coverage(100 + static_cast<std::uint64_t>(n), [&](Rng& rng) {
      return holds(survival_quantile(fit::kaplan_meier(sample(rng, n, kMedian, 0, 300)), 0.5), kMedian);
    });
    CAPTURE(n, rate);
    // The ends are times of runs, so coverage moves in steps, each end by P(5 of 20 below the median) = 1.5 % at n = 20:
    // the interval is as much as that wider than asked, never narrower.
    CHECK(rate >= 0.93);
    CHECK(rate <= (n == 20 ? 0.985 : 0.97));
  }
}

TEST_CASE("survival coverage: median of the lognormal fit", "[fit][survival][.slow]") {
  for (const int n : {20, 50, 100}) {
    const double rate = coverage(200 + static_cast<std::uint64_t>(n), [&](Rng& rng) {
      const auto model =
          fit_acquisition_model(sample(rng, n, kMedian, 0, 300), fit::AcquisitionFamily::lognormal, false);
      return holds(model.median_acquired, kMedian);
    });
    CAPTURE(n, rate);
    check_rate(rate);
  }
}

TEST_CASE("survival coverage: cured fraction", "[fit][survival][.slow]") {
  for (const int n : {20, 50, 100}) {
    const double rate = coverage(300 + static_cast<std::uint64_t>(n), [&](Rng& rng) {
      const auto model =
          fit_acquisition_model(sample(rng, n, kMedian, 0.3, 800), fit::AcquisitionFamily::lognormal, true);
      return holds(model.cured, 0.3);
    });
    CAPTURE(n, rate);
    check_rate(rate);
  }
}

TEST_CASE("survival coverage: exponent and slope of medians against N", "[fit][survival][.slow]") {
  const double per_context = std::sqrt(2 * std::numbers::pi);
  double slope_rate = 0;
  const double rate = coverage(400, [&](Rng& rng) {
    std::vector<fit::MedianAtContext> medians;
    for (const double n : {20.0, 40.0, 80.0, 160.0, 320.0, 640.0}) {
      const double median = per_context * n;
      medians.push_back({n, *survival_quantile(fit::kaplan_meier(sample(rng, 20, median, 0, 2 * median)), 0.5).value});
    }
    const auto scaling = fit::fit_median_scaling(medians);
    slope_rate += holds(scaling.slope_through_origin, per_context) ? 1.0 / kSets : 0.0;
    return holds(scaling.exponent, 1.0);
  });
  CAPTURE(rate, slope_rate);
  check_rate(rate);
  check_rate(slope_rate);
}
