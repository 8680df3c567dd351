#include <chrono>
#include <cmath>
#include <fstream>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

TEST_CASE("acquire: the golden table of closed forms through --table --csv", "[cli][eq10][eq34][eq37]") {
  const TemporaryFolder folder;
  const std::string csv = folder / "answers.csv";
  const std::filesystem::path golden_path = data_path("acq_closed_form.csv");
  const ProgramRun run = run_program({"acquire", "--table", golden_path.string(), "--csv", csv});
  INFO(run.err);
  REQUIRE(run.status == 0);
  const Table golden(golden_path);
  const Table answers{std::filesystem::path(csv)};
  REQUIRE(answers.rows() == golden.rows());
  std::vector<std::string> columns = golden.columns();
  columns.insert(columns.end(), {"x_leading", "x_undamped", "x_exact", "j_cold"});
  REQUIRE(answers.columns() == columns);
  for (std::size_t row = 0; row < golden.rows(); ++row) {
    INFO("row " << row);
    REQUIRE(answers.text(row, "X_exact") == golden.text(row, "X_exact"));
    CHECK_THAT(answers.number(row, "x_leading"), WithinRel(golden.number(row, "X_eq10"), 1e-12));
    CHECK_THAT(answers.number(row, "x_undamped"), WithinRel(golden.number(row, "X_nodamp"), 1e-12));
    CHECK_THAT(answers.number(row, "x_exact"), WithinRel(golden.number(row, "X_exact"), 1e-12));
    CHECK_THAT(answers.number(row, "j_cold"), WithinRel(golden.number(row, "J_eq37_corrected"), 1e-12));
  }
}

TEST_CASE("acquire: one point as JSON", "[cli][format]") {
  const auto json = json_of({"acquire", "--context", "100"});
  CHECK(json["schema"] == "iclk-acquisition 1");
  CHECK(json["context"] == 100);
  CHECK(json["c2"] == 0.5);
  CHECK_THAT(json["x_leading"].get<double>(), WithinRel(250.66282746310006, 1e-14));
  CHECK_THAT(json["x_exact"].get<double>(), WithinRel(273.6443397838436, 1e-12));
  CHECK_THAT(json["j_cold"].get<double>(), WithinRel(50.0, 1e-14));
}

TEST_CASE("acquire: every option changes the answer", "[cli]") {
  const double base = json_of({"acquire", "--context", "100"})["x_exact"];
  CHECK(json_of({"acquire", "--context", "101"})["x_exact"] > base);
  CHECK(json_of({"acquire", "--context", "100", "--beta0", "-1"})["x_exact"] > base);
  CHECK(json_of({"acquire", "--context", "100", "--w0", "-1"})["x_exact"] > base);
  CHECK(json_of({"acquire", "--context", "100", "--c2", "1"})["x_exact"] > base);
}

