#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;
using nlohmann::json;

namespace {

/// Is the estimate right: within `tolerance` (relative), or does a not absurdly wide interval hold the truth?
bool agrees(const json& estimate, double truth, double tolerance, double widest_ratio) {
  if (estimate["value"].is_null()) return false;
  if (std::abs(estimate["value"].get<double>() - truth) <= tolerance * truth) return true;
  if (estimate["low"].is_null() || estimate["high"].is_null()) return false;
  const double low = estimate["low"];
  const double high = estimate["high"];
  return low <= truth && truth <= high && high <= widest_ratio * low;
}

std::string number_text(double value) { return json(value).dump(); }

json prediction_of(const std::string& curves, const json& example) {
  return json_of({"predict", data_path(curves + ".csv").string(), "--context", std::to_string(example["N"].get<int>()),
                  "--beta0", number_text(example["beta0"]), "--w0", number_text(example["w0"])});
}

/// K* of family P, p = 1.5, c2 = 1 - c1 follows from acq_critical.csv: I_K(infinity) = 2 a K^nu there.
double threshold_with_closure(const json& expected, double n_context, double beta0) {
  const Table table = read_table("acq_critical.csv");
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const bool wanted = table.text(row, "family") == "P" && table.text(row, "p") == "1.5" &&
                        table.text(row, "c2_mode") == "hom" && table.number(row, "beta0") == beta0 &&
                        table.number(row, "N") == n_context && table.number(row, "w0") == 0.0;
    if (!wanted) continue;
    return std::pow(table.number(row, "T_crit") / expected["a"].get<double>(), 1.0 / expected["nu"].get<double>());
  }
  return 0.0;
}

}  // namespace

TEST_CASE("predict: the golden curve sets", "[cli][eq10][eq12]") {
  const std::string set = GENERATE("curves_E", "curves_P15", "curves_P15_common", "curves_S05");
  const json expected = json::parse(read_file(data_path(set + "_expected.json")));
  const double nu = expected["nu"];
  for (const json& example : expected["cases"]) {
    INFO(set << ", N = " << example["N"] << ", beta0 = " << example["beta0"]);
    const json answer = prediction_of(set, example);
    CHECK(answer["context"] == example["N"]);
    CHECK(answer["memorization_law"]["n_curves"] == expected["per_K"].size());
    INFO("nu " << answer["memorization_law"]["nu"]);
    CHECK(agrees(answer["memorization_law"]["nu"], nu, 3e-3, 1.1));
    for (std::size_t i = 0; i < expected["per_K"].size(); ++i) {
      const json& truth = expected["per_K"][i];
      const json& curve = answer["curves"][i];
      INFO("K = " << truth["K"] << ": " << curve.dump());
      REQUIRE(curve["n_items"] == truth["K"]);
      CHECK_THAT(curve["i_measured"].get<double>(), WithinRel(truth["I_tmax"].get<double>(), 2e-3));
      CHECK(agrees(curve["i_infinity"], truth["I_inf"], 3e-3, 1.5));
    }
    CHECK_THAT(answer["acquisition"]["x_leading"].get<double>(), WithinRel(example["X_eq10"].get<double>(), 1e-12));
    const json& threshold = answer["threshold"];
    INFO("threshold " << threshold.dump());
    CHECK(agrees(threshold["k_star_leading"], example["Kstar_eq10"], 1e-2, 1.5));
    if (example.contains("Kstar_exact")) {
      CHECK_THAT(answer["acquisition"]["x_exact"].get<double>(), WithinRel(example["X_exact"].get<double>(), 1e-12));
      CHECK(agrees(threshold["k_star"], example["Kstar_exact"], 1e-2, 1.5));
    } else if (const double k_star = threshold_with_closure(expected, example["N"], example["beta0"]); k_star > 0) {
      CHECK(agrees(threshold["k_star"], k_star, 1e-2, 1.5));
    }
  }
}

