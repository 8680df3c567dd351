#include "iclk/theory/attention_accuracy.hpp"

#include <cmath>
#include <limits>
#include <random>
#include <utility>

#include "iclk/core/error.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/transience.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::attention_accuracy;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string message_of(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("attention accuracy: reference values", "[theory][eq21]") {
  // The sum over coins with exact binomials in mpmath, 30 digits.
  CHECK_THAT(attention_accuracy(100, {.w = 1e-9, .beta = 0}), WithinRel(0.5397946186935893807490635, 1e-12));
  CHECK_THAT(attention_accuracy(100, {.w = 2, .beta = 3}), WithinRel(0.9780623532064923968799841, 1e-12));
  CHECK_THAT(attention_accuracy(12, {.w = 3.5, .beta = 1.25}, 0.75), WithinRel(0.7776105657431728418394767, 1e-12));
  CHECK_THAT(attention_accuracy(25, {.w = -1.5, .beta = 4}, 2), WithinRel(0.3013859139299911149577465, 1e-12));
  CHECK_THAT(attention_accuracy(1000, {.w = 4, .beta = 5.5}, 3), WithinRel(0.603407925314423021419928, 1e-12));
}

TEST_CASE("attention accuracy: limits", "[theory][eq21][limits]") {
  for (const double sd : {0.0, 0.7}) {
    CHECK_THAT(attention_accuracy(50, {.w = 0, .beta = 2}, sd), WithinRel(0.5, 1e-14));
    const double full = theory::novel_accuracy(1.3, sd, theory::NovelLogits::gaussian);
    CHECK_THAT(attention_accuracy(50, {.w = 1.3, .beta = kInfinity}, sd), WithinRel(full, 1e-14));
    CHECK_THAT(attention_accuracy(50, {.w = 1.3, .beta = 800}, sd), WithinRel(full, 1e-14));
    CHECK_THAT(attention_accuracy(51, {.w = 1.3, .beta = -800}, sd), WithinRel(0.5, 1e-12));
    CHECK_THAT(attention_accuracy(51, {.w = 1.3, .beta = 1}, sd) + attention_accuracy(51, {.w = -1.3, .beta = 1}, sd),
               WithinRel(1.0, 1e-12));
  }
  // Two labels: right when the other agrees, and when beta > 0 also when it does not.
  CHECK(attention_accuracy(2, {.w = 1, .beta = 0.1}) == 1.0);
  CHECK(attention_accuracy(2, {.w = 1, .beta = 0.0}) == 0.75);
  CHECK(attention_accuracy(2, {.w = 1, .beta = -0.1}) == 0.5);
  CHECK(attention_accuracy(1e6, {.w = 1, .beta = 10}) > 0.9999);
}

TEST_CASE("attention accuracy: the flow passes 95 percent at its marker", "[theory][eq21][identity]") {
  for (const double n_context : {20.0, 35.0, 100.0}) {
    const theory::AttentionFlow flow = attention_flow({.n_context = n_context}, {}, theory::LogitList{});
    theory::FlowState at = flow.accuracy_95.value().state;
    at.beta += 1e-9;
    CHECK(attention_accuracy(n_context, at) >= 0.95);
    at.beta -= 1e-3;
    CHECK(attention_accuracy(n_context, at) < 0.95);
  }
}

TEST_CASE("attention accuracy: drawn contexts agree", "[theory][eq21]") {
  std::mt19937_64 engine(7);
  std::normal_distribution<double> normal;
  constexpr int kDraws = 200'000;
  const double w = 2.0, q = std::exp(2.0), sd = 0.5;
  int right = 0;
  for (int i = 0; i < kDraws; ++i) {
    double sum = 0.0;
    for (int j = 0; j < 29; ++j) sum += (engine() & 1U) != 0 ? 1.0 : -1.0;
    right += w * (q + sum) / (q + 29) + sd * normal(engine) > 0.0 ? 1 : 0;
  }
  // Five standard errors of a share are at most 5 * 0.5/sqrt(200000) = 0.0056.
  CHECK_THAT(attention_accuracy(30, {.w = w, .beta = 2.0}, sd), WithinAbs(right / double(kDraws), 0.0056));
}

