#pragma once

#include <algorithm>
#include <cmath>

#include "attention_kernels.hpp"
#include "device_model_batch.hpp"
#include "iclk/transformer/attention_model.hpp"
#include "split_kernels.hpp"

namespace iclk::device {

/// The one-layer transformers of a DeviceModelBatch: TargetAttention of ../src for all of them at once. Vectors are rows of
/// `padded` numbers, E = dim + 2 of them used; matrices are [padded x padded]. What is not used stays zero since what
/// multiplies it is.
///
/// Fresh items are drawn as they are, those of one stream at a time: three passes read what one has written.
template <class Space>
class DeviceAttentionModel {
  template <class T>
  using Array = typename Space::template Array<T>;

 public:
  static constexpr std::uint32_t kStepsPerReplay = 16;
  static constexpr RandomPurpose kTrainingNormals = RandomPurpose::training_items;
  static constexpr RandomPurpose kTestNormals = RandomPurpose::icl_test_items;

  static mlp_stats::MlpShape shape(const transformer::SimulationOptions& run) {
    return {.n_features = run.dim + 2, .hidden = run.hidden, .n_outputs = 1};
  }

  DeviceAttentionModel(Space& space, const transformer::SimulationOptions& run, std::size_t capacity,
                       DeviceSequences<Space>& sequences, BatchedNetwork<Space>& network)
      : space_(space),
        sequences_(sequences),
        network_(network),
        sgd_(transformer::sgd_options(run)),
        batch_(static_cast<std::uint32_t>(run.batch)),
        length_(sequences.row_size()),
        n_attended_(run.attend_self ? length_ : length_ - 1),
        width_(run.dim + 2),
        padded_(static_cast<std::uint32_t>(network.padded_features())),
        matrix_(std::size_t{padded_} * padded_),
        fresh_size_(fresh_rows(run) * sequences.stride()),
        gain_(space, capacity * padded_),
        bias_(space, capacity * padded_),
        query_(space, capacity * matrix_),
        key_(space, capacity * matrix_),
        value_(space, capacity * matrix_),
        a_(space, capacity * matrix_),
        d_a_(space, capacity * matrix_),
        d_key_(space, capacity * matrix_),
        fresh_(space, capacity * fresh_size_),
        normed_(space, capacity * batch_ * padded_),
        targets_(space, capacity * batch_ * padded_),
        along_(space, capacity * batch_ * padded_),
        directions_(space, capacity * batch_ * padded_),
        mean_(space, capacity * batch_ * padded_),
        read_(space, capacity * batch_ * padded_),
        d_u_(space, capacity * batch_ * padded_),
        d_read_(space, capacity * batch_ * padded_),
        d_along_(space, capacity * batch_ * padded_),
        gain_parts_(space, capacity * batch_ * padded_),
        weights_(space, capacity * batch_ * length_),
        scales_(space, capacity * batch_ * length_),
        shifts_(space, capacity * batch_ * length_),
        pulls_(space, capacity * batch_ * length_),
        softmax_(space, capacity * batch_),
        mean_pull_(space, capacity * batch_),
        total_(space, capacity * batch_),
        attention_(space, capacity * batch_),
        empty_(space, capacity * batch_),
        split_sums_(space, capacity) {}

  void place(std::size_t, const transformer::SimulationOptions&) {}

  template <class LoadNetwork>
  void load(std::size_t slot, transformer::ArrayReader& reader, LoadNetwork load_network) {
    put(gain_, slot, 1, reader.take("norm_gain", width_));
    put(bias_, slot, 1, reader.take("norm_bias", width_));
    put(query_, slot, width_, reader.take("query", width_ * width_));
    put(key_, slot, width_, reader.take("key", width_ * width_));
    put(value_, slot, width_, reader.take("value", width_ * width_));
    load_network();
  }

  template <class SaveNetwork>
  void save(std::size_t slot, std::vector<transformer::NamedArray>& arrays, SaveNetwork save_network) const {
    arrays.push_back({"norm_gain", get(gain_, slot, 1, 1)[0]});
    arrays.push_back({"norm_bias", get(bias_, slot, 1, 1)[0]});
    arrays.push_back({"query", get(query_, slot, 1, width_)[0]});
    arrays.push_back({"key", get(key_, slot, 1, width_)[0]});
    arrays.push_back({"value", get(value_, slot, 1, width_)[0]});
    save_network();
  }

