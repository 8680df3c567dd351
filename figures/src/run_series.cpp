#include "run_series.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "figure_parts.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::figures {

RunList runs_of_model(const MeasuredRuns& folder, std::string_view model) {
  return runs_where(folder.runs, [&](const MeasuredRun& run) { return run.model == model; });
}

RunList decay_scan(const MeasuredRuns& folder, std::string_view model) {
  RunList runs;
  for (const MeasuredRun* run : runs_of_model(folder, model)) {
    if (run->n_items && has_random_labels(*run)) runs.push_back(run);
  }
  const std::vector<RunList> series = groups_of(runs, Vary::attention_decay);
  if (series.empty()) return {};
  const auto rank = [](const RunList& list) { return std::pair(groups_of(list, Vary::nothing).size(), list.size()); };
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

std::string make_course_caption(std::string_view title, std::string_view text, const RunList& runs,
                                std::span<const MeasuredCurve> curves, const std::vector<std::string>& numbers,
                                const MeasuredRuns& folder) {
  return make_run_caption(title, text,
                          {.runs = runs,
                           .n_left_out = 0,
                           .curves = curves,
                           .no_theory = {},
                           .numbers = numbers,
                           .problems = folder.problems});
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
