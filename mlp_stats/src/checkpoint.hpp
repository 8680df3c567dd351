#pragma once

#include <filesystem>
#include <optional>

#include "iclk/mlp_stats/trainer.hpp"

namespace iclk::mlp_stats {

/// Saves a run so that it can go on exactly. The file appears whole or not at all, and carries the settings of the
/// run and a checksum. Format: docs/formats.md.
void write_checkpoint(const std::filesystem::path& path, const TrainingOptions& options, const TrainingState& state);

/// The saved state, or nothing when there is no such file.
/// Throws   Error when the file is damaged or was made by other settings.
std::optional<TrainingState> read_checkpoint(const std::filesystem::path& path, const TrainingOptions& options);

}  // namespace iclk::mlp_stats
