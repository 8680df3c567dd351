#include "attention_head.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "iclk/core/random.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::transformer;
using namespace iclk::test;

namespace {

struct Context {
  std::vector<float> dots;
  std::vector<std::int8_t> labels;
};

/// Dot products of a context: one copy, the others near 0.
Context context(std::size_t n, std::uint64_t index) {
  Rng rng(9, RandomPurpose::test, index);
  Context c{.dots = std::vector<float>(n), .labels = std::vector<std::int8_t>(n)};
  for (std::size_t j = 0; j < n; ++j) {
    c.dots[j] = static_cast<float>(0.126 * rng.normal());
    c.labels[j] = (rng() >> 31) != 0 ? 1 : -1;
  }
  c.dots[rng.below(n)] = static_cast<float>(rng.uniform(0.7, 1.3));
  return c;
}

}  // namespace

TEST_CASE("attention head: floats follow doubles at any strength and length", "[transformer][parity][eq3]") {
  for (const std::size_t n : {2UL, 15UL, 16UL, 17UL, 100UL, 333UL}) {
    for (const double beta : {0.0, 0.3, -0.3, 4.0, 30.0, -30.0, 1e3, -1e3}) {
      for (const bool with_self : {false, true}) {
        CAPTURE(n, beta, with_self);
        const Context c = context(n, n);
        const std::vector<double> dots(c.dots.begin(), c.dots.end());
        const float self = 0.9F;
        const double wide_self = self;
        const HeadOutput found = attend(beta, c.dots, c.labels.data(), with_self ? &self : nullptr);
        const HeadOutput expected = attend(beta, dots, c.labels.data(), with_self ? &wide_self : nullptr);
        // Rounding of beta s: the weights err by |beta| 1e-7 where they matter, where |beta s| is of the order of ten.
        CHECK_THAT(found.label, WithinAbs(expected.label, 3e-6));
        CHECK_THAT(found.slope, WithinAbs(expected.slope, 3e-6));
      }
    }
  }
}

TEST_CASE("attention head: the slope is the derivative of the label", "[transformer][gradient][eq3]") {
  const Context c = context(40, 1);
  const std::vector<double> dots(c.dots.begin(), c.dots.end());
  const double self = 0.9;
  for (const double* target : {static_cast<const double*>(nullptr), &self}) {
    for (const double beta : {-3.0, 0.0, 2.0, 20.0}) {
      CAPTURE(beta, target != nullptr);
      constexpr double h = 1e-5;
      const auto label = [&](double b) { return attend(b, dots, c.labels.data(), target).label; };
      CHECK_THAT(attend(beta, dots, c.labels.data(), target).slope,
                 WithinAbs((label(beta + h) - label(beta - h)) / (2 * h), 1e-9));
    }
  }
}

TEST_CASE("attention head: every instruction set gives the same bits", "[transformer][parity]") {
  const auto kernels = head_kernels();
  const auto same = [](float a, float b) { return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b); };
  for (const std::size_t n : {3UL, 16UL, 100UL}) {
    const Context c = context(n, n);
    for (const float beta : {0.0F, 1.7F, -250.0F}) {
      const HeadSums expected = kernels[0].sums(beta, 1.0F, c.dots.data(), c.labels.data(), n);
      for (const HeadKernel& kernel : kernels) {
        CAPTURE(kernel.name, n, beta);
        const HeadSums found = kernel.sums(beta, 1.0F, c.dots.data(), c.labels.data(), n);
        CHECK(same(found.total, expected.total));
        CHECK(same(found.label, expected.label));
        CHECK(same(found.dot, expected.dot));
        CHECK(same(found.both, expected.both));
      }
    }
  }
  for (const auto& [dim, stride] :
       {std::pair{1UL, 1UL}, {15UL, 16UL}, {16UL, 16UL}, {63UL, 63UL}, {63UL, 64UL}, {64UL, 64UL}, {100UL, 112UL}}) {
    std::vector<float> table(30 * stride);
    Rng rng(9, RandomPurpose::test, dim);
    for (float& x : table) x = static_cast<float>(rng.normal());
    std::vector<std::uint32_t> items(30);
    std::iota(items.rbegin(), items.rend(), 0U);
    const HeadRows rows{.table = table.data(),
                        .stride = stride,
                        .items = items.data(),
                        .target = table.data() + 7 * stride,
                        .n = 30,
                        .n_listed = 30,
                        .dim = dim};
    std::vector<float> expected(30), found(30);
    std::vector<double> wide(30);
    kernels[0].dots(rows, expected.data());
    dot_products(rows, wide.data());
    for (const HeadKernel& kernel : kernels) {
      CAPTURE(kernel.name, dim, stride);
      kernel.dots(rows, found.data());
      for (std::size_t j = 0; j < 30; ++j) {
        REQUIRE(same(found[j], expected[j]));
        // dim products of size 1, each rounded to 6e-8, in 16 sums.
        REQUIRE_THAT(found[j], WithinAbs(wide[j], 1e-6 * static_cast<double>(dim)));
      }
    }
  }
}

TEST_CASE("attention head: what is not a number is not hidden", "[transformer][limits]") {
  Context c = context(20, 1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(attend(static_cast<double>(nan), c.dots, c.labels.data(), nullptr).label));
  CHECK(std::isnan(attend(std::numeric_limits<double>::infinity(), c.dots, c.labels.data(), nullptr).label));
  c.dots[3] = nan;
  CHECK(std::isnan(attend(1.0, c.dots, c.labels.data(), nullptr).label));
}
