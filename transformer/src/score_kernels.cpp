// Compiled with -fno-math-errno and -fno-trapping-math: only so are square roots and comparisons done in vectors.

#include "score_kernels.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "float_packs.hpp"
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

// exp(x) = 2^k exp(r), x = k ln 2 + r, |r| <= ln(2)/2, exp(r) = 1 + r + r^2 P(r).
constexpr float kLeast = -87.0F;  // of x: exp(x) is next to the smallest normal number
constexpr float kPerLn2 = 1.44269504F;
constexpr float kRounder = 12582912.0F;  // 1.5 2^23: adding it rounds to an integer, then found in the lowest bits
constexpr float kLn2 = 0.693359375F;     // with few bits
constexpr float kMoreThanLn2 = 2.12194440e-4F;
constexpr float kSeries[] = {0.5F, 0.166665763F, 0.0416664667F, 0.00836317521F, 0.00139336439F};  // P, fitted to 7e-8

/// exp(x) for x <= 0. In single precision to 2e-7 relative, and exp(kLeast) for all below.
[[gnu::always_inline]] inline double exponential(double x) { return std::exp(x); }
[[gnu::always_inline]] inline float exponential(float x) {
  x = x < kLeast ? kLeast : x;
  const float shifted = x * kPerLn2 + kRounder;
  const float k = shifted - kRounder;
  const float r = (x - k * kLn2) + k * kMoreThanLn2;
  const float series = (((kSeries[4] * r + kSeries[3]) * r + kSeries[2]) * r + kSeries[1]) * r + kSeries[0];
  const float mantissa = 1.0F + (r + r * r * series);
  return mantissa * std::bit_cast<float>((std::bit_cast<std::uint32_t>(shifted) + 127U) << 23);
}

/// Sums over the exemplars of c_j = coefficient(j).
template <class Real, class Coefficient>
[[gnu::always_inline]] inline CoefficientSums<Real> sums_of(const AttendedTokens& tokens, Coefficient coefficient) {
  Real exemplars[kLanes] = {}, labels[kLanes] = {};
  std::size_t j = 0;
  for (; j + kLanes <= tokens.n_exemplars; j += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const Real c = coefficient(j + lane);
      exemplars[lane] += c;
      labels[lane] += c * static_cast<Real>(tokens.labels[j + lane]);
    }
  }
  for (; j < tokens.n_exemplars; ++j) {
    const Real c = coefficient(j);
    exemplars[0] += c;
    labels[0] += c * static_cast<Real>(tokens.labels[j]);
  }
  return {total(exemplars), total(labels)};
}

template <class Real>
[[gnu::always_inline]] inline void scales_any(const AttendedTokens& tokens, const Real* __restrict sums,
                                              Real* __restrict squares) {
  for (std::size_t j = 0; j < tokens.n_exemplars; ++j) {
    squares[j] = token_norm(sums[j] + Real(1), squares[j] + Real(1), tokens.width).scale;
  }
}

template <class Real>
[[gnu::always_inline]] inline CoefficientSums<Real> attend_any(const AttendedTokens& tokens,
                                                               const LabelDirection<Real>& direction,
                                                               Real* __restrict dots, const Real* __restrict scales,
                                                               Real* __restrict scaled) {
  const auto [mean, half] = direction;
  const std::size_t n = tokens.n;
  for (std::size_t j = 0; j < tokens.n_exemplars; ++j) {
    dots[j] = scales[j] * (dots[j] + (mean + static_cast<Real>(tokens.labels[j]) * half));
  }
  for (std::size_t j = tokens.n_exemplars; j < n; ++j) dots[j] *= scales[j];
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
    scaled[j] = dots[j] * scales[j];
  }
  return sums_of<Real>(tokens, [scaled](std::size_t i) { return scaled[i]; });
}

template <class Real>
[[gnu::always_inline]] inline void offsets_any(const AttendedTokens& tokens, const LabelDirection<Real>& direction,
                                               Real mean, const Real* __restrict scales, Real* __restrict offsets) {
  const auto [label_mean, label_half] = direction;
  for (std::size_t j = 0; j < tokens.n_exemplars; ++j) {
    offsets[j] = scales[j] * (label_mean + static_cast<Real>(tokens.labels[j]) * label_half) - mean;
  }
  for (std::size_t j = tokens.n_exemplars; j < tokens.n; ++j) offsets[j] = -mean;
}

