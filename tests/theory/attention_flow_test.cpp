#include "iclk/theory/attention_flow.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "golden_curves.hpp"
#include "golden_logits.hpp"
#include "iclk/core/error.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::attention_flow;
using theory::AttentionOutcome;
using theory::ConstantMemorization;
using theory::FlowState;
using theory::LossModel;

namespace {

constexpr double kTolerance = 1e-8;  // of every integrated number in the reference tables

theory::OrderParameterFunctions functions_of(const Family& family, bool closure = true) {
  const auto c1 = [family](double t) { return family.c1(t); };
  return {c1, closure ? std::function<double(double)>([c1](double t) { return 1.0 - c1(t); })
                      : std::function<double(double)>([](double) { return 0.5; })};
}

Family family_of(const Table& table, std::size_t row) {
  const std::string& letter = table.text(row, "family");
  return family_of_row(letter, letter == "P" ? table.number(row, "p") : 0.0, table.number(row, "T"));
}

FlowState start_of(const Table& table, std::size_t row) {
  return {table.number(row, "w0"), table.number(row, "beta0")};
}

}  // namespace

TEST_CASE("attention flow: every marker of the reference flows of Eq. 5 and Eq. 21", "[theory][eq4][eq5][eq21]") {
  const Table table = read_table("exact_flow_acquisition.csv");
  REQUIRE(table.rows() == 24);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const double n = table.number(i, "N");
    const LossModel model = table.text(i, "flow") == "eq21" ? LossModel::binomial : LossModel::gaussian;
    const auto logits = logit_list(table.text(i, "list"));
    const auto flow = attention_flow({.model = model, .n_context = n}, start_of(table, i), logits);
    REQUIRE(flow.outcome == AttentionOutcome::acquired);
    REQUIRE_THAT(flow.attention_half->time, WithinRel(table.number(i, "t_att"), kTolerance));
    REQUIRE_THAT(flow.attention_half->state.w, WithinRel(table.number(i, "w_at_att"), kTolerance));
    REQUIRE_THAT(flow.attention_half->state.beta, WithinRel(std::log(n - 1.0), 1e-12));
    REQUIRE_THAT(flow.ln_n->time, WithinRel(table.number(i, "t_lnN"), kTolerance));
    REQUIRE_THAT(flow.half_loss->time, WithinRel(table.number(i, "t_half_loss"), kTolerance));
    REQUIRE_THAT(flow.half_loss->state.w, WithinRel(table.number(i, "w_half_loss"), kTolerance));
    REQUIRE_THAT(flow.half_loss->state.beta, WithinRel(table.number(i, "beta_half_loss"), kTolerance));
    REQUIRE_THAT(flow.accuracy_95->time, WithinRel(table.number(i, "t_acc95"), kTolerance));
    REQUIRE_FALSE(flow.blow_up.has_value());
    const auto leading = attention_flow({.model = LossModel::leading, .n_context = n}, start_of(table, i), logits);
    REQUIRE(leading.outcome == AttentionOutcome::blow_up);
    REQUIRE_THAT(leading.blow_up->time, WithinRel(table.number(i, "t_blow_eq78"), kTolerance));
    REQUIRE_THAT(flow.attention_half->time / leading.blow_up->time,
                 WithinRel(table.number(i, "ratio_att_to_blow"), 2.0 * kTolerance));
  }
}

TEST_CASE("attention flow: the leading model with order parameters that change", "[theory][eq7][eq8]") {
  const Table table = read_table("acq_timevarying.csv");
  REQUIRE(table.rows() == 30);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const double n = table.number(i, "N");
    const auto flow = attention_flow({.model = LossModel::leading, .n_context = n}, start_of(table, i),
                                     functions_of(family_of(table, i), table.text(i, "c2_mode") == "hom"));
    if (table.number(i, "acquired") > 0.5) {
      REQUIRE(flow.outcome == AttentionOutcome::blow_up);
      REQUIRE_THAT(flow.blow_up->time, WithinRel(table.number(i, "t_blow"), kTolerance));
      REQUIRE_THAT(flow.ln_n->time, WithinRel(table.number(i, "t_cross_lnN"), kTolerance));
      REQUIRE_THAT(flow.ln_n->state.w, WithinRel(table.number(i, "w_cross_lnN"), kTolerance));
    } else {
      REQUIRE(flow.outcome == AttentionOutcome::settled);
      REQUIRE_FALSE(flow.blow_up.has_value());
      REQUIRE_THAT(flow.end.state.w, WithinRel(table.number(i, "w_limit"), kTolerance));
      REQUIRE_THAT(flow.end.state.beta, WithinRel(table.number(i, "beta_limit"), kTolerance));
    }
  }
}

