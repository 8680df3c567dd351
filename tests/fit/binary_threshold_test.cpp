#include "iclk/fit/binary_threshold.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

/// Values of tests/data/r/threshold.csv, which R computed, by "data link quantity".
std::map<std::string, double> reference() {
  const Table table = read_table("r/threshold.csv");
  std::map<std::string, double> values;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    values[table.text(i, "data") + ' ' + table.text(i, "link") + ' ' + table.text(i, "quantity")] =
        table.number(i, "value");
  }
  return values;
}

std::vector<fit::RunOutcome> runs_of(const std::string& file) {
  const Table table = read_table("r/" + file);
  std::vector<fit::RunOutcome> runs;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    runs.push_back({.n_items = table.number(i, "K"),
                    .acquired = table.number(i, "acquired") > 0.5,
                    .n_context = table.number(i, "context")});
  }
  return runs;
}

/// `counts[i]` of `n` runs at K = 1000 2^i acquire.
std::vector<fit::RunOutcome> counted(const std::vector<int>& counts, int n) {
  std::vector<fit::RunOutcome> runs;
  double n_items = 1000;
  for (const int count : counts) {
    for (int i = 0; i < n; ++i) runs.push_back({.n_items = n_items, .acquired = i < count});
    n_items *= 2;
  }
  return runs;
}

bool mentions(const std::vector<std::string>& warnings, const std::string& text) {
  return std::any_of(warnings.begin(), warnings.end(),
                     [&](const std::string& w) { return w.find(text) != std::string::npos; });
}

constexpr double kSixDigits = 1e-6;

}  // namespace

TEST_CASE("binary threshold: estimates and profile intervals agree with R", "[fit][threshold][eq13][parity]") {
  const auto expected = reference();
  for (const std::string data : {"small", "large"}) {
    const auto runs = runs_of("runs_" + data + ".csv");
    for (const fit::Link link : {fit::Link::probit, fit::Link::logit}) {
      const auto fit = fit::fit_threshold(runs, {.link = link, .small_sample = false});
      const std::string key = data + ' ' + std::string(fit::name(link)) + ' ';
      CAPTURE(key);
      REQUIRE(fit.outcome == fit::ThresholdOutcome::fitted);
      CHECK_THAT(*fit.log_likelihood, WithinRel(expected.at(key + "log_likelihood"), 1e-10));
      CHECK_THAT(*fit.k_star.value, WithinRel(expected.at(key + "k_star"), kSixDigits));
      CHECK_THAT(*fit.k_star.low, WithinRel(expected.at(key + "k_star_low"), kSixDigits));
      CHECK_THAT(*fit.k_star.high, WithinRel(expected.at(key + "k_star_high"), kSixDigits));
      CHECK_THAT(*fit.width.value, WithinRel(expected.at(key + "width"), kSixDigits));
      CHECK_THAT(*fit.width.low, WithinRel(expected.at(key + "width_low"), kSixDigits));
      CHECK_THAT(*fit.width.high, WithinRel(expected.at(key + "width_high"), kSixDigits));
      CHECK_THAT(*fit.firth_k_star, WithinRel(expected.at(key + "firth_k_star"), kSixDigits));
      CHECK_THAT(*fit.firth_width, WithinRel(expected.at(key + "firth_width"), kSixDigits));
    }
  }
}

TEST_CASE("binary threshold: the exponent of K*(N) and its test agree with R", "[fit][threshold][eq13][parity]") {
  const auto expected = reference();
  const auto runs = runs_of("runs_contexts.csv");
  for (const fit::Link link : {fit::Link::probit, fit::Link::logit}) {
    const auto law = fit::fit_threshold_scaling(runs, {.link = link, .small_sample = false});
    const std::string key = "contexts " + std::string(fit::name(link)) + ' ';
    CAPTURE(key);
    REQUIRE(law.outcome == fit::ThresholdScalingOutcome::fitted);
    REQUIRE(law.contexts.size() == 4);
    CHECK_THAT(*law.exponent.value, WithinRel(expected.at(key + "exponent"), kSixDigits));
    CHECK_THAT(*law.exponent.low, WithinRel(expected.at(key + "exponent_low"), kSixDigits));
    CHECK_THAT(*law.exponent.high, WithinRel(expected.at(key + "exponent_high"), kSixDigits));
    CHECK_THAT(*law.prefactor, WithinRel(expected.at(key + "prefactor"), 1e-5));
    CHECK_THAT(*law.width, WithinRel(expected.at(key + "width"), kSixDigits));
    CHECK_THAT(*law.lack_of_fit, WithinRel(expected.at(key + "lack_of_fit"), kSixDigits));
    const auto test = fit::test_threshold_exponent(runs, {.value = 0.8, .low = {}, .high = {}}, 1, {.link = link});
    CHECK_THAT(*test.statistic, WithinRel(expected.at(key + "exponent_is_1_over_0.8"), kSixDigits));
  }
}

