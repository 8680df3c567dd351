#include "iclk/transformer/icl_task.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "support/allocation_count.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::transformer;
using namespace iclk::test;
using mlp_stats::LabelRule;

namespace {

/// Sequence b of a batch.
struct Sequence {
  std::vector<std::uint32_t> items;
  std::vector<int> labels;
  std::uint32_t target = 0;
  int label = 0;

  long n_copies() const { return std::count(items.begin(), items.end(), target); }
  long n_positive() const { return std::count(labels.begin(), labels.end(), 1); }
};

std::vector<Sequence> sequences(const SequenceBatch& batch) {
  std::vector<Sequence> all(batch.n_sequences);
  const std::size_t row = batch.n_context + 1;
  REQUIRE(batch.items.size() == batch.n_sequences * row);
  REQUIRE(batch.labels.size() == batch.n_sequences * row);
  for (std::size_t b = 0; b < batch.n_sequences; ++b) {
    for (std::size_t j = 0; j < batch.n_context; ++j) {
      all[b].items.push_back(batch.items[b * row + j]);
      all[b].labels.push_back(batch.labels[b * row + j]);
    }
    all[b].target = batch.items[b * row + batch.n_context];
    all[b].label = batch.labels[b * row + batch.n_context];
  }
  return all;
}

std::vector<Sequence> training(const TaskOptions& options, std::size_t n, std::uint64_t seed = 1) {
  IclTask task(options, seed);
  SequenceBatch batch;
  task.draw_training(0, n, batch);
  return sequences(batch);
}

/// Five standard errors of a share p of n.
double bound(double p, std::size_t n) { return 5.0 * std::sqrt(p * (1.0 - p) / static_cast<double>(n)); }

template <class Predicate>
double share(const std::vector<Sequence>& all, Predicate holds) {
  return static_cast<double>(std::count_if(all.begin(), all.end(), holds)) / static_cast<double>(all.size());
}

double squared_norm(std::span<const float> x) {
  double sum = 0.0;
  for (const double value : x) sum += value * value;
  return sum;
}

/// Largest distance between two distribution functions.
double two_sample_distance(std::vector<double> a, std::vector<double> b) {
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  double distance = 0.0;
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (a[i] <= b[j]) {
      ++i;
    } else {
      ++j;
    }
    distance = std::max(distance, std::abs(static_cast<double>(i) / static_cast<double>(a.size()) -
                                           static_cast<double>(j) / static_cast<double>(b.size())));
  }
  return distance;
}

}  // namespace

TEST_CASE("icl task: items carry the labels of the data set", "[transformer]") {
  IclTask task({.n_items = 40, .n_context = 10, .dim = 5}, 3);
  const auto expected = mlp_stats::make_item_dataset(40, 5, LabelRule::random, mlp_stats::InputForm::raw, 3);
  CHECK(task.dataset().features == expected.features);
  CHECK(task.dataset().labels == expected.labels);
  SequenceBatch batch;
  const auto check = [&] {
    CHECK(batch.table().data() == task.dataset().features.data());
    const SequenceBatch::Rows rows = batch.rows();
    CHECK(rows.stride == 16);
    CHECK(reinterpret_cast<std::uintptr_t>(rows.first) % 64 == 0);
    for (std::size_t i = 0; i < 40; ++i) {
      for (std::size_t d = 0; d < 5; ++d)
        REQUIRE(std::bit_cast<std::uint32_t>(rows[i][d]) == std::bit_cast<std::uint32_t>(batch.table()[5 * i + d]));
      for (std::size_t d = 5; d < 15; ++d) REQUIRE(std::bit_cast<std::uint32_t>(rows[i][d]) == 0);
      // Its token as an exemplar: five coordinates, a label feature 1 and one 0.
      double sum = 1.0, square = 1.0;
      for (std::size_t d = 0; d < 5; ++d) {
        const double x = rows[i][d];
        sum += x;
        square += x * x;
      }
      const double scale = 1.0 / std::sqrt(square / 7 - sum / 7 * (sum / 7) + 1e-5);
      REQUIRE_THAT(rows[i][15], WithinRel(static_cast<float>(scale), 1e-6F));
    }
    CHECK(rows.scaled);
    CHECK(batch.dim == 5);
    for (const Sequence& s : sequences(batch)) {
      for (std::size_t j = 0; j < 10; ++j) REQUIRE(s.labels[j] == expected.labels[s.items[j]]);
      REQUIRE(s.label == expected.labels[s.target]);
    }
  };
  task.draw_training(0, 50, batch);
  check();
  for (const Sequence& s : sequences(batch)) CHECK(s.n_copies() >= 1);
  task.draw_iwl_test(0, 50, batch);
  check();
  for (const Sequence& s : sequences(batch)) CHECK(s.n_copies() == 0);
}

