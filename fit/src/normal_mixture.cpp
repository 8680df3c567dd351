#include "normal_mixture.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "iclk/core/logistic.hpp"

namespace iclk::fit {
namespace {

constexpr double kLogRootTwoPi = 0.918938533204672741780329736406;  // ln sqrt(2 pi)

double log_normal(double z, double mean, double sd) {
  const double d = (z - mean) / sd;
  return -d * d / 2 - std::log(sd) - kLogRootTwoPi;
}

void set_moments(WeightedSample& sample) {
  double sum = 0;
  for (std::size_t i = 0; i < sample.z.size(); ++i) sum += sample.n[i] * sample.z[i];
  sample.mean = sum / sample.total;
  double squares = 0;
  for (std::size_t i = 0; i < sample.z.size(); ++i) {
    squares += sample.n[i] * (sample.z[i] - sample.mean) * (sample.z[i] - sample.mean);
  }
  sample.sd = std::sqrt(squares / sample.total);
}

/// Weighted sums of one component.
struct Moments {
  double weight = 0.0, first = 0.0, second = 0.0;
  void add(double w, double d) {
    weight += w;
    first += w * d;
    second += w * d * d;
  }
};

/// Maximum of the expected likelihood given the shares: weighted means and variances, the latter not below the bound
/// (the expected likelihood falls on both sides of its maximum in each variance, so the bound is then the best).
void maximise(const WeightedSample& sample, const Moments (&moments)[2], TwoNormals& mixture, bool weight_is_free) {
  for (int c = 0; c < 2; ++c) {
    const Moments& m = moments[c];
    if (!(m.weight > 0)) continue;
    const double d = m.first / m.weight;
    mixture.mean[c] = sample.mean + d;
    const double variance = std::max(m.second / m.weight - d * d, 0.0);
    mixture.sd[c] = std::max(std::sqrt(variance), kLeastSd * sample.sd);
  }
  if (weight_is_free) mixture.weight = moments[1].weight / sample.total;
}

/// One step of expectation and maximisation; the likelihood is that before the step.
void step(const WeightedSample& sample, TwoNormals& mixture, bool weight_is_free) {
  const double log_weight[2] = {std::log1p(-mixture.weight), std::log(mixture.weight)};
  double scale[2], offset[2];
  for (int c = 0; c < 2; ++c) {
    scale[c] = 1 / mixture.sd[c];
    offset[c] = log_weight[c] - std::log(mixture.sd[c]) - kLogRootTwoPi;
  }
  Moments moments[2];
  double log_likelihood = 0;
  for (std::size_t i = 0; i < sample.z.size(); ++i) {
    const double a = (sample.z[i] - mixture.mean[0]) * scale[0];
    const double b = (sample.z[i] - mixture.mean[1]) * scale[1];
    const double first = offset[0] - a * a / 2, second = offset[1] - b * b / 2;
    const double e = std::exp(-std::abs(second - first));
    const double larger = 1 / (1 + e);
    const double share = second > first ? larger : e * larger;
    log_likelihood += sample.n[i] * (std::max(first, second) + std::log1p(e));
    const double d = sample.z[i] - sample.mean;
    moments[0].add(sample.n[i] * (1 - share), d);
    moments[1].add(sample.n[i] * share, d);
  }
  mixture.log_likelihood = log_likelihood;
  maximise(sample, moments, mixture, weight_is_free);
}

/// The parameters without bounds, where steps can be prolonged.
using Parameters = std::array<double, 5>;  // ln odds of the weight, means, ln sd

Parameters to_parameters(const TwoNormals& mixture) {
  return {std::log(mixture.weight) - std::log1p(-mixture.weight), mixture.mean[0], mixture.mean[1],
          std::log(mixture.sd[0]), std::log(mixture.sd[1])};
}

TwoNormals from_parameters(const Parameters& p, const WeightedSample& sample) {
  TwoNormals mixture;
  mixture.weight = sigmoid(p[0]);
  for (int c = 0; c < 2; ++c) {
    mixture.mean[c] = p[1 + c];
    mixture.sd[c] = std::max(std::exp(p[3 + c]), kLeastSd * sample.sd);
  }
  return mixture;
}

bool inside(const TwoNormals& mixture) { return mixture.weight > 0 && mixture.weight < 1; }

/// Two steps prolonged along their differences (Varadhan and Roland 2008, SQUAREM with their third step length): the plain
/// iteration gains a constant factor per step, which is near 1 for components that overlap.
std::optional<TwoNormals> prolonged(const TwoNormals& zero, const TwoNormals& one, const TwoNormals& two,
                                    const WeightedSample& sample, bool weight_is_free) {
  if (!inside(one) || !inside(two)) return std::nullopt;
  const Parameters p0 = to_parameters(zero), p1 = to_parameters(one), p2 = to_parameters(two);
  double first = 0, second = 0;
  Parameters r{}, v{};
  for (std::size_t i = 0; i < p0.size(); ++i) {
    const double unit = i == 1 || i == 2 ? sample.sd : 1.0;
    r[i] = p1[i] - p0[i];
    v[i] = (p2[i] - p1[i]) - r[i];
    first += r[i] * r[i] / (unit * unit);
    second += v[i] * v[i] / (unit * unit);
  }
  if (!(second > 0)) return std::nullopt;
  const double length = std::sqrt(first / second);
  if (!(length > 1)) return std::nullopt;  // no longer than the two steps themselves
  Parameters p{};
  for (std::size_t i = 0; i < p.size(); ++i) p[i] = p0[i] + 2 * length * r[i] + length * length * v[i];
  TwoNormals mixture = from_parameters(p, sample);
  if (!weight_is_free) mixture.weight = zero.weight;
  const bool finite = std::isfinite(mixture.mean[0]) && std::isfinite(mixture.mean[1]) &&
                      std::isfinite(mixture.sd[0]) && std::isfinite(mixture.sd[1]);
  return finite && inside(mixture) ? std::optional(mixture) : std::nullopt;
}

void iterate(const WeightedSample& sample, TwoNormals& mixture, int steps, double tolerance, bool weight_is_free) {
  for (int i = 0; i < steps && !mixture.converged; i += 3) {
    const TwoNormals zero = mixture;
    step(sample, mixture, weight_is_free);
    const double log_likelihood = mixture.log_likelihood;  // of `zero`
    double change = std::abs(mixture.weight - zero.weight);
    for (int c = 0; c < 2; ++c) {
      change = std::max({change, std::abs(mixture.mean[c] - zero.mean[c]) / sample.sd,
                         std::abs(mixture.sd[c] - zero.sd[c]) / sample.sd});
    }
    // A weight of 0 or 1 is one normal: it stays there.
    mixture.converged = change < tolerance || !inside(mixture);
    if (mixture.converged) break;
    const TwoNormals one = mixture;
    step(sample, mixture, weight_is_free);
    if (auto further = prolonged(zero, one, mixture, sample, weight_is_free)) {
      step(sample, *further, weight_is_free);
      if (further->log_likelihood >= log_likelihood && inside(*further)) mixture = *further;
    }
  }
}

double log_likelihood_of(const WeightedSample& sample, const TwoNormals& mixture) {
  if (!inside(mixture)) return log_likelihood_of_one(sample);
  TwoNormals copy = mixture;
  step(sample, copy, false);
  return copy.log_likelihood;
}

/// The sample split after the share `part` of it.
TwoNormals split(const WeightedSample& sample, double part) {
  Moments moments[2];
  double before = 0;
  for (std::size_t i = 0; i < sample.z.size(); ++i) {
    const bool first_half = i == 0 || (before + sample.n[i] / 2 < part * sample.total && i + 1 < sample.z.size());
    moments[first_half ? 0 : 1].add(sample.n[i], sample.z[i] - sample.mean);
    before += sample.n[i];
  }
  TwoNormals mixture;
  maximise(sample, moments, mixture, true);
  return mixture;
}

}  // namespace

WeightedSample weighted_sample(std::span<const double> sorted, std::size_t most) {
  WeightedSample sample;
  const auto add = [&](double z, double n) {
    if (sample.z.empty() || sample.z.back() < z) {
      sample.z.push_back(z);
      sample.n.push_back(0);
    }
    sample.n.back() += n;
  };
  for (const double z : sorted) add(z, 1);
  sample.total = static_cast<double>(sorted.size());
  set_moments(sample);
  if (sample.z.size() > most) {
    const WeightedSample exact = std::move(sample);
    constexpr double kStepsPerSd = 1000;
    const double grid = exact.sd / kStepsPerSd;
    sample = {};
    for (std::size_t i = 0; i < exact.z.size(); ++i) {
      add(exact.mean + grid * std::round((exact.z[i] - exact.mean) / grid), exact.n[i]);
    }
    sample.total = exact.total;
    set_moments(sample);
  }
  return sample;
}

TwoNormals fit_two_normals(const WeightedSample& sample, const MixtureEffort& effort) {
  std::vector<TwoNormals> starts;
  for (const double part : {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9}) {
    TwoNormals mixture = split(sample, part);
    iterate(sample, mixture, effort.start_steps, effort.tolerance, true);
    starts.push_back(mixture);
  }
  std::partial_sort(starts.begin(), starts.begin() + 2, starts.end(),
                    [](const TwoNormals& a, const TwoNormals& b) { return a.log_likelihood > b.log_likelihood; });
  for (int i = 0; i < 2; ++i) {
    iterate(sample, starts[i], effort.steps, effort.tolerance, true);
    starts[i].log_likelihood = log_likelihood_of(sample, starts[i]);
  }
  TwoNormals best = starts[starts[1].log_likelihood > starts[0].log_likelihood ? 1 : 0];
  if (best.mean[0] > best.mean[1]) {
    std::swap(best.mean[0], best.mean[1]);
    std::swap(best.sd[0], best.sd[1]);
    best.weight = 1 - best.weight;
  }
  return best;
}

TwoNormals fit_at_weight(const WeightedSample& sample, TwoNormals start, double weight) {
  start.weight = weight;
  start.converged = false;
  constexpr int kSteps = 5000;
  constexpr double kTolerance = 1e-8;
  iterate(sample, start, kSteps, kTolerance, false);
  start.log_likelihood = log_likelihood_of(sample, start);
  return start;
}

double log_likelihood_of_one(const WeightedSample& sample) {
  return -sample.total * (std::log(sample.sd) + kLogRootTwoPi + 0.5);
}

double second_probability(const TwoNormals& mixture, double z) {
  if (!(mixture.weight > 0)) return 0;
  if (!(mixture.weight < 1)) return 1;
  const double first = std::log1p(-mixture.weight) + log_normal(z, mixture.mean[0], mixture.sd[0]);
  const double second = std::log(mixture.weight) + log_normal(z, mixture.mean[1], mixture.sd[1]);
  return sigmoid(second - first);
}

}  // namespace iclk::fit
