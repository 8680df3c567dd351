#include "iclk/theory/attention_flow.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "context_average.hpp"
#include "flow_integrator.hpp"
#include "iclk/core/logistic.hpp"
#include "infinity.hpp"
#include "leading_descent.hpp"
#include "memorization_source.hpp"

namespace iclk::theory {
namespace {

/// w, beta, x and u with t = time_unit (exp(x) - 1) and tau = time_unit (exp(u) - 1), the MLP's own time.
using State = std::array<double, 4>;

/// The flow per unit of x.
class System {
 public:
  System(const ContextModel& context, FlowState initial, const Memorization& memorization,
         const AttentionFlowOptions& options)
      : options_(&options), source_(memorization, is_full(context.model)), leading_(context) {
    if (is_full(context.model)) average_.emplace(context);
    const MlpState mlp = source_.at(0.0);
    // The time in which the start begins to move: N/c1 over exp(beta0)(1 + |w0|), no longer than N/c1 itself.
    const double q = std::min(std::exp(initial.beta), context.n_context);
    time_unit_ = context.n_context / mlp.c1 / (1.0 + q * (1.0 + std::abs(initial.w)));
    // N/c1 says nothing once the MLP has memorized; its changes and the decays have a time scale of their own.
    for (const double rate : {options.lambda_w, options.lambda_beta}) {
      if (rate > 0.0) time_unit_ = std::min(time_unit_, 1.0 / rate);
    }
    last_x_ = std::log1p(kLastTime / time_unit_);
  }

  bool is_valid() const { return std::isfinite(time_unit_) && time_unit_ > 0.0; }
  double time_unit() const noexcept { return time_unit_; }
  double last_x() const noexcept { return last_x_; }
  double log_time(double time) const { return std::log1p(time / time_unit_); }
  double time(const State& y) const { return time_unit_ * std::expm1(std::min(y[2], last_x_)); }
  double mlp_time(const State& y) const {
    return options_->closed_loop ? time_unit_ * std::expm1(std::min(y[3], last_x_)) : time(y);
  }
  MemorizationSource& source() { return source_; }
  const LeadingDescent& leading() const noexcept { return leading_; }
  const ContextAverage* average() const { return average_ ? &*average_ : nullptr; }

  void operator()(const State& y, State& rates) { evaluate(y, rates); }

  /// True where w and beta are at rest: the terms of dw/dx and d beta/dx cancel, and what is left of them is rounding; or
  /// the decays have had 1e13 times the time they need, and hardly anything moves.
  bool is_at_rest(const State& y) {
    constexpr double kRounding = std::numeric_limits<double>::epsilon();
    const double pull = options_->lambda_w * std::abs(y[0]) + options_->lambda_beta * std::abs(y[1]);
    if (kRounding * growth(y) * (1.0 + std::abs(y[0]) + pull) < 1e-3) return false;  // most of the time
    State rates{};
    const double size = evaluate(y, rates);
    const double noise = kRounding * (size + growth(y) * pull);
    const double motion = std::abs(rates[0]) + std::abs(rates[1]);
    if (growth(y) * std::max(options_->lambda_w, options_->lambda_beta) > 1e13 && motion < 1e-9) return true;
    return noise > 1e-3 && motion < 1e6 * noise;
  }

 private:
  double growth(const State& y) const { return time_unit_ * std::exp(std::min(y[2], last_x_)); }  // dt/dx

  /// Returns the size of the terms that cancel in the gradient part of rates[0].
  double evaluate(const State& y, State& rates) {
    const MlpState mlp = source_.at(mlp_time(y));
    const FlowState state{y[0], y[1]};
    const double dt = growth(y);
    FlowState velocity;
    double mlp_rate = 1.0;  // du/dx
    double size = 0.0;
    if (average_) {
      const Descent descent = average_->descent(state, mlp.logits, mlp.weights);
      const double scale = mlp.c1 / mlp.wrong;
      velocity = {scale * descent.w, scale * descent.beta};
      size = scale * descent.size;
      if (options_->closed_loop) mlp_rate = descent.wrong / mlp.wrong * std::exp(y[2] - y[3]);
    } else {
      const FlowState slope = leading_.slope(state, mlp.c2);
      velocity = {mlp.c1 * slope.w, mlp.c1 * slope.beta};
      size = mlp.c1 * leading_.size(state, mlp.c2);
    }
    rates = {dt * (velocity.w - options_->lambda_w * y[0]), dt * (velocity.beta - options_->lambda_beta * y[1]), 1.0,
             mlp_rate};
    if (!std::isfinite(rates[0] + rates[1] + rates[3])) rates.fill(std::numeric_limits<double>::quiet_NaN());
    return dt * size;
  }

