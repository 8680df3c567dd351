#include "iclk/theory/balanced.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <optional>

#include "iclk/core/error.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::BalancedAcquisition;
using theory::BalancedCount;
using theory::BalancedOutcome;
using theory::FlowState;

namespace {

constexpr double kTolerance = 1e-12;  // of closed forms and quadratures
constexpr double kOdeTolerance = 1e-8;

}  // namespace

TEST_CASE("balanced contexts: every row of the reference table", "[theory][eq9]") {
  const Table table = read_table("balanced_flow.csv");
  REQUIRE(table.rows() == 88);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const FlowState start{table.number(i, "w0"), table.number(i, "beta0")};
    const BalancedAcquisition result = theory::balanced_acquisition(start);
    REQUIRE_THAT(*result.energy, WithinRel(table.number(i, "H"), kTolerance));
    REQUIRE_THAT(theory::balanced_energy(start), WithinRel(table.number(i, "H"), kTolerance));
    REQUIRE_THAT(*result.w_separatrix, WithinRel(table.number(i, "w_separatrix"), kTolerance));
    REQUIRE_THAT(theory::balanced_separatrix(start.beta), WithinRel(table.number(i, "w_separatrix"), kTolerance));
    const bool acquired = table.number(i, "to_icl") > 0.5;
    REQUIRE(result.outcome == (acquired ? BalancedOutcome::acquired : BalancedOutcome::other_basin));
    REQUIRE(result.beta_turn.has_value() == !std::isnan(table.number(i, "beta_turn")));
    if (result.beta_turn) REQUIRE_THAT(*result.beta_turn, WithinRel(table.number(i, "beta_turn"), kTolerance));
    REQUIRE(result.s_blow.has_value() == acquired);
    if (result.s_blow) REQUIRE_THAT(*result.s_blow, WithinRel(table.number(i, "s_blow"), kTolerance));
  }
}

// Quadratures of 40 digits in other variables than the program's (exp(-beta) under the integral above H = -1, w below
// it), with the range cut at each power of ten around the saddle; at beta0 = 300 the limit exp(-beta0) R(w0).
TEST_CASE("balanced contexts: next to the separatrix and far from it", "[theory][eq9][limits]") {
  const Table table = read_table("balanced_far.csv");
  REQUIRE(table.rows() == 15);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const FlowState start{table.number(i, "w0"), table.number(i, "beta0")};
    const BalancedAcquisition result = theory::balanced_acquisition(start);
    REQUIRE(result.outcome == BalancedOutcome::acquired);
    REQUIRE_THAT(*result.w_separatrix, WithinRel(table.number(i, "w_separatrix"), kTolerance));
    REQUIRE_THAT(*result.s_blow, WithinRel(table.number(i, "s_blow"), kTolerance));
    REQUIRE(result.beta_turn.has_value() == !std::isnan(table.number(i, "beta_turn")));
    if (result.beta_turn) REQUIRE_THAT(*result.beta_turn, WithinRel(table.number(i, "beta_turn"), kTolerance));
  }
}

TEST_CASE("balanced contexts: the time grows as a logarithm next to the separatrix", "[theory][eq9][limits][order]") {
  // Ten times closer costs ln 10 on each of the two passages: w - w_sep grows as exp(s) near the saddle.
  const double edge = theory::balanced_separatrix(-0.4);
  const auto time = [&](double gap) { return *theory::balanced_acquisition({edge + gap, -0.4}).s_blow; };
  for (const double gap : {1e-6, 1e-8, 1e-10}) {
    REQUIRE_THAT(time(0.1 * gap) - time(gap), WithinAbs(std::numbers::ln10, 1e-4));
  }
  const BalancedAcquisition resting = theory::balanced_acquisition({0.0, 0.0});
  REQUIRE(resting.outcome == BalancedOutcome::separatrix);
  REQUIRE_FALSE(resting.s_blow.has_value());
  REQUIRE_THAT(*resting.energy, WithinRel(-1.0, 1e-15));
}

