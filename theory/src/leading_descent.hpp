#pragma once

#include <cmath>

#include "iclk/theory/landscape.hpp"

namespace iclk::theory {

/// The two models near the start, per unit of c1: with v = 1 that of Eq. 6, with v = 0 that of Eq. 9.
///
///     gain = (f/N) [w (g q - (1 - v)) - v c2 g^2 w^2/2],   L = L0 - c1 gain
///     f = 1 + (N - 1)/K,   g = exp(beta^2/(2 d)),   q = exp(beta)
class LeadingDescent {
 public:
  explicit LeadingDescent(const ContextModel& context)
      : scale_((context.n_items ? 1.0 + (context.n_context - 1.0) / *context.n_items : 1.0) / context.n_context),
        variance_(context.model == LossModel::balanced ? 0.0 : context.label_variance),
        inverse_dim_(context.item_dim ? 1.0 / *context.item_dim : 0.0) {}

  double gain(FlowState state, double c2) const {
    const double g = widening(state.beta);
    return scale_ * state.w * (signal(state.beta, g) - 0.5 * variance_ * c2 * g * g * state.w);
  }

  /// Derivatives of the gain in w and beta.
  FlowState slope(FlowState state, double c2) const {
    const double g = widening(state.beta);
    const double damping = variance_ * c2 * g * g;
    const double bend = state.beta * inverse_dim_;  // d ln g/d beta
    return {scale_ * (signal(state.beta, g) - damping * state.w),
            scale_ * state.w * (g * std::exp(state.beta) * (1.0 + bend) - damping * bend * state.w)};
  }

  /// Size of the terms that cancel in the first of them.
  double size(FlowState state, double c2) const {
    const double g = widening(state.beta);
    return scale_ * (g * std::exp(state.beta) + (1.0 - variance_) + variance_ * c2 * g * g * std::abs(state.w));
  }

  /// Intrinsic time per unit of c1 and time: 1/N without corrections.
  double scale() const noexcept { return scale_; }

 private:
  double widening(double beta) const { return inverse_dim_ > 0.0 ? std::exp(0.5 * beta * beta * inverse_dim_) : 1.0; }

  /// g q - (1 - v), exactly where both are near 1.
  double signal(double beta, double g) const {
    if (variance_ <= 0.0 && inverse_dim_ <= 0.0) return std::expm1(beta);
    return g * std::exp(beta) - (1.0 - variance_);
  }

  double scale_;
  double variance_;
  double inverse_dim_;
};

}  // namespace iclk::theory
