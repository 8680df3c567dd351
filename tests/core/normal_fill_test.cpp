#include "iclk/core/normal_fill.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include "normal_fill.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

std::vector<float> normals(std::size_t n, std::uint64_t index, std::uint64_t seed = 1, double sd = 1.0) {
  std::vector<float> out(n);
  fill_normals(out, sd, seed, RandomPurpose::test, index);
  return out;
}

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

/// The words of the stream in the order in which Rng gives them.
std::vector<std::uint32_t> words(std::size_t n, std::uint64_t seed, std::uint64_t index) {
  Rng rng(seed, RandomPurpose::test, index);
  std::vector<std::uint32_t> out(n);
  for (auto& word : out) word = rng();
  return out;
}

}  // namespace

TEST_CASE("normal fill: every number is the one that its words give in double", "[core][parity]") {
  const std::uint64_t seed = 0x0123456789abcdef;
  const std::uint64_t index = 0xfedcba9876543210;
  constexpr std::size_t kChunks = 200;  // of 16 blocks of 4 words: 32 pairs of normals
  const auto found = normals(64 * kChunks, index, seed, 0.25);
  const auto stream = words(64 * kChunks, seed, index);
  for (std::size_t chunk = 0; chunk < kChunks; ++chunk) {
    for (std::size_t pair = 0; pair < 32; ++pair) {
      const std::uint32_t radius_word = stream[chunk * 64 + 2 * pair];
      const std::uint32_t angle_word = stream[chunk * 64 + 2 * pair + 1];
      const double radius = 0.25 * std::sqrt(-2.0 * std::log((radius_word + 0.5) * 0x1p-32));
      const auto quarter = static_cast<std::int32_t>(angle_word << 2) >> 8;
      const double angle = std::numbers::pi / 4 * (1.0 + (quarter + 0.5) * 0x1p-23);
      const double signs[2] = {angle_word & 0x80000000U ? -1.0 : 1.0, angle_word & 0x40000000U ? -1.0 : 1.0};
      // Single precision: u to 6e-8, ln u to 1e-7 absolute, which a small radius magnifies to sqrt(1e-7).
      const double error = 0.25 * std::min(3e-4, 4e-7 * (1.0 + 1.0 / radius)) + 4e-7 * radius;
      REQUIRE_THAT(found[chunk * 64 + pair], WithinAbs(signs[0] * radius * std::cos(angle), error));
      REQUIRE_THAT(found[chunk * 64 + 32 + pair], WithinAbs(signs[1] * radius * std::sin(angle), error));
    }
  }
}

TEST_CASE("normal fill: every instruction set gives the same bits", "[core][parity]") {
  const NormalStream stream{.key = {1, 2}, .counter = {3, 4, 5}};
  constexpr std::size_t kChunks = 200;
  std::vector<float> expected(kNormalsPerChunk * kChunks);
  fill_normals_baseline(expected.data(), 7, kChunks, 0.5F, stream);
  for (const NormalFillVariant& variant : normal_fill_variants()) {
    CAPTURE(variant.name);
    std::vector<float> found(expected.size());
    variant.fill(found.data(), 7, kChunks, 0.5F, stream);
    for (std::size_t i = 0; i < found.size(); ++i) {
      REQUIRE(std::bit_cast<std::uint32_t>(found[i]) == std::bit_cast<std::uint32_t>(expected[i]));
    }
  }
}

TEST_CASE("normal fill: the words of every instruction set are those of the stream", "[core][parity]") {
  const std::uint64_t seed = 0x0123456789abcdef, index = 0xfedcba9876543210;
  const auto expected = words(64 * 8, seed, index);
  const NormalStream stream{.key = {0x89abcdef, 0x01234567},
                            .counter = {0x76543210, 0xfedcba98, static_cast<std::uint32_t>(RandomPurpose::test)}};
  for (const NormalFillVariant& variant : normal_fill_variants()) {
    CAPTURE(variant.name);
    for (std::size_t chunk = 0; chunk < 8; ++chunk) {
      std::vector<std::uint32_t> found(64);
      variant.words(found.data(), 16 * chunk, stream);
      for (std::size_t i = 0; i < 64; ++i) REQUIRE(found[i] == expected[64 * chunk + i]);
    }
  }
}

