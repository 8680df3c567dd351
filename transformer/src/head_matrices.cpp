#include "head_matrices.hpp"

#include <algorithm>
#include <cmath>

namespace iclk::transformer {

using mlp_stats::Op;
using mlp_stats::product;

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
      backend_(backend),
      d_query_(width * width),
      d_key_(width * width) {}

template <class Real>
void HeadMatrices<Real>::combine() {
  product(backend_, Op::transposed, Op::plain, width_, width_, width_, Real(1), key.data(), query.data(), Real(0),
          a.data());
}

template <class Real>
void HeadMatrices<Real>::update(double lr, double decay) {
  product(backend_, Op::plain, Op::plain, width_, width_, width_, Real(1), key.data(), d_a.data(), Real(0),
          d_query_.data());
  product(backend_, Op::plain, Op::transposed, width_, width_, width_, Real(1), query.data(), d_a.data(), Real(0),
          d_key_.data());
  sgd_update(query, d_query_, lr, decay);
  sgd_update(key, d_key_, lr, decay);
  sgd_update(value, d_value, lr, decay);
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
