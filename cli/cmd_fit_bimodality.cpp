#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/core/table_file.hpp"
#include "iclk/fit/bimodality.hpp"
#include "output.hpp"
#include "repeated_seeds.hpp"
#include "table_columns.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

struct FitBimodalityInput {
  std::string file;
  std::optional<std::string> column;
  std::string scale = "logit";
  std::string interval = "clopper-pearson";
  double trials = 1000.0;
  double intermediate_low = 0.6, intermediate_high = 0.9;
  std::uint64_t dip_resamples = 2000, mixture_resamples = 200, seed = 0;
  bool pool = false;
  Destinations destinations;
};

/// Runs at one context length and number of items, where the file has such columns.
struct GroupKey {
  std::optional<double> n_items, context;
  auto operator<=>(const GroupKey&) const = default;
};

struct ValueTable {
  std::string column;
  std::map<GroupKey, std::vector<double>> groups;
  std::vector<std::string> warnings;
};

ValueTable read_values(const FitBimodalityInput& input) {
  const TextTable table = read_table(input.file);
  const std::size_t column = need_column(table, "--column", input.column, {"accuracy", "icl_accuracy"});
  const auto context = input.pool ? std::nullopt : group_column(table, "context", "N");
  const auto items = input.pool ? std::nullopt : group_column(table, "n_items", "K");
  ValueTable values{table.columns()[column], {}, {}};
  RepeatedSeeds repeated(table);
  const auto positive = [&](std::size_t row, std::size_t at) {
    const double value = number(table, row, at);
    if (!(value > 0)) throw field_error(table, row, at, "a positive number");
    return value;
  };
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    GroupKey key;
    if (items) key.n_items = positive(row, *items);
    if (context) key.context = positive(row, *context);
    if (!input.pool) repeated.add(row, {key.n_items.value_or(0), key.context.value_or(0)});
    const double value = number(table, row, column);
    if (input.scale == "logit" && !(value >= 0 && value <= 1)) {
      throw field_error(table, row, column, "a number in [0, 1], or --scale linear");
    }
    values.groups[key].push_back(value);
  }
  if (const auto warning = repeated.warning()) values.warnings.push_back(*warning);
  return values;
}

struct BimodalGroup {
  GroupKey key;
  fit::Bimodality result;
};

bool has_answer(const std::vector<BimodalGroup>& groups) {
  return std::any_of(groups.begin(), groups.end(),
                     [](const BimodalGroup& group) { return group.result.outcome == fit::BimodalityOutcome::tested; });
}

Json json_component(const fit::MixtureComponent& component, bool exists) {
  if (!exists) return nullptr;
  return {{"mean", json_number(component.mean)},
          {"sd", json_number(component.sd)},
          {"center", json_number(component.center)}};
}

Json json_group(const BimodalGroup& group) {
  const fit::Bimodality& result = group.result;
  const fit::MixtureFit& mixture = result.mixture;
  const bool fitted = mixture.log_likelihood_two.has_value();
  Json low_share = nullptr;
  if (mixture.high_weight.value) {
    low_share =
        json_estimate({1 - *mixture.high_weight.value, 1 - *mixture.high_weight.high, 1 - *mixture.high_weight.low});
  }
  return {{"n_items", json_number(group.key.n_items)},
          {"context", json_number(group.key.context)},
          {"outcome", fit::name(result.outcome)},
          {"n", result.n},
          {"n_distinct", result.n_distinct},
          {"n_at_edge", result.n_at_edge},
          {"smallest", json_number(result.smallest)},
          {"largest", json_number(result.largest)},
          {"dip", json_number(result.dip.statistic)},
          {"dip_p", json_number(result.dip.p_value)},
          {"dip_simulated_size", result.dip.simulated_size},
          {"mixture",
           {{"outcome", fit::name(mixture.outcome)},
            {"one", json_component(mixture.one, fitted)},
            {"low", json_component(mixture.low, fitted)},
            {"high", json_component(mixture.high, fitted)},
            {"low_share", std::move(low_share)},
            {"high_share", json_estimate(mixture.high_weight)},
            {"n_high", fitted ? Json(mixture.n_high) : Json(nullptr)},
            {"separation", json_number(mixture.separation)},
            {"log_likelihood_one", json_number(mixture.log_likelihood_one)},
            {"log_likelihood_two", json_number(mixture.log_likelihood_two)},
            {"bic_one", json_number(mixture.bic_one)},
            {"bic_two", json_number(mixture.bic_two)},
            {"likelihood_ratio", json_number(mixture.likelihood_ratio)},
            {"p", json_number(mixture.p_value)}}},
          {"n_intermediate", result.n_intermediate},
          {"intermediate", json_estimate(result.intermediate)},
          {"warnings", result.warnings}};
}

