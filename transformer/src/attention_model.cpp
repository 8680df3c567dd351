#include "iclk/transformer/attention_model.hpp"

#include <algorithm>
#include <cassert>

#include "model_parts.hpp"
#include "named_arrays.hpp"
#include "target_attention.hpp"

namespace iclk::transformer {
namespace {

using mlp_stats::MlpEngine;
using mlp_stats::MlpShape;
using mlp_stats::Precision;

template <class Real>
class OneLayer final : public AttentionModel {
 public:
  OneLayer(const AttentionOptions& options, std::uint64_t seed)
      : options_(options),
        width_(options.dim + 2),
        attention_(options.n_context, options.dim, options.batch, options.attend_self, options.backend),
        mlp_(mlp_stats::make_mlp_engine<Real>(options.backend, shape(), options.batch)),
        d_u_(options.batch * width_) {
    std::fill_n(attention_.gain.data(), width_, Real(1));
    initialise_square(attention_.head.query, width_, seed, 1);
    initialise_square(attention_.head.key, width_, seed, 2);
    initialise_square(attention_.head.value, width_, seed, 3);
    mlp_->upload(mlp_stats::initial_parameters(shape(), seed));
  }

  double train(const SequenceBatch& batch, const IclSgd& sgd) override { return step(batch, sgd); }
  double train(const SketchBatch& batch, const IclSgd& sgd) override { return step(batch, sgd); }
  bool takes_sketches() const noexcept override { return options_.dim >= kSmallestSketchDim; }

  void logits(const SequenceBatch& batch, LogitParts& parts) override {
    require_shape(batch);
    parts.resize(batch.n_sequences);
    for (std::size_t first = 0; first < batch.n_sequences; first += options_.batch) {
      attention_.forward(batch, first, mlp_->inputs().data());
      run_mlp(first, parts.total);
      attention_.copy_targets(mlp_->inputs().data());
      run_mlp(first, parts.mlp);
    }
    for (std::size_t i = 0; i < batch.n_sequences; ++i) parts.attention[i] = parts.total[i] - parts.mlp[i];
  }

  void split(const SequenceBatch& batch, AnsatzSplit& parts) override {
    require_shape(batch);
    const std::size_t n = batch.n_sequences;
    for (auto* part :
         {&parts.total, &parts.mlp, &parts.attention, &parts.residual, &parts.copy_attention, &parts.self_attention}) {
      part->assign(n, 0.0);
    }
    Real* inputs = mlp_->inputs().data();
    std::fill_n(inputs, options_.batch * width_, Real(0));
    std::vector<double> empty(1);
    run_mlp(0, empty);
    for (std::size_t first = 0; first < n; first += options_.batch) {
      attention_.forward(batch, first, inputs);
      run_mlp(first, parts.total);
      attention_.copy_targets(d_u_.data());
      for (std::size_t i = 0; i < options_.batch * width_; ++i) inputs[i] -= d_u_[i];
      run_mlp(first, parts.attention);
      std::copy_n(d_u_.data(), options_.batch * width_, inputs);
      run_mlp(first, parts.mlp);
      for (std::size_t i = first; i < std::min(first + options_.batch, n); ++i) {
        attention_weights(batch, i, attention_.weights() + (i - first) * (options_.n_context + 1), parts);
      }
    }
    for (std::size_t i = 0; i < n; ++i) {
      parts.attention[i] -= empty[0];
      parts.residual[i] = parts.total[i] - parts.mlp[i] - parts.attention[i];
    }
  }

  void memory_logits(std::span<const float> items, std::span<double> logits) override {
    assert(items.size() == logits.size() * options_.dim);
    for (std::size_t first = 0; first < logits.size(); first += options_.batch) {
      for (std::size_t b = 0; b < options_.batch; ++b) {
        const std::size_t item = std::min(first + b, logits.size() - 1);
        attention_.target_token(items.data() + item * options_.dim, mlp_->inputs().data() + b * width_);
      }
      run_mlp(first, logits);
    }
  }

