#include "iclk/fit/power_law_alternatives.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "power_law_samples.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

TEST_CASE("robust power law: one wild level or one wild run per level does not move it",
          "[fit][power_law_alternatives]") {
  auto points = sample_law(8, 3, 0, 0.01);
  const auto clean = fit::robust_power_law(points);
  REQUIRE(clean.outcome == fit::AlternativeOutcome::fitted);
  for (std::size_t k = 0; k < 8; ++k) points[3 * k + k % 3].y *= k % 2 == 0 ? 100 : 0.01;  // a run of each level
  const auto wild_runs = fit::robust_power_law(points);
  CHECK_THAT(*wild_runs.exponent.value, WithinAbs(0.7, 0.02));
  points = sample_law(8, 3, 0, 0.01);
  for (std::size_t r = 18; r < 21; ++r) points[r].y *= 5;  // one level
  const auto wild_level = fit::robust_power_law(points);
  CHECK_THAT(*wild_level.exponent.value, WithinAbs(*clean.exponent.value, 0.02));
  CHECK(holds(wild_level.exponent, 0.7));
  CHECK(std::abs(*fit::fit_power_law(points).exponent.value - 0.7) > 0.1);
}

TEST_CASE("robust power law: median of slopes with the ends that Kendall's table says",
          "[fit][power_law_alternatives]") {
  // Eight values: |S| >= 18 of 28 has 3.1 %, |S| >= 16 has 6.2 %. So the sixth slope from either side is the end.
  const auto points = sample_law(8, 1, 0, 0.2);
  std::vector<double> slopes, rest;
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t j = i + 1; j < 8; ++j) {
      slopes.push_back(std::log(points[j].y / points[i].y) / std::log(points[j].x / points[i].x));
    }
  }
  std::sort(slopes.begin(), slopes.end());
  const auto robust = fit::robust_power_law(points);
  const double middle = (slopes[13] + slopes[14]) / 2;
  CHECK_THAT(*robust.exponent.value, WithinRel(middle, 1e-12));
  CHECK_THAT(*robust.exponent.low, WithinRel(slopes[5], 1e-12));
  CHECK_THAT(*robust.exponent.high, WithinRel(slopes[22], 1e-12));
  for (const auto& p : points) rest.push_back(std::log(p.y) - middle * std::log(p.x));
  std::sort(rest.begin(), rest.end());
  CHECK_THAT(*robust.prefactor.value, WithinRel(std::exp((rest[3] + rest[4]) / 2), 1e-10));
  CHECK_FALSE(robust.prefactor.low);

  const auto five = fit::robust_power_law(sample_law(5, 1, 0, 0.2));  // 2 of 120 orders: the extreme slopes
  CHECK(five.outcome == fit::AlternativeOutcome::fitted);
  const auto four = fit::robust_power_law(sample_law(4, 1, 0, 0.2));  // 2 of 24 orders: 8 %
  CHECK(four.outcome == fit::AlternativeOutcome::no_interval);
  CHECK_FALSE(four.exponent.low);
  CHECK(warns(four, "fewer than five levels"));
}

TEST_CASE("robust power law: exact and normal limits of Kendall's distribution agree",
          "[fit][power_law_alternatives][limits]") {
  // Around 60 levels, where the exact distribution gives way to the normal one, widths go on smoothly.
  double exact = 0, normal = 0;
  for (std::uint64_t i = 0; i < 20; ++i) {
    exact += width(fit::robust_power_law(sample_law(60, 1, 0, 0.05, i)).exponent) * std::pow(60.0, 1.5);
    normal += width(fit::robust_power_law(sample_law(61, 1, 0, 0.05, i)).exponent) * std::pow(61.0, 1.5);
  }
  CHECK_THAT(normal / exact, WithinAbs(1, 0.05));
}

TEST_CASE("profile power law: one run per level gives the Student interval",
          "[fit][power_law_alternatives][identity]") {
  const auto points = sample_law(8, 1, 0, 0.05);
  const auto fit = fit::fit_power_law(points);
  const auto profile = fit::profile_power_law(points);
  REQUIRE(profile.outcome == fit::AlternativeOutcome::fitted);
  CHECK_THAT(*profile.exponent.value, WithinRel(*fit.exponent.value, 1e-12));
  CHECK_THAT(*profile.exponent.low, WithinRel(*fit.exponent.low, 1e-8));
  CHECK_THAT(*profile.exponent.high, WithinRel(*fit.exponent.high, 1e-8));
  CHECK_THAT(*profile.prefactor.value, WithinRel(*fit.prefactor.value, 1e-10));
  // With the limit of chi-squared: half-width sqrt(RSS (e^(3.84/n) - 1)/spread).
  const auto usual = fit::profile_power_law(points, {}, {.small_sample = false});
  const double t = 2.4469118511;
  CHECK_THAT(width(usual.exponent) / width(profile.exponent),
             WithinRel(std::sqrt(6 * std::expm1(3.841458820694124 / 8)) / t, 1e-7));
  CHECK(warns(usual, "makes the profile interval too short"));
}

