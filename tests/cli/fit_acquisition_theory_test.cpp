// `fit acquisition` with the theory's distribution, on runs that `ensemble` samples from it.

#include <cmath>
#include <string>
#include <vector>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

using Arguments = std::vector<std::string>;
using Json = nlohmann::json;

struct SampledRuns {
  std::string file;         ///< time, acquired: those later than the cap are censored there
  double mean = 0, sd = 0;  ///< of all sampled beta0
  int n = 0, n_never = 0;
};

/// Runs that `iclk ensemble` draws, as a file that `fit acquisition` reads. Times are divided by `unit`.
SampledRuns sampled(const TemporaryFolder& folder, const std::string& name, const Arguments& ensemble, double cap,
                    double unit = 1.0, const std::string& header = "time,acquired",
                    const std::string& first_cells = "") {
  const std::string runs = folder / (name + "_runs.csv");
  Arguments arguments{"ensemble", "--context", "100", "--runs", runs};
  arguments.insert(arguments.end(), ensemble.begin(), ensemble.end());
  const ProgramRun run = run_program(arguments);
  INFO(run.err);
  REQUIRE(run.status == 0);
  const Table table{runs};
  SampledRuns result;
  std::string text = header + '\n';
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double beta0 = table.number(i, "beta0");
    const bool never = table.text(i, "outcome") == "memorized_first";
    const double time = never ? cap : table.number(i, "t_icl");
    result.mean += beta0;
    result.sd += beta0 * beta0;
    ++result.n;
    result.n_never += never ? 1 : 0;
    char cells[64];
    std::snprintf(cells, sizeof cells, "%.17g,%d\n", std::min(time, cap) / unit, !never && time <= cap);
    text += first_cells + cells;
  }
  result.mean /= result.n;
  result.sd = std::sqrt(result.sd / result.n - result.mean * result.mean);
  result.file = folder.write(name + ".csv", text).string();
  return result;
}

/// c1 = exp(-t/300)/2 and c2 = 1/2, until I_K is within exp(-10) of 300.
std::string curve_file(const TemporaryFolder& folder, const std::string& name, const std::string& comment = "",
                       bool with_c2 = true) {
  std::string text = comment + (with_c2 ? "time,c1,c2\n" : "time,c1\n");
  for (int i = 0; i <= 600; ++i) {
    const double time = 5.0 * i;
    text += std::to_string(time) + ',' + std::to_string(0.5 * std::exp(-time / 300)) + (with_c2 ? ",0.5\n" : "\n");
  }
  return folder.write(name, text).string();
}

Json theory_model(const Json& json, bool with_cured = false) {
  const auto& models = json["groups"][0]["models"];
  REQUIRE(models.size() == 8);
  return models[with_cured ? 7 : 6];
}

}  // namespace

TEST_CASE("fit acquisition: the theory gives back mean and spread of beta0 of an MLP that never memorizes", "[cli]") {
  const TemporaryFolder folder;
  const SampledRuns runs = sampled(
      folder, "endless",
      {"--i-infinity", "inf", "--beta0-mean", "0.5", "--beta0-sd", "0.4", "--samples", "200", "--seed", "3"}, 1e9);
  const Json json = json_of({"fit", "acquisition", runs.file, "--context", "100"});
  CHECK(json["theory"]["context"] == 100);
  CHECK(json["theory"]["c2"] == 0.5);
  const Json model = theory_model(json);
  CHECK(model["family"] == "theory");
  CHECK(model["outcome"] == "fitted");
  CHECK_THAT(model["beta0_mean"]["value"].get<double>(), WithinAbs(runs.mean, 1e-7));
  CHECK_THAT(model["beta0_sd"]["value"].get<double>(), WithinRel(runs.sd, 1e-7));
  // Student t with 199 degrees of freedom: 1.9720.
  CHECK_THAT(model["beta0_mean"]["high"].get<double>(),
             WithinAbs(runs.mean + 1.971957 * runs.sd / std::sqrt(199), 1e-6));
  CHECK(model["never"]["value"] == 0);
  CHECK(theory_model(json, true)["outcome"] == "at_bound");
  // Without the theory there is none of it, and nothing else changes.
  const Json without = json_of({"fit", "acquisition", runs.file});
  CHECK(without["theory"].is_null());
  CHECK(without["groups"][0]["models"].size() == 6);
  CHECK(without["groups"][0]["models"][0] == json["groups"][0]["models"][0]);
}

