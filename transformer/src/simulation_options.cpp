#include "iclk/transformer/simulation_options.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "iclk/core/error.hpp"

namespace iclk::transformer {
namespace {

void require(bool holds, const std::string& setting, const std::string& rule, const std::string& found) {
  if (!holds) throw field_error(setting, "expected " + rule + ", got " + found);
}

const SimulationField* find_field(std::string_view name) {
  const auto& fields = simulation_fields();
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

/// Letters in common at the start of the two words, as a measure of what was meant.
std::size_t common_start(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

Error unknown_setting(const std::string& name) {
  std::string meant;
  std::size_t best = 2;
  std::string spelt = name;
  std::replace(spelt.begin(), spelt.end(), '_', '-');
  for (const SimulationField& field : simulation_fields()) {
    const std::size_t common = common_start(spelt, field.name);
    if (common > best) {
      best = common;
      meant = field.name;
    }
  }
  return field_error(name, "unknown setting" + (meant.empty() ? "" : "; did you mean \"" + meant + "\"?"));
}

/// A setting that belongs to other models or tasks must stay at its default, or the user expects an effect that it
/// cannot have.
void refuse_settings_without_effect(const SimulationOptions& options) {
  SimulationOptions neutral = default_options(Profile::paper, options.model, !options.n_items.has_value());
  neutral.item_draw = ItemDraw::items;  // may be asked for of any run
  for (const SimulationField& field : simulation_fields()) {
    if (field.applies(options) || field.get(options) == field.get(neutral)) continue;
    SimulationOptions finite = options;
    finite.n_items = 2;
    SimulationOptions infinite = options;
    infinite.n_items.reset();
    const std::string where = field.applies(finite)     ? "with K infinite"
                              : field.applies(infinite) ? "with K finite"
                                                        : "in model " + std::string(name(options.model));
    throw field_error(field.name, "has no effect " + where + ", got " + field.get(options));
  }
}

}  // namespace

std::string_view name(ModelKind model) noexcept {
  switch (model) {
    case ModelKind::minimal:
      return "minimal";
    case ModelKind::one_layer:
      return "one-layer";
    case ModelKind::two_layer:
      return "two-layer";
  }
  return "";
}

std::string_view name(ItemDraw draw) noexcept { return draw == ItemDraw::items ? "items" : "sketches"; }
std::string_view name(Profile profile) noexcept { return profile == Profile::paper ? "paper" : "release"; }
std::string_view name(Readout readout) noexcept { return readout == Readout::trained ? "trained" : "frozen"; }

SimulationOptions default_options(Profile profile, ModelKind model, bool infinite_items) {
  SimulationOptions options;
  options.model = model;
  if (!infinite_items) options.n_items = 1000;
  // Eq. 1 sums over the target too, Eq. 3 does not.
  options.attend_self = model != ModelKind::minimal;
  if (profile == Profile::paper) return options;
  options.count_target = true;
  options.attend_self = true;
  if (!infinite_items) {
    options.item_labels = mlp_stats::LabelRule::balanced;
    options.item_set = ItemSet::fixed;
    options.target_rule = TargetRule::resampled;
  }
  options.decay_layernorm = model != ModelKind::minimal;
  if (model == ModelKind::two_layer) options.readout = Readout::frozen;
  if (model == ModelKind::minimal) {
    options.beta0_sd = 1.0;
    options.lambda_w = 1e-10;
    options.lambda_beta = 1e-10;
  }
  options.iterations = 469'000;  // 1000 epochs of 469 steps
  options.stop_icl = 0.99;
  options.measure_every = 469;
  return options;
}

std::string default_text(const SimulationField& field) {
  if (field.name == "items") return "inf";
  if (field.name == "item-draw")
    return "sketches where possible with N >= " + std::to_string(kFewestSketched) + ", else items";
  const auto text = [&](Profile profile) {
    // Of the models that have the setting, the smallest; of the tasks, K finite.
    for (const ModelKind model : {ModelKind::minimal, ModelKind::one_layer, ModelKind::two_layer}) {
      const SimulationOptions options = default_options(profile, model, false);
      if (field.applies(options)) return field.get(options);
    }
    return field.get({});
  };
  const std::string paper = text(Profile::paper);
  const std::string release = text(Profile::release);
  return paper == release ? paper : paper + "; release: " + release;
}

SimulationOptions simulation_options(std::span<const std::pair<std::string, std::string>> given) {
  SimulationOptions read;  // what was given alone, to know model and items before the defaults
  Profile profile = Profile::paper;
  std::set<std::string> seen;
  const auto apply = [&](SimulationOptions& options) {
    for (const auto& [setting, text] : given) {
      try {
        find_field(setting)->set(options, text);
      } catch (const Error& error) {
        throw field_error(setting, error.problem());
      }
    }
  };
  for (const auto& [setting, text] : given) {
    if (find_field(setting) == nullptr) throw unknown_setting(setting);
    if (!seen.insert(setting).second) throw field_error(setting, "is given twice");
    if (setting == "profile" && text == name(Profile::release)) profile = Profile::release;
  }
  apply(read);
  SimulationOptions options = default_options(profile, read.model, !read.n_items.has_value());
  apply(options);
  return options;
}

RunInfo settings_of(const SimulationOptions& options) {
  RunInfo info;
  for (const SimulationField& field : simulation_fields()) {
    if (field.applies(options)) info.add(field.key(), field.get(options));
  }
  return info;
}

std::optional<std::string> setting_in(const RunInfo& head, const SimulationField& field) {
  const std::string* there = head.find(field.key());
  return there != nullptr ? std::optional(*there) : field.absent;
}

std::string run_identity(const SimulationOptions& options) {
  std::string text;
  for (const auto& [key, value] : settings_of(options).entries) text += key + ": " + value + '\n';
  std::uint64_t hash = fnv1a(text);
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string digits(16, '0');
  for (auto digit = digits.rbegin(); digit != digits.rend(); ++digit, hash >>= 4) *digit = kHex[hash & 15];
  return digits;
}

std::string run_name(const SimulationOptions& options) {
  return std::string(name(options.model)) + "_n" + std::to_string(options.context) + "_k" +
         (options.n_items ? std::to_string(*options.n_items) : "inf") + "_s" + std::to_string(options.seed) + '_' +
         run_identity(options);
}

std::uint64_t n_exemplars(const SimulationOptions& options) noexcept {
  return options.count_target ? options.context - 1 : options.context;
}

ItemDraw item_draw(const SimulationOptions& options) noexcept {
  if (options.item_draw) return *options.item_draw;
  const bool possible = options.model == ModelKind::one_layer && !options.n_items &&
                        options.dim >= kSmallestSketchDim && options.backend != mlp_stats::BackendKind::cuda;
  return possible && options.context >= kFewestSketched ? ItemDraw::sketches : ItemDraw::items;
}

TaskOptions task_options(const SimulationOptions& options) {
  return {.n_items = options.n_items,
          .n_context = n_exemplars(options),
          .dim = options.dim,
          .item_labels = options.item_labels,
          .context_labels = options.labels,
          .zipf_exponent = options.zipf,
          .copy_share = options.copy_share,
          .copies = options.copies,
          .target_rule = options.target_rule,
          .item_set = options.item_set};
}

IclSgd sgd_options(const SimulationOptions& options) {
  return {.lr = options.lr,
          .mlp_weight_decay = options.weight_decay,
          .attention_weight_decay = options.attention_decay,
          .decay_layernorm = options.decay_layernorm,
          .lambda_w = options.lambda_w,
          .lambda_beta = options.lambda_beta};
}

void validate(const SimulationOptions& options) {
  // Each value on its own: what its text would have to be.
  for (const SimulationField& field : simulation_fields()) {
    SimulationOptions copy = options;
    try {
      field.set(copy, field.get(options));
    } catch (const Error& error) {
      throw field_error(field.name, error.problem());
    }
  }
  refuse_settings_without_effect(options);

  const std::uint64_t exemplars = n_exemplars(options);
  const std::string count = std::to_string(options.context) +
                            (options.count_target ? " (" + std::to_string(exemplars) + " and the target)" : "");
  require(exemplars >= 2, "context", "at least 2 exemplars", count);
  require(options.labels != ContextLabels::balanced || exemplars % 2 == 0, "context",
          "an even number of exemplars for labels balanced-context", count);
  require(options.labels != ContextLabels::balanced_with_target || exemplars % 2 == 1, "context",
          "an odd number of exemplars for labels balanced-context-with-target", count);
  require(options.item_labels != mlp_stats::LabelRule::balanced || !options.n_items || *options.n_items % 2 == 0,
          "items", "an even number of items for item-labels balanced", std::to_string(options.n_items.value_or(0)));
  const ItemDraw draw = item_draw(options);
  require(draw == ItemDraw::items || options.dim >= kSmallestSketchDim, "item-draw",
          "items where dim is below " + std::to_string(kSmallestSketchDim), std::string(name(draw)));
  const std::uint64_t places = options.labels == ContextLabels::random     ? exemplars
                               : options.labels == ContextLabels::balanced ? exemplars / 2
                                                                           : (exemplars - 1) / 2;
  require(options.copies <= places, "copies", "at most the " + std::to_string(places) + " exemplars that can be copies",
          std::to_string(options.copies));
  const bool minimal =
      options.model == ModelKind::minimal;  // decays that apply to no parameter of the model are not used
  const std::array<std::pair<const char*, double>, 4> decays{
      {{"weight-decay", options.weight_decay},
       {"attention-decay", minimal ? 0.0 : options.attention_decay},
       {"lambda-w", options.lambda_w},
       {"lambda-beta", options.lambda_beta}}};
  for (const auto& [setting, decay] : decays) {
    require(options.lr * decay < 1, setting, "lr times it below 1", format_number(decay));
  }
  const bool on_card = options.backend == mlp_stats::BackendKind::cuda;
  require(!on_card || options.model != ModelKind::two_layer, "model", "minimal or one-layer with backend cuda",
          std::string(name(options.model)));
  require(!on_card || draw == ItemDraw::items, "item-draw", "items with backend cuda", std::string(name(draw)));
  require(!on_card || !(options.zipf > 0), "zipf", "0 with backend cuda", format_number(options.zipf));
  require(offers(options.backend, options.precision), "precision", std::string(offered_precisions(options.backend)),
          std::string(name(options.precision)));
}

}  // namespace iclk::transformer
