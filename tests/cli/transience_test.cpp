#include <algorithm>
#include <cmath>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;
using nlohmann::json;

namespace {

std::string decaying_curve(double time_scale, double end, bool with_c3 = true) {
  std::string text = with_c3 ? "# n_items: 500\n# seed: 3\n# lr: 0.01\ntime,c1,c2,c3\n" : "time,c1\n";
  for (int i = 0; i <= 200; ++i) {
    const double t = end * i / 200.0;
    const double c3 = std::exp(-t / time_scale);
    text += json(t).dump() + ',' + json(c3 / (1.0 + c3)).dump();
    if (with_c3) text += ',' + json(1.0 / (1.0 + c3)).dump() + ',' + json(c3).dump();
    text += '\n';
  }
  return text;
}

std::string error_of(const std::vector<std::string>& arguments) {
  const ProgramRun run = run_program(arguments);
  CHECK(run.status == 2);
  CHECK(run.out.empty());
  CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
  return run.err;
}

}  // namespace

TEST_CASE("transience: the golden table of w_tr through --table --csv", "[cli][eq15][eq45]") {
  const TemporaryFolder folder;
  const Table golden(data_path("w_transient.csv"));
  std::string points = "c3,lambda_w,note\n";
  for (std::size_t row = 0; row < golden.rows(); ++row) {
    points += golden.text(row, "c3") + ',' + golden.text(row, "lambda_w") + ",x\n";
  }
  const std::string csv = folder / "answers.csv";
  const ProgramRun run =
      run_program({"transience", "--table", folder.write("points.csv", points).string(), "--csv", csv});
  INFO(run.err);
  REQUIRE(run.status == 0);
  const Table answers{std::filesystem::path(csv)};
  REQUIRE(answers.rows() == golden.rows());
  for (std::size_t row = 0; row < golden.rows(); ++row) {
    INFO("row " << row);
    REQUIRE(answers.text(row, "c3") == golden.text(row, "c3"));
    CHECK(answers.text(row, "note") == "x");
    CHECK_THAT(answers.number(row, "w_tr"), WithinRel(golden.number(row, "w_tr"), 1e-12));
    CHECK_THAT(answers.number(row, "w_logistic"), WithinRel(golden.number(row, "w_stationary_logistic"), 1e-12));
    CHECK_THAT(answers.number(row, "loss"), WithinRel(golden.number(row, "loss_eq43_at_wtr"), 1e-12));
    CHECK_THAT(answers.number(row, "relaxation_rate"), WithinRel(golden.number(row, "relaxation_rate"), 1e-12));
  }
}

TEST_CASE("transience: the golden tables of fade times through --table", "[cli][eq44][eq45]") {
  const TemporaryFolder folder;
  const Table quasi_static(data_path("fade_quasistatic.csv"));
  std::string points = "c3,lambda_w,time_scale,exponent,w_fade\n";
  for (std::size_t row = 0; row < quasi_static.rows(); ++row) {
    points += quasi_static.text(row, "c3_0") + ',' + quasi_static.text(row, "lambda_w") + ',' +
              quasi_static.text(row, "T") + ',' +
              (quasi_static.text(row, "family") == "P" ? quasi_static.text(row, "p") : "0") + ',' +
              quasi_static.text(row, "w_fade") + '\n';
  }
  auto rows = json_of({"transience", "--table", folder.write("a.csv", points).string()})["rows"];
  REQUIRE(rows.size() == quasi_static.rows());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    INFO("row " << row);
    CHECK_THAT(rows[row]["tau_fade"].get<double>(), WithinRel(quasi_static.number(row, "tau_fade"), 1e-12));
    CHECK_THAT(rows[row]["t_fade_leading"].get<double>(), WithinRel(quasi_static.number(row, "t_fade_exp"), 1e-12));
    CHECK_THAT(rows[row]["t_fade_quasi_static"].get<double>(),
               WithinRel(quasi_static.number(row, "t_fade_logit"), 1e-12));
    CHECK_THAT(rows[row]["slow_down"].get<double>(), WithinRel(quasi_static.number(row, "slowdown"), 1e-12));
  }

  const Table flow(data_path("fade_ode.csv"));
  for (std::size_t row = 0; row < flow.rows(); ++row) {
    INFO("flow, row " << row);
    std::vector<std::string> arguments{"transience",
                                       "--c3",
                                       flow.text(row, "c3_0"),
                                       "--lambda-w",
                                       flow.text(row, "lambda_w"),
                                       "--time-scale",
                                       flow.text(row, "T"),
                                       "--w-start",
                                       flow.text(row, "w_start"),
                                       "--slow-down",
                                       flow.text(row, "variant") == "exp" ? "exponential" : "logistic"};
    if (flow.text(row, "family") == "P") arguments.insert(arguments.end(), {"--exponent", flow.text(row, "p")});
    const json answer = json_of(arguments);
    CHECK(answer["outcome"] == "faded");
    CHECK_THAT(answer["t_peak"].get<double>(), WithinRel(flow.number(row, "t_peak"), 1e-8));
    CHECK_THAT(answer["w_peak"].get<double>(), WithinRel(flow.number(row, "w_peak"), 1e-8));
    CHECK_THAT(answer["t_fade"].get<double>(), WithinRel(flow.number(row, "t_fade"), 1e-8));
    CHECK_THAT(answer["tau_fade_flow"].get<double>(), WithinRel(flow.number(row, "tau_fade"), 1e-8));
  }
}

