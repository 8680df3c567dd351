#include <algorithm>
#include <cmath>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/outcome_figures.hpp"
#include "iclk/fit/binary_threshold.hpp"
#include "outcome_theory.hpp"
#include "run_parts.hpp"

namespace iclk::figures {
namespace {

constexpr double kThresholdMargin = 1.3;  ///< factor around the measured N and K*

std::vector<fit::RunOutcome> outcomes_by_context(const RunList& runs) {
  std::vector<fit::RunOutcome> outcomes;
  for (const MeasuredRun* run : runs) outcomes.push_back({*run->n_items, run->acquired, run->n_context});
  return outcomes;
}

void add_threshold(Table& table, const std::string& model, const fit::ContextThreshold& at, int blank_lines) {
  const Estimate& k_star = at.fit.k_star;
  const bool is_point = k_star.value.has_value();
  add_row(
      table,
      {model, at.n_context, cell(k_star.value), is_point ? cell(k_star.low) : Cell(),
       is_point ? cell(k_star.high) : Cell(), is_point ? Cell() : cell(k_star.low),
       is_point ? Cell() : cell(k_star.high), static_cast<double>(at.fit.n_runs),
       static_cast<double>(at.fit.n_acquired), static_cast<double>(at.fit.n_levels), std::string(name(at.fit.outcome))},
      blank_lines);
}

/// "K* = 40 [38, 42], 95 % interval (separated, 20 of 42 runs acquired)".
std::string threshold_text(const fit::ThresholdFit& fit) {
  return "K* = " + (fit.k_star.value ? format_estimate(fit.k_star) + ", 95 % interval" : "no value") + " (" +
         std::string(name(fit.outcome)) + ", " + std::to_string(fit.n_acquired) + " of " + std::to_string(fit.n_runs) +
         " runs acquired)";
}

std::string exponent_text(const fit::ThresholdScaling& scaling) {
  const Estimate& exponent = scaling.exponent.value ? scaling.exponent : scaling.two_stage.exponent;
  return exponent.value ? format_estimate(exponent) : "not determined";
}

}  // namespace

FigureTables fig6a_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns found = drawn_runs("fig6a", data, options, false, [](const MeasuredRun& run) {
    return run.n_items && run.text("labels") != "balanced-context" &&
           run.text("labels") != "balanced-context-with-target";
  });
  const std::vector<RunList> families = largest_by_model(all_runs(found.runs));
  RunCaption caption{.runs = {},
                     .n_left_out = found.runs.size(),
                     .curves = {},
                     .no_theory = {},
                     .numbers = {},
                     .problems = found.problems};

  Table measured{.part = "",
                 .columns = {"model", "n_context", "k_star", "k_star_low", "k_star_high", "k_above", "k_below",
                             "n_runs", "n_acquired", "n_levels", "outcome"},
                 .rows = {}};
  Table by_attention{.part = "attention", .columns = measured.columns, .rows = {}};
  Table fitted{.part = "fit", .columns = {"n_context", "k_star", "model"}, .rows = {}};
  Table scaling{
      .part = "scaling",
      .columns = {"model", "exponent", "exponent_low", "exponent_high", "prefactor", "lack_of_fit_p", "outcome"},
      .rows = {}};
  std::vector<std::string> labels;
  std::string law_label;
  double n_low = HUGE_VAL, n_high = 0.0, k_low = HUGE_VAL, k_high = 0.0;
  const auto take = [&](const std::optional<double>& k) {
    if (k) k_low = std::min(k_low, *k), k_high = std::max(k_high, *k);
  };
  std::vector<double> main_contexts;
  for (std::size_t f = 0; f < families.size(); ++f) {
    const RunList& family = families[f];
    const std::string& model = family.front()->model;
    caption.runs.insert(caption.runs.end(), family.begin(), family.end());
    caption.n_left_out -= family.size();
    const fit::ThresholdScaling all = fit::fit_threshold_scaling(outcomes_by_context(family));
    labels.push_back(model_label(model));
    for (std::size_t i = 0; i < all.contexts.size(); ++i) {
      const auto& [n_context, fit] = all.contexts[i];
      add_threshold(measured, model, all.contexts[i], i == 0 ? 2 : 0);
      n_low = std::min(n_low, n_context);
      n_high = std::max(n_high, n_context);
      for (const auto& k : {fit.k_star.value, fit.k_star.low, fit.k_star.high}) take(k);
      if (f == 0) main_contexts.push_back(n_context);
      caption.numbers.push_back(model_label(model) + ", N = " + format_number(n_context) + ": " + threshold_text(fit));
    }
    add_row(scaling, {model, cell(all.exponent.value), cell(all.exponent.low), cell(all.exponent.high),
                      cell(all.prefactor), cell(all.lack_of_fit_p), std::string(name(all.outcome))});
    if (all.contexts.size() > 1) {
      caption.numbers.push_back(model_label(model) + ": exponent of K*(N) = " + exponent_text(all) +
                                ", 95 % interval (" + std::string(name(all.outcome)) + ")");
    }
    if (all.exponent.value && all.prefactor) {
      if (law_label.empty()) law_label = format_estimate(all.exponent);
      int row = 0;
      for (const double n : {all.contexts.front().n_context, all.contexts.back().n_context}) {
        add_row(fitted, {n, *all.prefactor * std::pow(n, *all.exponent.value), model}, row++ == 0 ? 1 : 0);
      }
    }
  }

