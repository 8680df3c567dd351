#include "iclk/theory/sensitivity.hpp"

#include <algorithm>
#include <array>
#include <boost/math/quadrature/gauss.hpp>
#include <boost/math/special_functions/log1p.hpp>
#include <cmath>
#include <numbers>
#include <vector>

#include "arguments.hpp"
#include "exact_blow_up.hpp"
#include "flow_integrator.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/memorization_integral.hpp"
#include "iclk/theory/threshold.hpp"
#include "order_parameter_grid.hpp"
#include "root_between.hpp"

namespace iclk::theory {
namespace {

/// s_blow and the derivatives of its logarithm.
struct BlowUpGradient {
  double s;
  double beta0, w0, c2;
};

/// R'(x)/R(x) = x - 1/R(x).
double mills_slope(double x) { return x >= 0.0 ? -inverse_mills_excess(x) : x - 1.0 / mills_ratio(x); }

BlowUpGradient gradient_of(double beta0, double w0, double c2) {
  const double p0 = std::exp(-beta0);
  const double kappa = c2 * p0;
  const double x = w0 - kappa;
  const double s = exact_blow_up(beta0, w0, c2);
  const double y = kappa > 0.0 ? kappa * mills_ratio(x) : 0.0;
  const double slope = mills_slope(x);
  if (y < 1e300) {
    // (1 + y) l(y), l = ln(1 + y)/y; its excess over 1 is (ln(1 + y) - y + y ln(1 + y))/y.
    const double excess = y < 1e-5  ? y * (0.5 - y * (1.0 / 6.0 - y / 12.0))
                          : y < 0.5 ? (boost::math::log1pmx(y) + y * std::log1p(y)) / y
                                    : (1.0 + y) * std::log1p(y) / y - 1.0;
    const double denominator = 1.0 + excess;
    const double by_kappa = (1.0 - kappa * slope) / denominator;
    // (by_kappa - 1)/c2 without its cancellation at small kappa.
    const double excess_over_c2 = c2 > 0.0 ? excess / c2 : 0.5 * p0 * mills_ratio(x);
    return {s, -by_kappa, slope / denominator, (-p0 * slope - excess_over_c2) / denominator};
  }
  const double denominator = c2 * s;  // y beyond range: (1 + y) l = ln y
  const double by_kappa = (1.0 - kappa * slope) / denominator;
  return {s, -by_kappa, slope / denominator, (by_kappa - 1.0) / c2};
}

double log_of(double value) { return std::clamp(std::log(value), -720.0, 720.0); }  // brackets need finite ends

double exponential(double x) { return std::exp(x); }
double minus(double x) { return -x; }

constexpr std::size_t kDirections = 4;  // beta0, w0, ln N, lambda_w
using VariedState = std::array<double, 3 + 2 * kDirections>;

/// Eqs. 7-8 with L2 on w and their variation along kDirections, at fixed time; y: w, beta, x with
/// t = unit (exp(x) - 1), then (dw, dbeta) of each direction.
struct VariedSystem {
  const OrderParameterCurves& curves;
  double n_context;
  double lambda_w;
  double unit;

  double time(const VariedState& y) const { return unit * std::expm1(y[2]); }

