#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "iclk/fit/memorization_law.hpp"
#include "shared_shape.hpp"

namespace iclk::fit {

enum class TailEnd { low, value, high };

struct CommonTail {
  double low = 0.0, value = 0.0, high = 0.0;  // 2 integral of c1 beyond (t, c1), in units of 2 c1 t
  bool resolved = true;
  double at(TailEnd end) const { return end == TailEnd::low ? low : end == TailEnd::value ? value : high; }
};

/// I_K(t_m). Before the first sample c1 is taken to be what it is there.
double measured_integral(const TruncatedCurve& curve);

bool has_bracket(const TruncatedCurve& curve);

/// The point of a curve that stops at its last sample.
PowerLawPoint truncated_point(const TruncatedCurve& curve);

/// The point of a curve whose tail comes from that curve alone. Without a central value only the lower bound is known.
PowerLawPoint single_point(const TruncatedCurve& curve);

/// Curves of a fit of the common shape; a curve may be there more than once.
struct ShapeInput {
  std::vector<std::size_t> used;  // indices of the curves that reach below the top level
  std::vector<LevelTimes> times;  // [used]
  std::vector<double> end_c1;     // [used], monotone
  std::vector<double> log_levels;
  double lowest = 0.0;
};

ShapeInput shape_input(std::span<const TruncatedCurve> curves, const MemorizationLawOptions& options);

/// The same for some of the curves: `chosen` are positions in `all.used`, repeated ones allowed, at least one. Levels
/// that none of them reaches are left out.
ShapeInput choose(const ShapeInput& all, std::span<const std::size_t> chosen);

/// The tail beyond the lowest level in units of 2 c1 t there: the median of what the curves that got that far say of
/// themselves, when most of them say it with an upper end. Otherwise the shape, which averages over the curves, may
/// still resolve what a single curve cannot: its power continuation 1/(s - 1), below it the exponential one 1/s.
CommonTail common_tail(std::span<const TruncatedCurve> curves, const ShapeInput& input, double slope);

/// I_K(infinity) of each curve: from the shape, or from the curve itself where it reaches far below the shape's end.
std::vector<double> integrals(std::span<const TruncatedCurve> curves, const ShapeInput& input, const SharedShape& shape,
                              double slope, const CommonTail& tail, TailEnd end);

}  // namespace iclk::fit
