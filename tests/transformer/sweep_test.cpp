#include "iclk/transformer/sweep.hpp"

#include <algorithm>
#include <ctime>
#include <fstream>
#include <set>

#include "iclk/core/error.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"
#include "toy_model.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::transformer;
namespace fs = std::filesystem;

namespace {

SweepPlan plan_of(const TemporaryFolder& folder, const std::string& text) {
  return read_sweep_plan(folder.write("plan.toml", text));
}

/// What is wrong with a plan, without the name of its file.
std::string error_of(const std::string& text) {
  const TemporaryFolder folder;
  const fs::path path = folder.write("plan.toml", text);
  try {
    read_sweep_plan(path);
  } catch (const Error& error) {
    const std::string message = error.what();
    CHECK(message.find('\n') == std::string::npos);
    REQUIRE_THAT(message, StartsWith(path.string() + ":"));
    return message.substr(path.string().size() + 1);
  }
  return "no error";
}

SimulationRunsOptions with_toy() {
  SimulationRunsOptions options;
  options.model = make_toy;
  return options;
}

/// A plan of toy runs: `grids` below defaults that take milliseconds.
std::string toy_plan(const std::string& grids) {
  return "[defaults]\nitems = 8\ncontext = 4\ndim = 3\nbatch = 2\nlr = 0.25\nweight-decay = 0\niterations = 300\n"
         "test-sequences = 20\nmeasure-every = 100\npoints-per-decade = 1\n" +
         grids;
}

std::size_t n_with(const std::vector<SimulationReport>& reports, RunStatus status) {
  return static_cast<std::size_t>(
      std::count_if(reports.begin(), reports.end(), [&](const auto& report) { return report.status == status; }));
}

}  // namespace

TEST_CASE("sweep plan: grids are all combinations with the seed varying fastest", "[transformer][format]") {
  const TemporaryFolder folder;
  const SweepPlan plan = plan_of(folder, R"(
[defaults]
hidden = 32
lr = 0.5
seeds = "0:2"

[[grid]]
context = [10, 20]
items = [500, "inf"]

[[grid]]
items = 1000
lr = 0.25
stop-faded = true
seeds = "5,7:9"
)");
  REQUIRE(plan.runs.size() == 11);
  CHECK(plan.n_repeated == 0);
  for (std::size_t i = 0; i < 8; ++i) {
    const SimulationOptions& run = plan.runs[i];
    CHECK(run.n_items == (i < 4 ? std::optional<std::uint64_t>(500) : std::nullopt));
    CHECK(run.context == (i % 4 < 2 ? 10 : 20));
    CHECK(run.seed == i % 2);
    CHECK(run.hidden == 32);
    CHECK(run.lr == 0.5);
  }
  CHECK(plan.runs[8].seed == 5);
  CHECK(plan.runs[10].seed == 8);
  CHECK(plan.runs[9].lr == 0.25);
  CHECK(plan.runs[9].stop_faded);
  CHECK(plan.runs[9].context == 100);
}

TEST_CASE("sweep plan: a profile may be a dimension of the grid", "[transformer]") {
  const TemporaryFolder folder;
  const SweepPlan plan = plan_of(folder, "[[grid]]\nprofile = [\"paper\", \"release\"]\nitems = [100, \"inf\"]\n");
  REQUIRE(plan.runs.size() == 4);
  CHECK_FALSE(plan.runs[0].count_target);
  CHECK(plan.runs[2].count_target);
  CHECK(plan.runs[2].item_labels == mlp_stats::LabelRule::balanced);
  CHECK(plan.runs[3].item_labels == mlp_stats::LabelRule::random);
}

TEST_CASE("sweep plan: without item-draw it means sketches where they are possible and faster", "[transformer]") {
  const TemporaryFolder folder;
  const std::string defaults = "[defaults]\nmodel = \"one-layer\"\n";
  const SweepPlan plan = plan_of(folder, defaults +
                                             "[[grid]]\nitems = [\"inf\", 100]\ndim = [31, 32]\n"
                                             "[[grid]]\nbackend = \"cuda\"\n"
                                             "[[grid]]\nitem-draw = [\"items\", \"sketches\"]\n");
  std::vector<ItemDraw> draws;
  for (const SimulationOptions& run : plan.runs) draws.push_back(item_draw(run));
  const ItemDraw items = ItemDraw::items, sketches = ItemDraw::sketches;
  CHECK(draws == std::vector{items, sketches, items, items, items, items, sketches});
  // Asked for or not, it is the same run.
  CHECK(plan_of(folder, defaults + "[[grid]]\nlr = 0.01\n[[grid]]\nitem-draw = \"sketches\"\n").n_repeated == 1);
}

