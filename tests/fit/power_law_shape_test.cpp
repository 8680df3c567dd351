#include "iclk/fit/power_law_shape.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/fit/least_squares.hpp"
#include "power_law_samples.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

fit::ShapeComparison compare(const std::vector<fit::PowerLawPoint>& points, const fit::ShapeOptions& options = {},
                             const fit::PowerLawOptions& fit_options = {}) {
  return fit::compare_shapes(points, fit::fit_power_law(points, fit_options), fit_options, options);
}

/// The exponent becomes `above` beyond x = `at`.
std::vector<fit::PowerLawPoint> broken_law(std::vector<fit::PowerLawPoint> points, double at, double above) {
  for (auto& p : points) p.y *= std::pow(std::max(p.x / at, 1.0), above - kTrueExponent);
  return points;
}

}  // namespace

TEST_CASE("power law shape: the break is the best of all places and two slopes", "[fit][power_law_shape][parity]") {
  // Against least squares with a hinge at each of many places.
  for (std::uint64_t i = 0; i < 10; ++i) {
    const auto points = sample_law(9, 1, 0, 0.1, i);
    double least = 1e300, place = 0;
    std::vector<double> y;
    for (const auto& p : points) y.push_back(std::log(p.y));
    const auto search = [&](double from, double to, int steps) {
      for (int j = 0; j <= steps; ++j) {
        const double at = from + (to - from) * j / steps;
        std::vector<double> design;
        for (const auto& p : points) {
          design.insert(design.end(), {1.0, std::log(p.x), std::max(std::log(p.x) - at, 0.0)});
        }
        const auto fit = fit::fit_least_squares(design, 3, y);
        if (fit.residual_sum_of_squares < least) {
          least = fit.residual_sum_of_squares;
          place = at;
        }
      }
    };
    const double first = std::log(points[1].x), last = std::log(points[7].x);
    search(first, last, 1000);
    double step = (last - first) / 1000;
    for (int stage = 0; stage < 2; ++stage, step /= 100) {  // the best may be a kink, at a level
      const double middle = place;
      search(std::max(middle - step, first), std::min(middle + step, last), 200);
    }
    const auto shape = compare(points, {.n_resamples = 99});
    REQUIRE(shape.broken_fitted);
    CHECK(shape.broken.residual_sum <= least * (1 + 1e-9));
    CHECK_THAT(shape.broken.residual_sum, WithinRel(least, 1e-6));
    CHECK_THAT(std::log(*shape.break_x.value), WithinAbs(place, 1e-4));
  }
}

TEST_CASE("power law shape: bend agrees with a regression on three columns", "[fit][power_law_shape][parity]") {
  const auto points = sample_law(8, 1, 0, 0.05);
  std::vector<double> design, y;
  for (const auto& p : points) {
    const double u = std::log(p.x);
    design.insert(design.end(), {1.0, u, u * u});
    y.push_back(std::log(p.y));
  }
  const auto fit = fit::fit_least_squares(design, 3, y);
  const auto shape = compare(points);
  CHECK_THAT(*shape.curvature.value, WithinRel(2 * fit.coefficients[2], 1e-8));
  CHECK_THAT(*shape.curvature.low, WithinRel(2 * *fit.coefficient_interval[2].low, 1e-8));
  CHECK_THAT(shape.quadratic.residual_sum, WithinRel(fit.residual_sum_of_squares, 1e-9));
  const double rss = shape.single.residual_sum;
  CHECK_THAT(shape.single.bic, WithinRel(8 * std::log(rss / 8) + 3 * std::log(8.0), 1e-12));
  CHECK_THAT(*shape.single.aicc, WithinRel(8 * std::log(rss / 8) + 6 + 24.0 / 4, 1e-12));
}

TEST_CASE("power law shape: a break is found where it is and a straight law is left alone", "[fit][power_law_shape]") {
  const auto broken = compare(broken_law(sample_law(10, 3, 0, 0.02), 5000, 1.2));
  REQUIRE(broken.outcome == fit::ShapeOutcome::compared);
  CHECK(broken.best == "broken");
  CHECK(broken.break_p.high < 0.01);
  CHECK(broken.curvature_p.high < 0.01);
  CHECK(holds(broken.break_x, 5000));
  CHECK_THAT(broken.exponent_below, WithinAbs(0.7, 0.05));
  CHECK_THAT(broken.exponent_above, WithinAbs(1.2, 0.05));
  CHECK(*broken.broken.aicc < *broken.quadratic.aicc);
  CHECK(broken.broken.bic < broken.single.bic);

  auto bent = sample_law(10, 3, 0, 0.01);
  for (auto& p : bent) p.y *= std::exp(0.05 * std::pow(std::log(p.x / 500), 2));
  const auto bend = compare(bent);
  CHECK(bend.best == "quadratic");
  CHECK(holds(bend.curvature, 0.1));
  CHECK(*bend.curvature.low > 0);

  const auto straight = compare(sample_law(10, 3, 0, 0.02));
  CHECK(straight.best == "single");
  CHECK(holds(straight.curvature, 0));
}

