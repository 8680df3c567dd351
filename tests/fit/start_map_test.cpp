#include "iclk/fit/start_map.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include "iclk/core/random.hpp"
#include "iclk/fit/survival.hpp"
#include "iclk/theory/memorization_family.hpp"
#include "iclk/theory/sensitivity.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// beta0 from which the exact flow with c2 = 1/2 and w0 = 0 blows up at this I_K.
double start_of(double n_context, double integral) {
  return theory::solve_for(theory::Unknown::beta0, {.n_context = n_context}, integral).value.value();
}

/// The theory's map with `n` times in equal ratios, and the critical beta0 where I_K(infinity) is finite.
template <typename Integral>
fit::StartMap map_of(double n_context, Integral integral, double i_infinity, double low, double high, int n) {
  std::vector<fit::StartTime> points;
  const bool memorizes = std::isfinite(i_infinity);
  const double critical = memorizes ? start_of(n_context, i_infinity) : -kInfinity;
  for (int i = 0; i < n; ++i) {
    const double time = low * std::pow(high / low, static_cast<double>(i) / (n - 1));
    const double beta0 = start_of(n_context, integral(time));
    if (beta0 > critical && (points.empty() || beta0 < points.back().beta0)) points.push_back({beta0, time});
  }
  if (memorizes) points.push_back({critical, kInfinity});
  std::reverse(points.begin(), points.end());
  return fit::StartMap(points);
}

/// K infinite: c1 = 1/2 and I_K is the time itself.
fit::StartMap endless_map(double n_context, double low, double high, int n = 1000) {
  return map_of(
      n_context, [](double time) { return time; }, kInfinity, low, high, n);
}

/// c1 = exp(-t/T)/2.
fit::StartMap memorizing_map(double n_context, double horizon, double low, double high, int n = 1000) {
  const theory::MemorizationFamily family{.kind = theory::MemorizationKind::exponential, .horizon = horizon};
  return map_of(
      n_context, [&](double time) { return theory::family_integral(family, time); }, horizon, low, high, n);
}

theory::MemorizationFamily family_of(const Table& table, std::size_t row) {
  if (table.text(row, "family") == "E")
    return {.kind = theory::MemorizationKind::exponential, .horizon = table.number(row, "T")};
  return {
      .kind = theory::MemorizationKind::power, .shape = table.number(row, "shape"), .horizon = table.number(row, "T")};
}

struct LawError {
  double share = 0, density = 0, never = 0;  // largest, relative
};

/// Of the distribution that the map of `n` points gives against the reference.
LawError error_against_reference(int n) {
  const Table table = read_table("ticl_distribution.csv");
  REQUIRE(table.rows() == 25);
  LawError worst;
  const auto off = [&](double value, std::size_t row, const char* column) {
    return std::abs(value / table.number(row, column) - 1);
  };
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const theory::MemorizationFamily family = family_of(table, row);
    const double time = table.number(row, "t");
    const auto map = map_of(
        table.number(row, "N"), [&](double t) { return theory::family_integral(family, t); },
        theory::family_total_integral(family), time / 4.7, 5.3 * time, n);  // no point of the map is a row's time
    const fit::StartLaw law{table.number(row, "mu_beta"), table.number(row, "sigma_beta")};
    worst.share = std::max(worst.share, off(acquired_share(map, law, time).value(), row, "cdf_exact"));
    worst.density = std::max(worst.density, off(acquired_density(map, law, time).value(), row, "pdf_exact"));
    worst.never = std::max(worst.never, off(never_share(map, law), row, "p_never_exact"));
  }
  return worst;
}

/// Runs of beta0 ~ N(mean, sd^2) with their true start values; those later than `cap` were watched until then.
std::vector<fit::SurvivalRun> sample(const fit::StartMap& map, const fit::StartLaw& law, int n, double cap,
                                     std::uint64_t index, std::vector<double>* starts = nullptr) {
  Rng rng(31, RandomPurpose::test, index);
  std::vector<fit::SurvivalRun> runs;
  for (int i = 0; i < n; ++i) {
    const double beta0 = law.mean + law.sd * rng.normal();
    const double time = map.time_at(beta0).value();
    runs.push_back(time > cap ? fit::SurvivalRun{cap, false} : fit::SurvivalRun{time, true});
    if (starts != nullptr) starts->push_back(beta0);
  }
  return runs;
}

