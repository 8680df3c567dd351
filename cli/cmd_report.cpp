#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include "attention_point.hpp"
#include "iclk/core/curve_file.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/report.hpp"
#include "output.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

namespace fs = std::filesystem;

struct ReportInput {
  std::optional<std::string> data, out;
  std::uint64_t n_context = 100;
  double beta0 = 0.0;
  double w0 = 0.0;
  double beta0_sd = 0.3;
  double w0_sd = 0.0;
  std::optional<double> lr;
  std::optional<std::uint64_t> n_items;
  std::uint64_t jobs = 0;
  Destinations destinations;
};

Json prediction_json(const figures::CurveSet& set) {
  Json json = {{"network", set.network}, {"n_curves", set.curves.size()}};
  json["problem"] = set.prediction ? Json(nullptr) : Json(set.problem);
  const Estimate none;
  const figures::Prediction* prediction = set.prediction ? &*set.prediction : nullptr;
  const bool has_law = prediction && prediction->law;
  json["nu"] = json_estimate(has_law ? prediction->law->law.exponent : none);
  json["prefactor"] = json_estimate(has_law ? prediction->law->law.prefactor : none);
  json["k_star"] = json_estimate(prediction ? prediction->threshold.k_star : none);
  json["k_star_leading"] = json_estimate(prediction ? prediction->k_star_leading : none);
  json["k_star_full_loss"] = json_estimate(prediction ? prediction->k_star_full_loss : none);
  json["t_full_loss"] = json_number(prediction ? prediction->t_full_loss : std::nullopt);
  json["warnings"] = prediction ? Json(prediction->warnings) : Json::array();
  return json;
}

Json claim_json(const figures::Claim& claim) {
  Json json = {{"number", claim.number},
               {"id", claim.id},
               {"group", claim.group},
               {"origin", figures::name(claim.origin)},
               {"reference", claim.reference},
               {"statement", claim.statement},
               {"quantity", claim.quantity},
               {"scope", claim.scope},
               {"scale", claim.full_scale ? "full" : "reduced"},
               {"n_runs", claim.n_runs}};
  json["printed"] = claim.printed.empty() ? Json(nullptr) : Json(claim.printed);
  json["prediction"] = json_estimate(claim.prediction);
  json["measured"] = json_estimate(claim.measured);
  json["rule"] = {{"kind", claim.rule == figures::ClaimRule::meets ? "meets" : "inside"},
                  {"low", json_number(claim.allowed.low)},
                  {"high", json_number(claim.allowed.high)},
                  {"widest", json_number(claim.widest)},
                  {"text", figures::rule_text(claim)}};
  json["verdict"] = figures::name(claim.verdict);
  json["reason"] = claim.reason;
  json["commands"] = claim.commands;
  json["sources"] = claim.sources;
  return json;
}

Json figure_json(const figures::ReportFigure& figure) {
  Json json = {{"id", figure.info.id}, {"title", figure.info.title}, {"drawn", figure.files.has_value()}};
  json["file"] = figure.files ? Json("figures/" + figure.files->svg.filename().string()) : Json(nullptr);
  json["problem"] = figure.files ? Json(nullptr) : Json(figure.problem);
  json["command"] = figure.info.command.empty() ? Json(nullptr) : Json(figure.info.command);
  return json;
}

Json to_json(const ReportInput& input, const figures::Report& report) {
  Json json = json_head("iclk-report 1");
  json.update({{"data", *input.data},
               {"context", input.n_context},
               {"beta0", input.beta0},
               {"w0", input.w0},
               {"beta0_sd", input.beta0_sd},
               {"w0_sd", input.w0_sd}});
  json["short"] = report.is_short();
  json["problems"] = report.results.problems;
  json["n_runs"] = report.results.runs.size();
  json["networks"] = Json::array();
  for (const figures::CurveSet& set : report.results.networks) json["networks"].push_back(prediction_json(set));
  json["claims"] = Json::array();
  for (const figures::Claim& claim : report.claims) json["claims"].push_back(claim_json(claim));
  json["n_claims_left_out"] = report.n_untested_left_out;
  json["figures"] = Json::array();
  for (const figures::ReportFigure& figure : report.figures) json["figures"].push_back(figure_json(figure));
  return json;
}

std::string to_csv(const figures::Report& report) {
  CsvText csv({"number", "id", "origin", "reference", "scope", "scale", "n_runs", "prediction", "prediction_low",
               "prediction_high", "measured", "measured_low", "measured_high", "allowed_low", "allowed_high", "verdict",
               "statement", "quantity", "reason"});
  for (const figures::Claim& claim : report.claims) {
    csv.count(static_cast<std::uint64_t>(claim.number))
        .cell(std::string_view(claim.id))
        .cell(figures::name(claim.origin));
    csv.cell(std::string_view(claim.reference)).cell(std::string_view(claim.scope));
    csv.cell(std::string_view(claim.full_scale ? "full" : "reduced")).count(static_cast<std::uint64_t>(claim.n_runs));
    csv.cell(claim.prediction).cell(claim.measured).cell(claim.allowed.low).cell(claim.allowed.high);
    csv.cell(figures::name(claim.verdict)).cell(std::string_view(claim.statement));
    csv.cell(std::string_view(claim.quantity)).cell(std::string_view(claim.reason)).end_row();
  }
  return std::move(csv).take();
}

