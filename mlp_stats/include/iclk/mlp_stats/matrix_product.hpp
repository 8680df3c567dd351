#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <span>

#include "iclk/mlp_stats/mlp_engine.hpp"

namespace iclk::mlp_stats {

/// Numbers on a cache-line boundary, zero at first: the vector kernels of oneDNN and their results must not depend on
/// where an allocator happens to put an array. The size does not change.
template <class Real>
class AlignedArray {
 public:
  explicit AlignedArray(std::size_t size)
      : data_(static_cast<Real*>(::operator new(std::max<std::size_t>(size, 1) * sizeof(Real), kAlignment))),
        size_(size) {
    std::fill_n(data_.get(), size, Real(0));
  }
  Real* data() noexcept { return data_.get(); }
  const Real* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return size_; }
  Real& operator[](std::size_t i) noexcept { return data_.get()[i]; }
  const Real& operator[](std::size_t i) const noexcept { return data_.get()[i]; }
  std::span<Real> span() noexcept { return {data_.get(), size_}; }
  std::span<const Real> span() const noexcept { return {data_.get(), size_}; }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Release {
    void operator()(Real* data) const noexcept { ::operator delete(data, kAlignment); }
  };
  std::unique_ptr<Real[], Release> data_;
  std::size_t size_;
};

enum class Op { plain, transposed };

/// C <- alpha op(A) op(B) + beta C for row-major matrices without gaps, op(A): [m x k], op(B): [k x n], C: [m x n], on
/// the calling thread. C must not overlap A or B. With oneDNN (floats only) or Eigen.
void product(BackendKind kind, Op op_a, Op op_b, std::size_t m, std::size_t n, std::size_t k, float alpha,
             const float* a, const float* b, float beta, float* c);

/// The same in double, always by Eigen.
void product(BackendKind kind, Op op_a, Op op_b, std::size_t m, std::size_t n, std::size_t k, double alpha,
             const double* a, const double* b, double beta, double* c);

}  // namespace iclk::mlp_stats
