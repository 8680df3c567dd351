#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "iclk/core/order_parameters.hpp"

namespace iclk::theory {

/// Attention strengths of the minimal model.
struct FlowState {
  double w = 0.0;     ///< strength of the copied label
  double beta = 0.0;  ///< strength of the match between target and context item
};

/// c1 and c2 as functions of time, for curves that are known in closed form. Both are called with 0 <= time.
struct OrderParameterFunctions {
  std::function<double(double)> c1;
  std::function<double(double)> c2;
};

struct FlowOptions {
  double rel_tol = 1e-10;  ///< local relative error per step; in [1e-14, 1e-2]
  double abs_tol = 1e-12;  ///< local absolute error per step, times min(1, exp(beta0)); > 0
  double t_max = std::numeric_limits<double>::infinity();  ///< stop here [time]; > 0. Curves also stop at their end
  /// Acquisition means that beta reaches this; the default is the blow-up of Eqs. 7-8 itself.
  double beta_acquired = std::numeric_limits<double>::infinity();
  int max_steps = 1'000'000;       ///< accepted steps; >= 1
  bool record_trajectory = false;  ///< keep every accepted step in FlowResult::trajectory
};
void validate(const FlowOptions& options);  ///< throws Error naming the bad field

enum class FlowOutcome {
  acquired,       ///< beta reached beta_acquired
  reached_t_max,  ///< t_max came first, or w and beta no longer change in double precision
  curve_ended,    ///< the end of the curves came first
  step_limit,     ///< max_steps came first
  not_finite,     ///< the state or an order parameter stopped being finite
};
std::string_view name(FlowOutcome outcome) noexcept;

struct FlowPoint {
  double time = 0.0;      ///< [time]
  double integral = 0.0;  ///< I_K(t) [time]
  FlowState state;
};

struct FlowResult {
  FlowOutcome outcome = FlowOutcome::step_limit;
  std::optional<double> t_icl;  ///< [time]; set only when acquired
  /// Where the flow ended. At a blow-up, the last step before it: beta large, and the time left from there below the
  /// rounding of t_icl.
  FlowState final_state;
  double final_time = 0.0;            ///< [time]
  double integral = 0.0;              ///< I_K(final_time) as integrated with the flow [time]
  int steps = 0;                      ///< accepted steps
  std::vector<FlowPoint> trajectory;  ///< start, every accepted step, end; empty unless asked for
};

/// Gradient flow of the attention parameters with measured order parameters.
///
///     dw/dt = (c1/N)(exp(beta) - c2 w),     dbeta/dt = (c1/N) w exp(beta)
///
/// Integrated along the arc length of (ln time, w, beta), so that neither the blow-up nor a c1 that dies out is
/// singular, with Dormand-Prince steps of Boost.Odeint, and with implicit ones while w is tied to its nullcline; the
/// crossing of beta_acquired, of t_max and of the end of the curves is bracketed by the dense output and then met by a
/// step of exactly that length. Before the first sample a curve is extended back to t = 0 by its first value.
///
/// Source   Eq. 7, Eq. 8 (the same as Eq. 31, Eq. 32).
/// Valid    exp(beta) << N and |w| exp(beta) << N; the blow-up stands for acquisition, which then takes a time of order
///          ln N more (landscape.hpp has the exact loss). From beta0 < -20 acquisition takes 1e19 and more, where
///          doubles do not resolve it: outcome not_finite or step_limit; acquisition_integral_exact has no such limit.
/// Takes    initial state; n_context >= 2; c1 > 0 and c2 in [0, 1].
/// Returns  how the flow ended, and when.
/// Throws   Error for bad options, n_context < 2, a start that is not finite, or curves that do not share their times.
/// Checked  [eq7] [eq8] [eq31] [eq32]
FlowResult integrate_flow(FlowState initial, double n_context, const OrderParameterCurves& curves,
                          const FlowOptions& options = {});

/// The same for constant order parameters: 0 < c1 < 1, 0 <= c2 <= 1.
///
/// Source   Eq. 7, Eq. 8.
/// Checked  [eq7] [eq8]
FlowResult integrate_flow(FlowState initial, double n_context, double c1, double c2, const FlowOptions& options = {});

/// The same for order parameters known in closed form. A function that returns something not finite, c1 < 0 or c2 < 0
/// ends the flow with outcome not_finite.
///
/// Source   Eq. 7, Eq. 8.
/// Checked  [eq7] [eq8]
FlowResult integrate_flow(FlowState initial, double n_context, const OrderParameterFunctions& functions,
                          const FlowOptions& options = {});

}  // namespace iclk::theory
