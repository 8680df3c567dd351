// Minimal models together as backend cuda trains them, its kernels on the host; and on the card where there is one.

#include "device_minimal_batch.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <string>

#include "attention_head.hpp"
#include "host_space.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/normal_fill.hpp"
#include "iclk/core/run_batch.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk;
using namespace iclk::device;
using namespace iclk::test;
using namespace iclk::transformer;
namespace fs = std::filesystem;

namespace {

std::unique_ptr<MinimalBatch> make_host_batch(const MinimalBatchOptions& options) {
  return std::make_unique<DeviceMinimalBatch<HostSpace>>(std::make_unique<HostSpace>(), options);
}

/// A run that is over in milliseconds.
SimulationOptions small_run(std::optional<std::uint64_t> n_items = std::nullopt, std::uint64_t seed = 0) {
  SimulationOptions options;
  options.n_items = n_items;
  options.seed = seed;
  options.context = 8;
  options.dim = 10;
  options.hidden = 12;
  options.batch = 6;
  options.lr = 0.1;
  options.iterations = 120;
  options.test_sequences = 300;  // two streams of tests, the second one short
  options.points_per_decade = 4;
  options.measure_every = 50;
  options.beta0 = 0.5;
  options.w0 = 0.3;
  options.backend = mlp_stats::BackendKind::cuda;
  return options;
}

/// Kinds of runs that differ in how sequences are drawn or what the model does.
std::vector<SimulationOptions> all_kinds() {
  std::vector<SimulationOptions> runs{small_run(), small_run(30, 1), small_run(5000, 2)};
  for (const std::optional<std::uint64_t> n_items :
       {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(40)}) {
    const auto add = [&](auto change) {
      runs.push_back(small_run(n_items, runs.size()));
      change(runs.back());
    };
    add([](auto& run) { run.labels = ContextLabels::balanced; });
    add([](auto& run) {
      run.labels = ContextLabels::balanced_with_target;
      run.context = 9;
    });
    add([](auto& run) { run.attend_self = true; });
    add([](auto& run) { run.copies = 2; });
    add([](auto& run) { run.copy_share = 0.5; });
    add([](auto& run) {
      run.lambda_w = 0.2;
      run.lambda_beta = 0.1;
      run.weight_decay = 0.01;
    });
    add([](auto& run) { run.beta0 = -1.0; });
    if (n_items) {
      add([](auto& run) { run.target_rule = TargetRule::resampled; });
      add([](auto& run) { run.item_labels = mlp_stats::LabelRule::balanced; });
      add([](auto& run) { run.item_set = ItemSet::fixed; });
    }
  }
  return runs;
}

MinimalBatchOptions batch_options(const SimulationOptions& run, std::size_t capacity) {
  return {.shape = {.n_features = run.dim, .hidden = run.hidden, .n_outputs = 1},
          .batch = run.batch,
          .task = task_options(run),
          .attend_self = run.attend_self,
          .sgd = {.lr = run.lr, .weight_decay = run.weight_decay},
          .test_sequences = run.test_sequences,
          .capacity = capacity,
          .precision = run.precision};
}

std::string words_of(const SimulationOptions& run) {
  std::string words;
  for (const auto& [key, value] : settings_of(run).entries) words += key + ' ' + value + ' ';
  return words;
}

/// The first 100 steps, in the last of several slots, as the reference computes them alone.
void follows_the_reference(const MinimalBatchFactory& make_batch, const SimulationOptions& run, double tolerance) {
  CAPTURE(words_of(run));
  SimulationOptions alone = run;
  alone.backend = mlp_stats::BackendKind::eigen;
  alone.iterations = 100;
  Simulation reference(alone);
  reference.advance(100);
  REQUIRE(reference.outcome() == SimulationOutcome::reached_iterations);

  constexpr std::size_t kSlots = 3, kSlot = 2;
  const auto batch = make_batch(batch_options(run, kSlots));
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    const std::uint64_t seed = run.seed + kSlot - slot;
    const IclTask task(task_options(run), seed);
    batch->place(slot, task.dataset(), seed);
    batch->set(slot, mlp_stats::initial_parameters({run.dim, run.hidden, 1}, seed),
               {.beta = run.beta0, .w = run.w0, .lambda_w = run.lambda_w, .lambda_beta = run.lambda_beta});
  }
  const std::vector<std::size_t> slots{kSlot};
  std::uint64_t done = 0;
  const auto& expected = reference.samples();
  for (const SimulationSample& sample : expected) {
    CAPTURE(sample.iteration);
    batch->train(kSlots, sample.iteration - done);
    const MinimalHead head = batch->head(kSlot);
    if (sample.train_loss) {
      CHECK_THAT(head.loss_sum / static_cast<double>(sample.iteration - done),
                 WithinRel(*sample.train_loss, tolerance));
    }
    done = sample.iteration;
    const MinimalMeasurement found = batch->measure(slots)[0];
    CHECK_THAT(found.icl_loss, WithinRel(sample.icl_loss, tolerance));
    // One sequence of 300 whose logit is next to zero may fall on the other side.
    CHECK_THAT(found.icl_accuracy, WithinAbs(sample.icl_accuracy, 1.01 / 300));
    REQUIRE(found.iwl_loss.has_value() == sample.iwl_loss.has_value());
    if (found.iwl_loss) {
      CHECK_THAT(*found.iwl_loss, WithinRel(*sample.iwl_loss, tolerance));
      CHECK_THAT(*found.iwl_accuracy, WithinAbs(*sample.iwl_accuracy, 1.01 / 300));
    }
    CHECK_THAT(found.memory.c1, WithinRel(sample.c1, tolerance));
    CHECK_THAT(found.memory.c2, WithinRel(sample.c2, tolerance));
    CHECK_THAT(found.memory.c3, WithinRel(sample.c3, tolerance));
    CHECK_THAT(head.beta, WithinRel(sample.diagnostics[0], tolerance));
    CHECK_THAT(head.w, WithinRel(sample.diagnostics[1], tolerance));
    CHECK(batch->head(kSlot).loss_sum == 0.0);
  }
}

}  // namespace

