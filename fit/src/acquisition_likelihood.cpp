#include "acquisition_likelihood.hpp"

#include <algorithm>
#include <boost/math/tools/minima.hpp>
#include <boost/math/tools/roots.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <unsupported/Eigen/NonLinearOptimization>
#include <utility>

#include "survival_data.hpp"

namespace iclk::fit {
namespace {

constexpr int kRootBits = 44;
constexpr int kIntervalBits = 30;  // ends of an interval are wanted to nine digits, each step costs a maximisation
constexpr double kVeryUnlikely = -1e300;  // stands for a likelihood that underflows, where an ordered number is needed

/// Score equations at fixed c, per run, in the form that Eigen's hybrid solver takes.
struct ScoreEquations {
  const AcquisitionLikelihood& likelihood;
  double cured;

  int operator()(const Eigen::VectorXd& x, Eigen::VectorXd& score) const {
    const Likelihood l = likelihood({x[0], x[1]}, cured);
    score[0] = l.gradient[0] / likelihood.n_runs();
    score[1] = l.gradient[1] / likelihood.n_runs();
    return std::isfinite(score[0]) && std::isfinite(score[1]) ? 0 : -1;
  }
  int df(const Eigen::VectorXd& x, Eigen::MatrixXd& jacobian) const {
    const Likelihood l = likelihood({x[0], x[1]}, cured);
    jacobian << l.hessian[0], l.hessian[1], l.hessian[1], l.hessian[2];
    jacobian /= likelihood.n_runs();
    return jacobian.allFinite() ? 0 : -1;
  }
};

bool is_maximum(const Likelihood& l, double n_runs) {
  const double size = std::max(std::abs(l.gradient[0]), std::abs(l.gradient[1]));
  return std::isfinite(l.value) && size < 1e-7 * n_runs && l.hessian[0] < 0 &&
         l.hessian[0] * l.hessian[2] - l.hessian[1] * l.hessian[1] > 0;
}

/// Root of `f` between two points of opposite sign, to `bits` bits.
template <typename F>
double root_between(F f, double low, double high, double f_low, double f_high, int bits) {
  std::uintmax_t steps = 100;
  const auto bracket = boost::math::tools::toms748_solve(f, low, high, f_low, f_high,
                                                         boost::math::tools::eps_tolerance<double>(bits), steps);
  return (bracket.first + bracket.second) / 2;
}

}  // namespace

AcquisitionLikelihood::AcquisitionLikelihood(AcquisitionFamily family, std::vector<RunGroup> groups)
    : family_(family), groups_(std::move(groups)) {
  for (const RunGroup& group : groups_) {
    n_runs_ += group.n_runs;
    if (group.acquired) n_acquired_ += group.n_runs;
  }
}

Likelihood AcquisitionLikelihood::operator()(const FamilyParameters& at, double cured) const {
  Likelihood sum;
  const double uncured = 1 - cured;
  for (const RunGroup& group : groups_) {
    const double n = group.n_runs;
    if (group.acquired) {
      const LogTerm f = log_density(family_, group.time, at);
      sum.value += n * (f.value + std::log1p(-cured));
      for (std::size_t i = 0; i < 2; ++i) sum.gradient[i] += n * f.gradient[i];
      for (std::size_t i = 0; i < 3; ++i) sum.hessian[i] += n * f.hessian[i];
      sum.by_cured -= n / uncured;
      sum.cured_hessian[2] -= n / (uncured * uncured);
      continue;
    }
    const LogTerm s = log_survival(family_, group.time, at);
    const double survival = std::exp(s.value);
    const double total = cured + uncured * survival;                    // probability of not having acquired
    const double share = cured > 0 ? uncured * survival / total : 1.0;  // of it, runs that will acquire
    sum.value += n * (cured > 0 ? std::log(total) : s.value);
    sum.by_cured += n * (1 - survival) / total;
    sum.cured_hessian[2] -= n * (1 - survival) * (1 - survival) / (total * total);
    if (!(share > 0)) continue;  // an infinite derivative of ln S would meet a factor 0
    const auto& g = s.gradient;
    sum.gradient[0] += n * share * g[0];
    sum.gradient[1] += n * share * g[1];
    const double rest = share * (1 - share);
    sum.hessian[0] += n * (share * s.hessian[0] + rest * g[0] * g[0]);
    sum.hessian[1] += n * (share * s.hessian[1] + rest * g[0] * g[1]);
    sum.hessian[2] += n * (share * s.hessian[2] + rest * g[1] * g[1]);
    sum.cured_hessian[0] -= n * survival * g[0] / (total * total);
    sum.cured_hessian[1] -= n * survival * g[1] / (total * total);
  }
  return sum;
}

FamilyParameters AcquisitionLikelihood::moments() const {
  double log_mean = 0, mean = 0, inverse = 0;
  for (const RunGroup& group : groups_) {
    if (!group.acquired) continue;
    const double weight = group.n_runs / n_acquired_;
    log_mean += weight * std::log(group.time);
    mean += weight * group.time;
    inverse += weight / group.time;
  }
  double log_variance = 0;
  for (const RunGroup& group : groups_) {
    const double deviation = std::log(group.time) - log_mean;
    if (group.acquired) log_variance += group.n_runs / n_acquired_ * deviation * deviation;
  }
  const double log_sd = std::sqrt(log_variance);
  switch (family_) {
    case AcquisitionFamily::lognormal:
      return {log_mean, std::log(log_sd)};
    case AcquisitionFamily::weibull:  // a Gumbel variable has mean -0.577 and sd pi/sqrt(6)
      return {log_mean + 0.45 * log_sd, std::log(0.78 * log_sd)};
    case AcquisitionFamily::inverse_gaussian:
    case AcquisitionFamily::theory:  // lognormal in exp(-beta0), see theory_model.cpp
      break;
  }
  const double log_threshold = -0.5 * std::log(std::max(inverse - 1 / mean, 1e-12 * inverse));
  return {log_threshold, std::exp(log_threshold) / mean};
}

std::optional<FamilyParameters> AcquisitionLikelihood::solve(double cured, const FamilyParameters& start) const {
  ScoreEquations equations{*this, cured};
  Eigen::HybridNonLinearSolver<ScoreEquations> solver(equations);
  solver.parameters.xtol = 1e-11;
  solver.parameters.maxfev = 200;
  solver.parameters.factor = 1;
  Eigen::VectorXd x(2);
  x << start[0], start[1];
  Eigen::VectorXd score(2);
  if (equations(x, score) < 0) return std::nullopt;
  solver.solve(x);
  FamilyParameters at{x[0], x[1]};
  if (!std::isfinite(at[0]) || !std::isfinite(at[1])) return std::nullopt;
  const Likelihood l = (*this)(at, cured);
  if (!is_maximum(l, n_runs_)) return std::nullopt;
  return at;
}

std::optional<FamilyParameters> AcquisitionLikelihood::solve_at_zero_drift(double cured, double log_threshold) const {
  const auto score = [&](double x) { return (*this)({x, 0.0}, cured).gradient[0]; };
  double low = log_threshold - 1;
  double high = log_threshold + 1;
  while (!(score(low) > 0) && low > log_threshold - 30) low -= 2;
  while (!(score(high) < 0) && high < log_threshold + 30) high += 2;
  const double at_low = score(low);
  const double at_high = score(high);
  if (!(at_low > 0) || !(at_high < 0)) return std::nullopt;
  return FamilyParameters{root_between(score, low, high, at_low, at_high, kRootBits), 0.0};
}

/// Slow and safe: one-dimensional minimisation inside another over a wide box.
FamilyParameters AcquisitionLikelihood::search(double cured, const FamilyParameters& start) const {
  const auto minus = [&](double first, double second) {
    const double value = (*this)({first, second}, cured).value;
    return std::isfinite(value) ? -value : -kVeryUnlikely;
  };
  constexpr int kBits = 20;
  constexpr std::uintmax_t kMostSteps = 200;  // what is not finite never converges
  const bool drift = family_ == AcquisitionFamily::inverse_gaussian;
  const double low = drift ? 0.0 : start[1] - 3;
  const double high = drift ? 4 * std::abs(start[1]) + 1 : start[1] + 4;
  double first = start[0];
  const auto outer = [&](double second) {
    std::uintmax_t steps = kMostSteps;
    const auto inner = boost::math::tools::brent_find_minima([&](double x) { return minus(x, second); }, start[0] - 6,
                                                             start[0] + 6, kBits, steps);
    first = inner.first;
    return inner.second;
  };
  std::uintmax_t outer_steps = kMostSteps;
  const double second = boost::math::tools::brent_find_minima(outer, low, high, kBits, outer_steps).first;
  outer(second);
  return {first, second};
}

std::optional<AcquisitionLikelihood::Maximum> AcquisitionLikelihood::maximum_at(
    double cured, const std::optional<FamilyParameters>& start) const {
  const auto found = [&](const FamilyParameters& at, bool at_edge) {
    return Maximum{.at = at, .cured = cured, .likelihood = (*this)(at, cured), .at_edge = at_edge};
  };
  const bool drift = family_ == AcquisitionFamily::inverse_gaussian;
  std::optional<FamilyParameters> at;
  if (start) at = solve(cured, *start);
  if (!at || (drift && (*at)[1] < 0)) at = solve(cured, moments());
  if (!at) at = solve(cured, search(cured, moments()));
  if (at && (!drift || (*at)[1] >= 0)) return found(*at, false);
  if (!drift) return std::nullopt;
  at = solve_at_zero_drift(cured, moments()[0]);
  if (!at || (*this)(*at, cured).gradient[1] > 1e-7 * n_runs_)
    return std::nullopt;  // rises into the range: not an edge
  return found(*at, true);
}

std::optional<AcquisitionLikelihood::Maximum> AcquisitionLikelihood::maximum() const {
  // At a maximum with c > 0, c is at most the share of the censored runs.
  const double most = (n_runs_ - n_acquired_) / n_runs_;
  std::optional<Maximum> best = maximum_at(0);
  const auto keep_better = [&](const std::optional<Maximum>& other) {
    if (other && (!best || other->likelihood.value > best->likelihood.value)) best = other;
  };
  if (!(most > 0)) return best;
  std::optional<Maximum> left = best;
  for (const double part : {0.3, 0.6, 0.85, 1.0}) {
    const auto right = maximum_at(part * most, left ? std::optional(left->at) : std::nullopt);
    if (left && right && left->likelihood.by_cured > 0 && right->likelihood.by_cured <= 0) {
      FamilyParameters start = right->at;
      const auto slope = [&](double cured) {
        const auto here = maximum_at(cured, start);
        if (!here) return std::numeric_limits<double>::quiet_NaN();
        start = here->at;
        return here->likelihood.by_cured;
      };
      const double root = right->likelihood.by_cured < 0
                              ? root_between(slope, left->cured, right->cured, left->likelihood.by_cured,
                                             right->likelihood.by_cured, kRootBits)
                              : right->cured;
      if (std::isfinite(root)) keep_better(maximum_at(root, start));
    }
    left = right;
  }
  return best;
}

std::array<std::optional<double>, 2> AcquisitionLikelihood::cured_interval(const Maximum& best) const {
  FamilyParameters start = best.at;
  const auto above = [&](double cured) {  // positive inside the interval
    const auto here = maximum_at(cured, start);
    if (!here) return std::numeric_limits<double>::quiet_NaN();
    start = here->at;
    return here->likelihood.value - best.likelihood.value + kHalfChiSquared;
  };
  std::optional<double> low, high;
  const double at_zero = best.cured > 0 ? above(0) : kHalfChiSquared;
  if (at_zero >= 0) {
    low = 0;
  } else if (at_zero < 0) {
    start = best.at;
    low = root_between(above, 0, best.cured, at_zero, kHalfChiSquared, kIntervalBits);
  }
  start = best.at;
  double inside = best.cured, at_inside = kHalfChiSquared;
  for (int halving = 0; halving < 40; ++halving) {
    const double next = inside + (1 - inside) / 2;
    const double value = above(next);
    if (!std::isfinite(value)) break;
    if (value < 0) {
      high = root_between(above, inside, next, at_inside, value, kIntervalBits);
      break;
    }
    inside = next;
    at_inside = value;
  }
  if (low && !std::isfinite(*low)) low.reset();
  if (high && !std::isfinite(*high)) high.reset();
  return {low, high};
}

}  // namespace iclk::fit
