#include <algorithm>
#include <cmath>

#include "figure_parts.hpp"

namespace iclk::figures {
FigureTables figA2_tables(std::span<const MeasuredCurve> curves, const FigureOptions& options) {
  validate(options);
  FigureTables figure;
  Table table{.part = "", .columns = {"n_items", "seed", "iteration", "time", "c1", "c2", "c3"}, .rows = {}};
  const std::vector<Level> levels = levels_of(curves);
  const bool in_iterations =
      std::all_of(curves.begin(), curves.end(), [](const MeasuredCurve& c) { return c.lr.has_value(); });
  double first = HUGE_VAL, last = 0.0, c1_low = 1.0, c1_high = 0.0, c2_low = 1.0, c2_high = 0.0, c3_low = HUGE_VAL,
         c3_high = 0.0;
  for (const Level& level : levels) {
    for (const MeasuredCurve* curve : level.curves) {
      const auto& [c1, c2, c3, c2_is_closure] = curve->curves;
      first = std::min(first, drawn_start(*curve) / (in_iterations ? *curve->lr : 1.0));
      int gap = curve == level.curves.front() ? 2 : 1;
      for (const std::size_t i : drawn_samples(c1.times(), kMostCurveSamples)) {
        const double time = c1.times()[i];
        const Cell iteration = iteration_cell(*curve, time);
        const double x = in_iterations ? std::get<double>(iteration) : time;
        last = std::max(last, x);
        c1_low = std::min(c1_low, c1.values()[i]), c1_high = std::max(c1_high, c1.values()[i]);
        c2_low = std::min(c2_low, c2.values()[i]), c2_high = std::max(c2_high, c2.values()[i]);
        if (c3) c3_low = std::min(c3_low, c3->values()[i]), c3_high = std::max(c3_high, c3->values()[i]);
        add_row(table,
                {level.n_items, seed_cell(*curve), iteration, time, c1.values()[i], c2.values()[i],
                 c3 ? Cell(c3->values()[i]) : Cell()},
                gap);
        gap = 0;
      }
    }
  }
  figure.tables.push_back(std::move(table));
  add_levels(figure, levels);
  add_log_axis(figure, "x", first, last, 1.0);
  add_log_axis(figure, "c1", c1_low, c1_high, 1.15);
  const bool has_c3 = c3_high > 0.0;
  add_log_axis(figure, "c3", has_c3 ? c3_low : 0.1, has_c3 ? c3_high : 1.0, 1.25);
  const bool has_closure =
      std::any_of(curves.begin(), curves.end(), [](const MeasuredCurve& c) { return c.curves.c2_is_closure; });
  figure.numbers.emplace_back("c2_min", std::floor(20 * c2_low - 0.2) / 20);
  figure.numbers.emplace_back("c2_max", std::min(1.01, std::ceil(20 * c2_high + 0.2) / 20));
  figure.numbers.emplace_back("in_iterations", in_iterations);
  figure.numbers.emplace_back("has_c3", has_c3);
  figure.numbers.emplace_back("has_closure", has_closure);

  std::string text =
      "Order parameters of an MLP that memorizes K item-label pairs: (a) c1 = <sigma(-phi)>, the mean probability of "
      "the wrong label; (b) c2 = 1 - <sigma(-phi)^2>/c1; (c) c3 = <exp(-phi)>, with phi the logit signed by the true "
      "label and <.> the average over all items. One colour per K, one line per run, no smoothing.";
  text += in_iterations ? " Against SGD steps." : " Against time = learning rate x SGD steps.";
  if (has_closure) text += " Some curves hold no c2: the closure c2 = 1 - c1 stands in.";
  figure.caption =
      make_caption("figA2: order parameters during memorization (Fig. A.2 of the paper)", text, curves, {});
  return figure;
}

}  // namespace iclk::figures
