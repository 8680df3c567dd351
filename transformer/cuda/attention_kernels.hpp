#pragma once

#include <cstddef>
#include <cstdint>

#include "network_kernels.hpp"
#include "sequence_kernels.hpp"
#include "token_norm.hpp"

// Kernels of DeviceAttentionModel: TargetAttention of ../src with the same letters. A row is one sequence of one slot, a
// vector has E = dim + 2 features (the labels last) and zeros up to `padded`; T = n_context + 1.

namespace iclk::device {

/// Items of the window's sequences and where their tokens are.
struct TokenRows {
  SequenceWindow window;
  const float* fresh;      // [slots][fresh_size] fresh items, where the window's are
  std::size_t fresh_size;  // floats
  std::uint32_t dim, stride;
  std::uint32_t n_attended;  // tokens that the target attends to

  ICLK_HOST_DEVICE const float* item(std::uint32_t row, std::uint32_t j) const {
    const std::size_t number = window.row_items(row)[j];
    return (window.fresh ? fresh + row / window.batch * fresh_size : window.slot(row).items) + number * stride;
  }
  ICLK_HOST_DEVICE const float* target(std::uint32_t row) const { return item(row, window.n_context()); }
  /// +1 or -1 of an exemplar, 0 of the target.
  ICLK_HOST_DEVICE int label(std::uint32_t row, std::uint32_t j) const {
    return j < window.n_context() ? window.row_labels(row)[j] : 0;
  }
  /// Where token j of the row is in arrays [rows][T].
  ICLK_HOST_DEVICE std::size_t at(std::uint32_t row, std::uint32_t j) const {
    return std::size_t{row} * window.row_size + j;
  }
};

/// Feature `column` of a token before LayerNorm.
ICLK_HOST_DEVICE inline float token_feature(const float* item, int label, std::uint32_t dim, std::uint32_t column) {
  if (column < dim) return item[column];
  return label == (column == dim ? 1 : -1) ? 1.0F : 0.0F;
}

/// The target h = scale (token - shift), and t = g h + b.
struct NormTargets {
  TokenRows rows;
  const float *gain, *bias;  // [slots][padded]
  float *normed, *targets;   // [rows][padded]
  std::uint32_t padded;

  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t column) const {
    if (column >= rows.dim + 2) return;
    const float* item = rows.target(row);
    const transformer::TokenNorm<float> norm = transformer::target_norm<float>(item, rows.dim);
    const float h = norm.scale * (token_feature(item, 0, rows.dim, column) - norm.shift);
    const std::size_t feature = std::size_t{row / rows.window.batch} * padded + column;
    const std::size_t at = std::size_t{row} * padded + column;
    normed[at] = h;
    targets[at] = gain[feature] * h + bias[feature];
  }
};

/// Items first ... first + batch - 1 of each slot as targets before the MLP; the last one again where there are no more.
struct GatherTargetTokens {
  const SequenceSlot* slots;
  const float *gain, *bias;  // [slots][padded]
  float* inputs;             // [slots][batch][padded]
  std::uint32_t first, batch, dim, stride, padded;

  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t column) const {
    if (column >= dim + 2) return;
    const SequenceSlot& slot = slots[row / batch];
    const std::uint32_t wanted = first + row % batch;
    const float* item = slot.items + std::size_t{wanted < slot.n_items ? wanted : slot.n_items - 1} * stride;
    const transformer::TokenNorm<float> norm = transformer::target_norm<float>(item, dim);
    const std::size_t feature = std::size_t{row / batch} * padded + column;
    inputs[std::size_t{row} * padded + column] =
        gain[feature] * (norm.scale * (token_feature(item, 0, dim, column) - norm.shift)) + bias[feature];
  }
};

/// out = g in
struct ScaleByGain {
  const float* in;    // [rows][padded]
  const float* gain;  // [slots][padded]
  float* out;         // [rows][padded]
  std::uint32_t batch, padded;

  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t column) const {
    const std::size_t at = std::size_t{row} * padded + column;
    out[at] = gain[std::size_t{row / batch} * padded + column] * in[at];
  }
};

/// The largest score of a row, and 1 over the sum of the exponentials relative to it.
struct RowSoftmax {
  float top, inverse;
};

/// Scores direction . h_j of a row's tokens and LayerNorm's numbers.
struct ScoreTokens {
  struct State {
    float top, total;

