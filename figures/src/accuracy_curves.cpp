#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "figure_parts.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/trajectory_figures.hpp"
#include "run_course.hpp"
#include "run_parts.hpp"
#include "run_series.hpp"

// Figs. 2d, 3b and A.8: ICL accuracy against SGD steps.
namespace iclk::figures {
namespace {

constexpr std::size_t kMostSizes = 5, kMostSeedsOfSize = 12, kMostBalanced = 40;
constexpr double kAcquired = 0.95, kHalfway = 0.75;
constexpr std::array<std::string_view, 2> kIclAccuracyColumns = {"iteration", "icl_accuracy"};

const std::vector<std::string> kTableColumns = {"group", "run",       "n_context", "n_items",
                                                "seed",  "iteration", "time",      "icl_accuracy"};

/// Runs of one colour.
struct ColorGroup {
  std::string label;
  RunList runs;
};

double last_measured_iteration(const MeasuredRun& run) {
  return run.trajectory.find("iteration")->back().value_or(iterations_at(run, run.time));
}

void add_run(Table& table, double group, const MeasuredRun& run, bool first_of_group) {
  const auto& iterations = *run.trajectory.find("iteration");
  const auto& accuracies = *run.trajectory.find("icl_accuracy");
  std::vector<double> steps;
  for (const auto& iteration : iterations) steps.push_back(iteration.value_or(0.0));
  int blank_lines = first_of_group ? 2 : 1;
  for (const std::size_t row : drawn_samples(steps, kMostAccuracySamples)) {
    add_row(table,
            {group, run.identity, run.n_context, cell(run.n_items), seed_cell(run), steps[row],
             steps[row] * run.number("lr").value_or(1.0), cell(accuracies[row])},
            blank_lines);
    blank_lines = 0;
  }
}

void add_accuracy_course(Table& table, double group, const MeasuredRun& run, const Cell& seed, const Course& course) {
  std::vector<double> times;
  for (const CoursePoint& point : course.points) times.push_back(point.time);
  int blank_lines = 2;
  for (const std::size_t i : drawn_samples(times, kMostAccuracySamples)) {
    const CoursePoint& point = course.points[i];
    add_row(table,
            {group, std::string("theory"), run.n_context, cell(run.n_items), seed, iterations_at(run, point.time),
             point.time, accuracy_at(course, point)},
            blank_lines);
    blank_lines = 0;
  }
}

/// SGD steps worth drawing: from well before acquisition, as on a logarithmic axis what comes before would take most of
/// the width, to well after it where all that happens is that.
std::pair<double, double> drawn_range(const RunList& runs, bool to_the_end) {
  std::vector<double> acquired, ends;
  for (const MeasuredRun* run : runs) {
    ends.push_back(last_measured_iteration(*run));
    if (run->acquired) acquired.push_back(iterations_at(*run, run->time));
  }
  const Estimate times = range_of(acquired.empty() ? ends : acquired);
  const double last = *range_of(ends).high;
  return {std::max(1.0, 0.05 * *times.value),
          to_the_end || acquired.empty() ? last : std::min(last, 4.0 * *times.high)};
}

/// Share of t_ICL that a run takes from 60 % to 95 % accuracy, on straight lines between its measurements.
std::optional<double> rise_of(const MeasuredRun& run) {
  constexpr double kOffChance = 0.6;
  if (!run.acquired || !(run.time > 0.0)) return std::nullopt;
  const auto& iterations = *run.trajectory.find("iteration");
  const auto& accuracies = *run.trajectory.find("icl_accuracy");
  const double t_icl = iterations_at(run, run.time);
  std::optional<double> left;  // the last time it left 60 % behind before t_ICL
  for (std::size_t i = 1; i < accuracies.size(); ++i) {
    if (!accuracies[i] || !accuracies[i - 1] || *iterations[i - 1] > t_icl) continue;
    const double a = *accuracies[i - 1], b = *accuracies[i];
    if (a < kOffChance && b >= kOffChance) {
      left = *iterations[i - 1] + (kOffChance - a) / (b - a) * (*iterations[i] - *iterations[i - 1]);
    }
  }
  return left ? std::optional(1.0 - *left / t_icl) : std::nullopt;
}

RunList all_of(const std::vector<ColorGroup>& groups) {
  RunList runs;
  for (const ColorGroup& group : groups) runs.insert(runs.end(), group.runs.begin(), group.runs.end());
  return runs;
}

/// What both kinds of figure share: the table of the runs, axes and legend.
FigureTables figure_of(const std::vector<ColorGroup>& groups, Table theory, bool to_the_end) {
  FigureTables figure;
  Table table{.part = "", .columns = kTableColumns, .rows = {}};
  std::string labels;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    bool first = true;
    for (const MeasuredRun* run : groups[i].runs) {
      add_run(table, static_cast<double>(i + 1), *run, first);
      first = false;
    }
    labels += (i > 0 ? "|" : "") + groups[i].label;
  }
  std::string colors;
  for (const std::string& color : ordered_colors(groups.size())) colors += (colors.empty() ? "" : " ") + color;
  figure.numbers = {{"n_groups", static_cast<double>(groups.size())},
                    {"n_runs", static_cast<double>(all_of(groups).size())},
                    {"has_theory", theory.rows.empty() ? 0.0 : 1.0}};
  figure.texts = {{"group_labels", labels}, {"group_colors", colors}};
  figure.tables = {std::move(table), std::move(theory)};
  const auto [first, last] = drawn_range(all_of(groups), to_the_end);
  add_log_axis(figure, "i", first, last);
  return figure;
}

/// Theory beside the first runs of each group, and in words how far it is from all of them.
std::string add_balanced_courses(Table& theory, const std::vector<ColorGroup>& groups) {
  constexpr std::size_t kMostCourses = 2;  // of a group
  double sum = 0.0, sampling = 0.0;
  std::size_t n_points = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    for (std::size_t i = 0; i < groups[g].runs.size(); ++i) {
      const MeasuredRun& run = *groups[g].runs[i];
      if (!no_balanced_course(run).empty()) continue;
      const BalancedCourse course = balanced_course_of(run);
      const auto &times = *run.trajectory.find("time"), &measured = *run.trajectory.find("icl_accuracy");
      int blank_lines = 2;
      for (std::size_t p = 0; p < course.rows.size(); ++p) {
        const std::size_t row = course.rows[p];
        const double predicted = course.accuracy[p];
        if (measured[row]) {
          sum += std::abs(*measured[row] - predicted);
          // Mean size of a normal error of this variance.
          sampling += std::sqrt(2.0 / std::numbers::pi * predicted * (1.0 - predicted) /
                                run.number("test_sequences").value_or(HUGE_VAL));
          ++n_points;
        }
        if (i >= kMostCourses) continue;
        add_row(theory,
                {static_cast<double>(g + 1), run.identity, run.n_context, cell(run.n_items), seed_cell(run),
                 iterations_at(run, *times[row]), *times[row], predicted},
                blank_lines);
        blank_lines = 0;
      }
    }
  }
  if (n_points == 0) return "theory: no measurement to compare with";
  const auto n = static_cast<double>(n_points);
  return "theory against measured accuracy: mean difference " + format_rounded(sum / n, 2) + " over " +
         std::to_string(n_points) + " measurements, " + format_rounded(sampling / n, 2) +
         " of it expected from the number of test sequences";
}

