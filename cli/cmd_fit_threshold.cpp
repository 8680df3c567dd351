#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/core/table_file.hpp"
#include "iclk/fit/binary_threshold.hpp"
#include "iclk/fit/sigmoid.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "output.hpp"
#include "repeated_seeds.hpp"
#include "table_columns.hpp"
#include "threshold_design.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

struct FitThresholdInput {
  std::string file;
  std::optional<std::string> items, acquired, accuracy, context;
  double accuracy_level = 0.95;
  std::string link = "probit";
  std::string limit = "student";
  std::optional<double> nu, nu_low, nu_high;
  double beta0 = 0.0;
  DesignInput design;
  Destinations destinations;
};

struct RunTable {
  std::vector<fit::RunOutcome> runs;
  std::vector<double> accuracies;  ///< [runs], or empty without such a column
  bool has_context = false;
  SeedsSoFar seeds;  ///< only for a design
  std::vector<std::string> warnings;
};

RunTable read_runs(const FitThresholdInput& input) {
  const TextTable table = read_table(input.file);
  const auto header_error = [&](const std::string& problem) {
    return Error({.file = table.source(), .line = table.header_line(), .field = {}}, problem);
  };
  const auto items = find_column(table, "--items", input.items, {"n_items", "K"});
  if (!items) throw header_error("expected a column n_items or K, or --items to name it");
  const auto acquired = find_column(table, "--acquired", input.acquired, {"acquired"});
  const auto accuracy = find_column(table, "--accuracy", input.accuracy, {"accuracy", "icl_accuracy"});
  if (!acquired && !accuracy) throw header_error("expected a column acquired or accuracy, or an option to name it");
  const auto context = find_column(table, "--context-column", input.context, {"context", "N", "n_context"});
  RunTable data;
  data.has_context = context.has_value();
  if (input.design.file) data.seeds = seeds_so_far(table);
  const auto positive = [&](std::size_t row, std::size_t column) {
    const double value = number(table, row, column);
    if (!(value > 0)) throw field_error(table, row, column, "a positive number");
    return value;
  };
  const auto yes = [&](std::size_t row, std::size_t column) {
    const std::string_view text = table.text(row, column);
    if (text == "1" || text == "true") return true;
    if (text == "0" || text == "false") return false;
    throw field_error(table, row, column, "0 or 1");
  };
  RepeatedSeeds repeated(table);
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    fit::RunOutcome run{.n_items = positive(row, *items)};
    if (context) run.n_context = positive(row, *context);
    repeated.add(row, {run.n_items, run.n_context});
    if (accuracy) {
      const double value = number(table, row, *accuracy);
      if (!(value >= 0 && value <= 1)) throw field_error(table, row, *accuracy, "a number in [0, 1]");
      data.accuracies.push_back(value);
      run.acquired = value >= input.accuracy_level;
    }
    if (acquired) run.acquired = yes(row, *acquired);
    data.runs.push_back(run);
  }
  if (const auto warning = repeated.warning()) data.warnings.push_back(*warning);
  return data;
}

Estimate nu_of(const FitThresholdInput& input) {
  if (input.nu_low.has_value() != input.nu_high.has_value()) {
    throw field_error(input.nu_low ? "--nu-high" : "--nu-low", "expected both ends of the interval of nu, or none");
  }
  if (!input.nu && input.nu_low) throw field_error("--nu", "expected the value of nu beside its interval");
  if (input.nu_low && !(*input.nu_low <= *input.nu && *input.nu <= *input.nu_high)) {
    throw field_error("--nu", "expected a value from --nu-low to --nu-high");
  }
  return {input.nu, input.nu_low, input.nu_high};
}

struct OneThreshold {
  std::optional<double> n_context;
  fit::ThresholdFit chosen, other;  ///< the link asked for, and the other one
  std::optional<fit::SigmoidFit> sigmoid;
  Estimate sigma_beta0;
};

