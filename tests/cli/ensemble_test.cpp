#include <cmath>
#include <fstream>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

using Words = std::vector<std::string>;

Words with(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

const Words kKnown{"ensemble", "--context", "100",  "--beta0-sd",   "0.3", "--w0-sd",
                   "0.2",      "--samples", "2000", "--i-infinity", "270"};

Words on_curves(const std::string& file) {
  return {"ensemble",  "--context", "100",    "--beta0-sd", "0.3", "--curve", data_path(file).string(),
          "--samples", "2000",      "--quiet"};
}

double value(const nlohmann::json& estimate) { return estimate["value"].get<double>(); }

}  // namespace

TEST_CASE("ensemble: the golden table of P(ICL) through --table --csv", "[cli][eq12]") {
  const TemporaryFolder folder;
  const Table golden(data_path("p_icl.csv"));
  std::string text = "N,beta0_mean,beta0_sd,w0-sd,i_infinity,family\n";
  for (std::size_t row = 0; row < golden.rows(); ++row) {
    for (const char* column : {"N", "mu_beta", "sigma_beta", "sigma_w", "I_inf"})
      text += golden.text(row, column) + ",";
    text += golden.text(row, "family") + "\n";
  }
  const auto table = folder.write("points.csv", text);
  const std::string csv = folder / "answers.csv";
  const ProgramRun run = run_program({"ensemble", "--table", table.string(), "--samples", "1000", "--csv", csv});
  INFO(run.err);
  REQUIRE(run.status == 0);
  const Table answers{std::filesystem::path(csv)};
  REQUIRE(answers.rows() == golden.rows());
  for (std::size_t row = 0; row < golden.rows(); ++row) {
    INFO("row " << row);
    const double exact = golden.number(row, "P_exact");
    CHECK(answers.text(row, "family") == golden.text(row, "family"));
    CHECK_THAT(answers.number(row, "p_icl_exact"), WithinRel(exact, 1e-12));
    CHECK_THAT(answers.number(row, "p_icl_lognormal"), WithinRel(golden.number(row, "P_lognormal_w0lin"), 1e-12));
    // Five standard errors of the share of 1000 runs.
    CHECK_THAT(answers.number(row, "p_icl"), WithinAbs(exact, 5.0 * std::sqrt(exact * (1.0 - exact) / 1000.0) + 1e-3));
    CHECK(answers.number(row, "p_icl_low") <= answers.number(row, "p_icl"));
    CHECK(answers.number(row, "p_icl_high") >= answers.number(row, "p_icl"));
    CHECK_THAT(answers.number(row, "p_icl") + answers.number(row, "p_never"), WithinRel(1.0, 1e-12));
    CHECK(answers.number(row, "p_undecided") == 0.0);
  }
}

TEST_CASE("ensemble: quantiles of t_ICL for an MLP that never memorizes", "[cli][eq12]") {
  const Table golden(data_path("ticl_quantiles.csv"));
  int n_checked = 0;
  for (std::size_t row = 0; row < golden.rows(); ++row) {
    const auto json =
        json_of({"ensemble", "--context", golden.text(row, "N"), "--beta0-mean", golden.text(row, "mu_beta"),
                 "--beta0-sd", golden.text(row, "sigma_beta"), "--i-infinity", "inf", "--samples", "0"});
    CHECK(json["p_icl"]["value"].is_null());
    CHECK(json["i_infinity"].is_null());
    CHECK(value(json["p_icl_exact"]) == 1.0);
    for (const auto& each : json["quantiles"]) {
      if (std::abs(each["share"].get<double>() - golden.number(row, "q")) > 1e-12) continue;
      ++n_checked;
      CHECK_THAT(each["t_icl_exact"].get<double>(), WithinRel(golden.number(row, "t_exact_c2half"), 1e-12));
      CHECK(each["required_integral_exact"] == each["t_icl_exact"]);
      CHECK_THAT(each["required_integral_lognormal"].get<double>(),
                 WithinRel(golden.number(row, "t_lognormal"), 1e-12));
      CHECK(each["outcome"].is_null());
      CHECK(each["outcome_exact"] == "acquired");
    }
  }
  CHECK(n_checked >= 10);
}

