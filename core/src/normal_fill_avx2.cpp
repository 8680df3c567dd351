#include "normal_fill_kernel.hpp"

namespace iclk {

void fill_normals_avx2(float* out, std::uint64_t first_block, std::uint64_t n_chunks, float sd,
                       const NormalStream& stream) {
  fill_chunks(out, first_block, n_chunks, sd, stream);
}

void fill_words_avx2(std::uint32_t* out, std::uint64_t first_block, const NormalStream& stream) {
  words_of_chunk(out, first_block, stream);
}

}  // namespace iclk
