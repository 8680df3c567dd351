#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/order_parameters.hpp"
#include "iclk/transformer/simulation_options.hpp"

namespace iclk::transformer {

/// The model that the options ask for, at its start.
std::unique_ptr<IclModel> make_model(const SimulationOptions& options);

/// Makes the model of a run; make_model unless the caller trains one of his own.
using ModelFactory = std::function<std::unique_ptr<IclModel>(const SimulationOptions&)>;

enum class SimulationOutcome {
  unfinished,          ///< can go on
  reached_icl,         ///< the ICL accuracy exceeded stop_icl
  memorized,           ///< c1 fell below stop_memorized
  faded,               ///< ICL was lost again, and stop_faded asked to end there
  reached_iterations,  ///< all iterations done
  not_finite,          ///< the loss or a logit became infinite or NaN: the learning rate is too high
};
std::string_view name(SimulationOutcome outcome) noexcept;

/// One measurement. What a run does not have (IWL with K infinite) is empty.
struct SimulationSample {
  std::uint64_t iteration = 0;       ///< SGD steps done
  double time = 0.0;                 ///< lr * iteration
  std::optional<double> train_loss;  ///< mean over the SGD steps since the last measurement [nats]
  double icl_accuracy = 0.0;         ///< on fresh sequences of novel items; a logit of exactly 0 counts one half
  double icl_loss = 0.0;
  std::optional<double> iwl_accuracy;  ///< on sequences of training items without a copy of the target
  std::optional<double> iwl_loss;
  double c1 = 0.5;  ///< of the MLP path, on the items of memory_sample, or with K infinite on the ICL test's targets
  double c2 = 0.5;
  double c3 = 1.0;
  std::vector<double> diagnostics;  ///< values of the model's diagnostics, in its order
};

/// What happened when [gradient-flow time]; empty: it did not, or the model has no such number.
struct SimulationMarkers {
  std::optional<double> t_icl;             ///< first crossing of 95 % ICL accuracy, interpolated between measurements
  std::optional<double> t_half_loss;       ///< ICL loss falls to half of ln 2, its value at chance
  std::optional<double> t_attention_half;  ///< minimal model: e^beta reaches N - 1, half of the attention on the copy
  std::optional<double> t_accuracy_fade;   ///< ICL accuracy falls to 90 % after it had reached 99 %
  std::optional<double> t_w_max;           ///< minimal model: largest w that was measured, and when
  std::optional<double> w_max;
  std::optional<double> t_fade;  ///< minimal model: w falls to 1 after t_icl
  double max_icl_accuracy = 0.0;
};

/// Finds the markers of a run as it is measured.
class MarkerTracker {
 public:
  /// `diagnostics`: names of the model's diagnostics; w and beta are known by theirs.
  MarkerTracker(const SimulationOptions& options, std::span<const std::string> diagnostics);

  void add(const SimulationSample& sample);
  const SimulationMarkers& markers() const noexcept { return markers_; }

 private:
  std::optional<std::size_t> w_, beta_;  // positions among the diagnostics
  double log_n_ = 0.0;                   // ln(N - 1)
  SimulationMarkers markers_;
  std::optional<SimulationSample> last_;
};

/// All that is needed to go on with a run as if it had never stopped. Random streams are keyed by the step.
struct SimulationState {
  std::uint64_t iteration = 0;  ///< SGD steps done
  double loss_sum = 0.0;        ///< of the training losses since the last measurement
  std::vector<SimulationSample> samples;
  std::vector<NamedArray> parameters;
};

/// Items on which c1, c2, c3 are measured: all K where there are at most kMemorySample, else so many, drawn once from
/// the law by which items occur. They are averages over that law either way: exact, or with the error of a sample.
struct MemorySample {
  std::vector<float> items;     ///< [n x dim]
  std::vector<double> labels;   ///< [n] +1 or -1
  std::vector<double> weights;  ///< [n], or empty for equal ones
};
inline constexpr std::size_t kMemorySample = 4096;
MemorySample memory_sample(const IclTask& task, std::uint64_t seed);

/// First SGD step after `iteration` at which a run is measured: 10^(k/points_per_decade) rounded, multiples of
/// measure_every, and the last one. Step 0 is measured too.
std::uint64_t next_measurement(const SimulationOptions& options, std::uint64_t iteration);

/// A training run in progress: owns the task, the model and all working memory.
class Simulation {
 public:
  explicit Simulation(const SimulationOptions& options, const ModelFactory& factory = make_model);

  /// Takes up a run where `state`, saved by a Simulation of the same options, left it.
  Simulation(const SimulationOptions& options, const SimulationState& state, const ModelFactory& factory = make_model);

  Simulation(Simulation&&) noexcept;
  Simulation& operator=(Simulation&&) noexcept;
  ~Simulation();

  /// Trains up to `max_steps` SGD steps, measuring where due, or until the run ends. The split into calls does not
  /// change what is computed. Allocates nothing but the growing list of samples.
  SimulationOutcome advance(std::uint64_t max_steps);

  /// The same from outside, where the caller trains and measures the model together with others: steps until the next
  /// measurement, 0 when it is due; that so many of them were done, and the sum of all training losses since the last
  /// measurement; what was measured (iteration, time and train_loss are filled in here).
  std::uint64_t steps_until_due() const noexcept;
  void trained(std::uint64_t steps, double loss_sum) noexcept;
  void measured(SimulationSample sample);

  SimulationOutcome outcome() const noexcept;
  std::uint64_t iteration() const noexcept;
  const std::vector<SimulationSample>& samples() const noexcept;
  const std::vector<std::string>& diagnostic_names() const noexcept;
  const SimulationMarkers& markers() const noexcept;
  SimulationState state() const;
  const mlp_stats::ItemDataset& dataset() const noexcept;  ///< the task's K items; none where K is infinite

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes a finished run: `# iclk-simulation 1`, its settings, how it ended and its markers, then one row per
/// measurement. The file appears whole or not at all. Format: docs/formats.md.
void write_simulation(const std::filesystem::path& path, const SimulationOptions& options, const Simulation& run);

}  // namespace iclk::transformer
