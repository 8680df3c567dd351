#include "item_kernels.hpp"

#include <cstring>

namespace iclk::transformer {
namespace {

// --- Any width, any precision: a few partial sums side by side, which compilers turn into vector operations. ---

constexpr std::size_t kPartialSums = 8;

template <class Real>
[[gnu::always_inline]] inline Real total(const Real* partial) {
  Real sum = 0;
  for (std::size_t lane = 0; lane < kPartialSums; ++lane) sum += partial[lane];
  return sum;
}

template <class Real>
[[gnu::always_inline]] inline void project_any(const ItemRows& rows, const Real* direction, Real* dots, Real* sums,
                                               Real* squares) {
  for (std::size_t j = 0; j < rows.n; ++j) {
    const float* row = rows.table + rows.items[j] * rows.stride;
    Real dot[kPartialSums] = {}, sum[kPartialSums] = {}, square[kPartialSums] = {};
    std::size_t d = 0;
    for (; d + kPartialSums <= rows.dim; d += kPartialSums) {
      for (std::size_t lane = 0; lane < kPartialSums; ++lane) {
        const Real x = row[d + lane];
        dot[lane] += x * direction[d + lane];
        sum[lane] += x;
        square[lane] += x * x;
      }
    }
    for (; d < rows.dim; ++d) {
      const Real x = row[d];
      dot[0] += x * direction[d];
      sum[0] += x;
      square[0] += x * x;
    }
    dots[j] = total(dot);
    sums[j] = total(sum);
    squares[j] = total(square);
  }
}

template <class Real>
[[gnu::always_inline]] inline void combine_any(const ItemRows& rows, const Real* weights, Real* out) {
  for (std::size_t d = 0; d < rows.dim; ++d) out[d] = 0;
  for (std::size_t j = 0; j < rows.n; ++j) {
    const float* row = rows.table + rows.items[j] * rows.stride;
    for (std::size_t d = 0; d < rows.dim; ++d) out[d] += weights[j] * static_cast<Real>(row[d]);
  }
}

template <class Real>
[[gnu::always_inline]] inline void pull_back_any(const ItemRows& rows, const Real* direction, const Real* weights,
                                                 const Real* scales, const Real* offsets, Real* forces, Real* out) {
  for (std::size_t d = 0; d < rows.dim; ++d) out[d] = 0;
  for (std::size_t j = 0; j < rows.n; ++j) {
    const float* row = rows.table + rows.items[j] * rows.stride;
    Real dot[kPartialSums] = {};
    std::size_t d = 0;
    for (; d + kPartialSums <= rows.dim; d += kPartialSums) {
      for (std::size_t lane = 0; lane < kPartialSums; ++lane) {
        dot[lane] += static_cast<Real>(row[d + lane]) * direction[d + lane];
      }
    }
    for (; d < rows.dim; ++d) dot[0] += static_cast<Real>(row[d]) * direction[d];
    forces[j] = weights[j] * (scales[j] * total(dot) + offsets[j]);
    const Real weight = forces[j] * scales[j];
    for (d = 0; d < rows.dim; ++d) out[d] += weight * static_cast<Real>(row[d]);
  }
}

// --- Floats, a row in kPacks registers of kWidth: the last one ends with the row and overlaps the one before. ---

template <int kWidth>
struct Vector {
  typedef float Pack __attribute__((vector_size(4 * kWidth)));
};

template <int kWidth, int kPacks>
struct Registers {
  using Pack = typename Vector<kWidth>::Pack;

  static bool fit(std::size_t dim) { return dim > kWidth * (kPacks - 1) && dim <= kWidth * kPacks; }

  /// Where pack i of a row begins.
  static std::size_t begin(int i, std::size_t dim) { return i + 1 < kPacks ? i * kWidth : dim - kWidth; }

  /// `from` as packs, zero where the last one overlaps: what is summed counts no coordinate twice.
  [[gnu::always_inline]] static inline void load_once(Pack (&packs)[kPacks], const float* from, std::size_t dim) {
    float padded[kWidth * kPacks] = {};
    const std::size_t overlap = kWidth * kPacks - dim;
    std::memcpy(padded, from, kWidth * (kPacks - 1) * sizeof(float));
    std::memcpy(padded + kWidth * (kPacks - 1) + overlap, from + kWidth * (kPacks - 1),
                (kWidth - overlap) * sizeof(float));
    std::memcpy(&packs, padded, sizeof(packs));
  }

