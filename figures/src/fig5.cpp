#include <algorithm>
#include <cmath>

#include "figure_parts.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/memorization_law.hpp"
#include "iclk/fit/power_law.hpp"
#include "iclk/theory/threshold.hpp"

namespace iclk::figures {
namespace {

constexpr int kLawPoints = 41;           ///< of the drawn law; a straight line needs few, its band some
constexpr double kIntegralMargin = 1.3;  ///< factor around I_K
constexpr double kLegendRoom = 1.3;      ///< further factor above the runs, for the legend
constexpr double kBeside = 1.06;         ///< factor in K between runs of one K in the lower panel, so all are seen

struct Threshold {
  theory::Threshold k_star;
  Table required{.part = "required", .columns = {"n_items", "required_integral"}, .rows = {}};
  std::optional<double> required_at_k_star;
};

/// Log-log interpolation of the required integral; K* may lie a little outside the measured K.
double required_at(const Table& required, double n_items) {
  if (required.rows.size() < 2) return *required.number(0, "required_integral");
  std::size_t i = 1;
  while (i + 1 < required.rows.size() && *required.number(i, "n_items") < n_items) ++i;
  const auto log_of = [&](std::size_t row, const char* column) { return std::log(*required.number(row, column)); };
  const double x0 = log_of(i - 1, "n_items"), x1 = log_of(i, "n_items");
  const double y0 = log_of(i - 1, "required_integral"), y1 = log_of(i, "required_integral");
  return std::exp(y0 + (y1 - y0) * (std::log(n_items) - x0) / (x1 - x0));
}

Threshold threshold_of(const std::vector<Level>& levels, const std::vector<Estimate>& infinity, double n_context,
                       const FigureOptions& options) {
  Threshold threshold;
  std::vector<theory::ThresholdPoint> points;
  for (const Level& level : levels) {
    double log_sum = 0.0;
    for (const MeasuredCurve* curve : level.curves) {
      const auto prediction = theory::predict_curve(curve->curves, n_context, {.w = options.w0, .beta = options.beta0});
      points.push_back({level.n_items, infinity[points.size()], prediction.required_integral});
      log_sum += std::log(prediction.required_integral);
    }
    const double mean = std::exp(log_sum / static_cast<double>(level.curves.size()));
    add_row(threshold.required, {level.n_items, mean});
  }
  threshold.k_star = theory::threshold_from_curves(points);
  if (const auto& k_star = threshold.k_star.k_star.value) {
    threshold.required_at_k_star = required_at(threshold.required, *k_star);
    Table::Row at_k_star{{*k_star, *threshold.required_at_k_star}, 0};  // the line reaches an extrapolated K*
    auto& rows = threshold.required.rows;
    if (*k_star < levels.front().n_items) rows.insert(rows.begin(), at_k_star);
    if (*k_star > levels.back().n_items) rows.push_back(at_k_star);
  }
  return threshold;
}

/// I_K(infinity) of every run, in the order of the levels, and the law through them.
struct Integrals {
  std::vector<double> measured;    ///< up to the last sample [time]
  std::vector<Estimate> infinity;  ///< with the tails that the law uses [time]
  fit::PowerLawFit law;            ///< without an exponent when there is one K only
  std::string tails;               ///< how the tails were found
  std::vector<std::string> warnings;
};

Integrals integrals_of(const std::vector<Level>& levels) {
  Integrals integrals;
  std::vector<fit::TruncatedCurve> truncated;
  for (const Level& level : levels) {
    for (const MeasuredCurve* curve : level.curves) {
      const theory::MemorizationIntegral alone = theory::memorization_integral(curve->curves.c1);
      integrals.measured.push_back(alone.measured);
      integrals.infinity.push_back(alone.infinity);
      truncated.push_back({level.n_items, curve->curves.c1, alone.infinity});
    }
  }
  integrals.tails = "of each curve alone";
  if (levels.size() < 2) {
    integrals.warnings.push_back("one K only: no law");
    return integrals;
  }
  fit::MemorizationLawFit fitted = fit::fit_memorization_law(truncated);
  for (std::size_t i = 0; i < truncated.size(); ++i) {
    if (fitted.infinity[i].value) integrals.infinity[i] = fitted.infinity[i];
  }
  integrals.law = std::move(fitted.law);
  integrals.tails = name(fitted.treatment);
  integrals.warnings = std::move(fitted.warnings);
  return integrals;
}

Table run_table(const std::vector<Level>& levels, const Integrals& integrals) {
  Table runs{.part = "",
             .columns = {"n_items", "seed", "i_measured", "i_infinity", "i_infinity_low", "i_infinity_high",
                         "i_lower_bound", "n_items_drawn", "ratio", "ratio_low", "ratio_high", "source"},
             .rows = {}};
  std::size_t i = 0;
  for (const Level& level : levels) {
    const Estimate law = predict(integrals.law, level.n_items);
    double beside = -0.5 * static_cast<double>(level.curves.size() - 1);
    for (const MeasuredCurve* curve : level.curves) {
      const Estimate& integral = integrals.infinity[i];
      const double value = integral.value.value_or(integrals.measured[i]);
      const bool open = !integral.high;  // the tail may diverge: the run gives a lower bound only
      const auto ratio = [&](const std::optional<double>& y) {
        return y && law.value ? Cell(*y / *law.value) : Cell();
      };
      add_row(runs,
              {level.n_items, seed_cell(*curve), integrals.measured[i], open ? Cell() : Cell(value),
               open ? Cell() : Cell(integral.low.value_or(value)), cell(integral.high), open ? Cell(value) : Cell(),
               level.n_items * std::pow(kBeside, beside), open ? Cell() : ratio(value),
               open ? Cell() : ratio(integral.low.value_or(value)), ratio(integral.high), curve->source});
      ++i;
      ++beside;
    }
  }
  return runs;
}

Table law_line(const fit::PowerLawFit& law, const Range& items) {
  Table line{
      .part = "fit", .columns = {"n_items", "i_law", "i_law_low", "i_law_high", "ratio_low", "ratio_high"}, .rows = {}};
  if (!law.exponent.value) return line;
  for (int i = 0; i < kLawPoints; ++i) {
    const double n_items = items.low * std::pow(items.high / items.low, static_cast<double>(i) / (kLawPoints - 1));
    const Estimate y = predict(law, n_items);
    const auto ratio = [&](const std::optional<double>& end) { return end ? Cell(*end / *y.value) : Cell(); };
    add_row(line, {n_items, cell(y.value), cell(y.low), cell(y.high), ratio(y.low), ratio(y.high)});
  }
  return line;
}

/// Axes around the runs; the required integral is taken in where that does not shrink them too much.
void add_axes(FigureTables& figure, const Range& items, std::size_t n_levels) {
  double low = HUGE_VAL, high = 0.0, ratio_reach = 0.0;
  const auto for_each = [&figure](std::string_view part, const char* column, auto action) {
    const Table& table = figure.table(part);
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
      if (const auto value = table.number(row, column)) action(*value);
    }
  };
  const auto take = [&](double value) { low = std::min(low, value), high = std::max(high, value); };
  const auto take_ratio = [&](double value) { ratio_reach = std::max(ratio_reach, std::abs(value - 1.0)); };
  for (const char* column : {"i_infinity_low", "i_infinity_high", "i_infinity", "i_lower_bound"}) {
    for_each("", column, take);
  }
  for (const char* column : {"ratio_low", "ratio_high"}) {
    for_each("", column, take_ratio);
    for_each("fit", column, take_ratio);
  }
  constexpr double kFarthest = 3.0;  ///< factor in I_K
  const double runs_low = low, runs_high = high;
  bool has_required = n_levels > 1;
  for_each("required", "required_integral",
           [&](double value) { has_required &= value > runs_low / kFarthest && value < runs_high * kFarthest; });
  if (has_required) for_each("required", "required_integral", take);
  has_required &= !figure.table("required").rows.empty();

