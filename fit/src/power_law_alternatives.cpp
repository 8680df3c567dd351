#include "iclk/fit/power_law_alternatives.hpp"

#include <algorithm>
#include <array>
#include <boost/math/tools/minima.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "iclk/core/error.hpp"
#include "iclk/fit/least_squares.hpp"
#include "power_law_levels.hpp"
#include "weighted_line.hpp"

namespace iclk::fit {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

/// Smallest c with P(|S| >= c) <= 5 % for Kendall's S of n values without ties; empty when even the largest S is
/// likelier.
std::optional<double> kendall_limit(std::size_t n) {
  const auto pairs = static_cast<double>(n) * static_cast<double>(n - 1) / 2;
  constexpr std::size_t kExact = 60;
  if (n > kExact) {
    const double m = static_cast<double>(n);
    return std::ceil(student_t_quantile(0.975, HUGE_VAL) * std::sqrt(m * (m - 1) * (2 * m + 5) / 18));
  }
  // Share of permutations with i inversions, one element after another; S = pairs - 2 i.
  std::vector<double> share{1.0};
  for (std::size_t m = 2; m <= n; ++m) {
    std::vector<double> next(share.size() + m - 1, 0.0);
    for (std::size_t i = 0; i < share.size(); ++i) {
      for (std::size_t j = 0; j < m; ++j) next[i + j] += share[i] / static_cast<double>(m);
    }
    share = std::move(next);
  }
  double tail = 0;
  std::optional<double> limit;
  for (std::size_t i = 0; i < share.size() && 2.0 * static_cast<double>(i) < pairs; ++i) {
    tail += 2 * share[i];
    if (tail > 0.05) break;
    limit = pairs - 2 * static_cast<double>(i);
  }
  return limit;
}

struct Law {
  Estimate exponent;
  double log_prefactor = 0.0;
  double level_share = 1.0;  // part of the variance of a level mean that is scatter of levels
};

/// Slopes outside the interval would make |S| of the residuals reach the limit.
Law theil_sen(std::span<const double> x, std::span<const double> y) {
  std::vector<double> slopes;
  slopes.reserve(x.size() * (x.size() - 1) / 2);
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = i + 1; j < x.size(); ++j) slopes.push_back((y[j] - y[i]) / (x[j] - x[i]));
  }
  std::sort(slopes.begin(), slopes.end());
  Law law;
  const double slope = median(slopes);
  law.exponent.value = slope;
  if (const auto limit = kendall_limit(x.size())) {
    const auto excluded =
        std::min(static_cast<std::size_t>((static_cast<double>(slopes.size()) - *limit) / 2), (slopes.size() - 1) / 2);
    law.exponent.low = slopes[excluded];
    law.exponent.high = slopes[slopes.size() - 1 - excluded];
  }
  std::vector<double> intercepts;
  for (std::size_t i = 0; i < x.size(); ++i) intercepts.push_back(y[i] - slope * x[i]);
  law.log_prefactor = median(intercepts);
  return law;
}

/// exp of a logarithm, empty outside the double range.
std::optional<double> exponential(double log_value) {
  const double value = std::exp(log_value);
  if (!std::isfinite(value) || !(value > 0)) return {};
  return value;
}

/// Likelihood of the mixed model at one position of the tails.
class MixedModel {
 public:
  MixedModel(std::span<const double> log_x, const std::vector<std::vector<double>>& runs, std::span<const double> mean)
      : x_(log_x.begin(), log_x.end()), y_(mean.begin(), mean.end()) {
    for (std::size_t k = 0; k < runs.size(); ++k) {
      n_.push_back(static_cast<double>(runs[k].size()));
      n_points_ += n_.back();
      for (const double value : runs[k]) within_sum_ += (value - y_[k]) * (value - y_[k]);
    }
    replicated_ = n_points_ > static_cast<double>(x_.size());
    if (replicated_ && within_sum_ < kRoundingSd * kRoundingSd * n_points_) {  // runs of a level agree: one run each
      replicated_ = false;
    }
    if (!replicated_) {
      n_points_ = static_cast<double>(x_.size());
      std::fill(n_.begin(), n_.end(), 1.0);
      within_sum_ = 0;
    }
  }

  /// Least -2 ln likelihood over prefactor and variances, at an exponent or (empty) over all of them. `law`: where.
  double deviance(std::optional<double> exponent, Law* law = nullptr) const {
    const auto at = [&](double ratio) { return deviance_at(ratio, exponent, nullptr); };
    // between^2/within^2: 0, or a minimum over its logarithm, bracketed by a scan since there may be two.
    double best_ratio = 0;
    double best = at(0);
    if (replicated_) {
      constexpr int kScan = 24;
      constexpr double kLowest = -12, kHighest = 18;  // ln of the ratio
      const double step = (kHighest - kLowest) / kScan;
      const auto of_log = [&](double log_ratio) { return at(std::exp(log_ratio)); };
      std::array<double, kScan + 1> scan{};
      for (int i = 0; i <= kScan; ++i) scan[static_cast<std::size_t>(i)] = of_log(kLowest + step * i);
      for (std::size_t i = 1; i < kScan; ++i) {
        if (!(scan[i] <= scan[i - 1] && scan[i] <= scan[i + 1])) continue;
        const double log_ratio = kLowest + step * static_cast<double>(i);
        constexpr int kBits = 30;
        const auto [where, value] =
            boost::math::tools::brent_find_minima(of_log, log_ratio - step, log_ratio + step, kBits);
        if (value < best) {
          best = value;
          best_ratio = std::exp(where);
        }
      }
    }
    if (law != nullptr) deviance_at(best_ratio, exponent, law);
    return best;
  }