/// Runs with measurements on contexts with these labels.
RunList candidates(const RunList& runs, bool random_labels) {
  RunList list;
  std::copy_if(runs.begin(), runs.end(), std::back_inserter(list), [&](const MeasuredRun* run) {
    return has_random_labels(*run) == random_labels && has_columns(*run, kIclAccuracyColumns);
  });
  return list;
}

std::string command_of(std::string_view model) {
  return "iclk simulate --model " + std::string(model) + " --items inf --context 50 --seed 0:4 --out DIR";
}

FigureTables acquisition_tables(std::string_view model, const std::string& id, const std::string& paper_label,
                                const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns folder = read_run_folder(data, {.trajectories = true, .skip_bad_files = options.skip_bad_files});
  std::vector<RunList> series =
      groups_of(candidates(runs_of_model(folder, model), true), Vary::size | Vary::item_rules);
  if (series.empty()) {
    throw missing_runs(data, "measured runs of the " + model_label(model) + " on random labels", command_of(model));
  }
  const RunList chosen = series_to_draw(series, data, options, folder);
  std::vector<RunList> sizes = groups_of(chosen, Vary::nothing);
  std::stable_sort(sizes.begin(), sizes.end(),
                   [](const RunList& a, const RunList& b) { return n_acquired(a) > n_acquired(b); });
  if (sizes.size() > kMostSizes) sizes.resize(kMostSizes);
  std::stable_sort(sizes.begin(), sizes.end(), [](const RunList& a, const RunList& b) {
    const auto size = [](const RunList& runs) {
      return std::pair(runs.front()->n_context, runs.front()->n_items.value_or(HUGE_VAL));
    };
    return size(a) < size(b);
  });

  const NetworkCurves network =
      model == "minimal" ? NetworkCurves(data, *chosen.front(), options, folder) : NetworkCurves();
  Table theory{.part = "theory", .columns = kTableColumns, .rows = {}};
  std::vector<ColorGroup> groups;
  std::vector<std::string> numbers;
  std::vector<const MeasuredCurve*> used;
  std::vector<double> rises;
  for (const RunList& runs : sizes) {
    const MeasuredRun& first = *runs.front();
    ColorGroup group{
        size_label(first),
        {runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(std::min(runs.size(), kMostSeedsOfSize))}};
    std::vector<double> measured, predicted;
    double end = 0.0;
    for (const MeasuredRun* run : runs) {
      if (run->acquired) measured.push_back(iterations_at(*run, run->time));
      if (const auto rise = rise_of(*run)) rises.push_back(*rise);
      end = std::max(end, last_measured_iteration(*run) * run->number("lr").value_or(1.0));
    }
    // K infinite needs no curve: the MLP learns nothing. Otherwise the first curve of this K is drawn.
    const std::vector<const MeasuredCurve*> curves =
        first.n_items ? network.of(*first.n_items) : std::vector<const MeasuredCurve*>{};
    const bool has_theory = model == "minimal" && have_one_start(runs) && (!first.n_items || !curves.empty());
    const std::size_t n_courses = has_theory ? std::max<std::size_t>(1, curves.size()) : 0;
    for (std::size_t i = 0; i < n_courses; ++i) {
      const MeasuredCurve* curve = curves.empty() ? nullptr : curves[i];
      const Course course =
          course_of(first, start_of(first), curve != nullptr ? &curve->curves : nullptr, std::max(end, 1e-9));
      if (const auto time = acquisition_time(course)) predicted.push_back(iterations_at(first, *time));
      if (i > 0) continue;
      add_accuracy_course(theory, static_cast<double>(groups.size() + 1), first,
                          curve != nullptr ? seed_cell(*curve) : Cell(), course);
    }
    used.insert(used.end(), curves.begin(), curves.end());
    std::string words = "N = " + format_number(first.n_context) +
                        ", K = " + (first.n_items ? format_number(*first.n_items) : std::string("infinite")) + ": " +
                        std::to_string(n_acquired(runs)) + " of " + std::to_string(runs.size()) + " runs acquire";
    if (!measured.empty()) {
      words += ", t_ICL (median, range) " + format_estimate(range_of(measured)) + " SGD steps";
    }
    if (!predicted.empty()) words += ", theory " + format_estimate(range_of(predicted));
    numbers.push_back(words);
    groups.push_back(std::move(group));
  }
  if (!rises.empty()) {
    numbers.push_back("from 60 % to 95 % accuracy a run takes " + format_rounded(100.0 * *range_of(rises).value, 2) +
                      " % of its t_ICL (median of " + std::to_string(rises.size()) + " runs)");
  }
  const bool has_theory = !theory.rows.empty();
  FigureTables figure = figure_of(groups, std::move(theory), false);
  const std::string words =
      "Accuracy on novel items with a copy of the target in the context, against SGD steps; one line per run. Thin "
      "dots: chance. " +
      std::string(
          has_theory ? "Dashed: gradient flow on the exact loss (Eq. 21) in a closed loop with the memorization "
                       "curve of this K, from the runs' start; K infinite: c1 = 1/2 throughout. Logits of "
                       "novel items are taken as normal, as wide as those of the untrained MLP and those of "
                       "trained items together."
          : model == "minimal"
              ? "No line of theory: the runs start at different points, or there are no memorization curves of "
                "this network and K; `" +
                    curve_command(*chosen.front()) + "` makes some."
              : "No line of theory: the start of a transformer's attention is not a number that the theory has.");
  figure.caption =
      make_course_caption(id + ": in-context learning is acquired abruptly (Fig. " + paper_label + " of the paper)",
                          words, all_of(groups), copies_of(used), numbers, folder);
  return figure;
}

}  // namespace

