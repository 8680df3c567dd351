#pragma once

#include <vector>

#include "token_kernel.hpp"

namespace iclk::transformer {

/// The kernels that this machine can run, the fastest one last. They differ in rounding only.
template <class Real>
std::vector<TokenKernels<Real>> token_kernel_variants();
template <>
std::vector<TokenKernels<float>> token_kernel_variants<float>();
template <>
std::vector<TokenKernels<double>> token_kernel_variants<double>();

}  // namespace iclk::transformer
