#include "iclk/transformer/simulation_runs.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "toy_model.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::transformer;
namespace fs = std::filesystem;

namespace {

std::vector<SimulationOptions> small_set() {
  std::vector<SimulationOptions> runs(4, small_options());
  runs[1].seed = 1;
  runs[2].n_items.reset();
  runs[3].context = 6;
  return runs;
}

SimulationRunsOptions with_jobs(int jobs) {
  SimulationRunsOptions options;
  options.jobs = jobs;
  return options;
}

SimulationRunsOptions with_toy() {
  SimulationRunsOptions options;
  options.model = make_toy;
  return options;
}

/// Results, failures and checkpoints by name; how long the runs took is no part of them.
std::vector<std::pair<std::string, std::string>> contents_of(const fs::path& folder) {
  std::vector<std::pair<std::string, std::string>> contents;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    if (file != "runtimes.csv") contents.emplace_back(file, read_file(entry.path()));
  }
  std::sort(contents.begin(), contents.end());
  return contents;
}

}  // namespace

TEST_CASE("simulation runs: side by side or alone gives the same bytes", "[transformer]") {
  const TemporaryFolder folder;
  const auto runs = small_set();
  const auto reports = simulate_runs(runs, folder / "together", with_jobs(4));
  REQUIRE(reports.size() == 4);
  for (std::size_t i = 0; i < reports.size(); ++i) {
    CHECK(reports[i].status == RunStatus::finished);
    CHECK(reports[i].iteration == 600);
    CHECK(reports[i].file == simulation_file(folder / "together", runs[i]));
    CHECK(*reports[i].head.find("run") == run_identity(runs[i]));
    CHECK(reports[i].last->iteration == 600);
  }
  for (const auto& run : runs) simulate_runs(std::span(&run, 1), folder / "alone", with_jobs(1));
  CHECK(contents_of(folder / "together") == contents_of(folder / "alone"));
  CHECK(contents_of(folder / "together").size() == 4);
}

TEST_CASE("simulation runs: finished runs are kept untouched", "[transformer]") {
  const TemporaryFolder folder;
  simulate_runs(small_set(), folder.path());
  const auto before = contents_of(folder.path());
  const auto reports = simulate_runs(small_set(), folder.path());
  for (const auto& report : reports) {
    CHECK(report.status == RunStatus::kept);
    CHECK(report.iteration == 600);
    CHECK(*report.head.find("outcome") == "reached_iterations");
  }
  CHECK(contents_of(folder.path()) == before);
}

TEST_CASE("simulation runs: asked to stop they checkpoint and go on to the same bytes", "[transformer]") {
  const TemporaryFolder folder;
  simulate_runs(small_set(), folder / "whole");
  bool interrupted = false;
  for (int i = 0; i < 1000; ++i) {
    std::atomic<bool> stop{false};
    SimulationRunsOptions options = with_jobs(2);
    options.stop = &stop;
    std::thread stopper([&stop] {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      stop = true;
    });
    const auto reports = simulate_runs(small_set(), folder / "parts", options);
    stopper.join();
    const auto left = [](const SimulationReport& r) { return r.status == RunStatus::interrupted; };
    if (std::none_of(reports.begin(), reports.end(), left)) break;
    interrupted = true;
  }
  CHECK(interrupted);
  CHECK(contents_of(folder / "parts") == contents_of(folder / "whole"));
}

TEST_CASE("simulation runs: killed at random moments they end with the same bytes", "[transformer]") {
  const TemporaryFolder folder;
  simulate_runs(small_set(), folder / "whole");
  Rng rng(11, RandomPurpose::test, 0);
  int n_killed = 0;
  for (int attempt = 0; attempt < 25; ++attempt) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      SimulationRunsOptions options = with_jobs(2);
      options.checkpoint_seconds = 0.0;
      simulate_runs(small_set(), folder / "killed", options);
      _exit(0);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(1000 + rng.below(30000)));
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) ++n_killed;
  }
  CHECK(n_killed > 0);
  simulate_runs(small_set(), folder / "killed");
  CHECK(contents_of(folder / "killed") == contents_of(folder / "whole"));
}

