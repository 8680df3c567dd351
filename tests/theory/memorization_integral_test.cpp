#include "iclk/theory/memorization_integral.hpp"

#include <cmath>
#include <limits>

#include "golden_curves.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::TailModel;

namespace {

void require_bracket(const Estimate& estimate, double truth) {
  REQUIRE(estimate.low.has_value());
  REQUIRE(*estimate.low <= truth);
  REQUIRE(*estimate.value >= *estimate.low);
  if (estimate.high) {
    REQUIRE(*estimate.high >= *estimate.value);
    REQUIRE(*estimate.high >= truth);
  }
}

double relative_width(const Estimate& estimate) { return (*estimate.high - *estimate.low) / *estimate.value; }

}  // namespace

TEST_CASE("memorization integral: the measured part against the families in closed form", "[theory][eq10]") {
  const Table table = read_table("toy_integral.csv");
  REQUIRE(table.rows() == 60);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const std::string& letter = table.text(i, "family");
    const double shape = letter == "E" ? 0.0 : table.number(i, "shape");
    const Family family = family_of_row(letter, shape, table.number(i, "T"));
    const double t = table.number(i, "t");
    INFO("row " << i << ", family " << letter << " " << shape << ", t = " << t);
    REQUIRE_THAT(family.c1(t), WithinRel(table.number(i, "c1"), 1e-12) || WithinAbs(table.number(i, "c1"), 1e-280));
    // The table gives the exact I_K(t); 400 samples per curve leave an error far below the 2e-3 of the golden curves.
    const auto curves = sampled(family, std::max(t, 10.0), 400);
    const double at = std::min(t, curves.c1.end_time());
    const double tolerance = letter == "S" && shape < 1.0 ? 4e-4 : 2e-5;  // exp(-u^b) has a vertical tangent at t = 0
    REQUIRE_THAT(theory::memorization_integral_at(curves.c1, at), WithinRel(table.number(i, "I_K"), tolerance));
  }
}

TEST_CASE("tail estimators: the reference table", "[theory][eq10]") {
  const Table table = read_table("tail_extrapolation.csv");
  REQUIRE(table.rows() == 35);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double c1 = table.number(i, "c1_at_tmax");
    const auto tails = theory::tail_estimates(c1, table.number(i, "t_max"), table.number(i, "loglog_slope"));
    INFO("row " << i);
    REQUIRE_THAT(tails.exponential, WithinRel(table.number(i, "tail_exp"), 1e-12));
    if (std::isfinite(table.number(i, "tail_power"))) {
      // s - 1 loses digits near s = 1.
      REQUIRE_THAT(*tails.power, WithinRel(table.number(i, "tail_power"), 1e-12));
      REQUIRE_THAT(*tails.logarithmic, WithinRel(table.number(i, "tail_log_deg3"), 1e-12));
    } else {
      REQUIRE_FALSE(tails.power.has_value());
      REQUIRE_FALSE(tails.logarithmic.has_value());
    }
  }
}

TEST_CASE("tail estimators: the homogeneous law integrates itself", "[theory][identity]") {
  // d(1/c1)/dt = C (ln 1/c1)^(4/3) from c1 = 1e-3, C = 0.2: rate = c1 C (ln 1/c1)^(4/3), and the tail is
  // 2 int c1 dt = (2/C) int dy/(y (ln y)^(4/3)) = (6/C) (ln y)^(-1/3).
  const double log_y = std::log(1e3);
  const double rate = 1e-3 * 0.2 * std::pow(log_y, 4.0 / 3.0);
  const auto tails = theory::tail_estimates(1e-3, 500.0, 500.0 * rate, 3.0);
  REQUIRE_THAT(tails.homogeneous, WithinRel(6.0 / 0.2 * std::pow(log_y, -1.0 / 3.0), 1e-13));
  // Degree 4: m = 3/2, 1/(m - 1) = 2, m/(m - 1) = 3.
  const auto fourth = theory::tail_estimates(1e-3, 500.0, 2.0, 4.0);
  REQUIRE_THAT(*fourth.logarithmic / *fourth.power, WithinRel(3.0, 1e-14));
  REQUIRE_THAT(fourth.homogeneous / fourth.exponential, WithinRel(2.0 * log_y, 1e-14));
}

