#include "iclk/core/run_info.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>

namespace iclk {
namespace {

/// Value of a well-formed number outside the range of a double, for which from_chars gives none: zero when it is too
/// small, infinite when it is too large, with its sign.
double beyond_range(std::string_view text) noexcept {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::size_t exponent_at = text.find_first_of("eE");
  long exponent = 0;
  bool huge_exponent = false;
  bool negative_exponent = false;
  if (exponent_at != std::string_view::npos) {
    std::string_view digits = text.substr(exponent_at + 1);
    negative_exponent = digits.starts_with('-');
    if (digits.starts_with('+')) digits.remove_prefix(1);
    huge_exponent = std::from_chars(digits.data(), digits.data() + digits.size(), exponent).ec != std::errc{} ||
                    std::abs(exponent) > 1'000'000'000;
    text = text.substr(0, exponent_at);
  }
  // Place of the first digit that is not zero, relative to the point: 1 for "5", 0 for "0.5", -1 for "0.05".
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::size_t first = text.find_first_of("123456789");
  if (first != std::string_view::npos) {
    exponent += static_cast<long>(point) - static_cast<long>(first) + (first > point ? 1 : 0);
  }
  const bool too_small = huge_exponent ? negative_exponent : exponent < 0;
  const double magnitude = too_small ? 0.0 : std::numeric_limits<double>::infinity();
  return negative ? -magnitude : magnitude;
}

}  // namespace

std::string_view version() noexcept { return ICLK_VERSION; }

void RunInfo::add(std::string key, double value) { add(std::move(key), format_number(value)); }

const std::string* RunInfo::find(std::string_view key) const noexcept {
  for (const auto& [k, value] : entries) {
    if (k == key) return &value;
  }
  return nullptr;
}

std::uint64_t fnv1a(std::string_view bytes) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

std::string format_number(double value) {
  std::array<char, 32> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), result.ptr};
}

std::optional<double> parse_number(std::string_view text) noexcept {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return std::nullopt;
  }
  double value = 0.0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ptr != text.data() + text.size()) return std::nullopt;
  if (result.ec == std::errc::result_out_of_range) return beyond_range(text);
  if (result.ec != std::errc{}) return std::nullopt;
  return value;
}

}  // namespace iclk
