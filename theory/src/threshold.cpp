#include "iclk/theory/threshold.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "iclk/theory/acquisition_time.hpp"

namespace iclk::theory {
namespace {

/// Two-sided 95 % point of Student's t.
double quantile_95(double degrees) {
  return boost::math::quantile(boost::math::complement(boost::math::students_t(degrees), 0.025));
}

/// The replicates of one K: their mean margin and the mean logarithmic distance to the ends of the tail brackets.
struct Level {
  double log_items = 0.0;
  double margin = 0.0;
  double down = 0.0;         // >= 0
  std::optional<double> up;  // empty when a replicate has no upper end
  std::size_t n_curves = 0;
};

/// Weighted isotonic regression (pool adjacent violators): the closest margins that do not fall with K.
std::vector<double> non_decreasing(const std::vector<Level>& levels) {
  struct Block {
    double mean, weight;
    std::size_t n_levels;
  };
  std::vector<Block> blocks;
  for (const Level& level : levels) {
    blocks.push_back({level.margin, static_cast<double>(level.n_curves), 1});
    while (blocks.size() > 1 && blocks[blocks.size() - 2].mean > blocks.back().mean) {
      const Block last = blocks.back();
      blocks.pop_back();
      Block& block = blocks.back();
      block.mean = (block.mean * block.weight + last.mean * last.weight) / (block.weight + last.weight);
      block.weight += last.weight;
      block.n_levels += last.n_levels;
    }
  }
  std::vector<double> margins;
  for (const Block& block : blocks) margins.insert(margins.end(), block.n_levels, block.mean);
  return margins;
}

std::vector<Level> group_by_items(std::span<const ThresholdPoint> points, double& squares, double& degrees) {
  std::vector<std::size_t> order(points.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return points[i].n_items; });

  std::vector<Level> levels;
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    Level level;
    level.up = 0.0;
    const double n_items = points[order[begin]].n_items;
    while (end < order.size() && points[order[end]].n_items <= n_items) ++end;
    const auto n = static_cast<double>(end - begin);
    for (std::size_t i = begin; i < end; ++i) {
      const ThresholdPoint& point = points[order[i]];
      const double log_value = std::log(*point.i_infinity.value);
      level.margin += (log_value - std::log(point.required_integral)) / n;
      level.down += (log_value - std::log(point.i_infinity.low.value_or(*point.i_infinity.value))) / n;
      if (!point.i_infinity.high) {
        level.up.reset();
      } else if (level.up) {
        *level.up += (std::log(*point.i_infinity.high) - log_value) / n;
      }
    }
    for (std::size_t i = begin; i < end; ++i) {
      const ThresholdPoint& point = points[order[i]];
      const double margin = std::log(*point.i_infinity.value) - std::log(point.required_integral);
      squares += (margin - level.margin) * (margin - level.margin);
    }
    degrees += n - 1.0;
    level.log_items = std::log(n_items);
    level.n_curves = end - begin;
    levels.push_back(level);
    begin = end;
  }
  return levels;
}

}  // namespace

std::string_view name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::acquired:
      return "acquired";
    case Verdict::memorized_first:
      return "memorized_first";
    case Verdict::undecided:
      return "undecided";
  }
  return "";
}

std::string_view name(ThresholdOutcome outcome) noexcept {
  switch (outcome) {
    case ThresholdOutcome::found:
      return "found";
    case ThresholdOutcome::extrapolated:
      return "extrapolated";
    case ThresholdOutcome::all_acquire:
      return "all_acquire";
    case ThresholdOutcome::none_acquires:
      return "none_acquires";
    case ThresholdOutcome::too_few:
      return "too_few";
    case ThresholdOutcome::not_monotone:
      return "not_monotone";
  }
  return "";
}

void validate(const PredictOptions& options) {
  validate(options.tail);
  require(options.rel_tol >= 1e-14 && options.rel_tol <= 1e-2, "rel_tol", "a number in [1e-14, 1e-2]", options.rel_tol);
}

void validate(const ThresholdOptions& options) {
  require(options.max_extrapolation >= 1.0 && std::isfinite(options.max_extrapolation), "max_extrapolation",
          "a number of at least 1", options.max_extrapolation);
}

CurvePrediction predict_curve(const OrderParameterCurves& curves, double n_context, FlowState initial,
                              const PredictOptions& options) {
  validate(options);
  CurvePrediction prediction;
  const FlowResult flow = integrate_flow(initial, n_context, curves, {.rel_tol = options.rel_tol});
  prediction.integral = memorization_integral(curves.c1, options.tail);
  prediction.end_state = flow.final_state;
  if (flow.outcome == FlowOutcome::acquired) {
    prediction.verdict = Verdict::acquired;
    prediction.t_icl = flow.t_icl;
    prediction.required_integral = memorization_integral_at(curves.c1, *flow.t_icl);
    return prediction;
  }
  if (flow.outcome != FlowOutcome::curve_ended) {
    throw Error("the attention flow along the curve ended with " + std::string(name(flow.outcome)));
  }

  // Past the end c2 is constant, and then the blow-up is known in closed form.
  const FlowState state = flow.final_state;
  prediction.required_integral = prediction.integral.measured +
                                 acquisition_integral_exact(n_context, state.beta, state.w, curves.c2.values().back());
  const Estimate& infinity = prediction.integral.infinity;
  if (infinity.high && prediction.required_integral > *infinity.high) {
    prediction.verdict = Verdict::memorized_first;
  } else if (prediction.required_integral < *infinity.low) {
    // low <= value, so that the central tail reaches it; an unresolved tail still gives a lower bound to the verdict.
    prediction.t_icl = time_of_extrapolated_integral(prediction.integral, prediction.required_integral);
    prediction.t_icl_extrapolated = prediction.t_icl.has_value();
    prediction.verdict = prediction.t_icl ? Verdict::acquired : Verdict::undecided;
  }
  return prediction;
}

