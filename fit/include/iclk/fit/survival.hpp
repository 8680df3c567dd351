#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"
#include "iclk/fit/start_map.hpp"

namespace iclk::fit {

/// One run: when it acquired ICL or, where it had not, when it was last looked at (right-censored).
struct SurvivalRun {
  double time = 0.0;  ///< > 0, in any unit
  bool acquired = true;
};

enum class SurvivalInterval { log_log, log, plain };  ///< scale on which the pointwise interval of S(t) is symmetric
std::string_view name(SurvivalInterval interval);

struct SurvivalStep {
  double time = 0.0;
  std::size_t at_risk = 0;   ///< runs with this time or a later one
  std::size_t acquired = 0;  ///< runs that acquired at this time
  std::size_t censored = 0;  ///< runs last looked at at this time
  Estimate survival = {};    ///< S(time) just after; low and high empty where S is 0, and where S is 1 both are 1
};

/// S(t), the probability that a run has not acquired ICL by t.
struct SurvivalCurve {
  std::vector<SurvivalStep> steps;  ///< one per distinct time, increasing
  std::size_t n_runs = 0;
  std::size_t n_acquired = 0;
};

/// Kaplan-Meier estimate with Greenwood's pointwise 95 % interval.
///
///     S(t) = product over t_i <= t of (1 - d_i/n_i),   var ln S = sum of d_i/(n_i (n_i - d_i))
///
/// A run that is censored at the time of an acquisition counts as being at risk there.
///
/// Source   Kaplan and Meier 1958; intervals as in R's survival::survfit.
/// Valid    Censoring that does not depend on when the run would have acquired (a cap on the run's length does not).
/// Throws   Error for a time that is not positive and finite.
/// Checked  R survival 3.5-3.
SurvivalCurve kaplan_meier(std::span<const SurvivalRun> runs, SurvivalInterval interval = SurvivalInterval::log_log);

/// Time by which the share `probability` of the runs has acquired ICL (0.5: the median), with the 95 % interval of
/// Brookmeyer and Crowley: the times at which the interval of S holds 1 - probability. Where S equals it over a
/// stretch, the middle of that stretch. Parts that the curve does not reach are empty. Throws Error unless 0 <
/// probability < 1.
Estimate survival_quantile(const SurvivalCurve& curve, double probability = 0.5);

enum class AcquisitionFamily { lognormal, weibull, inverse_gaussian, theory };
std::string_view name(AcquisitionFamily family);

enum class AcquisitionFitOutcome {
  fitted,
  at_bound,        ///< cured fraction 0, or drift 0 of the inverse Gaussian: the best value lies at the edge
  none_acquired,   ///< no run acquired
  too_few,         ///< fewer than two distinct acquisition times (three for a cured fraction)
  not_identified,  ///< likelihood flat or rising without end
  outside_map,     ///< theory: a run with a time that no beta0 of the map leads to
};
std::string_view name(AcquisitionFitOutcome outcome);

/// A distribution of acquisition times fitted by censored maximum likelihood.
///
///     lognormal         ln t ~ N(location, scale^2)
///     weibull           S = exp(-(t/exp(location))^(1/scale))
///     inverse_gaussian  first time at which a Brownian path of unit variance and drift `drift` reaches `threshold`;
///                       mean threshold/drift, shape threshold^2
///     theory            beta0 ~ N(beta0_mean, beta0_sd^2) through `map`; runs that start at its critical beta0 or
///                       below never acquire
struct AcquisitionModel {
  AcquisitionFamily family = AcquisitionFamily::lognormal;
  bool with_cured = false;  ///< whether a fraction that never acquires was allowed
  AcquisitionFitOutcome outcome = AcquisitionFitOutcome::none_acquired;
  std::size_t n_parameters = 0;
  Estimate location = {}, scale = {};  ///< lognormal and weibull; Wald, scale in ln(scale)
  Estimate threshold = {},
           drift = {};  ///< inverse Gaussian [sqrt(time), 1/sqrt(time)]; Wald, threshold in ln(threshold)
  Estimate beta0_mean = {}, beta0_sd = {};  ///< theory; Wald, beta0_sd in its logarithm
  Estimate never = {};  ///< theory: share of the runs that starts too low to acquire; Wald in its normal quantile
  Estimate cured = {};  ///< fraction that never acquires; profile likelihood; 0 without interval unless with_cured
  std::optional<double> log_likelihood = {}, aic = {};
  Estimate median_acquired = {};         ///< median time of the runs that acquire; Wald in ln t, for theory in beta0
  std::optional<double> median = {};     ///< of all runs; empty when half or more never acquire
  std::optional<double> p_no_cure = {};  ///< likelihood-ratio test of cured = 0 (half chi^2_1, as 0 is an edge)
  /// Of (location, ln scale), (ln threshold, drift) or (beta0_mean, ln beta0_sd); empty unless fitted.
  std::vector<double> standard_errors = {};
  std::optional<StartMap> map = {};  ///< theory
};

/// Censored maximum likelihood with or without a cured fraction c, the part of the runs that never acquires.
///
///     ln L = sum over acquired of ln((1 - c) f(t)) + sum over censored of ln(c + (1 - c) S(t))
///
/// At given c the score equations of the two parameters are solved by Powell's hybrid method (Eigen, after MINPACK); c
/// is a root of d ln L/dc along that profile, bracketed from a scan of [0, 1). The interval of c holds the c whose
/// profile lies at most 1.92 below the maximum. Wald intervals come from the observed information in all parameters,
/// times sqrt(d/(d - 1)) and with Student t for d - 1, d the number of acquired runs: exact for ln t of a complete
/// lognormal sample, and needed at 20 runs.
///
/// Of more than 20 000 distinct times, those closer than a thousandth of the interquartile range of ln t count as
/// equal.
///
/// Source   Boag 1949 (cured fraction); Self and Liang 1987 (test at the edge).
/// Valid    One distribution for all runs of the sample; c is told from a slow tail only if the runs are watched for
///          long enough that the curve is flat at its end.
/// Throws   Error for a time that is not positive and finite, or for the family `theory`, which needs its map.
/// Checked  R survival 3.5-3 (survreg) and direct maximisation in R; coverage by simulation.
AcquisitionModel fit_acquisition_model(std::span<const SurvivalRun> runs, AcquisitionFamily family, bool with_cured);

/// The theory's own distribution by censored maximum likelihood in the mean and sd of beta0.
///
///     f(t) = phi(z)/sd |d beta0/dt|,   S(t) = 1 - Phi(z),   z = (mean - beta0(t))/sd
///
/// In beta0 this is a censored normal sample, so it has the estimates and intervals of the lognormal family in
/// exp(-beta0(t)); the derivative of the map enters the likelihood only, where it makes AIC comparable with the other
/// families. A run that was watched beyond the last time of a map with a critical beta0 is one that had not acquired
/// there. The interval of the median goes through the map.
///
/// Source   Fig. A.1b.
/// Valid    beta0 normal, w0 the same in all runs. A cured fraction beside the map's own is told from it by the shape
///          of the late times alone.
/// Returns  outside_map when the map ends before the times do.
/// Throws   Error for a time that is not positive and finite.
/// Checked  [eq11]; coverage by simulation.
AcquisitionModel fit_acquisition_model(std::span<const SurvivalRun> runs, const StartMap& map, bool with_cured);

/// Time by which the fitted model has the share `probability` of all runs acquired; empty when it never does.
/// Throws Error unless 0 < probability < 1.
std::optional<double> model_quantile(const AcquisitionModel& model, double probability);

/// Fraction of runs that the fitted model has not acquired by `time` > 0; empty without a fit.
std::optional<double> model_survival(const AcquisitionModel& model, double time);

/// Kaplan-Meier against the model at the acquisition times: equal when the model holds.
struct QuantilePoint {
  double probability = 0.0;          ///< middle of the Kaplan-Meier step
  double observed = 0.0;             ///< time of the step
  std::optional<double> model = {};  ///< model_quantile at that probability
};
/// At most `most` points, evenly taken with the first and last among them.
std::vector<QuantilePoint> quantile_points(const SurvivalCurve& curve, const AcquisitionModel& model,
                                           std::size_t most = 1000);

/// The tail beyond `start` against an exponential one: excess times t - start of the runs that lasted longer.
struct TailTest {
  double start = 0.0;
  std::size_t n_runs = 0, n_acquired = 0;  ///< beyond start
  Estimate rate = {};   ///< of the exponential tail, acquired/total excess; exact for failure-limited samples
  Estimate shape = {};  ///< Weibull shape of the excess, 1 when exponential; below 1: slower. Wald in ln(shape)
  std::optional<double> p_exponential = {};  ///< likelihood-ratio test of shape = 1 (chi^2_1)
};

/// start: by default the median of `curve`. Empty rate or shape where too few runs acquired beyond it (1, and 3).
TailTest test_exponential_tail(std::span<const SurvivalRun> runs, double start);

/// All that is said of one group of runs.
struct AcquisitionSummary {
  SurvivalCurve curve;
  Estimate median = {};                  ///< Kaplan-Meier
  std::vector<AcquisitionModel> models;  ///< each family without and with a cured fraction; theory last, if asked for
  std::optional<std::size_t> best = {};  ///< of models, lowest AIC
  std::optional<TailTest> tail = {};     ///< beyond the median
  std::vector<std::string> warnings;
};

/// With a map also the family `theory`. Throws Error for a time that is not positive and finite.
AcquisitionSummary summarise_acquisition(std::span<const SurvivalRun> runs,
                                         SurvivalInterval interval = SurvivalInterval::log_log,
                                         const std::optional<StartMap>& map = {});

/// Median acquisition time at one context length.
struct MedianAtContext {
  double context = 0.0;  ///< N
  double median = 0.0;
};

enum class MedianScalingOutcome { fitted, saturated, too_few };
std::string_view name(MedianScalingOutcome outcome);

/// How the median acquisition time grows with N.
struct MedianScaling {
  MedianScalingOutcome outcome = MedianScalingOutcome::too_few;
  std::size_t n_contexts = 0;
  Estimate slope_through_origin = {};           ///< median = slope N, the law of Eq. 11
  Estimate slope = {}, intercept = {};          ///< median = slope N + intercept
  Estimate exponent = {}, prefactor = {};       ///< median = prefactor N^exponent
  std::optional<double> p_through_origin = {};  ///< t test of intercept = 0
};

/// Lines and power law through medians, each median with the same relative error (weights 1/N^2 for the lines).
///
/// The scale of the errors is the scatter of the medians about the line: Student t with n_contexts less the number of
/// coefficients. That holds whatever makes the medians scatter, the finite number of runs included.
///
/// Source   Eq. 11.
/// Throws   Error for a context or median that is not positive and finite.
/// Returns  saturated (numbers without intervals) at two contexts, too_few below; lines empty where their coefficients
///          leave the range of doubles.
/// Checked  [eq11]
MedianScaling fit_median_scaling(std::span<const MedianAtContext> medians);

}  // namespace iclk::fit
