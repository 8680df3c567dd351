#pragma once

#include <cstddef>

#include "head_matrices.hpp"

namespace iclk::transformer {

/// Sizes of tokens laid out as [n_sequences x length x width], the target last in each sequence.
struct TokenLayout {
  std::size_t n_sequences = 0;
  std::size_t length = 0;  // N + 1
  std::size_t width = 0;   // E

  std::size_t n_tokens() const noexcept { return n_sequences * length; }
  std::size_t size() const noexcept { return n_tokens() * width; }
};

/// A causal head on every token: x_i + V sum_(j <= i) p_ij x_j, p the softmax over j of x_j . A x_i. Without attend_self
/// the last token of a sequence leaves itself out.
template <class Real>
class CausalAttention {
 public:
  CausalAttention(TokenLayout layout, bool attend_self, mlp_stats::BackendKind backend);

  /// tokens, outputs: [tokens x E]
  void forward(const Real* tokens, Real* outputs);

  /// From d loss / d outputs to the gradients and d loss / d tokens; after forward() of the same tokens.
  void backward(const Real* tokens, const Real* d_outputs, Real* d_tokens);

  HeadMatrices<Real> head;

 private:
  using Array = mlp_stats::AlignedArray<Real>;

  TokenLayout layout_;
  bool attend_self_;
  mlp_stats::BackendKind backend_;
  Array along_;      // [tokens x E] A x_i
  Array weights_;    // [sequences x length x length] p
  Array read_;       // [tokens x E] sum_j p_ij x_j
  Array d_read_;     // [tokens x E]
  Array d_along_;    // [tokens x E]
  Array d_weights_;  // [length x length] of one sequence
};

/// A head for the query of the last token alone: x_T + V sum_j a_j x_j, a the softmax over j of x_j . A x_T.
template <class Real>
class LastTokenAttention {
 public:
  LastTokenAttention(TokenLayout layout, bool attend_self, mlp_stats::BackendKind backend);

  /// tokens: [tokens x E], outputs: [sequences x E]
  void forward(const Real* tokens, Real* outputs);

  /// As CausalAttention::backward; d_outputs: [sequences x E], d_tokens: [tokens x E].
  void backward(const Real* tokens, const Real* d_outputs, Real* d_tokens);

  HeadMatrices<Real> head;

 private:
  using Array = mlp_stats::AlignedArray<Real>;

  TokenLayout layout_;
  std::size_t n_attended_;
  mlp_stats::BackendKind backend_;
  Array last_;              // [sequences x E] x_T
  Array along_;             // [sequences x E] A x_T
  Array weights_;           // [sequences x length] a
  Array read_;              // [sequences x E] sum_j a_j x_j
  Array d_read_, d_along_;  // [sequences x E]
};

extern template class CausalAttention<float>;
extern template class CausalAttention<double>;
extern template class LastTokenAttention<float>;
extern template class LastTokenAttention<double>;

}  // namespace iclk::transformer
