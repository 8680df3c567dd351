#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "verb_options.hpp"

namespace iclk::cli {

/// --lr and --items: what curve files from elsewhere do not say themselves.
void declare_foreign_curves(VerbOptions& options, std::optional<double>& lr, std::vector<std::uint64_t>& n_items);

/// Every curve of every file, in their order. Throws Error for a folder, a bad file, K out of range, numbers in n_items
/// that match neither one nor every file, and a curve that is given twice: K and seed agree or, without a seed, the
/// samples do.
std::vector<MeasuredCurve> read_all_curves(std::span<const std::string> files, std::optional<double> lr,
                                           std::span<const std::uint64_t> n_items);

}  // namespace iclk::cli
