#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/core/table_file.hpp"
#include "iclk/fit/survival.hpp"
#include "output.hpp"
#include "table_columns.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

constexpr std::size_t kMaxListed = 1000;  // steps and quantile points of one group in the JSON; the rest is thinned out

struct FitAcquisitionInput {
  std::string file;
  std::optional<std::string> time, acquired;
  std::string interval = "log-log";
  Destinations destinations;
};

/// Runs at one context length and number of items, where the file has such columns.
struct RunGroupKey {
  std::optional<double> n_items, context;
  auto operator<=>(const RunGroupKey&) const = default;
};

struct RunTable {
  std::string time_name, acquired_name;
  std::map<RunGroupKey, std::vector<fit::SurvivalRun>> groups;
  std::vector<std::string> warnings;
};

double positive(const TextTable& table, std::size_t row, std::size_t column) {
  const double value = number(table, row, column);
  if (!(value > 0.0)) throw field_error(table, row, column, "a positive number");
  return value;
}

bool yes_or_no(const TextTable& table, std::size_t row, std::size_t column) {
  const std::string_view text = table.text(row, column);
  if (text == "1" || text == "true") return true;
  if (text == "0" || text == "false") return false;
  throw field_error(table, row, column, "1 or 0");
}

RunTable read_runs(const FitAcquisitionInput& input) {
  const TextTable table = read_table(input.file);
  const std::size_t time = need_column(table, "--time", input.time, {"t_icl", "time", "t"});
  const std::size_t acquired = need_column(table, "--acquired", input.acquired, {"acquired", "event"});
  const auto context = group_column(table, "context", "N");
  const auto items = group_column(table, "n_items", "K");
  const auto seed = table.find_column("seed");
  RunTable runs{table.columns()[time], table.columns()[acquired], {}, {}};
  std::set<std::tuple<RunGroupKey, std::string_view>> seeds;
  std::size_t repeated = 0;
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    RunGroupKey key;
    if (items) key.n_items = positive(table, row, *items);
    if (context) key.context = positive(table, row, *context);
    if (seed && !seeds.emplace(key, table.text(row, *seed)).second) ++repeated;
    runs.groups[key].push_back({positive(table, row, time), yes_or_no(table, row, acquired)});
  }
  if (repeated > 0) {
    runs.warnings.push_back("rows with the seed of an earlier row of their group: " + std::to_string(repeated) +
                            "; runs counted twice make intervals too narrow");
  }
  return runs;
}

struct GroupAnswer {
  RunGroupKey key;
  fit::AcquisitionSummary summary;
  const fit::AcquisitionModel* best() const { return summary.best ? &summary.models[*summary.best] : nullptr; }
};

struct ItemsAnswer {
  std::optional<double> n_items;
  fit::MedianScaling scaling;
};

struct AcquisitionAnswer {
  std::string outcome;
  std::vector<GroupAnswer> groups;
  std::vector<ItemsAnswer> scaling;  ///< one per number of items, where there is a column of contexts
  std::vector<std::string> warnings;
};

fit::SurvivalInterval interval_named(const std::string& text) {
  if (text == "log") return fit::SurvivalInterval::log;
  return text == "plain" ? fit::SurvivalInterval::plain : fit::SurvivalInterval::log_log;
}

AcquisitionAnswer analyse(const RunTable& runs, fit::SurvivalInterval interval) {
  AcquisitionAnswer answer{"none_acquired", {}, {}, runs.warnings};
  std::map<std::optional<double>, std::vector<fit::MedianAtContext>> medians;
  std::size_t without_median = 0;
  for (const auto& [key, group] : runs.groups) {
    answer.groups.push_back({key, fit::summarise_acquisition(group, interval)});
    const Estimate& median = answer.groups.back().summary.median;
    if (median.value || answer.groups.back().best() != nullptr) answer.outcome = "fitted";
    if (!key.context) continue;
    auto& list = medians[key.n_items];
    if (median.value)
      list.push_back({*key.context, *median.value});
    else
      ++without_median;
  }
  for (const auto& [n_items, list] : medians) answer.scaling.push_back({n_items, fit::fit_median_scaling(list)});
  if (without_median > 0) {
    answer.warnings.push_back("groups without a median, left out of its growth with N: " +
                              std::to_string(without_median));
  }
  return answer;
}

