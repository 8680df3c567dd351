#pragma once

#include <cstddef>

namespace iclk::transformer {

constexpr std::size_t kSketchLanes = 8;       // sequences side by side
constexpr std::size_t kSketchNormals = 10;    // standard normal numbers per exemplar
constexpr std::size_t kChiSquareDegree = 12;  // 5e-9 relative at 26 degrees of freedom, less with more

/// chi^2 with m degrees of freedom from a standard normal number z: the m-quantile at the probability of z, as the cube
/// of a polynomial in z, fitted between -6.8 and 6.8.
struct ChiSquare {
  double coefficients[kChiSquareDegree + 1];
};

/// What the normals of an exemplar become: see item_sketch.hpp for the letters.
struct SketchLaw {
  double coordinate_sd;  // 1/sqrt(D)
  double sum_length;     // sqrt(D): a vector's sum of coordinates in units of its component along u1
  ChiSquare outside;     // D - 2
  ChiSquare walk;        // D - 3
  ChiSquare turn;        // D - 6
};

/// kSketchLanes sequences, every array [n x kSketchLanes].
struct SketchRows {
  std::size_t n;
  const float* normals;  // [n x kSketchNormals x kSketchLanes]
  const double* copy;    // 1: the item is the target, whose products are known; else 0
  float* length;         // rho: written by project
  double* cosine;  // of the exemplar and the sum up to it: written by combine; next to 1 its sine needs the digits
};

/// Of a vector d, per sequence.
struct SketchDirection {
  double along1[kSketchLanes], along2[kSketchLanes];  // d . u1, d . u2
  double along3[kSketchLanes], along4[kSketchLanes];  // d . f1, d . f2
  double target[kSketchLanes];                        // d . x_t
};

/// A weighted sum of items by its components along u1, u2, x_t, f1, f2 and the length of the rest.
struct SketchSum {
  double along1[kSketchLanes], along2[kSketchLanes], target[kSketchLanes];
  double along3[kSketchLanes], along4[kSketchLanes], rest[kSketchLanes];
};

struct SketchTarget {
  double sum[kSketchLanes], square[kSketchLanes];  // of x_t's coordinates
};

/// Three passes that stand for those of ItemKernels.
struct SketchKernel {
  const char* name;
  void (*project)(const SketchLaw& law, const SketchRows& rows, const SketchDirection& direction,
                  const SketchTarget& target, double* dots, double* sums, double* squares);
  /// The rest is what lies outside u1 and u2.
  void (*combine)(const SketchLaw& law, const SketchRows& rows, const double* coefficients, SketchSum& sum);
  /// After combine with the same coefficients, whose rest it takes: forces[j] = weights[j] (scales[j] x_j . direction +
  /// offsets[j]), sum of forces[j] scales[j] x_j.
  void (*pull_back)(const SketchLaw& law, const SketchRows& rows, const SketchDirection& direction, const double* rest,
                    const double* weights, const double* scales, const double* offsets, double* forces, SketchSum& sum);

  // Vectors of n coordinates, a multiple of kSketchLanes: zeros stand behind the last.
  double (*dot)(const double* x, const double* y, std::size_t n);
  /// x without its component along a unit vector.
  void (*remove)(const double* axis, double* x, std::size_t n);
};

SketchKernel baseline_sketch_kernel();
SketchKernel avx2_sketch_kernel();
SketchKernel avx512_sketch_kernel();

}  // namespace iclk::transformer
