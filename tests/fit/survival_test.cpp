#include "iclk/fit/survival.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

std::vector<fit::SurvivalRun> runs_of(const std::string& set) {
  const Table table = read_table("r/survival_" + set + ".csv");
  std::vector<fit::SurvivalRun> runs;
  for (std::size_t i = 0; i < table.rows(); ++i)
    runs.push_back({table.number(i, "time"), table.number(i, "acquired") > 0});
  return runs;
}

fit::SurvivalInterval interval_of(const std::string& text) {
  for (const auto interval : {fit::SurvivalInterval::log_log, fit::SurvivalInterval::log, fit::SurvivalInterval::plain})
    if (name(interval) == text) return interval;
  throw std::runtime_error("no interval " + text);
}

fit::AcquisitionFamily family_of(const std::string& text) {
  for (const auto family :
       {fit::AcquisitionFamily::lognormal, fit::AcquisitionFamily::weibull, fit::AcquisitionFamily::inverse_gaussian})
    if (name(family) == text) return family;
  throw std::runtime_error("no family " + text);
}

/// The optional number against a cell of R, empty where R has NA.
void check_cell(const std::optional<double>& value, const Table& table, std::size_t row, const char* column) {
  CAPTURE(column);
  if (table.text(row, column).empty()) {
    CHECK_FALSE(value);
    return;
  }
  REQUIRE(value);
  CHECK_THAT(*value, WithinRel(table.number(row, column), 1e-12) || WithinAbs(table.number(row, column), 1e-14));
}

bool mentions(const std::vector<std::string>& warnings, const std::string& text) {
  for (const std::string& warning : warnings)
    if (warning.find(text) != std::string::npos) return true;
  return false;
}

/// n lognormal times of median 274 and log-sd 0.5, a share `cured` of which never comes; watched until `cap`.
std::vector<fit::SurvivalRun> synthetic(int n, double cured, double cap, std::uint64_t index) {
  Rng rng(5, RandomPurpose::test, index);
  std::vector<fit::SurvivalRun> runs;
  for (int i = 0; i < n; ++i) {
    const bool never = rng.uniform() < cured;
    const double time = 274 * std::exp(0.5 * rng.normal());
    runs.push_back(never || time > cap ? fit::SurvivalRun{cap, false} : fit::SurvivalRun{time, true});
  }
  return runs;
}

const fit::AcquisitionModel& best_of(const fit::AcquisitionSummary& summary) {
  return summary.models.at(summary.best.value());
}

}  // namespace

TEST_CASE("survival: Kaplan-Meier steps and intervals are those of R", "[fit][survival]") {
  const Table table = read_table("r/survival_steps.csv");
  std::string set, interval;
  fit::SurvivalCurve curve;
  std::size_t step = 0;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (table.text(row, "set") != set || table.text(row, "interval") != interval) {
      REQUIRE(step == curve.steps.size());
      set = table.text(row, "set");
      interval = table.text(row, "interval");
      curve = kaplan_meier(runs_of(set), interval_of(interval));
      step = 0;
    }
    CAPTURE(set, interval, step);
    REQUIRE(step < curve.steps.size());
    const fit::SurvivalStep& at = curve.steps[step++];
    CHECK_THAT(at.time, WithinRel(table.number(row, "time"), 1e-14));
    CHECK(static_cast<double>(at.at_risk) == table.number(row, "at_risk"));
    CHECK(static_cast<double>(at.acquired) == table.number(row, "acquired"));
    CHECK(static_cast<double>(at.censored) == table.number(row, "censored"));
    check_cell(at.survival.value, table, row, "survival");
    check_cell(at.survival.low, table, row, "low");
    check_cell(at.survival.high, table, row, "high");
  }
}

TEST_CASE("survival: quantiles and their intervals are those of R", "[fit][survival]") {
  const Table table = read_table("r/survival_quantiles.csv");
  for (std::size_t row = 0; row < table.rows(); ++row) {
    CAPTURE(table.text(row, "set"), table.text(row, "interval"), table.number(row, "probability"));
    const auto curve = kaplan_meier(runs_of(table.text(row, "set")), interval_of(table.text(row, "interval")));
    const Estimate quantile = survival_quantile(curve, table.number(row, "probability"));
    check_cell(quantile.value, table, row, "value");
    check_cell(quantile.low, table, row, "low");
    check_cell(quantile.high, table, row, "high");
  }
}

