#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "npy_bytes.hpp"
#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

std::string lists() { return data_path("logit_lists.json").string(); }

nlohmann::json flow(std::vector<std::string> arguments, int status = 0) {
  arguments.insert(arguments.begin(), "flow");
  return json_of(std::move(arguments), status);
}

/// The error line of a call that must fail, without the folder of its files.
std::string error_of(std::vector<std::string> arguments, const std::string& folder = {}) {
  arguments.insert(arguments.begin(), "flow");
  const ProgramRun run = run_program(arguments);
  CHECK(run.status == 2);
  CHECK(run.out.empty());
  return !folder.empty() && run.err.starts_with(folder) ? run.err.substr(folder.size() + 1) : run.err;
}

}  // namespace

TEST_CASE("flow: the golden flows of the exact loss and of Eq. 5 through the program", "[cli][eq5][eq21]") {
  const Table golden = read_table("exact_flow_acquisition.csv");
  for (std::size_t row = 0; row < golden.rows(); ++row) {
    INFO("row " << row);
    const auto json = flow({"--model", golden.text(row, "flow") == "eq21" ? "binomial" : "gaussian", "--context",
                            golden.text(row, "N"), "--beta0", golden.text(row, "beta0"), "--w0", golden.text(row, "w0"),
                            "--logits", lists() + ":" + golden.text(row, "list")});
    CHECK(json["outcome"] == "acquired");
    CHECK(json["t_blow_up"].is_null());
    CHECK_THAT(json["t_attention_half"].get<double>(), WithinRel(golden.number(row, "t_att"), 1e-8));
    CHECK_THAT(json["t_half_loss"].get<double>(), WithinRel(golden.number(row, "t_half_loss"), 1e-8));
    CHECK_THAT(json["t_accuracy_95"].get<double>(), WithinRel(golden.number(row, "t_acc95"), 1e-8));
  }
}

TEST_CASE("flow: the golden flows under decay through --table", "[cli][eq7][eq8][format]") {
  const TemporaryFolder folder;
  const std::string csv = folder / "answers.csv";
  const auto golden_path = data_path("acq_regularised.csv");
  const ProgramRun run = run_program({"flow", "--model", "leading", "--table", golden_path.string(), "--csv", csv});
  INFO(run.err);
  REQUIRE(run.status == 0);
  const Table golden(golden_path);
  const Table answers{std::filesystem::path(csv)};
  REQUIRE(answers.rows() == golden.rows());
  std::vector<std::string> columns = golden.columns();
  columns.insert(columns.end(), {"outcome", "t_blow_up", "t_attention_half", "t_ln_n", "t_half_loss", "t_accuracy_95",
                                 "t_w_max", "t_attention_lost", "t_fade", "w_max", "t_end", "w_end", "beta_end"});
  REQUIRE(answers.columns() == columns);
  for (std::size_t row = 0; row < golden.rows(); ++row) {
    INFO("row " << row);
    if (golden.number(row, "acquired") > 0.5) {
      CHECK(answers.text(row, "outcome") == "blow_up");
      CHECK_THAT(answers.number(row, "t_blow_up"), WithinRel(golden.number(row, "t_blow"), 1e-8));
    } else {
      CHECK(answers.text(row, "outcome") == "settled");
      CHECK(answers.text(row, "t_blow_up").empty());
      CHECK_THAT(answers.number(row, "w_end"), WithinRel(golden.number(row, "w_trap"), 1e-8));
      CHECK_THAT(answers.number(row, "beta_end"), WithinRel(golden.number(row, "beta_trap"), 1e-8));
    }
  }
}

TEST_CASE("flow: a memorizing MLP in the closed loop is acquired and fades", "[cli][eq21]") {
  // c1 = exp(-t/1000)/2 of closed_loop_full.csv, row 0, as a curve of 2000 samples; beyond it, where c1 < 1e-7, nothing
  // matters for t_fade any more.
  const TemporaryFolder folder;
  std::string text = "time,c1\n";
  for (int i = 0; i <= 2000; ++i) {
    text += std::to_string(8.0 * i) + "," + std::to_string(0.5 * std::exp(-8e-3 * i)) + "\n";
    if (0.5 * std::exp(-8e-3 * i) < 2e-4) break;
  }
  const auto curve = folder.write("curve.csv", text).string();
  const std::vector<std::string> base{"--context", "50", "--curve", curve, "--lambda-w", "1e-3"};
  auto closed = base;
  closed.emplace_back("--closed-loop");
  const auto json = flow(closed);
  CHECK(json["outcome"] == "faded");
  // Six decimals of c1 and cubic interpolation: three digits of the fading, which takes c1 down to 2e-3.
  CHECK_THAT(json["t_attention_half"].get<double>(), WithinRel(167.35286840713121, 1e-5));
  CHECK_THAT(json["w_max"].get<double>(), WithinRel(5.1496616340353392, 1e-5));
  CHECK_THAT(json["t_fade"].get<double>(), WithinRel(114007.88628956762, 2e-4));
  // Without the loop the MLP goes on memorizing at full speed.
  CHECK(flow(base)["t_fade"].get<double>() < 7000.0);
}