TEST_CASE("memorization integral: the golden curves inside their brackets", "[theory][eq10]") {
  for (const char* name : {"E", "P15", "P15_common", "S05"}) {
    const GoldenCurves golden = golden_curves(name);
    for (const auto& row : golden.expected.at("per_K")) {
      const double n_items = row.at("K").get<double>();
      const auto integral = theory::memorization_integral(golden.by_items.at(n_items).c1);
      INFO(name << ", K = " << n_items);
      REQUIRE_THAT(integral.measured, WithinRel(row.at("I_tmax").get<double>(), 2e-3));
      const double truth = row.at("I_inf").get<double>();
      REQUIRE_THAT(*integral.infinity.value, WithinRel(truth, 2e-3));
      require_bracket(integral.infinity, truth);
      REQUIRE(relative_width(integral.infinity) < 3e-3);
      REQUIRE_THAT(integral.measured + integral.tail_length, WithinRel(*integral.infinity.value, 1e-15));
      const bool power = name[0] == 'P';
      REQUIRE(integral.tail == (power ? TailModel::power : TailModel::none));
      if (power) REQUIRE_THAT(*integral.tail_power, WithinRel(0.5, 1e-9));
    }
  }
}

TEST_CASE("memorization integral: truncated families stay inside their brackets", "[theory]") {
  struct Case {
    Family family;
    std::vector<double> ends;  // u = t_m/T
    TailModel model;
    double width;  // largest relative width of the bracket over those ends
  };
  const double one_third = 4.0 / 3.0;
  const std::vector<Case> cases{
      {power_family(1.5, 100.0), {3.0, 10.0, 100.0, 1e4}, TailModel::power, 1e-3},
      {power_family(1.2, 100.0), {10.0, 100.0, 1e4}, TailModel::power, 1e-3},
      {power_family(3.0, 100.0), {3.0, 10.0, 100.0}, TailModel::power, 1e-3},
      {exponential_family(100.0), {3.0, 6.0, 10.0}, TailModel::exponential, 1e-3},
      {stretched_family(0.5, 100.0), {10.0, 30.0}, TailModel::power, 0.1},
      {stretched_family(0.8, 100.0), {3.0}, TailModel::power, 0.1},
      {stretched_family(1.5, 100.0), {3.0}, TailModel::exponential, 0.02},
      {logarithmic_family(one_third, 100.0), {30.0, 100.0, 1e4, 1e6}, TailModel::logarithmic, 1.0}};
  for (const Case& c : cases) {
    const double truth = c.family.horizon * c.family.integral(std::numeric_limits<double>::infinity());
    for (double u : c.ends) {
      const auto curves = sampled(c.family, u * c.family.horizon, 60 * static_cast<int>(3.0 + std::log10(u)));
      const auto integral = theory::memorization_integral(curves.c1);
      INFO(c.family.name << ", u = " << u << ", width " << relative_width(integral.infinity));
      REQUIRE(integral.tail == c.model);
      require_bracket(integral.infinity, truth);
      REQUIRE(relative_width(integral.infinity) < c.width);
      if (c.model == TailModel::power && c.family.name == "P") {
        REQUIRE_THAT(*integral.infinity.value, WithinRel(truth, 3e-4));
      }
    }
  }
}

TEST_CASE("memorization integral: a slope that may be one leaves the upper end open", "[theory]") {
  // c1 ~ 1/t: the integral diverges. p = 1.2 cut while its slope is still 0.9; the same for noise that hides s > 1.
  for (const auto& [p, u] : {std::pair{1.0, 3.0}, std::pair{1.0, 1e4}, std::pair{1.2, 3.0}}) {
    const auto integral = theory::memorization_integral(sampled(power_family(p, 100.0), 100.0 * u, 300).c1);
    INFO("p = " << p << ", u = " << u);
    REQUIRE(integral.tail == TailModel::unresolved);
    REQUIRE_FALSE(integral.infinity.high.has_value());
    REQUIRE(*integral.infinity.low > integral.measured);
    REQUIRE(*integral.infinity.value >= *integral.infinity.low);
  }
  // A curve that has not begun to fall, and one with too few samples for a slope.
  const auto flat = theory::memorization_integral(Curve({0, 1, 2, 3, 4, 5, 6}, std::vector<double>(7, 0.5)));
  REQUIRE(flat.tail == TailModel::unresolved);
  REQUIRE_THAT(flat.measured, WithinRel(6.0, 1e-15));
  const auto short_curve = theory::memorization_integral(Curve({0, 1, 2}, {0.5, 0.4, 0.3}));
  REQUIRE(short_curve.tail == TailModel::unresolved);
  REQUIRE(short_curve.n_slope_points == 0);
}