TEST_CASE("attention accuracy: bad arguments are named", "[theory][errors]") {
  CHECK_THAT(message_of([] { attention_accuracy(1, {}); }), ContainsSubstring("context: expected a whole number"));
  CHECK_THAT(message_of([] { attention_accuracy(2.5, {}); }), ContainsSubstring("context: expected a whole number"));
  CHECK_THAT(message_of([] { attention_accuracy(2e6, {}); }), ContainsSubstring("context: expected a whole number"));
  CHECK_THAT(message_of([] { attention_accuracy(9, {.w = kInfinity}); }), ContainsSubstring("w: expected a finite"));
  CHECK_THAT(message_of([] { attention_accuracy(9, {.beta = NAN}); }), ContainsSubstring("beta: expected a number"));
  CHECK_THAT(message_of([] { attention_accuracy(9, {}, -1); }), ContainsSubstring("novel_sd: expected a number that"));
  CHECK_THAT(message_of([] { attention_accuracy(9, {}, kInfinity); }), ContainsSubstring("novel_sd: expected"));
}

TEST_CASE("balanced attention accuracy: reference values", "[theory][eq9]") {
  using theory::balanced_attention_accuracy;
  // The formula in mpmath, 40 digits.
  CHECK_THAT(balanced_attention_accuracy(20, {.w = -1.5, .beta = -1.25}, 0.125),
             WithinRel(0.671454984290564045448531943667, 1e-12));
  CHECK_THAT(balanced_attention_accuracy(20, {.w = -1.5, .beta = -1.25}, 0.0625, 63),
             WithinRel(0.750708538816331518901954386977, 1e-12));
  CHECK_THAT(
      balanced_attention_accuracy(21, {.w = 1.5, .beta = 0.75}, 0.25, 63, theory::BalancedCount::exemplars_and_target),
      WithinRel(0.511569142140365267357045935165, 1e-12));
  CHECK_THAT(balanced_attention_accuracy(100, {.w = 1.5, .beta = 1.5}, 0.0, 63),
             WithinRel(0.963537761154044642274844232253, 1e-12));
  CHECK_THAT(balanced_attention_accuracy(1000, {.w = 4, .beta = 5.5}, 3),
             WithinRel(0.603052637342941640566481212853, 1e-12));
  CHECK_THAT(balanced_attention_accuracy(2, {.w = -2, .beta = -3}, 0.0, 16),
             WithinRel(0.86597825353031733003492742859, 1e-12));
}

