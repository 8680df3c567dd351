#include "iclk/fit/bimodality.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

/// The sets of tests/data/r/bimodality.R by name.
std::map<std::string, std::vector<double>> value_sets() {
  const Table table = read_table("r/bimodality_values.csv");
  std::map<std::string, std::vector<double>> sets;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    sets[table.text(row, "set")].push_back(table.number(row, "value"));
  }
  return sets;
}

std::map<std::string, double> r_values(const std::string& set) {
  const Table table = read_table("r/bimodality_mixtures.csv");
  std::map<std::string, double> values;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (table.text(row, "set") == set) values[table.text(row, "quantity")] = table.number(row, "value");
  }
  return values;
}

bool warns(const fit::Bimodality& result, const std::string& words) {
  return std::any_of(result.warnings.begin(), result.warnings.end(),
                     [&](const std::string& warning) { return warning.find(words) != std::string::npos; });
}

}  // namespace

TEST_CASE("dip: statistics of R diptest on all sets with ties and few values", "[fit][bimodality]") {
  const auto sets = value_sets();
  const Table table = read_table("r/bimodality_dips.csv");
  REQUIRE(table.rows() == sets.size());
  for (std::size_t row = 0; row < table.rows(); ++row) {
    CAPTURE(table.text(row, "set"));
    CHECK_THAT(fit::dip_statistic(sets.at(table.text(row, "set"))), WithinRel(table.number(row, "dip"), 1e-11));
  }
}

TEST_CASE("dip: does not depend on order or shift or scale or reflection", "[fit][bimodality][identity]") {
  const std::vector<double> values = value_sets().at("accuracies");
  const double dip = fit::dip_statistic(values);
  std::vector<double> changed;
  for (const double y : values) changed.push_back(7 - 3 * y);
  CHECK_THAT(fit::dip_statistic(changed), WithinRel(dip, 1e-12));
  for (const double scale : {1e-300, 2e305}) {
    std::vector<double> scaled;
    for (const double y : values) scaled.push_back(scale * y);
    CHECK_THAT(fit::dip_statistic(scaled), WithinRel(dip, 1e-12));
  }
  std::reverse(changed.begin(), changed.end());
  CHECK_THAT(fit::dip_statistic(changed), WithinRel(dip, 1e-12));
}

TEST_CASE("dip: statistics of R diptest on random samples of four to fourteen", "[fit][bimodality]") {
  const Table values = read_table("r/bimodality_random.csv");
  const Table dips = read_table("r/bimodality_random_dips.csv");
  std::map<double, std::vector<double>> sets;
  for (std::size_t row = 0; row < values.rows(); ++row) {
    sets[values.number(row, "set")].push_back(values.number(row, "value"));
  }
  REQUIRE(dips.rows() == 150);
  for (std::size_t row = 0; row < dips.rows(); ++row) {
    CAPTURE(dips.number(row, "set"));
    CHECK_THAT(fit::dip_statistic(sets.at(dips.number(row, "set"))), WithinRel(dips.number(row, "dip"), 1e-11));
  }
}

TEST_CASE("dip: p-values agree with those of R within their errors", "[fit][bimodality]") {
  const auto sets = value_sets();
  const Table table = read_table("r/bimodality_dips.csv");
  fit::BimodalityTester tester({});
  for (std::size_t row = 0; row < table.rows(); ++row) {
    CAPTURE(table.text(row, "set"));
    const fit::DipTest dip = tester.dip(sets.at(table.text(row, "set")));
    if (!dip.p_value) {
      CHECK((table.number(row, "n") < 4 || table.text(row, "set") == "identical"));
      continue;
    }
    // Both sides count 2000 samples: four standard errors of the difference, and one sample for p near 0 or 1. The
    // table that diptest interpolates was simulated too; between its sizes of samples it adds up to 0.01.
    const double p = table.number(row, "p_simulated");
    const double error = 4 * std::sqrt(2 * p * (1 - p) / 2000) + 2.0 / 2000;
    CHECK_THAT(*dip.p_value, WithinAbs(p, error));
    const bool least = dip.statistic < 0.5 / table.number(row, "n") * (1 + 1e-9);  // p is 1 there; tables end below
    if (!least) CHECK_THAT(*dip.p_value, WithinAbs(table.number(row, "p_table"), error + 0.01));
  }
}

