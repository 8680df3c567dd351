#include "iclk/fit/nonlinear_least_squares.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <unsupported/Eigen/LevenbergMarquardt>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/least_squares.hpp"

namespace iclk::fit {
namespace {

// Relative offset above which a stop is not taken for a minimum: the answer would be off by this part of its errors.
constexpr double kLargestOffset = 1e-3;

// Residuals below this part of the observations are rounding: they have no direction that could be judged.
constexpr double kRounding = 1e-12;

// In place of a residual that is not finite: larger than any sum that could be accepted, and its square is finite.
constexpr double kRefused = 1e150;

std::span<const double> view(const Eigen::VectorXd& v) { return {v.data(), static_cast<std::size_t>(v.size())}; }
std::span<double> view(Eigen::VectorXd& v) { return {v.data(), static_cast<std::size_t>(v.size())}; }

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Weighted residuals, fitted minus observed, as Eigen's solver asks for them.
struct Residuals : Eigen::DenseFunctor<double> {
  Residuals(const NonlinearModel& f, const NonlinearJacobian& df, Eigen::VectorXd y, Eigen::VectorXd root, int p)
      : Eigen::DenseFunctor<double>(p, static_cast<int>(y.size())),
        model(f),
        derivative(df),
        observed(std::move(y)),
        root_weight(std::move(root)) {}

  Eigen::VectorXd values_at(const Eigen::VectorXd& b) const {
    Eigen::VectorXd values = Eigen::VectorXd::Zero(observed.size());
    model(view(b), view(values));
    return values;
  }

  int operator()(const Eigen::VectorXd& b, Eigen::VectorXd& residual) const {
    residual = root_weight.cwiseProduct(values_at(b) - observed);
    const bool finite = residual.allFinite() && residual.cwiseAbs().maxCoeff() < kRefused;
    if (!finite) residual.setConstant(kRefused);
    return 0;
  }

  /// Negative when a derivative is not finite.
  int df(const Eigen::VectorXd& b, Eigen::MatrixXd& jacobian) const {
    if (derivative) {
      RowMajor rows = RowMajor::Zero(observed.size(), b.size());
      derivative(view(b), {rows.data(), static_cast<std::size_t>(rows.size())});
      jacobian = root_weight.asDiagonal() * rows;
    } else {
      jacobian.resize(observed.size(), b.size());
      for (Eigen::Index j = 0; j < b.size(); ++j) jacobian.col(j) = root_weight.cwiseProduct(difference(b, j));
    }
    return jacobian.allFinite() ? 0 : -1;
  }

  /// Central difference of sixth order. Truncation h^6 and rounding 1e-16/h balance at h = (1e-16)^(1/7) = 5e-3; a
  /// tenth of that is taken since a model may vary on a smaller scale than its parameter (the place of a peak).
  Eigen::VectorXd difference(const Eigen::VectorXd& b, Eigen::Index j) const {
    constexpr double kStep = 5e-4;
    constexpr double kWeights[] = {45.0 / 60, -9.0 / 60, 1.0 / 60};
    const double scale = std::abs(b[j]) > 0 ? std::abs(b[j]) : 1.0;
    Eigen::VectorXd sum = Eigen::VectorXd::Zero(observed.size());
    for (int k = 1; k <= 3; ++k) {
      Eigen::VectorXd up = b, down = b;
      up[j] += k * kStep * scale;
      down[j] -= k * kStep * scale;
      sum += kWeights[k - 1] * k * (values_at(up) - values_at(down)) / (up[j] - down[j]) * 2;
    }
    return sum;
  }

