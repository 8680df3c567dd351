#include "iclk/theory/item_frequency.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::ItemFrequencies;
using theory::MemorizationFamily;
using theory::MemorizationKind;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTolerance = 1e-12;
const MemorizationFamily kExponential{MemorizationKind::exponential, 0.0, 1.0};

/// A slow readable twin: every term, in long double.
struct DirectSums {
  long double c1 = 0, integral = 0, c2_c1 = 0, c3 = 0, loss = 0, left = 0;
};
DirectSums direct_sums(std::size_t n_items, double alpha, const MemorizationFamily& item, double time) {
  long double total = 0;
  for (std::size_t f = n_items; f >= 1; --f) total += std::pow(static_cast<long double>(f), -alpha);
  DirectSums sums;
  for (std::size_t f = n_items; f >= 1; --f) {
    const long double p = std::pow(static_cast<long double>(f), -alpha) / total;
    const double own_time = static_cast<double>(p * time);
    const long double g = theory::family_c1(item, own_time);
    sums.c1 += p * g;
    sums.integral += theory::family_integral(item, own_time);
    sums.left += theory::family_integral_left(item, own_time);
    sums.c2_c1 += p * g * (1 - g);
    sums.c3 += p * g / (1 - g);
    sums.loss -= p * std::log1p(-g);
  }
  return sums;
}

}  // namespace

TEST_CASE("item frequency: every row of the reference table", "[theory][eq10][eq12]") {
  const Table table = read_table("zipf.csv");
  REQUIRE(table.rows() == 35);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double n_items = table.number(i, "K");
    const double alpha = table.number(i, "alpha");
    const double t = table.number(i, "t");
    INFO("K = " << n_items << ", alpha = " << alpha << ", t = " << t);
    const auto frequencies = ItemFrequencies::zipf(n_items, alpha);
    const MemorizationFamily item{MemorizationKind::exponential, 0.0, table.number(i, "T_K") / n_items};
    REQUIRE_THAT(theory::frequency_c1(frequencies, item, t), WithinRel(table.number(i, "c1"), kTolerance));
    REQUIRE_THAT(theory::frequency_integral(frequencies, item, t), WithinRel(table.number(i, "I_K"), kTolerance));
    REQUIRE_THAT(theory::frequency_total_integral(frequencies, item), WithinRel(table.number(i, "I_inf"), kTolerance));
    const auto t_icl = theory::time_of_frequency_integral(frequencies, item, table.number(i, "X"));
    REQUIRE(t_icl.has_value() == std::isfinite(table.number(i, "t_icl")));
    if (t_icl) REQUIRE_THAT(*t_icl, WithinRel(table.number(i, "t_icl"), kTolerance));
    // The same as a list.
    std::vector<double> weights;
    for (double f = 1.0; f <= n_items; f += 1.0) weights.push_back(7.0 * std::pow(f, -alpha));
    const auto listed = ItemFrequencies::list(weights);
    REQUIRE_THAT(theory::frequency_c1(listed, item, t), WithinRel(table.number(i, "c1"), kTolerance));
    REQUIRE_THAT(theory::frequency_integral(listed, item, t), WithinRel(table.number(i, "I_K"), kTolerance));
  }
}

