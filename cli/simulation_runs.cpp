#include "simulation_runs.hpp"

#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "run_progress.hpp"

namespace iclk::cli {
namespace {

using transformer::RunStatus;
using transformer::SimulationReport;

std::size_t n_with(const std::vector<SimulationReport>& reports, RunStatus status) {
  return static_cast<std::size_t>(
      std::count_if(reports.begin(), reports.end(), [&](const SimulationReport& run) { return run.status == status; }));
}

std::string items_text(const transformer::SimulationOptions& options) {
  return options.n_items ? std::to_string(*options.n_items) : "inf";
}

void show_progress(const transformer::SimulationProgress& progress, double max_iterations) {
  double steps_left = max_iterations * static_cast<double>(progress.n_runs - progress.n_done);
  std::string newest;
  for (const SimulationReport& run : progress.active) {
    steps_left -= static_cast<double>(run.iteration);
    newest = "N = " + std::to_string(run.options.context) + " K = " + items_text(run.options) + " seed " +
             std::to_string(run.options.seed) + ": " + std::to_string(run.iteration) + " steps" +
             (run.last ? ", ICL " + human(run.last->icl_accuracy, 3) : "");
  }
  show_progress_line(progress.n_done, progress.n_runs,
                     human(progress.steps_per_second, 3) + " steps/s, at most " +
                         duration(steps_left / progress.steps_per_second) + " left; " + newest);
}

}  // namespace

std::optional<double> number_in(const RunInfo& head, const std::string& key) {
  const std::string* text = head.find(key);
  return text == nullptr || *text == "none" ? std::nullopt : parse_number(*text);
}

std::vector<SimulationReport> simulate_with_progress(
    const Destinations& destinations, std::uint64_t jobs, double max_iterations,
    const std::function<std::vector<SimulationReport>(const transformer::SimulationRunsOptions&)>& train) {
  transformer::SimulationRunsOptions options;
  options.jobs = static_cast<int>(jobs);
  options.stop = &catch_interrupts();
  const bool shows_progress = !destinations.quiet && ::isatty(STDERR_FILENO) != 0;
  if (shows_progress) {
    options.on_progress = [&](const transformer::SimulationProgress& progress) {
      show_progress(progress, max_iterations);
    };
  }
  std::vector<SimulationReport> reports = train(options);
  if (shows_progress) clear_progress_line();
  return reports;
}

std::string outcome_of(const std::vector<SimulationReport>& reports) {
  if (n_with(reports, RunStatus::interrupted) > 0) return "interrupted";
  return n_with(reports, RunStatus::failed) > 0 ? "failed" : "finished";
}

Exit status_of(const std::vector<SimulationReport>& reports, const std::string& folder) {
  if (n_with(reports, RunStatus::interrupted) > 0) {
    std::cerr << "interrupted: " << n_with(reports, RunStatus::finished) + n_with(reports, RunStatus::kept) << " of "
              << reports.size() << " runs are finished in " << folder
              << "; the same command again resumes the others\n";
    return Exit::interrupted;
  }
  const std::size_t n_failed = n_with(reports, RunStatus::failed);
  if (n_failed == 0) return Exit::answered;
  const auto first = std::find_if(reports.begin(), reports.end(),
                                  [](const SimulationReport& run) { return run.status == RunStatus::failed; });
  std::cerr << "failed: " << n_failed << " of " << reports.size() << " runs, " << transformer::run_name(first->options)
            << ": " << first->problem << '\n';
  return Exit::no_answer;
}

ReportedRuns reported(const std::vector<SimulationReport>& reports) {
  PrintedTable table({"N", "K", "seed", "status", "ended", "SGD steps", "t_ICL", "ICL acc.", "IWL acc.", "c1", "file"},
                     "rrrllrrrrrl");
  CsvText csv({"run", "context", "items", "seed", "status", "outcome", "iterations", "resumed_from", "t_icl",
               "t_icl_iterations", "icl_accuracy", "iwl_accuracy", "c1", "file"});
  Json runs = Json::array();
  for (const SimulationReport& run : reports) {
    const RunInfo& head = run.head;
    const std::string* ended = head.find("outcome");
    const auto latest = [&](const char* key, std::optional<double> measured) {
      return head.entries.empty() ? measured : number_in(head, key);
    };
    const auto& last = run.last;
    const auto icl = latest("end_icl_accuracy", last ? std::optional(last->icl_accuracy) : std::nullopt);
    const auto iwl = latest("end_iwl_accuracy", last ? last->iwl_accuracy : std::nullopt);
    const auto c1 = latest("end_c1", last ? std::optional(last->c1) : std::nullopt);
    const auto t_icl = number_in(head, "t_icl");
    const auto t_icl_iterations = t_icl ? std::optional(*t_icl / run.options.lr) : std::nullopt;
    const std::string outcome = ended == nullptr ? "" : *ended;
    const std::string file = run.file.string();
    const std::string items = items_text(run.options);
    table.add_row({std::to_string(run.options.context), items, std::to_string(run.options.seed),
                   std::string(name(run.status)), outcome.empty() ? "-" : outcome, std::to_string(run.iteration),
                   human(t_icl), human(icl), human(iwl), human(c1, 3), file});
    csv.cell(std::string_view(transformer::run_identity(run.options))).count(run.options.context);
    csv.cell(std::string_view(items)).count(run.options.seed).cell(name(run.status)).cell(std::string_view(outcome));
    csv.count(run.iteration).count(run.resumed_from).cell(t_icl).cell(t_icl_iterations).cell(icl).cell(iwl).cell(c1);
    csv.cell(std::string_view(file)).end_row();
    runs.push_back({{"run", transformer::run_identity(run.options)},
                    {"file", file},
                    {"context", run.options.context},
                    {"n_items", json_count(run.options.n_items)},
                    {"seed", run.options.seed},
                    {"status", name(run.status)},
                    {"outcome", outcome.empty() ? Json(nullptr) : Json(outcome)},
                    {"problem", run.problem.empty() ? Json(nullptr) : Json(run.problem)},
                    {"iterations", run.iteration},
                    {"resumed_from", run.resumed_from},
                    {"t_icl", json_number(t_icl)},
                    {"t_icl_iterations", json_number(t_icl_iterations)},
                    {"t_half_loss", json_number(number_in(head, "t_half_loss"))},
                    {"t_attention_half", json_number(number_in(head, "t_attention_half"))},
                    {"t_accuracy_fade", json_number(number_in(head, "t_accuracy_fade"))},
                    {"t_fade", json_number(number_in(head, "t_fade"))},
                    {"icl_accuracy", json_number(icl)},
                    {"iwl_accuracy", json_number(iwl)},
                    {"c1", json_number(c1)}});
  }
  return {table.str(), std::move(runs), std::move(csv).take()};
}

}  // namespace iclk::cli