TEST_CASE("attention flow: decay of both strengths and its trap", "[theory][eq7][eq8]") {
  const Table table = read_table("acq_regularised.csv");
  REQUIRE(table.rows() == 36);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const auto flow =
        attention_flow({.model = LossModel::leading, .n_context = table.number(i, "N")}, start_of(table, i),
                       ConstantMemorization{table.number(i, "c1"), table.number(i, "c2")},
                       {.lambda_w = table.number(i, "lambda_w"), .lambda_beta = table.number(i, "lambda_beta")});
    if (table.number(i, "acquired") > 0.5) {
      REQUIRE(flow.outcome == AttentionOutcome::blow_up);
      REQUIRE_THAT(flow.blow_up->time, WithinRel(table.number(i, "t_blow"), kTolerance));
    } else {
      REQUIRE(flow.outcome == AttentionOutcome::settled);
      REQUIRE_FALSE(flow.blow_up.has_value());
      REQUIRE_THAT(flow.end.state.w, WithinRel(table.number(i, "w_trap"), kTolerance));
      REQUIRE_THAT(flow.end.state.beta, WithinRel(table.number(i, "beta_trap"), kTolerance));
    }
  }
}

TEST_CASE("attention flow: balanced contexts fall into one of two basins", "[theory][eq9]") {
  const Table table = read_table("balanced_flow.csv");
  REQUIRE(table.rows() == 88);
  const double n = 100.0;
  const double c1 = 0.3;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const auto flow = attention_flow({.model = LossModel::balanced, .n_context = n}, start_of(table, i),
                                     ConstantMemorization{c1, 0.5}, {.record_trajectory = true});
    if (table.number(i, "to_icl") > 0.5) {
      REQUIRE(flow.outcome == AttentionOutcome::blow_up);
      REQUIRE_THAT(flow.blow_up->time * c1 / n, WithinRel(table.number(i, "s_blow"), kTolerance));
    } else {
      REQUIRE(flow.outcome == AttentionOutcome::other_basin);
      REQUIRE_FALSE(flow.blow_up.has_value());
      REQUIRE(flow.end.state.w < 0.0);
    }
    // H = w^2/2 - beta - exp(-beta) is conserved; its terms grow along the way.
    for (const auto& point : flow.trajectory) {
      const auto [w, beta] = point.state;
      const double terms = 0.5 * w * w + std::abs(beta) + std::exp(-beta);
      if (terms > 1e9) break;
      REQUIRE_THAT(0.5 * w * w - beta - std::exp(-beta), WithinAbs(table.number(i, "H"), kTolerance * terms));
    }
  }
}

TEST_CASE("attention flow: partly balanced contexts", "[theory][eq7][eq8][eq9]") {
  const Table table = read_table("partial_balance_flow.csv");
  REQUIRE(table.rows() == 25);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const auto flow =
        attention_flow({.model = LossModel::leading, .n_context = 50.0, .label_variance = table.number(i, "v")},
                       start_of(table, i), ConstantMemorization{0.5, table.number(i, "c2")});
    if (table.number(i, "to_icl") > 0.5) {
      REQUIRE(flow.outcome == AttentionOutcome::blow_up);
      REQUIRE_THAT(flow.blow_up->time * 0.5 / 50.0, WithinRel(table.number(i, "s_blow"), kTolerance));
    } else {
      REQUIRE(flow.outcome == AttentionOutcome::other_basin);
      REQUIRE_FALSE(flow.blow_up.has_value());
    }
  }
}

