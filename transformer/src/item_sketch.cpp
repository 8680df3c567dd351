#include "item_sketch.hpp"

#include <algorithm>
#include <boost/math/special_functions/gamma.hpp>
#include <cassert>
#include <cmath>
#include <numbers>

#include "sketch_kernel_vectors.hpp"

namespace iclk::transformer {
namespace {

constexpr double kFitted = 6.8;  // standard deviations; fill_normals ends at 6.76

double chi_square_quantile(double degrees, double z) {
  const double tail = 0.5 * std::erfc(std::abs(z) / std::numbers::sqrt2);
  return 2.0 *
         (z < 0.0 ? boost::math::gamma_p_inv(degrees / 2.0, tail) : boost::math::gamma_q_inv(degrees / 2.0, tail));
}

SketchKernel best_kernel() { return sketch_kernels().back(); }

}  // namespace

ChiSquare fitted_chi_square(std::size_t degrees_of_freedom) {
  constexpr std::size_t n = kChiSquareDegree + 1;
  // Chebyshev's interpolation of the cube root, then powers of z.
  double series[n] = {};
  for (std::size_t i = 0; i < n; ++i) {
    const double angle = std::numbers::pi * (static_cast<double>(i) + 0.5) / n;
    const double value =
        std::cbrt(chi_square_quantile(static_cast<double>(degrees_of_freedom), kFitted * std::cos(angle)));
    for (std::size_t k = 0; k < n; ++k) {
      series[k] += (k == 0 ? 1.0 : 2.0) / n * value * std::cos(static_cast<double>(k) * angle);
    }
  }
  ChiSquare law{};
  double before[n] = {1.0};        // T_0 in powers of x
  double current[n] = {0.0, 1.0};  // T_1
  for (std::size_t k = 0; k < n; ++k) {
    const double* polynomial = k == 0 ? before : current;
    for (std::size_t i = 0; i < n; ++i) law.coefficients[i] += series[k] * polynomial[i];
    if (k == 0) continue;
    double next[n] = {};
    for (std::size_t i = 0; i < n; ++i) next[i] = (i > 0 ? 2.0 * current[i - 1] : 0.0) - before[i];
    std::copy_n(current, n, before);
    std::copy_n(next, n, current);
  }
  for (std::size_t i = 0; i < n; ++i) law.coefficients[i] /= std::pow(kFitted, static_cast<double>(i));
  return law;
}

double chi_square(const ChiSquare& law, double z) noexcept { return chi_square(law, Lanes{} + z)[0]; }

SketchKernel baseline_sketch_kernel() {
  return {"baseline", project_sketch, combine_sketch, pull_back_sketch, dot_sketch, remove_sketch};
}

std::vector<SketchKernel> sketch_kernels() {
  std::vector<SketchKernel> kernels{baseline_sketch_kernel()};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) kernels.push_back(avx2_sketch_kernel());
  if (__builtin_cpu_supports("avx512f")) kernels.push_back(avx512_sketch_kernel());
#endif
  return kernels;
}

template <class Real>
ItemSketch<Real>::ItemSketch(std::size_t n_context, std::size_t dim, std::size_t batch, bool attend_self)
    : n_context_(n_context),
      dim_(dim),
      padded_((dim + kLanes - 1) / kLanes * kLanes),
      batch_(batch),
      length_(n_context + 1),
      n_attended_(attend_self ? n_context + 1 : n_context),
      n_groups_((batch + kLanes - 1) / kLanes),
      law_{.coordinate_sd = 1.0 / std::sqrt(static_cast<double>(dim)),
           .sum_length = std::sqrt(static_cast<double>(dim)),
           .outside = fitted_chi_square(dim - 2),
           .walk = fitted_chi_square(dim - 3),
           .turn = fitted_chi_square(dim - 6)},
      kernel_(best_kernel()),
      copy_(length_ * kLanes),
      lengths_(n_groups_ * length_ * kLanes),
      cosines_(n_groups_ * length_ * kLanes),
      ones_(padded_),
      targets_(batch * padded_),
      across_(batch * padded_),
      walk_(batch * padded_),
      turn_(kLanes * padded_),
      rest_axis_(padded_),
      rest_(n_groups_ * kLanes),
      in1_(length_ * kLanes),
      in2_(length_ * kLanes),
      in3_(length_ * kLanes),
      out_(length_ * kLanes),
      out2_(length_ * kLanes),
      out3_(length_ * kLanes) {
  assert(dim >= kSmallestSketchDim);
  std::fill_n(ones_.begin(), dim, law_.coordinate_sd);
}

