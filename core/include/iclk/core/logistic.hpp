#pragma once

#include <cmath>

namespace iclk {

/// sigma(x) = 1 / (1 + exp(-x)), accurate to rounding over the whole range of doubles: neither side overflows, and
/// sigma(-x) keeps its relative accuracy down to the smallest double.
inline double sigmoid(double x) noexcept {
  const double e = std::exp(-std::abs(x));
  return (x >= 0 ? 1.0 : e) / (1.0 + e);
}

/// sp(x) = ln(1 + exp(x)), the logistic loss of a signed logit -x [nats].
inline double softplus(double x) noexcept { return std::fmax(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

/// ln sigma(x) = -sp(-x).
inline double log_sigmoid(double x) noexcept { return -softplus(-x); }

}  // namespace iclk
