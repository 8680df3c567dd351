// CurveFlow and sample_ensemble of iclk/theory/seed_ensemble.hpp.

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "golden_curves.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/seed_ensemble.hpp"
#include "order_parameter_tree.hpp"
#include "support/catch.hpp"
#include "taylor_step.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::CurveFlow;
using theory::FlowState;
using theory::StartDistribution;
using theory::Verdict;

namespace {

constexpr double kTolerance = 1e-8;  // of t_ICL along measured curves
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// The one-by-one computation, as exactly as it goes: the flow along the curve and, past its end, the closed form.
void check_against_single_runs(const OrderParameterCurves& curves, double n_context, const StartDistribution& start,
                               int n_runs) {
  const CurveFlow flow(curves, n_context);
  for (int i = 0; i < n_runs; ++i) {
    const FlowState state = theory::start_state(start, 7, static_cast<std::uint64_t>(i));
    const double required = flow.required_integral(state);
    INFO("N = " << n_context << ", beta0 = " << state.beta << ", w0 = " << state.w);
    const auto slow = theory::integrate_flow(state, n_context, curves, {.rel_tol = 1e-13, .abs_tol = 1e-15});
    if (slow.t_icl) {
      const double slow_required = theory::memorization_integral_at(curves.c1, *slow.t_icl);
      CHECK_THAT(required, WithinRel(slow_required, kTolerance));
      REQUIRE(flow.verdict(required) == Verdict::acquired);
      // Where c1 has died out, t follows from I_K with this magnification; up to 10 of it we leave no allowance.
      const double magnified = slow_required / (2.0 * curves.c1(*slow.t_icl) * *slow.t_icl);
      CHECK_THAT(flow.time(required), WithinRel(*slow.t_icl, kTolerance * std::max(1.0, magnified / 10.0)));
    } else {
      const auto prediction = theory::predict_curve(curves, n_context, state, {.rel_tol = 1e-13});
      CHECK_THAT(required, WithinRel(prediction.required_integral, kTolerance));
      REQUIRE(flow.verdict(prediction.required_integral) == prediction.verdict);
      if (prediction.t_icl) {
        CHECK(flow.time(prediction.required_integral) == *prediction.t_icl);
      }
    }
  }
}

/// c2 that rises through many narrow steps and noise, densely sampled in linear time.
OrderParameterCurves rough_curves(int n_samples) {
  Rng rng(3, RandomPurpose::test, 0);
  std::vector<double> times, c1, c2;
  for (int i = 0; i < n_samples; ++i) {
    const double t = 2000.0 * i / (n_samples - 1);
    times.push_back(t);
    c1.push_back(0.5 / (1.0 + t / 400.0));
    c2.push_back(std::min(0.99, 0.5 + 0.4 * t / 2000.0 + 0.02 * std::sin(0.3 * t) + 0.01 * rng.normal()));
  }
  return {.c1 = Curve(times, c1), .c2 = Curve(times, c2), .c3 = {}, .c2_is_closure = false};
}

}  // namespace

TEST_CASE("curve flow: agrees with the integrated flow on the reference curves", "[theory][eq7][eq8][parity]") {
  for (const std::string name : {"E", "P15", "S05"}) {
    const GoldenCurves golden = golden_curves(name);
    int which = 0;
    for (const auto& [n_items, curves] : golden.by_items) {
      if (++which % 3 != 1) continue;
      INFO(name << " K = " << n_items);
      check_against_single_runs(curves, 100, {.beta0_mean = 0.0, .beta0_sd = 0.5, .w0_mean = 0.0, .w0_sd = 0.5}, 12);
      check_against_single_runs(curves, 20, {.beta0_mean = 1.0, .beta0_sd = 2.0, .w0_mean = 0.0, .w0_sd = 2.0}, 12);
    }
  }
}

TEST_CASE("curve flow: agrees with the integrated flow on curves of real networks", "[theory][eq7][eq8][parity]") {
  for (const std::string file : {"mlp_K500_s0.csv", "mlp_K2000_s0.csv"}) {
    const OrderParameterCurves curves = pytorch_curves(file, 0.01);
    INFO(file);
    for (const double n_context : {2.0, 20.0, 100.0, 1000.0}) {
      check_against_single_runs(curves, n_context, {.beta0_mean = 0.0, .beta0_sd = 0.3}, 6);
      check_against_single_runs(curves, n_context, {.beta0_sd = 1.0, .w0_sd = 3.0}, 6);
    }
  }
}

