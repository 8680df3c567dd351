#include "iclk/figures/run_folder.hpp"

#include "figure_builders.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "synthetic_curves.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;

namespace {

const std::string kSimulation =
    "# iclk-simulation 1\n# program: iclk 0.1.0\n# run: 00000000000000aa\n# model: minimal\n# items: 200\n# context: "
    "20\n"
    "# count_target: no\n# hidden: 512\n# lr: 0.01\n# beta0: 0\n# seed: 3\n# outcome: reached_iterations\n# t_icl: "
    "12.5\n"
    "# t_fade: none\n# end_iteration: 2000\n# end_icl_accuracy: 0.99\n"
    "iteration,time,icl_accuracy,train_loss,beta,w\n0,0,0.5,,0,0\n1000,10,0.9,0.6,1.5,2\n2000,20,0.99,0.3,4,3\n";
const std::string kTable =
    "run,model,items,context,count_target,lr,seed,outcome,acquired,time,icl_accuracy\n"
    "00000000000000bb,minimal,100,20,no,0.01,1,memorized,0,33,0.6\n"
    "00000000000000cc,one-layer,inf,20,yes,0.01,0,reached_icl,1,70,0.96\n"
    "00000000000000dd,minimal,inf,12,no,0.01,,reached_icl,1,30,0.97\n";

}  // namespace

TEST_CASE("run folder: a simulation file gives settings and results and measurements", "[figures]") {
  const TemporaryFolder folder;
  folder.write("a/b/x.simulation.csv", kSimulation);
  const MeasuredRuns all = read_run_folder(folder.path());
  REQUIRE(all.runs.size() == 1);
  CHECK(all.problems.empty());
  const MeasuredRun& run = all.runs[0];
  CHECK(run.identity == "00000000000000aa");
  CHECK(run.model == "minimal");
  CHECK(run.n_items == 200.0);
  CHECK(run.n_context == 20.0);
  CHECK(run.n_exemplars == 20.0);
  CHECK(run.seed == 3U);
  CHECK(run.acquired);
  CHECK(run.t_icl() == 12.5);
  CHECK_FALSE(run.line);
  CHECK(run.number("hidden") == 512.0);
  CHECK(run.number("end_icl_accuracy") == 0.99);
  CHECK_FALSE(run.number("t_fade"));  // none
  CHECK_FALSE(run.number("model"));
  CHECK(run.text("outcome") == "reached_iterations");
  CHECK(run.trajectory.n_rows() == 3);
  REQUIRE(run.trajectory.find("beta") != nullptr);
  CHECK((*run.trajectory.find("beta"))[2] == 4.0);
  CHECK_FALSE((*run.trajectory.find("train_loss"))[0]);
  CHECK(run.trajectory.find("iwl_loss") == nullptr);
}

TEST_CASE("run folder: without trajectories the head alone is read", "[figures]") {
  const TemporaryFolder folder;
  const auto file = folder.write("x.simulation.csv", kSimulation);
  const MeasuredRuns all = read_run_folder(file, {.trajectories = false});
  REQUIRE(all.runs.size() == 1);
  CHECK(all.runs[0].time == 12.5);
  CHECK(all.runs[0].trajectory.n_rows() == 0);
}

TEST_CASE("run folder: a run that did not acquire ends at lr times its steps", "[figures]") {
  const TemporaryFolder folder;
  folder.write("x.simulation.csv", replaced(kSimulation, "t_icl: 12.5", "t_icl: none"));
  const MeasuredRuns all = read_run_folder(folder.path());
  CHECK_FALSE(all.runs.at(0).acquired);
  CHECK_FALSE(all.runs.at(0).t_icl());
  CHECK_THAT(all.runs.at(0).time, WithinRel(20.0, 1e-15));
}

TEST_CASE("run folder: a collected table gives one run per row in order", "[figures]") {
  const TemporaryFolder folder;
  folder.write("minimal.runs.csv", kTable);
  folder.write("runtimes.csv", "run,iterations,seconds per iteration\n00000000000000bb,10,1\n");
  folder.write(".hidden/minimal.runs.csv", "broken");
  const MeasuredRuns all = read_run_folder(folder.path());
  REQUIRE(all.runs.size() == 3);
  CHECK(all.runs[0].identity == "00000000000000dd");
  CHECK_FALSE(all.runs[0].n_items);
  CHECK_FALSE(all.runs[0].seed);
  CHECK(all.runs[0].line == 4U);
  CHECK(all.runs[1].identity == "00000000000000bb");
  CHECK_FALSE(all.runs[1].acquired);
  CHECK(all.runs[1].time == 33.0);
  CHECK_FALSE(all.runs[1].number("t_icl"));
  CHECK(all.runs[1].number("end_icl_accuracy") == 0.6);
  CHECK(all.runs[2].model == "one-layer");
  CHECK(all.runs[2].n_exemplars == 19.0);
  CHECK(all.runs[2].number("t_icl") == 70.0);
}