  const NonlinearModel& model;
  const NonlinearJacobian& derivative;
  Eigen::VectorXd observed, root_weight;  // [n] each
};

SolverStop stop_of(Eigen::LevenbergMarquardtSpace::Status status) {
  using namespace Eigen::LevenbergMarquardtSpace;
  switch (status) {
    case RelativeReductionTooSmall:
    case FtolTooSmall:
      return SolverStop::sum_of_squares;
    case RelativeErrorTooSmall:
    case XtolTooSmall:
      return SolverStop::step;
    case RelativeErrorAndReductionTooSmall:
      return SolverStop::sum_and_step;
    case CosinusTooSmall:
    case GtolTooSmall:
      return SolverStop::gradient;
    case TooManyFunctionEvaluation:
      return SolverStop::evaluation_limit;
    case UserAsked:
    case ImproperInputParameters:
      return SolverStop::not_finite;
    default:
      break;
  }
  return SolverStop::not_started;
}

void check(std::span<const double> observations, std::span<const double> start, std::span<const double> weights) {
  const auto finite = [](std::span<const double> values, const std::string& field) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) {
        throw field_error(field + '[' + std::to_string(i) + ']',
                          "expected a finite number, got " + format_number(values[i]));
      }
    }
  };
  if (start.empty()) throw field_error("start", "expected at least one parameter");
  finite(start, "start");
  finite(observations, "observations");
  finite(weights, "weights");
  if (!weights.empty() && weights.size() != observations.size()) {
    throw field_error("weights", "expected one per observation, " + std::to_string(observations.size()) + ", got " +
                                     std::to_string(weights.size()));
  }
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] < 0) {
      throw field_error("weights[" + std::to_string(i) + ']',
                        "expected zero or a positive number, got " + format_number(weights[i]));
    }
  }
  const auto used = weights.empty() ? static_cast<std::ptrdiff_t>(observations.size())
                                    : std::count_if(weights.begin(), weights.end(), [](double w) { return w > 0; });
  if (used < static_cast<std::ptrdiff_t>(start.size())) {
    throw field_error("observations", "expected at least as many of positive weight as parameters, " +
                                          std::to_string(start.size()) + ", got " + std::to_string(used));
  }
}

/// Part of the residuals along the tangent plane.
double tangent_part(const Eigen::HouseholderQR<Eigen::MatrixXd>& qr, const Eigen::VectorXd& residual) {
  return (qr.householderQ().adjoint() * residual).head(qr.matrixQR().cols()).norm();
}

/// The sum of squares is flat at its minimum: to double precision it cannot tell parameters apart that differ by 1e-8
/// of their errors. The tangent part of the residuals vanishes there linearly, so Gauss-Newton steps follow as long as
/// they reduce it and the sum does not rise beyond its rounding.
void refine(const Residuals& residuals, Eigen::VectorXd& b) {
  constexpr int kSteps = 50;
  constexpr double kSumRounding = 1e-10;
  constexpr double kWorthwhile = 0.9;
  Eigen::VectorXd residual(residuals.observed.size());
  Eigen::MatrixXd jacobian;
  residuals(b, residual);
  if (residuals.df(b, jacobian) < 0) return;
  Eigen::VectorXd norms = jacobian.colwise().norm();
  if (!(norms.minCoeff() > 0)) return;
  Eigen::HouseholderQR<Eigen::MatrixXd> qr(jacobian * norms.cwiseInverse().asDiagonal());
  double part = tangent_part(qr, residual);
  for (int step = 0; step < kSteps && part > 0; ++step) {
    const Eigen::VectorXd trial = b - qr.solve(residual).cwiseQuotient(norms);
    if (!trial.allFinite()) return;
    Eigen::VectorXd trial_residual(residual.size());
    residuals(trial, trial_residual);
    if (!(trial_residual.squaredNorm() <= (1 + kSumRounding) * residual.squaredNorm())) return;
    if (residuals.df(trial, jacobian) < 0) return;
    norms = jacobian.colwise().norm();
    if (!(norms.minCoeff() > 0)) return;
    qr.compute(jacobian * norms.cwiseInverse().asDiagonal());
    const double trial_part = tangent_part(qr, trial_residual);
    if (!(trial_part < part)) return;
    const bool worthwhile = trial_part < kWorthwhile * part;
    b = trial;
    residual = trial_residual;
    part = trial_part;
    if (!worthwhile) return;
  }
}