TEST_CASE("balanced contexts: counting the target moves the saddle to exp beta = 2", "[theory][eq9][identity]") {
  constexpr auto kTarget = BalancedCount::exemplars_and_target;
  REQUIRE_THAT(theory::balanced_saddle(kTarget), WithinRel(std::log(2.0), 1e-15));
  REQUIRE_THAT(theory::balanced_separatrix(std::log(2.0), kTarget), WithinAbs(0.0, 1e-15));
  // The origin, which rests under Eq. 9, falls into the other basin.
  REQUIRE(theory::balanced_acquisition({0.0, 0.0}, kTarget).outcome == BalancedOutcome::other_basin);
  // w' = q - 2 is Eq. 9 in beta - ln 2, twice as fast.
  for (const double w0 : {-0.3, 0.0, 0.8}) {
    const BalancedAcquisition shifted = theory::balanced_acquisition({w0, 1.0 + std::log(2.0)}, kTarget);
    const BalancedAcquisition plain = theory::balanced_acquisition({w0, 1.0});
    REQUIRE(shifted.outcome == plain.outcome);
    REQUIRE_THAT(*shifted.s_blow, WithinRel(0.5 * *plain.s_blow, 1e-12));
    REQUIRE_THAT(theory::balanced_energy({w0, 1.0 + std::log(2.0)}, kTarget),
                 WithinRel(theory::balanced_energy({w0, 1.0}), 1e-14));
    if (plain.beta_turn) REQUIRE_THAT(*shifted.beta_turn, WithinRel(*plain.beta_turn + std::log(2.0), 1e-13));
  }
  REQUIRE(name(kTarget) == "exemplars_and_target");
  REQUIRE(name(BalancedCount::exemplars) == "exemplars");
}

TEST_CASE("balanced contexts: every row of the table of basin probabilities", "[theory][eq9]") {
  const Table table = read_table("balanced_basin_probability.csv");
  REQUIRE(table.rows() == 7);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const double p = theory::balanced_basin_probability({.beta0_mean = table.number(i, "mu_beta"),
                                                         .beta0_sd = table.number(i, "sigma_beta"),
                                                         .w0_sd = table.number(i, "sigma_w")});
    REQUIRE_THAT(p, WithinRel(table.number(i, "P_to_icl"), kTolerance));
  }
}

TEST_CASE("balanced contexts: basin probabilities at the far ends", "[theory][eq9][limits]") {
  const auto upper_tail = [](double x) { return 0.5 * std::erfc(x / std::numbers::sqrt2); };
  // One spread alone: a normal tail.
  REQUIRE_THAT(theory::balanced_basin_probability({.beta0_mean = 0.4, .beta0_sd = 0.0, .w0_sd = 0.3}),
               WithinRel(upper_tail(theory::balanced_separatrix(0.4) / 0.3), 1e-14));
  REQUIRE_THAT(theory::balanced_basin_probability({.beta0_mean = -0.4, .beta0_sd = 0.2, .w0_sd = 0.0}),
               WithinRel(upper_tail(2.0), 1e-14));
  REQUIRE_THAT(theory::balanced_basin_probability({.beta0_mean = -0.4, .beta0_sd = 0.2, .w0_sd = 1e-9}),
               WithinRel(upper_tail(2.0), 1e-8));
  REQUIRE_THAT(theory::balanced_basin_probability({.beta0_mean = -0.4, .beta0_sd = 1e-9, .w0_sd = 0.3}),
               WithinRel(upper_tail(theory::balanced_separatrix(-0.4) / 0.3), 1e-8));
  REQUIRE_THAT(theory::balanced_basin_probability({.beta0_mean = 0.4, .beta0_sd = 0.0, .w0_sd = 0.0}),
               WithinAbs(1.0, 0.0));
  REQUIRE_THAT(theory::balanced_basin_probability({.beta0_mean = -0.4, .beta0_sd = 0.0, .w0_sd = 0.0}),
               WithinAbs(0.0, 0.0));
  // Small spreads: the separatrix is a straight line through the saddle, w = -beta.
  REQUIRE_THAT(
      theory::balanced_basin_probability({.beta0_mean = 1e-4, .beta0_sd = 3e-4, .w0_mean = -2e-4, .w0_sd = 4e-4}),
      WithinRel(upper_tail(0.2), 1e-3));
  // The released code's count: starts around zero are lost more often.
  const theory::StartSpread spread{.beta0_sd = 0.24, .w0_sd = 0.1};
  REQUIRE(theory::balanced_basin_probability(spread, BalancedCount::exemplars_and_target) < 0.01);
  REQUIRE(theory::balanced_basin_probability(spread) > 0.49);
}

