#include <algorithm>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

struct BadCurve {
  const char* what;
  std::string contents;
  std::string error;  ///< after `curve.csv:`
};

const std::vector<BadCurve> kBadCurves{
    {"empty file", "", " "},
    {"header only", "t,c1\n", "1: "},
    {"no c1 column", "t,c2\n0,0.5\n1,0.4\n", "1: c1: "},
    {"no time column", "c1,c2\n0.5,0.5\n0.4,0.4\n", "1: time: "},
    {"text in a number", "t,c1\n0,0.5\n1,abc\n", "3: c1: "},
    {"text in a time", "t,c1\n0,0.5\nlater,0.4\n", "3: t: "},
    {"NaN", "t,c1\n0,0.5\n1,nan\n", "3: c1: "},
    {"infinity", "t,c1\n0,0.5\ninf,0.4\n", "3: t: "},
    {"c1 of zero", "t,c1\n0,0.5\n1,0\n", "3: c1: expected a number in (0, 1), got \"0\""},
    {"c1 of one", "t,c1\n0,1\n1,0.5\n", "2: c1: expected a number in (0, 1), got \"1\""},
    {"c1 above one", "t,c1\n0,0.5\n1,1.3\n", "3: c1: expected a number in (0, 1), got \"1.3\""},
    {"negative c1", "t,c1\n0,0.5\n1,-0.1\n", "3: c1: expected a number in (0, 1), got \"-0.1\""},
    {"time that goes back", "t,c1\n0,0.5\n2,0.4\n1,0.3\n", "4: t: "},
    {"time that repeats", "t,c1\n0,0.5\n2,0.4\n2,0.3\n", "4: t: "},
    {"one point only", "t,c1\n0,0.5\n", "2: "},
    {"iterations without a learning rate", "step,c1\n0,0.5\n1,0.4\n", "1: step: "},
    {"binary file",
     std::string("\x7f"
                 "ELF\x02\x01\x01\0\0\0\0",
                 11),
     " expected a text file"},
    {"a NumPy array", std::string("\x93NUMPY\x01\0", 8), " expected a text file, got a NumPy array"},
    {"missing field", "t,c1\n0,0.5\n1\n", "3: "},
    {"absurd K", "K,t,c1\n1000000000000,0,0.5\n1000000000000,1,0.4\n", " n_items: "},
    {"unknown version", "# iclk-curves 9\nt,c1\n0,0.5\n1,0.4\n", "1: "},
};

}  // namespace

TEST_CASE("bad input: every bad curve is one line and status 2 and nothing written", "[cli][errors]") {
  const TemporaryFolder folder;
  for (const BadCurve& bad : kBadCurves) {
    INFO(bad.what);
    const auto file = folder.write("curve.csv", bad.contents);
    const ProgramRun run = run_program(
        {"predict", file.string(), "--context", "100", "--json", folder / "out.json", "--csv", folder / "out.csv"});
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
    CHECK_THAT(run.err, StartsWith(file.string() + ":" + bad.error));
    CHECK_FALSE(std::filesystem::exists(folder / "out.json"));
    CHECK_FALSE(std::filesystem::exists(folder / "out.csv"));
  }
}

TEST_CASE("bad input: a missing file and a directory", "[cli][errors]") {
  const TemporaryFolder folder;
  const std::string missing = folder / "none.csv";
  CHECK(run_program({"predict", missing, "--context", "100"}).err ==
        missing + ": cannot read: No such file or directory\n");
  const ProgramRun run = run_program({"predict", folder.path().string(), "--context", "100"});
  CHECK(run.status == 2);
  CHECK(run.err == folder.path().string() + ": is a directory, expected a curve file; " +
                       std::string(folder / "*.curves.csv") + " names the curves in it\n");
}

