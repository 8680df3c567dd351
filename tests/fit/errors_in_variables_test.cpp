#include "iclk/fit/errors_in_variables.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "iclk/fit/least_squares.hpp"
#include "iclk/fit/nonlinear_least_squares.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

/// Pearson's data of 1901 with York's weights of 1966, the usual test of such fits.
std::vector<fit::UncertainPoint> pearson() {
  const std::vector<double> x{0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4};
  const std::vector<double> y{5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5};
  const std::vector<double> wx{1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1.0};
  const std::vector<double> wy{1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500};
  std::vector<fit::UncertainPoint> points;
  for (std::size_t i = 0; i < x.size(); ++i) {
    points.push_back({.x = x[i], .y = y[i], .x_sd = 1 / std::sqrt(wx[i]), .y_sd = 1 / std::sqrt(wy[i])});
  }
  return points;
}

double width(const Estimate& estimate) { return *estimate.high - *estimate.low; }

}  // namespace

TEST_CASE("errors in variables: Pearson's data with York's weights", "[fit][errors_in_variables]") {
  // Slope, intercept and their errors to the digits of York et al. 2004, Table II (-0.480533407, 5.47991022, 0.058,
  // 0.295); chi-squared 11.8663.
  const auto fit = fit::fit_line_errors_in_variables(pearson());
  REQUIRE(fit.outcome == fit::ErrorsInVariablesOutcome::fitted);
  CHECK_THAT(*fit.slope.value, WithinAbs(-0.480533407, 5e-10));
  CHECK_THAT(*fit.intercept.value, WithinAbs(5.47991022, 5e-9));
  CHECK_THAT(fit.slope_error, WithinAbs(0.058, 5e-4));
  CHECK_THAT(fit.intercept_error, WithinAbs(0.295, 5e-4));
  CHECK_THAT(fit.chi_squared, WithinAbs(11.8663, 1e-4));
  // n - 2 = 8: the points lie a little further off than their sd say.
  CHECK_THAT(fit.error_factor, WithinRel(std::sqrt(11.8663 / 8), 1e-5));
  CHECK_THAT(width(fit.slope), WithinRel(2 * 2.306004135 * fit.error_factor * fit.slope_error, 1e-8));
}

TEST_CASE("errors in variables: the same line as least squares over line and true points",
          "[fit][errors_in_variables]") {
  // Independent calculation: the true x are parameters too, and every x and y is an observation.
  const auto points = pearson();
  const std::size_t n = points.size();
  std::vector<double> observed, weights, start{5.0, -0.4};
  for (const auto& p : points) {
    observed.insert(observed.end(), {p.x, p.y});
    weights.insert(weights.end(), {1 / (p.x_sd * p.x_sd), 1 / (p.y_sd * p.y_sd)});
    start.push_back(p.x);
  }
  const auto model = [&](std::span<const double> b, std::span<double> values) {
    for (std::size_t i = 0; i < n; ++i) {
      values[2 * i] = b[2 + i];
      values[2 * i + 1] = b[0] + b[1] * b[2 + i];
    }
  };
  const auto whole = fit::fit_nonlinear_least_squares(model, {}, observed, start, {}, weights);
  REQUIRE(whole.outcome == fit::NonlinearOutcome::fitted);
  const auto fit = fit::fit_line_errors_in_variables(points);
  CHECK_THAT(*fit.intercept.value, WithinRel(whole.parameters[0], 1e-8));
  CHECK_THAT(*fit.slope.value, WithinRel(whole.parameters[1], 1e-8));
  CHECK_THAT(fit.chi_squared, WithinRel(*whole.residual_sum_of_squares, 1e-8));
  // Its errors are those of given sd: covariance without the residual variance.
  CHECK_THAT(fit.slope_error, WithinRel(whole.standard_errors[1] / *whole.residual_sd, 1e-6));
  CHECK_THAT(fit.intercept_error, WithinRel(whole.standard_errors[0] / *whole.residual_sd, 1e-6));
}