    ICLK_HOST_DEVICE void merge(const State& other) {
      if (other.total == 0.0F) return;
      if (total == 0.0F) {
        *this = other;
      } else if (other.top > top) {
        *this = {other.top, total * expf(top - other.top) + other.total};
      } else {
        total += other.total * expf(other.top - top);  // NaN where either score is
      }
    }
  };
  static constexpr std::uint32_t kLanes = 32;

  TokenRows rows;
  const float* directions;          // [rows][padded] g r
  float *scores, *scales, *shifts;  // [rows][T]
  RowSoftmax* softmax;              // [rows]
  std::uint32_t padded;

  ICLK_HOST_DEVICE State partial(std::uint32_t row, std::uint32_t lane) const {
    const float* direction = directions + std::size_t{row} * padded;
    State state{0.0F, 0.0F};
    for (std::uint32_t j = lane; j < rows.n_attended; j += kLanes) {
      const float* item = rows.item(row, j);
      const int label = rows.label(row, j);
      float dot = 0.0F, along_ones = 0.0F, sum = 0.0F, square = 0.0F;
      for (std::uint32_t d = 0; d < rows.dim; ++d) {
        dot += direction[d] * item[d];
        along_ones += direction[d];
        sum += item[d];
        square += item[d] * item[d];
      }
      along_ones += direction[rows.dim] + direction[rows.dim + 1];
      if (label != 0) {
        dot += direction[label > 0 ? rows.dim : rows.dim + 1];
        sum += 1.0F;
        square += 1.0F;
      }
      const transformer::TokenNorm<float> norm = transformer::token_norm(sum, square, rows.dim + 2);
      const float score = norm.scale * (dot - norm.shift * along_ones);
      scores[rows.at(row, j)] = score;
      scales[rows.at(row, j)] = norm.scale;
      shifts[rows.at(row, j)] = norm.shift;
      state.merge({score, 1.0F});
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t row, const State& state) const {
    softmax[row] = {state.top, 1.0F / state.total};
  }
};

/// From scores to attention. Column: token.
struct WeighTokens {
  const RowSoftmax* softmax;  // [rows]
  float* weights;             // [rows][T] scores before
  std::uint32_t n_attended, row_size;

  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t j) const {
    float& weight = weights[std::size_t{row} * row_size + j];
    weight = j < n_attended ? expf(weight - softmax[row].top) * softmax[row].inverse : 0.0F;
  }
};

/// sum_j c_j h_j of one feature, c_j = coefficient(j).
template <class Coefficient>
ICLK_HOST_DEVICE inline float sum_of_tokens(const TokenRows& rows, const float* scales, const float* shifts,
                                            std::uint32_t row, std::uint32_t column, Coefficient coefficient) {
  float sum = 0.0F;
  for (std::uint32_t j = 0; j < rows.n_attended; ++j) {
    const std::size_t at = rows.at(row, j);
    const float feature = token_feature(rows.item(row, j), rows.label(row, j), rows.dim, column);
    sum += coefficient(at) * scales[at] * (feature - shifts[at]);
  }
  return sum;
}

/// The mean of the tokens under attention, before and after gain and bias; the MLP's input begins as the target.
struct MeanTokens {
  TokenRows rows;
  const float *weights, *scales, *shifts;  // [rows][T]
  const float *gain, *bias;                // [slots][padded]
  const float* targets;                    // [rows][padded]
  float *mean, *read, *inputs;             // [rows][padded]
  std::uint32_t padded;

  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t column) const {
    if (column >= rows.dim + 2) return;
    const float* a = weights;
    const float sum = sum_of_tokens(rows, scales, shifts, row, column, [a](std::size_t at) { return a[at]; });
    const std::size_t feature = std::size_t{row / rows.window.batch} * padded + column;
    const std::size_t at = std::size_t{row} * padded + column;
    mean[at] = sum;
    read[at] = gain[feature] * sum + bias[feature];
    inputs[at] = targets[at];
  }
};

/// d loss / d a_j = direction . h_j of a row's tokens, and its mean under attention.
struct PullTokens {
  using State = FloatSum;
  static constexpr std::uint32_t kLanes = 32;

  TokenRows rows;
  const float* directions;                 // [rows][padded] g d_read
  const float *weights, *scales, *shifts;  // [rows][T]
  float* pulls;                            // [rows][T]
  float* mean_pull;                        // [rows]
  std::uint32_t padded;

