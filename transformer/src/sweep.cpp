#include "iclk/transformer/sweep.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "iclk/core/checkpoint_file.hpp"
#include "iclk/core/curve_file.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_set.hpp"
#include "model_batch.hpp"
#include "runtimes.hpp"

namespace iclk::transformer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPlanFile = "plan.toml";
constexpr const char* kResultEnding = ".simulation.csv";

/// The runs of a folder by what is there of them.
struct FolderContents {
  std::set<std::string> finished, checkpoints, failed;
};

FolderContents contents_of(const fs::path& folder) {
  FolderContents contents;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string file = entry.path().filename().string();
    const auto take = [&](std::string_view ending, std::set<std::string>& names) {
      if (file.ends_with(ending)) names.insert(file.substr(0, file.size() - ending.size()));
    };
    take(kResultEnding, contents.finished);
    take(".checkpoint", contents.checkpoints);
    take(".failed", contents.failed);
  }
  return contents;
}

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// Mean time of runs that have something in common.
struct MeanTime {
  double seconds = 0.0;
  std::size_t n = 0;

  void add(double value) {
    seconds += value;
    ++n;
  }
  double value() const { return seconds / static_cast<double>(n); }
};

/// The run that a plan without item-draw asked for when it could only mean items; none where it still does.
std::optional<SimulationOptions> once_with_items(SimulationOptions options) {
  if (options.item_draw || item_draw(options) == ItemDraw::items) return std::nullopt;
  options.item_draw = ItemDraw::items;
  return options;
}

/// Runs expected to take equally long: the same settings but for the seed, and with `any_items` also but for K.
std::string group_of(SimulationOptions options, bool any_items) {
  options.seed = 0;
  if (any_items && options.n_items) options.n_items = 2;
  return run_identity(options);
}

std::optional<double> seconds_left(const std::vector<SimulationOptions>& runs, const FolderContents& contents,
                                   const std::vector<Runtime>& runtimes) {
  std::map<std::string, double> seconds;  // of finished runs, by name; a run that was done again counts once
  for (const Runtime& runtime : runtimes) {
    seconds[runtime.run] = static_cast<double>(runtime.iterations) * runtime.seconds_per_step;
  }
  std::map<std::string, MeanTime> same_but_seed, same_but_items;
  MeanTime all;
  for (const SimulationOptions& options : runs) {
    const auto known = seconds.find(run_name(options));
    if (known == seconds.end() || !contents.finished.contains(known->first)) continue;
    same_but_seed[group_of(options, false)].add(known->second);
    same_but_items[group_of(options, true)].add(known->second);
    all.add(known->second);
  }
  if (all.n == 0) return std::nullopt;
  double left = 0.0;
  for (const SimulationOptions& options : runs) {
    if (contents.finished.contains(run_name(options))) continue;
    const auto close = same_but_seed.find(group_of(options, false));
    const auto near = same_but_items.find(group_of(options, true));
    left += close != same_but_seed.end()   ? close->second.value()
            : near != same_but_items.end() ? near->second.value()
                                           : all.value();
  }
  return left;
}

/// A count in a file's head, or the largest there is where it holds none (K infinite).
std::uint64_t count_in(const RunInfo& head, std::string_view key) {
  std::uint64_t value = std::numeric_limits<std::uint64_t>::max();
  if (const std::string* text = head.find(key)) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

CollectedRun read_head(const fs::path& path) {
  const Location where{.file = path.string(), .line = 1, .field = {}};
  if (first_line(path) != "# iclk-simulation 1") {
    throw Error(where, "expected a result file of this version, which begins with \"# iclk-simulation 1\"");
  }
  CollectedRun run{.file = path, .head = read_settings(path)};
  for (const char* key : {"run", "model", "context", "items", "seed", "lr", "outcome", "t_icl", "end_iteration"}) {
    if (run.head.find(key) == nullptr) {
      throw Error({.file = path.string(), .line = {}, .field = key}, "is missing at the head of the file");
    }
  }
  return run;
}

}  // namespace

std::vector<SimulationReport> run_sweep(const SweepPlan& plan, const fs::path& folder,
                                        const SimulationRunsOptions& options, const Shard& shard) {
  if (shard.count < 1 || shard.index < 1 || shard.index > shard.count) {
    throw field_error("shard", "expected i/n with i from 1 to n, got " + std::to_string(shard.index) + '/' +
                                   std::to_string(shard.count));
  }
  std::vector<SimulationOptions> runs;
  for (std::size_t i = shard.index - 1; i < plan.runs.size(); i += shard.count) runs.push_back(plan.runs[i]);
  require_device(runs);
  const RunFolder in_use(folder);
  write_file_atomically(folder / kPlanFile, plan.text);
  return simulate_runs(runs, folder, options);
}

SweepStatus sweep_status(const fs::path& folder) {
  if (!fs::exists(folder / kPlanFile)) {
    throw Error(Location{.file = folder.string(), .line = {}, .field = {}},
                "holds no plan.toml; expected the --out folder of iclk sweep run");
  }
  const SweepPlan plan = read_sweep_plan(folder / kPlanFile);
  const FolderContents contents = contents_of(folder);
  SweepStatus status;
  status.n_planned = plan.runs.size();
  std::vector<std::string> names;
  for (const SimulationOptions& options : plan.runs) names.push_back(run_name(options));
  const std::set<std::string> planned(names.begin(), names.end());
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& run = names[i];
    if (contents.finished.contains(run)) {
      ++status.n_finished;
      continue;
    }
    if (const auto earlier = once_with_items(plan.runs[i])) {
      const std::string with_items = run_name(*earlier);
      const bool begun = contents.finished.contains(with_items) || contents.checkpoints.contains(with_items);
      if (begun && !planned.contains(with_items)) ++status.n_with_items;
    }
    if (contents.failed.contains(run)) {
      ++status.n_failed;
      status.failures.push_back({run, first_line(folder / (run + ".failed"))});
    } else if (contents.checkpoints.contains(run)) {
      ++status.n_interrupted;
    } else {
      ++status.n_waiting;
    }
  }
  status.n_unplanned = contents.finished.size() - status.n_finished;
  status.seconds_left = seconds_left(plan.runs, contents, read_runtimes(folder));
  return status;
}

std::vector<CollectedRun> collect_runs(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw Error(Location{.file = folder.string(), .line = {}, .field = {}}, "expected a folder with results");
  }
  std::vector<CollectedRun> runs;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().ends_with(kResultEnding)) runs.push_back(read_head(entry.path()));
  }
  const auto order = [](const CollectedRun& run) {
    return std::tuple(*run.head.find("model"), count_in(run.head, "context"), count_in(run.head, "items"),
                      count_in(run.head, "seed"), *run.head.find("run"));
  };
  std::sort(runs.begin(), runs.end(), [&](const auto& a, const auto& b) { return order(a) < order(b); });
  return runs;
}

}  // namespace iclk::transformer
