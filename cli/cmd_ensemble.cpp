#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "attention_point.hpp"
#include "curve_files.hpp"
#include "ensemble_answer.hpp"
#include "ensemble_output.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "point_table.hpp"
#include "verbs.hpp"

namespace iclk::cli {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// 8 bytes of memory for each run, 32 with --runs.
constexpr CountRule kSamplesRule{.low = 0, .high = 1'000'000'000};

constexpr double kNothingKnown = 0.95;  // P(ICL) that is open by more than this says nothing

NumberRule sd_rule() { return number_from(0.0, 100.0); }

struct EnsembleInput {
  std::optional<std::uint64_t> n_context;
  double beta0_mean = 0.0, beta0_sd = 0.0, w0_mean = 0.0, w0_sd = 0.0;
  std::vector<std::string> files;
  std::optional<double> lr;
  std::vector<std::uint64_t> n_items;
  std::optional<std::string> i_infinity_text;
  double c2 = 0.5;
  std::uint64_t samples = 100'000;
  std::uint64_t seed = 0;
  std::uint64_t jobs = 0;
  std::uint64_t bins = 60;
  std::optional<std::string> distribution;
  std::optional<std::string> runs;
  std::optional<std::string> table;
  Destinations destinations;

  std::optional<double> i_infinity() const {
    if (!i_infinity_text) return std::nullopt;
    if (*i_infinity_text == "inf") return kInfinity;
    NumberRule rule = positive_number();
    rule.words = "a positive number or inf";
    return parse_checked_number("--i-infinity", *i_infinity_text, rule);
  }

  EnsembleQuestion question() const {
    return {.n_context = static_cast<double>(n_context.value_or(0)),
            .start = {.beta0_mean = beta0_mean, .beta0_sd = beta0_sd, .w0_mean = w0_mean, .w0_sd = w0_sd},
            .c2 = c2,
            .n_samples = samples,
            .seed = seed,
            .jobs = static_cast<int>(jobs),
            .keep_runs = runs.has_value()};
  }
};

/// One line on a terminal that is written over itself: trajectories done of all that were asked for.
class Progress {
 public:
  Progress(bool shown, std::uint64_t n_all)
      : shown_(shown && ::isatty(STDERR_FILENO) != 0), n_all_(n_all), start_(Clock::now()) {}
  ~Progress() {
    if (written_) std::cerr << "\r\x1b[K" << std::flush;
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  std::function<void(std::uint64_t)> callback() {
    if (!shown_) return {};
    return [this](std::uint64_t n_done) { show(finished_ + n_done); };
  }
  void finish(std::uint64_t n) { finished_ += n; }

 private:
  using Clock = std::chrono::steady_clock;

  void show(std::uint64_t n_done) {
    constexpr std::size_t kWidth = 20;
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    const double rate = static_cast<double>(n_done) / seconds;
    const auto filled = static_cast<std::size_t>(kWidth * static_cast<double>(n_done) / static_cast<double>(n_all_));
    std::string line = "[" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "] " + human(rate, 3) +
                       " runs/s, " + human(std::ceil(static_cast<double>(n_all_ - n_done) / rate), 6) + " s left";
    line.resize(78, ' ');
    std::cerr << '\r' << line << std::flush;
    written_ = true;
  }

  bool shown_;
  bool written_ = false;
  std::uint64_t n_all_;
  std::uint64_t finished_ = 0;
  Clock::time_point start_;
};

std::vector<EnsembleCurve> answer_for_curves(const EnsembleInput& input, std::vector<MeasuredCurve> measured) {
  Progress progress(!input.destinations.quiet, input.samples * measured.size());
  EnsembleQuestion question = input.question();
  question.on_progress = progress.callback();
  std::vector<EnsembleCurve> curves;
  for (MeasuredCurve& curve : measured) {
    theory::CurveFlow flow(curve.curves, question.n_context);
    EnsembleAnswer answer = ensemble_answer(question, flow);
    progress.finish(input.samples);
    curves.push_back({std::move(curve), std::move(flow), std::move(answer)});
  }
  return curves;
}

/// --table: closed forms with I_K(infinity) from the table, or one curve for every row.
Answer answer_for_table(const VerbOptions& options, const EnsembleInput& input) {
  const std::optional<double> i_infinity = input.i_infinity();
  std::optional<MeasuredCurve> curve;
  if (!input.files.empty()) {
    std::vector<MeasuredCurve> curves = read_all_curves(input.files, input.lr, input.n_items);
    if (curves.size() != 1) {
      throw field_error("--curve", "expected one curve beside --table, got " + std::to_string(curves.size()));
    }
    curve = std::move(curves.front());
  }
  PointTableAnswer how;
  how.inputs = {point_count("--context", input.n_context, kContextRule),
                point_number("--beta0-mean", input.beta0_mean, start_rule()),
                point_number("--beta0-sd", input.beta0_sd, sd_rule()),
                point_number("--w0-mean", input.w0_mean, start_rule()),
                point_number("--w0-sd", input.w0_sd, sd_rule()),
                point_number("--c2", input.c2, number_from(0.0, 1.0))};
  if (!curve) how.inputs.push_back(point_number("--i-infinity", i_infinity, positive_number()));
  how.columns = table_columns(curve.has_value());
  how.head = {{"schema", "iclk-ensemble 1"},
              {"program", "iclk " + std::string(version())},
              {"samples", input.samples},
              {"seed", input.seed}};
  if (curve) how.head["curve"] = curve->source;
  std::map<double, theory::CurveFlow> flows;  // by N
  how.answer = [&](std::span<const double> values) {
    EnsembleQuestion question = input.question();
    question.n_context = values[0];
    question.start = {.beta0_mean = values[1], .beta0_sd = values[2], .w0_mean = values[3], .w0_sd = values[4]};
    question.c2 = values[5];
    if (!curve) return table_cells(ensemble_answer(question, values[6]), nullptr);
    auto flow = flows.find(question.n_context);
    if (flow == flows.end()) {
      flow = flows.emplace(question.n_context, theory::CurveFlow(curve->curves, question.n_context)).first;
    }
    return table_cells(ensemble_answer(question, flow->second), &flow->second);
  };
  return answer_for_table(options, *input.table, input.destinations, how);
}

void refuse(const VerbOptions& options, std::initializer_list<const char*> names, const std::string& why) {
  for (const char* name : names) {
    if (options.given(name)) throw field_error(name, why);
  }
}

void check_input(const VerbOptions& options, const EnsembleInput& input) {
  if (!input.table && !input.n_context) {
    throw field_error("--context", "is required: the number of labelled exemplars in a context");
  }
  if (!input.files.empty() && input.i_infinity_text) {
    throw field_error("--i-infinity", "cannot be combined with --curve, which has its own");
  }
  if (input.files.empty() && !input.i_infinity_text && !input.table) {
    throw field_error("--curve", "expected --curve or --i-infinity: what the runs memorize meanwhile");
  }
  if (input.files.empty()) refuse(options, {"--lr", "--items"}, "belongs to --curve");
  if (input.table) refuse(options, {"--distribution", "--runs"}, "cannot be combined with --table");
  if (input.samples == 0) refuse(options, {"--runs"}, "needs --samples of at least 1");
  if (!input.distribution) refuse(options, {"--bins"}, "belongs to --distribution");
  std::vector<std::string> inputs = input.files;
  if (input.table) inputs.push_back(*input.table);
  check_destinations(input.destinations, inputs);
  std::vector<std::string> outputs;
  for (const auto& path : {input.destinations.json, input.destinations.csv}) {
    if (path) outputs.push_back(*path);
  }
  for (const auto& [name, path] : {std::pair("--distribution", input.distribution), std::pair("--runs", input.runs)}) {
    if (!path) continue;
    check_destination(name, *path, inputs);
    if (std::find(outputs.begin(), outputs.end(), *path) != outputs.end()) {
      throw field_error(name, "\"" + *path + "\" is already the output of another option");
    }
    outputs.push_back(*path);
  }
}

void write_extra(const EnsembleInput& input, const EnsembleQuestion& question, const std::vector<EnsembleCurve>& curves,
                 const EnsembleAnswer* known, double i_infinity) {
  const int bins = static_cast<int>(input.bins);
  if (input.distribution) {
    DistributionCsv csv;
    if (known != nullptr) csv.add(nullptr, distribution_rows(question, *known, nullptr, i_infinity, bins));
    for (const EnsembleCurve& each : curves) {
      csv.add(&each.curve, distribution_rows(question, each.answer, &each.flow, i_infinity, bins));
    }
    write_output(*input.distribution, std::move(csv).take());
  }
  if (input.runs) {
    RunsCsv csv;
    if (known != nullptr) csv.add(nullptr, nullptr, *known, i_infinity);
    for (const EnsembleCurve& each : curves) csv.add(&each.curve, &each.flow, each.answer, i_infinity);
    write_output(*input.runs, std::move(csv).take());
  }
}

bool stdout_taken(const EnsembleInput& input) {
  return input.distribution == std::optional<std::string>("-") || input.runs == std::optional<std::string>("-");
}

Exit ensemble(const VerbOptions& options, const EnsembleInput& input) {
  check_input(options, input);
  if (input.table) {
    write_answer(input.destinations, answer_for_table(options, input));
    return Exit::answered;
  }
  const EnsembleQuestion question = input.question();
  Answer answer;
  bool answered = true;
  if (const std::optional<double> i_infinity = input.i_infinity()) {
    EnsembleAnswer known;
    {
      Progress progress(!input.destinations.quiet, input.samples);
      EnsembleQuestion with_progress = question;
      with_progress.on_progress = progress.callback();
      known = ensemble_answer(with_progress, *i_infinity);
    }
    answer = answer_of_integral(question, known, *i_infinity);
    write_extra(input, question, {}, &known, *i_infinity);
  } else {
    const std::vector<EnsembleCurve> curves =
        answer_for_curves(input, read_all_curves(input.files, input.lr, input.n_items));
    const EnsembleThreshold threshold = ensemble_threshold(question, curves);
    answered = std::any_of(curves.begin(), curves.end(), [](const EnsembleCurve& each) {
      return *each.answer.p_icl_exact.high - *each.answer.p_icl_exact.low < kNothingKnown;
    });
    answer = answer_of_curves(question, curves, threshold, answered);
    write_extra(input, question, curves, nullptr, 0.0);
  }
  if (stdout_taken(input)) {
    Destinations files = input.destinations;  // nothing else on standard output
    if (files.json) write_output(*files.json, answer.json.dump(2) + '\n');
    if (files.csv) write_output(*files.csv, answer.csv);
  } else {
    write_answer(input.destinations, answer);
  }
  return answered ? Exit::answered : Exit::no_answer;
}

}  // namespace

Action declare_ensemble(VerbOptions& options) {
  const auto input = std::make_shared<EnsembleInput>();
  options.explain(
      "distribution of t_ICL over random beta0 and w0, P(ICL) and its threshold in K",
      "Training runs differ in the start values of attention, beta0 and w0, normal and independent over seeds. Along "
      "each measured curve c1(t), c2(t) this integrates Eqs. 7-8 from --samples random starts and says which share "
      "learns in context (P), when, and which share never does; beside it stand the exact distribution by quadrature, "
      "the closed form for constant c2, and the lognormal law that neglects damping. From curves at several K follow "
      "K* and the width of the transition. Instead of a curve, --i-infinity takes a known I_K(infinity) and c2 is "
      "constant. The numbers depend on --seed, not on --jobs.");
  options.count("--context", input->n_context, kContextRule,
                "N, labelled exemplars in a context (required unless the table has it)");
  options.number("--beta0-mean", input->beta0_mean, start_rule(), "mean of beta0 over seeds");
  options.number("--beta0-sd", input->beta0_sd, sd_rule(), "standard deviation of beta0 over seeds");
  options.number("--w0-mean", input->w0_mean, start_rule(), "mean of w0 over seeds");
  options.number("--w0-sd", input->w0_sd, sd_rule(), "standard deviation of w0 over seeds");
  options.texts("--curve", input->files, "FILE", "curve files as for iclk predict; one answer per curve");
  declare_foreign_curves(options, input->lr, input->n_items);
  options.text("--i-infinity", input->i_infinity_text, "X",
               "I_K(infinity) instead of a curve; inf: an MLP that never memorizes, for which I_K is the time itself");
  options.number("--c2", input->c2, number_from(0.0, 1.0), "constant c2 of the closed forms");
  options.count("--samples", input->samples, kSamplesRule, "random starts per curve; 0: exact columns only");
  options.count("--seed", input->seed, {}, "of the random starts");
  options.count("--jobs", input->jobs, {.high = 4096}, "threads; 0: one per core");
  options.text("--distribution", input->distribution, "FILE",
               "write histogram and distribution function of t_ICL as CSV; - is standard output");
  options.count("--bins", input->bins, {.low = 1, .high = 100'000}, "intervals of the histogram, of equal ratio");
  options.text("--runs", input->runs, "FILE",
               "write one row per sampled run as CSV: start, required I_K, outcome, t_ICL; - is standard output");
  options.text(
      "--table", input->table, "FILE",
      "CSV with columns context (or N), beta0_mean, beta0_sd, w0_mean, w0_sd, c2, i_infinity in any order, one "
      "point per row; a column that is absent comes from its option, other columns are passed through");
  declare_destinations(options, input->destinations);
  options.example("iclk ensemble --curve runs/*.curves.csv --context 100 --beta0-sd 0.3",
                  "P of in-context learning against K");
  options.example("iclk ensemble --i-infinity 270 --context 100 --beta0-sd 0.3 --w0-sd 0.2 --distribution t.csv",
                  "a known I_K(infinity)");
  return [input, &options] { return ensemble(options, *input); };
}

}  // namespace iclk::cli
