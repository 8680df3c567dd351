#include "ensemble_answer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "iclk/theory/acquisition_time.hpp"

namespace iclk::cli {
namespace {

using theory::Verdict;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

theory::EnsembleOptions options_of(const EnsembleQuestion& question) {
  theory::EnsembleOptions options{
      .n_samples = question.n_samples, .seed = question.seed, .jobs = question.jobs, .keep_runs = question.keep_runs};
  if (question.on_progress) {
    options.on_progress = [&question](std::uint64_t n_done, std::uint64_t) { question.on_progress(n_done); };
  }
  return options;
}

/// Shares of the sampled runs. `central` is the I_K(infinity) that decides P(ICL) between the ends of the bracket.
void add_shares(EnsembleAnswer& answer, double central) {
  const theory::Ensemble& sampled = *answer.sampled;
  const std::vector<double>& required = sampled.required_integrals;
  const auto n = static_cast<std::uint64_t>(required.size());
  if (n == 0) return;
  const auto below = std::lower_bound(required.begin(), required.end(), central) - required.begin();
  const auto share = [&](std::uint64_t part) { return static_cast<double>(part) / static_cast<double>(n); };
  answer.p_acquired = share(sampled.n_acquired);
  answer.p_never = share(sampled.n_never);
  answer.p_undecided = share(sampled.n_undecided);
  const auto central_runs =
      std::clamp(static_cast<std::uint64_t>(below), sampled.n_acquired, sampled.n_acquired + sampled.n_undecided);
  answer.p_icl = {.value = share(central_runs),
                  .low = theory::share_estimate(sampled.n_acquired, n).low,
                  .high = theory::share_estimate(sampled.n_acquired + sampled.n_undecided, n).high};
}

/// Where a required I_K is reached: the time, or that it never is, or that this is open.
struct Reached {
  Verdict verdict = Verdict::undecided;
  std::optional<double> time;
};

using Reach = std::function<Reached(double required)>;

Reach reach_on_curve(const theory::CurveFlow& flow) {
  return [&flow](double required) {
    const Verdict verdict = flow.verdict(required);
    return Reached{verdict, verdict == Verdict::undecided ? std::nullopt : std::optional(flow.time(required))};
  };
}

Reach reach_of_integral(double i_infinity) {
  return [i_infinity](double required) {
    if (std::isinf(i_infinity)) return Reached{Verdict::acquired, required};  // c1 = 1/2
    if (required < i_infinity) return Reached{Verdict::acquired, std::nullopt};
    return Reached{Verdict::memorized_first, kInfinity};
  };
}

template <class Quantile>
void add_quantiles(EnsembleAnswer& answer, const EnsembleQuestion& question, const Reach& reach,
                   const Quantile& exact_quantile) {
  const theory::LognormalLaw law = theory::lognormal_law(question.n_context, question.start);
  for (const double share : kShares) {
    EnsembleQuantile each;
    each.share = share;
    each.required_exact = exact_quantile(share);
    each.required_lognormal = theory::quantile(law, share);
    const Reached exact = reach(each.required_exact);
    each.verdict_exact = exact.verdict;
    each.t_icl_exact = exact.time;
    if (answer.sampled && !answer.sampled->required_integrals.empty()) {
      each.required = theory::sample_quantile(answer.sampled->required_integrals, share);
      const auto time_of = [&](const std::optional<double>& required) {
        return required ? reach(*required).time : std::nullopt;
      };
      each.verdict = reach(*each.required.value).verdict;
      const Estimate time{.value = time_of(each.required.value),
                          .low = time_of(each.required.low),
                          .high = time_of(each.required.high)};
      if (time.value) each.t_icl = time;
    }
    answer.quantiles.push_back(each);
  }
}

}  // namespace

EnsembleAnswer ensemble_answer(const EnsembleQuestion& question, const theory::CurveFlow& flow) {
  const theory::StartDistribution& start = question.start;
  const Estimate& infinity = flow.integral().infinity;
  EnsembleAnswer answer;
  if (question.n_samples > 0) {
    answer.sampled = theory::sample_ensemble(flow, start, options_of(question));
    add_shares(answer, *infinity.value);
  }
  const auto exact = [&](double integral) { return theory::acquisition_probability(flow, integral, start); };
  answer.p_icl_exact = {.value = exact(*infinity.value),
                        .low = exact(*infinity.low),
                        .high = infinity.high ? exact(*infinity.high) : 1.0};
  answer.p_icl_constant_c2 = theory::acquisition_probability(*infinity.value, question.n_context, start, question.c2);
  answer.p_icl_lognormal = theory::probability(theory::lognormal_law(question.n_context, start), *infinity.value);
  answer.required_mean_start = flow.required_integral({.w = start.w0_mean, .beta = start.beta0_mean});
  add_quantiles(answer, question, reach_on_curve(flow),
                [&](double share) { return theory::acquisition_quantile(flow, share, start); });
  return answer;
}

EnsembleAnswer ensemble_answer(const EnsembleQuestion& question, double i_infinity) {
  const theory::StartDistribution& start = question.start;
  EnsembleAnswer answer;
  if (question.n_samples > 0) {
    answer.sampled = theory::sample_ensemble(i_infinity, question.n_context, question.c2, start, options_of(question));
    add_shares(answer, i_infinity);
  }
  const double exact = theory::acquisition_probability(i_infinity, question.n_context, start, question.c2);
  answer.p_icl_exact = {.value = exact, .low = exact, .high = exact};
  answer.p_icl_constant_c2 = exact;
  answer.p_icl_lognormal = theory::probability(theory::lognormal_law(question.n_context, start), i_infinity);
  answer.required_mean_start =
      theory::acquisition_integral_exact(question.n_context, start.beta0_mean, start.w0_mean, question.c2);
  add_quantiles(answer, question, reach_of_integral(i_infinity), [&](double share) {
    return theory::acquisition_quantile(share, question.n_context, start, question.c2);
  });
  return answer;
}

EnsembleThreshold ensemble_threshold(const EnsembleQuestion& question, const std::vector<EnsembleCurve>& curves) {
  std::vector<theory::ThresholdPoint> points;
  std::vector<theory::ItemProbability> probabilities;
  for (const EnsembleCurve& each : curves) {
    if (!each.curve.n_items) continue;
    const auto n_items = static_cast<double>(*each.curve.n_items);
    probabilities.push_back({n_items, *each.answer.p_icl_exact.value});
    const double required = each.answer.required_mean_start;
    if (!std::isfinite(required)) continue;
    points.push_back({.n_items = n_items, .i_infinity = each.flow.integral().infinity, .required_integral = required});
  }
  EnsembleThreshold result;
  result.threshold = theory::threshold_from_curves(points);
  result.transition = theory::measured_transition(probabilities);
  if (result.threshold.local_nu && *result.threshold.local_nu > 0.0) {
    result.predicted_log_width =
        theory::lognormal_law(question.n_context, question.start).log_sd / *result.threshold.local_nu;
  }
  return result;
}

std::vector<DistributionRow> distribution_rows(const EnsembleQuestion& question, const EnsembleAnswer& answer,
                                               const theory::CurveFlow* flow, double i_infinity, int n_bins) {
  static const std::vector<double> kNone;
  const std::vector<double>& required = answer.sampled ? answer.sampled->required_integrals : kNone;
  const auto n_all = static_cast<double>(required.size());
  const double infinity_low = flow != nullptr ? *flow->integral().infinity.low : i_infinity;
  const bool has_times = flow != nullptr || std::isinf(i_infinity);
  const auto time_of = [&](double integral) { return flow != nullptr ? flow->time(integral) : integral; };
  const auto integral_of = [&](double time) { return flow != nullptr ? flow->integral_at(time) : time; };
  const auto exact = [&](double integral) {
    return flow != nullptr ? theory::acquisition_probability(*flow, integral, question.start)
                           : theory::acquisition_probability(integral, question.n_context, question.start, question.c2);
  };
  const theory::LognormalLaw law = theory::lognormal_law(question.n_context, question.start);

  // From the first to the last thousandth of the runs that acquire, by the exact law.
  const double p_acquired = exact(infinity_low);
  std::vector<double> edges;  // of I_K
  if (p_acquired > 0.0) {
    const auto quantile = [&](double share) {
      const double bounded = std::clamp(share, 1e-12, 1.0 - 1e-12);
      return flow != nullptr ? theory::acquisition_quantile(*flow, bounded, question.start)
                             : theory::acquisition_quantile(bounded, question.n_context, question.start, question.c2);
    };
    const double first = quantile(0.001 * p_acquired);
    const double last = quantile(0.999 * p_acquired);
    const double low = has_times ? time_of(first) : first;
    const double high = has_times ? time_of(last) : last;
    const bool usable = low > 0.0 && std::isfinite(low) && std::isfinite(high);
    if (usable && high > low) {
      for (int i = 0; i <= n_bins; ++i) {
        const double edge = low * std::pow(high / low, static_cast<double>(i) / n_bins);
        edges.push_back(i == n_bins ? last : i == 0 ? first : has_times ? integral_of(edge) : edge);
      }
    } else if (usable) {
      edges.push_back(first);  // every run is the same run
    }
  }
  std::vector<DistributionRow> rows;
  double before = 0.0;
  double exact_before = 0.0;
  std::size_t runs_before = 0;
  const auto add = [&](double edge) {
    DistributionRow row;
    row.part = "interval";
    row.i_low = before;
    row.i_high = edge;
    if (has_times) {
      row.time_low = time_of(before);
      row.time_high = time_of(edge);
    }
    row.cdf_exact = exact(edge);
    row.share_exact = *row.cdf_exact - exact_before;
    row.cdf_lognormal = theory::probability(law, edge);
    if (!required.empty()) {
      const auto runs =
          static_cast<std::size_t>(std::upper_bound(required.begin(), required.end(), edge) - required.begin());
      row.n_runs = runs - runs_before;
      row.share = static_cast<double>(*row.n_runs) / n_all;
      row.cdf = theory::share_estimate(runs, required.size());
      runs_before = runs;
    }
    exact_before = *row.cdf_exact;
    before = edge;
    rows.push_back(row);
  };
  for (const double edge : edges) add(edge);

  // What is left: runs that acquire later, open ones, and the atom.
  const auto rest = [&](const std::string& part, std::uint64_t runs_until, double exact_until) {
    DistributionRow row;
    row.part = part;
    row.share_exact = exact_until - exact_before;
    if (!required.empty()) {
      row.n_runs = static_cast<std::size_t>(runs_until) - runs_before;
      row.share = static_cast<double>(*row.n_runs) / n_all;
      runs_before = static_cast<std::size_t>(runs_until);
    }
    exact_before = exact_until;
    rows.push_back(row);
  };
  const theory::Ensemble none;
  const theory::Ensemble& sampled = answer.sampled ? *answer.sampled : none;
  rest("later", sampled.n_acquired, *answer.p_icl_exact.low);
  rest("undecided", sampled.n_acquired + sampled.n_undecided, *answer.p_icl_exact.high);
  rest("never", sampled.n_acquired + sampled.n_undecided + sampled.n_never, 1.0);
  return rows;
}

}  // namespace iclk::cli
