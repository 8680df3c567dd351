#include "iclk/core/curve_file.hpp"

#include <cmath>
#include <limits>

#include "message_of.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

const TemporaryFolder& folder() {
  static const TemporaryFolder instance;
  return instance;
}

std::vector<MeasuredCurve> read(const std::string& contents, const ForeignCurveOptions& options = {}) {
  return read_curves(folder().write("c.csv", contents), options);
}

/// The message without the path before it.
std::string error_of(const std::string& contents, const ForeignCurveOptions& options = {}) {
  const auto path = folder().write("c.csv", contents);
  const std::string message = message_of([&] { read_curves(path, options); });
  REQUIRE_THAT(message, StartsWith(path.string()));
  return message.substr(path.string().size());
}

RunInfo run_info() {
  RunInfo info;
  info.add("n_items", 500);
  info.add("dim", 63);
  info.add("lr", 0.01);
  info.add("seed", "18446744073709551615");
  info.add("note", "a: b # c");
  return info;
}

CurveSample sample(std::uint64_t iteration, double c1) {
  CurveSample result{iteration, 0.01 * static_cast<double>(iteration), {}};
  result.values.c1 = c1;
  result.values.c2 = 1.0 - c1;
  result.values.c3 = c1 / (1.0 - c1);
  result.values.loss = -std::log1p(-c1);
  result.values.accuracy = 0.75;
  return result;
}

const std::string kOwn =
    "# iclk-curves 1\n# n_items: 500\n# lr: 0.01\n# seed: 3\niteration,time,c1,c2,c3,loss,accuracy\n"
    "0,0,0.5,0.5,1,0.69,0.5\n100,1,0.25,0.75,0.3,0.29,1\n";

/// kOwn with the first `from` replaced.
std::string own(const std::string& from, const std::string& to) {
  std::string text = kOwn;
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_CASE("curve file: what is written is read back exactly", "[core][format][identity]") {
  const auto path = folder() / "own.curves.csv";
  std::vector<CurveSample> samples;
  for (std::uint64_t i = 0; i < 100; ++i)
    samples.push_back(sample(i * i * 7, 0.5 / (1.0 + 0.1 * static_cast<double>(i))));
  write_curves(path, run_info(), samples);

  const auto curves = read_curves(path);
  REQUIRE(curves.size() == 1);
  const MeasuredCurve& curve = curves[0];
  CHECK(curve.source == path.string());
  CHECK(curve.n_items == 500U);
  CHECK(curve.seed == 18446744073709551615U);
  CHECK(curve.lr == 0.01);
  CHECK(curve.info.entries == run_info().entries);
  CHECK_FALSE(curve.curves.c2_is_closure);
  REQUIRE(curve.curves.c3.has_value());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    CHECK(curve.curves.c1.times()[i] == samples[i].time);
    CHECK(curve.curves.c1.values()[i] == samples[i].values.c1);
    CHECK(curve.curves.c2.values()[i] == samples[i].values.c2);
    CHECK(curve.curves.c3->values()[i] == samples[i].values.c3);
  }
  const std::string first = read_file(path);
  write_curves(path, curve.info, samples);
  CHECK(read_file(path) == first);
}

TEST_CASE("curve file: the bytes of a file", "[core][format]") {
  const auto path = folder() / "bytes.csv";
  RunInfo info;
  info.add("n_items", 500);
  info.add("lr", 0.01);
  info.add("seed", 0);
  CurveSample start{0, 0.0, {}};
  start.values.loss = 0.25;
  CurveSample later = start;
  later.iteration = 100;
  later.time = 1.0;
  later.values.c3 = 1e-10;
  write_curves(path, info, {start, later});
  CHECK(read_file(path) ==
        "# iclk-curves 1\n# n_items: 500\n# lr: 0.01\n# seed: 0\niteration,time,c1,c2,c3,loss,accuracy\n"
        "0,0,0.5,0.5,1,0.25,0\n100,1,0.5,0.5,1e-10,0.25,0\n");
}

