#include "iclk/core/curve.hpp"

#include <algorithm>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk {
namespace {

bool same_sign(double a, double b) { return (a > 0.0 && b > 0.0) || (a < 0.0 && b < 0.0); }

/// Slope at a sample between secants d0, d1 of intervals h0, h1: their weighted harmonic mean, 0 at an extremum.
///
/// Source   F. N. Fritsch and J. Butland, SIAM J. Sci. Stat. Comput. 5, 300 (1984).
double inner_slope(double h0, double h1, double d0, double d1) {
  if (!same_sign(d0, d1)) return 0.0;
  const double w0 = 2.0 * h1 + h0;
  const double w1 = h1 + 2.0 * h0;
  return (w0 + w1) / (w0 / d0 + w1 / d1);
}

/// Slope at the first sample from the parabola through the first three, limited so that the interpolant stays
/// monotone: secants d0 (next to the end) and d1 of intervals h0 and h1.
double end_slope(double h0, double h1, double d0, double d1) {
  const double slope = ((2.0 * h0 + h1) * d0 - h0 * d1) / (h0 + h1);
  if (!same_sign(slope, d0)) return 0.0;
  if (!same_sign(d0, d1) && std::abs(slope) > 3.0 * std::abs(d0)) return 3.0 * d0;
  return slope;
}

/// One interval of the interpolant in Bernstein form, s in [0, 1]:
///
///     value(s) = b0 (1-s)^3 + 3 b1 (1-s)^2 s + 3 b2 (1-s) s^2 + b3 s^3
///
/// With monotone slopes b1 and b2 lie between b0 and b3, so for positive samples every term is positive: nothing
/// cancels, s = 0 and s = 1 give the samples exactly, and the integral grows with s in floating point too.
struct Cubic {
  double width;
  double b0, b1, b2, b3;

  /// The piece is monotone, so the clamp only takes away what rounding adds: a constant stays exactly constant.
  double value(double s) const {
    const double r = 1.0 - s;
    const double sum = r * r * (r * b0 + 3.0 * s * b1) + s * s * (3.0 * r * b2 + s * b3);
    return std::clamp(sum, std::min(b0, b3), std::max(b0, b3));
  }

  /// Integral from the left end: quartic with Bernstein coefficients 0, b0, b0+b1, b0+b1+b2, b0+b1+b2+b3 times h/4.
  double integral(double s) const {
    const double r = 1.0 - s;
    const double sum1 = b0 + b1;
    const double sum2 = sum1 + b2;
    return 0.25 * width *
           (s * (4.0 * r * r * r * b0 + s * (6.0 * r * r * sum1 + s * (4.0 * r * sum2 + s * (sum2 + b3)))));
  }
};

Cubic cubic(std::span<const double> times, std::span<const double> values, std::span<const double> slopes,
            std::size_t i) {
  const double width = times[i + 1] - times[i];
  return {width, values[i], values[i] + width * slopes[i] / 3.0, values[i + 1] - width * slopes[i + 1] / 3.0,
          values[i + 1]};
}

std::vector<double> monotone_slopes(std::span<const double> times, std::span<const double> values) {
  const std::size_t n = times.size();
  const auto width = [&](std::size_t i) { return times[i + 1] - times[i]; };
  const auto secant = [&](std::size_t i) { return (values[i + 1] - values[i]) / width(i); };
  std::vector<double> slopes(n);
  if (n == 2) {
    slopes[0] = slopes[1] = secant(0);
    return slopes;
  }
  slopes.front() = end_slope(width(0), width(1), secant(0), secant(1));
  for (std::size_t i = 1; i + 1 < n; ++i) slopes[i] = inner_slope(width(i - 1), width(i), secant(i - 1), secant(i));
  slopes.back() = end_slope(width(n - 2), width(n - 3), secant(n - 2), secant(n - 3));
  return slopes;
}

void check_samples(std::span<const double> times, std::span<const double> values) {
  if (times.size() != values.size()) {
    throw field_error("values", "expected " + std::to_string(times.size()) + " values, one per time, got " +
                                    std::to_string(values.size()));
  }
  if (times.size() < 2) {
    throw field_error("times", "expected at least two samples, got " + std::to_string(times.size()));
  }
  for (std::size_t i = 0; i < times.size(); ++i) {
    const std::string sample = "sample " + std::to_string(i) + ": ";
    if (!std::isfinite(times[i])) {
      throw field_error("times", sample + "expected a finite time, got " + format_number(times[i]));
    }
    if (i > 0 && !(times[i] > times[i - 1])) {
      throw field_error("times", sample + "expected a time later than " + format_number(times[i - 1]) + ", got " +
                                     format_number(times[i]));
    }
    if (!std::isfinite(values[i])) {
      throw field_error("values", sample + "expected a finite value, got " + format_number(values[i]));
    }
  }
}

/// Largest i in [0, n - 2] with sorted[i] <= x (0 when there is none). Without branches on the data: this is the inner
/// step of every integration over a curve.
std::size_t interval_at(std::span<const double> sorted, double x) {
  const double* first = sorted.data();
  for (std::size_t n = sorted.size() - 1; n > 1;) {
    const std::size_t half = n / 2;
    first += first[half] <= x ? half : 0;
    n -= half;
  }
  return static_cast<std::size_t>(first - sorted.data());
}

}  // namespace

