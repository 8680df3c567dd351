#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"

namespace iclk::fit {

/// Final ICL accuracy of one run.
struct AccuracyPoint {
  double n_items = 0.0;  ///< K
  double accuracy = 0.0;
};

enum class SigmoidOutcome {
  fitted,
  saturated,       ///< as many runs as parameters: no errors
  too_few_levels,  ///< fewer than four distinct K
  constant,        ///< every accuracy is the same
  not_identified,  ///< the parameters depend on each other (a step between two K), or K* lies outside the measured K
  not_converged,
};
std::string_view name(SigmoidOutcome outcome);

/// accuracy = floor + rise/(1 + exp(-slope (log10 K - log10 K*)))
struct SigmoidFit {
  SigmoidOutcome outcome = SigmoidOutcome::too_few_levels;
  Estimate k_star;  ///< K at half of the rise; interval symmetric in log10 K
  Estimate log10_k_star;
  Estimate slope;  ///< per unit of log10 K
  Estimate floor, rise;
  std::optional<double> residual_sd;
  double degrees_of_freedom = 0.0;
  std::size_t n_runs = 0, n_levels = 0;
  std::string solver;  ///< why Levenberg and Marquardt's method stopped
  std::vector<std::string> warnings;
};

/// The paper's way to K*: least squares of a four-parameter sigmoid in log10 K through the final accuracies.
///
/// Levenberg-Marquardt (Eigen) with exact derivatives from a start read off the level means; intervals are Student t
/// with n - 4 degrees of freedom from the curvature at the minimum.
///
/// Source   Fig. A.7 (the method behind Fig. 6a).
/// Differs  The authors' code bounds the parameters and gives no errors; here nothing is bounded.
/// Valid    Errors of equal size at all K. Near K* accuracies are bimodal, neither normal nor of equal size: prefer
///          fit_threshold where outcomes of runs are known.
/// Throws   Error for n_items that is not positive and finite, or an accuracy outside [0, 1].
SigmoidFit fit_sigmoid(std::span<const AccuracyPoint> points);

}  // namespace iclk::fit