TEST_CASE("binary threshold: the small-sample limit and the prior are options", "[fit][threshold]") {
  const auto runs = runs_of("runs_small.csv");
  const auto wide = fit::fit_threshold(runs);
  const auto narrow = fit::fit_threshold(runs, {.small_sample = false, .firth = false});
  CHECK(*wide.k_star.low < *narrow.k_star.low);
  CHECK(*wide.k_star.high > *narrow.k_star.high);
  CHECK(wide.firth_k_star);
  CHECK_FALSE(narrow.firth_k_star);
}

TEST_CASE("binary threshold: symmetric outcomes have their threshold in the middle", "[fit][threshold][limits]") {
  for (const fit::Link link : {fit::Link::probit, fit::Link::logit}) {
    const auto fit = fit::fit_threshold(counted({0, 1, 3, 4}, 4), {.link = link});
    CHECK_THAT(*fit.k_star.value, WithinRel(1000 * std::pow(2, 1.5), 1e-9));
    CHECK_THAT(*fit.k_star.low * *fit.k_star.high, WithinRel(8e6, 1e-9));
    CHECK(fit.n_mixed_levels == 2);
    CHECK(fit.n_acquired == 8);
    // 10 to 90 %: 2 ln 9 widths of the logistic, 2 x 1.2815516 of the normal.
    const double span = link == fit::Link::logit ? 2 * std::log(9) : 2 * 1.2815515655446004;
    CHECK_THAT(*fit.width_10_90.value, WithinRel(span * *fit.width.value, 1e-12));
  }
}

TEST_CASE("binary threshold: two levels are solved in closed form", "[fit][threshold][identity]") {
  // Two levels: the fit passes through both shares, logit(1/4) = -ln 3 and logit(3/4) = ln 3.
  const auto fit = fit::fit_threshold(counted({1, 3}, 4), {.link = fit::Link::logit});
  REQUIRE_THAT(*fit.width.value, WithinRel(std::log(2.0) / (2 * std::log(3.0)), 1e-9));
  REQUIRE_THAT(*fit.k_star.value, WithinRel(1000 * std::sqrt(2.0), 1e-9));
  REQUIRE_THAT(*fit.deviance, WithinAbs(0, 1e-12));
  REQUIRE(mentions(fit.warnings, "fewer than"));
}

TEST_CASE("binary threshold: complete separation gives finite bounds", "[fit][threshold]") {
  for (const fit::Link link : {fit::Link::probit, fit::Link::logit}) {
    const auto fit = fit::fit_threshold(counted({0, 0, 0, 3, 3, 3}, 3), {.link = link});
    REQUIRE(fit.outcome == fit::ThresholdOutcome::separated);
    CHECK_THAT(*fit.gap_low, WithinRel(4000.0, 1e-12));
    CHECK_THAT(*fit.gap_high, WithinRel(8000.0, 1e-12));
    CHECK_THAT(*fit.k_star.value, WithinRel(std::sqrt(32.0) * 1000, 1e-12));
    CHECK(*fit.k_star.low <= 4000);
    CHECK(*fit.k_star.low > 2000);
    CHECK(*fit.k_star.high >= 8000);
    CHECK(*fit.k_star.high < 16000);
    CHECK(*fit.width.value <= 0);
    CHECK(*fit.width.low <= 0);
    CHECK(*fit.width.high > 0.1);
    CHECK(*fit.width.high < 2);
    CHECK(*fit.firth_width > 0);
    CHECK_THAT(*fit.firth_k_star, WithinRel(*fit.k_star.value, 1e-6));
    CHECK(mentions(fit.warnings, "complete separation"));
  }
}

