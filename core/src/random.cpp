#include "iclk/core/random.hpp"

#include <Random123/philox.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "normal_fill.hpp"

namespace iclk {

Rng::Rng(std::uint64_t seed, RandomPurpose purpose, std::uint64_t index) noexcept
    : seed_(seed),
      counter_{0, static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
               static_cast<std::uint32_t>(purpose)} {}

void Rng::refill() noexcept {
  if (filled_ == 0) {
    const r123::Philox4x32 philox;
    const r123::Philox4x32::ctr_type counter{{counter_[0], counter_[1], counter_[2], counter_[3]}};
    const r123::Philox4x32::key_type key{{static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)}};
    const auto block = philox(counter, key);
    for (int i = 0; i < 4; ++i) words_[i] = block[i];
    counter_[0] += 1;
    filled_ = 4;
  } else {
    static_assert(kMostWords == 4 * kBlocksPerChunk);
    fill_words(words_.data(), counter_[0],
               {.key = {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)},
                .counter = {counter_[1], counter_[2], counter_[3]}});
    counter_[0] += kBlocksPerChunk;
    filled_ = kMostWords;
  }
  used_ = 0;
}

double Rng::uniform() noexcept {
  const std::uint64_t high = (*this)() >> 5;  // 27 bits
  const std::uint64_t low = (*this)() >> 6;   // 26 bits
  return static_cast<double>((high << 26) | low) * 0x1p-53;
}

double Rng::uniform(double low, double high) noexcept { return low + (high - low) * uniform(); }

double Rng::normal() noexcept {
  if (has_spare_normal_) {
    has_spare_normal_ = false;
    return spare_normal_;
  }
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));  // 1 - u is in (0, 1]
  const double angle = 2.0 * std::numbers::pi * uniform();
  spare_normal_ = radius * std::sin(angle);
  has_spare_normal_ = true;
  return radius * std::cos(angle);
}

void Rng::below(std::uint32_t n, std::span<std::uint32_t> out) noexcept {
  while (!out.empty()) {
    if (used_ == filled_) refill();
    const std::size_t known = std::min<std::size_t>(filled_ - used_, out.size());
    const std::uint32_t* __restrict words = words_.data() + used_;
    std::uint32_t* __restrict to = out.data();
    std::uint32_t doubtful = 0;
    for (std::size_t i = 0; i < known; ++i) {
      to[i] = static_cast<std::uint32_t>((std::uint64_t{words[i]} * n) >> 32);
      doubtful |= words[i] * n < n ? 1U : 0U;
    }
    if (doubtful != 0) {  // a word may be rejected
      for (std::size_t i = 0; i < known; ++i) out[i] = static_cast<std::uint32_t>(below(n));
    } else {
      used_ += static_cast<std::uint32_t>(known);
    }
    out = out.subspan(known);
  }
}

std::uint64_t Rng::below_large(std::uint64_t n) noexcept {
  const std::uint64_t threshold = (0ULL - n) % n;
  for (;;) {
    const std::uint64_t word = (std::uint64_t{(*this)()} << 32) | (*this)();
    if (word >= threshold) return word % n;
  }
}

}  // namespace iclk
