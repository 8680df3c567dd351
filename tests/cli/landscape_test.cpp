#include <string>
#include <vector>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

nlohmann::json landscape(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "landscape");
  return json_of(std::move(arguments));
}

std::string error_of(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "landscape");
  const ProgramRun run = run_program(arguments);
  CHECK(run.status == 2);
  CHECK(run.out.empty());
  return run.err;
}

}  // namespace

TEST_CASE("landscape: the golden grid of every loss through --table", "[cli][eq5][eq6][eq9][eq21][format]") {
  const TemporaryFolder folder;
  const Table golden = read_table("loss_grid.csv");
  const std::string lists = data_path("logit_lists.json").string();
  for (const std::string list : {"zero", "A", "B", "Cw"}) {
    std::string points = "row,N,w,beta\n";
    for (std::size_t row = 0; row < golden.rows(); ++row) {
      if (golden.text(row, "list") != list) continue;
      points += std::to_string(row) + "," + golden.text(row, "N") + "," + golden.text(row, "w") + "," +
                golden.text(row, "beta") + "\n";
    }
    const std::string table = folder.write("points.csv", points).string();
    for (const auto& [model, column] :
         {std::pair{"binomial", "L_eq21"}, std::pair{"gaussian", "L_eq5"}, std::pair{"leading", "L_eq6"},
          std::pair{"balanced", "L_eq9"}, std::pair{"balanced-exact", "L_balanced_exact"},
          std::pair{"gaussian-symmetric", "L_sym_gauss"}}) {
      const std::string csv = folder / "answers.csv";
      const ProgramRun run =
          run_program({"landscape", "--model", model, "--table", table, "--logits", lists + ":" + list, "--csv", csv});
      INFO(run.err);
      REQUIRE(run.status == 0);
      const Table answers{std::filesystem::path(csv)};
      REQUIRE(answers.columns() ==
              std::vector<std::string>{"row", "N", "w", "beta", "loss", "dloss_dw", "dloss_dbeta"});
      REQUIRE(answers.rows() == 112);
      for (std::size_t i = 0; i < answers.rows(); ++i) {
        const auto row = static_cast<std::size_t>(answers.number(i, "row"));
        INFO(model << ", row " << row);
        const double expected = golden.number(row, column);
        CHECK_THAT(answers.number(i, "loss"), WithinRel(expected, 1e-12) || WithinAbs(expected, 1e-14));
      }
    }
  }
}

TEST_CASE("landscape: a grid with its lowest point", "[cli][format]") {
  const TemporaryFolder folder;
  const std::string csv = folder / "grid.csv";
  const ProgramRun run =
      run_program({"landscape", "--context", "100", "--w", "0:6:4", "--beta", "0,2.5", "--csv", csv});
  INFO(run.err);
  REQUIRE(run.status == 0);
  CHECK_THAT(run.out, ContainsSubstring("lowest on this grid: 0.4491475 nats at w = 6"));
  const Table table{std::filesystem::path(csv)};
  REQUIRE(table.rows() == 8);
  CHECK(table.columns() == std::vector<std::string>{"w", "beta", "loss", "dloss_dw", "dloss_dbeta"});
  CHECK(table.number(3, "w") == 2.0);
  CHECK(table.number(3, "beta") == 2.5);
  CHECK_THAT(table.number(0, "loss"), WithinRel(0.69314718055994531, 1e-15));
  const auto json = landscape({"--context", "100", "--w", "0:6:4", "--beta", "0,2.5"});
  CHECK(json["schema"] == "iclk-landscape 1");
  CHECK(json["rows"].size() == 8);
  CHECK(json["rows"][3]["w"] == 2.0);
  CHECK(json["lowest"]["beta"] == 2.5);
  const ProgramRun large = run_program({"landscape", "--context", "10", "--w", "0:6:7", "--beta", "0:6:7"});
  CHECK_THAT(large.out, ContainsSubstring("  ... 9 more rows; --csv FILE writes all"));
}