TEST_CASE("sweep plan: the shipped ones ask for the runs of their tables", "[transformer][format]") {
  const fs::path data = fs::path(ICLK_TEST_DATA) / "../../figures/data/experiments";
  std::size_t n_plans = 0, n_drawn = 0;
  for (const auto& entry : fs::directory_iterator(data)) {
    if (entry.path().extension() != ".toml") continue;
    ++n_plans;
    INFO(entry.path().string());
    std::set<std::string> planned;
    for (const SimulationOptions& run : read_sweep_plan(entry.path()).runs) {
      planned.insert(run_identity(run));
      if (run.model == ModelKind::one_layer && !run.n_items && item_draw(run) == ItemDraw::items) ++n_drawn;
    }
    const Table table(fs::path(entry.path()).replace_extension(".runs.csv"));
    for (std::size_t row = 0; row < table.rows(); ++row) CHECK(planned.contains(table.text(row, "run")));
  }
  CHECK(n_plans >= 12);
  CHECK(n_drawn >= 30);
}

TEST_CASE("sweep plan: runs that stand in two grids are done once", "[transformer]") {
  const TemporaryFolder folder;
  const SweepPlan plan = plan_of(folder, "[[grid]]\nitems = [100, 200]\n[[grid]]\nitems = [200, 300]\nlr = 0.01\n");
  CHECK(plan.runs.size() == 3);
  CHECK(plan.n_repeated == 1);
}

TEST_CASE("sweep plan: every mistake is one line with its place", "[transformer][errors]") {
  CHECK(error_of("[[grid]]\nitems = [1 2]\n").starts_with("2: "));
  CHECK(error_of("") == " grid: a plan needs at least one [[grid]]");
  CHECK(error_of("[defaults]\nlr = 0.1\n") == " grid: a plan needs at least one [[grid]]");
  CHECK(error_of("[[grid]]\n") == "1: grid: is empty: expected at least one setting");
  CHECK(error_of("[grid]\nlr = 0.1\n") == "1: grid: expected [[grid]]");
  CHECK(error_of("defaults = 3\n[[grid]]\nlr = 0.1\n") == "1: defaults: expected [defaults]");
  CHECK(error_of("lr = 0.1\n[[grid]]\nitems = 50\n") ==
        "1: lr: does not belong here; a plan has [defaults] and [[grid]], with the settings below them");
  CHECK(error_of("[[grid]]\nitems = 50\n\ncontxt = 5\n") == "4: contxt: unknown setting; did you mean \"context\"?");
  CHECK(error_of("[defaults]\nweight_decay = 0\n[[grid]]\nitems = 50\n") ==
        "2: weight_decay: unknown setting; did you mean \"weight-decay\"?");
  CHECK(error_of("[[grid]]\nitems = []\n") == "2: items: expected at least one value, got an empty array");
  CHECK(error_of("[[grid]]\ncontext = \"10\"\n") == "2: context: expected a whole number, got a text in quotes");
  CHECK(error_of("[[grid]]\ncontext = 10.0\n") == "2: context: expected a whole number, got a number");
  CHECK(error_of("[[grid]]\nlr = true\n") == "2: lr: expected a number, got a truth value");
  CHECK(error_of("[[grid]]\nlr = [0.1,\n  [0.2]]\n") == "3: lr: expected a number, got an array");
  CHECK(error_of("[[grid]]\nattend-self = 1\n") == "2: attend-self: expected true or false, got a whole number");
  CHECK(error_of("[[grid]]\nattend-self = \"on\"\n") == "2: attend-self: expected yes|no, got \"on\"");
  CHECK(error_of("[[grid]]\nmodel = 3\n") ==
        "2: model: expected a text in quotes, \"minimal|one-layer|two-layer\", got a whole number");
  CHECK(error_of("[[grid]]\nitems = 2.5\n") == "2: items: expected a whole number or \"inf\", got a number");
  CHECK(error_of("[[grid]]\nlr = 1979-05-27\n") == "2: lr: expected a number, got a date or time");
  CHECK(error_of("[[grid]]\nmodel = \"minimum\"\n") ==
        "2: model: expected minimal|one-layer|two-layer, got \"minimum\"");
  CHECK(error_of("[[grid]]\nitems = 1\n") == "2: items: expected a whole number from 2 to 10000000, or inf, got \"1\"");
  CHECK(error_of("[[grid]]\ncontext = [10,\n1]\n") ==
        "3: context: expected a whole number from 2 to 100000, got \"1\"");
  CHECK(error_of("[[grid]]\nlambda-w = -1e-3\n") == "2: lambda-w: expected a number, at least 0, got \"-0.001\"");
  CHECK(error_of("[defaults]\nlabels = \"balanced-context\"\n[[grid]]\ncontext = [10, 11]\n") ==
        "4: context: expected an even number of exemplars for labels balanced-context, got 11");
  CHECK(error_of("[defaults]\nzipf = 1\n[[grid]]\nitems = [10, \"inf\"]\n") ==
        "2: zipf: has no effect with K infinite, got 1");
  CHECK(error_of("[[grid]]\nlabels = \"balanced-context-with-target\"\n") ==
        "1: context: expected an odd number of exemplars for labels balanced-context-with-target, got 100");
  CHECK(error_of("[[grid]]\nseeds = \"3:3\"\n") == "2: seeds: the range \"3:3\" is empty; a:b means a, a+1, ..., b-1");
  CHECK(error_of("[[grid]]\nseeds = \"a:b\"\n") == "2: seeds: expected seeds like \"0:16\" or \"0:4,7\", got \"a:b\"");
  CHECK(error_of("[[grid]]\nseeds = 16\n") ==
        "2: seeds: expected seeds like \"0:16\" or \"0:4,7\", got a whole number");
  CHECK(error_of("[[grid]]\nseeds = \"0:99999999\"\n") == "2: seeds: the range \"0:99999999\" is too long");
  CHECK(error_of("[[grid]]\nitems = 50\n[[grid]]\nitems = [50, 60]\nseeds = \"0:500000\"\n") ==
        "3: grid: the plan has more than 1000000 runs");
  CHECK(error_of("[[grid]]\nseeds = \"0:2\"\nseed = 3\n") == "2: seeds: stands beside seed; use one of them");
  CHECK(error_of("[defaults]\nseed = 3\nseeds = \"0:2\"\n[[grid]]\nitems = 50\n") ==
        "3: seeds: stands beside seed; use one of them");
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(read_sweep_plan(folder / "none.toml"),
                    (folder / "none.toml").string() + ": cannot be read; expected a plan in TOML");
  CHECK_THROWS_AS(read_sweep_plan(folder.path()), Error);
}

