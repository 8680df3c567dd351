#pragma once

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

}  // namespace iclk::theory