TEST_CASE("fit acquisition: along a curve runs that start too low to acquire are part of the theory", "[cli]") {
  const TemporaryFolder folder;
  const std::string curve = curve_file(folder, "curve.csv");
  const SampledRuns runs = sampled(
      folder, "finite", {"--curve", curve, "--beta0-mean", "0.1", "--beta0-sd", "0.4", "--samples", "400"}, 2500);
  REQUIRE(runs.n_never > 40);
  const Json json = json_of({"fit", "acquisition", runs.file, "--context", "100", "--curve", curve});
  const Json model = theory_model(json);
  REQUIRE(model["outcome"] == "fitted");
  // Four standard errors, 0.4/sqrt(400) and 1/sqrt(800), twice that as a third is censored.
  CHECK_THAT(model["beta0_mean"]["value"].get<double>(), WithinAbs(runs.mean, 0.08));
  CHECK_THAT(model["beta0_sd"]["value"].get<double>(), WithinRel(runs.sd, 0.15));
  const double share = static_cast<double>(runs.n_never) / runs.n;
  CHECK(model["never"]["low"].get<double>() < share);
  CHECK(model["never"]["high"].get<double>() > share);
  CHECK(json["theory"]["curves"][0] == curve);
  CHECK(json["theory"]["c2"].is_null());
  const ProgramRun text = run_program({"fit", "acquisition", runs.file, "--context", "100", "--curve", curve});
  CHECK_THAT(text.out, ContainsSubstring("theory: beta0 ") && ContainsSubstring("never acquire "));
  // The curve matters: without it the same runs need another beta0.
  const Json endless = json_of({"fit", "acquisition", runs.file, "--context", "100"});
  CHECK(std::abs(theory_model(endless)["beta0_mean"]["value"].get<double>() -
                 model["beta0_mean"]["value"].get<double>()) > 0.05);
}

TEST_CASE("fit acquisition: steps with their learning rate give what times give", "[cli]") {
  const TemporaryFolder folder;
  const Arguments ensemble{"--i-infinity", "inf", "--beta0-sd", "0.4", "--samples", "50"};
  const SampledRuns times = sampled(folder, "times", ensemble, 1e9);
  const SampledRuns steps = sampled(folder, "steps", ensemble, 1e9, 0.01, "t_iterations,acquired");
  const Json by_time = theory_model(json_of({"fit", "acquisition", times.file, "--context", "100"}));
  const Json by_steps = theory_model(
      json_of({"fit", "acquisition", steps.file, "--context", "100", "--time", "t_iterations", "--lr", "0.01"}));
  CHECK_THAT(by_steps["beta0_mean"]["value"].get<double>(),
             WithinAbs(by_time["beta0_mean"]["value"].get<double>(), 1e-8));
  CHECK_THAT(by_steps["median"].get<double>(), WithinRel(100 * by_time["median"].get<double>(), 1e-8));
  CHECK(run_program({"fit", "acquisition", steps.file, "--context", "100", "--time", "t_iterations"}).err ==
        "--lr: is required for the theory, as the column t_iterations counts SGD steps\n");
}

