#include "iclk/theory/memorization_integral.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "arguments.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "tail_fit.hpp"

namespace iclk::theory {
namespace {

/// A tail below this share of the measured part is lost in the rounding of the sum over samples.
constexpr double kNegligibleTail = 1e-12;

/// From this value of h = 1/p on down the tail is called exponential: the two estimates differ by 5 %.
constexpr double kExponentialShape = 0.05;

void require_integrable(const Curve& c1) {
  if (c1.start_time() < 0.0) throw field_error("time", "expected times that are not negative");
  for (std::size_t i = 0; i < c1.size(); ++i) {
    if (!(c1.values()[i] >= 0.0)) {
      throw field_error("c1", "expected numbers that are not negative, sample " + std::to_string(i) + " is");
    }
  }
}

/// 2 int c1 before the first sample, where c1 keeps its first value.
double integral_before(const Curve& c1) { return 2.0 * c1.start_time() * c1.values().front(); }

/// How far the integral of the interpolant may be off: its distance to the trapezoid sum, which is of lower order.
double quadrature_error(const Curve& c1) {
  const auto t = c1.times();
  const auto v = c1.values();
  double trapezoids = 0.0;
  for (std::size_t i = 1; i < t.size(); ++i) trapezoids += 0.5 * (t[i] - t[i - 1]) * (v[i] + v[i - 1]);
  return 2.0 * std::abs(trapezoids - c1.total_integral());
}

/// Relative 95 % error as a factor >= 1 that keeps lower ends positive.
double error_factor(double relative_error, double quantile) { return std::exp(quantile * relative_error); }

/// A drift of h = 1/p per e-fold of time below this changes no tail by more than its quadrature error.
constexpr double kSmallDrift = 0.01;

struct Tail {
  TailModel model = TailModel::unresolved;
  double low = 0.0, value = 0.0;
  std::optional<double> high;
};

/// docs/equations.md, "Tails": which estimators bound the tail, and which one is central.
Tail bracket_tail(const TailFit& fit, double end_time, double homogeneity) {
  const double slope = fit.rate * end_time;
  const double slope_error = slope * fit.log_rate_error;
  const TailEstimates tails = tail_estimates(std::exp(fit.log_c1), end_time, slope, homogeneity);
  const double amplitude_error = std::hypot(fit.log_c1_error, fit.log_rate_error);
  const double plain_factor = error_factor(amplitude_error, fit.quantile);

  Tail tail;
  // The lowest possible tail. Where the rate itself still grows (h < 0) even the exponential overshoots.
  const double most_negative = std::min(0.0, fit.shape - fit.quantile * fit.shape_error);
  tail.low = tails.exponential / plain_factor / (1.0 - (fit.shape < 0.0 ? most_negative : 0.0));
  if (slope - 1.0 < 2.0 * slope_error || !tails.power) {
    tail.value = tail.low;
    return tail;
  }
  const double power_factor = error_factor(std::hypot(fit.log_c1_error, slope_error / (slope - 1.0)), fit.quantile);

  // The slope falls towards 1 when 1/p exceeds 1/s, i.e. when the power law starts from a later origin (t0 < 0).
  const double excess = fit.shape - 1.0 / slope;
  if (excess > 2.0 * fit.shape_error) {
    tail.model = TailModel::logarithmic;
    tail.low = *tails.power / power_factor;
    const double late = std::max(*tails.logarithmic, tails.homogeneous);
    tail.high = late * power_factor;
    const double shifted =
        fit.shape < 1.0 ? tails.exponential / (1.0 - fit.shape) : std::numeric_limits<double>::infinity();
    tail.value = std::clamp(shifted, *tails.power, late);
    return tail;
  }

  // Rising or constant slope: between the exponential and the power law through the same point and slope.
  const double shape = std::min(fit.shape, 1.0 / slope);
  tail.model = shape < kExponentialShape ? TailModel::exponential : TailModel::power;
  tail.value = tails.exponential / (1.0 - shape);
  // h keeps drifting while the tail runs out, over ln(1 + its length/t_m). A drift that is certain says on which side
  // of the central value the truth lies, but not how far: that end then stays at the outer estimator.
  const double length = std::log1p(1.0 / (slope * (1.0 - shape)));
  const double spread = fit.quantile * fit.drift_error;
  const double down = 2.0 * std::max(0.0, spread - fit.drift) * length;
  const double up = 2.0 * std::max(0.0, spread + fit.drift) * length;
  const bool falling_shape = fit.drift + spread < -kSmallDrift;
  const bool rising_shape = fit.drift - spread > kSmallDrift;

  const double outer_low = tail.low;
  const double lowest = shape - fit.quantile * fit.shape_error - down;
  if (!falling_shape && lowest > 0.0) {
    tail.low = std::max(outer_low, tails.exponential / (1.0 - lowest) / plain_factor);
  }
  // A slope that rises for certain stays above that of the power law; otherwise the end may be logarithmic.
  const bool rising_slope = excess < -2.0 * fit.shape_error && !rising_shape;
  const double outer_high = (rising_slope ? *tails.power : *tails.logarithmic) * power_factor;
  const double highest = shape + fit.quantile * fit.shape_error + up;
  tail.high = outer_high;
  if (!rising_shape && highest < 1.0) {
    tail.high = std::min(outer_high, tails.exponential / (1.0 - highest) * plain_factor);
  }
  tail.low = std::min(tail.low, tail.value);
  tail.high = std::max(*tail.high, tail.value);
  return tail;
}

/// The tail that TailForm::homogeneous asks for, in the place of `fitted` as the central one.
Tail homogeneous_tail(const HomogeneousLaw& law, const TailFit& fit, Tail fitted) {
  const auto total = homogeneous_total_integral(law);
  if (!total) return {TailModel::unresolved, fitted.low, fitted.low, {}};
  const double factor = error_factor(std::hypot(fit.log_c1_error, fit.log_rate_error), fit.quantile);
  return {TailModel::logarithmic, std::min(fitted.low, *total / factor), *total,
          std::max(fitted.high.value_or(0.0), *total * factor)};
}

}  // namespace

void validate(const TailOptions& options) {
  require(options.window > 1.0 && std::isfinite(options.window), "window", "a number above 1", options.window);
  require(options.min_points >= 4, "min_points", "at least 4", options.min_points);
  if (options.central == TailForm::homogeneous) {
    require(options.homogeneity >= 1.0 && std::isfinite(options.homogeneity), "homogeneity", "a number of at least 1",
            options.homogeneity);
  } else {
    require(options.homogeneity > 2.0 && std::isfinite(options.homogeneity), "homogeneity", "a number above 2",
            options.homogeneity);
  }
}

std::string_view name(TailModel model) noexcept {
  switch (model) {
    case TailModel::none:
      return "none";
    case TailModel::exponential:
      return "exponential";
    case TailModel::power:
      return "power";
    case TailModel::logarithmic:
      return "logarithmic";
    case TailModel::unresolved:
      return "unresolved";
  }
  return "";
}

TailEstimates tail_estimates(double c1, double time, double log_slope, double homogeneity) {
  require(c1 >= 0.0 && c1 < 1.0, "c1", "a number in [0, 1)", c1);
  require(time > 0.0 && std::isfinite(time), "time", "a positive number", time);
  require(log_slope > 0.0 && std::isfinite(log_slope), "log_slope", "a positive number", log_slope);
  require(homogeneity > 2.0 && std::isfinite(homogeneity), "homogeneity", "a number above 2", homogeneity);
  TailEstimates result;
  result.exponential = 2.0 * c1 * time / log_slope;
  // m = 2 - 2/L: 1/(m - 1) = L/(L - 2) and m/(m - 1) = 2 (L - 1)/(L - 2).
  result.homogeneous = c1 > 0.0 ? -result.exponential * std::log(c1) * homogeneity / (homogeneity - 2.0) : 0.0;
  if (log_slope > 1.0) {
    result.power = 2.0 * c1 * time / (log_slope - 1.0);
    result.logarithmic = *result.power * 2.0 * (homogeneity - 1.0) / (homogeneity - 2.0);
  }
  return result;
}

MemorizationIntegral memorization_integral(const Curve& c1, const TailOptions& options) {
  validate(options);
  require_integrable(c1);
  MemorizationIntegral result;
  result.measured = integral_before(c1) + 2.0 * c1.total_integral();
  result.quadrature_error = quadrature_error(c1);
  result.end_time = c1.end_time();
  result.end_c1 = c1.values().back();

  const auto fit = fit_tail(c1.times(), c1.values(), options.window, options.min_points);
  Tail tail;
  if (fit) {
    result.end_c1 = std::exp(fit->log_c1);
    result.log_slope = fit->rate * result.end_time;
    result.log_slope_error = result.log_slope * fit->log_rate_error;
    result.slope_trend = result.log_slope * (1.0 - fit->shape * result.log_slope);
    result.n_slope_points = fit->n_points;
    if (options.central == TailForm::homogeneous) {
      // The lower end, all that remains for L <= 2, does not depend on the degree.
      const double degree = options.homogeneity > 2.0 ? options.homogeneity : TailOptions{}.homogeneity;
      result.tail_law = homogeneous_law_through(result.end_c1, fit->rate, options.homogeneity);
      tail = homogeneous_tail(*result.tail_law, *fit, bracket_tail(*fit, result.end_time, degree));
    } else {
      tail = bracket_tail(*fit, result.end_time, options.homogeneity);
    }
  }
  // Above slope 2 even the power tail is less than 2 c1 t_m.
  if (c1.values().back() * result.end_time <= kNegligibleTail * result.measured && (!fit || result.log_slope > 2.0)) {
    tail = {TailModel::none, 0.0, 0.0, 0.0};
  } else if (tail.high && *tail.high <= kNegligibleTail * result.measured) {
    tail = {TailModel::none, 0.0, 0.0, 0.0};
  }

  result.tail = tail.model;
  if (result.tail == TailModel::none) result.tail_law.reset();
  result.infinity.value = result.measured + tail.value;
  result.infinity.low = std::max(0.0, result.measured + tail.low - result.quadrature_error);
  if (tail.model == TailModel::unresolved) result.infinity.value = result.measured + tail.low;
  if (tail.high) result.infinity.high = result.measured + *tail.high + result.quadrature_error;
  result.tail_length = *result.infinity.value - result.measured;
  result.tail_fraction = *result.infinity.value > 0.0 ? result.tail_length / *result.infinity.value : 0.0;

  // The central tail with the fitted c1 at t_m as its start: L (1 + x/tau)^-(p - 1), 2 c1 = L (p - 1)/tau.
  const double start = 2.0 * result.end_c1;
  result.tail_scale = tail.value > 0.0 && start > 0.0 ? tail.value / start : 1.0;
  if (fit && (tail.model == TailModel::power || tail.model == TailModel::logarithmic)) {
    // L = 2 c1/(r (1 - h)) defines the effective h of the central estimate; p - 1 = (1 - h)/h.
    const double shape = 1.0 - start / (fit->rate * tail.value);
    if (shape > 0.0 && shape < 1.0) {
      result.tail_power = (1.0 - shape) / shape;
      result.tail_scale = 1.0 / (shape * fit->rate);
    }
  }
  return result;
}

double memorization_integral_at(const Curve& c1, double time) {
  require_integrable(c1);
  require(time >= 0.0 && time <= c1.end_time(), "time", "a time within the curve", time);
  if (time <= c1.start_time()) return 2.0 * time * c1.values().front();
  return integral_before(c1) + 2.0 * c1.integral(time);
}

std::optional<double> time_of_memorization_integral(const Curve& c1, double integral) {
  require_integrable(c1);
  require(integral >= 0.0, "integral", "a number that is not negative", integral);
  const double before = integral_before(c1);
  if (integral <= before && before > 0.0) return integral / (2.0 * c1.values().front());
  return c1.time_of_integral(0.5 * (integral - before));
}

double extrapolated_integral(const MemorizationIntegral& integral, double time) {
  require(time >= integral.end_time, "time", "a time after the end of the curve", time);
  if (integral.tail_law) {
    return integral.measured + homogeneous_integral(*integral.tail_law, time - integral.end_time);
  }
  const double x = (time - integral.end_time) / integral.tail_scale;
  if (!integral.tail_power) return integral.measured - integral.tail_length * std::expm1(-x);
  return integral.measured - integral.tail_length * std::expm1(-*integral.tail_power * std::log1p(x));
}

std::optional<double> time_of_extrapolated_integral(const MemorizationIntegral& integral, double value) {
  const double missing = value - integral.measured;
  if (integral.tail_law) {
    if (!(missing >= 0.0)) return std::nullopt;
    const auto after = time_of_homogeneous_integral(*integral.tail_law, missing);
    return after && std::isfinite(*after) ? std::optional(integral.end_time + *after) : std::nullopt;
  }
  if (!(missing >= 0.0) || !(missing < integral.tail_length)) return std::nullopt;
  const double decay = -std::log1p(-missing / integral.tail_length);
  const double x = integral.tail_power ? std::expm1(decay / *integral.tail_power) : decay;
  const double time = integral.end_time + integral.tail_scale * x;
  return std::isfinite(time) ? std::optional(time) : std::nullopt;
}

}  // namespace iclk::theory
