#include <algorithm>
#include <cmath>

#include "figure_parts.hpp"
#include "iclk/theory/memorization_integral.hpp"

namespace iclk::figures {
namespace {

constexpr int kContinuationPoints = 24;  ///< beyond the last sample, a smooth curve

struct PositiveRange {
  double low = HUGE_VAL, high = 0.0;
  void take(double value) {
    if (value > 0) low = std::min(low, value), high = std::max(high, value);
  }
};

}  // namespace

FigureTables figA3_tables(std::span<const MeasuredCurve> curves, const FigureOptions& options) {
  validate(options);
  FigureTables figure;
  Table measured{.part = "", .columns = {"n_items", "seed", "iteration", "time", "c1", "integral"}, .rows = {}};
  Table tail{.part = "tail", .columns = {"n_items", "seed", "time", "integral"}, .rows = {}};
  Table infinity{.part = "infinity",
                 .columns = {"n_items", "seed", "replicate", "i_measured", "i_infinity", "i_infinity_low",
                             "i_infinity_high", "i_lower_bound", "tail", "log_slope", "log_slope_error"},
                 .rows = {}};
  const std::vector<Level> levels = levels_of(curves);
  PositiveRange times, c1_range, integrals;
  double first_time = HUGE_VAL;
  for (const MeasuredCurve& curve : curves) {
    times.take(curve.curves.c1.end_time());
    first_time = std::min(first_time, drawn_start(curve));
  }
  const double last_time = times.high * kBeyondCurve;
  std::size_t n_replicates = 0;
  bool has_bounds = false;
  for (const Level& level : levels) {
    n_replicates = std::max(n_replicates, level.curves.size());
    for (std::size_t replicate = 0; replicate < level.curves.size(); ++replicate) {
      const MeasuredCurve& curve = *level.curves[replicate];
      const Curve& c1 = curve.curves.c1;
      const theory::MemorizationIntegral result = theory::memorization_integral(c1);
      const int first_gap = replicate == 0 ? 2 : 1;
      int gap = first_gap;
      for (const std::size_t i : drawn_samples(c1.times(), kMostCurveSamples)) {
        const double time = c1.times()[i];
        const double integral = theory::memorization_integral_at(c1, time);
        c1_range.take(c1.values()[i]);
        if (time >= first_time) integrals.take(integral);
        add_row(measured,
                {level.n_items, seed_cell(curve), iteration_cell(curve, time), time, c1.values()[i], integral}, gap);
        gap = 0;
      }
      gap = first_gap;
      for (int i = 0; i <= kContinuationPoints; ++i) {
        const double share = static_cast<double>(i) / kContinuationPoints;
        const double time = c1.end_time() * std::pow(last_time / c1.end_time(), share);
        add_row(tail, {level.n_items, seed_cell(curve), time, theory::extrapolated_integral(result, time)}, gap);
        gap = 0;
      }
      const Estimate& limit = result.infinity;
      const bool open = !limit.high;
      has_bounds |= open;
      integrals.take(limit.high.value_or(limit.value.value_or(result.measured)));
      add_row(
          infinity,
          {level.n_items, seed_cell(curve), static_cast<double>(replicate + 1), result.measured,
           open ? Cell() : cell(limit.value), open ? Cell() : cell(limit.low), cell(limit.high),
           open ? cell(limit.value) : Cell(), std::string(name(result.tail)), result.log_slope, result.log_slope_error},
          first_gap);
    }
  }
  figure.tables = {std::move(measured), std::move(tail), std::move(infinity)};
  add_levels(figure, levels);
  add_log_axis(figure, "t", first_time, times.high, 1.0);
  add_log_axis(figure, "t_tail", first_time, last_time, 1.0);
  add_log_axis(figure, "c1", c1_range.low, c1_range.high, 1.15);
  add_log_axis(figure, "i", integrals.low, integrals.high, 1.3);
  figure.numbers.emplace_back("n_replicates", static_cast<double>(n_replicates));
  figure.numbers.emplace_back("has_bounds", has_bounds);
  figure.caption = make_caption(
      "figA3: how much there is to memorize (Fig. A.3 of the paper)",
      "(a) c1 = <sigma(-phi)>, the mean probability of the wrong label, against gradient-flow time = learning rate x "
      "SGD steps. (b) Its integral I_K(t) = 2 int_0^t c1; dashed beyond the last sample, following the tail fitted to "
      "the "
      "end of each curve. Right: I_K(infinity) of each run, the runs of one K side by side, with the range of the "
      "tails that the curve leaves possible. One colour per K, one line per run.",
      curves, {});
  return figure;
}

}  // namespace iclk::figures
