#pragma once

#include <cstdint>
#include <optional>

#include "verb_options.hpp"

namespace iclk::cli {

// Bounds of what the user may ask for. exp(-2 beta0) and exp(w0^2/2) leave the range of doubles near |beta0| = 355 and
// |w0| = 37; a start beyond 300 is a slip, not a model. N is bounded by the binomial sum of the exact loss.
inline constexpr CountRule kContextRule{.low = 2, .high = 1'000'000};
inline constexpr double kLargestStart = 300.0;
inline constexpr CountRule kItemsRule{.low = 2, .high = 1'000'000'000};

inline NumberRule start_rule() { return number_from(-kLargestStart, kLargestStart); }

}  // namespace iclk::cli
