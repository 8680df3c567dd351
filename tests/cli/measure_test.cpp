#include <cmath>

#include "iclk/core/order_parameters.hpp"
#include "npy_bytes.hpp"
#include "program_run.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk::test;

namespace {

const std::vector<double> kLogits{0.0, 0.0, 0.0, 0.0, 1.0, -2.0, 3.0, -0.5};  // [2 steps, 4 items]
const std::vector<double> kLabels{1.0, -1.0, 1.0, 1.0};

/// The three arrays in a folder; each test spoils one of them.
struct Arrays {
  TemporaryFolder folder;
  std::filesystem::path logits = folder.write("logits.npy", npy_bytes("(2, 4)", kLogits));
  std::filesystem::path labels = folder.write("labels.npy", npy_bytes("(4,)", kLabels));
  std::filesystem::path iterations = folder.write("steps.npy", npy_bytes("(2,)", {0.0, 100.0}));

  std::vector<std::string> arguments() const {
    return {"measure",           "--logits", logits.string(), "--labels", labels.string(),   "--iterations",
            iterations.string(), "--lr",     "0.01",          "--out",    folder / "out.csv"};
  }

  std::string error() const {
    const ProgramRun run = run_program(arguments());
    CHECK(run.status == 2);
    CHECK_FALSE(std::filesystem::exists(folder / "out.csv"));
    return run.err.substr(folder.path().string().size() + 1);
  }
};

}  // namespace

TEST_CASE("measure: order parameters of each row go into a curve file", "[cli][eq29][eq30]") {
  const Arrays arrays;
  const auto json = [&] {
    auto arguments = arrays.arguments();
    arguments.insert(arguments.end(), {"--seed", "7"});
    return json_of(arguments);
  }();
  CHECK(json["schema"] == "iclk-measurement 1");
  CHECK(json["n_items"] == 4);
  const std::vector<double> signed_logits{1.0, 2.0, 3.0, -0.5};
  const iclk::OrderParameters expected = iclk::order_parameters(signed_logits);
  CHECK(json["last"]["c1"] == expected.c1);
  CHECK(json["last"]["c2"] == expected.c2);
  CHECK(json["first"]["c1"] == 0.5);
  const std::string file = read_file(arrays.folder / "out.csv");
  CHECK_THAT(file, StartsWith("# iclk-curves 1\n") && ContainsSubstring("# n_items: 4\n") &&
                       ContainsSubstring("# seed: 7\n") && ContainsSubstring("# lr: 0.01\n") &&
                       ContainsSubstring("iteration,time,c1,c2,c3,loss,accuracy\n"));
  const auto prediction = json_of({"predict", arrays.folder / "out.csv", "--context", "100"}, 1);
  CHECK(prediction["curves"][0]["n_items"] == 4);
  CHECK(prediction["curves"][0]["seed"] == 7);
}

TEST_CASE("measure: labels 0 and 1 mean the same as -1 and 1", "[cli]") {
  const Arrays arrays;
  REQUIRE(run_program(arrays.arguments()).status == 0);
  const Table with_minus(arrays.folder / "out.csv");
  arrays.folder.write("labels.npy", npy_bytes("(4,)", {1.0, 0.0, 1.0, 1.0}));
  REQUIRE(run_program(arrays.arguments()).status == 0);
  CHECK(Table(arrays.folder / "out.csv").numbers("c1") == with_minus.numbers("c1"));
}

TEST_CASE("measure: labels of one class are accepted with a warning", "[cli]") {
  const Arrays arrays;
  arrays.folder.write("labels.npy", npy_bytes("(4,)", {1.0, 1.0, 1.0, 1.0}));
  const ProgramRun run = run_program(arrays.arguments());
  CHECK(run.status == 0);
  CHECK_THAT(run.out, ContainsSubstring("warning: all labels are of one class"));
}

TEST_CASE("measure: the learning rate sets the time", "[cli]") {
  const Arrays arrays;
  auto arguments = arrays.arguments();
  CHECK(json_of(arguments)["last"]["time"] == 1.0);
  *std::find(arguments.begin(), arguments.end(), "0.01") = "0.1";
  CHECK(json_of(arguments)["last"]["time"] == 10.0);
}