  ICLK_HOST_DEVICE State partial(std::uint32_t row, std::uint32_t lane) const {
    const float* direction = directions + std::size_t{row} * padded;
    State state{0.0F};
    for (std::uint32_t j = lane; j < rows.n_attended; j += kLanes) {
      const float* item = rows.item(row, j);
      const int label = rows.label(row, j);
      const std::size_t at = rows.at(row, j);
      const float shift = shifts[at];
      float pull = 0.0F;
      for (std::uint32_t d = 0; d < rows.dim; ++d) pull += direction[d] * (item[d] - shift);
      for (std::uint32_t i = rows.dim; i < rows.dim + 2; ++i) {
        pull += direction[i] * (token_feature(item, label, rows.dim, i) - shift);
      }
      pulls[at] = scales[at] * pull;
      state.value += weights[at] * pulls[at];
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t row, const State& state) const { mean_pull[row] = state.value; }
};

/// The way back through the scores, d loss / d score_j = a_j (pull_j - mean): d loss / d r, and what mean and r give to the
/// gradient of the gain.
struct PullBack {
  TokenRows rows;
  const float *weights, *scales, *shifts, *pulls;  // [rows][T]
  const float* mean_pull;                          // [rows]
  const float* gain;                               // [slots][padded]
  const float *mean, *along, *d_read;              // [rows][padded]
  float *d_along, *gain_parts;                     // [rows][padded]
  std::uint32_t padded;

  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t column) const {
    if (column >= rows.dim + 2) return;
    const float *a = weights, *pull = pulls;
    const float middle = mean_pull[row];
    const float sum = sum_of_tokens(rows, scales, shifts, row, column,
                                    [a, pull, middle](std::size_t at) { return a[at] * (pull[at] - middle); });
    const std::size_t at = std::size_t{row} * padded + column;
    gain_parts[at] = d_read[at] * mean[at] + along[at] * sum;
    d_along[at] = gain[std::size_t{row / rows.window.batch} * padded + column] * sum;
  }
};

/// SGD on LayerNorm's gain and bias. One group per slot and feature, its lanes share the batch.
struct NormGradient {
  struct State {
    float gain, bias;
    ICLK_HOST_DEVICE void merge(const State& other) {
      gain += other.gain;
      bias += other.bias;
    }
  };
  static constexpr std::uint32_t kLanes = 8;

  const float *gain_parts, *d_read, *d_targets, *normed;  // [rows][padded]
  float *gain, *bias;                                     // [slots][padded]
  std::uint32_t batch, padded;
  Step step;

  ICLK_HOST_DEVICE State partial(std::uint32_t group, std::uint32_t lane) const {
    const std::uint32_t slot = group / padded, column = group % padded;
    State state{0.0F, 0.0F};
    for (std::uint32_t b = lane; b < batch; b += kLanes) {
      const std::size_t at = (std::size_t{slot} * batch + b) * padded + column;
      state.gain += gain_parts[at] + d_targets[at] * normed[at];
      state.bias += d_read[at] + d_targets[at];
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t group, const State& state) const {
    step(gain[group], state.gain);
    step(bias[group], state.bias);
  }
};

/// SGD on a matrix whose gradient is there. Row: slot.
struct StepMatrix {
  float* parameters;      // [slots][size]
  const float* gradient;  // [slots][size]
  std::uint32_t size;
  Step step;

  ICLK_HOST_DEVICE void operator()(std::uint32_t slot, std::uint32_t i) const {
    step(parameters[std::size_t{slot} * size + i], gradient[std::size_t{slot} * size + i]);
  }
};

/// The loss and its gradient in the logits. One group per slot, its lanes share the batch.
struct LogitLoss {
  struct State {
    double loss;
    ICLK_HOST_DEVICE void merge(const State& other) { loss += other.loss; }
  };
  static constexpr std::uint32_t kLanes = 64;

  SequenceWindow window;
  const float* logits;  // [slots][batch]
  float* d_logits;      // [slots][batch]
  double* loss_sums;    // [slots]

  ICLK_HOST_DEVICE State partial(std::uint32_t slot, std::uint32_t lane) const {
    State state{0.0};
    for (std::uint32_t b = lane; b < window.batch; b += kLanes) {
      const std::uint32_t row = slot * window.batch + b;
      const double label = window.target_label(row);
      const double signed_logit = label * static_cast<double>(logits[row]);
      state.loss += softplus(-signed_logit);
      d_logits[row] = static_cast<float>(-label * sigmoid(-signed_logit) / static_cast<double>(window.batch));
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t slot, const State& state) const {
    loss_sums[slot] += state.loss / static_cast<double>(window.batch);
  }
};

}  // namespace iclk::device
