#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "batched_network.hpp"
#include "minimal_batch.hpp"
#include "minimal_kernels.hpp"

namespace iclk::device {

/// MinimalBatch in a space. Items, weights, sequences and tests stay in the space; what comes back are measurements, loss
/// sums and checkpoints.
template <class Space>
class DeviceMinimalBatch final : public transformer::MinimalBatch {
  template <class T>
  using Array = typename Space::template Array<T>;

 public:
  DeviceMinimalBatch(std::unique_ptr<Space> space, const transformer::MinimalBatchOptions& options)
      : space_(std::move(space)),
        options_(options),
        task_{.n_context = options.task.n_context,
              .context_labels = options.task.context_labels,
              .target_rule = options.task.target_rule,
              .copies = options.task.copies},
        fresh_(!options.task.n_items),
        batch_(static_cast<std::uint32_t>(options.batch)),
        dim_(static_cast<std::uint32_t>(options.task.dim)),
        row_size_(static_cast<std::uint32_t>(options.task.n_context + 1)),
        capacity_(std::max(kStepsPerReplay * batch_, kTestChunk)),
        network_(*space_, options.shape, options.batch, options.capacity),
        padded_(static_cast<std::uint32_t>(network_.padded_features())),
        host_slots_(options.capacity),
        data_(options.capacity),
        slots_(*space_, options.capacity),
        heads_(*space_, options.capacity),
        items_(*space_, options.capacity * capacity_ * row_size_),
        labels_(*space_, options.capacity * capacity_ * row_size_),
        targets_(*space_, options.capacity * capacity_ * padded_),
        dots_(*space_, options.capacity * capacity_ * (row_size_ - 1)),
        results_(*space_, options.capacity * options.batch),
        test_sums_(*space_, options.capacity),
        memory_sums_(*space_, options.capacity) {}

  void place(std::size_t slot, const mlp_stats::ItemDataset& dataset, std::uint64_t seed) override {
    SequenceSlot& host = host_slots_[slot];
    host = {};
    host.seed = seed;
    if (!fresh_) {
      const std::size_t n = dataset.n_items;
      std::vector<float> rows(n * padded_);
      for (std::size_t i = 0; i < n; ++i) {
        std::copy_n(dataset.features.data() + i * dim_, dim_, rows.data() + i * padded_);
      }
      std::vector<std::uint32_t> by_label;
      for (const int label : {1, -1}) {
        for (std::size_t i = 0; i < n; ++i) {
          if (dataset.labels[i] == label) by_label.push_back(static_cast<std::uint32_t>(i));
        }
        if (label > 0) host.n_positive = static_cast<std::uint32_t>(by_label.size());
      }
      Data& data = data_[slot];
      data.items = Array<float>(*space_, rows.size());
      data.labels = Array<std::int8_t>(*space_, n);
      data.by_label = Array<std::uint32_t>(*space_, n);
      space_->put(data.items, 0, std::span<const float>(rows));
      space_->put(data.labels, 0, std::span<const std::int8_t>(dataset.labels));
      space_->put(data.by_label, 0, std::span<const std::uint32_t>(by_label));
      host.items = data.items.data();
      host.labels = data.labels.data();
      host.by_label = data.by_label.data();
      host.n_items = static_cast<std::uint32_t>(n);
    }
    put_slot(slot);
  }

  void set(std::size_t slot, const mlp_stats::MlpParameters& network, const MinimalHead& head) override {
    network_.upload(*space_, slot, network);
    space_->put(heads_, slot, std::span<const MinimalHead>(&head, 1));
  }

  void seek(std::size_t slot, std::uint64_t step) override {
    host_slots_[slot].step = step;
    put_slot(slot);
  }

  void move(std::size_t from, std::size_t to) override {
    network_.move(*space_, from, to);
    space_->copy(heads_, from, to, 1);
    data_[to] = std::move(data_[from]);
    host_slots_[to] = host_slots_[from];
    put_slot(to);
  }

  mlp_stats::MlpParameters network(std::size_t slot) const override { return network_.download(*space_, slot); }

