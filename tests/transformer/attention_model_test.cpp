#include "iclk/transformer/attention_model.hpp"

#include <cmath>
#include <limits>

#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "transformer/model_checks.hpp"

using namespace iclk;
using namespace iclk::mlp_stats;
using namespace iclk::transformer;
using namespace iclk::test;

namespace {

AttentionOptions small_options(const BatchSizes& sizes, bool attend_self = true) {
  return {.n_context = sizes.n_context,
          .dim = sizes.dim,
          .hidden = 6,
          .batch = sizes.n_sequences,
          .attend_self = attend_self,
          .backend = BackendKind::eigen,
          .precision = Precision::float64};
}

}  // namespace

TEST_CASE("one-layer model: logits and gradients and steps agree with PyTorch",
          "[transformer][eq1][gradient][parity]") {
  const auto reference = pytorch_reference("one_layer_reference.json");
  for (const auto& named : kBackends) {
    for (const auto& run : reference["cases"]) {
      CAPTURE(name(named.kind), name(named.precision), run["attend_self"].get<bool>());
      const auto model = make_attention_model({.n_context = reference["n_context"],
                                               .dim = reference["dim"],
                                               .hidden = reference["hidden"],
                                               .batch = run["steps"][0]["logits"].size(),
                                               .attend_self = run["attend_self"],
                                               .backend = named.kind,
                                               .precision = named.precision},
                                              1);
      check_against_pytorch(*model, reference, run, 16 * named.rounding);
    }
  }
}

TEST_CASE("one-layer model: every gradient is the central difference of the loss", "[transformer][eq1][gradient]") {
  for (const bool attend_self : {true, false}) {
    for (const std::size_t dim : {1, 5}) {
      CAPTURE(attend_self, dim);
      const BatchSizes sizes{.dim = dim};
      const auto model = make_attention_model(small_options(sizes, attend_self), 3);
      perturb(*model, 0.3, 4);
      // Error of the difference: h^2 f'''/6 below 1e-9 and rounding 2e-16/h = 2e-11.
      check_central_differences(*model, random_batch(sizes, 5), 2e-9);
    }
  }
}

TEST_CASE("one-layer model: the shortcut gives the logits of the plain computation", "[transformer][eq1][parity]") {
  for (const bool attend_self : {true, false}) {
    for (const BatchSizes sizes : {BatchSizes{.n_sequences = 4, .n_context = 2, .dim = 1, .n_items = 3},
                                   BatchSizes{.n_sequences = 5, .n_context = 7, .dim = 8, .n_items = 4},
                                   BatchSizes{.n_sequences = 3, .n_context = 30, .dim = 63, .n_items = 1000},
                                   BatchSizes{.n_sequences = 3, .n_context = 9, .dim = 130, .n_items = 20}}) {
      CAPTURE(attend_self, sizes.n_context, sizes.dim);
      const auto model = make_attention_model(small_options(sizes, attend_self), 6);
      perturb(*model, 0.2, 7);
      const auto batch = random_batch(sizes, 8);
      const auto plain = plain_twin(*model, sizes, attend_self);
      LogitParts parts;
      model->logits(batch, parts);
      for (std::size_t s = 0; s < sizes.n_sequences; ++s) {
        const std::size_t length = sizes.n_context + 1;
        const auto items = std::span(batch.items).subspan(s * length, length);
        const auto labels = std::span(batch.labels).subspan(s * length, length);
        const double expected = plain.one_layer_logit(batch.table(), items, labels);
        CHECK_THAT(parts.total[s], WithinAbs(expected, 1e-12 * (1.0 + std::abs(expected))));
        const double alone = plain.mlp("", plain.normalised(batch.table(), items, labels).back()).at(0);
        CHECK_THAT(parts.mlp[s], WithinAbs(alone, 1e-12));
        CHECK_THAT(parts.attention[s], WithinAbs(parts.total[s] - parts.mlp[s], 1e-15));
      }
    }
  }
}

