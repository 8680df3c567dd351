#include "run_groups.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <string>

#include "iclk/transformer/simulation_options.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::figures;

namespace {

/// A run of the minimal model with N = 20 and K = 100; `settings` are changed or added.
MeasuredRun run_with(const std::vector<std::pair<std::string, std::string>>& settings, bool acquired = false) {
  std::vector<std::pair<std::string, std::string>> all = {
      {"model", "minimal"}, {"items", "100"}, {"context", "20"}, {"labels", "random"}, {"lambda_w", "0.001"}};
  for (const auto& setting : settings) {
    const auto known = std::find_if(all.begin(), all.end(), [&](const auto& s) { return s.first == setting.first; });
    if (known != all.end())
      known->second = setting.second;
    else
      all.push_back(setting);
  }
  MeasuredRun run;
  for (const auto& [key, value] : all) run.head.add(key, value);
  run.model = run.text("model");
  run.n_items = run.number("items");
  run.n_context = run.n_exemplars = run.number("context").value_or(0.0);
  run.acquired = acquired;
  return run;
}

std::vector<std::size_t> sizes_of(const std::vector<RunList>& groups) {
  std::vector<std::size_t> sizes;
  for (const RunList& group : groups) sizes.push_back(group.size());
  return sizes;
}

using Sizes = std::vector<std::size_t>;

}  // namespace

TEST_CASE("run groups: every setting of a simulation is compared or known not to matter", "[figures]") {
  const std::set<std::string> not_compared = {"profile",           "item_draw",      "seed",       "iterations",
                                              "stop_icl",          "stop_memorized", "stop_faded", "test_sequences",
                                              "points_per_decade", "measure_every",  "backend",    "precision"};
  std::set<std::string> compared, settings;
  for (const RunSetting& setting : run_settings()) CHECK(compared.insert(std::string(setting.key)).second);
  for (const transformer::SimulationField& field : transformer::simulation_fields()) settings.insert(field.key());
  for (const std::string& name : settings) {
    INFO(name);
    CHECK(compared.contains(name) != not_compared.contains(name));
  }
  for (const std::string& name : compared) {
    INFO(name);
    CHECK(settings.contains(name));
  }
}

TEST_CASE("run groups: a setting keeps runs apart unless its kind may differ", "[figures]") {
  constexpr std::array kinds = {Vary::size, Vary::item_rules, Vary::labels, Vary::attention_decay, Vary::beta_decay};
  const MeasuredRun run = run_with({});
  for (const RunSetting& setting : run_settings()) {
    INFO(setting.key);
    const MeasuredRun other = run_with({{std::string(setting.key), "7"}});
    CHECK_FALSE(belong_together(run, other, Vary::nothing));
    CHECK(sizes_of(groups_of({&run, &other}, Vary::nothing)) == Sizes{1, 1});
    for (const Vary kind : kinds) {
      const bool together = belong_together(run, other, kind);
      CHECK(together == (setting.kind == kind));
      CHECK(sizes_of(groups_of({&run, &other}, kind)) == (together ? Sizes{2} : Sizes{1, 1}));
    }
    CHECK(belong_together(run, other,
                          Vary::size | Vary::item_rules | Vary::labels | Vary::attention_decay | Vary::beta_decay) ==
          (setting.kind != Vary::nothing));
  }
  CHECK(belong_together(run, run_with({{"seed", "7"}, {"iterations", "9"}, {"backend", "eigen"}}), Vary::nothing));
  // Items and sketches have one law. A file says which only of the latter.
  CHECK(belong_together(run_with({{"model", "one-layer"}}),
                        run_with({{"model", "one-layer"}, {"item_draw", "sketches"}}), Vary::nothing));
}

