// Extra copies in finite data and the overlap of Gaussian items, against contexts that are drawn as the data set draws
// them.

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>
#include <vector>

#include "golden_logits.hpp"
#include "iclk/core/logistic.hpp"
#include "iclk/core/random.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/landscape.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::ContextModel;
using theory::FlowState;
using theory::LossModel;

namespace {

constexpr double kPhi = 0.3;

/// Means and standard errors of loss, dL/dw and dL/dbeta over contexts.
class Average {
 public:
  /// The other items: sums of exp(beta x.y), of it times the label, and of both times x.y.
  struct Others {
    double weight = 0.0, labelled = 0.0, d_weight = 0.0, d_labelled = 0.0;
  };

  /// One context and the one with all other labels flipped: `copies` of weight exp(beta square), then the others. With
  /// `flip` 1 the context alone: the labels of the others lean to one side.
  void add(FlowState state, double copies, double square, const Others& others, double flip = -1.0) {
    std::array<double, 3> values{};
    const double q = copies * std::exp(state.beta * square);
    const double total = q + others.weight;
    for (const double sign : {0.5, 0.5 * flip}) {
      const double x = (q + 2.0 * sign * others.labelled) / total;
      const double d_x =
          (square * q + 2.0 * sign * others.d_labelled) / total - x * (square * q + others.d_weight) / total;
      const double wrong = sigmoid(-kPhi - state.w * x);
      values[0] += 0.5 * softplus(-kPhi - state.w * x);
      values[1] -= 0.5 * wrong * x;
      values[2] -= 0.5 * state.w * wrong * d_x;
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      sums_[i] += values[i];
      squares_[i] += values[i] * values[i];
    }
    n_ += 1.0;
  }

  double mean(std::size_t i) const { return sums_[i] / n_; }
  double standard_error(std::size_t i) const { return std::sqrt((squares_[i] / n_ - mean(i) * mean(i)) / n_); }

 private:
  std::array<double, 3> sums_{}, squares_{};
  double n_ = 0.0;
};

std::array<double, 3> model(const ContextModel& context, FlowState state) {
  const auto value = theory::Landscape(context, {.signed_logits = {kPhi}, .weights = {}}).loss_and_gradient(state);
  return {value.loss, value.d_w, value.d_beta};
}

/// The corrected model agrees within 4 standard errors; the model without the correction is off by 10 in one of them.
void compare(const Average& average, const ContextModel& context, FlowState state) {
  const auto corrected = model(context, state);
  ContextModel plain = context;
  plain.n_items.reset();
  plain.balanced_items = false;
  plain.item_dim.reset();
  const auto uncorrected = model(plain, state);
  double largest_gap = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    INFO("quantity " << i << ": " << average.mean(i) << " +- " << average.standard_error(i));
    CHECK_THAT(corrected[i], WithinAbs(average.mean(i), 4.0 * average.standard_error(i)));
    largest_gap = std::max(largest_gap, std::abs(uncorrected[i] - average.mean(i)) / average.standard_error(i));
  }
  CHECK(largest_gap > 10.0);
}

}  // namespace

TEST_CASE("context corrections: extra copies against drawn contexts", "[theory][eq4][eq21][parity]") {
  struct Case {
    int n_context, n_items;
    FlowState state;
  };
  std::uint64_t stream = 0;
  for (const Case& each : {Case{20, 30, {1.5, 1.0}}, Case{20, 30, {-1.0, 0.5}}, Case{20, 10, {1.5, 1.0}},
                           Case{50, 100, {3.0, 3.0}}, Case{20, 200, {0.5, 0.0}}}) {
    INFO("N = " << each.n_context << ", K = " << each.n_items << ", w = " << each.state.w);
    Average average;
    Rng rng(7, RandomPurpose::test, stream++);
    std::vector<double> labels(static_cast<std::size_t>(each.n_items));
    for (int context = 0; context < 20'000; ++context) {
      for (double& label : labels) label = rng.below(2) == 0 ? -1.0 : 1.0;
      // Item 0 is the target, with one copy for certain; its label is +1, and orthonormal items have x.y = 0.
      double copies = 1.0;
      Average::Others others;
      for (int j = 1; j < each.n_context; ++j) {
        const std::size_t item = rng.below(labels.size());
        if (item == 0) {
          copies += 1.0;
        } else {
          others.weight += 1.0;
          others.labelled += labels[item];
        }
      }
      average.add(each.state, copies, 1.0, others);
    }
    compare(average, {.n_context = static_cast<double>(each.n_context), .n_items = static_cast<double>(each.n_items)},
            each.state);
  }
}

TEST_CASE("context corrections: extra copies of items with balanced labels against drawn contexts",
          "[theory][eq4][eq21][parity]") {
  struct Case {
    int n_context, n_items;
    FlowState state;
  };
  std::uint64_t stream = 200;
  for (const Case& each :
       {Case{20, 30, {1.5, 1.0}}, Case{20, 10, {1.5, 1.0}}, Case{50, 100, {3.0, 3.0}}, Case{40, 20, {1.0, 0.0}}}) {
    INFO("N = " << each.n_context << ", K = " << each.n_items << ", w = " << each.state.w);
    Average average;
    Rng rng(7, RandomPurpose::test, stream++);
    for (int context = 0; context < 60'000; ++context) {
      // Even items have the label of the target, item 0.
      double copies = 1.0;
      Average::Others others;
      for (int j = 1; j < each.n_context; ++j) {
        const auto item = rng.below(static_cast<std::uint64_t>(each.n_items));
        if (item == 0) {
          copies += 1.0;
        } else {
          others.weight += 1.0;
          others.labelled += item % 2 == 0 ? 1.0 : -1.0;
        }
      }
      average.add(each.state, copies, 1.0, others, 1.0);
    }
    compare(average,
            {.n_context = static_cast<double>(each.n_context),
             .n_items = static_cast<double>(each.n_items),
             .balanced_items = true},
            each.state);
  }
}

