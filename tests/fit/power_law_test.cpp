#include "iclk/fit/power_law.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "iclk/fit/least_squares.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

fit::PowerLawPoint point(double x, double y) { return {.x = x, .y = y}; }

fit::PowerLawPoint point(double x, double y, double low, double high) {
  return {.x = x, .y = y, .low = low, .high = high};
}

fit::PowerLawPoint unresolved(double x, double y, double low) { return {.x = x, .y = y, .low = low}; }

double width(const Estimate& estimate) { return *estimate.high - *estimate.low; }

/// y = 2 x^0.7 with given ln y deviations at x = 100, 200, 400, ...; `runs` per level.
std::vector<fit::PowerLawPoint> scattered(int levels, int runs, double between, double within,
                                          std::uint64_t index = 0) {
  Rng rng(11, RandomPurpose::test, index);
  std::vector<fit::PowerLawPoint> points;
  for (int k = 0; k < levels; ++k) {
    const double x = 100 * std::pow(2.0, k);
    const double level = between * rng.normal();
    for (int r = 0; r < runs; ++r)
      points.push_back(point(x, 2 * std::pow(x, 0.7) * std::exp(level + within * rng.normal())));
  }
  return points;
}

bool mentions(const std::vector<std::string>& warnings, const std::string& text) {
  for (const std::string& warning : warnings) {
    if (warning.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("power law: exact data give the law back without scatter", "[fit][power_law][eq12]") {
  const auto fit = fit::fit_power_law(scattered(6, 2, 0, 0));
  REQUIRE(fit.outcome == fit::PowerLawOutcome::fitted);
  REQUIRE_THAT(*fit.exponent.value, WithinRel(0.7, 1e-13));
  REQUIRE_THAT(*fit.prefactor.value, WithinRel(2.0, 1e-12));
  REQUIRE(width(fit.exponent) < 1e-12);
  REQUIRE_THAT(*fit.r_squared, WithinAbs(1, 1e-14));
  REQUIRE(fit.n_points == 12);
  REQUIRE(fit.n_levels == 6);
  REQUIRE_FALSE(fit.chi_squared);  // no scatter of runs to measure it in
  REQUIRE(fit.tail_share < 1e-12);
}

TEST_CASE("power law: one run per level is ordinary least squares", "[fit][power_law][parity]") {
  const auto points = scattered(8, 1, 0, 0.05);
  std::vector<double> design, log_y;
  for (const auto& p : points) {
    design.insert(design.end(), {1, std::log(p.x)});
    log_y.push_back(std::log(p.y));
  }
  const auto line = fit::fit_least_squares(design, 2, log_y);
  const auto fit = fit::fit_power_law(points);
  REQUIRE_THAT(*fit.exponent.value, WithinRel(line.coefficients[1], 1e-12));
  REQUIRE_THAT(*fit.exponent.low, WithinRel(*line.coefficient_interval[1].low, 1e-11));
  REQUIRE_THAT(*fit.prefactor.high, WithinRel(std::exp(*line.coefficient_interval[0].high), 1e-11));
  REQUIRE_THAT(fit.residual_sd, WithinRel(*line.residual_sd, 1e-11));
  REQUIRE_THAT(*fit.r_squared, WithinRel(*line.r_squared, 1e-12));
  REQUIRE_FALSE(fit.within_sd);
  REQUIRE_FALSE(fit.lack_of_fit_p);
}

TEST_CASE("power law: equal numbers of runs are least squares on the level means", "[fit][power_law][parity]") {
  const auto points = scattered(7, 3, 0.04, 0.02);
  std::vector<fit::PowerLawPoint> means;
  for (std::size_t k = 0; k < points.size(); k += 3) {
    means.push_back(point(points[k].x, std::cbrt(points[k].y * points[k + 1].y * points[k + 2].y)));
  }
  const auto all = fit::fit_power_law(points);
  const auto mean = fit::fit_power_law(means);
  REQUIRE_THAT(*all.exponent.value, WithinRel(*mean.exponent.value, 1e-12));
  REQUIRE_THAT(*all.exponent.low, WithinRel(*mean.exponent.low, 1e-11));
  REQUIRE_THAT(*all.exponent.high, WithinRel(*mean.exponent.high, 1e-11));
  REQUIRE_THAT(all.degrees_of_freedom, WithinAbs(5, 0));
  // Variance of a level mean: between^2 + within^2/3 equals the scatter of the means about the law.
  REQUIRE_THAT(*all.between_sd * *all.between_sd + *all.within_sd * *all.within_sd / 3,
               WithinRel(mean.new_run_variance, 1e-9));
}

TEST_CASE("power law: scatter is told apart within and between levels", "[fit][power_law]") {
  // Means over 400 data sets of 8 levels of 3 runs. within^2: 16 dof each, relative s.e. sqrt(2/16/400) = 1.8 %.
  double within = 0, between = 0;
  int lack = 0;
  for (std::uint64_t i = 0; i < 400; ++i) {
    const auto fit = fit::fit_power_law(scattered(8, 3, 0.04, 0.02, i));
    within += *fit.within_sd * *fit.within_sd / 400;
    between += *fit.between_sd * *fit.between_sd / 400;
    if (*fit.lack_of_fit_p < 0.01) ++lack;
  }
  REQUIRE_THAT(within, WithinRel(0.02 * 0.02, 4 * 0.018));
  // between^2 + within^2/3 has 6 dof: relative s.e. sqrt(2/6/400) = 2.9 % of 1.083 between^2.
  REQUIRE_THAT(between, WithinRel(0.04 * 0.04, 4 * 0.031));
  REQUIRE(lack > 350);
}

TEST_CASE("power law: without scatter of levels the lack-of-fit p value is uniform", "[fit][power_law]") {
  int below = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    if (*fit::fit_power_law(scattered(6, 2, 0, 0.03, 5000 + i)).lack_of_fit_p < 0.2) ++below;
  }
  // Binomial(1000, 0.2): sd 12.6.
  REQUIRE(below > 200 - 4 * 12.7);
  REQUIRE(below < 200 + 4 * 12.7);
}

TEST_CASE("power law: order of points and units of x and y do not matter", "[fit][power_law][identity]") {
  auto points = scattered(5, 2, 0.03, 0.03);
  const auto one = fit::fit_power_law(points);
  std::reverse(points.begin(), points.end());
  for (auto& p : points) {
    p.x *= 1e5;
    p.y *= 1e-7;
  }
  const auto two = fit::fit_power_law(points);
  REQUIRE_THAT(*two.exponent.low, WithinRel(*one.exponent.low, 1e-9));
  REQUIRE_THAT(*two.exponent.high, WithinRel(*one.exponent.high, 1e-9));
  REQUIRE_THAT(*fit::predict(two, 1e8).high * 1e7, WithinRel(*fit::predict(one, 1e3).high, 1e-9));
  REQUIRE_THAT(*fit::x_at(two, 1e-5).low * 1e-5, WithinRel(*fit::x_at(one, 1e2).low, 1e-9));
}

TEST_CASE("power law: a common position in the brackets stays inside the interval", "[fit][power_law]") {
  // Tails that grow with x, as a common horizon makes them.
  std::vector<fit::PowerLawPoint> points;
  for (int k = 0; k < 7; ++k) {
    const double x = 250 * std::pow(2.0, k);
    const double y = std::pow(x, 0.7);
    points.push_back(point(x, y, y * std::exp(-0.02 * k), y * std::exp(0.03 * k)));
  }
  const auto fit = fit::fit_power_law(points);
  REQUIRE_THAT(*fit.exponent.value, WithinRel(0.7, 1e-12));
  REQUIRE_THAT(*fit.exponent.low, WithinRel(0.7 - 0.02 / std::log(2.0), 1e-9));
  REQUIRE_THAT(*fit.exponent.high, WithinRel(0.7 + 0.03 / std::log(2.0), 1e-9));
  REQUIRE(fit.tail_share > 0.999);
  REQUIRE(width(fit.exponent_scatter_only) < 1e-12);
  for (const double position : {-1.0, -0.4, 0.3, 1.0}) {
    auto moved = points;
    for (auto& p : moved) {
      p.y = position < 0 ? p.y * std::pow(p.y / *p.low, position) : p.y * std::pow(*p.high / p.y, position);
      p.low.reset();
      p.high.reset();
    }
    const auto at = fit::fit_power_law(moved);
    REQUIRE(*at.exponent.value >= *fit.exponent.low - 1e-12);
    REQUIRE(*at.exponent.value <= *fit.exponent.high + 1e-12);
    const auto band = fit::predict(fit, 40000);
    REQUIRE(*fit::predict(at, 40000).value <= *band.high * (1 + 1e-12));
    REQUIRE(*fit::predict(at, 40000).value >= *band.low * (1 - 1e-12));
  }
  const auto ignoring = fit::fit_power_law(points, {.use_tails = false});
  REQUIRE(width(ignoring.exponent) < 1e-12);
  REQUIRE(ignoring.tail_share < 1e-12);
}

TEST_CASE("power law: equal relative brackets move the prefactor alone", "[fit][power_law][identity]") {
  auto points = scattered(6, 3, 0.02, 0.02);
  const auto plain = fit::fit_power_law(points);
  for (auto& p : points) {
    p.low = 0.9 * p.y;
    p.high = 1.3 * p.y;
  }
  const auto fit = fit::fit_power_law(points);
  REQUIRE_THAT(*fit.exponent.low, WithinRel(*plain.exponent.low, 1e-11));
  REQUIRE_THAT(*fit.prefactor.low, WithinRel(0.9 * *plain.prefactor.low, 1e-10));
  REQUIRE_THAT(*fit.prefactor.high, WithinRel(1.3 * *plain.prefactor.high, 1e-10));
  REQUIRE(fit.tail_share < 1e-9);
}

TEST_CASE("power law: an unresolved tail takes the widest bracket of the others or opens the interval",
          "[fit][power_law]") {
  const std::vector<fit::PowerLawPoint> mixed{point(100, 10, 9, 12), point(200, 20, 19, 22), unresolved(400, 40, 39)};
  const std::vector<fit::PowerLawPoint> filled{point(100, 10, 9, 12), point(200, 20, 19, 22),
                                               point(400, 40, 39, 40.0 * 12 / 9)};
  const auto one = fit::fit_power_law(mixed);
  REQUIRE_THAT(*one.exponent.high, WithinRel(*fit::fit_power_law(filled).exponent.high, 1e-12));
  REQUIRE(mentions(one.warnings, "1 of 3 points have no upper end: they were given the widest bracket"));

  const std::vector<fit::PowerLawPoint> open{unresolved(100, 10, 9), unresolved(200, 20, 19), unresolved(400, 40, 39)};
  const auto two = fit::fit_power_law(open);
  REQUIRE(two.exponent.low);
  REQUIRE_FALSE(two.exponent.high);
  REQUIRE_FALSE(two.prefactor.high);
  REQUIRE_FALSE(fit::predict(two, 300).high);
  REQUIRE_FALSE(fit::x_at(two, 25).low);
  REQUIRE(fit::x_at(two, 25).high);
  REQUIRE_THAT(two.tail_share, WithinAbs(1, 0));
  REQUIRE(mentions(two.warnings, "no upper end can be given"));
}

TEST_CASE("power law: few levels and runs say what the interval rests on", "[fit][power_law]") {
  using Outcome = fit::PowerLawOutcome;
  const auto none = fit::fit_power_law({});
  REQUIRE(none.outcome == Outcome::no_points);
  REQUIRE_FALSE(none.exponent.value);
  REQUIRE_FALSE(fit::predict(none, 10).value);
  REQUIRE_FALSE(fit::x_at(none, 10).value);

  const std::vector<fit::PowerLawPoint> same{point(50, 3), point(50, 4), point(50, 5)};
  const auto one = fit::fit_power_law(same);
  REQUIRE(one.outcome == Outcome::one_level);
  REQUIRE_FALSE(one.exponent.value);
  REQUIRE(one.within_sd);
  REQUIRE(mentions(one.warnings, "same x"));

  const std::vector<fit::PowerLawPoint> two{point(100, 10), point(400, 40)};
  const auto pair = fit::fit_power_law(two);
  REQUIRE(pair.outcome == Outcome::assumed_scatter);
  REQUIRE_THAT(*pair.exponent.value, WithinRel(1.0, 1e-13));
  // 1.96 sd sqrt(2)/ln 4
  REQUIRE_THAT(*pair.exponent.high, WithinRel(1 + 1.959963984540054 * 0.05 * std::sqrt(2.0) / std::log(4.0), 1e-12));
  REQUIRE(mentions(pair.warnings, "assumed scatter of 5 %"));
  const auto wider = fit::fit_power_law(two, {.assumed_run_sd = 0.1});
  REQUIRE_THAT(width(wider.exponent), WithinRel(2 * width(pair.exponent), 1e-12));

  const auto two_levels = fit::fit_power_law(scattered(2, 3, 0, 0.02));
  REQUIRE(two_levels.outcome == Outcome::fitted);
  REQUIRE_THAT(two_levels.degrees_of_freedom, WithinAbs(4, 0));
  REQUIRE(mentions(two_levels.warnings, "two levels"));

  const auto three_levels = fit::fit_power_law(scattered(3, 3, 0, 0.02));
  REQUIRE_THAT(three_levels.degrees_of_freedom, WithinAbs(1, 0));
  REQUIRE(mentions(three_levels.warnings, "three levels"));
  const auto exact_law = fit::fit_power_law(scattered(3, 3, 0, 0.02), {.level_scatter = fit::LevelScatter::none});
  REQUIRE_THAT(exact_law.degrees_of_freedom, WithinAbs(7, 0));
  REQUIRE_THAT(three_levels.t_quantile, WithinRel(12.706204736174694, 1e-9));  // tan(0.475 pi)
  REQUIRE_THAT(exact_law.t_quantile, WithinRel(2.3646242515927844, 1e-9));     // tables
}

TEST_CASE("power law: constant y and a single repeated value stay finite", "[fit][power_law][limits]") {
  const std::vector<fit::PowerLawPoint> flat{point(1, 5), point(2, 5), point(4, 5), point(4, 5)};
  const auto fit = fit::fit_power_law(flat);
  REQUIRE_THAT(*fit.exponent.value, WithinAbs(0, 1e-15));
  REQUIRE_THAT(*fit.prefactor.value, WithinRel(5.0, 1e-14));
  for (const auto& end : {fit.exponent.low, fit.exponent.high, fit.prefactor.low, fit.prefactor.high}) {
    REQUIRE(std::isfinite(*end));
  }
  const auto inverse = fit::x_at(fit, 7);
  for (const auto& end : {inverse.value, inverse.low, inverse.high}) REQUIRE((!end || std::isfinite(*end)));

  // A steep law over a far x leaves the double range: an empty number, not infinity.
  const std::vector<fit::PowerLawPoint> steep{point(1e100, 1e-300), point(1.1e100, 1e300)};
  const auto beyond = fit::fit_power_law(steep);
  REQUIRE_FALSE(beyond.prefactor.value);
  REQUIRE_FALSE(fit::predict(beyond, 2e100).value);
}

TEST_CASE("power law: bands widen away from the data and for a new run", "[fit][power_law]") {
  const auto fit = fit::fit_power_law(scattered(8, 3, 0.03, 0.03));
  const auto log_width = [&](double x, fit::Band band) {
    const auto e = fit::predict(fit, x, band);
    return std::log(*e.high / *e.low);
  };
  REQUIRE(log_width(1000, fit::Band::mean) < log_width(100, fit::Band::mean));
  REQUIRE(log_width(100, fit::Band::mean) < log_width(1, fit::Band::mean));
  REQUIRE(log_width(1000, fit::Band::mean) < log_width(1000, fit::Band::new_run));
  // At x = 1 the band is the interval of the prefactor.
  REQUIRE_THAT(*fit::predict(fit, 1).low, WithinRel(*fit.prefactor.low, 1e-10));
}

TEST_CASE("power law: the inverse is where the band meets the level", "[fit][power_law][eq12][eq13][identity]") {
  const auto fit = fit::fit_power_law(scattered(8, 2, 0.03, 0.03));
  for (const auto band : {fit::Band::mean, fit::Band::new_run}) {
    for (const double y : {30.0, 250.66, 5000.0}) {
      const auto x = fit::x_at(fit, y, band);
      REQUIRE_THAT(*fit::predict(fit, *x.value, band).value, WithinRel(y, 1e-12));
      // Fieller: at the ends of the interval of x the band just touches y.
      REQUIRE_THAT(*fit::predict(fit, *x.low, band).high, WithinRel(y, 1e-9));
      REQUIRE_THAT(*fit::predict(fit, *x.high, band).low, WithinRel(y, 1e-9));
    }
  }
  const Estimate y{250.0, 240.0, 265.0};
  const auto wide = fit::x_at(fit, y);
  const auto narrow = fit::x_at(fit, 250.0);
  const double nu = *fit.exponent.value;
  REQUIRE_THAT(std::log(*wide.high / *wide.value),
               WithinRel(std::hypot(std::log(*narrow.high / *narrow.value), std::log(265.0 / 250) / nu), 1e-12));
  REQUIRE_THAT(std::log(*wide.value / *wide.low),
               WithinRel(std::hypot(std::log(*narrow.value / *narrow.low), std::log(250.0 / 240) / nu), 1e-12));
  REQUIRE_FALSE(fit::x_at(fit, {250.0, 240.0, {}}).high);
}

TEST_CASE("power law: the inverse of a law that may be flat has no ends", "[fit][power_law]") {
  const std::vector<fit::PowerLawPoint> flat{point(100, 10), point(200, 9), point(400, 12), point(800, 10.5)};
  const auto fit = fit::fit_power_law(flat);
  REQUIRE(*fit.exponent.low < 0);
  REQUIRE(*fit.exponent.high > 0);
  const auto x = fit::x_at(fit, 10.2);
  REQUIRE(x.value);
  REQUIRE_FALSE(x.low);
  REQUIRE_FALSE(x.high);
}

TEST_CASE("power law: bad input names the point and the field", "[fit][power_law][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const auto fit_of = [](fit::PowerLawPoint bad) {
    return fit::fit_power_law(std::vector<fit::PowerLawPoint>{point(1, 1), bad});
  };
  REQUIRE_THROWS_WITH(fit_of(point(0, 1)), "points[1].x: expected a positive finite number, got 0");
  REQUIRE_THROWS_WITH(fit_of(point(2, -3)), "points[1].y: expected a positive finite number, got -3");
  REQUIRE_THROWS_WITH(fit_of(point(2, nan)), "points[1].y: expected a positive finite number, got nan");
  REQUIRE_THROWS_WITH(fit_of(point(2, 3, 0, 4)), "points[1].low: expected a positive finite number, got 0");
  REQUIRE_THROWS_WITH(fit_of(point(2, 3, 2, inf)), "points[1].high: expected a positive finite number, got inf");
  REQUIRE_THROWS_WITH(fit_of(point(2, 3, 3.5, 4)), "points[1].low: expected at most y = 3, got 3.5");
  REQUIRE_THROWS_WITH(fit_of(point(2, 3, 2, 2.5)), "points[1].high: expected at least y = 3, got 2.5");
  REQUIRE_THROWS_WITH(fit::fit_power_law({}, {.assumed_run_sd = 0}),
                      "assumed_run_sd: expected a positive finite number, got 0");
  const auto fit = fit::fit_power_law(scattered(4, 1, 0, 0.01));
  REQUIRE_THROWS_WITH(fit::predict(fit, -1), "x: expected a positive finite number, got -1");
  REQUIRE_THROWS_WITH(fit::x_at(fit, 0.0), "y: expected a positive finite number, got 0");
  REQUIRE_THROWS_WITH(fit::x_at(fit, Estimate{}), "y: expected a value, got none");
}
