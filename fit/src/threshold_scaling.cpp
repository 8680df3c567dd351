#include <boost/math/distributions/normal.hpp>
#include <boost/math/tools/minima.hpp>
#include <cmath>
#include <map>
#include <utility>

#include "arguments.hpp"
#include "binary_likelihood.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/binary_threshold.hpp"
#include "likelihood_ratio.hpp"
#include "number_text.hpp"
#include "run_levels.hpp"

namespace iclk::fit {
namespace {

constexpr double kReach = 64;  // exponents this far from the best are not looked for

/// Best likelihood of the law for one exponent: fit_threshold in ln K - exponent ln N.
class ScalingLikelihood {
 public:
  ScalingLikelihood(std::vector<RunLevel> levels, Link link) : levels_(std::move(levels)), link_(link) {}

  BinaryData data(double exponent) const {
    std::vector<BinaryLevel> shifted;
    shifted.reserve(levels_.size());
    for (const RunLevel& level : levels_) {
      shifted.push_back({level.log_items - exponent * level.log_context, level.n, level.acquired});
    }
    return standardised(std::move(shifted));
  }
  BinaryOptimum optimum(double exponent) const { return maximum_likelihood(data(exponent), link_); }
  double operator()(double exponent) const { return optimum(exponent).log_likelihood; }

