#include <cmath>
#include <string>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

std::string data_file(const std::string& name) { return data_path("r/survival_" + name + ".csv").string(); }

/// Runs with median 2.5 N at five context lengths, the slowest run of each not acquired.
std::string rows_over_contexts(const std::string& header) {
  std::string text = header + '\n';
  for (const int context : {20, 50, 100, 200, 400}) {
    for (int run = -3; run <= 3; ++run) {
      text += std::to_string(context) + ',' + std::to_string(2.5 * context * std::exp(0.2 * run)) + ',' +
              (run == 3 ? "0" : "1") + ',' + std::to_string(run + 3) + '\n';
    }
  }
  return text;
}

}  // namespace

TEST_CASE("fit acquisition: answers with the numbers of R", "[cli][format]") {
  const auto json = json_of({"fit", "acquisition", data_file("cured")});
  CHECK(json["schema"] == "iclk-fit-acquisition 1");
  CHECK(json["outcome"] == "fitted");
  REQUIRE(json["groups"].size() == 1);
  const auto& group = json["groups"][0];
  CHECK(group["n_runs"] == 80);
  CHECK(group["n_acquired"] == 53);
  const Table models = read_table("r/survival_models.csv");
  const Table quantiles = read_table("r/survival_quantiles.csv");
  int n_models = 0;
  for (const auto& model : group["models"]) {
    for (std::size_t row = 0; row < models.rows(); ++row) {
      if (models.text(row, "set") != "cured" || models.text(row, "family") != model["family"]) continue;
      if ((models.number(row, "with_cured") > 0) != model["with_cured"].get<bool>()) continue;
      ++n_models;
      CHECK_THAT(model["log_likelihood"].get<double>(), WithinRel(models.number(row, "log_likelihood"), 1e-9));
      CHECK_THAT(model["cured"]["value"].get<double>(), WithinAbs(models.number(row, "cured"), 1e-6));
    }
  }
  CHECK(n_models == 6);
  const auto& best = group["models"][group["best"].get<std::size_t>()];
  CHECK(best["with_cured"] == true);
  CHECK(best["family"] == "inverse_gaussian");
  CHECK(group["survival"].size() == group["n_steps"]);
  CHECK(group["quantiles"].size() == 53);
  CHECK(group["tail"]["p_exponential"] > 0);
  for (std::size_t row = 0; row < quantiles.rows(); ++row) {
    if (quantiles.text(row, "set") != "cured" || quantiles.number(row, "probability") != 0.5) continue;
    std::string scale = quantiles.text(row, "interval");
    if (scale == "log_log") scale = "log-log";
    const auto median = json_of({"fit", "acquisition", data_file("cured"), "--interval", scale})["groups"][0]["median"];
    CHECK_THAT(median["value"].get<double>(), WithinRel(quantiles.number(row, "value"), 1e-12));
    CHECK_THAT(median["low"].get<double>(), WithinRel(quantiles.number(row, "low"), 1e-12));
    CHECK_THAT(median["high"].get<double>(), WithinRel(quantiles.number(row, "high"), 1e-12));
  }
}

TEST_CASE("fit acquisition: groups by context and finds how the median grows", "[cli]") {
  const TemporaryFolder folder;
  const auto file = folder.write("runs.csv", rows_over_contexts("context,time,acquired,seed")).string();
  const auto json = json_of({"fit", "acquisition", file});
  CHECK(json["groups"].size() == 5);
  CHECK(json["warnings"].empty());
  REQUIRE(json["growth"].size() == 1);
  const auto& growth = json["growth"][0];
  CHECK(growth["outcome"] == "fitted");
  CHECK(growth["n_contexts"] == 5);
  CHECK(growth["n_items"].is_null());
  CHECK_THAT(growth["exponent"]["value"].get<double>(), WithinAbs(1, 1e-6));
  CHECK_THAT(growth["slope_through_origin"]["value"].get<double>(), WithinRel(2.5, 1e-6));
  CHECK_THAT(growth["intercept"]["value"].get<double>(), WithinAbs(0, 1e-4));

  const auto other = folder.write("other.csv", rows_over_contexts("N,steps,learned,run")).string();
  const auto named = json_of({"fit", "acquisition", other, "--time", "steps", "--acquired", "learned"});
  CHECK(named["growth"] == json["growth"]);
  CHECK(named["time"] == "steps");

  const std::string csv = folder / "medians.csv";
  const ProgramRun run = run_program({"fit", "acquisition", file, "--csv", csv});
  CHECK(run.status == 0);
  CHECK_THAT(run.out, ContainsSubstring("N = 400: 6 of 7 runs acquired") && ContainsSubstring("exponent"));
  const Table medians{csv};
  REQUIRE(medians.rows() == 5);
  CHECK_THAT(medians.number(4, "median"), WithinRel(1000.0, 1e-6));
  CHECK(medians.number(4, "n_acquired") == 6);
}

