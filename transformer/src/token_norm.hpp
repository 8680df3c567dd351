#pragma once

#include <cmath>
#include <cstddef>

namespace iclk::transformer {

/// LayerNorm takes a token x to scale (x - shift), then gain and bias.
template <class Real>
struct TokenNorm {
  Real shift, scale;
};

/// From the sums over all `width` features of a token. An exemplar's label adds 1 to both. constexpr, as the next one, so
/// that the card can use it too.
template <class Real>
[[gnu::always_inline]] constexpr TokenNorm<Real> token_norm(Real sum, Real sum_of_squares, std::size_t width) {
  constexpr Real kEpsilon = static_cast<Real>(1e-5);  // PyTorch's default
  const Real per_feature = Real(1) / static_cast<Real>(width);
  const Real mean = sum * per_feature;
  const Real variance = sum_of_squares * per_feature - mean * mean;  // rounding may take it below zero
  return {mean, Real(1) / std::sqrt((variance > Real(0) ? variance : Real(0)) + kEpsilon)};
}

/// Of an item without a label, its sums in the precision of the model.
template <class Real>
constexpr TokenNorm<Real> target_norm(const float* item, std::size_t dim) {
  Real sum = 0, square = 0;
  for (std::size_t d = 0; d < dim; ++d) {
    const Real x = item[d];
    sum += x;
    square += x * x;
  }
  return token_norm(sum, square, dim + 2);
}

}  // namespace iclk::transformer
