#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "head_matrices.hpp"
#include "iclk/mlp_stats/matrix_product.hpp"
#include "iclk/transformer/icl_model.hpp"
#include "item_kernels.hpp"
#include "item_sketch.hpp"
#include "narrow_product.hpp"
#include "score_kernels.hpp"
#include "token_kernels.hpp"
#include "token_norm.hpp"

namespace iclk::transformer {

/// Attention of the target alone, with the LayerNorm before it: from items to the MLP's input u = t_T + V sum_j a_j t_j,
/// and the way back. Writes E = dim + 2, B = batch, T = n_context + 1.
///
/// With h_j = s_j P token_j, where P subtracts the mean of the features, and t_j = g h_j + b the score of token j is
/// h_j . (g r) up to a constant that the softmax does not see, r = A t_T, A = K^T Q; and sum_j a_j t_j = g (sum_j a_j h_j)
/// + b. So items enter by dot products with one vector and by weighted sums only; P acts on that vector and on those sums,
/// and LayerNorm leaves one number s_j per token, known beforehand where the items are.
template <class Real>
class TargetAttention {
 public:
  TargetAttention(std::size_t n_context, std::size_t dim, std::size_t batch, bool attend_self,
                  mlp_stats::BackendKind backend);

  /// Sequences first ... first + B - 1 of `sequences`; beyond its end the last one is repeated. u: [B x E].
  void forward(const SequenceBatch& sequences, std::size_t first, Real* u);

  /// From d loss / d u [B x E] to the gradients; after forward() with the same arguments.
  void backward(const SequenceBatch& sequences, std::size_t first, const Real* d_u);

  /// The same with sketches in place of items: B sequences, first = 0, dim >= kSmallestSketchDim.
  void forward(const SketchBatch& sequences, std::size_t first, Real* u);
  void backward(const SketchBatch& sequences, std::size_t first, const Real* d_u);

  void update(const IclSgd& sgd);

  /// Targets after LayerNorm, of forward(): [B x E].
  void copy_targets(Real* to) const;
  /// Attention of forward(): [B x T], the target's on itself last (0 without attend_self).
  const Real* weights() const noexcept { return weights_.data(); }

  /// t of one item as a target: [E].
  void target_token(const float* item, Real* token) const;

  using Array = mlp_stats::AlignedArray<Real>;
  Array gain, bias;  // [E]
  HeadMatrices<Real> head;

 private:
  template <class Batch>
  void run_forward(const Batch& sequences, std::size_t first, Real* u);
  template <class Batch>
  void run_backward(const Batch& sequences, std::size_t first, const Real* d_u);

  /// Attention of every sequence and the mean of its normalised tokens.
  void attend_all(const SequenceBatch& sequences, std::size_t first);
  void attend_all(const SketchBatch& sequences, std::size_t first);
  /// From directions_, now those of the gradient, to d_directions_.
  void pull_back_all(const SequenceBatch& sequences, std::size_t first);
  void pull_back_all(const SketchBatch& sequences, std::size_t first);

  TokenMatrices<Real> matrices() const;
  CombinedMatrices<Real> combined();
  AttendedTokens tokens(const std::int8_t* labels) const;
  CoefficientSums<Real> scores(std::size_t b, const std::int8_t* labels, Real* scaled);
  void offsets(std::size_t b, const std::int8_t* labels, Real* offsets);
  void add_features(const CoefficientSums<Real>& sums, Real* to) const;

  std::size_t n_context_, dim_, width_, batch_, length_;
  std::size_t n_attended_;  // tokens that the target attends to
  NarrowProduct<Real> product_;
  TokenKernels<Real> token_kernels_;
  ItemKernels<Real> item_kernels_;
  ScoreKernels<Real> score_kernels_;
  std::optional<ItemSketch<Real>> sketch_;  // with enough coordinates

  Array normed_targets_;                     // [B x E] h_T
  Array target_scales_;                      // [B] s_T
  Array to_direction_;                       // [E x E] P G A G transposed, G = diag(g)
  Array to_input_, from_mean_;               // [E x E] V G P, and transposed
  Array direction_of_bias_, input_of_bias_;  // [E] P G A b, b + V b
  Array directions_;                         // [B x E] P g r, then P g V^T du on the way back
  Array weights_, scales_;                   // [B x T] a_j, s_j
  Array mean_;                               // [B x E] y = sum_j a_j h_j
  Array scratch_, forces_;                   // [B x T]
  std::vector<CoefficientSums<Real>> sums_;  // [B] of the sketches

  Array d_directions_;               // [B x E]
  Array d_u_sum_, d_direction_sum_;  // [E] over the batch
  Array d_gain_, d_bias_;            // [E]
};

extern template class TargetAttention<float>;
extern template class TargetAttention<double>;

}  // namespace iclk::transformer