TEST_CASE("partial balance: every row of the reference table", "[theory][eq7][eq8][eq9]") {
  const Table table = read_table("partial_balance_flow.csv");
  REQUIRE(table.rows() == 25);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const FlowState start{table.number(i, "w0"), table.number(i, "beta0")};
    const BalancedAcquisition result =
        theory::partial_balance_acquisition(start, {.v = table.number(i, "v"), .c2 = table.number(i, "c2")});
    const bool acquired = table.number(i, "to_icl") > 0.5;
    REQUIRE(result.outcome == (acquired ? BalancedOutcome::acquired : BalancedOutcome::other_basin));
    REQUIRE(result.s_blow.has_value() == acquired);
    if (result.s_blow) REQUIRE_THAT(*result.s_blow, WithinRel(table.number(i, "s_blow"), kOdeTolerance));
  }
}

TEST_CASE("partial balance: v = 0 and v = 1 are the two solved flows", "[theory][eq7][eq8][eq9][limits]") {
  const FlowState start{-0.3, 0.6};
  const BalancedAcquisition balanced = theory::partial_balance_acquisition(start, {.v = 0.0});
  REQUIRE_THAT(*balanced.s_blow, WithinRel(*theory::balanced_acquisition(start).s_blow, 1e-15));
  const BalancedAcquisition independent = theory::partial_balance_acquisition(start, {.v = 1.0, .c2 = 0.7});
  REQUIRE_THAT(*independent.s_blow, WithinRel(theory::acquisition_integral_exact(100, 0.6, -0.3, 0.7) / 200.0, 1e-14));
  // The integration between them tends to both; without damping it is the quadrature around the shifted saddle.
  const auto s_blow = [&](double v, double c2) {
    return *theory::partial_balance_acquisition(start, {.v = v, .c2 = c2}, {.rel_tol = 1e-12}).s_blow;
  };
  REQUIRE_THAT(s_blow(1e-9, 0.7), WithinRel(*balanced.s_blow, 1e-8));
  REQUIRE_THAT(s_blow(1.0 - 1e-9, 0.7), WithinRel(*independent.s_blow, 1e-8));
  REQUIRE_THAT(s_blow(0.3, 1e-10), WithinRel(s_blow(0.3, 0.0), 1e-9));
  const double turn = *theory::partial_balance_acquisition(start, {.v = 0.3, .c2 = 1e-10}).beta_turn;
  REQUIRE_THAT(turn, WithinRel(*theory::partial_balance_acquisition(start, {.v = 0.3, .c2 = 0.0}).beta_turn, 1e-8));
  REQUIRE(independent.beta_turn.has_value());
  REQUIRE(*independent.beta_turn < 0.6);
}

