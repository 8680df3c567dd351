#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "arguments.hpp"
#include "flow_integrator.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/logistic.hpp"
#include "iclk/theory/transience.hpp"

namespace iclk::theory {
namespace {

/// w, training time since the start, time tau of the MLP alone, ln of the odds that attention is on the copy, against
/// tau.
using State = std::array<double, 4>;
constexpr std::size_t kW = 0, kTime = 1, kTau = 2, kLogOdds = 3;

/// Odds at which nothing is left for the other items, in double precision.
constexpr double kFullAttention = 800.0;

/// What the MLP contributes at one tau.
struct Memorization {
  double c1;        // pull on w at w = 0
  double c1_to_c3;  // share of c3 that the logistic function leaves: 1 in the exponential limit
  double log_c3;
};

struct DecaySource {
  const MemorizationDecay& decay;
  Memorization operator()(double tau) const {
    const double log_c3 = decay.log_c3(tau);
    return {sigmoid(log_c3), sigmoid(-log_c3), log_c3};
  }
};

struct MemorizationFunctionSource {
  const MemorizationFunctions& functions;
  Memorization operator()(double tau) const {
    const double known = std::min(tau, functions.end_time);  // trial steps go further
    const double c1 = functions.c1(known);
    const double c3 = functions.c3(known);
    if (c1 >= 0.0 && c3 >= 0.0 && !(c3 > 0.0)) return {0.0, 1.0, std::log(c3)};  // memorized beyond the smallest double
    return {c1, c1 / c3, std::log(c3)};
  }
};

template <class Source>
struct FadeSystem {
  Source source;
  double lambda_w;
  SlowDown slow_down;

  void operator()(const State& y, State& rates) const {
    Memorization now = source(y[kTau]);
    if (slow_down == SlowDown::exponential) now = {std::exp(now.log_c3), 1.0, now.log_c3};
    const double attention = sigmoid(y[kLogOdds]);
    // 1/slow-down: training time that passes while the MLP learns as much as alone in one unit.
    const double stretch = 1.0 + now.c1_to_c3 * std::expm1(y[kW] * attention);
    rates = {attention * now.c1 - lambda_w * y[kW] * stretch, stretch, 1.0,
             y[kW] * attention * sigmoid(-y[kLogOdds]) * now.c1};
    if (!(now.c1 >= 0.0 && now.c1_to_c3 > 0.0)) rates.fill(std::numeric_limits<double>::quiet_NaN());
  }

