#include "iclk/fit/sigmoid.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <map>
#include <unsupported/Eigen/LevenbergMarquardt>

#include "iclk/core/error.hpp"
#include "iclk/core/logistic.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/least_squares.hpp"

namespace iclk::fit {
namespace {

constexpr Eigen::Index kParameters = 4;  // log10 K*, slope, floor, rise

struct Residuals : Eigen::DenseFunctor<double> {
  Residuals(const Eigen::VectorXd& x_values, const Eigen::VectorXd& y_values)
      : Eigen::DenseFunctor<double>(static_cast<int>(kParameters), static_cast<int>(x_values.size())),
        x(x_values),
        y(y_values) {}

  int operator()(const Eigen::VectorXd& p, Eigen::VectorXd& residual) const {
    for (Eigen::Index i = 0; i < x.size(); ++i) residual[i] = p[2] + p[3] * sigmoid(p[1] * (x[i] - p[0])) - y[i];
    return 0;
  }

  int df(const Eigen::VectorXd& p, Eigen::MatrixXd& jacobian) const {
    for (Eigen::Index i = 0; i < x.size(); ++i) {
      const double d = x[i] - p[0];
      const double s = sigmoid(p[1] * d);
      const double derivative = p[3] * s * sigmoid(-p[1] * d);
      jacobian.row(i) << -p[1] * derivative, d * derivative, 1.0, s;
    }
    return 0;
  }

  Eigen::VectorXd x, y;  // [n] each
};

/// Floor and rise from the first and last level means, K* where the means pass half of it, slope from the span.
Eigen::VectorXd start(const std::vector<double>& x, const std::vector<double>& mean) {
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
  Eigen::VectorXd p(kParameters);
  p << center, (rises ? 2 : -2) * kSpans / (x.back() - x.front()), *least, *most - *least;
  return p;
}

std::string_view words(Eigen::LevenbergMarquardtSpace::Status status) {
  using namespace Eigen::LevenbergMarquardtSpace;
  switch (status) {
    case RelativeReductionTooSmall:
    case FtolTooSmall:
      return "no further reduction of the sum of squares";
    case RelativeErrorTooSmall:
    case XtolTooSmall:
      return "no further change of the parameters";
    case RelativeErrorAndReductionTooSmall:
      return "no further change of parameters and sum of squares";
    case CosinusTooSmall:
    case GtolTooSmall:
      return "the gradient vanishes";
    case TooManyFunctionEvaluation:
      return "too many evaluations";
    default:
      break;
  }
  return "improper input";
}

struct Levels {
  std::vector<double> x, mean;
};

Levels levels_of(std::span<const AccuracyPoint> points) {
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
  Levels levels;
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
  const Levels levels = levels_of(points);
  SigmoidFit fit;
  fit.n_runs = points.size();
  fit.n_levels = levels.x.size();
  if (levels.x.size() < kParameters) {
    fit.warnings.push_back("a sigmoid of four parameters needs at least four K, there are " +
                           std::to_string(levels.x.size()));
    return fit;
  }
  const auto n = static_cast<Eigen::Index>(points.size());
  Eigen::VectorXd x(n), y(n);  // [n]
  for (Eigen::Index i = 0; i < n; ++i) {
    x[i] = std::log10(points[static_cast<std::size_t>(i)].n_items);
    y[i] = points[static_cast<std::size_t>(i)].accuracy;
  }
  if (!(y.maxCoeff() > y.minCoeff())) {
    fit.outcome = SigmoidOutcome::constant;
    fit.warnings.emplace_back("every accuracy is the same: no transition");
    return fit;
  }
  Residuals residuals(x, y);
  Eigen::LevenbergMarquardt<Residuals> solver(residuals);
  constexpr double kTolerance = 1e-15;
  constexpr int kEvaluations = 2000;
  solver.setFtol(kTolerance);
  solver.setXtol(kTolerance);
  solver.setMaxfev(kEvaluations);
  Eigen::VectorXd p = start(levels.x, levels.mean);
  const auto status = solver.minimize(p);
  fit.solver = words(status);
  const bool stopped_well = status != Eigen::LevenbergMarquardtSpace::TooManyFunctionEvaluation &&
                            status != Eigen::LevenbergMarquardtSpace::ImproperInputParameters && p.allFinite();
  if (!stopped_well) {
    fit.outcome = SigmoidOutcome::not_converged;
    fit.warnings.push_back("the sigmoid did not converge: " + fit.solver);
    return fit;
  }
  Eigen::MatrixXd jacobian(n, kParameters);
  residuals.df(p, jacobian);
  // Unit columns, so that the rank does not depend on units; a vanishing column is a parameter without influence.
  const Eigen::VectorXd norms = jacobian.colwise().norm();
  constexpr double kNoInfluence = 1e-9;
  bool identified = norms.minCoeff() > kNoInfluence && p[0] >= x.minCoeff() && p[0] <= x.maxCoeff();
  Eigen::MatrixXd inverse;
  if (identified) {
    const Eigen::MatrixXd scaled = jacobian * norms.cwiseInverse().asDiagonal();
    Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(scaled);
    constexpr double kRank = 1e-7;
    qr.setThreshold(kRank);
    identified = qr.rank() == kParameters;
    if (identified) inverse = (scaled.transpose() * scaled).inverse();
  }
  if (!identified) {
    fit.outcome = SigmoidOutcome::not_identified;
    fit.warnings.emplace_back(
        "the accuracies do not determine the sigmoid: it is a step between two K, or lies outside the measured K");
    return fit;
  }
  Eigen::VectorXd residual(n);
  residuals(p, residual);
  fit.degrees_of_freedom = static_cast<double>(n - kParameters);
  fit.outcome = n > kParameters ? SigmoidOutcome::fitted : SigmoidOutcome::saturated;
  Eigen::VectorXd half = Eigen::VectorXd::Zero(kParameters);
  if (n > kParameters) {
    const double variance = residual.squaredNorm() / fit.degrees_of_freedom;
    fit.residual_sd = std::sqrt(variance);
    const double t = student_t_quantile(0.975, fit.degrees_of_freedom);
    half = t * (variance * inverse.diagonal().array()).sqrt() / norms.array();
  } else {
    fit.warnings.emplace_back("as many runs as parameters: the sigmoid passes through them and has no errors");
  }
  const auto estimate = [&](Eigen::Index j) {
    Estimate e{.value = p[j], .low = {}, .high = {}};
    if (fit.residual_sd) {
      e.low = p[j] - half[j];
      e.high = p[j] + half[j];
    }
    return e;
  };
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