TEST_CASE("transience: one point", "[cli][format]") {
  const json answer = json_of({"transience", "--c3", "1", "--lambda-w", "1e-3"});
  CHECK(answer["schema"] == "iclk-transience 1");
  CHECK(answer["c3"] == 1.0);
  CHECK(answer["lambda_w"] == 1e-3);
  CHECK_THAT(answer["w_tr"].get<double>(), WithinRel(5.2496028524015962, 1e-14));
  CHECK_THAT(answer["c3_accuracy"].get<double>(), WithinRel(0.054021900627931349, 1e-12));
  CHECK_THAT(answer["c3_fade"].get<double>(), WithinRel(0.0027182818284590453, 1e-14));
  CHECK_FALSE(answer.contains("t_fade"));
  CHECK_FALSE(answer.contains("c3_fold"));
  const ProgramRun text = run_program({"transience", "--c3", "1", "--lambda-w", "1e-3"});
  CHECK_THAT(text.out, ContainsSubstring("w_tr") && ContainsSubstring("5.249603"));
}

TEST_CASE("transience: the fold under decay of beta", "[cli]") {
  const json answer =
      json_of({"transience", "--c3", "1", "--lambda-w", "1e-3", "--lambda-beta", "1e-3", "--context", "100"});
  CHECK_THAT(answer["c3_fold"].get<double>(), WithinRel(0.01477, 1e-4));
  CHECK_THAT(answer["w_fold"].get<double>(), WithinRel(2.10, 3e-3));
  CHECK_THAT(answer["attention_fold"].get<double>(), WithinRel(0.23, 2e-2));
  const TemporaryFolder folder;
  const auto table = folder.write("p.csv", "N,lambda_beta\n100,1e-3\n100,2e-3\n");
  const json rows = json_of({"transience", "--table", table.string(), "--c3", "1", "--lambda-w", "1e-3"})["rows"];
  CHECK(rows[0]["c3_fold"] == answer["c3_fold"]);
  CHECK(rows[1]["c3_fold"] > rows[0]["c3_fold"]);
}

TEST_CASE("transience: without decay there is no w_tr", "[cli][limits]") {
  const json answer =
      json_of({"transience", "--c3", "1", "--lambda-w", "0", "--time-scale", "100", "--t-max", "1e4"}, 1);
  CHECK(answer["w_tr"].is_null());
  CHECK(answer["t_fade"].is_null());
  CHECK(answer["outcome"] == "reached_t_max");
  const ProgramRun run = run_program({"transience", "--c3", "1", "--lambda-w", "0"});
  CHECK(run.status == 1);
  CHECK_THAT(run.out, ContainsSubstring("nothing settles"));
  // The ends of the range of numbers.
  CHECK(json_of({"transience", "--c3", "1e308", "--lambda-w", "1e-308"})["w_tr"] > 1400.0);
  const json tiny = json_of({"transience", "--c3", "1e-308", "--lambda-w", "1"});
  CHECK(tiny["w_tr"] < 1e-307);
  CHECK(json_of({"transience", "--c3", "1e200", "--lambda-w", "1e-200", "--time-scale", "1"})["t_fade_leading"]
            .is_null());
}