TEST_CASE("errors in variables: without errors in x it is weighted least squares",
          "[fit][errors_in_variables][limits]") {
  auto points = pearson();
  std::vector<double> design, y, weights;
  for (auto& p : points) {
    p.x_sd = 0;
    design.insert(design.end(), {1.0, p.x});
    y.push_back(p.y);
    weights.push_back(1 / (p.y_sd * p.y_sd));
  }
  const auto line = fit::fit_least_squares(design, 2, y, weights);
  const auto fit = fit::fit_line_errors_in_variables(points);
  CHECK_THAT(*fit.slope.value, WithinRel(line.coefficients[1], 1e-9));
  CHECK_THAT(*fit.intercept.value, WithinRel(line.coefficients[0], 1e-9));
  CHECK_THAT(fit.slope_error, WithinRel(line.standard_errors[1] / *line.residual_sd, 1e-9));
  CHECK_THAT(fit.intercept_error, WithinRel(line.standard_errors[0] / *line.residual_sd, 1e-9));
}

TEST_CASE("errors in variables: x and y can change places", "[fit][errors_in_variables][identity]") {
  const auto points = pearson();
  std::vector<fit::UncertainPoint> swapped;
  for (const auto& p : points) swapped.push_back({.x = p.y, .y = p.x, .x_sd = p.y_sd, .y_sd = p.x_sd});
  const auto fit = fit::fit_line_errors_in_variables(points);
  const auto back = fit::fit_line_errors_in_variables(swapped);
  CHECK_THAT(*back.slope.value, WithinRel(1 / *fit.slope.value, 1e-8));
  CHECK_THAT(back.chi_squared, WithinRel(fit.chi_squared, 1e-10));
}

TEST_CASE("errors in variables: a power law with errors in x is not flattened", "[fit][errors_in_variables]") {
  // 400 points with 30 % errors in x over a decade: the ordinary slope is too small by var/(var + sd^2) = 0.44/0.53.
  std::vector<fit::PowerLawPoint> points;
  std::vector<double> x_sd, y_sd;
  Rng rng(21, RandomPurpose::test, 0);
  for (int i = 0; i < 400; ++i) {
    const double truth = std::pow(10.0, i / 399.0);
    const double x = truth * std::exp(0.3 * rng.normal());
    const double y = 2 * std::pow(truth, 0.7) * std::exp(0.02 * rng.normal());
    points.push_back({.x = x, .y = y});
    x_sd.push_back(0.3 * x);
    y_sd.push_back(0.02 * y);
  }
  const auto law = fit::fit_power_law_errors_in_variables(points, x_sd, y_sd);
  REQUIRE(law.line.outcome == fit::ErrorsInVariablesOutcome::fitted);
  CHECK(*law.exponent.low < 0.7);
  CHECK(*law.exponent.high > 0.7);
  CHECK(*law.prefactor.low < 2);
  CHECK(*law.prefactor.high > 2);
  CHECK(width(law.exponent) < 0.1);
  CHECK(*fit::fit_power_law(points).exponent.value < 0.64);

  for (auto& p : points) {  // tails that grow with x
    p.low = p.y * std::pow(p.x + 1, -0.05);
    p.high = p.y * std::pow(p.x + 1, 0.05);
  }
  const auto wide = fit::fit_power_law_errors_in_variables(points, x_sd, y_sd);
  CHECK(*wide.exponent.low < *law.exponent.low - 0.02);
  CHECK(*wide.exponent.high > *law.exponent.high + 0.02);
  CHECK_THAT(*wide.exponent.value, WithinRel(*law.exponent.value, 1e-10));
  CHECK_THAT(width(fit::fit_power_law_errors_in_variables(points, x_sd, y_sd, {.use_tails = false}).exponent),
             WithinRel(width(law.exponent), 1e-10));
  for (auto& p : points) p.high.reset();
  CHECK_FALSE(fit::fit_power_law_errors_in_variables(points, x_sd, {}).exponent.high);
}

