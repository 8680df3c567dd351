#pragma once

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>

#include "batched_network.hpp"
#include "device_sequences.hpp"
#include "model_batch.hpp"
#include "named_arrays.hpp"

namespace iclk::device {

/// ModelBatch in a space, whatever the model. Items, weights, sequences and tests stay in the space; what comes back are
/// measurements, loss sums and checkpoints.
///
/// A Model (DeviceMinimalModel, DeviceAttentionModel) is what stands before and beside the network:
///
///     kStepsPerReplay, kTrainingNormals, kTestNormals    steps launched as one; purposes of the normals of fresh items
///     shape(run)                                         of the network
///     place, load, save, move                            by slot; load and save call back for the network's turn
///     draw, draw_stream(first_slot, n_slots, plan[, n])  what a plan's sequences need besides items and labels: of all its
///                                                        streams at once, or of stream n when its turn comes
///     train_step(n_slots, window, loss_sums)
///     test(first_slot, n_slots, window, memory, split)   logits; with `memory` the network's are those of the MLP alone
///     total(first_slot)                                  functor for AddTestSums, after test
///     gather_memory(first_slot, n_slots, first)          items before the network
///     clear_split, diagnostics(first_slot, n_slots)      the latter after a measurement's tests
template <class Space, template <class> class Model>
class DeviceModelBatch final : public transformer::ModelBatch {
  template <class T>
  using Array = typename Space::template Array<T>;

 public:
  DeviceModelBatch(std::unique_ptr<Space> space, const transformer::ModelBatchOptions& options)
      : space_(std::move(space)),
        run_(options.run),
        batch_(static_cast<std::uint32_t>(run_.batch)),
        shape_(Model<Space>::shape(run_)),
        network_(*space_, shape_, run_.batch, options.capacity),
        sequences_(*space_, run_, options.capacity, std::max(kStepsPerReplay * batch_, kTestChunk)),
        model_(*space_, run_, options.capacity, sequences_, network_),
        loss_sums_(*space_, options.capacity),
        test_sums_(*space_, options.capacity),
        memory_sums_(*space_, options.capacity) {}

  void place(std::size_t slot, const transformer::SimulationOptions& run,
             const mlp_stats::ItemDataset& dataset) override {
    sequences_.place(*space_, slot, run.seed, dataset);
    model_.place(slot, run);
    put_loss_sum(slot, 0.0);
  }

  void load(std::size_t slot, std::span<const transformer::NamedArray> parameters) override {
    transformer::ArrayReader reader(parameters);
    model_.load(slot, reader, [&] { network_.upload(*space_, slot, reader.take_network("", shape_)); });
    reader.finish();
  }

  std::vector<transformer::NamedArray> parameters(std::size_t slot) const override {
    std::vector<transformer::NamedArray> arrays;
    model_.save(slot, arrays, [&] { transformer::add_network(arrays, "", network_.download(*space_, slot)); });
    return arrays;
  }

  void seek(std::size_t slot, std::uint64_t step, double loss_sum) override {
    sequences_.seek(*space_, slot, step);
    put_loss_sum(slot, loss_sum);
  }

  void move(std::size_t from, std::size_t to) override {
    network_.move(*space_, from, to);
    sequences_.move(*space_, from, to);
    model_.move(from, to);
    space_->copy(loss_sums_, from, to, 1);
  }

  void train(std::size_t n_slots, std::uint64_t n_steps) override {
    std::uint64_t left = n_steps;
    for (std::uint32_t steps = kStepsPerReplay; steps > 0; left %= steps, steps /= 2) {
      space_->replay(n_slots * 2 * kStepsPerReplay + steps, left / steps,
                     [this, n_slots, steps] { launch_steps(n_slots, steps); });
    }
    sequences_.advance_host(n_slots, n_steps);
  }

  std::vector<double> loss_sums(std::size_t n_slots) const override {
    std::vector<double> sums(n_slots);
    space_->get(loss_sums_, 0, std::span<double>(sums));
    return sums;
  }

  std::vector<transformer::SimulationSample> measure(std::span<const std::size_t> slots) override {
    const auto [low, high] = std::minmax_element(slots.begin(), slots.end());
    const std::size_t first = *low, n = *high - *low + 1;
    const std::vector<TestSums> icl = test(first, n, true);
    std::vector<TestSums> iwl;
    std::vector<OrderSums> memory;
    if (!sequences_.fresh()) {
      iwl = test(first, n, false);
      memory = measure_memory(first, n);
    }
    std::vector<std::vector<double>> diagnostics = model_.diagnostics(first, n);
    std::vector<transformer::SimulationSample> samples;
    for (const std::size_t slot : slots) {
      const std::size_t i = slot - first;
      const OrderParameters values = order_parameters_of(sequences_.fresh() ? icl[i].memory : memory[i]);
      transformer::SimulationSample sample;
      sample.icl_loss = icl[i].loss / icl[i].n;
      sample.icl_accuracy = icl[i].right / icl[i].n;
      if (!sequences_.fresh()) {
        sample.iwl_loss = iwl[i].loss / iwl[i].n;
        sample.iwl_accuracy = iwl[i].right / iwl[i].n;
      }
      sample.c1 = values.c1;
      sample.c2 = values.c2;
      sample.c3 = values.c3;
      sample.diagnostics = std::move(diagnostics[i]);
      samples.push_back(std::move(sample));
      put_loss_sum(slot, 0.0);
    }
    return samples;
  }

 private:
  static constexpr std::uint32_t kStepsPerReplay = Model<Space>::kStepsPerReplay;

  void put_loss_sum(std::size_t slot, double value) {
    space_->put(loss_sums_, slot, std::span<const double>(&value, 1));
  }

