#include "iclk/transformer/two_layer_model.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "iclk/transformer/attention_model.hpp"
#include "model_parts.hpp"
#include "named_arrays.hpp"
#include "sequence_attention.hpp"
#include "token_norm.hpp"

namespace iclk::transformer {
namespace {

using mlp_stats::MlpEngine;
using mlp_stats::MlpShape;
using mlp_stats::Precision;

/// Tokens that go through the token MLP together: whole sequences, a few hundred tokens, so that the activations stay in
/// the cache.
std::size_t token_block(std::size_t n_sequences, std::size_t length) {
  constexpr std::size_t kMostTokens = 512;  // measured: docs/performance.md
  std::size_t best = 1;
  for (std::size_t n = 1; n <= n_sequences; ++n) {
    if (n_sequences % n == 0 && n * length <= kMostTokens) best = n;
  }
  return best * length;
}

template <class Real>
class TwoLayer final : public IclModel {
  using Array = mlp_stats::AlignedArray<Real>;

 public:
  TwoLayer(const TwoLayerOptions& options, std::uint64_t seed)
      : options_(options),
        layout_{options.batch, options.n_context + 1, options.dim + 2},
        gain_(layout_.width),
        bias_(layout_.width),
        attention1_(layout_, options.attend_self, options.backend),
        token_mlp_(mlp_stats::make_mlp_engine<Real>(options.backend, token_shape(), layout_.n_tokens(),
                                                    token_block(options.batch, layout_.length))),
        attention2_(layout_, options.attend_self, options.backend),
        readout_(mlp_stats::make_mlp_engine<Real>(options.backend, readout_shape(), options.batch)),
        normed_(layout_.size()),
        tokens_(layout_.size()),
        d_tokens_(layout_.size()),
        d_inputs_(layout_.size()),
        d_read_out_(options.batch * layout_.width),
        d_gain_(layout_.width),
        d_bias_(layout_.width) {
    std::fill_n(gain_.data(), gain_.size(), Real(1));
    std::uint64_t index = 1;
    for (auto* head : {&attention1_.head, &attention2_.head}) {
      initialise_square(head->query, layout_.width, seed, index++);
      initialise_square(head->key, layout_.width, seed, index++);
      initialise_square(head->value, layout_.width, seed, index++);
    }
    readout_->upload(mlp_stats::initial_parameters(readout_shape(), seed));
    token_mlp_->upload(mlp_stats::initial_parameters(token_shape(), seed, 3));
  }

  double train(const SequenceBatch& batch, const IclSgd& sgd) override {
    assert(batch.n_sequences == options_.batch);
    const mlp_stats::SgdOptions mlp_sgd{.lr = sgd.lr, .weight_decay = sgd.mlp_weight_decay};
    const Real* hidden_tokens = forward_tokens(batch, 0);
    attention2_.forward(hidden_tokens, readout_->inputs().data());
    const double loss = loss_and_gradient(batch, readout_->forward(), readout_->d_outputs());
    if (options_.train_readout) {
      readout_->backward_and_update(mlp_sgd, d_read_out_.span());
    } else {
      readout_->backward_inputs(d_read_out_.span());
    }
    attention2_.backward(hidden_tokens, d_read_out_.data(), token_mlp_->d_outputs().data());
    token_mlp_->backward_and_update(mlp_sgd, d_inputs_.span());
    attention1_.backward(tokens_.data(), d_inputs_.data(), d_tokens_.data());
    update_norm(sgd);
    attention1_.head.update(sgd.lr, sgd.attention_weight_decay);
    attention2_.head.update(sgd.lr, sgd.attention_weight_decay);
    return loss;
  }

  void logits(const SequenceBatch& batch, LogitParts& parts) override {
    const std::size_t n = batch.n_sequences;
    parts.resize(n);
    for (std::size_t first = 0; first < n; first += options_.batch) {
      attention2_.forward(forward_tokens(batch, first), readout_->inputs().data());
      read_out(first, parts.total);
    }
    const float* table = batch.table().data();
    logits_alone(n, parts.mlp,
                 [&](std::size_t s) { return table + batch.items[(s + 1) * layout_.length - 1] * options_.dim; });
    for (std::size_t s = 0; s < n; ++s) parts.attention[s] = parts.total[s] - parts.mlp[s];
  }

  void memory_logits(std::span<const float> items, std::span<double> logits) override {
    assert(items.size() == logits.size() * options_.dim);
    logits_alone(logits.size(), logits, [&](std::size_t i) { return items.data() + i * options_.dim; });
  }

