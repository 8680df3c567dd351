#include "token_kernels.hpp"

#include "token_kernel_vectors.hpp"

namespace iclk::transformer {

template <>
std::vector<TokenKernels<float>> token_kernel_variants<float>() {
  std::vector<TokenKernels<float>> variants{token_kernels<float>("baseline")};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) variants.push_back(avx2_token_kernels());
#endif
  return variants;
}

template <>
std::vector<TokenKernels<double>> token_kernel_variants<double>() {
  return {token_kernels<double>("baseline")};
}

}  // namespace iclk::transformer
