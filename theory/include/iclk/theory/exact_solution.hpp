#pragma once

#include <optional>
#include <string_view>

#include "iclk/core/curve.hpp"
#include "iclk/theory/gradient_flow.hpp"

namespace iclk::theory {

/// Eqs. 7-8 with constant c2 from a given start, with what their closed solution allows beside it.
struct ExactFlow {
  double n_context = 100.0;  ///< N >= 2
  FlowState initial = {};    ///< (w0, beta0)
  double c2 = 0.5;           ///< order parameter c2, constant; in [0, 1]
  double rho = 1.0;          ///< share of the sequences that hold a copy of the target; in (0, 1]
  double copies = 1.0;       ///< B, how often each item stands in its context; in [1, N]
  double lambda_w = 0.0;     ///< L2 strength on w [1/time]; >= 0. More than 0 needs a constant c1
  double c1 = 0.5;           ///< that constant c1, used with lambda_w > 0 only; in (0, 1]
};
void validate(const ExactFlow& flow);  ///< throws Error naming the bad field

/// The damping that the flow feels: c2 of the closed solution.
///
///     c2_effective = (c2 + N lambda_w/(c1 B))/rho
///
/// Source   Eq. 7, with sequences without a copy, repeated items and L2 on w; derived in docs/equations.md.
/// Valid    constant c1 where lambda_w > 0.
/// Returns  >= 0, no longer bounded by 1.
/// Throws   Error naming the bad field.
/// Checked  [eq7]
double effective_c2(const ExactFlow& flow);

/// Intrinsic time per unit of I_K: s = rho B I_K/(2 N), so that d beta/ds = w exp(beta).
double intrinsic_rate(const ExactFlow& flow);

/// I_K at the blow-up of beta, the moment that stands for acquisition.
///
///     s_blow = (1/c2) ln[1 + kappa R(w0 - kappa)],   kappa = c2 exp(-beta0),   c2 the effective one
///
/// Source   Eq. 31, Eq. 32, solved; replaces Eq. 10, Eq. 34, Eq. 35 and Eq. 37.
/// Differs  the paper calls the two equations unsolvable (docs/equations.md).
/// Valid    constant c2, any c1(t); L2 on w for constant c1.
/// Returns  I_K [time]; divided by 2 c1 the time itself where c1 is constant. Infinite beyond the range of doubles.
/// Throws   Error naming the bad field.
/// Checked  [eq31] [eq32] [eq34]
double blow_up_integral(const ExactFlow& flow);

/// The blow-up for small kappa, in powers of it; `order` 0 is Eq. 34 for both signs of w0.
///
///     I_K = 2 N exp(-beta0) [R + kappa (1 - w0 R - R^2/2)
///                            + kappa^2 ((R (1 + w0^2) - w0)/2 + R (w0 R - 1) + R^3/3) + O(kappa^3)],   R = R(w0)
///
/// Source   Eq. 34 and its corrections, derived in docs/equations.md.
/// Valid    kappa << 1; the sum alternates and is useless beyond kappa = 1.
/// Takes    order 0, 1 or 2.
/// Throws   Error naming the bad field.
/// Checked  [eq34] [eq35]
double blow_up_integral_small_kappa(const ExactFlow& flow, int order);

/// The blow-up for large kappa - w0, up to terms of the size exp(-(kappa - w0)^2/2).
///
///     I_K = (2 N/c2) [(kappa - w0)^2/2 + ln kappa + ln(2 pi)/2]
///
/// Source   Eq. 37 is its leading term N c2 exp(-2 beta0) for c1 = c2, with the factor 1/2 that Eq. 37 omits.
/// Valid    kappa - w0 >> 1.
/// Returns  I_K [time]; not a number where kappa = 0.
/// Throws   Error naming the bad field.
/// Checked  [eq37]
double blow_up_integral_large_kappa(const ExactFlow& flow);

enum class ExactOutcome {
  before_blow_up,  ///< the state exists
  blown_up,        ///< the blow-up came first: beta is infinite
  beyond_range,    ///< kappa^2 exceeds the range of doubles
};
std::string_view name(ExactOutcome outcome) noexcept;

struct ExactState {
  ExactOutcome outcome = ExactOutcome::beyond_range;
  std::optional<FlowState> state;  ///< set only before the blow-up
};

/// (w, beta) at a given I_K.
///
///     exp(-z^2/2) R(z) = (B/c2)(1 - exp(-c2 (s_blow - s))),   p = (exp(c2 (s_blow - s)) - 1)/(c2 R(z)),
///     beta = -ln p,   w = z + c2 p,   B = exp(beta0 - z0^2/2)(1 + kappa R(z0)),   z0 = w0 - kappa
///
/// and, where z < 0, the mirrored forms that count from the start; each side is used where nothing cancels.
///
/// Source   Eq. 31, Eq. 32, solved.
/// Valid    constant c2, any c1(t); |beta0| up to about 350.
/// Takes    integral = I_K >= 0 [time].
/// Returns  the state, or that the blow-up came before. The nearer the blow-up, the more the rounding of I_K counts:
///          an error d of I_K moves beta by w exp(beta) rho B d/(2 N).
/// Throws   Error naming the bad field.
/// Checked  [eq31] [eq32]
ExactState exact_state(const ExactFlow& flow, double integral);

/// The same at a time on a measured c1(t). Throws Error when time lies outside the curve or lambda_w > 0.
///
/// Source   Eq. 31, Eq. 32, Eq. 10 (I_K).
/// Checked  [eq31] [eq32]
ExactState exact_state(const ExactFlow& flow, const Curve& c1, double time);

/// A point of the solution by its own coordinate z = w - c2 exp(-beta), which grows along every trajectory.
struct ExactPoint {
  double integral = 0.0;  ///< I_K [time]
  FlowState state;
};

/// s(z), beta(z), w(z): no equation has to be solved here, so this draws whole trajectories.
///
///     s(z) = (1/c2) ln{1 + (c2/A) sqrt(pi/2) [erf(z/sqrt 2) - erf(z0/sqrt 2)]},   A = exp(beta0 - z0^2/2)
///
/// Source   Eq. 31, Eq. 32, solved.
/// Takes    z >= z0 = w0 - c2 exp(-beta0) with the effective c2.
/// Throws   Error naming the bad field, z < z0 included, or when kappa^2 exceeds the range of doubles.
/// Checked  [eq31] [eq32]
ExactPoint exact_point(const ExactFlow& flow, double z);

/// z at the start, w0 - c2 exp(-beta0) with the effective c2.
double start_coordinate(const ExactFlow& flow);

/// What no trajectory changes, for any c1(t) and constant c2:
///
///     J = exp(beta - z^2/2) - c2 sqrt(pi/2) erf(z/sqrt 2),   z = w - c2 exp(-beta)
///
/// Source   Eq. 31, Eq. 32, solved; derived in docs/equations.md.
/// Takes    c2 >= 0, the effective one.
/// Throws   Error naming the bad argument.
/// Checked  [eq31] [eq32]
double exact_invariant(FlowState state, double c2);

struct ExactCrossing {
  ExactOutcome outcome = ExactOutcome::beyond_range;
  double integral = 0.0;  ///< I_K at the first moment with beta >= the asked value [time]; meaningful before_blow_up
  FlowState state;        ///< there; meaningful before_blow_up
};

/// The first moment at which beta reaches a value, e.g. ln(N - 1): half of the attention on the copy.
///
/// Source   Eq. 31, Eq. 32, solved.
/// Valid    as exact_state. beta may fall first (w0 < 0); the crossing is then the one on its way up.
/// Takes    beta: any finite number.
/// Returns  I_K and the state; the start itself when beta0 >= beta.
/// Throws   Error naming the bad field.
/// Checked  [eq31] [eq32]
ExactCrossing exact_crossing(const ExactFlow& flow, double beta);

/// The same as a time on a measured c1(t): empty when the curve ends before. Throws Error when lambda_w > 0.
///
/// Source   Eq. 31, Eq. 32, Eq. 10 (I_K).
/// Checked  [eq31] [eq32]
std::optional<double> exact_crossing_time(const ExactFlow& flow, const Curve& c1, double beta);

/// Eqs. 7-8 with L2 on both attention strengths.
///
///     dw/dt = (c1/N)(exp(beta) - c2 w) - lambda_w w,     dbeta/dt = (c1/N) w exp(beta) - lambda_beta beta
struct DecayedFlow {
  double n_context = 100.0;  ///< N >= 2
  double c1 = 0.5;           ///< constant, in (0, 1]
  double c2 = 0.5;           ///< constant, in [0, 1]
  double lambda_w = 0.0;     ///< [1/time], >= 0
  double lambda_beta = 0.0;  ///< [1/time], >= 0
};
void validate(const DecayedFlow& flow);  ///< throws Error naming the bad field

/// The decay of beta from which on in-context learning is blocked, lambda_w given.
///
///     lambda_beta = 2 e c1^2/[N (N lambda_w + c1 c2)]
///
/// Source   Eq. 7, Eq. 8 with L2; derived in docs/equations.md.
/// Valid    starts at beta0 <= 1/2 with w0 not above the nullcline; constant c1, c2.
/// Returns  [1/time]; infinite when c2 = lambda_w = 0. The field lambda_beta is not used.
/// Throws   Error naming the bad field.
/// Checked  [eq7] [eq8]
double critical_lambda_beta(const DecayedFlow& flow);

/// The same when both decays are equal: the root of lambda N (N lambda + c1 c2) = 2 e c1^2.
///
/// Source   Eq. 7, Eq. 8 with L2; derived in docs/equations.md.
/// Returns  [1/time]; 1.0475/N for c1 = c2 = 1/2. The fields lambda_w and lambda_beta are not used.
/// Throws   Error naming the bad field.
/// Checked  [eq7] [eq8]
double critical_equal_lambda(const DecayedFlow& flow);

/// Fixed points of the decayed flow: both or none.
struct DecayFixedPoints {
  double strength = 0.0;              ///< h = lambda_beta N (N lambda_w + c1 c2)/c1^2; fixed points for h >= 2 e
  std::optional<FlowState> trap;      ///< stable: attention stays here, beta = -W0(-2/h)/2 <= 1/2
  std::optional<FlowState> unstable;  ///< the threshold state, beta = -W-1(-2/h)/2 >= 1/2
};

/// Where attention can rest under L2 on w and beta.
///
///     exp(2 beta) = h beta,   w = c1 exp(beta)/(N lambda_w + c1 c2)
///
/// Source   Eq. 7, Eq. 8 with L2; derived in docs/equations.md.
/// Throws   Error naming the bad field.
/// Checked  [eq7] [eq8]
DecayFixedPoints decay_fixed_points(const DecayedFlow& flow);

enum class DecayVerdict {
  acquired,   ///< beta blows up
  trapped,    ///< attention ends in the trap
  undecided,  ///< fixed points exist and the start lies between the two regions known in closed form
};
std::string_view name(DecayVerdict verdict) noexcept;

/// Does attention escape its decay?
///
/// Without fixed points it always does. With them, starts below the threshold state in both w and beta are trapped and
/// starts above it in both escape, as neither region can be left; others need the flow itself.
///
/// Source   Eq. 7, Eq. 8 with L2; derived in docs/equations.md.
/// Throws   Error naming the bad field or a start that is not finite.
/// Checked  [eq7] [eq8]
DecayVerdict decay_verdict(const DecayedFlow& flow, FlowState initial);

}  // namespace iclk::theory