  std::vector<NamedValue> diagnostics() const override {
    const auto doubles = [](const Array& array) {
      return std::vector<double>(array.data(), array.data() + array.size());
    };
    const HeadMatrices<Real>& first = attention1_.head;
    auto values = attention_diagnostics({.dim = options_.dim,
                                         .gain = doubles(gain_),
                                         .bias = doubles(bias_),
                                         .query = doubles(first.query),
                                         .key = doubles(first.key),
                                         .value = doubles(first.value)});
    const HeadMatrices<Real>& second = attention2_.head;
    const std::size_t width = layout_.width;
    std::vector<double> a(width * width, 0.0);
    for (std::size_t k = 0; k < width; ++k) {
      for (std::size_t i = 0; i < width; ++i) {
        const double key = static_cast<double>(second.key[k * width + i]);
        for (std::size_t j = 0; j < width; ++j) {
          a[i * width + j] += key * static_cast<double>(second.query[k * width + j]);
        }
      }
    }
    add_diagonal(values, "qk2", a);
    add_diagonal(values, "v2", doubles(second.value));
    return values;
  }

  std::vector<NamedArray> parameters() const override {
    std::vector<NamedArray> arrays;
    add_array(arrays, "norm_gain", gain_);
    add_array(arrays, "norm_bias", bias_);
    add_array(arrays, "query1", attention1_.head.query);
    add_array(arrays, "key1", attention1_.head.key);
    add_array(arrays, "value1", attention1_.head.value);
    add_array(arrays, "query2", attention2_.head.query);
    add_array(arrays, "key2", attention2_.head.key);
    add_array(arrays, "value2", attention2_.head.value);
    add_network(arrays, "token_mlp.", token_mlp_->download());
    add_network(arrays, "readout.", readout_->download());
    return arrays;
  }

  void load(std::span<const NamedArray> arrays) override {
    const std::size_t width = layout_.width;
    ArrayReader reader(arrays);
    const auto& gain = reader.take("norm_gain", width);
    const auto& bias = reader.take("norm_bias", width);
    const auto& query1 = reader.take("query1", width * width);
    const auto& key1 = reader.take("key1", width * width);
    const auto& value1 = reader.take("value1", width * width);
    const auto& query2 = reader.take("query2", width * width);
    const auto& key2 = reader.take("key2", width * width);
    const auto& value2 = reader.take("value2", width * width);
    const auto token_mlp = reader.take_network("token_mlp.", token_shape());
    const auto readout = reader.take_network("readout.", readout_shape());
    reader.finish();
    assign_array(gain_, gain);
    assign_array(bias_, bias);
    assign_array(attention1_.head.query, query1);
    assign_array(attention1_.head.key, key1);
    assign_array(attention1_.head.value, value1);
    assign_array(attention2_.head.query, query2);
    assign_array(attention2_.head.key, key2);
    assign_array(attention2_.head.value, value2);
    token_mlp_->upload(token_mlp);
    readout_->upload(readout);
  }

 private:
  MlpShape token_shape() const {
    return {.n_features = options_.dim + 2, .hidden = options_.hidden, .n_outputs = options_.dim + 2};
  }
  MlpShape readout_shape() const { return {.n_features = options_.dim + 2, .hidden = options_.hidden, .n_outputs = 1}; }

  /// One token after LayerNorm without gain and bias; label 0 for a target.
  void normalise(const float* item, int label, Real* to) const {
    const std::size_t dim = options_.dim;
    Real sum = 0, square = 0;
    for (std::size_t d = 0; d < dim; ++d) {
      const Real x = item[d];
      sum += x;
      square += x * x;
    }
    const Real entry = label == 0 ? Real(0) : Real(1);
    const auto [shift, scale] = token_norm(sum + entry, square + entry, layout_.width);
    for (std::size_t d = 0; d < dim; ++d) to[d] = scale * (static_cast<Real>(item[d]) - shift);
    to[dim] = scale * ((label > 0 ? Real(1) : Real(0)) - shift);
    to[dim + 1] = scale * ((label < 0 ? Real(1) : Real(0)) - shift);
  }

  /// Tokens after both layers' parts that work on every token; beyond the end of the batch its last sequence is repeated.
  const Real* forward_tokens(const SequenceBatch& batch, std::size_t first) {
    assert(batch.n_sequences > 0 && batch.n_context == options_.n_context && batch.dim == options_.dim);
    const auto [n_sequences, length, width] = layout_;
    const float* table = batch.table().data();
    for (std::size_t s = 0; s < n_sequences; ++s) {
      const std::size_t from = std::min(first + s, batch.n_sequences - 1) * length;
      for (std::size_t j = 0; j < length; ++j) {
        const std::size_t token = (s * length + j) * width;
        const int label = j + 1 < length ? batch.labels[from + j] : 0;
        normalise(table + batch.items[from + j] * options_.dim, label, normed_.data() + token);
        for (std::size_t i = 0; i < width; ++i) tokens_[token + i] = gain_[i] * normed_[token + i] + bias_[i];
      }
    }
    attention1_.forward(tokens_.data(), token_mlp_->inputs().data());
    return token_mlp_->forward().data();
  }

  void read_out(std::size_t first, std::span<double> to) {
    const auto logits = readout_->forward();
    const std::size_t n = std::min(options_.batch, to.size() - first);
    for (std::size_t b = 0; b < n; ++b) to[first + b] = static_cast<double>(logits[b]);
  }

