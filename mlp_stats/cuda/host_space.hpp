#pragma once

#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Dense>
#include <algorithm>
#include <cassert>
#include <span>
#include <vector>

#include "space.hpp"

namespace iclk::device {

/// Runs kernels on the calling thread, for tests: same bodies, same order of sums, matrix products by Eigen.
class HostSpace {
 public:
  template <class T>
  class Array {
   public:
    Array() = default;
    Array(HostSpace&, std::size_t size) : values_(size) {}
    T* data() noexcept { return values_.data(); }
    const T* data() const noexcept { return values_.data(); }
    std::size_t size() const noexcept { return values_.size(); }

   private:
    std::vector<T> values_;
  };

  template <class T>
  void put(Array<T>& array, std::size_t offset, std::span<const T> values) {
    assert(offset + values.size() <= array.size());
    std::copy(values.begin(), values.end(), array.data() + offset);
  }
  template <class T>
  void get(const Array<T>& array, std::size_t offset, std::span<T> values) const {
    assert(offset + values.size() <= array.size());
    std::copy_n(array.data() + offset, values.size(), values.begin());
  }
  template <class T>
  void copy(Array<T>& array, std::size_t from, std::size_t to, std::size_t n) {
    assert(std::max(from, to) + n <= array.size());
    std::copy_n(array.data() + from, n, array.data() + to);
  }

  template <class Body>
  void for_each(std::size_t rows, std::size_t columns, Body body) {
    for (std::uint32_t row = 0; row < rows; ++row) {
      for (std::uint32_t column = 0; column < columns; ++column) body(row, column);
    }
  }

  template <int kLanes, Along, class Body>
  void reduce(std::size_t groups, Body body) {
    typename Body::State states[kLanes];
    for (std::uint32_t group = 0; group < groups; ++group) {
      for (std::uint32_t lane = 0; lane < kLanes; ++lane) states[lane] = body.partial(group, lane);
      for (int width = kLanes / 2; width > 0; width /= 2) {
        for (int lane = 0; lane < width; ++lane) states[lane].merge(states[lane + width]);
      }
      body.finish(group, states[0]);
    }
  }

  void product(const Product& p) {
    using Matrix = Eigen::MatrixXf;
    using Stride = Eigen::OuterStride<>;
    for (std::size_t i = 0; i < p.n_batches; ++i) {
      const auto map = [](const float* data, std::size_t rows, std::size_t columns, std::size_t stride) {
        return Eigen::Map<const Matrix, 0, Stride>(data, static_cast<Eigen::Index>(rows),
                                                   static_cast<Eigen::Index>(columns),
                                                   Stride(static_cast<Eigen::Index>(stride)));
      };
      const auto a = map(p.a + i * p.a_stride, p.transpose_a ? p.k : p.m, p.transpose_a ? p.m : p.k, p.a_rows);
      const auto b = map(p.b + i * p.b_stride, p.transpose_b ? p.n : p.k, p.transpose_b ? p.k : p.n, p.b_rows);
      Matrix result;
      if (p.transpose_a) {
        assert(!p.transpose_b);
        result.noalias() = a.transpose() * b;
      } else if (p.transpose_b) {
        result.noalias() = a * b.transpose();
      } else {
        result.noalias() = a * b;
      }
      Eigen::Map<Matrix, 0, Stride> c(p.c + i * p.c_stride, static_cast<Eigen::Index>(p.m),
                                      static_cast<Eigen::Index>(p.n), Stride(static_cast<Eigen::Index>(p.c_rows)));
      if (p.beta == 0.0F) {
        c = p.alpha * result;
      } else {
        c = p.beta * c + p.alpha * result;
      }
    }
  }

  template <class Record>
  void replay(std::uint64_t, std::uint64_t times, Record&& record) {
    for (std::uint64_t i = 0; i < times; ++i) record();
  }
  void forget() {}
};

}  // namespace iclk::device
