#include "iclk/mlp_stats/trainer.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <string>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "iclk/mlp_stats/order_parameter_probe.hpp"

namespace iclk::mlp_stats {
namespace {

void require(bool holds, const std::string& field, const std::string& rule, const std::string& found) {
  if (!holds) throw field_error(field, "expected " + rule + ", got " + found);
}

/// Item numbers of batches, from streams keyed by step or epoch: any step can be drawn without those before it.
class BatchSampler {
 public:
  BatchSampler(Sampling sampling, std::uint64_t n_items, std::size_t batch, std::uint64_t seed)
      : sampling_(sampling), n_items_(n_items), batch_(batch), seed_(seed) {
    if (sampling == Sampling::without_replacement) order_.resize(n_items);
  }

  /// Fills `items`: [n_steps x batch] for the steps `first_step`, `first_step` + 1, ...
  void draw(std::uint64_t first_step, std::span<std::uint32_t> items) {
    if (sampling_ == Sampling::with_replacement) {
      for (std::size_t offset = 0; offset < items.size(); offset += batch_) {
        Rng rng(seed_, RandomPurpose::batches, first_step + offset / batch_);
        for (std::size_t b = 0; b < batch_; ++b) items[offset + b] = static_cast<std::uint32_t>(rng.below(n_items_));
      }
      return;
    }
    std::uint64_t position = first_step * batch_;
    for (auto& item : items) {
      if (position / n_items_ != epoch_ || !has_epoch_) shuffle(position / n_items_);
      item = order_[position % n_items_];
      ++position;
    }
  }

 private:
  void shuffle(std::uint64_t epoch) {
    epoch_ = epoch;
    has_epoch_ = true;
    std::iota(order_.begin(), order_.end(), 0U);
    Rng rng(seed_, RandomPurpose::batches, epoch);
    for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[rng.below(i)]);
  }

  Sampling sampling_;
  std::uint64_t n_items_;
  std::size_t batch_;
  std::uint64_t seed_;
  std::vector<std::uint32_t> order_;  // [n_items], this epoch's order
  std::uint64_t epoch_ = 0;
  bool has_epoch_ = false;
};

/// Steps handed to the backend at once: large enough that the call costs nothing, small enough to stop promptly.
constexpr std::uint64_t kStepsPerCall = 32;

const TrainingOptions& validated(const TrainingOptions& options) {
  validate(options);
  return options;
}

}  // namespace

std::string_view name(Sampling sampling) noexcept {
  return sampling == Sampling::with_replacement ? "with-replacement" : "without-replacement";
}

std::string_view name(TrainingOutcome outcome) noexcept {
  switch (outcome) {
    case TrainingOutcome::unfinished:
      return "unfinished";
    case TrainingOutcome::reached_c1:
      return "reached_c1";
    case TrainingOutcome::reached_iterations:
      return "reached_iterations";
    case TrainingOutcome::not_finite:
      return "not_finite";
  }
  return "";
}

void validate(const TrainingOptions& options) {
  const auto width = "1 to " + std::to_string(kMaxWidth);
  require(options.n_items >= 2 && options.n_items <= kMaxItems, "n_items",
          "2 to " + std::to_string(kMaxItems) + " items", std::to_string(options.n_items));
  require(options.labels != LabelRule::balanced || options.n_items % 2 == 0, "n_items",
          "an even number of items for balanced labels", std::to_string(options.n_items));
  require(options.dim >= 1 && options.dim <= kMaxWidth, "dim", width, std::to_string(options.dim));
  require(options.hidden >= 1 && options.hidden <= kMaxWidth, "hidden", width, std::to_string(options.hidden));
  require(options.batch >= 1 && options.batch <= kMaxWidth, "batch", width, std::to_string(options.batch));
  require(options.lr > 0 && std::isfinite(options.lr), "lr", "a positive learning rate", format_number(options.lr));
  require(options.weight_decay >= 0 && options.lr * options.weight_decay < 1, "weight_decay",
          "0 or more and lr * weight_decay below 1", format_number(options.weight_decay));
  require(options.max_iterations >= 1 && options.max_iterations <= 1'000'000'000'000, "iterations",
          "1 to 1e12 SGD steps", std::to_string(options.max_iterations));
  require(!options.stop_c1 || (*options.stop_c1 > 0 && *options.stop_c1 < 0.5), "stop_c1", "a number in (0, 0.5)",
          format_number(options.stop_c1.value_or(0)));
  require(options.points_per_decade >= 1 && options.points_per_decade <= 10'000, "points_per_decade", "1 to 10000",
          std::to_string(options.points_per_decade));
  require(offers(options.backend, options.precision), "precision", std::string(offered_precisions(options.backend)),
          std::string(name(options.precision)));
  require(options.backend != BackendKind::cuda || options.sampling == Sampling::with_replacement, "sampling",
          "with-replacement with backend cuda", std::string(name(options.sampling)));
}

RunInfo run_info(const TrainingOptions& options) {
  RunInfo info;
  info.add("program", "iclk " + std::string(version()));
  info.add("n_items", std::to_string(options.n_items));
  info.add("seed", std::to_string(options.seed));
  info.add("dim", std::to_string(options.dim));
  info.add("hidden", std::to_string(options.hidden));
  info.add("batch", std::to_string(options.batch));
  info.add("lr", options.lr);
  info.add("weight_decay", options.weight_decay);
  info.add("labels", std::string(name(options.labels)));
  info.add("input", std::string(name(options.input)));
  info.add("sampling", std::string(name(options.sampling)));
  info.add("iterations", std::to_string(options.max_iterations));
  info.add("stop_c1", options.stop_c1 ? format_number(*options.stop_c1) : "none");
  info.add("points_per_decade", std::to_string(options.points_per_decade));
  info.add("backend", std::string(name(options.backend)));
  info.add("precision", std::string(name(options.precision)));
  return info;
}

