#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "iclk/core/table_file.hpp"
#include "output.hpp"
#include "verb_options.hpp"

namespace iclk::cli {

/// One input of a verb that answers for a point: a column of `--table`, or the same in every row, from its option.
struct PointInput {
  std::string option;           ///< "--lambda-w"
  std::string column;           ///< "lambda_w"; empty: the option's name with `_` for `-`
  std::optional<double> value;  ///< from the option, given or default; empty: the table must have the column
  NumberRule rule = {};         ///< what the column's fields must keep, as the option's value has already
  bool is_count = false;        ///< a whole number
};

PointInput point_number(const std::string& option, std::optional<double> value, const NumberRule& rule);
PointInput point_count(const std::string& option, std::optional<std::uint64_t> value, const CountRule& rule);

/// One field of an answer row: a number (empty and null where it is not finite) or a word such as an outcome.
using AnswerCell = std::variant<double, std::string>;
AnswerCell answer_cell(const std::optional<double>& value);
Json json_cell(const AnswerCell& cell);
std::string human_cell(const AnswerCell& cell);  ///< seven significant digits

/// How `--table` is answered.
struct PointTableAnswer {
  std::vector<PointInput> inputs;
  std::vector<std::string> columns;  ///< of the answer
  /// The answer for one point: values in the order of `inputs`, cells in the order of `columns`. An Error it throws is
  /// reported with the row's line.
  std::function<std::vector<AnswerCell>(std::span<const double> inputs)> answer;
  Json head;  ///< schema and settings; `source` and `rows` are added
};

/// Answers every row of the CSV file `table`: the input columns first, then the inputs that come from options, then the
/// answer. Columns are named as the options, with `_` or `-` (`N` is accepted for `context`); unknown ones are passed
/// through. Only what `destinations` asks for is put together.
///
/// Throws   Error with file, line and column for a bad field, a missing or doubled column, an input that is given both
///          as a column and as an option, an input column named like an answer.
Answer answer_for_table(const VerbOptions& options, const std::string& table, const Destinations& destinations,
                        const PointTableAnswer& how);
Answer answer_for_table(const VerbOptions& options, const TextTable& table, const Destinations& destinations,
                        const PointTableAnswer& how);

/// Does the table hold a column for the input `--option`? For verbs whose answer grows with the inputs that are there.
bool has_input_column(const TextTable& table, const std::string& option);

inline constexpr const char* kBeyondRange = "values beyond the range of floating-point numbers are left empty";

}  // namespace iclk::cli
