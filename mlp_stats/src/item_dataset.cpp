#include "iclk/mlp_stats/item_dataset.hpp"

#include <cmath>
#include <string>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"

namespace iclk::mlp_stats {
namespace {

constexpr double kLayerNormEpsilon = 1e-5;  // PyTorch's default

/// Turns item coordinates followed by zero label entries into the LayerNorm-ed token, gain 1 and bias 0.
void layer_norm(std::vector<double>& token) {
  double mean = 0.0;
  for (const double x : token) mean += x;
  mean /= static_cast<double>(token.size());
  double variance = 0.0;
  for (const double x : token) variance += (x - mean) * (x - mean);
  variance /= static_cast<double>(token.size());
  const double scale = 1.0 / std::sqrt(variance + kLayerNormEpsilon);
  for (double& x : token) x = (x - mean) * scale;
}

}  // namespace

std::string_view name(LabelRule rule) noexcept { return rule == LabelRule::random ? "random" : "balanced"; }
std::string_view name(InputForm form) noexcept { return form == InputForm::raw ? "raw" : "token"; }

std::vector<std::int8_t> make_labels(std::size_t n_items, LabelRule rule, std::uint64_t seed) {
  std::vector<std::int8_t> labels(n_items);
  Rng rng(seed, RandomPurpose::labels, 0);
  if (rule == LabelRule::random) {
    for (auto& label : labels) label = (rng() >> 31) != 0 ? 1 : -1;
    return labels;
  }
  for (std::size_t i = 0; i < n_items; ++i) labels[i] = i < n_items / 2 ? 1 : -1;
  for (std::size_t i = n_items; i > 1; --i) std::swap(labels[i - 1], labels[rng.below(i)]);
  return labels;
}

ItemDataset make_item_dataset(std::uint64_t n_items, std::uint64_t dim, LabelRule labels, InputForm input,
                              std::uint64_t seed) {
  if (n_items < 2 || n_items > kMaxItems) {
    throw field_error("n_items",
                      "expected 2 to " + std::to_string(kMaxItems) + " items, got " + std::to_string(n_items));
  }
  if (dim < 1 || dim > kMaxWidth) {
    throw field_error("dim", "expected 1 to " + std::to_string(kMaxWidth) + ", got " + std::to_string(dim));
  }
  if (labels == LabelRule::balanced && n_items % 2 != 0) {
    throw field_error("n_items", "balanced labels need an even number of items, got " + std::to_string(n_items));
  }
  ItemDataset dataset;
  dataset.n_items = n_items;
  dataset.n_features = input == InputForm::token ? dim + 2 : dim;
  dataset.features.resize(dataset.n_items * dataset.n_features);
  const double scale = 1.0 / std::sqrt(static_cast<double>(dim));
  std::vector<double> token(dataset.n_features);
  for (std::size_t i = 0; i < dataset.n_items; ++i) {
    Rng rng(seed, RandomPurpose::items, i);
    token.assign(dataset.n_features, 0.0);
    for (std::size_t d = 0; d < dim; ++d) token[d] = scale * rng.normal();
    if (input == InputForm::token) layer_norm(token);
    for (std::size_t d = 0; d < dataset.n_features; ++d) {
      dataset.features[i * dataset.n_features + d] = static_cast<float>(token[d]);
    }
  }
  dataset.labels = make_labels(dataset.n_items, labels, seed);
  return dataset;
}

}  // namespace iclk::mlp_stats
