#include "binary_likelihood.hpp"

#include <boost/math/constants/constants.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <boost/math/tools/minima.hpp>
#include <limits>
#include <utility>

#include "iclk/core/logistic.hpp"

namespace iclk::fit {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kLogTwo = boost::math::constants::ln_two<double>();
constexpr double kLogRootTwoPi = 0.918938533204672741780329736406;  // ln sqrt(2 pi)
constexpr double kFarTail = -35;  // below, the asymptotic series of the normal tail is good to 1e-14

/// Phi(x) = exp(-x^2/2)/(-x sqrt(2 pi)) tail_series(x) for x << 0.
double tail_series(double x) {
  const double q = 1 / (x * x);
  return 1 - q * (1 - 3 * q * (1 - 5 * q * (1 - 7 * q * (1 - 9 * q))));
}

double log_normal_cdf(double x) {
  if (x < kFarTail) return -x * x / 2 - kLogRootTwoPi - std::log(-x) + std::log(tail_series(x));
  const double upper = boost::math::erfc(std::abs(x) * boost::math::constants::one_div_root_two<double>()) / 2;
  return x > 0 ? std::log1p(-upper) : std::log(upper);
}

/// phi(x)/Phi(x).
double inverse_mills(double x) {
  if (x < kFarTail) return -x / tail_series(x);
  return std::exp(-x * x / 2 - kLogRootTwoPi - log_normal_cdf(x));
}

}  // namespace

// Both links are symmetric, F(-x) = 1 - F(x), so that failures need no functions of their own.
double log_cdf(Link link, double x) { return link == Link::logit ? log_sigmoid(x) : log_normal_cdf(x); }

namespace {

/// d ln F/dx
double score(Link link, double x) { return link == Link::logit ? sigmoid(-x) : inverse_mills(x); }
/// -d^2 ln F/dx^2
double curvature(Link link, double x) {
  if (link == Link::logit) return sigmoid(x) * sigmoid(-x);
  constexpr double kOne = -1e4;  // below, 1 - curvature < 1e-8 is lost to cancellation
  if (x < kOne) return 1;
  const double mills = inverse_mills(x);
  return mills * (mills + x);
}
/// ln of f^2/(F (1 - F)), the information of one run about x
double log_information(Link link, double x) {
  if (link == Link::logit) return log_sigmoid(x) + log_sigmoid(-x);
  return -x * x - 2 * kLogRootTwoPi - log_normal_cdf(x) - log_normal_cdf(-x);
}
double quantile(Link link, double p) {
  if (link == Link::logit) return std::log(p) - std::log1p(-p);
  return boost::math::quantile(boost::math::normal(), p);
}

double level_log_likelihood(const BinaryLevel& level, Link link, double eta) {
  double sum = 0;
  if (level.acquired > 0) sum += level.acquired * log_cdf(link, eta);
  if (level.acquired < level.n) sum += (level.n - level.acquired) * log_cdf(link, -eta);
  return sum;
}

double level_score(const BinaryLevel& level, Link link, double eta) {
  double sum = 0;
  if (level.acquired > 0) sum += level.acquired * score(link, eta);
  if (level.acquired < level.n) sum -= (level.n - level.acquired) * score(link, -eta);
  return sum;
}

/// eta = intercept + slope u
double log_likelihood(const BinaryData& data, Link link, double intercept, double slope) {
  double sum = 0;
  for (const BinaryLevel& level : data.levels) sum += level_log_likelihood(level, link, intercept + slope * level.x);
  return sum;
}

/// n p ln p + n (1 - p) ln(1 - p) with p = acquired/n
double entropy_log_likelihood(double n, double acquired) {
  double sum = 0;
  if (acquired > 0) sum += acquired * std::log(acquired / n);
  if (acquired < n) sum += (n - acquired) * std::log1p(-acquired / n);
  return sum;
}

template <typename Function>
double root(const Function& function, double low, double high) {
  std::uintmax_t iterations = 300;
  constexpr int kBits = 50;
  const auto [a, b] = boost::math::tools::toms748_solve(function, low, high,
                                                        boost::math::tools::eps_tolerance<double>(kBits), iterations);
  return a + (b - a) / 2;
}

struct Line {
  double intercept = 0.0, slope = 0.0;
  bool converged = false;
};

/// Newton's iteration on the concave likelihood, each step halved until the likelihood does not fall. For the logit
/// this is iteratively reweighted least squares.
Line newton(const BinaryData& data, Link link) {
  Line line{.intercept = quantile(link, data.acquired / data.n)};
  double best = log_likelihood(data, link, line.intercept, line.slope);
  constexpr int kSteps = 100;
  for (int step = 0; step < kSteps; ++step) {
    double g0 = 0, g1 = 0, h00 = 0, h01 = 0, h11 = 0;
    for (const BinaryLevel& level : data.levels) {
      const double eta = line.intercept + line.slope * level.x;
      const double g = level_score(level, link, eta);
      const double h = level.acquired * curvature(link, eta) + (level.n - level.acquired) * curvature(link, -eta);
      g0 += g;
      g1 += g * level.x;
      h00 += h;
      h01 += h * level.x;
      h11 += h * level.x * level.x;
    }
    const double det = h00 * h11 - h01 * h01;
    if (!(det > 0)) return line;
    double d0 = (h11 * g0 - h01 * g1) / det;
    double d1 = (h00 * g1 - h01 * g0) / det;
    const double expected_gain = g0 * d0 + g1 * d1;  // twice the gain of a full step in the quadratic limit
    constexpr double kConverged = 1e-20;
    if (!(expected_gain > kConverged * data.n)) {
      line.converged = true;
      return line;
    }
    constexpr int kHalvings = 60;
    double next = -kInfinity;
    for (int halving = 0; halving < kHalvings; ++halving, d0 /= 2, d1 /= 2) {
      next = log_likelihood(data, link, line.intercept + d0, line.slope + d1);
      if (next >= best) break;
    }
    constexpr double kFlat = 1e-12;  // of the gain: what a step still moves is its square root
    if (!(next >= best)) {           // at the rounding error of the likelihood
      line.converged = expected_gain < kFlat * data.n;
      return line;
    }
    const bool flat = !(next > best) && expected_gain < kFlat * data.n;
    best = next;
    line.intercept += d0;
    line.slope += d1;
    if (flat) {  // this step was Newton's last correction; further ones move to and fro within rounding
      line.converged = true;
      return line;
    }
  }
  return line;
}

double penalized(const BinaryData& data, Link link, double intercept, double slope) {
  // det of the information = (sum w) (sum w (u - mean)^2), in logarithms about the level of largest weight.
  const std::size_t n = data.levels.size();
  std::vector<double> log_w(n);
  std::size_t top = 0;
  for (std::size_t i = 0; i < n; ++i) {
    log_w[i] = std::log(data.levels[i].n) + log_information(link, intercept + slope * data.levels[i].x);
    if (log_w[i] > log_w[top]) top = i;
  }
  double second = -kInfinity;
  for (std::size_t i = 0; i < n; ++i) {
    if (i != top) second = std::max(second, log_w[i]);
  }
  double total = 0, first_moment = 0, second_moment = 0;
  for (std::size_t i = 0; i < n; ++i) {
    total += std::exp(log_w[i] - log_w[top]);
    const double d = data.levels[i].x - data.levels[top].x;
    const double v = i == top ? 0.0 : std::exp(log_w[i] - second);
    first_moment += v * d;
    second_moment += v * d * d;
  }
  const double variance = second_moment - std::exp(second - log_w[top]) * first_moment * first_moment / total;
  const double log_det = log_w[top] + std::log(total) + second + std::log(variance);
  return log_likelihood(data, link, intercept, slope) + log_det / 2;
}

}  // namespace

