#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "attention_point.hpp"
#include "curve_files.hpp"
#include "fit_acquisition.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/table_file.hpp"
#include "repeated_seeds.hpp"
#include "start_times.hpp"
#include "table_columns.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

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

/// Names by which the interface counts SGD steps and not time.
bool counts_steps(const std::string& name) {
  for (const std::string_view end : {"iteration", "iterations", "step", "steps"}) {
    if (name == end || (name.size() > end.size() && name.ends_with(end) && name[name.size() - end.size() - 1] == '_'))
      return true;
  }
  return false;
}

/// Whether the theory can be told N and the unit of time.
void check_theory_columns(const FitAcquisitionInput& input, const TextTable& table, std::size_t time,
                          const std::optional<std::size_t>& context) {
  if (context && input.n_context)
    throw field_error("--context", table.source() + " has a column " + table.columns()[*context] + " of its own");
  if (!context && !input.n_context)
    throw field_error("--context", "is required for the theory, as " + table.source() + " has no column context or N");
  const std::string& name = table.columns()[time];
  if (counts_steps(name) && !input.lr)
    throw field_error("--lr", "is required for the theory, as the column " + name + " counts SGD steps");
}

TimedRuns read_runs(const FitAcquisitionInput& input) {
  const TextTable table = read_table(input.file);
  const std::size_t time = need_column(table, "--time", input.time, {"t_icl", "time", "t"});
  const std::size_t acquired = need_column(table, "--acquired", input.acquired, {"acquired", "event"});
  const auto context = group_column(table, "context", "N");
  const auto items = group_column(table, "n_items", "K");
  if (input.wants_theory()) check_theory_columns(input, table, time, context);
  TimedRuns runs{table.columns()[time], table.columns()[acquired], {}, {}};
  RepeatedSeeds repeated(table);
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    RunGroupKey key;
    if (items) key.n_items = positive(table, row, *items);
    if (context) key.context = positive(table, row, *context);
    if (context && input.wants_theory() && !(*key.context >= kContextRule.low && *key.context <= kContextRule.high))
      throw field_error(table, row, *context, "a number from 2 to 1000000, as the theory needs");
    repeated.add(row, {key.n_items.value_or(0), key.context.value_or(0)});
    runs.groups[key].push_back({positive(table, row, time), yes_or_no(table, row, acquired)});
  }
  if (const auto warning = repeated.warning()) runs.warnings.push_back(*warning);
  return runs;
}

fit::SurvivalInterval interval_named(const std::string& text) {
  if (text == "log") return fit::SurvivalInterval::log;
  return text == "plain" ? fit::SurvivalInterval::plain : fit::SurvivalInterval::log_log;
}

/// The curves of the theory, each for the runs with its K.
class TheoryCurves {
 public:
  TheoryCurves(const FitAcquisitionInput& input, const TimedRuns& runs)
      : input_(input), curves_(read_all_curves(input.curves, input.lr, {})) {
    if (curves_.size() == 1 && !curves_[0].n_items) return;
    std::set<std::uint64_t> seen;
    for (const MeasuredCurve& curve : curves_) {
      if (!curve.n_items)
        throw Error({.file = curve.source, .line = {}, .field = "n_items"}, "expected K of the curve");
      if (!seen.insert(*curve.n_items).second) {
        throw field_error("--curve", "expected one curve for each K, got two of K = " + std::to_string(*curve.n_items));
      }
    }
    const bool have_items = !runs.groups.empty() && runs.groups.begin()->first.n_items.has_value();
    if (!have_items && curves_.size() > 1) {
      throw field_error("--curve", "expected one curve, as the runs have no column n_items or K, got " +
                                       std::to_string(curves_.size()));
    }
  }

  /// What a group of runs is compared with. Without curves the MLP never memorizes.
  StartTimes start_times_of(const RunGroupKey& key, const std::vector<fit::SurvivalRun>& runs) const {
    const MeasuredCurve* curve = nullptr;
    for (const MeasuredCurve& each : curves_) {
      if (!key.n_items || !each.n_items || !(std::abs(*key.n_items - static_cast<double>(*each.n_items)) > 0))
        curve = &each;
    }
    StartTimes result;
    if (curve == nullptr && !curves_.empty()) {
      result.warnings.push_back("theory: no curve of K = " + human(*key.n_items, 9));
      return result;
    }
    const auto [first, last] =
        std::minmax_element(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.time < b.time; });
    const StartTimesQuestion question{
        .n_context = key.context.value_or(static_cast<double>(input_.n_context.value_or(0))),
        .w0 = input_.w0,
        .c2 = input_.c2,
        .unit = input_.lr.value_or(1.0),
        .first = first->time,
        .last = last->time};
    result = start_times(question, curve);
    if (curve == nullptr && key.n_items)
      result.warnings.emplace_back("theory: K is taken as infinite; --curve gives it the memorization at this K");
    if (curve != nullptr && curve->curves.c2_is_closure)
      result.warnings.push_back("theory: c2 = 1 - c1 in the place of the c2 that " + curve->source + " lacks");
    return result;
  }

 private:
  const FitAcquisitionInput& input_;
  std::vector<MeasuredCurve> curves_;
};

