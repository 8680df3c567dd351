#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include "iclk/core/random.hpp"
#include "iclk/transformer/icl_task.hpp"
#include "item_law.hpp"

namespace iclk::transformer {

/// An item of a sequence with its label.
struct Pick {
  std::uint32_t item;
  std::int8_t label;
};

/// x . x as a copy's dot product is drawn, summed in double.
inline double squared_norm(std::span<const float> x) noexcept {
  double sum = 0.0;
  for (const float value : x) sum += static_cast<double>(value) * value;
  return sum;
}

// What follows is constexpr so that the card can draw sequences by it too, from its own tables and with its own stream of
// the same numbers: Random draws as Rng does.

template <class Random>
constexpr std::int8_t coin(Random& rng) noexcept {
  return (rng() >> 31) != 0 ? 1 : -1;
}

/// Items of the data set. `label` 0 asks for any.
struct KnownItems {
  static constexpr bool kRecur = true;  // an item drawn again may be one that is there already

  const ItemLaw& all;
  const ItemLaw& positive;
  const ItemLaw& negative;
  std::span<const std::int8_t> labels;

  Pick draw(Rng& rng, int label) const noexcept {
    const ItemLaw& law = label == 0 ? all : label > 0 ? positive : negative;
    const std::uint32_t item = law.draw(rng);
    return {item, labels[item]};
  }

  /// The same n times in a row, of any label.
  void draw(Rng& rng, std::size_t n, std::uint32_t* items, std::int8_t* item_labels) const noexcept {
    all.draw(rng, std::span(items, n));
    const std::int8_t* __restrict of = labels.data();
    const std::uint32_t* __restrict drawn = items;
    std::int8_t* __restrict to = item_labels;
    for (std::size_t j = 0; j < n; ++j) to[j] = of[drawn[j]];
  }
};

/// Rows of a table of fresh items, each given out once, labels by chance.
struct FreshItems {
  static constexpr bool kRecur = false;

  std::uint32_t next = 0;

  template <class Random>
  constexpr Pick draw(Random& rng, int label) noexcept {
    return {next++, label == 0 ? coin(rng) : static_cast<std::int8_t>(label)};
  }

  /// The same n times in a row, of any label: a number below 2 is a coin.
  void draw(Rng& rng, std::size_t n, std::uint32_t* items, std::int8_t* item_labels) noexcept {
    rng.below(2, std::span(items, n));
    const std::uint32_t first = next;
    for (std::size_t j = 0; j < n; ++j) item_labels[j] = static_cast<std::int8_t>(2 * items[j] - 1);
    for (std::size_t j = 0; j < n; ++j) items[j] = first + static_cast<std::uint32_t>(j);
    next = first + static_cast<std::uint32_t>(n);
  }
};

/// Composes one sequence: the N exemplars and, last, the target. items, labels: [n_context + 1]. Of the task only
/// n_context, context_labels, target_rule and copies are looked at.
template <class Task, class Source, class Random>
constexpr void compose(const Task& task, bool with_copy, Source& source, Random& rng, std::uint32_t* items,
                       std::int8_t* labels) {
  const std::size_t n = task.n_context;
  const bool by_label = task.context_labels != ContextLabels::random;
  // Balanced contexts hold the positive exemplars first until they are shuffled at the end.
  int target_label = 0;
  std::size_t n_positive = n / 2;
  if (task.context_labels == ContextLabels::balanced_with_target) {
    target_label = coin(rng);
    n_positive = target_label > 0 ? (n - 1) / 2 : (n + 1) / 2;
  }
  const auto label_at = [&](std::size_t j) { return !by_label ? 0 : j < n_positive ? 1 : -1; };
  const auto label_of_target = [&] { return target_label != 0 || !by_label ? target_label : int{coin(rng)}; };

  Pick target{};
  if (!with_copy) {
    target = source.draw(rng, label_of_target());
    for (std::size_t j = 0; j < n; ++j) {
      Pick pick = source.draw(rng, label_at(j));
      while (pick.item == target.item) pick = source.draw(rng, label_at(j));
      items[j] = pick.item;
      labels[j] = pick.label;
    }
  } else {
    bool drawn = false;
    if constexpr (std::is_same_v<Random, Rng>) {
      if (!by_label) {
        source.draw(rng, n, items, labels);
        drawn = true;
      }
    }
    for (std::size_t j = 0; j < n && !drawn; ++j) {
      const Pick pick = source.draw(rng, label_at(j));
      items[j] = pick.item;
      labels[j] = pick.label;
    }
    const auto places = [&](int label) -> std::pair<std::size_t, std::size_t> {
      if (label == 0 || !by_label) return {0, n};
      return label > 0 ? std::pair{std::size_t{0}, n_positive} : std::pair{n_positive, n};
    };
    bool found = false;
    if (Source::kRecur && task.target_rule == TargetRule::resampled) {
      target = source.draw(rng, label_of_target());
      found = std::find(items, items + n, target.item) != items + n;
    }
    if (!found) {
      const auto [first, last] = places(target_label);
      const std::size_t j = first + rng.below(last - first);
      target = {items[j], labels[j]};
    }
    if (task.copies > 1) {
      const auto [first, last] = places(target.label);
      auto n_copies = static_cast<std::uint64_t>(std::count(items, items + n, target.item));
      while (n_copies < task.copies) {
        const std::size_t j = first + rng.below(last - first);
        if (items[j] == target.item) continue;
        items[j] = target.item;
        labels[j] = target.label;
        ++n_copies;
      }
    }
  }
  if (by_label) {
    for (std::size_t j = n; j > 1; --j) {
      const std::size_t other = rng.below(j);
      std::swap(items[j - 1], items[other]);
      std::swap(labels[j - 1], labels[other]);
    }
  }
  items[n] = target.item;
  labels[n] = target.label;
}

}  // namespace iclk::transformer