TEST_CASE("partial balance: the saddle and the starts on either side of it", "[theory][eq9]") {
  REQUIRE_THAT(*theory::partial_balance_saddle({.v = 0.2}), WithinRel(std::log(0.8), 1e-15));
  REQUIRE_THAT(*theory::partial_balance_saddle({.v = 0.2, .count = BalancedCount::exemplars_and_target}),
               WithinRel(std::log(1.6), 1e-14));
  REQUIRE_FALSE(theory::partial_balance_saddle({.v = 1.0}).has_value());
  const double saddle = std::log(0.8);
  const auto outcome = [&](double w0, double beta0) {
    return theory::partial_balance_acquisition({w0, beta0}, {.v = 0.2}).outcome;
  };
  REQUIRE(outcome(0.0, saddle + 1e-6) == BalancedOutcome::acquired);
  REQUIRE(outcome(0.0, saddle - 1e-6) == BalancedOutcome::other_basin);
  // The origin of Eq. 9 itself goes to in-context learning for any v > 0.
  for (const double v : {1e-6, 0.01, 0.5}) {
    REQUIRE(theory::partial_balance_acquisition({0.0, 0.0}, {.v = v}).outcome == BalancedOutcome::acquired);
  }
  // A rise that turns around below the saddle.
  const BalancedAcquisition turned = theory::partial_balance_acquisition({0.3, -1.0}, {.v = 0.2});
  REQUIRE(turned.outcome == BalancedOutcome::other_basin);
  REQUIRE(*turned.beta_turn > -1.0);
  REQUIRE(*turned.beta_turn < saddle);
}

TEST_CASE("partial balance: requested against achieved accuracy", "[theory][eq9][order]") {
  const FlowState start{-0.3, 0.3};
  const auto s_blow = [&](double tol) {
    return *theory::partial_balance_acquisition(start, {.v = 0.25}, {.rel_tol = tol}).s_blow;
  };
  const double best = s_blow(1e-13);
  for (const double tol : {1e-6, 1e-8, 1e-10}) {
    INFO("tolerance " << tol);
    REQUIRE_THAT(s_blow(tol), WithinRel(best, 10.0 * tol));
  }
}

TEST_CASE("balanced contexts: impossible arguments and named outcomes", "[theory][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  REQUIRE_THROWS_WITH(theory::balanced_acquisition({nan, 0.0}), "w0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::balanced_acquisition({0.0, nan}), "beta0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::balanced_energy({nan, 0.0}), "w: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::balanced_energy({0.0, nan}), "beta: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::balanced_separatrix(nan), "beta: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::balanced_basin_probability({.beta0_mean = nan}),
                      "beta0_mean: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::balanced_basin_probability({.beta0_sd = -1.0}),
                      "beta0_sd: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(theory::balanced_basin_probability({.w0_mean = nan}),
                      "w0_mean: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::balanced_basin_probability({.w0_sd = -0.5}),
                      "w0_sd: expected a number that is not negative, got -0.5");
  REQUIRE_THROWS_WITH(theory::partial_balance_acquisition({}, {.v = 1.5}), "v: expected a number in [0, 1], got 1.5");
  REQUIRE_THROWS_WITH(theory::partial_balance_acquisition({}, {.c2 = nan}), "c2: expected a number in [0, 1], got nan");
  REQUIRE_THROWS_WITH(theory::partial_balance_acquisition({nan, 0.0}, {}), "w0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::partial_balance_acquisition({0.0, nan}, {}), "beta0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::partial_balance_acquisition({}, {}, {.rel_tol = 1.0}),
                      "rel_tol: expected a number in [1e-14, 1e-2], got 1");
  REQUIRE_THROWS_WITH(theory::partial_balance_acquisition({}, {}, {.max_steps = 0}),
                      "max_steps: expected at least 1, got 0");
  const BalancedAcquisition stopped = theory::partial_balance_acquisition({0.0, 0.0}, {}, {.max_steps = 3});
  REQUIRE(stopped.outcome == BalancedOutcome::step_limit);
  REQUIRE_FALSE(stopped.s_blow.has_value());
  REQUIRE(theory::partial_balance_acquisition({0.0, 800.0}, {}).outcome == BalancedOutcome::not_finite);
  REQUIRE(name(BalancedOutcome::separatrix) == "separatrix");
  REQUIRE(name(BalancedOutcome::other_basin) == "other_basin");
}
