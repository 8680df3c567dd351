#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <utility>

#include "figure_parts.hpp"
#include "figure_scripts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/outcome_figures.hpp"
#include "iclk/figures/trajectory_figures.hpp"

namespace iclk::figures {
namespace {

using CurveTables = FigureTables (*)(std::span<const MeasuredCurve>, const FigureOptions&);

/// A figure of memorization curves as a figure of a results folder; without a folder, of no curves.
template <CurveTables tables>
FigureTables from_curves(const std::filesystem::path& data, const FigureOptions& options) {
  if (data.empty()) return tables({}, options);
  std::vector<std::string> problems;
  return tables(read_curve_folder(data, options.foreign, options.skip_bad_files ? &problems : nullptr), options);
}

/// A figure that draws nothing measured.
template <FigureTables (*tables)(const FigureOptions&)>
FigureTables from_theory(const std::filesystem::path&, const FigureOptions& options) {
  return tables(options);
}

constexpr std::string_view kCurves = "memorization curves";
constexpr std::string_view kMaybeCurves = "memorization curves, or nothing";
constexpr std::string_view kNothing = "nothing";

constexpr std::string_view kCurvesCommand = "iclk train --items 500,1000,2000,4000,8000 --seeds 0:3 --out DIR";

// Runs, and the plans beside the shipped results that make them.
constexpr std::string_view kInfiniteRuns = "runs with K infinite, random contexts";
constexpr std::string_view kInfiniteCommand = "iclk sweep run figures/data/experiments/minimal_infinite.toml --out DIR";
constexpr std::string_view kThresholdRuns = "runs at several K, random contexts";
constexpr std::string_view kThresholdCommand =
    "iclk sweep run figures/data/experiments/minimal_threshold.toml --out DIR";
constexpr std::string_view kOutcomeRuns =
    "runs at several K and memorization curves of the same network, or K infinite";
constexpr std::string_view kMaybeRunsAtThreshold =
    "runs at one K near the threshold and curves of their network, or curves, or nothing";
constexpr std::string_view kBimodalCommand = "iclk sweep run figures/data/experiments/minimal_bimodal.toml --out DIR";
constexpr std::string_view kBalancedRuns = "runs at several K on balanced contexts, and on random ones";
constexpr std::string_view kBalancedCommand = "iclk sweep run figures/data/experiments/minimal_balanced.toml --out DIR";
constexpr std::string_view kMinimalRuns = "runs of the minimal model at several K";
constexpr std::string_view kOneLayerRuns = "runs of the one-layer transformer at several K";
constexpr std::string_view kOneLayerCommand =
    "iclk sweep run figures/data/experiments/one_layer_threshold.toml --out DIR";
constexpr std::string_view kTwoLayerRuns = "runs with K infinite of the two-layer transformer";
constexpr std::string_view kTwoLayerCommand =
    "iclk sweep run figures/data/experiments/two_layer_infinite.toml --out DIR";
constexpr std::string_view kRunsOneLayer = "measured runs of the one-layer transformer";
constexpr std::string_view kRunsMinimal =
    "measured runs of the minimal model; memorization curves of its network for theory";
constexpr std::string_view kFadingOneLayer = "measured runs of the one-layer transformer that lose ICL again";
constexpr std::string_view kFadingMinimal =
    "measured runs of the minimal model that lose ICL again; memorization curves of its network for theory";
constexpr std::string_view kAcquireOneLayer =
    "iclk sweep run figures/data/experiments/one_layer_infinite.toml --out DIR";
constexpr std::string_view kFadeOneLayer =
    "iclk sweep run figures/data/experiments/one_layer_transience.toml --out DIR";
constexpr std::string_view kFadeMinimal = "iclk sweep run figures/data/experiments/minimal_transience.toml --out DIR";

constexpr double kOneColumn = 3.4, kTwoColumns = 7.0;  ///< [inch], as journals set them

const std::array kEntries = {
    FigureEntry{.info = {"fig2b", "2b", "ICL accuracy against K, one-layer transformer", kOneLayerRuns,
                         DataUse::required, kOneLayerCommand},
                .width = kOneColumn,
                .height = 2.8,
                .script = scripts::accuracy_by_items,
                .tables = fig2b_tables},
    FigureEntry{.info = {"fig2c", "2c", "IWL accuracy against K, one-layer transformer", kOneLayerRuns,
                         DataUse::required, kOneLayerCommand},
                .width = kOneColumn,
                .height = 2.8,
                .script = scripts::accuracy_by_items,
                .tables = fig2c_tables},
    FigureEntry{.info = {"fig2d", "2d", "abrupt acquisition: ICL accuracy against SGD steps, one-layer transformer",
                         kRunsOneLayer, DataUse::required, kAcquireOneLayer},
                .width = kOneColumn,
                .height = 2.6,
                .script = scripts::accuracy_curves,
                .tables = fig2d_tables},
    FigureEntry{.info = {"fig2e", "2e", "transience: ICL and IWL accuracy against SGD steps, one-layer transformer",
                         kFadingOneLayer, DataUse::required, kFadeOneLayer},
                .width = kOneColumn,
                .height = 2.6,
                .script = scripts::transience_curves,
                .tables = fig2e_tables},
    FigureEntry{.info = {"fig3a", "3a", "ICL and IWL accuracy against K, minimal model", kMinimalRuns,
                         DataUse::required, kThresholdCommand},
                .width = kOneColumn,
                .height = 2.8,
                .script = scripts::accuracy_by_items,
                .tables = fig3a_tables},
    FigureEntry{.info = {"fig3b", "3b", "abrupt acquisition: ICL accuracy against SGD steps, minimal model",
                         kRunsMinimal, DataUse::required, kInfiniteCommand},
                .width = kOneColumn,
                .height = 2.6,
                .script = scripts::accuracy_curves,
                .tables = fig3b_tables},
    FigureEntry{.info = {"fig3c", "3c", "transience: ICL and IWL accuracy against SGD steps, minimal model",
                         kFadingMinimal, DataUse::required, kFadeMinimal},
                .width = kOneColumn,
                .height = 2.6,
                .script = scripts::transience_curves,
                .tables = fig3c_tables},
    FigureEntry{.info = {"fig4", "4", "loss landscape with gradient flow on it", kNothing, DataUse::unused, ""},
                .width = kTwoColumns,
                .height = 2.6,
                .script = scripts::fig4_loss_landscape,
                .tables = from_theory<fig4_tables>},
    FigureEntry{.info = {"fig5", "5", "I_K(infinity) against K, the memorization law and K*", kCurves,
                         DataUse::required, kCurvesCommand},
                .width = kOneColumn,
                .height = 3.6,
                .script = scripts::fig5_memorization_law,
                .tables = from_curves<fig5_tables>},
    FigureEntry{.info = {"fig6a", "6a", "threshold K* against context length N", kThresholdRuns, DataUse::required,
                         kThresholdCommand},
                .width = kOneColumn,
                .height = 4.5,
                .script = scripts::fig6a_threshold_scaling,
                .tables = fig6a_tables},
    FigureEntry{
        .info = {"fig6b", "6b", "t_ICL against context length N", kInfiniteRuns, DataUse::required, kInfiniteCommand},
        .width = kOneColumn,
        .height = 3.4,
        .script = scripts::fig6b_time_scaling,
        .tables = fig6b_tables},
    FigureEntry{.info = {"fig6c", "6c", "why acquisition comes early or never", kMaybeRunsAtThreshold,
                         DataUse::optional, kBimodalCommand},
                .width = kOneColumn,
                .height = 3.4,
                .script = scripts::fig6c_bimodality,
                .tables = fig6c_folder_tables},
    FigureEntry{
        .info = {"fig6d", "6d", "ICL loss against IWL loss after acquisition",
                 "measured runs that lose ICL again; memorization curves of their network for one line of theory",
                 DataUse::required, kFadeMinimal},
        .width = kTwoColumns,
        .height = 3.2,
        .script = scripts::fig6d_losses,
        .tables = fig6d_tables},
    FigureEntry{.info = {"fig6e", "6e", "share of runs that acquire, random and balanced contexts", kBalancedRuns,
                         DataUse::required, kBalancedCommand},
                .width = kOneColumn,
                .height = 3.0,
                .script = scripts::fig6e_balanced_contexts,
                .tables = fig6e_tables},
    FigureEntry{.info = {"figA1a", "A.1a", "t_ICL against beta0 by formulas and flow", kNothing, DataUse::unused, ""},
                .width = kOneColumn,
                .height = 3.6,
                .script = scripts::figA1a_start_dependence,
                .tables = from_theory<figA1a_tables>},
    FigureEntry{.info = {"figA1b", "A.1b", "distribution of t_ICL over random starts", kNothing, DataUse::unused, ""},
                .width = kTwoColumns,
                .height = 2.6,
                .script = scripts::figA1b_time_distribution,
                .tables = from_theory<figA1b_tables>},
    FigureEntry{.info = {"figA2", "A.2", "order parameters c1, c2, c3 against iterations", kCurves, DataUse::required,
                         kCurvesCommand},
                .width = kTwoColumns,
                .height = 2.3,
                .script = scripts::figA2_order_parameters,
                .tables = from_curves<figA2_tables>},
    FigureEntry{.info = {"figA3", "A.3", "c1(t) and its integral I_K(t) with tails", kCurves, DataUse::required,
                         kCurvesCommand},
                .width = kTwoColumns,
                .height = 2.6,
                .script = scripts::figA3_memorization_integral,
                .tables = from_curves<figA3_tables>},
    FigureEntry{
        .info = {"figA4", "A.4", "histograms of t_ICL for each N", kInfiniteRuns, DataUse::required, kInfiniteCommand},
        .width = kTwoColumns,
        .height = 2.8,
        .script = scripts::figA4_time_histograms,
        .tables = figA4_tables},
    FigureEntry{.info = {"figA5", "A.5", "t_ICL of two-layer transformers against N", kTwoLayerRuns, DataUse::required,
                         kTwoLayerCommand},
                .width = kOneColumn,
                .height = 3.4,
                .script = scripts::fig6b_time_scaling,
                .tables = figA5_tables},
    FigureEntry{.info = {"figA6", "A.6", "when ICL fades, against the decay of attention",
                         "runs at several decays of attention; memorization curves of the minimal model's for theory",
                         DataUse::required, kFadeMinimal},
                .width = kTwoColumns,
                .height = 3.3,
                .script = scripts::figA6_fade_times,
                .tables = figA6_tables},
    FigureEntry{.info = {"figA7", "A.7", "ICL accuracy against K for each N, with sigmoids", kThresholdRuns,
                         DataUse::required, kThresholdCommand},
                .width = kTwoColumns,
                .height = 3.8,
                .script = scripts::figA7_sigmoids,
                .tables = figA7_tables},
    FigureEntry{.info = {"figA8", "A.8", "ICL accuracy against SGD steps on balanced contexts",
                         "measured runs on balanced contexts", DataUse::required, kBalancedCommand},
                .width = kOneColumn,
                .height = 2.6,
                .script = scripts::accuracy_curves,
                .tables = figA8_tables},
    FigureEntry{
        .info = {"attention", "attention", "measured beta(t), w(t) on the theory's trajectory (not in the paper)",
                 kRunsMinimal, DataUse::required, kInfiniteCommand},
        .width = kTwoColumns,
        .height = 2.6,
        .script = scripts::attention_course,
        .tables = attention_tables},
    FigureEntry{.info = {"diagonal", "diagonal", "predicted against measured K* and t_ICL (not in the paper)",
                         kOutcomeRuns, DataUse::required, kThresholdCommand},
                .width = kTwoColumns,
                .height = 3.3,
                .script = scripts::diagonal,
                .tables = diagonal_tables},
    FigureEntry{
        .info = {"fade", "fade", "closed-loop transience: w(t) with w_tr, fade time over lambda_w (not in the paper)",
                 "memorization curves; runs of the minimal model at several lambda_w, or none", DataUse::required,
                 kFadeMinimal},
        .width = kTwoColumns,
        .height = 2.7,
        .script = scripts::fade_closed_loop,
        .tables = fade_tables},
    FigureEntry{.info = {"phase", "phase", "P(in-context learning) in N and K (not in the paper)", kMaybeCurves,
                         DataUse::optional, kCurvesCommand},
                .width = kOneColumn,
                .height = 3.2,
                .script = scripts::phase_diagram,
                .tables = phase_of_runs_tables},
    FigureEntry{.info = {"survival", "survival", "share of runs not yet acquired against t (not in the paper)",
                         kInfiniteRuns, DataUse::required, kInfiniteCommand},
                .width = kOneColumn,
                .height = 3.0,
                .script = scripts::survival,
                .tables = survival_tables},
};

/// "Fig. A.2" -> "a2"; what is left is compared.
std::string bare_name(std::string_view name) {
  std::string bare;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) bare += static_cast<char>(std::tolower(byte));
  }
  for (const std::string_view prefix : {"figure", "fig"}) {
    if (bare.starts_with(prefix)) return bare.substr(prefix.size());
  }
  return bare;
}

}  // namespace

