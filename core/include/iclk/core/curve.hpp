#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace iclk {

/// A sampled function of time with a shape-preserving interpolant and the exact integral of that interpolant.
///
/// Between samples the curve is the piecewise cubic Hermite interpolant with the monotone slopes of Fritsch and
/// Butland (PCHIP; three-point formula at the ends, a straight line for two samples): it does not overshoot, so a
/// decreasing positive c1(t) stays decreasing and positive, and its integral is a polynomial that we evaluate in
/// closed form. Invariant: at least two samples, times strictly increasing, everything finite, the integral too.
/// Times carry the unit of the caller. Copying copies the samples.
class Curve {
 public:
  /// times, values: [n], n >= 2. Throws Error naming the sample that breaks the invariant.
  Curve(std::vector<double> times, std::vector<double> values);

  std::span<const double> times() const noexcept { return times_; }
  std::span<const double> values() const noexcept { return values_; }
  std::size_t size() const noexcept { return times_.size(); }
  double start_time() const noexcept { return times_.front(); }
  double end_time() const noexcept { return times_.back(); }

  /// Value at t; at a sample exactly its value. Throws Error outside [start_time, end_time]: a curve does not
  /// extrapolate.
  double operator()(double time) const;

  /// Integral of the interpolant from start_time to t; monotone wherever the values are positive. Same domain.
  double integral(double time) const;
  double total_integral() const noexcept { return cumulative_.back(); }

  /// The time at which the integral from start_time first reaches `target`; empty when `target` exceeds
  /// total_integral(). Throws Error unless target >= 0 and all values are positive.
  std::optional<double> time_of_integral(double target) const;

 private:
  std::size_t interval_of(double time) const;

  std::vector<double> times_, values_, slopes_, cumulative_;  // [n] each
};

}  // namespace iclk
