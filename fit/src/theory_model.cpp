#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <numbers>
#include <vector>

#include "acquisition_fit.hpp"
#include "survival_data.hpp"

namespace iclk::fit {
namespace {

/// Runs at exp(shift - beta0) in the place of their times: lognormal when beta0 is normal.
struct StartRuns {
  std::vector<SurvivalRun> runs;
  double shift = 0.0;         ///< mean of beta0, which keeps the exponential in range
  double log_jacobian = 0.0;  ///< sum over acquired runs of ln(d time'/d time)
};

std::optional<StartRuns> start_runs(std::span<const SurvivalRun> runs, const StartMap& map) {
  StartRuns result;
  std::vector<double> starts;
  for (const SurvivalRun& run : runs) {
    auto beta0 = map.beta0_at(run.time);
    if (!beta0 && !run.acquired && run.time > map.last_time()) beta0 = map.critical_beta0();
    if (!beta0) return std::nullopt;
    starts.push_back(*beta0);
    result.shift += *beta0 / static_cast<double>(runs.size());
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const double log_time = result.shift - starts[i];
    result.runs.push_back({std::exp(log_time), runs[i].acquired});
    if (runs[i].acquired) result.log_jacobian += log_time + std::log(-*map.slope_at(runs[i].time) / runs[i].time);
  }
  return result;
}

/// Median of the runs that acquire. Its beta0 b has Phi(u) = Phi(u_c)/2, u = (mean - b)/sd, u_c that of the critical
/// beta0; then d b/d mean = 1 - r and d b/d ln sd = sd (r u_c - u) with r = phi(u_c)/(2 phi(u)).
Estimate median_of_acquired(const StartMap& map, double mean, double sd, const FamilyFit& fit) {
  double u = 0, ratio = 0, critical = 0;
  if (map.critical_beta0()) {
    critical = (mean - *map.critical_beta0()) / sd;
    const double share = gaussian_share(critical) / 2;
    if (!(share > 0)) return {};
    u = boost::math::quantile(boost::math::normal(), share);
    ratio = 0.5 * std::exp((u * u - critical * critical) / 2);
  }
  const double by_mean = 1 - ratio;
  const double by_log_sd = sd * (ratio * critical - u);
  const double variance = by_mean * by_mean * fit.covariance[0] - 2 * by_mean * by_log_sd * fit.covariance[1] +
                          by_log_sd * by_log_sd * fit.covariance[2];
  const Estimate beta0 = wald_interval(mean - u * sd, fit.reach * std::sqrt(std::max(variance, 0.0)));
  const auto time = [&](const std::optional<double>& at) {
    const auto t = map.time_at(*at);
    return t && std::isfinite(*t) ? t : std::nullopt;
  };
  return {time(beta0.value), time(beta0.high), time(beta0.low)};
}

/// Share that starts below the critical beta0, with the interval of its normal quantile z = (critical - mean)/sd. It is
/// a count of runs more than a location, so its reach is the normal one: with that of mean and sd 20 runs cover 97.9 %.
Estimate share_that_never_acquires(const StartMap& map, double mean, double sd, const FamilyFit& fit) {
  if (!map.critical_beta0()) return {0.0, {}, {}};
  const double z = (*map.critical_beta0() - mean) / sd;
  // d z/d mean = -1/sd, d z/d ln sd = -z, and the covariance is that of (-mean, ln sd).
  const double variance = fit.covariance[0] / (sd * sd) - 2 * z / sd * fit.covariance[1] + z * z * fit.covariance[2];
  const Estimate quantile = wald_interval(z, kNormal975 * std::sqrt(std::max(variance, 0.0)));
  return {gaussian_share(z), gaussian_share(*quantile.low), gaussian_share(*quantile.high)};
}

}  // namespace

AcquisitionModel fit_acquisition_model(std::span<const SurvivalRun> runs, const StartMap& map, bool with_cured) {
  check_runs(runs);
  const auto starts = start_runs(runs, map);
  if (!starts) {
    AcquisitionModel model{.family = AcquisitionFamily::theory, .with_cured = with_cured};
    model.outcome = AcquisitionFitOutcome::outside_map;
    model.n_parameters = with_cured ? 3U : 2U;
    model.map = map;
    return model;
  }
  const FamilyFit fit = fit_family(starts->runs, AcquisitionFamily::lognormal, with_cured);
  AcquisitionModel model = fit.model;
  model.family = AcquisitionFamily::theory;
  model.map = map;
  if (!has_fit(model)) return model;
  *model.log_likelihood += starts->log_jacobian;
  model.aic = 2 * static_cast<double>(model.n_parameters) - 2 * *model.log_likelihood;
  const double mean = starts->shift - fit.at[0] - fit.log_unit;
  const double sd = std::exp(fit.at[1]);
  model.standard_errors = {std::sqrt(fit.covariance[0]), std::sqrt(fit.covariance[2])};
  model.beta0_mean = wald_interval(mean, fit.reach * model.standard_errors[0]);
  model.beta0_sd = exp_interval(wald_interval(fit.at[1], fit.reach * model.standard_errors[1]));
  model.never = share_that_never_acquires(map, mean, sd, fit);
  model.median_acquired = median_of_acquired(map, mean, sd, fit);
  model.median = model_quantile(model, 0.5);
  return model;
}

}  // namespace iclk::fit