TEST_CASE("curve file: a writer refuses what a reader would", "[core][errors]") {
  const auto path = folder() / "refused.csv";
  const auto error = [&](const RunInfo& info, const std::vector<CurveSample>& samples) {
    const std::string message = message_of([&] { write_curves(path, info, samples); });
    CHECK_FALSE(std::filesystem::exists(path));
    REQUIRE_THAT(message, StartsWith(path.string() + ": "));
    return message.substr(path.string().size() + 2);
  };
  const auto with = [](const std::string& key, const std::string& value) {
    RunInfo info = run_info();
    for (auto& entry : info.entries) {
      if (entry.first == key) entry.second = value;
    }
    return info;
  };
  const auto bad = [](auto change) {
    CurveSample result = sample(100, 0.25);
    change(result);
    return std::vector<CurveSample>{sample(0, 0.5), result};
  };
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const RunInfo good = run_info();
  CHECK(error(good, bad([&](CurveSample& s) { s.values.c1 = nan; })) ==
        "c1: sample 1: expected a number in (0, 1), got nan");
  CHECK(error(good, bad([&](CurveSample& s) { s.values.c2 = 0.0; })) ==
        "c2: sample 1: expected a number in (0, 1], got 0");
  CHECK(error(good, bad([&](CurveSample& s) { s.values.c3 = inf; })) ==
        "c3: sample 1: expected a positive finite number, got inf");
  CHECK(error(good, bad([&](CurveSample& s) { s.values.loss = inf; })) ==
        "loss: sample 1: expected a finite number, not negative, got inf");
  CHECK(error(good, bad([&](CurveSample& s) { s.values.accuracy = 1.5; })) ==
        "accuracy: sample 1: expected a number in [0, 1], got 1.5");
  CHECK(error(good, bad([&](CurveSample& s) { s.time = 2.0; })) ==
        "time: sample 1: expected rising times lr * iteration, got 2 at iteration 100");
  CHECK(error(good, {sample(0, 0.5), sample(0, 0.5)}) ==
        "time: sample 1: expected rising times lr * iteration, got 0 at iteration 0");
  CHECK(error(with("lr", "0"), {}) == "lr: expected a positive number, got \"0\"");
  CHECK(error(with("seed", "-1"), {}) == "seed: expected a whole number, got \"-1\"");
  CHECK(error(with("n_items", "1"), {}) == "n_items: expected a whole number of items from 2 to 2^53, got \"1\"");
  CHECK(error(with("note", "two\nlines"), {}) == "note: expected a key and a value on one line, got \"two\\x0alines\"");
  CHECK(error(RunInfo{}, {}) == "n_items: expected a whole number of items from 2 to 2^53, got none");
  RunInfo twice = run_info();
  twice.add("lr", 0.02);
  CHECK(error(twice, {}) == "lr: expected each key once, got it again");
}

TEST_CASE("curve file: own files with CRLF - byte order mark - five columns", "[core][format]") {
  std::string crlf = "\xef\xbb\xbf";
  for (const char c : kOwn) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const auto curve = read(crlf).at(0);
  CHECK(curve.n_items == 500U);
  CHECK(curve.curves.c1.end_time() == 1.0);
  const auto short_one = read(
      "# iclk-curves 1\n# n_items: 5e2\n# lr: 0.01\n# seed: "
      "3\niteration,time,c1,c2,c3\n0,0,0.5,0.5,1\n100,1,0.25,1,0.3\n");
  CHECK(short_one.at(0).n_items == 500U);
  CHECK(short_one.at(0).curves.c2.values()[1] == 1.0);
}