TEST_CASE("sweep: shards share the runs and give what one machine gives", "[transformer]") {
  const TemporaryFolder folder;
  const SweepPlan plan = plan_of(folder, toy_plan("[[grid]]\nitems = [8, 9]\nseeds = \"0:5\"\n"));
  std::size_t n_runs = 0;
  for (const std::uint64_t index : {2, 3, 1}) {
    const auto reports = run_sweep(plan, folder / "shards", with_toy(), {.index = index, .count = 3});
    CHECK(n_with(reports, RunStatus::finished) == reports.size());
    n_runs += reports.size();
  }
  CHECK(n_runs == 10);
  CHECK(n_with(run_sweep(plan, folder / "whole", with_toy()), RunStatus::finished) == 10);
  for (const SimulationOptions& run : plan.runs) {
    CHECK(read_file(simulation_file(folder / "shards", run)) == read_file(simulation_file(folder / "whole", run)));
  }
  CHECK_THROWS_WITH(run_sweep(plan, folder / "no", with_toy(), {.index = 4, .count = 3}),
                    "shard: expected i/n with i from 1 to n, got 4/3");
  CHECK_THROWS_AS(run_sweep(plan, folder / "no", with_toy(), {.index = 0, .count = 3}), Error);
}

TEST_CASE("sweep: backend cuda without a card is refused before anything is written", "[transformer][cuda][errors]") {
  if (!mlp_stats::cuda_problem()) return;
  const TemporaryFolder folder;
  const SweepPlan plan = plan_of(folder, "[[grid]]\nbackend = \"cuda\"\nitems = 9\n");
  CHECK_THROWS_WITH(run_sweep(plan, folder / "new"), "backend: " + *mlp_stats::cuda_problem());
  CHECK_FALSE(fs::exists(folder / "new"));
}