  const AttentionFlowOptions* options_;
  MemorizationSource source_;
  LeadingDescent leading_;
  std::optional<ContextAverage> average_;
  double time_unit_ = 1.0;
  double last_x_ = 0.0;
};

/// The smallest k of the parity of N - 1 for which the other labels sum to -k or more with probability 0.95.
double sum_for_accuracy_95(double n_context) {
  const double n = n_context - 1.0;
  const double mode = std::floor(0.5 * n);
  std::vector<double> down{1.0};  // Binomial(n, 1/2) from its largest term, in units of it
  for (double k = mode; k > 0.0 && down.back() > 1e-18; k -= 1.0) down.push_back(down.back() * k / (n - k + 1.0));
  double half = 0.0;
  for (std::size_t i = down.size(); i > 0; --i) half += down[i - 1];
  const double total = mode + mode < n ? 2.0 * half : 2.0 * half - 1.0;
  double below = 0.0;
  for (std::size_t i = down.size(); i > 0; --i) {
    below += down[i - 1];
    if (below > 0.05 * total) return n - 2.0 * (mode - static_cast<double>(i - 1));
  }
  return 0.0;
}

/// One run: takes the steps, and sets the markers in the order in which they come.
class Run {
 public:
  Run(const ContextModel& context, FlowState initial, const Memorization& memorization,
      const AttentionFlowOptions& options)
      : context_(context), options_(options), system_(context, initial, memorization, options) {
    start_ = {initial.w, initial.beta, 0.0, 0.0};
    beta_half_ = std::log(context.n_context - 1.0);
    beta_n_ = std::log(context.n_context);
    if (context.n_context <= 1e6 && std::floor(context.n_context) == context.n_context) {
      const double k = sum_for_accuracy_95(context.n_context);
      beta_95_ = k > 0.0 ? std::log(k) : -kInfinity;
    }
  }

  AttentionFlow take() {
    result_.end = point(start_);
    if (!system_.is_valid()) {
      result_.outcome = AttentionOutcome::not_finite;
      return std::move(result_);
    }
    mark_start();
    const double stop_time = std::min({options_.t_max, kLastTime});
    const double stop_x = std::min(system_.log_time(stop_time), system_.last_x());
    const double curve_u = system_.log_time(std::min(system_.source().end_time(), kLastTime));
    const std::size_t curve_component = options_.closed_loop ? 3 : 2;
    // A cold start has w ~ exp(beta0), and under decay w can become small; neither must drown in the absolute tolerance.
    const double abs_tol = 1e-5 * options_.rel_tol * std::min(1.0, std::exp(start_[1]));
    Integrator run(system_, start_, std::min(0.01, 0.1 * std::min(stop_x, curve_u)),
                   {options_.rel_tol, abs_tol, options_.max_steps, 0b1100U});
    while (!is_over()) {
      const StepOutcome step = run.step();
      result_.steps = run.steps();
      if (step != StepOutcome::accepted) {
        return finish(run.now().y,
                      step == StepOutcome::step_limit ? AttentionOutcome::step_limit : AttentionOutcome::not_finite);
      }
      std::optional<AttentionOutcome> stop;
      Integrator::Point last = run.now();
      if (run.now().y[2] >= stop_x) {
        last = run.locate([&](const State& y) { return y[2] - stop_x; });
        stop = stop_time < options_.t_max ? AttentionOutcome::settled : AttentionOutcome::reached_t_max;
      }
      if (run.now().y[curve_component] >= curve_u) {
        const auto at = run.locate([&](const State& y) { return y[curve_component] - curve_u; });
        if (!stop || at.x < last.x) {
          last = at;
          stop = AttentionOutcome::curve_ended;
        }
      }
      mark_step(run, last);
      if (stop) return finish(last.y, *stop);
      if (is_in_other_basin(run.now().y)) return finish(run.now().y, AttentionOutcome::other_basin);
      if (system_.is_at_rest(run.now().y)) return finish(run.now().y, AttentionOutcome::settled);
      if (has_blown_up(run.now().y)) {
        result_.blow_up = point(run.now().y);
        return finish(run.now().y, AttentionOutcome::blow_up);
      }
      if (options_.record_trajectory) result_.trajectory.push_back(point(run.now().y));
    }
    return finish(run.now().y, result_.fade ? AttentionOutcome::faded : AttentionOutcome::acquired);
  }

 private:
  using Integrator = FlowIntegrator<4, 3, System>;

  bool decays() const { return options_.lambda_w > 0.0 || options_.lambda_beta > 0.0; }

