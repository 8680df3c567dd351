#pragma once

// The passes over sketched items for one instruction set. Each of sketch_kernel_*.cpp, and item_sketch.cpp for what
// every machine has, compiles this with the flags of its own set. Nothing of the standard library comes in here, where it
// would be compiled with these flags too.

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "sketch_kernel.hpp"

namespace iclk::transformer {
namespace {

typedef double Lanes __attribute__((vector_size(8 * kSketchLanes)));
typedef float FloatLanes __attribute__((vector_size(4 * kSketchLanes)));

inline Lanes load(const double* from) {
  Lanes to;
  __builtin_memcpy(&to, from, sizeof to);
  return to;
}
inline Lanes load(const float* from) {
  FloatLanes to;
  __builtin_memcpy(&to, from, sizeof to);
  return __builtin_convertvector(to, Lanes);
}
inline void store(double* to, Lanes from) { __builtin_memcpy(to, &from, sizeof from); }
inline void store(float* to, Lanes from) {
  const FloatLanes narrow = __builtin_convertvector(from, FloatLanes);
  __builtin_memcpy(to, &narrow, sizeof narrow);
}
/// Of x or, where rounding took it below zero, of 0.
inline Lanes root(Lanes x) {
  const Lanes zero{};
  x = x < zero ? zero : x;
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(_mm512_sqrt_pd(reinterpret_cast<__m512d>(x)));
#else
  for (std::size_t i = 0; i < kSketchLanes; ++i) x[i] = __builtin_sqrt(x[i]);
  return x;
#endif
}
/// 1/x, and 0 at 0: directions of nothing, which count nothing.
inline Lanes inverse(Lanes x) {
  const Lanes zero{};
  return x > zero ? 1.0 / (x > zero ? x : zero + 1.0) : zero;
}

inline Lanes chi_square(const ChiSquare& law, Lanes z) {
  Lanes value = Lanes{} + law.coefficients[kChiSquareDegree];
  for (std::size_t k = kChiSquareDegree; k-- > 0;) value = value * z + law.coefficients[k];
  return value * value * value;
}

inline Lanes normal(const SketchRows& rows, std::size_t j, std::size_t k) {
  return load(rows.normals + (j * kSketchNormals + k) * kSketchLanes);
}

void project_sketch(const SketchLaw& law, const SketchRows& rows, const SketchDirection& direction,
                    const SketchTarget& target, double* dots, double* sums, double* squares) {
  const Lanes along1 = load(direction.along1), along2 = load(direction.along2);
  const Lanes target_dot = load(direction.target), target_sum = load(target.sum), target_square = load(target.square);
  for (std::size_t j = 0; j < rows.n; ++j) {
    const std::size_t at = j * kSketchLanes;
    const Lanes copy = load(rows.copy + at);
    const Lanes sd = (1.0 - copy) * law.coordinate_sd;
    const Lanes x1 = sd * normal(rows, j, 0), x2 = sd * normal(rows, j, 1);
    store(rows.length + at, sd * root(chi_square(law.outside, normal(rows, j, 2))));
    const Lanes length = load(rows.length + at);
    store(dots + at, along1 * x1 + along2 * x2 + copy * target_dot);
    store(sums + at, law.sum_length * x1 + copy * target_sum);
    store(squares + at, x1 * x1 + x2 * x2 + length * length + copy * target_square);
  }
}

void combine_sketch(const SketchLaw& law, const SketchRows& rows, const double* coefficients, SketchSum& sum) {
  Lanes along1{}, along2{}, target{}, rest{};
  for (std::size_t j = 0; j < rows.n; ++j) {
    const std::size_t at = j * kSketchLanes;
    const Lanes copy = load(rows.copy + at), coefficient = load(coefficients + at);
    const Lanes scaled = coefficient * (1.0 - copy) * law.coordinate_sd;
    along1 += scaled * normal(rows, j, 0);
    along2 += scaled * normal(rows, j, 1);
    target += coefficient * copy;
    // One step of a walk in D - 2 dimensions: its angle to the way so far is that of a random direction.
    const Lanes z = normal(rows, j, 3);
    const Lanes turn = z / root(z * z + chi_square(law.walk, normal(rows, j, 4)));
    const Lanes step = coefficient * load(rows.length + at);
    const Lanes next = root(rest * rest + step * step + 2.0 * rest * step * turn);
    store(rows.cosine + at, (rest * turn + step) * inverse(next));
    rest = next;
  }
  store(sum.along1, along1);
  store(sum.along2, along2);
  store(sum.target, target);
  store(sum.rest, rest);
}

void pull_back_sketch(const SketchLaw& law, const SketchRows& rows, const SketchDirection& direction,
                      const double* rest, const double* weights, const double* scales, const double* offsets,
                      double* forces, SketchSum& sum) {
  const Lanes d1 = load(direction.along1), d2 = load(direction.along2), d3 = load(direction.along3),
              d4 = load(direction.along4), d_target = load(direction.target);
  const Lanes zero{};
  Lanes along1{}, along2{}, target{};
  // The walk, taken back from its end, and the sum that grows meanwhile: coordinates along f1 and f2, then along the
  // part of the walk outside both, g1, and along the part of the sum outside all three, g2.
  Lanes walk1 = load(rest), walk2{}, walk3{};
  Lanes sum1{}, sum2{}, sum3{}, sum4{};
  for (std::size_t j = rows.n; j-- > 0;) {
    const std::size_t at = j * kSketchLanes;
    const Lanes copy = load(rows.copy + at), length = load(rows.length + at);
    const Lanes weight = load(weights + at), scale = load(scales + at);
    const Lanes sd = (1.0 - copy) * law.coordinate_sd;
    const Lanes x1 = sd * normal(rows, j, 0), x2 = sd * normal(rows, j, 1);

    // The exemplar's direction: the known angle to the walk that it ended, else a random direction.
    const Lanes shrink = inverse(root(walk1 * walk1 + walk2 * walk2 + walk3 * walk3));
    const Lanes h1 = walk1 * shrink, h2 = walk2 * shrink, h3 = walk3 * shrink;
    Lanes t1 = normal(rows, j, 5), t2 = normal(rows, j, 6), t3 = normal(rows, j, 7);
    const Lanes t4 = normal(rows, j, 8), t5_square = chi_square(law.turn, normal(rows, j, 9));
    const Lanes along_walk = t1 * h1 + t2 * h2 + t3 * h3;
    t1 -= along_walk * h1;
    t2 -= along_walk * h2;
    t3 -= along_walk * h3;
    const Lanes cosine = load(rows.cosine + at);
    const Lanes sine = root(1.0 - cosine * cosine);
    const Lanes across = sine / root(t1 * t1 + t2 * t2 + t3 * t3 + t4 * t4 + t5_square);
    const Lanes e1 = cosine * h1 + across * t1, e2 = cosine * h2 + across * t2, e3 = cosine * h3 + across * t3;
    const Lanes e4 = across * t4, e5 = across * root(t5_square);

    const Lanes dot = d1 * x1 + d2 * x2 + length * (d3 * e1 + d4 * e2) + copy * d_target;
    const Lanes force = weight * (scale * dot + load(offsets + at));
    store(forces + at, force);
    const Lanes gain = force * scale;
    along1 += gain * x1;
    along2 += gain * x2;
    target += gain * copy;
    const Lanes grow = gain * length, step = weight * scale * length;
    sum1 += grow * e1;
    sum2 += grow * e2;
    walk1 -= step * e1;
    walk2 -= step * e2;

    // Both outside f1 and f2, with e5 as a third axis, and new axes after them: g1 along the walk.
    const Lanes a3 = walk3 - step * e3, a4 = -step * e4, a5 = -step * e5;
    const Lanes b3 = sum3 + grow * e3, b4 = sum4 + grow * e4, b5 = grow * e5;
    walk3 = root(a3 * a3 + a4 * a4 + a5 * a5);
    const Lanes unit = inverse(walk3);
    const Lanes c3 = b4 * a5 - b5 * a4, c4 = b5 * a3 - b3 * a5, c5 = b3 * a4 - b4 * a3;
    sum3 = (b3 * a3 + b4 * a4 + b5 * a5) * unit;
    // |b x a|/|a|; all of b where the walk is at its start.
    sum4 = root(walk3 > zero ? c3 * c3 + c4 * c4 + c5 * c5 : b3 * b3 + b4 * b4 + b5 * b5) *
           (walk3 > zero ? unit : zero + 1.0);
  }
  store(sum.along1, along1);
  store(sum.along2, along2);
  store(sum.target, target);
  store(sum.along3, sum1);
  store(sum.along4, sum2);
  store(sum.rest, root(sum3 * sum3 + sum4 * sum4));
}

double dot_sketch(const double* x, const double* y, std::size_t n) {
  Lanes even{}, odd{};  // an addition waits for the one before it
  for (std::size_t d = 0; d < n; d += 2 * kSketchLanes) {
    even += load(x + d) * load(y + d);
    if (d + kSketchLanes < n) odd += load(x + d + kSketchLanes) * load(y + d + kSketchLanes);
  }
  even += odd;
  return ((even[0] + even[4]) + (even[2] + even[6])) + ((even[1] + even[5]) + (even[3] + even[7]));
}

void remove_sketch(const double* axis, double* x, std::size_t n) {
  const double along = dot_sketch(axis, x, n);
  for (std::size_t d = 0; d < n; d += kSketchLanes) store(x + d, load(x + d) - along * load(axis + d));
}

}  // namespace
}  // namespace iclk::transformer