TEST_CASE("simulation runs: a failed run leaves the others alone and is tried again", "[transformer]") {
  const TemporaryFolder folder;
  std::vector<SimulationOptions> runs(2, toy_options());
  runs[1].seed = 1;
  SimulationRunsOptions options = with_toy();
  options.model = [](const SimulationOptions& run) -> std::unique_ptr<IclModel> {
    if (run.seed == 1) throw field_error("seed", "is not wanted\ntoday");
    return make_toy(run);
  };
  const auto reports = simulate_runs(runs, folder.path(), options);
  CHECK(reports[0].status == RunStatus::finished);
  CHECK(reports[1].status == RunStatus::failed);
  CHECK(reports[1].problem == "seed: is not wanted\ntoday");
  CHECK(read_file(failure_file(folder.path(), runs[1])) == "seed: is not wanted today\n");
  CHECK_FALSE(fs::exists(reports[1].file));
  const auto again = simulate_runs(runs, folder.path(), with_toy());
  CHECK(again[0].status == RunStatus::kept);
  CHECK(again[1].status == RunStatus::finished);
  CHECK_FALSE(fs::exists(failure_file(folder.path(), runs[1])));
}

TEST_CASE("simulation runs: a run that diverges says so", "[transformer]") {
  const TemporaryFolder folder;
  auto run = small_options();
  run.lr = 1e30;
  const auto report = simulate_runs(std::span(&run, 1), folder.path())[0];
  CHECK(report.status == RunStatus::failed);
  CHECK(report.problem == "not_finite: the training diverged; a smaller lr may help");
  CHECK_FALSE(fs::exists(checkpoint_file(folder.path(), run)));
}

TEST_CASE("simulation runs: progress names the runs at work", "[transformer]") {
  const TemporaryFolder folder;
  auto run = small_options();
  run.iterations = 1'000'000'000;
  run.measure_every = 1'000'000'000;
  std::atomic<bool> stop{false};
  int n_calls = 0;
  SimulationRunsOptions options;
  options.stop = &stop;
  options.on_progress = [&](const SimulationProgress& progress) {
    ++n_calls;
    CHECK(progress.n_runs == 1);
    CHECK(progress.n_done == 0);
    CHECK(progress.steps_per_second > 0);
    REQUIRE(progress.active.size() == 1);
    CHECK(progress.active[0].iteration == progress.steps_done);
    stop = true;
  };
  const auto reports = simulate_runs(std::span(&run, 1), folder.path(), options);
  CHECK(n_calls >= 1);
  CHECK(reports[0].status == RunStatus::interrupted);
  CHECK(fs::exists(checkpoint_file(folder.path(), run)));
}

TEST_CASE("simulation runs: what cannot be done is said before any training", "[transformer][errors]") {
  const TemporaryFolder folder;
  auto run = toy_options();
  const auto file = simulation_file(folder.path(), run);
  const auto simulate_one = [&] { return simulate_runs(std::span(&run, 1), folder.path(), with_toy()); };

  SECTION("a file of this name made by other settings") {
    auto other = run;
    other.lr = 0.5;
    fs::rename(simulate_runs(std::span(&other, 1), folder.path(), with_toy())[0].file, file);
    CHECK_THROWS_WITH(
        simulate_one(),
        file.string() + ": lr: made with 0.5, now 0.25 is asked for; choose another output folder or remove the file");
  }
  SECTION("the same run twice") {
    const std::vector<SimulationOptions> twice{run, run};
    CHECK_THROWS_WITH(simulate_runs(twice, folder.path(), with_toy()), "seed: the same run twice: " + file.string());
  }
  SECTION("a folder that is a file") {
    std::ofstream(folder / "file") << "x";
    CHECK_THROWS_AS(simulate_runs(std::span(&run, 1), folder / "file", with_toy()), Error);
  }
  SECTION("an impossible option") {
    run.batch = 0;
    CHECK_THROWS_WITH(simulate_runs(std::span(&run, 1), folder / "new", with_toy()),
                      "batch: expected a whole number from 1 to 16384, got \"0\"");
    CHECK_FALSE(fs::exists(folder / "new"));
  }
  SECTION("a damaged checkpoint") {
    folder.write(checkpoint_file("", run).string(), "iclk-simulation-checkpoint 1\n and nothing more");
    CHECK_THROWS_WITH(simulate_one(), checkpoint_file(folder.path(), run).string() +
                                          ": damaged checkpoint; remove it to start this run again");
  }
}
