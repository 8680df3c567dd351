#pragma once

#include <cstdint>
#include <cstring>

namespace iclk::transformer {

/// kWidth floats in a register. Functions take them by reference: who is compiled for which instruction set is decided by
/// the function that these are inlined into.
template <int kWidth>
struct Vector {
  typedef float Pack __attribute__((vector_size(4 * kWidth)));
  typedef std::int32_t IntPack __attribute__((vector_size(4 * kWidth)));
};

// Halves are added until four are left.
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

[[gnu::always_inline]] inline float largest_of(const Vector<4>::Pack& p) {
  const float a = p[0] > p[2] ? p[0] : p[2], b = p[1] > p[3] ? p[1] : p[3];
  return a > b ? a : b;
}
[[gnu::always_inline]] inline float largest_of(const Vector<8>::Pack& p) {
  const Vector<4>::Pack a = __builtin_shufflevector(p, p, 0, 1, 2, 3), b = __builtin_shufflevector(p, p, 4, 5, 6, 7);
  const Vector<4>::Pack half = a > b ? a : b;
  return largest_of(half);
}
[[gnu::always_inline]] inline float largest_of(const Vector<16>::Pack& p) {
  const Vector<8>::Pack a = __builtin_shufflevector(p, p, 0, 1, 2, 3, 4, 5, 6, 7),
                        b = __builtin_shufflevector(p, p, 8, 9, 10, 11, 12, 13, 14, 15);
  const Vector<8>::Pack half = a > b ? a : b;
  return largest_of(half);
}

// Small integers as floats, widened step by step: in one step compilers take them apart.
[[gnu::always_inline]] inline void load_bytes(Vector<8>::Pack& to, const std::int8_t* from) {
  typedef std::int8_t Bytes __attribute__((vector_size(8)));
  typedef std::int16_t Shorts __attribute__((vector_size(16)));
  Bytes bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  to = __builtin_convertvector(__builtin_convertvector(__builtin_convertvector(bytes, Shorts), Vector<8>::IntPack),
                               Vector<8>::Pack);
}
[[gnu::always_inline]] inline void load_bytes(Vector<16>::Pack& to, const std::int8_t* from) {
  typedef std::int8_t Bytes __attribute__((vector_size(16)));
  typedef std::int16_t Shorts __attribute__((vector_size(32)));
  Bytes bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  to = __builtin_convertvector(__builtin_convertvector(__builtin_convertvector(bytes, Shorts), Vector<16>::IntPack),
                               Vector<16>::Pack);
}

}  // namespace iclk::transformer
