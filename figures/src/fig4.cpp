#include <array>
#include <cmath>
#include <numbers>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/landscape.hpp"

namespace iclk::figures {
namespace {

/// Grid of the landscape: from below the start to where attention is complete, both signs of w.
constexpr double kBetaLow = -2.0, kBetaHigh = 8.0, kWLow = -3.0, kWHigh = 9.0;
constexpr int kBetaPoints = 121, kWPoints = 121;  ///< one pixel of a column's width at 40 per inch
constexpr std::array<double, 3> kStartShifts = {-1.0, 0.0, 1.0};
constexpr double kAfter = 2.0;  ///< the flow is followed to this multiple of the time at which attention is half

theory::ContextModel context_model(double n_context) {
  return {.model = theory::LossModel::binomial, .n_context = n_context};
}

Table loss_grid(const theory::Landscape& landscape) {
  Table grid{.part = "", .columns = {"beta", "w", "loss"}, .rows = {}};
  for (int i = 0; i < kBetaPoints; ++i) {
    const double beta = kBetaLow + (kBetaHigh - kBetaLow) * i / (kBetaPoints - 1);
    for (int j = 0; j < kWPoints; ++j) {
      const double w = kWLow + (kWHigh - kWLow) * j / (kWPoints - 1);
      add_row(grid, {beta, w, landscape.loss({.w = w, .beta = beta})}, j == 0 ? 1 : 0);
    }
  }
  return grid;
}

}  // namespace

FigureTables fig4_tables(const FigureOptions& options) {
  validate(options);
  const double n_context = context_of(options);
  const theory::ContextModel context = context_model(n_context);
  const theory::Landscape landscape(context);
  FigureTables figure;
  Table path{.part = "path", .columns = {"beta0", "time", "w", "beta", "loss"}, .rows = {}};
  Table half{.part = "half", .columns = {"beta0", "time", "w", "beta", "loss"}, .rows = {}};
  std::vector<std::string> numbers;
  std::string labels;
  double first = HUGE_VAL, last = 0.0;
  for (const double shift : kStartShifts) {
    const theory::FlowState start{.w = options.w0, .beta = options.beta0 + shift};
    const theory::AttentionFlow to_half = attention_flow(context, start, theory::LogitList{}, {});
    const auto& crossing = to_half.attention_half;
    if (!crossing || !(crossing->time > 0.0)) continue;  // said below when it holds for all of them
    const double end = kAfter * crossing->time;
    const theory::AttentionFlow flow = attention_flow(context, start, theory::LogitList{},
                                                      {.t_max = end, .run_to_t_max = true, .record_trajectory = true});
    const auto row = [&](const theory::AttentionPoint& point) {
      return std::vector<Cell>{start.beta, point.time, point.state.w, point.state.beta, landscape.loss(point.state)};
    };
    int gap = 2;
    for (const theory::AttentionPoint& point : flow.trajectory) {
      add_row(path, row(point), gap);
      gap = 0;
    }
    labels += (labels.empty() ? "" : " ") + format_number(start.beta);
    add_row(half, row(*crossing), 2);
    numbers.push_back("half of the attention is on the copy at t = " + format_rounded(crossing->time, 4) +
                      " from beta0 = " + format_number(start.beta));
    first = std::min(first, crossing->time);
    last = std::max(last, end);
  }
  if (half.rows.empty()) {
    throw field_error("beta0",
                      "expected a start from which half of the attention comes to the copy later, got beta0 = " +
                          format_number(options.beta0) + ", w0 = " + format_number(options.w0));
  }
  const auto n_starts = static_cast<double>(half.rows.size());
  figure.tables = {loss_grid(landscape), std::move(path), std::move(half)};
  add_log_axis(figure, "t", first / 30.0, last);
  figure.numbers.insert(figure.numbers.end(), {{"beta_min", kBetaLow},
                                               {"beta_max", kBetaHigh},
                                               {"w_min", kWLow},
                                               {"w_max", kWHigh},
                                               {"loss_start", std::numbers::ln2},
                                               {"n_starts", n_starts}});
  figure.texts.emplace_back("start_labels", labels);
  figure.texts.emplace_back("palette_colors", palette_text());
  figure.caption = make_theory_caption(
      "fig4: the loss that attention sees (Fig. 4 of the paper)",
      "(a) Exact loss (Eq. 21) of an MLP that knows nothing, against the strengths beta of the match and w of the "
      "copied label; lines at multiples of ln 2/10, the dotted one at ln 2, the loss at the start. Black: gradient "
      "flow "
      "from w0 and three beta0 (circles) to twice the time at which half of the attention is on the copy (diamonds). "
      "(b) The loss along the same flow against time: long flat, then a fall.",
      start_settings(options, false) + "; beta0 in the figure: " + labels, numbers);
  return figure;
}

}  // namespace iclk::figures
