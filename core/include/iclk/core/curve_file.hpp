#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/order_parameters.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk {

/// One row of a curve file.
struct CurveSample {
  std::uint64_t iteration = 0;  ///< SGD steps done
  double time = 0.0;            ///< gradient-flow time = lr * iteration
  OrderParameters values;       ///< only c1, c2, c3, loss, accuracy are stored
};

/// One memorization curve as read from a file, ours or foreign.
struct MeasuredCurve {
  std::string source;                    ///< file it came from, as the user named it
  std::optional<std::uint64_t> n_items;  ///< K
  std::optional<std::uint64_t> seed;
  std::optional<double> lr;  ///< learning rate; absent when only time is known
  OrderParameterCurves curves;
  RunInfo info;  ///< settings of our own files; empty for foreign ones
};

/// What a file from elsewhere does not say itself.
struct ForeignCurveOptions {
  std::optional<double> lr;              ///< needed when the time column counts iterations
  std::optional<std::uint64_t> n_items;  ///< needed when the file has no column K or n_items
};

/// Reads every curve of a file, in the order in which they first appear in it.
///
/// Accepts the project's own format and any CSV with a header row: a column iteration or step, time or t, or both; c1;
/// optionally c2, c3, K or n_items, seed; other columns are ignored. docs/formats.md has the rules. Without c2 the
/// closure c2 = 1 - c1 is used and c2_is_closure set. What a file says itself (a column, or a comment `# lr: 0.01`)
/// comes before the options. A path of "-" is not special here.
///
/// Throws   Error with file, line and column for everything that is not such a file: missing, empty, a directory,
///          binary, header only, no c1, text or a non-finite value in a number, c1 outside (0, 1), c2 outside (0, 1],
///          c3 not positive, time that repeats or falls, fewer than two points, the same (K, seed) again after other
///          rows, iterations without a learning rate, time that contradicts lr * iteration, unknown version.
std::vector<MeasuredCurve> read_curves(const std::filesystem::path& path, const ForeignCurveOptions& options = {});

/// Writes one curve in the project's own format: `# iclk-curves 1`, `# key: value` lines from `info`, then
/// iteration,time,c1,c2,c3,loss,accuracy. The file appears whole or not at all.
/// Throws Error naming the path when it cannot be written, or when a reader would refuse it: `info` must hold n_items,
/// lr and seed, each sample time = lr * iteration (rising) and values within their ranges.
void write_curves(const std::filesystem::path& path, const RunInfo& info, const std::vector<CurveSample>& samples);

/// Writes `contents` to `path` so that a reader finds the old file or the whole new one, never a part: a temporary
/// file beside it, fsync, rename, fsync of the folder. Keeps the mode of a file that it replaces, follows links, and
/// writes devices and pipes (/dev/stdout) directly. Throws Error naming the path and the reason (no such folder,
/// permission, disk full), and then leaves nothing behind.
void write_file_atomically(const std::filesystem::path& path, std::string_view contents);

}  // namespace iclk
