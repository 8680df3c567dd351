#pragma once

#include <optional>

#include "iclk/theory/landscape.hpp"

namespace iclk::theory {

/// The two-point model of a network after acquisition: attention sits on one item of the context and adds w times its
/// label; the MLP gives the signed logit xi on trained items and xi or -xi, equally often, on novel ones.
struct TwoPointState {
  double w = 0.0;   ///< strength of the copied label
  double xi = 0.0;  ///< strength of memorization
};

/// What the two kinds of test sequence measure: `icl` novel items with a copy of the target in the context, `iwl`
/// trained items without one, so that the attended label is right half of the time.
struct TwoPointLosses {
  double icl = 0.0;           ///< L_ICL [nats]
  double iwl = 0.0;           ///< L_IWL [nats]
  double icl_accuracy = 0.0;  ///< ties count one half
  double iwl_accuracy = 0.0;
};

/// Both losses of the two-point model, exactly.
///
///     L_ICL = [sp(-w - xi) + sp(xi - w)]/2,   L_IWL = [sp(-w - xi) + sp(w - xi)]/2,   L_IWL - L_ICL = (w - xi)/2
///
/// Source   Eq. 46, Eq. 47, before their expansions.
/// Differs  the paper keeps the largest term of each; the difference of the two losses is exact at every w and xi, and
///          swapping w and xi swaps the losses.
/// Valid    full attention on one item, which on IWL sequences is a random one. Orthonormal items do not condense like
///          that: see uniform_attention_iwl_loss.
/// Takes    w, xi: any finite numbers.
/// Throws   Error when an argument is not finite.
/// Checked  [eq46] [eq47]
TwoPointLosses two_point_losses(double w, double xi);

/// L_IWL from L_ICL while the MLP has not memorized, to leading order: -ln(L_ICL)/2.
///
/// Source   Eq. 16, Eq. 46.
/// Differs  off by 0.3 %, 6 %, 27 % at L_ICL = 0.01, 0.1, 0.3, and 0.183 instead of ln 2 at chance.
/// Valid    L_ICL << 1, xi << w.
/// Takes    icl_loss > 0 [nats].
/// Throws   Error when icl_loss is not a positive number.
/// Checked  [eq16] [eq46]
double iwl_loss_leading(double icl_loss);

/// L_ICL from L_IWL once attention has faded, to leading order: -ln(L_IWL)/2. The dual of iwl_loss_leading.
///
/// Source   Eq. 16, Eq. 47.
/// Valid    L_IWL << 1, w << xi.
/// Checked  [eq16] [eq47]
double icl_loss_leading(double iwl_loss);

/// L_IWL from L_ICL of the two-point model with xi = 0, exactly.
///
///     L_IWL = L_ICL - ln(exp(L_ICL) - 1)/2
///
/// Source   replaces Eq. 16, Eq. 46.
/// Valid    xi = 0: the MLP knows nothing of the items.
/// Takes    icl_loss > 0 [nats]; above ln 2 attention copies the wrong label (w < 0).
/// Throws   Error when icl_loss is not a positive number.
/// Checked  [eq16] [eq46]
double iwl_loss_from_icl(double icl_loss);

/// L_ICL from L_IWL of the two-point model with w = 0, exactly: the dual of iwl_loss_from_icl.
///
/// Source   replaces Eq. 16, Eq. 47.
/// Valid    w = 0: attention has faded.
/// Checked  [eq16] [eq47]
double icl_loss_from_iwl(double iwl_loss);

/// The w at which the two-point model has this ICL loss, for given xi.
///
///     exp(-w) = (exp(2 L) - 1)/(C + sqrt(C^2 + exp(2 L) - 1)),   C = cosh xi
///
/// By duality the xi at which it has the IWL loss L for given w is icl_strength(L, w).
///
/// Source   Eq. 46, Eq. 47, before their expansions; inverted in docs/equations.md.
/// Takes    icl_loss > 0 [nats]; xi finite.
/// Throws   Error naming the bad argument.
/// Checked  [eq46] [eq47]
double icl_strength(double icl_loss, double xi);

/// The w >= 0 at which the two-point model has this IWL loss, for given xi.
///
///     sinh(w/2) = cosh(xi/2) sqrt(exp(2 d) - 1),   d = L - sp(-xi)
///
/// By duality the xi >= 0 at which it has the ICL loss L for given w is iwl_strength(L, w).
///
/// Source   Eq. 46, Eq. 47, before their expansions; inverted in docs/equations.md.
/// Takes    iwl_loss > 0 [nats]; xi finite.
/// Returns  w, or nothing when even w = 0 has a larger loss, sp(-xi).
/// Throws   Error naming the bad argument.
/// Checked  [eq46] [eq47]
std::optional<double> iwl_strength(double iwl_loss, double xi);

/// The two-point model that has both losses.
///
///     w - xi = 2 (L_IWL - L_ICL),   w + xi = -ln[exp(2 d) - 1],   d = L_ICL - sp(xi - w)/2
///
/// Source   Eq. 46, Eq. 47, before their expansions; inverted in docs/equations.md.
/// Takes    both losses > 0 [nats].
/// Returns  w and xi, or nothing when no two-point model has such small losses together (d <= 0).
/// Throws   Error naming the bad argument.
/// Checked  [eq46] [eq47]
std::optional<TwoPointState> two_point_state(double icl_loss, double iwl_loss);

/// L_IWL when attention is spread evenly over the context, as it is for orthonormal items without a copy of the target.
///
///     L_IWL = E_n < sp(-phi - w (2 n - N)/N) >,   n ~ Binomial(N, 1/2);   about <sp(-phi)> + c1 c2 w^2/(2 N)
///
/// Source   not in the paper; derived in docs/equations.md.
/// Differs  Eq. 46 lets attention condense on one random item, which gives w/2 here instead of w^2/(8 N).
/// Takes    n_context: a whole number in [2, 1e6]; w finite; logits of the MLP on trained items.
/// Throws   Error naming the bad argument.
/// Checked  [eq46]
double uniform_attention_iwl_loss(double n_context, double w, const LogitList& logits = {});

/// Sum of the squared attention weights over N random items of `dim` coordinates without a copy of the target: 1/N is
/// even attention, 1 a single item.
///
///     < sum of a_j^2 > = exp(beta^2/dim)/N
///
/// Source   not in the paper; derived in docs/equations.md.
/// Valid    beta < condensation_strength/2; beyond it the largest of the N items dominates the sum.
/// Takes    n_context >= 2; beta finite; dim >= 1.
/// Throws   Error naming the bad argument.
double mean_square_attention(double n_context, double beta, double dim);

/// The beta beyond which a single one of N random items of `dim` coordinates gets most of the attention, as Eq. 46
/// assumes: sqrt(2 dim ln N), 24 for dim = 63 and N = 100.
///
/// Source   Eq. 46 (its assumption).
/// Takes    n_context >= 2; dim >= 1.
/// Throws   Error naming the bad argument.
/// Checked  [eq46]
double condensation_strength(double n_context, double dim);

}  // namespace iclk::theory
