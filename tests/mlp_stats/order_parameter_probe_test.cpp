#include "iclk/mlp_stats/order_parameter_probe.hpp"

#include <cmath>

#include "iclk/core/logistic.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::mlp_stats;
using namespace iclk::test;

TEST_CASE("order parameter probe: averages over every item and both labels", "[mlp_stats][eq29][eq30]") {
  const MlpShape shape{.n_features = 5, .hidden = 7};
  // 21 items in batches of 8: the last batch is not full.
  const auto dataset = make_item_dataset(21, 5, LabelRule::random, InputForm::raw, 2);
  for (const auto kind : {BackendKind::eigen, BackendKind::onednn}) {
    const auto backend = make_backend(kind, Precision::float32, dataset, shape, 8);
    auto parameters = initial_parameters(shape, 2);
    for (double& w : parameters.w3) w *= 30;  // spread the logits
    backend->upload(parameters);
    std::vector<double> logits(21);
    const auto probed = probe_order_parameters(*backend, dataset, logits);

    double c1 = 0.0, squares = 0.0, c3 = 0.0, loss = 0.0, correct = 0.0;
    for (std::size_t i = 0; i < 21; ++i) {
      double z = parameters.b3.front();  // one item at a time, one neuron at a time
      std::vector<double> first(7);
      for (std::size_t h = 0; h < 7; ++h) {
        double sum = parameters.b1[h];
        for (std::size_t d = 0; d < 5; ++d) sum += parameters.w1[h * 5 + d] * dataset.features[i * 5 + d];
        first[h] = std::max(sum, 0.0);
      }
      for (std::size_t h = 0; h < 7; ++h) {
        double sum = parameters.b2[h];
        for (std::size_t g = 0; g < 7; ++g) sum += parameters.w2[h * 7 + g] * first[g];
        z += parameters.w3[h] * std::max(sum, 0.0);
      }
      const double phi = dataset.labels[i] * z;
      c1 += 1 / (1 + std::exp(phi)) / 21;
      squares += std::pow(1 + std::exp(phi), -2) / 21;
      c3 += std::exp(-phi) / 21;
      loss += std::log(1 + std::exp(-phi)) / 21;
      correct += (phi > 0 ? 1.0 : 0.0) / 21;
    }
    CHECK_THAT(probed.c1, WithinRel(c1, 1e-6));
    CHECK_THAT(probed.c2, WithinRel(1 - squares / c1, 1e-6));
    CHECK_THAT(probed.c3, WithinRel(c3, 1e-6));
    CHECK_THAT(probed.loss, WithinRel(loss, 1e-6));
    CHECK_THAT(probed.accuracy, WithinRel(correct, 1e-12));
  }
}

TEST_CASE("order parameter probe: a diverged network is seen", "[mlp_stats]") {
  const MlpShape shape{.n_features = 3, .hidden = 4};
  const auto dataset = make_item_dataset(6, 3, LabelRule::random, InputForm::raw, 2);
  const auto backend = make_backend(BackendKind::eigen, Precision::float64, dataset, shape, 2);
  auto parameters = initial_parameters(shape, 2);
  parameters.b3.front() = std::nan("");
  backend->upload(parameters);
  std::vector<double> logits(6);
  CHECK(std::isnan(probe_order_parameters(*backend, dataset, logits).c1));
}

TEST_CASE("order parameter probe: measurements are spaced evenly in the logarithm", "[mlp_stats]") {
  const auto iterations = probe_iterations(100000, 32);
  CHECK(iterations.front() == 0);
  CHECK(iterations[1] == 1);
  CHECK(iterations.back() == 100000);
  for (std::size_t i = 1; i < iterations.size(); ++i) REQUIRE(iterations[i] > iterations[i - 1]);
  for (std::size_t i = 2; i < iterations.size(); ++i) {
    if (iterations[i] > 1000) {
      const double ratio = static_cast<double>(iterations[i]) / static_cast<double>(iterations[i - 1]);
      REQUIRE_THAT(ratio, WithinRel(std::pow(10, 1.0 / 32), 2e-3));
    }
  }
  CHECK(probe_iterations(1, 32) == std::vector<std::uint64_t>{0, 1});
  CHECK(probe_iterations(12345, 4).back() == 12345);
}