  Table theory{.part = "theory",
               .columns = {"n_context", "k_exact_loss", "k_exact_loss_low", "k_exact_loss_high", "k_closed_loop",
                           "k_closed_loop_low", "k_closed_loop_high", "k_flow", "k_leading"},
               .rows = {}};
  const RunList& main = families.front();
  const MeasuredRun& first = *main.front();
  const std::vector<MeasuredCurve> curves =
      curves_like(data, first, options.skip_bad_files ? &caption.problems : nullptr);
  const NetworkTheory network(curves, first);
  caption.no_theory = untreated(first);
  if (caption.no_theory.empty() && !network.known()) {
    caption.no_theory = "theory: there are no memorization curves at two K or more of this network (" +
                        network_of(first) + "); `" + curve_command(first) + "` makes them";
  }
  const std::vector<fit::ContextThreshold> attention = fit::fit_threshold_scaling(attention_outcomes(main)).contexts;
  for (const fit::ContextThreshold& at : attention) {
    add_threshold(by_attention, first.model, at, 0);
    for (const auto& k : {at.fit.k_star.value, at.fit.k_star.low, at.fit.k_star.high}) take(k);
    caption.numbers.push_back("half of the attention on the copy, N = " + format_number(at.n_context) + ": " +
                              threshold_text(at.fit));
  }
  std::optional<ClosedLoopThreshold> closed_loop;
  double axis_low = n_low / kThresholdMargin, axis_high = n_high * kThresholdMargin;
  if (caption.no_theory.empty()) {
    caption.curves = curves;
    closed_loop.emplace(curves, main);
    for (const double n : theory_contexts(groups_of(main, Vary::nothing))) {
      const double n_theory = theory_context(first, n);
      const Estimate exact_loss = network.k_star(ThresholdLevel::exact_loss, n_theory);
      const Estimate corrected = closed_loop->k_star(n_theory);
      const Estimate flow = network.k_star(ThresholdLevel::flow, n_theory);
      const Estimate leading = network.k_star(ThresholdLevel::leading, n_theory);
      add_row(theory, {n, cell(exact_loss.value), cell(exact_loss.low), cell(exact_loss.high), cell(corrected.value),
                       cell(corrected.low), cell(corrected.high), cell(flow.value), cell(leading.value)});
      for (const auto& k : {exact_loss.value, corrected.value, flow.value, leading.value}) take(k);
    }
    for (const double n : main_contexts) {
      const Estimate corrected = closed_loop->k_star(theory_context(first, n));
      if (!corrected.value) continue;
      caption.numbers.push_back("N = " + format_number(n) +
                                ": predicted with closed loop and finite K, K* = " + format_estimate(corrected));
    }
    if (network.law().exponent.value) {
      caption.numbers.push_back("nu of the curves = " + format_estimate(network.law().exponent) +
                                ", 1/nu = " + format_rounded(1.0 / *network.law().exponent.value, 3));
    }
    if (theory.rows.size() > 1) {
      const auto slope_of = [&](const char* column) -> std::string {
        const auto low = theory.number(0, column), high = theory.number(theory.rows.size() - 1, column);
        if (!low || !high) return "not determined";
        return format_rounded(std::log(*high / *low) / std::log(*theory.number(theory.rows.size() - 1, "n_context") /
                                                                *theory.number(0, "n_context")),
                              3);
      };
      caption.numbers.push_back("predicted exponent between the ends: exact loss " + slope_of("k_exact_loss") +
                                ", Eqs. 7-8 " + slope_of("k_flow") + ", leading order " + slope_of("k_leading"));
    }
  }
  if (!(k_low < k_high)) {
    for (const MeasuredRun* run : main) take(run->n_items);
  }

  FigureTables figure;
  figure.numbers.emplace_back("has_theory", !theory.rows.empty());
  figure.numbers.emplace_back("has_fit", !fitted.rows.empty());
  figure.numbers.emplace_back("n_models", static_cast<double>(families.size()));
  figure.numbers.emplace_back("has_attention", !by_attention.rows.empty());
  bool has_bounds = false;
  for (std::size_t row = 0; row < measured.rows.size(); ++row) {
    has_bounds |= measured.number(row, "k_above") || measured.number(row, "k_below");
  }
  figure.numbers.emplace_back("has_bounds", has_bounds);
  figure.texts.emplace_back("model_labels", quoted_words(labels));
  figure.texts.emplace_back("law_label", law_label);
  figure.tables = {std::move(measured), std::move(by_attention), std::move(fitted), std::move(theory),
                   std::move(scaling)};
  add_log_axis(figure, "n", axis_low, axis_high);
  add_log_axis(figure, "k", k_low, k_high, kThresholdMargin);
  figure.caption = make_run_caption(
      "fig6a: the threshold K* against context length (Fig. 6a of the paper)",
      "K*, the number of items at which half of the training runs acquire in-context learning (95 % accuracy on novel "
      "items), against the number of exemplars N. Points: probit threshold of the runs' outcomes, bars its 95 % "
      "profile-likelihood interval; open points: the same by half of the attention on the "
      "copy, which the MLP's answers on novel items do not hide; triangles: a bound, where all or none of the runs "
      "acquired. Grey: power law "
      "through "
      "all runs. Solid line and band: predicted from the memorization curves alone (as iclk predict has it), the "
      "integral "
      "I_K(infinity) that they reach against what half of the attention on the copy needs with the exact loss at this "
      "N. "
      "Dash-dotted: the exact loss integrated along the curves, with attention slowing memorization (closed loop) and "
      "further copies of the target among K items, labelled as in the runs; it predicts the open points. Dashed: Eqs. "
      "7-8. "
      "Dotted: leading order, Eq. 13. Nothing in these lines is fitted to the runs.",
      caption);
  return figure;
}

}  // namespace iclk::figures
