#include "run_parts.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::figures {
namespace {

/// The paper's size.
constexpr std::array<std::pair<std::string_view, double>, 4> kFullScale = {
    {{"hidden", 512.0}, {"dim", 63.0}, {"batch", 128.0}, {"lr", 0.01}}};

std::string runs_text(const RunList& runs) {
  std::map<std::string, std::map<double, std::map<double, std::size_t>>> counts;  // model, N, K (infinite last)
  for (const MeasuredRun* run : runs) ++counts[run->model][run->n_context][run->n_items.value_or(HUGE_VAL)];
  std::vector<std::string> lines;
  for (const auto& [model, contexts] : counts) {
    for (const auto& [n_context, items] : contexts) {
      std::vector<std::string> words;
      for (const auto& [n_items, n] : items) {
        words.push_back((std::isfinite(n_items) ? format_number(n_items) : "infinite") + " (" + std::to_string(n) +
                        ")");
      }
      lines.push_back(model_label(model) + ", N = " + format_number(n_context) +
                      "; K (runs at this K): " + joined(words, ", "));
    }
  }
  return std::to_string(runs.size()) + "\n  " + joined(lines, "\n  ");
}

/// Values that a setting has among the runs, in order of appearance.
std::vector<std::string> values_of(const RunList& runs, std::string_view setting) {
  std::vector<std::string> values;
  for (const MeasuredRun* run : runs) {
    const std::string value(run->text(setting));
    if (!value.empty() && std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
  }
  return values;
}

std::string scale_text(const RunList& runs) {
  std::vector<std::string> differences;
  bool stated = true;
  for (const auto& [setting, full] : kFullScale) {
    const std::vector<std::string> values = values_of(runs, setting);
    stated &= !values.empty();
    std::vector<std::string> others;
    for (const std::string& value : values) {
      const auto number = parse_number(value);
      if (!number || std::abs(*number - full) > 1e-12 * full) others.push_back(value);
    }
    if (!others.empty()) {
      differences.push_back(std::string(setting) + " " + joined(others, " | ") + " instead of " + format_number(full));
    }
  }
  if (!differences.empty()) return "reduced: " + joined(differences, ", ");
  return stated ? "full, as in the paper: hidden 512, dim 63, batch 128, lr 0.01" : "not stated by the files";
}

std::string settings_text(const RunList& runs) {
  std::vector<std::string> words;
  for (const RunSetting& setting : run_settings()) {
    if (setting.key == "model" || setting.kind == Vary::size) continue;  // the line Runs has said these
    const std::vector<std::string> values = values_of(runs, setting.key);
    if (!values.empty()) words.push_back(std::string(setting.key) + " " + joined(values, " | "));
  }
  return words.empty() ? "the files state none" : joined(words, "; ");
}

}  // namespace

MeasuredRuns drawn_runs(std::string_view id, const std::filesystem::path& data, const FigureOptions& options,
                        bool trajectories, const std::function<bool(const MeasuredRun&)>& wanted) {
  MeasuredRuns found = read_run_folder(data, {.trajectories = trajectories, .skip_bad_files = options.skip_bad_files});
  const std::size_t n_all = found.runs.size();
  std::erase_if(found.runs, [&](const MeasuredRun& run) { return !wanted(run); });
  if (found.runs.empty()) {
    const FigureInfo& info = find_figure(id);
    throw Error(Location{.file = data.string(), .line = {}, .field = {}},
                "expected " + std::string(info.needs) + ", found " +
                    (n_all == 0 ? "no runs" : "none of these among " + std::to_string(n_all) + " runs") + "; `" +
                    std::string(info.command) + "` makes them");
  }
  return found;
}

Cell seed_cell(const MeasuredRun& run) {
  return cell(run.seed ? std::optional(static_cast<double>(*run.seed)) : std::nullopt);
}

bool has_random_labels(const MeasuredRun& run) noexcept {
  return run.text("labels").empty() || run.text("labels") == "random";
}

bool has_balanced_labels(const MeasuredRun& run) noexcept { return run.text("labels").starts_with("balanced"); }

std::vector<double> theory_contexts(const std::vector<RunList>& places) {
  constexpr int kPoints = 9;
  double low = HUGE_VAL, high = 0.0;
  std::set<double> contexts;
  for (const RunList& runs : places) contexts.insert(std::max(3.0, runs.front()->n_context));
  low = *contexts.begin();
  high = *contexts.rbegin();
  const auto n_odd = std::count_if(contexts.begin(), contexts.end(), [](double n) { return std::fmod(n, 2.0) > 0.5; });
  const double parity = 2 * n_odd > static_cast<std::ptrdiff_t>(contexts.size()) ? 1.0 : 0.0;
  std::vector<double> result;
  for (int i = 0; i < kPoints; ++i) {
    const double wanted = low * std::pow(high / low, static_cast<double>(i) / (kPoints - 1));
    const double n = std::max(3.0 + (1.0 - parity), 2.0 * std::round((wanted - parity) / 2.0) + parity);
    if (result.empty() || n > result.back()) result.push_back(n);
  }
  return result;
}

double legend_room(double low, double high, double share) {
  constexpr double kLeast = 1.5;
  return std::max(kLeast, std::pow(high / low, share / (1.0 - share)));
}

std::string quoted_words(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "\"" : " \"") + word + "\"";
  return text;
}