std::vector<fit::SurvivalRun> runs_of_r(const std::string& set) {
  const Table table = read_table("r/survival_" + set + ".csv");
  std::vector<fit::SurvivalRun> runs;
  for (std::size_t i = 0; i < table.rows(); ++i)
    runs.push_back({table.number(i, "time"), table.number(i, "acquired") > 0});
  return runs;
}

/// t = exp(3 - beta0): the leading law.
fit::StartMap leading_map() {
  std::vector<fit::StartTime> points;
  for (int i = -40; i <= 40; ++i) points.push_back({0.5 * i, std::exp(3 - 0.5 * i)});
  return fit::StartMap(points);
}

}  // namespace

TEST_CASE("start map: distribution of the exact flow to the accuracy of the table", "[fit][start_map][order]") {
  // In the hardest row c1 has fallen by exp(-8), where neighbouring slopes of the map differ most.
  const LawError coarse = error_against_reference(250);
  const LawError fine = error_against_reference(1000);
  CAPTURE(coarse.share, coarse.density, fine.share, fine.density, fine.never);
  CHECK(fine.share < 4e-9);
  CHECK(fine.density < 1e-4);
  CHECK(fine.never < 1e-11);                  // the critical beta0 is not interpolated
  CHECK(coarse.share > 40 * fine.share);      // third order: 64 times as much from points four times as far apart
  CHECK(coarse.density > 12 * fine.density);  // second order: 16 times
}

TEST_CASE("start map: quantiles of the exact flow", "[fit][start_map]") {
  const Table table = read_table("ticl_quantiles.csv");
  REQUIRE(table.rows() == 50);
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const double expected = table.number(row, "t_exact_c2half");
    const auto map = endless_map(table.number(row, "N"), expected / 10, 10 * expected, 500);
    const fit::StartLaw law{table.number(row, "mu_beta"), table.number(row, "sigma_beta")};
    CAPTURE(row);
    CHECK_THAT(acquired_quantile(map, law, table.number(row, "q")).value(), WithinRel(expected, 1e-7));
  }
}

TEST_CASE("start map: starts far up make acquisition lognormal", "[fit][start_map][eq11][limits]") {
  // t = N sqrt(2 pi) exp(-beta0) (1 + O(exp(-beta0))): the departure falls with exp(-mean).
  double last = 1;
  for (const double mean : {2.0, 5.0, 8.0}) {
    const double median = 100 * std::sqrt(2 * std::numbers::pi) * std::exp(-mean);
    const auto map = endless_map(100, median / 5, 5 * median);
    const double z = std::log(1.3) / 0.3;
    const double lognormal = 0.5 * std::erfc(-z / std::numbers::sqrt2);
    const double off = std::abs(acquired_share(map, {mean, 0.3}, 1.3 * median).value() - lognormal);
    CAPTURE(mean, off);
    CHECK(off < 0.08 * last);
    last = off;
  }
  CHECK(last < 1e-4);
}

