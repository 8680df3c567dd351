#include "iclk/fit/errors_in_variables.hpp"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>
#include <limits>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/least_squares.hpp"
#include "iclk/fit/nonlinear_least_squares.hpp"
#include "number_text.hpp"
#include "power_law_levels.hpp"

namespace iclk::fit {
namespace {

void check(std::span<const UncertainPoint> points) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    const UncertainPoint& point = points[i];
    const std::string prefix = "points[" + std::to_string(i) + "].";
    const auto coordinate = [&](double value, const char* field) {
      if (!std::isfinite(value)) {
        throw field_error(prefix + field, "expected a finite number, got " + format_number(value));
      }
    };
    coordinate(point.x, "x");
    coordinate(point.y, "y");
    const auto deviation = [&](double value, const char* field) {
      if (!std::isfinite(value) || value < 0) {
        throw field_error(prefix + field, "expected zero or a positive number, got " + format_number(value));
      }
    };
    deviation(point.x_sd, "x_sd");
    deviation(point.y_sd, "y_sd");
    if (!(point.x_sd > 0 || point.y_sd > 0)) {
      throw field_error(prefix + "y_sd", "expected a positive number where x_sd is 0, got 0");
    }
  }
}

/// Variance of y - slope x.
double variance_across(const UncertainPoint& p, double slope) {
  return p.y_sd * p.y_sd + slope * slope * p.x_sd * p.x_sd;
}

struct Start {
  double slope = 0.0, height = 0.0;
};

/// Ordinary line about the mean of x.
Start start(std::span<const UncertainPoint> points, double center) {
  std::vector<double> design, y;
  for (const UncertainPoint& p : points) {
    design.insert(design.end(), {1.0, p.x - center});
    y.push_back(p.y);
  }
  const LeastSquaresFit line = fit_least_squares(design, 2, y);
  return {line.coefficients[1], line.coefficients[0]};
}

}  // namespace

std::string_view name(ErrorsInVariablesOutcome outcome) {
  switch (outcome) {
    case ErrorsInVariablesOutcome::fitted:
      return "fitted";
    case ErrorsInVariablesOutcome::saturated:
      return "saturated";
    case ErrorsInVariablesOutcome::too_few_points:
      return "too_few_points";
    case ErrorsInVariablesOutcome::one_x:
      return "one_x";
    case ErrorsInVariablesOutcome::not_converged:
      break;
  }
  return "not_converged";
}

