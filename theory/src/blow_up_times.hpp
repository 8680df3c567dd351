#pragma once

#include <span>

#include "iclk/theory/gradient_flow.hpp"
#include "order_parameter_tree.hpp"
#include "taylor_step.hpp"

namespace iclk::theory {

/// Intrinsic time s = I_K/(2 N) at the blow-up of Eqs. 7-8 for each start; past the end of the curve c2 keeps its last
/// value. Infinite where it exceeds the range of doubles, NaN for a start that is not finite or a trajectory whose
/// steps shrink to nothing. Each number depends on its own start only. starts, times: [n].
void blow_up_times(const OrderParameterTree& tree, std::span<const FlowState> starts, std::span<double> times,
                   TaylorStep step);

/// The same for constant c2, from p = exp(-beta) instead of beta: (1/c2) ln[1 + c2 p R(w - c2 p)].
double blow_up_time(double p, double w, double c2);

}  // namespace iclk::theory
