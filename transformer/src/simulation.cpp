#include "iclk/transformer/simulation.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

#include "iclk/core/error.hpp"
#include "iclk/core/logistic.hpp"
#include "iclk/core/random.hpp"
#include "iclk/transformer/attention_model.hpp"
#include "measured_names.hpp"

namespace iclk::transformer {
namespace {

constexpr std::size_t kTestChunk = 256;  // sequences tested at once: 6 MB of fresh items at N = 100

const SimulationOptions& validated(const SimulationOptions& options) {
  validate(options);
  return options;
}

/// Frequencies of K items, proportional to i^-zipf, summing to 1.
std::vector<double> frequencies(std::size_t n_items, double zipf) {
  std::vector<double> weights(n_items);
  double sum = 0.0;
  for (std::size_t i = 0; i < n_items; ++i) {
    weights[i] = std::exp(-zipf * std::log(static_cast<double>(i + 1)));
    sum += weights[i];
  }
  for (double& weight : weights) weight /= sum;
  return weights;
}

double mean(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double x : values) sum += x;
  return sum / static_cast<double>(values.size());
}

double root_mean_square(const std::vector<double>& values) {
  double sum = 0.0;
  for (const double x : values) sum += x * x;
  return std::sqrt(sum / static_cast<double>(values.size()));
}

constexpr const char* kSplitNames[] = {"copy_attention", "self_attention", "mlp_rms", "attention_rms", "residual_rms"};

/// Loss and accuracy over the sequences of a test.
struct TestScore {
  double loss = 0.0;
  double right = 0.0;
  std::size_t n = 0;

  void add(double signed_logit) {
    loss += softplus(-signed_logit);
    right += signed_logit > 0 ? 1.0 : signed_logit < 0 ? 0.0 : 0.5;
    ++n;
  }
  double mean_loss() const { return loss / static_cast<double>(n); }
  double accuracy() const { return right / static_cast<double>(n); }
};

}  // namespace

std::string_view name(SimulationOutcome outcome) noexcept {
  switch (outcome) {
    case SimulationOutcome::unfinished:
      return "unfinished";
    case SimulationOutcome::reached_icl:
      return "reached_icl";
    case SimulationOutcome::memorized:
      return "memorized";
    case SimulationOutcome::faded:
      return "faded";
    case SimulationOutcome::reached_iterations:
      return "reached_iterations";
    case SimulationOutcome::not_finite:
      return "not_finite";
  }
  return "";
}

MemorySample memory_sample(const IclTask& task, std::uint64_t seed) {
  MemorySample sample;
  const mlp_stats::ItemDataset& dataset = task.dataset();
  if (dataset.n_items == 0) return sample;
  const auto take = [&](std::size_t item) {
    const auto row = dataset.features.begin() + static_cast<std::ptrdiff_t>(item * dataset.n_features);
    sample.items.insert(sample.items.end(), row, row + static_cast<std::ptrdiff_t>(dataset.n_features));
    sample.labels.push_back(dataset.labels[item]);
  };
  const double zipf = task.options().zipf_exponent;
  if (dataset.n_items <= kMemorySample) {
    for (std::size_t item = 0; item < dataset.n_items; ++item) take(item);
    if (zipf > 0) sample.weights = frequencies(dataset.n_items, zipf);
  } else if (zipf > 0) {
    std::vector<double> cumulative = frequencies(dataset.n_items, zipf);
    for (std::size_t i = 1; i < cumulative.size(); ++i) cumulative[i] += cumulative[i - 1];
    Rng rng(seed, RandomPurpose::memory_sample, 0);
    for (std::size_t i = 0; i < kMemorySample; ++i) {
      const auto found = std::upper_bound(cumulative.begin(), cumulative.end() - 1, rng.uniform());
      take(static_cast<std::size_t>(found - cumulative.begin()));
    }
  } else {
    // Items and labels are independent draws: the first ones are as good as any.
    for (std::size_t item = 0; item < kMemorySample; ++item) take(item);
  }
  return sample;
}

std::vector<std::string> measured_names(const IclModel& model) {
  std::vector<std::string> names;
  for (const NamedValue& value : model.diagnostics()) names.push_back(value.name);
  if (dynamic_cast<const AttentionModel*>(&model) != nullptr) {
    names.insert(names.end(), std::begin(kSplitNames), std::end(kSplitNames));
  }
  return names;
}

std::uint64_t next_measurement(const SimulationOptions& options, std::uint64_t iteration) {
  std::uint64_t next = std::min(options.iterations, (iteration / options.measure_every + 1) * options.measure_every);
  const double per_decade = static_cast<double>(options.points_per_decade);
  double k =
      std::max(0.0, std::floor(per_decade * std::log10(std::max<double>(1.0, static_cast<double>(iteration)))) - 1);
  for (;; ++k) {
    const auto point = static_cast<std::uint64_t>(std::llround(std::pow(10.0, k / per_decade)));
    if (point >= next) return next;
    if (point > iteration) return point;
  }
}

