#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "device_random.hpp"

namespace iclk::device {

// One normal number of core/src/normal_fill_kernel.hpp at a time: the same operations, so the same bits, as long as no
// a*b + c is contracted into one rounding.

/// -ln u, u = (word + 1/2) 2^-32
ICLK_HOST_DEVICE inline float exponential_number(std::uint32_t word) {
  const float scaled = static_cast<float>(word >> 16) * 65536.0F + (static_cast<float>(word & 0xffffU) + 0.5F);
  const auto bits = std::bit_cast<std::uint32_t>(scaled);
  const std::int32_t exponent = static_cast<std::int32_t>(bits - 0x3f3504f3U) >> 23;
  const float f = std::bit_cast<float>(bits - (static_cast<std::uint32_t>(exponent) << 23)) - 1.0F;
  float series = f * 0.0927221403F - 0.141184255F;
  series = series * f + 0.146763965F;
  series = series * f - 0.165928558F;
  series = series * f + 0.199851274F;
  series = series * f - 0.250009209F;
  series = series * f + 0.333334088F;
  const float e = static_cast<float>(32 - exponent);
  return e * 0.693147182F - (f + f * f * (f * series - 0.5F));
}

struct NormalPair {
  float cosine, sine;
};

ICLK_HOST_DEVICE inline NormalPair normal_pair(std::uint32_t radius_word, std::uint32_t angle_word, float sd) {
  const float radius = sqrtf(exponential_number(radius_word)) * sd;
  const std::int32_t quarter = static_cast<std::int32_t>(angle_word << 2) >> 8;
  constexpr float kStep = 0.785398163F / 8388608.0F;
  const float y = (static_cast<float>(quarter) + 0.5F) * kStep;
  const float z = y * y;
  const float sine = y + y * z * ((z * -0.0001958754F + 0.00833274517F) * z - 0.166666642F);
  const float cosine = 1.0F - 0.5F * z + z * z * ((z * 2.45475785e-05F - 0.00138883002F) * z + 0.0416666642F);
  return {
      std::bit_cast<float>(std::bit_cast<std::uint32_t>(radius * (cosine - sine)) ^ (angle_word & 0x80000000U)),
      std::bit_cast<float>(std::bit_cast<std::uint32_t>(radius * (cosine + sine)) ^ ((angle_word << 1) & 0x80000000U))};
}

/// The four numbers that block `block` of a stream gives to fill_normals, and their places in what it fills.
struct NormalBlock {
  float values[4];
  std::size_t places[4];
};
ICLK_HOST_DEVICE inline NormalBlock normal_block(std::uint64_t seed, RandomPurpose purpose, std::uint64_t index,
                                                 std::uint32_t block, float sd) {
  constexpr std::uint32_t kBlocksPerChunk = 16, kNormalsPerChunk = 64;
  const PhiloxBlock drawn = philox_block(seed, purpose, index, block);
  const NormalPair a = normal_pair(drawn.words[0], drawn.words[1], sd);
  const NormalPair b = normal_pair(drawn.words[2], drawn.words[3], sd);
  const std::size_t first = std::size_t{block / kBlocksPerChunk} * kNormalsPerChunk + 2 * (block % kBlocksPerChunk);
  return {{a.cosine, b.cosine, a.sine, b.sine},
          {first, first + 1, first + kNormalsPerChunk / 2, first + kNormalsPerChunk / 2 + 1}};
}

}  // namespace iclk::device
