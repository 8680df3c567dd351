#include "iclk/mlp_stats/training_runs.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <exception>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "checkpoint.hpp"
#include "iclk/core/error.hpp"

namespace iclk::mlp_stats {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kStepsPerTurn = 256;  // about half a second: how promptly a run notices a stop
constexpr double kProgressSeconds = 0.5;      // between two calls of on_progress
constexpr double kRateSeconds = 10.0;         // window of the reported rate

fs::path checkpoint_file(const fs::path& folder, const TrainingOptions& options) {
  return curve_file(folder, options).replace_extension().replace_extension(".checkpoint");
}

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// The settings at the head of a curve file, without reading its rows.
RunInfo read_settings(const fs::path& path) {
  std::ifstream file(path);
  RunInfo info;
  std::string line;
  while (std::getline(file, line) && line.starts_with("# ")) {
    const auto colon = line.find(": ");
    if (colon != std::string::npos) info.add(line.substr(2, colon - 2), line.substr(colon + 2));
  }
  return info;
}

/// Marks the folder as in use while it lives, and clears away the unfinished files of programs that were killed.
/// Several programs may train into one folder: each holds a shared lock, and only one that finds itself alone clears
/// up. File systems that cannot lock a folder keep the leftovers (hidden files `.iclk-*.tmp`, harmless).
class FolderInUse {
 public:
  explicit FolderInUse(const fs::path& folder)
      : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ < 0) return;
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {
      for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string file = entry.path().filename().string();
        std::error_code ignored;
        if (file.starts_with(".iclk-") && file.ends_with(".tmp")) fs::remove(entry.path(), ignored);
      }
    }
    ::flock(descriptor_, LOCK_SH | LOCK_NB);
  }
  ~FolderInUse() {
    if (descriptor_ >= 0) ::close(descriptor_);  // releases the lock
  }
  FolderInUse(const FolderInUse&) = delete;
  FolderInUse& operator=(const FolderInUse&) = delete;

 private:
  int descriptor_;
};