TEST_CASE("context corrections: further copies of items with balanced labels do not help w", "[theory][eq7][limits]") {
  // At w = 0 the pull on w is c1 E X: further copies and the other labels cancel at beta = 0, where it is 1/N for any K.
  for (const double k : {4.0, 20.0, 1e6}) {
    const ContextModel context{.n_context = 30.0, .n_items = k, .balanced_items = true};
    const FlowState velocity = theory::Landscape(context, {.signed_logits = {0.0}, .weights = {}}).velocity({0.0, 0.0});
    REQUIRE_THAT(velocity.w, WithinRel(0.5 / 30.0, 1e-12));
    ContextModel random = context;
    random.balanced_items = false;
    REQUIRE_THAT(theory::Landscape(random, {.signed_logits = {0.0}, .weights = {}}).velocity({0.0, 0.0}).w,
                 WithinRel(0.5 / 30.0 * (1.0 + 29.0 / k), 1e-12));
  }
}

TEST_CASE("context corrections: overlap of Gaussian items against drawn contexts", "[theory][eq4][eq21][parity]") {
  struct Case {
    int n_context, dim;
    FlowState state;
  };
  std::uint64_t stream = 100;
  for (const Case& each : {Case{20, 16, {1.5, 1.5}}, Case{40, 24, {2.0, 3.0}}, Case{20, 8, {1.0, 1.3}}}) {
    INFO("N = " << each.n_context << ", d = " << each.dim << ", w = " << each.state.w);
    Average average;
    Rng rng(7, RandomPurpose::test, stream++);
    const auto d = static_cast<std::size_t>(each.dim);
    const double scale = 1.0 / std::sqrt(static_cast<double>(each.dim));
    std::vector<double> target(d);
    for (int context = 0; context < 8'000; ++context) {
      double square = 0.0;
      for (double& coordinate : target) {
        coordinate = scale * rng.normal();
        square += coordinate * coordinate;
      }
      Average::Others others;
      for (int j = 1; j < each.n_context; ++j) {
        double overlap = 0.0;
        for (const double coordinate : target) overlap += coordinate * scale * rng.normal();
        const double weight = std::exp(each.state.beta * overlap);
        const double label = rng.below(2) == 0 ? -1.0 : 1.0;
        others.weight += weight;
        others.labelled += label * weight;
        others.d_weight += overlap * weight;
        others.d_labelled += label * overlap * weight;
      }
      average.add(each.state, 1.0, square, others);
    }
    compare(average, {.n_context = static_cast<double>(each.n_context), .item_dim = static_cast<double>(each.dim)},
            each.state);
  }
}

TEST_CASE("context corrections: near the start they are the factors of the leading models", "[theory][eq6][limits]") {
  // The corrected exact loss at large N and small w against the corrected expansion; what is left is of order 1/N, w^2/N
  // and, for the overlap, beta^3/d^2 = 7e-4.
  const auto ratio = [](const ContextModel& context, FlowState state) {
    ContextModel leading = context;
    leading.model = LossModel::leading;
    const FlowState full = theory::Landscape(context, logit_list("A")).velocity(state);
    const FlowState near = theory::Landscape(leading, logit_list("A")).velocity(state);
    return std::array{full.w / near.w, full.beta / near.beta};
  };
  for (const FlowState state : {FlowState{0.05, 0.2}, FlowState{-0.1, 0.5}}) {
    for (const double error : ratio({.n_context = 1e4, .n_items = 2e4}, state)) {
      REQUIRE_THAT(error, WithinAbs(1.0, 5e-4));
    }
  }
  for (const double error : ratio({.n_context = 1e5, .item_dim = 50.0}, {0.01, 1.2})) {
    REQUIRE_THAT(error, WithinAbs(1.0, 2e-3));
  }
  // Both disappear as K and d grow.
  const auto plain = model({.n_context = 30.0}, {2.0, 1.5});
  const auto both = model({.n_context = 30.0, .n_items = 1e10, .item_dim = 1e10}, {2.0, 1.5});
  for (std::size_t i = 0; i < 3; ++i) REQUIRE_THAT(both[i], WithinRel(plain[i], 1e-8));
}

TEST_CASE("context corrections: acquisition comes sooner with extra copies", "[theory][eq7][eq8][limits]") {
  const FlowState start{-0.2, 0.3};
  double last_gap = 1.0;
  for (const double n : {100.0, 400.0, 1600.0}) {
    const double factor = 1.0 + (n - 1.0) / n;  // K = N
    const auto leading = theory::attention_flow({.model = LossModel::leading, .n_context = n, .n_items = n}, start,
                                                theory::ConstantMemorization{});
    const double plain = theory::acquisition_integral_exact(n, start.beta, start.w, 0.5);
    REQUIRE_THAT(leading.blow_up->time, WithinRel(plain / factor, 1e-9));  // the whole flow is faster
    const auto exact = theory::attention_flow({.n_context = n, .n_items = n}, start, theory::LogitList{});
    const auto without = theory::attention_flow({.n_context = n}, start, theory::LogitList{});
    // Of the exact loss to leading order only: the stretch of order ln N after the blow-up is as long as without copies.
    const double gap = 1.0 - without.attention_half->time / exact.attention_half->time / factor;
    INFO("N = " << n << ": " << gap);
    REQUIRE(gap > 0.0);
    REQUIRE(gap < 0.5 * last_gap);
    last_gap = gap;
  }
  REQUIRE(last_gap < 0.015);
}
