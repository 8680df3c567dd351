#include "iclk/fit/memorization_law.hpp"

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;
using fit::TruncatedCurve;
using fit::TruncationTreatment;

namespace {

std::vector<TruncatedCurve> golden_curves(const std::string& name) {
  const Table table = read_table(name);
  std::map<double, std::pair<std::vector<double>, std::vector<double>>> samples;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    auto& [times, values] = samples[table.number(row, "K")];
    times.push_back(table.number(row, "t"));
    values.push_back(table.number(row, "c1"));
  }
  std::vector<TruncatedCurve> curves;
  for (const auto& [n_items, sample] : samples) curves.push_back({n_items, Curve(sample.first, sample.second), {}});
  return curves;
}

nlohmann::json golden_truth(const std::string& name) { return nlohmann::json::parse(std::ifstream(data_path(name))); }

TruncatedCurve pytorch_curve(const std::string& name, double n_items) {
  const Table table = read_table("pytorch/" + name);
  std::vector<double> times, values;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    times.push_back(0.01 * table.number(row, "step"));
    values.push_back(table.number(row, "c1"));
  }
  return {n_items, Curve(times, values), {}};
}

/// c1 = (1/2)(1 + t/T)^-p at `n` times up to t_max, evenly spaced in ln(1 + t/T).
Curve family_p(double scale, double power, double t_max, int n) {
  std::vector<double> times, values;
  for (int i = 0; i < n; ++i) {
    const double u = std::expm1(std::log1p(t_max / scale) * i / (n - 1));
    times.push_back(scale * u);
    values.push_back(0.5 * std::pow(1 + u, -power));
  }
  return {times, values};
}

const std::vector<double> kItems{250, 500, 1000, 2000, 5000, 10000, 20000};

double half_width(const Estimate& estimate) { return (*estimate.high - *estimate.low) / 2; }

bool holds(const Estimate& estimate, double truth) { return *estimate.low <= truth && truth <= *estimate.high; }

/// Slope of ln y against ln K by plain sums.
double slope(const std::vector<double>& items, const std::vector<double>& y) {
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (std::size_t k = 0; k < y.size(); ++k) {
    const double x = std::log(items[k]);
    sx += x;
    sy += std::log(y[k]);
    sxx += x * x;
    sxy += x * std::log(y[k]);
  }
  const auto n = static_cast<double>(y.size());
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

}  // namespace

TEST_CASE("memorization law: golden curves give nu and every I_K(infinity)", "[fit][memorization_law][eq10][eq12]") {
  for (const std::string name : {"curves_E", "curves_S05", "curves_P15", "curves_P15_common"}) {
    CAPTURE(name);
    const auto curves = golden_curves(name + ".csv");
    const auto truth = golden_truth(name + "_expected.json");
    const auto fit = fit::fit_memorization_law(curves);
    REQUIRE(fit.treatment == TruncationTreatment::common_shape);
    REQUIRE(fit.collapse.holds);
    CHECK_THAT(*fit.law.exponent.value, WithinAbs(truth["nu"].get<double>(), 3e-3));
    CHECK(half_width(fit.law.exponent) < 0.03);
    REQUIRE(fit.infinity.size() == curves.size());
    for (std::size_t k = 0; k < curves.size(); ++k) {
      const auto& row = truth["per_K"][k];
      CAPTURE(curves[k].n_items);
      REQUIRE_THAT(curves[k].n_items, WithinRel(row["K"].get<double>(), 1e-15));
      CHECK_THAT(fit.measured[k], WithinRel(row["I_tmax"].get<double>(), 2e-3));
      CHECK_THAT(*fit.infinity[k].value, WithinRel(row["I_inf"].get<double>(), 2e-3));
    }
    // K* at Eq. 11, from the law.
    const auto& first_case = truth["cases"][0];
    CHECK_THAT(*fit::x_at(fit.law, first_case["X_eq10"].get<double>()).value,
               WithinRel(first_case["Kstar_eq10"].get<double>(), 1e-2));
  }
}

