#include "iclk/theory/exact_solution.hpp"

#include <algorithm>
#include <boost/math/special_functions/lambert_w.hpp>
#include <boost/math/tools/roots.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <utility>

#include "arguments.hpp"
#include "exact_blow_up.hpp"
#include "iclk/core/error.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/memorization_integral.hpp"

namespace iclk::theory {
namespace {

constexpr double kLogSqrtTwoPi = 0.9189385332046727417803297364056176;
constexpr double kLogSqrtHalfPi = 0.2257913526447274323630976149474411;

/// (exp(x) - 1)/x.
double expm1_ratio(double x) { return std::abs(x) > 0.0 ? std::expm1(x) / x : 1.0; }

/// ln R(x), x >= 0.
double log_mills(double x) { return std::log(mills_ratio(x)); }

/// ln(exp(a) + sign exp(b)); a > b where sign < 0.
double log_sum(double a, double b, double sign) {
  const double high = std::max(a, b);
  if (std::isinf(high)) return high;
  return a >= b ? a + std::log1p(sign * std::exp(b - a)) : b + std::log1p(std::exp(a - b));
}

/// The root of a function that falls and is concave, from a point at or beyond it: Newton's steps then approach it from
/// one side. `step_function` returns value and slope.
template <class Function>
double root_from_above(Function value_and_slope, double above) {
  if (!(above > 0.0)) return 0.0;
  std::uintmax_t max_iterations = 200;  // each step at least halves the distance; some 6 are usual
  // Quadratic convergence: a last step below 2^-30 leaves an error below 2^-58.
  return boost::math::tools::newton_raphson_iterate(value_and_slope, above, 0.0, above, 30, max_iterations);
}

/// x >= 0 with exp(-x^2/2) R(x) = exp(log_tail), the inverse of the upper tail of the normal distribution; 0 where the
/// tail exceeds its value there, sqrt(pi/2).
double tail_argument(double log_tail) {
  const double room = kLogSqrtHalfPi - log_tail;
  if (!(room > 0.0)) return 0.0;
  const auto tail = [&](double x) {
    const double ratio = mills_ratio(x);
    return std::make_pair(std::log(ratio) - 0.5 * x * x - log_tail, -1.0 / ratio);
  };
  return root_from_above(tail, std::sqrt(2.0 * room));  // R(x) <= R(0)
}

/// The closed solution of p'' + c2 p' + 1/p = 0 from one start. Names as in the header.
class Solution {
 public:
  Solution(FlowState initial, double c2)
      : initial_(initial),
        c2_(c2),
        p0_(std::exp(-initial.beta)),
        kappa_(c2 * p0_),
        z0_(initial.w - kappa_),
        s_blow_(exact_blow_up(initial.beta, initial.w, c2)) {
    in_range_ = std::isfinite(0.5 * z0_ * z0_) && std::isfinite(p0_);
    if (!in_range_) return;
    const double squares = initial.beta - 0.5 * z0_ * z0_;  // ln A
    if (z0_ >= 0.0) {
      log_b_ = squares + std::log1p(kappa_ * mills_ratio(z0_));
      return;
    }
    // B = c2 sqrt(2 pi) + delta A with delta = 1 - kappa R(-z0): what the start is off the slow curve.
    mills0_ = mills_ratio(-z0_);
    delta_ = kappa_ >= -0.5 * z0_ ? mills0_ * (inverse_mills_excess(-z0_) - initial.w) : 1.0 - kappa_ * mills0_;
    log_delta_a_ = std::log(std::abs(delta_)) + squares;
    log_b_ = log_sum(std::log(c2) + kLogSqrtTwoPi, log_delta_a_, delta_ < 0.0 ? -1.0 : 1.0);
  }

  bool in_range() const { return in_range_; }
  double s_blow() const { return s_blow_; }
  double z0() const { return z0_; }

  /// State at s, `left` = s_blow - s > 0 before the blow-up.
  FlowState state(double s, double left) const {
    if (z0_ < 0.0) {
      // T(y) = exp(-y^2/2) R(y) grows from its value at y0 = -z0: T(y) = T(y0) + (A/c2)(exp(c2 s) - 1) = A exp(c2 s) P.
      const double big_p = mills0_ * p0_ * std::exp(-c2_ * s) + s * expm1_ratio(-c2_ * s);
      const double log_tail = initial_.beta - 0.5 * z0_ * z0_ + c2_ * s + std::log(big_p);
      if (log_tail < kLogSqrtHalfPi) return left_state(s, tail_argument(log_tail), big_p);
    }
    const double waiting = left * expm1_ratio(-c2_ * left);
    const double z = tail_argument(log_b_ + std::log(waiting));
    const double p = left * expm1_ratio(c2_ * left) / mills_ratio(z);
    return {z + c2_ * p, -std::log(p)};
  }