TEST_CASE("device normals: the same bits as on the host", "[transformer][cuda]") {
  for (const std::size_t n : {1U, 63U, 64U, 65U, 1000U}) {
    std::vector<float> expected(n), found((n + 63) / 64 * 64, 0.0F);
    fill_normals(expected, 0.3, 7, RandomPurpose::test, 3);
    for (std::uint32_t block = 0; block < found.size() / 4; ++block) {
      const NormalBlock drawn = normal_block(7, RandomPurpose::test, 3, block, static_cast<float>(0.3));
      for (int i = 0; i < 4; ++i) found[drawn.places[i]] = drawn.values[i];
    }
    found.resize(n);
    CHECK(found == expected);
  }
}

TEST_CASE("device sequences: items and labels are those of the task", "[transformer][cuda]") {
  for (const SimulationOptions& run : all_kinds()) {
    CAPTURE(words_of(run));
    IclTask task(task_options(run), run.seed);
    const bool fresh = !run.n_items;
    const std::uint32_t n_sequences = 200;
    const auto row = static_cast<std::uint32_t>(n_exemplars(run) + 1);
    const auto& dataset = task.dataset();
    std::vector<std::uint32_t> by_label;
    std::uint32_t n_positive = 0;
    for (const int label : {1, -1}) {
      for (std::uint32_t i = 0; i < dataset.n_items; ++i) {
        if (dataset.labels[i] == label) by_label.push_back(i);
      }
      if (label > 0) n_positive = static_cast<std::uint32_t>(by_label.size());
    }
    const SequenceSlot slot{.items = nullptr,
                            .labels = dataset.labels.data(),
                            .by_label = by_label.data(),
                            .seed = run.seed,
                            .step = 11,
                            .n_items = static_cast<std::uint32_t>(dataset.n_items),
                            .n_positive = n_positive};
    const DeviceTask rules{.n_context = n_exemplars(run),
                           .context_labels = run.labels,
                           .target_rule = run.target_rule,
                           .copies = run.copies};
    StreamPlan plan{.sequences = RandomPurpose::training_sequences,
                    .normals = RandomPurpose::dot_products,
                    .n_streams = 2,
                    .per_stream = n_sequences,
                    .n_sequences = n_sequences + 150,
                    .streams_per_step = 1,
                    .first_stream = 0,
                    .capacity = 2 * n_sequences,
                    .copy_share = run.copy_share};
    std::vector<std::uint32_t> items(std::size_t{plan.capacity} * row);
    std::vector<std::int8_t> labels(items.size());
    HostSpace space;
    ComposeSequences compose_all{.slots = &slot,
                                 .task = rules,
                                 .plan = plan,
                                 .fresh = fresh,
                                 .n_words = words_per_sequence(rules, fresh, run.copy_share),
                                 .items = items.data(),
                                 .labels = labels.data()};
    // The lanes began at the right words: nothing was drawn again. Where their number is not known it says so.
    const bool in_turn = run.copies > 1 || run.copy_share < 1 || run.target_rule == TargetRule::resampled;
    CHECK(compose_all.partial(0, 3).any_rejected == (in_turn ? 1 : 0));
    space.reduce<ComposeSequences::kLanes, Along::lanes>(2, compose_all);
    for (std::uint32_t stream = 0; stream < 2; ++stream) {
      const std::size_t first = std::size_t{stream} * n_sequences * row;
      const std::size_t n = (stream == 0 ? n_sequences : 150) * row;
      SequenceBatch expected;
      DotBatch expected_dots;
      if (fresh) {
        task.draw_training(11 + stream, n / row, expected_dots);
        CHECK(std::equal(expected_dots.labels.begin(), expected_dots.labels.end(), labels.begin() + first));
      } else {
        task.draw_training(11 + stream, n / row, expected);
        CHECK(std::equal(expected.labels.begin(), expected.labels.end(), labels.begin() + first));
        CHECK(std::equal(expected.items.begin(), expected.items.end(), items.begin() + first));
      }
    }
  }
}