ErrorsInVariablesFit fit_line_errors_in_variables(std::span<const UncertainPoint> points) {
  check(points);
  ErrorsInVariablesFit fit;
  fit.n_points = points.size();
  if (points.size() < 2) {
    fit.warnings.emplace_back("fewer than two points: no line");
    return fit;
  }
  const auto [least, most] =
      std::minmax_element(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.x < b.x; });
  if (!(most->x > least->x)) {
    fit.outcome = ErrorsInVariablesOutcome::one_x;
    fit.warnings.emplace_back("all points have the same x: no slope");
    return fit;
  }
  double center = 0;
  for (const UncertainPoint& p : points) center += p.x / static_cast<double>(points.size());

  // Parameters: slope, height at the mean of x.
  const auto model = [&](std::span<const double> b, std::span<double> values) {
    for (std::size_t i = 0; i < points.size(); ++i) {
      const UncertainPoint& p = points[i];
      values[i] = (p.y - b[1] - b[0] * (p.x - center)) / std::sqrt(variance_across(p, b[0]));
    }
  };
  const auto jacobian = [&](std::span<const double> b, std::span<double> rows) {
    for (std::size_t i = 0; i < points.size(); ++i) {
      const UncertainPoint& p = points[i];
      const double variance = variance_across(p, b[0]);
      const double residual = p.y - b[1] - b[0] * (p.x - center);
      rows[2 * i] = (-(p.x - center) - residual * b[0] * p.x_sd * p.x_sd / variance) / std::sqrt(variance);
      rows[2 * i + 1] = -1 / std::sqrt(variance);
    }
  };
  const std::vector<double> zeros(points.size(), 0.0);
  const Start from = start(points, center);
  const NonlinearFit solved =
      fit_nonlinear_least_squares(model, jacobian, zeros, std::vector<double>{from.slope, from.height});
  fit.solver = words(solved.stop);
  if (solved.outcome != NonlinearOutcome::fitted && solved.outcome != NonlinearOutcome::saturated) {
    fit.outcome = ErrorsInVariablesOutcome::not_converged;
    fit.warnings.push_back("the line did not converge: " + fit.solver);
    return fit;
  }
  const double slope = solved.parameters[0];
  fit.chi_squared = *solved.residual_sum_of_squares;
  fit.degrees_of_freedom = static_cast<double>(points.size()) - 2;

  // Adjusted x: the true points that go with the line. Their scatter gives the errors.
  double weight_sum = 0, mean = 0;
  std::vector<double> adjusted, weight;
  for (const UncertainPoint& p : points) {
    const double variance = variance_across(p, slope);
    const double residual = p.y - solved.parameters[1] - slope * (p.x - center);
    adjusted.push_back(p.x - center + slope * p.x_sd * p.x_sd * residual / variance);
    weight.push_back(1 / variance);
    weight_sum += weight.back();
    mean += weight.back() * adjusted.back();
  }
  mean /= weight_sum;
  double spread = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    spread += weight[i] * (adjusted[i] - mean) * (adjusted[i] - mean);
  }
  fit.slope_error = 1 / std::sqrt(spread);
  const double origin = mean + center;  // of the adjusted points, in x
  fit.intercept_error = std::sqrt(1 / weight_sum + origin * origin / spread);

  double quantile = student_t_quantile(0.975, std::numeric_limits<double>::infinity());
  fit.outcome = ErrorsInVariablesOutcome::saturated;
  if (fit.degrees_of_freedom > 0) {
    fit.outcome = ErrorsInVariablesOutcome::fitted;
    const boost::math::chi_squared distribution(fit.degrees_of_freedom);
    fit.lack_of_fit_p = boost::math::cdf(boost::math::complement(distribution, fit.chi_squared));
    const double factor = std::sqrt(fit.chi_squared / fit.degrees_of_freedom);
    if (factor > 1) {
      fit.error_factor = factor;
      quantile = student_t_quantile(0.975, fit.degrees_of_freedom);
    }
    if (*fit.lack_of_fit_p < 0.01) {
      fit.warnings.push_back(
          "the points lie further from the line than their sd allow (p = " + rounded_text(*fit.lack_of_fit_p, 2) +
          "): intervals are widened by " + rounded_text(fit.error_factor, 3));
    }
  } else {
    fit.warnings.emplace_back("two points: the line passes through them, and only the given sd count");
  }
  const auto interval = [&](double value, double error) {
    const double half = quantile * fit.error_factor * error;
    return Estimate{value, value - half, value + half};
  };
  fit.slope = interval(slope, fit.slope_error);
  fit.intercept = interval(solved.parameters[1] - slope * center, fit.intercept_error);
  return fit;
}

UncertainPowerLaw fit_power_law_errors_in_variables(std::span<const PowerLawPoint> points, std::span<const double> x_sd,
                                                    std::span<const double> y_sd, const PowerLawOptions& options) {
  validate(options);
  const auto length = [&](std::span<const double> sd, const char* field) {
    if (!sd.empty() && sd.size() != points.size()) {
      throw field_error(
          field, "expected one per point, " + std::to_string(points.size()) + ", got " + std::to_string(sd.size()));
    }
  };
  length(x_sd, "x_sd");
  length(y_sd, "y_sd");
  const TailScenarios tails = tail_scenarios(points, options.use_tails);
  UncertainPowerLaw law;
  Estimate log_prefactor;
  for (std::size_t s = 0; s < tails.scenarios.size(); ++s) {
    std::vector<UncertainPoint> logs;
    for (std::size_t i = 0; i < points.size(); ++i) {
      logs.push_back({.x = std::log(points[i].x),
                      .y = tails.scenarios[s].log_y[i],
                      .x_sd = x_sd.empty() ? 0.0 : x_sd[i] / points[i].x,
                      .y_sd = y_sd.empty() ? 0.0 : y_sd[i] / points[i].y});
    }
    const ErrorsInVariablesFit line = fit_line_errors_in_variables(logs);
    if (s == 0) {
      law.line = line;
      law.exponent = line.slope;
      log_prefactor = line.intercept;
    } else {
      unite(law.exponent, line.slope);
      unite(log_prefactor, line.intercept);
    }
  }
  if (options.use_tails && tails.n_unresolved > 0 && !tails.bracket_borrowed) {
    law.exponent.high.reset();
    log_prefactor.high.reset();
    law.line.warnings.emplace_back("some tails have no upper end, nor has the exponent");
  }
  const auto power = [](const std::optional<double>& v) -> std::optional<double> {
    const double value = v ? std::exp(*v) : 0.0;
    if (!std::isfinite(value) || !(value > 0)) return {};
    return value;
  };
  law.prefactor = {power(log_prefactor.value), power(log_prefactor.low), power(log_prefactor.high)};
  return law;
}

}  // namespace iclk::fit
