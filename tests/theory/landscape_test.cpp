#include "iclk/theory/landscape.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>
#include <vector>

#include "golden_logits.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/logistic.hpp"
#include "iclk/core/order_parameters.hpp"
#include "iclk/core/random.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::FlowState;
using theory::LogitList;
using theory::LossModel;

namespace {

theory::Landscape landscape_of(LossModel model, double n_context, LogitList logits = {}) {
  return theory::Landscape({.model = model, .n_context = n_context}, std::move(logits));
}

/// Eq. 21 term by term as printed: the number n of positive labels is Binomial(N, 1/2), weighted by 2 n/N.
double loss_as_printed(FlowState state, int n_context, const LogitList& logits) {
  const double n = n_context;
  const double q = std::exp(state.beta);
  double loss = 0.0;
  double total_weight = 0.0;
  for (std::size_t j = 0; j < logits.signed_logits.size(); ++j) {
    const double weight = logits.weights.empty() ? 1.0 : logits.weights[j];
    total_weight += weight;
    for (int k = 0; k <= n_context; ++k) {
      const double log_choose = std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0);
      const double probability = 2.0 * k / n * std::exp(log_choose - n * std::log(2.0));
      const double attention = state.w * (q + 2.0 * k - n - 1.0) / (q + n - 1.0);
      loss += weight * probability * softplus(-logits.signed_logits[j] - attention);
    }
  }
  return loss / total_weight;
}

}  // namespace

TEST_CASE("landscape: losses and gradients on the reference grid",
          "[theory][eq4][eq5][eq6][eq9][eq21][eq28][gradient]") {
  const Table table = read_table("loss_grid.csv");
  REQUIRE(table.rows() == 448);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const LogitList logits = logit_list(table.text(i, "list"));
    const double n = table.number(i, "N");
    const FlowState state{table.number(i, "w"), table.number(i, "beta")};
    const OrderParameters mean = order_parameters(logits.signed_logits, logits.weights);
    INFO("row " << i);
    const auto check = [&](LossModel model, const char* loss, const std::string& gradient) {
      INFO(theory::name(model));
      const auto result = landscape_of(model, n, logits).loss_and_gradient(state);
      REQUIRE_THAT(result.loss, WithinRel(table.number(i, loss), 1e-12) || WithinAbs(table.number(i, loss), 1e-14));
      if (gradient.empty()) return;
      // The sum over contexts cancels where the sign of X varies: relative to the largest term, |X| ~ 1 and c1.
      const double d_w = table.number(i, gradient + "_dw");
      const double d_beta = table.number(i, gradient + "_dbeta");
      REQUIRE_THAT(result.d_w, WithinRel(d_w, 1e-12) || WithinAbs(d_w, 1e-16));
      REQUIRE_THAT(result.d_beta, WithinRel(d_beta, 1e-12) || WithinAbs(d_beta, 1e-16));
    };
    check(LossModel::binomial, "L_eq21", "dL21");
    check(LossModel::gaussian, "L_eq5", "dL5");
    check(LossModel::gaussian_symmetric, "L_sym_gauss", "");
    check(LossModel::leading, "L_eq6", "");
    check(LossModel::balanced, "L_eq9", "");
    check(LossModel::balanced_exact, "L_balanced_exact", "");
    REQUIRE_THAT(theory::quadratic_loss(state, n, mean.c1, mean.c2, mean.loss),
                 WithinRel(table.number(i, "L_eq6"), 1e-12) || WithinAbs(table.number(i, "L_eq6"), 1e-14));
    REQUIRE_THAT(theory::balanced_loss(state, n, mean.c1, mean.loss),
                 WithinRel(table.number(i, "L_eq9"), 1e-12) || WithinAbs(table.number(i, "L_eq9"), 1e-14));
    REQUIRE_THAT(theory::balanced_loss_exact(state, n, logits), WithinRel(table.number(i, "L_balanced_exact"), 1e-12));
  }
}

TEST_CASE("landscape: the binomial form is Eq. 21 as printed", "[theory][eq21][identity][parity]") {
  for (int n : {2, 3, 20, 101}) {
    for (const char* name : {"zero", "B", "Cw"}) {
      for (const FlowState state : {FlowState{0.3, 0.2}, FlowState{-2.0, 1.0}, FlowState{4.0, -1.0}}) {
        INFO("N = " << n << ", list " << name << ", w = " << state.w);
        REQUIRE_THAT(landscape_of(LossModel::binomial, n, logit_list(name)).loss(state),
                     WithinRel(loss_as_printed(state, n, logit_list(name)), 1e-12));
      }
    }
  }
}

