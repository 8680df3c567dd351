#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/survival.hpp"
#include "survival_data.hpp"

namespace iclk::fit {
namespace {

/// Interval of S from the standard error of ln S.
void set_interval(Estimate& survival, double log_se, SurvivalInterval interval) {
  const double s = *survival.value;
  if (!(s > 0)) return;  // Greenwood's variance is infinite
  const double reach = kNormal975 * log_se;
  switch (interval) {
    case SurvivalInterval::log_log: {
      // The transform is singular at S = 1, where nothing has happened yet.
      const double spread = s < 1 ? reach / std::abs(std::log(s)) : 0.0;
      survival.low = std::pow(s, std::exp(spread));
      survival.high = std::pow(s, std::exp(-spread));
      break;
    }
    case SurvivalInterval::log:
      survival.low = s * std::exp(-reach);
      survival.high = std::min(1.0, s * std::exp(reach));
      break;
    case SurvivalInterval::plain:
      survival.low = std::max(0.0, s - s * reach);
      survival.high = std::min(1.0, s + s * reach);
      break;
  }
}

/// First time at which `level` of a falling curve is at or below 1 - probability; the middle of a stretch that lies on it.
template <typename Level>
std::optional<double> first_time_at(const SurvivalCurve& curve, double probability, Level level) {
  const double target = 1 - probability;
  const double tolerance = std::sqrt(std::numeric_limits<double>::epsilon());  // products of fractions are not exact
  std::optional<double> reached;
  for (const SurvivalStep& step : curve.steps) {
    const std::optional<double> s = level(step.survival);
    if (!s) continue;
    if (!reached && *s <= target + tolerance) reached = step.time;
    if (reached && *s <= target - tolerance) return std::midpoint(*reached, step.time);
  }
  if (reached) return std::midpoint(*reached, curve.steps.back().time);
  return std::nullopt;
}

}  // namespace

void check_runs(std::span<const SurvivalRun> runs) {
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (!(runs[i].time > 0) || !std::isfinite(runs[i].time)) {
      throw field_error("time[" + std::to_string(i) + ']',
                        "expected a positive number, got " + format_number(runs[i].time));
    }
  }
}

std::string_view name(SurvivalInterval interval) {
  switch (interval) {
    case SurvivalInterval::log_log:
      return "log_log";
    case SurvivalInterval::log:
      return "log";
    case SurvivalInterval::plain:
      return "plain";
  }
  return "";
}

SurvivalCurve kaplan_meier(std::span<const SurvivalRun> runs, SurvivalInterval interval) {
  check_runs(runs);
  std::vector<SurvivalRun> sorted(runs.begin(), runs.end());
  std::sort(sorted.begin(), sorted.end(), [](const SurvivalRun& a, const SurvivalRun& b) { return a.time < b.time; });
  SurvivalCurve curve;
  curve.n_runs = sorted.size();
  double survival = 1;
  double log_variance = 0;
  for (std::size_t i = 0; i < sorted.size();) {
    SurvivalStep step{.time = sorted[i].time, .at_risk = sorted.size() - i};
    for (; i < sorted.size() && sorted[i].time <= step.time; ++i)
      ++(sorted[i].acquired ? step.acquired : step.censored);
    const auto n = static_cast<double>(step.at_risk);
    const auto d = static_cast<double>(step.acquired);
    survival = step.acquired == step.at_risk ? 0.0 : survival * (1 - d / n);
    if (step.acquired < step.at_risk) log_variance += d / (n * (n - d));
    step.survival.value = survival;
    set_interval(step.survival, std::sqrt(log_variance), interval);
    curve.n_acquired += step.acquired;
    curve.steps.push_back(step);
  }
  return curve;
}

Estimate survival_quantile(const SurvivalCurve& curve, double probability) {
  check_probability(probability);
  return {.value = first_time_at(curve, probability, [](const Estimate& s) { return s.value; }),
          .low = first_time_at(curve, probability, [](const Estimate& s) { return s.low; }),
          .high = first_time_at(curve, probability, [](const Estimate& s) { return s.high; })};
}

void check_probability(double probability) {
  if (!(probability > 0) || !(probability < 1)) {
    throw field_error("probability", "expected a number in (0, 1), got " + format_number(probability));
  }
}

}  // namespace iclk::fit
