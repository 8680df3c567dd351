#include <set>
#include <string>
#include <utility>
#include <vector>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

std::string data(const std::string& name) { return data_path("r/" + name).string(); }

std::vector<std::string> command(const std::string& file, const std::vector<std::string>& more) {
  std::vector<std::string> words{"fit", "threshold", file};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

}  // namespace

TEST_CASE("fit threshold design: a table of runs that a sweep reads", "[cli][format][eq13]") {
  const TemporaryFolder folder;
  const std::string file = folder / "next.csv";
  const auto json = json_of(command(data("runs_small.csv"), {"--design", file, "--design-runs", "12"}));
  const auto& design = json["design"];
  CHECK(design["outcome"] == "planned");
  CHECK(design["for"] == "k-star");
  REQUIRE(design["expected"].size() == 1);
  CHECK(design["expected"][0]["context"] == 100);
  CHECK(design["expected"][0]["sd_after"] < design["expected"][0]["sd_before"]);
  CHECK(design["expected"][0]["sd_after"] < design["expected"][0]["sd_even"]);
  const Table table(file);
  REQUIRE(table.rows() == 12);
  CHECK(table.columns() == std::vector<std::string>{"context", "items", "seed", "expected_sd_before",
                                                    "expected_sd_after", "design_for", "design_seed", "source"});
  std::set<std::pair<double, double>> seeds;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    CHECK(table.number(row, "context") == 100);
    seeds.emplace(table.number(row, "items"), table.number(row, "seed"));
    CHECK(table.number(row, "expected_sd_after") == design["expected"][0]["sd_after"].get<double>());
  }
  CHECK(seeds.size() == 12);
  CHECK(json_of(command(data("runs_small.csv"), {}))["design"].is_null());
}

TEST_CASE("fit threshold design: a name in toml gets a plan that sweep run takes", "[cli][format]") {
  const TemporaryFolder folder;
  const std::string file = folder / "next.toml";
  const auto design = json_of(command(data("runs_small.csv"), {"--design", file, "--design-runs", "12"}))["design"];
  const std::string plan = read_file(file);
  std::size_t n_grids = 0;
  for (std::size_t at = plan.find("[[grid]]"); at != std::string::npos; at = plan.find("[[grid]]", at + 1)) ++n_grids;
  CHECK(n_grids == design["rows"].size());
  const std::string head = "[defaults]\n";
  std::string small = plan;
  small.insert(small.find(head) + head.size(), "hidden = 4\nbatch = 4\niterations = 1\ntest-sequences = 10\n");
  const auto sweep =
      json_of({"sweep", "run", folder.write("small.toml", small).string(), "--out", folder / "runs", "--quiet"});
  CHECK(sweep["n_planned"] == 12);
  CHECK(sweep["n_finished"] == 12);
  CHECK(sweep["n_repeated"] == 0);
  const std::string half = folder.write("half.csv", "K,acquired\n10.5,0\n10.5,1\n20.5,1\n").string();
  const ProgramRun broken = run_program(command(half, {"--design", file, "--design-items-low", "10.5",
                                                       "--design-items-high", "21", "--design-multiple", "10.5"}));
  CHECK(broken.status == 2);
  CHECK_THAT(broken.err, StartsWith("--design: a plan of a sweep needs whole K, got 10.5"));
}

TEST_CASE("fit threshold design: seeds go on after those of the file", "[cli]") {
  const TemporaryFolder folder;
  std::string with = "K,acquired,seed\n", without = "K,acquired\n";
  for (const auto& [k, acquired] : {std::pair{500, 0}, {1000, 0}, {2000, 0}, {4000, 1}, {8000, 1}}) {
    for (int seed = 3; seed < 6; ++seed) {
      const std::string row = std::to_string(k) + ',' + std::to_string(acquired);
      with += row + ',' + std::to_string(seed) + '\n';
      without += row + '\n';
    }
  }
  const std::vector<std::string> fixed{"--design", folder / "next.csv",   "--design-items-low",
                                       "2000",     "--design-items-high", "2001"};  // one multiple of 2
  json_of(command(folder.write("with.csv", with).string(), fixed));
  const Table after(folder / "next.csv");
  REQUIRE(after.rows() == 24);
  CHECK_FALSE(after.has("context"));
  CHECK(after.number(0, "items") == 2000);
  CHECK(after.number(0, "seed") == 6);
  CHECK(after.number(23, "seed") == 29);
  json_of(command(folder.write("without.csv", without).string(), fixed));
  CHECK(Table(folder / "next.csv").number(0, "seed") == 3);  // three runs at this K
}

