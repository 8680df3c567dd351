#include <filesystem>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

TEST_CASE("figure: theory alone needs no data and says what it wrote", "[cli]") {
  const TemporaryFolder folder;
  const auto json = json_of({"figure", "A.1b", "--out", (folder / "out").string(), "--beta0-sd", "0.5"});
  CHECK(json["figure"] == "figA1b");
  CHECK(json["data"].is_null());
  CHECK(json["beta0_sd"] == 0.5);
  CHECK(json["w0_sd"] == 0.0);
  for (const auto& file : json["files"]) CHECK(std::filesystem::exists(file.get<std::string>()));
  CHECK_THAT(read_file(folder / "out/figA1b.txt"), ContainsSubstring("sd 0.5 over seeds"));
}

TEST_CASE("figure: every start option changes the numbers", "[cli]") {
  const TemporaryFolder folder;
  const auto numbers = [&](const std::vector<std::string>& options) {
    std::vector<std::string> arguments = {"figure", "figA1b", "--out", (folder / "out").string(), "--quiet"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    CHECK(run_program(arguments).status == 0);
    return read_file(folder / "out/figA1b_lines.csv");
  };
  const std::string usual = numbers({});
  CHECK(numbers({}) == usual);
  for (const std::string option : {"--beta0", "--w0", "--beta0-sd", "--w0-sd"}) {
    CHECK(numbers({option, "0.2"}) != usual);
  }
  CHECK(numbers({"--context", "50"}) != usual);
}

TEST_CASE("figure: spreads below zero are refused", "[cli][errors]") {
  for (const std::string option : {"--beta0-sd", "--w0-sd"}) {
    const ProgramRun run = run_program({"figure", "phase", "--out", "x", option, "-0.1"});
    CHECK(run.status == 2);
    CHECK_THAT(run.err, StartsWith(option + ": expected a number from 0 to 300, got \"-0.1\""));
  }
}

TEST_CASE("figure: starts beyond every picture are refused or drawn without what does not exist", "[cli][errors]") {
  const TemporaryFolder folder;
  const auto drawn = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "figure");
    arguments.insert(arguments.end(), {"--out", (folder / "out").string()});
    return run_program(arguments);
  };
  const ProgramRun attended = drawn({"fig4", "--beta0", "8", "--w0", "5"});
  CHECK(attended.status == 2);
  CHECK(attended.err ==
        "beta0: expected a start from which half of the attention comes to the copy later, got beta0 = 8, w0 = 5\n");
  CHECK(drawn({"figA1a", "--w0", "-200"}).status == 0);
  CHECK_THAT(read_file(folder / "out/figA1a.csv"), !ContainsSubstring("inf") && !ContainsSubstring("nan"));
  CHECK(drawn({"figA1b", "--beta0-sd", "0", "--w0-sd", "0.5"}).status == 0);
  CHECK_THAT(read_file(folder / "out/figA1b.txt"), ContainsSubstring("of w0 0.5"));
}
