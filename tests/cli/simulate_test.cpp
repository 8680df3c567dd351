#include <signal.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

/// A run of the minimal model that takes a fraction of a second, with `extra` options in place of or beside its own.
std::vector<std::string> small_run(const std::string& out, const std::vector<std::string>& extra = {}) {
  return with_options({"simulate", "--items",          "20", "--context",       "4",  "--out", out,   "--dim",
                       "8",        "--hidden",         "8",  "--batch",         "4",  "--lr",  "0.1", "--iterations",
                       "200",      "--test-sequences", "50", "--measure-every", "100"},
                      extra);
}

std::string error_of(const std::vector<std::string>& extra) {
  const TemporaryFolder folder;
  const ProgramRun run = run_program(small_run(folder / "runs", extra));
  CHECK(run.status == 2);
  CHECK_FALSE(std::filesystem::exists(folder / "runs"));
  return run.err;
}

std::string result_of(const std::vector<std::string>& extra) {
  const TemporaryFolder folder;
  return read_file(json_of(small_run(folder / "runs", extra))["runs"][0]["file"].get<std::string>());
}

}  // namespace

TEST_CASE("simulate: writes a result per seed and says what came out", "[cli]") {
  const TemporaryFolder folder;
  const auto json = json_of(small_run(folder / "runs", {"--seed", "0:2"}));
  CHECK(json["schema"] == "iclk-simulations 1");
  CHECK(json["outcome"] == "finished");
  CHECK(json["settings"]["model"] == "minimal");
  CHECK(json["settings"]["hidden"] == "8");
  CHECK_FALSE(json["settings"].contains("seed"));
  REQUIRE(json["runs"].size() == 2);
  const auto& run = json["runs"][1];
  CHECK(run["seed"] == 1);
  CHECK(run["n_items"] == 20);
  CHECK(run["context"] == 4);
  CHECK(run["status"] == "finished");
  CHECK(run["outcome"] == "reached_iterations");
  CHECK(run["iterations"] == 200);
  CHECK(run["icl_accuracy"] >= 0);
  CHECK(run["iwl_accuracy"] >= 0);
  CHECK(run["c1"] > 0);
  const std::string text = read_file(run["file"].get<std::string>());
  CHECK_THAT(text, StartsWith("# iclk-simulation 1\n"));
  CHECK_THAT(text, ContainsSubstring("# run: " + run["run"].get<std::string>() + "\n"));
  // 0, the logarithmic grid, 100 and 200.
  CHECK_THAT(text, ContainsSubstring("\n100,10,") && ContainsSubstring("\n200,20,"));
}

TEST_CASE("simulate: a second call keeps what is there and other settings stand beside it", "[cli]") {
  const TemporaryFolder folder;
  const auto first = json_of(small_run(folder / "runs"));
  const std::string file = first["runs"][0]["file"];
  const std::string bytes = read_file(file);
  const auto again = json_of(small_run(folder / "runs"));
  CHECK(again["runs"][0]["status"] == "kept");
  CHECK(again["runs"][0]["icl_accuracy"] == first["runs"][0]["icl_accuracy"]);
  CHECK(again["runs"][0]["iterations"] == 200);
  const auto other = json_of(small_run(folder / "runs", {"--lr", "0.2"}));
  CHECK(other["runs"][0]["status"] == "finished");
  CHECK(read_file(file) == bytes);
}

TEST_CASE("simulate: the recorded settings give the same bytes", "[cli]") {
  const TemporaryFolder folder;
  const auto arguments = small_run(folder / "a", {"--profile", "release", "--beta0", "0.5", "--labels", "random"});
  const auto json = json_of(arguments);
  std::vector<std::string> again{"simulate", "--out", folder / "b", "--seed", "0"};
  for (const auto& [key, value] : json["settings"].items()) {
    std::string option = "--" + key;
    std::replace(option.begin(), option.end(), '_', '-');
    again.insert(again.end(), {option, value.get<std::string>()});
  }
  const auto second = json_of(again);
  CHECK(read_file(json["runs"][0]["file"].get<std::string>()) ==
        read_file(second["runs"][0]["file"].get<std::string>()));
}

TEST_CASE("simulate: options reach the run", "[cli]") {
  const std::string base = result_of({});
  CHECK(result_of({"--jobs", "2"}) == base);
  CHECK(result_of({"--profile", "paper"}) == base);
  for (const auto& [option, value] : std::vector<std::pair<std::string, std::string>>{{"--items", "inf"},
                                                                                      {"--context", "5"},
                                                                                      {"--labels", "balanced-context"},
                                                                                      {"--profile", "release"},
                                                                                      {"--seed", "1"},
                                                                                      {"--stop-icl", "0.2"},
                                                                                      {"--attend-self", "yes"}}) {
    INFO(option);
    CHECK(result_of({option, value}) != base);
  }
  CHECK_THAT(result_of({"--stop-icl", "0.2"}), ContainsSubstring("# outcome: reached_icl\n"));
}

