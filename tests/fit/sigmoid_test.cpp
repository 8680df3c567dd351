#include "iclk/fit/sigmoid.hpp"

#include <cmath>
#include <map>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

std::vector<fit::AccuracyPoint> sigmoid_points(double noise, std::uint64_t index = 0, int seeds = 3) {
  Rng rng(81, RandomPurpose::test, index);
  std::vector<fit::AccuracyPoint> points;
  for (int k = 0; k < 8; ++k) {
    const double n_items = 500 * std::pow(2, k);
    for (int r = 0; r < seeds; ++r) {
      const double y = 0.5 + 0.4 / (1 + std::exp(-6 * (std::log10(n_items) - std::log10(5000.0))));
      points.push_back({.n_items = n_items, .accuracy = y + noise * rng.normal()});
    }
  }
  return points;
}

bool mentions(const fit::SigmoidFit& fit, const std::string& text) {
  for (const std::string& warning : fit.warnings) {
    if (warning.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("sigmoid: parameters and errors agree with R", "[fit][sigmoid][parity]") {
  std::map<std::string, double> expected;
  const Table reference = read_table("r/threshold.csv");
  for (std::size_t i = 0; i < reference.rows(); ++i) {
    if (reference.text(i, "link") == "sigmoid") expected[reference.text(i, "quantity")] = reference.number(i, "value");
  }
  const Table runs = read_table("r/runs_large.csv");
  std::vector<fit::AccuracyPoint> points;
  for (std::size_t i = 0; i < runs.rows(); ++i) {
    points.push_back({.n_items = runs.number(i, "K"), .accuracy = runs.number(i, "accuracy")});
  }
  const auto fit = fit::fit_sigmoid(points);
  REQUIRE(fit.outcome == fit::SigmoidOutcome::fitted);
  CHECK(fit.n_runs == 160);
  const double t = 1.9752875078;  // qt(0.975, 156)
  const auto agree = [&](const Estimate& estimate, const std::string& name) {
    CAPTURE(name);
    CHECK_THAT(*estimate.value, WithinRel(expected.at(name), 1e-6));
    CHECK_THAT((*estimate.high - *estimate.low) / (2 * t), WithinRel(expected.at(name + "_error"), 1e-6));
  };
  agree(fit.log10_k_star, "b");
  agree(fit.slope, "slope");
  agree(fit.floor, "floor");
  agree(fit.rise, "rise");
  CHECK_THAT(*fit.residual_sd, WithinRel(expected.at("residual_sd"), 1e-6));
  CHECK_THAT(*fit.k_star.value, WithinRel(std::pow(10.0, expected.at("b")), 1e-6));
}

TEST_CASE("sigmoid: exact data give the parameters back", "[fit][sigmoid]") {
  const auto fit = fit::fit_sigmoid(sigmoid_points(0));
  REQUIRE(fit.outcome == fit::SigmoidOutcome::fitted);
  CHECK_THAT(*fit.k_star.value, WithinRel(5000.0, 1e-9));
  CHECK_THAT(*fit.slope.value, WithinRel(6.0, 1e-8));
  CHECK_THAT(*fit.floor.value, WithinRel(0.5, 1e-9));
  CHECK_THAT(*fit.rise.value, WithinRel(0.4, 1e-9));
  CHECK_FALSE(fit.solver.empty());
}

TEST_CASE("sigmoid: data without one are refused in words", "[fit][sigmoid]") {
  std::vector<fit::AccuracyPoint> few{{100, 0.5}, {200, 0.6}, {400, 0.9}};
  CHECK(fit::fit_sigmoid(few).outcome == fit::SigmoidOutcome::too_few_levels);
  CHECK(mentions(fit::fit_sigmoid(few), "at least four K"));
  CHECK(fit::fit_sigmoid({}).outcome == fit::SigmoidOutcome::too_few_levels);
  std::vector<fit::AccuracyPoint> same{{100, 1}, {200, 1}, {400, 1}, {800, 1}, {1600, 1}};
  CHECK(fit::fit_sigmoid(same).outcome == fit::SigmoidOutcome::constant);
  CHECK(mentions(fit::fit_sigmoid(same), "every accuracy is the same"));
  std::vector<fit::AccuracyPoint> step{{100, 0.5}, {200, 0.5}, {400, 0.5}, {800, 1}, {1600, 1}, {3200, 1}};
  const auto sharp = fit::fit_sigmoid(step);
  CHECK(sharp.outcome == fit::SigmoidOutcome::not_identified);
  CHECK_FALSE(sharp.k_star.value);
  CHECK(mentions(sharp, "step between two K"));
}

TEST_CASE("sigmoid: four runs have no errors and falling or unfinished data are marked", "[fit][sigmoid]") {
  const std::vector<fit::AccuracyPoint> four{{1000, 0.52}, {2000, 0.6}, {4000, 0.85}, {8000, 0.95}};
  const auto saturated = fit::fit_sigmoid(four);
  REQUIRE(saturated.outcome == fit::SigmoidOutcome::saturated);
  CHECK(saturated.k_star.value);
  CHECK_FALSE(saturated.k_star.low);
  CHECK(mentions(saturated, "no errors"));
  auto falling = sigmoid_points(0);
  for (auto& p : falling) p.accuracy = 1.4 - p.accuracy;
  CHECK(mentions(fit::fit_sigmoid(falling), "falls with K"));
  auto beyond = sigmoid_points(0);
  for (auto& p : beyond) p.accuracy = (p.accuracy - 0.5) * 2.4;
  std::erase_if(beyond, [](const fit::AccuracyPoint& p) { return p.n_items > 9000; });
  for (auto& p : beyond) p.accuracy *= 1.2;
  CHECK(mentions(fit::fit_sigmoid(beyond), "outside [0, 1]"));
}

TEST_CASE("sigmoid: bad points are refused", "[fit][sigmoid][errors]") {
  const std::vector<fit::AccuracyPoint> zero{{0, 0.5}};
  CHECK_THROWS_MATCHES(fit::fit_sigmoid(zero), Error,
                       Message("points[0].n_items: expected a positive finite number, got 0"));
  const std::vector<fit::AccuracyPoint> above{{10, 1.5}};
  CHECK_THROWS_MATCHES(fit::fit_sigmoid(above), Error,
                       Message("points[0].accuracy: expected a number in [0, 1], got 1.5"));
}

TEST_CASE("sigmoid: intervals of K* cover 95 % for equal normal errors", "[fit][sigmoid][.slow]") {
  const int n_sets = 2000;
  int covered = 0;
  for (int set = 0; set < n_sets; ++set) {
    auto points = sigmoid_points(0.02, static_cast<std::uint64_t>(set));
    const auto fit = fit::fit_sigmoid(points);
    if (fit.outcome != fit::SigmoidOutcome::fitted) continue;
    covered += *fit.k_star.low <= 5000 && 5000 <= *fit.k_star.high;
  }
  CAPTURE(covered);
  CHECK(covered > 0.93 * n_sets);
  CHECK(covered < 0.97 * n_sets);
}