TEST_CASE("ensemble: a known integral as JSON", "[cli][format]") {
  const auto json = json_of(kKnown);
  CHECK(json["schema"] == "iclk-ensemble 1");
  CHECK(json["context"] == 100);
  CHECK(json["seed"] == 0);
  CHECK(json["samples"] == 2000);
  CHECK(json["outcome"] == "answered");
  CHECK(json["i_infinity"] == 270.0);
  CHECK(json["n_failed"] == 0);
  CHECK(json["p_icl"]["low"] < json["p_icl_exact"]["value"]);
  CHECK(json["p_icl"]["high"] > json["p_icl_exact"]["value"]);
  CHECK(json["p_icl_exact"]["low"] == json["p_icl_exact"]["high"]);
  CHECK_THAT(json["p_never"].get<double>() + json["p_acquired"].get<double>(), WithinRel(1.0, 1e-12));
  REQUIRE(json["quantiles"].size() == 7);
  CHECK(json["quantiles"][0]["outcome"] == "acquired");
  CHECK(json["quantiles"][0]["t_icl"]["value"].is_null());  // there is no curve to read the time from
  CHECK(json["quantiles"][6]["outcome"] == "memorized_first");
  CHECK(json["quantiles"][6]["outcome_exact"] == "memorized_first");
}

TEST_CASE("ensemble: P(ICL) against K from measured curves", "[cli][eq12][eq13]") {
  const auto json = json_of(on_curves("curves_E.csv"));
  const std::size_t n_curves = json["curves"].size();
  REQUIRE(n_curves >= 4);
  double last = -1.0;
  for (const auto& curve : json["curves"]) {
    INFO("K = " << curve["n_items"]);
    const double exact = value(curve["p_icl_exact"]);
    CHECK(exact >= last);
    last = exact;
    // Five standard errors of the share of 2000 runs, and the width of the tail.
    const double tail = curve["p_icl_exact"]["high"].get<double>() - curve["p_icl_exact"]["low"].get<double>();
    CHECK_THAT(value(curve["p_icl"]), WithinAbs(exact, 5.0 * std::sqrt(exact * (1.0 - exact) / 2000.0) + tail + 5e-4));
    // Memorization raises c2 above 1/2 and damps w more: fewer runs acquire than at constant c2.
    CHECK(exact <= curve["p_icl_constant_c2"].get<double>());
    CHECK(curve["p_icl_constant_c2"].get<double>() <= curve["p_icl_lognormal"].get<double>());
    CHECK(curve["n_failed"] == 0);
  }
  const auto& threshold = json["threshold"];
  CHECK(threshold["outcome"] == "found");
  const double k_star = value(threshold["k_star"]);
  // w0 = 0 and monotone: the run from the mean start is the median run.
  CHECK_THAT(threshold["k_half"].get<double>(), WithinRel(k_star, 0.02));
  CHECK(threshold["k_10"].get<double>() < k_star);
  CHECK(threshold["k_90"].get<double>() > k_star);
  // c2 > 1/2 makes the required integral a little steeper in beta0 than the lognormal law says.
  CHECK_THAT(threshold["log_width"].get<double>(), WithinRel(threshold["log_width_predicted"].get<double>(), 0.3));
}

TEST_CASE("ensemble: one curve against single predictions", "[cli][parity]") {
  const TemporaryFolder folder;
  const std::string curve = data_path("pytorch/mlp_K2000_s0.csv").string();
  const Words words{"ensemble", "--context", "70",   "--beta0-sd", "0.4",  "--w0-sd",   "0.3", "--curve",
                    curve,      "--lr",      "0.01", "--items",    "2000", "--samples", "40"};
  const ProgramRun run = run_program(with(words, {"--runs", folder / "runs.csv", "--quiet"}));
  INFO(run.err);
  REQUIRE(run.status == 0);
  const Table runs(folder / "runs.csv");
  REQUIRE(runs.rows() == 40);
  int n_acquired = 0;
  for (std::size_t row = 0; row < runs.rows(); row += 4) {
    const auto json = json_of({"predict", curve, "--lr", "0.01", "--items", "2000", "--context", "70", "--beta0",
                               runs.text(row, "beta0"), "--w0", runs.text(row, "w0")},
                              1);
    const auto& single = json["curves"][0];
    INFO("row " << row);
    CHECK(runs.text(row, "n_items") == "2000");
    CHECK(runs.text(row, "outcome") == single["outcome"]);
    CHECK_THAT(runs.number(row, "required_integral"), WithinRel(single["required_integral"].get<double>(), 1e-7));
    if (single["outcome"] == "acquired") {
      ++n_acquired;
      CHECK_THAT(runs.number(row, "t_icl"), WithinRel(single["t_icl"].get<double>(), 1e-6));
    } else if (single["outcome"] == "memorized_first") {
      CHECK(runs.text(row, "t_icl") == "inf");
    }
  }
  CHECK(n_acquired >= 3);
}

