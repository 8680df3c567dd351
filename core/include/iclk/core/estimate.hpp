#pragma once

#include <optional>

namespace iclk {

/// An estimated number with its 95 % interval. Each part is empty where it does not exist: `high` of an integral
/// whose tail cannot be bounded, `low` and `high` of a fit without degrees of freedom.
struct Estimate {
  std::optional<double> value;
  std::optional<double> low;
  std::optional<double> high;
};

}  // namespace iclk