TEST_CASE("survival: censored fits with and without a cured fraction are those of R", "[fit][survival]") {
  const Table table = read_table("r/survival_models.csv");
  REQUIRE(table.rows() == 18);
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const bool with_cured = table.number(row, "with_cured") > 0;
    const auto family = family_of(table.text(row, "family"));
    CAPTURE(table.text(row, "set"), table.text(row, "family"), with_cured);
    const auto model = fit_acquisition_model(runs_of(table.text(row, "set")), family, with_cured);
    REQUIRE(model.outcome == fit::AcquisitionFitOutcome::fitted);
    double first, second, second_se = table.number(row, "second_se");
    if (family == fit::AcquisitionFamily::inverse_gaussian) {  // R's times are in units of `unit`
      const double root_unit = std::sqrt(table.number(row, "unit"));
      first = std::log(*model.threshold.value / root_unit);
      second = *model.drift.value * root_unit;
      second_se /= root_unit;
    } else {
      first = *model.location.value;
      second = std::log(*model.scale.value);
    }
    CHECK_THAT(first, WithinAbs(table.number(row, "first"), 1e-6));
    CHECK_THAT(second, WithinAbs(table.number(row, "second"), 1e-6));
    REQUIRE(model.standard_errors.size() == 2);
    CHECK_THAT(model.standard_errors[0], WithinRel(table.number(row, "first_se"), 2e-6));
    CHECK_THAT(model.standard_errors[1], WithinRel(second_se, 2e-6));
    CHECK_THAT(*model.log_likelihood, WithinRel(table.number(row, "log_likelihood"), 1e-9));
    CHECK_THAT(*model.aic, WithinRel((with_cured ? 6 : 4) - 2 * table.number(row, "log_likelihood"), 1e-9));
    CHECK_THAT(*model.cured.value, WithinAbs(table.number(row, "cured"), 1e-6));
    if (with_cured) {
      CHECK_THAT(model.cured.low.value(), WithinAbs(table.number(row, "cured_low"), 1e-6));
      CHECK_THAT(model.cured.high.value(), WithinAbs(table.number(row, "cured_high"), 1e-6));
    }
  }
}

TEST_CASE("survival: a cured fraction with its best value at zero is at the bound", "[fit][survival][limits]") {
  for (const auto family :
       {fit::AcquisitionFamily::lognormal, fit::AcquisitionFamily::weibull, fit::AcquisitionFamily::inverse_gaussian}) {
    const auto runs = runs_of("ties");
    const auto with = fit_acquisition_model(runs, family, true);
    const auto without = fit_acquisition_model(runs, family, false);
    CAPTURE(name(family));
    CHECK(with.outcome == fit::AcquisitionFitOutcome::at_bound);
    CHECK(*with.cured.value == 0.0);
    CHECK(*with.cured.low == 0.0);
    CHECK(*with.cured.high > 0.0);
    CHECK(*with.p_no_cure == 1.0);
    CHECK_THAT(*with.log_likelihood, WithinRel(*without.log_likelihood, 1e-13));
    CHECK_THAT(*with.aic - *without.aic, WithinRel(2.0, 1e-9));
  }
}

TEST_CASE("survival: without censoring the lognormal fit is that of mean and variance of ln t",
          "[fit][survival][identity]") {
  const auto runs = runs_of("complete");
  double mean = 0, variance = 0;
  const auto n = static_cast<double>(runs.size());
  for (const auto& run : runs) mean += std::log(run.time) / n;
  for (const auto& run : runs) variance += std::pow(std::log(run.time) - mean, 2) / n;
  const auto model = fit_acquisition_model(runs, fit::AcquisitionFamily::lognormal, false);
  CHECK_THAT(*model.location.value, WithinRel(mean, 1e-12));
  CHECK_THAT(*model.scale.value, WithinRel(std::sqrt(variance), 1e-10));
  CHECK_THAT(model.standard_errors[0], WithinRel(std::sqrt(variance / n), 1e-9));
  CHECK_THAT(model.standard_errors[1], WithinRel(std::sqrt(0.5 / n), 1e-9));
  CHECK_THAT(*model.median, WithinRel(std::exp(mean), 1e-12));
  CHECK_THAT(*model.median_acquired.high,
             WithinRel(std::exp(mean + 2.068657610419041 * std::sqrt(variance / (n - 1))), 1e-9));
  // Student t with 23 degrees of freedom: 2.0687.
  // Without censoring c has the likelihood (1 - c)^n: the profile falls by 1.92 at 1 - exp(-1.92/n).
  const auto cured = fit_acquisition_model(runs, fit::AcquisitionFamily::lognormal, true);
  CHECK_THAT(*cured.cured.high, WithinRel(-std::expm1(-1.920729410347062 / n), 1e-9));
}