TEST_CASE("sweep: a longer plan only does what is new", "[transformer]") {
  const TemporaryFolder folder;
  const fs::path out = folder / "runs";
  const std::string first = toy_plan("[[grid]]\nseeds = \"0:3\"\n");
  run_sweep(plan_of(folder, first), out, with_toy());
  const auto more = run_sweep(plan_of(folder, first + "[[grid]]\nitems = 9\n"), out, with_toy());
  CHECK(n_with(more, RunStatus::kept) == 3);
  CHECK(n_with(more, RunStatus::finished) == 1);
  CHECK(sweep_status(out).n_planned == 4);
  // And a shorter one forgets nothing.
  run_sweep(plan_of(folder, toy_plan("[[grid]]\nitems = 9\n")), out, with_toy());
  CHECK(sweep_status(out).n_planned == 1);
  CHECK(sweep_status(out).n_unplanned == 3);
  CHECK(collect_runs(out).size() == 4);
}

TEST_CASE("sweep status: counts what is finished or failed and what is left", "[transformer]") {
  const TemporaryFolder folder;
  const fs::path out = folder / "runs";
  const SweepPlan plan = plan_of(folder, toy_plan("[[grid]]\nseeds = \"0:5\"\n"));
  SimulationRunsOptions options = with_toy();
  options.jobs = 1;
  options.model = [](const SimulationOptions& run) -> std::unique_ptr<IclModel> {
    if (run.seed == 2) throw field_error("seed", "2 is not wanted");
    return make_toy(run);
  };
  std::atomic<bool> stop{true};
  options.stop = &stop;
  run_sweep(plan, out, options);
  SweepStatus status = sweep_status(out);
  CHECK(status.n_waiting == 5);
  CHECK_FALSE(status.seconds_left);
  options.stop = nullptr;
  run_sweep(plan, out, options);
  status = sweep_status(out);
  CHECK(status.n_planned == 5);
  CHECK(status.n_finished == 4);
  CHECK(status.n_failed == 1);
  CHECK(status.n_waiting == 0);
  REQUIRE(status.failures.size() == 1);
  CHECK(status.failures[0].run == run_name(plan.runs[2]));
  CHECK(status.failures[0].problem == "seed: 2 is not wanted");
  REQUIRE(status.seconds_left);
  fs::rename(simulation_file(out, plan.runs[0]), checkpoint_file(out, plan.runs[0]));
  status = sweep_status(out);
  CHECK(status.n_finished == 3);
  CHECK(status.n_interrupted == 1);
  CHECK_THROWS_WITH(sweep_status(folder.path() / "none"),
                    (folder / "none").string() + ": holds no plan.toml; expected the --out folder of iclk sweep run");
}

TEST_CASE("sweep status: runs that the plan meant when it could only mean items are told", "[transformer]") {
  const TemporaryFolder folder;
  const std::string grid = "[[grid]]\nmodel = \"one-layer\"\nseeds = \"0:4\"\n";
  const SweepPlan plan = plan_of(folder, grid);
  const auto with_items = [&](std::size_t i) {
    SimulationOptions run = plan.runs[i];
    run.item_draw = ItemDraw::items;
    return run;
  };
  std::ofstream(simulation_file(folder.path(), with_items(0))) << "x";
  std::ofstream(simulation_file(folder.path(), with_items(1))) << "x";
  std::ofstream(checkpoint_file(folder.path(), with_items(2))) << "x";
  std::ofstream(simulation_file(folder.path(), plan.runs[1])) << "x";  // done anew
  SweepStatus status = sweep_status(folder.path());
  CHECK(status.n_finished == 1);
  CHECK(status.n_waiting == 3);
  CHECK(status.n_unplanned == 2);
  CHECK(status.n_with_items == 2);
  // Where the plan says which, there is nothing to tell.
  plan_of(folder, grid + "item-draw = \"items\"\n");
  status = sweep_status(folder.path());
  CHECK(status.n_finished == 2);
  CHECK(status.n_interrupted == 1);
  CHECK(status.n_with_items == 0);
  plan_of(folder, grid + "item-draw = \"sketches\"\n");
  CHECK(sweep_status(folder.path()).n_with_items == 0);
  plan_of(folder, grid + grid + "item-draw = \"items\"\n");
  CHECK(sweep_status(folder.path()).n_with_items == 0);
  plan_of(folder, grid + "dim = 31\n");
  CHECK(sweep_status(folder.path()).n_with_items == 0);
}

