#include "point_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::cli {
namespace {

constexpr std::size_t kPrintedRows = 40;  // chosen: a screen; the files hold all rows

Error at_header(const TextTable& table, const std::string& column, const std::string& problem) {
  return {Location{table.source(), table.header_line(), column}, problem};
}

/// Where each input comes from: its column, or the value of its option.
std::vector<std::optional<std::size_t>> find_inputs(const VerbOptions& options, const TextTable& table,
                                                    const std::vector<PointInput>& inputs) {
  std::vector<std::optional<std::size_t>> columns;
  for (const PointInput& input : inputs) {
    std::optional<std::size_t> column = table.find_column(input.column);
    const std::string other_name = input.column == "context" ? "N" : input.option.substr(2);
    if (other_name != input.column) {
      const auto other = table.find_column(other_name);
      if (column && other) {
        throw at_header(table, other_name,
                        "means the same as the column " + input.column + "; one of them is too many");
      }
      if (other) column = other;
    }
    if (column && options.given(input.option)) {
      throw field_error(input.option, "the table has a column " + table.columns()[*column] + " too");
    }
    if (!column && !input.value) {
      const std::string names = input.column == "context" ? "context (or N)" : input.column;
      throw at_header(table, input.column, "expected a column " + names + ", or " + input.option);
    }
    columns.push_back(column);
  }
  return columns;
}

double input_value(const TextTable& table, std::size_t row, std::size_t column, const PointInput& input) {
  const double value = number(table, row, column);
  const bool below = input.rule.low_excluded ? value <= input.rule.low : value < input.rule.low;
  const bool fractional = input.is_count && std::trunc(value) < value;
  if (below || value > input.rule.high || fractional) throw field_error(table, row, column, input.rule.words);
  return value;
}

/// A number where the field is one, else its text.
Json json_cell(std::string_view text) {
  const std::optional<double> value = parse_number(text);
  return value && std::isfinite(*value) ? Json(*value) : Json(text);
}

}  // namespace

Json json_cell(const AnswerCell& cell) {
  return std::holds_alternative<double>(cell) ? json_number(std::get<double>(cell)) : Json(std::get<std::string>(cell));
}

std::string human_cell(const AnswerCell& cell) {
  return std::holds_alternative<double>(cell) ? human(std::get<double>(cell), 7) : std::get<std::string>(cell);
}

bool has_input_column(const TextTable& table, const std::string& option) {
  const PointInput input = point_number(option, {}, {});
  return table.find_column(input.column) || table.find_column(option.substr(2)) ||
         (input.column == "context" && table.find_column("N"));
}

PointInput point_number(const std::string& option, std::optional<double> value, const NumberRule& rule) {
  std::string column = option.substr(2);
  std::replace(column.begin(), column.end(), '-', '_');
  return {option, std::move(column), value, rule, false};
}

PointInput point_count(const std::string& option, std::optional<std::uint64_t> value, const CountRule& rule) {
  const NumberRule number{.low = static_cast<double>(rule.low),
                          .high = static_cast<double>(rule.high),
                          .low_excluded = false,
                          .words = words(rule)};
  PointInput input = point_number(option, std::nullopt, number);
  if (value) input.value = static_cast<double>(*value);
  input.is_count = true;
  return input;
}

AnswerCell answer_cell(const std::optional<double>& value) {
  return value.value_or(std::numeric_limits<double>::quiet_NaN());
}

Answer answer_for_table(const VerbOptions& options, const std::string& table, const Destinations& destinations,
                        const PointTableAnswer& how) {
  return answer_for_table(options, read_table(table), destinations, how);
}

Answer answer_for_table(const VerbOptions& options, const TextTable& table, const Destinations& destinations,
                        const PointTableAnswer& how) {
  const std::vector<std::optional<std::size_t>> sources = find_inputs(options, table, how.inputs);
  for (const std::string& name : how.columns) {
    if (table.find_column(name)) {
      throw at_header(table, name, "is the name of an answer; rename the input column");
    }
  }
  std::vector<std::size_t> constants;  // inputs that come from options, repeated in every row
  std::vector<std::string> header(table.columns().begin(), table.columns().end());
  for (std::size_t i = 0; i < how.inputs.size(); ++i) {
    if (sources[i]) continue;
    constants.push_back(i);
    header.push_back(how.inputs[i].column);
  }
  header.insert(header.end(), how.columns.begin(), how.columns.end());

  CsvText csv(header);
  const bool wants_csv = destinations.csv.has_value();
  const bool wants_json = destinations.json.has_value();
  if (wants_csv) csv.reserve(table.n_rows() * header.size() * 18);  // one allocation for usual numbers
  Json rows = Json::array();
  PrintedTable printed(header, "r");
  bool beyond_range = false;
  std::vector<double> values(how.inputs.size());
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = sources[i] ? input_value(table, row, *sources[i], how.inputs[i]) : *how.inputs[i].value;
    }
    std::vector<AnswerCell> answer;
    try {
      answer = how.answer(values);
    } catch (const Error& error) {
      throw Error(Location{table.source(), table.line(row), error.location().field}, error.problem());
    }
    if (wants_csv) {
      for (std::size_t column = 0; column < table.n_columns(); ++column) csv.cell(table.text(row, column));
      for (const std::size_t i : constants) csv.cell(values[i]);
      for (const AnswerCell& cell : answer) std::visit([&](const auto& content) { csv.cell(content); }, cell);
      csv.end_row();
    }
    if (wants_json) {
      Json json = Json::object();
      for (std::size_t column = 0; column < table.n_columns(); ++column) {
        json[table.columns()[column]] = json_cell(table.text(row, column));
      }
      for (const std::size_t i : constants) json[how.inputs[i].column] = values[i];
      for (std::size_t i = 0; i < answer.size(); ++i) json[how.columns[i]] = json_cell(answer[i]);
      rows.push_back(std::move(json));
    }
    if (row < kPrintedRows) {
      std::vector<std::string> cells;
      for (std::size_t column = 0; column < table.n_columns(); ++column) cells.emplace_back(table.text(row, column));
      for (const std::size_t i : constants) cells.push_back(human(values[i]));
      for (const AnswerCell& cell : answer) cells.push_back(human_cell(cell));
      printed.add_row(std::move(cells));
    }
    for (const AnswerCell& cell : answer) {
      beyond_range = beyond_range || (std::holds_alternative<double>(cell) && std::isinf(std::get<double>(cell)));
    }
  }
  std::string text = printed.str();
  if (table.n_rows() > kPrintedRows) {
    text += "  ... " + std::to_string(table.n_rows() - kPrintedRows) + " more rows; --csv FILE writes all\n";
  }
  if (beyond_range) text += std::string("note: ") + kBeyondRange + '\n';
  Json json = how.head;
  json["source"] = table.source();
  json["rows"] = std::move(rows);
  return {std::move(text), std::move(json), std::move(csv).take()};
}

}  // namespace iclk::cli