  [[gnu::always_inline]] static inline void load_row(Pack (&packs)[kPacks], const float* row, std::size_t dim) {
#pragma GCC unroll 8
    for (int i = 0; i < kPacks; ++i) std::memcpy(&packs[i], row + begin(i, dim), sizeof(Pack));
  }

  /// The overlap holds the same numbers in both packs.
  [[gnu::always_inline]] static inline void store(float* to, const Pack (&packs)[kPacks], std::size_t dim) {
#pragma GCC unroll 8
    for (int i = 0; i < kPacks; ++i) std::memcpy(to + begin(i, dim), &packs[i], sizeof(Pack));
  }
};

[[gnu::always_inline]] inline float sum_of(const Vector<4>::Pack& p) { return (p[0] + p[2]) + (p[1] + p[3]); }
[[gnu::always_inline]] inline float sum_of(const Vector<8>::Pack& p) {
  const Vector<4>::Pack half = __builtin_shufflevector(p, p, 0, 1, 2, 3) + __builtin_shufflevector(p, p, 4, 5, 6, 7);
  return sum_of(half);
}
[[gnu::always_inline]] inline float sum_of(const Vector<16>::Pack& p) {
  const Vector<8>::Pack half = __builtin_shufflevector(p, p, 0, 1, 2, 3, 4, 5, 6, 7) +
                               __builtin_shufflevector(p, p, 8, 9, 10, 11, 12, 13, 14, 15);
  return sum_of(half);
}

/// Rows lie anywhere in a table that may be larger than every cache: ask for one well before it is needed.
constexpr std::size_t kRowsAhead = 12;
[[gnu::always_inline]] inline void prefetch_row(const ItemRows& rows, std::size_t j) {
  if (j >= rows.n_listed) return;
  const float* row = rows.table + rows.items[j] * rows.stride;
  constexpr std::size_t kFloatsPerLine = 16;
  for (std::size_t d = 0; d < rows.dim; d += kFloatsPerLine) __builtin_prefetch(row + d);
  __builtin_prefetch(row + rows.dim - 1);
}

template <int kWidth, int kPacks>
[[gnu::always_inline]] inline void project_packed(const ItemRows& rows, const float* direction, float* dots,
                                                  float* sums, float* squares) {
  using R = Registers<kWidth, kPacks>;
  typename R::Pack along[kPacks], ones[kPacks], x[kPacks];
  float one[kWidth * kPacks];
  for (float& value : one) value = 1.0F;
  R::load_once(along, direction, rows.dim);
  R::load_once(ones, one, rows.dim);
  for (std::size_t j = 0; j < rows.n; ++j) {
    prefetch_row(rows, j + kRowsAhead);
    R::load_row(x, rows.table + rows.items[j] * rows.stride, rows.dim);
    typename R::Pack dot = x[0] * along[0], sum = x[0], square = x[0] * x[0];
#pragma GCC unroll 8
    for (int i = 1; i < kPacks; ++i) {
      const typename R::Pack once = i + 1 < kPacks ? x[i] : x[i] * ones[i];
      dot += x[i] * along[i];
      sum += once;
      square += once * x[i];
    }
    dots[j] = sum_of(dot);
    sums[j] = sum_of(sum);
    squares[j] = sum_of(square);
  }
}

template <int kWidth, int kPacks>
[[gnu::always_inline]] inline void combine_packed(const ItemRows& rows, const float* weights, float* out) {
  using R = Registers<kWidth, kPacks>;
  typename R::Pack x[kPacks], result[kPacks] = {};
  for (std::size_t j = 0; j < rows.n; ++j) {
    R::load_row(x, rows.table + rows.items[j] * rows.stride, rows.dim);
#pragma GCC unroll 8
    for (int i = 0; i < kPacks; ++i) result[i] += weights[j] * x[i];
  }
  R::store(out, result, rows.dim);
}

template <int kWidth, int kPacks>
[[gnu::always_inline]] inline void pull_back_packed(const ItemRows& rows, const float* direction, const float* weights,
                                                    const float* scales, const float* offsets, float* forces,
                                                    float* out) {
  using R = Registers<kWidth, kPacks>;
  typename R::Pack along[kPacks], x[kPacks], result[kPacks] = {};
  R::load_once(along, direction, rows.dim);
  for (std::size_t j = 0; j < rows.n; ++j) {
    prefetch_row(rows, j + kRowsAhead);
    R::load_row(x, rows.table + rows.items[j] * rows.stride, rows.dim);
    typename R::Pack dot = x[0] * along[0];
#pragma GCC unroll 8
    for (int i = 1; i < kPacks; ++i) dot += x[i] * along[i];
    const float force = weights[j] * (scales[j] * sum_of(dot) + offsets[j]);
    forces[j] = force;
    const float weight = force * scales[j];
#pragma GCC unroll 8
    for (int i = 0; i < kPacks; ++i) result[i] += weight * x[i];
  }
  R::store(out, result, rows.dim);
}

template <class Real>
void project_baseline(const ItemRows& rows, const Real* direction, Real* dots, Real* sums, Real* squares) {
  project_any(rows, direction, dots, sums, squares);
}
template <class Real>
void combine_baseline(const ItemRows& rows, const Real* weights, Real* out) {
  combine_any(rows, weights, out);
}
template <class Real>
void pull_back_baseline(const ItemRows& rows, const Real* direction, const Real* weights, const Real* scales,
                        const Real* offsets, Real* forces, Real* out) {
  pull_back_any(rows, direction, weights, scales, offsets, forces, out);
}

#if defined(__x86_64__)
// 57 to 64 and 49 to 64 coordinates: the paper's 63 are among them.
using Avx2 = Registers<8, 8>;
using Avx512 = Registers<16, 4>;

[[gnu::target("avx2,fma")]] void project_avx2(const ItemRows& rows, const float* direction, float* dots, float* sums,
                                              float* squares) {
  if (Avx2::fit(rows.dim)) return project_packed<8, 8>(rows, direction, dots, sums, squares);
  project_any(rows, direction, dots, sums, squares);
}
[[gnu::target("avx2,fma")]] void combine_avx2(const ItemRows& rows, const float* weights, float* out) {
  if (Avx2::fit(rows.dim)) return combine_packed<8, 8>(rows, weights, out);
  combine_any(rows, weights, out);
}
[[gnu::target("avx2,fma")]] void pull_back_avx2(const ItemRows& rows, const float* direction, const float* weights,
                                                const float* scales, const float* offsets, float* forces, float* out) {
  if (Avx2::fit(rows.dim)) return pull_back_packed<8, 8>(rows, direction, weights, scales, offsets, forces, out);
  pull_back_any(rows, direction, weights, scales, offsets, forces, out);
}
[[gnu::target("avx512f")]] void project_avx512(const ItemRows& rows, const float* direction, float* dots, float* sums,
                                               float* squares) {
  if (Avx512::fit(rows.dim)) return project_packed<16, 4>(rows, direction, dots, sums, squares);
  project_any(rows, direction, dots, sums, squares);
}
[[gnu::target("avx512f")]] void combine_avx512(const ItemRows& rows, const float* weights, float* out) {
  if (Avx512::fit(rows.dim)) return combine_packed<16, 4>(rows, weights, out);
  combine_any(rows, weights, out);
}
[[gnu::target("avx512f")]] void pull_back_avx512(const ItemRows& rows, const float* direction, const float* weights,
                                                 const float* scales, const float* offsets, float* forces, float* out) {
  if (Avx512::fit(rows.dim)) return pull_back_packed<16, 4>(rows, direction, weights, scales, offsets, forces, out);
  pull_back_any(rows, direction, weights, scales, offsets, forces, out);
}
#endif

}  // namespace

template <>
std::vector<ItemKernels<float>> item_kernel_variants<float>() {
  std::vector<ItemKernels<float>> variants{
      {"baseline", project_baseline<float>, combine_baseline<float>, pull_back_baseline<float>}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    variants.push_back({"avx2", project_avx2, combine_avx2, pull_back_avx2});
  }
  if (__builtin_cpu_supports("avx512f")) {
    variants.push_back({"avx512f", project_avx512, combine_avx512, pull_back_avx512});
  }
#endif
  return variants;
}

template <>
std::vector<ItemKernels<double>> item_kernel_variants<double>() {
  return {{"baseline", project_baseline<double>, combine_baseline<double>, pull_back_baseline<double>}};
}

}  // namespace iclk::transformer
