#pragma once

#include <optional>
#include <string_view>

#include "iclk/theory/gradient_flow.hpp"

namespace iclk::theory {

/// Which labels a balanced context holds equally many of.
enum class BalancedCount {
  exemplars,             ///< those of the N exemplars, as in Eq. 9: saddle at beta = 0
  exemplars_and_target,  ///< those of the exemplars and the target, as the released code draws them: beta = ln 2
};
std::string_view name(BalancedCount count) noexcept;

/// beta at the saddle between the two basins: 0 or ln 2.
///
///     dw/ds = exp(beta) - exp(saddle),   dbeta/ds = w exp(beta),   ds = (c1/N) dt
///
/// Source   Eq. 9; the second case is not in the paper (docs/equations.md).
/// Differs  counting the target leaves the exemplars with one more label of the other kind, so that their mean is
///          against the target: the saddle moves to exp(beta) = 2, and small beta0 start in the wrong basin.
/// Checked  [eq9]
double balanced_saddle(BalancedCount count);

/// What the flow on balanced contexts conserves; b = beta - saddle.
///
///     H = w^2/2 - b - exp(-b)
///
/// Source   Eq. 9; derived in docs/equations.md.
/// Throws   Error when the state is not finite.
/// Checked  [eq9]
double balanced_energy(FlowState state, BalancedCount count = BalancedCount::exemplars);

/// w on the separatrix, above which attention acquires in-context learning.
///
///     w_sep(beta) = -sgn(b) sqrt(2 (b + exp(-b) - 1)),   b = beta - saddle
///
/// Source   Eq. 9; derived in docs/equations.md.
/// Returns  a falling function of beta, -b near the saddle; accurate there too.
/// Throws   Error when beta is not finite.
/// Checked  [eq9]
double balanced_separatrix(double beta, BalancedCount count = BalancedCount::exemplars);

enum class BalancedOutcome {
  acquired,     ///< above the separatrix: beta blows up
  other_basin,  ///< below it: beta falls for good
  separatrix,   ///< on it: attention ends at the saddle
  step_limit,   ///< partial balance only: the integration took too many steps
  not_finite,   ///< partial balance only: the state left the range of doubles
};
std::string_view name(BalancedOutcome outcome) noexcept;

struct BalancedAcquisition {
  BalancedOutcome outcome = BalancedOutcome::other_basin;
  std::optional<double> energy;        ///< H, -1 on the separatrix; empty where damping leaves nothing conserved
  std::optional<double> w_separatrix;  ///< of beta0; empty likewise
  std::optional<double> beta_turn;     ///< where beta turns around later on; empty when it never does
  std::optional<double> s_blow;        ///< intrinsic time of the blow-up, I_K = 2 N s; set only when acquired
};

/// Acquisition on balanced contexts.
///
/// With v = w - w_sep and E = H + 1 the flow is ds = lambda'(E/v - v/2) d ln v, where lambda(eta) = exp(-b) as a
/// function of w_sep = eta. This form is smooth from either side of the saddle and past turning points, so that one
/// quadrature serves every start; near the separatrix s grows as -ln(w0 - w_sep).
///
/// Source   Eq. 9; derived in docs/equations.md.
/// Valid    as Eq. 9: |w| (exp(beta) - 1) << N.
/// Takes    start state. I_K at the blow-up is 2 N s_blow.
/// Throws   Error when the start is not finite.
/// Checked  [eq9]
BalancedAcquisition balanced_acquisition(FlowState initial, BalancedCount count = BalancedCount::exemplars);

/// Independent normal starts.
struct StartSpread {
  double beta0_mean = 0.0;
  double beta0_sd = 1.0;  ///< >= 0
  double w0_mean = 0.0;
  double w0_sd = 1.0;  ///< >= 0
};
void validate(const StartSpread& spread);  ///< throws Error naming the bad field

/// Share of the starts that lie above the separatrix: P(ICL) on balanced contexts when nothing is memorized.
///
///     P = E[ Q((w_sep(beta0) - w0_mean)/w0_sd) ],   Q the upper tail of the normal distribution
///
/// Source   Eq. 9; derived in docs/equations.md.
/// Returns  below 1/2 for starts around the origin: the basin of in-context learning is the smaller one.
/// Throws   Error naming the bad field.
/// Checked  [eq9]
double balanced_basin_probability(const StartSpread& spread, BalancedCount count = BalancedCount::exemplars);

/// Contexts between balanced and independent labels.
struct PartialBalance {
  double v =
      0.5;  ///< variance of the label sum over N: 0 balanced, 1 independent, else the share of the latter; [0, 1]
  double c2 = 0.5;                                 ///< order parameter c2, constant; in [0, 1]
  BalancedCount count = BalancedCount::exemplars;  ///< of the balanced ones
};
void validate(const PartialBalance& balance);  ///< throws Error naming the bad field

/// The saddle at w = 0: exp(beta) = 1 - v, or 2 (1 - v) where the count includes the target. Empty for v = 1.
///
/// Source   Eq. 9 mixed with Eq. 6; derived in docs/equations.md.
/// Checked  [eq9]
std::optional<double> partial_balance_saddle(const PartialBalance& balance);

struct PartialBalanceOptions {
  double rel_tol = 1e-11;   ///< local relative error per step; in [1e-14, 1e-2]
  int max_steps = 200'000;  ///< >= 1
};
void validate(const PartialBalanceOptions& options);  ///< throws Error naming the bad field

/// Acquisition on partially balanced contexts:
///
///     dw/ds = exp(beta) - exp(saddle) - c2 v w,   dbeta/ds = w exp(beta)
///
/// The quadrants right-above and left-below the saddle cannot be left, so the outcome is known as soon as one is
/// entered. v = 1 is the closed solution of Eqs. 7-8, v = 0 or c2 = 0 the quadrature above; else the flow is
/// integrated.
///
/// Source   Eq. 9 mixed with Eq. 6; derived in docs/equations.md.
/// Differs  for any v > 0 the origin itself flows to in-context learning, for v = 0 it is the saddle.
/// Returns  outcome, beta_turn and s_blow; energy and w_separatrix where c2 v = 0, relative to that saddle.
/// Throws   Error naming the bad field or a start that is not finite.
/// Checked  [eq7] [eq8] [eq9]
BalancedAcquisition partial_balance_acquisition(FlowState initial, const PartialBalance& balance,
                                                const PartialBalanceOptions& options = {});

}  // namespace iclk::theory
