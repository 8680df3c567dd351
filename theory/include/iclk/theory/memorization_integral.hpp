#pragma once

#include <optional>
#include <string_view>

#include "iclk/core/curve.hpp"
#include "iclk/core/estimate.hpp"
#include "iclk/theory/homogeneous_law.hpp"

namespace iclk::theory {

/// How a curve is believed to go on after its last sample, i.e. which estimate of the tail is the central one.
enum class TailModel {
  none,         ///< what is left is below the rounding of the measured part
  exponential,  ///< ln c1 falls linearly in t, or faster
  power,        ///< c1 ~ (t + t0)^-p
  logarithmic,  ///< c1 ~ 1/(t (ln t)^m), the late-time law of a homogeneous network
  unresolved,   ///< the slope is too close to 1: the integral may diverge, only its lower bound is known
};
std::string_view name(TailModel model) noexcept;  ///< "none", "exponential", ...

/// Which law continues a curve as the central estimate.
enum class TailForm {
  fitted,       ///< the shifted power law or exponential that the end of the curve follows
  homogeneous,  ///< the late-time law of a homogeneous network through the last c1 and slope (homogeneous_law.hpp)
};

struct TailOptions {
  double window = 2.0;  ///< the local slope is fitted to the samples in [t_m/window, t_m]; > 1
  int min_points = 5;   ///< the window grows until it holds this many samples; >= 4
  /// Degree L of the logarithmic laws, m = 2 - 2/L; > 2 (3 for the paper's MLP), or >= 1 with TailForm::homogeneous.
  double homogeneity = 3.0;
  TailForm central = TailForm::fitted;
};
void validate(const TailOptions& options);  ///< throws Error naming the bad field

/// The tail 2 integral of c1 from t to infinity by the four laws that pass through the same c1 and slope at t [time].
struct TailEstimates {
  double exponential = 0.0;           ///< 2 c1 t/s: c1 ~ exp(-r t)
  std::optional<double> power;        ///< 2 c1 t/(s - 1): c1 ~ t^-s; empty when s <= 1
  std::optional<double> logarithmic;  ///< 2(L-1)/(L-2) times power: c1 ~ 1/(t (ln t)^m), m = 2 - 2/L
  double homogeneous = 0.0;           ///< L/(L-2) ln(1/c1) times exponential: d(1/c1)/dt ~ (ln(1/c1))^m
};

/// Tail estimators from c1 and the local slope s = -d ln c1/d ln t.
///
/// The last two are the late-time law of a network that is homogeneous of degree L: the loss falls as exp(-g rho^L)
/// while the norm grows as d rho/dt ~ L g rho^(L-1) loss, hence d(1/c1)/dt ~ (ln(1/c1))^(2 - 2/L).
///
/// Source   not in the paper; docs/equations.md derives them.
/// Takes    c1 in [0, 1); time > 0; log_slope > 0; homogeneity L > 2.
/// Throws   Error naming the bad argument.
TailEstimates tail_estimates(double c1, double time, double log_slope, double homogeneity = 3.0);

/// I_K(t) = 2 integral of c1, up to the end of the curve and to infinity.
struct MemorizationIntegral {
  double measured = 0.0;          ///< I_K(t_m), nothing extrapolated [time]
  double quadrature_error = 0.0;  ///< distance of `measured` to the trapezoid sum, as a bound of its own error [time]
  double end_time = 0.0;          ///< t_m [time]
  double end_c1 = 0.0;            ///< c1(t_m) of the local fit

  /// I_K(infinity) = measured + tail [time]. low and high enclose the estimators that the curve leaves possible, each
  /// with its error, and the quadrature error. When the tail is `unresolved`, high is empty and value holds the lowest
  /// tail.
  Estimate infinity;
  TailModel tail = TailModel::unresolved;
  double tail_fraction = 0.0;  ///< (infinity.value - measured)/infinity.value

  double log_slope = 0.0;        ///< s_l = -d ln c1/d ln t at t_m
  double log_slope_error = 0.0;  ///< its standard error
  double slope_trend = 0.0;      ///< d s_l/d ln t over the last decade of c1: > 0 steepening, < 0 flattening
  int n_slope_points = 0;        ///< samples in the window of the slope

  /// The central tail goes on as 2 int_t^inf c1 = tail_length * [1 + (t - t_m)/tail_scale]^-tail_power, or
  /// tail_length * exp(-(t - t_m)/tail_scale) where tail_power is empty.
  double tail_length = 0.0;          ///< infinity.value - measured [time]
  double tail_scale = 1.0;           ///< [time]
  std::optional<double> tail_power;  ///< p - 1 > 0

  /// With TailForm::homogeneous the tail follows this law from t_m on, in the place of the three numbers above. For
  /// degree L <= 2 it never ends: the tail is `unresolved`, and infinity.value holds only the lowest tail.
  std::optional<HomogeneousLaw> tail_law;
};

/// Measured memorization integral and its extrapolation to infinity.
///
///     I_K(t) = 2 integral of c1 from 0 to t,     s_l = -d ln c1/d ln t at the last time t_m
///
/// The measured part is the exact integral of the curve's interpolant; a curve that starts after t = 0 is extended
/// back to it by its first value. The end of the curve, a factor `window` in time but no more than a decade of c1, is
/// fitted by ln c1 = a - p ln(t + t0), which holds exponentials (p -> infinity) and shifted powers; its integral is the
/// central tail. The bracket follows from how s_l moves: while it grows (t0 > 0) the exponential and the power
/// estimate bound the tail, narrowed to what the errors of p and its drift along the curve allow; once it falls (t0 <
/// 0) the power estimate is the lower end and the slower of the two logarithmic laws the upper one.
///
/// Source   Eq. 10 (I_K); the extrapolation is not in the paper.
/// Differs  the paper takes the integral up to the end of training as I_K(infinity).
/// Valid    c1 > 0, decreasing at the end of the curve.
/// Takes    c1: c1(t) on increasing times >= 0.
/// Returns  measured part, tail and bracket; `unresolved` with an open upper end where s_l - 1 < 2 standard errors.
/// Throws   Error for a negative time or value, or bad options.
/// Checked  [eq10]
MemorizationIntegral memorization_integral(const Curve& c1, const TailOptions& options = {});

/// I_K(t) within the measured part: 0 <= time <= end of the curve. Throws Error outside.
///
/// Source   Eq. 10.
/// Checked  [eq10]
double memorization_integral_at(const Curve& c1, double time);

/// I_K(t) beyond the end of the curve, following the central tail; time >= end_time. Tends to infinity.value, or
/// without bound where tail_law has degree L <= 2.
double extrapolated_integral(const MemorizationIntegral& integral, double time);

/// The inverse of I_K(t) within the measured part: the time at which I_K reaches `integral` >= 0; empty when the curve
/// ends before.
std::optional<double> time_of_memorization_integral(const Curve& c1, double integral);

/// The inverse of extrapolated_integral: the time >= end_time at which the central tail reaches `value`; empty when
/// `value` lies below the measured part, or is not below what the tail tends to, or the time exceeds the range.
std::optional<double> time_of_extrapolated_integral(const MemorizationIntegral& integral, double value);

}  // namespace iclk::theory
