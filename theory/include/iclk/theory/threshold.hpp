#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "iclk/core/estimate.hpp"
#include "iclk/core/order_parameters.hpp"
#include "iclk/theory/gradient_flow.hpp"
#include "iclk/theory/memorization_integral.hpp"

namespace iclk::theory {

/// Which comes first on one memorization curve.
enum class Verdict {
  acquired,         ///< in-context learning, within the curve or before the lowest tail runs out
  memorized_first,  ///< even the highest tail stays below what acquisition needs
  undecided,        ///< the answer depends on a tail that the curve does not settle
};
std::string_view name(Verdict verdict) noexcept;

struct PredictOptions {
  TailOptions tail = {};   ///< extrapolation of I_K
  double rel_tol = 1e-10;  ///< of the flow along the curve
};
void validate(const PredictOptions& options);  ///< throws Error naming the bad field

struct CurvePrediction {
  MemorizationIntegral integral;
  Verdict verdict = Verdict::undecided;
  std::optional<double> t_icl;      ///< [time]; set only when acquired
  bool t_icl_extrapolated = false;  ///< t_icl lies beyond the end of the curve, on its central tail
  /// I_K at which the flow of Eqs. 7-8 blows up, with the measured c2 as a function of I_K and, past the end of the
  /// curve, with c2 held at its last value [time]. ln(I_K(infinity)/required_integral) crosses zero at K*.
  double required_integral = 0.0;
  FlowState end_state;  ///< (w, beta) at t_icl or at the end of the curve, whichever comes first
};

/// Does attention acquire in-context learning before this network has memorized its data?
///
/// The flow depends on c1 only through I_K, so that one number, the I_K it needs, decides: acquired within the curve;
/// or on the tail when the lowest I_K(infinity) exceeds it; memorized first when the highest does not reach it.
///
/// Source   Eq. 7, Eq. 8, Eq. 10.
/// Differs  Eq. 10 neglects c2; this integrates the flow with the measured c2.
/// Valid    as integrate_flow; past the end of the curve c2 is constant (it tends to 1 as c1 -> 0).
/// Takes    curves: c1 in (0, 1), c2 in (0, 1) on the same times; n_context >= 2; start state.
/// Returns  verdict, time, integral and what acquisition needs.
/// Throws   Error for bad curves, options, n_context or start, and when the flow exceeds its step limit.
/// Checked  [eq7] [eq8] [eq10]
CurvePrediction predict_curve(const OrderParameterCurves& curves, double n_context, FlowState initial,
                              const PredictOptions& options = {});

/// One curve's contribution to the threshold; replicates share n_items.
struct ThresholdPoint {
  double n_items = 0.0;            ///< K
  Estimate i_infinity;             ///< I_K(infinity) with the bracket of its tail [time]
  double required_integral = 0.0;  ///< I_K that acquisition needs [time]; > 0
};

enum class ThresholdOutcome {
  found,          ///< the margin changes sign between two measured K
  extrapolated,   ///< it does not, and the nearest two K were continued (only when asked for)
  all_acquire,    ///< every measured K is above the threshold
  none_acquires,  ///< every measured K is below the threshold
  too_few,        ///< fewer than two different K
  not_monotone,   ///< I_K does not grow with K in these data
};
std::string_view name(ThresholdOutcome outcome) noexcept;

struct ThresholdOptions {
  bool extrapolate = true;         ///< continue beyond the measured K with the local slope
  double max_extrapolation = 4.0;  ///< but by no more than this factor in K; >= 1
};
void validate(const ThresholdOptions& options);  ///< throws Error naming the bad field

struct Threshold {
  ThresholdOutcome outcome = ThresholdOutcome::too_few;
  Estimate k_star;                 ///< items; an end of the interval is empty where a tail is open
  std::optional<double> local_nu;  ///< slope of the margin in ln K at K*
  std::optional<double> seed_sd;   ///< scatter of the margin between replicates, pooled; empty without replicates
  std::size_t n_curves = 0;        ///< points used
  std::size_t n_levels = 0;        ///< different K among them
};

/// The number of items above which in-context learning comes before memorization, from the curves themselves.
///
/// K* is the root in ln K of the margin ln I_K(infinity) - ln(required integral), averaged over replicates and
/// interpolated monotonically. Its interval adds in quadrature the standard error of the replicates (pooled over K) and
/// the bracket of the tails, d ln K* = d ln I/nu.
///
/// Source   Eq. 12, Eq. 13.
/// Differs  no power law is assumed, and c2 enters through the required integral.
/// Takes    points: one per curve, in any order.
/// Returns  outcome and K*; the estimate is set only for found and extrapolated.
/// Throws   Error naming the bad point for K < 1, a required integral or I_K(infinity) that is not positive.
/// Checked  [eq12] [eq13]
Threshold threshold_from_curves(std::span<const ThresholdPoint> points, const ThresholdOptions& options = {});

/// The same from the memorization law I_K(infinity) = prefactor * K^nu.
///
///     K* = (required/prefactor)^(1/nu)
///
/// Source   Eq. 12, Eq. 13.
/// Valid    the required integral does not depend on K.
/// Takes    prefactor > 0 [time]; nu > 0; required_integral > 0 [time].
/// Throws   Error naming the bad argument.
/// Checked  [eq12] [eq13]
double threshold_from_law(double prefactor, double nu, double required_integral);

}  // namespace iclk::theory