  /// Every marker that can come has come. Leading models end at their blow-up.
  bool is_over() const {
    if (options_.run_to_t_max || next_time_ < options_.times.size() || !system_.average()) return false;
    if (!decays()) {
      return result_.attention_half && result_.ln_n && result_.half_loss && (result_.accuracy_95 || !beta_95_);
    }
    return result_.fade.has_value();
  }

  AttentionPoint point(const State& y) const { return {system_.time(y), system_.mlp_time(y), {y[0], y[1]}}; }

  AttentionFlow finish(const State& y, AttentionOutcome outcome) {
    result_.outcome = outcome;
    result_.end = point(y);
    if (outcome == AttentionOutcome::reached_t_max) {
      result_.end.time = options_.t_max;
      if (!options_.closed_loop) result_.end.mlp_time = options_.t_max;
    }
    if (options_.record_trajectory &&
        (result_.trajectory.empty() || result_.end.time > result_.trajectory.back().time)) {
      result_.trajectory.push_back(result_.end);
    }
    return std::move(result_);
  }

  /// At w = 0 the gradient pulls w by (c1/N)(q - (1 - v)), whatever the model. Once w < 0 and q < 1 - v, w stays negative
  /// and beta falls for good; 1e-3 of it, so that the trajectory shows the way. Overlapping items have another signal.
  bool is_in_other_basin(const State& y) const {
    if (options_.run_to_t_max || next_time_ < options_.times.size()) return false;
    if (options_.lambda_beta > 0.0 || context_.item_dim) return false;
    const bool balanced = context_.model == LossModel::balanced || context_.model == LossModel::balanced_exact;
    // Balanced items pull by (q - 1)(1 + r) + v, r = (N - 1)/K, where the other terms have the factor 1 + r.
    const double more = context_.balanced_items ? (context_.n_context - 1.0) / *context_.n_items : 0.0;
    const double pull = balanced ? 1.0 : 1.0 - context_.label_variance / (1.0 + more);
    return y[0] < 0.0 && std::exp(y[1]) < 1e-3 * pull;
  }

  /// At the blow-up p = exp(-beta) reaches zero; the intrinsic time left is p/w, exactly so up to a factor 1 - 1/w^2.
  bool has_blown_up(const State& y) {
    if (system_.average() || !(y[0] > 1.0)) return false;
    const double c1 = system_.source().at(system_.mlp_time(y)).c1;
    const double left = std::exp(-y[1]) / y[0] / (c1 * system_.leading().scale());
    if (!(left < 1e-18 * system_.time(y))) return false;
    State rates{};  // after a long rest the same could be said of any state, but beta would not move
    system_(y, rates);
    return rates[1] > 1e15;
  }

  /// Half of the loss of the MLP alone, minus the loss.
  double loss_gained(const State& y) {
    const MlpState mlp = system_.source().at(system_.mlp_time(y));
    const double loss = mlp_loss(mlp, 0.0);
    const FlowState state{y[0], y[1]};
    // By convexity the loss is no less than at the mean of X: most of the way that spares the sum over contexts.
    const double least = mlp_loss(mlp, state.w * system_.average()->mean_x(state));
    if (least > 0.5 * loss) return 0.5 * loss - least;
    return 0.5 * loss - system_.average()->loss(state, mlp.logits, mlp.weights);
  }

  static double mlp_loss(const MlpState& mlp, double shift) {
    double loss = 0.0;
    for (std::size_t j = 0; j < mlp.logits.size(); ++j) loss += mlp.weights[j] * softplus(-mlp.logits[j] - shift);
    return loss;
  }

  double w_falls(const State& y) {
    State rates{};
    system_(y, rates);
    return -rates[0];
  }

  void mark_start() {
    const AttentionPoint at = point(start_);
    if (start_[1] >= beta_half_) result_.attention_half = at;
    if (start_[1] >= beta_n_) result_.ln_n = at;
    if (beta_95_ && start_[1] >= *beta_95_) result_.accuracy_95 = at;
    if (system_.average() && loss_gained(start_) >= 0.0) result_.half_loss = at;
    if (options_.record_trajectory) result_.trajectory.push_back(at);
    while (next_time_ < options_.times.size() && !(options_.times[next_time_] > 0.0)) {
      result_.trajectory.push_back(at);
      ++next_time_;
    }
  }

  /// Sets `marker` where `height` crosses zero from below in the last step, unless that is beyond `last`.
  template <class Height>
  void mark(Integrator& run, const Integrator::Point& last, std::optional<AttentionPoint>& marker,
            const Height& height) {
    if (marker || height(run.now().y) < 0.0) return;
    const auto at = run.locate(height);
    if (at.x <= last.x) marker = point(at.y);
  }

