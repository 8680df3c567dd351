#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"

namespace iclk::fit {

/// Hartigan's dip: the largest distance between the empirical distribution and the unimodal distribution nearest to it.
///
/// The candidate modal interval starts as the whole range. In each round the greatest convex minorant G and the least
/// concave majorant L of the empirical distribution are formed on it; where they are furthest apart the next, smaller
/// interval lies, and what is cut off on its left (right) has to be convex (concave): its distance from G (L) counts.
/// It ends when G and L are nowhere further apart than that. The value lies between 1/(2n) and 1/4; it does not change
/// under shifts and scalings. Equal values are a jump of the distribution, which only the mode may have.
///
/// Source   Hartigan and Hartigan 1985. Minorant and majorant by a stack, O(n) after sorting.
/// Valid    n >= 1; 1/(2n) when all values are equal, and for n < 4 whatever they are.
/// Throws   Error for no values, or one that is not finite.
/// Checked  R diptest 0.76-0, bimodality_test.
double dip_statistic(std::span<const double> values);

enum class ShareInterval { clopper_pearson, wilson };  ///< never below 95 %; 95 % on average
std::string_view name(ShareInterval interval);

/// Share count/n with its 95 % interval. Throws Error unless n >= 1 and count <= n.
Estimate binomial_share(std::size_t count, std::size_t n, ShareInterval interval);

/// Scale on which the two components of the mixture are normal.
enum class MixtureScale {
  logit,   ///< ln of (y T + 1/2)/((1 - y) T + 1/2), T trials: accuracies in [0, 1]
  linear,  ///< y itself
};
std::string_view name(MixtureScale scale);

struct BimodalityOptions {
  MixtureScale scale = MixtureScale::logit;
  /// T of the logit: an accuracy of 1 counts as half an error in T test sequences. Chosen: no evaluation is much finer.
  double trials = 1000.0;
  double intermediate_low = 0.6, intermediate_high = 0.9;  ///< closed interval of what is neither of the modes
  ShareInterval interval = ShareInterval::clopper_pearson;
  std::size_t dip_resamples = 2000;     ///< uniform samples behind the dip's p-value; 0: no p-value
  std::size_t mixture_resamples = 200;  ///< normal samples behind the mixture's p-value; 0: no p-value
  std::uint64_t seed = 0;
};
void validate(const BimodalityOptions& options);  ///< throws Error naming the bad field

struct DipTest {
  double statistic = 0.0;
  /// Share of uniform samples of this size whose dip is at least as large (the sample itself counts as one).
  std::optional<double> p_value = {};
  std::size_t simulated_size = 0;  ///< n, at most 10 000; beyond, sqrt(n) dip is compared, which has converged
};

enum class MixtureOutcome {
  fitted,
  at_bound,   ///< a component is as narrow as is allowed, 1/50 of the sample's standard deviation
  identical,  ///< all values are equal
  too_few,    ///< fewer than six values: five parameters
  not_converged,
};
std::string_view name(MixtureOutcome outcome);

struct MixtureComponent {
  double mean = 0.0, sd = 0.0;  ///< on the scale of the fit
  double center = 0.0;          ///< the mean as an accuracy, for the logit; else the mean
};

/// Two normals against one.
struct MixtureFit {
  MixtureOutcome outcome = MixtureOutcome::too_few;
  MixtureComponent one = {}, low = {}, high = {};  ///< low.mean <= high.mean
  Estimate high_weight = {};                       ///< share of runs in the upper mode; profile likelihood
  std::size_t n_high = 0;                          ///< runs that belong to it with probability above 1/2
  std::optional<double> log_likelihood_one = {}, log_likelihood_two = {};
  std::optional<double> bic_one = {}, bic_two = {};  ///< 2 and 5 parameters; the lower is preferred
  std::optional<double> likelihood_ratio = {};       ///< 2 (ln L two - ln L one)
  std::optional<double> p_value = {};                ///< parametric bootstrap of the ratio under one normal
  std::optional<double> separation = {};  ///< |difference of means|/sqrt((sd1^2 + sd2^2)/2): above 2 two peaks show
};

enum class BimodalityOutcome {
  tested,
  identical,  ///< all values are equal: one atom
  too_few,    ///< fewer than four values have no p-value
  no_values,
};
std::string_view name(BimodalityOutcome outcome);

struct Bimodality {
  BimodalityOutcome outcome = BimodalityOutcome::no_values;
  std::size_t n = 0;
  std::size_t n_distinct = 0;
  std::size_t n_at_edge = 0;  ///< values of exactly 0 or 1, for the logit
  double smallest = 0.0, largest = 0.0;
  DipTest dip;
  MixtureFit mixture;
  std::size_t n_intermediate = 0;
  Estimate intermediate;  ///< share of values in the intermediate interval
  std::vector<std::string> warnings;
};

/// Is the distribution of final accuracies over seeds bimodal, and what share lies between?
///
/// Three answers that need not agree: the dip test supposes nothing about the two modes; the mixture supposes that each
/// is normal in logits and has more power when it is; the share of intermediates supposes only the interval.
///
/// The mixture is fitted by expectation and maximisation, with prolonged steps, from nine splits of the sorted values;
/// its p-value compares the likelihood ratio, which has no chi-squared limit here, with samples drawn from one normal.
/// A ratio above all others means "not one normal in logits": a skewed single mode does that too, so read it beside the
/// dip and `separation`. Components narrower than 1/50 of the sample's standard deviation are not allowed: without a
/// bound the likelihood has no maximum.
///
/// Source   Hartigan and Hartigan 1985 (dip); McLachlan 1987 (bootstrap of the ratio); Hathaway 1985 (bound on widths);
///          Varadhan and Roland 2008 (prolonged steps).
/// Differs  Components of accuracies are normal in logits, not beta: both live on (0, 1) and both can lean on 1, but
///          here each step of the maximisation is a weighted mean and variance, and exact ones count as half an error.
/// Valid    Independent runs of one N and K. More than 4000 distinct values enter the mixture on a grid of 4000 steps.
/// Throws   Error for a value that is not finite or, for the logit, not in [0, 1].
/// Checked  R diptest 0.76-0 and direct maximisation in R; rates of rejection by simulation.
Bimodality test_bimodality(std::span<const double> values, const BimodalityOptions& options = {});

/// The same for many groups: the simulated samples depend on the number of values only and are kept.
class BimodalityTester {
 public:
  explicit BimodalityTester(const BimodalityOptions& options);  ///< throws Error as validate does
  Bimodality operator()(std::span<const double> values);
  DipTest dip(std::span<const double> values);  ///< the dip alone; without p-value below four values

 private:
  const std::vector<double>& null_dips(std::size_t n);
  const std::vector<double>& null_ratios(std::size_t n);
  DipTest dip_of_sorted(std::span<const double> sorted);
  void fit_mixture(std::span<const double> sorted, Bimodality& result);

  BimodalityOptions options_;
  std::map<std::size_t, std::vector<double>> null_dips_, null_ratios_;  // by number of values, increasing
};

}  // namespace iclk::fit
