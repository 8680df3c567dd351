#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fit_acquisition.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::cli {
namespace {

constexpr std::size_t kMaxListed = 1000;  // steps and quantile points of one group in the JSON; the rest is thinned out

Json json_model(const fit::AcquisitionModel& model) {
  return {{"family", fit::name(model.family)},
          {"with_cured", model.with_cured},
          {"outcome", fit::name(model.outcome)},
          {"n_parameters", model.n_parameters},
          {"location", json_estimate(model.location)},
          {"scale", json_estimate(model.scale)},
          {"threshold", json_estimate(model.threshold)},
          {"drift", json_estimate(model.drift)},
          {"beta0_mean", json_estimate(model.beta0_mean)},
          {"beta0_sd", json_estimate(model.beta0_sd)},
          {"never", json_estimate(model.never)},
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

Json to_json(const FitAcquisitionInput& input, const TimedRuns& runs, const AcquisitionAnswer& answer) {
  Json json = {{"schema", "iclk-fit-acquisition 1"},
               {"program", "iclk " + std::string(version())},
               {"source", input.file},
               {"time", runs.time_name},
               {"acquired", runs.acquired_name},
               {"interval", input.interval},
               {"theory", nullptr},
               {"method", "Kaplan-Meier; censored maximum likelihood; 95 % intervals"},
               {"outcome", answer.outcome},
               {"groups", Json::array()},
               {"growth", Json::array()},
               {"warnings", answer.warnings}};
  if (input.wants_theory()) {
    json["theory"] = {{"context", json_count(input.n_context)},
                      {"curves", input.curves},
                      {"lr", json_number(input.lr)},
                      {"w0", input.w0},
                      {"c2", input.curves.empty() ? Json(input.c2) : Json(nullptr)}};
  }
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
  CsvText csv({"n_items",
               "context",
               "n_runs",
               "n_acquired",
               "median",
               "median_low",
               "median_high",
               "best",
               "with_cured",
               "cured",
               "cured_low",
               "cured_high",
               "median_acquired",
               "median_acquired_low",
               "median_acquired_high",
               "log_likelihood",
               "aic",
               "beta0_mean",
               "beta0_mean_low",
               "beta0_mean_high",
               "beta0_sd",
               "beta0_sd_low",
               "beta0_sd_high",
               "never",
               "never_low",
               "never_high",
               "interval",
               "source"});
  for (const GroupAnswer& group : answer.groups) {
    const fit::AcquisitionModel none;
    const fit::AcquisitionModel& best = group.best() != nullptr ? *group.best() : none;
    csv.cell(group.key.n_items).cell(group.key.context);
    csv.count(group.summary.curve.n_runs).count(group.summary.curve.n_acquired).cell(group.summary.median);
    csv.cell(group.best() != nullptr ? fit::name(best.family) : std::string_view());
    csv.cell(std::string_view(group.best() == nullptr ? "" : best.with_cured ? "1" : "0"));
    csv.cell(best.cured).cell(best.median_acquired).cell(best.log_likelihood).cell(best.aic);
    const fit::AcquisitionModel& theory = group.theory() != nullptr ? *group.theory() : none;
    csv.cell(theory.beta0_mean).cell(theory.beta0_sd).cell(theory.never);
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
  if (const fit::AcquisitionModel* theory = group.theory(); theory != nullptr && theory->log_likelihood) {
    text += "  theory: beta0 " + human(theory->beta0_mean) + ", sd " + human(theory->beta0_sd);
    if (theory->never.low) text += ", never acquire " + human(theory->never);
    text += '\n';
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

const fit::AcquisitionModel* GroupAnswer::theory() const {
  for (const fit::AcquisitionModel& model : summary.models) {
    if (model.family == fit::AcquisitionFamily::theory && !model.with_cured) return &model;
  }
  return nullptr;
}

Answer output_of(const FitAcquisitionInput& input, const TimedRuns& runs, const AcquisitionAnswer& answer) {
  return {to_text(answer), to_json(input, runs, answer), to_csv(input, answer)};
}

std::string survival_csv(const AcquisitionAnswer& answer) {
  CsvText csv({"n_items", "context", "time", "at_risk", "acquired", "censored", "survival", "survival_low",
               "survival_high", "best", "best_survival", "best_time", "theory_survival"});
  for (const GroupAnswer& group : answer.groups) {
    const fit::AcquisitionModel none;
    const fit::AcquisitionModel& best = group.best() != nullptr ? *group.best() : none;
    const fit::AcquisitionModel& theory = group.theory() != nullptr ? *group.theory() : none;
    double before = 1;
    for (const fit::SurvivalStep& step : group.summary.curve.steps) {
      csv.cell(group.key.n_items).cell(group.key.context).cell(step.time);
      csv.count(step.at_risk).count(step.acquired).count(step.censored).cell(step.survival);
      csv.cell(group.best() != nullptr ? fit::name(best.family) : std::string_view());
      csv.cell(fit::model_survival(best, step.time));
      const double probability = 1 - (before + *step.survival.value) / 2;  // middle of the step
      csv.cell(step.acquired > 0 ? fit::model_quantile(best, probability) : std::nullopt);
      csv.cell(fit::model_survival(theory, step.time)).end_row();
      before = *step.survival.value;
    }
  }
  return std::move(csv).take();
}

}  // namespace iclk::cli
