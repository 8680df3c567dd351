#pragma once

#include <optional>

namespace iclk::theory {

/// How a homogeneous network memorizes at late times.
///
/// A network whose output scales as the L-th power of its weights, trained on a loss with an exponential tail, keeps
/// its direction and grows in norm: loss ~ exp(-g rho^L), d rho/dt ~ L g rho^(L-1) loss. For y = 1/c1 ~ 1/loss,
///
///     dy/dt = C (ln y)^m,     m = 2 - 2/L,
///
/// so that c1 ~ 1/[C t (ln t)^m]. Everything below solves this equation exactly; it needs no origin of time.
struct HomogeneousLaw {
  double degree = 3.0;    ///< L >= 1; 3 for the paper's MLP (three layers of weights, biases aside)
  double constant = 1.0;  ///< C [1/time]; > 0
  double c1_start = 0.5;  ///< c1 at t = 0; in (0, 1)
};
void validate(const HomogeneousLaw& law);  ///< throws Error naming the bad field

/// m = 2 - 2/L, the power of the logarithm.
double log_power(const HomogeneousLaw& law);

/// The law through a point of a curve: c1 and its rate -d ln c1/dt there, which becomes t = 0.
HomogeneousLaw homogeneous_law_through(double c1, double rate, double degree = 3.0);

/// Time from c1_start to c1 [time]: (1/C) int exp(v) v^-m dv from ln(1/c1_start) to ln(1/c1); 0 < c1 <= c1_start.
///
/// Source   not in the paper; docs/equations.md, "Tails".
/// Valid    every L >= 1. L = 1 is c1 = 1/(1/c1_start + C t); for L = 2 the integral is Ei.
/// Returns  [time], infinite where it exceeds the range.
/// Throws   Error for a bad law or c1.
double homogeneous_time(const HomogeneousLaw& law, double c1);

/// c1 and -ln c1 at time >= 0: the inverse of homogeneous_time. Infinite time gives 0 and infinity.
double homogeneous_c1(const HomogeneousLaw& law, double time);
double homogeneous_log_inverse_c1(const HomogeneousLaw& law, double time);

/// I(t) = 2 integral of c1 from 0 to t.
///
///     I = (2/C) [v^(1-m) - v_start^(1-m)]/(1-m),   v = ln(1/c1(t));     m = 1: (2/C) ln(v/v_start)
///
/// grows as ln t for L = 1 and as ln ln t for L = 2, although every item is memorized; for L > 2 it converges with a
/// rest that falls only as (ln t)^(1-m), (ln t)^(-1/3) for L = 3.
///
/// Source   Eq. 10 (I_K); the law is not in the paper: docs/equations.md, "Tails".
/// Checked  [eq10]
double homogeneous_integral(const HomogeneousLaw& law, double time);

/// I(infinity); empty for L <= 2, where it diverges.
std::optional<double> homogeneous_total_integral(const HomogeneousLaw& law);

/// The time at which I(t) reaches `integral` >= 0: empty when I(infinity) does not exceed it, infinite when the time
/// exceeds the range of doubles.
std::optional<double> time_of_homogeneous_integral(const HomogeneousLaw& law, double integral);

}  // namespace iclk::theory