TEST_CASE("predict: verdict and t_ICL of the golden curves with c2 = 1/2", "[cli][eq7][eq8]") {
  const std::string set = GENERATE("curves_E", "curves_S05");
  const json expected = json::parse(read_file(data_path(set + "_expected.json")));
  for (const json& example : expected["cases"]) {
    const json answer = prediction_of(set, example);
    for (std::size_t i = 0; i < example["t_icl"].size(); ++i) {
      const json& truth = example["t_icl"][i]["exact"];
      const json& curve = answer["curves"][i];
      INFO(set << ", N = " << example["N"] << ", beta0 = " << example["beta0"] << ", truth " << truth << ": "
               << curve.dump());
      if (truth.is_null()) {
        CHECK(curve["outcome"] == "memorized_first");
        CHECK(curve["t_icl"].is_null());
      } else {
        REQUIRE(curve["outcome"] == "acquired");
        CHECK_THAT(curve["t_icl"].get<double>(), WithinRel(truth.get<double>(), 1e-2));
      }
    }
  }
}

TEST_CASE("predict: curves logged by PyTorch", "[cli]") {
  // The trapezoid of the file itself, as the acceptance of such curves asks: I_K within 1 %.
  const auto trapezoid = [](const std::string& name) {
    const Table table = read_table(name);
    double sum = 0.0;
    for (std::size_t i = 1; i < table.rows(); ++i) {
      const double dt = 0.01 * (table.number(i, "step") - table.number(i - 1, "step"));
      sum += dt * (table.number(i, "c1") + table.number(i - 1, "c1"));
    }
    return sum;
  };
  const std::vector<std::string> names{"pytorch/mlp_K500_s0.csv", "pytorch/mlp_K2000_s0.csv"};
  const json answer = json_of({"predict", data_path(names[0]).string(), data_path(names[1]).string(), "--items",
                               "500,2000", "--lr", "0.01", "--context", "100"});
  for (std::size_t i = 0; i < names.size(); ++i) {
    CHECK_THAT(answer["curves"][i]["i_measured"].get<double>(), WithinRel(trapezoid(names[i]), 1e-2));
    CHECK(answer["curves"][i]["lr"] == 0.01);
  }
  const json& nu = answer["memorization_law"]["nu"];
  INFO(nu.dump());
  CHECK(nu["low"] <= 0.64);
  CHECK(nu["high"] >= 0.70);
  CHECK(answer["threshold"]["k_star"]["value"].is_number());
}

TEST_CASE("predict: the JSON has every field of the interface", "[cli][format]") {
  const json answer = json_of({"predict", data_path("curves_E.csv").string(), "--context", "100"});
  CHECK(answer["schema"] == "iclk-prediction 1");
  CHECK(answer["context"] == 100);
  CHECK(answer["beta0"] == 0.0);
  CHECK(answer["w0"] == 0.0);
  REQUIRE(answer["curves"].size() == 7);
  for (const char* key : {"source", "n_items", "seed", "i_measured", "i_infinity", "tail", "tail_fraction", "outcome",
                          "t_icl", "t_icl_iterations"}) {
    INFO(key);
    CHECK(answer["curves"][0].contains(key));
  }
  const auto is_estimate = [](const json& value) {
    return value.contains("value") && value.contains("low") && value.contains("high");
  };
  CHECK(is_estimate(answer["curves"][0]["i_infinity"]));
  CHECK(answer["curves"][0]["seed"].is_null());
  CHECK(answer["curves"][0]["t_icl_iterations"].is_null());
  CHECK(is_estimate(answer["memorization_law"]["nu"]));
  CHECK(is_estimate(answer["memorization_law"]["prefactor"]));
  CHECK(answer["memorization_law"]["n_curves"] == 7);
  CHECK_THAT(answer["acquisition"]["x_exact"].get<double>(), WithinRel(273.6443397838436, 1e-12));
  CHECK_THAT(answer["acquisition"]["t_full_loss"].get<double>(), WithinRel(288.628, 1e-5));
  CHECK(is_estimate(answer["threshold"]["k_star"]));
  CHECK(is_estimate(answer["threshold"]["k_star_leading"]));
}

