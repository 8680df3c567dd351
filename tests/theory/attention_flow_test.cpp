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
      REQUIRE(flow.outcome == AttentionOutcome::settled);
      REQUIRE_FALSE(flow.blow_up.has_value());
      REQUIRE(flow.end.state.w < 0.0);
      REQUIRE(flow.end.state.beta < -100.0);
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
      REQUIRE(flow.outcome == AttentionOutcome::settled);
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
