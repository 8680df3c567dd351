#pragma once

#include <cstddef>
#include <cstdint>

#include "sequence_kernels.hpp"

// Kernels of DeviceMinimalModel.

namespace iclk::device {

/// Attention of one minimal model.
struct MinimalHead {
  double beta, w;
  double lambda_w, lambda_beta;
};

/// Targets of the window's sequences before the MLP.
struct GatherTargets {
  SequenceWindow window;
  const float* targets;  // [slots][capacity][padded] of fresh items
  float* inputs;         // [slots][batch][padded]
  std::uint32_t padded;

  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t column) const {
    const float* target =
        window.fresh ? targets + window.sequence(row) * padded
                     : window.slot(row).items + std::size_t{window.row_items(row)[window.n_context()]} * padded;
    inputs[std::size_t{row} * padded + column] = target[column];
  }
};

/// The attention head on one sequence: A = sum_j a_j y_j and dA/dbeta.
struct HeadResult {
  double label, slope;
};

/// Attention of each row. Weights exp(beta (s - top)) relative to the dot product `top` that gets most so far.
struct AttendRows {
  struct State {
    float beta, top, total, label, dot, both;

    ICLK_HOST_DEVICE void add(float s, float y) { merge({beta, s, 1.0F, y, 0.0F, 0.0F}); }
    ICLK_HOST_DEVICE void merge(const State& other) {
      if (other.total == 0.0F) return;
      if (total == 0.0F) {
        *this = other;
        return;
      }
      const bool mine = beta > 0.0F ? top >= other.top : top <= other.top;
      const State& high = mine ? *this : other;
      const State& low = mine ? other : *this;
      const float shift = low.top - high.top;
      const float factor = expf(beta * shift);
      *this = {beta,
               high.top,
               high.total + factor * low.total,
               high.label + factor * low.label,
               high.dot + factor * (low.dot + shift * low.total),
               high.both + factor * (low.both + shift * low.label)};
    }
  };
  static constexpr std::uint32_t kLanes = 32;

  SequenceWindow window;
  const MinimalHead* heads;
  const float* dots;    // [slots][capacity][n_context] of fresh items: normals of variance 1/dim
  const float* inputs;  // [slots][batch][padded] the targets
  HeadResult* results;  // [slots][batch]
  bool attend_self;
  std::uint32_t padded, dim;

  ICLK_HOST_DEVICE const float* target(std::uint32_t row) const { return inputs + std::size_t{row} * padded; }
  ICLK_HOST_DEVICE float dot_with_target(std::uint32_t row, const float* x) const {
    const float* y = target(row);
    float sum = 0.0F;
    for (std::uint32_t d = 0; d < padded; ++d) sum += x[d] * y[d];
    return sum;
  }
  /// As the task puts it in for a copy of a fresh target.
  ICLK_HOST_DEVICE double square(std::uint32_t row) const {
    double sum = 0.0;
    for (std::uint32_t d = 0; d < dim; ++d) sum += static_cast<double>(target(row)[d]) * target(row)[d];
    return sum;
  }

  ICLK_HOST_DEVICE State partial(std::uint32_t row, std::uint32_t lane) const {
    const std::uint32_t n = window.n_context();
    const float* row_dots = dots + window.sequence(row) * n;
    const std::uint32_t* items = window.row_items(row);
    const std::int8_t* labels = window.row_labels(row);
    State state{static_cast<float>(heads[row / window.batch].beta), 0.0F, 0.0F, 0.0F, 0.0F, 0.0F};
    const double norm_squared = window.fresh ? square(row) : 0.0;
    const float norm = static_cast<float>(sqrt(norm_squared));
    for (std::uint32_t j = lane; j < n; j += kLanes) {
      float s = 0.0F;
      if (!window.fresh) {
        s = dot_with_target(row, window.slot(row).items + std::size_t{items[j]} * padded);
      } else {
        s = items[j] == items[n] ? static_cast<float>(norm_squared) : norm * row_dots[j];
      }
      state.add(s, static_cast<float>(labels[j]));
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t row, const State& sums) const {
    State state = sums;
    if (attend_self)
      state.add(window.fresh ? static_cast<float>(square(row)) : dot_with_target(row, target(row)), 0.0F);
    const double total = state.total, label = state.label / total;
    results[row] = {label, state.both / total - label * (state.dot / total)};
  }
};

/// Loss and its gradients, and the steps of beta and w. One group per slot, its lanes share the batch.
struct MinimalLoss {
  struct State {
    double loss, d_w, d_beta;
    ICLK_HOST_DEVICE void merge(const State& other) {
      loss += other.loss;
      d_w += other.d_w;
      d_beta += other.d_beta;
    }
  };
  static constexpr std::uint32_t kLanes = 64;

  SequenceWindow window;
  MinimalHead* heads;
  const HeadResult* results;  // [slots][batch]
  const float* logits;        // [slots][batch]
  float* d_logits;            // [slots][batch]
  double* loss_sums;          // [slots]
  double lr;

  ICLK_HOST_DEVICE State partial(std::uint32_t slot, std::uint32_t lane) const {
    const double w = heads[slot].w;
    State state{0.0, 0.0, 0.0};
    for (std::uint32_t b = lane; b < window.batch; b += kLanes) {
      const std::uint32_t row = slot * window.batch + b;
      const double label = window.target_label(row);
      const double signed_logit = label * (static_cast<double>(logits[row]) + w * results[row].label);
      state.loss += softplus(-signed_logit);
      const double d_logit = -label * sigmoid(-signed_logit) / static_cast<double>(window.batch);
      d_logits[row] = static_cast<float>(d_logit);
      state.d_w += d_logit * results[row].label;
      state.d_beta += d_logit * w * results[row].slope;
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t slot, const State& state) const {
    MinimalHead& head = heads[slot];
    loss_sums[slot] += state.loss / static_cast<double>(window.batch);
    head.w -= lr * (state.d_w + head.lambda_w * head.w);
    head.beta -= lr * (state.d_beta + head.lambda_beta * head.beta);
  }
};

/// The logit of a row: what the MLP says of the target and w times the head's label.
struct MinimalTotal {
  const MinimalHead* heads;   // [slots]
  const HeadResult* results;  // [slots][batch]
  const float* logits;        // [slots][batch]

  ICLK_HOST_DEVICE double operator()(std::uint32_t slot, std::uint32_t row) const {
    return static_cast<double>(logits[row]) + heads[slot].w * results[row].label;
  }
};

}  // namespace iclk::device
