#include "iclk/figures/figure_tables.hpp"

#include <cmath>
#include <limits>

#include "figure_builders.hpp"
#include "iclk/core/error.hpp"
#include "iclk/theory/threshold.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "synthetic_curves.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;

namespace {

std::vector<MeasuredCurve> curves_of(const std::vector<double>& items, int n_seeds, const SyntheticLaw& law = {}) {
  const TemporaryFolder folder;
  write_synthetic_curves(folder.path(), items, n_seeds, law);
  return read_curve_folder(folder.path());
}

int n_blocks(const Table& table) {
  int blocks = 1;
  for (const Table::Row& row : table.rows) blocks += row.blank_lines_before == 2 ? 1 : 0;
  return blocks;
}

}  // namespace

TEST_CASE("table: CSV quotes texts and leaves missing fields empty", "[figures][format]") {
  Table table{.part = "", .columns = {"a", "b"}, .rows = {}};
  table.rows.push_back({{0.1, std::string("plain")}, 0});
  table.rows.push_back({{Cell(), std::string("say \"a, b\"")}, 1});
  table.rows.push_back({{1e-10, Cell()}, 2});
  CHECK(to_csv(table) == "a,b\n0.1,plain\n\n,\"say \"\"a, b\"\"\"\n\n\n1e-10,\n");
  CHECK(table.number(0, "a") == 0.1);
  CHECK_FALSE(table.number(0, "b").has_value());
  CHECK_FALSE(table.number(1, "a").has_value());
  CHECK_THROWS_AS(table.column("c"), Error);
  CHECK_THROWS_AS(FigureTables{}.table("fit"), Error);
}

TEST_CASE("fig5: the law of synthetic curves is found and drawn", "[figures][eq12]") {
  const SyntheticLaw law;
  const FigureTables figure = fig5_tables(curves_of(kSyntheticItems, 3));
  const Table& summary = figure.table("law");
  REQUIRE(summary.rows.size() == 1);
  CHECK(*summary.number(0, "nu_low") < law.nu);
  CHECK(*summary.number(0, "nu_high") > law.nu);
  CHECK_THAT(*summary.number(0, "nu"), WithinAbs(law.nu, 0.01));
  // The line in the file is the law in the file, and the band holds it.
  const Table& line = figure.table("fit");
  REQUIRE(line.rows.size() == 41);
  for (std::size_t row = 0; row < line.rows.size(); ++row) {
    const double n_items = *line.number(row, "n_items");
    const double expected = *summary.number(0, "prefactor") * std::pow(n_items, *summary.number(0, "nu"));
    CHECK_THAT(*line.number(row, "i_law"), WithinRel(expected, 1e-12));
    CHECK(*line.number(row, "i_law_low") < law.prefactor * std::pow(n_items, law.nu));
    CHECK(*line.number(row, "i_law_high") > law.prefactor * std::pow(n_items, law.nu));
  }
  CHECK(*line.number(0, "n_items") < 500);
  CHECK(*line.number(40, "n_items") > 16000);
}

TEST_CASE("fig5: runs in the file are the numbers of the theory", "[figures][eq10][eq13]") {
  const auto curves = curves_of(kSyntheticItems, 2);
  const FigureTables figure = fig5_tables(curves, {.n_context = 80, .beta0 = -0.1, .w0 = 0.05});
  const Table& runs = figure.table("");
  REQUIRE(runs.rows.size() == curves.size());
  std::vector<theory::ThresholdPoint> points;
  double log_required = 0.0;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const auto prediction = theory::predict_curve(curves[i].curves, 80, {.w = 0.05, .beta = -0.1});
    CHECK(*runs.number(i, "n_items") == static_cast<double>(*curves[i].n_items));
    CHECK(*runs.number(i, "i_measured") == prediction.integral.measured);
    REQUIRE(runs.number(i, "i_infinity").has_value());
    CHECK(*runs.number(i, "i_infinity_low") <= *runs.number(i, "i_infinity"));
    CHECK(*runs.number(i, "i_infinity_high") >= *runs.number(i, "i_infinity"));
    points.push_back(
        {*runs.number(i, "n_items"),
         {*runs.number(i, "i_infinity"), *runs.number(i, "i_infinity_low"), *runs.number(i, "i_infinity_high")},
         prediction.required_integral});
    if (i < 2) log_required += std::log(prediction.required_integral) / 2;
  }
  CHECK_THAT(*figure.table("required").number(0, "required_integral"), WithinRel(std::exp(log_required), 1e-12));
  const theory::Threshold threshold = theory::threshold_from_curves(points);
  REQUIRE(threshold.k_star.value.has_value());
  const Table& summary = figure.table("law");
  CHECK_THAT(*summary.number(0, "k_star"), WithinRel(*threshold.k_star.value, 1e-12));
  CHECK(*summary.number(0, "n_context") == 80);
  CHECK(*summary.number(0, "beta0") == -0.1);
  // The runs cross the required integral at K*.
  const double nu = *summary.number(0, "nu");
  const double at_k_star = *summary.number(0, "prefactor") * std::pow(*summary.number(0, "k_star"), nu);
  CHECK_THAT(*summary.number(0, "required_at_k_star"), WithinRel(at_k_star, 0.01));
  CHECK_THAT(*figure.table("k_star").number(0, "n_items"), WithinRel(*threshold.k_star.low, 1e-12));
}