TEST_CASE("measure: arrays that do not fit together are refused", "[cli][errors]") {
  const Arrays arrays;
  SECTION("items") {
    arrays.folder.write("labels.npy", npy_bytes("(3,)", {1.0, -1.0, 1.0}));
    CHECK(arrays.error() == "logits.npy: expected 3 items as in --labels, got shape [2, 4]\n");
  }
  SECTION("steps") {
    arrays.folder.write("steps.npy", npy_bytes("(3,)", {0.0, 1.0, 2.0}));
    CHECK(arrays.error() == "steps.npy: expected 2 SGD steps, one per row of --logits, got 3\n");
  }
  SECTION("a list of logits") {
    arrays.folder.write("logits.npy", npy_bytes("(8,)", kLogits));
    CHECK(arrays.error() == "logits.npy: expected logits of shape [steps, items], got shape [8]\n");
  }
  SECTION("a matrix of labels") {
    arrays.folder.write("labels.npy", npy_bytes("(2, 2)", kLabels));
    CHECK(arrays.error() == "labels.npy: expected labels of shape [items], got shape [2, 2]\n");
  }
  SECTION("one step") {
    arrays.folder.write("logits.npy", npy_bytes("(1, 4)", {0.0, 0.0, 0.0, 0.0}));
    CHECK(arrays.error() == "logits.npy: expected at least two rows (SGD steps), got shape [1, 4]\n");
  }
}

TEST_CASE("measure: bad values are named with their place", "[cli][errors]") {
  const Arrays arrays;
  SECTION("labels of other values") {
    arrays.folder.write("labels.npy", npy_bytes("(4,)", {1.0, -1.0, 2.0, 1.0}));
    CHECK(arrays.error() == "labels.npy: [2]: expected labels in {-1, 1} or {0, 1}, got 2 beside -1\n");
  }
  SECTION("three classes") {
    arrays.folder.write("labels.npy", npy_bytes("(4,)", {1.0, -1.0, 0.0, 1.0}));
    CHECK(arrays.error() == "labels.npy: [2]: expected labels in {-1, 1} or {0, 1}, got 0 beside -1\n");
  }
  SECTION("a logit that is not a number") {
    auto logits = kLogits;
    logits[6] = std::nan("");
    arrays.folder.write("logits.npy", npy_bytes("(2, 4)", logits));
    CHECK(arrays.error() == "logits.npy: [1, 2]: expected a finite logit, got nan\n");
  }
  SECTION("logits whose c3 overflows") {
    arrays.folder.write("logits.npy", npy_bytes("(2, 4)", {0.0, 0.0, 0.0, 0.0, -800.0, 0.0, 0.0, 0.0}));
    CHECK_THAT(arrays.error(), StartsWith("logits.npy: [1]: the logits are too large"));
  }
  SECTION("steps that fall") {
    arrays.folder.write("steps.npy", npy_bytes("(2,)", {5.0, 5.0}));
    CHECK(arrays.error() == "steps.npy: [1]: expected more than 5 of the row before, got 5\n");
  }
  SECTION("steps that are not whole") {
    arrays.folder.write("steps.npy", npy_bytes("(2,)", {0.0, 1.5}));
    CHECK(arrays.error() == "steps.npy: [1]: expected a whole number of SGD steps, got 1.5\n");
  }
}

TEST_CASE("measure: a truncated npy file and a text file are refused", "[cli][errors]") {
  const Arrays arrays;
  SECTION("truncated") {
    const std::string whole = npy_bytes("(2, 4)", kLogits);
    arrays.folder.write("logits.npy", whole.substr(0, whole.size() - 9));
  }
  SECTION("truncated in the header") { arrays.folder.write("logits.npy", npy_bytes("(2, 4)", kLogits).substr(0, 40)); }
  SECTION("text") { arrays.folder.write("logits.npy", "step,logit\n0,1\n"); }
  SECTION("a shape of 10^24 numbers") {
    arrays.folder.write("logits.npy", npy_bytes("(1000000000000, 1000000000000)", kLogits));
  }
  CHECK_THAT(arrays.error(), StartsWith("logits.npy: "));
}

TEST_CASE("measure: the output cannot be one of the inputs", "[cli][errors]") {
  const Arrays arrays;
  auto arguments = arrays.arguments();
  arguments.back() = arrays.labels.string();
  const ProgramRun run = run_program(arguments);
  CHECK(run.status == 2);
  CHECK_THAT(run.err, StartsWith("--out: ") && ContainsSubstring("is also an input"));
}
