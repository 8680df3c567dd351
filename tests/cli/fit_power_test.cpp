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
