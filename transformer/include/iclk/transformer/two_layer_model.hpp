#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "iclk/mlp_stats/mlp_engine.hpp"
#include "iclk/transformer/icl_model.hpp"

namespace iclk::transformer {

struct TwoLayerOptions {
  std::size_t n_context = 100;  ///< N, labelled exemplars
  std::size_t dim = 63;         ///< D; a token has dim + 2 features
  std::size_t hidden = 512;     ///< width of both hidden layers of both MLPs
  std::size_t batch = 128;      ///< sequences per SGD step
  bool attend_self = true;      ///< the target attends to itself too; exemplars do in any case
  bool train_readout = true;  ///< else the last MLP keeps its random start, as in the released code: no step, no decay
  mlp_stats::BackendKind backend = mlp_stats::BackendKind::onednn;
  mlp_stats::Precision precision = mlp_stats::Precision::float32;
};
void validate(const TwoLayerOptions& options);  ///< throws Error naming the field, its value and the rule

/// The two-layer transformer of Fig. A.5. Tokens x_j as in the one-layer transformer, LayerNorm once, at the input;
/// then, token by token,
///
///     x <- x + Att1(x),   x <- MLP1(x) (dim + 2 outputs, nothing is added),   x <- x + Att2(x),   z = MLP2(x_T)
///
/// with causal heads: token i attends to tokens j <= i. Only the target is read out, so that Att2 is formed for its
/// query alone; Att1 and MLP1 are needed on all N + 1 tokens of every sequence and are nearly all of the work. K and Q
/// enter as K^T Q: one product per token instead of two.
///
/// Source   Fig. A.5; its sizes and order of layers from the released code.
/// Returns  a model with arrays `norm_gain` `norm_bias` `query1` `key1` `value1` `query2` `key2` `value2`,
///          `token_mlp.w1` ... `token_mlp.b3`, `readout.w1` ... `readout.b3`, initialised as the one-layer
///          transformer's: layer 2 from streams (seed, initial_attention, 4), 5 and 6, the read-out from those of the
///          one-layer transformer's MLP and the token MLP from the three after them.
///          The MLP part of its logits is what it says without attention: both heads add nothing. Diagnostics: those of
///          `attention_diagnostics` for layer 1; for layer 2, whose tokens have no item coordinates any more, the means
///          of the diagonals of K^T Q and V and the root mean squares of what is left: `qk2_diagonal`, `qk2_rest`,
///          `v2_diagonal`, `v2_rest`.
/// Throws   Error as validate does.
std::unique_ptr<IclModel> make_two_layer_model(const TwoLayerOptions& options, std::uint64_t seed);

/// Floating-point operations of the matrix products of one step, a multiplication and an addition each; the causal half
/// of the attention table is counted once.
double two_layer_flops_per_step(const TwoLayerOptions& options) noexcept;

}  // namespace iclk::transformer
