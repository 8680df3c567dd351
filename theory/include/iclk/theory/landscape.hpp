#pragma once

#include <optional>
#include <span>
#include <vector>

#include "iclk/theory/gradient_flow.hpp"

namespace iclk::theory {

/// Signed logits of the MLP over the data set, with optional weights.
struct LogitList {
  std::vector<double> signed_logits = {0.0};  ///< phi: [n], n >= 1, finite; {0} is an untrained MLP
  std::vector<double> weights;                ///< [n] non-negative with a positive sum, or empty for equal ones
};
void validate(const LogitList& logits);  ///< throws Error naming the bad entry

/// A loss [nats] and its gradient in the attention strengths.
struct LossAndGradient {
  double loss = 0.0;
  double d_w = 0.0;
  double d_beta = 0.0;
};

/// The loss of the minimal model on binomial contexts, exactly. Owns the weights of the binomial sum and its work
/// arrays, so that one evaluation costs one pass over about 17 sqrt(N)/2 terms per logit.
///
///     L(w, beta) = E_S < sp(-phi - w X) >,   X = (q + S)/(q + N - 1),   q = exp(beta),
///     S = sum of N - 1 independent +-1
///
/// Source   Eq. 4, Eq. 21.
/// Differs  Eq. 21 is an identity under the symmetry of the two labels, and its weights simplify to the binomial ones
///          of N - 1 coins. Terms with a probability below 1e-18 of the largest are left out.
/// Valid    orthonormal items, exactly one copy of the target in the context.
/// Throws   Error when n_context is not a whole number in [2, 1e6] or for bad logits.
/// Checked  [eq4] [eq21]
class BinomialLandscape {
 public:
  explicit BinomialLandscape(double n_context, LogitList logits = {});

  double loss(FlowState state) const;
  LossAndGradient loss_and_gradient(FlowState state) const;

  /// -dL/dw and -dL/dbeta alone, without the logarithms of the loss: the right-hand side of the flow.
  FlowState velocity(FlowState state) const;

  double n_context() const noexcept { return n_context_; }
  const LogitList& logits() const noexcept { return logits_; }

 private:
  double n_context_;
  LogitList logits_;                   // weights normalized to sum 1
  std::vector<double> probabilities_;  // [n_terms] of S = first_sum_ + 2 i
  double first_sum_ = 0.0;
};

/// The loss near the start, to second order in w.
///
///     L = L0 - (c1/N)(w exp(beta) - (c2/2) w^2)
///
/// Source   Eq. 6, Eq. 28.
/// Valid    |w| << sqrt(N), exp(beta) << N, |w| exp(beta) << N.
/// Takes    state; n_context >= 2; c1, c2, mlp_loss = <sp(-phi)> of the MLP alone.
/// Checked  [eq6]
double quadratic_loss(FlowState state, double n_context, double c1, double c2, double mlp_loss);

/// The loss near the start when every context holds equally many labels of each kind.
///
///     L = L0 - (c1/N) w (exp(beta) - 1)
///
/// Source   Eq. 9.
/// Valid    |w| (exp(beta) - 1) << N.
/// Checked  [eq9]
double balanced_loss(FlowState state, double n_context, double c1, double mlp_loss);

/// The loss on balanced contexts, exactly: < sp(-phi - w (q - 1)/(q + N - 1)) >.
///
/// Source   Eq. 9, before its expansion.
/// Checked  [eq9]
double balanced_loss_exact(FlowState state, double n_context, const LogitList& logits = {});

struct FullLossOptions {
  double rel_tol = 1e-10;   ///< local relative error per step
  double t_max = 1e9;       ///< stop here [time]
  int max_steps = 200'000;  ///< steps
};
void validate(const FullLossOptions& options);  ///< throws Error naming the bad field

/// When the flow of the exact loss acquires in-context learning, by four markers; each is empty if not reached.
struct FullLossAcquisition {
  FlowOutcome outcome = FlowOutcome::step_limit;  ///< acquired when every marker was reached
  std::optional<double> t_attention_half;         ///< half of the attention is on the copy: beta = ln(N - 1) [time]
  std::optional<double> t_ln_n;                   ///< beta = ln N [time]
  std::optional<double> t_half_loss;              ///< the loss is half of that of the MLP alone [time]
  std::optional<double> t_accuracy_95;            ///< accuracy on novel items reaches 95 % [time]
  FlowState at_attention_half;                    ///< state there; meaningful when t_attention_half is set
  FlowState at_half_loss;                         ///< state there; meaningful when t_half_loss is set
  FlowState final_state;
  double final_time = 0.0;
  int steps = 0;
};

/// Gradient flow of the exact loss with a fixed MLP: dw/dt = -dL/dw, dbeta/dt = -dL/dbeta.
///
/// Source   Eq. 4, Eq. 21; what Eq. 7, Eq. 8 approximate.
/// Differs  no blow-up in finite time. At N = 100, beta0 = w0 = 0, phi = 0 half of the attention is reached at 288.628;
///          Eq. 11 gives 250.663, the blow-up of Eq. 7, Eq. 8 273.644.
/// Takes    n_context: a whole number in [2, 1e6]; initial state; logits of the MLP.
/// Returns  the markers, and how the flow ended.
/// Throws   Error for bad options, logits or n_context.
/// Checked  [eq21]
FullLossAcquisition full_loss_acquisition(double n_context, FlowState initial, const LogitList& logits = {},
                                          const FullLossOptions& options = {});

}  // namespace iclk::theory
