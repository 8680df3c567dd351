#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace iclk {

/// What a random stream is for. Part of the stream's key: the numbers of one purpose never depend on how many were
/// drawn for another. The values are part of the file format (equal seeds must give equal runs): only append.
enum class RandomPurpose : std::uint32_t {
  items = 1,            ///< coordinates of item `index`
  labels = 2,           ///< labels of a data set
  initial_weights = 3,  ///< weights and biases of layer `index`
  batches = 4,          ///< items of SGD step `index` (with replacement) or order of epoch `index`
  bootstrap = 5,        ///< resampling, replicate `index`
  initial_attention = 6,
  test = 7,
  ensemble = 8,             ///< start state of training run `index`
  training_sequences = 9,   ///< sequences of SGD step `index` of a model with attention
  training_items = 10,      ///< fresh items of that step, where K is infinite
  icl_test_sequences = 11,  ///< sequences of in-context test `index`
  icl_test_items = 12,      ///< fresh items of that test
  iwl_test_sequences = 13,  ///< sequences of in-weights test `index`
  dot_products = 14,        ///< dot products drawn in place of items, SGD step `index`
  test_dot_products = 15,   ///< the same of in-context test `index`
  memory_sample = 16,       ///< items on which memorization is measured, where they are too many
  item_sketches = 17,       ///< normals drawn in place of items, SGD step `index`
  null_samples = 20,        ///< samples of a hypothesis that is tested, replicate `index`
  design = 21,              ///< outcomes of runs that are being planned, scenario `index`
};

/// Counter-based random stream (Philox4x32-10 from Random123), keyed by (seed, purpose, index).
///
/// Two streams with different keys are independent, and opening one costs nothing, so each use opens its own
/// (one per SGD step, per item, per bootstrap replicate). Draws therefore do not depend on threads, batching, backend
/// or on where an interrupted run was resumed. A stream holds 2^34 32-bit words.
/// Satisfies UniformRandomBitGenerator; copying a Rng copies its position.
class Rng {
 public:
  using result_type = std::uint32_t;

  Rng(std::uint64_t seed, RandomPurpose purpose, std::uint64_t index) noexcept;

  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return 0xffffffffU; }
  result_type operator()() noexcept {
    if (used_ == filled_) refill();
    return words_[used_++];
  }

  double uniform() noexcept;                         ///< [0, 1), 53 random bits
  double uniform(double low, double high) noexcept;  ///< [low, high)
  double normal() noexcept;                          ///< N(0, 1) by Box-Muller, in pairs

  /// {0, ..., n-1}, exactly uniform; n >= 1. Lemire's multiply-and-shift: the high half of word * n is uniform once the few
  /// low halves that would favour some values are rejected.
  std::uint64_t below(std::uint64_t n) noexcept {
    if (n > 0xffffffffULL) return below_large(n);
    const auto bound = static_cast<std::uint32_t>(n);
    std::uint64_t product = std::uint64_t{(*this)()} * bound;
    if (static_cast<std::uint32_t>(product) < bound) {
      const std::uint32_t threshold = (0U - bound) % bound;
      while (static_cast<std::uint32_t>(product) < threshold) product = std::uint64_t{(*this)()} * bound;
    }
    return product >> 32;
  }
  /// The same into all of `out`, in order, with many words side by side.
  void below(std::uint32_t n, std::span<std::uint32_t> out) noexcept;

 private:
  std::uint64_t below_large(std::uint64_t n) noexcept;

  /// One block of Philox at first, then many at once, which vectors make cheaper: the same words.
  void refill() noexcept;

  static constexpr std::size_t kMostWords = 64;

  std::uint64_t seed_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, kMostWords> words_{};
  std::uint32_t used_ = 0;
  std::uint32_t filled_ = 0;
  double spare_normal_ = 0.0;
  bool has_spare_normal_ = false;
};

}  // namespace iclk
