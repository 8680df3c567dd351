#include <algorithm>
#include <cmath>

#include "fig6c.hpp"
#include "figure_parts.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/outcome_figures.hpp"
#include "outcome_theory.hpp"
#include "run_parts.hpp"

namespace iclk::figures {
namespace {

constexpr std::size_t kFewestForHistogram = 6;  ///< of one N and K that make a histogram
constexpr int kOutcomeBins = 24;                ///< of the time axis, the last two taken by the runs that never acquire

/// Of the places where some but not all runs acquire that with the most runs, of equals in the larger family; empty
/// when there is none.
RunList mixed_place(const RunList& runs) {
  RunList most;
  for (const RunList& family : largest_first(groups_of(runs, Vary::size))) {
    for (RunList& at : groups_of(family, Vary::nothing)) {
      const std::size_t n = n_acquired(at);
      if (n > 0 && n < at.size() && at.size() >= std::max(kFewestForHistogram, most.size() + 1)) most = std::move(at);
    }
  }
  return most;
}

/// Those with the K nearest to n_items in its logarithm.
std::vector<MeasuredCurve> nearest_curves(std::vector<MeasuredCurve> curves, double n_items) {
  const auto distance = [&](const MeasuredCurve& curve) {
    return std::abs(std::log(static_cast<double>(curve.n_items.value()) / n_items));
  };
  double least = HUGE_VAL;
  for (const MeasuredCurve& curve : curves) least = std::min(least, distance(curve));
  std::erase_if(curves, [&](const MeasuredCurve& curve) { return distance(curve) > least; });
  return curves;
}

double number_of(const FigureTables& figure, std::string_view name) {
  const auto found = std::find_if(figure.numbers.begin(), figure.numbers.end(),
                                  [&](const auto& number) { return number.first == name; });
  return found->second;
}

/// 1, 2 or 5 times a power of ten, at least 1 and at least `wanted`.
double round_step(double wanted) {
  for (double power = 1.0;; power *= 10.0) {
    for (const double step : {1.0, 2.0, 5.0}) {
      if (step * power >= wanted) return step * power;
    }
  }
}

/// Share of the seeds that have acquired by t, from the table "share" of the upper panel.
double share_at(const Table& share, double time) {
  std::size_t i = 1;
  while (i + 1 < share.rows.size() && *share.number(i, "time") < time) ++i;
  const double t0 = *share.number(i - 1, "time"), t1 = *share.number(i, "time");
  const double s0 = *share.number(i - 1, "share"), s1 = *share.number(i, "share");
  return s0 + (s1 - s0) * std::clamp(std::log(time / t0) / std::log(t1 / t0), 0.0, 1.0);
}

}  // namespace

FigureTables fig6c_folder_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  if (data.empty()) return fig6c_tables({}, options);
  MeasuredRuns found;
  if (std::filesystem::is_directory(data)) {
    found = read_run_folder(data, {.trajectories = false, .skip_bad_files = options.skip_bad_files});
  }
  const std::size_t n_all = found.runs.size();
  std::erase_if(found.runs,
                [](const MeasuredRun& run) { return !run.n_items || has_balanced_labels(run) || !(run.time > 0.0); });
  const RunList at = mixed_place(all_runs(found.runs));
  if (at.empty()) return fig6c_tables(read_curve_folder(data, options.foreign), options);

  const MeasuredRun& front = *at.front();
  const theory::StartDistribution start = starts_of(front);
  FigureOptions of_runs = options;
  of_runs.n_context = theory_context(front, front.n_context);
  of_runs.beta0 = start.beta0_mean;
  of_runs.beta0_sd = start.beta0_sd;
  of_runs.w0 = start.w0_mean;
  of_runs.w0_sd = start.w0_sd;
  RunCaption caption{.runs = at,
                     .n_left_out = n_all - at.size(),
                     .curves = {},
                     .no_theory = untreated(front),
                     .numbers = {},
                     .problems = found.problems};
  const std::vector<MeasuredCurve> curves =
      nearest_curves(curves_like(data, front, options.skip_bad_files ? &caption.problems : nullptr), *front.n_items);
  if (curves.empty()) {
    caption.no_theory = "the curve of this network (" + network_of(front) + "), of which there is none; `" +
                        curve_command(front) + "` makes them. The upper panel shows a power law at its threshold";
  }
  const double excess =
      attention_excess(*of_runs.n_context, {.w = start.w0_mean, .beta = start.beta0_mean}).value_or(0.0);
  FigureTables figure = fig6c_tables_beyond(curves, of_runs, excess);

