#include <algorithm>
#include <cassert>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::figures {
namespace {

std::string csv_field(const Cell& value) {
  if (const double* number = std::get_if<double>(&value)) return format_number(*number);
  const std::string* text = std::get_if<std::string>(&value);
  if (text == nullptr) return {};
  if (text->find_first_of(",\"\r\n") == std::string::npos) return *text;
  std::string quoted = "\"";
  for (const char c : *text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

Cell cell(const std::optional<double>& value) { return value ? Cell(*value) : Cell(); }

std::size_t Table::column(std::string_view name) const {
  const auto found = std::find(columns.begin(), columns.end(), name);
  if (found == columns.end()) throw field_error(std::string(name), "no such column in this table");
  return static_cast<std::size_t>(found - columns.begin());
}

std::optional<double> Table::number(std::size_t row, std::string_view name) const {
  const double* value = std::get_if<double>(&rows.at(row).cells.at(column(name)));
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

std::string to_csv(const Table& table) {
  std::string csv;
  for (std::size_t i = 0; i < table.columns.size(); ++i) csv += (i > 0 ? "," : "") + table.columns[i];
  csv += '\n';
  for (const Table::Row& row : table.rows) {
    csv.append(static_cast<std::size_t>(row.blank_lines_before), '\n');
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      if (i > 0) csv += ',';
      csv += csv_field(row.cells[i]);
    }
    csv += '\n';
  }
  return csv;
}

const Table& FigureTables::table(std::string_view part) const {
  for (const Table& table : tables) {
    if (table.part == part) return table;
  }
  throw field_error(std::string(part), "no such table in this figure");
}

void add_row(Table& table, std::vector<Cell> cells, int blank_lines_before) {
  assert(cells.size() == table.columns.size());
  table.rows.push_back({std::move(cells), table.rows.empty() ? 0 : blank_lines_before});
}

}  // namespace iclk::figures
