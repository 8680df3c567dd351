#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"

namespace iclk::fit {

/// Writes the model at every observation. parameters: [p]; values: [n].
using NonlinearModel = std::function<void(std::span<const double> parameters, std::span<double> values)>;

/// Writes the derivative of every value by every parameter. parameters: [p]; jacobian: [n x p], row-major.
using NonlinearJacobian = std::function<void(std::span<const double> parameters, std::span<double> jacobian)>;

struct NonlinearOptions {
  double sum_tolerance = 1e-15;   ///< relative change of the sum of squares below which the solver stops
  double step_tolerance = 1e-15;  ///< relative change of the parameters below which the solver stops
  int max_evaluations = 5000;     ///< of the model by the solver; derivatives by differences are not counted
  /// Bound on the first step, in units of the start (norm, scaled by the derivatives). Smaller is slower, and keeps a
  /// start that lies far from the answer from being thrown further away.
  double first_step = 100;
  int max_restarts = 3;  ///< with a tenth of the first step each, when the solver stopped where there is no minimum
  /// Smallest pivot of the scaled derivatives, relative to the largest, that still counts as an independent parameter.
  double rank_tolerance = 1e-10;
};
void validate(const NonlinearOptions& options);  ///< throws Error naming the bad field

enum class NonlinearOutcome {
  fitted,            ///< a minimum with standard errors
  saturated,         ///< a minimum, as many observations as parameters: no errors
  not_identified,    ///< the derivatives depend on each other where the solver stopped: no unique answer
  stalled,           ///< the solver stopped where the sum of squares is not smallest
  evaluation_limit,  ///< max_evaluations reached
  not_finite,        ///< the model or its derivatives are not finite at the start or where the solver went
};
std::string_view name(NonlinearOutcome outcome);

/// Why the solver stopped.
enum class SolverStop { not_started, sum_of_squares, step, sum_and_step, gradient, evaluation_limit, not_finite };
std::string_view words(SolverStop stop);  ///< "no further reduction of the sum of squares", ...

/// Answer of a nonlinear least-squares problem with n observations and p parameters.
struct NonlinearFit {
  NonlinearOutcome outcome = NonlinearOutcome::not_finite;
  SolverStop stop = SolverStop::not_started;
  std::vector<double> parameters;                 ///< [p], where the solver stopped
  std::vector<double> covariance;                 ///< [p x p], row-major; only when fitted
  std::vector<double> standard_errors;            ///< [p]; only when fitted
  std::vector<Estimate> parameter_interval;       ///< [p], 95 % Student t; low and high only when fitted
  std::vector<double> residuals;                  ///< [n], observed minus fitted, unweighted
  std::optional<double> residual_sum_of_squares;  ///< weighted
  std::optional<double> residual_sd;              ///< sd of an observation of weight 1; only when fitted
  double degrees_of_freedom = 0.0;                ///< n_used - p, where an observation of weight 0 is not used
  /// Distance to the minimum as the derivatives see it, in units of the statistical error: the part of the residuals
  /// along the tangent plane over the part across it, each per degree of freedom. Empty where there is none.
  std::optional<double> relative_offset;
  int n_evaluations = 0;  ///< of the model by the solver, restarts included
  int n_restarts = 0;
};

/// Nonlinear least squares by the method of Levenberg and Marquardt (Eigen's port of MINPACK's `lmder`).
///
///     minimise sum_i weight_i (y_i - f_i(b))^2,    cov b = s^2 (J' W J)^-1,   s^2 = RSS / (n - p)
///
/// Parameters are scaled by the norms of their columns of J, so their units do not matter. Where the sum of squares no
/// longer resolves the minimum, Gauss-Newton steps lead to where the tangent part of the residuals vanishes. A trial
/// step to where the model is not finite is refused like one that does not reduce the sum. A stop is called `fitted`
/// when the relative offset of Bates and Watts is below 0.001 or the residuals are rounding; else `stalled`.
///
/// Source   More 1978 (the method); Bates and Watts 1981 (the offset).
/// Valid    Finds the minimum that the start leads to. Standard errors are those of the tangent plane at the minimum.
/// Takes    model, jacobian: see above; an empty jacobian is replaced by central differences of sixth order with steps
///          of 5e-4 of each parameter (of 1 where it is 0), good to about 1e-12 where the model is
///          smooth over three such steps. observations: [n], n >= p. start: [p], not empty. weights: [n] non-negative,
///          at least p of them positive; empty for equal.
/// Throws   Error for shapes that do not match, a non-finite observation, start or weight, or a negative weight.
/// Checked  NIST StRD nonlinear regression problems, all three levels of difficulty.
NonlinearFit fit_nonlinear_least_squares(const NonlinearModel& model, const NonlinearJacobian& jacobian,
                                         std::span<const double> observations, std::span<const double> start,
                                         const NonlinearOptions& options = {}, std::span<const double> weights = {});

}  // namespace iclk::fit
