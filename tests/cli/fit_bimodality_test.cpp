#include <string>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

std::string runs() { return data_path("r/runs_contexts.csv").string(); }

std::vector<std::string> command(const std::string& file, std::vector<std::string> more) {
  std::vector<std::string> words{"fit", "bimodality", file, "--mixture-resamples", "20", "--dip-resamples", "100"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// Twelve accuracies about 0.5 and twelve about 0.97, without ties.
std::string two_modes() {
  std::string text = "accuracy,score\n";
  for (int i = 0; i < 12; ++i) {
    text += "0.4" + std::to_string(100 + 71 * i) + ",5\n0.9" + std::to_string(500 + 39 * i) + ',' + std::to_string(i) +
            '\n';
  }
  return text;
}

}  // namespace

TEST_CASE("fit bimodality: two modes and their share in JSON", "[cli][format]") {
  const TemporaryFolder folder;
  const auto json = json_of({"fit", "bimodality", folder.write("runs.csv", two_modes()).string()});
  CHECK(json["schema"] == "iclk-fit-bimodality 1");
  CHECK(json["outcome"] == "tested");
  CHECK(json["seed"] == 0);
  REQUIRE(json["groups"].size() == 1);
  const auto& group = json["groups"][0];
  CHECK(group["n"] == 24);
  CHECK(group["context"].is_null());
  CHECK(group["dip_p"] < 0.01);
  CHECK(group["mixture"]["p"] < 0.01);
  CHECK(group["mixture"]["bic_two"] < group["mixture"]["bic_one"]);
  CHECK_THAT(group["mixture"]["high_share"]["value"].get<double>(), WithinAbs(0.5, 1e-6));
  CHECK_THAT(group["mixture"]["low_share"]["low"].get<double>(),
             WithinAbs(1 - group["mixture"]["high_share"]["high"].get<double>(), 1e-12));
  CHECK(group["mixture"]["n_high"] == 12);
  CHECK(group["n_intermediate"] == 0);
  CHECK(group["intermediate"]["low"] == 0);
  CHECK_THAT(group["intermediate"]["high"].get<double>(), WithinAbs(0.142473, 1e-6));  // 1 - 0.025^(1/24)
}

TEST_CASE("fit bimodality: K and N make groups unless they are pooled", "[cli]") {
  const auto json = json_of(command(runs(), {}));
  CHECK(json["groups"].size() == 32);
  CHECK(json["groups"][0]["n_items"] == 500);
  CHECK(json["groups"][0]["context"] == 50);
  CHECK(json["groups"][0]["n"] == 6);
  const auto pooled = json_of(command(runs(), {"--pool"}));
  REQUIRE(pooled["groups"].size() == 1);
  CHECK(pooled["groups"][0]["n"] == 192);
  CHECK(pooled["groups"][0]["n_items"].is_null());
}

TEST_CASE("fit bimodality: every option changes the answer", "[cli]") {
  const TemporaryFolder folder;
  const std::string file = folder.write("runs.csv", two_modes()).string();
  const auto group_of = [&](const std::vector<std::string>& more) { return json_of(command(file, more))["groups"][0]; };
  const auto base = group_of({});
  CHECK(group_of({"--column", "score", "--scale", "linear"})["largest"] == 11);
  CHECK(group_of({"--scale", "linear"})["mixture"]["low"]["mean"] > 0);
  CHECK(group_of({"--trials", "10"})["mixture"]["high"]["mean"] < base["mixture"]["high"]["mean"]);
  CHECK(group_of({"--intermediate-low", "0.4"})["n_intermediate"] == 12);
  CHECK(group_of({"--intermediate-high", "1"})["n_intermediate"] == 12);
  CHECK(group_of({"--interval", "wilson"})["intermediate"]["high"] < base["intermediate"]["high"]);
  const auto groups = [](const std::string& seed) { return json_of(command(runs(), {"--seed", seed}))["groups"]; };
  CHECK(groups("3") != groups("4"));
  CHECK(groups("3") == groups("3"));
  const auto without = json_of({"fit", "bimodality", file, "--dip-resamples", "0", "--mixture-resamples", "0"});
  CHECK(without["groups"][0]["dip_p"].is_null());
  CHECK(without["groups"][0]["mixture"]["p"].is_null());
}

TEST_CASE("fit bimodality: text and CSV say the same", "[cli][format]") {
  const TemporaryFolder folder;
  const std::string file = folder.write("runs.csv", two_modes()).string();
  const ProgramRun text = run_program(command(file, {}));
  CHECK(text.status == 0);
  CHECK_THAT(text.out, ContainsSubstring("all runs: 24 values of accuracy"));
  CHECK_THAT(text.out, ContainsSubstring("p < 0.0099"));
  CHECK_THAT(text.out, ContainsSubstring("share in the upper   0.5"));
  CHECK(text.out.find("nan") == std::string::npos);
  const ProgramRun csv = run_program(command(runs(), {"--csv", "-"}));
  CHECK_THAT(csv.out, StartsWith("n_items,context,outcome,n,n_distinct,dip,dip_p,"));
  CHECK_THAT(csv.out, ContainsSubstring("\n500,50,"));
}

TEST_CASE("fit bimodality: degenerate values end in words and not in numbers", "[cli]") {
  const TemporaryFolder folder;
  const auto same = json_of({"fit", "bimodality", folder.write("same.csv", "accuracy\n1\n1\n1\n1\n").string()}, 1);
  CHECK(same["outcome"] == "no_test");
  CHECK(same["groups"][0]["outcome"] == "identical");
  CHECK(same["groups"][0]["dip_p"].is_null());
  CHECK(same["groups"][0]["mixture"]["high"].is_null());
  CHECK_FALSE(same["groups"][0]["warnings"].empty());
  const auto few = json_of({"fit", "bimodality", folder.write("few.csv", "accuracy\n1\n0.5\n").string()}, 1);
  CHECK(few["groups"][0]["outcome"] == "too_few");
}

TEST_CASE("fit bimodality: bad input is refused with its place", "[cli][errors]") {
  const TemporaryFolder folder;
  const auto error_of = [&](const std::string& text) {
    const ProgramRun run = run_program({"fit", "bimodality", folder.write("data.csv", text).string()});
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    return run.err.substr(folder.path().string().size() + 1);
  };
  CHECK(error_of("accuracy\n0.5\n1.5\n") ==
        "data.csv:3: accuracy: expected a number in [0, 1], or --scale linear, got \"1.5\"\n");
  CHECK(error_of("accuracy\nnan\n") == "data.csv:2: accuracy: expected a finite number, got \"nan\"\n");
  CHECK(error_of("accuracy,K\n0.5,0\n") == "data.csv:2: K: expected a positive number, got \"0\"\n");
  CHECK(error_of("accuracy,K,n_items\n0.5,1,1\n") == "data.csv:1: columns n_items and K mean the same\n");
  CHECK(error_of("score\n0.5\n") == "data.csv:1: expected a column accuracy, icl_accuracy, or --column to name it\n");
  const std::string file = folder.write("runs.csv", "accuracy\n0.5\n0.6\n").string();
  CHECK(run_program({"fit", "bimodality", file, "--column", "x"}).err ==
        "--column: there is no column \"x\" in " + file + "\n");
  CHECK(run_program({"fit", "bimodality", file, "--intermediate-low", "0.95"}).err ==
        "--intermediate-high: expected at least --intermediate-low\n");
  CHECK_THAT(run_program({"fit", "bimodality", file, "--trials", "0"}).err, StartsWith("--trials: expected"));
  CHECK_THAT(run_program({"fit", "bimodality", file, "--scale", "log"}).err, StartsWith("--scale: expected"));
  CHECK_THAT(run_program({"fit", "bimodality", file, "--interval", "x"}).err, StartsWith("--interval: expected"));
  CHECK_THAT(run_program({"fit", "bimodality", file, "--dip-resamples", "x"}).err, StartsWith("--dip-resamples: "));
  CHECK_THAT(run_program({"fit", "bimodality", file, "--mixture-resamples", "-1"}).err,
             StartsWith("--mixture-resamples: "));
  CHECK(run_program({"fit", "bimodality"}).err == "FILE: expected a CSV file\n");
}