TEST_CASE("bimodality: mixtures are those of direct maximisation in R", "[fit][bimodality]") {
  const auto sets = value_sets();
  for (const std::string set : {"accuracies", "large"}) {
    CAPTURE(set);
    auto r = r_values(set);
    const auto scale = set == "large" ? fit::MixtureScale::linear : fit::MixtureScale::logit;
    const auto result = fit::test_bimodality(sets.at(set), {.scale = scale, .mixture_resamples = 50});
    const fit::MixtureFit& mixture = result.mixture;
    REQUIRE(mixture.outcome == fit::MixtureOutcome::fitted);
    CHECK_THAT(*mixture.log_likelihood_one, WithinRel(r["ln_l_one"], 1e-9));
    CHECK_THAT(*mixture.log_likelihood_two, WithinRel(r["ln_l_two"], 1e-9));
    CHECK_THAT(*mixture.high_weight.value, WithinRel(r["upper_weight"], 1e-6));
    CHECK_THAT(*mixture.high_weight.low, WithinRel(r["upper_weight_low"], 1e-6));
    CHECK_THAT(*mixture.high_weight.high, WithinRel(r["upper_weight_high"], 1e-6));
    CHECK_THAT(mixture.low.mean, WithinRel(r["mean_low"], 2e-6));
    CHECK_THAT(mixture.high.mean, WithinRel(r["mean_high"], 1e-6));
    CHECK_THAT(mixture.low.sd, WithinRel(r["sd_low"], 1e-6));
    CHECK_THAT(mixture.high.sd, WithinRel(r["sd_high"], 1e-6));
    CHECK(*mixture.bic_two < *mixture.bic_one);
    CHECK_THAT(*mixture.p_value, WithinAbs(1.0 / 51, 1e-12));
    CHECK(*mixture.separation > 2);
  }
  // 14 of the 36 accuracies were drawn about 0.475, the others about 0.973.
  const auto accuracies = fit::test_bimodality(sets.at("accuracies"), {.mixture_resamples = 0});
  CHECK(accuracies.mixture.n_high == 22);
  CHECK(accuracies.mixture.low.center > 0.4);
  CHECK(accuracies.mixture.low.center < 0.5);
  CHECK(accuracies.mixture.high.center > 0.95);
  CHECK_FALSE(accuracies.mixture.p_value);
}

TEST_CASE("bimodality: shares have the intervals that R computes", "[fit][bimodality]") {
  for (const std::size_t count : {0, 3, 12}) {
    CAPTURE(count);
    auto r = r_values("share_" + std::to_string(count) + "_of_12");
    const Estimate exact = fit::binomial_share(count, 12, fit::ShareInterval::clopper_pearson);
    const Estimate wilson = fit::binomial_share(count, 12, fit::ShareInterval::wilson);
    CHECK_THAT(*exact.low, WithinAbs(r["clopper_pearson_low"], 1e-9));
    CHECK_THAT(*exact.high, WithinAbs(r["clopper_pearson_high"], 1e-9));
    CHECK_THAT(*wilson.low, WithinAbs(r["wilson_low"], 1e-9));
    CHECK_THAT(*wilson.high, WithinAbs(r["wilson_high"], 1e-9));
    CHECK_THAT(*exact.value, WithinAbs(static_cast<double>(count) / 12, 1e-15));
  }
}

TEST_CASE("bimodality: every option changes the answer", "[fit][bimodality]") {
  const std::vector<double> values = value_sets().at("accuracies");
  const fit::BimodalityOptions quick{.dip_resamples = 200, .mixture_resamples = 20};
  const auto base = fit::test_bimodality(values, quick);
  fit::BimodalityOptions options = quick;
  options.scale = fit::MixtureScale::linear;
  CHECK(fit::test_bimodality(values, options).mixture.low.mean > 0);
  options = quick;
  options.trials = 20;
  CHECK(fit::test_bimodality(values, options).mixture.high.mean < base.mixture.high.mean);
  options = quick;
  options.intermediate_low = 0.3;
  CHECK(fit::test_bimodality(values, options).n_intermediate > base.n_intermediate);
  options = quick;
  options.intermediate_high = 0.99;
  CHECK(fit::test_bimodality(values, options).n_intermediate > base.n_intermediate);
  options = quick;
  options.interval = fit::ShareInterval::wilson;
  CHECK(*fit::test_bimodality(values, options).intermediate.high < *base.intermediate.high);
  options = quick;
  options.dip_resamples = 0;
  CHECK_FALSE(fit::test_bimodality(values, options).dip.p_value);
  const std::vector<double> uniform = value_sets().at("uniform");
  options = quick;
  options.seed = 1;
  CHECK(*fit::test_bimodality(uniform, options).dip.p_value != *fit::test_bimodality(uniform, quick).dip.p_value);
  CHECK(*fit::test_bimodality(uniform, quick).dip.p_value == *fit::test_bimodality(uniform, quick).dip.p_value);
}

