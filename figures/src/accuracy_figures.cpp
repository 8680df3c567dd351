#include <algorithm>
#include <cmath>
#include <map>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/outcome_figures.hpp"
#include "iclk/fit/sigmoid.hpp"
#include "outcome_theory.hpp"
#include "run_parts.hpp"

namespace iclk::figures {
namespace {

constexpr double kItemSpread = 0.12;  ///< in ln K: the runs of one K lie side by side over this width
constexpr int kCurvePoints = 61;

struct Accuracy {
  std::string_view id, title, model;
  bool icl = false, iwl = false;
};

std::optional<double> end_icl(const MeasuredRun& run) { return run.number("end_icl_accuracy"); }
std::optional<double> end_iwl(const MeasuredRun& run) { return run.number("end_iwl_accuracy"); }

/// K at which the run `i` of n of one K is drawn.
double beside(double n_items, std::size_t i, std::size_t n) {
  return n_items * (n > 1 ? std::exp(kItemSpread * (static_cast<double>(i) / static_cast<double>(n - 1) - 0.5)) : 1.0);
}

std::optional<double> average_of(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// The lines of K* that the curves predict, or why there are none.
struct PredictedThreshold {
  Estimate exact_loss, flow;
  std::vector<MeasuredCurve> curves;
};

PredictedThreshold predicted_threshold(const std::filesystem::path& data, const MeasuredRun& run, double n_context,
                                       const FigureOptions& options, RunCaption& caption) {
  PredictedThreshold result;
  result.curves = curves_like(data, run, options.skip_bad_files ? &caption.problems : nullptr);
  const NetworkTheory network(result.curves, run);
  caption.no_theory = untreated(run);
  if (caption.no_theory.empty() && !network.known()) {
    caption.no_theory = "theory: there are no memorization curves at two K or more of this network (" +
                        network_of(run) + "); `" + curve_command(run) + "` makes them";
  }
  if (!caption.no_theory.empty()) return result;
  const double n_theory = theory_context(run, n_context);
  result.exact_loss = network.k_star(ThresholdLevel::exact_loss, n_theory);
  result.flow = network.k_star(ThresholdLevel::flow, n_theory);
  caption.numbers.push_back("predicted K* at N = " + format_number(n_context) + ": " +
                            format_estimate(result.exact_loss) + " (exact loss), " + format_estimate(result.flow) +
                            " (Eqs. 7-8), 95 % intervals");
  return result;
}

FigureTables accuracy_tables(const Accuracy& what, const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns found = drawn_runs(what.id, data, options, false, [&](const MeasuredRun& run) {
    return run.model == what.model && run.n_items && !has_balanced_labels(run) && (!what.icl || end_icl(run)) &&
           (!what.iwl || end_iwl(run));
  });
  const RunList family = largest_of(groups_of(all_runs(found.runs), Vary::size));
  const std::vector<RunList> places = groups_of(family, Vary::nothing);
  const double n_context = drawn_context(places, options.n_context);

  RunCaption caption{.runs = {},
                     .n_left_out = found.runs.size(),
                     .curves = {},
                     .no_theory = {},
                     .numbers = {},
                     .problems = found.problems};
  Table runs{.part = "",
             .columns = {"n_items", "seed", "n_items_drawn", "icl_accuracy", "iwl_accuracy", "acquired", "source"},
             .rows = {}};
  Table means{
      .part = "mean", .columns = {"n_items", "icl_accuracy", "iwl_accuracy", "n_runs", "n_acquired"}, .rows = {}};
  double k_low = HUGE_VAL, k_high = 0.0;
  for (const RunList& at : places) {
    const MeasuredRun& first = *at.front();
    if (first.n_context < n_context || first.n_context > n_context) continue;
    const double n_items = *first.n_items;
    std::vector<double> icl, iwl;
    for (std::size_t i = 0; i < at.size(); ++i) {
      const MeasuredRun& run = *at[i];
      caption.runs.push_back(&run);
      if (end_icl(run)) icl.push_back(*end_icl(run));
      if (end_iwl(run)) iwl.push_back(*end_iwl(run));
      add_row(runs, {n_items, seed_cell(run), beside(n_items, i, at.size()), cell(end_icl(run)), cell(end_iwl(run)),
                     run.acquired ? 1.0 : 0.0, run.file.string()});
    }
    add_row(means, {n_items, cell(average_of(icl)), cell(average_of(iwl)), static_cast<double>(at.size()),
                    static_cast<double>(n_acquired(at))});
    k_low = std::min(k_low, n_items);
    k_high = std::max(k_high, n_items);
  }
  caption.n_left_out -= caption.runs.size();

  const PredictedThreshold predicted = predicted_threshold(data, *family.front(), n_context, options, caption);
  if (predicted.exact_loss.value) caption.curves = predicted.curves;
  Table threshold{.part = "threshold", .columns = {"k_star", "k_star_low", "k_star_high", "k_star_flow"}, .rows = {}};
  FigureTables figure;
  const bool has_theory = predicted.exact_loss.value.has_value();
  if (has_theory) {
    const double k = *predicted.exact_loss.value;
    add_row(threshold,
            {k, cell(predicted.exact_loss.low), cell(predicted.exact_loss.high), cell(predicted.flow.value)});
    k_low = std::min(k_low, k);
    k_high = std::max(k_high, k);
  }
  figure.tables = {std::move(runs), std::move(means), std::move(threshold)};
  add_log_axis(figure, "k", k_low / kItemMargin, k_high * kItemMargin);
  const double k = predicted.exact_loss.value.value_or(k_low);
  const auto inside = [&](double end) { return std::clamp(end, k_low / kItemMargin, k_high * kItemMargin); };
  figure.numbers.insert(figure.numbers.end(), {{"has_theory", has_theory ? 1.0 : 0.0},
                                               {"theory_k", k},
                                               {"theory_k_low", inside(predicted.exact_loss.low.value_or(k))},
                                               {"theory_k_high", inside(predicted.exact_loss.high.value_or(k))},
                                               {"show_icl", what.icl ? 1.0 : 0.0},
                                               {"show_iwl", what.iwl ? 1.0 : 0.0},
                                               {"n_context", n_context}});
  figure.texts.emplace_back("run_label", model_label(what.model));
  figure.caption = make_run_caption(
      what.title,
      std::string("Accuracy at the end of every run against the number of items K, N = ") + format_number(n_context) +
          ", the runs of one K side by side; lines join their means. " +
          (what.icl ? "In-context learning: novel items with a copy of the target. " : "") +
          (what.iwl ? "In-weights learning: training items without a copy of the target. " : "") +
          "Runs that stop at acquisition or at memorization end there. Vertical line and band: K* predicted from the "
          "memorization curves alone (iclk predict, exact loss at this N) with its 95 % interval" +
          (what.model == "minimal" ? "." : "; the theory is that of the minimal model started at beta = w = 0."),
      caption);
  return figure;
}

}  // namespace

FigureTables fig2b_tables(const std::filesystem::path& data, const FigureOptions& options) {
  return accuracy_tables({.id = "fig2b",
                          .title = "fig2b: in-context learning against K, one-layer transformer (Fig. 2b of the paper)",
                          .model = "one-layer",
                          .icl = true,
                          .iwl = false},
                         data, options);
}

FigureTables fig2c_tables(const std::filesystem::path& data, const FigureOptions& options) {
  return accuracy_tables({.id = "fig2c",
                          .title = "fig2c: in-weights learning against K, one-layer transformer (Fig. 2c of the paper)",
                          .model = "one-layer",
                          .icl = false,
                          .iwl = true},
                         data, options);
}

FigureTables fig3a_tables(const std::filesystem::path& data, const FigureOptions& options) {
  return accuracy_tables({.id = "fig3a",
                          .title = "fig3a: both accuracies against K, minimal model (Fig. 3a of the paper)",
                          .model = "minimal",
                          .icl = true,
                          .iwl = true},
                         data, options);
}

FigureTables figA7_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns found = drawn_runs("figA7", data, options, false, [](const MeasuredRun& run) {
    return run.n_items && !has_balanced_labels(run) && end_icl(run);
  });
  const RunList family = largest_of(groups_of(all_runs(found.runs), Vary::size));
  RunCaption caption{.runs = family,
                     .n_left_out = found.runs.size() - family.size(),
                     .curves = {},
                     .no_theory = {},
                     .numbers = {},
                     .problems = found.problems};
  std::map<double, std::vector<RunList>> contexts;
  for (RunList& at : groups_of(family, Vary::nothing)) contexts[at.front()->n_context].push_back(std::move(at));
  while (contexts.size() > kMostPanels) {  // those with the fewest K
    const auto fewest = std::min_element(contexts.begin(), contexts.end(), [](const auto& a, const auto& b) {
      return a.second.size() < b.second.size();
    });
    caption.numbers.push_back("not drawn: N = " + format_number(fewest->first));
    contexts.erase(fewest);
  }