 private:
  double deviance_at(double ratio, std::optional<double> exponent, Law* law) const {
    std::vector<double> w(x_.size());
    double log_sum = 0;
    for (std::size_t k = 0; k < w.size(); ++k) {
      w[k] = 1 / (ratio + 1 / n_[k]);
      log_sum -= std::log(w[k]);
    }
    WeightedLine line = weighted_line(x_, y_, w);
    double residual_sum = line.residual_sum;
    if (exponent) residual_sum += (*exponent - line.slope) * (*exponent - line.slope) * line.spread;
    if (law != nullptr) {
      law->exponent.value = line.slope;
      law->log_prefactor = line.intercept;
      if (replicated_) {
        double inverse_runs = 0;
        for (const double n : n_) inverse_runs += 1 / (n * static_cast<double>(n_.size()));
        law->level_share = ratio / (ratio + inverse_runs);
      }
    }
    const double variance = std::max((residual_sum + within_sum_) / n_points_, kRoundingSd * kRoundingSd);
    return n_points_ * std::log(variance) + log_sum;
  }

  std::vector<double> x_, y_, n_;  // [levels]
  double n_points_ = 0, within_sum_ = 0;
  bool replicated_ = false;
};

/// Limit of the deviance for Student's t with d degrees of freedom, exact for a line through d + 2 values.
double student_limit(double d) {
  const double t = student_t_quantile(0.975, d);
  return (d + 2) * std::log1p(t * t / d);
}

/// `limit`: of the deviance, from the share of level scatter.
template <class Limit>
Law profile(const MixedModel& model, const Limit& limit_for) {
  Law law;
  const double least = model.deviance({}, &law);
  const double limit = limit_for(law.level_share);
  const double center = *law.exponent.value;
  const auto excess = [&](double exponent) { return model.deviance(exponent) - least - limit; };
  const auto end = [&](double sign) -> std::optional<double> {
    double inside = center;
    double step = 1e-6 * std::max(1.0, std::abs(center));
    constexpr int kDoublings = 80;
    for (int i = 0; i < kDoublings; ++i, step *= 2) {
      const double outside = center + sign * step;
      if (excess(outside) > 0) {
        std::uintmax_t evaluations = 200;
        constexpr int kBits = 40;
        const auto [low, high] =
            boost::math::tools::toms748_solve(excess, std::min(inside, outside), std::max(inside, outside),
                                              boost::math::tools::eps_tolerance<double>(kBits), evaluations);
        return (low + high) / 2;
      }
      inside = outside;
    }
    return {};
  };
  law.exponent.low = end(-1);
  law.exponent.high = end(1);
  return law;
}

struct Prepared {
  PowerLawFit fit;
  PowerLawLevels levels;
};

Prepared prepare(std::span<const PowerLawPoint> points, const PowerLawOptions& options) {
  Prepared data{fit_power_law(points, options), {}};
  if (data.fit.scenarios.empty()) return data;
  data.levels = power_law_levels(tail_scenarios(points, options.use_tails), data.fit);
  return data;
}

bool refuse_many(AlternativeLaw& result) {
  if (result.n_levels <= kMostLevels) return false;
  result.outcome = AlternativeOutcome::too_many_levels;
  result.warnings.push_back("more than " + std::to_string(kMostLevels) + " levels: this is not computed");
  return true;
}

/// The law of every position of the tails, united.
template <class Method>
void unite_scenarios(const PowerLawLevels& levels, const Method& method, AlternativeLaw& result) {
  for (std::size_t s = 0; s < levels.mean.size(); ++s) {
    const Law law = method(s);
    if (s == 0) {
      result.exponent = law.exponent;
      result.prefactor.value = exponential(law.log_prefactor);
    } else {
      unite(result.exponent, law.exponent);
    }
  }
  if (levels.upper_end_open) {
    result.exponent.high.reset();
    result.warnings.emplace_back("some tails have no upper end, nor has the exponent");
  }
  result.outcome =
      result.exponent.low || result.exponent.high ? AlternativeOutcome::fitted : AlternativeOutcome::no_interval;
}

}  // namespace