  const double n_runs = static_cast<double>(at.size());
  const double first = number_of(figure, "t_min"), last = number_of(figure, "t_max");
  const double factor = std::pow(last / first, 1.0 / kOutcomeBins);
  const Table& share = figure.table("share");
  Table bins{.part = "outcomes", .columns = {"time", "width", "n_runs", "expected", "outcome"}, .rows = {}};
  Table outline{.part = "expected", .columns = {"time", "n_runs"}, .rows = {}};  // of the bins, as a line
  double top = 0.0;
  std::size_t n_inside = 0;
  constexpr int kTimeBins = kOutcomeBins - 3;
  for (int i = 0; i < kTimeBins; ++i) {
    const double from = first * std::pow(factor, i), to = from * factor;
    const auto n = std::count_if(at.begin(), at.end(), [&](const MeasuredRun* run) {
      return run->acquired && run->time >= from && run->time < to;
    });
    const double expected = n_runs * (share_at(share, to) - share_at(share, from));
    n_inside += static_cast<std::size_t>(n);
    top = std::max({top, static_cast<double>(n), expected});
    add_row(outline, {from, expected});
    add_row(outline, {to, expected});
    add_row(bins, {0.5 * (from + to), to - from, static_cast<double>(n), expected, std::string("acquired")});
  }
  const double never = n_runs - static_cast<double>(n_acquired(at));
  const double never_from = first * std::pow(factor, kOutcomeBins - 2), never_to = last;
  const double never_expected = n_runs * (1.0 - number_of(figure, "p_icl"));
  top = std::max({top, never, never_expected});
  add_row(bins, {0.5 * (never_from + never_to), never_to - never_from, never, never_expected, std::string("never")});
  add_row(outline, {never_from, never_expected}, 1);
  add_row(outline, {never_to, never_expected});
  figure.tables.push_back(std::move(bins));
  figure.tables.push_back(std::move(outline));
  for (auto& [name, value] : figure.numbers) {
    if (name == "has_outcomes") value = 1.0;
  }
  figure.numbers.insert(figure.numbers.end(), {{"n_bins", static_cast<double>(kTimeBins)},
                                               {"never_time", 0.5 * (never_from + never_to)},
                                               {"outcome_top", 1.15 * top},
                                               {"outcome_step", round_step(top / 3.0)}});
  caption.numbers = {std::to_string(n_acquired(at)) + " of " + std::to_string(at.size()) +
                         " runs acquired; predicted share: " + format_rounded(number_of(figure, "p_icl"), 3),
                     "runs that acquired at times outside the axis: " + std::to_string(n_acquired(at) - n_inside)};
  // The lower panel of a figure without runs is another one.
  const std::string other = "Lower panel: share of seeds that have acquired by t. ";
  if (const std::size_t at_other = figure.caption.find(other); at_other != std::string::npos) {
    figure.caption.erase(at_other, other.size());
  }
  figure.caption +=
      "\n" + make_run_caption(
                 "Lower panel",
                 "Histogram of t_ICL (95 % accuracy) of the training runs at N = " + format_number(front.n_context) +
                     ", K = " + format_number(*front.n_items) +
                     " over the same logarithmic time axis; the bar at the right counts the runs that never "
                     "acquired. Outlined: what the starts of the settings give with the curve above.",
                 caption);
  return figure;
}

}  // namespace iclk::figures