TEST_CASE("icl task: exemplars and targets are uniform over the items", "[transformer]") {
  constexpr std::size_t n = 20'000;
  const auto all = training({.n_items = 5, .n_context = 3, .dim = 1}, n);
  for (std::uint32_t item = 0; item < 5; ++item) {
    CHECK(std::abs(share(all, [&](const Sequence& s) { return s.items[1] == item; }) - 0.2) < bound(0.2, n));
    CHECK(std::abs(share(all, [&](const Sequence& s) { return s.target == item; }) - 0.2) < bound(0.2, n));
  }
  // Exemplars on their own: P(two equal) = 1/5.
  CHECK(std::abs(share(all, [](const Sequence& s) { return s.items[0] == s.items[2]; }) - 0.2) < bound(0.2, n));
}

TEST_CASE("icl task: the rule of the target decides how often a repeated item is asked for", "[transformer]") {
  // Three items, three exemplars. Of contexts with one item twice and another once, the repeated one is asked for with
  // probability 2/3 among the exemplars; resampled with 1/3 (drawn itself) + 1/3 (the absent item) 2/3 = 5/9.
  constexpr std::size_t n = 40'000;
  for (const auto& [rule, expected] :
       {std::pair{TargetRule::exemplar, 2.0 / 3.0}, {TargetRule::resampled, 5.0 / 9.0}}) {
    const auto all = training({.n_items = 3, .n_context = 3, .dim = 1, .target_rule = rule}, n);
    std::size_t pairs = 0, asked = 0;
    for (const Sequence& s : all) {
      const std::set<std::uint32_t> distinct(s.items.begin(), s.items.end());
      REQUIRE(distinct.count(s.target) == 1);
      if (distinct.size() != 2) continue;
      ++pairs;
      asked += s.n_copies() == 2;
    }
    CAPTURE(name(rule));
    CHECK(std::abs(static_cast<double>(asked) / static_cast<double>(pairs) - expected) < bound(expected, pairs));
  }
}

TEST_CASE("icl task: item frequencies follow the Zipf exponent", "[transformer]") {
  constexpr std::size_t n = 30'000;
  for (const double exponent : {0.0, 1.0, 2.5}) {
    const auto all = training({.n_items = 6, .n_context = 2, .dim = 1, .zipf_exponent = exponent}, n);
    double sum = 0.0;
    for (int i = 1; i <= 6; ++i) sum += std::pow(i, -exponent);
    for (std::uint32_t item = 0; item < 6; ++item) {
      CAPTURE(exponent, item);
      const double p = std::pow(item + 1, -exponent) / sum;
      CHECK(std::abs(share(all, [&](const Sequence& s) { return s.items[0] == item; }) - p) < bound(p, n));
      CHECK(std::abs(share(all, [&](const Sequence& s) { return s.target == item; }) - p) < bound(p, n));
    }
  }
}