  /// s and state where the coordinate is z >= z0.
  std::pair<double, FlowState> at_coordinate(double z) const {
    if (z >= 0.0) {
      // q = B exp(z^2/2) - c2 R(z); from z0 >= 0 the difference of two close numbers only next to the start.
      const double log_growth = log_b_ + 0.5 * z * z;
      const double log_q = log_sum(log_growth, std::log(c2_) + log_mills(z), -1.0);
      const double left = time_left(z, log_q);
      return {std::max(0.0, s_blow_ - left), {z + c2_ * std::exp(-log_q), log_q}};
    }
    const double y = -z;
    const double log_q = left_log_q(y);
    // kappa G = exp(c2 s) - 1 with G = integral of exp((z0^2 - u^2)/2) from z0 to z.
    const double exponent = 0.5 * (-z0_ - y) * (y - z0_);
    const double g = std::exp(exponent) * mills_ratio(y) - mills0_;
    const double x = kappa_ * g;
    const double s = exponent > 600.0 && c2_ > 0.0 ? slow_time(y, log_q)
                     : x > 0.0                     ? std::max(0.0, p0_ * g * (std::log1p(x) / x))
                                                   : std::max(0.0, p0_ * g);
    return {s, {left_w(s, y, std::exp(-log_q)), log_q}};
  }

  /// s and state where beta, above beta0, is reached.
  std::pair<double, FlowState> at_beta(double beta) const {
    if (z0_ < 0.0) {
      const double at_zero = log_sum(std::log(c2_) + kLogSqrtHalfPi, log_delta_a_, delta_ < 0.0 ? -1.0 : 1.0);
      if (beta < at_zero) return left_crossing(beta);
    }
    // ln(Q + c2 R(z)) = ln B + z^2/2 with Q = exp(beta).
    const double damping = c2_ * std::exp(-beta);
    const auto gap = [&](double z) {
      const double ratio = mills_ratio(z);
      const double term = damping * ratio;
      return std::make_pair(beta + std::log1p(term) - 0.5 * z * z - log_b_,
                            damping * (z * ratio - 1.0) / (1.0 + term) - z);
    };
    const double room = gap(0.0).first;
    const double z = std::max(z0_, root_from_above(gap, std::sqrt(2.0 * std::max(0.0, room))));
    return {std::max(0.0, s_blow_ - time_left(z, beta)), {z + damping, beta}};
  }

 private:
  /// s_blow - s where z and ln q are known, z >= 0: exp(c2 left) - 1 = c2 R(z)/q.
  double time_left(double z, double log_q) const {
    const double undamped = mills_ratio(z) * std::exp(-log_q);
    const double x = c2_ * undamped;
    return x > 0.0 ? undamped * (std::log1p(x) / x) : undamped;
  }

  /// c2 s = ln(q/q0) + (z0^2 - z^2)/2.
  double slow_time(double y, double log_q) const {
    return std::max(0.0, (log_q - initial_.beta + 0.5 * (-z0_ - y) * (y - z0_)) / c2_);
  }

  /// ln q = ln[c2 R(y) + delta A exp(y^2/2)], z = -y < 0.
  double left_log_q(double y) const {
    return log_sum(std::log(c2_) + log_mills(y),
                   std::log(std::abs(delta_)) + initial_.beta + 0.5 * (y + z0_) * (y - z0_), delta_ < 0.0 ? -1.0 : 1.0);
  }

  double left_w(double s, double y, double p) const {
    if (c2_ * p < 0.5 * y) return c2_ * p - y;
    return inverse_mills_excess(y) - delta_ * std::exp(-c2_ * s) / mills_ratio(y);
  }

  FlowState left_state(double s, double y, double big_p) const {
    const double p = big_p / mills_ratio(y);
    return {left_w(s, y, p), -std::log(p)};
  }

  std::pair<double, FlowState> left_crossing(double beta) const {
    // On its way up w >= 0, hence y <= c2 p.
    const double highest = std::min(-z0_, c2_ * std::exp(-beta));
    const auto gap = [&](double y) { return left_log_q(y) - beta; };
    double y = highest;
    const double first = gap(highest);
    if (first < 0.0) {
      std::uintmax_t max_iterations = 200;
      const auto bracket = boost::math::tools::toms748_solve(
          gap, 0.0, highest, gap(0.0), first, boost::math::tools::eps_tolerance<double>(52), max_iterations);
      y = 0.5 * (bracket.first + bracket.second);
    }
    const double s = slow_time(y, beta);
    return {s, {left_w(s, y, std::exp(-beta)), beta}};
  }

