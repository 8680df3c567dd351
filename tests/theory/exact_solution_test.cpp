#include "iclk/theory/exact_solution.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/memorization_integral.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::ExactFlow;
using theory::ExactOutcome;
using theory::FlowState;

namespace {

constexpr double kTolerance = 1e-12;  // of every closed form

/// What the last digits of the given time leave open in beta: a step of one unit in the last place of s.
double time_rounding(double s, const FlowState& state) {
  return 4e-16 * s * std::exp(state.beta) * (1.0 + std::abs(state.w));
}

/// t -> I_K for constant c1, as the golden tables use it.
double integral_of(double time, double c1) { return 2.0 * c1 * time; }

}  // namespace

TEST_CASE("exact solution: every row of the trajectory table", "[theory][eq31][eq32]") {
  const Table table = read_table("acq_trajectory_const.csv");
  REQUIRE(table.rows() == 42);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const double c1 = table.number(i, "c1");
    const ExactFlow flow{.n_context = table.number(i, "N"),
                         .initial = {table.number(i, "w0"), table.number(i, "beta0")},
                         .c2 = table.number(i, "c2")};
    const double integral = integral_of(table.number(i, "t"), c1);
    const theory::ExactState result = theory::exact_state(flow, integral);
    REQUIRE(result.outcome == ExactOutcome::before_blow_up);
    REQUIRE_THAT(result.state->w, WithinRel(table.number(i, "w"), kTolerance));
    REQUIRE_THAT(result.state->beta, WithinRel(table.number(i, "beta"), kTolerance));
    const double invariant = table.number(i, "invariant_J");
    REQUIRE_THAT(theory::exact_invariant(*result.state, flow.c2), WithinRel(invariant, kTolerance));
    REQUIRE_THAT(theory::exact_invariant(flow.initial, flow.c2), WithinRel(invariant, kTolerance));

    // The same point by its coordinate z.
    const double z = result.state->w - flow.c2 * std::exp(-result.state->beta);
    const theory::ExactPoint point = theory::exact_point(flow, z);
    REQUIRE_THAT(point.integral, WithinRel(integral, 1e-11));
    REQUIRE_THAT(point.state.beta, WithinRel(result.state->beta, 1e-11));
  }
}

TEST_CASE("exact solution: every row of the crossing table", "[theory][eq31][eq32]") {
  const Table table = read_table("acq_cross_const.csv");
  REQUIRE(table.rows() == 360);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const double c1 = table.number(i, "c1");
    const ExactFlow flow{.n_context = table.number(i, "N"),
                         .initial = {table.number(i, "w0"), table.number(i, "beta0")},
                         .c2 = table.number(i, "c2")};
    REQUIRE_THAT(theory::blow_up_integral(flow) / (2.0 * c1), WithinRel(table.number(i, "t_blow"), kTolerance));
    const theory::ExactCrossing crossing = theory::exact_crossing(flow, table.number(i, "beta_cross"));
    REQUIRE(crossing.outcome == ExactOutcome::before_blow_up);
    REQUIRE_THAT(crossing.integral / (2.0 * c1), WithinRel(table.number(i, "t_cross"), kTolerance));
    REQUIRE_THAT(crossing.state.w, WithinRel(table.number(i, "w_cross"), kTolerance));
  }
}

TEST_CASE("exact solution: the blow-up with L2 on w", "[theory][eq7][eq31]") {
  const Table table = read_table("acq_regularised.csv");
  std::size_t n_closed = 0;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    if (table.number(i, "lambda_beta") > 0.0) continue;
    ++n_closed;
    INFO("row " << i);
    const ExactFlow flow{.n_context = table.number(i, "N"),
                         .initial = {table.number(i, "w0"), table.number(i, "beta0")},
                         .c2 = table.number(i, "c2"),
                         .lambda_w = table.number(i, "lambda_w"),
                         .c1 = table.number(i, "c1")};
    const double time = theory::blow_up_integral(flow) / (2.0 * flow.c1);
    REQUIRE_THAT(time, WithinRel(table.number(i, "t_blow_closed"), kTolerance));
    REQUIRE_THAT(time, WithinRel(table.number(i, "t_blow"), 1e-8));
  }
  REQUIRE(n_closed == 9);
}

