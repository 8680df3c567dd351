#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

namespace iclk::theory {

inline constexpr int kLanes = 16;  ///< trajectories that advance together: enough to hide the latency of additions
inline constexpr int kOrderParameterDegree = 5;
inline constexpr int kTaylorOrder = 18;
inline constexpr double kStepFraction = 0.42;  ///< of the distance to the nearest singularity, see taylor_step.cpp

using Lane = std::array<double, kLanes>;

/// kLanes trajectories of p'' + c2 p' + 1/p = 0, p = exp(-beta), w = -p', each with a step of its own.
struct alignas(64) LaneBlock {
  Lane p, w, inverse_p;                            ///< state, and 1/p
  Lane step;                                       ///< h, in intrinsic time s
  std::array<Lane, kOrderParameterDegree + 1> c2;  ///< coefficients of c2 in y, in [0, 1] on its interval
  Lane y0, y_per_step;                             ///< the step goes from y0 to y0 + y_per_step
  bool any_offset = true;                          ///< false: every y0 is 0
  Lane new_p, new_w, new_inverse_p;                ///< after the step
  Lane last_term;                                  ///< of the series of p and w, as a share of the time left
  Lane wanted_step;                                ///< for the step after this one
};

/// One Taylor step of every lane: fills new_*, last_term and wanted_step.
using TaylorStep = void (*)(LaneBlock&);

struct TaylorStepVariant {
  std::string_view instructions;
  TaylorStep step;
};

/// The same arithmetic for every width of vector that this machine has, widest last. All give the same bits.
std::vector<TaylorStepVariant> taylor_step_variants();
TaylorStep best_taylor_step();

/// Step for the state (p, w): kStepFraction of the distance to the nearest singularity of p(s).
double wanted_step(double p, double w);

}  // namespace iclk::theory
