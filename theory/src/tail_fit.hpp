#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace iclk::theory {

/// The end of a curve, described by the family that holds exponentials, shifted powers and everything between:
///
///     ln c1(t) = a - ln(1 + h r (t - t_m))/h,      h = 1/p, r = p/(t_m + t0)   for c1 = A (t + t0)^-p;   h = 0: exp(-r
///     t)
///
/// so that r is the rate at t_m and 2 int c1 beyond t_m is 2 exp(a)/(r (1 - h)).
struct TailFit {
  double log_c1 = 0.0;  ///< a
  double rate = 0.0;    ///< r, 1/time
  double shape = 0.0;   ///< h
  double drift = 0.0;   ///< dh/d ln t, from a fourth parameter
  double log_c1_error = 0.0, log_rate_error = 0.0, shape_error = 0.0, drift_error = 0.0;  ///< standard errors
  double quantile = 1.96;  ///< two-sided 95 % point of Student's t for the points left over
  int n_points = 0;
};

/// Least squares over the last samples of ln c1: those later than t_m/window within a factor of ten of the last c1, but
/// at least min_points. Empty when the curve holds fewer or they do not fall.
std::optional<TailFit> fit_tail(std::span<const double> times, std::span<const double> c1, double window,
                                int min_points);

}  // namespace iclk::theory
