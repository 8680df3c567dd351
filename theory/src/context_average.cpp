#include "context_average.hpp"

#include <algorithm>
#include <array>
#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <numeric>

#include "iclk/core/logistic.hpp"

namespace iclk::theory {
namespace {

/// Probabilities below this share of the largest cannot change a sum of at most 1e6 terms in double.
constexpr double kNegligible = 1e-18;

/// Trapezoidal sums over a normal variable: at this step the error exp(-2 pi^2/step^2) of an entire function is 3e-18.
constexpr double kLargestStep = 0.7;
constexpr double kLastNode = 9.5;  // the normal density there is 1e-20
constexpr int kLevelsKept = 6;     // steps down to kLargestStep/32 are made once, 1700 numbers in all
constexpr int kFinestLevel = 13;   // 220 000 nodes; reached at |w| sqrt(N)/D ~ 6000

/// Sums over the lattice of p sigma(-(base + step i)) and of the same times S = first + spacing i.
struct Moments {
  double zeroth = 0.0;
  double first = 0.0;
};

/// The argument grows by the constant `step` from term to term, so its exponential is geometric: one multiplication
/// per term instead of one exp, in four interleaved sequences that the processor computes side by side. Each block
/// starts from a fresh exp, which keeps the rounding of the products below 16 units.
Moments wrong_label_moments(double base, double step, double first_sum, double spacing,
                            std::span<const double> probabilities) {
  constexpr std::size_t kLanes = 4;
  constexpr std::size_t kBlock = 64;
  const std::size_t n = probabilities.size();
  const double lane_ratio = std::exp(step);
  const double ratio = std::exp(step * static_cast<double>(kLanes));
  Moments total;
  for (std::size_t begin = 0; begin < n; begin += kBlock) {
    const std::size_t length = std::min(kBlock, n - begin);
    const double argument = base + step * static_cast<double>(begin);
    const double last_argument = argument + step * static_cast<double>(kBlock);
    const double sum_begin = first_sum + spacing * static_cast<double>(begin);
    double zeroth = 0.0;
    double index = 0.0;  // sum of terms times their place in the block
    std::size_t i = 0;
    if (std::max(std::abs(argument), std::abs(last_argument)) < 700.0) {
      std::array<double, kLanes> exponentials{};
      exponentials[0] = std::exp(argument);
      for (std::size_t lane = 1; lane < kLanes; ++lane) exponentials[lane] = exponentials[lane - 1] * lane_ratio;
      std::array<double, kLanes> zeroths{};
      std::array<double, kLanes> indices{};
      double place = 0.0;
      for (; i + kLanes <= length; i += kLanes) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
          const double term = probabilities[begin + i + lane] / (1.0 + exponentials[lane]);
          zeroths[lane] += term;
          indices[lane] += term * place;
          exponentials[lane] *= ratio;
        }
        place += static_cast<double>(kLanes);
      }
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        zeroth += zeroths[lane];
        index += indices[lane] + static_cast<double>(lane) * zeroths[lane];
      }
      for (std::size_t lane = 0; i < length; ++i, ++lane) {
        const double term = probabilities[begin + i] / (1.0 + exponentials[lane]);
        zeroth += term;
        index += term * static_cast<double>(i);
      }
    } else {
      for (; i < length; ++i) {
        const double term = probabilities[begin + i] * sigmoid(-(argument + step * static_cast<double>(i)));
        zeroth += term;
        index += term * static_cast<double>(i);
      }
    }
    total.zeroth += zeroth;
    total.first += sum_begin * zeroth + spacing * index;
  }
  return total;
}

/// Weights of normal nodes eta = i step, i = -m, ..., m; with `skew` times 1 + skew eta.
std::vector<double> normal_weights(double step, double skew) {
  const auto m = static_cast<int>(kLastNode / step);
  std::vector<double> weights;
  weights.reserve(2 * static_cast<std::size_t>(m) + 1);
  const double scale = step * 0.3989422804014326779399460599343819;  // 1/sqrt(2 pi)
  for (int i = -m; i <= m; ++i) {
    const double eta = step * i;
    weights.push_back(scale * std::exp(-0.5 * eta * eta) * (1.0 + skew * eta));
  }
  return weights;
}

}  // namespace