  /// Logits of n targets without attention. item_of(i): the i-th item.
  template <class ItemOf>
  void logits_alone(std::size_t n, std::span<double> to, ItemOf item_of) {
    const std::size_t width = layout_.width;
    for (std::size_t first = 0; first < n; first += layout_.n_tokens()) {
      const std::size_t count = std::min(layout_.n_tokens(), n - first);
      const std::span<Real> inputs = token_mlp_->inputs();
      std::fill(inputs.begin(), inputs.end(), Real(0));
      for (std::size_t i = 0; i < count; ++i) {
        Real* token = inputs.data() + i * width;
        normalise(item_of(first + i), 0, token);
        for (std::size_t k = 0; k < width; ++k) token[k] = gain_[k] * token[k] + bias_[k];
      }
      const Real* hidden_tokens = token_mlp_->forward().data();
      for (std::size_t i = 0; i < count; i += options_.batch) {
        const std::size_t rows = std::min(options_.batch, count - i);
        std::copy_n(hidden_tokens + i * width, rows * width, readout_->inputs().data());
        read_out(first + i, to);
      }
    }
  }

  void update_norm(const IclSgd& sgd) {
    const std::size_t width = layout_.width;
    std::fill_n(d_gain_.data(), width, Real(0));
    std::fill_n(d_bias_.data(), width, Real(0));
    for (std::size_t token = 0; token < layout_.size(); token += width) {
      for (std::size_t i = 0; i < width; ++i) {
        d_gain_[i] += d_tokens_[token + i] * normed_[token + i];
        d_bias_[i] += d_tokens_[token + i];
      }
    }
    const double decay = sgd.decay_layernorm ? sgd.attention_weight_decay : 0.0;
    sgd_update(gain_, d_gain_, sgd.lr, decay);
    sgd_update(bias_, d_bias_, sgd.lr, decay);
  }

  void add_diagonal(std::vector<NamedValue>& values, const std::string& matrix, const std::vector<double>& m) const {
    const std::size_t width = layout_.width;
    double diagonal = 0.0, square = 0.0;
    for (std::size_t i = 0; i < width; ++i) diagonal += m[i * width + i] / static_cast<double>(width);
    for (std::size_t i = 0; i < width; ++i) {
      for (std::size_t j = 0; j < width; ++j) {
        const double x = m[i * width + j] - (i == j ? diagonal : 0.0);
        square += x * x;
      }
    }
    values.push_back({matrix + "_diagonal", diagonal});
    values.push_back({matrix + "_rest", std::sqrt(square) / static_cast<double>(width)});
  }

  TwoLayerOptions options_;
  TokenLayout layout_;
  Array gain_, bias_;  // [E]
  CausalAttention<Real> attention1_;
  std::unique_ptr<MlpEngine<Real>> token_mlp_;
  LastTokenAttention<Real> attention2_;
  std::unique_ptr<MlpEngine<Real>> readout_;
  Array normed_, tokens_;      // [tokens x E] after LayerNorm without and with gain and bias
  Array d_tokens_, d_inputs_;  // [tokens x E] d loss / d tokens, d loss / d inputs of the token MLP
  Array d_read_out_;           // [batch x E] d loss / d inputs of the read-out
  Array d_gain_, d_bias_;      // [E]
};

}  // namespace

void validate(const TwoLayerOptions& options) {
  validate_sizes(options.n_context, options.dim, options.hidden, options.batch);
  validate_precision(options.backend, options.precision);
}

std::unique_ptr<IclModel> make_two_layer_model(const TwoLayerOptions& options, std::uint64_t seed) {
  validate(options);
  if (options.precision == Precision::float64) return std::make_unique<TwoLayer<double>>(options, seed);
  return std::make_unique<TwoLayer<float>>(options, seed);
}

double two_layer_flops_per_step(const TwoLayerOptions& options) noexcept {
  const std::size_t width = options.dim + 2;
  const std::size_t n_tokens = options.batch * (options.n_context + 1);
  const auto tokens = static_cast<double>(n_tokens);
  const auto e = static_cast<double>(width);
  const double mlps = flops_per_step({.n_features = width, .hidden = options.hidden, .n_outputs = width}, n_tokens,
                                     mlp_stats::InputGradient::needed) +
                      flops_per_step({.n_features = width, .hidden = options.hidden, .n_outputs = 1}, options.batch,
                                     mlp_stats::InputGradient::needed);
  const double projections = 6 * 2 * tokens * e * e;  // by K^T Q and V, and two products back through each
  const double table = 6 * tokens * static_cast<double>(options.n_context + 2) * e;  // half of N + 1 keys per token
  const double last = 6 * 2 * (tokens * e + static_cast<double>(options.batch) * e * e);
  return mlps + projections + table + last;
}

}  // namespace iclk::transformer
