#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"
#include "iclk/fit/power_law.hpp"

namespace iclk::fit {

/// A point whose x and y are both measured, with their standard deviations.
struct UncertainPoint {
  double x = 0.0, y = 0.0;
  double x_sd = 0.0, y_sd = 0.0;  ///< 0 or more, not both 0
};

enum class ErrorsInVariablesOutcome {
  fitted,
  saturated,       ///< two points: the line passes through them, errors come from the given sd alone
  too_few_points,  ///< fewer than two
  one_x,           ///< all x are the same: no slope
  not_converged,
};
std::string_view name(ErrorsInVariablesOutcome outcome);

struct ErrorsInVariablesFit {
  ErrorsInVariablesOutcome outcome = ErrorsInVariablesOutcome::too_few_points;
  Estimate slope, intercept;                        ///< 95 %
  double slope_error = 0.0, intercept_error = 0.0;  ///< standard errors from the given sd alone
  double chi_squared = 0.0;                         ///< S at the minimum
  double degrees_of_freedom = 0.0;                  ///< n - 2
  std::optional<double> lack_of_fit_p;              ///< chance of a larger chi_squared if line and sd are right
  double error_factor = 1.0;  ///< sqrt(chi_squared/dof) where above 1: intervals are widened by it
  std::size_t n_points = 0;
  std::string solver;  ///< why it stopped
  std::vector<std::string> warnings;
};

/// Straight line through points with errors in x and y (York regression without correlated errors; Deming's with
/// different sd).
///
///     minimise S = sum_i (y_i - intercept - slope x_i)^2/(sd_yi^2 + slope^2 sd_xi^2)
///
/// which is what remains of the sum of squared distances to the true points, in units of the sd, when these are
/// eliminated. Levenberg-Marquardt from the ordinary line; standard errors from the adjusted points. When the points
/// lie further from the line than their sd allow, intervals are widened by sqrt(S/(n - 2)), with Student's t, else they
/// are normal.
///
/// Source   York 1966; York et al. 2004 (standard errors).
/// Valid    Independent normal errors with known sd.
/// Throws   Error for non-finite numbers, a negative sd or a point without any.
ErrorsInVariablesFit fit_line_errors_in_variables(std::span<const UncertainPoint> points);

/// The same for y = prefactor x^exponent: a line in logarithms, whose sd are x_sd/x and y_sd/y.
struct UncertainPowerLaw {
  ErrorsInVariablesFit line;     ///< in ln x and ln y, at the central position of the tails
  Estimate exponent, prefactor;  ///< 95 %, united over the positions of the tails as in fit_power_law
};

/// Takes    x_sd, y_sd: one per point, or empty for none; not both empty.
/// Throws   Error for a bad point, lengths that differ, a negative sd or a point without any.
UncertainPowerLaw fit_power_law_errors_in_variables(std::span<const PowerLawPoint> points, std::span<const double> x_sd,
                                                    std::span<const double> y_sd, const PowerLawOptions& options = {});

}  // namespace iclk::fit
