#pragma once

#include <vector>

#include "iclk/fit/binary_threshold.hpp"
#include "run_levels.hpp"

namespace iclk::fit {

/// One possible truth: ln K* = center + exponent (ln N - reference).
struct ThresholdPoint {
  double center = 0.0;
  double exponent = 0.0;
  double log_width = 0.0;
  double weight = 0.0;  ///< of all points together 1
};

struct Range {
  double low = 0.0, high = 0.0;
};

/// Where the truth is equally likely to lie before the runs are looked at. An exponent range of no length: one N.
struct ThresholdBox {
  Range center, exponent, log_width;
};

/// Grid over the part of the box that the runs leave possible, weighted with their likelihood; points of no weight are
/// left out. `reference` is subtracted from ln N.
std::vector<ThresholdPoint> posterior_points(const std::vector<RunLevel>& levels, Link link, ThresholdBox box,
                                             double reference);

}  // namespace iclk::fit