TEST_CASE("start map: time and beta0 are inverse to each other and the ends are open", "[fit][start_map][identity]") {
  const auto map = memorizing_map(100, 300, 20, 2000, 60);
  for (const double time : {20.0, 21.0, 100.0, 777.0, 1999.0})
    CHECK_THAT(map.time_at(map.beta0_at(time).value()).value(), WithinRel(time, 1e-10));
  for (const double time : {25.0, 100.0, 700.0}) {
    const double step = 1e-5;
    const double difference =
        (*map.beta0_at(time * std::exp(step)) - *map.beta0_at(time * std::exp(-step))) / (2 * step);
    CHECK_THAT(map.slope_at(time).value(), WithinRel(difference, 1e-6));
  }
  CHECK_FALSE(map.beta0_at(19.9));
  CHECK_FALSE(map.slope_at(2001));
  CHECK_FALSE(acquired_share(map, {0, 1}, 2001));
  CHECK_FALSE(acquired_density(map, {0, 1}, 2001));
  CHECK(std::isinf(map.time_at(map.critical_beta0().value()).value()));
  CHECK(std::isinf(map.time_at(-100).value()));
  CHECK_FALSE(map.time_at(100));
  CHECK(std::isinf(acquired_quantile(map, {0, 0.3}, 0.999).value()));
  CHECK(never_share(leading_map(), {0, 1}) == 0.0);
  CHECK_FALSE(leading_map().time_at(-100));
}

TEST_CASE("start map: bad points and laws are refused", "[fit][start_map][errors]") {
  using Points = std::vector<fit::StartTime>;
  const auto build = [](const Points& points) { return fit::StartMap(points); };
  const Points good{{0, 4}, {1, 3}, {2, 2}, {3, 1}};
  CHECK_NOTHROW(build(good));
  CHECK_THROWS_WITH(build({}), "points: expected at least four of finite time, got 0");
  CHECK_THROWS_WITH(build({{0, kInfinity}, {1, 3}, {2, 2}, {3, 1}}),
                    "points: expected at least four of finite time, got 3");
  CHECK_THROWS_WITH(build({{0, 4}, {0, 3}}), "points[1].beta0: expected more than that of the point before, 0, got 0");
  CHECK_THROWS_WITH(build({{0, 4}, {1, 5}}), "points[1].time: expected less than that of the point before, 4, got 5");
  CHECK_THROWS_WITH(build({{0, 4}, {1, kInfinity}}),
                    "points[1].time: expected less than that of the point before, 4, got inf");
  CHECK_THROWS_WITH(build({{kInfinity, 4}}), "points[0].beta0: expected a finite number, got inf");
  CHECK_THROWS_WITH(build({{0, 0}}), "points[0].time: expected a positive number or infinity, got 0");
  const fit::StartMap map(good);
  CHECK_THROWS_WITH(map.beta0_at(0), "time: expected a positive number, got 0");
  CHECK_THROWS_WITH(never_share(map, {0, 0}), "sd: expected a positive number, got 0");
  CHECK_THROWS_WITH(acquired_share(map, {kInfinity, 1}, 2), "mean: expected a finite number, got inf");
  CHECK_THROWS_WITH(acquired_quantile(map, {0, 1}, 1), StartsWith("probability"));
}

TEST_CASE("theory family: without censoring the estimates are mean and sd of beta0", "[fit][start_map][identity]") {
  const auto map = endless_map(100, 1, 1e5);
  std::vector<double> starts;
  const auto runs = sample(map, {0.4, 0.8}, 60, kInfinity, 1, &starts);
  double mean = 0, variance = 0;
  for (const double beta0 : starts) mean += beta0 / 60;
  for (const double beta0 : starts) variance += (beta0 - mean) * (beta0 - mean) / 60;
  const auto model = fit_acquisition_model(runs, map, false);
  REQUIRE(model.outcome == fit::AcquisitionFitOutcome::fitted);
  CHECK(model.family == fit::AcquisitionFamily::theory);
  CHECK_THAT(*model.beta0_mean.value, WithinRel(mean, 1e-9));
  CHECK_THAT(*model.beta0_sd.value, WithinRel(std::sqrt(variance), 1e-9));
  // Student t with 59 degrees of freedom: 2.0010.
  CHECK_THAT(*model.beta0_mean.low, WithinRel(mean - 2.000995378088267 * std::sqrt(variance / 59), 1e-9));
  CHECK_THAT(model.standard_errors.at(1), WithinRel(std::sqrt(0.5 / 60), 1e-9));
  CHECK_THAT(*model.median, WithinRel(*map.time_at(mean), 1e-9));
  CHECK_THAT(*model.median_acquired.high, WithinRel(*map.time_at(*model.beta0_mean.low), 1e-9));
  CHECK(*model.never.value == 0.0);
  CHECK_FALSE(model.never.high);
}

