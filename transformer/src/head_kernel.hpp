#pragma once

#include <cstddef>
#include <cstdint>

namespace iclk::transformer {

/// One sequence: rows of a table, the target apart.
struct HeadRows {
  const float* table;          // [rows x stride]
  std::size_t stride;          // floats from one row to the next, at least dim
  const std::uint32_t* items;  // [n] rows of the exemplars
  const float* target;         // [dim]
  std::size_t n;               // exemplars of this sequence
  std::size_t n_listed;        // items listed from here on, of this sequence and those after it: at least n
  std::size_t dim;
};

/// Sums over the exemplars, with weights exp(beta (s_j - top)) and s relative to top.
struct HeadSums {
  float total, label, dot, both;
};

struct HeadKernel {
  const char* name;
  /// dots[j] = x_j . x_t
  void (*dots)(const HeadRows& rows, float* dots);
  /// Sums over n dot products with labels +-1; top: the dot product with the largest weight.
  HeadSums (*sums)(float beta, float top, const float* dots, const std::int8_t* labels, std::size_t n);
};

HeadKernel baseline_head_kernel();
HeadKernel avx2_head_kernel();
HeadKernel avx512_head_kernel();

}  // namespace iclk::transformer