TEST_CASE("curve flow: far starts", "[theory][eq7][eq8][limits]") {
  const OrderParameterCurves curves = pytorch_curves("mlp_K2000_s0.csv", 0.01);
  for (const double n_context : {2.0, 100.0, 1e6}) {
    for (const double beta0 : {-5.0, -2.0, 5.0, 12.0}) {
      for (const double w0 : {-6.0, -1.0, 0.0, 4.0}) {
        check_against_single_runs(curves, n_context, {.beta0_mean = beta0, .w0_mean = w0}, 1);
      }
    }
  }
}

TEST_CASE("curve flow: constant order parameters give the closed form", "[theory][eq31][eq32][limits]") {
  for (const double c2 : {0.01, 0.5, 1.0}) {
    const OrderParameterCurves curves{Curve({0.0, 1.0, 50.0, 4000.0}, {0.5, 0.45, 0.4, 0.1}),
                                      Curve({0.0, 1.0, 50.0, 4000.0}, {c2, c2, c2, c2}),
                                      {},
                                      false};
    const CurveFlow flow(curves, 100);
    for (const double beta0 : {-300.0, -60.0, -4.0, 0.0, 4.0, 60.0, 300.0}) {
      for (const double w0 : {-300.0, -30.0, -1.0, 0.0, 1.0, 300.0}) {
        const double exact = theory::acquisition_integral_exact(100, beta0, w0, c2);
        INFO("c2 = " << c2 << ", beta0 = " << beta0 << ", w0 = " << w0);
        if (std::isinf(exact)) {
          CHECK(flow.required_integral({w0, beta0}) == exact);
        } else {
          CHECK_THAT(flow.required_integral({w0, beta0}), WithinRel(exact, 1e-11));
        }
      }
    }
  }
}

TEST_CASE("curve flow: rough and dense curves", "[theory][eq7][eq8][parity]") {
  check_against_single_runs(rough_curves(400), 100, {.beta0_sd = 0.7, .w0_sd = 0.7}, 15);
  check_against_single_runs(rough_curves(4000), 100, {.beta0_sd = 0.7, .w0_sd = 0.7}, 3);
}

