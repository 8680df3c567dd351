#include "iclk/theory/transience_prediction.hpp"

#include <algorithm>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "iclk/core/error.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/exact_solution.hpp"
#include "infinity.hpp"
#include "order_parameter_grid.hpp"

namespace iclk::theory {
namespace {

/// c3 of the curves, or of equal logits.
Curve c3_of(const OrderParameterCurves& curves) {
  if (curves.c3) return *curves.c3;
  std::vector<double> values;
  for (double c1 : curves.c1.values()) values.push_back(c1 / (1.0 - c1));
  return {{curves.c1.times().begin(), curves.c1.times().end()}, std::move(values)};
}

/// How c3 goes on after the end of the curve: (1 + x/scale)^-power or, without a power, exp(-x/scale).
struct Continuation {
  double scale = 1.0;
  std::optional<double> power;

  double decline(double x) const {  ///< c3/c3_end at x after the end
    return power ? std::exp(-*power * std::log1p(x / scale)) : std::exp(-x / scale);
  }
};

/// One curve, ready for any lambda_w.
class MemorizationCurve {
 public:
  MemorizationCurve(const OrderParameterCurves& curves, const TransienceOptions& options)
      : curves_(curves), c3_(c3_of(curves)) {
    require_shared_times(curves);
    if (curves.c3 && !std::ranges::equal(curves.c1.times(), c3_.times())) {
      throw field_error("c3", "expected the same times as c1");
    }
    for (std::size_t i = 0; i < c3_.size(); ++i) {
      // <exp(-phi)> >= <sigma(-phi)>, up to the rounding of files
      if (!(c3_.values()[i] >= curves.c1.values()[i] * (1.0 - 1e-6))) {
        throw field_error("c3", "expected numbers of at least c1, sample " + std::to_string(i) + " is not");
      }
    }
    // A tail has begun once the MLP knows most of its items.
    if (!options.extrapolate || c3_.values().back() >= 0.5) return;
    const MemorizationIntegral integral = memorization_integral(c3_, options.tail);
    const double slope = integral.log_slope;
    if (!(slope > 0.0)) return;
    const double end = c3_.end_time();
    fastest_ = Continuation{end / slope, {}};
    slowest_ = Continuation{end, std::min(1.0, slope)};
    central_ = *fastest_;
    if (integral.tail == TailModel::unresolved) {
      central_ = Continuation{end, slope};
    } else if (integral.tail != TailModel::none) {
      central_ = Continuation{integral.tail_scale, {}};
      if (integral.tail_power) central_->power = *integral.tail_power + 1.0;
    }
  }

  const OrderParameterCurves& curves() const noexcept { return curves_; }
  double end_time() const noexcept { return c3_.end_time(); }
  bool continues() const noexcept { return central_.has_value(); }
  const std::optional<Continuation>& central() const noexcept { return central_; }
  const std::optional<Continuation>& fastest() const noexcept { return fastest_; }
  const std::optional<Continuation>& slowest() const noexcept { return slowest_; }

  double c1_at(double time) const { return at(curves_.c1, time); }
  double c2_at(double time) const { return at(curves_.c2, time); }
  double c3_at(double time) const { return at(c3_, time); }

  MemorizationFunctions functions() const {
    return {.c1 = [this](double tau) { return c1_at(tau); },
            .c3 = [this](double tau) { return std::max(c3_at(tau), c1_at(tau)); },
            .end_time = end_time()};
  }

  /// Beyond the end. c3/c1 - 1 shrinks with c3, as it does for equal logits, where it is c3.
  MemorizationFunctions functions_beyond(const Continuation& law) const {
    const double c3_end = c3_.values().back();
    const double excess = std::max(c3_end / curves_.c1.values().back() - 1.0, 0.0);
    const double end = end_time();
    return {.c1 =
                [=](double tau) {
                  const double decline = law.decline(std::max(tau - end, 0.0));
                  return c3_end * decline / (1.0 + excess * decline);
                },
            .c3 = [=](double tau) { return c3_end * law.decline(std::max(tau - end, 0.0)); },
            .end_time = kInfinity};
  }

