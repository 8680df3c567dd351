#include <algorithm>
#include <array>
#include <cmath>

#include "figure_parts.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/trajectory_figures.hpp"
#include "run_course.hpp"
#include "run_parts.hpp"
#include "run_series.hpp"

// Figs. 2e and 3c: in-context learning is acquired and lost again.
namespace iclk::figures {
namespace {

constexpr std::size_t kMostFadedRuns = 8;
constexpr std::array<std::string_view, 4> kAccuracyColumns = {"iteration", "time", "icl_accuracy", "iwl_accuracy"};

/// Not only for the moment of one measurement: the run has to end like that.
bool ends_faded(const MeasuredRun& run) {
  return run.acquired && run.number("t_accuracy_fade") &&
         run.trajectory.find("icl_accuracy")->back().value_or(1.0) <= kLostAccuracy;
}

std::size_t n_faded(const RunList& runs) {
  return static_cast<std::size_t>(
      std::count_if(runs.begin(), runs.end(), [](const MeasuredRun* run) { return ends_faded(*run); }));
}

Cell seed_of(const MeasuredRun& run) { return seed_cell(run); }

Table table_of(const RunList& runs) {
  Table table{.part = "", .columns = {"run", "seed", "iteration", "time", "icl_accuracy", "iwl_accuracy"}, .rows = {}};
  for (const MeasuredRun* run : runs) {
    std::array<const std::vector<std::optional<double>>*, kAccuracyColumns.size()> columns{};
    for (std::size_t i = 0; i < kAccuracyColumns.size(); ++i) columns[i] = run->trajectory.find(kAccuracyColumns[i]);
    std::vector<double> times;
    for (const auto& time : *columns[1]) times.push_back(time.value_or(0.0));
    int blank_lines = 2;
    for (const std::size_t row : drawn_samples(times, kMostAccuracySamples)) {
      add_row(table,
              {run->identity, seed_of(*run), cell((*columns[0])[row]), times[row], cell((*columns[2])[row]),
               cell((*columns[3])[row])},
              blank_lines);
      blank_lines = 0;
    }
  }
  return table;
}

/// What is predicted when, and what was measured: a row per event.
struct Mark {
  const char* event;
  Estimate measured, predicted;  ///< SGD steps; medians and ranges over seeds and over curves
};

void add_marks(FigureTables& figure, const std::vector<Mark>& marks) {
  Table table{
      .part = "marks",
      .columns = {"event", "measured", "measured_low", "measured_high", "predicted", "predicted_low", "predicted_high"},
      .rows = {}};
  for (const Mark& mark : marks) {
    add_row(table,
            {std::string(mark.event), cell(mark.measured.value), cell(mark.measured.low), cell(mark.measured.high),
             cell(mark.predicted.value), cell(mark.predicted.low), cell(mark.predicted.high)});
  }
  figure.tables.push_back(std::move(table));
}

std::vector<double> times_of(const RunList& runs, std::string_view key) {
  std::vector<double> times;
  for (const MeasuredRun* run : runs) {
    if (const auto time = run->number(key)) times.push_back(iterations_at(*run, *time));
  }
  return times;
}

/// The setting to draw: most runs that lose in-context learning, then the least decay.
std::optional<RunList> chosen_runs(const MeasuredRuns& folder, std::string_view model) {
  RunList candidates;
  for (const MeasuredRun* run : runs_of_model(folder, model)) {
    if (run->n_items && has_random_labels(*run) && has_columns(*run, kAccuracyColumns)) candidates.push_back(run);
  }
  std::vector<RunList> settings = groups_of(candidates, Vary::nothing);
  std::erase_if(settings, [](const RunList& runs) { return n_faded(runs) == 0; });
  if (settings.empty()) return std::nullopt;
  RunList chosen = *std::min_element(settings.begin(), settings.end(), [](const RunList& a, const RunList& b) {
    const auto rank = [](const RunList& runs) {
      return std::pair(-static_cast<double>(n_faded(runs)), decay_of(*runs.front()));
    };
    return rank(a) < rank(b);
  });
  if (chosen.size() > kMostFadedRuns) chosen.resize(kMostFadedRuns);
  return chosen;
}

FigureTables transience_tables(std::string_view model, const std::string& id, const std::string& paper_label,
                               const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns folder = read_run_folder(data, {.trajectories = true, .skip_bad_files = options.skip_bad_files});
  const auto chosen = chosen_runs(folder, model);
  const bool minimal = model == "minimal";
  if (!chosen) {
    throw missing_runs(
        data, "a measured run of the " + model_label(model) + " that acquires in-context learning and loses it again",
        "iclk simulate --model " + std::string(model) + " --items 1000 --context 50 --" +
            (minimal ? "lambda-w" : "attention-decay") + " 0.001 --stop-faded yes --out DIR");
  }
  const MeasuredRun& first = *chosen->front();
  double t_end = 0.0, earliest = HUGE_VAL;
  for (const MeasuredRun* run : *chosen) {
    t_end = std::max(t_end, run->trajectory.find("time")->back().value_or(0.0));
    if (run->acquired) earliest = std::min(earliest, run->time);
  }

  Table theory{
      .part = "theory", .columns = {"curve_seed", "iteration", "time", "w", "beta", "c3", "icl_accuracy"}, .rows = {}};
  std::vector<const MeasuredCurve*> curves;
  const NetworkCurves network = minimal ? NetworkCurves(data, first, options, folder) : NetworkCurves();
  if (minimal) curves = network.of(*first.n_items);
  std::vector<double> acquired, accuracy_lost, faded;
  struct CourseOnCurve {
    const MeasuredCurve* curve;
    Course course;
    double lost;  ///< when accuracy is; infinite where it is not
  };
  std::vector<CourseOnCurve> courses;
  for (const MeasuredCurve* curve : curves) {
    Course course = course_of(first, start_of(first), &curve->curves, t_end);
    if (const auto time = acquisition_time(course)) acquired.push_back(iterations_at(first, *time));
    const auto lost = accuracy_loss_time(course);
    if (lost) accuracy_lost.push_back(iterations_at(first, *lost));
    if (const auto time = fade_time(course)) faded.push_back(iterations_at(first, *time));
    courses.push_back({curve, std::move(course), lost.value_or(HUGE_VAL)});
  }
  // Of many curves, those on which it lasts shortest, middling and longest are drawn.
  std::stable_sort(courses.begin(), courses.end(),
                   [](const CourseOnCurve& a, const CourseOnCurve& b) { return a.lost < b.lost; });
  if (courses.size() > 3) courses = {courses.front(), courses[courses.size() / 2], courses.back()};
  for (const auto& [curve, course, lost] : courses) {
    std::vector<double> times;
    for (const CoursePoint& point : course.points) times.push_back(point.time);
    int blank_lines = 2;
    for (const std::size_t i : drawn_samples(times, kMostAccuracySamples)) {
      const CoursePoint& point = course.points[i];
      add_row(
          theory,
          {seed_cell(*curve), iterations_at(first, point.time), point.time, point.w,
           std::isfinite(point.beta) ? Cell(point.beta) : Cell(), std::exp(point.log_c3), accuracy_at(course, point)},
          blank_lines);
      blank_lines = 0;
    }
  }

  FigureTables figure;
  figure.tables = {table_of(*chosen), std::move(theory)};
  const std::vector<Mark> marks = {
      {"95 % ICL accuracy", range_of(times_of(*chosen, "t_icl")), range_of(acquired)},
      {"ICL accuracy down to 90 %", range_of(times_of(*chosen, "t_accuracy_fade")), range_of(accuracy_lost)},
      {"w = 1", range_of(times_of(*chosen, "t_fade")), range_of(faded)}};
  add_marks(figure, marks);
  add_log_axis(figure, "i", std::max(1.0, 0.1 * iterations_at(first, earliest)), iterations_at(first, t_end));
  const bool has_theory = !curves.empty();
  figure.numbers.emplace_back("n_runs", static_cast<double>(chosen->size()));
  figure.numbers.emplace_back("has_theory", has_theory ? 1.0 : 0.0);
  const std::string decay = format_number(decay_of(first));
  figure.texts.emplace_back("settings_label",
                            (minimal ? "{/:Italic λ_w} = " : "decay ") + decay + ", " + size_label(first));

  std::vector<std::string> numbers = {std::to_string(n_faded(*chosen)) + " of " + std::to_string(chosen->size()) +
                                      " runs lose in-context learning again"};
  for (const Mark& mark : marks) {
    if (!mark.measured.value && !mark.predicted.value) continue;
    numbers.push_back(
        std::string(mark.event) + ": measured (median, range) " +
        (mark.measured.value ? format_estimate(mark.measured) : "none") +
        (has_theory ? ", theory " + (mark.predicted.value ? format_estimate(mark.predicted) : "none") : std::string()) +
        " SGD steps");
  }
  figure.caption = make_course_caption(
      id + ": in-context learning is transient (Fig. " + paper_label + " of the paper)",
      "Accuracy on novel items with a copy of the target in the context (ICL) and on training items without one (IWL), "
      "against SGD steps; one line per run. Decay of " +
          std::string(minimal ? "w (lambda_w) " : "attention ") + decay + ". " +
          (has_theory
               ? "Dashed: ICL accuracy in a closed loop with memorization curves of this K (of more than three, those "
                 "on "
                 "which it lasts shortest, middling and longest), from the runs' "
                 "start and settings: acquisition on the exact loss (Eq. 21), then Eq. 44 with memorization slowed "
                 "by what attention explains. Logits of novel items are taken as normal, as wide as those of the "
                 "untrained MLP and those of trained items together."
           : minimal ? "No line of theory: there are no memorization curves of this network and K; `" +
                           curve_command(first) + "` makes some."
                     : "No line of theory: it needs the start and the strength of attention as two numbers, which a "
                       "transformer does not have."),
      *chosen, copies_of(curves), numbers, folder);
  return figure;
}

}  // namespace

FigureTables fig2e_tables(const std::filesystem::path& data, const FigureOptions& options) {
  return transience_tables("one-layer", "fig2e", "2e", data, options);
}

FigureTables fig3c_tables(const std::filesystem::path& data, const FigureOptions& options) {
  return transience_tables("minimal", "fig3c", "3c", data, options);
}

}  // namespace iclk::figures
