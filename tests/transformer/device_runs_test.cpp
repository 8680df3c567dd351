// Runs of several models on a device, its kernels on the host.

#include <algorithm>
#include <atomic>

#include "device_checks.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_batch.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::transformer;
namespace fs = std::filesystem;

namespace {

std::vector<SimulationOptions> small_set() {
  std::vector<SimulationOptions> runs{small_minimal_run(30, 0), small_minimal_run(30, 1), small_minimal_run(80, 2),
                                      small_minimal_run(50, 0)};
  runs[1].lambda_w = 0.3;
  runs[2].iterations = 30;
  runs.push_back(small_minimal_run(std::nullopt, 4));
  runs.push_back(small_minimal_run(std::nullopt, 5));
  runs.push_back(small_minimal_run(std::nullopt, 6));
  runs.push_back(small_attention_run(Profile::release, 20, 7));
  runs.push_back(small_attention_run(Profile::release, 34, 8));
  runs.push_back(small_attention_run(Profile::release, 28, 9));
  runs.back().iterations = 40;
  runs.push_back(small_attention_run(Profile::paper, std::nullopt, 10));
  runs.push_back(small_attention_run(Profile::paper, std::nullopt, 11));
  return runs;
}

/// Stops after some calls of train.
class StoppingBatch final : public ModelBatch {
 public:
  StoppingBatch(std::unique_ptr<ModelBatch> batch, std::atomic<bool>& stop, int& left)
      : batch_(std::move(batch)), stop_(stop), left_(left) {}
  void place(std::size_t slot, const SimulationOptions& run, const mlp_stats::ItemDataset& dataset) override {
    batch_->place(slot, run, dataset);
  }
  void load(std::size_t slot, std::span<const NamedArray> arrays) override { batch_->load(slot, arrays); }
  std::vector<NamedArray> parameters(std::size_t slot) const override { return batch_->parameters(slot); }
  void seek(std::size_t slot, std::uint64_t step, double loss_sum) override { batch_->seek(slot, step, loss_sum); }
  void move(std::size_t from, std::size_t to) override { batch_->move(from, to); }
  std::vector<double> loss_sums(std::size_t n_slots) const override { return batch_->loss_sums(n_slots); }
  void train(std::size_t n_slots, std::uint64_t n_steps) override {
    if (left_ == 0) throw DeviceError("backend: lost");
    batch_->train(n_slots, n_steps);
    if (--left_ == 0) stop_ = true;
  }
  std::vector<SimulationSample> measure(std::span<const std::size_t> slots) override { return batch_->measure(slots); }

 private:
  std::unique_ptr<ModelBatch> batch_;
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

TEST_CASE("simulation runs on a device: the files are those of another backend",
          "[transformer][parity][cuda][format]") {
  const TemporaryFolder folder;
  std::vector<SimulationOptions> runs{small_minimal_run(30, 3), small_minimal_run(std::nullopt, 4),
                                      small_attention_run(Profile::release, 40, 5),
                                      small_attention_run(Profile::paper, std::nullopt, 6)};
  for (SimulationOptions& run : runs) run.iterations = 60;
  const auto on_device = simulate_runs(runs, folder / "device", {}, make_host_batch);
  for (SimulationOptions& run : runs) run.backend = mlp_stats::BackendKind::eigen;
  const auto expected = simulate_runs(runs, folder / "eigen");
  for (std::size_t i = 0; i < runs.size(); ++i) {
    CAPTURE(i);
    const auto &found_head = on_device[i].head.entries, &head = expected[i].head.entries;
    REQUIRE(found_head.size() == head.size());
    for (std::size_t j = 0; j < head.size(); ++j) CHECK(found_head[j].first == head[j].first);
    const Table found(on_device[i].file), table(expected[i].file);
    CHECK(found.columns() == table.columns());
    REQUIRE(found.rows() == table.rows());
    for (std::size_t row = 0; row < table.rows(); ++row) {
      CHECK(found.number(row, "iteration") == table.number(row, "iteration"));
      CHECK_THAT(found.number(row, "icl_loss"), WithinRel(table.number(row, "icl_loss"), 1e-4));
      CHECK_THAT(found.number(row, "c1"), WithinRel(table.number(row, "c1"), 1e-4));
    }
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
        simulate_runs(runs, folder / "parts", {.jobs = 3, .stop = &stop}, [&](const ModelBatchOptions& options) {
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
                                  [&](const ModelBatchOptions& options) {
                                    return std::make_unique<StoppingBatch>(make_host_batch(options), stop, left);
                                  }),
                    "backend: lost");
  for (const auto& run : runs) CHECK_FALSE(fs::exists(failure_file(folder.path(), run)));
  CHECK(fs::exists(checkpoint_file(folder.path(), runs[0])));
}

TEST_CASE("simulation runs on a device: one that cannot be or diverges fails alone", "[transformer][cuda]") {
  const TemporaryFolder folder;
  auto few = small_minimal_run(2, 0);
  few.labels = ContextLabels::balanced;
  auto many = small_minimal_run(40, 1);
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
  const auto run = small_minimal_run(std::nullopt, 0);
  CHECK_THROWS_WITH(simulate_runs(std::span(&run, 1), folder / "new"), "backend: " + *mlp_stats::cuda_problem());
  CHECK_FALSE(fs::exists(folder / "new"));
}
