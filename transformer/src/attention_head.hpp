#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "head_kernel.hpp"

namespace iclk::transformer {

/// The attention head of the minimal model on one sequence.
struct HeadOutput {
  double label = 0.0;  ///< A = sum_j a_j y_j
  double slope = 0.0;  ///< dA/dbeta = sum_j a_j (y_j - A) s_j
};

/// Softmax of beta s_j over n exemplars with dot products s_j and labels y_j, and over the target itself where `self` is
/// given: its dot product with itself, label 0.
///
/// Dot products are taken relative to the one that gets most attention: the slope loses nothing when all attention is on
/// one item. The double version is the definition, the float version is fast.
HeadOutput attend(double beta, std::span<const double> dots, const std::int8_t* labels, const double* self) noexcept;
HeadOutput attend(double beta, std::span<const float> dots, const std::int8_t* labels, const float* self) noexcept;

/// dots[j] = x_j . x_t, in double and fast in float.
void dot_products(const HeadRows& rows, double* dots) noexcept;
void dot_products(const HeadRows& rows, float* dots) noexcept;

/// What this machine can run, the fastest last. They give the same bits.
std::vector<HeadKernel> head_kernels();

}  // namespace iclk::transformer