TEST_CASE("memorization integral: noisy curves keep the stated coverage", "[theory]") {
  // 200 curves with 0.3 % multiplicative noise on each sample, cut where the tail still counts. At 95 % coverage the
  // number of misses is Binomial(200, 0.05): mean 10, standard deviation 3.1; more than 20 has a probability of 1e-3.
  struct Case {
    Family family;
    double u;
  };
  for (const Case& c : {Case{power_family(1.5, 100.0), 30.0}, Case{power_family(1.5, 100.0), 1000.0},
                        Case{power_family(1.2, 100.0), 1000.0}, Case{exponential_family(100.0), 3.0},
                        Case{stretched_family(0.5, 100.0), 10.0}, Case{logarithmic_family(4.0 / 3.0, 100.0), 1000.0}}) {
    const double truth = c.family.horizon * c.family.integral(std::numeric_limits<double>::infinity());
    const auto clean = sampled(c.family, c.u * c.family.horizon, 25 * static_cast<int>(3.0 + std::log10(c.u)));
    int misses = 0;
    for (std::uint64_t replicate = 0; replicate < 200; ++replicate) {
      Rng rng(7, RandomPurpose::test, replicate);
      const std::vector<double> times(clean.c1.times().begin(), clean.c1.times().end());
      std::vector<double> values(clean.c1.values().begin(), clean.c1.values().end());
      for (double& value : values) value *= std::exp(0.003 * rng.normal());
      const auto integral = theory::memorization_integral(Curve(times, values));
      const Estimate& infinity = integral.infinity;
      if (truth < *infinity.low || (infinity.high && truth > *infinity.high)) ++misses;
    }
    INFO(c.family.name << ", u = " << c.u << ": " << misses << " misses of 200");
    REQUIRE(misses <= 20);
  }
}

TEST_CASE("memorization integral: curves of a real network are extrapolated honestly", "[theory][eq10]") {
  // Their slope falls (2.9 to 1.8, 5 to 2.2 over the last factor of two in time) while d(1/c1)/dt/(ln 1/c1)^(4/3) is
  // constant: the late-time law of a network homogeneous of degree 3.
  for (const auto& [file, trapezoid] :
       {std::pair{"mlp_K500_s0.csv", 137.9698}, std::pair{"mlp_K2000_s0.csv", 334.1473}}) {
    const auto curves = pytorch_curves(file, 0.01);
    const auto integral = theory::memorization_integral(curves.c1);
    INFO(file);
    REQUIRE_THAT(integral.measured, WithinRel(trapezoid, 0.01));
    REQUIRE(integral.tail == TailModel::logarithmic);
    REQUIRE(integral.slope_trend < 0.0);
    const auto tails = theory::tail_estimates(integral.end_c1, integral.end_time, integral.log_slope);
    REQUIRE(*integral.infinity.low < integral.measured + *tails.power);
    REQUIRE(*integral.infinity.value > integral.measured + *tails.power);
    REQUIRE(*integral.infinity.high > integral.measured + tails.homogeneous);
    REQUIRE(*integral.infinity.high > integral.measured + *tails.logarithmic);
    REQUIRE(relative_width(integral.infinity) < 0.15);
    double least = std::numeric_limits<double>::infinity();
    double most = 0.0;
    const auto t = curves.c1.times();
    const auto c1 = curves.c1.values();
    for (std::size_t i = 1; i < t.size(); ++i) {
      if (t[i - 1] < t.back() / 1.5 || t[i] - t[i - 1] < 0.05 * t[i]) continue;  // the last interval is short
      const double middle = 0.5 * (1.0 / c1[i] + 1.0 / c1[i - 1]);
      const double constant =
          (1.0 / c1[i] - 1.0 / c1[i - 1]) / (t[i] - t[i - 1]) / std::pow(std::log(middle), 4.0 / 3.0);
      least = std::min(least, constant);
      most = std::max(most, constant);
    }
    REQUIRE(most / least < 1.01);
    REQUIRE(integral.tail_fraction < 0.05);
  }
}

