#pragma once

// The kernel behind fill_normals for one instruction set. Each of normal_fill_*.cpp compiles it with the flags of its own
// set, all without contraction of a*b + c into one rounding: then every operation is exactly rounded, and the bits are the
// same everywhere. Nothing of the standard library comes in here, where it would be compiled with these flags too.

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "normal_stream.hpp"

namespace iclk {
namespace {

#if defined(__AVX512F__)
constexpr int kBlocks = 8;  // blocks of Philox side by side, one in each 64-bit lane
#elif defined(__AVX2__)
constexpr int kBlocks = 4;
#else
constexpr int kBlocks = 2;
#endif
typedef std::uint64_t Words __attribute__((vector_size(8 * kBlocks)));  // a 32-bit word in the low half of each lane
typedef std::uint32_t Bits __attribute__((vector_size(8 * kBlocks)));
typedef std::int32_t Ints __attribute__((vector_size(8 * kBlocks)));
typedef float Floats __attribute__((vector_size(8 * kBlocks)));

/// 64-bit products of the low halves; the high halves do not matter.
inline Words multiply(Words a, Words b) {
#if defined(__AVX512F__)
  return reinterpret_cast<Words>(_mm512_mul_epu32(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<Words>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__x86_64__)
  return reinterpret_cast<Words>(_mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (a & 0xffffffff) * (b & 0xffffffff);
#endif
}

inline Floats square_root(Floats x) {
#if defined(__AVX512F__)
  return reinterpret_cast<Floats>(_mm512_sqrt_ps(reinterpret_cast<__m512>(x)));
#elif defined(__AVX2__)
  return reinterpret_cast<Floats>(_mm256_sqrt_ps(reinterpret_cast<__m256>(x)));
#elif defined(__x86_64__)
  return reinterpret_cast<Floats>(_mm_sqrt_ps(reinterpret_cast<__m128>(x)));
#else
  for (int i = 0; i < 2 * kBlocks; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

inline Words all_lanes(std::uint64_t x) { return Words{} + x; }
inline Bits all_bits(std::uint32_t x) { return Bits{} + x; }
inline Floats to_floats(Bits x) { return __builtin_convertvector(reinterpret_cast<Ints>(x), Floats); }

/// The keys of Philox's ten rounds, in every lane.
struct RoundKeys {
  Words first[10], second[10];

  explicit RoundKeys(const NormalStream& stream) {
    std::uint32_t key0 = stream.key[0];
    std::uint32_t key1 = stream.key[1];
    for (int round = 0; round < 10; ++round) {
      first[round] = all_lanes(key0);
      second[round] = all_lanes(key1);
      key0 += 0x9E3779B9;
      key1 += 0xBB67AE85;
    }
  }
};

// Groups of blocks that go through the rounds together, since a round waits for its products: with AVX2 1.23 ns a number
// for four, 1.49 for two, 2.00 for one.
constexpr int kGroups = kBlocks == 8 ? 2 : 4;

/// Philox4x32-10. The high halves of the lanes fill up with what the next product ignores.
inline void philox(Words (&c)[4][kGroups], const RoundKeys& keys) {
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      const Words p0 = multiply(c[0][g], all_lanes(0xD2511F53));
      const Words p1 = multiply(c[2][g], all_lanes(0xCD9E8D57));
      c[0][g] = (p1 >> 32) ^ c[1][g] ^ keys.first[round];
      c[1][g] = p1;
      c[2][g] = (p0 >> 32) ^ c[3][g] ^ keys.second[round];
      c[3][g] = p0;
    }
  }
}

/// Counters of kGroups x kBlocks blocks from `first_block` on.
inline void count(Words (&c)[4][kGroups], std::uint64_t first_block, const NormalStream& stream) {
  Words lane{};
  for (int i = 0; i < kBlocks; ++i) lane[i] = static_cast<std::uint64_t>(i);
  for (int g = 0; g < kGroups; ++g) {
    c[0][g] = lane + (first_block + static_cast<std::uint64_t>(g * kBlocks));
    c[1][g] = all_lanes(stream.counter[0]);
    c[2][g] = all_lanes(stream.counter[1]);
    c[3][g] = all_lanes(stream.counter[2]);
  }
}

/// -ln u, u = (word + 1/2) 2^-32, to 1e-7.
inline Floats exponential(Bits word) {
  // The sum is rounded once: u has 24 significant bits however small it is.
  const Floats scaled = to_floats(word >> 16) * 65536.0F + (to_floats(word & 0xffff) + 0.5F);
  const Bits bits = reinterpret_cast<Bits>(scaled);
  // scaled = 2^e m, m in [sqrt(1/2), sqrt 2), f = m - 1:  ln m = f - f^2/2 + f^3 P(f), P fitted to 6e-8.
  const Ints exponent = reinterpret_cast<Ints>(bits - 0x3f3504f3U) >> 23;
  const Floats f = reinterpret_cast<Floats>(bits - (reinterpret_cast<Bits>(exponent) << 23)) - 1.0F;
  Floats series = f * 0.0927221403F - 0.141184255F;
  series = series * f + 0.146763965F;
  series = series * f - 0.165928558F;
  series = series * f + 0.199851274F;
  series = series * f - 0.250009209F;
  series = series * f + 0.333334088F;
  const Floats e = __builtin_convertvector(32 - exponent, Floats);
  return e * 0.693147182F - (f + f * f * (f * series - 0.5F));
}

/// Normals of one group of blocks: `first` the cosines, `second` the sines.
inline void box_muller(Bits radius_word, Bits angle_word, float sd, float* first, float* second) {
  // sqrt(-2 ln u) times cos and sin of an angle. The angle is pi/4 + y up to a quadrant, |y| < pi/4, and
  // cos(pi/4 + y) = (cos y - sin y)/sqrt 2, sin(pi/4 + y) = (cos y + sin y)/sqrt 2; two bits give the signs.
  const Floats radius = square_root(exponential(radius_word)) * sd;
  const Ints quarter = reinterpret_cast<Ints>(angle_word << 2) >> 8;  // 24 bits
  constexpr float kStep = 0.785398163F / 8388608.0F;
  const Floats y = (__builtin_convertvector(quarter, Floats) + 0.5F) * kStep;
  const Floats z = y * y;
  const Floats sine = y + y * z * ((z * -0.0001958754F + 0.00833274517F) * z - 0.166666642F);
  const Floats cosine = 1.0F - 0.5F * z + z * z * ((z * 2.45475785e-05F - 0.00138883002F) * z + 0.0416666642F);
  const Bits cosines = reinterpret_cast<Bits>(radius * (cosine - sine)) ^ (angle_word & 0x80000000U);
  const Bits sines = reinterpret_cast<Bits>(radius * (cosine + sine)) ^ ((angle_word << 1) & 0x80000000U);
  __builtin_memcpy(first, &cosines, sizeof cosines);
  __builtin_memcpy(second, &sines, sizeof sines);
}

inline void fill_chunks(float* out, std::uint64_t first_block, std::uint64_t n_chunks, float sd,
                        const NormalStream& stream) {
  const RoundKeys keys(stream);
  for (std::uint64_t chunk = 0; chunk < n_chunks; ++chunk, out += kNormalsPerChunk, first_block += kBlocksPerChunk) {
    for (int block = 0; block < kBlocksPerChunk; block += kGroups * kBlocks) {
      Words c[4][kGroups];
      count(c, first_block + static_cast<std::uint64_t>(block), stream);
      philox(c, keys);
      for (int g = 0; g < kGroups; ++g) {
        const Bits radius_word = reinterpret_cast<Bits>((c[0][g] & 0xffffffff) | (c[2][g] << 32));
        const Bits angle_word = reinterpret_cast<Bits>((c[1][g] & 0xffffffff) | (c[3][g] << 32));
        float* first = out + 2 * (block + g * kBlocks);
        box_muller(radius_word, angle_word, sd, first, first + kNormalsPerChunk / 2);
      }
    }
  }
}

/// Lanes of a and b in turn: of their lower and of their upper halves.
inline Words lower_halves(Words a, Words b) {
#if defined(__AVX512F__)
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
#elif defined(__AVX2__)
  return __builtin_shufflevector(a, b, 0, 4, 1, 5);
#else
  return __builtin_shufflevector(a, b, 0, 2);
#endif
}
inline Words upper_halves(Words a, Words b) {
#if defined(__AVX512F__)
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#elif defined(__AVX2__)
  return __builtin_shufflevector(a, b, 2, 6, 3, 7);
#else
  return __builtin_shufflevector(a, b, 1, 3);
#endif
}

inline void words_of_chunk(std::uint32_t* out, std::uint64_t first_block, const NormalStream& stream) {
  const RoundKeys keys(stream);
  for (int block = 0; block < kBlocksPerChunk; block += kGroups * kBlocks) {
    Words c[4][kGroups];
    count(c, first_block + static_cast<std::uint64_t>(block), stream);
    philox(c, keys);
    for (int g = 0; g < kGroups; ++g) {
      const Words first = (c[0][g] & 0xffffffff) | (c[1][g] << 32);
      const Words second = (c[2][g] & 0xffffffff) | (c[3][g] << 32);
      const Words low = lower_halves(first, second), high = upper_halves(first, second);
      __builtin_memcpy(out, &low, sizeof low);
      __builtin_memcpy(out + 2 * kBlocks, &high, sizeof high);
      out += 4 * kBlocks;
    }
  }
}

}  // namespace
}  // namespace iclk
