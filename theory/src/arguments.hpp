#pragma once

#include <cmath>
#include <string>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::theory {

/// Throws the Error `field: expected <rule>, got <value>` unless `holds`.
inline void require(bool holds, const char* field, const char* rule, double value) {
  if (!holds) throw field_error(field, std::string("expected ") + rule + ", got " + format_number(value));
}

inline void require_context(double n_context) {
  require(std::isfinite(n_context) && n_context >= 2.0, "context", "a number of at least 2", n_context);
}

inline void require_finite(const char* field, double value) {
  require(std::isfinite(value), field, "a finite number", value);
}

}  // namespace iclk::theory