ContextAverage::ContextAverage(const ContextModel& context) : context_(context) {
  if (context.model == LossModel::balanced_exact) {
    random_share_ = 0.0;
  } else {
    random_share_ = context.label_variance;
  }
  inverse_dim_ = context.item_dim ? 1.0 / *context.item_dim : 0.0;
  make_groups();
  if (!(random_share_ > 0.0)) return;
  if (context.model == LossModel::binomial) {
    // Binomial(n, 1/2) outwards from its largest term, up to negligible ones; symmetric, so one side is enough.
    const double n = context.n_context - 1.0;
    const double mode = std::floor(0.5 * n);
    std::vector<double> down{1.0};
    for (double k = mode; k > 0.0; k -= 1.0) {
      const double term = down.back() * k / (n - k + 1.0);
      if (term < kNegligible) break;
      down.push_back(term);
    }
    probabilities_.assign(down.rbegin(), down.rend());
    const bool odd = mode + mode < n;  // two equal largest terms
    probabilities_.insert(probabilities_.end(), down.begin() + (odd ? 0 : 1), down.end());
    first_sum_ = 2.0 * (mode - static_cast<double>(down.size() - 1)) - n;
    // Summing from both ends towards the middle keeps the small terms.
    const double half = std::accumulate(down.rbegin(), down.rend(), 0.0);
    const double total = 2.0 * half - (odd ? 0.0 : 1.0);
    for (double& probability : probabilities_) probability /= total;
    return;
  }
  const double skew = context.model == LossModel::gaussian ? 1.0 / std::sqrt(context.n_context) : 0.0;
  for (int level = 0; level < kLevelsKept; ++level) {
    normal_weights_.push_back(normal_weights(std::ldexp(kLargestStep, -level), skew));
  }
}

/// Number of further copies: Binomial(N - 1, 1/K). |x|^2 of the target: chi-squared over d, a trapezoidal sum in its
/// logarithm, which for this density converges like that of a normal variable.
void ContextAverage::make_groups() {
  const double n = context_.n_context - 1.0;
  std::vector<Group> by_copies;
  if (context_.n_items) {
    const double k = *context_.n_items;
    const boost::math::binomial_distribution<double> copies(n, 1.0 / k);
    const double mode = std::min(n, std::floor((n + 1.0) / k));
    const double largest = boost::math::pdf(copies, mode);
    const auto add = [&](double m) {
      const double share = boost::math::pdf(copies, m);
      if (share < kNegligible * largest) return false;
      const double others = n - m;
      const double label = context_.balanced_items ? -1.0 / (k - 1.0) : 0.0;  // of each other token, on average
      const double variance = context_.balanced_items ? others * (1.0 - label * label)
                                                      : others * (1.0 + std::max(0.0, others - 1.0) / (k - 1.0));
      by_copies.push_back({.share = share,
                           .log_copies = std::log1p(m),
                           .others = others,
                           .mean_sum = others * label,
                           .widening = std::sqrt(variance / n),
                           .square = 1.0});
      return true;
    };
    for (double m = mode; m >= 0.0 && add(m); m -= 1.0) continue;
    for (double m = mode + 1.0; m <= n && add(m); m += 1.0) continue;
  } else {
    by_copies.push_back(
        {.share = 1.0, .log_copies = 0.0, .others = n, .mean_sum = 0.0, .widening = 1.0, .square = 1.0});
  }
  if (!context_.item_dim) {
    groups_ = by_copies;
  } else {
    const double d = *context_.item_dim;
    const double step = 0.8 * std::sqrt(2.0 / d);  // error exp(-2 pi^2/0.64) = 4e-14
    const auto add_node = [&](double u) {
      const double share = std::exp(0.5 * d * (u + 1.0 - std::exp(u)));
      if (share < kNegligible) return false;
      for (Group group : by_copies) {
        group.share *= share;
        group.square = std::exp(u);
        groups_.push_back(group);
      }
      return true;
    };
    for (int i = 0; add_node(-step * i); ++i) continue;
    for (int i = 1; add_node(step * i); ++i) continue;
  }
  double total = 0.0;
  for (const Group& group : groups_) total += group.share;
  for (Group& group : groups_) group.share /= total;
}

ContextAverage::Attention ContextAverage::attention(const Group& group, double beta) const {
  const double bend = beta * inverse_dim_ * group.square;  // beta r/d
  const double log_q = group.log_copies + beta * group.square - 0.5 * beta * bend;
  const double sigma = group.widening * (inverse_dim_ > 0.0 ? std::exp(0.5 * beta * bend) : 1.0);
  Attention result;
  if (log_q > 0.0) {  // without overflow of q
    const double p = std::exp(-log_q);
    result.on_copies = 1.0 / (1.0 + group.others * p);
    result.on_other = p / (1.0 + group.others * p);
  } else {
    const double q = std::exp(log_q);
    result.on_copies = q / (q + group.others);
    result.on_other = 1.0 / (q + group.others);
  }
  result.mean_x = result.on_copies + result.on_other * group.mean_sum;
  result.width = sigma * result.on_other;
  result.log_slope = group.square - bend;
  result.width_slope = bend * result.width;
  // Balanced contexts: the other labels sum to -(1 + m), so that X = (1 + m)(q - 1)/D; near beta = 0 exactly.
  const double copies = std::exp(group.log_copies);
  const double log_one = log_q - group.log_copies;
  result.balanced_x = std::abs(log_one) < 1.0 ? copies * result.on_other * std::expm1(log_one)
                                              : result.on_copies - copies * result.on_other;
  result.balanced_slope = result.log_slope * result.on_copies * result.on_other * (group.others + copies);
  return result;
}

