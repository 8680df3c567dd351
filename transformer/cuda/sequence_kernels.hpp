#pragma once

#include <cstddef>
#include <cstdint>

#include "device_normals.hpp"
#include "order_sums.hpp"
#include "sequence_rules.hpp"

// Sequences on the device, for every model. They are drawn in streams: `per_stream` sequences from each of the streams
// first, first + 1, ... of a purpose. Sequence q of a slot is number q % per_stream of its stream q / per_stream.

namespace iclk::device {

inline constexpr std::uint32_t kTestChunk = 256;  ///< sequences of a stream of tests, as in simulation.cpp

/// What of TaskOptions decides how a sequence is composed.
struct DeviceTask {
  std::uint64_t n_context;
  transformer::ContextLabels context_labels;
  transformer::TargetRule target_rule;
  std::uint64_t copies;
};

/// What a slot holds beside its model.
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
  RandomPurpose normals;           // of which fresh items are made
  std::uint32_t n_streams;         // per slot
  std::uint32_t per_stream;        // sequences
  std::uint32_t n_sequences;       // per slot: the last stream may be shorter
  std::uint64_t streams_per_step;  // stream of slot: step * streams_per_step + first_stream + number
  std::uint64_t first_stream;
  std::uint32_t capacity;  // sequences of a slot's part of the arrays
  double copy_share;
  bool fresh;  // items

  ICLK_HOST_DEVICE std::uint64_t stream(const SequenceSlot& slot, std::uint32_t number) const {
    return slot.step * streams_per_step + first_stream + number;
  }
  /// Sequences of stream `number`.
  ICLK_HOST_DEVICE std::uint32_t n_in(std::uint32_t number) const {
    const std::uint32_t left = n_sequences - number * per_stream;
    return left < per_stream ? left : per_stream;
  }

  /// Stream `number` alone.
  StreamPlan only(std::uint32_t number) const {
    StreamPlan plan = *this;
    plan.n_streams = 1;
    plan.n_sequences = n_in(number);
    plan.first_stream = first_stream + number;
    return plan;
  }
};

