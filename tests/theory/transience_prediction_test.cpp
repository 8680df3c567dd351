#include "iclk/theory/transience_prediction.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "golden_curves.hpp"
#include "iclk/core/error.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

/// c1 of a decay law with equal logits, sampled at 0 and n times evenly spaced in ln t; with c2 = 1 - c1 and c3.
OrderParameterCurves sampled_decay(const theory::MemorizationDecay& decay, double t_max, int n) {
  std::vector<double> t, c1, c2, c3;
  const double t_min = 1e-3 * decay.time_scale;
  for (int i = -1; i < n; ++i) {
    t.push_back(i < 0 ? 0.0 : t_min * std::pow(t_max / t_min, static_cast<double>(i) / (n - 1)));
    const double value = std::exp(decay.log_c3(t.back()));
    c3.push_back(value);
    c1.push_back(value / (1.0 + value));
    c2.push_back(1.0 / (1.0 + value));
  }
  return {Curve(t, c1), Curve(t, c2), Curve(t, c3), false};
}

OrderParameterCurves without_c3(OrderParameterCurves curves) {
  curves.c3.reset();
  return curves;
}

}  // namespace

TEST_CASE("transience prediction: a sampled curve gives the fade time of its law", "[theory][eq44][parity]") {
  const theory::MemorizationDecay decay{1.0, 1000.0, {}};
  const OrderParameterCurves curves = sampled_decay(decay, 7000.0, 400);
  const double lambda_w = 1e-3;
  const theory::TransiencePrediction prediction = theory::predict_transience(curves, lambda_w);
  REQUIRE(prediction.outcome == theory::TransienceOutcome::transient);
  REQUIRE(prediction.t_acquired == 0.0);
  REQUIRE_FALSE(prediction.extrapolated);
  REQUIRE_FALSE(prediction.t_fade.low);
  const double start = theory::settled_strength(0.0, lambda_w).w_logistic;
  const theory::FadeResult law = theory::integrate_fade({0.0, 0.0, start}, decay, lambda_w);
  // 400 samples, interpolated to third order.
  REQUIRE_THAT(*prediction.t_fade.value, WithinRel(law.fade->time, 1e-5));
  REQUIRE_THAT(*prediction.mlp_time_fade, WithinRel(law.fade->mlp_time, 1e-5));
  REQUIRE_THAT(*prediction.t_accuracy_fade, WithinRel(law.accuracy_fade->time, 1e-5));
  // c3 of equal logits follows from c1.
  REQUIRE_THAT(*theory::predict_transience(without_c3(curves), lambda_w).t_fade.value,
               WithinRel(*prediction.t_fade.value, 1e-10));
}

TEST_CASE("transience prediction: a curve that ends early is continued and says so", "[theory][eq44]") {
  const double lambda_w = 1e-3;
  for (const std::optional<double> exponent : {std::optional<double>(), std::optional<double>(2.0)}) {
    const theory::MemorizationDecay decay{1.0, 1000.0, exponent};
    const double end = exponent ? 10'000.0 : 4000.0;  // c3 = 0.008 and 0.018; it fades at 0.0027
    const OrderParameterCurves curves = sampled_decay(decay, end, 400);
    const theory::TransiencePrediction prediction = theory::predict_transience(curves, lambda_w);
    const double start = theory::settled_strength(0.0, lambda_w).w_logistic;
    const double truth = theory::integrate_fade({0.0, 0.0, start}, decay, lambda_w).fade->time;
    INFO((exponent ? "power" : "exponential") << ": " << *prediction.t_fade.value << " against " << truth);
    REQUIRE(prediction.outcome == theory::TransienceOutcome::transient);
    REQUIRE(prediction.extrapolated);
    REQUIRE_THAT(*prediction.t_fade.value, WithinRel(truth, 1e-3));
    REQUIRE(prediction.t_fade.low);
    REQUIRE(prediction.t_fade.high);
    REQUIRE(*prediction.t_fade.low <= truth * 1.0001);
    REQUIRE(*prediction.t_fade.high >= truth);
    theory::TransienceOptions options;
    options.extrapolate = false;
    const theory::TransiencePrediction cut = theory::predict_transience(curves, lambda_w, options);
    REQUIRE(cut.outcome == theory::TransienceOutcome::undecided);
    REQUIRE(cut.end.mlp_time == end);
    REQUIRE_FALSE(cut.t_fade.value);
  }
}

