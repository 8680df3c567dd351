#include "score_kernels.hpp"

#include <cmath>
#include <limits>

#include "iclk/core/random.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::transformer;
using namespace iclk::test;

namespace {

template <class Real>
void check_kernels(std::size_t n_exemplars, bool attend_self, double spread, double rounding) {
  constexpr std::size_t kWidth = 9;
  const std::size_t n = n_exemplars + (attend_self ? 1 : 0);
  Rng rng(5, RandomPurpose::test, n);
  const auto random = [&](std::size_t size, double scale) {
    std::vector<Real> values(size);
    for (Real& x : values) x = static_cast<Real>(scale * rng.normal());
    return values;
  };
  const auto features = random(kWidth, spread);
  const auto dots = random(n, spread), sums = random(n, 1.0), forces = random(n, 1.0);
  std::vector<Real> squares(n);
  for (Real& x : squares) x = static_cast<Real>(1.0 + rng.uniform());
  std::vector<std::int8_t> labels(n_exemplars + 1);
  for (auto& label : labels) label = rng.below(2) == 0 ? -1 : 1;
  const AttendedTokens tokens{n, n_exemplars, kWidth, labels.data()};
  const auto label_feature = [&](std::size_t j) {
    if (j == n_exemplars) return 0.0;  // the target has no label, whatever stands in the list
    return static_cast<double>(features[labels[j] > 0 ? kWidth - 2 : kWidth - 1]);
  };

  std::vector<double> scale(n), attention(n);
  double total = 0.0;
  for (std::size_t j = 0; j < n; ++j) {
    const double entry = j < n_exemplars ? 1.0 : 0.0;
    const double shift = (static_cast<double>(sums[j]) + entry) / kWidth;
    scale[j] = 1.0 / std::sqrt((static_cast<double>(squares[j]) + entry) / kWidth - shift * shift + 1e-5);
    attention[j] = std::exp(scale[j] * (static_cast<double>(dots[j]) + label_feature(j)));
    total += attention[j];
  }
  double plus = 0.0, minus = 0.0, force_plus = 0.0, force_minus = 0.0;
  for (std::size_t j = 0; j < n; ++j) {
    attention[j] /= total;
    if (j == n_exemplars) continue;
    (labels[j] > 0 ? plus : minus) += attention[j] * scale[j];
    (labels[j] > 0 ? force_plus : force_minus) += static_cast<double>(forces[j]) * scale[j];
  }

  for (const auto& kernels : score_kernel_variants<Real>()) {
    CAPTURE(kernels.name, n_exemplars, attend_self, spread);
    auto found = dots, scales = squares;
    std::vector<Real> scaled(n), offsets(n);
    const auto direction = label_direction(features.data(), kWidth);
    kernels.scales(tokens, sums.data(), scales.data());
    for (std::size_t j = 0; j < n_exemplars; ++j) {
      CHECK_THAT(static_cast<double>(scales[j]), WithinRel(scale[j], 20 * rounding));
    }
    if (attend_self) {
      CHECK(scales[n_exemplars] == squares[n_exemplars]);  // the target's is not theirs
      scales[n_exemplars] = static_cast<Real>(scale[n_exemplars]);
    }
    const auto c = kernels.attend(tokens, direction, found.data(), scales.data(), scaled.data());
    const double tolerance = 100 * rounding * (1.0 + spread);  // of scores, which exp makes relative errors
    for (std::size_t j = 0; j < n; ++j) {
      CHECK_THAT(static_cast<double>(found[j]), WithinAbs(attention[j], tolerance));
      CHECK_THAT(static_cast<double>(scaled[j]), WithinAbs(attention[j] * scale[j], 4 * tolerance));
    }
    CHECK_THAT(static_cast<double>(c.plus()), WithinAbs(plus, 4 * tolerance));
    CHECK_THAT(static_cast<double>(c.minus()), WithinAbs(minus, 4 * tolerance));

    kernels.offsets(tokens, direction, Real(0.25), scales.data(), offsets.data());
    for (std::size_t j = 0; j < n; ++j) {
      CHECK_THAT(static_cast<double>(offsets[j]), WithinAbs(scale[j] * label_feature(j) - 0.25, tolerance));
    }
    const auto f = kernels.sums(tokens, forces.data(), scales.data());
    const double force_tolerance = 40 * rounding * static_cast<double>(n);
    CHECK_THAT(static_cast<double>(f.plus()), WithinAbs(force_plus, force_tolerance));
    CHECK_THAT(static_cast<double>(f.minus()), WithinAbs(force_minus, force_tolerance));
  }
}

}  // namespace

TEST_CASE("score kernels: every variant is the plain computation", "[transformer][parity]") {
  for (const std::size_t n_exemplars : {1, 2, 7, 8, 16, 17, 100}) {
    for (const bool attend_self : {true, false}) {
      for (const double spread : {0.0, 1.0, 30.0}) {  // even attention to all of it on one token
        check_kernels<float>(n_exemplars, attend_self, spread, 1.2e-7);
        check_kernels<double>(n_exemplars, attend_self, spread, 2.2e-16);
      }
    }
  }
}

TEST_CASE("score kernels: scores that are not finite are seen", "[transformer][limits]") {
  for (const auto& kernels : score_kernel_variants<float>()) {
    CAPTURE(kernels.name);
    const std::vector<float> scales(20, 1.0F);
    const std::vector<std::int8_t> labels(20, 1);
    for (const std::size_t j : {3, 18}) {
      std::vector<float> dots(20, 1.0F), scaled(20);
      dots[j] = std::numeric_limits<float>::quiet_NaN();
      const auto c =
          kernels.attend({20, 20, 9, labels.data()}, {0.0F, 0.0F}, dots.data(), scales.data(), scaled.data());
      CHECK(std::isnan(c.exemplars));
    }
  }
}