TEST_CASE("curve file: own files are read strictly", "[core][format][errors]") {
  CHECK(error_of(own("curves 1", "curves 2")) == ":1: expected \"# iclk-curves 1\", got \"# iclk-curves 2\"");
  CHECK(error_of("# note\n" + kOwn) == ":2: expected the version line before every other line");
  CHECK(error_of(own("# lr: 0.01\n", "")) == ":4: lr: expected a line \"# lr: value\" above the header, got none");
  CHECK(error_of(own("# seed: 3\n", "")) == ":4: seed: expected a line \"# seed: value\" above the header, got none");
  CHECK(error_of(own("# n_items: 500\n", "")) ==
        ":4: n_items: expected a line \"# n_items: value\" above the header, got none");
  CHECK(error_of(own("# seed: 3", "# seed 3")) == ":4: expected \"# key: value\", got \"# seed 3\"");
  CHECK(error_of(own("# seed: 3", "# lr: 3")) == ":4: lr: expected each key once, got it again");
  CHECK(error_of(own("seed: 3", "seed: x")) == ":4: seed: expected a whole number, got \"x\"");
  CHECK(error_of(own("lr: 0.01", "lr: -1")) == ":3: lr: expected a positive number, got \"-1\"");
  CHECK(error_of(own("n_items: 500", "n_items: 1")) ==
        ":2: n_items: expected a whole number of items from 2 to 2^53, got \"1\"");
  CHECK(error_of(own("c3,loss", "c3,extra,loss")) == ":6: expected 8 fields as in the header, got 7");
  CHECK(
      error_of(own("c3,loss", "c3,extra")) ==
      ":5: expected the columns iteration,time,c1,c2,c3,loss,accuracy, got \"iteration,time,c1,c2,c3,extra,accuracy\"");
  CHECK(error_of(kOwn + "# lr: 0.02\n") == ":8: expected settings above the header, got \"lr: 0.02\"");
  CHECK(error_of(own("100,1,", "100.5,1,")) == ":7: iteration: expected a whole number of iterations, got \"100.5\"");
  CHECK(error_of(own("100,1,", "1e2,1,")) == ":7: iteration: expected a whole number of iterations, got \"1e2\"");
  CHECK(error_of(own("100,1,", "100,1.01,")) == ":7: time: expected lr * iteration = 1, got \"1.01\"");
  CHECK(error_of(own("100,1,", "0,0,")) == ":7: time: expected a time later than 0 of the row before, got \"0\"");
  CHECK(error_of(own("0.29,1", "-0.29,1")) == ":7: loss: expected a finite number, not negative, got \"-0.29\"");
  CHECK(error_of(own("0.29,1", "0.29,2")) == ":7: accuracy: expected a number in [0, 1], got \"2\"");
  CHECK(error_of(own("0.3,", "inf,")) == ":7: c3: expected a positive finite number, got \"inf\"");
  CHECK(error_of(own("0.75,", "nan,")) == ":7: c2: expected a number in (0, 1], got \"nan\"");
  CHECK(error_of(own("100,1,0.25,0.75,0.3,0.29,1\n", "")) == ":6: expected at least two points on a curve, got one");
  CHECK(error_of(kOwn + kOwn) == ":8: expected settings above the header, got \"iclk-curves 1\"");
}

TEST_CASE("curve file: CSV from elsewhere under its many names", "[core][format]") {
  for (const char* contents :
       {"t,c1\n0,0.5\n2,0.25\n", "TIME;C1\n0;0.5\n2;0.25\n", "T\tc1\tother\n0\t0.5\tx\n2\t0.25\ty\n",
        "# note\n\"time\" , \"c1\"\r\n0,0.5\r\n\r\n2,0.25\r\n", "t,c1\r0,0.5\r2,0.25\r",
        "\xef\xbb\xbft,c1\n0,0.5\n2,0.25", ",t,c1\n0,0,+0.5\n1,2.0,.25\n"}) {
    INFO(contents);
    const auto curves = read(contents);
    REQUIRE(curves.size() == 1);
    CHECK(curves[0].curves.c1.end_time() == 2.0);
    CHECK(curves[0].curves.c1.values()[1] == 0.25);
    CHECK(curves[0].curves.c2_is_closure);
    CHECK(curves[0].curves.c2.values()[1] == 0.75);
    CHECK_FALSE(curves[0].curves.c3.has_value());
    CHECK_FALSE(curves[0].n_items.has_value());
    CHECK_FALSE(curves[0].lr.has_value());
    CHECK(curves[0].info.entries.empty());
  }
}

