#include "narrow_product.hpp"

#include <cstring>
#include <type_traits>

#include "float_packs.hpp"

namespace iclk::transformer {

using mlp_stats::BackendKind;
using mlp_stats::Op;

namespace {

#if defined(__x86_64__)

constexpr int kLinesAtOnce = 3;  // for each of 20 multiplications in vectors: more would have to wait
constexpr int kFloatsPerLine = 16;

/// kRows rows and kPacks registers of columns of the result, in registers until the sums are complete.
template <int kWidth, int kPacks, int kRows>
[[gnu::always_inline]] inline void multiply_tile(std::size_t n, std::size_t k, const float* a, LeftStrides strides,
                                                 const float* b, bool add, float* c, MemoryAhead& ahead) {
  using Pack = typename Vector<kWidth>::Pack;
  Pack sums[kRows][kPacks] = {}, x[kPacks];
  MemoryAhead memory = ahead;
  for (std::size_t p = 0; p < k; ++p, a += strides.of_inner, b += n) {
    if (memory.next < memory.end) {
#pragma GCC unroll 4
      for (int i = 0; i < kLinesAtOnce; ++i) __builtin_prefetch(memory.next + i * kFloatsPerLine);
      memory.next += kLinesAtOnce * kFloatsPerLine;
    }
#pragma GCC unroll 4
    for (int i = 0; i < kPacks; ++i) std::memcpy(&x[i], b + i * kWidth, sizeof(Pack));
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
      const float factor = a[static_cast<std::size_t>(row) * strides.of_row];
#pragma GCC unroll 4
      for (int i = 0; i < kPacks; ++i) sums[row][i] += factor * x[i];
    }
  }
  ahead = memory;
#pragma GCC unroll 8
  for (int row = 0; row < kRows; ++row, c += n) {
#pragma GCC unroll 4
    for (int i = 0; i < kPacks; ++i) {
      if (add) {
        std::memcpy(&x[i], c + i * kWidth, sizeof(Pack));
        sums[row][i] += x[i];
      }
      std::memcpy(c + i * kWidth, &sums[row][i], sizeof(Pack));
    }
  }
}

/// All rows of kPacks registers of columns.
template <int kWidth, int kPacks, int kRows>
[[gnu::always_inline]] inline void multiply_panel(std::size_t m, std::size_t n, std::size_t k, const float* a,
                                                  LeftStrides strides, const float* b, bool add, float* c,
                                                  MemoryAhead& ahead) {
  std::size_t row = 0;
  for (; row + kRows <= m; row += kRows) {
    multiply_tile<kWidth, kPacks, kRows>(n, k, a + row * strides.of_row, strides, b, add, c + row * n, ahead);
  }
  for (; row < m; ++row) {
    multiply_tile<kWidth, kPacks, 1>(n, k, a + row * strides.of_row, strides, b, add, c + row * n, ahead);
  }
}

/// What is left over of the registers' width, column by column: dot products of the rows of op(A) where they stand in one
/// piece, else kPacks registers of rows at a time.
template <int kWidth, int kPacks>
[[gnu::always_inline]] inline void multiply_column(std::size_t m, std::size_t n, std::size_t k, const float* a,
                                                   LeftStrides strides, const float* b, bool add, float* c) {
  using Pack = typename Vector<kWidth>::Pack;
  constexpr std::size_t kTogether = kWidth * kPacks;
  float part[kTogether];
  if (!add) {
    for (std::size_t row = 0; row < m; ++row) c[row * n] = 0.0F;
  }
  if (strides.of_inner == 1) {
    Pack column[kPacks], x, sum;
    std::size_t p = 0;
    for (; p + kTogether <= k; p += kTogether) {
      for (std::size_t i = 0; i < kTogether; ++i) part[i] = b[(p + i) * n];
      std::memcpy(&column, part, sizeof column);
      for (std::size_t row = 0; row < m; ++row) {
        const float* left = a + row * strides.of_row + p;
        sum = Pack{};
#pragma GCC unroll 4
        for (int i = 0; i < kPacks; ++i) {
          std::memcpy(&x, left + i * kWidth, sizeof x);
          sum += column[i] * x;
        }
        c[row * n] += sum_of(sum);
      }
    }
    for (; p < k; ++p) {
      for (std::size_t row = 0; row < m; ++row) c[row * n] += a[row * strides.of_row + p] * b[p * n];
    }
    return;
  }
  std::size_t row = 0;
  for (; row + kTogether <= m; row += kTogether) {
    Pack sums[kPacks] = {}, x;
    for (std::size_t p = 0; p < k; ++p) {
#pragma GCC unroll 4
      for (int i = 0; i < kPacks; ++i) {
        std::memcpy(&x, a + row + i * kWidth + p * strides.of_inner, sizeof x);
        sums[i] += b[p * n] * x;
      }
    }
    std::memcpy(part, &sums, sizeof sums);
    for (std::size_t i = 0; i < kTogether; ++i) c[(row + i) * n] += part[i];
  }
  for (; row < m; ++row) {
    for (std::size_t p = 0; p < k; ++p) c[row * n] += a[row + p * strides.of_inner] * b[p * n];
  }
}

template <int kWidth, int kPacks, int kRows>
[[gnu::always_inline]] inline void multiply_any(std::size_t m, std::size_t n, std::size_t k, const float* a,
                                                LeftStrides strides, const float* b, bool add, float* c,
                                                MemoryAhead& ahead) {
  std::size_t column = 0;
  for (; column + kWidth * kPacks <= n; column += kWidth * kPacks) {
    multiply_panel<kWidth, kPacks, kRows>(m, n, k, a, strides, b + column, add, c + column, ahead);
  }
  for (; column + kWidth <= n; column += kWidth) {
    multiply_panel<kWidth, 1, kRows>(m, n, k, a, strides, b + column, add, c + column, ahead);
  }
  for (; column < n; ++column) multiply_column<kWidth, kPacks>(m, n, k, a, strides, b + column, add, c + column);
}

// As many sums as leave registers for a row of B: 20 of 32, and 10 of 16.
[[gnu::target("avx2,fma")]] void multiply_avx2(std::size_t m, std::size_t n, std::size_t k, const float* a,
                                               LeftStrides strides, const float* b, bool add, float* c,
                                               MemoryAhead& ahead) {
  multiply_any<8, 2, 5>(m, n, k, a, strides, b, add, c, ahead);
}
[[gnu::target("avx512f")]] void multiply_avx512(std::size_t m, std::size_t n, std::size_t k, const float* a,
                                                LeftStrides strides, const float* b, bool add, float* c,
                                                MemoryAhead& ahead) {
  multiply_any<16, 4, 5>(m, n, k, a, strides, b, add, c, ahead);
}
#endif

}  // namespace

