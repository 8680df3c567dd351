#include <cmath>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

/// y = 3 x^0.7, two runs per x that lie 1 % above and below.
std::string synthetic_rows(const std::string& header) {
  std::string text = header + '\n';
  for (const int x : {500, 1000, 2000, 4000, 8000}) {
    for (const double side : {-0.01, 0.01}) {
      text += std::to_string(x) + ',' + std::to_string(3.0 * std::pow(x, 0.7) * std::exp(side)) + '\n';
    }
  }
  return text;
}

}  // namespace

TEST_CASE("fit power: recovers the exponent and prefactor of synthetic data", "[cli][format]") {
  const TemporaryFolder folder;
  const auto file = folder.write("data.csv", synthetic_rows("x,y"));
  const auto json = json_of({"fit", "power", file.string()});
  CHECK(json["schema"] == "iclk-power-fit 1");
  CHECK(json["outcome"] == "fitted");
  CHECK(json["n_points"] == 10);
  CHECK(json["n_levels"] == 5);
  CHECK_THAT(json["exponent"]["value"].get<double>(), WithinAbs(0.7, 1e-6));
  CHECK_THAT(json["prefactor"]["value"].get<double>(), WithinRel(3.0, 1e-5));
  CHECK(json["exponent"]["low"] < 0.7);
  CHECK(json["exponent"]["high"] > 0.7);
}

TEST_CASE("fit power: columns are found by their usual names or named", "[cli]") {
  const TemporaryFolder folder;
  const double expected =
      json_of({"fit", "power", folder.write("a.csv", synthetic_rows("x,y")).string()})["exponent"]["value"];
  const auto usual = folder.write("b.csv", synthetic_rows("K,i_infinity"));
  CHECK(json_of({"fit", "power", usual.string()})["exponent"]["value"] == expected);
  const auto odd = folder.write("c.csv", synthetic_rows("width,loss"));
  CHECK(json_of({"fit", "power", odd.string(), "--x", "width", "--y", "loss"})["exponent"]["value"] == expected);
  const ProgramRun run = run_program({"fit", "power", odd.string(), "--x", "size", "--y", "loss"});
  CHECK(run.status == 2);
  CHECK(run.err == "--x: there is no column \"size\" in " + odd.string() + "\n");
  CHECK(run_program({"fit", "power", odd.string()}).status == 2);
}

TEST_CASE("fit power: level scatter none takes the law as exact and narrows the interval", "[cli]") {
  const TemporaryFolder folder;
  const auto file = folder.write("data.csv", "x,y\n1,1\n2,2.3\n4,3.9\n8,8.1\n8,8.2\n");
  const auto width = [](const nlohmann::json& json) {
    return json["exponent"]["high"].get<double>() - json["exponent"]["low"].get<double>();
  };
  CHECK(width(json_of({"fit", "power", file.string()})) !=
        width(json_of({"fit", "power", file.string(), "--level-scatter", "none"})));
}

TEST_CASE("fit power: low and high columns widen the interval and an open end is allowed", "[cli]") {
  const TemporaryFolder folder;
  const auto bare = folder.write("bare.csv", "x,y\n1,1\n2,2.1\n4,3.9\n8,8.1\n");
  const auto tails = folder.write("tails.csv", "x,y,low,high\n1,1,1,1\n2,2.1,2,2.3\n4,3.9,3.5,4.6\n8,8.1,7,\n");
  const auto json = json_of({"fit", "power", tails.string()});
  CHECK(json["tail_share"] > 0);
  CHECK_FALSE(json["warnings"].empty());
  CHECK(json["exponent"]["high"] > json_of({"fit", "power", bare.string()})["exponent"]["high"]);
}

TEST_CASE("fit power: reads what predict --csv writes", "[cli]") {
  const TemporaryFolder folder;
  const std::string csv = folder / "integrals.csv";
  const auto prediction = json_of({"predict", data_path("curves_E.csv").string(), "--context", "100", "--csv", csv});
  const auto fit = json_of({"fit", "power", csv});
  CHECK(fit["n_levels"] == 7);
  CHECK_THAT(fit["exponent"]["value"].get<double>(),
             WithinAbs(prediction["memorization_law"]["nu_single_curve"]["value"].get<double>(), 1e-9));
}

TEST_CASE("fit power: one level has no exponent and status 1", "[cli]") {
  const TemporaryFolder folder;
  const auto json = json_of({"fit", "power", folder.write("one.csv", "x,y\n2,3\n2,4\n").string()}, 1);
  CHECK(json["outcome"] == "one_level");
  CHECK(json["exponent"]["value"].is_null());
}

