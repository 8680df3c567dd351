#include "iclk/mlp_stats/backend.hpp"

#include <algorithm>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/logistic.hpp"
#include "mlp_batch.hpp"

namespace iclk::mlp_stats {
namespace {

template <class Real>
class EngineBackend final : public Backend {
 public:
  EngineBackend(BackendKind kind, const ItemDataset& dataset, MlpShape shape, std::size_t batch)
      : dataset_(dataset), batch_(batch), engine_(make_mlp_engine<Real>(kind, shape, batch)) {}

  void upload(const MlpParameters& parameters) override { engine_->upload(parameters); }
  MlpParameters download() const override { return engine_->download(); }

  /// Gradient of the mean loss (1/B) sum_b sp(-y_b z_b): d loss/d z_b = -y_b sigma(-y_b z_b) / B.
  void train(std::span<const std::uint32_t> batches, const SgdOptions& options) override {
    const std::span<Real> d_logits = engine_->d_outputs();
    for (std::size_t first = 0; first < batches.size(); first += batch_) {
      const auto items = batches.subspan(first, batch_);
      gather(items);
      const std::span<const Real> logits = engine_->forward();
      for (std::size_t b = 0; b < batch_; ++b) {
        const double label = dataset_.labels[items[b]];
        d_logits[b] =
            static_cast<Real>(-label * sigmoid(-label * static_cast<double>(logits[b])) / static_cast<double>(batch_));
      }
      engine_->backward_and_update(options, {});
    }
  }

  void logits(std::span<double> logits) override {
    std::vector<std::uint32_t> items(batch_);
    for (std::size_t first = 0; first < dataset_.n_items; first += batch_) {
      const std::size_t count = std::min(batch_, dataset_.n_items - first);
      for (std::size_t b = 0; b < batch_; ++b) {
        items[b] = static_cast<std::uint32_t>(first + std::min(b, count - 1));  // the last batch repeats its last item
      }
      gather(items);
      const std::span<const Real> outputs = engine_->forward();
      for (std::size_t b = 0; b < count; ++b) logits[first + b] = static_cast<double>(outputs[b]);
    }
  }

 private:
  void gather(std::span<const std::uint32_t> items) {
    const std::size_t n_features = dataset_.n_features;
    Real* row = engine_->inputs().data();
    for (std::size_t b = 0; b < batch_; ++b, row += n_features) {
      std::copy_n(dataset_.features.data() + items[b] * n_features, n_features, row);
    }
  }

  const ItemDataset& dataset_;
  std::size_t batch_;
  std::unique_ptr<MlpEngine<Real>> engine_;
};

/// One network on the device, its batches given.
class DeviceBackend final : public Backend {
 public:
  DeviceBackend(Precision precision, const ItemDataset& dataset, MlpShape shape, std::size_t batch)
      : dataset_(dataset),
        batch_(make_cuda_batch({.shape = shape, .batch = batch, .capacity = 1, .precision = precision})) {}

  void upload(const MlpParameters& parameters) override { batch_->place(0, dataset_, 0, 0, parameters); }
  MlpParameters download() const override { return batch_->download(0); }
  void train(std::span<const std::uint32_t> batches, const SgdOptions& options) override {
    batch_->train_given(batches, options);
  }
  void logits(std::span<double> logits) override { batch_->logits(0, logits); }

 private:
  const ItemDataset& dataset_;
  std::unique_ptr<MlpBatch> batch_;
};

}  // namespace

std::unique_ptr<Backend> make_backend(BackendKind kind, Precision precision, const ItemDataset& dataset, MlpShape shape,
                                      std::size_t batch) {
  if ((kind == BackendKind::cuda || precision == Precision::tf32) && !offers(kind, precision)) {
    throw field_error("precision",
                      "expected " + std::string(offered_precisions(kind)) + ", got " + std::string(name(precision)));
  }
  if (kind == BackendKind::cuda) return std::make_unique<DeviceBackend>(precision, dataset, shape, batch);
  if (precision == Precision::float64) return std::make_unique<EngineBackend<double>>(kind, dataset, shape, batch);
  return std::make_unique<EngineBackend<float>>(kind, dataset, shape, batch);
}

}  // namespace iclk::mlp_stats
