#include "cuda_space.cuh"
#include "device_minimal_batch.hpp"
#include "iclk/core/error.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "minimal_batch.hpp"

namespace iclk::transformer {

std::unique_ptr<MinimalBatch> make_cuda_batch(const MinimalBatchOptions& options) {
  if (const auto problem = mlp_stats::cuda_problem()) throw field_error("backend", *problem);
  return std::make_unique<device::DeviceMinimalBatch<device::CudaSpace>>(
      std::make_unique<device::CudaSpace>(options.precision), options);
}

}  // namespace iclk::transformer