TEST_CASE("binary threshold: one run per K that separates is bounded", "[fit][threshold]") {
  const auto fit = fit::fit_threshold(counted({0, 0, 0, 0, 1, 1, 1, 1}, 1));
  REQUIRE(fit.outcome == fit::ThresholdOutcome::separated);
  CHECK(*fit.k_star.low < 8000);
  CHECK(*fit.k_star.high > 16000);
  CHECK(fit.width.high);
  CHECK(mentions(fit.warnings, "fewer than"));
}

TEST_CASE("binary threshold: one mixed level between all and none is the threshold", "[fit][threshold]") {
  const auto fit = fit::fit_threshold(counted({0, 0, 2, 6, 6}, 6));
  REQUIRE(fit.outcome == fit::ThresholdOutcome::separated);
  CHECK_THAT(*fit.k_star.value, WithinRel(4000.0, 1e-12));
  CHECK(*fit.k_star.low < 4000);
  CHECK(*fit.k_star.high > 4000);
  CHECK(*fit.k_star.high < 8000);
  CHECK(mentions(fit.warnings, "only K = 4000"));
}

TEST_CASE("binary threshold: all or no runs acquired bound K* on one side", "[fit][threshold]") {
  const auto all = fit::fit_threshold(counted({6, 6, 6}, 6));
  REQUIRE(all.outcome == fit::ThresholdOutcome::all_acquired);
  CHECK_FALSE(all.k_star.value);
  CHECK_FALSE(all.k_star.low);
  CHECK(*all.k_star.high >= 1000);
  CHECK(*all.k_star.high < 2000);
  CHECK_FALSE(all.width.value);
  CHECK(mentions(all.warnings, "every run acquired"));
  const auto none = fit::fit_threshold(counted({0, 0, 0}, 6));
  REQUIRE(none.outcome == fit::ThresholdOutcome::none_acquired);
  CHECK(*none.k_star.low <= 4000);
  CHECK(*none.k_star.low > 2000);
  CHECK_FALSE(none.k_star.high);
  CHECK(mentions(none.warnings, "no run acquired"));
  // A run alone says nothing at 95 %: 2 ln 2 < 3.84.
  CHECK_FALSE(fit::fit_threshold(counted({1}, 1)).k_star.high);
  CHECK_THAT(*fit::fit_threshold(counted({3}, 3), {.small_sample = false}).k_star.high, WithinRel(1000.0, 1e-6));
}

TEST_CASE("binary threshold: the likelihood is maximised for any counts", "[fit][threshold]") {
  // At its top the likelihood is flat to rounding; the search must end there, wherever the levels lie.
  Rng rng(6, RandomPurpose::test, 0);
  for (int set = 0; set < 1000; ++set) {
    std::vector<fit::RunOutcome> runs;
    double n_items = 20 + 100 * rng.uniform();
    const double threshold = std::log(n_items) + 1.5 * rng.uniform();
    for (int level = 0; level < 8; ++level, n_items = std::round(n_items * (1.1 + 0.4 * rng.uniform()))) {
      const double p = 1 / (1 + std::exp(-6 * (std::log(n_items) - threshold)));
      for (int i = 0; i < 6; ++i) runs.push_back({.n_items = n_items, .acquired = rng.uniform() < p});
    }
    for (const fit::Link link : {fit::Link::probit, fit::Link::logit}) {
      CAPTURE(set, runs.size());
      CHECK(fit::fit_threshold(runs, {.link = link}).outcome != fit::ThresholdOutcome::not_converged);
    }
  }
}

TEST_CASE("binary threshold: one K and falling data have no threshold", "[fit][threshold]") {
  const auto one = fit::fit_threshold(counted({7}, 20));
  REQUIRE(one.outcome == fit::ThresholdOutcome::one_level);
  CHECK_FALSE(one.k_star.value);
  CHECK_FALSE(one.width.value);
  CHECK(mentions(one.warnings, "single K"));
  const auto half = fit::fit_threshold(counted({10}, 20));
  CHECK_FALSE(half.k_star.low);
  CHECK_FALSE(half.k_star.high);
  const auto falling = fit::fit_threshold(counted({4, 3, 1, 0}, 4));
  REQUIRE(falling.outcome == fit::ThresholdOutcome::not_rising);
  CHECK_FALSE(falling.k_star.value);
  CHECK(mentions(falling.warnings, "does not rise"));
  CHECK(fit::fit_threshold(counted({2, 2, 2}, 4)).outcome == fit::ThresholdOutcome::not_rising);
  CHECK(fit::fit_threshold({}).outcome == fit::ThresholdOutcome::no_runs);
}

