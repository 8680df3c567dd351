#include "iclk/theory/gradient_flow.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <tuple>

#include "golden_curves.hpp"
#include "iclk/core/error.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::FlowOutcome;

namespace {

constexpr double kTolerance = 1e-8;  // of every integrated number in the reference tables

theory::OrderParameterFunctions functions_of(const Family& family, bool closure) {
  const auto c1 = [family](double t) { return family.c1(t); };
  return {c1, closure ? std::function<double(double)>([c1](double t) { return 1.0 - c1(t); })
                      : std::function<double(double)>([](double) { return 0.5; })};
}

Family family_of(const Table& table, std::size_t row, double horizon) {
  const std::string& letter = table.text(row, "family");
  return family_of_row(letter, letter == "P" ? table.number(row, "p") : 0.0, horizon);
}

}  // namespace

TEST_CASE("flow: blow-up and crossings for constant order parameters", "[theory][eq7][eq8][eq31][eq32]") {
  const Table table = read_table("acq_cross_const.csv");
  REQUIRE(table.rows() == 360);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double n = table.number(i, "N");
    const double c1 = table.number(i, "c1");
    const double c2 = table.number(i, "c2");
    const theory::FlowState start{table.number(i, "w0"), table.number(i, "beta0")};
    INFO("row " << i);
    const auto crossing = theory::integrate_flow(start, n, c1, c2, {.beta_acquired = table.number(i, "beta_cross")});
    REQUIRE(crossing.outcome == FlowOutcome::acquired);
    REQUIRE_THAT(*crossing.t_icl, WithinRel(table.number(i, "t_cross"), kTolerance));
    REQUIRE_THAT(crossing.final_state.w, WithinRel(table.number(i, "w_cross"), kTolerance));
    REQUIRE_THAT(crossing.integral, WithinRel(2.0 * c1 * *crossing.t_icl, kTolerance));
    if (i % 3 != 0) continue;  // three crossings per case share one blow-up
    const auto blow_up = theory::integrate_flow(start, n, c1, c2);
    REQUIRE(blow_up.outcome == FlowOutcome::acquired);
    REQUIRE_THAT(*blow_up.t_icl, WithinRel(table.number(i, "t_blow"), kTolerance));
  }
}

// Towards the blow-up beta changes by 1e3 times the relative change of t: at 0.999 of it 1e-8 in beta takes 1e-11 in t.
TEST_CASE("flow: trajectories and their invariant for constant order parameters", "[theory][eq7][eq8][identity]") {
  const Table table = read_table("acq_trajectory_const.csv");
  REQUIRE(table.rows() == 42);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double c2 = table.number(i, "c2");
    INFO("row " << i);
    const auto result =
        theory::integrate_flow({table.number(i, "w0"), table.number(i, "beta0")}, table.number(i, "N"),
                               table.number(i, "c1"), c2, {.rel_tol = 1e-12, .t_max = table.number(i, "t")});
    REQUIRE(result.outcome == FlowOutcome::reached_t_max);
    REQUIRE_FALSE(result.t_icl.has_value());
    REQUIRE_THAT(result.final_time, WithinRel(table.number(i, "t"), 1e-15));
    const auto [w, beta] = result.final_state;
    REQUIRE_THAT(w, WithinRel(table.number(i, "w"), kTolerance));
    REQUIRE_THAT(beta, WithinRel(table.number(i, "beta"), kTolerance));
    const double z = w - c2 * std::exp(-beta);
    const double invariant =
        std::exp(beta - 0.5 * z * z) - c2 * std::sqrt(0.5 * std::numbers::pi) * std::erf(z / std::numbers::sqrt2);
    REQUIRE_THAT(invariant, WithinRel(table.number(i, "invariant_J"), 1e-7));
  }
}

TEST_CASE("flow: order parameters that change with time", "[theory][eq7][eq8]") {
  const Table table = read_table("acq_timevarying.csv");
  REQUIRE(table.rows() == 30);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const Family family = family_of(table, i, table.number(i, "T"));
    const double n = table.number(i, "N");
    const theory::FlowState start{table.number(i, "w0"), table.number(i, "beta0")};
    const auto functions = functions_of(family, table.text(i, "c2_mode") == "hom");
    INFO("row " << i);
    const auto result = theory::integrate_flow(start, n, functions);
    if (table.number(i, "acquired") > 0.5) {
      REQUIRE(result.outcome == FlowOutcome::acquired);
      REQUIRE_THAT(*result.t_icl, WithinRel(table.number(i, "t_blow"), kTolerance));
      REQUIRE_THAT(result.integral, WithinRel(table.number(i, "I_at_blow"), kTolerance));
      const auto crossing = theory::integrate_flow(start, n, functions, {.beta_acquired = std::log(n)});
      REQUIRE_THAT(*crossing.t_icl, WithinRel(table.number(i, "t_cross_lnN"), kTolerance));
      REQUIRE_THAT(crossing.final_state.w, WithinRel(table.number(i, "w_cross_lnN"), kTolerance));
    } else {
      REQUIRE(result.outcome == FlowOutcome::reached_t_max);
      REQUIRE_FALSE(result.t_icl.has_value());
      REQUIRE_THAT(result.final_state.w, WithinRel(table.number(i, "w_limit"), kTolerance));
      REQUIRE_THAT(result.final_state.beta, WithinRel(table.number(i, "beta_limit"), kTolerance));
      REQUIRE_THAT(result.integral, WithinRel(table.number(i, "I_inf"), kTolerance));
    }
  }
}

