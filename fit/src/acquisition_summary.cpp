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

AcquisitionSummary summarise_acquisition(std::span<const SurvivalRun> runs, SurvivalInterval interval) {
  AcquisitionSummary summary;
  summary.curve = kaplan_meier(runs, interval);
  summary.median = survival_quantile(summary.curve, 0.5);
  summary.warnings = curve_warnings(summary.curve, summary.median);
  for (const auto family :
       {AcquisitionFamily::lognormal, AcquisitionFamily::weibull, AcquisitionFamily::inverse_gaussian}) {
    for (const bool with_cured : {false, true}) {
      summary.models.push_back(fit_acquisition_model(runs, family, with_cured));
      const AcquisitionModel& model = summary.models.back();
      if (!model.aic) {
        if (model.outcome == AcquisitionFitOutcome::not_identified)
          summary.warnings.push_back(std::string(name(family)) + (with_cured ? " with" : " without") +
                                     " a cured fraction: the likelihood has no maximum");
        continue;
      }
      if (!summary.best || *model.aic < *summary.models[*summary.best].aic) summary.best = summary.models.size() - 1;
    }
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
  std::vector<double> n, one_and_n, y, weights;
  std::vector<PowerLawPoint> points;
  for (std::size_t i = 0; i < medians.size(); ++i) {
    for (const auto& [field, value] :
         {std::pair("context", medians[i].context), std::pair("median", medians[i].median)}) {
      if (!(value > 0) || !std::isfinite(value)) {
        throw field_error(std::string(field) + '[' + std::to_string(i) + ']',
                          "expected a positive number, got " + format_number(value));
      }
    }
    n.push_back(medians[i].context);
    one_and_n.insert(one_and_n.end(), {1.0, medians[i].context});
    y.push_back(medians[i].median);
    weights.push_back(1 / (medians[i].context * medians[i].context));
    points.push_back({.x = medians[i].context, .y = medians[i].median});
  }
  MedianScaling scaling;
  // The power law knows which contexts are the same.
  const PowerLawFit power = fit_power_law(points);
  scaling.n_contexts = power.n_levels;
  if (power.n_levels < 2) return scaling;
  const bool saturated = medians.size() == 2;
  scaling.outcome = saturated ? MedianScalingOutcome::saturated : MedianScalingOutcome::fitted;
  const LeastSquaresFit origin = fit_least_squares(n, 1, y, weights);
  const LeastSquaresFit line = fit_least_squares(one_and_n, 2, y, weights);
  const auto without_ends = [&](const Estimate& e) { return saturated ? Estimate{e.value, {}, {}} : e; };
  scaling.slope_through_origin = origin.coefficient_interval.at(0);
  scaling.intercept = without_ends(line.coefficient_interval.at(0));
  scaling.slope = without_ends(line.coefficient_interval.at(1));
  scaling.exponent = without_ends(power.exponent);
  scaling.prefactor = without_ends(power.prefactor);
  if (line.outcome == LeastSquaresOutcome::fitted && line.standard_errors[0] > 0) {
    const double t = std::abs(line.coefficients[0] / line.standard_errors[0]);
    scaling.p_through_origin =
        2 * boost::math::cdf(boost::math::complement(boost::math::students_t(line.degrees_of_freedom), t));
  }
  return scaling;
}

}  // namespace iclk::fit
