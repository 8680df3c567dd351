#include <algorithm>
#include <map>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "figure_parts.hpp"
#include "folder_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/figures/claims.hpp"

namespace iclk::figures {
namespace {

namespace fs = std::filesystem;

/// Files below the folder whose names end in `ending`, by path.
std::vector<fs::path> files_below(const fs::path& data, std::string_view ending, int deepest) {
  std::vector<fs::path> files;
  std::error_code problem;
  fs::recursive_directory_iterator entry(data, fs::directory_options::skip_permission_denied, problem);
  for (; !problem && entry != fs::recursive_directory_iterator(); entry.increment(problem)) {
    std::error_code gone;  // a file that vanishes meanwhile is no file
    const std::string file = entry->path().filename().string();
    const bool hidden = file.starts_with('.');
    if (entry->is_directory(gone)) {
      if (hidden || entry.depth() >= deepest) entry.disable_recursion_pending();
    } else if (!hidden && file.ends_with(ending) && entry->is_regular_file(gone)) {
      files.push_back(entry->path());
    }
  }
  if (problem) throw file_error(data, "cannot list this folder: " + problem.message());
  std::sort(files.begin(), files.end());
  return files;
}

/// The settings of a network that its memorization depends on, in words.
std::string network_of(const MeasuredCurve& curve) {
  std::string words;
  for (const std::string key : {"hidden", "dim", "batch", "lr", "weight_decay", "input"}) {
    const std::string* value = curve.info.find(key);
    if (value == nullptr) continue;
    std::string label = key;
    std::replace(label.begin(), label.end(), '_', ' ');
    words += (words.empty() ? "" : ", ") + label + " " + *value;
  }
  return words;
}

/// Reads every file that can be read; what cannot goes to `results.problems`.
void read_curve_files(const std::vector<fs::path>& files, const ForeignCurveOptions& foreign, std::string_view pattern,
                      Results& results) {
  std::map<std::string, std::size_t> sets;
  std::set<std::tuple<std::string, std::uint64_t, std::uint64_t>> seen;
  for (const fs::path& file : files) {
    try {
      std::vector<MeasuredCurve> curves = read_curves(file, foreign_for(file, foreign));
      for (MeasuredCurve& curve : curves) {
        std::string network = network_of(curve);
        if (network.empty()) network = "network not stated, curves in " + file.parent_path().string();
        if (curve.n_items && curve.seed && !seen.emplace(network, *curve.n_items, *curve.seed).second) {
          throw Error({.file = file.string(), .line = {}, .field = "seed"},
                      "the curve with K = " + std::to_string(*curve.n_items) + " and seed " +
                          std::to_string(*curve.seed) + " is in another file too; this one is left out");
        }
        const auto [place, is_new] = sets.try_emplace(network, results.networks.size());
        if (is_new) {
          results.networks.push_back({.network = network,
                                      .folder = file.parent_path(),
                                      .pattern = std::string(pattern),
                                      .prediction = {},
                                      .problem = {},
                                      .curves = {}});
        }
        results.networks[place->second].curves.push_back(std::move(curve));
      }
    } catch (const Error& error) {
      results.problems.emplace_back(error.what());
      results.left_out.push_back(file);
    }
  }
}

/// The file that a problem of read_run_folder names: the longest path among `files` that it starts with.
std::optional<fs::path> file_of(const std::string& problem, const std::vector<fs::path>& files) {
  std::optional<fs::path> found;
  for (const fs::path& file : files) {
    if (problem.starts_with(file.string()) && (!found || file.string().size() > found->string().size())) found = file;
  }
  return found;
}

void predict(Results& results, const FigureOptions& options) {
  for (CurveSet& set : results.networks) {
    std::stable_sort(set.curves.begin(), set.curves.end(), [](const MeasuredCurve& a, const MeasuredCurve& b) {
      return std::tie(a.n_items, a.seed, a.source) < std::tie(b.n_items, b.seed, b.source);
    });
    try {
      set.prediction = predict_from_curves(
          set.curves, {.n_context = context_of(options), .start = {.w = options.w0, .beta = options.beta0}});
    } catch (const Error& error) {
      set.problem = error.what();
    }
  }
  const auto hidden = [](const CurveSet& set) {
    const std::string* text = set.curves.front().info.find("hidden");
    return text != nullptr ? parse_number(*text).value_or(0.0) : 0.0;
  };
  std::stable_sort(results.networks.begin(), results.networks.end(), [&](const CurveSet& a, const CurveSet& b) {
    return std::pair(hidden(a), a.curves.size()) > std::pair(hidden(b), b.curves.size());
  });
}

}  // namespace

Results read_results(const fs::path& data, const FigureOptions& options) {
  validate(options);
  std::error_code none;
  if (!fs::is_directory(data, none)) {
    throw file_error(data, fs::exists(data, none) ? "is a file, expected a folder with results" : "no such folder");
  }
  Results results;
  results.data = data;
  MeasuredRuns runs = read_run_folder(data, {.trajectories = true, .skip_bad_files = true});
  const std::vector<fs::path> tables = files_below(data, kForeignEnding, kDeepestFolder);
  for (const std::string& problem : runs.problems) {
    if (const auto file = file_of(problem, tables)) results.left_out.push_back(*file);
  }
  results.runs = std::move(runs.runs);
  results.problems = std::move(runs.problems);

  const std::vector<fs::path> own = files_below(data, kCurvesEnding, kDeepestFolder);
  if (!own.empty()) {
    read_curve_files(own, options.foreign, "*.curves.csv", results);
  } else if (results.runs.empty() && results.problems.empty()) {
    std::vector<fs::path> foreign = files_below(data, kForeignEnding, 1);
    std::erase_if(foreign, [](const fs::path& file) { return is_figure_table(file.filename().string()); });
    read_curve_files(foreign, options.foreign, "*.csv", results);
  }
  if (results.networks.empty() && results.runs.empty()) {
    if (!results.problems.empty()) throw Error("nothing could be read. " + results.problems.front());
    throw file_error(data,
                     "holds no results: expected *.curves.csv (iclk train), *.simulation.csv (iclk simulate, iclk "
                     "sweep run), tables of iclk sweep collect --csv, or CSV files with columns time and c1");
  }
  predict(results, options);
  return results;
}

}  // namespace iclk::figures
