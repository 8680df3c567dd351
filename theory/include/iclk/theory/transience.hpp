#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

namespace iclk::theory {

/// W(x), the principal solution of W exp(W) = x.
///
/// Valid    x >= -1/e.
/// Throws   Error below -1/e or when x is not finite.
double lambert_w(double x);

/// dW/dx = exp(-W)/(1 + W). Valid x > -1/e.
double lambert_w_derivative(double x);

/// W(exp(log_x)), the solution of W + ln W = log_x: also where exp(log_x) leaves the range of doubles.
///
/// Valid    every finite log_x.
/// Throws   Error when log_x is not finite.
double lambert_w_of_exp(double log_x);

/// The w that attention settles at while an MLP with this c3 pulls it up and L2 pulls it down.
///
///     w_tr exp(w_tr) = c3/lambda_w,   w_tr = W(c3/lambda_w)
///
/// Source   Eq. 15, Eq. 45.
/// Differs  exact for the exponential loss of Eq. 43; for the logistic loss see settled_strength.
/// Valid    full attention on the copy, exp(-phi - w) << 1 for every item that matters in c3.
/// Takes    c3 > 0; lambda_w > 0 [1/time]. Their ratio may leave the range of doubles.
/// Throws   Error naming the bad argument.
/// Checked  [eq15] [eq45]
double transient_strength(double c3, double lambda_w);

/// c3 exp(-w) + lambda_w w^2/2, the loss after acquisition [nats].
///
/// Source   Eq. 14, Eq. 42, Eq. 43.
/// Valid    as transient_strength; without the loss's own curvature, whose next term is -<exp(-2 phi)> exp(-2 w)/2.
/// Takes    w finite; c3 > 0; lambda_w >= 0.
/// Throws   Error naming the bad argument.
/// Checked  [eq14] [eq42] [eq43]
double acquired_loss(double w, double c3, double lambda_w);

/// The stationary point at fixed c3, and how it is approached.
struct SettledStrength {
  double w_tr = 0.0;             ///< W(c3/lambda_w)
  double w_logistic = 0.0;       ///< root of c3/(c3 + exp(w)) = lambda_w w: the logistic loss, all logits equal
  double loss = 0.0;             ///< acquired_loss at w_tr [nats]
  double relaxation_rate = 0.0;  ///< lambda_w (1 + w_tr), at which w returns to w_tr [1/time]
};

/// Stationary strength at ln c3, for c3 of any size.
///
/// Source   Eq. 15, Eq. 44, Eq. 45.
/// Differs  w_logistic keeps the logistic loss: smaller than w_tr by a relative lambda_w w/(1 + w), 0.08 % at c3 = 1,
///          lambda_w = 1e-3, but 7 % at lambda_w = 0.1.
/// Takes    log_c3 finite; lambda_w > 0 [1/time].
/// Throws   Error naming the bad argument.
/// Checked  [eq15] [eq44] [eq45]
SettledStrength settled_strength(double log_c3, double lambda_w);

/// The c3 at which w_tr = w: lambda_w w exp(w). For w = 1 that is e lambda_w, where in-context learning fades.
///
/// Source   Eq. 45.
/// Differs  the paper has ICL fade at c3 = lambda_w, where w_tr is 0.567.
/// Takes    w > 0; lambda_w > 0.
/// Throws   Error naming the bad argument.
/// Checked  [eq45]
double c3_at_strength(double w, double lambda_w);

/// How far w stays behind a w_tr that moves because c3 falls at the rate -d ln c3/dt.
///
///     w - w_tr = rate w_tr/(lambda_w (1 + w_tr)^2)
///
/// Source   Eq. 44, to first order in the rate.
/// Valid    rate << lambda_w (1 + w_tr).
/// Takes    w_tr >= 0; lambda_w > 0 [1/time]; log_c3_rate = -d ln c3/dt [1/time], in the time of training.
/// Throws   Error naming the bad argument.
/// Checked  [eq44]
double tracking_lag(double w_tr, double lambda_w, double log_c3_rate);

/// The MLP's logits on novel items, of size xi: on trained items exp(-xi) = c3.
enum class NovelLogits {
  two_point,  ///< xi or -xi, equally often
  gaussian,   ///< normal with standard deviation xi
};
std::string_view name(NovelLogits novel) noexcept;

/// ICL accuracy with full attention on the copy: P(w + z > 0) for the logit z of a novel item, ties counted one half.
///
/// Source   not in the paper; derived in docs/equations.md.
/// Takes    w, xi finite.
/// Throws   Error naming the bad argument.
double novel_accuracy(double w, double xi, NovelLogits novel = NovelLogits::two_point);

/// w/xi at which the ICL accuracy is `accuracy`: the ratio at which it begins to fail.
///
/// Takes    accuracy in (1/2, 1).
/// Returns  1 for two points, where the accuracy jumps from 1 to 1/2; the normal quantile of `accuracy` otherwise.
/// Throws   Error when accuracy is outside (1/2, 1).
double strength_ratio_at_accuracy(double accuracy, NovelLogits novel);

/// Where logits of novel items grow past w.
struct AccuracyFade {
  double xi = 0.0;  ///< logit of the trained items; novel ones have novel_ratio * xi = w_tr
  double c3 = 0.0;  ///< exp(-xi)
};

/// The point at which the accuracy on novel items falls, long before w does: w_tr = novel_ratio xi.
///
///     xi = W((1 + r)/(r lambda_w))/(1 + r),   r = novel_ratio;   c3 ~ sqrt(lambda_w) at r = 1
///
/// Source   Eq. 45; the criterion is not in the paper, derived in docs/equations.md.
/// Valid    all trained logits xi, all novel ones +-r xi.
/// Takes    lambda_w > 0; novel_ratio > 0.
/// Throws   Error naming the bad argument.
/// Checked  [eq45]
AccuracyFade accuracy_fade(double lambda_w, double novel_ratio = 1.0);

/// How c3 of the MLP alone falls with its own time tau.
struct MemorizationDecay {
  double c3_start = 1.0;           ///< c3 at tau = 0; > 0
  double time_scale = 1.0;         ///< T [time]; > 0
  std::optional<double> exponent;  ///< c3 = c3_start (1 + tau/T)^-exponent; empty: c3 = c3_start exp(-tau/T)