 private:
  std::vector<RunLevel> levels_;
  Link link_;
};

struct BestExponent {
  double exponent = 0.0;
  double log_likelihood = 0.0;
  bool separated = false;
  std::optional<double> gap_low = {}, gap_high = {};  ///< of the exponents that separate
};

/// The likelihood has one maximum in the exponent, or one plateau: it is the maximum of a concave function over a
/// family of nested half planes. Bracketed outwards from `start`, then Brent's method.
std::optional<BestExponent> best_exponent(const ScalingLikelihood& likelihood, double start) {
  constexpr double kStep = 0.25;
  constexpr double kSame = 1e-9;  // of ln L
  double center = start, value = likelihood(start), low = start - kStep, high = start + kStep;
  const auto climb = [&](double& end, double side) {
    for (double step = kStep; std::abs(end - start) < kReach; step *= 2) {
      const double there = likelihood(end);
      if (there < value - kSame) return true;
      if (there > value) {
        value = there;
        center = end;
      }
      end += side * step;
    }
    return false;
  };
  const bool closed_high = climb(high, 1);
  const bool closed_low = climb(low, -1);
  if (!closed_high || !closed_low) return std::nullopt;
  constexpr int kBits = 26;  // a minimum is not located better than to half of the digits
  std::uintmax_t iterations = 300;
  const auto [at, least] =
      boost::math::tools::brent_find_minima([&](double b) { return -likelihood(b); }, low, high, kBits, iterations);
  BestExponent best{.exponent = at, .log_likelihood = -least};
  if (value > best.log_likelihood) best = {.exponent = center, .log_likelihood = value};
  if (likelihood.optimum(best.exponent).shape == BinaryShape::separated) {
    best.separated = true;
    constexpr double kPlateau = 1e-6;  // of the deviance: separation is exact inside
    const auto deviance = [&](double b) { return 2 * (best.log_likelihood - likelihood(b)); };
    best.gap_low = deviance_end(deviance, best.exponent, -kStep / 4, kReach, kPlateau);
    best.gap_high = deviance_end(deviance, best.exponent, kStep / 4, kReach, kPlateau);
    if (!best.gap_low || !best.gap_high) return std::nullopt;
    best.exponent = *best.gap_low + (*best.gap_high - *best.gap_low) / 2;
  }
  return best;
}

std::vector<ContextThreshold> thresholds_by_context(std::span<const RunOutcome> runs, const ThresholdOptions& options) {
  std::map<double, std::vector<RunOutcome>> by_context;
  for (const RunOutcome& run : runs) by_context[run.n_context].push_back(run);
  std::vector<ContextThreshold> contexts;
  for (const auto& [n_context, group] : by_context) contexts.push_back({n_context, fit_threshold(group, options)});
  return contexts;
}

PowerLawFit through_thresholds(const std::vector<ContextThreshold>& contexts) {
  std::vector<PowerLawPoint> points;
  for (const ContextThreshold& context : contexts) {
    if (context.fit.k_star.value) points.push_back({.x = context.n_context, .y = *context.fit.k_star.value});
  }
  return fit_power_law(points);
}

double start_exponent(const PowerLawFit& two_stage) { return two_stage.exponent.value.value_or(1.0); }

}  // namespace

std::string_view name(ThresholdScalingOutcome outcome) {
  switch (outcome) {
    case ThresholdScalingOutcome::fitted:
      return "fitted";
    case ThresholdScalingOutcome::separated:
      return "separated";
    case ThresholdScalingOutcome::one_context:
      return "one_context";
    case ThresholdScalingOutcome::not_identified:
      break;
  }
  return "not_identified";
}

ThresholdScaling fit_threshold_scaling(std::span<const RunOutcome> runs, const ThresholdOptions& options) {
  validate(options);
  ThresholdScaling result;
  result.link = options.link;
  result.n_runs = runs.size();
  RunLevels gathered = gather(runs, options.max_levels, UseContext::yes);
  if (!gathered.warning.empty()) result.warnings.push_back(gathered.warning);
  result.contexts = thresholds_by_context(runs, options);
  result.two_stage = through_thresholds(result.contexts);
  if (result.contexts.size() < 2) {
    result.warnings.emplace_back("a single N: no exponent");
    return result;
  }
  const ScalingLikelihood likelihood(std::move(gathered.levels), options.link);
  const std::optional<BestExponent> best = best_exponent(likelihood, start_exponent(result.two_stage));
  if (!best) {
    result.outcome = ThresholdScalingOutcome::not_identified;
    result.warnings.emplace_back("the runs do not determine the exponent");
    return result;
  }
  const BinaryData data = likelihood.data(best->exponent);
  const BinaryOptimum optimum = maximum_likelihood(data, options.link);
  result.outcome = best->separated ? ThresholdScalingOutcome::separated : ThresholdScalingOutcome::fitted;
  const double limit = deviance_limit(static_cast<double>(runs.size()), options.small_sample);
  const auto deviance = [&](double b) { return 2 * (best->log_likelihood - likelihood(b)); };
  constexpr double kStep = 0.05;
  result.exponent.value = best->exponent;
  result.exponent.low = deviance_end(deviance, best->exponent, -kStep, kReach, limit);
  result.exponent.high = deviance_end(deviance, best->exponent, kStep, kReach, limit);
  const double prefactor = std::exp(data.x(optimum.threshold));
  if (std::isfinite(prefactor) && prefactor > 0) result.prefactor = prefactor;
  result.width = best->separated ? 0.0 : data.range / optimum.slope;
  if (best->separated) {
    result.warnings.push_back("complete separation: every exponent from " + rounded_text(*best->gap_low, 4) + " to " +
                              rounded_text(*best->gap_high, 4) + " describes all runs; the value is the middle");
  }
  if (!result.exponent.low || !result.exponent.high) {
    result.warnings.emplace_back("an end of the interval of the exponent is open");
  }
  double free = 0;
  bool all_known = true;
  for (const ContextThreshold& context : result.contexts) {
    all_known = all_known && context.fit.log_likelihood.has_value();
    free += context.fit.log_likelihood.value_or(0.0);
  }
  result.lack_of_fit_dof = 2 * static_cast<double>(result.contexts.size()) - 3;
  if (all_known) {
    result.lack_of_fit = std::max(2 * (free - best->log_likelihood), 0.0);
    result.lack_of_fit_p = chi_squared_tail(*result.lack_of_fit, result.lack_of_fit_dof);
    constexpr double kSmall = 0.01;
    if (*result.lack_of_fit_p < kSmall) {
      result.warnings.emplace_back(
          "K* does not follow one power law with one width (lack of fit): the interval is too narrow, prefer "
          "two_stage");
    }
  }
  return result;
}

ExponentTest test_threshold_exponent(std::span<const RunOutcome> runs, const Estimate& nu, double factor,
                                     const ThresholdOptions& options) {
  validate(options);
  require_positive(factor, "factor");
  if (!nu.value) throw field_error("nu", "expected a value, got none");
  require_positive(*nu.value, "nu");
  if (nu.low.has_value() != nu.high.has_value()) throw field_error("nu", "expected both ends of its interval, or none");
  if (nu.low) require_positive(*nu.low, "nu.low");
  if (nu.low && !(*nu.low <= *nu.value && *nu.value <= *nu.high)) {
    throw field_error("nu", "expected a value inside its interval [" + format_number(*nu.low) + ", " +
                                format_number(*nu.high) + "], got " + format_number(*nu.value));
  }
  ExponentTest test;
  test.predicted.value = factor / *nu.value;
  if (nu.low) test.predicted = {factor / *nu.value, factor / *nu.high, factor / *nu.low};
  const std::vector<ContextThreshold> contexts = thresholds_by_context(
      runs,
      {.link = options.link, .small_sample = options.small_sample, .firth = false, .max_levels = options.max_levels});
  if (contexts.size() < 2) return test;
  const ScalingLikelihood likelihood(gather(runs, options.max_levels, UseContext::yes).levels, options.link);
  const auto best = best_exponent(likelihood, start_exponent(through_thresholds(contexts)));
  if (!best) return test;
  const auto deviance = [&](double b) { return std::max(2 * (best->log_likelihood - likelihood(b)), 0.0); };
  const double log_predicted = std::log(*test.predicted.value);
  test.statistic = deviance(*test.predicted.value);
  if (nu.low && *nu.high > *nu.low) {
    const double normal_quantile = boost::math::quantile(boost::math::normal(), 0.975);
    const double error = std::log(*nu.high / *nu.low) / (2 * normal_quantile);
    const auto total = [&](double log_b) {
      const double z = (log_b - log_predicted) / error;
      return deviance(std::exp(log_b)) + z * z;
    };
    // The minimum lies between the prediction and the best exponent, where that is positive.
    constexpr double kFar = 8;  // standard errors: further away the second term alone decides
    const double toward = best->exponent > 0 ? std::log(best->exponent) : log_predicted - kFar * error;
    const double end = log_predicted + std::clamp(toward - log_predicted, -kFar * error, kFar * error);
    constexpr int kBits = 40;
    std::uintmax_t iterations = 300;
    const auto least = boost::math::tools::brent_find_minima(total, std::min(end, log_predicted),
                                                             std::max(end, log_predicted), kBits, iterations);
    test.statistic = std::min(*test.statistic, least.second);
  }
  test.p_value = chi_squared_tail(*test.statistic, 1);
  return test;
}

}  // namespace iclk::fit