/// The unit vector along x across `axes`; returns the length of that part. Where rounding is all that is left, some
/// unit vector across them, and 0.
template <class Real>
double ItemSketch<Real>::unit_across(std::initializer_list<const double*> axes, double* x) const {
  constexpr double kLeast = 1e-9;
  const auto length_of_x = [&] { return std::sqrt(kernel_.dot(x, x, padded_)); };
  const auto remove_axes = [&] {
    for (const double* axis : axes) kernel_.remove(axis, x, padded_);
  };
  const double whole = length_of_x();
  remove_axes();
  double length = length_of_x();
  double scale = length;
  if (!(length > kLeast * whole)) {
    length = 0.0;
    for (std::size_t i = 0; i < dim_; ++i) {
      std::fill_n(x, dim_, 0.0);
      x[i] = 1.0;
      remove_axes();
      remove_axes();
      scale = length_of_x();
      if (scale > 0.5) break;
    }
  }
  const double inverse = 1.0 / scale;
  for (std::size_t d = 0; d < dim_; ++d) x[d] *= inverse;
  return length;
}

template <class Real>
std::size_t ItemSketch<Real>::lanes_of(std::size_t group) const {
  return std::min(kLanes, batch_ - group * kLanes);
}

template <class Real>
SketchRows ItemSketch<Real>::rows_of(const SketchBatch& batch, std::size_t group) {
  std::fill(copy_.begin(), copy_.end(), 0.0);
  for (std::size_t lane = 0; lane < lanes_of(group); ++lane) {
    const std::uint32_t* items = batch.items.data() + (group * kLanes + lane) * length_;
    for (std::size_t j = 0; j < length_; ++j) {
      if (items[j] == items[n_context_]) copy_[j * kLanes + lane] = 1.0;
    }
  }
  const std::size_t first = group * length_ * kLanes;
  return {.n = n_attended_,
          .normals = batch.normals.data() + first * kSketchNormals,
          .copy = copy_.data(),
          .length = lengths_.data() + first,
          .cosine = cosines_.data() + first};
}

template <class Real>
void ItemSketch<Real>::gather(const Real* from, std::size_t group, double* to) const {
  for (std::size_t lane = 0; lane < lanes_of(group); ++lane) {
    const Real* row = from + (group * kLanes + lane) * length_;
    for (std::size_t j = 0; j < n_attended_; ++j) to[j * kLanes + lane] = static_cast<double>(row[j]);
  }
}

template <class Real>
void ItemSketch<Real>::scatter(const double* from, std::size_t group, Real* to) const {
  for (std::size_t lane = 0; lane < lanes_of(group); ++lane) {
    Real* row = to + (group * kLanes + lane) * length_;
    for (std::size_t j = 0; j < n_attended_; ++j) row[j] = static_cast<Real>(from[j * kLanes + lane]);
  }
}

template <class Real>
void ItemSketch<Real>::project(const SketchBatch& batch, const Real* directions, Real* dots, Real* sums,
                               Real* squares) {
  for (std::size_t group = 0; group < n_groups_; ++group) {
    const SketchRows rows = rows_of(batch, group);
    SketchDirection direction{};
    SketchTarget target{};
    for (std::size_t lane = 0; lane < lanes_of(group); ++lane) {
      const std::size_t b = group * kLanes + lane;
      const Real* d = directions + b * (dim_ + 2);
      const float* item = batch.targets.data() + b * dim_;
      double *across = vector(across_, b), *x = vector(targets_, b);
      for (std::size_t i = 0; i < dim_; ++i) {
        across[i] = static_cast<double>(d[i]);
        x[i] = item[i];
      }
      direction.target[lane] = kernel_.dot(across, x, padded_);
      target.sum[lane] = kernel_.dot(ones_.data(), x, padded_) * law_.sum_length;
      target.square[lane] = kernel_.dot(x, x, padded_);
      direction.along1[lane] = kernel_.dot(ones_.data(), across, padded_);
      direction.along2[lane] = unit_across({ones_.data()}, across);
    }
    kernel_.project(law_, rows, direction, target, out_.data(), out2_.data(), out3_.data());
    scatter(out_.data(), group, dots);
    scatter(out2_.data(), group, sums);
    scatter(out3_.data(), group, squares);
  }
}

