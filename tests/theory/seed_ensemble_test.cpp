#include "iclk/theory/seed_ensemble.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "golden_curves.hpp"
#include "iclk/core/error.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::StartDistribution;

namespace {

constexpr double kTolerance = 1e-12;  // of the closed forms in the reference tables
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

}  // namespace

TEST_CASE("ensemble: P of in-context learning against the number of items", "[theory][eq12][eq13][eq34][eq35]") {
  const Table table = read_table("p_icl.csv");
  REQUIRE(table.rows() == 27);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double n = table.number(i, "N");
    const StartDistribution start{.beta0_mean = table.number(i, "mu_beta"),
                                  .beta0_sd = table.number(i, "sigma_beta"),
                                  .w0_mean = 0.0,
                                  .w0_sd = table.number(i, "sigma_w")};
    StartDistribution at_zero = start;
    at_zero.w0_sd = 0.0;
    const double i_infinity = table.number(i, "I_inf");
    INFO("row " << i);
    CHECK_THAT(probability(theory::lognormal_law(n, at_zero), i_infinity),
               WithinRel(table.number(i, "P_lognormal"), kTolerance));
    CHECK_THAT(probability(theory::lognormal_law(n, start), i_infinity),
               WithinRel(table.number(i, "P_lognormal_w0lin"), kTolerance));
    CHECK_THAT(theory::acquisition_probability(i_infinity, n, at_zero, 0.5),
               WithinRel(table.number(i, "P_exact_w0zero"), kTolerance));
    CHECK_THAT(theory::acquisition_probability(i_infinity, n, start, 0.5),
               WithinRel(table.number(i, "P_exact"), kTolerance));
    // The prefactor a g of the memorization law, from the row itself.
    const double nu = table.number(i, "nu");
    const double prefactor = i_infinity / std::pow(table.number(i, "K"), nu);
    const theory::ItemTransition transition = theory::item_transition(prefactor, nu, n, at_zero, 0.5);
    CHECK_THAT(transition.k_half_lognormal, WithinRel(table.number(i, "K50_lognormal"), kTolerance));
    CHECK_THAT(transition.k_half, WithinRel(table.number(i, "K50_exact"), kTolerance));
    CHECK_THAT(transition.log_width, WithinRel(table.number(i, "width_lnK"), kTolerance));
  }
}

TEST_CASE("ensemble: quantiles of the acquisition time at constant c1", "[theory][eq11][eq12]") {
  const Table table = read_table("ticl_quantiles.csv");
  REQUIRE(table.rows() == 50);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double n = table.number(i, "N");
    const double share = table.number(i, "q");
    const StartDistribution start{.beta0_mean = table.number(i, "mu_beta"), .beta0_sd = table.number(i, "sigma_beta")};
    INFO("row " << i);
    CHECK_THAT(quantile(theory::lognormal_law(n, start), share), WithinRel(table.number(i, "t_lognormal"), kTolerance));
    CHECK_THAT(theory::acquisition_quantile(share, n, start, 0.5),
               WithinRel(table.number(i, "t_exact_c2half"), kTolerance));
  }
}

TEST_CASE("ensemble: distribution of the acquisition time and the atom of runs that never acquire", "[theory][eq12]") {
  const Table table = read_table("ticl_distribution.csv");
  REQUIRE(table.rows() == 25);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const std::string& letter = table.text(i, "family");
    const double horizon = table.number(i, "T");
    const Family family = family_of_row(letter, letter == "E" ? 0.0 : table.number(i, "shape"), horizon);
    const double n = table.number(i, "N");
    const StartDistribution start{.beta0_mean = table.number(i, "mu_beta"), .beta0_sd = table.number(i, "sigma_beta")};
    const theory::LognormalLaw law = theory::lognormal_law(n, start);
    const double time = table.number(i, "t");
    const double integral = horizon * family.integral(time / horizon);
    const double i_infinity = horizon * (letter == "E" ? 1.0 : 1.0 / (table.number(i, "shape") - 1.0));
    INFO("row " << i);
    CHECK_THAT(integral, WithinRel(table.number(i, "I_K"), kTolerance));
    CHECK_THAT(probability(law, integral), WithinRel(table.number(i, "cdf_lognormal"), kTolerance));
    CHECK_THAT(2.0 * family.c1(time) * density(law, integral), WithinRel(table.number(i, "pdf_lognormal"), kTolerance));
    CHECK_THAT(theory::acquisition_probability(integral, n, start, 0.5),
               WithinRel(table.number(i, "cdf_exact"), kTolerance));
    CHECK_THAT(2.0 * family.c1(time) * theory::acquisition_density(integral, n, start, 0.5),
               WithinRel(table.number(i, "pdf_exact"), kTolerance));
    CHECK_THAT(probability_above(law, i_infinity), WithinRel(table.number(i, "p_never_lognormal"), kTolerance));
    CHECK_THAT(theory::acquisition_probability_above(i_infinity, n, start, 0.5),
               WithinRel(table.number(i, "p_never_exact"), kTolerance));
  }
}