TEST_CASE("one-layer model: scales known with the items give the steps of the plain computation",
          "[transformer][eq1][parity]") {
  for (const bool attend_self : {true, false}) {
    for (const std::size_t dim : {5, 49, 63, 64}) {
      for (const Precision precision : {Precision::float32, Precision::float64}) {
        CAPTURE(attend_self, dim, name(precision));
        AttentionOptions options = small_options({.n_sequences = 16, .n_context = 37, .dim = dim}, attend_self);
        options.precision = precision;
        const auto known = make_attention_model(options, 1);
        const auto plain = make_attention_model(options, 1);
        IclTask task({.n_items = 50, .n_context = 37, .dim = dim}, 2);
        SequenceBatch batch;
        for (std::uint64_t step = 0; step < 20; ++step) {
          task.draw_training(step, 16, batch);
          REQUIRE(batch.rows().scaled);
          known->train(batch, {.lr = 0.1});
          batch.padded = {};
          REQUIRE_FALSE(batch.rows().scaled);
          plain->train(batch, {.lr = 0.1});
        }
        const auto a = known->parameters(), b = plain->parameters();
        if (precision == Precision::float64) {
          CHECK(a == b);  // the scales are floats: a model in double does without
          continue;
        }
        CHECK(a != b);  // other kernels, other rounding
        for (std::size_t i = 0; i < a.size(); ++i) {
          for (std::size_t j = 0; j < a[i].values.size(); ++j) {
            REQUIRE_THAT(a[i].values[j], WithinAbs(b[i].values[j], 1e-5));
          }
        }
      }
    }
  }
}

TEST_CASE("one-layer model: the label of the target is not seen", "[transformer][eq1]") {
  const BatchSizes sizes;
  for (const bool attend_self : {true, false}) {
    const auto model = make_attention_model(small_options(sizes, attend_self), 6);
    check_target_label_is_not_seen(*model, sizes);
  }
}

TEST_CASE("one-layer model: float32 follows the double reference over 100 steps", "[transformer][parity]") {
  // Odd sizes on purpose: no dimension is a multiple of a vector length. 63 items per row take the packed kernels.
  const BatchSizes sizes{.n_sequences = 37, .n_context = 11, .dim = 63, .n_items = 500};
  AttentionOptions options = small_options(sizes);
  options.hidden = 67;
  const IclSgd sgd{.lr = 0.05, .mlp_weight_decay = 1e-3, .attention_weight_decay = 1e-2};
  const auto make = [&](Precision precision, BackendKind backend) {
    options.precision = precision;
    options.backend = backend;
    return make_attention_model(options, 1);
  };
  check_float_follows_double(make, sizes, sgd, 100);
}

TEST_CASE("one-layer model: a training step allocates nothing", "[transformer]") {
  const BatchSizes sizes{.n_sequences = 8, .n_context = 6, .dim = 63, .n_items = 20};
  const auto batch = random_batch(sizes, 1);
  AttentionOptions options{.n_context = 6, .hidden = 32, .batch = 8};
  for (const auto kind : {BackendKind::eigen, BackendKind::onednn}) {
    CAPTURE(name(kind));
    options.backend = kind;
    const auto model = make_attention_model(options, 1);
    model->train(batch, {});
    const long before = n_allocations();
    model->train(batch, {});
    CHECK(n_allocations() == before);
  }
}