struct Trainer::Impl {
  Impl(const TrainingOptions& options_, const MlpParameters& parameters, const BackendFactory& make)
      : options(validated(options_)),
        dataset(make_item_dataset(options.n_items, options.dim, options.labels, options.input, options.seed)),
        backend(make(dataset, parameters.shape)),
        sampler(options.sampling, options.n_items, options.batch, options.seed),
        due(probe_iterations(options.max_iterations, options.points_per_decade)),
        logits(options.n_items),
        batches(kStepsPerCall * options.batch) {
    backend->upload(parameters);
    samples.reserve(due.size());
  }

  void measured(const OrderParameters& values) {
    CurveSample sample;
    sample.iteration = iteration;
    sample.time = options.lr * static_cast<double>(iteration);
    sample.values = values;
    // c3 overflows beyond logits of -709: the run has diverged, and no file could hold it.
    if (!std::isfinite(sample.values.c1) || !std::isfinite(sample.values.c3)) {
      outcome = TrainingOutcome::not_finite;
      return;
    }
    samples.push_back(sample);
    judge();
  }

  void judge() {
    if (samples.empty()) return;
    if (options.stop_c1 && samples.back().values.c1 < *options.stop_c1) {
      outcome = TrainingOutcome::reached_c1;
    } else if (samples.back().iteration == options.max_iterations) {
      outcome = TrainingOutcome::reached_iterations;
    }
  }

  TrainingOptions options;
  ItemDataset dataset;
  std::unique_ptr<Backend> backend;
  BatchSampler sampler;
  std::vector<std::uint64_t> due;      // iterations to measure at
  std::vector<double> logits;          // [n_items]
  std::vector<std::uint32_t> batches;  // [kStepsPerCall x batch]
  std::vector<CurveSample> samples;
  std::uint64_t iteration = 0;
  TrainingOutcome outcome = TrainingOutcome::unfinished;
};

namespace {

BackendFactory backend_of(const TrainingOptions& options) {
  return [&options](const ItemDataset& dataset, MlpShape shape) {
    return make_backend(options.backend, options.precision, dataset, shape, options.batch);
  };
}

MlpShape shape_of(const TrainingOptions& options) {
  validate(options);
  return {.n_features = options.input == InputForm::token ? options.dim + 2 : options.dim, .hidden = options.hidden};
}

}  // namespace

Trainer::Trainer(const TrainingOptions& options) : Trainer(options, nullptr, backend_of(options)) {}

Trainer::Trainer(const TrainingOptions& options, const TrainingState& state)
    : Trainer(options, &state, backend_of(options)) {}

Trainer::Trainer(const TrainingOptions& options, const TrainingState* state, const BackendFactory& backend) {
  if (state == nullptr) {
    impl_ = std::make_unique<Impl>(options, initial_parameters(shape_of(options), options.seed), backend);
    return;
  }
  if (state->parameters.shape != shape_of(options)) {
    throw field_error("parameters", "the saved network has other sizes than the options ask for");
  }
  impl_ = std::make_unique<Impl>(options, state->parameters, backend);
  impl_->samples.assign(state->samples.begin(), state->samples.end());
  impl_->iteration = state->iteration;
  impl_->judge();
}

Trainer::Trainer(Trainer&&) noexcept = default;
Trainer& Trainer::operator=(Trainer&&) noexcept = default;
Trainer::~Trainer() = default;

TrainingOutcome Trainer::advance(std::uint64_t max_steps) {
  Impl& run = *impl_;
  const SgdOptions sgd{.lr = run.options.lr, .weight_decay = run.options.weight_decay};
  std::uint64_t left = max_steps;
  while (run.outcome == TrainingOutcome::unfinished) {
    const std::uint64_t until_due = steps_until_due();
    if (until_due == 0) {
      run.measured(probe_order_parameters(*run.backend, run.dataset, run.logits));
      continue;
    }
    if (left == 0) break;
    const std::uint64_t steps = std::min({left, kStepsPerCall, until_due});
    const auto batches = std::span(run.batches).first(steps * run.options.batch);
    run.sampler.draw(run.iteration, batches);
    run.backend->train(batches, sgd);
    trained(steps);
    left -= steps;
  }
  return run.outcome;
}

/// samples.size() points were measured, so the next one due is due[samples.size()].
std::uint64_t Trainer::steps_until_due() const noexcept {
  return impl_->due[std::min(impl_->samples.size(), impl_->due.size() - 1)] - impl_->iteration;
}

void Trainer::trained(std::uint64_t steps) noexcept {
  assert(steps <= steps_until_due());
  impl_->iteration += steps;
}

void Trainer::measured(const OrderParameters& values) { impl_->measured(values); }

TrainingOutcome Trainer::outcome() const noexcept { return impl_->outcome; }
std::uint64_t Trainer::iteration() const noexcept { return impl_->iteration; }
const std::vector<CurveSample>& Trainer::samples() const noexcept { return impl_->samples; }

TrainingState Trainer::state() const {
  return {.iteration = impl_->iteration, .samples = impl_->samples, .parameters = impl_->backend->download()};
}

}  // namespace iclk::mlp_stats
