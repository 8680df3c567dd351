#pragma once

#include <optional>
#include <string_view>

#include "iclk/core/order_parameters.hpp"
#include "iclk/theory/exact_solution.hpp"
#include "iclk/theory/gradient_flow.hpp"

namespace iclk::theory {

/// First derivatives of the logarithm of an answer (I_K at acquisition, t_ICL, K*): d ln answer by each input, the
/// others held fixed. Where an input is a scale, by its logarithm: 1 means in proportion.
struct LogGradient {
  double log_context = 0.0;  ///< by ln N
  double beta0 = 0.0;
  double w0 = 0.0;
  double c2 = 0.0;
  double lambda_w = 0.0;    ///< by lambda_w itself [time], so that lambda_w = 0 has one too
  double log_c1 = 0.0;      ///< by ln c1: the whole of c1(t) scaled, c2 as a function of time kept
  double log_rho = 0.0;     ///< by ln rho
  double log_copies = 0.0;  ///< by ln B
};

/// Derivatives of I_K at the blow-up, in closed form.
///
///     d ln X/d beta0 = -(1 - kappa R'/R)/((1 + y) l),   d ln X/d w0 = (R'/R)/((1 + y) l),
///     y = kappa R(w0 - kappa),   l = ln(1 + y)/y,   R' = x R - 1
///
/// Source   Eq. 31, Eq. 32, solved; Eq. 13 has the leading order, -1 by beta0 and 1 by ln N.
/// Differs  d ln X/d beta0 is -1.09 at beta0 = 0, c2 = 1/2 and tends to -2 far below.
/// Valid    as blow_up_integral. I_K is divided by 2 c1 to give a time: subtract 1 from log_c1 for that.
/// Throws   Error naming the bad field of the flow.
/// Checked  [eq13] [eq31] [eq32]
LogGradient blow_up_gradient(const ExactFlow& flow);

/// The threshold K* = (X/prefactor)^(1/nu) of the memorization law I_K(infinity) = prefactor K^nu, and what moves it.
struct ThresholdSensitivity {
  double k_star = 0.0;
  LogGradient gradient;        ///< d ln K*: that of X over nu
  double log_prefactor = 0.0;  ///< d ln K*/d ln prefactor = -1/nu
  double nu = 0.0;             ///< d ln K*/d nu = -ln(K*)/nu
};

/// Source   Eq. 12, Eq. 13.
/// Takes    prefactor > 0 [time]; nu > 0.
/// Throws   Error naming the bad field or argument.
/// Checked  [eq12] [eq13]
ThresholdSensitivity threshold_sensitivity(const ExactFlow& flow, double prefactor, double nu);

/// t_ICL on measured curves, and what moves it.
struct CurveSensitivity {
  FlowOutcome outcome = FlowOutcome::step_limit;  ///< acquired, or why there is no t_icl on this curve
  std::optional<double> t_icl;                    ///< [time]
  LogGradient gradient;      ///< d ln t_icl; c2, log_rho, log_copies are 0. Meaningful when acquired
  double log_stretch = 0.0;  ///< d ln t_icl when both curves are stretched in time; meaningful when acquired
};

/// Derivatives of t_ICL with measured c1(t), c2(t): the flow of Eqs. 7-8 with L2 on w, integrated together with its
/// variation, up to a state from which the closed solution gives the rest.
///
///     d t_ICL = (d I_K at the blow-up)/(2 c1(t_ICL))
///
/// Source   Eq. 7, Eq. 8 and their variational equations, derived in docs/equations.md.
/// Takes    curves: c1 and c2 on the same times; n_context >= 2; start; lambda_w >= 0.
/// Throws   Error for bad curves, n_context, start or lambda_w.
/// Checked  [eq7] [eq8]
CurveSensitivity curve_sensitivity(const OrderParameterCurves& curves, double n_context, FlowState initial,
                                   double lambda_w = 0.0);

/// Normal starts, and how much the networks memorize.
struct SuccessSetting {
  ExactFlow flow = {};      ///< N, c2, rho, copies, lambda_w; its initial state holds the means of w0 and beta0
  double beta0_sd = 0.3;    ///< > 0
  double w0_sd = 0.0;       ///< >= 0
  double i_infinity = 0.0;  ///< I_K(infinity) [time]; > 0
};
void validate(const SuccessSetting& setting);  ///< throws Error naming the bad field

/// P(ICL) and its derivatives (of P itself, not of its logarithm).
struct SuccessSensitivity {
  double probability = 0.0;  ///< P(X <= I_K(infinity)) over the starts
  double log_context = 0.0;
  double beta0_mean = 0.0;
  double beta0_sd = 0.0;
  double w0_mean = 0.0;
  double w0_sd = 0.0;
  double c2 = 0.0;
  double lambda_w = 0.0;
  double log_i_infinity = 0.0;  ///< by ln I_K(infinity); times nu: by ln K
};

/// Share of the starts that acquire in-context learning before memorization, and what moves it.
///
///     P = E_w0[ Phi((beta0_mean - b(w0))/beta0_sd) ],   X(b, w0) = I_K(infinity)
///
/// Source   Eq. 12 over random starts (Sec. 3.6); derived in docs/equations.md.
/// Throws   Error naming the bad field.
/// Checked  [eq12]
SuccessSensitivity success_sensitivity(const SuccessSetting& setting);

/// What an inverse question asks for.
enum class Unknown { n_context, beta0, w0, lambda_w };
std::string_view name(Unknown unknown) noexcept;  ///< "context", "beta0", "w0", "lambda_w"

enum class InverseOutcome {
  found,
  too_small,  ///< the wanted value lies below everything the unknown can give
  too_large,  ///< above everything it can give within its range
};
std::string_view name(InverseOutcome outcome) noexcept;

struct InverseAnswer {
  InverseOutcome outcome = InverseOutcome::too_large;
  std::optional<double> value;  ///< of the unknown; set only when found
};

/// Which N, beta0, w0 or lambda_w makes acquisition need a wanted I_K (2 c1 times a wanted t_ICL for constant c1;
/// prefactor K^nu for a wanted K*)?
///
/// I_K rises with N and lambda_w and falls with beta0 and w0, so that there is one answer or none. N comes out as a
/// real number. Ranges: N from 2 (or the number of copies), beta0 from -340 to 690, w0 from -1e8 to 1e8, lambda_w >= 0.
///
/// Source   Eq. 31, Eq. 32, solved; Eq. 13 is the leading order.
/// Takes    flow: the field of the unknown is not used; wanted_integral > 0 [time].
/// Throws   Error naming the bad field or argument.
/// Checked  [eq13] [eq31] [eq32]
InverseAnswer solve_for(Unknown unknown, const ExactFlow& flow, double wanted_integral);

/// The same on measured curves: which N, beta0, w0 or lambda_w makes t_ICL the wanted one?
///
/// Source   Eq. 7, Eq. 8.
/// Takes    wanted_time > 0, within the curves.
/// Throws   Error for bad curves, n_context, start, lambda_w or wanted_time.
/// Checked  [eq7] [eq8]
InverseAnswer solve_for(Unknown unknown, const OrderParameterCurves& curves, double n_context, FlowState initial,
                        double lambda_w, double wanted_time);

}  // namespace iclk::theory