TEST_CASE("attention flow: closed loop through acquisition and fading", "[theory][eq21]") {
  const Table table = read_table("closed_loop_full.csv");
  REQUIRE(table.rows() == 9);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const auto flow = attention_flow(
        {.n_context = table.number(i, "N")}, start_of(table, i), functions_of(family_of(table, i)),
        {.lambda_w = table.number(i, "lambda_w"), .lambda_beta = table.number(i, "lambda_beta"), .closed_loop = true});
    INFO(theory::name(flow.outcome) << " after " << flow.steps << " steps");
    if (table.number(i, "acquired") < 0.5) {
      REQUIRE(flow.outcome == AttentionOutcome::settled);
      REQUIRE_FALSE(flow.attention_half.has_value());
      continue;
    }
    REQUIRE_THAT(flow.attention_half->time, WithinRel(table.number(i, "t_att"), kTolerance));
    if (std::isinf(table.number(i, "t_fade"))) {
      REQUIRE_FALSE(flow.fade.has_value());
      REQUIRE(flow.outcome == AttentionOutcome::acquired);
      continue;
    }
    REQUIRE(flow.outcome == AttentionOutcome::faded);
    // At a maximum the time is only as good as the square root of the value: w is flat there.
    REQUIRE_THAT(flow.w_max->state.w, WithinRel(table.number(i, "w_max"), kTolerance));
    REQUIRE_THAT(flow.w_max->time, WithinRel(table.number(i, "t_wmax"), kTolerance));
    REQUIRE_THAT(flow.w_max->mlp_time, WithinRel(table.number(i, "tau_wmax"), kTolerance));
    REQUIRE_THAT(flow.fade->time, WithinRel(table.number(i, "t_fade"), kTolerance));
    REQUIRE_THAT(flow.fade->mlp_time, WithinRel(table.number(i, "tau_fade"), kTolerance));
    REQUIRE_THAT(flow.fade->state.beta, WithinRel(table.number(i, "beta_fade"), kTolerance));
    REQUIRE_THAT(flow.fade->state.w, WithinRel(1.0, 1e-12));
    if (std::isnan(table.number(i, "t_att_lost"))) {
      REQUIRE_FALSE(flow.attention_lost.has_value());
    } else {
      REQUIRE_THAT(flow.attention_lost->time, WithinRel(table.number(i, "t_att_lost"), kTolerance));
    }
  }
}

TEST_CASE("attention flow: closed loop at given times", "[theory][eq21]") {
  const Table table = read_table("closed_loop_trajectory.csv");
  REQUIRE(table.rows() == 54);
  for (std::size_t i = 0; i < table.rows();) {
    std::vector<double> times;
    std::size_t end = i;
    const auto same_run = [&](std::size_t row) {
      for (const char* column : {"N", "family", "p", "T", "lambda_w", "lambda_beta", "beta0", "w0"}) {
        if (table.text(row, column) != table.text(i, column)) return false;
      }
      return true;
    };
    for (; end < table.rows() && same_run(end); ++end) times.push_back(table.number(end, "t"));
    const auto flow =
        attention_flow({.n_context = table.number(i, "N")}, start_of(table, i), functions_of(family_of(table, i)),
                       {.lambda_w = table.number(i, "lambda_w"),
                        .lambda_beta = table.number(i, "lambda_beta"),
                        .closed_loop = true,
                        .times = times});
    REQUIRE(flow.trajectory.size() == times.size());
    for (std::size_t j = 0; j < times.size(); ++j) {
      INFO("row " << i + j);
      REQUIRE(flow.trajectory[j].time == times[j]);
      REQUIRE_THAT(flow.trajectory[j].state.w, WithinRel(table.number(i + j, "w"), kTolerance));
      REQUIRE_THAT(flow.trajectory[j].state.beta, WithinRel(table.number(i + j, "beta"), kTolerance));
      REQUIRE_THAT(flow.trajectory[j].mlp_time, WithinRel(table.number(i + j, "tau"), kTolerance));
    }
    i = end;
  }
}

TEST_CASE("attention flow: fold under decay of both strengths", "[theory][eq14]") {
  const Table table = read_table("regularised_fold.csv");
  REQUIRE(table.rows() == 20);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const auto fold = theory::decay_fold(table.number(i, "N"), table.number(i, "r"));
    REQUIRE(fold.has_value());
    REQUIRE_THAT(fold->c3_over_lambda, WithinRel(table.number(i, "c3_fold_over_lambda_w"), 1e-12));
    REQUIRE_THAT(fold->state.beta, WithinRel(table.number(i, "beta_fold"), 1e-12));
    REQUIRE_THAT(fold->state.w, WithinRel(table.number(i, "w_fold"), 1e-12));
    REQUIRE_THAT(fold->attention, WithinRel(table.number(i, "attention_fold"), 1e-12));
  }
}