TEST_CASE("landscape: every option changes the answer", "[cli]") {
  const TemporaryFolder folder;
  const auto loss = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"--w", "2", "--beta", "1"});
    return landscape(std::move(more))["rows"][0]["loss"].get<double>();
  };
  const double base = loss({"--context", "30"});
  CHECK(loss({"--context", "31"}) != base);
  CHECK(landscape({"--context", "30", "--w", "2.1", "--beta", "1"})["rows"][0]["loss"] != base);
  CHECK(landscape({"--context", "30", "--w", "2", "--beta", "1.1"})["rows"][0]["loss"] != base);
  std::vector<double> seen{base};
  for (const char* model : {"leading", "gaussian", "gaussian-symmetric", "balanced", "balanced-exact"}) {
    const double other = loss({"--context", "30", "--model", model});
    for (const double before : seen) CHECK(other != before);
    seen.push_back(other);
  }
  CHECK(loss({"--context", "30", "--label-variance", "0.5"}) != base);
  CHECK(loss({"--context", "30", "--items", "20"}) < base);
  CHECK(loss({"--context", "30", "--items", "20", "--item-labels", "balanced"}) >
        loss({"--context", "30", "--items", "20"}));
  CHECK(loss({"--context", "30", "--dim", "10"}) != base);
  CHECK(loss({"--context", "30", "--c1", "0.3"}) < base);
  CHECK(loss({"--context", "30", "--model", "leading", "--c2", "1"}) > loss({"--context", "30", "--model", "leading"}));
  const auto logits = folder.write("logits.csv", "phi\n-1\n1\n").string();
  CHECK(loss({"--context", "30", "--logits", logits}) != base);
  // Of the model alone: the same with c1 and the logit that has it.
  const auto one = folder.write("one.json", "{\"phi\": [0.8472978603872037]}").string();
  CHECK_THAT(loss({"--context", "30", "--logits", one}), WithinRel(loss({"--context", "30", "--c1", "0.3"}), 1e-14));
  CHECK_THAT(loss({"--context", "30", "--model", "leading", "--logits", one}),
             WithinRel(loss({"--context", "30", "--model", "leading", "--c1", "0.3", "--c2", "0.7"}), 1e-14));

  const auto table = folder.write("points.csv", "N\n30\n").string();
  const auto rows = landscape({"--table", table, "--w", "2", "--beta", "1"})["rows"];
  CHECK(rows[0]["loss"] == base);
}

TEST_CASE("landscape: bad input is refused", "[cli][errors]") {
  const TemporaryFolder folder;
  CHECK(error_of({"--w", "1", "--beta", "1"}) ==
        "--context: is required: the number of labelled exemplars in a context\n");
  CHECK(error_of({"--context", "9", "--beta", "1"}) == "--w: is required: LO:HI:N, a list, or one value\n");
  CHECK(error_of({"--context", "9", "--w", "1"}) == "--beta: is required: LO:HI:N, a list, or one value\n");
  CHECK(error_of({"--context", "9", "--w", "a", "--beta", "1"}) ==
        "--w: expected a number from -1000 to 1000, got \"a\"\n");
  CHECK(error_of({"--context", "9", "--w", "0:1:1001", "--beta", "0:1:1000"}) ==
        "--w: the grid has 1001000 points, at most 1000000 are allowed\n");
  CHECK(error_of({"--context", "9", "--w", "1", "--beta", "1", "--c1", "0.2", "--c2", "0.2"}) ==
        "--c2: the model binomial takes all logits as equal, which makes c2 = 1 - c1 = 0.8; give the logits "
        "(--logits), or --model leading\n");
  const auto logits = folder.write("l.csv", "phi\n0\n").string();
  CHECK(error_of({"--context", "9", "--w", "1", "--beta", "1", "--logits", logits, "--c1", "0.2"}) ==
        "--c1: not together with --logits\n");
  CHECK(error_of({"--context", "9", "--w", "1", "--beta", "1", "--logits", logits, "--c2", "0.2"}) ==
        "--c2: not together with --logits\n");
  const auto history = folder.write("h.csv", "time,phi\n0,0\n1,1\n").string();
  CHECK_THAT(error_of({"--context", "9", "--w", "1", "--beta", "1", "--logits", history}),
             EndsWith("h.csv: time: expected the logits at one time\n"));
  const auto table = folder.write("points.csv", "N\n30\n").string();
  CHECK(error_of({"--table", table, "--w", "1,2", "--beta", "1"}) ==
        "--w: expected one number beside --table, got \"1,2\"\n");
  CHECK(error_of({"--table", table, "--w", "1", "--beta", "0:1:2"}) ==
        "--beta: expected one number beside --table, got \"0:1:2\"\n");
}
