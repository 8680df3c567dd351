#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"
#include "iclk/figures/claims.hpp"
#include "run_groups.hpp"
#include "run_parts.hpp"

// What the sources of the claims share. A group of claims is one claims_*.cpp with one function below.
namespace iclk::figures {

/// "minimal model, hidden 128, sd of beta0 0.5": the settings of runs that belong together.
std::string setup_label(const RunList& runs);
bool is_full_scale(const RunList& runs);               ///< hidden 512 and dim 63
std::vector<double> contexts_of(const RunList& runs);  ///< N as the theory counts it, rising

/// The runs that `wanted` takes in groups of equal settings but for those that may differ, largest first.
std::vector<RunList> setups_of(const Results& results, const std::function<bool(const MeasuredRun&)>& wanted,
                               Vary may_differ = Vary::size);

/// Runs with one N, as the theory counts it.
RunList at_context(const RunList& runs, double n_exemplars);

bool is_minimal(const MeasuredRun& run);       ///< the model of the theory: without attention to itself, one copy
bool has_decay(const MeasuredRun& run);        ///< on attention, beyond the 1e-9 that does nothing
bool has_fixed_start(const MeasuredRun& run);  ///< beta0 and w0 do not vary over seeds

/// What the claims are computed from; curves of a run's network are looked up once.
class Evidence {
 public:
  Evidence(const Results& results, const FigureOptions& options) : results_(results), options_(options) {}

  const Results& results() const noexcept { return results_; }
  const FigureOptions& options() const noexcept { return options_; }
  double n_context() const;

  /// Memorization curves of the network that this run trains; empty where there are none.
  const std::vector<MeasuredCurve>& curves_of(const MeasuredRun& run) const;

  /// What these predict for the run's N and mean start; an empty pointer without curves at two K.
  const Prediction* prediction_of(const MeasuredRun& run) const;

 private:
  const Results& results_;
  const FigureOptions& options_;
  mutable std::map<std::string, std::vector<MeasuredCurve>> curves_;
  mutable std::map<std::string, std::optional<Prediction>> predictions_;
};

// Statistics. An estimate without low and high has no interval.

/// Mean with Student's 95 % interval; empty for no values, no interval for one.
Estimate mean_of(std::span<const double> values);
/// exp of the mean of the logarithms, with its interval.
Estimate geometric_mean_of(std::span<const double> values);
/// Standard deviation about the means of the groups, with the chi-squared interval; needs two values in some group.
Estimate pooled_sd(const std::vector<std::vector<double>>& groups);
/// Slope of y against x by least squares, with its interval.
Estimate slope_of(std::span<const double> x, std::span<const double> y);
/// A number that is known, not estimated.
Estimate exactly(double value);

// Claims.

/// A claim with the words that do not depend on data.
Claim make_claim(std::string id, ClaimOrigin origin, std::string reference, std::string statement);

/// Fills sources, number of runs and commands from the runs of a claim, scope and size from the setup that they belong
/// to.
void take_runs(Claim& claim, const RunList& runs, const RunList& setup, const std::string& points);
/// The same from curves.
void take_curves(Claim& claim, const CurveSet& set, const std::string& command);
/// A pure calculation.
void take_calculation(Claim& claim, const std::string& command);
/// A gap: what is missing, and the command that fills it.
Claim gap(Claim claim, std::string missing, std::string command);

/// [value (1 - share), value (1 + share)], whatever the sign of the value.
Estimate within_share(double value, double share);
std::string percent(double share);  ///< "3 %"

/// Value of a column of a run at a time, between its rows by straight lines; empty where it has none.
std::optional<double> value_at(const MeasuredRun& run, std::string_view column, double time);

/// The N or K in words: "N = 12 to 100", "K = inf".
std::string range_text(std::string_view letter, std::span<const double> values);

using ClaimList = std::vector<Claim>;
void add_memorization_claims(const Evidence& evidence, ClaimList& claims);
void add_acquisition_formula_claims(const Evidence& evidence, ClaimList& claims);
void add_acquisition_time_claims(const Evidence& evidence, ClaimList& claims);
void add_distribution_claims(const Evidence& evidence, ClaimList& claims);
void add_threshold_claims(const Evidence& evidence, ClaimList& claims);
void add_outcome_claims(const Evidence& evidence, ClaimList& claims);
void add_balanced_claims(const Evidence& evidence, ClaimList& claims);
void add_loss_relation_claims(const Evidence& evidence, ClaimList& claims);
void add_transience_claims(const Evidence& evidence, ClaimList& claims);

}  // namespace iclk::figures
