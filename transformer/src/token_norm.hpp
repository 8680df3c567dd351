#pragma once

#include <cmath>
#include <cstddef>

namespace iclk::transformer {

/// LayerNorm takes a token x to scale (x - shift), then gain and bias.
template <class Real>
struct TokenNorm {
  Real shift, scale;
};

/// From the sums over all `width` features of a token. An exemplar's label adds 1 to both. constexpr here and
/// below, so that the card can use it too.
template <class Real>
[[gnu::always_inline]] constexpr TokenNorm<Real> token_norm(Real sum, Real sum_of_squares, std::size_t width) {
  constexpr Real kEpsilon = static_cast<Real>(1e-5);  // PyTorch's default
  const Real per_feature = Real(1) / static_cast<Real>(width);
  const Real mean = sum * per_feature;
  const Real variance = sum_of_squares * per_feature - mean * mean;  // rounding may take it below zero
  return {mean, Real(1) / std::sqrt((variance > Real(0) ? variance : Real(0)) + kEpsilon)};
}

/// Of an item, its sums in the precision `Real`; `label_feature`: 1 with a label, else 0.
template <class Real>
constexpr TokenNorm<Real> item_norm(const float* item, std::size_t dim, Real label_feature) {
  constexpr std::size_t kPartialSums = 8;  // side by side, which compilers turn into vector operations
  Real sums[kPartialSums] = {label_feature}, squares[kPartialSums] = {label_feature};
  std::size_t d = 0;
  for (; d + kPartialSums <= dim; d += kPartialSums) {
    for (std::size_t lane = 0; lane < kPartialSums; ++lane) {
      const Real x = item[d + lane];
      sums[lane] += x;
      squares[lane] += x * x;
    }
  }
  for (; d < dim; ++d) {
    const Real x = item[d];
    sums[0] += x;
    squares[0] += x * x;
  }
  Real sum = 0, square = 0;
  for (std::size_t lane = 0; lane < kPartialSums; ++lane) {
    sum += sums[lane];
    square += squares[lane];
  }
  return token_norm(sum, square, dim + 2);
}

template <class Real>
constexpr TokenNorm<Real> target_norm(const float* item, std::size_t dim) {
  return item_norm<Real>(item, dim, Real(0));
}
template <class Real>
constexpr TokenNorm<Real> exemplar_norm(const float* item, std::size_t dim) {
  return item_norm<Real>(item, dim, Real(1));
}

}  // namespace iclk::transformer
