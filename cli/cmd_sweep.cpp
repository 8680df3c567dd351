#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/transformer/sweep.hpp"
#include "run_progress.hpp"
#include "simulation_runs.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

using transformer::CollectedRun;
using transformer::SimulationReport;

struct RunInput {
  std::string plan;
  std::optional<std::string> out, shard;
  std::uint64_t jobs = 0;
  Destinations destinations;
};

struct FolderInput {
  std::string folder;
  std::vector<std::string> selection;
  Destinations destinations;
};

transformer::Shard parse_shard(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) throw field_error("--shard", "expected i/n, e.g. 2/4, got \"" + text + "\"");
  transformer::Shard shard;
  shard.count = parse_checked_count("--shard", text.substr(slash + 1), {.low = 1, .high = 1'000'000});
  shard.index = parse_checked_count("--shard", text.substr(0, slash), {.low = 1, .high = shard.count});
  return shard;
}

/// Runs by how they ended, and the failures one by one; the runs themselves are in the files.
Answer answer_of(const RunInput& input, const transformer::SweepPlan& plan,
                 const std::vector<SimulationReport>& reports) {
  using transformer::RunStatus;
  std::map<RunStatus, std::size_t> n;
  Json failures = Json::array();
  std::string text;
  for (const SimulationReport& run : reports) {
    ++n[run.status];
    if (run.status != RunStatus::failed) continue;
    failures.push_back({{"run", transformer::run_name(run.options)}, {"problem", run.problem}});
    text += "  failed: " + transformer::run_name(run.options) + ": " + run.problem + '\n';
  }
  text = std::to_string(reports.size()) + " runs: " + std::to_string(n[RunStatus::finished]) + " finished now, " +
         std::to_string(n[RunStatus::kept]) + " were there, " + std::to_string(n[RunStatus::interrupted]) + " left, " +
         std::to_string(n[RunStatus::failed]) + " failed\n" + text;
  if (plan.n_repeated > 0) {
    text += "  warning: " + std::to_string(plan.n_repeated) + " runs of the plan stand in an earlier grid too\n";
  }
  Json json = {{"schema", "iclk-sweep 1"},
               {"program", "iclk " + std::string(version())},
               {"outcome", outcome_of(reports)},
               {"plan", input.plan},
               {"out", *input.out},
               {"shard", input.shard.value_or("1/1")},
               {"n_planned", plan.runs.size()},
               {"n_runs", reports.size()},
               {"n_finished", n[RunStatus::finished]},
               {"n_kept", n[RunStatus::kept]},
               {"n_left", n[RunStatus::interrupted]},
               {"n_failed", n[RunStatus::failed]},
               {"n_repeated", plan.n_repeated},
               {"failures", std::move(failures)}};
  return {std::move(text), std::move(json), reported(reports).csv};
}

Exit run(const RunInput& input) {
  if (input.plan.empty()) throw field_error("PLAN", "expected a plan, a file in TOML");
  if (!input.out) throw field_error("--out", "is required: the folder for the result files");
  const transformer::Shard shard = parse_shard(input.shard.value_or("1/1"));
  const transformer::SweepPlan plan = transformer::read_sweep_plan(input.plan);
  check_destinations(input.destinations, std::vector<std::string>{input.plan});
  double most_iterations = 0.0;
  for (const auto& options : plan.runs) {
    most_iterations = std::max(most_iterations, static_cast<double>(options.iterations));
  }
  const auto reports = simulate_with_progress(input.destinations, input.jobs, most_iterations,
                                              [&](const transformer::SimulationRunsOptions& options) {
                                                return transformer::run_sweep(plan, *input.out, options, shard);
                                              });
  write_answer(input.destinations, answer_of(input, plan, reports));
  return status_of(reports, *input.out);
}