TEST_CASE("memorization law: a common horizon no longer biases nu", "[fit][memorization_law]") {
  const auto fit = fit::fit_memorization_law(golden_curves("curves_P15_common.csv"));
  const auto truth = golden_truth("curves_P15_common_expected.json");
  // The naive exponent is the stated wrong one; 2e-4 from the quadrature of the samples.
  CHECK_THAT(*fit.truncated.exponent.value, WithinAbs(truth["nu_truncated_least_squares"].get<double>(), 2e-4));
  CHECK_THAT(*fit.law.exponent.value, WithinAbs(0.7, 3e-4));
  CHECK_THAT(*fit.collapse.time_exponent, WithinAbs(0.7, 1e-4));
  for (std::size_t k = 0; k < fit.tail_fraction.size(); ++k) {
    CHECK_THAT(fit.tail_fraction[k], WithinAbs(truth["per_K"][k]["tail_fraction"].get<double>(), 2e-3));
    CHECK(holds(fit.infinity[k], truth["per_K"][k]["I_inf"].get<double>()));
  }
}

TEST_CASE("memorization law: PyTorch curves agree with 0.64 to 0.70", "[fit][memorization_law]") {
  const std::vector<TruncatedCurve> curves{pytorch_curve("mlp_K500_s0.csv", 500),
                                           pytorch_curve("mlp_K2000_s0.csv", 2000)};
  const auto fit = fit::fit_memorization_law(curves);
  REQUIRE(fit.treatment == TruncationTreatment::common_shape);
  CHECK(*fit.law.exponent.low < 0.64);
  CHECK(*fit.law.exponent.high > 0.70);
  // Two runs of an assumed scatter of 5 %: 1.96 * 0.05 sqrt(2)/ln 4 = 0.10, and the tails on top.
  CHECK(half_width(fit.law.exponent) < 0.12);
  CHECK(fit.law.outcome == fit::PowerLawOutcome::assumed_scatter);
}

TEST_CASE("memorization law: shape whose exponent drifts with the level stays within the interval",
          "[fit][memorization_law]") {
  // t_K(c) = T_K [(2c)^(-2/3) - 1] (c/0.01)^(d (ln K - m)): the tails of the large K are not those of the small ones.
  for (const double drift : {-0.012, 0.006, 0.012}) {
    std::vector<TruncatedCurve> curves;
    std::vector<double> exact;
    double mean = 0;
    for (const double n_items : kItems) mean += std::log(n_items) / static_cast<double>(kItems.size());
    for (const double n_items : kItems) {
      const auto time = [&](double log_c) {
        return std::pow(n_items, 0.7) * std::expm1(-(log_c + std::log(2.0)) * 2 / 3) *
               std::exp(drift * (std::log(n_items) - mean) * (log_c - std::log(0.01)));
      };
      double integral = 0;
      const double step = 1e-3;
      for (double log_c = -std::log(2.0) - step / 2; log_c > std::log(1e-30); log_c -= step) {
        integral += 2 * time(log_c) * std::exp(log_c) * step;
      }
      exact.push_back(integral);
      std::vector<double> times{0}, values{0.5};
      for (double log_c = -std::log(2.0) - 0.05; time(log_c) < 20000; log_c -= 0.05) {
        times.push_back(time(log_c));
        values.push_back(std::exp(log_c));
      }
      curves.push_back({n_items, Curve(times, values), {}});
    }
    const auto fit = fit::fit_memorization_law(curves);
    const double truth = slope(kItems, exact);
    CAPTURE(drift, truth, *fit.law.exponent.value, *fit.truncated.exponent.value);
    REQUIRE(fit.treatment == TruncationTreatment::common_shape);
    CHECK_THAT(*fit.collapse.drift.value, WithinRel(drift, 0.05));
    CHECK(holds(fit.law.exponent, truth));
    CHECK(half_width(fit.law.exponent) < 0.06);
    CHECK(std::abs(*fit.law.exponent.value - truth) < std::abs(*fit.truncated.exponent.value - truth) / 2);
  }
}

