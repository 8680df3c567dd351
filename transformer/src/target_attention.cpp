#include "target_attention.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

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
      targets_(batch * width_),
      along_(batch * width_),
      directions_(batch * width_),
      weights_(batch * length_),
      scales_(batch * length_),
      shifts_(batch * length_),
      mean_(batch * width_),
      read_(batch * width_),
      scratch_(batch * length_),
      forces_(batch * length_),
      sums_(batch),
      d_read_(batch * width_),
      d_along_(batch * width_),
      d_targets_(batch * width_),
      d_gain_(width_),
      d_bias_(width_) {
  if (dim_ >= kSmallestSketchDim) sketch_.emplace(n_context, dim, batch, attend_self);
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

ItemRows rows_of(const SequenceBatch& sequences, std::size_t sequence, std::size_t n) {
  const SequenceBatch::Rows rows = sequences.rows();
  const std::size_t begin = sequence * (sequences.n_context + 1);
  return {rows.first, rows.stride, sequences.dim, sequences.items.data() + begin, n, sequences.items.size() - begin};
}

}  // namespace

template <class Real>
template <class Batch>
void TargetAttention<Real>::run_forward(const Batch& sequences, std::size_t first, Real* u) {
  for (std::size_t b = 0; b < batch_; ++b) {
    const float* item = target_of(sequences, first, b);
    const auto [shift, scale] = target_norm<Real>(item, dim_);
    Real* normed = normed_targets_.data() + b * width_;
    Real* target = targets_.data() + b * width_;
    for (std::size_t d = 0; d < dim_; ++d) normed[d] = scale * (static_cast<Real>(item[d]) - shift);
    normed[dim_] = normed[dim_ + 1] = -scale * shift;
    for (std::size_t i = 0; i < width_; ++i) target[i] = gain[i] * normed[i] + bias[i];
  }
  head.combine();
  product(backend_, Op::plain, Op::transposed, batch_, width_, width_, Real(1), targets_.data(), head.a.data(), Real(0),
          along_.data());
  for (std::size_t b = 0; b < batch_; ++b) {
    for (std::size_t i = 0; i < width_; ++i) directions_[b * width_ + i] = gain[i] * along_[b * width_ + i];
  }
  attend_all(sequences, first);
  for (std::size_t b = 0; b < batch_; ++b) {
    for (std::size_t i = 0; i < width_; ++i) read_[b * width_ + i] = gain[i] * mean_[b * width_ + i] + bias[i];
  }
  std::copy_n(targets_.data(), batch_ * width_, u);
  product(backend_, Op::plain, Op::transposed, batch_, width_, width_, Real(1), read_.data(), head.value.data(),
          Real(1), u);
}

template <class Real>
void TargetAttention<Real>::attend_all(const SequenceBatch& sequences, std::size_t first) {
  for (std::size_t b = 0; b < batch_; ++b) {
    const std::size_t sequence = sequence_of(sequences, first, b);
    const ItemRows rows = rows_of(sequences, sequence, n_attended_);
    Real* mean = mean_.data() + b * width_;
    item_kernels_.project(rows, directions_.data() + b * width_, weights_.data() + b * length_,
                          shifts_.data() + b * length_, scales_.data() + b * length_);
    const auto sums = scores(b, sequences.labels.data() + sequence * length_, scratch_.data());
    item_kernels_.combine(rows, scratch_.data(), mean);
    add_features(sums, mean);
  }
}

template <class Real>
void TargetAttention<Real>::attend_all(const SketchBatch& sequences, [[maybe_unused]] std::size_t first) {
  assert(sketch_ && first == 0 && sequences.n_sequences == batch_);
  sketch_->project(sequences, directions_.data(), weights_.data(), shifts_.data(), scales_.data());
  for (std::size_t b = 0; b < batch_; ++b) {
    sums_[b] = scores(b, sequences.labels.data() + b * length_, scratch_.data() + b * length_);
  }
  sketch_->combine(sequences, scratch_.data(), mean_.data());
  for (std::size_t b = 0; b < batch_; ++b) add_features(sums_[b], mean_.data() + b * width_);
}

/// From what `project` left in weights_, shifts_ and scales_ to what their names say.
template <class Real>
CoefficientSums<Real> TargetAttention<Real>::scores(std::size_t b, const std::int8_t* labels, Real* scaled) {
  Real* weights = weights_.data() + b * length_;
  const auto sums = score_kernels_.attend({n_attended_, n_context_, width_, labels},
                                          direction_of(directions_.data() + b * width_, width_), weights,
                                          shifts_.data() + b * length_, scales_.data() + b * length_, scaled);
  if (n_attended_ < length_) weights[n_context_] = 0;
  return sums;
}

