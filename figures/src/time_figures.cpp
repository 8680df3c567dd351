#include <algorithm>
#include <cmath>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/outcome_figures.hpp"
#include "iclk/fit/survival.hpp"
#include "outcome_theory.hpp"
#include "run_parts.hpp"

namespace iclk::figures {
namespace {

constexpr double kHistogramMargin = 1.1;  ///< factor around the times of a histogram

/// The runs with K infinite of the largest family, by N.
struct InfiniteRuns {
  MeasuredRuns found;
  RunList family;
  std::vector<RunList> places;
  RunCaption caption;
};

InfiniteRuns infinite_runs(std::string_view id, const std::filesystem::path& data, const FigureOptions& options) {
  InfiniteRuns result;
  result.found = drawn_runs(id, data, options, false, [](const MeasuredRun& run) {
    return !run.n_items && run.time > 0.0 && !has_balanced_labels(run);
  });
  result.family = largest_of(groups_of(all_runs(result.found.runs), Vary::size));
  result.places = groups_of(result.family, Vary::nothing);
  result.caption.problems = result.found.problems;
  while (result.places.size() > kMostPanels) {
    const auto fewest = std::min_element(result.places.begin(), result.places.end(),
                                         [](const RunList& a, const RunList& b) { return a.size() < b.size(); });
    result.caption.numbers.push_back("not drawn: N = " + format_number(fewest->front()->n_context));
    result.places.erase(fewest);
  }
  for (const RunList& at : result.places) {
    result.caption.runs.insert(result.caption.runs.end(), at.begin(), at.end());
  }
  result.caption.n_left_out = result.found.runs.size() - result.caption.runs.size();
  result.caption.no_theory = untreated(*result.family.front());
  return result;
}

/// What all captions here say about the theory.
std::string theory_words(const MeasuredRun& run) {
  return "the exact loss of this N and D, an MLP that does not memorize and the starts that the settings of the runs "
         "say" +
         std::string(run.model == "minimal" ? "" : " (a transformer's are taken as beta = w = 0)");
}

bool is_spread(const MeasuredRun& run) {
  const theory::StartDistribution start = starts_of(run);
  return start.beta0_sd > 0.0 || start.w0_sd > 0.0;
}

}  // namespace

FigureTables figA4_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  InfiniteRuns runs = infinite_runs("figA4", data, options);
  const MeasuredRun& front = *runs.family.front();
  const bool has_theory = runs.caption.no_theory.empty();
  const bool spread = is_spread(front);

  Table bins{.part = "", .columns = {"n_context", "time", "width", "share", "n_runs", "share_theory"}, .rows = {}};
  Table medians{.part = "median", .columns = {"n_context", "t_median", "t_low", "t_high", "t_theory"}, .rows = {}};
  std::vector<std::string> labels, lows, highs, tops;
  for (const RunList& at : runs.places) {
    const double n_context = at.front()->n_context;
    std::vector<double> acquired;
    std::vector<fit::SurvivalRun> survival;
    for (const MeasuredRun* run : at) {
      survival.push_back({run->time, run->acquired});
      if (run->acquired) acquired.push_back(run->time);
    }
    const std::vector<double> theory =
        has_theory ? times_to_accuracy(front, theory_context(front, n_context)) : std::vector<double>{};
    const std::optional<double> middle = middle_of(theory);
    double low = HUGE_VAL, high = 0.0;
    for (const double t : acquired) low = std::min(low, t), high = std::max(high, t);
    if (acquired.empty()) low = high = at.front()->time;
    if (middle) low = std::min(low, *middle), high = std::max(high, *middle);
    const double margin = std::max(0.5 * (high - low), 0.01 * high);
    low = low < 0.6 * high ? 0.0 : low - margin;
    high = low > 0.0 ? high + margin : kHistogramMargin * high;
    const int n_bins = std::clamp(static_cast<int>(std::lround(2.0 * std::sqrt(acquired.size()))), 5, 30);
    const double width = (high - low) / n_bins;
    const double n_runs = static_cast<double>(at.size());
    double top = 0.0;
    for (int i = 0; i < n_bins; ++i) {
      const double from = low + i * width, to = from + width;
      const auto n = std::count_if(acquired.begin(), acquired.end(), [&](double t) { return t >= from && t < to; });
      const double share = static_cast<double>(n) / n_runs;
      const std::optional<double> expected =
          spread && !theory.empty() ? std::optional(share_up_to(theory, to) - share_up_to(theory, from)) : std::nullopt;
      top = std::max({top, share, expected.value_or(0.0)});
      add_row(bins, {n_context, from + 0.5 * width, width, share, static_cast<double>(n), cell(expected)},
              i == 0 ? 2 : 0);
    }
    const Estimate median = fit::survival_quantile(fit::kaplan_meier(survival));
    add_row(medians, {n_context, cell(median.value), cell(median.low), cell(median.high), cell(middle)});
    labels.push_back("{/:Italic N} = " + format_number(n_context) + ", " + std::to_string(at.size()) + " runs");
    lows.push_back(format_number(low));
    highs.push_back(format_number(high));
    tops.push_back(format_number(1.3 * std::max(top, 0.05)));
    runs.caption.numbers.push_back("N = " + format_number(n_context) + ": median " + format_estimate(median) +
                                   ", predicted " + (middle ? format_rounded(*middle, 4) : "none") + "; " +
                                   std::to_string(acquired.size()) + " of " + std::to_string(at.size()) +
                                   " runs acquired");
  }

