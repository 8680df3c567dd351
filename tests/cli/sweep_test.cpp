#include <algorithm>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;
namespace fs = std::filesystem;

namespace {

/// Runs of milliseconds; `grids` follow their defaults.
std::string small_plan(const std::string& grids) {
  return "[defaults]\ncontext = 4\ndim = 8\nhidden = 8\nbatch = 4\nlr = 0.1\niterations = 60\ntest-sequences = 20\n"
         "measure-every = 30\n" +
         grids;
}

std::vector<std::string> sweep_run(const TemporaryFolder& folder, const std::string& plan,
                                   const std::vector<std::string>& extra = {}) {
  std::vector<std::string> arguments{"sweep", "run", folder.write("plan.toml", plan).string(), "--out",
                                     folder / "runs"};
  arguments.insert(arguments.end(), extra.begin(), extra.end());
  return arguments;
}

std::size_t n_results(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::count_if(fs::directory_iterator(folder), fs::directory_iterator(),
                    [](const auto& entry) { return entry.path().filename().string().ends_with(".simulation.csv"); }));
}

}  // namespace

TEST_CASE("sweep: run then status then collect", "[cli]") {
  const TemporaryFolder folder;
  const std::string plan = small_plan("[[grid]]\nitems = [20, 40]\nseeds = \"0:3\"\n");
  const auto run = json_of(sweep_run(folder, plan, {"--jobs", "2"}));
  CHECK(run["schema"] == "iclk-sweep 1");
  CHECK(run["outcome"] == "finished");
  CHECK(run["n_planned"] == 6);
  CHECK(run["n_finished"] == 6);
  CHECK(n_results(folder / "runs") == 6);
  const auto again = json_of(sweep_run(folder, plan));
  CHECK(again["n_kept"] == 6);
  CHECK(again["n_finished"] == 0);

  const auto status = json_of({"sweep", "status", folder / "runs"});
  CHECK(status["schema"] == "iclk-sweep-status 1");
  CHECK(status["n_finished"] == 6);
  CHECK(status["n_waiting"] == 0);
  CHECK(status["seconds_left"] == 0);
  CHECK_THAT(run_program({"sweep", "status", folder / "runs"}).out,
             ContainsSubstring("one core still needs\n") && ContainsSubstring("0 min\n"));

  const auto collected = json_of({"sweep", "collect", folder / "runs", "--csv", folder / "runs.csv"});
  CHECK(collected["schema"] == "iclk-sweep-collection 1");
  CHECK(collected["n_runs"] == 6);
  REQUIRE(collected["groups"].size() == 2);
  CHECK(collected["groups"][0]["group"] == "minimal, N = 4, K = 20");
  CHECK(collected["groups"][0]["n_runs"] == 3);
  const Table table(folder / "runs.csv");
  REQUIRE(table.rows() == 6);
  CHECK(table.text(0, "n_items") == "20");
  CHECK(table.text(5, "seed") == "2");
  CHECK(table.text(0, "item_labels") == "random");
  CHECK_FALSE(table.has("readout"));
  for (std::size_t row = 0; row < 6; ++row) {
    const bool acquired = table.number(row, "acquired") == 1;
    CHECK(table.number(row, "end_iteration") == 60);
    if (!acquired) CHECK(table.number(row, "time") == 6);
    if (!acquired) CHECK(table.number(row, "time_iterations") == 60);
    CHECK(table.number(row, "icl_accuracy") >= 0);
    CHECK(table.number(row, "attention_acquired") == 0);
  }
}

TEST_CASE("sweep: collected runs are what the fits read", "[cli]") {
  const TemporaryFolder folder;
  // Results as the program writes them, with known times: acquired from K = 400 on.
  fs::create_directories(folder / "runs");
  json_of(sweep_run(folder, small_plan("[[grid]]\nitems = [100, 200, 400, 800]\nseeds = \"0:6\"\n")));
  std::size_t n = 0;
  for (const auto& entry : fs::directory_iterator(folder / "runs")) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".simulation.csv")) continue;
    std::string text = read_file(entry.path());
    const bool acquired = name.find("_k400_") != std::string::npos || name.find("_k800_") != std::string::npos ||
                          name.find("_k200_s1") != std::string::npos;
    const std::size_t at = text.find("# t_icl: ");
    text.replace(at, text.find('\n', at) - at, acquired ? "# t_icl: " + std::to_string(3 + ++n % 5) : "# t_icl: none");
    // All runs of K = 200 acquire attention, which not all of them show in their accuracy.
    const std::size_t half = text.find("# t_attention_half: ");
    const bool attended = name.find("_k100_") == std::string::npos;
    text.replace(half, text.find('\n', half) - half, attended ? "# t_attention_half: 3" : "# t_attention_half: none");
    folder.write("runs/" + name, text);
  }
  const ProgramRun collect = run_program({"sweep", "collect", folder / "runs", "--csv", folder / "runs.csv"});
  REQUIRE(collect.status == 0);
  const auto threshold = json_of({"fit", "threshold", folder / "runs.csv"});
  CHECK(threshold["n_runs"] == 24);
  CHECK(threshold["thresholds"][0]["context"] == 4);
  CHECK(threshold["thresholds"][0]["n_acquired"] == 13);
  CHECK(threshold["thresholds"][0]["k_star"]["value"] > 150);
  CHECK(threshold["thresholds"][0]["k_star"]["value"] < 400);
  const auto attention = json_of({"fit", "threshold", folder / "runs.csv", "--acquired", "attention_acquired"});
  CHECK(attention["thresholds"][0]["n_acquired"] == 18);
  CHECK(attention["thresholds"][0]["k_star"]["value"] < 200);
  const auto acquisition = json_of({"fit", "acquisition", folder / "runs.csv"});
  CHECK(acquisition["groups"].size() == 4);
}

