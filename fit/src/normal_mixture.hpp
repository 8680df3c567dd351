#pragma once

#include <span>
#include <vector>

namespace iclk::fit {

/// Distinct values in increasing order with their numbers.
struct WeightedSample {
  std::vector<double> z, n;
  double total = 0.0, mean = 0.0, sd = 0.0;  ///< sd: of the maximum of the likelihood, divided by n
};

/// Joins equal values; more than `most` distinct ones are gathered on a grid of sd/1000.
WeightedSample weighted_sample(std::span<const double> sorted, std::size_t most = 4000);

struct TwoNormals {
  double weight = 0.5;  ///< of the second
  double mean[2] = {0, 0};
  double sd[2] = {1, 1};
  double log_likelihood = 0.0;
  bool converged = false;
};

struct MixtureEffort {
  int start_steps = 9;      ///< of each of nine starts; the best two go on
  int steps = 150;          ///< of those two
  double tolerance = 1e-4;  ///< change per step in units of the sample's sd, and of the weight
};
inline constexpr MixtureEffort kQuickMixture{};
inline constexpr MixtureEffort kFullMixture{.start_steps = 30, .steps = 3000, .tolerance = 1e-9};

inline constexpr double kLeastSd = 0.02;  ///< of a component, in units of the sample's sd; chosen

/// Largest likelihood of two normals whose standard deviations are at least kLeastSd of the sample's. Needs sd > 0.
TwoNormals fit_two_normals(const WeightedSample& sample, const MixtureEffort& effort);

/// The same with the weight fixed, from a given start.
TwoNormals fit_at_weight(const WeightedSample& sample, TwoNormals start, double weight);

double log_likelihood_of_one(const WeightedSample& sample);
double second_probability(const TwoNormals& mixture, double z);  ///< that a value belongs to the second

}  // namespace iclk::fit
