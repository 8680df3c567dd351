#pragma once

#include <cstdint>

#include "host_device.hpp"
#include "iclk/core/random.hpp"

namespace iclk::device {

struct PhiloxBlock {
  std::uint32_t words[4];
};

/// Block `block` of the stream (seed, purpose, index) of core/random.hpp: words 4 block ... 4 block + 3 (Philox4x32-10).
ICLK_HOST_DEVICE inline PhiloxBlock philox_block(std::uint64_t seed, RandomPurpose purpose, std::uint64_t index,
                                                 std::uint32_t block) {
  std::uint32_t c0 = block;
  std::uint32_t c1 = static_cast<std::uint32_t>(index);
  std::uint32_t c2 = static_cast<std::uint32_t>(index >> 32);
  std::uint32_t c3 = static_cast<std::uint32_t>(purpose);
  std::uint32_t key0 = static_cast<std::uint32_t>(seed);
  std::uint32_t key1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * c0;
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * c2;
    const std::uint32_t next0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ key0;
    const std::uint32_t next2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ key1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    c0 = next0;
    c2 = next2;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  return {{c0, c1, c2, c3}};
}

/// Whether the draw of a number below n with this word is one that Rng::below rejects; otherwise `number` is the draw.
ICLK_HOST_DEVICE inline bool rejected(std::uint32_t word, std::uint32_t n, std::uint32_t& number) {
  const std::uint64_t product = std::uint64_t{word} * n;
  number = static_cast<std::uint32_t>(product >> 32);
  const std::uint32_t low = static_cast<std::uint32_t>(product);
  return low < n && low < (0U - n) % n;
}

/// The draws of Rng from word `first_word` of a stream on, one after the other: same numbers, n below 2^32 only.
class StreamRng {
 public:
  ICLK_HOST_DEVICE StreamRng(std::uint64_t seed, RandomPurpose purpose, std::uint64_t index,
                             std::uint32_t first_word = 0)
      : seed_(seed), index_(index), purpose_(purpose), next_block_(first_word / 4) {
    if (first_word % 4 != 0) {
      current_ = philox_block(seed_, purpose_, index_, next_block_++);
      used_ = static_cast<int>(first_word % 4);
    }
  }

  /// Words of the stream up to here.
  ICLK_HOST_DEVICE std::uint32_t position() const { return 4 * next_block_ - static_cast<std::uint32_t>(4 - used_); }

  ICLK_HOST_DEVICE std::uint32_t operator()() {
    if (used_ == 4) {
      current_ = philox_block(seed_, purpose_, index_, next_block_++);
      used_ = 0;
    }
    const int i = used_++;  // chosen without an index, so that the words stay in registers
    const std::uint32_t low = i == 0 ? current_.words[0] : current_.words[1];
    const std::uint32_t high = i == 2 ? current_.words[2] : current_.words[3];
    return i < 2 ? low : high;
  }

  ICLK_HOST_DEVICE double uniform() {
    const std::uint64_t high = (*this)() >> 5;
    const std::uint64_t low = (*this)() >> 6;
    return static_cast<double>((high << 26) | low) * 0x1p-53;
  }

  ICLK_HOST_DEVICE std::uint32_t below(std::uint64_t n) {
    std::uint32_t number = 0;
    while (rejected((*this)(), static_cast<std::uint32_t>(n), number)) {
    }
    return number;
  }

 private:
  std::uint64_t seed_, index_;
  RandomPurpose purpose_;
  std::uint32_t next_block_;
  PhiloxBlock current_{};
  int used_ = 4;
};

}  // namespace iclk::device
