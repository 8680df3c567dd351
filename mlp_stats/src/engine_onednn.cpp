// The fast engine. It computes what engine_eigen.cpp computes, with the matrix products by oneDNN and
//  - activations stored [hidden x batch] with the batch contiguous, the order in which oneDNN's products are fastest;
//  - the weight update inside the product that forms the gradient, W <- (1 - lr decay) W - lr dZ A^T, so that no
//    gradient array is ever written or read (it would be 1.2 MB, beyond a second-level cache);
//  - bias, ReLU and read-out to one logit in one pass over the activations, and likewise on the way back;
//  - many rows in blocks, each through all layers while it is in the cache. Then the weights must wait for the last
//    block, and gradients are summed in arrays after all.

#include "engine_onednn.hpp"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <vector>

#include "iclk/mlp_stats/matrix_product.hpp"

namespace iclk::mlp_stats {
namespace {

using Array = AlignedArray<float>;

void multiply(Op op_a, Op op_b, std::size_t m, std::size_t n, std::size_t k, float alpha, const float* a,
              const float* b, float beta, float* c) {
  product(BackendKind::onednn, op_a, op_b, m, n, k, alpha, a, b, beta, c);
}

struct Weights {
  Weights(MlpShape shape, bool used)
      : w1(used ? shape.hidden * shape.n_features : 0),
        b1(used ? shape.hidden : 0),
        w2(used ? shape.hidden * shape.hidden : 0),
        b2(used ? shape.hidden : 0),
        w3(used ? shape.n_outputs * shape.hidden : 0),
        b3(used ? shape.n_outputs : 0) {}
  Array w1, b1, w2, b2, w3, b3;  // as in MlpParameters
};

class OnednnEngine final : public MlpEngine<float> {
 public:
  OnednnEngine(MlpShape shape, std::size_t batch, std::size_t block)
      : shape_(shape),
        batch_(batch),
        block_(block),
        weights_(shape, true),
        gradient_(shape, block < batch),
        inputs_(batch * shape.n_features),
        hidden1_(shape.hidden * batch),
        hidden2_(shape.hidden * batch),
        outputs_(batch * shape.n_outputs),
        d_hidden1_(shape.hidden * block),
        d_hidden2_(shape.n_outputs > 1 ? shape.hidden * block : 0),
        d_inputs_(shape.n_features * block),
        d_outputs_(batch * shape.n_outputs) {}

  MlpShape shape() const noexcept override { return shape_; }
  std::size_t batch() const noexcept override { return batch_; }

  void upload(const MlpParameters& parameters) override {
    assign(weights_.w1, parameters.w1);
    assign(weights_.b1, parameters.b1);
    assign(weights_.w2, parameters.w2);
    assign(weights_.b2, parameters.b2);
    assign(weights_.w3, parameters.w3);
    assign(weights_.b3, parameters.b3);
  }

  MlpParameters download() const override {
    MlpParameters parameters(shape_);
    extract(weights_.w1, parameters.w1);
    extract(weights_.b1, parameters.b1);
    extract(weights_.w2, parameters.w2);
    extract(weights_.b2, parameters.b2);
    extract(weights_.w3, parameters.w3);
    extract(weights_.b3, parameters.b3);
    return parameters;
  }

  std::span<float> inputs() noexcept override { return inputs_.span(); }
  std::span<float> d_outputs() noexcept override { return d_outputs_.span(); }

  std::span<const float> forward() override {
    for (std::size_t row = 0; row < batch_; row += block_) forward_block(row);
    return outputs_.span();
  }

  void backward_and_update(const SgdOptions& options, std::span<float> d_inputs) override {
    const auto lr = static_cast<float>(options.lr);
    const auto keep = static_cast<float>(1.0 - options.lr * options.weight_decay);
    if (block_ == batch_) {
      backward_block(0, {.into = &weights_, .factor = -lr, .keep = keep}, d_inputs);
      return;
    }
    for (std::size_t row = 0; row < batch_; row += block_) {
      backward_block(row, {.into = &gradient_, .factor = 1.0F, .keep = row == 0 ? 0.0F : 1.0F}, d_inputs);
    }
    move(weights_.w1, gradient_.w1, lr, keep);
    move(weights_.b1, gradient_.b1, lr, keep);
    move(weights_.w2, gradient_.w2, lr, keep);
    move(weights_.b2, gradient_.b2, lr, keep);
    move(weights_.w3, gradient_.w3, lr, keep);
    move(weights_.b3, gradient_.b3, lr, keep);
  }

  void backward_inputs(std::span<float> d_inputs) override {
    for (std::size_t row = 0; row < batch_; row += block_) backward_block(row, {}, d_inputs);
  }

 private:
  /// Where the gradients of a block go: array <- keep array + factor gradient. Nowhere: only input gradients are formed.
  struct Destination {
    Weights* into = nullptr;
    float factor = 0.0F;
    float keep = 0.0F;
  };

