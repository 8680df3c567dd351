#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"
#include "iclk/fit/power_law.hpp"

namespace iclk::fit {

/// How another way to the same law ended.
enum class AlternativeOutcome {
  fitted,
  no_interval,      ///< a value, but too few levels (or runs) for an interval
  no_law,           ///< the data have no exponent
  too_many_levels,  ///< more than 2000 levels: the work would grow with their square, or be repeated too often
};
std::string_view name(AlternativeOutcome outcome);

/// Exponent and prefactor by one of the ways below, 95 %, united over the tails.
struct AlternativeLaw {
  AlternativeOutcome outcome = AlternativeOutcome::no_law;
  Estimate exponent;
  Estimate prefactor;  ///< without an interval where the method has none
  std::size_t n_levels = 0;
  std::vector<std::string> warnings;
};

/// Theil and Sen's line through the medians of ln y per level: the median of the slopes between all pairs of levels.
///
/// Up to three in ten levels, and in a level of three runs one run, may lie anywhere. The interval inverts Kendall's
/// test of the residuals with its exact distribution (normal beyond 60 levels): it covers at 95 % or more
/// (discreteness) for scatter of any distribution that is alike at all levels.
///
/// Source   Theil 1950; Sen 1968; Kendall 1938 (the distribution).
/// Valid    At least five levels for an interval; the prefactor has none.
/// Throws   Error for a bad point.
AlternativeLaw robust_power_law(std::span<const PowerLawPoint> points, const PowerLawOptions& options = {});

struct ProfileOptions {
  /// The limit of the deviance is (d + 2) ln(1 + t^2/d), t the 97.5 % point of Student's t with d degrees of freedom:
  /// exact for a line through d + 2 values. d = n_levels - 2 + f^2 (n_points - n_levels), f the part of the variance of
  /// a level mean that is scatter of runs: right at f = 0 and 1; between, chosen so that coverage is (see
  /// docs/statistics.md). false: 3.84, for many levels.
  bool small_sample = true;
};

/// Exponent with its profile-likelihood interval under the model of fit_power_law.
///
///     level means ~ N(ln prefactor + exponent ln x_k, between^2 + within^2/n_k),   runs ~ N(level, within^2)
///
/// The likelihood is maximised over prefactor and both variances (between^2 >= 0) at each exponent; the interval holds
/// exponents whose deviance stays below the limit. The estimate is that of maximum likelihood.
///
/// Valid    Three levels or more, and data that do not lie on the law exactly. With the limit 3.84 the interval is too
///          short for few levels (docs/statistics.md).
/// Throws   Error for a bad point.
AlternativeLaw profile_power_law(std::span<const PowerLawPoint> points, const PowerLawOptions& options = {},
                                 const ProfileOptions& profile = {});

/// d ln y/d ln x over a few neighbouring levels.
struct LocalExponent {
  double x_low = 0.0, x_high = 0.0;  ///< the levels it spans
  Estimate exponent = {};            ///< 95 %; no ends without scatter to judge by
};

/// Exponents of all stretches of `window` neighbouring levels, weighted by their numbers of runs.
///
/// The error is that of runs within levels where levels are repeated (n_points - n_levels degrees of freedom), so that
/// curvature does not pass for error; otherwise the scatter of the points about the one law.
///
/// Takes    window: 2 or more.
/// Returns  empty with fewer levels than `window`.
/// Throws   Error for a bad point or window < 2.
std::vector<LocalExponent> local_exponents(std::span<const PowerLawPoint> points, const PowerLawFit& fit,
                                           const PowerLawOptions& options = {}, int window = 2);

}  // namespace iclk::fit
