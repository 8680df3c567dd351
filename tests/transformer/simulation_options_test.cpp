#include "iclk/transformer/simulation_options.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "iclk/core/error.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;
using namespace iclk::transformer;

namespace {

using Given = std::vector<std::pair<std::string, std::string>>;

/// A value of each setting that differs from the default of the model and task in which it applies.
const std::map<std::string, std::string> kOther{{"model", "one-layer"},
                                                {"items", "50"},
                                                {"context", "30"},
                                                {"count-target", "yes"},
                                                {"attend-self", "yes"},
                                                {"labels", "balanced-context"},
                                                {"item-labels", "balanced"},
                                                {"item-set", "fixed"},
                                                {"target-rule", "resampled"},
                                                {"zipf", "1.5"},
                                                {"copy-share", "0.75"},
                                                {"copies", "2"},
                                                {"dim", "10"},
                                                {"hidden", "20"},
                                                {"batch", "16"},
                                                {"lr", "0.02"},
                                                {"weight-decay", "1e-05"},
                                                {"attention-decay", "0.003"},
                                                {"lambda-w", "0.001"},
                                                {"lambda-beta", "0.002"},
                                                {"decay-layernorm", "yes"},
                                                {"readout", "frozen"},
                                                {"beta0", "-1.5"},
                                                {"beta0-sd", "0.5"},
                                                {"w0", "0.25"},
                                                {"w0-sd", "0.125"},
                                                {"seed", "7"},
                                                {"iterations", "1000"},
                                                {"stop-icl", "0.99"},
                                                {"stop-memorized", "0.01"},
                                                {"stop-faded", "yes"},
                                                {"test-sequences", "500"},
                                                {"points-per-decade", "8"},
                                                {"measure-every", "50"},
                                                {"backend", "eigen"},
                                                {"precision", "float64"}};

/// What else must be set for the setting to apply and to be allowed.
Given base_of(const std::string& setting) {
  if (setting == "attention-decay" || setting == "decay-layernorm") return {{"model", "one-layer"}};
  if (setting == "readout") return {{"model", "two-layer"}};
  if (setting == "precision") return {{"backend", "eigen"}};
  if (setting == "items") return {};
  return {{"items", "1000"}};
}

std::string error_of(const Given& given) {
  try {
    validate(simulation_options(given));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("simulation settings: each is read and written alike and changes the identity of a run",
          "[transformer][format]") {
  std::set<std::string> identities;
  for (const SimulationField& field : simulation_fields()) {
    if (field.name == "profile" || field.name == "item-draw") continue;  // item-draw: below
    INFO(field.name);
    REQUIRE(kOther.contains(field.name));
    const std::string& text = kOther.at(field.name);
    Given given = base_of(field.name);
    const SimulationOptions before = simulation_options(given);
    given.emplace_back(field.name, text);
    const SimulationOptions after = simulation_options(given);
    validate(after);
    CHECK(field.get(after) == text);
    CHECK(field.get(before) != text);
    CHECK(field.applies(after));
    CHECK(*settings_of(after).find(field.key()) == text);
    CHECK(run_identity(before) != run_identity(after));
    CHECK(identities.insert(run_identity(after)).second);
    CHECK_FALSE(field.help.empty());
    CHECK_FALSE(default_text(field).empty());
  }
  CHECK(kOther.size() + 2 == simulation_fields().size());
}

TEST_CASE("simulation settings: sketches are drawn where they are possible and faster unless items are asked for",
          "[transformer]") {
  const auto draw = [](Given given) {
    const SimulationOptions options = simulation_options(given);
    validate(options);
    CHECK_FALSE(options.item_draw);
    // What is found without asking may be asked for: the same run.
    given.emplace_back("item-draw", std::string(name(item_draw(options))));
    const SimulationOptions asked = simulation_options(given);
    validate(asked);
    CHECK(asked.item_draw == item_draw(options));
    CHECK(run_identity(asked) == run_identity(options));
    return item_draw(options);
  };
  const Given layer{{"model", "one-layer"}};
  const auto with = [&](const Given& more) {
    Given given = layer;
    given.insert(given.end(), more.begin(), more.end());
    return given;
  };
  CHECK(draw(layer) == ItemDraw::sketches);
  CHECK(draw(with({{"items", "inf"}})) == ItemDraw::sketches);
  CHECK(draw(with({{"profile", "release"}})) == ItemDraw::sketches);
  CHECK(draw(with({{"backend", "eigen"}, {"precision", "float64"}})) == ItemDraw::sketches);
  CHECK(draw(with({{"dim", "32"}})) == ItemDraw::sketches);
  CHECK(draw(with({{"dim", "31"}})) == ItemDraw::items);
  CHECK(draw(with({{"context", "32"}})) == ItemDraw::sketches);
  CHECK(draw(with({{"context", "31"}})) == ItemDraw::items);
  CHECK(draw(with({{"backend", "cuda"}})) == ItemDraw::items);
  CHECK(draw(with({{"items", "1000"}})) == ItemDraw::items);
  CHECK(draw({}) == ItemDraw::items);
  CHECK(draw({{"model", "two-layer"}}) == ItemDraw::items);
  for (const Given& given : {layer, with({{"items", "1000"}}), with({{"dim", "31"}}), with({{"backend", "cuda"}}),
                             Given{}, Given{{"model", "two-layer"}}}) {
    Given asked = given;
    asked.emplace_back("item-draw", "items");
    const SimulationOptions options = simulation_options(asked);
    validate(options);
    CHECK(item_draw(options) == ItemDraw::items);
    CHECK(settings_of(options).find("item_draw") == nullptr);
  }
  CHECK(*settings_of(simulation_options(layer)).find("item_draw") == "sketches");
  // The same of options made in C++, whatever is set first.
  SimulationOptions options = default_options(Profile::paper, ModelKind::one_layer, true);
  CHECK(item_draw(options) == ItemDraw::sketches);
  options.dim = 8;
  CHECK(item_draw(options) == ItemDraw::items);
  validate(options);
}

TEST_CASE("simulation settings: runs that draw items have the names that they always had", "[transformer][format]") {
  // As in figures/data/experiments/one_layer_infinite, made when items were all there was.
  const auto with = [](const std::optional<std::string>& draw, const std::string& items) {
    Given given{{"profile", "release"}, {"model", "one-layer"},     {"items", items},
                {"context", "24"},      {"hidden", "128"},          {"measure-every", "250"},
                {"seed", "2"},          {"points-per-decade", "8"}, {"test-sequences", "1000"},
                {"stop-icl", "0.99"},   {"iterations", "100000"}};
    if (draw) given.emplace_back("item-draw", *draw);
    return run_name(simulation_options(given));
  };
  CHECK(with("items", "inf") == "one-layer_n24_kinf_s2_7252756ee43ade2e");
  CHECK(with("sketches", "inf") != with("items", "inf"));
  CHECK(with({}, "inf") == with("items", "inf"));  // N = 24
  CHECK(with({}, "100") == with("items", "100"));
}

TEST_CASE("simulation settings: a file without item_draw is of a run that drew items", "[transformer][format]") {
  const auto& fields = simulation_fields();
  const auto field = [&](const std::string& wanted) -> const SimulationField& {
    return *std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.name == wanted; });
  };
  RunInfo head = settings_of(simulation_options(Given{{"model", "one-layer"}, {"item-draw", "items"}}));
  CHECK(head.find("item_draw") == nullptr);
  CHECK(setting_in(head, field("item-draw")) == "items");
  CHECK(setting_in(head, field("items")) == "inf");
  CHECK_FALSE(setting_in(head, field("zipf")));
  head = settings_of(simulation_options(Given{{"model", "one-layer"}}));
  CHECK(setting_in(head, field("item-draw")) == "sketches");
  for (const SimulationField& each : fields) CHECK(each.absent.has_value() == (each.name == "item-draw"));
}

TEST_CASE("simulation settings: equal values have one identity", "[transformer][format]") {
  const auto identity = [](const Given& given) { return run_identity(simulation_options(given)); };
  CHECK(identity({{"items", "1000"}}) == identity({{"items", "1e3"}}));
  CHECK(identity({{"lr", "0.01"}}) == identity({{"lr", "1e-2"}}));
  CHECK(identity({{"beta0", "-0"}}) == identity({}));
  CHECK(identity({{"profile", "paper"}}) == identity({}));
  // What a profile sets may as well be set by hand.
  CHECK(identity({{"profile", "release"},
                  {"count-target", "no"},
                  {"attend-self", "no"},
                  {"beta0-sd", "0"},
                  {"lambda-w", "0"},
                  {"lambda-beta", "0"},
                  {"iterations", "500000"},
                  {"stop-icl", "0"},
                  {"measure-every", "250"}}) == identity({}));
  // Written down, so that results stay recognised: a change of this number is a change of the file format.
  CHECK(identity({}).size() == 16);
  CHECK(run_name(simulation_options(Given{{"items", "500"}, {"context", "50"}, {"seed", "3"}})) ==
        "minimal_n50_k500_s3_" + identity({{"items", "500"}, {"context", "50"}, {"seed", "3"}}));
  CHECK_THAT(run_name(simulation_options(Given{{"model", "two-layer"}})), StartsWith("two-layer_n100_kinf_s0_"));
}

TEST_CASE("simulation profiles: the release differs where its code does", "[transformer]") {
  const auto options = [](const std::string& profile, const std::string& model, const std::string& items) {
    return simulation_options(Given{{"profile", profile}, {"model", model}, {"items", items}});
  };
  const SimulationOptions paper = options("paper", "minimal", "1000");
  CHECK(n_exemplars(paper) == 100);
  CHECK_FALSE(paper.attend_self);
  CHECK(paper.item_labels == mlp_stats::LabelRule::random);
  CHECK(paper.item_set == ItemSet::per_run);
  CHECK(paper.target_rule == TargetRule::exemplar);
  CHECK(paper.beta0_sd == 0);
  CHECK_FALSE(paper.stop_icl);
  CHECK(options("paper", "one-layer", "1000").attend_self);
  CHECK(options("paper", "two-layer", "1000").readout == Readout::trained);
  CHECK_FALSE(options("paper", "one-layer", "1000").decay_layernorm);

  const SimulationOptions release = options("release", "minimal", "1000");
  CHECK(n_exemplars(release) == 99);
  CHECK(release.attend_self);
  CHECK(release.item_labels == mlp_stats::LabelRule::balanced);
  CHECK(release.item_set == ItemSet::fixed);
  CHECK(release.target_rule == TargetRule::resampled);
  CHECK(release.beta0_sd == 1);
  CHECK(release.stop_icl == 0.99);
  CHECK(release.measure_every == 469);
  CHECK(release.iterations == 469'000);
  CHECK(options("release", "two-layer", "1000").readout == Readout::frozen);
  CHECK(options("release", "one-layer", "1000").decay_layernorm);
  CHECK(options("release", "one-layer", "1000").beta0_sd == 0);
  CHECK(options("release", "one-layer", "inf").item_labels == mlp_stats::LabelRule::random);
  for (const char* model : {"minimal", "one-layer", "two-layer"}) {
    for (const char* items : {"1000", "inf"}) {
      for (const char* profile : {"paper", "release"}) validate(options(profile, model, items));
    }
  }
  const SimulationOptions explicit_wins =
      simulation_options(Given{{"stop-icl", "0"}, {"profile", "release"}, {"count-target", "no"}});
  CHECK_FALSE(explicit_wins.stop_icl);
  CHECK(n_exemplars(explicit_wins) == 100);
  CHECK(explicit_wins.attend_self);
}

TEST_CASE("simulation settings: task and optimiser get what was asked for", "[transformer]") {
  const SimulationOptions options = simulation_options(Given{{"items", "50"},
                                                             {"context", "11"},
                                                             {"count-target", "yes"},
                                                             {"labels", "balanced-context"},
                                                             {"item-labels", "balanced"},
                                                             {"item-set", "fixed"},
                                                             {"target-rule", "resampled"},
                                                             {"zipf", "0.5"},
                                                             {"copy-share", "0.25"},
                                                             {"copies", "3"},
                                                             {"dim", "7"},
                                                             {"lr", "0.2"},
                                                             {"weight-decay", "0.001"},
                                                             {"lambda-w", "0.002"},
                                                             {"lambda-beta", "0.003"}});
  validate(options);
  const TaskOptions task = task_options(options);
  CHECK(task.n_items == 50);
  CHECK(task.n_context == 10);
  CHECK(task.dim == 7);
  CHECK(task.item_labels == mlp_stats::LabelRule::balanced);
  CHECK(task.context_labels == ContextLabels::balanced);
  CHECK(task.zipf_exponent == 0.5);
  CHECK(task.copy_share == 0.25);
  CHECK(task.copies == 3);
  CHECK(task.target_rule == TargetRule::resampled);
  CHECK(task.item_set == ItemSet::fixed);
  const IclSgd sgd = sgd_options(options);
  CHECK(sgd.lr == 0.2);
  CHECK(sgd.mlp_weight_decay == 0.001);
  CHECK(sgd.lambda_w == 0.002);
  CHECK(sgd.lambda_beta == 0.003);
  const IclSgd layered = sgd_options(
      simulation_options(Given{{"model", "one-layer"}, {"attention-decay", "0.004"}, {"decay-layernorm", "yes"}}));
  CHECK(layered.attention_weight_decay == 0.004);
  CHECK(layered.decay_layernorm);
}

TEST_CASE("simulation settings: what cannot be read is named", "[transformer][errors]") {
  CHECK(error_of({{"contxt", "5"}}) == "contxt: unknown setting; did you mean \"context\"?");
  CHECK(error_of({{"weight_decay", "5"}}) == "weight_decay: unknown setting; did you mean \"weight-decay\"?");
  CHECK(error_of({{"xyz", "5"}}) == "xyz: unknown setting");
  CHECK(error_of({{"lr", "0.1"}, {"lr", "0.2"}}) == "lr: is given twice");
  CHECK(error_of({{"profile", "authors"}}) == "profile: expected paper|release, got \"authors\"");
  CHECK(error_of({{"model", "three-layer"}}) == "model: expected minimal|one-layer|two-layer, got \"three-layer\"");
  CHECK(error_of({{"items", "1"}}) == "items: expected a whole number from 2 to 10000000, or inf, got \"1\"");
  CHECK(error_of({{"items", "many"}}) == "items: expected a whole number from 2 to 10000000, or inf, got \"many\"");
  CHECK(error_of({{"context", "1"}}) == "context: expected a whole number from 2 to 100000, got \"1\"");
  CHECK(error_of({{"context", "2.5"}}) == "context: expected a whole number from 2 to 100000, got \"2.5\"");
  CHECK(error_of({{"seed", "-1"}}) == "seed: expected a whole number, at least 0, got \"-1\"");
  CHECK(error_of({{"lr", "0"}}) == "lr: expected a positive number, got \"0\"");
  CHECK(error_of({{"lr", "inf"}}) == "lr: expected a positive number, got \"inf\"");
  CHECK(error_of({{"weight-decay", "-1"}}) == "weight-decay: expected a number, at least 0, got \"-1\"");
  CHECK(error_of({{"lambda-w", "nan"}}) == "lambda-w: expected a number, at least 0, got \"nan\"");
  CHECK(error_of({{"copy-share", "1.5"}}) == "copy-share: expected a number from 0 to 1, got \"1.5\"");
  CHECK(error_of({{"beta0", "301"}}) == "beta0: expected a number from -300 to 300, got \"301\"");
  CHECK(error_of({{"attend-self", "true"}}) == "attend-self: expected yes|no, got \"true\"");
  CHECK(error_of({{"stop-memorized", "0.7"}, {"items", "9"}}) ==
        "stop-memorized: expected a number from 0 to 0.5, got \"0.7\"");
}

TEST_CASE("simulation settings: combinations that no run can have", "[transformer][errors]") {
  CHECK(error_of({{"context", "7"}, {"labels", "balanced-context"}}) ==
        "context: expected an even number of exemplars for labels balanced-context, got 7");
  CHECK(error_of({{"context", "8"}, {"labels", "balanced-context-with-target"}}) ==
        "context: expected an odd number of exemplars for labels balanced-context-with-target, got 8");
  CHECK(error_of({{"context", "8"}, {"labels", "balanced-context"}, {"count-target", "yes"}}) ==
        "context: expected an even number of exemplars for labels balanced-context, got 8 (7 and the target)");
  CHECK(error_of({{"context", "8"}, {"labels", "balanced-context-with-target"}, {"count-target", "yes"}}) ==
        "no error");
  CHECK(error_of({{"context", "2"}, {"count-target", "yes"}}) ==
        "context: expected at least 2 exemplars, got 2 (1 and the target)");
  CHECK(error_of({{"items", "7"}, {"item-labels", "balanced"}}) ==
        "items: expected an even number of items for item-labels balanced, got 7");
  CHECK(error_of({{"item-labels", "balanced"}}) == "item-labels: has no effect with K infinite, got balanced");
  CHECK(error_of({{"zipf", "1"}}) == "zipf: has no effect with K infinite, got 1");
  CHECK(error_of({{"stop-memorized", "0.1"}}) == "stop-memorized: has no effect with K infinite, got 0.1");
  CHECK(error_of({{"model", "one-layer"}, {"beta0", "1"}}) == "beta0: has no effect in model one-layer, got 1");
  CHECK(error_of({{"model", "two-layer"}, {"lambda-w", "1"}}) == "lambda-w: has no effect in model two-layer, got 1");
  CHECK(error_of({{"attention-decay", "1"}}) == "attention-decay: has no effect in model minimal, got 1");
  CHECK(error_of({{"model", "one-layer"}, {"readout", "frozen"}}) ==
        "readout: has no effect in model one-layer, got frozen");
  CHECK(error_of({{"model", "two-layer"}, {"item-draw", "sketches"}}) ==
        "item-draw: has no effect in model two-layer, got sketches");
  CHECK(error_of({{"model", "one-layer"}, {"items", "50"}, {"item-draw", "sketches"}}) ==
        "item-draw: has no effect with K finite, got sketches");
  CHECK(error_of({{"model", "one-layer"}, {"dim", "31"}, {"item-draw", "sketches"}}) ==
        "item-draw: expected items where dim is below 32, got sketches");
  CHECK(error_of({{"model", "one-layer"}, {"item-draw", "dots"}}) ==
        "item-draw: expected items|sketches, got \"dots\"");
  CHECK(error_of({{"copies", "5"}, {"context", "4"}}) ==
        "copies: expected at most the 4 exemplars that can be copies, got 5");
  CHECK(error_of({{"copies", "3"}, {"context", "4"}, {"labels", "balanced-context"}}) ==
        "copies: expected at most the 2 exemplars that can be copies, got 3");
  CHECK(error_of({{"lr", "10"}, {"lambda-w", "0.1"}}) == "lambda-w: expected lr times it below 1, got 0.1");
  CHECK(error_of({{"precision", "float64"}}) ==
        "precision: expected float32 with backend onednn (backend eigen offers float64), got float64");
  CHECK(error_of({{"precision", "tf32"}}) ==
        "precision: expected float32 with backend onednn (backend eigen offers float64), got tf32");
  CHECK(error_of({{"precision", "tf32"}, {"backend", "cuda"}}) == "no error");
  CHECK(error_of({{"precision", "float64"}, {"backend", "cuda"}}) ==
        "precision: expected float32 or tf32 with backend cuda (backend eigen offers float64), got float64");
  CHECK(error_of({{"model", "one-layer"}, {"backend", "cuda"}}) == "no error");
  CHECK(error_of({{"model", "two-layer"}, {"backend", "cuda"}}) ==
        "model: expected minimal or one-layer with backend cuda, got two-layer");
  CHECK(error_of({{"model", "one-layer"}, {"item-draw", "sketches"}, {"backend", "cuda"}}) ==
        "item-draw: expected items with backend cuda, got sketches");
  CHECK(error_of({{"items", "10"}, {"zipf", "1"}, {"backend", "cuda"}}) == "zipf: expected 0 with backend cuda, got 1");
  SimulationOptions wild;
  wild.lr = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH(validate(wild), "lr: expected a positive number, got \"nan\"");
}