std::vector<NarrowKernel> narrow_kernels() {
  std::vector<NarrowKernel> kernels;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) kernels.push_back({"avx2", multiply_avx2});
  if (__builtin_cpu_supports("avx512f")) kernels.push_back({"avx512f", multiply_avx512});
#endif
  return kernels;
}

template <class Real>
NarrowProduct<Real>::NarrowProduct(BackendKind backend) : backend_(backend) {
  const auto kernels = narrow_kernels();
  if (backend == BackendKind::onednn && !kernels.empty()) kernel_ = kernels.back();
}

template <class Real>
void NarrowProduct<Real>::operator()(Op op_a, std::size_t m, std::size_t n, std::size_t k, const Real* a, const Real* b,
                                     bool add, Real* c, [[maybe_unused]] MemoryAhead& ahead) const {
  if constexpr (std::is_same_v<Real, float>) {
    if (kernel_.multiply != nullptr) {
      const LeftStrides strides = op_a == Op::plain ? LeftStrides{k, 1} : LeftStrides{1, m};
      return kernel_.multiply(m, n, k, a, strides, b, add, c, ahead);
    }
  }
  product(backend_, op_a, Op::plain, m, n, k, Real(1), a, b, add ? Real(1) : Real(0), c);
}

template class NarrowProduct<float>;
template class NarrowProduct<double>;

}  // namespace iclk::transformer