/// Covariance and errors from the derivatives at the stop; false when they do not determine the parameters.
bool set_errors(const Eigen::MatrixXd& jacobian, const Eigen::VectorXd& residual, const NonlinearOptions& options,
                NonlinearFit& fit) {
  const Eigen::Index p = jacobian.cols();
  const Eigen::VectorXd norms = jacobian.colwise().norm();
  if (!(norms.minCoeff() > 0)) return false;
  // Unit columns, so that the rank does not depend on units.
  Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(jacobian * norms.cwiseInverse().asDiagonal());
  qr.setThreshold(options.rank_tolerance);
  if (qr.rank() < p) return false;
  const double along = (qr.householderQ().adjoint() * residual).head(p).squaredNorm();
  const double across = std::max(residual.squaredNorm() - along, 0.0);
  if (fit.degrees_of_freedom > 0 && across > 0) {
    fit.relative_offset = std::sqrt(along / static_cast<double>(p) / (across / fit.degrees_of_freedom));
  }
  if (!(fit.degrees_of_freedom > 0)) return true;
  fit.residual_sd = std::sqrt(*fit.residual_sum_of_squares / fit.degrees_of_freedom);
  Eigen::MatrixXd inverse =
      qr.matrixR().topRows(p).template triangularView<Eigen::Upper>().solve(Eigen::MatrixXd::Identity(p, p));
  inverse = (qr.colsPermutation() * inverse).eval();
  inverse = (norms.cwiseInverse().asDiagonal() * inverse).eval();  // B with B B' = (J'J)^-1
  const Eigen::MatrixXd covariance = *fit.residual_sd * *fit.residual_sd * inverse * inverse.transpose();
  fit.covariance.assign(covariance.data(), covariance.data() + covariance.size());
  for (Eigen::Index j = 0; j < p; ++j) {
    fit.standard_errors.push_back(*fit.residual_sd * inverse.row(j).norm());
  }
  return true;
}

bool has_minimum(const NonlinearFit& fit) {
  return fit.outcome == NonlinearOutcome::fitted || fit.outcome == NonlinearOutcome::saturated;
}

/// One start of the solver. Everything has been checked.
NonlinearFit solve(const NonlinearModel& model, const NonlinearJacobian& jacobian, const Eigen::VectorXd& observed,
                   const Eigen::VectorXd& root_weight, Eigen::VectorXd b, const NonlinearOptions& options) {
  const Eigen::Index n = observed.size();
  const Eigen::Index p = b.size();
  NonlinearFit fit;
  fit.degrees_of_freedom = static_cast<double>((root_weight.array() > 0).count() - p);
  Residuals residuals(model, jacobian, observed, root_weight, static_cast<int>(p));
  if (residuals.values_at(b).allFinite()) {
    Eigen::LevenbergMarquardt<Residuals> solver(residuals);
    solver.setFtol(options.sum_tolerance);
    solver.setXtol(options.step_tolerance);
    solver.setFactor(options.first_step);
    solver.setMaxfev(options.max_evaluations);
    fit.stop = stop_of(solver.minimize(b));
    fit.n_evaluations = static_cast<int>(solver.nfev());
    const bool stopped = fit.stop != SolverStop::evaluation_limit && fit.stop != SolverStop::not_finite;
    if (stopped && b.allFinite()) refine(residuals, b);
  } else {
    fit.stop = SolverStop::not_finite;
    fit.n_evaluations = 1;
  }
  fit.parameters.assign(b.begin(), b.end());
  for (const double value : fit.parameters) fit.parameter_interval.push_back({value, {}, {}});
  const Eigen::VectorXd values = residuals.values_at(b);
  Eigen::MatrixXd derivatives(n, p);
  if (!b.allFinite() || !values.allFinite() || residuals.df(b, derivatives) < 0) {
    fit.stop = SolverStop::not_finite;
    return fit;
  }
  const Eigen::VectorXd left = observed - values;
  fit.residuals.assign(left.begin(), left.end());
  const Eigen::VectorXd weighted = root_weight.cwiseProduct(left);
  fit.residual_sum_of_squares = weighted.squaredNorm();
  const bool identified = set_errors(derivatives, weighted, options, fit);
  const double size = std::max(root_weight.cwiseProduct(observed).norm(), root_weight.cwiseProduct(values).norm());
  const bool rounding = weighted.norm() <= kRounding * size;
  if (fit.stop == SolverStop::evaluation_limit) {
    fit.outcome = NonlinearOutcome::evaluation_limit;
  } else if (!identified) {
    fit.outcome = NonlinearOutcome::not_identified;
  } else if (!(fit.degrees_of_freedom > 0)) {
    fit.outcome = rounding || fit.stop != SolverStop::step ? NonlinearOutcome::saturated : NonlinearOutcome::stalled;
  } else if (!rounding && fit.relative_offset && *fit.relative_offset > kLargestOffset) {
    fit.outcome = NonlinearOutcome::stalled;
  } else {
    fit.outcome = NonlinearOutcome::fitted;
  }
  if (fit.outcome != NonlinearOutcome::fitted) {
    fit.covariance.clear();
    fit.standard_errors.clear();
    fit.residual_sd.reset();
    return fit;
  }
  const double t = student_t_quantile(0.975, fit.degrees_of_freedom);
  for (std::size_t j = 0; j < fit.parameters.size(); ++j) {
    fit.parameter_interval[j].low = fit.parameters[j] - t * fit.standard_errors[j];
    fit.parameter_interval[j].high = fit.parameters[j] + t * fit.standard_errors[j];
  }
  return fit;
}

}  // namespace

