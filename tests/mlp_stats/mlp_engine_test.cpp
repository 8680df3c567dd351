#include "iclk/mlp_stats/mlp_engine.hpp"

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "iclk/core/random.hpp"
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::mlp_stats;
using namespace iclk::test;

namespace {

std::vector<double> random_numbers(std::size_t n, std::uint64_t index) {
  std::vector<double> numbers(n);
  Rng rng(5, RandomPurpose::test, index);
  for (double& x : numbers) x = static_cast<float>(rng.uniform(-1, 1));  // exact in either precision
  return numbers;
}

template <class Real>
void fill(std::span<Real> to, const std::vector<double>& from) {
  REQUIRE(to.size() == from.size());
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<Real>(from[i]);
}

/// Any smooth loss: sum of outputs times given numbers, plus their squares.
double loss_of(std::span<const double> outputs, const std::vector<double>& slopes) {
  double sum = 0.0;
  for (std::size_t i = 0; i < outputs.size(); ++i) sum += slopes[i] * outputs[i] + 0.5 * outputs[i] * outputs[i];
  return sum / static_cast<double>(outputs.size());
}

template <class Real>
void fill_d_outputs(MlpEngine<Real>& engine, std::span<const Real> outputs, const std::vector<double>& slopes) {
  const auto d_outputs = engine.d_outputs();
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    d_outputs[i] =
        static_cast<Real>((slopes[i] + static_cast<double>(outputs[i])) / static_cast<double>(slopes.size()));
  }
}

using Member = std::vector<double> MlpParameters::*;
constexpr Member kArrays[] = {&MlpParameters::w1, &MlpParameters::b1, &MlpParameters::w2,
                              &MlpParameters::b2, &MlpParameters::w3, &MlpParameters::b3};

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}
double size_of(const std::vector<double>& a) { return distance(a, std::vector<double>(a.size())); }

}  // namespace

TEST_CASE("mlp engine: gradients of parameters and inputs are central differences", "[mlp_stats][gradient]") {
  for (const std::size_t n_outputs : {1UL, 3UL}) {
    CAPTURE(n_outputs);
    const MlpShape shape{.n_features = 4, .hidden = 6, .n_outputs = n_outputs};
    constexpr std::size_t batch = 5;
    const auto engine = make_mlp_engine<double>(BackendKind::eigen, shape, batch);
    REQUIRE(engine->shape() == shape);
    REQUIRE(engine->batch() == batch);
    const MlpParameters start = initial_parameters(shape, 8);
    const auto inputs = random_numbers(batch * 4, 1);
    const auto slopes = random_numbers(batch * n_outputs, 2);
    const auto loss = [&](const MlpParameters& parameters, const std::vector<double>& rows) {
      engine->upload(parameters);
      fill(engine->inputs(), rows);
      return loss_of(engine->forward(), slopes);
    };

    std::vector<double> d_inputs(inputs.size());
    loss(start, inputs);
    fill_d_outputs(*engine, engine->forward(), slopes);
    engine->backward_and_update({.lr = 1.0, .weight_decay = 0.0}, d_inputs);
    const MlpParameters moved = engine->download();

    // Error of the difference: h^2 f'''/6 below 1e-10 and rounding 2e-16/h = 2e-11.
    constexpr double h = 1e-5;
    for (const Member member : kArrays) {
      for (std::size_t i = 0; i < (start.*member).size(); ++i) {
        MlpParameters up = start, down = start;
        (up.*member)[i] += h;
        (down.*member)[i] -= h;
        REQUIRE_THAT((start.*member)[i] - (moved.*member)[i],
                     WithinAbs((loss(up, inputs) - loss(down, inputs)) / (2 * h), 2e-10));
      }
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      auto up = inputs, down = inputs;
      up[i] += h;
      down[i] -= h;
      REQUIRE_THAT(d_inputs[i], WithinAbs((loss(start, up) - loss(start, down)) / (2 * h), 2e-10));
    }
  }
}

