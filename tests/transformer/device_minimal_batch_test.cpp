// Minimal models together as backend cuda trains them, its kernels on the host; and on the card where there is one.

#include <algorithm>
#include <cmath>
#include <string>

#include "attention_head.hpp"
#include "device_checks.hpp"
#include "host_space.hpp"
#include "iclk/core/normal_fill.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "minimal_kernels.hpp"
#include "space.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

using namespace iclk;
using namespace iclk::device;
using namespace iclk::test;
using namespace iclk::transformer;

namespace {

/// Kinds of runs that differ in how sequences are drawn or what the model does.
std::vector<SimulationOptions> all_kinds() {
  std::vector<SimulationOptions> runs{small_minimal_run(std::nullopt, 0), small_minimal_run(30, 1),
                                      small_minimal_run(5000, 2)};
  for (const std::optional<std::uint64_t> n_items :
       {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(40)}) {
    const auto add = [&](auto change) {
      runs.push_back(small_minimal_run(n_items, runs.size()));
      change(runs.back());
    };
    add([](auto& run) { run.labels = ContextLabels::balanced; });
    add([](auto& run) {
      run.labels = ContextLabels::balanced_with_target;
      run.context = 9;
    });
    add([](auto& run) { run.attend_self = true; });
    add([](auto& run) { run.copies = 2; });
    add([](auto& run) { run.copy_share = 0.5; });
    add([](auto& run) {
      run.lambda_w = 0.2;
      run.lambda_beta = 0.1;
      run.weight_decay = 0.01;
    });
    add([](auto& run) { run.beta0 = -1.0; });
    if (n_items) {
      add([](auto& run) { run.target_rule = TargetRule::resampled; });
      add([](auto& run) { run.item_labels = mlp_stats::LabelRule::balanced; });
      add([](auto& run) { run.item_set = ItemSet::fixed; });
    }
  }
  return runs;
}

}  // namespace

TEST_CASE("device normals: the same bits as on the host", "[transformer][cuda]") {
  for (const std::size_t n : {1U, 63U, 64U, 65U, 1000U}) {
    std::vector<float> expected(n), found((n + 63) / 64 * 64, 0.0F);
    fill_normals(expected, 0.3, 7, RandomPurpose::test, 3);
    for (std::uint32_t block = 0; block < found.size() / 4; ++block) {
      const NormalBlock drawn = normal_block(7, RandomPurpose::test, 3, block, static_cast<float>(0.3));
      for (int i = 0; i < 4; ++i) found[drawn.places[i]] = drawn.values[i];
    }
    found.resize(n);
    CHECK(found == expected);
  }
}

TEST_CASE("device sequences: items and labels are those of the task", "[transformer][cuda]") {
  for (const SimulationOptions& run : all_kinds()) {
    CAPTURE(words_of(run));
    IclTask task(task_options(run), run.seed);
    const bool fresh = !run.n_items;
    const std::uint32_t n_sequences = 200;
    const auto row = static_cast<std::uint32_t>(n_exemplars(run) + 1);
    const auto& dataset = task.dataset();
    std::vector<std::uint32_t> by_label;
    std::uint32_t n_positive = 0;
    for (const int label : {1, -1}) {
      for (std::uint32_t i = 0; i < dataset.n_items; ++i) {
        if (dataset.labels[i] == label) by_label.push_back(i);
      }
      if (label > 0) n_positive = static_cast<std::uint32_t>(by_label.size());
    }
    const SequenceSlot slot{.items = nullptr,
                            .labels = dataset.labels.data(),
                            .by_label = by_label.data(),
                            .seed = run.seed,
                            .step = 11,
                            .n_items = static_cast<std::uint32_t>(dataset.n_items),
                            .n_positive = n_positive};
    const DeviceTask rules{.n_context = n_exemplars(run),
                           .context_labels = run.labels,
                           .target_rule = run.target_rule,
                           .copies = run.copies};
    const StreamPlan plan{.sequences = RandomPurpose::training_sequences,
                          .normals = RandomPurpose::dot_products,
                          .n_streams = 2,
                          .per_stream = n_sequences,
                          .n_sequences = n_sequences + 150,
                          .streams_per_step = 1,
                          .first_stream = 0,
                          .capacity = 2 * n_sequences,
                          .copy_share = run.copy_share,
                          .fresh = fresh};
    std::vector<std::uint32_t> items(std::size_t{plan.capacity} * row);
    std::vector<std::int8_t> labels(items.size());
    HostSpace space;
    ComposeSequences compose_all{.slots = &slot,
                                 .task = rules,
                                 .plan = plan,
                                 .n_words = words_per_sequence(rules, plan),
                                 .items = items.data(),
                                 .labels = labels.data()};
    // The lanes began at the right words: nothing was drawn again. Where their number is not known it says so.
    const bool in_turn = run.copies > 1 || run.copy_share < 1 || run.target_rule == TargetRule::resampled;
    CHECK(compose_all.partial(0, 3).any_rejected == (in_turn ? 1 : 0));
    space.reduce<ComposeSequences::kLanes, Along::lanes>(2, compose_all);
    for (std::uint32_t stream = 0; stream < 2; ++stream) {
      const std::size_t first = std::size_t{stream} * n_sequences * row;
      const std::size_t n = (stream == 0 ? n_sequences : 150) * row;
      SequenceBatch expected;
      task.draw_training(11 + stream, n / row, expected);
      CHECK(std::equal(expected.labels.begin(), expected.labels.end(), labels.begin() + first));
      CHECK(std::equal(expected.items.begin(), expected.items.end(), items.begin() + first));
      if (fresh) {
        DotBatch dots;
        task.draw_training(11 + stream, n / row, dots);
        CHECK(std::equal(dots.labels.begin(), dots.labels.end(), labels.begin() + first));
      }
    }
  }
}