TEST_CASE("run folder: a run in a table and in a file counts once with its measurements", "[figures]") {
  const TemporaryFolder folder;
  folder.write("a.runs.csv",
               "run,model,items,context,acquired,time\n00000000000000aa,minimal,200,20,1,12.5\n"
               "00000000000000bb,minimal,200,20,0,20\n");
  folder.write("z/x.simulation.csv", kSimulation);
  const MeasuredRuns all = read_run_folder(folder.path());
  REQUIRE(all.runs.size() == 2);
  for (const MeasuredRun& run : all.runs) {
    CHECK((run.trajectory.n_rows() > 0) == (run.identity == "00000000000000aa"));
  }
  folder.write("b.runs.csv", "run,model,items,context,acquired,time\n00000000000000bb,minimal,200,20,1,20\n");
  CHECK_THAT(message_of([&] { (void)read_run_folder(folder.path()); }),
             ContainsSubstring("b.runs.csv:2: run: run 00000000000000bb has another result in") &&
                 ContainsSubstring("a.runs.csv:3"));
}

TEST_CASE("run folder: files deeper than three folders are not read", "[figures]") {
  const TemporaryFolder folder;
  folder.write("a/b/c/x.simulation.csv", kSimulation);
  folder.write("a/b/c/d/y.simulation.csv", replaced(kSimulation, "00aa", "00bb"));
  CHECK(read_run_folder(folder.path()).runs.size() == 1);
}

TEST_CASE("run folder: every bad file is an error that says where", "[figures][errors]") {
  const TemporaryFolder folder;
  CHECK_THAT(message_of([&] { (void)read_run_folder(folder / "absent"); }),
             ContainsSubstring("absent: no such file or folder"));
  CHECK_THAT(message_of([&] { (void)read_run_folder(folder.write("one.csv", "a,b\n1,2\n")); }),
             ContainsSubstring("one.csv:1: run: "));

  struct Case {
    std::string old, with, problem;
  };
  for (const Case& c : {Case{"# iclk-simulation 1", "hello", ":1: expected \"# iclk-simulation 1\""},
                        {"iclk-simulation 1", "iclk-simulation 7", ":1: expected version 1 of this format"},
                        {"# model: minimal\n", "", "model: expected a value, found none"},
                        {"# items: 200", "# items: many", "items: expected a number of items or inf, got \"many\""},
                        {"# context: 20", "# context: 0", "context: expected a context length, got \"0\""},
                        {"# seed: 3", "# seed: x", "seed: expected a number of a seed, got \"x\""},
                        {"# outcome: reached_iterations\n", "", "outcome: expected a value, found none"},
                        {"t_icl: 12.5", "t_icl: soon", "t_icl: expected a time that is not negative, got \"soon\""},
                        {"# end_iteration: 2000\n# end_icl_accuracy: 0.99\n", "", ""},
                        {"1000,10,0.9", "1000,10,0.9x", ":19: icl_accuracy: expected a number, got \"0.9x\""},
                        {"2000,20,", "2000,10,", ":20: time: expected a time after that of the row before"},
                        {"iteration,time", "iteration,clock", "time"}}) {
    INFO(c.with);
    const TemporaryFolder here;
    here.write("x.simulation.csv", replaced(kSimulation, c.old, c.with));
    const std::string message = message_of([&] { (void)read_run_folder(here.path()); });
    if (c.problem.empty()) {
      CHECK(message == "no error");  // not needed where t_icl is known
    } else {
      CHECK_THAT(message, ContainsSubstring("x.simulation.csv") && ContainsSubstring(c.problem));
    }
  }
  const TemporaryFolder unfinished;
  unfinished.write("x.simulation.csv", replaced(replaced(kSimulation, "12.5", "none"), "# end_iteration: 2000\n", ""));
  CHECK_THAT(message_of([&] { (void)read_run_folder(unfinished.path()); }),
             ContainsSubstring("end_iteration: expected a value, found none"));
  for (const Case& c : {Case{",0,33,", ",2,33,", ":2: acquired: expected 0 or 1, got \"2\""},
                        {",0,33,", ",0,-1,", ":2: time: expected a time that is not negative, got \"-1\""},
                        {",0,33,", ",0,,", ":2: time: expected a number"},
                        {"minimal,100,", "minimal,,", ":2: items: expected a value, found none"}}) {
    INFO(c.with);
    const TemporaryFolder here;
    here.write("t.csv", replaced(kTable, c.old, c.with));
    CHECK_THAT(message_of([&] { (void)read_run_folder(here.path()); }), ContainsSubstring("t.csv" + c.problem));
  }
}

