#include "iclk/theory/attention_accuracy.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "arguments.hpp"

namespace iclk::theory {
namespace {

constexpr double kLargestContext = 1e6;
constexpr double kNegligibleWeight =
    1e-18;  ///< terms of the sum over coins below this share of the largest are left out

/// P(x + z > 0) for normal z, ties counted one half.
double share_right(double x, double sd) {
  if (sd > 0.0) return 0.5 * std::erfc(-x / (sd * std::numbers::sqrt2));
  return x > 0.0 ? 1.0 : x < 0.0 ? 0.0 : 0.5;
}

}  // namespace

double attention_accuracy(double n_context, FlowState state, double novel_sd) {
  require(n_context >= 2.0 && n_context <= kLargestContext && std::floor(n_context) == n_context, "context",
          "a whole number in [2, 1e6]", n_context);
  require_finite("w", state.w);
  require(!std::isnan(state.beta), "beta", "a number", state.beta);
  require(novel_sd >= 0.0 && std::isfinite(novel_sd), "novel_sd", "a number that is not negative", novel_sd);
  const double n = n_context - 1.0;
  // X from the larger of q and 1, so that neither end of beta overflows.
  const double small = std::exp(-std::abs(state.beta));
  const double copy = state.beta > 0.0 ? 1.0 : small, other = state.beta > 0.0 ? small : 1.0;
  const auto right = [&](double k) {  // with k of the other labels equal to the target's
    return share_right(state.w * (copy + (2.0 * k - n) * other) / (copy + n * other), novel_sd);
  };
  // Binomial(N - 1, 1/2) outwards from its largest term, in units of it.
  const double mode = std::floor(0.5 * n);
  double sum = right(mode), total = 1.0;
  for (double k = mode, weight = 1.0; k < n;) {
    weight *= (n - k) / (k + 1.0);
    if (weight < kNegligibleWeight) break;
    k += 1.0;
    sum += weight * right(k);
    total += weight;
  }
  for (double k = mode, weight = 1.0; k > 0.0;) {
    weight *= k / (n - k + 1.0);
    if (weight < kNegligibleWeight) break;
    k -= 1.0;
    sum += weight * right(k);
    total += weight;
  }
  return sum / total;
}

double balanced_attention_accuracy(double n_context, FlowState state, double novel_sd, std::optional<double> item_dim,
                                   BalancedCount count) {
  require(n_context >= 2.0 && std::isfinite(n_context), "context", "a number, at least 2", n_context);
  require_finite("w", state.w);
  require_finite("beta", state.beta);
  require(novel_sd >= 0.0 && std::isfinite(novel_sd), "novel_sd", "a number that is not negative", novel_sd);
  if (item_dim) require(*item_dim >= 1.0 && std::isfinite(*item_dim), "item_dim", "a number, at least 1", *item_dim);
  const double log_m = item_dim ? state.beta * state.beta / (2.0 * *item_dim) : 0.0;
  // Everything in units of the largest term, so that no exponential overflows.
  const double largest = std::max({state.beta, 2.0 * log_m, 0.0});
  const double q = std::exp(state.beta - largest), m = std::exp(log_m - largest);
  const double total = q + (n_context - 1.0) * m;
  const double overlap = std::exp(2.0 * log_m - largest) * std::sqrt(-(n_context - 1.0) * std::expm1(-2.0 * log_m));
  const double signal = q - m * std::exp(balanced_saddle(count));
  return share_right(state.w * signal, std::hypot(novel_sd * total, state.w * overlap));
}

}  // namespace iclk::theory
