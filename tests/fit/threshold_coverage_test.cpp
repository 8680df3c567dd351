#include <cmath>
#include <vector>

#include "iclk/core/random.hpp"
#include "iclk/fit/binary_threshold.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

bool holds(const Estimate& estimate, double truth) {
  return (!estimate.low || *estimate.low <= truth) && (!estimate.high || truth <= *estimate.high);
}

struct Coverage {
  double k_star = 0.0, width = 0.0, bounded = 0.0;  // shares
};

/// Eight K, a factor of two apart. K* is drawn anew within a step of the middle, as its place on the grid matters.
Coverage coverage(int seeds, double width, int n_sets, std::uint64_t seed) {
  Coverage result;
  for (int set = 0; set < n_sets; ++set) {
    Rng rng(seed, RandomPurpose::test, static_cast<std::uint64_t>(set));
    const double log_k_star = std::log(500.0) + (3 + rng.uniform()) * std::log(2.0);
    std::vector<fit::RunOutcome> runs;
    for (int k = 0; k < 8; ++k) {
      const double n_items = 500 * std::pow(2, k);
      for (int r = 0; r < seeds; ++r) {
        runs.push_back({.n_items = n_items, .acquired = std::log(n_items) + width * rng.normal() > log_k_star});
      }
    }
    const auto fit = fit::fit_threshold(runs, {.firth = false});
    result.k_star += holds(fit.k_star, std::exp(log_k_star)) ? 1.0 / n_sets : 0;
    result.width += holds(fit.width, width) ? 1.0 / n_sets : 0;
    result.bounded += fit.k_star.low && fit.k_star.high ? 1.0 / n_sets : 0;
  }
  return result;
}

double logistic(Rng& rng) {
  const double u = rng.uniform();
  return std::log(u) - std::log1p(-u);
}

void require_claimed(double share) {
  CHECK(share > 0.93);
  CHECK(share < 0.97);
}

}  // namespace

TEST_CASE("threshold coverage: K* at eight K with three and ten seeds", "[fit][threshold][.slow]") {
  for (const int seeds : {3, 10}) {
    for (const double width : {0.5, 1.0}) {
      const Coverage c = coverage(seeds, width, 2000, 71);
      UNSCOPED_INFO(seeds << " seeds, width " << width << ": K* " << c.k_star << ", width " << c.width << ", bounded "
                          << c.bounded);
      require_claimed(c.k_star);
      CHECK(c.bounded > 0.97);
    }
  }
}

TEST_CASE("threshold coverage: exponent of K*(N) with six N", "[fit][threshold][.slow]") {
  const double exponent = 1.4;
  const int n_sets = 2000;
  int covered = 0;
  for (int set = 0; set < n_sets; ++set) {
    Rng rng(72, RandomPurpose::test, static_cast<std::uint64_t>(set));
    std::vector<fit::RunOutcome> runs;
    const double shift = rng.uniform() * std::log(2.0);
    for (int n = 0; n < 6; ++n) {
      const double n_context = 25 * std::pow(2, n);
      for (int k = 0; k < 11; ++k) {
        const double n_items = 250 * std::pow(2, k);
        const double log_k_star = std::log(700.0) + shift + exponent * n * std::log(2.0);
        if (std::abs(std::log(n_items) - log_k_star) > 1.5) continue;
        for (int r = 0; r < 3; ++r) {
          runs.push_back({.n_items = n_items,
                          .acquired = std::log(n_items) + 0.35 * logistic(rng) > log_k_star,
                          .n_context = n_context});
        }
      }
    }
    covered += holds(fit::fit_threshold_scaling(runs, {.link = fit::Link::logit, .firth = false}).exponent, exponent);
  }
  CAPTURE(covered);
  require_claimed(static_cast<double>(covered) / n_sets);
}
