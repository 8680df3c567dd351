#include "iclk/transformer/simulation.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "iclk/core/error.hpp"
#include "iclk/core/table_file.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include "toy_model.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::transformer;

namespace {

bool equal(const std::vector<SimulationSample>& a, const std::vector<SimulationSample>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const SimulationSample& x, const SimulationSample& y) {
    return x.iteration == y.iteration && x.time == y.time && x.train_loss == y.train_loss &&
           x.icl_accuracy == y.icl_accuracy && x.icl_loss == y.icl_loss && x.iwl_accuracy == y.iwl_accuracy &&
           x.iwl_loss == y.iwl_loss && x.c1 == y.c1 && x.c2 == y.c2 && x.c3 == y.c3 && x.diagnostics == y.diagnostics;
  });
}

std::vector<SimulationSample> samples_of(const SimulationOptions& options, const ModelFactory& factory = make_model) {
  Simulation run(options, factory);
  run.advance(1'000'000'000);
  return run.samples();
}

Simulation finished_toy(const SimulationOptions& options) {
  Simulation run(options, make_toy);
  run.advance(1'000'000'000);
  return run;
}

}  // namespace

TEST_CASE("simulation: measured on a logarithmic grid and at equal steps", "[transformer]") {
  SimulationOptions options = toy_options();
  options.iterations = 50;
  options.measure_every = 20;
  options.points_per_decade = 2;
  std::vector<std::uint64_t> due{0};
  while (due.back() < options.iterations) due.push_back(next_measurement(options, due.back()));
  CHECK(due == std::vector<std::uint64_t>{0, 1, 3, 10, 20, 32, 40, 50});
  // From anywhere, it is the first of all these.
  for (std::uint64_t at = 0; at < 50; ++at) {
    CHECK(next_measurement(options, at) == *std::upper_bound(due.begin(), due.end(), at));
  }
  options.iterations = 1'000'000'000'000;
  options.measure_every = 1'000'000'000'000;
  options.points_per_decade = 32;
  std::uint64_t at = 0;
  for (int k = 0; at < options.iterations; ++k) {
    REQUIRE(k < 400);
    const std::uint64_t next = next_measurement(options, at);
    REQUIRE(next > at);
    // Rounding to whole steps apart, no gap is wider than a 32nd of a decade.
    CHECK(static_cast<double>(next) <= static_cast<double>(at) * std::pow(10.0, 1.0 / 32) + 1.0);
    at = next;
  }
}

TEST_CASE("simulation: markers of a run that acquires and fades", "[transformer]") {
  const Simulation run = finished_toy(toy_options());
  CHECK(run.outcome() == SimulationOutcome::reached_iterations);
  CHECK(run.iteration() == 3000);
  const SimulationMarkers& markers = run.markers();
  // Accuracy n/1000 in steps of 1/100, lr = 1/4.
  CHECK_THAT(*markers.t_icl, WithinRel(950 * 0.25, 1e-12));
  CHECK_THAT(*markers.t_accuracy_fade, WithinRel(2100 * 0.25, 1e-12));
  CHECK(markers.max_icl_accuracy == 1);
  // beta = n/100 reaches ln 3, w = 4 at step 1500 and 1 at step 2250.
  CHECK_THAT(*markers.t_attention_half, WithinRel(100 * std::log(3.0) * 0.25, 1e-12));
  CHECK(markers.w_max == 4);
  CHECK(markers.t_w_max == 1500 * 0.25);
  CHECK_THAT(*markers.t_fade, WithinRel(2250 * 0.25, 1e-12));
  // Loss at chance is ln 2; the toy's best is the mean of sp(-u) over u in (0, 1), above half of it.
  CHECK_FALSE(markers.t_half_loss);
}

TEST_CASE("simulation: markers interpolate between measurements and need what they are about", "[transformer]") {
  SimulationOptions options = toy_options();
  const std::vector<std::string> names{"w", "beta"};
  const auto sample = [](double time, double accuracy, double loss, double w, double beta) {
    SimulationSample s;
    s.time = time;
    s.icl_accuracy = accuracy;
    s.icl_loss = loss;
    s.diagnostics = {w, beta};
    return s;
  };
  MarkerTracker tracker(options, names);
  tracker.add(sample(0, 0.5, 0.7, 2.0, 0.0));
  tracker.add(sample(10, 0.9, 0.4, 0.5, 2.0));  // w below 1 before acquisition is no fading
  CHECK_FALSE(tracker.markers().t_fade);
  CHECK_THAT(*tracker.markers().t_attention_half, WithinRel(5 * std::log(3.0), 1e-14));
  tracker.add(sample(20, 0.97, 0.3, 3.0, 1.0));
  CHECK_THAT(*tracker.markers().t_icl, WithinRel(10 + 10 * 0.05 / 0.07, 1e-14));
  CHECK_THAT(*tracker.markers().t_half_loss, WithinRel(10 + 10 * (0.4 - std::log(2.0) / 2) / 0.1, 1e-14));
  tracker.add(sample(30, 0.85, 0.5, 3.0, 1.0));  // it never had 99 %
  CHECK_FALSE(tracker.markers().t_accuracy_fade);
  tracker.add(sample(40, 0.995, 0.5, 2.0, 1.0));
  tracker.add(sample(50, 0.92, 0.5, 0.0, 1.0));
  CHECK_THAT(*tracker.markers().t_fade, WithinRel(45.0, 1e-14));
  tracker.add(sample(60, 0.82, 0.5, 0.0, 1.0));
  CHECK_THAT(*tracker.markers().t_accuracy_fade, WithinRel(52.0, 1e-14));
  CHECK(tracker.markers().w_max == 3.0);
  CHECK(tracker.markers().t_w_max == 20.0);

  options.attend_self = true;
  MarkerTracker self(options, names);
  self.add(sample(0, 0.5, 0.7, 2.0, 9.0));
  CHECK_FALSE(self.markers().t_attention_half);
  options.model = ModelKind::one_layer;
  MarkerTracker layered(options, names);
  layered.add(sample(0, 0.5, 0.7, 2.0, 9.0));
  CHECK_FALSE(layered.markers().w_max);
}

TEST_CASE("simulation: each stop ends the run at the measurement that meets it", "[transformer]") {
  SimulationOptions options = toy_options();
  options.stop_icl = 0.75;
  CHECK(finished_toy(options).outcome() == SimulationOutcome::reached_icl);
  CHECK(finished_toy(options).iteration() == 800);
  options.stop_icl = 1.0;  // above it, not at it
  CHECK(finished_toy(options).outcome() == SimulationOutcome::reached_iterations);
  options.stop_icl.reset();
  options.stop_faded = true;
  CHECK(finished_toy(options).outcome() == SimulationOutcome::faded);
  CHECK(finished_toy(options).iteration() == 2100);
  options.stop_memorized = 0.4999;
  const Simulation memorized = finished_toy(options);
  const auto& samples = memorized.samples();
  CHECK((memorized.outcome() == SimulationOutcome::memorized) == (samples.back().c1 < 0.4999));
  for (std::size_t i = 0; i + 1 < samples.size(); ++i) CHECK(samples[i].c1 >= 0.4999);
}

TEST_CASE("simulation: the training loss is the mean since the last measurement", "[transformer]") {
  const auto samples = samples_of(toy_options(), make_toy);
  CHECK_FALSE(samples[0].train_loss);
  for (std::size_t i = 1; i < samples.size(); ++i) {
    // The toy's loss at step n is lr n.
    const double from = static_cast<double>(samples[i - 1].iteration) + 1;
    const double to = static_cast<double>(samples[i].iteration);
    CHECK_THAT(*samples[i].train_loss, WithinRel(0.25 * (from + to) / 2, 1e-12));
  }
}

TEST_CASE("simulation: the split into calls and states changes nothing", "[transformer]") {
  const ModelKind model = GENERATE(ModelKind::minimal, ModelKind::one_layer, ModelKind::two_layer);
  for (const bool infinite : {false, true}) {
    SimulationOptions options = small_options();
    options.model = model;
    if (model != ModelKind::minimal) options.attend_self = true;
    if (infinite) options.n_items.reset();
    INFO(name(model) << (infinite ? " infinite" : " finite"));
    Simulation whole(options);
    whole.advance(1'000'000);
    REQUIRE(whole.outcome() == SimulationOutcome::reached_iterations);
    Simulation parts(options);
    for (const std::uint64_t steps : {0, 1, 2, 7, 90, 1, 150, 333, 10'000}) {
      parts.advance(steps);
      parts = Simulation(options, parts.state());
    }
    CHECK(parts.outcome() == SimulationOutcome::reached_iterations);
    CHECK(equal(parts.samples(), whole.samples()));
    CHECK(parts.state().parameters == whole.state().parameters);
    CHECK(parts.markers().w_max == whole.markers().w_max);
  }
}

TEST_CASE("simulation: K infinite has no in-weights test and its c1 is that of novel items", "[transformer]") {
  SimulationOptions options = small_options();
  options.n_items.reset();
  options.test_sequences = 2000;
  for (const SimulationSample& sample : samples_of(options)) {
    CHECK_FALSE(sample.iwl_accuracy);
    CHECK_FALSE(sample.iwl_loss);
    // Labels of novel items are fair coins: c1 = 1/2 up to 4 standard errors of sigmoids within (0, 1).
    CHECK(std::abs(sample.c1 - 0.5) < 4 * 0.5 / std::sqrt(2000.0));
  }
}

TEST_CASE("simulation: the minimal model memorizes few items and learns in context from many", "[transformer]") {
  SimulationOptions options = small_options();
  options.hidden = 32;
  options.batch = 32;
  options.dim = 16;
  options.lr = 0.2;
  options.iterations = 4000;
  const auto few = samples_of(options);
  CHECK_THAT(few.front().c1, WithinAbs(0.5, 0.05));  // near chance: 0.05 is a mean logit of 0.2
  CHECK(few.back().c1 < 0.1);
  CHECK(*few.back().iwl_accuracy > 0.9);
  options.n_items.reset();
  Simulation many(options);
  many.advance(1'000'000);
  CHECK(many.markers().t_icl);
  CHECK(many.samples().back().icl_accuracy > 0.95);
  CHECK(many.samples().back().diagnostics.at(0) > 0);
}

TEST_CASE("simulation: every setting changes what is measured", "[transformer]") {
  const auto with = [](const std::string& setting, const std::string& text, SimulationOptions options) {
    for (const SimulationField& field : simulation_fields()) {
      if (field.name == setting) field.set(options, text);
    }
    validate(options);
    return samples_of(options);
  };
  SimulationOptions options = small_options();
  options.iterations = 200;
  options.n_items = 16;
  CHECK(equal(samples_of(options), samples_of(options)));
  const std::vector<std::pair<std::string, std::string>> changes{{"items", "9"},
                                                                 {"items", "inf"},
                                                                 {"context", "5"},
                                                                 {"count-target", "yes"},
                                                                 {"attend-self", "yes"},
                                                                 {"labels", "balanced-context"},
                                                                 {"item-labels", "balanced"},
                                                                 {"item-set", "fixed"},
                                                                 {"target-rule", "resampled"},
                                                                 {"zipf", "1"},
                                                                 {"copy-share", "0.5"},
                                                                 {"copies", "2"},
                                                                 {"dim", "4"},
                                                                 {"hidden", "9"},
                                                                 {"batch", "3"},
                                                                 {"lr", "0.11"},
                                                                 {"weight-decay", "0.1"},
                                                                 {"lambda-w", "0.1"},
                                                                 {"lambda-beta", "0.1"},
                                                                 {"beta0", "0.5"},
                                                                 {"beta0-sd", "0.5"},
                                                                 {"w0", "0.5"},
                                                                 {"w0-sd", "0.5"},
                                                                 {"seed", "1"},
                                                                 {"iterations", "150"},
                                                                 {"stop-icl", "0.3"},
                                                                 {"stop-memorized", "0.5"},
                                                                 {"test-sequences", "50"},
                                                                 {"points-per-decade", "3"},
                                                                 {"measure-every", "60"},
                                                                 {"backend", "eigen"}};
  for (const auto& [setting, text] : changes) {
    INFO(setting << " " << text);
    SimulationOptions start = options;
    if (setting == "lambda-w" || setting == "lambda-beta") start.w0 = start.beta0 = 0.5;
    if (setting == "item-set") start.seed = 1;  // the fixed items are those of seed 0
    CHECK_FALSE(equal(with(setting, text, start), samples_of(start)));
  }
  SimulationOptions eigen = options;
  eigen.backend = mlp_stats::BackendKind::eigen;
  CHECK_FALSE(equal(with("precision", "float64", eigen), samples_of(eigen)));
}

TEST_CASE("simulation: settings of the transformers change what is measured", "[transformer]") {
  const auto with = [](ModelKind model, auto change) {
    SimulationOptions options = small_options();
    options.n_items = 16;
    options.iterations = 100;
    options.model = model;
    options.attend_self = true;
    change(options);
    validate(options);
    return samples_of(options);
  };
  for (const ModelKind model : {ModelKind::one_layer, ModelKind::two_layer}) {
    INFO(name(model));
    const auto base = with(model, [](SimulationOptions&) {});
    CHECK(base.back().iteration == 100);
    CHECK_FALSE(equal(with(model, [](auto& o) { o.attend_self = false; }), base));
    const auto decay = with(model, [](auto& o) { o.attention_decay = 0.1; });
    CHECK_FALSE(equal(decay, base));
    CHECK_FALSE(equal(with(model, [](auto& o) { o.attention_decay = 0.1, o.decay_layernorm = true; }), decay));
    CHECK_FALSE(equal(with(model, [](auto& o) { o.weight_decay = 0.1; }), base));
    CHECK_FALSE(equal(with(model, [](auto& o) { o.backend = mlp_stats::BackendKind::eigen; }), base));
  }
  const auto infinite = [&](std::optional<ItemDraw> draw, std::uint64_t dim) {
    return with(ModelKind::one_layer,
                [&](SimulationOptions& o) { o.n_items.reset(), o.context = 32, o.dim = dim, o.item_draw = draw; });
  };
  const auto sketches = infinite(ItemDraw::sketches, 32);
  CHECK_FALSE(equal(infinite(ItemDraw::items, 32), sketches));
  CHECK(equal(infinite({}, 32), sketches));
  CHECK(equal(infinite({}, 31), infinite(ItemDraw::items, 31)));
  const auto trained = with(ModelKind::two_layer, [](SimulationOptions&) {});
  CHECK_FALSE(equal(with(ModelKind::two_layer, [](auto& o) { o.readout = Readout::frozen; }), trained));
}

TEST_CASE("simulation: sketches are refused for a model that takes none", "[transformer][errors]") {
  SimulationOptions options = default_options(Profile::paper, ModelKind::one_layer, true);
  CHECK_THROWS_WITH(Simulation(options, make_toy), "item-draw: this model takes items, not sketches");
  options.item_draw = ItemDraw::items;
  CHECK_NOTHROW(Simulation(options, make_toy));
}

TEST_CASE("simulation: the one-layer transformer is taken apart as it trains", "[transformer]") {
  SimulationOptions options = small_options();
  options.model = ModelKind::one_layer;
  options.attend_self = true;
  options.iterations = 100;
  Simulation run(options);
  run.advance(1000);
  const auto& names = run.diagnostic_names();
  const auto at = [&](const std::string& name) {
    const auto found = std::find(names.begin(), names.end(), name);
    REQUIRE(found != names.end());
    return run.samples().back().diagnostics.at(static_cast<std::size_t>(found - names.begin()));
  };
  CHECK(at("copy_attention") > 0);
  CHECK(at("self_attention") > 0);
  CHECK(at("copy_attention") + at("self_attention") < 1);
  CHECK(at("mlp_rms") > 0);
  CHECK(at("attention_rms") > 0);
  CHECK(at("residual_rms") > 0);
  options.attend_self = false;
  Simulation without(options);
  without.advance(1000);
  const auto self = std::find(names.begin(), names.end(), "self_attention") - names.begin();
  CHECK(without.samples().back().diagnostics.at(static_cast<std::size_t>(self)) == 0);
}

TEST_CASE("simulation: a run that diverges ends without a last measurement", "[transformer]") {
  SimulationOptions options = small_options();
  options.lr = 1e30;
  options.weight_decay = 0;
  Simulation run(options);
  CHECK(run.advance(1'000'000) == SimulationOutcome::not_finite);
  CHECK(run.iteration() < options.iterations);
  for (const SimulationSample& sample : run.samples()) CHECK(std::isfinite(sample.icl_loss));
}

TEST_CASE("simulation: memory is measured on all items where they are few", "[transformer]") {
  TaskOptions options{.n_items = 50, .n_context = 4, .dim = 3};
  const IclTask task(options, 1);
  const MemorySample all = memory_sample(task, 1);
  CHECK(all.items == task.dataset().features);
  CHECK(all.labels.size() == 50);
  CHECK(std::equal(all.labels.begin(), all.labels.end(), task.dataset().labels.begin()));
  CHECK(all.weights.empty());

  options.zipf_exponent = 1.0;
  const MemorySample weighted = memory_sample(IclTask(options, 1), 1);
  REQUIRE(weighted.weights.size() == 50);
  CHECK_THAT(std::accumulate(weighted.weights.begin(), weighted.weights.end(), 0.0), WithinRel(1.0, 1e-14));
  CHECK_THAT(weighted.weights[0] / weighted.weights[9], WithinRel(10.0, 1e-12));

  options.n_items.reset();
  options.zipf_exponent = 0.0;
  CHECK(memory_sample(IclTask(options, 1), 1).labels.empty());
}

TEST_CASE("simulation: memory is measured on a fixed sample where items are many", "[transformer]") {
  TaskOptions options{.n_items = kMemorySample + 1000, .n_context = 4, .dim = 2};
  const IclTask task(options, 1);
  const MemorySample first = memory_sample(task, 1);
  CHECK(first.labels.size() == kMemorySample);
  CHECK(first.items.size() == 2 * kMemorySample);
  CHECK(std::equal(first.items.begin(), first.items.end(), task.dataset().features.begin()));

  options.zipf_exponent = 1.0;
  const IclTask zipf(options, 1);
  const MemorySample drawn = memory_sample(zipf, 1);
  CHECK(drawn.labels.size() == kMemorySample);
  CHECK(drawn.weights.empty());
  CHECK(memory_sample(zipf, 1).items == drawn.items);
  CHECK(memory_sample(zipf, 2).items != drawn.items);
  // The most frequent item has the share 1/H, H the harmonic number of K; 4 standard errors of a binomial share.
  const double n = static_cast<double>(kMemorySample + 1000);
  const double share = 1.0 / (std::log(n) + 0.5772156649 + 0.5 / n);
  double found = 0;
  for (std::size_t i = 0; i < kMemorySample; ++i) found += drawn.items[2 * i] == zipf.dataset().features[0] ? 1 : 0;
  const double sd = std::sqrt(share * (1 - share) / static_cast<double>(kMemorySample));
  CHECK(std::abs(found / static_cast<double>(kMemorySample) - share) < 4 * sd);
}

TEST_CASE("simulation file: settings and results at its head and a row per measurement", "[transformer][format]") {
  const TemporaryFolder folder;
  SimulationOptions options = toy_options();
  options.iterations = 200;
  const Simulation run = finished_toy(options);
  write_simulation(folder / "a.csv", options, run);
  const std::string text = read_file(folder / "a.csv");
  CHECK_THAT(text, StartsWith("# iclk-simulation 1\n# program: iclk "));
  CHECK_THAT(text, ContainsSubstring("\n# run: " + run_identity(options) + "\n# model: minimal\n# items: 8\n"));
  CHECK_THAT(text, ContainsSubstring("\n# outcome: reached_iterations\n# t_icl: none\n"));
  CHECK_THAT(text, ContainsSubstring("\n# end_iteration: 200\n# end_icl_accuracy: 0.2\n"));
  CHECK_THAT(text, ContainsSubstring("\niteration,time,train_loss,icl_accuracy,icl_loss,iwl_accuracy,iwl_loss,c1,c2,c3,"
                                     "beta,w,trace\n0,0,,0,"));
  const TextTable table = read_table(folder / "a.csv");
  REQUIRE(table.n_rows() == run.samples().size());
  CHECK(table.text(0, table.column("train_loss")).empty());
  for (std::size_t i = 0; i < table.n_rows(); ++i) {
    CHECK(number(table, i, "iteration") == static_cast<double>(run.samples()[i].iteration));
    CHECK(number(table, i, "icl_loss") == run.samples()[i].icl_loss);
    CHECK(number(table, i, "iwl_accuracy") == *run.samples()[i].iwl_accuracy);
    CHECK(number(table, i, "c3") == run.samples()[i].c3);
    CHECK(number(table, i, "trace") == run.samples()[i].diagnostics[2]);
  }
}

TEST_CASE("simulation: a state of another model is refused", "[transformer][errors]") {
  const Simulation toy = finished_toy(toy_options());
  CHECK_THROWS_AS(Simulation(toy_options(), toy.state()), Error);
}
