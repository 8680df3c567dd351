#pragma once

// The attention head in single precision for one instruction set. Each of head_kernel_*.cpp, and attention_head.cpp for what
// every machine has, compiles this with the flags of its own set, all without contraction of a*b + c into one rounding and
// with sums in the same order: the bits are the same everywhere. Nothing of the standard library comes in here, where it
// would be compiled with these flags too.

#include "head_kernel.hpp"

namespace iclk::transformer {
namespace {

constexpr int kHeadLanes = 16;  // partial sums of every sum
#if defined(__AVX512F__)
constexpr int kHeadWidth = 16;  // floats in a register
#elif defined(__AVX2__)
constexpr int kHeadWidth = 8;
#else
constexpr int kHeadWidth = 4;
#endif
constexpr int kPacks = kHeadLanes / kHeadWidth;
typedef float Pack __attribute__((vector_size(4 * kHeadWidth)));
typedef std::int32_t IntPack __attribute__((vector_size(4 * kHeadWidth)));

inline void load(Pack& to, const float* from) { __builtin_memcpy(&to, from, sizeof to); }

/// Halves are added until one number is left: lane i with lane i + 8, then with i + 4, i + 2, i + 1.
inline float sum_of(const Pack* lanes) {
  float values[kHeadLanes];
  __builtin_memcpy(values, lanes, sizeof values);
  typedef float Four __attribute__((vector_size(16)));
  Four a, b, c, d;
  __builtin_memcpy(&a, values, sizeof a);
  __builtin_memcpy(&b, values + 4, sizeof b);
  __builtin_memcpy(&c, values + 8, sizeof c);
  __builtin_memcpy(&d, values + 12, sizeof d);
  const Four sum = (a + c) + (b + d);
  return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

inline void dots_of(const HeadRows& rows, float* dots) {
  constexpr std::size_t kAhead = 8;  // rows that are on their way from memory, into the next sequence
  const std::size_t dim = rows.dim;
  const std::size_t whole = dim / kHeadLanes * kHeadLanes;
  // The last dim % 16 coordinates: the last 16 of the row against a target with zeros where they were counted.
  float tail[kHeadLanes] = {};
  for (std::size_t d = whole; d < dim; ++d) tail[kHeadLanes - (dim - d)] = rows.target[d];
  for (std::size_t j = 0; j < rows.n; ++j) {
    if (j + kAhead < rows.n_listed) {
      const float* ahead = rows.table + rows.items[j + kAhead] * rows.stride;
      for (std::size_t d = 0; d < dim; d += 16) __builtin_prefetch(ahead + d);
      __builtin_prefetch(ahead + dim - 1);
    }
    const float* row = rows.table + rows.items[j] * rows.stride;
    if (dim < kHeadLanes) {
      float sum = 0.0F;
      for (std::size_t d = 0; d < dim; ++d) sum += row[d] * rows.target[d];
      dots[j] = sum;
      continue;
    }
    Pack lanes[kPacks] = {};
    Pack x, y;
    for (std::size_t d = 0; d < whole; d += kHeadLanes) {
      for (int p = 0; p < kPacks; ++p) {
        load(x, row + d + p * kHeadWidth);
        load(y, rows.target + d + p * kHeadWidth);
        lanes[p] += x * y;
      }
    }
    if (whole < dim) {
      for (int p = 0; p < kPacks; ++p) {
        load(x, row + dim - kHeadLanes + p * kHeadWidth);
        load(y, tail + p * kHeadWidth);
        lanes[p] += x * y;
      }
    }
    dots[j] = sum_of(lanes);
  }
}

/// exp(x) for x <= 0 to 1e-7 relative; exp(-87), the end of single precision, for all below.
inline Pack exponential(Pack x) {
  x = x < -87.0F ? Pack{} - 87.0F : x;
  // x = k ln 2 + r, |r| <= ln(2)/2; the large number rounds to an integer. ln 2 in two parts, the first with few bits.
  constexpr float kRounder = 12582912.0F;  // 1.5 2^23
  const Pack shifted = x * 1.44269504F + kRounder;
  const Pack k = shifted - kRounder;
  const Pack r = (x - k * 0.693359375F) + k * 2.12194440e-4F;
  // exp(r) = 1 + r + r^2 P(r), P fitted to 7e-8.
  Pack series = r * 0.00139336439F + 0.00836317521F;
  series = series * r + 0.0416664667F;
  series = series * r + 0.166665763F;
  series = series * r + 0.5F;
  const Pack mantissa = 1.0F + (r + r * r * series);
  // The integer sits in the low bits of `shifted`: 2^k by its exponent.
  const IntPack power = (reinterpret_cast<IntPack>(shifted) + 127) << 23;
  return mantissa * reinterpret_cast<Pack>(power);
}

inline HeadSums sums_of(float beta, float top, const float* dots, const std::int8_t* labels, std::size_t n) {
  Pack total[kPacks] = {}, label[kPacks] = {}, dot[kPacks] = {}, both[kPacks] = {};
  for (std::size_t j = 0; j < n; j += kHeadLanes) {
    float s[kHeadLanes], sign[kHeadLanes];
    float used[kHeadLanes];
    const std::size_t count = n - j < kHeadLanes ? n - j : std::size_t{kHeadLanes};
    const bool full = count == kHeadLanes;
    if (full) {
      __builtin_memcpy(s, dots + j, sizeof s);
      for (int i = 0; i < kHeadLanes; ++i) sign[i] = static_cast<float>(labels[j + static_cast<std::size_t>(i)]);
    } else {
      for (std::size_t i = 0; i < kHeadLanes; ++i) {
        s[i] = i < count ? dots[j + i] : top;
        sign[i] = i < count ? static_cast<float>(labels[j + i]) : 0.0F;
        used[i] = i < count ? 1.0F : 0.0F;
      }
    }
    for (int p = 0; p < kPacks; ++p) {
      Pack values, signs;
      load(values, s + p * kHeadWidth);
      load(signs, sign + p * kHeadWidth);
      values -= top;
      Pack weight = exponential(values * beta);
      if (!full) {
        Pack mask;
        load(mask, used + p * kHeadWidth);
        weight *= mask;
      }
      const Pack signed_weight = weight * signs;
      total[p] += weight;
      label[p] += signed_weight;
      dot[p] += weight * values;
      both[p] += signed_weight * values;
    }
  }
  return {sum_of(total), sum_of(label), sum_of(dot), sum_of(both)};
}

}  // namespace
}  // namespace iclk::transformer