TEST_CASE("ensemble: the same numbers for any number of threads", "[cli]") {
  Words once{"ensemble",   "--context", "100",
             "--beta0-sd", "0.3",       "--samples",
             "9000",       "--curve",   data_path("curves_P15.csv").string(),
             "--json",     "-"};
  const ProgramRun one = run_program(with(once, {"--jobs", "1"}));
  const ProgramRun three = run_program(with(once, {"--jobs", "3"}));
  REQUIRE(one.status == 0);
  CHECK(one.out == three.out);
  CHECK(run_program(with(once, {"--jobs", "1", "--seed", "1"})).out != one.out);
}

TEST_CASE("ensemble: every option changes the answer", "[cli]") {
  const auto p = [](const Words& more) {
    Words words{"ensemble", "--samples", "0"};
    return value(json_of(with(words, more))["p_icl_exact"]);
  };
  const double base = p({"--context", "100", "--beta0-sd", "0.3", "--i-infinity", "270"});
  CHECK(p({"--context", "101", "--beta0-sd", "0.3", "--i-infinity", "270"}) < base);
  CHECK(p({"--context", "100", "--beta0-sd", "0.3", "--i-infinity", "271"}) > base);
  CHECK(p({"--context", "100", "--beta0-sd", "0.4", "--i-infinity", "270"}) != base);
  CHECK(p({"--context", "100", "--beta0-sd", "0.3", "--i-infinity", "270", "--beta0-mean", "0.1"}) > base);
  CHECK(p({"--context", "100", "--beta0-sd", "0.3", "--i-infinity", "270", "--w0-mean", "0.1"}) > base);
  CHECK(p({"--context", "100", "--beta0-sd", "0.3", "--i-infinity", "270", "--w0-sd", "0.5"}) != base);
  CHECK(p({"--context", "100", "--beta0-sd", "0.3", "--i-infinity", "270", "--c2", "1"}) < base);
  CHECK(value(json_of(with(kKnown, {"--seed", "5"}))["p_icl"]) != value(json_of(kKnown)["p_icl"]));
  const auto more =
      json_of({"ensemble", "--context", "100", "--beta0-sd", "0.3", "--i-infinity", "270", "--samples", "20000"});
  const auto few =
      json_of({"ensemble", "--context", "100", "--beta0-sd", "0.3", "--i-infinity", "270", "--samples", "200"});
  CHECK(more["p_icl"]["high"].get<double>() - more["p_icl"]["low"].get<double>() <
        0.2 * (few["p_icl"]["high"].get<double>() - few["p_icl"]["low"].get<double>()));
}

TEST_CASE("ensemble: curves from elsewhere need --lr and --items", "[cli]") {
  const std::string curve = data_path("pytorch/mlp_K2000_s0.csv").string();
  const Words words{"ensemble", "--context", "70", "--beta0-sd", "0.4", "--samples", "0", "--curve", curve};
  CHECK(run_program(words).status == 2);
  const auto slow = json_of(with(words, {"--lr", "0.01"}));
  const auto fast = json_of(with(words, {"--lr", "0.02"}));
  CHECK_THAT(value(fast["curves"][0]["i_infinity"]), WithinRel(2.0 * value(slow["curves"][0]["i_infinity"]), 1e-9));
  CHECK(slow["curves"][0]["n_items"].is_null());
  CHECK(json_of(with(words, {"--lr", "0.01", "--items", "2000"}))["curves"][0]["n_items"] == 2000);
}

