// Many networks together as backend cuda trains them, its kernels on the host; and on the card where there is one.

#include "device_mlp_batch.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "host_batch.hpp"
#include "iclk/core/error.hpp"
#include "iclk/mlp_stats/order_parameter_probe.hpp"
#include "small_run.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk;
using namespace iclk::mlp_stats;
using namespace iclk::test;
namespace fs = std::filesystem;

namespace {

constexpr MlpShape kShape{.n_features = 11, .hidden = 20};
constexpr std::size_t kBatch = 16;

ItemDataset items_of(std::uint64_t n_items, std::uint64_t seed) {
  return make_item_dataset(n_items, kShape.n_features, LabelRule::random, InputForm::raw, seed);
}

TrainingOptions device_run(std::uint64_t n_items, std::uint64_t seed) {
  TrainingOptions options = small_run(n_items, seed);
  options.max_iterations = 1500;
  options.backend = BackendKind::cuda;
  return options;
}

std::vector<TrainingOptions> small_set() {
  auto shorter = device_run(40, 3);
  shorter.max_iterations = 300;
  auto other_rate = device_run(30, 7);
  other_rate.lr = 0.05;
  return {device_run(30, 0), device_run(30, 1), shorter, device_run(50, 0), device_run(70, 2), other_rate};
}

/// The largest difference of c1, c2, c3 between the samples of two runs, relative.
double largest_difference(std::span<const CurveSample> a, std::span<const CurveSample> b) {
  double largest = 0.0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    REQUIRE(a[i].iteration == b[i].iteration);
    for (const auto member : {&OrderParameters::c1, &OrderParameters::c2, &OrderParameters::c3}) {
      largest = std::max(largest, std::abs(a[i].values.*member / (b[i].values.*member) - 1.0));
    }
  }
  return largest;
}

/// The first 100 steps of several runs of different K and seed, as trained together and by the reference alone.
void agrees_with_the_reference(const MlpBatchFactory& make_batch, MlpShape shape, std::size_t batch,
                               std::span<const std::uint64_t> n_items, double tolerance) {
  const std::size_t n_runs = n_items.size();
  const auto together =
      make_batch({.shape = shape, .batch = batch, .capacity = n_runs, .precision = Precision::float32});
  std::vector<TrainingOptions> runs(n_runs);
  std::vector<ItemDataset> datasets(n_runs);
  std::vector<std::vector<CurveSample>> measured(n_runs);
  std::vector<std::size_t> slots(n_runs);
  for (std::size_t i = 0; i < n_runs; ++i) {
    slots[i] = i;
    runs[i].n_items = n_items[i];
    runs[i].seed = 20 + i;
    runs[i].dim = shape.n_features;
    runs[i].hidden = shape.hidden;
    runs[i].batch = batch;
    runs[i].lr = 0.1;
    runs[i].max_iterations = 100;
    runs[i].backend = BackendKind::eigen;
    datasets[i] = make_item_dataset(n_items[i], runs[i].dim, runs[i].labels, runs[i].input, runs[i].seed);
    together->place(i, datasets[i], runs[i].seed, 0, initial_parameters(shape, runs[i].seed));
  }
  std::uint64_t done = 0;
  for (const std::uint64_t due : probe_iterations(100, runs[0].points_per_decade)) {
    together->train(n_runs, due - done, {.lr = 0.1, .weight_decay = runs[0].weight_decay});
    done = due;
    const auto values = together->measure(slots);
    for (std::size_t i = 0; i < n_runs; ++i)
      measured[i].push_back({.iteration = due, .time = 0.0, .values = values[i]});
  }
  for (std::size_t i = 0; i < n_runs; ++i) {
    CAPTURE(i);
    Trainer alone(runs[i]);
    alone.advance(100);
    REQUIRE(alone.samples().size() == measured[i].size());
    CHECK(largest_difference(measured[i], alone.samples()) < tolerance);
    const MlpParameters expected = alone.state().parameters, found = together->download(i);
    for (const auto member : {&MlpParameters::w1, &MlpParameters::b1, &MlpParameters::w2, &MlpParameters::b2,
                              &MlpParameters::w3, &MlpParameters::b3}) {
      double difference = 0.0, size = 0.0;
      for (std::size_t j = 0; j < (expected.*member).size(); ++j) {
        difference += std::pow((found.*member)[j] - (expected.*member)[j], 2);
        size += std::pow((expected.*member)[j], 2);
      }
      CHECK(std::sqrt(difference) < tolerance * std::sqrt(size));
    }
  }
}

}  // namespace

TEST_CASE("batch of networks: the first 100 steps are those of the reference", "[mlp_stats][parity][cuda]") {
  const std::vector<std::uint64_t> n_items{30, 200, 2, 77};
  agrees_with_the_reference(make_host_batch, {.n_features = 63, .hidden = 67}, 37, n_items, 1e-4);
}