// 60 to 150 digits from an arbitrary-precision calculator; the time is read as the double it parses to. kappa goes from
// 1e-13 to 1e43, w0 from -20 to 40, c2 from 0 to what strong L2 makes of it.
TEST_CASE("exact solution: far ends of the start", "[theory][eq31][eq32][limits]") {
  const Table table = read_table("exact_state_far.csv");
  REQUIRE(table.rows() == 92);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double c2 = table.number(i, "c2");
    const double s = table.number(i, "s");
    // c2 > 1 through L2: N lambda_w/c1 = c2 - 1.
    ExactFlow flow{.n_context = 100.0,
                   .initial = {table.number(i, "w0"), table.number(i, "beta0")},
                   .c2 = std::min(c2, 1.0),
                   .lambda_w = std::max(0.0, c2 - 1.0) * 0.5 / 100.0,
                   .c1 = 0.5};
    INFO("row " << i);
    const theory::ExactState result = theory::exact_state(flow, 200.0 * s);
    REQUIRE(result.outcome == ExactOutcome::before_blow_up);
    const double open = time_rounding(s, *result.state);
    REQUIRE_THAT(result.state->beta,
                 WithinAbs(table.number(i, "beta"), kTolerance * (1.0 + std::abs(flow.initial.beta)) + open));
    const double w = table.number(i, "w");
    REQUIRE_THAT(result.state->w, WithinAbs(w, kTolerance * std::abs(w) + open));
  }
}

TEST_CASE("exact solution: first crossings at the far ends", "[theory][eq31][eq32][limits]") {
  const Table table = read_table("exact_crossing_far.csv");
  REQUIRE(table.rows() == 19);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double c2 = table.number(i, "c2");
    ExactFlow flow{.n_context = 100.0,
                   .initial = {table.number(i, "w0"), table.number(i, "beta0")},
                   .c2 = std::min(c2, 1.0),
                   .lambda_w = std::max(0.0, c2 - 1.0) * 0.5 / 100.0,
                   .c1 = 0.5};
    INFO("row " << i);
    const theory::ExactCrossing crossing = theory::exact_crossing(flow, table.number(i, "beta_cross"));
    REQUIRE(crossing.outcome == ExactOutcome::before_blow_up);
    REQUIRE_THAT(crossing.integral / 200.0, WithinRel(table.number(i, "s"), kTolerance));
    REQUIRE_THAT(crossing.state.w, WithinRel(table.number(i, "w"), kTolerance));
  }
}

TEST_CASE("exact solution: the coordinate z gives the same trajectory as I_K", "[theory][eq31][eq32][identity]") {
  for (const double beta0 : {-5.0, -1.0, 0.0, 2.0}) {
    for (const double w0 : {-8.0, -0.4, 0.0, 3.0}) {
      for (const double c2 : {0.0, 1e-7, 0.5, 1.0}) {
        const ExactFlow flow{.n_context = 50.0, .initial = {w0, beta0}, .c2 = c2, .rho = 0.7, .copies = 3.0};
        const double z0 = theory::start_coordinate(flow);
        const double blow_up = theory::blow_up_integral(flow);
        double last = 0.0;
        for (double z = z0 + 0.3; z < z0 + 12.0; z += 0.9) {
          INFO("beta0 = " << beta0 << ", w0 = " << w0 << ", c2 = " << c2 << ", z = " << z);
          const theory::ExactPoint point = theory::exact_point(flow, z);
          REQUIRE(point.integral > last);
          last = point.integral;
          if (point.integral > 0.999 * blow_up) break;
          const theory::ExactState by_time = theory::exact_state(flow, point.integral);
          REQUIRE(by_time.outcome == ExactOutcome::before_blow_up);
          REQUIRE_THAT(by_time.state->beta, WithinAbs(point.state.beta, 1e-10));
          REQUIRE_THAT(by_time.state->w, WithinAbs(point.state.w, 1e-10));
        }
        REQUIRE_THAT(theory::exact_point(flow, z0).integral, WithinAbs(0.0, 0.0));
      }
    }
  }
}