void validate(const NonlinearOptions& options) {
  const auto tolerance = [](double value, const char* field, double high) {
    if (!(value >= 0 && value < high)) {
      throw field_error(field,
                        "expected a number from 0 to below " + format_number(high) + ", got " + format_number(value));
    }
  };
  tolerance(options.sum_tolerance, "sum_tolerance", 1);
  tolerance(options.step_tolerance, "step_tolerance", 1);
  tolerance(options.rank_tolerance, "rank_tolerance", 1);
  if (options.max_evaluations < 1) {
    throw field_error("max_evaluations", "expected a positive count, got " + std::to_string(options.max_evaluations));
  }
  if (options.max_restarts < 0) {
    throw field_error("max_restarts", "expected zero or a positive count, got " + std::to_string(options.max_restarts));
  }
  if (!std::isfinite(options.first_step) || !(options.first_step > 0)) {
    throw field_error("first_step", "expected a positive finite number, got " + format_number(options.first_step));
  }
}

std::string_view name(NonlinearOutcome outcome) {
  switch (outcome) {
    case NonlinearOutcome::fitted:
      return "fitted";
    case NonlinearOutcome::saturated:
      return "saturated";
    case NonlinearOutcome::not_identified:
      return "not_identified";
    case NonlinearOutcome::stalled:
      return "stalled";
    case NonlinearOutcome::evaluation_limit:
      return "evaluation_limit";
    case NonlinearOutcome::not_finite:
      break;
  }
  return "not_finite";
}

std::string_view words(SolverStop stop) {
  switch (stop) {
    case SolverStop::sum_of_squares:
      return "no further reduction of the sum of squares";
    case SolverStop::step:
      return "no further change of the parameters";
    case SolverStop::sum_and_step:
      return "no further change of parameters and sum of squares";
    case SolverStop::gradient:
      return "the gradient vanishes";
    case SolverStop::evaluation_limit:
      return "too many evaluations";
    case SolverStop::not_finite:
      return "a value or derivative of the model is not finite";
    case SolverStop::not_started:
      break;
  }
  return "not started";
}

NonlinearFit fit_nonlinear_least_squares(const NonlinearModel& model, const NonlinearJacobian& jacobian,
                                         std::span<const double> observations, std::span<const double> start,
                                         const NonlinearOptions& options, std::span<const double> weights) {
  validate(options);
  check(observations, start, weights);
  const auto n = static_cast<Eigen::Index>(observations.size());
  const Eigen::VectorXd observed = Eigen::Map<const Eigen::VectorXd>(observations.data(), n);
  Eigen::VectorXd root_weight = Eigen::VectorXd::Ones(n);
  if (!weights.empty()) root_weight = Eigen::Map<const Eigen::VectorXd>(weights.data(), n).cwiseSqrt();
  const Eigen::VectorXd b = Eigen::Map<const Eigen::VectorXd>(start.data(), static_cast<Eigen::Index>(start.size()));

  // A long first step may end where the model is flat and nothing leads back: shorter ones stay nearer to the start.
  NonlinearFit fit = solve(model, jacobian, observed, root_weight, b, options);
  NonlinearOptions shorter = options;
  for (int restart = 1; restart <= options.max_restarts && !has_minimum(fit); ++restart) {
    constexpr double kShorter = 0.1;
    shorter.first_step *= kShorter;
    shorter.max_evaluations = options.max_evaluations - fit.n_evaluations;
    if (shorter.max_evaluations < 1) break;
    NonlinearFit next = solve(model, jacobian, observed, root_weight, b, shorter);
    next.n_evaluations += fit.n_evaluations;
    next.n_restarts = restart;
    if (!has_minimum(next)) {  // the first ending is the one to tell
      fit.n_evaluations = next.n_evaluations;
      fit.n_restarts = restart;
    } else {
      fit = std::move(next);
    }
  }
  return fit;
}

}  // namespace iclk::fit
