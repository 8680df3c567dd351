#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "iclk/core/curve.hpp"

namespace iclk {

/// The averages over the data set through which memorization enters the theory (Eqs. 29, 30 and 15), with the loss
/// and accuracy of the MLP alone. phi is the logit signed by the true label; <.> is the average over items.
struct OrderParameters {
  double c1 = 0.5;        ///< <sigma(-phi)>
  double c2 = 0.5;        ///< <sigma(phi) sigma(-phi)> / c1
  double c3 = 1.0;        ///< <exp(-phi)>; infinite when it exceeds the double range
  double loss = 0.0;      ///< <ln(1 + exp(-phi))> [nats]
  double accuracy = 0.0;  ///< share of phi > 0, ties counted one half
  double log_c1 = 0.0;    ///< ln c1, finite even where c1 underflows
  double log_c3 = 0.0;    ///< ln c3, finite even where c3 overflows
};

/// Order parameters of a list of signed logits.
///
///     c1 = <sigma(-phi)>,   c2 = 1 - <sigma(-phi)^2>/c1 = <sigma(phi) sigma(-phi)>/c1,   c3 = <exp(-phi)>
///
/// Source   Eq. 29, Eq. 30, Eq. 15.
/// Differs  Eq. 30 as printed cancels for large logits; the second form is exact down to c1 = 0 in double, where the
///          ratio is taken in log space (its limit is 1).
/// Takes    signed_logits: [n], n >= 1, finite; weights: [n] non-negative with a positive sum, or empty for equal ones.
/// Throws   Error for an empty list, a non-finite logit or bad weights.
/// Checked  [eq29] [eq30]
OrderParameters order_parameters(std::span<const double> signed_logits, std::span<const double> weights = {});

/// c1(t), c2(t), c3(t) of one memorization run on a common time grid [gradient-flow time].
struct OrderParameterCurves {
  Curve c1;
  Curve c2;
  std::optional<Curve> c3;
  bool c2_is_closure = false;  ///< c2 was not measured: it is the homogeneous closure 1 - c1
};

}  // namespace iclk
