#include "iclk/fit/design.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

using Runs = std::vector<fit::RunOutcome>;

/// `seeds` runs at each K; those above `threshold` acquire.
Runs separated(const std::vector<double>& items, double threshold, int seeds, double n_context = 0) {
  Runs runs;
  for (const double k : items) {
    for (int r = 0; r < seeds; ++r) runs.push_back({k, k > threshold, n_context});
  }
  return runs;
}

const std::vector<double> kItems{500, 1000, 2000, 4000, 8000, 16000};

std::size_t total(const fit::RunDesign& design) {
  std::size_t n = 0;
  for (const fit::DesignRow& row : design.rows) n += row.n_runs;
  return n;
}

double phi(double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; }

/// Slow twin: posterior variance of ln K* by sums over a fine grid.
double posterior_variance(const Runs& runs, const fit::DesignOptions& options) {
  const int n = 400, n_width = 60;
  const double low = std::log(*options.items_low), high = std::log(*options.items_high);
  double sum = 0, first = 0, second = 0;
  for (int i = 0; i < n; ++i) {
    const double m = low + (high - low) * (i + 0.5) / n;
    for (int j = 0; j < n_width; ++j) {
      const double width = options.width_low * std::pow(options.width_high / options.width_low, (j + 0.5) / n_width);
      double likelihood = 1;
      for (const auto& run : runs) {
        const double eta = (std::log(run.n_items) - m) / width;
        likelihood *= phi(run.acquired ? eta : -eta);
      }
      sum += likelihood;
      first += likelihood * m;
      second += likelihood * m * m;
    }
  }
  return second / sum - (first / sum) * (first / sum);
}

/// Posterior predictive probability that a run at K acquires.
double predictive(const Runs& runs, double k, const fit::DesignOptions& options) {
  const int n = 400, n_width = 60;
  const double low = std::log(*options.items_low), high = std::log(*options.items_high);
  double sum = 0, acquired = 0;
  for (int i = 0; i < n; ++i) {
    const double m = low + (high - low) * (i + 0.5) / n;
    for (int j = 0; j < n_width; ++j) {
      const double width = options.width_low * std::pow(options.width_high / options.width_low, (j + 0.5) / n_width);
      double likelihood = 1;
      for (const auto& run : runs) {
        const double eta = (std::log(run.n_items) - m) / width;
        likelihood *= phi(run.acquired ? eta : -eta);
      }
      sum += likelihood;
      acquired += likelihood * phi((std::log(k) - m) / width);
    }
  }
  return acquired / sum;
}

}  // namespace

TEST_CASE("design: one planned run is the best by enumeration of its outcomes", "[fit][design][eq13]") {
  const fit::DesignOptions options{.n_runs = 1, .items_low = 500, .items_high = 16000, .n_scenarios = 4000};
  Runs runs = separated(kItems, 3000, 2);
  runs.push_back({2000, true, 0});  // so that the width matters
  const auto expected_after = [&](double k) {
    const double p = predictive(runs, k, options);
    Runs yes = runs, no = runs;
    yes.push_back({k, true, 0});
    no.push_back({k, false, 0});
    return p * posterior_variance(yes, options) + (1 - p) * posterior_variance(no, options);
  };
  const auto design = fit::plan_runs(runs, options);
  REQUIRE(design.outcome == fit::DesignOutcome::planned);
  REQUIRE(design.rows.size() == 1);
  REQUIRE(design.gains.size() == 1);
  const double before = posterior_variance(runs, options);
  CHECK_THAT(design.gains[0].sd_before, WithinRel(std::sqrt(before), 0.01));
  const double chosen = expected_after(design.rows[0].n_items);
  for (const double k : {600.0, 1000.0, 1500.0, 2000.0, 2600.0, 3200.0, 4000.0, 6000.0, 12000.0}) {
    CAPTURE(k, design.rows[0].n_items);
    CHECK(chosen <= expected_after(k) * 1.002);
  }
  // sd_after is a mean over 256 scenarios: within four standard errors, from the spread of the two outcomes.
  CHECK_THAT(design.gains[0].sd_after, WithinRel(std::sqrt(chosen), 0.03));
}