TEST_CASE("ensemble: several files after one --curve or one each", "[cli]") {
  const std::string a = data_path("pytorch/mlp_K500_s0.csv").string();
  const std::string b = data_path("pytorch/mlp_K2000_s0.csv").string();
  const Words words{"ensemble", "--context", "70",      "--beta0-sd", "0.4",    "--samples", "0",
                    "--lr",     "0.01",      "--items", "500,2000",   "--json", "-"};
  const ProgramRun together = run_program(with(words, {"--curve", a, b}));
  const ProgramRun apart = run_program(with(words, {"--curve", a, "--curve", b}));
  REQUIRE(together.status == 0);
  CHECK(together.out == apart.out);
}

TEST_CASE("ensemble: the distribution adds up and follows the exact one", "[cli][format]") {
  const TemporaryFolder folder;
  const auto rows_of = [&](Words words) {
    const ProgramRun run = run_program(with(std::move(words), {"--distribution", folder / "d.csv", "--quiet"}));
    INFO(run.err);
    REQUIRE(run.status == 0);
    return Table(folder / "d.csv");
  };
  SECTION("along a curve") {
    const std::string curve = data_path("pytorch/mlp_K2000_s0.csv").string();
    const Words words{"ensemble", "--context", "70",   "--beta0-sd", "0.4",    "--samples", "4000",
                      "--curve",  curve,       "--lr", "0.01",       "--bins", "20"};
    const Table table = rows_of(words);
    REQUIRE(table.rows() == 21 + 3);
    double share = 0.0;
    double exact = 0.0;
    for (std::size_t row = 0; row < table.rows(); ++row) {
      INFO("row " << row);
      share += table.number(row, "share");
      exact += table.number(row, "share_exact");
      if (table.text(row, "part") != "interval") continue;
      CHECK(table.number(row, "time_high") > table.number(row, "time_low"));
      CHECK(table.number(row, "i_high") > table.number(row, "i_low"));
      // Five standard errors of 4000 runs.
      const double cdf = table.number(row, "cdf_exact");
      CHECK_THAT(table.number(row, "cdf"), WithinAbs(cdf, 5.0 * std::sqrt(cdf * (1.0 - cdf) / 4000.0) + 3e-4));
      CHECK(table.number(row, "cdf_low") <= table.number(row, "cdf"));
      CHECK(table.number(row, "cdf_high") >= table.number(row, "cdf"));
      CHECK(table.number(row, "cdf_lognormal") >= cdf);
      if (row > 0) CHECK(table.text(row, "time_low") == table.text(row - 1, "time_high"));
    }
    CHECK_THAT(share, WithinRel(1.0, 1e-12));
    CHECK_THAT(exact, WithinRel(1.0, 1e-12));
    CHECK(table.text(21, "part") == "later");
    CHECK(table.text(22, "part") == "undecided");
    CHECK(table.text(23, "part") == "never");
    CHECK(table.number(23, "share") > 0.05);
  }
  SECTION("for a known integral in I_K only") {
    const Table table = rows_of(with(kKnown, {"--bins", "5"}));
    REQUIRE(table.rows() == 6 + 3);
    CHECK(table.text(1, "time_high").empty());
    CHECK(table.number(5, "i_high") < 270.0);
  }
  SECTION("for an MLP that never memorizes in time as well") {
    const Table table =
        rows_of({"ensemble", "--context", "100", "--beta0-sd", "0.3", "--i-infinity", "inf", "--samples", "0"});
    REQUIRE(table.rows() == 61 + 3);
    CHECK(table.text(9, "time_high") == table.text(9, "i_high"));
    CHECK(table.text(9, "share").empty());
    CHECK(table.number(63, "share_exact") == 0.0);
  }
  SECTION("of runs that start alike") {
    const Table table = rows_of({"ensemble", "--context", "100", "--i-infinity", "300", "--samples", "10"});
    REQUIRE(table.rows() == 1 + 3);
    CHECK(table.number(0, "share") == 1.0);
  }
  SECTION("of runs that never acquire") {
    const Table table = rows_of({"ensemble", "--context", "100", "--i-infinity", "1", "--samples", "10"});
    REQUIRE(table.rows() == 3);
    CHECK(table.number(2, "share") == 1.0);
    CHECK(table.number(2, "share_exact") == 1.0);
  }
}