TEST_CASE("attention flow: requested against achieved accuracy", "[theory][eq5][eq7][eq8][eq9][eq21][order]") {
  struct Case {
    const char* what;
    theory::ContextModel context;
    FlowState start;
    theory::Memorization memorization;
    theory::AttentionFlowOptions options;
  };
  const auto growing = functions_of(power_family(1.5, 400.0));
  const std::vector<Case> cases{
      {"leading", {.model = LossModel::leading, .n_context = 50.0}, {}, growing, {}},
      {"leading, cold", {.model = LossModel::leading, .n_context = 50.0}, {0.0, -5.0}, ConstantMemorization{}, {}},
      {"leading, decay",
       {.model = LossModel::leading, .n_context = 50.0},
       {},
       ConstantMemorization{},
       {.lambda_w = 1e-3, .lambda_beta = 1e-3}},
      {"gaussian", {.model = LossModel::gaussian, .n_context = 50.0}, {}, growing, {}},
      {"gaussian, symmetric", {.model = LossModel::gaussian_symmetric, .n_context = 50.0}, {}, growing, {}},
      {"binomial", {.n_context = 50.0}, {0.3, -0.2}, logit_list("B"), {}},
      {"binomial, cold", {.n_context = 50.0}, {0.0, -5.0}, ConstantMemorization{}, {}},
      {"balanced", {.model = LossModel::balanced, .n_context = 50.0}, {0.0, 0.2}, ConstantMemorization{}, {}},
      {"balanced, exact", {.model = LossModel::balanced_exact, .n_context = 50.0}, {0.2, 0.2}, logit_list("A"), {}},
      {"half balanced", {.n_context = 50.0, .label_variance = 0.5}, {}, ConstantMemorization{}, {}},
      {"copies and overlap", {.n_context = 20.0, .n_items = 40.0, .item_dim = 63.0}, {}, ConstantMemorization{}, {}},
      {"closed loop",
       {.n_context = 20.0},
       {},
       functions_of(exponential_family(500.0)),
       {.lambda_w = 1e-3, .lambda_beta = 1e-4, .closed_loop = true}},
      {"closed loop, stiff",
       {.n_context = 20.0},
       {},
       functions_of(power_family(2.0, 1e5)),
       {.lambda_w = 1e-2, .closed_loop = true}},
  };
  for (const Case& each : cases) {
    const auto run = [&](double tolerance) {
      theory::AttentionFlowOptions options = each.options;
      options.rel_tol = tolerance;
      return attention_flow(each.context, each.start, each.memorization, options);
    };
    const auto markers = [](const theory::AttentionFlow& flow) {
      std::vector<double> result;
      for (const auto* marker : {&flow.blow_up, &flow.attention_half, &flow.half_loss, &flow.fade}) {
        if (*marker) result.push_back((*marker)->time);
      }
      if (flow.w_max) result.push_back(flow.w_max->state.w);  // its time is ill-conditioned: w is flat there
      return result;
    };
    const auto reference = markers(run(1e-13));
    REQUIRE_FALSE(reference.empty());
    int last_steps = 0;
    for (const double tolerance : {1e-6, 1e-8, 1e-10}) {
      const auto flow = run(tolerance);
      const auto achieved = markers(flow);
      REQUIRE(achieved.size() == reference.size());
      for (std::size_t i = 0; i < reference.size(); ++i) {
        INFO(each.what << ", marker " << i << ", requested " << tolerance << ", steps " << flow.steps);
        REQUIRE_THAT(achieved[i], WithinRel(reference[i], 10.0 * tolerance));
      }
      REQUIRE(flow.steps > last_steps);
      last_steps = flow.steps;
    }
  }
}