template <class Real>
void ItemSketch<Real>::combine(const SketchBatch& batch, const Real* coefficients, Real* out) {
  for (std::size_t group = 0; group < n_groups_; ++group) {
    const SketchRows rows = rows_of(batch, group);
    gather(coefficients, group, in1_.data());
    SketchSum sum;
    kernel_.combine(law_, rows, in1_.data(), sum);
    std::copy_n(sum.rest, kLanes, rest_.data() + group * kLanes);
    for (std::size_t lane = 0; lane < lanes_of(group); ++lane) {
      const std::size_t b = group * kLanes + lane;
      const double *across = vector(across_, b), *x = vector(targets_, b);
      double* walk = vector(walk_, b);
      std::copy_n(batch.axes.data() + 2 * b * dim_, dim_, walk);
      unit_across({ones_.data(), across}, walk);
      const double mean = sum.along1[lane] / law_.sum_length;
      for (std::size_t d = 0; d < dim_; ++d) {
        out[b * (dim_ + 2) + d] =
            static_cast<Real>(mean + sum.along2[lane] * across[d] + sum.rest[lane] * walk[d] + sum.target[lane] * x[d]);
      }
    }
  }
}

template <class Real>
void ItemSketch<Real>::pull_back(const SketchBatch& batch, const Real* directions, const Real* weights,
                                 const Real* scales, const Real* offsets, Real* forces, Real* out) {
  for (std::size_t group = 0; group < n_groups_; ++group) {
    const SketchRows rows = rows_of(batch, group);
    SketchDirection direction{};
    for (std::size_t lane = 0; lane < lanes_of(group); ++lane) {
      const std::size_t b = group * kLanes + lane;
      const Real* d = directions + b * (dim_ + 2);
      double* turn = vector(turn_, lane);  // the direction, of which f2 is left
      for (std::size_t i = 0; i < dim_; ++i) turn[i] = static_cast<double>(d[i]);
      direction.target[lane] = kernel_.dot(turn, vector(targets_, b), padded_);
      direction.along1[lane] = kernel_.dot(ones_.data(), turn, padded_);
      const double *across = vector(across_, b), *walk = vector(walk_, b);
      direction.along2[lane] = kernel_.dot(across, turn, padded_);
      direction.along3[lane] = kernel_.dot(walk, turn, padded_);
      direction.along4[lane] = unit_across({ones_.data(), across, walk}, turn);
    }
    gather(weights, group, in1_.data());
    gather(scales, group, in2_.data());
    gather(offsets, group, in3_.data());
    SketchSum sum;
    kernel_.pull_back(law_, rows, direction, rest_.data() + group * kLanes, in1_.data(), in2_.data(), in3_.data(),
                      out_.data(), sum);
    scatter(out_.data(), group, forces);
    for (std::size_t lane = 0; lane < lanes_of(group); ++lane) {
      const std::size_t b = group * kLanes + lane;
      const double *across = vector(across_, b), *walk = vector(walk_, b), *turn = vector(turn_, lane);
      const double* x = vector(targets_, b);
      double* rest = rest_axis_.data();
      std::copy_n(batch.axes.data() + (2 * b + 1) * dim_, dim_, rest);
      unit_across({ones_.data(), across, walk, turn}, rest);
      const double mean = sum.along1[lane] / law_.sum_length;
      for (std::size_t d = 0; d < dim_; ++d) {
        out[b * (dim_ + 2) + d] =
            static_cast<Real>(mean + sum.along2[lane] * across[d] + sum.along3[lane] * walk[d] +
                              sum.along4[lane] * turn[d] + sum.rest[lane] * rest[d] + sum.target[lane] * x[d]);
      }
    }
  }
}

template class ItemSketch<float>;
template class ItemSketch<double>;

}  // namespace iclk::transformer
