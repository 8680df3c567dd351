#include "iclk/figures/claims.hpp"

#include <cmath>
#include <utility>

#include "claim_parts.hpp"
#include "page_text.hpp"

namespace iclk::figures {
namespace {

std::string allowed_text(const Estimate& allowed) {
  if (allowed.low && allowed.high) {
    if (!(*allowed.high > *allowed.low)) return short_number(*allowed.low);
    return short_number(*allowed.low) + " to " + short_number(*allowed.high);
  }
  if (allowed.low) return "above " + short_number(*allowed.low);
  if (allowed.high) return "below " + short_number(*allowed.high);
  return "any value";
}

}  // namespace

std::string_view name(ClaimVerdict verdict) noexcept {
  switch (verdict) {
    case ClaimVerdict::holds:
      return "holds";
    case ClaimVerdict::fails:
      return "fails";
    case ClaimVerdict::not_tested:
      return "not tested";
  }
  return {};
}

std::string_view name(ClaimOrigin origin) noexcept { return origin == ClaimOrigin::paper ? "paper" : "ours"; }

std::string rule_text(const Claim& claim) {
  if (!claim.allowed.low && !claim.allowed.high) return {};
  const Estimate& measured = claim.measured;
  const bool known = measured.low && measured.high && !(*measured.high > *measured.low);
  const bool two_sided = claim.allowed.low && claim.allowed.high;
  const std::string range = allowed_text(claim.allowed);
  std::string text;
  if (known) {
    text = "the value lies " + (two_sided ? "in " + range : range);
  } else if (claim.rule == ClaimRule::meets) {
    text = "the 95 % interval reaches " + range;
    if (claim.widest) text += " and is no wider than " + short_number(*claim.widest, 3);
  } else {
    text = "the whole 95 % interval lies " + (two_sided ? "in " + range : range);
  }
  if (!claim.allowance.empty()) text += " (" + claim.allowance + ")";
  return text;
}

void judge(Claim& claim) {
  claim.verdict = ClaimVerdict::not_tested;
  const Estimate& measured = claim.measured;
  if (!measured.value) {
    if (claim.reason.empty()) claim.reason = "no data";
    return;
  }
  if (!claim.allowed.low && !claim.allowed.high) {
    claim.reason = claim.reason.empty() ? "no prediction to compare with" : claim.reason;
    return;
  }
  const double low = measured.low.value_or(-HUGE_VAL), high = measured.high.value_or(HUGE_VAL);
  const double from = claim.allowed.low.value_or(-HUGE_VAL), to = claim.allowed.high.value_or(HUGE_VAL);
  if (high < from || low > to) {
    claim.verdict = ClaimVerdict::fails;
    claim.reason = "it lies outside";
    return;
  }
  if (claim.rule == ClaimRule::inside) {
    const bool inside = low >= from && high <= to;
    claim.verdict = inside ? ClaimVerdict::holds : ClaimVerdict::not_tested;
    claim.reason = inside ? "it lies inside" : "the interval does not decide";
    return;
  }
  if (!measured.low || !measured.high) {
    claim.reason = claim.n_runs == 1 ? "one run: no interval" : "the interval has an open end";
  } else if (claim.widest && high - low > *claim.widest) {
    claim.reason = "the interval is too wide to test it";
  } else {
    claim.verdict = ClaimVerdict::holds;
    claim.reason = low < high ? "the interval reaches it" : "it lies inside";
  }
}

std::vector<Claim> claims_of(const Results& results, const FigureOptions& options) {
  validate(options);
  const Evidence evidence(results, options);
  ClaimList claims;
  const auto add = [&](const char* heading, void (*group)(const Evidence&, ClaimList&)) {
    const std::size_t first = claims.size();
    group(evidence, claims);
    for (std::size_t i = first; i < claims.size(); ++i) claims[i].group = heading;
  };
  add("Memorization", add_memorization_claims);
  add("When attention acquires: formulas", add_acquisition_formula_claims);
  add("When attention acquires: trained models", add_acquisition_time_claims);
  add("Spread of acquisition times", add_distribution_claims);
  add("Threshold in the number of items", add_threshold_claims);
  add("Outcomes", add_outcome_claims);
  add("Balanced contexts", add_balanced_claims);
  add("Losses after acquisition", add_loss_relation_claims);
  add("Transience", add_transience_claims);
  int number = 0;
  for (Claim& claim : claims) {
    claim.number = ++number;
    judge(claim);
  }
  return claims;
}

}  // namespace iclk::figures
