#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/figures/figure_tables.hpp"

namespace iclk::figures {

/// Whether a figure draws results of the user.
enum class DataUse {
  required,
  optional,  ///< without data it draws theory alone, and says so
  unused,    ///< theory alone
};

/// One entry of the list of figures.
struct FigureInfo {
  std::string_view id;           ///< as users type it and as files are named, e.g. "figA2"
  std::string_view paper_label;  ///< the paper's own, e.g. "A.2"
  std::string_view title;        ///< one line
  std::string_view needs;        ///< what the data folder must hold, in words
  DataUse data = DataUse::required;
  std::string_view command;  ///< makes such data in the folder DIR; empty where a figure needs none
};

/// Every figure that can be drawn, in the order of the paper, then those that the paper does not have.
std::span<const FigureInfo> figures() noexcept;

/// The figure that a user means by `name`: its id, or the paper's label with or without "fig" and dots, in any case
/// ("figA2", "A.2", "a2", "Fig. A.2"). Throws Error listing the ids for anything else.
const FigureInfo& find_figure(std::string_view name);

/// The tables of figure `name` from the results in `data`; an empty path where there are none. Throws Error when a
/// figure needs data and gets none.
FigureTables figure_tables(std::string_view name, const std::filesystem::path& data, const FigureOptions& options = {});

/// Files that a figure consists of, all in the output folder.
struct DrawnFigure {
  std::filesystem::path svg, pdf, caption;
  std::filesystem::path script;               ///< ID.gp: `gnuplot ID.gp` there draws the figure again from the tables
  std::vector<std::filesystem::path> tables;  ///< ID.csv first, then ID_<part>.csv
};

/// Draws figure `name` from the results in `data` (empty: none) into the folder `out`, which is made if it does not
/// exist.
///
/// Everything is prepared in a hidden folder inside `out` and moved into place when all of it is there, so a failure
/// leaves earlier files as they were.
///
/// Throws   Error for an unknown figure, bad data (read_curve_folder and the table functions), a folder that cannot
///          be written, gnuplot missing, gnuplot failing (with its message) or leaving an incomplete picture.
DrawnFigure draw_figure(std::string_view name, const std::filesystem::path& data, const std::filesystem::path& out,
                        const FigureOptions& options = {});

/// Runs `program` on `script` in the folder `folder` with the variable `format` set ("svg" or "pdf") and waits.
///
/// Libraries here do not start processes; this function is the one exception, because drawing is gnuplot's work and
/// it is used through its program. Nothing else in `figures` starts one, and no shell is involved.
///
/// Throws   Error when gnuplot is not installed or ends with a failure; the text holds its message.
void run_gnuplot(const std::string& program, const std::filesystem::path& folder, const std::string& script,
                 std::string_view format);

}  // namespace iclk::figures
