#include "iclk/theory/seed_ensemble.hpp"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/quadrature/trapezoidal.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <string>
#include <utility>

#include "arguments.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "infinity.hpp"

namespace iclk::theory {
namespace {

constexpr double kWidest = 10.0;  // standard deviations: exp(-50) is left out
/// d ln X/d w0 = -0.8, d ln X/d beta0 = -1 at the origin: over which start the required I_K spreads more.
constexpr double kWeightOfW0 = 0.8;

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }
double normal_density(double x) { return std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi); }
double normal_quantile(double share) { return boost::math::quantile(boost::math::normal(), share); }

/// Root of a falling function, searched from `guess` outwards within [low, high]; an infinite end when the root lies
/// beyond it. `bits` of the root are found.
template <class Function>
double falling_root(const Function& f, double guess, double low, double high, int bits) {
  const auto bounded = [&](double x) { return std::clamp(f(x), -1e6, 1e6); };  // keeps the interpolation finite
  double a = std::clamp(guess, low, high);
  double at_a = bounded(a);
  if (!(at_a > 0.0) && !(at_a <= 0.0)) return std::numeric_limits<double>::quiet_NaN();
  double stride = at_a > 0.0 ? 0.125 : -0.125;
  double b = a;
  double at_b = at_a;
  while ((at_a > 0.0) == (at_b > 0.0)) {
    a = b;
    at_a = at_b;
    if (b >= high && stride > 0.0) return kInfinity;
    if (b <= low && stride < 0.0) return -kInfinity;
    b = std::clamp(b + stride, low, high);
    at_b = bounded(b);
    stride *= 2.0;
  }
  if (a > b) {
    std::swap(a, b);
    std::swap(at_a, at_b);
  }
  if (!(at_b < 0.0)) return b;
  std::uintmax_t steps = 100;
  const auto [left, right] = boost::math::tools::toms748_solve(
      bounded, a, b, at_a, at_b, boost::math::tools::eps_tolerance<double>(static_cast<unsigned>(bits)), steps);
  return 0.5 * (left + right);
}

/// ln R(w) without overflow.
double log_mills_ratio(double w) {
  if (w > -30.0) return std::log(mills_ratio(w));
  return 0.5 * w * w + 0.5 * std::log(2.0 * std::numbers::pi);  // R(-w) is 1e-197 of it
}

/// How the required I_K depends on the start, and how exactly it is known.
struct RequiredIntegral {
  std::function<double(FlowState)> of;
  double n_context;
  double tolerance;  // of averages
  double widest;     // standard deviations to which averages run
  int bits;          // of roots
  /// A closed form close to it, where `of` is dear: roots start from its root. Itself where it is the closed form.
  const RequiredIntegral* guide = nullptr;

  double log_of(FlowState state) const { return std::log(of(state)); }

  /// beta0 at which it is exp(log_integral), for this w0; infinite beyond what the distribution can reach.
  double beta0(double log_integral, double w0, const StartDistribution& start) const {
    const double reach = 4.0 * kWidest * start.beta0_sd;
    const double undamped = std::log(2.0 * n_context) + log_mills_ratio(w0) - log_integral;
    const double guess = guide != nullptr ? guide->beta0(log_integral, w0, start) : undamped;
    const auto excess = [&](double beta0) { return log_of({w0, beta0}) - log_integral; };
    return falling_root(excess, guess, start.beta0_mean - reach, start.beta0_mean + reach, bits);
  }

  double w0(double log_integral, double beta0, const StartDistribution& start) const {
    const double reach = 4.0 * kWidest * start.w0_sd;
    const double guess = guide != nullptr ? guide->w0(log_integral, beta0, start) : start.w0_mean;
    const auto excess = [&](double w0) { return log_of({w0, beta0}) - log_integral; };
    return falling_root(excess, guess, start.w0_mean - reach, start.w0_mean + reach, bits);
  }
};

RequiredIntegral constant_c2(double n_context, double c2) {
  return {.of = [=](FlowState state) { return acquisition_integral_exact(n_context, state.beta, state.w, c2); },
          .n_context = n_context,
          .tolerance = 1e-13,
          .widest = kWidest,
          .bits = 52};
}

