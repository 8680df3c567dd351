#include "iclk/mlp_stats/backend.hpp"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "host_batch.hpp"
#include "iclk/core/random.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

using namespace iclk;
using namespace iclk::mlp_stats;
using namespace iclk::test;

namespace {

using Make = std::function<std::unique_ptr<Backend>(const ItemDataset&, MlpShape, std::size_t)>;

struct NamedBackend {
  std::string name;
  double rounding;  ///< relative rounding of one number
  Make make;
};

NamedBackend named(BackendKind kind, Precision precision) {
  return {std::string(name(kind)) + ' ' + std::string(name(precision)),
          precision == Precision::float64   ? 2.2e-16
          : precision == Precision::float32 ? 1.2e-7
                                            : 9.8e-4,
          [=](const ItemDataset& dataset, MlpShape shape, std::size_t batch) {
            return make_backend(kind, precision, dataset, shape, batch);
          }};
}

/// The kernels of backend cuda, on the host.
NamedBackend kernels_on_the_host() {
  return {"kernels of cuda on the host", 1.2e-7, [](const ItemDataset& dataset, MlpShape shape, std::size_t batch) {
            return std::make_unique<HostBackend>(dataset, shape, batch);
          }};
}

std::vector<NamedBackend> float_backends() {
  return {named(BackendKind::eigen, Precision::float32), named(BackendKind::onednn, Precision::float32),
          kernels_on_the_host()};
}

/// Every array of the parameters, by name.
std::vector<std::pair<std::string, std::vector<double>>> arrays_of(const MlpParameters& p) {
  return {{"w1", p.w1}, {"b1", p.b1}, {"w2", p.w2}, {"b2", p.b2}, {"w3", p.w3}, {"b3", p.b3}};
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

nlohmann::json pytorch_reference() {
  std::ifstream file(std::string(ICLK_TEST_DATA) + "/pytorch/mlp_reference.json");
  REQUIRE(file);
  return nlohmann::json::parse(file);
}

MlpParameters parameters_from(const nlohmann::json& json, MlpShape shape) {
  MlpParameters p(shape);
  p.w1 = json["w1"].get<std::vector<double>>();
  p.b1 = json["b1"].get<std::vector<double>>();
  p.w2 = json["w2"].get<std::vector<double>>();
  p.b2 = json["b2"].get<std::vector<double>>();
  p.w3 = json["w3"].get<std::vector<double>>();
  p.b3 = json["b3"].get<std::vector<double>>();
  return p;
}

std::vector<std::uint32_t> random_batches(std::size_t n_steps, std::size_t batch, std::size_t n_items) {
  std::vector<std::uint32_t> items(n_steps * batch);
  Rng rng(11, RandomPurpose::test, 0);
  for (auto& item : items) item = static_cast<std::uint32_t>(rng.below(n_items));
  return items;
}

}  // namespace

namespace {

void agrees_with_pytorch(const NamedBackend& named) {
  const auto reference = pytorch_reference();
  const MlpShape shape{.n_features = reference["n_features"], .hidden = reference["hidden"]};
  ItemDataset dataset;
  const auto labels = reference["labels"].get<std::vector<double>>();
  dataset.n_items = labels.size();
  dataset.n_features = shape.n_features;
  dataset.features = reference["items"].get<std::vector<float>>();
  dataset.labels.assign(labels.begin(), labels.end());
  const double lr = reference["lr"];
  const double weight_decay = reference["weight_decay"];

  CAPTURE(named.name);
  const std::size_t batch = reference["batches"][0].size();
  const auto backend = named.make(dataset, shape, batch);
  MlpParameters before = parameters_from(reference["initial"], shape);
  for (std::size_t step = 0; step < reference["steps"].size(); ++step) {
    const auto& expected = reference["steps"][step];
    const auto items = reference["batches"][step].get<std::vector<std::uint32_t>>();

    // A step of lr = 1 without decay moves the parameters by minus the gradient.
    backend->upload(before);
    backend->train(items, {.lr = 1.0, .weight_decay = 0.0});
    const auto moved = arrays_of(backend->download());
    const auto start = arrays_of(before);
    const auto gradient = arrays_of(parameters_from(expected["gradient"], shape));
    for (std::size_t a = 0; a < moved.size(); ++a) {
      CAPTURE(step, moved[a].first);
      for (std::size_t i = 0; i < moved[a].second.size(); ++i) {
        REQUIRE_THAT(start[a].second[i] - moved[a].second[i], WithinAbs(gradient[a].second[i], 8 * named.rounding));
      }
    }

    backend->upload(before);
    backend->train(items, {.lr = lr, .weight_decay = weight_decay});
    const MlpParameters expected_after = parameters_from(expected["parameters"], shape);
    const auto after = arrays_of(backend->download());
    for (std::size_t a = 0; a < after.size(); ++a) {
      CAPTURE(step, after[a].first);
      const auto target = arrays_of(expected_after)[a].second;
      for (std::size_t i = 0; i < target.size(); ++i) {
        REQUIRE_THAT(after[a].second[i], WithinAbs(target[i], 8 * named.rounding));
      }
    }
    before = expected_after;
  }
  backend->upload(before);
  std::vector<double> logits(dataset.n_items);
  backend->logits(logits);
  const auto expected = reference["final_logits"].get<std::vector<double>>();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    REQUIRE_THAT(logits[i], WithinAbs(expected[i], 16 * named.rounding));
  }
}

/// Odd sizes on purpose: no dimension is a multiple of a vector length.
void follows_the_double_reference(const NamedBackend& named) {
  const MlpShape shape{.n_features = 63, .hidden = 67};
  const std::size_t batch = 37;
  const auto dataset = make_item_dataset(200, 63, LabelRule::random, InputForm::raw, 1);
  const auto start = initial_parameters(shape, 1);
  const auto items = random_batches(100, batch, 200);
  const SgdOptions sgd{.lr = 0.05, .weight_decay = 1e-3};

  const auto reference = make_backend(BackendKind::eigen, Precision::float64, dataset, shape, batch);
  reference->upload(start);
  reference->train(items, sgd);
  const auto expected = arrays_of(reference->download());
  CAPTURE(named.name);
  const auto backend = named.make(dataset, shape, batch);
  backend->upload(start);
  backend->train(items, sgd);
  const auto found = arrays_of(backend->download());
  for (std::size_t a = 0; a < found.size(); ++a) {
    CAPTURE(found[a].first);
    const double size = distance(expected[a].second, std::vector<double>(expected[a].second.size()));
    CHECK(distance(found[a].second, expected[a].second) < 1e-4 * size);
  }
}

void does_not_depend_on_the_split(const NamedBackend& named) {
  CAPTURE(named.name);
  const MlpShape shape{.n_features = 63, .hidden = 64};
  const auto dataset = make_item_dataset(100, 63, LabelRule::random, InputForm::raw, 1);
  const auto items = random_batches(12, 32, 100);
  const auto whole = named.make(dataset, shape, 32);
  const auto parts = named.make(dataset, shape, 32);
  whole->upload(initial_parameters(shape, 1));
  parts->upload(initial_parameters(shape, 1));
  whole->train(items, {});
  parts->train(std::span(items).first(5 * 32), {});
  const MlpParameters between = parts->download();
  const auto fresh = named.make(dataset, shape, 32);
  fresh->upload(between);
  fresh->train(std::span(items).subspan(5 * 32), {});
  CHECK(fresh->download() == whole->download());
}

void rates_act(const NamedBackend& named) {
  CAPTURE(named.name);
  const MlpShape shape{.n_features = 3, .hidden = 4};
  const auto dataset = make_item_dataset(6, 3, LabelRule::random, InputForm::raw, 2);
  const auto items = random_batches(1, 2, 6);
  const auto backend = named.make(dataset, shape, 2);
  const auto after = [&](SgdOptions sgd) {
    backend->upload(initial_parameters(shape, 2));
    backend->train(items, sgd);
    return backend->download();
  };
  const auto plain = after({.lr = 0.1, .weight_decay = 0.0});
  CHECK_FALSE(plain == after({.lr = 0.2, .weight_decay = 0.0}));
  CHECK_FALSE(plain == after({.lr = 0.1, .weight_decay = 0.01}));
  CHECK(plain == after({.lr = 0.1, .weight_decay = 0.0}));
}

}  // namespace

