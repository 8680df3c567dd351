#pragma once

#include <optional>

#include "iclk/core/order_parameters.hpp"

namespace iclk::theory {

/// R(x) = sqrt(pi/2) exp(x^2/2) erfc(x/sqrt 2), the upper tail of the normal distribution over its density.
///
/// Valid    every x; accurate to a few units in the last place, infinite below x = -37.6 where it exceeds the range.
double mills_ratio(double x);

/// erfcx(x) = exp(x^2) erfc(x), the scaled complementary error function: R(x) = sqrt(pi/2) erfcx(x/sqrt 2).
///
/// Valid    every x; infinite below x = -26.6 where it exceeds the range.
double scaled_erfc(double x);

/// I_K at acquisition to leading order: attention starts near zero and the damping of w is neglected.
///
///     I_K(t_ICL) = N sqrt(2 pi) exp(-beta0)
///
/// Source   Eq. 10, Eq. 11, Eq. 35.
/// Differs  the neglected term c2 w is not small at beta0 = 0: the exact value is 9 % larger at c2 = 1/2, 20 % at
///          c2 = 1.
/// Valid    kappa = c2 exp(-beta0) << 1, |w0| << 1.
/// Takes    n_context >= 2; beta0 dimensionless.
/// Returns  I_K [time], infinite where it exceeds the range of doubles; with c1 = 1/2 it is the time itself.
/// Throws   Error when n_context < 2 or an argument is not finite.
/// Checked  [eq10] [eq11] [eq35]
double acquisition_integral_leading(double n_context, double beta0);

/// I_K at acquisition with the damping of w neglected, any w0.
///
///     I_K(t_ICL) = N sqrt(2 pi) exp(-beta0) erfcx(w0/sqrt 2) = 2 N exp(-beta0) R(w0)
///
/// Source   Eq. 34 (App. A.3).
/// Differs  Eq. 34 as printed is even in w0 and holds for w0 >= 0 only; this form holds for both signs.
/// Valid    kappa = c2 exp(-beta0) << 1.
/// Takes    n_context >= 2; beta0, w0 dimensionless.
/// Returns  I_K [time], infinite where it exceeds the range of doubles.
/// Throws   Error when n_context < 2 or an argument is not finite.
/// Checked  [eq34]
double acquisition_integral(double n_context, double beta0, double w0);

/// I_K at acquisition, exact for constant c2 and any c1(t): the blow-up of Eqs. 7-8.
///
///     I_K(t_ICL) = (2 N/c2) ln[1 + kappa R(w0 - kappa)],   kappa = c2 exp(-beta0)
///
/// Source   Eq. 31, Eq. 32, solved; replaces Eq. 10, Eq. 34, Eq. 35 and Eq. 37.
/// Differs  the paper says that the two equations cannot be solved exactly. For w - c2 exp(-beta) as coordinate they
///          are linear (docs/equations.md).
/// Valid    0 <= c2 <= 1, every beta0 and w0; c2 = 0 gives acquisition_integral.
/// Takes    n_context >= 2; beta0, w0 dimensionless; c2 constant.
/// Returns  I_K [time], infinite where it exceeds the range of doubles.
/// Throws   Error when n_context < 2, c2 is outside [0, 1] or an argument is not finite.
/// Checked  [eq31] [eq32]
double acquisition_integral_exact(double n_context, double beta0, double w0, double c2);

/// The integral of c1/c2 at acquisition when attention starts far below zero: the nullcline form.
///
///     integral of c1/c2 from 0 to t_ICL = (N/2) exp(-2 beta0)
///
/// Source   Eq. 36, Eq. 37 (App. A.3).
/// Differs  Eq. 37 omits the 1/2.
/// Valid    -beta0 >> 1, |w0| << 1, N >> 1.
/// Takes    n_context >= 2; beta0 dimensionless.
/// Returns  J [time]; with c1 = c2 it is the time itself.
/// Throws   Error when n_context < 2 or beta0 is not finite.
/// Checked  [eq36] [eq37]
double cold_start_integral(double n_context, double beta0);

enum class AcquisitionOutcome {
  acquired,         ///< the integral of c1/c2 reaches its target within the curve
  curve_too_short,  ///< it does not: the network memorizes first or the curve ends too early
};

struct AcquisitionTime {
  AcquisitionOutcome outcome = AcquisitionOutcome::curve_too_short;
  std::optional<double> time;  ///< [time]; set only when acquired
  double integral = 0.0;       ///< J over the whole curve [time]
  double required = 0.0;       ///< J that acquisition needs [time]
};

/// Acquisition time when attention starts far below zero (-beta0 >> 1).
///
/// w relaxes to the nullcline w = exp(beta)/c2, then beta creeps along it:
///     (N/2) exp(-2 beta0) = J(t),   J(t) = integral of c1/c2 from 0 to t
///
/// Source   Eq. 36, Eq. 37 (App. A.3).
/// Differs  Eq. 37 omits the 1/2. Full integration at beta0 = -4, N = 100, c1 = c2 = 1/2
///          gives 150738; this form gives 149048.
/// Valid    -beta0 >> 1, |w0| << 1, N >> 1.
/// Takes    curves: c1, c2 on the same increasing times; n_context >= 2; beta0 dimensionless.
/// Returns  outcome acquired or curve_too_short; time only when acquired.
/// Throws   Error when n_context < 2 or the curves do not share their times.
/// Checked  [eq36] [eq37]
AcquisitionTime cold_start_acquisition_time(const OrderParameterCurves& curves, double n_context, double beta0);

}  // namespace iclk::theory
