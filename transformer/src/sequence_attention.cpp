#include "sequence_attention.hpp"

#include <algorithm>

#include "partial_sums.hpp"

namespace iclk::transformer {

using mlp_stats::Op;
using mlp_stats::product;

template <class Real>
CausalAttention<Real>::CausalAttention(TokenLayout layout, bool attend_self, mlp_stats::BackendKind backend)
    : head(layout.width, backend),
      layout_(layout),
      attend_self_(attend_self),
      backend_(backend),
      along_(layout.size()),
      weights_(layout.n_tokens() * layout.length),
      read_(layout.size()),
      d_read_(layout.size()),
      d_along_(layout.size()),
      d_weights_(layout.length * layout.length) {}

template <class Real>
void CausalAttention<Real>::forward(const Real* tokens, Real* outputs) {
  const auto [n_sequences, length, width] = layout_;
  head.combine();
  product(backend_, Op::plain, Op::transposed, layout_.n_tokens(), width, width, Real(1), tokens, head.a.data(),
          Real(0), along_.data());
  for (std::size_t s = 0; s < n_sequences; ++s) {
    const std::size_t first = s * length * width;
    Real* weights = weights_.data() + s * length * length;
    product(backend_, Op::plain, Op::transposed, length, length, width, Real(1), along_.data() + first, tokens + first,
            Real(0), weights);
    for (std::size_t i = 0; i < length; ++i) {
      const std::size_t n_seen = i + 1 < length || attend_self_ ? i + 1 : i;
      softmax(weights + i * length, n_seen);
      std::fill(weights + i * length + n_seen, weights + (i + 1) * length, Real(0));
    }
    product(backend_, Op::plain, Op::plain, length, width, length, Real(1), weights, tokens + first, Real(0),
            read_.data() + first);
  }
  std::copy_n(tokens, layout_.size(), outputs);
  product(backend_, Op::plain, Op::transposed, layout_.n_tokens(), width, width, Real(1), read_.data(),
          head.value.data(), Real(1), outputs);
}

template <class Real>
void CausalAttention<Real>::backward(const Real* tokens, const Real* d_outputs, Real* d_tokens) {
  const auto [n_sequences, length, width] = layout_;
  const std::size_t n_tokens = layout_.n_tokens();
  product(backend_, Op::transposed, Op::plain, width, width, n_tokens, Real(1), d_outputs, read_.data(), Real(0),
          head.d_value.data());
  product(backend_, Op::plain, Op::plain, n_tokens, width, width, Real(1), d_outputs, head.value.data(), Real(0),
          d_read_.data());
  std::copy_n(d_outputs, layout_.size(), d_tokens);
  for (std::size_t s = 0; s < n_sequences; ++s) {
    const std::size_t first = s * length * width;
    const Real* weights = weights_.data() + s * length * length;
    Real* d_weights = d_weights_.data();
    product(backend_, Op::plain, Op::transposed, length, length, width, Real(1), d_read_.data() + first, tokens + first,
            Real(0), d_weights);
    product(backend_, Op::transposed, Op::plain, length, width, length, Real(1), weights, d_read_.data() + first,
            Real(1), d_tokens + first);
    for (std::size_t i = 0; i < length; ++i) {  // through the softmax; weights of what is not seen are 0
      const Real* p = weights + i * length;
      Real* d_p = d_weights + i * length;
      const Real mean = dot(p, d_p, length);
      for (std::size_t j = 0; j < length; ++j) d_p[j] = p[j] * (d_p[j] - mean);
    }
    product(backend_, Op::plain, Op::plain, length, width, length, Real(1), d_weights, tokens + first, Real(0),
            d_along_.data() + first);
    product(backend_, Op::transposed, Op::plain, length, width, length, Real(1), d_weights, along_.data() + first,
            Real(1), d_tokens + first);
  }
  product(backend_, Op::transposed, Op::plain, width, width, n_tokens, Real(1), d_along_.data(), tokens, Real(0),
          head.d_a.data());
  product(backend_, Op::plain, Op::plain, n_tokens, width, width, Real(1), d_along_.data(), head.a.data(), Real(1),
          d_tokens);
}

template <class Real>
LastTokenAttention<Real>::LastTokenAttention(TokenLayout layout, bool attend_self, mlp_stats::BackendKind backend)
    : head(layout.width, backend),
      layout_(layout),
      n_attended_(attend_self ? layout.length : layout.length - 1),
      backend_(backend),
      last_(layout.n_sequences * layout.width),
      along_(layout.n_sequences * layout.width),
      weights_(layout.n_tokens()),
      read_(layout.n_sequences * layout.width),
      d_read_(layout.n_sequences * layout.width),
      d_along_(layout.n_sequences * layout.width) {}

template <class Real>
void LastTokenAttention<Real>::forward(const Real* tokens, Real* outputs) {
  const auto [n_sequences, length, width] = layout_;
  for (std::size_t s = 0; s < n_sequences; ++s) {
    std::copy_n(tokens + ((s + 1) * length - 1) * width, width, last_.data() + s * width);
  }
  head.combine();
  product(backend_, Op::plain, Op::transposed, n_sequences, width, width, Real(1), last_.data(), head.a.data(), Real(0),
          along_.data());
  for (std::size_t s = 0; s < n_sequences; ++s) {
    const Real* sequence = tokens + s * length * width;
    Real* weights = weights_.data() + s * length;
    Real* read = read_.data() + s * width;
    for (std::size_t j = 0; j < n_attended_; ++j) {
      weights[j] = dot(sequence + j * width, along_.data() + s * width, width);
    }
    softmax(weights, n_attended_);
    std::fill_n(read, width, Real(0));
    for (std::size_t j = 0; j < n_attended_; ++j) {
      for (std::size_t i = 0; i < width; ++i) read[i] += weights[j] * sequence[j * width + i];
    }
  }
  std::copy_n(last_.data(), n_sequences * width, outputs);
  product(backend_, Op::plain, Op::transposed, n_sequences, width, width, Real(1), read_.data(), head.value.data(),
          Real(1), outputs);
}

template <class Real>
void LastTokenAttention<Real>::backward(const Real* tokens, const Real* d_outputs, Real* d_tokens) {
  const auto [n_sequences, length, width] = layout_;
  product(backend_, Op::transposed, Op::plain, width, width, n_sequences, Real(1), d_outputs, read_.data(), Real(0),
          head.d_value.data());
  product(backend_, Op::plain, Op::plain, n_sequences, width, width, Real(1), d_outputs, head.value.data(), Real(0),
          d_read_.data());
  for (std::size_t s = 0; s < n_sequences; ++s) {
    const Real* sequence = tokens + s * length * width;
    const Real* weights = weights_.data() + s * length;
    const Real* along = along_.data() + s * width;
    const Real* d_read = d_read_.data() + s * width;
    Real* d_sequence = d_tokens + s * length * width;
    Real* d_along = d_along_.data() + s * width;
    const Real mean = dot(read_.data() + s * width, d_read, width);
    std::fill_n(d_along, width, Real(0));
    for (std::size_t j = 0; j < n_attended_; ++j) {
      const Real* token = sequence + j * width;
      const Real weight = weights[j];
      const Real force = weight * (dot(token, d_read, width) - mean);  // d loss / d score
      for (std::size_t i = 0; i < width; ++i) {
        d_sequence[j * width + i] = weight * d_read[i] + force * along[i];
        d_along[i] += force * token[i];
      }
    }
    if (n_attended_ < length) std::fill_n(d_sequence + n_attended_ * width, width, Real(0));
  }
  product(backend_, Op::transposed, Op::plain, width, width, n_sequences, Real(1), d_along_.data(), last_.data(),
          Real(0), head.d_a.data());
  // What reaches the last token through its own query, into the workspace of what has been used up.
  std::copy_n(d_outputs, n_sequences * width, d_read_.data());
  product(backend_, Op::plain, Op::plain, n_sequences, width, width, Real(1), d_along_.data(), head.a.data(), Real(1),
          d_read_.data());
  for (std::size_t s = 0; s < n_sequences; ++s) {
    Real* d_last = d_tokens + ((s + 1) * length - 1) * width;
    for (std::size_t i = 0; i < width; ++i) d_last[i] += d_read_[s * width + i];
  }
}

template class CausalAttention<float>;
template class CausalAttention<double>;
template class LastTokenAttention<float>;
template class LastTokenAttention<double>;

}  // namespace iclk::transformer
