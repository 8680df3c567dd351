#include "iclk/theory/gradient_flow.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "arguments.hpp"
#include "flow_integrator.hpp"
#include "order_parameter_grid.hpp"

namespace iclk::theory {
namespace {

/// w, beta, log time x with t = time_unit (exp(x) - 1), intrinsic time s in units of s_unit.
using State = std::array<double, 4>;

struct PairOfValues {
  double c1, c2;
};

/// Constant order parameters.
struct ConstantSource {
  double c1, c2;
  PairOfValues operator()(double) { return {c1, c2}; }
};

/// Order parameters as functions of time.
struct FunctionSource {
  const OrderParameterFunctions& functions;
  PairOfValues operator()(double time) { return {functions.c1(time), functions.c2(time)}; }
};

/// Measured curves, continued on both sides by their end values; the flow never uses the part after the end.
struct CurveSource {
  const OrderParameterCurves& curves;
  PairOfValues operator()(double time) {
    const double t = std::clamp(time, curves.c1.start_time(), curves.c1.end_time());
    return {curves.c1(t), curves.c2(t)};
  }
};

/// Eqs. 7-8 per unit of x.
template <class Source>
struct System {
  Source source;
  double n_context;
  double time_unit;
  double s_unit;
  double last_log_time;

  double time(const State& y) const { return time_unit * std::expm1(std::min(y[2], last_log_time)); }