TEST_CASE("profile power law: equal runs with scattering levels give the Student interval",
          "[fit][power_law_alternatives][identity]") {
  const auto points = sample_law(8, 3, 0.1, 0.01);
  const auto fit = fit::fit_power_law(points);
  const auto profile = fit::profile_power_law(points);
  CHECK_THAT(*profile.exponent.value, WithinRel(*fit.exponent.value, 1e-9));
  CHECK_THAT(*profile.exponent.low, WithinRel(*fit.exponent.low, 1e-5));
  CHECK_THAT(*profile.exponent.high, WithinRel(*fit.exponent.high, 1e-5));
}

TEST_CASE("profile power law: it is the interval of a brute-force likelihood",
          "[fit][power_law_alternatives][parity]") {
  // Unequal numbers of runs. -2 ln L written out run by run, minimised on a fine grid of both variances.
  auto points = sample_law(6, 3, 0.04, 0.03);
  points.erase(points.begin() + 4);
  points.erase(points.begin() + 9, points.begin() + 11);
  const auto deviance = [&](double exponent) {
    double least = std::numeric_limits<double>::infinity();
    for (double within = 0.012; within < 0.06; within *= 1.01) {
      for (double between = 0; between<0.15; between = between> 0 ? between * 1.02 : 0.002) {
        // Per level: det = within^(2(n-1)) (within^2 + n between^2); mean has variance between^2 + within^2/n.
        double sum = 0, w_sum = 0, wr = 0, wrr = 0;
        for (std::size_t i = 0; i < points.size();) {
          std::size_t j = i;
          double mean = 0, squares = 0;
          for (; j < points.size() && points[j].x == points[i].x; ++j) mean += std::log(points[j].y);
          const auto n = static_cast<double>(j - i);
          mean /= n;
          for (std::size_t r = i; r < j; ++r) squares += std::pow(std::log(points[r].y) - mean, 2);
          const double variance = between * between + within * within / n;
          sum += (n - 1) * std::log(within * within) + std::log(within * within + n * between * between) +
                 squares / (within * within);
          const double residual = mean - exponent * std::log(points[i].x);
          w_sum += 1 / variance;
          wr += residual / variance;
          wrr += residual * residual / variance;
          i = j;
        }
        least = std::min(least, sum + wrr - wr * wr / w_sum);
      }
    }
    return least;
  };
  const auto profile = fit::profile_power_law(points, {}, {.small_sample = false});
  REQUIRE(profile.outcome == fit::AlternativeOutcome::fitted);
  const double least = deviance(*profile.exponent.value);
  // The deviance rises by 1 within 0.3 of the half-width; the grid is fine enough for 0.02.
  CHECK_THAT(deviance(*profile.exponent.low) - least, WithinAbs(3.8415, 0.02));
  CHECK_THAT(deviance(*profile.exponent.high) - least, WithinAbs(3.8415, 0.02));
  for (const double step : {-0.002, 0.002}) CHECK(deviance(*profile.exponent.value + step) > least - 0.001);
}

TEST_CASE("local exponents: exact data give the exponent everywhere and a bend shows",
          "[fit][power_law_alternatives]") {
  const auto exact = sample_law(6, 2, 0, 0);
  for (const auto& local : fit::local_exponents(exact, fit::fit_power_law(exact))) {
    CHECK_THAT(*local.exponent.value, WithinAbs(0.7, 1e-12));
  }
  auto bent = sample_law(6, 3, 0, 0.01);
  for (auto& p : bent) p.y *= std::exp(0.05 * std::pow(std::log(p.x / 500), 2));  // local exponent 0.7 + 0.1 ln(x/500)
  const auto fit = fit::fit_power_law(bent);
  const auto pairs = fit::local_exponents(bent, fit);
  REQUIRE(pairs.size() == 5);
  CHECK_THAT(pairs[0].x_low, WithinRel(500, 1e-12));
  CHECK_THAT(pairs[0].x_high, WithinRel(1000, 1e-12));
  CHECK(*pairs[4].exponent.low > *pairs[0].exponent.high);
  // Runs of 1 % over a factor of two: half-width t_12 0.01 sqrt(2/3)/ln 2, with the fitted sd.
  CHECK_THAT(width(pairs[0].exponent),
             WithinRel(2 * 2.1788128297 * *fit.within_sd * std::sqrt(2.0 / 3) / std::log(2.0), 1e-8));
  const auto triples = fit::local_exponents(bent, fit, {}, 3);
  REQUIRE(triples.size() == 4);
  CHECK(width(triples[0].exponent) < width(pairs[0].exponent));
  CHECK(fit::local_exponents(bent, fit, {}, 7).empty());
  const auto single = sample_law(5, 1, 0, 0.02);  // scatter about the law instead
  CHECK(width(fit::local_exponents(single, fit::fit_power_law(single))[0].exponent) > 0);
}