TEST_CASE("one-layer model: any number of sequences is answered alike", "[transformer]") {
  const BatchSizes sizes{.n_sequences = 10};
  const auto batch = random_batch(sizes, 1);
  LogitParts whole, parts;
  AnsatzSplit whole_split, split;
  AttentionOptions options = small_options(sizes);
  make_attention_model(options, 1)->logits(batch, whole);
  make_attention_model(options, 1)->split(batch, whole_split);
  options.batch = 4;  // the last of three chunks is not full
  const auto model = make_attention_model(options, 1);
  model->logits(batch, parts);
  model->split(batch, split);
  REQUIRE(parts.total.size() == 10);
  for (std::size_t s = 0; s < 10; ++s) {
    CHECK_THAT(parts.total[s], WithinAbs(whole.total[s], 1e-15));
    CHECK_THAT(parts.mlp[s], WithinAbs(whole.mlp[s], 1e-15));
    CHECK_THAT(split.total[s], WithinAbs(whole.total[s], 1e-15));
    CHECK_THAT(split.residual[s], WithinAbs(whole_split.residual[s], 1e-15));
    CHECK_THAT(split.copy_attention[s], WithinAbs(whole_split.copy_attention[s], 1e-15));
  }
  std::vector<double> memory(sizes.n_items);
  model->memory_logits(batch.table(), memory);
  for (std::size_t s = 0; s < 10; ++s) {
    CHECK_THAT(memory[batch.items[(s + 1) * (sizes.n_context + 1) - 1]], WithinAbs(whole.mlp[s], 1e-15));
  }
}

TEST_CASE("one-layer model: split adds up and knows the cases without interaction", "[transformer][identity]") {
  const BatchSizes sizes{.n_sequences = 6};
  const auto batch = random_batch(sizes, 2);
  for (const bool attend_self : {true, false}) {
    const auto model = make_attention_model(small_options(sizes, attend_self), 2);
    perturb(*model, 0.3, 2);
    AnsatzSplit parts;
    model->split(batch, parts);
    const auto plain = plain_twin(*model, sizes, attend_self);
    double largest = 0.0;
    for (std::size_t s = 0; s < sizes.n_sequences; ++s) {
      const std::size_t length = sizes.n_context + 1;
      const auto items = std::span(batch.items).subspan(s * length, length);
      const auto labels = std::span(batch.labels).subspan(s * length, length);
      const auto tokens = plain.normalised(batch.table(), items, labels);
      const auto head = plain.attend(tokens, "");
      const double alone = plain.mlp("", head.outputs.back())[0] - plain.mlp("", std::vector<double>(7, 0.0))[0];
      CHECK_THAT(parts.attention[s], WithinAbs(alone, 1e-13));
      CHECK_THAT(parts.mlp[s] + parts.attention[s] + parts.residual[s], WithinAbs(parts.total[s], 1e-14));
      double copies = 0.0;
      for (std::size_t j = 0; j < sizes.n_context; ++j) {
        if (items[j] == items.back()) copies += head.weights.back()[j];
      }
      CHECK_THAT(parts.copy_attention[s], WithinAbs(copies, 1e-14));
      CHECK_THAT(parts.self_attention[s], WithinAbs(head.weights.back().back(), 1e-14));
      CHECK((parts.self_attention[s] > 0.0) == attend_self);
      largest = std::max(largest, std::abs(parts.residual[s]));
    }
    CHECK(largest > 1e-3);  // a ReLU network mixes its inputs

    auto arrays = model->parameters();
    auto without_value = arrays;
    for (double& x : without_value[4].values) x = 0.0;
    model->load(without_value);
    model->split(batch, parts);
    for (std::size_t s = 0; s < sizes.n_sequences; ++s) {
      CHECK(parts.attention[s] == 0.0);
      CHECK(parts.residual[s] == 0.0);
    }
    // Biases so large that every unit is active: the MLP is affine and the ansatz exact.
    for (double& x : arrays[6].values) x = 100.0;
    for (double& x : arrays[8].values) x = 10000.0;
    model->load(arrays);
    model->split(batch, parts);
    for (std::size_t s = 0; s < sizes.n_sequences; ++s) {
      CHECK(std::abs(parts.attention[s]) > 1e-3);
      CHECK_THAT(parts.residual[s], WithinAbs(0.0, 1e-10));
    }
  }
}

