#pragma once

#include <limits>

namespace iclk::theory {

/// What a time or an integral is that never comes to an end.
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace iclk::theory