TEST_CASE("survival: fits do not depend on the unit of time", "[fit][survival][identity]") {
  const auto runs = runs_of("cured");
  for (const double unit : {1e-9, 1e9}) {
    auto other = runs;
    for (auto& run : other) run.time *= unit;
    for (const auto family : {fit::AcquisitionFamily::lognormal, fit::AcquisitionFamily::weibull,
                              fit::AcquisitionFamily::inverse_gaussian}) {
      const auto a = fit_acquisition_model(runs, family, true);
      const auto b = fit_acquisition_model(other, family, true);
      CHECK_THAT(*b.cured.value, WithinRel(*a.cured.value, 1e-8));
      CHECK_THAT(*b.median_acquired.low, WithinRel(unit * *a.median_acquired.low, 1e-7));
      CHECK_THAT(*b.log_likelihood, WithinRel(*a.log_likelihood - 53 * std::log(unit), 1e-9));
    }
  }
}

TEST_CASE("survival: quantile and survival of a model are inverse to each other", "[fit][survival][identity]") {
  const auto runs = runs_of("cured");
  for (const auto family :
       {fit::AcquisitionFamily::lognormal, fit::AcquisitionFamily::weibull, fit::AcquisitionFamily::inverse_gaussian}) {
    const auto model = fit_acquisition_model(runs, family, true);
    for (const double p : {0.001, 0.1, 0.5, 0.65}) {
      CHECK_THAT(*model_survival(model, *model_quantile(model, p)), WithinRel(1 - p, 1e-12));
    }
    CHECK_FALSE(model_quantile(model, 0.7));  // a third of the runs never acquires
    const auto points = quantile_points(fit::kaplan_meier(runs), model);
    CHECK(points.size() == 53);
    for (const auto& point : points) {
      if (point.model && point.probability > 0.1 && point.probability < 0.5)
        CHECK_THAT(std::log(*point.model / point.observed), WithinAbs(0, 0.15));
    }
  }
}

TEST_CASE("survival: a bent tail is told from an exponential one", "[fit][survival]") {
  std::vector<fit::SurvivalRun> exponential, heavy;
  Rng rng(6, RandomPurpose::test, 0);
  for (int i = 0; i < 400; ++i) {
    const double e = -std::log(1 - rng.uniform());
    exponential.push_back({1 + e, true});
    heavy.push_back({1 + e * e, true});  // Weibull shape 1/2
  }
  const auto test = fit::test_exponential_tail(exponential, 1);
  CHECK(test.n_runs == 400);
  CHECK(*test.p_exponential > 0.01);
  CHECK(*test.rate.low < 1);
  CHECK(*test.rate.high > 1);
  const auto other = fit::test_exponential_tail(heavy, 1);
  CHECK(*other.p_exponential < 1e-6);
  CHECK(*other.shape.low < 0.5);
  CHECK(*other.shape.high > 0.5);
  CHECK(*other.shape.high < 1);
  const auto beyond = fit::test_exponential_tail(exponential, 1e9);
  CHECK(beyond.n_runs == 0);
  CHECK_FALSE(beyond.rate.value);
  CHECK_FALSE(beyond.p_exponential);
  CHECK_THROWS_WITH(fit::test_exponential_tail(exponential, -1), "start: expected zero or a positive number, got -1");
}