TEST_CASE("exact solution: it obeys Eqs. 7 and 8", "[theory][eq7][eq8][eq31][eq32][gradient]") {
  const ExactFlow flow{
      .n_context = 40.0, .initial = {-0.8, -0.6}, .c2 = 0.9, .rho = 0.6, .copies = 2.0, .lambda_w = 2e-3, .c1 = 0.3};
  const double blow_up = theory::blow_up_integral(flow);
  for (const double share : {0.05, 0.3, 0.6, 0.9}) {
    INFO("share " << share);
    const double time = share * blow_up / (2.0 * flow.c1);
    const double h = 1e-3;
    const auto at = [&](double t) { return *theory::exact_state(flow, integral_of(t, flow.c1)).state; };
    const FlowState here = at(time);
    const double n = flow.n_context;
    // Attention on B copies grows B-fold, and only in the share rho; the noise of B-fold items has B times the variance.
    const double dw =
        flow.c1 / n * flow.copies * (flow.rho * std::exp(here.beta) - flow.c2 * here.w) - flow.lambda_w * here.w;
    const double dbeta = flow.c1 / n * flow.copies * flow.rho * here.w * std::exp(here.beta);
    REQUIRE_THAT((at(time + h).w - at(time - h).w) / (2.0 * h), WithinAbs(dw, 1e-9));
    REQUIRE_THAT((at(time + h).beta - at(time - h).beta) / (2.0 * h), WithinAbs(dbeta, 1e-9));
  }
}

TEST_CASE("exact solution: any c1 of time enters through I_K only", "[theory][eq10][eq31]") {
  std::vector<double> times, c1;
  for (int i = 0; i <= 400; ++i) {
    times.push_back(2.0 * i);
    c1.push_back(0.5 / (1.0 + 2.0 * i / 300.0));
  }
  const Curve curve(times, c1);
  const ExactFlow flow{.n_context = 60.0, .initial = {0.2, -0.3}};
  const double time = 137.5;
  const FlowState on_curve = *theory::exact_state(flow, curve, time).state;
  const FlowState by_integral = *theory::exact_state(flow, theory::memorization_integral_at(curve, time)).state;
  REQUIRE_THAT(on_curve.beta, WithinRel(by_integral.beta, 1e-15));
  const std::optional<double> crossing = theory::exact_crossing_time(flow, curve, 2.0);
  REQUIRE(crossing.has_value());
  REQUIRE_THAT(theory::exact_state(flow, curve, *crossing).state->beta, WithinRel(2.0, 1e-11));
  REQUIRE_FALSE(theory::exact_crossing_time({.n_context = 1000.0}, curve, 2.0).has_value());  // the curve ends before
  REQUIRE_THROWS_WITH(theory::exact_crossing_time({.lambda_w = 0.1}, curve, 2.0),
                      "lambda_w: expected 0 with a measured c1, as the closed form needs a constant one, got 0.1");
  REQUIRE_THROWS_WITH(theory::exact_state({.lambda_w = 0.1}, curve, 2.0),
                      "lambda_w: expected 0 with a measured c1, as the closed form needs a constant one, got 0.1");
}