/// 1e-9 in the average: seven standard deviations and 34 bits of each root.
RequiredIntegral measured_c2(const CurveFlow& flow, const RequiredIntegral& guide) {
  return {.of = [&flow](FlowState state) { return flow.required_integral(state); },
          .n_context = flow.n_context(),
          .tolerance = 1e-9,
          .widest = 7.0,
          .bits = 34,
          .guide = &guide};
}

/// c2 of the closed form that guides: between the values before and after memorization.
constexpr double kGuidingC2 = 0.6;

void require_arguments(double n_context, const StartDistribution& start, double c2) {
  require_context(n_context);
  validate(start);
  require(c2 >= 0.0 && c2 <= 1.0, "c2", "a number in [0, 1]", c2);
}

/// Average of f(u) over a standard normal u. The trapezoidal sum converges exponentially for what decays as fast.
template <class Function>
double normal_average(const Function& f, const RequiredIntegral& required) {
  return boost::math::quadrature::trapezoidal([&](double u) { return normal_density(u) * f(u); }, -required.widest,
                                              required.widest, required.tolerance);
}

bool averages_over_w0(const StartDistribution& start) { return start.beta0_sd >= kWeightOfW0 * start.w0_sd; }

/// P(X <= integral), or P(X > integral) for `above`: each with its own relative accuracy.
double probability_of(const RequiredIntegral& required, double integral, const StartDistribution& start, bool above) {
  require(integral >= 0.0, "integral", "a number that is not negative", integral);
  if (std::isinf(integral)) return above ? 0.0 : 1.0;
  if (!(integral > 0.0)) return above ? 1.0 : 0.0;
  const double sign = above ? -1.0 : 1.0;
  const double log_integral = std::log(integral);
  if (start.beta0_sd <= 0.0 && start.w0_sd <= 0.0) {
    return (required.of({start.w0_mean, start.beta0_mean}) <= integral) != above ? 1.0 : 0.0;
  }
  double sum = 0.0;
  if (averages_over_w0(start)) {
    const auto share = [&](double u) {
      const double beta0 = required.beta0(log_integral, start.w0_mean + u * start.w0_sd, start);
      return normal_cdf(sign * (start.beta0_mean - beta0) / start.beta0_sd);
    };
    sum = start.w0_sd > 0.0 ? normal_average(share, required) : share(0.0);
  } else {
    const auto share = [&](double u) {
      const double w0 = required.w0(log_integral, start.beta0_mean + u * start.beta0_sd, start);
      return normal_cdf(sign * (start.w0_mean - w0) / start.w0_sd);
    };
    sum = start.beta0_sd > 0.0 ? normal_average(share, required) : share(0.0);
  }
  return std::min(sum, 1.0);
}

double quantile_of(const RequiredIntegral& required, double share, const StartDistribution& start) {
  require(share > 0.0 && share < 1.0, "share", "a number in (0, 1)", share);
  const double z = normal_quantile(share);
  // With one random start the required I_K is a falling function of it.
  if (start.w0_sd <= 0.0) return required.of({start.w0_mean, start.beta0_mean - z * start.beta0_sd});
  if (start.beta0_sd <= 0.0) return required.of({start.w0_mean - z * start.w0_sd, start.beta0_mean});
  const LognormalLaw law = lognormal_law(required.n_context, start);
  const double guess =
      required.guide != nullptr ? std::log(quantile_of(*required.guide, share, start)) : law.log_mean + z * law.log_sd;
  const auto excess = [&](double log_integral) {
    return share - probability_of(required, std::exp(log_integral), start, false);
  };
  return std::exp(falling_root(excess, guess, -700.0, 700.0, required.bits));
}

/// Derivatives of acquisition_integral_exact: X = (2N/c2) ln(1 + y), y = kappa R(x), x = w0 - kappa, R' = x R - 1.
struct Slopes {
  double by_beta0, by_w0;
};
Slopes slopes_of_exact(double n_context, FlowState state, double c2) {
  const double p = std::exp(-state.beta);
  const double kappa = c2 * p;
  const double x = state.w - kappa;
  if (x < -37.0 && kappa > 0.0) {  // R beyond the range: y >> 1, R'/R = x
    return {-2.0 * n_context * p * (1.0 / kappa - x), 2.0 * n_context / c2 * x};
  }
  const double ratio = mills_ratio(x);
  const double scale = 2.0 * n_context * p / (1.0 + kappa * ratio);
  return {-scale * (ratio - kappa * (x * ratio - 1.0)), scale * (x * ratio - 1.0)};
}

}  // namespace

