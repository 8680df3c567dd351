#include "iclk/mlp_stats/trainer.hpp"

#include <cmath>
#include <map>
#include <set>

#include "iclk/core/error.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::mlp_stats;
using namespace iclk::test;

namespace {

/// A run that takes a fraction of a second.
TrainingOptions small_run() {
  TrainingOptions options;
  options.n_items = 40;
  options.seed = 3;
  options.dim = 10;
  options.hidden = 24;
  options.batch = 16;
  options.lr = 0.1;
  options.max_iterations = 600;
  options.stop_c1 = 0.1;
  options.points_per_decade = 8;
  return options;
}

std::vector<CurveSample> samples_of(const TrainingOptions& options) {
  Trainer trainer(options);
  trainer.advance(options.max_iterations);
  return trainer.samples();
}

bool same(const std::vector<CurveSample>& a, const std::vector<CurveSample>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const CurveSample& x, const CurveSample& y) {
    return x.iteration == y.iteration && x.values.c1 == y.values.c1 && x.values.c3 == y.values.c3;
  });
}

}  // namespace

TEST_CASE("trainer: memorizes a small data set and stops on c1", "[mlp_stats]") {
  auto options = small_run();
  options.max_iterations = 20000;
  for (const auto backend : {BackendKind::onednn, BackendKind::eigen}) {
    options.backend = backend;
    Trainer trainer(options);
    CHECK(trainer.outcome() == TrainingOutcome::unfinished);
    CHECK(trainer.advance(options.max_iterations) == TrainingOutcome::reached_c1);
    const auto& samples = trainer.samples();
    CHECK(samples.front().iteration == 0);
    CHECK_THAT(samples.front().values.c1, WithinAbs(0.5, 0.05));
    CHECK(samples.back().values.c1 < 0.1);
    CHECK(samples[samples.size() - 2].values.c1 >= 0.1);
    CHECK(samples.back().values.accuracy == 1.0);
    CHECK_THAT(samples.back().time, WithinRel(0.1 * static_cast<double>(samples.back().iteration), 1e-15));
    CHECK(trainer.advance(100) == TrainingOutcome::reached_c1);  // a finished run stays as it is
    CHECK(trainer.iteration() == samples.back().iteration);
  }
}

TEST_CASE("trainer: stops on iterations and measures there", "[mlp_stats]") {
  auto options = small_run();
  options.stop_c1.reset();
  options.max_iterations = 77;
  Trainer trainer(options);
  CHECK(trainer.advance(1000) == TrainingOutcome::reached_iterations);
  CHECK(trainer.samples().back().iteration == 77);
}

TEST_CASE("trainer: the split into calls changes nothing", "[mlp_stats]") {
  for (const auto sampling : {Sampling::with_replacement, Sampling::without_replacement}) {
    auto options = small_run();
    options.sampling = sampling;
    const auto whole = samples_of(options);
    Trainer trainer(options);
    while (trainer.advance(7) == TrainingOutcome::unfinished) {
    }
    CHECK(same(whole, trainer.samples()));

    Trainer first(options);
    first.advance(123);
    Trainer second(options, first.state());
    CHECK(second.iteration() == 123);
    second.advance(options.max_iterations);
    CHECK(same(whole, second.samples()));
  }
}

TEST_CASE("trainer: every option changes the curve", "[mlp_stats]") {
  const auto base = samples_of(small_run());
  const auto changed = [&](auto change) {
    auto options = small_run();
    change(options);
    return !same(base, samples_of(options));
  };
  CHECK(same(base, samples_of(small_run())));
  CHECK(changed([](auto& o) { o.n_items = 42; }));
  CHECK(changed([](auto& o) { o.seed = 4; }));
  CHECK(changed([](auto& o) { o.dim = 11; }));
  CHECK(changed([](auto& o) { o.hidden = 25; }));
  CHECK(changed([](auto& o) { o.batch = 15; }));
  CHECK(changed([](auto& o) { o.lr = 0.11; }));
  CHECK(changed([](auto& o) { o.weight_decay = 1e-3; }));
  CHECK(changed([](auto& o) { o.labels = LabelRule::balanced; }));
  CHECK(changed([](auto& o) { o.input = InputForm::token; }));
  CHECK(changed([](auto& o) { o.sampling = Sampling::without_replacement; }));
  CHECK(changed([](auto& o) { o.max_iterations = 50; }));
  CHECK(changed([](auto& o) { o.stop_c1 = 0.49; }));
  CHECK(changed([](auto& o) { o.points_per_decade = 4; }));
  CHECK(changed([](auto& o) { o.backend = BackendKind::eigen; }));
  CHECK(changed([](auto& o) {
    o.backend = BackendKind::eigen;
    o.precision = Precision::float64;
  }));
}