struct NamedTest {
  std::string name;
  double factor = 1.0;
  fit::ExponentTest test;
};

struct ThresholdAnswer {
  std::vector<OneThreshold> thresholds;
  std::optional<fit::ThresholdScaling> scaling;
  std::vector<NamedTest> tests;
  std::optional<fit::RunDesign> design;
  std::vector<std::string> warnings;
  std::size_t n_runs = 0;
};

/// d ln t/d ln N of the full-loss acquisition time over the N of the runs, by least squares; empty when one N is not a
/// whole number or has no such time.
std::optional<double> effective_factor(const std::vector<OneThreshold>& thresholds, double beta0) {
  std::vector<fit::PowerLawPoint> points;
  for (const OneThreshold& threshold : thresholds) {
    const double n = *threshold.n_context;
    constexpr double kLargest = 1e6;
    if (!(n >= 2 && n <= kLargest) || std::abs(n - std::round(n)) > 0) return std::nullopt;
    const auto flow = theory::attention_flow({.n_context = n}, {.w = 0, .beta = beta0}, theory::ConstantMemorization{});
    if (!flow.attention_half) return std::nullopt;
    points.push_back({.x = n, .y = flow.attention_half->time});
  }
  return fit::fit_power_law(points).exponent.value;
}

ThresholdAnswer answer(const FitThresholdInput& input, const RunTable& data) {
  const fit::Link link = input.link == "logit" ? fit::Link::logit : fit::Link::probit;
  const fit::Link other = link == fit::Link::logit ? fit::Link::probit : fit::Link::logit;
  const bool small_sample = input.limit == "student";
  const Estimate nu = nu_of(input);
  ThresholdAnswer result;
  result.n_runs = data.runs.size();
  result.warnings = data.warnings;
  std::map<double, std::vector<std::size_t>> by_context;
  for (std::size_t i = 0; i < data.runs.size(); ++i) by_context[data.runs[i].n_context].push_back(i);
  for (const auto& [n_context, rows] : by_context) {
    OneThreshold one;
    if (data.has_context) one.n_context = n_context;
    std::vector<fit::RunOutcome> runs;
    std::vector<fit::AccuracyPoint> points;
    for (const std::size_t i : rows) {
      runs.push_back(data.runs[i]);
      if (!data.accuracies.empty()) points.push_back({data.runs[i].n_items, data.accuracies[i]});
    }
    one.chosen = fit::fit_threshold(runs, {.link = link, .small_sample = small_sample});
    one.other = fit::fit_threshold(runs, {.link = other, .small_sample = small_sample});
    if (!points.empty()) one.sigmoid = fit::fit_sigmoid(points);
    const fit::ThresholdFit& probit = link == fit::Link::probit ? one.chosen : one.other;
    if (nu.value) one.sigma_beta0 = fit::sigma_from_width(probit.width, nu);
    result.thresholds.push_back(std::move(one));
  }
  if (input.design.file) result.design = plan(input.design, link, data.runs, data.has_context);
  if (result.thresholds.size() < 2) return result;
  const fit::ThresholdOptions scaling_options{.link = link, .small_sample = small_sample, .firth = false};
  result.scaling = fit::fit_threshold_scaling(data.runs, scaling_options);
  if (!nu.value) return result;
  const auto test = [&](const std::string& name, double factor) {
    result.tests.push_back({name, factor, fit::test_threshold_exponent(data.runs, nu, factor, scaling_options)});
  };
  test("1/nu", 1.0);
  if (const auto factor = effective_factor(result.thresholds, input.beta0)) {
    test("finite N", *factor);
  } else {
    result.warnings.emplace_back("no test at finite N: it needs whole N from 2 to 1e6 that are acquired at this beta0");
  }
  return result;
}

bool has_answer(const ThresholdAnswer& result) {
  return std::any_of(result.thresholds.begin(), result.thresholds.end(), [](const OneThreshold& one) {
    return one.chosen.k_star.value || one.chosen.k_star.low || one.chosen.k_star.high;
  });
}