TEST_CASE("bad input: duplicate curves", "[cli][errors]") {
  const TemporaryFolder folder;
  const std::string rows = "t,c1\n0,0.5\n1,0.4\n";
  SECTION("the same K and seed in two files") {
    const auto a = folder.write("a.csv", "# n_items: 500\n# seed: 1\n" + rows);
    const auto b = folder.write("b.csv", "# n_items: 500\n# seed: 1\nt,c1\n0,0.5\n1,0.3\n");
    const ProgramRun run = run_program({"predict", a.string(), b.string(), "--context", "100"});
    CHECK(run.status == 2);
    CHECK(run.err == b.string() + ": K = 500, seed 1 is given twice; it is also in " + a.string() + "\n");
  }
  SECTION("the same file twice") {
    const auto a = folder.write("a.csv", rows);
    const ProgramRun run = run_program({"predict", a.string(), a.string(), "--context", "100", "--items", "500"});
    CHECK(run.status == 2);
    CHECK_THAT(run.err, ContainsSubstring("is given twice"));
  }
  SECTION("the same K and seed again in one file") {
    const auto a = folder.write("a.csv", "K,t,c1\n500,0,0.5\n500,1,0.4\n900,0,0.5\n900,1,0.4\n500,2,0.3\n500,3,0.2\n");
    const ProgramRun run = run_program({"predict", a.string(), "--context", "100"});
    CHECK(run.status == 2);
    CHECK_THAT(run.err, StartsWith(a.string() + ":6: K: "));
  }
  SECTION("runs without a seed that differ are repeats of an experiment") {
    const auto a = folder.write("a.csv", rows);
    const auto b = folder.write("b.csv", "t,c1\n0,0.5\n1,0.3\n");
    CHECK(run_program({"predict", a.string(), b.string(), "--context", "100", "--items", "500"}).status == 1);
  }
}

TEST_CASE("bad input: mixed units without a learning rate", "[cli][errors]") {
  const TemporaryFolder folder;
  const auto time = folder.write("time.csv", "t,c1\n0,0.5\n1,0.4\n");
  const auto steps = folder.write("steps.csv", "step,c1\n0,0.5\n100,0.3\n");
  std::vector<std::string> arguments{"predict", time.string(), steps.string(), "--context",
                                     "100",     "--items",     "500,2000"};
  const ProgramRun run = run_program(arguments);
  CHECK(run.status == 2);
  CHECK_THAT(run.err, StartsWith(steps.string() + ":1: step: ") && ContainsSubstring("--lr"));
  arguments.insert(arguments.end(), {"--lr", "0.01"});
  CHECK(run_program(arguments).status != 2);
}

TEST_CASE("bad input: the number of --items must match the files", "[cli][errors]") {
  const TemporaryFolder folder;
  const auto file = folder.write("a.csv", "t,c1\n0,0.5\n1,0.4\n");
  const ProgramRun run = run_program({"predict", file.string(), "--context", "100", "--items", "500,600"});
  CHECK(run.status == 2);
  CHECK(run.err == "--items: expected one number for all files or one for each of the 1 files, got 2\n");
}

TEST_CASE("bad output: refused before any work", "[cli][errors]") {
  const TemporaryFolder folder;
  const std::string curves = data_path("curves_E.csv").string();
  const auto error_of = [&](const std::string& path) {
    const ProgramRun run = run_program({"predict", curves, "--context", "100", "--json", path});
    CHECK(run.status == 2);
    CHECK(run.out.empty());
    CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
    return run.err;
  };
  const std::string nowhere = folder / "none/out.json";
  CHECK(error_of(nowhere) ==
        "--json: cannot write \"" + nowhere + "\": there is no folder \"" + std::string(folder / "none") + "\"\n");
  CHECK(error_of(folder.path()) == "--json: \"" + folder.path().string() + "\" is a directory, expected a file\n");
  const auto copy = folder.write("curve.csv", "t,c1\n0,0.5\n1,0.4\n");
  const ProgramRun run = run_program({"predict", copy.string(), "--context", "100", "--csv", copy.string()});
  CHECK(run.status == 2);
  CHECK(run.err == "--csv: \"" + copy.string() + "\" is also an input; it would be overwritten\n");
}

TEST_CASE("bad output: a full disk", "[cli][errors]") {
  if (!std::filesystem::exists("/dev/full")) return;
  const std::string curves = data_path("curves_E.csv").string();
  const ProgramRun file = run_program({"predict", curves, "--context", "100", "--json", "/dev/full"});
  CHECK(file.status == 2);
  CHECK(file.out.empty());
  CHECK(file.err == "/dev/full: cannot write: No space left on device\n");
  for (const std::vector<std::string>& extra : {std::vector<std::string>{}, {"--json", "-"}, {"--csv", "-"}}) {
    std::vector<std::string> arguments{"predict", curves, "--context", "100"};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    const ProgramRun standard = run_program(arguments, "/dev/full");
    CHECK(standard.status == 2);
    CHECK(standard.err == "standard output: cannot write: No space left on device\n");
  }
  CHECK(std::filesystem::is_character_file("/dev/full"));
}
