#pragma once

namespace iclk::theory {

/// s at which p'' + c2 p' + 1/p = 0 reaches p = 0 from p = exp(-beta0), p' = -w0; finite arguments, c2 >= 0.
/// Infinite beyond the range of doubles.
double exact_blow_up(double beta0, double w0, double c2);

/// 1/R(y) - y for y >= 0: w on the slow curve z = -y. No cancellation.
double inverse_mills_excess(double y);

}  // namespace iclk::theory