Json binomial_json(const fit::ThresholdFit& fit) {
  return {{"link", fit::name(fit.link)},
          {"outcome", fit::name(fit.outcome)},
          {"k_star", json_estimate(fit.k_star)},
          {"width", json_estimate(fit.width)},
          {"width_10_90", json_estimate(fit.width_10_90)},
          {"firth_k_star", json_number(fit.firth_k_star)},
          {"firth_width", json_number(fit.firth_width)},
          {"gap_low", json_number(fit.gap_low)},
          {"gap_high", json_number(fit.gap_high)},
          {"log_likelihood", json_number(fit.log_likelihood)},
          {"deviance", json_number(fit.deviance)},
          {"deviance_dof", json_number(fit.deviance_dof)},
          {"n_runs", fit.n_runs},
          {"n_acquired", fit.n_acquired},
          {"n_levels", fit.n_levels},
          {"n_mixed_levels", fit.n_mixed_levels},
          {"interval", "profile likelihood"},
          {"warnings", fit.warnings}};
}

Json sigmoid_json(const fit::SigmoidFit& fit) {
  return {{"outcome", fit::name(fit.outcome)},
          {"k_star", json_estimate(fit.k_star)},
          {"slope", json_estimate(fit.slope)},
          {"floor", json_estimate(fit.floor)},
          {"rise", json_estimate(fit.rise)},
          {"residual_sd", json_number(fit.residual_sd)},
          {"degrees_of_freedom", json_number(fit.degrees_of_freedom)},
          {"interval", "Student t from the curvature"},
          {"solver", fit.solver},
          {"warnings", fit.warnings}};
}

Json scaling_json(const ThresholdAnswer& result) {
  if (!result.scaling) return nullptr;
  const fit::ThresholdScaling& law = *result.scaling;
  Json tests = Json::array();
  for (const NamedTest& test : result.tests) {
    tests.push_back({{"prediction", test.name},
                     {"factor", json_number(test.factor)},
                     {"predicted", json_estimate(test.test.predicted)},
                     {"statistic", json_number(test.test.statistic)},
                     {"p_value", json_number(test.test.p_value)}});
  }
  return {{"outcome", fit::name(law.outcome)},
          {"link", fit::name(law.link)},
          {"exponent", json_estimate(law.exponent)},
          {"prefactor", json_number(law.prefactor)},
          {"width", json_number(law.width)},
          {"interval", "profile likelihood"},
          {"exponent_two_stage", json_estimate(law.two_stage.exponent)},
          {"lack_of_fit", json_number(law.lack_of_fit)},
          {"lack_of_fit_dof", json_number(law.lack_of_fit_dof)},
          {"lack_of_fit_p", json_number(law.lack_of_fit_p)},
          {"tests", std::move(tests)},
          {"warnings", law.warnings}};
}

Json to_json(const FitThresholdInput& input, const RunTable& data, const ThresholdAnswer& result) {
  Json thresholds = Json::array();
  for (const OneThreshold& one : result.thresholds) {
    Json entry{{"context", json_number(one.n_context)}};
    entry.update(binomial_json(one.chosen));
    entry["sigma_beta0"] = json_estimate(one.sigma_beta0);
    entry["other_link"] = binomial_json(one.other);
    entry["sigmoid"] = one.sigmoid ? sigmoid_json(*one.sigmoid) : Json(nullptr);
    thresholds.push_back(std::move(entry));
  }
  return {{"schema", "iclk-fit-threshold 1"},
          {"program", "iclk " + std::string(version())},
          {"source", input.file},
          {"link", input.link},
          {"limit", input.limit},
          {"accuracy_level", json_number(input.accuracy_level)},
          {"nu", json_estimate({input.nu, input.nu_low, input.nu_high})},
          {"beta0", json_number(input.beta0)},
          {"outcome", has_answer(result) ? "answered" : "no_threshold"},
          {"n_runs", result.n_runs},
          {"thresholds", std::move(thresholds)},
          {"scaling", scaling_json(result)},
          {"design", result.design ? design_json(input.design, *result.design, data.has_context) : Json(nullptr)},
          {"warnings", result.warnings}};
}

