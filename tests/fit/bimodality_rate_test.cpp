#include <cmath>
#include <ctime>
#include <vector>

#include "iclk/core/random.hpp"
#include "iclk/fit/bimodality.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

TEST_CASE("bimodality rates: the dip rejects five per cent of uniform samples", "[fit][bimodality][.slow]") {
  const int n_sets = 4000;
  for (const std::size_t n : {12, 40, 150}) {
    fit::BimodalityTester test({.dip_resamples = 20000, .mixture_resamples = 0, .seed = 5});
    int rejected = 0, below_half = 0;
    for (int set = 0; set < n_sets; ++set) {
      Rng rng(83, RandomPurpose::test, static_cast<std::uint64_t>(set));
      std::vector<double> values;
      for (std::size_t i = 0; i < n; ++i) values.push_back(rng.uniform());
      const double p = *test.dip(values).p_value;
      rejected += p <= 0.05 ? 1 : 0;
      below_half += p <= 0.5 ? 1 : 0;
    }
    CAPTURE(n, rejected, below_half);
    // Standard errors of the share among 4000 sets and of the simulated limit add: sqrt(p(1-p)(1/4000 + 1/20000)).
    const auto error = [](double p) { return 3.5 * std::sqrt(p * (1 - p) * (1.0 / 4000 + 1.0 / 20000)); };
    CHECK_THAT(rejected / double{n_sets}, WithinAbs(0.05, error(0.05)));
    CHECK_THAT(below_half / double{n_sets}, WithinAbs(0.5, error(0.5)));
  }
}

TEST_CASE("bimodality rates: the mixture rejects five per cent of normal samples", "[fit][bimodality][.slow]") {
  const int n_sets = 1000;
  fit::BimodalityTester test(
      {.scale = fit::MixtureScale::linear, .dip_resamples = 0, .mixture_resamples = 1999, .seed = 6});
  int rejected = 0;
  for (int set = 0; set < n_sets; ++set) {
    Rng rng(84, RandomPurpose::test, static_cast<std::uint64_t>(set));
    std::vector<double> values;
    for (int i = 0; i < 30; ++i) values.push_back(3 + 7 * rng.normal());
    rejected += *test(values).mixture.p_value <= 0.05 ? 1 : 0;
  }
  CAPTURE(rejected);
  const double error = 3.5 * std::sqrt(0.05 * 0.95 * (1.0 / n_sets + 1.0 / 2000));
  CHECK_THAT(rejected / double{n_sets}, WithinAbs(0.05, error));
}

TEST_CASE("bimodality rates: both tests see two peaks", "[fit][bimodality][.slow]") {
  const int n_sets = 4000;
  fit::BimodalityTester test({.mixture_resamples = 199, .seed = 7});
  int by_dip = 0, by_mixture = 0, covered = 0;
  for (int set = 0; set < n_sets; ++set) {
    Rng rng(85, RandomPurpose::test, static_cast<std::uint64_t>(set));
    std::vector<double> values;
    for (int i = 0; i < 40; ++i) {  // accuracies about 0.5 and, with probability 0.6, about 0.95
      const double z = rng.uniform() < 0.6 ? 3 + 0.6 * rng.normal() : 0.3 * rng.normal();
      values.push_back(1 / (1 + std::exp(-z)));
    }
    const auto result = test(values);
    by_dip += *result.dip.p_value <= 0.05 ? 1 : 0;
    by_mixture += *result.mixture.p_value <= 0.05 ? 1 : 0;
    const Estimate& share = result.mixture.high_weight;
    covered += *share.low <= 0.6 && 0.6 <= *share.high ? 1 : 0;
  }
  CAPTURE(by_dip, by_mixture, covered);
  CHECK(by_dip > 0.85 * n_sets);  // the dip is the weaker test here: 0.90 with a standard error of 0.005
  CHECK(by_mixture > 0.95 * n_sets);
  CHECK(covered > 0.93 * n_sets);  // of the interval of the share
  CHECK(covered < 0.97 * n_sets);
}

TEST_CASE("bimodality rates: a million values take seconds", "[fit][bimodality][.slow]") {
  std::vector<double> values;
  Rng rng(86, RandomPurpose::test, 0);
  for (int i = 0; i < 1'000'000; ++i) {
    const double z = rng.uniform() < 0.6 ? 3 + 0.6 * rng.normal() : 0.3 * rng.normal();
    values.push_back(1 / (1 + std::exp(-z)));
  }
  const std::clock_t start = std::clock();
  const auto result = fit::test_bimodality(values);
  const double spent = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  CHECK(result.outcome == fit::BimodalityOutcome::tested);
  CHECK_THAT(*result.mixture.high_weight.value, WithinAbs(0.6, 4 * std::sqrt(0.24 / 1e6)));
  CHECK(*result.dip.p_value < 0.001);
  CHECK(spent < 10);
}