TEST_CASE("design: runs go where K star may lie and beat equally spaced K", "[fit][design]") {
  const auto design = fit::plan_runs(separated(kItems, 3000, 3), {.n_runs = 20});
  CHECK(total(design) == 20);
  for (const fit::DesignRow& row : design.rows) {
    CHECK(row.n_items > 700);
    CHECK(row.n_items < 12000);
    CHECK(std::abs(row.n_items / 2 - std::round(row.n_items / 2)) < 1e-12);
  }
  CHECK(design.rows.size() > 1);
  const fit::DesignGain& gain = design.gains[0];
  CHECK(gain.n_runs == 20);
  CHECK(gain.sd_after < 0.8 * gain.sd_before);
  CHECK(gain.sd_after < gain.sd_even);
  CHECK_THAT(std::exp(gain.mean), WithinRel(std::sqrt(2000.0 * 4000.0), 0.15));
  CHECK(design.warnings.empty());
}

TEST_CASE("design: the worse known threshold gets more runs", "[fit][design]") {
  Runs runs = separated({900, 1000, 1100, 1200, 1300, 1400}, 1150, 6, 50);
  const Runs poor = separated({500, 4000, 32000}, 2000, 2, 100);
  runs.insert(runs.end(), poor.begin(), poor.end());
  const auto design = fit::plan_runs(runs, {.n_runs = 16});
  REQUIRE(design.gains.size() == 2);
  CHECK(design.gains[0].n_context == 50);
  CHECK(design.gains[0].n_runs < design.gains[1].n_runs);
  CHECK(design.gains[1].sd_after < design.gains[1].sd_before);
}

TEST_CASE("design: the exponent gets runs at the ends of the range of N", "[fit][design]") {
  Runs runs;
  for (const double n : {25.0, 50.0, 100.0, 200.0}) {
    const Runs here = separated(kItems, 1500 * std::pow(n / 50, 1.2), 2, n);
    runs.insert(runs.end(), here.begin(), here.end());
  }
  const auto design = fit::plan_runs(runs, {.goal = fit::DesignGoal::exponent, .n_runs = 24, .n_candidates = 16});
  REQUIRE(design.outcome == fit::DesignOutcome::planned);
  REQUIRE(design.gains.size() == 1);
  CHECK(total(design) == 24);
  CHECK(design.gains[0].sd_after < design.gains[0].sd_before);
  CHECK_THAT(design.gains[0].mean, WithinAbs(1.2, 0.4));
  std::size_t at_ends = 0;
  for (const fit::DesignRow& row : design.rows) at_ends += row.n_context < 30 || row.n_context > 150 ? row.n_runs : 0;
  CHECK(at_ends > 16);
}

TEST_CASE("design: every option changes the plan", "[fit][design]") {
  const Runs runs = separated(kItems, 3000, 2);
  const auto rows = [&](const fit::DesignOptions& options) {
    std::vector<double> items;
    for (const fit::DesignRow& row : fit::plan_runs(runs, options).rows) {
      items.insert(items.end(), row.n_runs, row.n_items);
    }
    return items;
  };
  const std::vector<double> base = rows({.n_runs = 8});
  CHECK(base == rows({.n_runs = 8}));
  CHECK(base.size() == 8);
  CHECK(rows({.n_runs = 9}).size() == 9);
  CHECK(rows({.n_runs = 150}).size() == 150);
  CHECK(base != rows({.link = fit::Link::logit, .n_runs = 8}));
  const std::vector<double> high = rows({.n_runs = 8, .items_low = 3000});
  CHECK(*std::min_element(high.begin(), high.end()) >= 3000);
  const std::vector<double> low = rows({.n_runs = 8, .items_high = 3000});
  CHECK(*std::max_element(low.begin(), low.end()) <= 3000);
  for (const double k : rows({.n_runs = 8, .items_multiple = 500})) {
    CHECK_THAT(k / 500, WithinAbs(std::round(k / 500), 1e-12));
  }
  CHECK(base != rows({.n_runs = 8, .width_low = 0.5}));
  CHECK(base != rows({.n_runs = 8, .width_high = 0.2}));
  CHECK(base != rows({.n_runs = 8, .n_candidates = 5}));
  CHECK(base != rows({.n_runs = 8, .n_scenarios = 9}));
  CHECK(rows({.n_runs = 8, .n_scenarios = 4}) != rows({.n_runs = 8, .n_scenarios = 4, .seed = 1}));
  Runs two = separated(kItems, 3000, 2, 50);
  const Runs more = separated(kItems, 6000, 2, 100);
  two.insert(two.end(), more.begin(), more.end());
  const auto mean = [&](double exponent_low, double exponent_high) {
    return fit::plan_runs(two, {.goal = fit::DesignGoal::exponent,
                                .n_runs = 2,
                                .exponent_low = exponent_low,
                                .exponent_high = exponent_high,
                                .n_candidates = 5,
                                .n_scenarios = 4})
        .gains[0]
        .mean;
  };
  CHECK(mean(1.5, 5) > mean(0, 5));
  CHECK(mean(0, 0.8) < mean(0, 5));
}

