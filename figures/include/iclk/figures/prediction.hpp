#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "iclk/core/estimate.hpp"
#include "iclk/fit/memorization_law.hpp"
#include "iclk/fit/power_law_bootstrap.hpp"
#include "iclk/theory/gradient_flow.hpp"
#include "iclk/theory/threshold.hpp"

namespace iclk::figures {

/// c2 of an untrained network, whose logits are all zero: the constant for which the closed forms are given.
inline constexpr double kUntrainedC2 = 0.5;

/// One memorization curve and what follows from it alone.
struct PredictedCurve {
  MeasuredCurve curve;
  theory::CurvePrediction prediction;
  Estimate joint_infinity;  ///< I_K(infinity) with the tail that the curves of all K share; empty without a law

  std::optional<double> t_icl_iterations() const {
    if (!prediction.t_icl || !curve.lr) return std::nullopt;
    return *prediction.t_icl / *curve.lr;
  }
};

/// Exponent between two neighbouring K.
struct LocalExponent {
  double n_items_low = 0.0;
  double n_items_high = 0.0;
  double nu = 0.0;
};

/// What `iclk predict` and the report say about a set of curves at one N.
struct Prediction {
  std::vector<PredictedCurve> curves;
  std::optional<fit::MemorizationLawFit> law;
  std::string no_law;  ///< why there is no law
  std::size_t n_law_curves = 0;
  std::optional<fit::PowerLawBootstrap> bootstrap;
  std::vector<LocalExponent> local_exponents;  ///< where they drift, the law is not straight
  double x_leading = 0.0;                      ///< I_K that acquisition needs: Eq. 10 [time]
  double x_undamped = 0.0;                     ///< Eq. 34 [time]
  double x_exact = 0.0;                        ///< Eqs. 7-8 solved at c2 = 1/2 [time]
  std::optional<double> t_full_loss;  ///< time to attention 1/2 with the exact loss and an MLP that never memorizes
  theory::Threshold threshold;
  Estimate k_star_leading;
  std::optional<double> finite_n_excess;  ///< I_K that the full loss needs beyond Eqs. 7-8
  Estimate k_star_full_loss;
  std::vector<std::string> warnings;
};

struct PredictionOptions {
  double n_context = 100.0;                             ///< N, a whole number from 2 to 1e6
  theory::FlowState start = {};                         ///< w0 and beta0
  std::optional<fit::BootstrapOptions> bootstrap = {};  ///< resample the curves
};
void validate(const PredictionOptions& options);  ///< throws Error naming the bad field

/// I_K, the law, t_ICL and K* from memorization curves.
///
/// K* comes three times: from Eqs. 7-8 with the measured c2 (`threshold`), from the law and the leading order
/// (`k_star_leading`), and with what the exact loss needs beyond Eqs. 7-8 at finite N (`k_star_full_loss`).
///
/// Source   Eq. 10, Eq. 12, Eq. 13, Eq. 21.
/// Takes    curves in any order, those of one K and seed only once; a curve without K enters no law.
/// Throws   Error for bad curves or options.
/// Checked  [eq10] [eq12] [eq13] [eq21]
Prediction predict_from_curves(std::vector<MeasuredCurve> curves, const PredictionOptions& options);

}  // namespace iclk::figures