  std::vector<NamedValue> diagnostics() const override {
    const auto doubles = [](const auto& array) {
      return std::vector<double>(array.data(), array.data() + array.size());
    };
    return attention_diagnostics({.dim = options_.dim,
                                  .gain = doubles(attention_.gain),
                                  .bias = doubles(attention_.bias),
                                  .query = doubles(attention_.head.query),
                                  .key = doubles(attention_.head.key),
                                  .value = doubles(attention_.head.value)});
  }

  std::vector<NamedArray> parameters() const override {
    std::vector<NamedArray> arrays;
    add_array(arrays, "norm_gain", attention_.gain);
    add_array(arrays, "norm_bias", attention_.bias);
    add_array(arrays, "query", attention_.head.query);
    add_array(arrays, "key", attention_.head.key);
    add_array(arrays, "value", attention_.head.value);
    add_network(arrays, "", mlp_->download());
    return arrays;
  }

  void load(std::span<const NamedArray> arrays) override {
    ArrayReader reader(arrays);
    const auto& gain = reader.take("norm_gain", width_);
    const auto& bias = reader.take("norm_bias", width_);
    const auto& query = reader.take("query", width_ * width_);
    const auto& key = reader.take("key", width_ * width_);
    const auto& value = reader.take("value", width_ * width_);
    const auto mlp = reader.take_network("", shape());
    reader.finish();
    assign_array(attention_.gain, gain);
    assign_array(attention_.bias, bias);
    assign_array(attention_.head.query, query);
    assign_array(attention_.head.key, key);
    assign_array(attention_.head.value, value);
    mlp_->upload(mlp);
  }

 private:
  template <class Batch>
  double step(const Batch& batch, const IclSgd& sgd) {
    assert(batch.n_sequences == options_.batch);
    require_shape(batch);
    attention_.forward(batch, 0, mlp_->inputs().data());
    const double loss = loss_and_gradient(batch, mlp_->forward(), mlp_->d_outputs());
    mlp_->backward_and_update({.lr = sgd.lr, .weight_decay = sgd.mlp_weight_decay}, d_u_.span());
    attention_.backward(batch, 0, d_u_.data());
    attention_.update(sgd);
    return loss;
  }

  MlpShape shape() const { return {.n_features = options_.dim + 2, .hidden = options_.hidden, .n_outputs = 1}; }

  template <class Batch>
  void require_shape([[maybe_unused]] const Batch& batch) const {
    assert(batch.n_sequences > 0 && batch.n_context == options_.n_context && batch.dim == options_.dim);
  }

  /// Logits of the inputs into to[first ...], as far as it goes.
  void run_mlp(std::size_t first, std::span<double> to) {
    const auto logits = mlp_->forward();
    const std::size_t n = std::min(options_.batch, to.size() - first);
    for (std::size_t b = 0; b < n; ++b) to[first + b] = static_cast<double>(logits[b]);
  }

  void attention_weights(const SequenceBatch& batch, std::size_t i, const Real* weights, AnsatzSplit& parts) const {
    const std::size_t n_context = options_.n_context;
    const std::uint32_t* items = batch.items.data() + i * (n_context + 1);
    for (std::size_t j = 0; j < n_context; ++j) {
      if (items[j] == items[n_context]) parts.copy_attention[i] += static_cast<double>(weights[j]);
    }
    parts.self_attention[i] = static_cast<double>(weights[n_context]);
  }

  AttentionOptions options_;
  std::size_t width_;  // features of a token
  TargetAttention<Real> attention_;
  std::unique_ptr<MlpEngine<Real>> mlp_;
  mlp_stats::AlignedArray<Real> d_u_;  // [batch x width], and what split() needs in between
};

}  // namespace

void validate(const AttentionOptions& options) {
  validate_sizes(options.n_context, options.dim, options.hidden, options.batch);
  validate_precision(options.backend, options.precision);
}

std::unique_ptr<AttentionModel> make_attention_model(const AttentionOptions& options, std::uint64_t seed) {
  validate(options);
  if (options.precision == Precision::float64) return std::make_unique<OneLayer<double>>(options, seed);
  return std::make_unique<OneLayer<float>>(options, seed);
}

}  // namespace iclk::transformer
