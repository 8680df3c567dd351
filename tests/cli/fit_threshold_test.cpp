#include <string>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

std::string data(const std::string& name) { return data_path("r/" + name).string(); }

double k_star(const nlohmann::json& json) { return json["thresholds"][0]["k_star"]["value"]; }

}  // namespace

TEST_CASE("fit threshold: binomial fits and the sigmoid stand side by side", "[cli][format][eq13]") {
  const auto json = json_of({"fit", "threshold", data("runs_large.csv")});
  CHECK(json["schema"] == "iclk-fit-threshold 1");
  CHECK(json["outcome"] == "answered");
  CHECK(json["n_runs"] == 160);
  REQUIRE(json["thresholds"].size() == 1);
  const auto& one = json["thresholds"][0];
  CHECK(one["link"] == "probit");
  CHECK_THAT(k_star(json), WithinRel(3475.83179927, 1e-6));  // tests/data/r/threshold.csv
  CHECK(one["other_link"]["link"] == "logit");
  CHECK_THAT(one["other_link"]["k_star"]["value"].get<double>(), WithinRel(3484.04581616, 1e-6));
  CHECK(one["sigmoid"]["outcome"] == "fitted");
  CHECK(json["scaling"].is_null());
  CHECK(one["sigma_beta0"]["value"].is_null());
}

TEST_CASE("fit threshold: link and nu change the answer", "[cli]") {
  const auto json = json_of({"fit", "threshold", data("runs_large.csv"), "--link", "logit", "--nu", "0.7"});
  CHECK_THAT(k_star(json), WithinRel(3484.04581616, 1e-6));
  CHECK_THAT(json["thresholds"][0]["sigma_beta0"]["value"].get<double>(), WithinRel(0.7 * 0.572087263241, 1e-6));
  const auto wide =
      json_of({"fit", "threshold", data("runs_large.csv"), "--nu", "0.7", "--nu-low", "0.5", "--nu-high", "0.9"});
  CHECK(wide["thresholds"][0]["sigma_beta0"]["high"] > json["thresholds"][0]["sigma_beta0"]["high"]);
}

TEST_CASE("fit threshold: limit chi-squared gives the intervals that R computes", "[cli]") {
  const auto usual = json_of({"fit", "threshold", data("runs_large.csv"), "--limit", "chi-squared"});
  CHECK(usual["limit"] == "chi-squared");
  const auto& k = usual["thresholds"][0]["k_star"];
  CHECK_THAT(k["low"].get<double>(), WithinRel(2817.62947699, 1e-6));  // tests/data/r/threshold.csv
  CHECK_THAT(k["high"].get<double>(), WithinRel(4288.50005042, 1e-6));
  const auto student = json_of({"fit", "threshold", data("runs_large.csv")});
  CHECK(student["limit"] == "student");
  CHECK(student["thresholds"][0]["k_star"]["high"] > k["high"]);
  const auto exponent_high = [](const std::string& limit) {
    return json_of({"fit", "threshold", data("runs_contexts.csv"), "--limit", limit})["scaling"]["exponent"]["high"]
        .get<double>();
  };
  CHECK(exponent_high("student") > exponent_high("chi-squared"));
}

TEST_CASE("fit threshold: several N give the exponent and its tests", "[cli][eq13]") {
  const auto json = json_of({"fit", "threshold", data("runs_contexts.csv"), "--nu", "0.7"});
  REQUIRE(json["thresholds"].size() == 4);
  CHECK_THAT(json["scaling"]["exponent"]["value"].get<double>(), WithinRel(1.45629209799, 1e-6));
  REQUIRE(json["scaling"]["tests"].size() == 2);
  CHECK_THAT(json["scaling"]["tests"][0]["predicted"]["value"].get<double>(), WithinRel(1 / 0.7, 1e-12));
  CHECK(json["scaling"]["tests"][0]["p_value"] > 0.5);
  // The full-loss time at N = 50 and 400 is 149.747 and 1113.314: d ln t/d ln N is 0.965 between them.
  CHECK_THAT(json["scaling"]["tests"][1]["factor"].get<double>(), WithinAbs(0.965, 0.005));
  const auto cold = json_of({"fit", "threshold", data("runs_contexts.csv"), "--nu", "0.7", "--beta0", "-2"});
  CHECK(cold["scaling"]["tests"][1]["factor"] != json["scaling"]["tests"][1]["factor"]);
}