TEST_CASE("attention flow: one logit is the homogeneous closure", "[theory][eq21][identity]") {
  const double c1 = 0.27;
  const theory::LogitList list{{std::log((1.0 - c1) / c1)}, {}};
  for (const LossModel model : {LossModel::leading, LossModel::gaussian, LossModel::binomial}) {
    const auto from_c1 = attention_flow({.model = model, .n_context = 60}, {}, ConstantMemorization{c1, 1.0 - c1});
    const auto from_list = attention_flow({.model = model, .n_context = 60}, {}, list);
    REQUIRE_THAT(from_c1.attention_half->time, WithinRel(from_list.attention_half->time, 1e-12));
  }
  // A list with weights is the list with repetitions.
  const auto weighted = attention_flow({.n_context = 60}, {}, theory::LogitList{{0.2, 2.0}, {1.0, 3.0}});
  const auto repeated = attention_flow({.n_context = 60}, {}, theory::LogitList{{2.0, 0.2, 2.0, 2.0}, {}});
  REQUIRE_THAT(weighted.attention_half->time, WithinRel(repeated.attention_half->time, 1e-12));
}

TEST_CASE("attention flow: logits over time", "[theory][eq21]") {
  // One logit that grows linearly is the closure of c1 = sigma(-t/300); samples of it are exact between any two times.
  const auto logit = [](double t) { return t / 300.0; };
  theory::LogitHistory history;
  for (const double t : {0.0, 40.0, 500.0, 2000.0}) {
    history.times.push_back(t);
    history.signed_logits.push_back({logit(t), logit(t)});
  }
  history.weights = {1.0, 2.0};
  const theory::OrderParameterFunctions functions{[&](double t) { return 1.0 / (1.0 + std::exp(logit(t))); },
                                                  [&](double t) { return 1.0 / (1.0 + std::exp(-logit(t))); }};
  for (const LossModel model : {LossModel::leading, LossModel::binomial}) {
    const auto expected = attention_flow({.model = model, .n_context = 40}, {}, functions);
    const auto found = attention_flow({.model = model, .n_context = 40}, {}, history);
    REQUIRE_THAT(found.attention_half->time, WithinRel(expected.attention_half->time, 1e-9));
  }
  // Past its last time nothing is known.
  history.times = {0.0, 20.0};
  history.signed_logits.resize(2);
  const auto ended = attention_flow({.n_context = 40}, {}, history);
  REQUIRE(ended.outcome == AttentionOutcome::curve_ended);
  REQUIRE_THAT(ended.end.time, WithinRel(20.0, 1e-12));
  // In a closed loop it is the MLP's own time that reaches the end.
  const auto closed = attention_flow({.n_context = 40}, {3.0, 4.0}, history, {.lambda_w = 1e-3, .closed_loop = true});
  REQUIRE(closed.outcome == AttentionOutcome::curve_ended);
  REQUIRE_THAT(closed.end.mlp_time, WithinRel(20.0, 1e-9));
  REQUIRE(closed.end.time > 60.0);
}

TEST_CASE("attention flow: the closed loop slows memorization by what attention answers", "[theory][identity]") {
  // While attention says nothing (w = 0) the MLP learns as if alone.
  const theory::Landscape landscape({.n_context = 30.0}, logit_list("Cw"));
  REQUIRE_THAT(landscape.memorization_speed({0.0, 2.0}), WithinRel(1.0, 1e-14));
  // With full attention and equal logits it is 1/(c1 + (1 - c1) exp(w)).
  const double c1 = 0.2;
  const theory::Landscape one({.n_context = 30.0}, {{std::log((1.0 - c1) / c1)}, {}});
  REQUIRE_THAT(one.memorization_speed({3.0, 60.0}), WithinRel(1.0 / (c1 + (1.0 - c1) * std::exp(3.0)), 1e-13));
  REQUIRE(theory::Landscape({.model = LossModel::leading, .n_context = 30.0}).memorization_speed({3.0, 6.0}) == 1.0);
  // d tau/dt along a flow, by central differences of second order.
  const auto error = [](double width) {
    const auto flow = attention_flow({.n_context = 30.0}, {}, theory::LogitList{},
                                     {.closed_loop = true, .times = {90.0 - width, 90.0, 90.0 + width}});
    const auto& at = flow.trajectory;
    const double slope = (at[2].mlp_time - at[0].mlp_time) / (at[2].time - at[0].time);
    return slope / theory::Landscape({.n_context = 30.0}).memorization_speed(at[1].state) - 1.0;
  };
  REQUIRE_THAT(error(0.2) / error(0.1), WithinAbs(4.0, 0.2));
  REQUIRE(std::abs(error(0.1)) < 1e-3);
}