TEST_CASE("design: degenerate runs have a plan or an outcome", "[fit][design][limits]") {
  CHECK(fit::plan_runs({}).outcome == fit::DesignOutcome::no_runs);
  const auto one_context = fit::plan_runs(separated(kItems, 3000, 2, 50), {.goal = fit::DesignGoal::exponent});
  CHECK(one_context.outcome == fit::DesignOutcome::one_context);
  CHECK_FALSE(one_context.warnings.empty());
  const auto all = fit::plan_runs(separated(kItems, 1, 3), {.n_runs = 4});
  REQUIRE(all.outcome == fit::DesignOutcome::planned);
  CHECK(all.rows[0].n_items < 500);
  CHECK_FALSE(all.warnings.empty());
  const auto none = fit::plan_runs(separated(kItems, 1e6, 3), {.n_runs = 4});
  CHECK(none.rows.back().n_items > 16000);
  const auto one = fit::plan_runs(Runs{{1000, true, 0}}, {.n_runs = 4});
  CHECK(total(one) == 4);
  CHECK(std::isfinite(one.gains[0].sd_even));
  Runs falling;
  for (const double k : kItems) falling.push_back({k, k < 3000, 0});
  CHECK(fit::plan_runs(falling, {.n_runs = 4}).outcome == fit::DesignOutcome::planned);
  const auto tiny = fit::plan_runs(Runs{{2, true, 0}, {2, false, 0}}, {.n_runs = 3});
  CHECK(total(tiny) == 3);
  CHECK(tiny.rows[0].n_items >= 2);
  const auto many = fit::plan_runs(separated(kItems, 3000, 20000), {.n_runs = 4});
  CHECK(std::isfinite(many.gains[0].sd_after));
  CHECK(many.rows[0].n_items > 2000);
  CHECK(many.rows.back().n_items < 4000);
}

TEST_CASE("design: bad options are refused by name", "[fit][design][errors]") {
  const auto message = [](const fit::DesignOptions& options, double k = 1000) {
    try {
      fit::plan_runs(Runs{{k, true, 0}, {500, false, 0}}, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(message({.n_runs = 0}) == "n_runs: expected a number from 1 to 1000, got 0");
  CHECK(message({.n_runs = 1001}) == "n_runs: expected a number from 1 to 1000, got 1001");
  CHECK(message({.items_low = 0}) == "items_low: expected a positive number, got 0");
  CHECK(message({.items_high = -1}) == "items_high: expected a positive number, got -1");
  CHECK(message({.items_low = 5, .items_high = 4}) == "items_high: expected more than items_low, got 4");
  CHECK(message({.items_low = 1e6}) == "items_low: expected a range of K, got 4000");
  CHECK(message({.items_high = 10}) == "items_high: expected a range of K, got 10");
  CHECK(message({.items_multiple = nan}) == "items_multiple: expected a positive number, got nan");
  CHECK(message({.items_low = 501, .items_high = 999, .items_multiple = 1000}) ==
        "items_multiple: expected a number with multiples in the range of K, got 1000");
  CHECK(message({.width_low = 0}) == "width_low: expected a positive number, got 0");
  CHECK(message({.width_high = 0.01}) == "width_high: expected a number above width_low, got 0.01");
  CHECK(message({.exponent_low = nan}) == "exponent_low: expected a finite number, got nan");
  CHECK(message({.exponent_high = -1}) == "exponent_high: expected a number above exponent_low, got -1");
  CHECK(message({.n_candidates = 1}) == "n_candidates: expected at least 2, got 1");
  CHECK(message({.n_scenarios = 1}) == "n_scenarios: expected at least 2, got 1");
  CHECK(message({}, -1) == "runs[0].n_items: expected a positive finite number, got -1");
}
