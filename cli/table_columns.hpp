#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "iclk/core/table_file.hpp"

namespace iclk::cli {

/// The column that `option` names, or the first of `usual` that is there; empty when neither.
/// Throws Error when the column that is named is not there.
std::optional<std::size_t> find_column(const TextTable& table, const std::string& option,
                                       const std::optional<std::string>& named, const std::vector<std::string>& usual);

/// The same for a column that has to be there.
std::size_t need_column(const TextTable& table, const std::string& option, const std::optional<std::string>& named,
                        const std::vector<std::string>& usual);

/// A column that divides the rows into groups, by one of its two names. Throws Error when both are there.
std::optional<std::size_t> group_column(const TextTable& table, const std::string& name, const std::string& other);

}  // namespace iclk::cli