Threshold threshold_from_curves(std::span<const ThresholdPoint> points, const ThresholdOptions& options) {
  validate(options);
  for (const ThresholdPoint& point : points) {
    require(point.n_items >= 1.0 && std::isfinite(point.n_items), "n_items", "at least 1", point.n_items);
    require(point.required_integral > 0.0 && std::isfinite(point.required_integral), "required_integral",
            "a positive number", point.required_integral);
    const double value = point.i_infinity.value.value_or(0.0);
    require(value > 0.0 && std::isfinite(value), "i_infinity", "a positive number", value);
    if (point.i_infinity.low) {
      const double low = *point.i_infinity.low;
      require(low > 0.0 && low <= value, "i_infinity.low", "a positive number not above the value", low);
    }
    if (point.i_infinity.high) {
      const double high = *point.i_infinity.high;
      require(high >= value, "i_infinity.high", "a number not below the value", high);
    }
  }

  Threshold result;
  double squares = 0.0;
  double degrees = 0.0;
  const std::vector<Level> levels = group_by_items(points, squares, degrees);
  result.n_curves = points.size();
  result.n_levels = levels.size();
  if (degrees > 0.0) result.seed_sd = std::sqrt(squares / degrees);
  if (levels.size() < 2) return result;

  const std::vector<double> margins = non_decreasing(levels);
  const std::size_t n = levels.size();
  // The pair of neighbouring levels that brackets the root, or the end pair that is continued to it.
  std::size_t right = 1;
  double log_k = 0.0;
  if (margins.front() < 0.0 && margins.back() >= 0.0) {
    while (margins[right] < 0.0) ++right;
    std::vector<double> log_items;
    for (const Level& level : levels) log_items.push_back(level.log_items);
    const Curve margin(log_items, margins);
    double low = levels[right - 1].log_items;
    double high = levels[right].log_items;
    for (int i = 0; i < 60; ++i) {
      const double middle = 0.5 * (low + high);
      (margin(middle) < 0.0 ? low : high) = middle;
    }
    log_k = high;
    result.outcome = ThresholdOutcome::found;
  } else {
    const bool all_acquire = margins.front() >= 0.0;
    result.outcome = all_acquire ? ThresholdOutcome::all_acquire : ThresholdOutcome::none_acquires;
    right = all_acquire ? 1 : n - 1;
    if (!(margins.back() > margins.front())) {
      result.outcome = ThresholdOutcome::not_monotone;
      return result;
    }
  }

  // Slope of the margin around the root: the secant of its pair of levels, widened while noise makes it flat.
  std::size_t left = right - 1;
  std::size_t far = right;
  while (!(margins[far] > margins[left]) && (left > 0 || far + 1 < n)) {
    if (far + 1 < n) ++far;
    if (left > 0) --left;
  }
  const double nu = (margins[far] - margins[left]) / (levels[far].log_items - levels[left].log_items);
  result.local_nu = nu;

  if (result.outcome != ThresholdOutcome::found) {
    if (!options.extrapolate) return result;
    const Level& end = result.outcome == ThresholdOutcome::all_acquire ? levels.front() : levels.back();
    const double end_margin = result.outcome == ThresholdOutcome::all_acquire ? margins.front() : margins.back();
    const double distance = -end_margin / nu;
    if (std::abs(distance) > std::log(options.max_extrapolation)) return result;
    log_k = end.log_items + distance;
    result.outcome = ThresholdOutcome::extrapolated;
  }
  result.k_star.value = std::exp(log_k);

  // Weights of the two levels in the interpolated (or continued) margin carry their errors to the root.
  const double span = levels[right].log_items - levels[right - 1].log_items;
  const double weight = (log_k - levels[right - 1].log_items) / span;
  double seed_error = 0.0;
  if (result.seed_sd) {
    const double a = (1.0 - weight) / std::sqrt(static_cast<double>(levels[right - 1].n_curves));
    const double b = weight / std::sqrt(static_cast<double>(levels[right].n_curves));
    seed_error = quantile_95(degrees) * *result.seed_sd * std::hypot(a, b);
  }
  // The tails of neighbouring levels err together, so that their brackets are interpolated, not added.
  const double inside = std::clamp(weight, 0.0, 1.0);
  const Level& below = levels[right - 1];
  const Level& above = levels[right];
  const double down = (1.0 - inside) * below.down + inside * above.down;
  result.k_star.high = std::exp(log_k + std::hypot(seed_error, down) / nu);
  const bool needs_below = inside < 1.0;
  const bool needs_above = inside > 0.0;
  if ((!needs_below || below.up) && (!needs_above || above.up)) {
    const double up = (needs_below ? (1.0 - inside) * *below.up : 0.0) + (needs_above ? inside * *above.up : 0.0);
    result.k_star.low = std::exp(log_k - std::hypot(seed_error, up) / nu);
  }
  return result;
}

double threshold_from_law(double prefactor, double nu, double required_integral) {
  require(prefactor > 0.0 && std::isfinite(prefactor), "prefactor", "a positive number", prefactor);
  require(nu > 0.0 && std::isfinite(nu), "nu", "a positive number", nu);
  require(required_integral > 0.0 && std::isfinite(required_integral), "required_integral", "a positive number",
          required_integral);
  return std::exp((std::log(required_integral) - std::log(prefactor)) / nu);
}

}  // namespace iclk::theory
