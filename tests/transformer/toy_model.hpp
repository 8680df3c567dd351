#pragma once

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/transformer/simulation.hpp"

namespace iclk::test {

/// A model that learns nothing and always gets on: its ICL accuracy is n/1000 after n steps up to step 1000, stays at 1
/// and falls again by 1/1000 per step from step 2000. beta = n/100, w = 4 - |n - 1500|/250. `trace` depends on every
/// label that it was trained on, so that a step left out, done twice or fed with other sequences shows.
class ToyModel final : public transformer::IclModel {
 public:
  double train(const transformer::SequenceBatch& batch, const transformer::IclSgd& sgd) override {
    for (const std::int8_t label : batch.labels) trace_ = std::fmod(trace_ * 1.0625 + label + 2, 1024.0);
    steps_ += 1.0;
    return sgd.lr * steps_;
  }
  void logits(const transformer::SequenceBatch& batch, transformer::LogitParts& parts) override {
    parts.resize(batch.n_sequences);
    const std::size_t stride = batch.n_context + 1;
    for (std::size_t i = 0; i < batch.n_sequences; ++i) {
      const double label = batch.labels[(i + 1) * stride - 1];
      const double rank = (static_cast<double>(i) + 0.5) / static_cast<double>(batch.n_sequences);
      parts.total[i] = label * (level() - rank);
      parts.mlp[i] = label * 1e-3 * steps_;
      parts.attention[i] = parts.total[i] - parts.mlp[i];
    }
  }
  void memory_logits(std::span<const float> items, std::span<double> logits) override {
    const std::size_t dim = items.size() / logits.size();
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = 1e-3 * steps_ * items[i * dim];
  }
  std::vector<transformer::NamedValue> diagnostics() const override {
    return {{"beta", steps_ / 100}, {"w", 4 - std::abs(steps_ - 1500) / 250}, {"trace", trace_}};
  }
  std::vector<transformer::NamedArray> parameters() const override { return {{"state", {steps_, trace_}}}; }
  void load(std::span<const transformer::NamedArray> arrays) override {
    if (arrays.size() != 1 || arrays[0].name != "state") throw field_error("arrays", "expected those of a toy model");
    steps_ = arrays[0].values.at(0);
    trace_ = arrays[0].values.at(1);
  }

 private:
  double level() const {
    if (steps_ <= 1000) return steps_ / 1000;
    return steps_ <= 2000 ? 1.0 : std::max(0.0, 1.0 - (steps_ - 2000) / 1000);
  }

  double steps_ = 0.0;
  double trace_ = 1.0;
};

inline std::unique_ptr<transformer::IclModel> make_toy(const transformer::SimulationOptions&) {
  return std::make_unique<ToyModel>();
}

/// A short run on few and small sequences; lr = 1/4 makes times exact.
inline transformer::SimulationOptions toy_options() {
  transformer::SimulationOptions options;
  options.n_items = 8;
  options.context = 4;
  options.dim = 3;
  options.batch = 2;
  options.lr = 0.25;
  options.weight_decay = 0.0;
  options.iterations = 3000;
  options.test_sequences = 100;
  options.points_per_decade = 4;
  options.measure_every = 100;
  return options;
}

/// A run of the minimal model that takes a fraction of a second.
inline transformer::SimulationOptions small_options() {
  transformer::SimulationOptions options = toy_options();
  options.hidden = 8;
  options.lr = 0.1;
  options.iterations = 600;
  return options;
}

}  // namespace iclk::test
