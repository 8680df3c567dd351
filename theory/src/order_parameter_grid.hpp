#pragma once

#include <algorithm>
#include <string>

#include "iclk/core/error.hpp"
#include "iclk/core/order_parameters.hpp"

namespace iclk::theory {

/// The theory pairs c1 and c2 sample by sample; throws Error unless both curves have the same times, all >= 0, and
/// c1 > 0, 0 < c2 <= 1 at each of them.
inline void require_shared_times(const OrderParameterCurves& curves) {
  if (!std::ranges::equal(curves.c1.times(), curves.c2.times())) {
    throw field_error("c2", "expected the same times as c1");
  }
  if (curves.c1.start_time() < 0.0) throw field_error("time", "expected times that are not negative");
  for (std::size_t i = 0; i < curves.c1.size(); ++i) {
    const double c1 = curves.c1.values()[i];
    const double c2 = curves.c2.values()[i];
    if (!(c1 > 0.0 && c1 <= 1.0)) {
      throw field_error("c1", "expected numbers in (0, 1], sample " + std::to_string(i) + " is not");
    }
    if (!(c2 > 0.0 && c2 <= 1.0)) {
      throw field_error("c2", "expected numbers in (0, 1], sample " + std::to_string(i) + " is not");
    }
  }
}

}  // namespace iclk::theory
