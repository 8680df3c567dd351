#include "iclk/fit/nonlinear_least_squares.hpp"

#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/core/random.hpp"
#include "iclk/fit/least_squares.hpp"
#include "nist_problems.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

/// Problem and model as the library takes them.
struct Callbacks {
  NistProblem problem;
  fit::NonlinearModel model;
  fit::NonlinearJacobian jacobian;
};

Callbacks callbacks(const NistModel& nist) {
  Callbacks result{read_nist(nist.name), {}, {}};
  if (nist.name == "Nelson") {  // stated for log[y]
    for (double& y : result.problem.y) y = std::log(y);
  }
  result.model = [x = result.problem.x, nist](std::span<const double> b, std::span<double> values) {
    for (std::size_t i = 0; i < x.size(); ++i) values[i] = nist.value(b, x[i]);
  };
  result.jacobian = [x = result.problem.x, nist](std::span<const double> b, std::span<double> rows) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t j = 0; j < b.size(); ++j) rows[i * b.size() + j] = nist.derivative(b, x[i], j);
    }
  };
  return result;
}

NistModel model_named(const std::string& name) {
  for (const NistModel& model : nist_models()) {
    if (model.name == name) return model;
  }
  throw std::runtime_error("no model " + name);
}

/// y = a exp(-r x), with noise, and its callbacks.
struct Decay {
  std::vector<double> x, y;
  explicit Decay(double noise = 0.01, std::size_t n = 20) {
    Rng rng(3, RandomPurpose::test, 0);
    for (std::size_t i = 0; i < n; ++i) {
      x.push_back(0.2 * static_cast<double>(i));
      y.push_back(2 * std::exp(-0.7 * x.back()) + noise * rng.normal());
    }
  }
  fit::NonlinearModel model() const {
    return [this](std::span<const double> b, std::span<double> values) {
      for (std::size_t i = 0; i < x.size(); ++i) values[i] = b[0] * std::exp(-b[1] * x[i]);
    };
  }
};

const std::vector<double> kDecayStart{1.0, 0.3};

}  // namespace

TEST_CASE("nonlinear least squares: NIST problems are certified to 8 digits from both starts",
          "[fit][nonlinear_least_squares]") {
  // Errors of the answers follow from rounding in the residuals. Lanczos1 has none (its certified sum is 1.4e-25): its
  // standard errors are rounding in double precision, and only its parameters are compared.
  for (const NistModel& nist : nist_models()) {
    const Callbacks c = callbacks(nist);
    for (std::size_t start = 0; start < 2; ++start) {
      CAPTURE(nist.name, start + 1);
      const auto fit = fit::fit_nonlinear_least_squares(c.model, c.jacobian, c.problem.y, c.problem.starts[start]);
      CAPTURE(fit.n_evaluations, fit::name(fit.outcome), fit::words(fit.stop), fit.relative_offset.value_or(-1));
      CHECK(fit.outcome == fit::NonlinearOutcome::fitted);
      for (std::size_t j = 0; j < c.problem.parameters.size(); ++j) {
        CAPTURE(j + 1);
        CHECK_THAT(fit.parameters[j], WithinRel(c.problem.parameters[j], 1e-8));
        if (nist.name == "Lanczos1" || fit.standard_errors.empty()) continue;
        CHECK_THAT(fit.standard_errors[j], WithinRel(c.problem.errors[j], 1e-6));
      }
      if (nist.name == "Lanczos1" || !fit.residual_sd) continue;
      CHECK_THAT(*fit.residual_sum_of_squares, WithinRel(c.problem.residual_sum, 1e-8));
      CHECK_THAT(*fit.residual_sd, WithinRel(c.problem.residual_sd, 1e-8));
    }
  }
}

TEST_CASE("nonlinear least squares: differences in place of derivatives keep 8 digits on every level of difficulty",
          "[fit][nonlinear_least_squares][parity]") {
  for (const char* name : {"Misra1a", "Chwirut2", "Gauss1", "DanWood", "Kirby2", "Roszman1", "MGH17", "ENSO", "Thurber",
                           "Rat43", "Eckerle4", "BoxBOD"}) {
    const Callbacks c = callbacks(model_named(name));
    CAPTURE(name);
    const auto fit = fit::fit_nonlinear_least_squares(c.model, {}, c.problem.y, c.problem.starts[1]);
    REQUIRE(fit.outcome == fit::NonlinearOutcome::fitted);
    for (std::size_t j = 0; j < c.problem.parameters.size(); ++j) {
      CHECK_THAT(fit.parameters[j], WithinRel(c.problem.parameters[j], 1e-8));
      CHECK_THAT(fit.standard_errors[j], WithinRel(c.problem.errors[j], 1e-6));
    }
  }
}

