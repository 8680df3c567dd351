#include <signal.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

/// A network that trains in milliseconds.
std::vector<std::string> small_training(const std::string& out, const std::vector<std::string>& extra = {}) {
  return with_options({"train", "--items", "20", "--out", out, "--dim", "8", "--hidden", "16", "--batch", "4", "--lr",
                       "0.1", "--iterations", "200", "--stop-c1", "0"},
                      extra);
}

std::string error_of(const std::vector<std::string>& extra) {
  const TemporaryFolder folder;
  const ProgramRun run = run_program(small_training(folder / "runs", extra));
  CHECK(run.status == 2);
  CHECK_FALSE(std::filesystem::exists(folder / "runs"));
  return run.err;
}

}  // namespace

TEST_CASE("train: writes a curve per K and seed that predict reads", "[cli]") {
  const TemporaryFolder folder;
  const auto json = json_of(small_training(folder / "runs", {"--items", "20,40", "--seeds", "0:2"}));
  CHECK(json["schema"] == "iclk-training 1");
  CHECK(json["outcome"] == "finished");
  CHECK(json["settings"]["hidden"] == "16");
  REQUIRE(json["runs"].size() == 4);
  std::vector<std::string> files;
  for (const std::string name : {"k20_s0", "k20_s1", "k40_s0", "k40_s1"}) {
    files.push_back(folder / ("runs/" + name + ".curves.csv"));
    CHECK(std::filesystem::exists(files.back()));
  }
  CHECK(json["runs"][3]["file"] == files[3]);
  CHECK(json["runs"][3]["iterations"] == 200);
  std::vector<std::string> predict{"predict", "--context", "4"};
  predict.insert(predict.end(), files.begin(), files.end());
  const ProgramRun run = run_program(predict);
  INFO(run.err);
  CHECK(run.status != 2);
}

TEST_CASE("train: a second call keeps what is there", "[cli]") {
  const TemporaryFolder folder;
  const auto arguments = small_training(folder / "runs");
  json_of(arguments);
  const std::string first = read_file(folder / "runs/k20_s0.curves.csv");
  CHECK(json_of(arguments)["runs"][0]["status"] == "kept");
  CHECK(read_file(folder / "runs/k20_s0.curves.csv") == first);
  const ProgramRun other = run_program(small_training(folder / "runs", {"--lr", "0.2"}));
  CHECK(other.status == 2);
  CHECK(read_file(folder / "runs/k20_s0.curves.csv") == first);
}

TEST_CASE("train: steps too small for float32 are reported", "[cli]") {
  const TemporaryFolder folder;
  CHECK(json_of(small_training(folder / "usual"))["warnings"].empty());
  // c1 stays near 1/2, so that lr c1 is 1.4e-7, and 1.6e-7.
  const auto small_steps = [&](const std::string& out) {
    return small_training(folder / out, {"--lr", "2.8e-7", "--seeds", "0:2"});
  };
  const auto warnings = json_of(small_steps("json"))["warnings"];
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0] ==
        "2 runs came to lr x c1 below 1.5e-07: float32 rounds such steps away and the end of the curve is wrong; take "
        "--precision float64 --backend eigen, or a larger --lr");
  CHECK_THAT(run_program(small_steps("table")).out, ContainsSubstring("\nwarning: 2 runs came to lr x c1 below"));
  CHECK(json_of(small_training(folder / "above", {"--lr", "3.4e-7"}))["warnings"].empty());
  const auto exact =
      small_training(folder / "float64", {"--lr", "2.8e-7", "--precision", "float64", "--backend", "eigen"});
  CHECK(json_of(exact)["warnings"].empty());
}

TEST_CASE("train: every option changes the curve", "[cli]") {
  const TemporaryFolder folder;
  const auto curve_of = [&](const std::vector<std::string>& extra) {
    const auto out = folder / "runs";
    std::filesystem::remove_all(out);
    const auto json = json_of(small_training(out, extra));
    return Table(std::filesystem::path(json["runs"][0]["file"].get<std::string>())).numbers("c1");
  };
  const std::vector<double> base = curve_of({});
  CHECK(curve_of({}) == base);
  CHECK(curve_of({"--jobs", "2"}) == base);
  const std::vector<std::vector<std::string>> changes{{"--items", "22"},
                                                      {"--seeds", "5"},
                                                      {"--iterations", "100"},
                                                      {"--dim", "9"},
                                                      {"--hidden", "17"},
                                                      {"--batch", "5"},
                                                      {"--lr", "0.11"},
                                                      {"--weight-decay", "0.1"},
                                                      {"--input", "token"},
                                                      {"--labels", "balanced"},
                                                      {"--sampling", "without-replacement"},
                                                      {"--points-per-decade", "4"},
                                                      {"--stop-c1", "0.49"}};
  for (const auto& change : changes) {
    INFO(change[0]);
    CHECK(curve_of(change) != base);
  }
  CHECK(curve_of({"--backend", "eigen", "--precision", "float64"}) != curve_of({"--backend", "eigen"}));
}

