#include "weighted_line.hpp"

#include <cstddef>

namespace iclk::fit {

WeightedLine weighted_line(std::span<const double> x, std::span<const double> y, std::span<const double> w) {
  WeightedLine line;
  double y_center = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    line.weight_sum += w[k];
    line.center += w[k] * x[k];
    y_center += w[k] * y[k];
  }
  line.center /= line.weight_sum;
  y_center /= line.weight_sum;
  double product = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    line.spread += w[k] * (x[k] - line.center) * (x[k] - line.center);
    product += w[k] * (x[k] - line.center) * (y[k] - y_center);
    line.total_sum += w[k] * (y[k] - y_center) * (y[k] - y_center);
  }
  line.slope = product / line.spread;
  line.intercept = y_center - line.slope * line.center;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const double residual = y[k] - y_center - line.slope * (x[k] - line.center);
    line.residual_sum += w[k] * residual * residual;
  }
  return line;
}

}  // namespace iclk::fit