TEST_CASE("nonlinear least squares: a linear model gives the linear answer with weights",
          "[fit][nonlinear_least_squares][identity]") {
  const std::vector<double> x{1, 2, 3, 5, 8}, y{1.1, 2.3, 2.8, 5.2, 7.7}, weights{1, 0.5, 2, 0, 4};
  std::vector<double> design;
  for (const double each : x) design.insert(design.end(), {1.0, each});
  const auto linear = fit::fit_least_squares(design, 2, y, weights);
  const auto model = [&](std::span<const double> b, std::span<double> values) {
    for (std::size_t i = 0; i < x.size(); ++i) values[i] = b[0] + b[1] * x[i];
  };
  const auto fit = fit::fit_nonlinear_least_squares(model, {}, y, std::vector<double>{3, -2}, {}, weights);
  REQUIRE(fit.outcome == fit::NonlinearOutcome::fitted);
  CHECK_THAT(fit.degrees_of_freedom, WithinAbs(2, 0));  // the observation of weight 0 is not used
  for (std::size_t j = 0; j < 2; ++j) {
    CHECK_THAT(fit.parameters[j], WithinRel(linear.coefficients[j], 1e-9));
    CHECK_THAT(fit.standard_errors[j], WithinRel(linear.standard_errors[j], 1e-9));
    CHECK_THAT(*fit.parameter_interval[j].low, WithinRel(*linear.coefficient_interval[j].low, 1e-9));
    CHECK_THAT(*fit.parameter_interval[j].high, WithinRel(*linear.coefficient_interval[j].high, 1e-9));
  }
  CHECK_THAT(fit.covariance[1], WithinRel(linear.covariance[1], 1e-9));
  CHECK_THAT(*fit.residual_sd, WithinRel(*linear.residual_sd, 1e-10));
  CHECK_THAT(fit.residuals[3], WithinRel(linear.residuals[3], 1e-9));
}

TEST_CASE("nonlinear least squares: units of the parameters do not matter",
          "[fit][nonlinear_least_squares][identity]") {
  const Decay data;
  const auto plain = fit::fit_nonlinear_least_squares(data.model(), {}, data.y, kDecayStart);
  const double unit = 1e-9;
  const auto model = [&](std::span<const double> b, std::span<double> values) {
    for (std::size_t i = 0; i < data.x.size(); ++i) values[i] = b[0] / unit * std::exp(-b[1] * unit * data.x[i]);
  };
  const auto scaled = fit::fit_nonlinear_least_squares(
      model, {}, data.y, std::vector<double>{kDecayStart[0] * unit, kDecayStart[1] / unit});
  REQUIRE(plain.outcome == fit::NonlinearOutcome::fitted);
  REQUIRE(scaled.outcome == fit::NonlinearOutcome::fitted);
  CHECK_THAT(scaled.parameters[0] / unit, WithinRel(plain.parameters[0], 1e-10));
  CHECK_THAT(scaled.standard_errors[1] * unit, WithinRel(plain.standard_errors[1], 1e-8));
}

TEST_CASE("nonlinear least squares: exact data are fitted and the residual sd is rounding",
          "[fit][nonlinear_least_squares][limits]") {
  const Decay data(0.0);
  const auto fit = fit::fit_nonlinear_least_squares(data.model(), {}, data.y, kDecayStart);
  REQUIRE(fit.outcome == fit::NonlinearOutcome::fitted);
  CHECK_THAT(fit.parameters[0], WithinRel(2.0, 1e-12));
  CHECK_THAT(fit.parameters[1], WithinRel(0.7, 1e-12));
  CHECK(*fit.residual_sd < 1e-13);
}

TEST_CASE("nonlinear least squares: as many observations as parameters have no errors",
          "[fit][nonlinear_least_squares][limits]") {
  const Decay data(0.01, 2);
  const auto fit = fit::fit_nonlinear_least_squares(data.model(), {}, data.y, kDecayStart);
  CHECK(fit.outcome == fit::NonlinearOutcome::saturated);
  CHECK_THAT(fit.parameters[0], WithinRel(data.y[0], 1e-10));  // x = 0
  CHECK(fit.standard_errors.empty());
  CHECK_FALSE(fit.residual_sd);
  CHECK_FALSE(fit.parameter_interval[0].low);
}

