#include "token_kernel_vectors.hpp"

namespace iclk::transformer {

TokenKernels<float> avx2_token_kernels() { return token_kernels<float>("avx2"); }

}  // namespace iclk::transformer
