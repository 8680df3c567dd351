#include "iclk/fit/least_squares.hpp"

#include <Eigen/Dense>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <string>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::fit {
namespace {

void check(std::span<const double> design, std::size_t n_columns, std::span<const double> observations,
           std::span<const double> weights) {
  if (n_columns == 0) throw field_error("n_columns", "expected at least one column, got 0");
  if (design.size() != n_columns * observations.size()) {
    throw field_error("design", "expected " + std::to_string(observations.size()) + " x " + std::to_string(n_columns) +
                                    " entries, got " + std::to_string(design.size()));
  }
  if (!weights.empty() && weights.size() != observations.size()) {
    throw field_error("weights", "expected none or " + std::to_string(observations.size()) + ", got " +
                                     std::to_string(weights.size()));
  }
  const auto require_finite = [](std::span<const double> values, const std::string& field) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) {
        throw field_error(field + '[' + std::to_string(i) + ']',
                          "expected a finite number, got " + format_number(values[i]));
      }
    }
  };
  require_finite(design, "design");
  require_finite(observations, "observations");
  require_finite(weights, "weights");
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] < 0) {
      throw field_error("weights[" + std::to_string(i) + ']',
                        "expected zero or a positive number, got " + format_number(weights[i]));
    }
  }
}

bool has_constant_column(const Eigen::MatrixXd& x) {
  for (Eigen::Index j = 0; j < x.cols(); ++j) {
    const double spread = x.col(j).maxCoeff() - x.col(j).minCoeff();
    if (std::abs(x(0, j)) > 0 && spread <= 1e-14 * std::abs(x(0, j))) return true;
  }
  return false;
}

}  // namespace

LeastSquaresFit fit_least_squares(std::span<const double> design, std::size_t n_columns,
                                  std::span<const double> observations, std::span<const double> weights) {
  check(design, n_columns, observations, weights);
  const auto n = static_cast<Eigen::Index>(observations.size());
  const auto p = static_cast<Eigen::Index>(n_columns);
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::MatrixXd x = Eigen::Map<const RowMajor>(design.data(), n, p);            // [n x p]
  const Eigen::VectorXd y = Eigen::Map<const Eigen::VectorXd>(observations.data(), n);  // [n]
  Eigen::VectorXd w = Eigen::VectorXd::Ones(n);                                         // [n]
  if (!weights.empty()) w = Eigen::Map<const Eigen::VectorXd>(weights.data(), n);
  const auto n_used = static_cast<Eigen::Index>((w.array() > 0).count());

  LeastSquaresFit fit;
  fit.degrees_of_freedom = static_cast<double>(n_used - p);
  if (n_used < p) {
    fit.degrees_of_freedom = 0;
    return fit;
  }

  // Unit columns: the rank decision and the errors then do not depend on the units of the columns.
  const Eigen::VectorXd root_w = w.cwiseSqrt();
  Eigen::MatrixXd scaled = root_w.asDiagonal() * x;
  const Eigen::VectorXd norms = scaled.colwise().norm();
  if ((norms.array() <= 0).any()) return fit;
  scaled *= norms.cwiseInverse().asDiagonal();
  const Eigen::ColPivHouseholderQR<Eigen::MatrixXd> qr(scaled);
  if (qr.rank() < p) return fit;

  const Eigen::VectorXd b = norms.cwiseInverse().asDiagonal() * qr.solve(root_w.cwiseProduct(y)).eval();
  const Eigen::VectorXd residuals = y - x * b;
  fit.coefficients.assign(b.begin(), b.end());
  fit.residuals.assign(residuals.begin(), residuals.end());
  fit.residual_sum_of_squares = w.dot(residuals.cwiseAbs2());
  const double center = has_constant_column(x) ? w.dot(y) / w.sum() : 0.0;
  const double total = w.dot((y.array() - center).square().matrix());
  if (total > 0) fit.r_squared = 1 - fit.residual_sum_of_squares / total;

  fit.coefficient_interval.resize(n_columns);
  for (std::size_t j = 0; j < n_columns; ++j) fit.coefficient_interval[j].value = fit.coefficients[j];
  if (n_used == p) {
    fit.outcome = LeastSquaresOutcome::saturated;
    return fit;
  }

  // (X'WX)^-1 = P R^-1 R^-T P' in scaled columns.
  fit.outcome = LeastSquaresOutcome::fitted;
  const double variance = fit.residual_sum_of_squares / fit.degrees_of_freedom;
  const Eigen::MatrixXd r_inverse =
      qr.matrixR().topRows(p).triangularView<Eigen::Upper>().solve(Eigen::MatrixXd::Identity(p, p));
  const Eigen::MatrixXd half = norms.cwiseInverse().asDiagonal() * (qr.colsPermutation() * r_inverse);
  const RowMajor covariance = variance * half * half.transpose();
  fit.covariance.assign(covariance.data(), covariance.data() + p * p);
  fit.residual_sd = std::sqrt(variance);
  const double t = student_t_quantile(0.975, fit.degrees_of_freedom);
  for (std::size_t j = 0; j < n_columns; ++j) {
    const double error = std::sqrt(fit.covariance[j * n_columns + j]);
    fit.standard_errors.push_back(error);
    fit.coefficient_interval[j].low = fit.coefficients[j] - t * error;
    fit.coefficient_interval[j].high = fit.coefficients[j] + t * error;
  }
  return fit;
}

double student_t_quantile(double probability, double degrees_of_freedom) {
  if (!(probability > 0 && probability < 1)) {
    throw field_error("probability", "expected a number in (0, 1), got " + format_number(probability));
  }
  if (!(degrees_of_freedom > 0)) {
    throw field_error("degrees_of_freedom", "expected a positive number, got " + format_number(degrees_of_freedom));
  }
  if (std::isinf(degrees_of_freedom)) return boost::math::quantile(boost::math::normal(), probability);
  return boost::math::quantile(boost::math::students_t(degrees_of_freedom), probability);
}

}  // namespace iclk::fit