  static void assign(Array& to, const std::vector<double>& from) {
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<float>(from[i]);
  }
  static void extract(const Array& from, std::vector<double>& to) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i];
  }
  static void move(Array& weights, const Array& gradient, float lr, float keep) {
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = keep * weights[i] - lr * gradient[i];
  }

  void forward_block(std::size_t row) {
    const std::size_t n_features = shape_.n_features;
    const std::size_t hidden = shape_.hidden;
    const std::size_t n_outputs = shape_.n_outputs;
    float* hidden1 = hidden1_.data() + row * hidden;
    float* hidden2 = hidden2_.data() + row * hidden;
    float* outputs = outputs_.data() + row * n_outputs;
    multiply(Op::plain, Op::transposed, hidden, block_, n_features, 1.0F, weights_.w1.data(),
             inputs_.data() + row * n_features, 0.0F, hidden1);
    for (std::size_t i = 0; i < hidden; ++i) {
      float* values = hidden1 + i * block_;
      const float bias = weights_.b1[i];
      for (std::size_t b = 0; b < block_; ++b) values[b] = std::max(values[b] + bias, 0.0F);
    }
    multiply(Op::plain, Op::plain, hidden, block_, hidden, 1.0F, weights_.w2.data(), hidden1, 0.0F, hidden2);
    if (n_outputs == 1) {
      std::fill_n(outputs, block_, weights_.b3[0]);
      for (std::size_t i = 0; i < hidden; ++i) {
        float* values = hidden2 + i * block_;
        const float bias = weights_.b2[i];
        const float weight = weights_.w3[i];
        for (std::size_t b = 0; b < block_; ++b) {
          const float activation = std::max(values[b] + bias, 0.0F);
          values[b] = activation;
          outputs[b] += weight * activation;
        }
      }
      return;
    }
    for (std::size_t i = 0; i < hidden; ++i) {
      float* values = hidden2 + i * block_;
      const float bias = weights_.b2[i];
      for (std::size_t b = 0; b < block_; ++b) values[b] = std::max(values[b] + bias, 0.0F);
    }
    for (std::size_t b = 0; b < block_; ++b) std::copy_n(weights_.b3.data(), n_outputs, outputs + b * n_outputs);
    multiply(Op::transposed, Op::transposed, block_, n_outputs, hidden, 1.0F, hidden2, weights_.w3.data(), 1.0F,
             outputs);
  }

  /// From the last layer to the first; each layer's input gradient is taken before its weights change. With one output
  /// hidden2 is overwritten by d loss / d pre-activation.
  void backward_block(std::size_t row, Destination to, std::span<float> d_inputs) {
    const std::size_t n_features = shape_.n_features;
    const std::size_t hidden = shape_.hidden;
    const float* inputs = inputs_.data() + row * n_features;
    const float* hidden1 = hidden1_.data() + row * hidden;
    float* hidden2 = hidden2_.data() + row * hidden;
    const float* d_outputs = d_outputs_.data() + row * shape_.n_outputs;
    float* d_hidden1 = d_hidden1_.data();
    const auto add = [to](float& value, float gradient) { value = to.keep * value + to.factor * gradient; };

    const float* d_hidden2 = hidden2;
    if (shape_.n_outputs == 1) {
      one_output_backward(hidden2, d_outputs, to);
    } else {
      many_outputs_backward(hidden2, d_outputs, to);
      d_hidden2 = d_hidden2_.data();
    }
    multiply(Op::transposed, Op::plain, hidden, block_, hidden, 1.0F, weights_.w2.data(), d_hidden2, 0.0F, d_hidden1);
    if (to.into != nullptr) {
      multiply(Op::plain, Op::transposed, hidden, hidden, block_, to.factor, d_hidden2, hidden1, to.keep,
               to.into->w2.data());
    }
    for (std::size_t i = 0; i < hidden; ++i) {
      const float sum = mask_and_sum(hidden1 + i * block_, d_hidden1 + i * block_);
      if (to.into != nullptr) add(to.into->b1[i], sum);
    }
    if (!d_inputs.empty()) {
      assert(d_inputs.size() == batch_ * n_features);
      // [n_features x block] first: the batch fills vectors, 65 features would leave one to a vector of its own.
      const float* by_feature = d_inputs_.data();
      multiply(Op::transposed, Op::plain, n_features, block_, hidden, 1.0F, weights_.w1.data(), d_hidden1, 0.0F,
               d_inputs_.data());
      float* to_row = d_inputs.data() + row * n_features;
      for (std::size_t i = 0; i < n_features; ++i) {
        for (std::size_t b = 0; b < block_; ++b) to_row[b * n_features + i] = by_feature[i * block_ + b];
      }
    }
    if (to.into != nullptr) {
      multiply(Op::plain, Op::plain, hidden, n_features, block_, to.factor, d_hidden1, inputs, to.keep,
               to.into->w1.data());
    }
  }

