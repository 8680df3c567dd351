#include <algorithm>
#include <cmath>
#include <set>

#include "claim_parts.hpp"
#include "figure_parts.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/bimodality.hpp"
#include "iclk/fit/binary_threshold.hpp"
#include "iclk/theory/balanced.hpp"

// Contexts with equally many labels of each kind.
namespace iclk::figures {
namespace {

constexpr const char* kBalanced =
    "iclk simulate --labels balanced-context --items K --context 50 --seed 0:20 --out DIR/runs   (and the same with "
    "--labels "
    "random)";
constexpr std::string_view kExemplars = "balanced-context";
constexpr std::string_view kWithTarget = "balanced-context-with-target";

bool is_balanced_without_decay(const MeasuredRun& run) {
  return (run.text("labels") == kExemplars || run.text("labels") == kWithTarget) && !has_decay(run);
}

Claim fewer_claim() {
  Claim claim = make_claim("balanced-fewer", ClaimOrigin::paper, "Sec. 3.4, Fig. 6e",
                           "With balanced contexts fewer runs acquire in-context learning than with random labels.");
  claim.quantity = "share that acquires with random labels less the share with balanced contexts, at the same K";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, 0.0, {}};
  return claim;
}

Claim higher_claim() {
  Claim claim = make_claim("balanced-threshold", ClaimOrigin::paper, "Fig. 6e",
                           "With balanced contexts the threshold K* is much higher.");
  claim.quantity = "K* with balanced contexts over K* with random labels";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, 1.0, {}};
  return claim;
}

Claim balanced_half_claim() {
  Claim claim =
      make_claim("balanced-half", ClaimOrigin::ours, "Eq. 9 in closed form",
                 "With balanced contexts and K far above the threshold the share that acquires is that of the "
                 "starts above the separatrix, near 1/2 for starts around the origin.");
  claim.quantity = "share of the runs that acquire";
  claim.widest = 0.6;
  return claim;
}

Estimate share_of(const RunList& runs) {
  return fit::binomial_share(n_acquired(runs), runs.size(), fit::ShareInterval::wilson);
}

/// Difference of two shares with Newcombe's interval, from the Wilson intervals of both.
Estimate difference_of(const Estimate& a, const Estimate& b) {
  const double difference = *a.value - *b.value;
  const double down = std::hypot(*a.value - *a.low, *b.high - *b.value);
  const double up = std::hypot(*a.high - *a.value, *b.value - *b.low);
  return {difference, difference - down, difference + up};
}

/// The setup that differs from `balanced` in the labels of contexts only, start included.
const RunList* partner_of(const RunList& balanced, const std::vector<RunList>& standard) {
  const auto found = std::find_if(standard.begin(), standard.end(), [&](const RunList& setup) {
    return belong_together(*setup.front(), *balanced.front(), Vary::size | Vary::labels);
  });
  return found != standard.end() ? &*found : nullptr;
}

/// N as the theory counts it, and K.
std::pair<double, double> place_of(const RunList& runs) {
  return {runs.front()->n_exemplars, runs.front()->n_items.value_or(HUGE_VAL)};
}

