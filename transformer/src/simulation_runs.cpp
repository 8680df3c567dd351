#include "iclk/transformer/simulation_runs.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>

#include "iclk/core/checkpoint_file.hpp"
#include "iclk/core/curve_file.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_set.hpp"
#include "runtimes.hpp"
#include "simulation_checkpoint.hpp"

namespace iclk::transformer {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr double kTurnSeconds = 0.3;             // how promptly a run notices a stop
constexpr std::uint64_t kLargestTurn = 1 << 16;  // SGD steps

constexpr const char* kDiverged = "not_finite: the training diverged; a smaller lr may help";

constexpr std::string_view kResult = ".simulation.csv";
constexpr std::string_view kCheckpoint = ".checkpoint";
constexpr std::string_view kFailure = ".failed";

fs::path file_of(const fs::path& folder, const SimulationOptions& options, std::string_view ending) {
  std::string file = run_name(options);
  return folder / file.append(ending);
}

/// The run's file of another ending, beside its result.
fs::path beside(const fs::path& result, std::string_view ending) {
  std::string file = result.string();
  file.resize(file.size() - kResult.size());
  return file.append(ending);
}

/// One run in work: trains, and writes its result at the end, or why there is none.
class SimulationRun final : public ResumableRun {
 public:
  SimulationRun(SimulationReport report, const fs::path& folder, const ModelFactory& factory)
      : report_(std::move(report)), folder_(folder) {
    std::error_code ignored;
    fs::remove(beside(report_.file, kFailure), ignored);
    try {
      const auto saved = read_checkpoint(beside(report_.file, kCheckpoint), report_.options);
      if (saved)
        run_.emplace(report_.options, *saved, factory);
      else
        run_.emplace(report_.options, factory);
      report_.resumed_from = report_.iteration = run_->iteration();
    } catch (const std::exception& error) {
      fail(error.what());
    }
  }

  bool advance() override {
    if (!run_) return false;
    const auto started = Clock::now();
    const std::uint64_t before = run_->iteration();
    try {
      run_->advance(steps_per_turn_);
    } catch (const std::exception& error) {
      fail(error.what());
      return false;
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
    seconds_ += seconds;
    if (run_->iteration() - before == steps_per_turn_) choose_turn(seconds);
    report_.iteration = run_->iteration();
    if (!run_->samples().empty()) report_.last = run_->samples().back();
    if (run_->outcome() == SimulationOutcome::unfinished) return true;
    finish();
    return false;
  }

  void save() override {
    if (run_) write_checkpoint(beside(report_.file, kCheckpoint), report_.options, run_->state());
  }
  std::uint64_t iteration() const noexcept override { return report_.iteration; }
  const SimulationReport& report() const noexcept { return report_; }

 private:
  /// Steps of very different cost: the turn grows or shrinks until it takes about kTurnSeconds.
  void choose_turn(double seconds) {
    if (seconds < 0.5 * kTurnSeconds) steps_per_turn_ = std::min(kLargestTurn, 2 * steps_per_turn_);
    if (seconds > 2.0 * kTurnSeconds) steps_per_turn_ = std::max<std::uint64_t>(1, steps_per_turn_ / 2);
  }

  void finish() {
    if (run_->outcome() == SimulationOutcome::not_finite) return fail(kDiverged);
    write_simulation(report_.file, report_.options, *run_);
    report_.status = RunStatus::finished;
    report_.head = read_settings(report_.file);
    add_runtime(folder_, {.run = run_name(report_.options),
                          .iterations = report_.iteration,
                          .seconds_per_step = seconds_ / static_cast<double>(std::max<std::uint64_t>(
                                                             1, report_.iteration - report_.resumed_from))});
    std::error_code ignored;  // a checkpoint left behind does no harm: the result comes first
    fs::remove(beside(report_.file, kCheckpoint), ignored);
  }

  void fail(const std::string& problem) {
    report_.status = RunStatus::failed;
    report_.problem = problem;
    std::string line = problem;
    std::replace(line.begin(), line.end(), '\n', ' ');
    write_file_atomically(beside(report_.file, kFailure), line + '\n');
    std::error_code ignored;
    fs::remove(beside(report_.file, kCheckpoint), ignored);
  }

  SimulationReport report_;
  fs::path folder_;
  std::optional<Simulation> run_;
  std::uint64_t steps_per_turn_ = 16;
  double seconds_ = 0.0;  // of training, by this call
};

/// One report per run, all still to do. Throws Error for bad options and the same run twice.
std::vector<SimulationReport> planned(std::span<const SimulationOptions> runs, const fs::path& folder) {
  std::vector<SimulationReport> reports(runs.size());
  std::set<fs::path> files;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    validate(runs[i]);
    reports[i].options = runs[i];
    reports[i].file = simulation_file(folder, runs[i]);
    if (!files.insert(reports[i].file).second) {
      throw field_error("seed", "the same run twice: " + reports[i].file.string());
    }
  }
  return reports;
}

/// Takes over a result that is there. Throws Error when other settings made it.
void keep(SimulationReport& report) {
  report.head = read_settings(report.file);
  require_same_settings(report.file, report.head, settings_of(report.options));
  report.status = RunStatus::kept;
  if (const std::string* text = report.head.find("end_iteration")) {
    std::from_chars(text->data(), text->data() + text->size(), report.iteration);
  }
  std::error_code ignored;
  fs::remove(beside(report.file, kCheckpoint), ignored);  // left by a kill just after the result
}

SimulationProgress progress_of(const std::vector<SimulationReport>& reports, const RunSetProgress& work) {
  SimulationProgress progress;
  progress.n_runs = reports.size();
  progress.steps_done = work.steps_done;
  progress.steps_per_second = work.steps_per_second;
  progress.n_done = static_cast<std::size_t>(std::count_if(
      reports.begin(), reports.end(), [](const auto& report) { return report.status != RunStatus::interrupted; }));
  for (const std::size_t index : work.active) progress.active.push_back(reports[index]);
  return progress;
}

}  // namespace

