#include "scenario_fit.hpp"

#include <algorithm>
#include <boost/math/distributions/fisher_f.hpp>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "iclk/fit/least_squares.hpp"
#include "number_text.hpp"
#include "weighted_line.hpp"

namespace iclk::fit {
namespace {

struct Levels {
  std::vector<double> log_x;          // [levels], increasing
  std::vector<double> n_runs;         // [levels]
  std::vector<std::size_t> level_of;  // [points]
};

Levels group_levels(std::span<const double> log_x) {
  std::vector<std::size_t> order(log_x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return log_x[a] < log_x[b]; });
  Levels levels;
  levels.level_of.resize(log_x.size());
  for (const std::size_t i : order) {
    if (levels.log_x.empty() || log_x[i] - levels.log_x.back() > 1e-12) {
      levels.log_x.push_back(log_x[i]);
      levels.n_runs.push_back(0);
    }
    levels.n_runs.back() += 1;
    levels.level_of[i] = levels.log_x.size() - 1;
  }
  return levels;
}

std::vector<double> level_means(const Levels& levels, std::span<const double> log_y) {
  std::vector<double> means(levels.log_x.size(), 0.0);
  for (std::size_t i = 0; i < log_y.size(); ++i) means[levels.level_of[i]] += log_y[i];
  for (std::size_t k = 0; k < means.size(); ++k) means[k] /= levels.n_runs[k];
  return means;
}

std::vector<double> weights_for(double between, double within, std::span<const double> n_runs) {
  std::vector<double> weights(n_runs.size(), 1.0);
  if (within > 0) {
    for (std::size_t k = 0; k < n_runs.size(); ++k) weights[k] = 1 / (between + within / n_runs[k]);
  }
  return weights;
}

/// Paule-Mandel: the between-level variance at which the weighted residual sum of squares of the level means equals
/// its degrees of freedom; 0 when it does not exceed them without any. The sum falls with the variance, and at
/// (unweighted sum)/dof it is at most dof, so bisection starts from there. within is a variance > 0.
double between_variance(const Levels& levels, std::span<const double> means, double within) {
  const auto dof = static_cast<double>(levels.log_x.size()) - 2;
  const auto excess = [&](double between) {
    return weighted_line(levels.log_x, means, weights_for(between, within, levels.n_runs)).residual_sum - dof;
  };
  if (excess(0) <= 0) return 0;
  double low = 0;
  double high = weighted_line(levels.log_x, means, std::vector<double>(means.size(), 1.0)).residual_sum / dof;
  for (int step = 0; step < 60 && high - low > 1e-12 * high; ++step) {
    const double middle = (low + high) / 2;
    (excess(middle) > 0 ? low : high) = middle;
  }
  return (low + high) / 2;
}

/// Scatter of one new run: of a level mean of typical size about the law, and what the mean has averaged out of the
/// scatter of runs. `scale` is the variance of an observation of weight 1.
void set_new_run(PowerLawFit& fit, const Levels& levels, double between, double within, double scale) {
  fit.new_run_variance = scale;
  fit.new_run_t_quantile = fit.t_quantile;
  if (!(within > 0)) return;
  double inverse_runs = 0;
  for (const double n : levels.n_runs) inverse_runs += 1 / (n * static_cast<double>(fit.n_levels));
  const double level_part = scale * (between + within * inverse_runs);
  const double run_part = within * (1 - inverse_runs);
  const auto run_dof = static_cast<double>(fit.n_points - fit.n_levels);
  fit.new_run_variance = level_part + run_part;
  const double dof = fit.new_run_variance * fit.new_run_variance /
                     (level_part * level_part / fit.degrees_of_freedom + run_part * run_part / run_dof);
  fit.new_run_t_quantile = student_t_quantile(0.975, dof);
}

void widen(Estimate& estimate, double low, double high) {
  estimate.low = estimate.low ? std::min(*estimate.low, low) : low;
  estimate.high = estimate.high ? std::max(*estimate.high, high) : high;
}

/// exp of an interval; an end outside the double range is left empty.
Estimate exponential(const Estimate& log_estimate) {
  const auto end = [](const std::optional<double>& v) -> std::optional<double> {
    if (!v || !std::isfinite(std::exp(*v)) || !(std::exp(*v) > 0)) return {};
    return std::exp(*v);
  };
  return {end(log_estimate.value), end(log_estimate.low), end(log_estimate.high)};
}

void add_warnings(PowerLawFit& fit, const PowerLawOptions& options) {
  if (fit.outcome == PowerLawOutcome::assumed_scatter) {
    fit.warnings.push_back("two single runs leave no degrees of freedom: the interval rests on an assumed scatter of " +
                           rounded_text(100 * options.assumed_run_sd, 3) + " % per run");
  } else if (fit.n_levels == 2) {
    fit.warnings.emplace_back(
        "two levels cannot show whether the law holds: it is taken as exact, and only the scatter of runs counts");
  } else if (fit.n_levels == 3 && options.level_scatter == LevelScatter::estimated) {
    fit.warnings.emplace_back("three levels leave one degree of freedom: the interval is wide (t = 12.7)");
  }
  if (fit.lack_of_fit_p && *fit.lack_of_fit_p < 0.01) {
    std::string text = "levels lie further from the law than their runs scatter (lack of fit, p = " +
                       rounded_text(*fit.lack_of_fit_p, 2) + "): the law is approximate";
    text += options.level_scatter == LevelScatter::estimated ? ", and the interval includes that"
                                                             : ", and the interval does not include that";
    fit.warnings.push_back(std::move(text));
  }
  constexpr double kRounding = 1e-12;  // of ln y
  if (fit.outcome == PowerLawOutcome::fitted && fit.residual_sd < kRounding)
    fit.warnings.emplace_back("the points do not scatter at all: the interval has no width and says nothing");
}

}  // namespace