TEST_CASE("fit acquisition: w0 and c2 of the theory move beta0", "[cli]") {
  const TemporaryFolder folder;
  const SampledRuns runs =
      sampled(folder, "w0",
              {"--i-infinity", "inf", "--beta0-sd", "0.4", "--w0-mean", "0.7", "--c2", "0.3", "--samples", "80"}, 1e9);
  const Json model =
      theory_model(json_of({"fit", "acquisition", runs.file, "--context", "100", "--w0", "0.7", "--c2", "0.3"}));
  CHECK_THAT(model["beta0_mean"]["value"].get<double>(), WithinAbs(runs.mean, 1e-7));
  const Json other_w0 = theory_model(json_of({"fit", "acquisition", runs.file, "--context", "100", "--c2", "0.3"}));
  const Json other_c2 = theory_model(json_of({"fit", "acquisition", runs.file, "--context", "100", "--w0", "0.7"}));
  CHECK(other_w0["beta0_mean"]["value"].get<double>() > runs.mean + 0.1);
  CHECK(other_c2["beta0_mean"]["value"].get<double>() > runs.mean + 0.01);
}

TEST_CASE("fit acquisition: the theory takes N from its column and curves by their K", "[cli]") {
  const TemporaryFolder folder;
  const std::string curve = curve_file(folder, "k500.csv", "# n_items: 500\n");
  const SampledRuns small =
      sampled(folder, "small", {"--curve", curve, "--beta0-mean", "0.4", "--beta0-sd", "0.3", "--samples", "60"}, 2500,
              1.0, "K,N,time,acquired", "500,100,");
  const Json json = json_of({"fit", "acquisition", small.file, "--theory", "--curve", curve});
  CHECK(theory_model(json)["outcome"] == "fitted");
  const Json endless = json_of({"fit", "acquisition", small.file, "--theory"});
  CHECK(endless["groups"][0]["warnings"].dump().find("K is taken as infinite") != std::string::npos);

  // Another K has no curve: its runs are answered without the theory.
  const std::string other = folder.write("other.csv", "K,N,time,acquired\n8000,100,200,1\n8000,100,250,1\n").string();
  const Json none = json_of({"fit", "acquisition", other, "--theory", "--curve", curve});
  CHECK(none["groups"][0]["models"].size() == 6);
  CHECK(none["groups"][0]["warnings"].dump().find("theory: no curve of K = 8000") != std::string::npos);
}

TEST_CASE("fit acquisition: a curve that says less than the theory needs is warned of", "[cli][limits]") {
  const TemporaryFolder folder;
  const std::string runs = folder.write("runs.csv", "time,acquired\n100,1\n150,1\n220,1\n5000,0\n").string();
  const auto warnings = [&](const std::string& curve) {
    return json_of({"fit", "acquisition", runs, "--context", "100", "--curve", curve})["groups"][0]["warnings"].dump();
  };
  const std::string all = warnings(curve_file(folder, "no_c2.csv", "", false));
  CHECK_THAT(all, ContainsSubstring("theory: times beyond 3000, where the curve ends, rest on its extrapolation"));
  CHECK_THAT(all, ContainsSubstring("theory: c2 = 1 - c1 in the place of the c2 that"));
  std::string flat = "time,c1,c2\n";
  for (int i = 0; i <= 50; ++i) flat += std::to_string(200 * i) + ",0.4999,0.5\n";
  CHECK_THAT(warnings(folder.write("flat.csv", flat).string()),
             ContainsSubstring("is unresolved, so that the share of runs that never acquire is not known"));
  // A run that acquired when the MLP had nothing left to memorize cannot come from the theory.
  const std::string late = folder.write("late.csv", "time,acquired\n100,1\n150,1\n60000,1\n").string();
  const Json json = json_of({"fit", "acquisition", late, "--context", "100", "--curve", folder / "no_c2.csv"});
  CHECK(theory_model(json)["outcome"] == "outside_map");
}

