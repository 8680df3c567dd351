#pragma once

#include <cmath>
#include <numbers>
#include <span>

#include "iclk/fit/survival.hpp"

namespace iclk::fit {

inline constexpr double kNormal975 = 1.959963984540054;       // 97.5 % point of N(0, 1)
inline constexpr double kHalfChiSquared = 1.920729410347062;  // half the 95 % point of chi^2 with 1 degree of freedom

/// Standard normal distribution function.
inline double gaussian_share(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }

void check_runs(std::span<const SurvivalRun> runs);  ///< throws Error for a time that is not positive and finite
void check_probability(double probability);          ///< throws Error unless in (0, 1)

}  // namespace iclk::fit
