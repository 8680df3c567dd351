#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace iclk::transformer {

/// Rows of a table of items, picked by number: nothing is copied.
struct ItemRows {
  const float* table = nullptr;  // [rows x stride]
  std::size_t stride = 0;        // floats from one row to the next, at least dim
  std::size_t dim = 0;
  const std::uint32_t* items = nullptr;  // [n]
  std::size_t n = 0;
  std::size_t n_listed = 0;  // items[n] ... items[n_listed - 1] come next: their rows may be fetched already
  bool scaled = false;       // stride a multiple of 16; behind each row zeros and, last of the stride, its own scale
};

/// What attention does with the items x_j of one sequence. Each pass reads a row once.
template <class Real>
struct ItemKernels {
  std::string_view name;

  /// dots[j] = x_j . direction, sums[j] = sum of the coordinates of x_j, squares[j] = |x_j|^2.
  void (*project)(const ItemRows& rows, const Real* direction, Real* dots, Real* sums, Real* squares);

  /// dots[j] = x_j . direction, and the scales of the rows: where rows.scaled.
  void (*project_scaled)(const ItemRows& rows, const Real* direction, Real* dots, Real* scales);

  /// out = sum_j weights[j] x_j: [dim].
  void (*combine)(const ItemRows& rows, const Real* weights, Real* out);

  /// The way back through both: forces[j] = weights[j] (scales[j] x_j . direction + offsets[j]),
  /// out = sum_j forces[j] scales[j] x_j: [dim].
  void (*pull_back)(const ItemRows& rows, const Real* direction, const Real* weights, const Real* scales,
                    const Real* offsets, Real* forces, Real* out);
};

/// The kernels that this machine can run, the fastest one last. They differ in the order of their sums only.
template <class Real>
std::vector<ItemKernels<Real>> item_kernel_variants();
template <>
std::vector<ItemKernels<float>> item_kernel_variants<float>();
template <>
std::vector<ItemKernels<double>> item_kernel_variants<double>();

template <class Real>
ItemKernels<Real> best_item_kernels() {
  return item_kernel_variants<Real>().back();
}

}  // namespace iclk::transformer
