#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "claim_parts.hpp"
#include "figure_parts.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/bimodality.hpp"
#include "iclk/theory/transience.hpp"
#include "iclk/theory/transience_prediction.hpp"

// What becomes of in-context learning under decay of attention.
namespace iclk::figures {
namespace {

constexpr const char* kDecayPlan =
    "iclk sweep run PLAN.toml --out DIR/runs   (a plan with lambda_w = [0, 1e-4, 3e-4, 1e-3, 3e-3], one N and K above "
    "K*, "
    "several seeds)";

Claim without_claim() {
  Claim claim = make_claim("transience-needs-decay", ClaimOrigin::paper, "Sec. 3.7",
                           "Without decay on attention in-context learning is not transient.");
  claim.quantity = "share of the runs without decay that acquired and lost it";
  claim.prediction = exactly(0.0);
  claim.allowed = {0.0, 0.0, 0.0};
  claim.allowance = "no such run may lose it";
  return claim;
}

Claim faster_claim() {
  Claim claim = make_claim("transience-faster", ClaimOrigin::paper, "Fig. A.6",
                           "The larger the decay of attention, the sooner in-context learning fades.");
  claim.quantity = "exponent of the fade time in lambda";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, {}, 0.0};
  return claim;
}

Claim range_claim() {
  Claim claim =
      make_claim("transience-range", ClaimOrigin::ours, "Eqs. 7, 8 and 44 in a closed loop",
                 "Above a lambda_w that the curves of MLPs alone predict, in-context learning is never acquired.");
  claim.quantity = "lambda_w from which on no run acquires";
  return claim;
}

Claim loop_claim() {
  Claim claim =
      make_claim("transience-time", ClaimOrigin::ours, "Eq. 44 in a closed loop",
                 "The time at which w has faded follows from the curves of MLPs alone, memorization being slowed by "
                 "attention.");
  claim.quantity = "measured over predicted time at which w falls to 1, geometric mean";
  claim.prediction = exactly(1.0);
  claim.allowed = within_share(1.0, 0.2);
  claim.allowance = "within 20 %";
  claim.widest = 1.0;
  return claim;
}

Claim lambert_claim() {
  Claim claim = make_claim("transience-lambert", ClaimOrigin::paper, "Eq. 15, Eq. 45",
                           "After acquisition w follows W(c3/lambda_w).");
  claim.quantity = "measured w over W(c3/lambda_w) between the largest w and fading, geometric mean";
  claim.prediction = exactly(1.0);
  claim.allowed = within_share(1.0, 0.1);
  claim.allowance = "within 10 %";
  claim.widest = 1.0;
  return claim;
}

Claim fading_claim(ClaimOrigin origin) {
  const bool paper = origin == ClaimOrigin::paper;
  Claim claim =
      make_claim(paper ? "fading-printed" : "fading-corrected", origin, "Sec. 3.7, Eq. 45",
                 paper ? "In-context learning fades, w falling to 1, when c3 is near lambda_w."
                       : "w falls to 1 when c3 is e lambda_w, as W(e) = 1, if w follows W(c3/lambda_w) without delay.");
  claim.quantity = "c3/lambda_w when w has fallen to 1";
  const double predicted = paper ? 1.0 : theory::c3_at_strength(1.0, 1.0);
  claim.prediction = exactly(predicted);
  claim.allowed = within_share(predicted, 0.25);
  claim.allowance = "within 25 %";
  claim.widest = predicted;
  return claim;
}

Claim lag_claim() {
  Claim claim =
      make_claim("fading-closed-loop", ClaimOrigin::ours, "Eq. 44 in a closed loop",
                 "c3 at fading follows from the curves of MLPs alone, with the lag of w behind W(c3/lambda_w).");
  claim.quantity = "measured over predicted c3 when w has fallen to 1, geometric mean";
  claim.prediction = exactly(1.0);
  claim.allowed = within_share(1.0, 0.25);
  claim.allowance = "within 25 %";
  claim.widest = 1.0;
  return claim;
}

bool decays_w_only(const MeasuredRun& run) {
  return is_minimal(run) && has_decay(run) && !(run.number("lambda_beta").value_or(0.0) > 0.0);
}

void add_without(const RunList& setup, ClaimList& claims) {
  RunList acquired;
  std::size_t n_lost = 0;
  for (const MeasuredRun* run : setup) {
    if (!run->acquired) continue;
    acquired.push_back(run);
    n_lost += run->number("t_accuracy_fade") || run->number("t_fade") ? 1 : 0;
  }
  if (acquired.empty()) return;
  Claim claim = without_claim();
  claim.measured = fit::binomial_share(n_lost, acquired.size(), fit::ShareInterval::clopper_pearson);
  if (n_lost > 0) claim.measured.low = *claim.measured.value;  // one is enough to refute it
  take_runs(claim, acquired, setup, range_text("N", contexts_of(setup)));
  claims.push_back(std::move(claim));
}

void add_faster(const RunList& setup, ClaimList& claims) {
  std::vector<double> x, y;
  RunList used;
  std::set<double> strengths;
  for (const MeasuredRun* run : setup) {
    auto time = run->number("t_accuracy_fade");
    if (!time) time = run->number("t_fade");
    if (!time || !(decay_of(*run) > 0.0)) continue;
    x.push_back(std::log(decay_of(*run)));
    y.push_back(std::log(*time));
    strengths.insert(decay_of(*run));
    used.push_back(run);
  }
  if (strengths.size() < 2 || used.size() < 3) return;
  Claim claim = faster_claim();
  claim.measured = slope_of(x, y);
  take_runs(claim, used, setup, range_text("lambda", {std::vector<double>(strengths.begin(), strengths.end())}));
  claims.push_back(std::move(claim));
}

/// Curves alone with the K of the run.
std::vector<const MeasuredCurve*> curves_at(const Evidence& evidence, const MeasuredRun& run) {
  std::vector<const MeasuredCurve*> curves;
  for (const MeasuredCurve& curve : evidence.curves_of(run)) {
    if (curve.n_items && run.n_items && std::abs(static_cast<double>(*curve.n_items) - *run.n_items) < 0.5) {
      curves.push_back(&curve);
    }
  }
  return curves;
}

theory::TransienceOptions options_of(const MeasuredRun& run) {
  theory::TransienceOptions options;
  options.n_context = run.n_exemplars;
  options.initial = {.w = run.number("w0").value_or(0.0), .beta = run.number("beta0").value_or(0.0)};
  return options;
}

/// Fading by the curves with the K of a run: geometric means over the curves.
struct PredictedFade {
  std::optional<double> time, c3;
};

PredictedFade predicted_fade(const MeasuredRun& run, std::span<const MeasuredCurve* const> curves) {
  std::vector<double> times, c3;
  for (const MeasuredCurve* curve : curves) {
    const auto fate = theory::predict_transience(curve->curves, decay_of(run), options_of(run));
    if (fate.outcome != theory::TransienceOutcome::transient || !fate.t_fade.value) continue;
    times.push_back(*fate.t_fade.value);
    c3.push_back(std::exp(fate.end.log_c3));
  }
  return {geometric_mean_of(times).value, geometric_mean_of(c3).value};
}

std::optional<double> c3_at_fade(const MeasuredRun& run) {
  const auto time = run.number("t_fade");
  const auto c3 = time ? value_at(run, "c3", *time) : std::nullopt;
  return c3 && *c3 > 0.0 ? c3 : std::nullopt;
}

void add_loop(const Evidence& evidence, const RunList& setup, ClaimList& claims) {
  std::vector<double> ratios, c3_ratios;
  RunList used, c3_used;
  std::map<std::pair<double, double>, PredictedFade> predictions;  // by K and lambda_w
  bool no_curves = false;
  for (const MeasuredRun* run : setup) {
    const auto measured = run->number("t_fade");
    if (!measured) continue;
    const auto curves = curves_at(evidence, *run);
    no_curves |= curves.empty();
    const auto [place, is_new] = predictions.try_emplace({*run->n_items, decay_of(*run)});
    if (is_new) place->second = predicted_fade(*run, curves);
    const PredictedFade& predicted = place->second;
    if (!predicted.time) continue;
    ratios.push_back(*measured / *predicted.time);
    used.push_back(run);
    if (const auto c3 = c3_at_fade(*run)) {
      c3_ratios.push_back(*c3 / *predicted.c3);
      c3_used.push_back(run);
    }
  }
  const std::string points = range_text("N", contexts_of(setup));
  if (!used.empty() || no_curves) {
    Claim claim = loop_claim();
    claim.measured = geometric_mean_of(ratios);
    if (used.empty()) claim.reason = "no data: memorization curves of this network at the K of the runs";
    take_runs(claim, used.empty() ? setup : used, setup, points);
    claims.push_back(std::move(claim));
  }
  if (c3_used.empty()) return;
  Claim claim = lag_claim();
  claim.measured = geometric_mean_of(c3_ratios);
  take_runs(claim, c3_used, setup, points);
  claims.push_back(std::move(claim));
}

void add_range(const Evidence& evidence, const RunList& setup, ClaimList& claims) {
  double acquired_up_to = 0.0, never_from = HUGE_VAL;
  for (const MeasuredRun* run : setup) {
    if (run->acquired) acquired_up_to = std::max(acquired_up_to, decay_of(*run));
  }
  for (const MeasuredRun* run : setup) {
    if (!run->acquired && decay_of(*run) > acquired_up_to) never_from = std::min(never_from, decay_of(*run));
  }
  if (!(acquired_up_to > 0.0) || !std::isfinite(never_from)) return;
  const auto curves = curves_at(evidence, *setup.front());
  Claim claim = range_claim();
  claim.measured = {std::sqrt(acquired_up_to * never_from), acquired_up_to, never_from};
  if (curves.empty()) {
    claim.reason = "no data: memorization curves of this network at the K of the runs";
  } else {
    std::vector<double> below;
    for (const MeasuredCurve* curve : curves) {
      const theory::TransienceRange range =
          theory::transience_range(curve->curves, options_of(*setup.front()), {.lambda_low = 1e-9, .rel_tol = 1e-3});
      if (range.acquired_below && std::isfinite(*range.acquired_below)) below.push_back(*range.acquired_below);
    }
    const Estimate predicted = geometric_mean_of(below);
    if (predicted.value) {
      claim.prediction = exactly(*predicted.value);
      claim.allowed = within_share(*predicted.value, 0.2);
      claim.allowance = "within 20 % of the prediction";
    } else {
      claim.reason = "the curves predict no such lambda_w";
    }
  }
  take_runs(claim, setup, setup, range_text("N", contexts_of(setup)));
  claims.push_back(std::move(claim));
}

/// Geometric mean of w/W(c3/lambda_w) between the largest w and fading.
std::optional<double> lambert_ratio(const MeasuredRun& run) {
  const auto* times = run.trajectory.find("time");
  const auto* w = run.trajectory.find("w");
  const auto* c3 = run.trajectory.find("c3");
  const auto from = run.number("t_w_max");
  if (times == nullptr || w == nullptr || c3 == nullptr || !from || !run.acquired) return std::nullopt;
  const double to = run.number("t_fade").value_or(HUGE_VAL);
  double sum = 0.0;
  int count = 0;
  for (std::size_t i = 0; i < times->size(); ++i) {
    const double time = (*times)[i].value_or(-1.0);
    if (time < *from || time > to || !(*w)[i] || !(*c3)[i] || !(*(*w)[i] > 0.0) || !(*(*c3)[i] > 0.0)) continue;
    sum += std::log(*(*w)[i] / theory::transient_strength(*(*c3)[i], decay_of(run)));
    ++count;
  }
  return count >= 3 ? std::optional(std::exp(sum / count)) : std::nullopt;
}

/// Over the runs of a setup: the claim with the mean of what `ratio` gives, when it gives anything.
template <class Ratio>
void add_mean(const RunList& setup, Claim claim, Ratio ratio, ClaimList& claims) {
  std::vector<double> values;
  RunList used;
  for (const MeasuredRun* run : setup) {
    if (const std::optional<double> value = ratio(*run)) {
      values.push_back(*value);
      used.push_back(run);
    }
  }
  if (used.empty()) return;
  claim.measured = geometric_mean_of(values);
  take_runs(claim, used, setup, range_text("N", contexts_of(setup)));
  claims.push_back(std::move(claim));
}

std::optional<double> c3_ratio_at_fade(const MeasuredRun& run) {
  const auto c3 = c3_at_fade(run);
  return c3 ? std::optional(*c3 / decay_of(run)) : std::nullopt;
}

}  // namespace

