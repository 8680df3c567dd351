#include "iclk/fit/power_law_shape.hpp"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <limits>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "iclk/fit/least_squares.hpp"
#include "power_law_levels.hpp"
#include "weighted_line.hpp"

namespace iclk::fit {
namespace {

constexpr std::size_t kFewestForBreak = 6;

// Streams of the simulated data sets: beyond those of resamples, whose indices are at most 1e7.
constexpr std::uint64_t kFirstStream = std::uint64_t{1} << 40;

/// Weighted sums over the levels up to one of them, for the residual sum of a line through any stretch in O(1).
struct Sums {
  double w = 0, x = 0, y = 0, xx = 0, xy = 0, yy = 0;
};

Sums minus(const Sums& a, const Sums& b) {
  return {a.w - b.w, a.x - b.x, a.y - b.y, a.xx - b.xx, a.xy - b.xy, a.yy - b.yy};
}

struct Line {
  double slope = 0, intercept = 0, residual_sum = 0;
};

Line line_of(const Sums& s) {
  const double xx = s.xx - s.x * s.x / s.w;
  const double xy = s.xy - s.x * s.y / s.w;
  const double yy = s.yy - s.y * s.y / s.w;
  const double slope = xy / xx;
  return {slope, (s.y - slope * s.x) / s.w, std::max(yy - slope * xy, 0.0)};
}

struct Break {
  double place = 0, residual_sum = std::numeric_limits<double>::infinity();
};

/// Continuous two-slope fits to level means over the same x and weights.
class BrokenLine {
 public:
  /// x: increasing, two or more; w: positive.
  BrokenLine(std::span<const double> x, std::span<const double> w) : w_(w.begin(), w.end()) {
    double sum = 0;
    for (std::size_t k = 0; k < x.size(); ++k) {
      center_ += w[k] * x[k];
      sum += w[k];
    }
    center_ /= sum;
    for (const double each : x) x_.push_back(each - center_);
    for (std::size_t k = 1; k + 1 < x_.size(); ++k) hinges_.push_back(hinge(x_[k]));
  }

  /// The break of least squares. y: level means less a line through them.
  Break fit(std::span<const double> y) const {
    Break best;
    const double total = residual_sum(y);
    const std::size_t n = x_.size();
    for (std::size_t k = 1; k + 1 < n; ++k) {
      const double sum = with_hinge(hinges_[k - 1], y, total);
      if (sum < best.residual_sum) best = {x_[k] + center_, sum};
    }
    std::vector<Sums> upto(n + 1);
    for (std::size_t k = 0; k < n; ++k) {
      const double wx = w_[k] * x_[k];
      const double wy = w_[k] * y[k];
      const Sums& s = upto[k];
      upto[k + 1] = {s.w + w_[k], s.x + wx, s.y + wy, s.xx + wx * x_[k], s.xy + wx * y[k], s.yy + wy * y[k]};
    }
    for (std::size_t k = 2; k + 2 <= n; ++k) {  // lines through levels before k, and from k on
      const Line left = line_of(upto[k]);
      const Line right = line_of(minus(upto[n], upto[k]));
      const double sum = left.residual_sum + right.residual_sum;
      if (!(sum < best.residual_sum)) continue;
      const double place = (left.intercept - right.intercept) / (right.slope - left.slope);
      if (place > x_[k - 1] && place < x_[k]) best = {place + center_, sum};
    }
    return best;
  }

  /// Residual sum with the break at a place.
  double residual_sum_at(double place, std::span<const double> y) const {
    return with_hinge(hinge(place - center_), y, residual_sum(y));
  }

  /// Change of slope at a place.
  double change_at(double place, std::span<const double> y) const {
    const Hinge h = hinge(place - center_);
    return product(h, y) / h.square;
  }

 private:
  struct Hinge {
    std::vector<double> values;  // (x - place)+, less the line through it
    double square = 0;
  };

  Hinge hinge(double place) const {
    Hinge h;
    for (const double x : x_) h.values.push_back(std::max(x - place, 0.0));
    const WeightedLine line = weighted_line(x_, h.values, w_);
    for (std::size_t k = 0; k < x_.size(); ++k) h.values[k] -= line.intercept + line.slope * x_[k];
    h.square = product(h, h.values);
    return h;
  }

  double product(const Hinge& h, std::span<const double> y) const {
    double sum = 0;
    for (std::size_t k = 0; k < w_.size(); ++k) sum += w_[k] * h.values[k] * y[k];
    return sum;
  }

  double residual_sum(std::span<const double> y) const {
    double sum = 0;
    for (std::size_t k = 0; k < w_.size(); ++k) sum += w_[k] * y[k] * y[k];
    return sum;
  }

  double with_hinge(const Hinge& h, std::span<const double> y, double total) const {
    if (!(h.square > 0)) return total;
    const double p = product(h, y);
    return std::max(total - p * p / h.square, 0.0);
  }

