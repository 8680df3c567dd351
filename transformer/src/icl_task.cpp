#include "iclk/transformer/icl_task.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "arguments.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/normal_fill.hpp"
#include "iclk/core/random.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/mlp_stats/matrix_product.hpp"
#include "item_law.hpp"
#include "sequence_rules.hpp"
#include "sketch_kernel.hpp"
#include "token_norm.hpp"

namespace iclk::transformer {
namespace {

using mlp_stats::ItemDataset;

constexpr std::uint64_t kMaxContext = 100'000;
constexpr double kMaxZipfExponent = 5.0;      // beyond, one item in 28 is not the first: rejection would hardly end
constexpr std::uint64_t kFixedItemsSeed = 0;  // of the items that runs share

std::vector<std::uint32_t> items_with_label(const ItemDataset& dataset, int label) {
  std::vector<std::uint32_t> items;
  for (std::size_t i = 0; i < dataset.n_items; ++i) {
    if (label == 0 || dataset.labels[i] == label) items.push_back(static_cast<std::uint32_t>(i));
  }
  return items;
}

ItemDataset make_dataset(const TaskOptions& task, std::uint64_t seed) {
  if (!task.n_items) return {.n_items = 0, .n_features = task.dim, .features = {}, .labels = {}};
  const std::uint64_t items_seed = task.item_set == ItemSet::fixed ? kFixedItemsSeed : seed;
  ItemDataset dataset =
      make_item_dataset(*task.n_items, task.dim, task.item_labels, mlp_stats::InputForm::raw, items_seed);
  dataset.labels = mlp_stats::make_labels(dataset.n_items, task.item_labels, seed);
  return dataset;
}

const TaskOptions& validated(const TaskOptions& options) {
  validate(options);
  return options;
}

}  // namespace

std::string_view name(ContextLabels labels) noexcept {
  switch (labels) {
    case ContextLabels::random:
      return "random";
    case ContextLabels::balanced:
      return "balanced-context";
    case ContextLabels::balanced_with_target:
      return "balanced-context-with-target";
  }
  return "";
}
std::string_view name(TargetRule rule) noexcept { return rule == TargetRule::exemplar ? "exemplar" : "resampled"; }
std::string_view name(ItemSet set) noexcept { return set == ItemSet::per_run ? "per-run" : "fixed"; }

void validate(const TaskOptions& options) {
  const std::uint64_t n = options.n_context;
  if (options.n_items) {
    const std::uint64_t k = *options.n_items;
    require(k >= 2 && k <= mlp_stats::kMaxItems, "n_items", "2 to " + std::to_string(mlp_stats::kMaxItems) + " items",
            std::to_string(k));
    require(options.item_labels != mlp_stats::LabelRule::balanced || k % 2 == 0, "n_items",
            "an even number of items for balanced labels", std::to_string(k));
  }
  require(n >= 2 && n <= kMaxContext, "n_context", "2 to " + std::to_string(kMaxContext) + " exemplars",
          std::to_string(n));
  require(options.dim >= 1 && options.dim <= mlp_stats::kMaxWidth, "dim",
          "1 to " + std::to_string(mlp_stats::kMaxWidth), std::to_string(options.dim));
  require(options.context_labels != ContextLabels::balanced || n % 2 == 0, "n_context",
          "an even number of exemplars for balanced contexts", std::to_string(n));
  require(options.context_labels != ContextLabels::balanced_with_target || n % 2 == 1, "n_context",
          "an odd number of exemplars for contexts that are balanced together with the target", std::to_string(n));
  require(options.zipf_exponent >= 0 && options.zipf_exponent <= kMaxZipfExponent, "zipf_exponent", "0 to 5",
          format_number(options.zipf_exponent));
  require(options.n_items || !(options.zipf_exponent > 0), "zipf_exponent", "0 with fresh items in each sequence",
          format_number(options.zipf_exponent));
  require(options.copy_share >= 0 && options.copy_share <= 1, "copy_share", "a share in [0, 1]",
          format_number(options.copy_share));
  const std::uint64_t places = options.context_labels == ContextLabels::random     ? n
                               : options.context_labels == ContextLabels::balanced ? n / 2
                                                                                   : (n - 1) / 2;
  require(options.copies >= 1 && options.copies <= places, "copies",
          "1 to " + std::to_string(places) + " (the exemplars of the target's label)", std::to_string(options.copies));
}

struct IclTask::Impl {
  Impl(const TaskOptions& options_, std::uint64_t seed_)
      : options(validated(options_)),
        seed(seed_),
        dataset(make_dataset(options, seed)),
        padded(dataset.n_items * padded_width(dataset.n_features)),
        all(items_with_label(dataset, 0), options.zipf_exponent),
        positive(items_with_label(dataset, 1), options.zipf_exponent),
        negative(items_with_label(dataset, -1), options.zipf_exponent) {
    for (std::size_t i = 0; i < dataset.n_items; ++i) {
      const float* item = dataset.features.data() + i * options.dim;
      float* row = padded.data() + i * padded_width(options.dim);
      std::copy_n(item, options.dim, row);
      row[padded_width(options.dim) - 1] = static_cast<float>(exemplar_norm<double>(item, options.dim).scale);
    }
    if (options.n_items && options.context_labels != ContextLabels::random) {
      const std::size_t fewest = std::min(positive.size(), negative.size());
      require(fewest >= 2, "context_labels", "at least 2 items of each label for balanced contexts",
              std::to_string(fewest) + " of " + std::to_string(*options.n_items) + " (the labels fell so)");
    }
  }

