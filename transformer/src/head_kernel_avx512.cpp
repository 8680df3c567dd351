#include "head_kernel_vectors.hpp"

namespace iclk::transformer {

HeadKernel avx512_head_kernel() { return {"avx512", dots_of, sums_of}; }

}  // namespace iclk::transformer