  std::vector<MinimalHead> heads(std::size_t first_slot, std::size_t n_slots) const override {
    std::vector<MinimalHead> heads(n_slots);
    space_->get(heads_, first_slot, std::span<MinimalHead>(heads));
    return heads;
  }

  void train(std::size_t n_slots, std::uint64_t n_steps) override {
    std::uint64_t left = n_steps;
    for (std::uint32_t steps = kStepsPerReplay; steps > 0; left %= steps, steps /= 2) {
      space_->replay(n_slots * 2 * kStepsPerReplay + steps, left / steps,
                     [this, n_slots, steps] { launch_steps(n_slots, steps); });
    }
    for (std::size_t slot = 0; slot < n_slots; ++slot) host_slots_[slot].step += n_steps;
  }

  std::vector<transformer::MinimalMeasurement> measure(std::span<const std::size_t> slots) override {
    const auto [low, high] = std::minmax_element(slots.begin(), slots.end());
    const std::size_t first = *low, n = *high - *low + 1;
    const std::vector<TestSums> icl = test(first, n, true);
    std::vector<TestSums> iwl;
    std::vector<OrderSums> memory;
    if (!fresh_) {
      iwl = test(first, n, false);
      memory = measure_memory(first, n);
    }
    std::vector<transformer::MinimalMeasurement> measurements;
    for (const std::size_t slot : slots) {
      const std::size_t i = slot - first;
      transformer::MinimalMeasurement measurement{.icl_loss = icl[i].loss / icl[i].n,
                                                  .icl_accuracy = icl[i].right / icl[i].n,
                                                  .iwl_loss = {},
                                                  .iwl_accuracy = {},
                                                  .memory = order_parameters_of(fresh_ ? icl[i].memory : memory[i])};
      if (!fresh_) {
        measurement.iwl_loss = iwl[i].loss / iwl[i].n;
        measurement.iwl_accuracy = iwl[i].right / iwl[i].n;
      }
      measurements.push_back(measurement);
      space_->for_each(1, 1, ClearLossSums{.heads = heads_.data() + slot});
    }
    return measurements;
  }

 private:
  static constexpr std::uint32_t kStepsPerReplay = 32;  // steps whose sequences are drawn together, and launched as one
  static constexpr std::uint32_t kTestChunk = 256;      // sequences of a stream of tests, as in simulation.cpp

  struct Data {
    Array<float> items;
    Array<std::int8_t> labels;
    Array<std::uint32_t> by_label;
  };

  void put_slot(std::size_t slot) { space_->put(slots_, slot, std::span<const SequenceSlot>(&host_slots_[slot], 1)); }

  // The parts of slots first_slot, first_slot + 1, ... of the arrays.
  std::uint32_t* items_from(std::size_t slot) { return items_.data() + slot * capacity_ * row_size_; }
  std::int8_t* labels_from(std::size_t slot) { return labels_.data() + slot * capacity_ * row_size_; }
  float* targets_from(std::size_t slot) { return targets_.data() + slot * capacity_ * padded_; }
  float* dots_from(std::size_t slot) { return dots_.data() + slot * capacity_ * (row_size_ - 1); }
  float* inputs_from(std::size_t slot) { return network_.inputs() + slot * batch_ * padded_; }

  void draw(std::size_t first_slot, std::size_t n_slots, const StreamPlan& plan, bool fresh) {
    const SequenceSlot* slots = slots_.data() + first_slot;
    space_->template reduce<ComposeSequences::kLanes, Along::lanes>(
        n_slots * plan.n_streams, ComposeSequences{.slots = slots,
                                                   .task = task_,
                                                   .plan = plan,
                                                   .fresh = fresh,
                                                   .n_words = words_per_sequence(task_, fresh, plan.copy_share),
                                                   .items = items_from(first_slot),
                                                   .labels = labels_from(first_slot)});
    if (!fresh) return;
    const auto sd = static_cast<float>(1.0 / std::sqrt(static_cast<double>(dim_)));
    const auto normals = [&](std::uint32_t which, std::uint32_t width, std::uint32_t stride, float* out) {
      const std::size_t n_blocks = (std::size_t{plan.per_stream} * width + 63) / 64 * 16;
      space_->for_each(
          n_slots * plan.n_streams, n_blocks,
          DrawNormals{
              .slots = slots, .plan = plan, .which = which, .width = width, .stride = stride, .sd = sd, .out = out});
    };
    normals(0, dim_, padded_, targets_from(first_slot));
    normals(1, row_size_ - 1, row_size_ - 1, dots_from(first_slot));
  }

