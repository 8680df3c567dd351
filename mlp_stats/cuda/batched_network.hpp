#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "iclk/mlp_stats/mlp_engine.hpp"
#include "network_kernels.hpp"
#include "space.hpp"

namespace iclk::device {

/// Many networks of mlp.hpp with one output, each in a slot: MlpEngine for all of them at once. Who uses it fills inputs
/// and, between forward() and backward(), d_logits.
///
/// Rows of the inputs and of W1 are padded with zeros to a multiple of 8 numbers, which matrix units want; the padding
/// of W1 stays zero since its gradient is.
template <class Space>
class BatchedNetwork {
  template <class T>
  using Array = typename Space::template Array<T>;

 public:
  BatchedNetwork(Space& space, mlp_stats::MlpShape shape, std::size_t batch, std::size_t capacity)
      : shape_(shape),
        padded_((shape.n_features + 7) / 8 * 8),
        batch_(batch),
        w1_(space, capacity * shape.hidden * padded_),
        b1_(space, capacity * shape.hidden),
        w2_(space, capacity * shape.hidden * shape.hidden),
        b2_(space, capacity * shape.hidden),
        w3_(space, capacity * shape.hidden),
        b3_(space, capacity),
        inputs_(space, capacity * batch * padded_),
        hidden1_(space, capacity * batch * shape.hidden),
        hidden2_(space, capacity * batch * shape.hidden),
        logits_(space, capacity * batch),
        d_hidden1_(space, capacity * batch * shape.hidden),
        d_hidden2_(space, capacity * batch * shape.hidden),
        d_logits_(space, capacity * batch) {}

  std::size_t padded_features() const noexcept { return padded_; }
  float* inputs() noexcept { return inputs_.data(); }              ///< [capacity][batch][padded_features]
  const float* logits() const noexcept { return logits_.data(); }  ///< [capacity][batch]
  float* d_logits() noexcept { return d_logits_.data(); }          ///< [capacity][batch]
  const Array<float>& logit_array() const noexcept { return logits_; }

  void upload(Space& space, std::size_t slot, const mlp_stats::MlpParameters& parameters) {
    std::vector<double> w1(shape_.hidden * padded_);
    for (std::size_t h = 0; h < shape_.hidden; ++h) {
      std::copy_n(parameters.w1.data() + h * shape_.n_features, shape_.n_features, w1.data() + h * padded_);
    }
    put(space, w1_, slot, w1);
    put(space, b1_, slot, parameters.b1);
    put(space, w2_, slot, parameters.w2);
    put(space, b2_, slot, parameters.b2);
    put(space, w3_, slot, parameters.w3);
    put(space, b3_, slot, parameters.b3);
  }

  mlp_stats::MlpParameters download(const Space& space, std::size_t slot) const {
    mlp_stats::MlpParameters parameters(shape_);
    std::vector<double> w1(shape_.hidden * padded_);
    get(space, w1_, slot, w1);
    for (std::size_t h = 0; h < shape_.hidden; ++h) {
      std::copy_n(w1.data() + h * padded_, shape_.n_features, parameters.w1.data() + h * shape_.n_features);
    }
    get(space, b1_, slot, parameters.b1);
    get(space, w2_, slot, parameters.w2);
    get(space, b2_, slot, parameters.b2);
    get(space, w3_, slot, parameters.w3);
    get(space, b3_, slot, parameters.b3);
    return parameters;
  }

  void move(Space& space, std::size_t from, std::size_t to) {
    const auto move_part = [&](Array<float>& array, std::size_t size) {
      space.copy(array, from * size, to * size, size);
    };
    move_part(w1_, shape_.hidden * padded_);
    move_part(b1_, shape_.hidden);
    move_part(w2_, shape_.hidden * shape_.hidden);
    move_part(b2_, shape_.hidden);
    move_part(w3_, shape_.hidden);
    move_part(b3_, 1);
  }

  /// Logits of the inputs of slots first ... first + n - 1.
  void forward(Space& space, std::size_t first, std::size_t n) {
    const std::size_t hidden = shape_.hidden;
    const auto width = static_cast<std::uint32_t>(hidden), batch = static_cast<std::uint32_t>(batch_);
    const std::size_t layer = batch_ * hidden, w1_size = hidden * padded_, w2_size = hidden * hidden;
    float* h1 = hidden1_.data() + first * layer;
    float* h2 = hidden2_.data() + first * layer;
    space.product({.transpose_a = true,
                   .transpose_b = false,
                   .m = hidden,
                   .n = batch_,
                   .k = padded_,
                   .alpha = 1.0F,
                   .a = w1_.data() + first * w1_size,
                   .a_rows = padded_,
                   .a_stride = w1_size,
                   .b = inputs_.data() + first * batch_ * padded_,
                   .b_rows = padded_,
                   .b_stride = batch_ * padded_,
                   .beta = 0.0F,
                   .c = h1,
                   .c_rows = hidden,
                   .c_stride = layer,
                   .n_batches = n});
    space.for_each(n * batch_, hidden,
                   AddBiasRelu{.hidden = h1, .bias = b1_.data() + first * hidden, .width = width, .batch = batch});
    space.product({.transpose_a = true,
                   .transpose_b = false,
                   .m = hidden,
                   .n = batch_,
                   .k = hidden,
                   .alpha = 1.0F,
                   .a = w2_.data() + first * w2_size,
                   .a_rows = hidden,
                   .a_stride = w2_size,
                   .b = h1,
                   .b_rows = hidden,
                   .b_stride = layer,
                   .beta = 0.0F,
                   .c = h2,
                   .c_rows = hidden,
                   .c_stride = layer,
                   .n_batches = n});
    space.template reduce<Readout::kLanes, Along::lanes>(n * batch_, Readout{.hidden = h2,
                                                                             .bias = b2_.data() + first * hidden,
                                                                             .w3 = w3_.data() + first * hidden,
                                                                             .b3 = b3_.data() + first,
                                                                             .logits = logits_.data() + first * batch_,
                                                                             .width = width,
                                                                             .batch = batch});
  }

