#include <Eigen/Dense>
#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <cmath>

#include "acquisition_fit.hpp"
#include "acquisition_likelihood.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/least_squares.hpp"
#include "survival_data.hpp"

namespace iclk::fit {
namespace {

/// Runs in units of the geometric mean of the acquisition times, equal ones together.
struct ScaledRuns {
  std::vector<RunGroup> groups;
  double log_unit = 0.0;
  std::size_t n_acquired = 0;
  std::size_t n_distinct = 0;  ///< acquisition times
};

constexpr std::size_t kManyTimes = 20'000;

/// Groups whose times lie within a thousandth of the interquartile range of ln t of acquired runs, at their mean ln t.
/// What saves: a million distinct times become some thousand. The variance of ln t is short by 1e-7 of that range squared.
std::vector<RunGroup> coarsened(std::span<const RunGroup> groups, std::size_t n_acquired_groups) {
  const double spread = std::log(groups[3 * n_acquired_groups / 4].time / groups[n_acquired_groups / 4].time);
  std::vector<RunGroup> coarse;
  for (std::size_t i = 0; i < groups.size();) {
    const RunGroup& first = groups[i];
    RunGroup sum{.acquired = first.acquired};
    double log_sum = 0;
    for (; i < groups.size() && groups[i].acquired == first.acquired &&
           std::log(groups[i].time / first.time) <= 1e-3 * spread;
         ++i) {
      sum.n_runs += groups[i].n_runs;
      log_sum += groups[i].n_runs * std::log(groups[i].time);
    }
    sum.time = std::exp(log_sum / sum.n_runs);
    coarse.push_back(sum);
  }
  return coarse;
}

ScaledRuns scaled(std::span<const SurvivalRun> runs) {
  ScaledRuns data;
  for (const SurvivalRun& run : runs) {
    if (!run.acquired) continue;
    ++data.n_acquired;
    data.log_unit += std::log(run.time);
  }
  if (data.n_acquired > 0) data.log_unit /= static_cast<double>(data.n_acquired);
  std::vector<SurvivalRun> sorted(runs.begin(), runs.end());
  std::sort(sorted.begin(), sorted.end(), [](const SurvivalRun& a, const SurvivalRun& b) {
    return a.acquired != b.acquired ? a.acquired : a.time < b.time;
  });
  for (std::size_t i = 0; i < sorted.size();) {
    const SurvivalRun& first = sorted[i];
    RunGroup group{.time = std::exp(std::log(first.time) - data.log_unit), .acquired = first.acquired};
    for (; i < sorted.size() && sorted[i].acquired == first.acquired && sorted[i].time <= first.time; ++i)
      group.n_runs += 1;
    data.groups.push_back(group);
    if (first.acquired) ++data.n_distinct;
  }
  if (data.groups.size() > kManyTimes && data.n_distinct > 0) data.groups = coarsened(data.groups, data.n_distinct);
  return data;
}

double chi_squared_tail(double x) {
  return x > 0 ? boost::math::cdf(boost::math::complement(boost::math::chi_squared(1), x)) : 1.0;
}

/// Number of standard errors that a Wald interval reaches: Student t with one degree of freedom less than acquired runs,
/// and the variance with that divisor, as is exact for the location of a complete lognormal sample.
double wald_reach(std::size_t n_acquired) {
  const auto d = static_cast<double>(n_acquired);
  return student_t_quantile(0.975, d - 1) * std::sqrt(d / (d - 1));
}

/// Covariance of the parameters that lie inside their range: (1, 2[, c]), or parameter 1 alone at drift 0.
Eigen::MatrixXd covariance(const AcquisitionLikelihood::Maximum& best) {
  const auto& h = best.likelihood.hessian;
  const auto& k = best.likelihood.cured_hessian;
  Eigen::Matrix3d information;
  information << -h[0], -h[1], -k[0], -h[1], -h[2], -k[1], -k[0], -k[1], -k[2];
  std::vector<Eigen::Index> inside{0};
  if (!best.at_edge) inside.push_back(1);
  if (best.cured > 0) inside.push_back(2);
  const Eigen::MatrixXd inverse = information(inside, inside).inverse();
  Eigen::MatrixXd full = Eigen::MatrixXd::Zero(3, 3);
  full(inside, inside) = inverse;
  return full;
}

FamilyParameters parameters(const AcquisitionModel& model) {
  if (model.family == AcquisitionFamily::inverse_gaussian)
    return {std::log(*model.threshold.value), *model.drift.value};
  return {*model.location.value, std::log(*model.scale.value)};
}

StartLaw start_law(const AcquisitionModel& model) { return {*model.beta0_mean.value, *model.beta0_sd.value}; }

}  // namespace

std::string_view name(AcquisitionFamily family) {
  switch (family) {
    case AcquisitionFamily::lognormal:
      return "lognormal";
    case AcquisitionFamily::weibull:
      return "weibull";
    case AcquisitionFamily::inverse_gaussian:
      return "inverse_gaussian";
    case AcquisitionFamily::theory:
      return "theory";
  }
  return "";
}

std::string_view name(AcquisitionFitOutcome outcome) {
  switch (outcome) {
    case AcquisitionFitOutcome::fitted:
      return "fitted";
    case AcquisitionFitOutcome::at_bound:
      return "at_bound";
    case AcquisitionFitOutcome::none_acquired:
      return "none_acquired";
    case AcquisitionFitOutcome::too_few:
      return "too_few";
    case AcquisitionFitOutcome::not_identified:
      return "not_identified";
    case AcquisitionFitOutcome::outside_map:
      return "outside_map";
  }
  return "";
}

FamilyFit fit_family(std::span<const SurvivalRun> runs, AcquisitionFamily family, bool with_cured) {
  check_runs(runs);
  FamilyFit fit;
  AcquisitionModel& model = fit.model;
  model.family = family;
  model.with_cured = with_cured;
  model.n_parameters = with_cured ? 3U : 2U;
  ScaledRuns data = scaled(runs);
  if (data.n_acquired == 0) return fit;
  model.outcome = AcquisitionFitOutcome::too_few;
  if (data.n_distinct < model.n_parameters) return fit;
  model.outcome = AcquisitionFitOutcome::not_identified;
  for (const RunGroup& group :
       data.groups) {  // in units of their geometric mean the far ends of doubles leave the range
    if (!(group.time > 0) || !std::isfinite(group.time)) return fit;
  }
  const AcquisitionLikelihood likelihood(family, std::move(data.groups));
  const auto best = with_cured ? likelihood.maximum() : likelihood.maximum_at(0);
  if (!best) return fit;
  const Eigen::MatrixXd cov = covariance(*best);
  if (!cov.allFinite() || cov.diagonal().minCoeff() < 0) return fit;

  const bool at_bound = best->at_edge || (with_cured && !(best->cured > 0));
  model.outcome = at_bound ? AcquisitionFitOutcome::at_bound : AcquisitionFitOutcome::fitted;
  model.log_likelihood = best->likelihood.value - likelihood.n_acquired() * data.log_unit;
  model.aic = 2 * static_cast<double>(model.n_parameters) - 2 * *model.log_likelihood;
  fit.at = best->at;
  fit.log_unit = data.log_unit;
  fit.covariance = {cov(0, 0), cov(0, 1), cov(1, 1)};
  fit.at_edge = best->at_edge;
  fit.reach = wald_reach(data.n_acquired);
  model.cured.value = 0.0;
  if (with_cured) {
    const auto [low, high] = likelihood.cured_interval(*best);
    model.cured = {best->cured, low, high};
    const auto without = likelihood.maximum_at(0);
    if (without) model.p_no_cure = 0.5 * chi_squared_tail(2 * (best->likelihood.value - without->likelihood.value));
    if (model.p_no_cure && !(best->cured > 0)) model.p_no_cure = 1.0;
  }
  return fit;
}

AcquisitionModel fit_acquisition_model(std::span<const SurvivalRun> runs, AcquisitionFamily family, bool with_cured) {
  if (family == AcquisitionFamily::theory)
    throw field_error("family", "theory needs its map from beta0 to the acquisition time");
  const FamilyFit fit = fit_family(runs, family, with_cured);
  AcquisitionModel model = fit.model;
  if (!has_fit(model)) return model;
  const auto [variance1, covariance12, variance2] = fit.covariance;
  const double se1 = std::sqrt(variance1);
  double se2 = std::sqrt(variance2);
  if (family == AcquisitionFamily::inverse_gaussian) {
    const double root_unit = std::exp(fit.log_unit / 2);
    model.threshold = exp_interval(wald_interval(fit.at[0] + fit.log_unit / 2, fit.reach * se1));
    se2 /= root_unit;
    model.drift = fit.at_edge ? Estimate{0.0, {}, {}} : wald_interval(fit.at[1] / root_unit, fit.reach * se2);
  } else {
    model.location = wald_interval(fit.at[0] + fit.log_unit, fit.reach * se1);
    model.scale = exp_interval(wald_interval(fit.at[1], fit.reach * se2));
  }
  if (!fit.at_edge) model.standard_errors = {se1, se2};

  // d ln m/d theta = (d S/d theta)/(f m) at the median m of the runs that acquire.
  const double median = family_quantile(family, fit.at, 0.5);
  const LogTerm s = log_survival(family, median, fit.at);
  const double per = 0.5 / (std::exp(log_density(family, median, fit.at).value) * median);
  const double slope1 = per * s.gradient[0], slope2 = per * s.gradient[1];
  const double variance =
      slope1 * slope1 * variance1 + 2 * slope1 * slope2 * covariance12 + slope2 * slope2 * variance2;
  model.median_acquired =
      exp_interval(wald_interval(std::log(median) + fit.log_unit, fit.reach * std::sqrt(std::max(variance, 0.0))));
  model.median = model_quantile(model, 0.5);
  return model;
}

std::optional<double> model_quantile(const AcquisitionModel& model, double probability) {
  check_probability(probability);
  if (!has_fit(model)) return std::nullopt;
  const double among_acquired = probability / (1 - *model.cured.value);
  if (!(among_acquired < 1)) return std::nullopt;
  if (model.map) {
    const auto time = acquired_quantile(*model.map, start_law(model), among_acquired);
    return time && std::isfinite(*time) ? time : std::nullopt;
  }
  return family_quantile(model.family, parameters(model), among_acquired);
}

std::optional<double> model_survival(const AcquisitionModel& model, double time) {
  if (!(time > 0) || !std::isfinite(time))
    throw field_error("time", "expected a positive number, got " + format_number(time));
  if (!has_fit(model)) return std::nullopt;
  const double cured = *model.cured.value;
  if (model.map) {
    const bool beyond = model.map->critical_beta0() && time > model.map->last_time();
    const auto acquired = beyond ? std::optional(1 - never_share(*model.map, start_law(model)))
                                 : acquired_share(*model.map, start_law(model), time);
    return acquired ? std::optional(1 - (1 - cured) * *acquired) : std::nullopt;
  }
  return cured + (1 - cured) * std::exp(log_survival(model.family, time, parameters(model)).value);
}

std::vector<QuantilePoint> quantile_points(const SurvivalCurve& curve, const AcquisitionModel& model,
                                           std::size_t most) {
  std::vector<QuantilePoint> points;
  double before = 1;
  for (const SurvivalStep& step : curve.steps) {
    const double after = *step.survival.value;
    if (step.acquired > 0) {
      const double probability = 1 - (before + after) / 2;
      points.push_back({probability, step.time, {}});
    }
    before = after;
  }
  if (points.size() > most) {
    std::vector<QuantilePoint> kept;
    for (std::size_t i = 0; i < most; ++i) kept.push_back(points[most > 1 ? i * (points.size() - 1) / (most - 1) : 0]);
    points = std::move(kept);
  }
  for (QuantilePoint& point : points) point.model = model_quantile(model, point.probability);
  return points;
}

TailTest test_exponential_tail(std::span<const SurvivalRun> runs, double start) {
  check_runs(runs);
  if (!(start >= 0) || !std::isfinite(start))
    throw field_error("start", "expected zero or a positive number, got " + format_number(start));
  TailTest test{.start = start};
  std::vector<SurvivalRun> excess;
  double total = 0;
  for (const SurvivalRun& run : runs) {
    if (!(run.time > start)) continue;
    excess.push_back({run.time - start, run.acquired});
    total += excess.back().time;
    if (run.acquired) ++test.n_acquired;
  }
  test.n_runs = excess.size();
  if (test.n_acquired == 0 || !std::isfinite(total)) return test;
  const auto d = static_cast<double>(test.n_acquired);
  const boost::math::chi_squared counts(2 * d);
  test.rate = {d / total, boost::math::quantile(counts, 0.025) / 2 / total,
               boost::math::quantile(counts, 0.975) / 2 / total};
  if (test.n_acquired < 3) return test;
  const AcquisitionModel weibull = fit_acquisition_model(excess, AcquisitionFamily::weibull, false);
  if (!has_fit(weibull)) return test;
  const auto inverse = [](const std::optional<double>& x) { return x ? std::optional(1 / *x) : std::nullopt; };
  test.shape = {inverse(weibull.scale.value), inverse(weibull.scale.high), inverse(weibull.scale.low)};
  const double exponential_log_likelihood = d * std::log(d / total) - d;
  test.p_exponential = chi_squared_tail(2 * (*weibull.log_likelihood - exponential_log_likelihood));
  return test;
}

}  // namespace iclk::fit
