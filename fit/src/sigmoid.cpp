#include "iclk/fit/sigmoid.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "iclk/core/error.hpp"
#include "iclk/core/logistic.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/nonlinear_least_squares.hpp"

namespace iclk::fit {
namespace {

constexpr std::size_t kParameters = 4;  // log10 K*, slope, floor, rise

/// accuracy at x = log10 K, and its derivatives by the parameters in their order above.
void sigmoid_values(std::span<const double> x, std::span<const double> p, std::span<double> values) {
  for (std::size_t i = 0; i < x.size(); ++i) values[i] = p[2] + p[3] * sigmoid(p[1] * (x[i] - p[0]));
}

void sigmoid_derivatives(std::span<const double> x, std::span<const double> p, std::span<double> jacobian) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = x[i] - p[0];
    const double s = sigmoid(p[1] * d);
    const double derivative = p[3] * s * sigmoid(-p[1] * d);
    const auto row = jacobian.subspan(i * kParameters, kParameters);
    row[0] = -p[1] * derivative;
    row[1] = d * derivative;
    row[2] = 1.0;
    row[3] = s;
  }
}

/// Every parameter moves the fitted accuracies: a column of derivatives that vanishes belongs to one without influence.
bool all_have_influence(std::span<const double> x, std::span<const double> p) {
  constexpr double kNoInfluence = 1e-9;
  std::vector<double> jacobian(x.size() * kParameters);
  sigmoid_derivatives(x, p, jacobian);
  for (std::size_t j = 0; j < kParameters; ++j) {
    double sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += jacobian[i * kParameters + j] * jacobian[i * kParameters + j];
    if (!(std::sqrt(sum) > kNoInfluence)) return false;
  }
  return true;
}

/// Floor and rise from the first and last level means, K* where the means pass half of it, slope from the span.
std::vector<double> start(const std::vector<double>& x, const std::vector<double>& mean) {
  const auto [least, most] = std::minmax_element(mean.begin(), mean.end());
  const bool rises = mean.back() >= mean.front();
  const double half = *least + (*most - *least) / 2;
  double center = x[x.size() / 2];
  for (std::size_t i = 1; i < x.size(); ++i) {
    if ((mean[i - 1] < half) != (mean[i] < half)) {
      center = x[i - 1] + (x[i] - x[i - 1]) * (half - mean[i - 1]) / (mean[i] - mean[i - 1]);
      break;
    }
  }
  constexpr double kSpans = 8;  // the sigmoid goes from 2 % to 98 % over 8/slope
  return {center, (rises ? 2 : -2) * kSpans / (x.back() - x.front()), *least, *most - *least};
}

struct AccuracyLevels {
  std::vector<double> x, mean;
};

AccuracyLevels levels_of(std::span<const AccuracyPoint> points) {
  std::map<double, std::pair<double, double>> sums;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto [k, y] = points[i];
    const std::string at = "points[" + std::to_string(i) + "].";
    if (!std::isfinite(k) || !(k > 0)) {
      throw field_error(at + "n_items", "expected a positive finite number, got " + format_number(k));
    }
    if (!(y >= 0 && y <= 1)) throw field_error(at + "accuracy", "expected a number in [0, 1], got " + format_number(y));
    auto& [sum, n] = sums[k];
    sum += y;
    n += 1;
  }
  AccuracyLevels levels;
  for (const auto& [k, sum] : sums) {
    levels.x.push_back(std::log10(k));
    levels.mean.push_back(sum.first / sum.second);
  }
  return levels;
}

}  // namespace

std::string_view name(SigmoidOutcome outcome) {
  switch (outcome) {
    case SigmoidOutcome::fitted:
      return "fitted";
    case SigmoidOutcome::saturated:
      return "saturated";
    case SigmoidOutcome::too_few_levels:
      return "too_few_levels";
    case SigmoidOutcome::constant:
      return "constant";
    case SigmoidOutcome::not_identified:
      return "not_identified";
    case SigmoidOutcome::not_converged:
      break;
  }
  return "not_converged";
}

