#pragma once

#include <algorithm>
#include <cassert>
#include <memory>
#include <utility>

#include "batched_network.hpp"
#include "mlp_batch.hpp"
#include "mlp_kernels.hpp"

namespace iclk::device {

/// MlpBatch in a space. Data sets and weights stay in the space; what comes back are order parameters and checkpoints.
template <class Space>
class DeviceMlpBatch final : public mlp_stats::MlpBatch {
  template <class T>
  using Array = typename Space::template Array<T>;

 public:
  DeviceMlpBatch(std::unique_ptr<Space> space, const mlp_stats::MlpBatchOptions& options)
      : space_(std::move(space)),
        shape_(options.shape),
        batch_(static_cast<std::uint32_t>(options.batch)),
        network_(*space_, options.shape, options.batch, options.capacity),
        padded_(static_cast<std::uint32_t>(network_.padded_features())),
        host_slots_(options.capacity),
        data_(options.capacity),
        slots_(*space_, options.capacity),
        items_(*space_, options.capacity * kStepsPerReplay * options.batch),
        sums_(*space_, options.capacity) {}

  void place(std::size_t slot, const mlp_stats::ItemDataset& dataset, std::uint64_t seed, std::uint64_t step,
             const mlp_stats::MlpParameters& parameters) override {
    std::vector<float> rows(dataset.n_items * padded_);
    for (std::size_t i = 0; i < dataset.n_items; ++i) {
      std::copy_n(dataset.features.data() + i * dataset.n_features, dataset.n_features, rows.data() + i * padded_);
    }
    data_[slot].features = Array<float>(*space_, rows.size());
    data_[slot].labels = Array<std::int8_t>(*space_, dataset.n_items);
    space_->put(data_[slot].features, 0, std::span<const float>(rows));
    space_->put(data_[slot].labels, 0, std::span<const std::int8_t>(dataset.labels));
    host_slots_[slot] = {.items = data_[slot].features.data(),
                         .labels = data_[slot].labels.data(),
                         .seed = seed,
                         .step = step,
                         .n_items = static_cast<std::uint32_t>(dataset.n_items)};
    put_slot(slot);
    network_.upload(*space_, slot, parameters);
  }

  void seek(std::size_t slot, std::uint64_t step) override {
    host_slots_[slot].step = step;
    put_slot(slot);
  }

  void move(std::size_t from, std::size_t to) override {
    network_.move(*space_, from, to);
    data_[to] = std::move(data_[from]);
    host_slots_[to] = host_slots_[from];
    put_slot(to);
  }

  mlp_stats::MlpParameters download(std::size_t slot) const override { return network_.download(*space_, slot); }

  void train(std::size_t n_slots, std::uint64_t n_steps, const mlp_stats::SgdOptions& sgd) override {
    use(sgd);
    std::uint64_t left = n_steps;
    for (std::uint32_t steps = kStepsPerReplay; steps > 0; left %= steps, steps /= 2) {
      space_->replay(n_slots * 2 * kStepsPerReplay + steps, left / steps,
                     [this, n_slots, steps] { launch_steps(n_slots, steps); });
    }
    for (std::size_t slot = 0; slot < n_slots; ++slot) host_slots_[slot].step += n_steps;
  }

  void train_given(std::span<const std::uint32_t> items, const mlp_stats::SgdOptions& sgd) override {
    use(sgd);
    for (std::size_t first = 0; first < items.size(); first += batch_) {
      space_->put(items_, 0, items.subspan(first, batch_));
      space_->replay(0, 1, [this] { launch_step(1, 0); });
    }
  }

  std::vector<OrderParameters> measure(std::span<const std::size_t> slots) override {
    const auto [low, high] = std::minmax_element(slots.begin(), slots.end());
    const std::size_t first_slot = *low, n_slots = *high - *low + 1;
    std::uint32_t most = 0;
    for (const std::size_t slot : slots) most = std::max(most, host_slots_[slot].n_items);
    space_->for_each(1, n_slots, ClearSums<OrderSums>{.sums = sums_.data() + first_slot});
    for (std::uint32_t first = 0; first < most; first += batch_) {
      forward_chunk(first_slot, n_slots, first);
      using AddSums = AddOrderSums<DataSlot>;
      space_->template reduce<AddSums::kLanes, Along::lanes>(n_slots,
                                                             AddSums{.slots = slots_.data() + first_slot,
                                                                     .logits = network_.logits() + first_slot * batch_,
                                                                     .sums = sums_.data() + first_slot,
                                                                     .first = first,
                                                                     .n_counted = most,
                                                                     .batch = batch_});
    }
    std::vector<OrderSums> sums(n_slots);
    space_->get(sums_, first_slot, std::span<OrderSums>(sums));
    std::vector<OrderParameters> values;
    for (const std::size_t slot : slots) values.push_back(order_parameters_of(sums[slot - first_slot]));
    return values;
  }