  /// Logits and attention of `batch` drawn sequences from number `first` on, of n_sequences.
  void forward(std::size_t first_slot, std::size_t n_slots, std::uint32_t first, std::uint32_t n_sequences,
               bool fresh) {
    const SequenceSlot* slots = slots_.data() + first_slot;
    space_->for_each(n_slots * batch_, padded_,
                     GatherTargets{.slots = slots,
                                   .items = items_from(first_slot),
                                   .targets = targets_from(first_slot),
                                   .inputs = inputs_from(first_slot),
                                   .fresh = fresh,
                                   .first = first,
                                   .n_sequences = n_sequences,
                                   .capacity = capacity_,
                                   .row_size = row_size_,
                                   .batch = batch_,
                                   .padded = padded_});
    space_->template reduce<AttendRows::kLanes, Along::lanes>(
        n_slots * batch_, AttendRows{.slots = slots,
                                     .heads = heads_.data() + first_slot,
                                     .items = items_from(first_slot),
                                     .labels = labels_from(first_slot),
                                     .dots = dots_from(first_slot),
                                     .inputs = inputs_from(first_slot),
                                     .results = results_.data() + first_slot * batch_,
                                     .fresh = fresh,
                                     .attend_self = options_.attend_self,
                                     .first = first,
                                     .n_sequences = n_sequences,
                                     .capacity = capacity_,
                                     .row_size = row_size_,
                                     .batch = batch_,
                                     .padded = padded_,
                                     .dim = dim_});
    network_.forward(*space_, first_slot, n_slots);
  }

  void launch_steps(std::size_t n_slots, std::uint32_t n_steps) {
    const StreamPlan plan{.sequences = RandomPurpose::training_sequences,
                          .normals = RandomPurpose::dot_products,
                          .n_streams = n_steps,
                          .per_stream = batch_,
                          .n_sequences = n_steps * batch_,
                          .streams_per_step = 1,
                          .first_stream = 0,
                          .capacity = capacity_,
                          .copy_share = options_.task.copy_share};
    draw(0, n_slots, plan, fresh_);
    for (std::uint32_t step = 0; step < n_steps; ++step) {
      forward(0, n_slots, step * batch_, n_steps * batch_, fresh_);
      space_->template reduce<MinimalLoss::kLanes, Along::lanes>(n_slots, MinimalLoss{.heads = heads_.data(),
                                                                                      .results = results_.data(),
                                                                                      .labels = labels_.data(),
                                                                                      .logits = network_.logits(),
                                                                                      .d_logits = network_.d_logits(),
                                                                                      .lr = options_.sgd.lr,
                                                                                      .first = step * batch_,
                                                                                      .capacity = capacity_,
                                                                                      .row_size = row_size_,
                                                                                      .batch = batch_});
      network_.backward(*space_, n_slots, options_.sgd);
    }
    space_->for_each(1, n_slots, AdvanceSequenceStep{.slots = slots_.data(), .n_steps = n_steps});
  }

