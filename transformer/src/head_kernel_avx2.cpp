#include "head_kernel_vectors.hpp"

namespace iclk::transformer {

HeadKernel avx2_head_kernel() { return {"avx2", dots_of, sums_of}; }

}  // namespace iclk::transformer