TEST_CASE("flow: every option changes the answer", "[cli]") {
  const std::vector<std::string> base{"--context", "40"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return flow(std::move(more));
  };
  const double t = with({})["t_attention_half"];
  CHECK(flow({"--context", "41"})["t_attention_half"] > t);
  CHECK(with({"--beta0", "0.5"})["t_attention_half"] < t);
  CHECK(with({"--w0", "0.5"})["t_attention_half"] < t);
  CHECK(with({"--c1", "0.25"})["t_attention_half"] > 1.5 * t);
  CHECK(with({"--model", "gaussian"})["t_attention_half"] != t);
  CHECK(with({"--model", "gaussian-symmetric"})["t_attention_half"] != t);
  CHECK(with({"--model", "balanced-exact", "--beta0", "0.5"})["t_attention_half"] >
        with({"--beta0", "0.5"})["t_attention_half"]);
  CHECK(with({"--label-variance", "0.5"})["t_attention_half"] > t);
  CHECK(with({"--items", "40"})["t_attention_half"] < 0.6 * t);
  CHECK(with({"--items", "40", "--item-labels", "balanced"})["t_attention_half"] >
        1.15 * with({"--items", "40"})["t_attention_half"].get<double>());
  CHECK(with({"--dim", "20"})["t_attention_half"] != t);
  CHECK(with({"--lambda-w", "1e-2"})["t_attention_half"] > t);
  CHECK(with({"--lambda-beta", "1e-3"})["t_attention_half"] > t);
  CHECK(with({"--rel-tol", "1e-4"})["steps"] < with({})["steps"]);
  CHECK(with({"--tower"})["tower"]["binomial"] == t);
  CHECK_FALSE(with({}).contains("tower"));
  const auto leading = with({"--model", "leading"});
  CHECK(leading["t_blow_up"] > 0.0);
  CHECK(with({"--model", "leading", "--c2", "1"})["t_blow_up"] > leading["t_blow_up"]);
  CHECK(with({"--model", "balanced"})["outcome"] == "settled");  // it starts on the saddle

  const auto early = with({"--t-max", "50"});
  CHECK(early["outcome"] == "reached_t_max");
  CHECK(early["end"]["time"] == 50.0);
  CHECK(early["t_attention_half"].is_null());
  const auto late = with({"--t-max", "5000"});  // beyond the last marker
  CHECK(late["end"]["time"] == 5000.0);

  const auto at_times = with({"--times", "10,20.5,400"});
  REQUIRE(at_times["trajectory"].size() == 3);
  CHECK(at_times["trajectory"][1]["time"] == 20.5);
  CHECK(at_times["trajectory"][2]["attention"] > 0.9);
  CHECK(with({"--times", "0:10:11"})["trajectory"].size() == 11);
}

TEST_CASE("flow: trajectory as CSV and the tower as text", "[cli][format]") {
  const TemporaryFolder folder;
  const std::string csv = folder / "flow.csv";
  const ProgramRun run = run_program({"flow", "--context", "100", "--tower", "--times", "0:200:5", "--csv", csv});
  INFO(run.err);
  REQUIRE(run.status == 0);
  CHECK_THAT(run.out, ContainsSubstring("t_attention_half   288.6275"));
  CHECK_THAT(run.out, ContainsSubstring("exact         273.6443"));
  const Table table{std::filesystem::path(csv)};
  CHECK(table.columns() == std::vector<std::string>{"time", "mlp_time", "w", "beta", "attention"});
  REQUIRE(table.rows() == 5);
  CHECK(table.number(4, "time") == 200.0);
  CHECK(table.number(4, "mlp_time") == 200.0);
  CHECK_THAT(table.number(0, "attention"), WithinRel(0.01, 1e-15));
}