TEST_CASE("sweep status: the time left is that of the runs most alike", "[transformer]") {
  const TemporaryFolder folder;
  const SweepPlan plan =
      plan_of(folder, "[[grid]]\nitems = [10, 20]\nseeds = \"0:3\"\n[[grid]]\ncontext = 7\nitems = 10\n");
  const auto finish = [&](const SimulationOptions& run, double seconds) {
    std::ofstream(simulation_file(folder.path(), run)) << "x";
    std::ofstream(folder / "runtimes.csv", std::ios::app)
        << run_name(run) << ",1000," << seconds / 1000 << "\nbroken line\n,,\n";
  };
  finish(plan.runs[0], 10);  // K = 10
  finish(plan.runs[1], 20);
  // One more of K = 10 at 15; three of K = 20 at 15 (they differ in K); one of another N at 15 (the mean of all).
  CHECK_THAT(*sweep_status(folder.path()).seconds_left, WithinRel(15.0 * 5, 1e-12));
  finish(plan.runs[3], 100);  // K = 20
  // 15 for K = 10, 2 x 100 for K = 20, 130/3 for the other N.
  CHECK_THAT(*sweep_status(folder.path()).seconds_left, WithinRel(15.0 + 200.0 + 130.0 / 3, 1e-12));
}

TEST_CASE("sweep collect: every result in order and only whole ones", "[transformer]") {
  const TemporaryFolder folder;
  const fs::path out = folder / "runs";
  run_sweep(plan_of(folder, toy_plan("[[grid]]\nitems = [100, 9, \"inf\"]\ncontext = [12, 4]\nseeds = \"0:2\"\n")), out,
            with_toy());
  const auto runs = collect_runs(out);
  REQUIRE(runs.size() == 12);
  std::string order;
  for (const CollectedRun& run : runs) order += *run.head.find("context") + '/' + *run.head.find("items") + ' ';
  CHECK(order == "4/9 4/9 4/100 4/100 4/inf 4/inf 12/9 12/9 12/100 12/100 12/inf 12/inf ");
  CHECK(*runs[1].head.find("seed") == "1");
  folder.write("runs/broken.simulation.csv", "# iclk-simulation 2\n");
  CHECK_THROWS_WITH(collect_runs(out), (out / "broken.simulation.csv").string() +
                                           ":1: expected a result file of this version, which begins with "
                                           "\"# iclk-simulation 1\"");
  folder.write("runs/broken.simulation.csv", "# iclk-simulation 1\n# run: x\n");
  CHECK_THROWS_WITH(collect_runs(out),
                    (out / "broken.simulation.csv").string() + ": model: is missing at the head of the file");
  CHECK_THROWS_AS(collect_runs(folder / "none"), Error);
}

TEST_CASE("sweep: a plan of ten thousand runs lists and resumes in under a second", "[transformer][.timed]") {
  const TemporaryFolder folder;
  const std::string text = toy_plan(
      "[[grid]]\nitems = [8, 9, 10, 11, 12, 13, 14, 15, 16, 17]\ncontext = [4, 5, 6, 7, 8]\nseeds = \"0:200\"\n");
  const fs::path out = folder / "runs";
  {
    const SweepPlan plan = plan_of(folder, text);
    REQUIRE(plan.runs.size() == 10'000);
    fs::create_directories(out);
    // One result that is real, under all names with the settings that belong there.
    auto model_run = plan.runs[0];
    const std::string result = read_file(simulate_runs(std::span(&model_run, 1), folder / "one", with_toy())[0].file);
    const std::size_t results_at = result.find("# outcome: ");
    for (const SimulationOptions& run : plan.runs) {
      std::string head = "# iclk-simulation 1\n# program: iclk\n# run: " + run_identity(run) + '\n';
      for (const auto& [key, value] : settings_of(run).entries) head += "# " + key + ": " + value + '\n';
      std::ofstream(simulation_file(out, run)) << head << result.substr(results_at);
    }
  }
  // Processor time: what it takes on a free machine.
  const auto seconds_of = [](auto action) {
    const std::clock_t start = std::clock();
    action();
    return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  };
  std::vector<SimulationReport> reports;
  const double resume = seconds_of([&] { reports = run_sweep(plan_of(folder, text), out, with_toy()); });
  CHECK(n_with(reports, RunStatus::kept) == 10'000);
  SweepStatus status;
  const double list = seconds_of([&] { status = sweep_status(out); });
  CHECK(status.n_finished == 10'000);
  const double collect = seconds_of([&] { CHECK(collect_runs(out).size() == 10'000); });
  INFO("resume " << resume << " s, status " << list << " s, collect " << collect << " s");
  CHECK(resume < 1.0);
  CHECK(list < 1.0);
  CHECK(collect < 1.0);
}