std::string_view name(AlternativeOutcome outcome) {
  switch (outcome) {
    case AlternativeOutcome::fitted:
      return "fitted";
    case AlternativeOutcome::no_interval:
      return "no_interval";
    case AlternativeOutcome::no_law:
      return "no_law";
    case AlternativeOutcome::too_many_levels:
      break;
  }
  return "too_many_levels";
}

AlternativeLaw robust_power_law(std::span<const PowerLawPoint> points, const PowerLawOptions& options) {
  const Prepared data = prepare(points, options);
  AlternativeLaw result;
  result.n_levels = data.fit.n_levels;
  if (data.fit.scenarios.empty()) {
    result.warnings.emplace_back("fewer than two levels have no exponent");
    return result;
  }
  if (refuse_many(result)) return result;
  unite_scenarios(
      data.levels,
      [&](std::size_t s) {
        std::vector<double> y;
        for (const auto& runs : data.levels.runs[s]) y.push_back(median(runs));
        return theil_sen(data.levels.log_x, y);
      },
      result);
  if (result.outcome == AlternativeOutcome::no_interval) {
    result.warnings.emplace_back("fewer than five levels: the robust exponent has no interval");
  }
  return result;
}

AlternativeLaw profile_power_law(std::span<const PowerLawPoint> points, const PowerLawOptions& options,
                                 const ProfileOptions& profile_options) {
  const Prepared data = prepare(points, options);
  AlternativeLaw result;
  result.n_levels = data.fit.n_levels;
  if (data.fit.scenarios.empty()) {
    result.warnings.emplace_back("fewer than two levels have no exponent");
    return result;
  }
  if (refuse_many(result)) return result;
  result.exponent.value = data.fit.exponent.value;
  result.prefactor.value = data.fit.prefactor.value;
  result.outcome = AlternativeOutcome::no_interval;
  if (result.n_levels < 3) {
    result.warnings.emplace_back("two levels have no profile of the exponent");
    return result;
  }
  if (data.fit.residual_sd < kRoundingSd) {
    result.warnings.emplace_back("the points lie on the law: the likelihood has no scatter to judge by");
    return result;
  }
  constexpr double kChiSquared95 = 3.841458820694124;  // 95 % point, one degree of freedom
  const auto n_levels = static_cast<double>(result.n_levels);
  const auto spare_runs = static_cast<double>(data.fit.n_points - data.fit.n_levels);
  const auto limit = [&](double level_share) {
    if (!profile_options.small_sample) return kChiSquared95;
    const double run_share = 1 - level_share;
    return student_limit(n_levels - 2 + run_share * run_share * spare_runs);
  };
  unite_scenarios(
      data.levels,
      [&](std::size_t s) {
        return profile(MixedModel(data.levels.log_x, data.levels.runs[s], data.levels.mean[s]), limit);
      },
      result);
  constexpr std::size_t kManyLevels = 20;
  if (!profile_options.small_sample && result.n_levels < kManyLevels) {
    result.warnings.push_back("with " + std::to_string(result.n_levels) +
                              " levels the limit of chi-squared makes the profile interval too short");
  }
  return result;
}

std::vector<LocalExponent> local_exponents(std::span<const PowerLawPoint> points, const PowerLawFit& fit,
                                           const PowerLawOptions& options, int window) {
  if (window < 2) throw field_error("window", "expected two levels or more, got " + std::to_string(window));
  validate(options);
  const TailScenarios tails = tail_scenarios(points, options.use_tails);
  const auto width = static_cast<std::size_t>(window);
  std::vector<LocalExponent> result;
  if (fit.scenarios.empty() || fit.n_levels < width) return result;
  const PowerLawLevels levels = power_law_levels(tails, fit);
  std::vector<double> n_runs;
  for (const auto& runs : levels.runs.front()) n_runs.push_back(static_cast<double>(runs.size()));

  double dof = static_cast<double>(fit.n_points - fit.n_levels);  // runs within levels
  double sd = fit.within_sd.value_or(0.0);
  if (!fit.within_sd) {
    dof = static_cast<double>(fit.n_levels) - 2;
    sd = fit.residual_sd;
  }
  for (std::size_t k = 0; k + width <= levels.size(); ++k) {
    const auto part = [&](const std::vector<double>& all) { return std::span(all).subspan(k, width); };
    LocalExponent local{.x_low = std::exp(levels.log_x[k]), .x_high = std::exp(levels.log_x[k + width - 1])};
    for (std::size_t s = 0; s < levels.mean.size(); ++s) {
      const WeightedLine line = weighted_line(part(levels.log_x), part(levels.mean[s]), part(n_runs));
      Estimate estimate{line.slope, {}, {}};
      if (dof > 0) {
        const double half = student_t_quantile(0.975, dof) * sd / std::sqrt(line.spread);
        estimate.low = line.slope - half;
        estimate.high = line.slope + half;
      }
      if (s == 0) {
        local.exponent = estimate;
      } else {
        unite(local.exponent, estimate);
      }
    }
    if (levels.upper_end_open) local.exponent.high.reset();
    result.push_back(local);
  }
  return result;
}

}  // namespace iclk::fit