TEST_CASE("transience: every option of a point changes the answer", "[cli]") {
  const std::vector<std::string> base{"transience", "--c3", "1", "--lambda-w", "1e-3", "--time-scale", "1000"};
  const json answer = json_of(base);
  const auto with = [&](std::vector<std::string> extra) {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    return json_of(arguments);
  };
  CHECK(with({"--w-fade", "2"})["t_fade"] < answer["t_fade"]);
  CHECK(with({"--w-fade", "2"})["c3_fade"] > answer["c3_fade"]);
  CHECK(with({"--novel-ratio", "0.5"})["c3_accuracy"] < answer["c3_accuracy"]);
  CHECK(with({"--novel-ratio", "0.5"})["t_accuracy_fade"] > answer["t_accuracy_fade"]);
  CHECK(with({"--novel", "gaussian"})["t_accuracy_fade"] < answer["t_accuracy_fade"]);
  CHECK(with({"--novel", "gaussian", "--accuracy", "0.7"})["t_accuracy_fade"] >
        with({"--novel", "gaussian"})["t_accuracy_fade"]);
  CHECK(with({"--exponent", "2"})["t_fade"] > answer["t_fade"]);
  CHECK(with({"--w-start", "2"})["w_peak"] < answer["w_peak"]);
  CHECK(with({"--slow-down", "exponential"})["t_fade"] > answer["t_fade"]);
  CHECK(with({"--t-max", "1e4"})["outcome"] == "reached_t_max");
  CHECK(json_of({"transience", "--c3", "2", "--lambda-w", "1e-3"})["w_tr"] > answer["w_tr"]);
  CHECK(json_of({"transience", "--c3", "1", "--lambda-w", "2e-3"})["w_tr"] < answer["w_tr"]);
}

TEST_CASE("transience: fates on a curve", "[cli][eq44]") {
  const TemporaryFolder folder;
  const std::string curve = folder.write("c.csv", decaying_curve(1000.0, 6000.0)).string();
  const json answer = json_of({"transience", "--curve", curve, "--context", "50", "--lambda-w", "0,1e-3,1", "--range"});
  CHECK(answer["context"] == 50);
  CHECK(answer["model"] == "binomial");
  REQUIRE(answer["curves"].size() == 1);
  const json& one = answer["curves"][0];
  CHECK(one["n_items"] == 500);
  CHECK(one["seed"] == 3);
  CHECK(one["c3_is_closure"] == false);
  CHECK(one["rows"][0]["outcome"] == "permanent");
  CHECK(one["rows"][0]["t_fade"]["value"].is_null());
  CHECK(one["rows"][1]["outcome"] == "transient");
  CHECK(one["rows"][2]["outcome"] == "never_acquired");
  CHECK(one["rows"][2]["t_acquired"].is_null());
  const double t_fade = one["rows"][1]["t_fade"]["value"];
  CHECK_THAT(one["rows"][1]["t_fade_iterations"].get<double>(), WithinRel(100.0 * t_fade, 1e-12));
  CHECK(one["rows"][1]["t_accuracy_fade"] < t_fade);
  CHECK(one["range"]["fades_above"] == 0.0);
  CHECK(one["range"]["acquired_below"] > 1e-3);
  CHECK(one["range"]["acquired_below"] < 1.0);

  // The same as CSV, as text, and without c3 and the settings in the file.
  const ProgramRun csv =
      run_program({"transience", "--curve", curve, "--context", "50", "--lambda-w", "1e-3", "--csv", "-"});
  CHECK_THAT(csv.out, StartsWith("n_items,seed,lambda_w,outcome,t_acquired,"));
  CHECK_THAT(csv.out, ContainsSubstring("\n500,3,0.001,transient,"));
  const ProgramRun text =
      run_program({"transience", "--curve", curve, "--context", "50", "--lambda-w", "1e-3:0.1:3", "--range"});
  CHECK_THAT(text.out, ContainsSubstring("acquired below lambda_w = ") && ContainsSubstring("transient at every"));
  const std::string bare = folder.write("bare.csv", decaying_curve(1000.0, 6000.0, false)).string();
  const json closure =
      json_of({"transience", "--curve", bare, "--items", "700", "--context", "50", "--lambda-w", "1e-3"})["curves"][0];
  CHECK(closure["c3_is_closure"] == true);
  CHECK(closure["n_items"] == 700);
  CHECK_THAT(closure["rows"][0]["t_fade"]["value"].get<double>(), WithinRel(t_fade, 1e-6));
  CHECK(closure["rows"][0]["t_fade_iterations"].is_null());
  CHECK_THAT(run_program({"transience", "--curve", bare, "--lambda-w", "1e-3"}).out,
             ContainsSubstring("note: no c3 in the file"));
}