TEST_CASE("acquire: further options change x_exact or add answers", "[cli]") {
  const double base = json_of({"acquire", "--context", "100"})["x_exact"];
  const auto with = [](std::vector<std::string> more, int status = 0) {
    std::vector<std::string> arguments{"acquire", "--context", "100"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments, status);
  };
  CHECK_THAT(with({"--copies", "4"})["x_exact"].get<double>(), WithinRel(base / 4.0, 1e-14));
  CHECK(with({"--rho", "0.5"})["x_exact"] > 2.0 * base);
  CHECK_THAT(with({"--rho", "0.5"})["x_leading"].get<double>(), WithinRel(2.0 * 250.66282746310006, 1e-14));
  CHECK_THAT(with({"--rho", "0.5"})["j_cold"].get<double>(), WithinRel(200.0, 1e-14));
  CHECK_THAT(with({"--c1", "0.25"})["t_exact"].get<double>(), WithinRel(2.0 * base, 1e-14));
  // The table of the flow with L2 on w: 283.716... at lambda_w = 1e-3.
  CHECK_THAT(with({"--lambda-w", "1e-3"})["t_exact"].get<double>(), WithinRel(283.71631827998059, 1e-12));
  CHECK(with({"--lambda-w", "1e-3", "--c1", "0.1"})["x_exact"] > with({"--lambda-w", "1e-3"})["x_exact"]);

  const auto trapped = with({"--lambda-beta", "0.08"});
  CHECK(trapped["decay_outcome"] == "trapped");
  CHECK_THAT(trapped["trap_w"].get<double>(), WithinRel(2.3913275181167097, 1e-12));
  CHECK_THAT(trapped["trap_beta"].get<double>(), WithinRel(0.17870147809069445, 1e-12));
  CHECK_THAT(trapped["lambda_beta_critical"].get<double>(), WithinRel(0.054365636569180905, 1e-12));
  CHECK_THAT(trapped["lambda_equal_critical"].get<double>(), WithinRel(0.010475041211993767, 1e-12));
  CHECK(trapped["edge_beta"] > 0.5);
  CHECK_THAT(with({"--lambda-beta", "0.08", "--lambda-w", "1e-3"})["damping"].get<double>(), WithinRel(0.7, 1e-12));
  CHECK(with({"--lambda-beta", "0.01"})["trap_beta"].is_null());

  const auto crossing = with({"--beta-cross", "2"});
  CHECK(crossing["x_cross"] < base);
  const auto state = with({"--integral", std::to_string(crossing["x_cross"].get<double>())});
  CHECK(state["state_outcome"] == "before_blow_up");
  CHECK_THAT(state["beta_at"].get<double>(), WithinAbs(2.0, 1e-5));
  CHECK_THAT(state["w_at"].get<double>(), WithinAbs(crossing["w_at_cross"].get<double>(), 1e-5));
  CHECK(with({"--integral", "300"})["state_outcome"] == "blown_up");
  CHECK(with({"--integral", "300"})["w_at"].is_null());

  CHECK_THAT(with({"--prefactor", "2", "--nu", "0.5"})["k_star"].get<double>(), WithinRel(0.25 * base * base, 1e-12));
  const auto success = with({"--i-infinity", "320", "--beta0-sd", "0.3"});
  CHECK(success["p_icl"] > 0.5);
  CHECK(with({"--i-infinity", "320", "--beta0-sd", "0.3", "--w0-sd", "0.5"})["p_icl"] < success["p_icl"]);
}

TEST_CASE("acquire: balanced contexts", "[cli][eq9]") {
  const auto with = [](std::vector<std::string> more) {
    std::vector<std::string> arguments{"acquire", "--context", "100", "--beta0", "0.3"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments);
  };
  const auto plain = with({"--balanced", "exemplars", "--w0", "-0.2"});
  CHECK(plain["balanced_outcome"] == "acquired");
  CHECK_THAT(plain["x_balanced"].get<double>(), WithinRel(200.0 * 2.6179405223966090, 1e-12));
  CHECK_THAT(plain["balanced_beta_turn"].get<double>(), WithinRel(0.21123199786256821, 1e-12));
  CHECK_THAT(plain["balanced_energy"].get<double>(), WithinRel(-1.0208182206817179, 1e-12));
  CHECK_THAT(plain["balanced_w_edge"].get<double>(), WithinRel(-0.28572091516624352, 1e-12));
  const auto target = with({"--balanced", "target"});
  CHECK(target["balanced_outcome"] == "other_basin");
  CHECK(target["x_balanced"].is_null());
  CHECK_THAT(target["beta_saddle"].get<double>(), WithinRel(std::log(2.0), 1e-14));
  // --v alone counts over the exemplars; v = 1 is Eqs. 7-8.
  const auto partial = with({"--v", "0.25", "--w0", "-0.2"});
  CHECK_THAT(partial["x_balanced"].get<double>(), WithinRel(200.0 * 1.7459286500523407, 1e-8));
  CHECK_THAT(with({"--v", "1"})["x_balanced"].get<double>(),
             WithinRel(with({"--v", "1"})["x_exact"].get<double>(), 1e-13));
  const auto basin =
      json_of({"acquire", "--context", "100", "--balanced", "exemplars", "--beta0-sd", "1", "--w0-sd", "1"});
  CHECK_THAT(basin["p_balanced"].get<double>(), WithinRel(0.47708336850612390, 1e-12));
}

