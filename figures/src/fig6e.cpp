#include <algorithm>
#include <cmath>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/outcome_figures.hpp"
#include "iclk/fit/bimodality.hpp"
#include "iclk/theory/balanced.hpp"
#include "outcome_theory.hpp"
#include "run_parts.hpp"

namespace iclk::figures {
namespace {

constexpr int kProbabilityPoints = 121;

/// The set of runs, equal but for the labels of contexts, that holds both kinds, or else balanced ones.
RunList both_kinds(const RunList& runs) {
  const std::vector<RunList> families = largest_first(groups_of(runs, Vary::size | Vary::labels));
  const auto has = [](const RunList& family, bool balanced) {
    return std::any_of(family.begin(), family.end(),
                       [&](const MeasuredRun* run) { return has_balanced_labels(*run) == balanced; });
  };
  auto found =
      std::find_if(families.begin(), families.end(), [&](const auto& f) { return has(f, true) && has(f, false); });
  if (found == families.end()) {
    found = std::find_if(families.begin(), families.end(), [&](const auto& f) { return has(f, true); });
  }
  return *found;
}

}  // namespace

FigureTables fig6e_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  MeasuredRuns found =
      drawn_runs("fig6e", data, options, false, [](const MeasuredRun& run) { return run.n_items.has_value(); });
  if (std::none_of(found.runs.begin(), found.runs.end(), has_balanced_labels)) {
    const FigureInfo& info = find_figure("fig6e");
    throw Error(Location{.file = data.string(), .line = {}, .field = {}},
                "expected " + std::string(info.needs) + ", found no runs on balanced contexts; `" +
                    std::string(info.command) + "` makes them");
  }
  const RunList family = both_kinds(all_runs(found.runs));
  RunList balanced_family, random_family;
  for (const MeasuredRun* run : family) {
    if (has_balanced_labels(*run)) balanced_family.push_back(run);
  }
  const double n_context = drawn_context(groups_of(balanced_family, Vary::labels), options.n_context);
  const auto elsewhere = [&](const MeasuredRun* run) {
    return run->n_context < n_context || run->n_context > n_context;
  };
  for (const MeasuredRun* run : family) {
    if (!has_balanced_labels(*run) && !elsewhere(run)) random_family.push_back(run);
  }
  std::erase_if(balanced_family, elsewhere);

  RunCaption caption{.runs = {},
                     .n_left_out = found.runs.size(),
                     .curves = {},
                     .no_theory = {},
                     .numbers = {},
                     .problems = found.problems};
  Table shares{.part = "",
               .columns = {"contexts", "n_items", "share", "share_low", "share_high", "n_runs", "n_acquired"},
               .rows = {}};
  double k_low = HUGE_VAL, k_high = 0.0;
  for (const RunList* kind : {&random_family, &balanced_family}) {
    const char* label = kind == &random_family ? "random" : "balanced";
    if (kind->empty()) {  // so that the blocks keep their numbers
      add_row(shares, {std::string(label), Cell(), Cell(), Cell(), Cell(), 0.0, 0.0}, 2);
      continue;
    }
    bool first = true;
    for (const RunList& at : groups_of(*kind, Vary::labels)) {
      const double n_items = *at.front()->n_items;
      const Estimate share = fit::binomial_share(n_acquired(at), at.size(), fit::ShareInterval::clopper_pearson);
      add_row(shares,
              {std::string(label), n_items, cell(share.value), cell(share.low), cell(share.high),
               static_cast<double>(at.size()), static_cast<double>(n_acquired(at))},
              first ? 2 : 0);
      first = false;
      k_low = std::min(k_low, n_items);
      k_high = std::max(k_high, n_items);
      caption.numbers.push_back(std::string(label) + " contexts, K = " + format_number(n_items) + ": " +
                                std::to_string(n_acquired(at)) + " of " + std::to_string(at.size()) + " acquired, " +
                                format_rounded(*share.value, 2) + " (" + format_rounded(share.low.value_or(0.0), 2) +
                                " to " + format_rounded(share.high.value_or(1.0), 2) + ", Clopper-Pearson 95 %)");
    }
    caption.runs.insert(caption.runs.end(), kind->begin(), kind->end());
  }
  caption.n_left_out -= caption.runs.size();