TEST_CASE("backend: gradients and SGD steps agree with PyTorch", "[mlp_stats][gradient][parity]") {
  agrees_with_pytorch(named(BackendKind::eigen, Precision::float64));
  for (const auto& backend : float_backends()) agrees_with_pytorch(backend);
}

TEST_CASE("backend: cuda passes the parity tests", "[mlp_stats][gradient][parity][cuda]") {
  if (skipped(cuda_problem())) return;
  const auto backend = named(BackendKind::cuda, Precision::float32);
  agrees_with_pytorch(backend);
  follows_the_double_reference(backend);
  does_not_depend_on_the_split(backend);
  rates_act(backend);
}

TEST_CASE("backend: cuda in tf32 is as far from PyTorch as its inputs are rounded", "[mlp_stats][parity][cuda]") {
  if (skipped(cuda_problem())) return;
  const auto backend = named(BackendKind::cuda, Precision::tf32);
  agrees_with_pytorch(backend);
  rates_act(backend);
}

TEST_CASE("backend: every gradient is the central difference of the loss", "[mlp_stats][gradient]") {
  const MlpShape shape{.n_features = 4, .hidden = 6};
  const std::size_t batch = 9;
  const auto dataset = make_item_dataset(15, 4, LabelRule::random, InputForm::raw, 8);
  const auto items = random_batches(1, batch, 15);
  const auto backend = make_backend(BackendKind::eigen, Precision::float64, dataset, shape, batch);
  const MlpParameters start = initial_parameters(shape, 8);

  const auto loss = [&](const MlpParameters& p) {
    backend->upload(p);
    std::vector<double> logits(15);
    backend->logits(logits);
    double sum = 0.0;
    for (const auto i : items) sum += std::log1p(std::exp(-dataset.labels[i] * logits[i]));
    return sum / static_cast<double>(batch);
  };
  backend->upload(start);
  backend->train(items, {.lr = 1.0, .weight_decay = 0.0});
  const MlpParameters moved = backend->download();

  const auto check = [&](auto member) {
    const std::size_t n = (start.*member).size();
    for (std::size_t i = 0; i < n; ++i) {
      constexpr double h = 1e-5;
      MlpParameters up = start, down = start;
      (up.*member)[i] += h;
      (down.*member)[i] -= h;
      // Error of the difference: h^2 f'''/6 below 1e-10 and rounding 2e-16/h = 2e-11.
      REQUIRE_THAT((start.*member)[i] - (moved.*member)[i], WithinAbs((loss(up) - loss(down)) / (2 * h), 2e-10));
    }
  };
  check(&MlpParameters::w1);
  check(&MlpParameters::b1);
  check(&MlpParameters::w2);
  check(&MlpParameters::b2);
  check(&MlpParameters::w3);
  check(&MlpParameters::b3);
}