TEST_CASE("mlp engine: floats follow doubles with any outputs and blocks", "[mlp_stats][parity]") {
  // Odd sizes on purpose: no dimension is a multiple of a vector length.
  constexpr std::size_t batch = 111;
  struct Variant {
    BackendKind kind;
    std::size_t block;
  };
  for (const std::size_t n_outputs : {1UL, 13UL}) {
    const MlpShape shape{.n_features = 19, .hidden = 67, .n_outputs = n_outputs};
    const MlpParameters start = initial_parameters(shape, 3, 7);
    const auto slopes = random_numbers(batch * n_outputs, 4);
    const SgdOptions sgd{.lr = 0.5, .weight_decay = 1e-3};
    const auto train = [&](auto& engine, auto d_inputs) {
      engine.upload(start);
      for (std::uint64_t step = 0; step < 30; ++step) {
        fill(engine.inputs(), random_numbers(batch * 19, 10 + step));
        fill_d_outputs(engine, engine.forward(), slopes);
        engine.backward_and_update(sgd, d_inputs);
      }
      return engine.download();
    };
    const auto reference = make_mlp_engine<double>(BackendKind::eigen, shape, batch);
    std::vector<double> expected_d_inputs(batch * 19);
    const MlpParameters expected = train(*reference, std::span(expected_d_inputs));
    for (const Variant variant : {Variant{BackendKind::eigen, 0}, Variant{BackendKind::onednn, 0},
                                  Variant{BackendKind::onednn, 37}, Variant{BackendKind::onednn, 1}}) {
      CAPTURE(n_outputs, name(variant.kind), variant.block);
      const auto engine = make_mlp_engine<float>(variant.kind, shape, batch, variant.block);
      std::vector<float> d_inputs(batch * 19);
      const MlpParameters found = train(*engine, std::span(d_inputs));
      for (const Member member : kArrays) {
        // Outputs are rounded to 6e-8, which the gradient of the last bias inherits; that bias ends near 0.
        CHECK(distance(found.*member, expected.*member) < 1e-5 * size_of(expected.*member) + 1e-7);
        CHECK(distance(expected.*member, start.*member) > 1e-2 * size_of(expected.*member));  // it learned something
      }
      const std::vector<double> widened(d_inputs.begin(), d_inputs.end());
      CHECK(distance(widened, expected_d_inputs) < 1e-4 * size_of(expected_d_inputs));
    }
  }
}

TEST_CASE("mlp engine: input gradients alone leave the parameters as they are", "[mlp_stats][gradient]") {
  constexpr std::size_t batch = 12;
  for (const std::size_t n_outputs : {1UL, 3UL}) {
    const MlpShape shape{.n_features = 5, .hidden = 8, .n_outputs = n_outputs};
    for (const auto& [kind, block] : {std::pair{BackendKind::eigen, 0UL}, {BackendKind::onednn, 4UL}}) {
      CAPTURE(n_outputs, name(kind));
      const auto engine = make_mlp_engine<float>(kind, shape, batch, block);
      const MlpParameters start = initial_parameters(shape, 3);
      const auto slopes = random_numbers(batch * n_outputs, 4);
      std::vector<float> alone(batch * 5), together(batch * 5);
      engine->upload(start);
      fill(engine->inputs(), random_numbers(batch * 5, 1));
      fill_d_outputs(*engine, engine->forward(), slopes);
      engine->backward_inputs(alone);
      CHECK(engine->download() == start);
      fill_d_outputs(*engine, engine->forward(), slopes);
      engine->backward_and_update({}, together);
      CHECK_FALSE(engine->download() == start);
      CHECK(alone == together);
      CHECK(alone != std::vector<float>(alone.size()));
    }
  }
}

TEST_CASE("mlp engine: a step allocates nothing", "[mlp_stats]") {
  const MlpShape shape{.n_features = 63, .hidden = 64, .n_outputs = 65};
  for (const auto& [kind, block] : {std::pair{BackendKind::eigen, 0UL}, {BackendKind::onednn, 16UL}}) {
    CAPTURE(name(kind));
    const auto engine = make_mlp_engine<float>(kind, shape, 32, block);
    engine->upload(initial_parameters(shape, 1));
    std::vector<float> d_inputs(32 * 63);
    const auto step = [&] {
      engine->forward();
      engine->backward_and_update({}, d_inputs);
    };
    step();
    const long before = n_allocations();
    step();
    CHECK(n_allocations() == before);
  }
}

TEST_CASE("mlp engine: layers of one seed differ by their offset", "[mlp_stats]") {
  const MlpShape shape{.n_features = 3, .hidden = 4, .n_outputs = 2};
  const auto first = initial_parameters(shape, 1);
  CHECK(first == initial_parameters(shape, 1, 0));
  CHECK(first.w1 != initial_parameters(shape, 1, 3).w1);
  CHECK(first.w3 != initial_parameters(shape, 1, 3).w3);
  CHECK(first.w3.size() == 8);
  CHECK(first.b3.size() == 2);
}

TEST_CASE("mlp engine: work of a step counts its products", "[mlp_stats]") {
  const MlpShape shape{.n_features = 5, .hidden = 7, .n_outputs = 3};
  const double products = 2.0 * 11;  // a multiplication and an addition, rows
  CHECK_THAT(flops_per_step(shape, 11), WithinRel(products * (2 * 35 + 3 * 49 + 3 * 21), 1e-14));
  CHECK_THAT(flops_per_step(shape, 11, InputGradient::needed), WithinRel(products * 3 * (35 + 49 + 21), 1e-14));
}

TEST_CASE("mlp engine: oneDNN says that it has no doubles", "[mlp_stats][errors]") {
  CHECK_THROWS_WITH(make_mlp_engine<double>(BackendKind::onednn, {3, 4}, 2),
                    "precision: backend onednn trains in float32 only, got float64; use backend eigen for float64");
}
