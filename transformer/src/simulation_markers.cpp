#include <algorithm>
#include <cmath>
#include <numbers>

#include "iclk/transformer/simulation.hpp"

namespace iclk::transformer {
namespace {

constexpr double kAcquired = 0.95;  // the paper's criterion for t_ICL
constexpr double kPeak = 0.99;      // and those for transience: 99 % once, 90 % later
constexpr double kLost = 0.90;
constexpr double kFadedW = 1.0;  // where the flow of theory ends too

/// Where the straight line through two measurements crosses `level`.
double crossing(double t_low, double value_low, double t_high, double value_high, double level) {
  return t_low + (t_high - t_low) * (level - value_low) / (value_high - value_low);
}

std::optional<std::size_t> position(std::span<const std::string> names, std::string_view name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names.begin());
}

}  // namespace

MarkerTracker::MarkerTracker(const SimulationOptions& options, std::span<const std::string> diagnostics)
    : log_n_(std::log(static_cast<double>(n_exemplars(options)) - 1.0)) {
  if (options.model != ModelKind::minimal) return;  // their projections of the same name mean something else
  w_ = position(diagnostics, "w");
  // A target that attends to itself too never has half of its attention on one copy.
  if (!options.attend_self) beta_ = position(diagnostics, "beta");
}

void MarkerTracker::add(const SimulationSample& sample) {
  // The first time that `value` of the samples reaches `level`, from below or from above.
  const auto first = [&](std::optional<double>& marker, auto value, double level, bool rising) {
    const auto reached = [&](double x) { return rising ? x >= level : x <= level; };
    if (marker || !reached(value(sample))) return;
    const bool between = last_ && !reached(value(*last_));
    marker = between ? crossing(last_->time, value(*last_), sample.time, value(sample), level) : sample.time;
  };
  const auto accuracy = [](const SimulationSample& s) { return s.icl_accuracy; };
  const bool was_acquired = markers_.t_icl.has_value();
  const bool had_peaked = markers_.max_icl_accuracy >= kPeak;
  first(markers_.t_icl, accuracy, kAcquired, true);
  first(
      markers_.t_half_loss, [](const SimulationSample& s) { return s.icl_loss; }, std::numbers::ln2 / 2, false);
  if (had_peaked) first(markers_.t_accuracy_fade, accuracy, kLost, false);
  markers_.max_icl_accuracy = std::max(markers_.max_icl_accuracy, sample.icl_accuracy);
  if (beta_) {
    const auto beta = [this](const SimulationSample& s) { return s.diagnostics[*beta_]; };
    first(markers_.t_attention_half, beta, log_n_, true);
  }
  if (w_) {
    const auto w = [this](const SimulationSample& s) { return s.diagnostics[*w_]; };
    if (was_acquired) first(markers_.t_fade, w, kFadedW, false);
    if (!markers_.w_max || w(sample) > *markers_.w_max) {
      markers_.w_max = w(sample);
      markers_.t_w_max = sample.time;
    }
  }
  last_ = sample;
}

}  // namespace iclk::transformer
