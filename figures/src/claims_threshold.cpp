#include <algorithm>
#include <cmath>
#include <set>

#include "claim_parts.hpp"
#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/binary_threshold.hpp"
#include "outcome_theory.hpp"

// K*(N) from runs that did or did not acquire, against the curves of separately trained MLPs.
namespace iclk::figures {
namespace {

constexpr const char* kThresholdPlan =
    "iclk sweep run PLAN.toml --out runs && iclk sweep collect runs --csv DIR/experiments/threshold.runs.csv   (a plan "
    "with "
    "several K about K* at each N, several seeds; iclk fit threshold --design proposes K)";

bool is_scan(const MeasuredRun& run) { return run.n_items && has_random_labels(run) && !has_decay(run); }

Claim threshold_exponent_claim() {
  Claim claim = make_claim("threshold-exponent", ClaimOrigin::paper, "Eq. 13, Fig. 6a",
                           "K* grows as N^(1/nu) with the nu of the memorization law.");
  claim.quantity = "exponent of K* in N";
  claim.printed = "1.43 predicted, 1.41 measured";
  return claim;
}

Claim effective_claim() {
  Claim claim = make_claim("threshold-effective-exponent", ClaimOrigin::ours, "Eq. 13 with the exact loss",
                           "At finite N the exponent is smaller, about 0.95/nu: that of the exact loss at these N.");
  claim.quantity = "exponent of K* in N";
  return claim;
}

Claim value_claim() {
  Claim claim = make_claim("threshold-value", ClaimOrigin::ours, "Eq. 12 with the exact loss",
                           "K* follows from the curves of MLPs trained alone without a free parameter.");
  claim.quantity = "K*";
  return claim;
}

Claim mean_claim() {
  Claim claim = make_claim("threshold-mean-ratio", ClaimOrigin::ours, "Eq. 12 with the exact loss",
                           "Over all N, measured and predicted K* agree on average.");
  claim.quantity = "measured over predicted K*, geometric mean over N";
  return claim;
}

Claim attention_claim() {
  Claim claim = make_claim("threshold-attention", ClaimOrigin::ours, "Eq. 21, closed loop, K items",
                           "K* of attention follows from the curves without a free parameter once attention slows "
                           "memorization and further copies of the target count.");
  claim.quantity = "K*, half of the attention on the copy";
  return claim;
}

Claim attention_mean_claim() {
  Claim claim = make_claim("threshold-attention-mean-ratio", ClaimOrigin::ours, "Eq. 21, closed loop, K items",
                           "Over all N, measured and predicted K* of attention agree on average.");
  claim.quantity = "measured over predicted K* of attention, geometric mean over N";
  return claim;
}

Claim leading_claim() {
  Claim claim = make_claim("threshold-leading", ClaimOrigin::paper, "Eq. 10, Eq. 13",
                           "K* follows from Eq. 10 and the memorization law, the prefactor taken as it stands.");
  claim.quantity = "measured over predicted K*, geometric mean over N";
  return claim;
}

Claim sharp_claim() {
  Claim claim = make_claim("threshold-sharp", ClaimOrigin::paper, "Fig. 2b, Fig. 3a, Fig. A.7",
                           "The transition from memorization to in-context learning is sharp in K.");
  claim.quantity = "factor in K from 10 % to 90 % of the runs acquiring";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, 1.0, 3.0};
  claim.allowance = "less than a factor of 3 counts as sharp";
  return claim;
}

std::vector<fit::RunOutcome> outcomes_by_exemplars(const RunList& runs) {
  std::vector<fit::RunOutcome> outcomes;
  for (const MeasuredRun* run : runs) {
    outcomes.push_back({.n_items = *run->n_items, .acquired = run->acquired, .n_context = run->n_exemplars});
  }
  return outcomes;
}

/// K* of one N, measured and predicted.
struct ContextResult {
  double n_exemplars = 0.0;
  fit::ThresholdFit fit;
  const Prediction* prediction = nullptr;
};

/// The prediction of a claim about K*, and the range with which it holds; returns measured over predicted.
std::optional<double> compare_k_star(Claim& claim, const Estimate& predicted) {
  constexpr double kShare = 0.1;
  claim.prediction = predicted;
  if (!predicted.value) {
    claim.reason = "the curves predict no K* at this N";
    return std::nullopt;
  }
  claim.allowed = within_share(*predicted.value, kShare);
  if (predicted.low) claim.allowed.low = std::min(*claim.allowed.low, *predicted.low);
  if (predicted.high) claim.allowed.high = std::max(*claim.allowed.high, *predicted.high);
  claim.allowance = "the prediction's own interval, or within 10 % of it";
  claim.widest = *predicted.value;
  if (!claim.measured.value) return std::nullopt;
  return *claim.measured.value / *predicted.value;
}

void add_mean_ratio(Claim claim, std::span<const double> ratios, std::span<const double> contexts, const RunList& setup,
                    ClaimList& claims) {
  if (ratios.size() < 2) return;
  claim.prediction = exactly(1.0);
  claim.measured = geometric_mean_of(ratios);
  claim.allowed = within_share(1.0, 0.1);
  claim.allowance = "within 10 %";
  claim.widest = 1.0;
  take_runs(claim, setup, setup, range_text("N", contexts));
  claims.push_back(std::move(claim));
}

/// The row of a value without curves to predict it.
void say_no_curves(Claim& claim, const RunList& setup) {
  claim.reason = "no data: memorization curves of this network at two K";
  claim.commands = {curve_command(*setup.front())};
}

void add_values(const RunList& setup, std::span<const ContextResult> results, ClaimList& claims) {
  std::vector<double> contexts, ratios, leading_ratios;
  for (const ContextResult& result : results) {
    const RunList runs = at_context(setup, result.n_exemplars);
    Claim claim = value_claim();
    claim.measured = result.fit.k_star;
    take_runs(claim, runs, setup, "N = " + format_number(result.n_exemplars));
    if (!result.prediction) {
      say_no_curves(claim, setup);
      claims.push_back(std::move(claim));
      continue;
    }
    if (const auto ratio = compare_k_star(claim, result.prediction->k_star_full_loss)) {
      contexts.push_back(result.n_exemplars);
      ratios.push_back(*ratio);
      const Estimate& leading = result.prediction->k_star_leading;
      if (leading.value) leading_ratios.push_back(*claim.measured.value / *leading.value);
    }
    claims.push_back(std::move(claim));
  }
  if (ratios.size() < 2) return;
  add_mean_ratio(mean_claim(), ratios, contexts, setup, claims);
  add_mean_ratio(leading_claim(), leading_ratios, contexts, setup, claims);
}

/// K* by attention at every N, where the runs say whether they have it.
void add_attention_values(const Evidence& evidence, const RunList& setup, std::span<const ContextResult> results,
                          ClaimList& claims) {
  if (attention_outcomes(setup).empty()) return;
  std::optional<ClosedLoopThreshold> closed_loop;
  if (results.front().prediction) closed_loop.emplace(evidence.curves_of(*setup.front()), setup);
  std::vector<double> contexts, ratios;
  for (const ContextResult& result : results) {
    const RunList runs = at_context(setup, result.n_exemplars);
    Claim claim = attention_claim();
    claim.measured = fit::fit_threshold(attention_outcomes(runs)).k_star;
    take_runs(claim, runs, setup, "N = " + format_number(result.n_exemplars));
    if (!closed_loop) {
      say_no_curves(claim, setup);
    } else if (const auto ratio = compare_k_star(claim, closed_loop->k_star(result.n_exemplars))) {
      contexts.push_back(result.n_exemplars);
      ratios.push_back(*ratio);
    }
    claims.push_back(std::move(claim));
  }
  add_mean_ratio(attention_mean_claim(), ratios, contexts, setup, claims);
}

void add_exponents(const RunList& setup, std::span<const ContextResult> results, ClaimList& claims) {
  const std::vector<double> contexts = contexts_of(setup);
  const fit::ThresholdScaling scaling = fit::fit_threshold_scaling(outcomes_by_exemplars(setup));
  const Prediction* prediction = results.front().prediction;
  Claim paper = threshold_exponent_claim();
  paper.measured = scaling.exponent;
  const std::string points = range_text("N", contexts);
  take_runs(paper, setup, setup, points);
  paper.widest = 1.0;
  if (prediction && prediction->law && prediction->law->law.exponent.value) {
    const Estimate& nu = prediction->law->law.exponent;
    const auto inverse = [](const std::optional<double>& x) { return x ? std::optional(1.0 / *x) : std::nullopt; };
    paper.prediction = {inverse(nu.value), inverse(nu.high), inverse(nu.low)};
    paper.allowed = paper.prediction;
    paper.allowance = "the interval of 1/nu from this network's curves";
  } else {
    say_no_curves(paper, setup);
  }
  claims.push_back(std::move(paper));

  std::vector<double> x, y;
  for (const ContextResult& result : results) {
    if (!result.prediction || !result.prediction->k_star_full_loss.value) continue;
    x.push_back(std::log(result.n_exemplars));
    y.push_back(std::log(*result.prediction->k_star_full_loss.value));
  }
  if (x.size() < 2) return;
  Claim ours = effective_claim();
  ours.measured = scaling.exponent;
  ours.prediction = slope_of(x, y);
  ours.allowed = within_share(*ours.prediction.value, 0.05);
  ours.prediction = exactly(*ours.prediction.value);
  ours.allowance = "within 5 % of the exponent of the predicted K* over these N";
  ours.widest = 1.0;
  take_runs(ours, setup, setup, points);
  claims.push_back(std::move(ours));
}

void add_sharpness(const RunList& setup, std::span<const ContextResult> results, ClaimList& claims) {
  const auto most = std::max_element(results.begin(), results.end(),
                                     [](const auto& a, const auto& b) { return a.fit.n_runs < b.fit.n_runs; });
  Claim claim = sharp_claim();
  const Estimate& width = most->fit.width_10_90;
  const auto factor = [](const std::optional<double>& x) { return x ? std::optional(std::exp(*x)) : std::nullopt; };
  claim.measured = {factor(width.value), factor(width.low), factor(width.high)};
  if (!claim.measured.low && claim.measured.value) claim.measured.low = 1.0;  // no width is below zero
  if (!claim.measured.value) claim.reason = "no transition in these runs: " + std::string(name(most->fit.outcome));
  take_runs(claim, at_context(setup, most->n_exemplars), setup, "N = " + format_number(most->n_exemplars));
  claims.push_back(std::move(claim));
}

}  // namespace

