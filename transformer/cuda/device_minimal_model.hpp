#pragma once

#include <cmath>

#include "device_model_batch.hpp"
#include "minimal_kernels.hpp"

namespace iclk::device {

/// The minimal models of a DeviceModelBatch: two numbers each. Fresh items are drawn as dot products.
template <class Space>
class DeviceMinimalModel {
  template <class T>
  using Array = typename Space::template Array<T>;

 public:
  static constexpr std::uint32_t kStepsPerReplay = 32;
  static constexpr RandomPurpose kTrainingNormals = RandomPurpose::dot_products;
  static constexpr RandomPurpose kTestNormals = RandomPurpose::test_dot_products;

  static mlp_stats::MlpShape shape(const transformer::SimulationOptions& run) {
    return {.n_features = run.dim, .hidden = run.hidden, .n_outputs = 1};
  }

  DeviceMinimalModel(Space& space, const transformer::SimulationOptions& run, std::size_t capacity,
                     DeviceSequences<Space>& sequences, BatchedNetwork<Space>& network)
      : space_(space),
        sequences_(sequences),
        network_(network),
        sgd_{.lr = run.lr, .weight_decay = run.weight_decay},
        attend_self_(run.attend_self),
        batch_(static_cast<std::uint32_t>(run.batch)),
        padded_(static_cast<std::uint32_t>(network.padded_features())),
        heads_(space, capacity),
        targets_(space, capacity * sequences.n_drawn() * padded_),
        dots_(space, capacity * sequences.n_drawn() * (sequences.row_size() - 1)),
        results_(space, capacity * run.batch) {}

  void place(std::size_t slot, const transformer::SimulationOptions& run) {
    MinimalHead head = this->head(slot);
    head.lambda_w = run.lambda_w;
    head.lambda_beta = run.lambda_beta;
    put(slot, head);
  }

  template <class LoadNetwork>
  void load(std::size_t slot, transformer::ArrayReader& reader, LoadNetwork load_network) {
    load_network();
    MinimalHead head = this->head(slot);
    head.beta = reader.take("beta", 1).front();
    head.w = reader.take("w", 1).front();
    put(slot, head);
  }

  template <class SaveNetwork>
  void save(std::size_t slot, std::vector<transformer::NamedArray>& arrays, SaveNetwork save_network) const {
    save_network();
    const MinimalHead head = this->head(slot);
    arrays.push_back({"beta", {head.beta}});
    arrays.push_back({"w", {head.w}});
  }

  void move(std::size_t from, std::size_t to) { space_.copy(heads_, from, to, 1); }

  /// Targets (streams 2 i of the normals) and dot products (2 i + 1) of fresh items.
  void draw(std::size_t first_slot, std::size_t n_slots, const StreamPlan& plan) {
    if (!plan.fresh) return;
    const std::uint32_t n = sequences_.row_size() - 1, capacity = sequences_.n_drawn();
    const auto normals = [&](std::uint32_t which, std::uint32_t width, std::uint32_t stride, float* out) {
      const std::size_t slot_size = std::size_t{capacity} * stride;
      const DrawNormals draw{.slots = sequences_.slots(first_slot),
                             .plan = plan,
                             .streams_each = 2,
                             .which = which,
                             .rows = 1,
                             .width = width,
                             .stride = stride,
                             .sd = static_cast<float>(1.0 / std::sqrt(static_cast<double>(sequences_.dim()))),
                             .out = out + first_slot * slot_size,
                             .slot_size = slot_size};
      space_.for_each(n_slots * plan.n_streams, draw.n_blocks(), draw);
    };
    normals(0, sequences_.dim(), padded_, targets_.data());
    normals(1, n, n, dots_.data());
  }
  void draw_stream(std::size_t, std::size_t, const StreamPlan&, std::uint32_t) {}

  void train_step(std::size_t n_slots, const SequenceWindow& window, double* loss_sums) {
    forward(0, n_slots, window);
    space_.template reduce<MinimalLoss::kLanes, Along::lanes>(n_slots, MinimalLoss{.window = window,
                                                                                   .heads = heads_.data(),
                                                                                   .results = results_.data(),
                                                                                   .logits = network_.logits(),
                                                                                   .d_logits = network_.d_logits(),
                                                                                   .loss_sums = loss_sums,
                                                                                   .lr = sgd_.lr});
    network_.backward(space_, n_slots, sgd_);
  }

  void test(std::size_t first_slot, std::size_t n_slots, const SequenceWindow& window, bool, bool) {
    forward(first_slot, n_slots, window);
  }

  MinimalTotal total(std::size_t first_slot) {
    return {.heads = heads_.data() + first_slot,
            .results = results_.data() + first_slot * batch_,
            .logits = network_.logits() + first_slot * batch_};
  }

  void gather_memory(std::size_t first_slot, std::size_t n_slots, std::uint32_t first) {
    space_.for_each(n_slots * batch_, padded_,
                    GatherChunk<SequenceSlot>{.slots = sequences_.slots(first_slot),
                                              .inputs = inputs(first_slot),
                                              .first = first,
                                              .batch = batch_,
                                              .padded = padded_});
  }

  void clear_split(std::size_t, std::size_t) {}
  std::vector<std::vector<double>> diagnostics(std::size_t first_slot, std::size_t n_slots) const {
    std::vector<std::vector<double>> all;
    for (const MinimalHead& head : heads(first_slot, n_slots)) all.push_back({head.beta, head.w});
    return all;
  }

 private:
  void forward(std::size_t first_slot, std::size_t n_slots, const SequenceWindow& window) {
    const std::size_t capacity = sequences_.n_drawn();
    space_.for_each(n_slots * batch_, padded_,
                    GatherTargets{.window = window,
                                  .targets = targets_.data() + first_slot * capacity * padded_,
                                  .inputs = inputs(first_slot),
                                  .padded = padded_});
    space_.template reduce<AttendRows::kLanes, Along::lanes>(
        n_slots * batch_, AttendRows{.window = window,
                                     .heads = heads_.data() + first_slot,
                                     .dots = dots_.data() + first_slot * capacity * window.n_context(),
                                     .inputs = inputs(first_slot),
                                     .results = results_.data() + first_slot * batch_,
                                     .attend_self = attend_self_,
                                     .padded = padded_,
                                     .dim = sequences_.dim()});
    network_.forward(space_, first_slot, n_slots);
  }

  std::vector<MinimalHead> heads(std::size_t first_slot, std::size_t n_slots) const {
    std::vector<MinimalHead> heads(n_slots);
    space_.get(heads_, first_slot, std::span<MinimalHead>(heads));
    return heads;
  }
  MinimalHead head(std::size_t slot) const { return heads(slot, 1).front(); }
  void put(std::size_t slot, const MinimalHead& head) {
    space_.put(heads_, slot, std::span<const MinimalHead>(&head, 1));
  }
  float* inputs(std::size_t slot) { return network_.inputs() + slot * batch_ * padded_; }

  Space& space_;
  DeviceSequences<Space>& sequences_;
  BatchedNetwork<Space>& network_;
  mlp_stats::SgdOptions sgd_;
  bool attend_self_;
  std::uint32_t batch_, padded_;
  Array<MinimalHead> heads_;
  Array<float> targets_;       // [slots][n_drawn][padded] of fresh items, padding stays zero
  Array<float> dots_;          // [slots][n_drawn][n_context] of fresh items
  Array<HeadResult> results_;  // [slots][batch]
};

template <class Space>
using DeviceMinimalBatch = DeviceModelBatch<Space, DeviceMinimalModel>;

}  // namespace iclk::device
