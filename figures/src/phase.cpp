#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <optional>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/prediction.hpp"
#include "iclk/figures/trajectory_figures.hpp"
#include "iclk/fit/memorization_law.hpp"
#include "iclk/fit/power_law.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/memorization_family.hpp"
#include "iclk/theory/seed_ensemble.hpp"
#include "iclk/theory/threshold.hpp"
#include "outcome_theory.hpp"
#include "run_course.hpp"
#include "run_parts.hpp"
#include "run_series.hpp"

namespace iclk::figures {
namespace {

constexpr std::array<int, 9> kShares = {1, 5, 10, 25, 50, 75, 90, 95, 99};  ///< of the seeds, in per cent
constexpr double kContextLow = 20.0, kContextHigh = 2000.0;
constexpr int kContexts = 41;                                                ///< twenty per factor of ten
constexpr std::array<double, 5> kListedContexts = {50, 100, 150, 200, 250};  ///< those of the paper's Fig. 6a

/// The law drawn without measured curves: with I_K(infinity) = 0.4 K^0.7 the threshold at N = 100 lies near the 10^4 of
/// the paper's transformer.
constexpr theory::HorizonLaw kLaw{0.4, 0.7};
constexpr double kLawItemsLow = 1e3, kLawItemsHigh = 1e6;

std::string share_name(const char* prefix, int share) {
  return std::string(prefix) + (share < 10 ? "0" : "") + std::to_string(share);
}

/// K at which a share of the seeds acquires, empty outside the range of K.
struct Boundary {
  std::optional<double> n_items;
  bool above = false;  ///< when empty: it lies above the range, not below
};

/// The diagram at one N.
struct Column {
  std::array<Boundary, kShares.size()> shares;
  Boundary exact_loss;            ///< the mean start, with `excess` more than Eqs. 7-8 ask for
  std::optional<double> leading;  ///< K* of Eq. 13
};

/// What the diagram needs to know about memorization.
struct Memorization {
  double items_low = 0.0, items_high = 0.0;  ///< range of K drawn
  std::vector<double> items;                 ///< K at which P is listed
  std::function<Column(double n_context, std::optional<double> excess)> column;
  std::function<std::vector<double>(double n_context)> probabilities;  ///< [items]
};

struct Run {
  const MeasuredCurve* curve = nullptr;
  double n_items = 0.0;
  Estimate infinity;
};

/// Every run with its I_K(infinity) and the law through them.
struct Runs {
  std::vector<Run> runs;
  fit::PowerLawFit law;
};

Runs runs_of(const std::vector<Level>& levels) {
  Runs result;
  std::vector<fit::TruncatedCurve> truncated;
  for (const Level& level : levels) {
    for (const MeasuredCurve* curve : level.curves) {
      const Estimate alone = theory::memorization_integral(curve->curves.c1).infinity;
      truncated.push_back({level.n_items, curve->curves.c1, alone});
      result.runs.push_back({curve, level.n_items, alone});
    }
  }
  const fit::MemorizationLawFit fitted = fit::fit_memorization_law(truncated);
  for (std::size_t i = 0; i < truncated.size(); ++i) {
    if (fitted.infinity[i].value) result.runs[i].infinity = fitted.infinity[i];
  }
  result.law = fitted.law;
  return result;
}

/// False where the start has blown up in numbers: zero, infinite or not a number.
bool is_requirement(double required) { return required > 0.0 && std::isfinite(required); }

Boundary boundary_of(const Runs& runs, const std::vector<double>& required) {
  std::vector<theory::ThresholdPoint> points;
  for (std::size_t i = 0; i < required.size(); ++i) {
    if (!is_requirement(required[i])) return {{}, !(required[i] <= 0.0)};
    points.push_back({runs.runs[i].n_items, runs.runs[i].infinity, required[i]});
  }
  const theory::Threshold found = threshold_from_curves(points, {.extrapolate = false});
  return {found.k_star.value, found.outcome == theory::ThresholdOutcome::none_acquires};
}

std::vector<theory::CurveFlow> flows_of(const Runs& runs, double n_context) {
  std::vector<theory::CurveFlow> flows;
  for (const Run& run : runs.runs) flows.emplace_back(run.curve->curves, n_context);
  return flows;
}

/// I_K that seeds need in at most a share of the cases, for all of kShares.
std::vector<double> required_by_shares(const theory::CurveFlow& flow, const theory::StartDistribution& start) {
  std::vector<double> required;
  if (!(start.w0_sd > 0.0)) {
    for (const int share : kShares) {
      required.push_back(start.beta0_sd > 0.0 ? acquisition_quantile(flow, 0.01 * share, start)
                                              : flow.required_integral({.w = start.w0_mean, .beta = start.beta0_mean}));
    }
    return required;
  }
  // With a spread of both, an exact quantile takes thousands of trajectories one after the other. These 2048 starts take
  // as many side by side; K is off by less than 1 %.
  const std::vector<theory::FlowState> starts = spread_starts(start, 11);
  std::vector<double> sample(starts.size());
  flow.required_integrals(starts, sample);
  std::sort(sample.begin(), sample.end());
  for (const int share : kShares) {
    const double position = 0.01 * share * static_cast<double>(sample.size()) - 0.5;
    const auto below = static_cast<std::size_t>(position);
    const double part = position - static_cast<double>(below);
    required.push_back((1.0 - part) * sample[below] + part * sample[below + 1]);
  }
  return required;
}

Column measured_column(const Runs& runs, const theory::StartDistribution& start, double n_context,
                       std::optional<double> excess) {
  const std::vector<theory::CurveFlow> flows = flows_of(runs, n_context);
  std::vector<std::vector<double>> by_shares;  // [run][share]
  std::vector<double> exact_loss;              // [run]
  for (const theory::CurveFlow& flow : flows) {
    by_shares.push_back(required_by_shares(flow, start));
    if (!excess) continue;
    exact_loss.push_back(flow.required_integral({.w = start.w0_mean, .beta = start.beta0_mean}) + *excess);
  }
  Column column;
  for (std::size_t i = 0; i < kShares.size(); ++i) {
    std::vector<double> required;
    for (const std::vector<double>& run : by_shares) required.push_back(run[i]);
    column.shares[i] = boundary_of(runs, required);
  }
  if (excess) column.exact_loss = boundary_of(runs, exact_loss);
  if (runs.law.exponent.value) {
    const double leading = theory::acquisition_integral_leading(n_context, start.beta0_mean);
    if (is_requirement(leading)) column.leading = fit::x_at(runs.law, leading).value;
  }
  return column;
}

/// Share of the seeds that acquire at each of `items`, averaged over the runs of one K.
std::vector<double> measured_probabilities(const Runs& runs, const std::vector<Level>& levels,
                                           const theory::StartDistribution& start, double n_context) {
  std::vector<double> result;
  std::size_t i = 0;
  for (const Level& level : levels) {
    double sum = 0.0;
    for (std::size_t replicate = 0; replicate < level.curves.size(); ++replicate, ++i) {
      const theory::CurveFlow flow(runs.runs[i].curve->curves, n_context);
      sum += acquisition_probability(flow, *runs.runs[i].infinity.value, start);
    }
    result.push_back(sum / static_cast<double>(level.curves.size()));
  }
  return result;
}

Memorization measured_memorization(std::span<const MeasuredCurve> curves, const theory::StartDistribution& start) {
  const std::vector<Level> levels = levels_of(curves);
  if (levels.size() < 2) throw field_error("curves", "expected curves of at least two K, got one");
  const Runs runs = runs_of(levels);
  Memorization result;
  for (const Level& level : levels) result.items.push_back(level.n_items);
  result.items_low = levels.front().n_items;
  result.items_high = levels.back().n_items;
  result.column = [=](double n_context, std::optional<double> excess) {
    return measured_column(runs, start, n_context, excess);
  };
  result.probabilities = [=](double n_context) { return measured_probabilities(runs, levels, start, n_context); };
  return result;
}

Memorization law_memorization(const theory::StartDistribution& start) {
  Memorization result;
  result.items_low = kLawItemsLow;
  result.items_high = kLawItemsHigh;
  for (double k = kLawItemsLow; k < 1.01 * kLawItemsHigh; k *= std::sqrt(10.0)) result.items.push_back(std::round(k));
  const auto boundary = [](double required) {
    if (!is_requirement(required)) return Boundary{{}, !(required <= 0.0)};
    const double n_items = theory::threshold_from_law(kLaw.prefactor, kLaw.nu, required);
    if (n_items < kLawItemsLow || n_items > kLawItemsHigh) return Boundary{{}, n_items > kLawItemsHigh};
    return Boundary{n_items};
  };
  result.column = [=](double n_context, std::optional<double> excess) {
    const double mean = theory::acquisition_integral_exact(n_context, start.beta0_mean, start.w0_mean, kUntrainedC2);
    const bool spread = start.beta0_sd > 0.0 || start.w0_sd > 0.0;
    Column column;
    for (std::size_t i = 0; i < kShares.size(); ++i) {
      column.shares[i] =
          boundary(spread ? theory::acquisition_quantile(0.01 * kShares[i], n_context, start, kUntrainedC2) : mean);
    }
    if (excess) column.exact_loss = boundary(mean + *excess);
    column.leading = boundary(theory::acquisition_integral_leading(n_context, start.beta0_mean)).n_items;
    return column;
  };
  result.probabilities = [=, items = result.items](double n_context) {
    std::vector<double> shares;
    for (const double k : items) {
      shares.push_back(theory::acquisition_probability(theory::horizon_at(kLaw, k), n_context, start, kUntrainedC2));
    }
    return shares;
  };
  return result;
}

/// What the exact loss needs beyond the blow-up of Eqs. 7-8 until half of the attention is on the copy, for an MLP that
/// does not memorize; it hardly depends on anything (docs/equations.md, "The loss, exactly").
/// Empty for a start that has half of its attention there, or never gets it.
std::optional<double> exact_loss_excess(double n_context, const theory::StartDistribution& start) {
  const theory::FlowState mean{.w = start.w0_mean, .beta = start.beta0_mean};
  const theory::AttentionFlow flow =
      attention_flow({.model = theory::LossModel::binomial, .n_context = n_context}, mean, theory::LogitList{});
  const double blow_up = theory::acquisition_integral_exact(n_context, mean.beta, mean.w, kUntrainedC2);
  if (!flow.attention_half || !(flow.attention_half->time > 0.0) || std::isinf(blow_up)) return std::nullopt;
  return flow.attention_half->time - blow_up;
}

/// The share of the runs that acquired at every N and K.
Table outcome_table(const RunList& runs) {
  Table table{
      .part = "runs", .columns = {"n_context", "n_items", "n_runs", "n_acquired", "share", "shade"}, .rows = {}};
  for (const RunList& list : groups_of(runs, Vary::nothing)) {
    const auto acquired = static_cast<double>(n_acquired(list));
    const double share = acquired / static_cast<double>(list.size());
    // The shade of the diagram at this share: how many of its steps lie below.
    const auto shade = std::count_if(kShares.begin(), kShares.end(), [&](int step) { return step <= 100.0 * share; });
    add_row(table, {list.front()->n_context, *list.front()->n_items, static_cast<double>(list.size()), acquired, share,
                    static_cast<double>(shade)});
  }
  return table;
}

FigureTables diagram(std::span<const MeasuredCurve> curves, const RunList& runs, const FigureOptions& options,
                     const std::vector<std::string>& problems = {}) {
  validate(options);
  const theory::StartDistribution start = starts_of(options);
  Table outcomes = outcome_table(runs);
  double context_low = kContextLow, context_high = kContextHigh, items_low = HUGE_VAL, items_high = 0.0;
  for (const MeasuredRun* run : runs) {
    context_low = std::min(context_low, std::floor(0.8 * run->n_context));
    context_high = std::max(context_high, std::ceil(1.25 * run->n_context));
    items_low = std::min(items_low, *run->n_items / 1.25);
    items_high = std::max(items_high, *run->n_items * 1.25);
  }
  context_low = std::max(2.0, context_low);
  if (!runs.empty()) context_high = std::min(context_high, std::round(2.5 * runs.back()->n_context));
  const Memorization memorization = curves.empty() ? law_memorization(start) : measured_memorization(curves, start);

  Table boundaries{.part = "", .columns = {"n_context"}, .rows = {}};
  for (const char* prefix : {"k_", "edge_"}) {
    for (const int share : kShares) boundaries.columns.push_back(share_name(prefix, share));
  }
  for (const char* column : {"k_leading", "k_exact_loss"}) boundaries.columns.emplace_back(column);
  const auto inside = [&](const std::optional<double>& n_items) {
    return n_items && *n_items >= memorization.items_low && *n_items <= memorization.items_high ? Cell(*n_items)
                                                                                                : Cell();
  };
  for (int i = 0; i < kContexts; ++i) {
    const double n_context =
        std::round(context_low * std::pow(context_high / context_low, static_cast<double>(i) / (kContexts - 1)));
    const Column column = memorization.column(n_context, exact_loss_excess(n_context, start));
    std::vector<Cell> row = {n_context};
    for (const Boundary& boundary : column.shares) row.push_back(cell(boundary.n_items));
    for (const Boundary& boundary : column.shares) {
      row.emplace_back(boundary.n_items.value_or(boundary.above ? memorization.items_high : memorization.items_low));
    }
    row.push_back(inside(column.leading));
    row.push_back(cell(column.exact_loss.n_items));
    add_row(boundaries, std::move(row));
  }

  Table probability{.part = "probability", .columns = {"n_context", "n_items", "p_icl"}, .rows = {}};
  for (const double n_context : kListedContexts) {
    const std::vector<double> shares = memorization.probabilities(n_context);
    for (std::size_t i = 0; i < shares.size(); ++i) {
      add_row(probability, {n_context, memorization.items[i], shares[i]}, i == 0 ? 2 : 0);
    }
  }
  Table measured{.part = "items", .columns = {"n_items"}, .rows = {}};
  if (!curves.empty()) {
    for (const double n_items : memorization.items) add_row(measured, {n_items});
  }

  std::vector<std::string> numbers;
  const double named = context_of(options);
  const Column at_named = memorization.column(named, exact_loss_excess(named, start));
  const auto text = [&](const Boundary& boundary) {
    return boundary.n_items ? format_rounded(*boundary.n_items, 4)
                            : std::string(boundary.above ? "above the range" : "below the range");
  };
  for (const std::size_t i : {std::size_t{1}, kShares.size() / 2, kShares.size() - 2}) {
    numbers.push_back("at N = " + format_number(named) + " " + std::to_string(kShares[i]) +
                      " % of the seeds acquire at K = " + text(at_named.shares[i]));
  }
  numbers.push_back("at N = " + format_number(named) + " the mean start acquires at K = " + text(at_named.exact_loss) +
                    " with the exact loss" +
                    (at_named.leading ? ", by Eq. 13 at K = " + format_rounded(*at_named.leading, 4) : std::string()));

  FigureTables figure;
  figure.tables = {std::move(boundaries), std::move(probability), std::move(measured), std::move(outcomes)};
  add_log_axis(figure, "n", context_low, context_high);
  add_log_axis(figure, "k", std::min(items_low, memorization.items_low), std::max(items_high, memorization.items_high));
  figure.numbers.emplace_back("k_known", memorization.items_high);
  figure.numbers.emplace_back("has_runs", runs.empty() ? 0.0 : 1.0);
  figure.numbers.emplace_back("has_spread", start.beta0_sd > 0.0 || start.w0_sd > 0.0);
  figure.texts.emplace_back("spread_label", format_rounded(options.beta0_sd, 3));
  const std::string title = "phase: where in-context learning comes first (not in the paper)";
  const std::string words =
      "Share of seeds that acquire in-context learning before the data are memorized, against context length N and "
      "number of items K. Shades: steps at 1, 5, 10, 25, 50, 75, 90, 95 and 99 %; solid line: 50 %. Dashed: K* of "
      "Eq. 13. Dotted: the mean start with the exact loss instead of Eqs. 7-8.";
  if (!runs.empty()) {
    numbers.push_back("start of the diagram, that of the runs: beta0 = " + format_number(options.beta0) + " (sd " +
                      format_number(options.beta0_sd) + "), w0 = " + format_number(options.w0) + " (sd " +
                      format_number(options.w0_sd) + ")");
    figure.caption = make_run_caption(
        title,
        words +
            " Circles: runs of the minimal model, filled with the shade of their share that acquires. Theory from the "
            "measured c1(t), c2(t) of their network at each K (ticks on the right), interpolated between them and not "
            "continued beyond; the dashed line from the power law through I_K(infinity).",
        {.runs = runs, .n_left_out = 0, .curves = curves, .no_theory = {}, .numbers = numbers, .problems = problems});
  } else if (curves.empty()) {
    figure.caption = make_theory_caption(
        title, words,
        "I_K(infinity) = " + format_number(kLaw.prefactor) + " K^" + format_number(kLaw.nu) +
            ", c2 = 1/2; beta0 = " + format_number(options.beta0) + " (sd " + format_number(options.beta0_sd) +
            " over seeds), w0 = " + format_number(options.w0) + " (sd " + format_number(options.w0_sd) + ")",
        numbers);
  } else {
    numbers.push_back("seeds: beta0 = " + format_number(options.beta0) + " (sd " + format_number(options.beta0_sd) +
                      "), w0 = " + format_number(options.w0) + " (sd " + format_number(options.w0_sd) + ")");
    figure.caption = make_caption(
        title,
        words +
            " From the measured c1(t), c2(t) of each K (ticks on the right), interpolated between them and "
            "not continued beyond; the dashed line from the power law through I_K(infinity).",
        curves, numbers);
  }
  return figure;
}

}  // namespace

FigureTables phase_tables(std::span<const MeasuredCurve> curves, const FigureOptions& options) {
  return diagram(curves, {}, options);
}

FigureTables phase_of_runs_tables(const std::filesystem::path& data, const FigureOptions& options) {
  validate(options);
  if (data.empty()) return diagram({}, {}, options);
  MeasuredRuns folder = read_run_folder(data, {.trajectories = false, .skip_bad_files = options.skip_bad_files});
  RunList candidates;
  for (const MeasuredRun* run : runs_of_model(folder, "minimal")) {
    if (run->n_items && has_random_labels(*run)) candidates.push_back(run);
  }
  std::vector<RunList> series = groups_of(candidates, Vary::size);
  std::stable_sort(series.begin(), series.end(), [](const RunList& a, const RunList& b) {
    const auto rank = [](const RunList& runs) { return std::pair(groups_of(runs, Vary::nothing).size(), runs.size()); };
    return rank(a) > rank(b);
  });
  for (const RunList& runs : series) {
    // Where in-context learning is worth its decay, a diagram without one is another.
    if (decay_of(*runs.front()) > 1e-8 || runs.front()->number("lambda_beta").value_or(0.0) > 1e-8) continue;
    const NetworkCurves network(data, *runs.front(), options, folder);
    if (network.curves.empty() || levels_of(network.curves).size() < 2) continue;
    const MeasuredRun& first = *runs.front();
    FigureOptions of_runs = options;
    of_runs.n_context = first.n_context;
    for (const auto& [key, field] :
         {std::pair{"beta0", &FigureOptions::beta0}, std::pair{"w0", &FigureOptions::w0},
          std::pair{"beta0_sd", &FigureOptions::beta0_sd}, std::pair{"w0_sd", &FigureOptions::w0_sd}}) {
      of_runs.*field = first.number(key).value_or(0.0);
    }
    return diagram(network.curves, runs, of_runs, folder.problems);
  }
  return diagram(read_curve_folder(data, options.foreign), {}, options);
}

}  // namespace iclk::figures
