// Compiled with -fno-math-errno and -fno-trapping-math: only so are square roots and comparisons done in vectors.

#include "score_kernels.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "token_norm.hpp"

namespace iclk::transformer {
namespace {

constexpr std::size_t kLanes = 16;  // partial sums side by side, which compilers turn into vector operations

template <class Real>
[[gnu::always_inline]] inline Real total(const Real* lanes) {
  Real sum = 0;
  for (std::size_t lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  return sum;
}

/// exp(x) for x <= 0. In single precision to 2e-7 relative, and exp(-87), next to the smallest normal number, for all
/// below.
[[gnu::always_inline]] inline double exponential(double x) { return std::exp(x); }
[[gnu::always_inline]] inline float exponential(float x) {
  x = x < -87.0F ? -87.0F : x;
  // x = k ln 2 + r, |r| <= ln(2)/2: adding 1.5 2^23 rounds to an integer, which is then found in the lowest bits. ln 2 in
  // two parts, the first one with few bits.
  constexpr float kRounder = 12582912.0F;
  const float shifted = x * 1.44269504F + kRounder;
  const float k = shifted - kRounder;
  const float r = (x - k * 0.693359375F) + k * 2.12194440e-4F;
  // exp(r) = 1 + r + r^2 P(r), P fitted to 7e-8.
  float series = r * 0.00139336439F + 0.00836317521F;
  series = series * r + 0.0416664667F;
  series = series * r + 0.166665763F;
  series = series * r + 0.5F;
  const float mantissa = 1.0F + (r + r * r * series);
  return mantissa * std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) + 127U) << 23);
}

template <class Real>
[[gnu::always_inline]] inline CoefficientSums<Real> sums_of(const AttendedTokens& tokens, const Real* coefficients,
                                                            const Real* shifts) {
  Real shifted[kLanes] = {}, exemplars[kLanes] = {}, labels[kLanes] = {};
  std::size_t j = 0;
  for (; j + kLanes <= tokens.n_exemplars; j += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const Real c = coefficients[j + lane];
      shifted[lane] += c * shifts[j + lane];
      exemplars[lane] += c;
      labels[lane] += c * static_cast<Real>(tokens.labels[j + lane]);
    }
  }
  for (; j < tokens.n_exemplars; ++j) {
    shifted[0] += coefficients[j] * shifts[j];
    exemplars[0] += coefficients[j];
    labels[0] += coefficients[j] * static_cast<Real>(tokens.labels[j]);
  }
  for (; j < tokens.n; ++j) shifted[0] += coefficients[j] * shifts[j];
  return {total(shifted), total(exemplars), total(labels)};
}

template <class Real>
[[gnu::always_inline]] inline CoefficientSums<Real> attend_any(const AttendedTokens& tokens,
                                                               const Direction<Real>& direction, Real* __restrict dots,
                                                               Real* __restrict sums, Real* __restrict squares,
                                                               Real* __restrict scaled) {
  const auto [sum, label_mean, label_half] = direction;
  const std::size_t n = tokens.n;
  for (std::size_t j = 0; j < tokens.n_exemplars; ++j) {
    const auto [shift, scale] = token_norm(sums[j] + Real(1), squares[j] + Real(1), tokens.width);
    const Real through_label = label_mean + static_cast<Real>(tokens.labels[j]) * label_half;
    dots[j] = scale * (dots[j] - shift * sum + through_label);
    sums[j] = shift;
    squares[j] = scale;
  }
  for (std::size_t j = tokens.n_exemplars; j < n; ++j) {
    const auto [shift, scale] = token_norm(sums[j], squares[j], tokens.width);
    dots[j] = scale * (dots[j] - shift * sum);
    sums[j] = shift;
    squares[j] = scale;
  }
  Real largest[kLanes];
  for (Real& value : largest) value = dots[0];
  std::size_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      largest[lane] = dots[j + lane] > largest[lane] ? dots[j + lane] : largest[lane];
    }
  }
  for (; j < n; ++j) largest[0] = dots[j] > largest[0] ? dots[j] : largest[0];
  Real top = largest[0];
  for (const Real value : largest) top = value > top ? value : top;
  for (j = 0; j < n; ++j) dots[j] = exponential(dots[j] - top);
  Real weight[kLanes] = {};
  for (j = 0; j + kLanes <= n; j += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) weight[lane] += dots[j + lane];
  }
  for (; j < n; ++j) weight[0] += dots[j];
  const Real inverse = Real(1) / total(weight);
  for (j = 0; j < n; ++j) {
    dots[j] *= inverse;
    scaled[j] = dots[j] * squares[j];
  }
  return sums_of(tokens, scaled, sums);
}

