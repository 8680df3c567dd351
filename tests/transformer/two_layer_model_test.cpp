#include "iclk/transformer/two_layer_model.hpp"

#include <cmath>

#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "transformer/model_checks.hpp"

using namespace iclk;
using namespace iclk::mlp_stats;
using namespace iclk::transformer;
using namespace iclk::test;

namespace {

TwoLayerOptions small_options(const BatchSizes& sizes, bool attend_self = true) {
  return {.n_context = sizes.n_context,
          .dim = sizes.dim,
          .hidden = 6,
          .batch = sizes.n_sequences,
          .attend_self = attend_self,
          .train_readout = true,
          .backend = BackendKind::eigen,
          .precision = Precision::float64};
}

}  // namespace

TEST_CASE("two-layer model: logits and gradients and steps agree with PyTorch", "[transformer][gradient][parity]") {
  const auto reference = pytorch_reference("two_layer_reference.json");
  for (const auto& named : kBackends) {
    for (const auto& run : reference["cases"]) {
      CAPTURE(name(named.kind), name(named.precision), run["attend_self"].get<bool>());
      const auto model = make_two_layer_model({.n_context = reference["n_context"],
                                               .dim = reference["dim"],
                                               .hidden = reference["hidden"],
                                               .batch = run["steps"][0]["logits"].size(),
                                               .attend_self = run["attend_self"],
                                               .train_readout = run["readout_trained"],
                                               .backend = named.kind,
                                               .precision = named.precision},
                                              1);
      check_against_pytorch(*model, reference, run, 16 * named.rounding);
    }
  }
}

TEST_CASE("two-layer model: every gradient is the central difference of the loss", "[transformer][gradient]") {
  for (const bool attend_self : {true, false}) {
    for (const bool train_readout : {true, false}) {
      CAPTURE(attend_self, train_readout);
      const BatchSizes sizes;
      auto options = small_options(sizes, attend_self);
      options.train_readout = train_readout;
      const auto model = make_two_layer_model(options, 3);
      perturb(*model, 0.3, 4);
      // Error of the difference: h^2 f'''/6 below 1e-9 and rounding 2e-16/h = 2e-11.
      check_central_differences(*model, random_batch(sizes, 5), 2e-9, train_readout ? "" : "readout.");
    }
  }
}

TEST_CASE("two-layer model: the shortcut gives the logits of the plain computation", "[transformer][parity]") {
  for (const bool attend_self : {true, false}) {
    for (const BatchSizes sizes : {BatchSizes{.n_sequences = 4, .n_context = 2, .dim = 1, .n_items = 3},
                                   BatchSizes{.n_sequences = 6, .n_context = 120, .dim = 9, .n_items = 4},
                                   BatchSizes{.n_sequences = 3, .n_context = 20, .dim = 63, .n_items = 100}}) {
      CAPTURE(attend_self, sizes.n_context, sizes.dim);
      auto options = small_options(sizes, attend_self);
      options.batch = 2;  // the last chunk is not full where there are three sequences
      const auto model = make_two_layer_model(options, 6);
      perturb(*model, 0.2, 7);
      const auto batch = random_batch(sizes, 8);
      const auto plain = plain_twin(*model, sizes, attend_self);
      LogitParts parts;
      model->logits(batch, parts);
      REQUIRE(parts.total.size() == sizes.n_sequences);
      std::vector<double> memory(sizes.n_items);
      model->memory_logits(batch.table(), memory);
      for (std::size_t s = 0; s < sizes.n_sequences; ++s) {
        const std::size_t length = sizes.n_context + 1;
        const auto items = std::span(batch.items).subspan(s * length, length);
        const auto labels = std::span(batch.labels).subspan(s * length, length);
        const double expected = plain.two_layer_logit(batch.table(), items, labels);
        CHECK_THAT(parts.total[s], WithinAbs(expected, 1e-12 * (1.0 + std::abs(expected))));
        const auto target = plain.normalised(batch.table(), items, labels).back();
        const double alone = plain.mlp("readout.", plain.mlp("token_mlp.", target)).at(0);
        CHECK_THAT(parts.mlp[s], WithinAbs(alone, 1e-12));
        CHECK_THAT(memory[items.back()], WithinAbs(alone, 1e-12));
        CHECK_THAT(parts.attention[s], WithinAbs(parts.total[s] - parts.mlp[s], 1e-15));
      }
    }
  }
}

TEST_CASE("two-layer model: the label of the target is not seen", "[transformer]") {
  const BatchSizes sizes;
  const auto model = make_two_layer_model(small_options(sizes), 6);
  check_target_label_is_not_seen(*model, sizes);
}

