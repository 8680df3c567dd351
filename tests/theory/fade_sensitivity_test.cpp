#include "iclk/theory/fade_sensitivity.hpp"

#include <boost/math/differentiation/autodiff.hpp>
#include <boost/math/special_functions/expint.hpp>
#include <boost/math/special_functions/lambert_w.hpp>
#include <cmath>
#include <functional>
#include <vector>

#include "iclk/core/error.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::FadeSensitivity;
using theory::InverseOutcome;
using theory::MemorizationDecay;
using theory::SlowDown;

namespace {

double central(const std::function<double(double)>& f, double step) {
  return (8.0 * (f(step) - f(-step)) - (f(2.0 * step) - f(-2.0 * step))) / (12.0 * step);
}

double time_of(const MemorizationDecay& decay, double lambda_w, double w_fade, SlowDown slow_down) {
  const theory::QuasiStaticFade fade = theory::quasi_static_fade(decay, lambda_w, w_fade);
  return slow_down == SlowDown::logistic ? *fade.t_fade : *fade.t_leading;
}

/// Equal logits with c3 = (1 + tau/T)^-2 up to tau = 2000 T.
OrderParameterCurves memorizing_curves() {
  std::vector<double> times, c1, c2, c3;
  for (int i = 0; i <= 1500; ++i) {
    const double u = std::expm1(i * 0.005);
    const double value = std::pow(1.0 + u, -2.0);
    times.push_back(200.0 * u);
    c3.push_back(value);
    c1.push_back(value / (1.0 + value));
    c2.push_back(1.0 / (1.0 + value));
  }
  return {Curve(times, c1), Curve(times, c2), Curve(times, c3), false};
}

}  // namespace

TEST_CASE("fade sensitivity: the quasi-static time against differences", "[theory][eq45][gradient]") {
  for (const SlowDown slow_down : {SlowDown::exponential, SlowDown::logistic}) {
    for (const MemorizationDecay& decay :
         {MemorizationDecay{1.0, 1000.0, {}}, MemorizationDecay{0.7, 300.0, 1.0}, MemorizationDecay{1.5, 50.0, 2.5}}) {
      for (const double lambda_w : {1e-9, 1e-3, 0.1}) {
        INFO(name(slow_down) << ", lambda_w " << lambda_w << ", T " << decay.time_scale);
        const FadeSensitivity result = theory::fade_sensitivity(decay, lambda_w, 0.8, slow_down);
        const double h = 1e-3;
        const auto close = [](double value) { return WithinRel(value, 1e-8); };
        const auto by_lambda = [&](double e) {
          return std::log(time_of(decay, lambda_w * std::exp(e), 0.8, slow_down));
        };
        const auto by_c3 = [&](double e) {
          MemorizationDecay moved = decay;
          moved.c3_start *= std::exp(e);
          return std::log(time_of(moved, lambda_w, 0.8, slow_down));
        };
        const auto by_scale = [&](double e) {
          MemorizationDecay moved = decay;
          moved.time_scale *= std::exp(e);
          return std::log(time_of(moved, lambda_w, 0.8, slow_down));
        };
        const auto by_w = [&](double e) { return std::log(time_of(decay, lambda_w, 0.8 + e, slow_down)); };
        REQUIRE_THAT(*result.t_fade, WithinRel(time_of(decay, lambda_w, 0.8, slow_down), 1e-15));
        REQUIRE_THAT(result.log_lambda_w, close(central(by_lambda, h)));
        REQUIRE_THAT(result.log_c3_start, close(central(by_c3, h)));
        REQUIRE_THAT(result.log_time_scale, close(central(by_scale, h)));
        REQUIRE_THAT(result.w_fade, WithinAbs(central(by_w, h), 1e-8 * (1.0 + std::abs(result.w_fade))));
      }
    }
  }
  // Nothing fades where w_tr starts below w_fade.
  REQUIRE_FALSE(theory::fade_sensitivity({}, 1.0, 1.0).t_fade.has_value());
}

TEST_CASE("fade sensitivity: the closed form against automatic differentiation", "[theory][eq45][gradient]") {
  // t = T [exp(W) + Ei(W)] from w_f to W_0, dt/dlambda with W(c3_0/lambda) by the chain rule of Boost.
  namespace autodiff = boost::math::differentiation;
  const double lambda_w = 1e-3;
  const auto lambda = autodiff::make_fvar<double, 1>(lambda_w);
  const auto w_start = lambert_w0(1.0 / lambda);
  const double w = static_cast<double>(w_start);
  const double slope = 1000.0 * std::exp(w) * (1.0 + 1.0 / w) * w_start.derivative(1);
  const FadeSensitivity result = theory::fade_sensitivity({1.0, 1000.0, {}}, lambda_w, 1.0, SlowDown::exponential);
  REQUIRE_THAT(result.log_lambda_w * *result.t_fade, WithinRel(slope * lambda_w, 1e-12));
  REQUIRE_THAT(result.log_lambda_w * *result.t_fade, WithinRel(-1000.0 * std::exp(w), 1e-12));
}

