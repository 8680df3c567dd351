#include "target_attention.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <type_traits>

#include "partial_sums.hpp"

namespace iclk::transformer {

using mlp_stats::Op;
using mlp_stats::product;

template <class Real>
TargetAttention<Real>::TargetAttention(std::size_t n_context, std::size_t dim, std::size_t batch, bool attend_self,
                                       mlp_stats::BackendKind backend)
    : gain(dim + 2),
      bias(dim + 2),
      head(dim + 2, backend),
      n_context_(n_context),
      dim_(dim),
      width_(dim + 2),
      batch_(batch),
      length_(n_context + 1),
      n_attended_(attend_self ? n_context + 1 : n_context),
      backend_(backend),
      item_kernels_(best_item_kernels<Real>()),
      score_kernels_(best_score_kernels<Real>()),
      normed_targets_(batch * width_),
      target_scales_(batch),
      to_direction_(width_ * width_),
      to_input_(width_ * width_),
      from_mean_(width_ * width_),
      direction_of_bias_(width_),
      input_of_bias_(width_),
      directions_(batch * width_),
      weights_(batch * length_),
      scales_(batch * length_),
      mean_(batch * width_),
      scratch_(batch * length_),
      forces_(batch * length_),
      sums_(batch),
      d_directions_(batch * width_),
      d_u_sum_(width_),
      d_direction_sum_(width_),
      d_gain_(width_),
      d_bias_(width_) {
  if (dim_ >= kSmallestSketchDim) sketch_.emplace(n_context, dim, batch, attend_self);
}

template <class Real>
void TargetAttention<Real>::copy_targets(Real* to) const {
  for (std::size_t b = 0; b < batch_; ++b) {
    const Real* normed = normed_targets_.data() + b * width_;
    for (std::size_t i = 0; i < width_; ++i) to[b * width_ + i] = gain[i] * normed[i] + bias[i];
  }
}

template <class Real>
void TargetAttention<Real>::target_token(const float* item, Real* token) const {
  const auto [shift, scale] = target_norm<Real>(item, dim_);
  for (std::size_t i = 0; i < width_; ++i) {
    const Real x = i < dim_ ? static_cast<Real>(item[i]) : Real(0);
    token[i] = gain[i] * (scale * (x - shift)) + bias[i];
  }
}

namespace {

/// Sequence `first` + b, the last one again beyond the end.
std::size_t sequence_of(const SequenceBatch& sequences, std::size_t first, std::size_t b) {
  return std::min(first + b, sequences.n_sequences - 1);
}

const float* target_of(const SequenceBatch& sequences, std::size_t first, std::size_t b) {
  const std::size_t length = sequences.n_context + 1;
  return sequences.rows()[sequences.items[sequence_of(sequences, first, b) * length + sequences.n_context]];
}
const float* target_of(const SketchBatch& sequences, std::size_t, std::size_t b) {
  return sequences.targets.data() + b * sequences.dim;
}

/// The scales behind the rows are floats: a model in double computes its own.
template <class Real>
ItemRows rows_of(const SequenceBatch& sequences, std::size_t sequence, std::size_t n) {
  const SequenceBatch::Rows rows = sequences.rows();
  const std::size_t begin = sequence * (sequences.n_context + 1);
  return {.table = rows.first,
          .stride = rows.stride,
          .dim = sequences.dim,
          .items = sequences.items.data() + begin,
          .n = n,
          .n_listed = sequences.items.size() - begin,
          .scaled = std::is_same_v<Real, float> && rows.scaled};
}

}  // namespace

/// LayerNorm's gain and P go into matrices of E x E, where they cost less than in every sequence.
template <class Real>
void TargetAttention<Real>::combine_matrices() {
  head.combine();
  const Real* __restrict g = gain.data();
  for (std::size_t k = 0; k < width_; ++k) {
    Real* __restrict to = to_direction_.data() + k * width_;
    for (std::size_t i = 0; i < width_; ++i) to[i] = head.a[i * width_ + k] * g[i];
    centre(to, width_);
    for (std::size_t i = 0; i < width_; ++i) to[i] *= g[k];
  }
  for (std::size_t i = 0; i < width_; ++i) {
    const Real* __restrict from = head.value.data() + i * width_;
    Real* __restrict to = to_input_.data() + i * width_;
    for (std::size_t k = 0; k < width_; ++k) to[k] = from[k] * g[k];
    centre(to, width_);
    for (std::size_t k = 0; k < width_; ++k) from_mean_[k * width_ + i] = to[k];
    input_of_bias_[i] = bias[i] + dot(from, bias.data(), width_);
    direction_of_bias_[i] = g[i] * dot(head.a.data() + i * width_, bias.data(), width_);
  }
  centre(direction_of_bias_.data(), width_);
}

template <class Real>
template <class Batch>
void TargetAttention<Real>::run_forward(const Batch& sequences, std::size_t first, Real* u) {
  combine_matrices();
  for (std::size_t b = 0; b < batch_; ++b) {
    const float* item = target_of(sequences, first, b);
    const auto [shift, scale] = target_norm<Real>(item, dim_);
    Real* normed = normed_targets_.data() + b * width_;
    target_scales_[b] = scale;
    for (std::size_t d = 0; d < dim_; ++d) normed[d] = scale * (static_cast<Real>(item[d]) - shift);
    normed[dim_] = normed[dim_ + 1] = -scale * shift;
    for (std::size_t i = 0; i < width_; ++i) u[b * width_ + i] = gain[i] * normed[i] + input_of_bias_[i];
    std::copy_n(direction_of_bias_.data(), width_, directions_.data() + b * width_);
  }
  product(backend_, Op::plain, Op::plain, batch_, width_, width_, Real(1), normed_targets_.data(), to_direction_.data(),
          Real(1), directions_.data());
  attend_all(sequences, first);
  product(backend_, Op::plain, Op::plain, batch_, width_, width_, Real(1), mean_.data(), from_mean_.data(), Real(1), u);
}

template <class Real>
void TargetAttention<Real>::attend_all(const SequenceBatch& sequences, std::size_t first) {
  for (std::size_t b = 0; b < batch_; ++b) {
    const std::size_t sequence = sequence_of(sequences, first, b);
    const std::int8_t* labels = sequences.labels.data() + sequence * length_;
    const ItemRows rows = rows_of<Real>(sequences, sequence, n_attended_);
    const Real* direction = directions_.data() + b * width_;
    Real* mean = mean_.data() + b * width_;
    if (rows.scaled) {
      item_kernels_.project_scaled(rows, direction, weights_.data() + b * length_, scales_.data() + b * length_);
    } else {
      item_kernels_.project(rows, direction, weights_.data() + b * length_, scratch_.data(),
                            scales_.data() + b * length_);
      score_kernels_.scales(tokens(labels), scratch_.data(), scales_.data() + b * length_);
    }
    const auto sums = scores(b, labels, scratch_.data());
    item_kernels_.combine(rows, scratch_.data(), mean);
    add_features(sums, mean);
  }
}

template <class Real>
void TargetAttention<Real>::attend_all(const SketchBatch& sequences, [[maybe_unused]] std::size_t first) {
  assert(sketch_ && first == 0 && sequences.n_sequences == batch_);
  sketch_->project(sequences, directions_.data(), weights_.data(), scratch_.data(), scales_.data());
  for (std::size_t b = 0; b < batch_; ++b) {
    const std::int8_t* labels = sequences.labels.data() + b * length_;
    score_kernels_.scales(tokens(labels), scratch_.data() + b * length_, scales_.data() + b * length_);
    sums_[b] = scores(b, labels, scratch_.data() + b * length_);
  }
  sketch_->combine(sequences, scratch_.data(), mean_.data());
  for (std::size_t b = 0; b < batch_; ++b) add_features(sums_[b], mean_.data() + b * width_);
}

template <class Real>
AttendedTokens TargetAttention<Real>::tokens(const std::int8_t* labels) const {
  return {n_attended_, n_context_, width_, labels};
}

/// From dot products in weights_ and the exemplars' scales to attention in weights_ and the target's scale too.
template <class Real>
CoefficientSums<Real> TargetAttention<Real>::scores(std::size_t b, const std::int8_t* labels, Real* scaled) {
  Real* weights = weights_.data() + b * length_;
  Real* scales = scales_.data() + b * length_;
  scales[n_context_] = target_scales_[b];
  const auto sums = score_kernels_.attend(tokens(labels), label_direction(directions_.data() + b * width_, width_),
                                          weights, scales, scaled);
  if (n_attended_ < length_) weights[n_context_] = 0;
  return sums;
}

/// From a weighted sum of items to that of normalised tokens: the labels and P.
template <class Real>
void TargetAttention<Real>::add_features(const CoefficientSums<Real>& sums, Real* to) const {
  to[dim_] = sums.plus();
  to[dim_ + 1] = sums.minus();
  centre(to, width_);
}

template <class Real>
template <class Batch>
void TargetAttention<Real>::run_backward(const Batch& sequences, std::size_t first, const Real* d_u) {
  product(backend_, Op::transposed, Op::plain, width_, width_, batch_, Real(1), d_u, mean_.data(), Real(0),
          head.d_value.data());
  product(backend_, Op::plain, Op::plain, batch_, width_, width_, Real(1), d_u, to_input_.data(), Real(0),
          directions_.data());
  std::fill_n(d_gain_.data(), width_, Real(0));
  std::fill_n(d_u_sum_.data(), width_, Real(0));
  for (std::size_t b = 0; b < batch_; ++b) {
    const Real* from = d_u + b * width_;
    const Real* normed = normed_targets_.data() + b * width_;
    for (std::size_t i = 0; i < width_; ++i) {
      d_gain_[i] += from[i] * normed[i];
      d_u_sum_[i] += from[i];
    }
  }
  pull_back_all(sequences, first);
  std::fill_n(d_direction_sum_.data(), width_, Real(0));
  for (std::size_t b = 0; b < batch_; ++b) {
    for (std::size_t i = 0; i < width_; ++i) d_direction_sum_[i] += d_directions_[b * width_ + i];
  }
  product(backend_, Op::transposed, Op::plain, width_, width_, batch_, Real(1), d_directions_.data(),
          normed_targets_.data(), Real(0), head.d_a.data());
  std::copy_n(d_u_sum_.data(), width_, d_bias_.data());
  separate_matrices();
}

namespace {

/// One row of a matrix M that acts on g x + c: from d_row, the gradient in the row where it acts on x, and `sum`, that in
/// its product with 1, to the gradients in g, c and the row. `factor` stands before all.
template <class Real>
void separate_row(std::size_t n, Real factor, Real sum, const Real* __restrict row, const Real* __restrict g,
                  const Real* __restrict c, Real* __restrict d_row, Real* __restrict d_g, Real* __restrict d_c) {
  for (std::size_t k = 0; k < n; ++k) {
    const Real entry = factor * row[k];
    const Real gradient = d_row[k];
    d_g[k] += entry * gradient;
    d_c[k] += entry * sum;
    d_row[k] = gradient * g[k] + sum * c[k];
  }
}

}  // namespace

/// The way back through combine_matrices: head.d_value holds sum_b du y^T and head.d_a sum_b dr h_T^T, y and h_T without
/// gain and bias, and r = P g A t_T is the direction.
template <class Real>
void TargetAttention<Real>::separate_matrices() {
  for (std::size_t i = 0; i < width_; ++i) {
    separate_row(width_, Real(1), d_u_sum_[i], head.value.data() + i * width_, gain.data(), bias.data(),
                 head.d_value.data() + i * width_, d_gain_.data(), d_bias_.data());
  }
  for (std::size_t i = 0; i < width_; ++i) {
    const Real* a = head.a.data() + i * width_;
    Real* d_a = head.d_a.data() + i * width_;
    separate_row(width_, gain[i], d_direction_sum_[i], a, gain.data(), bias.data(), d_a, d_gain_.data(),
                 d_bias_.data());
    d_gain_[i] += dot(a, d_a, width_);
    for (std::size_t k = 0; k < width_; ++k) d_a[k] *= gain[i];
  }
}

template <class Real>
void TargetAttention<Real>::pull_back_all(const SequenceBatch& sequences, std::size_t first) {
  for (std::size_t b = 0; b < batch_; ++b) {
    const std::size_t sequence = sequence_of(sequences, first, b);
    const std::int8_t* labels = sequences.labels.data() + sequence * length_;
    const Real* scales = scales_.data() + b * length_;
    Real* d_direction = d_directions_.data() + b * width_;
    offsets(b, labels, scratch_.data());
    Real* forces = forces_.data();  // d loss / d score
    item_kernels_.pull_back(rows_of<Real>(sequences, sequence, n_attended_), directions_.data() + b * width_,
                            weights_.data() + b * length_, scales, scratch_.data(), forces, d_direction);
    add_features(score_kernels_.sums(tokens(labels), forces, scales), d_direction);
  }
}

template <class Real>
void TargetAttention<Real>::pull_back_all(const SketchBatch& sequences, std::size_t) {
  for (std::size_t b = 0; b < batch_; ++b) {
    offsets(b, sequences.labels.data() + b * length_, scratch_.data() + b * length_);
  }
  sketch_->pull_back(sequences, directions_.data(), weights_.data(), scales_.data(), scratch_.data(), forces_.data(),
                     d_directions_.data());
  for (std::size_t b = 0; b < batch_; ++b) {
    add_features(score_kernels_.sums(tokens(sequences.labels.data() + b * length_), forces_.data() + b * length_,
                                     scales_.data() + b * length_),
                 d_directions_.data() + b * width_);
  }
}

/// d loss / d a_j = direction . h_j, and the softmax subtracts its mean over the attention.
template <class Real>
void TargetAttention<Real>::offsets(std::size_t b, const std::int8_t* labels, Real* offsets) {
  const Real* direction = directions_.data() + b * width_;
  const Real mean_force = dot(direction, mean_.data() + b * width_, width_);
  score_kernels_.offsets(tokens(labels), label_direction(direction, width_), mean_force, scales_.data() + b * length_,
                         offsets);
}

template <class Real>
void TargetAttention<Real>::forward(const SequenceBatch& sequences, std::size_t first, Real* u) {
  run_forward(sequences, first, u);
}
template <class Real>
void TargetAttention<Real>::backward(const SequenceBatch& sequences, std::size_t first, const Real* d_u) {
  run_backward(sequences, first, d_u);
}
template <class Real>
void TargetAttention<Real>::forward(const SketchBatch& sequences, std::size_t first, Real* u) {
  run_forward(sequences, first, u);
}
template <class Real>
void TargetAttention<Real>::backward(const SketchBatch& sequences, std::size_t first, const Real* d_u) {
  run_backward(sequences, first, d_u);
}

template <class Real>
void TargetAttention<Real>::update(const IclSgd& sgd) {
  const double norm_decay = sgd.decay_layernorm ? sgd.attention_weight_decay : 0.0;
  sgd_update(gain, d_gain_, sgd.lr, norm_decay);
  sgd_update(bias, d_bias_, sgd.lr, norm_decay);
  head.update(sgd.lr, sgd.attention_weight_decay);
}

template class TargetAttention<float>;
template class TargetAttention<double>;

}  // namespace iclk::transformer
