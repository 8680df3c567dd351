#include "acquisition_family.hpp"

#include <boost/math/distributions/normal.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace iclk::fit {
namespace {

constexpr double kHalfLogTwoPi = 0.918938533204672741780329736406;  // ln(2 pi)/2

/// exp(x^2) erfc(x) for x >= 0. Beyond 25, where erfc underflows, six terms of its asymptotic series are exact to 1e-16.
double scaled_erfc(double x) {
  if (x < 25) return std::exp(x * x) * std::erfc(x);
  const double q = 1 / (2 * x * x);
  return (1 - q * (1 - 3 * q * (1 - 5 * q * (1 - 7 * q * (1 - 9 * q))))) / (x * std::sqrt(std::numbers::pi));
}

/// ln of the normal upper tail at z and its hazard density/tail.
struct NormalTail {
  double log_tail, hazard;
};

NormalTail normal_tail(double z) {
  if (z > 1) {
    const double scaled = scaled_erfc(z / std::numbers::sqrt2);
    return {std::log(0.5 * scaled) - z * z / 2, std::sqrt(2 / std::numbers::pi) / scaled};
  }
  const double tail = 0.5 * std::erfc(z / std::numbers::sqrt2);
  return {std::log(tail), std::exp(-z * z / 2 - kHalfLogTwoPi) / tail};
}

/// h(z), z = (ln t - location)/exp(log_scale), from h' and h''.
LogTerm location_scale(double value, double first, double second, double z, double scale) {
  LogTerm term;
  term.value = value;
  term.gradient = {-first / scale, -first * z};
  term.hessian = {second / (scale * scale), (second * z + first) / scale, second * z * z + first * z};
  return term;
}

/// Inverse Gaussian with threshold a and drift v, in units where derivatives are by a and v.
struct FirstPassage {
  double a, v, root_t, u;  // u = (a - v t)/sqrt(t)
};

FirstPassage first_passage(double time, const FamilyParameters& at) {
  const double a = std::exp(at[0]);
  const double root_t = std::sqrt(time);
  return {a, at[1], root_t, (a - at[1] * time) / root_t};
}

LogTerm first_passage_density(double time, const FamilyParameters& at) {
  const auto [a, v, root_t, u] = first_passage(time, at);
  LogTerm term;
  term.value = at[0] - kHalfLogTwoPi - 1.5 * std::log(time) - u * u / 2;
  const double by_a = -u / root_t;  // of -u^2/2
  term.gradient = {1 + a * by_a, u * root_t};
  term.hessian = {a * by_a - a * a / time, a, -time};
  return term;
}

/// S = Phi(u) - B with B = exp(2 a v) Phi(-(a + v t)/sqrt(t)); with p the normal density at u,
///     S_a = 2 p/sqrt(t) - 2 v B,   S_v = -2 a B,   B_a = 2 v B - p/sqrt(t),   B_v = 2 a B - p sqrt(t).
LogTerm first_passage_survival(double time, const FamilyParameters& at) {
  const auto [a, v, root_t, u] = first_passage(time, at);
  const double scaled = scaled_erfc((a + v * time) / (root_t * std::numbers::sqrt2));
  LogTerm term;
  double p, b;  // density at u and B, both over S
  if (u < 0) {  // the factor exp(-u^2/2) is common to all and left out
    const double s = 0.5 * (scaled_erfc(-u / std::numbers::sqrt2) - scaled);
    term.value = std::log(s) - u * u / 2;
    p = std::exp(-kHalfLogTwoPi) / s;
    b = 0.5 * scaled / s;
  } else {
    const double bell = std::exp(-u * u / 2);
    const double s = 0.5 * (std::erfc(-u / std::numbers::sqrt2) - bell * scaled);
    term.value = std::log(s);
    p = bell * std::exp(-kHalfLogTwoPi) / s;
    b = 0.5 * bell * scaled / s;
  }
  const double s_a = 2 * p / root_t - 2 * v * b;
  const double s_v = -2 * a * b;
  const double b_a = 2 * v * b - p / root_t;
  const double b_v = 2 * a * b - p * root_t;
  const double s_aa = -2 * u * p / time - 2 * v * b_a;
  const double s_av = -2 * b - 2 * a * b_a;
  const double s_vv = -2 * a * b_v;
  const double g1 = a * s_a;
  term.gradient = {g1, s_v};
  term.hessian = {a * a * s_aa + g1 - g1 * g1, a * s_av - g1 * s_v, s_vv - s_v * s_v};
  return term;
}

}  // namespace

LogTerm log_density(AcquisitionFamily family, double time, const FamilyParameters& at) {
  if (family == AcquisitionFamily::inverse_gaussian) return first_passage_density(time, at);
  const double log_time = std::log(time);
  const double scale = std::exp(at[1]);
  const double z = (log_time - at[0]) / scale;
  LogTerm term;
  if (family == AcquisitionFamily::lognormal) {
    term = location_scale(-z * z / 2 - kHalfLogTwoPi, -z, -1, z, scale);
  } else {
    const double e = std::exp(z);
    term = location_scale(z - e, 1 - e, -e, z, scale);
  }
  term.value -= at[1] + log_time;  // dz/dt = 1/(scale t)
  term.gradient[1] -= 1;
  return term;
}

LogTerm log_survival(AcquisitionFamily family, double time, const FamilyParameters& at) {
  if (family == AcquisitionFamily::inverse_gaussian) return first_passage_survival(time, at);
  const double scale = std::exp(at[1]);
  const double z = (std::log(time) - at[0]) / scale;
  if (family == AcquisitionFamily::lognormal) {
    const auto [log_tail, hazard] = normal_tail(z);
    return location_scale(log_tail, -hazard, -hazard * (hazard - z), z, scale);
  }
  const double e = std::exp(z);
  return location_scale(-e, -e, -e, z, scale);
}

double family_quantile(AcquisitionFamily family, const FamilyParameters& at, double probability) {
  switch (family) {
    case AcquisitionFamily::lognormal:
      return std::exp(at[0] + std::exp(at[1]) * boost::math::quantile(boost::math::normal(), probability));
    case AcquisitionFamily::weibull:
      return std::exp(at[0] + std::exp(at[1]) * std::log(-std::log1p(-probability)));
    case AcquisitionFamily::inverse_gaussian:
    case AcquisitionFamily::theory:  // lognormal in exp(-beta0), see theory_model.cpp
      break;
  }
  const double target = std::log1p(-probability);
  const auto excess = [&](double log_time) {
    return log_survival(AcquisitionFamily::inverse_gaussian, std::exp(log_time), at).value - target;
  };
  // At zero drift the passage time is threshold^2/z^2 with z normal; a positive drift is at most as late.
  const double z = boost::math::quantile(boost::math::normal(), 0.5 + probability / 2);
  const double u = boost::math::quantile(boost::math::normal(), 0.5 + (1 - probability) / 2);
  double high = 2 * (at[0] - std::log(u)) + 0.1;
  double low = 2 * (at[0] - std::log(z)) - 0.1;
  low = std::min(low, high) - 1;
  while (excess(low) < 0 && low > -700) low -= 2;
  while (excess(high) > 0 && high < 700) high += 2;
  std::uintmax_t steps = 200;
  const auto bracket =
      boost::math::tools::toms748_solve(excess, low, high, boost::math::tools::eps_tolerance<double>(50), steps);
  return std::exp((bracket.first + bracket.second) / 2);
}

}  // namespace iclk::fit