  add_log_axis(figure, "k", items.low, items.high);
  add_log_axis(figure, "i", low, high * kLegendRoom, kIntegralMargin);
  double reach = 1.0;  // beyond, bars and band are cut
  for (const double candidate : {0.4, 0.2, 0.1, 0.04, 0.02}) {
    if (candidate > ratio_reach) reach = candidate;
  }
  figure.numbers.emplace_back("ratio_reach", reach);
  figure.numbers.emplace_back("ratio_step", 0.5 * reach);
  figure.numbers.emplace_back("has_required", has_required);
}

/// One row: the law and the threshold that follows.
Table summary_of(const fit::PowerLawFit& law, const Threshold& threshold, const FigureOptions& options) {
  Table summary{.part = "law",
                .columns = {"nu", "nu_low", "nu_high", "prefactor", "prefactor_low", "prefactor_high", "residual_sd",
                            "n_context", "beta0", "w0", "k_star", "k_star_low", "k_star_high", "required_at_k_star"},
                .rows = {}};
  const Estimate& k_star = threshold.k_star.k_star;
  add_row(summary,
          {cell(law.exponent.value), cell(law.exponent.low), cell(law.exponent.high), cell(law.prefactor.value),
           cell(law.prefactor.low), cell(law.prefactor.high), law.exponent.value ? Cell(law.residual_sd) : Cell(),
           cell(options.n_context), options.beta0, options.w0, cell(k_star.value), cell(k_star.low), cell(k_star.high),
           cell(threshold.required_at_k_star)});
  return summary;
}

/// The interval of K* as a line to draw.
Table interval_of(const Threshold& threshold) {
  Table interval{.part = "k_star", .columns = {"n_items", "required_integral"}, .rows = {}};
  const Estimate& k_star = threshold.k_star.k_star;
  if (k_star.low && k_star.high) {
    for (const double end : {*k_star.low, *k_star.high}) add_row(interval, {end, cell(threshold.required_at_k_star)});
  }
  return interval;
}

std::string caption_of(std::span<const MeasuredCurve> curves, const Integrals& integrals, const Threshold& threshold,
                       const FigureOptions& options) {
  std::string text =
      "I_K(infinity), twice the integral of c1 over all time, against the number of items K. Points are single runs; "
      "their bars span the tails that the curve leaves possible beyond its last sample.";
  std::vector<std::string> numbers;
  const fit::PowerLawFit& law = integrals.law;
  if (law.exponent.value) {
    text +=
        " Line and band: least-squares power law with its 95 % interval, tails included. Lower panel: the same, "
        "divided by the law, the runs of one K side by side.";
    numbers.push_back("nu = " + format_estimate(law.exponent) + ", 95 % interval");
    numbers.push_back("prefactor = " + format_estimate(law.prefactor) + ", 95 % interval [time]");
    numbers.push_back("scatter of the runs about the law: " + format_rounded(100 * law.residual_sd, 2) + " %");
  }
  numbers.push_back("tails: " + integrals.tails);
  if (options.n_context) {
    text +=
        " Dashed: the integral that in-context learning needs, from Eqs. 7-8 with the measured c2 of each K; where "
        "the runs cross it is K*, the bar its 95 % interval.";
    numbers.push_back("K* at N = " + format_number(*options.n_context) + ", beta0 = " + format_number(options.beta0) +
                      ", w0 = " + format_number(options.w0) + ": " + format_estimate(threshold.k_star.k_star) + " (" +
                      std::string(name(threshold.k_star.outcome)) + ")");
  }
  for (const std::string& warning : integrals.warnings) numbers.push_back("warning: " + warning);
  if (std::any_of(curves.begin(), curves.end(), [](const MeasuredCurve& c) { return c.curves.c2_is_closure; })) {
    text += " Some curves hold no c2: the closure c2 = 1 - c1 stands in.";
  }
  return make_caption("fig5: the memorization law (Fig. 5 of the paper)", text, curves, numbers);
}

}  // namespace