TEST_CASE("two-layer model: float32 follows the double reference over 30 steps", "[transformer][parity]") {
  const BatchSizes sizes{.n_sequences = 12, .n_context = 11, .dim = 63, .n_items = 500};
  TwoLayerOptions options = small_options(sizes);
  options.hidden = 67;
  const IclSgd sgd{.lr = 0.05, .mlp_weight_decay = 1e-3, .attention_weight_decay = 1e-2};
  const auto make = [&](Precision precision, BackendKind backend) {
    options.precision = precision;
    options.backend = backend;
    return make_two_layer_model(options, 1);
  };
  check_float_follows_double(make, sizes, sgd, 30);
}

TEST_CASE("two-layer model: decays and the frozen read-out act on their groups alone", "[transformer]") {
  const BatchSizes sizes;
  const auto batch = random_batch(sizes, 2);
  const auto after = [&](const IclSgd& sgd, bool train_readout) {
    auto options = small_options(sizes);
    options.train_readout = train_readout;
    const auto model = make_two_layer_model(options, 2);
    perturb(*model, 0.3, 2);
    model->train(batch, sgd);
    return model->parameters();
  };
  const IclSgd none{.lr = 0.1, .mlp_weight_decay = 0.0, .attention_weight_decay = 0.0};
  const auto plain = after(none, true);
  const auto changed = [&](const IclSgd& sgd, bool train_readout) {
    std::string names;
    const auto found = after(sgd, train_readout);
    for (std::size_t a = 0; a < found.size(); ++a) {
      if (!(found[a] == plain[a])) names += found[a].name + ' ';
    }
    return names;
  };
  const std::string readout = "readout.w1 readout.b1 readout.w2 readout.b2 readout.w3 readout.b3 ";
  const std::string token_mlp = "token_mlp.w1 token_mlp.b1 token_mlp.w2 token_mlp.b2 token_mlp.w3 token_mlp.b3 ";
  const std::string heads = "query1 key1 value1 query2 key2 value2 ";
  CHECK(changed(none, false) == readout);
  IclSgd sgd = none;
  sgd.mlp_weight_decay = 0.5;
  CHECK(changed(sgd, true) == token_mlp + readout);
  const auto frozen = after(sgd, false);
  const auto start = [&] {
    const auto model = make_two_layer_model(small_options(sizes), 2);
    perturb(*model, 0.3, 2);
    return model->parameters();
  }();
  for (std::size_t a = 14; a < 20; ++a) {
    CAPTURE(start[a].name);
    CHECK(frozen[a] == start[a]);  // decays do not reach it either
  }
  sgd = none;
  sgd.attention_weight_decay = 0.5;
  CHECK(changed(sgd, true) == "norm_gain norm_bias " + heads);
  sgd.decay_layernorm = false;
  CHECK(changed(sgd, true) == heads);
}

TEST_CASE("two-layer model: each head and each MLP starts from numbers of its own", "[transformer]") {
  const TwoLayerOptions options{.n_context = 4, .hidden = 16, .batch = 2};
  const auto arrays = make_two_layer_model(options, 5)->parameters();
  REQUIRE(arrays.size() == 20);
  CHECK(arrays[0].values == std::vector<double>(65, 1.0));
  CHECK(arrays[1].values == std::vector<double>(65, 0.0));
  for (std::size_t a = 2; a < 8; ++a) {
    for (std::size_t b = 2; b < a; ++b) CHECK_FALSE(arrays[a].values == arrays[b].values);
  }
  CHECK_FALSE(arrays[8].values == arrays[14].values);
  CHECK(arrays == make_two_layer_model(options, 5)->parameters());
  const auto other = make_two_layer_model(options, 6)->parameters();
  for (std::size_t a = 2; a < other.size(); ++a) CHECK_FALSE(arrays[a] == other[a]);
}

TEST_CASE("two-layer model: diagnostics of the second layer are means of the diagonals", "[transformer]") {
  const BatchSizes sizes;
  const auto model = make_two_layer_model(small_options(sizes), 2);
  auto arrays = model->parameters();
  const std::size_t width = sizes.dim + 2;
  for (std::size_t i = 0; i < width * width; ++i) {
    const bool diagonal = i % (width + 1) == 0;
    arrays[5].values[i] = diagonal ? 2.0 : 0.0;   // query2
    arrays[6].values[i] = diagonal ? 3.0 : 0.0;   // key2
    arrays[7].values[i] = diagonal ? -1.5 : 0.5;  // value2
  }
  model->load(arrays);
  const auto values = model->diagnostics();
  REQUIRE(values.size() == 16);
  CHECK(values[12].name == "qk2_diagonal");
  CHECK_THAT(values[12].value, WithinRel(6.0, 1e-14));
  CHECK(values[13].name == "qk2_rest");
  CHECK_THAT(values[13].value, WithinAbs(0.0, 1e-14));
  CHECK(values[14].name == "v2_diagonal");
  CHECK_THAT(values[14].value, WithinRel(-1.5, 1e-14));
  CHECK(values[15].name == "v2_rest");
  CHECK_THAT(values[15].value, WithinRel(0.5 * std::sqrt(42.0) / 7.0, 1e-14));  // 42 of 49 entries are 1/2
}

