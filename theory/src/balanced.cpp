#include "iclk/theory/balanced.hpp"

#include <algorithm>
#include <boost/math/special_functions/lambert_w.hpp>
#include <boost/math/special_functions/log1p.hpp>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "adaptive_quadrature.hpp"
#include "arguments.hpp"
#include "exact_blow_up.hpp"
#include "flow_integrator.hpp"

namespace iclk::theory {
namespace {

/// x - ln(1 + x) >= 0 for x > -1, without cancellation at small x.
double log_excess(double x) { return std::abs(x) < 0.3 ? -boost::math::log1pmx(x) : x - std::log1p(x); }

/// b + exp(-b) - 1 >= 0.
double well_depth(double b) { return std::abs(b) < 0.25 ? log_excess(std::expm1(-b)) : b + std::expm1(-b); }

/// w on the separatrix at b = beta - saddle.
double separatrix(double b) { return std::copysign(std::sqrt(2.0 * well_depth(b)), -b) + 0.0; }  // no negative zero

/// lambda = exp(-b) and lambda - 1, each to its own relative accuracy.
struct Lambda {
  double value;
  double minus_one;
};

/// lambda at separatrix(b) = eta: the root x = lambda - 1 of x - ln(1 + x) = eta^2/2 on the side of eta.
Lambda lambda_at(double eta) {
  const double half_square = 0.5 * eta * eta;
  if (std::abs(eta) < 1.0) {
    // The series of Temme for this root, then Newton; relative to x the residual is accurate down to eta = 0.
    double x = eta * (1.0 + eta * (1.0 / 3.0 + eta * (1.0 / 36.0 - eta * (1.0 / 270.0 - eta / 4320.0))));
    for (int i = 0; i < 2 && std::abs(x) > 0.0; ++i) x -= (log_excess(x) - half_square) * (1.0 + x) / x;
    return {1.0 + x, x};
  }
  const double argument = -std::exp(-1.0 - half_square);
  if (eta < 0.0) {
    const double lambda = -boost::math::lambert_w0(argument);
    return {lambda, lambda - 1.0};
  }
  if (half_square < 700.0) {
    const double lambda = -boost::math::lambert_wm1(argument);
    return {lambda, lambda - 1.0};
  }
  double lambda = 1.0 + half_square;  // lambda = 1 + eta^2/2 + ln lambda; each pass gains a factor of lambda
  for (int i = 0; i < 8; ++i) lambda = 1.0 + half_square + std::log(lambda);
  return {lambda, lambda - 1.0};
}

/// d lambda/d eta = eta lambda/(lambda - 1).
double lambda_slope(double eta) {
  const Lambda lambda = lambda_at(eta);
  return std::abs(lambda.minus_one) > 0.0 ? eta * lambda.value / lambda.minus_one : 1.0;
}

double b_of_separatrix(double eta) {
  if (eta < -5.0) {  // b = 1 + eta^2/2 - exp(-b)
    double b = 1.0 + 0.5 * eta * eta;
    for (int i = 0; i < 4; ++i) b = 1.0 + 0.5 * eta * eta - std::exp(-b);
    return b;
  }
  return -std::log1p(lambda_at(eta).minus_one);
}

/// ds to the blow-up for ds-scaled flow w' = exp(b) - 1, b' = w exp(b), from above the separatrix: v0 = w0 - eta0 > 0.
double blow_up_time(double w0, double eta0, double energy) {
  const double v0 = w0 - eta0;
  // Past eta_end the integrand has fallen by exp(-50) against its start.
  const double falling = std::min(eta0, 0.0);
  const double eta_end = -std::sqrt(falling * falling + 100.0);
  const double v_end = -eta_end + std::sqrt(eta_end * eta_end + 2.0 * energy);
  const double log_v0 = std::log(v0);
  const auto integrand = [&](double log_ratio) {
    const double v = v0 * std::exp(log_ratio);
    return lambda_slope(energy / v - 0.5 * v);
  };
  return adaptive_integral(integrand, 0.0, std::log(v_end) - log_v0);
}

/// The conservative flow w' = q - q_s, beta' = w q around the saddle at beta = saddle.
BalancedAcquisition conservative(FlowState initial, double saddle) {
  require_finite("w0", initial.w);
  require_finite("beta0", initial.beta);
  const double b0 = initial.beta - saddle;
  const double eta0 = separatrix(b0);
  BalancedAcquisition result;
  result.energy = 0.5 * initial.w * initial.w - b0 - std::exp(-b0);
  result.w_separatrix = eta0;
  const double energy = 0.5 * (initial.w - eta0) * (initial.w + eta0);  // H + 1
  result.outcome = initial.w > eta0   ? BalancedOutcome::acquired
                   : initial.w < eta0 ? BalancedOutcome::other_basin
                                      : BalancedOutcome::separatrix;
  // beta turns where w = 0, |w_sep| = sqrt(-2 E).
  const bool turns = energy < 0.0 && (b0 > 0.0 ? initial.w < 0.0 : initial.w > 0.0);
  if (turns) result.beta_turn = saddle + b_of_separatrix(std::copysign(std::sqrt(-2.0 * energy), -b0));
  if (result.outcome == BalancedOutcome::acquired && std::isfinite(energy)) {
    result.s_blow = blow_up_time(initial.w, eta0, energy) * std::exp(-saddle);
  }
  return result;
}

/// Upper tail of the normal distribution.
double upper_tail(double x) { return 0.5 * std::erfc(x / std::numbers::sqrt2); }

/// w' = q - q_s - damping w, beta' = w q in x with s = unit (exp(x) - 1): components w, beta, x.
struct PartialSystem {
  double saddle_q;
  double damping;
  double unit;