TEST_CASE("sweep: K infinite is collected apart", "[cli]") {
  const TemporaryFolder folder;
  json_of(sweep_run(folder, small_plan("[[grid]]\nitems = [20, \"inf\"]\nseeds = \"0:2\"\n")));
  const auto mixed = json_of({"sweep", "collect", folder / "runs", "--csv", folder / "runs.csv"});
  REQUIRE(mixed["warnings"].size() == 1);
  CHECK_THAT(mixed["warnings"][0].get<std::string>(), ContainsSubstring("--select items=inf"));
  CHECK_FALSE(Table(folder / "runs.csv").has("n_items"));
  const auto infinite =
      json_of({"sweep", "collect", folder / "runs", "--select", "items=inf", "seed=1", "--csv", folder / "runs.csv"});
  CHECK(infinite["n_runs"] == 1);
  CHECK(infinite["warnings"].empty());
  CHECK(Table(folder / "runs.csv").text(0, "seed") == "1");
  const auto none = json_of({"sweep", "collect", folder / "runs", "--select", "items=77"}, 1);
  CHECK(none["outcome"] == "no_results");
}

TEST_CASE("sweep: runs with items are kept apart from those with sketches", "[cli]") {
  const TemporaryFolder folder;
  const std::string plan = small_plan("[[grid]]\nmodel = \"one-layer\"\ncontext = 32\ndim = 32\nseeds = \"0:2\"\n");
  const std::string items = plan + "item-draw = \"items\"\n";
  CHECK(json_of(sweep_run(folder, items))["n_finished"] == 2);
  std::vector<std::pair<fs::path, std::string>> earlier;
  for (const auto& entry : fs::directory_iterator(folder / "runs")) {
    if (entry.path().string().ends_with(".simulation.csv")) earlier.emplace_back(entry, read_file(entry.path()));
  }
  REQUIRE(earlier.size() == 2);
  for (const auto& [file, text] : earlier) CHECK_THAT(text, !ContainsSubstring("item_draw"));

  // What an older program leaves: a plan that meant items without a word.
  folder.write("runs/plan.toml", plan);
  const auto status = json_of({"sweep", "status", folder / "runs"});
  CHECK(status["n_waiting"] == 2);
  CHECK(status["n_with_items"] == 2);
  CHECK_THAT(run_program({"sweep", "status", folder / "runs"}).out,
             ContainsSubstring("warning: 2 runs are there with item-draw items"));
  // The same command makes other runs, beside these.
  CHECK(json_of(sweep_run(folder, plan))["n_finished"] == 2);
  CHECK(n_results(folder / "runs") == 4);
  for (const auto& [file, text] : earlier) CHECK(read_file(file) == text);
  CHECK(json_of({"sweep", "status", folder / "runs"})["n_with_items"] == 0);
  CHECK(json_of(sweep_run(folder, items))["n_kept"] == 2);

  const auto selected = [&](const std::string& wish) {
    const auto collected = json_of({"sweep", "collect", folder / "runs", "--select", wish, "--csv", folder / "x.csv"});
    return std::pair(collected["n_runs"].get<int>(), Table(folder / "x.csv").has("item_draw"));
  };
  CHECK(selected("item-draw=items") == std::pair(2, false));
  CHECK(selected("item-draw=sketches") == std::pair(2, true));
  CHECK(selected("items=inf") == std::pair(4, true));
}

