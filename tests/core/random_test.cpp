#include "iclk/core/random.hpp"

#include <array>
#include <cmath>
#include <set>
#include <vector>

#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

using Block = std::array<std::uint32_t, 4>;

/// Philox4x32-10 written out from J. Salmon et al., SC11 (2011): ten rounds of two 32 x 32 -> 64 bit products.
Block philox(Block counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

/// Pearson's statistic of equally likely counts: mean m - 1 and variance 2 (m - 1) for m counts.
double chi_square(const std::vector<int>& counts, int n_draws) {
  const double expected = static_cast<double>(n_draws) / static_cast<double>(counts.size());
  double sum = 0.0;
  for (const int count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

/// Mean plus six standard deviations of that statistic; the seeds are fixed, so this is a check, not a lottery.
double chi_square_bound(std::size_t n_counts) {
  const double freedom = static_cast<double>(n_counts) - 1.0;
  return freedom + 6.0 * std::sqrt(2.0 * freedom);
}

}  // namespace

TEST_CASE("random: the written-out Philox gives the known answers of Random123", "[core]") {
  // Lines "philox4x32 10" of the file kat_vectors in the Random123 distribution.
  REQUIRE(philox({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  REQUIRE(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
          Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  REQUIRE(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
          Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random: a stream is Philox with counter block - index - purpose and key seed", "[core][parity]") {
  Rng zero(0, static_cast<RandomPurpose>(0), 0);
  REQUIRE(zero() == 0x6627e8d5);
  REQUIRE(zero() == 0xe169c58d);
  REQUIRE(zero() == 0xbc57ac4c);
  REQUIRE(zero() == 0x9b00dbd8);

  const std::uint64_t seed = 0x0123456789abcdef;
  const std::uint64_t index = 0xfedcba9876543210;
  Rng rng(seed, RandomPurpose::batches, index);
  for (std::uint32_t block = 0; block < 100; ++block) {
    const Block expected = philox({block, 0x76543210, 0xfedcba98, 4}, {0x89abcdef, 0x01234567});
    for (const std::uint32_t word : expected) REQUIRE(rng() == word);
  }
}

TEST_CASE("random: streams differ in every part of the key and repeat for equal keys", "[core]") {
  std::set<std::uint64_t> first_draws;
  std::size_t n_streams = 0;
  for (const std::uint64_t seed : {0ULL, 1ULL, 1ULL << 32}) {
    for (const auto purpose : {RandomPurpose::items, RandomPurpose::labels, RandomPurpose::batches}) {
      for (const std::uint64_t index : {0ULL, 1ULL, 2ULL, 1ULL << 32}) {
        Rng rng(seed, purpose, index);
        Rng same(seed, purpose, index);
        const std::uint64_t draw = (std::uint64_t{rng()} << 32) | rng();
        REQUIRE(draw == ((std::uint64_t{same()} << 32) | same()));
        first_draws.insert(draw);
        ++n_streams;
      }
    }
  }
  REQUIRE(first_draws.size() == n_streams);
}

TEST_CASE("random: copying a stream copies its position", "[core]") {
  Rng rng(5, RandomPurpose::test, 0);
  rng.normal();
  Rng copy = rng;
  for (int i = 0; i < 10; ++i) REQUIRE(copy.normal() == rng.normal());
}

TEST_CASE("random: streams of neighbouring keys are uncorrelated", "[core]") {
  // The correlation of n independent pairs has standard error 1/sqrt(n); six of them bound it here.
  constexpr int kDraws = 20'000;
  const auto correlation = [](Rng a, Rng b) {
    double sum = 0.0;
    for (int i = 0; i < kDraws; ++i) sum += (a.uniform() - 0.5) * (b.uniform() - 0.5);
    return 12.0 * sum / kDraws;
  };
  const double bound = 6.0 / std::sqrt(kDraws);
  using enum RandomPurpose;
  CHECK(std::abs(correlation(Rng(0, test, 0), Rng(0, test, 1))) < bound);
  CHECK(std::abs(correlation(Rng(0, test, 0), Rng(1, test, 0))) < bound);
  CHECK(std::abs(correlation(Rng(0, items, 0), Rng(0, labels, 0))) < bound);
}

TEST_CASE("random: uniform covers the unit interval evenly", "[core]") {
  constexpr int kDraws = 60'000;
  Rng rng(7, RandomPurpose::test, 0);
  std::vector<int> counts(50);
  double sum = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = rng.uniform();
    REQUIRE(u >= 0.0);
    REQUIRE(u < 1.0);
    sum += u;
    ++counts[static_cast<std::size_t>(u * 50.0)];
  }
  // Standard error of the mean: sqrt(1/12/n) = 0.0012.
  CHECK(std::abs(sum / kDraws - 0.5) < 6.0 * std::sqrt(1.0 / 12.0 / kDraws));
  CHECK(chi_square(counts, kDraws) < chi_square_bound(counts.size()));
}

TEST_CASE("random: uniform in an interval", "[core]") {
  Rng rng(7, RandomPurpose::test, 3);
  Rng same(7, RandomPurpose::test, 3);
  for (int i = 0; i < 100; ++i) REQUIRE(rng.uniform(-2.0, 6.0) == -2.0 + 8.0 * same.uniform());
}

TEST_CASE("random: below is exactly uniform for small n", "[core]") {
  constexpr int kDraws = 60'000;
  for (const std::uint64_t n : {1, 2, 3, 5, 6, 7, 10, 128}) {
    INFO("n = " << n);
    Rng rng(11, RandomPurpose::test, n);
    std::vector<int> counts(n);
    for (int i = 0; i < kDraws; ++i) ++counts.at(rng.below(n));
    CHECK(chi_square(counts, kDraws) <= chi_square_bound(counts.size()));
  }
}

TEST_CASE("random: below rejects the words that would favour some values", "[core]") {
  // Without rejection multiply-and-shift draws every third value of {0, ..., 3 2^30 - 1} twice as often, and the
  // remainder draws the lowest third of {0, ..., 3 2^62 - 1} twice as often.
  constexpr int kDraws = 30'000;
  Rng rng(13, RandomPurpose::test, 0);
  std::vector<int> remainders(3);
  std::vector<int> thirds(3);
  for (int i = 0; i < kDraws; ++i) {
    const std::uint64_t narrow = rng.below(3ULL << 30);
    REQUIRE(narrow < (3ULL << 30));
    ++remainders[narrow % 3];
    const std::uint64_t wide = rng.below(3ULL << 62);
    REQUIRE(wide < (3ULL << 62));
    ++thirds[wide >> 62];
  }
  CHECK(chi_square(remainders, kDraws) < chi_square_bound(3));
  CHECK(chi_square(thirds, kDraws) < chi_square_bound(3));
}

TEST_CASE("random: below into an array is below one by one", "[core][parity]") {
  // 3 2^30 rejects a word in four, 2000 one in a few million; 7 words are drawn before, so that blocks are cut anywhere.
  for (const std::uint32_t n : {1U, 2U, 2000U, 3U << 30, 0xffffffffU}) {
    INFO("n = " << n);
    Rng one(17, RandomPurpose::test, n), many(17, RandomPurpose::test, n);
    for (int i = 0; i < 7; ++i) REQUIRE(one() == many());
    for (const std::size_t size : {0, 1, 5, 64, 100, 1000}) {
      std::vector<std::uint32_t> out(size);
      many.below(n, out);
      for (const std::uint32_t x : out) REQUIRE(x == one.below(n));
    }
    REQUIRE(one() == many());
  }
}

TEST_CASE("random: normal has the moments of N(0 1)", "[core]") {
  constexpr int kDraws = 100'000;
  Rng rng(17, RandomPurpose::test, 0);
  double sum[4] = {0, 0, 0, 0};
  int beyond_two = 0;
  double previous = 0.0;
  double lagged = 0.0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = rng.normal();
    REQUIRE(std::isfinite(x));
    for (int power = 1; power <= 4; ++power) sum[power - 1] += std::pow(x, power);
    beyond_two += std::abs(x) > 2.0;
    lagged += x * previous;
    previous = x;
  }
  // Var x^k = E x^2k - (E x^k)^2 = 1, 2, 15, 96; bounds are five standard errors.
  const double root_n = std::sqrt(kDraws);
  CHECK(std::abs(sum[0] / kDraws) < 5.0 / root_n);
  CHECK(std::abs(sum[1] / kDraws - 1.0) < 5.0 * std::sqrt(2.0) / root_n);
  CHECK(std::abs(sum[2] / kDraws) < 5.0 * std::sqrt(15.0) / root_n);
  CHECK(std::abs(sum[3] / kDraws - 3.0) < 5.0 * std::sqrt(96.0) / root_n);
  // P(|x| > 2) = erfc(sqrt 2) = 0.0455, binomial standard error sqrt(p (1 - p) n); both halves of a pair are unrelated.
  const double p = std::erfc(std::sqrt(2.0));
  CHECK(std::abs(beyond_two - p * kDraws) < 5.0 * std::sqrt(p * (1.0 - p) * kDraws));
  CHECK(std::abs(lagged / kDraws) < 5.0 / root_n);
}