TEST_CASE("predict: the table says K and verdict and K* in words", "[cli]") {
  const ProgramRun run = run_program({"predict", data_path("curves_E.csv").string(), "--context", "100"});
  CHECK(run.status == 0);
  CHECK(run.err.empty());
  CHECK_THAT(run.out, ContainsSubstring("memorizes first") && ContainsSubstring("learns in context") &&
                          ContainsSubstring("nu = 0.7") && ContainsSubstring("K* = "));
}

TEST_CASE("predict: CSV has a row per curve", "[cli][format]") {
  const TemporaryFolder folder;
  REQUIRE(run_program({"predict", data_path("curves_E.csv").string(), "--context", "100", "--csv", folder / "a.csv"})
              .status == 0);
  const Table table(folder / "a.csv");
  REQUIRE(table.rows() == 7);
  CHECK(table.text(0, "n_items") == "250");
  CHECK(table.text(0, "outcome") == "memorized_first");
  CHECK(table.text(0, "t_icl").empty());
  CHECK(table.number(6, "i_infinity_low") <= table.number(6, "i_infinity"));
}

TEST_CASE("predict: start and context change the answer", "[cli]") {
  const auto k_star = [](const std::vector<std::string>& extra) {
    std::vector<std::string> arguments{"predict", data_path("curves_E.csv").string()};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    return json_of(arguments)["threshold"]["k_star"]["value"].get<double>();
  };
  const double base = k_star({"--context", "100"});
  CHECK(k_star({"--context", "200"}) > base);
  CHECK(k_star({"--context", "100", "--beta0", "0.25"}) < base);
  CHECK(k_star({"--context", "100", "--w0", "0.25"}) < base);
}

TEST_CASE("predict: one K has no law and no threshold but a verdict", "[cli]") {
  const std::string file = data_path("pytorch/mlp_K2000_s0.csv").string();
  const json answer = json_of({"predict", file, "--items", "2000", "--lr", "0.01", "--context", "100"}, 1);
  CHECK(answer["outcome"] == "too_few");
  CHECK(answer["memorization_law"]["nu"]["value"].is_null());
  CHECK(answer["memorization_law"]["n_curves"] == 0);
  CHECK(answer["threshold"]["k_star"]["value"].is_null());
  CHECK(answer["curves"][0]["outcome"] == "acquired");
  CHECK_THAT(answer["curves"][0]["t_icl_iterations"].get<double>(),
             WithinRel(answer["curves"][0]["t_icl"].get<double>() / 0.01, 1e-12));
  const ProgramRun run = run_program({"predict", file, "--items", "2000", "--lr", "0.01", "--context", "100"});
  CHECK(run.status == 1);
  CHECK_THAT(run.out, ContainsSubstring("no K*: fewer than two different K"));
}

TEST_CASE("predict: a threshold outside the curves says on which side", "[cli]") {
  const std::string file = data_path("curves_E.csv").string();
  CHECK(json_of({"predict", file, "--context", "5"}, 1)["outcome"] == "all_acquire");
  CHECK(json_of({"predict", file, "--context", "100000"}, 1)["outcome"] == "none_acquires");
}

TEST_CASE("predict: without c2 the closure is used and said", "[cli]") {
  const TemporaryFolder folder;
  std::string text = "K,t,c1\n";
  for (const int n_items : {500, 5000}) {
    for (int i = 0; i <= 100; ++i) {
      const double time = 2.0 * std::pow(n_items, 0.7) * 0.2 * i;
      text += std::to_string(n_items) + ',' + number_text(time) + ',' + number_text(0.5 * std::exp(-0.2 * i)) + '\n';
    }
  }
  const auto file = folder.write("curves.csv", text);
  const json answer = json_of({"predict", file.string(), "--context", "100"});
  CHECK(answer["curves"][0]["c2_is_closure"] == true);
  REQUIRE_FALSE(answer["warnings"].empty());
  CHECK_THAT(run_program({"predict", file.string(), "--context", "100"}).out,
             ContainsSubstring("warning: no c2 in 2 of 2 curves: the closure c2 = 1 - c1 is used"));
}

