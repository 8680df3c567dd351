#pragma once

#include <cstddef>
#include <cstdint>

#include "device_normals.hpp"
#include "minimal_batch.hpp"
#include "order_sums.hpp"
#include "sequence_rules.hpp"

// Kernels of DeviceMinimalBatch. Sequences are drawn in streams: `per_stream` sequences from each of the streams
// first, first + 1, ... of a purpose. Sequence q of a slot is number q % per_stream of its stream q / per_stream.

namespace iclk::device {

using transformer::MinimalHead;

/// What of TaskOptions decides how a sequence is composed.
struct DeviceTask {
  std::uint64_t n_context;
  transformer::ContextLabels context_labels;
  transformer::TargetRule target_rule;
  std::uint64_t copies;
};

/// What a slot holds beside its network and head.
struct SequenceSlot {
  const float* items;             // [n_items x padded], none where K is infinite
  const std::int8_t* labels;      // [n_items]
  const std::uint32_t* by_label;  // [n_items] items of label +1, then those of -1
  std::uint64_t seed;
  std::uint64_t step;  // next SGD step to draw
  std::uint32_t n_items, n_positive;
};

/// KnownItems of sequence_rules.hpp with equal frequencies, on the card.
struct DeviceItems {
  static constexpr bool kRecur = true;

  const std::int8_t* labels;
  const std::uint32_t* by_label;
  std::uint32_t n_items, n_positive;

  ICLK_HOST_DEVICE transformer::Pick draw(StreamRng& rng, int label) const {
    std::uint32_t item = 0;
    if (label == 0) {
      item = rng.below(n_items);
    } else if (label > 0) {
      item = by_label[rng.below(n_positive)];
    } else {
      item = by_label[n_positive + rng.below(n_items - n_positive)];
    }
    return {item, labels[item]};
  }
};

/// Which streams are drawn.
struct StreamPlan {
  RandomPurpose sequences;         // composition
  RandomPurpose normals;           // targets (stream 2 i) and dot products (stream 2 i + 1) of fresh items
  std::uint32_t n_streams;         // per slot
  std::uint32_t per_stream;        // sequences
  std::uint32_t n_sequences;       // per slot: the last stream may be shorter
  std::uint64_t streams_per_step;  // stream of slot: step * streams_per_step + first_stream + number
  std::uint64_t first_stream;
  std::uint32_t capacity;  // sequences of a slot's part of the arrays
  double copy_share;

  ICLK_HOST_DEVICE std::uint64_t stream(const SequenceSlot& slot, std::uint32_t number) const {
    return slot.step * streams_per_step + first_stream + number;
  }
  ICLK_HOST_DEVICE std::uint32_t n_in(std::uint32_t number) const {
    const std::uint32_t left = n_sequences - number * per_stream;
    return left < per_stream ? left : per_stream;
  }
};

/// Words of its stream that a sequence takes when no draw is rejected; 0: that depends on what is drawn.
inline std::uint32_t words_per_sequence(const DeviceTask& task, bool fresh, double copy_share) {
  const auto n = static_cast<std::uint32_t>(task.n_context);
  const bool known_target = fresh || task.target_rule == transformer::TargetRule::exemplar;
  if (copy_share < 1.0 || task.copies > 1 || !known_target) return 0;
  if (task.context_labels == transformer::ContextLabels::random) return n + 1;
  const std::uint32_t coin = task.context_labels == transformer::ContextLabels::balanced_with_target ? 1 : 0;
  return coin + (fresh ? 0 : n) + 1 + (n - 1);  // items of given labels, the target's place, the shuffle
}

/// Items and labels of sequences. The draws of a stream follow one another; where each sequence takes the same number of
/// words, workers begin at the words of their own sequences. If one took more (a rejected draw, once in 2^32/n draws), or
/// their number is not known, one worker draws the whole stream in turn. One group per slot and stream.
struct ComposeSequences {
  struct State {
    int any_rejected;
    ICLK_HOST_DEVICE void merge(const State& other) { any_rejected |= other.any_rejected; }
  };
  static constexpr std::uint32_t kLanes = 64;

  const SequenceSlot* slots;
  DeviceTask task;
  StreamPlan plan;
  bool fresh;
  std::uint32_t n_words;  // words_per_sequence
  std::uint32_t*
      items;            // [slots][capacity][n_context + 1] rows of the data set; of fresh items numbers in the sequence
  std::int8_t* labels;  // the same

