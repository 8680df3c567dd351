#include "power_law_levels.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <string>

#include "arguments.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::fit {
namespace {

// ln x closer than this are one level, as in fit_power_law.
constexpr double kSameLevel = 1e-12;

void check(std::span<const PowerLawPoint> points) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    const PowerLawPoint& point = points[i];
    const std::string prefix = "points[" + std::to_string(i) + "].";
    require_positive(point.x, prefix + 'x');
    require_positive(point.y, prefix + 'y');
    if (point.low) require_positive(*point.low, prefix + "low");
    if (point.high) require_positive(*point.high, prefix + "high");
    if (point.low && *point.low > point.y) {
      throw field_error(prefix + "low",
                        "expected at most y = " + format_number(point.y) + ", got " + format_number(*point.low));
    }
    if (point.high && *point.high < point.y) {
      throw field_error(prefix + "high",
                        "expected at least y = " + format_number(point.y) + ", got " + format_number(*point.high));
    }
  }
}

bool unresolved(const PowerLawPoint& point) { return point.low && !point.high; }

/// Widest ln(high/low) of the points with an upper end; empty without any. See fit_power_law.
std::optional<double> widest_bracket(std::span<const PowerLawPoint> points) {
  std::optional<double> widest;
  for (const PowerLawPoint& point : points) {
    if (point.high) widest = std::max(widest.value_or(0.0), std::log(*point.high / point.low.value_or(point.y)));
  }
  return widest;
}

/// Weights of fit_power_law from the scatter that it found.
double level_weight(const PowerLawFit& fit, double n_runs) {
  if (fit.between_sd && fit.within_sd && *fit.within_sd > 0) {
    return 1 / (*fit.between_sd * *fit.between_sd + *fit.within_sd * *fit.within_sd / n_runs);
  }
  const bool scatter_of_levels = fit.between_sd || fit.n_points == fit.n_levels;
  return scatter_of_levels ? 1.0 : n_runs;
}

}  // namespace

TailScenarios tail_scenarios(std::span<const PowerLawPoint> points, bool use_tails) {
  check(points);
  TailScenarios result;
  LogScenario central{"central", {}}, low{"low", {}}, high{"high", {}};
  const std::optional<double> widest = widest_bracket(points);
  bool brackets = false;
  for (const PowerLawPoint& point : points) {
    const double log_y = std::log(point.y);
    const double log_low = point.low ? std::log(*point.low) : log_y;
    double log_high = point.high ? std::log(*point.high) : log_y;
    if (unresolved(point)) {
      log_high = log_y + widest.value_or(0.0);
      ++result.n_unresolved;
    }
    brackets = brackets || point.low || point.high;
    result.x.push_back(point.x);
    central.log_y.push_back(log_y);
    low.log_y.push_back(log_low);
    high.log_y.push_back(log_high);
  }
  result.bracket_borrowed = widest.has_value();
  result.scenarios.push_back(std::move(central));
  if (use_tails && brackets) {
    result.scenarios.push_back(std::move(low));
    result.scenarios.push_back(std::move(high));
  }
  return result;
}

PowerLawLevels power_law_levels(const TailScenarios& tails, const PowerLawFit& fit) {
  PowerLawLevels levels;
  levels.upper_end_open = fit.upper_end_open;
  std::vector<std::size_t> order(tails.x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return tails.x[a] < tails.x[b]; });
  levels.runs.resize(tails.scenarios.size());
  for (const std::size_t i : order) {
    const double log_x = std::log(tails.x[i]);
    if (levels.log_x.empty() || log_x - levels.log_x.back() > kSameLevel) {
      levels.log_x.push_back(log_x);
      for (auto& scenario : levels.runs) scenario.emplace_back();
    }
    for (std::size_t s = 0; s < tails.scenarios.size(); ++s) {
      levels.runs[s].back().push_back(tails.scenarios[s].log_y[i]);
    }
  }
  for (const auto& scenario : levels.runs) {
    auto& mean = levels.mean.emplace_back();
    for (const auto& runs : scenario) {
      mean.push_back(std::accumulate(runs.begin(), runs.end(), 0.0) / static_cast<double>(runs.size()));
    }
  }
  for (const auto& runs : levels.runs.front()) {
    levels.weight.push_back(level_weight(fit, static_cast<double>(runs.size())));
  }
  return levels;
}

void unite(Estimate& outer, const Estimate& inner) {
  outer.low = outer.low && inner.low ? std::optional(std::min(*outer.low, *inner.low)) : std::nullopt;
  outer.high = outer.high && inner.high ? std::optional(std::max(*outer.high, *inner.high)) : std::nullopt;
}

}  // namespace iclk::fit
