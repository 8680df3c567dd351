// What a training step of the in-context models costs, drawing its sequences included, as a multiple of the MLP's own
// training step measured in turn with it; and how fast normal numbers are drawn.
//
//     build/release/tests/bench/iclk_bench_icl_step [seconds per measurement, default 2] [rows: a part of their label]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "iclk/core/normal_fill.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "iclk/mlp_stats/trainer.hpp"
#include "iclk/transformer/attention_model.hpp"
#include "iclk/transformer/icl_task.hpp"
#include "iclk/transformer/minimal_model.hpp"
#include "iclk/transformer/two_layer_model.hpp"
#include "normal_fill.hpp"

using namespace iclk;
using namespace iclk::transformer;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// The value below which a share of all lies: 0.5 is the median.
double quantile(std::vector<double> values, double share) {
  const auto place = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size()));
  std::nth_element(values.begin(), place, values.end());
  return *place;
}
double median(const std::vector<double>& values) { return quantile(values, 0.5); }

constexpr std::size_t kBatch = 128;
constexpr std::uint64_t kStretch = 25;  // steps

/// The MLP alone on as many items, full size.
mlp_stats::Trainer mlp_alone(std::uint64_t n_items) {
  mlp_stats::TrainingOptions options;
  options.n_items = n_items;
  options.stop_c1.reset();
  options.points_per_decade = 1;  // measurements are not part of a step
  mlp_stats::Trainer trainer(options);
  trainer.advance(1001);  // past the measurements of the first 1000 steps
  return trainer;
}

/// Stretches of steps of the model and of the MLP alone in turn: the speed of a shared machine drifts, and the ratio of
/// neighbours does not.
void compare(const char* label, std::uint64_t mlp_items, double seconds,
             const std::function<void(std::uint64_t)>& step) {
  mlp_stats::Trainer trainer = mlp_alone(mlp_items);
  std::vector<double> rates, ratios;
  std::uint64_t next = 0;
  for (; next < 3; ++next) step(next);
  const auto start = Clock::now();
  do {
    const auto before_mlp = Clock::now();
    trainer.advance(kStretch);
    const double mlp = seconds_since(before_mlp);
    const auto before = Clock::now();
    for (std::uint64_t i = 0; i < kStretch; ++i) step(next++);
    const double model = seconds_since(before);
    rates.push_back(static_cast<double>(kStretch) / model);
    ratios.push_back(model / mlp);
  } while (seconds_since(start) < seconds);
  std::printf("%-52s %12.1f %12.3f    %.3f to %.3f\n", label, median(rates), median(ratios), quantile(ratios, 0.25),
              quantile(ratios, 0.75));
}

/// What the command line asks for.
struct Request {
  double seconds = 2.0;  // per measurement
  std::string_view part;

  bool wants(std::string_view label) const { return label.find(part) != std::string_view::npos; }
};

/// Steps of a task and a model. Batch: items, dot products or sketches.
template <class Batch = SequenceBatch>
void compare_model(const char* label, const TaskOptions& options, IclModel& model, const Request& request) {
  if (!request.wants(label)) return;
  const double seconds = request.seconds;
  IclTask task(options, 1);
  Batch batch;
  compare(label, options.n_items.value_or(2000), seconds, [&](std::uint64_t step) {
    task.draw_training(step, kBatch, batch);
    model.train(batch, {});
  });
  compare("  of which drawing the sequences", options.n_items.value_or(2000), seconds / 2,
          [&](std::uint64_t step) { task.draw_training(step, kBatch, batch); });
}

/// Steps of the two-layer transformer and oneDNN's products of the shapes of its token MLP in turn.
void compare_two_layer(const Request& request) {
  constexpr const char* kLabel = "two-layer, K infinite, one core";
  if (!request.wants(kLabel)) return;
  const double seconds = 4 * request.seconds;
  const TwoLayerOptions options;
  const mlp_stats::MlpShape shape{.n_features = options.dim + 2, .hidden = options.hidden, .n_outputs = 1};
  const double flops = two_layer_flops_per_step(options);
  const auto model = make_two_layer_model(options, 1);
  IclTask task({.n_items = {}}, 1);
  SequenceBatch batch;
  std::vector<double> steps, products, shares;
  const auto start = Clock::now();
  for (std::uint64_t step = 0; steps.size() < 3 || seconds_since(start) < seconds; ++step) {
    products.push_back(mlp_stats::measured_product_rate(shape, kBatch, 0.1));
    const auto before = Clock::now();
    task.draw_training(step, kBatch, batch);
    model->train(batch, {});
    steps.push_back(1.0 / seconds_since(before));
    shares.push_back(steps.back() * flops / products.back());
  }
  std::printf("\n%-52s %12s %12s %12s\n", kLabel, "steps/s", "GFLOP/s", "of products");
  std::printf("%-30s %6.1f GFLOP a step %12.2f %12.1f %12.3f\n", "N = 100, hidden 512, batch 128", flops * 1e-9,
              median(steps), median(steps) * flops * 1e-9, median(shares));
}

void normal_numbers(const Request& request) {
  constexpr const char* kLabel = "normal numbers, one core";
  if (!request.wants(kLabel)) return;
  std::printf("%-52s %12s\n", kLabel, "ns each");
  std::vector<float> numbers(kNormalsPerChunk * 1000);
  for (const NormalFillVariant& variant : normal_fill_variants()) {
    std::vector<double> times;
    const auto start = Clock::now();
    do {
      const auto before = Clock::now();
      variant.fill(numbers.data(), 0, 1000, 1.0F, {.key = {1, 2}, .counter = {3, 4, 5}});
      times.push_back(1e9 * seconds_since(before) / static_cast<double>(numbers.size()));
    } while (seconds_since(start) < request.seconds / 2);
    std::printf("%-52s %12.3f\n", variant.name, median(times));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Request request{.seconds = argc > 1 ? std::atof(argv[1]) : 2.0, .part = argc > 2 ? argv[2] : ""};
  normal_numbers(request);

  std::printf("\n%-52s %12s %12s    %s\n", "N = 100, MLP 63-512-512-1, batch 128, one core", "steps/s", "x MLP's step",
              "quartiles");
  const auto minimal = make_minimal_model({}, 1);
  compare_model("minimal, K = 2000", {.n_items = 2000}, *minimal, request);
  compare_model("minimal, K = 10 000", {.n_items = 10'000}, *minimal, request);
  compare_model("minimal, K = 50 000", {.n_items = 50'000}, *minimal, request);
  compare_model<DotBatch>("minimal, K infinite, dot products drawn", {.n_items = {}}, *minimal, request);
  compare_model("minimal, K infinite, items drawn", {.n_items = {}}, *minimal, request);

  const auto one_layer = make_attention_model({}, 1);
  compare_model("one-layer, K = 2000", {.n_items = 2000}, *one_layer, request);
  compare_model("one-layer, K = 50 000", {.n_items = 50'000}, *one_layer, request);
  compare_model("one-layer, K infinite, items drawn", {.n_items = {}}, *one_layer, request);
  compare_model<SketchBatch>("one-layer, K infinite, sketches drawn", {.n_items = {}}, *one_layer, request);
  compare_two_layer(request);
}
