#pragma once

#include <span>

namespace iclk::fit {

/// Weighted least squares of a line through level means.
struct WeightedLine {
  double intercept = 0.0, slope = 0.0;
  double weight_sum = 0.0, center = 0.0, spread = 0.0;  ///< sum w, weighted mean x, sum w (x - center)^2
  double residual_sum = 0.0, total_sum = 0.0;           ///< weighted squares about the line, about the mean
};

/// x must hold two different values of positive weight.
WeightedLine weighted_line(std::span<const double> x, std::span<const double> y, std::span<const double> w);

}  // namespace iclk::fit
