#include "number_text.hpp"

#include <array>
#include <cstdio>

namespace iclk::fit {

std::string rounded_text(double value, int digits) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.*g", digits, value);
  return text.data();
}

}  // namespace iclk::fit
