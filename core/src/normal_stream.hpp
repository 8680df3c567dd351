#pragma once

#include <cstdint>

namespace iclk {

/// Key and counter of a stream of random.hpp.
struct NormalStream {
  std::uint32_t key[2];      // seed, low and high half
  std::uint32_t counter[3];  // index, low and high half, purpose; the block number comes before them
};
/// Writes `n_chunks` chunks of kNormalsPerChunk numbers sd * N(0, 1) from the stream's block `first_block` on.
using FillNormals = void (*)(float* out, std::uint64_t first_block, std::uint64_t n_chunks, float sd,
                             const NormalStream& stream);

/// Writes the 4 kBlocksPerChunk words of the stream's blocks from `first_block` on, as they are.
using FillWords = void (*)(std::uint32_t* out, std::uint64_t first_block, const NormalStream& stream);

inline constexpr int kNormalsPerChunk = 64;
inline constexpr int kBlocksPerChunk = 16;  // a block of Philox is four words: two pairs of normals

void fill_normals_baseline(float* out, std::uint64_t first_block, std::uint64_t n_chunks, float sd,
                           const NormalStream& stream);
void fill_normals_avx2(float* out, std::uint64_t first_block, std::uint64_t n_chunks, float sd,
                       const NormalStream& stream);
void fill_normals_avx512(float* out, std::uint64_t first_block, std::uint64_t n_chunks, float sd,
                         const NormalStream& stream);

void fill_words_baseline(std::uint32_t* out, std::uint64_t first_block, const NormalStream& stream);
void fill_words_avx2(std::uint32_t* out, std::uint64_t first_block, const NormalStream& stream);
void fill_words_avx512(std::uint32_t* out, std::uint64_t first_block, const NormalStream& stream);

}  // namespace iclk
