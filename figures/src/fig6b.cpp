#include <algorithm>
#include <cmath>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/outcome_figures.hpp"
#include "iclk/figures/prediction.hpp"
#include "iclk/fit/survival.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "outcome_theory.hpp"
#include "run_parts.hpp"

namespace iclk::figures {
namespace {

constexpr double kContextMargin = 1.35;  ///< factor around the measured N
constexpr double kTimeMargin = 1.3;      ///< the same for t_ICL
constexpr double kLegendLine = 0.05;     ///< of the axis, per line of the legend
constexpr double kContextSpread = 0.10;  ///< in ln N: the runs of one N lie side by side over this width

/// t at the share `share` of rising times, or nothing where so many never acquire.
std::optional<double> time_by_share(const std::vector<double>& rising, double share) {
  const auto i = static_cast<std::size_t>(share * static_cast<double>(rising.size()));
  const double time = rising[std::min(i, rising.size() - 1)];
  return std::isfinite(time) ? std::optional(time) : std::nullopt;
}

/// Runs, medians and laws of one figure.
struct Scaling {
  Table runs{.part = "",
             .columns = {"model", "n_context", "seed", "n_context_drawn", "t_icl", "t_censored", "source"},
             .rows = {}};
  Table medians{.part = "median",
                .columns = {"model", "n_context", "t_median", "t_low", "t_high", "n_runs", "n_acquired"},
                .rows = {}};
  Table laws{.part = "fit",
             .columns = {"n_context", "t_law", "model", "exponent", "exponent_low", "exponent_high"},
             .rows = {}};
  Table theory{.part = "theory",
               .columns = {"n_context", "t_accuracy", "t_accuracy_05", "t_accuracy_95", "t_flow", "t_leading"},
               .rows = {}};
  double n_low = HUGE_VAL, n_high = 0.0, t_low = HUGE_VAL, t_high = 0.0;