TEST_CASE("icl task: balanced contexts hold half of each label in random order", "[transformer]") {
  constexpr std::size_t n = 4'000;
  for (const std::optional<std::uint64_t> n_items :
       {std::optional<std::uint64_t>(30), std::optional<std::uint64_t>()}) {
    for (const auto rule : {TargetRule::exemplar, TargetRule::resampled}) {
      CAPTURE(n_items.has_value(), name(rule));
      TaskOptions options{.n_items = n_items, .n_context = 8, .dim = 1, .target_rule = rule};
      options.context_labels = ContextLabels::balanced;
      auto all = training(options, n);
      for (const Sequence& s : all) {
        REQUIRE(s.n_positive() == 4);
        REQUIRE(s.n_copies() >= 1);
      }
      CHECK(std::abs(share(all, [](const Sequence& s) { return s.labels[0] == 1; }) - 0.5) < bound(0.5, n));
      CHECK(std::abs(share(all, [](const Sequence& s) { return s.label == 1; }) - 0.5) < bound(0.5, n));

      options.n_context = 9;
      options.context_labels = ContextLabels::balanced_with_target;
      all = training(options, n);
      for (const Sequence& s : all) {
        REQUIRE(s.n_positive() + (s.label == 1) == 5);
        REQUIRE(s.n_copies() >= 1);
      }
      CHECK(std::abs(share(all, [](const Sequence& s) { return s.label == 1; }) - 0.5) < bound(0.5, n));
    }
  }
  // Without balance the number of positive labels varies.
  std::set<long> counts;
  for (const Sequence& s : training({.n_items = {}, .n_context = 8, .dim = 1}, 100)) counts.insert(s.n_positive());
  CHECK(counts.size() > 3);
}

TEST_CASE("icl task: balanced contexts without a copy", "[transformer]") {
  for (const auto labels : {ContextLabels::balanced, ContextLabels::balanced_with_target}) {
    const std::uint64_t n_context = labels == ContextLabels::balanced ? 4 : 5;
    IclTask task({.n_items = 12, .n_context = n_context, .dim = 1, .context_labels = labels}, 1);
    SequenceBatch batch;
    task.draw_iwl_test(0, 500, batch);
    for (const Sequence& s : sequences(batch)) {
      REQUIRE(s.n_copies() == 0);
      if (labels == ContextLabels::balanced) {
        REQUIRE(s.n_positive() == 2);
      } else {
        REQUIRE(s.n_positive() + (s.label == 1) == 3);
      }
    }
  }
}

TEST_CASE("icl task: a share of the sequences has no copy", "[transformer]") {
  constexpr std::size_t n = 4'000;
  for (const std::optional<std::uint64_t> n_items : {std::optional<std::uint64_t>(7), std::optional<std::uint64_t>()}) {
    for (const double copy_share : {0.0, 0.3, 1.0}) {
      CAPTURE(n_items.has_value(), copy_share);
      const TaskOptions options{.n_items = n_items, .n_context = 6, .dim = 2, .copy_share = copy_share};
      const auto all = training(options, n);
      CHECK(std::abs(share(all, [](const Sequence& s) { return s.n_copies() > 0; }) - copy_share) <=
            bound(copy_share, n));
      // Tests keep to their own rule.
      IclTask task(options, 1);
      SequenceBatch batch;
      task.draw_icl_test(0, 50, batch);
      for (const Sequence& s : sequences(batch)) REQUIRE(s.n_copies() == 1);
    }
  }
  // With two items all exemplars are the other one.
  for (const Sequence& s : training({.n_items = 2, .n_context = 3, .dim = 1, .copy_share = 0.0}, 100)) {
    for (const auto item : s.items) REQUIRE(item == 1 - s.target);
  }
}

TEST_CASE("icl task: copies of the target", "[transformer]") {
  for (const auto labels : {ContextLabels::random, ContextLabels::balanced}) {
    CAPTURE(name(labels));
    TaskOptions options{.n_items = {}, .n_context = 8, .dim = 2, .context_labels = labels, .copies = 3};
    std::set<std::uint32_t> places;
    for (const Sequence& s : training(options, 500)) {
      REQUIRE(s.n_copies() == 3);
      for (std::uint32_t j = 0; j < 8; ++j) {
        if (s.items[j] != s.target) continue;
        REQUIRE(s.labels[j] == s.label);
        places.insert(j);
      }
      if (labels == ContextLabels::balanced) REQUIRE(s.n_positive() == 4);
    }
    CHECK(places.size() == 8);
    options.n_items = 20;
    std::map<long, int> counts;
    for (const Sequence& s : training(options, 500)) ++counts[s.n_copies()];
    CHECK(counts.begin()->first == 3);
    CHECK(counts[4] < counts[3]);
    CHECK(counts.size() > 1);  // more by chance
  }
}