TEST_CASE("memorization law: noisy common-horizon curves keep 0.7 inside", "[fit][memorization_law][coverage]") {
  // 3 % noise on every c1 after the start, 60 samples, 60 sets of curves. The tails of the interval only widen it, so
  // the count is at least Binomial(60, 0.95): mean 57, sd 1.7.
  int held = 0;
  for (std::uint64_t set = 0; set < 60; ++set) {
    Rng rng(7, RandomPurpose::test, set);
    std::vector<TruncatedCurve> curves;
    for (const double n_items : kItems) {
      const Curve exact = family_p(std::pow(n_items, 0.7), 1.5, 20000, 60);
      std::vector<double> values(exact.values().begin(), exact.values().end());
      for (std::size_t i = 1; i < values.size(); ++i) values[i] *= std::exp(0.03 * rng.normal());
      curves.push_back({n_items, Curve({exact.times().begin(), exact.times().end()}, values), {}});
    }
    const auto fit = fit::fit_memorization_law(curves);
    REQUIRE(fit.treatment == TruncationTreatment::common_shape);
    CHECK_THAT(*fit.law.exponent.value, WithinAbs(0.7, 0.02));
    held += holds(fit.law.exponent, 0.7);
  }
  CHECK(held >= 57 - 4 * 1.7);
}

TEST_CASE("memorization law: seeds of one K count as runs of one level", "[fit][memorization_law]") {
  std::vector<TruncatedCurve> curves;
  Rng rng(8, RandomPurpose::test, 0);
  for (const double n_items : kItems) {
    for (int seed = 0; seed < 3; ++seed) {
      curves.push_back(
          {n_items, family_p(std::pow(n_items, 0.7) * std::exp(0.02 * rng.normal()), 1.5, 20000, 100), {}});
    }
  }
  const auto fit = fit::fit_memorization_law(curves);
  REQUIRE(fit.law.n_points == 21);
  REQUIRE(fit.law.n_levels == 7);
  CHECK(holds(fit.law.exponent, 0.7));
  CHECK(*fit.law.within_sd > 0.01);
  CHECK(*fit.law.within_sd < 0.03);
}

TEST_CASE("memorization law: curves without a common shape fall back on their own tails", "[fit][memorization_law]") {
  std::vector<TruncatedCurve> curves;
  for (std::size_t k = 0; k < kItems.size(); ++k) {
    // Slow and fast decays by turns: no shift aligns them.
    const double power = k % 2 == 0 ? 1.3 : 4.0;
    const double scale = std::pow(kItems[k], 0.7);
    curves.push_back({kItems[k], family_p(scale, power, 300 * scale, 120), {}});
    const double measured = 2 * curves.back().c1.total_integral();
    curves.back().infinity = {1.1 * measured, 1.05 * measured, 1.3 * measured};
  }
  const auto fit = fit::fit_memorization_law(curves);
  REQUIRE(fit.collapse.tested);
  REQUIRE_FALSE(fit.collapse.holds);
  REQUIRE(fit.treatment == TruncationTreatment::single_curve);
  CHECK_THAT(*fit.infinity[0].value, WithinRel(*curves[0].infinity.value, 1e-15));
  CHECK_THAT(*fit.law.exponent.value, WithinRel(*fit.single_curve.exponent.value, 1e-15));
  CHECK_THAT(fit.warnings.back(), ContainsSubstring("no common shape"));
  // A looser limit accepts the same curves.
  CHECK(fit::fit_memorization_law(curves, {.max_collapse_residual = 10}).treatment ==
        TruncationTreatment::common_shape);

  for (auto& curve : curves) curve.infinity = {};
  const auto bare = fit::fit_memorization_law(curves);
  REQUIRE(bare.treatment == TruncationTreatment::truncated);
  CHECK_FALSE(bare.law.exponent.high);
  CHECK_FALSE(bare.infinity[0].high);
  REQUIRE(bare.warnings.size() == 3);
  CHECK_THAT(bare.warnings[0], ContainsSubstring("have no upper end"));
  CHECK_THAT(bare.warnings[1], ContainsSubstring("no common shape"));
  CHECK_THAT(bare.warnings[2], ContainsSubstring("no tail estimate"));
}