TEST_CASE("curve flow: the number of intervals does not follow the number of samples", "[theory]") {
  const auto n_leaves = [](int n_samples) {
    std::vector<double> times, c1, c2;
    for (int i = 0; i < n_samples; ++i) {
      const double t = 2000.0 * i / (n_samples - 1);
      times.push_back(t);
      c1.push_back(0.5 / (1.0 + t / 400.0));
      c2.push_back(1.0 - c1.back());
    }
    const OrderParameterCurves curves{Curve(times, c1), Curve(times, c2), {}, true};
    return theory::OrderParameterTree(curves, 100).n_leaves();
  };
  CHECK(n_leaves(20'000) < 2 * n_leaves(500));
}

TEST_CASE("curve flow: moments of c2 are kept on intervals of every length", "[theory][identity]") {
  const OrderParameterCurves curves = rough_curves(300);
  const theory::OrderParameterTree tree(curves, 100);
  REQUIRE(tree.n_leaves() > 32);
  // Integral of c2 over s, by a fine midpoint sum over time and from the tabulated polynomials.
  double over_time = 0.0;
  constexpr int kSteps = 400'000;
  for (int i = 0; i < kSteps; ++i) {
    const double t = 2000.0 * (i + 0.5) / kSteps;
    over_time += curves.c1(t) * curves.c2(t) / 100.0 * 2000.0 / kSteps;
  }
  for (const double longest : {0.0, 0.1, 1.0, 1e9}) {
    double sum = 0.0;
    std::size_t leaf = 0;
    while (leaf < tree.n_leaves()) {
      std::size_t n_leaves = 0;
      const auto& node = tree.interval(leaf, longest, n_leaves);
      REQUIRE((n_leaves == 1 || node.length <= longest));
      for (std::size_t k = 0; k < node.c2.size(); ++k) sum += node.c2[k] * node.length / static_cast<double>(k + 1);
      leaf += n_leaves;
    }
    CHECK_THAT(sum, WithinRel(over_time, 1e-8));
  }
}

TEST_CASE("curve flow: every width of vector gives the same bits", "[theory][parity]") {
  const auto variants = theory::taylor_step_variants();
  REQUIRE(variants.size() >= 1);
  theory::LaneBlock first;
  for (int lane = 0; lane < theory::kLanes; ++lane) {
    const auto at = static_cast<std::size_t>(lane);
    first.p[at] = std::exp(0.3 * lane - 2.0);
    first.w[at] = 0.7 * lane - 4.0;
    first.inverse_p[at] = 1.0 / first.p[at];
    first.step[at] = theory::wanted_step(first.p[at], first.w[at]);
    for (std::size_t k = 0; k < first.c2.size(); ++k) first.c2[k][at] = 0.5 / static_cast<double>(1 + k * k);
    first.y0[at] = 0.05 * lane;
    first.y_per_step[at] = 0.2;
  }
  variants.front().step(first);
  for (const auto& variant : variants) {
    theory::LaneBlock other = first;
    other.new_p = other.new_w = other.new_inverse_p = other.last_term = other.wanted_step = {};
    variant.step(other);
    INFO(variant.instructions);
    CHECK(other.new_p == first.new_p);
    CHECK(other.new_w == first.new_w);
    CHECK(other.new_inverse_p == first.new_inverse_p);
    CHECK(other.last_term == first.last_term);
    CHECK(other.wanted_step == first.wanted_step);
  }
}

TEST_CASE("curve flow: time and integral are inverse to each other", "[theory][eq10][identity]") {
  const OrderParameterCurves curves = golden_curves("P15").by_items.begin()->second;
  const CurveFlow flow(curves, 100);
  for (const double time : {0.0, 1e-3, 0.7, 20.0, 300.0, 2e3, curves.c1.end_time(), 3.0 * curves.c1.end_time()}) {
    INFO("t = " << time);
    CHECK_THAT(flow.time(flow.integral_at(time)), WithinRel(time, 1e-11));
  }
  CHECK(flow.integral_at(kInfinity) == *flow.integral().infinity.value);
  CHECK(flow.time(kInfinity) == kInfinity);
  CHECK(flow.verdict(kInfinity) == Verdict::memorized_first);
  CHECK(std::isnan(flow.time(*flow.integral().infinity.value)));  // between the ends of the bracket
  CHECK(flow.verdict(*flow.integral().infinity.value) == Verdict::undecided);
  CHECK_THROWS_WITH(flow.integral_at(-1.0), "time: expected a time that is not negative, got -1");
}

TEST_CASE("curve flow: starts that are no numbers give NaN and disturb nobody", "[theory][errors]") {
  const CurveFlow flow(golden_curves("E").by_items.begin()->second, 100);
  const std::vector<FlowState> starts{{0.0, kNaN}, {0.0, 0.0},    {kInfinity, 0.0},
                                      {0.0, 0.5},  {0.0, -800.0}, {0.0, 800.0}};
  std::vector<double> required(starts.size());
  flow.required_integrals(starts, required);
  CHECK(std::isnan(required[0]));
  CHECK(required[1] == flow.required_integral({0.0, 0.0}));
  CHECK(std::isnan(required[2]));
  CHECK(required[3] == flow.required_integral({0.0, 0.5}));
  CHECK(required[4] == kInfinity);
  CHECK(required[5] == 0.0);
  CHECK(flow.verdict(kNaN) == Verdict::undecided);
  CHECK_THROWS_WITH(flow.required_integrals(starts, std::span(required).first(2)),
                    "required: expected as many places as there are starts");
}

TEST_CASE("curve flow: probability with measured c2", "[theory][eq12]") {
  const StartDistribution start{.beta0_mean = 0.1, .beta0_sd = 0.4, .w0_mean = 0.0, .w0_sd = 0.3};
  SECTION("is the closed form where c2 is constant") {
    const OrderParameterCurves curves{Curve({0.0, 5000.0}, {0.5, 0.1}), Curve({0.0, 5000.0}, {0.5, 0.5}), {}, false};
    const CurveFlow flow(curves, 100);
    for (const double integral : {100.0, 250.0, 600.0}) {
      CHECK_THAT(theory::acquisition_probability(flow, integral, start),
                 WithinAbs(theory::acquisition_probability(integral, 100, start, 0.5), 1e-9));
    }
    CHECK_THAT(theory::acquisition_quantile(flow, 0.5, start),
               WithinRel(theory::acquisition_quantile(0.5, 100, start, 0.5), 1e-7));
  }
  SECTION("is the share of sampled trajectories where it is not") {
    const OrderParameterCurves curves = pytorch_curves("mlp_K2000_s0.csv", 0.01);
    const CurveFlow flow(curves, 50);
    const theory::Ensemble ensemble = sample_ensemble(flow, start, {.n_samples = 40'000, .seed = 11});
    const auto& required = ensemble.required_integrals;
    for (const double share : {0.1, 0.5, 0.8}) {
      const double integral = theory::acquisition_quantile(flow, share, start);
      CHECK_THAT(theory::acquisition_probability(flow, integral, start), WithinAbs(share, 1e-8));
      CHECK_THAT(theory::acquisition_probability_above(flow, integral, start), WithinAbs(1.0 - share, 1e-8));
      const auto below = std::upper_bound(required.begin(), required.end(), integral) - required.begin();
      // Five standard errors of a binomial share.
      const double error = std::sqrt(share * (1.0 - share) / 40'000.0);
      CHECK_THAT(static_cast<double>(below) / 40'000.0, WithinAbs(share, 5.0 * error));
    }
  }
}

TEST_CASE("sampled ensemble: starts have the moments that were asked for", "[theory]") {
  const StartDistribution start{.beta0_mean = -1.0, .beta0_sd = 0.5, .w0_mean = 2.0, .w0_sd = 3.0};
  constexpr int kRuns = 20'000;
  double sums[5] = {};
  for (std::uint64_t i = 0; i < kRuns; ++i) {
    const FlowState state = theory::start_state(start, 5, i);
    const double u = (state.beta + 1.0) / 0.5;
    const double v = (state.w - 2.0) / 3.0;
    const double terms[5] = {u, v, u * u, v * v, u * v};
    for (int k = 0; k < 5; ++k) sums[k] += terms[k] / kRuns;
  }
  // Standard errors: 1/sqrt(n) of a mean and of the product, sqrt(2/n) of a variance; five of them.
  const double error = 5.0 / std::sqrt(static_cast<double>(kRuns));
  CHECK_THAT(sums[0], WithinAbs(0.0, error));
  CHECK_THAT(sums[1], WithinAbs(0.0, error));
  CHECK_THAT(sums[2], WithinAbs(1.0, std::sqrt(2.0) * error));
  CHECK_THAT(sums[3], WithinAbs(1.0, std::sqrt(2.0) * error));
  CHECK_THAT(sums[4], WithinAbs(0.0, error));
  CHECK(theory::start_state(start, 5, 3).beta != theory::start_state(start, 6, 3).beta);
}

TEST_CASE("sampled ensemble: the numbers do not depend on threads or on how many are asked for", "[theory]") {
  const CurveFlow flow(golden_curves("P15").by_items.begin()->second, 100);
  const StartDistribution start{.beta0_sd = 0.4, .w0_sd = 0.4};
  const auto one = sample_ensemble(flow, start, {.n_samples = 10'000, .seed = 2, .jobs = 1, .keep_runs = true});
  const auto three = sample_ensemble(flow, start, {.n_samples = 10'000, .seed = 2, .jobs = 3, .keep_runs = true});
  const auto all = sample_ensemble(flow, start, {.n_samples = 10'000, .seed = 2, .jobs = 0});
  CHECK(one.required_integrals == three.required_integrals);
  CHECK(one.required_integrals == all.required_integrals);
  CHECK(all.runs.empty());
  const auto few = sample_ensemble(flow, start, {.n_samples = 37, .seed = 2, .keep_runs = true});
  for (std::size_t i = 0; i < 37; ++i) {
    CHECK(few.runs[i].required_integral == one.runs[i].required_integral);
    CHECK(three.runs[i].start.beta == theory::start_state(start, 2, i).beta);
  }
  const auto other = sample_ensemble(flow, start, {.n_samples = 10'000, .seed = 3});
  CHECK(other.required_integrals != one.required_integrals);
  CHECK(std::is_sorted(one.required_integrals.begin(), one.required_integrals.end()));
}

TEST_CASE("sampled ensemble: verdicts are counted by the rule of single predictions", "[theory][eq12]") {
  const OrderParameterCurves curves = pytorch_curves("mlp_K2000_s0.csv", 0.01);
  const StartDistribution start{.beta0_mean = 0.0, .beta0_sd = 0.3};
  // A context for which the median start needs about I_K(infinity): 1.2 is what c2 > 1/2 adds to Eq. 11.
  const double needed = 1.2 * theory::acquisition_integral_leading(1000, 0.0) / 1000.0;
  const double n_context = *theory::memorization_integral(curves.c1).infinity.value / needed;
  const CurveFlow flow(curves, n_context);
  const auto ensemble = sample_ensemble(flow, start, {.n_samples = 300, .keep_runs = true});
  std::uint64_t counts[3] = {};
  for (const theory::EnsembleRun& run : ensemble.runs) {
    const auto single = theory::predict_curve(curves, n_context, run.start);
    ++counts[static_cast<int>(single.verdict)];
  }
  CHECK(ensemble.n_acquired == counts[static_cast<int>(Verdict::acquired)]);
  CHECK(ensemble.n_never == counts[static_cast<int>(Verdict::memorized_first)]);
  CHECK(ensemble.n_undecided == counts[static_cast<int>(Verdict::undecided)]);
  CHECK(ensemble.n_acquired > 0);
  CHECK(ensemble.n_never > 0);
  CHECK(ensemble.n_undecided > 0);
  CHECK(ensemble.n_failed == 0);
}

TEST_CASE("sampled ensemble: closed form with a known integral", "[theory][eq12]") {
  const StartDistribution start{.beta0_mean = 0.0, .beta0_sd = 0.3, .w0_mean = 0.0, .w0_sd = 0.5};
  constexpr std::uint64_t kRuns = 50'000;
  const auto ensemble = theory::sample_ensemble(260.0, 100, 0.5, start, {.n_samples = kRuns, .seed = 4, .jobs = 2});
  const double exact = theory::acquisition_probability(260.0, 100, start, 0.5);
  CHECK(ensemble.n_undecided == 0);
  CHECK(ensemble.n_acquired + ensemble.n_never == kRuns);
  // Five standard errors.
  CHECK_THAT(static_cast<double>(ensemble.n_acquired) / kRuns,
             WithinAbs(exact, 5.0 * std::sqrt(exact * (1.0 - exact) / kRuns)));
  const Estimate median = theory::sample_quantile(ensemble.required_integrals, 0.5);
  const double exact_median = theory::acquisition_quantile(0.5, 100, start, 0.5);
  CHECK(*median.low < exact_median);
  CHECK(*median.high > exact_median);
  CHECK(theory::sample_ensemble(kInfinity, 100, 0.5, start, {.n_samples = 100}).n_acquired == 100);
}

TEST_CASE("sampled ensemble: more numbers than are sorted at once", "[theory]") {
  const StartDistribution start{.beta0_sd = 0.3};
  const auto ensemble = theory::sample_ensemble(260.0, 100, 0.5, start, {.n_samples = 600'000, .jobs = 3});
  REQUIRE(ensemble.required_integrals.size() == 600'000);
  CHECK(std::is_sorted(ensemble.required_integrals.begin(), ensemble.required_integrals.end()));
}

TEST_CASE("sampled ensemble: progress is reported and never beyond the end", "[theory]") {
  std::uint64_t n_calls = 0;
  bool in_order = true;
  std::uint64_t last = 0;
  const CurveFlow flow(golden_curves("P15").by_items.begin()->second, 100);
  std::uint64_t n_samples = 200'000;
  while (n_calls == 0 && n_samples < 100'000'000) {  // slow machines report at once, fast ones need a longer run
    sample_ensemble(flow, {.beta0_sd = 0.3},
                    {.n_samples = n_samples, .on_progress = [&](std::uint64_t done, std::uint64_t all) {
                       in_order = in_order && done >= last && done <= all && all == n_samples;
                       last = done;
                       ++n_calls;
                     }});
    n_samples *= 3;
    last = 0;
  }
  CHECK(n_calls > 0);
  CHECK(in_order);
}

TEST_CASE("sampled ensemble: bad input is named", "[theory][errors]") {
  const GoldenCurves golden = golden_curves("E");
  const OrderParameterCurves& curves = golden.by_items.begin()->second;
  const CurveFlow flow(curves, 100);
  CHECK_THROWS_WITH(CurveFlow(curves, 1), "context: expected a number of at least 2, got 1");
  CHECK_THROWS_WITH(CurveFlow(curves, 10, {.window = 1.0}), "window: expected a number above 1, got 1");
  CHECK_THROWS_WITH(CurveFlow({Curve({0, 1}, {0.5, 0.4}), Curve({0, 2}, {0.5, 0.5}), {}, false}, 10),
                    "c2: expected the same times as c1");
  CHECK_THROWS_WITH(sample_ensemble(flow, {}, {.n_samples = 0}), "n_samples: expected at least 1, got 0");
  CHECK_THROWS_WITH(sample_ensemble(flow, {}, {.jobs = -1}), "jobs: expected a number that is not negative, got -1");
  CHECK_THROWS_WITH(sample_ensemble(flow, {.beta0_sd = -1.0}),
                    "beta0_sd: expected a number that is not negative, got -1");
  CHECK_THROWS_WITH(theory::sample_ensemble(0.0, 100, 0.5, {}), "i_infinity: expected a positive number, got 0");
  CHECK_THROWS_WITH(theory::sample_ensemble(1.0, 1, 0.5, {}), "context: expected a number of at least 2, got 1");
  CHECK_THROWS_WITH(theory::sample_ensemble(1.0, 10, -0.5, {}), "c2: expected a number in [0, 1], got -0.5");
}
