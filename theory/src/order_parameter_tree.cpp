#include "order_parameter_tree.hpp"

#include <algorithm>
#include <boost/math/quadrature/gauss.hpp>
#include <boost/math/special_functions/binomial.hpp>
#include <cmath>
#include <limits>

namespace iclk::theory {
namespace {

constexpr int kTerms = kOrderParameterDegree + 1;
using Terms = std::array<double, kTerms>;

/// Share of s by which the blow-up may move through one approximated interval.
constexpr double kTolerance = 1e-10;

constexpr double kNegligibleTerm = 1e-15;

/// A function with its singularity no closer than h/kStepFraction to the start of a step h has Legendre coefficients
/// on it that fall as kDecay^-n: kDecay = x + sqrt(x^2 - 1), x = 2/kStepFraction - 1.
const double kDecay = [] {
  const double x = 2.0 / kStepFraction - 1.0;
  return x + std::sqrt(x * x - 1.0);
}();

/// c2 on an interval of s: Legendre coefficients in x in [-1, 1] and the root mean square of what they leave out.
struct Interval {
  double begin = 0.0;
  double length = 0.0;
  Terms legendre{};
  double left_out = 0.0;
};

Terms legendre_polynomials(double x) {
  Terms p{};
  p[0] = 1.0;
  p[1] = x;
  for (int n = 1; n + 1 < kTerms; ++n) p[n + 1] = ((2 * n + 1) * x * p[n] - n * p[n - 1]) / (n + 1);
  return p;
}

double value(const Terms& legendre, const Terms& polynomials) {
  double sum = 0.0;
  for (int n = 0; n < kTerms; ++n) sum += legendre[n] * polynomials[n];
  return sum;
}

/// Nodes and weights of Gauss-Legendre quadrature on [-1, 1].
template <int kPoints>
struct GaussRule {
  std::array<double, kPoints> x{}, weight{};
  GaussRule() {
    using Rule = boost::math::quadrature::gauss<double, kPoints>;
    int n = 0;
    for (std::size_t i = 0; i < Rule::abscissa().size(); ++i) {
      const double node = Rule::abscissa()[i];
      for (const double sign : {-1.0, 1.0}) {
        if (node <= 0.0 && sign < 0.0) continue;  // the middle point once
        x[n] = sign * node;
        weight[n++] = Rule::weights()[i];
      }
    }
  }
};

/// The projection of c2 on [t0, t1], inside one interval of the curve's interpolant, where c1 and c2 are polynomials.
Interval project(const OrderParameterCurves& curves, double n_context, double t0, double t1) {
  static const GaussRule<15> rule;  // exact for what occurs there: c1 c2 P_5(x(s(t))) has degree 26
  const double s0 = curves.c1.integral(t0) / n_context;
  Interval result;
  result.begin = s0;
  result.length = curves.c1.integral(t1) / n_context - s0;
  if (!(result.length > 0.0)) return result;
  std::array<double, 15> share{}, c2{};
  std::array<Terms, 15> polynomials{};
  for (int i = 0; i < 15; ++i) {
    const double t = std::clamp(t0 + 0.5 * (1.0 + rule.x[i]) * (t1 - t0), t0, t1);
    const double s = curves.c1.integral(t) / n_context;
    share[i] = 0.5 * rule.weight[i] * (t1 - t0) * curves.c1(t) / n_context / result.length;
    c2[i] = curves.c2(t);
    polynomials[i] = legendre_polynomials(std::clamp(2.0 * (s - s0) / result.length - 1.0, -1.0, 1.0));
    for (int n = 0; n < kTerms; ++n) result.legendre[n] += (2 * n + 1) * share[i] * c2[i] * polynomials[i][n];
  }
  double square = 0.0;
  for (int i = 0; i < 15; ++i) square += share[i] * std::pow(c2[i] - value(result.legendre, polynomials[i]), 2);
  result.left_out = std::sqrt(square);
  return result;
}

/// The projection of two neighbours on the interval that they form: exact, from their own projections.
Interval join(const Interval& a, const Interval& b) {
  static const GaussRule<7> rule;  // exact for products of two polynomials of degree 5
  static const std::array<Terms, 7> child = [] {
    std::array<Terms, 7> polynomials{};
    for (int i = 0; i < 7; ++i) polynomials[i] = legendre_polynomials(rule.x[i]);
    return polynomials;
  }();
  Interval result;
  result.begin = a.begin;
  result.length = a.length + b.length;
  std::array<double, 14> share{}, c2{};
  std::array<Terms, 14> polynomials{};
  for (int half = 0; half < 2; ++half) {
    const Interval& part = half == 0 ? a : b;
    const double start = half == 0 ? 0.0 : a.length;
    for (int i = 0; i < 7; ++i) {
      const int at = 7 * half + i;
      const double x = 2.0 * (start + 0.5 * (1.0 + rule.x[i]) * part.length) / result.length - 1.0;
      share[at] = 0.5 * rule.weight[i] * part.length / result.length;
      c2[at] = value(part.legendre, child[i]);
      polynomials[at] = legendre_polynomials(x);
      for (int n = 0; n < kTerms; ++n) result.legendre[n] += (2 * n + 1) * share[at] * c2[at] * polynomials[at][n];
    }
  }
  double square = (a.length * a.left_out * a.left_out + b.length * b.left_out * b.left_out) / result.length;
  for (int i = 0; i < 14; ++i) square += share[i] * std::pow(c2[i] - value(result.legendre, polynomials[i]), 2);
  result.left_out = std::sqrt(square);
  return result;
}

/// Errors are relative to s, but not to less than 1: trajectories that end earlier hardly feel c2 change.
double allowed(const Interval& interval) { return kTolerance * std::max(1.0, interval.begin); }

/// A leaf is used by steps that do not see the whole of it; its error acts over the distance to the blow-up at which
/// such steps begin.
bool fits_leaf(const Interval& interval) {
  const double distance = interval.length / kStepFraction;
  return interval.left_out < 1e-15 || 3.0 * interval.left_out * distance * distance <= allowed(interval);
}

/// Coefficients in y = (x + 1)/2: P_n(2 y - 1) = sum_k (-1)^(n+k) C(n,k) C(n+k,k) y^k.
Terms in_powers(const Terms& legendre) {
  static const std::array<Terms, kTerms> matrix = [] {
    std::array<Terms, kTerms> rows{};
    for (int n = 0; n < kTerms; ++n) {
      for (int k = 0; k <= n; ++k) {
        const auto choose = [](int of, int some) {
          return boost::math::binomial_coefficient<double>(static_cast<unsigned>(of), static_cast<unsigned>(some));
        };
        rows[n][k] = ((n + k) % 2 == 0 ? 1.0 : -1.0) * std::round(choose(n, k)) * std::round(choose(n + k, k));
      }
    }
    return rows;
  }();
  Terms result{};
  for (int n = 0; n < kTerms; ++n) {
    for (int k = 0; k <= n; ++k) result[k] += legendre[n] * matrix[n][k];
  }
  return result;
}

/// Leaves from left to right: parts of the curve's own intervals where it is rough, joined ones where it is smooth.
std::vector<Interval> make_leaves(const OrderParameterCurves& curves, double n_context) {
  std::vector<Interval> leaves;
  const double before = curves.c1.start_time() * curves.c1.values().front() / n_context;
  const auto append = [&](const Interval& next) {
    if (!(next.length > 0.0)) return;  // c1 so small that s does not move
    if (!leaves.empty()) {
      const Interval joined = join(leaves.back(), next);
      if (fits_leaf(joined)) {
        leaves.back() = joined;
        return;
      }
    }
    leaves.push_back(next);
  };
  if (before > 0.0) {
    Interval start;
    start.length = before;
    start.legendre[0] = curves.c2.values().front();
    append(start);
  }
  const auto times = curves.c1.times();
  for (std::size_t i = 0; i + 1 < times.size(); ++i) {
    std::vector<Interval> parts;
    for (int n_parts = 1; n_parts <= 256; n_parts *= 2) {
      parts.clear();
      bool fits = true;
      for (int part = 0; part < n_parts; ++part) {
        const double width = (times[i + 1] - times[i]) / n_parts;
        const double t0 = times[i] + part * width;
        const double t1 = part + 1 == n_parts ? times[i + 1] : times[i] + (part + 1) * width;
        parts.push_back(project(curves, n_context, t0, t1));
        parts.back().begin += before;
        fits = fits && fits_leaf(parts.back());
      }
      if (fits) break;
    }
    for (const Interval& part : parts) append(part);
  }
  return leaves;
}

/// A term c_k y^k of c2 by itself brings w' = -c_k y^k w, hence exp(-c_k h y^(k+1)/(k+1)), into the Taylor series of a
/// step h over the whole interval: what is then left out must be small too.
bool converges(const Terms& c2, double length) {
  double left_out = 0.0;
  for (int k = 1; k < kTerms; ++k) {
    const double n = kTaylorOrder / (k + 1.0);
    left_out += std::pow(std::abs(c2[k]) * length / (k + 1), n) / std::tgamma(n + 1.0);
  }
  return left_out <= kTolerance;
}

bool fits_whole_step(const Interval& interval, const Terms& c2) {
  return 3.0 * interval.left_out * interval.length * std::pow(kDecay, -kTerms) <= allowed(interval) &&
         converges(c2, interval.length);
}

OrderParameterTree::Node make_node(const Interval& interval) {
  // What is left of a constant c2 in the higher terms is rounding.
  Terms legendre = interval.legendre;
  for (int n = 1; n < kTerms; ++n) {
    if (std::abs(legendre[n]) < kNegligibleTerm * (2 * n + 1)) legendre[n] = 0.0;
  }
  OrderParameterTree::Node node;
  node.c2 = in_powers(legendre);
  node.length = interval.length;
  node.whole_step = fits_whole_step(interval, node.c2) ? interval.length : std::numeric_limits<double>::infinity();
  return node;
}

}  // namespace

OrderParameterTree::OrderParameterTree(const OrderParameterCurves& curves, double n_context) {
  std::vector<Interval> intervals = make_leaves(curves, n_context);
  end_c2_ = curves.c2.values().back();
  if (intervals.empty()) return;  // s does not move at all
  for (const Interval& leaf : intervals) begins_.push_back(leaf.begin);
  end_ = intervals.back().begin + intervals.back().length;
  for (const Interval& leaf : intervals) inverse_lengths_.push_back(1.0 / leaf.length);
  while (!intervals.empty()) {
    levels_.push_back({nodes_.size(), intervals.size()});
    for (const Interval& interval : intervals) nodes_.push_back(make_node(interval));
    std::vector<Interval> pairs;
    for (std::size_t i = 0; i + 1 < intervals.size(); i += 2) pairs.push_back(join(intervals[i], intervals[i + 1]));
    intervals = std::move(pairs);
  }
  levels_.push_back({nodes_.size(), 0});
  steepest_after_.resize(begins_.size());
  double steepest = 0.0;
  for (std::size_t i = begins_.size(); i-- > 0;) {
    const Node& node = leaf(i);
    double slope = 0.0;
    for (int k = 1; k < kTerms; ++k) slope += k * std::abs(node.c2[k]) / node.length;
    steepest_after_[i] = steepest = std::max(steepest, slope);
  }
}

double OrderParameterTree::c2(std::size_t leaf_index, double s) const noexcept {
  if (s >= end_) return end_c2_;
  const auto next = std::upper_bound(begins_.begin() + static_cast<std::ptrdiff_t>(leaf_index) + 1, begins_.end(), s);
  const auto at = static_cast<std::size_t>(next - begins_.begin()) - 1;
  const Node& node = leaf(at);
  const double y = (s - begins_[at]) / node.length;
  double sum = node.c2[kTerms - 1];
  for (int k = kTerms - 2; k >= 0; --k) sum = sum * y + node.c2[k];
  return std::clamp(sum, 0.0, 1.0);  // rounding only: c2 itself never leaves [0, 1]
}

}  // namespace iclk::theory
