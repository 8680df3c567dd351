#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "iclk/mlp_stats/mlp_engine.hpp"
#include "iclk/transformer/icl_model.hpp"

namespace iclk::transformer {

/// The one-layer transformer.
struct AttentionOptions {
  std::size_t n_context = 100;  ///< N, labelled exemplars
  std::size_t dim = 63;         ///< D; a token has dim + 2 features
  std::size_t hidden = 512;     ///< width of both hidden layers of the MLP
  std::size_t batch = 128;      ///< sequences per SGD step
  bool attend_self = true;      ///< the target attends to itself too, as Eq. 1 says; else to the exemplars only
  mlp_stats::BackendKind backend = mlp_stats::BackendKind::onednn;
  mlp_stats::Precision precision = mlp_stats::Precision::float32;
};
void validate(const AttentionOptions& options);  ///< throws Error naming the field, its value and the rule

/// How far the logit is the sum of what the MLP says of the target and what it says of the attention head's output.
/// With the MLP's input u = t + v, target t after LayerNorm and output v of the head:
///
///     phi(t + v) = phi(t) + [phi(v) - phi(0)] + residual
///
/// so that the attention part is 0 without attention, and the residual is the mixed difference of phi in t and v: 0
/// where the independence ansatz of the minimal model holds, whatever the size of the parts.
struct AnsatzSplit {
  std::vector<double> total;           ///< [n_sequences] phi(t + v), not signed by the label
  std::vector<double> mlp;             ///< [n_sequences] phi(t)
  std::vector<double> attention;       ///< [n_sequences] phi(v) - phi(0)
  std::vector<double> residual;        ///< [n_sequences] total - mlp - attention
  std::vector<double> copy_attention;  ///< [n_sequences] attention on the exemplars that are the target, together
  std::vector<double> self_attention;  ///< [n_sequences] attention of the target on itself; 0 without attend_self
};

/// A trained or untrained one-layer transformer: an IclModel that can also be taken apart.
class AttentionModel : public IclModel {
 public:
  /// Takes    any number of sequences.
  virtual void split(const SequenceBatch& batch, AnsatzSplit& parts) = 0;
};

/// The one-layer transformer. Tokens are items followed by their label, (1, 0) for +1, (0, 1) for -1 and (0, 0) for the
/// target; t_j is a token after LayerNorm (mean 0, variance 1, then gain and bias, both trained); one head without
/// positions, without biases and with scale 1, read by the target alone:
///
///     z = phi(u),   u = t_T + V sum_j a_j t_j,   a_j = exp(t_j . K^T Q t_T) / sum_k exp(t_k . K^T Q t_T)
///
/// Only the target's query counts, so r = K^T Q t_T is formed once per sequence and no N x N table of attention exists.
/// The parts of LayerNorm that do not depend on the item are taken out of the sums: exemplars stay rows of the task's
/// table. With dim >= kSmallestSketchDim it trains on sketches too: the same law of a step, from fewer normals
/// (docs/equations.md, "Sketched items").
///
/// Source   Eq. 1.
/// Differs  attend_self = false leaves the target out of both sums, as Eq. 3 does.
/// Returns  a model with arrays `norm_gain` `norm_bias` `query` `key` `value` `w1` `b1` `w2` `b2` `w3` `b3` (matrices
///          row-major, [out x in]), initialised as PyTorch does: gain 1, bias 0, Q, K and V uniform within
///          1/sqrt(dim + 2) from streams (seed, initial_attention, 1), 2 and 3, the MLP as initial_parameters does. Its
///          diagnostics are those of `attention_diagnostics`.
/// Throws   Error as validate does.
/// Checked  [eq1]
std::unique_ptr<AttentionModel> make_attention_model(const AttentionOptions& options, std::uint64_t seed);

/// The matrices of one head with LayerNorm's gain and bias, row-major.
struct AttentionMatrices {
  std::size_t dim = 63;       ///< D
  std::vector<double> gain;   ///< [dim + 2]
  std::vector<double> bias;   ///< [dim + 2]
  std::vector<double> query;  ///< [dim + 2 x dim + 2]
  std::vector<double> key;    ///< [dim + 2 x dim + 2]
  std::vector<double> value;  ///< [dim + 2 x dim + 2]
};

/// Projections of A = K^T Q and V on the form of Eq. 2. The last two features are the labels; with the unit vectors
/// e = (1, -1)/sqrt 2 (label direction) and f = (1, 1)/sqrt 2 (self direction: every exemplar has it, the target not):
///
///     qk_content  mean of the diagonal of A's content block: beta of Eq. 2, the closest multiple of the identity
///     qk_rest     root mean square of what is left of the content block
///     qk_label, qk_self    e^T A e and f^T A f on the label block
///     v_content, v_rest    the same of V
///     v_label, v_self      e^T V e, the w of Eq. 2, and f^T V f
///     beta        score of a copy through the content, in units of Eq. 3: mean of g_i^2 A_ii times the two scales that
///                 LayerNorm gives an exemplar and a target of norm 1 (5.7 and 8.1 at dim = 63)
///     w           length along e, per unit of attention and signed by the label, of what an exemplar's label entries
///                 leave in the head's output: its scale times e^T V (g_l e) / sqrt 2
///     score_label, score_exemplar  what an exemplar's score gains from a label +1 rather than from -1, and from being
///                 an exemplar rather than the target, through the bias of LayerNorm, items averaged away
///
/// Source   Eq. 2.
/// Differs  Eq. 2 has one label feature, +-1; with one-hot labels it becomes the direction e.
/// Checked  [eq2]
std::vector<NamedValue> attention_diagnostics(const AttentionMatrices& matrices);

}  // namespace iclk::transformer