  void move(std::size_t from, std::size_t to) {
    for (Array<float>* vector : {&gain_, &bias_}) space_.copy(*vector, from * padded_, to * padded_, padded_);
    for (Array<float>* matrix : {&query_, &key_, &value_}) {
      space_.copy(*matrix, from * matrix_, to * matrix_, matrix_);
    }
  }

  void draw(std::size_t, std::size_t, const StreamPlan&) {}

  void draw_stream(std::size_t first_slot, std::size_t n_slots, const StreamPlan& plan, std::uint32_t number) {
    if (!plan.fresh) return;
    const DrawNormals draw{.slots = sequences_.slots(first_slot),
                           .plan = plan.only(number),
                           .streams_each = 1,
                           .which = 0,
                           .rows = plan.copy_share < 1.0 ? length_ : length_ - 1,  // a copy is no item of its own
                           .width = sequences_.dim(),
                           .stride = sequences_.stride(),
                           .sd = static_cast<float>(1.0 / std::sqrt(static_cast<double>(sequences_.dim()))),
                           .out = fresh_.data() + first_slot * fresh_size_,
                           .slot_size = fresh_size_};
    space_.for_each(n_slots, draw.n_blocks(), draw);
  }

  void train_step(std::size_t n_slots, const SequenceWindow& window, double* loss_sums) {
    forward(0, n_slots, window);
    space_.template reduce<LogitLoss::kLanes, Along::lanes>(
        n_slots,
        LogitLoss{
            .window = window, .logits = network_.logits(), .d_logits = network_.d_logits(), .loss_sums = loss_sums});
    network_.backward(space_, n_slots, {.lr = sgd_.lr, .weight_decay = sgd_.mlp_weight_decay}, d_u_.data());
    backward(n_slots, window);
  }

  void test(std::size_t first_slot, std::size_t n_slots, const SequenceWindow& window, bool memory, bool split) {
    forward(first_slot, n_slots, window);
    keep_logits(first_slot, n_slots, total_);
    if (split) {
      float* u = inputs(first_slot);
      space_.for_each(n_slots, vectors(), CopyArray{u, rows_from(targets_, first_slot), u, vectors()});
      network_.forward(space_, first_slot, n_slots);
      keep_logits(first_slot, n_slots, attention_);
    }
    if (memory || split) {
      space_.for_each(n_slots, vectors(),
                      CopyArray{rows_from(targets_, first_slot), nullptr, inputs(first_slot), vectors()});
      network_.forward(space_, first_slot, n_slots);
    }
    if (!split) return;
    const std::size_t first = first_slot * batch_;
    space_.template reduce<AddSplitSums::kLanes, Along::lanes>(
        n_slots, AddSplitSums{.window = window,
                              .weights = weights_.data() + first * length_,
                              .total = total_.data() + first,
                              .mlp = network_.logits() + first,
                              .attention = attention_.data() + first,
                              .empty = empty_.data() + first,
                              .sums = split_sums_.data() + first_slot});
  }

  KeptTotal total(std::size_t first_slot) { return {.logits = total_.data() + first_slot * batch_}; }

  void gather_memory(std::size_t first_slot, std::size_t n_slots, std::uint32_t first) {
    space_.for_each(n_slots * batch_, padded_,
                    GatherTargetTokens{.slots = sequences_.slots(first_slot),
                                       .gain = gain_.data() + first_slot * padded_,
                                       .bias = bias_.data() + first_slot * padded_,
                                       .inputs = inputs(first_slot),
                                       .first = first,
                                       .batch = batch_,
                                       .dim = sequences_.dim(),
                                       .stride = sequences_.stride(),
                                       .padded = padded_});
  }

  /// Before a measurement; also the logit of nothing, phi(0).
  void clear_split(std::size_t first_slot, std::size_t n_slots) {
    space_.for_each(1, n_slots, ClearSums<SplitSums>{.sums = split_sums_.data() + first_slot});
    space_.for_each(n_slots, vectors(), ClearArray{.values = inputs(first_slot), .size = vectors()});
    network_.forward(space_, first_slot, n_slots);
    keep_logits(first_slot, n_slots, empty_);
  }