TEST_CASE("exact solution: share of copies and repeated items", "[theory][eq7][eq31]") {
  const ExactFlow plain{.n_context = 100.0, .initial = {0.1, -0.2}};
  ExactFlow repeated = plain;
  repeated.copies = 4.0;
  REQUIRE_THAT(theory::blow_up_integral(repeated), WithinRel(theory::blow_up_integral(plain) / 4.0, 1e-15));
  ExactFlow rare = plain;
  rare.rho = 0.25;
  REQUIRE_THAT(theory::effective_c2(rare), WithinRel(2.0, 1e-15));
  // Four times slower, and damped four times as much: kappa = 2.
  const double kappa = 2.0 * std::exp(0.2);
  const double s = std::log1p(kappa * theory::mills_ratio(0.1 - kappa)) / 2.0;
  REQUIRE_THAT(theory::blow_up_integral(rare), WithinRel(2.0 * 100.0 / 0.25 * s, 1e-14));
  REQUIRE_THAT(theory::blow_up_integral(plain),
               WithinRel(theory::acquisition_integral_exact(100, -0.2, 0.1, 0.5), 1e-15));
}

TEST_CASE("exact solution: series for small and for large kappa", "[theory][eq34][eq35][eq37][limits][order]") {
  for (const double w0 : {-1.5, 0.0, 0.7}) {
    INFO("w0 = " << w0);
    const auto error = [&](double kappa, int order) {
      const ExactFlow flow{.n_context = 30.0, .initial = {w0, -std::log(kappa)}, .c2 = 1.0};
      return theory::blow_up_integral_small_kappa(flow, order) / theory::blow_up_integral(flow) - 1.0;
    };
    // Each order gains a factor of kappa: halving it divides the error by 2, 4, 8.
    for (int order = 0; order <= 2; ++order) {
      INFO("order " << order);
      REQUIRE_THAT(error(2e-3, order) / error(1e-3, order), WithinRel(std::pow(2.0, order + 1), 0.01));
    }
  }
  const ExactFlow undamped{.n_context = 30.0, .initial = {-0.4, 0.3}, .c2 = 0.0};
  REQUIRE_THAT(theory::blow_up_integral_small_kappa(undamped, 2),
               WithinRel(theory::acquisition_integral(30, 0.3, -0.4), 1e-15));
  for (const double beta0 : {-3.0, -4.0, -8.0, -100.0}) {
    const ExactFlow flow{.n_context = 30.0, .initial = {-1.0, beta0}, .c2 = 0.5};
    const double x = 0.5 * std::exp(-beta0) + 1.0;
    REQUIRE_THAT(theory::blow_up_integral_large_kappa(flow),
                 WithinRel(theory::blow_up_integral(flow), 1e-14 + std::exp(-0.5 * x * x)));
  }
  REQUIRE_THROWS_WITH(theory::blow_up_integral_small_kappa(undamped, 3), "order: expected 0, 1 or 2, got 3");
}

TEST_CASE("exact solution: past the blow-up there is no state", "[theory][limits]") {
  const ExactFlow flow{.n_context = 100.0};
  const double blow_up = theory::blow_up_integral(flow);
  REQUIRE(theory::exact_state(flow, 1.0001 * blow_up).outcome == ExactOutcome::blown_up);
  REQUIRE_FALSE(theory::exact_state(flow, 1.0001 * blow_up).state.has_value());
  REQUIRE(theory::exact_state(flow, std::numeric_limits<double>::infinity()).outcome == ExactOutcome::blown_up);
  REQUIRE_THAT(theory::exact_state(flow, 0.0).state->beta, WithinAbs(0.0, 0.0));
  const ExactFlow hopeless{.n_context = 100.0, .initial = {0.0, -400.0}};
  REQUIRE(theory::exact_state(hopeless, 1.0).outcome == ExactOutcome::beyond_range);
  REQUIRE(theory::exact_crossing(hopeless, 1.0).outcome == ExactOutcome::beyond_range);
  REQUIRE(std::isinf(theory::blow_up_integral(hopeless)));
  REQUIRE_THROWS_WITH(theory::exact_point(hopeless, 1.0),
                      "beta0: exp(-2 beta0) exceeds the range of floating-point numbers");
  REQUIRE(name(ExactOutcome::beyond_range) == "beyond_range");
  // Starts above the asked beta cross it at once.
  REQUIRE_THAT(theory::exact_crossing(flow, -1.0).integral, WithinAbs(0.0, 0.0));
}

