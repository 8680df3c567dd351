#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"
#include "iclk/fit/power_law.hpp"

namespace iclk::fit {

/// How one training run ended.
struct RunOutcome {
  double n_items = 0.0;    ///< K
  bool acquired = false;   ///< ICL was acquired before the run ended
  double n_context = 0.0;  ///< N; used by fit_threshold_scaling only
};

/// P(acquired | K) = F((ln K - ln K*)/width).
enum class Link {
  probit,  ///< F normal: what a normal beta0 gives; width is a standard deviation, sigma/nu
  logit,   ///< F logistic, heavier tails
};
std::string_view name(Link link);

struct ThresholdOptions {
  Link link = Link::probit;
  /// Limit of the deviance: the square of Student's t with n_runs/2 degrees of freedom instead of chi-squared.
  /// Measured: at eight K with three seeds intervals of K* from chi-squared cover 91 %, these 93 to 97 %
  /// (threshold_coverage_test).
  bool small_sample = true;
  bool firth = true;  ///< also the estimates with Jeffreys' prior, up to 1000 runs: beyond, the prior has no weight
  /// More distinct K than this are gathered on a grid of as many steps in ln K.
  std::size_t max_levels = 2000;
};
void validate(const ThresholdOptions& options);  ///< throws Error naming the bad field

enum class ThresholdOutcome {
  fitted,         ///< K* and width exist
  separated,      ///< every K above a gap (or above one K) acquires, every K below fails: width 0, K* in the gap
  all_acquired,   ///< K* lies below: only its upper bound
  none_acquired,  ///< K* lies above: only its lower bound
  one_level,      ///< a single K with both outcomes: at most one bound
  not_rising,     ///< acquisition does not rise with K: no threshold
  not_converged,
  no_runs,
};
std::string_view name(ThresholdOutcome outcome);

struct ThresholdFit {
  ThresholdOutcome outcome = ThresholdOutcome::no_runs;
  Link link = Link::probit;
  Estimate k_star;       ///< K at which half of the runs acquire; when separated the middle of the gap in ln K
  Estimate width;        ///< of ln K: standard deviation (probit) or logistic scale (logit)
  Estimate width_10_90;  ///< ln K from 10 % to 90 %: 2.563 width (probit), 4.394 width (logit)
  std::optional<double> firth_k_star, firth_width;  ///< finite under separation

