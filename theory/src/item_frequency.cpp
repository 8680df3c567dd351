#include "iclk/theory/item_frequency.hpp"

#include <algorithm>
#include <boost/math/quadrature/exp_sinh.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <boost/math/special_functions/zeta.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>
#include <string>

#include "adaptive_quadrature.hpp"
#include "arguments.hpp"
#include "infinity.hpp"

namespace iclk::theory {
namespace {

/// Terms that are added one by one. After 20 000 the first term that the Euler-Maclaurin formula leaves out,
/// F'''(f)/720, is below 1e-15 F(f) for every exponent up to 10, and F(f) itself is nothing beyond.
constexpr double kHead = 20'000.0;

/// Largest whole number below which doubles hold every whole number.
constexpr double kMostItems = 9007199254740992.0;

/// Sum with the rounding errors carried along (Neumaier).
class Sum {
 public:
  void add(double x) {
    const double next = sum_ + x;
    rest_ += std::abs(sum_) >= std::abs(x) ? (sum_ - next) + x : (x - next) + sum_;
    sum_ = next;
  }
  double value() const { return sum_ + rest_; }

 private:
  double sum_ = 0.0, rest_ = 0.0;
};

/// What Euler-Maclaurin adds to the integral of F over (a, b] to make it the sum over f = a + 1 ... b.
template <typename F>
double end_corrections(const F& function, double a, double b) {
  // The second correction is so small that a difference quotient does.
  constexpr double kStep = 1e-3;
  const auto slope = [&](double f) {
    return (function(f * (1.0 + kStep)) - function(f * (1.0 - kStep))) / (2.0 * kStep * f);
  };
  const double upper = std::isinf(b) ? 0.0 : 0.5 * function(b) + slope(b) / 12.0;
  return upper - 0.5 * function(a) - slope(a) / 12.0;
}

/// sum over f of term(p_f). term(p)/p tends to a constant as p -> 0, reached to rounding at p = linear_below.
template <typename Term>
double sum_over_items(const ItemFrequencies& frequencies, const Term& term, double linear_below) {
  Sum sum;
  if (frequencies.is_list()) {
    for (const double p : frequencies.listed()) sum.add(term(p));
    return sum.value();
  }
  const double n_items = frequencies.n_items();
  const double head = std::min(n_items, kHead);
  for (double f = 1.0; f <= head; f += 1.0) sum.add(term(frequencies.probability(f)));
  if (!(n_items > head)) return sum.value();

  const double alpha = frequencies.exponent();
  const auto at = [&](double f) { return term(frequencies.probability(f)); };
  double last = std::log(n_items);
  const double first = std::log(head);
  if (std::isinf(n_items)) {
    last = std::max(first, -(std::log(linear_below) + std::log(frequencies.normalization())) / alpha);
    const double f = std::exp(last);
    // Beyond, the terms are proportional to f^-alpha.
    sum.add(at(f) * f / (alpha - 1.0));
  }
  if (last > first) {
    const auto integrand = [&](double log_f) {
      const double f = std::exp(log_f);
      return f * at(f);
    };
    sum.add(adaptive_integral(integrand, first, last));
  }
  sum.add(end_corrections(at, head, n_items));
  return sum.value();
}

/// The p below which an item has not begun to memorize, to rounding.
double linear_below(const MemorizationFamily& item, double time) {
  const double power = item.kind == MemorizationKind::stretched ? std::min(1.0, item.shape) : 1.0;
  const double log_p = std::log(1e-18) / power + std::log(item.horizon / time);
  return std::clamp(std::exp(log_p), 1e-290, 1.0);
}

void require_time(double time) { require(time >= 0.0, "time", "a number that is not negative", time); }

}  // namespace

ItemFrequencies ItemFrequencies::list(std::span<const double> weights) {
  if (weights.empty()) throw field_error("frequencies", "expected at least one weight, got none");
  Sum sum;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (!(weights[i] > 0.0 && std::isfinite(weights[i]))) {
      throw field_error("frequencies",
                        "expected positive numbers, item " + std::to_string(i) + " has " + format_number(weights[i]));
    }
    sum.add(weights[i]);
  }
  require(std::isfinite(sum.value()), "frequencies", "a finite sum of weights", sum.value());
  ItemFrequencies result;
  result.n_items_ = static_cast<double>(weights.size());
  result.listed_.assign(weights.begin(), weights.end());
  for (double& p : result.listed_) p /= sum.value();
  return result;
}