BinaryData standardised(std::vector<BinaryLevel> levels) {
  std::sort(levels.begin(), levels.end(), [](const BinaryLevel& a, const BinaryLevel& b) { return a.x < b.x; });
  BinaryData data;
  const double range = levels.back().x - levels.front().x;
  data.center = levels.front().x + range / 2;
  data.range = range > 0 ? range : 1.0;
  constexpr double kSame = 1e-12;
  for (BinaryLevel level : levels) {
    level.x = data.u(level.x);
    data.n += level.n;
    data.acquired += level.acquired;
    if (!data.levels.empty() && level.x - data.levels.back().x <= kSame) {
      data.levels.back().n += level.n;
      data.levels.back().acquired += level.acquired;
    } else {
      data.levels.push_back(level);
    }
  }
  for (const BinaryLevel& level : data.levels) {
    if (level.acquired > 0 && level.acquired < level.n) ++data.n_mixed;
  }
  return data;
}

double saturated_log_likelihood(const BinaryData& data) {
  double sum = 0;
  for (const BinaryLevel& level : data.levels) sum += entropy_log_likelihood(level.n, level.acquired);
  return sum;
}

BinaryOptimum maximum_likelihood(const BinaryData& data, Link link) {
  const std::vector<BinaryLevel>& levels = data.levels;
  BinaryOptimum optimum;
  if (data.acquired >= data.n || data.acquired <= 0) {
    const bool all = data.acquired > 0;
    optimum.shape = all ? BinaryShape::all_acquired : BinaryShape::none_acquired;
    optimum.threshold = all ? levels.front().x - 1 : levels.back().x + 1;
    optimum.slope = kInfinity;
    return optimum;
  }
  double covariance = 0;
  for (const BinaryLevel& level : levels) covariance += level.x * (level.acquired - level.n * data.acquired / data.n);
  constexpr double kRounding = 1e-13;
  if (levels.size() == 1 || !(covariance > kRounding * data.n)) {
    // The best is one probability for all: a small slope and a far threshold, below when most runs acquire.
    constexpr double kFar = 1e6;
    const double excess = data.acquired - data.n / 2;
    optimum.log_likelihood = entropy_log_likelihood(data.n, data.acquired);
    optimum.threshold = excess > 0 ? -kFar : (excess < 0 ? kFar : 0.0);
    return optimum;
  }
  std::size_t first_acquired = 0, last_failed = levels.size() - 1;
  while (levels[first_acquired].acquired <= 0) ++first_acquired;
  while (levels[last_failed].acquired >= levels[last_failed].n) --last_failed;
  if (last_failed <= first_acquired) {
    optimum.shape = BinaryShape::separated;
    optimum.log_likelihood = entropy_log_likelihood(levels[last_failed].n, levels[last_failed].acquired);
    optimum.gap_low = levels[last_failed].x;
    optimum.gap_high = levels[first_acquired].x;
    optimum.threshold = optimum.gap_low + (optimum.gap_high - optimum.gap_low) / 2;
    if (last_failed == first_acquired) {
      // A mixed level holds its share only as slope -> infinity with the threshold beside it.
      constexpr double kBeside = 1e-9;
      optimum.threshold -= kBeside * quantile(link, levels[last_failed].acquired / levels[last_failed].n);
    }
    optimum.slope = kInfinity;
    return optimum;
  }
  const Line line = newton(data, link);
  optimum.shape = line.converged && line.slope > 0 ? BinaryShape::interior : BinaryShape::not_converged;
  optimum.slope = line.slope;
  optimum.threshold = -line.intercept / line.slope;
  optimum.log_likelihood = log_likelihood(data, link, line.intercept, line.slope);
  return optimum;
}

