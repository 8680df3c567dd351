#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "iclk/core/random.hpp"

namespace iclk::transformer {

/// Draws one of some items with frequencies proportional to (number + 1)^-exponent, in constant time.
class ItemLaw {
 public:
  ItemLaw(std::vector<std::uint32_t> items, double exponent);

  std::size_t size() const noexcept { return items_.size(); }

  std::uint32_t draw(Rng& rng) const noexcept {
    const std::uint64_t i = rng.below(items_.size());
    if (every_number_) return static_cast<std::uint32_t>(i);  // nothing to look up
    if (alias_.empty()) return items_[i];
    return items_[rng.uniform() < keep_[i] ? i : alias_[i]];
  }
  /// The same into all of `out`, in order.
  void draw(Rng& rng, std::span<std::uint32_t> out) const noexcept {
    if (!alias_.empty()) {
      for (std::uint32_t& item : out) item = draw(rng);
      return;
    }
    rng.below(static_cast<std::uint32_t>(items_.size()), out);
    if (every_number_) return;
    for (std::uint32_t& item : out) item = items_[item];
  }

 private:
  std::vector<std::uint32_t> items_;
  bool every_number_ = false;  // items_[i] is i, and frequencies are equal
  // Walker's table, empty for equal frequencies: place i keeps its own item with probability keep_[i], else passes on to
  // alias_[i].
  std::vector<double> keep_;
  std::vector<std::uint32_t> alias_;
};

}  // namespace iclk::transformer