TEST_CASE("fit power: bad numbers are refused with file and line and column", "[cli][errors]") {
  const TemporaryFolder folder;
  const auto error_of = [&](const std::string& text) {
    const auto file = folder.write("data.csv", text);
    const ProgramRun run = run_program({"fit", "power", file.string()});
    CHECK(run.status == 2);
    return run.err.substr(folder.path().string().size() + 1);
  };
  CHECK(error_of("x,y\n1,2\n0,3\n") == "data.csv:3: x: expected a positive number, got \"0\"\n");
  CHECK(error_of("x,y\n1,2\n2,\n") == "data.csv:3: y: expected a number, got \"\"\n");
  CHECK(error_of("x,y,low\n1,2,2\n2,4,5\n") == "data.csv:3: low: expected at most y, got \"5\"\n");
  CHECK(error_of("x,y,high\n1,2,2\n2,4,3\n") == "data.csv:3: high: expected at least y, got \"3\"\n");
  CHECK(error_of("x,z\n1,2\n") == "data.csv:1: expected a column i_infinity, y, or --y to name it\n");
}

namespace {

/// y = 3 x^0.7 at six x, two runs of 1 % or so each, with columns of errors.
std::string rows_with_errors() {
  std::string text = "x,y,dx,dy\n";
  int i = 0;
  for (const int x : {500, 1000, 2000, 4000, 8000, 16000}) {
    for (const double side : {-0.011, 0.009}) {
      const double y = 3.0 * std::pow(x, 0.7) * std::exp(side + 0.004 * (i++ % 3));
      text += std::to_string(x) + ',' + std::to_string(y) + ',' + std::to_string(0.02 * x) + ',' +
              std::to_string(0.01 * y) + '\n';
    }
  }
  return text;
}

double width(const nlohmann::json& estimate) { return estimate["high"].get<double>() - estimate["low"].get<double>(); }

}  // namespace

TEST_CASE("fit power: what is not asked for is null", "[cli][format]") {
  const TemporaryFolder folder;
  const auto json = json_of({"fit", "power", folder.write("data.csv", rows_with_errors()).string()});
  for (const char* key : {"profile", "robust", "bootstrap", "errors_in_variables", "shape", "local"}) {
    CAPTURE(key);
    REQUIRE(json.contains(key));
    CHECK(json[key].is_null());
  }
  CHECK(json["at"].empty());
}

TEST_CASE("fit power: other intervals stand beside the first", "[cli][format]") {
  const TemporaryFolder folder;
  const auto file = folder.write("data.csv", rows_with_errors()).string();
  const auto json = json_of({"fit", "power", file, "--profile", "--robust", "--bootstrap", "200", "--shape", "--local",
                             "2", "--at", "1000,100000", "--x-sd", "dx", "--y-sd", "dy"});
  for (const char* key : {"profile", "robust", "errors_in_variables"}) {
    CAPTURE(key);
    CHECK(json[key]["outcome"] == "fitted");
    CHECK_THAT(json[key]["exponent"]["value"].get<double>(), WithinAbs(0.7, 0.01));
    CHECK(width(json[key]["exponent"]) > 0);
  }
  CHECK(json["bootstrap"]["outcome"] == "resampled");
  CHECK(json["bootstrap"]["n_resamples"] == 200);
  CHECK(width(json["bootstrap"]["exponent"]["percentile"]) > 0);
  CHECK(width(json["bootstrap"]["exponent"]["bca"]) > 0);
  CHECK(json["errors_in_variables"]["chi_squared_dof"] == 10);
  CHECK(json["shape"]["outcome"] == "compared");
  CHECK(json["shape"]["break_p"]["value"] > 0);
  CHECK(json["shape"]["single"]["bic"].is_number());
  CHECK(json["local"].size() == 5);
  CHECK_THAT(json["local"][0]["x_high"].get<double>(), WithinRel(1000, 1e-12));
  REQUIRE(json["at"].size() == 2);
  CHECK(json["at"][0]["extrapolated"] == false);
  CHECK(json["at"][1]["extrapolated"] == true);
  CHECK_THAT(json["at"][1]["mean"]["value"].get<double>(), WithinRel(3 * std::pow(1e5, 0.7), 0.05));
  CHECK(width(json["at"][1]["new_run"]) > width(json["at"][1]["mean"]));

  const ProgramRun run = run_program({"fit", "power", file, "--profile", "--robust", "--bootstrap", "200", "--shape",
                                      "--local", "2", "--at", "1e5", "--x-sd", "dx"});
  CHECK(run.status == 0);
  for (const char* words : {"profile likelihood", "Theil-Sen", "bootstrap of both, percentile", "BCa",
                            "errors in x and y", "Is it one power law?", "break     AICc", "Local exponents",
                            "500 to 1000", "extrapolated", "warning: bootstrap: bootstrap intervals from 6 levels"}) {
    CHECK_THAT(run.out, ContainsSubstring(words));
  }
}

