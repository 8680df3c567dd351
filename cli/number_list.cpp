#include "number_list.hpp"

#include <cmath>
#include <cstdint>
#include <sstream>

#include "iclk/core/error.hpp"

namespace iclk::cli {

std::vector<double> parse_log_spaced(const std::string& option, const std::string& text, const NumberRule& rule) {
  constexpr CountRule kLength{.low = 2, .high = 100'000};  // chosen: more than anyone reads
  std::vector<double> values;
  std::istringstream parts(text + ',');
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t first = part.find(':');
    if (first == std::string::npos) {
      values.push_back(parse_checked_number(option, part, rule));
      continue;
    }
    const std::size_t second = part.find(':', first + 1);
    if (second == std::string::npos) {
      throw field_error(option, "expected LO:HI:N, N numbers from LO to HI, got \"" + part + "\"");
    }
    const double low = parse_checked_number(option, part.substr(0, first), rule);
    const double high = parse_checked_number(option, part.substr(first + 1, second - first - 1), rule);
    const std::uint64_t n = parse_checked_count(option, part.substr(second + 1), kLength);
    if (!(low > 0.0 && high > low)) {
      throw field_error(option, "expected 0 < LO < HI in LO:HI:N, got \"" + part + "\"");
    }
    for (std::uint64_t i = 0; i + 1 < n; ++i) {
      values.push_back(low * std::pow(high / low, static_cast<double>(i) / static_cast<double>(n - 1)));
    }
    values.push_back(high);
  }
  return values;
}

}  // namespace iclk::cli