FigureTables fig2d_tables(const std::filesystem::path& data, const FigureOptions& options) {
  return acquisition_tables("one-layer", "fig2d", "2d", data, options);
}

FigureTables fig3b_tables(const std::filesystem::path& data, const FigureOptions& options) {
  return acquisition_tables("minimal", "fig3b", "3b", data, options);
}

FigureTables figA8_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns folder = read_run_folder(data, {.trajectories = true, .skip_bad_files = options.skip_bad_files});
  std::vector<RunList> settings;
  for (const char* model : {"one-layer", "minimal", "two-layer"}) {
    for (RunList& runs : groups_of(candidates(runs_of_model(folder, model), false), Vary::nothing)) {
      settings.push_back(std::move(runs));
    }
  }
  if (settings.empty()) {
    throw missing_runs(data, "measured runs on balanced contexts",
                       "iclk simulate --labels balanced-context --items 2000 --context 50 --seed 0:8 --out DIR");
  }
  const RunList& chosen = largest_of(settings);
  const auto end_of = [](const MeasuredRun& run) {
    return run.number("end_icl_accuracy").value_or(run.trajectory.find("icl_accuracy")->back().value_or(0.0));
  };
  std::array<ColorGroup, 3> classes = {ColorGroup{"acquired", {}}, ColorGroup{"in between", {}},
                                       ColorGroup{"not acquired", {}}};
  for (std::size_t i = 0; i < std::min(chosen.size(), kMostBalanced); ++i) {
    const double end = end_of(*chosen[i]);
    classes[end >= kAcquired ? 0 : end >= kHalfway ? 1 : 2].runs.push_back(chosen[i]);
  }
  std::vector<ColorGroup> groups;
  std::vector<std::string> numbers;
  for (ColorGroup& group : classes) {
    numbers.push_back(group.label + ": " + std::to_string(group.runs.size()) + " of " +
                      std::to_string(std::min(chosen.size(), kMostBalanced)) + " runs");
    group.label += " (" + std::to_string(group.runs.size()) + ")";
    if (!group.runs.empty()) groups.push_back(std::move(group));
  }
  const MeasuredRun& first = *chosen.front();
  const std::string missing = no_balanced_course(first);
  Table theory{.part = "theory", .columns = kTableColumns, .rows = {}};
  if (missing.empty()) numbers.push_back(add_balanced_courses(theory, groups));
  FigureTables figure = figure_of(groups, std::move(theory), true);
  figure.caption = make_course_caption(
      "figA8: acquisition on balanced contexts (Fig. A.8 of the paper)",
      "Accuracy on novel items with a copy of the target in the context, against SGD steps; one line per run of the " +
          model_label(first.model) +
          ", trained on contexts with equally many labels of each kind. Colours: accuracy at the end at least 95 %, at "
          "least 75 %, below. " +
          (missing.empty()
               ? "Dashed, for up to two runs of each: gradient flow on the exact loss of balanced contexts (that of "
                 "which Eq. 9 is the first order in w) with c1 = 1/2 from the measured start of that run, and the "
                 "accuracy which it gives for items of this dimension and an MLP whose logits on novel items are "
                 "normal, as wide as the run's c1 and c3 say. Which way a run leaves the saddle at w = beta = 0 is "
                 "then not chance. Below the saddle, w < 0 and beta < 0, the other labels of a balanced context tell "
                 "that of the target too, as far as overlaps of items let them: runs that end in between."
               : "No line of theory: " + missing + "."),
      all_of(groups), {}, numbers, folder);
  return figure;
}

}  // namespace iclk::figures