Json json_model(const fit::AcquisitionModel& model) {
  return {{"family", fit::name(model.family)},
          {"with_cured", model.with_cured},
          {"outcome", fit::name(model.outcome)},
          {"n_parameters", model.n_parameters},
          {"location", json_estimate(model.location)},
          {"scale", json_estimate(model.scale)},
          {"threshold", json_estimate(model.threshold)},
          {"drift", json_estimate(model.drift)},
          {"cured", json_estimate(model.cured)},
          {"p_no_cure", json_number(model.p_no_cure)},
          {"median_acquired", json_estimate(model.median_acquired)},
          {"median", json_number(model.median)},
          {"log_likelihood", json_number(model.log_likelihood)},
          {"aic", json_number(model.aic)}};
}

/// At most kMaxListed of `n` positions, the first and last among them.
std::vector<std::size_t> listed(std::size_t n) {
  std::vector<std::size_t> positions;
  const std::size_t kept = std::min(n, kMaxListed);
  for (std::size_t i = 0; i < kept; ++i) positions.push_back(kept == n ? i : i * (n - 1) / (kept - 1));
  return positions;
}

Json json_group(const GroupAnswer& group) {
  const fit::AcquisitionSummary& summary = group.summary;
  Json json = {{"n_items", json_number(group.key.n_items)},
               {"context", json_number(group.key.context)},
               {"n_runs", summary.curve.n_runs},
               {"n_acquired", summary.curve.n_acquired},
               {"median", json_estimate(summary.median)},
               {"best", summary.best ? Json(*summary.best) : Json(nullptr)},
               {"models", Json::array()},
               {"tail", nullptr},
               {"n_steps", summary.curve.steps.size()},
               {"survival", Json::array()},
               {"quantiles", Json::array()},
               {"warnings", summary.warnings}};
  for (const auto& model : summary.models) json["models"].push_back(json_model(model));
  if (summary.tail) {
    const fit::TailTest& tail = *summary.tail;
    json["tail"] = {{"start", tail.start},
                    {"n_runs", tail.n_runs},
                    {"n_acquired", tail.n_acquired},
                    {"rate", json_estimate(tail.rate)},
                    {"shape", json_estimate(tail.shape)},
                    {"p_exponential", json_number(tail.p_exponential)}};
  }
  for (const std::size_t i : listed(summary.curve.steps.size())) {
    const fit::SurvivalStep& step = summary.curve.steps[i];
    json["survival"].push_back({{"time", step.time},
                                {"at_risk", step.at_risk},
                                {"acquired", step.acquired},
                                {"censored", step.censored},
                                {"survival", json_estimate(step.survival)}});
  }
  if (group.best() != nullptr) {
    const auto points = fit::quantile_points(summary.curve, *group.best(), kMaxListed);
    for (const fit::QuantilePoint& point : points) {
      json["quantiles"].push_back(
          {{"probability", point.probability}, {"observed", point.observed}, {"model", json_number(point.model)}});
    }
  }
  return json;
}

