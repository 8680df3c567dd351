#include "outcome_theory.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>
#include <set>

#include "iclk/figures/prediction.hpp"
#include "iclk/fit/memorization_law.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "iclk/theory/balanced.hpp"

namespace iclk::figures {
namespace {

constexpr double kLoopTolerance = 1e-7;  ///< of the flow in a closed loop: far below the scatter of curves over seeds
constexpr double kMostContext = 1e5;     ///< N beyond which a curve is no use
constexpr double kNever = std::numeric_limits<double>::infinity();

theory::ContextModel context_model_of(const MeasuredRun& run, double n_context, std::optional<double> n_items) {
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

theory::FlowState mean_start(const theory::StartDistribution& start) {
  return {.w = start.w0_mean, .beta = start.beta0_mean};
}

std::vector<theory::FlowState> spread_starts(const theory::StartDistribution& start, int n_bits) {
  if (!(start.beta0_sd > 0.0) && !(start.w0_sd > 0.0)) return {mean_start(start)};
  const auto normal_quantile = [](double share) { return std::log(quantile(theory::LognormalLaw{0.0, 1.0}, share)); };
  const int n_starts = 1 << n_bits;
  std::vector<theory::FlowState> starts;
  for (int i = 0; i < n_starts; ++i) {
    int reversed = 0;
    for (int bit = 0; bit < n_bits; ++bit) reversed |= ((i >> bit) & 1) << (n_bits - 1 - bit);
    const double even = (i + 0.5) / n_starts, scattered = (reversed + 0.5) / n_starts;
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
      context_model_of(run, n_context, {}), start, theory::ConstantMemorization{},
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
  const auto context = context_model_of(run, n_context, static_cast<double>(curve.n_items.value()));
  const theory::AttentionFlow flow = attention_flow(context, start, curve.curves, options);
  if (!flow.attention_half || !(flow.attention_half->time > 0.0)) return std::nullopt;
  return flow.attention_half->time;
}

std::optional<double> attention_excess(double n_context, theory::FlowState start) {
  const theory::AttentionFlow flow = attention_flow({.n_context = n_context}, start, theory::ConstantMemorization{});
  const double blow_up = theory::acquisition_integral_exact(n_context, start.beta, start.w, kUntrainedC2);
  if (!flow.attention_half || !(flow.attention_half->time > 0.0) || !std::isfinite(blow_up)) return std::nullopt;
  return flow.attention_half->time - blow_up;
}

std::optional<bool> attention_acquired(const MeasuredRun& run) {
  if (run.model != "minimal") return std::nullopt;
  if (const auto in_table = run.number("attention_acquired")) return *in_table > 0.5;
  if (run.number("t_attention_half")) return true;
  return run.line ? std::nullopt : std::optional(false);  // a simulation file without the time says that there was none
}

std::vector<fit::RunOutcome> attention_outcomes(std::span<const MeasuredRun* const> runs) {
  std::vector<fit::RunOutcome> outcomes;
  for (const MeasuredRun* run : runs) {
    const std::optional<bool> acquired = attention_acquired(*run);
    if (!acquired) return {};
    outcomes.push_back({run->n_items.value(), *acquired, run->n_context});
  }
  return outcomes;
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

double NetworkTheory::required_excess(ThresholdLevel level, double n_context) const {
  if (level == ThresholdLevel::flow) return 0.0;
  return attention_excess(n_context, mean_start(starts_of(run_))).value_or(kNever);
}

Estimate NetworkTheory::k_star(ThresholdLevel level, double n_context) const {
  if (!known()) return {};
  const theory::FlowState start = mean_start(starts_of(run_));
  if (level == ThresholdLevel::leading) {
    const double required = theory::acquisition_integral_leading(n_context, start.beta);
    return law_.exponent.value && std::isfinite(required) ? fit::x_at(law_, required) : Estimate{};
  }
  std::vector<theory::ThresholdPoint> points;
  const double excess = required_excess(level, n_context);
  for (std::size_t i = 0; i < curves_.size(); ++i) {
    const double required = theory::CurveFlow(curves_[i].curves, n_context).required_integral(start) + excess;
    if (!(required > 0.0) || !std::isfinite(required)) return {};
    points.push_back({static_cast<double>(*curves_[i].n_items), infinity_[i], required});
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
  const double excess = required_excess(ThresholdLevel::exact_loss, n_context);
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

ClosedLoopThreshold::ClosedLoopThreshold(std::span<const MeasuredCurve> curves,
                                         std::span<const MeasuredRun* const> runs) {
  std::map<double, std::vector<double>> times;  // by N
  for (const MeasuredRun* run : runs) {
    const auto lr = run->number("lr"), iterations = run->number("iterations");
    if (!lr || !iterations || !(*lr * *iterations > 0.0)) continue;
    times[run->n_exemplars].push_back(*lr * *iterations);
  }
  for (auto& [n_context, of_runs] : times) {
    const auto middle = of_runs.begin() + static_cast<std::ptrdiff_t>(of_runs.size() / 2);
    std::nth_element(of_runs.begin(), middle, of_runs.end());
    training_times_[n_context] = *middle;
  }
  std::map<double, std::vector<double>> log_contexts;  // by K
  for (const MeasuredCurve& curve : curves) {
    if (const auto context = critical_context(curve, *runs.front())) {
      log_contexts[static_cast<double>(curve.n_items.value())].push_back(std::log(*context));
    }
  }
  for (const auto& [n_items, logs] : log_contexts) {
    const double n = static_cast<double>(logs.size());
    const double mean = std::accumulate(logs.begin(), logs.end(), 0.0) / n;
    double squares = 0.0;
    for (const double log : logs) squares += (log - mean) * (log - mean);
    levels_.push_back({std::log(n_items), mean, n > 1.0 ? std::optional(squares / (n * (n - 1.0))) : std::nullopt});
  }
}

/// How long runs at this N are trained: straight lines between the N of the runs, in proportion to N beyond.
double ClosedLoopThreshold::training_time(double n_context) const {
  if (training_times_.empty()) return kNever;
  const auto above = training_times_.lower_bound(n_context);
  if (above == training_times_.begin()) return above->second * n_context / above->first;
  const auto below = std::prev(above);
  if (above == training_times_.end()) return below->second * n_context / below->first;
  const double share = (n_context - below->first) / (above->first - below->first);
  return below->second + share * (above->second - below->second);
}

/// The largest N at which attention is acquired along the curve, plus 1/2. Empty where there is none from 2 on.
std::optional<double> ClosedLoopThreshold::critical_context(const MeasuredCurve& curve, const MeasuredRun& run) const {
  const double n_items = static_cast<double>(curve.n_items.value());
  if (n_items < 2.0) return std::nullopt;
  const theory::FlowState start = mean_start(starts_of(run));
  const auto acquires = [&](double n_context) {
    theory::ContextModel context = context_model_of(run, n_context, n_items);
    context.balanced_items = run.text("item_labels") == "balanced";
    context.item_dim.reset();
    const theory::AttentionFlow flow = attention_flow(context, start, curve.curves,
                                                      {.lambda_w = run.number("lambda_w").value_or(0.0),
                                                       .lambda_beta = run.number("lambda_beta").value_or(0.0),
                                                       .closed_loop = true,
                                                       .rel_tol = kLoopTolerance,
                                                       .t_max = training_time(n_context)});
    return flow.attention_half.has_value();
  };
  double low = std::max(2.0, std::round(std::pow(n_items, 2.0 / 3.0))), high = 2.0 * low;
  while (!acquires(low)) {
    if (low < 3.0) return std::nullopt;
    high = low;
    low = std::max(2.0, std::floor(0.5 * low));
  }
  while (high < kMostContext && acquires(high)) low = high, high *= 2.0;
  if (high >= kMostContext) return std::nullopt;
  while (high - low > 1.5) {
    const double middle = std::floor(0.5 * (low + high));
    (acquires(middle) ? low : high) = middle;
  }
  return low + 0.5;
}

Estimate ClosedLoopThreshold::k_star(double n_context) const {
  const double wanted = std::log(n_context);
  for (std::size_t i = 0; i + 1 < levels_.size(); ++i) {
    const Level &below = levels_[i], &above = levels_[i + 1];
    if (!(below.log_context <= wanted && wanted < above.log_context)) continue;
    const double rise = above.log_context - below.log_context, run = above.log_items - below.log_items;
    const double share = (wanted - below.log_context) / rise;
    const double log_k = below.log_items + share * run;
    Estimate k_star{.value = std::exp(log_k), .low = {}, .high = {}};
    if (below.variance && above.variance) {
      const double error =
          std::sqrt((1.0 - share) * (1.0 - share) * *below.variance + share * share * *above.variance) * run / rise;
      k_star.low = std::exp(log_k - 2.0 * error);
      k_star.high = std::exp(log_k + 2.0 * error);
    }
    return k_star;
  }
  return {};
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