TEST_CASE("curve file: iterations need a learning rate - time does not", "[core][format]") {
  const std::string steps = "step,c1\n0,0.5\n200,0.25\n";
  CHECK(error_of(steps) == ":1: step: the file gives iterations and no learning rate: expected --lr");
  const auto from_option = read(steps, {.lr = 0.01, .n_items = 500}).at(0);
  CHECK(from_option.curves.c1.end_time() == 2.0);
  CHECK(from_option.lr == 0.01);
  CHECK(from_option.n_items == 500U);
  const auto from_comment = read("# lr: 0.1\n# n_items: 300\n# seed: 4\n" + steps, {.lr = 0.01, .n_items = 500}).at(0);
  CHECK(from_comment.lr == 0.1);
  CHECK(from_comment.curves.c1.end_time() == 20.0);
  CHECK(from_comment.n_items == 300U);
  CHECK(from_comment.seed == 4U);
  CHECK(read("t,c1\n0,0.5\n2,0.25\n", {.lr = 0.01, .n_items = {}}).at(0).lr == 0.01);
  CHECK(error_of("# lr: fast\n" + steps) == ":1: lr: expected a positive number, got \"fast\"");
}

TEST_CASE("curve file: of time and iteration the time counts and must not contradict", "[core][format]") {
  const std::string both = "iteration,time,c1\n0,0,0.5\n100,1,0.4\n200,2,0.25\n";
  CHECK(read(both).at(0).curves.c1.end_time() == 2.0);
  CHECK_THAT(*read(both).at(0).lr, WithinRel(0.01, 1e-12));
  CHECK(error_of(both, {.lr = 0.02, .n_items = {}}) ==
        ":3: time: expected lr * iteration = 2 with lr = 0.02, got \"1\"");
  const auto schedule = read("iteration,time,c1\n0,0,0.5\n100,1,0.4\n200,1.5,0.25\n").at(0);
  CHECK(schedule.curves.c1.end_time() == 1.5);
  CHECK_FALSE(schedule.lr.has_value());
  CHECK_THAT(error_of("iteration,time,c1\n0,0,0.5\n0,1,0.4\n"), StartsWith(":3: iteration: expected more than 0"));
}

TEST_CASE("curve file: several curves by K and seed", "[core][format]") {
  const auto curves = read(
      "K,seed,t,c1,c2,c3\n500,0,0,0.5,0.4,1\n500.0,0,1,0.4,0.4,1\n5e2,1,0,0.5,0.4,1\n500,1,2,0.4,0.4,1\n"
      "1000,0,0,0.5,0.4,1\n1000,0,3,0.4,0.4,1\n");
  REQUIRE(curves.size() == 3);
  CHECK(curves[0].n_items == 500U);
  CHECK(curves[0].seed == 0U);
  CHECK(curves[1].n_items == 500U);
  CHECK(curves[1].seed == 1U);
  CHECK(curves[1].curves.c1.end_time() == 2.0);
  CHECK(curves[2].n_items == 1000U);
  CHECK(curves[2].curves.c2.values()[0] == 0.4);
  CHECK_FALSE(curves[2].curves.c2_is_closure);
  const auto seeds = read("seed,t,c1\n7,0,0.5\n7,1,0.4\n8,0,0.5\n8,1,0.4\n", {.lr = {}, .n_items = 64});
  REQUIRE(seeds.size() == 2);
  CHECK(seeds[1].n_items == 64U);
  CHECK(seeds[1].seed == 8U);
  // A column of the file comes before the option.
  CHECK(read("n_items,t,c1\n9,0,0.5\n9,1,0.4\n", {.lr = {}, .n_items = 64}).at(0).n_items == 9U);
}

