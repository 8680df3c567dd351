#include "head_matrices.hpp"

#include <algorithm>
#include <cmath>

namespace iclk::transformer {

using mlp_stats::Op;

template <class Real>
void sgd_update(mlp_stats::AlignedArray<Real>& parameters, const mlp_stats::AlignedArray<Real>& gradient, double lr,
                double decay) {
  const auto rate = static_cast<Real>(lr);
  const auto keep = static_cast<Real>(1.0 - lr * decay);
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i] = keep * parameters[i] - rate * gradient[i];
}

template <class Real>
HeadMatrices<Real>::HeadMatrices(std::size_t width, mlp_stats::BackendKind backend)
    : query(width * width),
      key(width * width),
      value(width * width),
      a(width * width),
      d_a(width * width),
      d_value(width * width),
      width_(width),
      product_(backend),
      kernels_(token_kernel_variants<Real>().back()),
      d_a_transposed_(width * width),
      d_query_(width * width),
      d_key_(width * width) {}

template <class Real>
void HeadMatrices<Real>::combine() {
  product_(Op::transposed, width_, width_, width_, key.data(), query.data(), false, a.data());
}

template <class Real>
void HeadMatrices<Real>::update(double lr, double decay) {
  product_(Op::plain, width_, width_, width_, key.data(), d_a.data(), false, d_query_.data());
  kernels_.transpose(width_, d_a.data(), d_a_transposed_.data());
  product_(Op::plain, width_, width_, width_, query.data(), d_a_transposed_.data(), false, d_key_.data());
  const auto rate = static_cast<Real>(lr);
  const auto keep = static_cast<Real>(1.0 - lr * decay);
  kernels_.descend(query.size(), keep, rate, d_query_.data(), query.data());
  kernels_.descend(key.size(), keep, rate, d_key_.data(), key.data());
  kernels_.descend(value.size(), keep, rate, d_value.data(), value.data());
}

template <class Real>
void softmax(Real* weights, std::size_t n) {
  Real largest = weights[0];
  for (std::size_t j = 1; j < n; ++j) largest = std::max(largest, weights[j]);
  Real sum = 0;
  for (std::size_t j = 0; j < n; ++j) {
    weights[j] = std::exp(weights[j] - largest);
    sum += weights[j];
  }
  const Real inverse = Real(1) / sum;
  for (std::size_t j = 0; j < n; ++j) weights[j] *= inverse;
}

template void sgd_update(mlp_stats::AlignedArray<float>&, const mlp_stats::AlignedArray<float>&, double, double);
template void sgd_update(mlp_stats::AlignedArray<double>&, const mlp_stats::AlignedArray<double>&, double, double);
template void softmax(float*, std::size_t);
template void softmax(double*, std::size_t);
template class HeadMatrices<float>;
template class HeadMatrices<double>;

}  // namespace iclk::transformer