  void operator()(const State& y, State& rates) {
    const double t = time(y);
    const auto [c1, c2] = source(t);
    // Time that passes per unit of x, as intrinsic time ds = (c1/N) dt.
    const double ds = c1 / n_context * (t + time_unit);
    const double q = std::exp(y[1]);
    const double dw = ds * (q - c2 * y[0]);
    const double dbeta = ds * y[0] * q;
    if (!(c1 >= 0.0) || !(c2 >= 0.0) || !std::isfinite(dw) || !std::isfinite(dbeta)) {
      rates.fill(std::numeric_limits<double>::quiet_NaN());
      return;
    }
    rates = {dw, dbeta, 1.0, ds / s_unit};
  }
};

template <class Source>
FlowResult integrate(FlowState initial, double n_context, Source source, double end_of_curves,
                     const FlowOptions& options) {
  validate(options);
  require_context(n_context);
  require_finite("w0", initial.w);
  require_finite("beta0", initial.beta);

  FlowResult result;
  result.final_state = initial;
  if (options.record_trajectory) result.trajectory.push_back({0.0, 0.0, initial});
  if (initial.beta >= options.beta_acquired) {
    result.outcome = FlowOutcome::acquired;
    result.t_icl = 0.0;
    return result;
  }
  const auto [first_c1, first_c2] = source(0.0);
  // Intrinsic time in which the start state begins to move: exp(-beta0)/(1 + |w0|), but no more than 1/c2 ~ 1.
  const double s_unit = 1.0 / (1.0 + std::exp(initial.beta) * (1.0 + std::abs(initial.w)));
  const double time_unit = s_unit * n_context / first_c1;
  if (!(first_c1 > 0.0) || !(first_c2 >= 0.0) || !(s_unit > 0.0) || !std::isfinite(time_unit) || !(time_unit > 0.0)) {
    result.outcome = FlowOutcome::not_finite;
    return result;
  }

  const double stop_time = std::min({options.t_max, end_of_curves, kLastTime});
  const double stop_log_time = std::log1p(stop_time / time_unit);
  System<Source> system{source, n_context, time_unit, s_unit, std::log1p(kLastTime / time_unit)};
  // A cold start has w ~ exp(beta0), which must not drown in the absolute tolerance.
  const double abs_tol = options.abs_tol * std::min(1.0, std::exp(initial.beta));
  // Arc length of (w, beta, x): neither the blow-up nor a c1 that dies out is singular along it.
  FlowIntegrator<4, 3, System<Source>> run(system, {initial.w, initial.beta, 0.0, 0.0},
                                           std::min(0.01, 0.1 * stop_log_time),
                                           {options.rel_tol, abs_tol, options.max_steps});

  const auto finish = [&](const State& end, FlowOutcome outcome) {
    result.outcome = outcome;
    result.final_state = {end[0], end[1]};
    result.final_time = system.time(end);
    result.integral = 2.0 * n_context * s_unit * end[3];
    result.steps = run.steps();
    if (options.record_trajectory) {
      result.trajectory.push_back({result.final_time, result.integral, result.final_state});
    }
  };

  StepOutcome step = run.step();
  for (; step == StepOutcome::accepted; step = run.step()) {
    const State& y = run.now().y;
    const bool beta_reached = y[1] >= options.beta_acquired;
    const bool stop_reached = y[2] >= stop_log_time;
    if (beta_reached || stop_reached) {
      const auto at_beta = [&](const State& at) { return at[1] - options.beta_acquired; };
      const auto at_stop = [&](const State& at) { return at[2] - stop_log_time; };
      auto end = beta_reached ? run.locate(at_beta) : run.locate(at_stop);
      FlowOutcome outcome = FlowOutcome::acquired;
      if (beta_reached) end.y[1] = options.beta_acquired;
      if (stop_reached) {
        const auto stop = run.locate(at_stop);
        if (!beta_reached || stop.x < end.x) {
          end = stop;
          outcome = end_of_curves <= stop_time ? FlowOutcome::curve_ended : FlowOutcome::reached_t_max;
        }
      }
      finish(end.y, outcome);
      if (outcome == FlowOutcome::acquired) {
        result.t_icl = result.final_time;
      } else {
        result.final_time = stop_time;
      }
      return result;
    }

    // At the blow-up p = exp(-beta) reaches zero; the intrinsic time left is p/w, exactly so up to a factor 1 - 1/w^2.
    const double left = std::exp(-y[1]) / y[0];
    if (y[0] > 1.0 && left < 1e-18 * s_unit * y[3]) {
      finish(y, FlowOutcome::acquired);
      result.t_icl = result.final_time;
      return result;
    }
    if (options.record_trajectory) {
      result.trajectory.push_back({system.time(y), 2.0 * n_context * s_unit * y[3], {y[0], y[1]}});
    }
  }
  finish(run.now().y, step == StepOutcome::step_limit ? FlowOutcome::step_limit : FlowOutcome::not_finite);
  return result;
}

}  // namespace

void validate(const FlowOptions& options) {
  require(options.rel_tol >= 1e-14 && options.rel_tol <= 1e-2, "rel_tol", "a number in [1e-14, 1e-2]", options.rel_tol);
  require(options.abs_tol > 0.0 && std::isfinite(options.abs_tol), "abs_tol", "a positive number", options.abs_tol);
  require(options.t_max > 0.0, "t_max", "a positive number", options.t_max);
  require(!std::isnan(options.beta_acquired), "beta_acquired", "a number", options.beta_acquired);
  require(options.max_steps >= 1, "max_steps", "at least 1", options.max_steps);
}

std::string_view name(FlowOutcome outcome) noexcept {
  switch (outcome) {
    case FlowOutcome::acquired:
      return "acquired";
    case FlowOutcome::reached_t_max:
      return "reached_t_max";
    case FlowOutcome::curve_ended:
      return "curve_ended";
    case FlowOutcome::step_limit:
      return "step_limit";
    case FlowOutcome::not_finite:
      return "not_finite";
  }
  return "";
}

FlowResult integrate_flow(FlowState initial, double n_context, const OrderParameterCurves& curves,
                          const FlowOptions& options) {
  require_shared_times(curves);
  return integrate(initial, n_context, CurveSource{curves}, curves.c1.end_time(), options);
}

FlowResult integrate_flow(FlowState initial, double n_context, double c1, double c2, const FlowOptions& options) {
  require(c1 > 0.0 && c1 <= 1.0, "c1", "a number in (0, 1]", c1);
  require(c2 >= 0.0 && c2 <= 1.0, "c2", "a number in [0, 1]", c2);
  return integrate(initial, n_context, ConstantSource{c1, c2}, std::numeric_limits<double>::infinity(), options);
}

FlowResult integrate_flow(FlowState initial, double n_context, const OrderParameterFunctions& functions,
                          const FlowOptions& options) {
  if (!functions.c1 || !functions.c2) throw field_error("functions", "expected both c1 and c2");
  return integrate(initial, n_context, FunctionSource{functions}, std::numeric_limits<double>::infinity(), options);
}

}  // namespace iclk::theory