TEST_CASE("one-layer model: decays act on their groups alone", "[transformer]") {
  const BatchSizes sizes;
  const auto batch = random_batch(sizes, 2);
  const auto after = [&](const IclSgd& sgd) {
    const auto model = make_attention_model(small_options(sizes), 2);
    perturb(*model, 0.3, 2);
    model->train(batch, sgd);
    return model->parameters();
  };
  const IclSgd none{.lr = 0.1, .mlp_weight_decay = 0.0, .attention_weight_decay = 0.0};
  const auto plain = after(none);
  const auto changed = [&](const IclSgd& sgd) {
    std::string names;
    const auto found = after(sgd);
    for (std::size_t a = 0; a < found.size(); ++a) {
      if (!(found[a] == plain[a])) names += found[a].name + ' ';
    }
    return names;
  };
  IclSgd sgd = none;
  sgd.mlp_weight_decay = 0.5;
  CHECK(changed(sgd) == "w1 b1 w2 b2 w3 b3 ");
  sgd = none;
  sgd.attention_weight_decay = 0.5;
  CHECK(changed(sgd) == "norm_gain norm_bias query key value ");
  sgd.decay_layernorm = false;
  CHECK(changed(sgd) == "query key value ");
  sgd = none;
  sgd.lr = 0.2;
  CHECK(changed(sgd) == "norm_gain norm_bias query key value w1 b1 w2 b2 w3 b3 ");
}

TEST_CASE("one-layer model: starts as PyTorch does and each seed otherwise", "[transformer]") {
  const AttentionOptions options{.hidden = 16, .batch = 2};
  const auto arrays = make_attention_model(options, 5)->parameters();
  REQUIRE(arrays.size() == 11);
  CHECK(arrays[0].values == std::vector<double>(65, 1.0));
  CHECK(arrays[1].values == std::vector<double>(65, 0.0));
  const double bound = 1.0 / std::sqrt(65.0);
  for (std::size_t a = 2; a < 5; ++a) {
    CAPTURE(arrays[a].name);
    REQUIRE(arrays[a].values.size() == 65 * 65);
    double largest = 0.0;
    for (const double x : arrays[a].values) largest = std::max(largest, std::abs(x));
    CHECK(largest <= bound);
    CHECK(largest > 0.99 * bound);
    // Variance bound^2/3 with standard error bound^2 sqrt(4/45)/65.
    const double variance = norm(arrays[a].values) * norm(arrays[a].values) / (65 * 65);
    CHECK_THAT(variance, WithinAbs(bound * bound / 3, 4 * bound * bound * std::sqrt(4.0 / 45) / 65));
  }
  CHECK_FALSE(arrays[2].values == arrays[3].values);
  CHECK_FALSE(arrays[3].values == arrays[4].values);
  CHECK(arrays == make_attention_model(options, 5)->parameters());
  const auto other = make_attention_model(options, 6)->parameters();
  for (std::size_t a = 2; a < other.size(); ++a) CHECK_FALSE(arrays[a] == other[a]);
  const MlpParameters mlp = initial_parameters({.n_features = 65, .hidden = 16}, 5);
  CHECK(arrays[5].values == mlp.w1);
}

TEST_CASE("one-layer model: parameters go out and come back", "[transformer][errors]") {
  const BatchSizes sizes;
  const auto model = make_attention_model(small_options(sizes), 2);
  const auto other = make_attention_model(small_options(sizes), 3);
  other->load(model->parameters());
  CHECK(other->parameters() == model->parameters());

  auto arrays = make_attention_model(small_options(sizes), 4)->parameters();
  arrays[2].name = "queries";
  CHECK_THROWS_WITH(other->load(arrays), "query: expected this array of saved parameters, found queries");
  arrays[2].name = "query";
  arrays[5].values.pop_back();
  CHECK_THROWS_WITH(other->load(arrays), "w1: expected 42 saved parameters, found 41");
  arrays[5].values.push_back(0.0);
  arrays.push_back({"more", {1.0}});
  CHECK_THROWS_WITH(other->load(arrays), "more: more saved parameters than this model has");
  arrays.resize(arrays.size() - 2);
  CHECK_THROWS_WITH(other->load(arrays), "b3: expected this array of saved parameters, found the end");
  CHECK(other->parameters() == model->parameters());  // nothing is taken from arrays that do not fit
}

