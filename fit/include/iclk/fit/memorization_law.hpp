#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/curve.hpp"
#include "iclk/core/estimate.hpp"
#include "iclk/fit/power_law.hpp"

namespace iclk::fit {

/// One memorization curve, cut off at its last sample, with the tail bracket found from that curve alone.
struct TruncatedCurve {
  double n_items = 0.0;    ///< K
  Curve c1;                ///< c1(t) [gradient-flow time]
  Estimate infinity = {};  ///< I_K(infinity) from this curve alone, bracket included; may be empty
};

struct MemorizationLawOptions {
  PowerLawOptions power_law = {};
  /// The shape is compared where c1 is below this; above is the plateau. Chosen: in full-size networks d ln t/d ln K is
  /// 0.79 at c1 = 0.45, 0.63 at 0.25 and changes by less than 0.07 from there to 0.0025.
  double top_level = 0.3;
  int n_levels = 64;  ///< values of c1, equally spaced in ln c1, at which curves are compared
  /// rms of ln t about the common shape above which it is not trusted. Chosen: full-size networks reach 0.003 to 0.02,
  /// a mixture of slow and fast decays 0.2 and more.
  double max_collapse_residual = 0.1;
};
void validate(const MemorizationLawOptions& options);  ///< throws Error naming the bad field

enum class TruncationTreatment {
  common_shape,  ///< tails from the shape that the curves share
  single_curve,  ///< the collapse failed or could not be tested: each tail from its own curve
  truncated,     ///< not even that: integrals up to the last sample, lower bounds
};
std::string_view name(TruncationTreatment treatment);

/// How well ln t(c1) of different K differ by a shift only.
struct CollapseTest {
  bool tested = false;
  bool holds = false;
  double residual = 0.0;  ///< rms of ln t about the common shape, shift and drift removed
  double residual_without_drift = 0.0;
  Estimate drift;                       ///< change of d ln t/d ln K per unit of ln c1; 0 when shapes are equal
  std::optional<double> time_exponent;  ///< d ln t/d ln K at the mean level: nu where the shapes are equal
  std::size_t n_curves = 0;             ///< curves that reach below top_level and enter the shape
  double lowest_level = 0.0;            ///< smallest c1 reached by any of them
};

struct MemorizationLawFit {
  TruncationTreatment treatment = TruncationTreatment::truncated;
  PowerLawFit law;           ///< the answer: I_K(infinity) = prefactor K^nu
  PowerLawFit single_curve;  ///< for comparison: every tail from its own curve
  PowerLawFit truncated;     ///< for comparison: integrals up to the last sample, biased under truncation
  CollapseTest collapse;
  std::vector<double> measured;       ///< [n curves] I_K(t_m)
  std::vector<Estimate> infinity;     ///< [n curves] I_K(infinity) as used by `law`
  std::vector<double> tail_fraction;  ///< [n curves] part of infinity.value that was not measured
  std::vector<std::string> warnings;  ///< of `law` and of the tails
};

/// Memorization law from truncated curves, with tails taken from the shape that the curves share.
///
/// If c1_K(t) = f(t/T_K), the tail of a large K beyond its horizon t_m is known from smaller K, whose curves reach
/// further in t/T_K. In terms of the time t_K(c) at which c1 falls to c,
///
///     I_K(inf) = I_K(t_m) + 2 integral of (t_K(c) - t_m) dc from 0 to c1_K(t_m),
///     ln t_K(c) = shape(c) + shift_K + drift (ln K - mean ln K) ln(c/c_mean).
///
/// Shape, shifts and drift come from least squares over all curves on a grid of levels c, after c1 was made monotone;
/// drift lets the local exponent d ln t/d ln K change slowly with the level, as it does in trained networks. Beyond
/// the lowest level that any curve reaches, all curves have the same tail in units of 2 c1 t: the median of what the
/// curves that got that far say of themselves or, when they cannot resolve it, the power continuation of the shape,
/// from the exponential one up to that of a logarithmic tail of degree 3. Such a common tail moves the prefactor but
/// hardly nu. The interval of nu is the union over the common tail at its low, central and high end, the drift at the
/// ends of its interval, and no drift.
///
/// Source   Eq. 10, Eq. 12; docs/equations.md, Tails.
/// Valid    Curves of different K that overlap in level; rms of ln t about the shape below max_collapse_residual. Else
///          the answer falls back on the tails of single curves, with a warning.
/// Takes    curves: c1 in (0, 1) decaying; one per run, repeated K allowed.
/// Returns  treatment says which tails `law` used.
/// Throws   Error for n_items or c1 that are not positive, a negative time, or an infinity far below the measured part.
/// Checked  [eq10] [eq12]
MemorizationLawFit fit_memorization_law(std::span<const TruncatedCurve> curves,
                                        const MemorizationLawOptions& options = {});

}  // namespace iclk::fit
