#include <algorithm>
#include <cmath>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/outcome_figures.hpp"
#include "iclk/fit/binary_threshold.hpp"
#include "iclk/fit/survival.hpp"
#include "outcome_theory.hpp"
#include "run_parts.hpp"

namespace iclk::figures {
namespace {

constexpr std::size_t kFewestForMedian = 3;  ///< of one N and K behind a median

struct Axis {
  double low = HUGE_VAL, high = 0.0;
  void take(const std::optional<double>& value) {
    if (value && *value > 0.0 && std::isfinite(*value)) low = std::min(low, *value), high = std::max(high, *value);
  }
};

/// How measured values compare with predicted ones: geometric mean of the ratio and its range.
struct Ratios {
  std::vector<double> logs;
  std::string text() const {
    double sum = 0.0, least = HUGE_VAL, most = -HUGE_VAL;
    for (const double log : logs) sum += log, least = std::min(least, log), most = std::max(most, log);
    return "measured over predicted: " + format_rounded(std::exp(sum / static_cast<double>(logs.size())), 3) +
           " in the geometric mean of " + std::to_string(logs.size()) + " points, from " +
           format_rounded(std::exp(least), 3) + " to " + format_rounded(std::exp(most), 3);
  }
};

/// Time of half of the attention at n_items, from the first curves of the two K around it (or of this K), by a straight
/// line in both logarithms. Empty beyond the measured K and where it does not happen on one of the two.
std::optional<double> attention_time_at(std::span<const MeasuredCurve> curves, const MeasuredRun& run, double n_context,
                                        theory::FlowState start, double n_items) {
  const MeasuredCurve *below = nullptr, *above = nullptr;
  for (const MeasuredCurve& curve : curves) {  // by rising K
    const double k = static_cast<double>(curve.n_items.value());
    const double k_below = below != nullptr ? static_cast<double>(*below->n_items) : 0.0;
    if (k <= n_items && k > k_below) below = &curve;
    if (k >= n_items && above == nullptr) above = &curve;
  }
  if (below == nullptr || above == nullptr) return std::nullopt;
  const auto t_below = time_to_attention(run, n_context, start, *below);
  if (below == above || !t_below) return t_below;
  const auto t_above = time_to_attention(run, n_context, start, *above);
  if (!t_above) return std::nullopt;
  const double k0 = static_cast<double>(*below->n_items), k1 = static_cast<double>(*above->n_items);
  return *t_below * std::pow(*t_above / *t_below, std::log(n_items / k0) / std::log(k1 / k0));
}

}  // namespace

FigureTables diagonal_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns found = drawn_runs("diagonal", data, options, false, [](const MeasuredRun& run) {
    return !has_balanced_labels(run) && untreated(run).empty() && run.time > 0.0;
  });
  RunCaption caption{.runs = {},
                     .n_left_out = found.runs.size(),
                     .curves = {},
                     .no_theory = {},
                     .numbers = {},
                     .problems = found.problems};
  Table thresholds{.part = "",
                   .columns = {"model", "n_context", "predicted", "predicted_low", "predicted_high", "measured",
                               "measured_low", "measured_high", "n_runs"},
                   .rows = {}};
  Table attention{.part = "attention", .columns = thresholds.columns, .rows = {}};  // K* by half of the attention
  Table times{.part = "time",
              .columns = {"model", "n_context", "n_items", "predicted", "measured", "measured_low", "measured_high",
                          "n_runs", "n_acquired"},
              .rows = {}};
  Table finite{.part = "half", .columns = times.columns, .rows = {}};  // with finite K: half of the attention
  Axis k_axis, t_axis;
  std::vector<std::string> labels;
  std::vector<std::string> missing;
  std::vector<MeasuredCurve> all_curves;
  const std::vector<RunList> families = largest_first(groups_of(all_runs(found.runs), Vary::size));
  for (const std::string_view model : {"minimal", "one-layer", "two-layer"}) {
    const std::size_t first_threshold = thresholds.rows.size(), first_time = times.rows.size();
    const std::size_t first_finite = finite.rows.size();
    Ratios k_ratios, attention_ratios, t_ratios, half_ratios;
    for (const RunList& family : families) {
      const MeasuredRun& front = *family.front();
      if (front.model != model) continue;
      std::vector<fit::RunOutcome> outcomes;
      RunList finite_runs;
      for (const MeasuredRun* run : family) {
        if (run->n_items) finite_runs.push_back(run);
        if (run->n_items) outcomes.push_back({*run->n_items, run->acquired, run->n_context});
      }
      std::vector<MeasuredCurve> curves;
      if (!outcomes.empty()) {
        curves = curves_like(data, front, options.skip_bad_files ? &caption.problems : nullptr);
        const NetworkTheory network(curves, front);
        if (!network.known()) {
          missing.push_back("K* of " + model_label(model) + ", " + network_of(front) + ": no curves; `" +
                            curve_command(front) + "` makes them");
        } else {
          for (const auto& [n_context, fit] : fit::fit_threshold_scaling(outcomes).contexts) {
            if (!fit.k_star.value) continue;
            const Estimate predicted = network.k_star(ThresholdLevel::exact_loss, theory_context(front, n_context));
            if (!predicted.value) continue;
            add_row(
                thresholds,
                {std::string(model), n_context, cell(predicted.value), cell(predicted.low), cell(predicted.high),
                 cell(fit.k_star.value), cell(fit.k_star.low), cell(fit.k_star.high), static_cast<double>(fit.n_runs)},
                thresholds.rows.size() == first_threshold ? 2 : 0);
            k_ratios.logs.push_back(std::log(*fit.k_star.value / *predicted.value));
            for (const auto& k :
                 {predicted.value, predicted.low, predicted.high, fit.k_star.value, fit.k_star.low, fit.k_star.high}) {
              k_axis.take(k);
            }
          }
          std::optional<ClosedLoopThreshold> closed_loop;
          for (const auto& [n_context, fit] : fit::fit_threshold_scaling(attention_outcomes(finite_runs)).contexts) {
            if (!fit.k_star.value || !fit.k_star.low || !fit.k_star.high) continue;
            if (!closed_loop) closed_loop.emplace(curves, finite_runs);
            const Estimate predicted = closed_loop->k_star(theory_context(front, n_context));
            if (!predicted.value) continue;
            add_row(attention, {std::string(model), n_context, cell(predicted.value), cell(predicted.low),
                                cell(predicted.high), cell(fit.k_star.value), cell(fit.k_star.low),
                                cell(fit.k_star.high), static_cast<double>(fit.n_runs)});
            attention_ratios.logs.push_back(std::log(*fit.k_star.value / *predicted.value));
            for (const auto& k :
                 {predicted.value, predicted.low, predicted.high, fit.k_star.value, fit.k_star.low, fit.k_star.high}) {
              k_axis.take(k);
            }
          }
        }
      }
      const std::vector<theory::FlowState> starts = spread_starts(starts_of(front));
      const theory::FlowState middle_start = starts[starts.size() / 2];
      for (const RunList& at : groups_of(family, Vary::nothing)) {
        if (at.size() < kFewestForMedian) continue;
        const double n_context = at.front()->n_context;
        const std::optional<double>& n_items = at.front()->n_items;
        const double n_theory = theory_context(front, n_context);
        const bool infinite = !n_items;
        std::vector<fit::SurvivalRun> survival;
        for (const MeasuredRun* run : at) {
          const auto half = run->number("t_attention_half"), lr = run->number("lr"), end = run->number("end_iteration");
          if (infinite)
            survival.push_back({run->time, run->acquired});
          else if (half && *half > 0.0)
            survival.push_back({*half, true});
          else if (lr && end && *lr * *end > 0.0)
            survival.push_back({*lr * *end, false});
        }
        if (survival.empty()) continue;
        const Estimate median = fit::survival_quantile(fit::kaplan_meier(survival));
        if (!median.value) continue;
        const std::optional<double> predicted =
            infinite ? middle_of(times_to_accuracy(front, n_theory))
                     : attention_time_at(curves, front, n_theory, middle_start, *n_items);
        if (!predicted) continue;
        Table& table = infinite ? times : finite;
        add_row(table,
                {std::string(model), n_context, cell(n_items), cell(predicted), cell(median.value), cell(median.low),
                 cell(median.high), static_cast<double>(at.size()), static_cast<double>(n_acquired(at))},
                infinite && times.rows.size() == first_time ? 2 : 0);
        (infinite ? t_ratios : half_ratios).logs.push_back(std::log(*median.value / *predicted));
        for (const auto& t : {predicted, median.value, median.low, median.high}) t_axis.take(t);
      }
      if (thresholds.rows.size() + times.rows.size() + finite.rows.size() >
          first_threshold + first_time + first_finite) {
        caption.runs.insert(caption.runs.end(), family.begin(), family.end());
        for (MeasuredCurve& curve : curves) {
          const bool known = std::any_of(all_curves.begin(), all_curves.end(),
                                         [&](const MeasuredCurve& c) { return c.source == curve.source; });
          if (!known) all_curves.push_back(std::move(curve));
        }
      }
    }
    if (thresholds.rows.size() == first_threshold) {
      add_row(thresholds, {std::string(model), Cell(), Cell(), Cell(), Cell(), Cell(), Cell(), Cell(), Cell()}, 2);
    }
    if (times.rows.size() == first_time) {
      add_row(times, {std::string(model), Cell(), Cell(), Cell(), Cell(), Cell(), Cell(), Cell(), Cell()}, 2);
    }
    const bool any =
        !k_ratios.logs.empty() || !attention_ratios.logs.empty() || !t_ratios.logs.empty() || !half_ratios.logs.empty();
    labels.push_back(any ? model_label(model) : "");
    if (!k_ratios.logs.empty()) caption.numbers.push_back(model_label(model) + ", K*: " + k_ratios.text());
    if (!attention_ratios.logs.empty()) {
      caption.numbers.push_back(model_label(model) + ", K* by half of the attention: " + attention_ratios.text());
    }
    if (!t_ratios.logs.empty()) caption.numbers.push_back(model_label(model) + ", t_ICL: " + t_ratios.text());
    if (!half_ratios.logs.empty()) {
      caption.numbers.push_back(model_label(model) + ", half of the attention at finite K: " + half_ratios.text());
    }
  }
  if (!(k_axis.high > 0.0) && !(t_axis.high > 0.0)) {
    const FigureInfo& info = find_figure("diagonal");
    throw Error(Location{.file = data.string(), .line = {}, .field = {}},
                "expected " + std::string(info.needs) + ", found no N with a prediction and a measured value; `" +
                    std::string(info.command) + "` makes them" + (missing.empty() ? "" : "; " + missing.front()));
  }
  caption.n_left_out -= std::min(caption.n_left_out, caption.runs.size());
  caption.curves = all_curves;
  for (const std::string& text : missing) caption.no_theory += (caption.no_theory.empty() ? "" : "\n  ") + text;