  /// Of slots first_slot ... first_slot + n_slots - 1, brought over together.
  std::vector<std::vector<double>> diagnostics(std::size_t first_slot, std::size_t n_slots) const {
    const auto gain = get(gain_, first_slot, n_slots, 1), bias = get(bias_, first_slot, n_slots, 1);
    const auto query = get(query_, first_slot, n_slots, width_), key = get(key_, first_slot, n_slots, width_);
    const auto value = get(value_, first_slot, n_slots, width_);
    std::vector<SplitSums> splits(n_slots);
    space_.get(split_sums_, first_slot, std::span<SplitSums>(splits));
    std::vector<std::vector<double>> all(n_slots);
    for (std::size_t i = 0; i < n_slots; ++i) {
      const transformer::AttentionMatrices matrices{
          .dim = width_ - 2, .gain = gain[i], .bias = bias[i], .query = query[i], .key = key[i], .value = value[i]};
      for (const auto& named : transformer::attention_diagnostics(matrices)) all[i].push_back(named.value);
      const SplitSums& sums = splits[i];
      for (const double sum : {sums.copy, sums.self}) all[i].push_back(sum / sums.n);
      for (const double sum : {sums.mlp, sums.attention, sums.residual}) all[i].push_back(std::sqrt(sum / sums.n));
    }
    return all;
  }

 private:
  /// A matrix of each slot, [rows x padded] row-major, as a product takes it.
  struct Operand {
    const float* data;
    std::size_t rows;
    bool transposed = false;
  };

  /// The most items that the sequences of a stream have, of training or of tests.
  static std::size_t fresh_rows(const transformer::SimulationOptions& run) {
    const std::size_t n = transformer::n_exemplars(run);
    const std::size_t training = run.n_items ? 0 : run.batch * (run.copy_share < 1.0 ? n + 1 : n);
    return std::max(training, kTestChunk * n);
  }

  /// c <- scale op(a) op(b) + keep c in slots 0 ... n_slots - 1 of the arrays.
  void multiply(std::size_t n_slots, float scale, Operand a, Operand b, float keep, float* c) {
    const std::size_t rows = a.transposed ? padded_ : a.rows;
    // In column-major order these are the transposed matrices, so the factors change places.
    space_.product({.transpose_a = b.transposed,
                    .transpose_b = a.transposed,
                    .m = padded_,
                    .n = rows,
                    .k = a.transposed ? a.rows : padded_,
                    .alpha = scale,
                    .a = b.data,
                    .a_rows = padded_,
                    .a_stride = b.rows * padded_,
                    .b = a.data,
                    .b_rows = padded_,
                    .b_stride = a.rows * padded_,
                    .beta = keep,
                    .c = c,
                    .c_rows = padded_,
                    .c_stride = rows * padded_,
                    .n_batches = n_slots});
  }

  TokenRows token_rows(std::size_t first_slot, const SequenceWindow& window) {
    return {.window = window,
            .fresh = fresh_.data() + first_slot * fresh_size_,
            .fresh_size = fresh_size_,
            .dim = sequences_.dim(),
            .stride = sequences_.stride(),
            .n_attended = n_attended_};
  }

