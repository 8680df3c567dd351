#pragma once

#include <cstddef>
#include <cstdint>

#include "sequence_kernels.hpp"

// Kernels with which DeviceAttentionModel takes its logits apart: AnsatzSplit of ../include.

namespace iclk::device {

/// to = from - without; `without` may be absent. Row: slot.
struct CopyArray {
  const float *from, *without;  // [slots][size]
  float* to;                    // [slots][size]
  std::uint32_t size;

  ICLK_HOST_DEVICE void operator()(std::uint32_t slot, std::uint32_t i) const {
    const std::size_t at = std::size_t{slot} * size + i;
    to[at] = without == nullptr ? from[at] : from[at] - without[at];
  }
};

struct ClearArray {
  float* values;  // [slots][size]
  std::uint32_t size;

  ICLK_HOST_DEVICE void operator()(std::uint32_t slot, std::uint32_t i) const {
    values[std::size_t{slot} * size + i] = 0.0F;
  }
};

/// The logit of a row that was kept.
struct KeptTotal {
  const float* logits;  // [slots][batch]
  ICLK_HOST_DEVICE double operator()(std::uint32_t, std::uint32_t row) const { return logits[row]; }
};

/// Sums of AnsatzSplit: of attention, and of squares of the logit's parts.
struct SplitSums {
  double copy, self, mlp, attention, residual, n;

  ICLK_HOST_DEVICE void clear() { copy = self = mlp = attention = residual = n = 0.0; }
  ICLK_HOST_DEVICE void merge(const SplitSums& other) {
    copy += other.copy;
    self += other.self;
    mlp += other.mlp;
    attention += other.attention;
    residual += other.residual;
    n += other.n;
  }
};

/// Adds the window's sequences. One group per slot.
struct AddSplitSums {
  using State = SplitSums;
  static constexpr std::uint32_t kLanes = 32;

  SequenceWindow window;
  const float* weights;                  // [rows][T]
  const float *total, *mlp, *attention;  // [slots][batch] logits of t + v, t and v
  const float* empty;                    // [slots][batch] of 0
  SplitSums* sums;                       // [slots]

  ICLK_HOST_DEVICE State partial(std::uint32_t slot, std::uint32_t lane) const {
    State state;
    state.clear();
    for (std::uint32_t b = lane; b < window.count(); b += kLanes) {
      const std::uint32_t row = slot * window.batch + b;
      const std::uint32_t* items = window.row_items(row);
      const float* a = weights + std::size_t{row} * window.row_size;
      for (std::uint32_t j = 0; j < window.n_context(); ++j) {
        if (items[j] == items[window.n_context()]) state.copy += static_cast<double>(a[j]);
      }
      const double of_mlp = mlp[row], of_attention = static_cast<double>(attention[row]) - empty[row];
      const double rest = total[row] - of_mlp - of_attention;
      state.self += static_cast<double>(a[window.n_context()]);
      state.mlp += of_mlp * of_mlp;
      state.attention += of_attention * of_attention;
      state.residual += rest * rest;
      state.n += 1.0;
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t slot, const State& state) const { sums[slot].merge(state); }
};

}  // namespace iclk::device