ItemFrequencies ItemFrequencies::zipf(double n_items, double exponent) {
  require(exponent >= 0.0 && exponent <= 100.0, "exponent", "a number in [0, 100]", exponent);
  if (std::isinf(n_items)) {
    require(n_items > 0.0 && exponent > 1.0, "exponent", "a number above 1 for infinitely many items", exponent);
  } else {
    require(n_items >= 1.0 && n_items <= kMostItems && !(std::floor(n_items) < n_items), "n_items",
            "a whole number from 1 to 2^53", n_items);
  }
  ItemFrequencies result;
  result.n_items_ = n_items;
  result.exponent_ = exponent;
  if (std::isinf(n_items)) {
    result.total_ = boost::math::zeta(exponent);
    return result;
  }
  Sum sum;
  const double head = std::min(n_items, kHead);
  for (double f = 1.0; f <= head; f += 1.0) sum.add(std::pow(f, -exponent));
  if (n_items > head) {
    const double log_ratio = std::log(n_items / head);
    const double product = (1.0 - exponent) * log_ratio;
    const double relative = std::abs(product) > 1e-300 ? std::expm1(product) / product : 1.0;
    sum.add(std::pow(head, 1.0 - exponent) * log_ratio * relative);
    sum.add(end_corrections([&](double f) { return std::pow(f, -exponent); }, head, n_items));
  }
  result.total_ = sum.value();
  return result;
}

double ItemFrequencies::probability(double rank) const {
  require(rank >= 1.0 && rank <= n_items_ * (1.0 + 1e-2), "rank", "a rank of one of the items", rank);
  if (is_list()) return listed_[static_cast<std::size_t>(rank) - 1];
  return std::pow(rank, -exponent_) / total_;
}

double frequency_c1(const ItemFrequencies& frequencies, const MemorizationFamily& item, double time) {
  validate(item);
  require_time(time);
  const auto term = [&](double p) { return p * family_c1(item, p * time); };
  return sum_over_items(frequencies, term, linear_below(item, time));
}

double frequency_integral(const ItemFrequencies& frequencies, const MemorizationFamily& item, double time) {
  validate(item);
  require_time(time);
  if (std::isinf(time)) return frequency_total_integral(frequencies, item);
  const auto term = [&](double p) { return family_integral(item, p * time); };
  return sum_over_items(frequencies, term, linear_below(item, time));
}

double frequency_integral_left(const ItemFrequencies& frequencies, const MemorizationFamily& item, double time) {
  validate(item);
  require_time(time);
  if (std::isinf(frequency_total_integral(frequencies, item))) return kInfinity;
  const auto term = [&](double p) { return family_integral_left(item, p * time); };
  return sum_over_items(frequencies, term, linear_below(item, time));
}

double frequency_total_integral(const ItemFrequencies& frequencies, const MemorizationFamily& item) {
  return frequencies.n_items() * family_total_integral(item);
}

std::optional<double> time_of_frequency_integral(const ItemFrequencies& frequencies, const MemorizationFamily& item,
                                                 double integral) {
  validate(item);
  require(integral >= 0.0, "integral", "a number that is not negative", integral);
  const double total = frequency_total_integral(frequencies, item);
  if (!(integral < total)) return std::nullopt;
  if (!(integral > 0.0)) return 0.0;
  // Relative to the smaller part, so that neither end cancels.
  const bool by_rest = integral > 0.5 * total;
  const auto miss = [&](double log_time) {
    const double time = std::exp(log_time);
    if (by_rest) return 1.0 - frequency_integral_left(frequencies, item, time) / (total - integral);
    return frequency_integral(frequencies, item, time) / integral - 1.0;
  };
  // c1 <= 1/2, hence I <= t. The step in ln t grows, so that a hundred of them span the doubles.
  double low = std::log(integral) - 1e-3;
  double high = low + 1.0;
  while (miss(high) < 0.0) {
    const double step = 2.0 * (high - low);
    low = high;
    if (low > 709.0) return kInfinity;
    high = std::min(low + step, 709.5);
  }
  std::uintmax_t most_steps = 100;
  const auto bracket = boost::math::tools::toms748_solve(
      miss, low, high, boost::math::tools::eps_tolerance<double>(std::numeric_limits<double>::digits - 2), most_steps);
  return std::exp(0.5 * (bracket.first + bracket.second));
}