template <class Real>
[[gnu::always_inline]] inline void offsets_any(const AttendedTokens& tokens, const Direction<Real>& direction,
                                               Real mean, const Real* __restrict shifts, const Real* __restrict scales,
                                               Real* __restrict offsets) {
  const auto [sum, label_mean, label_half] = direction;
  for (std::size_t j = 0; j < tokens.n_exemplars; ++j) {
    const Real through_label = label_mean + static_cast<Real>(tokens.labels[j]) * label_half;
    offsets[j] = scales[j] * (through_label - shifts[j] * sum) - mean;
  }
  for (std::size_t j = tokens.n_exemplars; j < tokens.n; ++j) offsets[j] = -scales[j] * shifts[j] * sum - mean;
}

template <class Real>
[[gnu::always_inline]] inline CoefficientSums<Real> force_sums_any(const AttendedTokens& tokens, const Real* forces,
                                                                   const Real* shifts, const Real* scales) {
  Real shifted[kLanes] = {}, exemplars[kLanes] = {}, labels[kLanes] = {};
  std::size_t j = 0;
  for (; j + kLanes <= tokens.n_exemplars; j += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const Real c = forces[j + lane] * scales[j + lane];
      shifted[lane] += c * shifts[j + lane];
      exemplars[lane] += c;
      labels[lane] += c * static_cast<Real>(tokens.labels[j + lane]);
    }
  }
  for (; j < tokens.n_exemplars; ++j) {
    const Real c = forces[j] * scales[j];
    shifted[0] += c * shifts[j];
    exemplars[0] += c;
    labels[0] += c * static_cast<Real>(tokens.labels[j]);
  }
  for (; j < tokens.n; ++j) shifted[0] += forces[j] * scales[j] * shifts[j];
  return {total(shifted), total(exemplars), total(labels)};
}

template <class Real>
CoefficientSums<Real> attend_baseline(const AttendedTokens& tokens, const Direction<Real>& direction, Real* dots,
                                      Real* sums, Real* squares, Real* scaled) {
  return attend_any(tokens, direction, dots, sums, squares, scaled);
}
template <class Real>
void offsets_baseline(const AttendedTokens& tokens, const Direction<Real>& direction, Real mean, const Real* shifts,
                      const Real* scales, Real* offsets) {
  offsets_any(tokens, direction, mean, shifts, scales, offsets);
}
template <class Real>
CoefficientSums<Real> force_sums_baseline(const AttendedTokens& tokens, const Real* forces, const Real* shifts,
                                          const Real* scales) {
  return force_sums_any(tokens, forces, shifts, scales);
}

#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] CoefficientSums<float> attend_avx2(const AttendedTokens& tokens,
                                                               const Direction<float>& direction, float* dots,
                                                               float* sums, float* squares, float* scaled) {
  return attend_any(tokens, direction, dots, sums, squares, scaled);
}
[[gnu::target("avx2,fma")]] void offsets_avx2(const AttendedTokens& tokens, const Direction<float>& direction,
                                              float mean, const float* shifts, const float* scales, float* offsets) {
  offsets_any(tokens, direction, mean, shifts, scales, offsets);
}
[[gnu::target("avx2,fma")]] CoefficientSums<float> force_sums_avx2(const AttendedTokens& tokens, const float* forces,
                                                                   const float* shifts, const float* scales) {
  return force_sums_any(tokens, forces, shifts, scales);
}
#endif

}  // namespace

template <>
std::vector<ScoreKernels<float>> score_kernel_variants<float>() {
  std::vector<ScoreKernels<float>> variants{
      {"baseline", attend_baseline<float>, offsets_baseline<float>, force_sums_baseline<float>}};
#if defined(__x86_64__)
  // Hundred tokens are few: wider registers than these gain nothing.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    variants.push_back({"avx2", attend_avx2, offsets_avx2, force_sums_avx2});
  }
#endif
  return variants;
}

template <>
std::vector<ScoreKernels<double>> score_kernel_variants<double>() {
  return {{"baseline", attend_baseline<double>, offsets_baseline<double>, force_sums_baseline<double>}};
}

}  // namespace iclk::transformer
