#include "device_checks.hpp"

#include <cmath>

#include "device_attention_model.hpp"
#include "device_minimal_model.hpp"
#include "host_space.hpp"
#include "model_checks.hpp"
#include "support/catch.hpp"

namespace iclk::test {

using namespace iclk::device;
using namespace iclk::transformer;

std::unique_ptr<ModelBatch> make_host_batch(const ModelBatchOptions& options) {
  auto space = std::make_unique<HostSpace>();
  if (options.run.model == ModelKind::one_layer) {
    return std::make_unique<DeviceAttentionBatch<HostSpace>>(std::move(space), options);
  }
  return std::make_unique<DeviceMinimalBatch<HostSpace>>(std::move(space), options);
}

namespace {

void make_small(SimulationOptions& options, std::optional<std::uint64_t> n_items, std::uint64_t seed) {
  options.n_items = n_items;
  options.seed = seed;
  options.context = 8;
  options.dim = 10;
  options.hidden = 12;
  options.batch = 6;
  options.lr = 0.1;
  options.iterations = 120;
  options.test_sequences = 300;  // two streams of tests, the second one short
  options.points_per_decade = 4;
  options.measure_every = 50;
  options.backend = mlp_stats::BackendKind::cuda;
}

}  // namespace

SimulationOptions small_minimal_run(std::optional<std::uint64_t> n_items, std::uint64_t seed) {
  SimulationOptions options;
  make_small(options, n_items, seed);
  options.beta0 = 0.5;
  options.w0 = 0.3;
  return options;
}

SimulationOptions small_attention_run(Profile profile, std::optional<std::uint64_t> n_items, std::uint64_t seed) {
  SimulationOptions options = default_options(profile, ModelKind::one_layer, !n_items);
  make_small(options, n_items, seed);
  return options;
}

std::string words_of(const SimulationOptions& run) {
  std::string words;
  for (const auto& [key, value] : settings_of(run).entries) words += key + ' ' + value + ' ';
  return words;
}

void follows_the_reference(const ModelBatchFactory& make_batch, const SimulationOptions& run, double tolerance) {
  CAPTURE(words_of(run));
  SimulationOptions alone = run;
  alone.backend = mlp_stats::BackendKind::eigen;
  alone.precision = mlp_stats::Precision::float64;
  alone.item_draw = ItemDraw::items;  // as on a card
  alone.iterations = 100;
  alone.stop_icl.reset();
  Simulation reference(alone);
  reference.advance(100);
  REQUIRE(reference.outcome() == SimulationOutcome::reached_iterations);

  constexpr std::size_t kSlots = 3, kSlot = 2;
  const auto batch = make_batch({.run = run, .capacity = kSlots});
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    SimulationOptions one = alone;
    one.seed = run.seed + kSlot - slot;
    if (run.n_items) one.n_items = *run.n_items + 6 * (kSlot - slot);
    const IclTask task(task_options(one), one.seed);
    batch->place(slot, one, task.dataset());
    batch->load(slot, make_model(one)->parameters());
  }
  const std::vector<std::size_t> slots{kSlot};
  const auto names = reference.diagnostic_names();
  std::uint64_t done = 0;
  for (const SimulationSample& sample : reference.samples()) {
    CAPTURE(sample.iteration);
    batch->train(kSlots, sample.iteration - done);
    if (sample.train_loss) {
      CHECK_THAT(batch->loss_sums(kSlots)[kSlot] / static_cast<double>(sample.iteration - done),
                 WithinRel(*sample.train_loss, tolerance));
    }
    done = sample.iteration;
    const SimulationSample found = batch->measure(slots)[0];
    CHECK_THAT(found.icl_loss, WithinRel(sample.icl_loss, tolerance));
    // One sequence of 300 whose logit is next to zero may fall on the other side.
    CHECK_THAT(found.icl_accuracy, WithinAbs(sample.icl_accuracy, 1.01 / 300));
    REQUIRE(found.iwl_loss.has_value() == sample.iwl_loss.has_value());
    if (found.iwl_loss) {
      CHECK_THAT(*found.iwl_loss, WithinRel(*sample.iwl_loss, tolerance));
      CHECK_THAT(*found.iwl_accuracy, WithinAbs(*sample.iwl_accuracy, 1.01 / 300));
    }
    CHECK_THAT(found.c1, WithinRel(sample.c1, tolerance));
    CHECK_THAT(found.c2, WithinRel(sample.c2, tolerance));
    CHECK_THAT(found.c3, WithinRel(sample.c3, tolerance));
    REQUIRE(found.diagnostics.size() == sample.diagnostics.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      CAPTURE(names[i]);
      // Projections pass through zero; they are sums of entries near 1, of which 1e-6 is a few roundings.
      CHECK_THAT(found.diagnostics[i],
                 WithinRel(sample.diagnostics[i], tolerance) || WithinAbs(sample.diagnostics[i], 1e-6));
    }
    CHECK(batch->loss_sums(kSlots)[kSlot] == 0.0);
  }
  const std::vector<NamedArray> expected = reference.state().parameters, found = batch->parameters(kSlot);
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(expected[i].name);
    CHECK(found[i].name == expected[i].name);
    CHECK(norm(difference(found[i].values, expected[i].values)) <= tolerance * norm(expected[i].values));
  }
}

}  // namespace iclk::test