  void resize(std::size_t n_sequences, SequenceBatch& batch) const {
    batch.n_sequences = n_sequences;
    batch.n_context = options.n_context;
    batch.dim = options.dim;
    batch.items.resize(n_sequences * (options.n_context + 1));
    batch.labels.resize(n_sequences * (options.n_context + 1));
  }

  bool draws_copy(double copy_share, Rng& rng) const noexcept {
    if (copy_share >= 1.0) return true;
    return rng.uniform() < copy_share;
  }

  void draw_known(RandomPurpose purpose, std::uint64_t index, std::size_t n_sequences, double copy_share,
                  SequenceBatch& batch) const {
    resize(n_sequences, batch);
    batch.dataset = dataset.features;
    batch.padded = padded.span();
    batch.fresh.clear();
    Rng rng(seed, purpose, index);
    KnownItems source{.all = all, .positive = positive, .negative = negative, .labels = dataset.labels};
    const std::size_t row = options.n_context + 1;
    for (std::size_t b = 0; b < n_sequences; ++b) {
      const bool copy = draws_copy(copy_share, rng);
      compose(options, copy, source, rng, batch.items.data() + b * row, batch.labels.data() + b * row);
    }
  }

  void draw_fresh(RandomPurpose sequences, RandomPurpose items, std::uint64_t index, std::size_t n_sequences,
                  double copy_share, SequenceBatch& batch) const {
    resize(n_sequences, batch);
    batch.dataset = {};
    batch.padded = {};
    Rng rng(seed, sequences, index);
    FreshItems source;
    const std::size_t row = options.n_context + 1;
    for (std::size_t b = 0; b < n_sequences; ++b) {
      const bool copy = draws_copy(copy_share, rng);
      compose(options, copy, source, rng, batch.items.data() + b * row, batch.labels.data() + b * row);
    }
    batch.fresh.resize(source.next * options.dim);
    fill_normals(batch.fresh, 1.0 / std::sqrt(static_cast<double>(options.dim)), seed, items, index);
  }

  void draw_dots(RandomPurpose sequences, RandomPurpose normals, std::uint64_t index, std::size_t n_sequences,
                 double copy_share, DotBatch& batch) {
    const std::size_t n = options.n_context;
    batch.n_sequences = n_sequences;
    batch.n_context = n;
    batch.dim = options.dim;
    batch.labels.resize(n_sequences * (n + 1));
    batch.targets.resize(n_sequences * options.dim);
    batch.dots.resize(n_sequences * n);
    const double sd = 1.0 / std::sqrt(static_cast<double>(options.dim));
    fill_normals(batch.targets, sd, seed, normals, 2 * index);
    fill_normals(batch.dots, sd, seed, normals, 2 * index + 1);

    Rng rng(seed, sequences, index);
    row_items.resize(n + 1);
    for (std::size_t b = 0; b < n_sequences; ++b) {
      FreshItems source;
      const bool copy = draws_copy(copy_share, rng);
      compose(options, copy, source, rng, row_items.data(), batch.labels.data() + b * (n + 1));
      const double square = squared_norm(std::span(batch.targets).subspan(b * options.dim, options.dim));
      const auto norm = static_cast<float>(std::sqrt(square));
      float* dots = batch.dots.data() + b * n;
      for (std::size_t j = 0; j < n; ++j) {
        dots[j] = row_items[j] == row_items[n] ? static_cast<float>(square) : norm * dots[j];
      }
    }
  }

