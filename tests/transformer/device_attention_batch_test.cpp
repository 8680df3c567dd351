// One-layer transformers together as backend cuda trains them, its kernels on the host; and on the card where there is one.

#include <vector>

#include "device_checks.hpp"
#include "iclk/core/error.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::transformer;

namespace {

/// Kinds of runs that differ in how sequences are drawn or what the model does.
std::vector<SimulationOptions> all_kinds() {
  std::vector<SimulationOptions> runs;
  for (const Profile profile : {Profile::paper, Profile::release}) {
    for (const std::optional<std::uint64_t> n_items :
         {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(40)}) {
      const auto add = [&](auto change) {
        runs.push_back(small_attention_run(profile, n_items, runs.size()));
        change(runs.back());
      };
      add([](auto&) {});
      add([](auto& run) { run.attend_self = !run.attend_self; });
      add([](auto& run) {
        run.labels = run.count_target ? ContextLabels::balanced_with_target : ContextLabels::balanced;
      });
      add([](auto& run) {
        run.weight_decay = 0.01;
        run.attention_decay = 0.1;
        run.decay_layernorm = !run.decay_layernorm;
      });
    }
  }
  for (const std::optional<std::uint64_t> n_items :
       {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(5000)}) {
    const auto add = [&](auto change) {
      runs.push_back(small_attention_run(Profile::paper, n_items, runs.size()));
      change(runs.back());
    };
    add([](auto& run) { run.copies = 2; });
    add([](auto& run) { run.copy_share = 0.5; });
    add([](auto& run) {
      run.batch = 260;  // wider than a stream of tests
      run.context = 4;
      run.hidden = 5;
    });
    add([](auto& run) {
      run.dim = 63;
      run.context = 20;
      run.hidden = 40;
      run.batch = 8;
    });
  }
  return runs;
}

}  // namespace

TEST_CASE("batch of transformers: the first 100 steps are those of the reference", "[transformer][parity][cuda]") {
  for (const SimulationOptions& run : all_kinds()) follows_the_reference(make_host_batch, run, 1e-4);
}

TEST_CASE("batch of transformers: on the card the first 100 steps are those of the reference",
          "[transformer][parity][cuda]") {
  if (skipped(mlp_stats::cuda_problem())) return;
  for (const SimulationOptions& run : all_kinds()) follows_the_reference(make_cuda_batch, run, 1e-4);
}

TEST_CASE("batch of transformers: attention that is all on one token is that of the reference", "[transformer][cuda]") {
  const SimulationOptions run = small_attention_run(Profile::paper, 40, 3);
  SimulationOptions alone = run;
  alone.backend = mlp_stats::BackendKind::eigen;
  alone.precision = mlp_stats::Precision::float64;
  const auto batch = make_host_batch({.run = run, .capacity = 1});
  const IclTask task(task_options(run), run.seed);
  batch->place(0, run, task.dataset());
  const std::vector<std::size_t> slot{0};
  // Scores of tens to ten thousands: every exponential but one underflows.
  for (const double scale : {30.0, 1e3, 1e5}) {
    CAPTURE(scale);
    std::vector<NamedArray> arrays = make_model(alone)->parameters();
    for (NamedArray& array : arrays) {
      if (array.name != "query") continue;
      for (double& value : array.values) value = static_cast<float>(scale * value);
    }
    batch->load(0, arrays);
    CHECK(batch->parameters(0) == arrays);
    Simulation reference(alone, [&](const SimulationOptions& options) {
      auto model = make_model(options);
      model->load(arrays);
      return model;
    });
    reference.advance(0);
    const SimulationSample &expected = reference.samples()[0], found = batch->measure(slot)[0];
    CHECK_THAT(found.icl_loss, WithinRel(expected.icl_loss, 1e-4));
    CHECK_THAT(*found.iwl_loss, WithinRel(*expected.iwl_loss, 1e-4));
    for (std::size_t i = 0; i < expected.diagnostics.size(); ++i) {
      CAPTURE(reference.diagnostic_names()[i]);
      CHECK_THAT(found.diagnostics[i], WithinRel(expected.diagnostics[i], 1e-4));
    }
  }
}

TEST_CASE("batch of transformers: a measurement changes nothing of the training", "[transformer][cuda]") {
  for (const std::optional<std::uint64_t> n_items :
       {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(40)}) {
    const SimulationOptions run = small_attention_run(Profile::release, n_items, 5);
    std::vector<std::vector<NamedArray>> trained;
    for (const bool measured : {false, true}) {
      const auto batch = make_host_batch({.run = run, .capacity = 2});
      const IclTask task(task_options(run), run.seed);
      SimulationOptions start = run;
      start.backend = mlp_stats::BackendKind::eigen;
      for (std::size_t slot = 0; slot < 2; ++slot) {
        batch->place(slot, run, task.dataset());
        batch->load(slot, make_model(start)->parameters());
      }
      for (int i = 0; i < 3; ++i) {
        batch->train(2, 7);
        if (measured) batch->measure(std::vector<std::size_t>{1});
      }
      CHECK(batch->parameters(0) == batch->parameters(1));
      CHECK(batch->loss_sums(2)[0] > 0.0);
      CHECK((batch->loss_sums(2)[1] > 0.0) == !measured);
      trained.push_back(batch->parameters(1));
    }
    CHECK(trained[0] == trained[1]);
  }
}

TEST_CASE("batch of transformers: saved parameters of another shape are refused", "[transformer][cuda][errors]") {
  const SimulationOptions run = small_attention_run(Profile::paper, std::nullopt, 0);
  const auto batch = make_host_batch({.run = run, .capacity = 1});
  std::vector<NamedArray> arrays = batch->parameters(0);
  arrays[2].values.pop_back();
  CHECK_THROWS_WITH(batch->load(0, arrays), "query: expected 144 saved parameters, found 143");
  arrays = batch->parameters(0);
  arrays.push_back({"more", {1.0}});
  CHECK_THROWS_WITH(batch->load(0, arrays), "more: more saved parameters than this model has");
}
