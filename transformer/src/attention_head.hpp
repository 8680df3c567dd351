#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace iclk::transformer {

/// The attention head of the minimal model on one sequence.
struct HeadOutput {
  double label = 0.0;  ///< A = sum_j a_j y_j
  double slope = 0.0;  ///< dA/dbeta = sum_j a_j (y_j - A) s_j
};

/// Sums over a context keep kLanes partial sums, which compilers turn into vector additions; a plain sum has a fixed
/// order that they must not change.
inline constexpr std::size_t kLanes = 8;

template <class Real>
Real sum_of_lanes(const Real* lanes) noexcept {
  Real sum = 0;
  for (std::size_t lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  return sum;
}

/// Softmax of beta s_j over n exemplars with dot products s_j and labels y_j, and over the target itself where `self` is
/// given: its dot product with itself, label 0. weights: [n], workspace.
///
/// Dot products are taken relative to the one that gets most attention: the slope loses nothing when all attention is on
/// one item.
template <class Real>
HeadOutput attend(double beta, const Real* dots, const std::int8_t* labels, std::size_t n, const Real* self,
                  Real* weights) noexcept {
  const auto scale = static_cast<Real>(beta);
  Real top = self != nullptr ? *self : dots[0];
  if (scale > 0) {
    for (std::size_t j = 0; j < n; ++j) top = std::max(top, dots[j]);
  } else {
    for (std::size_t j = 0; j < n; ++j) top = std::min(top, dots[j]);
  }
  for (std::size_t j = 0; j < n; ++j) weights[j] = std::exp(scale * (dots[j] - top));

  Real total[kLanes] = {}, label[kLanes] = {}, dot[kLanes] = {}, both[kLanes] = {};
  const auto add = [&](std::size_t lane, std::size_t j) {
    const Real weight = weights[j];
    const Real signed_weight = weight * static_cast<Real>(labels[j]);
    const Real s = dots[j] - top;
    total[lane] += weight;
    label[lane] += signed_weight;
    dot[lane] += weight * s;
    both[lane] += signed_weight * s;
  };
  std::size_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) add(lane, j + lane);
  }
  for (; j < n; ++j) add(0, j);
  if (self != nullptr) {
    const Real s = *self - top;
    const Real weight = std::exp(scale * s);
    total[0] += weight;
    dot[0] += weight * s;
  }
  const double norm = static_cast<double>(sum_of_lanes(total));
  const double mean_label = static_cast<double>(sum_of_lanes(label)) / norm;
  const double mean_dot = static_cast<double>(sum_of_lanes(dot)) / norm;
  return {.label = mean_label, .slope = static_cast<double>(sum_of_lanes(both)) / norm - mean_label * mean_dot};
}

/// x . y in the precision of Real.
template <class Real>
Real dot_product(const float* x, const float* y, std::size_t n) noexcept {
  Real lanes[kLanes] = {};
  std::size_t d = 0;
  for (; d + kLanes <= n; d += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] += static_cast<Real>(x[d + lane]) * static_cast<Real>(y[d + lane]);
    }
  }
  for (; d < n; ++d) lanes[0] += static_cast<Real>(x[d]) * static_cast<Real>(y[d]);
  return sum_of_lanes(lanes);
}

}  // namespace iclk::transformer
