#include <algorithm>
#include <cmath>
#include <set>

#include "claim_parts.hpp"
#include "figure_parts.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/bimodality.hpp"
#include "iclk/theory/seed_ensemble.hpp"

// What runs end as near the threshold, and what they know at the end.
namespace iclk::figures {
namespace {

constexpr const char* kNearThreshold =
    "iclk simulate --items K --context N --beta0-sd 0.3 --seed 0:100 --out DIR/runs   (with K near K*, iclk predict)";
constexpr const char* kTrajectories = "iclk simulate --items 2000 --context 50 --seed 0:3 --out DIR/runs";

Claim share_claim() {
  Claim claim = make_claim("bimodal-share", ClaimOrigin::paper, "Fig. 6c",
                           "Near K* runs either acquire or do not; few end in between.");
  claim.quantity = "share of runs that end with an ICL accuracy from 0.6 to 0.9";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, 0.0, 0.2};
  claim.allowance = "less than a fifth counts as few";
  return claim;
}

Claim dip_claim() {
  Claim claim = make_claim("bimodal-dip", ClaimOrigin::paper, "Fig. 6c",
                           "Near K* the distribution of final ICL accuracies over seeds is bimodal.");
  claim.quantity = "p-value of Hartigan's dip test of one mode";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, 0.0, 0.05};
  return claim;
}

Claim probability_claim() {
  Claim claim =
      make_claim("acquired-share", ClaimOrigin::ours, "Eq. 12 over random starts",
                 "Near K* the share of seeds that acquire follows from the spread of beta0 and the curves of MLPs "
                 "trained alone.");
  claim.quantity = "share of the runs that acquire";
  claim.widest = 0.5;
  return claim;
}

Claim opposite_claim() {
  Claim claim = make_claim("opposite-trends", ClaimOrigin::paper, "Fig. 2b, Fig. 2c",
                           "In-weights and in-context accuracy follow opposite trends with K.");
  claim.quantity = "correlation of final IWL and ICL accuracy over runs";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, {}, 0.0};
  return claim;
}

Claim independent_claim() {
  Claim claim = make_claim("independence", ClaimOrigin::paper, "Sec. 3.2, Sec. 3.4",
                           "Until in-context learning is acquired the MLP memorizes as if it were alone.");
  claim.quantity = "c1 within the run over c1 of the MLP alone, mean over time";
  claim.prediction = exactly(1.0);
  claim.allowed = within_share(1.0, 0.05);
  claim.allowance = "within 5 %";
  claim.widest = 0.5;
  return claim;
}

bool is_finite_standard(const MeasuredRun& run) { return run.n_items && has_random_labels(run) && !has_decay(run); }

/// Runs of one N and K with the rarer outcome.
std::size_t n_rarer(const RunList& runs) { return std::min(n_acquired(runs), runs.size() - n_acquired(runs)); }

std::string place_text(const RunList& runs) {
  return "N = " + format_number(runs.front()->n_exemplars) + ", K = " + format_number(*runs.front()->n_items);
}

void add_bimodality(const RunList& setup, const RunList& place, ClaimList& claims) {
  std::vector<double> accuracies;
  for (const MeasuredRun* run : place) {
    if (const auto accuracy = run->number("end_icl_accuracy")) accuracies.push_back(*accuracy);
  }
  Claim share = share_claim(), dip = dip_claim();
  if (accuracies.empty()) {
    share.reason = dip.reason = "no data: the runs do not say their final ICL accuracy";
  } else {
    const fit::Bimodality test = fit::test_bimodality(accuracies, {.mixture_resamples = 0});
    share.measured = test.intermediate;
    // Chosen: with few runs the dip test often finds nothing where there are two modes.
    constexpr std::size_t kRunsForDip = 30;
    if (test.dip.p_value && accuracies.size() >= kRunsForDip)
      dip.measured = exactly(*test.dip.p_value);
    else
      dip.reason = "fewer than 30 runs: where the test finds nothing, that says nothing";
  }
  for (Claim* claim : {&share, &dip}) {
    take_runs(*claim, place, setup, place_text(place));
    claims.push_back(std::move(*claim));
  }
}

