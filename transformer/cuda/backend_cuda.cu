#include "cuda_space.cuh"
#include "device_attention_model.hpp"
#include "device_minimal_model.hpp"
#include "iclk/core/error.hpp"
#include "iclk/mlp_stats/backend.hpp"

namespace iclk::transformer {

std::unique_ptr<ModelBatch> make_cuda_batch(const ModelBatchOptions& options) {
  if (const auto problem = mlp_stats::cuda_problem()) throw field_error("backend", *problem);
  auto space = std::make_unique<device::CudaSpace>(options.run.precision);
  if (options.run.model == ModelKind::one_layer) {
    return std::make_unique<device::DeviceAttentionBatch<device::CudaSpace>>(std::move(space), options);
  }
  return std::make_unique<device::DeviceMinimalBatch<device::CudaSpace>>(std::move(space), options);
}

}  // namespace iclk::transformer