Json to_json(const FitBimodalityInput& input, const ValueTable& values, const std::vector<BimodalGroup>& groups) {
  Json json = {{"schema", "iclk-fit-bimodality 1"},
               {"program", "iclk " + std::string(version())},
               {"source", input.file},
               {"column", values.column},
               {"scale", input.scale},
               {"trials", json_number(input.trials)},
               {"intermediate_low", json_number(input.intermediate_low)},
               {"intermediate_high", json_number(input.intermediate_high)},
               {"interval", input.interval},
               {"dip_resamples", input.dip_resamples},
               {"mixture_resamples", input.mixture_resamples},
               {"seed", input.seed},
               {"outcome", has_answer(groups) ? "tested" : "no_test"},
               {"groups", Json::array()},
               {"warnings", values.warnings}};
  for (const BimodalGroup& group : groups) json["groups"].push_back(json_group(group));
  return json;
}

std::string to_csv(const FitBimodalityInput& input, const std::vector<BimodalGroup>& groups) {
  CsvText csv({"n_items",
               "context",
               "outcome",
               "n",
               "n_distinct",
               "dip",
               "dip_p",
               "mixture_p",
               "bic_one",
               "bic_two",
               "separation",
               "low_center",
               "high_center",
               "high_share",
               "high_share_low",
               "high_share_high",
               "intermediate",
               "intermediate_low",
               "intermediate_high",
               "scale",
               "seed",
               "source"});
  for (const BimodalGroup& group : groups) {
    const fit::Bimodality& result = group.result;
    const fit::MixtureFit& mixture = result.mixture;
    const bool fitted = mixture.log_likelihood_two.has_value();
    const auto center = [&](const fit::MixtureComponent& component) {
      return fitted ? std::optional(component.center) : std::nullopt;
    };
    csv.cell(group.key.n_items).cell(group.key.context).cell(fit::name(result.outcome));
    csv.count(result.n).count(result.n_distinct).cell(result.dip.statistic).cell(result.dip.p_value);
    csv.cell(mixture.p_value).cell(mixture.bic_one).cell(mixture.bic_two).cell(mixture.separation);
    csv.cell(center(mixture.low)).cell(center(mixture.high)).cell(mixture.high_weight).cell(result.intermediate);
    csv.cell(std::string_view(input.scale)).count(input.seed).cell(std::string_view(input.file)).end_row();
  }
  return std::move(csv).take();
}

std::string key_text(const GroupKey& key) {
  std::string text;
  if (key.n_items) text += "K = " + human(*key.n_items, 9);
  if (key.context) text += (text.empty() ? "N = " : ", N = ") + human(*key.context, 9);
  return text.empty() ? "all runs" : text;
}

/// "p < 0.0005" where no simulated sample came as far.
std::string p_text(double p, std::uint64_t resamples) {
  const double least = 1 / (static_cast<double>(resamples) + 1);
  return p <= least ? "p < " + human(least, 2) : "p = " + human(p, 2);
}

std::string group_text(const FitBimodalityInput& input, const ValueTable& values, const BimodalGroup& group) {
  const fit::Bimodality& result = group.result;
  const fit::MixtureFit& mixture = result.mixture;
  std::string text = key_text(group.key) + ": " + std::to_string(result.n) + " values of " + values.column + " from " +
                     human(result.smallest) + " to " + human(result.largest) + " (" +
                     std::string(fit::name(result.outcome)) + ")\n";
  text += "  dip                  " + human(result.dip.statistic);
  if (result.dip.p_value) text += ", " + p_text(*result.dip.p_value, input.dip_resamples);
  text += '\n';
  if (mixture.log_likelihood_two) {
    text += "  two modes for one    2 ln ratio " + human(mixture.likelihood_ratio) + ", BIC " + human(mixture.bic_two) +
            " for " + human(mixture.bic_one);
    if (mixture.p_value) text += ", " + p_text(*mixture.p_value, input.mixture_resamples);
    text += " (" + std::string(fit::name(mixture.outcome)) + ")\n";
    text += "  modes at             " + human(mixture.low.center) + " and " + human(mixture.high.center) +
            ", separation " + human(mixture.separation, 3) + " (two peaks above 2)\n";
    text += "  share in the upper   " + human(mixture.high_weight) + '\n';
  }
  text += "  from " + human(input.intermediate_low) + " to " + human(input.intermediate_high) + "      " +
          human(result.intermediate) + ", " + std::to_string(result.n_intermediate) + " values\n";
  for (const std::string& warning : result.warnings) text += "  warning: " + warning + '\n';
  return text;
}

