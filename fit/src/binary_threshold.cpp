#include "iclk/fit/binary_threshold.hpp"

#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <map>
#include <utility>

#include "binary_likelihood.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "likelihood_ratio.hpp"
#include "number_text.hpp"
#include "run_levels.hpp"

namespace iclk::fit {
namespace {

/// exp(x), empty outside the double range.
std::optional<double> exponential(std::optional<double> x) {
  if (!x) return std::nullopt;
  const double value = std::exp(*x);
  if (!std::isfinite(value) || !(value > 0)) return std::nullopt;
  return value;
}

ThresholdOutcome outcome_of(const BinaryOptimum& optimum, const BinaryData& data) {
  switch (optimum.shape) {
    case BinaryShape::interior:
      return ThresholdOutcome::fitted;
    case BinaryShape::separated:
      return ThresholdOutcome::separated;
    case BinaryShape::all_acquired:
      return ThresholdOutcome::all_acquired;
    case BinaryShape::none_acquired:
      return ThresholdOutcome::none_acquired;
    case BinaryShape::flat:
      return data.levels.size() == 1 ? ThresholdOutcome::one_level : ThresholdOutcome::not_rising;
    case BinaryShape::not_converged:
      break;
  }
  return ThresholdOutcome::not_converged;
}

/// Profile interval of ln K*, in u.
struct Ends {
  std::optional<double> low, high;
};

Ends threshold_ends(const BinaryData& data, Link link, const BinaryOptimum& optimum, double limit) {
  const auto deviance = [&](double u) { return 2 * (optimum.log_likelihood - profile_of_threshold(data, link, u)); };
  const auto bounded = [&](int side) { return 2 * (optimum.log_likelihood - limit_of_threshold(data, side)) > limit; };
  constexpr double kFirstStep = 0.1;
  constexpr double kReach = 1e9;
  Ends ends;
  if (bounded(-1)) ends.low = deviance_end(deviance, optimum.threshold, -kFirstStep, kReach, limit);
  if (bounded(1)) ends.high = deviance_end(deviance, optimum.threshold, kFirstStep, kReach, limit);
  return ends;
}

/// Width of ln K; its ends are those of the slope, the other way round.
Estimate width_of(const BinaryData& data, Link link, const BinaryOptimum& optimum, double limit) {
  const auto deviance = [&](double log_slope) {
    return 2 * (optimum.log_likelihood - profile_of_slope(data, link, std::exp(log_slope)));
  };
  const bool steep = optimum.shape == BinaryShape::separated;
  constexpr double kSteepest = 1e9;  // per range: below the spacing of any levels that are told apart
  const double inside = std::log(steep ? kSteepest : optimum.slope);
  constexpr double kFirstStep = 0.25;
  constexpr double kReach = 100;
  Estimate width{.value = steep ? 0.0 : data.range / optimum.slope, .low = 0.0, .high = {}};
  if (!steep) {
    if (const auto end = deviance_end(deviance, inside, kFirstStep, kReach, limit)) {
      width.low = data.range * std::exp(-*end);
    }
  }
  const double without_slope = 2 * (optimum.log_likelihood - profile_of_slope(data, link, 0));
  if (without_slope > limit) {
    if (const auto end = deviance_end(deviance, inside, -kFirstStep, kReach, limit)) {
      width.high = data.range * std::exp(-*end);
    }
  }
  return width;
}

Estimate scaled(const Estimate& estimate, double factor) {
  const auto times = [&](const std::optional<double>& v) { return v ? std::optional(*v * factor) : std::nullopt; };
  return {times(estimate.value), times(estimate.low), times(estimate.high)};
}

/// F^-1(0.9) - F^-1(0.1)
double span_10_90(Link link) {
  if (link == Link::logit) return 2 * std::log(9.0);
  return 2 * boost::math::quantile(boost::math::normal(), 0.9);
}

std::string k_text(double k) { return rounded_text(k, 5); }

void add_warnings(ThresholdFit& fit) {
  const auto warn = [&](std::string text) { fit.warnings.push_back(std::move(text)); };
  switch (fit.outcome) {
    case ThresholdOutcome::fitted:
    case ThresholdOutcome::no_runs:
      break;
    case ThresholdOutcome::separated:
      if (*fit.gap_low < *fit.gap_high) {
        warn("complete separation: no run acquires up to K = " + k_text(*fit.gap_low) + " and all do from K = " +
             k_text(*fit.gap_high) + "; K* is anywhere between, its value is the middle in ln K");
      } else {
        warn("separation: only K = " + k_text(*fit.gap_low) +
             " has both outcomes, none acquires below and all do above; K* is that K, and the width has no lower end");
      }
      break;
    case ThresholdOutcome::all_acquired:
      warn("every run acquired: K* has at most an upper bound");
      break;
    case ThresholdOutcome::none_acquired:
      warn("no run acquired: K* has at most a lower bound");
      break;
    case ThresholdOutcome::one_level:
      warn("a single K: K* and width are not identified");
      break;
    case ThresholdOutcome::not_rising:
      warn("acquisition does not rise with K: there is no threshold");
      break;
    case ThresholdOutcome::not_converged:
      warn("the likelihood could not be maximised");
      break;
  }
  if (fit.k_star.value && (*fit.k_star.value < fit.k_min || *fit.k_star.value > fit.k_max)) {
    warn("K* lies outside the K of the runs: it is extrapolated");
  }
  if (fit.outcome == ThresholdOutcome::fitted && (!fit.k_star.low || !fit.k_star.high)) {
    warn("the rise with K is not significant: an end of the interval of K* is open");
  }
  constexpr std::size_t kFewForWidth = 40;  // measured: threshold_coverage_test, docs/statistics.md
  if (fit.width.high && fit.n_runs < kFewForWidth) {
    warn("fewer than " + std::to_string(kFewForWidth) +
         " runs: the fitted width is too small on average, and its interval only approximate");
  }
  constexpr std::size_t kFewRuns = 20;  // chosen: the coverage was simulated from 24 runs on
  if (fit.n_runs > 0 && fit.n_runs < kFewRuns) {
    warn("fewer than " + std::to_string(kFewRuns) + " runs: the intervals are approximate");
  }
}

}  // namespace

std::string_view name(Link link) { return link == Link::logit ? "logit" : "probit"; }

std::string_view name(ThresholdOutcome outcome) {
  switch (outcome) {
    case ThresholdOutcome::fitted:
      return "fitted";
    case ThresholdOutcome::separated:
      return "separated";
    case ThresholdOutcome::all_acquired:
      return "all_acquired";
    case ThresholdOutcome::none_acquired:
      return "none_acquired";
    case ThresholdOutcome::one_level:
      return "one_level";
    case ThresholdOutcome::not_rising:
      return "not_rising";
    case ThresholdOutcome::not_converged:
      return "not_converged";
    case ThresholdOutcome::no_runs:
      break;
  }
  return "no_runs";
}

void validate(const ThresholdOptions& options) {
  if (options.max_levels < 2) {
    throw field_error("max_levels", "expected at least 2, got " + std::to_string(options.max_levels));
  }
}

ThresholdFit fit_threshold(std::span<const RunOutcome> runs, const ThresholdOptions& options) {
  validate(options);
  ThresholdFit fit;
  fit.link = options.link;
  fit.n_runs = runs.size();
  if (runs.empty()) return fit;
  const RunLevels gathered = gather(runs, options.max_levels, UseContext::no);
  std::vector<BinaryLevel> levels;
  for (const RunLevel& level : gathered.levels) levels.push_back({level.log_items, level.n, level.acquired});
  const BinaryData data = standardised(std::move(levels));
  fit.n_acquired = static_cast<std::size_t>(data.acquired);
  fit.n_levels = gathered.n_distinct;
  fit.n_mixed_levels = data.n_mixed;
  fit.k_min = gathered.k_min;
  fit.k_max = gathered.k_max;
  if (!gathered.warning.empty()) fit.warnings.push_back(gathered.warning);

  const BinaryOptimum optimum = maximum_likelihood(data, options.link);
  fit.outcome = outcome_of(optimum, data);
  if (fit.outcome == ThresholdOutcome::not_converged) {
    add_warnings(fit);
    return fit;
  }
  fit.log_likelihood = optimum.log_likelihood;
  fit.deviance = 2 * (saturated_log_likelihood(data) - optimum.log_likelihood);
  fit.deviance_dof = std::max(static_cast<double>(data.levels.size()) - 2, 0.0);
  const double limit = deviance_limit(data.n, options.small_sample);
  const Ends ends = threshold_ends(data, options.link, optimum, limit);
  const auto k = [&](std::optional<double> u) { return u ? exponential(data.x(*u)) : std::nullopt; };
  fit.k_star.low = k(ends.low);
  fit.k_star.high = k(ends.high);
  const bool has_threshold = fit.outcome == ThresholdOutcome::fitted || fit.outcome == ThresholdOutcome::separated;
  if (has_threshold) {
    fit.k_star.value = k(optimum.threshold);
    fit.width = width_of(data, options.link, optimum, limit);
    fit.width_10_90 = scaled(fit.width, span_10_90(options.link));
  }
  if (fit.outcome == ThresholdOutcome::separated) {
    fit.gap_low = k(optimum.gap_low);
    fit.gap_high = k(optimum.gap_high);
    fit.k_star.value = k(optimum.gap_low + (optimum.gap_high - optimum.gap_low) / 2);
  }
  constexpr std::size_t kMostRunsWithPrior = 1000;
  if (options.firth && has_threshold && fit.n_runs <= kMostRunsWithPrior) {
    if (const auto firth = firth_estimate(data, options.link)) {
      fit.firth_k_star = k(firth->threshold);
      fit.firth_width = data.range / firth->slope;
    }
  }
  add_warnings(fit);
  return fit;
}

Estimate sigma_from_width(const Estimate& width, const Estimate& nu) {
  if (!nu.value || !std::isfinite(*nu.value) || !(*nu.value > 0)) {
    throw field_error("nu", "expected a positive finite number");
  }
  if (!width.value) return {};
  Estimate sigma{.value = *width.value * *nu.value, .low = {}, .high = {}};
  const bool exact = !nu.low && !nu.high;
  const auto end = [&](const std::optional<double>& w, const std::optional<double>& v, double sign) {
    if (!w || (!v && !exact)) return std::optional<double>{};
    if (!(*w > 0)) return std::optional(0.0);
    const double from_nu = v ? std::log(*v / *nu.value) : 0.0;
    if (!(*width.value > 0)) return std::optional(*w * *nu.value * std::exp(sign * std::abs(from_nu)));
    return std::optional(*sigma.value * std::exp(sign * std::hypot(std::log(*w / *width.value), from_nu)));
  };
  sigma.low = end(width.low, nu.low, -1);
  sigma.high = end(width.high, nu.high, 1);
  return sigma;
}

}  // namespace iclk::fit
