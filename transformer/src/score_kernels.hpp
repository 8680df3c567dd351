#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace iclk::transformer {

/// The tokens of one sequence that the target attends to: exemplars with labels y_j = +-1, and the target itself, which
/// has none, where `n` is one more than `n_exemplars`.
struct AttendedTokens {
  std::size_t n = 0;
  std::size_t n_exemplars = 0;
  std::size_t width = 0;  // features of a token
  const std::int8_t* labels = nullptr;
};

/// A vector d of token features at the two label features, d_+ and d_-.
template <class Real>
struct LabelDirection {
  Real mean;  // (d_+ + d_-)/2
  Real half;  // (d_+ - d_-)/2
};

template <class Real>
LabelDirection<Real> label_direction(const Real* features, std::size_t width) {
  const Real plus = features[width - 2], minus = features[width - 1];
  return {(plus + minus) / 2, (plus - minus) / 2};
}

/// Sums over exemplars with coefficients c_j, of which the label features of sum_j c_j token_j are made.
template <class Real>
struct CoefficientSums {
  Real exemplars;  // sum of c_j
  Real labels;     // sum of c_j y_j

  Real plus() const { return (exemplars + labels) / 2; }
  Real minus() const { return (exemplars - labels) / 2; }
};

/// What attention does between its passes over the items: no branch depends on a label, which no processor could
/// predict, and everything runs in vectors.
template <class Real>
struct ScoreKernels {
  std::string_view name;

  /// From the sums over the coordinates of exemplars and of their squares to LayerNorm's scales, which replace the latter.
  void (*scales)(const AttendedTokens& tokens, const Real* sums, Real* squares_to_scales);

  /// In: x_j . d of centred d. Out: attention a_j, softmax of s_j token_j . d with scales s_j, and c_j = a_j s_j. Returns
  /// their sums.
  CoefficientSums<Real> (*attend)(const AttendedTokens& tokens, const LabelDirection<Real>& direction,
                                  Real* dots_to_attention, const Real* scales, Real* scaled);

  /// offsets[j] = s_j d_label(j) - mean, -mean for the target.
  void (*offsets)(const AttendedTokens& tokens, const LabelDirection<Real>& direction, Real mean, const Real* scales,
                  Real* offsets);

  /// The sums for c_j = forces[j] s_j.
  CoefficientSums<Real> (*sums)(const AttendedTokens& tokens, const Real* forces, const Real* scales);
};

/// The kernels that this machine can run, the fastest one last. They differ in rounding only.
template <class Real>
std::vector<ScoreKernels<Real>> score_kernel_variants();
template <>
std::vector<ScoreKernels<float>> score_kernel_variants<float>();
template <>
std::vector<ScoreKernels<double>> score_kernel_variants<double>();

template <class Real>
ScoreKernels<Real> best_score_kernels() {
  return score_kernel_variants<Real>().back();
}

}  // namespace iclk::transformer