LognormalLaw lognormal_law(double n_context, const StartDistribution& start) {
  require_context(n_context);
  validate(start);
  const double m = start.w0_mean;
  const double inverse = std::exp(-log_mills_ratio(m));  // 1/R(m)
  const double slope = m - inverse;                      // of ln R
  const double curvature = 1.0 + (m - inverse) * inverse;
  return {.log_mean = std::log(2.0 * n_context) + log_mills_ratio(m) - start.beta0_mean +
                      0.5 * curvature * start.w0_sd * start.w0_sd,
          .log_sd = std::hypot(start.beta0_sd, slope * start.w0_sd)};
}

double probability(const LognormalLaw& law, double integral) {
  require(integral >= 0.0, "integral", "a number that is not negative", integral);
  const double distance = std::log(integral) - law.log_mean;
  if (!(law.log_sd > 0.0)) return distance >= 0.0 ? 1.0 : 0.0;
  return normal_cdf(distance / law.log_sd);
}

double probability_above(const LognormalLaw& law, double integral) {
  require(integral >= 0.0, "integral", "a number that is not negative", integral);
  const double distance = std::log(integral) - law.log_mean;
  if (!(law.log_sd > 0.0)) return distance >= 0.0 ? 0.0 : 1.0;
  return normal_cdf(-distance / law.log_sd);
}

double density(const LognormalLaw& law, double integral) {
  require(integral >= 0.0, "integral", "a number that is not negative", integral);
  require(law.log_sd > 0.0, "log_sd", "a positive number", law.log_sd);
  if (!(integral > 0.0) || std::isinf(integral)) return 0.0;
  return normal_density((std::log(integral) - law.log_mean) / law.log_sd) / (law.log_sd * integral);
}

double quantile(const LognormalLaw& law, double share) {
  require(share > 0.0 && share < 1.0, "share", "a number in (0, 1)", share);
  return std::exp(law.log_mean + law.log_sd * normal_quantile(share));
}

double acquisition_probability(double integral, double n_context, const StartDistribution& start, double c2) {
  require_arguments(n_context, start, c2);
  return probability_of(constant_c2(n_context, c2), integral, start, false);
}

double acquisition_probability_above(double integral, double n_context, const StartDistribution& start, double c2) {
  require_arguments(n_context, start, c2);
  return probability_of(constant_c2(n_context, c2), integral, start, true);
}

double acquisition_density(double integral, double n_context, const StartDistribution& start, double c2) {
  require_arguments(n_context, start, c2);
  require(integral >= 0.0, "integral", "a number that is not negative", integral);
  require(start.beta0_sd > 0.0 || start.w0_sd > 0.0, "beta0_sd", "a positive number here or in w0_sd", start.beta0_sd);
  if (!(integral > 0.0) || std::isinf(integral)) return 0.0;
  const RequiredIntegral required = constant_c2(n_context, c2);
  const double log_integral = std::log(integral);
  if (averages_over_w0(start)) {
    const auto at = [&](double u) {
      const double w0 = start.w0_mean + u * start.w0_sd;
      const double beta0 = required.beta0(log_integral, w0, start);
      if (!std::isfinite(beta0)) return 0.0;
      return normal_density((start.beta0_mean - beta0) / start.beta0_sd) / start.beta0_sd /
             std::abs(slopes_of_exact(n_context, {w0, beta0}, c2).by_beta0);
    };
    return start.w0_sd > 0.0 ? normal_average(at, required) : at(0.0);
  }
  const auto at = [&](double u) {
    const double beta0 = start.beta0_mean + u * start.beta0_sd;
    const double w0 = required.w0(log_integral, beta0, start);
    if (!std::isfinite(w0)) return 0.0;
    return normal_density((start.w0_mean - w0) / start.w0_sd) / start.w0_sd /
           std::abs(slopes_of_exact(n_context, {w0, beta0}, c2).by_w0);
  };
  return start.beta0_sd > 0.0 ? normal_average(at, required) : at(0.0);
}