TEST_CASE("memorization law: brackets of single curves bound the common tail", "[fit][memorization_law]") {
  auto curves = golden_curves("curves_P15_common.csv");
  const auto without = fit::fit_memorization_law(curves);
  // The exact tail of family P with p = 1.5 and ends 10 % either side of it.
  for (auto& curve : curves) {
    const double scale = std::pow(curve.n_items, 0.7);
    const double tail = 2 * scale / std::sqrt(1 + curve.c1.end_time() / scale);
    const double measured = 2 * curve.c1.total_integral();
    curve.infinity = {measured + tail, measured + 0.9 * tail, measured + 1.1 * tail};
  }
  const auto with = fit::fit_memorization_law(curves);
  CHECK(half_width(with.law.prefactor) < half_width(without.law.prefactor) / 5);
  CHECK(holds(with.law.prefactor, 2.0));
  CHECK_THAT(*with.law.exponent.value, WithinAbs(0.7, 3e-4));
  // Unresolved curves leave it to the shape.
  for (auto& curve : curves) curve.infinity.high.reset();
  CHECK_THAT(*fit::fit_memorization_law(curves).law.prefactor.high, WithinRel(*without.law.prefactor.high, 1e-12));
}

TEST_CASE("memorization law: a curve that reaches far down is taken at its own word", "[fit][memorization_law]") {
  // Exponential decays followed to c1 = 1e-18: what is left above the integral is the error of a quadrature, and must
  // not be blown up to the level where the shape ends.
  auto curves = golden_curves("curves_E.csv");
  for (auto& curve : curves) {
    const double measured = 2 * curve.c1.total_integral();
    curve.infinity = {measured, measured * (1 - 1e-4), measured * (1 + 2e-4)};
  }
  const auto fit = fit::fit_memorization_law(curves);
  REQUIRE(fit.treatment == TruncationTreatment::common_shape);
  for (std::size_t k = 0; k < curves.size(); ++k) {
    CHECK_THAT(*fit.infinity[k].low, WithinRel(*curves[k].infinity.low, 1e-14));
    CHECK_THAT(*fit.infinity[k].high, WithinRel(*curves[k].infinity.high, 1e-14));
  }
  CHECK_THAT(*fit.law.prefactor.high, WithinRel(2.0, 5e-4));
}

TEST_CASE("memorization law: a curve still on its plateau is left out", "[fit][memorization_law]") {
  auto curves = golden_curves("curves_P15_common.csv");
  curves.push_back({1e6, Curve({0, 10, 20}, {0.5, 0.499, 0.498}), {}});
  const auto fit = fit::fit_memorization_law(curves);
  REQUIRE(fit.treatment == TruncationTreatment::common_shape);
  CHECK(fit.law.n_points == curves.size() - 1);
  CHECK_FALSE(fit.infinity.back().value);
  CHECK_THAT(*fit.law.exponent.value, WithinAbs(0.7, 3e-4));
  CHECK_THAT(fit.warnings.back(), ContainsSubstring("1 of 8 curves do not fall"));
}

TEST_CASE("memorization law: every option changes something", "[fit][memorization_law]") {
  const std::vector<TruncatedCurve> curves{pytorch_curve("mlp_K500_s0.csv", 500),
                                           pytorch_curve("mlp_K2000_s0.csv", 2000)};
  const auto base = fit::fit_memorization_law(curves);
  const auto nu = [&](const fit::MemorizationLawOptions& options) {
    return *fit::fit_memorization_law(curves, options).law.exponent.value;
  };
  CHECK(std::abs(nu({.top_level = 0.1}) - *base.law.exponent.value) > 1e-6);
  CHECK(std::abs(nu({.n_levels = 12}) - *base.law.exponent.value) > 1e-8);
  CHECK(fit::fit_memorization_law(curves, {.max_collapse_residual = 1e-6}).treatment == TruncationTreatment::truncated);
  CHECK(fit::fit_memorization_law(curves, {.power_law = {.use_tails = false}}).law.scenarios.size() == 1);
}

