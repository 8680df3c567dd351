#include "run_groups.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "iclk/core/run_info.hpp"

namespace iclk::figures {
namespace {

constexpr std::array<RunSetting, 26> kSettings = {{{"model"},
                                                   {"items", Vary::size},
                                                   {"context", Vary::size},
                                                   {"count_target"},
                                                   {"attend_self"},
                                                   {"labels", Vary::labels},
                                                   {"item_labels", Vary::item_rules},
                                                   {"item_set", Vary::item_rules},
                                                   {"target_rule", Vary::item_rules},
                                                   {"zipf", Vary::item_rules},
                                                   {"copy_share"},
                                                   {"copies"},
                                                   {"dim"},
                                                   {"hidden"},
                                                   {"batch"},
                                                   {"lr"},
                                                   {"lambda_w", Vary::attention_decay},
                                                   {"weight_decay"},
                                                   {"lambda_beta", Vary::beta_decay},
                                                   {"beta0"},
                                                   {"beta0_sd"},
                                                   {"w0"},
                                                   {"w0_sd"},
                                                   {"readout"},
                                                   {"attention_decay", Vary::attention_decay},
                                                   {"decay_layernorm"}}};

/// The value of a setting: equal numbers have equal texts.
std::string value_of(const MeasuredRun& run, std::string_view key) {
  const std::string_view text = run.text(key);
  const auto number = parse_number(text);
  return number ? format_number(*number) : std::string(text);
}

std::string compared_settings(const MeasuredRun& run, Vary may_differ) {
  std::string values;
  for (const RunSetting& setting : kSettings) {
    if (!includes(may_differ, setting.kind)) values += value_of(run, setting.key);
    values += '\n';
  }
  return values;
}

std::size_t n_contexts(const RunList& runs) {
  std::set<double> contexts;
  for (const MeasuredRun* run : runs) contexts.insert(run->n_context);
  return contexts.size();
}

}  // namespace

std::span<const RunSetting> run_settings() noexcept { return kSettings; }

bool belong_together(const MeasuredRun& a, const MeasuredRun& b, Vary may_differ) {
  return compared_settings(a, may_differ) == compared_settings(b, may_differ);
}

std::vector<RunList> groups_of(const RunList& runs, Vary may_differ) {
  std::vector<RunList> groups;
  std::map<std::string, std::size_t> places;
  for (const MeasuredRun* run : runs) {
    const auto [place, is_new] = places.try_emplace(compared_settings(*run, may_differ), groups.size());
    if (is_new) groups.emplace_back();
    groups[place->second].push_back(run);
  }
  return groups;
}

std::vector<RunList> largest_first(std::vector<RunList> groups) {
  std::stable_sort(groups.begin(), groups.end(),
                   [](const RunList& a, const RunList& b) { return a.size() > b.size(); });
  return groups;
}

std::vector<RunList> largest_by_model(const RunList& runs) {
  std::vector<RunList> largest;
  std::vector<RunList> groups = groups_of(runs, Vary::size);
  std::stable_sort(groups.begin(), groups.end(), [](const RunList& a, const RunList& b) {
    return std::pair(n_contexts(a), a.size()) > std::pair(n_contexts(b), b.size());
  });
  for (const std::string_view model : {"minimal", "one-layer", "two-layer"}) {
    const auto found =
        std::find_if(groups.begin(), groups.end(), [&](const RunList& group) { return group.front()->model == model; });
    if (found != groups.end()) largest.push_back(*found);
  }
  return largest;
}

const RunList& largest_of(const std::vector<RunList>& groups) {
  return *std::max_element(groups.begin(), groups.end(),
                           [](const RunList& a, const RunList& b) { return a.size() < b.size(); });
}

RunList all_runs(std::span<const MeasuredRun> runs) {
  return runs_where(runs, [](const MeasuredRun&) { return true; });
}

double decay_of(const MeasuredRun& run) noexcept {
  return run.number(run.model == "minimal" ? "lambda_w" : "attention_decay").value_or(0.0);
}

std::size_t n_acquired(const RunList& runs) {
  return static_cast<std::size_t>(
      std::count_if(runs.begin(), runs.end(), [](const MeasuredRun* run) { return run->acquired; }));
}

double drawn_context(const std::vector<RunList>& places, const std::optional<double>& preferred) {
  std::map<double, std::size_t> n_levels;
  for (const RunList& place : places) ++n_levels[place.front()->n_context];
  if (preferred && n_levels.contains(*preferred)) return *preferred;
  return std::max_element(n_levels.begin(), n_levels.end(),
                          [](const auto& a, const auto& b) {
                            return a.second < b.second || (a.second == b.second && a.first < b.first);
                          })
      ->first;
}

}  // namespace iclk::figures