TEST_CASE("flow: the critical horizon separates acquisition from memorization", "[theory][eq7][eq8][eq10][eq12]") {
  const Table table = read_table("acq_critical.csv");
  REQUIRE(table.rows() == 22);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double n = table.number(i, "N");
    const theory::FlowState start{table.number(i, "w0"), table.number(i, "beta0")};
    const bool closure = table.text(i, "c2_mode") == "hom";
    const double critical = table.number(i, "T_crit");
    INFO("row " << i);
    const auto outcome_at = [&](double horizon) {
      return theory::integrate_flow(start, n, functions_of(family_of(table, i, horizon), closure)).outcome;
    };
    REQUIRE(outcome_at(critical * (1.0 + kTolerance)) == FlowOutcome::acquired);
    REQUIRE(outcome_at(critical * (1.0 - kTolerance)) == FlowOutcome::reached_t_max);
    REQUIRE_THAT(theory::acquisition_integral_leading(n, start.beta), WithinRel(table.number(i, "X_eq10"), 1e-12));
    if (!closure) {  // constant c2: the closed form is the threshold itself
      const double exact = theory::acquisition_integral_exact(n, start.beta, start.w, 0.5);
      REQUIRE_THAT(exact, WithinRel(table.number(i, "I_inf_crit"), 1e-12));
      REQUIRE_THAT(exact / theory::acquisition_integral_leading(n, start.beta),
                   WithinRel(table.number(i, "ratio"), 1e-12));
    }
  }
}

TEST_CASE("flow: the achieved error follows the requested tolerance", "[theory][eq7][eq8][order]") {
  for (double beta0 : {0.0, -2.0, -4.0, 3.0, 12.0}) {
    for (double w0 : {0.0, -0.5, 2.0}) {
      const double exact = theory::acquisition_integral_exact(100, beta0, w0, 0.5);
      double last_error = 1.0;
      int last_steps = 0;
      for (double tolerance : {1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12}) {
        const auto result =
            theory::integrate_flow({w0, beta0}, 100, 0.5, 0.5, {.rel_tol = tolerance, .abs_tol = 1e-2 * tolerance});
        const double error = std::abs(*result.t_icl / exact - 1.0);
        INFO("beta0 = " << beta0 << ", w0 = " << w0 << ", requested " << tolerance << ", achieved " << error);
        REQUIRE(error < 3.0 * tolerance + 1e-14);
        REQUIRE(result.steps > last_steps);
        last_error = error;
        last_steps = result.steps;
      }
      REQUIRE(last_error < 1e-11);
    }
  }
}

TEST_CASE("flow: tenfold the steps buy five digits", "[theory][eq7][eq8][order]") {
  // Error against number of steps over the range where neither rounding nor the first few steps matter.
  const auto run = [](double tolerance) {
    const auto result =
        theory::integrate_flow({0.0, -2.0}, 100, 0.5, 0.5, {.rel_tol = tolerance, .abs_tol = 1e-2 * tolerance});
    const double exact = theory::acquisition_integral_exact(100, -2.0, 0.0, 0.5);
    return std::pair{std::log(std::abs(*result.t_icl / exact - 1.0)), std::log(result.steps)};
  };
  const auto [coarse_error, coarse_steps] = run(1e-7);
  const auto [fine_error, fine_steps] = run(1e-11);
  const double order = (coarse_error - fine_error) / (fine_steps - coarse_steps);
  REQUIRE(order > 4.5);
  REQUIRE(order < 5.8);
}

