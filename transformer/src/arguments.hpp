#pragma once

#include <string>

#include "iclk/core/error.hpp"

namespace iclk::transformer {

/// Throws the Error `field: expected <rule>, got <found>` unless `holds`.
inline void require(bool holds, const std::string& field, const std::string& rule, const std::string& found) {
  if (!holds) throw field_error(field, "expected " + rule + ", got " + found);
}

}  // namespace iclk::transformer
