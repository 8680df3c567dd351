#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "iclk/fit/binary_threshold.hpp"

namespace iclk::fit {

/// Runs of one K and N.
struct RunLevel {
  double log_items = 0.0;
  double log_context = 0.0;  ///< 0 when the context is not used
  double n = 0.0;
  double acquired = 0.0;
};

struct RunLevels {
  std::vector<RunLevel> levels;
  std::size_t n_distinct = 0;  ///< before anything was gathered
  double k_min = 0.0, k_max = 0.0;
  std::string warning;  ///< when K were gathered on a grid
};

enum class UseContext { no, yes };

/// Joins the runs of equal K (and N). More than max_levels distinct K are moved to a grid of that many steps in ln K.
/// Throws Error for n_items, or n_context where it is used, that are not positive and finite.
RunLevels gather(std::span<const RunOutcome> runs, std::size_t max_levels, UseContext use_context);

}  // namespace iclk::fit