TEST_CASE("simulate: the one-layer model with K infinite draws sketches unless items are asked for", "[cli]") {
  const auto text_of = [](std::vector<std::string> extra) {
    extra.insert(extra.end(), {"--model", "one-layer", "--items", "inf", "--context", "32", "--iterations", "20"});
    return result_of(extra);
  };
  const std::string by_default = text_of({"--dim", "32"});
  const std::string items = text_of({"--dim", "32", "--item-draw", "items"});
  CHECK(by_default == text_of({"--dim", "32", "--item-draw", "sketches"}));
  CHECK(by_default != items);
  CHECK_THAT(by_default, ContainsSubstring("\n# item_draw: sketches\n"));
  CHECK_THAT(items, !ContainsSubstring("item_draw"));
  CHECK_THAT(text_of({"--dim", "31"}), !ContainsSubstring("item_draw"));
  CHECK(error_of({"--model", "one-layer", "--items", "inf", "--dim", "31", "--item-draw", "sketches"}) ==
        "--item-draw: expected items where dim is below 32, got sketches\n");
}

TEST_CASE("simulate: bad settings are named as options and nothing is written", "[cli][errors]") {
  CHECK(error_of({"--items", "1"}) == "--items: expected a whole number from 2 to 10000000, or inf, got \"1\"\n");
  CHECK(error_of({"--context", "1"}) == "--context: expected a whole number from 2 to 100000, got \"1\"\n");
  CHECK(error_of({"--seed", "0,0"}) == "--seed: 0 is listed twice\n");
  CHECK(error_of({"--weight-decay", "-1"}) == "--weight-decay: expected a number, at least 0, got \"-1\"\n");
  CHECK(error_of({"--context", "5", "--labels", "balanced-context"}) ==
        "--context: expected an even number of exemplars for labels balanced-context, got 5\n");
  CHECK(error_of({"--model", "mini"}) == "--model: expected minimal|one-layer|two-layer, got \"mini\"\n");
  CHECK(error_of({"--model", "one-layer", "--beta0", "1"}) == "--beta0: has no effect in model one-layer, got 1\n");
  CHECK(error_of({"--profile", "authors"}) == "--profile: expected paper|release, got \"authors\"\n");
  CHECK(run_program({"simulate", "--items", "20"}).err == "--out: is required: the folder for the result files\n");
}

TEST_CASE("simulate: a run that diverges has no answer and leaves the reason", "[cli]") {
  const TemporaryFolder folder;
  auto arguments = small_run(folder / "runs", {"--lr", "1e30", "--weight-decay", "0"});
  arguments.insert(arguments.end(), {"--json", "-"});
  const ProgramRun run = run_program(arguments);
  CHECK(run.status == 1);
  CHECK_THAT(run.err, StartsWith("failed: 1 of 1 runs, minimal_n4_k20_s0_") &&
                          ContainsSubstring(": not_finite: the training diverged; a smaller lr may help\n"));
  const auto json = nlohmann::json::parse(run.out);
  CHECK(json["outcome"] == "failed");
  CHECK(json["runs"][0]["status"] == "failed");
  CHECK(json["runs"][0]["problem"] == "not_finite: the training diverged; a smaller lr may help");
  CHECK(json["runs"][0]["t_icl"] == nullptr);
}

TEST_CASE("simulate: Ctrl-C stops cleanly and the same command resumes to the same bytes", "[cli]") {
  const TemporaryFolder folder;
  const auto arguments = [&](const std::string& out) {
    return small_run(out, {"--iterations", "40000", "--hidden", "32", "--batch", "32", "--measure-every", "20000"});
  };
  const std::string file = json_of(arguments(folder / "whole"))["runs"][0]["file"];
  {
    RunningProgram program(arguments(folder / "broken"), folder / "out", folder / "err");
    // The folder appears when the runs start; then let it do some steps.
    for (int i = 0; i < 200 && !std::filesystem::exists(folder / "broken"); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    program.send(SIGINT);
    CHECK(program.wait() == 130);
  }
  CHECK_THAT(read_file(folder / "err"), StartsWith("interrupted: 0 of 1 runs are finished in ") &&
                                            ContainsSubstring("the same command again resumes"));
  const auto name = std::filesystem::path(file).filename();
  CHECK_FALSE(std::filesystem::exists(folder / "broken" / name));
  REQUIRE(run_program(arguments(folder / "broken")).status == 0);
  CHECK(read_file(folder / "broken" / name) == read_file(file));
}