 private:
  /// The first value before the curve, the last one after it. NaN is the flow's own outcome, not an error of the curve.
  static double at(const Curve& curve, double time) {
    return std::isnan(time) ? time : curve(std::clamp(time, curve.start_time(), curve.end_time()));
  }

  const OrderParameterCurves& curves_;
  Curve c3_;
  std::optional<Continuation> central_, fastest_, slowest_;
};

enum class Acquisition { acquired, never, undecided };

struct Acquired {
  Acquisition outcome = Acquisition::undecided;
  FadePoint start;  // of the flow after acquisition
};

/// How the flow towards acquisition ended: at half of the attention, or where it stood at the end of the curve.
struct Approach {
  bool acquired = false;
  bool at_end_of_curve = false;
  FadePoint point;
};

/// Eqs. 7-8 with the decay of w.
Approach approach_leading(const MemorizationCurve& mlp, double lambda_w, const TransienceOptions& options) {
  const double n = *options.n_context;
  FlowOptions flow_options;
  flow_options.t_max = mlp.end_time();
  flow_options.beta_acquired = std::log(n - 1.0);
  const OrderParameterFunctions driven{
      .c1 = [&](double time) { return mlp.c1_at(time); },
      .c2 = [&](double time) { return mlp.c2_at(time) + n * lambda_w / mlp.c1_at(time); }};
  const FlowResult flow = integrate_flow(options.initial, n, driven, flow_options);
  return {.acquired = flow.outcome == FlowOutcome::acquired,
          .at_end_of_curve = flow.outcome == FlowOutcome::reached_t_max,
          .point = {flow.final_time, flow.final_time, flow.final_state.w, flow.final_state.beta}};
}

/// The exact loss in a closed loop.
Approach approach_binomial(const MemorizationCurve& mlp, double lambda_w, const TransienceOptions& options) {
  AttentionFlowOptions flow_options;
  flow_options.lambda_w = lambda_w;
  flow_options.closed_loop = true;
  flow_options.t_max = mlp.end_time();
  const AttentionFlow flow = attention_flow({.model = LossModel::binomial, .n_context = *options.n_context},
                                            options.initial, mlp.curves(), flow_options);
  const AttentionPoint& point = flow.attention_half ? *flow.attention_half : flow.end;
  return {
      .acquired = flow.attention_half.has_value(),
      .at_end_of_curve = flow.outcome != AttentionOutcome::step_limit && flow.outcome != AttentionOutcome::not_finite,
      .point = {point.time, point.mlp_time, point.state.w, point.state.beta}};
}

/// Until half of the attention is on the copy.
Acquired acquire(const MemorizationCurve& mlp, double lambda_w, const TransienceOptions& options) {
  if (!options.n_context) {
    const double w = lambda_w > 0.0 ? settled_strength(std::log(mlp.c3_at(0.0)), lambda_w).w_logistic : 0.0;
    return {Acquisition::acquired, {0.0, 0.0, w}};
  }
  const Approach approach = options.model == AcquisitionModel::leading ? approach_leading(mlp, lambda_w, options)
                                                                       : approach_binomial(mlp, lambda_w, options);
  if (approach.acquired) return {Acquisition::acquired, approach.point};
  if (!approach.at_end_of_curve) return {};

  // From here the damping only grows. If even the damping of the last sample, held, is too much for the largest I_K
  // that may be left, the MLP has memorized first. w < 0, which damping helps, needs more than w = 0.
  const MemorizationIntegral integral = memorization_integral(mlp.curves().c1, options.tail);
  if (!integral.infinity.high) return {};
  const double c1 = mlp.c1_at(mlp.end_time());
  const double integral_left = *integral.infinity.high - integral.measured;
  const ExactFlow held{.n_context = *options.n_context,
                       .initial = {.w = std::max(approach.point.w, 0.0), .beta = approach.point.beta},
                       .c2 = mlp.c2_at(mlp.end_time()),
                       .lambda_w = lambda_w,
                       .c1 = c1};
  const ExactCrossing crossing = exact_crossing(held, std::log(*options.n_context - 1.0));
  const double needed = crossing.outcome == ExactOutcome::before_blow_up ? crossing.integral : blow_up_integral(held);
  return {needed > integral_left ? Acquisition::never : Acquisition::undecided, {}};
}

/// The flow beyond the end of the curve: its fade time, if it fades.
std::optional<double> fade_time_beyond(const MemorizationCurve& mlp, const std::optional<Continuation>& law,
                                       const FadePoint& end_of_curve, double lambda_w, const FadeOptions& options) {
  if (!law) return std::nullopt;
  const FadeResult result = integrate_fade(end_of_curve, mlp.functions_beyond(*law), lambda_w, options);
  if (!result.fade) return std::nullopt;
  return result.fade->time;
}

TransiencePrediction predict(const MemorizationCurve& mlp, double lambda_w, const TransienceOptions& options) {
  TransiencePrediction prediction;
  prediction.lambda_w = lambda_w;
  const Acquired acquired = acquire(mlp, lambda_w, options);
  if (acquired.outcome != Acquisition::acquired) {
    if (acquired.outcome == Acquisition::never) prediction.outcome = TransienceOutcome::never_acquired;
    return prediction;
  }
  prediction.t_acquired = acquired.start.time;

  FadeResult result = integrate_fade(acquired.start, mlp.functions(), lambda_w, options.fade);
  prediction.peak = result.peak;
  prediction.trajectory = std::move(result.trajectory);
  if (result.accuracy_fade) prediction.t_accuracy_fade = result.accuracy_fade->time;
  // Without decay nothing takes w back: the end of the curve decides.
  if (result.outcome == FadeOutcome::curve_ended && lambda_w > 0.0 && mlp.continues()) {
    const FadePoint end_of_curve = result.end;
    FadeResult rest = integrate_fade(end_of_curve, mlp.functions_beyond(*mlp.central()), lambda_w, options.fade);
    if (rest.peak.w > prediction.peak->w) prediction.peak = rest.peak;
    if (rest.accuracy_fade && !prediction.t_accuracy_fade) prediction.t_accuracy_fade = rest.accuracy_fade->time;
    if (!rest.trajectory.empty()) {
      prediction.trajectory.insert(prediction.trajectory.end(), rest.trajectory.begin() + 1, rest.trajectory.end());
    }
    if (rest.outcome == FadeOutcome::faded) {
      prediction.extrapolated = true;
      FadeOptions quiet = options.fade;
      quiet.record_trajectory = false;
      prediction.t_fade.low = fade_time_beyond(mlp, mlp.fastest(), end_of_curve, lambda_w, quiet);
      prediction.t_fade.high = fade_time_beyond(mlp, mlp.slowest(), end_of_curve, lambda_w, quiet);
    }
    // Below w_fade already at the end of the curve, and falling: it had not risen above it before.
    result = std::move(rest);
  }
  prediction.end = result.end;
  switch (result.outcome) {
    case FadeOutcome::faded:
      prediction.outcome = TransienceOutcome::transient;
      prediction.t_fade.value = result.fade->time;
      prediction.mlp_time_fade = result.fade->mlp_time;
      break;
    case FadeOutcome::stayed_below:
      prediction.outcome = TransienceOutcome::never_acquired;
      break;
    case FadeOutcome::reached_t_max:
      prediction.outcome = TransienceOutcome::permanent;
      break;
    case FadeOutcome::curve_ended:
      if (!(lambda_w > 0.0)) prediction.outcome = TransienceOutcome::permanent;
      break;
    case FadeOutcome::step_limit:
    case FadeOutcome::not_finite:
      break;
  }
  if (prediction.t_fade.value) {
    if (prediction.t_fade.low) prediction.t_fade.low = std::min(*prediction.t_fade.low, *prediction.t_fade.value);
    if (prediction.t_fade.high) prediction.t_fade.high = std::max(*prediction.t_fade.high, *prediction.t_fade.value);
  }
  return prediction;
}

/// N counts in acquisition and in the growth of beta afterwards.
TransienceOptions with_context(TransienceOptions options) {
  options.fade.n_context = options.n_context;
  return options;
}

/// The largest lambda_w in [low, high] at which `holds`, which holds at `low` and not at `high`.
template <class Predicate>
double last_that_holds(const Predicate& holds, double low, double high, double rel_tol) {
  const auto sign = [&](double log_lambda) { return holds(std::exp(log_lambda)) ? 1.0 : -1.0; };
  const auto close = [rel_tol](double a, double b) { return std::abs(b - a) <= rel_tol; };
  std::uintmax_t steps = 200;
  return std::exp(boost::math::tools::bisect(sign, std::log(low), std::log(high), close, steps).first);
}

}  // namespace

void validate(const TransienceOptions& options) {
  if (options.n_context) require_context(*options.n_context);
  require_finite("w0", options.initial.w);
  require_finite("beta0", options.initial.beta);
  validate(options.fade);
  validate(options.tail);
}

void validate(const RangeOptions& options) {
  require(options.lambda_low > 0.0 && std::isfinite(options.lambda_low), "lambda_low", "a positive number",
          options.lambda_low);
  require(options.lambda_high > options.lambda_low && std::isfinite(options.lambda_high), "lambda_high",
          "a number above lambda_low", options.lambda_high);
  require(options.rel_tol > 0.0 && options.rel_tol < 1.0, "rel_tol", "a number in (0, 1)", options.rel_tol);
}

std::string_view name(TransienceOutcome outcome) noexcept {
  switch (outcome) {
    case TransienceOutcome::never_acquired:
      return "never_acquired";
    case TransienceOutcome::transient:
      return "transient";
    case TransienceOutcome::permanent:
      return "permanent";
    case TransienceOutcome::undecided:
      return "undecided";
  }
  return "";
}

TransiencePrediction predict_transience(const OrderParameterCurves& curves, double lambda_w,
                                        const TransienceOptions& options) {
  validate(options);
  require(lambda_w >= 0.0 && std::isfinite(lambda_w), "lambda_w", "a number of at least 0", lambda_w);
  return predict(MemorizationCurve(curves, options), lambda_w, with_context(options));
}

TransienceRange transience_range(const OrderParameterCurves& curves, const TransienceOptions& options,
                                 const RangeOptions& search) {
  validate(options);
  validate(search);
  TransienceOptions quiet = with_context(options);
  quiet.fade.record_trajectory = false;
  const MemorizationCurve mlp(curves, quiet);
  const auto outcome_at = [&](double lambda_w) { return predict(mlp, lambda_w, quiet).outcome; };
  const auto is_acquired = [&](double lambda_w) {
    const TransiencePrediction prediction = predict(mlp, lambda_w, quiet);
    return prediction.t_acquired && prediction.outcome != TransienceOutcome::never_acquired;
  };
  const auto may_be_acquired = [&](double lambda_w) {
    return outcome_at(lambda_w) != TransienceOutcome::never_acquired;
  };

  TransienceRange range;
  const double low = search.lambda_low;
  const double high = search.lambda_high;
  if (is_acquired(high)) {
    range.acquired_below = kInfinity;
  } else if (is_acquired(low)) {
    range.acquired_below = last_that_holds(is_acquired, low, high, search.rel_tol);
  }
  if (!may_be_acquired(low)) {
    range.never_above = 0.0;
  } else if (!may_be_acquired(high)) {
    range.never_above = last_that_holds(may_be_acquired, low, high, search.rel_tol);
  }

  if (!range.acquired_below) return range;
  const auto lasts = [&](double lambda_w) { return outcome_at(lambda_w) != TransienceOutcome::transient; };
  const double largest = std::min(*range.acquired_below, high);
  if (!lasts(low)) {
    range.fades_above = 0.0;
  } else if (!lasts(largest)) {
    range.fades_above = last_that_holds(lasts, low, largest, search.rel_tol);
  }
  return range;
}

}  // namespace iclk::theory