TEST_CASE("run folder: bad files can be left out and are named", "[figures][errors]") {
  const TemporaryFolder folder;
  folder.write("good.simulation.csv", kSimulation);
  folder.write("bad.simulation.csv", "nothing\n");
  folder.write("bad.runs.csv", replaced(kTable, ",0,33,", ",2,33,"));
  const MeasuredRuns all = read_run_folder(folder.path(), {.skip_bad_files = true});
  CHECK(all.runs.size() == 1);
  REQUIRE(all.problems.size() == 2);
  CHECK_THAT(all.problems[0], ContainsSubstring("bad.runs.csv:2: acquired"));
  CHECK_THAT(all.problems[1], ContainsSubstring("bad.simulation.csv:1: expected"));
}

TEST_CASE("run folder: only curves of the run's network are taken", "[figures]") {
  const TemporaryFolder folder;
  folder.write("x.simulation.csv", kSimulation);
  write_synthetic_curves(folder / "curves", {2000, 500}, 2);
  const MeasuredRun run = read_run_folder(folder.path()).runs.at(0);
  const auto curves = curves_like(folder.path(), run);
  REQUIRE(curves.size() == 4);
  CHECK(curves[0].n_items == 500U);
  CHECK(curves[1].seed == 1U);
  CHECK(network_of(run) == "hidden 512, lr 0.01");
  CHECK(curve_command(run) ==
        "iclk train --items 100,200,400,800,1600 --seeds 0:3 --hidden 512 --lr 0.01 --out DIR/curves");
  for (const auto& [old, with] : {std::pair{"hidden: 512", "hidden: 511"}, {"lr: 0.01", "lr: 0.02"}}) {
    const TemporaryFolder other;
    const auto file = other.write("x.simulation.csv", replaced(kSimulation, old, with));
    CHECK(curves_like(folder.path(), read_run_folder(file).runs.at(0)).empty());
  }
}

TEST_CASE("run folder: frequencies and labels and input of curves have to fit", "[figures]") {
  const auto count = [](const std::string& key, const std::string& value, const std::string& model) {
    const TemporaryFolder folder;
    const auto file = folder.write("x.simulation.csv", replaced(kSimulation, "# model: minimal\n",
                                                                "# model: " + model + "\n# item_labels: random\n"));
    RunInfo info = synthetic_info(500, 0);
    info.add(key, value);
    write_curves(folder / "a.curves.csv", info, synthetic_samples(500, 0));
    write_curves(folder / "b.curves.csv", synthetic_info(1000, 0), synthetic_samples(1000, 0));
    const auto curves = curves_like(folder.path(), read_run_folder(file).runs.at(0));
    return std::pair(curves.size(), curves.empty() ? 0U : *curves[0].n_items);
  };
  CHECK(count("labels", "random", "minimal") == std::pair(std::size_t{2}, std::uint64_t{500}));
  CHECK(count("labels", "balanced", "minimal") == std::pair(std::size_t{1}, std::uint64_t{1000}));
  CHECK(count("zipf", "1", "minimal") == std::pair(std::size_t{1}, std::uint64_t{1000}));
  CHECK(count("input", "token", "minimal") == std::pair(std::size_t{1}, std::uint64_t{1000}));
  CHECK(count("input", "token", "one-layer") == std::pair(std::size_t{1}, std::uint64_t{500}));
  CHECK(count("input", "raw", "one-layer") == std::pair(std::size_t{2}, std::uint64_t{500}));
}

TEST_CASE("run folder: the same K and seed in two curves is an error or named", "[figures][errors]") {
  const TemporaryFolder folder;
  const auto file = folder.write("x.simulation.csv", kSimulation);
  write_synthetic_curves(folder / "a", {500}, 1);
  write_synthetic_curves(folder / "b", {500}, 1);
  folder.write("c.curves.csv", "# iclk-curves 1\niteration,time,c1\n1,0.01,abc\n");
  const MeasuredRun run = read_run_folder(file).runs.at(0);
  CHECK(message_of([&] { (void)curves_like(folder.path(), run); }) != "no error");
  std::vector<std::string> problems;
  CHECK(curves_like(folder.path(), run, &problems).size() == 1);
  REQUIRE(problems.size() == 2);
  CHECK_THAT(problems[0], ContainsSubstring("seed: the curve with K = 500 and seed 0 is already in"));
  CHECK_THAT(problems[1], ContainsSubstring("c.curves.csv"));
}