TEST_CASE("ensemble: small kappa makes the exact law lognormal", "[theory][eq34][eq35][limits]") {
  // c2 = 0 and w0 = 0: Eq. 35 itself.
  const StartDistribution start{.beta0_mean = 0.7, .beta0_sd = 0.4};
  const theory::LognormalLaw law = theory::lognormal_law(50, start);
  for (const double integral : {10.0, 50.0, 62.0, 90.0, 400.0}) {
    CHECK_THAT(theory::acquisition_probability(integral, 50, start, 0.0), WithinRel(probability(law, integral), 1e-12));
    CHECK_THAT(theory::acquisition_density(integral, 50, start, 0.0), WithinRel(density(law, integral), 1e-12));
  }
  // A narrow w0 about any mean: the law follows from the slope of ln R there, with an error of third order in w0_sd.
  for (const double mean : {-1.5, 0.0, 2.0}) {
    double last = 1.0;
    for (const double sd : {0.2, 0.1, 0.05}) {
      const StartDistribution narrow{.beta0_mean = 0.0, .beta0_sd = 0.0, .w0_mean = mean, .w0_sd = sd};
      const theory::LognormalLaw linear = theory::lognormal_law(50, narrow);
      const double exact = theory::acquisition_quantile(0.5, 50, narrow, 0.0);
      const double curvature = linear.log_mean - std::log(theory::acquisition_integral(50, 0.0, mean));
      CHECK_THAT(std::log(exact), WithinAbs(linear.log_mean - curvature, 1e-12));  // the median has no shift
      const double upper = theory::acquisition_quantile(normal_cdf(1.0), 50, narrow, 0.0);
      const double lower = theory::acquisition_quantile(normal_cdf(-1.0), 50, narrow, 0.0);
      const double error = std::abs(0.5 * std::log(upper / lower) / linear.log_sd - 1.0);
      CHECK(error < last / 3.5);
      last = error;
    }
    CHECK(last < 1e-3);
  }
}

TEST_CASE("ensemble: probability and quantile and density agree with each other", "[theory][eq12][identity]") {
  for (const double beta0_mean : {-4.0, 0.0, 3.0}) {
    for (const double c2 : {0.0, 0.5, 1.0}) {
      for (const auto& [beta0_sd, w0_sd] :
           {std::pair{0.5, 0.0}, std::pair{0.0, 0.5}, std::pair{0.5, 0.3}, std::pair{0.1, 0.8}, std::pair{1.0, 2.0}}) {
        const StartDistribution start{.beta0_mean = beta0_mean, .beta0_sd = beta0_sd, .w0_mean = 0.2, .w0_sd = w0_sd};
        INFO("beta0_mean " << beta0_mean << " c2 " << c2 << " sd " << beta0_sd << " " << w0_sd);
        for (const double share : {0.01, 0.7}) {
          const double x = theory::acquisition_quantile(share, 100, start, c2);
          CHECK_THAT(theory::acquisition_probability(x, 100, start, c2), WithinRel(share, 1e-10));
          CHECK_THAT(theory::acquisition_probability_above(x, 100, start, c2), WithinRel(1.0 - share, 1e-10));
          // Central differences over a small part of what holds a tenth of the share.
          const double h = 0.002 * (theory::acquisition_quantile(1.05 * share, 100, start, c2) -
                                    theory::acquisition_quantile(0.95 * share, 100, start, c2));
          const double difference = (theory::acquisition_probability(x + h, 100, start, c2) -
                                     theory::acquisition_probability(x - h, 100, start, c2)) /
                                    (2.0 * h);
          CHECK_THAT(theory::acquisition_density(x, 100, start, c2), WithinRel(difference, 1e-5));
        }
      }
    }
  }
}