TEST_CASE("curve file: bad foreign files are named with line and column", "[core][format][errors]") {
  const std::string once = " of the row before (a second curve needs its own K or seed), got ";
  CHECK(error_of("t,loss\n0,0.5\n1,0.4\n") == ":1: c1: expected a column c1, got the columns \"t, loss\"");
  CHECK(error_of("epoch,c1\n0,0.5\n1,0.4\n") ==
        ":1: time: expected a column iteration, step, time or t, got the columns \"epoch, c1\"");
  CHECK(error_of("t,time,c1\n0,0,0.5\n1,1,0.4\n") == ":1: time: expected one column for this, got also \"t\"");
  CHECK(error_of("K,n_items,t,c1\n2,2,0,0.5\n") == ":1: n_items: expected one column for this, got also \"K\"");
  CHECK(error_of("t,c1\n0,abc\n1,0.4\n") == ":2: c1: expected a number in (0, 1), got \"abc\"");
  CHECK(error_of("t,c1\n0,0.5\n1,nan\n") == ":3: c1: expected a number in (0, 1), got \"nan\"");
  CHECK(error_of("t,c1\n0,0.5\n1,inf\n") == ":3: c1: expected a number in (0, 1), got \"inf\"");
  CHECK(error_of("t,c1\n0,0.5\n1,1.3\n") == ":3: c1: expected a number in (0, 1), got \"1.3\"");
  CHECK(error_of("t,c1\n0,0.5\n1,1\n") == ":3: c1: expected a number in (0, 1), got \"1\"");
  CHECK(error_of("t,c1\n0,0.5\n1,0\n") == ":3: c1: expected a number in (0, 1), got \"0\"");
  CHECK(error_of("t,c1\n0,0.5\n1,1e-400\n") == ":3: c1: expected a number in (0, 1), got \"1e-400\"");
  CHECK(error_of("t,c1,c2\n0,0.5,0\n1,0.4,0.5\n") == ":2: c2: expected a number in (0, 1], got \"0\"");
  CHECK(error_of("t,c1,c2\n0,0.5,1.01\n1,0.4,0.5\n") == ":2: c2: expected a number in (0, 1], got \"1.01\"");
  CHECK(error_of("t,c1,c3\n0,0.5,0\n1,0.4,0.5\n") == ":2: c3: expected a positive finite number, got \"0\"");
  CHECK(error_of("t,c1,c3\n0,0.5,1e999\n1,0.4,0.5\n") == ":2: c3: expected a positive finite number, got \"1e999\"");
  CHECK(error_of("t,c1\n0,0.5\n-1,0.4\n") == ":3: t: expected a finite number, not negative, got \"-1\"");
  CHECK(error_of("t,c1\n0,0.5\ninf,0.4\n") == ":3: t: expected a finite number, not negative, got \"inf\"");
  CHECK(error_of("t,c1\n0,0.5\n1,0.4\n1,0.3\n") == ":4: t: expected more than 1" + once + "\"1\"");
  CHECK(error_of("t,c1\n0,0.5\n2,0.4\n1,0.3\n") == ":4: t: expected more than 2" + once + "\"1\"");
  CHECK(error_of("step,c1\n0,0.5\n1.5,0.4\n", {.lr = 1.0, .n_items = {}}) ==
        ":3: step: expected a whole number of iterations, got \"1.5\"");
  CHECK(error_of("t,c1\n0,0.5\n") == ":2: expected at least two points on a curve, got one");
  CHECK(error_of("K,t,c1\n5,0,0.5\n6,0,0.5\n6,1,0.4\n") == ":2: expected at least two points on a curve, got one");
  CHECK(error_of("K,t,c1\n5,0,0.5\n5,1,0.4\n6,0,0.5\n6,1,0.4\n5,2,0.3\n") ==
        ":6: K: expected one curve per K and seed, this one began on line 2, got \"5\"");
  CHECK(error_of("seed,t,c1\n5,0,0.5\n5,1,0.4\n6,0,0.5\n6,1,0.4\n5,2,0.3\n") ==
        ":6: seed: expected one curve per K and seed, this one began on line 2, got \"5\"");
  CHECK(error_of("t;c1\n0;0,5\n1;0,4\n") ==
        ":2: c1: expected a number in (0, 1), got \"0,5\" (decimals are written with a point)");
  CHECK(error_of("t,c1,c3\n0,0.5,1e308\n1e10,0.4,1e308\n") ==
        ": c3: sample 1: the integral exceeds the range of a double");
  for (const char* count : {"500.5", "0", "1", "-5", "9007199254740994", "1e300", "many", "", "nan"}) {
    CHECK(error_of(std::string("K,t,c1\n") + count + ",0,0.5\n") ==
          std::string(":2: K: expected a whole number of items from 2 to 2^53, got \"") + count + '"');
  }
  CHECK(error_of("K,seed,t,c1\n5,-1,0,0.5\n") == ":2: seed: expected a whole number, got \"-1\"");
}

