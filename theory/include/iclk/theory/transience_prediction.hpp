#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"
#include "iclk/core/order_parameters.hpp"
#include "iclk/theory/gradient_flow.hpp"
#include "iclk/theory/memorization_integral.hpp"
#include "iclk/theory/transience.hpp"

namespace iclk::theory {

/// How attention is acquired.
enum class AcquisitionModel {
  leading,   ///< Eqs. 7-8 with the measured c1 and c2
  binomial,  ///< the exact loss in a closed loop, all logits equal (c2 = 1 - c1)
};

struct TransienceOptions {
  /// N, with which the acquisition under lambda_w is integrated first; empty: attention is acquired at time 0, and w
  /// starts where it settles.
  std::optional<double> n_context;
  AcquisitionModel model = AcquisitionModel::binomial;  ///< binomial needs a whole n_context of at most 1e6
  FlowState initial = {};                               ///< (w0, beta0) at the start of training, used with n_context
  /// fade.t_max is the end of training: what has not faded by then is permanent. fade.n_context is taken from above.
  FadeOptions fade = {};
  bool extrapolate = true;  ///< continue c3 beyond the end of the curve
  TailOptions tail = {};    ///< how
};
void validate(const TransienceOptions& options);  ///< throws Error naming the bad field

enum class TransienceOutcome {
  never_acquired,  ///< the MLP memorizes first, or w does not exceed w_fade
  transient,       ///< acquired, and faded before t_max
  permanent,       ///< acquired, and w above w_fade at t_max, or for ever when lambda_w = 0
  undecided,       ///< the curve ends before the answer is known
};
std::string_view name(TransienceOutcome outcome) noexcept;

/// What becomes of in-context learning on one memorization curve at one lambda_w.
struct TransiencePrediction {
  TransienceOutcome outcome = TransienceOutcome::undecided;
  double lambda_w = 0.0;
  std::optional<double> t_acquired;       ///< attention reaches 1/2 [time]; 0 without n_context, empty when never
  std::optional<FadePoint> peak;          ///< largest w after acquisition
  Estimate t_fade;                        ///< w = w_fade [time]; low and high only where c3 was extrapolated
  std::optional<double> mlp_time_fade;    ///< tau there, the time at which the MLP alone would have come as far [time]
  std::optional<double> t_accuracy_fade;  ///< w = novel_ratio ln(1/c3): two-point accuracy falls from 1 to 1/2 [time]
  bool extrapolated = false;              ///< t_fade lies beyond the end of the curve
  FadePoint end;                          ///< where the flow stopped; meaningful when acquired
  std::vector<FadePoint> trajectory;      ///< after acquisition; empty unless fade.record_trajectory
};

/// The fate of in-context learning from the measured c1, c2, c3 of an MLP trained alone.
///
/// Until attention reaches one half: the exact loss with the decay of w in a closed loop (attention_flow), or Eqs. 7-8
/// with it, where c2 becomes c2 + N lambda_w/c1(t), which grows while the MLP memorizes. Then integrate_fade with c1
/// and c3 as functions of the MLP's own time. Beyond the end of the curve c3 follows the central tail of
/// memorization_integral; low and high take it as exponential and as 1/tau. A curve that ends without acquisition
/// means never when even Eqs. 7-8 with the damping of its last sample need more than the largest I_K that may be left.
///
/// Source   Eq. 7, Eq. 8, Eq. 44; docs/equations.md derives the slowing.
/// Differs  the paper follows w_tr (Eq. 45) and has no fade time.
/// Valid    see integrate_fade; neither beta nor the MLP decays.
/// Takes    curves with c3 on the times of c1, or without c3: equal logits, c3 = c1/(1 - c1); lambda_w >= 0 [1/time].
/// Returns  outcome, times and, when asked for, the trajectory.
/// Throws   Error for bad curves, options or lambda_w.
/// Checked  [eq7] [eq8] [eq44]
TransiencePrediction predict_transience(const OrderParameterCurves& curves, double lambda_w,
                                        const TransienceOptions& options = {});

/// The lambda_w at which the outcome changes on one curve.
struct TransienceRange {
  std::optional<double> acquired_below;  ///< acquired below this, empty when at no lambda_w; infinite: at every one
  std::optional<double> never_above;  ///< certainly never acquired above this; empty when at no lambda_w. Between the
                                      ///< two the curve does not decide
  /// Transient above this; below it in-context learning lasts until t_max (or until the curve ends, when it is not
  /// continued). 0 when it fades even at lambda_low, empty when it does at no lambda_w.
  std::optional<double> fades_above;
};

struct RangeOptions {
  double lambda_low = 1e-12;  ///< search between these two [1/time]
  double lambda_high = 1e3;
  double rel_tol = 1e-6;  ///< of the lambda_w found
};
void validate(const RangeOptions& options);  ///< throws Error naming the bad field

/// Bisects predict_transience in ln lambda_w.
///
/// Source   Eq. 7, Eq. 8, Eq. 44.
/// Valid    the outcome changes once in either direction: acquisition is lost, and fading comes sooner, with lambda_w.
/// Throws   Error for bad curves or options.
/// Checked  [eq7] [eq8] [eq44]
TransienceRange transience_range(const OrderParameterCurves& curves, const TransienceOptions& options = {},
                                 const RangeOptions& search = {});

}  // namespace iclk::theory