  /// From the window's sequences to logits.
  void forward(std::size_t first_slot, std::size_t n_slots, const SequenceWindow& window) {
    const TokenRows rows = token_rows(first_slot, window);
    const std::size_t n_rows = n_slots * batch_, tokens = first_slot * batch_ * length_;
    const float *gain = gain_.data() + first_slot * padded_, *bias = bias_.data() + first_slot * padded_;
    float *targets = rows_from(targets_, first_slot), *along = rows_from(along_, first_slot);
    float *directions = rows_from(directions_, first_slot), *read = rows_from(read_, first_slot);
    float *weights = weights_.data() + tokens, *scales = scales_.data() + tokens, *shifts = shifts_.data() + tokens;
    RowSoftmax* softmax = softmax_.data() + first_slot * batch_;
    float* a = a_.data() + first_slot * matrix_;
    space_.for_each(n_rows, padded_,
                    NormTargets{.rows = rows,
                                .gain = gain,
                                .bias = bias,
                                .normed = rows_from(normed_, first_slot),
                                .targets = targets,
                                .padded = padded_});
    multiply(n_slots, 1.0F, {key_.data() + first_slot * matrix_, padded_, true},
             {query_.data() + first_slot * matrix_, padded_}, 0.0F, a);
    multiply(n_slots, 1.0F, {targets, batch_}, {a, padded_, true}, 0.0F, along);
    space_.for_each(n_rows, padded_, ScaleByGain{along, gain, directions, batch_, padded_});
    space_.template reduce<ScoreTokens::kLanes, Along::lanes>(n_rows, ScoreTokens{.rows = rows,
                                                                                  .directions = directions,
                                                                                  .scores = weights,
                                                                                  .scales = scales,
                                                                                  .shifts = shifts,
                                                                                  .softmax = softmax,
                                                                                  .padded = padded_});
    space_.for_each(n_rows, length_, WeighTokens{softmax, weights, n_attended_, length_});
    space_.for_each(n_rows, padded_,
                    MeanTokens{.rows = rows,
                               .weights = weights,
                               .scales = scales,
                               .shifts = shifts,
                               .gain = gain,
                               .bias = bias,
                               .targets = targets,
                               .mean = rows_from(mean_, first_slot),
                               .read = read,
                               .inputs = inputs(first_slot),
                               .padded = padded_});
    multiply(n_slots, 1.0F, {read, batch_}, {value_.data() + first_slot * matrix_, padded_, true}, 1.0F,
             inputs(first_slot));
    network_.forward(space_, first_slot, n_slots);
  }

  /// From d_u_ to the updates of all that comes before the MLP.
  void backward(std::size_t n_slots, const SequenceWindow& window) {
    const TokenRows rows = token_rows(0, window);
    const std::size_t n_rows = n_slots * batch_;
    const auto lr = static_cast<float>(sgd_.lr);
    const auto keep = static_cast<float>(1.0 - sgd_.lr * sgd_.attention_weight_decay);
    multiply(n_slots, 1.0F, {d_u_.data(), batch_}, {value_.data(), padded_}, 0.0F, d_read_.data());
    multiply(n_slots, -lr, {d_u_.data(), batch_, true}, {read_.data(), batch_}, keep, value_.data());
    space_.for_each(n_rows, padded_, ScaleByGain{d_read_.data(), gain_.data(), directions_.data(), batch_, padded_});
    space_.template reduce<PullTokens::kLanes, Along::lanes>(n_rows, PullTokens{.rows = rows,
                                                                                .directions = directions_.data(),
                                                                                .weights = weights_.data(),
                                                                                .scales = scales_.data(),
                                                                                .shifts = shifts_.data(),
                                                                                .pulls = pulls_.data(),
                                                                                .mean_pull = mean_pull_.data(),
                                                                                .padded = padded_});
    space_.for_each(n_rows, padded_,
                    PullBack{.rows = rows,
                             .weights = weights_.data(),
                             .scales = scales_.data(),
                             .shifts = shifts_.data(),
                             .pulls = pulls_.data(),
                             .mean_pull = mean_pull_.data(),
                             .gain = gain_.data(),
                             .mean = mean_.data(),
                             .along = along_.data(),
                             .d_read = d_read_.data(),
                             .d_along = d_along_.data(),
                             .gain_parts = gain_parts_.data(),
                             .padded = padded_});
    // r = A t_T; d_u becomes the gradient of t_T.
    multiply(n_slots, 1.0F, {d_along_.data(), batch_, true}, {targets_.data(), batch_}, 0.0F, d_a_.data());
    multiply(n_slots, 1.0F, {d_along_.data(), batch_}, {a_.data(), padded_}, 1.0F, d_u_.data());
    const double norm_decay = sgd_.decay_layernorm ? sgd_.attention_weight_decay : 0.0;
    space_.template reduce<NormGradient::kLanes, Along::groups>(
        n_slots * padded_, NormGradient{.gain_parts = gain_parts_.data(),
                                        .d_read = d_read_.data(),
                                        .d_targets = d_u_.data(),
                                        .normed = normed_.data(),
                                        .gain = gain_.data(),
                                        .bias = bias_.data(),
                                        .batch = batch_,
                                        .padded = padded_,
                                        .step = {.lr = lr, .decay = static_cast<float>(norm_decay)}});
    // A = K^T Q: the gradient of K needs Q as it was, and that of Q the old K.
    multiply(n_slots, 1.0F, {query_.data(), padded_}, {d_a_.data(), padded_, true}, 0.0F, d_key_.data());
    multiply(n_slots, -lr, {key_.data(), padded_}, {d_a_.data(), padded_}, keep, query_.data());
    space_.for_each(n_slots, matrix_,
                    StepMatrix{.parameters = key_.data(),
                               .gradient = d_key_.data(),
                               .size = static_cast<std::uint32_t>(matrix_),
                               .step = {.lr = lr, .decay = static_cast<float>(sgd_.attention_weight_decay)}});
  }