ContextAverage::Lattice ContextAverage::lattice(double x_per_sum, std::vector<double>& storage) const {
  if (context_.model == LossModel::binomial) return {first_sum_, 2.0, probabilities_};
  // In eta the argument of sigma has the slope `slope`, and the nearest singularity is at height pi/slope. Of the two
  // errors exp(-2 pi y/step + y^2/2) at the height y = min(2 pi/step, singularity) we want exp(-39) = 1e-17.
  const bool skewed = context_.model == LossModel::gaussian;
  const double sum_per_eta = std::sqrt(skewed ? context_.n_context : context_.n_context - 1.0);
  const double height = 3.14159265358979323846 / (std::abs(x_per_sum) * sum_per_eta);
  const double step =
      height < 8.8 ? 2.0 * 3.14159265358979323846 * height / (39.0 + 0.5 * height * height) : kLargestStep;
  int level = 0;
  while (level < kFinestLevel && std::ldexp(kLargestStep, -level) > step) ++level;
  const double used_step = std::ldexp(kLargestStep, -level);
  if (level >= kLevelsKept) storage = normal_weights(used_step, skewed ? 1.0 / sum_per_eta : 0.0);
  const std::vector<double>& weights = level < kLevelsKept ? normal_weights_[static_cast<std::size_t>(level)] : storage;
  const double spacing = used_step * sum_per_eta;
  return {-spacing * 0.5 * static_cast<double>(weights.size() - 1) - (skewed ? 1.0 : 0.0), spacing, weights};
}

Descent ContextAverage::descent(FlowState state, std::span<const double> logits,
                                std::span<const double> weights) const {
  Descent result;
  std::vector<double> storage;
  for (const Group& group : groups_) {
    const Attention at = attention(group, state.beta);
    if (random_share_ > 0.0) {
      const Lattice values = lattice(state.w * at.width, storage);
      const double base = state.w * (at.mean_x + at.width * values.first);
      const double step = state.w * at.width * values.spacing;
      Moments mean;
      for (std::size_t j = 0; j < logits.size(); ++j) {
        const Moments moments =
            wrong_label_moments(logits[j] + base, step, values.first, values.spacing, values.weights);
        mean.zeroth += weights[j] * moments.zeroth;
        mean.first += weights[j] * moments.first;
      }
      const double share = group.share * random_share_;
      result.w += share * (at.mean_x * mean.zeroth + at.width * mean.first);
      // dX/dbeta = (d ln Q/d beta) a (b n - b mean - b sigma S) + b sigma' S.
      result.beta += share * state.w *
                     (at.log_slope * at.on_copies *
                          (at.on_other * (group.others - group.mean_sum) * mean.zeroth - at.width * mean.first) +
                      at.width_slope * mean.first);
      result.wrong += share * mean.zeroth;
      result.size += share * (at.on_copies + at.width * std::sqrt(group.others)) * mean.zeroth;
    }
    if (random_share_ < 1.0) {
      double wrong = 0.0;
      for (std::size_t j = 0; j < logits.size(); ++j) {
        wrong += weights[j] * sigmoid(-logits[j] - state.w * at.balanced_x);
      }
      const double share = group.share * (1.0 - random_share_);
      result.w += share * at.balanced_x * wrong;
      result.beta += share * state.w * at.balanced_slope * wrong;
      result.wrong += share * wrong;
      result.size += share * std::abs(at.balanced_x) * wrong;
    }
  }
  return result;
}

double ContextAverage::loss(FlowState state, std::span<const double> logits, std::span<const double> weights) const {
  double loss = 0.0;
  std::vector<double> storage;
  for (const Group& group : groups_) {
    const Attention at = attention(group, state.beta);
    double random = 0.0;
    double balanced = 0.0;
    if (random_share_ > 0.0) {
      const Lattice values = lattice(state.w * at.width, storage);
      const double base = state.w * (at.mean_x + at.width * values.first);
      const double step = state.w * at.width * values.spacing;
      for (std::size_t j = 0; j < logits.size(); ++j) {
        double sum = 0.0;
        for (std::size_t i = 0; i < values.weights.size(); ++i) {
          sum += values.weights[i] * softplus(-logits[j] - base - step * static_cast<double>(i));
        }
        random += weights[j] * sum;
      }
    }
    if (random_share_ < 1.0) {
      for (std::size_t j = 0; j < logits.size(); ++j) {
        balanced += weights[j] * softplus(-logits[j] - state.w * at.balanced_x);
      }
    }
    loss += group.share * (random_share_ * random + (1.0 - random_share_) * balanced);
  }
  return loss;
}

double ContextAverage::mean_x(FlowState state) const {
  double mean = 0.0;
  for (const Group& group : groups_) {
    const Attention at = attention(group, state.beta);
    mean += group.share * (random_share_ * at.mean_x + (1.0 - random_share_) * at.balanced_x);
  }
  return mean;
}

}  // namespace iclk::theory