Json to_json(const FitAcquisitionInput& input, const RunTable& runs, const AcquisitionAnswer& answer) {
  Json json = {{"schema", "iclk-fit-acquisition 1"},
               {"program", "iclk " + std::string(version())},
               {"source", input.file},
               {"time", runs.time_name},
               {"acquired", runs.acquired_name},
               {"interval", input.interval},
               {"method", "Kaplan-Meier; censored maximum likelihood; 95 % intervals"},
               {"outcome", answer.outcome},
               {"groups", Json::array()},
               {"growth", Json::array()},
               {"warnings", answer.warnings}};
  for (const GroupAnswer& group : answer.groups) json["groups"].push_back(json_group(group));
  for (const ItemsAnswer& each : answer.scaling) {
    const fit::MedianScaling& scaling = each.scaling;
    json["growth"].push_back({{"n_items", json_number(each.n_items)},
                              {"outcome", fit::name(scaling.outcome)},
                              {"n_contexts", scaling.n_contexts},
                              {"slope_through_origin", json_estimate(scaling.slope_through_origin)},
                              {"slope", json_estimate(scaling.slope)},
                              {"intercept", json_estimate(scaling.intercept)},
                              {"p_through_origin", json_number(scaling.p_through_origin)},
                              {"exponent", json_estimate(scaling.exponent)},
                              {"prefactor", json_estimate(scaling.prefactor)}});
  }
  return json;
}

std::string to_csv(const FitAcquisitionInput& input, const AcquisitionAnswer& answer) {
  CsvText csv({"n_items", "context", "n_runs", "n_acquired", "median", "median_low", "median_high", "best",
               "with_cured", "cured", "cured_low", "cured_high", "median_acquired", "median_acquired_low",
               "median_acquired_high", "log_likelihood", "aic", "interval", "source"});
  for (const GroupAnswer& group : answer.groups) {
    const fit::AcquisitionModel none;
    const fit::AcquisitionModel& best = group.best() != nullptr ? *group.best() : none;
    csv.cell(group.key.n_items).cell(group.key.context);
    csv.count(group.summary.curve.n_runs).count(group.summary.curve.n_acquired).cell(group.summary.median);
    csv.cell(group.best() != nullptr ? fit::name(best.family) : std::string_view());
    csv.cell(std::string_view(group.best() == nullptr ? "" : best.with_cured ? "1" : "0"));
    csv.cell(best.cured).cell(best.median_acquired).cell(best.log_likelihood).cell(best.aic);
    csv.cell(std::string_view(input.interval)).cell(std::string_view(input.file)).end_row();
  }
  return std::move(csv).take();
}

std::string key_text(const RunGroupKey& key) {
  std::string text;
  if (key.n_items) text += "K = " + human(*key.n_items, 9);
  if (key.context) text += (text.empty() ? "N = " : ", N = ") + human(*key.context, 9);
  return text.empty() ? "all runs" : text;
}

std::string group_text(const GroupAnswer& group) {
  const fit::AcquisitionSummary& summary = group.summary;
  std::string text = key_text(group.key) + ": " + std::to_string(summary.curve.n_acquired) + " of " +
                     std::to_string(summary.curve.n_runs) + " runs acquired\n";
  text += "  median (Kaplan-Meier)  " + human(summary.median) + '\n';
  if (summary.best) {
    PrintedTable table({"  distribution", "cured fraction", "median of acquired", "ln L", "AIC", "", "ends"}, "lrrrrl");
    for (std::size_t i = 0; i < summary.models.size(); ++i) {
      const fit::AcquisitionModel& model = summary.models[i];
      if (!model.log_likelihood && model.outcome == fit::AcquisitionFitOutcome::too_few) continue;
      table.add_row({"  " + std::string(fit::name(model.family)), model.with_cured ? human(model.cured) : "-",
                     human(model.median_acquired), human(model.log_likelihood, 6), human(model.aic, 6),
                     i == *summary.best ? "best" : "", std::string(fit::name(model.outcome))});
    }
    text += table.str();
  }
  if (const fit::AcquisitionModel* best = group.best(); best != nullptr && summary.models[*summary.best ^ 1U].p_no_cure)
    text += "  no cured fraction: p = " + human(summary.models[*summary.best ^ 1U].p_no_cure, 2) + '\n';
  else if (best != nullptr && best->p_no_cure)
    text += "  no cured fraction: p = " + human(best->p_no_cure, 2) + '\n';
  if (summary.tail && summary.tail->p_exponential) {
    text += "  tail beyond " + human(summary.tail->start) + ": shape " + human(summary.tail->shape) +
            " (1 is exponential), p = " + human(summary.tail->p_exponential, 2) + ", " +
            std::to_string(summary.tail->n_acquired) + " runs\n";
  }
  for (const std::string& warning : summary.warnings) text += "  warning: " + warning + '\n';
  return text;
}

