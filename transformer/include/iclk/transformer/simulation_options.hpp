#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "iclk/core/run_info.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "iclk/transformer/icl_model.hpp"
#include "iclk/transformer/icl_task.hpp"

namespace iclk::transformer {

enum class ModelKind {
  minimal,    ///< MLP plus attention with two numbers
  one_layer,  ///< the paper's transformer
  two_layer,  ///< that of its Fig. A.5
};

/// Two readings of the same experiments: what the text of the paper says, and what the released code does.
enum class Profile { paper, release };

enum class Readout {
  trained,  ///< the two-layer model's last MLP is trained
  frozen,   ///< it keeps its random start, as in the released code
};

/// With K infinite: whether exemplars are drawn, or only what attention sees of them.
enum class ItemDraw {
  items,     ///< every coordinate
  sketches,  ///< 10 normals per exemplar (one-layer model, dim >= kSmallestSketchDim, not on a card): the same law
};

constexpr std::uint64_t kFewestSketched = 32;  ///< N from which on sketches are faster than items

std::string_view name(ModelKind model) noexcept;
std::string_view name(ItemDraw draw) noexcept;
std::string_view name(Profile profile) noexcept;
std::string_view name(Readout readout) noexcept;

/// One training run on the in-context task: everything that its numbers depend on. The defaults are the profile `paper`
/// of the minimal model.
struct SimulationOptions {
  ModelKind model = ModelKind::minimal;

  std::optional<std::uint64_t> n_items;  ///< K; empty: infinite, fresh items in each sequence
  std::uint64_t context = 100;           ///< N, labelled exemplars, or with count_target the length of the sequence
  bool count_target = false;             ///< N counts the target: N - 1 exemplars (the released code)
  bool attend_self = false;              ///< the target attends to itself too
  ContextLabels labels = ContextLabels::random;
  mlp_stats::LabelRule item_labels = mlp_stats::LabelRule::random;
  ItemSet item_set = ItemSet::per_run;
  TargetRule target_rule = TargetRule::exemplar;
  std::optional<ItemDraw> item_draw;  ///< of training sequences; empty: sketches where possible and faster, else items
  double zipf = 0.0;                  ///< item i occurs with a frequency proportional to i^-zipf
  double copy_share = 1.0;            ///< share of training sequences that hold a copy of the target
  std::uint64_t copies = 1;           ///< copies of the target in those

  std::uint64_t dim = 63;          ///< D, coordinates of an item
  std::uint64_t hidden = 512;      ///< width of the hidden layers of every MLP
  std::uint64_t batch = 128;       ///< sequences per SGD step
  double lr = 0.01;                ///< learning rate: time = lr * iteration
  double weight_decay = 1e-10;     ///< of every MLP
  double attention_decay = 1e-10;  ///< transformers: of attention
  double lambda_w = 0.0;           ///< minimal model: of w [1/time]
  double lambda_beta = 0.0;        ///< minimal model: of beta [1/time]
  bool decay_layernorm = false;    ///< transformers: attention_decay holds for LayerNorm too
  Readout readout = Readout::trained;
  double beta0 = 0.0;     ///< minimal model: start of beta, or its mean
  double beta0_sd = 0.0;  ///< minimal model: its standard deviation over seeds
  double w0 = 0.0;
  double w0_sd = 0.0;
  std::uint64_t seed = 0;  ///< of items, labels, sequences, start and tests

  std::uint64_t iterations = 500'000;    ///< stop after so many SGD steps
  std::optional<double> stop_icl;        ///< stop at the first ICL accuracy above it; empty: never
  std::optional<double> stop_memorized;  ///< stop at the first c1 below it; empty: never
  bool stop_faded = false;               ///< stop once ICL was lost again
  std::uint64_t test_sequences = 2000;   ///< fresh sequences per measurement and kind of test
  std::uint64_t points_per_decade = 32;  ///< measurements per factor of ten in SGD steps
  std::uint64_t measure_every = 250;     ///< and at every multiple of this

  mlp_stats::BackendKind backend = mlp_stats::BackendKind::onednn;
  mlp_stats::Precision precision = mlp_stats::Precision::float32;
};

/// Throws Error naming the setting as in simulation_fields(), its value and the rule.
void validate(const SimulationOptions& options);

/// What a profile sets for a model, with K infinite or not; every setting can be changed from there.
SimulationOptions default_options(Profile profile, ModelKind model, bool infinite_items);

/// One setting as users know it. There is one table of them, from which the command line, plans of sweeps, the heads of
/// result files and the identity of a run are made.
struct SimulationField {
  enum class Kind { count, number, yes_no, word, items };

  std::string name;         ///< "weight-decay", on the command line and in plans; in files `weight_decay`
  Kind kind = Kind::word;   ///< what a plan may hold: items is a count or "inf"
  std::string placeholder;  ///< "N", "X", "yes|no", or the words it may be
  std::string help;

  /// Canonical text of the value: equal values have equal texts.
  std::function<std::string(const SimulationOptions&)> get;
  /// Reads a value. Throws Error with the problem only, not with the name.
  std::function<void(SimulationOptions&, std::string_view)> set;
  /// Whether a run of these options depends on the setting. Others are left out of files and of the identity.
  std::function<bool(const SimulationOptions&)> applies;
  /// What a file that holds no such line means by that, where this is more than "does not apply": `items` of item-draw,
  /// whatever a new run would do.
  std::optional<std::string> absent = std::nullopt;

  std::string key() const;  ///< the name in files: underscores for hyphens
};

/// Every setting; the first one is `profile`, which only chooses the others' defaults and applies to no run.
const std::vector<SimulationField>& simulation_fields();

/// Default of a setting for the help: "100", or "no; release: yes" where the profiles differ.
std::string default_text(const SimulationField& field);

/// Options from the settings that were given, as name and text: the profile's defaults for the model, then these.
/// Throws   Error naming the setting: unknown (with a guess what was meant), twice, unreadable; not validated.
SimulationOptions simulation_options(std::span<const std::pair<std::string, std::string>> given);

/// The settings that a run depends on, `key: value`, as they stand at the head of its file below the program's version.
RunInfo settings_of(const SimulationOptions& options);

/// A setting as the head of a file has it, or as its absence there has it; empty where it does not apply.
std::optional<std::string> setting_in(const RunInfo& head, const SimulationField& field);

/// Identity of a run: 16 hexadecimal digits, a hash of settings_of.
std::string run_identity(const SimulationOptions& options);

/// Name of the run's files: `minimal_n100_k1000_s0_0123456789abcdef`, with `kinf` where K is infinite.
std::string run_name(const SimulationOptions& options);

std::uint64_t n_exemplars(const SimulationOptions& options) noexcept;  ///< N, less one with count_target
ItemDraw item_draw(const SimulationOptions& options) noexcept;         ///< what was asked for, or follows from the rest
TaskOptions task_options(const SimulationOptions& options);
IclSgd sgd_options(const SimulationOptions& options);

}  // namespace iclk::transformer