TEST_CASE("one-layer model: a bad option is named", "[transformer][errors]") {
  CHECK_THROWS_WITH(make_attention_model({.n_context = 1}, 1), "n_context: expected 2 to 16384, got 1");
  CHECK_THROWS_WITH(make_attention_model({.dim = 0}, 1), "dim: expected 1 to 16384, got 0");
  CHECK_THROWS_WITH(make_attention_model({.hidden = 16385}, 1), "hidden: expected 1 to 16384, got 16385");
  CHECK_THROWS_WITH(make_attention_model({.batch = 0}, 1), "batch: expected 1 to 16384, got 0");
  CHECK_THROWS_WITH(make_attention_model({.precision = Precision::float64}, 1),
                    "precision: backend onednn trains in float32 only, got float64; use backend eigen for float64");
}

TEST_CASE("one-layer model: items that are all zero or all alike keep it finite", "[transformer][limits]") {
  const BatchSizes sizes{.n_sequences = 3, .n_context = 4, .dim = 5, .n_items = 2};
  for (const float value : {0.0F, 1.0F}) {
    auto batch = random_batch(sizes, 2);
    for (float& x : batch.fresh) x = value;
    const auto model = make_attention_model(small_options(sizes), 2);
    CHECK(std::isfinite(model->train(batch, {})));
    for (const auto& array : model->parameters()) {
      for (const double x : array.values) REQUIRE(std::isfinite(x));
    }
  }
}

TEST_CASE("one-layer model: parameters without bound end in a loss that is not finite", "[transformer][limits]") {
  const BatchSizes sizes;
  const auto model = make_attention_model(small_options(sizes), 2);
  auto arrays = model->parameters();
  arrays[2].values[0] = std::numeric_limits<double>::infinity();
  model->load(arrays);
  CHECK_FALSE(std::isfinite(model->train(random_batch(sizes, 1), {})));
}

TEST_CASE("one-layer model: a small one learns in context", "[transformer]") {
  IclTask task({.n_items = {}, .n_context = 4, .dim = 8}, 2);
  const auto model = make_attention_model({.n_context = 4, .dim = 8, .hidden = 32, .batch = 64}, 2);
  SequenceBatch batch;
  const auto accuracy_and_copy_attention = [&] {
    AnsatzSplit parts;
    task.draw_icl_test(0, 1000, batch);
    model->split(batch, parts);
    double n_right = 0.0, copy = 0.0;
    for (std::size_t s = 0; s < 1000; ++s) {
      n_right += batch.labels[5 * s + 4] * parts.total[s] > 0 ? 1.0 : 0.0;
      copy += parts.copy_attention[s];
    }
    return std::pair{n_right / 1000, copy / 1000};
  };
  CHECK_THAT(accuracy_and_copy_attention().first, WithinAbs(0.5, 0.1));  // standard error 0.016, and a random network
  for (std::uint64_t step = 0; step < 3000; ++step) {
    task.draw_training(step, 64, batch);
    model->train(batch, {.lr = 0.2});
  }
  const auto [accuracy, copy] = accuracy_and_copy_attention();
  CHECK(accuracy > 0.98);  // standard error below 0.005
  CHECK(copy > 0.4);       // by attention to the copy: even attention is 0.2
  CHECK(model->diagnostics()[8].name == "beta");
  CHECK(model->diagnostics()[8].value > 2.0);
}
