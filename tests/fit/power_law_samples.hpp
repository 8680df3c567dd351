#pragma once

// Samples of power laws for the tests of intervals.

#include <cmath>
#include <cstdint>
#include <vector>

#include "iclk/core/random.hpp"
#include "iclk/fit/power_law.hpp"

namespace iclk::test {

inline constexpr double kTrueExponent = 0.7;
inline constexpr double kTruePrefactor = 2.0;

/// y = 2 x^0.7 at x = 500, 1000, 2000, ... with normal scatter of ln y of whole levels and of runs.
inline std::vector<fit::PowerLawPoint> sample_law(int levels, int runs, double between, double within,
                                                  std::uint64_t index = 0) {
  Rng rng(61, RandomPurpose::test, index);
  std::vector<fit::PowerLawPoint> points;
  for (int k = 0; k < levels; ++k) {
    const double x = 500 * std::pow(2.0, k);
    const double level = between * rng.normal();
    for (int r = 0; r < runs; ++r) {
      points.push_back(
          {.x = x, .y = kTruePrefactor * std::pow(x, kTrueExponent) * std::exp(level + within * rng.normal())});
    }
  }
  return points;
}

/// The same points with brackets of ln y that reach `half` times the level's number below and above.
inline std::vector<fit::PowerLawPoint> with_tails(std::vector<fit::PowerLawPoint> points, double half) {
  for (fit::PowerLawPoint& point : points) {
    const double reach = half * std::log2(point.x / 250);
    point.low = point.y * std::exp(-reach);
    point.high = point.y * std::exp(reach);
  }
  return points;
}

inline double width(const Estimate& estimate) { return *estimate.high - *estimate.low; }

inline bool holds(const Estimate& estimate, double truth) { return *estimate.low <= truth && truth <= *estimate.high; }

template <class Result>
bool warns(const Result& result, const std::string& text) {
  for (const std::string& warning : result.warnings) {
    if (warning.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace iclk::test
