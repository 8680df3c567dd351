#include <filesystem>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

const std::string kPytorch = ICLK_TEST_DATA "/pytorch";

nlohmann::json claims_in(const std::filesystem::path& out) {
  return nlohmann::json::parse(read_file(out / "claims.json"));
}

}  // namespace

TEST_CASE("report: curves from elsewhere give page and claims", "[cli]") {
  const TemporaryFolder folder;
  const std::string out = (folder / "out").string();
  const auto json = json_of({"report", "--data", kPytorch, "--out", out, "--lr", "0.01"});
  CHECK(json["schema"] == "iclk-report 1");
  CHECK(json["short"] == true);
  REQUIRE(json["networks"].size() == 1);  // K = 500 and 2000, as the files are named
  CHECK(json["networks"][0]["nu"]["value"] > 0.4);
  CHECK(json["networks"][0]["k_star"]["value"] > 500);
  CHECK(json["n_claims_left_out"] > 10);
  CHECK(json == claims_in(folder / "out"));
  const std::string page = read_file(folder / "out/report.html");
  CHECK_THAT(page, ContainsSubstring("--lr 0.01"));
  for (const auto& claim : json["claims"]) {
    CHECK_THAT(page, ContainsSubstring("id=\"claim-" + std::to_string(claim["number"].get<int>()) + "\""));
    const std::string verdict = claim["verdict"];
    CHECK((verdict == "holds" || verdict == "fails" || verdict == "not tested"));
  }
  for (const auto& figure : json["figures"]) {
    INFO(figure.dump());
    CHECK(figure["drawn"] == figure["problem"].is_null());
    if (figure["drawn"]) CHECK(std::filesystem::exists(folder / ("out/" + figure["file"].get<std::string>())));
  }
}

TEST_CASE("report: every option changes the answer", "[cli]") {
  const TemporaryFolder folder;
  const auto answer = [&](const std::vector<std::string>& changes) {
    auto json = json_of(
        with_options({"report", "--data", kPytorch, "--out", (folder / "out").string(), "--lr", "0.01"}, changes));
    return std::pair(json["claims"], read_file(folder / "out/figures/phase.csv"));
  };
  const auto usual = answer({});
  CHECK(answer({"--jobs", "1"}) == usual);
  CHECK(answer({"--context", "50"}).first != usual.first);
  CHECK(answer({"--beta0", "0.2"}).first != usual.first);
  CHECK(answer({"--w0", "0.2"}).first != usual.first);
  CHECK(answer({"--beta0-sd", "0.5"}).second != usual.second);
  CHECK(answer({"--w0-sd", "0.5"}).second != usual.second);
  CHECK(answer({"--lr", "0.02"}).first != usual.first);
}

TEST_CASE("report: K of files that do not say it is taken from the command line", "[cli]") {
  const TemporaryFolder folder;
  folder.write("data/mine.csv", "time,c1\n0,0.5\n20,0.4\n60,0.2\n100,0.1\n200,0.02\n300,0.006\n");
  const auto network = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"report", "--data", (folder / "data").string(), "--out",
                                          (folder / "out").string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    (void)json_of(arguments);
    return read_file(folder / "out/report.html");
  };
  CHECK_THAT(network({}), ContainsSubstring("(not stated)"));
  CHECK_THAT(network({"--items", "700"}), ContainsSubstring("data-label=\"K\">700<"));
}

TEST_CASE("report: the table of claims is also CSV", "[cli]") {
  const TemporaryFolder folder;
  const ProgramRun run = run_program(
      {"report", "--data", kPytorch, "--out", (folder / "out").string(), "--lr", "0.01", "--csv", "-", "--quiet"});
  CHECK(run.status == 0);
  CHECK_THAT(run.out, StartsWith("number,id,origin,reference,scope,"));
  const auto n_lines = static_cast<std::size_t>(std::count(run.out.begin(), run.out.end(), '\n'));
  CHECK(n_lines == claims_in(folder / "out")["claims"].size() + 1);
}

TEST_CASE("report: malformed files are warned of and nothing readable is an error", "[cli][errors]") {
  const TemporaryFolder folder;
  std::filesystem::copy(kPytorch, folder / "data", std::filesystem::copy_options::recursive);
  folder.write("data/broken.csv", "step,c1,K\n0,0.5,10\n5,abc,10\n");
  const std::string out = (folder / "out").string();
  const ProgramRun run = run_program({"report", "--data", (folder / "data").string(), "--out", out, "--lr", "0.01"});
  CHECK(run.status == 0);
  CHECK_THAT(run.out, ContainsSubstring("warning: ") && ContainsSubstring("broken.csv:3: c1"));
  CHECK(claims_in(folder / "out")["problems"].size() == 1);

  const auto refused = [&](const std::vector<std::string>& arguments) {
    const ProgramRun failed = run_program(arguments);
    CHECK(failed.status == 2);
    CHECK(failed.out.empty());
    return failed.err;
  };
  folder.write("empty/readme.txt", "x");
  CHECK_THAT(refused({"report", "--data", (folder / "empty").string(), "--out", out}),
             ContainsSubstring("holds no results"));
  folder.write("bad/a.csv", "step,c1,K\n0,0.5,10\n5,abc,10\n");
  CHECK_THAT(refused({"report", "--data", (folder / "bad").string(), "--out", out}),
             ContainsSubstring("nothing could be read.") && ContainsSubstring("a.csv:"));
  CHECK_THAT(refused({"report", "--out", out}), StartsWith("--data: is required"));
  CHECK_THAT(refused({"report", "--data", kPytorch}), StartsWith("--out: is required"));
  CHECK_THAT(refused({"report", "--data", (folder / "absent").string(), "--out", out}),
             ContainsSubstring("no such folder"));
  folder.write("file", "x");
  CHECK_THAT(refused({"report", "--data", kPytorch, "--lr", "0.01", "--out", (folder / "file").string()}),
             StartsWith("--out: cannot make the folder"));
  CHECK_THAT(refused({"report", "--data", kPytorch, "--out", out, "--context", "1"}), StartsWith("--context: "));
  CHECK_THAT(refused({"report", "--data", kPytorch, "--out", out, "--jobs", "2000"}), StartsWith("--jobs: "));
}