TEST_CASE("item frequency: many items against the sum term by term", "[theory][identity]") {
  struct Case {
    std::size_t n_items;
    double alpha;
    MemorizationFamily item;
    double time;
  };
  for (const Case& c :
       {Case{60'000, 0.0, kExponential, 2e5}, Case{20'001, 0.5, {MemorizationKind::power, 1.5, 1.0}, 1e5},
        Case{60'000, 1.0, kExponential, 1e6}, Case{20'010, 1.0, kExponential, 1e3},
        Case{60'000, 1.3, {MemorizationKind::stretched, 0.5, 2.0}, 1e6},
        Case{40'000, 2.0, {MemorizationKind::logarithmic, 4.0 / 3.0, 1.0}, 1e8},
        Case{60'000, 3.0, {MemorizationKind::stretched, 2.0, 1.0}, 1e9}}) {
    INFO("K = " << c.n_items << ", alpha = " << c.alpha << ", " << name(c.item.kind) << ", t = " << c.time);
    const auto frequencies = ItemFrequencies::zipf(static_cast<double>(c.n_items), c.alpha);
    const DirectSums direct = direct_sums(c.n_items, c.alpha, c.item, c.time);
    const auto near = [](long double value) { return WithinRel(static_cast<double>(value), kTolerance); };
    REQUIRE_THAT(theory::frequency_c1(frequencies, c.item, c.time), near(direct.c1));
    REQUIRE_THAT(theory::frequency_integral(frequencies, c.item, c.time), near(direct.integral));
    REQUIRE_THAT(theory::frequency_integral_left(frequencies, c.item, c.time), near(direct.left));
    const OrderParameters averages = theory::frequency_order_parameters(frequencies, c.item, c.time);
    REQUIRE_THAT(averages.c1, near(direct.c1));
    REQUIRE_THAT(averages.c2, near(direct.c2_c1 / direct.c1));
    REQUIRE_THAT(averages.c3, near(direct.c3));
    REQUIRE_THAT(averages.loss, near(direct.loss));
  }
}

TEST_CASE("item frequency: infinitely many items", "[theory][limits]") {
  // 40 digits from mpmath: 4000 terms, the rest by Hurwitz zeta functions.
  struct Case {
    double alpha, time, integral, c1;
  };
  for (const Case& c : {Case{2.0, 5000.0, 97.2205023805839843172561676333, 0.00488602511902919921590123611975},
                        Case{1.5, 300.0, 62.7926385786501432988900113999, 0.0703251539810135489055957212539},
                        Case{1.1, 1000.0, 655.929931231300809109475431308, 0.298377241468772336965990608786},
                        Case{3.0, 1e6, 126.854652763711520141114114187, 0.0000212257754606185866901856978}}) {
    INFO("alpha = " << c.alpha << ", t = " << c.time);
    const auto frequencies = ItemFrequencies::zipf(kInfinity, c.alpha);
    REQUIRE_THAT(theory::frequency_integral(frequencies, kExponential, c.time), WithinRel(c.integral, kTolerance));
    REQUIRE_THAT(theory::frequency_c1(frequencies, kExponential, c.time), WithinRel(c.c1, kTolerance));
    REQUIRE_THAT(*theory::time_of_frequency_integral(frequencies, kExponential, c.integral),
                 WithinRel(c.time, kTolerance));
    REQUIRE(theory::frequency_total_integral(frequencies, kExponential) == kInfinity);
    REQUIRE(theory::frequency_integral_left(frequencies, kExponential, c.time) == kInfinity);
  }
}

TEST_CASE("item frequency: late times on infinitely many items", "[theory][limits]") {
  for (double alpha : {1.2, 1.5, 2.0, 4.0}) {
    const auto frequencies = ItemFrequencies::zipf(kInfinity, alpha);
    INFO("alpha = " << alpha);
    // Exponential: what the limit leaves out falls faster than any power.
    const auto limit = theory::zipf_limit(alpha, kExponential, 1e7);
    REQUIRE_THAT(limit.coefficient, WithinRel(std::tgamma(1.0 - 1.0 / alpha), 1e-14));
    REQUIRE_THAT(limit.integral, WithinRel(theory::frequency_integral(frequencies, kExponential, 1e7), 1e-11));
    REQUIRE_THAT(limit.c1, WithinRel(theory::frequency_c1(frequencies, kExponential, 1e7), 1e-10));
    REQUIRE_THAT(theory::zipf_limit_time(alpha, kExponential, limit.integral), WithinRel(1e7, 1e-12));
    // Other laws: its corrections vanish as t^(1-p), so that the error falls with the time.
    const MemorizationFamily power{MemorizationKind::power, 2.5, 3.0};
    const auto error_at = [&](double t) {
      return std::abs(theory::zipf_limit(alpha, power, t).integral / theory::frequency_integral(frequencies, power, t) -
                      1.0);
    };
    REQUIRE(error_at(1e6) < 1e-3 * error_at(1e2));
    const MemorizationFamily stretched{MemorizationKind::stretched, 0.6, 3.0};
    REQUIRE_THAT(theory::zipf_limit(alpha, stretched, 1e8).integral,
                 WithinRel(theory::frequency_integral(frequencies, stretched, 1e8), 1e-9));
  }
  // int f(u)/sqrt(u) du for the logarithmic law, 30 digits from mpmath.
  REQUIRE_THAT(theory::zipf_limit(2.0, {MemorizationKind::logarithmic, 4.0 / 3.0, 1.0}, 1.0).coefficient,
               WithinRel(1.648004579141311627830818, 1e-12));
}

TEST_CASE("item frequency: skew leaves the whole integral alone and delays acquisition", "[theory][eq12][limits]") {
  const double required = theory::acquisition_integral_exact(100.0, 0.0, 0.0, 0.5);
  for (double n_items : {1000.0, 1e6, 1e12}) {
    const MemorizationFamily item{MemorizationKind::exponential, 0.0, 600.0 / n_items};
    double earlier = *theory::time_of_family_integral({item.kind, item.shape, 600.0}, required);
    REQUIRE_THAT(*theory::time_of_frequency_integral(ItemFrequencies::uniform(n_items), item, required),
                 WithinRel(earlier, 1e-11));
    for (double alpha : {0.3, 0.6, 1.0, 1.4, 2.0}) {
      const auto frequencies = ItemFrequencies::zipf(n_items, alpha);
      INFO("K = " << n_items << ", alpha = " << alpha);
      REQUIRE_THAT(theory::frequency_total_integral(frequencies, item), WithinRel(600.0, 1e-14));
      REQUIRE_THAT(theory::frequency_integral(frequencies, item, 77.0) +
                       theory::frequency_integral_left(frequencies, item, 77.0),
                   WithinRel(600.0, 1e-11));
      const double later = *theory::time_of_frequency_integral(frequencies, item, required);
      REQUIRE(later > earlier);
      earlier = later;
    }
  }
}

TEST_CASE("item frequency: averages are those of the weighted logits", "[theory][eq15][eq29][eq30]") {
  const std::vector<double> weights{3.0, 1.0, 0.5, 0.25, 1e-3};
  const auto frequencies = ItemFrequencies::list(weights);
  for (double time : {0.0, 0.5, 20.0, 5e3, 1e6}) {
    std::vector<double> logits;
    for (double p : frequencies.listed()) {
      const double log_g = theory::log_family_c1(kExponential, p * time);
      logits.push_back(-log_g + std::log1p(-std::exp(log_g)));
    }
    const OrderParameters expected = order_parameters(logits, weights);
    const OrderParameters got = theory::frequency_order_parameters(frequencies, kExponential, time);
    INFO("t = " << time);
    REQUIRE_THAT(got.c1, WithinRel(expected.c1, 1e-11));
    REQUIRE_THAT(got.c2, WithinRel(expected.c2, kTolerance));
    REQUIRE_THAT(got.c3, WithinRel(expected.c3, 1e-11));
    REQUIRE_THAT(got.loss, WithinRel(expected.loss, 1e-11));
    REQUIRE_THAT(got.accuracy, WithinAbs(expected.accuracy, 1e-15));
    REQUIRE_THAT(got.log_c1, WithinAbs(expected.log_c1, 1e-11));
    REQUIRE_THAT(got.log_c3, WithinAbs(expected.log_c3, 1e-11));
  }
  // One rare item keeps ln c1 finite after c1 itself has underflowed.
  const OrderParameters late = theory::frequency_order_parameters(frequencies, kExponential, 1e8);
  REQUIRE(late.c1 == 0.0);
  REQUIRE_THAT(late.log_c1, WithinRel(std::log(0.5 * frequencies.listed()[4]) - frequencies.listed()[4] * 1e8, 1e-12));
  REQUIRE_THAT(late.c2, WithinRel(1.0, 1e-15));
}

TEST_CASE("item frequency: probabilities", "[theory]") {
  const auto zipf = ItemFrequencies::zipf(4.0, 1.0);
  REQUIRE_THAT(zipf.normalization(), WithinRel(25.0 / 12.0, 1e-15));
  REQUIRE_THAT(zipf.probability(3.0), WithinRel(4.0 / 25.0, 1e-15));
  REQUIRE_FALSE(zipf.is_list());
  const std::vector<double> weights{1.0, 3.0};
  const auto listed = ItemFrequencies::list(weights);
  REQUIRE(listed.is_list());
  REQUIRE_THAT(listed.probability(2.0), WithinRel(0.75, 1e-15));
  REQUIRE_THAT(ItemFrequencies::uniform(1e15).probability(1e15), WithinRel(1e-15, 1e-13));
  // zeta(2) = pi^2/6; H(1e6) = 14.39272672286572363138, from its asymptotic series.
  REQUIRE_THAT(ItemFrequencies::zipf(kInfinity, 2.0).normalization(), WithinRel(1.6449340668482264365, 1e-15));
  REQUIRE_THAT(ItemFrequencies::zipf(1e6, 1.0).normalization(), WithinRel(14.39272672286572363138, 1e-14));
}

TEST_CASE("item frequency: bad input", "[theory][errors]") {
  const std::vector<double> none, negative{1.0, -2.0};
  REQUIRE_THROWS_WITH(ItemFrequencies::list(none), "frequencies: expected at least one weight, got none");
  REQUIRE_THROWS_WITH(ItemFrequencies::list(negative), "frequencies: expected positive numbers, item 1 has -2");
  REQUIRE_THROWS_WITH(ItemFrequencies::zipf(0.0, 1.0), "n_items: expected a whole number from 1 to 2^53, got 0");
  REQUIRE_THROWS_WITH(ItemFrequencies::zipf(2.5, 1.0), "n_items: expected a whole number from 1 to 2^53, got 2.5");
  REQUIRE_THROWS_WITH(ItemFrequencies::zipf(10.0, -1.0), "exponent: expected a number in [0, 100], got -1");
  REQUIRE_THROWS_WITH(ItemFrequencies::zipf(kInfinity, 1.0),
                      "exponent: expected a number above 1 for infinitely many items, got 1");
  const auto frequencies = ItemFrequencies::uniform(10.0);
  REQUIRE_THROWS_WITH(frequencies.probability(0.0), "rank: expected a rank of one of the items, got 0");
  REQUIRE_THROWS_WITH(theory::frequency_c1(frequencies, kExponential, -1.0),
                      "time: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(theory::frequency_order_parameters(frequencies, kExponential, kInfinity),
                      "time: expected a finite number, got inf");
  REQUIRE_THROWS_WITH(theory::time_of_frequency_integral(frequencies, kExponential, -1.0),
                      "integral: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(theory::zipf_limit(1.0, kExponential, 1.0), "exponent: expected a number in (1, 100], got 1");
  REQUIRE_THROWS_WITH(theory::zipf_limit(2.0, MemorizationFamily{MemorizationKind::power, 1.0, 1.0}, 1.0),
                      "shape: expected a number above 1, for a finite integral, got 1");
  REQUIRE_THROWS_WITH(theory::zipf_limit(2.0, kExponential, 0.0), "time: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(theory::zipf_limit_time(2.0, kExponential, 0.0), "integral: expected a positive number, got 0");
}
