#pragma once

#include <algorithm>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include "iclk/fit/binary_threshold.hpp"

namespace iclk::fit {

double log_cdf(Link link, double x);  ///< ln F, exact far out on both sides

/// Runs at one value of x: how many there are and how many of them acquired.
struct BinaryLevel {
  double x = 0.0;
  double n = 0.0;
  double acquired = 0.0;
};

/// Levels in increasing order of u = (x - center) / range, so that u spans 1; range is 1 for a single level.
struct BinaryData {
  std::vector<BinaryLevel> levels;  ///< x holds u
  double center = 0.0;
  double range = 1.0;
  double n = 0.0;
  double acquired = 0.0;
  std::size_t n_mixed = 0;  ///< levels with both outcomes

  double x(double u) const { return center + range * u; }
  double u(double x) const { return (x - center) / range; }
};

/// Sorts the levels and joins those of equal x (to 1e-12 of their range). Needs at least one.
BinaryData standardised(std::vector<BinaryLevel> levels);

enum class BinaryShape {
  interior,       ///< finite, positive slope
  separated,      ///< no run fails above a run that acquires: infinite slope, threshold anywhere in the gap
  all_acquired,   ///< threshold below the levels, or anywhere there
  none_acquired,  ///< threshold above the levels
  flat,           ///< acquisition does not rise with x (or there is one level): slope 0
  not_converged,
};

/// Largest likelihood of P(acquired | u) = F(slope (u - threshold)) over slope >= 0 and any threshold.
struct BinaryOptimum {
  BinaryShape shape = BinaryShape::flat;
  double log_likelihood = 0.0;
  double threshold = 0.0;  ///< of u; a point where profile_of_threshold is largest, also where that is not unique
  double slope = 0.0;      ///< per u; 0 or infinity where it is not interior
  double gap_low = 0.0, gap_high = 0.0;  ///< separated: the ends of the gap, equal when one level is mixed
};
BinaryOptimum maximum_likelihood(const BinaryData& data, Link link);

/// ln likelihood at the best slope >= 0 for a given threshold of u.
double profile_of_threshold(const BinaryData& data, Link link, double threshold);
/// Its limit for a threshold far below (side < 0) or far above all levels.
double limit_of_threshold(const BinaryData& data, int side);
/// ln likelihood at the best threshold for a given slope per u, >= 0.
double profile_of_slope(const BinaryData& data, Link link, double slope);
/// ln likelihood when each level has its own probability.
double saturated_log_likelihood(const BinaryData& data);

/// Maximum of the likelihood times Jeffreys' prior, sqrt(det information) (Firth). Empty below two levels, when the
/// slope is not positive.
struct FirthOptimum {
  double threshold = 0.0;  ///< of u
  double slope = 0.0;      ///< per u
};
std::optional<FirthOptimum> firth_estimate(const BinaryData& data, Link link);

/// Where deviance(z), which grows on the way out from `inside` in the direction of `step`, passes `limit`: bracketed in
/// doubling steps, then TOMS 748, which also finds a jump. Empty when it does not within `reach` of `inside`.
template <typename Function>
std::optional<double> deviance_end(const Function& deviance, double inside, double step, double reach, double limit) {
  const double start = inside;
  if (deviance(inside) > limit) return inside;
  double outside = inside + step;
  while (!(deviance(outside) > limit)) {
    if (std::abs(outside - start) > reach) return std::nullopt;
    inside = outside;
    step *= 2;
    outside = inside + step;
  }
  const auto excess = [&](double z) { return deviance(z) - limit; };
  std::uintmax_t iterations = 300;
  constexpr int kBits = 46;
  const auto [low, high] =
      boost::math::tools::toms748_solve(excess, std::min(inside, outside), std::max(inside, outside),
                                        boost::math::tools::eps_tolerance<double>(kBits), iterations);
  return step > 0 ? high : low;
}

}  // namespace iclk::fit
