#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/mlp_stats/training_runs.hpp"
#include "output.hpp"
#include "run_progress.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

using mlp_stats::RunReport;
using mlp_stats::RunStatus;
using mlp_stats::TrainingOptions;

struct TrainInput {
  std::vector<std::uint64_t> n_items;
  std::vector<std::uint64_t> seeds{0};
  std::optional<std::string> out;
  TrainingOptions run;
  double stop_c1 = *TrainingOptions{}.stop_c1;
  std::uint64_t points_per_decade = static_cast<std::uint64_t>(TrainingOptions{}.points_per_decade);
  std::string input_form{mlp_stats::name(TrainingOptions{}.input)};
  std::string labels{mlp_stats::name(TrainingOptions{}.labels)};
  std::string sampling{mlp_stats::name(TrainingOptions{}.sampling)};
  std::string backend{mlp_stats::name(TrainingOptions{}.backend)};
  std::string precision{mlp_stats::name(TrainingOptions{}.precision)};
  std::uint64_t jobs = 0;
  Destinations destinations;
};

/// The enumerator whose name is `word`; the option's list of choices guarantees that there is one.
template <typename Enum>
Enum named(const std::string& word, std::initializer_list<Enum> all) {
  return *std::find_if(all.begin(), all.end(), [&](Enum each) { return mlp_stats::name(each) == word; });
}

template <typename Enum>
std::vector<std::string> names(std::initializer_list<Enum> all) {
  std::vector<std::string> words;
  for (const Enum each : all) words.emplace_back(mlp_stats::name(each));
  return words;
}

constexpr auto kLabels = {mlp_stats::LabelRule::random, mlp_stats::LabelRule::balanced};
constexpr auto kInputForms = {mlp_stats::InputForm::raw, mlp_stats::InputForm::token};
constexpr auto kSamplings = {mlp_stats::Sampling::with_replacement, mlp_stats::Sampling::without_replacement};
constexpr auto kBackends = {mlp_stats::BackendKind::onednn, mlp_stats::BackendKind::eigen,
                            mlp_stats::BackendKind::cuda};
constexpr auto kPrecisions = {mlp_stats::Precision::float32, mlp_stats::Precision::float64, mlp_stats::Precision::tf32};

void refuse_repeats(const std::string& option, std::vector<std::uint64_t> values) {
  std::sort(values.begin(), values.end());
  const auto twice = std::adjacent_find(values.begin(), values.end());
  if (twice != values.end()) throw field_error(option, std::to_string(*twice) + " is listed twice");
}

/// The library names its own fields; the user knows them as options.
void validate_as_options(const TrainingOptions& run) {
  static const std::map<std::string, std::string> kOptionOfField{{"n_items", "--items"}};
  try {
    mlp_stats::validate(run);
  } catch (const Error& error) {
    const auto known = kOptionOfField.find(error.location().field);
    std::string option = known == kOptionOfField.end() ? "--" + error.location().field : known->second;
    std::replace(option.begin(), option.end(), '_', '-');
    throw field_error(option, error.problem());
  }
}

std::vector<TrainingOptions> all_runs(const TrainInput& input) {
  refuse_repeats("--items", input.n_items);
  refuse_repeats("--seeds", input.seeds);
  TrainingOptions run = input.run;
  run.stop_c1 = input.stop_c1 > 0 ? std::optional(input.stop_c1) : std::nullopt;
  run.points_per_decade = static_cast<int>(input.points_per_decade);
  run.input = named(input.input_form, kInputForms);
  run.labels = named(input.labels, kLabels);
  run.sampling = named(input.sampling, kSamplings);
  run.backend = named(input.backend, kBackends);
  run.precision = named(input.precision, kPrecisions);
  std::vector<TrainingOptions> runs;
  for (const std::uint64_t n_items : input.n_items) {
    for (const std::uint64_t seed : input.seeds) {
      run.n_items = n_items;
      run.seed = seed;
      validate_as_options(run);
      runs.push_back(run);
    }
  }
  return runs;
}

/// The time left supposes that every run goes on to --iterations.
void show_progress(const mlp_stats::RunProgress& progress, std::uint64_t max_iterations) {
  double steps_left = static_cast<double>(progress.n_runs - progress.n_done) * static_cast<double>(max_iterations);
  std::string newest;
  for (const RunReport& run : progress.active) {
    steps_left -= static_cast<double>(run.iteration);
    newest = "K = " + std::to_string(run.options.n_items) + " seed " + std::to_string(run.options.seed) + ": " +
             std::to_string(run.iteration) + " steps" + (run.last ? ", c1 = " + human(run.last->c1, 3) : "");
  }
  show_progress_line(progress.n_done, progress.n_runs,
                     human(progress.steps_per_second, 3) + " steps/s, at most " +
                         duration(steps_left / progress.steps_per_second) + " left; " + newest);
}

