#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"

namespace iclk::fit {

/// One run: x = number of items, y = its I_K(infinity), with the bracket that its tail allows.
struct PowerLawPoint {
  double x = 0.0;
  double y = 0.0;                   ///< central value
  std::optional<double> low = {};   ///< lower end of the tail bracket; absent: y
  std::optional<double> high = {};  ///< upper end; absent while `low` is present: unresolved; both absent: y is exact
};

/// What the interval supposes about the scatter of whole levels (all runs at one x) about the law.
enum class LevelScatter {
  estimated,  ///< measured from the level means: n_levels - 2 degrees of freedom
  none,       ///< the law is taken as exact and only runs scatter: n_points - 2 degrees of freedom
};

struct PowerLawOptions {
  LevelScatter level_scatter = LevelScatter::estimated;
  bool use_tails = true;  ///< false: y is taken as it is, without its bracket
  /// sd of ln y of one run about the law, used only where the data leave no degrees of freedom. Measured: the
  /// runs of K = 500 to 16 000 in figures/data lie 5 % (0.052) from their power law (`iclk predict`, residual_sd).
  double assumed_run_sd = 0.05;
};
void validate(const PowerLawOptions& options);  ///< throws Error naming the bad field

enum class PowerLawOutcome {
  fitted,           ///< the interval comes from the scatter of the data
  assumed_scatter,  ///< two runs, one per level: the interval rests on assumed_run_sd
  one_level,        ///< a single x: no exponent
  no_points,
};
std::string_view name(PowerLawOutcome outcome);

/// ln y = log_prefactor + exponent ln x, fitted for one position of all points in their tail brackets.
struct PowerLawScenario {
  std::string label;  ///< "central", "low", "high", ...
  double exponent = 0.0;
  double log_prefactor = 0.0;
  std::array<double, 3> covariance{};  ///< of (log_prefactor, exponent): var, cov, var
};

struct PowerLawFit {
  PowerLawOutcome outcome = PowerLawOutcome::no_points;
  Estimate exponent;               ///< 95 %, tails included
  Estimate prefactor;              ///< 95 %, tails included
  Estimate exponent_scatter_only;  ///< 95 % at the central position of the tails
  double tail_share = 0.0;  ///< part of the width of exponent's interval that the tails add; 1 without an upper end

  std::size_t n_points = 0;
  std::size_t n_levels = 0;
  double x_min = 0.0;
  double x_max = 0.0;
  double degrees_of_freedom = 0.0;  ///< of the Student t quantile; 0 when scatter was assumed
  double t_quantile = 0.0;          ///< 97.5 % point used for every interval

  double residual_sd = 0.0;             ///< of ln y, runs about the law (n_points - 2 in the denominator when > 0)
  std::optional<double> within_sd;      ///< of ln y, runs of one level about their mean; needs a repeated level
  std::optional<double> between_sd;     ///< of ln y, level means about the law beyond within_sd (0 when not larger)
  std::optional<double> chi_squared;    ///< lack of fit: level means about the law in units of within_sd^2 / n_runs
  double chi_squared_dof = 0.0;         ///< n_levels - 2
  std::optional<double> lack_of_fit_p;  ///< F test of chi_squared / dof against within_sd; small: law is not exact
  std::optional<double> r_squared;      ///< of the level means, in ln y

  bool upper_end_open = false;      ///< no tail has an upper end: no upper end of exponent, prefactor and predictions
  double new_run_variance = 0.0;    ///< of ln y of one new run about the law
  double new_run_t_quantile = 0.0;  ///< 97.5 % point that goes with it
  std::vector<PowerLawScenario> scenarios;  ///< the first is the central one; intervals are their union
  std::vector<std::string> warnings;
};

/// Power law y = prefactor x^exponent with repeated runs per x and tails known only up to a bracket.
///
///     ln y_ki = ln prefactor + exponent ln x_k + u_k + e_ki,   u_k ~ N(0, between^2),   e_ki ~ N(0, within^2)
///
/// Level means are fitted with weights 1/(between^2 + within^2/n_k). within^2 is pooled over the levels; between^2 is
/// the Paule-Mandel moment estimate, which makes the weighted residual sum of squares equal to its degrees of
/// freedom. The scale of the errors is then taken from the residuals of the level means (Hartung and Knapp), with
/// Student t on n_levels - 2 degrees of freedom: exact for equal numbers of runs, whatever between and within are. The
/// price is honest: with three levels the interval is wide (t = 12.7). With two levels, or when level_scatter is
/// `none`, the law is supposed exact and the scatter of runs about it gives the scale; with two single runs
/// assumed_run_sd does.
///
/// Tails are systematic: the truth of all runs lies at a similar place of their brackets. The fit is repeated with
/// all points at the low end and all at the high end, weights unchanged, and the interval is the union of the three
/// Student intervals. The upper end of the interval is convex in a common position and the lower one concave, so the
/// union covers every common position between. A point whose upper end is unresolved is given the widest ln(high/low)
/// of the resolved points above its y. Without a resolved point nothing bounds the tails: the exponent and the
/// prefactor then have no upper end. A warning says which rule was used.
///
/// Source   Eq. 12, Eq. 13 (the law); Paule and Mandel 1982; Hartung and Knapp 2001.
/// Valid    Normal scatter of ln y, equal at all x.
/// Takes    points: any order, runs of one level have the same x (to 1e-12 relative).
/// Returns  outcome one_level or no_points instead of numbers where there is no law.
/// Throws   Error for a non-positive or non-finite x or y, or a bracket that does not hold y.
/// Checked  [eq12]
PowerLawFit fit_power_law(std::span<const PowerLawPoint> points, const PowerLawOptions& options = {});

enum class Band {
  mean,     ///< interval of the law itself
  new_run,  ///< interval for ln y of one new run
};

/// y of the law at x with its 95 % band. Empty without a fit. Throws Error unless x is positive and finite.
///
/// A new run adds the variance of a level mean about the law and the part of within^2 that the mean has averaged out,
/// with the degrees of freedom of Welch and Satterthwaite for their sum.
Estimate predict(const PowerLawFit& fit, double x, Band band = Band::mean);

/// x at which the law reaches y: exp((ln y - ln prefactor)/exponent), with the interval of Fieller's theorem in ln x
/// (union over the tail scenarios). An end is empty where the exponent's own interval reaches zero.
///
/// Source   Eq. 12, Eq. 13.
/// Checked  [eq12] [eq13]
Estimate x_at(const PowerLawFit& fit, double y, Band band = Band::mean);

/// The same for a y with its own, independent interval: log half-widths add in quadrature.
Estimate x_at(const PowerLawFit& fit, const Estimate& y, Band band = Band::mean);

}  // namespace iclk::fit
