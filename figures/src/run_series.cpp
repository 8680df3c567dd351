#include "run_series.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "figure_parts.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::figures {
namespace {

/// Settings of runs, in the order of captions; without the seed, how long a run goes on, and how it is measured.
constexpr std::array<std::string_view, 28> kSettings = {"model",
                                                        "items",
                                                        "context",
                                                        "count_target",
                                                        "attend_self",
                                                        "labels",
                                                        "item_labels",
                                                        "item_set",
                                                        "target_rule",
                                                        "zipf",
                                                        "copy_share",
                                                        "copies",
                                                        "dim",
                                                        "hidden",
                                                        "batch",
                                                        "lr",
                                                        "weight_decay",
                                                        "attention_decay",
                                                        "lambda_w",
                                                        "lambda_beta",
                                                        "decay_layernorm",
                                                        "readout",
                                                        "beta0",
                                                        "beta0_sd",
                                                        "w0",
                                                        "w0_sd",
                                                        "iterations",
                                                        "test_sequences"};
constexpr std::size_t kNotCompared = 2;  ///< the last ones: runs that differ in them belong together

/// The value of a setting: equal numbers have equal texts.
std::string value_of(const MeasuredRun& run, std::string_view key) {
  const std::string_view text = run.text(key);
  const auto number = parse_number(text);
  return number ? format_number(*number) : std::string(text);
}

}  // namespace

RunList runs_of_model(const MeasuredRuns& folder, std::string_view model) {
  RunList runs;
  for (const MeasuredRun& run : folder.runs) {
    if (run.model == model) runs.push_back(&run);
  }
  return runs;
}

std::vector<RunList> runs_by_settings(const RunList& runs, std::span<const std::string_view> free) {
  std::vector<RunList> lists;
  std::map<std::string, std::size_t> places;
  for (const MeasuredRun* run : runs) {
    std::string settings;
    for (std::size_t i = 0; i + kNotCompared < kSettings.size(); ++i) {
      if (std::find(free.begin(), free.end(), kSettings[i]) == free.end()) settings += value_of(*run, kSettings[i]);
      settings += '\n';
    }
    const auto [place, is_new] = places.try_emplace(settings, lists.size());
    if (is_new) lists.emplace_back();
    lists[place->second].push_back(run);
  }
  return lists;
}

std::string_view decay_key(std::string_view model) noexcept {
  return model == "minimal" ? "lambda_w" : "attention_decay";
}

double decay_of(const MeasuredRun& run) noexcept { return run.number(decay_key(run.model)).value_or(0.0); }

RunList decay_scan(const MeasuredRuns& folder, std::string_view model) {
  RunList runs;
  for (const MeasuredRun* run : runs_of_model(folder, model)) {
    if (run->n_items && has_random_labels(*run)) runs.push_back(run);
  }
  const std::array<std::string_view, 1> free = {decay_key(model)};
  const std::vector<RunList> series = runs_by_settings(runs, free);
  if (series.empty()) return {};
  const auto rank = [](const RunList& list) { return std::pair(runs_by_settings(list).size(), list.size()); };
  RunList scan = *std::max_element(series.begin(), series.end(),
                                   [&](const RunList& a, const RunList& b) { return rank(a) < rank(b); });
  std::stable_sort(scan.begin(), scan.end(),
                   [](const MeasuredRun* a, const MeasuredRun* b) { return decay_of(*a) < decay_of(*b); });
  return scan;
}

bool has_columns(const MeasuredRun& run, std::span<const std::string_view> columns) noexcept {
  return run.trajectory.n_rows() > 0 && std::all_of(columns.begin(), columns.end(), [&](std::string_view column) {
           return run.trajectory.find(column) != nullptr;
         });
}

std::string size_label(const MeasuredRun& run) {
  return "{/:Italic N} = " + format_number(run.n_context) +
         ", {/:Italic K} = " + (run.n_items ? format_number(*run.n_items) : std::string("∞"));
}

double iterations_at(const MeasuredRun& run, double time) { return time / run.number("lr").value_or(1.0); }

std::vector<MeasuredCurve> copies_of(std::span<const MeasuredCurve* const> curves) {
  std::vector<MeasuredCurve> copies;
  for (const MeasuredCurve* curve : curves) {
    const auto is_known = [&](const MeasuredCurve& copy) { return copy.source == curve->source; };
    if (std::find_if(copies.begin(), copies.end(), is_known) == copies.end()) copies.push_back(*curve);
  }
  return copies;
}

Error missing_runs(const std::filesystem::path& data, const std::string& expected, std::string_view command) {
  return {Location{.file = data.string(), .line = {}, .field = "runs"},
          "expected " + expected + ", found none; `" + std::string(command) + "` makes them"};
}

Estimate range_of(std::vector<double> numbers) {
  if (numbers.empty()) return {};
  std::sort(numbers.begin(), numbers.end());
  const std::size_t n = numbers.size();
  return {0.5 * (numbers[(n - 1) / 2] + numbers[n / 2]), numbers.front(), numbers.back()};
}

}  // namespace iclk::figures