TEST_CASE("flow: logits from every kind of file", "[cli][format]") {
  const TemporaryFolder folder;
  const double expected =
      flow({"--context", "30", "--logits", lists() + ":Cw"})["t_attention_half"];  // -0.5, 0.3, 1.2, 6; 0.1 ... 0.4
  const auto same = [&](const std::string& name, const std::string& bytes) {
    const auto json = flow({"--context", "30", "--logits", folder.write(name, bytes).string()});
    CHECK_THAT(json["t_attention_half"].get<double>(), WithinRel(expected, 1e-12));
  };
  same("list.csv", "phi,weight\n-0.5,1\n0.3,2\n1.2,3\n6,4\n");
  same("list.json", R"({"phi": [-0.5, 0.3, 1.2, 6], "weights": [1, 2, 3, 4]})");
  same("list.npy", npy_bytes("(10,)", {-0.5, 0.3, 0.3, 1.2, 1.2, 1.2, 6, 6, 6, 6}));
  // A list at two times that are equal is one that stays.
  same("history.csv",
       "time,logit,weight\n0,-0.5,1\n0,0.3,2\n0,1.2,3\n0,6,4\n1e6,-0.5,1\n1e6,0.3,2\n1e6,1.2,3\n1e6,6,4\n");
  // One that memorizes delays acquisition.
  const auto grows = folder.write("grows.csv", "time,phi\n0,0\n10000,20\n").string();
  CHECK(flow({"--context", "30", "--logits", grows})["t_attention_half"] >
        flow({"--context", "30"})["t_attention_half"]);
}

TEST_CASE("flow: a curve that ends too early is no answer", "[cli]") {
  const TemporaryFolder folder;
  const auto curve = folder.write("curve.csv", "step,c1,c2\n0,0.5,0.5\n1000,0.49,0.5\n").string();
  const auto json = flow({"--context", "100", "--curve", curve, "--lr", "0.01"}, 1);
  CHECK(json["outcome"] == "curve_ended");
  CHECK(json["t_attention_half"].is_null());
  CHECK(json["end"]["time"] == 10.0);
  // The learning rate changes the time that the same steps stand for.
  const auto longer = flow({"--context", "100", "--curve", curve, "--lr", "1"});
  CHECK(longer["outcome"] == "acquired");
}