TEST_CASE("batch of networks: on the card the first 100 steps are those of the reference",
          "[mlp_stats][parity][cuda]") {
  if (skipped(cuda_problem())) return;
  const std::vector<std::uint64_t> n_items{500, 1000, 2, 4000, 77, 2000};
  agrees_with_the_reference(make_cuda_batch, {.n_features = 63, .hidden = 67}, 37, n_items, 1e-4);
  agrees_with_the_reference(make_cuda_batch, {.n_features = 63, .hidden = 512}, 128, n_items, 1e-4);
}

TEST_CASE("batch of networks: no network depends on its neighbours nor on its slot", "[mlp_stats][cuda]") {
  const std::size_t n = 3;
  const auto together = make_host_batch({.shape = kShape, .batch = kBatch, .capacity = n});
  const auto alone = make_host_batch({.shape = kShape, .batch = kBatch, .capacity = 1});
  std::vector<ItemDataset> datasets;
  for (std::size_t i = 0; i < n; ++i) datasets.push_back(items_of(40 + 30 * i, i));
  for (std::size_t i = 0; i < n; ++i) together->place(i, datasets[i], i, 100 * i, initial_parameters(kShape, i));
  together->train(n, 35, {.lr = 0.1});
  together->train(2, 4, {.lr = 0.1});
  together->move(1, 0);
  together->train(1, 20, {.lr = 0.1});
  const auto measured = together->measure(std::vector<std::size_t>{0, 2});

  alone->place(0, datasets[1], 1, 100, initial_parameters(kShape, 1));
  alone->train(1, 59, {.lr = 0.1});
  CHECK(alone->download(0) == together->download(0));
  const std::vector<std::size_t> slot{0};
  CHECK(alone->measure(slot)[0].c1 == measured[0].c1);
  alone->place(0, datasets[2], 2, 0, initial_parameters(kShape, 2));
  alone->seek(0, 200);
  alone->train(1, 35, {.lr = 0.1});
  CHECK(alone->download(0) == together->download(2));
  CHECK(alone->measure(slot)[0].c3 == measured[1].c3);
}

TEST_CASE("batch of networks: order parameters are exact averages over all items", "[mlp_stats][cuda]") {
  // 16 items a chunk: one chunk that is not full, full ones alone, and full ones with a rest.
  for (const std::size_t n_items : {5U, 32U, 77U}) {
    CAPTURE(n_items);
    const ItemDataset dataset = items_of(n_items, 4);
    const auto batch = make_host_batch({.shape = kShape, .batch = kBatch, .capacity = 2});
    batch->place(1, dataset, 4, 0, initial_parameters(kShape, 4));
    const std::vector<std::size_t> slot{1};
    const OrderParameters found = batch->measure(slot)[0];
    const auto reference = make_backend(BackendKind::eigen, Precision::float64, dataset, kShape, kBatch);
    reference->upload(initial_parameters(kShape, 4));
    std::vector<double> workspace(n_items);
    const OrderParameters expected = probe_order_parameters(*reference, dataset, workspace);
    CHECK_THAT(found.c1, WithinRel(expected.c1, 1e-6));
    CHECK_THAT(found.c2, WithinRel(expected.c2, 1e-6));
    CHECK_THAT(found.c3, WithinRel(expected.c3, 1e-6));
    CHECK(found.accuracy == expected.accuracy);
  }
}

TEST_CASE("training runs on a device: slots are refilled and the curves are those of runs alone", "[mlp_stats][cuda]") {
  const TemporaryFolder folder;
  const auto runs = small_set();
  const auto reports = train_runs(runs, folder / "together", {.jobs = 2}, make_host_batch);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    CAPTURE(i);
    CHECK(reports[i].status == RunStatus::finished);
    train_runs(std::span(&runs[i], 1), folder / "alone", {}, make_host_batch);
    const auto name = reports[i].curve_file.filename();
    CHECK(read_file(folder / "together" / name) == read_file(folder / "alone" / name));
    CHECK_FALSE(read_file(folder / "alone" / name).empty());
  }
  CHECK(reports[2].iteration == 300);
  // Finished runs are kept, also by a build that has no card.
  for (const auto& report : train_runs(runs, folder / "together", {}, make_host_batch)) {
    CHECK(report.status == RunStatus::kept);
  }
}

TEST_CASE("training runs on a device: a whole curve is that of the reference", "[mlp_stats][parity][cuda]") {
  const TemporaryFolder folder;
  auto run = device_run(50, 5);
  run.max_iterations = 400;
  train_runs(std::span(&run, 1), folder.path(), {}, make_host_batch);
  const auto found = read_curves(curve_file(folder.path(), run));
  run.backend = BackendKind::eigen;
  Trainer reference(run);
  reference.advance(400);
  const auto& c1 = found[0].curves.c1.values();
  REQUIRE(c1.size() == reference.samples().size());
  for (std::size_t i = 0; i < c1.size(); ++i) {
    CHECK_THAT(c1[i], WithinRel(reference.samples()[i].values.c1, 1e-3));
  }
}

