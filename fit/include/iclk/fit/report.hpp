#pragma once

#include <string>

#include "iclk/fit/least_squares.hpp"
#include "iclk/fit/memorization_law.hpp"
#include "iclk/fit/power_law.hpp"

namespace iclk::fit {

struct ReportOptions {
  std::string x_name = "K";
  std::string y_name = "I_K(inf)";
  std::string exponent_name = "nu";
};

/// Plain text, several lines: estimates with intervals and how they were made, numbers of runs and levels, scatter,
/// goodness, the share of the tails, warnings. Ends with a newline.
std::string report(const PowerLawFit& fit, const ReportOptions& options = {});

/// The same for the joint fit, with the collapse test and the two simpler fits beside it.
std::string report(const MemorizationLawFit& fit, const ReportOptions& options = {});

/// Table of coefficients, standard errors and intervals.
std::string report(const LeastSquaresFit& fit);

}  // namespace iclk::fit
