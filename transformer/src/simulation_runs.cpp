#include "iclk/transformer/simulation_runs.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <chrono>
#include <set>

#include "iclk/core/checkpoint_file.hpp"
#include "iclk/core/curve_file.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_batch.hpp"
#include "measured_names.hpp"
#include "model_batch.hpp"
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
    } catch (const DeviceError&) {
      throw;
    } catch (const std::exception& error) {
      fail(error.what());
    }
  }

  /// Of a run that a batch trains and measures; none when it failed at its start.
  Simulation* simulation() noexcept { return run_ ? &*run_ : nullptr; }
  const Simulation* simulation() const noexcept { return run_ ? &*run_ : nullptr; }
  bool ended() const noexcept { return !run_ || run_->outcome() != SimulationOutcome::unfinished; }

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
    if (run_->iteration() - before == steps_per_turn_) choose_turn(seconds);
    return goes_on(seconds);
  }

  /// Takes over how the training stands after `seconds` more of it, and writes the result when it has ended.
  bool goes_on(double seconds) {
    if (!run_) return false;
    seconds_ += seconds;
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

/// The model of a run that is one of many on a device. The slot may change as the batch shrinks.
class SlotModel final : public IclModel {
 public:
  SlotModel(ModelBatch& batch, const std::size_t& slot, const SimulationOptions& options) : batch_(batch), slot_(slot) {
    SimulationOptions start = options;
    start.backend = mlp_stats::BackendKind::eigen;
    start.precision = mlp_stats::Precision::float32;
    const std::unique_ptr<IclModel> model = make_model(start);
    for (std::string& name : measured_names(*model)) diagnostics_.push_back({std::move(name), 0.0});
    batch_.load(slot_, model->parameters());
  }

  std::vector<NamedValue> diagnostics() const override { return diagnostics_; }
  std::vector<NamedArray> parameters() const override { return batch_.parameters(slot_); }
  void load(std::span<const NamedArray> arrays) override { batch_.load(slot_, arrays); }

  // The batch draws, trains and tests.
  double train(const SequenceBatch&, const IclSgd&) override { return assert(false), 0.0; }
  void logits(const SequenceBatch&, LogitParts&) override { assert(false); }
  void memory_logits(std::span<const float>, std::span<double>) override { assert(false); }

 private:
  ModelBatch& batch_;
  const std::size_t& slot_;
  std::vector<NamedValue> diagnostics_;  // their names: the batch measures the values
};

/// Runs that a device trains together.
class SimulationBatch final : public RunBatch {
 public:
  SimulationBatch(std::vector<SimulationReport>& reports, const fs::path& folder, std::unique_ptr<ModelBatch> batch,
                  std::size_t capacity)
      : reports_(reports), folder_(folder), batch_(std::move(batch)), slots_(capacity) {}

  bool start(std::size_t slot, std::size_t index) override {
    auto place = std::make_unique<std::size_t>(slot);
    auto run = std::make_unique<SimulationRun>(reports_[index], folder_,
                                               [this, &at = *place](const SimulationOptions& options) {
                                                 return std::make_unique<SlotModel>(*batch_, at, options);
                                               });
    if (run->simulation() != nullptr) {
      batch_->place(slot, reports_[index].options, run->simulation()->dataset());
      batch_->seek(slot, run->iteration(), run->simulation()->state().loss_sum);
    }
    const bool goes_on = run->goes_on(0.0);
    reports_[index] = run->report();
    if (goes_on) slots_[slot] = {std::move(place), std::move(run), index};
    return goes_on;
  }

  std::uint64_t steps_until_due(std::size_t slot) const override {
    return slots_[slot].run->simulation()->steps_until_due();
  }

  void train(std::size_t n_slots, std::uint64_t n_steps) override {
    const auto started = Clock::now();
    batch_->train(n_slots, n_steps);
    const std::vector<double> loss_sums = batch_->loss_sums(n_slots);
    for (std::size_t slot = 0; slot < n_slots; ++slot) {
      slots_[slot].run->simulation()->trained(n_steps, loss_sums[slot]);
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
    for (std::size_t slot = 0; slot < n_slots; ++slot) update(slot, seconds / static_cast<double>(n_slots));
  }

  void measure(std::span<const std::size_t> slots) override {
    const auto started = Clock::now();
    std::vector<SimulationSample> samples = batch_->measure(slots);
    for (std::size_t i = 0; i < slots.size(); ++i) slots_[slots[i]].run->simulation()->measured(std::move(samples[i]));
    const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
    for (const std::size_t slot : slots) update(slot, seconds / static_cast<double>(slots.size()));
  }

  bool ended(std::size_t slot) const override { return slots_[slot].run->ended(); }

  void move(std::size_t from, std::size_t to) override {
    if (from != to) {
      batch_->move(from, to);
      slots_[to] = std::move(slots_[from]);
      *slots_[to].place = to;
    }
    slots_[from] = {};
  }

  void save(std::size_t slot) override { slots_[slot].run->save(); }

 private:
  struct Slot {
    std::unique_ptr<std::size_t> place;  // number of the slot, which the run's model refers to
    std::unique_ptr<SimulationRun> run;
    std::size_t index = 0;
  };

  void update(std::size_t slot, double seconds) {
    slots_[slot].run->goes_on(seconds);
    reports_[slots_[slot].index] = slots_[slot].run->report();
  }

  std::vector<SimulationReport>& reports_;
  fs::path folder_;
  std::unique_ptr<ModelBatch> batch_;
  std::vector<Slot> slots_;
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

void require_device(std::span<const SimulationOptions> runs) {
  const bool any_on_device = std::any_of(runs.begin(), runs.end(), [](const SimulationOptions& run) {
    return run.backend == mlp_stats::BackendKind::cuda;
  });
  if (!any_on_device) return;
  if (const auto problem = mlp_stats::cuda_problem()) throw field_error("backend", *problem);
}

std::string run_kind(const SimulationOptions& run) {
  SimulationOptions options = run;
  if (options.n_items) options.n_items = 2;
  options.item_labels = {};
  options.item_set = {};
  options.seed = 0;
  options.beta0 = options.beta0_sd = options.w0 = options.w0_sd = 0.0;
  options.lambda_w = options.lambda_beta = 0.0;
  options.iterations = 1;
  options.stop_icl.reset();
  options.stop_memorized.reset();
  options.stop_faded = false;
  options.points_per_decade = options.measure_every = 1;
  return run_identity(options);
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
  for (const SimulationOptions& run : runs) validate(run);
  require_device(runs);
  return simulate_runs(runs, folder, options, make_cuda_batch);
}

std::vector<SimulationReport> simulate_runs(std::span<const SimulationOptions> runs, const fs::path& folder,
                                            const SimulationRunsOptions& options, const ModelBatchFactory& make_batch) {
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
  const auto device_runs = std::stable_partition(queue.begin(), queue.end(), [&](std::size_t i) {
    return reports[i].options.backend != mlp_stats::BackendKind::cuda;
  });
  const std::vector<std::size_t> device_queue(device_runs, queue.end());
  queue.erase(device_runs, queue.end());
  RunSetOptions set{.jobs = options.jobs, .checkpoint_seconds = options.checkpoint_seconds, .stop = options.stop};
  if (options.on_progress) {
    set.on_progress = [&](const RunSetProgress& work) { options.on_progress(progress_of(reports, work)); };
  }
  const auto start_batch = [&](std::size_t index, std::size_t capacity) {
    return std::make_unique<SimulationBatch>(
        reports, folder, make_batch({.run = reports[index].options, .capacity = capacity}), capacity);
  };
  work_through_batches(
      device_queue, [&](std::size_t index) { return run_kind(reports[index].options); }, start_batch, set);
  set.after_turn = [&](std::size_t index, const ResumableRun& run) {
    reports[index] = static_cast<const SimulationRun&>(run).report();
  };
  work_through(
      queue, [&](std::size_t index) { return std::make_unique<SimulationRun>(reports[index], folder, options.model); },
      set);
  return reports;
}

}  // namespace iclk::transformer
