#include "iclk/core/order_parameters.hpp"

#include <cmath>
#include <limits>
#include <string>

#include "iclk/core/error.hpp"
#include "iclk/core/logistic.hpp"

namespace iclk {
namespace {

/// ln of a weighted mean of exponentials, one term at a time: ln sum_i w_i exp(x_i), scaled by the largest x so far.
class LogSumExp {
 public:
  void add(double weight, double exponent) {
    if (weight <= 0.0) return;
    if (exponent > largest_) {
      sum_ = sum_ * std::exp(largest_ - exponent) + weight;
      largest_ = exponent;
    } else {
      sum_ += weight * std::exp(exponent - largest_);
    }
  }
  double value() const { return largest_ + std::log(sum_); }

 private:
  double largest_ = -std::numeric_limits<double>::infinity();
  double sum_ = 0.0;
};

}  // namespace

OrderParameters order_parameters(std::span<const double> signed_logits, std::span<const double> weights) {
  if (signed_logits.empty()) throw field_error("logits", "expected at least one logit, got none");
  if (!weights.empty() && weights.size() != signed_logits.size()) {
    throw field_error("weights", "expected " + std::to_string(signed_logits.size()) + " weights, one per logit, got " +
                                     std::to_string(weights.size()));
  }
  double total_weight = 0.0;
  double loss = 0.0;
  double correct = 0.0;
  LogSumExp c1;     // sigma(-phi)          = exp(-sp(phi))
  LogSumExp slope;  // sigma(phi)sigma(-phi) = exp(-sp(phi) - sp(-phi))
  LogSumExp c3;     // exp(-phi)
  for (std::size_t i = 0; i < signed_logits.size(); ++i) {
    const double phi = signed_logits[i];
    const double weight = weights.empty() ? 1.0 : weights[i];
    if (!std::isfinite(phi)) {
      throw field_error("logits", "logit " + std::to_string(i) + " is not finite");
    }
    if (!(weight >= 0.0) || !std::isfinite(weight)) {
      throw field_error("weights", "weight " + std::to_string(i) + " is not a non-negative number");
    }
    const double wrong_loss = softplus(phi);   // -ln sigma(-phi)
    const double right_loss = softplus(-phi);  // -ln sigma(phi)
    total_weight += weight;
    loss += weight * right_loss;
    correct += weight * (phi > 0.0 ? 1.0 : phi < 0.0 ? 0.0 : 0.5);
    c1.add(weight, -wrong_loss);
    slope.add(weight, -wrong_loss - right_loss);
    c3.add(weight, -phi);
  }
  if (!(total_weight > 0.0)) throw field_error("weights", "the weights sum to zero");
  const double log_total = std::log(total_weight);
  OrderParameters result;
  result.log_c1 = c1.value() - log_total;
  result.log_c3 = c3.value() - log_total;
  result.c1 = std::exp(result.log_c1);
  result.c2 = std::exp(slope.value() - c1.value());
  result.c3 = std::exp(result.log_c3);
  result.loss = loss / total_weight;
  result.accuracy = correct / total_weight;
  return result;
}

}  // namespace iclk