TEST_CASE("survival: the summary finds the generating distribution and the cured fraction", "[fit][survival]") {
  const auto with = fit::summarise_acquisition(synthetic(400, 0.3, 2000, 1));
  CHECK(best_of(with).with_cured);
  CHECK(*best_of(with).cured.low < 0.3);
  CHECK(*best_of(with).cured.high > 0.3);
  CHECK(*best_of(with).p_no_cure < 1e-6);
  CHECK(with.warnings.empty());
  const auto without = fit::summarise_acquisition(synthetic(400, 0, 2000, 2));
  CHECK_FALSE(best_of(without).with_cured);
  CHECK(*without.median.low < 274);
  CHECK(*without.median.high > 274);
}

TEST_CASE("survival: a million runs are fitted", "[fit][survival][.slow]") {
  const auto runs = synthetic(1'000'000, 0.3, 800, 4);
  double mean = 0, variance = 0, n = 0;
  std::vector<fit::SurvivalRun> complete;
  for (const auto& run : runs)
    if (run.acquired) complete.push_back(run);
  n = static_cast<double>(complete.size());
  for (const auto& run : complete) mean += std::log(run.time) / n;
  for (const auto& run : complete) variance += std::pow(std::log(run.time) - mean, 2) / n;
  const auto exact = fit_acquisition_model(complete, fit::AcquisitionFamily::lognormal, false);
  CHECK_THAT(*exact.location.value, WithinRel(mean, 1e-12));
  CHECK_THAT(*exact.scale.value, WithinRel(std::sqrt(variance), 1e-6));  // combined times
  const auto model = fit_acquisition_model(runs, fit::AcquisitionFamily::lognormal, true);
  // Four standard errors: sqrt(0.3 0.7/n) and log-sd/sqrt(0.7 n), a little more for the censored ones.
  CHECK_THAT(*model.cured.value, WithinAbs(0.3, 0.002));
  CHECK_THAT(*model.median_acquired.value, WithinRel(274, 0.0026));
  const auto curve = fit::kaplan_meier(runs);
  CHECK(curve.n_acquired == complete.size());
  const auto points = quantile_points(curve, model, 11);
  REQUIRE(points.size() == 11);
  CHECK_THAT(points.front().observed, WithinRel(curve.steps.front().time, 1e-14));
  CHECK(quantile_points(curve, model).size() == 1000);
}

TEST_CASE("survival: growth of the median is fitted or left open at the far ends of doubles",
          "[fit][survival][eq11][limits]") {
  using Medians = std::vector<fit::MedianAtContext>;
  for (const double unit : {1e-140, 1.0, 1e140}) {
    const auto scaling = fit::fit_median_scaling(Medians{{10 * unit, 25}, {20 * unit, 51}, {40 * unit, 99}});
    CHECK(scaling.outcome == fit::MedianScalingOutcome::fitted);
    const auto plain = fit::fit_median_scaling(Medians{{10, 25}, {20, 51}, {40, 99}});
    CHECK_THAT(*scaling.slope.value * unit, WithinRel(*plain.slope.value, 1e-9));
    CHECK_THAT(*scaling.intercept.high, WithinRel(*plain.intercept.high, 1e-9));
    CHECK_THAT(*scaling.slope_through_origin.low * unit, WithinRel(*plain.slope_through_origin.low, 1e-9));
    CHECK_THAT(*scaling.p_through_origin, WithinRel(*plain.p_through_origin, 1e-6));
  }
  const auto far = fit::fit_median_scaling(Medians{{1e-300, 25}, {20, 51}, {1e300, 99}});
  CHECK(far.exponent.value);
  CHECK_THAT(*far.slope_through_origin.value, WithinRel(25e300 / 3, 1e-9));
  const auto beyond = fit::fit_median_scaling(Medians{{1e-300, 1e300}, {2e-300, 1e300}, {4e-300, 1e300}});
  CHECK_FALSE(beyond.slope_through_origin.value);
  CHECK_FALSE(beyond.slope.value);
  CHECK_THAT(*beyond.exponent.value, WithinAbs(0, 1e-12));
  // Contexts that agree to rounding: no line with an intercept.
  const auto same = fit::fit_median_scaling(Medians{{1e15, 3}, {1e15 + 0.125, 4}, {1e15 + 0.25, 5}});
  CHECK_FALSE(same.slope.low);
  CHECK_FALSE(same.p_through_origin);
}

