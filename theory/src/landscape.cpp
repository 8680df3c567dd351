#include "iclk/theory/landscape.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "flow_integrator.hpp"
#include "iclk/core/logistic.hpp"

namespace iclk::theory {
namespace {

/// Probabilities below this share of the largest cannot change a sum of at most 1e6 terms in double.
constexpr double kNegligible = 1e-18;

/// Attention of the copy a = q/D and of one other token b = 1/D, D = q + N - 1, without overflow of q.
std::pair<double, double> attention(double beta, double n_context) {
  const double others = n_context - 1.0;
  if (beta > 0.0) {
    const double p = std::exp(-beta);
    return {1.0 / (1.0 + others * p), p / (1.0 + others * p)};
  }
  const double q = std::exp(beta);
  return {q / (q + others), 1.0 / (q + others)};
}

/// Sums over the binomial index of sigma(-(phi + w X)) and of the same times S, where X = a + b S.
struct Moments {
  double zeroth = 0.0;
  double first = 0.0;
};

/// phi + w X grows by the constant 2 w b from term to term, so its exponential is geometric: one multiplication per
/// term instead of one exp. Each block starts from a fresh exp, which keeps the rounding of the products below 64
/// units.
Moments wrong_label_moments(double phi_plus_wa, double wb, double first_sum, std::span<const double> probabilities) {
  constexpr std::size_t kBlock = 64;
  const double ratio = std::exp(2.0 * wb);
  Moments total;
  for (std::size_t begin = 0; begin < probabilities.size(); begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, probabilities.size());
    const double sum_begin = first_sum + 2.0 * static_cast<double>(begin);
    const double argument = phi_plus_wa + wb * sum_begin;
    const double last_argument = argument + 2.0 * wb * static_cast<double>(end - begin);
    if (std::max(std::abs(argument), std::abs(last_argument)) < 700.0) {
      double exponential = std::exp(argument);
      double sum = sum_begin;
      for (std::size_t i = begin; i < end; ++i) {
        const double term = probabilities[i] / (1.0 + exponential);
        total.zeroth += term;
        total.first += term * sum;
        exponential *= ratio;
        sum += 2.0;
      }
    } else {
      for (std::size_t i = begin; i < end; ++i) {
        const double sum = first_sum + 2.0 * static_cast<double>(i);
        const double term = probabilities[i] * sigmoid(-(phi_plus_wa + wb * sum));
        total.zeroth += term;
        total.first += term * sum;
      }
    }
  }
  return total;
}

void normalize(LogitList& logits) {
  if (logits.weights.empty()) logits.weights.assign(logits.signed_logits.size(), 1.0);
  const double total = std::accumulate(logits.weights.begin(), logits.weights.end(), 0.0);
  for (double& weight : logits.weights) weight /= total;
}

/// The smallest k of the parity of N - 1 for which S >= -k with probability at least 0.95.
double sum_for_accuracy_95(double n_context) {
  const auto n = static_cast<std::size_t>(n_context) - 1;
  // Walk down from the largest term of Binomial(n, 1/2), accumulating the lower tail, scaled by the largest term.
  std::vector<double> terms(n + 1);
  const std::size_t mode = n / 2;
  terms[mode] = 1.0;
  for (std::size_t k = mode; k > 0; --k) {
    terms[k - 1] = terms[k] * static_cast<double>(k) / static_cast<double>(n - k + 1);
  }
  for (std::size_t k = mode; k < n; ++k) {
    terms[k + 1] = terms[k] * static_cast<double>(n - k) / static_cast<double>(k + 1);
  }
  const double total = std::accumulate(terms.begin(), terms.end(), 0.0);
  double below = 0.0;
  for (std::size_t k = 0; k <= mode; ++k) {
    if (below + terms[k] > 0.05 * total) return static_cast<double>(n) - 2.0 * static_cast<double>(k);
    below += terms[k];
  }
  return 0.0;
}

using State = std::array<double, 2>;

}  // namespace

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

BinomialLandscape::BinomialLandscape(double n_context, LogitList logits)
    : n_context_(n_context), logits_(std::move(logits)) {
  require(n_context >= 2.0 && n_context <= 1e6 && std::floor(n_context) == n_context, "context",
          "a whole number in [2, 1e6]", n_context);
  validate(logits_);
  normalize(logits_);
  // Binomial(n, 1/2) outwards from its largest term, up to negligible ones; symmetric, so one side is enough.
  const double n = n_context - 1.0;
  const double mode = std::floor(0.5 * n);
  std::vector<double> down{1.0};
  for (double k = mode; k > 0.0; k -= 1.0) {
    const double term = down.back() * k / (n - k + 1.0);
    if (term < kNegligible) break;
    down.push_back(term);
  }
  probabilities_.assign(down.rbegin(), down.rend());
  const bool odd = mode + mode < n;  // two equal largest terms
  probabilities_.insert(probabilities_.end(), down.begin() + (odd ? 0 : 1), down.end());
  first_sum_ = 2.0 * (mode - static_cast<double>(down.size() - 1)) - n;
  // Summing from both ends towards the middle keeps the small terms.
  const double half = std::accumulate(down.rbegin(), down.rend(), 0.0);
  const double total = 2.0 * half - (odd ? 0.0 : 1.0);
  for (double& probability : probabilities_) probability /= total;
}