  void mark_step(Integrator& run, const Integrator::Point& last) {
    const auto reaches = [](double beta) { return [beta](const State& y) { return y[1] - beta; }; };
    const bool was_half = result_.attention_half.has_value();
    mark(run, last, result_.attention_half, reaches(beta_half_));
    mark(run, last, result_.ln_n, reaches(beta_n_));
    if (beta_95_) mark(run, last, result_.accuracy_95, reaches(*beta_95_));
    if (system_.average()) mark(run, last, result_.half_loss, [&](const State& y) { return loss_gained(y); });
    while (next_time_ < options_.times.size()) {
      const double x = system_.log_time(options_.times[next_time_]);
      if (run.now().y[2] < x) break;
      const auto at = run.locate([x](const State& y) { return y[2] - x; });
      if (at.x > last.x) break;
      AttentionPoint found = point(at.y);
      found.time = options_.times[next_time_++];
      if (!options_.closed_loop) found.mlp_time = found.time;
      result_.trajectory.push_back(found);
    }
    if (decays() && result_.attention_half) mark_decline(run, last, was_half);
  }

  void mark_decline(Integrator& run, const Integrator::Point& last, bool was_half) {
    const auto falls = [&](const State& y) { return w_falls(y); };
    if (!result_.w_max && falls(run.now().y) >= 0.0) {
      const auto top = run.locate(falls);
      const AttentionPoint at = point(top.y);
      // w may have turned before the attention got there; what counts begins with attention_half.
      if (top.x <= last.x) result_.w_max = at.time < result_.attention_half->time ? *result_.attention_half : at;
    }
    if (was_half) mark(run, last, result_.attention_lost, [&](const State& y) { return beta_half_ - y[1]; });
    if (result_.w_max) mark(run, last, result_.fade, [](const State& y) { return 1.0 - y[0]; });
    if (result_.fade && result_.fade->time < result_.w_max->time) result_.fade = result_.w_max;
  }

  const ContextModel& context_;
  const AttentionFlowOptions& options_;
  System system_;
  State start_{};
  double beta_half_ = 0.0;
  double beta_n_ = 0.0;
  std::optional<double> beta_95_;
  std::size_t next_time_ = 0;
  AttentionFlow result_;
};

}  // namespace

void validate(const AttentionFlowOptions& options) {
  const auto is_rate = [](double rate) { return rate >= 0.0 && std::isfinite(rate); };
  require(is_rate(options.lambda_w), "lambda_w", "a number that is not negative", options.lambda_w);
  require(is_rate(options.lambda_beta), "lambda_beta", "a number that is not negative", options.lambda_beta);
  require(options.rel_tol >= 1e-14 && options.rel_tol <= 1e-2, "rel_tol", "a number in [1e-14, 1e-2]", options.rel_tol);
  require(options.t_max > 0.0, "t_max", "a positive number", options.t_max);
  require(options.max_steps >= 1, "max_steps", "at least 1", options.max_steps);
  double last = -kInfinity;
  for (const double time : options.times) {
    require(time >= 0.0 && std::isfinite(time), "times", "numbers that are not negative", time);
    require(time > last, "times", "rising times", time);
    last = time;
  }
}

std::string_view name(AttentionOutcome outcome) noexcept {
  switch (outcome) {
    case AttentionOutcome::blow_up:
      return "blow_up";
    case AttentionOutcome::acquired:
      return "acquired";
    case AttentionOutcome::faded:
      return "faded";
    case AttentionOutcome::other_basin:
      return "other_basin";
    case AttentionOutcome::settled:
      return "settled";
    case AttentionOutcome::reached_t_max:
      return "reached_t_max";
    case AttentionOutcome::curve_ended:
      return "curve_ended";
    case AttentionOutcome::step_limit:
      return "step_limit";
    case AttentionOutcome::not_finite:
      return "not_finite";
  }
  return "";
}

AttentionFlow attention_flow(const ContextModel& context, FlowState initial, const Memorization& memorization,
                             const AttentionFlowOptions& options) {
  validate(context);
  validate(options);
  require_finite("w0", initial.w);
  require_finite("beta0", initial.beta);
  if (options.closed_loop && !is_full(context.model)) {
    throw field_error("closed_loop", "the model " + std::string(name(context.model)) +
                                         " does not contain it; gaussian, binomial and balanced-exact do");
  }
  return Run(context, initial, memorization, options).take();
}

}  // namespace iclk::theory
