#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "iclk/core/table_file.hpp"

namespace iclk::cli {

/// Finds runs that stand in a table twice: rows of one group with the seed of an earlier row. Without a column seed
/// none can be found.
class RepeatedSeeds {
 public:
  explicit RepeatedSeeds(const TextTable& table) : table_(table), column_(table.find_column("seed")) {}

  /// group: what tells apart runs of equal seed, e.g. (K, N).
  void add(std::size_t row, std::array<double, 2> group) {
    if (column_ && !seen_.emplace(group, table_.text(row, *column_)).second) ++n_repeated_;
  }

  std::optional<std::string> warning() const {
    if (n_repeated_ == 0) return std::nullopt;
    return "rows with the seed of an earlier row of their group: " + std::to_string(n_repeated_) +
           "; runs counted twice make intervals too narrow";
  }

 private:
  const TextTable& table_;
  std::optional<std::size_t> column_;
  std::set<std::pair<std::array<double, 2>, std::string_view>> seen_;
  std::size_t n_repeated_ = 0;
};

}  // namespace iclk::cli