Curve::Curve(std::vector<double> times, std::vector<double> values)
    : times_(std::move(times)), values_(std::move(values)) {
  check_samples(times_, values_);
  slopes_ = monotone_slopes(times_, values_);
  cumulative_.resize(times_.size());
  for (std::size_t i = 0; i + 1 < times_.size(); ++i) {
    const Cubic piece = cubic(times_, values_, slopes_, i);
    cumulative_[i + 1] = cumulative_[i] + piece.integral(1.0);
    if (!std::isfinite(cumulative_[i + 1]) || !std::isfinite(piece.b1) || !std::isfinite(piece.b2)) {
      throw field_error("values", "sample " + std::to_string(i + 1) + ": the integral exceeds the range of a double");
    }
  }
}

std::size_t Curve::interval_of(double time) const {
  if (!(time >= start_time() && time <= end_time())) {
    throw field_error("time", "expected a time in [" + format_number(start_time()) + ", " + format_number(end_time()) +
                                  "], the span of the curve, got " + format_number(time));
  }
  return interval_at(times_, time);
}

double Curve::operator()(double time) const {
  const std::size_t i = interval_of(time);
  const Cubic piece = cubic(times_, values_, slopes_, i);
  return piece.value((time - times_[i]) / piece.width);
}

double Curve::integral(double time) const {
  const std::size_t i = interval_of(time);
  const Cubic piece = cubic(times_, values_, slopes_, i);
  return cumulative_[i] + piece.integral((time - times_[i]) / piece.width);
}

std::optional<double> Curve::time_of_integral(double target) const {
  if (!(target >= 0.0)) {
    throw field_error("target", "expected a non-negative integral, got " + format_number(target));
  }
  if (std::any_of(values_.begin(), values_.end(), [](double value) { return !(value > 0.0); })) {
    throw field_error("values", "the inverse of an integral needs a curve with positive values");
  }
  if (target > total_integral()) return std::nullopt;
  const std::size_t i = interval_at(cumulative_, target);
  const Cubic piece = cubic(times_, values_, slopes_, i);
  const double rest = target - cumulative_[i];
  const double whole = piece.integral(1.0);
  if (rest <= 0.0) return times_[i];
  if (rest >= whole || target >= cumulative_[i + 1]) return times_[i + 1];
  // Bracketed and monotone, so TOMS 748 cannot fail; it ends on neighbouring doubles, or stops at the step limit
  // with a bracket that is already tighter than the rounding of the integral.
  std::uintmax_t steps = 100;
  const auto [low, high] =
      boost::math::tools::toms748_solve([&](double s) { return piece.integral(s) - rest; }, 0.0, 1.0, -rest,
                                        whole - rest, boost::math::tools::eps_tolerance<double>(52), steps);
  const double s = 0.5 * (low + high);
  return std::min(times_[i] + s * piece.width, times_[i + 1]);
}

}  // namespace iclk
