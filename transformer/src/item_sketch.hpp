#pragma once

#include <cstddef>
#include <initializer_list>
#include <vector>

#include "iclk/mlp_stats/matrix_product.hpp"
#include "iclk/transformer/icl_task.hpp"
#include "sketch_kernel.hpp"

namespace iclk::transformer {

/// Attention's three passes over fresh items that are never drawn: of N exemplars in D dimensions it only ever sees dot
/// products with a few vectors, lengths and two weighted sums, and those are drawn instead, in the order in which
/// they are asked for. Their joint law given all that came before is exact (docs/equations.md, "Sketched items"):
///
///  1. Scores. With u1 = (1, ..., 1)/sqrt D and u2 the part of the direction across u1, an exemplar's components along
///     both are N(0, 1/D), and what is left has length rho, D rho^2 chi^2 with D - 2 degrees of freedom, and a
///     direction e uniform in D - 2 dimensions.
///  2. The sum of a_j s_j x_j. Outside u1, u2 it is a walk with steps of known lengths in random directions: its length
///     is carried along with one cosine per step, and its direction f1 is uniform.
///  3. The way back, with the direction of the gradient; f2 is its part across u1, u2, f1. The walk is taken back step by
///     step: e_j makes the known angle with the walk up to j and is uniform otherwise. What enters are its components
///     along f1, f2, the walk and the sum of forces, and the length of the rest.
///
/// Writes B = batch, T = n_context + 1, E = dim + 2; vectors are content, the first D of E features.
template <class Real>
class ItemSketch {
 public:
  ItemSketch(std::size_t n_context, std::size_t dim, std::size_t batch, bool attend_self);

  /// dots, sums, squares [B x T] of every token that is attended to; directions: [B x E].
  void project(const SketchBatch& batch, const Real* directions, Real* dots, Real* sums, Real* squares);

  /// out = sum_j coefficients[j] x_j: [B x E], after project.
  void combine(const SketchBatch& batch, const Real* coefficients, Real* out);

  /// forces[j] = weights[j] (scales[j] x_j . direction + offsets[j]) and out = sum_j forces[j] scales[j] x_j, after
  /// combine with coefficients[j] = weights[j] scales[j].
  void pull_back(const SketchBatch& batch, const Real* directions, const Real* weights, const Real* scales,
                 const Real* offsets, Real* forces, Real* out);

 private:
  static constexpr std::size_t kLanes = kSketchLanes;

  SketchRows rows_of(const SketchBatch& batch, std::size_t group);
  std::size_t lanes_of(std::size_t group) const;
  void gather(const Real* from, std::size_t group, double* to) const;
  void scatter(const double* from, std::size_t group, Real* to) const;
  double* vector(std::vector<double>& of, std::size_t b) const { return of.data() + b * padded_; }
  double unit_across(std::initializer_list<const double*> axes, double* x) const;

  std::size_t n_context_, dim_, padded_, batch_, length_, n_attended_, n_groups_;
  SketchLaw law_;
  SketchKernel kernel_;
  std::vector<double> copy_;     // [T x kLanes] of the group at hand
  std::vector<float> lengths_;   // [groups][T x kLanes]
  std::vector<double> cosines_;  // [groups][T x kLanes]
  // Vectors of D coordinates, with zeros behind them up to padded_.
  std::vector<double> ones_;                                 // [D] u1
  std::vector<double> targets_;                              // [B x D]
  std::vector<double> across_, walk_;                        // [B x D] u2, f1
  std::vector<double> turn_;                                 // [kLanes x D] f2 of the group at hand
  std::vector<double> rest_axis_;                            // [D] direction of the rest
  std::vector<double> rest_;                                 // [groups x kLanes] length of the walk
  std::vector<double> in1_, in2_, in3_, out_, out2_, out3_;  // [T x kLanes] of the group at hand
};

extern template class ItemSketch<float>;
extern template class ItemSketch<double>;

/// The fit of the law's chi^2.
ChiSquare fitted_chi_square(std::size_t degrees_of_freedom);
/// One draw from it: what the kernels compute.
double chi_square(const ChiSquare& law, double z) noexcept;

/// What this machine can run, the fastest last. They differ in rounding only.
std::vector<SketchKernel> sketch_kernels();

}  // namespace iclk::transformer