TEST_CASE("predict: 24 curves in under 50 ms", "[cli][.timed]") {
  const TemporaryFolder folder;
  std::vector<std::string> arguments{"predict"};
  for (int n_items = 500; n_items <= 64000; n_items *= 2) {
    for (int seed = 0; seed < 3; ++seed) {
      std::string text = "# seed: " + std::to_string(seed) + "\nt,c1,c2\n";
      for (int i = 0; i <= 200; ++i) {
        const double u = std::pow(10.0, 0.02 * i) - 1.0;
        const double c1 = 0.5 * std::pow(1.0 + u, -1.5) * (1.0 + 0.01 * seed * u / (1.0 + u));
        text += number_text(std::pow(n_items, 0.7) * u) + ',' + number_text(c1) + ',' + number_text(1.0 - c1) + '\n';
      }
      const std::string name = std::to_string(n_items) + "_" + std::to_string(seed) + ".csv";
      arguments.push_back(folder.write(name, "# n_items: " + std::to_string(n_items) + "\n" + text).string());
    }
  }
  REQUIRE(arguments.size() == 25);
  arguments.insert(arguments.end(), {"--context", "100"});
  // The best of five calls: the machine may be busy with something else.
  std::chrono::duration<double> seconds{1.0};
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    REQUIRE(run_program(arguments).status == 0);
    seconds = std::min<std::chrono::duration<double>>(seconds, std::chrono::steady_clock::now() - start);
  }
  CHECK(seconds.count() < 0.05);
}

TEST_CASE("predict: the threshold at finite N adds what the full loss needs", "[cli][eq21]") {
  const json answer = json_of({"predict", data_path("curves_E.csv").string(), "--context", "100"});
  // t_att of exact_flow_acquisition.csv for zero logits, N = 100, and X_exact: the laws of curves_E give K* from
  // either.
  const double excess = answer["threshold"]["finite_n_excess"];
  CHECK_THAT(excess, WithinRel(answer["acquisition"]["t_full_loss"].get<double>() -
                                   answer["acquisition"]["x_exact"].get<double>(),
                               1e-12));
  CHECK_THAT(excess, WithinAbs(288.628 - 273.644, 2e-3));
  const double required = 273.6443397838436 + excess;
  CHECK(agrees(answer["threshold"]["k_star_full_loss"], std::pow(required / 2.0, 1 / 0.7), 1e-2, 1.5));
  CHECK(answer["threshold"]["k_star_full_loss"]["value"] > answer["threshold"]["k_star"]["value"]);
}

TEST_CASE("predict: exponents between neighbouring K of a straight law are its exponent", "[cli]") {
  const json law = json_of({"predict", data_path("curves_E.csv").string(), "--context", "100"})["memorization_law"];
  REQUIRE(law["nu_local"].size() == 6);
  CHECK(law["nu_local"][0]["n_items_low"] == 250);
  CHECK(law["nu_local"][0]["n_items_high"] == 500);
  for (const json& local : law["nu_local"]) CHECK_THAT(local["nu"].get<double>(), WithinRel(0.7, 1e-6));
}

TEST_CASE("predict: bootstrap resamples the curves with their tails", "[cli]") {
  const std::string curves = data_path("curves_P15_common.csv").string();
  const auto law = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"predict", curves, "--context", "100"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const ProgramRun run = run_program([&] {
      auto with_json = arguments;
      with_json.insert(with_json.end(), {"--json", "-"});
      return with_json;
    }());
    return nlohmann::json::parse(run.out)["memorization_law"];
  };
  CHECK(law({})["bootstrap"].is_null());
  const auto boot = law({"--bootstrap", "100"})["bootstrap"];
  CHECK(boot["outcome"] == "resampled");
  CHECK(boot["n_resamples"] == 100);
  CHECK(boot["exponent"]["percentile"]["low"].is_number());
  CHECK(law({"--bootstrap", "100"})["bootstrap"] == boot);
  CHECK(law({"--bootstrap", "100", "--seed", "1"})["bootstrap"]["exponent"] != boot["exponent"]);
  CHECK(law({"--bootstrap", "100", "--resample", "levels"})["bootstrap"]["resample"] == "levels");
  const ProgramRun run = run_program({"predict", curves, "--context", "100", "--bootstrap", "100"});
  CHECK_THAT(run.out, ContainsSubstring("bootstrap of both, 100 resamples: nu = "));
}
