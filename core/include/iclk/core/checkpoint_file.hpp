#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/run_info.hpp"

namespace iclk {

/// Builds a checkpoint, the file from which an unfinished run goes on: a magic line, the settings of the run, what the
/// caller appends, and a checksum of it all. Binary, little-endian. Layout: docs/formats.md.
class CheckpointWriter {
 public:
  /// `magic` names the format and its version, with the line feed at its end.
  CheckpointWriter(std::string_view magic, const RunInfo& settings);

  void count(std::uint64_t value);
  void number(double value);
  void text(std::string_view text);               ///< its length, then its bytes
  void array(std::span<const double> values);     ///< its length, then its values
  void write(const std::filesystem::path& path);  ///< closes the checkpoint; the file appears whole or not at all

 private:
  std::string buffer_;
};

/// Reads a checkpoint in the order in which it was written. Everything that does not fit is an Error which names the
/// file and says that it is damaged.
class CheckpointReader {
 public:
  /// Opens a checkpoint made by the same `settings`; nothing when there is no such file.
  /// Throws   Error when it cannot be read, is damaged, or was made by other settings.
  static std::optional<CheckpointReader> open(const std::filesystem::path& path, std::string_view magic,
                                              const RunInfo& settings);

  std::uint64_t count();
  double number();
  std::string text();
  void array(std::span<double> values);  ///< as many values as were written
  std::vector<double> array();

  [[noreturn]] void damaged() const;

 private:
  CheckpointReader(std::filesystem::path path, std::string bytes) : path_(std::move(path)), bytes_(std::move(bytes)) {}
  std::string_view take(std::size_t n);

  std::filesystem::path path_;
  std::string bytes_;
  std::size_t position_ = 0;
};

/// The settings at the head of a text file of ours, its `# key: value` lines, without reading further.
RunInfo read_settings(const std::filesystem::path& path);

/// Throws Error naming the first of the `wanted` settings that the file at `path` was not made with, in words that say
/// how to go on.
void require_same_settings(const std::filesystem::path& path, const RunInfo& found, const RunInfo& wanted);

}  // namespace iclk
