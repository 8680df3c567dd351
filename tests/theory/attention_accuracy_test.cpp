#include "iclk/theory/attention_accuracy.hpp"

#include <cmath>
#include <limits>
#include <random>

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