template <class Real>
[[gnu::always_inline]] inline CoefficientSums<Real> force_sums_any(const AttendedTokens& tokens, const Real* forces,
                                                                   const Real* scales) {
  return sums_of<Real>(tokens, [=](std::size_t i) { return forces[i] * scales[i]; });
}

template <class Real>
void scales_baseline(const AttendedTokens& tokens, const Real* sums, Real* squares) {
  scales_any(tokens, sums, squares);
}
template <class Real>
CoefficientSums<Real> attend_baseline(const AttendedTokens& tokens, const LabelDirection<Real>& direction, Real* dots,
                                      const Real* scales, Real* scaled) {
  return attend_any(tokens, direction, dots, scales, scaled);
}
template <class Real>
void offsets_baseline(const AttendedTokens& tokens, const LabelDirection<Real>& direction, Real mean,
                      const Real* scales, Real* offsets) {
  offsets_any(tokens, direction, mean, scales, offsets);
}
template <class Real>
CoefficientSums<Real> force_sums_baseline(const AttendedTokens& tokens, const Real* forces, const Real* scales) {
  return force_sums_any(tokens, forces, scales);
}

#if defined(__x86_64__)
// --- Floats in registers of kWidth, written out: of the loops above compilers make three times as many instructions.
// What does not fill a register is left to plain code. ---

template <int kWidth>
struct Tokens {
  using Pack = typename Vector<kWidth>::Pack;
  using IntPack = typename Vector<kWidth>::IntPack;

  [[gnu::always_inline]] static inline void load(Pack& to, const float* from) { std::memcpy(&to, from, sizeof to); }
  [[gnu::always_inline]] static inline void store(float* to, const Pack& from) { std::memcpy(to, &from, sizeof from); }

  /// x <- exponential(x)
  [[gnu::always_inline]] static inline void exponentiate(Pack& x) {
    x = x < kLeast ? Pack{} + kLeast : x;
    const Pack shifted = x * kPerLn2 + kRounder;
    const Pack k = shifted - kRounder;
    const Pack r = (x - k * kLn2) + k * kMoreThanLn2;
    const Pack series = (((kSeries[4] * r + kSeries[3]) * r + kSeries[2]) * r + kSeries[1]) * r + kSeries[0];
    const IntPack power = (reinterpret_cast<IntPack>(shifted) + 127) << 23;
    x = (1.0F + (r + r * r * series)) * reinterpret_cast<Pack>(power);
  }

  [[gnu::always_inline]] static inline CoefficientSums<float> attend(const AttendedTokens& tokens,
                                                                     const LabelDirection<float>& direction,
                                                                     float* dots, const float* scales, float* scaled) {
    const std::size_t n = tokens.n, n_exemplars = tokens.n_exemplars;
    const std::size_t whole = n_exemplars / kWidth * kWidth;
    Pack dot, scale, label, largest = Pack{} + std::numeric_limits<float>::lowest();
    for (std::size_t j = 0; j < whole; j += kWidth) {
      load(dot, dots + j);
      load(scale, scales + j);
      load_bytes(label, tokens.labels + j);
      dot = scale * (dot + (direction.mean + label * direction.half));
      largest = dot > largest ? dot : largest;
      store(dots + j, dot);
    }
    float top = largest_of(largest);
    for (std::size_t j = whole; j < n; ++j) {
      const float y = tokens.labels[j];
      dots[j] = scales[j] * (dots[j] + (j < n_exemplars ? direction.mean + y * direction.half : 0.0F));
      top = dots[j] > top ? dots[j] : top;
    }
    Pack total{}, exemplars{}, labels{};
    for (std::size_t j = 0; j < whole; j += kWidth) {
      load(dot, dots + j);
      load(scale, scales + j);
      load_bytes(label, tokens.labels + j);
      dot -= top;
      exponentiate(dot);
      store(dots + j, dot);
      total += dot;
      scale *= dot;
      exemplars += scale;
      labels += scale * label;
    }
    float total_sum = sum_of(total), exemplar_sum = sum_of(exemplars), label_sum = sum_of(labels);
    for (std::size_t j = whole; j < n; ++j) {
      dots[j] = exponential(dots[j] - top);
      total_sum += dots[j];
      if (j == n_exemplars) break;
      exemplar_sum += scales[j] * dots[j];
      label_sum += scales[j] * dots[j] * static_cast<float>(tokens.labels[j]);
    }
    const float inverse = 1.0F / total_sum;
    for (std::size_t j = 0; j < whole; j += kWidth) {
      load(dot, dots + j);
      load(scale, scales + j);
      dot *= inverse;
      scale *= dot;
      store(dots + j, dot);
      store(scaled + j, scale);
    }
    for (std::size_t j = whole; j < n; ++j) {
      dots[j] *= inverse;
      scaled[j] = dots[j] * scales[j];
    }
    return {exemplar_sum * inverse, label_sum * inverse};
  }

