#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace iclk::mlp_stats {

/// How the K labels are chosen.
enum class LabelRule {
  random,    ///< each label is +1 or -1 with probability 1/2, independently (the paper's text)
  balanced,  ///< K/2 of each, in random order; K must be even (the released code)
};

/// What the MLP sees of an item.
enum class InputForm {
  raw,    ///< the item itself: dim features of norm about 1
  token,  ///< the target token of the transformer after LayerNorm: the item with two zero label entries, shifted to
          ///< mean 0 and scaled to variance 1: dim + 2 features of norm sqrt(dim + 2)
};

std::string_view name(LabelRule rule) noexcept;
std::string_view name(InputForm form) noexcept;

/// K random item-label pairs, ready to feed to the MLP. The data set does not change during training.
struct ItemDataset {
  std::size_t n_items = 0;
  std::size_t n_features = 0;
  std::vector<float> features;      ///< [n_items x n_features], one row per item
  std::vector<std::int8_t> labels;  ///< [n_items], +1 or -1
};

/// Draws the data set: coordinates x ~ N(0, 1/dim) in double, stored as float, item i from its own stream
/// (seed, items, i), so that data sets of equal seed and different K share their first items.
///
/// Takes    n_items: 2 ... kMaxItems (even when balanced); dim: 1 ... kMaxWidth.
/// Throws   Error naming the argument.
ItemDataset make_item_dataset(std::uint64_t n_items, std::uint64_t dim, LabelRule labels, InputForm input,
                              std::uint64_t seed);

/// The labels of that data set, +1 or -1, from stream (seed, labels): [n_items]. n_items even when balanced.
std::vector<std::int8_t> make_labels(std::size_t n_items, LabelRule rule, std::uint64_t seed);

inline constexpr std::uint64_t kMaxItems = 10'000'000;  ///< 2.5 GB of features at dim = 63
inline constexpr std::uint64_t kMaxWidth = 16384;       ///< largest dim, hidden width and batch

}  // namespace iclk::mlp_stats