TEST_CASE("transience: every option of a curve changes the answer", "[cli]") {
  const TemporaryFolder folder;
  const std::string curve = folder.write("c.csv", decaying_curve(1000.0, 4000.0)).string();
  const auto row = [&](std::vector<std::string> extra) {
    std::vector<std::string> arguments{"transience", "--curve", curve, "--lambda-w", "1e-3"};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    return json_of(arguments)["curves"][0]["rows"][0];
  };
  const json base = row({"--context", "50"});
  CHECK(base["extrapolated"] == true);
  CHECK(base["t_fade"]["low"] <= base["t_fade"]["value"]);
  CHECK(base["t_fade"]["high"] > base["t_fade"]["value"]);
  CHECK(row({})["t_acquired"] == 0.0);
  CHECK(row({"--context", "100"})["t_acquired"] > base["t_acquired"]);
  CHECK(row({"--context", "50", "--beta0", "1"})["t_acquired"] < base["t_acquired"]);
  CHECK(row({"--context", "50", "--w0", "1"})["t_acquired"] < base["t_acquired"]);
  CHECK(row({"--context", "50", "--model", "leading"})["t_acquired"] < base["t_acquired"]);
  CHECK(row({"--context", "50", "--w-fade", "2"})["t_fade"]["value"] < base["t_fade"]["value"]);
  CHECK(row({"--context", "50", "--novel-ratio", "0.5"})["t_accuracy_fade"] > base["t_accuracy_fade"]);
  CHECK(row({"--context", "50", "--slow-down", "exponential"})["t_fade"]["value"] > base["t_fade"]["value"]);
  CHECK(row({"--context", "50", "--t-max", "1e4"})["outcome"] == "permanent");
  const auto cut = json_of({"transience", "--curve", curve, "--lambda-w", "1e-3", "--no-extrapolation"}, 1);
  CHECK(cut["curves"][0]["rows"][0]["outcome"] == "undecided");
  // Steps instead of time need a learning rate.
  std::string steps = decaying_curve(1000.0, 4000.0, false);
  steps.replace(0, 4, "step");
  const std::string foreign = folder.write("steps.csv", steps).string();
  CHECK_THAT(error_of({"transience", "--curve", foreign, "--lambda-w", "1e-3"}),
             ContainsSubstring("steps.csv:1: step: "));
  const json rescaled = json_of({"transience", "--curve", foreign, "--lr", "0.5", "--lambda-w", "1e-3"});
  CHECK(rescaled["curves"][0]["end_time"] == 2000.0);
}

TEST_CASE("transience: w of time", "[cli][format]") {
  const TemporaryFolder folder;
  const std::string curve = folder.write("c.csv", decaying_curve(1000.0, 6000.0)).string();
  const ProgramRun run = run_program({"transience", "--curve", curve, "--context", "50", "--lambda-w", "1e-3,1e-2",
                                      "--points", "60", "--csv", folder / "w.csv"});
  INFO(run.err);
  REQUIRE(run.status == 0);
  const Table w(folder / "w.csv");
  REQUIRE(w.rows() > 60);
  REQUIRE(w.rows() <= 120);
  double last = 0.0;
  for (std::size_t row = 0; row < w.rows() && w.number(row, "lambda_w") < 5e-3; ++row) {
    REQUIRE(w.number(row, "time") > last);
    last = w.number(row, "time");
    REQUIRE(w.number(row, "mlp_time") <= last);
    // Two-point model at the effective strength: the difference of the losses is exact.
    const double strength = w.number(row, "w") * w.number(row, "attention");
    REQUIRE_THAT(w.number(row, "l_iwl") - w.number(row, "l_icl"),
                 WithinAbs(0.5 * (strength + std::log(w.number(row, "c3"))), 1e-12));
  }
  REQUIRE_THAT(w.number(0, "attention"), WithinRel(0.5, 1e-9));
  const json answer = json_of({"transience", "--curve", curve, "--lambda-w", "1e-3", "--points", "10"});
  const json& trajectory = answer["curves"][0]["rows"][0]["trajectory"];
  REQUIRE(trajectory.size() <= 10);
  REQUIRE_THAT(trajectory.back()["w"].get<double>(), WithinRel(1.0, 1e-12));
}

