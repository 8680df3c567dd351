#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "figure_parts.hpp"
#include "figure_scripts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::figures {
namespace {

using CurveTables = FigureTables (*)(std::span<const MeasuredCurve>, const FigureOptions&);

/// A figure of memorization curves as a figure of a results folder.
template <CurveTables tables>
FigureTables from_curves(const std::filesystem::path& data, const FigureOptions& options) {
  return tables(read_curve_folder(data, options.foreign), options);
}

constexpr double kOneColumn = 3.4, kTwoColumns = 7.0;  ///< [inch], as journals set them

const std::array kEntries = {
    FigureEntry{.info = {"fig5", "5", "I_K(infinity) against K, the memorization law and K*", "memorization curves"},
                .width = kOneColumn,
                .height = 3.6,
                .script = scripts::fig5_memorization_law,
                .tables = from_curves<fig5_tables>},
    FigureEntry{.info = {"figA2", "A.2", "order parameters c1, c2, c3 against iterations", "memorization curves"},
                .width = kTwoColumns,
                .height = 2.3,
                .script = scripts::figA2_order_parameters,
                .tables = from_curves<figA2_tables>},
    FigureEntry{.info = {"figA3", "A.3", "c1(t) and its integral I_K(t) with tails", "memorization curves"},
                .width = kTwoColumns,
                .height = 2.6,
                .script = scripts::figA3_memorization_integral,
                .tables = from_curves<figA3_tables>},
};

/// "Fig. A.2" -> "a2"; what is left is compared.
std::string bare_name(std::string_view name) {
  std::string bare;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) bare += static_cast<char>(std::tolower(byte));
  }
  for (const std::string_view prefix : {"figure", "fig"}) {
    if (bare.starts_with(prefix)) return bare.substr(prefix.size());
  }
  return bare;
}

}  // namespace

std::span<const FigureEntry> figure_entries() noexcept { return kEntries; }

std::span<const FigureInfo> figures() noexcept {
  static const auto infos = [] {
    std::array<FigureInfo, kEntries.size()> list;
    std::transform(kEntries.begin(), kEntries.end(), list.begin(), [](const FigureEntry& entry) { return entry.info; });
    return list;
  }();
  return infos;
}

const FigureEntry& find_entry(std::string_view name) {
  const std::string wanted = bare_name(name);
  std::string ids;
  for (const FigureEntry& entry : kEntries) {
    if (!wanted.empty() && bare_name(entry.info.id) == wanted) return entry;
    ids += (ids.empty() ? "" : ", ") + std::string(entry.info.id);
  }
  throw field_error("figure", "expected one of " + ids + ", got \"" + std::string(name) + "\"");
}

const FigureInfo& find_figure(std::string_view name) { return find_entry(name).info; }

FigureTables figure_tables(std::string_view name, const std::filesystem::path& data, const FigureOptions& options) {
  return find_entry(name).tables(data, options);
}

void validate(const FigureOptions& options) {
  if (options.n_context && !(*options.n_context >= 2 && std::isfinite(*options.n_context))) {
    throw field_error("n_context", "expected a number >= 2, got " + format_number(*options.n_context));
  }
  if (!std::isfinite(options.beta0)) {
    throw field_error("beta0", "expected a finite number, got " + format_number(options.beta0));
  }
  if (!std::isfinite(options.w0)) throw field_error("w0", "expected a finite number, got " + format_number(options.w0));
  if (options.gnuplot.empty()) throw field_error("gnuplot", "expected the name of a program, got an empty text");
}

}  // namespace iclk::figures