  double log_c3(double tau) const;
};
void validate(const MemorizationDecay& decay);  ///< throws Error naming the bad field

/// Fade time if w followed w_tr without delay.
struct QuasiStaticFade {
  double w_start = 0.0;             ///< w_tr at tau = 0
  bool fades = false;               ///< w_start > w_fade; otherwise there is nothing to fade and the rest is empty
  std::optional<double> tau_fade;   ///< time of the MLP alone until w_tr = w_fade [time]
  std::optional<double> t_leading;  ///< the same in training time, memorization slowed by exp(-w) [time]
  std::optional<double> t_fade;     ///< slowed by (1 + c3)/(c3 + exp(w)), the logistic loss with equal logits [time]
  std::optional<double> slow_down;  ///< t_leading/tau_fade
};

/// Fade time with w = w_tr throughout, in closed form or by quadrature.
///
///     exponential   tau_fade = T ln(c3_0/(lambda_w w_f exp(w_f))),   t_leading = T [exp(W) + Ei(W)] from w_f to W_0
///     power         t_leading = (T/p)(c3_0/lambda_w)^(1/p) int exp((1 - 1/p) W) W^(-1 - 1/p) (1 + W) dW
///
/// Source   Eq. 45 with d tau/dt = exp(-w) (Sec. 3.7 names the factor); derived in docs/equations.md.
/// Differs  the paper gives no fade time.
/// Valid    while c3 T >> 1, so down to w_fade for lambda_w w_fade exp(w_fade) T >> 1: see tracking_lag. Below c3 = 1/T
///          the MLP outruns w, which then decays freely in a time of order ln(w)/lambda_w. T = 1000, lambda_w = 1e-3,
///          c3_0 = 1: t_leading = 234266, the flow from w = 3 235486.
/// Takes    decay; lambda_w > 0; w_fade > 0.
/// Returns  times, infinite where they exceed the range of doubles.
/// Throws   Error naming the bad argument.
/// Checked  [eq45]
QuasiStaticFade quasi_static_fade(const MemorizationDecay& decay, double lambda_w, double w_fade = 1.0);

/// The MLP alone as functions of its own time tau, called with 0 <= tau <= end_time: c1 and c3, positive, c1 <= c3.
struct MemorizationFunctions {
  std::function<double(double)> c1;
  std::function<double(double)> c3;
  double end_time = std::numeric_limits<double>::infinity();  ///< nothing is known beyond it
};

/// c1 = c3/(1 + c3) of equal logits with this c3.
MemorizationFunctions homogeneous_functions(const MemorizationDecay& decay);

/// By how much acquired attention slows memorization.
enum class SlowDown {
  logistic,     ///< <sigma(-phi - w)>/c1 with <sigma(-phi - w)> = c3/(exp(w) + c3/c1 - 1)
  exponential,  ///< exp(-w), the limit of large phi + w
};
std::string_view name(SlowDown slow_down) noexcept;

struct FadeOptions {
  /// N, with which beta of the start and its growth count; empty: all attention is on the copy throughout.
  std::optional<double> n_context;
  double w_fade = 1.0;                                     ///< faded means that w falls to this; > 0
  SlowDown slow_down = SlowDown::logistic;                 ///< and the matching loss
  double novel_ratio = 1.0;                                ///< logits of novel items over those of trained ones; >= 0
  double t_max = std::numeric_limits<double>::infinity();  ///< stop here [time]
  double rel_tol = 1e-12;                                  ///< local relative error per step; in [1e-14, 1e-2]
  double abs_tol = 1e-13;                                  ///< local absolute error of w per step; > 0
  int max_steps = 1'000'000;                               ///< accepted and rejected steps together; >= 1
  bool record_trajectory = false;                          ///< keep every accepted step in FadeResult::trajectory
};
void validate(const FadeOptions& options);  ///< throws Error naming the bad field

enum class FadeOutcome {
  faded,          ///< w fell to w_fade
  stayed_below,   ///< w turned back before it exceeded w_fade
  reached_t_max,  ///< t_max came first, or times beyond the range of doubles
  curve_ended,    ///< the end of the curves came first
  step_limit,     ///< max_steps came first
  not_finite,     ///< w or an order parameter stopped being finite
};
std::string_view name(FadeOutcome outcome) noexcept;

struct FadePoint {
  double time = 0.0;      ///< of training [time]
  double mlp_time = 0.0;  ///< tau, at which the MLP alone would have come as far [time]
  double w = 0.0;
  double beta = std::numeric_limits<double>::infinity();  ///< infinite: all attention is on the copy
  double log_c3 = 0.0;                                    ///< ln c3(tau); an answer, not read in a start
};

struct FadeResult {
  FadeOutcome outcome = FadeOutcome::step_limit;
  FadePoint peak;                          ///< largest w
  std::optional<FadePoint> fade;           ///< w = w_fade on the way down
  std::optional<FadePoint> accuracy_fade;  ///< w = novel_ratio (-ln c3) on the way down
  FadePoint end;                           ///< where the flow stopped
  int steps = 0;                           ///< accepted steps
  std::vector<FadePoint> trajectory;       ///< start, every accepted step, end; empty unless asked for
};

/// The flow of w after acquisition, with memorization slowed by what attention explains.
///
///     dw/dt = a <sigma(-phi - w a)> - lambda_w w,   d beta/dt = w a (1 - a) <sigma(-phi - w a)>,
///     d tau/dt = <sigma(-phi - w a)>/c1(tau),       a = exp(beta)/(exp(beta) + N - 1), or 1 for beta = infinity
///
/// and in the exponential limit dw/dt = c3(tau) exp(-w) - lambda_w w, d tau/dt = exp(-w). Integrated over tau, where
/// both sides stay bounded: dt/d tau = 1 + (c1/c3)(exp(w a) - 1), dw/d tau = a c1 - lambda_w w dt/d tau. The form of
/// <sigma(-phi - w)> is exact at w = 0, for w -> infinity, and for equal logits at every w.
///
/// Source   Eq. 44; the slowing is not in the paper's equations, derived in docs/equations.md.
/// Differs  Eq. 44 takes c3 as a given function of training time.
/// Valid    the labels of the other items are averaged over: (1 - a)^2 w^2 << N. What w adds to all logits must slow
///          the MLP as a change of its clock, which is exact for the loss exp(-phi).
/// Takes    start: time, mlp_time >= 0, w finite; lambda_w >= 0 [1/time].
/// Returns  peak and fade, and how the flow ended.
/// Throws   Error for bad options or arguments.
/// Checked  [eq44]
FadeResult integrate_fade(const FadePoint& start, const MemorizationFunctions& functions, double lambda_w,
                          const FadeOptions& options = {});

/// The same for a decay law with equal logits, c1 = c3/(1 + c3).
///
/// Source   Eq. 44.
/// Checked  [eq44]
FadeResult integrate_fade(const FadePoint& start, const MemorizationDecay& decay, double lambda_w,
                          const FadeOptions& options = {});

}  // namespace iclk::theory
