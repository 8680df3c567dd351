#include <algorithm>
#include <array>
#include <cmath>

#include "figure_parts.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/trajectory_figures.hpp"
#include "iclk/theory/transience_prediction.hpp"
#include "run_course.hpp"
#include "run_parts.hpp"
#include "run_series.hpp"

namespace iclk::figures {
namespace {

constexpr int kDecayPoints = 25;

/// What became of in-context learning in a run.
enum class Fate { transient, never, lasting };

Fate fate_of(const MeasuredRun& run) {
  if (run.number("t_accuracy_fade")) return Fate::transient;
  return run.number("max_icl_accuracy").value_or(run.acquired ? 1.0 : 0.0) >= kAttainedAccuracy ? Fate::lasting
                                                                                                : Fate::never;
}

std::string_view name(Fate fate) {
  return fate == Fate::transient ? "transient" : fate == Fate::never ? "never" : "lasting";
}

double iterations_run(const MeasuredRun& run) {
  return run.number("end_iteration").value_or(iterations_at(run, run.time));
}

/// The times of one lambda_w over the curves of one K [SGD steps].
struct FadeTimes {
  Estimate accuracy;  ///< ICL accuracy down to 90 %, logits of novel items normal and as large as those of trained ones
  Estimate strength;  ///< w = 1
};

FadeTimes fade_times_at(const MeasuredRun& run, const std::vector<const MeasuredCurve*>& curves, double lambda_w) {
  std::vector<double> accuracy, strength;
  const auto keep = [&](std::vector<double>& times, const std::optional<double>& time) {
    if (time && std::isfinite(*time)) times.push_back(iterations_at(run, *time));
  };
  for (const MeasuredCurve* curve : curves) {
    theory::TransienceOptions options = transience_options(run, HUGE_VAL);
    options.fade.novel_ratio = theory::strength_ratio_at_accuracy(kLostAccuracy, theory::NovelLogits::gaussian);
    const theory::TransiencePrediction prediction = predict_transience(curve->curves, lambda_w, options);
    keep(accuracy, prediction.t_accuracy_fade);
    keep(strength, prediction.t_fade.value);
  }
  // A line only where all curves have the event: a median over changing curves would jump.
  const auto enough = [&](std::vector<double>& times) {
    return times.size() == curves.size() ? range_of(times) : Estimate{};
  };
  return {enough(accuracy), enough(strength)};
}

/// The lambda_w that is drawn: the measured ones and half a factor of ten more on either side.
std::pair<double, double> decays_of(const RunList& runs) {
  double low = HUGE_VAL, high = 0.0;
  for (const MeasuredRun* run : runs) {
    const double decay = decay_of(*run);
    if (!(decay > 0.0)) continue;
    low = std::min(low, decay);
    high = std::max(high, decay);
  }
  return {low / 2.0, 2.0 * high};
}

}  // namespace

FigureTables figA6_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns folder = read_run_folder(data, {.trajectories = true, .skip_bad_files = options.skip_bad_files});
  std::vector<RunList> scans;
  for (const char* model : {"one-layer", "minimal"}) {
    RunList scan = decay_scan(folder, model);
    std::erase_if(scan, [](const MeasuredRun* run) { return decay_of(*run) < 1e-8; });  // of the paper's 1e-10: none
    if (scan.size() > 1 && decay_of(*scan.front()) < decay_of(*scan.back())) scans.push_back(std::move(scan));
  }
  if (scans.empty()) {
    throw missing_runs(data, "runs at two or more decays of attention (lambda_w or attention_decay)",
                       "iclk simulate --items 2000 --context 50 --lambda-w 0.001 --stop-faded yes --out DIR");
  }
  Table runs{.part = "",
             .columns = {"panel", "model", "run", "n_context", "n_items", "seed", "decay", "fate", "transient", "never",
                         "lasting"},
             .rows = {}};
  Table lines{.part = "theory",
              .columns = {"panel", "lambda_w", "accuracy", "accuracy_low", "accuracy_high", "strength"},
              .rows = {}};
  FigureTables figure;
  RunList drawn;
  std::vector<std::string> numbers;
  std::vector<MeasuredCurve> behind;
  double low = HUGE_VAL, high = 0.0;
  const auto shown = [&](double iterations) {
    low = std::min(low, iterations);
    high = std::max(high, iterations);
  };
  for (std::size_t p = 0; p < scans.size(); ++p) {
    const RunList& scan = scans[p];
    const MeasuredRun& first = *scan.front();
    const auto panel = static_cast<double>(p + 1);
    std::array<int, 3> counts{};
    for (const MeasuredRun* run : scan) {
      const Fate fate = fate_of(*run);
      ++counts[static_cast<std::size_t>(fate)];
      const double at =
          fate == Fate::transient ? iterations_at(*run, *run->number("t_accuracy_fade")) : iterations_run(*run);
      if (at > 0.0) shown(at);
      const auto only = [&](Fate wanted) { return fate == wanted && at > 0.0 ? Cell(at) : Cell(); };
      add_row(runs,
              {panel, run->model, run->identity, run->n_context, cell(run->n_items), seed_cell(*run), decay_of(*run),
               std::string(name(fate)), only(Fate::transient), only(Fate::never), only(Fate::lasting)});
      drawn.push_back(run);
    }
    const auto [decay_low, decay_high] = decays_of(scan);
    const bool minimal = first.model == "minimal";
    const NetworkCurves network = minimal ? NetworkCurves(data, first, options, folder) : NetworkCurves();
    const auto curves = minimal && !(first.number("lambda_beta").value_or(0.0) > 0.0)
                            ? network.of(*first.n_items)
                            : std::vector<const MeasuredCurve*>{};
    for (int i = 0; i < kDecayPoints && !curves.empty(); ++i) {
      const double lambda_w = decay_low * std::pow(decay_high / decay_low, static_cast<double>(i) / (kDecayPoints - 1));
      const FadeTimes at = fade_times_at(first, curves, lambda_w);
      add_row(lines,
              {panel, lambda_w, cell(at.accuracy.value), cell(at.accuracy.low), cell(at.accuracy.high),
               cell(at.strength.value)},
              i == 0 ? 2 : 0);
    }
    std::optional<double> acquired_below;
    if (!curves.empty()) {
      std::vector<double> limits;
      for (const MeasuredCurve* curve : curves) {
        const auto range = transience_range(curve->curves, transience_options(first, HUGE_VAL),
                                            {.lambda_low = decay_low, .lambda_high = decay_high, .rel_tol = 1e-3});
        if (range.acquired_below && std::isfinite(*range.acquired_below)) limits.push_back(*range.acquired_below);
      }
      acquired_below = range_of(limits).value;
      behind = copies_of(curves);
    }
    const std::string number = std::to_string(p + 1);
    figure.texts.emplace_back("title_" + number, model_label(first.model));
    figure.texts.emplace_back("size_" + number, size_label(first));
    figure.texts.emplace_back("decay_" + number, minimal ? "decay of attention {/:Italic λ_w}   [1/time]"
                                                         : "weight decay of attention   [1/time]");
    figure.numbers.emplace_back("has_limit_" + number, acquired_below ? 1.0 : 0.0);
    figure.numbers.emplace_back("limit_" + number, acquired_below.value_or(0.0));
    add_log_axis(figure, "d_" + number, decay_low, decay_high);
    numbers.push_back(model_label(first.model) + ": " + std::to_string(counts[0]) + " runs lose in-context learning, " +
                      std::to_string(counts[1]) + " never attain it, " + std::to_string(counts[2]) +
                      " still have it at their end");
    if (acquired_below) {
      numbers.push_back(model_label(first.model) +
                        ": by theory acquired below lambda_w = " + format_rounded(*acquired_below, 3));
    }
  }
  figure.numbers.emplace_back("n_panels", static_cast<double>(scans.size()));
  figure.numbers.emplace_back("has_theory", lines.rows.empty() ? 0.0 : 1.0);
  if (scans.size() == 1) figure.numbers.emplace_back("width", 3.4);
  add_log_axis(figure, "i", low, high, 1.6);
  const bool has_theory = !lines.rows.empty();
  figure.tables = {std::move(runs), std::move(lines)};
  figure.caption = make_course_caption(
      "figA6: when in-context learning fades, against the decay of attention (Fig. A.6 of the paper)",
      "Circles: SGD steps until the ICL accuracy falls to 90 % after it was 99 % or more. Plus signs, at the end of "
      "the "
      "run: it never was. Crosses, likewise: it was and has not fallen by then." +
          std::string(
              has_theory
                  ? " Lines: the closed loop (Eq. 44, memorization slowed by what attention explains) on the "
                    "memorization curves of this network and K, from the runs' start. Solid: 90 % accuracy with "
                    "logits of novel items normal and as large as those of trained ones, with the range over "
                    "curves; dotted: w = 1. Beyond the vertical line theory has no acquisition."
                  : " No line of theory: it needs memorization curves of the minimal model's network and K, and a "
                    "decay of w alone."),
      drawn, behind, numbers, folder);
  return figure;
}

}  // namespace iclk::figures
