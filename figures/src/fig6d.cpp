#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "figure_parts.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/trajectory_figures.hpp"
#include "iclk/theory/loss_relation.hpp"
#include "run_course.hpp"
#include "run_parts.hpp"
#include "run_series.hpp"

namespace iclk::figures {
namespace {

constexpr std::size_t kMostSettings = 4;
constexpr std::size_t kMostLossSamples = 120;  ///< of a run
constexpr int kRelationPoints = 121;
constexpr std::array<std::string_view, 4> kLossColumns = {"iteration", "time", "icl_loss", "iwl_loss"};
constexpr double kSmallest = 1e-6;  ///< loss below which nothing is drawn: beyond what a test of thousands resolves

/// One panel: the runs of one model that acquire in-context learning and lose it, by setting.
struct Panel {
  std::string model;
  std::vector<RunList> settings;  ///< rising decay
};

/// Runs that lost in-context learning for at least one measurement.
bool has_lost_accuracy(const MeasuredRun* run) { return run->acquired && run->number("t_accuracy_fade"); }

std::vector<Panel> panels_of(const MeasuredRuns& folder) {
  std::vector<Panel> panels;
  for (const char* model : {"one-layer", "minimal", "two-layer"}) {
    RunList faded;
    for (const MeasuredRun* run : runs_of_model(folder, model)) {
      if (run->n_items && has_random_labels(*run) && has_columns(*run, kLossColumns) && has_lost_accuracy(run)) {
        faded.push_back(run);
      }
    }
    const std::vector<RunList> series = groups_of(faded, Vary::attention_decay);
    if (series.empty()) continue;
    Panel panel{model, groups_of(largest_of(series), Vary::nothing)};
    std::stable_sort(panel.settings.begin(), panel.settings.end(),
                     [](const RunList& a, const RunList& b) { return decay_of(*a.front()) < decay_of(*b.front()); });
    while (panel.settings.size() > kMostSettings) {  // thin out, keeping both ends
      for (std::size_t i = 1; i + 1 < panel.settings.size() && panel.settings.size() > kMostSettings; ++i) {
        panel.settings.erase(panel.settings.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    panels.push_back(std::move(panel));
  }
  if (panels.size() > 2) panels.resize(2);
  return panels;
}

/// Losses as the figure draws them: both, and worth drawing.
bool is_drawn(double icl, double iwl) { return icl >= kSmallest && iwl >= kSmallest && std::isfinite(icl + iwl); }

void add_loss_points(Table& table, double panel, double group, const MeasuredRun& run) {
  std::array<const std::vector<std::optional<double>>*, kLossColumns.size()> columns{};
  for (std::size_t i = 0; i < kLossColumns.size(); ++i) columns[i] = run.trajectory.find(kLossColumns[i]);
  std::vector<double> times;
  for (const auto& time : *columns[1]) times.push_back(time.value_or(0.0));
  int blank_lines = 2;
  for (const std::size_t row : drawn_samples(times, 4 * kMostLossSamples)) {
    const auto& icl = (*columns[2])[row];
    const auto& iwl = (*columns[3])[row];
    if (times[row] < run.time || !icl || !iwl || !is_drawn(*icl, *iwl)) continue;
    add_row(table,
            {panel, group, run.model, run.identity, seed_cell(run), decay_of(run), cell((*columns[0])[row]), times[row],
             *icl, *iwl},
            blank_lines);
    blank_lines = 0;
  }
}

/// Relations between the two losses that hold whatever the training: a line per form.
Table relation_lines(double low, double high) {
  Table table{.part = "relation", .columns = {"form", "icl_loss", "iwl_loss"}, .rows = {}};
  const auto add = [&](double form, const auto& point) {
    int blank_lines = 2;
    for (int i = 0; i < kRelationPoints; ++i) {
      const double loss = low * std::pow(high / low, static_cast<double>(i) / (kRelationPoints - 1));
      const auto [icl, iwl] = point(loss);
      if (!is_drawn(icl, iwl)) continue;
      add_row(table, {form, icl, iwl}, blank_lines);
      blank_lines = 0;
    }
  };
  using Point = std::pair<double, double>;
  const double nothing = std::numeric_limits<double>::quiet_NaN();
  const double chance = std::log(2.0);
  // Each of Eqs. 46 and 47 on its side of the diagonal.
  const auto above = [&](Point at) { return at.second >= at.first ? at : Point{nothing, nothing}; };
  const auto below = [&](Point at) { return at.first >= at.second ? at : Point{nothing, nothing}; };
  add(1, [&](double l) { return above({l, theory::iwl_loss_leading(l)}); });
  add(1, [&](double l) { return below({theory::icl_loss_leading(l), l}); });
  add(2, [&](double l) { return l <= chance ? Point{l, theory::iwl_loss_from_icl(l)} : Point{nothing, nothing}; });
  add(2, [&](double l) { return l <= chance ? Point{theory::icl_loss_from_iwl(l), l} : Point{nothing, nothing}; });
  return table;
}

/// Losses along the course that theory predicts for a run: two logits +-xi of the MLP, attention on the copy in the one
/// test and spread evenly over the context in the other.
void add_loss_course(Table& table, double panel, double group, const MeasuredRun& run, const Course& course) {
  std::vector<double> times;
  std::vector<const CoursePoint*> points;
  for (const CoursePoint& point : course.points) {
    if (!course.t_attention_half || point.time < *course.t_attention_half) continue;
    times.push_back(point.time);
    points.push_back(&point);
  }
  if (points.size() < 2) return;
  int blank_lines = 2;
  for (const std::size_t i : drawn_samples(times, kMostLossSamples)) {
    const CoursePoint& point = *points[i];
    const double xi = std::max(0.0, -point.log_c3);
    const double attention = 1.0 / (1.0 + (course.n_context - 1.0) * std::exp(-point.beta));
    const double icl = theory::two_point_losses(point.w * attention, xi).icl;
    const double iwl =
        theory::uniform_attention_iwl_loss(course.n_context, point.w, {.signed_logits = {xi}, .weights = {}});
    if (!is_drawn(icl, iwl)) continue;
    add_row(table, {panel, group, decay_of(run), point.time, point.w, xi, icl, iwl}, blank_lines);
    blank_lines = 0;
  }
}

/// How far a form of Eq. 46 is from what was measured while ICL is good: median of the ratio prediction/measurement.
std::optional<double> ratio_to(const Table& points, double panel, double (*iwl_from_icl)(double)) {
  constexpr double kGood = 0.1;  ///< ICL loss below which Eq. 46 is meant to hold
  std::vector<double> ratios;
  for (std::size_t row = 0; row < points.rows.size(); ++row) {
    if (std::abs(*points.number(row, "panel") - panel) > 0.5 || *points.number(row, "icl_loss") > kGood) continue;
    ratios.push_back(iwl_from_icl(*points.number(row, "icl_loss")) / *points.number(row, "iwl_loss"));
  }
  return range_of(ratios).value;
}

}  // namespace

FigureTables fig6d_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns folder = read_run_folder(data, {.trajectories = true, .skip_bad_files = options.skip_bad_files});
  const std::vector<Panel> panels = panels_of(folder);
  if (panels.empty()) {
    throw missing_runs(data, "measured runs that acquire in-context learning and lose it again",
                       "iclk simulate --items 2000 --context 50 --lambda-w 0.001 --seed 0:4 --out DIR");
  }
  Table points{
      .part = "",
      .columns = {"panel", "group", "model", "run", "seed", "decay", "iteration", "time", "icl_loss", "iwl_loss"},
      .rows = {}};
  Table courses{
      .part = "course", .columns = {"panel", "group", "decay", "time", "w", "xi", "icl_loss", "iwl_loss"}, .rows = {}};
  FigureTables figure;
  RunList drawn;
  std::vector<std::string> numbers;
  std::vector<MeasuredCurve> behind;
  std::array<std::pair<double, double>, 2> drawn_range = {{{0.3, 1.0}, {0.3, 1.0}}};  // of the ICL and the IWL loss
  for (std::size_t p = 0; p < panels.size(); ++p) {
    const Panel& panel = panels[p];
    const auto panel_number = static_cast<double>(p + 1);
    const MeasuredRun& first = *panel.settings.front().front();
    const NetworkCurves network =
        panel.model == "minimal" ? NetworkCurves(data, first, options, folder) : NetworkCurves();
    std::string labels;
    for (std::size_t g = 0; g < panel.settings.size(); ++g) {
      const RunList& runs = panel.settings[g];
      double t_end = 0.0;
      for (const MeasuredRun* run : runs) {
        add_loss_points(points, panel_number, static_cast<double>(g + 1), *run);
        t_end = std::max(t_end, run->trajectory.find("time")->back().value_or(0.0));
        drawn.push_back(run);
      }
      labels += (g > 0 ? "|" : "") + format_number(decay_of(*runs.front()));
      const auto curves = network.of(*first.n_items);
      if (curves.empty()) continue;
      add_loss_course(courses, panel_number, static_cast<double>(g + 1), *runs.front(),
                      course_of(*runs.front(), start_of(*runs.front()), &curves.front()->curves, t_end));
      if (g == 0) behind.push_back(*curves.front());
    }
    const std::string number = std::to_string(p + 1);
    figure.texts.emplace_back("title_" + number, model_label(panel.model));
    figure.texts.emplace_back("labels_" + number, labels);
    figure.texts.emplace_back("decay_" + number, panel.model == "minimal" ? "{/:Italic λ_w}" : "decay");
    figure.numbers.emplace_back("n_groups_" + number, static_cast<double>(panel.settings.size()));
    for (const auto& [name, form] : {std::pair{"Eq. 46", &theory::iwl_loss_leading},
                                     std::pair{"the exact two-point relation", &theory::iwl_loss_from_icl}}) {
      const auto ratio = ratio_to(points, panel_number, form);
      if (!ratio) continue;
      numbers.push_back(model_label(panel.model) + ": while the ICL loss is below 0.1, " + name +
                        " gives an IWL loss of " + format_rounded(*ratio, 3) + " times the measured one (median)");
    }
  }
  for (const Table* table : {&points, &courses}) {
    for (std::size_t row = 0; row < table->rows.size(); ++row) {
      for (const auto& [column, i] : {std::pair{"icl_loss", 0U}, std::pair{"iwl_loss", 1U}}) {
        auto& [low, high] = drawn_range[i];
        low = std::min(low, *table->number(row, column));
        high = std::max(high, *table->number(row, column));
      }
    }
  }
  const bool has_course = !courses.rows.empty();
  figure.tables = {std::move(points), std::move(courses), relation_lines(1e-5, 20.0)};
  figure.numbers.emplace_back("n_panels", static_cast<double>(panels.size()));
  figure.numbers.emplace_back("has_course", has_course ? 1.0 : 0.0);
  if (panels.size() == 1) figure.numbers.emplace_back("width", 3.4);
  add_log_axis(figure, "icl", drawn_range[0].first, drawn_range[0].second, 1.5);
  add_log_axis(figure, "iwl", drawn_range[1].first, drawn_range[1].second, 1.5);
  figure.caption = make_course_caption(
      "fig6d: ICL loss against IWL loss after acquisition (Fig. 6d of the paper)",
      "Points: every measurement after t_ICL of runs that lose in-context learning again, shaded by the decay of "
      "attention; time runs from the upper left to the lower right. Dashed: Eqs. 46 and 47 (Eq. 16) as printed. Solid: "
      "the "
      "exact two-point relation, with an MLP that knows nothing (upper left) and with attention that has faded (lower "
      "right). Both suppose that attention without a copy of the target condenses on one random item." +
          std::string(has_course
                          ? " Dotted: attention spread evenly over the context, as for orthogonal items, along the "
                            "course of w and of the MLP's logits that the closed loop predicts for each decay."
                          : " The form for orthogonal items needs memorization curves of the minimal model's "
                            "network and K, which are not there."),
      drawn, behind, numbers, folder);
  return figure;
}

}  // namespace iclk::figures
