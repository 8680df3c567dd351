#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/least_squares.hpp"
#include "iclk/fit/power_law.hpp"
#include "iclk/fit/survival.hpp"
#include "number_text.hpp"
#include "survival_data.hpp"

namespace iclk::fit {
namespace {

std::string count_text(std::size_t n, const std::string& singular) {
  return std::to_string(n) + ' ' + singular + (n == 1 ? "" : "s");
}

std::vector<std::string> curve_warnings(const SurvivalCurve& curve, const Estimate& median) {
  std::vector<std::string> warnings;
  if (curve.n_runs == 0) return {"no runs"};
  std::size_t tied = 0, distinct = 0;
  double last_acquired = 0;
  for (const SurvivalStep& step : curve.steps) {
    if (step.acquired == 0) continue;
    ++distinct;
    if (step.acquired > 1) tied += step.acquired;
    last_acquired = step.time;
  }
  if (curve.n_acquired == 0) {
    return {"no run acquired: the median lies beyond " + rounded_text(curve.steps.back().time, 4) +
            ", if there is one"};
  }
  if (curve.n_acquired < 10) {
    warnings.push_back("only " + count_text(curve.n_acquired, "run") +
                       " acquired: intervals of the fitted distributions are approximate");
  }
  if (distinct == 1 && curve.n_acquired > 1)
    warnings.push_back("all runs that acquired have the same time: no distribution can be fitted");
  else if (2 * tied > curve.n_acquired)
    warnings.push_back(std::to_string(tied) + " of " + count_text(curve.n_acquired, "acquired run") +
                       " share their time with another: times are coarse, or rows are repeated");
  if (!median.value)
    warnings.push_back("fewer than half of the runs acquired while they were watched: no median");
  else if (!median.high)
    warnings.push_back("the median has no upper end: too many runs never acquired");
  const double last = curve.steps.back().time;
  if (curve.n_acquired < curve.n_runs && last < 1.5 * last_acquired)
    warnings.push_back("the longest run lasted " + rounded_text(last / last_acquired, 3) +
                       " times the last acquisition time: a cured fraction and a slow tail cannot be told apart");
  return warnings;
}

}  // namespace

AcquisitionSummary summarise_acquisition(std::span<const SurvivalRun> runs, SurvivalInterval interval,
                                         const std::optional<StartMap>& map) {
  AcquisitionSummary summary;
  summary.curve = kaplan_meier(runs, interval);
  summary.median = survival_quantile(summary.curve, 0.5);
  summary.warnings = curve_warnings(summary.curve, summary.median);
  const auto add = [&](AcquisitionModel model) {
    const std::string which = std::string(name(model.family)) + (model.with_cured ? " with" : " without");
    if (model.outcome == AcquisitionFitOutcome::not_identified)
      summary.warnings.push_back(which + " a cured fraction: the likelihood has no maximum");
    if (model.outcome == AcquisitionFitOutcome::outside_map && !model.with_cured)
      summary.warnings.emplace_back("theory: a run has a time that no beta0 of the map leads to");
    summary.models.push_back(std::move(model));
    const AcquisitionModel& added = summary.models.back();
    if (added.aic && (!summary.best || *added.aic < *summary.models[*summary.best].aic))
      summary.best = summary.models.size() - 1;
  };
  for (const auto family :
       {AcquisitionFamily::lognormal, AcquisitionFamily::weibull, AcquisitionFamily::inverse_gaussian}) {
    for (const bool with_cured : {false, true}) add(fit_acquisition_model(runs, family, with_cured));
  }
  if (map) {
    for (const bool with_cured : {false, true}) add(fit_acquisition_model(runs, *map, with_cured));
  }
  if (summary.median.value) summary.tail = test_exponential_tail(runs, *summary.median.value);
  return summary;
}

std::string_view name(MedianScalingOutcome outcome) {
  switch (outcome) {
    case MedianScalingOutcome::fitted:
      return "fitted";
    case MedianScalingOutcome::saturated:
      return "saturated";
    case MedianScalingOutcome::too_few:
      return "too_few";
  }
  return "";
}

MedianScaling fit_median_scaling(std::span<const MedianAtContext> medians) {
  std::vector<PowerLawPoint> points;
  for (std::size_t i = 0; i < medians.size(); ++i) {
    for (const auto& [field, value] :
         {std::pair("context", medians[i].context), std::pair("median", medians[i].median)}) {
      if (!(value > 0) || !std::isfinite(value)) {
        throw field_error(std::string(field) + '[' + std::to_string(i) + ']',
                          "expected a positive number, got " + format_number(value));
      }
    }
    points.push_back({.x = medians[i].context, .y = medians[i].median});
  }
  MedianScaling scaling;
  // The power law knows which contexts are the same.
  const PowerLawFit power = fit_power_law(points);
  scaling.n_contexts = power.n_levels;
  if (power.n_levels < 2) return scaling;
  const bool saturated = medians.size() == 2;
  scaling.outcome = saturated ? MedianScalingOutcome::saturated : MedianScalingOutcome::fitted;
  const auto without_ends = [&](const Estimate& e) { return saturated ? Estimate{e.value, {}, {}} : e; };
  scaling.exponent = without_ends(power.exponent);
  scaling.prefactor = without_ends(power.prefactor);

  // Weights 1/N^2 by dividing by N: median/N = slope + intercept/N, in units that keep far ends in range.
  double log_unit = 0, least = medians[0].context;
  for (const MedianAtContext& each : medians) {
    log_unit += (std::log(each.median) - std::log(each.context)) / static_cast<double>(medians.size());
    least = std::min(least, each.context);
  }
  const double unit = std::exp(log_unit);
  std::vector<double> ones, inverse_and_one, ratios;
  for (const MedianAtContext& each : medians) {
    ones.push_back(1);
    inverse_and_one.insert(inverse_and_one.end(), {least / each.context, 1.0});
    ratios.push_back(std::exp(std::log(each.median) - std::log(each.context) - log_unit));
    if (!std::isfinite(ratios.back() * unit) || !std::isfinite(unit * least)) return scaling;  // no line through these
  }
  const LeastSquaresFit origin = fit_least_squares(ones, 1, ratios);
  const LeastSquaresFit line = fit_least_squares(inverse_and_one, 2, ratios);
  const auto coefficient = [&](const LeastSquaresFit& fit, std::size_t i, double factor) -> Estimate {
    if (i >= fit.coefficient_interval.size()) return {};  // rank-deficient: contexts that agree to rounding
    const auto times = [&](const std::optional<double>& x) { return x ? std::optional(factor * *x) : std::nullopt; };
    const Estimate& e = fit.coefficient_interval[i];
    return {times(e.value), times(e.low), times(e.high)};
  };
  scaling.slope_through_origin = coefficient(origin, 0, unit);
  scaling.intercept = without_ends(coefficient(line, 0, unit * least));
  scaling.slope = without_ends(coefficient(line, 1, unit));
  if (line.outcome == LeastSquaresOutcome::fitted && line.standard_errors[0] > 0) {
    const double t = std::abs(line.coefficients[0] / line.standard_errors[0]);
    scaling.p_through_origin =
        2 * boost::math::cdf(boost::math::complement(boost::math::students_t(line.degrees_of_freedom), t));
  }
  return scaling;
}

}  // namespace iclk::fit
