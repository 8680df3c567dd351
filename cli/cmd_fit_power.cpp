#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/core/table_file.hpp"
#include "iclk/fit/report.hpp"
#include "output.hpp"
#include "power_extras.hpp"
#include "repeated_seeds.hpp"
#include "table_columns.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

struct FitPowerInput {
  std::string file;
  std::optional<std::string> x, y, low, high;
  std::string level_scatter = "estimated";
  PowerExtrasInput extras;
  Destinations destinations;
};

struct PowerData {
  std::string x_name, y_name;
  std::vector<fit::PowerLawPoint> points;
  PowerErrors errors;
  std::optional<std::string> warning;
};

PowerData read_points(const FitPowerInput& input) {
  const TextTable table = read_table(input.file);
  const std::size_t x = need_column(table, "--x", input.x, {"n_items", "K", "x"});
  const std::size_t y = need_column(table, "--y", input.y, {"i_infinity", "y"});
  PowerData data{table.columns()[x], table.columns()[y], {}, read_errors(input.extras, table), {}};
  const auto low = find_column(table, "--low", input.low, {data.y_name + "_low", "low"});
  const auto high = find_column(table, "--high", input.high, {data.y_name + "_high", "high"});
  const auto positive = [&](std::size_t row, std::size_t column) {
    const double value = number(table, row, column);
    if (!(value > 0.0)) throw field_error(table, row, column, "a positive number");
    return value;
  };
  RepeatedSeeds repeated(table);
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    fit::PowerLawPoint point{.x = positive(row, x), .y = positive(row, y), .low = {}, .high = {}};
    if (low && !table.text(row, *low).empty()) {
      point.low = positive(row, *low);
      if (*point.low > point.y) throw field_error(table, row, *low, "at most " + data.y_name);
    }
    if (high && !table.text(row, *high).empty()) {
      point.high = positive(row, *high);
      if (*point.high < point.y) throw field_error(table, row, *high, "at least " + data.y_name);
    }
    repeated.add(row, {point.x, 0.0});
    data.points.push_back(point);
  }
  data.warning = repeated.warning();
  return data;
}

Json to_json(const FitPowerInput& input, const PowerData& data, const fit::PowerLawFit& fit) {
  return {{"schema", "iclk-power-fit 1"},
          {"program", "iclk " + std::string(version())},
          {"source", input.file},
          {"x", data.x_name},
          {"y", data.y_name},
          {"level_scatter", input.level_scatter},
          {"outcome", fit::name(fit.outcome)},
          {"exponent", json_estimate(fit.exponent)},
          {"prefactor", json_estimate(fit.prefactor)},
          {"exponent_scatter_only", json_estimate(fit.exponent_scatter_only)},
          {"tail_share", json_number(fit.tail_share)},
          {"n_points", fit.n_points},
          {"n_levels", fit.n_levels},
          {"x_min", json_number(fit.x_min)},
          {"x_max", json_number(fit.x_max)},
          {"degrees_of_freedom", json_number(fit.degrees_of_freedom)},
          {"residual_sd", json_number(fit.residual_sd)},
          {"within_sd", json_number(fit.within_sd)},
          {"between_sd", json_number(fit.between_sd)},
          {"chi_squared", json_number(fit.chi_squared)},
          {"chi_squared_dof", json_number(fit.chi_squared_dof)},
          {"lack_of_fit_p", json_number(fit.lack_of_fit_p)},
          {"r_squared", json_number(fit.r_squared)},
          {"warnings", fit.warnings}};
}

std::string to_csv(const FitPowerInput& input, const PowerData& data, const fit::PowerLawFit& fit,
                   const PowerExtras& extras) {
  CsvText csv({"quantity", "value", "low", "high", "x", "y", "level_scatter", "source"});
  const auto add = [&](std::string_view quantity, const Estimate& estimate) {
    csv.cell(quantity).cell(estimate).cell(std::string_view(data.x_name)).cell(std::string_view(data.y_name));
    csv.cell(std::string_view(input.level_scatter)).cell(std::string_view(input.file)).end_row();
  };
  add("exponent", fit.exponent);
  add("prefactor", fit.prefactor);
  for (const NamedEstimate& row : csv_rows(extras)) add(row.quantity, row.estimate);
  return std::move(csv).take();
}

}  // namespace

Action declare_fit_power(VerbOptions& options) {
  const auto input = std::make_shared<FitPowerInput>();
  options.explain(
      "power law y = prefactor x^exponent with intervals",
      "Fits a power law in log space to the rows of a CSV file, for example the memorization law I_K(inf) ~ K^nu "
      "from iclk predict --csv. Rows with the same x are repeated runs and say how much runs scatter; columns "
      "low and high, where given, bracket what is not known about y (the tail of a curve), and the report says "
      "how much of the interval that is. Intervals are 95 %.");
  options.argument("FILE", input->file, "CSV file with a header row");
  options.text("--x", input->x, "NAME", "column of x; else n_items, K or x");
  options.text("--y", input->y, "NAME", "column of y; else i_infinity or y");
  options.text("--low", input->low, "NAME",
               "column of the lower end of y; else the name of y with _low, or low, if there");
  options.text(
      "--high", input->high, "NAME",
      "column of the upper end of y, empty where it is open; else the name of y with _high, or high, if there");
  options.choice("--level-scatter", input->level_scatter, {"estimated", "none"},
                 "estimated: all runs at one x may lie off the law together; none: the law is taken as exact");
  declare_power_extras(options, input->extras);
  declare_destinations(options, input->destinations);
  options.example("iclk predict runs/*.curves.csv --context 100 --csv integrals.csv && iclk fit power integrals.csv",
                  "nu from curves, in two steps");
  options.example("iclk fit power table.csv --x width --y loss --json fit.json", "any two columns");
  options.example("iclk fit power integrals.csv --profile --robust --bootstrap 1000 --shape --local 2 --at 1e5,1e6",
                  "everything about one exponent, and what it says of larger K");
  return [input] {
    if (input->file.empty()) throw field_error("FILE", "expected a CSV file");
    const std::vector<std::string> inputs{input->file};
    check_destinations(input->destinations, inputs);
    const PowerData data = read_points(*input);
    fit::PowerLawOptions fit_options;
    if (input->level_scatter == "none") fit_options.level_scatter = fit::LevelScatter::none;
    fit::PowerLawFit fit = fit::fit_power_law(data.points, fit_options);
    if (data.warning) fit.warnings.push_back(*data.warning);
    const fit::ReportOptions names{.x_name = data.x_name, .y_name = data.y_name, .exponent_name = "exponent"};
    const PowerExtras extras = power_extras(input->extras, data.points, data.errors, fit, fit_options);
    Json json = to_json(*input, data, fit);
    add_to_json(json, extras, input->extras);
    write_answer(input->destinations, {fit::report(fit, names) + to_text(extras, data.x_name, data.y_name),
                                       std::move(json), to_csv(*input, data, fit, extras)});
    return fit.exponent.value ? Exit::answered : Exit::no_answer;
  };
}

}  // namespace iclk::cli