TEST_CASE("device random: a stream can be entered at any word", "[transformer][cuda]") {
  StreamRng rejecting(1, RandomPurpose::test, 0);
  for (int i = 0; i < 8; ++i) rejecting.below(2'800'000'000U);  // about one word in three is rejected
  CHECK(rejecting.position() > 8);
  for (std::uint32_t first = 0; first < 9; ++first) {
    StreamRng entered(1, RandomPurpose::test, 0, first);
    CHECK(entered.position() == first);
    Rng expected(1, RandomPurpose::test, 0);
    for (std::uint32_t i = 0; i < first; ++i) expected();
    for (int i = 0; i < 10; ++i) CHECK(entered() == expected());
    CHECK(entered.position() == first + 10);
  }
}

TEST_CASE("device head: attention of a row is that of the reference", "[transformer][cuda]") {
  Rng rng(2, RandomPurpose::test, 0);
  for (const double beta : {0.0, 0.7, -3.0, 40.0, 400.0, -400.0}) {
    for (const std::size_t n : {2U, 31U, 100U}) {
      CAPTURE(beta, n);
      std::vector<double> dots(n);
      std::vector<std::int8_t> labels(n);
      for (std::size_t j = 0; j < n; ++j) {
        dots[j] = static_cast<float>(0.2 * rng.normal());
        labels[j] = rng.below(2) != 0 ? 1 : -1;
      }
      dots[n / 2] = 1.0;
      const HeadOutput expected = attend(beta, dots, labels.data(), nullptr);
      AttendRows::State lanes[4];
      for (int lane = 0; lane < 4; ++lane) {
        lanes[lane] = {static_cast<float>(beta), 0.0F, 0.0F, 0.0F, 0.0F, 0.0F};
        for (std::size_t j = static_cast<std::size_t>(lane); j < n; j += 4) {
          lanes[lane].add(static_cast<float>(dots[j]), labels[j]);
        }
      }
      lanes[0].merge(lanes[2]);
      lanes[1].merge(lanes[3]);
      lanes[0].merge(lanes[1]);
      const AttendRows::State& s = lanes[0];
      const double label = static_cast<double>(s.label) / s.total;
      CHECK_THAT(label, WithinAbs(expected.label, 2e-5));
      CHECK_THAT(s.both / static_cast<double>(s.total) - label * (s.dot / static_cast<double>(s.total)),
                 WithinAbs(expected.slope, 2e-6));
    }
  }
}

TEST_CASE("batch of minimal models: the first 100 steps are those of the reference", "[transformer][parity][cuda]") {
  for (const SimulationOptions& run : all_kinds()) follows_the_reference(make_host_batch, run, 1e-4);
}

TEST_CASE("batch of minimal models: on the card the first 100 steps are those of the reference",
          "[transformer][parity][cuda]") {
  if (skipped(mlp_stats::cuda_problem())) return;
  for (const SimulationOptions& run : all_kinds()) follows_the_reference(make_cuda_batch, run, 1e-4);
}
