#include <algorithm>
#include <cctype>
#include <cstdint>
#include <map>
#include <string>
#include <system_error>

#include "figure_parts.hpp"
#include "folder_parts.hpp"
#include "iclk/core/error.hpp"

namespace iclk::figures {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_ending_in(std::string_view suffix, const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code problem;
  fs::directory_iterator entry(folder, problem);
  if (problem) throw file_error(folder, "cannot list this folder: " + problem.message());
  for (; entry != fs::directory_iterator(); entry.increment(problem)) {
    const std::string file_name = entry->path().filename().string();
    if (file_name.ends_with(suffix) && !file_name.starts_with('.') && !is_figure_table(file_name)) {
      files.push_back(entry->path());
    }
  }
  if (problem) throw file_error(folder, "cannot list this folder: " + problem.message());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<fs::path> curve_files(const fs::path& data) {
  if (!fs::exists(data)) throw file_error(data, "no such file or folder");
  if (!fs::is_directory(data)) return {data};
  std::vector<fs::path> folders = {data};
  if (fs::is_directory(data / "curves")) folders.push_back(data / "curves");
  for (const std::string_view suffix : {kCurvesEnding, kForeignEnding}) {
    std::vector<fs::path> files;
    for (const fs::path& folder : folders) {
      const std::vector<fs::path> here = files_ending_in(suffix, folder);
      files.insert(files.end(), here.begin(), here.end());
    }
    if (!files.empty()) return files;
  }
  throw file_error(data,
                   "expected curve files (*.curves.csv) here or in its subfolder curves, found none; "
                   "`iclk train --items 500,1000 --out " +
                       data.string() + "` makes them");
}

}  // namespace

bool is_figure_table(const std::string& file_name) {
  return std::any_of(figures().begin(), figures().end(), [&](const FigureInfo& figure) {
    const std::string id(figure.id);
    return file_name == id + ".csv" || file_name.starts_with(id + "_");
  });
}

ForeignCurveOptions foreign_for(const fs::path& file, const ForeignCurveOptions& foreign) {
  ForeignCurveOptions own = foreign;
  if (own.n_items) return own;
  const std::string name = file.filename().string();
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (std::size_t at = 0; at < name.size(); ++at) {
    if ((name[at] != 'k' && name[at] != 'K') || (at > 0 && is_word(name[at - 1]))) continue;
    const std::size_t end = std::min(name.find_first_not_of("0123456789", at + 1), name.size());
    constexpr std::size_t kMostDigits = 9;
    if (end == at + 1 || end - at - 1 > kMostDigits || (end < name.size() && is_word(name[end]))) continue;
    if (const std::uint64_t n_items = std::stoull(name.substr(at + 1, end - at - 1)); n_items > 0)
      own.n_items = n_items;
    return own;
  }
  return own;
}

std::vector<MeasuredCurve> read_curve_folder(const fs::path& data, const ForeignCurveOptions& foreign,
                                             std::vector<std::string>* problems) {
  std::vector<MeasuredCurve> curves;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> seen;
  const auto take = [&](MeasuredCurve curve) {
    if (!curve.n_items) {
      throw Error(Location{.file = curve.source, .line = {}, .field = "n_items"},
                  "expected the number of items K in a column K or n_items or as an option, found neither");
    }
    if (curve.seed) {
      const auto [earlier, is_new] = seen.try_emplace({*curve.n_items, *curve.seed}, curve.source);
      if (!is_new) {
        throw Error(Location{.file = curve.source, .line = {}, .field = "seed"},
                    "the curve with K = " + std::to_string(*curve.n_items) + " and seed " +
                        std::to_string(*curve.seed) + " is already in " + earlier->second);
      }
    }
    curves.push_back(std::move(curve));
  };
  for (const fs::path& file : curve_files(data)) {
    try {
      for (MeasuredCurve& curve : read_curves(file, foreign_for(file, foreign))) take(std::move(curve));
    } catch (const Error& error) {
      if (problems == nullptr) throw;
      problems->emplace_back(error.what());
    }
  }
  if (curves.empty() && problems != nullptr && !problems->empty()) {
    throw file_error(data, "no curve in it can be read: " + problems->front());
  }
  std::stable_sort(curves.begin(), curves.end(), [](const MeasuredCurve& a, const MeasuredCurve& b) {
    return std::tie(a.n_items, a.seed, a.source) < std::tie(b.n_items, b.seed, b.source);
  });
  return curves;
}

}  // namespace iclk::figures
