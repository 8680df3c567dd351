#include "iclk/mlp_stats/training_runs.hpp"

#include <algorithm>
#include <set>
#include <string>

#include "checkpoint.hpp"
#include "iclk/core/checkpoint_file.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_set.hpp"

namespace iclk::mlp_stats {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kStepsPerTurn = 256;  // about half a second: how promptly a run notices a stop

fs::path checkpoint_file(const fs::path& folder, const TrainingOptions& options) {
  return curve_file(folder, options).replace_extension().replace_extension(".checkpoint");
}

/// One run in work: trains, and writes its curve at the end.
class TrainingRun final : public ResumableRun {
 public:
  TrainingRun(RunReport report, const fs::path& folder)
      : report_(std::move(report)),
        checkpoint_(checkpoint_file(folder, report_.options)),
        trainer_(resumed(report_.options, checkpoint_)) {
    report_.resumed_from = trainer_.iteration();
  }

  bool advance() override {
    const TrainingOutcome outcome = trainer_.advance(kStepsPerTurn);
    report_.iteration = trainer_.iteration();
    if (!trainer_.samples().empty()) report_.last = trainer_.samples().back().values;
    if (outcome == TrainingOutcome::unfinished) return true;
    finish(outcome);
    return false;
  }

  void save() override { write_checkpoint(checkpoint_, report_.options, trainer_.state()); }
  std::uint64_t iteration() const noexcept override { return trainer_.iteration(); }
  const RunReport& report() const noexcept { return report_; }

 private:
  static Trainer resumed(const TrainingOptions& options, const fs::path& checkpoint) {
    const auto saved = read_checkpoint(checkpoint, options);
    return saved ? Trainer(options, *saved) : Trainer(options);
  }

  void finish(TrainingOutcome outcome) {
    if (outcome == TrainingOutcome::not_finite) {
      report_.status = RunStatus::not_finite;
    } else {
      RunInfo info = run_info(report_.options);
      info.add("outcome", std::string(name(outcome)));
      write_curves(report_.curve_file, info, trainer_.samples());
      report_.status = RunStatus::finished;
    }
    std::error_code ignored;  // a checkpoint left behind does no harm: the curve file comes first
    fs::remove(checkpoint_, ignored);
  }

  RunReport report_;
  fs::path checkpoint_;
  Trainer trainer_;
};

/// One report per run, all still to do. Throws Error for bad options and two runs with one file name.
std::vector<RunReport> planned(std::span<const TrainingOptions> runs, const fs::path& folder) {
  std::vector<RunReport> reports(runs.size());
  std::set<fs::path> files;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    validate(runs[i]);
    reports[i].options = runs[i];
    reports[i].curve_file = curve_file(folder, runs[i]);
    if (!files.insert(reports[i].curve_file).second) {
      throw field_error("items", "two runs would write " + reports[i].curve_file.string());
    }
  }
  return reports;
}

/// Marks the runs whose curve is there and returns the others, in the order in which they start.
std::vector<std::size_t> queue_of(std::vector<RunReport>& reports, const fs::path& folder) {
  std::vector<std::size_t> queue;
  for (RunReport& report : reports) {
    if (fs::exists(report.curve_file)) {
      require_same_settings(report.curve_file, read_settings(report.curve_file), run_info(report.options));
      report.status = RunStatus::kept;
      std::error_code ignored;
      fs::remove(checkpoint_file(folder, report.options), ignored);  // left by a kill just after the curve
    } else {
      read_checkpoint(checkpoint_file(folder, report.options), report.options);  // throws if it cannot be used
      queue.push_back(static_cast<std::size_t>(&report - reports.data()));
    }
  }
  // Memorization takes longer for more items: starting those first keeps all threads busy to the end.
  std::stable_sort(queue.begin(), queue.end(), [&](std::size_t a, std::size_t b) {
    return reports[a].options.n_items > reports[b].options.n_items;
  });
  return queue;
}

RunProgress progress_of(const std::vector<RunReport>& reports, const RunSetProgress& work) {
  RunProgress progress;
  progress.n_runs = reports.size();
  progress.steps_done = work.steps_done;
  progress.steps_per_second = work.steps_per_second;
  for (const RunReport& report : reports) {
    if (report.status == RunStatus::finished || report.status == RunStatus::kept) ++progress.n_done;
  }
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
    case RunStatus::not_finite:
      return "not_finite";
  }
  return "";
}

fs::path curve_file(const fs::path& folder, const TrainingOptions& options) {
  std::string file = "k";
  file += std::to_string(options.n_items) + "_s" + std::to_string(options.seed) + ".curves.csv";
  return folder / file;
}

std::vector<RunReport> train_runs(std::span<const TrainingOptions> runs, const fs::path& folder,
                                  const TrainingRunsOptions& options) {
  std::vector<RunReport> reports = planned(runs, folder);
  const RunFolder in_use(folder);
  const std::vector<std::size_t> queue = queue_of(reports, folder);
  RunSetOptions set{.jobs = options.jobs, .checkpoint_seconds = options.checkpoint_seconds, .stop = options.stop};
  set.after_turn = [&](std::size_t index, const ResumableRun& run) {
    reports[index] = static_cast<const TrainingRun&>(run).report();
  };
  if (options.on_progress) {
    set.on_progress = [&](const RunSetProgress& work) { options.on_progress(progress_of(reports, work)); };
  }
  work_through(
      queue, [&](std::size_t index) { return std::make_unique<TrainingRun>(reports[index], folder); }, set);
  return reports;
}

}  // namespace iclk::mlp_stats
