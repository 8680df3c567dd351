#include "iclk/fit/memorization_law.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "common_shape.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/least_squares.hpp"
#include "number_text.hpp"
#include "scenario_fit.hpp"
#include "shared_shape.hpp"

namespace iclk::fit {
namespace {

void check(std::span<const TruncatedCurve> curves) {
  for (std::size_t k = 0; k < curves.size(); ++k) {
    const std::string prefix = "curves[" + std::to_string(k) + "].";
    const TruncatedCurve& curve = curves[k];
    if (!std::isfinite(curve.n_items) || !(curve.n_items > 0)) {
      throw field_error(prefix + "n_items", "expected a positive number, got " + format_number(curve.n_items));
    }
    for (std::size_t i = 0; i < curve.c1.size(); ++i) {
      if (!(curve.c1.values()[i] > 0)) {
        throw field_error(prefix + "c1[" + std::to_string(i) + ']',
                          "expected a positive number, got " + format_number(curve.c1.values()[i]));
      }
    }
    if (curve.c1.start_time() < 0) {
      throw field_error(prefix + "c1", "expected times from 0 on, got " + format_number(curve.c1.start_time()));
    }
    const Estimate& infinity = curve.infinity;
    for (const auto& end : {infinity.low, infinity.value, infinity.high}) {
      if (end && !(std::isfinite(*end) && *end > 0)) {
        throw field_error(prefix + "infinity", "expected positive finite numbers, got " + format_number(*end));
      }
    }
    // The integral may come from another quadrature: a tenth is no contradiction.
    const double measured = measured_integral(curve);
    if (infinity.value && *infinity.value < 0.9 * measured) {
      throw field_error(prefix + "infinity", "expected at least the measured integral " + format_number(measured) +
                                                 ", got " + format_number(*infinity.value));
    }
  }
}

std::size_t distinct_items(std::span<const TruncatedCurve> curves, const ShapeInput& input) {
  std::vector<double> items;
  for (const std::size_t k : input.used) items.push_back(std::log(curves[k].n_items));
  std::sort(items.begin(), items.end());
  const auto last = std::unique(items.begin(), items.end(), [](double a, double b) { return b - a < 1e-12; });
  return static_cast<std::size_t>(last - items.begin());
}

/// Slope of the shifts against ln K.
std::optional<double> slope_of_shifts(const ShapeInput& input, const SharedShape& shape) {
  std::vector<double> design;
  for (const LevelTimes& curve : input.times) {
    design.push_back(1);
    design.push_back(curve.log_items - shape.mean_log_items);
  }
  const LeastSquaresFit line = fit_least_squares(design, 2, shape.shift);
  if (line.coefficients.empty()) return {};
  return line.coefficients[1];
}

/// 95 % interval of the drift. Two curves determine it without an error: it is then doubted by its own size.
Estimate drift_interval(const SharedShape& shape) {
  double half = std::abs(shape.drift);
  if (shape.drift_error) {
    half = student_t_quantile(0.975, static_cast<double>(shape.shift.size()) - 2) * *shape.drift_error;
  }
  return {shape.drift, shape.drift - half, shape.drift + half};
}

void fit_common_shape(std::span<const TruncatedCurve> curves, const ShapeInput& input, const SharedShape& drifting,
                      const SharedShape& rigid, const MemorizationLawOptions& options, MemorizationLawFit& fit) {
  const double slope = end_slope(drifting);
  const CommonTail tail = common_tail(curves, input, slope);
  struct Case {
    std::string label;
    SharedShape shape;
    TailEnd end = TailEnd::value;
  };
  std::vector<Case> cases{{"central", drifting}};
  if (options.power_law.use_tails) {
    cases.push_back({"common tail low", drifting, TailEnd::low});
    cases.push_back({"common tail high", drifting, TailEnd::high});
    cases.push_back({"no drift", rigid});
    cases.push_back({"drift low", fit_shared_shape(input.times, input.log_levels, fit.collapse.drift.low)});
    cases.push_back({"drift high", fit_shared_shape(input.times, input.log_levels, fit.collapse.drift.high)});
  }
  std::vector<double> n_items;
  for (const std::size_t k : input.used) n_items.push_back(curves[k].n_items);
  std::vector<LogScenario> scenarios;
  fit.infinity.assign(curves.size(), Estimate{});
  for (const Case& one : cases) {
    const std::vector<double> values = integrals(curves, input, one.shape, slope, tail, one.end);
    LogScenario scenario{one.label, {}};
    for (std::size_t u = 0; u < values.size(); ++u) {
      scenario.log_y.push_back(std::log(values[u]));
      Estimate& estimate = fit.infinity[input.used[u]];
      if (!estimate.value) estimate = {values[u], values[u], values[u]};
      estimate.low = std::min(*estimate.low, values[u]);
      estimate.high = std::max(*estimate.high, values[u]);
    }
    scenarios.push_back(std::move(scenario));
  }
  fit.law = fit_scenarios(n_items, scenarios, options.power_law);
  fit.treatment = TruncationTreatment::common_shape;
  if (!tail.resolved) {
    fit.warnings.emplace_back(
        "the tail beyond the lowest c1 that was reached has no upper end: twice the exponential tail was used, and "
        "eight "
        "times as the upper end; nu hardly depends on it, the prefactor does");
  }
}

}  // namespace

void validate(const MemorizationLawOptions& options) {
  validate(options.power_law);
  if (!(options.top_level > 0 && options.top_level < 0.5)) {
    throw field_error("top_level", "expected a number in (0, 0.5), got " + format_number(options.top_level));
  }
  if (options.n_levels < 8 || options.n_levels > 10000) {
    throw field_error("n_levels", "expected a count from 8 to 10000, got " + std::to_string(options.n_levels));
  }
  if (!std::isfinite(options.max_collapse_residual) || options.max_collapse_residual < 0) {
    throw field_error("max_collapse_residual",
                      "expected zero or a positive number, got " + format_number(options.max_collapse_residual));
  }
}

std::string_view name(TruncationTreatment treatment) {
  switch (treatment) {
    case TruncationTreatment::common_shape:
      return "common_shape";
    case TruncationTreatment::single_curve:
      return "single_curve";
    case TruncationTreatment::truncated:
      break;
  }
  return "truncated";
}

MemorizationLawFit fit_memorization_law(std::span<const TruncatedCurve> curves, const MemorizationLawOptions& options) {
  validate(options);
  check(curves);
  MemorizationLawFit fit;
  std::vector<PowerLawPoint> truncated, single;
  bool all_have_brackets = !curves.empty();
  for (const TruncatedCurve& curve : curves) {
    fit.measured.push_back(measured_integral(curve));
    truncated.push_back(truncated_point(curve));
    single.push_back(single_point(curve));
    all_have_brackets = all_have_brackets && has_bracket(curve);
  }
  fit.truncated = fit_power_law(truncated, options.power_law);
  fit.single_curve = fit_power_law(single, options.power_law);

  const ShapeInput input = shape_input(curves, options);
  fit.collapse.n_curves = input.used.size();
  fit.collapse.lowest_level = input.lowest;
  fit.collapse.tested = input.used.size() >= 2 && distinct_items(curves, input) >= 2;
  if (fit.collapse.tested) {
    const SharedShape drifting = fit_shared_shape(input.times, input.log_levels, {});
    const SharedShape rigid = fit_shared_shape(input.times, input.log_levels, 0.0);
    fit.collapse.residual = drifting.residual;
    fit.collapse.residual_without_drift = rigid.residual;
    fit.collapse.drift = drift_interval(drifting);
    fit.collapse.time_exponent = slope_of_shifts(input, drifting);
    fit.collapse.holds = drifting.residual <= options.max_collapse_residual;
    if (fit.collapse.holds) fit_common_shape(curves, input, drifting, rigid, options, fit);
  }

  if (fit.treatment == TruncationTreatment::common_shape) {
    if (const std::size_t left_out = curves.size() - input.used.size(); left_out > 0) {
      fit.warnings.push_back(std::to_string(left_out) + " of " + std::to_string(curves.size()) +
                             " curves do not fall from above c1 = " + rounded_text(options.top_level, 3) +
                             " to below it: left out of the law");
    }
  } else {
    fit.treatment = all_have_brackets ? TruncationTreatment::single_curve : TruncationTreatment::truncated;
    fit.law = fit.single_curve;
    for (const PowerLawPoint& point : single) {
      const bool open = point.low && !point.high;
      fit.infinity.push_back(
          {point.y, point.low.value_or(point.y), open ? std::nullopt : std::optional(point.high.value_or(point.y))});
    }
    if (fit.collapse.tested) {
      fit.warnings.push_back(
          "curves of different K have no common shape (rms of ln t about it " + rounded_text(fit.collapse.residual, 2) +
          ", limit " + rounded_text(options.max_collapse_residual, 2) + "): each tail was taken from its own curve");
    } else if (curves.size() > 1) {
      fit.warnings.emplace_back(
          "the shape of the curves could not be compared: each tail was taken from its own curve");
    }
    if (!all_have_brackets && !curves.empty()) {
      fit.warnings.emplace_back("some curves have no tail estimate: their integrals stop at the last sample");
    }
  }
  fit.warnings.insert(fit.warnings.begin(), fit.law.warnings.begin(), fit.law.warnings.end());
  for (std::size_t k = 0; k < curves.size(); ++k) {
    const auto& value = fit.infinity[k].value;
    fit.tail_fraction.push_back(value ? std::max(1 - fit.measured[k] / *value, 0.0) : 0.0);
  }
  return fit;
}

}  // namespace iclk::fit