TEST_CASE("attention flow: markers already passed or never reached", "[theory]") {
  const auto passed = attention_flow({.n_context = 20}, {.w = 3.0, .beta = 5.0}, theory::LogitList{});
  REQUIRE(passed.outcome == AttentionOutcome::acquired);
  REQUIRE(passed.attention_half->time == 0.0);
  REQUIRE(passed.half_loss->time == 0.0);
  REQUIRE(passed.half_loss->state.w == 3.0);
  REQUIRE(passed.steps == 0);

  const auto early = attention_flow({.n_context = 100}, {}, theory::LogitList{}, {.t_max = 280.0});
  REQUIRE(early.outcome == AttentionOutcome::reached_t_max);
  REQUIRE(early.end.time == 280.0);
  REQUIRE(early.accuracy_95.has_value());
  REQUIRE_FALSE(early.half_loss.has_value());
  REQUIRE_FALSE(early.attention_half.has_value());

  const auto limited = attention_flow({.n_context = 100}, {}, theory::LogitList{}, {.max_steps = 3});
  REQUIRE(limited.outcome == AttentionOutcome::step_limit);
  REQUIRE(limited.steps == 3);

  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), -0.1, 1.5}) {
    const theory::OrderParameterFunctions functions{[bad](double t) { return t < 10.0 ? 0.5 : bad; },
                                                    [](double) { return 0.5; }};
    for (const LossModel model : {LossModel::leading, LossModel::binomial}) {
      const auto broken = attention_flow({.model = model, .n_context = 100}, {}, functions);
      REQUIRE(broken.outcome == AttentionOutcome::not_finite);
      REQUIRE(broken.end.time <= 10.0);
    }
  }
  for (const AttentionOutcome outcome :
       {AttentionOutcome::blow_up, AttentionOutcome::acquired, AttentionOutcome::faded, AttentionOutcome::other_basin,
        AttentionOutcome::settled, AttentionOutcome::reached_t_max, AttentionOutcome::curve_ended,
        AttentionOutcome::step_limit, AttentionOutcome::not_finite}) {
    REQUIRE_FALSE(theory::name(outcome).empty());
  }
}

TEST_CASE("attention flow: what stays and what is recorded", "[theory]") {
  // Under decay of w alone and an MLP that does not memorize, in-context learning stays: d L/dw = lambda_w w at a = 1.
  const auto permanent = attention_flow({.n_context = 50}, {}, theory::LogitList{}, {.lambda_w = 1e-2});
  REQUIRE(permanent.outcome == AttentionOutcome::settled);
  REQUIRE(permanent.attention_half.has_value());
  REQUIRE_FALSE(permanent.fade.has_value());
  const double w = permanent.end.state.w;
  REQUIRE_THAT(1.0 / (1.0 + std::exp(w)), WithinRel(1e-2 * w, 1e-8));

  const auto recorded = attention_flow({.n_context = 50}, {}, theory::LogitList{}, {.record_trajectory = true});
  REQUIRE(recorded.trajectory.size() == static_cast<std::size_t>(recorded.steps) + 1);
  for (std::size_t i = 1; i < recorded.trajectory.size(); ++i) {
    REQUIRE(recorded.trajectory[i].time > recorded.trajectory[i - 1].time);
    REQUIRE(recorded.trajectory[i].mlp_time == recorded.trajectory[i].time);
  }
  const auto longer = attention_flow({.n_context = 50}, {}, theory::LogitList{}, {.t_max = 1e4, .run_to_t_max = true});
  REQUIRE(longer.outcome == AttentionOutcome::reached_t_max);
  REQUIRE(longer.end.time == 1e4);
  REQUIRE(longer.attention_half->time == recorded.attention_half->time);
}

