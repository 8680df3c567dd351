#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>

namespace iclk {

/// Where a user has to look to put a problem right. Parts that do not apply stay empty.
struct Location {
  std::string file;                 ///< file as the user named it
  std::optional<std::size_t> line;  ///< 1 is the first line of the file
  std::string field;                ///< column, key or option, e.g. "c1" or "--lr"
};

/// The one exception type: something a user can put right (a bad option, a bad file, an impossible argument).
///
/// what() reads like a compiler message on one line, `file:line: field: problem`, where the problem says what was
/// found and what was expected. Numerical endings (no convergence, no acquisition) are outcomes, never exceptions.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& problem) : Error(Location{}, problem) {}
  Error(Location location, const std::string& problem);

  const Location& location() const noexcept { return location_; }
  const std::string& problem() const noexcept { return problem_; }

 private:
  Location location_;
  std::string problem_;
};

/// Error about one argument or option: `field: problem`.
inline Error field_error(const std::string& field, const std::string& problem) {
  return {Location{.file = {}, .line = {}, .field = field}, problem};
}

}  // namespace iclk
