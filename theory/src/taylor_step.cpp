// Compiled without contraction of a*b + c into one rounding, so that the bits do not depend on the machine.

#include "taylor_step.hpp"

#include <cmath>
#include <cstring>

namespace iclk::theory {
namespace {

// With constant order parameters p(s) is analytic up to the blow-up, p R(w) ahead, and back to the blow-up of the
// reversed motion, p R(-w) behind (R: Mills ratio). The nearer one is p R(|w|). 1/R(x) lies below x + c/(1 + b x), by
// less than 2 %: equal value and slope at 0, and x for x -> infinity.
constexpr double kHazard0 = 0.79788456080286535588;  // 1/R(0) = sqrt(2/pi)
constexpr double kHazard2 = 0.45544068;              // b = (1 - 2/pi)/c
// Where damping rules (p large), the transient exp(-c2 s) limits the step instead: to 1/kDampingRate of 1/c2 <= 1.
constexpr double kDampingRate = 0.4;

/// kWidth doubles in one register.
template <int kWidth>
struct Vector {
  typedef double Pack __attribute__((vector_size(8 * kWidth)));
};

template <class Pack>
[[gnu::always_inline]] inline void load(Pack& pack, const Lane& lane, int first) {
  std::memcpy(&pack, lane.data() + first, sizeof(Pack));
}

template <class Pack>
[[gnu::always_inline]] inline void store(Lane& lane, int first, const Pack& pack) {
  std::memcpy(lane.data() + first, &pack, sizeof(Pack));
}

/// Taylor series of p and w about the start of the step, in units of the step: with r = 1/p,
///
///     p_(n+1) = -h w_n/(n+1),   w_(n+1) = h (r_n - sum_j c_j w_(n-j))/(n+1),   r_n = -r_0 sum_(k>0) p_k r_(n-k)
///
/// One division per step (1/p of the state after it), one for the next step's length, no exponential.
template <int kWidth>
[[gnu::always_inline]] inline void advance(LaneBlock& block) {
  using Pack = typename Vector<kWidth>::Pack;
  constexpr int kPacks = 2;  // advanced together: twice the independent additions
  constexpr int kDegree = kOrderParameterDegree;
  static_assert(kLanes % (kPacks * kWidth) == 0);
  for (int first = 0; first < kLanes; first += kPacks * kWidth) {
    Pack p[kTaylorOrder + 1][kPacks], w[kTaylorOrder + 1][kPacks], r[kTaylorOrder][kPacks];
    Pack c[kDegree + 1][kPacks], h[kPacks];
    for (int i = 0; i < kPacks; ++i) {
      const int lane = first + i * kWidth;
      load(p[0][i], block.p, lane);
      load(w[0][i], block.w, lane);
      load(r[0][i], block.inverse_p, lane);
      load(h[i], block.step, lane);
      for (int j = 0; j <= kDegree; ++j) load(c[j][i], block.c2[static_cast<std::size_t>(j)], lane);
    }
    // c2 about the start of the step (synthetic division), then in units of the step.
    for (int i = 0; i < kPacks; ++i) {
      const int lane = first + i * kWidth;
      if (block.any_offset) {
        Pack y0;
        load(y0, block.y0, lane);
        for (int j = 0; j < kDegree; ++j) {
          for (int k = kDegree - 1; k >= j; --k) c[k][i] += y0 * c[k + 1][i];
        }
      }
      Pack scale, power;
      load(scale, block.y_per_step, lane);
      power = scale;
      for (int j = 1; j <= kDegree; ++j) {
        c[j][i] *= power;
        power *= scale;
      }
    }
#pragma GCC unroll 24
    for (int n = 0; n < kTaylorOrder; ++n) {
      const double inverse = 1.0 / (n + 1);
      for (int i = 0; i < kPacks; ++i) {
        const Pack hn = h[i] * inverse;
        p[n + 1][i] = -hn * w[n][i];
        Pack force = r[n][i];
        for (int j = 0; j <= (n < kDegree ? n : kDegree); ++j) force -= c[j][i] * w[n - j][i];
        w[n + 1][i] = hn * force;
        if (n + 1 < kTaylorOrder) {
          Pack even = p[1][i] * r[n][i];
          Pack odd = even - even;
#pragma GCC unroll 24
          for (int k = 2; k <= n + 1; k += 2) {
            odd += p[k][i] * r[n + 1 - k][i];
            if (k < n + 1) even += p[k + 1][i] * r[n - k][i];
          }
          r[n + 1][i] = -r[0][i] * (even + odd);
        }
      }
    }
    for (int i = 0; i < kPacks; ++i) {
      const int lane = first + i * kWidth;
      Pack new_p = p[kTaylorOrder][i];
      Pack new_w = w[kTaylorOrder][i];
      for (int n = kTaylorOrder - 1; n >= 0; --n) {
        new_p += p[n][i];
        new_w += w[n][i];
      }
      // Relative to the time left, p R(w): its logarithm changes by dp/p and by less than (0.8 + max(-w, 0)) dw.
      const Pack zero = new_p - new_p;
      const Pack last_p = p[kTaylorOrder][i] < 0.0 ? -p[kTaylorOrder][i] : p[kTaylorOrder][i];
      const Pack last_w = w[kTaylorOrder][i] < 0.0 ? -w[kTaylorOrder][i] : w[kTaylorOrder][i];
      const Pack last = last_p * r[0][i] + last_w * (kHazard0 + (w[0][i] < 0.0 ? -w[0][i] : zero));
      const Pack inverse_p = 1.0 / new_p;
      const Pack x = new_w < 0.0 ? -new_w : new_w;
      const Pack denominator = 1.0 + kHazard2 * x;
      const Pack wanted =
          kStepFraction * denominator / ((kHazard0 + x * denominator) * inverse_p + kDampingRate * denominator);
      store(block.new_p, lane, new_p);
      store(block.new_w, lane, new_w);
      store(block.new_inverse_p, lane, inverse_p);
      store(block.last_term, lane, last);
      store(block.wanted_step, lane, wanted);
    }
  }
}

void advance_baseline(LaneBlock& block) { advance<2>(block); }

#if defined(__x86_64__)
[[gnu::target("avx2")]] void advance_avx2(LaneBlock& block) { advance<4>(block); }
[[gnu::target("avx512f")]] void advance_avx512(LaneBlock& block) { advance<8>(block); }
#endif

}  // namespace

std::vector<TaylorStepVariant> taylor_step_variants() {
  std::vector<TaylorStepVariant> variants{{"baseline", advance_baseline}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) variants.push_back({"avx2", advance_avx2});
  if (__builtin_cpu_supports("avx512f")) variants.push_back({"avx512f", advance_avx512});
#endif
  return variants;
}

TaylorStep best_taylor_step() { return taylor_step_variants().back().step; }

double wanted_step(double p, double w) {
  const double x = std::abs(w);
  const double denominator = 1.0 + kHazard2 * x;
  return kStepFraction * denominator / ((kHazard0 + x * denominator) / p + kDampingRate * denominator);
}

}  // namespace iclk::theory
