// What is a copied label worth to a transformer before it attends to the copy?
//
// In the minimal model that is w, one number. In a transformer the label that attention passes on goes through V and
// then through the MLP, and what comes out depends on how large the MLP's own weights have become. We train the one-layer
// transformer for a while, then make its attention perfect by hand, all of it on the copy, and see what it answers: the
// mean of label times logit is the w that the minimal model speaks of. Up to time 50 (learning rate times SGD steps),
// for three numbers of items, some ten seconds each:
//
//     05_copied_label 50 inf 6400 3200

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "iclk/transformer/attention_model.hpp"
#include "iclk/transformer/icl_task.hpp"

using namespace iclk;

namespace {

constexpr std::uint64_t kContext = 23;  // N exemplars
constexpr std::uint64_t kHidden = 128;
constexpr std::uint64_t kBatch = 128;
constexpr int kRows = 5;  // after the first

double norm_of(const std::vector<transformer::NamedArray>& arrays, const std::string& name) {
  double sum = 0.0;
  for (const transformer::NamedArray& array : arrays) {
    if (array.name != name) continue;
    for (const double value : array.values) sum += value * value;
  }
  return std::sqrt(sum);
}

/// Mean of label times logit with all attention on the copy, over 2000 sequences of fresh items.
double worth_of_copied_label(transformer::IclTask& task, std::vector<transformer::NamedArray> arrays) {
  // K = Q = 10 times the identity on the content: a copy scores some 10^3 above everything else.
  const std::size_t dim = task.options().dim, width = dim + 2;
  for (transformer::NamedArray& array : arrays) {
    if (array.name != "query" && array.name != "key") continue;
    array.values.assign(width * width, 0.0);
    for (std::size_t i = 0; i < dim; ++i) array.values[i * width + i] = 10.0;
  }
  const auto perfect = transformer::make_attention_model(
      {.n_context = kContext, .dim = dim, .hidden = kHidden, .batch = kBatch, .attend_self = false}, 0);
  perfect->load(arrays);

  transformer::SequenceBatch test;
  task.draw_icl_test(0, 2000, test);
  transformer::LogitParts logits;
  perfect->logits(test, logits);
  double sum = 0.0;
  for (std::size_t i = 0; i < test.n_sequences; ++i) {
    const double label = test.labels[i * (kContext + 1) + kContext];
    sum += label * (logits.total[i] - logits.mlp[i]);
  }
  return sum / static_cast<double>(test.n_sequences);
}

void follow(std::optional<std::uint64_t> n_items, double end_time, std::uint64_t seed) {
  const transformer::IclSgd sgd{.lr = 0.01};
  // The released code's task: the same K items for every seed, half of them of each label.
  transformer::TaskOptions task_options{.n_items = n_items, .n_context = kContext};
  if (n_items) {
    task_options.item_labels = mlp_stats::LabelRule::balanced;
    task_options.item_set = transformer::ItemSet::fixed;
    task_options.target_rule = transformer::TargetRule::resampled;
  }
  transformer::IclTask task(task_options, seed);
  const auto model = transformer::make_attention_model(
      {.n_context = kContext, .hidden = kHidden, .batch = kBatch, .attend_self = true}, seed);
  const auto stretch = static_cast<std::uint64_t>(std::ceil(end_time / sgd.lr / kRows));
  transformer::SequenceBatch batch;
  for (std::uint64_t step = 0; step <= kRows * stretch; ++step) {
    if (step % stretch == 0) {
      const auto arrays = model->parameters();
      double beta = 0.0;
      for (const transformer::NamedValue& value : model->diagnostics()) {
        if (value.name == "beta") beta = value.value;
      }
      std::printf("%8s %5llu %6g %8.3f %8.3f %8.3f %8.4f\n", n_items ? std::to_string(*n_items).c_str() : "inf",
                  static_cast<unsigned long long>(seed), sgd.lr * static_cast<double>(step), beta,
                  norm_of(arrays, "value"), norm_of(arrays, "w3"), worth_of_copied_label(task, arrays));
    }
    task.draw_training(step, kBatch, batch);
    model->train(batch, sgd);
  }
}

/// A number of items; nothing for "inf".
std::optional<std::uint64_t> items_of(const std::string& text) {
  if (text == "inf") return std::nullopt;
  std::uint64_t n_items = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n_items);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw std::runtime_error("K: expected a whole number or inf, got \"" + text + "\"");
  }
  return n_items;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const double end_time = argc > 1 ? std::atof(argv[1]) : 0.0;
    if (argc < 3 || !(end_time > 0.0 && end_time < 1e6)) {
      std::fprintf(stderr, "usage: %s TIME K [K ...]    time above 0; numbers of items, or inf\n", argv[0]);
      return 2;
    }
    std::printf("%8s %5s %6s %8s %8s %8s %8s\n", "K", "seed", "time", "beta", "|V|", "|W3|", "w");
    for (int i = 2; i < argc; ++i) {
      for (const std::uint64_t seed : {0, 1, 2}) follow(items_of(argv[i]), end_time, seed);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
