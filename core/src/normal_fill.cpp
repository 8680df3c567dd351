#include "iclk/core/normal_fill.hpp"

#include <algorithm>
#include <cassert>

#include "normal_fill.hpp"
#include "normal_fill_kernel.hpp"

namespace iclk {
namespace {

NormalFillVariant best_variant() noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {"avx512f", fill_normals_avx512, fill_words_avx512};
  if (__builtin_cpu_supports("avx2")) return {"avx2", fill_normals_avx2, fill_words_avx2};
#endif
  return {"baseline", fill_normals_baseline, fill_words_baseline};
}

}  // namespace

void fill_normals_baseline(float* out, std::uint64_t first_block, std::uint64_t n_chunks, float sd,
                           const NormalStream& stream) {
  fill_chunks(out, first_block, n_chunks, sd, stream);
}

void fill_words_baseline(std::uint32_t* out, std::uint64_t first_block, const NormalStream& stream) {
  words_of_chunk(out, first_block, stream);
}

void fill_words(std::uint32_t* out, std::uint64_t first_block, const NormalStream& stream) {
  static const FillWords words = best_variant().words;
  words(out, first_block, stream);
}

std::vector<NormalFillVariant> normal_fill_variants() {
  std::vector<NormalFillVariant> variants{{"baseline", fill_normals_baseline, fill_words_baseline}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) variants.push_back({"avx2", fill_normals_avx2, fill_words_avx2});
  if (__builtin_cpu_supports("avx512f")) variants.push_back({"avx512f", fill_normals_avx512, fill_words_avx512});
#endif
  return variants;
}

void fill_normals(std::span<float> out, double sd, std::uint64_t seed, RandomPurpose purpose, std::uint64_t index) {
  assert(out.size() <= std::uint64_t{1} << 34);
  const NormalStream stream{.key = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
                            .counter = {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                                        static_cast<std::uint32_t>(purpose)}};
  const FillNormals fill = best_variant().fill;
  const auto scale = static_cast<float>(sd);
  const std::uint64_t n_chunks = out.size() / kNormalsPerChunk;
  fill(out.data(), 0, n_chunks, scale, stream);
  const std::size_t done = n_chunks * kNormalsPerChunk;
  if (done < out.size()) {
    float chunk[kNormalsPerChunk];
    fill(chunk, n_chunks * kBlocksPerChunk, 1, scale, stream);
    std::copy_n(chunk, out.size() - done, out.data() + done);
  }
}

}  // namespace iclk