TEST_CASE("memorization integral: its measured and its extrapolated inverse", "[theory][eq10][identity]") {
  for (const Family& family : {power_family(1.5, 100.0), exponential_family(100.0)}) {
    const auto curves = sampled(family, 600.0, 200);
    const auto integral = theory::memorization_integral(curves.c1);
    const double measured = integral.measured;
    INFO(family.name);
    for (double share : {0.0, 1e-6, 0.3, 0.99, 1.0}) {
      const auto time = theory::time_of_memorization_integral(curves.c1, share * measured);
      REQUIRE(time.has_value());
      REQUIRE_THAT(theory::memorization_integral_at(curves.c1, *time),
                   WithinRel(share * measured, 1e-12) || WithinAbs(0.0, 1e-300));
    }
    REQUIRE_FALSE(theory::time_of_memorization_integral(curves.c1, 1.001 * measured).has_value());

    REQUIRE_THAT(theory::extrapolated_integral(integral, 600.0), WithinRel(measured, 1e-15));
    for (double t : {700.0, 2000.0, 1e5}) {
      const double exact = family.horizon * family.integral(t / family.horizon);
      const double extrapolated = theory::extrapolated_integral(integral, t);
      REQUIRE_THAT(extrapolated, WithinRel(exact, 1e-4));
      if (extrapolated >= *integral.infinity.value) continue;  // exponential: nothing left to a double
      REQUIRE_THAT(*theory::time_of_extrapolated_integral(integral, extrapolated), WithinRel(t, 1e-6));
    }
    REQUIRE_FALSE(theory::time_of_extrapolated_integral(integral, *integral.infinity.value).has_value());
    REQUIRE_FALSE(theory::time_of_extrapolated_integral(integral, 0.9 * measured).has_value());
    REQUIRE_THAT(theory::extrapolated_integral(integral, 1e30), WithinRel(*integral.infinity.value, 1e-12));
  }
}

TEST_CASE("memorization integral: a curve that starts late is continued back to time zero", "[theory][eq10]") {
  const Curve late({2.0, 4.0, 6.0}, {0.5, 0.5, 0.5});
  REQUIRE_THAT(theory::memorization_integral(late).measured, WithinRel(6.0, 1e-15));
  REQUIRE_THAT(theory::memorization_integral_at(late, 1.0), WithinRel(1.0, 1e-15));
  REQUIRE_THAT(*theory::time_of_memorization_integral(late, 1.5), WithinRel(1.5, 1e-15));
  REQUIRE_THAT(*theory::time_of_memorization_integral(late, 5.0), WithinRel(5.0, 1e-14));
}

TEST_CASE("memorization integral: each option changes something", "[theory]") {
  const auto curves = pytorch_curves("mlp_K500_s0.csv", 0.01);
  const auto usual = theory::memorization_integral(curves.c1);
  REQUIRE(theory::memorization_integral(curves.c1, {.window = 1.5}).n_slope_points < usual.n_slope_points);
  REQUIRE(theory::memorization_integral(curves.c1, {.min_points = 12}).n_slope_points == 12);
  REQUIRE(*theory::memorization_integral(curves.c1, {.homogeneity = 4.0}).infinity.high < *usual.infinity.high);
}

TEST_CASE("memorization integral: names and bad input", "[theory][errors]") {
  REQUIRE(theory::name(TailModel::none) == "none");
  REQUIRE(theory::name(TailModel::exponential) == "exponential");
  REQUIRE(theory::name(TailModel::power) == "power");
  REQUIRE(theory::name(TailModel::logarithmic) == "logarithmic");
  REQUIRE(theory::name(TailModel::unresolved) == "unresolved");
  const Curve curve({0.0, 1.0}, {0.5, 0.4});
  using theory::memorization_integral;
  REQUIRE_THROWS_WITH(memorization_integral(curve, {.window = 1.0}), "window: expected a number above 1, got 1");
  REQUIRE_THROWS_WITH(memorization_integral(curve, {.min_points = 3}), "min_points: expected at least 4, got 3");
  REQUIRE_THROWS_WITH(memorization_integral(curve, {.homogeneity = 2.0}),
                      "homogeneity: expected a number above 2, got 2");
  REQUIRE_THROWS_WITH(memorization_integral(Curve({-1.0, 1.0}, {0.5, 0.4})),
                      "time: expected times that are not negative");
  REQUIRE_THROWS_WITH(memorization_integral(Curve({0.0, 1.0}, {0.5, -0.4})),
                      "c1: expected numbers that are not negative, sample 1 is");
  REQUIRE_THROWS_WITH(theory::memorization_integral_at(curve, 1.5), "time: expected a time within the curve, got 1.5");
  REQUIRE_THROWS_WITH(theory::time_of_memorization_integral(curve, -1.0),
                      "integral: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(theory::extrapolated_integral(memorization_integral(curve), 0.5),
                      "time: expected a time after the end of the curve, got 0.5");
  REQUIRE_THROWS_WITH(theory::tail_estimates(1.0, 1.0, 1.0), "c1: expected a number in [0, 1), got 1");
  REQUIRE_THROWS_WITH(theory::tail_estimates(0.1, 0.0, 1.0), "time: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(theory::tail_estimates(0.1, 1.0, 0.0), "log_slope: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(theory::tail_estimates(0.1, 1.0, 1.0, 2.0), "homogeneity: expected a number above 2, got 2");
}