TEST_CASE("training runs on a device: stopped at any moment they go on to the same bytes", "[mlp_stats][cuda]") {
  const TemporaryFolder folder;
  const auto runs = small_set();
  train_runs(runs, folder / "whole", {.jobs = 3}, make_host_batch);
  bool interrupted = false;
  for (int i = 0; i < 2000; ++i) {
    std::atomic<bool> stop{false};
    TrainingRunsOptions options{.jobs = 3, .checkpoint_seconds = 0.0, .stop = &stop};
    int turns = 0;
    // Stops in the middle of a batch: the factory's batch counts its calls.
    class StoppingBatch final : public MlpBatch {
     public:
      StoppingBatch(std::unique_ptr<MlpBatch> batch, std::atomic<bool>& stop_, int& turns_)
          : batch_(std::move(batch)), stop_now_(stop_), turns_so_far_(turns_) {}
      void place(std::size_t slot, const ItemDataset& dataset, std::uint64_t seed, std::uint64_t step,
                 const MlpParameters& parameters) override {
        batch_->place(slot, dataset, seed, step, parameters);
      }
      void seek(std::size_t slot, std::uint64_t step) override { batch_->seek(slot, step); }
      void move(std::size_t from, std::size_t to) override { batch_->move(from, to); }
      MlpParameters download(std::size_t slot) const override { return batch_->download(slot); }
      void train(std::size_t n_slots, std::uint64_t n_steps, const SgdOptions& sgd) override {
        batch_->train(n_slots, n_steps, sgd);
        if (++turns_so_far_ == 40) stop_now_ = true;
      }
      void train_given(std::span<const std::uint32_t> items, const SgdOptions& sgd) override {
        batch_->train_given(items, sgd);
      }
      std::vector<OrderParameters> measure(std::span<const std::size_t> slots) override {
        return batch_->measure(slots);
      }
      void logits(std::size_t slot, std::span<double> values) override { batch_->logits(slot, values); }

     private:
      std::unique_ptr<MlpBatch> batch_;
      std::atomic<bool>& stop_now_;
      int& turns_so_far_;
    };
    const auto reports =
        train_runs(runs, folder / "parts", options, [&](const MlpBatchOptions& batch) -> std::unique_ptr<MlpBatch> {
          return std::make_unique<StoppingBatch>(make_host_batch(batch), stop, turns);
        });
    const auto done = [](const RunReport& r) { return r.status == RunStatus::finished || r.status == RunStatus::kept; };
    if (std::all_of(reports.begin(), reports.end(), done)) break;
    interrupted = true;
  }
  CHECK(interrupted);
  for (const auto& run : runs) {
    const auto name = curve_file(folder.path(), run).filename();
    CHECK(read_file(folder / "parts" / name) == read_file(folder / "whole" / name));
  }
  for (const auto& entry : fs::directory_iterator(folder / "parts")) CHECK(entry.path().extension() == ".csv");
}

TEST_CASE("training runs on a device: a diverging run leaves no curve and its neighbours alone", "[mlp_stats][cuda]") {
  const TemporaryFolder folder;
  auto wild = device_run(30, 0);
  wild.lr = 1e30;
  wild.weight_decay = 0.0;
  const std::vector<TrainingOptions> runs{wild, device_run(30, 1)};
  const auto reports = train_runs(runs, folder.path(), {}, make_host_batch);
  CHECK(reports[0].status == RunStatus::not_finite);
  CHECK(reports[1].status == RunStatus::finished);
  CHECK_FALSE(fs::exists(reports[0].curve_file));
}

TEST_CASE("training runs on a device: progress names the runs at work", "[mlp_stats][cuda]") {
  const TemporaryFolder folder;
  auto run = device_run(60, 0);
  run.hidden = 128;
  run.stop_c1.reset();
  run.max_iterations = 1'000'000;
  std::atomic<bool> stop{false};
  TrainingRunsOptions options{.stop = &stop};
  options.on_progress = [&](const RunProgress& progress) {
    CHECK(progress.n_runs == 1);
    CHECK(progress.steps_per_second > 0);
    REQUIRE(progress.active.size() == 1);
    CHECK(progress.active[0].iteration > 0);
    stop = true;
  };
  const auto reports = train_runs(std::span(&run, 1), folder.path(), options, make_host_batch);
  CHECK(reports[0].status == RunStatus::interrupted);
  CHECK(fs::exists(folder / "k60_s0.checkpoint"));
}

TEST_CASE("training runs on a device: what it cannot do is said before any training", "[mlp_stats][cuda][errors]") {
  const TemporaryFolder folder;
  auto run = device_run(30, 0);
  SECTION("epochs") {
    run.sampling = Sampling::without_replacement;
    CHECK_THROWS_WITH(train_runs(std::span(&run, 1), folder / "new"),
                      "sampling: expected with-replacement with backend cuda, got without-replacement");
  }
  SECTION("float64") {
    run.precision = Precision::float64;
    CHECK_THROWS_WITH(
        train_runs(std::span(&run, 1), folder / "new"),
        "precision: expected float32 or tf32 with backend cuda (backend eigen offers float64), got float64");
  }
  SECTION("no card") {
    if (!cuda_problem()) return;
    CHECK_THROWS_WITH(train_runs(std::span(&run, 1), folder / "new"), "backend: " + *cuda_problem());
  }
  CHECK_FALSE(fs::exists(folder / "new"));
}
