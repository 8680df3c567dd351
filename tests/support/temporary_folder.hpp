#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace iclk::test {

/// An empty folder of its own for one test, removed with all it holds at the end of the scope.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

  /// Writes `contents` (any bytes) to the file `name` in the folder, in folders below where it names them, and returns its path.
  std::filesystem::path write(std::string_view name, std::string_view contents) const;

 private:
  std::filesystem::path path_;
};

/// All bytes of a file; std::runtime_error when it cannot be read.
std::string read_file(const std::filesystem::path& path);

}  // namespace iclk::test