std::string_view name(RunStatus status) noexcept {
  switch (status) {
    case RunStatus::finished:
      return "finished";
    case RunStatus::kept:
      return "kept";
    case RunStatus::interrupted:
      return "interrupted";
    case RunStatus::failed:
      return "failed";
  }
  return "";
}

fs::path simulation_file(const fs::path& folder, const SimulationOptions& options) {
  return file_of(folder, options, kResult);
}
fs::path checkpoint_file(const fs::path& folder, const SimulationOptions& options) {
  return file_of(folder, options, kCheckpoint);
}
fs::path failure_file(const fs::path& folder, const SimulationOptions& options) {
  return file_of(folder, options, kFailure);
}

std::vector<SimulationReport> simulate_runs(std::span<const SimulationOptions> runs, const fs::path& folder,
                                            const SimulationRunsOptions& options) {
  std::vector<SimulationReport> reports = planned(runs, folder);
  const RunFolder in_use(folder);
  std::vector<std::size_t> queue;
  for (std::size_t i = 0; i < reports.size(); ++i) {
    if (fs::exists(reports[i].file)) {
      keep(reports[i]);
    } else {
      read_checkpoint(beside(reports[i].file, kCheckpoint), reports[i].options);  // throws if it cannot be used
      queue.push_back(i);
    }
  }
  RunSetOptions set{.jobs = options.jobs, .checkpoint_seconds = options.checkpoint_seconds, .stop = options.stop};
  set.after_turn = [&](std::size_t index, const ResumableRun& run) {
    reports[index] = static_cast<const SimulationRun&>(run).report();
  };
  if (options.on_progress) {
    set.on_progress = [&](const RunSetProgress& work) { options.on_progress(progress_of(reports, work)); };
  }
  work_through(
      queue, [&](std::size_t index) { return std::make_unique<SimulationRun>(reports[index], folder, options.model); },
      set);
  return reports;
}

}  // namespace iclk::transformer