  std::vector<TestSums> test(std::size_t first_slot, std::size_t n_slots, bool icl) {
    space_->for_each(1, n_slots, ClearTestSums{.sums = test_sums_.data() + first_slot});
    const std::uint64_t n_chunks = (options_.test_sequences + kTestChunk - 1) / kTestChunk;
    const std::uint64_t chunks_at_once = capacity_ / kTestChunk;
    for (std::uint64_t chunk = 0; chunk < n_chunks; chunk += chunks_at_once) {
      const std::uint64_t left = options_.test_sequences - chunk * kTestChunk;
      const auto n_sequences = static_cast<std::uint32_t>(std::min(left, chunks_at_once * kTestChunk));
      const StreamPlan plan{.sequences = icl ? RandomPurpose::icl_test_sequences : RandomPurpose::iwl_test_sequences,
                            .normals = RandomPurpose::test_dot_products,
                            .n_streams = (n_sequences + kTestChunk - 1) / kTestChunk,
                            .per_stream = kTestChunk,
                            .n_sequences = n_sequences,
                            .streams_per_step = n_chunks,
                            .first_stream = chunk,
                            .capacity = capacity_,
                            .copy_share = icl ? 1.0 : 0.0};
      draw(first_slot, n_slots, plan, icl);
      for (std::uint32_t first = 0; first < n_sequences; first += batch_) {
        forward(first_slot, n_slots, first, n_sequences, icl);
        space_->template reduce<AddTestSums::kLanes, Along::lanes>(
            n_slots, AddTestSums{.heads = heads_.data() + first_slot,
                                 .results = results_.data() + first_slot * batch_,
                                 .labels = labels_from(first_slot),
                                 .logits = network_.logits() + first_slot * batch_,
                                 .sums = test_sums_.data() + first_slot,
                                 .first = first,
                                 .n_sequences = n_sequences,
                                 .capacity = capacity_,
                                 .row_size = row_size_,
                                 .batch = batch_});
      }
    }
    std::vector<TestSums> sums(n_slots);
    space_->get(test_sums_, first_slot, std::span<TestSums>(sums));
    return sums;
  }

  std::vector<OrderSums> measure_memory(std::size_t first_slot, std::size_t n_slots) {
    constexpr auto kMemory = static_cast<std::uint32_t>(transformer::kMemorySample);
    const SequenceSlot* slots = slots_.data() + first_slot;
    std::uint32_t most = 0;
    for (std::size_t i = 0; i < n_slots; ++i)
      most = std::max(most, std::min(kMemory, host_slots_[first_slot + i].n_items));
    space_->for_each(1, n_slots, ClearMemorySums{.sums = memory_sums_.data() + first_slot});
    for (std::uint32_t first = 0; first < most; first += batch_) {
      space_->for_each(
          n_slots * batch_, padded_,
          GatherChunk<SequenceSlot>{
              .slots = slots, .inputs = inputs_from(first_slot), .first = first, .batch = batch_, .padded = padded_});
      network_.forward(*space_, first_slot, n_slots);
      space_->template reduce<AddMemorySums::kLanes, Along::lanes>(
          n_slots, AddMemorySums{.slots = slots,
                                 .logits = network_.logits() + first_slot * batch_,
                                 .sums = memory_sums_.data() + first_slot,
                                 .first = first,
                                 .n_memory = kMemory,
                                 .batch = batch_});
    }
    std::vector<OrderSums> sums(n_slots);
    space_->get(memory_sums_, first_slot, std::span<OrderSums>(sums));
    return sums;
  }

  std::unique_ptr<Space> space_;
  transformer::MinimalBatchOptions options_;
  DeviceTask task_;
  bool fresh_;
  std::uint32_t batch_, dim_, row_size_;
  std::uint32_t capacity_;  // sequences of a slot that are drawn at once
  BatchedNetwork<Space> network_;
  std::uint32_t padded_;
  std::vector<SequenceSlot> host_slots_;  // as in slots_
  std::vector<Data> data_;                // by slot
  Array<SequenceSlot> slots_;
  Array<MinimalHead> heads_;
  Array<std::uint32_t> items_;  // [slots][capacity_][row_size_], the target last
  Array<std::int8_t> labels_;   // [slots][capacity_][row_size_]
  Array<float> targets_;        // [slots][capacity_][padded_] of fresh items, padding stays zero
  Array<float> dots_;           // [slots][capacity_][n_context] of fresh items
  Array<HeadResult> results_;   // [slots][batch]
  Array<TestSums> test_sums_;
  Array<OrderSums> memory_sums_;
};

}  // namespace iclk::device