TEST_CASE("binary threshold: the width from few runs comes with a warning", "[fit][threshold]") {
  const auto few = fit::fit_threshold(counted({0, 0, 0, 1, 2, 3, 3, 3}, 3));
  REQUIRE(few.width.high);
  CHECK(mentions(few.warnings, "fewer than 40 runs: the fitted width is too small on average"));
  const auto many = fit::fit_threshold(counted({0, 0, 1, 3, 7, 9, 10, 10}, 10));
  REQUIRE(many.width.high);
  CHECK(many.warnings.empty());
}

TEST_CASE("binary threshold: a weak rise leaves the interval open and says so", "[fit][threshold]") {
  const auto fit = fit::fit_threshold(counted({1, 2, 2}, 4));
  REQUIRE(fit.outcome == fit::ThresholdOutcome::fitted);
  CHECK((!fit.k_star.low || !fit.k_star.high));
  CHECK_FALSE(fit.width.high);
  CHECK(mentions(fit.warnings, "not significant"));
}

TEST_CASE("binary threshold: rows in any order and a change of the unit of K change nothing else",
          "[fit][threshold][identity]") {
  auto runs = counted({0, 1, 3, 5, 6}, 6);
  const auto fit = fit::fit_threshold(runs);
  std::reverse(runs.begin(), runs.end());
  for (auto& run : runs) run.n_items *= 1e-3;
  const auto other = fit::fit_threshold(runs);
  CHECK_THAT(*other.k_star.value * 1e3, WithinRel(*fit.k_star.value, 1e-10));
  CHECK_THAT(*other.k_star.low * 1e3, WithinRel(*fit.k_star.low, 1e-10));
  CHECK_THAT(*other.width.high, WithinRel(*fit.width.high, 1e-9));
}

TEST_CASE("binary threshold: a million rows and as many K are answered", "[fit][threshold][.slow]") {
  Rng rng(5, RandomPurpose::test, 0);
  std::vector<fit::RunOutcome> runs;
  for (int i = 0; i < 1000000; ++i) {
    const double x = rng.uniform(std::log(100.0), std::log(1e5));
    runs.push_back({.n_items = std::exp(x), .acquired = x + 0.8 * rng.normal() > std::log(3000.0)});
  }
  const auto fit = fit::fit_threshold(runs);
  REQUIRE(fit.outcome == fit::ThresholdOutcome::fitted);
  // Standard error of ln K*: 0.8/sqrt(n_eff) with about 2 * 0.8/6.9 of the runs near the threshold: 0.0018.
  CHECK_THAT(std::log(*fit.k_star.value / 3000), WithinAbs(0, 4 * 0.0018));
  CHECK_THAT(*fit.width.value, WithinAbs(0.8, 4 * 0.002));
  CHECK(mentions(fit.warnings, "gathered on a grid"));
  CHECK_FALSE(fit.firth_k_star);
}

TEST_CASE("binary threshold: bad runs and options are refused", "[fit][threshold][errors]") {
  const std::vector<fit::RunOutcome> zero{{.n_items = 0, .acquired = true}};
  CHECK_THROWS_MATCHES(fit::fit_threshold(zero), Error,
                       Message("runs[0].n_items: expected a positive finite number, got 0"));
  const std::vector<fit::RunOutcome> negative{{.n_items = 5, .acquired = true}, {.n_items = -5, .acquired = true}};
  CHECK_THROWS_MATCHES(fit::fit_threshold(negative), Error,
                       Message("runs[1].n_items: expected a positive finite number, got -5"));
  const std::vector<fit::RunOutcome> no_context{{.n_items = 5, .acquired = true}};
  CHECK_THROWS_MATCHES(fit::fit_threshold_scaling(no_context), Error,
                       Message("runs[0].n_context: expected a positive finite number, got 0"));
  CHECK_THROWS_MATCHES(fit::fit_threshold(negative, {.max_levels = 1}), Error,
                       Message("max_levels: expected at least 2, got 1"));
  const auto runs = runs_of("runs_contexts.csv");
  CHECK_THROWS_AS(fit::test_threshold_exponent(runs, {}), Error);
  CHECK_THROWS_AS(fit::test_threshold_exponent(runs, {.value = -1, .low = {}, .high = {}}), Error);
  CHECK_THROWS_AS(fit::test_threshold_exponent(runs, {.value = 1, .low = 1.1, .high = 2}), Error);
  CHECK_THROWS_AS(fit::test_threshold_exponent(runs, {.value = 1, .low = 0.9, .high = {}}), Error);
  CHECK_THROWS_AS(fit::test_threshold_exponent(runs, {.value = 1, .low = {}, .high = {}}, 0), Error);
  CHECK_THROWS_AS(fit::sigma_from_width({.value = 1, .low = {}, .high = {}}, {}), Error);
}