  void keep_logits(std::size_t first_slot, std::size_t n_slots, Array<float>& to) {
    const std::size_t first = first_slot * batch_;
    space_.for_each(n_slots, batch_, CopyArray{network_.logits() + first, nullptr, to.data() + first, batch_});
  }

  std::uint32_t vectors() const { return batch_ * padded_; }
  float* rows_from(Array<float>& array, std::size_t slot) { return array.data() + slot * vectors(); }
  float* inputs(std::size_t slot) { return network_.inputs() + slot * vectors(); }

  /// A matrix of `rows` rows, or 1 for a vector, of width_ numbers each.
  void put(Array<float>& array, std::size_t slot, std::size_t rows, const std::vector<double>& values) {
    std::vector<float> padded((rows == 1 ? 1 : padded_) * padded_);
    for (std::size_t i = 0; i < rows * width_; ++i) {
      padded[i / width_ * padded_ + i % width_] = static_cast<float>(values[i]);
    }
    space_.put(array, slot * padded.size(), std::span<const float>(padded));
  }
  std::vector<std::vector<double>> get(const Array<float>& array, std::size_t first_slot, std::size_t n_slots,
                                       std::size_t rows) const {
    const std::size_t size = (rows == 1 ? 1 : padded_) * padded_;
    std::vector<float> padded(n_slots * size);
    space_.get(array, first_slot * size, std::span<float>(padded));
    std::vector<std::vector<double>> values(n_slots, std::vector<double>(rows * width_));
    for (std::size_t slot = 0; slot < n_slots; ++slot) {
      for (std::size_t i = 0; i < rows * width_; ++i) {
        values[slot][i] = padded[slot * size + i / width_ * padded_ + i % width_];
      }
    }
    return values;
  }

  Space& space_;
  DeviceSequences<Space>& sequences_;
  BatchedNetwork<Space>& network_;
  transformer::IclSgd sgd_;
  std::uint32_t batch_, length_, n_attended_;
  std::size_t width_;  // E
  std::uint32_t padded_;
  std::size_t matrix_;      // numbers of a matrix
  std::size_t fresh_size_;  // floats of a slot's fresh items

  Array<float> gain_, bias_;                            // [slots][padded]
  Array<float> query_, key_, value_, a_, d_a_, d_key_;  // [slots][padded][padded], a = K^T Q
  Array<float> fresh_;                                  // [slots][fresh_size]
  Array<float> normed_, targets_, along_, directions_;  // [slots][batch][padded] h_T, t_T, r, g r and later g d_read
  Array<float> mean_, read_;                            // [slots][batch][padded] sum_j a_j h_j, sum_j a_j t_j
  Array<float> d_u_, d_read_, d_along_, gain_parts_;    // [slots][batch][padded]
  Array<float> weights_, scales_, shifts_, pulls_;      // [slots][batch][T]
  Array<RowSoftmax> softmax_;                           // [slots][batch]
  Array<float> mean_pull_;                              // [slots][batch]
  Array<float> total_, attention_, empty_;              // [slots][batch] logits of t + v, v and 0
  Array<SplitSums> split_sums_;                         // [slots]
};

template <class Space>
using DeviceAttentionBatch = DeviceModelBatch<Space, DeviceAttentionModel>;

}  // namespace iclk::device