TEST_CASE("run groups: runs with finite and infinite K go together where the size may differ", "[figures]") {
  transformer::SimulationOptions finite, infinite;
  finite.n_items = 100;
  infinite.n_items.reset();
  std::vector<std::pair<std::string, std::string>> there;  // settings that exist with finite K alone
  for (const transformer::SimulationField& field : transformer::simulation_fields()) {
    if (field.applies(finite) && !field.applies(infinite)) there.emplace_back(field.key(), field.get(finite));
  }
  REQUIRE(there.size() >= 4);
  CHECK(belong_together(run_with(there), run_with({{"items", "inf"}}), Vary::size | Vary::item_rules));
  CHECK_FALSE(belong_together(run_with(there), run_with({{"items", "inf"}}), Vary::size));
}

TEST_CASE("run groups: a number has one value however it is written", "[figures]") {
  const MeasuredRun a = run_with({{"lr", "0.01"}, {"lambda_w", "0.001"}});
  const MeasuredRun b = run_with({{"lr", "1e-2"}, {"lambda_w", "1.0e-3"}});
  const MeasuredRun c = run_with({{"lr", "0.010000001"}, {"lambda_w", "0.001"}});
  CHECK(belong_together(a, b, Vary::nothing));
  CHECK_FALSE(belong_together(a, c, Vary::nothing));
  CHECK_FALSE(belong_together(a, run_with({}), Vary::nothing));  // one does not say its lr
}

TEST_CASE("run groups: the order is that of first runs or of sizes", "[figures]") {
  const std::vector<MeasuredRun> runs = {run_with({}, true), run_with({{"items", "200"}}), run_with({{"items", "inf"}}),
                                         run_with({{"items", "200"}}, true), run_with({{"model", "one-layer"}}, true)};
  const std::vector<RunList> places = groups_of(all_runs(runs), Vary::nothing);
  CHECK(sizes_of(places) == Sizes{1, 2, 1, 1});
  CHECK(places[1] == RunList{&runs[1], &runs[3]});
  CHECK(n_acquired(places[1]) == 1);
  CHECK(&largest_of(places) == &places[1]);
  const std::vector<RunList> by_size = largest_first(places);
  CHECK(by_size[0] == places[1]);
  CHECK(by_size[1] == places[0]);
  CHECK(by_size[3] == places[3]);
  const std::vector<RunList> models = largest_by_model(all_runs(runs));
  CHECK(sizes_of(models) == Sizes{4, 1});
  CHECK(models[1].front()->model == "one-layer");
  CHECK(runs_where(runs, [](const MeasuredRun& run) { return run.acquired; }).size() == 3);
  CHECK(groups_of({}, Vary::size).empty());
}

TEST_CASE("run groups: against N the group with the most N comes before the one with the most runs", "[figures]") {
  const std::vector<MeasuredRun> runs = {run_with({{"lr", "0.02"}}), run_with({{"lr", "0.02"}}),
                                         run_with({{"lr", "0.02"}}), run_with({}), run_with({{"context", "30"}})};
  const std::vector<RunList> models = largest_by_model(all_runs(runs));
  REQUIRE(models.size() == 1);
  CHECK(models[0] == RunList{&runs[3], &runs[4]});
}

TEST_CASE("run groups: the N that is drawn is the wanted one or that with most K", "[figures]") {
  const std::vector<MeasuredRun> runs = {run_with({{"context", "10"}}), run_with({}), run_with({{"items", "200"}}),
                                         run_with({{"context", "30"}}),
                                         run_with({{"context", "30"}, {"items", "200"}})};
  const std::vector<RunList> places = groups_of(all_runs(runs), Vary::nothing);
  CHECK(drawn_context(places, {}) == 30.0);  // two K at 20 and at 30: the larger
  CHECK(drawn_context(places, 10.0) == 10.0);
  CHECK(drawn_context(places, 11.0) == 30.0);
}

TEST_CASE("run groups: the decay of attention is that which the model has", "[figures]") {
  CHECK(decay_of(run_with({{"attention_decay", "0.5"}})) == 0.001);
  CHECK(decay_of(run_with({{"model", "one-layer"}, {"attention_decay", "0.5"}})) == 0.5);
  CHECK(decay_of(run_with({{"model", "two-layer"}})) == 0.0);
}
