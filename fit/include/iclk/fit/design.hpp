#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/fit/binary_threshold.hpp"

namespace iclk::fit {

/// What the planned runs are to sharpen.
enum class DesignGoal {
  k_star,    ///< ln K* at each N: the sum of their variances
  exponent,  ///< the exponent of K*(N)
};
std::string_view name(DesignGoal goal);

struct DesignOptions {
  Link link = Link::probit;
  DesignGoal goal = DesignGoal::k_star;
  std::size_t n_runs = 24;  ///< to plan, at most 1000
  /// Allowed K, and where K* is taken to lie. Empty: from a quarter of the smallest K of the runs to four times the
  /// largest.
  std::optional<double> items_low = {}, items_high = {};
  double items_multiple = 2.0;                     ///< K are multiples of this (2: as many items of either label)
  double width_low = 0.05, width_high = 3.0;       ///< of ln K; ln width is equally likely everywhere between
  double exponent_low = 0.0, exponent_high = 5.0;  ///< equally likely between; used for several N together only
  std::size_t n_candidates = 40;                   ///< K per N that are compared
  std::size_t n_scenarios = 64;                    ///< simulated outcomes behind each choice
  std::uint64_t seed = 0;                          ///< of the simulated outcomes
};
void validate(const DesignOptions& options);  ///< throws Error naming the bad field

enum class DesignOutcome {
  planned,
  one_context,  ///< the exponent needs runs at two N
  no_runs,
};
std::string_view name(DesignOutcome outcome);

/// Runs to do at one N and K.
struct DesignRow {
  double n_context = 0.0;
  double n_items = 0.0;
  std::size_t n_runs = 0;
};

/// What is expected of one goal: ln K* at one N, or the exponent.
struct DesignGain {
  double n_context = 0.0;  ///< 0 for the exponent
  std::size_t n_runs = 0;  ///< planned here
  double mean = 0.0;       ///< of ln K* or the exponent now
  double sd_before = 0.0;  ///< its standard deviation now
  double sd_after = 0.0;   ///< root of the expected variance after the planned runs
  double sd_even = 0.0;    ///< the same after as many runs at K equally spaced (in ln K) over those of the runs so far
};

struct RunDesign {
  DesignOutcome outcome = DesignOutcome::no_runs;
  std::vector<DesignRow> rows;    ///< by N, then K
  std::vector<DesignGain> gains;  ///< one per N, or one for the exponent
  double items_low = 0.0, items_high = 0.0;
  std::vector<std::string> warnings;
};

/// Which (N, K) to run next: the runs after which the variance of ln K*, or of the exponent, is expected to be least.
///
///     P(acquired | K, N) = F((ln K - ln K*(N))/width)
///
/// What the runs so far leave open is a distribution over K* (and exponent) and width: their likelihood, with ln K*,
/// exponent and ln width equally likely within bounds, on a grid that is refined where it matters. So the width is
/// uncertain too, also when the runs are separated and the best width is 0. A run more at K has expected variance
///
///     E Var = p Var(g | acquired) + (1 - p) Var(g | not),    p = P(acquired) over that distribution
///
/// Runs are chosen one after the other, each for the least mean of E Var over scenarios: simulated outcomes of the runs
/// chosen before. The outcomes need not be known in between: the plan is one batch. sd_after and sd_even are means over
/// new scenarios.
///
/// Source   Eq. 13 for the form; Chaloner and Verdinelli 1995 (Bayesian design).
/// Valid    Independent runs, one width. K* beyond the allowed K is not considered; a warning says when it seems to be.
/// Takes    runs: any order; n_items positive; n_context positive for the exponent, else only told apart.
/// Throws   Error for bad options, an n_items that is not positive, or no multiple of items_multiple in the range.
/// Checked  [eq13]; against enumeration of outcomes, and by simulation against equally spaced K.
RunDesign plan_runs(std::span<const RunOutcome> runs, const DesignOptions& options = {});

}  // namespace iclk::fit
