#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "attention_point.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/core/table_file.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "output.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

constexpr CountRule kClosedFormContextRule{.low = 2, .high = 1'000'000'000};
const std::vector<std::string> kAnswerColumns{"x_leading", "x_undamped", "x_exact", "j_cold"};

struct AcquireInput {
  std::optional<std::uint64_t> n_context;
  double beta0 = 0.0;
  double w0 = 0.0;
  double c2 = 0.5;
  std::optional<std::string> table;
  Destinations destinations;
};

struct AcquirePoint {
  double n_context = 0.0, beta0 = 0.0, w0 = 0.0, c2 = 0.5;
};

struct AcquireAnswer {
  double x_leading = 0.0, x_undamped = 0.0, x_exact = 0.0, j_cold = 0.0;
  std::array<double, 4> values() const { return {x_leading, x_undamped, x_exact, j_cold}; }  // as kAnswerColumns
  bool beyond_range() const { return !std::isfinite(x_leading + x_undamped + x_exact + j_cold); }
};

AcquireAnswer closed_forms(const AcquirePoint& point) {
  return {theory::acquisition_integral_leading(point.n_context, point.beta0),
          theory::acquisition_integral(point.n_context, point.beta0, point.w0),
          theory::acquisition_integral_exact(point.n_context, point.beta0, point.w0, point.c2),
          theory::cold_start_integral(point.n_context, point.beta0)};
}

constexpr const char* kBeyondRange = "values beyond the range of floating-point numbers are left empty";

/// The rows of `--table`: each of the four inputs comes from its column or, where there is none, from its option.
class PointTable {
 public:
  /// An input that comes from its option, the same in every row.
  struct Constant {
    const char* name;
    double value;
  };

  PointTable(const VerbOptions& options, const AcquireInput& input) : table_(read_table(*input.table)) {
    const auto context = table_.find_column("context");
    const auto n = table_.find_column("N");
    if (context && n) throw at_header("N", "means the same as the column context; one of them is too many");
    context_ = context ? context : n;
    beta0_ = table_.find_column("beta0");
    w0_ = table_.find_column("w0");
    c2_ = table_.find_column("c2");
    if (!context_ && !input.n_context) throw at_header("context", "expected a column context (or N), or --context");
    refuse_both(options, "--context", context_);
    refuse_both(options, "--beta0", beta0_);
    refuse_both(options, "--w0", w0_);
    refuse_both(options, "--c2", c2_);
    for (const std::string& name : kAnswerColumns) {
      if (table_.find_column(name)) throw at_header(name, "is the name of an answer; rename the input column");
    }
    defaults_ = {static_cast<double>(input.n_context.value_or(0)), input.beta0, input.w0, input.c2};
  }

  const TextTable& table() const noexcept { return table_; }

  std::vector<Constant> constants() const {
    std::vector<Constant> constants;
    if (!context_) constants.push_back({"context", defaults_.n_context});
    if (!beta0_) constants.push_back({"beta0", defaults_.beta0});
    if (!w0_) constants.push_back({"w0", defaults_.w0});
    if (!c2_) constants.push_back({"c2", defaults_.c2});
    return constants;
  }

  AcquirePoint point(std::size_t row) const {
    AcquirePoint point = defaults_;
    if (context_) {
      point.n_context = number(table_, row, *context_);
      if (point.n_context < kClosedFormContextRule.low || point.n_context > kClosedFormContextRule.high ||
          std::trunc(point.n_context) < point.n_context) {
        throw field_error(table_, row, *context_, words(kClosedFormContextRule));
      }
    }
    if (beta0_) point.beta0 = checked(row, *beta0_, start_rule_);
    if (w0_) point.w0 = checked(row, *w0_, start_rule_);
    if (c2_) point.c2 = checked(row, *c2_, c2_rule_);
    return point;
  }

 private:
  Error at_header(const std::string& column, const std::string& problem) const {
    return {Location{table_.source(), table_.header_line(), column}, problem};
  }

  void refuse_both(const VerbOptions& options, const std::string& option, std::optional<std::size_t> column) const {
    if (column && options.given(option)) {
      throw field_error(option, "the table has a column " + table_.columns()[*column] + " too");
    }
  }

  double checked(std::size_t row, std::size_t column, const NumberRule& rule) const {
    const double value = number(table_, row, column);
    if (value < rule.low || value > rule.high) throw field_error(table_, row, column, rule.words);
    return value;
  }

  TextTable table_;
  std::optional<std::size_t> context_, beta0_, w0_, c2_;
  NumberRule start_rule_ = start_rule();
  NumberRule c2_rule_ = number_from(0.0, 1.0);
  AcquirePoint defaults_;
};

Json answer_json(Json json, const AcquireAnswer& answer) {
  json["x_leading"] = json_number(answer.x_leading);
  json["x_undamped"] = json_number(answer.x_undamped);
  json["x_exact"] = json_number(answer.x_exact);
  json["j_cold"] = json_number(answer.j_cold);
  return json;
}

/// A number where the field is one, else its text.
Json json_cell(std::string_view text) {
  const std::optional<double> value = parse_number(text);
  return value && std::isfinite(*value) ? Json(*value) : Json(text);
}

Json json_head() { return {{"schema", "iclk-acquisition 1"}, {"program", "iclk " + std::string(version())}}; }

Answer answer_for_point(const AcquireInput& input) {
  const AcquirePoint point{static_cast<double>(*input.n_context), input.beta0, input.w0, input.c2};
  const AcquireAnswer answer = closed_forms(point);
  Json head = json_head();
  head.update({{"context", *input.n_context}, {"beta0", point.beta0}, {"w0", point.w0}, {"c2", point.c2}});
  CsvText csv({"context", "beta0", "w0", "c2", "x_leading", "x_undamped", "x_exact", "j_cold"});
  csv.count(*input.n_context).cell(point.beta0).cell(point.w0).cell(point.c2);
  csv.cell(answer.x_leading).cell(answer.x_undamped).cell(answer.x_exact).cell(answer.j_cold).end_row();
  PrintedTable table({"answer", "value", "meaning"}, "lrl");
  table.add_row({"x_leading", human(answer.x_leading, 7), "I_K at acquisition, leading order (Eq. 10-11)"});
  table.add_row({"x_undamped", human(answer.x_undamped, 7), "I_K at acquisition, damping neglected (Eq. 34)"});
  table.add_row({"x_exact", human(answer.x_exact, 7), "I_K at acquisition, exact for constant c2"});
  table.add_row({"j_cold", human(answer.j_cold, 7), "integral of c1/c2 at acquisition, cold start (Eq. 37)"});
  std::string text =
      "N = " + std::to_string(*input.n_context) + " labelled exemplars, start beta0 = " + human(point.beta0) +
      ", w0 = " + human(point.w0) + ", c2 = " + human(point.c2) +
      "\nI_K is twice the integral of c1 over time; for an MLP that does not memorize (c1 = 1/2) it is the "
      "time itself.\n\n" +
      table.str();
  if (answer.beyond_range()) text += std::string("note: ") + kBeyondRange + '\n';
  return {text, answer_json(std::move(head), answer), std::move(csv).take()};
}

Answer answer_for_table(const VerbOptions& options, const AcquireInput& input) {
  const PointTable points(options, input);
  const TextTable& table = points.table();
  const std::vector<PointTable::Constant> constants = points.constants();
  std::vector<std::string> header(table.columns().begin(), table.columns().end());
  for (const PointTable::Constant& constant : constants) header.emplace_back(constant.name);
  header.insert(header.end(), kAnswerColumns.begin(), kAnswerColumns.end());

  CsvText csv(header);
  Json rows = Json::array();
  constexpr std::size_t kPrintedRows = 40;  // chosen: a screen; the files hold all rows
  PrintedTable printed(header, "r");
  bool beyond_range = false;
  if (input.destinations.csv) csv.reserve(table.n_rows() * header.size() * 18);  // one allocation for usual numbers
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    const AcquireAnswer answer = closed_forms(points.point(row));
    beyond_range = beyond_range || answer.beyond_range();
    if (input.destinations.csv) {
      for (std::size_t column = 0; column < table.n_columns(); ++column) csv.cell(table.text(row, column));
      for (const PointTable::Constant& constant : constants) csv.cell(constant.value);
      for (const double value : answer.values()) csv.cell(value);
      csv.end_row();
    }
    if (input.destinations.json) {
      Json json = Json::object();
      for (std::size_t column = 0; column < table.n_columns(); ++column) {
        json[table.columns()[column]] = json_cell(table.text(row, column));
      }
      for (const PointTable::Constant& constant : constants) json[constant.name] = constant.value;
      rows.push_back(answer_json(std::move(json), answer));
    }
    if (row < kPrintedRows) {
      std::vector<std::string> cells;
      for (std::size_t column = 0; column < table.n_columns(); ++column) cells.emplace_back(table.text(row, column));
      for (const PointTable::Constant& constant : constants) cells.push_back(human(constant.value));
      for (const double value : answer.values()) cells.push_back(human(value, 7));
      printed.add_row(std::move(cells));
    }
  }
  std::string text = printed.str();
  if (table.n_rows() > kPrintedRows) {
    text += "  ... " + std::to_string(table.n_rows() - kPrintedRows) + " more rows; --csv FILE writes all\n";
  }
  if (beyond_range) text += std::string("note: ") + kBeyondRange + '\n';
  Json json = json_head();
  json["source"] = *input.table;
  json["rows"] = std::move(rows);
  return {text, std::move(json), std::move(csv).take()};
}

}  // namespace

