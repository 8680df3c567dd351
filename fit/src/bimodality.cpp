#include "iclk/fit/bimodality.hpp"

#include <algorithm>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>

#include "binary_likelihood.hpp"
#include "dip.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/logistic.hpp"
#include "iclk/core/random.hpp"
#include "iclk/core/run_info.hpp"
#include "likelihood_ratio.hpp"
#include "normal_mixture.hpp"
#include "number_text.hpp"

namespace iclk::fit {
namespace {

constexpr std::size_t kFewestForDip = 4;      // with three values the dip is 1/6 whatever they are
constexpr std::size_t kFewestForMixture = 6;  // five parameters
// Largest simulated samples. Chosen: the 95 % point of sqrt(n) dip is 0.5424 at 10 000 and 0.5448 at 40 000 values (R
// diptest's table); the ratio of the mixtures changes still less between 500 and more.
constexpr std::size_t kLargestDipSample = 10'000;
constexpr std::size_t kLargestMixtureSample = 500;
constexpr std::uint64_t kMixtureStreams = std::uint64_t{1} << 32;  // index of the first one, after those of the dip

std::vector<double> checked_and_sorted(std::span<const double> values) {
  if (values.empty()) throw field_error("values", "expected at least one value");
  std::vector<double> sorted(values.begin(), values.end());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (!std::isfinite(sorted[i])) {
      throw field_error("values[" + std::to_string(i) + "]",
                        "expected a finite number, got " + format_number(sorted[i]));
    }
  }
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

/// Share of a sorted null sample that is at least `statistic`, the statistic itself counted.
double tail_share(const std::vector<double>& null, double statistic) {
  const double tolerance = 1e-12 * std::abs(statistic);  // equal up to rounding counts as equal
  const auto first = std::lower_bound(null.begin(), null.end(), statistic - tolerance);
  return (static_cast<double>(null.end() - first) + 1) / (static_cast<double>(null.size()) + 1);
}

double on_scale(double y, const BimodalityOptions& options) {
  if (options.scale == MixtureScale::linear) return y;
  return std::log((y * options.trials + 0.5) / ((1 - y) * options.trials + 0.5));
}

double back(double z, const BimodalityOptions& options) {
  if (options.scale == MixtureScale::linear) return z;
  const double shifted = sigmoid(z);
  return std::clamp((shifted * (options.trials + 1) - 0.5) / options.trials, 0.0, 1.0);
}

/// 2 (ln L two - ln L one) by the quick fit, in the same way for the data and the simulated samples.
double quick_ratio(const WeightedSample& sample) {
  return std::max(2 * (fit_two_normals(sample, kQuickMixture).log_likelihood - log_likelihood_of_one(sample)), 0.0);
}

/// Profile likelihood interval of the second component's weight, over its logit. Where the deviance stays below the
/// limit towards weight 0 (1) the end is 0 (1).
Estimate weight_interval(const WeightedSample& sample, const TwoNormals& best) {
  Estimate weight{.value = best.weight, .low = 0.0, .high = 1.0};
  if (!(best.weight > 0 && best.weight < 1)) return weight;
  const double limit = deviance_limit(sample.total, false);
  const auto deviance = [&](double logit) {
    return 2 * (best.log_likelihood - fit_at_weight(sample, best, sigmoid(logit)).log_likelihood);
  };
  const double inside = std::log(best.weight) - std::log1p(-best.weight);
  constexpr double kStep = 0.25;
  constexpr double kReach = 12;  // shares below 1e-5
  if (const auto end = deviance_end(deviance, inside, -kStep, kReach, limit)) weight.low = sigmoid(*end);
  if (const auto end = deviance_end(deviance, inside, kStep, kReach, limit)) weight.high = sigmoid(*end);
  return weight;
}

void add_warnings(Bimodality& result, const BimodalityOptions& options) {
  const auto warn = [&](std::string text) { result.warnings.push_back(std::move(text)); };
  constexpr std::size_t kFew = 10;
  if (result.n < kFew) warn("fewer than 10 values: tests have little power, and shares wide intervals");
  if (result.outcome == BimodalityOutcome::identical) {
    warn("all values are equal: there is nothing to test");
    return;
  }
  const std::size_t n_repeated = result.n - result.n_distinct;
  constexpr double kManyRepeats = 0.05;
  if (static_cast<double>(n_repeated) > kManyRepeats * static_cast<double>(result.n)) {
    warn(std::to_string(n_repeated) + " of " + std::to_string(result.n) +
         " values repeat others: ties enlarge the dip, and its p-value is then too small");
  }
  if (result.n_at_edge > 0) {
    warn(std::to_string(result.n_at_edge) + " values are exactly 0 or 1: in logits they count as half an error in " +
         rounded_text(options.trials, 6));
  }
  const MixtureFit& mixture = result.mixture;
  if (mixture.outcome == MixtureOutcome::at_bound) {
    warn("a component of the mixture is as narrow as is allowed: it describes values that are nearly equal");
  }
  if (mixture.outcome == MixtureOutcome::not_converged) warn("the fit of two components did not converge");
  if (mixture.high_weight.value) {
    const double fewer = std::min(*mixture.high_weight.value, 1 - *mixture.high_weight.value);
    if (fewer * static_cast<double>(result.n) < 2) warn("a component of the mixture holds fewer than two runs");
  }
  constexpr double kLevel = 0.05;
  if (mixture.p_value && *mixture.p_value < kLevel && result.dip.p_value && *result.dip.p_value > kLevel) {
    warn(
        "two components describe the values better than one, but the dip is not significant: one skewed mode looks "
        "like this too");
  }
}

}  // namespace

double dip_statistic(std::span<const double> values) { return DipCalculator()(checked_and_sorted(values)); }

std::string_view name(ShareInterval interval) {
  return interval == ShareInterval::wilson ? "wilson" : "clopper-pearson";
}

std::string_view name(MixtureScale scale) { return scale == MixtureScale::linear ? "linear" : "logit"; }

std::string_view name(MixtureOutcome outcome) {
  switch (outcome) {
    case MixtureOutcome::fitted:
      return "fitted";
    case MixtureOutcome::at_bound:
      return "at_bound";
    case MixtureOutcome::identical:
      return "identical";
    case MixtureOutcome::too_few:
      return "too_few";
    case MixtureOutcome::not_converged:
      break;
  }
  return "not_converged";
}

std::string_view name(BimodalityOutcome outcome) {
  switch (outcome) {
    case BimodalityOutcome::tested:
      return "tested";
    case BimodalityOutcome::identical:
      return "identical";
    case BimodalityOutcome::too_few:
      return "too_few";
    case BimodalityOutcome::no_values:
      break;
  }
  return "no_values";
}

void validate(const BimodalityOptions& options) {
  const auto refuse = [](const std::string& field, double value, const std::string& rule) {
    throw field_error(field, "expected " + rule + ", got " + format_number(value));
  };
  if (!std::isfinite(options.trials) || !(options.trials > 0)) {
    refuse("trials", options.trials, "a positive finite number");
  }
  if (!std::isfinite(options.intermediate_low)) {
    refuse("intermediate_low", options.intermediate_low, "a finite number");
  }
  if (!std::isfinite(options.intermediate_high) || !(options.intermediate_high >= options.intermediate_low)) {
    refuse("intermediate_high", options.intermediate_high, "a finite number not below intermediate_low");
  }
  constexpr std::size_t kMost = 10'000'000;
  if (options.dip_resamples > kMost) {
    refuse("dip_resamples", static_cast<double>(options.dip_resamples), "at most 1e7");
  }
  if (options.mixture_resamples > kMost) {
    refuse("mixture_resamples", static_cast<double>(options.mixture_resamples), "at most 1e7");
  }
}

Estimate binomial_share(std::size_t count, std::size_t n, ShareInterval interval) {
  if (n == 0) throw field_error("n", "expected at least 1, got 0");
  if (count > n) throw field_error("count", "expected at most n, got " + std::to_string(count));
  const double trials = static_cast<double>(n), successes = static_cast<double>(count);
  Estimate share{.value = successes / trials, .low = {}, .high = {}};
  constexpr double kTail = 0.025;
  if (interval == ShareInterval::clopper_pearson) {
    using Binomial = boost::math::binomial_distribution<double>;
    share.low = Binomial::find_lower_bound_on_p(trials, successes, kTail);
    share.high = Binomial::find_upper_bound_on_p(trials, successes, kTail);
    return share;
  }
  const double z = boost::math::quantile(boost::math::normal(), 1 - kTail);
  const double p = *share.value, z2 = z * z / trials;
  const double middle = (p + z2 / 2) / (1 + z2);
  const double half = std::sqrt(p * (1 - p) * z2 + z2 * z2 / 4) / (1 + z2);
  share.low = count == 0 ? 0.0 : middle - half;
  share.high = count == n ? 1.0 : middle + half;
  return share;
}

BimodalityTester::BimodalityTester(const BimodalityOptions& options) : options_(options) { validate(options_); }

const std::vector<double>& BimodalityTester::null_dips(std::size_t n) {
  std::vector<double>& dips = null_dips_[n];
  if (!dips.empty()) return dips;
  DipCalculator dip;
  std::vector<double> sorted(n);
  for (std::size_t r = 0; r < options_.dip_resamples; ++r) {
    Rng rng(options_.seed, RandomPurpose::null_samples, r);
    double sum = 0;  // ordered uniform numbers are sums of exponential ones, up to a scale
    for (double& x : sorted) {
      sum -= std::log1p(-rng.uniform());
      x = sum;
    }
    dips.push_back(dip(sorted));
  }
  std::sort(dips.begin(), dips.end());
  return dips;
}

const std::vector<double>& BimodalityTester::null_ratios(std::size_t n) {
  std::vector<double>& ratios = null_ratios_[n];
  if (!ratios.empty()) return ratios;
  std::vector<double> values(n);
  for (std::size_t r = 0; r < options_.mixture_resamples; ++r) {
    Rng rng(options_.seed, RandomPurpose::null_samples, kMixtureStreams + r);
    for (double& x : values) x = rng.normal();
    std::sort(values.begin(), values.end());
    ratios.push_back(quick_ratio(weighted_sample(values)));
  }
  std::sort(ratios.begin(), ratios.end());
  return ratios;
}

DipTest BimodalityTester::dip_of_sorted(std::span<const double> sorted) {
  DipTest test{.statistic = DipCalculator()(sorted), .p_value = {}, .simulated_size = 0};
  const std::size_t n = sorted.size();
  if (n < kFewestForDip || !(sorted.front() < sorted.back())) return test;
  test.simulated_size = std::min(n, kLargestDipSample);
  if (options_.dip_resamples == 0) return test;
  const double scale = std::sqrt(static_cast<double>(n) / static_cast<double>(test.simulated_size));
  test.p_value = tail_share(null_dips(test.simulated_size), test.statistic * scale);
  return test;
}

DipTest BimodalityTester::dip(std::span<const double> values) { return dip_of_sorted(checked_and_sorted(values)); }

void BimodalityTester::fit_mixture(std::span<const double> sorted, Bimodality& result) {
  MixtureFit& fit = result.mixture;
  if (result.n < kFewestForMixture) return;
  std::vector<double> scaled;
  scaled.reserve(sorted.size());
  for (const double y : sorted) scaled.push_back(on_scale(y, options_));
  const WeightedSample sample = weighted_sample(scaled);
  if (!std::isfinite(sample.sd)) {  // squares beyond the range of doubles
    fit.outcome = MixtureOutcome::not_converged;
    return;
  }
  if (sample.z.size() < 2 || !(sample.sd > 0)) {
    fit.outcome = MixtureOutcome::identical;
    return;
  }
  const TwoNormals two = fit_two_normals(sample, kFullMixture);
  const bool at_bound = std::min(two.sd[0], two.sd[1]) <= kLeastSd * sample.sd * (1 + 1e-9);
  fit.outcome = !two.converged ? MixtureOutcome::not_converged
                : at_bound     ? MixtureOutcome::at_bound
                               : MixtureOutcome::fitted;
  const auto component = [&](double mean, double sd) { return MixtureComponent{mean, sd, back(mean, options_)}; };
  fit.one = component(sample.mean, sample.sd);
  fit.low = component(two.mean[0], two.sd[0]);
  fit.high = component(two.mean[1], two.sd[1]);
  fit.high_weight = weight_interval(sample, two);
  for (std::size_t i = 0; i < sample.z.size(); ++i) {
    if (second_probability(two, sample.z[i]) > 0.5) fit.n_high += static_cast<std::size_t>(sample.n[i]);
  }
  fit.log_likelihood_one = log_likelihood_of_one(sample);
  fit.log_likelihood_two = std::max(two.log_likelihood, *fit.log_likelihood_one);
  const double log_n = std::log(sample.total);
  fit.bic_one = 2 * log_n - 2 * *fit.log_likelihood_one;
  fit.bic_two = 5 * log_n - 2 * *fit.log_likelihood_two;
  fit.likelihood_ratio = 2 * (*fit.log_likelihood_two - *fit.log_likelihood_one);
  fit.separation = (two.mean[1] - two.mean[0]) / std::sqrt((two.sd[0] * two.sd[0] + two.sd[1] * two.sd[1]) / 2);
  if (options_.mixture_resamples > 0) {
    fit.p_value = tail_share(null_ratios(std::min(result.n, kLargestMixtureSample)), quick_ratio(sample));
  }
}

Bimodality BimodalityTester::operator()(std::span<const double> values) {
  Bimodality result;
  result.n = values.size();
  if (values.empty()) return result;
  const std::vector<double> sorted = checked_and_sorted(values);
  for (std::size_t i = 0; i < values.size() && options_.scale == MixtureScale::logit; ++i) {
    if (values[i] >= 0 && values[i] <= 1) continue;
    throw field_error("values[" + std::to_string(i) + "]",
                      "expected a number in [0, 1], got " + format_number(values[i]));
  }
  result.smallest = sorted.front();
  result.largest = sorted.back();
  result.n_distinct = 1;
  for (std::size_t i = 1; i < sorted.size(); ++i) result.n_distinct += sorted[i - 1] < sorted[i] ? 1 : 0;
  for (const double y : sorted) {
    if (options_.scale == MixtureScale::logit && (y <= 0 || y >= 1)) ++result.n_at_edge;
    if (y >= options_.intermediate_low && y <= options_.intermediate_high) ++result.n_intermediate;
  }
  result.intermediate = binomial_share(result.n_intermediate, result.n, options_.interval);
  result.dip = dip_of_sorted(sorted);
  if (result.n_distinct == 1) {
    result.outcome = BimodalityOutcome::identical;
    result.mixture.outcome = MixtureOutcome::identical;
  } else if (result.n < kFewestForDip) {
    result.outcome = BimodalityOutcome::too_few;
  } else {
    result.outcome = BimodalityOutcome::tested;
    fit_mixture(sorted, result);
  }
  add_warnings(result, options_);
  return result;
}

Bimodality test_bimodality(std::span<const double> values, const BimodalityOptions& options) {
  return BimodalityTester(options)(values);
}

}  // namespace iclk::fit
