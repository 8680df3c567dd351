#include "table_columns.hpp"

#include "iclk/core/error.hpp"

namespace iclk::cli {
namespace {

Error header_error(const TextTable& table, const std::string& problem) {
  return {Location{.file = table.source(), .line = table.header_line(), .field = {}}, problem};
}

}  // namespace

std::optional<std::size_t> find_column(const TextTable& table, const std::string& option,
                                       const std::optional<std::string>& named, const std::vector<std::string>& usual) {
  if (named) {
    const auto column = table.find_column(*named);
    if (!column) throw field_error(option, "there is no column \"" + *named + "\" in " + table.source());
    return column;
  }
  for (const std::string& name : usual) {
    if (const auto column = table.find_column(name)) return column;
  }
  return std::nullopt;
}

std::size_t need_column(const TextTable& table, const std::string& option, const std::optional<std::string>& named,
                        const std::vector<std::string>& usual) {
  if (const auto column = find_column(table, option, named, usual)) return *column;
  std::string names;
  for (const std::string& name : usual) names += (names.empty() ? "" : ", ") + name;
  throw header_error(table, "expected a column " + names + ", or " + option + " to name it");
}

std::optional<std::size_t> group_column(const TextTable& table, const std::string& name, const std::string& other) {
  const auto column = table.find_column(name);
  const auto same = table.find_column(other);
  if (column && same) throw header_error(table, "columns " + name + " and " + other + " mean the same");
  return column ? column : same;
}

}  // namespace iclk::cli