TEST_CASE("power law shape: the p-value of the break is uniform under one law", "[fit][power_law_shape]") {
  // 400 data sets: below 0.2 in 80, sd 8; below 0.05 in 20, sd 4.4. An F test would count the place of the break as
  // known or as one more parameter; the former rejects far too often.
  int fifth = 0, twentieth = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const auto shape = compare(sample_law(8, 2, 0, 0.05, 1000 + i), {.n_resamples = 99, .seed = i});
    fifth += shape.break_p.value <= 0.2;
    twentieth += shape.break_p.value <= 0.05;
  }
  CHECK_THAT(fifth, WithinAbs(80, 4 * 8.0));
  CHECK_THAT(twentieth, WithinAbs(20, 4 * 4.4));
}

TEST_CASE("power law shape: options change something and tails widen", "[fit][power_law_shape]") {
  const auto points = sample_law(8, 2, 0, 0.05);
  const auto usual = compare(points);
  CHECK(usual.n_resamples == 999);
  CHECK(compare(points, {.seed = 1}).break_p.value != usual.break_p.value);
  CHECK(compare(points).break_p.value == usual.break_p.value);
  CHECK(compare(points, {.n_resamples = 199}).n_resamples == 199);
  auto tails = with_tails(points, 0.0);
  for (auto& p : tails) *p.high *= std::exp(0.02 * std::pow(std::log(p.x / 500), 2));  // a tail that bends the law
  const auto wide = compare(tails);
  CHECK(width(wide.curvature) > width(usual.curvature));
  CHECK_THAT(wide.curvature_p.value, WithinRel(usual.curvature_p.value, 1e-12));
  CHECK(wide.curvature_p.low < wide.curvature_p.high);
  CHECK_THAT(width(compare(tails, {}, {.use_tails = false}).curvature), WithinRel(width(usual.curvature), 1e-12));
  for (auto& p : tails) p.high.reset();
  CHECK(warns(compare(tails), "no upper end"));
}

TEST_CASE("power law shape: degenerate data end with a word", "[fit][power_law_shape][limits]") {
  const auto four = compare(sample_law(4, 2, 0, 0.1));
  CHECK(four.outcome == fit::ShapeOutcome::too_few_levels);
  CHECK(warns(four, "fewer than five levels"));
  const auto five = compare(sample_law(5, 2, 0, 0.1));
  CHECK(five.outcome == fit::ShapeOutcome::compared);
  CHECK_FALSE(five.broken_fitted);
  CHECK_FALSE(five.break_x.value);
  const auto exact = compare(sample_law(8, 2, 0, 0));
  CHECK(exact.outcome == fit::ShapeOutcome::exact);
  CHECK(warns(exact, "lie on the law"));
  const auto exactly_broken = compare(broken_law(sample_law(8, 1, 0, 0), 4000, 1.0));
  CHECK(exactly_broken.best == "broken");
  CHECK_THAT(*exactly_broken.break_x.value, WithinRel(4000, 1e-6));
  CHECK(std::isfinite(exactly_broken.broken.bic));
  std::vector<fit::PowerLawPoint> many;
  for (int i = 1; i <= 2001; ++i) many.push_back({.x = static_cast<double>(i), .y = 1 + 0.1 * (i % 2)});
  CHECK(compare(many).outcome == fit::ShapeOutcome::too_many_levels);
  CHECK(fit::name(fit::ShapeOutcome::too_many_levels) == "too_many_levels");
  CHECK_THROWS_WITH(compare(sample_law(5, 2, 0, 0.1), {.n_resamples = 98}),
                    "n_resamples: expected a count from 99 to 10000000, got 98");
  CHECK_THROWS_WITH(fit::compare_shapes(std::vector<fit::PowerLawPoint>{{.x = 0, .y = 1}}, {}),
                    "points[0].x: expected a positive finite number, got 0");
}