TEST_CASE("device random: a stream can be entered at any word", "[transformer][cuda]") {
  StreamRng rejecting(1, RandomPurpose::test, 0);
  for (int i = 0; i < 8; ++i) rejecting.below(2'800'000'000U);  // about one word in three is rejected
  CHECK(rejecting.position() > 8);
  for (std::uint32_t first = 0; first < 9; ++first) {
    StreamRng entered(1, RandomPurpose::test, 0, first);
    CHECK(entered.position() == first);
    Rng expected(1, RandomPurpose::test, 0);
    for (std::uint32_t i = 0; i < first; ++i) expected();
    for (int i = 0; i < 10; ++i) CHECK(entered() == expected());
    CHECK(entered.position() == first + 10);
  }
}

TEST_CASE("device head: attention of a row is that of the reference", "[transformer][cuda]") {
  Rng rng(2, RandomPurpose::test, 0);
  for (const double beta : {0.0, 0.7, -3.0, 40.0, 400.0, -400.0}) {
    for (const std::size_t n : {2U, 31U, 100U}) {
      CAPTURE(beta, n);
      std::vector<double> dots(n);
      std::vector<std::int8_t> labels(n);
      for (std::size_t j = 0; j < n; ++j) {
        dots[j] = static_cast<float>(0.2 * rng.normal());
        labels[j] = rng.below(2) != 0 ? 1 : -1;
      }
      dots[n / 2] = 1.0;
      const HeadOutput expected = attend(beta, dots, labels.data(), nullptr);
      AttendRows::State lanes[4];
      for (int lane = 0; lane < 4; ++lane) {
        lanes[lane] = {static_cast<float>(beta), 0.0F, 0.0F, 0.0F, 0.0F, 0.0F};
        for (std::size_t j = static_cast<std::size_t>(lane); j < n; j += 4) {
          lanes[lane].add(static_cast<float>(dots[j]), labels[j]);
        }
      }
      lanes[0].merge(lanes[2]);
      lanes[1].merge(lanes[3]);
      lanes[0].merge(lanes[1]);
      const AttendRows::State& s = lanes[0];
      const double label = static_cast<double>(s.label) / s.total;
      CHECK_THAT(label, WithinAbs(expected.label, 2e-5));
      CHECK_THAT(s.both / static_cast<double>(s.total) - label * (s.dot / static_cast<double>(s.total)),
                 WithinAbs(expected.slope, 2e-6));
    }
  }
}

TEST_CASE("batch of minimal models: the first 100 steps are those of the reference", "[transformer][parity][cuda]") {
  for (const SimulationOptions& run : all_kinds()) follows_the_reference(make_host_batch, run, 1e-4);
}

TEST_CASE("batch of minimal models: on the card the first 100 steps are those of the reference",
          "[transformer][parity][cuda]") {
  if (skipped(mlp_stats::cuda_problem())) return;
  const MinimalBatchFactory on_card = [](const MinimalBatchOptions& options) { return make_cuda_batch(options); };
  for (const SimulationOptions& run : all_kinds()) follows_the_reference(on_card, run, 1e-4);
}

namespace {

std::vector<SimulationOptions> small_set() {
  std::vector<SimulationOptions> runs{small_run(30, 0), small_run(30, 1), small_run(80, 2), small_run(50, 0)};
  runs[1].lambda_w = 0.3;
  runs[2].iterations = 30;
  runs.push_back(small_run(std::nullopt, 4));
  runs.push_back(small_run(std::nullopt, 5));
  runs.push_back(small_run(std::nullopt, 6));
  return runs;
}

/// Stops after some calls of train.
class StoppingBatch final : public MinimalBatch {
 public:
  StoppingBatch(std::unique_ptr<MinimalBatch> batch, std::atomic<bool>& stop, int& left)
      : batch_(std::move(batch)), stop_(stop), left_(left) {}
  void place(std::size_t slot, const mlp_stats::ItemDataset& dataset, std::uint64_t seed) override {
    batch_->place(slot, dataset, seed);
  }
  void set(std::size_t slot, const mlp_stats::MlpParameters& network, const MinimalHead& head) override {
    batch_->set(slot, network, head);
  }
  void seek(std::size_t slot, std::uint64_t step) override { batch_->seek(slot, step); }
  void move(std::size_t from, std::size_t to) override { batch_->move(from, to); }
  mlp_stats::MlpParameters network(std::size_t slot) const override { return batch_->network(slot); }
  std::vector<MinimalHead> heads(std::size_t first, std::size_t n) const override { return batch_->heads(first, n); }
  void train(std::size_t n_slots, std::uint64_t n_steps) override {
    if (left_ == 0) throw DeviceError("backend: lost");
    batch_->train(n_slots, n_steps);
    if (--left_ == 0) stop_ = true;
  }
  std::vector<MinimalMeasurement> measure(std::span<const std::size_t> slots) override {
    return batch_->measure(slots);
  }

 private:
  std::unique_ptr<MinimalBatch> batch_;
  std::atomic<bool>& stop_;
  int& left_;
};

}  // namespace

TEST_CASE("simulation runs on a device: slots are refilled and no run depends on its neighbours",
          "[transformer][cuda]") {
  const TemporaryFolder folder;
  const auto runs = small_set();
  const auto reports = simulate_runs(runs, folder / "together", {.jobs = 2}, make_host_batch);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    CAPTURE(i, reports[i].problem);
    CHECK(reports[i].status == RunStatus::finished);
    CHECK(reports[i].iteration == runs[i].iterations);
    simulate_runs(std::span(&runs[i], 1), folder / "alone", {}, make_host_batch);
    const auto name = reports[i].file.filename();
    CHECK(read_file(folder / "together" / name) == read_file(folder / "alone" / name));
    CHECK_FALSE(read_file(folder / "alone" / name).empty());
  }
  for (const auto& report : simulate_runs(runs, folder / "together", {}, make_host_batch)) {
    CHECK(report.status == RunStatus::kept);
  }
}