struct Simulation::Impl {
  Impl(const SimulationOptions& options_, const ModelFactory& factory)
      : options(validated(options_)),
        sgd(sgd_options(options)),
        task(task_options(options), options.seed),
        memory(memory_sample(task, options.seed)),
        model(factory(options)),
        takes_dots(model->takes_dots()),
        sketched(item_draw(options) == ItemDraw::sketches),
        attention_model(dynamic_cast<AttentionModel*>(model.get())),
        diagnostic_names(measured_names(*model)),
        tracker(options, diagnostic_names),
        due(next_measurement(options, 0)) {
    if (sketched && !model->takes_sketches()) throw field_error("item-draw", "this model takes items, not sketches");
    memory_logits.resize(memory.labels.size());
  }

  double train_step() {
    if (takes_dots && !options.n_items) {
      task.draw_training(iteration, options.batch, dot_batch);
      return model->train(dot_batch, sgd);
    }
    if (sketched) {
      task.draw_training(iteration, options.batch, sketch_batch);
      return model->train(sketch_batch, sgd);
    }
    task.draw_training(iteration, options.batch, batch);
    return model->train(batch, sgd);
  }

  /// Hands the logits of a test to `use(signed total, signed MLP part)`, chunk by chunk. `draw` fills batch or dot_batch
  /// from the streams of the chunk with this number, and says which.
  template <class Draw, class Use>
  void test(Draw draw, Use use) {
    const std::uint64_t n_chunks = (options.test_sequences + kTestChunk - 1) / kTestChunk;
    for (std::uint64_t chunk = 0; chunk < n_chunks; ++chunk) {
      const std::size_t n = std::min<std::size_t>(kTestChunk, options.test_sequences - chunk * kTestChunk);
      const std::vector<std::int8_t>& labels = draw(iteration * n_chunks + chunk, n);
      const std::size_t stride = labels.size() / n;
      for (std::size_t i = 0; i < n; ++i) {
        const double label = labels[(i + 1) * stride - 1];
        use(label * parts.total[i], label * parts.mlp[i]);
      }
    }
  }

  const std::vector<std::int8_t>& icl_logits(std::uint64_t index, std::size_t n) {
    if (takes_dots) {
      task.draw_icl_test(index, n, dot_batch);
      model->logits(dot_batch, parts);
      return dot_batch.labels;
    }
    task.draw_icl_test(index, n, batch);
    model->logits(batch, parts);
    return batch.labels;
  }

  void measure() {
    SimulationSample sample;
    TestScore icl;
    novel_logits.clear();
    test(
        [this](std::uint64_t index, std::size_t n) -> const auto& { return icl_logits(index, n); },
        [&](double total, double mlp) {
          icl.add(total);
          if (!options.n_items) novel_logits.push_back(mlp);
        });
    sample.icl_accuracy = icl.accuracy();
    sample.icl_loss = icl.mean_loss();
    bool finite = std::isfinite(sample.icl_loss);
    if (options.n_items) {
      TestScore iwl;
      test(
          [this](std::uint64_t index, std::size_t n) -> const auto& {
            task.draw_iwl_test(index, n, batch);
            model->logits(batch, parts);
            return batch.labels;
          },
          [&](double total, double) { iwl.add(total); });
      sample.iwl_accuracy = iwl.accuracy();
      sample.iwl_loss = iwl.mean_loss();
      model->memory_logits(memory.items, memory_logits);
      for (std::size_t i = 0; i < memory_logits.size(); ++i) memory_logits[i] *= memory.labels[i];
      finite = finite && std::isfinite(iwl.mean_loss());
    }
    const std::vector<double>& signed_logits = options.n_items ? memory_logits : novel_logits;
    finite =
        finite && std::all_of(signed_logits.begin(), signed_logits.end(), [](double x) { return std::isfinite(x); });
    if (finite) {
      const OrderParameters values = order_parameters(signed_logits, memory.weights);
      sample.c1 = values.c1;
      sample.c2 = values.c2;
      sample.c3 = values.c3;
      for (const NamedValue& value : model->diagnostics()) sample.diagnostics.push_back(value.value);
      if (attention_model != nullptr) add_split(sample.diagnostics);
    }
    if (finite) {
      measured(std::move(sample));
    } else {
      outcome = SimulationOutcome::not_finite;
    }
  }

  void measured(SimulationSample sample) {
    sample.iteration = iteration;
    sample.time = options.lr * static_cast<double>(iteration);
    if (iteration > last_measured) sample.train_loss = loss_sum / static_cast<double>(iteration - last_measured);
    const auto is_finite = [](double x) { return std::isfinite(x); };
    bool finite = is_finite(sample.icl_loss) && is_finite(sample.iwl_loss.value_or(0.0)) && is_finite(sample.c1) &&
                  std::all_of(sample.diagnostics.begin(), sample.diagnostics.end(), is_finite);
    // c3 overflows beyond logits of -709: the run has diverged, and no file could hold it.
    if (!finite || !std::isfinite(sample.c3)) {
      outcome = SimulationOutcome::not_finite;
      return;
    }
    take(std::move(sample));
    loss_sum = 0.0;
  }