  FigureTables figure;
  figure.numbers = {{"n_panels", static_cast<double>(runs.places.size())},
                    {"has_theory", has_theory ? 1.0 : 0.0},
                    {"has_spread", spread ? 1.0 : 0.0}};
  figure.texts = {{"panel_labels", quoted_words(labels)},
                  {"panel_lows", quoted_words(lows)},
                  {"panel_highs", quoted_words(highs)},
                  {"panel_tops", quoted_words(tops)}};
  figure.tables = {std::move(bins), std::move(medians)};
  figure.caption = make_run_caption(
      "figA4: distribution of acquisition times (Fig. A.4 of the paper)",
      "Share of the runs with K infinite that acquired in-context learning (95 % accuracy) in each interval of time, a "
      "panel for each N. Predicted by " +
          theory_words(front) +
          (spread
               ? ": share of the starts in the same intervals (steps) and their median (dashes)."
               : ": all runs start from the same beta and w, so that theory has one time (dashes) and no width; what "
                 "the runs scatter is the noise of SGD."),
      runs.caption);
  return figure;
}

FigureTables survival_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  InfiniteRuns runs = infinite_runs("survival", data, options);
  const MeasuredRun& front = *runs.family.front();
  const bool has_theory = runs.caption.no_theory.empty();

  Table steps{.part = "", .columns = {"n_context", "time", "survival", "low", "high", "at_risk"}, .rows = {}};
  Table censored{.part = "censored", .columns = {"n_context", "time", "survival"}, .rows = {}};
  Table lines{.part = "theory", .columns = {"n_context", "time", "survival"}, .rows = {}};
  std::vector<std::string> labels;
  double t_low = HUGE_VAL, t_high = 0.0;
  for (const MeasuredRun* run : runs.caption.runs) {
    t_low = std::min(t_low, run->time);
    t_high = std::max(t_high, run->time);
  }
  const double t_first = t_low / kMarkerMargin;  // where the lines start
  for (const RunList& at : runs.places) {
    const double n_context = at.front()->n_context;
    std::vector<fit::SurvivalRun> survival;
    for (const MeasuredRun* run : at) survival.push_back({run->time, run->acquired});
    const fit::SurvivalCurve curve = fit::kaplan_meier(survival);
    double before = 1.0;
    Estimate interval{1.0, 1.0, 1.0};
    const double n_runs = static_cast<double>(curve.n_runs);
    add_row(steps, {n_context, t_first, 1.0, 1.0, 1.0, n_runs}, 2);
    for (const fit::SurvivalStep& step : curve.steps) {
      const double risk = static_cast<double>(step.at_risk);
      // Two rows for each step, so that lines and band are steps.
      add_row(steps, {n_context, step.time, before, cell(interval.low), cell(interval.high), risk});
      before = step.survival.value.value_or(before);
      if (step.acquired > 0) interval = step.survival;
      if (!interval.low || !interval.high)
        interval.low = 0.0, interval.high = std::max(interval.high.value_or(0.0), before);
      add_row(steps, {n_context, step.time, before, cell(interval.low), cell(interval.high), risk});
      if (step.censored > 0) add_row(censored, {n_context, step.time, before}, 0);
    }
    labels.push_back(format_number(n_context));
    if (!has_theory) continue;
    const std::vector<double> times = times_to_accuracy(front, theory_context(front, n_context));
    const double n = static_cast<double>(times.size());
    if (times.size() == 1 && std::isfinite(times[0])) {
      add_row(lines, {n_context, times[0], 1.0}, 2);
      add_row(lines, {n_context, times[0], 0.0});
    }
    for (std::size_t i = 0; times.size() > 1 && i < times.size() && std::isfinite(times[i]); ++i) {
      add_row(lines, {n_context, times[i], 1.0 - (static_cast<double>(i) + 0.5) / n}, i == 0 ? 2 : 0);
    }
    if (const auto middle = middle_of(times)) {
      t_high = std::max(t_high, *middle);
      const Estimate median = fit::survival_quantile(curve);
      runs.caption.numbers.push_back("N = " + format_number(n_context) + ": median " + format_estimate(median) +
                                     ", predicted " + format_rounded(*middle, 4));
    }
  }

  FigureTables figure;
  figure.numbers = {{"n_curves", static_cast<double>(runs.places.size())},
                    {"has_theory", has_theory ? 1.0 : 0.0},
                    {"has_censored", censored.rows.empty() ? 0.0 : 1.0}};
  figure.texts = {{"curve_labels", quoted_words(labels)},
                  {"curve_colors", quoted_words(ordered_colors(runs.places.size()))}};
  figure.tables = {std::move(steps), std::move(censored), std::move(lines)};
  add_log_axis(figure, "t", t_low, t_high, kMarkerMargin);
  figure.caption = make_run_caption(
      "survival: runs that have not acquired in-context learning by t (not in the paper)",
      "Kaplan-Meier estimate of the share of runs with K infinite that have not reached 95 % accuracy on novel items "
      "by "
      "time t, with Greenwood's pointwise 95 % intervals (bands, on the log-log scale); ticks: runs that ended "
      "without. "
      "Dashed: predicted by " +
          theory_words(front) + (is_spread(front) ? "." : ", which are all the same, so that it falls at one time."),
      runs.caption);
  return figure;
}

}  // namespace iclk::figures