  void draw_sketch(std::uint64_t step, std::size_t n_sequences, SketchBatch& batch) const {
    const std::size_t row = options.n_context + 1;
    batch.n_sequences = n_sequences;
    batch.n_context = options.n_context;
    batch.dim = options.dim;
    batch.items.resize(n_sequences * row);
    batch.labels.resize(n_sequences * row);
    batch.targets.resize(n_sequences * options.dim);
    batch.axes.resize(n_sequences * 2 * options.dim);
    const std::size_t n_lanes = (n_sequences + kSketchLanes - 1) / kSketchLanes * kSketchLanes;
    batch.normals.resize(n_lanes * row * kSketchNormals);
    Rng rng(seed, RandomPurpose::training_sequences, step);
    for (std::size_t b = 0; b < n_sequences; ++b) {
      FreshItems source;
      const bool copy = draws_copy(options.copy_share, rng);
      compose(options, copy, source, rng, batch.items.data() + b * row, batch.labels.data() + b * row);
    }
    const double sd = 1.0 / std::sqrt(static_cast<double>(options.dim));
    fill_normals(batch.targets, sd, seed, RandomPurpose::item_sketches, 3 * step);
    fill_normals(batch.axes, 1.0, seed, RandomPurpose::item_sketches, 3 * step + 1);
    fill_normals(batch.normals, 1.0, seed, RandomPurpose::item_sketches, 3 * step + 2);
  }

  TaskOptions options;
  std::uint64_t seed;
  ItemDataset dataset;
  mlp_stats::AlignedArray<float> padded;  // [n_items x padded_width(dim)]
  ItemLaw all, positive, negative;
  std::vector<std::uint32_t> row_items;  // [n_context + 1]
};

IclTask::IclTask(const TaskOptions& options, std::uint64_t seed) : impl_(std::make_unique<Impl>(options, seed)) {}
IclTask::IclTask(IclTask&&) noexcept = default;
IclTask& IclTask::operator=(IclTask&&) noexcept = default;
IclTask::~IclTask() = default;

const TaskOptions& IclTask::options() const noexcept { return impl_->options; }
const mlp_stats::ItemDataset& IclTask::dataset() const noexcept { return impl_->dataset; }

void IclTask::draw_training(std::uint64_t step, std::size_t n_sequences, SequenceBatch& batch) {
  if (impl_->options.n_items) {
    impl_->draw_known(RandomPurpose::training_sequences, step, n_sequences, impl_->options.copy_share, batch);
  } else {
    impl_->draw_fresh(RandomPurpose::training_sequences, RandomPurpose::training_items, step, n_sequences,
                      impl_->options.copy_share, batch);
  }
}

void IclTask::draw_icl_test(std::uint64_t index, std::size_t n_sequences, SequenceBatch& batch) {
  impl_->draw_fresh(RandomPurpose::icl_test_sequences, RandomPurpose::icl_test_items, index, n_sequences, 1.0, batch);
}

void IclTask::draw_iwl_test(std::uint64_t index, std::size_t n_sequences, SequenceBatch& batch) {
  if (!impl_->options.n_items) {
    throw field_error("n_items", "an in-weights test needs a finite number of items, got infinitely many");
  }
  impl_->draw_known(RandomPurpose::iwl_test_sequences, index, n_sequences, 0.0, batch);
}

void IclTask::draw_training(std::uint64_t step, std::size_t n_sequences, DotBatch& batch) {
  if (impl_->options.n_items) {
    throw field_error("n_items", "dot products are drawn in place of fresh items only, got " +
                                     std::to_string(*impl_->options.n_items) + " items");
  }
  impl_->draw_dots(RandomPurpose::training_sequences, RandomPurpose::dot_products, step, n_sequences,
                   impl_->options.copy_share, batch);
}

void IclTask::draw_training(std::uint64_t step, std::size_t n_sequences, SketchBatch& batch) {
  if (impl_->options.n_items) {
    throw field_error("n_items", "sketches are drawn in place of fresh items only, got " +
                                     std::to_string(*impl_->options.n_items) + " items");
  }
  impl_->draw_sketch(step, n_sequences, batch);
}

void IclTask::draw_icl_test(std::uint64_t index, std::size_t n_sequences, DotBatch& batch) {
  impl_->draw_dots(RandomPurpose::icl_test_sequences, RandomPurpose::test_dot_products, index, n_sequences, 1.0, batch);
}

}  // namespace iclk::transformer