TEST_CASE("fig5: the ratio columns divide by the law", "[figures]") {
  const FigureTables figure = fig5_tables(curves_of(kSyntheticItems, 2));
  const Table& runs = figure.table("");
  const Table& law = figure.table("law");
  for (std::size_t i = 0; i < runs.rows.size(); ++i) {
    const double y = *law.number(0, "prefactor") * std::pow(*runs.number(i, "n_items"), *law.number(0, "nu"));
    CHECK_THAT(*runs.number(i, "ratio"), WithinRel(*runs.number(i, "i_infinity") / y, 1e-12));
    CHECK_THAT(*runs.number(i, "ratio_high"), WithinRel(*runs.number(i, "i_infinity_high") / y, 1e-12));
  }
}

TEST_CASE("fig5: a threshold beyond the measured K is inside the axes", "[figures]") {
  const FigureTables figure = fig5_tables(curves_of({500, 1000}, 2));
  const double k_star = figure.table("law").number(0, "k_star").value_or(0.0);
  REQUIRE(k_star > 1000);  // extrapolated
  CHECK(number_of(figure, "k_max") > k_star);
  const Table& required = figure.table("required");
  REQUIRE(required.rows.size() == 3);
  CHECK(*required.number(2, "n_items") == k_star);
  CHECK(*required.number(2, "required_integral") == *figure.table("law").number(0, "required_at_k_star"));
}

TEST_CASE("figures: no curves at all is an error", "[figures][errors]") {
  CHECK_THROWS_AS(fig5_tables({}), Error);
  CHECK_THROWS_AS(figA2_tables({}), Error);
  CHECK_THROWS_AS(figA3_tables({}), Error);
}

TEST_CASE("fig5: one K gives points without a law", "[figures]") {
  const FigureTables figure = fig5_tables(curves_of({500}, 2));
  CHECK(figure.table("").rows.size() == 2);
  CHECK(figure.table("fit").rows.empty());
  CHECK(number_of(figure, "has_law") == 0);
  CHECK_THAT(figure.caption, ContainsSubstring("one K only"));
}

TEST_CASE("fig5: a run whose tail may diverge is a lower bound without a bracket", "[figures]") {
  const FigureTables figure = fig5_tables(curves_of({500}, 1, {.power = 1.02, .last_c1 = 0.05}));
  const Table& runs = figure.table("");
  CHECK_FALSE(runs.number(0, "i_infinity").has_value());
  CHECK(*runs.number(0, "i_lower_bound") >= *runs.number(0, "i_measured"));
  CHECK(number_of(figure, "has_bounds") == 1);
}

TEST_CASE("fig5: the options change the threshold and nothing else", "[figures]") {
  const auto curves = curves_of(kSyntheticItems, 2);
  const FigureTables plain = fig5_tables(curves);
  const FigureTables longer = fig5_tables(curves, {.n_context = 200});
  const FigureTables none = fig5_tables(curves, {.n_context = {}});
  const auto k_star = [](const FigureTables& figure) { return figure.table("law").number(0, "k_star"); };
  CHECK(*k_star(longer) > 2 * *k_star(plain));
  CHECK(*k_star(fig5_tables(curves, {.beta0 = 0.3})) < *k_star(plain));
  CHECK(*k_star(fig5_tables(curves, {.w0 = 0.3})) < *k_star(plain));
  CHECK_FALSE(k_star(none).has_value());
  CHECK(none.table("required").rows.empty());
  CHECK(number_of(none, "has_required") == 0);
  CHECK(to_csv(longer.table("")) == to_csv(plain.table("")));
}

