#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "iclk/core/estimate.hpp"

namespace iclk::fit {

enum class LeastSquaresOutcome {
  fitted,          ///< coefficients and their covariance
  saturated,       ///< as many observations as coefficients: no degrees of freedom, so no errors
  rank_deficient,  ///< fewer independent columns or observations than coefficients: no unique answer
};

/// Answer of a linear least-squares problem with n observations and p coefficients.
struct LeastSquaresFit {
  LeastSquaresOutcome outcome = LeastSquaresOutcome::rank_deficient;
  std::vector<double> coefficients;            ///< [p]; empty when rank_deficient
  std::vector<double> covariance;              ///< [p x p], row-major; empty unless fitted
  std::vector<double> standard_errors;         ///< [p]; empty unless fitted
  std::vector<double> residuals;               ///< [n], observed minus fitted, unweighted; empty when rank_deficient
  double residual_sum_of_squares = 0.0;        ///< weighted
  double degrees_of_freedom = 0.0;             ///< n_used - p, where an observation of weight 0 is not used
  std::optional<double> residual_sd;           ///< sd of an observation of weight 1; only when fitted
  std::optional<double> r_squared;             ///< about the mean when a column is constant, else about zero
  std::vector<Estimate> coefficient_interval;  ///< [p], 95 % Student t; low and high only when fitted
};

/// Weighted linear least squares by Householder QR with column pivoting on columns scaled to unit length.
///
///     minimise sum_i weight_i (y_i - sum_j x_ij b_j)^2,    cov b = s^2 (X' W X)^-1,   s^2 = RSS / (n - p)
///
/// Weights are inverse variances up to a common factor, which the residuals determine.
///
/// Takes    design: [n x n_columns] row-major; observations: [n]; weights: [n] non-negative, or empty for equal ones.
/// Throws   Error when the shapes do not match, or for a non-finite entry or a negative weight.
/// Checked  NIST StRD linear regression problems.
LeastSquaresFit fit_least_squares(std::span<const double> design, std::size_t n_columns,
                                  std::span<const double> observations, std::span<const double> weights = {});

/// Quantile of Student's t distribution. 0 < probability < 1, degrees_of_freedom > 0 (infinity: normal). Throws Error.
double student_t_quantile(double probability, double degrees_of_freedom);

}  // namespace iclk::fit