Action declare_acquire(VerbOptions& options) {
  const auto input = std::make_shared<AcquireInput>();
  options.explain(
      "closed forms of the acquisition time",
      "How much memorization integral I_K in-context learning needs, from closed forms: x_leading = N sqrt(2 pi) "
      "exp(-beta0) (Eq. 10-11), x_undamped (Eq. 34, both signs of w0), x_exact (exact solution of Eqs. 7-8 for "
      "constant c2) and j_cold = N exp(-2 beta0)/2 (Eq. 37 corrected), the integral of c1/c2 at acquisition when "
      "attention starts far below zero. While the MLP has not memorized (c1 = 1/2) I_K is the time itself, in "
      "units of learning rate x SGD steps. One point, or one per row of --table.");
  options.count("--context", input->n_context, kClosedFormContextRule,
                "N, labelled exemplars in a context (required unless the table has it)");
  options.number("--beta0", input->beta0, start_rule(), "start value of beta, strength of the match to the target");
  options.number("--w0", input->w0, start_rule(), "start value of w, strength of the copied label");
  options.number("--c2", input->c2, number_from(0.0, 1.0),
                 "order parameter c2, taken as constant; 1/2 before memorization");
  options.text(
      "--table", input->table, "FILE",
      "CSV with columns context (or N), beta0, w0, c2 in any order, one point per row; a column that is absent "
      "comes from its option, other columns are passed through");
  declare_destinations(options, input->destinations);
  options.example("iclk acquire --context 100 --beta0 -2", "one point");
  options.example("iclk acquire --table points.csv --csv answers.csv", "many points");
  return [input, &options] {
    std::vector<std::string> inputs;
    if (input->table) inputs.push_back(*input->table);
    if (!input->table && !input->n_context) {
      throw field_error("--context", "is required: the number of labelled exemplars in a context");
    }
    check_destinations(input->destinations, inputs);
    write_answer(input->destinations, input->table ? answer_for_table(options, *input) : answer_for_point(*input));
    return Exit::answered;
  };
}

}  // namespace iclk::cli
