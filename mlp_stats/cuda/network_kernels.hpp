#pragma once

#include <cstdint>

#include "host_device.hpp"

// What the kernels of BatchedNetwork compute. Activations are [slot][batch][hidden], the weights of a slot as in
// MlpParameters; a row is one item of one slot.

namespace iclk::device {

/// Sum of one number, as the state of a reduction.
struct FloatSum {
  float value;
  ICLK_HOST_DEVICE void merge(const FloatSum& other) { value += other.value; }
};

/// Items first ... first + batch - 1 of each slot before its network; the last one again where there are no more. A Slot
/// has `items` [n_items x padded].
template <class Slot>
struct GatherChunk {
  const Slot* slots;
  float* inputs;  // [slots][batch][padded]
  std::uint32_t first, batch, padded;

  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t column) const {
    const Slot& slot = slots[row / batch];
    const std::uint32_t wanted = first + row % batch;
    const std::uint32_t item = wanted < slot.n_items ? wanted : slot.n_items - 1;
    inputs[std::size_t{row} * padded + column] = slot.items[std::size_t{item} * padded + column];
  }
};

/// The next step to draw, of each slot.
template <class Slot>
struct AdvanceStep {
  Slot* slots;
  std::uint32_t n_steps;
  ICLK_HOST_DEVICE void operator()(std::uint32_t, std::uint32_t slot) const { slots[slot].step += n_steps; }
};

/// hidden <- relu(hidden + bias)
struct AddBiasRelu {
  float* hidden;      // [rows x width]
  const float* bias;  // [slots x width]
  std::uint32_t width, batch;

  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t column) const {
    float& value = hidden[std::size_t{row} * width + column];
    const float sum = value + bias[std::size_t{row / batch} * width + column];
    value = sum > 0.0F || sum != sum ? sum : 0.0F;  // NaN stays: a diverged run must be seen
  }
};

/// hidden <- relu(hidden + bias) of the second layer, logit = w3 . hidden + b3. One group per row.
struct Readout {
  using State = FloatSum;
  static constexpr std::uint32_t kLanes = 32;

  float* hidden;      // [rows x width]
  const float* bias;  // [slots x width]
  const float* w3;    // [slots x width]
  const float* b3;    // [slots]
  float* logits;      // [rows]
  std::uint32_t width, batch;

  ICLK_HOST_DEVICE State partial(std::uint32_t row, std::uint32_t lane) const {
    const std::size_t slot = row / batch;
    State state{0.0F};
    for (std::uint32_t h = lane; h < width; h += kLanes) {
      float& value = hidden[std::size_t{row} * width + h];
      const float sum = value + bias[slot * width + h];
      value = sum > 0.0F || sum != sum ? sum : 0.0F;
      state.value += value * w3[slot * width + h];
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t row, const State& state) const {
    logits[row] = state.value + b3[row / batch];
  }
};

/// SGD on one parameter: p <- p - lr (gradient + decay p)
struct Step {
  float lr, decay;
  ICLK_HOST_DEVICE void operator()(float& parameter, float gradient) const {
    parameter -= lr * (gradient + decay * parameter);
  }
};

/// The way back through the read-out: d_hidden = d_logit w3 where hidden > 0; b2, w3 and b3 take their steps. One group per
/// slot and hidden unit, its lanes share the batch.
struct ReadoutGradient {
  struct State {
    float w3, b2, b3;
    ICLK_HOST_DEVICE void merge(const State& other) {
      w3 += other.w3;
      b2 += other.b2;
      b3 += other.b3;
    }
  };
  static constexpr std::uint32_t kLanes = 8;

  const float* hidden;    // [rows x width]
  const float* d_logits;  // [rows]
  float* d_hidden;        // [rows x width]
  float *w3, *b2, *b3;    // [slots x width] [slots x width] [slots]
  std::uint32_t width, batch;
  Step step;

  ICLK_HOST_DEVICE State partial(std::uint32_t group, std::uint32_t lane) const {
    const std::uint32_t slot = group / width, h = group % width;
    const float weight = w3[group];
    State state{0.0F, 0.0F, 0.0F};
    for (std::uint32_t b = lane; b < batch; b += kLanes) {
      const std::size_t row = std::size_t{slot} * batch + b;
      const float value = hidden[row * width + h];
      const float d_logit = d_logits[row];
      const float d_value = value > 0.0F ? d_logit * weight : 0.0F;
      d_hidden[row * width + h] = d_value;
      state.w3 += d_logit * value;
      state.b2 += d_value;
      state.b3 += d_logit;
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t group, const State& state) const {
    step(w3[group], state.w3);
    step(b2[group], state.b2);
    if (group % width == 0) step(b3[group / width], state.b3);
  }
};

/// The way back through the first ReLU: d_hidden is masked in place, b1 takes its step.
struct HiddenGradient {
  using State = FloatSum;
  static constexpr std::uint32_t kLanes = 8;

  const float* hidden;  // [rows x width]
  float* d_hidden;      // [rows x width]
  float* b1;            // [slots x width]
  std::uint32_t width, batch;
  Step step;

  ICLK_HOST_DEVICE State partial(std::uint32_t group, std::uint32_t lane) const {
    const std::uint32_t slot = group / width, h = group % width;
    State state{0.0F};
    for (std::uint32_t b = lane; b < batch; b += kLanes) {
      const std::size_t at = (std::size_t{slot} * batch + b) * width + h;
      const float d_value = hidden[at] > 0.0F ? d_hidden[at] : 0.0F;
      d_hidden[at] = d_value;
      state.value += d_value;
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t group, const State& state) const { step(b1[group], state.value); }
};

}  // namespace iclk::device
