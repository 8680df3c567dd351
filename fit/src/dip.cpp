#include "dip.hpp"

#include <algorithm>
#include <cmath>

namespace iclk::fit {

void DipCalculator::link() {
  const std::size_t m = levels_.size();
  minorant_.assign(m, 0);
  for (std::size_t j = 1; j < m; ++j) {
    std::size_t i = j - 1;
    // Drop i while it does not lie below the line from its own predecessor to j.
    while (i > 0) {
      const Level &a = levels_[minorant_[i]], &b = levels_[i], &c = levels_[j];
      if ((b.below - a.below) * (c.x - b.x) < (c.below - b.below) * (b.x - a.x)) break;
      i = minorant_[i];
    }
    minorant_[j] = i;
  }
  majorant_.assign(m, m - 1);
  for (std::size_t j = m - 1; j-- > 0;) {
    std::size_t i = j + 1;
    while (i < m - 1) {
      const Level &a = levels_[j], &b = levels_[i], &c = levels_[majorant_[i]];
      if ((b.upto - a.upto) * (c.x - b.x) > (c.upto - b.upto) * (b.x - a.x)) break;
      i = majorant_[i];
    }
    majorant_[j] = i;
  }
}

DipCalculator::Round DipCalculator::furthest_apart(std::size_t low, std::size_t high) {
  lower_.assign(1, high);
  while (lower_.back() > low) lower_.push_back(minorant_[lower_.back()]);
  std::reverse(lower_.begin(), lower_.end());
  upper_.assign(1, low);
  while (upper_.back() < high) upper_.push_back(majorant_[upper_.back()]);

  const auto on_line = [&](std::size_t a, std::size_t b, double Level::*count, double x) {
    const double slope = (levels_[b].*count - levels_[a].*count) / (levels_[b].x - levels_[a].x);
    return levels_[a].*count + slope * (x - levels_[a].x);
  };
  Round round{.distance = 0, .low = low, .high = high};
  // Both are piecewise linear, so the largest distance lies at a vertex of one of them.
  std::size_t u = 0;
  for (const std::size_t g : lower_) {  // majorant at the minorant's vertices: up to the next vertex of the majorant
    while (upper_[u] < g) ++u;
    const double above =
        upper_[u] == g ? levels_[g].upto : on_line(upper_[u - 1], upper_[u], &Level::upto, levels_[g].x);
    const double distance = above - levels_[g].below;
    if (distance > round.distance) round = {distance, g, upper_[u]};
  }
  std::size_t v = 0;
  for (const std::size_t l : upper_) {
    while (v + 1 < lower_.size() && lower_[v + 1] <= l) ++v;
    const double under =
        lower_[v] == l ? levels_[l].below : on_line(lower_[v], lower_[v + 1], &Level::below, levels_[l].x);
    const double distance = levels_[l].upto - under;
    if (distance > round.distance) round = {distance, lower_[v], l};
  }
  return round;
}

double DipCalculator::cut_left(std::size_t to) const {
  double most = 0;
  for (std::size_t k = 0; k + 1 < lower_.size() && lower_[k] < to; ++k) {
    const Level &a = levels_[lower_[k]], &b = levels_[lower_[k + 1]];
    const double slope = (b.below - a.below) / (b.x - a.x);
    for (std::size_t j = lower_[k]; j < lower_[k + 1]; ++j) {
      most = std::max(most, levels_[j].upto - a.below - slope * (levels_[j].x - a.x));
    }
  }
  return most;
}

double DipCalculator::cut_right(std::size_t from) const {
  double most = 0;
  for (std::size_t k = upper_.size() - 1; k > 0 && upper_[k] > from; --k) {
    const Level &a = levels_[upper_[k - 1]], &b = levels_[upper_[k]];
    const double slope = (b.upto - a.upto) / (b.x - a.x);
    for (std::size_t j = upper_[k]; j > upper_[k - 1]; --j) {
      most = std::max(most, b.upto - slope * (b.x - levels_[j].x) - levels_[j].below);
    }
  }
  return most;
}

double DipCalculator::operator()(std::span<const double> sorted) {
  levels_.clear();
  // In units of the largest: products of differences stay finite.
  const double largest = std::max(std::abs(sorted.front()), std::abs(sorted.back()));
  const double unit = largest > 0 ? largest : 1;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const double x = sorted[i] / unit;
    if (levels_.empty() || levels_.back().x < x) {
      levels_.push_back({.x = x, .below = static_cast<double>(i), .upto = 0});
    }
    levels_.back().upto = static_cast<double>(i + 1);
  }
  link();
  double dip = 1;  // twice the dip, in counts: half a step cannot be avoided
  std::size_t low = 0, high = levels_.size() - 1;
  while (low < high) {
    const Round round = furthest_apart(low, high);
    if (!(round.distance > dip)) break;
    dip = std::max({dip, cut_left(round.low), cut_right(round.high)});
    if (round.low == low && round.high == high) break;
    low = round.low;
    high = round.high;
  }
  return dip / (2 * static_cast<double>(sorted.size()));
}

}  // namespace iclk::fit