  double pull(const State& y) const {
    State rates{};
    (*this)(y, rates);
    return rates[kW];
  }
};

template <class Source>
FadeResult integrate(const FadePoint& start, Source source, double end_time, double lambda_w,
                     const FadeOptions& options) {
  validate(options);
  require_finite("time", start.time);
  require(start.mlp_time >= 0.0 && std::isfinite(start.mlp_time), "mlp_time", "a number of at least 0", start.mlp_time);
  require_finite("w", start.w);
  require(start.beta > -std::numeric_limits<double>::infinity(), "beta", "a number, or infinity", start.beta);
  require(lambda_w >= 0.0 && std::isfinite(lambda_w), "lambda_w", "a number of at least 0", lambda_w);

  FadeResult result;
  result.peak = result.end = start;
  result.peak.log_c3 = result.end.log_c3 = source(start.mlp_time).log_c3;
  if (options.record_trajectory) result.trajectory.push_back(result.end);
  if (start.time >= options.t_max || start.mlp_time >= end_time) {
    result.outcome = start.time >= options.t_max ? FadeOutcome::reached_t_max : FadeOutcome::curve_ended;
    return result;
  }

  FadeSystem<Source> system{source, lambda_w, options.slow_down};
  const bool attends_elsewhere = options.n_context && std::isfinite(start.beta);
  const double log_others = attends_elsewhere ? std::log(*options.n_context - 1.0) : 0.0;
  const State first{start.w, 0.0, start.mlp_time, attends_elsewhere ? start.beta - log_others : kFullAttention};
  State rates{};
  system(first, rates);
  const bool finite_start = std::isfinite(rates[kW]) && std::isfinite(rates[kTime]);
  if (!finite_start) {
    result.outcome = FadeOutcome::not_finite;
    return result;
  }
  bool rising = rates[kW] > 0.0;
  if (!rising && start.w <= options.w_fade) {
    result.outcome = FadeOutcome::stayed_below;
    return result;
  }
  const double time_left = std::min(options.t_max - start.time, kLastTime);
  const auto at = [&](const State& y) {
    const double beta = attends_elsewhere ? y[kLogOdds] + log_others : start.beta;
    return FadePoint{start.time + y[kTime], y[kTau], y[kW], beta, source(y[kTau]).log_c3};
  };
  // Heights that rise through zero where something happens.
  const auto turning = [&](const State& y) { return -system.pull(y); };
  const auto fading = [&](const State& y) { return options.w_fade - y[kW]; };
  const auto confused = [&](const State& y) {
    return -options.novel_ratio * source(y[kTau]).log_c3 - y[kW] * sigmoid(y[kLogOdds]);
  };
  const auto too_late = [&](const State& y) { return y[kTime] - time_left; };
  const auto at_the_end = [&](const State& y) { return y[kTau] - end_time; };

  // The first step resolves the relaxation of w towards the stationary point.
  const double relaxation = lambda_w * (1.0 + std::abs(start.w)) * std::abs(rates[kTime]) + std::abs(rates[kW]) + 1e-3;
  FlowIntegrator<4, 0, FadeSystem<Source>> run(
      system, first, 1e-3 / relaxation,
      {.rel_tol = options.rel_tol, .abs_tol = options.abs_tol, .max_steps = options.max_steps});
  while (true) {
    const StepOutcome step = run.step();
    const State before = run.before().y;
    const State now = run.now().y;
    if (step != StepOutcome::accepted) {
      result.outcome = step == StepOutcome::step_limit ? FadeOutcome::step_limit : FadeOutcome::not_finite;
      result.end = at(now);
      return result;
    }
    result.steps = run.steps();

    // The flow stops at the first of these.
    FadeOutcome outcome = FadeOutcome::step_limit;
    State last = now;
    double stop = std::numeric_limits<double>::infinity();
    const auto stop_at = [&](const auto& height, FadeOutcome reason) {
      if (!(height(before) < 0.0 && height(now) >= 0.0)) return;
      const auto point = run.locate(height);
      if (point.x >= stop) return;
      stop = point.x;
      last = point.y;
      outcome = reason;
    };
    stop_at(fading, FadeOutcome::faded);
    stop_at(too_late, FadeOutcome::reached_t_max);
    stop_at(at_the_end, FadeOutcome::curve_ended);
    const double fall = turning(now);
    if (rising && fall >= 0.0) {
      const auto point = run.locate(turning);
      if (point.x <= stop) {
        if (point.y[kW] >= result.peak.w) result.peak = at(point.y);
        if (result.peak.w <= options.w_fade) {
          stop = point.x;
          last = point.y;
          outcome = FadeOutcome::stayed_below;
        }
      }
    }
    rising = fall < 0.0;
    const bool stopped = std::isfinite(stop);
    if (last[kW] > result.peak.w) result.peak = at(last);
    if (!result.accuracy_fade && options.novel_ratio > 0.0 && confused(before) < 0.0 && confused(now) >= 0.0) {
      const auto point = run.locate(confused);
      if (point.x <= stop) result.accuracy_fade = at(point.y);
    }
    if (stopped) {
      result.outcome = outcome;
      result.end = at(last);
      if (outcome == FadeOutcome::faded) {
        result.end.w = options.w_fade;
        result.fade = result.end;
      }
      if (outcome == FadeOutcome::curve_ended) result.end.mlp_time = end_time;
      if (options.record_trajectory) result.trajectory.push_back(result.end);
      return result;
    }
    if (options.record_trajectory) result.trajectory.push_back(at(now));
  }
}

}  // namespace

void validate(const FadeOptions& options) {
  if (options.n_context) require_context(*options.n_context);
  require(options.w_fade > 0.0 && std::isfinite(options.w_fade), "w_fade", "a positive number", options.w_fade);
  require(options.novel_ratio >= 0.0 && std::isfinite(options.novel_ratio), "novel_ratio", "a number of at least 0",
          options.novel_ratio);
  require(options.t_max > 0.0, "t_max", "a positive number", options.t_max);
  require(options.rel_tol >= 1e-14 && options.rel_tol <= 1e-2, "rel_tol", "a number in [1e-14, 1e-2]", options.rel_tol);
  require(options.abs_tol > 0.0 && std::isfinite(options.abs_tol), "abs_tol", "a positive number", options.abs_tol);
  require(options.max_steps >= 1, "max_steps", "at least 1", options.max_steps);
}

FadeResult integrate_fade(const FadePoint& start, const MemorizationFunctions& functions, double lambda_w,
                          const FadeOptions& options) {
  if (!functions.c1 || !functions.c3) throw field_error("functions", "expected both c1 and c3");
  return integrate(start, MemorizationFunctionSource{functions}, functions.end_time, lambda_w, options);
}

FadeResult integrate_fade(const FadePoint& start, const MemorizationDecay& decay, double lambda_w,
                          const FadeOptions& options) {
  validate(decay);
  return integrate(start, DecaySource{decay}, std::numeric_limits<double>::infinity(), lambda_w, options);
}

}  // namespace iclk::theory