TEST_CASE("fig5: bad options are named", "[figures][errors]") {
  const auto check = [](const FigureOptions& options, const std::string& field) {
    REQUIRE_THROWS_MATCHES(validate(options), Error, Catch::Matchers::Predicate<Error>([&](const Error& error) {
                             return error.location().field == field;
                           }));
  };
  check({.n_context = 1.5}, "n_context");
  check({.beta0 = std::numeric_limits<double>::infinity()}, "beta0");
  check({.w0 = std::nan("")}, "w0");
  check({.beta0_sd = -0.1}, "beta0_sd");
  check({.w0_sd = std::nan("")}, "w0_sd");
  check({.gnuplot = ""}, "gnuplot");
  CHECK_NOTHROW(validate({}));
}

TEST_CASE("figA2: the table holds the samples in a block per K", "[figures]") {
  const auto curves = curves_of({500, 2000, 8000}, 2);
  const FigureTables figure = figA2_tables(curves);
  const Table& table = figure.table("");
  CHECK(n_blocks(table) == 3);
  CHECK(table.rows.size() ==
        curves[0].curves.c1.size() * 2 + curves[2].curves.c1.size() * 2 + curves[4].curves.c1.size() * 2);
  const std::size_t last = curves[0].curves.c1.size() - 1;
  CHECK(*table.number(last, "c1") == curves[0].curves.c1.values()[last]);
  CHECK(*table.number(last, "c2") == curves[0].curves.c2.values()[last]);
  CHECK(*table.number(last, "c3") == curves[0].curves.c3->values()[last]);
  CHECK_THAT(*table.number(last, "iteration") * 0.01, WithinRel(*table.number(last, "time"), 1e-12));
  CHECK(number_of(figure, "in_iterations") == 1);
  CHECK(number_of(figure, "has_c3") == 1);
  CHECK_THAT(figure.caption, ContainsSubstring("hidden 512") && ContainsSubstring("500 (2), 2000 (2), 8000 (2)") &&
                                 ContainsSubstring("k2000_s1.curves.csv"));
}

TEST_CASE("figA2: long curves are thinned and keep both ends", "[figures]") {
  const TemporaryFolder folder;
  std::string text = "K,t,c1\n";
  for (int i = 1; i <= 5000; ++i) {
    text += "500," + std::to_string(i) + "," + std::to_string(0.5 / (1 + 0.01 * i)) + "\n";
  }
  folder.write("long.csv", text);
  const auto curves = read_curve_folder(folder.path());
  const FigureTables figure = figA2_tables(curves);
  const Table& table = figure.table("");
  CHECK(table.rows.size() > 200);
  CHECK(table.rows.size() <= 401);
  CHECK(*table.number(0, "time") == 1);
  CHECK(*table.number(table.rows.size() - 1, "time") == 5000);
  // No learning rate, no c2, no c3: the figure says so.
  CHECK_FALSE(table.number(0, "iteration").has_value());
  CHECK(number_of(figure, "in_iterations") == 0);
  CHECK(number_of(figure, "has_c3") == 0);
  CHECK(number_of(figure, "has_closure") == 1);
  CHECK_THAT(figure.caption, ContainsSubstring("closure"));
}

TEST_CASE("figA3: integrals and limits are those of the theory", "[figures][eq10]") {
  const auto curves = curves_of({500, 2000}, 2);
  const FigureTables figure = figA3_tables(curves);
  const Table& measured = figure.table("");
  CHECK(n_blocks(measured) == 2);
  for (std::size_t row = 0; row < curves[0].curves.c1.size(); row += 10) {
    const double time = *measured.number(row, "time");
    CHECK(*measured.number(row, "integral") == theory::memorization_integral_at(curves[0].curves.c1, time));
  }
  const Table& infinity = figure.table("infinity");
  REQUIRE(infinity.rows.size() == curves.size());
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const theory::MemorizationIntegral result = theory::memorization_integral(curves[i].curves.c1);
    CHECK(infinity.number(i, "i_infinity") == result.infinity.value);
    CHECK(infinity.number(i, "i_infinity_low") == result.infinity.low);
    CHECK(infinity.number(i, "i_infinity_high") == result.infinity.high);
    CHECK(*infinity.number(i, "replicate") == static_cast<double>(i % 2 + 1));
  }
  // Dashed lines start where the curves end and rise towards the limit.
  const Table& tail = figure.table("tail");
  CHECK_THAT(*tail.number(0, "integral"), WithinRel(*infinity.number(0, "i_measured"), 1e-12));
  CHECK(*tail.number(1, "integral") > *tail.number(0, "integral"));
  CHECK(*tail.number(24, "integral") < *infinity.number(0, "i_infinity"));
  CHECK_THAT(*tail.number(24, "time"), WithinRel(10 * curves[2].curves.c1.end_time(), 0.02));
}
