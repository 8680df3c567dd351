#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"
#include "iclk/fit/memorization_law.hpp"
#include "iclk/fit/power_law.hpp"

namespace iclk::fit {

enum class Resampling {
  runs,    ///< runs within each level: what other seeds would have given at the same x
  levels,  ///< whole levels: what other x would have given
  both,    ///< levels, then runs within each
};
std::string_view name(Resampling resampling);

struct BootstrapOptions {
  Resampling resampling = Resampling::both;
  int n_resamples = 1000;  ///< 100 or more, so that 2.5 % of them are more than two
  std::uint64_t seed = 0;  ///< resample r draws from its own stream (seed, bootstrap, r)
};
void validate(const BootstrapOptions& options);  ///< throws Error naming the bad field

enum class BootstrapOutcome {
  resampled,
  no_repeated_runs,  ///< runs cannot be resampled: no level has two
  too_few_levels,    ///< levels cannot be resampled with fewer than four of them; runs need two
  no_law,            ///< the data themselves have no fit
};
std::string_view name(BootstrapOutcome outcome);

/// 95 % intervals of one number from its resamples.
struct BootstrapIntervals {
  Estimate percentile;          ///< 2.5 % and 97.5 % points of the resamples
  Estimate bca;                 ///< the same points after correction for bias and for a standard error that changes
  double standard_error = 0.0;  ///< sd of the resamples
  double bias = 0.0;            ///< their mean minus the estimate
};

struct PowerLawBootstrap {
  BootstrapOutcome outcome = BootstrapOutcome::no_law;
  Resampling resampling = Resampling::both;
  BootstrapIntervals exponent, prefactor;
  int n_resamples = 0;
  std::size_t n_redrawn = 0;  ///< resamples drawn again since they held a single level
  std::vector<std::string> warnings;
};

/// Bootstrap of the power law that `fit` found in `points`.
///
/// Level means keep the weights of `fit`; a level drawn twice counts twice. Each resample is fitted at the central, low
/// and high position of the points in their tail brackets, and the intervals are the unions over the positions, as in
/// fit_power_law. BCa takes its bias from the share of resamples below the estimate and its acceleration from leaving
/// out one level (runs: one run) at a time.
///
/// Source   Efron and Tibshirani 1993, chapter 14; Davison and Hinkley 1997, section 5.3 (strata).
/// Valid    A hundred levels or more. With eight levels of three runs `levels` is too short and `runs` by far: a level
///          of n runs keeps (n - 1)/n of their variance, and scatter of whole levels is not seen. `both` counts scatter
///          of runs twice. The measured rates are in docs/statistics.md; fit_power_law's own interval holds its rate
///          there.
/// Takes    points, options of the fit: those that `fit` was made from.
/// Throws   Error for bad options or a bad point.
PowerLawBootstrap bootstrap_power_law(std::span<const PowerLawPoint> points, const PowerLawFit& fit,
                                      const PowerLawOptions& fit_options = {}, const BootstrapOptions& options = {});

/// The same for memorization curves: curves are resampled (as runs of the level K), and the common shape, its drift and
/// the tails that follow are found again in every resample, so that their scatter is part of the interval. Where the
/// curves have no common shape, the points of `fit.infinity` are resampled instead, and a warning says so.
///
/// Throws   Error for bad options or a bad curve.
PowerLawBootstrap bootstrap_memorization_law(std::span<const TruncatedCurve> curves, const MemorizationLawFit& fit,
                                             const MemorizationLawOptions& fit_options = {},
                                             const BootstrapOptions& options = {});

}  // namespace iclk::fit
