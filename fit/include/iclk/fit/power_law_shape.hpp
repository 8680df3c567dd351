#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"
#include "iclk/fit/power_law.hpp"

namespace iclk::fit {

struct ShapeOptions {
  int n_resamples = 999;   ///< simulated data sets behind the p-value of the break; 99 or more
  std::uint64_t seed = 0;  ///< data set r draws from its own stream (seed, bootstrap, 2^40 + r)
};
void validate(const ShapeOptions& options);  ///< throws Error naming the bad field

enum class ShapeOutcome {
  compared,
  too_few_levels,   ///< fewer than five: nothing is left to compare by
  exact,            ///< the level means lie on the law to rounding
  too_many_levels,  ///< more than 2000
};
std::string_view name(ShapeOutcome outcome);

/// One model of the level means, by weighted least squares in ln y against ln x.
struct ShapeModel {
  double residual_sum = 0.0;   ///< weighted
  std::optional<double> aicc;  ///< corrected information criterion; none when levels are too few for its correction
  double bic = 0.0;
};

/// A number at the central position of the tails and its extremes over all positions.
struct TailRange {
  double value = 0.0, low = 0.0, high = 0.0;
};

/// Is it one power law? Against a bend and a break.
struct ShapeComparison {
  ShapeOutcome outcome = ShapeOutcome::too_few_levels;
  std::size_t n_levels = 0;

  ShapeModel single;      ///< ln y = a + b u, u = ln x
  ShapeModel quadratic;   ///< ... + c (u - mean u)^2
  Estimate curvature;     ///< 2 c = d(exponent)/d ln x, 95 % Student t, united over the tails
  TailRange curvature_p;  ///< t test of c = 0

  /// Two power laws that meet at x = break; only with six levels or more. Two levels or more lie on either side, one at
  /// the break counted on both.
  bool broken_fitted = false;
  ShapeModel broken;
  Estimate break_x;  ///< 95 % from the profile of the residual sum; an end beyond the levels is open
  double exponent_below = 0.0, exponent_above = 0.0;
  TailRange break_p;  ///< simulated under one law, the break searched for anew each time

  std::string_view best;  ///< lowest AICc (BIC without): "single", "quadratic" or "broken"
  int n_resamples = 0;
  std::vector<std::string> warnings;
};

/// Tests the one power law of `fit` against curvature in ln x and against a break.
///
/// Level means keep the weights of `fit`, whose residual scatter sets the scale in every model. The break is the least
/// squares one among all places from the second to the last but one level, found exactly: either two separate lines
/// meet between the levels that they divide, or the break is at a level. Since its place is free, its statistic
/// (RSS_single - RSS_broken)/RSS_broken has no F distribution. It does not depend on the law or on the size of normal
/// scatter, so simulating it under any single law gives an exact test: p = (1 + number above)/(1 + n_resamples).
///
/// Source   Hudson 1966 (the break); Davies 1987 (why the free break needs this); Hurvich and Tsai 1989 (AICc).
/// Valid    Normal scatter of level means with the weights of `fit`.
/// Throws   Error for bad options or a bad point.
ShapeComparison compare_shapes(std::span<const PowerLawPoint> points, const PowerLawFit& fit,
                               const PowerLawOptions& fit_options = {}, const ShapeOptions& options = {});

}  // namespace iclk::fit