TEST_CASE("trainer: a learning rate too high ends as not finite", "[mlp_stats]") {
  auto options = small_run();
  options.lr = 1e30;
  options.weight_decay = 0.0;
  Trainer trainer(options);
  CHECK(trainer.advance(options.max_iterations) == TrainingOutcome::not_finite);
}

TEST_CASE("trainer: bad options are named with their value and rule", "[mlp_stats][errors]") {
  const auto complaint = [](auto change) {
    TrainingOptions options;
    change(options);
    try {
      validate(options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(complaint([](auto&) {}).empty());
  CHECK(complaint([](auto& o) { o.n_items = 1; }) == "n_items: expected 2 to 10000000 items, got 1");
  CHECK(complaint([](auto& o) { o.n_items = 1'000'000'000'000; }) ==
        "n_items: expected 2 to 10000000 items, got 1000000000000");
  CHECK(complaint([](auto& o) {
          o.n_items = 501;
          o.labels = LabelRule::balanced;
        }) == "n_items: expected an even number of items for balanced labels, got 501");
  CHECK(complaint([](auto& o) { o.dim = 0; }) == "dim: expected 1 to 16384, got 0");
  CHECK(complaint([](auto& o) { o.hidden = 100000; }) == "hidden: expected 1 to 16384, got 100000");
  CHECK(complaint([](auto& o) { o.batch = 0; }) == "batch: expected 1 to 16384, got 0");
  CHECK(complaint([](auto& o) { o.lr = 0; }) == "lr: expected a positive learning rate, got 0");
  CHECK(complaint([](auto& o) { o.lr = std::nan(""); }) == "lr: expected a positive learning rate, got nan");
  CHECK(complaint([](auto& o) { o.weight_decay = -1; }) ==
        "weight_decay: expected 0 or more and lr * weight_decay below 1, got -1");
  CHECK(complaint([](auto& o) { o.max_iterations = 0; }) == "iterations: expected 1 to 1e12 SGD steps, got 0");
  CHECK(complaint([](auto& o) { o.stop_c1 = 0.5; }) == "stop_c1: expected a number in (0, 0.5), got 0.5");
  CHECK(complaint([](auto& o) { o.points_per_decade = 0; }) == "points_per_decade: expected 1 to 10000, got 0");
  CHECK(complaint([](auto& o) { o.precision = Precision::float64; }) ==
        "precision: expected float32 with backend onednn (backend eigen offers float64), got float64");
}

TEST_CASE("trainer: the paper's network memorizes as PyTorch's does", "[mlp_stats][.slow][.claim]") {
  // c1 of two runs with other random numbers differs from seed to seed by a few per cent in time; at K = 500 the
  // half-way point c1 = 1/4 lies near 13 900 steps in the PyTorch run.
  const auto table = read_table("pytorch/mlp_K500_s0.csv");
  const auto half_way = [](const std::vector<std::pair<double, double>>& curve) {
    for (std::size_t i = 1; i < curve.size(); ++i) {
      if (curve[i].second < 0.25) {
        const auto [x0, y0] = curve[i - 1];
        const auto [x1, y1] = curve[i];
        return x0 + (x1 - x0) * (y0 - 0.25) / (y0 - y1);
      }
    }
    return 0.0;
  };
  std::vector<std::pair<double, double>> pytorch;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    pytorch.emplace_back(table.number(row, "step"), table.number(row, "c1"));
  }
  TrainingOptions options;
  options.n_items = 500;
  options.stop_c1 = 0.2;
  std::vector<std::pair<double, double>> ours;
  for (const auto& sample : samples_of(options)) {
    ours.emplace_back(static_cast<double>(sample.iteration), sample.values.c1);
  }
  CHECK_THAT(half_way(ours), WithinRel(half_way(pytorch), 0.05));
}