TEST_CASE("sweep: shards are parts of the plan", "[cli]") {
  const TemporaryFolder folder;
  const std::string plan = small_plan("[[grid]]\nitems = [20, 40]\nseeds = \"0:2\"\n");
  CHECK(json_of(sweep_run(folder, plan, {"--shard", "1/3"}))["n_runs"] == 2);
  CHECK(n_results(folder / "runs") == 2);
  CHECK(json_of({"sweep", "status", folder / "runs"})["n_waiting"] == 2);
  CHECK(json_of(sweep_run(folder, plan, {"--shard", "2/3"}))["n_runs"] == 1);
  CHECK(json_of(sweep_run(folder, plan, {"--shard", "3/3"}))["n_runs"] == 1);
  CHECK(json_of(sweep_run(folder, plan))["n_kept"] == 4);
}

TEST_CASE("sweep: failed runs are reported and tried again", "[cli]") {
  const TemporaryFolder folder;
  const std::string plan = small_plan("weight-decay = 0\n[[grid]]\nitems = 20\nlr = [0.1, 1e30]\n");
  auto arguments = sweep_run(folder, "[defaults]\n" + plan.substr(plan.find("context")));
  for (int attempt = 0; attempt < 2; ++attempt) {
    const ProgramRun run = run_program(arguments);
    CHECK(run.status == 1);
    CHECK_THAT(run.err, StartsWith("failed: 1 of 2 runs, minimal_n4_k20_s0_"));
    CHECK_THAT(run.out, ContainsSubstring(attempt == 0 ? "1 finished now, 0 were there, 0 left, 1 failed"
                                                       : "0 finished now, 1 were there, 0 left, 1 failed"));
  }
  const auto status = json_of({"sweep", "status", folder / "runs"});
  CHECK(status["n_failed"] == 1);
  CHECK(status["failures"][0]["problem"] == "not_finite: the training diverged; a smaller lr may help");
}

TEST_CASE("sweep: a bad plan is one line and nothing is written", "[cli][errors]") {
  const TemporaryFolder folder;
  const auto error_of = [&](const std::string& plan, const std::vector<std::string>& extra = {}) {
    const ProgramRun run = run_program(sweep_run(folder, plan, extra));
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
    CHECK_FALSE(fs::exists(folder / "runs"));
    return run.err;
  };
  const std::string plan_file = folder / "plan.toml";
  CHECK(error_of("[[grid]]\nitems = [50, 1]\n") ==
        plan_file + ":2: items: expected a whole number from 2 to 10000000, or inf, got \"1\"\n");
  CHECK(error_of("[[grid]]\nwdith = 3\n") == plan_file + ":2: wdith: unknown setting\n");
  CHECK_THAT(error_of("[[grid]\n"), StartsWith(plan_file + ":1: "));
  const std::string good = small_plan("[[grid]]\nitems = 20\n");
  CHECK(error_of(good, {"--shard", "2"}) == "--shard: expected i/n, e.g. 2/4, got \"2\"\n");
  CHECK(error_of(good, {"--shard", "3/2"}) == "--shard: expected a whole number from 1 to 2, got \"3\"\n");
  CHECK_THAT(run_program({"sweep", "run", folder / "none.toml", "--out", folder / "runs"}).err,
             StartsWith((folder / "none.toml").string() + ": cannot be read"));
  CHECK(run_program({"sweep", "run", plan_file}).err == "--out: is required: the folder for the result files\n");
  CHECK(run_program({"sweep", "run", "--out", "x"}).err == "PLAN: expected a plan, a file in TOML\n");
  CHECK_THAT(run_program({"sweep", "status", folder / "none"}).err, ContainsSubstring("holds no plan.toml"));
  CHECK_THAT(run_program({"sweep", "collect", folder / "none"}).err, ContainsSubstring("expected a folder"));
  CHECK(run_program({"sweep", "collect", folder.path().string(), "--select", "colour=red"}).err ==
        "--select: expected NAME=VALUE with the name of a setting, got \"colour=red\"\n");
  CHECK(run_program({"sweep", "collect", folder.path().string(), "--select", "items=few"}).err ==
        "--select: items: expected a whole number from 2 to 10000000, or inf, got \"few\"\n");
}

TEST_CASE("sweep: a result of other settings under a run's name is not taken for it", "[cli][errors]") {
  const TemporaryFolder folder;
  const std::string plan = small_plan("[[grid]]\nitems = 20\n");
  json_of(sweep_run(folder, plan));
  for (const auto& entry : fs::directory_iterator(folder / "runs")) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".simulation.csv")) continue;
    std::string text = read_file(entry.path());
    text.replace(text.find("# lr: 0.1\n"), 10, "# lr: 0.2\n");
    folder.write("runs/" + name, text);
    const ProgramRun run = run_program(sweep_run(folder, plan));
    CHECK(run.status == 2);
    CHECK(run.err ==
          (folder / "runs" / name).string() +
              ": lr: made with 0.2, now 0.1 is asked for; choose another output folder or remove the file\n");
  }
}
