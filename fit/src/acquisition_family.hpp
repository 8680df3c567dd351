#pragma once

#include <array>

#include "iclk/fit/survival.hpp"

namespace iclk::fit {

/// A function of the two parameters of a family with its derivatives: value, gradient (1, 2), Hessian (11, 12, 22).
struct LogTerm {
  double value = 0.0;
  std::array<double, 2> gradient{};
  std::array<double, 3> hessian{};
};

using FamilyParameters = std::array<double, 2>;  ///< (location, ln scale); inverse Gaussian: (ln threshold, drift)

LogTerm log_density(AcquisitionFamily family, double time, const FamilyParameters& at);   ///< ln f(time)
LogTerm log_survival(AcquisitionFamily family, double time, const FamilyParameters& at);  ///< ln S(time)

/// Time at which S is 1 - probability.
double family_quantile(AcquisitionFamily family, const FamilyParameters& at, double probability);

}  // namespace iclk::fit
