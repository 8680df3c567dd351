#include "iclk/figures/run_folder.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <system_error>
#include <tuple>

#include "folder_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/table_file.hpp"

namespace iclk::figures {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSimulationEnding = ".simulation.csv";
constexpr std::string_view kFirstLine = "# iclk-simulation ";
constexpr std::string_view kVersion = "1";

/// What makes a CSV file a table of runs.
constexpr std::array<std::string_view, 6> kRunColumns = {"run", "model", "items", "context", "acquired", "time"};

/// Columns of collected tables whose keys in simulation files differ.
constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kRenamed = {
    {{"icl_accuracy", "end_icl_accuracy"},
     {"icl_loss", "end_icl_loss"},
     {"iwl_accuracy", "end_iwl_accuracy"},
     {"iwl_loss", "end_iwl_loss"},
     {"c1", "end_c1"}}};

/// Settings that curves and runs share, by their names in both.
constexpr std::array<std::string_view, 5> kNetwork = {"hidden", "dim", "batch", "lr", "weight_decay"};

std::string file_name(const fs::path& path) { return path.filename().string(); }

/// All files below the folder whose names end in `.csv`, by path.
std::vector<fs::path> csv_files(const fs::path& data) {
  if (!fs::exists(data)) throw file_error(data, "no such file or folder");
  if (!fs::is_directory(data)) return {data};
  std::vector<fs::path> files;
  std::error_code problem;
  fs::recursive_directory_iterator entry(data, fs::directory_options::skip_permission_denied, problem);
  for (; !problem && entry != fs::recursive_directory_iterator(); entry.increment(problem)) {
    std::error_code gone;  // a file that vanishes meanwhile is no file
    const bool hidden = file_name(entry->path()).starts_with('.');
    if (entry->is_directory(gone)) {
      if (hidden || entry.depth() >= kDeepestFolder) entry.disable_recursion_pending();
    } else if (!hidden && entry->path().extension() == ".csv" && entry->is_regular_file(gone)) {
      files.push_back(entry->path());
    }
  }
  if (problem) throw file_error(data, "cannot list this folder: " + problem.message());
  std::sort(files.begin(), files.end());
  return files;
}

/// Header row of a CSV, the first line that is not blank and not a comment.
std::string header_line(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string line;
  while (std::getline(stream, line)) {
    if (line.find_first_not_of(" \t\r") != std::string::npos && !line.starts_with('#')) return line;
    if (line.size() > 100'000) break;  // not a table of text
  }
  return {};
}

bool is_run_table(const fs::path& file) {
  const std::string header = header_line(file);
  std::vector<std::string> columns(1);
  for (const char c : header) {
    if (c == ',' || c == ';' || c == '\t')
      columns.emplace_back();
    else if (c != '"' && c != '\r' && c != ' ')
      columns.back() += c;
  }
  return std::all_of(kRunColumns.begin(), kRunColumns.end(), [&](std::string_view column) {
    return std::find(columns.begin(), columns.end(), column) != columns.end();
  });
}

/// Takes the entries of a run's head as values, and says where one is wrong.
class HeadReader {
 public:
  explicit HeadReader(const MeasuredRun& run) : run_(run) {}

  std::string text(std::string_view key) const {
    const std::string* value = run_.head.find(key);
    if (value == nullptr || value->empty()) fail(key, "expected a value, found none");
    return *value;
  }
  double number(std::string_view key, double low, const std::string& rule) const {
    const std::string value = text(key);
    const auto number = parse_number(value);
    if (!number || !std::isfinite(*number) || *number < low) fail(key, "expected " + rule + ", got \"" + value + "\"");
    return *number;
  }
  [[noreturn]] void fail(std::string_view key, const std::string& problem) const {
    throw file_error(run_.file, std::string(key), problem, run_.line);
  }

 private:
  const MeasuredRun& run_;
};

/// Settings that both kinds of file have under the same names.
void take_settings(MeasuredRun& run) {
  const HeadReader head(run);
  run.identity = head.text("run");
  run.model = head.text("model");
  if (head.text("items") != "inf") run.n_items = head.number("items", 1.0, "a number of items or inf");
  run.n_context = head.number("context", 1.0, "a context length");
  run.n_exemplars = run.n_context - (run.text("count_target") == "yes" ? 1.0 : 0.0);
  if (!run.text("seed").empty()) {
    run.seed = static_cast<std::uint64_t>(head.number("seed", 0.0, "a number of a seed"));
  }
}

/// The lines `# key: value` at the head of a simulation file.
MeasuredRun read_head(const fs::path& file) {
  MeasuredRun run;
  run.file = file;
  std::ifstream stream(file, std::ios::binary);
  std::string line;
  std::getline(stream, line);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (!line.starts_with(kFirstLine)) {
    throw file_error(file, "", "expected \"" + std::string(kFirstLine) + std::string(kVersion) + "\"", 1);
  }
  if (line.substr(kFirstLine.size()) != kVersion) {
    throw file_error(file, "", "expected version " + std::string(kVersion) + " of this format, got \"" + line + "\"",
                     1);
  }
  while (std::getline(stream, line) && line.starts_with("# ")) {
    if (line.back() == '\r') line.pop_back();
    const std::size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    const std::string value = line.substr(colon + 2);
    if (value != "none") run.head.add(line.substr(2, colon - 2), value);
  }
  take_settings(run);
  const HeadReader head(run);
  (void)head.text("outcome");
  const std::string* t_icl = run.head.find("t_icl");
  run.acquired = t_icl != nullptr;
  constexpr const char* kTime = "a time that is not negative";
  run.time = run.acquired ? head.number("t_icl", 0.0, kTime)
                          : head.number("lr", 0.0, "a learning rate") * head.number("end_iteration", 0.0, "SGD steps");
  return run;
}

Trajectory read_trajectory(const fs::path& file) {
  const TextTable table = read_table(file);
  Trajectory trajectory;
  trajectory.columns.assign(table.columns().begin(), table.columns().end());
  trajectory.values.resize(table.n_columns());
  double last = -1.0;
  const std::size_t time = table.column("time");
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    for (std::size_t column = 0; column < table.n_columns(); ++column) {
      const bool empty = table.text(row, column).empty();
      trajectory.values[column].push_back(empty ? std::nullopt : std::optional(number(table, row, column)));
    }
    const auto& now = trajectory.values[time].back();
    if (!now || !(*now > last)) throw field_error(table, row, time, "a time after that of the row before");
    last = *now;
  }
  return trajectory;
}

std::vector<MeasuredRun> read_run_table(const fs::path& file) {
  const TextTable table = read_table(file);
  for (const std::string_view column : kRunColumns) (void)table.column(column);
  std::vector<MeasuredRun> runs;
  for (std::size_t row = 0; row < table.n_rows(); ++row) {
    MeasuredRun run;
    run.file = file;
    run.line = table.line(row);
    for (std::size_t column = 0; column < table.n_columns(); ++column) {
      const std::string_view name = table.columns()[column];
      const std::string_view value = table.text(row, column);
      if (value.empty() || name == "acquired" || name == "time") continue;
      const auto renamed =
          std::find_if(kRenamed.begin(), kRenamed.end(), [&](const auto& r) { return r.first == name; });
      run.head.add(std::string(renamed != kRenamed.end() ? renamed->second : name), std::string(value));
    }
    take_settings(run);
    const std::size_t acquired = table.column("acquired"), time = table.column("time");
    const std::string_view answer = table.text(row, acquired);
    if (answer != "0" && answer != "1") throw field_error(table, row, acquired, "0 or 1");
    run.acquired = answer == "1";
    run.time = number(table, row, time);
    if (!(run.time >= 0.0)) throw field_error(table, row, time, "a time that is not negative");
    if (run.acquired) run.head.add("t_icl", run.time);
    runs.push_back(std::move(run));
  }
  return runs;
}

/// The MLP of a transformer sees normalized tokens, that of the minimal model the items themselves. Where curves of
/// both kinds are there, a transformer's are the former; the minimal model's are never.
void prefer_input_of(const MeasuredRun& run, std::vector<MeasuredCurve>& curves) {
  const auto is_token = [](const MeasuredCurve& curve) {
    const std::string* input = curve.info.find("input");
    return input != nullptr && *input == "token";
  };
  const bool wanted = run.model != "minimal" && std::any_of(curves.begin(), curves.end(), is_token);
  std::erase_if(curves, [&](const MeasuredCurve& curve) { return is_token(curve) != wanted; });
}

std::string where(const MeasuredRun& run) {
  return run.file.string() + (run.line ? ":" + std::to_string(*run.line) : "");
}

bool same_result(const MeasuredRun& a, const MeasuredRun& b) {
  return a.acquired == b.acquired && std::abs(a.time - b.time) <= 1e-12 * std::abs(a.time);
}

}  // namespace