TEST_CASE("ensemble: the probability is the average over starts", "[theory][eq12]") {
  // A slow independent computation: a midpoint sum over (beta0, w0) of the closed form itself.
  const StartDistribution start{.beta0_mean = -0.5, .beta0_sd = 0.6, .w0_mean = 0.3, .w0_sd = 0.9};
  for (const double c2 : {0.5, 1.0}) {
    for (const double integral : {150.0, 400.0, 900.0}) {
      constexpr int kCells = 400;
      constexpr double kRange = 6.0;
      double sum = 0.0;
      for (int i = 0; i < kCells; ++i) {
        for (int j = 0; j < kCells; ++j) {
          const double u = kRange * (2.0 * (i + 0.5) / kCells - 1.0);
          const double v = kRange * (2.0 * (j + 0.5) / kCells - 1.0);
          const double x = theory::acquisition_integral_exact(100, start.beta0_mean + start.beta0_sd * u,
                                                              start.w0_mean + start.w0_sd * v, c2);
          if (x <= integral) sum += std::exp(-0.5 * (u * u + v * v));
        }
      }
      const double cell = 2.0 * kRange / kCells;
      sum *= cell * cell / (2.0 * std::acos(-1.0));
      // The boundary cuts through about 2 kCells cells, each counted wholly or not at all: errors of sd cell^2 phi.
      CHECK_THAT(theory::acquisition_probability(integral, 100, start, c2), WithinAbs(sum, 1e-3));
    }
  }
}

TEST_CASE("ensemble: ends of the range of integrals and starts without spread", "[theory][eq12][limits]") {
  const StartDistribution point{.beta0_mean = 0.1, .w0_mean = -0.2};
  const double x = theory::acquisition_integral_exact(100, 0.1, -0.2, 0.5);
  CHECK(theory::acquisition_probability(x * (1 - 1e-14), 100, point, 0.5) == 0.0);
  CHECK(theory::acquisition_probability(x * (1 + 1e-14), 100, point, 0.5) == 1.0);
  CHECK(theory::acquisition_quantile(0.3, 100, point, 0.5) == x);
  const StartDistribution wide{.beta0_sd = 0.3, .w0_sd = 0.3};
  CHECK(theory::acquisition_probability(0.0, 100, wide, 0.5) == 0.0);
  CHECK(theory::acquisition_probability(kInfinity, 100, wide, 0.5) == 1.0);
  CHECK(theory::acquisition_density(0.0, 100, wide, 0.5) == 0.0);
  CHECK(theory::acquisition_density(kInfinity, 100, wide, 0.5) == 0.0);
  CHECK(theory::acquisition_probability(1e-6, 100, wide, 0.5) == 0.0);
  CHECK(theory::acquisition_probability_above(0.0, 100, wide, 0.5) == 1.0);
  CHECK(theory::acquisition_probability_above(kInfinity, 100, wide, 0.5) == 0.0);
  CHECK(theory::acquisition_probability_above(x * (1 - 1e-14), 100, point, 0.5) == 1.0);
  CHECK(theory::acquisition_probability_above(x * (1 + 1e-14), 100, point, 0.5) == 0.0);
  CHECK_THAT(theory::acquisition_probability(1e12, 100, wide, 0.5), WithinRel(1.0, 1e-14));
  // Very wide starts reach both ends of what a double can hold.
  const StartDistribution widest{.beta0_mean = 0.0, .beta0_sd = 100.0, .w0_mean = 0.0, .w0_sd = 0.0};
  CHECK_THAT(theory::acquisition_probability(273.6443397838436, 100, widest, 0.5), WithinRel(0.5, 1e-12));
  CHECK(theory::acquisition_quantile(0.9999, 100, widest, 0.5) == kInfinity);
}

