#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "iclk/mlp_stats/item_dataset.hpp"
#include "iclk/mlp_stats/mlp.hpp"

namespace iclk::mlp_stats {

/// How the items of a batch are chosen.
enum class Sampling {
  with_replacement,     ///< every draw uniform over the K items (as a transformer's targets are)
  without_replacement,  ///< epochs: every item once in random order, then the next epoch
};
std::string_view name(Sampling sampling) noexcept;

/// One memorization run: everything that its curve depends on.
struct TrainingOptions {
  std::uint64_t n_items = 1000;  ///< K
  std::uint64_t seed = 0;        ///< of items, labels, initial weights and batches
  std::uint64_t dim = 63;        ///< D, coordinates of an item
  std::uint64_t hidden = 512;    ///< width of both hidden layers
  std::uint64_t batch = 128;     ///< sequences per SGD step
  double lr = 0.01;              ///< learning rate: time = lr * iteration
  double weight_decay = 1e-10;   ///< added to the gradient, biases included
  LabelRule labels = LabelRule::random;
  InputForm input = InputForm::raw;
  Sampling sampling = Sampling::with_replacement;
  std::uint64_t max_iterations = 2'000'000;  ///< stop after so many SGD steps
  std::optional<double> stop_c1 = 2e-3;      ///< stop at the first measurement with c1 below this; empty: never
  int points_per_decade = 32;                ///< measurements per factor of ten in iterations
  BackendKind backend = BackendKind::onednn;
  Precision precision = Precision::float32;
};
void validate(const TrainingOptions& options);  ///< throws Error naming the field, its value and the rule

/// The settings as they are written at the head of the curve file.
RunInfo run_info(const TrainingOptions& options);

enum class TrainingOutcome {
  unfinished,          ///< can go on
  reached_c1,          ///< c1 fell below stop_c1
  reached_iterations,  ///< max_iterations done
  not_finite,          ///< a logit became infinite or NaN: the learning rate is too high
};
std::string_view name(TrainingOutcome outcome) noexcept;

/// All that is needed to go on with a run as if it had never stopped. Random streams are keyed by the step, so they
/// hold no state of their own.
struct TrainingState {
  std::uint64_t iteration = 0;       ///< SGD steps done
  std::vector<CurveSample> samples;  ///< measured so far, the last one at or before `iteration`
  MlpParameters parameters;
};

/// A training run in progress: owns the network, its data set and all working memory.
class Trainer {
 public:
  explicit Trainer(const TrainingOptions& options);

  /// Takes up a run where `state`, saved by a Trainer of the same options, left it.
  Trainer(const TrainingOptions& options, const TrainingState& state);

  /// With a backend of the caller's, which trains the network together with others: from the start, or from `state`.
  Trainer(const TrainingOptions& options, const TrainingState* state, const BackendFactory& backend);

  Trainer(Trainer&&) noexcept;
  Trainer& operator=(Trainer&&) noexcept;
  ~Trainer();

  /// Trains up to `max_steps` SGD steps, measuring where due, or until the run ends. Returns how the run stands. The
  /// split into calls does not change what is computed. Allocates nothing but the growing list of samples.
  TrainingOutcome advance(std::uint64_t max_steps);

  /// The same from outside, where the caller trains and measures: steps until the next measurement, 0 when it is due;
  /// that so many of them were done; what was measured then.
  std::uint64_t steps_until_due() const noexcept;
  void trained(std::uint64_t steps) noexcept;
  void measured(const OrderParameters& values);

  TrainingOutcome outcome() const noexcept;
  std::uint64_t iteration() const noexcept;
  const std::vector<CurveSample>& samples() const noexcept;
  TrainingState state() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace iclk::mlp_stats
