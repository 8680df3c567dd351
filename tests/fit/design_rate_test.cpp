#include <cmath>
#include <vector>

#include "iclk/core/random.hpp"
#include "iclk/fit/binary_threshold.hpp"
#include "iclk/fit/design.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

struct Interval {
  double low = 0.0, high = 0.0;  // of ln K*
};

/// A bound that is missing counts as the edge of the allowed K.
Interval interval(const std::vector<fit::RunOutcome>& runs) {
  const Estimate k_star = fit::fit_threshold(runs, {.firth = false}).k_star;
  return {std::log(k_star.low.value_or(125.0)), std::log(k_star.high.value_or(256000.0))};
}

}  // namespace

TEST_CASE("design rates: planned runs shorten the interval of K star more than equally spaced ones",
          "[fit][design][eq13][.slow]") {
  const int n_sets = 150;
  int covered = 0;
  double sum = 0, squares = 0;
  for (int set = 0; set < n_sets; ++set) {
    Rng rng(87, RandomPurpose::test, static_cast<std::uint64_t>(set));
    const double log_k_star = std::log(500.0) + (2 + 3 * rng.uniform()) * std::log(2.0);
    const double width = set % 2 == 0 ? 0.25 : 0.7;
    const auto run = [&](double n_items) {
      return fit::RunOutcome{
          .n_items = n_items, .acquired = std::log(n_items) + width * rng.normal() > log_k_star, .n_context = 0.0};
    };
    std::vector<fit::RunOutcome> first;
    for (int i = 0; i < 24; ++i) first.push_back(run(500 * std::pow(2, i % 8)));
    std::vector<fit::RunOutcome> even = first, planned = first;
    for (int i = 0; i < 24; ++i) even.push_back(run(500 * std::pow(2, i % 8)));
    const auto design = fit::plan_runs(first, {.n_runs = 24, .seed = static_cast<std::uint64_t>(set)});
    for (const fit::DesignRow& row : design.rows) {
      for (std::size_t r = 0; r < row.n_runs; ++r) planned.push_back(run(row.n_items));
    }
    const Interval after = interval(planned), otherwise = interval(even);
    covered += after.low <= log_k_star && log_k_star <= after.high ? 1 : 0;
    const double log_ratio = std::log((after.high - after.low) / (otherwise.high - otherwise.low));
    sum += log_ratio;
    squares += log_ratio * log_ratio;
  }
  const double mean = sum / n_sets;
  const double error = std::sqrt((squares / n_sets - mean * mean) / n_sets);
  UNSCOPED_INFO("ratio of lengths " << std::exp(mean) << ", standard error of its logarithm " << error << ", covered "
                                    << covered);
  CHECK(mean + 4 * error < 0);
  CHECK(std::exp(mean) < 0.8);
  // Runs that were chosen by the outcomes of others do not spoil the interval: 95 % within 3.5 standard errors.
  CHECK_THAT(covered / double{n_sets}, WithinAbs(0.95, 3.5 * std::sqrt(0.95 * 0.05 / n_sets)));
}
