#pragma once

#include <cstddef>
#include <cstdint>

#include "device_random.hpp"
#include "order_sums.hpp"

// Kernels of DeviceMlpBatch around the network: drawing, gathering, loss, order parameters.

namespace iclk::device {

/// What a slot holds beside its network.
struct DataSlot {
  const float* items;         // [n_items x padded]
  const std::int8_t* labels;  // [n_items]
  std::uint64_t seed;
  std::uint64_t step;  // next SGD step to draw
  std::uint32_t n_items;
};

/// Items of the steps step ... step + n_steps - 1 of each slot, as BatchSampler of the trainer draws them: number b of a step
/// is word b of its stream, unless a word before it was rejected; then (once in 2^32/n_items draws, or never) one worker draws
/// all numbers of the step in turn. One group per slot and step.
struct DrawItems {
  struct State {
    int any_rejected;
    ICLK_HOST_DEVICE void merge(const State& other) { any_rejected |= other.any_rejected; }
  };
  static constexpr std::uint32_t kLanes = 32;

  const DataSlot* slots;
  std::uint32_t* items;  // [slots][steps_per_replay][batch]
  std::uint32_t n_steps, steps_per_replay, batch;

  ICLK_HOST_DEVICE std::uint32_t* row(std::uint32_t group) const {
    return items + (std::size_t{group / n_steps} * steps_per_replay + group % n_steps) * batch;
  }
  ICLK_HOST_DEVICE State partial(std::uint32_t group, std::uint32_t lane) const {
    const DataSlot& slot = slots[group / n_steps];
    const std::uint64_t step = slot.step + group % n_steps;
    State state{0};
    for (std::uint32_t block = lane; 4 * block < batch; block += kLanes) {
      const PhiloxBlock drawn = philox_block(slot.seed, RandomPurpose::batches, step, block);
      for (std::uint32_t i = 0; i < 4 && 4 * block + i < batch; ++i) {
        std::uint32_t number = 0;
        if (rejected(drawn.words[i], slot.n_items, number)) state.any_rejected = 1;
        row(group)[4 * block + i] = number;
      }
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t group, const State& state) const {
    if (state.any_rejected == 0) return;
    const DataSlot& slot = slots[group / n_steps];
    StreamRng rng(slot.seed, RandomPurpose::batches, slot.step + group % n_steps);
    for (std::uint32_t b = 0; b < batch; ++b) row(group)[b] = rng.below(slot.n_items);
  }
};

/// Rows of the data sets that step `step` of a replay asks for. Row: slot and place in the batch.
struct GatherItems {
  const DataSlot* slots;
  const std::uint32_t* items;  // [slots][steps_per_replay][batch]
  float* inputs;               // [slots][batch][padded]
  std::uint32_t step, steps_per_replay, batch, padded;

  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t column) const {
    const std::uint32_t slot = row / batch, b = row % batch;
    const std::uint32_t item = items[(std::size_t{slot} * steps_per_replay + step) * batch + b];
    inputs[std::size_t{row} * padded + column] = slots[slot].items[std::size_t{item} * padded + column];
  }
};

/// d loss/d z_b = -y_b sigma(-y_b z_b) / B
struct LossGradient {
  const DataSlot* slots;
  const std::uint32_t* items;  // [slots][steps_per_replay][batch]
  const float* logits;         // [slots][batch]
  float* d_logits;             // [slots][batch]
  std::uint32_t step, steps_per_replay, batch;

  ICLK_HOST_DEVICE void operator()(std::uint32_t slot, std::uint32_t b) const {
    const std::uint32_t item = items[(std::size_t{slot} * steps_per_replay + step) * batch + b];
    const double label = slots[slot].labels[item];
    const std::size_t at = std::size_t{slot} * batch + b;
    d_logits[at] =
        static_cast<float>(-label * sigmoid(-label * static_cast<double>(logits[at])) / static_cast<double>(batch));
  }
};

}  // namespace iclk::device
