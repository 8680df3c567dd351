#include "iclk/theory/transience.hpp"

#include <algorithm>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/special_functions/expint.hpp>
#include <boost/math/special_functions/lambert_w.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>

#include "adaptive_quadrature.hpp"
#include "arguments.hpp"
#include "iclk/core/logistic.hpp"

namespace iclk::theory {
namespace {

constexpr double kMinusOneOverE = -0.36787944117144232;

void require_positive(const char* field, double value) {
  require(value > 0.0 && std::isfinite(value), field, "a positive number", value);
}

/// ln W for W exp(W) = exp(log_x); finite where W itself is too small for a double.
double log_lambert_w_of_exp(double log_x) {
  if (log_x < -40.0) return log_x;  // W = x (1 - x + ...)
  const double w = lambert_w_of_exp(log_x);
  return log_x - w;
}

/// Root of sigma(log_c3 - w) = lambda_w w. In u = ln w the equation u + ln lambda_w + sp(w - log_c3) = 0 is increasing
/// and convex, so that Newton's steps from w_tr, which lies above the root, cannot miss it.
double logistic_strength(double log_c3, double lambda_w, double log_w_tr) {
  const double log_lambda = std::log(lambda_w);
  const double w_tr = std::exp(log_w_tr);
  const auto equation = [&](double u) {
    const double w = std::exp(u);
    return std::pair(u + log_lambda + softplus(w - log_c3), 1.0 + w * sigmoid(w - log_c3));
  };
  // Since w <= w_tr: w = sigma(log_c3 - w)/lambda_w >= sigma(log_c3 - w_tr)/lambda_w.
  const double lowest = -softplus(w_tr - log_c3) - log_lambda;
  std::uintmax_t steps = 200;
  return std::exp(boost::math::tools::newton_raphson_iterate(equation, log_w_tr, std::min(lowest, log_w_tr) - 1.0,
                                                             log_w_tr + 1.0, 50, steps));
}

/// The integrand dt/d ln w of the fade time along w = w_tr, as its logarithm.
struct FadeIntegrand {
  const MemorizationDecay& decay;
  double log_lambda;
  double log_ratio;  // ln(c3_start/lambda_w)
  SlowDown slow_down;