TEST_CASE("balanced attention accuracy: limits and the saddle", "[theory][eq9][limits]") {
  using theory::balanced_attention_accuracy;
  using theory::BalancedCount;
  for (const double w : {-1.5, 1.5}) {
    for (const double beta : {-2.0, -0.1, 0.1, 0.6, 0.8, 2.0}) {
      for (const BalancedCount count : {BalancedCount::exemplars, BalancedCount::exemplars_and_target}) {
        const bool right = (w > 0.0) == (beta > balanced_saddle(count));
        CHECK(balanced_attention_accuracy(50, {.w = w, .beta = beta}, 0.0, {}, count) == (right ? 1.0 : 0.0));
        const double noisy = balanced_attention_accuracy(50, {.w = w, .beta = beta}, 0.3, 63, count);
        CHECK((noisy > 0.5) == right);
        // Labels that are swapped throughout give the other answer.
        CHECK_THAT(noisy + balanced_attention_accuracy(50, {.w = -w, .beta = beta}, 0.3, 63, count),
                   WithinRel(1.0, 1e-12));
      }
    }
    CHECK(balanced_attention_accuracy(50, {.w = w, .beta = 0.0}) == 0.5);  // on the saddle
    CHECK(balanced_attention_accuracy(50, {.w = 0.0, .beta = w}, 0.0, 63) == 0.5);
    // All attention on the copy, and on the others alone: no coins, whatever the size of beta.
    CHECK_THAT(balanced_attention_accuracy(50, {.w = w, .beta = 900.0}, 0.7),
               WithinRel(theory::novel_accuracy(w, 0.7, theory::NovelLogits::gaussian), 1e-12));
    CHECK_THAT(balanced_attention_accuracy(51, {.w = w, .beta = -900.0}, 0.7),
               WithinRel(theory::novel_accuracy(-w / 50.0, 0.7, theory::NovelLogits::gaussian), 1e-12));
    CHECK(std::isfinite(balanced_attention_accuracy(51, {.w = w, .beta = -900.0}, 0.7, 63)));
  }
  // Overlaps vanish with growing dimension.
  CHECK_THAT(balanced_attention_accuracy(20, {.w = 1, .beta = 1}, 0.1, 1e12),
             WithinAbs(balanced_attention_accuracy(20, {.w = 1, .beta = 1}, 0.1), 1e-6));
}

TEST_CASE("balanced attention accuracy: drawn items and labels", "[theory][eq9]") {
  constexpr int kDraws = 100'000, kContext = 20;
  constexpr double kDim = 63.0, kSd = 0.02;
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  std::gamma_distribution<double> norm(kDim / 2.0, 2.0 / kDim);  // squared norm of the target
  for (const auto& [w, beta] : {std::pair{-1.65, -1.24},
                                {-0.8, -0.5},
                                {0.66, 0.45},
                                {0.9, 0.8},
                                {2.0, 2.0},
                                {3.0, 3.0},
                                {-3.0, -2.5},
                                {-5.0, -5.0}}) {
    int n_right = 0;
    for (int draw = 0; draw < kDraws; ++draw) {
      const double square = norm(random);
      double sum = std::exp(beta * square), total = sum;
      for (int i = 1; i < kContext; ++i) {
        const double weight = std::exp(beta * std::sqrt(square / kDim) * normal(random));
        sum += i < kContext / 2 ? weight : -weight;
        total += weight;
      }
      n_right += w * sum / total + kSd * normal(random) > 0.0 ? 1 : 0;
    }
    const double share = static_cast<double>(n_right) / kDraws;
    const double error = std::sqrt(share * (1.0 - share) / kDraws);
    INFO("w " << w << ", beta " << beta << ", drawn " << share);
    // Overlaps that are not normal: 0.009 at most.
    CHECK_THAT(theory::balanced_attention_accuracy(kContext, {.w = w, .beta = beta}, kSd, kDim),
               WithinAbs(share, 0.009 + 4.0 * error));
  }
}

TEST_CASE("balanced attention accuracy: bad arguments are named", "[theory][eq9][errors]") {
  using theory::balanced_attention_accuracy;
  CHECK_THAT(message_of([] { (void)balanced_attention_accuracy(1.5, {}); }), ContainsSubstring("context"));
  CHECK_THAT(message_of([] { (void)balanced_attention_accuracy(kInfinity, {}); }), ContainsSubstring("context"));
  CHECK_THAT(message_of([] { (void)balanced_attention_accuracy(20, {.w = kInfinity}); }), ContainsSubstring("w"));
  CHECK_THAT(message_of([] { (void)balanced_attention_accuracy(20, {.w = 1, .beta = kInfinity}); }),
             ContainsSubstring("beta"));
  CHECK_THAT(message_of([] { (void)balanced_attention_accuracy(20, {}, -1.0); }), ContainsSubstring("novel_sd"));
  CHECK_THAT(message_of([] { (void)balanced_attention_accuracy(20, {}, 0.1, 0.5); }), ContainsSubstring("item_dim"));
}