TEST_CASE("theory family: through the leading law it is the lognormal family", "[fit][start_map][eq11][identity]") {
  const auto map = leading_map();
  for (const char* set : {"complete", "cured", "capped"}) {
    for (const bool with_cured : {false, true}) {
      const auto runs = runs_of_r(set);
      const auto lognormal = fit_acquisition_model(runs, fit::AcquisitionFamily::lognormal, with_cured);
      const auto theory = fit_acquisition_model(runs, map, with_cured);
      CAPTURE(set, with_cured);
      REQUIRE(lognormal.outcome == theory.outcome);
      CHECK_THAT(3 - *theory.beta0_mean.value, WithinRel(*lognormal.location.value, 1e-8));
      CHECK_THAT(3 - *theory.beta0_mean.low, WithinRel(*lognormal.location.high, 1e-8));
      CHECK_THAT(*theory.beta0_sd.high, WithinRel(*lognormal.scale.high, 1e-8));
      CHECK_THAT(*theory.log_likelihood, WithinRel(*lognormal.log_likelihood, 1e-10));
      CHECK_THAT(*theory.aic, WithinRel(*lognormal.aic, 1e-10));
      CHECK_THAT(*theory.cured.value, WithinAbs(*lognormal.cured.value, 1e-8));
      CHECK_THAT(*theory.median_acquired.low, WithinRel(*lognormal.median_acquired.low, 1e-8));
      CHECK_THAT(*theory.median_acquired.high, WithinRel(*lognormal.median_acquired.high, 1e-8));
      CHECK_THAT(*model_survival(theory, 90), WithinRel(*model_survival(lognormal, 90), 1e-8));
      CHECK_THAT(*model_quantile(theory, 0.3), WithinRel(*model_quantile(lognormal, 0.3), 1e-8));
    }
  }
}

TEST_CASE("theory family: runs that start too low to acquire are part of the law", "[fit][start_map]") {
  // Horizon 300: critical beta0 about -0.06, a sixth of the runs below it.
  const auto map = memorizing_map(100, 300, 20, 5000);
  const fit::StartLaw truth{0.24, 0.3};
  const auto runs = sample(map, truth, 400, 4000, 2);
  const auto model = fit_acquisition_model(runs, map, false);
  REQUIRE(model.outcome == fit::AcquisitionFitOutcome::fitted);
  // Four standard errors, sd/sqrt(400) and 1/sqrt(800), a little more for the censored sixth.
  CHECK_THAT(*model.beta0_mean.value, WithinAbs(truth.mean, 0.07));
  CHECK_THAT(std::log(*model.beta0_sd.value / truth.sd), WithinAbs(0, 0.16));
  CHECK(*model.never.low < never_share(map, truth));
  CHECK(*model.never.high > never_share(map, truth));
  CHECK_THAT(*model.never.value, WithinRel(never_share(map, {*model.beta0_mean.value, *model.beta0_sd.value}), 1e-12));
  // The median of those that acquire divides their share in two.
  CHECK_THAT(*model_survival(model, *model.median_acquired.value), WithinRel((1 + *model.never.value) / 2, 1e-9));
  CHECK(*model.median_acquired.low < *model.median_acquired.value);
  CHECK(*model.median_acquired.high > *model.median_acquired.value);
  CHECK(*model.median > *model.median_acquired.value);
  CHECK_THAT(*model_survival(model, 1e9), WithinRel(*model.never.value, 1e-12));
  CHECK_FALSE(model_survival(model, 1));
  CHECK_FALSE(model_quantile(model, 1 - *model.never.value / 2));

  // ln L is that of densities and tails at the fitted parameters, and lies above those nearby.
  const auto log_likelihood = [&](const fit::StartLaw& law) {
    double sum = 0;
    for (const auto& run : runs)
      sum += std::log(run.acquired ? *acquired_density(map, law, run.time) : 1 - *acquired_share(map, law, run.time));
    return sum;
  };
  const fit::StartLaw best{*model.beta0_mean.value, *model.beta0_sd.value};
  CHECK_THAT(*model.log_likelihood, WithinRel(log_likelihood(best), 1e-10));
  for (const double step : {-0.003, 0.003}) {
    CHECK(log_likelihood({best.mean + step, best.sd}) < *model.log_likelihood);
    CHECK(log_likelihood({best.mean, best.sd + step}) < *model.log_likelihood);
  }
  // Beside the other families it needs no cured fraction.
  const auto summary = fit::summarise_acquisition(runs, fit::SurvivalInterval::log_log, map);
  CHECK(summary.models.size() == 8);
  const auto& chosen = summary.models.at(summary.best.value());
  CHECK(chosen.family == fit::AcquisitionFamily::theory);
  CHECK_FALSE(chosen.with_cured);
  CHECK_THAT(*quantile_points(summary.curve, chosen).at(100).model,
             WithinRel(quantile_points(summary.curve, chosen).at(100).observed, 0.1));
}