TEST_CASE("normal fill: a shorter array gets the same first numbers", "[core]") {
  const auto whole = normals(200, 3);
  for (const std::size_t n : {0UL, 1UL, 63UL, 64UL, 65UL, 100UL}) {
    const auto part = normals(n, 3);
    CHECK(std::equal(part.begin(), part.end(), whole.begin()));
  }
}

TEST_CASE("normal fill: streams differ in every part of the key", "[core]") {
  const auto first = normals(64, 3);
  CHECK(first == normals(64, 3));
  CHECK(first != normals(64, 4));
  CHECK(first != normals(64, 3 + (1ULL << 32)));
  CHECK(first != normals(64, 3, 2));
  CHECK(first != normals(64, 3, 1 + (1ULL << 32)));
  std::vector<float> other(64);
  fill_normals(other, 1.0, 1, RandomPurpose::items, 3);
  CHECK(first != other);
}

TEST_CASE("normal fill: the standard deviation scales", "[core]") {
  const auto one = normals(1000, 3);
  const auto quarter = normals(1000, 3, 1, 0.25);
  for (std::size_t i = 0; i < one.size(); ++i) REQUIRE(quarter[i] == 0.25F * one[i]);
  for (const float x : normals(100, 3, 1, 0.0)) CHECK(std::abs(x) <= 0.0F);
}

TEST_CASE("normal fill: moments and correlations are those of independent N(0 1)", "[core]") {
  constexpr std::size_t kDraws = 1 << 18;
  const auto x = normals(kDraws, 5);
  double sum[4] = {0, 0, 0, 0};
  for (const double value : x) {
    double power = 1.0;
    for (double& s : sum) {
      power *= value;
      s += power;
    }
  }
  // Var x^k = E x^2k - (E x^k)^2 = 1, 2, 15, 96; bounds are five standard errors.
  const double n = kDraws;
  CHECK(std::abs(sum[0] / n) < 5.0 / std::sqrt(n));
  CHECK(std::abs(sum[1] / n - 1.0) < 5.0 * std::sqrt(2.0 / n));
  CHECK(std::abs(sum[2] / n) < 5.0 * std::sqrt(15.0 / n));
  CHECK(std::abs(sum[3] / n - 3.0) < 5.0 * std::sqrt(96.0 / n));
  // 32 apart: the two of a pair. Squares too, since a pair shares its radius.
  for (const std::size_t lag : {1UL, 2UL, 3UL, 8UL, 16UL, 31UL, 32UL, 33UL, 64UL}) {
    CAPTURE(lag);
    double product = 0.0, squares = 0.0;
    for (std::size_t i = lag; i < kDraws; ++i) {
      const double a = x[i], b = x[i - lag];
      product += a * b;
      squares += (a * a - 1.0) * (b * b - 1.0);
    }
    CHECK(std::abs(product / n) < 5.0 / std::sqrt(n));
    CHECK(std::abs(squares / n) < 5.0 * 2.0 / std::sqrt(n));
  }
  // Neighbouring streams.
  const auto y = normals(kDraws, 6);
  double across = 0.0;
  for (std::size_t i = 0; i < kDraws; ++i) across += static_cast<double>(x[i]) * y[i];
  CHECK(std::abs(across / n) < 5.0 / std::sqrt(n));
}

TEST_CASE("normal fill: the distribution is normal into the tails", "[core]") {
  constexpr std::size_t kDraws = 1 << 19;
  auto x = normals(kDraws, 7);
  std::sort(x.begin(), x.end());
  const double n = kDraws;
  double distance = 0.0;  // Kolmogorov and Smirnov
  for (std::size_t i = 0; i < kDraws; ++i) {
    const double p = normal_cdf(x[i]);
    distance = std::max({distance, p - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - p});
  }
  CHECK(distance * std::sqrt(n) < 2.2);  // exceeded with a probability of 2 exp(-2 2.2^2) = 1.3e-4
  CHECK(distance * std::sqrt(n) > 0.3);  // and not implausibly even
  for (const double edge : {2.0, 3.0, 4.0}) {
    CAPTURE(edge);
    const auto above = x.end() - std::upper_bound(x.begin(), x.end(), static_cast<float>(edge));
    const auto below = std::lower_bound(x.begin(), x.end(), static_cast<float>(-edge)) - x.begin();
    const double expected = n * normal_cdf(-edge);
    CHECK(std::abs(static_cast<double>(above) - expected) < 5.0 * std::sqrt(expected));
    CHECK(std::abs(static_cast<double>(below) - expected) < 5.0 * std::sqrt(expected));
  }
}
