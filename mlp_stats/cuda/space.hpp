#pragma once

#include <cstddef>
#include <cstdint>

namespace iclk::device {

// A space is where arrays live and kernels run: CudaSpace (cuda_space.cuh) on a card, HostSpace (host_space.hpp) for tests.
// The algorithms are templates over it. It has
//
//     Array<T>(space, size)                       zero at first; data() is for kernels only
//     put(array, offset, std::span<const T>)      host to space
//     get(array, offset, std::span<T>)            space to host, after all that was launched
//     copy(array, from, to, n)                    within an array
//     for_each(rows, columns, body)               body(row, column) for all of them, in any order
//     reduce<lanes, along>(groups, body)          see below
//     product(Product)                            matrix products of many runs
//     replay(key, times, record)                  what record() launches, `times` times; recorded once per key
//     forget()                                    drops what was recorded
//
// reduce: `lanes` workers share each group. State partial = body.partial(group, lane) of each are merged in a tree,
// lane i with lane i + lanes/2 first, whatever the space; then body.finish(group, state) runs once.

/// Which neighbours work side by side, so that they read memory side by side: the lanes of a group, or the same lane of
/// neighbouring groups.
enum class Along { lanes, groups };

/// C <- alpha op(A) op(B) + beta C of n_batches matrices in column-major order, op(A): [m x k], op(B): [k x n], C: [m x n].
/// The matrices of batch i lie i * stride further.
struct Product {
  bool transpose_a, transpose_b;
  std::size_t m, n, k;
  float alpha;
  const float* a;
  std::size_t a_rows, a_stride;  // distance of columns, of batches
  const float* b;
  std::size_t b_rows, b_stride;
  float beta;
  float* c;
  std::size_t c_rows, c_stride;
  std::size_t n_batches;
};

}  // namespace iclk::device