std::span<const FigureEntry> figure_entries() noexcept { return kEntries; }

std::span<const FigureInfo> figures() noexcept {
  static const auto infos = [] {
    std::array<FigureInfo, kEntries.size()> list;
    std::transform(kEntries.begin(), kEntries.end(), list.begin(), [](const FigureEntry& entry) { return entry.info; });
    return list;
  }();
  return infos;
}

const FigureEntry& find_entry(std::string_view name) {
  const std::string wanted = bare_name(name);
  std::string ids;
  for (const FigureEntry& entry : kEntries) {
    if (!wanted.empty() && bare_name(entry.info.id) == wanted) return entry;
    ids += (ids.empty() ? "" : ", ") + std::string(entry.info.id);
  }
  throw field_error("figure", "expected one of " + ids + ", got \"" + std::string(name) + "\"");
}

const FigureInfo& find_figure(std::string_view name) { return find_entry(name).info; }

FigureTables tables_of(const FigureEntry& entry, const std::filesystem::path& data, const FigureOptions& options) {
  if (data.empty() && entry.info.data == DataUse::required) {
    throw field_error("data", "expected a folder with " + std::string(entry.info.needs) + ", got none; `" +
                                  std::string(entry.info.command) + "` makes them");
  }
  return entry.tables(data, options);
}

FigureTables figure_tables(std::string_view name, const std::filesystem::path& data, const FigureOptions& options) {
  return tables_of(find_entry(name), data, options);
}

void validate(const FigureOptions& options) {
  if (options.n_context && !(*options.n_context >= 2 && std::isfinite(*options.n_context))) {
    throw field_error("n_context", "expected a number >= 2, got " + format_number(*options.n_context));
  }
  if (!std::isfinite(options.beta0)) {
    throw field_error("beta0", "expected a finite number, got " + format_number(options.beta0));
  }
  if (!std::isfinite(options.w0)) throw field_error("w0", "expected a finite number, got " + format_number(options.w0));
  for (const auto& [field, sd] : {std::pair{"beta0_sd", options.beta0_sd}, std::pair{"w0_sd", options.w0_sd}}) {
    if (!(sd >= 0 && std::isfinite(sd))) {
      throw field_error(field, "expected a number that is not negative, got " + format_number(sd));
    }
  }
  if (options.gnuplot.empty()) throw field_error("gnuplot", "expected the name of a program, got an empty text");
}

}  // namespace iclk::figures