std::string to_text(const AcquisitionAnswer& answer) {
  std::string text = "Acquisition times, runs that had not acquired are right-censored; intervals are 95 %\n";
  constexpr std::size_t kMaxPrinted = 50;
  for (std::size_t i = 0; i < std::min(answer.groups.size(), kMaxPrinted); ++i) text += group_text(answer.groups[i]);
  if (answer.groups.size() > kMaxPrinted)
    text += "... and " + std::to_string(answer.groups.size() - kMaxPrinted) + " more groups: --json, --csv\n";
  for (std::size_t i = 0; i < std::min(answer.scaling.size(), kMaxPrinted); ++i) {
    const auto& [n_items, scaling] = answer.scaling[i];
    if (scaling.outcome == fit::MedianScalingOutcome::too_few) continue;
    text += "Growth with N" + (n_items ? " at K = " + human(*n_items, 9) : std::string()) + ", " +
            std::to_string(scaling.n_contexts) + " context lengths\n";
    text += "  exponent               " + human(scaling.exponent) + '\n';
    text += "  median/N               " + human(scaling.slope_through_origin) + " (line through the origin)\n";
    text += "  with intercept         " + human(scaling.slope) + " N + " + human(scaling.intercept);
    if (scaling.p_through_origin) text += ", p = " + human(scaling.p_through_origin, 2) + " that it is 0";
    text += '\n';
  }
  for (const std::string& warning : answer.warnings) text += "warning: " + warning + '\n';
  return text;
}

}  // namespace

Action declare_fit_acquisition(VerbOptions& options) {
  const auto input = std::make_shared<FitAcquisitionInput>();
  options.explain(
      "acquisition times of runs, those that never acquire included",
      "Reads one run per row: its acquisition time and 1, or the time when it was last looked at and 0. Runs that had "
      "not acquired are right-censored, never counted as if they had. Columns n_items (K) and context (N), where "
      "there, make groups; a column seed is checked for repeats. Per group: the Kaplan-Meier median; lognormal, "
      "Weibull and inverse Gaussian distributions by censored maximum likelihood, without and with a fraction that "
      "never acquires, compared by AIC; the tail beyond the median against an exponential one. Over context "
      "lengths: how the median grows with N. docs/statistics.md says which method is for what. Intervals are 95 %.");
  options.argument("FILE", input->file, "CSV file with a header row");
  options.text("--time", input->time, "NAME", "column of times; else t_icl, time or t");
  options.text("--acquired", input->acquired, "NAME",
               "column that says whether the run acquired (1, 0, true, false); else acquired or event");
  options.choice("--interval", input->interval, {"log-log", "log", "plain"},
                 "scale on which the Kaplan-Meier interval is symmetric");
  declare_destinations(options, input->destinations);
  options.example("iclk fit acquisition runs.csv", "columns time, acquired, perhaps n_items, context, seed");
  options.example("iclk fit acquisition runs.csv --time steps --acquired learned --csv medians.csv", "other names");
  return [input] {
    if (input->file.empty()) throw field_error("FILE", "expected a CSV file");
    const std::vector<std::string> inputs{input->file};
    check_destinations(input->destinations, inputs);
    const RunTable runs = read_runs(*input);
    const AcquisitionAnswer answer = analyse(runs, interval_named(input->interval));
    write_answer(input->destinations, {to_text(answer), to_json(*input, runs, answer), to_csv(*input, answer)});
    return answer.outcome == "fitted" ? Exit::answered : Exit::no_answer;
  };
}

}  // namespace iclk::cli
