#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::figures {

/// The measurements of one run, column by column; empty where only its results are known.
struct Trajectory {
  std::vector<std::string> columns;                        ///< "time", "icl_accuracy", "beta", ...
  std::vector<std::vector<std::optional<double>>> values;  ///< [column][row]; empty fields stay empty

  std::size_t n_rows() const noexcept { return values.empty() ? 0 : values.front().size(); }
  /// Values of a column, or an empty pointer when the run has none of this name.
  const std::vector<std::optional<double>>* find(std::string_view column) const noexcept;
};

/// One training run of a model on the in-context task, from a simulation file or one row of a collected table.
struct MeasuredRun {
  std::filesystem::path file;       ///< where it was read
  std::optional<std::size_t> line;  ///< of a table; a simulation file holds one run
  /// Every setting and result, by the keys of simulation files (`end_icl_accuracy`, also where a table has
  /// `icl_accuracy`); settings and results that do not exist are left out.
  RunInfo head;

  std::string identity;           ///< hash of its settings
  std::string model;              ///< minimal, one-layer or two-layer
  std::optional<double> n_items;  ///< K; empty: infinite
  double n_context = 0.0;         ///< N as the run's settings say it
  double n_exemplars = 0.0;       ///< N, less one where N counts the target: what the theory calls N
  std::optional<std::uint64_t> seed;
  bool acquired = false;
  double time = 0.0;  ///< t_ICL, or of a run that did not acquire the time at which it ended [time]
  Trajectory trajectory;

  std::optional<double> t_icl() const noexcept { return acquired ? std::optional(time) : std::nullopt; }
  /// A setting or result as text, empty where the run has none of this name.
  std::string_view text(std::string_view key) const noexcept;
  /// The same as a number; empty also for "none", "inf" and words.
  std::optional<double> number(std::string_view key) const noexcept;
};

struct RunFolderOptions {
  bool trajectories = true;     ///< read the measurements too, not only settings and results
  bool skip_bad_files = false;  ///< leave out what cannot be read and say so in `problems`, instead of throwing
};

struct MeasuredRuns {
  std::vector<MeasuredRun> runs;      ///< by model, N, K (infinite last), seed, identity
  std::vector<std::string> problems;  ///< one line per file that was left out
};

/// All runs of a results folder: `*.simulation.csv` and tables of `iclk sweep collect --csv` (any CSV with the columns
/// run, model, items, context, acquired and time), in the folder and up to three folders below. The same run in a
/// table and in a file counts once, with its measurements. Hidden files and folders are passed over. Or a single such
/// file.
///
/// Throws   Error with file and line: the folder is missing; a file cannot be read, lacks a key or holds a value that
///          is not one; the same run with different results.
MeasuredRuns read_run_folder(const std::filesystem::path& data, const RunFolderOptions& options = {});

/// Memorization curves below the folder (`*.curves.csv`, at any of the depths above) of the network that this run
/// trains: hidden, dim, batch, lr, weight_decay and the labels' rule equal where both say them, items drawn with equal
/// frequencies, raw items for the minimal model, normalized tokens for a transformer if there are such curves. Ordered
/// by K, seed and file name; none where no curve fits.
///
/// Throws   Error as read_curves does and when two files hold the same (K, seed); with `problems` such files are left
///          out and named there instead.
std::vector<MeasuredCurve> curves_like(const std::filesystem::path& data, const MeasuredRun& run,
                                       std::vector<std::string>* problems = nullptr);

/// "hidden 128, dim 63, batch 128, lr 0.01": the network of a run, as curves_like compares it.
std::string network_of(const MeasuredRun& run);

/// `iclk train` with the settings of the run's network: the command that makes the curves which curves_like looks for.
std::string curve_command(const MeasuredRun& run);

}  // namespace iclk::figures
