#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "iclk/core/error.hpp"
#include "iclk/transformer/simulation_options.hpp"

namespace iclk::transformer {
namespace {

using Kind = SimulationField::Kind;
using Options = SimulationOptions;

constexpr std::uint64_t kLargestCount = std::uint64_t{1} << 53;  // a count may be written 1e6 and then passes a double

bool always(const Options&) { return true; }
bool minimal_only(const Options& options) { return options.model == ModelKind::minimal; }
bool transformers_only(const Options& options) { return options.model != ModelKind::minimal; }
bool two_layer_only(const Options& options) { return options.model == ModelKind::two_layer; }
/// Files of runs that draw items, and their identities, are older than the other way and do not know of it.
bool sketched(const Options& options) {
  return options.model == ModelKind::one_layer && !options.n_items && item_draw(options) == ItemDraw::sketches;
}
bool finite_items(const Options& options) { return options.n_items.has_value(); }

[[noreturn]] void refuse(const std::string& expected, std::string_view found) {
  throw Error("expected " + expected + ", got \"" + std::string(found) + "\"");
}

std::string range(std::uint64_t low, std::uint64_t high) {
  if (high == kLargestCount) return "a whole number, at least " + std::to_string(low);
  return "a whole number from " + std::to_string(low) + " to " + std::to_string(high);
}

std::uint64_t count_from(std::string_view text, std::uint64_t low, std::uint64_t high, const std::string& expected) {
  const std::optional<double> value = parse_number(text);
  if (!value || !(*value >= static_cast<double>(low) && *value <= static_cast<double>(high)) ||
      std::trunc(*value) < *value) {
    refuse(expected, text);
  }
  return static_cast<std::uint64_t>(*value);
}

SimulationField count(std::string name, std::uint64_t Options::*member, std::uint64_t low, std::uint64_t high,
                      std::string help) {
  return {.name = std::move(name),
          .kind = Kind::count,
          .placeholder = "N",
          .help = std::move(help),
          .get = [member](const Options& options) { return std::to_string(options.*member); },
          .set = [member, low, high](
                     Options& options,
                     std::string_view text) { options.*member = count_from(text, low, high, range(low, high)); },
          .applies = always};
}

/// What a real number must be: in [low, high], or above low.
struct Rule {
  double low = -std::numeric_limits<double>::max();
  double high = std::numeric_limits<double>::max();
  bool low_excluded = false;
  std::string words = "a finite number";
};

const Rule kPositive{.low = 0, .low_excluded = true, .words = "a positive number"};
const Rule kNotNegative{.low = 0, .words = "a number, at least 0"};
const Rule kShare{.low = 0, .high = 1, .words = "a number from 0 to 1"};
const Rule kZipf{.low = 0, .high = 5, .words = "a number from 0 to 5"};
const Rule kStart{.low = -300, .high = 300, .words = "a number from -300 to 300"};

double number_from(std::string_view text, const Rule& rule) {
  const std::optional<double> value = parse_number(text);
  if (!value || !(*value >= rule.low && *value <= rule.high) || (rule.low_excluded && *value <= rule.low)) {
    refuse(rule.words, text);
  }
  return *value;
}

SimulationField number(std::string name, double Options::*member, const Rule& rule, std::string help,
                       bool (*applies)(const Options&) = always) {
  return {.name = std::move(name),
          .kind = Kind::number,
          .placeholder = "X",
          .help = std::move(help),
          .get = [member](const Options& options) { return format_number(options.*member); },
          // -0 is the same value as 0 and must have the same text
          .set = [member, rule](Options& options,
                                std::string_view text) { options.*member = number_from(text, rule) + 0.0; },
          .applies = applies};
}

/// A level at which a run stops: 0 for never.
SimulationField level(std::string name, std::optional<double> Options::*member, const Rule& rule, std::string help,
                      bool (*applies)(const Options&)) {
  return {.name = std::move(name),
          .kind = Kind::number,
          .placeholder = "X",
          .help = std::move(help),
          .get = [member](const Options& options) { return format_number((options.*member).value_or(0)); },
          .set =
              [member, rule](Options& options, std::string_view text) {
                const double value = number_from(text, rule);
                options.*member = value > 0 ? std::optional(value) : std::nullopt;
              },
          .applies = applies};
}

SimulationField yes_no(std::string name, bool Options::*member, std::string help,
                       bool (*applies)(const Options&) = always) {
  return {.name = std::move(name),
          .kind = Kind::yes_no,
          .placeholder = "yes|no",
          .help = std::move(help),
          .get = [member](const Options& options) { return std::string(options.*member ? "yes" : "no"); },
          .set =
              [member](Options& options, std::string_view text) {
                if (text != "yes" && text != "no") refuse("yes|no", text);
                options.*member = text == "yes";
              },
          .applies = applies};
}

template <class Enum>
std::string words_of(std::initializer_list<Enum> all) {
  std::string words;
  for (const Enum each : all) {
    if (!words.empty()) words += '|';
    words += name(each);
  }
  return words;
}

template <class Enum>
SimulationField word(std::string field_name, Enum Options::*member, std::initializer_list<Enum> all, std::string help,
                     bool (*applies)(const Options&) = always) {
  const std::string words = words_of(all);
  return {.name = std::move(field_name),
          .kind = Kind::word,
          .placeholder = words,
          .help = std::move(help),
          .get = [member](const Options& options) { return std::string(name(options.*member)); },
          .set =
              [member, words, choices = std::vector<Enum>(all)](Options& options, std::string_view text) {
                const auto found =
                    std::find_if(choices.begin(), choices.end(), [&](Enum each) { return name(each) == text; });
                if (found == choices.end()) refuse(words, text);
                options.*member = *found;
              },
          .applies = applies};
}

SimulationField profile_field() {
  const std::string words = words_of({Profile::paper, Profile::release});
  return {.name = "profile",
          .kind = Kind::word,
          .placeholder = words,
          .help = "defaults of the other settings: the text of the paper, or what its released code does",
          .get = [](const Options&) { return std::string(name(Profile::paper)); },
          .set =
              [words](Options&, std::string_view text) {
                if (text != name(Profile::paper) && text != name(Profile::release)) refuse(words, text);
              },
          .applies = [](const Options&) { return false; }};
}

SimulationField item_draw_field() {
  const std::string words = words_of({ItemDraw::items, ItemDraw::sketches});
  return {
      .name = "item-draw",
      .kind = Kind::word,
      .placeholder = words,
      .help =
          "one-layer, K infinite: exemplars are drawn, or only what attention sees of them: the same law, and faster "
          "for long contexts; possible with --dim of 32 and more, not with --backend cuda",
      .get = [](const Options& options) { return std::string(name(item_draw(options))); },
      .set =
          [words](Options& options, std::string_view text) {
            if (text != name(ItemDraw::items) && text != name(ItemDraw::sketches)) refuse(words, text);
            options.item_draw = text == name(ItemDraw::items) ? ItemDraw::items : ItemDraw::sketches;
          },
      .applies = sketched,
      .absent = std::string(name(ItemDraw::items))};
}

SimulationField items_field() {
  return {.name = "items",
          .kind = Kind::items,
          .placeholder = "K|inf",
          .help = "K items with fixed labels; inf: fresh items in every sequence",
          .get = [](const Options& options) { return options.n_items ? std::to_string(*options.n_items) : "inf"; },
          .set =
              [](Options& options, std::string_view text) {
                const std::string expected = range(2, mlp_stats::kMaxItems) + ", or inf";
                options.n_items.reset();
                if (text != "inf") options.n_items = count_from(text, 2, mlp_stats::kMaxItems, expected);
              },
          .applies = always};
}

std::vector<SimulationField> make_fields() {
  using mlp_stats::BackendKind;
  using mlp_stats::LabelRule;
  using mlp_stats::Precision;
  constexpr std::uint64_t kMaxWidth = mlp_stats::kMaxWidth;
  return {
      profile_field(),
      word("model", &Options::model, {ModelKind::minimal, ModelKind::one_layer, ModelKind::two_layer},
           "what is trained: Eqs. 2-3, Eq. 1 or the transformer of Fig. A.5"),
      items_field(),
      count("context", &Options::context, 2, 100'000, "N, labelled exemplars; the target comes on top"),
      yes_no("count-target", &Options::count_target, "N counts the target: N - 1 exemplars"),
      yes_no("attend-self", &Options::attend_self,
             "the target attends to itself too; by default in the transformers, as in Eq. 1"),
      word("labels", &Options::labels,
           {ContextLabels::random, ContextLabels::balanced, ContextLabels::balanced_with_target},
           "labels of a context: as they fall, half of each, or half of each counting the target"),
      word("item-labels", &Options::item_labels, {LabelRule::random, LabelRule::balanced},
           "labels of the K items: by fair coins, or exactly half of each", finite_items),
      word("item-set", &Options::item_set, {ItemSet::per_run, ItemSet::fixed},
           "the K items are drawn from the seed, or are the same for all seeds", finite_items),
      word("target-rule", &Options::target_rule, {TargetRule::exemplar, TargetRule::resampled},
           "the target is an exemplar with equal chances, or drawn like one and replaced if it has no copy",
           finite_items),
      item_draw_field(),
      number("zipf", &Options::zipf, kZipf, "item i of K occurs in proportion to i^-X", finite_items),
      number("copy-share", &Options::copy_share, kShare,
             "share of training sequences whose context holds a copy of the target"),
      count("copies", &Options::copies, 1, 100'000, "copies of the target in those"),
      count("dim", &Options::dim, 1, kMaxWidth, "coordinates of an item"),
      count("hidden", &Options::hidden, 1, kMaxWidth, "width of the hidden layers of every MLP"),
      count("batch", &Options::batch, 1, kMaxWidth, "sequences per SGD step"),
      number("lr", &Options::lr, kPositive, "learning rate; time = lr x SGD step"),
      number("weight-decay", &Options::weight_decay, kNotNegative,
             "of every MLP: added to the gradient, times the parameter"),
      number("attention-decay", &Options::attention_decay, kNotNegative, "the same of attention, in the transformers",
             transformers_only),
      number("lambda-w", &Options::lambda_w, kNotNegative, "the same of w, in the minimal model", minimal_only),
      number("lambda-beta", &Options::lambda_beta, kNotNegative, "the same of beta, in the minimal model",
             minimal_only),
      yes_no("decay-layernorm", &Options::decay_layernorm, "--attention-decay holds for LayerNorm too",
             transformers_only),
      word("readout", &Options::readout, {Readout::trained, Readout::frozen},
           "the two-layer model's last MLP is trained, or keeps its random start", two_layer_only),
      number("beta0", &Options::beta0, kStart, "start of beta in the minimal model, or its mean", minimal_only),
      number("beta0-sd", &Options::beta0_sd, kNotNegative, "its standard deviation over seeds", minimal_only),
      number("w0", &Options::w0, kStart, "start of w in the minimal model, or its mean", minimal_only),
      number("w0-sd", &Options::w0_sd, kNotNegative, "its standard deviation over seeds", minimal_only),
      count("seed", &Options::seed, 0, kLargestCount, "of items, labels, sequences, start and tests"),
      count("iterations", &Options::iterations, 1, 1'000'000'000'000, "stop after this many SGD steps"),
      level("stop-icl", &Options::stop_icl, kShare, "stop at the first ICL accuracy above this; 0 never", always),
      level("stop-memorized", &Options::stop_memorized, {.low = 0, .high = 0.5, .words = "a number from 0 to 0.5"},
            "stop at the first c1 of the MLP path below this; 0 never", finite_items),
      yes_no("stop-faded", &Options::stop_faded, "stop once the ICL accuracy fell to 90 % after it had reached 99 %"),
      count("test-sequences", &Options::test_sequences, 1, 1'000'000,
            "fresh sequences per measurement, ICL and IWL each"),
      count("points-per-decade", &Options::points_per_decade, 1, 10'000, "measurements per factor of ten in SGD steps"),
      count("measure-every", &Options::measure_every, 1, 1'000'000'000'000,
            "measurements also at every multiple of this many SGD steps"),
      word("backend", &Options::backend, {BackendKind::onednn, BackendKind::eigen, BackendKind::cuda},
           "onednn is fast, eigen is the readable reference, cuda trains many runs at once on an NVIDIA card (minimal "
           "and one-layer)"),
      word("precision", &Options::precision, {Precision::float32, Precision::float64, Precision::tf32},
           "of the weights; float64 needs --backend eigen, tf32 (faster matrix products) --backend cuda"),
  };
}

}  // namespace

std::string SimulationField::key() const {
  std::string text = name;
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

const std::vector<SimulationField>& simulation_fields() {
  static const std::vector<SimulationField> fields = make_fields();
  return fields;
}

}  // namespace iclk::transformer