/// Weights of order one are float32 numbers 6e-8 to 1.2e-7 apart, and a step changes them by about lr c1.
constexpr double kSmallestFloatStep = 1.5e-7;

/// Runs whose last steps were too small for the numbers that hold the weights.
std::vector<std::string> rounding_warnings(const std::vector<RunReport>& reports) {
  std::size_t n = 0;
  for (const RunReport& run : reports) {
    if (run.options.precision == mlp_stats::Precision::float64 || !run.last) continue;
    if (run.options.lr * run.last->c1 < kSmallestFloatStep) ++n;
  }
  if (n == 0) return {};
  return {std::to_string(n) + (n == 1 ? " run" : " runs") + " came to lr x c1 below " + human(kSmallestFloatStep, 3) +
          ": float32 rounds such steps away and the end of the curve is wrong; take --precision float64 --backend "
          "eigen, or a larger --lr"};
}

Answer answer_of(const TrainInput& input, const std::vector<RunReport>& reports) {
  PrintedTable table({"K", "seed", "status", "SGD steps", "c1", "accuracy", "file"}, "rrlrrrl");
  CsvText csv({"n_items", "seed", "status", "iterations", "resumed_from", "c1", "accuracy", "file"});
  Json runs = Json::array();
  for (const RunReport& run : reports) {
    const bool known = run.status != RunStatus::kept;
    const std::optional<double> c1 = run.last ? std::optional(run.last->c1) : std::nullopt;
    const std::optional<double> accuracy = run.last ? std::optional(run.last->accuracy) : std::nullopt;
    const std::optional<std::uint64_t> steps = known ? std::optional(run.iteration) : std::nullopt;
    const std::optional<std::uint64_t> resumed = known ? std::optional(run.resumed_from) : std::nullopt;
    const std::string file = run.curve_file.string();
    table.add_row({std::to_string(run.options.n_items), std::to_string(run.options.seed),
                   std::string(mlp_stats::name(run.status)), steps ? std::to_string(*steps) : "-", human(c1, 3),
                   human(accuracy), file});
    csv.count(run.options.n_items).count(run.options.seed).cell(mlp_stats::name(run.status)).count(steps);
    csv.count(resumed).cell(c1).cell(accuracy).cell(std::string_view(file)).end_row();
    runs.push_back({{"file", file},
                    {"n_items", run.options.n_items},
                    {"seed", run.options.seed},
                    {"status", mlp_stats::name(run.status)},
                    {"iterations", json_count(steps)},
                    {"resumed_from", json_count(resumed)},
                    {"c1", json_number(c1)},
                    {"accuracy", json_number(accuracy)}});
  }
  const bool all_there = std::all_of(reports.begin(), reports.end(), [](const RunReport& run) {
    return run.status == RunStatus::finished || run.status == RunStatus::kept;
  });
  const bool interrupted = std::any_of(reports.begin(), reports.end(),
                                       [](const RunReport& run) { return run.status == RunStatus::interrupted; });
  Json settings = Json::object();
  for (const auto& [key, value] : mlp_stats::run_info(reports.front().options).entries) {
    if (key != "n_items" && key != "seed" && key != "program") settings[key] = value;
  }
  const std::vector<std::string> warnings = rounding_warnings(reports);
  Json json = {{"schema", "iclk-training 1"},
               {"program", "iclk " + std::string(version())},
               {"outcome", all_there     ? "finished"
                           : interrupted ? "interrupted"
                                         : "not_finite"},
               {"out", *input.out},
               {"settings", std::move(settings)},
               {"runs", std::move(runs)},
               {"warnings", warnings}};
  std::string text = table.str();
  for (const std::string& warning : warnings) text += "warning: " + warning + '\n';
  return {std::move(text), std::move(json), std::move(csv).take()};
}

Exit status_of(const std::vector<RunReport>& reports, const std::string& folder) {
  const auto n = [&](RunStatus status) {
    return std::count_if(reports.begin(), reports.end(), [&](const RunReport& run) { return run.status == status; });
  };
  if (n(RunStatus::interrupted) > 0) {
    std::cerr << "interrupted: " << n(RunStatus::finished) + n(RunStatus::kept) << " of " << reports.size()
              << " runs are finished in " << folder << "; the same command again resumes the others\n";
    return Exit::interrupted;
  }
  if (n(RunStatus::not_finite) > 0) {
    std::cerr << "not_finite: " << n(RunStatus::not_finite) << " of " << reports.size()
              << " runs diverged and wrote no curve; a smaller --lr may help\n";
    return Exit::no_answer;
  }
  return Exit::answered;
}