  void take(const std::optional<double>& t) {
    if (t && std::isfinite(*t) && *t > 0.0) t_low = std::min(t_low, *t), t_high = std::max(t_high, *t);
  }
};

void add_family(Scaling& scaling, const RunList& family, std::vector<std::string>& numbers) {
  const std::string& model = family.front()->model;
  std::vector<fit::MedianAtContext> medians;
  bool first = true;
  for (const RunList& place : groups_of(family, Vary::nothing)) {
    std::vector<fit::SurvivalRun> runs;
    const double n = place.front()->n_context;
    const auto n_runs = static_cast<double>(place.size());
    for (std::size_t i = 0; i < place.size(); ++i) {
      const MeasuredRun& run = *place[i];
      if (!(run.time > 0.0)) continue;  // in-context from the start
      runs.push_back({run.time, run.acquired});
      scaling.take(run.time);
      const double beside = n_runs > 1 ? static_cast<double>(i) / (n_runs - 1) - 0.5 : 0.0;
      add_row(scaling.runs,
              {model, n, seed_cell(run), n * std::exp(kContextSpread * beside), cell(run.t_icl()),
               run.acquired ? Cell() : Cell(run.time), run.file.string()},
              first ? 2 : 0);
      first = false;
    }
    if (runs.empty()) continue;
    const Estimate median = fit::survival_quantile(fit::kaplan_meier(runs));
    if (median.value) medians.push_back({n, *median.value});
    add_row(
        scaling.medians,
        {model, n, cell(median.value), cell(median.low), cell(median.high), n_runs,
         static_cast<double>(n_acquired(place))},
        scaling.medians.rows.empty() || std::get<std::string>(scaling.medians.rows.back().cells[0]) != model ? 2 : 0);
    for (const auto& t : {median.low, median.high}) scaling.take(t);
    scaling.n_low = std::min(scaling.n_low, n);
    scaling.n_high = std::max(scaling.n_high, n);
    numbers.push_back(model_label(model) + ", N = " + format_number(n) + ": median t_ICL = " + format_estimate(median) +
                      ", 95 % interval (" + std::to_string(n_acquired(place)) + " of " + std::to_string(place.size()) +
                      " runs acquired)");
  }
  const fit::MedianScaling law = fit::fit_median_scaling(medians);
  if (!law.exponent.value || !law.prefactor.value) return;
  int row = 0;
  for (const double n : {medians.front().context, medians.back().context}) {
    add_row(scaling.laws,
            {n, *law.prefactor.value * std::pow(n, *law.exponent.value), model, *law.exponent.value,
             cell(law.exponent.low), cell(law.exponent.high)},
            row++ == 0 ? 1 : 0);
  }
  numbers.push_back(model_label(model) + ": median t_ICL proportional to N^" + format_estimate(law.exponent) +
                    ", 95 % interval");
}

void add_theory(Scaling& scaling, const std::vector<RunList>& places, const MeasuredRun& run,
                std::vector<std::string>& numbers) {
  const theory::StartDistribution start = starts_of(run);
  for (const double n : theory_contexts(places)) {
    const double n_theory = theory_context(run, n);
    const std::vector<double> times = times_to_accuracy(run, n_theory);
    const std::optional<double> middle = middle_of(times);
    const double flow = theory::acquisition_integral_exact(n_theory, start.beta0_mean, start.w0_mean, kUntrainedC2);
    const double leading = theory::acquisition_integral_leading(n_theory, start.beta0_mean);
    add_row(scaling.theory,
            {n, cell(middle), cell(time_by_share(times, 0.05)), cell(time_by_share(times, 0.95)),
             std::isfinite(flow) ? Cell(flow) : Cell(), std::isfinite(leading) ? Cell(leading) : Cell()});
    for (const auto& t :
         {middle, time_by_share(times, 0.05), time_by_share(times, 0.95), std::optional(flow), std::optional(leading)})
      scaling.take(t);
  }
  for (std::size_t row = 0; row < scaling.medians.rows.size(); ++row) {
    if (std::get<std::string>(scaling.medians.rows[row].cells[0]) != run.model) continue;
    const double n = *scaling.medians.number(row, "n_context");
    const auto predicted = middle_of(times_to_accuracy(run, theory_context(run, n)));
    if (predicted)
      numbers.push_back("predicted median at N = " + format_number(n) + ": " + format_rounded(*predicted, 4) +
                        " (95 % accuracy, exact loss)");
  }
}

FigureTables tables_of_models(std::string_view id, std::string_view title, const std::vector<std::string_view>& models,
                              const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns found = drawn_runs(id, data, options, false, [&](const MeasuredRun& run) {
    return !run.n_items && std::find(models.begin(), models.end(), run.model) != models.end() &&
           !has_balanced_labels(run);
  });
  const std::vector<RunList> families = largest_by_model(all_runs(found.runs));
  RunCaption caption{.runs = {},
                     .n_left_out = found.runs.size(),
                     .curves = {},
                     .no_theory = {},
                     .numbers = {},
                     .problems = found.problems};
  Scaling scaling;
  std::vector<std::string> labels;
  for (const RunList& family : families) {
    caption.runs.insert(caption.runs.end(), family.begin(), family.end());
    caption.n_left_out -= family.size();
    labels.push_back(model_label(family.front()->model));
    add_family(scaling, family, caption.numbers);
  }
  if (scaling.runs.rows.empty()) {
    throw Error(Location{.file = data.string(), .line = {}, .field = "time"},
                "expected runs with a time above 0, found none");
  }
  const MeasuredRun& main = *families.front().front();
  caption.no_theory = untreated(main);
  if (caption.no_theory.empty()) add_theory(scaling, groups_of(families.front(), Vary::nothing), main, caption.numbers);

  FigureTables figure;
  bool has_censored = false, has_band = false;
  for (std::size_t row = 0; row < scaling.runs.rows.size(); ++row) {
    has_censored |= scaling.runs.number(row, "t_censored").has_value();
  }
  const theory::StartDistribution start = starts_of(main);
  has_band = start.beta0_sd > 0.0 || start.w0_sd > 0.0;
  const double legend_lines = 2.0 + static_cast<double>(families.size()) + (scaling.theory.rows.empty() ? 0.0 : 3.0) +
                              (has_censored ? 1.0 : 0.0);
  figure.numbers = {{"n_models", static_cast<double>(families.size())},
                    {"has_theory", scaling.theory.rows.empty() ? 0.0 : 1.0},
                    {"has_band", has_band ? 1.0 : 0.0},
                    {"has_censored", has_censored ? 1.0 : 0.0}};
  figure.texts.emplace_back("model_labels", quoted_words(labels));
  figure.tables = {std::move(scaling.runs), std::move(scaling.medians), std::move(scaling.laws),
                   std::move(scaling.theory)};
  add_log_axis(figure, "n", scaling.n_low / kContextMargin, scaling.n_high * kContextMargin);
  add_log_axis(figure, "t", scaling.t_low / kTimeMargin,
               scaling.t_high * legend_room(scaling.t_low / kTimeMargin, scaling.t_high, kLegendLine * legend_lines));
  const bool transformer = main.model != "minimal";
  figure.caption = make_run_caption(
      title,
      "t_ICL, the time at which 95 % of novel items are answered, of every run with an infinite number of items, "
      "against "
      "the number of exemplars N (runs of one N side by side; open triangles: runs that had not acquired when they "
      "ended). Large marks: Kaplan-Meier medians with their 95 % intervals. Thin grey: power laws through the medians. "
      "Solid line: the same time predicted with the exact loss of this N and D and an MLP that does not memorize" +
          std::string(has_band ? ", its median and from 5 to 95 % of the starts (band)" : "") +
          ". Dashed: blow-up of Eqs. 7-8. Dotted: leading order, Eq. 11. Nothing is fitted to the runs in these "
          "three." +
          (transformer
               ? " The theory is that of the minimal model started at beta = w = 0: for a transformer it predicts "
                 "how t_ICL grows with N, not its size."
               : ""),
      caption);
  return figure;
}

}  // namespace

FigureTables fig6b_tables(const std::filesystem::path& data, const FigureOptions& options) {
  return tables_of_models("fig6b", "fig6b: acquisition time against context length (Fig. 6b of the paper)",
                          {"minimal", "one-layer"}, data, options);
}

FigureTables figA5_tables(const std::filesystem::path& data, const FigureOptions& options) {
  return tables_of_models("figA5", "figA5: acquisition time of two-layer transformers (Fig. A.5 of the paper)",
                          {"two-layer"}, data, options);
}

}  // namespace iclk::figures