std::string to_csv(const ThresholdAnswer& result) {
  CsvText csv({"context", "outcome", "link", "k_star", "k_star_low", "k_star_high", "width", "width_low", "width_high",
               "sigma_beta0", "sigma_beta0_low", "sigma_beta0_high", "sigmoid_k_star", "sigmoid_k_star_low",
               "sigmoid_k_star_high", "n_runs", "n_acquired"});
  for (const OneThreshold& one : result.thresholds) {
    csv.cell(one.n_context).cell(fit::name(one.chosen.outcome)).cell(fit::name(one.chosen.link));
    csv.cell(one.chosen.k_star).cell(one.chosen.width).cell(one.sigma_beta0);
    csv.cell(one.sigmoid ? one.sigmoid->k_star : Estimate{});
    csv.count(one.chosen.n_runs).count(one.chosen.n_acquired).end_row();
  }
  return std::move(csv).take();
}

std::string bound_or_estimate(const Estimate& estimate) {
  return estimate.value ? human(estimate) : human_range(estimate);
}

std::string to_text(const RunTable& data, const ThresholdAnswer& result) {
  std::string text = "Threshold  P(acquired) = F((ln K - ln K*)/width), 95 % profile likelihood\n";
  PrintedTable table({"N", "runs", "acquired", "outcome", "link", "K*", "width of ln K", "ln likelihood"}, "rrrll");
  std::vector<std::string> notes = result.warnings;
  for (const OneThreshold& one : result.thresholds) {
    const std::string n = human(one.n_context);
    for (const fit::ThresholdFit* fit : {&one.chosen, &one.other}) {
      table.add_row({n, std::to_string(fit->n_runs), std::to_string(fit->n_acquired),
                     std::string(fit::name(fit->outcome)), std::string(fit::name(fit->link)),
                     bound_or_estimate(fit->k_star), human(fit->width), human(fit->log_likelihood)});
    }
    const std::string prefix = one.n_context ? "N = " + n + ": " : "";
    for (const std::string& warning : one.chosen.warnings) notes.push_back(prefix + warning);
    if (!one.sigmoid) continue;
    table.add_row({n, std::to_string(one.sigmoid->n_runs), "", std::string(fit::name(one.sigmoid->outcome)), "sigmoid",
                   human(one.sigmoid->k_star), "", ""});
    for (const std::string& warning : one.sigmoid->warnings) notes.push_back(prefix + "sigmoid: " + warning);
  }
  text += table.str();
  for (const OneThreshold& one : result.thresholds) {
    if (one.chosen.firth_k_star) {
      text += "  with Jeffreys' prior" + (one.n_context ? " at N = " + human(one.n_context) : "") + ": K* " +
              human(one.chosen.firth_k_star) + ", width " + human(one.chosen.firth_width) + '\n';
    }
    if (one.sigma_beta0.value) {
      text += "  sigma of beta0" + (one.n_context ? " at N = " + human(one.n_context) : "") + ": " +
              human(one.sigma_beta0) + '\n';
    }
  }
  if (result.scaling) {
    const fit::ThresholdScaling& law = *result.scaling;
    text += "\nK*(N) = prefactor N^exponent, all runs at once (" + std::string(fit::name(law.outcome)) + ")\n";
    text += "  exponent            " + human(law.exponent) + '\n';
    text += "  through each K*     " + human(law.two_stage.exponent) + '\n';
    if (law.lack_of_fit_p) text += "  lack of fit p       " + human(law.lack_of_fit_p, 2) + '\n';
    for (const NamedTest& test : result.tests) {
      text += "  " + test.name + ": predicted " + human(test.test.predicted) + ", p = " + human(test.test.p_value, 2) +
              '\n';
    }
    notes.insert(notes.end(), law.warnings.begin(), law.warnings.end());
  }
  for (const std::string& note : notes) text += "  warning: " + note + '\n';
  if (result.design) text += design_text(*result.design, data.has_context);
  return text;
}

}  // namespace