TEST_CASE("binary threshold: the joint test weighs the errors of nu", "[fit][threshold][eq13]") {
  const auto runs = runs_of("runs_contexts.csv");
  const Estimate exact{.value = 0.8, .low = {}, .high = {}};
  const auto sharp = fit::test_threshold_exponent(runs, exact);
  const auto tight = fit::test_threshold_exponent(runs, {.value = 0.8, .low = 0.8 / 1.0001, .high = 0.8 * 1.0001});
  const auto loose = fit::test_threshold_exponent(runs, {.value = 0.8, .low = 0.6, .high = 0.8 * 0.8 / 0.6});
  CHECK_THAT(*tight.statistic, WithinRel(*sharp.statistic, 1e-3));
  CHECK(*loose.statistic < *sharp.statistic);
  CHECK(*loose.p_value > *sharp.p_value);
  CHECK_THAT(*sharp.predicted.value, WithinRel(1.25, 1e-14));
  // At the exponent itself nothing disagrees.
  const double exponent = *fit::fit_threshold_scaling(runs).exponent.value;
  const auto same = fit::test_threshold_exponent(runs, {.value = 0.95 / exponent, .low = {}, .high = {}}, 0.95);
  CHECK_THAT(*same.statistic, WithinAbs(0, 1e-6));
  CHECK_THAT(*same.p_value, WithinAbs(1, 1e-3));
}

TEST_CASE("binary threshold: separated thresholds give a range of exponents", "[fit][threshold]") {
  std::vector<fit::RunOutcome> runs;
  for (const double n_context : {50.0, 100.0, 200.0, 400.0}) {
    for (int k = 0; k < 10; ++k) {
      const double n_items = 300 * std::pow(2, k);
      for (int r = 0; r < 3; ++r) {
        runs.push_back(
            {.n_items = n_items, .acquired = n_items > 10 * std::pow(n_context, 1.2), .n_context = n_context});
      }
    }
  }
  const auto law = fit::fit_threshold_scaling(runs);
  REQUIRE(law.outcome == fit::ThresholdScalingOutcome::separated);
  CHECK(*law.exponent.low < 1.2);
  CHECK(*law.exponent.high > 1.2);
  CHECK(*law.exponent.high - *law.exponent.low < 2);
  CHECK(mentions(law.warnings, "every exponent from"));
  std::vector<fit::RunOutcome> single(runs.begin(), runs.begin() + 30);
  CHECK(fit::fit_threshold_scaling(single).outcome == fit::ThresholdScalingOutcome::one_context);
  for (auto& run : runs) run.acquired = true;
  CHECK(fit::fit_threshold_scaling(runs).outcome == fit::ThresholdScalingOutcome::not_identified);
}

TEST_CASE("binary threshold: width times nu is the spread of beta0", "[fit][threshold][eq13]") {
  const Estimate width{.value = 0.5, .low = 0.4, .high = 0.7};
  const auto exact = fit::sigma_from_width(width, {.value = 0.7, .low = {}, .high = {}});
  CHECK_THAT(*exact.value, WithinRel(0.35, 1e-14));
  CHECK_THAT(*exact.low, WithinRel(0.28, 1e-14));
  CHECK_THAT(*exact.high, WithinRel(0.49, 1e-14));
  const auto both = fit::sigma_from_width(width, {.value = 0.7, .low = 0.65, .high = 0.75});
  CHECK_THAT(*both.high, WithinRel(0.35 * std::exp(std::hypot(std::log(1.4), std::log(0.75 / 0.7))), 1e-14));
  const auto zero = fit::sigma_from_width({.value = 0, .low = 0, .high = 0.3}, {.value = 0.7, .low = {}, .high = {}});
  CHECK_THAT(*zero.low, WithinAbs(0, 0));
  CHECK_THAT(*zero.high, WithinRel(0.21, 1e-14));
  CHECK_FALSE(fit::sigma_from_width({}, {.value = 0.7, .low = {}, .high = {}}).value);
}
