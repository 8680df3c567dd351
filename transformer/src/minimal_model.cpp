#include "iclk/transformer/minimal_model.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <string>

#include "arguments.hpp"
#include "attention_head.hpp"
#include "iclk/core/logistic.hpp"
#include "iclk/core/random.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/mlp_stats/item_dataset.hpp"
#include "named_arrays.hpp"
#include "sequence_rules.hpp"

namespace iclk::transformer {
namespace {

mlp_stats::MlpShape shape_of(const MinimalOptions& options) {
  return {.n_features = options.dim, .hidden = options.hidden, .n_outputs = 1};
}

template <class Real>
class MinimalModel final : public IclModel {
 public:
  MinimalModel(const MinimalOptions& options, std::uint64_t seed)
      : n_context_(options.n_context),
        dim_(options.dim),
        batch_(options.batch),
        attend_self_(options.attend_self),
        engine_(mlp_stats::make_mlp_engine<Real>(options.backend, shape_of(options), options.batch)),
        dots_(options.n_context + 1),
        heads_(options.batch) {
    engine_->upload(mlp_stats::initial_parameters(shape_of(options), seed));
    Rng rng(seed, RandomPurpose::initial_attention, 0);
    beta_ = options.beta0 + options.beta0_sd * rng.normal();
    w_ = options.w0 + options.w0_sd * rng.normal();
  }

  double train(const SequenceBatch& batch, const IclSgd& sgd) override { return step(batch, sgd); }
  double train(const DotBatch& batch, const IclSgd& sgd) override { return step(batch, sgd); }
  void logits(const SequenceBatch& batch, LogitParts& parts) override { split(batch, parts); }
  void logits(const DotBatch& batch, LogitParts& parts) override { split(batch, parts); }
  bool takes_dots() const noexcept override { return true; }

  void memory_logits(std::span<const float> items, std::span<double> logits) override {
    assert(items.size() == logits.size() * dim_);
    for (std::size_t first = 0; first < logits.size(); first += batch_) {
      const std::size_t count = std::min(batch_, logits.size() - first);
      std::copy_n(items.data() + first * dim_, count * dim_, engine_->inputs().data());
      const std::span<const Real> outputs = engine_->forward();
      std::copy_n(outputs.data(), count, logits.data() + first);
    }
  }

  std::vector<NamedValue> diagnostics() const override { return {{"beta", beta_}, {"w", w_}}; }

  std::vector<NamedArray> parameters() const override {
    std::vector<NamedArray> arrays;
    add_network(arrays, "", engine_->download());
    arrays.push_back({"beta", {beta_}});
    arrays.push_back({"w", {w_}});
    return arrays;
  }

  void load(std::span<const NamedArray> arrays) override {
    ArrayReader reader(arrays);
    const mlp_stats::MlpParameters network = reader.take_network("", engine_->shape());
    const double beta = reader.take("beta", 1).front();
    const double w = reader.take("w", 1).front();
    reader.finish();
    engine_->upload(network);
    beta_ = beta;
    w_ = w;
  }

 private:
  /// Puts the targets of sequences first ... first + count - 1 before the MLP and their contexts through the head.
  void gather(const SequenceBatch& batch, std::size_t first, std::size_t count) {
    const SequenceBatch::Rows table = batch.rows();
    for (std::size_t b = 0; b < count; ++b) {
      const std::uint32_t* items = batch.items.data() + (first + b) * (n_context_ + 1);
      const std::int8_t* labels = batch.labels.data() + (first + b) * (n_context_ + 1);
      const float* target = table[items[n_context_]];
      std::copy_n(target, dim_, engine_->inputs().data() + b * dim_);
      // The target is the last of the items: its product with itself is that of a copy, bit by bit.
      dot_products({.table = table.first,
                    .stride = table.stride,
                    .items = items,
                    .target = target,
                    .n = n_context_ + 1,
                    .n_listed = (batch.n_sequences - first - b) * (n_context_ + 1),
                    .dim = dim_},
                   dots_.data());
      heads_[b] = attend(beta_, std::span<const Real>(dots_).first(n_context_), labels,
                         attend_self_ ? &dots_[n_context_] : nullptr);
    }
  }

  void gather(const DotBatch& batch, std::size_t first, std::size_t count) {
    std::copy_n(batch.targets.data() + first * dim_, count * dim_, engine_->inputs().data());
    for (std::size_t b = 0; b < count; ++b) {
      const std::int8_t* labels = batch.labels.data() + (first + b) * (n_context_ + 1);
      std::copy_n(batch.dots.data() + (first + b) * n_context_, n_context_, dots_.data());
      const float* target = batch.targets.data() + (first + b) * dim_;
      const auto self =
          static_cast<Real>(static_cast<float>(squared_norm({target, dim_})));  // as the task puts it in for a copy
      heads_[b] = attend(beta_, std::span<const Real>(dots_).first(n_context_), labels, attend_self_ ? &self : nullptr);
    }
  }

