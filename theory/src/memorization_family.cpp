#include "iclk/theory/memorization_family.hpp"

#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "arguments.hpp"
#include "infinity.hpp"

namespace iclk::theory {
namespace {

void require_shape(MemorizationKind kind, double shape) {
  switch (kind) {
    case MemorizationKind::power:
      require(shape > 0.0 && std::isfinite(shape), "shape", "a positive exponent p", shape);
      break;
    case MemorizationKind::exponential:
      break;
    case MemorizationKind::stretched:
      // Beyond, Gamma(1 + 1/b) or u^b leaves the range of doubles.
      require(shape >= 0.01 && shape <= 100.0, "shape", "an exponent b in [0.01, 100]", shape);
      break;
    case MemorizationKind::logarithmic:
      require(shape >= 0.0 && std::isfinite(shape), "shape", "an exponent m that is not negative", shape);
      break;
  }
}

/// u = t/T of a checked family and time.
double reduced_time(const MemorizationFamily& family, double time) {
  validate(family);
  require(time >= 0.0, "time", "a number that is not negative", time);
  return time / family.horizon;
}

/// (exp(a x) - 1)/a, which is x at a = 0: the integral of exp(a x') from 0 to x.
double exponential_integral(double a, double x) {
  const double product = a * x;
  return std::abs(product) > std::numeric_limits<double>::min() ? x * (std::expm1(product) / product) : x;
}

/// The inverse: -ln(1 - a y)/a, which is y at a = 0. Empty when 1 - a y <= 0. The argument of the logarithm is
/// numerator/denominator with y = top/denominator, so that it is exact close to zero.
std::optional<double> inverse_exponential_integral(double a, double top, double denominator) {
  const double y = top / denominator;
  const double product = -a * y;
  if (product > -0.5) {
    return std::abs(product) > std::numeric_limits<double>::min() ? y * (std::log1p(product) / product) : y;
  }
  const double left = std::fma(-a, top, denominator) / denominator;
  return left > 0.0 ? std::optional(-std::log(left) / a) : std::nullopt;
}

/// ln(2 c1) at u.
double log_shape(const MemorizationFamily& family, double u) {
  switch (family.kind) {
    case MemorizationKind::power:
      return -family.shape * std::log1p(u);
    case MemorizationKind::exponential:
      return -u;
    case MemorizationKind::stretched:
      return -std::pow(u, family.shape);
    case MemorizationKind::logarithmic: {
      const double l = std::log1p(u);
      return -l - family.shape * std::log1p(l);
    }
  }
  return 0.0;
}

}  // namespace

std::string_view name(MemorizationKind kind) noexcept {
  switch (kind) {
    case MemorizationKind::power:
      return "power";
    case MemorizationKind::exponential:
      return "exponential";
    case MemorizationKind::stretched:
      return "stretched";
    case MemorizationKind::logarithmic:
      return "logarithmic";
  }
  return "";
}

void validate(const MemorizationFamily& family) {
  require_shape(family.kind, family.shape);
  require(family.horizon > 0.0 && std::isfinite(family.horizon), "horizon", "a positive number", family.horizon);
}

void validate(const HorizonLaw& law) {
  require(law.prefactor > 0.0 && std::isfinite(law.prefactor), "prefactor", "a positive number", law.prefactor);
  require(law.nu > 0.0 && std::isfinite(law.nu), "nu", "a positive number", law.nu);
}

double horizon_at(const HorizonLaw& law, double n_items) {
  validate(law);
  require(n_items >= 1.0 && std::isfinite(n_items), "n_items", "a number of at least 1", n_items);
  return law.prefactor * std::pow(n_items, law.nu);
}

double log_family_c1(const MemorizationFamily& family, double time) {
  return std::log(0.5) + log_shape(family, reduced_time(family, time));
}

double family_c1(const MemorizationFamily& family, double time) {
  return 0.5 * std::exp(log_shape(family, reduced_time(family, time)));
}

double family_total_share(MemorizationKind kind, double shape) {
  require_shape(kind, shape);
  switch (kind) {
    case MemorizationKind::exponential:
      return 1.0;
    case MemorizationKind::stretched:
      return boost::math::tgamma(1.0 + 1.0 / shape);
    case MemorizationKind::power:
    case MemorizationKind::logarithmic:
      return shape > 1.0 ? 1.0 / (shape - 1.0) : kInfinity;
  }
  return 0.0;
}

double family_total_integral(const MemorizationFamily& family) {
  validate(family);
  if (family.kind == MemorizationKind::power || family.kind == MemorizationKind::logarithmic) {
    return family.shape > 1.0 ? family.horizon / (family.shape - 1.0) : kInfinity;
  }
  return family.horizon * family_total_share(family.kind, family.shape);
}

double family_integral(const MemorizationFamily& family, double time) {
  const double u = reduced_time(family, time);
  if (std::isinf(u)) return family_total_integral(family);
  switch (family.kind) {
    case MemorizationKind::power:
      return family.horizon * exponential_integral(1.0 - family.shape, std::log1p(u));
    case MemorizationKind::exponential:
      return -family.horizon * std::expm1(-u);
    case MemorizationKind::stretched: {
      const double b = family.shape;
      const double x = std::pow(u, b);
      // I = t [1 - u^b/(b + 1) + ...]: the first correction is below rounding.
      if (x < 1e-17) return time;
      if (x > 1e3) return family_total_integral(family);
      return family.horizon / b * boost::math::tgamma_lower(1.0 / b, x);
    }
    case MemorizationKind::logarithmic:
      return family.horizon * exponential_integral(1.0 - family.shape, std::log1p(std::log1p(u)));
  }
  return 0.0;
}

double family_integral_left(const MemorizationFamily& family, double time) {
  const double u = reduced_time(family, time);
  switch (family.kind) {
    case MemorizationKind::exponential:
      return family.horizon * std::exp(-u);
    case MemorizationKind::stretched: {
      const double x = std::pow(u, family.shape);
      return x > 2e3 ? 0.0 : family.horizon / family.shape * boost::math::tgamma(1.0 / family.shape, x);
    }
    case MemorizationKind::power:
    case MemorizationKind::logarithmic: {
      if (!(family.shape > 1.0)) return kInfinity;
      const double base = family.kind == MemorizationKind::power ? u : std::log1p(u);
      return family.horizon * std::exp((1.0 - family.shape) * std::log1p(base)) / (family.shape - 1.0);
    }
  }
  return 0.0;
}

std::optional<double> time_of_family_integral(const MemorizationFamily& family, double integral) {
  validate(family);
  require(integral >= 0.0, "integral", "a number that is not negative", integral);
  const double total = family_total_integral(family);
  if (!(integral < total)) return std::nullopt;
  const double horizon = family.horizon;
  switch (family.kind) {
    case MemorizationKind::power: {
      const auto l = inverse_exponential_integral(family.shape - 1.0, integral, horizon);
      return l ? std::optional(horizon * std::expm1(*l)) : std::nullopt;
    }
    case MemorizationKind::exponential: {
      const auto u = inverse_exponential_integral(1.0, integral, horizon);
      return u ? std::optional(horizon * *u) : std::nullopt;
    }
    case MemorizationKind::logarithmic: {
      const auto l = inverse_exponential_integral(family.shape - 1.0, integral, horizon);
      return l ? std::optional(horizon * std::expm1(std::expm1(*l))) : std::nullopt;
    }
    case MemorizationKind::stretched: {
      const double b = family.shape;
      const double share = integral / total;
      // Small shares: I = t to rounding, and gamma_p_inv would lose the range.
      if (std::pow(integral / horizon, b) < 1e-17) return integral;
      const double x = share < 0.5 ? boost::math::gamma_p_inv(1.0 / b, share)
                                   : boost::math::gamma_q_inv(1.0 / b, (total - integral) / total);
      return horizon * std::pow(x, 1.0 / b);
    }
  }
  return std::nullopt;
}

double family_log_slope(const MemorizationFamily& family, double time) {
  const double u = reduced_time(family, time);
  const double saturating = std::isinf(u) ? 1.0 : u / (1.0 + u);
  switch (family.kind) {
    case MemorizationKind::power:
      return family.shape * saturating;
    case MemorizationKind::exponential:
      return u;
    case MemorizationKind::stretched:
      return family.shape * std::pow(u, family.shape);
    case MemorizationKind::logarithmic:
      return saturating * (1.0 + family.shape / (1.0 + std::log1p(u)));
  }
  return 0.0;
}

double family_rate(const MemorizationFamily& family, double time) {
  const double u = reduced_time(family, time);
  switch (family.kind) {
    case MemorizationKind::power:
      return family.shape / (family.horizon * (1.0 + u));
    case MemorizationKind::exponential:
      return 1.0 / family.horizon;
    case MemorizationKind::stretched:
      return family.shape * std::pow(u, family.shape - 1.0) / family.horizon;
    case MemorizationKind::logarithmic:
      return (1.0 + family.shape / (1.0 + std::log1p(u))) / (family.horizon * (1.0 + u));
  }
  return 0.0;
}

std::optional<double> family_threshold(MemorizationKind kind, double shape, const HorizonLaw& law,
                                       double required_integral) {
  validate(law);
  require(required_integral > 0.0 && std::isfinite(required_integral), "required_integral", "a positive number",
          required_integral);
  const double share = family_total_share(kind, shape);
  if (std::isinf(share)) return std::nullopt;
  return std::pow(required_integral / (law.prefactor * share), 1.0 / law.nu);
}

OrderParameterFunctions order_parameter_functions(const MemorizationFamily& family, C2Closure closure) {
  validate(family);
  const auto c1 = [family](double time) { return family_c1(family, time); };
  if (closure == C2Closure::constant) return {c1, [](double) { return 0.5; }};
  return {c1, [c1](double time) { return 1.0 - c1(time); }};
}

OrderParameterCurves sample_family(const MemorizationFamily& family, std::span<const double> times, C2Closure closure) {
  std::vector<double> t(times.begin(), times.end());
  std::vector<double> c1(t.size()), c2(t.size()), c3(t.size());
  for (std::size_t i = 0; i < t.size(); ++i) {
    c1[i] = family_c1(family, t[i]);
    if (!(c1[i] >= std::numeric_limits<double>::min())) {
      throw field_error(
          "times", "expected times at which c1 is above the smallest number, sample " + std::to_string(i) + " is not");
    }
    c2[i] = closure == C2Closure::constant ? 0.5 : 1.0 - c1[i];
    c3[i] = c1[i] / (1.0 - c1[i]);
  }
  return {Curve(t, std::move(c1)), Curve(t, std::move(c2)), Curve(t, std::move(c3)), closure == C2Closure::homogeneous};
}

}  // namespace iclk::theory