TEST_CASE("attention flow: far ends", "[theory][limits]") {
  for (const LossModel model : {LossModel::gaussian, LossModel::binomial}) {
    for (const double n : {2.0, 3.0, 1e6}) {
      for (const double beta0 : {-8.0, 0.0, 3.0, 20.0}) {
        for (const double w0 : {-5.0, 0.0, 5.0}) {
          INFO(theory::name(model) << ", N = " << n << ", beta0 = " << beta0 << ", w0 = " << w0);
          const auto flow =
              attention_flow({.model = model, .n_context = n}, {w0, beta0}, theory::LogitList{}, {.rel_tol = 1e-6});
          INFO(theory::name(flow.outcome) << " after " << flow.steps << " steps, w = " << flow.end.state.w
                                          << ", beta = " << flow.end.state.beta << ", t = " << flow.end.time);
          REQUIRE(flow.outcome == AttentionOutcome::acquired);
        }
      }
    }
  }
  // Weak decay: the fade takes T c3/(lambda_w W), here 1e14, and is found as the quasi-static integral says.
  const auto weak = attention_flow({.n_context = 50}, {}, functions_of(exponential_family(1e4)),
                                   {.lambda_w = 1e-10, .closed_loop = true});
  REQUIRE(weak.outcome == AttentionOutcome::faded);
  REQUIRE(weak.fade->time > 1e12);
  // The other basin with the exact loss, and with a mixture of contexts.
  for (const theory::ContextModel& context :
       {theory::ContextModel{.model = LossModel::balanced_exact, .n_context = 50},
        theory::ContextModel{.model = LossModel::gaussian, .n_context = 50, .label_variance = 0.2}}) {
    const auto away = attention_flow(context, {-1.0, -1.0}, theory::LogitList{});
    REQUIRE(away.outcome == AttentionOutcome::other_basin);
    REQUIRE(attention_flow(context, {-1.0, -1.0}, theory::LogitList{}, {.t_max = 1e9, .run_to_t_max = true}).outcome ==
            AttentionOutcome::reached_t_max);
  }
  // A decay that is far too strong.
  const auto strong = attention_flow({.n_context = 50}, {}, theory::LogitList{}, {.lambda_w = 1e3, .lambda_beta = 1e3});
  REQUIRE(strong.outcome == AttentionOutcome::settled);
  REQUIRE_FALSE(strong.attention_half.has_value());
}

TEST_CASE("acquisition tower: every level of one point", "[theory][eq10][eq34][eq7][eq8][eq5][eq21]") {
  const FlowState start{0.3, -0.4};
  const double n = 100.0;
  const auto constant = theory::acquisition_tower(n, start, ConstantMemorization{0.25, 0.75});
  const auto time_of = [](double integral) { return integral / (2.0 * 0.25); };
  REQUIRE_THAT(*constant.leading, WithinRel(time_of(theory::acquisition_integral_leading(n, -0.4)), 1e-14));
  REQUIRE_THAT(*constant.undamped, WithinRel(time_of(theory::acquisition_integral(n, -0.4, 0.3)), 1e-14));
  REQUIRE_THAT(*constant.exact, WithinRel(time_of(theory::acquisition_integral_exact(n, -0.4, 0.3, 0.75)), 1e-14));
  REQUIRE_THAT(*constant.flow, WithinRel(*constant.exact, 1e-9));
  REQUIRE(*constant.binomial > *constant.accuracy_95);
  REQUIRE(*constant.binomial > *constant.half_loss);
  REQUIRE_THAT(*constant.gaussian, WithinRel(*constant.binomial, 1e-5));

  // c1(t) known in closed form: I_K(t) = X inverted three ways.
  const Family family = power_family(1.5, 400.0);
  const auto functions = theory::acquisition_tower(n, {}, functions_of(family));
  const double x = theory::acquisition_integral_leading(n, 0.0);
  REQUIRE_THAT(family.horizon * family.integral(*functions.leading / family.horizon), WithinRel(x, 1e-9));
  const auto curves = theory::acquisition_tower(n, {}, sampled(family, 1e5, 600, true));
  REQUIRE_THAT(*curves.leading, WithinRel(*functions.leading, 1e-5));
  REQUIRE_THAT(*curves.binomial, WithinRel(*functions.binomial, 1e-5));
  REQUIRE_THAT(*curves.flow, WithinRel(561.65328568294284, 1e-5));  // acq_timevarying.csv, row P 1.5 400 hom

  // Memorized first at every level.
  const auto never = theory::acquisition_tower(n, {}, functions_of(exponential_family(50.0)));
  for (const auto* level : {&never.leading, &never.undamped, &never.exact, &never.flow, &never.gaussian,
                            &never.binomial, &never.half_loss}) {
    REQUIRE_FALSE(level->has_value());
  }
}

