#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "iclk/core/curve.hpp"

namespace iclk::fit {

/// The decaying part of one curve as the time at which c1 falls to each level of a common grid.
struct LevelTimes {
  double log_items = 0.0;
  double log_horizon = 0.0;           ///< ln t_m
  std::size_t first = 0;              ///< index of the first level in `log_time`
  std::vector<double> log_time = {};  ///< ln t at levels first, first + 1, ... as far as the curve reaches
  std::size_t end() const { return first + log_time.size(); }
};

/// c1 made non-increasing by least squares in ln c1 (pool adjacent violators), at the sample times.
std::vector<double> monotone_log_values(const Curve& c1);

/// Times at which the monotone curve falls to exp(log_levels[j]); log_levels decrease. Interpolates ln c1 in ln t.
LevelTimes level_times(const Curve& c1, std::span<const double> monotone_log_c1, double n_items,
                       std::span<const double> log_levels);

/// ln t_k(c_j) = time_j + shift_k + drift (ln K_k - mean ln K)(ln c_j - mean ln c)
struct SharedShape {
  std::vector<double> log_level;  ///< [levels], decreasing
  std::vector<double> log_time;   ///< [levels], made non-decreasing
  std::vector<double> shift;      ///< [curves], mean 0
  double drift = 0.0;
  std::optional<double> drift_error;  ///< from the curves as independent units; needs more than two of them
  double mean_log_items = 0.0;
  double mean_log_level = 0.0;
  double residual = 0.0;  ///< rms of ln t over all curves and levels
};

/// Least squares for shape, shifts and, unless fixed_drift is given, drift. Every curve must hold at least one level,
/// and consecutive curves must overlap, which they do when all of them start at the top level.
SharedShape fit_shared_shape(std::span<const LevelTimes> curves, std::span<const double> log_levels,
                             std::optional<double> fixed_drift);

/// What the shape says about the part of curve k beyond its horizon.
struct Extension {
  double integral = 0.0;  ///< 2 integral of c1 from t_m to the time at which the shape's lowest level is reached
  double end_c1 = 0.0;    ///< level there ...
  double end_time = 0.0;  ///< ... and time, both from the shape: they carry the tail beyond
};
Extension extend(const SharedShape& shape, const LevelTimes& curve, std::size_t index, double end_slope);

/// -d ln c1/d ln t at the end of the shape, over the last factor of three in c1.
double end_slope(const SharedShape& shape);

}  // namespace iclk::fit