Action declare_fit_threshold(VerbOptions& options) {
  const auto input = std::make_shared<FitThresholdInput>();
  options.explain(
      "threshold K* and width of the transition from runs that did or did not acquire ICL",
      "Fits P(acquired) = F((ln K - ln K*)/width) to one row per training run, with F normal (probit) and logistic "
      "(logit), and profile-likelihood intervals that also hold when no K has both outcomes. With accuracies the "
      "four-parameter sigmoid of the paper stands beside it. With several N it also gives the exponent of K*(N), and "
      "with nu the test that it is 1/nu, or what 1/nu becomes at these N. --design says at which N and K further runs "
      "would sharpen K*, or the exponent, most. Intervals are 95 %.");
  options.argument("FILE", input->file, "CSV file with a header row, one row per run");
  options.text("--items", input->items, "NAME", "column of K; else n_items or K");
  options.text("--acquired", input->acquired, "NAME", "column of 0 or 1; else acquired; else from the accuracy");
  options.text("--accuracy", input->accuracy, "NAME", "column of the final ICL accuracy; else accuracy, icl_accuracy");
  options.text("--context-column", input->context, "NAME", "column of N; else context, N or n_context");
  options.number("--accuracy-level", input->accuracy_level, number_from(0, 1),
                 "a run whose accuracy is at least this has acquired, where no column says so");
  options.choice("--link", input->link, {"probit", "logit"}, "form of the transition that the answer leads with");
  options.choice("--limit", input->limit, {"student", "chi-squared"},
                 "where profile intervals end: student is right from some 24 runs on, chi-squared too narrow for few");
  options.number("--nu", input->nu, positive_number(), "exponent of the memorization law, for sigma and the test");
  options.number("--nu-low", input->nu_low, positive_number(), "lower end of the 95 % interval of nu");
  options.number("--nu-high", input->nu_high, positive_number(), "upper end of the 95 % interval of nu");
  options.number("--beta0", input->beta0, number_from(-15, 15), "beta0 at which the test at finite N takes t_ICL(N)");
  declare_design(options, input->design);
  declare_destinations(options, input->destinations);
  options.example("iclk fit threshold runs.csv --nu 0.7 --nu-low 0.68 --nu-high 0.72", "K*, its exponent, the test");
  options.example("iclk fit threshold runs.csv --accuracy final_accuracy --accuracy-level 0.9 --json fit.json",
                  "outcomes from accuracies");
  options.example("iclk fit threshold runs.csv --design next.csv --design-runs 24", "which runs to do next");
  return [input, &options] {
    if (input->file.empty()) throw field_error("FILE", "expected a CSV file");
    const std::vector<std::string> inputs{input->file};
    check_destinations(input->destinations, inputs);
    check_design(options, input->design, input->destinations, input->file);
    const RunTable data = read_runs(*input);
    const ThresholdAnswer result = answer(*input, data);
    std::string text = to_text(data, result);
    if (result.design) {
      const bool as_plan = input->design.file->ends_with(".toml");
      write_output(
          *input->design.file,
          as_plan ? design_plan(*result.design, data.runs, data.seeds, data.has_context, input->file)
                  : design_csv(input->design, *result.design, data.runs, data.seeds, data.has_context, input->file));
      if (*input->design.file == "-") text.clear();
    }
    write_answer(input->destinations, {text, to_json(*input, data, result), to_csv(result)});
    const bool planned = result.design && result.design->outcome == fit::DesignOutcome::planned;
    return has_answer(result) || planned ? Exit::answered : Exit::no_answer;
  };
}

}  // namespace iclk::cli
