#pragma once

#include <optional>

#include "iclk/theory/balanced.hpp"
#include "iclk/theory/gradient_flow.hpp"

namespace iclk::theory {

/// ICL accuracy of attention at any stage: how often novel items get their label from the copy in the context.
///
///     P(w X + z > 0),   X = (q + S)/(q + N - 1),   q = exp(beta),   ties counted one half
///
/// with S the sum of the other N - 1 labels and z the logit of the MLP on a novel item, normal around zero. Without z
/// it is P(S > -q) + P(S = -q)/2 for w > 0: 0.540 at beta = 0 and N = 100, by the majority of the context alone. For
/// beta = infinity it is novel_accuracy with normal logits.
///
/// Source   Eq. 21 (its X); the accuracy is not in the paper, derived in docs/equations.md.
/// Valid    orthonormal items, one copy of the target, random labels.
/// Takes    n_context: a whole number in [2, 1e6]; state: w finite, beta may be infinite; novel_sd >= 0: the standard
///          deviation of z.
/// Throws   Error naming the bad argument.
/// Checked  [eq21]
double attention_accuracy(double n_context, FlowState state, double novel_sd = 0.0);

/// The same on balanced contexts, where the other labels are no coins: their sum is fixed.
///
///     Phi(w (q - m exp(saddle)) / sqrt(novel_sd^2 M^2 + w^2 (N - 1) (m^4 - m^2)))
///     M = q + (N - 1) m,   q = exp(beta),   m = exp(beta^2/(2 D)),   m = 1 for orthonormal items
///
/// The first term under the root is the MLP's answer, the second what the overlaps of the other items with the target
/// add. Without both attention is right or wrong throughout: right on either side of the saddle, where w and
/// q - exp(saddle) have one sign. In the basin without in-context learning (w < 0, q < 1) accuracy therefore rises too,
/// up to what the overlaps leave of it: 0.85 at beta = -1.24, N = 20 and D = 63.
///
/// Source   Eq. 9 (its contexts); the accuracy is not in the paper, derived in docs/equations.md.
/// Differs  the overlaps add up as a normal number: against drawn Gaussian items at N = 20, D = 63 from beta = -5 to 3
///          it is at most 0.009 off.
/// Valid    one copy of the target, K infinite; abs(beta) well below D.
/// Takes    n_context: at least 2; state: w and beta finite; novel_sd >= 0: the standard deviation of the MLP's logit;
///          item_dim >= 1: D of Gaussian items N(0, 1/D), orthonormal unless given; which labels are balanced.
/// Throws   Error naming the bad argument.
/// Checked  [eq9]
double balanced_attention_accuracy(double n_context, FlowState state, double novel_sd = 0.0,
                                   std::optional<double> item_dim = {}, BalancedCount count = BalancedCount::exemplars);

}  // namespace iclk::theory