TEST_CASE("fit acquisition: groups by number of items and leaves out those without a median", "[cli]") {
  const TemporaryFolder folder;
  const auto json = json_of({"fit", "acquisition",
                             folder
                                 .write("runs.csv",
                                        "K,N,t,event\n500,100,900,0\n500,100,900,0\n500,50,140,true\n500,50,150,1\n"
                                        "8000,50,130,1\n8000,50,132,1\n8000,100,270,1\n8000,100,260,1\n")
                                 .string()});
  CHECK(json["groups"].size() == 4);
  CHECK(json["groups"][1]["median"]["value"].is_null());
  REQUIRE(json["growth"].size() == 2);
  CHECK(json["growth"][0]["outcome"] == "too_few");
  CHECK(json["growth"][1]["outcome"] == "saturated");
  CHECK(json["growth"][1]["n_items"] == 8000);
  CHECK(json["growth"][1]["exponent"]["low"].is_null());
  CHECK(json["warnings"][0] == "groups without a median, left out of its growth with N: 1");
}

TEST_CASE("fit acquisition: degenerate files are answered with a warning or status 1", "[cli][limits]") {
  const TemporaryFolder folder;
  const auto none =
      json_of({"fit", "acquisition", folder.write("none.csv", "time,acquired\n900,0\n900,0\n").string()}, 1);
  CHECK(none["outcome"] == "none_acquired");
  CHECK(none["groups"][0]["best"].is_null());
  CHECK_FALSE(none["groups"][0]["warnings"].empty());
  const auto one = json_of({"fit", "acquisition", folder.write("one.csv", "time,acquired\n9,1\n").string()});
  CHECK(one["groups"][0]["median"]["value"] == 9);
  CHECK(one["groups"][0]["models"][0]["outcome"] == "too_few");
  const auto repeated =
      json_of({"fit", "acquisition", folder.write("seeds.csv", "time,acquired,seed\n9,1,0\n8,1,1\n9,1,0\n").string()});
  CHECK_THAT(repeated["warnings"][0].get<std::string>(),
             StartsWith("rows with the seed of an earlier row of their group: 1;"));
}

TEST_CASE("fit acquisition: bad files are refused with file and line and column", "[cli][errors]") {
  const TemporaryFolder folder;
  const auto error_of = [&](const std::string& text) {
    const ProgramRun run = run_program({"fit", "acquisition", folder.write("data.csv", text).string()});
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    return run.err.substr(folder.path().string().size() + 1);
  };
  CHECK(error_of("time,acquired\n1,1\n0,1\n") == "data.csv:3: time: expected a positive number, got \"0\"\n");
  CHECK(error_of("time,acquired\n-1,1\n") == "data.csv:2: time: expected a positive number, got \"-1\"\n");
  CHECK(error_of("time,acquired\n,0\n") == "data.csv:2: time: expected a number, got \"\"\n");
  CHECK(error_of("time,acquired\n1,2\n") == "data.csv:2: acquired: expected 1 or 0, got \"2\"\n");
  CHECK(error_of("time,acquired,K\n1,1,0\n") == "data.csv:2: K: expected a positive number, got \"0\"\n");
  CHECK(error_of("time,acquired,N\n1,1,-5\n") == "data.csv:2: N: expected a positive number, got \"-5\"\n");
  CHECK(error_of("time,acquired,K,n_items\n1,1,5,5\n") == "data.csv:1: columns n_items and K mean the same\n");
  CHECK(error_of("time\n1\n") == "data.csv:1: expected a column acquired, event, or --acquired to name it\n");
  CHECK(error_of("when,acquired\n1,1\n") == "data.csv:1: expected a column t_icl, time, t, or --time to name it\n");
  const std::string file = folder.write("a.csv", "time,acquired\n1,1\n").string();
  CHECK(run_program({"fit", "acquisition", file, "--time", "x"}).err ==
        "--time: there is no column \"x\" in " + file + "\n");
  CHECK(run_program({"fit", "acquisition", file, "--acquired", "x"}).err ==
        "--acquired: there is no column \"x\" in " + file + "\n");
  CHECK(run_program({"fit", "acquisition", file, "--interval", "x"}).status == 2);
  CHECK(run_program({"fit", "acquisition"}).err == "FILE: expected a CSV file\n");
}