std::string to_text(const FitBimodalityInput& input, const ValueTable& values,
                    const std::vector<BimodalGroup>& groups) {
  std::string text = "One mode or two; intervals are 95 %\n";
  constexpr std::size_t kMaxPrinted = 50;
  for (std::size_t i = 0; i < std::min(groups.size(), kMaxPrinted); ++i) text += group_text(input, values, groups[i]);
  if (groups.size() > kMaxPrinted) {
    text += "... and " + std::to_string(groups.size() - kMaxPrinted) + " more groups: --json, --csv\n";
  }
  for (const std::string& warning : values.warnings) text += "warning: " + warning + '\n';
  return text;
}

fit::BimodalityOptions options_of(const FitBimodalityInput& input) {
  if (!(input.intermediate_low <= input.intermediate_high)) {
    throw field_error("--intermediate-high", "expected at least --intermediate-low");
  }
  return {.scale = input.scale == "linear" ? fit::MixtureScale::linear : fit::MixtureScale::logit,
          .trials = input.trials,
          .intermediate_low = input.intermediate_low,
          .intermediate_high = input.intermediate_high,
          .interval = input.interval == "wilson" ? fit::ShareInterval::wilson : fit::ShareInterval::clopper_pearson,
          .dip_resamples = input.dip_resamples,
          .mixture_resamples = input.mixture_resamples,
          .seed = input.seed};
}

}  // namespace

Action declare_fit_bimodality(VerbOptions& options) {
  const auto input = std::make_shared<FitBimodalityInput>();
  options.explain(
      "whether final accuracies have one mode or two, and the share between",
      "Reads one run per row. Columns n_items (K) and context (N), where there, make groups. Per group: Hartigan's dip "
      "test of a single mode with a simulated p-value; two normal components against one, in logits of the accuracy, "
      "with BIC and a p-value by parametric bootstrap; the share of runs in the upper mode; the share of "
      "intermediates, neither chance nor solved. Intervals are 95 %.");
  options.argument("FILE", input->file, "CSV file with a header row, one row per run");
  options.text("--column", input->column, "NAME", "column of values; else accuracy or icl_accuracy");
  options.flag("--pool", input->pool, "all rows are one group, whatever their K and N");
  options.choice("--scale", input->scale, {"logit", "linear"},
                 "where components are normal: logit for accuracies, linear for anything else");
  options.number("--trials", input->trials, positive_number(),
                 "test sequences behind an accuracy: 0 and 1 count as half an error in so many");
  options.number("--intermediate-low", input->intermediate_low, {}, "lower end of what counts as intermediate");
  options.number("--intermediate-high", input->intermediate_high, {}, "upper end of it");
  options.choice("--interval", input->interval, {"clopper-pearson", "wilson"},
                 "of the share of intermediates: covers at least 95 %, or 95 % on average");
  options.count("--dip-resamples", input->dip_resamples, {.low = 0, .high = 10'000'000},
                "simulated samples behind the p-value of the dip; 0: none");
  options.count("--mixture-resamples", input->mixture_resamples, {.low = 0, .high = 10'000'000},
                "simulated samples behind the p-value of two components; 0: none");
  options.count("--seed", input->seed, {}, "of the simulated samples");
  declare_destinations(options, input->destinations);
  options.example("iclk fit bimodality runs.csv", "columns accuracy, perhaps n_items and context");
  options.example("iclk fit bimodality runs.csv --column t_icl --scale linear --csv modes.csv", "any other number");
  return [input] {
    if (input->file.empty()) throw field_error("FILE", "expected a CSV file");
    const fit::BimodalityOptions fit_options = options_of(*input);
    const std::vector<std::string> inputs{input->file};
    check_destinations(input->destinations, inputs);
    const ValueTable values = read_values(*input);
    fit::BimodalityTester test(fit_options);
    std::vector<BimodalGroup> groups;
    for (const auto& [key, group] : values.groups) groups.push_back({key, test(group)});
    write_answer(input->destinations,
                 {to_text(*input, values, groups), to_json(*input, values, groups), to_csv(*input, groups)});
    return has_answer(groups) ? Exit::answered : Exit::no_answer;
  };
}

}  // namespace iclk::cli