const std::vector<std::optional<double>>* Trajectory::find(std::string_view column) const noexcept {
  const auto found = std::find(columns.begin(), columns.end(), column);
  return found == columns.end() ? nullptr : &values[static_cast<std::size_t>(found - columns.begin())];
}

std::string_view MeasuredRun::text(std::string_view key) const noexcept {
  const std::string* value = head.find(key);
  return value != nullptr ? std::string_view(*value) : std::string_view();
}

std::optional<double> MeasuredRun::number(std::string_view key) const noexcept {
  const auto value = parse_number(text(key));
  return value && std::isfinite(*value) ? value : std::nullopt;
}

MeasuredRuns read_run_folder(const fs::path& data, const RunFolderOptions& options) {
  MeasuredRuns result;
  std::map<std::string, std::size_t> seen;  // identity -> place in result.runs
  const auto take = [&](MeasuredRun run) {
    const auto [place, is_new] = seen.try_emplace(run.identity, result.runs.size());
    if (is_new) {
      result.runs.push_back(std::move(run));
      return;
    }
    MeasuredRun& earlier = result.runs[place->second];
    if (!same_result(earlier, run)) {
      throw file_error(run.file, "run", "run " + run.identity + " has another result in " + where(earlier), run.line);
    }
    if (earlier.line && !run.line) earlier = std::move(run);  // the file holds more than the table
  };
  for (const fs::path& file : csv_files(data)) {
    const bool is_simulation = file_name(file).ends_with(kSimulationEnding);
    const bool is_named = file == data;  // a single file has to be one of the two
    if (!is_simulation && !is_named && !is_run_table(file)) continue;
    try {
      if (is_simulation) {
        MeasuredRun run = read_head(file);
        if (options.trajectories) run.trajectory = read_trajectory(file);
        take(std::move(run));
      } else {
        for (MeasuredRun& run : read_run_table(file)) take(std::move(run));
      }
    } catch (const Error& error) {
      if (!options.skip_bad_files) throw;
      result.problems.emplace_back(error.what());
    }
  }
  const auto order = [](const MeasuredRun& run) {
    return std::tuple(std::string_view(run.model), run.n_context, run.n_items.value_or(HUGE_VAL), run.seed,
                      std::string_view(run.identity));
  };
  std::sort(result.runs.begin(), result.runs.end(),
            [&](const MeasuredRun& a, const MeasuredRun& b) { return order(a) < order(b); });
  return result;
}