TEST_CASE("ensemble: a table along one curve", "[cli][format]") {
  const TemporaryFolder folder;
  const std::string curve = data_path("pytorch/mlp_K2000_s0.csv").string();
  const auto table = folder.write("points.csv", "context,beta0_mean\n30,0\n70,0\n70,-1\n");
  const auto json = json_of({"ensemble", "--table", table.string(), "--curve", curve, "--lr", "0.01", "--beta0-sd",
                             "0.3", "--samples", "500"});
  REQUIRE(json["rows"].size() == 3);
  CHECK(json["rows"][0]["p_icl_exact"] > json["rows"][1]["p_icl_exact"]);
  CHECK(json["rows"][1]["p_icl_exact"] > json["rows"][2]["p_icl_exact"]);
  CHECK(json["rows"][0]["outcome_median"] == "acquired");
  CHECK(json["rows"][0]["t_icl_median_exact"] > 0.0);
  CHECK(json["rows"][2]["outcome_median"] == "memorized_first");
  CHECK(json["rows"][2]["t_icl_median_exact"].is_null());
  CHECK(json["curve"] == curve);
  const auto single = json_of(
      {"ensemble", "--context", "70", "--curve", curve, "--lr", "0.01", "--beta0-sd", "0.3", "--samples", "500"});
  CHECK(single["curves"][0]["p_icl"]["value"] == json["rows"][1]["p_icl"]);
}

TEST_CASE("ensemble: CSV has one row per curve", "[cli][format]") {
  const ProgramRun run = run_program(with(on_curves("curves_E.csv"), {"--csv", "-"}));
  REQUIRE(run.status == 0);
  const TemporaryFolder folder;
  const Table csv(folder.write("answers.csv", run.out));
  const auto json = json_of(on_curves("curves_E.csv"));
  REQUIRE(csv.rows() == json["curves"].size());
  for (std::size_t row = 0; row < csv.rows(); ++row) {
    const auto& curve = json["curves"][row];
    CHECK(csv.number(row, "p_icl") == value(curve["p_icl"]));
    CHECK(csv.number(row, "p_icl_exact") == value(curve["p_icl_exact"]));
    CHECK(csv.number(row, "n_items") == curve["n_items"].get<double>());
    const auto& median = curve["quantiles"][3];
    if (median["outcome"] == "memorized_first") {
      CHECK(csv.text(row, "t_icl_50") == "inf");
    } else if (median["outcome"] == "acquired") {
      CHECK(csv.number(row, "t_icl_50") == value(median["t_icl"]));
    }
  }
}

TEST_CASE("ensemble: what people read", "[cli][format]") {
  const ProgramRun known = run_program(kKnown);
  CHECK_THAT(known.out, ContainsSubstring("beta0 = 0 +- 0.3, w0 = 0 +- 0.2"));
  CHECK_THAT(known.out, ContainsSubstring("P(ICL)"));
  CHECK_THAT(known.out, ContainsSubstring("lognormal law"));
  const ProgramRun alike = run_program({"ensemble", "--context", "100", "--i-infinity", "300", "--samples", "0"});
  CHECK_THAT(alike.out, ContainsSubstring("every run starts alike"));
  const ProgramRun curves = run_program(on_curves("curves_E.csv"));
  CHECK_THAT(curves.out, ContainsSubstring("K*"));
  CHECK_THAT(curves.out, ContainsSubstring("width in ln K"));
  CHECK_THAT(curves.out, ContainsSubstring("never"));
}

