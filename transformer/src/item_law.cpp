#include "item_law.hpp"

#include <cmath>
#include <utility>

namespace iclk::transformer {

ItemLaw::ItemLaw(std::vector<std::uint32_t> items, double exponent) : items_(std::move(items)) {
  if (items_.empty()) return;
  if (!(exponent > 0.0)) {
    every_number_ = true;
    for (std::size_t i = 0; i < items_.size(); ++i) every_number_ = every_number_ && items_[i] == i;
    return;
  }
  const std::size_t n = items_.size();
  keep_.resize(n);
  alias_.resize(n);
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    keep_[i] = std::pow(items_[i] + 1.0, -exponent);
    sum += keep_[i];
  }
  std::vector<std::uint32_t> poor, rich;
  for (std::size_t i = 0; i < n; ++i) {
    keep_[i] *= static_cast<double>(n) / sum;  // share of a place: 1 on average
    alias_[i] = static_cast<std::uint32_t>(i);
    (keep_[i] < 1.0 ? poor : rich).push_back(static_cast<std::uint32_t>(i));
  }
  while (!poor.empty() && !rich.empty()) {
    const std::uint32_t from = rich.back();
    const std::uint32_t to = poor.back();
    poor.pop_back();
    alias_[to] = from;
    keep_[from] -= 1.0 - keep_[to];
    if (keep_[from] < 1.0) {
      rich.pop_back();
      poor.push_back(from);
    }
  }
  // Whatever is left differs from 1 by rounding only, and its alias is itself.
}

}  // namespace iclk::transformer