TEST_CASE("simulation runs on a device: stopped at any moment they go on to the same bytes", "[transformer][cuda]") {
  const TemporaryFolder folder;
  const auto runs = small_set();
  simulate_runs(runs, folder / "whole", {.jobs = 3}, make_host_batch);
  bool interrupted = false, all_done = false;
  for (int i = 0; i < 100 && !all_done; ++i) {
    std::atomic<bool> stop{false};
    int left = 7;
    const auto reports =
        simulate_runs(runs, folder / "parts", {.jobs = 3, .stop = &stop}, [&](const MinimalBatchOptions& options) {
          return std::make_unique<StoppingBatch>(make_host_batch(options), stop, left);
        });
    all_done = std::all_of(reports.begin(), reports.end(), [](const SimulationReport& run) {
      return run.status == RunStatus::finished || run.status == RunStatus::kept;
    });
    interrupted = interrupted || !all_done;
  }
  CHECK(interrupted);
  CHECK(all_done);
  for (const auto& run : runs) {
    const auto name = simulation_file(folder.path(), run).filename();
    CHECK(read_file(folder / "parts" / name) == read_file(folder / "whole" / name));
  }
}

TEST_CASE("simulation runs on a device: a lost device is an error and no run has failed",
          "[transformer][cuda][errors]") {
  const TemporaryFolder folder;
  const auto runs = small_set();
  std::atomic<bool> stop{false};
  int left = 3;
  CHECK_THROWS_WITH(simulate_runs(runs, folder.path(), {.checkpoint_seconds = 0.0},
                                  [&](const MinimalBatchOptions& options) {
                                    return std::make_unique<StoppingBatch>(make_host_batch(options), stop, left);
                                  }),
                    "backend: lost");
  for (const auto& run : runs) CHECK_FALSE(fs::exists(failure_file(folder.path(), run)));
  CHECK(fs::exists(checkpoint_file(folder.path(), runs[0])));
}

