#include <algorithm>
#include <cmath>
#include <utility>

#include "claim_parts.hpp"
#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "outcome_theory.hpp"

// When trained models acquire with K infinite, where nothing can be memorized.
namespace iclk::figures {
namespace {

constexpr const char* kRuns =
    "iclk simulate --items inf --context 100 --seed 0:16 --iterations 40000 --out DIR/runs   (and for other --context)";

bool is_unlimited(const MeasuredRun& run) { return !run.n_items && has_random_labels(run) && !has_decay(run); }

/// Time to half of the attention with the exact loss; items of finite dimension where it is given.
std::optional<double> half_time(const MeasuredRun& run, std::optional<double> dim) {
  theory::ContextModel context{.n_context = run.n_exemplars};
  context.item_dim = dim;
  const auto flow = theory::attention_flow(context, mean_start(starts_of(run)), theory::ConstantMemorization{});
  return flow.attention_half ? std::optional(flow.attention_half->time) : std::nullopt;
}

std::optional<double> accuracy_time(const MeasuredRun& run) {
  const auto flow = theory::attention_flow({.n_context = run.n_exemplars}, mean_start(starts_of(run)),
                                           theory::ConstantMemorization{});
  return flow.accuracy_95 ? std::optional(flow.accuracy_95->time) : std::nullopt;
}

std::vector<double> results_of(std::span<const MeasuredRun* const> runs, std::string_view key) {
  std::vector<double> values;
  for (const MeasuredRun* run : runs) {
    if (const auto value = run->number(key)) values.push_back(*value);
  }
  return values;
}

Claim attention_time_claim() {
  Claim claim = make_claim("acquisition-time", ClaimOrigin::ours, "Eq. 21, replaces Eq. 11",
                           "The exact loss gives the acquisition time of the minimal model without a free factor.");
  claim.quantity = "time to half of the attention on the copy [lr x SGD steps]";
  return claim;
}

Claim dim_claim() {
  Claim claim = make_claim("acquisition-time-dimension", ClaimOrigin::ours, "Eq. 21 with finite D",
                           "The overlap of items of finite dimension accounts for what is left.");
  claim.quantity = "time to half of the attention on the copy [lr x SGD steps]";
  return claim;
}

Claim excess_claim() {
  Claim claim =
      make_claim("acquisition-excess", ClaimOrigin::ours, "Eq. 21 against Eqs. 7-8",
                 "Acquisition takes longer than the blow-up of Eqs. 7-8 by an amount that grows only like ln N.");
  claim.quantity = "time to half of the attention less the blow-up time of Eqs. 7-8 [time]";
  return claim;
}

Claim linear_claim() {
  Claim claim = make_claim("time-linear", ClaimOrigin::paper, "Eq. 11, Fig. 6b, Fig. A.5",
                           "t_ICL grows linearly with the context length N.");
  claim.quantity = "exponent of t_ICL in N";
  claim.prediction = exactly(1.0);
  claim.allowed = {1.0, 0.9, 1.1};
  claim.allowance = "within 0.1 of linear";
  claim.widest = 0.5;
  return claim;
}

Claim time_exponent_claim() {
  Claim claim = make_claim("time-exponent", ClaimOrigin::ours, "Eq. 21",
                           "At finite N t_ICL grows more slowly than N, with the local exponent of the exact loss.");
  claim.quantity = "exponent of t_ICL in N";
  claim.widest = 0.2;
  return claim;
}

Claim scatter_claim() {
  Claim claim = make_claim("time-scatter", ClaimOrigin::ours, "docs/theory.md",
                           "From equal starts the minimal model acquires at nearly the same time with every seed: the "
                           "spread of t_ICL comes from the starts, not from SGD.");
  claim.quantity = "scatter of ln t_ICL over seeds";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, 0.0, 0.05};
  claim.allowance = "a scatter below 5 % counts as nearly the same";
  return claim;
}

void add_for_context(const RunList& setup, double n_exemplars, ClaimList& claims) {
  const RunList runs = at_context(setup, n_exemplars);
  const std::vector<double> times = results_of(runs, "t_attention_half");
  const MeasuredRun& run = *runs.front();
  const auto exact = half_time(run, {});
  if (times.empty() || !exact) return;
  const Estimate mean = mean_of(times);
  const std::string points = "N = " + format_number(n_exemplars) + ", K infinite";
  const auto add = [&](Claim claim, double predicted, Estimate measured, double share) {
    claim.prediction = exactly(predicted);
    claim.measured = measured;
    claim.allowed = within_share(predicted, share);
    claim.allowance = "within " + percent(share) + " of the prediction";
    claim.widest = 0.5 * predicted;
    take_runs(claim, runs, setup, points);
    claims.push_back(std::move(claim));
  };
  add(attention_time_claim(), *exact, mean, 0.03);
  if (const auto dim = run.number("dim")) {
    if (const auto corrected = half_time(run, dim)) add(dim_claim(), *corrected, mean, 0.02);
  }
  const theory::FlowState start = mean_start(starts_of(run));
  const double blow_up = theory::acquisition_integral_exact(n_exemplars, start.beta, start.w, kUntrainedC2);
  const auto less = [&](const std::optional<double>& time) {
    return time ? std::optional(*time - blow_up) : std::nullopt;
  };
  add(excess_claim(), *exact - blow_up, {less(mean.value), less(mean.low), less(mean.high)}, 0.2);
}

/// ln t against ln N over the runs; empty when a run has not acquired, which would need medians.
Estimate exponent_of(const RunList& setup) {
  std::vector<double> x, y;
  for (const MeasuredRun* run : setup) {
    if (!run->acquired || !(run->time > 0.0)) return {};
    x.push_back(std::log(run->n_exemplars));
    y.push_back(std::log(run->time));
  }
  return slope_of(x, y);
}

void add_for_setup(const RunList& setup, ClaimList& claims) {
  const std::vector<double> contexts = contexts_of(setup);
  if (contexts.size() >= 2) {
    const Estimate exponent = exponent_of(setup);
    const std::string points = range_text("N", contexts) + ", K infinite";
    Claim linear = linear_claim();
    linear.measured = exponent;
    if (!exponent.value) linear.reason = "a run has not acquired";
    take_runs(linear, setup, setup, points);
    claims.push_back(std::move(linear));
    if (has_fixed_start(*setup.front()) && is_minimal(*setup.front())) {
      std::vector<double> x, y;
      for (const double n : contexts) {
        if (const auto time = accuracy_time(*at_context(setup, n).front())) {
          x.push_back(std::log(n));
          y.push_back(std::log(*time));
        }
      }
      Claim ours = time_exponent_claim();
      ours.measured = exponent;
      const Estimate predicted = slope_of(x, y);
      if (predicted.value) {
        constexpr double kReach = 0.03;
        ours.prediction = exactly(*predicted.value);
        ours.allowed = {predicted.value, *predicted.value - kReach, *predicted.value + kReach};
        ours.allowance = "within 0.03 of the prediction";
      }
      take_runs(ours, setup, setup, points);
      claims.push_back(std::move(ours));
    }
  }
  if (has_fixed_start(*setup.front())) {
    std::vector<std::vector<double>> groups;
    for (const double n : contexts) {
      groups.emplace_back();
      for (const MeasuredRun* run : at_context(setup, n)) {
        if (run->acquired && run->time > 0.0) groups.back().push_back(std::log(run->time));
      }
    }
    Claim scatter = scatter_claim();
    scatter.measured = pooled_sd(groups);
    if (!scatter.measured.value) scatter.reason = "no data: no N with two seeds";
    take_runs(scatter, setup, setup, range_text("N", contexts) + ", K infinite");
    claims.push_back(std::move(scatter));
  }
}

}  // namespace

void add_acquisition_time_claims(const Evidence& evidence, ClaimList& claims) {
  const std::size_t first = claims.size();
  const auto has = [&](std::string_view id) {
    return std::any_of(claims.begin() + static_cast<std::ptrdiff_t>(first), claims.end(),
                       [&](const Claim& claim) { return claim.id == id; });
  };
  const Results& results = evidence.results();
  for (const RunList& setup : setups_of(results, [](const MeasuredRun& run) {
         return is_unlimited(run) && is_minimal(run) && has_fixed_start(run);
       })) {
    for (const double n : contexts_of(setup)) add_for_context(setup, n, claims);
  }
  for (const RunList& setup : setups_of(results, is_unlimited)) add_for_setup(setup, claims);
  for (Claim claim :
       {attention_time_claim(), dim_claim(), excess_claim(), linear_claim(), time_exponent_claim(), scatter_claim()}) {
    if (!has(claim.id)) {
      claims.push_back(gap(std::move(claim), "runs with K infinite at two or more N, several seeds each", kRuns));
    }
  }
}

}  // namespace iclk::figures