TEST_CASE("flow: extreme starts against the closed form", "[theory][eq7][eq8][limits]") {
  for (const auto& [w0, beta0, c2] :
       {std::tuple{0.0, 40.0, 0.5}, std::tuple{5.0, 1.0, 1.0}, std::tuple{-5.0, 0.0, 0.1}, std::tuple{-8.0, 1.0, 0.0},
        std::tuple{0.0, 300.0, 1.0}, std::tuple{3.0, -3.0, 0.9}, std::tuple{0.0, -6.0, 1.0},
        std::tuple{0.0, -10.0, 0.5}, std::tuple{-20.0, -10.0, 1.0}, std::tuple{0.0, -15.0, 0.5}}) {
    INFO("w0 = " << w0 << ", beta0 = " << beta0 << ", c2 = " << c2);
    const auto result = theory::integrate_flow({w0, beta0}, 100, 0.5, c2);
    REQUIRE(result.outcome == FlowOutcome::acquired);
    REQUIRE_THAT(*result.t_icl, WithinRel(theory::acquisition_integral_exact(100, beta0, w0, c2), kTolerance));
    REQUIRE(result.steps < 50'000);  // w is tied to its nullcline: explicit steps would be of the order of kappa^2
  }
}

TEST_CASE("flow: c1 enters through its integral only", "[theory][eq10][identity]") {
  // Constant c2: with any c1(t) the blow-up comes when I_K(t) reaches the same number.
  const double exact = theory::acquisition_integral_exact(100, 0.2, -0.3, 0.5);
  for (const Family& family : {power_family(1.1, 300.0), exponential_family(900.0), logarithmic_family(1.5, 500.0)}) {
    const auto result = theory::integrate_flow({-0.3, 0.2}, 100, functions_of(family, false));
    INFO(family.name);
    REQUIRE(result.outcome == FlowOutcome::acquired);
    REQUIRE_THAT(family.horizon * family.integral(*result.t_icl / family.horizon), WithinRel(exact, kTolerance));
  }
}

TEST_CASE("flow: sampled curves converge to the functions they sample", "[theory][eq7][eq8]") {
  const Family family = power_family(1.5, 400.0);
  const double exact = 561.65328568294284;  // acq_timevarying.csv, row P 1.5 400 hom
  double last = 1.0;
  for (int n : {30, 60, 120, 240}) {
    const auto result = theory::integrate_flow({}, 100, sampled(family, 1e5, n, true));
    REQUIRE(result.outcome == FlowOutcome::acquired);
    const double error = std::abs(*result.t_icl / exact - 1.0);
    INFO(n << " samples: " << error);
    REQUIRE(error < last / 3.5);  // second order at least: the interpolant of a smooth curve
    last = error;
  }
  REQUIRE(last < 2e-6);
}

TEST_CASE("flow: a curve that starts late is continued back to time zero", "[theory][eq7]") {
  const OrderParameterCurves late{Curve({50.0, 400.0}, {0.5, 0.5}), Curve({50.0, 400.0}, {0.5, 0.5}), {}, false};
  const auto result = theory::integrate_flow({}, 100, late);
  REQUIRE_THAT(*result.t_icl, WithinRel(273.64433978384357, 1e-9));
}

TEST_CASE("flow: every ending is told apart", "[theory][eq7][eq8]") {
  const OrderParameterCurves curves{Curve({0.0, 100.0}, {0.5, 0.4}), Curve({0.0, 100.0}, {0.5, 0.6}), {}, false};
  const auto ended = theory::integrate_flow({}, 100, curves);
  REQUIRE(ended.outcome == FlowOutcome::curve_ended);
  REQUIRE_THAT(ended.final_time, WithinRel(100.0, 1e-15));
  REQUIRE_THAT(ended.integral, WithinRel(90.0, 1e-9));
  REQUIRE(theory::integrate_flow({}, 100, curves, {.t_max = 50.0}).outcome == FlowOutcome::reached_t_max);
  REQUIRE_THAT(theory::integrate_flow({}, 100, curves, {.t_max = 50.0}).final_time, WithinRel(50.0, 1e-15));

  const auto limited = theory::integrate_flow({}, 100, 0.5, 0.5, {.max_steps = 5});
  REQUIRE(limited.outcome == FlowOutcome::step_limit);
  REQUIRE(limited.steps == 5);
  REQUIRE_FALSE(limited.t_icl.has_value());

  const auto broken = [](double bad) {
    const theory::OrderParameterFunctions functions{[bad](double t) { return t < 10.0 ? 0.5 : bad; },
                                                    [](double) { return 0.5; }};
    const auto result = theory::integrate_flow({}, 100, functions);
    return std::pair{result.outcome, result.final_time};
  };
  for (double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -0.1}) {
    const auto [outcome, time] = broken(bad);
    REQUIRE(outcome == FlowOutcome::not_finite);
    REQUIRE(time <= 10.0);
  }

  const auto already = theory::integrate_flow({.beta = 6.0}, 100, 0.5, 0.5, {.beta_acquired = 5.0});
  REQUIRE(already.outcome == FlowOutcome::acquired);
  REQUIRE(*already.t_icl == 0.0);

  for (FlowOutcome outcome : {FlowOutcome::acquired, FlowOutcome::reached_t_max, FlowOutcome::curve_ended,
                              FlowOutcome::step_limit, FlowOutcome::not_finite}) {
    REQUIRE_FALSE(theory::name(outcome).empty());
  }
}

