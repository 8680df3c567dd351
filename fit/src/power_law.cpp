#include "iclk/fit/power_law.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "arguments.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "number_text.hpp"
#include "power_law_levels.hpp"
#include "scenario_fit.hpp"

namespace iclk::fit {
namespace {

struct LogInterval {
  double value = 0.0;
  std::optional<double> low = {}, high = {};
};

/// Fieller's set of ln x with |ln y - a - b ln x| <= t sqrt(var(a + b ln x) + extra), as the offset from the central
/// solution: (b^2 - t^2 V_bb) d^2 - 2 t^2 V_1 d - t^2 V_0 <= 0. It is an interval when b differs from 0 significantly.
LogInterval fieller(const PowerLawScenario& law, double log_y, double t, double extra) {
  LogInterval interval{.value = (log_y - law.log_prefactor) / law.exponent};
  const auto [var_a, cov, var_b] = law.covariance;
  const double t2 = t * t;
  const double v1 = cov + interval.value * var_b;
  const double v0 = var_a + 2 * interval.value * cov + interval.value * interval.value * var_b + extra;
  const double a = law.exponent * law.exponent - t2 * var_b;
  if (!(a > 0)) return interval;
  const double root = std::sqrt(t2 * v1 * t2 * v1 + a * t2 * std::max(v0, 0.0));
  interval.low = interval.value + (t2 * v1 - root) / a;
  interval.high = interval.value + (t2 * v1 + root) / a;
  return interval;
}

/// exp of a logarithm, empty outside the double range.
std::optional<double> exponential(std::optional<double> log_value) {
  if (!log_value) return {};
  const double value = std::exp(*log_value);
  if (!std::isfinite(value) || !(value > 0)) return {};
  return value;
}

/// Square of the half-width that the scatter of a new run adds to a band.
double new_run_square(const PowerLawFit& fit, Band band) {
  if (band == Band::mean) return 0;
  return fit.new_run_t_quantile * fit.new_run_t_quantile * fit.new_run_variance;
}

LogInterval log_x_at(const PowerLawFit& fit, double log_y, Band band) {
  LogInterval all;
  const double extra = new_run_square(fit, band) / (fit.t_quantile * fit.t_quantile);
  for (std::size_t s = 0; s < fit.scenarios.size(); ++s) {
    const PowerLawScenario& law = fit.scenarios[s];
    const bool same_sign = law.exponent * fit.scenarios.front().exponent > 0;
    const LogInterval one = same_sign ? fieller(law, log_y, fit.t_quantile, extra) : LogInterval{};
    if (s == 0) {
      all = one;
      continue;
    }
    all.low = all.low && one.low ? std::optional(std::min(*all.low, *one.low)) : std::nullopt;
    all.high = all.high && one.high ? std::optional(std::max(*all.high, *one.high)) : std::nullopt;
  }
  // Larger y than thought means a smaller x where the law rises.
  if (fit.upper_end_open) (fit.scenarios.front().exponent > 0 ? all.low : all.high).reset();
  return all;
}

bool invertible(const PowerLawFit& fit) {
  return !fit.scenarios.empty() && std::abs(fit.scenarios.front().exponent) > 0;
}

}  // namespace

void validate(const PowerLawOptions& options) {
  if (!std::isfinite(options.assumed_run_sd) || !(options.assumed_run_sd > 0)) {
    throw field_error("assumed_run_sd",
                      "expected a positive finite number, got " + format_number(options.assumed_run_sd));
  }
}

std::string_view name(PowerLawOutcome outcome) {
  switch (outcome) {
    case PowerLawOutcome::fitted:
      return "fitted";
    case PowerLawOutcome::assumed_scatter:
      return "assumed_scatter";
    case PowerLawOutcome::one_level:
      return "one_level";
    case PowerLawOutcome::no_points:
      break;
  }
  return "no_points";
}

PowerLawFit fit_power_law(std::span<const PowerLawPoint> points, const PowerLawOptions& options) {
  validate(options);
  const TailScenarios tails = tail_scenarios(points, options.use_tails);
  PowerLawFit fit = fit_scenarios(tails.x, tails.scenarios, options);
  if (options.use_tails && tails.n_unresolved > 0) {
    std::string text = "the tails of " + std::to_string(tails.n_unresolved) + " of " + std::to_string(points.size()) +
                       " points have no upper end: ";
    if (tails.bracket_borrowed) {
      text += "they were given the widest bracket of the others above their value, and the interval rests on that";
    } else {
      text += "no upper end can be given for the exponent and the prefactor";
      fit.upper_end_open = true;
      fit.exponent.high.reset();
      fit.prefactor.high.reset();
      fit.tail_share = 1;
    }
    fit.warnings.push_back(std::move(text));
  }
  return fit;
}

Estimate predict(const PowerLawFit& fit, double x, Band band) {
  require_positive(x, "x");
  if (fit.scenarios.empty()) return {};
  const double log_x = std::log(x);
  std::optional<double> low, high;
  for (const PowerLawScenario& law : fit.scenarios) {
    const auto [var_a, cov, var_b] = law.covariance;
    const double log_y = law.log_prefactor + law.exponent * log_x;
    const double variance = std::max(var_a + 2 * log_x * cov + log_x * log_x * var_b, 0.0);
    const double half = std::sqrt(fit.t_quantile * fit.t_quantile * variance + new_run_square(fit, band));
    low = low ? std::min(*low, log_y - half) : log_y - half;
    high = high ? std::max(*high, log_y + half) : log_y + half;
  }
  const PowerLawScenario& law = fit.scenarios.front();
  if (fit.upper_end_open) high.reset();
  return {exponential(law.log_prefactor + law.exponent * log_x), exponential(low), exponential(high)};
}

Estimate x_at(const PowerLawFit& fit, double y, Band band) { return x_at(fit, Estimate{y, y, y}, band); }

Estimate x_at(const PowerLawFit& fit, const Estimate& y, Band band) {
  if (!y.value) throw field_error("y", "expected a value, got none");
  require_positive(*y.value, "y");
  if (y.low) require_positive(*y.low, "y.low");
  if (y.high) require_positive(*y.high, "y.high");
  if (!invertible(fit)) return {};
  const LogInterval interval = log_x_at(fit, std::log(*y.value), band);

  // Each side: the law's own half-width and that of y divided by the exponent, in quadrature.
  const double exponent = fit.scenarios.front().exponent;
  const auto& y_for_low = exponent > 0 ? y.low : y.high;
  const auto& y_for_high = exponent > 0 ? y.high : y.low;
  const bool y_is_exact = !y.low && !y.high;
  const auto end = [&](const std::optional<double>& law_end, const std::optional<double>& y_end, double sign) {
    if (!law_end || (!y_end && !y_is_exact)) return std::optional<double>{};
    const double from_law = *law_end - interval.value;
    const double from_y = y_end ? std::log(*y_end / *y.value) / exponent : 0.0;
    return std::optional(interval.value + sign * std::hypot(from_law, from_y));
  };
  return {exponential(interval.value), exponential(end(interval.low, y_for_low, -1)),
          exponential(end(interval.high, y_for_high, 1))};
}

}  // namespace iclk::fit
