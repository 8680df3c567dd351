#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/figures/claims.hpp"
#include "iclk/figures/draw_figure.hpp"

namespace iclk::figures {

/// One figure in the report: its picture, or why there is none.
struct ReportFigure {
  FigureInfo info;
  std::optional<DrawnFigure> files;
  std::string svg;      ///< as inline_svg makes it
  std::string caption;  ///< as draw_figure wrote it
  std::string problem;  ///< why it was not drawn
};

/// All that the page says.
struct Report {
  Results results;
  FigureOptions options;
  std::filesystem::path out;
  std::vector<Claim> claims;
  std::vector<ReportFigure> figures;
  std::size_t n_untested_left_out = 0;  ///< claims that only training runs can test; a folder of curves has none

  /// A folder of curves alone has the shorter report: what these say, without the claims that need training runs.
  bool is_short() const noexcept { return results.runs.empty(); }
};

struct ReportOptions {
  FigureOptions figure = {};
  int jobs = 0;  ///< figures drawn side by side, each by a gnuplot of its own; 0: one per core
  /// Called from the calling thread after each figure.
  std::function<void(std::size_t n_done, std::size_t n_figures)> on_progress = {};
};
void validate(const ReportOptions& options);  ///< throws Error naming the bad field

/// Judges every claim and draws every figure that the results allow, into the folder `out`/figures. A figure that
/// cannot be drawn is a gap with its reason and does not stop the others.
///
/// Throws   Error for bad options, or when the folder cannot be written.
Report make_report(Results results, const std::filesystem::path& out, const ReportOptions& options = {});

/// The page: one HTML file, well-formed XML too, with pictures and style inside, that loads nothing.
std::string report_page(const Report& report);

/// An SVG of gnuplot's as an element of a page: without its own size, title and XML head, and with the names that it
/// refers to beginning with `id`, so that several do not mix up their symbols. Names that nothing refers to are left
/// out.
///
/// Throws   Error when the text holds no <svg> element or refers to something outside itself.
std::string inline_svg(std::string_view svg, std::string_view id, std::string_view label);

}  // namespace iclk::figures
