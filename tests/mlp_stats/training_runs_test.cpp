#include "iclk/mlp_stats/training_runs.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "small_run.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk;
using namespace iclk::mlp_stats;
using namespace iclk::test;

namespace fs = std::filesystem;

namespace {

std::vector<TrainingOptions> small_set() {
  return {small_run(30, 0), small_run(30, 1), small_run(50, 0), small_run(70, 2)};
}

TrainingRunsOptions with_jobs(int jobs) {
  TrainingRunsOptions options;
  options.jobs = jobs;
  return options;
}

/// Options that stop the runs at their first sign of progress.
TrainingRunsOptions stopping_early(std::atomic<bool>& stop) {
  TrainingRunsOptions options;
  options.stop = &stop;
  options.on_progress = [&stop](const RunProgress&) { stop = true; };
  return options;
}

/// Contents of every file of a folder, by name.
std::vector<std::pair<std::string, std::string>> contents_of(const fs::path& folder) {
  std::vector<std::pair<std::string, std::string>> contents;
  for (const auto& entry : fs::directory_iterator(folder)) {
    contents.emplace_back(entry.path().filename().string(), read_file(entry.path()));
  }
  std::sort(contents.begin(), contents.end());
  return contents;
}

}  // namespace

TEST_CASE("training runs: one curve file per run and nothing else", "[mlp_stats][format]") {
  const TemporaryFolder folder;
  const auto reports = train_runs(small_set(), folder / "curves");
  REQUIRE(reports.size() == 4);
  for (const auto& report : reports) {
    CHECK(report.status == RunStatus::finished);
    CHECK(report.last->c1 < 0.05);
    const auto curves = read_curves(report.curve_file);
    REQUIRE(curves.size() == 1);
    CHECK(curves[0].n_items == report.options.n_items);
    CHECK(curves[0].seed == report.options.seed);
    CHECK(curves[0].lr == report.options.lr);
    CHECK(curves[0].curves.c1.values().back() == report.last->c1);
    CHECK(*curves[0].info.find("outcome") == "reached_c1");
  }
  CHECK(contents_of(folder / "curves").size() == 4);
  CHECK(reports[0].curve_file.filename() == "k30_s0.curves.csv");
}

TEST_CASE("training runs: side by side or alone gives the same bytes", "[mlp_stats]") {
  const TemporaryFolder folder;
  const auto runs = small_set();
  train_runs(runs, folder / "together", with_jobs(4));
  for (const auto& run : runs) train_runs(std::span(&run, 1), folder / "alone", with_jobs(1));
  CHECK(contents_of(folder / "together") == contents_of(folder / "alone"));
}

TEST_CASE("training runs: finished runs are kept untouched", "[mlp_stats]") {
  const TemporaryFolder folder;
  train_runs(small_set(), folder.path());
  const auto before = contents_of(folder.path());
  const auto time = fs::last_write_time(folder / "k30_s0.curves.csv");
  for (const auto& report : train_runs(small_set(), folder.path())) CHECK(report.status == RunStatus::kept);
  CHECK(contents_of(folder.path()) == before);
  CHECK(fs::last_write_time(folder / "k30_s0.curves.csv") == time);
}

TEST_CASE("training runs: asked to stop they checkpoint and go on to the same bytes", "[mlp_stats]") {
  const TemporaryFolder folder;
  const auto runs = small_set();
  train_runs(runs, folder / "whole");
  bool interrupted = false;
  for (int i = 0; i < 1000; ++i) {
    std::atomic<bool> stop{false};
    TrainingRunsOptions options = with_jobs(2);
    options.stop = &stop;
    std::thread stopper([&stop] {
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      stop = true;
    });
    const auto reports = train_runs(runs, folder / "parts", options);
    stopper.join();
    const auto done = [](const RunReport& r) { return r.status == RunStatus::finished || r.status == RunStatus::kept; };
    if (std::all_of(reports.begin(), reports.end(), done)) break;
    interrupted = true;
  }
  CHECK(interrupted);
  CHECK(contents_of(folder / "parts") == contents_of(folder / "whole"));
}