TEST_CASE("flow: each option changes something", "[theory]") {
  const auto usual = theory::integrate_flow({}, 100, 0.5, 0.5);
  REQUIRE(usual.trajectory.empty());
  REQUIRE(theory::integrate_flow({}, 100, 0.5, 0.5, {.rel_tol = 1e-4}).steps < usual.steps);
  REQUIRE(theory::integrate_flow({}, 100, 0.5, 0.5, {.rel_tol = 1e-4, .abs_tol = 1e-2}).steps <
          theory::integrate_flow({}, 100, 0.5, 0.5, {.rel_tol = 1e-4}).steps);
  REQUIRE(*theory::integrate_flow({}, 100, 0.5, 0.5, {.beta_acquired = 3.0}).t_icl < *usual.t_icl);

  const auto recorded = theory::integrate_flow({}, 100, 0.5, 0.5, {.beta_acquired = 5.0, .record_trajectory = true});
  REQUIRE(recorded.trajectory.size() == static_cast<std::size_t>(recorded.steps) + 1);
  REQUIRE(recorded.trajectory.front().time == 0.0);
  REQUIRE_THAT(recorded.trajectory.back().state.beta, WithinRel(5.0, 1e-15));
  for (std::size_t i = 1; i < recorded.trajectory.size(); ++i) {
    REQUIRE(recorded.trajectory[i].time > recorded.trajectory[i - 1].time);
    REQUIRE_THAT(recorded.trajectory[i].integral, WithinRel(recorded.trajectory[i].time, 1e-9));
  }
}

TEST_CASE("flow: bad input is named", "[theory][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  using theory::integrate_flow;
  REQUIRE_THROWS_WITH(integrate_flow({}, 1, 0.5, 0.5), "context: expected a number of at least 2, got 1");
  REQUIRE_THROWS_WITH(integrate_flow({.w = nan}, 10, 0.5, 0.5), "w0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(integrate_flow({.beta = nan}, 10, 0.5, 0.5), "beta0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(integrate_flow({}, 10, 0.0, 0.5), "c1: expected a number in (0, 1], got 0");
  REQUIRE_THROWS_WITH(integrate_flow({}, 10, 0.5, -0.5), "c2: expected a number in [0, 1], got -0.5");
  REQUIRE_THROWS_WITH(integrate_flow({}, 10, theory::OrderParameterFunctions{}), "functions: expected both c1 and c2");
  REQUIRE_THROWS_WITH(integrate_flow({}, 10, 0.5, 0.5, {.rel_tol = 0.0}),
                      "rel_tol: expected a number in [1e-14, 1e-2], got 0");
  REQUIRE_THROWS_WITH(integrate_flow({}, 10, 0.5, 0.5, {.abs_tol = 0.0}), "abs_tol: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(integrate_flow({}, 10, 0.5, 0.5, {.t_max = nan}), "t_max: expected a positive number, got nan");
  REQUIRE_THROWS_WITH(integrate_flow({}, 10, 0.5, 0.5, {.beta_acquired = nan}),
                      "beta_acquired: expected a number, got nan");
  REQUIRE_THROWS_WITH(integrate_flow({}, 10, 0.5, 0.5, {.max_steps = 0}), "max_steps: expected at least 1, got 0");
  const OrderParameterCurves uneven{Curve({0.0, 1.0}, {0.5, 0.4}), Curve({0.0, 2.0}, {0.5, 0.4}), {}, false};
  REQUIRE_THROWS_WITH(integrate_flow({}, 10, uneven), "c2: expected the same times as c1");
  const OrderParameterCurves early{Curve({-1.0, 1.0}, {0.5, 0.4}), Curve({-1.0, 1.0}, {0.5, 0.4}), {}, false};
  REQUIRE_THROWS_WITH(integrate_flow({}, 10, early), "time: expected times that are not negative");
  const OrderParameterCurves zero{Curve({0.0, 1.0}, {0.5, 0.0}), Curve({0.0, 1.0}, {0.5, 0.4}), {}, false};
  REQUIRE_THROWS_WITH(integrate_flow({}, 10, zero), "c1: expected numbers in (0, 1], sample 1 is not");
  const OrderParameterCurves large{Curve({0.0, 1.0}, {0.5, 0.2}), Curve({0.0, 1.0}, {0.5, 1.4}), {}, false};
  REQUIRE_THROWS_WITH(integrate_flow({}, 10, large), "c2: expected numbers in (0, 1], sample 1 is not");
}
