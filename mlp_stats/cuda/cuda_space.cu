#include "cuda_space.cuh"

#include "iclk/core/run_batch.hpp"

namespace iclk::device {
namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // what cuBLAS recommends for this generation of cards

[[noreturn]] void fail(const char* doing, const char* reason) {
  throw DeviceError({.file = {}, .line = {}, .field = "backend"}, std::string("cuda: ") + doing + " failed: " + reason);
}

}  // namespace

void check(cudaError_t status, const char* doing) {
  if (status != cudaSuccess) fail(doing, cudaGetErrorString(status));
}

void check(cublasStatus_t status, const char* doing) {
  if (status != CUBLAS_STATUS_SUCCESS) fail(doing, cublasGetStatusString(status));
}

CudaSpace::CudaSpace(mlp_stats::Precision precision)
    : compute_(precision == mlp_stats::Precision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F) {
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "opening a stream");
  check(cublasCreate(&cublas_), "starting cuBLAS");
  workspace_ = allocate(kWorkspaceBytes);
  check(cublasSetStream(cublas_, stream_), "starting cuBLAS");  // resets the workspace, so before it
  check(cublasSetWorkspace(cublas_, workspace_, kWorkspaceBytes), "starting cuBLAS");
}

CudaSpace::~CudaSpace() {
  if (stream_ != nullptr) cudaStreamSynchronize(stream_);
  drop_graphs();
  if (cublas_ != nullptr) cublasDestroy(cublas_);
  cudaFree(workspace_);
  if (stream_ != nullptr) cudaStreamDestroy(stream_);
}

void* CudaSpace::allocate(std::size_t bytes) {
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, bytes == 0 ? 1 : bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // clears it
    throw DeviceError({.file = {}, .line = {}, .field = "jobs"},
                      "the card has too little free memory for so many runs together (" + std::to_string(bytes >> 20) +
                          " MiB more were needed); ask for fewer");
  }
  check(status, "taking memory");
  check(cudaMemsetAsync(data, 0, bytes, stream_), "clearing memory");
  return data;
}

/// In the order of the stream; returns when the values have arrived.
void CudaSpace::transfer(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) const {
  check(cudaMemcpyAsync(to, from, bytes, kind, stream_), "copying");
  wait();
}

void CudaSpace::product(const Product& p) {
  const auto op = [](bool transpose) { return transpose ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const auto count = [](std::size_t n) { return static_cast<int>(n); };
  const auto stride = [](std::size_t n) { return static_cast<long long>(n); };
  check(cublasGemmStridedBatchedEx(cublas_, op(p.transpose_a), op(p.transpose_b), count(p.m), count(p.n), count(p.k),
                                   &p.alpha, p.a, CUDA_R_32F, count(p.a_rows), stride(p.a_stride), p.b, CUDA_R_32F,
                                   count(p.b_rows), stride(p.b_stride), &p.beta, p.c, CUDA_R_32F, count(p.c_rows),
                                   stride(p.c_stride), count(p.n_batches), compute_, CUBLAS_GEMM_DEFAULT),
        "a matrix product");
}

unsigned CudaSpace::grid(std::size_t blocks) {
  if (blocks == 0 || blocks > 0x7fffffffU) {
    throw DeviceError({.file = {}, .line = {}, .field = "jobs"},
                      "expected fewer runs together: the card cannot number their work");
  }
  return static_cast<unsigned>(blocks);
}

void CudaSpace::begin_capture() {
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "recording a step");
}

cudaGraphExec_t CudaSpace::end_capture() {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream_, &graph), "recording a step");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check(status, "recording a step");
  return executable;
}

void CudaSpace::abandon_capture() noexcept {
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(stream_, &graph);
  if (graph != nullptr) cudaGraphDestroy(graph);
}

void CudaSpace::launch(cudaGraphExec_t graph) { check(cudaGraphLaunch(graph, stream_), "training"); }

void CudaSpace::wait() const { check(cudaStreamSynchronize(stream_), "waiting for the card"); }

void CudaSpace::forget() {
  wait();
  drop_graphs();
}

void CudaSpace::drop_graphs() noexcept {
  for (const auto& [key, graph] : graphs_) {
    if (graph != nullptr) cudaGraphExecDestroy(graph);
  }
  graphs_.clear();
}

}  // namespace iclk::device