std::string model_label(std::string_view model) {
  return std::string(model) + (model == "one-layer" || model == "two-layer" ? " transformer" : " model");
}

std::string make_run_caption(std::string_view title, std::string_view text, const RunCaption& parts) {
  std::string caption = std::string(title) + "\n\n" + std::string(text) + "\n\nRuns\n  " + runs_text(parts.runs);
  if (parts.n_left_out > 0) {
    caption += "\n  not drawn: " + std::to_string(parts.n_left_out) + " with other settings";
  }
  caption += "\n\nScale\n  " + scale_text(parts.runs) + "\n\nSettings\n  " + settings_text(parts.runs) + "\n";
  if (!parts.curves.empty()) {
    std::set<std::string> items;
    std::vector<std::string> words;
    for (const MeasuredCurve& curve : parts.curves) {
      const std::string n_items = format_number(static_cast<double>(curve.n_items.value_or(0)));
      if (items.insert(n_items).second) words.push_back(n_items);
    }
    caption += "\nTheory from\n  " + std::to_string(parts.curves.size()) +
               " memorization curves of the same network, K = " + joined(words, ", ") + "\n";
  }
  if (!parts.no_theory.empty()) caption += "\nNot drawn\n  " + parts.no_theory + "\n";
  if (!parts.numbers.empty()) caption += "\nNumbers\n  " + joined(parts.numbers, "\n  ") + "\n";
  if (!parts.problems.empty()) caption += "\nLeft out\n  " + joined(parts.problems, "\n  ") + "\n";
  constexpr std::size_t kMostFiles = 6;  // of one folder, named one by one
  std::map<std::filesystem::path, std::vector<std::string>> folders;
  for (const MeasuredRun* run : parts.runs) {
    std::vector<std::string>& files = folders[run->file.parent_path()];
    if (files.empty() || files.back() != run->file.string()) files.push_back(run->file.string());
  }
  std::vector<std::string> sources;
  for (auto& [folder, files] : folders) {
    std::sort(files.begin(), files.end());
    files.erase(std::unique(files.begin(), files.end()), files.end());
    if (files.size() > kMostFiles) files = {std::to_string(files.size()) + " files in " + folder.string()};
    sources.insert(sources.end(), files.begin(), files.end());
  }
  for (const MeasuredCurve& curve : parts.curves) {
    if (std::find(sources.begin(), sources.end(), curve.source) == sources.end()) sources.push_back(curve.source);
  }
  return caption + "\nSources\n  " + joined(sources, "\n  ") + "\n\nDrawn by iclk " + std::string(version()) + "\n";
}

}  // namespace iclk::figures