  /// The way back and the update, of slots 0 ... n - 1. Gradients of matrices are summed into the weights directly,
  /// W <- (1 - lr decay) W - lr dZ A^T: no gradient array is written or read. `d_inputs` [slots][batch][padded_features]
  /// receives d loss / d inputs at the weights before the update; nullptr: not wanted.
  void backward(Space& space, std::size_t n, const mlp_stats::SgdOptions& sgd, float* d_inputs = nullptr) {
    const std::size_t hidden = shape_.hidden;
    const auto width = static_cast<std::uint32_t>(hidden), batch = static_cast<std::uint32_t>(batch_);
    const std::size_t layer = batch_ * hidden, w1_size = hidden * padded_, w2_size = hidden * hidden;
    const Step step{.lr = static_cast<float>(sgd.lr), .decay = static_cast<float>(sgd.weight_decay)};
    const auto keep = static_cast<float>(1.0 - sgd.lr * sgd.weight_decay);
    space.template reduce<ReadoutGradient::kLanes, Along::groups>(n * hidden,
                                                                  ReadoutGradient{.hidden = hidden2_.data(),
                                                                                  .d_logits = d_logits_.data(),
                                                                                  .d_hidden = d_hidden2_.data(),
                                                                                  .w3 = w3_.data(),
                                                                                  .b2 = b2_.data(),
                                                                                  .b3 = b3_.data(),
                                                                                  .width = width,
                                                                                  .batch = batch,
                                                                                  .step = step});
    // The first layer's gradient needs W2 as it was.
    space.product({.transpose_a = false,
                   .transpose_b = false,
                   .m = hidden,
                   .n = batch_,
                   .k = hidden,
                   .alpha = 1.0F,
                   .a = w2_.data(),
                   .a_rows = hidden,
                   .a_stride = w2_size,
                   .b = d_hidden2_.data(),
                   .b_rows = hidden,
                   .b_stride = layer,
                   .beta = 0.0F,
                   .c = d_hidden1_.data(),
                   .c_rows = hidden,
                   .c_stride = layer,
                   .n_batches = n});
    space.product({.transpose_a = false,
                   .transpose_b = true,
                   .m = hidden,
                   .n = hidden,
                   .k = batch_,
                   .alpha = -step.lr,
                   .a = hidden1_.data(),
                   .a_rows = hidden,
                   .a_stride = layer,
                   .b = d_hidden2_.data(),
                   .b_rows = hidden,
                   .b_stride = layer,
                   .beta = keep,
                   .c = w2_.data(),
                   .c_rows = hidden,
                   .c_stride = w2_size,
                   .n_batches = n});
    space.template reduce<HiddenGradient::kLanes, Along::groups>(n * hidden,
                                                                 HiddenGradient{.hidden = hidden1_.data(),
                                                                                .d_hidden = d_hidden1_.data(),
                                                                                .b1 = b1_.data(),
                                                                                .width = width,
                                                                                .batch = batch,
                                                                                .step = step});
    if (d_inputs != nullptr) {
      space.product({.transpose_a = false,
                     .transpose_b = false,
                     .m = padded_,
                     .n = batch_,
                     .k = hidden,
                     .alpha = 1.0F,
                     .a = w1_.data(),
                     .a_rows = padded_,
                     .a_stride = w1_size,
                     .b = d_hidden1_.data(),
                     .b_rows = hidden,
                     .b_stride = layer,
                     .beta = 0.0F,
                     .c = d_inputs,
                     .c_rows = padded_,
                     .c_stride = batch_ * padded_,
                     .n_batches = n});
    }
    space.product({.transpose_a = false,
                   .transpose_b = true,
                   .m = padded_,
                   .n = hidden,
                   .k = batch_,
                   .alpha = -step.lr,
                   .a = inputs_.data(),
                   .a_rows = padded_,
                   .a_stride = batch_ * padded_,
                   .b = d_hidden1_.data(),
                   .b_rows = hidden,
                   .b_stride = layer,
                   .beta = keep,
                   .c = w1_.data(),
                   .c_rows = padded_,
                   .c_stride = w1_size,
                   .n_batches = n});
  }

 private:
  static void put(Space& space, Array<float>& array, std::size_t slot, const std::vector<double>& values) {
    const std::vector<float> floats(values.begin(), values.end());
    space.put(array, slot * floats.size(), std::span<const float>(floats));
  }
  static void get(const Space& space, const Array<float>& array, std::size_t slot, std::vector<double>& values) {
    std::vector<float> floats(values.size());
    space.get(array, slot * floats.size(), std::span<float>(floats));
    std::copy(floats.begin(), floats.end(), values.begin());
  }

  mlp_stats::MlpShape shape_;
  std::size_t padded_, batch_;
  Array<float> w1_;                      // [capacity][hidden][padded]
  Array<float> b1_, w2_, b2_, w3_, b3_;  // [capacity][...] as in MlpParameters
  Array<float> inputs_;                  // [capacity][batch][padded]
  Array<float> hidden1_, hidden2_;       // [capacity][batch][hidden], after the ReLU
  Array<float> logits_;                  // [capacity][batch]
  Array<float> d_hidden1_, d_hidden2_;   // [capacity][batch][hidden], d loss / d pre-activation
  Array<float> d_logits_;                // [capacity][batch]
};

}  // namespace iclk::device