  ICLK_HOST_DEVICE void draw(std::uint32_t group, std::uint32_t i, StreamRng& rng) const {
    const std::uint32_t slot_number = group / plan.n_streams, number = group % plan.n_streams;
    const SequenceSlot& slot = slots[slot_number];
    const std::size_t q = std::size_t{slot_number} * plan.capacity + std::size_t{number} * plan.per_stream + i;
    const std::size_t at = q * (task.n_context + 1);
    const bool copy = plan.copy_share >= 1.0 || rng.uniform() < plan.copy_share;
    if (fresh) {
      transformer::FreshItems source;
      transformer::compose(task, copy, source, rng, items + at, labels + at);
    } else {
      DeviceItems source{slot.labels, slot.by_label, slot.n_items, slot.n_positive};
      transformer::compose(task, copy, source, rng, items + at, labels + at);
    }
  }
  ICLK_HOST_DEVICE StreamRng stream(std::uint32_t group, std::uint32_t first_word) const {
    const SequenceSlot& slot = slots[group / plan.n_streams];
    return {slot.seed, plan.sequences, plan.stream(slot, group % plan.n_streams), first_word};
  }

  ICLK_HOST_DEVICE State partial(std::uint32_t group, std::uint32_t lane) const {
    if (n_words == 0) return {1};
    State state{0};
    for (std::uint32_t i = lane; i < plan.n_in(group % plan.n_streams); i += kLanes) {
      StreamRng rng = stream(group, i * n_words);
      draw(group, i, rng);
      if (rng.position() != (i + 1) * n_words) state.any_rejected = 1;
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t group, const State& state) const {
    if (state.any_rejected == 0) return;
    StreamRng rng = stream(group, 0);
    for (std::uint32_t i = 0; i < plan.n_in(group % plan.n_streams); ++i) draw(group, i, rng);
  }
};

/// Targets or dot products of fresh items before they are scaled. Row: slot and stream; column: block of the stream.
struct DrawNormals {
  const SequenceSlot* slots;
  StreamPlan plan;
  std::uint32_t which;  // 0: targets, 1: dot products
  std::uint32_t width;  // numbers per sequence
  std::uint32_t stride;
  float sd;
  float* out;  // [slots][capacity][stride]

  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t block) const {
    const std::uint32_t slot_number = row / plan.n_streams, number = row % plan.n_streams;
    const SequenceSlot& slot = slots[slot_number];
    const NormalBlock drawn = normal_block(slot.seed, plan.normals, 2 * plan.stream(slot, number) + which, block, sd);
    float* to = out + (std::size_t{slot_number} * plan.capacity + std::size_t{number} * plan.per_stream) * stride;
    const std::size_t size = std::size_t{plan.n_in(number)} * width;
    for (int i = 0; i < 4; ++i) {
      const auto place = static_cast<std::uint32_t>(drawn.places[i]);
      if (place < size) to[std::size_t{place / width} * stride + place % width] = drawn.values[i];
    }
  }
};

/// Targets of sequences first ... first + batch - 1 of each slot before the MLP; the last one again where there are no more.
struct GatherTargets {
  const SequenceSlot* slots;
  const std::uint32_t* items;  // of known items
  const float* targets;        // [slots][capacity][padded] of fresh ones
  float* inputs;               // [slots][batch][padded]
  bool fresh;
  std::uint32_t first, n_sequences, capacity, row_size, batch, padded;

  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t column) const {
    const std::uint32_t slot = row / batch, wanted = first + row % batch;
    const std::size_t q = std::size_t{slot} * capacity + (wanted < n_sequences ? wanted : n_sequences - 1);
    const float* target =
        fresh ? targets + q * padded : slots[slot].items + std::size_t{items[q * row_size + row_size - 1]} * padded;
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

  const SequenceSlot* slots;
  const MinimalHead* heads;
  const std::uint32_t* items;  // [slots][capacity][row_size]
  const std::int8_t* labels;   // the same
  const float* dots;           // [slots][capacity][row_size - 1] of fresh items: normals of variance 1/dim
  const float* inputs;         // [slots][batch][padded] the targets
  HeadResult* results;         // [slots][batch]
  bool fresh, attend_self;
  std::uint32_t first, n_sequences, capacity, row_size, batch, padded, dim;

  ICLK_HOST_DEVICE std::size_t sequence(std::uint32_t row) const {
    const std::uint32_t wanted = first + row % batch;
    return std::size_t{row / batch} * capacity + (wanted < n_sequences ? wanted : n_sequences - 1);
  }
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
    const std::uint32_t n = row_size - 1;
    const std::size_t q = sequence(row);
    const std::uint32_t* row_items = items + q * row_size;
    const std::int8_t* row_labels = labels + q * row_size;
    State state{static_cast<float>(heads[row / batch].beta), 0.0F, 0.0F, 0.0F, 0.0F, 0.0F};
    const double norm_squared = fresh ? square(row) : 0.0;
    const float norm = static_cast<float>(sqrt(norm_squared));
    for (std::uint32_t j = lane; j < n; j += kLanes) {
      float s = 0.0F;
      if (!fresh) {
        s = dot_with_target(row, slots[row / batch].items + std::size_t{row_items[j]} * padded);
      } else {
        s = row_items[j] == row_items[n] ? static_cast<float>(norm_squared) : norm * dots[q * n + j];
      }
      state.add(s, static_cast<float>(row_labels[j]));
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t row, const State& sums) const {
    State state = sums;
    if (attend_self) state.add(fresh ? static_cast<float>(square(row)) : dot_with_target(row, target(row)), 0.0F);
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

  MinimalHead* heads;
  const HeadResult* results;  // [slots][batch]
  const std::int8_t* labels;  // [slots][capacity][row_size]
  const float* logits;        // [slots][batch]
  float* d_logits;            // [slots][batch]
  double lr;
  std::uint32_t first, capacity, row_size, batch;

  ICLK_HOST_DEVICE State partial(std::uint32_t slot, std::uint32_t lane) const {
    const double w = heads[slot].w;
    State state{0.0, 0.0, 0.0};
    for (std::uint32_t b = lane; b < batch; b += kLanes) {
      const std::size_t at = std::size_t{slot} * batch + b;
      const double label = labels[(std::size_t{slot} * capacity + first + b + 1) * row_size - 1];
      const double signed_logit = label * (static_cast<double>(logits[at]) + w * results[at].label);
      state.loss += softplus(-signed_logit);
      const double d_logit = -label * sigmoid(-signed_logit) / static_cast<double>(batch);
      d_logits[at] = static_cast<float>(d_logit);
      state.d_w += d_logit * results[at].label;
      state.d_beta += d_logit * w * results[at].slope;
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t slot, const State& state) const {
    MinimalHead& head = heads[slot];
    head.loss_sum += state.loss / static_cast<double>(batch);
    head.w -= lr * (state.d_w + head.lambda_w * head.w);
    head.beta -= lr * (state.d_beta + head.lambda_beta * head.beta);
  }
};

/// Loss and accuracy of a test, and the MLP's own order parameters on its targets.
struct TestSums {
  double loss, right, n;
  OrderSums memory;

  ICLK_HOST_DEVICE void clear() {
    loss = right = n = 0.0;
    memory.clear();
  }
  ICLK_HOST_DEVICE void merge(const TestSums& other) {
    loss += other.loss;
    right += other.right;
    n += other.n;
    memory.merge(other.memory);
  }
};

struct ClearTestSums {
  TestSums* sums;
  ICLK_HOST_DEVICE void operator()(std::uint32_t, std::uint32_t slot) const { sums[slot].clear(); }
};

/// Adds sequences first ... first + batch - 1. One group per slot.
struct AddTestSums {
  using State = TestSums;
  static constexpr std::uint32_t kLanes = 32;

  const MinimalHead* heads;
  const HeadResult* results;  // [slots][batch]
  const std::int8_t* labels;  // [slots][capacity][row_size]
  const float* logits;        // [slots][batch]
  TestSums* sums;             // [slots]
  std::uint32_t first, n_sequences, capacity, row_size, batch;

  ICLK_HOST_DEVICE State partial(std::uint32_t slot, std::uint32_t lane) const {
    State state;
    state.clear();
    for (std::uint32_t b = lane; b < batch && first + b < n_sequences; b += kLanes) {
      const std::size_t at = std::size_t{slot} * batch + b;
      const double label = labels[(std::size_t{slot} * capacity + first + b + 1) * row_size - 1];
      const double mlp = logits[at];
      const double total = label * (mlp + heads[slot].w * results[at].label);
      state.loss += softplus(-total);
      state.right += total > 0 ? 1.0 : total < 0 ? 0.0 : 0.5;
      state.n += 1.0;
      state.memory.add(label * mlp);
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t slot, const State& state) const { sums[slot].merge(state); }
};

struct AddMemorySums {
  using State = OrderSums;
  static constexpr std::uint32_t kLanes = 32;

  const SequenceSlot* slots;
  const float* logits;  // [slots][batch]
  OrderSums* sums;      // [slots]
  std::uint32_t first, n_memory, batch;

  ICLK_HOST_DEVICE State partial(std::uint32_t slot, std::uint32_t lane) const {
    State state;
    state.clear();
    const std::uint32_t n = slots[slot].n_items < n_memory ? slots[slot].n_items : n_memory;
    for (std::uint32_t b = lane; b < batch && first + b < n; b += kLanes) {
      state.add(static_cast<double>(slots[slot].labels[first + b]) *
                static_cast<double>(logits[std::size_t{slot} * batch + b]));
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t slot, const State& state) const { sums[slot].merge(state); }
};

struct ClearMemorySums {
  OrderSums* sums;
  ICLK_HOST_DEVICE void operator()(std::uint32_t, std::uint32_t slot) const { sums[slot].clear(); }
};

struct ClearLossSums {
  MinimalHead* heads;
  ICLK_HOST_DEVICE void operator()(std::uint32_t, std::uint32_t slot) const { heads[slot].loss_sum = 0.0; }
};

struct AdvanceSequenceStep {
  SequenceSlot* slots;
  std::uint32_t n_steps;
  ICLK_HOST_DEVICE void operator()(std::uint32_t, std::uint32_t slot) const { slots[slot].step += n_steps; }
};

}  // namespace iclk::device
