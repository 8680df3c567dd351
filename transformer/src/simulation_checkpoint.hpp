#pragma once

#include <filesystem>
#include <optional>

#include "iclk/transformer/simulation.hpp"

namespace iclk::transformer {

/// Saves a run so that it can go on exactly. Format: docs/formats.md.
void write_checkpoint(const std::filesystem::path& path, const SimulationOptions& options,
                      const SimulationState& state);

/// The saved state, or nothing when there is no such file.
/// Throws   Error when the file is damaged or was made by other settings.
std::optional<SimulationState> read_checkpoint(const std::filesystem::path& path, const SimulationOptions& options);

}  // namespace iclk::transformer