TEST_CASE("attention flow: bad input is named", "[theory][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const theory::LogitList list;
  const auto with = [&](const theory::AttentionFlowOptions& options) {
    return attention_flow({.n_context = 10}, {}, list, options);
  };
  const auto knows = [](const theory::Memorization& memorization) {
    return attention_flow({.n_context = 10}, {}, memorization);
  };
  REQUIRE_THROWS_WITH(attention_flow({.n_context = 1}, {}, list),
                      "context: expected a whole number in [2, 1e6], got 1");
  REQUIRE_THROWS_WITH(attention_flow({.n_context = 10}, {.w = nan}, list), "w0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(attention_flow({.n_context = 10}, {.beta = nan}, list),
                      "beta0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(with({.lambda_w = -1.0}), "lambda_w: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(with({.lambda_beta = nan}), "lambda_beta: expected a number that is not negative, got nan");
  REQUIRE_THROWS_WITH(with({.rel_tol = 1.0}), "rel_tol: expected a number in [1e-14, 1e-2], got 1");
  REQUIRE_THROWS_WITH(with({.t_max = 0.0}), "t_max: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(with({.max_steps = 0}), "max_steps: expected at least 1, got 0");
  REQUIRE_THROWS_WITH(with({.times = {-1.0}}), "times: expected numbers that are not negative, got -1");
  REQUIRE_THROWS_WITH(with({.times = {1.0, 1.0}}), "times: expected rising times, got 1");
  REQUIRE_THROWS_WITH(attention_flow({.model = LossModel::balanced, .n_context = 10}, {}, list, {.closed_loop = true}),
                      "closed_loop: the model balanced does not contain it; gaussian, binomial and balanced-exact do");
  REQUIRE_THROWS_WITH(knows(ConstantMemorization{1.0, 0.5}), "c1: expected a number in (0, 1), got 1");
  REQUIRE_THROWS_WITH(knows(ConstantMemorization{0.5, -0.5}), "c2: expected a number in [0, 1], got -0.5");
  REQUIRE_THROWS_WITH(knows(theory::OrderParameterFunctions{}), "functions: expected both c1 and c2");
  REQUIRE_THROWS_WITH(knows(theory::LogitList{{}, {}}), "logits: expected at least one logit, got none");
  REQUIRE_THROWS_WITH(knows(theory::LogitHistory{{0.0}, {{0.0}}, {}}), "times: expected at least two times, got 1");
  REQUIRE_THROWS_WITH(knows(theory::LogitHistory{{0.0, 1.0}, {{0.0}}, {}}),
                      "logits: expected 2 lists, one per time, got 1");
  REQUIRE_THROWS_WITH(knows(theory::LogitHistory{{0.0, 0.0}, {{0.0}, {0.0}}, {}}),
                      "times: expected rising times, got 0");
  REQUIRE_THROWS_WITH(knows(theory::LogitHistory{{-1.0, 0.0}, {{0.0}, {0.0}}, {}}),
                      "times: expected times that are not negative, got -1");
  REQUIRE_THROWS_WITH(knows(theory::LogitHistory{{0.0, 1.0}, {{0.0}, {0.0, 1.0}}, {}}),
                      "logits: expected 1 logits at every time, list 1 has 2");
  REQUIRE_THROWS_WITH(theory::acquisition_tower(10, {}, list, {.closed_loop = true}),
                      "closed_loop: the closed forms do not contain it");
  REQUIRE_THROWS_WITH(theory::decay_fold(1, 1), "context: expected a number of at least 2, got 1");
  REQUIRE_THROWS_WITH(theory::decay_fold(10, 0), "decay_ratio: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(theory::Landscape({.n_context = 10}, 0.5, 0.5, 0.7),
                      "model: the model binomial needs the logits, not only c1, c2");
  REQUIRE_THROWS_WITH(theory::Landscape({.model = LossModel::leading, .n_context = 10}, 0.0, 0.5, 0.7),
                      "c1: expected a number in (0, 1], got 0");
  REQUIRE_THROWS_WITH(theory::Landscape({.model = LossModel::leading, .n_context = 10}, 0.5, 1.5, 0.7),
                      "c2: expected a number in [0, 1], got 1.5");
}
