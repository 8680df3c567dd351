#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/prediction.hpp"
#include "iclk/theory/seed_ensemble.hpp"

namespace iclk::figures {
namespace {

constexpr std::uint64_t kSamples = 20'000;  ///< starts; a bin in the middle holds a thousand of them
constexpr int kHistogramBins = 40;
constexpr double kShownShare = 0.99;  ///< of the runs lie within the histogram's axis
constexpr int kDensityPoints = 160;
constexpr double kRarest = 1e-4;                                   ///< lowest P(t_ICL > t) drawn
constexpr std::array<double, 3> kSpreads = {1.0 / 3.0, 1.0, 3.0};  ///< times the spread asked for

/// The same means with `factor` times the spread.
theory::StartDistribution widened(theory::StartDistribution start, double factor) {
  start.beta0_sd *= factor;
  start.w0_sd *= factor;
  return start;
}

Table histogram(const std::vector<double>& ascending, const Range& axis) {
  Table bins{.part = "", .columns = {"time", "width", "density", "count"}, .rows = {}};
  const double width = (axis.high - axis.low) / kHistogramBins;
  for (int i = 0; i < kHistogramBins; ++i) {
    const double low = axis.low + i * width;
    const auto first = std::lower_bound(ascending.begin(), ascending.end(), low);
    const auto last = std::lower_bound(first, ascending.end(), low + width);
    const double count = static_cast<double>(last - first);
    add_row(bins, {low + 0.5 * width, width, count / (static_cast<double>(ascending.size()) * width), count});
  }
  return bins;
}

Table densities(double n_context, const theory::StartDistribution& start, const theory::LognormalLaw& law,
                const Range& axis) {
  Table table{.part = "lines", .columns = {"time", "exact", "lognormal"}, .rows = {}};
  for (int i = 1; i <= kDensityPoints; ++i) {
    const double time = axis.low + (axis.high - axis.low) * i / kDensityPoints;
    add_row(table, {time, acquisition_density(time, n_context, start, kUntrainedC2), density(law, time)});
  }
  return table;
}

}  // namespace

FigureTables figA1b_tables(const FigureOptions& options) {
  validate(options);
  if (!(options.beta0_sd > 0.0 || options.w0_sd > 0.0)) {
    throw field_error("beta0_sd", "expected a spread of beta0 or w0, got none");
  }
  const double n_context = context_of(options);
  const theory::StartDistribution start = starts_of(options);
  const theory::LognormalLaw law = lognormal_law(n_context, start);
  // c1 = 1/2 of an MLP that does not memorize makes I_K the time.
  const auto quantile_of = [&](double share, const theory::StartDistribution& s) {
    return acquisition_quantile(share, n_context, s, kUntrainedC2);
  };
  const theory::Ensemble ensemble = sample_ensemble(std::numeric_limits<double>::infinity(), n_context, kUntrainedC2,
                                                    start, {.n_samples = kSamples, .seed = 0});
  const Range axis{0.0, quantile_of(kShownShare, start)};

  Table tail{.part = "tail", .columns = {"beta0_sd", "time", "exact", "lognormal"}, .rows = {}};
  std::string labels;
  std::vector<std::string> numbers;
  Range times{HUGE_VAL, 0.0};
  for (const double factor : kSpreads) {
    const theory::StartDistribution wide = widened(start, factor);
    const theory::LognormalLaw wide_law = lognormal_law(n_context, wide);
    const Range shown{quantile_of(kRarest, wide), quantile_of(1.0 - kRarest, wide)};
    times = {std::min(times.low, quantile_of(0.05, wide)), std::max(times.high, shown.high)};
    int gap = 2;
    for (int i = 0; i < kDensityPoints; ++i) {
      const double time = shown.low * std::pow(shown.high / shown.low, static_cast<double>(i) / (kDensityPoints - 1));
      add_row(tail,
              {wide.beta0_sd, time, 1.0 - acquisition_probability(time, n_context, wide, kUntrainedC2),
               1.0 - probability(wide_law, time)},
              gap);
      gap = 0;
    }
    labels += (labels.empty() ? "" : " ") + format_rounded(wide.beta0_sd > 0.0 ? wide.beta0_sd : wide.w0_sd, 2);
    numbers.push_back("sd of beta0 " + format_rounded(wide.beta0_sd, 3) + ", of w0 " + format_rounded(wide.w0_sd, 3) +
                      ": median " + format_rounded(quantile_of(0.5, wide), 5) + " (lognormal " +
                      format_rounded(quantile(wide_law, 0.5), 5) + "), 99 % below " +
                      format_rounded(quantile_of(0.99, wide), 5) + " (lognormal " +
                      format_rounded(quantile(wide_law, 0.99), 5) + ")");
  }
  FigureTables figure;
  figure.tables = {histogram(ensemble.required_integrals, axis), densities(n_context, start, law, axis),
                   std::move(tail)};
  figure.numbers.insert(figure.numbers.end(), {{"t_high", axis.high},
                                               {"rarest", kRarest},
                                               {"n_spreads", static_cast<double>(kSpreads.size())},
                                               {"n_samples", static_cast<double>(kSamples)}});
  figure.texts.emplace_back("spread_labels", labels);
  std::string spreads;
  for (const auto& [symbol, sd] :
       {std::pair{"{/:Italic β}_0", options.beta0_sd}, std::pair{"{/:Italic w}_0", options.w0_sd}}) {
    if (sd > 0.0) spreads += (spreads.empty() ? "" : ", ") + std::string(symbol) + ": sd " + format_number(sd);
  }
  figure.texts.emplace_back("spread_title", spreads);
  add_log_axis(figure, "t", times.low, times.high);
  figure.caption = make_theory_caption(
      "figA1b: acquisition times over random starts (Fig. A.1b of the paper)",
      "Time of acquisition (blow-up of Eqs. 7-8) when the MLP does not memorize (c1 = c2 = 1/2) and the start values "
      "are "
      "normally distributed over seeds. (a) Histogram of " +
          format_number(static_cast<double>(kSamples)) +
          " sampled starts, the exact density (solid) and the lognormal one that follows from Eq. 35 (dashed); the "
          "axis "
          "ends where 99 % of the runs have acquired. (b) Share of runs that take longer than t, for a third of the "
          "spread, the spread, and three times the spread: the exact tail is heavier than lognormal.",
      start_settings(options, true) + "; samples with seed 0", numbers);
  return figure;
}

}  // namespace iclk::figures
