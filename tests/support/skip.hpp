#pragma once

#include <iostream>
#include <optional>
#include <string>

namespace iclk::test {

/// Whether a test cannot run here, and why. Catch2 2 knows no skipped tests: ctest sees the line and reports one.
inline bool skipped(const std::optional<std::string>& reason) {
  if (reason) std::cout << "iclk: skipped: " << *reason << '\n';
  return reason.has_value();
}

}  // namespace iclk::test