TEST_CASE("decay on beta: every row of the threshold table", "[theory][eq7][eq8]") {
  const Table table = read_table("regularised_threshold.csv");
  REQUIRE(table.rows() == 30);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const theory::DecayedFlow flow{table.number(i, "N"), table.number(i, "c1"), table.number(i, "c2"),
                                   table.number(i, "lambda_w"), table.number(i, "lambda_beta")};
    const ExactFlow damped{.n_context = flow.n_context, .c2 = flow.c2, .lambda_w = flow.lambda_w, .c1 = flow.c1};
    REQUIRE_THAT(theory::effective_c2(damped), WithinRel(table.number(i, "c2_effective"), kTolerance));
    REQUIRE_THAT(theory::critical_lambda_beta(flow), WithinRel(table.number(i, "lambda_beta_crit"), kTolerance));
    REQUIRE_THAT(theory::critical_equal_lambda(flow), WithinRel(table.number(i, "lambda_equal_crit"), kTolerance));
    const theory::DecayFixedPoints points = theory::decay_fixed_points(flow);
    const double trap = table.number(i, "beta_trap");
    REQUIRE(points.trap.has_value() == !std::isnan(trap));
    REQUIRE(points.unstable.has_value() == !std::isnan(trap));
    REQUIRE((flow.lambda_beta >= theory::critical_lambda_beta(flow)) == points.trap.has_value());
    if (!points.trap) continue;
    REQUIRE_THAT(points.trap->beta, WithinRel(trap, kTolerance));
    REQUIRE_THAT(points.unstable->beta, WithinRel(table.number(i, "beta_unstable"), kTolerance));
    for (const FlowState& state : {*points.trap, *points.unstable}) {
      const double q = std::exp(state.beta);
      REQUIRE_THAT(flow.c1 / flow.n_context * (q - flow.c2 * state.w),
                   WithinRel(flow.lambda_w * state.w, 1e-11) || WithinAbs(flow.lambda_w * state.w, 1e-15));
      REQUIRE_THAT(flow.c1 / flow.n_context * state.w * q, WithinRel(flow.lambda_beta * state.beta, 1e-11));
    }
  }
}

TEST_CASE("decay on beta: traps and verdicts of the integrated flow", "[theory][eq7][eq8]") {
  const Table table = read_table("acq_regularised.csv");
  REQUIRE(table.rows() == 36);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const theory::DecayedFlow flow{table.number(i, "N"), table.number(i, "c1"), table.number(i, "c2"),
                                   table.number(i, "lambda_w"), table.number(i, "lambda_beta")};
    const FlowState start{table.number(i, "w0"), table.number(i, "beta0")};
    const bool acquired = table.number(i, "acquired") > 0.5;
    REQUIRE(theory::decay_verdict(flow, start) ==
            (acquired ? theory::DecayVerdict::acquired : theory::DecayVerdict::trapped));
    if (acquired) continue;
    const theory::DecayFixedPoints points = theory::decay_fixed_points(flow);
    REQUIRE_THAT(points.trap->w, WithinRel(table.number(i, "w_trap"), kTolerance));
    REQUIRE_THAT(points.trap->beta, WithinRel(table.number(i, "beta_trap"), kTolerance));
  }
}