  FigureTables figure;
  figure.numbers = {{"has_thresholds", k_axis.high > 0.0 ? 1.0 : 0.0}, {"has_times", t_axis.high > 0.0 ? 1.0 : 0.0}};
  figure.texts.emplace_back("model_labels", quoted_words(labels));
  for (auto& [name, axis] : {std::pair<std::string, Axis&>{"k", k_axis}, {"t", t_axis}}) {
    if (!(axis.high > 0.0)) axis = {1.0, 10.0};
    add_log_axis(figure, name, axis.low, axis.high, kMarkerMargin);
  }
  figure.numbers.emplace_back("has_half", finite.rows.empty() && attention.rows.empty() ? 0.0 : 1.0);
  figure.tables = {std::move(thresholds), std::move(attention), std::move(times), std::move(finite)};
  figure.caption = make_run_caption(
      "diagonal: predicted against measured thresholds and acquisition times (not in the paper)",
      "a: K*, measured as the probit threshold of the runs' outcomes at one N (bars: 95 % "
      "profile-likelihood interval) "
      "against the prediction from the memorization curves (bars: its 95 % interval), as iclk "
      "predict has it with the "
      "exact loss at this N; open: K* by half of the attention on the copy against the exact loss integrated along the "
      "curves, with attention slowing memorization (closed loop) and further copies of the target among K items, where "
      "the "
      "measured interval has two ends. b: "
      "filled, the median t_ICL (95 % accuracy) of the runs with K "
      "infinite at one N (bars: its "
      "95 % interval) against the same time predicted for the starts of the settings; open, at "
      "finite K, the median time at "
      "which half of the attention is on the copy against the flow along the memorization curves "
      "around that K. Exact "
      "loss at this N, K and D in b. Nothing is fitted to the runs. Line: equality; dots: factor 2. "
      "For transformers the "
      "theory is that of the minimal model started at beta = w = 0.",
      caption);
  return figure;
}

}  // namespace iclk::figures