PowerLawFit fit_scenarios(std::span<const double> x, std::span<const LogScenario> scenarios,
                          const PowerLawOptions& options) {
  PowerLawFit fit;
  fit.n_points = x.size();
  if (x.empty()) {
    fit.warnings.emplace_back("no points: no law");
    return fit;
  }
  std::vector<double> log_x(x.size());
  std::transform(x.begin(), x.end(), log_x.begin(), [](double each) { return std::log(each); });
  const Levels levels = group_levels(log_x);
  fit.n_levels = levels.log_x.size();
  fit.x_min = *std::min_element(x.begin(), x.end());
  fit.x_max = *std::max_element(x.begin(), x.end());
  const auto n = static_cast<double>(fit.n_points);
  const auto n_levels = static_cast<double>(fit.n_levels);

  const std::vector<double>& central = scenarios.front().log_y;
  const std::vector<double> means = level_means(levels, central);
  double within_sum = 0;
  for (std::size_t i = 0; i < central.size(); ++i) {
    const double deviation = central[i] - means[levels.level_of[i]];
    within_sum += deviation * deviation;
  }
  double within = 0;  // variance
  if (fit.n_points > fit.n_levels) {
    within = within_sum / (n - n_levels);
    if (within < kRoundingSd * kRoundingSd) within = 0;
    fit.within_sd = std::sqrt(within);
  }
  if (fit.n_levels < 2) {
    fit.outcome = PowerLawOutcome::one_level;
    fit.warnings.emplace_back("all points have the same x: no exponent");
    return fit;
  }

  // Lack of fit, in units of the scatter of runs.
  if (fit.n_levels > 2 && within > 0) {
    fit.chi_squared_dof = n_levels - 2;
    fit.chi_squared = weighted_line(levels.log_x, means, weights_for(0, within, levels.n_runs)).residual_sum;
    const boost::math::fisher_f distribution(fit.chi_squared_dof, n - n_levels);
    fit.lack_of_fit_p = boost::math::cdf(boost::math::complement(distribution, *fit.chi_squared / fit.chi_squared_dof));
  }

  // Weights of the level means, and where the scale of their errors comes from.
  const bool from_levels = options.level_scatter == LevelScatter::estimated && fit.n_levels > 2;
  std::vector<double> weights = levels.n_runs;
  double between = 0;  // variance
  fit.outcome = PowerLawOutcome::fitted;
  if (from_levels) {
    if (within > 0) {
      between = between_variance(levels, means, within);
      weights = weights_for(between, within, levels.n_runs);
    } else {
      std::fill(weights.begin(), weights.end(), 1.0);
      between = weighted_line(levels.log_x, means, weights).residual_sum / (n_levels - 2);
    }
    if (fit.within_sd) fit.between_sd = std::sqrt(between);
    fit.degrees_of_freedom = n_levels - 2;
  } else if (fit.n_points > 2) {
    fit.degrees_of_freedom = n - 2;
  } else {
    fit.outcome = PowerLawOutcome::assumed_scatter;
  }
  fit.t_quantile = student_t_quantile(
      0.975, fit.degrees_of_freedom > 0 ? fit.degrees_of_freedom : std::numeric_limits<double>::infinity());

  Estimate log_prefactor;
  for (const LogScenario& scenario : scenarios) {
    const WeightedLine line = weighted_line(levels.log_x, level_means(levels, scenario.log_y), weights);
    double scale = options.assumed_run_sd * options.assumed_run_sd;  // variance of an observation of weight 1
    if (from_levels) {
      scale = line.residual_sum / fit.degrees_of_freedom;
    } else if (fit.n_points > 2) {
      scale = (line.residual_sum + within_sum) / fit.degrees_of_freedom;
    }
    const double slope_variance = scale / line.spread;
    PowerLawScenario result{.label = scenario.label, .exponent = line.slope, .log_prefactor = line.intercept};
    result.covariance = {scale / line.weight_sum + line.center * line.center * slope_variance,
                         -line.center * slope_variance, slope_variance};
    const double slope_half = fit.t_quantile * std::sqrt(slope_variance);
    const double intercept_half = fit.t_quantile * std::sqrt(result.covariance[0]);
    if (fit.scenarios.empty()) {
      fit.exponent.value = line.slope;
      log_prefactor.value = line.intercept;
      fit.exponent_scatter_only = {line.slope, line.slope - slope_half, line.slope + slope_half};
      if (line.total_sum > 0) fit.r_squared = 1 - line.residual_sum / line.total_sum;
      set_new_run(fit, levels, from_levels ? between : 0, from_levels ? within : 0, scale);
    }
    widen(fit.exponent, line.slope - slope_half, line.slope + slope_half);
    widen(log_prefactor, line.intercept - intercept_half, line.intercept + intercept_half);
    fit.scenarios.push_back(std::move(result));
  }
  fit.prefactor = exponential(log_prefactor);
  const double width = *fit.exponent.high - *fit.exponent.low;
  const double scatter_width = *fit.exponent_scatter_only.high - *fit.exponent_scatter_only.low;
  if (width > 0) fit.tail_share = 1 - scatter_width / width;

  if (fit.n_points > 2) {
    double sum = 0;
    for (std::size_t i = 0; i < central.size(); ++i) {
      const PowerLawScenario& law = fit.scenarios.front();
      const double residual = central[i] - law.log_prefactor - law.exponent * log_x[i];
      sum += residual * residual;
    }
    fit.residual_sd = std::sqrt(sum / (n - 2));
  }
  add_warnings(fit, options);
  return fit;
}

}  // namespace iclk::fit