/// Words of its stream that a sequence takes when no draw is rejected; 0: that depends on what is drawn.
inline std::uint32_t words_per_sequence(const DeviceTask& task, const StreamPlan& plan) {
  const auto n = static_cast<std::uint32_t>(task.n_context);
  const bool known_target = plan.fresh || task.target_rule == transformer::TargetRule::exemplar;
  if (plan.copy_share < 1.0 || task.copies > 1 || !known_target) return 0;
  if (task.context_labels == transformer::ContextLabels::random) return n + 1;
  const std::uint32_t coin = task.context_labels == transformer::ContextLabels::balanced_with_target ? 1 : 0;
  return coin + (plan.fresh ? 0 : n) + 1 + (n - 1);  // items of given labels, the target's place, the shuffle
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
  std::uint32_t n_words;  // words_per_sequence
  // [slots][capacity][n_context + 1] rows of the data set; fresh items are numbered along the stream
  std::uint32_t* items;
  std::int8_t* labels;  // the same

  ICLK_HOST_DEVICE void draw(std::uint32_t group, std::uint32_t i, StreamRng& rng,
                             transformer::FreshItems& fresh_items) const {
    const std::uint32_t slot_number = group / plan.n_streams, number = group % plan.n_streams;
    const SequenceSlot& slot = slots[slot_number];
    const std::size_t q = std::size_t{slot_number} * plan.capacity + std::size_t{number} * plan.per_stream + i;
    const std::size_t at = q * (task.n_context + 1);
    const bool copy = plan.copy_share >= 1.0 || rng.uniform() < plan.copy_share;
    if (plan.fresh) {
      transformer::compose(task, copy, fresh_items, rng, items + at, labels + at);
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
      transformer::FreshItems fresh_items{i * static_cast<std::uint32_t>(task.n_context)};
      draw(group, i, rng, fresh_items);
      if (rng.position() != (i + 1) * n_words) state.any_rejected = 1;
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t group, const State& state) const {
    if (state.any_rejected == 0) return;
    StreamRng rng = stream(group, 0);
    transformer::FreshItems fresh_items;
    for (std::uint32_t i = 0; i < plan.n_in(group % plan.n_streams); ++i) draw(group, i, rng, fresh_items);
  }
};

/// Normal numbers of which fresh items are made: `rows` rows of `width` for each sequence. Row: slot and stream; column:
/// block of the stream.
struct DrawNormals {
  const SequenceSlot* slots;
  StreamPlan plan;
  std::uint32_t streams_each, which;  // number i of the plan's streams draws from stream i * streams_each + which
  std::uint32_t rows, width, stride;
  float sd;
  float* out;  // [slots][slot_size], there [sequence][rows][stride]
  std::size_t slot_size;

  std::size_t n_blocks() const { return (std::size_t{plan.per_stream} * rows * width + 63) / 64 * 16; }
  ICLK_HOST_DEVICE void operator()(std::uint32_t row, std::uint32_t block) const {
    const std::uint32_t slot_number = row / plan.n_streams, number = row % plan.n_streams;
    const SequenceSlot& slot = slots[slot_number];
    const NormalBlock drawn =
        normal_block(slot.seed, plan.normals, plan.stream(slot, number) * streams_each + which, block, sd);
    float* to = out + slot_number * slot_size + std::size_t{number} * plan.per_stream * rows * stride;
    const std::size_t size = std::size_t{plan.n_in(number)} * rows * width;
    for (int i = 0; i < 4; ++i) {
      const auto place = static_cast<std::uint32_t>(drawn.places[i]);
      if (place < size) to[std::size_t{place / width} * stride + place % width] = drawn.values[i];
    }
  }
};

/// The drawn sequences that are before the models: numbers first ... end - 1 of each slot, one in each row of its batch; the
/// last one again where there are no more.
struct SequenceWindow {
  const SequenceSlot* slots;
  const std::uint32_t* items;  // [slots][capacity][row_size], the target last
  const std::int8_t* labels;   // the same
  std::uint32_t first, end, capacity, row_size, batch;
  bool fresh;

  ICLK_HOST_DEVICE std::uint32_t n_context() const { return row_size - 1; }
  ICLK_HOST_DEVICE const SequenceSlot& slot(std::uint32_t row) const { return slots[row / batch]; }
  /// Where the row's sequence begins in items and labels, in sequences.
  ICLK_HOST_DEVICE std::size_t sequence(std::uint32_t row) const {
    const std::uint32_t wanted = first + row % batch;
    return std::size_t{row / batch} * capacity + (wanted < end ? wanted : end - 1);
  }
  ICLK_HOST_DEVICE const std::uint32_t* row_items(std::uint32_t row) const { return items + sequence(row) * row_size; }
  ICLK_HOST_DEVICE const std::int8_t* row_labels(std::uint32_t row) const { return labels + sequence(row) * row_size; }
  ICLK_HOST_DEVICE double target_label(std::uint32_t row) const { return row_labels(row)[row_size - 1]; }
  /// Sequences of a slot in the window.
  ICLK_HOST_DEVICE std::uint32_t count() const { return end - first < batch ? end - first : batch; }
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

/// Adds the window's sequences. Total: total(slot, row) is a row's logit. One group per slot.
template <class Total>
struct AddTestSums {
  using State = TestSums;
  static constexpr std::uint32_t kLanes = 32;

  SequenceWindow window;
  Total total;
  const float* memory_logits;  // [slots][batch] of the MLP alone; nullptr: not asked for
  TestSums* sums;              // [slots]

  ICLK_HOST_DEVICE State partial(std::uint32_t slot, std::uint32_t lane) const {
    State state;
    state.clear();
    for (std::uint32_t b = lane; b < window.count(); b += kLanes) {
      const std::uint32_t row = slot * window.batch + b;
      const double label = window.target_label(row);
      const double signed_logit = label * total(slot, row);
      state.loss += softplus(-signed_logit);
      state.right += signed_logit > 0 ? 1.0 : signed_logit < 0 ? 0.0 : 0.5;
      state.n += 1.0;
      if (memory_logits != nullptr) state.memory.add(label * static_cast<double>(memory_logits[row]));
    }
    return state;
  }
  ICLK_HOST_DEVICE void finish(std::uint32_t slot, const State& state) const { sums[slot].merge(state); }
};

}  // namespace iclk::device