double profile_of_threshold(const BinaryData& data, Link link, double threshold) {
  const auto gain = [&](double slope) {
    double sum = 0;
    for (const BinaryLevel& level : data.levels) {
      const double d = level.x - threshold;
      sum += d * level_score(level, link, slope * d);
    }
    return sum;
  };
  const double at_zero = -data.n * kLogTwo;
  if (!(gain(0) > 0)) return at_zero;
  double low = 0, high = 1 / (1 + std::abs(threshold));
  constexpr double kSteepest = 1e15;
  while (gain(high) > 0) {
    if (high > kSteepest) break;
    low = high;
    high *= 4;
  }
  // eta is formed as slope (u - threshold): at steep slopes the intercept would lose it.
  const double slope = high > kSteepest ? high : root(gain, low, high);
  double sum = 0;
  for (const BinaryLevel& level : data.levels) {
    sum += level_log_likelihood(level, link, slope * (level.x - threshold));
  }
  return std::max(sum, at_zero);
}

double limit_of_threshold(const BinaryData& data, int side) {
  const bool more_acquire = data.acquired > data.n / 2;
  if ((side < 0) == more_acquire) return entropy_log_likelihood(data.n, data.acquired);
  return -data.n * kLogTwo;
}

double profile_of_slope(const BinaryData& data, Link link, double slope) {
  const auto gain = [&](double threshold) {  // of a lower threshold
    double sum = 0;
    for (const BinaryLevel& level : data.levels) sum += level_score(level, link, slope * (level.x - threshold));
    return sum;
  };
  if (!(slope > 0)) return entropy_log_likelihood(data.n, data.acquired);
  double low = -1, high = 1;
  while (gain(low) > 0) low *= 4;
  while (gain(high) < 0) high *= 4;
  const double threshold = root(gain, low, high);
  double sum = 0;
  for (const BinaryLevel& level : data.levels) {
    sum += level_log_likelihood(level, link, slope * (level.x - threshold));
  }
  return sum;
}

std::optional<FirthOptimum> firth_estimate(const BinaryData& data, Link link) {
  if (data.levels.size() < 2) return std::nullopt;
  double least_gap = kInfinity;
  for (std::size_t i = 1; i < data.levels.size(); ++i) {
    least_gap = std::min(least_gap, data.levels[i].x - data.levels[i - 1].x);
  }
  constexpr int kBits = 30;
  constexpr double kMargin = 10;  // of eta beyond all levels: nothing is gained further out
  std::uintmax_t iterations = 200;
  const auto best_intercept = [&](double slope) {
    const double reach = std::abs(slope) + kMargin;
    std::uintmax_t inner = 200;
    return boost::math::tools::brent_find_minima([&](double c) { return -penalized(data, link, c, slope); }, -reach,
                                                 reach, kBits, inner);
  };
  // Jeffreys' prior falls like exp(-slope gap/2) at least: the maximum has slope gap of order 1 to 10.
  constexpr double kSteepest = 40;
  const auto [slope, least] = boost::math::tools::brent_find_minima([&](double a) { return best_intercept(a).second; },
                                                                    -kMargin, kSteepest / least_gap, kBits, iterations);
  constexpr double kFlat = 1e-6;
  if (!(slope > kFlat) || !std::isfinite(least)) return std::nullopt;
  return FirthOptimum{.threshold = -best_intercept(slope).first / slope, .slope = slope};
}

}  // namespace iclk::fit
