#pragma once

#include <boost/math/tools/roots.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cstdint>
#include <functional>

#include "iclk/theory/sensitivity.hpp"

namespace iclk::theory {

/// The root of a rising function of the unknown between two ends.
inline InverseAnswer root_between(const std::function<double(double)>& rising, double low, double high) {
  const double at_low = rising(low);
  if (at_low > 0.0) return {InverseOutcome::too_small, {}};
  const double at_high = rising(high);
  if (at_high < 0.0) return {InverseOutcome::too_large, {}};
  if (!(at_low < 0.0)) return {InverseOutcome::found, low};
  if (!(at_high > 0.0)) return {InverseOutcome::found, high};
  std::uintmax_t n_calls = 300;
  const auto bracket = boost::math::tools::toms748_solve(rising, low, high, at_low, at_high,
                                                         boost::math::tools::eps_tolerance<double>(51), n_calls);
  return {InverseOutcome::found, 0.5 * (bracket.first + bracket.second)};
}

/// The answer with its value mapped, e.g. back from a logarithm.
template <class Map>
InverseAnswer mapped(InverseAnswer answer, Map map) {
  if (answer.value) answer.value = map(*answer.value);
  return answer;
}

}  // namespace iclk::theory
