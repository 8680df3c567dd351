#include "run_levels.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::fit {
namespace {

void require_positive(double value, std::size_t index, const std::string& field) {
  if (std::isfinite(value) && value > 0) return;
  throw field_error("runs[" + std::to_string(index) + "]." + field,
                    "expected a positive finite number, got " + format_number(value));
}

struct Counts {
  double n = 0.0, acquired = 0.0;
};

}  // namespace

RunLevels gather(std::span<const RunOutcome> runs, std::size_t max_levels, UseContext use_context) {
  const bool with_context = use_context == UseContext::yes;
  std::map<std::pair<double, double>, Counts> counts;  // (N, K), in their order
  for (std::size_t i = 0; i < runs.size(); ++i) {
    require_positive(runs[i].n_items, i, "n_items");
    if (with_context) require_positive(runs[i].n_context, i, "n_context");
    Counts& at = counts[{with_context ? runs[i].n_context : 1.0, runs[i].n_items}];
    at.n += 1;
    at.acquired += runs[i].acquired ? 1 : 0;
  }
  RunLevels result;
  result.n_distinct = counts.size();
  if (counts.empty()) return result;
  result.k_min = counts.begin()->first.second;
  for (const auto& [key, count] : counts) {
    result.k_min = std::min(result.k_min, key.second);
    result.k_max = std::max(result.k_max, key.second);
  }
  double step = 0;
  if (counts.size() > max_levels) {
    step = std::log(result.k_max / result.k_min) / static_cast<double>(max_levels);
    result.warning = std::to_string(counts.size()) + " distinct levels were gathered on a grid of " +
                     std::to_string(max_levels) + " steps in ln K";
  }
  const double origin = std::log(result.k_min);
  for (const auto& [key, count] : counts) {
    RunLevel level{.log_items = std::log(key.second),
                   .log_context = std::log(key.first),
                   .n = count.n,
                   .acquired = count.acquired};
    if (step > 0) level.log_items = origin + step * std::round((level.log_items - origin) / step);
    RunLevel* last = result.levels.empty() ? nullptr : &result.levels.back();
    if (step > 0 && last != nullptr && std::abs(last->log_items - level.log_items) < step / 2 &&
        std::abs(last->log_context - level.log_context) <= 0) {
      last->n += level.n;
      last->acquired += level.acquired;
    } else {
      result.levels.push_back(level);
    }
  }
  return result;
}

}  // namespace iclk::fit
