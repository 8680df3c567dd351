#include "arguments.hpp"

#include <cmath>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::fit {

void require_positive(double value, const std::string& field) {
  if (!std::isfinite(value) || !(value > 0)) {
    throw field_error(field, "expected a positive finite number, got " + format_number(value));
  }
}

}  // namespace iclk::fit