TEST_CASE("decay on beta: the critical decay and what lies around it", "[theory][eq7][eq8][limits]") {
  theory::DecayedFlow flow{.n_context = 100.0};
  // c1 = c2 = 1/2 without decay on w: 2 e/N.
  REQUIRE_THAT(theory::critical_lambda_beta(flow), WithinRel(2.0 * std::numbers::e / 100.0, 1e-15));
  flow.lambda_beta = 0.9999 * theory::critical_lambda_beta(flow);
  REQUIRE_FALSE(theory::decay_fixed_points(flow).trap.has_value());
  flow.lambda_beta = 1.0001 * theory::critical_lambda_beta(flow);
  const theory::DecayFixedPoints points = theory::decay_fixed_points(flow);
  REQUIRE(points.trap->beta < 0.5);
  REQUIRE(points.unstable->beta > 0.5);
  REQUIRE_THAT(points.trap->beta, WithinAbs(0.5, 0.01));
  const double edge = points.unstable->beta;
  REQUIRE(theory::decay_verdict(flow, {0.0, edge + 0.1}) == theory::DecayVerdict::undecided);
  REQUIRE(theory::decay_verdict(flow, {points.unstable->w + 0.1, edge + 0.1}) == theory::DecayVerdict::acquired);
  // Both decays equal at their threshold: the general formula says the same.
  theory::DecayedFlow equal{.n_context = 70.0, .c1 = 0.3, .c2 = 0.8};
  equal.lambda_w = theory::critical_equal_lambda(equal);
  REQUIRE_THAT(theory::critical_lambda_beta(equal), WithinRel(equal.lambda_w, 1e-14));
  // Without any friction of w no decay of beta holds attention back.
  const theory::DecayedFlow free{.n_context = 70.0, .c2 = 0.0, .lambda_beta = 5.0};
  REQUIRE(std::isinf(theory::critical_lambda_beta(free)));
  REQUIRE(theory::decay_verdict(free, {}) == theory::DecayVerdict::acquired);
  REQUIRE(name(theory::DecayVerdict::undecided) == "undecided");
  REQUIRE(name(theory::DecayVerdict::trapped) == "trapped");
}

TEST_CASE("exact solution: impossible arguments are named", "[theory][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto blow_up = [](const ExactFlow& flow) { return theory::blow_up_integral(flow); };
  REQUIRE_THROWS_WITH(blow_up({.n_context = 1.0}), "context: expected a number of at least 2, got 1");
  REQUIRE_THROWS_WITH(blow_up({.initial = {nan, 0.0}}), "w0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(blow_up({.initial = {0.0, nan}}), "beta0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(blow_up({.c2 = 1.5}), "c2: expected a number in [0, 1], got 1.5");
  REQUIRE_THROWS_WITH(blow_up({.rho = 0.0}), "rho: expected a number in (0, 1], got 0");
  REQUIRE_THROWS_WITH(blow_up({.copies = 0.5}), "copies: expected a number from 1 to N, got 0.5");
  REQUIRE_THROWS_WITH(blow_up({.lambda_w = -1.0}), "lambda_w: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(blow_up({.c1 = 0.0}), "c1: expected a number in (0, 1], got 0");
  REQUIRE_THROWS_WITH(theory::exact_state({}, -1.0), "integral: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(theory::exact_state({}, nan), "integral: expected a number that is not negative, got nan");
  REQUIRE_THROWS_WITH(theory::exact_crossing({}, nan), "beta: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::exact_point({}, -1.0), "z: expected a number not below w0 - c2 exp(-beta0), got -1");
  REQUIRE_THROWS_WITH(theory::exact_invariant({}, -1.0), "c2: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(theory::exact_invariant({nan, 0.0}, 1.0), "w: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::exact_invariant({0.0, nan}, 1.0), "beta: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::critical_lambda_beta({.n_context = 1.0}),
                      "context: expected a number of at least 2, got 1");
  REQUIRE_THROWS_WITH(theory::critical_lambda_beta({.c1 = 0.0}), "c1: expected a number in (0, 1], got 0");
  REQUIRE_THROWS_WITH(theory::critical_lambda_beta({.c2 = -0.1}), "c2: expected a number in [0, 1], got -0.1");
  REQUIRE_THROWS_WITH(theory::critical_lambda_beta({.lambda_w = -1.0}),
                      "lambda_w: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(theory::critical_lambda_beta({.lambda_beta = -1.0}),
                      "lambda_beta: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(theory::decay_verdict({}, {nan, 0.0}), "w0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::decay_verdict({}, {0.0, nan}), "beta0: expected a finite number, got nan");
}
