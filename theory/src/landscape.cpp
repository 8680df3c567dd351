#include "iclk/theory/landscape.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "context_average.hpp"
#include "iclk/core/logistic.hpp"
#include "iclk/core/order_parameters.hpp"
#include "leading_descent.hpp"

namespace iclk::theory {
namespace {

constexpr std::array<std::pair<LossModel, std::string_view>, 6> kModels{{
    {LossModel::leading, "leading"},
    {LossModel::gaussian, "gaussian"},
    {LossModel::gaussian_symmetric, "gaussian-symmetric"},
    {LossModel::binomial, "binomial"},
    {LossModel::balanced, "balanced"},
    {LossModel::balanced_exact, "balanced-exact"},
}};

void normalize(LogitList& logits) {
  if (logits.weights.empty()) logits.weights.assign(logits.signed_logits.size(), 1.0);
  const double total = std::accumulate(logits.weights.begin(), logits.weights.end(), 0.0);
  for (double& weight : logits.weights) weight /= total;
}

}  // namespace

std::string_view name(LossModel model) noexcept {
  for (const auto& [each, its_name] : kModels) {
    if (each == model) return its_name;
  }
  return "";
}

std::optional<LossModel> loss_model(std::string_view name) noexcept {
  for (const auto& [model, its_name] : kModels) {
    if (its_name == name) return model;
  }
  return std::nullopt;
}

void validate(const LogitList& logits) {
  if (logits.signed_logits.empty()) throw field_error("logits", "expected at least one logit, got none");
  for (double phi : logits.signed_logits) require_finite("logits", phi);
  if (logits.weights.empty()) return;
  if (logits.weights.size() != logits.signed_logits.size()) {
    throw field_error("weights", "expected " + std::to_string(logits.signed_logits.size()) + " weights, got " +
                                     std::to_string(logits.weights.size()));
  }
  double total = 0.0;
  for (double weight : logits.weights) {
    require(weight >= 0.0 && std::isfinite(weight), "weights", "numbers that are not negative", weight);
    total += weight;
  }
  require(total > 0.0 && std::isfinite(total), "weights", "a positive sum", total);
}

void validate(const ContextModel& context) {
  const double n = context.n_context;
  const bool counts_tokens = context.model == LossModel::binomial || context.n_items;
  if (counts_tokens) {
    require(n >= 2.0 && n <= 1e6 && std::floor(n) == n, "context", "a whole number in [2, 1e6]", n);
  } else {
    require_context(n);
  }
  require(context.label_variance >= 0.0 && context.label_variance <= 1.0, "label_variance", "a number in [0, 1]",
          context.label_variance);
  if (context.n_items) {
    require(*context.n_items >= 2.0 && std::isfinite(*context.n_items), "n_items", "a number of at least 2",
            *context.n_items);
  }
  if (context.balanced_items && (!context.n_items || !is_full(context.model))) {
    throw field_error("balanced_items", context.n_items ? "needs a full model, got " + std::string(name(context.model))
                                                        : std::string("needs n_items"));
  }
  if (context.item_dim) {
    require(*context.item_dim >= 1.0 && std::isfinite(*context.item_dim), "item_dim", "a number of at least 1",
            *context.item_dim);
  }
}

Landscape::Landscape(const ContextModel& context, LogitList logits) : context_(context), logits_(std::move(logits)) {
  validate(context_);
  validate(logits_);
  normalize(logits_);
  const OrderParameters mean = order_parameters(logits_.signed_logits, logits_.weights);
  c1_ = mean.c1;
  c2_ = mean.c2;
  mlp_loss_ = mean.loss;
  if (is_full(context_.model)) average_ = std::make_shared<const ContextAverage>(context_);
}

Landscape::Landscape(const ContextModel& context, double c1, double c2, double mlp_loss)
    : context_(context), logits_{{}, {}}, c1_(c1), c2_(c2), mlp_loss_(mlp_loss) {
  validate(context_);
  if (is_full(context_.model)) {
    throw field_error("model", "the model " + std::string(name(context_.model)) + " needs the logits, not only c1, c2");
  }
  require(c1 > 0.0 && c1 <= 1.0, "c1", "a number in (0, 1]", c1);
  require(c2 >= 0.0 && c2 <= 1.0, "c2", "a number in [0, 1]", c2);
  require_finite("mlp_loss", mlp_loss);
}

double Landscape::loss(FlowState state) const {
  if (average_) return average_->loss(state, logits_.signed_logits, logits_.weights);
  return mlp_loss_ - c1_ * LeadingDescent(context_).gain(state, c2_);
}

FlowState Landscape::velocity(FlowState state) const {
  if (average_) {
    const Descent descent = average_->descent(state, logits_.signed_logits, logits_.weights);
    return {descent.w, descent.beta};
  }
  const FlowState slope = LeadingDescent(context_).slope(state, c2_);
  return {c1_ * slope.w, c1_ * slope.beta};
}

LossAndGradient Landscape::loss_and_gradient(FlowState state) const {
  const FlowState descent = velocity(state);
  return {loss(state), 0.0 - descent.w, 0.0 - descent.beta};
}

double Landscape::memorization_speed(FlowState state) const {
  if (!average_) return 1.0;
  return average_->descent(state, logits_.signed_logits, logits_.weights).wrong / c1_;
}

double quadratic_loss(FlowState state, double n_context, double c1, double c2, double mlp_loss) {
  require_context(n_context);
  return mlp_loss - c1 / n_context * (state.w * std::exp(state.beta) - 0.5 * c2 * state.w * state.w);
}

double balanced_loss(FlowState state, double n_context, double c1, double mlp_loss) {
  require_context(n_context);
  return mlp_loss - c1 / n_context * state.w * std::expm1(state.beta);
}

double balanced_loss_exact(FlowState state, double n_context, const LogitList& logits) {
  return Landscape({.model = LossModel::balanced_exact, .n_context = n_context}, logits).loss(state);
}

}  // namespace iclk::theory