Exit status(const FolderInput& input) {
  if (input.folder.empty()) throw field_error("DIR", "expected the --out folder of iclk sweep run");
  check_destinations(input.destinations, {});
  const transformer::SweepStatus status = transformer::sweep_status(input.folder);
  const std::string left = status.seconds_left ? duration(*status.seconds_left) : "-";
  PrintedTable table({"planned", "finished", "cut off", "failed", "waiting", "one core still needs"}, "r");
  table.add_row({std::to_string(status.n_planned), std::to_string(status.n_finished),
                 std::to_string(status.n_interrupted), std::to_string(status.n_failed),
                 std::to_string(status.n_waiting), left});
  std::string text = table.str();
  CsvText csv({"n_planned", "n_finished", "n_interrupted", "n_failed", "n_waiting", "n_unplanned", "n_with_items",
               "seconds_left"});
  csv.count(status.n_planned).count(status.n_finished).count(status.n_interrupted).count(status.n_failed);
  csv.count(status.n_waiting).count(status.n_unplanned).count(status.n_with_items).cell(status.seconds_left).end_row();
  Json failures = Json::array();
  for (const transformer::SweepFailure& failure : status.failures) {
    failures.push_back({{"run", failure.run}, {"problem", failure.problem}});
    text += "  failed: " + failure.run + ": " + failure.problem + '\n';
  }
  if (status.n_unplanned > 0) {
    text += "  warning: " + std::to_string(status.n_unplanned) + " results that the plan does not ask for\n";
  }
  if (status.n_with_items > 0) {
    text += "  warning: " + std::to_string(status.n_with_items) +
            " runs are there with item-draw items, which this plan once meant; to go on with them add item-draw = "
            "\"items\" to it\n";
  }
  Json json = {{"schema", "iclk-sweep-status 1"},
               {"program", "iclk " + std::string(version())},
               {"folder", input.folder},
               {"n_planned", status.n_planned},
               {"n_finished", status.n_finished},
               {"n_interrupted", status.n_interrupted},
               {"n_failed", status.n_failed},
               {"n_waiting", status.n_waiting},
               {"n_unplanned", status.n_unplanned},
               {"n_with_items", status.n_with_items},
               {"seconds_left", json_number(status.seconds_left)},
               {"failures", std::move(failures)}};
  write_answer(input.destinations, {std::move(text), std::move(json), std::move(csv).take()});
  return Exit::answered;
}

/// Runs whose settings have the values asked for, `--select NAME=VALUE`.
std::vector<CollectedRun> selected(std::vector<CollectedRun> runs, const std::vector<std::string>& selection) {
  for (const std::string& wish : selection) {
    const std::size_t equals = wish.find('=');
    const auto& fields = transformer::simulation_fields();
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const auto& f) {
      return f.name == wish.substr(0, equals) && f.name != "profile";
    });
    if (equals == std::string::npos || field == fields.end()) {
      throw field_error("--select", "expected NAME=VALUE with the name of a setting, got \"" + wish + "\"");
    }
    transformer::SimulationOptions wanted;
    try {
      field->set(wanted, wish.substr(equals + 1));
    } catch (const Error& error) {
      throw field_error("--select", wish.substr(0, equals) + ": " + error.problem());
    }
    const std::string value = field->get(wanted);
    std::erase_if(runs, [&](const CollectedRun& run) { return transformer::setting_in(run.head, *field) != value; });
  }
  return runs;
}

/// One run as a row: its settings, then what fits read and what else it measured.
struct Row {
  std::string label;  ///< of the cell that it counts in: model, N and K
  double lr = 0.0, end_iteration = 0.0;
  std::optional<double> t_icl;
  double time() const { return t_icl.value_or(lr * end_iteration); }
};

Row row_of(const CollectedRun& run) {
  const auto needed = [&](const char* key) {
    const auto value = number_in(run.head, key);
    if (!value) throw Error({.file = run.file.string(), .line = {}, .field = key}, "expected a number");
    return *value;
  };
  return {.label = *run.head.find("model") + ", N = " + *run.head.find("context") + ", K = " + *run.head.find("items"),
          .lr = needed("lr"),
          .end_iteration = needed("end_iteration"),
          .t_icl = number_in(run.head, "t_icl")};
}

constexpr const char* kMeasured[] = {"t_half_loss", "t_attention_half", "t_accuracy_fade", "t_w_max",
                                     "w_max",       "t_fade",           "max_icl_accuracy"};