  const MeasuredRun& front = *balanced_family.front();
  const std::vector<MeasuredCurve> curves =
      curves_like(data, front, options.skip_bad_files ? &caption.problems : nullptr);
  const NetworkTheory balanced_theory(curves, front);
  caption.no_theory = untreated(front);
  if (caption.no_theory.empty() && !balanced_theory.known()) {
    caption.no_theory = "theory: there are no memorization curves at two K or more of this network (" +
                        network_of(front) + "); `" + curve_command(front) + "` makes them";
  }
  const double low = k_low / kItemMargin, high = k_high * kItemMargin;
  Table lines{.part = "theory", .columns = {"n_items", "p_random", "p_balanced"}, .rows = {}};
  const bool has_theory = caption.no_theory.empty();
  bool has_random_line = false;
  if (has_theory) {
    caption.curves = curves;
    const double n_theory = theory_context(front, n_context);
    const std::vector<double> balanced = balanced_theory.balanced_thresholds(n_theory);
    const std::vector<double> random = random_family.empty()
                                           ? std::vector<double>{}
                                           : NetworkTheory(curves, *random_family.front()).thresholds(n_theory);
    has_random_line = !random.empty();
    for (int i = 0; i < kProbabilityPoints; ++i) {
      const double k = low * std::pow(high / low, static_cast<double>(i) / (kProbabilityPoints - 1));
      add_row(lines, {k, cell(random.empty() ? std::nullopt : std::optional(share_up_to(random, k))),
                      share_up_to(balanced, k)});
    }
    const theory::StartDistribution start = starts_of(front);
    const auto count = front.text("labels") == "balanced-context-with-target"
                           ? theory::BalancedCount::exemplars_and_target
                           : theory::BalancedCount::exemplars;
    if (start.w0_sd > 0.0 || start.beta0_sd > 0.0) {
      const double basin = theory::balanced_basin_probability(
          {.beta0_mean = start.beta0_mean, .beta0_sd = start.beta0_sd, .w0_mean = start.w0_mean, .w0_sd = start.w0_sd},
          count);
      caption.numbers.push_back(
          "balanced contexts: share of the starts in the basin of in-context learning, which no K "
          "can exceed: " +
          format_rounded(basin, 3));
    } else {
      const bool acquires =
          theory::balanced_acquisition({.w = start.w0_mean, .beta = start.beta0_mean}, count).outcome ==
          theory::BalancedOutcome::acquired;
      caption.numbers.push_back(std::string("balanced contexts: the one start of all runs lies ") +
                                (acquires ? "in the basin of in-context learning"
                                          : "on the edge of or outside the basin of in-context learning"));
    }
  }

  FigureTables figure;
  figure.numbers = {{"n_context", n_context},
                    {"has_theory", has_theory ? 1.0 : 0.0},
                    {"has_random", random_family.empty() ? 0.0 : 1.0},
                    {"has_random_line", has_random_line ? 1.0 : 0.0}};
  figure.texts.emplace_back("run_label", model_label(front.model));
  figure.tables = {std::move(shares), std::move(lines)};
  add_log_axis(figure, "k", low, high);
  figure.caption = make_run_caption(
      "fig6e: share of runs that acquire, random against balanced contexts (Fig. 6e of the paper)",
      "Share of the training runs that reach 95 % accuracy on novel items against the number of items K, N = " +
          format_number(n_context) +
          ", with Clopper-Pearson 95 % intervals: contexts whose labels are random (circles) and contexts with equally "
          "many labels of each kind (squares). Lines: predicted from the memorization curves and the spread of starts "
          "that the settings say; for random contexts as iclk predict has it, the exact loss at this N, for balanced "
          "ones "
          "Eq. 9 solved: the share of starts in its basin of in-context learning that also get there before the data "
          "are "
          "memorized.",
      caption);
  return figure;
}

}  // namespace iclk::figures