void add_comparison(const RunList& balanced, const RunList& standard, ClaimList& fewer_claims,
                    ClaimList& higher_claims) {
  const std::vector<RunList> there = groups_of(standard, Vary::nothing);
  RunList ours, theirs, both;
  std::set<double> contexts, items;
  std::size_t n_places = 0;
  for (const RunList& runs : groups_of(balanced, Vary::nothing)) {
    const auto match = std::find_if(there.begin(), there.end(),
                                    [&](const RunList& other) { return place_of(other) == place_of(runs); });
    if (match == there.end()) continue;
    ours.insert(ours.end(), runs.begin(), runs.end());
    theirs.insert(theirs.end(), match->begin(), match->end());
    contexts.insert(runs.front()->n_exemplars);
    if (runs.front()->n_items) items.insert(*runs.front()->n_items);
    ++n_places;
  }
  if (ours.empty()) return;
  both = ours;
  both.insert(both.end(), theirs.begin(), theirs.end());
  const std::vector<double> n(contexts.begin(), contexts.end());
  Claim fewer = fewer_claim();
  fewer.measured = difference_of(share_of(theirs), share_of(ours));
  take_runs(fewer, both, balanced, range_text("N", n) + ", " + std::to_string(n_places) + " values of K");
  fewer_claims.push_back(std::move(fewer));

  if (n.size() != 1 || items.size() < 2) return;  // a threshold needs several K of one N
  const auto threshold = [&](const RunList& setup) {
    std::vector<fit::RunOutcome> outcomes;
    for (const MeasuredRun* run : at_context(setup, n.front())) {
      if (run->n_items)
        outcomes.push_back({.n_items = *run->n_items, .acquired = run->acquired, .n_context = n.front()});
    }
    return fit::fit_threshold(outcomes);
  };
  const fit::ThresholdFit low = threshold(standard), high = threshold(balanced);
  Claim higher = higher_claim();
  const auto ratio = [](const std::optional<double>& a, const std::optional<double>& b) {
    return a && b ? std::optional(*a / *b) : std::nullopt;
  };
  higher.measured = {ratio(high.k_star.value, low.k_star.value), ratio(high.k_star.low, low.k_star.high),
                     ratio(high.k_star.high, low.k_star.low)};
  if (!higher.measured.value && higher.measured.low) higher.measured.value = higher.measured.low;  // a lower bound
  if (!higher.measured.value) {
    higher.reason = "no threshold in these runs: random labels " + std::string(name(low.outcome)) + ", balanced " +
                    std::string(name(high.outcome));
  }
  take_runs(higher, both, balanced, range_text("N", n));
  higher_claims.push_back(std::move(higher));
}

void add_half(const RunList& balanced, ClaimList& claims) {
  const MeasuredRun& first = *balanced.front();
  if (!is_minimal(first)) return;
  const std::vector<RunList> places = groups_of(balanced, Vary::nothing);
  const RunList& last = *std::max_element(places.begin(), places.end(), [](const RunList& a, const RunList& b) {
    return std::pair(place_of(a).second, a.size()) < std::pair(place_of(b).second, b.size());
  });
  const MeasuredRun& run = *last.front();
  theory::StartSpread spread{.beta0_mean = run.number("beta0").value_or(0.0),
                             .beta0_sd = run.number("beta0_sd").value_or(0.0),
                             .w0_mean = run.number("w0").value_or(0.0),
                             .w0_sd = run.number("w0_sd").value_or(0.0)};
  // From a start that does not vary, SGD noise takes w to one side or the other of the separatrix: its size over the
  // first steps, lr/sqrt(batch), does not matter as long as it is small.
  constexpr double kNoise = 1e-3;
  if (!(spread.w0_sd > 0.0)) spread.w0_sd = kNoise;
  const auto count = first.text("labels") == kWithTarget ? theory::BalancedCount::exemplars_and_target
                                                         : theory::BalancedCount::exemplars;
  Claim claim = balanced_half_claim();
  const double predicted = theory::balanced_basin_probability(spread, count);
  claim.measured = share_of(last);
  claim.prediction = exactly(predicted);
  claim.allowed = {predicted, predicted - 0.1, predicted + 0.1};
  claim.allowance = "within 0.1 of the share of starts above the separatrix";
  take_runs(claim, last, balanced,
            "N = " + format_number(run.n_exemplars) + ", K = " + (run.n_items ? format_number(*run.n_items) : "inf"));
  claims.push_back(std::move(claim));
}

}  // namespace

void add_balanced_claims(const Evidence& evidence, ClaimList& claims) {
  const Results& results = evidence.results();
  const std::vector<RunList> standard =
      setups_of(results, [](const MeasuredRun& run) { return has_random_labels(run) && !has_decay(run); });
  ClaimList fewer, higher, half;
  for (const RunList& balanced : setups_of(results, is_balanced_without_decay)) {
    if (const RunList* partner = partner_of(balanced, standard)) add_comparison(balanced, *partner, fewer, higher);
    add_half(balanced, half);
  }
  if (fewer.empty()) {
    fewer.push_back(
        gap(fewer_claim(), "runs with balanced contexts and runs with random labels at the same N and K", kBalanced));
  }
  if (higher.empty()) {
    higher.push_back(gap(higher_claim(),
                         "runs with balanced contexts and runs with random labels at one N and the same two or more K",
                         kBalanced));
  }
  if (half.empty())
    half.push_back(gap(balanced_half_claim(), "runs of the minimal model with balanced contexts", kBalanced));
  claims.insert(claims.end(), fewer.begin(), fewer.end());
  claims.insert(claims.end(), higher.begin(), higher.end());
  claims.insert(claims.end(), half.begin(), half.end());
}

}  // namespace iclk::figures