TEST_CASE("train: bad settings are named as options and nothing is written", "[cli][errors]") {
  CHECK(error_of({"--items", "1000000000000"}) ==
        "--items: expected a whole number from 2 to 10000000, got \"1000000000000\"\n");
  CHECK(error_of({"--items", "20,20"}) == "--items: 20 is listed twice\n");
  CHECK(error_of({"--seeds", "3:3"}) == "--seeds: the range \"3:3\" is empty; a:b means a, a+1, ..., b-1\n");
  CHECK(error_of({"--seeds", "0,,1"}) == "--seeds: expected a whole number, at least 0, got \"\"\n");
  CHECK(error_of({"--lr", "0"}) == "--lr: expected a positive number, got \"0\"\n");
  CHECK(error_of({"--stop-c1", "0.6"}) == "--stop-c1: expected a number from 0 to 0.5, got \"0.6\"\n");
  CHECK(error_of({"--backend", "eigan"}) ==
        "--backend: expected onednn|eigen|cuda, got \"eigan\"; did you mean \"eigen\"?\n");
  CHECK(error_of({"--precision", "tf32"}) ==
        "--precision: expected float32 with backend onednn (backend eigen offers float64), got tf32\n");
  CHECK(error_of({"--backend", "cuda", "--sampling", "without-replacement"}) ==
        "--sampling: expected with-replacement with backend cuda, got without-replacement\n");
  // Where there is neither a card nor the backend one line says so.
  const std::string cuda = json_of({"info"})["libraries"]["cuda"];
  if (cuda.starts_with("cuda ")) CHECK(error_of({"--backend", "cuda"}) == "--backend: " + cuda + "\n");
  CHECK_THAT(error_of({"--items", "21", "--labels", "balanced"}), StartsWith("--items: "));
  CHECK_THAT(error_of({"--precision", "float64"}), StartsWith("--precision: "));
  CHECK_THAT(error_of({"--weight-decay", "100"}), StartsWith("--weight-decay: "));
}

TEST_CASE("train: an output folder that cannot be made", "[cli][errors]") {
  const TemporaryFolder folder;
  const auto file = folder.write("file", "text");
  const ProgramRun run = run_program(small_training(file.string()));
  CHECK(run.status == 2);
  CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
}

TEST_CASE("train: a run that diverges has no answer", "[cli]") {
  const TemporaryFolder folder;
  const auto json = [&] {
    auto arguments = small_training(folder / "runs", {"--lr", "1e30", "--weight-decay", "0"});
    arguments.insert(arguments.end(), {"--json", "-"});
    const ProgramRun run = run_program(arguments);
    CHECK(run.status == 1);
    CHECK_THAT(run.err, StartsWith("not_finite: 1 of 1 runs diverged"));
    return nlohmann::json::parse(run.out);
  }();
  CHECK(json["outcome"] == "not_finite");
  CHECK_FALSE(std::filesystem::exists(folder / "runs/k20_s0.curves.csv"));
}

TEST_CASE("train: Ctrl-C stops cleanly and the same command resumes to the same bytes", "[cli]") {
  const TemporaryFolder folder;
  // Long enough (seconds) that the signal always finds it at work; resumed with the same settings.
  const auto arguments = [&](const std::string& out) {
    return small_training(out, {"--iterations", "60000", "--hidden", "64", "--batch", "32"});
  };
  REQUIRE(run_program(arguments(folder / "whole")).status == 0);
  {
    RunningProgram program(arguments(folder / "broken"), folder / "out", folder / "err");
    // The folder appears when the runs start; then let it do some steps.
    for (int i = 0; i < 200 && !std::filesystem::exists(folder / "broken"); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    program.send(SIGINT);
    CHECK(program.wait() == 130);
  }
  CHECK_THAT(read_file(folder / "err"), StartsWith("interrupted: 0 of 1 runs are finished in ") &&
                                            ContainsSubstring("the same command again resumes"));
  CHECK_FALSE(std::filesystem::exists(folder / "broken/k20_s0.curves.csv"));
  REQUIRE(run_program(arguments(folder / "broken")).status == 0);
  CHECK(read_file(folder / "broken/k20_s0.curves.csv") == read_file(folder / "whole/k20_s0.curves.csv"));
}