  FlowState initial_;
  double c2_, p0_, kappa_, z0_, s_blow_;
  bool in_range_ = false;
  double log_b_ = 0.0;
  double mills0_ = 0.0, delta_ = 0.0, log_delta_a_ = 0.0;  // z0 < 0 only
};

Solution solution_of(const ExactFlow& flow) {
  validate(flow);
  return {flow.initial, effective_c2(flow)};
}

ExactState state_at(const ExactFlow& flow, double integral) {
  const Solution solution = solution_of(flow);
  const double rate = intrinsic_rate(flow);
  const double left = solution.s_blow() - rate * integral;
  if (left <= 0.0) return {ExactOutcome::blown_up, {}};
  if (!solution.in_range()) return {ExactOutcome::beyond_range, {}};
  if (!(integral > 0.0)) return {ExactOutcome::before_blow_up, flow.initial};
  const FlowState state = solution.state(rate * integral, left);
  if (!std::isfinite(state.w) || !std::isfinite(state.beta)) return {ExactOutcome::beyond_range, {}};
  return {ExactOutcome::before_blow_up, state};
}

void require_no_decay(const ExactFlow& flow) {
  require(!(flow.lambda_w > 0.0), "lambda_w", "0 with a measured c1, as the closed form needs a constant one",
          flow.lambda_w);
}

/// N (lambda_w N + c1 c2): the friction of w, times N.
double friction(const DecayedFlow& flow) {
  return flow.n_context * (flow.n_context * flow.lambda_w + flow.c1 * flow.c2);
}

}  // namespace

void validate(const ExactFlow& flow) {
  require_context(flow.n_context);
  require_finite("beta0", flow.initial.beta);
  require_finite("w0", flow.initial.w);
  require(flow.c2 >= 0.0 && flow.c2 <= 1.0, "c2", "a number in [0, 1]", flow.c2);
  require(flow.rho > 0.0 && flow.rho <= 1.0, "rho", "a number in (0, 1]", flow.rho);
  require(flow.copies >= 1.0 && flow.copies <= flow.n_context, "copies", "a number from 1 to N", flow.copies);
  require(flow.lambda_w >= 0.0 && std::isfinite(flow.lambda_w), "lambda_w", "a number that is not negative",
          flow.lambda_w);
  require(flow.c1 > 0.0 && flow.c1 <= 1.0, "c1", "a number in (0, 1]", flow.c1);
}

double effective_c2(const ExactFlow& flow) {
  validate(flow);
  return (flow.c2 + flow.n_context * flow.lambda_w / (flow.c1 * flow.copies)) / flow.rho;
}

double intrinsic_rate(const ExactFlow& flow) {
  validate(flow);
  return 0.5 * flow.rho * flow.copies / flow.n_context;
}

double blow_up_integral(const ExactFlow& flow) {
  return exact_blow_up(flow.initial.beta, flow.initial.w, effective_c2(flow)) / intrinsic_rate(flow);
}

double blow_up_integral_small_kappa(const ExactFlow& flow, int order) {
  require(order >= 0 && order <= 2, "order", "0, 1 or 2", order);
  const double p0 = std::exp(-flow.initial.beta);
  const double kappa = effective_c2(flow) * p0;
  const double w0 = flow.initial.w;
  const double r = mills_ratio(w0);
  double sum = r;
  if (order >= 1) sum += kappa * (1.0 - w0 * r - 0.5 * r * r);
  if (order >= 2) {
    sum += kappa * kappa * (0.5 * (r * (1.0 + w0 * w0) - w0) + r * (w0 * r - 1.0) + r * r * r / 3.0);
  }
  return p0 * sum / intrinsic_rate(flow);
}

double blow_up_integral_large_kappa(const ExactFlow& flow) {
  const double c2 = effective_c2(flow);
  const double kappa = c2 * std::exp(-flow.initial.beta);
  const double x = kappa - flow.initial.w;
  return (0.5 * x * x + std::log(kappa) + kLogSqrtTwoPi) / c2 / intrinsic_rate(flow);
}

std::string_view name(ExactOutcome outcome) noexcept {
  switch (outcome) {
    case ExactOutcome::before_blow_up:
      return "before_blow_up";
    case ExactOutcome::blown_up:
      return "blown_up";
    case ExactOutcome::beyond_range:
      return "beyond_range";
  }
  return "";
}

ExactState exact_state(const ExactFlow& flow, double integral) {
  require(integral >= 0.0, "integral", "a number that is not negative", integral);
  return state_at(flow, integral);
}

ExactState exact_state(const ExactFlow& flow, const Curve& c1, double time) {
  require_no_decay(flow);
  return state_at(flow, memorization_integral_at(c1, time));
}

double start_coordinate(const ExactFlow& flow) {
  return flow.initial.w - effective_c2(flow) * std::exp(-flow.initial.beta);
}

ExactPoint exact_point(const ExactFlow& flow, double z) {
  require_finite("z", z);
  const Solution solution = solution_of(flow);
  if (!solution.in_range()) throw field_error("beta0", "exp(-2 beta0) exceeds the range of floating-point numbers");
  require(z >= solution.z0(), "z", "a number not below w0 - c2 exp(-beta0)", z);
  if (!(z > solution.z0())) return {0.0, flow.initial};
  const auto [s, state] = solution.at_coordinate(z);
  return {s / intrinsic_rate(flow), state};
}

double exact_invariant(FlowState state, double c2) {
  require_finite("w", state.w);
  require_finite("beta", state.beta);
  require(c2 >= 0.0 && std::isfinite(c2), "c2", "a number that is not negative", c2);
  const double z = state.w - c2 * std::exp(-state.beta);
  return std::exp(state.beta - 0.5 * z * z) -
         c2 * std::sqrt(0.5 * std::numbers::pi) * std::erf(z / std::numbers::sqrt2);
}

ExactCrossing exact_crossing(const ExactFlow& flow, double beta) {
  require_finite("beta", beta);
  const Solution solution = solution_of(flow);
  if (flow.initial.beta >= beta) return {ExactOutcome::before_blow_up, 0.0, flow.initial};
  if (!solution.in_range()) return {};
  const auto [s, state] = solution.at_beta(beta);
  return {ExactOutcome::before_blow_up, s / intrinsic_rate(flow), state};
}

std::optional<double> exact_crossing_time(const ExactFlow& flow, const Curve& c1, double beta) {
  require_no_decay(flow);
  const ExactCrossing crossing = exact_crossing(flow, beta);
  if (crossing.outcome != ExactOutcome::before_blow_up) return {};
  return time_of_memorization_integral(c1, crossing.integral);
}

void validate(const DecayedFlow& flow) {
  require_context(flow.n_context);
  require(flow.c1 > 0.0 && flow.c1 <= 1.0, "c1", "a number in (0, 1]", flow.c1);
  require(flow.c2 >= 0.0 && flow.c2 <= 1.0, "c2", "a number in [0, 1]", flow.c2);
  require(flow.lambda_w >= 0.0 && std::isfinite(flow.lambda_w), "lambda_w", "a number that is not negative",
          flow.lambda_w);
  require(flow.lambda_beta >= 0.0 && std::isfinite(flow.lambda_beta), "lambda_beta", "a number that is not negative",
          flow.lambda_beta);
}

double critical_lambda_beta(const DecayedFlow& flow) {
  validate(flow);
  return 2.0 * std::numbers::e * flow.c1 * flow.c1 / friction(flow);
}

double critical_equal_lambda(const DecayedFlow& flow) {
  validate(flow);
  const double damping = flow.c1 * flow.c2;
  const double drive = 4.0 * std::numbers::e * flow.c1 * flow.c1;
  return drive / (flow.n_context * (damping + std::sqrt(damping * damping + 2.0 * drive)));
}

DecayFixedPoints decay_fixed_points(const DecayedFlow& flow) {
  validate(flow);
  DecayFixedPoints points;
  points.strength = flow.lambda_beta * friction(flow) / (flow.c1 * flow.c1);
  if (!(points.strength >= 2.0 * std::numbers::e) || std::isinf(points.strength)) return points;
  const double argument = std::max(-2.0 / points.strength, -std::exp(-1.0));
  const auto state = [&](double beta) {
    return FlowState{flow.c1 * std::exp(beta) / (flow.n_context * flow.lambda_w + flow.c1 * flow.c2), beta};
  };
  points.trap = state(-0.5 * boost::math::lambert_w0(argument));
  points.unstable = state(-0.5 * boost::math::lambert_wm1(argument));
  return points;
}

std::string_view name(DecayVerdict verdict) noexcept {
  switch (verdict) {
    case DecayVerdict::acquired:
      return "acquired";
    case DecayVerdict::trapped:
      return "trapped";
    case DecayVerdict::undecided:
      return "undecided";
  }
  return "";
}

DecayVerdict decay_verdict(const DecayedFlow& flow, FlowState initial) {
  require_finite("w0", initial.w);
  require_finite("beta0", initial.beta);
  const DecayFixedPoints points = decay_fixed_points(flow);
  if (!points.unstable) return DecayVerdict::acquired;
  const FlowState edge = *points.unstable;
  if (initial.w <= edge.w && initial.beta <= edge.beta) return DecayVerdict::trapped;
  if (initial.w >= edge.w && initial.beta >= edge.beta) return DecayVerdict::acquired;
  return DecayVerdict::undecided;
}

}  // namespace iclk::theory
