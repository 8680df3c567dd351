#include "iclk/fit/power_law_bootstrap.hpp"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>

#include "common_shape.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "power_law_levels.hpp"
#include "weighted_line.hpp"

namespace iclk::fit {
namespace {

// Leaving out one unit at a time takes the square of their number.
constexpr std::size_t kMostUnits = 2000;

/// Levels and runs of one resample: positions of the levels, and of the runs within each.
struct Draw {
  std::vector<std::size_t> level;
  std::vector<std::vector<std::size_t>> runs;  // [drawn levels]
};

struct ResampledLaw {
  double exponent = 0.0, log_prefactor = 0.0;
};

/// The law at every position in the tail brackets, from the runs of a draw.
using Estimator = std::function<std::vector<ResampledLaw>(const Draw&)>;

std::vector<std::size_t> counting(std::size_t n) {
  std::vector<std::size_t> values(n);
  std::iota(values.begin(), values.end(), std::size_t{0});
  return values;
}

Draw everything(std::span<const std::size_t> n_runs) {
  Draw draw{counting(n_runs.size()), {}};
  for (const std::size_t n : n_runs) draw.runs.push_back(counting(n));
  return draw;
}

Draw draw_resample(std::span<const std::size_t> n_runs, Resampling resampling, Rng& rng) {
  Draw draw = everything(n_runs);
  if (resampling != Resampling::runs) {
    for (std::size_t& level : draw.level) level = static_cast<std::size_t>(rng.below(n_runs.size()));
    for (std::size_t k = 0; k < draw.level.size(); ++k) draw.runs[k] = counting(n_runs[draw.level[k]]);
  }
  if (resampling != Resampling::levels) {
    for (auto& runs : draw.runs) {
      const std::size_t n = runs.size();
      for (std::size_t& run : runs) run = static_cast<std::size_t>(rng.below(n));
    }
  }
  return draw;
}

bool one_level(const Draw& draw) {
  return std::all_of(draw.level.begin(), draw.level.end(), [&](std::size_t k) { return k == draw.level.front(); });
}

/// Third over second moment of the influence of the units that are resampled: levels, or runs as strata of their level.
double acceleration(const std::vector<std::vector<double>>& left_out) {
  double squares = 0, cubes = 0;
  for (const auto& values : left_out) {
    const auto n = static_cast<double>(values.size());
    if (n < 2) continue;
    const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    for (const double value : values) {
      const double influence = (n - 1) * (mean - value);
      squares += influence * influence / (n * n);
      cubes += influence * influence * influence / (n * n * n);
    }
  }
  return squares > 0 ? cubes / (6 * std::pow(squares, 1.5)) : 0.0;
}

/// Point below which a part p of the sorted values lies, (B + 1) p-th with interpolation.
double quantile(const std::vector<double>& sorted, double p) {
  const double position = p * (static_cast<double>(sorted.size()) + 1) - 1;
  const double last = static_cast<double>(sorted.size() - 1);
  const double floor = std::floor(std::clamp(position, 0.0, last));
  const auto i = static_cast<std::size_t>(floor);
  if (i + 1 >= sorted.size()) return sorted.back();
  return sorted[i] + std::clamp(position - floor, 0.0, 1.0) * (sorted[i + 1] - sorted[i]);
}

/// Intervals of one number at one position of the tails. `values` are sorted here.
BootstrapIntervals intervals(std::vector<double> values, double estimate, double a) {
  std::sort(values.begin(), values.end());
  const auto n = static_cast<double>(values.size());
  BootstrapIntervals result;
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  result.standard_error = std::sqrt(squares / (n - 1));
  result.bias = mean - estimate;
  result.percentile = {estimate, quantile(values, 0.025), quantile(values, 0.975)};
  // Bias correction from the share below the estimate, ties half: resamples equal to it say nothing about a side.
  // Without any on one side it does not exist, nor does BCa.
  const auto [first, last] = std::equal_range(values.begin(), values.end(), estimate);
  const double below = static_cast<double>(first - values.begin()) + 0.5 * static_cast<double>(last - first);
  result.bca.value = estimate;
  if (!(below > 0 && below < n)) return result;
  const boost::math::normal normal;
  const double z0 = boost::math::quantile(normal, below / n);
  const auto end = [&](double p) -> std::optional<double> {
    const double z = z0 + boost::math::quantile(normal, p);
    if (!(1 - a * z > 0)) return {};
    return quantile(values, boost::math::cdf(normal, z0 + z / (1 - a * z)));
  };
  result.bca.low = end(0.025);
  result.bca.high = end(0.975);
  return result;
}

void unite_both(BootstrapIntervals& outer, const BootstrapIntervals& inner) {
  unite(outer.percentile, inner.percentile);
  unite(outer.bca, inner.bca);
}

Estimate exponential(const Estimate& log_estimate) {
  const auto end = [](const std::optional<double>& v) -> std::optional<double> {
    if (!v || !std::isfinite(std::exp(*v)) || !(std::exp(*v) > 0)) return {};
    return std::exp(*v);
  };
  return {end(log_estimate.value), end(log_estimate.low), end(log_estimate.high)};
}

void close_upper_end(BootstrapIntervals& intervals) {
  intervals.percentile.high.reset();
  intervals.bca.high.reset();
}

/// Everything after the choice of the estimator.
PowerLawBootstrap bootstrap(std::span<const std::size_t> n_runs, const Estimator& estimate, bool upper_end_open,
                            const BootstrapOptions& options) {
  PowerLawBootstrap result;
  result.resampling = options.resampling;
  const bool over_levels = options.resampling != Resampling::runs;
  if (n_runs.size() < (over_levels ? 4U : 2U)) {
    result.outcome = BootstrapOutcome::too_few_levels;
    result.warnings.push_back(over_levels ? "fewer than four levels cannot be resampled"
                                          : "fewer than two levels have no exponent");
    return result;
  }
  if (!over_levels && std::all_of(n_runs.begin(), n_runs.end(), [](std::size_t n) { return n < 2; })) {
    result.outcome = BootstrapOutcome::no_repeated_runs;
    result.warnings.emplace_back("no level has two runs: runs cannot be resampled");
    return result;
  }
  result.outcome = BootstrapOutcome::resampled;
  result.n_resamples = options.n_resamples;

  const Draw all = everything(n_runs);
  const std::vector<ResampledLaw> center = estimate(all);
  const std::size_t n_cases = center.size();
  std::vector<std::vector<double>> exponents(n_cases), prefactors(n_cases);  // [cases][resamples]
  for (int r = 0; r < options.n_resamples; ++r) {
    Rng rng(options.seed, RandomPurpose::bootstrap, static_cast<std::uint64_t>(r));
    Draw draw = draw_resample(n_runs, options.resampling, rng);
    for (; one_level(draw); ++result.n_redrawn) draw = draw_resample(n_runs, options.resampling, rng);
    const std::vector<ResampledLaw> laws = estimate(draw);
    for (std::size_t s = 0; s < n_cases; ++s) {
      exponents[s].push_back(laws[s].exponent);
      prefactors[s].push_back(laws[s].log_prefactor);
    }
  }

  // One unit left out at a time: [cases][strata][units].
  std::vector<std::vector<std::vector<double>>> without_exponent(n_cases), without_prefactor(n_cases);
  const auto leave_out = [&](const Draw& draw) {
    const std::vector<ResampledLaw> laws = estimate(draw);
    for (std::size_t s = 0; s < n_cases; ++s) {
      without_exponent[s].back().push_back(laws[s].exponent);
      without_prefactor[s].back().push_back(laws[s].log_prefactor);
    }
  };
  const auto open_stratum = [&] {
    for (std::size_t s = 0; s < n_cases; ++s) {
      without_exponent[s].emplace_back();
      without_prefactor[s].emplace_back();
    }
  };
  const std::size_t n_units =
      over_levels ? n_runs.size() : std::accumulate(n_runs.begin(), n_runs.end(), std::size_t{0});
  const bool leave_units_out = n_units <= kMostUnits;
  if (over_levels) open_stratum();
  for (std::size_t k = 0; k < n_runs.size() && leave_units_out; ++k) {
    Draw draw = all;
    if (over_levels) {
      draw.level.erase(draw.level.begin() + static_cast<std::ptrdiff_t>(k));
      draw.runs.erase(draw.runs.begin() + static_cast<std::ptrdiff_t>(k));
      leave_out(draw);
    } else if (n_runs[k] >= 2) {
      open_stratum();
      for (std::size_t i = 0; i < n_runs[k]; ++i) {
        draw.runs[k] = counting(n_runs[k]);
        draw.runs[k].erase(draw.runs[k].begin() + static_cast<std::ptrdiff_t>(i));
        leave_out(draw);
      }
    }
  }

  BootstrapIntervals log_prefactor;
  for (std::size_t s = 0; s < n_cases; ++s) {
    const BootstrapIntervals e =
        intervals(std::move(exponents[s]), center[s].exponent, acceleration(without_exponent[s]));
    const BootstrapIntervals p =
        intervals(std::move(prefactors[s]), center[s].log_prefactor, acceleration(without_prefactor[s]));
    if (s == 0) {
      result.exponent = e;
      log_prefactor = p;
    } else {
      unite_both(result.exponent, e);
      unite_both(log_prefactor, p);
    }
  }
  if (upper_end_open) {
    close_upper_end(result.exponent);
    close_upper_end(log_prefactor);
  }
  const double value = std::exp(center.front().log_prefactor);
  result.prefactor = {.percentile = exponential(log_prefactor.percentile),
                      .bca = exponential(log_prefactor.bca),
                      .standard_error = value * log_prefactor.standard_error,
                      .bias = value * log_prefactor.bias};
  if (!leave_units_out) {
    result.exponent.bca = result.prefactor.bca = {};
    result.warnings.push_back("more than " + std::to_string(kMostUnits) +
                              " levels or runs: BCa, which leaves out one at a time, is not computed");
  } else if (!result.exponent.bca.low) {
    result.warnings.emplace_back("all resamples lie on one side of the estimate: there is no BCa interval");
  }
  if (options.resampling == Resampling::runs) {
    result.warnings.emplace_back(
        "resampling runs within levels does not see scatter of whole levels, and with few runs per level its intervals "
        "are too short");
  } else if (constexpr std::size_t kManyLevels = 100; n_runs.size() < kManyLevels) {
    const char* error =
        options.resampling == Resampling::levels
            ? " levels are too short"
            : " levels are approximate, too long where runs alone scatter and too short where levels do";
    result.warnings.push_back("bootstrap intervals from " + std::to_string(n_runs.size()) + error +
                              ": rely on the interval of the exponent above");
  }
  return result;
}

ResampledLaw law_of(const WeightedLine& line) { return {line.slope, line.intercept}; }

std::vector<std::size_t> run_counts(const std::vector<std::vector<double>>& levels) {
  std::vector<std::size_t> counts;
  for (const auto& runs : levels) counts.push_back(runs.size());
  return counts;
}

PowerLawBootstrap no_law() {
  PowerLawBootstrap result;
  result.warnings.emplace_back("there is no law to resample");
  return result;
}

PowerLawBootstrap bootstrap_tails(const TailScenarios& tails, const PowerLawFit& fit, const BootstrapOptions& options) {
  const PowerLawLevels levels = power_law_levels(tails, fit);
  const Estimator estimate = [&](const Draw& draw) {
    std::vector<double> x, w, y(draw.level.size());
    for (const std::size_t k : draw.level) {
      x.push_back(levels.log_x[k]);
      w.push_back(levels.weight[k]);
    }
    std::vector<ResampledLaw> laws;
    for (const auto& scenario : levels.runs) {
      for (std::size_t k = 0; k < y.size(); ++k) {
        const auto& values = scenario[draw.level[k]];
        y[k] = 0;
        for (const std::size_t run : draw.runs[k]) y[k] += values[run] / static_cast<double>(draw.runs[k].size());
      }
      laws.push_back(law_of(weighted_line(x, y, w)));
    }
    return laws;
  };
  return bootstrap(run_counts(levels.runs.front()), estimate, levels.upper_end_open, options);
}

}  // namespace

std::string_view name(Resampling resampling) {
  switch (resampling) {
    case Resampling::runs:
      return "runs";
    case Resampling::levels:
      return "levels";
    case Resampling::both:
      break;
  }
  return "both";
}

std::string_view name(BootstrapOutcome outcome) {
  switch (outcome) {
    case BootstrapOutcome::resampled:
      return "resampled";
    case BootstrapOutcome::no_repeated_runs:
      return "no_repeated_runs";
    case BootstrapOutcome::too_few_levels:
      return "too_few_levels";
    case BootstrapOutcome::no_law:
      break;
  }
  return "no_law";
}

void validate(const BootstrapOptions& options) {
  if (options.n_resamples < 100 || options.n_resamples > 10'000'000) {
    throw field_error("n_resamples",
                      "expected a count from 100 to 10000000, got " + std::to_string(options.n_resamples));
  }
}

PowerLawBootstrap bootstrap_power_law(std::span<const PowerLawPoint> points, const PowerLawFit& fit,
                                      const PowerLawOptions& fit_options, const BootstrapOptions& options) {
  validate(fit_options);
  validate(options);
  const TailScenarios tails = tail_scenarios(points, fit_options.use_tails);
  if (fit.scenarios.empty()) return no_law();
  return bootstrap_tails(tails, fit, options);
}

PowerLawBootstrap bootstrap_memorization_law(std::span<const TruncatedCurve> curves, const MemorizationLawFit& fit,
                                             const MemorizationLawOptions& fit_options,
                                             const BootstrapOptions& options) {
  validate(fit_options);
  validate(options);
  if (fit.law.scenarios.empty()) return no_law();
  if (fit.treatment != TruncationTreatment::common_shape) {
    std::vector<PowerLawPoint> points;
    for (const TruncatedCurve& curve : curves) points.push_back(single_point(curve));
    PowerLawBootstrap result = bootstrap_power_law(points, fit.law, fit_options.power_law, options);
    result.warnings.emplace_back("the curves have no common shape: integrals with their own tails were resampled");
    return result;
  }

  // Levels of K, and in each the positions of its curves in the input of the shape.
  const ShapeInput input = shape_input(curves, fit_options);
  TailScenarios positions;
  positions.scenarios.push_back({"position", {}});
  for (std::size_t u = 0; u < input.used.size(); ++u) {
    positions.x.push_back(curves[input.used[u]].n_items);
    positions.scenarios.front().log_y.push_back(static_cast<double>(u));
  }
  const PowerLawLevels levels = power_law_levels(positions, fit.law);

  const Estimator estimate = [&](const Draw& draw) {
    std::vector<std::size_t> chosen;
    std::vector<double> x, w, y(draw.level.size());
    for (std::size_t k = 0; k < draw.level.size(); ++k) {
      x.push_back(levels.log_x[draw.level[k]]);
      w.push_back(levels.weight[draw.level[k]]);
      for (const std::size_t run : draw.runs[k]) {
        chosen.push_back(static_cast<std::size_t>(levels.runs.front()[draw.level[k]][run]));
      }
    }
    const ShapeInput some = choose(input, chosen);
    const SharedShape drifting = fit_shared_shape(some.times, some.log_levels, {});
    const double slope = end_slope(drifting);
    const CommonTail tail = common_tail(curves, some, slope);
    std::vector<ResampledLaw> laws;
    const auto add = [&](const SharedShape& shape, TailEnd end) {
      const std::vector<double> values = integrals(curves, some, shape, slope, tail, end);
      std::size_t u = 0;
      for (std::size_t k = 0; k < y.size(); ++k) {
        y[k] = 0;
        for (std::size_t i = 0; i < draw.runs[k].size(); ++i, ++u) {
          y[k] += std::log(values[u]) / static_cast<double>(draw.runs[k].size());
        }
      }
      laws.push_back(law_of(weighted_line(x, y, w)));
    };
    add(drifting, TailEnd::value);
    if (fit_options.power_law.use_tails) {
      add(drifting, TailEnd::low);
      add(drifting, TailEnd::high);
      add(fit_shared_shape(some.times, some.log_levels, 0.0), TailEnd::value);
    }
    return laws;
  };
  return bootstrap(run_counts(levels.runs.front()), estimate, fit.law.upper_end_open, options);
}

}  // namespace iclk::fit