  std::size_t n_runs = 0;
  std::size_t n_acquired = 0;
  std::size_t n_levels = 0;        ///< distinct K
  std::size_t n_mixed_levels = 0;  ///< with both outcomes
  double k_min = 0.0, k_max = 0.0;
  std::optional<double> gap_low, gap_high;  ///< K; only when separated
  std::optional<double> log_likelihood;     ///< without binomial coefficients; compares links
  std::optional<double> deviance;           ///< against a probability of its own for each K
  double deviance_dof = 0.0;                ///< n_levels - 2, at least 0
  std::vector<std::string> warnings;
};

/// Threshold K* and width of the transition from runs that did or did not acquire ICL.
///
///     ln L = sum over runs of ln F(+-(ln K - ln K*)/width),    width > 0
///
/// ln L is concave in (1/width, -ln K*/width); Newton's iteration with halved steps (iteratively reweighted least
/// squares for the logit) finds its maximum. Intervals are profile likelihood: the set of K*, or of width, for which
/// 2 (max ln L - max over the other ln L) stays below its 95 % limit, see ThresholdOptions::small_sample. They
/// need no finite maximum: under separation K* has a finite interval about the gap and width a bound from above; when
/// all runs acquire, or none does, K* has one bound. An end is empty where the data do not give it.
///
/// Source   Eq. 13 (a normal beta0 gives the probit form); Venzon and Moolgavkar 1988 (profiles); Firth 1993.
/// Differs  The paper fits a sigmoid to accuracies, without errors: fit_sigmoid.
/// Valid    Independent runs. The interval of K* covers 93 to 97 % from about 24 runs on.
/// Takes    runs: any order; n_items positive.
/// Throws   Error for an n_items that is not positive and finite.
/// Checked  [eq13]
ThresholdFit fit_threshold(std::span<const RunOutcome> runs, const ThresholdOptions& options = {});

enum class ThresholdScalingOutcome {
  fitted,
  separated,       ///< a range of exponents separates the runs without an error: its middle is given
  one_context,     ///< a single N: no exponent
  not_identified,  ///< the likelihood has no maximum at a finite exponent
};
std::string_view name(ThresholdScalingOutcome outcome);

struct ContextThreshold {
  double n_context = 0.0;
  ThresholdFit fit;
};

/// K*(N) = prefactor N^exponent.
struct ThresholdScaling {
  ThresholdScalingOutcome outcome = ThresholdScalingOutcome::one_context;
  Link link = Link::probit;
  Estimate exponent;                       ///< profile likelihood over all runs, one width
  std::optional<double> prefactor;         ///< K* at N = 1
  std::optional<double> width;             ///< common width of ln K
  PowerLawFit two_stage;                   ///< power law through the K* of each N, errors from their scatter about it
  std::optional<double> lack_of_fit;       ///< 2 (ln L with K* and width free for each N - ln L of the law)
  double lack_of_fit_dof = 0.0;            ///< 2 n_contexts - 3
  std::optional<double> lack_of_fit_p;     ///< small: no power law, or different widths
  std::vector<ContextThreshold> contexts;  ///< in increasing order of N
  std::size_t n_runs = 0;
  std::vector<std::string> warnings;
};

/// Exponent of K*(N) from the runs of all N at once, so that the errors of each K* enter by themselves.
///
///     P(acquired | K, N) = F((ln K - ln prefactor - exponent ln N)/width)
///
/// For a given exponent this is fit_threshold in ln K - exponent ln N; the exponent is found by Brent's method and its
/// interval is the profile likelihood's. `two_stage` is the simpler alternative that also holds when the K* scatter
/// about the law more than the runs explain.
///
/// Source   Eq. 13.
/// Valid    The same width at every N: sigma/nu. lack_of_fit_p tests it together with the law.
/// Throws   Error for n_items or n_context that are not positive and finite.
/// Checked  [eq13]
ThresholdScaling fit_threshold_scaling(std::span<const RunOutcome> runs, const ThresholdOptions& options = {});

/// Test of exponent = factor/nu.
struct ExponentTest {
  Estimate predicted;               ///< factor/nu, with the interval of nu
  std::optional<double> statistic;  ///< chi-squared with one degree of freedom
  std::optional<double> p_value;    ///< small: the two disagree
};

/// Joint likelihood-ratio test that the exponent of K*(N) is factor/nu, with the errors of both:
///
///     statistic = min over ln nu of  D(factor/nu) + ((ln nu - ln nu_hat)/se)^2,    se = ln(high/low)/(2 * 1.96)
///
/// where D is the profile deviance of the exponent. A nu without interval is exact.
///
/// Source   Eq. 13 with factor = 1; at finite N the acquisition time grows more slowly than N, which makes factor about
///          0.95 (docs/statistics.md).
/// Throws   Error unless nu and factor are positive and nu lies inside its interval.
/// Checked  [eq13]
ExponentTest test_threshold_exponent(std::span<const RunOutcome> runs, const Estimate& nu, double factor = 1.0,
                                     const ThresholdOptions& options = {});

/// sigma of beta0 that a transition of this width means: width * nu (Eq. 13 with normal beta0). Log half-widths of
/// both intervals add in quadrature; an end is empty where width has none, 0 where its width is 0.
///
/// Valid    width of the probit form.
/// Throws   Error unless nu is positive.
/// Checked  [eq13]
Estimate sigma_from_width(const Estimate& width, const Estimate& nu);

}  // namespace iclk::fit
