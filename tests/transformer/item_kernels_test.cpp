#include "item_kernels.hpp"

#include <cmath>
#include <limits>

#include "iclk/core/random.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::transformer;
using namespace iclk::test;

namespace {

/// A row of the table that no item number points to is NaN: reading beside a row would show. So is what lies between rows,
/// but for those with zeros and a scale behind them.
template <class Real>
void check_kernels(std::size_t dim, bool scaled, double rounding) {
  constexpr std::size_t kRows = 12, kItems = 37;
  Rng rng(3, RandomPurpose::test, dim);
  const std::size_t stride = scaled ? (dim + 16) / 16 * 16 : dim + 3;
  std::vector<float> table(kRows * stride);
  for (float& x : table) x = static_cast<float>(rng.normal());
  std::vector<std::uint32_t> items(kItems);
  for (auto& item : items) item = 2 * static_cast<std::uint32_t>(rng.below(kRows / 2));
  for (std::size_t row = 1; row < kRows; row += 2) {
    for (std::size_t d = 0; d < dim; ++d) table[row * stride + d] = std::numeric_limits<float>::quiet_NaN();
  }
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t d = dim; d < stride; ++d) {
      table[row * stride + d] = scaled && row % 2 == 0 ? 0.0F : std::numeric_limits<float>::quiet_NaN();
    }
    if (scaled && row % 2 == 0) table[row * stride + stride - 1] = 1000.0F + static_cast<float>(row);
  }
  const auto random = [&](std::size_t n) {
    std::vector<Real> values(n);
    for (Real& x : values) x = static_cast<Real>(rng.normal());
    return values;
  };
  const auto direction = random(dim), weights = random(kItems), scales = random(kItems), offsets = random(kItems);
  const auto x = [&](std::size_t j, std::size_t d) { return static_cast<double>(table[items[j] * stride + d]); };

  for (const auto& kernels : item_kernel_variants<Real>()) {
    CAPTURE(kernels.name, dim, scaled);
    const ItemRows rows{table.data(), stride, dim, items.data(), kItems, kItems, scaled};
    std::vector<Real> dots(kItems), sums(kItems), squares(kItems), forces(kItems);
    const Real canary = Real(-12345);
    std::vector<Real> out(dim + 1, canary);
    const double tolerance = 8 * rounding * static_cast<double>(dim + kItems);

    kernels.project(rows, direction.data(), dots.data(), sums.data(), squares.data());
    std::vector<double> dot(kItems), back(dim), combined(dim);
    for (std::size_t j = 0; j < kItems; ++j) {
      double sum = 0.0, square = 0.0;
      for (std::size_t d = 0; d < dim; ++d) {
        dot[j] += x(j, d) * static_cast<double>(direction[d]);
        sum += x(j, d);
        square += x(j, d) * x(j, d);
        combined[d] += static_cast<double>(weights[j]) * x(j, d);
      }
      CHECK_THAT(static_cast<double>(dots[j]), WithinAbs(dot[j], tolerance));
      CHECK_THAT(static_cast<double>(sums[j]), WithinAbs(sum, tolerance));
      CHECK_THAT(static_cast<double>(squares[j]), WithinAbs(square, tolerance));
    }

    if (scaled) {
      std::vector<Real> again(kItems), row_scales(kItems);
      kernels.project_scaled(rows, direction.data(), again.data(), row_scales.data());
      for (std::size_t j = 0; j < kItems; ++j) {
        CHECK_THAT(static_cast<double>(again[j]), WithinAbs(dot[j], tolerance));
        CHECK(static_cast<double>(row_scales[j]) == 1000.0 + items[j]);
      }
    }

    kernels.combine(rows, weights.data(), out.data());
    for (std::size_t d = 0; d < dim; ++d) CHECK_THAT(static_cast<double>(out[d]), WithinAbs(combined[d], tolerance));
    CHECK(out[dim] == canary);

    kernels.pull_back(rows, direction.data(), weights.data(), scales.data(), offsets.data(), forces.data(), out.data());
    for (std::size_t j = 0; j < kItems; ++j) {
      const double force =
          static_cast<double>(weights[j]) * (static_cast<double>(scales[j]) * dot[j] + static_cast<double>(offsets[j]));
      CHECK_THAT(static_cast<double>(forces[j]), WithinAbs(force, 10 * tolerance));
      for (std::size_t d = 0; d < dim; ++d) back[d] += force * static_cast<double>(scales[j]) * x(j, d);
    }
    for (std::size_t d = 0; d < dim; ++d) CHECK_THAT(static_cast<double>(out[d]), WithinAbs(back[d], 100 * tolerance));
    CHECK(out[dim] == canary);
  }
}

}  // namespace

TEST_CASE("item kernels: every variant is the plain sum at every width", "[transformer][parity]") {
  for (const std::size_t dim : {1, 5, 8, 16, 48, 49, 56, 57, 63, 64, 65, 130}) {
    for (const bool scaled : {false, true}) {
      check_kernels<float>(dim, scaled, 1.2e-7);
      check_kernels<double>(dim, scaled, 2.2e-16);
    }
  }
}
