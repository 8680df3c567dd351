#include "iclk/mlp_stats/matrix_product.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "iclk/core/random.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::mlp_stats;
using namespace iclk::test;

namespace {

template <class Real>
std::vector<Real> random_numbers(std::size_t n, std::uint64_t index) {
  std::vector<Real> numbers(n);
  Rng rng(3, RandomPurpose::test, index);
  for (auto& x : numbers) x = static_cast<Real>(rng.uniform(-1, 1));
  return numbers;
}

/// Against sums written out, for one precision, all four orders and some beta.
template <class Real>
void check_products(BackendKind kind) {
  constexpr std::size_t m = 5, n = 7, k = 19;
  for (const Op op_a : {Op::plain, Op::transposed}) {
    for (const Op op_b : {Op::plain, Op::transposed}) {
      for (const double beta : {0.0, 1.0, 0.75}) {
        CAPTURE(name(kind), op_a == Op::plain, op_b == Op::plain, beta, sizeof(Real));
        const auto a = random_numbers<Real>(m * k, 1);
        const auto b = random_numbers<Real>(k * n, 2);
        auto c = random_numbers<Real>(m * n, 3);
        const auto before = c;
        product(kind, op_a, op_b, m, n, k, Real(-0.5), a.data(), b.data(), static_cast<Real>(beta), c.data());
        for (std::size_t i = 0; i < m; ++i) {
          for (std::size_t j = 0; j < n; ++j) {
            double sum = beta * static_cast<double>(before[i * n + j]);
            for (std::size_t l = 0; l < k; ++l) {
              const Real x = op_a == Op::plain ? a[i * k + l] : a[l * m + i];
              const Real y = op_b == Op::plain ? b[l * n + j] : b[j * k + l];
              sum -= 0.5 * static_cast<double>(x) * static_cast<double>(y);
            }
            // 19 terms below 1/2, each rounded once or twice.
            REQUIRE_THAT(static_cast<double>(c[i * n + j]),
                         WithinAbs(sum, 20 * static_cast<double>(std::numeric_limits<Real>::epsilon())));
          }
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("matrix product: every order agrees with sums written out", "[mlp_stats][parity]") {
  check_products<float>(BackendKind::onednn);
  check_products<float>(BackendKind::eigen);
  check_products<double>(BackendKind::eigen);
}

TEST_CASE("matrix product: beta = 0 overwrites what is not a number", "[mlp_stats][limits]") {
  for (const auto kind : {BackendKind::onednn, BackendKind::eigen}) {
    const std::vector<float> a(6, 1.0F), b(6, 2.0F);
    std::vector<float> c(4, std::nanf(""));
    product(kind, Op::plain, Op::plain, 2, 2, 3, 1.0F, a.data(), b.data(), 0.0F, c.data());
    for (const float x : c) CHECK_THAT(x, WithinAbs(6.0, 1e-6));
  }
}

TEST_CASE("matrix product: arrays are aligned and start at zero", "[mlp_stats]") {
  for (const std::size_t size : {0UL, 1UL, 17UL, 1000UL}) {
    AlignedArray<float> array(size);
    CHECK(reinterpret_cast<std::uintptr_t>(array.data()) % 64 == 0);
    CHECK(array.span().size() == size);
    for (const float x : array.span()) CHECK_FALSE((x > 0 || x < 0));
  }
}