TEST_CASE("transience prediction: the decay of w delays acquisition and then prevents it", "[theory][eq7][eq8]") {
  const OrderParameterCurves curves = sampled_decay({1.0, 1000.0, {}}, 10'000.0, 400);
  theory::TransienceOptions options;
  options.n_context = 50.0;
  double last = 0.0;
  for (double lambda_w : {0.0, 1e-4, 1e-3, 1e-2}) {
    INFO("lambda_w = " << lambda_w);
    const theory::TransiencePrediction prediction = theory::predict_transience(curves, lambda_w, options);
    REQUIRE(prediction.t_acquired);
    REQUIRE(*prediction.t_acquired > last);
    last = *prediction.t_acquired;
    REQUIRE(prediction.outcome ==
            (lambda_w > 0.0 ? theory::TransienceOutcome::transient : theory::TransienceOutcome::permanent));
  }
  const theory::TransiencePrediction blocked = theory::predict_transience(curves, 0.5, options);
  REQUIRE(blocked.outcome == theory::TransienceOutcome::never_acquired);
  REQUIRE_FALSE(blocked.t_acquired);
  REQUIRE_FALSE(blocked.peak);
  // While c1 and c2 barely change, acquisition is Eqs. 7-8 solved with c2 -> c2 + N lambda_w/c1: 3e6 >> 200.
  const OrderParameterCurves slow = sampled_decay({1.0, 3e6, {}}, 3e7, 600);
  theory::FlowOptions to_half;
  to_half.beta_acquired = std::log(49.0);
  for (double lambda_w : {1e-4, 1e-3, 1e-2}) {
    options.model = theory::AcquisitionModel::leading;
    const double damping = 0.5 + 50.0 * lambda_w / 0.5;
    const theory::FlowResult constant =
        theory::integrate_flow({}, 50.0, {[](double) { return 0.5; }, [=](double) { return damping; }}, to_half);
    REQUIRE_THAT(*theory::predict_transience(slow, lambda_w, options).t_acquired, WithinRel(*constant.t_icl, 1e-3));
  }
}

TEST_CASE("transience prediction: against the closed loop of the exact loss", "[theory][eq44]") {
  // The full loop of (w, beta, tau) on the binomial loss, at 1e-20, rows without decay of beta. Until half of the
  // attention is on the copy we follow the same flow (t_att: the samples of c1); from there on the scatter of the other
  // labels is left out, which moves the fade time by 1e-4. Acquisition by Eqs. 7-8 comes sooner, the more so the nearer
  // the threshold: t_att = 742 with the exact loss, 525 with them.
  struct Gap {
    double t_att, w_max, t_fade, tau_fade;
  };
  const Table table = read_table("closed_loop_full.csv");
  int n_compared = 0;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    if (table.number(i, "lambda_beta") > 0.0) continue;
    const double lambda_w = table.number(i, "lambda_w");
    const Family family = family_of_row(
        table.text(i, "family"), table.text(i, "family") == "P" ? table.number(i, "p") : 0.0, table.number(i, "T"));
    const OrderParameterCurves curves = sampled(family, 20.0 * table.number(i, "T"), 600, true);
    theory::TransienceOptions options;
    options.n_context = table.number(i, "N");
    options.initial = {table.number(i, "w0"), table.number(i, "beta0")};
    ++n_compared;
    for (const auto model : {theory::AcquisitionModel::binomial, theory::AcquisitionModel::leading}) {
      const bool exact = model == theory::AcquisitionModel::binomial;
      INFO("row " << i << ", lambda_w = " << lambda_w << (exact ? ", exact loss" : ", Eqs. 7-8"));
      options.model = model;
      const theory::TransiencePrediction prediction = theory::predict_transience(curves, lambda_w, options);
      if (table.number(i, "acquired") < 0.5) {
        REQUIRE(prediction.outcome == theory::TransienceOutcome::never_acquired);
        continue;
      }
      const Gap gap = exact ? Gap{1e-8, 2e-3, 2e-4, 1e-5} : Gap{0.30, 0.08, 0.10, 2e-4};
      REQUIRE(prediction.t_acquired);
      CHECK_THAT(*prediction.t_acquired, WithinRel(table.number(i, "t_att"), gap.t_att));
      if (!(lambda_w > 0.0)) {
        REQUIRE(prediction.outcome == theory::TransienceOutcome::permanent);
        continue;
      }
      REQUIRE(prediction.outcome == theory::TransienceOutcome::transient);
      CHECK_THAT(prediction.peak->w, WithinRel(table.number(i, "w_max"), gap.w_max));
      CHECK_THAT(*prediction.t_fade.value, WithinRel(table.number(i, "t_fade"), gap.t_fade));
      CHECK_THAT(*prediction.mlp_time_fade, WithinRel(table.number(i, "tau_fade"), gap.tau_fade));
    }
  }
  REQUIRE(n_compared == 5);
}