  [[gnu::always_inline]] static inline CoefficientSums<float> sums(const AttendedTokens& tokens, const float* forces,
                                                                   const float* scales) {
    const std::size_t whole = tokens.n_exemplars / kWidth * kWidth;
    Pack force, scale, label, exemplars{}, labels{};
    for (std::size_t j = 0; j < whole; j += kWidth) {
      load(force, forces + j);
      load(scale, scales + j);
      load_bytes(label, tokens.labels + j);
      force *= scale;
      exemplars += force;
      labels += force * label;
    }
    float exemplar_sum = sum_of(exemplars), label_sum = sum_of(labels);
    for (std::size_t j = whole; j < tokens.n_exemplars; ++j) {
      exemplar_sum += forces[j] * scales[j];
      label_sum += forces[j] * scales[j] * static_cast<float>(tokens.labels[j]);
    }
    return {exemplar_sum, label_sum};
  }
};

[[gnu::target("avx2,fma")]] void scales_avx2(const AttendedTokens& tokens, const float* sums, float* squares) {
  scales_any(tokens, sums, squares);
}
[[gnu::target("avx2,fma")]] CoefficientSums<float> attend_avx2(const AttendedTokens& tokens,
                                                               const LabelDirection<float>& direction, float* dots,
                                                               const float* scales, float* scaled) {
  return Tokens<8>::attend(tokens, direction, dots, scales, scaled);
}
[[gnu::target("avx2,fma")]] void offsets_avx2(const AttendedTokens& tokens, const LabelDirection<float>& direction,
                                              float mean, const float* scales, float* offsets) {
  offsets_any(tokens, direction, mean, scales, offsets);
}
[[gnu::target("avx2,fma")]] CoefficientSums<float> force_sums_avx2(const AttendedTokens& tokens, const float* forces,
                                                                   const float* scales) {
  return Tokens<8>::sums(tokens, forces, scales);
}
[[gnu::target("avx512f")]] void scales_avx512(const AttendedTokens& tokens, const float* sums, float* squares) {
  scales_any(tokens, sums, squares);
}
[[gnu::target("avx512f")]] CoefficientSums<float> attend_avx512(const AttendedTokens& tokens,
                                                                const LabelDirection<float>& direction, float* dots,
                                                                const float* scales, float* scaled) {
  return Tokens<16>::attend(tokens, direction, dots, scales, scaled);
}
[[gnu::target("avx512f")]] void offsets_avx512(const AttendedTokens& tokens, const LabelDirection<float>& direction,
                                               float mean, const float* scales, float* offsets) {
  offsets_any(tokens, direction, mean, scales, offsets);
}
[[gnu::target("avx512f")]] CoefficientSums<float> force_sums_avx512(const AttendedTokens& tokens, const float* forces,
                                                                    const float* scales) {
  return Tokens<16>::sums(tokens, forces, scales);
}
#endif

}  // namespace

template <>
std::vector<ScoreKernels<float>> score_kernel_variants<float>() {
  std::vector<ScoreKernels<float>> variants{{"baseline", scales_baseline<float>, attend_baseline<float>,
                                             offsets_baseline<float>, force_sums_baseline<float>}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    variants.push_back({"avx2", scales_avx2, attend_avx2, offsets_avx2, force_sums_avx2});
  }
  if (__builtin_cpu_supports("avx512f")) {
    variants.push_back({"avx512f", scales_avx512, attend_avx512, offsets_avx512, force_sums_avx512});
  }
#endif
  return variants;
}

template <>
std::vector<ScoreKernels<double>> score_kernel_variants<double>() {
  return {{"baseline", scales_baseline<double>, attend_baseline<double>, offsets_baseline<double>,
           force_sums_baseline<double>}};
}

}  // namespace iclk::transformer