TEST_CASE("training runs: killed at random moments they end with the same bytes", "[mlp_stats]") {
  const TemporaryFolder folder;
  train_runs(small_set(), folder / "whole");
  Rng rng(5, RandomPurpose::test, 0);
  int n_killed = 0;
  for (int attempt = 0; attempt < 12; ++attempt) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      TrainingRunsOptions options = with_jobs(2);
      options.checkpoint_seconds = 0.0;
      train_runs(small_set(), folder / "killed", options);
      _exit(0);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(2000 + rng.below(60000)));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) ++n_killed;
  }
  CHECK(n_killed > 0);
  train_runs(small_set(), folder / "killed");
  auto left = contents_of(folder / "killed");
  CHECK(left == contents_of(folder / "whole"));
}

TEST_CASE("training runs: progress names the runs at work", "[mlp_stats]") {
  const TemporaryFolder folder;
  auto run = small_run(60, 0);
  run.hidden = 256;
  run.stop_c1.reset();
  run.max_iterations = 20000;
  std::atomic<bool> stop{false};
  int n_calls = 0;
  TrainingRunsOptions options;
  options.stop = &stop;
  options.on_progress = [&](const RunProgress& progress) {
    ++n_calls;
    CHECK(progress.n_runs == 1);
    CHECK(progress.steps_per_second > 0);
    REQUIRE(progress.active.size() == 1);
    CHECK(progress.active[0].iteration > 0);
    stop = true;
  };
  const auto reports = train_runs(std::span(&run, 1), folder.path(), options);
  CHECK(n_calls >= 1);
  CHECK(reports[0].status == RunStatus::interrupted);
  CHECK(fs::exists(folder / "k60_s0.checkpoint"));
}

TEST_CASE("training runs: a diverging run leaves no curve", "[mlp_stats]") {
  const TemporaryFolder folder;
  auto run = small_run(30, 0);
  run.lr = 1e30;
  run.weight_decay = 0.0;
  CHECK(train_runs(std::span(&run, 1), folder.path())[0].status == RunStatus::not_finite);
  CHECK(contents_of(folder.path()).empty());
}

TEST_CASE("training runs: what cannot be done is said before any training", "[mlp_stats][errors]") {
  const TemporaryFolder folder;
  auto run = small_run(30, 0);
  const auto curve = curve_file(folder.path(), run);

  SECTION("a file made by other settings") {
    train_runs(std::span(&run, 1), folder.path());
    run.lr = 0.2;
    CHECK_THROWS_WITH(
        train_runs(std::span(&run, 1), folder.path()),
        curve.string() + ": lr: made with 0.1, now 0.2 is asked for; choose another output folder or remove the file");
  }
  SECTION("two runs with one file name") {
    const std::vector<TrainingOptions> twice{run, run};
    CHECK_THROWS_WITH(train_runs(twice, folder.path()), "items: two runs would write " + curve.string());
  }
  SECTION("a folder that is a file") {
    std::ofstream(folder / "file") << "x";
    CHECK_THROWS_AS(train_runs(std::span(&run, 1), folder / "file"), Error);
  }
  SECTION("an impossible option") {
    run.batch = 0;
    CHECK_THROWS_WITH(train_runs(std::span(&run, 1), folder / "new"), "batch: expected 1 to 16384, got 0");
    CHECK_FALSE(fs::exists(folder / "new"));
  }
}

TEST_CASE("training runs: checkpoints survive truncation with a clear error", "[mlp_stats][errors]") {
  const TemporaryFolder folder;
  auto run = small_run(60, 0);
  run.hidden = 128;
  run.stop_c1.reset();
  run.max_iterations = 1'000'000;
  std::atomic<bool> stop{false};
  train_runs(std::span(&run, 1), folder.path(), stopping_early(stop));
  const auto checkpoint = folder / "k60_s0.checkpoint";
  const std::string whole = read_file(checkpoint);
  REQUIRE(whole.size() > 1000);
  const std::string message = checkpoint.string() + ": damaged checkpoint; remove it to start this run again";
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{200}, whole.size() - 1}) {
    std::ofstream(checkpoint, std::ios::binary) << whole.substr(0, size);
    CHECK_THROWS_WITH(train_runs(std::span(&run, 1), folder.path()), message);
  }
  std::string flipped = whole;
  flipped[whole.size() / 2] ^= 1;
  std::ofstream(checkpoint, std::ios::binary) << flipped;
  CHECK_THROWS_WITH(train_runs(std::span(&run, 1), folder.path()), message);

  std::ofstream(checkpoint, std::ios::binary) << whole;
  run.lr = 0.05;
  CHECK_THROWS_WITH(train_runs(std::span(&run, 1), folder.path()),
                    checkpoint.string() +
                        ": lr: made with 0.1, now 0.05 is asked for; choose another output folder or remove the file");
}
