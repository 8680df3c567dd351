#include "iclk/theory/acquisition_time.hpp"

#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "exact_blow_up.hpp"
#include "infinity.hpp"
#include "order_parameter_grid.hpp"

namespace iclk::theory {
namespace {

constexpr double kSqrtTwoPi = 2.5066282746310005024157652848110453;
constexpr double kSqrtHalfPi = kSqrtTwoPi / 2.0;

/// exp(x^2 scale) to rounding, scale a power of two: the rounding error of x*x, which exp would magnify by x^2, is
/// kept.
double exp_of_square(double x, double scale) {
  const double square = x * x;
  const double value = std::exp(scale * square);
  if (std::isinf(value) || std::isinf(square)) return value;
  return value * (1.0 + scale * std::fma(x, x, -square));
}

}  // namespace

double scaled_erfc(double x) {
  // erfc is accurate to a few units in the last place until it underflows near 26.5; beyond 25 six terms of the
  // asymptotic series are exact in double (the next one is below 1e-19).
  if (x < 25.0) return exp_of_square(x, 1.0) * std::erfc(x);
  const double u = 1.0 / (2.0 * x * x);
  const double series = 1.0 - u * (1.0 - 3.0 * u * (1.0 - 5.0 * u * (1.0 - 7.0 * u * (1.0 - 9.0 * u))));
  return series * std::numbers::inv_sqrtpi / x;
}

double mills_ratio(double x) {
  if (x >= 0.0) return kSqrtHalfPi * scaled_erfc(x / std::numbers::sqrt2);
  // R(x) + R(-x) = sqrt(2 pi) exp(x^2/2): the large part is taken from x itself, not from the rounded x/sqrt 2.
  return kSqrtTwoPi * exp_of_square(x, 0.5) - kSqrtHalfPi * scaled_erfc(-x / std::numbers::sqrt2);
}

double acquisition_integral_leading(double n_context, double beta0) {
  require_context(n_context);
  require_finite("beta0", beta0);
  return n_context * kSqrtTwoPi * std::exp(-beta0);
}

double acquisition_integral(double n_context, double beta0, double w0) {
  require_context(n_context);
  require_finite("beta0", beta0);
  require_finite("w0", w0);
  return 2.0 * n_context * std::exp(-beta0) * mills_ratio(w0);
}

double exact_blow_up(double beta0, double w0, double c2) {
  const double p0 = std::exp(-beta0);
  const double kappa = c2 * p0;
  if (std::isinf(kappa)) return kInfinity;
  const double x = kappa - w0;
  // kappa R(-x) fits in a double up to x = 37. There log1p(y)/y keeps the limit kappa -> 0 (no damping).
  if (x < 37.0) {
    const double ratio = mills_ratio(-x);
    const double y = kappa * ratio;
    const double relative = y > 0.0 ? std::log1p(y) / y : 1.0;
    return p0 * ratio * relative;
  }
  if (!(kappa > 0.0)) return p0 * mills_ratio(w0);
  // R(-x) = sqrt(2 pi) exp(x^2/2) - R(x), with the exponential taken out of the logarithm.
  const double exponent = 0.5 * x * x + std::log(kappa * kSqrtTwoPi);
  const double logarithm = exponent > 40.0 ? exponent + std::log1p(std::exp(-exponent) * (1.0 - kappa * mills_ratio(x)))
                                           : std::log1p(std::exp(exponent) - kappa * mills_ratio(x));
  return logarithm / c2;
}

double inverse_mills_excess(double y) {
  if (y < 4.0) return 1.0 / mills_ratio(y) - y;
  // 1/R(y) = y + 1/(y + 2/(y + 3/(y + ...))); at y = 4 thirty terms reach rounding.
  double fraction = y;
  for (int i = 40; i >= 2; --i) fraction = y + i / fraction;
  return 1.0 / fraction;
}

double acquisition_integral_exact(double n_context, double beta0, double w0, double c2) {
  require_context(n_context);
  require_finite("beta0", beta0);
  require_finite("w0", w0);
  require(c2 >= 0.0 && c2 <= 1.0, "c2", "a number in [0, 1]", c2);
  return 2.0 * n_context * exact_blow_up(beta0, w0, c2);
}

double cold_start_integral(double n_context, double beta0) {
  require_context(n_context);
  require_finite("beta0", beta0);
  return 0.5 * n_context * std::exp(-2.0 * beta0);
}

AcquisitionTime cold_start_acquisition_time(const OrderParameterCurves& curves, double n_context, double beta0) {
  require_shared_times(curves);
  AcquisitionTime result;
  result.required = cold_start_integral(n_context, beta0);

  const auto times = curves.c1.times();
  std::vector<double> ratios(times.size());
  for (std::size_t i = 0; i < ratios.size(); ++i) ratios[i] = curves.c1.values()[i] / curves.c2.values()[i];
  const double before_start = times.front() * ratios.front();
  const double first_ratio = ratios.front();
  const Curve ratio({times.begin(), times.end()}, std::move(ratios));
  result.integral = before_start + ratio.total_integral();
  if (result.required <= before_start) {
    result.time = result.required / first_ratio;
  } else {
    result.time = ratio.time_of_integral(result.required - before_start);
  }
  if (result.time) result.outcome = AcquisitionOutcome::acquired;
  return result;
}

}  // namespace iclk::theory
