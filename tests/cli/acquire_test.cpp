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

TEST_CASE("acquire: 100 000 rows in under a second", "[cli][.slow]") {
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