  double intrinsic_time(const std::array<double, 3>& y) const { return unit * std::expm1(y[2]); }

  void operator()(const std::array<double, 3>& y, std::array<double, 3>& rates) const {
    const double ds = unit * std::exp(y[2]);
    const double q = std::exp(y[1]);
    rates = {ds * (q - saddle_q - damping * y[0]), ds * y[0] * q, 1.0};
  }
};

BalancedAcquisition integrated(FlowState initial, double saddle_q, double damping,
                               const PartialBalanceOptions& options) {
  BalancedAcquisition result;
  const double saddle = std::log(saddle_q);  // -infinity for v = 1
  const auto lost = [&](double w, double beta) { return w <= 0.0 && beta <= saddle; };
  if (lost(initial.w, initial.beta)) {
    const bool at_rest = !(initial.w < 0.0) && !(initial.beta < saddle);
    result.outcome = at_rest ? BalancedOutcome::separatrix : BalancedOutcome::other_basin;
    return result;
  }
  const double q0 = std::exp(initial.beta);
  const PartialSystem system{saddle_q, damping, 1.0 / (1.0 + q0 * (1.0 + std::abs(initial.w)))};
  const double abs_tol = options.rel_tol * std::min(1.0, q0);
  FlowIntegrator<3, 3, const PartialSystem> run(system, {initial.w, initial.beta, 0.0}, 0.01,
                                                {options.rel_tol, abs_tol, options.max_steps});
  StepOutcome step = run.step();
  for (; step == StepOutcome::accepted; step = run.step()) {
    const auto& y = run.now().y;
    const double w_before = run.before().y[0];
    if (w_before * y[0] < 0.0) {
      const double sign = y[0] > 0.0 ? 1.0 : -1.0;
      result.beta_turn = run.locate([&](const auto& at) { return sign * at[0]; }).y[1];
    }
    if (lost(y[0], y[1])) {
      result.outcome = BalancedOutcome::other_basin;
      return result;
    }
    // p = exp(-beta) reaches zero after p/w more.
    const double s = system.intrinsic_time(y);
    if (y[0] > 1.0 && y[1] > saddle && std::exp(-y[1]) / y[0] < 1e-17 * s) {
      result.outcome = BalancedOutcome::acquired;
      result.s_blow = s;
      return result;
    }
  }
  result.outcome = step == StepOutcome::step_limit ? BalancedOutcome::step_limit : BalancedOutcome::not_finite;
  return result;
}

}  // namespace

std::string_view name(BalancedCount count) noexcept {
  return count == BalancedCount::exemplars ? "exemplars" : "exemplars_and_target";
}

std::string_view name(BalancedOutcome outcome) noexcept {
  switch (outcome) {
    case BalancedOutcome::acquired:
      return "acquired";
    case BalancedOutcome::other_basin:
      return "other_basin";
    case BalancedOutcome::separatrix:
      return "separatrix";
    case BalancedOutcome::step_limit:
      return "step_limit";
    case BalancedOutcome::not_finite:
      return "not_finite";
  }
  return "";
}

double balanced_saddle(BalancedCount count) { return count == BalancedCount::exemplars ? 0.0 : std::numbers::ln2; }

double balanced_energy(FlowState state, BalancedCount count) {
  require_finite("w", state.w);
  require_finite("beta", state.beta);
  const double b = state.beta - balanced_saddle(count);
  return 0.5 * state.w * state.w - b - std::exp(-b);
}

double balanced_separatrix(double beta, BalancedCount count) {
  require_finite("beta", beta);
  return separatrix(beta - balanced_saddle(count));
}

BalancedAcquisition balanced_acquisition(FlowState initial, BalancedCount count) {
  return conservative(initial, balanced_saddle(count));
}

void validate(const StartSpread& spread) {
  require_finite("beta0_mean", spread.beta0_mean);
  require_finite("w0_mean", spread.w0_mean);
  const auto not_negative = [](double value) { return value >= 0.0 && std::isfinite(value); };
  require(not_negative(spread.beta0_sd), "beta0_sd", "a number that is not negative", spread.beta0_sd);
  require(not_negative(spread.w0_sd), "w0_sd", "a number that is not negative", spread.w0_sd);
}

double balanced_basin_probability(const StartSpread& spread, BalancedCount count) {
  validate(spread);
  const double mean = spread.beta0_mean - balanced_saddle(count);
  const bool w_varies = spread.w0_sd > 0.0;
  if (!(spread.beta0_sd > 0.0)) {
    const double gap = separatrix(mean) - spread.w0_mean;
    if (w_varies) return upper_tail(gap / spread.w0_sd);
    return gap < 0.0 ? 1.0 : 0.0;
  }
  // The b at which the separatrix passes w0_mean, in standard deviations of beta0: the middle of the step in the integrand.
  const double middle = (b_of_separatrix(spread.w0_mean) - mean) / spread.beta0_sd;
  if (!w_varies) return upper_tail(middle);
  const auto integrand = [&](double x) {
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
    return density * upper_tail((separatrix(mean + spread.beta0_sd * x) - spread.w0_mean) / spread.w0_sd);
  };
  // Unit panels of the normal density, cut once more around the step, whose width is that of w0.
  const double width = 10.0 * spread.w0_sd / spread.beta0_sd;
  std::vector<double> cuts{middle - width, middle, middle + width};
  for (int i = -39; i <= 39; i += 3) cuts.push_back(i);
  std::ranges::sort(cuts);
  double sum = 0.0;
  for (std::size_t i = 1; i < cuts.size(); ++i) {
    if (cuts[i - 1] < -39.0 || cuts[i] > 39.0 || !(cuts[i] > cuts[i - 1])) continue;
    sum += adaptive_integral(integrand, cuts[i - 1], cuts[i]);
  }
  return sum;
}

void validate(const PartialBalance& balance) {
  require(balance.v >= 0.0 && balance.v <= 1.0, "v", "a number in [0, 1]", balance.v);
  require(balance.c2 >= 0.0 && balance.c2 <= 1.0, "c2", "a number in [0, 1]", balance.c2);
}

std::optional<double> partial_balance_saddle(const PartialBalance& balance) {
  validate(balance);
  if (!(balance.v < 1.0)) return {};
  return balanced_saddle(balance.count) + std::log1p(-balance.v);
}

void validate(const PartialBalanceOptions& options) {
  require(options.rel_tol >= 1e-14 && options.rel_tol <= 1e-2, "rel_tol", "a number in [1e-14, 1e-2]", options.rel_tol);
  require(options.max_steps >= 1, "max_steps", "at least 1", options.max_steps);
}

BalancedAcquisition partial_balance_acquisition(FlowState initial, const PartialBalance& balance,
                                                const PartialBalanceOptions& options) {
  validate(options);
  require_finite("w0", initial.w);
  require_finite("beta0", initial.beta);
  const std::optional<double> saddle = partial_balance_saddle(balance);
  const double damping = balance.c2 * balance.v;
  if (saddle && !(damping > 0.0)) return conservative(initial, *saddle);
  if (saddle) return integrated(initial, std::exp(*saddle), damping, options);
  BalancedAcquisition result;
  if (initial.w < 0.0) result = integrated(initial, 0.0, damping, options);  // for the turning point
  result.outcome = BalancedOutcome::acquired;
  result.s_blow = exact_blow_up(initial.beta, initial.w, damping);
  return result;
}

}  // namespace iclk::theory