TEST_CASE("flow: bad input is refused", "[cli][errors]") {
  const TemporaryFolder folder;
  const std::string at = folder.path().string();
  const auto file = [&](const std::string& name, const std::string& text) { return folder.write(name, text).string(); };
  const auto logits = [&](const std::string& name, const std::string& text) {
    return error_of({"--context", "100", "--logits", file(name, text)}, at);
  };
  CHECK(error_of({}) == "--context: is required: the number of labelled exemplars in a context\n");
  CHECK(error_of({"--context", "1"}) == "--context: expected a whole number from 2 to 1000000, got \"1\"\n");
  CHECK(error_of({"--context", "100", "--c1", "1"}) == "--c1: expected a number in (0, 1), got \"1\"\n");
  CHECK(error_of({"--context", "100", "--c1", "0"}) == "--c1: expected a number in (0, 1), got \"0\"\n");
  CHECK(error_of({"--context", "100", "--c2", "2"}) == "--c2: expected a number from 0 to 1, got \"2\"\n");
  CHECK(error_of({"--context", "100", "--c1", "0.25", "--c2", "0.5"}) ==
        "--c2: the model binomial takes all logits as equal, which makes c2 = 1 - c1 = 0.75; give the logits "
        "(--logits), or --model leading\n");
  CHECK(error_of({"--context", "100", "--lambda-w", "-1"}) ==
        "--lambda-w: expected a number from 0 to 1e+06, got \"-1\"\n");
  CHECK(error_of({"--context", "100", "--lambda-beta", "-1"}) ==
        "--lambda-beta: expected a number from 0 to 1e+06, got \"-1\"\n");
  CHECK(error_of({"--context", "100", "--model", "leading", "--closed-loop"}) ==
        "closed_loop: the model leading does not contain it; gaussian, binomial and balanced-exact do\n");
  CHECK(error_of({"--context", "100", "--model", "balanced", "--label-variance", "0.5"}) ==
        "--label-variance: does not apply to the model balanced, whose contexts are all balanced\n");
  CHECK(error_of({"--context", "100", "--item-labels", "balanced"}) == "--item-labels: balanced needs --items\n");
  CHECK(error_of({"--context", "100", "--items", "50", "--item-labels", "balanced", "--model", "leading"}) ==
        "--item-labels: balanced does not apply to the model leading\n");
  CHECK(error_of({"--context", "100", "--lr", "0.1"}) == "--lr: belongs to --curve, which is missing\n");
  CHECK(error_of({"--context", "100", "--curve", "a", "--logits", "b"}) == "--logits: not together with --curve\n");
  CHECK(error_of({"--context", "100", "--c1", "0.4", "--logits", "b"}) == "--c1: not together with --logits\n");
  CHECK(error_of({"--context", "100", "--c2", "0.4", "--curve", "b"}) == "--c2: not together with --curve\n");
  CHECK(error_of({"--context", "100", "--tower", "--items", "50"}) ==
        "--tower: is for random labels, orthonormal items and one copy\n");
  CHECK(error_of({"--context", "100", "--tower", "--closed-loop"}) ==
        "closed_loop: the closed forms do not contain it\n");
  CHECK(error_of({"--context", "100", "--times", "3,2"}) == "--times: expected rising numbers, got 2 after 3\n");
  CHECK(error_of({"--context", "100", "--times", "1:2"}) == "--times: expected LO:HI:N, got \"1:2\"\n");
  CHECK(error_of({"--context", "100", "--times", "2:1:5"}) ==
        "--times: the range \"2:1:5\" is empty; LO:HI:N needs LO < HI\n");
  CHECK(error_of({"--context", "100", "--times", "1:2:1"}) ==
        "--times: expected a whole number from 2 to 1000000, got \"1\"\n");
  CHECK(error_of({"--context", "100", "--times", "-1"}) ==
        "--times: expected a number that is not negative, got \"-1\"\n");

  const auto two = file("two.csv", "K,time,c1\n10,0,0.5\n10,1,0.4\n20,0,0.5\n20,1,0.4\n");
  CHECK(error_of({"--context", "100", "--curve", two}, at) ==
        "two.csv: expected one curve, found 2; give a file with the one that you mean\n");
  CHECK(logits("no.csv", "a,b\n1,2\n") ==
        "no.csv:1: phi: expected a column phi (or logit, signed_logit), the logit times the label\n");
  CHECK(logits("weights.csv", "time,phi,weight\n0,0,1\n1,0,2\n") ==
        "weights.csv:3: weight: expected the weight 1 of this item at the first time, got \"2\"\n");
  CHECK(logits("uneven.csv", "time,phi\n0,0\n0,1\n1,0\n") ==
        "uneven.csv: logits: expected 2 logits at every time, list 1 has 1\n");
  CHECK(logits("falls.csv", "time,phi\n1,0\n0,1\n") == "falls.csv: times: expected rising times, got 0\n");
  CHECK(logits("one.csv", "time,phi\n1,0\n") == "one.csv: times: expected at least two times, got 1\n");
  CHECK(logits("two.npy", npy_bytes("(1, 2)", {0, 0})) ==
        "two.npy: expected one list of signed logits, an array of shape [items], got 2 dimensions; iclk measure turns "
        "the logits of a whole run into a curve\n");
  CHECK(logits("not.json", "[1") == "not.json: expected a JSON object\n");
  CHECK(logits("empty.json", "{}") ==
        "empty.json: phi: expected {\"phi\": [...], \"weights\": [...]}, or FILE.json:NAME for a named list\n");
  CHECK(logits("list.json", "{\"phi\": []}") == "list.json: logits: expected at least one logit, got none\n");
  CHECK(logits("word.json", "{\"phi\": 3}") == "word.json: phi: expected a list of numbers\n");
  CHECK(logits("words.json", "{\"phi\": [1, \"a\"]}") ==
        "words.json: phi: expected a list of numbers, got \"a\" in it\n");
  CHECK(error_of({"--context", "100", "--logits", file("named.json", "{\"a\": {\"phi\": [1]}}") + ":b"}, at) ==
        "named.json: b: there is no list of this name\n");
  CHECK_THAT(error_of({"--context", "100", "--logits", at + "/missing.json"}, at),
             StartsWith("missing.json: cannot be read"));

  const auto table = file("points.csv", "N\n100\n");
  CHECK(error_of({"--table", table, "--tower"}) == "--tower: is for one point, not for --table\n");
  CHECK(error_of({"--table", table, "--times", "1"}) == "--times: is for one point, not for --table\n");
  CHECK(error_of({"--table", file("c1.csv", "N,c1\n100,0.4\n100,1\n")}, at) ==
        "c1.csv:3: c1: expected a number in (0, 1), got \"1\"\n");
}