  const std::vector<MeasuredCurve> curves =
      curves_like(data, *family.front(), options.skip_bad_files ? &caption.problems : nullptr);
  const NetworkTheory network(curves, *family.front());
  caption.no_theory = untreated(*family.front());
  if (caption.no_theory.empty() && !network.known()) {
    caption.no_theory = "theory: there are no memorization curves at two K or more of this network (" +
                        network_of(*family.front()) + "); `" + curve_command(*family.front()) + "` makes them";
  }
  const bool has_theory = caption.no_theory.empty();
  if (has_theory) caption.curves = curves;

  Table runs{.part = "", .columns = {"n_context", "n_items", "seed", "n_items_drawn", "icl_accuracy"}, .rows = {}};
  Table lines{.part = "sigmoid", .columns = {"n_context", "n_items", "accuracy"}, .rows = {}};
  Table thresholds{.part = "threshold",
                   .columns = {"n_context", "k_sigmoid", "k_sigmoid_low", "k_sigmoid_high", "k_predicted",
                               "k_predicted_low", "k_predicted_high", "outcome"},
                   .rows = {}};
  std::vector<std::string> labels;
  double k_low = HUGE_VAL, k_high = 0.0;
  for (const auto& [n_context, places] : contexts) {
    k_low = std::min(k_low, *places.front().front()->n_items);
    k_high = std::max(k_high, *places.back().front()->n_items);
  }
  for (const auto& [n_context, places] : contexts) {
    std::vector<fit::AccuracyPoint> points;
    bool first = true;
    for (const RunList& at : places) {
      const double n_items = *at.front()->n_items;
      for (std::size_t i = 0; i < at.size(); ++i) {
        const MeasuredRun& run = *at[i];
        points.push_back({n_items, std::clamp(*end_icl(run), 0.0, 1.0)});
        add_row(runs, {n_context, n_items, seed_cell(run), beside(n_items, i, at.size()), *end_icl(run)},
                first ? 2 : 0);
        first = false;
      }
    }
    const fit::SigmoidFit sigmoid = fit::fit_sigmoid(points);
    const bool drawn = sigmoid.k_star.value && sigmoid.slope.value && sigmoid.floor.value && sigmoid.rise.value;
    const double first_k = *places.front().front()->n_items, last_k = *places.back().front()->n_items;
    for (int i = 0; i < kCurvePoints; ++i) {
      const double k = first_k * std::pow(last_k / first_k, static_cast<double>(i) / (kCurvePoints - 1));
      const auto accuracy = [&] {
        return *sigmoid.floor.value +
               *sigmoid.rise.value / (1.0 + std::exp(-*sigmoid.slope.value * std::log10(k / *sigmoid.k_star.value)));
      };
      add_row(lines, {n_context, k, cell(drawn ? std::optional(accuracy()) : std::nullopt)}, i == 0 ? 2 : 0);
    }
    const Estimate predicted =
        has_theory ? network.k_star(ThresholdLevel::exact_loss, theory_context(*family.front(), n_context))
                   : Estimate{};
    add_row(thresholds,
            {n_context, cell(sigmoid.k_star.value), cell(sigmoid.k_star.low), cell(sigmoid.k_star.high),
             cell(predicted.value), cell(predicted.low), cell(predicted.high), std::string(name(sigmoid.outcome))});
    labels.push_back(format_number(n_context));
    caption.numbers.push_back("N = " + format_number(n_context) +
                              ": K* of the sigmoid = " + format_estimate(sigmoid.k_star) + " (" +
                              std::string(name(sigmoid.outcome)) + "), predicted " + format_estimate(predicted));
  }

  FigureTables figure;
  figure.numbers = {{"n_panels", static_cast<double>(contexts.size())}, {"has_theory", has_theory ? 1.0 : 0.0}};
  figure.texts.emplace_back("panel_labels", quoted_words(labels));
  figure.tables = {std::move(runs), std::move(lines), std::move(thresholds)};
  add_log_axis(figure, "k", k_low / kItemMargin, k_high * kItemMargin);
  figure.caption =
      make_run_caption("figA7: in-context learning against K for each N (Fig. A.7 of the paper)",
                       "ICL accuracy at the end of every run against the number of items K, a panel for each N; the "
                       "runs of one K side by "
                       "side. Line: sigmoid in log10 K fitted by least squares, its middle is the paper's K*. Vertical "
                       "dashes: K* predicted "
                       "from the memorization curves alone (iclk predict, exact loss at this N).",
                       caption);
  return figure;
}

}  // namespace iclk::figures
