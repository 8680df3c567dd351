#include "ensemble_output.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "iclk/core/run_info.hpp"

namespace iclk::cli {
namespace {

using theory::Verdict;

std::string percent_name(double share) { return std::to_string(std::lround(100.0 * share)); }

/// A time in a CSV field: inf for never, nothing where it is open.
void time_cell(CsvText& csv, const std::optional<double>& time) {
  if (time && std::isinf(*time))
    csv.cell(std::string_view("inf"));
  else
    csv.cell(time);
}

std::string human_time(const std::optional<double>& time) {
  if (!time) return "open";
  return std::isinf(*time) ? "never" : human(*time);
}

std::string human_time(const Estimate& time) {
  std::string text = human_time(time.value);
  if (!time.value || std::isinf(*time.value)) return text;
  return text + " [" + (time.low ? human_time(time.low) : "?") + ", " + (time.high ? human_time(time.high) : "?") + "]";
}

Json quantile_json(const EnsembleQuantile& each) {
  Json json = {{"share", each.share}};
  json["outcome"] = each.verdict ? Json(theory::name(*each.verdict)) : Json(nullptr);
  json["t_icl"] = json_estimate(each.t_icl.value_or(Estimate{}));
  json["outcome_exact"] = theory::name(each.verdict_exact);
  json["t_icl_exact"] = json_number(each.t_icl_exact);
  json["required_integral"] = json_estimate(each.required);
  json["required_integral_exact"] = json_number(each.required_exact);
  json["required_integral_lognormal"] = json_number(each.required_lognormal);
  return json;
}

void add_answer(Json& json, const EnsembleAnswer& answer) {
  json["p_icl"] = json_estimate(answer.p_icl);
  json["p_acquired"] = json_number(answer.p_acquired);
  json["p_never"] = json_number(answer.p_never);
  json["p_undecided"] = json_number(answer.p_undecided);
  json["n_failed"] = answer.sampled ? Json(answer.sampled->n_failed) : Json(nullptr);
  json["p_icl_exact"] = json_estimate(answer.p_icl_exact);
  json["p_icl_constant_c2"] = json_number(answer.p_icl_constant_c2);
  json["p_icl_lognormal"] = json_number(answer.p_icl_lognormal);
  json["required_integral"] = json_number(answer.required_mean_start);
  json["quantiles"] = Json::array();
  for (const EnsembleQuantile& each : answer.quantiles) json["quantiles"].push_back(quantile_json(each));
}

std::vector<std::string> summary_columns() {
  std::vector<std::string> columns{
      "p_icl",       "p_icl_low",       "p_icl_high",       "p_acquired",        "p_never",        "p_undecided",
      "p_icl_exact", "p_icl_exact_low", "p_icl_exact_high", "p_icl_constant_c2", "p_icl_lognormal"};
  for (const double share : kShares) columns.push_back("t_icl_" + percent_name(share));
  for (const double share : kShares) columns.push_back("t_icl_exact_" + percent_name(share));
  for (const double share : kShares) columns.push_back("required_exact_" + percent_name(share));
  for (const double share : kShares) columns.push_back("required_lognormal_" + percent_name(share));
  return columns;
}

void add_summary(CsvText& csv, const EnsembleAnswer& answer) {
  csv.cell(answer.p_icl).cell(answer.p_acquired).cell(answer.p_never).cell(answer.p_undecided);
  csv.cell(answer.p_icl_exact).cell(answer.p_icl_constant_c2).cell(answer.p_icl_lognormal);
  for (const EnsembleQuantile& each : answer.quantiles) time_cell(csv, each.t_icl ? each.t_icl->value : std::nullopt);
  for (const EnsembleQuantile& each : answer.quantiles) time_cell(csv, each.t_icl_exact);
  for (const EnsembleQuantile& each : answer.quantiles) csv.cell(each.required_exact);
  for (const EnsembleQuantile& each : answer.quantiles) csv.cell(each.required_lognormal);
}

Json json_head(const EnsembleQuestion& question) {
  const theory::StartDistribution& start = question.start;
  return {{"schema", "iclk-ensemble 1"},
          {"program", "iclk " + std::string(version())},
          {"context", static_cast<std::uint64_t>(question.n_context)},
          {"beta0_mean", start.beta0_mean},
          {"beta0_sd", start.beta0_sd},
          {"w0_mean", start.w0_mean},
          {"w0_sd", start.w0_sd},
          {"c2", question.c2},
          {"samples", question.n_samples},
          {"seed", question.seed}};
}

std::string normal_words(const std::string& name, double mean, double sd) {
  if (!(sd > 0.0)) return name + " = " + human(mean);
  return name + " = " + human(mean) + " +- " + human(sd);
}

std::string heading(const EnsembleQuestion& question) {
  const theory::StartDistribution& start = question.start;
  std::string text = "N = " + human(question.n_context, 7) + " labelled exemplars; starts over seeds: " +
                     normal_words("beta0", start.beta0_mean, start.beta0_sd) + ", " +
                     normal_words("w0", start.w0_mean, start.w0_sd) + " (mean +- sd, normal)\n";
  if (question.n_samples > 0) {
    text += std::to_string(question.n_samples) + " sampled runs, seed " + std::to_string(question.seed) +
            "; [ ] is a 95 % interval\n";
  } else {
    text += "no sampled runs\n";
  }
  if (!(start.beta0_sd > 0.0) && !(start.w0_sd > 0.0)) {
    text += "note: every run starts alike; --beta0-sd and --w0-sd say how seeds differ\n";
  }
  return text + '\n';
}

std::string quantile_table(const EnsembleAnswer& answer, bool has_times) {
  std::vector<std::string> header{"share of runs"};
  if (has_times) header.insert(header.end(), {"t_ICL", "exact"});
  header.insert(header.end(), {"I_K needed", "exact", "no damping"});
  PrintedTable table(header, "r");
  for (const EnsembleQuantile& each : answer.quantiles) {
    std::vector<std::string> row{percent_name(each.share) + " %"};
    if (has_times) {
      row.push_back(each.verdict ? human_time(each.t_icl.value_or(Estimate{})) : "-");
      row.push_back(human_time(each.t_icl_exact));
    }
    row.push_back(each.required.value ? human(each.required) : "-");
    row.push_back(human(each.required_exact));
    row.push_back(human(each.required_lognormal));
    table.add_row(std::move(row));
  }
  return table.str();
}

std::string share_lines(const EnsembleAnswer& answer, const std::string& exact_says, const std::string& constant_says) {
  PrintedTable table({}, "lrl");
  if (answer.p_icl.value) {
    table.add_row({"P(ICL)", human(answer.p_icl), "sampled"});
    table.add_row({"  acquired", human(answer.p_acquired), "share of the runs"});
    if (*answer.p_undecided > 0.0) table.add_row({"  undecided", human(answer.p_undecided), "the tail decides"});
    table.add_row({"  never", human(answer.p_never), "memorized first"});
  }
  table.add_row({"P(ICL)", human(answer.p_icl_exact), exact_says});
  if (!constant_says.empty()) table.add_row({"P(ICL)", human(answer.p_icl_constant_c2), constant_says});
  table.add_row({"P(ICL)", human(answer.p_icl_lognormal), "lognormal law, damping neglected"});
  return table.str();
}

std::vector<std::string> warnings_of(const std::vector<EnsembleCurve>& curves) {
  std::size_t closures = 0;
  std::size_t unresolved = 0;
  std::size_t open = 0;
  std::size_t failed = 0;
  for (const EnsembleCurve& each : curves) {
    closures += each.curve.curves.c2_is_closure ? 1 : 0;
    unresolved += each.flow.integral().tail == theory::TailModel::unresolved ? 1 : 0;
    open += *each.answer.p_icl_exact.high - *each.answer.p_icl_exact.low > 0.1 ? 1 : 0;
    failed += each.answer.sampled && each.answer.sampled->n_failed > 0 ? 1 : 0;
  }
  const auto of_all = [&](std::size_t n) {
    return std::to_string(n) + " of " + std::to_string(curves.size()) + (curves.size() == 1 ? " curve" : " curves");
  };
  std::vector<std::string> warnings;
  if (closures > 0) warnings.push_back("no c2 in " + of_all(closures) + ": the closure c2 = 1 - c1 is used");
  if (unresolved > 0) {
    warnings.push_back("the tail is unresolved in " + of_all(unresolved) +
                       ": I_K may diverge, only its lower end is known; train longer");
  }
  if (open > 0) {
    warnings.push_back("P(ICL) is uncertain by more than 0.1 in " + of_all(open) +
                       ": it depends on a tail that the curve does not settle; train longer");
  }
  if (failed > 0) warnings.push_back("some runs could not be integrated in " + of_all(failed) + ": they are left out");
  return warnings;
}

Json threshold_json(const EnsembleThreshold& result) {
  return {{"outcome", theory::name(result.threshold.outcome)},
          {"k_star", json_estimate(result.threshold.k_star)},
          {"local_nu", json_number(result.threshold.local_nu)},
          {"log_width_predicted", json_number(result.predicted_log_width)},
          {"k_half", json_number(result.transition.k_half)},
          {"k_10", json_number(result.transition.k_10)},
          {"k_90", json_number(result.transition.k_90)},
          {"log_width", json_number(result.transition.log_width)}};
}

std::string threshold_text(const EnsembleThreshold& result) {
  PrintedTable table({}, "lrl");
  if (result.threshold.k_star.value) {
    table.add_row({"K*", human(result.threshold.k_star), "of a run from the mean start"});
  }
  const theory::MeasuredTransition& transition = result.transition;
  if (transition.k_half) table.add_row({"P(ICL) = 1/2 at K", human(transition.k_half), "exact column"});
  if (transition.k_10 && transition.k_90) {
    table.add_row({"10 to 90 % from K", human(transition.k_10) + " to " + human(transition.k_90), "exact column"});
  }
  if (transition.log_width) table.add_row({"width in ln K", human(transition.log_width), "standard deviation"});
  if (result.predicted_log_width) {
    table.add_row({"", human(result.predicted_log_width),
                   "predicted: sd of ln I_K needed/nu, nu = " + human(result.threshold.local_nu, 3)});
  }
  std::string text = table.str();
  if (text.empty()) text = "no threshold: " + std::string(theory::name(result.threshold.outcome)) + '\n';
  return text;
}

std::vector<const EnsembleCurve*> by_items(const std::vector<EnsembleCurve>& curves) {
  std::vector<const EnsembleCurve*> sorted;
  for (const EnsembleCurve& each : curves) sorted.push_back(&each);
  std::stable_sort(sorted.begin(), sorted.end(), [](const EnsembleCurve* a, const EnsembleCurve* b) {
    return std::tie(a->curve.n_items, a->curve.seed) < std::tie(b->curve.n_items, b->curve.seed);
  });
  return sorted;
}

void name_curve(CsvText& csv, const MeasuredCurve* curve) {
  if (curve == nullptr) {
    csv.cell(std::string_view()).cell(std::string_view()).cell(std::string_view());
    return;
  }
  csv.count(curve->n_items).count(curve->seed).cell(std::string_view(curve->source));
}

}  // namespace

Answer answer_of_curves(const EnsembleQuestion& question, const std::vector<EnsembleCurve>& curves,
                        const EnsembleThreshold& threshold, bool answered) {
  Json json = json_head(question);
  json["outcome"] = answered ? "answered" : "undecided";
  json["curves"] = Json::array();
  std::vector<std::string> columns{"n_items",         "seed",       "source",
                                   "i_measured",      "i_infinity", "i_infinity_low",
                                   "i_infinity_high", "tail",       "required_integral"};
  const std::vector<std::string> summary = summary_columns();
  columns.insert(columns.end(), summary.begin(), summary.end());
  columns.insert(columns.end(), {"context", "beta0_mean", "beta0_sd", "w0_mean", "w0_sd", "c2", "samples"});
  CsvText csv(columns);
  for (const EnsembleCurve& each : curves) {
    const theory::MemorizationIntegral& integral = each.flow.integral();
    Json curve = {{"source", each.curve.source},
                  {"n_items", json_count(each.curve.n_items)},
                  {"seed", json_count(each.curve.seed)},
                  {"lr", json_number(each.curve.lr)},
                  {"i_measured", json_number(integral.measured)},
                  {"i_infinity", json_estimate(integral.infinity)},
                  {"tail", theory::name(integral.tail)},
                  {"c2_is_closure", each.curve.curves.c2_is_closure}};
    add_answer(curve, each.answer);
    json["curves"].push_back(std::move(curve));

    name_curve(csv, &each.curve);
    csv.cell(integral.measured).cell(integral.infinity).cell(theory::name(integral.tail));
    csv.cell(each.answer.required_mean_start);
    add_summary(csv, each.answer);
    const theory::StartDistribution& start = question.start;
    csv.cell(question.n_context).cell(start.beta0_mean).cell(start.beta0_sd).cell(start.w0_mean).cell(start.w0_sd);
    csv.cell(question.c2).count(question.n_samples).end_row();
  }
  json["threshold"] = threshold_json(threshold);
  const std::vector<std::string> warnings = warnings_of(curves);
  json["warnings"] = warnings;

  std::string text = heading(question);
  if (curves.size() == 1) {
    const EnsembleCurve& only = curves.front();
    text += "I_K(inf) = " + human(only.flow.integral().infinity) + ", tail " +
            std::string(theory::name(only.flow.integral().tail)) + '\n';
    text += share_lines(only.answer, "exact, measured c2 [interval: tail]", "exact, c2 = " + human(question.c2)) + '\n';
    text += quantile_table(only.answer, true);
  } else {
    PrintedTable table({"K", "seed", "I_K(inf)", "interval", "P(ICL)", "exact", "interval", "no damping", "undecided",
                        "median t_ICL", "exact"},
                       "r");
    for (const EnsembleCurve* each : by_items(curves)) {
      const EnsembleAnswer& answer = each->answer;
      const auto median = std::find_if(answer.quantiles.begin(), answer.quantiles.end(),
                                       [](const EnsembleQuantile& q) { return q.share >= 0.5; });
      const Estimate& infinity = each->flow.integral().infinity;
      table.add_row({each->curve.n_items ? std::to_string(*each->curve.n_items) : "-",
                     each->curve.seed ? std::to_string(*each->curve.seed) : "-", human(infinity.value),
                     human_range(infinity), human(answer.p_icl.value), human(answer.p_icl_exact.value),
                     human_range(answer.p_icl_exact), human(answer.p_icl_lognormal), human(answer.p_undecided, 2),
                     median->verdict ? human_time(median->t_icl ? median->t_icl->value : std::nullopt) : "-",
                     human_time(median->t_icl_exact)});
    }
    text += table.str() + '\n' + threshold_text(threshold);
  }
  for (const std::string& warning : warnings) text += "warning: " + warning + '\n';
  return {std::move(text), std::move(json), std::move(csv).take()};
}

Answer answer_of_integral(const EnsembleQuestion& question, const EnsembleAnswer& answer, double i_infinity) {
  const bool never_memorizes = std::isinf(i_infinity);
  Json json = json_head(question);
  json["outcome"] = "answered";
  json["i_infinity"] = json_number(i_infinity);
  add_answer(json, answer);

  const theory::StartDistribution& start = question.start;
  std::vector<std::string> columns{"context", "beta0_mean", "beta0_sd", "w0_mean",
                                   "w0_sd",   "c2",         "samples",  "i_infinity"};
  const std::vector<std::string> summary = summary_columns();
  columns.insert(columns.end(), summary.begin(), summary.end());
  CsvText csv(columns);
  csv.cell(question.n_context).cell(start.beta0_mean).cell(start.beta0_sd).cell(start.w0_mean).cell(start.w0_sd);
  csv.cell(question.c2).count(question.n_samples);
  time_cell(csv, i_infinity);
  add_summary(csv, answer);
  csv.end_row();

  std::string text = heading(question);
  text += never_memorizes ? "the MLP never memorizes (c1 = 1/2): I_K is the time itself"
                          : "I_K(inf) = " + human(i_infinity, 7);
  text += ", c2 = " + human(question.c2) + "\n";
  text += share_lines(answer, "exact", "") + '\n' + quantile_table(answer, never_memorizes);
  return {std::move(text), std::move(json), std::move(csv).take()};
}

std::vector<std::string> table_columns(bool has_curve) {
  std::vector<std::string> columns{"p_icl",
                                   "p_icl_low",
                                   "p_icl_high",
                                   "p_never",
                                   "p_undecided",
                                   "p_icl_exact",
                                   "p_icl_lognormal",
                                   "required_median",
                                   "required_median_exact",
                                   "required_median_lognormal"};
  if (has_curve)
    columns.insert(columns.end(), {"p_icl_constant_c2", "outcome_median", "t_icl_median", "t_icl_median_exact"});
  return columns;
}

std::vector<AnswerCell> table_cells(const EnsembleAnswer& answer, const theory::CurveFlow* flow) {
  const auto median = std::find_if(answer.quantiles.begin(), answer.quantiles.end(),
                                   [](const EnsembleQuantile& q) { return q.share >= 0.5; });
  std::vector<AnswerCell> cells{answer_cell(answer.p_icl.value), answer_cell(answer.p_icl.low),
                                answer_cell(answer.p_icl.high),  answer_cell(answer.p_never),
                                answer_cell(answer.p_undecided), answer_cell(answer.p_icl_exact.value),
                                answer.p_icl_lognormal,          answer_cell(median->required.value),
                                median->required_exact,          median->required_lognormal};
  if (flow != nullptr) {
    const std::optional<double> sampled = median->t_icl ? median->t_icl->value : std::nullopt;
    const auto finite = [](const std::optional<double>& time) {
      return time && std::isfinite(*time) ? time : std::nullopt;
    };
    cells.insert(cells.end(), {answer.p_icl_constant_c2, std::string(theory::name(median->verdict_exact)),
                               answer_cell(finite(sampled)), answer_cell(finite(median->t_icl_exact))});
  }
  return cells;
}

DistributionCsv::DistributionCsv()
    : csv_({"n_items", "seed", "source", "part", "time_low", "time_high", "i_low", "i_high", "n_runs", "share",
            "share_exact", "cdf", "cdf_low", "cdf_high", "cdf_exact", "cdf_lognormal"}) {}

void DistributionCsv::add(const MeasuredCurve* curve, const std::vector<DistributionRow>& rows) {
  for (const DistributionRow& row : rows) {
    name_curve(csv_, curve);
    csv_.cell(std::string_view(row.part)).cell(row.time_low).cell(row.time_high).cell(row.i_low).cell(row.i_high);
    csv_.count(row.n_runs).cell(row.share).cell(row.share_exact).cell(row.cdf).cell(row.cdf_exact);
    csv_.cell(row.cdf_lognormal).end_row();
  }
}

RunsCsv::RunsCsv()
    : csv_({"n_items", "seed", "source", "run", "beta0", "w0", "required_integral", "outcome", "t_icl"}) {}

void RunsCsv::add(const MeasuredCurve* curve, const theory::CurveFlow* flow, const EnsembleAnswer& answer,
                  double i_infinity) {
  if (!answer.sampled) return;
  std::uint64_t index = 0;
  for (const theory::EnsembleRun& run : answer.sampled->runs) {
    const double required = run.required_integral;
    Verdict verdict = required < i_infinity ? Verdict::acquired : Verdict::memorized_first;
    std::optional<double> time;
    if (flow != nullptr) {
      verdict = flow->verdict(required);
      if (verdict != Verdict::undecided) time = flow->time(required);
    } else if (verdict == Verdict::memorized_first) {
      time = std::numeric_limits<double>::infinity();
    } else if (std::isinf(i_infinity)) {
      time = required;
    }
    name_curve(csv_, curve);
    csv_.count(index++).cell(run.start.beta).cell(run.start.w).cell(required);
    csv_.cell(std::isnan(required) ? std::string_view("failed") : theory::name(verdict));
    time_cell(csv_, time);
    csv_.end_row();
  }
}

}  // namespace iclk::cli
