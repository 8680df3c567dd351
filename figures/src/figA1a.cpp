#include <algorithm>
#include <cmath>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"

namespace iclk::figures {
namespace {

constexpr double kBeta0Low = -4.0, kBeta0High = 2.0;  ///< both regimes of the paper and what lies between
constexpr int kStartPoints = 49;
constexpr double kLowestRatio = 0.03;  ///< drawn; the formulas for the other regime fall below

}  // namespace

FigureTables figA1a_tables(const FigureOptions& options) {
  validate(options);
  const double n_context = context_of(options);
  Table table{.part = "",
              .columns = {"beta0", "t_exact_loss", "t_flow", "t_solution", "t_leading", "t_cold", "t_cold_printed",
                          "ratio_solution", "ratio_leading", "ratio_cold", "ratio_cold_printed"},
              .rows = {}};
  double low = HUGE_VAL, high = 0.0;
  for (int i = 0; i < kStartPoints; ++i) {
    const double beta0 = kBeta0Low + (kBeta0High - kBeta0Low) * i / (kStartPoints - 1);
    // c1 = c2 = 1/2: I_K is the time itself, and so is the integral of c1/c2.
    const theory::AcquisitionTower tower =
        acquisition_tower(n_context, {.w = options.w0, .beta = beta0}, theory::ConstantMemorization{});
    const double cold = theory::cold_start_integral(n_context, beta0);
    // Zero where half of the attention is on the copy from the start; too large a number elsewhere is none.
    const auto shown = [](const std::optional<double>& time) {
      return time && *time > 0.0 && std::isfinite(*time) ? time : std::nullopt;
    };
    const std::optional<double> exact_loss = shown(tower.binomial);
    const auto ratio = [&](const std::optional<double>& time) {
      return shown(time) && exact_loss ? Cell(*time / *exact_loss) : Cell();
    };
    add_row(table,
            {beta0, cell(exact_loss), cell(shown(tower.flow)), cell(shown(tower.exact)), cell(shown(tower.leading)),
             cold, 2.0 * cold, ratio(tower.exact), ratio(tower.leading), ratio(cold), ratio(2.0 * cold)});
    for (const auto& time : {exact_loss, shown(tower.exact)}) {
      if (time) low = std::min(low, *time), high = std::max(high, *time);
    }
  }
  if (!(high > 0.0)) {
    throw field_error("w0", "expected a start from which attention is acquired, got " + format_number(options.w0));
  }
  std::vector<std::string> numbers;
  for (const double beta0 : {-4.0, -2.0, 0.0, 2.0}) {
    const auto row =
        static_cast<std::size_t>(std::lround((beta0 - kBeta0Low) / (kBeta0High - kBeta0Low) * (kStartPoints - 1)));
    const auto text = [&](const char* column) {
      const auto value = table.number(row, column);
      return value ? format_rounded(*value, 5) : std::string("none");
    };
    numbers.push_back("beta0 = " + format_number(beta0) + ": exact loss " + text("t_exact_loss") +
                      ", Eqs. 7-8 solved " + text("t_solution") + ", Eq. 11 " + text("t_leading") +
                      ", Eq. 37 corrected " + text("t_cold"));
  }
  FigureTables figure;
  figure.tables = {std::move(table)};
  add_log_axis(figure, "t", low, high, 1.6);
  add_log_axis(figure, "ratio", kLowestRatio, 2.0);
  figure.numbers.emplace_back("beta_min", kBeta0Low);
  figure.numbers.emplace_back("beta_max", kBeta0High);
  figure.numbers.emplace_back("n_context", n_context);
  figure.caption = make_theory_caption(
      "figA1a: acquisition time against the start value of beta (Fig. A.1a of the paper)",
      "Time at which in-context learning is acquired when the MLP does not memorize (c1 = c2 = 1/2). Circles: gradient "
      "flow on the exact loss (Eq. 21), until half of the attention is on the copy. Solid line: blow-up of Eqs. 7-8, "
      "solved exactly. Dashed: Eq. 11. Dash-dotted: Eq. 37 with its missing factor 1/2; dotted: Eq. 37 as printed. "
      "Lower panel: the formulas over the flow.",
      "N = " + format_number(n_context) + ", w0 = " + format_number(options.w0), numbers);
  return figure;
}

}  // namespace iclk::figures