AcquisitionAnswer analyse(const FitAcquisitionInput& input, const TimedRuns& runs) {
  AcquisitionAnswer answer{"none_acquired", {}, {}, runs.warnings};
  const fit::SurvivalInterval interval = interval_named(input.interval);
  std::optional<TheoryCurves> theory;
  if (input.wants_theory()) theory.emplace(input, runs);
  std::map<std::optional<double>, std::vector<fit::MedianAtContext>> medians;
  std::size_t without_median = 0;
  for (const auto& [key, group] : runs.groups) {
    const StartTimes times = theory ? theory->start_times_of(key, group) : StartTimes{};
    answer.groups.push_back({key, fit::summarise_acquisition(group, interval, times.map)});
    std::vector<std::string>& warnings = answer.groups.back().summary.warnings;
    warnings.insert(warnings.end(), times.warnings.begin(), times.warnings.end());
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

void check_input(const VerbOptions& options, const FitAcquisitionInput& input) {
  if (input.file.empty()) throw field_error("FILE", "expected a CSV file");
  if (!input.wants_theory()) {
    for (const char* name : {"--lr", "--w0", "--c2"})
      if (options.given(name)) throw field_error(name, "belongs to --theory");
  }
  if (!input.curves.empty() && options.given("--c2")) throw field_error("--c2", "cannot be combined with --curve");
  std::vector<std::string> inputs = input.curves;
  inputs.push_back(input.file);
  check_destinations(input.destinations, inputs);
  if (!input.survival) return;
  check_destination("--survival", *input.survival, inputs);
  for (const auto& path : {input.destinations.json, input.destinations.csv}) {
    if (path == input.survival)
      throw field_error("--survival", "\"" + *path + "\" is already the output of another option");
  }
}

Exit fit_acquisition(const VerbOptions& options, const FitAcquisitionInput& input) {
  check_input(options, input);
  const TimedRuns runs = read_runs(input);
  const AcquisitionAnswer answer = analyse(input, runs);
  const Answer output = output_of(input, runs, answer);
  if (input.survival) write_output(*input.survival, survival_csv(answer));
  if (input.survival == std::optional<std::string>("-")) {  // nothing else on standard output
    if (input.destinations.json) write_output(*input.destinations.json, output.json.dump(2) + '\n');
    if (input.destinations.csv) write_output(*input.destinations.csv, output.csv);
  } else {
    write_answer(input.destinations, output);
  }
  return answer.outcome == "fitted" ? Exit::answered : Exit::no_answer;
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
      "lengths: how the median grows with N. --theory adds the theory's own distribution: beta0 is normal over seeds "
      "and t_ICL follows from it by the exact solution, or along a measured --curve, where seeds that start too low "
      "never acquire. docs/statistics.md says which method is for what. Intervals are 95 %.");
  options.argument("FILE", input->file, "CSV file with a header row");
  options.text("--time", input->time, "NAME", "column of times; else t_icl, time or t");
  options.text("--acquired", input->acquired, "NAME",
               "column that says whether the run acquired (1, 0, true, false); else acquired or event");
  options.choice("--interval", input->interval, {"log-log", "log", "plain"},
                 "scale on which the Kaplan-Meier interval is symmetric");
  options.flag("--theory", input->theory, "fit the theory's distribution too; --context and --curve mean it as well");
  options.count("--context", input->n_context, kContextRule, "N of a file without a column context or N");
  options.texts("--curve", input->curves, "FILE",
                "memorization curves, one for each K of the runs; else the MLP never memorizes and c1 = 1/2");
  options.number("--lr", input->lr, positive_number(),
                 "learning rate: times in FILE count SGD steps, and so do those of a curve that does not say its own");
  options.number("--w0", input->w0, number_from(-10, 10), "start value of w in the theory, the same in all runs");
  options.number("--c2", input->c2, number_from(0.0, 1.0), "constant c2 of the theory without a curve");
  options.text("--survival", input->survival, "FILE",
               "write every step of the Kaplan-Meier curves with the fitted ones as CSV; - is standard output");
  declare_destinations(options, input->destinations);
  options.example("iclk fit acquisition runs.csv", "columns time, acquired, perhaps n_items, context, seed");
  options.example("iclk fit acquisition runs.csv --time steps --acquired learned --csv medians.csv", "other names");
  options.example("iclk fit acquisition runs.csv --theory --curve k500.curves.csv --survival s.csv",
                  "mean and spread of beta0 from acquisition times");
  return [input, &options] { return fit_acquisition(options, *input); };
}

}  // namespace iclk::cli