/// From a weighted sum of items to that of normalised tokens: LayerNorm's shift and the labels.
template <class Real>
void TargetAttention<Real>::add_features(const CoefficientSums<Real>& sums, Real* to) const {
  for (std::size_t d = 0; d < dim_; ++d) to[d] -= sums.shifted;
  to[dim_] = sums.plus() - sums.shifted;
  to[dim_ + 1] = sums.minus() - sums.shifted;
}

template <class Real>
template <class Batch>
void TargetAttention<Real>::run_backward(const Batch& sequences, std::size_t first, const Real* d_u) {
  product(backend_, Op::transposed, Op::plain, width_, width_, batch_, Real(1), d_u, read_.data(), Real(0),
          head.d_value.data());
  product(backend_, Op::plain, Op::plain, batch_, width_, width_, Real(1), d_u, head.value.data(), Real(0),
          d_read_.data());
  std::fill_n(d_gain_.data(), width_, Real(0));
  std::fill_n(d_bias_.data(), width_, Real(0));
  for (std::size_t b = 0; b < batch_; ++b) {
    const Real* mean = mean_.data() + b * width_;
    const Real* d_read = d_read_.data() + b * width_;
    Real* direction = directions_.data() + b * width_;
    for (std::size_t i = 0; i < width_; ++i) {
      direction[i] = gain[i] * d_read[i];
      d_gain_[i] += d_read[i] * mean[i];
      d_bias_[i] += d_read[i];
    }
  }
  pull_back_all(sequences, first);
  for (std::size_t b = 0; b < batch_; ++b) {
    const Real* along = along_.data() + b * width_;
    Real* d_along = d_along_.data() + b * width_;
    for (std::size_t i = 0; i < width_; ++i) {
      d_gain_[i] += along[i] * d_along[i];
      d_along[i] *= gain[i];
    }
  }
  // r = A t_T
  product(backend_, Op::transposed, Op::plain, width_, width_, batch_, Real(1), d_along_.data(), targets_.data(),
          Real(0), head.d_a.data());
  std::copy_n(d_u, batch_ * width_, d_targets_.data());
  product(backend_, Op::plain, Op::plain, batch_, width_, width_, Real(1), d_along_.data(), head.a.data(), Real(1),
          d_targets_.data());
  for (std::size_t b = 0; b < batch_; ++b) {
    for (std::size_t i = 0; i < width_; ++i) {
      d_gain_[i] += d_targets_[b * width_ + i] * normed_targets_[b * width_ + i];
      d_bias_[i] += d_targets_[b * width_ + i];
    }
  }
}

template <class Real>
void TargetAttention<Real>::pull_back_all(const SequenceBatch& sequences, std::size_t first) {
  for (std::size_t b = 0; b < batch_; ++b) {
    const std::size_t sequence = sequence_of(sequences, first, b);
    const std::int8_t* labels = sequences.labels.data() + sequence * length_;
    const Real* scales = scales_.data() + b * length_;
    Real* d_along = d_along_.data() + b * width_;
    offsets(b, labels, scratch_.data());
    Real* forces = forces_.data();  // d loss / d score
    item_kernels_.pull_back(rows_of(sequences, sequence, n_attended_), directions_.data() + b * width_,
                            weights_.data() + b * length_, scales, scratch_.data(), forces, d_along);
    add_features(
        score_kernels_.sums({n_attended_, n_context_, width_, labels}, forces, shifts_.data() + b * length_, scales),
        d_along);
  }
}

template <class Real>
void TargetAttention<Real>::pull_back_all(const SketchBatch& sequences, std::size_t) {
  for (std::size_t b = 0; b < batch_; ++b) {
    offsets(b, sequences.labels.data() + b * length_, scratch_.data() + b * length_);
  }
  sketch_->pull_back(sequences, directions_.data(), weights_.data(), scales_.data(), scratch_.data(), forces_.data(),
                     d_along_.data());
  for (std::size_t b = 0; b < batch_; ++b) {
    add_features(
        score_kernels_.sums({n_attended_, n_context_, width_, sequences.labels.data() + b * length_},
                            forces_.data() + b * length_, shifts_.data() + b * length_, scales_.data() + b * length_),
        d_along_.data() + b * width_);
  }
}

/// d loss / d a_j = direction . h_j, and the softmax subtracts its mean over the attention.
template <class Real>
void TargetAttention<Real>::offsets(std::size_t b, const std::int8_t* labels, Real* offsets) {
  const Real* direction = directions_.data() + b * width_;
  const Real* mean = mean_.data() + b * width_;
  Real mean_force = 0;
  for (std::size_t i = 0; i < width_; ++i) mean_force += direction[i] * mean[i];
  score_kernels_.offsets({n_attended_, n_context_, width_, labels}, direction_of(direction, width_), mean_force,
                         shifts_.data() + b * length_, scales_.data() + b * length_, offsets);
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