TEST_CASE("acquire: derivatives agree with differences of the answers", "[cli][gradient]") {
  const auto with = [](const std::string& beta0, std::vector<std::string> more) {
    std::vector<std::string> arguments{"acquire",     "--context",    "100",  "--beta0", beta0,
                                       "--prefactor", "1.8",          "--nu", "0.7",     "--beta0-sd",
                                       "0.3",         "--i-infinity", "320"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_of(arguments);
  };
  const auto at = with("0.1", {"--sensitivity"});
  const auto low = with("0.0999", {});
  const auto high = with("0.1001", {});
  CHECK_FALSE(low.contains("dlnx_dbeta0"));
  const auto log_slope = [&](const char* name) {
    return std::log(high[name].get<double>() / low[name].get<double>()) / 2e-4;
  };
  CHECK_THAT(at["dlnx_dbeta0"].get<double>(), WithinRel(log_slope("x_exact"), 1e-6));
  CHECK_THAT(at["dlnk_dbeta0"].get<double>(), WithinRel(log_slope("k_star"), 1e-6));
  CHECK_THAT(at["dp_dbeta0"].get<double>(),
             WithinRel((high["p_icl"].get<double>() - low["p_icl"].get<double>()) / 2e-4, 1e-6));
  CHECK_THAT(at["dlnx_dln_context"].get<double>(), WithinRel(1.0, 1e-14));
  CHECK_THAT(at["dlnk_dln_context"].get<double>(), WithinRel(1.0 / 0.7, 1e-14));
  CHECK(at["dp_dln_context"] < 0.0);
  CHECK(at["dp_dln_i_infinity"] > 0.0);
  for (const char* name : {"dlnx_dw0", "dlnx_dc2", "dlnx_dlambda_w", "dlnk_dw0", "dlnk_dlambda_w", "dlnk_dnu",
                           "dp_dbeta0_sd", "dp_dw0", "dp_dw0_sd", "dp_dlambda_w"}) {
    INFO(name);
    CHECK(at[name].is_number());
  }
}

TEST_CASE("acquire: what solves for a wanted answer gives it", "[cli][identity]") {
  const auto number_text = [](const nlohmann::json& value) { return value.dump(); };
  const auto solved = json_of({"acquire", "--context", "100", "--solve-for", "beta0", "--wanted-x", "500"});
  CHECK(solved["solve_outcome"] == "found");
  CHECK_THAT(
      json_of({"acquire", "--context", "100", "--beta0", number_text(solved["beta0_needed"])})["x_exact"].get<double>(),
      WithinRel(500.0, 1e-12));
  const auto w0 = json_of({"acquire", "--context", "100", "--solve-for", "w0", "--wanted-time", "500", "--c1", "0.4"});
  CHECK_THAT(json_of({"acquire", "--context", "100", "--c1", "0.4", "--w0", number_text(w0["w0_needed"])})["t_exact"]
                 .get<double>(),
             WithinRel(500.0, 1e-12));
  const std::vector<std::string> law{"acquire", "--context", "100", "--prefactor", "1.8", "--nu", "0.7"};
  auto ask = law;
  ask.insert(ask.end(), {"--solve-for", "lambda-w", "--wanted-k-star", "2000"});
  const auto lambda = json_of(ask);
  auto check = law;
  check.insert(check.end(), {"--lambda-w", number_text(lambda["lambda_w_needed"])});
  CHECK_THAT(json_of(check)["k_star"].get<double>(), WithinRel(2000.0, 1e-11));
  const auto context =
      json_of({"acquire", "--context", "100", "--solve-for", "context", "--wanted-x", "547.2886795676872"});
  CHECK_THAT(context["context_needed"].get<double>(), WithinRel(200.0, 1e-12));
  // L2 cannot make acquisition need less: status 1, and the answer says so.
  const auto none = json_of({"acquire", "--context", "100", "--solve-for", "lambda-w", "--wanted-x", "3"}, 1);
  CHECK(none["solve_outcome"] == "too_small");
  CHECK(none["lambda_w_needed"].is_null());
}

TEST_CASE("acquire: a measured curve", "[cli][eq7][eq8]") {
  const TemporaryFolder folder;
  std::string text = "time,c1,c2\n";
  for (int i = 0; i <= 100; ++i) text += std::to_string(20 * i) + ",0.5,0.5\n";
  const auto curve = folder.write("curve.csv", text).string();
  const auto json = json_of({"acquire", "--context", "100", "--curve", curve, "--sensitivity"});
  CHECK(json["curve_outcome"] == "acquired");
  CHECK_THAT(json["t_icl"].get<double>(), WithinRel(273.6443397838436, 1e-8));
  CHECK_THAT(json["dlnt_dbeta0"].get<double>(), WithinRel(json["dlnx_dbeta0"].get<double>(), 1e-7));
  CHECK_THAT(json["dlnt_dln_c1"].get<double>(), WithinRel(-1.0, 1e-7));
  CHECK_THAT(json["dlnt_dln_stretch"].get<double>(), WithinAbs(0.0, 1e-7));
  CHECK(json_of({"acquire", "--context", "100", "--curve", curve, "--lambda-w", "1e-3"})["t_icl"] > json["t_icl"]);
  const auto solved = json_of({"acquire", "--context", "100", "--curve", curve, "--solve-for", "context",
                               "--wanted-time", "547.2886795676872"});
  CHECK_THAT(solved["context_needed"].get<double>(), WithinRel(200.0, 1e-8));
  const auto lost = json_of({"acquire", "--context", "10000", "--curve", curve, "--sensitivity"});
  CHECK(lost["curve_outcome"] == "curve_ended");
  CHECK(lost["t_icl"].is_null());
  CHECK(lost["dlnt_dw0"].is_null());
  const auto steps = folder.write("steps.csv", "step,c1\n0,0.5\n500000,0.5\n").string();
  CHECK_THAT(json_of({"acquire", "--context", "100", "--curve", steps, "--lr", "0.01"})["t_icl"].get<double>(),
             WithinRel(273.6443397838436, 1e-8));
}

TEST_CASE("acquire: golden tables through columns named as the options", "[cli][eq7][eq31]") {
  const TemporaryFolder folder;
  const auto answers_for = [&](const char* name, std::vector<std::string> more) {
    const std::string csv = folder / "answers.csv";
    std::vector<std::string> arguments{"acquire", "--table", data_path(name).string(), "--csv", csv};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramRun run = run_program(arguments);
    INFO(run.err);
    REQUIRE(run.status == 0);
    return Table{std::filesystem::path(csv)};
  };
  const Table crossing = answers_for("acq_cross_const.csv", {});
  for (std::size_t row = 0; row < crossing.rows(); ++row) {
    INFO("row " << row);
    const double c1 = crossing.number(row, "c1");
    CHECK_THAT(crossing.number(row, "t_exact"), WithinRel(crossing.number(row, "t_blow"), 1e-12));
    CHECK_THAT(crossing.number(row, "x_cross") / (2.0 * c1), WithinRel(crossing.number(row, "t_cross"), 1e-12));
    CHECK_THAT(crossing.number(row, "w_at_cross"), WithinRel(crossing.number(row, "w_cross"), 1e-12));
  }
  const Table decayed = answers_for("acq_regularised.csv", {});
  for (std::size_t row = 0; row < decayed.rows(); ++row) {
    INFO("row " << row);
    const bool acquired = decayed.number(row, "acquired") > 0.5;
    CHECK(decayed.text(row, "decay_outcome") == (acquired ? "acquired" : "trapped"));
    if (!acquired) CHECK_THAT(decayed.number(row, "trap_w"), WithinRel(decayed.number(row, "w_trap"), 1e-12));
    if (decayed.number(row, "lambda_beta") > 0.0) continue;
    CHECK_THAT(decayed.number(row, "t_exact"), WithinRel(decayed.number(row, "t_blow"), 1e-8));
  }
  const Table balanced = answers_for("balanced_flow.csv", {"--context", "50", "--balanced", "exemplars"});
  for (std::size_t row = 0; row < balanced.rows(); ++row) {
    INFO("row " << row);
    const bool acquired = balanced.number(row, "to_icl") > 0.5;
    CHECK(balanced.text(row, "balanced_outcome") == (acquired ? "acquired" : "other_basin"));
    if (acquired)
      CHECK_THAT(balanced.number(row, "x_balanced"), WithinRel(100.0 * balanced.number(row, "s_blow"), 1e-12));
  }
  const Table partial = answers_for("partial_balance_flow.csv", {"--context", "50"});
  for (std::size_t row = 0; row < partial.rows(); ++row) {
    INFO("row " << row);
    if (partial.number(row, "to_icl") < 0.5) continue;
    CHECK_THAT(partial.number(row, "x_balanced"), WithinRel(100.0 * partial.number(row, "s_blow"), 1e-8));
  }
}

TEST_CASE("acquire: a table may leave columns to options and carry others", "[cli][format]") {
  const TemporaryFolder folder;
  const auto table = folder.write("points.csv", "name,beta0\n\"a, b\",0\n7,-1\n");
  const ProgramRun run = run_program({"acquire", "--table", table.string(), "--context", "100", "--csv", "-"});
  INFO(run.err);
  REQUIRE(run.status == 0);
  CHECK_THAT(
      run.out,
      StartsWith("name,beta0,context,w0,c2,x_leading,x_undamped,x_exact,j_cold\n\"a, b\",0,100,0,0.5,250.66282746310"));
  const auto json = json_of({"acquire", "--table", table.string(), "--context", "100"});
  CHECK(json["rows"][0]["name"] == "a, b");
  CHECK(json["rows"][1]["name"] == 7);
  CHECK(json["rows"][1]["beta0"] == -1);
  CHECK(json["rows"][1]["context"] == 100);
}

TEST_CASE("acquire: a value beyond the range of numbers is null and empty", "[cli][limits]") {
  const auto json = json_of({"acquire", "--context", "100", "--w0", "-200"});
  CHECK(json["x_undamped"].is_null());
  CHECK(json["x_exact"].is_number());
}

TEST_CASE("acquire: 100 000 rows in under a second", "[cli][.timed]") {
  const TemporaryFolder folder;
  std::string text = "context,beta0,w0,c2\n";
  for (int row = 0; row < 100'000; ++row) {
    text += std::to_string(10 + row % 1000) + ",-" + std::to_string(row % 7) + ".5,0." + std::to_string(row) + ",0.5\n";
  }
  const auto table = folder.write("points.csv", text);
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(run_program({"acquire", "--table", table.string(), "--csv", folder / "out.csv"}).status == 0);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  CHECK(seconds.count() < 1.0);
  CHECK(Table(folder / "out.csv").rows() == 100'000);
}

TEST_CASE("acquire: bad points are refused with file and line and column", "[cli][errors]") {
  const TemporaryFolder folder;
  const auto error_of = [&](const std::string& text) {
    const auto table = folder.write("points.csv", text);
    const ProgramRun run = run_program({"acquire", "--table", table.string(), "--csv", folder / "out.csv"});
    CHECK(run.status == 2);
    CHECK_FALSE(std::filesystem::exists(folder / "out.csv"));
    return run.err.substr(folder.path().string().size() + 1);
  };
  CHECK(error_of("N,beta0\n100,0\n1,0\n") ==
        "points.csv:3: N: expected a whole number from 2 to 1000000000, got \"1\"\n");
  CHECK(error_of("N,beta0\n100.5,0\n") ==
        "points.csv:2: N: expected a whole number from 2 to 1000000000, got \"100.5\"\n");
  CHECK(error_of("N,beta0\n100,zero\n") == "points.csv:2: beta0: expected a number, got \"zero\"\n");
  CHECK(error_of("N,w0\n100,nan\n") == "points.csv:2: w0: expected a finite number, got \"nan\"\n");
  CHECK(error_of("N,w0\n100,301\n") == "points.csv:2: w0: expected a number from -300 to 300, got \"301\"\n");
  CHECK(error_of("N,c2\n100,1.5\n") == "points.csv:2: c2: expected a number from 0 to 1, got \"1.5\"\n");
  CHECK(error_of("N,context\n100,100\n") ==
        "points.csv:1: N: means the same as the column context; one of them is too many\n");
  CHECK(error_of("N,x_exact\n100,1\n") == "points.csv:1: x_exact: is the name of an answer; rename the input column\n");
  CHECK(error_of("beta0\n0\n") == "points.csv:1: context: expected a column context (or N), or --context\n");
}

TEST_CASE("acquire: options that contradict each other or change nothing are refused", "[cli][errors]") {
  const auto error_of = [](std::vector<std::string> more) {
    std::vector<std::string> arguments{"acquire", "--context", "100"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramRun run = run_program(arguments);
    CHECK(run.status == 2);
    return run.err;
  };
  const std::string nothing = ": changes nothing here; iclk acquire --help says what it belongs to\n";
  CHECK(error_of({"--w0-sd", "1"}) == "--w0-sd" + nothing);
  CHECK(error_of({"--i-infinity", "100"}) == "--i-infinity" + nothing);
  CHECK(error_of({"--nu", "0.7"}) == "--nu" + nothing);
  CHECK(error_of({"--wanted-x", "100"}) == "--wanted-x" + nothing);
  CHECK(error_of({"--lr", "0.01"}) == "--lr: changes nothing without --curve\n");
  CHECK(error_of({"--copies", "500"}) == "--copies: expected a number from 1 to N, got 500\n");
  CHECK(error_of({"--copies", "0.5"}) == "--copies: expected a number from 1 to 1e+09, got \"0.5\"\n");
  CHECK(error_of({"--rho", "0"}) == "--rho: expected a number above 0, up to 1, got \"0\"\n");
  CHECK(error_of({"--lambda-w", "-1"}) == "--lambda-w: expected a number from 0 to 1e+06, got \"-1\"\n");
  CHECK(error_of({"--lambda-beta", "-1"}) == "--lambda-beta: expected a number from 0 to 1e+06, got \"-1\"\n");
  CHECK(error_of({"--v", "1.5"}) == "--v: expected a number from 0 to 1, got \"1.5\"\n");
  CHECK(error_of({"--c1", "0"}) == "--c1: expected a number above 0, up to 1, got \"0\"\n");
  CHECK(error_of({"--beta0-sd", "0", "--i-infinity", "100"}) == "--beta0-sd: expected a positive number, got 0\n");
  CHECK(error_of({"--balanced", "exemplars", "--rho", "0.5"}) ==
        "--rho: is not known for balanced contexts (--balanced, --v)\n");
  CHECK(error_of({"--lambda-beta", "0.1", "--copies", "2"}) == "--copies: is not known together with --lambda-beta\n");
  CHECK(error_of({"--solve-for", "beta0"}) == "--solve-for: needs --wanted-x, --wanted-time or --wanted-k-star\n");
  CHECK(error_of({"--solve-for", "beta0", "--wanted-x", "1", "--wanted-time", "1"}) ==
        "--solve-for: takes one of --wanted-x, --wanted-time and --wanted-k-star\n");
  CHECK(error_of({"--solve-for", "beta0", "--wanted-k-star", "100"}) ==
        "--wanted-k-star: needs --prefactor and --nu, the law I_K(infinity) = prefactor K^nu\n");
  CHECK_THAT(error_of({"--solve-for", "beta1"}), StartsWith("--solve-for: expected none|context|beta0|w0|lambda-w"));
  CHECK_THAT(error_of({"--balanced", "yes"}), StartsWith("--balanced: expected none|exemplars|target"));
  const TemporaryFolder folder;
  const auto two = folder.write("two.csv", "K,seed,t,c1\n9,0,0,0.5\n9,0,1,0.4\n9,1,0,0.5\n9,1,1,0.4\n").string();
  CHECK(error_of({"--curve", two}) == two + ": holds 2 curves, expected one\n");
  const auto one = folder.write("one.csv", "t,c1\n0,0.5\n1000,0.4\n").string();
  CHECK(error_of({"--curve", one, "--rho", "0.5"}) == "--rho: is not known together with --curve\n");
  CHECK(error_of({"--curve", one, "--solve-for", "beta0", "--wanted-time", "2000"}) ==
        "--wanted-time: expected a time within the curves, got 2000\n");
}