TEST_CASE("curve file: bad options are named", "[core][errors]") {
  const auto path = folder().write("good.csv", "t,c1\n0,0.5\n1,0.4\n");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(message_of([&] { read_curves(path, {.lr = 0.0, .n_items = {}}); }) == "lr: expected a positive number, got 0");
  CHECK(message_of([&] { read_curves(path, {.lr = nan, .n_items = {}}); }) ==
        "lr: expected a positive number, got nan");
  CHECK(message_of([&] { read_curves(path, {.lr = {}, .n_items = 1}); }) ==
        "n_items: expected a whole number of items from 2 to 2^53, got 1");
}

TEST_CASE("curve file: the golden curves and the curves of PyTorch", "[core][format]") {
  const auto golden = read_curves(data_path("curves_P15.csv"));
  const auto table = test::read_table("curves_P15.csv");
  std::size_t row = 0;
  for (const MeasuredCurve& curve : golden) {
    for (std::size_t i = 0; i < curve.curves.c1.size(); ++i, ++row) {
      REQUIRE(static_cast<double>(*curve.n_items) == table.number(row, "K"));
      REQUIRE(curve.curves.c1.times()[i] == table.number(row, "t"));
      REQUIRE(curve.curves.c1.values()[i] == table.number(row, "c1"));
      REQUIRE(curve.curves.c2.values()[i] == table.number(row, "c2"));
      REQUIRE(curve.curves.c3->values()[i] == table.number(row, "c3"));
    }
  }
  REQUIRE(row == table.rows());
  const auto pytorch = read_curves(data_path("pytorch/mlp_K500_s0.csv"), {.lr = 0.01, .n_items = 500}).at(0);
  CHECK(pytorch.curves.c1.values()[0] == 0.500027526);
  CHECK(pytorch.curves.c1.times()[1] == 0.5);
}

TEST_CASE("curve file: a large file", "[core]") {
  std::string contents = "K,seed,step,c1,c2,c3\n";
  constexpr int kRows = 100'000;
  for (int i = 0; i < kRows; ++i) {
    contents += i < kRows / 2 ? "500,0," : "500,1,";
    contents += std::to_string(i) + ",0.48360805024100295,0.50123456789012345,0.93651234567890123\n";
  }
  const auto curves = read(contents, {.lr = 0.01, .n_items = {}});
  REQUIRE(curves.size() == 2);
  CHECK(curves[1].curves.c1.size() == kRows / 2);
  CHECK(curves[1].curves.c1.values()[7] == 0.48360805024100295);
}
