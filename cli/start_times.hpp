#pragma once

#include <optional>
#include <string>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "iclk/fit/start_map.hpp"

namespace iclk::cli {

/// Of which runs the theory is asked when each beta0 acquires.
struct StartTimesQuestion {
  double n_context = 0.0;
  double w0 = 0.0;
  double c2 = 0.5;    ///< constant; of an MLP that never memorizes, where there is no curve
  double unit = 1.0;  ///< gradient-flow time per unit of the times asked for: the learning rate where they count steps
  double first = 0.0, last = 0.0;  ///< times that the map must hold, in that unit
};

struct StartTimes {
  std::optional<fit::StartMap> map;
  std::vector<std::string> warnings;
};

/// The map from beta0 to t_ICL along a measured curve by Eqs. 7-8, or without one the exact closed form for c1 = 1/2,
/// where I_K is the time itself. A curve with a known I_K(infinity) gives the map its critical beta0.
StartTimes start_times(const StartTimesQuestion& question, const MeasuredCurve* curve);

}  // namespace iclk::cli
