#include <algorithm>
#include <array>
#include <cmath>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/trajectory_figures.hpp"
#include "iclk/theory/transience_prediction.hpp"
#include "run_course.hpp"
#include "run_parts.hpp"
#include "run_series.hpp"

namespace iclk::figures {
namespace {

constexpr std::size_t kMostDecays = 4;  ///< drawn as courses
constexpr int kFadeTimePoints = 41;
constexpr std::array<std::string_view, 2> kFadingColumns = {"time", "w"};
/// Drawn without runs: at which the fade line spans three factors of ten.
constexpr std::array<double, 4> kDecays = {1e-4, 1e-3, 1e-2, 1e-1};

/// What is drawn: runs by decay, or settings alone that stand for runs.
struct Scan {
  MeasuredRun settings;        ///< of theory; lambda_w varies
  std::vector<double> decays;  ///< of the courses, rising
  std::vector<RunList> runs;   ///< [decay]; empty lists without runs
  RunList all;                 ///< every run of the scan
  std::vector<const MeasuredCurve*> curves;
};

/// The settings with another lambda_w.
MeasuredRun with_decay(MeasuredRun run, double lambda_w) {
  run.trajectory = {};
  std::erase_if(run.head.entries, [](const auto& entry) { return entry.first == "lambda_w"; });
  run.head.add("lambda_w", lambda_w);
  return run;
}

/// Up to kMostDecays of them, both ends included.
template <class T>
std::vector<T> thinned(const std::vector<T>& list) {
  if (list.size() <= kMostDecays) return list;
  std::vector<T> few;
  for (std::size_t i = 0; i < kMostDecays; ++i) few.push_back(list[i * (list.size() - 1) / (kMostDecays - 1)]);
  return few;
}

/// The decays at which in-context learning fades within the runs, and the next smaller one; all where it does at none.
std::vector<RunList> worth_drawing(const std::vector<RunList>& by_decay) {
  const auto fades = [](const RunList& runs) {
    return std::any_of(runs.begin(), runs.end(), [](const MeasuredRun* run) {
      return run->number("t_fade") && run->number("w_max").value_or(0.0) > 1.0;
    });
  };
  std::vector<RunList> worth;
  for (std::size_t i = 0; i < by_decay.size(); ++i) {
    if (fades(by_decay[i]) || (i + 1 < by_decay.size() && fades(by_decay[i + 1]))) worth.push_back(by_decay[i]);
  }
  return worth.empty() ? by_decay : worth;
}

Scan scan_of_runs(RunList runs, const NetworkCurves& network) {
  Scan scan;
  scan.settings = *runs.front();
  scan.curves = network.of(*runs.front()->n_items);
  std::vector<RunList> settings = groups_of(runs, Vary::nothing);
  // Where runs with measurements are only some of them, these are drawn.
  std::vector<RunList> measured;
  for (const RunList& list : settings) {
    RunList with_columns;
    std::copy_if(list.begin(), list.end(), std::back_inserter(with_columns),
                 [](const MeasuredRun* run) { return has_columns(*run, kFadingColumns); });
    if (!with_columns.empty()) measured.push_back(std::move(with_columns));
  }
  for (RunList& list : thinned(worth_drawing(measured.empty() ? settings : measured))) {
    scan.decays.push_back(decay_of(*list.front()));
    scan.runs.push_back(measured.empty() ? RunList{} : std::move(list));
  }
  scan.all = std::move(runs);
  return scan;
}

/// Without runs: the middle K of the curves, and the start of the options.
Scan scan_of_curves(const std::vector<MeasuredCurve>& curves, const FigureOptions& options) {
  Scan scan;
  const std::vector<Level> levels = levels_of(curves);
  const Level& level = levels[levels.size() / 2];
  scan.curves = level.curves;
  scan.settings.model = "minimal";
  scan.settings.n_items = level.n_items;
  scan.settings.n_context = scan.settings.n_exemplars = std::round(context_of(options));
  scan.settings.head.add("beta0", options.beta0);
  scan.settings.head.add("w0", options.w0);
  if (level.curves.front()->lr) scan.settings.head.add("lr", *level.curves.front()->lr);
  scan.decays.assign(kDecays.begin(), kDecays.end());
  scan.runs.resize(scan.decays.size());
  return scan;
}

void add_runs(Table& table, double group, const RunList& runs) {
  for (const MeasuredRun* run : runs) {
    const auto& times = *run->trajectory.find("time");
    const auto& strengths = *run->trajectory.find("w");
    std::vector<double> known;
    for (const auto& time : times) known.push_back(time.value_or(0.0));
    int blank_lines = 2;
    for (const std::size_t row : drawn_samples(known, kMostStrengthSamples)) {
      add_row(table,
              {group, run->identity, seed_cell(*run), decay_of(*run), iterations_at(*run, known[row]), known[row],
               cell(strengths[row])},
              blank_lines);
      blank_lines = 0;
    }
  }
}

void add_fading_course(Table& table, double group, const MeasuredRun& settings, const Course& course) {
  const double lambda_w = decay_of(settings);
  std::vector<double> times;
  for (const CoursePoint& point : course.points) times.push_back(point.time);
  int blank_lines = 2;
  for (const std::size_t i : drawn_samples(times, kMostStrengthSamples)) {
    const CoursePoint& point = course.points[i];
    const bool acquired = course.t_attention_half && point.time >= *course.t_attention_half;
    add_row(table,
            {group, lambda_w, iterations_at(settings, point.time), point.time, point.w,
             std::isfinite(point.beta) ? Cell(point.beta) : Cell(), std::exp(point.log_c3),
             acquired && lambda_w > 0.0 ? Cell(theory::settled_strength(point.log_c3, lambda_w).w_tr) : Cell()},
            blank_lines);
    blank_lines = 0;
  }
}

/// Fade times over lambda_w [SGD steps]: in the closed loop, and on the MLP's own clock.
void add_fade_times(Table& table, const Scan& scan, double low, double high) {
  for (int i = 0; i < kFadeTimePoints; ++i) {
    const double lambda_w = low * std::pow(high / low, static_cast<double>(i) / (kFadeTimePoints - 1));
    std::vector<double> times, mlp_times;
    for (const MeasuredCurve* curve : scan.curves) {
      const auto at = predict_transience(curve->curves, lambda_w, transience_options(scan.settings, HUGE_VAL));
      if (at.t_fade.value && std::isfinite(*at.t_fade.value)) {
        times.push_back(iterations_at(scan.settings, *at.t_fade.value));
        mlp_times.push_back(iterations_at(scan.settings, *at.mlp_time_fade));
      }
    }
    const bool enough = times.size() == scan.curves.size();  // a median over changing curves would jump
    const Estimate t_fade = enough ? range_of(times) : Estimate{}, mlp = enough ? range_of(mlp_times) : Estimate{};
    add_row(table, {lambda_w, cell(t_fade.value), cell(t_fade.low), cell(t_fade.high), cell(mlp.value)});
  }
}

}  // namespace

FigureTables fade_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns folder = read_run_folder(data, {.trajectories = true, .skip_bad_files = options.skip_bad_files});
  RunList runs = decay_scan(folder, "minimal");
  // The paper's 1e-10 is no decay, and without one nothing fades. A decay of beta as well is another case.
  std::erase_if(runs, [](const MeasuredRun* run) {
    return decay_of(*run) < 1e-8 || run->number("lambda_beta").value_or(0.0) > 0.0;
  });
  const NetworkCurves network = runs.empty() ? NetworkCurves() : NetworkCurves(data, *runs.front(), options, folder);
  const std::vector<MeasuredCurve> others =
      runs.empty() ? read_curve_folder(data, options.foreign) : std::vector<MeasuredCurve>{};
  const Scan scan = runs.empty() ? scan_of_curves(others, options) : scan_of_runs(std::move(runs), network);
  if (scan.curves.empty()) {
    throw Error(Location{.file = data.string(), .line = {}, .field = "curves"},
                "expected memorization curves with K = " + format_number(*scan.settings.n_items) + " and " +
                    network_of(scan.settings) + ", found none; `" + curve_command(scan.settings) + "` makes some");
  }