  void logits(std::size_t slot, std::span<double> logits) override {
    assert(logits.size() == host_slots_[slot].n_items);
    std::vector<float> chunk(batch_);
    for (std::size_t first = 0; first < logits.size(); first += batch_) {
      forward_chunk(slot, 1, static_cast<std::uint32_t>(first));
      space_->get(network_.logit_array(), slot * batch_, std::span<float>(chunk));
      std::copy_n(chunk.begin(), std::min<std::size_t>(batch_, logits.size() - first), logits.begin() + first);
    }
  }

 private:
  static constexpr std::uint32_t kStepsPerReplay = 16;  // steps that are launched as one

  struct Data {
    Array<float> features;      // [n_items x padded]
    Array<std::int8_t> labels;  // [n_items]
  };

  void put_slot(std::size_t slot) { space_->put(slots_, slot, std::span<const DataSlot>(&host_slots_[slot], 1)); }

  /// The rates are part of what was recorded.
  void use(const mlp_stats::SgdOptions& sgd) {
    if (sgd.lr != sgd_.lr || sgd.weight_decay != sgd_.weight_decay) space_->forget();
    sgd_ = sgd;
  }

  void launch_steps(std::size_t n_slots, std::uint32_t n_steps) {
    space_->template reduce<DrawItems::kLanes, Along::lanes>(n_slots * n_steps,
                                                             DrawItems{.slots = slots_.data(),
                                                                       .items = items_.data(),
                                                                       .n_steps = n_steps,
                                                                       .steps_per_replay = kStepsPerReplay,
                                                                       .batch = batch_});
    for (std::uint32_t step = 0; step < n_steps; ++step) launch_step(n_slots, step);
    space_->for_each(1, n_slots, AdvanceStep<DataSlot>{.slots = slots_.data(), .n_steps = n_steps});
  }

  /// One SGD step on the items in place `step`.
  void launch_step(std::size_t n_slots, std::uint32_t step) {
    space_->for_each(n_slots * batch_, padded_,
                     GatherItems{.slots = slots_.data(),
                                 .items = items_.data(),
                                 .inputs = network_.inputs(),
                                 .step = step,
                                 .steps_per_replay = kStepsPerReplay,
                                 .batch = batch_,
                                 .padded = padded_});
    network_.forward(*space_, 0, n_slots);
    space_->for_each(n_slots, batch_,
                     LossGradient{.slots = slots_.data(),
                                  .items = items_.data(),
                                  .logits = network_.logits(),
                                  .d_logits = network_.d_logits(),
                                  .step = step,
                                  .steps_per_replay = kStepsPerReplay,
                                  .batch = batch_});
    network_.backward(*space_, n_slots, sgd_);
  }

  void forward_chunk(std::size_t first_slot, std::size_t n_slots, std::uint32_t first_item) {
    space_->for_each(n_slots * batch_, padded_,
                     GatherChunk<DataSlot>{.slots = slots_.data() + first_slot,
                                           .inputs = network_.inputs() + first_slot * batch_ * padded_,
                                           .first = first_item,
                                           .batch = batch_,
                                           .padded = padded_});
    network_.forward(*space_, first_slot, n_slots);
  }

  std::unique_ptr<Space> space_;
  mlp_stats::MlpShape shape_;
  std::uint32_t batch_;
  BatchedNetwork<Space> network_;
  std::uint32_t padded_;
  std::vector<DataSlot> host_slots_;  // as in slots_
  std::vector<Data> data_;            // by slot
  Array<DataSlot> slots_;
  Array<std::uint32_t> items_;  // [capacity][kStepsPerReplay][batch]
  Array<OrderSums> sums_;
  mlp_stats::SgdOptions sgd_;
};

}  // namespace iclk::device