/// P(ICL) from the law of the curves and the curve whose K is nearest, whose c2 it takes.
std::optional<double> predicted_share(const MeasuredRun& run, const Prediction& prediction, double factor) {
  const Estimate integral = predict(prediction.law->law, *run.n_items);
  if (!integral.value || !prediction.finite_n_excess) return std::nullopt;
  const PredictedCurve* nearest = nullptr;
  double distance = HUGE_VAL;
  for (const PredictedCurve& each : prediction.curves) {
    if (!each.curve.n_items) continue;
    const double apart = std::abs(std::log(static_cast<double>(*each.curve.n_items) / *run.n_items));
    if (apart < distance) distance = apart, nearest = &each;
  }
  if (nearest == nullptr) return std::nullopt;
  const theory::CurveFlow flow(nearest->curve.curves, run.n_exemplars);
  const theory::StartDistribution start{.beta0_mean = run.number("beta0").value_or(0.0),
                                        .beta0_sd = run.number("beta0_sd").value_or(0.0),
                                        .w0_mean = run.number("w0").value_or(0.0),
                                        .w0_sd = run.number("w0_sd").value_or(0.0)};
  const double left = factor * *integral.value - *prediction.finite_n_excess;
  return left > 0.0 ? theory::acquisition_probability(flow, left, start) : 0.0;
}

void add_probability(const Evidence& evidence, const RunList& setup, const RunList& place, ClaimList& claims) {
  const MeasuredRun& run = *place.front();
  if (!is_minimal(run) || has_fixed_start(run)) return;
  Claim claim = probability_claim();
  claim.measured = fit::binomial_share(n_acquired(place), place.size(), fit::ShareInterval::clopper_pearson);
  const Prediction* prediction = evidence.prediction_of(run);
  if (prediction && prediction->law->law.exponent.value) {
    // 10 % in K*, as for the threshold itself, is a factor 1.1^nu in I_K.
    const double reach = std::pow(1.1, *prediction->law->law.exponent.value);
    const auto value = predicted_share(run, *prediction, 1.0);
    claim.allowed = {value, predicted_share(run, *prediction, 1.0 / reach), predicted_share(run, *prediction, reach)};
    claim.prediction = claim.allowed;
    claim.allowance = "the prediction with K* 10 % higher and lower";
  } else {
    claim.reason = "no data: memorization curves of this network at two K";
  }
  take_runs(claim, place, setup, place_text(place));
  if (!prediction) claim.commands = {curve_command(run)};
  claims.push_back(std::move(claim));
}

void add_opposite(const RunList& setup, ClaimList& claims) {
  RunList used;
  std::vector<double> icl, iwl;
  std::set<double> items;
  for (const MeasuredRun* run : setup) {
    const auto a = run->number("end_icl_accuracy"), b = run->number("end_iwl_accuracy");
    if (!a || !b) continue;
    icl.push_back(*a);
    iwl.push_back(*b);
    items.insert(*run->n_items);
    used.push_back(run);
  }
  if (used.size() < 6 || items.size() < 3) return;
  const auto n = static_cast<double>(used.size());
  double mean_a = 0.0, mean_b = 0.0, aa = 0.0, bb = 0.0, ab = 0.0;
  for (std::size_t i = 0; i < used.size(); ++i) mean_a += icl[i] / n, mean_b += iwl[i] / n;
  for (std::size_t i = 0; i < used.size(); ++i) {
    aa += (icl[i] - mean_a) * (icl[i] - mean_a);
    bb += (iwl[i] - mean_b) * (iwl[i] - mean_b);
    ab += (icl[i] - mean_a) * (iwl[i] - mean_b);
  }
  if (!(aa > 0.0) || !(bb > 0.0)) return;
  constexpr double kMost = 1.0 - 1e-12;  // atanh(1) is infinite
  const double correlation = std::clamp(ab / std::sqrt(aa * bb), -kMost, kMost);
  const double half = 1.96 / std::sqrt(n - 3.0);
  Claim claim = opposite_claim();
  claim.measured = {correlation, std::tanh(std::atanh(correlation) - half), std::tanh(std::atanh(correlation) + half)};
  take_runs(claim, used, setup,
            range_text("N", contexts_of(setup)) + ", " + std::to_string(items.size()) + " values of K");
  claims.push_back(std::move(claim));
}