TEST_CASE("ensemble: a curve that settles nothing is no answer", "[cli]") {
  const TemporaryFolder folder;
  // c1 hardly falls: the integral may stop soon or diverge.
  const auto curve =
      folder.write("early.csv", "t,c1,c2\n0,0.5,0.5\n0.5,0.49,0.5\n1,0.48,0.5\n1.5,0.47,0.5\n2,0.46,0.5\n");
  const auto json = json_of({"ensemble", "--context", "100", "--curve", curve.string(), "--beta0-sd", "0.3", "--items",
                             "100", "--samples", "100"},
                            1);
  CHECK(json["outcome"] == "undecided");
  CHECK(json["curves"][0]["p_undecided"] == 1.0);
  CHECK(json["curves"][0]["tail"] == "unresolved");
  CHECK(json["curves"][0]["p_icl"]["low"] == 0.0);
  CHECK(json["curves"][0]["p_icl"]["high"] == 1.0);
  CHECK(json["curves"][0]["quantiles"][3]["t_icl"]["value"].is_null());
  CHECK(json["curves"][0]["quantiles"][3]["outcome"] == "undecided");
}

TEST_CASE("ensemble: bad input is one line", "[cli][errors]") {
  const TemporaryFolder folder;
  const auto error_of = [](const Words& words) {
    const ProgramRun run = run_program(words);
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    return run.err;
  };
  const std::string curve = data_path("curves_E.csv").string();
  CHECK_THAT(error_of({"ensemble", "--i-infinity", "1"}), StartsWith("--context: is required"));
  CHECK_THAT(error_of({"ensemble", "--context", "100"}), StartsWith("--curve: expected --curve or --i-infinity"));
  CHECK_THAT(error_of({"ensemble", "--context", "100", "--i-infinity", "1", "--curve", curve}),
             StartsWith("--i-infinity: cannot be combined with --curve"));
  CHECK(error_of({"ensemble", "--context", "100", "--i-infinity", "0"}) ==
        "--i-infinity: expected a positive number or inf, got \"0\"\n");
  CHECK(error_of({"ensemble", "--context", "1", "--i-infinity", "5"}) ==
        "--context: expected a whole number from 2 to 1000000, got \"1\"\n");
  CHECK(error_of({"ensemble", "--context", "10", "--i-infinity", "5", "--beta0-sd", "-1"}) ==
        "--beta0-sd: expected a number from 0 to 100, got \"-1\"\n");
  CHECK(error_of({"ensemble", "--context", "10", "--i-infinity", "5", "--c2", "2"}) ==
        "--c2: expected a number from 0 to 1, got \"2\"\n");
  CHECK(error_of({"ensemble", "--context", "10", "--i-infinity", "5", "--lr", "1"}) == "--lr: belongs to --curve\n");
  CHECK(error_of({"ensemble", "--context", "10", "--i-infinity", "5", "--bins", "9"}) ==
        "--bins: belongs to --distribution\n");
  CHECK(error_of({"ensemble", "--context", "10", "--i-infinity", "5", "--samples", "0", "--runs", "-"}) ==
        "--runs: needs --samples of at least 1\n");
  CHECK(error_of({"ensemble", "--context", "10", "--i-infinity", "5", "--json", "-", "--runs", "-"}) ==
        "--runs: \"-\" is already the output of another option\n");
  CHECK(error_of({"ensemble", "--curve", "--context", "10"}) == "--curve: a value is missing\n");
  CHECK_THAT(error_of({"ensemble", "--context", "10", "--curve", folder / "none.csv"}),
             ContainsSubstring("cannot read: No such file"));
  CHECK_THAT(error_of({"ensemble", "--context", "10", "--i-infinity", "5", "--distribution", folder / "none/d.csv"}),
             StartsWith("--distribution: cannot write"));

  const auto points = folder.write("points.csv", "N,i_infinity\n100,5\n");
  const Words table{"ensemble", "--table", points.string()};
  CHECK(error_of(with(table, {"--runs", folder / "r.csv"})) == "--runs: cannot be combined with --table\n");
  CHECK_THAT(error_of(with(table, {"--curve", curve})), StartsWith("--curve: expected one curve beside --table, got "));
  const auto bad = folder.write("bad.csv", "N,i_infinity\n100,5\n100,-5\n");
  CHECK(error_of({"ensemble", "--table", bad.string()}) ==
        bad.string() + ":3: i_infinity: expected a positive number, got \"-5\"\n");
  const auto short_table = folder.write("short.csv", "N\n100\n");
  CHECK(error_of({"ensemble", "--table", short_table.string()}) ==
        short_table.string() + ":1: i_infinity: expected a column i_infinity, or --i-infinity\n");
}
