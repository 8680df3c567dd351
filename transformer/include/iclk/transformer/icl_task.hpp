#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "iclk/mlp_stats/item_dataset.hpp"

namespace iclk::transformer {

/// How the labels of a context come out.
enum class ContextLabels {
  random,                ///< as the exemplars' labels fall
  balanced,              ///< N/2 exemplars of each label (the paper's text); N must be even
  balanced_with_target,  ///< exemplars and target together half and half (the released code): (N - 1)/2 exemplars of
                         ///< the target's label, (N + 1)/2 of the other; N must be odd
};

/// Which item is asked for.
enum class TargetRule {
  exemplar,   ///< one of the exemplars, each with equal chance (the paper's text)
  resampled,  ///< drawn like one more exemplar, and replaced by a copy of one of the exemplars when it does not occur
              ///< among them (the released code): an item that is there twice is asked for less than twice as often
};

/// Whether runs of different seed share their items.
enum class ItemSet {
  per_run,  ///< items drawn from the run's seed
  fixed,    ///< the same items for every seed, as in the released code; labels and everything else from the seed
};

std::string_view name(ContextLabels labels) noexcept;
std::string_view name(TargetRule rule) noexcept;
std::string_view name(ItemSet set) noexcept;

/// The task: a context of N labelled exemplars and a target, whose label is asked for.
struct TaskOptions {
  std::optional<std::uint64_t> n_items;  ///< K items with fixed labels; empty: K infinite, fresh items in each sequence
  std::uint64_t n_context = 100;         ///< N, labelled exemplars; the target comes on top
  std::uint64_t dim = 63;                ///< D, coordinates of an item
  mlp_stats::LabelRule item_labels = mlp_stats::LabelRule::random;  ///< of the K items
  ContextLabels context_labels = ContextLabels::random;
  double zipf_exponent = 0.0;  ///< item i = 1 ... K occurs with a frequency proportional to i^-exponent
  double copy_share = 1.0;     ///< share of training sequences whose target is among the exemplars
  std::uint64_t copies = 1;    ///< so many exemplars, at least, are the target, where it is among them
  TargetRule target_rule = TargetRule::exemplar;
  ItemSet item_set = ItemSet::per_run;
};

/// Throws Error naming the field, its value and the rule.
void validate(const TaskOptions& options);

/// `dim` and one more, up to a whole number of cache lines of 16 floats: a row that starts with a line touches as few as
/// it can.
constexpr std::size_t padded_width(std::size_t dim) noexcept { return (dim + 16) / 16 * 16; }

/// Sequences as numbers of items in a table: nothing is copied. Draw again into the same batch to reuse its memory.
struct SequenceBatch {
  std::size_t n_sequences = 0;
  std::size_t n_context = 0;
  std::size_t dim = 0;
  std::vector<std::uint32_t> items;  ///< [n_sequences x (n_context + 1)] rows of the table, the target last
  std::vector<std::int8_t> labels;   ///< [n_sequences x (n_context + 1)] +1 or -1, the last one is asked for
  std::span<const float> dataset;    ///< [K x dim] the task's items, valid while the task lives; empty: items are fresh
  std::span<const float> padded;     ///< empty, or `dataset` once more: [K x padded_width(dim)], behind each row zeros
                                     ///< and, last, 1/sd of the row as an exemplar's token, LayerNorm's scale
  std::vector<float> fresh;          ///< [rows x dim] items of this batch alone, where they are

  /// [rows x dim] that `items` points into.
  std::span<const float> table() const noexcept { return dataset.empty() ? std::span<const float>(fresh) : dataset; }

  /// The same rows where they are read fastest.
  struct Rows {
    const float* first = nullptr;
    std::size_t stride = 0;  ///< floats from one row to the next
    bool scaled = false;     ///< the last of them is LayerNorm's scale

