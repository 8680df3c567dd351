#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "iclk/core/estimate.hpp"
#include "iclk/figures/run_folder.hpp"
#include "iclk/fit/binary_threshold.hpp"
#include "iclk/fit/power_law.hpp"
#include "iclk/theory/seed_ensemble.hpp"
#include "iclk/theory/threshold.hpp"

// What the theory says about the outcomes of training runs, from their settings and the curves of their network alone.
namespace iclk::figures {

/// Start values over seeds as the run's settings say them; 0 for a transformer, whose attention starts at random
/// weights.
theory::StartDistribution starts_of(const MeasuredRun& run);

/// The middle of the distribution.
theory::FlowState mean_start(const theory::StartDistribution& start);

/// 2^n_bits starts spread evenly over the distribution (Hammersley points), one where nothing is spread. 32 of them tell
/// a share to 2 %, better than runs do.
std::vector<theory::FlowState> spread_starts(const theory::StartDistribution& start, int n_bits = 5);

/// What the theory calls N where the settings say n_context: less one where they count the target.
double theory_context(const MeasuredRun& run, double n_context);

/// Why the theory has nothing to say about runs of these settings; empty where it has.
std::string untreated(const MeasuredRun& run);

/// Time at which 95 % of novel items are answered with the exact loss of N, D and weight decay of the run and an MLP
/// that does not memorize: K infinite. Empty where it does not happen.
///
/// With finite K what the MLP answers on novel items, which the theory takes as nothing, delays 95 % accuracy, measured
/// by a tenth; half of the attention on the copy does not depend on it (time_to_attention).
std::optional<double> time_to_accuracy(const MeasuredRun& run, double n_context, theory::FlowState start);

/// The same for every one of spread_starts, rising; infinite where it does not happen. K infinite.
std::vector<double> times_to_accuracy(const MeasuredRun& run, double n_context);

/// Time at which half of the attention is on the copy, on a curve of the run's network.
std::optional<double> time_to_attention(const MeasuredRun& run, double n_context, theory::FlowState start,
                                        const MeasuredCurve& curve);

/// I_K that half of the attention on the copy needs with the exact loss beyond the blow-up of Eqs. 7-8, for an MLP that
/// does not memorize, with orthogonal items that never repeat, as `iclk predict` has it. Empty for a start that has it,
/// or never gets it.
std::optional<double> attention_excess(double n_context, theory::FlowState start);

/// Whether half of the attention was on the copy at some time of the run. Empty for transformers, and where a table
/// does not say it.
std::optional<bool> attention_acquired(const MeasuredRun& run);

/// Outcomes by attention of runs with finite K; empty unless attention_acquired is known of every run.
std::vector<fit::RunOutcome> attention_outcomes(std::span<const MeasuredRun* const> runs);

/// Approximations by which a threshold is drawn.
enum class ThresholdLevel {
  leading,     ///< Eq. 13: the power law through I_K(infinity), and N sqrt(2 pi) exp(-beta0)
  flow,        ///< Eqs. 7-8 with the measured c2
  exact_loss,  ///< the same with what the exact loss needs beyond, as `iclk predict` has it
};

/// Thresholds in K from the memorization curves of one network.
class NetworkTheory {
 public:
  /// Keeps a reference to the curves, which are those of run's network.
  NetworkTheory(std::span<const MeasuredCurve> curves, const MeasuredRun& run);

  bool known() const noexcept { return infinity_.size() > 1 && n_levels_ > 1; }
  std::span<const MeasuredCurve> curves() const noexcept { return curves_; }
  const fit::PowerLawFit& law() const noexcept { return law_; }

  /// K* of the mean start. Empty where the curves do not reach it.
  Estimate k_star(ThresholdLevel level, double n_context) const;

  /// K* of every one of spread_starts at the level `exact_loss`, rising: 0 where all measured K acquire, infinite where
  /// none does.
  std::vector<double> thresholds(double n_context) const;

  /// Thresholds on balanced contexts: infinite for starts in the basin without in-context learning.
  std::vector<double> balanced_thresholds(double n_context) const;

 private:
  double required_excess(ThresholdLevel level, double n_context) const;
  double threshold(std::span<const double> required) const;

  std::span<const MeasuredCurve> curves_;
  MeasuredRun run_;
  std::vector<Estimate> infinity_;  ///< I_K(infinity), [curve]
  fit::PowerLawFit law_;
  std::size_t n_levels_ = 0;
};

/// The threshold of attention with two corrections that I_K alone does not hold: attention slows memorization before it
/// is acquired (closed loop), and contexts hold further copies of the target, K being finite.
///
/// Along every curve the exact loss is integrated for one N after the other; the largest N with half of the attention
/// on the copy before training ends is where K of this curve is the threshold. K* is read from the means of ln N over
/// the seeds of each K, with straight lines in ln K and ln N between them; its interval is two standard errors, from
/// the scatter over seeds. Labels of the items fall as the run's item_labels say. Overlap of items is left out: at D =
/// 63 it moves K* by at most 3 %.
class ClosedLoopThreshold {
 public:
  /// runs: at least one, all of one network and start. Their settings say how long is trained at each N; where they do
  /// not, the flow follows each curve to its end.
  ClosedLoopThreshold(std::span<const MeasuredCurve> curves, std::span<const MeasuredRun* const> runs);

  /// K*, by N as the theory counts it. Empty beyond the N that the curves reach.
  Estimate k_star(double n_context) const;

 private:
  struct Level {
    double log_items = 0.0, log_context = 0.0;
    std::optional<double> variance;  ///< of log_context; empty for a single seed
  };
  double training_time(double n_context) const;
  std::optional<double> critical_context(const MeasuredCurve& curve, const MeasuredRun& run) const;

  std::map<double, double> training_times_;  ///< by N; the median of its runs
  std::vector<Level> levels_;                ///< by rising K
};

/// Share of a distribution below `value`, of which `rising` are the quantiles (i + 1/2)/n, with straight lines between
/// them and none beyond the last finite one.
double share_up_to(const std::vector<double>& rising, double value);

/// Middle of `rising`; infinite values count. Empty for 0 and infinity.
std::optional<double> middle_of(const std::vector<double>& rising);

}  // namespace iclk::figures
