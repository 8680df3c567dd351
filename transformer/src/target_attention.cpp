#include "target_attention.hpp"

#include <algorithm>
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
      scratch_(length_),
      forces_(length_),
      d_read_(batch * width_),
      d_along_(batch * width_),
      d_targets_(batch * width_),
      d_gain_(width_),
      d_bias_(width_) {}

template <class Real>
void TargetAttention<Real>::target_token(const float* item, Real* token) const {
  const auto [shift, scale] = target_norm<Real>(item, dim_);
  for (std::size_t i = 0; i < width_; ++i) {
    const Real x = i < dim_ ? static_cast<Real>(item[i]) : Real(0);
    token[i] = gain[i] * (scale * (x - shift)) + bias[i];
  }
}

template <class Real>
void TargetAttention<Real>::forward(const SequenceBatch& sequences, std::size_t first, Real* u) {
  const float* table = sequences.table().data();
  const auto sequence_of = [&](std::size_t b) { return std::min(first + b, sequences.n_sequences - 1); };
  for (std::size_t b = 0; b < batch_; ++b) {
    const float* item = table + sequences.items[sequence_of(b) * length_ + n_context_] * dim_;
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
    attend(sequences, sequence_of(b), b);
    for (std::size_t i = 0; i < width_; ++i) read_[b * width_ + i] = gain[i] * mean_[b * width_ + i] + bias[i];
  }
  std::copy_n(targets_.data(), batch_ * width_, u);
  product(backend_, Op::plain, Op::transposed, batch_, width_, width_, Real(1), read_.data(), head.value.data(),
          Real(1), u);
}

/// Attention of one sequence and the mean of its normalised tokens.
template <class Real>
void TargetAttention<Real>::attend(const SequenceBatch& sequences, std::size_t sequence, std::size_t b) {
  const std::uint32_t* items = sequences.items.data() + sequence * length_;
  const std::int8_t* labels = sequences.labels.data() + sequence * length_;
  const ItemRows rows{sequences.table().data(), dim_, items, n_attended_, sequences.items.size() - sequence * length_};
  const AttendedTokens tokens{n_attended_, n_context_, width_, labels};
  const Real* direction = directions_.data() + b * width_;
  Real* weights = weights_.data() + b * length_;
  Real* shifts = shifts_.data() + b * length_;
  Real* scales = scales_.data() + b * length_;
  Real* mean = mean_.data() + b * width_;

  item_kernels_.project(rows, direction, weights, shifts, scales);
  const auto sums =
      score_kernels_.attend(tokens, direction_of(direction, width_), weights, shifts, scales, scratch_.data());
  if (n_attended_ < length_) weights[n_context_] = 0;
  item_kernels_.combine(rows, scratch_.data(), mean);
  for (std::size_t d = 0; d < dim_; ++d) mean[d] -= sums.shifted;
  mean[dim_] = sums.plus() - sums.shifted;
  mean[dim_ + 1] = sums.minus() - sums.shifted;
}

template <class Real>
void TargetAttention<Real>::backward(const SequenceBatch& sequences, std::size_t first, const Real* d_u) {
  product(backend_, Op::transposed, Op::plain, width_, width_, batch_, Real(1), d_u, read_.data(), Real(0),
          head.d_value.data());
  product(backend_, Op::plain, Op::plain, batch_, width_, width_, Real(1), d_u, head.value.data(), Real(0),
          d_read_.data());
  std::fill_n(d_gain_.data(), width_, Real(0));
  std::fill_n(d_bias_.data(), width_, Real(0));
  for (std::size_t b = 0; b < batch_; ++b) {
    const std::size_t sequence = std::min(first + b, sequences.n_sequences - 1);
    const std::uint32_t* items = sequences.items.data() + sequence * length_;
    const std::int8_t* labels = sequences.labels.data() + sequence * length_;
    const ItemRows rows{sequences.table().data(), dim_, items, n_attended_,
                        sequences.items.size() - sequence * length_};
    const AttendedTokens tokens{n_attended_, n_context_, width_, labels};
    const Real* mean = mean_.data() + b * width_;
    const Real* d_read = d_read_.data() + b * width_;
    const Real* along = along_.data() + b * width_;
    const Real* weights = weights_.data() + b * length_;
    const Real* scales = scales_.data() + b * length_;
    const Real* shifts = shifts_.data() + b * length_;
    Real* direction = directions_.data() + b * width_;
    Real* d_along = d_along_.data() + b * width_;

    // d loss / d a_j = direction . h_j, and the softmax subtracts its mean over the attention.
    Real mean_force = 0;
    for (std::size_t i = 0; i < width_; ++i) {
      direction[i] = gain[i] * d_read[i];
      mean_force += direction[i] * mean[i];
      d_gain_[i] += d_read[i] * mean[i];
      d_bias_[i] += d_read[i];
    }
    score_kernels_.offsets(tokens, direction_of(direction, width_), mean_force, shifts, scales, scratch_.data());
    Real* forces = forces_.data();  // d loss / d score
    item_kernels_.pull_back(rows, direction, weights, scales, scratch_.data(), forces, d_along);
    const auto sums = score_kernels_.sums(tokens, forces, shifts, scales);
    for (std::size_t d = 0; d < dim_; ++d) d_along[d] -= sums.shifted;
    d_along[dim_] = sums.plus() - sums.shifted;
    d_along[dim_ + 1] = sums.minus() - sums.shifted;
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
void TargetAttention<Real>::update(const IclSgd& sgd) {
  const double norm_decay = sgd.decay_layernorm ? sgd.attention_weight_decay : 0.0;
  sgd_update(gain, d_gain_, sgd.lr, norm_decay);
  sgd_update(bias, d_bias_, sgd.lr, norm_decay);
  head.update(sgd.lr, sgd.attention_weight_decay);
}

template class TargetAttention<float>;
template class TargetAttention<double>;

}  // namespace iclk::transformer