TEST_CASE("fit acquisition: every step of the survival curve goes to a file", "[cli][format]") {
  const TemporaryFolder folder;
  const std::string runs =
      folder.write("runs.csv", "N,time,acquired\n50,100,1\n50,150,1\n50,150,0\n50,220,1\n").string();
  const std::string out = folder / "survival.csv";
  const ProgramRun run = run_program({"fit", "acquisition", runs, "--theory", "--survival", out});
  CHECK(run.status == 0);
  CHECK_THAT(run.out, ContainsSubstring("N = 50"));
  const Table table{out};
  REQUIRE(table.rows() == 3);
  const Json json = json_of({"fit", "acquisition", runs, "--theory"});
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& step = json["groups"][0]["survival"][i];
    CHECK(table.number(i, "context") == 50);
    CHECK_THAT(table.number(i, "time"), WithinRel(step["time"].get<double>(), 1e-15));
    CHECK_THAT(table.number(i, "survival"), WithinAbs(step["survival"]["value"].get<double>(), 1e-15));
    CHECK(table.number(i, "at_risk") == step["at_risk"].get<double>());
    CHECK(table.number(i, "censored") == step["censored"].get<double>());
    CHECK_THAT(table.number(i, "best_time"),
               WithinRel(json["groups"][0]["quantiles"][i]["model"].get<double>(), 1e-12));
    CHECK(table.number(i, "theory_survival") > 0);
    CHECK(table.number(i, "best_survival") < 1);
  }
  const ProgramRun piped = run_program({"fit", "acquisition", runs, "--theory", "--survival", "-"});
  CHECK(piped.out == read_file(out));
}

TEST_CASE("fit acquisition: theory without what it needs is refused", "[cli][errors]") {
  const TemporaryFolder folder;
  const std::string plain = folder.write("a.csv", "time,acquired\n1,1\n").string();
  const std::string grouped = folder.write("b.csv", "time,acquired,N\n1,1,50\n").string();
  const std::string curve = curve_file(folder, "c.csv");
  const std::string k500 = curve_file(folder, "d.csv", "# n_items: 500\n# seed: 0\n");
  const std::string again = curve_file(folder, "e.csv", "# n_items: 500\n# seed: 1\n");
  const auto error_of = [&](Arguments arguments) {
    arguments.insert(arguments.begin(), {"fit", "acquisition"});
    const ProgramRun run = run_program(arguments);
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    return run.err;
  };
  CHECK(error_of({plain, "--theory"}) ==
        "--context: is required for the theory, as " + plain + " has no column context or N\n");
  CHECK(error_of({grouped, "--context", "50"}) == "--context: " + grouped + " has a column N of its own\n");
  CHECK(error_of({plain, "--lr", "0.1"}) == "--lr: belongs to --theory\n");
  CHECK(error_of({plain, "--w0", "0.1"}) == "--w0: belongs to --theory\n");
  CHECK(error_of({plain, "--c2", "0.1"}) == "--c2: belongs to --theory\n");
  CHECK(error_of({plain, "--context", "50", "--curve", curve, "--c2", "0.1"}) ==
        "--c2: cannot be combined with --curve\n");
  CHECK(error_of({plain, "--context", "50", "--curve", k500, again}) ==
        "--curve: expected one curve for each K, got two of K = 500\n");
  CHECK_THAT(error_of({plain, "--context", "50", "--curve", k500, curve}),
             EndsWith("c.csv: n_items: expected K of the curve\n"));
  const std::string k900 = curve_file(folder, "f.csv", "# n_items: 900\n");
  CHECK(error_of({plain, "--context", "50", "--curve", k500, k900}) ==
        "--curve: expected one curve, as the runs have no column n_items or K, got 2\n");
  const std::string huge = folder.write("g.csv", "time,acquired,N\n1,1,1.5\n").string();
  CHECK(error_of({huge, "--theory"}) ==
        huge + ":2: N: expected a number from 2 to 1000000, as the theory needs, got \"1.5\"\n");
  CHECK(error_of({plain, "--survival", plain}).find("--survival: ") == 0);
  CHECK(error_of({plain, "--survival", "-", "--json", "-"}) ==
        "--survival: \"-\" is already the output of another option\n");
  CHECK_THAT(error_of({plain, "--context", "1"}), StartsWith("--context: "));
  CHECK_THAT(error_of({plain, "--context", "50", "--lr", "0"}), StartsWith("--lr: "));
  CHECK_THAT(error_of({plain, "--context", "50", "--w0", "1e9"}), StartsWith("--w0: "));
}