TEST_CASE("nonlinear least squares: each ending says why", "[fit][nonlinear_least_squares]") {
  const Decay data;
  const auto solve = [&](const fit::NonlinearModel& model, const std::vector<double>& start,
                         const fit::NonlinearOptions& options = {}) {
    return fit::fit_nonlinear_least_squares(model, {}, data.y, start, options);
  };
  const auto limited = solve(data.model(), kDecayStart, {.max_evaluations = 2});
  CHECK(limited.outcome == fit::NonlinearOutcome::evaluation_limit);
  CHECK(limited.stop == fit::SolverStop::evaluation_limit);
  CHECK(fit::words(limited.stop) == "too many evaluations");
  CHECK(fit::name(limited.outcome) == "evaluation_limit");
  CHECK(limited.standard_errors.empty());

  // Two rates that act only through their sum.
  const auto sum = [&](std::span<const double> b, std::span<double> values) {
    for (std::size_t i = 0; i < data.x.size(); ++i) values[i] = b[0] * std::exp(-(b[1] + b[2]) * data.x[i]);
  };
  const auto vague = solve(sum, {1, 0.2, 0.2});
  CHECK(vague.outcome == fit::NonlinearOutcome::not_identified);
  CHECK(vague.covariance.empty());
  // A parameter without influence.
  const auto idle = [&](std::span<const double> b, std::span<double> values) {
    for (std::size_t i = 0; i < data.x.size(); ++i) values[i] = b[0] + 0 * b[1];
  };
  CHECK(solve(idle, {1, 1}).outcome == fit::NonlinearOutcome::not_identified);

  const auto infinite = [](std::span<const double>, std::span<double> values) {
    std::fill(values.begin(), values.end(), std::numeric_limits<double>::infinity());
  };
  const auto nowhere = solve(infinite, {1});
  CHECK(nowhere.outcome == fit::NonlinearOutcome::not_finite);
  CHECK(nowhere.stop == fit::SolverStop::not_finite);
  CHECK(nowhere.parameters == std::vector<double>{1});
  CHECK_FALSE(nowhere.residual_sum_of_squares);

  // Finite values with a derivative that is not: sqrt at its edge.
  const auto edge = fit::fit_nonlinear_least_squares(
      [&](std::span<const double> b, std::span<double> values) {
        std::fill(values.begin(), values.end(), std::sqrt(b[0]));
      },
      [](std::span<const double> b, std::span<double> rows) {
        std::fill(rows.begin(), rows.end(), 0.5 / std::sqrt(b[0]));
      },
      data.y, std::vector<double>{0.0});
  CHECK(edge.outcome == fit::NonlinearOutcome::not_finite);

  // A derivative of the wrong sign leads nowhere: the sum of squares is not smallest at the stop.
  const auto wrong = fit::fit_nonlinear_least_squares(
      data.model(),
      [&](std::span<const double> b, std::span<double> rows) {
        for (std::size_t i = 0; i < data.x.size(); ++i) {
          rows[2 * i] = -std::exp(-b[1] * data.x[i]);
          rows[2 * i + 1] = b[0] * data.x[i] * std::exp(-b[1] * data.x[i]);
        }
      },
      data.y, kDecayStart);
  CHECK(wrong.outcome == fit::NonlinearOutcome::stalled);
  CHECK(*wrong.relative_offset > 0.001);
}

TEST_CASE("nonlinear least squares: a step to where the model does not exist is refused",
          "[fit][nonlinear_least_squares]") {
  // y = sqrt(b - x): a start far above the answer overshoots to negative arguments.
  std::vector<double> x, y;
  for (int i = 0; i < 10; ++i) {
    x.push_back(i);
    y.push_back(std::sqrt(9.5 - i) + (i % 2 == 0 ? 0.01 : -0.01));
  }
  const auto model = [&](std::span<const double> b, std::span<double> values) {
    for (std::size_t i = 0; i < x.size(); ++i) values[i] = std::sqrt(b[0] - x[i]);
  };
  const auto jacobian = [&](std::span<const double> b, std::span<double> rows) {
    for (std::size_t i = 0; i < x.size(); ++i) rows[i] = 0.5 / std::sqrt(b[0] - x[i]);
  };
  const auto fit = fit::fit_nonlinear_least_squares(model, jacobian, y, std::vector<double>{400.0});
  REQUIRE(fit.outcome == fit::NonlinearOutcome::fitted);
  CHECK_THAT(fit.parameters[0], WithinAbs(9.5, 0.05));
}

