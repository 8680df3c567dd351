#include "memorization_source.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <string>

#include "arguments.hpp"
#include "iclk/core/logistic.hpp"
#include "order_parameter_grid.hpp"

namespace iclk::theory {
namespace {

/// Logits beyond this make sigma(-phi) smaller than any c1 that matters; the flow is scaled by what is left out.
constexpr double kLargestLogit = 650.0;

std::vector<double> normalized(const std::vector<double>& weights, std::size_t n) {
  std::vector<double> result = weights.empty() ? std::vector<double>(n, 1.0) : weights;
  const double total = std::accumulate(result.begin(), result.end(), 0.0);
  for (double& weight : result) weight /= total;
  return result;
}

double at_clamped(const Curve& curve, double time) {
  if (std::isnan(time)) return time;  // the flow's own outcome, not an error of the curve
  return curve(std::clamp(time, curve.start_time(), curve.end_time()));
}

}  // namespace

MemorizationSource::MemorizationSource(const Memorization& memorization, bool needs_logits)
    : memorization_(&memorization), needs_logits_(needs_logits), end_time_(std::numeric_limits<double>::infinity()) {
  if (const auto* constant = std::get_if<ConstantMemorization>(&memorization)) {
    require(constant->c1 > 0.0 && constant->c1 < 1.0, "c1", "a number in (0, 1)", constant->c1);
    require(constant->c2 >= 0.0 && constant->c2 <= 1.0, "c2", "a number in [0, 1]", constant->c2);
    weights_ = {1.0};
    constant_ = from_order_parameters(constant->c1, constant->c2);
    changes_ = false;
  } else if (const auto* curves = std::get_if<OrderParameterCurves>(&memorization)) {
    require_shared_times(*curves);
    weights_ = {1.0};
    end_time_ = curves->c1.end_time();
  } else if (const auto* functions = std::get_if<OrderParameterFunctions>(&memorization)) {
    if (!functions->c1 || !functions->c2) throw field_error("functions", "expected both c1 and c2");
    weights_ = {1.0};
  } else if (const auto* list = std::get_if<LogitList>(&memorization)) {
    validate(*list);
    weights_ = normalized(list->weights, list->signed_logits.size());
    const OrderParameters mean = order_parameters(list->signed_logits, weights_);
    constant_ = {mean.c1, mean.c2, list->signed_logits, weights_, mean.c1};
    changes_ = false;
  } else {
    const auto& history = std::get<LogitHistory>(memorization);
    validate(history);
    weights_ = normalized(history.weights, history.signed_logits.front().size());
    logits_.resize(weights_.size());
    end_time_ = history.times.back();
  }
}

MlpState MemorizationSource::at(double time) {
  if (!changes_) return constant_;
  if (const auto* curves = std::get_if<OrderParameterCurves>(memorization_)) {
    return from_order_parameters(at_clamped(curves->c1, time), at_clamped(curves->c2, time));
  }
  if (const auto* functions = std::get_if<OrderParameterFunctions>(memorization_)) {
    return from_order_parameters(functions->c1(time), functions->c2(time));
  }
  const auto& history = std::get<LogitHistory>(*memorization_);
  const double t = std::clamp(time, history.times.front(), history.times.back());
  const auto above = std::upper_bound(history.times.begin() + 1, history.times.end() - 1, t);
  const auto i = static_cast<std::size_t>(above - history.times.begin());
  const double share = (t - history.times[i - 1]) / (history.times[i] - history.times[i - 1]);
  for (std::size_t j = 0; j < logits_.size(); ++j) {
    logits_[j] = std::lerp(history.signed_logits[i - 1][j], history.signed_logits[i][j], share);
  }
  const OrderParameters mean = order_parameters(logits_, weights_);
  return {mean.c1, mean.c2, logits_, weights_, mean.c1};
}

MlpState MemorizationSource::from_order_parameters(double c1, double c2) {
  constexpr double kNotANumber = std::numeric_limits<double>::quiet_NaN();
  if (!(c1 >= 0.0) || !(c1 <= 1.0) || !(c2 >= 0.0)) return {kNotANumber, kNotANumber, {}, {}, kNotANumber};
  MlpState state{c1, c2, {}, {}, c1};
  if (!needs_logits_) return state;
  const double phi = std::log1p(-c1) - std::log(c1);
  logits_ = {std::clamp(phi, -kLargestLogit, kLargestLogit)};
  state.wrong = sigmoid(-logits_.front());
  state.logits = logits_;
  state.weights = weights_;
  return state;
}

void validate(const LogitHistory& history) {
  if (history.times.size() < 2) {
    throw field_error("times", "expected at least two times, got " + std::to_string(history.times.size()));
  }
  if (history.signed_logits.size() != history.times.size()) {
    throw field_error("logits", "expected " + std::to_string(history.times.size()) + " lists, one per time, got " +
                                    std::to_string(history.signed_logits.size()));
  }
  require(history.times.front() >= 0.0, "times", "times that are not negative", history.times.front());
  for (std::size_t i = 0; i < history.times.size(); ++i) {
    require_finite("times", history.times[i]);
    if (i > 0) require(history.times[i] > history.times[i - 1], "times", "rising times", history.times[i]);
    if (history.signed_logits[i].size() != history.signed_logits.front().size()) {
      throw field_error("logits", "expected " + std::to_string(history.signed_logits.front().size()) +
                                      " logits at every time, list " + std::to_string(i) + " has " +
                                      std::to_string(history.signed_logits[i].size()));
    }
    validate(LogitList{history.signed_logits[i], history.weights});
  }
}

}  // namespace iclk::theory