TEST_CASE("bimodality: degenerate samples have an outcome and a warning and no p-value", "[fit][bimodality][limits]") {
  CHECK(fit::test_bimodality({}).outcome == fit::BimodalityOutcome::no_values);
  const auto one = fit::test_bimodality(std::vector<double>{0.4});
  CHECK(one.outcome == fit::BimodalityOutcome::identical);
  CHECK_THAT(one.dip.statistic, WithinAbs(0.5, 1e-15));
  const auto same = fit::test_bimodality(std::vector<double>(40, 1.0));
  CHECK(same.outcome == fit::BimodalityOutcome::identical);
  CHECK(same.mixture.outcome == fit::MixtureOutcome::identical);
  CHECK_FALSE(same.dip.p_value);
  CHECK(warns(same, "all values are equal"));
  const auto three = fit::test_bimodality(std::vector<double>{0.1, 0.5, 0.9});
  CHECK(three.outcome == fit::BimodalityOutcome::too_few);
  CHECK(warns(three, "fewer than 10"));
  const auto five = fit::test_bimodality(std::vector<double>{0.1, 0.5, 0.9, 0.3, 0.2});
  CHECK(five.outcome == fit::BimodalityOutcome::tested);
  CHECK(five.mixture.outcome == fit::MixtureOutcome::too_few);
  CHECK_FALSE(five.mixture.likelihood_ratio);
  const auto huge = fit::test_bimodality(std::vector<double>{-1e308, 1e308, 3e307, 1, 2, 1e307, 5e307},
                                         {.scale = fit::MixtureScale::linear});
  CHECK(huge.outcome == fit::BimodalityOutcome::tested);
  CHECK(huge.mixture.outcome == fit::MixtureOutcome::not_converged);
  CHECK(warns(huge, "did not converge"));
  CHECK_FALSE(huge.mixture.likelihood_ratio);
}

TEST_CASE("bimodality: two atoms are at the bound of the widths and stay finite", "[fit][bimodality][limits]") {
  std::vector<double> values(20, 0.0);
  values.insert(values.end(), 30, 1.0);
  const auto result = fit::test_bimodality(values, {.mixture_resamples = 20});
  CHECK(result.n_at_edge == 50);
  CHECK(warns(result, "exactly 0 or 1"));
  CHECK(warns(result, "repeat others"));
  CHECK(warns(result, "as narrow as is allowed"));
  CHECK(result.mixture.outcome == fit::MixtureOutcome::at_bound);
  CHECK_THAT(*result.mixture.high_weight.value, WithinAbs(0.6, 1e-9));
  CHECK(std::isfinite(*result.mixture.log_likelihood_two));
  CHECK(result.mixture.n_high == 30);
  // The profile of the weight is then that of the binomial distribution.
  const auto deviance = [](double p) { return 2 * (20 * std::log(0.4 / (1 - p)) + 30 * std::log(0.6 / p)); };
  CHECK_THAT(deviance(*result.mixture.high_weight.low), WithinAbs(3.841458820694124, 1e-5));
  CHECK_THAT(deviance(*result.mixture.high_weight.high), WithinAbs(3.841458820694124, 1e-5));
}

TEST_CASE("bimodality: a skewed single mode is told from two by the dip", "[fit][bimodality]") {
  std::vector<double> values;
  Rng rng(82, RandomPurpose::test, 0);
  for (int i = 0; i < 300; ++i) values.push_back(-std::log1p(-rng.uniform()));
  const auto result = fit::test_bimodality(values, {.scale = fit::MixtureScale::linear, .mixture_resamples = 100});
  CHECK(*result.mixture.p_value < 0.05);
  CHECK(*result.dip.p_value > 0.05);
  CHECK(warns(result, "one skewed mode"));
}

TEST_CASE("bimodality: one outlier is a component of fewer than two runs", "[fit][bimodality]") {
  std::vector<double> values = value_sets().at("normal");
  values.push_back(60);
  const auto result = fit::test_bimodality(values, {.scale = fit::MixtureScale::linear, .mixture_resamples = 0});
  CHECK(warns(result, "fewer than two runs"));
}

TEST_CASE("bimodality: bad values and options are refused by name", "[fit][bimodality][errors]") {
  const auto message = [](const std::vector<double>& values, const fit::BimodalityOptions& options) {
    try {
      fit::test_bimodality(values, options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(message({0.5, 1.5}, {}) == "values[1]: expected a number in [0, 1], got 1.5");
  CHECK(message({nan}, {.scale = fit::MixtureScale::linear}) == "values[0]: expected a finite number, got nan");
  CHECK(message({0.5}, {.trials = 0}) == "trials: expected a positive finite number, got 0");
  CHECK(message({0.5}, {.intermediate_low = nan}) == "intermediate_low: expected a finite number, got nan");
  CHECK(message({0.5}, {.intermediate_low = 0.6, .intermediate_high = 0.5}) ==
        "intermediate_high: expected a finite number not below intermediate_low, got 0.5");
  CHECK(message({0.5}, {.dip_resamples = 100'000'000}) == "dip_resamples: expected at most 1e7, got 1e+08");
  CHECK(message({0.5}, {.mixture_resamples = 100'000'000}) == "mixture_resamples: expected at most 1e7, got 1e+08");
  CHECK_THROWS_AS(fit::dip_statistic({}), Error);
  CHECK_THROWS_AS(fit::dip_statistic(std::vector<double>{1, nan}), Error);
  CHECK_THROWS_AS(fit::binomial_share(0, 0, fit::ShareInterval::wilson), Error);
  CHECK_THROWS_AS(fit::binomial_share(3, 2, fit::ShareInterval::wilson), Error);
}