  /// With dz_b = d loss/d z_b = -y_b sigma(-y_b z_b)/B:  d loss/d w = sum_b dz_b A_b,  d loss/d beta = w sum_b dz_b dA_b/dbeta.
  template <class Batch>
  double step(const Batch& batch, const IclSgd& sgd) {
    assert(batch.n_sequences == batch_ && batch.n_context == n_context_ && batch.dim == dim_);
    gather(batch, 0, batch_);
    const std::span<const Real> memory = engine_->forward();
    const std::span<Real> d_logits = engine_->d_outputs();
    double loss = 0.0;
    double d_w = 0.0;
    double d_beta = 0.0;
    for (std::size_t b = 0; b < batch_; ++b) {
      const double label = batch.labels[b * (n_context_ + 1) + n_context_];
      const double signed_logit = label * (static_cast<double>(memory[b]) + w_ * heads_[b].label);
      loss += softplus(-signed_logit);
      const double d_logit = -label * sigmoid(-signed_logit) / static_cast<double>(batch_);
      d_logits[b] = static_cast<Real>(d_logit);
      d_w += d_logit * heads_[b].label;
      d_beta += d_logit * w_ * heads_[b].slope;
    }
    engine_->backward_and_update({.lr = sgd.lr, .weight_decay = sgd.mlp_weight_decay}, {});
    w_ -= sgd.lr * (d_w + sgd.lambda_w * w_);
    beta_ -= sgd.lr * (d_beta + sgd.lambda_beta * beta_);
    return loss / static_cast<double>(batch_);
  }

  template <class Batch>
  void split(const Batch& batch, LogitParts& parts) {
    assert(batch.n_context == n_context_ && batch.dim == dim_);
    parts.resize(batch.n_sequences);
    for (std::size_t first = 0; first < batch.n_sequences; first += batch_) {
      const std::size_t count = std::min(batch_, batch.n_sequences - first);
      gather(batch, first, count);
      const std::span<const Real> memory = engine_->forward();
      for (std::size_t b = 0; b < count; ++b) {
        parts.mlp[first + b] = static_cast<double>(memory[b]);
        parts.attention[first + b] = w_ * heads_[b].label;
        parts.total[first + b] = parts.mlp[first + b] + parts.attention[first + b];
      }
    }
  }

  std::size_t n_context_, dim_, batch_;
  bool attend_self_;
  std::unique_ptr<mlp_stats::MlpEngine<Real>> engine_;
  double beta_ = 0.0;
  double w_ = 0.0;
  std::vector<Real> dots_;         // [n_context + 1] of one sequence, the target's own last
  std::vector<HeadOutput> heads_;  // [batch]
};

}  // namespace

void validate(const MinimalOptions& options) {
  const auto width = "1 to " + std::to_string(mlp_stats::kMaxWidth);
  const auto in_range = [](std::size_t x) { return x >= 1 && x <= mlp_stats::kMaxWidth; };
  require(options.n_context >= 2, "n_context", "at least 2 exemplars", std::to_string(options.n_context));
  require(in_range(options.dim), "dim", width, std::to_string(options.dim));
  require(in_range(options.hidden), "hidden", width, std::to_string(options.hidden));
  require(in_range(options.batch), "batch", width, std::to_string(options.batch));
  require(std::isfinite(options.beta0), "beta0", "a finite number", format_number(options.beta0));
  require(options.beta0_sd >= 0 && std::isfinite(options.beta0_sd), "beta0_sd", "0 or more",
          format_number(options.beta0_sd));
  require(std::isfinite(options.w0), "w0", "a finite number", format_number(options.w0));
  require(options.w0_sd >= 0 && std::isfinite(options.w0_sd), "w0_sd", "0 or more", format_number(options.w0_sd));
  require(offers(options.backend, options.precision), "precision", std::string(offered_precisions(options.backend)),
          std::string(name(options.precision)));
}

std::unique_ptr<IclModel> make_minimal_model(const MinimalOptions& options, std::uint64_t seed) {
  validate(options);
  if (options.precision == mlp_stats::Precision::float64) return std::make_unique<MinimalModel<double>>(options, seed);
  return std::make_unique<MinimalModel<float>>(options, seed);
}

}  // namespace iclk::transformer
