#include <algorithm>
#include <cmath>
#include <map>

#include "claim_parts.hpp"
#include "iclk/core/run_info.hpp"
#include "iclk/fit/power_law_shape.hpp"
#include "page_text.hpp"

namespace iclk::figures {
namespace {

constexpr const char* kTrain = "iclk train --items 500,1000,2000,4000,8000,16000 --seeds 0:3 --out DIR/curves";

std::string predict_command(const Evidence& evidence, const CurveSet& set) {
  return "iclk predict " + (set.folder / set.pattern).string() + " --context " + format_number(evidence.n_context());
}

Claim memorization_exponent_claim() {
  Claim claim = make_claim("memorization-exponent", ClaimOrigin::paper, "Sec. 3.6, Fig. 5",
                           "I_K(infinity) grows with the number of items as K^nu with nu near 0.7.");
  claim.quantity = "nu";
  claim.printed = "0.7";
  claim.allowed = {{}, 0.65, 0.75};  // what rounds to the printed 0.7
  claim.allowance = "what rounds to the printed 0.7";
  claim.widest = 0.3;
  return claim;
}

Claim straight_claim() {
  Claim claim = make_claim("memorization-straight", ClaimOrigin::paper, "Sec. 3.6, Fig. 5",
                           "One power law holds over the whole range of K: the exponent does not drift.");
  claim.quantity = "change of nu per factor e in K";
  claim.prediction = exactly(0.0);
  claim.allowed = {{}, 0.0, 0.0};
  claim.widest = 0.2;
  return claim;
}

Claim finite_claim() {
  Claim claim = make_claim("memorization-finite", ClaimOrigin::paper, "Sec. 3.6, Fig. A.3",
                           "c1 falls fast enough that I_K(infinity) is finite: the MLP is not capacity-constrained.");
  claim.quantity = "-d ln c1/d ln t at the end of the curve where it is smallest";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, 1.0, {}};
  claim.allowance = "the integral of 1/t diverges";
  return claim;
}

Claim seed_claim() {
  Claim claim = make_claim("memorization-seeds", ClaimOrigin::paper, "Fig. A.2",
                           "Runs that differ in their seed only have nearly the same curves.");
  claim.quantity = "scatter of ln I_K(infinity) over seeds of one K";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, 0.0, 0.1};
  claim.allowance = "a scatter below 10 % counts as negligible";
  return claim;
}

Claim c3_claim() {
  Claim claim = make_claim("memorization-c3", ClaimOrigin::paper, "App. A.4, Fig. A.2c",
                           "c3 can fall below 1e-5 while the MLP memorizes.");
  claim.quantity = "smallest c3 of any curve";
  claim.printed = "1e-5";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, {}, 1e-5};
  return claim;
}

Claim memorization_start_claim() {
  Claim claim = make_claim("memorization-start", ClaimOrigin::ours, "Eq. 15, App. A.4",
                           "c3 is not below 1 before training (Jensen's inequality): the paper has it near 1.");
  claim.quantity = "c3 at the first measurement, mean over runs";
  claim.prediction = exactly(1.0);
  claim.allowed = {{}, 1.0 - 1e-3, {}};  // finite K: the labels of K items are not exactly balanced
  claim.allowance = "0.001 for the first SGD steps and unequal numbers of the two labels";
  return claim;
}

void take_law(Claim& exponent, Claim& straight, Claim& seeds, const CurveSet& set) {
  const Prediction& prediction = *set.prediction;
  const fit::PowerLawFit& law = prediction.law->law;
  exponent.measured = law.exponent;
  std::vector<fit::PowerLawPoint> points;
  std::map<std::uint64_t, std::vector<double>> levels;
  for (const PredictedCurve& each : prediction.curves) {
    if (!each.curve.n_items || !each.joint_infinity.value) continue;
    points.push_back({.x = static_cast<double>(*each.curve.n_items),
                      .y = *each.joint_infinity.value,
                      .low = each.joint_infinity.low,
                      .high = each.joint_infinity.high});
    levels[*each.curve.n_items].push_back(std::log(*each.joint_infinity.value));
  }
  const fit::ShapeComparison shape = fit::compare_shapes(points, law, {}, {.n_resamples = 99, .seed = 0});
  straight.measured = shape.curvature;
  if (shape.outcome != fit::ShapeOutcome::compared) straight.reason = "curvature: " + std::string(name(shape.outcome));
  std::vector<std::vector<double>> groups;
  for (const auto& [n_items, logs] : levels) groups.push_back(logs);
  seeds.measured = pooled_sd(groups);
  if (!seeds.measured.value) seeds.reason = "no data: no K with two seeds";
}

void take_curve_ends(Claim& finite, Claim& c3, Claim& start, const CurveSet& set) {
  std::vector<double> first_c3;
  for (const PredictedCurve& each : set.prediction->curves) {
    const theory::MemorizationIntegral& integral = each.prediction.integral;
    const Estimate slope{integral.log_slope, integral.log_slope - 2.0 * integral.log_slope_error,
                         integral.log_slope + 2.0 * integral.log_slope_error};
    if (!finite.measured.value || *slope.low < *finite.measured.low) finite.measured = slope;
    if (!each.curve.curves.c3) continue;
    const auto values = each.curve.curves.c3->values();
    first_c3.push_back(values.front());
    const double least = *std::min_element(values.begin(), values.end());
    if (!c3.measured.value || least < *c3.measured.value) c3.measured = exactly(least);
  }
  start.measured = mean_of(first_c3);
  if (first_c3.empty()) start.reason = c3.reason = "no data: the curves hold no c3";
  if (c3.measured.value && *c3.measured.value >= *c3.allowed.high) {
    // Training stopped before it could be seen; that says nothing against the claim.
    c3.reason =
        "the curves end at c3 = " + short_number(*c3.measured.value) + ", before it could be seen; train longer";
    c3.allowed = {};
  }
}

}  // namespace

void add_memorization_claims(const Evidence& evidence, ClaimList& claims) {
  bool any = false;
  for (const CurveSet& set : evidence.results().networks) {
    if (!set.prediction) continue;
    any = true;
    Claim exponent = memorization_exponent_claim(), straight = straight_claim(), finite = finite_claim(),
          seeds = seed_claim(), c3 = c3_claim(), start = memorization_start_claim();
    if (set.prediction->law) {
      take_law(exponent, straight, seeds, set);
    } else {
      exponent.reason = straight.reason = seeds.reason = "no data: " + set.prediction->no_law;
    }
    take_curve_ends(finite, c3, start, set);
    for (Claim* claim : {&exponent, &straight, &finite, &seeds, &c3, &start}) {
      take_curves(*claim, set, predict_command(evidence, set));
      claims.push_back(std::move(*claim));
    }
  }
  if (any) return;
  for (Claim claim : {memorization_exponent_claim(), straight_claim(), finite_claim(), seed_claim(), c3_claim(),
                      memorization_start_claim()}) {
    claims.push_back(gap(std::move(claim), "memorization curves of an MLP trained alone", kTrain));
  }
}

}  // namespace iclk::figures