constexpr std::pair<const char*, const char*> kAtEnd[] = {{"icl_accuracy", "end_icl_accuracy"},
                                                          {"icl_loss", "end_icl_loss"},
                                                          {"iwl_accuracy", "end_iwl_accuracy"},
                                                          {"iwl_loss", "end_iwl_loss"},
                                                          {"c1", "end_c1"}};

/// `n_items` is the column by which fits group runs: it is there when all runs have a finite K.
std::string collected_csv(const std::vector<CollectedRun>& runs, bool has_n_items) {
  std::vector<std::string> header{"run"};
  std::vector<std::string> settings;
  for (const transformer::SimulationField& field : transformer::simulation_fields()) {
    const std::string key = field.key();
    const bool used = std::any_of(runs.begin(), runs.end(), [&](const auto& r) { return r.head.find(key) != nullptr; });
    if (used) settings.push_back(key);
  }
  header.insert(header.end(), settings.begin(), settings.end());
  if (has_n_items) header.emplace_back("n_items");
  for (const char* column : {"outcome", "acquired", "time", "time_iterations", "end_iteration", "attention_acquired"})
    header.emplace_back(column);
  for (const char* column : kMeasured) header.emplace_back(column);
  for (const auto& [column, key] : kAtEnd) header.emplace_back(column);
  header.emplace_back("file");
  CsvText csv{std::span<const std::string>(header)};
  for (const CollectedRun& run : runs) {
    const auto text = [&](const std::string& key) -> std::string_view {
      const std::string* value = run.head.find(key);
      return value == nullptr ? std::string_view() : std::string_view(*value);
    };
    const Row row = row_of(run);
    csv.cell(text("run"));
    for (const std::string& key : settings) csv.cell(text(key));
    if (has_n_items) csv.cell(text("items"));
    csv.cell(text("outcome")).count(row.t_icl ? 1 : 0).cell(row.time()).cell(row.time() / row.lr);
    csv.cell(row.end_iteration);
    // A strength of attention on the copy is known of the minimal model only.
    const bool attended = number_in(run.head, "t_attention_half").has_value();
    csv.count(text("model") == "minimal" ? std::optional<std::uint64_t>(attended ? 1 : 0) : std::nullopt);
    for (const char* key : kMeasured) csv.cell(number_in(run.head, key));
    for (const auto& [column, key] : kAtEnd) csv.cell(number_in(run.head, key));
    csv.cell(std::string_view(run.file.string())).end_row();
  }
  return std::move(csv).take();
}

Exit collect(const FolderInput& input) {
  if (input.folder.empty()) throw field_error("DIR", "expected a folder with results of iclk sweep run or simulate");
  check_destinations(input.destinations, {});
  const auto runs = selected(transformer::collect_runs(input.folder), input.selection);
  struct Cell {
    std::size_t n = 0, n_acquired = 0;
    double first = 0.0, last = 0.0;
  };
  std::vector<std::pair<std::string, Cell>> cells;  // in the order of the runs, which holds equal cells together
  for (const CollectedRun& run : runs) {
    const Row row = row_of(run);
    if (cells.empty() || cells.back().first != row.label) cells.push_back({row.label, {}});
    Cell& cell = cells.back().second;
    ++cell.n;
    if (!row.t_icl) continue;
    cell.first = cell.n_acquired == 0 ? *row.t_icl : std::min(cell.first, *row.t_icl);
    cell.last = std::max(cell.last, *row.t_icl);
    ++cell.n_acquired;
  }
  PrintedTable table({"", "runs", "acquired", "first t_ICL", "last t_ICL"}, "lr");
  Json groups = Json::array();
  for (const auto& [label, cell] : cells) {
    const auto first = cell.n_acquired > 0 ? std::optional(cell.first) : std::nullopt;
    const auto last = cell.n_acquired > 0 ? std::optional(cell.last) : std::nullopt;
    table.add_row({label, std::to_string(cell.n), std::to_string(cell.n_acquired), human(first), human(last)});
    groups.push_back({{"group", label},
                      {"n_runs", cell.n},
                      {"n_acquired", cell.n_acquired},
                      {"first_t_icl", json_number(first)},
                      {"last_t_icl", json_number(last)}});
  }
  const auto n_infinite =
      std::count_if(runs.begin(), runs.end(), [](const CollectedRun& run) { return *run.head.find("items") == "inf"; });
  std::string text = runs.empty() ? "no results\n" : table.str();
  Json warnings = Json::array();
  if (n_infinite > 0 && n_infinite < static_cast<std::ptrdiff_t>(runs.size())) {
    const std::string warning =
        "runs with K infinite stand among others, so there is no column n_items; --select items=inf takes the former";
    warnings.push_back(warning);
    text += "  warning: " + warning + '\n';
  }
  Json json = {{"schema", "iclk-sweep-collection 1"},
               {"program", "iclk " + std::string(version())},
               {"folder", input.folder},
               {"outcome", runs.empty() ? "no_results" : "collected"},
               {"n_runs", runs.size()},
               {"groups", std::move(groups)},
               {"warnings", std::move(warnings)}};
  write_answer(input.destinations, {std::move(text), std::move(json), collected_csv(runs, n_infinite == 0)});
  return runs.empty() ? Exit::no_answer : Exit::answered;
}

}  // namespace