TEST_CASE("simulation runs on a device: one that cannot be or diverges fails alone", "[transformer][cuda]") {
  const TemporaryFolder folder;
  auto few = small_run(2, 0);
  few.labels = ContextLabels::balanced;
  auto many = small_run(40, 1);
  many.labels = ContextLabels::balanced;
  auto wild = many;
  wild.seed = 2;
  wild.lr = 1e30;
  wild.weight_decay = 0.0;
  const std::vector<SimulationOptions> runs{few, many, wild};
  const auto reports = simulate_runs(runs, folder.path(), {}, make_host_batch);
  CHECK(reports[0].status == RunStatus::failed);
  CHECK_THAT(reports[0].problem, ContainsSubstring("at least 2 items of each label"));
  CHECK(reports[1].status == RunStatus::finished);
  CHECK(reports[2].status == RunStatus::failed);
  CHECK_THAT(reports[2].problem, StartsWith("not_finite: "));
  CHECK(fs::exists(failure_file(folder.path(), wild)));
}

TEST_CASE("simulation runs on a device: without a card one line says so before any training",
          "[transformer][cuda][errors]") {
  if (!mlp_stats::cuda_problem()) return;
  const TemporaryFolder folder;
  const auto run = small_run();
  CHECK_THROWS_WITH(simulate_runs(std::span(&run, 1), folder / "new"), "backend: " + *mlp_stats::cuda_problem());
  CHECK_FALSE(fs::exists(folder / "new"));
}
