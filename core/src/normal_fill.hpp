#pragma once

#include <vector>

#include "normal_stream.hpp"

namespace iclk {

struct NormalFillVariant {
  const char* name;
  FillNormals fill;
  FillWords words;
};

/// What this machine can run, the fastest last. They give the same bits.
std::vector<NormalFillVariant> normal_fill_variants();

/// The fastest `words` of this machine.
void fill_words(std::uint32_t* out, std::uint64_t first_block, const NormalStream& stream);

}  // namespace iclk