    const float* operator[](std::size_t row) const noexcept { return first + row * stride; }
  };
  Rows rows() const noexcept {
    if (dataset.empty() || padded.empty()) return {table().data(), dim};
    return {padded.data(), padded_width(dim), true};
  }
};

/// What the minimal model needs of sequences of fresh items: dot products in place of the exemplars.
struct DotBatch {
  std::size_t n_sequences = 0;
  std::size_t n_context = 0;
  std::size_t dim = 0;
  std::vector<float> targets;       ///< [n_sequences x dim]
  std::vector<float> dots;          ///< [n_sequences x n_context] x_j . x_t
  std::vector<std::int8_t> labels;  ///< [n_sequences x (n_context + 1)], as in SequenceBatch
};

/// What a transformer of one layer needs of sequences of fresh items: the targets, and standard normal numbers of which
/// it makes what it sees of the exemplars.
struct SketchBatch {
  std::size_t n_sequences = 0;
  std::size_t n_context = 0;
  std::size_t dim = 0;
  std::vector<float> targets;  ///< [n_sequences x dim]
  std::vector<std::uint32_t>
      items;  ///< [n_sequences x (n_context + 1)] numbers within a sequence: equal ones are copies
  std::vector<std::int8_t> labels;  ///< [n_sequences x (n_context + 1)], as in SequenceBatch
  std::vector<float> normals;       ///< [n_sequences, up to a multiple of 8, x (n_context + 1) x 10]
  std::vector<float> axes;          ///< [n_sequences x 2 x dim] normal too
};
constexpr std::uint64_t kSmallestSketchDim = 32;  ///< with fewer coordinates items are drawn as they are

/// Draws sequences. Each batch comes from its own random streams, keyed by (seed, purpose, step): any step can be drawn
/// without those before it, and tests change nothing in the training. Owns the data set and working memory; one task
/// serves one thread.
///
/// Sequences of K items. With a copy: the N exemplars are drawn from the law of the items, each on its own (with equal
/// frequencies: with replacement), and the target by the target rule; with `copies` above 1 exemplars drawn at random,
/// of the target's label where labels are balanced, are replaced by it. Without a copy: the target is drawn from the
/// law, and the exemplars from the law among the other items. Balanced contexts draw from the items of each label, in
/// random order.
///
/// Sequences of fresh items: coordinates N(0, 1/dim), all exemplars different but for the `copies`, labels fair coins.
class IclTask {
 public:
  /// Throws   Error as validate does; also when balanced contexts are asked for and a label has too few items.
  IclTask(const TaskOptions& options, std::uint64_t seed);

  IclTask(IclTask&&) noexcept;
  IclTask& operator=(IclTask&&) noexcept;
  ~IclTask();

  const TaskOptions& options() const noexcept;

  /// The K items and their labels; without items where K is infinite.
  const mlp_stats::ItemDataset& dataset() const noexcept;

  /// Sequences of SGD step `step`.
  void draw_training(std::uint64_t step, std::size_t n_sequences, SequenceBatch& batch);

  /// In-context test `index`: fresh items, never trained on, by the rules of the training contexts; the target always
  /// among the exemplars.
  void draw_icl_test(std::uint64_t index, std::size_t n_sequences, SequenceBatch& batch);

  /// In-weights test `index`: the K items and labels of the training, the target never among the exemplars.
  /// Throws   Error when K is infinite: there is nothing in the weights.
  void draw_iwl_test(std::uint64_t index, std::size_t n_sequences, SequenceBatch& batch);

  /// The same laws for K infinite with one normal per exemplar instead of dim: given the target x_t, the dot product
  /// with another item is exactly N(0, |x_t|^2/dim). Other numbers than draw_training's and draw_icl_test's.
  /// Throws   Error when K is finite and training is asked for.
  void draw_training(std::uint64_t step, std::size_t n_sequences, DotBatch& batch);
  void draw_icl_test(std::uint64_t index, std::size_t n_sequences, DotBatch& batch);

  /// The same law of training sequences for K infinite, for a model that makes what it needs of the exemplars of 10
  /// normals each instead of dim. Other numbers than the other two.
  /// Throws   Error when K is finite.
  void draw_training(std::uint64_t step, std::size_t n_sequences, SketchBatch& batch);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace iclk::transformer
