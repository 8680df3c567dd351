#include <algorithm>
#include <cmath>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;
using nlohmann::json;

namespace {

std::string error_of(const std::vector<std::string>& arguments) {
  const ProgramRun run = run_program(arguments);
  CHECK(run.status == 2);
  CHECK(run.out.empty());
  CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
  return run.err;
}

}  // namespace

TEST_CASE("loss-relation: the golden table through --table --csv", "[cli][eq16][eq46][eq47]") {
  const TemporaryFolder folder;
  const Table golden(data_path("icl_iwl_loss.csv"));
  std::string points = "w,xi\n";
  std::string losses = "l_icl\n";
  for (std::size_t row = 0; row < golden.rows(); ++row) {
    points += golden.text(row, "w") + ',' + golden.text(row, "xi") + '\n';
    losses += golden.text(row, "L_icl") + '\n';
  }
  const ProgramRun run =
      run_program({"loss-relation", "--table", folder.write("p.csv", points).string(), "--csv", folder / "a.csv"});
  INFO(run.err);
  REQUIRE(run.status == 0);
  const Table answers(folder / "a.csv");
  const json alone = json_of({"loss-relation", "--table", folder.write("l.csv", losses).string()})["rows"];
  REQUIRE(answers.rows() == golden.rows());
  for (std::size_t row = 0; row < golden.rows(); ++row) {
    INFO("row " << row);
    CHECK_THAT(answers.number(row, "l_icl"), WithinRel(golden.number(row, "L_icl"), 1e-12));
    CHECK_THAT(answers.number(row, "l_iwl"), WithinRel(golden.number(row, "L_iwl"), 1e-12));
    CHECK_THAT(answers.number(row, "l_iwl_eq16"), WithinRel(golden.number(row, "eq46_rhs"), 1e-12));
    CHECK_THAT(answers.number(row, "l_icl_eq16"), WithinRel(golden.number(row, "eq47_rhs"), 1e-12));
    CHECK(answers.number(row, "accuracy_icl") == golden.number(row, "acc_icl"));
    CHECK(answers.number(row, "accuracy_iwl") == golden.number(row, "acc_iwl"));
    // From L_ICL alone, with xi = 0.
    CHECK(alone[row]["xi"] == 0.0);
    CHECK_THAT(alone[row]["l_iwl"].get<double>(), WithinRel(golden.number(row, "L_iwl_if_xi0_from_L_icl"), 1e-12));
  }
}

TEST_CASE("loss-relation: every pair of the four gives the other two", "[cli][identity]") {
  const json truth = json_of({"loss-relation", "--w", "2", "--xi", "0.7"});
  CHECK(truth["schema"] == "iclk-loss-relation 1");
  CHECK(truth["w"] == 2.0);
  const auto text = [&](const char* name) { return truth[name].dump(); };
  const std::vector<std::vector<std::string>> pairs{{"--l-icl", text("l_icl"), "--xi", "0.7"},
                                                    {"--l-icl", text("l_icl"), "--w", "2"},
                                                    {"--l-iwl", text("l_iwl"), "--xi", "0.7"},
                                                    {"--l-iwl", text("l_iwl"), "--w", "2"},
                                                    {"--l-icl", text("l_icl"), "--l-iwl", text("l_iwl")}};
  for (std::vector<std::string> pair : pairs) {
    INFO(pair[0] << ' ' << pair[2]);
    pair.insert(pair.begin(), "loss-relation");
    const json answer = json_of(pair);
    CHECK(answer["outcome"] == "found");
    for (const char* name : {"l_icl", "l_iwl", "w", "xi"}) {
      CHECK_THAT(answer[name].get<double>(), WithinRel(truth[name].get<double>(), 1e-12));
    }
  }
  // There and back.
  const json there = json_of({"loss-relation", "--l-icl", "0.02"});
  CHECK(there["xi"] == 0.0);
  const json back = json_of({"loss-relation", "--l-iwl", there["l_iwl"].dump(), "--xi", "0"});
  CHECK_THAT(back["l_icl"].get<double>(), WithinRel(0.02, 1e-12));
  // L_IWL alone: w = 0, after ICL has faded.
  CHECK(json_of({"loss-relation", "--l-iwl", "0.02"})["w"] == 0.0);
}

