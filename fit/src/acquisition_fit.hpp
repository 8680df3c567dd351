#pragma once

#include <array>
#include <cmath>
#include <optional>
#include <span>

#include "acquisition_family.hpp"
#include "iclk/fit/survival.hpp"

namespace iclk::fit {

/// Maximum likelihood of one family in its own parameters, before they are said in the words of the report. The model
/// holds outcome, counts, likelihood and cured fraction; the rest is filled in only where log_likelihood is.
struct FamilyFit {
  AcquisitionModel model;
  FamilyParameters at{};  ///< in units of time of exp(log_unit)
  double log_unit = 0.0;
  std::array<double, 3> covariance{};  ///< 11, 12, 22
  bool at_edge = false;                ///< inverse Gaussian with drift 0
  double reach = 0.0;                  ///< standard errors in a 95 % interval
};

FamilyFit fit_family(std::span<const SurvivalRun> runs, AcquisitionFamily family, bool with_cured);

inline bool has_fit(const AcquisitionModel& model) { return model.log_likelihood.has_value(); }

inline Estimate wald_interval(double value, double half_width) {
  return {value, value - half_width, value + half_width};
}

/// exp of an interval; an end outside the range of doubles is left empty.
inline Estimate exp_interval(const Estimate& estimate) {
  const auto exp = [](const std::optional<double>& x) -> std::optional<double> {
    if (!x || !(std::exp(*x) > 0) || !std::isfinite(std::exp(*x))) return std::nullopt;
    return std::exp(*x);
  };
  return {exp(estimate.value), exp(estimate.low), exp(estimate.high)};
}

}  // namespace iclk::fit
