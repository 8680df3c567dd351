#include "item_kernels.hpp"

#include <cstring>

#include "float_packs.hpp"

namespace iclk::transformer {
namespace {

[[gnu::always_inline]] inline const float* row_of(const ItemRows& rows, std::size_t j) {
  return rows.table + rows.items[j] * rows.stride;
}

// --- Any width, any precision: a few partial sums side by side, which compilers turn into vector operations. ---

constexpr std::size_t kPartialSums = 8;

template <class Real>
[[gnu::always_inline]] inline Real total(const Real* partial) {
  Real sum = 0;
  for (std::size_t lane = 0; lane < kPartialSums; ++lane) sum += partial[lane];
  return sum;
}

template <class Real>
[[gnu::always_inline]] inline Real dot_any(const float* row, const Real* direction, std::size_t dim) {
  Real dot[kPartialSums] = {};
  std::size_t d = 0;
  for (; d + kPartialSums <= dim; d += kPartialSums) {
    for (std::size_t lane = 0; lane < kPartialSums; ++lane) {
      dot[lane] += static_cast<Real>(row[d + lane]) * direction[d + lane];
    }
  }
  for (; d < dim; ++d) dot[0] += static_cast<Real>(row[d]) * direction[d];
  return total(dot);
}

template <class Real>
[[gnu::always_inline]] inline void project_any(const ItemRows& rows, const Real* direction, Real* dots, Real* sums,
                                               Real* squares) {
  for (std::size_t j = 0; j < rows.n; ++j) {
    const float* row = row_of(rows, j);
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
[[gnu::always_inline]] inline void project_scaled_any(const ItemRows& rows, const Real* direction, Real* dots,
                                                      Real* scales) {
  for (std::size_t j = 0; j < rows.n; ++j) {
    const float* row = row_of(rows, j);
    dots[j] = dot_any(row, direction, rows.dim);
    scales[j] = static_cast<Real>(row[rows.stride - 1]);
  }
}

template <class Real>
[[gnu::always_inline]] inline void combine_any(const ItemRows& rows, const Real* weights, Real* out) {
  for (std::size_t d = 0; d < rows.dim; ++d) out[d] = 0;
  for (std::size_t j = 0; j < rows.n; ++j) {
    const float* row = row_of(rows, j);
    for (std::size_t d = 0; d < rows.dim; ++d) out[d] += weights[j] * static_cast<Real>(row[d]);
  }
}

template <class Real>
[[gnu::always_inline]] inline void pull_back_any(const ItemRows& rows, const Real* direction, const Real* weights,
                                                 const Real* scales, const Real* offsets, Real* forces, Real* out) {
  for (std::size_t d = 0; d < rows.dim; ++d) out[d] = 0;
  for (std::size_t j = 0; j < rows.n; ++j) {
    const float* row = row_of(rows, j);
    forces[j] = weights[j] * (scales[j] * dot_any(row, direction, rows.dim) + offsets[j]);
    const Real weight = forces[j] * scales[j];
    for (std::size_t d = 0; d < rows.dim; ++d) out[d] += weight * static_cast<Real>(row[d]);
  }
}

// --- Floats, a row in kPacks registers of kWidth. Where zeros follow the row the last one reads them too, else it ends
// with the row and overlaps the one before. ---

template <int kWidth, int kPacks, bool kScaled>
struct Registers {
  using Pack = typename Vector<kWidth>::Pack;

  /// Where pack i of a row begins.
  static std::size_t begin(int i, std::size_t dim) { return kScaled || i + 1 < kPacks ? i * kWidth : dim - kWidth; }

  /// `from` as packs, zero where the last one overlaps or where the row has ended: nothing is counted twice, nor what
  /// stands behind the zeros.
  [[gnu::always_inline]] static inline void load_once(Pack (&packs)[kPacks], const float* from, std::size_t dim) {
    constexpr std::size_t kBefore = kWidth * (kPacks - 1);
    float padded[kWidth * kPacks] = {};
    const std::size_t skipped = kScaled ? 0 : kWidth * kPacks - dim;
    std::memcpy(padded, from, kBefore * sizeof(float));
    std::memcpy(padded + kBefore + skipped, from + kBefore, (dim - kBefore) * sizeof(float));
    std::memcpy(&packs, padded, sizeof(packs));
  }

  [[gnu::always_inline]] static inline void load_row(Pack (&packs)[kPacks], const float* row, std::size_t dim) {
#pragma GCC unroll 8
    for (int i = 0; i < kPacks; ++i) std::memcpy(&packs[i], row + begin(i, dim), sizeof(Pack));
  }

  /// dot <- lanes of row . direction, to be added up.
  [[gnu::always_inline]] static inline void multiply(const Pack (&along)[kPacks], const float* row, std::size_t dim,
                                                     Pack& dot) {
    Pack x[kPacks];
    load_row(x, row, dim);
    dot = x[0] * along[0];
#pragma GCC unroll 8
    for (int i = 1; i < kPacks; ++i) dot += x[i] * along[i];
  }

  /// result <- result + coefficient row
  [[gnu::always_inline]] static inline void add(float coefficient, const float* row, std::size_t dim,
                                                Pack (&result)[kPacks]) {
    Pack x[kPacks];
    load_row(x, row, dim);
#pragma GCC unroll 8
    for (int i = 0; i < kPacks; ++i) result[i] += coefficient * x[i];
  }

  [[gnu::always_inline]] static inline void store(float* to, const Pack (&packs)[kPacks], std::size_t dim) {
    if constexpr (kScaled) {
      std::memcpy(to, &packs, dim * sizeof(float));
      return;
    }
#pragma GCC unroll 8
    for (int i = 0; i < kPacks; ++i) std::memcpy(to + begin(i, dim), &packs[i], sizeof(Pack));
  }
};

// sum_of(p[i]) to lane i, as many as a register has: halves of two registers are added into one, which takes a
// third of what one sum after the other does.
[[gnu::always_inline]] inline void sums_of(const Vector<8>::Pack (&p)[8], Vector<8>::Pack& sums) {
  Vector<8>::Pack four[4], two[2];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    four[i] = __builtin_shufflevector(p[i], p[i + 4], 0, 1, 2, 3, 8, 9, 10, 11) +
              __builtin_shufflevector(p[i], p[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    two[i] = __builtin_shufflevector(four[2 * i], four[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
             __builtin_shufflevector(four[2 * i], four[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  sums = __builtin_shufflevector(two[0], two[1], 0, 2, 8, 10, 4, 6, 12, 14) +
         __builtin_shufflevector(two[0], two[1], 1, 3, 9, 11, 5, 7, 13, 15);
}
[[gnu::always_inline]] inline void sums_of(const Vector<16>::Pack (&p)[16], Vector<16>::Pack& sums) {
  Vector<16>::Pack eight[8], four[4], two[2];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    eight[i] = __builtin_shufflevector(p[i], p[i + 8], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
               __builtin_shufflevector(p[i], p[i + 8], 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vector<16>::Pack &a = eight[i], &b = eight[i + 4];
    four[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27) +
              __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const Vector<16>::Pack &a = four[2 * i], &b = four[2 * i + 1];
    two[i] = __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
             __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
  sums = __builtin_shufflevector(two[0], two[1], 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28, 30) +
         __builtin_shufflevector(two[0], two[1], 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29, 31);
}

/// Rows lie anywhere in a table that may be larger than every cache: ask for one well before it is needed.
constexpr std::size_t kRowsAhead = 12;
[[gnu::always_inline]] inline void prefetch_row(const ItemRows& rows, std::size_t j) {
  if (j >= rows.n_listed) return;
  const float* row = row_of(rows, j);
  constexpr std::size_t kFloatsPerLine = 16;
  for (std::size_t d = 0; d < rows.dim; d += kFloatsPerLine) __builtin_prefetch(row + d);
  __builtin_prefetch(row + rows.dim - 1);
}

template <int kWidth, int kPacks>
[[gnu::always_inline]] inline void project_packed(const ItemRows& rows, const float* direction, float* dots,
                                                  float* sums, float* squares) {
  using R = Registers<kWidth, kPacks, false>;
  typename R::Pack along[kPacks], ones[kPacks], x[kPacks];
  float one[kWidth * kPacks];
  for (float& value : one) value = 1.0F;
  R::load_once(along, direction, rows.dim);
  R::load_once(ones, one, rows.dim);
  for (std::size_t j = 0; j < rows.n; ++j) {
    prefetch_row(rows, j + kRowsAhead);
    R::load_row(x, row_of(rows, j), rows.dim);
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
[[gnu::always_inline]] inline void project_scaled_packed(const ItemRows& rows, const float* direction, float* dots,
                                                         float* scales) {
  using R = Registers<kWidth, kPacks, true>;
  typename R::Pack along[kPacks], products[kWidth], sums;
  R::load_once(along, direction, rows.dim);
  std::size_t j = 0;
  for (; j + kWidth <= rows.n; j += kWidth) {
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) {
      prefetch_row(rows, j + i + kRowsAhead);
      const float* row = row_of(rows, j + i);
      R::multiply(along, row, rows.dim, products[i]);
      scales[j + i] = row[rows.stride - 1];
    }
    sums_of(products, sums);
    std::memcpy(dots + j, &sums, sizeof sums);
  }
  for (; j < rows.n; ++j) {
    prefetch_row(rows, j + kRowsAhead);
    const float* row = row_of(rows, j);
    R::multiply(along, row, rows.dim, products[0]);
    dots[j] = sum_of(products[0]);
    scales[j] = row[rows.stride - 1];
  }
}

template <int kWidth, int kPacks, bool kScaled>
[[gnu::always_inline]] inline void combine_packed(const ItemRows& rows, const float* weights, float* out) {
  using R = Registers<kWidth, kPacks, kScaled>;
  typename R::Pack result[kPacks] = {};
  // Backwards: the rows read last are still in the first-level cache, which hardly holds a whole sequence.
  for (std::size_t j = rows.n; j-- > 0;) R::add(weights[j], row_of(rows, j), rows.dim, result);
  R::store(out, result, rows.dim);
}

template <int kWidth, int kPacks, bool kScaled>
[[gnu::always_inline]] inline void pull_back_packed(const ItemRows& rows, const float* direction, const float* weights,
                                                    const float* scales, const float* offsets, float* forces,
                                                    float* out) {
  using R = Registers<kWidth, kPacks, kScaled>;
  typename R::Pack along[kPacks], products[kWidth], result[kPacks] = {};
  typename R::Pack dots, weight, scale, offset;
  float coefficients[kWidth];
  R::load_once(along, direction, rows.dim);
  std::size_t j = 0;
  for (; j + kWidth <= rows.n; j += kWidth) {
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) {
      prefetch_row(rows, j + i + kRowsAhead);
      R::multiply(along, row_of(rows, j + i), rows.dim, products[i]);
    }
    sums_of(products, dots);
    std::memcpy(&weight, weights + j, sizeof weight);
    std::memcpy(&scale, scales + j, sizeof scale);
    std::memcpy(&offset, offsets + j, sizeof offset);
    const typename R::Pack force = weight * (scale * dots + offset);
    const typename R::Pack scaled = force * scale;
    std::memcpy(forces + j, &force, sizeof force);
    std::memcpy(coefficients, &scaled, sizeof scaled);
#pragma GCC unroll 16
    for (int i = 0; i < kWidth; ++i) R::add(coefficients[i], row_of(rows, j + i), rows.dim, result);
  }
  for (; j < rows.n; ++j) {
    R::multiply(along, row_of(rows, j), rows.dim, products[0]);
    forces[j] = weights[j] * (scales[j] * sum_of(products[0]) + offsets[j]);
    R::add(forces[j] * scales[j], row_of(rows, j), rows.dim, result);
  }
  R::store(out, result, rows.dim);
}

template <class Real>
void project_baseline(const ItemRows& rows, const Real* direction, Real* dots, Real* sums, Real* squares) {
  project_any(rows, direction, dots, sums, squares);
}
template <class Real>
void project_scaled_baseline(const ItemRows& rows, const Real* direction, Real* dots, Real* scales) {
  project_scaled_any(rows, direction, dots, scales);
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
template <int kWidth, int kPacks>
bool fit(std::size_t dim) {
  return dim > kWidth * (kPacks - 1) && dim <= kWidth * kPacks;
}

// 57 to 64 and 49 to 64 coordinates: the paper's 63 are among them.
[[gnu::target("avx2,fma")]] void project_avx2(const ItemRows& rows, const float* direction, float* dots, float* sums,
                                              float* squares) {
  if (fit<8, 8>(rows.dim)) return project_packed<8, 8>(rows, direction, dots, sums, squares);
  project_any(rows, direction, dots, sums, squares);
}
[[gnu::target("avx2,fma")]] void project_scaled_avx2(const ItemRows& rows, const float* direction, float* dots,
                                                     float* scales) {
  if (fit<8, 8>(rows.dim)) return project_scaled_packed<8, 8>(rows, direction, dots, scales);
  project_scaled_any(rows, direction, dots, scales);
}
[[gnu::target("avx2,fma")]] void combine_avx2(const ItemRows& rows, const float* weights, float* out) {
  if (!fit<8, 8>(rows.dim)) return combine_any(rows, weights, out);
  if (rows.scaled) return combine_packed<8, 8, true>(rows, weights, out);
  combine_packed<8, 8, false>(rows, weights, out);
}
[[gnu::target("avx2,fma")]] void pull_back_avx2(const ItemRows& rows, const float* direction, const float* weights,
                                                const float* scales, const float* offsets, float* forces, float* out) {
  if (!fit<8, 8>(rows.dim)) return pull_back_any(rows, direction, weights, scales, offsets, forces, out);
  if (rows.scaled) return pull_back_packed<8, 8, true>(rows, direction, weights, scales, offsets, forces, out);
  pull_back_packed<8, 8, false>(rows, direction, weights, scales, offsets, forces, out);
}
[[gnu::target("avx512f")]] void project_avx512(const ItemRows& rows, const float* direction, float* dots, float* sums,
                                               float* squares) {
  if (fit<16, 4>(rows.dim)) return project_packed<16, 4>(rows, direction, dots, sums, squares);
  project_any(rows, direction, dots, sums, squares);
}
[[gnu::target("avx512f")]] void project_scaled_avx512(const ItemRows& rows, const float* direction, float* dots,
                                                      float* scales) {
  if (fit<16, 4>(rows.dim)) return project_scaled_packed<16, 4>(rows, direction, dots, scales);
  project_scaled_any(rows, direction, dots, scales);
}
[[gnu::target("avx512f")]] void combine_avx512(const ItemRows& rows, const float* weights, float* out) {
  if (!fit<16, 4>(rows.dim)) return combine_any(rows, weights, out);
  if (rows.scaled) return combine_packed<16, 4, true>(rows, weights, out);
  combine_packed<16, 4, false>(rows, weights, out);
}
[[gnu::target("avx512f")]] void pull_back_avx512(const ItemRows& rows, const float* direction, const float* weights,
                                                 const float* scales, const float* offsets, float* forces, float* out) {
  if (!fit<16, 4>(rows.dim)) return pull_back_any(rows, direction, weights, scales, offsets, forces, out);
  if (rows.scaled) return pull_back_packed<16, 4, true>(rows, direction, weights, scales, offsets, forces, out);
  pull_back_packed<16, 4, false>(rows, direction, weights, scales, offsets, forces, out);
}
#endif

}  // namespace

template <>
std::vector<ItemKernels<float>> item_kernel_variants<float>() {
  std::vector<ItemKernels<float>> variants{{"baseline", project_baseline<float>, project_scaled_baseline<float>,
                                            combine_baseline<float>, pull_back_baseline<float>}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    variants.push_back({"avx2", project_avx2, project_scaled_avx2, combine_avx2, pull_back_avx2});
  }
  if (__builtin_cpu_supports("avx512f")) {
    variants.push_back({"avx512f", project_avx512, project_scaled_avx512, combine_avx512, pull_back_avx512});
  }
#endif
  return variants;
}

template <>
std::vector<ItemKernels<double>> item_kernel_variants<double>() {
  return {{"baseline", project_baseline<double>, project_scaled_baseline<double>, combine_baseline<double>,
           pull_back_baseline<double>}};
}

}  // namespace iclk::transformer