TEST_CASE("errors in variables: given sd cover at 95 %", "[fit][errors_in_variables][coverage]") {
  int covered = 0;
  const int n_sets = 2000;
  for (int set = 0; set < n_sets; ++set) {
    Rng rng(22, RandomPurpose::test, static_cast<std::uint64_t>(set));
    std::vector<fit::UncertainPoint> points;
    for (int i = 0; i < 12; ++i) {
      points.push_back({.x = i + 0.3 * rng.normal(), .y = 1 + 0.5 * i + 0.2 * rng.normal(), .x_sd = 0.3, .y_sd = 0.2});
    }
    const auto fit = fit::fit_line_errors_in_variables(points);
    covered += *fit.slope.low <= 0.5 && 0.5 <= *fit.slope.high;
  }
  // Widened when chi-squared happens to be large, never narrowed: a little above 95 %; standard error 0.5 %.
  CHECK(covered >= 0.94 * n_sets);
  CHECK(covered <= 0.98 * n_sets);
}

TEST_CASE("errors in variables: degenerate data end with a word", "[fit][errors_in_variables][limits]") {
  const auto fit = [](const std::vector<fit::UncertainPoint>& points) {
    return fit::fit_line_errors_in_variables(points);
  };
  CHECK(fit({}).outcome == fit::ErrorsInVariablesOutcome::too_few_points);
  CHECK(fit({{.x = 1, .y = 1, .x_sd = 1, .y_sd = 1}}).outcome == fit::ErrorsInVariablesOutcome::too_few_points);
  CHECK(fit({{.x = 1, .y = 1, .y_sd = 1}, {.x = 1, .y = 2, .y_sd = 1}}).outcome ==
        fit::ErrorsInVariablesOutcome::one_x);
  const auto two = fit({{.x = 1, .y = 1, .y_sd = 0.1}, {.x = 2, .y = 3, .y_sd = 0.1}});
  CHECK(two.outcome == fit::ErrorsInVariablesOutcome::saturated);
  CHECK_THAT(*two.slope.value, WithinRel(2.0, 1e-10));
  CHECK_THAT(two.slope_error, WithinRel(0.1 * std::sqrt(2.0), 1e-8));
  CHECK_FALSE(two.lack_of_fit_p);
  CHECK(fit::name(two.outcome) == "saturated");
  const auto far =
      fit({{.x = 1, .y = 1, .y_sd = 0.01}, {.x = 2, .y = 3, .y_sd = 0.01}, {.x = 3, .y = 3, .y_sd = 0.01}});
  REQUIRE(far.warnings.size() == 1);
  CHECK(far.warnings[0].find("further from the line than their sd allow") != std::string::npos);
}

TEST_CASE("errors in variables: bad points are refused by name", "[fit][errors_in_variables][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto error_of = [](const fit::UncertainPoint& point) {
    try {
      fit::fit_line_errors_in_variables(std::vector<fit::UncertainPoint>{point});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK(error_of({.x = nan, .y = 1, .y_sd = 1}) == "points[0].x: expected a finite number, got nan");
  CHECK(error_of({.x = 1, .y = 1, .x_sd = -1, .y_sd = 1}) ==
        "points[0].x_sd: expected zero or a positive number, got -1");
  CHECK(error_of({.x = 1, .y = 1}) == "points[0].y_sd: expected a positive number where x_sd is 0, got 0");
  const std::vector<fit::PowerLawPoint> law{{.x = 1, .y = 1}};
  CHECK_THROWS_WITH(fit::fit_power_law_errors_in_variables(law, std::vector<double>{1, 1}, {}),
                    "x_sd: expected one per point, 1, got 2");
  CHECK_THROWS_WITH(fit::fit_power_law_errors_in_variables(law, {}, std::vector<double>{1, 1}),
                    "y_sd: expected one per point, 1, got 2");
  CHECK_THROWS_WITH(fit::fit_power_law_errors_in_variables(std::vector<fit::PowerLawPoint>{{.x = 0, .y = 1}}, {}, {}),
                    "points[0].x: expected a positive finite number, got 0");
}