  double t_end = 0.0;
  for (const MeasuredRun* run : scan.all) {
    t_end = std::max(t_end, run->number("end_iteration").value_or(0.0) * run->number("lr").value_or(1.0));
  }
  Table measured{.part = "", .columns = {"group", "run", "seed", "lambda_w", "iteration", "time", "w"}, .rows = {}};
  Table courses{
      .part = "theory", .columns = {"group", "lambda_w", "iteration", "time", "w", "beta", "c3", "w_tr"}, .rows = {}};
  Table times{.part = "times", .columns = {"run", "seed", "lambda_w", "t_fade", "not_by"}, .rows = {}};
  Table line{.part = "line", .columns = {"lambda_w", "t_fade", "t_fade_low", "t_fade_high", "mlp_alone"}, .rows = {}};

  std::string labels;
  double first_time = HUGE_VAL, last_time = 0.0, largest_w = 1.5;
  for (std::size_t i = 0; i < scan.decays.size(); ++i) {
    const MeasuredRun settings = with_decay(scan.settings, scan.decays[i]);
    const theory::FlowState start = scan.runs[i].empty() ? start_of(settings) : start_of(*scan.runs[i].front());
    const OrderParameterCurves& curve = scan.curves.front()->curves;
    double end = t_end;
    if (!(end > 0.0)) {  // without runs: until it has faded
      const auto fate = predict_transience(curve, scan.decays[i], transience_options(settings, HUGE_VAL));
      end = 3.0 * fate.t_fade.value.value_or(scan.curves.front()->curves.c1.end_time());
    }
    const Course course = course_of(settings, start, &curve, end);
    add_runs(measured, static_cast<double>(i + 1), scan.runs[i]);
    add_fading_course(courses, static_cast<double>(i + 1), settings, course);
    for (const CoursePoint& point : course.points) largest_w = std::max(largest_w, point.w);
    if (course.t_attention_half) first_time = std::min(first_time, *course.t_attention_half);
    last_time = std::max(last_time, end);
    labels += (i > 0 ? "|" : "") + format_number(scan.decays[i]);
  }
  if (!std::isfinite(first_time)) first_time = 1e-3 * last_time;
  for (std::size_t row = 0; row < measured.rows.size(); ++row) {
    largest_w = std::max(largest_w, measured.number(row, "w").value_or(0.0));
  }