TEST_CASE("ensemble: the far tail is heavier than lognormal for cold starts", "[theory][eq37][limits]") {
  // X -> N c2 exp(-2 beta0) for beta0 -> -infinity: the log-sd doubles.
  const StartDistribution start{.beta0_mean = -8.0, .beta0_sd = 0.3};
  const double upper = theory::acquisition_quantile(normal_cdf(1.0), 100, start, 0.5);
  const double lower = theory::acquisition_quantile(normal_cdf(-1.0), 100, start, 0.5);
  CHECK_THAT(0.5 * std::log(upper / lower), WithinRel(2.0 * 0.3, 1e-3));
}

TEST_CASE("ensemble: a normal transition in ln K is recovered from a few K", "[theory][eq12][eq13]") {
  std::vector<theory::ItemProbability> points;
  for (const double k : {500.0, 1000.0, 3000.0, 8000.0, 20000.0}) {
    points.push_back({k, normal_cdf((std::log(k) - std::log(2500.0)) / 0.6)});
  }
  std::reverse(points.begin(), points.end());
  const theory::MeasuredTransition transition = theory::measured_transition(points);
  REQUIRE(transition.k_half.has_value());
  CHECK_THAT(*transition.k_half, WithinRel(2500.0, 1e-10));
  CHECK_THAT(*transition.log_width, WithinRel(0.6, 1e-10));
  CHECK_THAT(*transition.k_10, WithinRel(2500.0 * std::exp(-0.6 * 1.2815515655446004), 1e-10));

  SECTION("replicates of one K are averaged") {
    points.push_back({3000.0, std::min(1.0, points[2].probability + 0.05)});
    points[2].probability -= 0.05;
    CHECK_THAT(*theory::measured_transition(points).k_half, WithinRel(2500.0, 1e-10));
  }
  SECTION("neighbours in the wrong order are pooled") {
    const std::vector<theory::ItemProbability> noisy{{100, 0.1}, {200, 0.7}, {300, 0.5}, {400, 0.95}};
    const std::vector<theory::ItemProbability> pooled{{100, 0.1}, {200, 0.6}, {300, 0.6}, {400, 0.95}};
    CHECK(*theory::measured_transition(noisy).k_half == *theory::measured_transition(pooled).k_half);
  }
  SECTION("levels that are not crossed stay empty") {
    const std::vector<theory::ItemProbability> low{{100, 0.0}, {200, 0.3}};
    CHECK(theory::measured_transition(low).k_10.has_value());
    CHECK_FALSE(theory::measured_transition(low).k_half.has_value());
    CHECK_FALSE(theory::measured_transition(low).log_width.has_value());
    CHECK_FALSE(theory::measured_transition({}).k_half.has_value());
  }
}

TEST_CASE("ensemble: intervals of shares and quantiles", "[theory]") {
  // Clopper and Pearson: with no success in n, the upper end p solves (1 - p)^n = 0.025.
  const Estimate none = theory::share_estimate(0, 50);
  CHECK(*none.value == 0.0);
  CHECK(*none.low == 0.0);
  CHECK_THAT(*none.high, WithinRel(1.0 - std::pow(0.025, 1.0 / 50.0), 1e-10));
  CHECK_THAT(*theory::share_estimate(50, 50).low, WithinRel(std::pow(0.025, 1.0 / 50.0), 1e-10));
  CHECK(*theory::share_estimate(50, 50).high == 1.0);
  // 7 of 20, tail sums of the binomial distribution by hand.
  const Estimate seven = theory::share_estimate(7, 20);
  const auto tail = [](double p, int from, int to) {
    double sum = 0.0;
    for (int k = from; k <= to; ++k) {
      sum += std::exp(std::lgamma(21.0) - std::lgamma(k + 1.0) - std::lgamma(21.0 - k)) * std::pow(p, k) *
             std::pow(1.0 - p, 20 - k);
    }
    return sum;
  };
  CHECK_THAT(tail(*seven.low, 7, 20), WithinRel(0.025, 1e-9));
  CHECK_THAT(tail(*seven.high, 0, 7), WithinRel(0.025, 1e-9));

  std::vector<double> ascending;
  for (int i = 1; i <= 100; ++i) ascending.push_back(i);
  const Estimate median = theory::sample_quantile(ascending, 0.5);
  CHECK(*median.value == 50.0);
  CHECK(*median.low == 40.0);   // of Binomial(100, 1/2): P(below 40) = 0.018, P(40 or below) = 0.028
  CHECK(*median.high == 61.0);  // the ranks 40 and 61 enclose the median with 96.5 %
  CHECK_FALSE(theory::sample_quantile(ascending, 0.001).low.has_value());
  CHECK_FALSE(theory::sample_quantile(ascending, 0.999).high.has_value());
}