TEST_CASE("nonlinear least squares: every option changes something", "[fit][nonlinear_least_squares]") {
  const Callbacks c = callbacks(model_named("Chwirut2"));
  const auto solve = [&](const fit::NonlinearOptions& options) {
    return fit::fit_nonlinear_least_squares(c.model, c.jacobian, c.problem.y, c.problem.starts[0], options);
  };
  const auto usual = solve({});
  CHECK(solve({.sum_tolerance = 0.1, .step_tolerance = 0}).n_evaluations < usual.n_evaluations);
  CHECK(solve({.sum_tolerance = 0, .step_tolerance = 0.1}).stop == fit::SolverStop::step);
  CHECK(solve({.max_evaluations = 3}).n_evaluations <= 3);
  CHECK(solve({.first_step = 0.01}).n_evaluations > usual.n_evaluations);
  const Callbacks box = callbacks(model_named("BoxBOD"));  // a long first step ends on a plateau
  const auto box_outcome = [&](const fit::NonlinearOptions& options) {
    return fit::fit_nonlinear_least_squares(box.model, box.jacobian, box.problem.y, box.problem.starts[0], options);
  };
  CHECK(box_outcome({.max_restarts = 0}).outcome == fit::NonlinearOutcome::stalled);
  CHECK(box_outcome({}).outcome == fit::NonlinearOutcome::fitted);
  CHECK(box_outcome({}).n_restarts > 0);
  CHECK(solve({.rank_tolerance = 0.9}).outcome == fit::NonlinearOutcome::not_identified);
}

TEST_CASE("nonlinear least squares: bad input is refused by name", "[fit][nonlinear_least_squares][errors]") {
  const Decay data;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto error_of = [&](const std::vector<double>& y, const std::vector<double>& start,
                            const std::vector<double>& weights, const fit::NonlinearOptions& options = {}) {
    try {
      fit::fit_nonlinear_least_squares(data.model(), {}, y, start, options, weights);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  CHECK(error_of(data.y, {}, {}) == "start: expected at least one parameter");
  CHECK(error_of(data.y, {1, nan}, {}) == "start[1]: expected a finite number, got nan");
  CHECK(error_of({1, nan}, {1, 1}, {}) == "observations[1]: expected a finite number, got nan");
  CHECK(error_of({1, 2}, {1, 1}, {1}) == "weights: expected one per observation, 2, got 1");
  CHECK(error_of({1, 2}, {1, 1}, {1, nan}) == "weights[1]: expected a finite number, got nan");
  CHECK(error_of({1, 2}, {1, 1}, {1, -1}) == "weights[1]: expected zero or a positive number, got -1");
  CHECK(error_of({1}, {1, 1}, {}) ==
        "observations: expected at least as many of positive weight as parameters, 2, got 1");
  CHECK(error_of({1, 2}, {1, 1}, {1, 0}) ==
        "observations: expected at least as many of positive weight as parameters, 2, got 1");
  CHECK(error_of(data.y, {1, 1}, {}, {.sum_tolerance = -1}) ==
        "sum_tolerance: expected a number from 0 to below 1, got -1");
  CHECK(error_of(data.y, {1, 1}, {}, {.step_tolerance = nan}) ==
        "step_tolerance: expected a number from 0 to below 1, got nan");
  CHECK(error_of(data.y, {1, 1}, {}, {.max_evaluations = 0}) == "max_evaluations: expected a positive count, got 0");
  CHECK(error_of(data.y, {1, 1}, {}, {.first_step = 0}) == "first_step: expected a positive finite number, got 0");
  CHECK(error_of(data.y, {1, 1}, {}, {.max_restarts = -1}) ==
        "max_restarts: expected zero or a positive count, got -1");
  CHECK(error_of(data.y, {1, 1}, {}, {.rank_tolerance = 1}) ==
        "rank_tolerance: expected a number from 0 to below 1, got 1");
}