  double low = scan.decays.front(), high = scan.decays.back(), soonest = HUGE_VAL, latest = 0.0;
  std::size_t n_faded = 0;
  for (const MeasuredRun* run : scan.all) {
    const double lambda_w = decay_of(*run);
    const auto t_fade = run->number("t_fade");
    const double end = run->number("end_iteration").value_or(0.0);
    const std::optional<double> at = t_fade ? std::optional(iterations_at(*run, *t_fade)) : std::nullopt;
    low = std::min(low, lambda_w);
    high = std::max(high, lambda_w);
    n_faded += at ? 1 : 0;
    const bool lasts = !at && run->acquired && run->number("w_max").value_or(0.0) > 1.0;
    add_row(times, {run->identity, seed_cell(*run), lambda_w, cell(at), lasts ? Cell(end) : Cell()});
    for (const auto& shown : {at, lasts ? std::optional(end) : std::nullopt}) {
      if (!shown) continue;
      soonest = std::min(soonest, *shown);
      latest = std::max(latest, *shown);
    }
  }
  add_fade_times(line, scan, low / 1.5, 1.5 * high);
  std::vector<double> ratios;
  for (std::size_t row = 0; row < line.rows.size(); ++row) {
    if (!line.number(row, "t_fade")) continue;
    soonest = std::min(soonest, *line.number(row, "mlp_alone"));
    // Where runs end, a line far above them says nothing.
    latest = std::max(
        latest, scan.all.empty() ? *line.number(row, "t_fade") : std::min(*line.number(row, "t_fade"), 10.0 * latest));
    ratios.push_back(*line.number(row, "t_fade") / *line.number(row, "mlp_alone"));
  }
  std::vector<std::string> numbers;
  if (!scan.all.empty()) {
    numbers.push_back(std::to_string(n_faded) + " of " + std::to_string(scan.all.size()) + " runs fade (w = 1)");
  }
  // Measured over predicted, run by run, at the runs' own lambda_w.
  std::vector<double> measured_over_predicted;
  for (std::size_t row = 0; row < times.rows.size(); ++row) {
    const auto at = times.number(row, "t_fade");
    if (!at) continue;
    std::vector<double> predicted;
    for (const MeasuredCurve* curve : scan.curves) {
      const auto prediction = predict_transience(curve->curves, *times.number(row, "lambda_w"),
                                                 transience_options(scan.settings, HUGE_VAL));
      if (prediction.t_fade.value) predicted.push_back(iterations_at(scan.settings, *prediction.t_fade.value));
    }
    if (!predicted.empty()) measured_over_predicted.push_back(*at / *range_of(predicted).value);
  }
  if (!measured_over_predicted.empty()) {
    numbers.push_back("measured over predicted fade time (median, range): " +
                      format_estimate(range_of(measured_over_predicted)));
  }
  if (!ratios.empty()) {
    numbers.push_back("attention delays fading by a factor of " + format_rounded(*range_of(ratios).low, 3) + " to " +
                      format_rounded(*range_of(ratios).high, 3) + " against the MLP alone");
  }