TEST_CASE("backend: float32 follows the double reference over 100 steps", "[mlp_stats][parity]") {
  for (const auto& backend : float_backends()) follows_the_double_reference(backend);
}

TEST_CASE("backend: how steps are split into calls does not change a bit", "[mlp_stats]") {
  for (const auto& backend : float_backends()) does_not_depend_on_the_split(backend);
}

TEST_CASE("backend: a training step allocates nothing", "[mlp_stats]") {
  const MlpShape shape{.n_features = 63, .hidden = 64};
  const auto dataset = make_item_dataset(100, 63, LabelRule::random, InputForm::raw, 1);
  const auto items = random_batches(4, 32, 100);
  for (const auto kind : {BackendKind::eigen, BackendKind::onednn}) {
    CAPTURE(name(kind));
    const auto backend = make_backend(kind, Precision::float32, dataset, shape, 32);
    backend->upload(initial_parameters(shape, 1));
    backend->train(items, {});
    const long before = n_allocations();
    backend->train(items, {});
    CHECK(n_allocations() == before);
  }
  const long before = n_allocations();
  std::vector<double> logits(dataset.n_items);
  make_backend(BackendKind::eigen, Precision::float32, dataset, shape, 32)->logits(logits);
  CHECK(n_allocations() > before);  // the counter counts
}

TEST_CASE("backend: weight decay and learning rate act", "[mlp_stats]") {
  for (const auto& backend : float_backends()) rates_act(backend);
}

TEST_CASE("backend: oneDNN says that it has no float64", "[mlp_stats][errors]") {
  const auto dataset = make_item_dataset(6, 3, LabelRule::random, InputForm::raw, 2);
  CHECK_THROWS_WITH(make_backend(BackendKind::onednn, Precision::float64, dataset, {3, 4}, 2),
                    "precision: backend onednn trains in float32 only, got float64; use backend eigen for float64");
}

TEST_CASE("backend: a precision that a backend does not have is an error", "[mlp_stats][errors]") {
  const auto dataset = make_item_dataset(6, 3, LabelRule::random, InputForm::raw, 2);
  CHECK_THROWS_WITH(
      make_backend(BackendKind::cuda, Precision::float64, dataset, {3, 4}, 2),
      "precision: expected float32 or tf32 with backend cuda (backend eigen offers float64), got float64");
  CHECK_THROWS_WITH(make_backend(BackendKind::eigen, Precision::tf32, dataset, {3, 4}, 2),
                    "precision: expected float32 or float64 with backend eigen (backend cuda offers tf32), got tf32");
  CHECK_THROWS_WITH(make_backend(BackendKind::onednn, Precision::tf32, dataset, {3, 4}, 2),
                    "precision: expected float32 with backend onednn (backend eigen offers float64), got tf32");
}

TEST_CASE("backend: where cuda cannot be used its error says why", "[mlp_stats][errors]") {
  if (!cuda_problem()) return;
  const auto dataset = make_item_dataset(6, 3, LabelRule::random, InputForm::raw, 2);
  CHECK_THROWS_WITH(make_backend(BackendKind::cuda, Precision::float32, dataset, {3, 4}, 2),
                    "backend: " + *cuda_problem());
  CHECK_THAT(*cuda_problem(), StartsWith("cuda "));
  CHECK(cuda_problem()->find('\n') == std::string::npos);
  CHECK(cuda_description() == *cuda_problem());
  CHECK_THROWS_WITH(make_mlp_engine<float>(BackendKind::cuda, {3, 4}, 2),
                    "backend: cuda trains whole runs, it has no engine for one batch");
}