TEST_CASE("loss-relation: curves over grids", "[cli][format]") {
  const json rows = json_of({"loss-relation", "--l-icl", "0.001:0.6:5", "--xi", "0,1"})["rows"];
  REQUIRE(rows.size() == 10);
  CHECK(rows[0]["l_icl"] == 0.001);
  CHECK(rows[9]["l_icl"] == 0.6);
  CHECK(rows[1]["xi"] == 1.0);
  CHECK_THAT(rows[2]["l_icl"].get<double>() / rows[0]["l_icl"].get<double>(), WithinRel(std::pow(600.0, 0.25), 1e-12));
  const ProgramRun csv = run_program({"loss-relation", "--l-icl", "0.1,0.2", "--csv", "-"});
  CHECK_THAT(csv.out, StartsWith("l_icl,l_iwl,w,xi,outcome,l_iwl_eq16,l_icl_eq16,accuracy_icl,accuracy_iwl\n0.1,"));
  CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == 3);
  const ProgramRun text = run_program({"loss-relation", "--l-icl", "0.001:0.6:60"});
  CHECK_THAT(text.out, ContainsSubstring("20 more rows"));
}

TEST_CASE("loss-relation: what no two-point model has is no answer", "[cli][limits]") {
  const json answer = json_of({"loss-relation", "--l-iwl", "0.01", "--xi", "0"}, 1);
  CHECK(answer["outcome"] == "no_two_point_model");
  CHECK(answer["w"].is_null());
  CHECK(answer["l_icl"].is_null());
  CHECK(json_of({"loss-relation", "--l-icl", "0.01", "--l-iwl", "0.01"}, 1)["outcome"] == "no_two_point_model");
  const ProgramRun run = run_program({"loss-relation", "--l-icl", "0.01", "--l-iwl", "0.01"});
  CHECK(run.status == 1);
  CHECK_THAT(run.out, StartsWith("No two-point model has these values"));
  // Some rows without an answer do not spoil the others.
  CHECK(json_of({"loss-relation", "--l-iwl", "0.01,2", "--xi", "0"})["rows"][1]["outcome"] == "found");
}

TEST_CASE("loss-relation: bad input is named", "[cli][errors]") {
  const std::string two =
      "iclk loss-relation: expected two of --l-icl, --l-iwl, --w and --xi, or one of the losses alone, got ";
  CHECK(error_of({"loss-relation"}) == two + "0\n");
  CHECK(error_of({"loss-relation", "--w", "1"}) == two + "1\n");
  CHECK(error_of({"loss-relation", "--w", "1", "--xi", "1", "--l-icl", "1"}) == two + "3\n");
  CHECK(error_of({"loss-relation", "--l-icl", "0"}) ==
        "--l-icl: expected a positive number of at most 1e6, got \"0\"\n");
  CHECK(error_of({"loss-relation", "--l-icl", "abc"}) ==
        "--l-icl: expected a positive number of at most 1e6, got \"abc\"\n");
  CHECK(error_of({"loss-relation", "--w", "1e7", "--xi", "0"}) ==
        "--w: expected a number from -1e+06 to 1e+06, got \"1e7\"\n");
  const TemporaryFolder folder;
  const auto table = folder.write("p.csv", "l_icl\n0.1\n-1\n");
  CHECK(error_of({"loss-relation", "--table", table.string()}) ==
        table.string() + ":3: l_icl: expected a positive number of at most 1e6, got \"-1\"\n");
  CHECK(error_of({"loss-relation", "--table", table.string(), "--l-icl", "1"}) ==
        "--l-icl: the table has a column l_icl too\n");
  const auto none = folder.write("q.csv", "a\n1\n");
  CHECK(error_of({"loss-relation", "--table", none.string()}) == two + "0\n");
}
