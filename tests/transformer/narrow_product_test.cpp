#include "narrow_product.hpp"

#include <array>
#include <limits>
#include <vector>

#include "iclk/core/random.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::transformer;
using namespace iclk::test;
using mlp_stats::BackendKind;
using mlp_stats::Op;

namespace {

constexpr double kNothing = -12345.0;  // behind the result

template <class Real>
std::vector<Real> random_numbers(std::size_t n, std::uint64_t index) {
  std::vector<Real> numbers(n);
  Rng rng(9, RandomPurpose::test, index);
  for (auto& x : numbers) x = static_cast<Real>(rng.uniform(-1, 1));
  return numbers;
}

/// multiply(op_a, m, n, k, a, b, add, c) against sums written out.
template <class Real, class Multiply>
void check_product(std::size_t m, std::size_t n, std::size_t k, const Multiply& multiply) {
  const auto a = random_numbers<Real>(m * k, 1), b = random_numbers<Real>(k * n, 2);
  const auto before = random_numbers<Real>(m * n, 3);
  for (const Op op_a : {Op::plain, Op::transposed}) {
    for (const bool add : {false, true}) {
      CAPTURE(m, n, k, op_a == Op::plain, add);
      std::vector<Real> c(m * n + 1, std::numeric_limits<Real>::quiet_NaN());  // overwritten unless added to
      if (add) std::copy(before.begin(), before.end(), c.begin());
      c[m * n] = static_cast<Real>(kNothing);
      multiply(op_a, m, n, k, a.data(), b.data(), add, c.data());
      // k terms below 1 and what was there before, each rounded once or twice.
      const double tolerance =
          2.0 * static_cast<double>(k + 1) * static_cast<double>(std::numeric_limits<Real>::epsilon());
      for (std::size_t i = 0; i < m; ++i) {
        for (std::size_t j = 0; j < n; ++j) {
          double sum = add ? static_cast<double>(before[i * n + j]) : 0.0;
          for (std::size_t l = 0; l < k; ++l) {
            const Real x = op_a == Op::plain ? a[i * k + l] : a[l * m + i];
            sum += static_cast<double>(x) * static_cast<double>(b[l * n + j]);
          }
          REQUIRE_THAT(static_cast<double>(c[i * n + j]), WithinAbs(sum, tolerance));
        }
      }
      REQUIRE(static_cast<double>(c[m * n]) == kNothing);
    }
  }
}

constexpr std::array<std::array<std::size_t, 3>, 9> kSizes = {{{1, 1, 1},
                                                               {3, 5, 7},
                                                               {5, 16, 4},
                                                               {6, 17, 130},
                                                               {65, 65, 65},
                                                               {128, 65, 65},
                                                               {65, 65, 128},
                                                               {64, 64, 63},
                                                               {67, 90, 70}}};

}  // namespace

TEST_CASE("narrow product: every variant is the plain sum at every size", "[transformer][parity]") {
  for (const NarrowKernel& kernel : narrow_kernels()) {
    CAPTURE(kernel.name);
    for (const auto [m, n, k] : kSizes) {
      check_product<float>(m, n, k, [&](Op op_a, auto rows, auto columns, auto inner, auto... rest) {
        const auto [a, b, add, c] = std::tuple(rest...);
        MemoryAhead nothing;
        kernel.multiply(rows, columns, inner, a, op_a == Op::plain ? LeftStrides{inner, 1} : LeftStrides{1, rows}, b,
                        add, c, nothing);
      });
    }
  }
}

TEST_CASE("narrow product: every backend and precision gives the plain sum", "[transformer][parity]") {
  for (const auto [m, n, k] : kSizes) {
    check_product<float>(m, n, k, NarrowProduct<float>(BackendKind::onednn));
    check_product<float>(m, n, k, NarrowProduct<float>(BackendKind::eigen));
    check_product<double>(m, n, k, NarrowProduct<double>(BackendKind::eigen));
  }
}

TEST_CASE("narrow product: what it asks for meanwhile changes no bit and has an end", "[transformer]") {
  constexpr std::size_t m = 65, n = 65, k = 128;
  const auto a = random_numbers<float>(m * k, 1), b = random_numbers<float>(k * n, 2);
  const std::vector<float> table(100'000);
  for (const NarrowKernel& kernel : narrow_kernels()) {
    CAPTURE(kernel.name);
    std::vector<float> alone(m * n), beside(m * n), little(m * n);
    MemoryAhead nothing, whole{table.data(), table.data() + table.size()}, line{table.data(), table.data() + 1};
    kernel.multiply(m, n, k, a.data(), {1, m}, b.data(), false, alone.data(), nothing);
    kernel.multiply(m, n, k, a.data(), {1, m}, b.data(), false, beside.data(), whole);
    kernel.multiply(m, n, k, a.data(), {1, m}, b.data(), false, little.data(), line);
    CHECK(beside == alone);
    CHECK(little == alone);
    CHECK(nothing.next == nullptr);
    CHECK(whole.next > table.data() + 50'000);
    CHECK(line.next >= line.end);
    CHECK(line.next < line.end + 100);
  }
}
