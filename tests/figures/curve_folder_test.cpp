#include "figure_builders.hpp"
#include "iclk/figures/figure_tables.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "synthetic_curves.hpp"

using namespace iclk;
using namespace iclk::test;
using figures::read_curve_folder;

namespace {

constexpr const char* kForeign = "step,c1,c2\n0,0.49,0.51\n100,0.3,0.7\n200,0.1,0.9\n";

}  // namespace

TEST_CASE("curve folder: curves come sorted by K and seed", "[figures]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder.path(), {2000, 500, 16000}, 2);
  const auto curves = read_curve_folder(folder.path());
  REQUIRE(curves.size() == 6);
  CHECK(*curves[0].n_items == 500);
  CHECK(*curves[1].n_items == 500);
  CHECK(*curves[1].seed == 1);
  CHECK(*curves[5].n_items == 16000);
}

TEST_CASE("curve folder: the subfolder curves and a single file are read too", "[figures]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder / "curves", {500, 1000}, 1);
  CHECK(read_curve_folder(folder.path()).size() == 2);
  CHECK(read_curve_folder(folder / "curves/k500_s0.curves.csv").size() == 1);
}

TEST_CASE("curve folder: foreign files are read when there are none of ours", "[figures]") {
  const TemporaryFolder folder;
  folder.write("mine.csv", kForeign);
  folder.write("fig5.csv", "n_items,i_infinity\n500,130\n");  // a table that a figure wrote there
  folder.write("figA3_tail.csv", "n_items,time\n500,130\n");
  const auto curves = read_curve_folder(folder.path(), {.lr = 0.01, .n_items = 700});
  REQUIRE(curves.size() == 1);
  CHECK(*curves[0].n_items == 700);
  CHECK_THAT(curves[0].curves.c1.end_time(), WithinRel(2.0, 1e-15));
  CHECK_THAT(message_of([&] { (void)read_curve_folder(folder.path(), {.lr = {}, .n_items = 700}); }),
             ContainsSubstring("mine.csv"));
}

TEST_CASE("curve folder: nothing to read is an error that says what to do", "[figures][errors]") {
  const TemporaryFolder folder;
  CHECK_THAT(message_of([&] { (void)read_curve_folder(folder / "absent"); }),
             ContainsSubstring("absent: no such file or folder"));
  CHECK_THAT(message_of([&] { (void)read_curve_folder(folder.path()); }),
             ContainsSubstring("expected curve files (*.curves.csv)") && ContainsSubstring("iclk train"));
}

TEST_CASE("curve folder: a malformed file is named and not skipped", "[figures][errors]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder.path(), {500, 1000}, 1);
  folder.write("k2000_s0.curves.csv", "# iclk-curves 1\n# n_items: 2000\niteration,time,c1\n1,0.01,abc\n");
  CHECK_THAT(message_of([&] { (void)read_curve_folder(folder.path()); }), ContainsSubstring("k2000_s0.curves.csv"));
}

TEST_CASE("curve folder: the same K and seed in two files is an error", "[figures][errors]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder.path(), {500}, 1);
  write_synthetic_curves(folder / "curves", {500}, 1);
  CHECK_THAT(message_of([&] { (void)read_curve_folder(folder.path()); }),
             ContainsSubstring("seed: the curve with K = 500 and seed 0 is already in"));
}

TEST_CASE("curve folder: a curve without K is an error", "[figures][errors]") {
  const TemporaryFolder folder;
  folder.write("mine.csv", kForeign);
  CHECK_THAT(message_of([&] { (void)read_curve_folder(folder.path(), {.lr = 0.01, .n_items = {}}); }),
             ContainsSubstring("mine.csv: n_items: expected the number of items K"));
}

TEST_CASE("curve folder: K that stands nowhere else is that of the file name", "[figures]") {
  for (const std::string name : {"K700.csv", "mlp_k700_s0.csv", "run-K700.csv"}) {
    const TemporaryFolder folder;
    folder.write(name, kForeign);
    INFO(name);
    CHECK(*read_curve_folder(folder.path(), {.lr = 0.01, .n_items = {}})[0].n_items == 700);
    CHECK(*read_curve_folder(folder.path(), {.lr = 0.01, .n_items = 900})[0].n_items == 900);
  }
  for (const std::string name : {"mlpk700.csv", "k700x.csv", "k.csv", "k0.csv", "K12345678901.csv"}) {
    const TemporaryFolder folder;
    folder.write(name, kForeign);
    INFO(name);
    CHECK_THAT(message_of([&] { (void)read_curve_folder(folder.path(), {.lr = 0.01, .n_items = {}}); }),
               ContainsSubstring("expected the number of items K"));
  }
}

TEST_CASE("curve folder: malformed files are left out where they may be", "[figures][errors]") {
  const TemporaryFolder folder;
  write_synthetic_curves(folder.path(), {500, 1000}, 1);
  folder.write("k2000_s0.curves.csv", "# iclk-curves 1\n# n_items: 2000\niteration,time,c1\n1,0.01,abc\n");
  std::vector<std::string> problems;
  CHECK(read_curve_folder(folder.path(), {}, &problems).size() == 2);
  REQUIRE(problems.size() == 1);
  CHECK_THAT(problems[0], ContainsSubstring("k2000_s0.curves.csv:"));

  const TemporaryFolder bad;
  bad.write("k2000_s0.curves.csv", "nothing");
  CHECK_THAT(message_of([&] { (void)read_curve_folder(bad.path(), {}, &problems); }),
             ContainsSubstring("no curve in it can be read: "));
}
