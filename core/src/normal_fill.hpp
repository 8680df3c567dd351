#pragma once

#include <vector>

#include "normal_stream.hpp"

namespace iclk {

struct NormalFillVariant {
  const char* name;
  FillNormals fill;
};

/// What this machine can run, the fastest last. They give the same bits.
std::vector<NormalFillVariant> normal_fill_variants();

}  // namespace iclk
