#pragma once

#include <span>
#include <string>
#include <vector>

#include "iclk/fit/power_law.hpp"

namespace iclk::fit {

/// Scatter of ln y below this is rounding, not data: chi-squared in units of it would mean nothing.
inline constexpr double kRoundingSd = 1e-12;

/// ln y of every point at one position of the points in their tail brackets.
struct LogScenario {
  std::string label;
  std::vector<double> log_y;  ///< [n points]
};

/// The fit of fit_power_law for any list of scenarios: weights from the first one, intervals from all.
/// x: [n points], positive; scenarios: at least one.
PowerLawFit fit_scenarios(std::span<const double> x, std::span<const LogScenario> scenarios,
                          const PowerLawOptions& options);

}  // namespace iclk::fit