TEST_CASE("transience prediction: the same flow by attention_flow", "[theory][eq44][parity]") {
  const OrderParameterCurves curves = sampled_decay({1.0, 600.0, 1.8}, 5e4, 500);
  theory::TransienceOptions options;
  options.n_context = 100.0;
  options.initial = {.w = 0.1, .beta = 0.3};
  for (double lambda_w : {1e-3, 8e-3}) {
    INFO("lambda_w = " << lambda_w);
    theory::AttentionFlowOptions loop;
    loop.lambda_w = lambda_w;
    loop.closed_loop = true;
    const theory::AttentionFlow full =
        theory::attention_flow({.n_context = 100.0}, options.initial, without_c3(curves), loop);
    const theory::TransiencePrediction prediction = theory::predict_transience(curves, lambda_w, options);
    REQUIRE(full.fade);
    REQUIRE(prediction.t_fade.value);
    REQUIRE_THAT(prediction.peak->w, WithinRel(full.w_max->state.w, 2e-3));
    REQUIRE_THAT(*prediction.t_fade.value, WithinRel(full.fade->time, 2e-4));
    REQUIRE_THAT(prediction.end.beta, WithinRel(full.fade->state.beta, 2e-3));
  }
}

TEST_CASE("transience prediction: more decay fades sooner", "[theory][eq44]") {
  const OrderParameterCurves curves = sampled_decay({1.0, 1000.0, {}}, 12'000.0, 400);
  double last = std::numeric_limits<double>::infinity();
  for (double lambda_w : {1e-4, 1e-3, 1e-2, 0.1}) {
    const theory::TransiencePrediction prediction = theory::predict_transience(curves, lambda_w);
    INFO("lambda_w = " << lambda_w);
    REQUIRE(prediction.t_fade.value);
    REQUIRE(*prediction.t_fade.value < last);
    REQUIRE(*prediction.t_accuracy_fade < *prediction.t_fade.value);
    last = *prediction.t_fade.value;
  }
  REQUIRE(theory::predict_transience(curves, 1.0).outcome == theory::TransienceOutcome::never_acquired);
  // The end of training turns transient into permanent.
  theory::TransienceOptions options;
  options.fade.t_max = 1e4;
  REQUIRE(theory::predict_transience(curves, 1e-4, options).outcome == theory::TransienceOutcome::permanent);
  REQUIRE(theory::predict_transience(curves, 0.1, options).outcome == theory::TransienceOutcome::transient);
}

TEST_CASE("transience range: its ends separate the outcomes", "[theory][eq44]") {
  const OrderParameterCurves curves = sampled_decay({1.0, 1000.0, {}}, 12'000.0, 300);
  theory::TransienceOptions options;
  options.n_context = 50.0;
  options.fade.t_max = 1e5;
  options.fade.rel_tol = 1e-9;
  const theory::TransienceRange range = theory::transience_range(curves, options);
  REQUIRE(range.acquired_below);
  REQUIRE(range.never_above);
  REQUIRE(range.fades_above);
  INFO("acquired below " << *range.acquired_below << ", never above " << *range.never_above << ", fades above "
                         << *range.fades_above);
  REQUIRE(*range.acquired_below <= *range.never_above * (1.0 + 1e-5));
  REQUIRE(*range.fades_above < *range.acquired_below);
  using theory::TransienceOutcome;
  const auto outcome_at = [&](double lambda_w) {
    return theory::predict_transience(curves, lambda_w, options).outcome;
  };
  REQUIRE(outcome_at(*range.fades_above * (1.0 - 1e-5)) == TransienceOutcome::permanent);
  REQUIRE(outcome_at(*range.fades_above * (1.0 + 1e-5)) == TransienceOutcome::transient);
  REQUIRE(outcome_at(*range.acquired_below * (1.0 - 1e-5)) == TransienceOutcome::transient);
  REQUIRE(outcome_at(*range.never_above * (1.0 + 1e-5)) == TransienceOutcome::never_acquired);
}

TEST_CASE("transience range: everything fades without an end and nothing without acquisition",
          "[theory][eq44][limits]") {
  theory::TransienceOptions options;
  options.fade.rel_tol = 1e-8;
  const OrderParameterCurves curves = sampled_decay({1.0, 1000.0, {}}, 12'000.0, 300);
  const theory::TransienceRange open = theory::transience_range(curves, options);
  REQUIRE(open.fades_above == 0.0);
  // Without acquisition by the flow, w settles at once: above 1 as long as c3 (1 + ...) exceeds what it loses.
  REQUIRE(open.acquired_below);
  REQUIRE_THAT(*open.acquired_below, WithinRel(1.0 / (1.0 + std::exp(1.0)), 1e-5));
  // An MLP that memorizes at once.
  options.n_context = 50.0;
  const OrderParameterCurves fast = sampled_decay({1.0, 10.0, {}}, 200.0, 200);
  const theory::TransienceRange none = theory::transience_range(fast, options);
  REQUIRE_FALSE(none.acquired_below);
  REQUIRE(none.never_above == 0.0);
  REQUIRE_FALSE(none.fades_above);
}

TEST_CASE("transience prediction: trajectory in order", "[theory][eq44]") {
  const OrderParameterCurves curves = sampled_decay({1.0, 1000.0, {}}, 5000.0, 300);
  theory::TransienceOptions options;
  options.n_context = 50.0;
  options.fade.record_trajectory = true;
  const theory::TransiencePrediction prediction = theory::predict_transience(curves, 1e-3, options);
  REQUIRE(prediction.extrapolated);
  REQUIRE(prediction.trajectory.size() > 50);
  REQUIRE(prediction.trajectory.front().time == *prediction.t_acquired);
  REQUIRE(prediction.trajectory.back().time == *prediction.t_fade.value);
  for (std::size_t i = 1; i < prediction.trajectory.size(); ++i) {
    REQUIRE(prediction.trajectory[i].time > prediction.trajectory[i - 1].time);
    REQUIRE(prediction.trajectory[i].mlp_time > prediction.trajectory[i - 1].mlp_time);
  }
}

TEST_CASE("transience prediction: far ends of lambda_w and of the start", "[theory][eq44][limits]") {
  using theory::TransienceOutcome;
  const OrderParameterCurves curves = sampled_decay({1.0, 1000.0, {}}, 12'000.0, 300);
  theory::TransienceOptions options;
  options.n_context = 100.0;
  for (const auto model : {theory::AcquisitionModel::binomial, theory::AcquisitionModel::leading}) {
    options.model = model;
    const auto outcome_at = [&](double lambda_w) {
      return theory::predict_transience(curves, lambda_w, options).outcome;
    };
    REQUIRE(outcome_at(1e-300) == TransienceOutcome::permanent);  // until times leave the range of doubles
    REQUIRE(outcome_at(1e-100) == TransienceOutcome::transient);
    REQUIRE(outcome_at(1e3) == TransienceOutcome::never_acquired);
    // Nobody can say that w = 1e-98 never acquires; what matters is that the flow ends, without an error.
    const TransienceOutcome absurd = outcome_at(1e100);
    REQUIRE((absurd == TransienceOutcome::undecided || absurd == TransienceOutcome::never_acquired));
    // Attention that starts with the wrong sign and far from the copy.
    options.initial = {.w = -2.0, .beta = -4.0};
    REQUIRE(outcome_at(1e-2) == TransienceOutcome::never_acquired);
    // All attention on the copy from the start.
    options.initial = {.w = -5.0, .beta = 300.0};
    const theory::TransiencePrediction given = theory::predict_transience(curves, 1e-3, options);
    REQUIRE(given.t_acquired == 0.0);
    REQUIRE(given.outcome == TransienceOutcome::transient);
    options.initial = {};
  }
  // N = 2: half of the attention is on the copy at beta = 0.
  options.n_context = 2.0;
  REQUIRE(theory::predict_transience(curves, 1e-3, options).t_acquired == 0.0);
}

TEST_CASE("transience prediction: bad arguments are named", "[theory][errors]") {
  const OrderParameterCurves curves = sampled_decay({1.0, 1000.0, {}}, 5000.0, 50);
  REQUIRE_THROWS_MATCHES(theory::predict_transience(curves, -1.0), Error,
                         Message("lambda_w: expected a number of at least 0, got -1"));
  theory::TransienceOptions options;
  options.n_context = 1.0;
  REQUIRE_THROWS_MATCHES(theory::predict_transience(curves, 1e-3, options), Error,
                         Message("context: expected a number of at least 2, got 1"));
  options = {};
  options.initial.w = std::numeric_limits<double>::quiet_NaN();
  REQUIRE_THROWS_MATCHES(theory::predict_transience(curves, 1e-3, options), Error,
                         Message("w0: expected a finite number, got nan"));
  options = {};
  options.fade.w_fade = -1.0;
  REQUIRE_THROWS_MATCHES(theory::predict_transience(curves, 1e-3, options), Error,
                         Message("w_fade: expected a positive number, got -1"));
  OrderParameterCurves other = curves;
  other.c3 = Curve({0.0, 1.0}, {1.0, 0.9});
  REQUIRE_THROWS_MATCHES(theory::predict_transience(other, 1e-3), Error, Message("c3: expected the same times as c1"));
  other.c3 = Curve({curves.c1.times().begin(), curves.c1.times().end()}, std::vector<double>(curves.c1.size(), 0.1));
  REQUIRE_THROWS_MATCHES(theory::predict_transience(other, 1e-3), Error,
                         Message("c3: expected numbers of at least c1, sample 0 is not"));
  REQUIRE_THROWS_MATCHES(theory::transience_range(curves, {}, {.lambda_low = 0.0}), Error,
                         Message("lambda_low: expected a positive number, got 0"));
  REQUIRE_THROWS_MATCHES(theory::transience_range(curves, {}, {.lambda_low = 1.0, .lambda_high = 0.1}), Error,
                         Message("lambda_high: expected a number above lambda_low, got 0.1"));
  REQUIRE_THROWS_MATCHES(theory::transience_range(curves, {}, {.rel_tol = 0.0}), Error,
                         Message("rel_tol: expected a number in (0, 1), got 0"));
}
