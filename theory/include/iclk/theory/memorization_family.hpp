#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "iclk/core/order_parameters.hpp"
#include "iclk/theory/gradient_flow.hpp"

namespace iclk::theory {

/// Laws c1 = (1/2) f(t/T) whose memorization integral, its inverse and its threshold are known in closed form. They
/// span what measured curves do: u = t/T,
///
///     power        f = (1 + u)^-p                          I_K(infinity)/T = 1/(p - 1), infinite for p <= 1
///     exponential  f = exp(-u)                             1
///     stretched    f = exp(-u^b)                           Gamma(1 + 1/b)
///     logarithmic  f = 1/[(1 + u)(1 + ln(1 + u))^m]        1/(m - 1), infinite for m <= 1
///
/// The last one is the late-time law of a homogeneous network (homogeneous_law.hpp), with m = 2 - 2/L.
enum class MemorizationKind { power, exponential, stretched, logarithmic };
std::string_view name(MemorizationKind kind) noexcept;  ///< "power", "exponential", ...

/// How c2 goes with c1 where it is not measured.
enum class C2Closure {
  constant,     ///< c2 = 1/2, its value before memorization
  homogeneous,  ///< c2 = 1 - c1: all items have the same logit
};

struct MemorizationFamily {
  MemorizationKind kind = MemorizationKind::power;
  double shape = 1.5;    ///< p > 0, b in [0.01, 100] or m >= 0; the exponential has none and ignores it
  double horizon = 1.0;  ///< T [time]; > 0
};
void validate(const MemorizationFamily& family);  ///< throws Error naming the bad field

/// T = prefactor K^nu, the memorization scaling law of a family: I_K(infinity) = g T with g of family_total_share.
struct HorizonLaw {
  double prefactor = 1.0;  ///< a [time]; > 0
  double nu = 0.7;         ///< > 0
};
void validate(const HorizonLaw& law);                      ///< throws Error naming the bad field
double horizon_at(const HorizonLaw& law, double n_items);  ///< T at K = n_items >= 1 [time]

/// c1(t) of a family; time >= 0. Underflows to zero where ln c1 (log_family_c1) goes on.
double family_c1(const MemorizationFamily& family, double time);
double log_family_c1(const MemorizationFamily& family, double time);

/// I_K(t) = 2 integral of c1 from 0 to t of a family, in closed form.
///
/// Source   Eq. 10 (I_K); the families are not in the paper: docs/equations.md, "Memorization families".
/// Takes    time >= 0, infinity allowed.
/// Returns  [time]; family_integral(family, infinity) is family_total_integral.
/// Throws   Error for a bad family or time.
/// Checked  [eq10]
double family_integral(const MemorizationFamily& family, double time);

/// What is left, I_K(infinity) - I_K(t), without the cancellation of that difference; infinite where I_K diverges.
///
/// Source   Eq. 10, docs/equations.md.
/// Checked  [eq10]
double family_integral_left(const MemorizationFamily& family, double time);

/// I_K(infinity) [time], and the same divided by T; infinite for p <= 1 and m <= 1.
///
/// Source   Eq. 12, docs/equations.md.
/// Checked  [eq12]
double family_total_integral(const MemorizationFamily& family);
double family_total_share(MemorizationKind kind, double shape);

/// The inverse of I_K(t): the time at which a family has spent `integral`. With the integral that acquisition needs it
/// is t_ICL.
///
///     power        T [(1 - (p-1) X/T)^(-1/(p-1)) - 1]         p = 1: T (exp(X/T) - 1)
///     exponential  -T ln(1 - X/T)
///     stretched    T [P^-1(1/b, X/I_K(infinity))]^(1/b)       P: regularized lower incomplete gamma function
///     logarithmic  1 + ln(1 + u) = (1 - (m-1) X/T)^(-1/(m-1))  m = 1: exp(X/T)
///
/// Close to the threshold the finite times jump to infinity: as (1 - X/I_K(infinity))^(-1/(p-1)) for power laws,
/// logarithmically for the exponential one.
///
/// Source   Eq. 10, solved for t; docs/equations.md.
/// Takes    integral X >= 0 [time].
/// Returns  empty when X is not below I_K(infinity): memorized first. Infinite when the time exceeds the range.
/// Throws   Error for a bad family or a negative integral.
/// Checked  [eq10]
std::optional<double> time_of_family_integral(const MemorizationFamily& family, double integral);

/// Local slope s = -d ln c1/d ln t and rate -d ln c1/dt = s/t; time >= 0. The rate of a stretched law with b < 1 is
/// infinite at t = 0.
double family_log_slope(const MemorizationFamily& family, double time);
double family_rate(const MemorizationFamily& family, double time);

/// K*, the number of items at which I_K(infinity) is what acquisition needs, for a family with T = a K^nu.
///
///     K* = (X/(a g))^(1/nu),    g = I_K(infinity)/T
///
/// Source   Eq. 12, Eq. 13.
/// Valid    the integral that acquisition needs does not depend on K.
/// Takes    required_integral X > 0 [time].
/// Returns  empty where I_K(infinity) diverges: every K acquires, only the time grows.
/// Throws   Error naming the bad argument.
/// Checked  [eq12] [eq13]
std::optional<double> family_threshold(MemorizationKind kind, double shape, const HorizonLaw& law,
                                       double required_integral);

/// c1(t) and c2(t) of a family as integrate_flow takes them.
OrderParameterFunctions order_parameter_functions(const MemorizationFamily& family, C2Closure closure);

/// c1, c2 and c3 of a family sampled at `times` (strictly increasing, >= 0, at least two). c3 = c1/(1 - c1) is that of
/// equal logits, whatever the closure of c2.
///
/// Throws   Error when c1 underflows at one of the times, or for times that a Curve does not take.
OrderParameterCurves sample_family(const MemorizationFamily& family, std::span<const double> times, C2Closure closure);

}  // namespace iclk::theory
