#pragma once

#include <cstddef>

namespace iclk::transformer {

/// LayerNorm's gain g and bias b and a head's matrices, all of `width` E.
template <class Real>
struct TokenMatrices {
  std::size_t width;
  const Real *gain, *bias;  // [E]
  const Real *a, *value;    // [E x E]
};

/// The same with gain, bias and P, which subtracts a row's mean, in the matrices: G = diag(g).
template <class Real>
struct CombinedMatrices {
  Real* to_direction;                 // [E x E] P G A G transposed
  Real *to_input, *from_mean;         // [E x E] V G P, and transposed
  Real *bias_direction, *bias_input;  // [E] P G A b, b + V b
};

/// Gradients on the way back through CombinedMatrices.
template <class Real>
struct SeparatedGradients {
  const Real *u_sum, *direction_sum;  // [E] of the MLP's inputs and of the directions, summed over the batch
  Real *d_value, *d_a;                // [E x E] of the tokens without gain and bias, and of the matrices afterwards
  Real *d_gain, *d_bias;              // [E] added to
};

/// What attention does with gain, bias and P: loops over E x E and batch x E entries.
template <class Real>
struct TokenKernels {
  const char* name;

  /// to = from transposed, both [n x n].
  void (*transpose)(std::size_t n, const Real* from, Real* to);

  void (*combine)(const TokenMatrices<Real>& matrices, const CombinedMatrices<Real>& combined);

  /// A target of `dim` coordinates after scale (x - shift), and where its direction and its input to the MLP begin.
  void (*start_target)(const TokenMatrices<Real>& matrices, const CombinedMatrices<Real>& combined, const float* item,
                       std::size_t dim, Real shift, Real scale, Real* normed, Real* direction, Real* u);

  /// x . y
  Real (*dot)(std::size_t n, const Real* x, const Real* y);

  /// P (x, plus, minus) in place of dim coordinates x.
  void (*add_features)(std::size_t dim, Real plus, Real minus, Real* x);

  /// sum: of n rows of `width`, and of their products with others, entry by entry.
  void (*sum_rows)(std::size_t n, std::size_t width, const Real* rows, Real* sum);
  void (*sum_products)(std::size_t n, std::size_t width, const Real* rows, const Real* others, Real* sum);

  void (*separate)(const TokenMatrices<Real>& matrices, const SeparatedGradients<Real>& gradients);

  /// p <- keep p - rate gradient
  void (*descend)(std::size_t n, Real keep, Real rate, const Real* gradient, Real* p);
};

TokenKernels<float> avx2_token_kernels();

}  // namespace iclk::transformer
