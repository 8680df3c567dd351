#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace iclk::test {

/// Path of a file in tests/data.
std::filesystem::path data_path(std::string_view name);

/// A CSV file with a header row and plain cells (no quotes), read without the library under test. A cell or column that
/// is not there, or text where a number is asked for, is a std::runtime_error naming file, line and column.
class Table {
 public:
  explicit Table(const std::filesystem::path& path);

  std::size_t rows() const noexcept { return cells_.size(); }
  const std::vector<std::string>& columns() const noexcept { return columns_; }
  bool has(std::string_view column) const noexcept;

  const std::string& text(std::size_t row, std::string_view column) const;
  double number(std::size_t row, std::string_view column) const;
  std::vector<double> numbers(std::string_view column) const;  ///< [rows]

 private:
  std::string where(std::size_t row, std::string_view column) const;

  std::string name_;
  std::vector<std::string> columns_;
  std::vector<std::vector<std::string>> cells_;  // [rows][columns]
};

/// Reads tests/data/<name>.
Table read_table(std::string_view name);

}  // namespace iclk::test