TEST_CASE("fit power: each further option changes its own part", "[cli]") {
  const TemporaryFolder folder;
  const auto file = folder.write("data.csv", rows_with_errors()).string();
  const auto boot = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"fit", "power", file, "--bootstrap", "200"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments)["bootstrap"];
  };
  const auto usual = boot({});
  CHECK(boot({}) == usual);
  CHECK(boot({"--seed", "1"})["exponent"] != usual["exponent"]);
  CHECK(boot({"--resample", "runs"})["exponent"] != usual["exponent"]);
  CHECK(boot({"--resample", "levels"})["resample"] == "levels");
  CHECK(json_of({"fit", "power", file, "--bootstrap", "300"})["bootstrap"]["exponent"] != usual["exponent"]);
  const auto shape = json_of({"fit", "power", file, "--shape"})["shape"];
  CHECK(shape["best"].is_string());
  CHECK(json_of({"fit", "power", file, "--shape", "--seed", "5"})["shape"]["break_p"] != shape["break_p"]);
  CHECK(json_of({"fit", "power", file, "--local", "3"})["local"].size() == 4);
  CHECK(json_of({"fit", "power", file, "--at", "100:10000:3"})["at"].size() == 3);
  const auto of_x = json_of({"fit", "power", file, "--x-sd", "dx"})["errors_in_variables"];
  const auto of_y = json_of({"fit", "power", file, "--y-sd", "dy"})["errors_in_variables"];
  CHECK(of_x["chi_squared"] != of_y["chi_squared"]);
}

TEST_CASE("fit power: the CSV answer holds every estimate asked for", "[cli][format]") {
  const TemporaryFolder folder;
  const auto file = folder.write("data.csv", rows_with_errors()).string();
  const ProgramRun run = run_program({"fit", "power", file, "--profile", "--robust", "--bootstrap", "200", "--shape",
                                      "--local", "2", "--at", "1e5", "--x-sd", "dx", "--csv", "-"});
  CHECK(run.status == 0);
  for (const char* row : {"\nexponent,", "\nexponent_profile,", "\nexponent_robust,", "\nexponent_percentile,",
                          "\nexponent_bca,", "\nexponent_errors_in_variables,", "\ncurvature,", "\nbreak,",
                          "\nlocal_exponent_500_1000,", "\nmean_at_1e+05,", "\nnew_run_at_1e+05,"}) {
    CHECK_THAT(run.out, ContainsSubstring(row));
  }
}

TEST_CASE("fit power: bad further options are refused", "[cli][errors]") {
  const TemporaryFolder folder;
  const auto file = folder.write("data.csv", rows_with_errors());
  const auto error_of = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"fit", "power", file.string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramRun run = run_program(arguments);
    CHECK(run.status == 2);
    return run.err;
  };
  CHECK(error_of({"--x-sd", "no"}) == "--x-sd: there is no column \"no\" in " + file.string() + "\n");
  CHECK(error_of({"--y-sd", "no"}) == "--y-sd: there is no column \"no\" in " + file.string() + "\n");
  CHECK_THAT(error_of({"--bootstrap", "99"}), ContainsSubstring("--bootstrap: expected a whole number from 100"));
  CHECK_THAT(error_of({"--resample", "none"}), ContainsSubstring("--resample: "));
  CHECK_THAT(error_of({"--local", "1"}), ContainsSubstring("--local: expected a whole number from 2"));
  CHECK_THAT(error_of({"--at", "0"}), ContainsSubstring("--at: "));
  CHECK_THAT(error_of({"--seed", "-1"}), ContainsSubstring("--seed: "));
  const auto bad = folder.write("bad.csv", "x,y,dx\n1,2,0.1\n2,4,-1\n").string();
  CHECK(run_program({"fit", "power", bad, "--x-sd", "dx"}).err ==
        bad + ":3: dx: expected zero or a positive number, got \"-1\"\n");
  const auto none = folder.write("none.csv", "x,y,dx\n1,2,0.1\n2,4,0\n").string();
  CHECK(run_program({"fit", "power", none, "--x-sd", "dx"}).err ==
        none + ":3: dx: expected a positive number, since x and y cannot both be exact, got \"0\"\n");
}

TEST_CASE("fit power: few levels get every further answer with a word instead of a number", "[cli][limits]") {
  const TemporaryFolder folder;
  const std::vector<std::string> everything{"--profile", "--robust", "--bootstrap", "100", "--shape",
                                            "--local",   "2",        "--at",        "3"};
  const auto answer = [&](const std::string& rows, int status) {
    std::vector<std::string> arguments{"fit", "power", folder.write("data.csv", rows).string()};
    arguments.insert(arguments.end(), everything.begin(), everything.end());
    return json_of(arguments, status);
  };
  const auto one = answer("x,y\n2,3\n2,4\n", 1);
  CHECK(one["profile"]["outcome"] == "no_law");
  CHECK(one["robust"]["outcome"] == "no_law");
  CHECK(one["bootstrap"]["outcome"] == "no_law");
  CHECK(one["shape"]["outcome"] == "too_few_levels");
  CHECK(one["local"].empty());
  CHECK(one["at"][0]["mean"]["value"].is_null());
  const auto two = answer("x,y\n1,3\n2,4\n", 0);
  CHECK(two["profile"]["outcome"] == "no_interval");
  CHECK(two["bootstrap"]["outcome"] == "too_few_levels");
  CHECK(two["local"].size() == 1);
  const auto exact = answer("x,y\n1,2\n2,4\n4,8\n8,16\n16,32\n32,64\n", 0);
  CHECK(exact["shape"]["outcome"] == "exact");
  CHECK(exact["profile"]["outcome"] == "no_interval");
  CHECK_THAT(exact["bootstrap"]["exponent"]["percentile"]["low"].get<double>(), WithinAbs(1, 1e-12));
}
