#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/transformer/simulation_options.hpp"
#include "simulation_runs.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

using transformer::SimulationField;
using transformer::SimulationOptions;

struct SimulateInput {
  std::vector<std::optional<std::string>> settings;  // [simulation_fields()], what was given
  std::vector<std::uint64_t> seeds{0};
  std::optional<std::string> out;
  std::uint64_t jobs = 0;
  Destinations destinations;
};

std::vector<SimulationOptions> all_runs(const SimulateInput& input) {
  std::vector<std::uint64_t> sorted = input.seeds;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) throw field_error("--seed", std::to_string(*twice) + " is listed twice");

  std::vector<std::pair<std::string, std::string>> given;
  for (std::size_t i = 0; i < input.settings.size(); ++i) {
    if (input.settings[i]) given.emplace_back(transformer::simulation_fields()[i].name, *input.settings[i]);
  }
  std::vector<SimulationOptions> runs;
  try {
    SimulationOptions options = transformer::simulation_options(given);
    for (const std::uint64_t seed : input.seeds) {
      options.seed = seed;
      transformer::validate(options);
      runs.push_back(options);
    }
    if (options.backend == mlp_stats::BackendKind::cuda) {
      if (const auto problem = mlp_stats::cuda_problem()) throw field_error("backend", *problem);
    }
  } catch (const Error& error) {
    throw field_error("--" + error.location().field, error.problem());
  }
  return runs;
}

Answer answer_of(const SimulateInput& input, const std::vector<transformer::SimulationReport>& reports) {
  Json settings = Json::object();
  for (const auto& [key, value] : transformer::settings_of(reports.front().options).entries) {
    if (key != "seed") settings[key] = value;
  }
  ReportedRuns runs = reported(reports);
  Json json = {{"schema", "iclk-simulations 1"},  {"program", "iclk " + std::string(version())},
               {"outcome", outcome_of(reports)},  {"out", *input.out},
               {"settings", std::move(settings)}, {"runs", std::move(runs.json)}};
  return {std::move(runs.text), std::move(json), std::move(runs.csv)};
}

Exit simulate(const SimulateInput& input) {
  if (!input.out) throw field_error("--out", "is required: the folder for the result files");
  const std::vector<SimulationOptions> runs = all_runs(input);
  check_destinations(input.destinations, {});
  const auto reports = simulate_with_progress(
      input.destinations, input.jobs, static_cast<double>(runs.front().iterations),
      [&](const transformer::SimulationRunsOptions& options) { return simulate_runs(runs, *input.out, options); });
  write_answer(input.destinations, answer_of(input, reports));
  return status_of(reports, *input.out);
}

}  // namespace

Action declare_simulate(VerbOptions& options) {
  const auto input = std::make_shared<SimulateInput>();
  options.explain(
      "trains a model on the in-context task and measures ICL, IWL and memorization",
      "Trains the minimal model or a transformer by SGD on sequences of N labelled exemplars and a target whose label "
      "is "
      "asked for, and measures as it goes: accuracy and loss of in-context learning (novel items) and in-weights "
      "learning "
      "(training items without a copy in the context), c1, c2, c3 of the model's own MLP, and what the model has to "
      "show "
      "of its attention. One file per seed, with all settings and with t_ICL, the first crossing of 95 % accuracy. The "
      "same command again keeps finished runs and resumes broken ones, whether stopped by Ctrl-C or killed, with the "
      "same "
      "bytes as an undisturbed run.");
  const auto& fields = transformer::simulation_fields();
  input->settings.resize(fields.size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const SimulationField& field = fields[i];
    if (field.name == "seed") {
      options.counts("--seed", input->seeds, {}, field.help + "; 0:3 means 0,1,2", "0");
    } else {
      options.text("--" + field.name, input->settings[i], field.placeholder, field.help,
                   transformer::default_text(field));
    }
  }
  options.text("--out", input->out, "DIR", "folder for the result files, made if it does not exist (required)");
  options.count("--jobs", input->jobs, {.high = 4096},
                "runs side by side, one thread each; 0: one per core (cuda: trained together; 0: 64)");
  declare_destinations(options, input->destinations);
  options.example("iclk simulate --items inf --context 50 --hidden 64 --seed 0:4 --iterations 40000 --out runs",
                  "four small runs of the minimal model with K infinite");
  options.example("iclk simulate --profile release --items 2000 --context 100 --beta0-sd 0 --out runs",
                  "as the released code does it, from beta = 0");
  return [input] { return simulate(*input); };
}

}  // namespace iclk::cli