TEST_CASE("theory family: a run watched beyond the last time of the map counts as never", "[fit][start_map][limits]") {
  const auto map = memorizing_map(100, 300, 20, 5000);
  auto runs = sample(map, {0.24, 0.3}, 100, 4000, 3);
  for (auto& run : runs)
    if (!run.acquired) run.time = 1e7;
  const auto beyond = fit_acquisition_model(runs, map, false);
  REQUIRE(beyond.outcome == fit::AcquisitionFitOutcome::fitted);
  // At 4000 = 13 horizons what is left of I_K is 1e-6 of it: the two likelihoods differ by as much.
  const auto within = fit_acquisition_model(sample(map, {0.24, 0.3}, 100, 4000, 3), map, false);
  CHECK_THAT(*beyond.beta0_mean.value, WithinAbs(*within.beta0_mean.value, 1e-4));
}

TEST_CASE("theory family: times that the map does not reach are said to be outside", "[fit][start_map][limits]") {
  using Runs = std::vector<fit::SurvivalRun>;
  const auto map = memorizing_map(100, 300, 20, 5000);
  const Runs early{{10, true}, {100, true}, {120, true}};
  const auto model = fit_acquisition_model(early, map, true);
  CHECK(model.outcome == fit::AcquisitionFitOutcome::outside_map);
  CHECK(model.n_parameters == 3);
  CHECK_FALSE(model.log_likelihood);
  CHECK_FALSE(model_quantile(model, 0.5));
  CHECK_FALSE(model_survival(model, 100));
  const Runs late{{6000, true}, {100, true}, {120, true}};
  CHECK(fit_acquisition_model(late, map, false).outcome == fit::AcquisitionFitOutcome::outside_map);
  const auto summary = fit::summarise_acquisition(late, fit::SurvivalInterval::log_log, map);
  CHECK(std::find(summary.warnings.begin(), summary.warnings.end(),
                  "theory: a run has a time that no beta0 of the map leads to") != summary.warnings.end());
  CHECK(fit_acquisition_model(Runs{}, map, false).outcome == fit::AcquisitionFitOutcome::none_acquired);
  CHECK(fit_acquisition_model(Runs{{100, false}}, map, false).outcome == fit::AcquisitionFitOutcome::none_acquired);
  CHECK(fit_acquisition_model(Runs{{100, true}}, map, false).outcome == fit::AcquisitionFitOutcome::too_few);
  CHECK(fit_acquisition_model(Runs(9, {100, true}), map, true).outcome == fit::AcquisitionFitOutcome::too_few);
  CHECK_THROWS_WITH(fit_acquisition_model(Runs{{-1, true}}, map, false), StartsWith("time[0]"));
  CHECK_THROWS_WITH(fit_acquisition_model(late, fit::AcquisitionFamily::theory, false),
                    "family: theory needs its map from beta0 to the acquisition time");
}