TEST_CASE("fit threshold design: every option changes the plan", "[cli]") {
  const TemporaryFolder folder;
  const std::string file = folder / "next.csv";
  const auto design = [&](std::vector<std::string> more, const std::string& runs = "runs_small.csv") {
    more.insert(more.end(), {"--design", file});
    return json_of(command(data(runs), more))["design"];
  };
  const auto base = design({"--design-runs", "6"});
  CHECK(base["runs"] == 6);
  CHECK(design({"--design-runs", "7"})["runs"] == 7);
  CHECK(design({"--design-runs", "6", "--design-items-low", "6000"})["rows"][0]["n_items"] >= 6000);
  CHECK(design({"--design-runs", "6", "--design-items-high", "3000"})["rows"][0]["n_items"] <= 3000);
  CHECK(design({"--design-runs", "6", "--design-multiple", "1000"})["rows"][0]["n_items"].get<int>() % 1000 == 0);
  CHECK(design({"--design-runs", "6", "--design-seed", "5"})["expected"] != base["expected"]);
  CHECK(design({"--design-runs", "6", "--link", "logit"})["expected"] != base["expected"]);
  const auto thresholds = design({"--design-runs", "2"}, "runs_contexts.csv");
  CHECK(thresholds["expected"].size() == 4);
  const auto exponent = design({"--design-runs", "2", "--design-for", "exponent"}, "runs_contexts.csv");
  REQUIRE(exponent["expected"].size() == 1);
  CHECK(exponent["expected"][0]["context"].is_null());
  CHECK_THAT(exponent["expected"][0]["mean"].get<double>(), WithinAbs(1.456, 0.1));
  const auto single = design({"--design-for", "exponent"});
  CHECK(single["outcome"] == "one_context");
  CHECK_FALSE(single["warnings"].empty());
}

TEST_CASE("fit threshold design: runs without a threshold still have a plan", "[cli][limits]") {
  const TemporaryFolder folder;
  const std::string one = folder.write("one.csv", "K,acquired\n1000,1\n1000,0\n").string();
  const auto json = json_of(command(one, {"--design", folder / "next.csv"}));
  CHECK(json["outcome"] == "no_threshold");
  CHECK(json["design"]["outcome"] == "planned");
  CHECK(Table(folder / "next.csv").rows() == 24);
}

TEST_CASE("fit threshold design: it is in the text and can be standard output alone", "[cli][format]") {
  const TemporaryFolder folder;
  const ProgramRun text =
      run_program(command(data("runs_small.csv"), {"--design", folder / "next.csv", "--design-runs", "3"}));
  CHECK(text.status == 0);
  CHECK_THAT(text.out, ContainsSubstring("Runs to do next (planned)"));
  CHECK_THAT(text.out, ContainsSubstring("sd of ln K* at N = 100: "));
  const ProgramRun table = run_program(command(data("runs_small.csv"), {"--design", "-", "--design-runs", "3"}));
  CHECK(table.status == 0);
  CHECK_THAT(table.out, StartsWith("context,items,seed,"));
  CHECK(table.out.find("Threshold") == std::string::npos);
}

TEST_CASE("fit threshold design: bad options are refused", "[cli][errors]") {
  const TemporaryFolder folder;
  const std::string file = folder / "next.csv";
  const auto error_of = [&](const std::vector<std::string>& more) {
    const ProgramRun run = run_program(command(data("runs_small.csv"), more));
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    return run.err;
  };
  CHECK(error_of({"--design-runs", "3"}) == "--design-runs: needs --design\n");
  CHECK(error_of({"--design-for", "exponent"}) == "--design-for: needs --design\n");
  CHECK_THAT(error_of({"--design", file, "--design-for", "width"}), StartsWith("--design-for: expected"));
  CHECK_THAT(error_of({"--design", file, "--design-runs", "0"}), StartsWith("--design-runs: expected"));
  CHECK(error_of({"--design", file, "--design-items-low", "9", "--design-items-high", "8"}) ==
        "--design-items-high: expected more than items_low, got 8\n");
  CHECK_THAT(error_of({"--design", file, "--design-items-low", "501", "--design-items-high", "510", "--design-multiple",
                       "100"}),
             StartsWith("--design-multiple: expected a number with multiples in the range of K"));
  const std::string bare = folder.write("bare.csv", "K,acquired\n500,0\n900,1\n").string();
  CHECK(run_program(command(bare, {"--design", file, "--design-for", "exponent"})).err ==
        "--design-for: the exponent of K*(N) needs a column context, N or n_context\n");
  CHECK(error_of({"--design", "-", "--json", "-"}) == "--design: standard output is asked for twice\n");
  CHECK_THAT(error_of({"--design", folder / "missing" / "next.csv"}), StartsWith("--design: cannot write"));
  CHECK_THAT(error_of({"--design", data("runs_small.csv")}), ContainsSubstring("is also an input"));
  const std::string seeds = folder.write("seeds.csv", "K,acquired,seed\n500,0,a\n").string();
  CHECK(run_program(command(seeds, {"--design", file})).err == seeds + ":2: seed: expected a number, got \"a\"\n");
  const std::string half = folder.write("half.csv", "K,acquired,seed\n500,0,1.5\n").string();
  CHECK(run_program(command(half, {"--design", file})).err ==
        half + ":2: seed: expected a whole number, got \"1.5\"\n");
}
