#include "threshold_posterior.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "binary_likelihood.hpp"

namespace iclk::fit {
namespace {

constexpr double kNegligible = 14;  // a point that is exp(14) times less likely than the best is left out

/// Middles of n equal parts.
std::vector<double> middles(const Range& range, int n) {
  std::vector<double> values;
  for (int i = 0; i < n; ++i) values.push_back(range.low + (range.high - range.low) * (i + 0.5) / n);
  return values;
}

double log_likelihood(const std::vector<RunLevel>& levels, Link link, const ThresholdPoint& point, double reference) {
  const double slope = std::exp(-point.log_width);
  double sum = 0;
  for (const RunLevel& level : levels) {
    const double k_star = point.center + point.exponent * (level.log_context - reference);
    const double eta = slope * (level.log_items - k_star);
    if (level.acquired > 0) sum += level.acquired * log_cdf(link, eta);
    if (level.acquired < level.n) sum += (level.n - level.acquired) * log_cdf(link, -eta);
  }
  return sum;
}

/// The part of `whole` that [low, high] and a step to either side cover.
Range narrowed(const Range& whole, double low, double high, int n) {
  const double step = (whole.high - whole.low) / n;
  return {std::max(whole.low, low - step), std::min(whole.high, high + step)};
}

}  // namespace

std::vector<ThresholdPoint> posterior_points(const std::vector<RunLevel>& levels, Link link, ThresholdBox box,
                                             double reference) {
  const bool several = box.exponent.high > box.exponent.low;
  // Chosen: a step is then some tenth of the distribution's breadth, which the planned runs may still narrow.
  const int n_centers = several ? 25 : 81, n_exponents = several ? 25 : 1, n_widths = several ? 9 : 15;
  constexpr int kPasses = 4;
  std::vector<ThresholdPoint> points;
  for (int pass = 0; pass < kPasses; ++pass) {
    points.clear();
    double best = -std::numeric_limits<double>::infinity();
    for (const double center : middles(box.center, n_centers)) {
      for (const double exponent : middles(box.exponent, n_exponents)) {
        for (const double log_width : middles(box.log_width, n_widths)) {
          ThresholdPoint point{.center = center, .exponent = exponent, .log_width = log_width};
          point.weight = log_likelihood(levels, link, point, reference);
          best = std::max(best, point.weight);
          points.push_back(point);
        }
      }
    }
    std::erase_if(points, [&](const ThresholdPoint& point) { return !(point.weight > best - kNegligible); });
    if (pass + 1 == kPasses) break;
    const auto narrow = [&](Range& range, double ThresholdPoint::*member, int n) {
      const auto [low, high] =
          std::minmax_element(points.begin(), points.end(),
                              [&](const ThresholdPoint& a, const ThresholdPoint& b) { return a.*member < b.*member; });
      range = narrowed(range, (*low).*member, (*high).*member, n);
    };
    narrow(box.center, &ThresholdPoint::center, n_centers);
    if (several) narrow(box.exponent, &ThresholdPoint::exponent, n_exponents);
    narrow(box.log_width, &ThresholdPoint::log_width, n_widths);
  }
  double top = -std::numeric_limits<double>::infinity(), total = 0;
  for (const ThresholdPoint& point : points) top = std::max(top, point.weight);
  for (ThresholdPoint& point : points) total += point.weight = std::exp(point.weight - top);
  for (ThresholdPoint& point : points) point.weight /= total;
  return points;
}

}  // namespace iclk::fit