Action declare_sweep_run(VerbOptions& options) {
  const auto input = std::make_shared<RunInput>();
  options.explain(
      "trains all runs of a plan, several side by side",
      "Reads a plan in TOML: a table [defaults] and one or more [[grid]], whose keys are the options of iclk simulate "
      "without their hyphens, with a value or an array of values; each grid is all combinations of its arrays. `seeds "
      "= "
      "\"0:16\"` stands for 16 seeds. Every run has a file of its own, named by a hash of its settings. Finished runs "
      "are "
      "skipped, broken ones resumed, failed ones tried again, so that the same command after a change of the plan only "
      "does what is new. No run depends on --jobs, --shard or interruptions.");
  options.argument("PLAN", input->plan, "plan of the sweep, TOML");
  options.text("--out", input->out, "DIR", "folder for the result files, made if it does not exist (required)");
  options.count("--jobs", input->jobs, {.high = 4096},
                "runs side by side, one thread each; 0: one per core (cuda: trained together; 0: 64)");
  options.text("--shard", input->shard, "I/N", "only part I of N of the runs: 1/4 to 4/4 on four machines", "1/1");
  declare_destinations(options, input->destinations);
  options.example("iclk sweep run plan.toml --out runs --jobs 2", "a whole plan on two cores");
  return [input] { return run(*input); };
}

Action declare_sweep_status(VerbOptions& options) {
  const auto input = std::make_shared<FolderInput>();
  options.explain("what of a sweep is finished, failed and left, and for how long",
                  "Compares the plan that iclk sweep run keeps in its folder with the results there. The time left is "
                  "estimated from the runs that are finished.");
  options.argument("DIR", input->folder, "the --out folder of iclk sweep run");
  declare_destinations(options, input->destinations);
  options.example("iclk sweep status runs", "how far it is");
  return [input] { return status(*input); };
}

Action declare_sweep_collect(VerbOptions& options) {
  const auto input = std::make_shared<FolderInput>();
  options.explain("one table of all finished runs of a folder",
                  "Writes one row per run with --csv: its settings, then `acquired` (0 or 1) and `time` (t_ICL, or of "
                  "a run that did "
                  "not acquire the time at which it ended), which iclk fit acquisition and iclk fit threshold read as "
                  "they are, and "
                  "everything else that was measured at the end.");
  options.argument("DIR", input->folder, "folder with results of iclk sweep run or iclk simulate");
  options.texts("--select", input->selection, "NAME=VALUE", "only runs with this setting, e.g. items=inf");
  declare_destinations(options, input->destinations);
  options.example("iclk sweep collect runs --csv runs.csv", "one table for iclk fit");
  return [input] { return collect(*input); };
}

}  // namespace iclk::cli