TEST_CASE("icl task: fresh items are normal and different in each sequence", "[transformer]") {
  IclTask task({.n_items = {}, .n_context = 5, .dim = 50, .copy_share = 0.5}, 1);
  SequenceBatch batch;
  task.draw_training(2, 400, batch);
  CHECK(task.dataset().n_items == 0);
  std::set<std::uint32_t> seen;
  std::size_t without = 0;
  for (const Sequence& s : sequences(batch)) {
    std::set<std::uint32_t> own(s.items.begin(), s.items.end());
    own.insert(s.target);
    without += own.size() == 6;
    REQUIRE(own.size() >= 5);
    for (const auto row : own) REQUIRE(seen.insert(row).second);
  }
  CHECK(without > 150);
  CHECK(seen.size() * 50 == batch.table().size());
  const double n = static_cast<double>(batch.table().size());
  // Variance of x^2 is 2/dim^2; five standard errors.
  CHECK(std::abs(squared_norm(batch.table()) / n * 50 - 1.0) < 5.0 * std::sqrt(2.0 / n));

  SequenceBatch next;
  task.draw_training(3, 400, next);
  CHECK(next.fresh != batch.fresh);
  task.draw_icl_test(2, 400, next);
  CHECK(next.fresh != batch.fresh);
  const auto all = training({.n_items = {}, .n_context = 5, .dim = 1}, 10'000);
  CHECK(std::abs(share(all, [](const Sequence& s) { return s.labels[2] == 1; }) - 0.5) < bound(0.5, 10'000));
  CHECK(std::abs(share(all, [](const Sequence& s) { return s.target == s.items[4]; }) - 0.2) < bound(0.2, 10'000));
}

TEST_CASE("icl task: any step can be drawn without those before it", "[transformer]") {
  for (const std::optional<std::uint64_t> n_items :
       {std::optional<std::uint64_t>(30), std::optional<std::uint64_t>()}) {
    const TaskOptions options{.n_items = n_items, .n_context = 8, .dim = 4};
    IclTask one(options, 5), other(options, 5), seed(options, 6);
    SequenceBatch a, b, c, d;
    one.draw_training(0, 10, a);
    one.draw_icl_test(0, 10, a);
    if (n_items) one.draw_iwl_test(0, 10, a);
    one.draw_training(7, 10, a);
    other.draw_training(7, 10, b);
    CHECK(a.items == b.items);
    CHECK(a.labels == b.labels);
    CHECK(a.fresh == b.fresh);
    other.draw_training(8, 10, c);
    seed.draw_training(7, 10, d);
    CHECK(a.labels != c.labels);
    CHECK(a.labels != d.labels);
  }
}

TEST_CASE("icl task: runs can share their items", "[transformer]") {
  const auto features = [](ItemSet set, std::uint64_t seed) {
    return IclTask({.n_items = 50, .dim = 3, .item_set = set}, seed).dataset().features;
  };
  const auto labels = [](ItemSet set, std::uint64_t seed) {
    return IclTask({.n_items = 50, .dim = 3, .item_set = set}, seed).dataset().labels;
  };
  CHECK(features(ItemSet::per_run, 1) != features(ItemSet::per_run, 2));
  CHECK(features(ItemSet::fixed, 1) == features(ItemSet::fixed, 2));
  CHECK(labels(ItemSet::fixed, 1) != labels(ItemSet::fixed, 2));
  CHECK(labels(ItemSet::fixed, 1) == labels(ItemSet::per_run, 1));
}

TEST_CASE("icl task: labels of items can be balanced", "[transformer]") {
  const auto n_positive = [](LabelRule rule) {
    const IclTask task({.n_items = 100, .dim = 1, .item_labels = rule}, 4);
    return std::count(task.dataset().labels.begin(), task.dataset().labels.end(), 1);
  };
  CHECK(n_positive(LabelRule::balanced) == 50);
  CHECK(n_positive(LabelRule::random) != 50);
}

TEST_CASE("icl task: drawing again allocates nothing", "[transformer]") {
  for (const std::optional<std::uint64_t> n_items :
       {std::optional<std::uint64_t>(30), std::optional<std::uint64_t>()}) {
    IclTask task({.n_items = n_items, .n_context = 8, .dim = 4}, 5);
    SequenceBatch batch;
    DotBatch dots;
    const auto draw = [&](std::uint64_t step) {
      task.draw_training(step, 10, batch);
      if (!n_items) task.draw_training(step, 10, dots);
    };
    draw(0);
    const long before = n_allocations();
    draw(1);
    CHECK(n_allocations() == before);
  }
}

TEST_CASE("icl task: drawn dot products have the law of computed ones", "[transformer][parity]") {
  constexpr std::size_t n_sequences = 800, n_context = 25, dim = 20;
  IclTask task({.n_items = {}, .n_context = n_context, .dim = dim, .copy_share = 0.75, .copies = 2}, 9);
  DotBatch drawn;
  SequenceBatch plain;
  for (const bool test : {false, true}) {
    if (test) {
      task.draw_icl_test(4, n_sequences, drawn);
      task.draw_icl_test(4, n_sequences, plain);
    } else {
      task.draw_training(4, n_sequences, drawn);
      task.draw_training(4, n_sequences, plain);
    }
    CAPTURE(test);
    CHECK(drawn.labels.size() == n_sequences * (n_context + 1));
    // Dot products with other items, as they are and relative to the target's norm; squared norms; copies; and the scatter
    // within a sequence, which knows whether dots of one target are independent.
    struct Sample {
      std::vector<double> dots, normalised, norms, scatter;
      std::size_t n_with_copy = 0;
    } a, b;
    const auto add = [&](Sample& sample, std::span<const float> target, const std::vector<double>& dots,
                         const std::vector<bool>& copy) {
      const double square = squared_norm(target);
      double sum = 0.0;
      for (std::size_t j = 0; j < n_context; ++j) {
        if (copy[j]) continue;
        sample.dots.push_back(dots[j]);
        sample.normalised.push_back(dots[j] / std::sqrt(square));
        sum += dots[j] * dots[j];
      }
      sample.norms.push_back(square);
      sample.scatter.push_back(sum);
      sample.n_with_copy += std::count(copy.begin(), copy.end(), true) == 2;
    };
    for (std::size_t s = 0; s < n_sequences; ++s) {
      const auto target = std::span(drawn.targets).subspan(s * dim, dim);
      const auto square = static_cast<float>(squared_norm(target));
      std::vector<double> dots;
      std::vector<bool> copy;
      for (std::size_t j = 0; j < n_context; ++j) {
        const float dot = drawn.dots[s * n_context + j];
        dots.push_back(dot);
        copy.push_back(dot >= square && dot <= square);
        if (copy.back())
          REQUIRE(drawn.labels[s * (n_context + 1) + j] == drawn.labels[s * (n_context + 1) + n_context]);
      }
      add(a, target, dots, copy);

      const std::uint32_t* items = plain.items.data() + s * (n_context + 1);
      const auto item = [&](std::size_t j) { return plain.table().subspan(items[j] * dim, dim); };
      dots.clear();
      copy.clear();
      for (std::size_t j = 0; j < n_context; ++j) {
        double dot = 0.0;
        for (std::size_t d = 0; d < dim; ++d) dot += static_cast<double>(item(j)[d]) * item(n_context)[d];
        dots.push_back(dot);
        copy.push_back(items[j] == items[n_context]);
      }
      add(b, item(n_context), dots, copy);
    }
    // The same number of copies by the same draws; two-sample Kolmogorov-Smirnov bounds exceeded once in 1e4.
    CHECK(a.n_with_copy == b.n_with_copy);
    CHECK((test ? a.n_with_copy == n_sequences : a.n_with_copy < n_sequences));
    const auto same_law = [](const std::vector<double>& x, const std::vector<double>& y) {
      const double n = static_cast<double>(std::min(x.size(), y.size())) / 2;
      return two_sample_distance(x, y) * std::sqrt(n) < 2.2;
    };
    CHECK(same_law(a.dots, b.dots));
    CHECK(same_law(a.normalised, b.normalised));
    CHECK(same_law(a.norms, b.norms));
    CHECK(same_law(a.scatter, b.scatter));
    // Moments: x . x_t / |x_t| is N(0, 1/dim).
    double mean = 0.0, square = 0.0;
    for (const double x : a.normalised) {
      mean += x;
      square += x * x;
    }
    const double n = static_cast<double>(a.normalised.size());
    CHECK(std::abs(mean / n) < 5.0 / std::sqrt(n * dim));
    CHECK(std::abs(square / n * dim - 1.0) < 5.0 * std::sqrt(2.0 / n));
  }
}

TEST_CASE("icl task: bad options are named", "[transformer][errors]") {
  CHECK_THROWS_WITH(validate(TaskOptions{.n_items = 1}), "n_items: expected 2 to 10000000 items, got 1");
  CHECK_THROWS_WITH(validate(TaskOptions{.n_items = 20'000'000}),
                    "n_items: expected 2 to 10000000 items, got 20000000");
  CHECK_THROWS_WITH(validate(TaskOptions{.n_items = 3, .item_labels = LabelRule::balanced}),
                    "n_items: expected an even number of items for balanced labels, got 3");
  CHECK_THROWS_WITH(validate(TaskOptions{.n_items = {}, .n_context = 1}),
                    "n_context: expected 2 to 100000 exemplars, got 1");
  CHECK_THROWS_WITH(validate(TaskOptions{.n_items = {}, .dim = 0}), "dim: expected 1 to 16384, got 0");
  CHECK_THROWS_WITH(validate(TaskOptions{.n_items = {}, .n_context = 5, .context_labels = ContextLabels::balanced}),
                    "n_context: expected an even number of exemplars for balanced contexts, got 5");
  CHECK_THROWS_WITH(
      validate(TaskOptions{.n_items = {}, .n_context = 6, .context_labels = ContextLabels::balanced_with_target}),
      "n_context: expected an odd number of exemplars for contexts that are balanced together with the target, got 6");
  CHECK_THROWS_WITH(validate(TaskOptions{.n_items = 9, .zipf_exponent = -1.0}),
                    "zipf_exponent: expected 0 to 5, got -1");
  CHECK_THROWS_WITH(validate(TaskOptions{.n_items = {}, .zipf_exponent = 1.0}),
                    "zipf_exponent: expected 0 with fresh items in each sequence, got 1");
  CHECK_THROWS_WITH(validate(TaskOptions{.n_items = {}, .copy_share = 1.5}),
                    "copy_share: expected a share in [0, 1], got 1.5");
  CHECK_THROWS_WITH(validate(TaskOptions{.n_items = {}, .n_context = 4, .copies = 5}),
                    "copies: expected 1 to 4 (the exemplars of the target's label), got 5");
  CHECK_THROWS_WITH(
      validate(TaskOptions{.n_items = {}, .n_context = 4, .context_labels = ContextLabels::balanced, .copies = 0}),
      "copies: expected 1 to 2 (the exemplars of the target's label), got 0");
  CHECK_THROWS_WITH(IclTask({.n_items = 2, .n_context = 4, .context_labels = ContextLabels::balanced}, 1),
                    ContainsSubstring("context_labels: expected at least 2 items of each label for balanced contexts"));
  SequenceBatch batch;
  DotBatch dots;
  CHECK_THROWS_WITH(IclTask({.n_items = {}}, 1).draw_iwl_test(0, 1, batch),
                    "n_items: an in-weights test needs a finite number of items, got infinitely many");
  CHECK_THROWS_WITH(IclTask({.n_items = 9}, 1).draw_training(0, 1, dots),
                    "n_items: dot products are drawn in place of fresh items only, got 9 items");
}
