#include "support/csv_table.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <stdexcept>

namespace iclk::test {
namespace {

std::vector<std::string> split(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  std::vector<std::string> cells;
  while (true) {
    const std::size_t comma = line.find(',');
    cells.emplace_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace

std::filesystem::path data_path(std::string_view name) { return std::filesystem::path(ICLK_TEST_DATA) / name; }

Table::Table(const std::filesystem::path& path) : name_(path.filename().string()) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path.string() + ": cannot be read");
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    if (columns_.empty()) {
      columns_ = split(line);
      continue;
    }
    cells_.push_back(split(line));
    if (cells_.back().size() != columns_.size()) {
      throw std::runtime_error(where(cells_.size() - 1, "row") + "has another number of cells than the header");
    }
  }
  if (cells_.empty()) throw std::runtime_error(name_ + ": no rows");
}

bool Table::has(std::string_view column) const noexcept {
  return std::ranges::find(columns_, column) != columns_.end();
}

const std::string& Table::text(std::size_t row, std::string_view column) const {
  const auto found = std::ranges::find(columns_, column);
  if (found == columns_.end()) throw std::runtime_error(where(row, column) + "no such column");
  if (row >= rows()) throw std::runtime_error(where(row, column) + "no such row");
  return cells_[row][static_cast<std::size_t>(found - columns_.begin())];
}

double Table::number(std::size_t row, std::string_view column) const {
  const std::string& cell = text(row, column);
  double value = 0.0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (error != std::errc() || end != cell.data() + cell.size()) {
    throw std::runtime_error(where(row, column) + "not a number: \"" + cell + "\"");
  }
  return value;
}

std::vector<double> Table::numbers(std::string_view column) const {
  std::vector<double> values(rows());
  for (std::size_t row = 0; row < rows(); ++row) values[row] = number(row, column);
  return values;
}

std::string Table::where(std::size_t row, std::string_view column) const {
  return name_ + ": data row " + std::to_string(row) + ": " + std::string(column) + ": ";
}

Table read_table(std::string_view name) { return Table(data_path(name)); }

}  // namespace iclk::test
