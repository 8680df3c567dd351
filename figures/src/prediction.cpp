#include "iclk/figures/prediction.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <span>
#include <utility>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"

namespace iclk::figures {
namespace {

/// From the means of ln I_K(inf) over the runs at each K.
std::vector<LocalExponent> local_exponents(std::span<const PredictedCurve> curves) {
  struct Sum {
    double log_integral = 0.0;
    double n_runs = 0.0;
  };
  std::map<std::uint64_t, Sum> levels;
  for (const PredictedCurve& each : curves) {
    if (!each.curve.n_items || !each.joint_infinity.value) continue;
    Sum& level = levels[*each.curve.n_items];
    level.log_integral += std::log(*each.joint_infinity.value);
    level.n_runs += 1.0;
  }
  std::vector<LocalExponent> exponents;
  for (auto low = levels.begin(); low != levels.end() && std::next(low) != levels.end(); ++low) {
    const auto high = std::next(low);
    const auto k_low = static_cast<double>(low->first);
    const auto k_high = static_cast<double>(high->first);
    const double rise = high->second.log_integral / high->second.n_runs - low->second.log_integral / low->second.n_runs;
    exponents.push_back({k_low, k_high, rise / std::log(k_high / k_low)});
  }
  return exponents;
}

void find_law(const std::optional<fit::BootstrapOptions>& bootstrap, Prediction& result) {
  std::vector<fit::TruncatedCurve> points;
  std::vector<std::uint64_t> levels;
  std::vector<PredictedCurve*> used;
  for (PredictedCurve& each : result.curves) {
    if (!each.curve.n_items) continue;
    used.push_back(&each);
    points.push_back(
        {static_cast<double>(*each.curve.n_items), each.curve.curves.c1, each.prediction.integral.infinity});
    levels.push_back(*each.curve.n_items);
  }
  std::sort(levels.begin(), levels.end());
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  if (levels.size() < 2) {
    result.no_law = points.empty() ? "no curve says its number of items (--items)" : "the curves have only one K";
    return;
  }
  result.n_law_curves = points.size();
  result.law = fit::fit_memorization_law(points);
  for (std::size_t i = 0; i < used.size(); ++i) used[i]->joint_infinity = result.law->infinity[i];
  result.local_exponents = local_exponents(result.curves);
  const std::vector<std::string>& warnings = result.law->warnings;
  result.warnings.insert(result.warnings.end(), warnings.begin(), warnings.end());
  if (bootstrap) {
    result.bootstrap = fit::bootstrap_memorization_law(points, *result.law, {}, *bootstrap);
    for (const std::string& warning : result.bootstrap->warnings) result.warnings.push_back("bootstrap: " + warning);
  }
}

void find_threshold(Prediction& result) {
  std::vector<theory::ThresholdPoint> points;
  for (const PredictedCurve& each : result.curves) {
    if (!each.curve.n_items) continue;
    const Estimate& alone = each.prediction.integral.infinity;
    points.push_back({.n_items = static_cast<double>(*each.curve.n_items),
                      .i_infinity = each.joint_infinity.value ? each.joint_infinity : alone,
                      .required_integral = each.prediction.required_integral});
  }
  result.threshold = theory::threshold_from_curves(points);
  if (result.threshold.outcome == theory::ThresholdOutcome::extrapolated) {
    result.warnings.emplace_back("K* lies outside the measured K: it is extrapolated with the local slope");
  }
  if (result.law && result.law->law.exponent.value && std::isfinite(result.x_leading)) {
    result.k_star_leading = fit::x_at(result.law->law, result.x_leading);
  }
  // Eqs. 7-8 hold for N -> infinity. The exact loss of an MLP that never memorizes needs more before attention reaches
  // 1/2, an amount that hardly depends on N (docs/equations.md, Eq. 21); at c1 = 1/2 the integral is the time itself.
  // We add the same amount to what each curve needs.
  if (result.t_full_loss) {
    result.finite_n_excess = *result.t_full_loss - result.x_exact;
    for (theory::ThresholdPoint& point : points) point.required_integral += *result.finite_n_excess;
    result.k_star_full_loss = theory::threshold_from_curves(points).k_star;
  }
}

void add_curve_warnings(Prediction& result) {
  std::size_t closures = 0;
  std::size_t unresolved = 0;
  std::size_t undecided = 0;
  std::size_t extrapolated = 0;
  for (const PredictedCurve& each : result.curves) {
    closures += each.curve.curves.c2_is_closure ? 1 : 0;
    unresolved += each.prediction.integral.tail == theory::TailModel::unresolved ? 1 : 0;
    undecided += each.prediction.verdict == theory::Verdict::undecided ? 1 : 0;
    extrapolated += each.prediction.t_icl_extrapolated ? 1 : 0;
  }
  const auto of_all = [&](std::size_t n) {
    return std::to_string(n) + " of " + std::to_string(result.curves.size()) +
           (result.curves.size() == 1 ? " curve" : " curves");
  };
  if (closures > 0) result.warnings.push_back("no c2 in " + of_all(closures) + ": the closure c2 = 1 - c1 is used");
  if (unresolved > 0) {
    result.warnings.push_back("the tail is unresolved in " + of_all(unresolved) +
                              ": I_K may diverge, only its lower end is known; train longer");
  }
  if (undecided > 0) {
    result.warnings.push_back("undecided in " + of_all(undecided) +
                              ": the verdict depends on a tail that the curve does not settle; train longer");
  }
  if (extrapolated > 0) {
    result.warnings.push_back("t_ICL of " + of_all(extrapolated) + " lies beyond the end of the curve, on its tail");
  }
}

}  // namespace

void validate(const PredictionOptions& options) {
  constexpr double kMostCoins = 1e6;  // the exact loss is a sum over N coins
  const double n = options.n_context;
  if (!(n >= 2 && n <= kMostCoins) || std::floor(n) < n) {
    throw field_error("n_context", "expected a whole number from 2 to 1000000, got " + format_number(n));
  }
}

Prediction predict_from_curves(std::vector<MeasuredCurve> curves, const PredictionOptions& options) {
  validate(options);
  const double n_context = options.n_context;
  const theory::FlowState start = options.start;
  Prediction result;
  for (MeasuredCurve& curve : curves) {
    PredictedCurve each{std::move(curve), {}, {}};
    each.prediction = theory::predict_curve(each.curve.curves, n_context, start);
    result.curves.push_back(std::move(each));
  }
  result.x_leading = theory::acquisition_integral_leading(n_context, start.beta);
  result.x_undamped = theory::acquisition_integral(n_context, start.beta, start.w);
  result.x_exact = theory::acquisition_integral_exact(n_context, start.beta, start.w, kUntrainedC2);
  const theory::AttentionFlow full_loss =
      theory::attention_flow({.n_context = n_context}, start, theory::ConstantMemorization{});
  if (full_loss.attention_half) result.t_full_loss = full_loss.attention_half->time;
  add_curve_warnings(result);
  find_law(options.bootstrap, result);
  find_threshold(result);
  return result;
}

}  // namespace iclk::figures
