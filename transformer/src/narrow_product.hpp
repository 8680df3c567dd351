#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "iclk/mlp_stats/matrix_product.hpp"

namespace iclk::transformer {

/// Where an entry of op(A) stands: a[row * of_row + inner * of_inner].
struct LeftStrides {
  std::size_t of_row, of_inner;
};

/// Memory that is read next: a product waits for arithmetic only, and what it asks for meanwhile comes for nothing. Asked
/// for up to `next`.
struct MemoryAhead {
  const float* next = nullptr;
  const float* end = nullptr;
};

/// C <- op(A) B, or C + op(A) B where `add`, for row-major floats of whatever size: op(A): [m x k], B: [k x n], C: [m x n].
struct NarrowKernel {
  std::string_view name;
  void (*multiply)(std::size_t m, std::size_t n, std::size_t k, const float* a, LeftStrides strides, const float* b,
                   bool add, float* c, MemoryAhead& ahead);
};

/// The kernels that this machine can run, the fastest one last; none without AVX2. They differ in rounding only.
std::vector<NarrowKernel> narrow_kernels();

/// product() for matrices that are as narrow as a token. oneDNN copies both factors into blocks first, and of 65 columns
/// it leaves one to a vector of its own: too much for products of ten microseconds, so that kernels of ours take its
/// place where the machine runs them.
template <class Real>
class NarrowProduct {
 public:
  explicit NarrowProduct(mlp_stats::BackendKind backend);

  /// C <- op(A) B, or C + op(A) B where `add`, asking for `ahead`.
  void operator()(mlp_stats::Op op_a, std::size_t m, std::size_t n, std::size_t k, const Real* a, const Real* b,
                  bool add, Real* c, MemoryAhead& ahead) const;
  void operator()(mlp_stats::Op op_a, std::size_t m, std::size_t n, std::size_t k, const Real* a, const Real* b,
                  bool add, Real* c) const {
    MemoryAhead nothing;
    (*this)(op_a, m, n, k, a, b, add, c, nothing);
  }

 private:
  mlp_stats::BackendKind backend_;
  NarrowKernel kernel_{};  // without `multiply` where product() does it
};

extern template class NarrowProduct<float>;
extern template class NarrowProduct<double>;

}  // namespace iclk::transformer