  /// How far the logit is a sum of two parts, on the first sequences of the ICL test.
  void add_split(std::vector<double>& diagnostics) {
    const std::uint64_t n_chunks = (options.test_sequences + kTestChunk - 1) / kTestChunk;
    task.draw_icl_test(iteration * n_chunks, std::min<std::size_t>(kTestChunk, options.test_sequences), batch);
    attention_model->split(batch, split);
    for (const double value : {mean(split.copy_attention), mean(split.self_attention), root_mean_square(split.mlp),
                               root_mean_square(split.attention), root_mean_square(split.residual)}) {
      diagnostics.push_back(value);
    }
  }

  void take(SimulationSample sample) {
    tracker.add(sample);
    last_measured = sample.iteration;
    due = next_measurement(options, sample.iteration);
    const bool icl = options.stop_icl && sample.icl_accuracy > *options.stop_icl;
    const bool memorized = options.stop_memorized && sample.c1 < *options.stop_memorized;
    const bool faded = options.stop_faded && tracker.markers().t_accuracy_fade.has_value();
    samples.push_back(std::move(sample));
    if (icl) {
      outcome = SimulationOutcome::reached_icl;
    } else if (memorized) {
      outcome = SimulationOutcome::memorized;
    } else if (faded) {
      outcome = SimulationOutcome::faded;
    } else if (last_measured == options.iterations) {
      outcome = SimulationOutcome::reached_iterations;
    }
  }

  SimulationOptions options;
  IclSgd sgd;
  IclTask task;
  MemorySample memory;
  std::unique_ptr<IclModel> model;
  bool takes_dots;
  bool sketched;                    // training sequences
  AttentionModel* attention_model;  // the model, where it can be taken apart
  std::vector<std::string> diagnostic_names;
  MarkerTracker tracker;
  std::uint64_t due;  // next step to measure at
  std::uint64_t iteration = 0;
  std::uint64_t last_measured = 0;
  double loss_sum = 0.0;  // of the steps since then
  std::vector<SimulationSample> samples;
  SimulationOutcome outcome = SimulationOutcome::unfinished;

  SequenceBatch batch;
  DotBatch dot_batch;
  SketchBatch sketch_batch;
  LogitParts parts;
  AnsatzSplit split;
  std::vector<double> memory_logits;  // [memory sample]
  std::vector<double> novel_logits;   // [test_sequences] MLP part, signed
};

Simulation::Simulation(const SimulationOptions& options, const ModelFactory& factory)
    : impl_(std::make_unique<Impl>(options, factory)) {}

Simulation::Simulation(const SimulationOptions& options, const SimulationState& state, const ModelFactory& factory)
    : impl_(std::make_unique<Impl>(options, factory)) {
  impl_->model->load(state.parameters);
  for (const SimulationSample& sample : state.samples) {
    if (sample.diagnostics.size() != impl_->diagnostic_names.size()) {
      throw field_error("samples", "the saved run was of another model than the options ask for");
    }
    impl_->take(sample);
  }
  impl_->iteration = state.iteration;
  impl_->loss_sum = state.loss_sum;
}

Simulation::Simulation(Simulation&&) noexcept = default;
Simulation& Simulation::operator=(Simulation&&) noexcept = default;
Simulation::~Simulation() = default;

SimulationOutcome Simulation::advance(std::uint64_t max_steps) {
  Impl& run = *impl_;
  std::uint64_t left = max_steps;
  while (run.outcome == SimulationOutcome::unfinished) {
    if (run.samples.empty() || run.iteration == run.due) {
      run.measure();
      continue;
    }
    if (left == 0) break;
    const double loss = run.train_step();
    if (!std::isfinite(loss)) {
      run.outcome = SimulationOutcome::not_finite;
      break;
    }
    run.loss_sum += loss;
    ++run.iteration;
    --left;
  }
  return run.outcome;
}

std::uint64_t Simulation::steps_until_due() const noexcept {
  return impl_->samples.empty() ? 0 : impl_->due - impl_->iteration;
}

void Simulation::trained(std::uint64_t steps, double loss_sum) noexcept {
  assert(steps <= steps_until_due());
  impl_->iteration += steps;
  impl_->loss_sum = loss_sum;
  if (!std::isfinite(loss_sum)) impl_->outcome = SimulationOutcome::not_finite;
}

void Simulation::measured(SimulationSample sample) { impl_->measured(std::move(sample)); }

SimulationOutcome Simulation::outcome() const noexcept { return impl_->outcome; }
std::uint64_t Simulation::iteration() const noexcept { return impl_->iteration; }
const std::vector<SimulationSample>& Simulation::samples() const noexcept { return impl_->samples; }
const std::vector<std::string>& Simulation::diagnostic_names() const noexcept { return impl_->diagnostic_names; }
const SimulationMarkers& Simulation::markers() const noexcept { return impl_->tracker.markers(); }

const mlp_stats::ItemDataset& Simulation::dataset() const noexcept { return impl_->task.dataset(); }

SimulationState Simulation::state() const {
  return {.iteration = impl_->iteration,
          .loss_sum = impl_->loss_sum,
          .samples = impl_->samples,
          .parameters = impl_->model->parameters()};
}

}  // namespace iclk::transformer
