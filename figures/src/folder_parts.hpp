#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "iclk/core/error.hpp"

// Pieces that the readers and writers of folders share.
namespace iclk::figures {

inline constexpr int kDeepestFolder = 3;  ///< folders below the one that is named in which results are looked for
inline constexpr std::string_view kCurvesEnding = ".curves.csv";  ///< of the names of our own curve files
inline constexpr std::string_view kForeignEnding = ".csv";        ///< of those from elsewhere

/// Error about a file or folder: `path: problem`.
inline Error file_error(const std::filesystem::path& path, const std::string& problem) {
  return {Location{.file = path.string(), .line = {}, .field = {}}, problem};
}

/// Error about a field of a file: `path:line: field: problem`.
inline Error file_error(const std::filesystem::path& path, std::string field, const std::string& problem,
                        std::optional<std::size_t> line = {}) {
  return {Location{.file = path.string(), .line = line, .field = std::move(field)}, problem};
}

}  // namespace iclk::figures