  std::vector<double> x_, w_;
  double center_ = 0;
  std::vector<Hinge> hinges_;  // at the levels but the first and last
};

/// y less the weighted line through it.
std::vector<double> residuals(std::span<const double> x, std::span<const double> y, std::span<const double> w) {
  const WeightedLine line = weighted_line(x, y, w);
  std::vector<double> left(y.begin(), y.end());
  for (std::size_t k = 0; k < left.size(); ++k) {
    left[k] -= line.intercept + line.slope * line.center + line.slope * (x[k] - line.center);
  }
  return left;
}

/// `n_parameters` counts the variance too.
ShapeModel model(double residual_sum, std::size_t n_levels, std::size_t n_parameters) {
  const auto n = static_cast<double>(n_levels);
  const auto p = static_cast<double>(n_parameters);
  const double deviance = n * std::log(std::max(residual_sum, std::numeric_limits<double>::min()) / n);
  ShapeModel result{.residual_sum = residual_sum, .aicc = {}, .bic = deviance + p * std::log(n)};
  if (n - p - 1 > 0) result.aicc = deviance + 2 * p + 2 * p * (p + 1) / (n - p - 1);
  return result;
}

double ratio(double single, double broken) {
  return broken > 0 ? (single - broken) / broken : std::numeric_limits<double>::infinity();
}

/// The statistic of data sets simulated under one law.
std::vector<double> simulate(const PowerLawLevels& levels, const BrokenLine& broken, const ShapeOptions& options) {
  std::vector<double> statistics;
  std::vector<double> y(levels.size());
  for (int r = 0; r < options.n_resamples; ++r) {
    Rng rng(options.seed, RandomPurpose::bootstrap, kFirstStream + static_cast<std::uint64_t>(r));
    for (std::size_t k = 0; k < y.size(); ++k) y[k] = rng.normal() / std::sqrt(levels.weight[k]);
    const std::vector<double> left = residuals(levels.log_x, y, levels.weight);
    double single = 0;
    for (std::size_t k = 0; k < y.size(); ++k) single += levels.weight[k] * left[k] * left[k];
    statistics.push_back(ratio(single, broken.fit(left).residual_sum));
  }
  return statistics;
}

void widen(TailRange& range, double value, bool first) {
  if (first) range = {value, value, value};
  range.low = std::min(range.low, value);
  range.high = std::max(range.high, value);
}

struct Bend {
  Estimate curvature;  // 2 c
  double p = 1.0, residual_sum = 0.0;
};

/// The quadratic term by regression on what a line leaves of (u - mean)^2.
Bend fit_bend(const PowerLawLevels& levels, std::span<const double> left, double single) {
  const auto& x = levels.log_x;
  std::vector<double> square;
  const double center = weighted_line(x, x, levels.weight).center;
  for (const double each : x) square.push_back((each - center) * (each - center));
  const std::vector<double> column = residuals(x, square, levels.weight);
  double norm = 0, product = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    norm += levels.weight[k] * column[k] * column[k];
    product += levels.weight[k] * column[k] * left[k];
  }
  const double c = product / norm;
  const double dof = static_cast<double>(x.size()) - 3;
  Bend bend;
  bend.residual_sum = std::max(single - product * c, 0.0);
  const double error = std::sqrt(bend.residual_sum / dof / norm);
  const double half = student_t_quantile(0.975, dof) * error;
  bend.curvature = {2 * c, 2 * (c - half), 2 * (c + half)};
  if (error > 0) {
    const boost::math::students_t distribution(dof);
    bend.p = 2 * boost::math::cdf(boost::math::complement(distribution, std::abs(c) / error));
  } else {
    bend.p = 0;
  }
  return bend;
}

/// Places whose residual sum stays below that of an F test against the best.
Estimate break_interval(const PowerLawLevels& levels, const BrokenLine& broken, std::span<const double> left,
                        const Break& best) {
  const double dof = static_cast<double>(levels.size()) - 4;
  const double t = student_t_quantile(0.975, dof);
  const double limit = best.residual_sum * (1 + t * t / dof);
  const auto excess = [&](double place) { return broken.residual_sum_at(place, left) - limit; };
  const double first = levels.log_x[1];
  const double last = levels.log_x[levels.size() - 2];
  // The profile may have several minima: the outermost crossing counts. Steps resolve the gaps between levels.
  const auto end = [&](double from) -> std::optional<double> {
    constexpr int kSteps = 400;
    if (excess(from) <= 0) return {};
    double outside = from;
    for (int i = 1; i <= kSteps; ++i) {
      const double place = from + (best.place - from) * i / kSteps;
      if (excess(place) > 0) {
        outside = place;
        continue;
      }
      std::uintmax_t evaluations = 100;
      constexpr int kBits = 30;
      const auto [low, high] =
          boost::math::tools::toms748_solve(excess, std::min(outside, place), std::max(outside, place),
                                            boost::math::tools::eps_tolerance<double>(kBits), evaluations);
      return std::exp((low + high) / 2);
    }
    return std::exp(best.place);
  };
  return {std::exp(best.place), end(first), end(last)};
}

}  // namespace

