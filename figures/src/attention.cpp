#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "figure_parts.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/trajectory_figures.hpp"
#include "iclk/theory/gradient_flow.hpp"
#include "run_course.hpp"
#include "run_parts.hpp"
#include "run_series.hpp"

namespace iclk::figures {
namespace {

constexpr std::size_t kMostStarts = 4;
constexpr std::size_t kMostPoints = 26;  ///< measurements drawn of a start
constexpr std::array<std::string_view, 4> kStrengthColumns = {"iteration", "time", "beta", "w"};

/// Runs of equal settings and equal start.
struct StartGroup {
  RunList runs;
  theory::FlowState start;
};

std::vector<StartGroup> groups_by_start(const RunList& runs) {
  std::vector<StartGroup> groups;
  for (const RunList& list : groups_of(runs, Vary::nothing)) {
    std::vector<StartGroup> here;
    for (const MeasuredRun* run : list) {
      const theory::FlowState start = start_of(*run);
      const auto known = std::find_if(here.begin(), here.end(), [&](const StartGroup& group) {
        return std::abs(group.start.w - start.w) < 1e-6 && std::abs(group.start.beta - start.beta) < 1e-6;
      });
      if (known == here.end()) {
        here.push_back({{run}, start});
      } else {
        known->runs.push_back(run);
      }
    }
    groups.insert(groups.end(), here.begin(), here.end());
  }
  return groups;
}

/// Times of the picture: from well before the first acquisition to where all have long acquired.
std::pair<double, double> drawn_times(const StartGroup& group) {
  std::vector<double> acquired, ends;
  for (const MeasuredRun* run : group.runs) {
    ends.push_back(run->trajectory.find("time")->back().value_or(0.0));
    if (run->acquired) acquired.push_back(run->time);
  }
  const double end = *range_of(ends).high;
  if (acquired.empty()) return {0.01 * end, end};
  const Estimate times = range_of(acquired);
  return {0.1 * *times.low, std::min(end, 4.0 * *times.high)};
}

/// Median and range over the runs of a group at the measurements that at least half of them have.
void add_strength_points(Table& table, double number, const StartGroup& group) {
  struct Values {
    double time = 0.0;
    std::vector<double> beta, w;
  };
  std::map<double, Values> by_iteration;
  for (const MeasuredRun* run : group.runs) {
    std::array<const std::vector<std::optional<double>>*, kStrengthColumns.size()> columns{};
    for (std::size_t i = 0; i < kStrengthColumns.size(); ++i) columns[i] = run->trajectory.find(kStrengthColumns[i]);
    for (std::size_t row = 0; row < run->trajectory.n_rows(); ++row) {
      if (!(*columns[0])[row] || !(*columns[2])[row] || !(*columns[3])[row]) continue;
      Values& values = by_iteration[*(*columns[0])[row]];
      values.time = (*columns[1])[row].value_or(0.0);
      values.beta.push_back(*(*columns[2])[row]);
      values.w.push_back(*(*columns[3])[row]);
    }
  }
  const auto [first, last] = drawn_times(group);
  std::vector<double> iterations, times;
  for (const auto& [iteration, values] : by_iteration) {
    if (values.time < first || values.time > last || 2 * values.w.size() < group.runs.size()) continue;
    iterations.push_back(iteration);
    times.push_back(values.time);
  }
  const MeasuredRun& run = *group.runs.front();
  int blank_lines = 2;
  for (const std::size_t i : drawn_samples(times, kMostPoints)) {
    const Values& values = by_iteration.at(iterations[i]);
    const Estimate beta = range_of(values.beta), w = range_of(values.w);
    add_row(table,
            {number, run.n_context, cell(run.n_items), static_cast<double>(values.w.size()), iterations[i], times[i],
             cell(beta.value), cell(beta.low), cell(beta.high), cell(w.value), cell(w.low), cell(w.high)},
            blank_lines);
    blank_lines = 0;
  }
}

struct Line {
  double time, beta, w;
};

void add_strength_line(Table& table, double number, double form, const MeasuredRun& run, const std::vector<Line>& line,
                       std::pair<double, double> drawn) {
  std::vector<double> times;
  std::vector<Line> kept;
  for (const Line& point : line) {
    if (point.time < drawn.first || point.time > drawn.second || !std::isfinite(point.beta)) continue;
    times.push_back(point.time);
    kept.push_back(point);
  }
  if (kept.size() < 2) return;
  int blank_lines = 2;
  for (const std::size_t i : drawn_samples(times, kMostStrengthSamples)) {
    add_row(table,
            {number, form, run.n_context, cell(run.n_items), iterations_at(run, times[i]), times[i], kept[i].beta,
             kept[i].w},
            blank_lines);
    blank_lines = 0;
  }
}

/// Eqs. 7-8 until they blow up.
std::vector<Line> leading_line(const MeasuredRun& run, theory::FlowState start, const OrderParameterCurves* curve,
                               double t_end) {
  const theory::FlowOptions options{.t_max = t_end, .record_trajectory = true};
  const theory::FlowResult flow = curve != nullptr ? integrate_flow(start, run.n_exemplars, *curve, options)
                                                   : theory::integrate_flow(start, run.n_exemplars, 0.5, 0.5, options);
  std::vector<Line> line;
  for (const theory::FlowPoint& point : flow.trajectory) line.push_back({point.time, point.state.beta, point.state.w});
  return line;
}

}  // namespace

FigureTables attention_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns folder = read_run_folder(data, {.trajectories = true, .skip_bad_files = options.skip_bad_files});
  RunList candidates;
  for (const MeasuredRun* run : runs_of_model(folder, "minimal")) {
    if (has_random_labels(*run) && has_columns(*run, kStrengthColumns)) candidates.push_back(run);
  }
  const std::vector<RunList> series = groups_of(candidates, Vary::size | Vary::item_rules);
  if (series.empty()) {
    throw missing_runs(data, "measured runs of the minimal model on random labels",
                       "iclk simulate --items inf --context 50 --seed 0:4 --out DIR");
  }
  const RunList chosen = series_to_draw(series, data, options, folder);
  std::vector<StartGroup> groups = groups_by_start(chosen);
  std::stable_sort(groups.begin(), groups.end(),
                   [](const StartGroup& a, const StartGroup& b) { return n_acquired(a.runs) > n_acquired(b.runs); });
  if (groups.size() > kMostStarts) groups.resize(kMostStarts);
  std::stable_sort(groups.begin(), groups.end(), [](const StartGroup& a, const StartGroup& b) {
    const auto size = [](const StartGroup& group) {
      const MeasuredRun& run = *group.runs.front();
      return std::pair(run.n_context, run.n_items.value_or(HUGE_VAL));
    };
    return size(a) < size(b);
  });

