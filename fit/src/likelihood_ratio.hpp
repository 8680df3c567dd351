#pragma once

namespace iclk::fit {

/// 95 % limit of a profile deviance: chi-squared with one degree of freedom or, for small samples, the square of
/// Student's t with n_runs/2 degrees of freedom.
double deviance_limit(double n_runs, bool small_sample);
double chi_squared_tail(double statistic, double dof);  ///< probability of a larger value

}  // namespace iclk::fit