void validate(const ShapeOptions& options) {
  if (options.n_resamples < 99 || options.n_resamples > 10'000'000) {
    throw field_error("n_resamples",
                      "expected a count from 99 to 10000000, got " + std::to_string(options.n_resamples));
  }
}

std::string_view name(ShapeOutcome outcome) {
  switch (outcome) {
    case ShapeOutcome::compared:
      return "compared";
    case ShapeOutcome::too_few_levels:
      return "too_few_levels";
    case ShapeOutcome::exact:
      return "exact";
    case ShapeOutcome::too_many_levels:
      break;
  }
  return "too_many_levels";
}

ShapeComparison compare_shapes(std::span<const PowerLawPoint> points, const PowerLawFit& fit,
                               const PowerLawOptions& fit_options, const ShapeOptions& options) {
  validate(fit_options);
  validate(options);
  const TailScenarios tails = tail_scenarios(points, fit_options.use_tails);
  ShapeComparison result;
  result.n_levels = fit.n_levels;
  constexpr std::size_t kFewest = 5;
  if (fit.n_levels < kFewest) {
    result.warnings.emplace_back("fewer than five levels cannot tell a bend from scatter");
    return result;
  }
  if (fit.n_levels > kMostLevels) {
    result.outcome = ShapeOutcome::too_many_levels;
    result.warnings.push_back("more than " + std::to_string(kMostLevels) + " levels: shapes are not compared");
    return result;
  }
  const PowerLawLevels levels = power_law_levels(tails, fit);
  const std::vector<double>& w = levels.weight;
  const BrokenLine broken(levels.log_x, w);
  result.broken_fitted = levels.size() >= kFewestForBreak;
  std::vector<double> simulated;

  for (std::size_t s = 0; s < levels.mean.size(); ++s) {
    const std::vector<double> left = residuals(levels.log_x, levels.mean[s], w);
    double single = 0, w_sum = 0;
    for (std::size_t k = 0; k < left.size(); ++k) {
      single += w[k] * left[k] * left[k];
      w_sum += w[k];
    }
    if (single <= kRoundingSd * kRoundingSd * w_sum) {
      if (s > 0) {  // this position of the tails lies on a law: it neither bends nor breaks
        widen(result.curvature_p, 1.0, false);
        if (result.broken_fitted) widen(result.break_p, 1.0, false);
        continue;
      }
      result.outcome = ShapeOutcome::exact;
      result.broken_fitted = false;
      result.warnings.emplace_back("the level means lie on the law: there is nothing to compare");
      return result;
    }
    const Bend bend = fit_bend(levels, left, single);
    widen(result.curvature_p, bend.p, s == 0);
    if (s == 0) {
      result.curvature = bend.curvature;
      constexpr std::size_t kSingle = 3, kQuadratic = 4;
      result.single = model(single, levels.size(), kSingle);
      result.quadratic = model(bend.residual_sum, levels.size(), kQuadratic);
    } else {
      unite(result.curvature, bend.curvature);
    }
    if (!result.broken_fitted) continue;
    if (simulated.empty()) simulated = simulate(levels, broken, options);
    const Break best = broken.fit(left);
    const double statistic = ratio(single, best.residual_sum);
    const auto above =
        std::count_if(simulated.begin(), simulated.end(), [&](double value) { return value >= statistic; });
    widen(result.break_p, (1.0 + static_cast<double>(above)) / (1.0 + options.n_resamples), s == 0);
    if (s > 0) continue;
    constexpr std::size_t kBroken = 5;
    result.broken = model(best.residual_sum, levels.size(), kBroken);
    result.break_x = break_interval(levels, broken, left, best);
    const double change = broken.change_at(best.place, left);
    std::vector<double> unbroken = levels.mean.front();
    for (std::size_t k = 0; k < unbroken.size(); ++k) {
      unbroken[k] -= change * std::max(levels.log_x[k] - best.place, 0.0);
    }
    result.exponent_below = weighted_line(levels.log_x, unbroken, w).slope;
    result.exponent_above = result.exponent_below + change;
    result.n_resamples = options.n_resamples;
  }
  if (levels.upper_end_open) {
    result.warnings.emplace_back("some tails have no upper end: a bend at large x may be theirs");
  }

  result.outcome = ShapeOutcome::compared;
  const auto criterion = [&](const ShapeModel& m) {
    const bool corrected = result.quadratic.aicc && (!result.broken_fitted || result.broken.aicc);
    return corrected ? *m.aicc : m.bic;
  };
  result.best = "single";
  double least = criterion(result.single);
  if (criterion(result.quadratic) < least) {
    least = criterion(result.quadratic);
    result.best = "quadratic";
  }
  if (result.broken_fitted && criterion(result.broken) < least) result.best = "broken";
  if (!result.broken_fitted) result.warnings.emplace_back("fewer than six levels: no break was looked for");
  return result;
}

}  // namespace iclk::fit