TEST_CASE("fit threshold: columns can be named and outcomes come from the accuracy", "[cli]") {
  const TemporaryFolder folder;
  const auto file = folder
                        .write("a.csv",
                               "size,length,score,done\n100,10,0.5,0\n100,10,0.5,0\n200,10,0.5,0\n200,10,0.93,1\n"
                               "400,10,0.97,1\n400,10,0.5,0\n800,10,0.98,1\n800,10,0.99,1\n")
                        .string();
  const auto named =
      json_of({"fit", "threshold", file, "--items", "size", "--acquired", "done", "--context-column", "length"});
  CHECK(named["thresholds"][0]["n_acquired"] == 4);
  CHECK(named["thresholds"][0]["context"] == 10);
  const auto strict = json_of({"fit", "threshold", file, "--items", "size", "--accuracy", "score"});
  CHECK(strict["thresholds"][0]["n_acquired"] == 3);
  CHECK(strict["thresholds"][0]["context"].is_null());
  const auto lenient =
      json_of({"fit", "threshold", file, "--items", "size", "--accuracy", "score", "--accuracy-level", "0.9"});
  CHECK(lenient["thresholds"][0]["n_acquired"] == 4);
}

TEST_CASE("fit threshold: degenerate runs end in words and not in numbers", "[cli]") {
  const TemporaryFolder folder;
  const auto one = folder.write("one.csv", "K,acquired\n100,1\n100,0\n").string();
  const auto json = json_of({"fit", "threshold", one}, 1);
  CHECK(json["outcome"] == "no_threshold");
  CHECK(json["thresholds"][0]["outcome"] == "one_level");
  CHECK(json["thresholds"][0]["k_star"]["value"].is_null());
  std::string rows = "K,acquired\n";
  for (int i = 0; i < 12; ++i) rows += "100,1\n200,1\n";
  const auto all = json_of({"fit", "threshold", folder.write("all.csv", rows).string()});
  CHECK(all["thresholds"][0]["outcome"] == "all_acquired");
  CHECK(all["thresholds"][0]["k_star"]["high"] > 0);
  CHECK_FALSE(all["thresholds"][0]["warnings"].empty());
}

TEST_CASE("fit threshold: text and CSV say the same", "[cli][format]") {
  const ProgramRun text = run_program({"fit", "threshold", data("runs_contexts.csv"), "--nu", "0.7"});
  CHECK(text.status == 0);
  CHECK_THAT(text.out, ContainsSubstring("probit"));
  CHECK_THAT(text.out, ContainsSubstring("sigma of beta0"));
  CHECK_THAT(text.out, ContainsSubstring("1/nu: predicted 1.429"));
  CHECK(text.out.find("nan") == std::string::npos);
  const ProgramRun csv = run_program({"fit", "threshold", data("runs_contexts.csv"), "--csv", "-"});
  CHECK_THAT(csv.out, StartsWith("context,outcome,link,k_star,k_star_low,k_star_high,width,"));
  CHECK_THAT(csv.out, ContainsSubstring("\n400,"));
}

TEST_CASE("fit threshold: bad input is refused with its place", "[cli][errors]") {
  const TemporaryFolder folder;
  const auto error_of = [&](const std::string& text) {
    const auto file = folder.write("data.csv", text);
    const ProgramRun run = run_program({"fit", "threshold", file.string()});
    CHECK(run.status == 2);
    return run.err.substr(folder.path().string().size() + 1);
  };
  CHECK(error_of("K,acquired\n0,1\n") == "data.csv:2: K: expected a positive number, got \"0\"\n");
  CHECK(error_of("K,acquired\n-3,1\n") == "data.csv:2: K: expected a positive number, got \"-3\"\n");
  CHECK(error_of("K,acquired\n3,yes\n") == "data.csv:2: acquired: expected 0 or 1, got \"yes\"\n");
  CHECK(error_of("K,accuracy\n3,1.2\n") == "data.csv:2: accuracy: expected a number in [0, 1], got \"1.2\"\n");
  CHECK(error_of("K,acquired,N\n3,1,0\n") == "data.csv:2: N: expected a positive number, got \"0\"\n");
  CHECK(error_of("x,acquired\n3,1\n") == "data.csv:1: expected a column n_items or K, or --items to name it\n");
  CHECK(error_of("K,y\n3,1\n") == "data.csv:1: expected a column acquired or accuracy, or an option to name it\n");
  const auto option_error = [&](std::vector<std::string> extra) {
    std::vector<std::string> arguments{"fit", "threshold", data("runs_small.csv")};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    const ProgramRun run = run_program(arguments);
    CHECK(run.status == 2);
    return run.err;
  };
  CHECK_THAT(option_error({"--items", "size"}), StartsWith("--items: there is no column \"size\""));
  CHECK_THAT(option_error({"--nu", "0.7", "--nu-low", "0.6"}), StartsWith("--nu-high: expected both ends"));
  CHECK_THAT(option_error({"--nu-low", "0.6", "--nu-high", "0.8"}), StartsWith("--nu: expected the value"));
  CHECK_THAT(option_error({"--nu", "0.9", "--nu-low", "0.6", "--nu-high", "0.8"}),
             StartsWith("--nu: expected a value from --nu-low to --nu-high"));
  CHECK(run_program({"fit", "threshold"}).status == 2);
}
