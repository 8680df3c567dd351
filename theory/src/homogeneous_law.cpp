#include "iclk/theory/homogeneous_law.hpp"

#include <algorithm>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>
#include <limits>

#include "adaptive_quadrature.hpp"
#include "arguments.hpp"
#include "infinity.hpp"

namespace iclk::theory {
namespace {

double start_of(const HomogeneousLaw& law) { return -std::log(law.c1_start); }

/// [(start + d)^a - start^a]/a, the logarithm of 1 + d/start at a = 0.
double power_integral(double a, double start, double d) {
  const double l = std::log1p(d / start);
  const double product = a * l;
  return std::pow(start, a) *
         (std::abs(product) > std::numeric_limits<double>::min() ? l * (std::expm1(product) / product) : l);
}

/// Time in which v = ln(1/c1) grows from its start by d: int exp(v) v^-m dv/C.
double time_to(const HomogeneousLaw& law, double d) {
  if (!(d > 0.0)) return 0.0;
  if (std::isinf(d)) return kInfinity;
  const double m = log_power(law);
  const double start = start_of(law);
  // v^-m varies by its own size: up to v = start + 1 in ln v, which also takes the singularity at v = 0 far away.
  const double near_d = std::min(d, 1.0);
  const double near = adaptive_integral(
      [&](double y) {
        const double v = start * std::exp(y);
        return std::exp(v - start) * std::pow(v, 1.0 - m);
      },
      0.0, std::log1p(near_d / start));
  if (!(d > 1.0)) return std::exp(start) * near / law.constant;
  // Above, exp(v) does: seen from the end, exp(v) int exp(-s) (v - s)^-m ds, of which nothing is left after s = 45.
  const double far = adaptive_integral([&](double s) { return std::exp(-s) * std::pow(start + (d - s), -m); }, 0.0,
                                       std::min(d - 1.0, 45.0));
  return std::exp(start + d + std::log((far + near * std::exp(-d)) / law.constant));
}

/// The inverse of time_to.
double growth_at(const HomogeneousLaw& law, double time) {
  validate(law);
  require(time >= 0.0, "time", "a number that is not negative", time);
  if (!(time > 0.0)) return 0.0;
  if (std::isinf(time)) return kInfinity;
  const double start = start_of(law);
  double low = 0.0;
  double high = std::min(1.0, law.constant * time * law.c1_start * std::pow(start, log_power(law)));
  while (time_to(law, high) < time) {
    low = high;
    high = std::min(2.0 * high, high + 50.0);
  }
  const auto miss = [&](double d) { return time_to(law, d) / time - 1.0; };
  std::uintmax_t most_steps = 100;
  const auto bracket = boost::math::tools::toms748_solve(
      miss, low, high, boost::math::tools::eps_tolerance<double>(std::numeric_limits<double>::digits - 2), most_steps);
  return 0.5 * (bracket.first + bracket.second);
}

}  // namespace

void validate(const HomogeneousLaw& law) {
  require(law.degree >= 1.0 && std::isfinite(law.degree), "degree", "a number of at least 1", law.degree);
  require(law.constant > 0.0 && std::isfinite(law.constant), "constant", "a positive number", law.constant);
  require(law.c1_start > 0.0 && law.c1_start < 1.0, "c1_start", "a number in (0, 1)", law.c1_start);
}

double log_power(const HomogeneousLaw& law) {
  validate(law);
  return 2.0 - 2.0 / law.degree;
}

HomogeneousLaw homogeneous_law_through(double c1, double rate, double degree) {
  require(c1 > 0.0 && c1 < 1.0, "c1", "a number in (0, 1)", c1);
  require(rate > 0.0 && std::isfinite(rate), "rate", "a positive number", rate);
  require(degree >= 1.0 && std::isfinite(degree), "degree", "a number of at least 1", degree);
  // d(1/c1)/dt = rate/c1 = C (ln(1/c1))^m.
  const double m = 2.0 - 2.0 / degree;
  return {degree, std::exp(std::log(rate) - std::log(c1) - m * std::log(-std::log(c1))), c1};
}

double homogeneous_time(const HomogeneousLaw& law, double c1) {
  validate(law);
  require(c1 >= 0.0 && c1 <= law.c1_start, "c1", "a number between 0 and its start", c1);
  return time_to(law, std::log(law.c1_start / c1));
}

double homogeneous_log_inverse_c1(const HomogeneousLaw& law, double time) {
  return start_of(law) + growth_at(law, time);
}

double homogeneous_c1(const HomogeneousLaw& law, double time) { return law.c1_start * std::exp(-growth_at(law, time)); }

double homogeneous_integral(const HomogeneousLaw& law, double time) {
  const double d = growth_at(law, time);
  if (std::isinf(d)) return homogeneous_total_integral(law).value_or(kInfinity);
  return 2.0 / law.constant * power_integral(1.0 - log_power(law), start_of(law), d);
}

std::optional<double> homogeneous_total_integral(const HomogeneousLaw& law) {
  const double excess = log_power(law) - 1.0;
  if (!(excess > 0.0)) return std::nullopt;
  return 2.0 / law.constant * std::pow(start_of(law), -excess) / excess;
}

std::optional<double> time_of_homogeneous_integral(const HomogeneousLaw& law, double integral) {
  require(integral >= 0.0, "integral", "a number that is not negative", integral);
  const auto total = homogeneous_total_integral(law);
  if (std::isinf(integral) || (total && !(integral < *total))) return std::nullopt;
  const double a = 1.0 - log_power(law);
  const double start = start_of(law);
  // v = start [1 + a y]^(1/a) with y = (C/2) I start^-a; start exp(y) at a = 0.
  const double y = 0.5 * law.constant * integral * std::pow(start, -a);
  const double product = a * y;
  const double log_ratio = std::abs(product) > std::numeric_limits<double>::min() ? std::log1p(product) / a : y;
  return time_to(law, start * std::expm1(log_ratio));
}

}  // namespace iclk::theory