std::vector<MeasuredCurve> curves_like(const fs::path& data, const MeasuredRun& run,
                                       std::vector<std::string>* problems) {
  const auto is_like = [&](const MeasuredCurve& curve) {
    const std::string* frequencies = curve.info.find("zipf");
    const auto zipf = parse_number(frequencies != nullptr ? *frequencies : "0");
    const std::string* labels = curve.info.find("labels");
    const std::string_view run_labels = run.text("item_labels");
    return curve.n_items && zipf && !(std::abs(*zipf) > 0.0) &&
           (labels == nullptr || run_labels.empty() || *labels == run_labels) &&
           std::all_of(kNetwork.begin(), kNetwork.end(), [&](std::string_view key) {
             const std::string* there = curve.info.find(key);
             const auto a = parse_number(there != nullptr ? *there : "");
             const auto b = run.number(key);
             return !a || !b || std::abs(*a - *b) <= 1e-12 * std::abs(*b);
           });
  };
  std::vector<MeasuredCurve> curves;
  std::map<std::tuple<std::uint64_t, std::uint64_t, std::string>, std::string> seen;
  for (const fs::path& file : csv_files(data)) {
    if (!file_name(file).ends_with(kCurvesEnding)) continue;
    try {
      for (MeasuredCurve& curve : read_curves(file)) {
        if (!is_like(curve)) continue;
        if (curve.seed) {
          const std::string* input = curve.info.find("input");
          const auto [earlier, is_new] =
              seen.try_emplace({*curve.n_items, *curve.seed, input != nullptr ? *input : ""}, curve.source);
          if (!is_new) {
            throw file_error(curve.source, "seed",
                             "the curve with K = " + std::to_string(*curve.n_items) + " and seed " +
                                 std::to_string(*curve.seed) + " is already in " + earlier->second);
          }
        }
        curves.push_back(std::move(curve));
      }
    } catch (const Error& error) {
      if (problems == nullptr) throw;
      problems->emplace_back(error.what());
    }
  }
  prefer_input_of(run, curves);
  std::stable_sort(curves.begin(), curves.end(), [](const MeasuredCurve& a, const MeasuredCurve& b) {
    return std::tie(a.n_items, a.seed, a.source) < std::tie(b.n_items, b.seed, b.source);
  });
  return curves;
}

std::string network_of(const MeasuredRun& run) {
  std::string words;
  for (const std::string_view key : kNetwork) {
    if (run.text(key).empty()) continue;
    std::string name(key);
    std::replace(name.begin(), name.end(), '_', ' ');
    words += (words.empty() ? "" : ", ") + name + " " + std::string(run.text(key));
  }
  return words.empty() ? "settings not stated" : words;
}

std::string curve_command(const MeasuredRun& run) {
  std::string command = "iclk train --items 100,200,400,800,1600 --seeds 0:3";
  for (const std::string_view key : kNetwork) {
    if (run.text(key).empty()) continue;
    std::string option(key);
    std::replace(option.begin(), option.end(), '_', '-');
    command += " --" + option + " " + std::string(run.text(key));
  }
  return command + " --out DIR/curves";
}

}  // namespace iclk::figures
