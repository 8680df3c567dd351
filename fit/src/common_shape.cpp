#include "common_shape.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace iclk::fit {
namespace {

// A curve takes part in the bracket of the common tail when its last c1 is within this factor of the lowest level:
// chosen, the tail's shape hardly changes over it. A curve that reaches further down than that knows its tail better.
constexpr double kNearEnd = 2.0;

// Upper end of a common tail that is known from the shape alone, in units of the power estimate: a logarithmic tail of
// degree 3 (docs/equations.md, Tails).
constexpr double kLogarithmicFactor = 4.0;

// Levels below which less than about this part of the integral is left carry no information on it.
constexpr double kNegligible = 1e-4;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

}  // namespace

double measured_integral(const TruncatedCurve& curve) {
  return 2 * (curve.c1.start_time() * curve.c1.values().front() + curve.c1.total_integral());
}

bool has_bracket(const TruncatedCurve& curve) { return curve.infinity.value.has_value(); }

PowerLawPoint truncated_point(const TruncatedCurve& curve) {
  return {.x = curve.n_items, .y = measured_integral(curve), .low = {}};
}

PowerLawPoint single_point(const TruncatedCurve& curve) {
  PowerLawPoint point = truncated_point(curve);
  const double measured = point.y;
  if (!has_bracket(curve)) {
    if (curve.infinity.low) point.y = std::max(measured, *curve.infinity.low);
    point.low = measured;
    return point;
  }
  point.y = *curve.infinity.value;
  if (curve.infinity.low) point.low = std::min(*curve.infinity.low, point.y);
  if (curve.infinity.high) {
    point.high = std::max(*curve.infinity.high, point.y);
  } else if (!point.low) {
    point.low = std::min(measured, point.y);  // a value without ends: unresolved above
  }
  return point;
}

ShapeInput shape_input(std::span<const TruncatedCurve> curves, const MemorizationLawOptions& options) {
  ShapeInput input;
  std::vector<std::vector<double>> monotone;
  const double log_top = std::log(options.top_level);
  double log_lowest = 0;
  double log_floor = 0;
  for (std::size_t k = 0; k < curves.size(); ++k) {
    std::vector<double> values = monotone_log_values(curves[k].c1);
    // A curve has to pass the top level within its samples, with something left of it below.
    if (values.front() < log_top || values.back() > log_top - 0.1) continue;
    log_lowest = std::min(log_lowest, values.back());
    double floor = values.back();
    const auto times = curves[k].c1.times();
    for (std::size_t i = 1; i < values.size(); ++i) {
      if (std::exp(values[i]) * times[i] < kNegligible * curves[k].c1.total_integral() && values[i] < log_top) {
        floor = values[i];
        break;
      }
    }
    log_floor = std::min(log_floor, floor);
    input.used.push_back(k);
    input.end_c1.push_back(std::exp(values.back()));
    monotone.push_back(std::move(values));
  }
  if (input.used.empty()) return input;
  input.lowest = std::exp(log_lowest);
  const double bottom = std::max(log_lowest, log_floor);
  for (int j = 0; j < options.n_levels; ++j) {
    input.log_levels.push_back(log_top + (bottom - log_top) * j / (options.n_levels - 1));
  }
  input.log_levels.back() = bottom;
  for (std::size_t u = 0; u < input.used.size(); ++u) {
    const TruncatedCurve& curve = curves[input.used[u]];
    input.times.push_back(level_times(curve.c1, monotone[u], curve.n_items, input.log_levels));
  }
  return input;
}

ShapeInput choose(const ShapeInput& all, std::span<const std::size_t> chosen) {
  ShapeInput input;
  std::size_t n_levels = 0;
  for (const std::size_t u : chosen) {
    input.used.push_back(all.used[u]);
    input.times.push_back(all.times[u]);
    input.end_c1.push_back(all.end_c1[u]);
    n_levels = std::max(n_levels, all.times[u].end());
  }
  input.log_levels.assign(all.log_levels.begin(), all.log_levels.begin() + static_cast<std::ptrdiff_t>(n_levels));
  input.lowest = *std::min_element(input.end_c1.begin(), input.end_c1.end());
  return input;
}

CommonTail common_tail(std::span<const TruncatedCurve> curves, const ShapeInput& input, double slope) {
  std::vector<double> low, value, high;
  const double bottom = std::exp(input.log_levels.back());
  for (std::size_t u = 0; u < input.used.size(); ++u) {
    const TruncatedCurve& curve = curves[input.used[u]];
    if (std::abs(std::log(input.end_c1[u] / bottom)) > std::log(kNearEnd) || !has_bracket(curve)) continue;
    const PowerLawPoint point = single_point(curve);
    const double measured = measured_integral(curve);
    const double unit = 2 * input.end_c1[u] * curve.c1.end_time();
    const auto part = [&](double infinity) { return std::max(infinity - measured, 0.0) / unit; };
    value.push_back(part(point.y));
    low.push_back(part(point.low.value_or(point.y)));
    if (point.high) high.push_back(part(*point.high));
  }
  if (2 * high.size() > value.size()) {
    const double middle = median(value);
    return {std::min(median(low), middle), middle, std::max(median(high), middle), true};
  }
  // A slope of 1 or less has no finite power tail; up to 1.1 the estimate would exceed ten times 2 c1 t.
  CommonTail tail{.low = 1 / slope};
  tail.resolved = slope > 1.1;
  tail.value = tail.resolved ? 1 / (slope - 1) : 2 * tail.low;
  tail.high = kLogarithmicFactor * tail.value;
  return tail;
}

std::vector<double> integrals(std::span<const TruncatedCurve> curves, const ShapeInput& input, const SharedShape& shape,
                              double slope, const CommonTail& tail, TailEnd end) {
  std::vector<double> values;
  const double bottom = std::exp(input.log_levels.back());
  for (std::size_t u = 0; u < input.used.size(); ++u) {
    const TruncatedCurve& curve = curves[input.used[u]];
    if (input.end_c1[u] < bottom / kNearEnd && has_bracket(curve) && curve.infinity.high) {
      const PowerLawPoint point = single_point(curve);
      values.push_back(end == TailEnd::value ? point.y
                       : end == TailEnd::low ? point.low.value_or(point.y)
                                             : *point.high);
      continue;
    }
    const Extension extension = extend(shape, input.times[u], u, slope);
    values.push_back(measured_integral(curve) + extension.integral +
                     2 * extension.end_c1 * extension.end_time * tail.at(end));
  }
  return values;
}

}  // namespace iclk::fit
