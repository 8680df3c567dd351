#include "iclk/theory/fade_sensitivity.hpp"

#include <algorithm>
#include <boost/math/differentiation/finite_difference.hpp>
#include <cmath>
#include <limits>
#include <optional>

#include "adaptive_quadrature.hpp"
#include "arguments.hpp"
#include "iclk/core/logistic.hpp"
#include "root_between.hpp"

namespace iclk::theory {
namespace {

/// dt/dw along the quasi-static path, t running from W_0 down to w_fade, and its derivative by ln lambda_w at fixed w.
struct FadeRate {
  const MemorizationDecay& decay;
  double lambda_w;
  SlowDown slow_down;

  /// dt/dw = (dt/dtau)(d tau/dw), ln c3 = ln(lambda_w w) + w.
  double value(double w) const {
    const double log_c3 = std::log(lambda_w * w) + w;
    double per_e_fold = decay.time_scale;  // -d tau/d ln c3
    if (decay.exponent) per_e_fold *= std::exp((std::log(decay.c3_start) - log_c3) / *decay.exponent) / *decay.exponent;
    // (c3 + exp(w))/(1 + c3), or exp(w)
    const double slow =
        slow_down == SlowDown::exponential ? std::exp(w) : sigmoid(log_c3) + std::exp(w) * sigmoid(-log_c3);
    return per_e_fold * (1.0 + 1.0 / w) * slow;
  }

