#include <cuda_runtime.h>

#include <string>

#include "cuda_space.cuh"
#include "device_mlp_batch.hpp"
#include "iclk/core/error.hpp"
#include "iclk/mlp_stats/backend.hpp"
#include "mlp_batch.hpp"

namespace iclk::mlp_stats {
namespace {

__global__ void empty_kernel() {}

std::string dotted(int version) { return std::to_string(version / 1000) + '.' + std::to_string(version % 1000 / 10); }

}  // namespace

std::optional<std::string> cuda_problem() {
  int n_devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&n_devices);
  if (status == cudaErrorInsufficientDriver) {
    return "cuda needs an NVIDIA driver for CUDA " + dotted(CUDART_VERSION) + " or newer; none was found";
  }
  if (status != cudaSuccess || n_devices == 0) {
    return "cuda found no card" + (status == cudaSuccess || status == cudaErrorNoDevice
                                       ? std::string()
                                       : ": " + std::string(cudaGetErrorString(status)));
  }
  cudaFuncAttributes attributes;
  if (cudaFuncGetAttributes(&attributes, empty_kernel) != cudaSuccess) {
    cudaGetLastError();
    cudaDeviceProp card;
    if (cudaGetDeviceProperties(&card, 0) != cudaSuccess) return "cuda cannot use the card";
    return "cuda was not built for this card (" + std::string(card.name) + ", compute capability " +
           std::to_string(card.major) + '.' + std::to_string(card.minor) +
           "); configure with -DCMAKE_CUDA_ARCHITECTURES=" + std::to_string(card.major) + std::to_string(card.minor);
  }
  return std::nullopt;
}

std::string cuda_description() {
  if (const auto problem = cuda_problem()) return *problem;
  int device = 0;
  cudaDeviceProp card;
  device::check(cudaGetDevice(&device), "asking for the card");
  device::check(cudaGetDeviceProperties(&card, device), "asking for the card");
  return std::string(card.name) + ", " + std::to_string(card.totalGlobalMem >> 30) + " GiB, CUDA " +
         dotted(CUDART_VERSION);
}

std::unique_ptr<MlpBatch> make_cuda_batch(const MlpBatchOptions& options) {
  if (const auto problem = cuda_problem()) throw field_error("backend", *problem);
  return std::make_unique<device::DeviceMlpBatch<device::CudaSpace>>(
      std::make_unique<device::CudaSpace>(options.precision), options);
}

}  // namespace iclk::mlp_stats
