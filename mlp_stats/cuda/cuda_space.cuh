#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <cassert>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "iclk/core/error.hpp"
#include "iclk/mlp_stats/mlp_engine.hpp"
#include "space.hpp"

namespace iclk::device {

/// Throws Error `backend: ...` unless the call succeeded. `doing`: what was being done, in words.
void check(cudaError_t status, const char* doing);
void check(cublasStatus_t status, const char* doing);

template <class Body>
__global__ void for_each_kernel(std::uint32_t columns, std::uint32_t blocks_per_row, Body body) {
  const std::uint32_t row = blockIdx.x / blocks_per_row;
  const std::uint32_t column = blockIdx.x % blocks_per_row * blockDim.x + threadIdx.x;
  if (column < columns) body(row, column);
}

inline constexpr int kReduceThreads = 256;

template <int kLanes, Along kAlong, class Body>
__global__ void __launch_bounds__(kReduceThreads) reduce_kernel(std::uint32_t n_groups, Body body) {
  constexpr int kGroups = kReduceThreads / kLanes;
  const std::uint32_t lane = kAlong == Along::lanes ? threadIdx.x % kLanes : threadIdx.x / kGroups;
  const std::uint32_t place = kAlong == Along::lanes ? threadIdx.x / kLanes : threadIdx.x % kGroups;
  const std::uint32_t group = blockIdx.x * kGroups + place;
  __shared__ typename Body::State states[kLanes][kGroups];
  if (group < n_groups) states[lane][place] = body.partial(group, lane);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    __syncthreads();
    if (group < n_groups && lane < static_cast<std::uint32_t>(width)) {
      states[lane][place].merge(states[lane + width][place]);
    }
  }
  __syncthreads();
  if (group < n_groups && lane == 0) body.finish(group, states[0][place]);
}

/// The card that the runtime chooses (CUDA_VISIBLE_DEVICES), one stream, one workspace. What is launched in replay() is
/// captured into a graph. Every call throws Error where the card reports a fault.
class CudaSpace {
 public:
  explicit CudaSpace(mlp_stats::Precision precision);
  ~CudaSpace();
  CudaSpace(const CudaSpace&) = delete;
  CudaSpace& operator=(const CudaSpace&) = delete;

  template <class T>
  class Array {
   public:
    Array() = default;
    Array(CudaSpace& space, std::size_t size) : data_(static_cast<T*>(space.allocate(size * sizeof(T)))), size_(size) {}
    Array(Array&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Array& operator=(Array&& other) noexcept {
      std::swap(data_, other.data_);
      std::swap(size_, other.size_);
      return *this;
    }
    ~Array() { cudaFree(data_); }
    T* data() noexcept { return data_; }
    const T* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

   private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
  };

  template <class T>
  void put(Array<T>& array, std::size_t offset, std::span<const T> values) {
    assert(offset + values.size() <= array.size());
    transfer(array.data() + offset, values.data(), values.size_bytes(), cudaMemcpyHostToDevice);
  }
  template <class T>
  void get(const Array<T>& array, std::size_t offset, std::span<T> values) const {
    assert(offset + values.size() <= array.size());
    transfer(values.data(), array.data() + offset, values.size_bytes(), cudaMemcpyDeviceToHost);
  }
  template <class T>
  void copy(Array<T>& array, std::size_t from, std::size_t to, std::size_t n) {
    assert(from + n <= array.size() && to + n <= array.size());
    transfer(array.data() + to, array.data() + from, n * sizeof(T), cudaMemcpyDeviceToDevice);
  }

  template <class Body>
  void for_each(std::size_t rows, std::size_t columns, Body body) {
    const std::size_t threads = columns < 256 ? (columns + 31) / 32 * 32 : 256;
    const std::size_t blocks_per_row = (columns + threads - 1) / threads;
    for_each_kernel<<<grid(rows * blocks_per_row), static_cast<unsigned>(threads), 0, stream_>>>(
        static_cast<std::uint32_t>(columns), static_cast<std::uint32_t>(blocks_per_row), body);
    check(cudaGetLastError(), "starting a kernel");
  }

  template <int kLanes, Along kAlong, class Body>
  void reduce(std::size_t groups, Body body) {
    static_assert(kReduceThreads % kLanes == 0 && (kLanes & (kLanes - 1)) == 0);
    constexpr std::size_t kGroups = kReduceThreads / kLanes;
    reduce_kernel<kLanes, kAlong><<<grid((groups + kGroups - 1) / kGroups), kReduceThreads, 0, stream_>>>(
        static_cast<std::uint32_t>(groups), body);
    check(cudaGetLastError(), "starting a kernel");
  }

  void product(const Product& p);

  /// The first time is not captured: it loads the kernels and cuBLAS's choice of them, which a capture may not.
  template <class Record>
  void replay(std::uint64_t key, std::uint64_t times, Record&& record) {
    if (times == 0) return;
    const auto [found, is_new] = graphs_.try_emplace(key, nullptr);
    if (is_new) {
      record();
      --times;
    }
    if (times > 0 && found->second == nullptr) {
      begin_capture();
      try {
        record();
      } catch (...) {
        abandon_capture();
        throw;
      }
      found->second = end_capture();
    }
    for (std::uint64_t i = 0; i < times; ++i) launch(found->second);
    wait();
  }
  void forget();

 private:
  static unsigned grid(std::size_t blocks);
  void* allocate(std::size_t bytes);
  void transfer(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) const;
  void begin_capture();
  cudaGraphExec_t end_capture();
  void abandon_capture() noexcept;
  void launch(cudaGraphExec_t graph);
  void wait() const;
  void drop_graphs() noexcept;

  cudaStream_t stream_ = nullptr;
  cublasHandle_t cublas_ = nullptr;
  void* workspace_ = nullptr;
  cublasComputeType_t compute_;
  std::map<std::uint64_t, cudaGraphExec_t> graphs_;  // empty ones ran once, uncaptured
};

}  // namespace iclk::device