  double by_log_lambda(double w) const {
    const double log_c3 = std::log(lambda_w * w) + w;
    double relative = decay.exponent ? -1.0 / *decay.exponent : 0.0;
    // c3 + exp(w) = exp(w)(1 + lambda_w w)
    if (slow_down == SlowDown::logistic) relative += lambda_w * w / (1.0 + lambda_w * w) - sigmoid(log_c3);
    return relative * value(w);
  }
};

double quasi_static_time(const QuasiStaticFade& fade, SlowDown slow_down) {
  if (!fade.fades) return 0.0;
  return slow_down == SlowDown::logistic ? *fade.t_fade : *fade.t_leading;
}

}  // namespace

FadeSensitivity fade_sensitivity(const MemorizationDecay& decay, double lambda_w, double w_fade, SlowDown slow_down) {
  const QuasiStaticFade fade = quasi_static_fade(decay, lambda_w, w_fade);
  FadeSensitivity result;
  if (!fade.fades) return result;
  const double time = quasi_static_time(fade, slow_down);
  result.t_fade = time;
  const FadeRate rate{decay, lambda_w, slow_down};
  const double start = fade.w_start;
  const double moved_start = rate.value(start) * start / (1.0 + start);  // d t/d W_0 times -d W_0/d ln lambda_w
  const double by_c3 = moved_start + (decay.exponent ? time / *decay.exponent : 0.0);
  // At fixed w: exact for the exponential loss, a quadrature over the factors of the logistic one.
  double at_fixed_w = decay.exponent ? -time / *decay.exponent : 0.0;
  if (slow_down == SlowDown::logistic) {
    at_fixed_w = adaptive_integral([&](double w) { return rate.by_log_lambda(w); }, w_fade, start);
  }
  result.log_lambda_w = (at_fixed_w - moved_start) / time;
  result.log_c3_start = by_c3 / time;
  result.log_time_scale = 1.0;
  result.w_fade = -rate.value(w_fade) / time;
  return result;
}

InverseAnswer lambda_w_for_fade_time(const MemorizationDecay& decay, double wanted_time, double w_fade,
                                     SlowDown slow_down) {
  validate(decay);
  require(w_fade > 0.0 && w_fade < 600.0, "w_fade", "a number above 0, below 600", w_fade);
  require(wanted_time > 0.0 && std::isfinite(wanted_time), "wanted_time", "a positive number", wanted_time);
  // In W_0, which the fade time rises with.
  const auto lambda_at = [&](double start) { return decay.c3_start / (start * std::exp(start)); };
  const auto excess = [&](double start) {
    const double time = quasi_static_time(quasi_static_fade(decay, lambda_at(start), w_fade), slow_down);
    return time > 0.0 ? std::log(std::min(time, 1e300)) - std::log(wanted_time) : -1e3;
  };
  // From below: quasi_static_fade is fast for moderate W_0.
  double low = w_fade;
  double high = w_fade;
  for (int i = 0; i < 40 && high < 600.0; ++i) {
    low = high;
    high = std::min(600.0, 1.3 * high + 1.0);
    if (excess(high) >= 0.0) break;
  }
  return mapped(root_between(excess, low, high), lambda_at);
}

CurveFadeSensitivity curve_fade_sensitivity(const OrderParameterCurves& curves, double lambda_w,
                                            const TransienceOptions& options) {
  require(lambda_w > 0.0 && std::isfinite(lambda_w), "lambda_w", "a positive number", lambda_w);
  const TransiencePrediction prediction = predict_transience(curves, lambda_w, options);
  CurveFadeSensitivity result;
  result.outcome = prediction.outcome;
  if (!prediction.t_fade.value) return result;
  result.t_fade = prediction.t_fade.value;
  const auto log_time = [&](double at_lambda, const TransienceOptions& at) {
    const TransiencePrediction there = predict_transience(curves, at_lambda, at);
    return std::log(there.t_fade.value.value_or(std::numeric_limits<double>::quiet_NaN()));
  };
  const auto if_finite = [](double value) { return std::isfinite(value) ? std::optional(value) : std::nullopt; };
  const auto slope = [&](const auto& move) {
    const auto moved_time = [&](double step) {
      TransienceOptions moved = options;
      double moved_lambda = lambda_w;
      move(moved, moved_lambda, step);
      return log_time(moved_lambda, moved);
    };
    return if_finite(
        boost::math::differentiation::finite_difference_derivative<decltype(moved_time), double, 8>(moved_time, 0.0));
  };
  result.log_lambda_w = slope([](TransienceOptions&, double& lambda, double e) { lambda *= std::exp(e); });
  if (!options.n_context) return result;
  result.beta0 = slope([](TransienceOptions& o, double&, double e) { o.initial.beta += e; });
  result.w0 = slope([](TransienceOptions& o, double&, double e) { o.initial.w += e; });
  const double n = *options.n_context;
  if (options.model == AcquisitionModel::leading) {
    result.log_context = slope([](TransienceOptions& o, double&, double e) { *o.n_context *= std::exp(e); });
  } else if (n >= 4.0) {
    const double step = std::fmax(1.0, std::round(0.02 * n));
    const auto at = [&](double steps) {
      TransienceOptions moved = options;
      *moved.n_context += steps * step;
      return log_time(lambda_w, moved);
    };
    result.log_context = if_finite(n * (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * step));
  }
  return result;
}

InverseAnswer lambda_w_for_fade_time(const OrderParameterCurves& curves, double wanted_time,
                                     const TransienceOptions& options, const RangeOptions& search) {
  validate(search);
  require(wanted_time > 0.0 && std::isfinite(wanted_time), "wanted_time", "a positive number", wanted_time);
  // Rises with ln(1/lambda_w): the weaker the L2 the later the fade; never acquired counts as faded at once.
  const auto excess = [&](double minus_log_lambda) {
    const TransiencePrediction prediction = predict_transience(curves, std::exp(-minus_log_lambda), options);
    if (prediction.t_fade.value) return std::log(*prediction.t_fade.value / wanted_time);
    return prediction.outcome == TransienceOutcome::never_acquired ? -1e3 : 1e3;
  };
  const InverseAnswer answer = root_between(excess, -std::log(search.lambda_high), -std::log(search.lambda_low));
  if (!answer.value) return answer;
  // The bracket may have closed on the edge of acquisition rather than on the wanted time.
  const double lambda = std::exp(-*answer.value);
  const TransiencePrediction there = predict_transience(curves, lambda, options);
  const bool met = there.t_fade.value && std::abs(std::log(*there.t_fade.value / wanted_time)) < 1e-6;
  if (!met) return {InverseOutcome::too_small, {}};
  return {InverseOutcome::found, lambda};
}

}  // namespace iclk::theory
