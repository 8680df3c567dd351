#pragma once

#include <optional>

#include "iclk/theory/sensitivity.hpp"
#include "iclk/theory/transience.hpp"
#include "iclk/theory/transience_prediction.hpp"

namespace iclk::theory {

/// What moves the fade time while w follows w_tr: d ln t_fade by each input, the others held fixed.
struct FadeSensitivity {
  std::optional<double> t_fade;  ///< as in quasi_static_fade; empty when nothing fades, and then the rest is 0
  double log_lambda_w = 0.0;     ///< by ln lambda_w
  double log_c3_start = 0.0;     ///< by ln c3 at the start
  double log_time_scale = 0.0;   ///< by ln T: 1, as time has no other unit here
  double w_fade = 0.0;           ///< by w_fade
};

/// Derivatives of the quasi-static fade time in closed form, up to one quadrature for the logistic loss.
///
///     exponential loss:  d t_fade/d ln lambda_w = -T exp(W_0)                      for c3 ~ exp(-tau/T)
///                                                -t_fade/p - (T/p) exp(W_0)        for c3 ~ (1 + tau/T)^-p
///
/// with W_0 = W(c3_0/lambda_w), whose own derivative by ln lambda_w is -W_0/(1 + W_0).
///
/// Source   Eq. 45 with d tau/dt = exp(-w); derived in docs/equations.md.
/// Takes    decay; lambda_w > 0; w_fade > 0.
/// Throws   Error naming the bad argument.
/// Checked  [eq45]
FadeSensitivity fade_sensitivity(const MemorizationDecay& decay, double lambda_w, double w_fade = 1.0,
                                 SlowDown slow_down = SlowDown::logistic);

/// The lambda_w that makes the quasi-static fade time the wanted one. The fade time falls from infinity to zero as
/// lambda_w rises to c3_start/(w_fade exp(w_fade)), so that there always is one within the range of doubles.
///
/// Source   Eq. 45 with d tau/dt = exp(-w).
/// Takes    wanted_time > 0 [time].
/// Returns  found; too_large where w_0 = W(c3_start/lambda_w) would have to exceed 600.
/// Throws   Error naming the bad argument.
/// Checked  [eq45]
InverseAnswer lambda_w_for_fade_time(const MemorizationDecay& decay, double wanted_time, double w_fade = 1.0,
                                     SlowDown slow_down = SlowDown::logistic);

/// The same on a measured curve, with the flow of predict_transience.
struct CurveFadeSensitivity {
  TransienceOutcome outcome = TransienceOutcome::undecided;
  std::optional<double> t_fade;  ///< [time]; set only when transient, and then the derivatives d ln t_fade are
  std::optional<double> log_lambda_w;
  std::optional<double> log_context;  ///< set with options.n_context, as the two below; not for the binomial N < 4
  std::optional<double> beta0;
  std::optional<double> w0;
};

/// Differences of predict_transience, of eighth order, by ln N of fourth order on whole N where the model is binomial.
/// A curve's interpolant has kinks in its second derivative, which leave a relative error of the order of 1e-5. Empty
/// where a neighbouring point has no fade time.
///
/// Source   Eq. 7, Eq. 8, Eq. 44.
/// Throws   Error for bad curves, options or lambda_w <= 0.
/// Checked  [eq44]
CurveFadeSensitivity curve_fade_sensitivity(const OrderParameterCurves& curves, double lambda_w,
                                            const TransienceOptions& options = {});

/// The lambda_w at which in-context learning on this curve fades at the wanted time.
///
/// Source   Eq. 7, Eq. 8, Eq. 44.
/// Takes    wanted_time > 0 [time]; search: its lambda_low and lambda_high bound the answer.
/// Returns  found; too_small when even lambda_high, or the strongest L2 that still lets it be acquired, fades later;
///          too_large when lambda_low fades sooner.
/// Throws   Error for bad curves, options or wanted_time.
/// Checked  [eq44]
InverseAnswer lambda_w_for_fade_time(const OrderParameterCurves& curves, double wanted_time,
                                     const TransienceOptions& options = {}, const RangeOptions& search = {});

}  // namespace iclk::theory