/// Mean over the measurements before acquisition of c1 in the run over the mean c1 of the curves with its K.
std::optional<double> c1_ratio(const Evidence& evidence, const MeasuredRun& run) {
  const auto* times = run.trajectory.find("time");
  const auto* c1 = run.trajectory.find("c1");
  if (times == nullptr || c1 == nullptr) return std::nullopt;
  std::vector<const MeasuredCurve*> alone;
  for (const MeasuredCurve& curve : evidence.curves_of(run)) {
    if (curve.n_items && std::abs(static_cast<double>(*curve.n_items) - *run.n_items) < 0.5) alone.push_back(&curve);
  }
  if (alone.empty()) return std::nullopt;
  double sum = 0.0;
  int count = 0;
  for (std::size_t i = 0; i < times->size(); ++i) {
    const double time = (*times)[i].value_or(-1.0);
    if (!(*c1)[i] || time > run.time) continue;
    double mean = 0.0;
    bool covered = true;
    for (const MeasuredCurve* curve : alone) {
      covered &= time >= curve->curves.c1.start_time() && time <= curve->curves.c1.end_time();
      if (covered) mean += curve->curves.c1(time) / static_cast<double>(alone.size());
    }
    constexpr double kPlateau = 0.49;  // before memorization starts every ratio is 1
    if (!covered || mean > kPlateau) continue;
    sum += std::log(*(*c1)[i] / mean);
    ++count;
  }
  return count > 0 ? std::optional(std::exp(sum / count)) : std::nullopt;
}

void add_independence(const Evidence& evidence, const RunList& setup, ClaimList& claims) {
  std::vector<double> ratios;
  RunList used;
  for (const MeasuredRun* run : setup) {
    if (const auto ratio = c1_ratio(evidence, *run)) {
      ratios.push_back(*ratio);
      used.push_back(run);
    }
  }
  if (used.empty()) return;
  Claim claim = independent_claim();
  claim.measured = geometric_mean_of(ratios);
  take_runs(claim, used, setup, range_text("N", contexts_of(used)));
  claims.push_back(std::move(claim));
}

}  // namespace

void add_outcome_claims(const Evidence& evidence, ClaimList& claims) {
  const std::vector<RunList> setups = setups_of(evidence.results(), is_finite_standard);
  ClaimList bimodal, probability, opposite, independent;
  for (const RunList& setup : setups) {
    const std::vector<RunList> places = groups_of(setup, Vary::nothing);
    const RunList& most = *std::max_element(places.begin(), places.end(),
                                            [](const RunList& a, const RunList& b) { return n_rarer(a) < n_rarer(b); });
    constexpr std::size_t kFewest = 8;
    if (n_rarer(most) >= 2 && most.size() >= kFewest) {
      add_bimodality(setup, most, bimodal);
      add_probability(evidence, setup, most, probability);
    }
    add_opposite(setup, opposite);
  }
  // Decay of attention is none of the MLP's: runs that differ in it test the same.
  const auto is_minimal_finite = [](const MeasuredRun& run) {
    return run.model == "minimal" && run.n_items && has_random_labels(run);
  };
  for (const RunList& setup :
       setups_of(evidence.results(), is_minimal_finite, Vary::size | Vary::attention_decay | Vary::beta_decay)) {
    add_independence(evidence, setup, independent);
  }
  const auto take = [&](ClaimList& found, std::initializer_list<Claim> all, const char* missing, const char* command) {
    if (found.empty()) {
      for (const Claim& claim : all) found.push_back(gap(claim, missing, command));
    }
    claims.insert(claims.end(), found.begin(), found.end());
  };
  take(opposite, {opposite_claim()}, "final accuracies at three or more K", kNearThreshold);
  take(bimodal, {share_claim(), dip_claim()}, "eight or more runs at one K with both outcomes", kNearThreshold);
  take(probability, {probability_claim()}, "such runs of the minimal model with random beta0", kNearThreshold);
  take(independent, {independent_claim()},
       "measurements (simulation files) of the minimal model at a K of which there are curves too", kTrajectories);
}

}  // namespace iclk::figures
