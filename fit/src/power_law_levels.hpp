#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "iclk/fit/power_law.hpp"
#include "scenario_fit.hpp"

namespace iclk::fit {

/// Beyond so many levels no profile, pairwise slopes or shapes are computed: their work grows with the square.
inline constexpr std::size_t kMostLevels = 2000;

/// Points as one ln y per position in their tail brackets: central, and low and high where there are brackets.
struct TailScenarios {
  std::vector<double> x;               // [points]
  std::vector<LogScenario> scenarios;  // the first is the central one
  std::size_t n_unresolved = 0;        // points without an upper end
  bool bracket_borrowed = false;       // these were given the widest bracket of the others
};

/// Throws Error for a bad point. See fit_power_law for what an unresolved upper end is given.
TailScenarios tail_scenarios(std::span<const PowerLawPoint> points, bool use_tails);

/// The runs gathered into levels of equal x, with the weights that fit_power_law gives to level means.
struct PowerLawLevels {
  std::vector<double> log_x;                           // [levels], increasing
  std::vector<std::vector<std::vector<double>>> runs;  // [scenarios][levels][runs] ln y
  std::vector<std::vector<double>> mean;               // [scenarios][levels] of ln y
  std::vector<double> weight;                          // [levels], inverse variances up to a factor
  bool upper_end_open = false;                         // as in PowerLawFit

  std::size_t size() const { return log_x.size(); }
};

PowerLawLevels power_law_levels(const TailScenarios& tails, const PowerLawFit& fit);

/// `outer` widened to hold `inner`; an end that is open in either stays open.
void unite(Estimate& outer, const Estimate& inner);

}  // namespace iclk::fit