OrderParameters frequency_order_parameters(const ItemFrequencies& frequencies, const MemorizationFamily& item,
                                           double time) {
  validate(item);
  require_time(time);
  require(std::isfinite(time), "time", "a finite number", time);
  // g falls with p, so that the rarest item has the largest; taken out of the sums it keeps them from underflowing.
  double rarest = 0.0;
  if (frequencies.is_list()) {
    rarest = *std::min_element(frequencies.listed().begin(), frequencies.listed().end());
  } else if (std::isfinite(frequencies.n_items())) {
    rarest = frequencies.probability(frequencies.n_items());
  }
  const double scale = log_family_c1(item, rarest * time);
  const double linear = linear_below(item, time);
  const auto average = [&](auto value) {
    return sum_over_items(
        frequencies, [&](double p) { return p * value(p * time); }, linear);
  };
  const double scaled_c1 = average([&](double t) { return std::exp(log_family_c1(item, t) - scale); });
  const double scaled_c1_c2 = average([&](double t) {
    const double log_g = log_family_c1(item, t);
    return std::exp(log_g - scale) * -std::expm1(log_g);
  });
  const double scaled_c3 = average([&](double t) {
    const double log_g = log_family_c1(item, t);
    return std::exp(log_g - scale) / -std::expm1(log_g);
  });
  OrderParameters result;
  result.c1 = std::exp(scale) * scaled_c1;
  result.c2 = scaled_c1_c2 / scaled_c1;
  result.c3 = std::exp(scale) * scaled_c3;
  result.loss = average([&](double t) { return -std::log1p(-family_c1(item, t)); });
  result.accuracy = time > 0.0 ? 1.0 : 0.5;
  result.log_c1 = scale + std::log(scaled_c1);
  result.log_c3 = scale + std::log(scaled_c3);
  return result;
}

namespace {

/// M of zipf_limit: int f(u) u^-a du over u > 0 with f = 2 g, a = 1/alpha.
double zipf_coefficient(double a, const MemorizationFamily& item) {
  switch (item.kind) {
    case MemorizationKind::exponential:
      return boost::math::tgamma(1.0 - a);
    case MemorizationKind::power:
      return boost::math::beta(1.0 - a, item.shape - 1.0 + a);
    case MemorizationKind::stretched:
      return boost::math::tgamma((1.0 - a) / item.shape) / item.shape;
    case MemorizationKind::logarithmic: {
      // u = v^(1/(1 - a)) takes the singularity at zero out of the integral.
      const auto integrand = [&](double v) {
        const double l = std::log1p(std::pow(v, 1.0 / (1.0 - a)));
        return std::exp(-l - item.shape * std::log1p(l)) / (1.0 - a);
      };
      return boost::math::quadrature::exp_sinh<double>().integrate(integrand);
    }
  }
  return 0.0;
}

/// g = I_item(infinity)/T, and M, of checked arguments.
struct LimitConstants {
  double coefficient = 0.0, total_share = 0.0;
};

LimitConstants limit_constants(double exponent, const MemorizationFamily& item) {
  validate(item);
  require(exponent > 1.0 && exponent <= 100.0, "exponent", "a number in (1, 100]", exponent);
  const double share = family_total_share(item.kind, item.shape);
  require(std::isfinite(share), "shape", "a number above 1, for a finite integral", item.shape);
  return {zipf_coefficient(1.0 / exponent, item), share};
}

}  // namespace

ZipfLimit zipf_limit(double exponent, const MemorizationFamily& item, double time) {
  const LimitConstants constants = limit_constants(exponent, item);
  require(time > 0.0 && std::isfinite(time), "time", "a positive number", time);
  const double leading =
      constants.coefficient * std::pow(time / (item.horizon * boost::math::zeta(exponent)), 1.0 / exponent);
  return {constants.coefficient, 0.5 * item.horizon * leading / (exponent * time),
          item.horizon * (leading - 0.5 * constants.total_share)};
}

double zipf_limit_time(double exponent, const MemorizationFamily& item, double integral) {
  const LimitConstants constants = limit_constants(exponent, item);
  require(integral > 0.0 && std::isfinite(integral), "integral", "a positive number", integral);
  const double leading = integral / item.horizon + 0.5 * constants.total_share;
  return item.horizon * boost::math::zeta(exponent) * std::pow(leading / constants.coefficient, exponent);
}

}  // namespace iclk::theory
