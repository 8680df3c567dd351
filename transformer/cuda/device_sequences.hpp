#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "iclk/transformer/simulation_options.hpp"
#include "sequence_kernels.hpp"
#include "space.hpp"

namespace iclk::device {

/// Items of the runs in the slots of a batch, and the sequences that are drawn of them.
template <class Space>
class DeviceSequences {
  template <class T>
  using Array = typename Space::template Array<T>;

 public:
  /// `capacity`: slots; `n_drawn`: sequences of a slot that are drawn at once.
  DeviceSequences(Space& space, const transformer::SimulationOptions& run, std::size_t capacity, std::uint32_t n_drawn)
      : task_{.n_context = transformer::n_exemplars(run),
              .context_labels = run.labels,
              .target_rule = run.target_rule,
              .copies = run.copies},
        fresh_(!run.n_items),
        dim_(static_cast<std::uint32_t>(run.dim)),
        stride_((dim_ + 7) / 8 * 8),
        row_size_(static_cast<std::uint32_t>(task_.n_context + 1)),
        n_drawn_(n_drawn),
        host_slots_(capacity),
        data_(capacity),
        slots_(space, capacity),
        items_(space, capacity * n_drawn_ * row_size_),
        labels_(space, capacity * n_drawn_ * row_size_) {}

  bool fresh() const noexcept { return fresh_; }  ///< K is infinite
  std::uint32_t dim() const noexcept { return dim_; }
  std::uint32_t stride() const noexcept { return stride_; }      ///< floats from one item to the next
  std::uint32_t row_size() const noexcept { return row_size_; }  ///< n_context + 1
  std::uint32_t n_drawn() const noexcept { return n_drawn_; }
  const SequenceSlot* slots(std::size_t first) noexcept { return slots_.data() + first; }
  std::uint32_t n_items(std::size_t slot) const noexcept { return host_slots_[slot].n_items; }

  void place(Space& space, std::size_t slot, std::uint64_t seed, const mlp_stats::ItemDataset& dataset) {
    SequenceSlot& host = host_slots_[slot];
    host = {};
    host.seed = seed;
    if (!fresh_) {
      const std::size_t n = dataset.n_items;
      std::vector<float> rows(n * stride_);
      for (std::size_t i = 0; i < n; ++i) {
        std::copy_n(dataset.features.data() + i * dim_, dim_, rows.data() + i * stride_);
      }
      std::vector<std::uint32_t> by_label;
      for (const int label : {1, -1}) {
        for (std::size_t i = 0; i < n; ++i) {
          if (dataset.labels[i] == label) by_label.push_back(static_cast<std::uint32_t>(i));
        }
        if (label > 0) host.n_positive = static_cast<std::uint32_t>(by_label.size());
      }
      Data& data = data_[slot];
      data.items = Array<float>(space, rows.size());
      data.labels = Array<std::int8_t>(space, n);
      data.by_label = Array<std::uint32_t>(space, n);
      space.put(data.items, 0, std::span<const float>(rows));
      space.put(data.labels, 0, std::span<const std::int8_t>(dataset.labels));
      space.put(data.by_label, 0, std::span<const std::uint32_t>(by_label));
      host.items = data.items.data();
      host.labels = data.labels.data();
      host.by_label = data.by_label.data();
      host.n_items = static_cast<std::uint32_t>(n);
    }
    put_slot(space, slot);
  }

  void seek(Space& space, std::size_t slot, std::uint64_t step) {
    host_slots_[slot].step = step;
    put_slot(space, slot);
  }

  void move(Space& space, std::size_t from, std::size_t to) {
    data_[to] = std::move(data_[from]);
    host_slots_[to] = host_slots_[from];
    put_slot(space, to);
  }

  /// Items and labels of the plan's sequences, in the slots first_slot, first_slot + 1, ...
  void compose(Space& space, std::size_t first_slot, std::size_t n_slots, const StreamPlan& plan) {
    space.template reduce<ComposeSequences::kLanes, Along::lanes>(
        n_slots * plan.n_streams, ComposeSequences{.slots = slots(first_slot),
                                                   .task = task_,
                                                   .plan = plan,
                                                   .n_words = words_per_sequence(task_, plan),
                                                   .items = items_.data() + part(first_slot),
                                                   .labels = labels_.data() + part(first_slot)});
  }

  /// Sequences first ... end - 1 of those that were drawn last.
  SequenceWindow window(std::size_t first_slot, std::uint32_t first, std::uint32_t end, std::uint32_t batch,
                        bool fresh) {
    return {.slots = slots(first_slot),
            .items = items_.data() + part(first_slot),
            .labels = labels_.data() + part(first_slot),
            .first = first,
            .end = end,
            .capacity = n_drawn_,
            .row_size = row_size_,
            .batch = batch,
            .fresh = fresh};
  }

  /// `n_steps` steps were drawn: on the device, to be recorded, and here.
  void advance_device(Space& space, std::size_t n_slots, std::uint32_t n_steps) {
    space.for_each(1, n_slots, AdvanceStep<SequenceSlot>{.slots = slots_.data(), .n_steps = n_steps});
  }
  void advance_host(std::size_t n_slots, std::uint64_t n_steps) {
    for (std::size_t slot = 0; slot < n_slots; ++slot) host_slots_[slot].step += n_steps;
  }

 private:
  struct Data {
    Array<float> items;
    Array<std::int8_t> labels;
    Array<std::uint32_t> by_label;
  };

  std::size_t part(std::size_t slot) const { return slot * n_drawn_ * row_size_; }
  void put_slot(Space& space, std::size_t slot) {
    space.put(slots_, slot, std::span<const SequenceSlot>(&host_slots_[slot], 1));
  }

  DeviceTask task_;
  bool fresh_;
  std::uint32_t dim_, stride_, row_size_, n_drawn_;
  std::vector<SequenceSlot> host_slots_;  // as in slots_
  std::vector<Data> data_;                // by slot
  Array<SequenceSlot> slots_;
  Array<std::uint32_t> items_;  // [slots][n_drawn][row_size], the target last
  Array<std::int8_t> labels_;   // [slots][n_drawn][row_size]
};

}  // namespace iclk::device
