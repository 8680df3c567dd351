#include "iclk/mlp_stats/training_runs.hpp"

#include <algorithm>
#include <cassert>
#include <set>
#include <string>

#include "checkpoint.hpp"
#include "iclk/core/checkpoint_file.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_batch.hpp"
#include "iclk/core/run_info.hpp"
#include "mlp_batch.hpp"

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
  TrainingRun(RunReport report, const fs::path& folder, const BackendFactory& backend)
      : report_(std::move(report)),
        checkpoint_(checkpoint_file(folder, report_.options)),
        trainer_(resumed(report_.options, checkpoint_, backend)) {
    report_.resumed_from = report_.iteration = trainer_.iteration();
  }

  bool advance() override {
    trainer_.advance(kStepsPerTurn);
    return goes_on();
  }

  /// Takes over how the training stands, and writes the result when it has ended.
  bool goes_on() {
    const TrainingOutcome outcome = trainer_.outcome();
    report_.iteration = trainer_.iteration();
    if (!trainer_.samples().empty()) report_.last = trainer_.samples().back().values;
    if (outcome == TrainingOutcome::unfinished) return true;
    finish(outcome);
    return false;
  }

  void save() override { write_checkpoint(checkpoint_, report_.options, trainer_.state()); }
  std::uint64_t iteration() const noexcept override { return trainer_.iteration(); }
  const RunReport& report() const noexcept { return report_; }
  Trainer& trainer() noexcept { return trainer_; }
  const Trainer& trainer() const noexcept { return trainer_; }

 private:
  static Trainer resumed(const TrainingOptions& options, const fs::path& checkpoint, const BackendFactory& backend) {
    const auto saved = read_checkpoint(checkpoint, options);
    return {options, saved ? &*saved : nullptr, backend};
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

/// The network of a run that is one of many on a device. The slot may change as the batch shrinks.
class SlotBackend final : public Backend {
 public:
  SlotBackend(MlpBatch& batch, const std::size_t& slot, const ItemDataset& dataset, std::uint64_t seed)
      : batch_(batch), slot_(slot), dataset_(dataset), seed_(seed) {}

  void upload(const MlpParameters& parameters) override { batch_.place(slot_, dataset_, seed_, 0, parameters); }
  MlpParameters download() const override { return batch_.download(slot_); }
  void logits(std::span<double> logits) override { batch_.logits(slot_, logits); }
  void train(std::span<const std::uint32_t>, const SgdOptions&) override { assert(false && "trained by its batch"); }

 private:
  MlpBatch& batch_;
  const std::size_t& slot_;
  const ItemDataset& dataset_;
  std::uint64_t seed_;
};

/// Runs that a device trains together: those whose networks have one shape, batch size, learning rate and decay.
class TrainingBatch final : public RunBatch {
 public:
  TrainingBatch(std::vector<RunReport>& reports, const fs::path& folder, std::unique_ptr<MlpBatch> batch,
                const SgdOptions& sgd, std::size_t capacity)
      : reports_(reports), folder_(folder), batch_(std::move(batch)), sgd_(sgd), slots_(capacity) {}

  bool start(std::size_t slot, std::size_t index) override {
    auto place = std::make_unique<std::size_t>(slot);
    const std::uint64_t seed = reports_[index].options.seed;
    auto run = std::make_unique<TrainingRun>(reports_[index], folder_,
                                             [this, &at = *place, seed](const ItemDataset& dataset, MlpShape) {
                                               return std::make_unique<SlotBackend>(*batch_, at, dataset, seed);
                                             });
    batch_->seek(slot, run->iteration());
    const bool goes_on = run->goes_on();
    reports_[index] = run->report();
    if (goes_on) slots_[slot] = {std::move(place), std::move(run), index};
    return goes_on;
  }

  std::uint64_t steps_until_due(std::size_t slot) const override {
    return slots_[slot].run->trainer().steps_until_due();
  }

  void train(std::size_t n_slots, std::uint64_t n_steps) override {
    batch_->train(n_slots, n_steps, sgd_);
    for (std::size_t slot = 0; slot < n_slots; ++slot) {
      slots_[slot].run->trainer().trained(n_steps);
      update(slot);
    }
  }

  void measure(std::span<const std::size_t> slots) override {
    const std::vector<OrderParameters> values = batch_->measure(slots);
    for (std::size_t i = 0; i < slots.size(); ++i) {
      slots_[slots[i]].run->trainer().measured(values[i]);
      update(slots[i]);
    }
  }

  bool ended(std::size_t slot) const override {
    return slots_[slot].run->trainer().outcome() != TrainingOutcome::unfinished;
  }

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
    std::unique_ptr<std::size_t> place;  // number of the slot, which the run's backend refers to
    std::unique_ptr<TrainingRun> run;
    std::size_t index = 0;
  };

  void update(std::size_t slot) {
    slots_[slot].run->goes_on();
    reports_[slots_[slot].index] = slots_[slot].run->report();
  }

  std::vector<RunReport>& reports_;
  fs::path folder_;
  std::unique_ptr<MlpBatch> batch_;
  SgdOptions sgd_;
  std::vector<Slot> slots_;
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

MlpShape shape_of(const TrainingOptions& options) {
  return {.n_features = options.input == InputForm::token ? options.dim + 2 : options.dim, .hidden = options.hidden};
}

/// Runs of equal text can be trained together on a device.
std::string batch_of(const TrainingOptions& run) {
  std::string text = std::to_string(shape_of(run).n_features) + ' ' + std::to_string(run.hidden) + ' ' +
                     std::to_string(run.batch) + ' ' + std::string(name(run.precision));
  for (const double rate : {run.lr, run.weight_decay}) text += ' ' + format_number(rate);
  return text;
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
  for (const TrainingOptions& run : runs) validate(run);
  const bool any_on_device = std::any_of(runs.begin(), runs.end(),
                                         [](const TrainingOptions& run) { return run.backend == BackendKind::cuda; });
  if (const auto problem = cuda_problem(); any_on_device && problem) throw field_error("backend", *problem);
  return train_runs(runs, folder, options, make_cuda_batch);
}

std::vector<RunReport> train_runs(std::span<const TrainingOptions> runs, const fs::path& folder,
                                  const TrainingRunsOptions& options, const MlpBatchFactory& make_batch) {
  std::vector<RunReport> reports = planned(runs, folder);
  const RunFolder in_use(folder);
  std::vector<std::size_t> queue = queue_of(reports, folder);
  const auto on_device = [&](std::size_t index) { return reports[index].options.backend == BackendKind::cuda; };
  const auto device_runs =
      std::stable_partition(queue.begin(), queue.end(), [&](std::size_t i) { return !on_device(i); });
  const std::vector<std::size_t> device_queue(device_runs, queue.end());
  queue.erase(device_runs, queue.end());
  RunSetOptions set{.jobs = options.jobs, .checkpoint_seconds = options.checkpoint_seconds, .stop = options.stop};
  if (options.on_progress) {
    set.on_progress = [&](const RunSetProgress& work) { options.on_progress(progress_of(reports, work)); };
  }
  const auto start_batch = [&](std::size_t index, std::size_t capacity) {
    const TrainingOptions& run = reports[index].options;
    auto batch =
        make_batch({.shape = shape_of(run), .batch = run.batch, .capacity = capacity, .precision = run.precision});
    return std::make_unique<TrainingBatch>(reports, folder, std::move(batch),
                                           SgdOptions{.lr = run.lr, .weight_decay = run.weight_decay}, capacity);
  };
  work_through_batches(
      device_queue, [&](std::size_t index) { return batch_of(reports[index].options); }, start_batch, set);
  set.after_turn = [&](std::size_t index, const ResumableRun& run) {
    reports[index] = static_cast<const TrainingRun&>(run).report();
  };
  work_through(
      queue,
      [&](std::size_t index) {
        const TrainingOptions& run = reports[index].options;
        return std::make_unique<TrainingRun>(
            reports[index], folder, [&run](const ItemDataset& dataset, MlpShape shape) {
              return make_backend(run.backend, run.precision, dataset, shape, run.batch);
            });
      },
      set);
  return reports;
}

}  // namespace iclk::mlp_stats
