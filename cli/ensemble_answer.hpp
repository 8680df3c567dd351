#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "iclk/core/estimate.hpp"
#include "iclk/theory/seed_ensemble.hpp"
#include "output.hpp"

namespace iclk::cli {

/// What `ensemble` is asked for, apart from the curves.
struct EnsembleQuestion {
  double n_context = 0.0;
  theory::StartDistribution start;
  double c2 = 0.5;              ///< of the closed forms
  std::uint64_t n_samples = 0;  ///< 0: exact columns only
  std::uint64_t seed = 0;
  int jobs = 0;
  bool keep_runs = false;
  std::function<void(std::uint64_t n_done)> on_progress = {};
};

inline constexpr std::array<double, 7> kShares{0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95};

/// One quantile of t_ICL among all runs, those that never acquire included. Times are infinite for never; empty where
/// the tail of the curve leaves them open or where there is no curve to read them from.
struct EnsembleQuantile {
  double share = 0.0;
  Estimate required;                ///< I_K, sampled; empty without samples
  double required_exact = 0.0;      ///< with the measured c2, or constant c2 where there is no curve
  double required_lognormal = 0.0;  ///< damping neglected
  std::optional<Estimate> t_icl;    ///< sampled
  std::optional<double> t_icl_exact;
  std::optional<theory::Verdict> verdict;  ///< of the sampled quantile
  theory::Verdict verdict_exact = theory::Verdict::undecided;
};

/// The answer for one curve, or for one known I_K(infinity).
struct EnsembleAnswer {
  std::optional<theory::Ensemble> sampled;
  Estimate p_icl;                                          ///< sampled: central, with binomial error and tail
  std::optional<double> p_acquired, p_never, p_undecided;  ///< sampled shares
  Estimate p_icl_exact;                                    ///< by quadrature; the interval is that of the tail
  double p_icl_constant_c2 = 0.0;                          ///< closed form at the question's c2
  double p_icl_lognormal = 0.0;
  std::vector<EnsembleQuantile> quantiles;
  double required_mean_start = 0.0;  ///< I_K that a run from the mean start needs [time]
};

EnsembleAnswer ensemble_answer(const EnsembleQuestion& question, const theory::CurveFlow& flow);

/// For constant c2 and a known I_K(infinity), which may be infinite: then c1 = 1/2 for ever and I_K is the time itself.
EnsembleAnswer ensemble_answer(const EnsembleQuestion& question, double i_infinity);

/// One curve of the user with its answer.
struct EnsembleCurve {
  MeasuredCurve curve;
  theory::CurveFlow flow;
  EnsembleAnswer answer;
};

/// P(ICL) against K.
struct EnsembleThreshold {
  theory::Threshold threshold;  ///< K* of a run from the mean start
  theory::MeasuredTransition transition;
  std::optional<double> predicted_log_width;  ///< log_sd of the lognormal law over the local nu
};
EnsembleThreshold ensemble_threshold(const EnsembleQuestion& question, const std::vector<EnsembleCurve>& curves);

/// The distribution of t_ICL in `n_bins` intervals of equal ratio, the runs before and after them, undecided and never.
/// With an infinite I_K(infinity) or none (`flow` empty) in intervals of I_K.
struct DistributionRow {
  std::string part;  ///< "interval", "undecided" or "never"
  std::optional<double> time_low, time_high;
  std::optional<double> i_low, i_high;
  std::optional<std::uint64_t> n_runs;
  Estimate cdf;  ///< sampled share of runs up to the end of the interval
  std::optional<double> share, share_exact, cdf_exact, cdf_lognormal;
};
std::vector<DistributionRow> distribution_rows(const EnsembleQuestion& question, const EnsembleAnswer& answer,
                                               const theory::CurveFlow* flow, double i_infinity, int n_bins);

}  // namespace iclk::cli
