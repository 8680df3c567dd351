#include <algorithm>
#include <cmath>

#include "claim_parts.hpp"
#include "figure_parts.hpp"
#include "iclk/theory/acquisition_time.hpp"

// How acquisition times spread over seeds, and how sudden acquisition is.
namespace iclk::figures {
namespace {

constexpr const char* kSeedsCommand =
    "iclk simulate --model one-layer --items inf --context 50 --seed 0:100 --stop-icl 0.96 --out DIR/runs";
constexpr const char* kStartsCommand =
    "iclk simulate --items inf --context 50 --beta0-sd 0.3 --seed 0:100 --stop-icl 0.96 --out DIR/runs";

Claim tail_claim() {
  Claim claim = make_claim("long-tail", ClaimOrigin::paper, "Sec. 3.5, Fig. A.4",
                           "Over seeds the distribution of t_ICL has a long upper tail.");
  claim.quantity = "skewness of t_ICL over its median at each N";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, 0.0, {}};
  claim.allowance = "a long upper tail has positive skewness";
  return claim;
}

Claim start_dependence_claim() {
  Claim claim = make_claim("start-dependence", ClaimOrigin::ours, "Eqs. 31-32, Fig. A.1a",
                           "Over seeds t_ICL of the minimal model depends on beta0 as the exact solution says.");
  claim.quantity = "d ln t_ICL/d beta0 over runs";
  claim.widest = 1.0;
  return claim;
}

Claim abrupt_claim() {
  Claim claim = make_claim("abrupt", ClaimOrigin::paper, "Fig. 2d, Fig. 3b",
                           "In-context learning is acquired abruptly after a plateau.");
  claim.quantity = "time from 60 % to 90 % ICL accuracy over the time to 90 %, geometric mean over runs";
  claim.rule = ClaimRule::inside;
  claim.allowed = {{}, 0.0, 0.5};
  claim.allowance = "less than half of the time counts as abrupt";
  return claim;
}

/// Skewness with its standard error for normal values (Fisher and Pearson's G1).
Estimate skewness_of(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  constexpr double kFewest = 8.0;
  if (n < kFewest) return {};
  double mean = 0.0, second = 0.0, third = 0.0;
  for (const double value : values) mean += value / n;
  for (const double value : values) {
    const double d = value - mean;
    second += d * d / n;
    third += d * d * d / n;
  }
  if (!(second > 0.0)) return {};
  const double skewness = std::sqrt(n * (n - 1.0)) / (n - 2.0) * third / std::pow(second, 1.5);
  const double error = std::sqrt(6.0 * n * (n - 1.0) / ((n - 2.0) * (n + 1.0) * (n + 3.0)));
  constexpr double kNormal = 1.96;
  return {skewness, skewness - kNormal * error, skewness + kNormal * error};
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

bool has_spread(const MeasuredRun& run) {
  return !run.n_items && has_random_labels(run) && !has_decay(run) && !has_fixed_start(run);
}

void add_tail(const RunList& setup, ClaimList& claims) {
  std::vector<double> relative, contexts;
  RunList used;
  for (const double n : contexts_of(setup)) {
    std::vector<double> times;
    RunList acquired;
    for (const MeasuredRun* run : at_context(setup, n)) {
      if (!run->acquired) continue;
      times.push_back(run->time);
      acquired.push_back(run);
    }
    if (times.size() < 3) continue;
    const double median = median_of(times);
    for (const double time : times) relative.push_back(time / median);
    used.insert(used.end(), acquired.begin(), acquired.end());
    contexts.push_back(n);
  }
  if (used.empty()) return;
  Claim claim = tail_claim();
  claim.measured = skewness_of(relative);
  if (!claim.measured.value) claim.reason = "too few runs for a skewness";
  take_runs(claim, used, setup, range_text("N", contexts) + ", K infinite");
  claims.push_back(std::move(claim));
}

/// The start of beta, where the run's measurements hold it.
std::optional<double> drawn_beta0(const MeasuredRun& run) { return value_at(run, "beta", 0.0); }

void add_start(const RunList& setup, ClaimList& claims) {
  std::vector<double> beta0, log_time;
  RunList used;
  double predicted = 0.0;
  for (const MeasuredRun* run : setup) {
    const auto start = drawn_beta0(*run);
    if (!start || !run->acquired) continue;
    beta0.push_back(*start);
    log_time.push_back(std::log(run->time / run->n_exemplars));
    constexpr double kBeta0Step = 0.01;
    const auto log_needed = [&](double beta) {
      return std::log(theory::acquisition_integral_exact(run->n_exemplars, beta, 0.0, kUntrainedC2));
    };
    predicted += (log_needed(*start + kBeta0Step) - log_needed(*start - kBeta0Step)) / (2.0 * kBeta0Step);
    used.push_back(run);
  }
  if (used.size() < 4) return;
  predicted /= static_cast<double>(used.size());
  Claim claim = start_dependence_claim();
  constexpr double kReach = 0.15;
  claim.prediction = exactly(predicted);
  claim.allowed = {predicted, predicted - kReach, predicted + kReach};
  claim.allowance = "within 0.15 of the exact solution's mean slope";
  claim.measured = slope_of(beta0, log_time);
  take_runs(claim, used, setup, range_text("N", contexts_of(setup)) + ", K infinite");
  claims.push_back(std::move(claim));
}

/// Last time at which the accuracy rises through `level` on a straight line between two measurements, the first of them
/// not after `until`. t_ICL itself need not lie on that line.
std::optional<double> rise_through(const MeasuredRun& run, double level, double until) {
  const auto* times = run.trajectory.find("time");
  const auto* accuracy = run.trajectory.find("icl_accuracy");
  if (times == nullptr || accuracy == nullptr) return std::nullopt;
  std::optional<double> found;
  for (std::size_t i = 1; i < times->size(); ++i) {
    if (!(*accuracy)[i] || !(*accuracy)[i - 1] || *(*times)[i - 1] > until) continue;
    const double from = *(*accuracy)[i - 1], to = *(*accuracy)[i];
    if (from < level && to >= level) {
      found = *(*times)[i - 1] + (level - from) / (to - from) * (*(*times)[i] - *(*times)[i - 1]);
    }
  }
  return found;
}

/// Share of its time to 90 % accuracy that a run takes from 60 % on.
std::optional<double> rise_share(const MeasuredRun& run) {
  if (!run.acquired) return std::nullopt;
  const auto late = rise_through(run, 0.9, run.time);
  const auto early = late ? rise_through(run, 0.6, *late) : std::nullopt;
  return early && *late > *early ? std::optional((*late - *early) / *late) : std::nullopt;
}

/// A row for every N with runs enough, and one for the others together: how abrupt it is depends on N.
void add_abrupt(const RunList& setup, ClaimList& claims) {
  constexpr std::size_t kEnough = 3;
  const auto add = [&](const RunList& runs) {
    if (runs.empty()) return;
    std::vector<double> shares;
    for (const MeasuredRun* run : runs) shares.push_back(*rise_share(*run));
    Claim claim = abrupt_claim();
    claim.measured = geometric_mean_of(shares);
    take_runs(claim, runs, setup, range_text("N", contexts_of(runs)));
    claims.push_back(std::move(claim));
  };
  RunList others;
  for (const double n : contexts_of(setup)) {
    RunList runs = at_context(setup, n);
    std::erase_if(runs, [](const MeasuredRun* run) { return !rise_share(*run); });
    if (runs.size() >= kEnough)
      add(runs);
    else
      others.insert(others.end(), runs.begin(), runs.end());
  }
  add(others);
}

}  // namespace

void add_distribution_claims(const Evidence& evidence, ClaimList& claims) {
  const Results& results = evidence.results();
  std::size_t before = claims.size();
  const auto close = [&](Claim claim, const char* missing, const char* command) {
    if (claims.size() == before) claims.push_back(gap(std::move(claim), missing, command));
    before = claims.size();
  };
  for (const RunList& setup : setups_of(results, has_spread)) add_tail(setup, claims);
  close(tail_claim(), "runs with K infinite that differ in their random start", kSeedsCommand);
  for (const RunList& setup : setups_of(results, [](const MeasuredRun& run) {
         return has_spread(run) && is_minimal(run) && !(run.number("w0_sd").value_or(0.0) > 0.0);
       })) {
    add_start(setup, claims);
  }
  close(start_dependence_claim(),
        "measurements (simulation files) of the minimal model with K infinite and random beta0", kStartsCommand);
  for (const RunList& setup :
       setups_of(results, has_random_labels, Vary::size | Vary::attention_decay | Vary::beta_decay)) {
    add_abrupt(setup, claims);
  }
  close(abrupt_claim(), "measurements (simulation files) of runs that acquired", kStartsCommand);
}

}  // namespace iclk::figures
