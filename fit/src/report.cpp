#include "iclk/fit/report.hpp"

#include <algorithm>
#include <cmath>

#include "number_text.hpp"

namespace iclk::fit {
namespace {

constexpr int kDigits = 4;

std::string interval_text(const Estimate& estimate, int digits = kDigits) {
  if (!estimate.value) return "none";
  const auto end = [&](const std::optional<double>& v) { return v ? rounded_text(*v, digits) : std::string("open"); };
  std::string text = rounded_text(*estimate.value, digits);
  if (estimate.low || estimate.high) text += "  [" + end(estimate.low) + ", " + end(estimate.high) + ']';
  return text;
}

std::string line(const std::string& label, const std::string& value) {
  std::string text = "  " + label;
  text.resize(std::max<std::size_t>(text.size() + 2, 26), ' ');
  return text + value + '\n';
}

std::string percent(double fraction) { return rounded_text(100 * fraction, 2) + " %"; }

std::string warning_lines(const std::vector<std::string>& warnings) {
  std::string text;
  for (const std::string& warning : warnings) text += "  warning: " + warning + '\n';
  return text;
}

std::string count_text(std::size_t n, const std::string& singular) {
  return std::to_string(n) + ' ' + singular + (n == 1 ? "" : "s");
}

std::string method_text(const PowerLawFit& fit) {
  if (fit.outcome == PowerLawOutcome::assumed_scatter) return "95 %, normal, scatter assumed";
  std::string text =
      "95 %, Student t, " + rounded_text(fit.degrees_of_freedom, kDigits) + " degrees of freedom, scatter of ";
  text += fit.between_sd || fit.n_points == fit.n_levels ? "the levels" : "the runs";
  if (fit.scenarios.size() > 1) text += ", united over " + std::to_string(fit.scenarios.size()) + " tail cases";
  return text;
}

std::string law_lines(const PowerLawFit& fit, const ReportOptions& options) {
  std::string text = line(
      "data",
      count_text(fit.n_points, "run") + " at " + count_text(fit.n_levels, "level") + " of " + options.x_name +
          (fit.n_levels > 0 ? ", " + rounded_text(fit.x_min, 6) + " to " + rounded_text(fit.x_max, 6) : std::string()));
  if (fit.scenarios.empty()) return text + line("outcome", "no law (" + std::string(name(fit.outcome)) + ')');
  text += line(options.exponent_name, interval_text(fit.exponent));
  text += line("prefactor", interval_text(fit.prefactor));
  text += line("interval", method_text(fit));
  text += line("  from scatter alone", options.exponent_name + ' ' + interval_text(fit.exponent_scatter_only));
  text += line("  share of the tails", percent(fit.tail_share));
  if (fit.n_points > 2) {
    std::string scatter = percent(fit.residual_sd) + " of a run about the law";
    if (fit.within_sd) scatter += "; " + percent(*fit.within_sd) + " within a level";
    if (fit.between_sd) scatter += "; " + percent(*fit.between_sd) + " between levels";
    text += line("scatter of ln " + options.y_name, scatter);
  }
  std::string goodness;
  if (fit.r_squared) goodness = "R^2 = " + rounded_text(*fit.r_squared, 6);
  if (fit.chi_squared) {
    goodness += (goodness.empty() ? "" : ", ") + std::string("chi^2 = ") + rounded_text(*fit.chi_squared, kDigits) +
                " for " + rounded_text(fit.chi_squared_dof, kDigits);
  }
  if (fit.lack_of_fit_p) goodness += ", lack of fit p = " + rounded_text(*fit.lack_of_fit_p, 2);
  if (!goodness.empty()) text += line("goodness", goodness);
  return text;
}

std::string title(const ReportOptions& options) {
  return "Power law  " + options.y_name + " = prefactor " + options.x_name + '^' + options.exponent_name + '\n';
}

}  // namespace

std::string report(const PowerLawFit& fit, const ReportOptions& options) {
  return title(options) + law_lines(fit, options) + warning_lines(fit.warnings);
}

std::string report(const MemorizationLawFit& fit, const ReportOptions& options) {
  std::string text = title(options) + law_lines(fit.law, options);
  switch (fit.treatment) {
    case TruncationTreatment::common_shape:
      text += line("tails", "from the shape that the curves share");
      break;
    case TruncationTreatment::single_curve:
      text += line("tails", "each from its own curve");
      break;
    case TruncationTreatment::truncated:
      text += line("tails", "some unknown: integrals up to the last sample");
      break;
  }
  if (!fit.tail_fraction.empty()) {
    const auto [least, most] = std::minmax_element(fit.tail_fraction.begin(), fit.tail_fraction.end());
    text += line("  part not measured", percent(*least) + " to " + percent(*most));
  }
  if (fit.collapse.tested) {
    text += line("common shape", std::string(fit.collapse.holds ? "holds" : "does not hold") + ": rms of ln t " +
                                     rounded_text(fit.collapse.residual, 2) + " (" +
                                     rounded_text(fit.collapse.residual_without_drift, 2) + " without drift), " +
                                     count_text(fit.collapse.n_curves, "curve"));
    text += line("  drift of the exponent", interval_text(fit.collapse.drift, 3) + " per unit of ln c1");
  }
  text += line("for comparison",
               options.exponent_name + ' ' + interval_text(fit.single_curve.exponent) + " with each curve's own tail");
  text += line("", options.exponent_name + ' ' + interval_text(fit.truncated.exponent) + " without tails");
  return text + warning_lines(fit.warnings);
}

std::string report(const LeastSquaresFit& fit) {
  std::string text = "Linear least squares\n";
  if (fit.outcome == LeastSquaresOutcome::rank_deficient) {
    return text + line("outcome", "no unique answer: columns depend on each other, or too few observations");
  }
  for (std::size_t j = 0; j < fit.coefficients.size(); ++j) {
    std::string value = interval_text(fit.coefficient_interval[j], 6);
    if (!fit.standard_errors.empty()) value += "  standard error " + rounded_text(fit.standard_errors[j], 3);
    text += line("b" + std::to_string(j), value);
  }
  text += line("observations", std::to_string(fit.residuals.size()) + ", degrees of freedom " +
                                   rounded_text(fit.degrees_of_freedom, kDigits));
  if (fit.residual_sd) text += line("residual sd", rounded_text(*fit.residual_sd, kDigits));
  if (fit.r_squared) text += line("R^2", rounded_text(*fit.r_squared, 6));
  return text;
}

}  // namespace iclk::fit