  FigureTables figure;
  figure.tables = {std::move(measured), std::move(courses), std::move(times), std::move(line)};
  figure.numbers = {{"n_groups", static_cast<double>(scan.decays.size())},
                    {"has_runs", scan.all.empty() ? 0.0 : 1.0},
                    {"w_top", 1.12 * largest_w}};
  std::string colors;
  for (const std::string& color : ordered_colors(scan.decays.size())) colors += (colors.empty() ? "" : " ") + color;
  figure.texts = {{"group_labels", labels}, {"group_colors", colors}, {"size_words", size_label(scan.settings)}};
  add_log_axis(figure, "t", std::max(1.0, 0.05 * iterations_at(scan.settings, first_time)),
               iterations_at(scan.settings, last_time));
  add_log_axis(figure, "d", low / 1.5, 1.5 * high);
  if (!(latest > 0.0))
    soonest = iterations_at(scan.settings, first_time), latest = iterations_at(scan.settings, last_time);
  add_log_axis(figure, "f", soonest, latest, 1.6);
  const std::string title = "fade: in-context learning fades in a closed loop with memorization (not in the paper)";
  const std::string words = "Left: strength w of the copied label against SGD steps. " +
                            std::string(scan.all.empty() ? "" : "Thin lines: runs. ") +
                            "Dashed: the closed loop, in which attention that answers correctly slows memorization "
                            "(Eq. 44), on the memorization "
                            "curve of this K. Dotted: w_tr = W(c3/lambda_w) of Eq. 45 with the c3 of that course. At w "
                            "= 1 in-context learning "
                            "counts as faded. Right: when that is, against lambda_w; solid: closed loop, with the "
                            "range over curves; dash-dotted: "
                            "the time at which the MLP alone would have come as far." +
                            std::string(scan.all.empty() ? "" : " Circles: runs; crosses: runs that end before.");
  if (scan.all.empty()) {
    numbers.insert(numbers.begin(), "no runs of the minimal model with lambda_w in this folder: theory alone, " +
                                        start_settings(options, false) +
                                        ", K = " + format_number(*scan.settings.n_items));
    figure.caption = make_caption(title, words, others, numbers);
  } else {
    figure.caption = make_course_caption(title, words, scan.all, copies_of(scan.curves), numbers, folder);
  }
  return figure;
}

}  // namespace iclk::figures