TEST_CASE("survival: degenerate samples are answered with a warning", "[fit][survival][limits]") {
  using Runs = std::vector<fit::SurvivalRun>;
  const auto none = fit::summarise_acquisition(Runs{{10, false}, {20, false}});
  CHECK_FALSE(none.median.value);
  CHECK_FALSE(none.best);
  CHECK(none.models[0].outcome == fit::AcquisitionFitOutcome::none_acquired);
  CHECK(mentions(none.warnings, "no run acquired: the median lies beyond 20"));

  const auto empty = fit::summarise_acquisition({});
  CHECK(empty.curve.steps.empty());
  CHECK(mentions(empty.warnings, "no runs"));

  const auto one = fit::summarise_acquisition(Runs{{10, true}});
  CHECK(*one.median.value == 10);
  CHECK_FALSE(one.median.high);
  CHECK(one.models[0].outcome == fit::AcquisitionFitOutcome::too_few);
  CHECK(mentions(one.warnings, "only 1 run acquired"));

  const auto same = fit::summarise_acquisition(Runs(20, {10, true}));
  CHECK(*same.median.value == 10);
  CHECK(same.models[0].outcome == fit::AcquisitionFitOutcome::too_few);
  CHECK(mentions(same.warnings, "have the same time"));

  const auto two = fit::summarise_acquisition(Runs{{10, true}, {20, true}});
  CHECK(two.models[0].outcome == fit::AcquisitionFitOutcome::fitted);
  CHECK(two.models[1].outcome == fit::AcquisitionFitOutcome::too_few);

  Runs repeated;
  for (int i = 1; i <= 12; ++i) repeated.insert(repeated.end(), 2, {10.0 * i, true});
  CHECK(mentions(fit::summarise_acquisition(repeated).warnings, "24 of 24 acquired runs share their time"));

  // The inverse of the smallest double is infinite: no inverse Gaussian, and an end to the search for one. In units of
  // times of 1e300 it is 0: no fit at all.
  for (const double unit : {10.0, 1e300}) {
    Runs lost{{5e-324, true}};
    for (int i = 1; i <= 20; ++i) lost.push_back({unit * i, true});
    const auto far = fit::summarise_acquisition(lost);
    CHECK_THAT(*far.median.value, WithinRel(10 * unit, 1e-12));
    for (const auto& model : far.models) {
      if (unit > 10 || model.family == fit::AcquisitionFamily::inverse_gaussian)
        CHECK(model.outcome == fit::AcquisitionFitOutcome::not_identified);
    }
    CHECK(mentions(far.warnings, "the likelihood has no maximum"));
  }
  const auto last = fit::kaplan_meier(Runs{{1e308, true}, {1.7e308, true}});
  CHECK_THAT(*fit::survival_quantile(last).value, WithinRel(1.35e308, 1e-12));

  Runs rare(100, {1000, false});
  for (int i = 0; i < 12; ++i) rare.push_back({100.0 + i, true});
  const auto few = fit::summarise_acquisition(rare);
  CHECK(mentions(few.warnings, "fewer than half"));
  CHECK(best_of(few).with_cured);
  CHECK_FALSE(best_of(few).median);
  CHECK_THAT(*best_of(few).median_acquired.value, WithinRel(105.5, 0.01));

  // Everything acquired late in the watch: a long tail and a cured fraction look alike.
  CHECK(mentions(fit::summarise_acquisition(synthetic(60, 0, 300, 3)).warnings, "cannot be told apart"));
}

