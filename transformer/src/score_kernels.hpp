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

/// A vector d of token features, as far as labels and LayerNorm see it.
template <class Real>
struct Direction {
  Real sum;         // of all features
  Real label_mean;  // (d_+ + d_-)/2 of the two label features
  Real label_half;  // (d_+ - d_-)/2
};

template <class Real>
Direction<Real> direction_of(const Real* features, std::size_t width) {
  Real sum = 0;
  for (std::size_t i = 0; i < width; ++i) sum += features[i];
  const Real plus = features[width - 2], minus = features[width - 1];
  return {sum, (plus + minus) / 2, (plus - minus) / 2};
}

/// Sums over tokens with coefficients c_j, of which LayerNorm's shifts m_j and the label features are made.
template <class Real>
struct CoefficientSums {
  Real shifted;    // sum_j c_j m_j
  Real exemplars;  // sum of c_j over exemplars
  Real labels;     // sum of c_j y_j over exemplars

  Real plus() const { return (exemplars + labels) / 2; }
  Real minus() const { return (exemplars - labels) / 2; }
};

/// What attention does between its passes over the items: no branch depends on a label, which no processor could
/// predict, and everything runs in vectors.
template <class Real>
struct ScoreKernels {
  std::string_view name;

  /// In: x_j . d, sums and squares of x_j. Out: attention a_j, LayerNorm's shifts m_j and scales s_j, and a_j s_j.
  /// Returns the sums for c_j = a_j s_j.
  CoefficientSums<Real> (*attend)(const AttendedTokens& tokens, const Direction<Real>& direction,
                                  Real* dots_to_attention, Real* sums_to_shifts, Real* squares_to_scales, Real* scaled);

  /// offsets[j] = s_j (d_label(j) - m_j sum of d) - mean.
  void (*offsets)(const AttendedTokens& tokens, const Direction<Real>& direction, Real mean, const Real* shifts,
                  const Real* scales, Real* offsets);

  /// The sums for c_j = forces[j] s_j.
  CoefficientSums<Real> (*sums)(const AttendedTokens& tokens, const Real* forces, const Real* shifts,
                                const Real* scales);
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