TEST_CASE("ensemble: bad input is named", "[theory][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const StartDistribution good{.beta0_sd = 0.3};
  using theory::acquisition_probability;
  CHECK_THROWS_WITH(acquisition_probability(1.0, 1.0, good, 0.5), "context: expected a number of at least 2, got 1");
  CHECK_THROWS_WITH(acquisition_probability(-1.0, 10.0, good, 0.5),
                    "integral: expected a number that is not negative, got -1");
  CHECK_THROWS_WITH(acquisition_probability(nan, 10.0, good, 0.5),
                    "integral: expected a number that is not negative, got nan");
  CHECK_THROWS_WITH(acquisition_probability(1.0, 10.0, good, 1.5), "c2: expected a number in [0, 1], got 1.5");
  CHECK_THROWS_WITH(acquisition_probability(1.0, 10.0, {.beta0_mean = nan}, 0.5),
                    "beta0_mean: expected a finite number, got nan");
  CHECK_THROWS_WITH(acquisition_probability(1.0, 10.0, {.beta0_sd = -1.0}, 0.5),
                    "beta0_sd: expected a number that is not negative, got -1");
  CHECK_THROWS_WITH(acquisition_probability(1.0, 10.0, {.w0_mean = nan}, 0.5),
                    "w0_mean: expected a finite number, got nan");
  CHECK_THROWS_WITH(acquisition_probability(1.0, 10.0, {.w0_sd = -1.0}, 0.5),
                    "w0_sd: expected a number that is not negative, got -1");
  CHECK_THROWS_WITH(theory::acquisition_density(1.0, 10.0, {}, 0.5),
                    "beta0_sd: expected a positive number here or in w0_sd, got 0");
  CHECK_THROWS_WITH(theory::acquisition_quantile(1.0, 10.0, good, 0.5), "share: expected a number in (0, 1), got 1");
  CHECK_THROWS_WITH(quantile(theory::LognormalLaw{}, 0.0), "share: expected a number in (0, 1), got 0");
  CHECK_THROWS_WITH(density(theory::LognormalLaw{}, 1.0), "log_sd: expected a positive number, got 0");
  CHECK_THROWS_WITH(probability(theory::LognormalLaw{}, -1.0),
                    "integral: expected a number that is not negative, got -1");
  CHECK_THROWS_WITH(probability_above(theory::LognormalLaw{}, -1.0),
                    "integral: expected a number that is not negative, got -1");
  CHECK_THROWS_WITH(theory::item_transition(0.0, 0.7, 10.0, good, 0.5), "prefactor: expected a positive number, got 0");
  CHECK_THROWS_WITH(theory::share_estimate(1, 0), "n: expected at least 1, got 0");
  CHECK_THROWS_WITH(theory::share_estimate(2, 1), "n_yes: expected no more than n, got 2");
  CHECK_THROWS_WITH(theory::sample_quantile({}, 0.5), "ascending: expected at least one number, got 0");
  const std::vector<theory::ItemProbability> no_items{{0.0, 0.5}};
  CHECK_THROWS_WITH(theory::measured_transition(no_items), "n_items: expected at least 1, got 0");
  const std::vector<theory::ItemProbability> above_one{{10.0, 1.5}};
  CHECK_THROWS_WITH(theory::measured_transition(above_one), "probability: expected a number in [0, 1], got 1.5");
}