TEST_CASE("fade inverse: the lambda_w found has the wanted fade time", "[theory][eq45][identity]") {
  for (const SlowDown slow_down : {SlowDown::exponential, SlowDown::logistic}) {
    for (const MemorizationDecay& decay : {MemorizationDecay{1.0, 1000.0, {}}, MemorizationDecay{0.7, 300.0, 1.5}}) {
      for (const double wanted : {10.0, 1e4, 1e8, 1e20}) {
        INFO(name(slow_down) << ", wanted " << wanted);
        const theory::InverseAnswer answer = theory::lambda_w_for_fade_time(decay, wanted, 1.0, slow_down);
        REQUIRE(answer.outcome == InverseOutcome::found);
        REQUIRE_THAT(time_of(decay, *answer.value, 1.0, slow_down), WithinRel(wanted, 1e-9));
      }
    }
  }
  const auto late = theory::lambda_w_for_fade_time(MemorizationDecay{}, 1e299, 1.0, SlowDown::exponential);
  REQUIRE(late.outcome == InverseOutcome::too_large);
}

TEST_CASE("fade sensitivity: on a curve against the quasi-static law and differences", "[theory][eq44][gradient]") {
  const OrderParameterCurves curves = memorizing_curves();
  const double lambda_w = 1e-2;
  const theory::CurveFadeSensitivity result = theory::curve_fade_sensitivity(curves, lambda_w);
  REQUIRE(result.outcome == theory::TransienceOutcome::transient);
  // The law that made the curve; w lags behind w_tr by a few per cent here.
  const FadeSensitivity law = theory::fade_sensitivity({1.0, 200.0, 2.0}, lambda_w);
  REQUIRE_THAT(*result.log_lambda_w, WithinRel(law.log_lambda_w, 0.1));
  REQUIRE_FALSE(result.log_context.has_value());
  const auto by_lambda = [&](double e) {
    return std::log(*theory::predict_transience(curves, lambda_w * std::exp(e)).t_fade.value);
  };
  REQUIRE_THAT(*result.log_lambda_w, WithinRel(central(by_lambda, 0.05), 1e-4));

  for (const theory::AcquisitionModel model : {theory::AcquisitionModel::leading, theory::AcquisitionModel::binomial}) {
    theory::TransienceOptions acquired;
    acquired.n_context = 20.0;
    acquired.model = model;
    acquired.initial = {0.1, 0.2};
    const theory::CurveFadeSensitivity with_start = theory::curve_fade_sensitivity(curves, 1e-3, acquired);
    REQUIRE(with_start.outcome == theory::TransienceOutcome::transient);
    const auto by_beta0 = [&](double e) {
      theory::TransienceOptions moved = acquired;
      moved.initial.beta += e;
      return std::log(*theory::predict_transience(curves, 1e-3, moved).t_fade.value);
    };
    REQUIRE_THAT(*with_start.beta0, WithinAbs(central(by_beta0, 0.02), 1e-5 * (1.0 + std::abs(*with_start.beta0))));
    // What delays acquisition acts as a smaller beta0.
    REQUIRE(*with_start.log_context * *with_start.beta0 < 0.0);
    REQUIRE(*with_start.w0 * *with_start.beta0 > 0.0);
    if (model == theory::AcquisitionModel::binomial) {
      acquired.n_context = 3.0;
      REQUIRE_FALSE(theory::curve_fade_sensitivity(curves, 1e-3, acquired).log_context.has_value());
    }
  }

  const theory::InverseAnswer answer = theory::lambda_w_for_fade_time(curves, 2.0 * *result.t_fade);
  REQUIRE(answer.outcome == InverseOutcome::found);
  REQUIRE(*answer.value < lambda_w);
  REQUIRE_THAT(*theory::predict_transience(curves, *answer.value).t_fade.value, WithinRel(2.0 * *result.t_fade, 1e-6));
  REQUIRE(theory::lambda_w_for_fade_time(curves, 1e-9).outcome == InverseOutcome::too_small);
}

TEST_CASE("fade sensitivity: impossible arguments are named", "[theory][errors]") {
  const OrderParameterCurves curves = memorizing_curves();
  REQUIRE_THROWS_WITH(theory::fade_sensitivity({-1.0, 1.0, {}}, 1e-3), StartsWith("c3_start: expected"));
  REQUIRE_THROWS_WITH(theory::fade_sensitivity({}, 0.0), StartsWith("lambda_w: expected"));
  REQUIRE_THROWS_WITH(theory::fade_sensitivity({}, 1e-3, 0.0), StartsWith("w_fade: expected"));
  REQUIRE_THROWS_WITH(theory::lambda_w_for_fade_time(MemorizationDecay{}, 0.0),
                      "wanted_time: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(theory::lambda_w_for_fade_time(MemorizationDecay{}, 1.0, 1000.0),
                      "w_fade: expected a number above 0, below 600, got 1000");
  REQUIRE_THROWS_WITH(theory::curve_fade_sensitivity(curves, 0.0), "lambda_w: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(theory::lambda_w_for_fade_time(curves, -1.0), "wanted_time: expected a positive number, got -1");
}
