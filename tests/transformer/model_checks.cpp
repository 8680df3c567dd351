#include "transformer/model_checks.hpp"

#include <cmath>
#include <fstream>

#include "iclk/core/random.hpp"
#include "support/catch.hpp"

namespace iclk::test {

using transformer::IclModel;
using transformer::LogitParts;
using transformer::NamedArray;
using transformer::SequenceBatch;

SequenceBatch random_batch(const BatchSizes& sizes, std::uint64_t seed) {
  SequenceBatch batch;
  batch.n_sequences = sizes.n_sequences;
  batch.n_context = sizes.n_context;
  batch.dim = sizes.dim;
  Rng rng(seed, RandomPurpose::test, 1);
  const double scale = 1.0 / std::sqrt(static_cast<double>(sizes.dim));
  batch.fresh.resize(sizes.n_items * sizes.dim);
  for (float& x : batch.fresh) x = static_cast<float>(scale * rng.normal());
  for (std::size_t s = 0; s < sizes.n_sequences; ++s) {
    for (std::size_t j = 0; j <= sizes.n_context; ++j) {
      batch.items.push_back(static_cast<std::uint32_t>(rng.below(sizes.n_items)));
      batch.labels.push_back(rng.below(2) == 0 ? -1 : 1);
    }
    if (s % 2 == 0) batch.items[batch.items.size() - 1 - (1 + rng.below(sizes.n_context))] = batch.items.back();
  }
  return batch;
}

void perturb(IclModel& model, double sd, std::uint64_t seed) {
  auto arrays = model.parameters();
  Rng rng(seed, RandomPurpose::test, 2);
  for (auto& array : arrays) {
    for (double& value : array.values) value = static_cast<float>(value + sd * rng.normal());
  }
  model.load(arrays);
}

double norm(const std::vector<double>& a) {
  double sum = 0.0;
  for (const double x : a) sum += x * x;
  return std::sqrt(sum);
}

std::vector<double> difference(std::vector<double> a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] -= b[i];
  return a;
}

void check_target_label_is_not_seen(IclModel& model, const BatchSizes& sizes) {
  auto batch = random_batch(sizes, 8);
  LogitParts before, after;
  model.logits(batch, before);
  for (std::size_t s = 0; s < sizes.n_sequences; ++s) {
    auto& label = batch.labels[(s + 1) * (sizes.n_context + 1) - 1];
    label = static_cast<std::int8_t>(-label);
  }
  model.logits(batch, after);
  CHECK(before.total == after.total);
  batch.labels[0] = static_cast<std::int8_t>(-batch.labels[0]);
  model.logits(batch, after);
  CHECK(before.total[0] != after.total[0]);
}

void check_float_follows_double(const MakeModel& make, const BatchSizes& sizes, const transformer::IclSgd& sgd,
                                std::uint64_t n_steps) {
  using mlp_stats::BackendKind, mlp_stats::Precision;
  const auto trained = [&](Precision precision, BackendKind backend) {
    const auto model = make(precision, backend);
    for (std::uint64_t step = 0; step < n_steps; ++step) model->train(random_batch(sizes, step), sgd);
    return model->parameters();
  };
  // Beside rounding: a unit within rounding of its threshold is on in one precision and off in the other, which moves a
  // step by one sample's share times weights below 0.1.
  const double one_unit = 0.1 * sgd.lr / static_cast<double>(sizes.n_sequences);
  const auto expected = trained(Precision::float64, BackendKind::eigen);
  for (const auto kind : {BackendKind::eigen, BackendKind::onednn}) {
    CAPTURE(mlp_stats::name(kind));
    const auto found = trained(Precision::float32, kind);
    for (std::size_t a = 0; a < found.size(); ++a) {
      CAPTURE(found[a].name);
      CHECK(norm(difference(found[a].values, expected[a].values)) < 1e-4 * norm(expected[a].values) + one_unit);
    }
  }
}

double mean_loss(IclModel& model, const SequenceBatch& batch) {
  LogitParts parts;
  model.logits(batch, parts);
  double sum = 0.0;
  for (std::size_t s = 0; s < batch.n_sequences; ++s) {
    const double label = batch.labels[(s + 1) * (batch.n_context + 1) - 1];
    sum += std::log1p(std::exp(-label * parts.total[s]));
  }
  return sum / static_cast<double>(batch.n_sequences);
}

std::vector<NamedArray> gradients(IclModel& model, const SequenceBatch& batch) {
  const auto before = model.parameters();
  model.train(batch, {.lr = 1.0, .mlp_weight_decay = 0.0, .attention_weight_decay = 0.0});
  auto result = model.parameters();
  for (std::size_t a = 0; a < result.size(); ++a) {
    for (std::size_t i = 0; i < result[a].values.size(); ++i) {
      result[a].values[i] = before[a].values[i] - result[a].values[i];
    }
  }
  model.load(before);
  return result;
}