void add_threshold_claims(const Evidence& evidence, ClaimList& claims) {
  bool any = false, any_contexts = false;
  ClaimList values, attention, exponents, widths;
  for (const RunList& setup : setups_of(evidence.results(), is_scan)) {
    std::vector<ContextResult> results;
    for (const double n : contexts_of(setup)) {
      const RunList runs = at_context(setup, n);
      std::set<double> items;
      for (const MeasuredRun* run : runs) items.insert(*run->n_items);
      if (items.size() < 2) continue;
      const bool has_theory = is_minimal(*runs.front());
      results.push_back({n, fit::fit_threshold(outcomes_by_exemplars(runs)),
                         has_theory ? evidence.prediction_of(*runs.front()) : nullptr});
    }
    if (results.empty()) continue;
    any = true;
    if (is_minimal(*setup.front())) {
      add_values(setup, results, values);
      add_attention_values(evidence, setup, results, attention);
    }
    if (results.size() >= 2) {
      any_contexts = true;
      add_exponents(setup, results, exponents);
    }
    add_sharpness(setup, results, widths);
  }
  for (ClaimList* list : {&exponents, &values, &attention, &widths})
    claims.insert(claims.end(), list->begin(), list->end());
  const auto close = [&](Claim claim, const char* missing) {
    claims.push_back(gap(std::move(claim), missing, kThresholdPlan));
  };
  if (!any_contexts) {
    close(threshold_exponent_claim(), "runs at several K for two or more N");
    close(effective_claim(), "runs of the minimal model at several K for two or more N");
  }
  if (values.empty()) {
    close(value_claim(), "runs of the minimal model at several K");
    close(leading_claim(), "runs of the minimal model at several K for two or more N");
  }
  if (attention.empty()) {
    close(attention_claim(), "runs of the minimal model at several K that say whether attention was acquired");
  }
  if (!any) close(sharp_claim(), "runs at several K");
}

}  // namespace iclk::figures