  void one_output_backward(float* hidden2, const float* d_outputs, Destination to) {
    const auto add = [to](float& value, float gradient) { value = to.keep * value + to.factor * gradient; };
    if (to.into != nullptr) {
      float d_b3 = 0.0F;
      for (std::size_t b = 0; b < block_; ++b) d_b3 += d_outputs[b];
      add(to.into->b3[0], d_b3);
    }
    for (std::size_t i = 0; i < shape_.hidden; ++i) {
      float d_weight = 0.0F;
      float d_bias = 0.0F;
      sum_and_mask(hidden2 + i * block_, d_outputs, weights_.w3[i], d_weight, d_bias);
      if (to.into != nullptr) {
        add(to.into->w3[i], d_weight);
        add(to.into->b2[i], d_bias);
      }
    }
  }

  void many_outputs_backward(const float* hidden2, const float* d_outputs, Destination to) {
    const std::size_t hidden = shape_.hidden;
    const std::size_t n_outputs = shape_.n_outputs;
    const auto add = [to](float& value, float gradient) { value = to.keep * value + to.factor * gradient; };
    multiply(Op::transposed, Op::transposed, hidden, block_, n_outputs, 1.0F, weights_.w3.data(), d_outputs, 0.0F,
             d_hidden2_.data());
    if (to.into != nullptr) {
      for (std::size_t o = 0; o < n_outputs; ++o) {
        float sum = 0.0F;
        for (std::size_t b = 0; b < block_; ++b) sum += d_outputs[b * n_outputs + o];
        add(to.into->b3[o], sum);
      }
      multiply(Op::transposed, Op::transposed, n_outputs, hidden, block_, to.factor, d_outputs, hidden2, to.keep,
               to.into->w3.data());
    }
    for (std::size_t i = 0; i < hidden; ++i) {
      const float sum = mask_and_sum(hidden2 + i * block_, d_hidden2_.data() + i * block_);
      if (to.into != nullptr) add(to.into->b2[i], sum);
    }
  }

  // Sums over the batch keep kLanes partial sums, which compilers turn into vector additions; a plain sum has a
  // fixed order that they must not change. Values are loaded before they are chosen from: a load behind a condition
  // would be a branch, and these branches cannot be predicted.
  static constexpr std::size_t kLanes = 8;

  /// row <- weight d_logits where row > 0, else 0; d_weight = row . d_logits (old row), d_bias = sum of the new row.
  void sum_and_mask(float* row, const float* d_logits, float weight, float& d_weight, float& d_bias) const {
    float weight_lanes[kLanes] = {};
    float bias_lanes[kLanes] = {};
    std::size_t b = 0;
    for (; b + kLanes <= block_; b += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const float activation = row[b + lane];
        const float incoming = d_logits[b + lane];
        const float gradient = activation > 0.0F ? incoming : 0.0F;
        weight_lanes[lane] += activation * gradient;
        bias_lanes[lane] += gradient;
        row[b + lane] = weight * gradient;
      }
    }
    for (; b < block_; ++b) {
      const float gradient = row[b] > 0.0F ? d_logits[b] : 0.0F;
      weight_lanes[0] += row[b] * gradient;
      bias_lanes[0] += gradient;
      row[b] = weight * gradient;
    }
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      d_weight += weight_lanes[lane];
      d_bias += bias_lanes[lane];
    }
    d_bias *= weight;
  }

  /// gradient <- 0 where activation is 0; returns the sum of what is left.
  float mask_and_sum(const float* activation, float* gradient) const {
    float lanes[kLanes] = {};
    std::size_t b = 0;
    for (; b + kLanes <= block_; b += kLanes) {
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const float incoming = gradient[b + lane];
        const float kept = activation[b + lane] > 0.0F ? incoming : 0.0F;
        gradient[b + lane] = kept;
        lanes[lane] += kept;
      }
    }
    for (; b < block_; ++b) {
      gradient[b] = activation[b] > 0.0F ? gradient[b] : 0.0F;
      lanes[0] += gradient[b];
    }
    float sum = 0.0F;
    for (const float lane : lanes) sum += lane;
    return sum;
  }

  MlpShape shape_;
  std::size_t batch_, block_;
  Weights weights_, gradient_;  // the gradient has a size only where there are several blocks
  Array inputs_;                // [batch x n_features]
  Array hidden1_, hidden2_;     // [batch/block][hidden x block], after the ReLU
  Array outputs_;               // [batch x n_outputs]
  Array d_hidden1_;             // [hidden x block]
  Array d_hidden2_;             // [hidden x block], where there are several outputs
  Array d_inputs_;              // [n_features x block]
  Array d_outputs_;             // [batch x n_outputs]
};

}  // namespace

std::unique_ptr<MlpEngine<float>> make_onednn_engine(MlpShape shape, std::size_t batch, std::size_t block) {
  return std::make_unique<OnednnEngine>(shape, batch, block);
}

}  // namespace iclk::mlp_stats