TEST_CASE("landscape: gradient against central differences", "[theory][eq5][eq6][eq9][eq21][gradient]") {
  std::vector<theory::ContextModel> contexts;
  for (const LossModel model : {LossModel::leading, LossModel::gaussian, LossModel::gaussian_symmetric,
                                LossModel::binomial, LossModel::balanced, LossModel::balanced_exact}) {
    for (const double n : {2.0, 21.0, 400.0}) contexts.push_back({.model = model, .n_context = n});
    contexts.push_back({.model = model, .n_context = 21.0, .label_variance = 0.3});
    contexts.push_back({.model = model, .n_context = 21.0, .n_items = 15.0});
    if (theory::is_full(model)) {
      contexts.push_back({.model = model, .n_context = 21.0, .n_items = 15.0, .balanced_items = true});
      contexts.push_back({.model = model,
                          .n_context = 21.0,
                          .label_variance = 0.6,
                          .n_items = 15.0,
                          .balanced_items = true,
                          .item_dim = 40.0});
    }
    contexts.push_back({.model = model, .n_context = 21.0, .item_dim = 40.0});
    contexts.push_back({.model = model, .n_context = 21.0, .label_variance = 0.6, .n_items = 15.0, .item_dim = 40.0});
  }
  for (const theory::ContextModel& context : contexts) {
    const theory::Landscape landscape(context, logit_list("B"));
    for (const FlowState state :
         {FlowState{0.5, 0.3}, FlowState{-1.5, 2.0}, FlowState{3.0, -0.7}, FlowState{6.0, 9.0}}) {
      const double h = 1e-5;
      const auto gradient = landscape.loss_and_gradient(state);
      const auto loss = [&](double dw, double dbeta) { return landscape.loss({state.w + dw, state.beta + dbeta}); };
      INFO(theory::name(context.model) << ", N = " << context.n_context << ", v = " << context.label_variance << ", K "
                                       << context.n_items.value_or(0) << ", d " << context.item_dim.value_or(0)
                                       << ", w = " << state.w << ", beta = " << state.beta);
      // Central differences: 1e-10 of the loss's own size for rounding and for the third derivative.
      const double size = 1.0 + std::abs(gradient.loss) + std::abs(gradient.d_w) + std::abs(gradient.d_beta);
      REQUIRE_THAT((loss(h, 0.0) - loss(-h, 0.0)) / (2.0 * h), WithinAbs(gradient.d_w, 2e-10 * size));
      REQUIRE_THAT((loss(0.0, h) - loss(0.0, -h)) / (2.0 * h), WithinAbs(gradient.d_beta, 2e-10 * size));
      const FlowState velocity = landscape.velocity(state);
      REQUIRE(velocity.w == -gradient.d_w);
      REQUIRE(velocity.beta == -gradient.d_beta);
    }
  }
}

TEST_CASE("landscape: near the start the exact loss is Eq. 6 and its gradient Eqs. 7 and 8",
          "[theory][eq6][eq7][eq8][eq28][limits]") {
  const LogitList logits = logit_list("A");
  const OrderParameters mean = order_parameters(logits.signed_logits, logits.weights);
  // exp(beta)/N -> 0 at fixed beta: the relative error of the expansion falls as 1/N.
  double last = 1.0;
  for (double n : {1e2, 1e3, 1e4, 1e5}) {
    const FlowState state{0.2, 0.4};
    const FlowState velocity = landscape_of(LossModel::binomial, n, logits).velocity(state);
    const double q = std::exp(state.beta);
    const double w_error = std::abs(velocity.w / (mean.c1 / n * (q - mean.c2 * state.w)) - 1.0);
    const double beta_error = std::abs(velocity.beta / (mean.c1 / n * state.w * q) - 1.0);
    INFO("N = " << n);
    REQUIRE(w_error < 3.0 / n);
    REQUIRE(beta_error < 3.0 / n);
    const double error = std::abs(landscape_of(LossModel::binomial, n, logits).loss(state) -
                                  theory::quadratic_loss(state, n, mean.c1, mean.c2, mean.loss));
    REQUIRE(error < last / 50.0);  // second order in 1/N
    last = error;
  }
}

TEST_CASE("landscape: balanced loss to first order and its symmetry at beta = 0", "[theory][eq9][limits]") {
  const LogitList logits = logit_list("Cw");
  const OrderParameters mean = order_parameters(logits.signed_logits, logits.weights);
  for (double n : {1e2, 1e4, 1e6}) {
    const FlowState state{0.1, 0.2};
    const double exact = theory::balanced_loss_exact(state, n, logits) - mean.loss;
    const double first = theory::balanced_loss(state, n, mean.c1, mean.loss) - mean.loss;
    REQUIRE_THAT(exact / first, WithinRel(1.0, 1.0 / n + 1e-9 * n));
  }
  REQUIRE_THAT(theory::balanced_loss_exact({3.0, 0.0}, 50, logits), WithinRel(mean.loss, 1e-15));
}