TEST_CASE("two-layer model: parameters go out and come back", "[transformer][errors]") {
  const BatchSizes sizes;
  const auto model = make_two_layer_model(small_options(sizes), 2);
  const auto other = make_two_layer_model(small_options(sizes), 3);
  other->load(model->parameters());
  CHECK(other->parameters() == model->parameters());
  auto arrays = make_two_layer_model(small_options(sizes), 4)->parameters();
  arrays[19].values.clear();
  CHECK_THROWS_WITH(other->load(arrays), "readout.b3: expected 1 saved parameters, found 0");
  CHECK(other->parameters() == model->parameters());  // nothing is taken from arrays that do not fit
}

TEST_CASE("two-layer model: a bad option is named", "[transformer][errors]") {
  CHECK_THROWS_WITH(make_two_layer_model({.n_context = 1}, 1), "n_context: expected 2 to 16384, got 1");
  CHECK_THROWS_WITH(make_two_layer_model({.dim = 16385}, 1), "dim: expected 1 to 16384, got 16385");
  CHECK_THROWS_WITH(make_two_layer_model({.hidden = 0}, 1), "hidden: expected 1 to 16384, got 0");
  CHECK_THROWS_WITH(make_two_layer_model({.batch = 0}, 1), "batch: expected 1 to 16384, got 0");
  CHECK_THROWS_WITH(make_two_layer_model({.precision = Precision::float64}, 1),
                    "precision: backend onednn trains in float32 only, got float64; use backend eigen for float64");
}

TEST_CASE("two-layer model: a training step allocates nothing", "[transformer]") {
  const BatchSizes sizes{.n_sequences = 4, .n_context = 6, .dim = 63, .n_items = 20};
  const auto batch = random_batch(sizes, 1);
  TwoLayerOptions options{.n_context = 6, .hidden = 32, .batch = 4};
  for (const auto kind : {BackendKind::eigen, BackendKind::onednn}) {
    CAPTURE(name(kind));
    options.backend = kind;
    const auto model = make_two_layer_model(options, 1);
    model->train(batch, {});
    const long before = n_allocations();
    model->train(batch, {});
    CHECK(n_allocations() == before);
  }
}

TEST_CASE("two-layer model: operations of a step are counted", "[transformer]") {
  // dim 0 features would leave 2: count by hand at dim 1 (3 features), hidden 2, 1 sequence of 3 tokens.
  const TwoLayerOptions options{.n_context = 2, .dim = 1, .hidden = 2, .batch = 1};
  const double token_mlp = 2.0 * 3 * 3 * (3 * 2 + 2 * 2 + 2 * 3);
  const double readout = 2.0 * 3 * (3 * 2 + 2 * 2 + 2 * 1);
  const double projections = 2.0 * 3 * (3 * 3) * 6;
  const double table = 2.0 * (1 + 2 + 3) * 3 * 6;
  const double last = 2.0 * 6 * (3 * 3 + 3 * 3);
  CHECK_THAT(two_layer_flops_per_step(options), WithinRel(token_mlp + readout + projections + table + last, 1e-14));
}

TEST_CASE("two-layer model: a small one learns in context", "[transformer]") {
  IclTask task({.n_items = {}, .n_context = 4, .dim = 8}, 1);
  const auto model = make_two_layer_model({.n_context = 4, .dim = 8, .hidden = 32, .batch = 64}, 1);
  SequenceBatch batch;
  for (std::uint64_t step = 0; step < 4000; ++step) {
    task.draw_training(step, 64, batch);
    model->train(batch, {.lr = 0.1});
  }
  LogitParts parts;
  task.draw_icl_test(0, 1000, batch);
  model->logits(batch, parts);
  int n_right = 0;
  for (std::size_t s = 0; s < 1000; ++s) n_right += batch.labels[5 * s + 4] * parts.total[s] > 0 ? 1 : 0;
  CHECK(n_right > 950);  // standard error below 7
}