  void launch_steps(std::size_t n_slots, std::uint32_t n_steps) {
    const StreamPlan plan{.sequences = RandomPurpose::training_sequences,
                          .normals = Model<Space>::kTrainingNormals,
                          .n_streams = n_steps,
                          .per_stream = batch_,
                          .n_sequences = n_steps * batch_,
                          .streams_per_step = 1,
                          .first_stream = 0,
                          .capacity = sequences_.n_drawn(),
                          .copy_share = run_.copy_share,
                          .fresh = sequences_.fresh()};
    sequences_.compose(*space_, 0, n_slots, plan);
    model_.draw(0, n_slots, plan);
    for (std::uint32_t step = 0; step < n_steps; ++step) {
      model_.draw_stream(0, n_slots, plan, step);
      model_.train_step(n_slots, sequences_.window(0, step * batch_, (step + 1) * batch_, batch_, plan.fresh),
                        loss_sums_.data());
    }
    sequences_.advance_device(*space_, n_slots, n_steps);
  }

  std::vector<TestSums> test(std::size_t first_slot, std::size_t n_slots, bool icl) {
    space_->for_each(1, n_slots, ClearSums<TestSums>{.sums = test_sums_.data() + first_slot});
    if (icl) model_.clear_split(first_slot, n_slots);
    const std::uint64_t n_chunks = (run_.test_sequences + kTestChunk - 1) / kTestChunk;
    const std::uint64_t chunks_at_once = sequences_.n_drawn() / kTestChunk;
    for (std::uint64_t chunk = 0; chunk < n_chunks; chunk += chunks_at_once) {
      const std::uint64_t left = run_.test_sequences - chunk * kTestChunk;
      const auto n_sequences = static_cast<std::uint32_t>(std::min(left, chunks_at_once * kTestChunk));
      const StreamPlan plan{.sequences = icl ? RandomPurpose::icl_test_sequences : RandomPurpose::iwl_test_sequences,
                            .normals = Model<Space>::kTestNormals,
                            .n_streams = (n_sequences + kTestChunk - 1) / kTestChunk,
                            .per_stream = kTestChunk,
                            .n_sequences = n_sequences,
                            .streams_per_step = n_chunks,
                            .first_stream = chunk,
                            .capacity = sequences_.n_drawn(),
                            .copy_share = icl ? 1.0 : 0.0,
                            .fresh = icl};
      sequences_.compose(*space_, first_slot, n_slots, plan);
      model_.draw(first_slot, n_slots, plan);
      for (std::uint32_t stream = 0; stream < plan.n_streams; ++stream) {
        model_.draw_stream(first_slot, n_slots, plan, stream);
        test_stream(first_slot, n_slots, plan, stream);
      }
    }
    std::vector<TestSums> sums(n_slots);
    space_->get(test_sums_, first_slot, std::span<TestSums>(sums));
    return sums;
  }

  void test_stream(std::size_t first_slot, std::size_t n_slots, const StreamPlan& plan, std::uint32_t stream) {
    const std::uint32_t begin = stream * kTestChunk, end = begin + plan.n_in(stream);
    const bool split = plan.fresh && plan.first_stream + stream == 0;  // the first chunk of the ICL test
    const bool memory = plan.fresh && sequences_.fresh();
    for (std::uint32_t first = begin; first < end; first += batch_) {
      const SequenceWindow window = sequences_.window(first_slot, first, end, batch_, plan.fresh);
      model_.test(first_slot, n_slots, window, memory, split);
      const auto total = model_.total(first_slot);
      using AddSums = AddTestSums<std::remove_cv_t<decltype(total)>>;
      space_->template reduce<AddSums::kLanes, Along::lanes>(
          n_slots, AddSums{.window = window,
                           .total = total,
                           .memory_logits = memory ? network_.logits() + first_slot * batch_ : nullptr,
                           .sums = test_sums_.data() + first_slot});
    }
  }

  std::vector<OrderSums> measure_memory(std::size_t first_slot, std::size_t n_slots) {
    using AddSums = AddOrderSums<SequenceSlot>;
    constexpr auto kMemory = static_cast<std::uint32_t>(transformer::kMemorySample);
    std::uint32_t most = 0;
    for (std::size_t i = 0; i < n_slots; ++i) {
      most = std::max(most, std::min(kMemory, sequences_.n_items(first_slot + i)));
    }
    space_->for_each(1, n_slots, ClearSums<OrderSums>{.sums = memory_sums_.data() + first_slot});
    for (std::uint32_t first = 0; first < most; first += batch_) {
      model_.gather_memory(first_slot, n_slots, first);
      network_.forward(*space_, first_slot, n_slots);
      space_->template reduce<AddSums::kLanes, Along::lanes>(n_slots,
                                                             AddSums{.slots = sequences_.slots(first_slot),
                                                                     .logits = network_.logits() + first_slot * batch_,
                                                                     .sums = memory_sums_.data() + first_slot,
                                                                     .first = first,
                                                                     .n_counted = kMemory,
                                                                     .batch = batch_});
    }
    std::vector<OrderSums> sums(n_slots);
    space_->get(memory_sums_, first_slot, std::span<OrderSums>(sums));
    return sums;
  }

  std::unique_ptr<Space> space_;
  transformer::SimulationOptions run_;
  std::uint32_t batch_;
  mlp_stats::MlpShape shape_;
  BatchedNetwork<Space> network_;
  DeviceSequences<Space> sequences_;
  Model<Space> model_;
  Array<double> loss_sums_;
  Array<TestSums> test_sums_;
  Array<OrderSums> memory_sums_;
};

}  // namespace iclk::device
