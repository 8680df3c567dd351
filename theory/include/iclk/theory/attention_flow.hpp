#pragma once

#include <limits>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "iclk/core/order_parameters.hpp"
#include "iclk/theory/gradient_flow.hpp"
#include "iclk/theory/landscape.hpp"

namespace iclk::theory {

/// An MLP that does not change. The full models take all logits as equal, phi = ln((1 - c1)/c1), and then c2 = 1 - c1.
struct ConstantMemorization {
  double c1 = 0.5;  ///< in (0, 1)
  double c2 = 0.5;  ///< in [0, 1]
};

/// Logits of the MLP at several times, interpolated linearly between them.
struct LogitHistory {
  std::vector<double> times;                       ///< [n_times] rising, the first one >= 0; n_times >= 2
  std::vector<std::vector<double>> signed_logits;  ///< [n_times][n], finite
  std::vector<double> weights;                     ///< [n] or empty for equal ones
};
void validate(const LogitHistory& history);  ///< throws Error naming the bad entry

/// What the MLP knows, as a function of its own time. Curves and functions give c1 and c2; the full models then take
/// all logits as equal, phi = ln((1 - c1)/c1) (the homogeneous closure), and c2 is not used.
using Memorization =
    std::variant<ConstantMemorization, OrderParameterCurves, OrderParameterFunctions, LogitList, LogitHistory>;

struct AttentionFlowOptions {
  double lambda_w = 0.0;     ///< L2 strength on w [1/time]; >= 0
  double lambda_beta = 0.0;  ///< L2 strength on beta [1/time]; >= 0
  /// Attention that answers correctly slows memorization: the MLP's own time advances by less than time. Full models
  /// only.
  bool closed_loop = false;
  double rel_tol = 1e-10;                                  ///< local relative error per step; in [1e-14, 1e-2]
  double t_max = std::numeric_limits<double>::infinity();  ///< stop here [time]; > 0
  bool run_to_t_max = false;                               ///< go on to t_max when every marker that can come has come
  int max_steps = 200'000;                                 ///< accepted steps; >= 1
  bool record_trajectory = false;                          ///< keep every accepted step
  std::vector<double> times = {};                          ///< keep these times instead; rising, >= 0
};
void validate(const AttentionFlowOptions& options);  ///< throws Error naming the bad field

enum class AttentionOutcome {
  blow_up,        ///< beta reached infinity in finite time (leading models)
  acquired,       ///< every marker of acquisition was reached, and nothing pulls attention back
  faded,          ///< acquired, and lost again under the decay
  other_basin,    ///< balanced contexts only: w < 0 and beta falls for good, so that attention never comes
  settled,        ///< w and beta no longer change in double precision
  reached_t_max,  ///< t_max came first
  curve_ended,    ///< the end of the curves or of the logit history came first
  step_limit,     ///< max_steps came first
  not_finite,     ///< the state, c1 or c2 stopped being finite
};
std::string_view name(AttentionOutcome outcome) noexcept;

/// A moment of the flow.
struct AttentionPoint {
  double time = 0.0;      ///< [time]
  double mlp_time = 0.0;  ///< time of the MLP alone at which it knows as much; less than `time` in a closed loop
  FlowState state;
};

/// How the flow went. A marker is set if the flow reached it.
struct AttentionFlow {
  AttentionOutcome outcome = AttentionOutcome::step_limit;
  std::optional<AttentionPoint> blow_up;         ///< beta = infinity; the state is the last one before. Leading models
  std::optional<AttentionPoint> attention_half;  ///< half of the attention on the copy: beta = ln(N - 1)
  std::optional<AttentionPoint> ln_n;            ///< beta = ln N
  std::optional<AttentionPoint> half_loss;       ///< the loss is half of that of the MLP alone. Full models
  std::optional<AttentionPoint> accuracy_95;  ///< 95 % of novel items right, phi = 0 on them. N a whole number <= 1e6
  std::optional<AttentionPoint> w_max;        ///< first maximum of w after attention_half; with a decay only
  std::optional<AttentionPoint> attention_lost;  ///< beta falls below ln(N - 1) again, before the flow ends
  std::optional<AttentionPoint> fade;            ///< w falls to 1 after its maximum; here the flow ends
  AttentionPoint end;
  int steps = 0;
  std::vector<AttentionPoint> trajectory;  ///< as asked for in the options, else empty
};

/// Gradient flow of the attention strengths on any loss of the tower, with any knowledge of the MLP, and L2 on both.
///
///     dw/dt = -dL/dw - lambda_w w,     dbeta/dt = -dL/dbeta - lambda_beta beta,     d tau/dt = s
///
/// The MLP stands at its own time tau. In an open loop s = 1; in a closed loop s = E<sigma(-phi - w X)>/<sigma(-phi)>,
/// the share of the MLP's gradient that attention leaves. Integrated along the arc length of (ln time, w, beta), by
/// explicit steps and, where it is stiff, implicit ones (flow after fading, nullcline, traps).
///
/// Source   Eq. 7, Eq. 8 (leading), Eq. 5 (gaussian), Eq. 21 (binomial), Eq. 9 (balanced); the closed loop is derived
///          in docs/equations.md.
/// Differs  the paper stops at Eqs. 7-8. At N = 100, beta0 = w0 = 0, phi = 0 half of the attention is reached at
///          288.628 with the exact loss; Eq. 11 gives 250.663, the blow-up of Eq. 7, Eq. 8 is at 273.644.
/// Valid    as Landscape; accuracy_95 for w > 0; the closed loop for memorization that is gradient flow of the same
///          loss.
/// Takes    context: model, N and corrections; start; what the MLP knows; options.
/// Returns  outcome and markers.
/// Throws   Error for bad input, and for a closed loop on a leading model, which does not contain it.
/// Checked  [eq5] [eq7] [eq8] [eq9] [eq21]
AttentionFlow attention_flow(const ContextModel& context, FlowState initial, const Memorization& memorization,
                             const AttentionFlowOptions& options = {});

/// The acquisition time of one point at every level of the tower; empty where that level never acquires.
struct AcquisitionTower {
  std::optional<double> leading;      ///< I_K(t) = N sqrt(2 pi) exp(-beta0), Eq. 10
  std::optional<double> undamped;     ///< Eq. 34, both signs of w0
  std::optional<double> exact;        ///< Eqs. 7-8 solved, with c2 held at its first value
  std::optional<double> flow;         ///< Eqs. 7-8 integrated: the blow-up
  std::optional<double> gaussian;     ///< half of the attention on the copy, loss of Eq. 5
  std::optional<double> binomial;     ///< the same, exact loss
  std::optional<double> half_loss;    ///< exact loss: half of the MLP's
  std::optional<double> accuracy_95;  ///< exact loss: 95 % of novel items right
};

/// All levels side by side, so that one sees where each approximation fails.
///
/// Source   Eq. 10, Eq. 34, Eq. 7, Eq. 8, Eq. 5, Eq. 21.
/// Takes    n_context: a whole number in [2, 1e6]; start; what the MLP knows. The options apply to the integrated
///          levels; lambda_w and lambda_beta to those only, as the closed forms are without decay.
/// Throws   Error for bad input, or a closed loop.
/// Checked  [eq10] [eq34] [eq7] [eq8] [eq5] [eq21]
AcquisitionTower acquisition_tower(double n_context, FlowState initial, const Memorization& memorization,
                                   const AttentionFlowOptions& options = {});

/// Where in-context learning is lost abruptly under decay of both strengths.
struct DecayFold {
  double c3_over_lambda = 0.0;  ///< c3/lambda_w below which no state with attention on the copy exists
  FlowState state;              ///< the last such state
  double attention = 0.0;       ///< on the copy there
};

/// The fold of the stationary state under L2 on w and beta, r = lambda_beta/lambda_w.
///
///     c3/lambda_w = min over beta of w exp(w a)/a,   w = sqrt(r beta/(1 - a)),   a = exp(beta)/(exp(beta) + N - 1)
///
/// Source   Eq. 14, with decay of beta and of the attention on the copy; derived in docs/equations.md.
/// Valid    exp(-phi - w) << 1: after memorization.
/// Takes    n_context >= 2; decay_ratio r > 0.
/// Returns  the minimum at beta > 1/2; empty when there is none (then w and beta vanish gradually).
/// Throws   Error naming the bad argument.
/// Checked  [eq14]
std::optional<DecayFold> decay_fold(double n_context, double decay_ratio);

}  // namespace iclk::theory
