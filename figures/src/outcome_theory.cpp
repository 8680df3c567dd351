#include "outcome_theory.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "iclk/fit/memorization_law.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/balanced.hpp"

namespace iclk::figures {
namespace {

constexpr int kBits = 5;
constexpr int kStarts = 1 << kBits;  ///< so that a share is known to 2 %, better than runs tell
constexpr double kUntrainedC2 = 0.5;
constexpr double kNever = std::numeric_limits<double>::infinity();

theory::FlowState mean_of(const theory::StartDistribution& start) {
  return {.w = start.w0_mean, .beta = start.beta0_mean};
}

theory::ContextModel context_of(const MeasuredRun& run, double n_context, std::optional<double> n_items) {
  theory::ContextModel context{.model = theory::LossModel::binomial, .n_context = n_context};
  if (n_items && *n_items >= 2.0) context.n_items = n_items;
  context.item_dim = run.number("dim");
  return context;
}

}  // namespace

theory::StartDistribution starts_of(const MeasuredRun& run) {
  const auto setting = [&](std::string_view key) { return run.number(key).value_or(0.0); };
  return {.beta0_mean = setting("beta0"),
          .beta0_sd = setting("beta0_sd"),
          .w0_mean = setting("w0"),
          .w0_sd = setting("w0_sd")};
}

std::vector<theory::FlowState> spread_starts(const theory::StartDistribution& start) {
  if (!(start.beta0_sd > 0.0) && !(start.w0_sd > 0.0)) return {mean_of(start)};
  const auto normal_quantile = [](double share) { return std::log(quantile(theory::LognormalLaw{0.0, 1.0}, share)); };
  std::vector<theory::FlowState> starts;
  for (int i = 0; i < kStarts; ++i) {
    int reversed = 0;
    for (int bit = 0; bit < kBits; ++bit) reversed |= ((i >> bit) & 1) << (kBits - 1 - bit);
    const double even = (i + 0.5) / kStarts, scattered = (reversed + 0.5) / kStarts;
    const bool beta_even = start.beta0_sd > 0.0;
    starts.push_back({.w = start.w0_mean + start.w0_sd * normal_quantile(beta_even ? scattered : even),
                      .beta = start.beta0_mean + start.beta0_sd * normal_quantile(beta_even ? even : scattered)});
  }
  return starts;
}

double theory_context(const MeasuredRun& run, double n_context) {
  return n_context - (run.n_context - run.n_exemplars);
}

std::string untreated(const MeasuredRun& run) {
  const auto differs = [&](std::string_view key, double usual) {
    const auto value = run.number(key);
    return value && std::abs(*value - usual) > 0.0;
  };
  if (differs("zipf", 0.0)) return "theory: items do not occur equally often (zipf)";
  if (differs("copy_share", 1.0)) return "theory: not every sequence holds a copy of the target (copy_share)";
  if (differs("copies", 1.0)) return "theory: several copies of the target (copies)";
  if (run.n_exemplars < 2.0) return "theory: fewer than two exemplars";
  return {};
}

std::optional<double> time_to_accuracy(const MeasuredRun& run, double n_context, theory::FlowState start) {
  const theory::AttentionFlow flow = attention_flow(
      context_of(run, n_context, {}), start, theory::ConstantMemorization{},
      {.lambda_w = run.number("lambda_w").value_or(0.0), .lambda_beta = run.number("lambda_beta").value_or(0.0)});
  if (!flow.accuracy_95 || !(flow.accuracy_95->time > 0.0)) return std::nullopt;
  return flow.accuracy_95->time;
}

std::vector<double> times_to_accuracy(const MeasuredRun& run, double n_context) {
  std::vector<double> times;
  for (const theory::FlowState& start : spread_starts(starts_of(run))) {
    times.push_back(time_to_accuracy(run, n_context, start).value_or(kNever));
  }
  std::sort(times.begin(), times.end());
  return times;
}

std::optional<double> time_to_attention(const MeasuredRun& run, double n_context, theory::FlowState start,
                                        const MeasuredCurve& curve) {
  const theory::AttentionFlowOptions options{.lambda_w = run.number("lambda_w").value_or(0.0),
                                             .lambda_beta = run.number("lambda_beta").value_or(0.0)};
  const auto context = context_of(run, n_context, static_cast<double>(curve.n_items.value()));
  const theory::AttentionFlow flow = attention_flow(context, start, curve.curves, options);
  if (!flow.attention_half || !(flow.attention_half->time > 0.0)) return std::nullopt;
  return flow.attention_half->time;
}

std::optional<double> attention_excess(const MeasuredRun& run, double n_context, theory::FlowState start,
                                       std::optional<double> n_items) {
  const theory::ContextModel context =
      n_items ? context_of(run, n_context, n_items) : theory::ContextModel{.n_context = n_context};
  const theory::AttentionFlow flow = attention_flow(context, start, theory::ConstantMemorization{});
  const double blow_up = theory::acquisition_integral_exact(n_context, start.beta, start.w, kUntrainedC2);
  if (!flow.attention_half || !(flow.attention_half->time > 0.0) || !std::isfinite(blow_up)) return std::nullopt;
  return flow.attention_half->time - blow_up;
}

NetworkTheory::NetworkTheory(std::span<const MeasuredCurve> curves, const MeasuredRun& run)
    : curves_(curves), run_(run) {
  std::vector<fit::TruncatedCurve> truncated;
  std::set<std::uint64_t> levels;
  for (const MeasuredCurve& curve : curves) {
    infinity_.push_back(theory::memorization_integral(curve.curves.c1).infinity);
    levels.insert(curve.n_items.value());
    truncated.push_back({static_cast<double>(curve.n_items.value()), curve.curves.c1, infinity_.back()});
  }
  n_levels_ = levels.size();
  if (!known()) return;
  const fit::MemorizationLawFit fitted = fit::fit_memorization_law(truncated);
  for (std::size_t i = 0; i < infinity_.size(); ++i) {
    if (fitted.infinity[i].value) infinity_[i] = fitted.infinity[i];
  }
  law_ = fitted.law;
}

double NetworkTheory::required_excess(ThresholdLevel level, double n_context, double n_items) const {
  if (level == ThresholdLevel::flow) return 0.0;
  const std::optional<double> counted = level == ThresholdLevel::finite_items ? std::optional(n_items) : std::nullopt;
  return attention_excess(run_, n_context, mean_of(starts_of(run_)), counted).value_or(kNever);
}

Estimate NetworkTheory::k_star(ThresholdLevel level, double n_context) const {
  if (!known()) return {};
  const theory::FlowState start = mean_of(starts_of(run_));
  if (level == ThresholdLevel::leading) {
    const double required = theory::acquisition_integral_leading(n_context, start.beta);
    return law_.exponent.value && std::isfinite(required) ? fit::x_at(law_, required) : Estimate{};
  }
  std::vector<theory::ThresholdPoint> points;
  double excess = 0.0, items_of_excess = 0.0;
  for (std::size_t i = 0; i < curves_.size(); ++i) {
    const double n_items = static_cast<double>(*curves_[i].n_items);
    const bool depends_on_items = level == ThresholdLevel::finite_items && n_items > items_of_excess;
    if (i == 0 || depends_on_items) {  // curves come by rising K
      excess = required_excess(level, n_context, n_items);
      items_of_excess = n_items;
    }
    const double required = theory::CurveFlow(curves_[i].curves, n_context).required_integral(start) + excess;
    if (!(required > 0.0) || !std::isfinite(required)) return {};
    points.push_back({n_items, infinity_[i], required});
  }
  return threshold_from_curves(points).k_star;
}

/// K* of one start from what it needs on each curve.
double NetworkTheory::threshold(std::span<const double> required) const {
  std::vector<theory::ThresholdPoint> points;
  for (std::size_t i = 0; i < curves_.size(); ++i) {
    if (!(required[i] < kNever)) return kNever;
    if (!(required[i] > 0.0)) return 0.0;
    points.push_back({static_cast<double>(*curves_[i].n_items), infinity_[i], required[i]});
  }
  const theory::Threshold found = threshold_from_curves(points);
  if (found.k_star.value) return *found.k_star.value;
  return found.outcome == theory::ThresholdOutcome::all_acquire ? 0.0 : kNever;
}

std::vector<double> NetworkTheory::thresholds(double n_context) const {
  if (!known()) return {};
  const std::vector<theory::FlowState> starts = spread_starts(starts_of(run_));
  std::vector<std::vector<double>> required(starts.size());  // [start][curve]
  const double excess = required_excess(ThresholdLevel::exact_loss, n_context, 0.0);
  for (const MeasuredCurve& curve : curves_) {
    std::vector<double> blow_up(starts.size());
    theory::CurveFlow(curve.curves, n_context).required_integrals(starts, blow_up);
    for (std::size_t i = 0; i < starts.size(); ++i) required[i].push_back(blow_up[i] + excess);
  }
  std::vector<double> result;
  for (const std::vector<double>& of_start : required) result.push_back(threshold(of_start));
  std::sort(result.begin(), result.end());
  return result;
}

std::vector<double> NetworkTheory::balanced_thresholds(double n_context) const {
  if (!known()) return {};
  const auto count = run_.text("labels") == "balanced-context-with-target" ? theory::BalancedCount::exemplars_and_target
                                                                           : theory::BalancedCount::exemplars;
  std::vector<double> result;
  for (const theory::FlowState& start : spread_starts(starts_of(run_))) {
    const auto s_blow = theory::balanced_acquisition(start, count).s_blow;
    const std::vector<double> required(curves_.size(), s_blow ? 2.0 * n_context * *s_blow : kNever);
    result.push_back(threshold(required));
  }
  std::sort(result.begin(), result.end());
  return result;
}

double share_up_to(const std::vector<double>& rising, double value) {
  const double n = static_cast<double>(rising.size());
  const auto above = std::upper_bound(rising.begin(), rising.end(), value);
  const auto i = static_cast<double>(above - rising.begin());
  if (above == rising.begin() || above == rising.end() || !std::isfinite(*above)) return i / n;
  const double part = (value - *(above - 1)) / (*above - *(above - 1));
  return (i - 0.5 + part) / n;
}

std::optional<double> middle_of(const std::vector<double>& rising) {
  if (rising.empty()) return std::nullopt;
  const std::size_t half = rising.size() / 2;
  const double middle = rising.size() % 2 == 1 ? rising[half] : 0.5 * (rising[half - 1] + rising[half]);
  return middle > 0.0 && std::isfinite(middle) ? std::optional(middle) : std::nullopt;
}

}  // namespace iclk::figures