double BinomialLandscape::loss(FlowState state) const {
  const auto [a, b] = attention(state.beta, n_context_);
  double loss = 0.0;
  for (std::size_t j = 0; j < logits_.signed_logits.size(); ++j) {
    const double phi = logits_.signed_logits[j];
    double sum_over_contexts = 0.0;
    for (std::size_t i = 0; i < probabilities_.size(); ++i) {
      const double sum = first_sum_ + 2.0 * static_cast<double>(i);
      sum_over_contexts += probabilities_[i] * softplus(-phi - state.w * (a + b * sum));
    }
    loss += logits_.weights[j] * sum_over_contexts;
  }
  return loss;
}

FlowState BinomialLandscape::velocity(FlowState state) const {
  const auto [a, b] = attention(state.beta, n_context_);
  Moments mean;
  for (std::size_t j = 0; j < logits_.signed_logits.size(); ++j) {
    const Moments moments =
        wrong_label_moments(logits_.signed_logits[j] + state.w * a, state.w * b, first_sum_, probabilities_);
    mean.zeroth += logits_.weights[j] * moments.zeroth;
    mean.first += logits_.weights[j] * moments.first;
  }
  // dX/dbeta = a b (N - 1 - S).
  return {a * mean.zeroth + b * mean.first, state.w * a * b * ((n_context_ - 1.0) * mean.zeroth - mean.first)};
}

LossAndGradient BinomialLandscape::loss_and_gradient(FlowState state) const {
  const FlowState descent = velocity(state);
  return {loss(state), -descent.w, -descent.beta};
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
  require_context(n_context);
  validate(logits);
  LogitList normalized = logits;
  normalize(normalized);
  const auto [a, b] = attention(state.beta, n_context);
  // (q - 1)/D = a - b; near beta = 0 the difference is taken exactly.
  const double x = std::abs(state.beta) < 1.0 ? b * std::expm1(state.beta) : a - b;
  double loss = 0.0;
  for (std::size_t j = 0; j < normalized.signed_logits.size(); ++j) {
    loss += normalized.weights[j] * softplus(-normalized.signed_logits[j] - state.w * x);
  }
  return loss;
}

void validate(const FullLossOptions& options) {
  require(options.rel_tol >= 1e-14 && options.rel_tol <= 1e-2, "rel_tol", "a number in [1e-14, 1e-2]", options.rel_tol);
  require(options.t_max > 0.0 && std::isfinite(options.t_max), "t_max", "a positive number", options.t_max);
  require(options.max_steps >= 1, "max_steps", "at least 1", options.max_steps);
}

FullLossAcquisition full_loss_acquisition(double n_context, FlowState initial, const LogitList& logits,
                                          const FullLossOptions& options) {
  validate(options);
  require_finite("w0", initial.w);
  require_finite("beta0", initial.beta);
  const BinomialLandscape landscape(n_context, logits);
  auto system = [&landscape](const State& y, State& rates) {
    const FlowState velocity = landscape.velocity({y[0], y[1]});
    rates = {velocity.w, velocity.beta};
  };
  const double mlp_loss = landscape.loss({0.0, 0.0});  // w = 0: attention says nothing
  const auto loss_left = [&](const State& y) { return 0.5 * mlp_loss - landscape.loss({y[0], y[1]}); };

  // Each marker is a function of the state that becomes positive for the first time.
  struct Marker {
    std::optional<double>& time;
    FlowState* state;
    std::function<double(const State&)> height;
  };
  FullLossAcquisition result;
  const auto reaches = [](double target) { return [target](const State& y) { return y[1] - target; }; };
  const double k95 = sum_for_accuracy_95(n_context);
  std::vector<Marker> markers{
      {result.t_attention_half, &result.at_attention_half, reaches(std::log(n_context - 1.0))},
      {result.t_ln_n, nullptr, reaches(std::log(n_context))},
      {result.t_half_loss, &result.at_half_loss, loss_left},
      {result.t_accuracy_95, nullptr, reaches(k95 > 0.0 ? std::log(k95) : -std::numeric_limits<double>::infinity())}};
  const State start{initial.w, initial.beta};
  for (const Marker& marker : markers) {
    if (marker.height(start) < 0.0) continue;
    marker.time = 0.0;
    if (marker.state) *marker.state = initial;
  }

  const FlowState first = landscape.velocity(initial);
  const double speed = std::hypot(first.w, first.beta, 1.0 / options.t_max);
  FlowIntegrator<2, 0, decltype(system)> run(system, start, std::min(1e-2 / speed, 0.1 * options.t_max),
                                             {options.rel_tol, 1e-2 * options.rel_tol, options.max_steps});
  result.outcome = FlowOutcome::acquired;
  while (!std::ranges::all_of(markers, [](const Marker& m) { return m.time.has_value(); })) {
    if (run.now().x >= options.t_max) {
      result.outcome = FlowOutcome::reached_t_max;
      break;
    }
    const StepOutcome step = run.step();
    if (step != StepOutcome::accepted) {
      result.outcome = step == StepOutcome::step_limit ? FlowOutcome::step_limit : FlowOutcome::not_finite;
      break;
    }
    for (const Marker& marker : markers) {
      if (marker.time || marker.height(run.now().y) < 0.0) continue;
      const auto at = run.locate(marker.height);
      if (at.x > options.t_max) continue;
      marker.time = at.x;
      if (marker.state) *marker.state = {at.y[0], at.y[1]};
    }
  }
  result.final_state = {run.now().y[0], run.now().y[1]};
  result.final_time = run.now().x;
  result.steps = run.steps();
  return result;
}

}  // namespace iclk::theory