/// A number that is known has no interval to show.
std::string shown(const Estimate& estimate) {
  const bool known = estimate.low && estimate.high && !(*estimate.high > *estimate.low);
  return known ? human(estimate.value) : human(estimate);
}

std::string to_text(const figures::Report& report, const fs::path& page) {
  std::string text;
  PrintedTable table({"", "verdict", "measured", "prediction", "claim"}, "rlrrl");
  for (const figures::Claim& claim : report.claims) {
    table.add_row({std::to_string(claim.number), std::string(figures::name(claim.verdict)), shown(claim.measured),
                   shown(claim.prediction), claim.id + (claim.scope.empty() ? "" : ", " + claim.scope)});
  }
  text += table.str() + '\n';
  std::size_t n_drawn = 0;
  for (const figures::ReportFigure& figure : report.figures) n_drawn += figure.files ? 1 : 0;
  text += std::to_string(n_drawn) + " of " + std::to_string(report.figures.size()) + " figures drawn\n";
  for (const std::string& problem : report.results.problems) text += "warning: " + problem + '\n';
  return text + "  " + page.string() + '\n';
}

void make_folder(const fs::path& out) {
  std::error_code problem;
  fs::create_directories(out, problem);
  if (problem) {
    throw field_error("--out", "cannot make the folder \"" + out.string() + "\": " + problem.message());
  }
}

Exit run(const ReportInput& input) {
  if (!input.data) throw field_error("--data", "is required: the folder with the results");
  if (!input.out) throw field_error("--out", "is required: the folder for the report");
  check_destinations(input.destinations, {});
  const fs::path out = *input.out;
  figures::ReportOptions options;
  options.figure = {.n_context = static_cast<double>(input.n_context),
                    .beta0 = input.beta0,
                    .w0 = input.w0,
                    .beta0_sd = input.beta0_sd,
                    .w0_sd = input.w0_sd,
                    .foreign = {.lr = input.lr, .n_items = input.n_items}};
  options.jobs = static_cast<int>(input.jobs);
  const bool shows_progress = !input.destinations.quiet && ::isatty(STDERR_FILENO) == 1;
  if (shows_progress) {
    options.on_progress = [](std::size_t n_done, std::size_t n_figures) {
      std::cerr << "figures: " << n_done << " of " << n_figures << '\n';
    };
    std::cerr << "reading " << *input.data << '\n';
  }
  figures::Results results = figures::read_results(*input.data, options.figure);
  if (shows_progress) std::cerr << "claims, then figures\n";
  make_folder(out);
  const figures::Report report = figures::make_report(std::move(results), out, options);
  Answer answer{to_text(report, out / "report.html"), to_json(input, report), {}};
  write_file_atomically(out / "report.html", figures::report_page(report));
  write_file_atomically(out / "claims.json", answer.json.dump(2) + '\n');
  if (input.destinations.csv) answer.csv = to_csv(report);
  write_answer(input.destinations, answer);
  return Exit::answered;
}

}  // namespace

Action declare_report(VerbOptions& options) {
  const auto input = std::make_shared<ReportInput>();
  options.explain(
      "every figure and the table of claims, one HTML page",
      "Reads a folder of results and writes report.html, one page that needs no network: what the memorization curves "
      "predict, each claim of the paper and of this project with prediction, measured value, 95 % interval and "
      "verdict, and "
      "every figure. Beside it claims.json with the same table and the figures' own files. Files that cannot be read "
      "are "
      "named at the top and left out; what is missing is a marked gap with the command that fills it. A folder of "
      "curves "
      "alone has the shorter report. Needs gnuplot.");
  options.text(
      "--data", input->data, "DIR",
      "folder with the results: curves of iclk train, runs of iclk simulate and iclk sweep, or CSV curves from "
      "elsewhere (required)");
  options.text("--out", input->out, "DIR", "folder for the report, made if it does not exist (required)");
  options.count("--context", input->n_context, kContextRule, "N of the predictions, labelled exemplars in a context");
  options.number("--beta0", input->beta0, start_rule(), "start value of beta; its mean where seeds differ");
  options.number("--w0", input->w0, start_rule(), "start value of w; its mean where seeds differ");
  options.number("--beta0-sd", input->beta0_sd, number_from(0.0, kLargestStart),
                 "spread of beta0 over seeds, in figures");
  options.number("--w0-sd", input->w0_sd, number_from(0.0, kLargestStart), "spread of w0 over seeds, in figures");
  options.number("--lr", input->lr, positive_number(),
                 "learning rate of curves that count SGD steps and do not say it");
  options.count("--items", input->n_items, kItemsRule,
                "K of curve files that do not say it, neither in a column nor in their name (K500.csv)");
  options.count("--jobs", input->jobs, {.low = 0, .high = 1024}, "figures drawn side by side; 0: one per core");
  declare_destinations(options, input->destinations);
  options.example("iclk report --data figures/data --out report", "from the measured data of this project");
  options.example("iclk report --data logs --lr 0.01 --context 50 --out report", "from c1 curves of another framework");
  return [input] { return run(*input); };
}

}  // namespace iclk::cli