TEST_CASE("landscape: extreme logits and attention stay finite", "[theory][eq21][limits]") {
  const LogitList extreme{{-700.0, 700.0, 0.0}, {}};
  const theory::Landscape landscape = landscape_of(LossModel::binomial, 100, extreme);
  for (const FlowState state : {FlowState{1.0, 0.0}, FlowState{-700.0, 800.0}, FlowState{900.0, 50.0},
                                FlowState{1e-300, -800.0}, FlowState{-1e4, 1.0}}) {
    const auto result = landscape.loss_and_gradient(state);
    INFO("w = " << state.w << ", beta = " << state.beta);
    REQUIRE(std::isfinite(result.loss));
    REQUIRE(std::isfinite(result.d_w));
    REQUIRE(std::isfinite(result.d_beta));
  }
  // Full attention on the copy: E S sigma(-phi - w), whatever N.
  const double full = (sigmoid(700.0 - 2.0) + sigmoid(-700.0 - 2.0) + sigmoid(-2.0)) / 3.0;
  REQUIRE_THAT(landscape.velocity({2.0, 800.0}).w, WithinRel(full, 1e-14));
  // The blocks of the geometric recurrence against the slow form: large N, w that spreads the terms.
  const theory::Landscape large = landscape_of(LossModel::binomial, 5001);
  const auto gradient = large.loss_and_gradient({200.0, 1.0});
  const double h = 1e-3;
  const double numeric = (large.loss({200.0 + h, 1.0}) - large.loss({200.0 - h, 1.0})) / (2.0 * h);
  REQUIRE_THAT(gradient.d_w, WithinRel(numeric, 1e-7));
}

TEST_CASE("landscape: bad input is named", "[theory][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto binomial = [](double n, LogitList logits = {}) {
    return landscape_of(LossModel::binomial, n, std::move(logits));
  };
  REQUIRE_THROWS_WITH(binomial(2.5), "context: expected a whole number in [2, 1e6], got 2.5");
  REQUIRE_THROWS_WITH(binomial(1), "context: expected a whole number in [2, 1e6], got 1");
  REQUIRE_THROWS_WITH(binomial(nan), "context: expected a whole number in [2, 1e6], got nan");
  REQUIRE_THROWS_WITH(binomial(10, LogitList{{}, {}}), "logits: expected at least one logit, got none");
  REQUIRE_THROWS_WITH(binomial(10, LogitList{{0.0, nan}, {}}), "logits: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(binomial(10, LogitList{{0.0, 1.0}, {1.0}}), "weights: expected 2 weights, got 1");
  REQUIRE_THROWS_WITH(binomial(10, LogitList{{0.0}, {-1.0}}),
                      "weights: expected numbers that are not negative, got -1");
  REQUIRE_THROWS_WITH(binomial(10, LogitList{{0.0}, {0.0}}), "weights: expected a positive sum, got 0");
  REQUIRE_THROWS_WITH(landscape_of(LossModel::gaussian, 1.5), "context: expected a number of at least 2, got 1.5");
  const auto with = [](theory::ContextModel context) { return theory::Landscape(context); };
  REQUIRE_THROWS_WITH(with({.label_variance = 1.5}), "label_variance: expected a number in [0, 1], got 1.5");
  REQUIRE_THROWS_WITH(with({.n_items = 1.0}), "n_items: expected a number of at least 2, got 1");
  REQUIRE_THROWS_WITH(with({.model = LossModel::leading, .n_context = 2.5, .n_items = 10.0}),
                      "context: expected a whole number in [2, 1e6], got 2.5");
  REQUIRE_THROWS_WITH(with({.balanced_items = true}), "balanced_items: needs n_items");
  REQUIRE_THROWS_WITH(with({.model = LossModel::leading, .n_items = 10.0, .balanced_items = true}),
                      "balanced_items: needs a full model, got leading");
  REQUIRE_THROWS_WITH(with({.item_dim = 0.5}), "item_dim: expected a number of at least 1, got 0.5");
  REQUIRE_THROWS_WITH(theory::quadratic_loss({}, 1, 0.5, 0.5, 0.7), "context: expected a number of at least 2, got 1");
  REQUIRE_THROWS_WITH(theory::balanced_loss({}, 1, 0.5, 0.7), "context: expected a number of at least 2, got 1");
}