TEST_CASE("survival: samples over many decades and at the edge of resolution stay finite", "[fit][survival][limits]") {
  const std::vector<std::vector<fit::SurvivalRun>> samples{
      {{1e-200, true}, {1, true}, {1e200, true}, {1e200, false}},
      {{1, true}, {1 + 1e-12, true}, {1 + 2e-12, true}, {5, false}},
      {{1, true}, {2, true}, {3, true}, {1e12, false}, {1e12, false}},
      {{5, true}, {6, true}, {7, true}, {1, false}, {2, false}, {3, false}},
      {{1e-3, true}, {1, true}, {1e3, true}, {1e6, true}, {1e9, true}, {1e9, false}},
      {{1e308, true}, {1e307, true}, {1e306, true}}};
  for (const auto& sample : samples) {
    const auto summary = fit::summarise_acquisition(sample);
    for (const auto& model : summary.models) {
      CAPTURE(name(model.family), model.with_cured, name(model.outcome));
      if (!model.log_likelihood) continue;
      CHECK(std::isfinite(*model.log_likelihood));
      for (const auto& estimate : {model.location, model.scale, model.threshold, model.drift, model.cured}) {
        for (const auto& part : {estimate.value, estimate.low, estimate.high}) CHECK((!part || std::isfinite(*part)));
      }
      CHECK(std::isfinite(*model.median_acquired.value));
    }
  }
}

TEST_CASE("survival: bad times and probabilities are refused", "[fit][survival][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [time, text] : {std::pair(0.0, "0"), std::pair(-3.0, "-3"), std::pair(nan, "nan")}) {
    const std::vector<fit::SurvivalRun> runs{{1, true}, {time, false}};
    const std::string expected = std::string("time[1]: expected a positive number, got ") + text;
    CHECK_THROWS_WITH(fit::kaplan_meier(runs), expected);
    CHECK_THROWS_WITH(fit::fit_acquisition_model(runs, fit::AcquisitionFamily::weibull, true), expected);
  }
  CHECK_THROWS_WITH(fit::survival_quantile({}, 1), "probability: expected a number in (0, 1), got 1");
  CHECK_THROWS_WITH(fit::model_quantile({}, 0), "probability: expected a number in (0, 1), got 0");
  CHECK_THROWS_WITH(fit::model_survival({}, 0), "time: expected a positive number, got 0");
  CHECK_FALSE(fit::survival_quantile({}, 0.5).value);
  CHECK_FALSE(fit::model_quantile({}, 0.5));
}

TEST_CASE("survival: medians proportional to N have exponent 1 and no intercept", "[fit][survival][eq11]") {
  std::vector<fit::MedianAtContext> medians;
  for (const double n : {20.0, 50.0, 100.0, 200.0, 400.0}) medians.push_back({n, 2.506628 * n});
  const auto exact = fit::fit_median_scaling(medians);
  CHECK(exact.outcome == fit::MedianScalingOutcome::fitted);
  CHECK_THAT(*exact.slope_through_origin.value, WithinRel(2.506628, 1e-13));
  CHECK_THAT(*exact.slope.value, WithinRel(2.506628, 1e-12));
  CHECK_THAT(*exact.intercept.value, WithinAbs(0, 1e-10));
  CHECK_THAT(*exact.exponent.value, WithinRel(1, 1e-12));
  for (auto& m : medians) m.median += 30;
  const auto shifted = fit::fit_median_scaling(medians);
  CHECK_THAT(*shifted.intercept.value, WithinRel(30, 1e-10));
  CHECK(*shifted.exponent.high < 1);
  // Weights 1/N^2: the slope through the origin is the mean of median/N.
  double mean = 0;
  for (const auto& m : medians) mean += m.median / m.context / 5;
  CHECK_THAT(*shifted.slope_through_origin.value, WithinRel(mean, 1e-13));

  const auto two = fit::fit_median_scaling(std::vector<fit::MedianAtContext>{{50, 130}, {100, 250}});
  CHECK(two.outcome == fit::MedianScalingOutcome::saturated);
  CHECK_THAT(*two.exponent.value, WithinRel(std::log(250.0 / 130) / std::log(2.0), 1e-12));
  CHECK_FALSE(two.exponent.low);
  CHECK_FALSE(two.slope.high);
  CHECK(fit::fit_median_scaling(std::vector<fit::MedianAtContext>{{50, 130}, {50, 131}}).outcome ==
        fit::MedianScalingOutcome::too_few);
  CHECK_THROWS_WITH(fit::fit_median_scaling(std::vector<fit::MedianAtContext>{{50, 0}}),
                    "median[0]: expected a positive number, got 0");
  CHECK_THROWS_WITH(fit::fit_median_scaling(std::vector<fit::MedianAtContext>{{-1, 3}}),
                    "context[0]: expected a positive number, got -1");
}
