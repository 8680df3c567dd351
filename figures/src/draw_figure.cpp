#include "iclk/figures/draw_figure.hpp"

#include <stdlib.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>

#include "figure_parts.hpp"
#include "figure_scripts.hpp"
#include "folder_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::figures {
namespace {

namespace fs = std::filesystem;

/// A hidden folder inside `parent` that vanishes with the object.
class WorkFolder {
 public:
  WorkFolder(const fs::path& parent, std::string_view id) {
    std::error_code problem;
    fs::create_directories(parent, problem);
    if (problem) throw file_error(parent, "cannot make this folder: " + problem.message());
    std::string pattern = (parent / ("." + std::string(id) + ".XXXXXX")).string();
    if (mkdtemp(pattern.data()) == nullptr) {
      throw file_error(parent, std::string("cannot write into this folder: ") + std::strerror(errno));
    }
    path_ = pattern;
  }
  ~WorkFolder() {
    std::error_code ignored;  // a leftover hidden folder is no reason to fail
    fs::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const fs::path& path() const noexcept { return path_; }

 private:
  fs::path path_;
};

void write_text(const fs::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) throw file_error(path, std::string("cannot be written: ") + std::strerror(errno));
}

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void replace_all(std::string& text, std::string_view old, std::string_view with) {
  for (std::size_t at = text.find(old); at != std::string::npos; at = text.find(old, at + with.size())) {
    text.replace(at, old.size(), with);
  }
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

std::string table_file(const FigureEntry& entry, const Table& table) {
  return std::string(entry.info.id) + (table.part.empty() ? "" : "_" + table.part) + ".csv";
}

/// The whole script: what the tables are called, where their columns are, the labels, the common style, the figure.
/// A table "fit" is the variable csv_fit, its column "n_items" the variable fit_n_items; the main one csv, csv_n_items.
std::string full_script(const FigureEntry& entry, const FigureTables& figure) {
  const std::string id(entry.info.id);
  std::string script = "# " + id + ": " + std::string(entry.info.title) + "\n# Drawn by iclk " +
                       std::string(version()) + ". Draws again with: gnuplot " + id +
                       ".gp, or gnuplot -e \"format='svg'\" " + id +
                       ".gp\nif (!exists('format')) format = 'pdf'\nid = '" + id + "'\n";
  script += "width = " + format_number(entry.width) + "\nheight = " + format_number(entry.height) + "\n\n";
  for (const Table& table : figure.tables) {
    // A part named like a column of the main table would take over its variable.
    assert(table.part.empty() || std::find(figure.table("").columns.begin(), figure.table("").columns.end(),
                                           table.part) == figure.table("").columns.end());
    script += (table.part.empty() ? "csv" : "csv_" + table.part) + " = " + quoted(table_file(entry, table)) + "\n";
    const std::string prefix = table.part.empty() ? "csv" : table.part;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      script += (i > 0 ? "; " : "") + prefix + "_" + table.columns[i] + " = " + std::to_string(i + 1);
    }
    script += "\n";
  }
  script += "\n";
  for (const auto& [key, value] : figure.numbers) script += key + " = " + format_number(value) + "\n";
  for (const auto& [key, value] : figure.texts) script += key + " = " + quoted(value) + "\n";
  return script + "\n" + std::string(scripts::style) + "\n" + std::string(entry.script);
}

/// Makes gnuplot's SVG look the same elsewhere: other fonts to try where DejaVu Sans is missing (viewers fall back on a
/// serif one), and spaces kept where a label changes to italics.
void finish_svg(const fs::path& path) {
  std::string svg = read_text(path);
  if (svg.find("</svg>") == std::string::npos) throw file_error(path, "gnuplot left it incomplete; is the disk full?");
  replace_all(svg, "font-family=\"DejaVu Sans\"", "font-family=\"DejaVu Sans, Verdana, Helvetica, Arial, sans-serif\"");
  replace_all(svg, "<text>", "<text xml:space=\"preserve\">");
  write_text(path, svg);
}

/// Blanks out the date, so that the same input gives the same bytes.
void finish_pdf(const fs::path& path) {
  std::string pdf = read_text(path);
  if (!pdf.starts_with("%PDF-") || pdf.rfind("%%EOF") == std::string::npos) {
    throw file_error(path, "gnuplot left it incomplete; is the disk full?");
  }
  const std::size_t date = pdf.find("/CreationDate (D:");
  const std::size_t end = date == std::string::npos ? date : pdf.find(')', date);
  if (end == std::string::npos) return;
  pdf.replace(date, end + 1 - date, end + 1 - date, ' ');
  write_text(path, pdf);
}

}  // namespace

DrawnFigure draw_figure(std::string_view name, const fs::path& data, const fs::path& out,
                        const FigureOptions& options) {
  const FigureEntry& entry = find_entry(name);
  const FigureTables figure = tables_of(entry, data, options);
  const WorkFolder work(out, entry.info.id);
  const std::string id(entry.info.id);

  std::vector<std::string> files;
  for (const Table& table : figure.tables) {
    files.push_back(table_file(entry, table));
    write_text(work.path() / files.back(), to_csv(table));
  }
  write_text(work.path() / (id + ".gp"), full_script(entry, figure));
  write_text(work.path() / (id + ".txt"), figure.caption);
  for (const char* format : {"svg", "pdf"}) run_gnuplot(options.gnuplot, work.path(), id + ".gp", format);
  finish_svg(work.path() / (id + ".svg"));
  finish_pdf(work.path() / (id + ".pdf"));

  DrawnFigure drawn{.svg = out / (id + ".svg"),
                    .pdf = out / (id + ".pdf"),
                    .caption = out / (id + ".txt"),
                    .script = out / (id + ".gp"),
                    .tables = {}};
  for (const std::string& file : files) drawn.tables.push_back(out / file);
  for (const std::string extension : {".gp", ".txt", ".svg", ".pdf"}) files.push_back(id + extension);
  for (const std::string& file : files) {
    std::error_code problem;
    fs::rename(work.path() / file, out / file, problem);
    if (problem) throw file_error(out / file, "cannot be written: " + problem.message());
  }
  return drawn;
}

}  // namespace iclk::figures