double acquisition_quantile(double share, double n_context, const StartDistribution& start, double c2) {
  require_arguments(n_context, start, c2);
  return quantile_of(constant_c2(n_context, c2), share, start);
}

double acquisition_probability(const CurveFlow& flow, double integral, const StartDistribution& start) {
  validate(start);
  const RequiredIntegral guide = constant_c2(flow.n_context(), kGuidingC2);
  return probability_of(measured_c2(flow, guide), integral, start, false);
}

double acquisition_probability_above(const CurveFlow& flow, double integral, const StartDistribution& start) {
  validate(start);
  const RequiredIntegral guide = constant_c2(flow.n_context(), kGuidingC2);
  return probability_of(measured_c2(flow, guide), integral, start, true);
}

double acquisition_quantile(const CurveFlow& flow, double share, const StartDistribution& start) {
  validate(start);
  const RequiredIntegral guide = constant_c2(flow.n_context(), kGuidingC2);
  return quantile_of(measured_c2(flow, guide), share, start);
}

ItemTransition item_transition(double prefactor, double nu, double n_context, const StartDistribution& start,
                               double c2) {
  const LognormalLaw law = lognormal_law(n_context, start);
  const double median = acquisition_quantile(0.5, n_context, start, c2);
  return {.k_half = threshold_from_law(prefactor, nu, median),
          .k_half_lognormal = threshold_from_law(prefactor, nu, std::exp(law.log_mean)),
          .log_width = law.log_sd / nu};
}

MeasuredTransition measured_transition(std::span<const ItemProbability> points) {
  std::map<double, std::pair<double, double>> levels;  // K: sum of P, replicates
  for (const ItemProbability& point : points) {
    require(point.n_items >= 1.0 && std::isfinite(point.n_items), "n_items", "at least 1", point.n_items);
    require(point.probability >= 0.0 && point.probability <= 1.0, "probability", "a number in [0, 1]",
            point.probability);
    auto& [sum, n] = levels[point.n_items];
    sum += point.probability;
    n += 1.0;
  }
  // The closest probabilities that do not fall with K (pool adjacent violators).
  struct Block {
    double sum, weight;
    std::size_t n_levels;
  };
  std::vector<Block> blocks;
  std::vector<double> log_items;
  for (const auto& [n_items, level] : levels) {
    log_items.push_back(std::log(n_items));
    blocks.push_back({level.first, level.second, 1});
    while (blocks.size() > 1) {
      Block& before = blocks[blocks.size() - 2];
      const Block& last = blocks.back();
      if (before.sum * last.weight <= last.sum * before.weight) break;
      before = {before.sum + last.sum, before.weight + last.weight, before.n_levels + last.n_levels};
      blocks.pop_back();
    }
  }
  std::vector<double> shares;
  for (const Block& block : blocks) shares.insert(shares.end(), block.n_levels, block.sum / block.weight);

  const auto crossing = [&](double level) -> std::optional<double> {
    for (std::size_t i = 0; i + 1 < shares.size(); ++i) {
      if (!(shares[i] <= level && shares[i + 1] > level)) continue;
      // A share of 0 or 1 has no normal quantile; the smallest and largest that a double tells apart stand for it.
      constexpr double kSmallest = 1e-300;
      const double left = normal_quantile(std::max(shares[i], kSmallest));
      const double right = normal_quantile(std::min(shares[i + 1], 1.0 - 1e-16));
      const double part = (normal_quantile(level) - left) / (right - left);
      return std::exp(log_items[i] + part * (log_items[i + 1] - log_items[i]));
    }
    return std::nullopt;
  };
  MeasuredTransition result{.k_10 = crossing(0.1), .k_half = crossing(0.5), .k_90 = crossing(0.9), .log_width = {}};
  if (result.k_10 && result.k_90) {
    result.log_width = std::log(*result.k_90 / *result.k_10) / (normal_quantile(0.9) - normal_quantile(0.1));
  }
  return result;
}

}  // namespace iclk::theory
