#pragma once

#include <cstddef>

#include "iclk/mlp_stats/matrix_product.hpp"
#include "narrow_product.hpp"
#include "token_kernels.hpp"

namespace iclk::transformer {

/// p <- p - lr (gradient + decay p).
template <class Real>
void sgd_update(mlp_stats::AlignedArray<Real>& parameters, const mlp_stats::AlignedArray<Real>& gradient, double lr,
                double decay);

/// Q, K and V of one head, [E x E] row-major. Scores are x_j . A x_i with A = K^T Q: who uses the head works with A and
/// leaves d loss / d A and d loss / d V in the arrays named so.
template <class Real>
class HeadMatrices {
 public:
  using Array = mlp_stats::AlignedArray<Real>;

  HeadMatrices(std::size_t width, mlp_stats::BackendKind backend);

  /// A <- K^T Q.
  void combine();

  /// From d_a to the gradients of Q and K, then one step of all three.
  void update(double lr, double decay);

  Array query, key, value;
  Array a;             // K^T Q
  Array d_a, d_value;  // gradients

 private:
  std::size_t width_;
  NarrowProduct<Real> product_;
  TokenKernels<Real> kernels_;
  Array d_a_transposed_, d_query_, d_key_;
};

/// weights[j] <- exp(weights[j] - log of the sum of exponentials), j < n.
template <class Real>
void softmax(Real* weights, std::size_t n);

extern template class HeadMatrices<float>;
extern template class HeadMatrices<double>;

}  // namespace iclk::transformer
