#include "grid.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <sstream>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::cli {
namespace {

constexpr CountRule kPointsRule{.low = 2, .high = 1'000'000};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text + separator);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

}  // namespace

std::vector<double> parse_grid(const std::string& option, const std::string& text, const NumberRule& rule) {
  if (text.find(':') == std::string::npos) {
    std::vector<double> values;
    for (const std::string& part : split(text, ',')) values.push_back(parse_checked_number(option, part, rule));
    const auto falls = std::adjacent_find(values.begin(), values.end(), [](double a, double b) { return !(a < b); });
    if (falls != values.end()) {
      throw field_error(
          option, "expected rising numbers, got " + format_number(*(falls + 1)) + " after " + format_number(*falls));
    }
    return values;
  }
  const std::vector<std::string> parts = split(text, ':');
  if (parts.size() != 3) throw field_error(option, "expected LO:HI:N, got \"" + text + "\"");
  const double low = parse_checked_number(option, parts[0], rule);
  const double high = parse_checked_number(option, parts[1], rule);
  const std::uint64_t n = parse_checked_count(option, parts[2], kPointsRule);
  if (!(low < high)) throw field_error(option, "the range \"" + text + "\" is empty; LO:HI:N needs LO < HI");
  std::vector<double> values;
  for (std::uint64_t i = 0; i < n; ++i) {
    values.push_back(std::lerp(low, high, static_cast<double>(i) / static_cast<double>(n - 1)));
  }
  return values;
}

}  // namespace iclk::cli