  Table points{.part = "",
               .columns = {"group", "n_context", "n_items", "n_runs", "iteration", "time", "beta", "beta_low",
                           "beta_high", "w", "w_low", "w_high"},
               .rows = {}};
  Table lines{.part = "theory",
              .columns = {"group", "form", "n_context", "n_items", "iteration", "time", "beta", "w"},
              .rows = {}};
  const NetworkCurves network(data, *chosen.front(), options, folder);
  RunList drawn;
  std::vector<const MeasuredCurve*> used;
  std::vector<std::string> numbers;
  std::string labels;
  bool all_have_theory = true;
  double first = HUGE_VAL, last = 0.0;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const StartGroup& group = groups[i];
    const MeasuredRun& run = *group.runs.front();
    const auto number = static_cast<double>(i + 1);
    drawn.insert(drawn.end(), group.runs.begin(), group.runs.end());
    labels += (i > 0 ? "|" : "") + size_label(run);
    add_strength_points(points, number, group);
    const auto range = drawn_times(group);
    first = std::min(first, iterations_at(run, range.first));
    last = std::max(last, iterations_at(run, range.second));
    const auto curves = run.n_items ? network.of(*run.n_items) : std::vector<const MeasuredCurve*>{};
    if (run.n_items && curves.empty()) {
      all_have_theory = false;
      continue;
    }
    const OrderParameterCurves* curve = curves.empty() ? nullptr : &curves.front()->curves;
    if (curve != nullptr) used.push_back(curves.front());
    const Course course = course_of(run, group.start, curve, range.second);
    std::vector<Line> exact;
    for (const CoursePoint& point : course.points) exact.push_back({point.time, point.beta, point.w});
    add_strength_line(lines, number, 1, run, exact, range);
    add_strength_line(lines, number, 2, run, leading_line(run, group.start, curve, range.second), range);
    std::vector<double> measured;
    for (const MeasuredRun* r : group.runs) {
      if (const auto time = r->number("t_attention_half")) measured.push_back(iterations_at(*r, *time));
    }
    if (!measured.empty() && course.t_attention_half) {
      numbers.push_back("N = " + format_number(run.n_context) +
                        ", K = " + (run.n_items ? format_number(*run.n_items) : std::string("infinite")) +
                        ": half of the attention on the copy after (median, range of " +
                        std::to_string(measured.size()) + ") " + format_estimate(range_of(measured)) +
                        " SGD steps, theory " + format_rounded(iterations_at(run, *course.t_attention_half), 4));
    }
  }
  double beta_low = 0.0, beta_high = 1.0, w_low = 0.0, w_high = 1.0;
  for (std::size_t row = 0; row < points.rows.size(); ++row) {
    beta_low = std::min(beta_low, *points.number(row, "beta_low"));
    beta_high = std::max(beta_high, *points.number(row, "beta_high"));
    w_low = std::min(w_low, *points.number(row, "w_low"));
    w_high = std::max(w_high, *points.number(row, "w_high"));
  }
  FigureTables figure;
  figure.tables = {std::move(points), std::move(lines)};
  std::string colors;
  for (const std::string& color : ordered_colors(groups.size())) colors += (colors.empty() ? "" : " ") + color;
  figure.numbers = {{"n_groups", static_cast<double>(groups.size())},
                    {"beta_bottom", beta_low - 0.05 * (beta_high - beta_low)},
                    {"beta_top", beta_high + 0.1 * (beta_high - beta_low)},
                    {"w_bottom", w_low - 0.05 * (w_high - w_low)},
                    {"w_top", w_high + 0.1 * (w_high - w_low)}};
  figure.texts = {{"group_labels", labels}, {"group_colors", colors}};
  add_log_axis(figure, "i", std::max(1.0, first), last);
  figure.caption = make_course_caption(
      "attention: measured strengths of attention on the trajectories of theory (not in the paper)",
      "Points: beta and w of the minimal model, median over runs with the range over them as bars. Solid: gradient "
      "flow "
      "from the same start on the exact loss (Eq. 21) in a closed loop with the memorization curve of this K; K "
      "infinite: "
      "c1 = 1/2 throughout. Dotted: Eqs. 7-8, until they blow up. Right: the same in the plane of beta and w." +
          std::string(all_have_theory ? ""
                                      : " Where lines are missing there are no memorization curves of this network and "
                                        "K; `" +
                                            curve_command(*chosen.front()) + "` makes some."),
      drawn, copies_of(used), numbers, folder);
  return figure;
}

}  // namespace iclk::figures