/// The runs of one call of train_runs, shared by its threads.
class RunSet {
 public:
  RunSet(std::span<const TrainingOptions> runs, const fs::path& folder, const TrainingRunsOptions& options)
      : folder_(folder), options_(options), reports_(runs.size()), active_(runs.size(), false) {
    std::set<fs::path> files;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      validate(runs[i]);
      RunReport& report = reports_[i];
      report.options = runs[i];
      report.curve_file = curve_file(folder, runs[i]);
      if (!files.insert(report.curve_file).second) {
        throw field_error("items", "two runs would write " + report.curve_file.string());
      }
    }
    std::error_code failure;
    fs::create_directories(folder, failure);
    if (failure) {
      throw Error(Location{.file = folder.string(), .line = {}, .field = {}}, "cannot be made: " + failure.message());
    }
    in_use_.emplace(folder);
    const fs::path probe = folder / ".iclk-write-test.tmp";
    write_file_atomically(probe, "");
    fs::remove(probe, failure);
    for (RunReport& report : reports_) {
      if (fs::exists(report.curve_file)) {
        require_same_settings(report.curve_file, read_settings(report.curve_file), run_info(report.options));
        report.status = RunStatus::kept;
        fs::remove(checkpoint_file(folder, report.options), failure);  // left by a kill just after the curve
      } else {
        read_checkpoint(checkpoint_file(folder, report.options), report.options);  // throws if it cannot be used
        queue_.push_back(static_cast<std::size_t>(&report - reports_.data()));
      }
    }
    // Memorization takes longer for more items: starting those first keeps all threads busy to the end.
    std::stable_sort(queue_.begin(), queue_.end(), [&](std::size_t a, std::size_t b) {
      return reports_[a].options.n_items > reports_[b].options.n_items;
    });
    history_.push_back({Clock::now(), 0});
  }

  std::size_t n_queued() const { return queue_.size(); }

  /// Works through the queue until it is empty, the caller asks to stop, or a run fails.
  void work() noexcept {
    for (;;) {
      std::size_t index = 0;
      {
        const std::scoped_lock lock(mutex_);
        if (queue_.empty() || stopping()) return;
        index = queue_.front();
        queue_.pop_front();
        active_[index] = true;
      }
      try {
        train(index);
      } catch (...) {
        const std::scoped_lock lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
      const std::scoped_lock lock(mutex_);
      active_[index] = false;
    }
  }

  std::vector<RunReport> finish() {
    if (failure_) std::rethrow_exception(failure_);
    return std::move(reports_);
  }

 private:
  bool stopping() const { return failure_ || (options_.stop != nullptr && options_.stop->load()); }

  void train(std::size_t index) {
    RunReport report = reports_[index];
    const fs::path checkpoint = checkpoint_file(folder_, report.options);
    const auto saved = read_checkpoint(checkpoint, report.options);
    Trainer trainer = saved ? Trainer(report.options, *saved) : Trainer(report.options);
    report.resumed_from = trainer.iteration();
    auto last_save = Clock::now();
    for (;;) {
      const std::uint64_t before = trainer.iteration();
      const TrainingOutcome outcome = trainer.advance(kStepsPerTurn);
      report.iteration = trainer.iteration();
      if (!trainer.samples().empty()) report.last = trainer.samples().back().values;
      bool stop = false;
      {
        const std::scoped_lock lock(mutex_);
        stop = stopping();
        reports_[index] = report;
        steps_done_ += trainer.iteration() - before;
        show_progress();
      }
      if (outcome != TrainingOutcome::unfinished) {
        finish_run(report, outcome, trainer, checkpoint);
        break;
      }
      const auto now = Clock::now();
      if (stop || seconds_between(last_save, now) >= options_.checkpoint_seconds) {
        write_checkpoint(checkpoint, report.options, trainer.state());
        last_save = now;
      }
      if (stop) break;
    }
    const std::scoped_lock lock(mutex_);
    reports_[index] = report;
  }

  static void finish_run(RunReport& report, TrainingOutcome outcome, const Trainer& trainer,
                         const fs::path& checkpoint) {
    if (outcome == TrainingOutcome::not_finite) {
      report.status = RunStatus::not_finite;
    } else {
      RunInfo info = run_info(report.options);
      info.add("outcome", std::string(name(outcome)));
      write_curves(report.curve_file, info, trainer.samples());
      report.status = RunStatus::finished;
    }
    std::error_code ignored;  // a checkpoint left behind does no harm: the curve file comes first
    fs::remove(checkpoint, ignored);
  }

  void show_progress() {
    const auto now = Clock::now();
    if (!options_.on_progress || seconds_between(history_.back().when, now) < kProgressSeconds) return;
    history_.push_back({now, steps_done_});
    while (history_.size() > 2 && seconds_between(history_.front().when, now) > kRateSeconds) history_.pop_front();
    RunProgress progress;
    progress.n_runs = reports_.size();
    progress.steps_done = steps_done_;
    progress.steps_per_second =
        static_cast<double>(steps_done_ - history_.front().steps) / seconds_between(history_.front().when, now);
    for (std::size_t i = 0; i < reports_.size(); ++i) {
      if (reports_[i].status == RunStatus::finished || reports_[i].status == RunStatus::kept) ++progress.n_done;
      if (active_[i]) progress.active.push_back(reports_[i]);
    }
    options_.on_progress(progress);
  }

  struct Moment {
    Clock::time_point when;
    std::uint64_t steps;
  };

  fs::path folder_;
  const TrainingRunsOptions& options_;
  std::optional<FolderInUse> in_use_;
  std::mutex mutex_;
  std::vector<RunReport> reports_;
  std::vector<bool> active_;
  std::deque<std::size_t> queue_;
  std::exception_ptr failure_;
  std::uint64_t steps_done_ = 0;
  std::deque<Moment> history_;
};

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
  RunSet set(runs, folder, options);
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t wanted = options.jobs > 0 ? static_cast<std::size_t>(options.jobs) : cores;
  const std::size_t n_threads = std::min(wanted, set.n_queued());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < n_threads; ++i) threads.emplace_back([&set] { set.work(); });
  }
  return set.finish();
}

}  // namespace iclk::mlp_stats