SigmoidFit fit_sigmoid(std::span<const AccuracyPoint> points) {
  const AccuracyLevels levels = levels_of(points);
  SigmoidFit fit;
  fit.n_runs = points.size();
  fit.n_levels = levels.x.size();
  if (levels.x.size() < kParameters) {
    fit.warnings.push_back("a sigmoid of four parameters needs at least four K, there are " +
                           std::to_string(levels.x.size()));
    return fit;
  }
  std::vector<double> x, y;  // [n]
  for (const AccuracyPoint& point : points) {
    x.push_back(std::log10(point.n_items));
    y.push_back(point.accuracy);
  }
  const auto [least, most] = std::minmax_element(y.begin(), y.end());
  if (!(*most > *least)) {
    fit.outcome = SigmoidOutcome::constant;
    fit.warnings.emplace_back("every accuracy is the same: no transition");
    return fit;
  }
  const auto model = [&](std::span<const double> p, std::span<double> values) { sigmoid_values(x, p, values); };
  const auto jacobian = [&](std::span<const double> p, std::span<double> rows) { sigmoid_derivatives(x, p, rows); };
  constexpr int kEvaluations = 2000;
  constexpr double kRank = 1e-7;
  const NonlinearFit solved = fit_nonlinear_least_squares(model, jacobian, y, start(levels.x, levels.mean),
                                                          {.max_evaluations = kEvaluations, .rank_tolerance = kRank});
  fit.solver = words(solved.stop);
  if (solved.outcome == NonlinearOutcome::evaluation_limit || solved.outcome == NonlinearOutcome::not_finite ||
      solved.outcome == NonlinearOutcome::stalled) {
    fit.outcome = SigmoidOutcome::not_converged;
    fit.warnings.push_back("the sigmoid did not converge: " + fit.solver);
    return fit;
  }
  const std::vector<double>& p = solved.parameters;
  if (solved.outcome == NonlinearOutcome::not_identified || !all_have_influence(x, p) || p[0] < levels.x.front() ||
      p[0] > levels.x.back()) {
    fit.outcome = SigmoidOutcome::not_identified;
    fit.warnings.emplace_back(
        "the accuracies do not determine the sigmoid: it is a step between two K, or lies outside the measured K");
    return fit;
  }
  fit.degrees_of_freedom = solved.degrees_of_freedom;
  fit.residual_sd = solved.residual_sd;
  fit.outcome = solved.outcome == NonlinearOutcome::fitted ? SigmoidOutcome::fitted : SigmoidOutcome::saturated;
  if (fit.outcome == SigmoidOutcome::saturated) {
    fit.warnings.emplace_back("as many runs as parameters: the sigmoid passes through them and has no errors");
  }
  const auto estimate = [&](std::size_t j) { return solved.parameter_interval[j]; };
  fit.log10_k_star = estimate(0);
  fit.slope = estimate(1);
  fit.floor = estimate(2);
  fit.rise = estimate(3);
  const auto k = [](const std::optional<double>& log10_k) {
    const double value = log10_k ? std::pow(10.0, *log10_k) : 0.0;
    return std::isfinite(value) && value > 0 ? std::optional(value) : std::nullopt;
  };
  fit.k_star = {k(fit.log10_k_star.value), k(fit.log10_k_star.low), k(fit.log10_k_star.high)};
  if (p[1] * p[3] < 0) fit.warnings.emplace_back("accuracy falls with K");
  if (std::min(p[2], p[2] + p[3]) < 0 || std::max(p[2], p[2] + p[3]) > 1) {
    fit.warnings.emplace_back("a plateau of the sigmoid lies outside [0, 1]: K does not reach far enough");
  }
  return fit;
}

}  // namespace iclk::fit