TEST_CASE("transience: the ends of the range separate the fates of a scan", "[cli][.slow]") {
  const std::string curve = std::string(ICLK_DOCS) + "/../figures/data/curves/k4000_s0.curves.csv";
  const json answer = json_of(
      {"transience", "--curve", curve, "--context", "100", "--lambda-w", "1e-6:0.1:51", "--t-max", "1e6", "--range"});
  const json& range = answer["curves"][0]["range"];
  // Each fate on its side of the ends.
  for (const json& row : answer["curves"][0]["rows"]) {
    const double lambda_w = row["lambda_w"];
    INFO("lambda_w = " << lambda_w);
    if (lambda_w < range["fades_above"].get<double>()) {
      CHECK(row["outcome"] == "permanent");
    } else if (lambda_w < range["acquired_below"].get<double>()) {
      CHECK(row["outcome"] == "transient");
    } else if (lambda_w > range["never_above"].get<double>()) {
      CHECK(row["outcome"] == "never_acquired");
    }
  }
}

TEST_CASE("transience: what moves the fade time and the lambda_w for a wanted one", "[cli][eq45][gradient]") {
  const auto at = [](const std::string& lambda_w, std::vector<std::string> more) {
    std::vector<std::string> arguments{"transience",   "--c3", "1",           "--lambda-w", lambda_w,
                                       "--time-scale", "1000", "--slow-down", "exponential"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments);
  };
  const json base = at("1e-3", {"--sensitivity"});
  CHECK_FALSE(at("1e-3", {}).contains("dlnt_dln_lambda_w"));
  const double slope = std::log(at("1.0001e-3", {})["t_fade_leading"].get<double>() /
                                at("0.9999e-3", {})["t_fade_leading"].get<double>()) /
                       std::log(1.0001 / 0.9999);
  CHECK_THAT(base["dlnt_dln_lambda_w"].get<double>(), WithinRel(slope, 1e-6));
  CHECK_THAT(base["dlnt_dln_c3"].get<double>(), WithinRel(-slope, 1e-6));
  CHECK(base["dlnt_dw_fade"] < 0.0);
  const json solved = at("1e-3", {"--wanted-fade-time", "1e6"});
  CHECK(solved["solve_outcome"] == "found");
  CHECK_THAT(at(solved["lambda_w_needed"].dump(), {})["t_fade_leading"].get<double>(), WithinRel(1e6, 1e-9));

  const TemporaryFolder folder;
  const std::string curve = folder.write("c.csv", decaying_curve(1000.0, 6000.0)).string();
  const json on_curve = json_of({"transience", "--curve", curve, "--lambda-w", "0.01,0.02", "--context", "20",
                                 "--sensitivity", "--wanted-fade-time", "20000", "--csv", folder / "fates.csv"});
  const json& rows = on_curve["curves"][0]["rows"];
  CHECK(rows[0]["dlnt_dln_lambda_w"] < 0.0);
  CHECK(rows[0]["dlnt_dbeta0"].is_number());
  CHECK(rows[0]["dlnt_dw0"].is_number());
  CHECK(rows[0]["dlnt_dln_context"].is_number());
  const json& needed = on_curve["curves"][0]["lambda_w_needed"];
  CHECK(on_curve["curves"][0]["solve_outcome"] == "found");
  const json there = json_of({"transience", "--curve", curve, "--lambda-w", needed.dump(), "--context", "20"});
  CHECK_THAT(there["curves"][0]["rows"][0]["t_fade"]["value"].get<double>(), WithinRel(20000.0, 1e-5));
  const Table csv{std::filesystem::path(folder / "fates.csv")};
  CHECK_THAT(csv.number(1, "lambda_w_needed"), WithinRel(needed.get<double>(), 1e-15));
  CHECK_THAT(csv.number(1, "dlnt_dw0"), WithinRel(rows[1]["dlnt_dw0"].get<double>(), 1e-15));

  CHECK(error_of({"transience", "--c3", "1", "--lambda-w", "1", "--sensitivity"}) ==
        "--sensitivity: needs a c3 that falls: --time-scale, or --curve\n");
  CHECK(error_of({"transience", "--c3", "1", "--lambda-w", "1", "--wanted-fade-time", "5"}) ==
        "--wanted-fade-time: needs a c3 that falls: --time-scale, or --curve\n");
  CHECK(error_of({"transience", "--c3", "1", "--lambda-w", "1", "--wanted-fade-time", "0"}) ==
        "--wanted-fade-time: expected a positive number, got \"0\"\n");
}

