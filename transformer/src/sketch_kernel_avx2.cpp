#include "sketch_kernel_vectors.hpp"

namespace iclk::transformer {

SketchKernel avx2_sketch_kernel() {
  return {"avx2", project_sketch, combine_sketch, pull_back_sketch, dot_sketch, remove_sketch};
}

}  // namespace iclk::transformer