  void operator()(const VariedState& y, VariedState& rates) const {
    const double t = std::clamp(time(y), curves.c1.start_time(), curves.c1.end_time());
    const double dt = unit * std::exp(y[2]);
    const double c1 = curves.c1(t) / n_context * dt;
    const double c2 = curves.c2(t);
    const double decay = lambda_w * dt;
    const double w = y[0];
    const double q = std::exp(y[1]);
    const double pull = c1 * (q - c2 * w);
    const double growth = c1 * w * q;
    rates[0] = pull - decay * w;
    rates[1] = growth;
    rates[2] = 1.0;
    for (std::size_t i = 0; i < kDirections; ++i) {
      const double dw = y[3 + 2 * i];
      const double dbeta = y[4 + 2 * i];
      rates[3 + 2 * i] = c1 * (q * dbeta - c2 * dw) - decay * dw;
      rates[4 + 2 * i] = c1 * q * (dw + w * dbeta);
    }
    rates[7] -= pull;  // ln N enters as c1/N
    rates[8] -= growth;
    rates[9] -= dt * w;  // lambda_w
  }
};

/// A function of the unknown that rises with it, zero where ln t_ICL is the wanted one.
double log_time_excess(const CurveSensitivity& result, double wanted_time) {
  return result.t_icl ? std::log(*result.t_icl / wanted_time) : 50.0;  // not acquired: later than anything wanted
}

}  // namespace

LogGradient blow_up_gradient(const ExactFlow& flow) {
  const double c2 = effective_c2(flow);
  const BlowUpGradient gradient = gradient_of(flow.initial.beta, flow.initial.w, c2);
  // c2_effective = (c2 + N lambda_w/(c1 B))/rho, I_K = 2 N s/(rho B).
  const double decay = flow.n_context * flow.lambda_w / (flow.c1 * flow.copies) / flow.rho;
  LogGradient result;
  result.beta0 = gradient.beta0;
  result.w0 = gradient.w0;
  result.c2 = gradient.c2 / flow.rho;
  result.lambda_w = gradient.c2 * flow.n_context / (flow.c1 * flow.copies) / flow.rho;
  result.log_context = 1.0 + gradient.c2 * decay;
  result.log_c1 = -gradient.c2 * decay;
  result.log_rho = -1.0 - gradient.c2 * c2;
  result.log_copies = -1.0 - gradient.c2 * decay;
  return result;
}

ThresholdSensitivity threshold_sensitivity(const ExactFlow& flow, double prefactor, double nu) {
  ThresholdSensitivity result;
  result.k_star = threshold_from_law(prefactor, nu, blow_up_integral(flow));
  result.gradient = blow_up_gradient(flow);
  for (double* derivative :
       {&result.gradient.log_context, &result.gradient.beta0, &result.gradient.w0, &result.gradient.c2,
        &result.gradient.lambda_w, &result.gradient.log_c1, &result.gradient.log_rho, &result.gradient.log_copies}) {
    *derivative /= nu;
  }
  result.log_prefactor = -1.0 / nu;
  result.nu = -std::log(result.k_star) / nu;
  return result;
}

CurveSensitivity curve_sensitivity(const OrderParameterCurves& curves, double n_context, FlowState initial,
                                   double lambda_w) {
  require_shared_times(curves);
  require_context(n_context);
  require_finite("w0", initial.w);
  require_finite("beta0", initial.beta);
  require(lambda_w >= 0.0 && std::isfinite(lambda_w), "lambda_w", "a number that is not negative", lambda_w);
  CurveSensitivity result;

  const double q0 = std::exp(initial.beta);
  const double first_c1 = curves.c1(curves.c1.start_time());
  const double unit = n_context / first_c1 / (1.0 + q0 * (1.0 + std::abs(initial.w)));
  if (!std::isfinite(unit) || !(unit > 0.0)) {
    result.outcome = FlowOutcome::not_finite;
    return result;
  }
  const VariedSystem system{curves, n_context, lambda_w, unit};
  const double end = curves.c1.end_time();
  constexpr double kTolerance = 1e-11;
  FlowIntegrator<std::tuple_size_v<VariedState>, 3, const VariedSystem> run(
      system, {initial.w, initial.beta, 0.0, 0.0, 1.0, 1.0}, 0.01,
      {kTolerance, kTolerance * std::min(1.0, q0), 200'000});
  StepOutcome step = run.step();
  for (; step == StepOutcome::accepted; step = run.step()) {
    const VariedState& y = run.now().y;
    const double t = system.time(y);
    if (t >= end) break;
    const double c1 = curves.c1(std::max(t, curves.c1.start_time()));
    const double c2 = curves.c2(std::max(t, curves.c2.start_time())) + n_context * lambda_w / c1;
    // From here on c2 is constant to better than the square of the time left: the closed solution ends the flow.
    const double left = std::exp(-y[1]) / y[0] * n_context / c1;
    if (!(y[0] > 1.0) || left > 1e-6 * t) continue;
    const BlowUpGradient rest = gradient_of(y[1], y[0], c2);
    const double rest_integral = 2.0 * n_context * rest.s;
    const std::optional<double> t_icl =
        time_of_memorization_integral(curves.c1, memorization_integral_at(curves.c1, t) + rest_integral);
    if (!t_icl) break;
    const double scale = rest_integral / (2.0 * curves.c1(std::max(*t_icl, curves.c1.start_time())) * *t_icl);
    const auto direction = [&](std::size_t i, double by_c2) {
      return scale * (rest.w0 * y[3 + 2 * i] + rest.beta0 * y[4 + 2 * i] + rest.c2 * by_c2);
    };
    result.outcome = FlowOutcome::acquired;
    result.t_icl = t_icl;
    result.gradient.beta0 = direction(0, 0.0);
    result.gradient.w0 = direction(1, 0.0);
    result.gradient.log_context = direction(2, n_context * lambda_w / c1) + scale;
    result.gradient.lambda_w = direction(3, n_context / c1);
    result.gradient.log_c1 = -result.gradient.log_context;  // both enter as c1/N only
    result.log_stretch = 1.0 + result.gradient.log_c1 + lambda_w * result.gradient.lambda_w;
    return result;
  }
  result.outcome = step == StepOutcome::accepted     ? FlowOutcome::curve_ended
                   : step == StepOutcome::step_limit ? FlowOutcome::step_limit
                                                     : FlowOutcome::not_finite;
  return result;
}

void validate(const SuccessSetting& setting) {
  validate(setting.flow);
  require(setting.beta0_sd > 0.0 && std::isfinite(setting.beta0_sd), "beta0_sd", "a positive number", setting.beta0_sd);
  require(setting.w0_sd >= 0.0 && std::isfinite(setting.w0_sd), "w0_sd", "a number that is not negative",
          setting.w0_sd);
  require(setting.i_infinity > 0.0 && std::isfinite(setting.i_infinity), "i_infinity", "a positive number",
          setting.i_infinity);
}

SuccessSensitivity success_sensitivity(const SuccessSetting& setting) {
  validate(setting);
  SuccessSensitivity sum;
  const double mean = setting.flow.initial.beta;
  // Adds the starts with w0 = mean + u sd, which carry `weight`.
  const auto add = [&](double u, double weight) {
    ExactFlow flow = setting.flow;
    flow.initial.w += u * setting.w0_sd;
    const InverseAnswer edge = solve_for(Unknown::beta0, flow, setting.i_infinity);
    if (edge.outcome == InverseOutcome::too_large) sum.probability += weight;  // even the coldest start acquires
    if (!edge.value) return;
    const double g = (mean - *edge.value) / setting.beta0_sd;
    sum.probability += weight * 0.5 * std::erfc(-g / std::numbers::sqrt2);
    flow.initial.beta = *edge.value;
    const LogGradient gradient = blow_up_gradient(flow);
    const double density = weight * std::exp(-0.5 * g * g) / (std::sqrt(2.0 * std::numbers::pi) * setting.beta0_sd);
    sum.beta0_mean += density;
    sum.beta0_sd -= density * g;
    const double per_log_x = density / gradient.beta0;  // < 0
    sum.log_context += per_log_x * gradient.log_context;
    sum.w0_mean += per_log_x * gradient.w0;
    sum.w0_sd += per_log_x * gradient.w0 * u;
    sum.c2 += per_log_x * gradient.c2;
    sum.lambda_w += per_log_x * gradient.lambda_w;
    sum.log_i_infinity -= per_log_x;
  };
  if (!(setting.w0_sd > 0.0)) {
    add(0.0, 1.0);
    return sum;
  }
  // Gauss-Legendre panels over +-9 standard deviations, with finer ones over the step in u that a narrow beta0 makes.
  std::vector<double> cuts;
  for (int i = -6; i <= 6; ++i) cuts.push_back(1.5 * i);
  const InverseAnswer step = solve_for(Unknown::w0, setting.flow, setting.i_infinity);
  if (step.value) {
    ExactFlow there = setting.flow;
    there.initial.w = *step.value;
    const LogGradient gradient = blow_up_gradient(there);
    const double middle = (*step.value - setting.flow.initial.w) / setting.w0_sd;
    const double width = setting.beta0_sd / setting.w0_sd * gradient.beta0 / gradient.w0;
    for (int i = -8; i <= 8; ++i) cuts.push_back(middle + i * width);
  }
  std::ranges::sort(cuts);
  using Gauss = boost::math::quadrature::gauss<double, 20>;
  for (std::size_t panel = 1; panel < cuts.size(); ++panel) {
    const double half = 0.5 * (cuts[panel] - cuts[panel - 1]);
    const double middle = 0.5 * (cuts[panel] + cuts[panel - 1]);
    if (!(half > 0.0) || std::abs(middle) > 9.0) continue;
    for (std::size_t i = 0; i < Gauss::abscissa().size(); ++i) {
      for (const double sign : {-1.0, 1.0}) {
        const double u = middle + sign * half * Gauss::abscissa()[i];
        add(u, half * Gauss::weights()[i] * std::exp(-0.5 * u * u) / std::sqrt(2.0 * std::numbers::pi));
      }
    }
  }
  return sum;
}

std::string_view name(Unknown unknown) noexcept {
  switch (unknown) {
    case Unknown::n_context:
      return "context";
    case Unknown::beta0:
      return "beta0";
    case Unknown::w0:
      return "w0";
    case Unknown::lambda_w:
      return "lambda_w";
  }
  return "";
}

std::string_view name(InverseOutcome outcome) noexcept {
  switch (outcome) {
    case InverseOutcome::found:
      return "found";
    case InverseOutcome::too_small:
      return "too_small";
    case InverseOutcome::too_large:
      return "too_large";
  }
  return "";
}

InverseAnswer solve_for(Unknown unknown, const ExactFlow& flow, double wanted_integral) {
  validate(flow);
  require(wanted_integral > 0.0 && std::isfinite(wanted_integral), "wanted_integral", "a positive number",
          wanted_integral);
  const double wanted = std::log(wanted_integral);
  ExactFlow trial = flow;
  const auto excess = [&] { return log_of(blow_up_integral(trial)) - wanted; };
  switch (unknown) {
    case Unknown::n_context: {
      const double smallest = std::max(2.0, flow.copies);
      return mapped(root_between(
                        [&](double log_n) {
                          trial.n_context = std::max(smallest, std::exp(log_n));
                          return excess();
                        },
                        std::log(smallest), 690.0),
                    exponential);
    }
    case Unknown::beta0:
      return mapped(root_between(
                        [&](double minus_beta0) {
                          trial.initial.beta = -minus_beta0;
                          return excess();
                        },
                        -690.0, 340.0),
                    minus);
    case Unknown::w0:
      return mapped(root_between(
                        [&](double minus_w0) {
                          trial.initial.w = -minus_w0;
                          return excess();
                        },
                        -1e8, 1e8),
                    minus);
    case Unknown::lambda_w: {
      trial.lambda_w = 0.0;
      const double without = excess();
      if (without > 0.0) return {InverseOutcome::too_small, {}};
      if (!(without < 0.0)) return {InverseOutcome::found, 0.0};
      const auto at_log = [&](double log_lambda) {
        trial.lambda_w = std::exp(log_lambda);
        return excess();
      };
      return mapped(root_between(at_log, -690.0, 690.0), exponential);
    }
  }
  return {};
}

InverseAnswer solve_for(Unknown unknown, const OrderParameterCurves& curves, double n_context, FlowState initial,
                        double lambda_w, double wanted_time) {
  require(wanted_time > 0.0 && wanted_time <= curves.c1.end_time(), "wanted_time", "a time within the curves",
          wanted_time);
  // Also checks the arguments that the search keeps.
  const auto excess = [&] {
    return log_time_excess(curve_sensitivity(curves, n_context, initial, lambda_w), wanted_time);
  };
  excess();
  switch (unknown) {
    case Unknown::n_context:
      return mapped(root_between(
                        [&](double log_n) {
                          n_context = std::max(2.0, std::exp(log_n));
                          return excess();
                        },
                        std::log(2.0), std::log(1e9)),
                    exponential);
    case Unknown::beta0:
      return mapped(root_between(
                        [&](double minus_beta0) {
                          initial.beta = -minus_beta0;
                          return excess();
                        },
                        -30.0, 15.0),
                    minus);
    case Unknown::w0:
      return mapped(root_between(
                        [&](double minus_w0) {
                          initial.w = -minus_w0;
                          return excess();
                        },
                        -300.0, 300.0),
                    minus);
    case Unknown::lambda_w: {
      lambda_w = 0.0;
      const double without = excess();
      if (without > 0.0) return {InverseOutcome::too_small, {}};
      if (!(without < 0.0)) return {InverseOutcome::found, 0.0};
      const auto at_log = [&](double log_lambda) {
        lambda_w = std::exp(log_lambda);
        return excess();
      };
      return mapped(root_between(at_log, std::log(1e-12), std::log(1e6)), exponential);
    }
  }
  return {};
}

}  // namespace iclk::theory