Exit train(const TrainInput& input) {
  if (input.n_items.empty()) throw field_error("--items", "is required: numbers of items, e.g. 500,1000");
  if (!input.out) throw field_error("--out", "is required: the folder for the curve files");
  const std::vector<TrainingOptions> runs = all_runs(input);
  if (runs.front().backend == mlp_stats::BackendKind::cuda) {
    if (const auto problem = mlp_stats::cuda_problem()) throw field_error("--backend", *problem);
  }
  check_destinations(input.destinations, {});
  mlp_stats::TrainingRunsOptions options;
  options.jobs = static_cast<int>(input.jobs);
  options.stop = &catch_interrupts();
  const bool shows_progress = !input.destinations.quiet && ::isatty(STDERR_FILENO) != 0;
  if (shows_progress) {
    options.on_progress = [&](const mlp_stats::RunProgress& progress) {
      show_progress(progress, input.run.max_iterations);
    };
  }
  const std::vector<RunReport> reports = mlp_stats::train_runs(runs, *input.out, options);
  if (shows_progress) clear_progress_line();
  write_answer(input.destinations, answer_of(input, reports));
  return status_of(reports, *input.out);
}

}  // namespace

Action declare_train(VerbOptions& options) {
  const auto input = std::make_shared<TrainInput>();
  options.explain(
      "trains MLPs on K random item-label pairs and writes their memorization curves",
      "Trains the paper's MLP (3 layers, ReLU, logistic loss, SGD) to memorize K random items, once for each K and "
      "seed, and "
      "writes c1, c2, c3, loss and accuracy, exact averages over all items at logarithmically spaced steps, to "
      "DIR/k500_s0.curves.csv and so on. Runs side by side do not change each other. The same command again keeps "
      "finished "
      "runs and resumes broken ones, whether stopped by Ctrl-C or killed, with the same bytes as an undisturbed run.");
  options.counts("--items", input->n_items, {.low = 2, .high = mlp_stats::kMaxItems},
                 "K: a,b,c and half-open ranges a:b (required)");
  options.counts("--seeds", input->seeds, {}, "seeds of items, labels, weights and batches; 0:3 means 0,1,2", "0");
  options.text("--out", input->out, "DIR", "folder for the curve files, made if it does not exist (required)");
  options.count("--iterations", input->run.max_iterations, {.low = 1, .high = 1'000'000'000'000},
                "stop after this many SGD steps");
  options.number("--stop-c1", input->stop_c1, number_from(0.0, 0.5), "stop once c1 is below this; 0 never");
  options.count("--dim", input->run.dim, {.low = 1, .high = mlp_stats::kMaxWidth}, "coordinates of an item");
  options.count("--hidden", input->run.hidden, {.low = 1, .high = mlp_stats::kMaxWidth}, "width of both hidden layers");
  options.count("--batch", input->run.batch, {.low = 1, .high = mlp_stats::kMaxWidth}, "items per SGD step");
  options.number("--lr", input->run.lr, positive_number(), "learning rate; time = lr x SGD step");
  options.number("--weight-decay", input->run.weight_decay, {.low = 0.0, .words = "a number, at least 0"},
                 "added to the gradient, times the parameter");
  options.choice("--input", input->input_form, names(kInputForms),
                 "raw: the item itself; token: the normalized token that the transformer's MLP sees");
  options.choice("--labels", input->labels, names(kLabels),
                 "random: each label by a fair coin; balanced: exactly half of each, K even");
  options.choice("--sampling", input->sampling, names(kSamplings),
                 "items of a batch: drawn uniformly, or in epochs that use every item once");
  options.count("--points-per-decade", input->points_per_decade, {.low = 1, .high = 10'000},
                "measurements per factor of ten in SGD steps");
  options.choice("--backend", input->backend, names(kBackends),
                 "onednn is fast, eigen is the readable reference, cuda trains many runs at once on an NVIDIA card");
  options.choice("--precision", input->precision, names(kPrecisions),
                 "of the weights; float64 needs --backend eigen, tf32 (faster matrix products) --backend cuda");
  options.count("--jobs", input->jobs, {.high = 4096},
                "runs side by side, one thread each; 0: one per core (cuda: trained together; 0: 64)");
  declare_destinations(options, input->destinations);
  options.example("iclk train --items 500,1000,2000,4000 --seeds 0:3 --out runs",
                  "the curves of Fig. 5, up to K = 4000");
  options.example("iclk train --items 100 --out quick --hidden 64 --iterations 20000", "a small run, in seconds");
  return [input] { return train(*input); };
}

}  // namespace iclk::cli