TEST_CASE("memorization law: too few curves are an outcome", "[fit][memorization_law]") {
  const auto none = fit::fit_memorization_law({});
  CHECK(none.law.outcome == fit::PowerLawOutcome::no_points);
  CHECK(none.infinity.empty());

  const std::vector<TruncatedCurve> one{{500, family_p(50, 1.5, 5000, 60), {110.0, 105.0, 120.0}}};
  const auto single = fit::fit_memorization_law(one);
  CHECK(single.law.outcome == fit::PowerLawOutcome::one_level);
  CHECK(single.treatment == TruncationTreatment::single_curve);
  CHECK_FALSE(single.law.exponent.value);
  CHECK_THAT(*single.infinity[0].value, WithinRel(110.0, 1e-15));

  const std::vector<TruncatedCurve> same{one[0], {500, family_p(52, 1.5, 5000, 60), {}}};
  CHECK(fit::fit_memorization_law(same).law.outcome == fit::PowerLawOutcome::one_level);
}

TEST_CASE("memorization law: rising and flat curves are not followed into nonsense",
          "[fit][memorization_law][limits]") {
  const std::vector<TruncatedCurve> odd{{100, Curve({0, 1, 2, 3}, {0.5, 0.51, 0.52, 0.53}), {}},
                                        {200, Curve({0, 1, 2, 3}, {0.5, 0.5, 0.5, 0.5}), {}},
                                        {400, Curve({0, 1, 2, 3}, {0.5, 0.1, 0.2, 0.1}), {}},
                                        {800, Curve({1, 2, 3}, {0.2, 0.1, 0.05}), {}}};
  const auto fit = fit::fit_memorization_law(odd);
  CHECK(std::isfinite(*fit.law.exponent.value));
  CHECK(std::isfinite(*fit.law.exponent.low));
  // Two samples per curve, jumping over every level at once.
  const std::vector<TruncatedCurve> jumps{{100, Curve({0, 1}, {0.5, 1e-9}), {}}, {200, Curve({0, 2}, {0.5, 1e-9}), {}}};
  const auto jump = fit::fit_memorization_law(jumps);
  CHECK_THAT(*jump.law.exponent.value, WithinAbs(1.0, 1e-6));
}

TEST_CASE("memorization law: bad input names the curve and the field", "[fit][memorization_law][errors]") {
  const Curve good = family_p(50, 1.5, 5000, 20);
  const auto fit_of = [](const TruncatedCurve& bad) {
    return fit::fit_memorization_law(std::vector<TruncatedCurve>{bad});
  };
  REQUIRE_THROWS_WITH(fit_of({0, good, {}}), "curves[0].n_items: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(fit_of({10, Curve({0, 1}, {0.5, 0}), {}}), "curves[0].c1[1]: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(fit_of({10, Curve({-1, 1}, {0.5, 0.4}), {}}), "curves[0].c1: expected times from 0 on, got -1");
  REQUIRE_THROWS_WITH(fit_of({10, good, {1.0, {}, {}}}),
                      StartsWith("curves[0].infinity: expected at least the measured integral"));
  REQUIRE_THROWS_WITH(fit_of({10, good, {200.0, {}, std::numeric_limits<double>::infinity()}}),
                      "curves[0].infinity: expected positive finite numbers, got inf");
  REQUIRE_THROWS_WITH(fit::fit_memorization_law({}, {.top_level = 0.5}),
                      "top_level: expected a number in (0, 0.5), got 0.5");
  REQUIRE_THROWS_WITH(fit::fit_memorization_law({}, {.n_levels = 3}),
                      "n_levels: expected a count from 8 to 10000, got 3");
  REQUIRE_THROWS_WITH(fit::fit_memorization_law({}, {.max_collapse_residual = -1}),
                      "max_collapse_residual: expected zero or a positive number, got -1");
  REQUIRE_THROWS_WITH(fit::fit_memorization_law({}, {.power_law = {.assumed_run_sd = -1}}),
                      "assumed_run_sd: expected a positive finite number, got -1");
}