void add_transience_claims(const Evidence& evidence, ClaimList& claims) {
  const Results& results = evidence.results();
  const auto is_finite = [](const MeasuredRun& run) { return run.n_items && has_random_labels(run); };
  std::size_t before = claims.size();
  const auto close = [&](const Claim& claim, const char* missing) {
    if (claims.size() == before) claims.push_back(gap(claim, missing, kDecayPlan));
    before = claims.size();
  };
  const auto has_lag = [&] {
    return std::any_of(claims.begin(), claims.end(),
                       [](const Claim& claim) { return claim.id == "fading-closed-loop"; });
  };
  for (const RunList& setup :
       setups_of(results, [&](const MeasuredRun& run) { return is_finite(run) && !has_decay(run); })) {
    add_without(setup, claims);
  }
  close(without_claim(), "runs without decay that acquired");
  for (const RunList& setup : setups_of(
           results, [&](const MeasuredRun& run) { return is_finite(run) && has_decay(run); },
           Vary::size | Vary::attention_decay)) {
    add_faster(setup, claims);
  }
  close(faster_claim(), "runs that faded, with two or more strengths of decay");
  const std::vector<RunList> scans = setups_of(
      results, [&](const MeasuredRun& run) { return is_finite(run) && decays_w_only(run); },
      Vary::size | Vary::attention_decay);
  for (const RunList& setup : scans) add_range(evidence, setup, claims);
  close(range_claim(), "runs of the minimal model with a lambda_w at which they acquire and one at which they do not");
  for (const RunList& setup : scans) add_loop(evidence, setup, claims);
  close(loop_claim(), "runs of the minimal model whose w fell to 1");
  if (!has_lag()) {
    claims.push_back(
        gap(lag_claim(), "measurements (simulation files) of runs of the minimal model whose w fell to 1", kDecayPlan));
    before = claims.size();
  }
  for (const RunList& setup : scans) add_mean(setup, lambert_claim(), lambert_ratio, claims);
  close(lambert_claim(), "measurements (simulation files) of runs of the minimal model with lambda_w");
  for (const ClaimOrigin origin : {ClaimOrigin::paper, ClaimOrigin::ours}) {
    for (const RunList& setup : scans) add_mean(setup, fading_claim(origin), c3_ratio_at_fade, claims);
    close(fading_claim(origin), "measurements (simulation files) of runs of the minimal model whose w fell to 1");
  }
}

}  // namespace iclk::figures
