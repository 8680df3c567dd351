#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "fig6c.hpp"
#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/theory/memorization_family.hpp"
#include "iclk/theory/seed_ensemble.hpp"

namespace iclk::figures {
namespace {

constexpr std::uint64_t kDrawnSeeds = 40;  ///< drawn; more run into each other
constexpr int kTailPoints = 40, kSharePoints = 121;
constexpr double kHighestLevel = 2.0;  ///< times I_K(infinity): where the axis of I_K ends

/// The law drawn without measured curves, c1 = (1/2)(1 + t/T)^-p: measured curves end with slopes near 2, that is with
/// p above 2. Until c1 = 0.002, where the runs of `iclk train` end.
constexpr double kFamilyPower = 2.5, kFamilyEnd = 2e-3;
constexpr int kFamilySamples = 160;

struct Shown {
  OrderParameterCurves curves;
  theory::CurveFlow flow;
  const MeasuredCurve* measured = nullptr;  ///< null: the family
};

double margin(const theory::CurveFlow& flow, const FigureOptions& options, double excess) {
  const double required = flow.required_integral({.w = options.w0, .beta = options.beta0}) + excess;
  return std::log(flow.integral().infinity.value.value_or(flow.integral().measured) / required);
}

/// The measured curve closest to its threshold.
Shown measured_curve(std::span<const MeasuredCurve> curves, const FigureOptions& options, double excess) {
  std::optional<Shown> closest;
  double least = std::numeric_limits<double>::infinity();
  for (const MeasuredCurve& curve : curves) {
    theory::CurveFlow flow(curve.curves, context_of(options));
    const double distance = std::abs(margin(flow, options, excess));
    if (!(distance < least)) continue;
    least = distance;
    closest.emplace(Shown{curve.curves, std::move(flow), &curve});
  }
  if (!closest) throw field_error("curves", "expected a curve whose I_K(infinity) is a number");
  return std::move(*closest);
}

/// The family with the horizon at which the mean start needs exactly I_K(infinity).
Shown family_at_threshold(const FigureOptions& options, double excess) {
  const double n_context = context_of(options);
  theory::MemorizationFamily family{theory::MemorizationKind::power, kFamilyPower, n_context};
  const auto sampled = [&] {
    const double end = family.horizon * std::expm1(std::log(0.5 / kFamilyEnd) / kFamilyPower);
    std::vector<double> times = {0.0};
    for (int i = 0; i < kFamilySamples; ++i) {
      times.push_back(end * std::pow(1e-4, 1.0 - static_cast<double>(i) / (kFamilySamples - 1)));
    }
    return theory::sample_family(family, times, theory::C2Closure::homogeneous);
  };
  // The horizon scales I_K(infinity); what is needed depends on it only through c2, weakly, so that this converges.
  for (int i = 0; i < 30; ++i) {
    const double distance = margin(theory::CurveFlow(sampled(), n_context), options, excess);
    family.horizon *= std::exp(-distance);
    if (std::abs(distance) < 1e-9) break;
  }
  OrderParameterCurves curves = sampled();
  theory::CurveFlow flow(curves, n_context);
  return {std::move(curves), std::move(flow), nullptr};
}

Table integral_line(const Shown& shown) {
  Table line{.part = "", .columns = {"time", "c1", "integral"}, .rows = {}};
  const Curve& c1 = shown.curves.c1;
  for (const std::size_t i : drawn_samples(c1.times(), kMostCurveSamples)) {
    const double time = c1.times()[i];
    add_row(line, {time, c1.values()[i], shown.flow.integral_at(time)});
  }
  return line;
}

Table tail_line(const Shown& shown, double last_time) {
  Table line{.part = "tail", .columns = {"time", "integral"}, .rows = {}};
  const double first_time = shown.curves.c1.end_time();
  for (int i = 0; i <= kTailPoints; ++i) {
    const double time = first_time * std::pow(last_time / first_time, static_cast<double>(i) / kTailPoints);
    add_row(line, {time, shown.flow.integral_at(time)});
  }
  return line;
}

}  // namespace

FigureTables fig6c_tables(std::span<const MeasuredCurve> curves, const FigureOptions& options) {
  return fig6c_tables_beyond(curves, options, 0.0);
}

FigureTables fig6c_tables_beyond(std::span<const MeasuredCurve> curves, const FigureOptions& options, double excess) {
  validate(options);
  const Shown shown = curves.empty() ? family_at_threshold(options, excess) : measured_curve(curves, options, excess);
  const theory::CurveFlow& flow = shown.flow;
  const theory::StartDistribution start = starts_of(options);
  const Estimate& infinity = flow.integral().infinity;
  const double limit = infinity.value.value_or(flow.integral().measured);

  Table seeds{
      .part = "seeds",
      .columns = {"index", "beta0", "w0", "required_integral", "t_icl", "level_acquired", "level_never", "verdict"},
      .rows = {}};
  Table paths{.part = "paths", .columns = {"index", "time", "integral"}, .rows = {}};
  double earliest = shown.curves.c1.end_time();
  const double last_time = kBeyondCurve * shown.curves.c1.end_time();
  std::uint64_t n_acquired = 0;
  for (std::uint64_t i = 0; i < kDrawnSeeds; ++i) {
    const theory::FlowState state = theory::start_state(start, 0, i);
    const double required = flow.required_integral(state) + excess;
    const theory::Verdict verdict = flow.verdict(required);
    const bool acquired = verdict == theory::Verdict::acquired;
    const double time = acquired ? flow.time(required) : std::numeric_limits<double>::quiet_NaN();
    const double index = static_cast<double>(i);
    if (acquired) earliest = std::min(earliest, time);
    n_acquired += acquired ? 1 : 0;
    add_row(seeds,
            {index, state.beta, state.w, required, acquired && std::isfinite(time) ? Cell(time) : Cell(),
             acquired ? Cell(required) : Cell(), acquired ? Cell() : Cell(required), std::string(name(verdict))});
  }
  const double first_time = earliest / 3.0;
  for (std::size_t row = 0; row < seeds.rows.size(); ++row) {
    const auto time = seeds.number(row, "t_icl");
    if (!time) continue;
    const auto index = seeds.rows[row].cells[0];
    const double level = *seeds.number(row, "required_integral");
    add_row(paths, {index, first_time, level}, 1);
    add_row(paths, {index, *time, level});
    add_row(paths, {index, *time, 0.0});
  }

  Table share{.part = "share", .columns = {"time", "share"}, .rows = {}};
  for (int i = 0; i < kSharePoints; ++i) {
    const double time = first_time * std::pow(last_time / first_time, static_cast<double>(i) / (kSharePoints - 1));
    add_row(share, {time, acquisition_probability(flow, std::max(flow.integral_at(time) - excess, 0.0), start)});
  }
  Table limits{
      .part = "limit",
      .columns = {"n_items", "i_infinity", "i_infinity_low", "i_infinity_high", "required_at_mean", "share_acquired"},
      .rows = {}};
  const double p_icl = acquisition_probability(flow, std::max(limit - excess, 0.0), start);
  const std::optional<double> n_items =
      shown.measured != nullptr ? std::optional(static_cast<double>(shown.measured->n_items.value())) : std::nullopt;
  add_row(limits, {cell(n_items), limit, cell(infinity.low), cell(infinity.high),
                   flow.required_integral({.w = options.w0, .beta = options.beta0}) + excess, p_icl});

  FigureTables figure;
  figure.tables = {integral_line(shown), tail_line(shown, last_time),
                   std::move(seeds),     std::move(paths),
                   std::move(share),     std::move(limits)};
  add_log_axis(figure, "t", first_time, last_time);
  figure.numbers.insert(figure.numbers.end(), {{"i_top", kHighestLevel * limit},
                                               {"i_limit", limit},
                                               {"i_limit_low", infinity.low.value_or(limit)},
                                               {"i_limit_high", infinity.high.value_or(kHighestLevel * limit)},
                                               {"has_outcomes", 0.0},
                                               {"p_icl", p_icl}});
  const std::string what = n_items ? "K = " + format_number(*n_items) : std::string("a power law at its threshold");
  figure.texts.emplace_back("curve_label",
                            n_items ? "{/:Italic I_K}({/:Italic t}), {/:Italic K} = " + format_number(*n_items)
                                    : "{/:Italic I_K}({/:Italic t}), power law");
  figure.texts.emplace_back("p_label", format_rounded(100.0 * p_icl, 2) + " % acquire, the others never");
  figure.numbers.emplace_back("p_offset", p_icl < 0.7 ? 0.7 : -0.7);  // of that label from its line, in characters
  const std::string title = "fig6c: early acquisition or none (Fig. 6c of the paper)";
  const std::string text =
      "Upper panel: I_K(t) for " + what +
      ", dashed beyond the last sample, and its limit (band: range of the tails). On the left axis the integral that "
      "each of " +
      std::to_string(kDrawnSeeds) + " seeds needs, from Eqs. 7-8 with the c2 of the curve" +
      (excess > 0.0 ? " and what the exact loss needs beyond: a seed" : ": a seed") +
      " whose level meets the curve acquires where it does "
      "(circles, thin lines); one whose level lies above the limit never does (crosses). "
      "Lower panel: share of seeds that have acquired by t. The curve flattens on the way to its limit, so that few "
      "seeds acquire late.";
  std::vector<std::string> numbers = {
      "share of seeds that acquire: " + format_rounded(100.0 * p_icl, 3) + " %",
      "drawn seeds that acquire: " + std::to_string(n_acquired) + " of " + std::to_string(kDrawnSeeds)};
  if (shown.measured != nullptr) {
    numbers.push_back("settings of the seeds: " + start_settings(options, true));
    figure.caption = make_caption(title, text, {shown.measured, 1}, numbers);
  } else {
    numbers.push_back("I_K(infinity) = " + format_rounded(limit, 5) + ", what the mean start needs");
    figure.caption = make_theory_caption(
        title, text,
        start_settings(options, true) + "; c1 = (1/2)(1 + t/T)^-" + format_number(kFamilyPower) + ", c2 = 1 - c1",
        numbers);
  }
  return figure;
}

}  // namespace iclk::figures
