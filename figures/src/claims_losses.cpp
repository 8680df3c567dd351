#include <algorithm>
#include <cmath>
#include <functional>

#include "claim_parts.hpp"
#include "iclk/theory/loss_relation.hpp"

// ICL against IWL loss between acquisition and fading.
namespace iclk::figures {
namespace {

constexpr const char* kTransience =
    "iclk simulate --items 1000 --context 20 --hidden 128 --lambda-w 1e-3 --seed 0:3 --out DIR/runs";

/// Between acquisition and fading the ICL loss is below this; the printed relation is for a loss far below one.
constexpr double kAcquiredLoss = 0.1;

struct LossPoint {
  double icl = 0.0, iwl = 0.0;
  std::optional<double> w, c1;
};

std::vector<LossPoint> loss_points_of(const MeasuredRun& run) {
  const auto* times = run.trajectory.find("time");
  const auto* icl = run.trajectory.find("icl_loss");
  const auto* iwl = run.trajectory.find("iwl_loss");
  const auto* w = run.trajectory.find("w");
  const auto* c1 = run.trajectory.find("c1");
  std::vector<LossPoint> points;
  if (times == nullptr || icl == nullptr || iwl == nullptr || !run.acquired) return points;
  const double end = run.number("t_accuracy_fade").value_or(HUGE_VAL);
  for (std::size_t i = 0; i < times->size(); ++i) {
    const double time = (*times)[i].value_or(-1.0);
    if (time < run.time || time > end || !(*icl)[i] || !(*iwl)[i]) continue;
    if (!(*(*icl)[i] > 0.0) || *(*icl)[i] > kAcquiredLoss || !(*(*iwl)[i] > 0.0)) continue;
    points.push_back({*(*icl)[i], *(*iwl)[i], w ? (*w)[i] : std::nullopt, c1 ? (*c1)[i] : std::nullopt});
  }
  return points;
}

using Relation = std::function<std::optional<double>(const MeasuredRun&, const LossPoint&)>;

struct RelationClaim {
  Claim claim;
  bool minimal_only;
  Relation iwl;
};

std::vector<RelationClaim> relations() {
  const auto finish = [](Claim claim) {
    claim.quantity = "measured IWL loss over the predicted one, geometric mean while the ICL loss is below 0.1";
    claim.prediction = exactly(1.0);
    claim.allowed = within_share(1.0, 0.2);
    claim.allowance = "within 20 %";
    claim.widest = 1.0;
    return claim;
  };
  return {
      {finish(make_claim("losses-printed", ClaimOrigin::paper, "Eq. 16, Eq. 46, Fig. 6d",
                         "After acquisition the IWL loss is -(1/2) ln of the ICL loss.")),
       false,
       [](const MeasuredRun&, const LossPoint& point) { return std::optional(theory::iwl_loss_leading(point.icl)); }},
      {finish(
           make_claim("losses-exact", ClaimOrigin::ours, "replaces Eq. 46",
                      "The same with attention on one random item, solved exactly: L_ICL - (1/2) ln(exp(L_ICL) - 1).")),
       false,
       [](const MeasuredRun&, const LossPoint& point) { return std::optional(theory::iwl_loss_from_icl(point.icl)); }},
      {finish(
           make_claim("losses-even-attention", ClaimOrigin::ours, "replaces Eq. 46",
                      "Attention that is spread evenly over the context without a copy, as for orthogonal items, gives "
                      "the IWL loss from w and c1.")),
       true,
       [](const MeasuredRun& run, const LossPoint& point) -> std::optional<double> {
         if (!point.w || !point.c1 || !(*point.c1 > 0.0) || !(*point.c1 < 1.0)) return std::nullopt;
         return theory::uniform_attention_iwl_loss(
             run.n_exemplars, *point.w, {.signed_logits = {std::log((1.0 - *point.c1) / *point.c1)}, .weights = {}});
       }},
  };
}

/// Interval over runs; of a single run the range that holds 95 % of its measurements.
Estimate ratio_over(const std::vector<double>& means, std::vector<double> points) {
  if (means.size() != 1) return geometric_mean_of(means);
  std::sort(points.begin(), points.end());
  const auto at = [&](double share) {
    return points[static_cast<std::size_t>(share * static_cast<double>(points.size() - 1))];
  };
  return {means.front(), at(0.025), at(0.975)};
}

}  // namespace

void add_loss_relation_claims(const Evidence& evidence, ClaimList& claims) {
  for (const RelationClaim& relation : relations()) {
    bool any = false;
    for (const RunList& setup : setups_of(
             evidence.results(),
             [&](const MeasuredRun& run) {
               return run.n_items && has_random_labels(run) && (!relation.minimal_only || is_minimal(run));
             },
             Vary::size | Vary::attention_decay | Vary::beta_decay)) {
      std::vector<double> means, points;
      RunList used;
      for (const MeasuredRun* run : setup) {
        double sum = 0.0;
        int count = 0;
        for (const LossPoint& point : loss_points_of(*run)) {
          const auto predicted = relation.iwl(*run, point);
          if (!predicted || !(*predicted > 0.0)) continue;
          sum += std::log(point.iwl / *predicted);
          points.push_back(point.iwl / *predicted);
          ++count;
        }
        if (count < 3) continue;
        means.push_back(std::exp(sum / count));
        used.push_back(run);
      }
      if (used.empty()) continue;
      any = true;
      Claim claim = relation.claim;
      claim.measured = ratio_over(means, points);
      take_runs(claim, used, setup, range_text("N", contexts_of(setup)));
      claims.push_back(std::move(claim));
    }
    if (!any) {
      claims.push_back(
          gap(relation.claim, "measurements (simulation files) of runs with K items that acquired", kTransience));
    }
  }
}

}  // namespace iclk::figures