TEST_CASE("transience: bad input is named", "[cli][errors]") {
  const TemporaryFolder folder;
  const std::string curve = folder.write("c.csv", decaying_curve(1000.0, 6000.0)).string();
  CHECK(error_of({"transience"}) == "--lambda-w: is required: the L2 strength on w\n");
  CHECK(error_of({"transience", "--lambda-w", "1"}) ==
        "--c3: expected --c3 for one point, --table for many or --curve for a measured curve\n");
  CHECK(error_of({"transience", "--c3", "0", "--lambda-w", "1"}) == "--c3: expected a positive number, got \"0\"\n");
  CHECK(error_of({"transience", "--c3", "1", "--lambda-w", "-1"}) ==
        "--lambda-w: expected a number of at least 0, got \"-1\"\n");
  CHECK(error_of({"transience", "--c3", "1", "--lambda-w", "1,2"}) ==
        "--lambda-w: expected a number of at least 0, got \"1,2\"\n");
  CHECK(error_of({"transience", "--curve", curve, "--lambda-w", "1:2"}) ==
        "--lambda-w: expected LO:HI:N, N numbers from LO to HI, got \"1:2\"\n");
  CHECK(error_of({"transience", "--curve", curve, "--lambda-w", "2:1:5"}) ==
        "--lambda-w: expected 0 < LO < HI in LO:HI:N, got \"2:1:5\"\n");
  CHECK(error_of({"transience", "--curve", curve, "--lambda-w", "0.1:1:1"}) ==
        "--lambda-w: expected a whole number from 2 to 100000, got \"1\"\n");
  CHECK(error_of({"transience", "--curve", curve, "--lambda-w", "1", "--c3", "1"}) ==
        "--c3: belongs to a point, not to --curve\n");
  CHECK(error_of({"transience", "--curve", curve, "--lambda-w", "1", "--beta0", "1"}) ==
        "--beta0: is about acquisition, which --context asks for\n");
  CHECK(error_of({"transience", "--c3", "1", "--lambda-w", "1", "--range"}) == "--range: belongs to --curve\n");
  CHECK(error_of({"transience", "--c3", "1", "--lambda-w", "1", "--context", "100"}) ==
        "--context: belongs to --curve, or to a point with --lambda-beta\n");
  CHECK(error_of({"transience", "--c3", "1", "--lambda-w", "1", "--lambda-beta", "1"}) ==
        "--context: is required with --lambda-beta\n");
  CHECK_THAT(error_of({"transience", "--c3", "1", "--lambda-w", "1", "--accuracy", "0.5"}),
             StartsWith("--accuracy: expected a number between 0.5 and 1, got \"0.5\""));
  CHECK_THAT(error_of({"transience", "--curve", curve, "--lambda-w", "1", "--context", "1"}),
             StartsWith("--context: expected a whole number from 2 to 1000000"));
  const auto table_error = [&](const std::string& text) {
    const auto table = folder.write("points.csv", text);
    return error_of({"transience", "--table", table.string()}).substr(folder.path().string().size() + 1);
  };
  CHECK(table_error("c3,lambda_w\n1,1e-3\n0,1e-3\n") == "points.csv:3: c3: expected a positive number, got \"0\"\n");
  CHECK(table_error("c3,lambda_w\n1,-1\n") == "points.csv:2: lambda_w: expected a number of at least 0, got \"-1\"\n");
  CHECK(table_error("c3\n1\n") == "points.csv:1: lambda_w: expected a column lambda_w, or --lambda-w\n");
  CHECK(table_error("c3,lambda_w,w_tr\n1,1,1\n") ==
        "points.csv:1: w_tr: is the name of an answer; rename the input column\n");
  const auto low_c3 = folder.write("low.csv", "time,c1,c3\n0,0.5,1\n1,0.4,0.1\n2,0.3,0.1\n");
  CHECK(error_of({"transience", "--curve", low_c3.string(), "--lambda-w", "1"}) ==
        low_c3.string() + ": c3: expected numbers of at least c1, sample 1 is not\n");
}
