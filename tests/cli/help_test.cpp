#include <algorithm>

#include "iclk/core/run_info.hpp"
#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

std::string error_of(const std::vector<std::string>& arguments) {
  const ProgramRun run = run_program(arguments);
  CHECK(run.status == 2);
  CHECK(run.out.empty());
  CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
  return run.err;
}

}  // namespace

TEST_CASE("help: docs/cli.md is what the program prints", "[cli]") {
  const ProgramRun run = run_program({"help-markdown"});
  REQUIRE(run.status == 0);
  CHECK(run.out == read_file(std::string(ICLK_DOCS) + "/cli.md"));
}

TEST_CASE("help: every verb explains itself with an example", "[cli]") {
  const ProgramRun top = run_program({"--help"});
  REQUIRE(top.status == 0);
  for (const std::string verb : {"train", "measure", "predict", "acquire", "flow", "landscape", "ensemble",
                                 "transience", "loss-relation", "simulate", "sweep run", "sweep status",
                                 "sweep collect", "fit acquisition", "fit power", "fit threshold", "figure", "info"}) {
    INFO(verb);
    CHECK_THAT(top.out, ContainsSubstring("  " + verb + " "));
    std::vector<std::string> words{verb};
    if (const auto blank = verb.find(' '); blank != std::string::npos) {
      words = {verb.substr(0, blank), verb.substr(blank + 1)};
    }
    words.emplace_back("--help");
    const ProgramRun run = run_program(words);
    CHECK(run.status == 0);
    CHECK_THAT(run.out, StartsWith("usage: iclk " + verb));
    CHECK_THAT(run.out, ContainsSubstring("example: ") && ContainsSubstring("--json FILE"));
  }
}

TEST_CASE("help: version", "[cli]") {
  const ProgramRun run = run_program({"--version"});
  CHECK(run.status == 0);
  CHECK(run.out == "iclk " + std::string(iclk::version()) + "\n");
}

TEST_CASE("usage: unknown verbs and options are named with a suggestion", "[cli][errors]") {
  CHECK(error_of({"predcit", "a.csv", "--context", "100"}) ==
        "predcit: unknown verb of iclk; did you mean \"predict\"?\n");
  CHECK(error_of({"xyzzy"}) == "xyzzy: unknown verb of iclk; iclk --help lists them\n");
  CHECK(error_of({"fit", "powr"}) == "powr: unknown verb of iclk fit; did you mean \"power\"?\n");
  CHECK_THAT(error_of({"fit"}), StartsWith("iclk fit: a verb is missing: acquisition, bimodality, power"));
  CHECK_THAT(error_of({}), StartsWith("iclk: a verb is missing: train, measure, predict"));
  CHECK(error_of({"acquire", "--contxt", "100"}) ==
        "--contxt: unknown option of iclk acquire; did you mean \"--context\"?\n");
  CHECK(error_of({"acquire", "--contxt=100"}) ==
        "--contxt: unknown option of iclk acquire; did you mean \"--context\"?\n");
  CHECK(error_of({"--versoin"}) == "--versoin: unknown option of iclk; did you mean \"--version\"?\n");
  CHECK(error_of({"acquire", "--context", "100", "extra.csv"}) ==
        "extra.csv: iclk acquire does not take this argument; iclk acquire --help explains its use\n");
}

TEST_CASE("usage: missing and repeated values are one line each", "[cli][errors]") {
  CHECK(error_of({"acquire", "--context"}) == "--context: a value is missing\n");
  CHECK(error_of({"acquire", "--context", "--beta0", "1"}) == "--context: a value is missing before \"--beta0\"\n");
  CHECK(error_of({"acquire", "--context", "100", "--context", "50"}) == "--context: given more than once\n");
  CHECK_THAT(error_of({"acquire"}), StartsWith("--context: is required"));
  CHECK_THAT(error_of({"predict", "a.csv"}), StartsWith("--context: is required"));
  CHECK_THAT(error_of({"predict", "--context", "100"}), StartsWith("CURVE: expected at least one"));
  CHECK_THAT(error_of({"measure"}), StartsWith("--logits: is required"));
  CHECK_THAT(error_of({"train", "--items", "100"}), StartsWith("--out: is required"));
  CHECK_THAT(error_of({"train", "--out", "x"}), StartsWith("--items: is required"));
  CHECK_THAT(error_of({"figure", "fig5", "--out", "x"}), StartsWith("--data: is required"));
  CHECK_THAT(error_of({"figure", "fig99", "--out", "x", "--data", "x"}), ContainsSubstring("fig5"));
}

TEST_CASE("usage: numbers out of their range name the option and the rule", "[cli][errors]") {
  const auto context = [](const std::string& text) { return error_of({"predict", "a.csv", "--context", text}); };
  for (const std::string text : {"0", "1", "-5", "1e99", "nan", "inf", "2.5", "ten", "", "1000000000000"}) {
    CHECK(context(text) == "--context: expected a whole number from 2 to 1000000, got \"" + text + "\"\n");
  }
  const auto predict = [](const std::string& option, const std::string& text) {
    return error_of({"predict", "a.csv", "--context", "100", option, text});
  };
  for (const std::string text : {"0", "-0.01", "nan", "inf", "fast"}) {
    CHECK(predict("--lr", text) == "--lr: expected a positive number, got \"" + text + "\"\n");
  }
  for (const std::string text : {"301", "-1e9", "nan", "-inf"}) {
    CHECK(predict("--beta0", text) == "--beta0: expected a number from -300 to 300, got \"" + text + "\"\n");
    CHECK(predict("--w0", text) == "--w0: expected a number from -300 to 300, got \"" + text + "\"\n");
  }
  CHECK(predict("--items", "1000000000000") ==
        "--items: expected a whole number from 2 to 1000000000, got \"1000000000000\"\n");
}

TEST_CASE("figure: the list names every figure", "[cli]") {
  const auto json = json_of({"figure", "list"});
  CHECK(json["schema"] == "iclk-figure 1");
  REQUIRE(json["figures"].size() >= 8);
  const auto of = [&](const std::string& id) {
    for (const auto& figure : json["figures"]) {
      if (figure["id"] == id) return figure;
    }
    return nlohmann::json();
  };
  CHECK(of("fig4")["needs"] == "nothing");
  CHECK(of("fig4")["command"].is_null());
  CHECK_THAT(of("fig5")["command"].get<std::string>(), StartsWith("iclk train"));
  CHECK_THAT(of("fig6a")["command"].get<std::string>(), StartsWith("iclk sweep run"));
  const std::string list = run_program({"figure", "list"}).out;
  CHECK_THAT(list, ContainsSubstring("fig5, figA2, figA3, phase:\n    iclk train --items"));
}

TEST_CASE("info: says what the program is made of and measures the machine", "[cli]") {
  const auto json = json_of({"info"});
  CHECK(json["schema"] == "iclk-info 1");
  CHECK(json["version"] == std::string(iclk::version()));
  CHECK(json["threads"] >= 1);
  CHECK(json["backends"].size() == 2);
  CHECK(json["measured"]["matrix_products_gflop_per_s"] > 0);
}

TEST_CASE("output: - takes standard output for itself", "[cli][format]") {
  const ProgramRun both = run_program({"acquire", "--context", "100", "--json", "-", "--csv", "-"});
  CHECK(both.status == 2);
  CHECK(both.err == "--csv: \"-\" is already the output of --json\n");
  const ProgramRun csv = run_program({"acquire", "--context", "100", "--csv", "-"});
  CHECK_THAT(csv.out, StartsWith("context,beta0,w0,c2,x_leading"));
  CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == 2);
}
