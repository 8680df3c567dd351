#include "target_attention.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <type_traits>

namespace iclk::transformer {

using mlp_stats::Op;

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
      product_(backend),
      token_kernels_(token_kernel_variants<Real>().back()),
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

/// The table of items if it is small enough to stand in a second-level cache, from which the MLP has pushed it.
MemoryAhead items_ahead(const SequenceBatch& sequences) {
  constexpr std::size_t kMostFloats = std::size_t{640} * 1024 / sizeof(float);
  const auto table = sequences.padded;
  return table.size() > kMostFloats ? MemoryAhead{} : MemoryAhead{table.data(), table.data() + table.size()};
}
MemoryAhead items_ahead(const SketchBatch&) { return {}; }

}  // namespace

template <class Real>
TokenMatrices<Real> TargetAttention<Real>::matrices() const {
  return {width_, gain.data(), bias.data(), head.a.data(), head.value.data()};
}

/// LayerNorm's gain and P go into matrices of E x E, where they cost less than in every sequence.
template <class Real>
CombinedMatrices<Real> TargetAttention<Real>::combined() {
  return {to_direction_.data(), to_input_.data(), from_mean_.data(), direction_of_bias_.data(), input_of_bias_.data()};
}

template <class Real>
template <class Batch>
void TargetAttention<Real>::run_forward(const Batch& sequences, std::size_t first, Real* u) {
  head.combine();
  token_kernels_.combine(matrices(), combined());
  for (std::size_t b = 0; b < batch_; ++b) {
    const float* item = target_of(sequences, first, b);
    const auto [shift, scale] = target_norm<Real>(item, dim_);
    target_scales_[b] = scale;
    token_kernels_.start_target(matrices(), combined(), item, dim_, shift, scale, normed_targets_.data() + b * width_,
                                directions_.data() + b * width_, u + b * width_);
  }
  product_(Op::plain, batch_, width_, width_, normed_targets_.data(), to_direction_.data(), true, directions_.data());
  attend_all(sequences, first);
  product_(Op::plain, batch_, width_, width_, mean_.data(), from_mean_.data(), true, u);
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
  token_kernels_.add_features(dim_, sums.plus(), sums.minus(), to);
}

template <class Real>
template <class Batch>
void TargetAttention<Real>::run_backward(const Batch& sequences, std::size_t first, const Real* d_u) {
  MemoryAhead ahead = items_ahead(sequences);
  product_(Op::transposed, width_, width_, batch_, d_u, mean_.data(), false, head.d_value.data(), ahead);
  product_(Op::plain, batch_, width_, width_, d_u, to_input_.data(), false, directions_.data(), ahead);
  token_kernels_.sum_rows(batch_, width_, d_u, d_u_sum_.data());
  token_kernels_.sum_products(batch_, width_, d_u, normed_targets_.data(), d_gain_.data());
  pull_back_all(sequences, first);
  token_kernels_.sum_rows(batch_, width_, d_directions_.data(), d_direction_sum_.data());
  product_(Op::transposed, width_, width_, batch_, d_directions_.data(), normed_targets_.data(), false,
           head.d_a.data());
  std::copy_n(d_u_sum_.data(), width_, d_bias_.data());
  token_kernels_.separate(matrices(), {d_u_sum_.data(), d_direction_sum_.data(), head.d_value.data(), head.d_a.data(),
                                       d_gain_.data(), d_bias_.data()});
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
  const Real mean_force = token_kernels_.dot(width_, direction, mean_.data() + b * width_);
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
