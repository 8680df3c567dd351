#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace iclk {

/// Version of the program and libraries, e.g. "0.1.0"; the build sets it from CMakeLists.txt, its one place.
std::string_view version() noexcept;

/// The settings that made a file, in the order in which they are written: `# key: value` lines in text files.
struct RunInfo {
  std::vector<std::pair<std::string, std::string>> entries;

  /// Appends key and value; numbers with the fewest digits that read back exactly.
  void add(std::string key, std::string value) { entries.emplace_back(std::move(key), std::move(value)); }
  void add(std::string key, double value);

  /// Value of `key`, or an empty pointer.
  const std::string* find(std::string_view key) const noexcept;
};

/// 64-bit FNV-1a hash: checksums of files, names made of settings. Not for adversaries.
std::uint64_t fnv1a(std::string_view bytes) noexcept;

/// The shortest decimal text that reads back as exactly `value`: "0.1", "1e-10", "128", "nan", "inf".
std::string format_number(double value);

/// The whole of `text` as a double (decimal or scientific, also "inf" and "nan"); empty if anything is left over.
/// Beyond the range of a double the value is 0 ("1e-400") or infinite ("1e400"). Independent of the locale.
std::optional<double> parse_number(std::string_view text) noexcept;

}  // namespace iclk