FigureTables fig5_tables(std::span<const MeasuredCurve> curves, const FigureOptions& options) {
  validate(options);
  const std::vector<Level> levels = levels_of(curves);
  const Integrals integrals = integrals_of(levels);
  Threshold threshold;
  if (options.n_context) threshold = threshold_of(levels, integrals.infinity, *options.n_context, options);
  const Estimate& k_star = threshold.k_star.k_star;
  Range items{levels.front().n_items, levels.back().n_items};
  if (k_star.value) items = {std::min(items.low, *k_star.value), std::max(items.high, *k_star.value)};
  items = {items.low / kMarkerMargin, items.high * kMarkerMargin};

  FigureTables figure;
  figure.tables = {run_table(levels, integrals), law_line(integrals.law, items),
                   summary_of(integrals.law, threshold, options), threshold.required, interval_of(threshold)};
  add_axes(figure, items, levels.size());

  const Table& runs = figure.table("");
  bool has_bounds = false;
  for (std::size_t row = 0; row < runs.rows.size(); ++row) has_bounds |= runs.number(row, "i_lower_bound").has_value();
  figure.numbers.emplace_back("has_bounds", has_bounds);
  figure.numbers.emplace_back("has_law", integrals.law.exponent.value.has_value());
  figure.numbers.emplace_back("has_k_star", k_star.value.has_value());
  if (options.n_context) figure.numbers.emplace_back("n_context", *options.n_context);
  figure.texts.emplace_back("nu_label", format_estimate(integrals.law.exponent));
  figure.texts.emplace_back("k_star_label", format_estimate(k_star));
  figure.caption = caption_of(curves, integrals, threshold, options);
  return figure;
}

}  // namespace iclk::figures
