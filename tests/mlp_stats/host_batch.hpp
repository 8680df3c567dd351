#pragma once

#include <memory>

#include "device_mlp_batch.hpp"
#include "host_space.hpp"
#include "iclk/mlp_stats/backend.hpp"

namespace iclk::test {

/// The batch of backend cuda with its kernels on the host.
inline std::unique_ptr<mlp_stats::MlpBatch> make_host_batch(const mlp_stats::MlpBatchOptions& options) {
  return std::make_unique<device::DeviceMlpBatch<device::HostSpace>>(std::make_unique<device::HostSpace>(), options);
}

/// One network of such a batch; a neighbour is there to be left alone.
class HostBackend final : public mlp_stats::Backend {
 public:
  HostBackend(const mlp_stats::ItemDataset& dataset, mlp_stats::MlpShape shape, std::size_t batch)
      : dataset_(dataset), batch_(make_host_batch({.shape = shape, .batch = batch, .capacity = 2})) {}

  void upload(const mlp_stats::MlpParameters& parameters) override { batch_->place(0, dataset_, 0, 0, parameters); }
  mlp_stats::MlpParameters download() const override { return batch_->download(0); }
  void train(std::span<const std::uint32_t> batches, const mlp_stats::SgdOptions& options) override {
    batch_->train_given(batches, options);
  }
  void logits(std::span<double> logits) override { batch_->logits(0, logits); }

 private:
  const mlp_stats::ItemDataset& dataset_;
  std::unique_ptr<mlp_stats::MlpBatch> batch_;
};

}  // namespace iclk::test