TEST_CASE("power law alternatives: tails widen every interval and open ends stay open",
          "[fit][power_law_alternatives]") {
  const auto points = sample_law(8, 2, 0, 0.02);
  auto tails = with_tails(points, 0.02);
  const auto check = [](const Estimate& bare, const Estimate& wide) {
    CHECK(*wide.low < *bare.low);
    CHECK(*wide.high > *bare.high);
  };
  check(fit::robust_power_law(points).exponent, fit::robust_power_law(tails).exponent);
  check(fit::profile_power_law(points).exponent, fit::profile_power_law(tails).exponent);
  check(fit::local_exponents(points, fit::fit_power_law(points))[3].exponent,
        fit::local_exponents(tails, fit::fit_power_law(tails))[3].exponent);
  CHECK_THAT(width(fit::robust_power_law(tails, {.use_tails = false}).exponent),
             WithinRel(width(fit::robust_power_law(points).exponent), 1e-12));
  for (auto& p : tails) p.high.reset();
  CHECK_FALSE(fit::robust_power_law(tails).exponent.high);
  CHECK_FALSE(fit::profile_power_law(tails).exponent.high);
  CHECK(fit::profile_power_law(tails).exponent.low);
  CHECK(warns(fit::profile_power_law(tails), "no upper end"));
  CHECK_FALSE(fit::local_exponents(tails, fit::fit_power_law(tails))[0].exponent.high);
}

TEST_CASE("power law alternatives: degenerate data end with a word", "[fit][power_law_alternatives][limits]") {
  using Points = std::vector<fit::PowerLawPoint>;
  const Points one_level{{.x = 2, .y = 3}, {.x = 2, .y = 4}};
  const Points two{{.x = 1, .y = 1}, {.x = 2, .y = 2}};
  for (const Points& points : {Points{}, one_level}) {
    CHECK(fit::robust_power_law(points).outcome == fit::AlternativeOutcome::no_law);
    CHECK(fit::profile_power_law(points).outcome == fit::AlternativeOutcome::no_law);
    CHECK(fit::local_exponents(points, fit::fit_power_law(points)).empty());
  }
  CHECK(fit::robust_power_law(two).outcome == fit::AlternativeOutcome::no_interval);
  CHECK(fit::profile_power_law(two).outcome == fit::AlternativeOutcome::no_interval);
  CHECK(fit::local_exponents(two, fit::fit_power_law(two)).size() == 1);
  const auto exact = fit::profile_power_law(sample_law(5, 2, 0, 0));
  CHECK(exact.outcome == fit::AlternativeOutcome::no_interval);
  CHECK(warns(exact, "lie on the law"));
  const auto same_runs = fit::profile_power_law([] {
    auto points = sample_law(5, 1, 0, 0.05);
    const auto copy = points;
    points.insert(points.end(), copy.begin(), copy.end());
    return points;
  }());
  CHECK(same_runs.outcome == fit::AlternativeOutcome::fitted);  // repeated rows: no scatter of runs, that of levels
  Points many;
  for (int i = 1; i <= 2001; ++i)
    many.push_back({.x = static_cast<double>(i), .y = std::pow(i, 0.5) * (1 + 0.1 * (i % 2))});
  CHECK(fit::robust_power_law(many).outcome == fit::AlternativeOutcome::too_many_levels);
  CHECK(fit::profile_power_law(many).outcome == fit::AlternativeOutcome::too_many_levels);
  CHECK(fit::name(fit::AlternativeOutcome::too_many_levels) == "too_many_levels");
  CHECK_THROWS_WITH(fit::local_exponents(two, fit::fit_power_law(two), {}, 1),
                    "window: expected two levels or more, got 1");
  CHECK_THROWS_WITH(fit::robust_power_law(Points{{.x = 0, .y = 1}}),
                    "points[0].x: expected a positive finite number, got 0");
  CHECK_THROWS_WITH(fit::profile_power_law(Points{{.x = 1, .y = -1}}),
                    "points[0].y: expected a positive finite number, got -1");
}