  double operator()(double log_w) const {
    const double w = std::exp(log_w);
    const double log_c3_over_lambda = log_w + w;
    // |d tau/d ln w| = |d tau/d ln c3| (1 + w)
    double value = std::log(decay.time_scale) + std::log1p(w);
    if (decay.exponent) {
      value += (log_ratio - log_c3_over_lambda) / *decay.exponent - std::log(*decay.exponent);
    }
    value += w;  // exp(w)
    if (slow_down == SlowDown::logistic) {
      // (c3 + exp(w))/(1 + c3) = exp(w) (1 + lambda_w w)/(1 + c3)
      value += softplus(log_lambda + log_w) - softplus(log_lambda + log_c3_over_lambda);
    }
    return value;
  }
};

/// int exp(integrand) over ln w, with the largest value taken out: the result may leave the range of doubles, the sum
/// does not.
double integral_over_log_w(const FadeIntegrand& integrand, double w_low, double w_high) {
  const double low = std::log(w_low);
  const double high = std::log(w_high);
  const double scale = std::max(integrand(low), integrand(high));
  const auto scaled = [&](double log_w) { return std::exp(integrand(log_w) - scale); };
  return std::exp(scale + std::log(adaptive_integral(scaled, low, high)));
}

/// [exp(w) + Ei(w)] from w_low to w_high: int exp(w) (1 + 1/w) dw.
double exponential_fade_integral(double w_low, double w_high) {
  return std::exp(w_low) * std::expm1(w_high - w_low) + boost::math::expint(w_high) - boost::math::expint(w_low);
}

}  // namespace

double lambert_w(double x) {
  require(x >= kMinusOneOverE && std::isfinite(x), "x", "a number of at least -1/e", x);
  return boost::math::lambert_w0(x);
}

double lambert_w_derivative(double x) {
  require(x > kMinusOneOverE && std::isfinite(x), "x", "a number above -1/e", x);
  const double w = boost::math::lambert_w0(x);
  return std::exp(-w) / (1.0 + w);
}

double lambert_w_of_exp(double log_x) {
  require_finite("log_x", log_x);
  if (log_x < 700.0) return boost::math::lambert_w0(std::exp(log_x));
  const auto equation = [log_x](double w) { return std::pair(w + std::log(w) - log_x, 1.0 + 1.0 / w); };
  std::uintmax_t steps = 50;
  return boost::math::tools::newton_raphson_iterate(equation, log_x - std::log(log_x), 0.5 * log_x, log_x, 50, steps);
}

double transient_strength(double c3, double lambda_w) {
  require_positive("c3", c3);
  require_positive("lambda_w", lambda_w);
  const double ratio = c3 / lambda_w;
  if (std::isnormal(ratio)) return boost::math::lambert_w0(ratio);
  return lambert_w_of_exp(std::log(c3) - std::log(lambda_w));
}

double acquired_loss(double w, double c3, double lambda_w) {
  require_finite("w", w);
  require_positive("c3", c3);
  require(lambda_w >= 0.0 && std::isfinite(lambda_w), "lambda_w", "a number of at least 0", lambda_w);
  return c3 * std::exp(-w) + 0.5 * lambda_w * w * w;
}

SettledStrength settled_strength(double log_c3, double lambda_w) {
  require_finite("log_c3", log_c3);
  require_positive("lambda_w", lambda_w);
  const double log_w_tr = log_lambert_w_of_exp(log_c3 - std::log(lambda_w));
  SettledStrength result;
  result.w_tr = lambert_w_of_exp(log_c3 - std::log(lambda_w));
  result.w_logistic = logistic_strength(log_c3, lambda_w, log_w_tr);
  // c3 exp(-w) = lambda_w w at the stationary point
  result.loss = lambda_w * result.w_tr * (1.0 + 0.5 * result.w_tr);
  result.relaxation_rate = lambda_w * (1.0 + result.w_tr);
  return result;
}

double c3_at_strength(double w, double lambda_w) {
  require_positive("w", w);
  require_positive("lambda_w", lambda_w);
  return lambda_w * w * std::exp(w);
}

double tracking_lag(double w_tr, double lambda_w, double log_c3_rate) {
  require(w_tr >= 0.0 && std::isfinite(w_tr), "w_tr", "a number of at least 0", w_tr);
  require_positive("lambda_w", lambda_w);
  require_finite("log_c3_rate", log_c3_rate);
  return log_c3_rate * w_tr / (lambda_w * (1.0 + w_tr) * (1.0 + w_tr));
}

std::string_view name(NovelLogits novel) noexcept {
  switch (novel) {
    case NovelLogits::two_point:
      return "two_point";
    case NovelLogits::gaussian:
      return "gaussian";
  }
  return "";
}

double novel_accuracy(double w, double xi, NovelLogits novel) {
  require_finite("w", w);
  require_finite("xi", xi);
  const auto share = [](double x) { return x > 0.0 ? 1.0 : x < 0.0 ? 0.0 : 0.5; };
  const double size = std::abs(xi);
  if (novel == NovelLogits::two_point || !(size > 0.0)) return 0.5 * (share(w + size) + share(w - size));
  return 0.5 * std::erfc(-w / (size * std::numbers::sqrt2));
}

double strength_ratio_at_accuracy(double accuracy, NovelLogits novel) {
  require(accuracy > 0.5 && accuracy < 1.0, "accuracy", "a number in (0.5, 1)", accuracy);
  if (novel == NovelLogits::two_point) return 1.0;
  return std::numbers::sqrt2 * boost::math::erf_inv(2.0 * accuracy - 1.0);
}

AccuracyFade accuracy_fade(double lambda_w, double novel_ratio) {
  require_positive("lambda_w", lambda_w);
  require_positive("novel_ratio", novel_ratio);
  const double log_x = std::log1p(novel_ratio) - std::log(novel_ratio) - std::log(lambda_w);
  const double xi = lambert_w_of_exp(log_x) / (1.0 + novel_ratio);
  return {.xi = xi, .c3 = std::exp(-xi)};
}

double MemorizationDecay::log_c3(double tau) const {
  const double u = tau / time_scale;
  return std::log(c3_start) - (exponent ? *exponent * std::log1p(u) : u);
}

void validate(const MemorizationDecay& decay) {
  require_positive("c3_start", decay.c3_start);
  require_positive("time_scale", decay.time_scale);
  if (decay.exponent) require_positive("exponent", *decay.exponent);
}

QuasiStaticFade quasi_static_fade(const MemorizationDecay& decay, double lambda_w, double w_fade) {
  validate(decay);
  require_positive("lambda_w", lambda_w);
  require_positive("w_fade", w_fade);
  QuasiStaticFade result;
  result.w_start = transient_strength(decay.c3_start, lambda_w);
  const double log_ratio = std::log(decay.c3_start) - std::log(lambda_w);
  const double e_folds = log_ratio - std::log(w_fade) - w_fade;  // of c3, from the start to w_fade
  result.fades = e_folds > 0.0 && result.w_start > w_fade;
  if (!result.fades) return result;

  result.tau_fade = decay.time_scale * (decay.exponent ? std::expm1(e_folds / *decay.exponent) : e_folds);
  FadeIntegrand integrand{decay, std::log(lambda_w), log_ratio, SlowDown::logistic};
  result.t_fade = integral_over_log_w(integrand, w_fade, result.w_start);
  // The closed form needs the range of doubles, and digits to spare for its difference.
  if (!decay.exponent && result.w_start < 700.0 && result.w_start - w_fade > 0.1) {
    result.t_leading = decay.time_scale * exponential_fade_integral(w_fade, result.w_start);
  } else {
    integrand.slow_down = SlowDown::exponential;
    result.t_leading = integral_over_log_w(integrand, w_fade, result.w_start);
  }
  result.slow_down = *result.t_leading / *result.tau_fade;
  return result;
}

MemorizationFunctions homogeneous_functions(const MemorizationDecay& decay) {
  validate(decay);
  return {.c1 = [decay](double tau) { return sigmoid(decay.log_c3(tau)); },
          .c3 = [decay](double tau) { return std::exp(decay.log_c3(tau)); }};
}

std::string_view name(SlowDown slow_down) noexcept {
  switch (slow_down) {
    case SlowDown::logistic:
      return "logistic";
    case SlowDown::exponential:
      return "exponential";
  }
  return "";
}

std::string_view name(FadeOutcome outcome) noexcept {
  switch (outcome) {
    case FadeOutcome::faded:
      return "faded";
    case FadeOutcome::stayed_below:
      return "stayed_below";
    case FadeOutcome::reached_t_max:
      return "reached_t_max";
    case FadeOutcome::curve_ended:
      return "curve_ended";
    case FadeOutcome::step_limit:
      return "step_limit";
    case FadeOutcome::not_finite:
      return "not_finite";
  }
  return "";
}

}  // namespace iclk::theory