void check_central_differences(IclModel& model, const SequenceBatch& batch, double tolerance,
                               const std::string& frozen) {
  const auto gradient = gradients(model, batch);
  const auto start = model.parameters();
  constexpr double h = 1e-5;
  double largest = 0.0;
  for (std::size_t a = 0; a < start.size(); ++a) {
    const bool is_frozen = !frozen.empty() && start[a].name.rfind(frozen, 0) == 0;
    for (std::size_t i = 0; i < start[a].values.size(); ++i) {
      CAPTURE(start[a].name, i);
      if (is_frozen) {
        REQUIRE(gradient[a].values[i] == 0.0);
        continue;
      }
      auto moved = start;
      moved[a].values[i] = start[a].values[i] + h;
      model.load(moved);
      const double up = mean_loss(model, batch);
      moved[a].values[i] = start[a].values[i] - h;
      model.load(moved);
      const double down = mean_loss(model, batch);
      REQUIRE_THAT(gradient[a].values[i], WithinAbs((up - down) / (2 * h), tolerance));
      largest = std::max(largest, std::abs(gradient[a].values[i]));
    }
  }
  model.load(start);
  CHECK(largest > 1e6 * tolerance);  // there was something to compare
}

PlainTransformer plain_twin(const IclModel& model, const BatchSizes& sizes, bool attend_self) {
  PlainTransformer plain;
  plain.n_context = sizes.n_context;
  plain.dim = sizes.dim;
  plain.attend_self = attend_self;
  for (const auto& array : model.parameters()) plain.arrays[array.name] = array.values;
  return plain;
}

nlohmann::json pytorch_reference(const std::string& file) {
  std::ifstream stream(std::string(ICLK_TEST_DATA) + "/pytorch/" + file);
  REQUIRE(stream);
  return nlohmann::json::parse(stream);
}

namespace {

std::vector<NamedArray> arrays_from(const IclModel& model, const nlohmann::json& values) {
  auto arrays = model.parameters();
  CHECK(values.size() == arrays.size());
  for (auto& array : arrays) array.values = values.at(array.name).get<std::vector<double>>();
  return arrays;
}

void require_close(const std::vector<NamedArray>& found, const std::vector<NamedArray>& expected, double tolerance) {
  for (std::size_t a = 0; a < expected.size(); ++a) {
    REQUIRE(found[a].values.size() == expected[a].values.size());
    for (std::size_t i = 0; i < expected[a].values.size(); ++i) {
      CAPTURE(expected[a].name, i);
      REQUIRE_THAT(found[a].values[i], WithinAbs(expected[a].values[i], tolerance));
    }
  }
}

}  // namespace

void check_against_pytorch(IclModel& model, const nlohmann::json& reference, const nlohmann::json& run,
                           double tolerance) {
  model.load(arrays_from(model, run["initial"]));
  transformer::IclSgd sgd;
  sgd.lr = reference["lr"];
  sgd.mlp_weight_decay = reference["mlp_decay"];
  sgd.attention_weight_decay = reference.value("attention_decay", 0.0);  // of the transformers alone
  sgd.decay_layernorm = run.value("decay_layernorm", false);
  sgd.lambda_w = run.value("lambda_w", 0.0);  // of the minimal model alone
  sgd.lambda_beta = run.value("lambda_beta", 0.0);
  const auto items = run["items"].get<std::vector<float>>();
  for (const auto& step : run["steps"]) {
    SequenceBatch batch;
    batch.n_sequences = step["logits"].size();
    batch.n_context = reference["n_context"];
    batch.dim = reference["dim"];
    batch.items = step["items"].get<std::vector<std::uint32_t>>();
    batch.labels = step["labels"].get<std::vector<std::int8_t>>();
    batch.dataset = items;
    LogitParts parts;
    model.logits(batch, parts);
    for (std::size_t s = 0; s < batch.n_sequences; ++s) {
      CHECK_THAT(parts.total[s], WithinAbs(step["logits"][s].get<double>(), tolerance));
    }
    if (step.contains("gradient")) {
      auto expected = arrays_from(model, step["gradient"]);
      if (!run.value("readout_trained", true)) {
        for (auto& array : expected) {
          if (array.name.rfind("readout.", 0) == 0) array.values.assign(array.values.size(), 0.0);
        }
      }
      require_close(gradients(model, batch), expected, tolerance);
    }
    CHECK_THAT(model.train(batch, sgd), WithinAbs(step["loss"].get<double>(), tolerance));
  }
  require_close(model.parameters(), arrays_from(model, run["steps"].back()["parameters"]), tolerance);
}

}  // namespace iclk::test
