#include "iclk/theory/sensitivity.hpp"

#include <boost/math/differentiation/autodiff.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/threshold.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::ExactFlow;
using theory::FlowState;
using theory::InverseOutcome;
using theory::LogGradient;
using theory::Unknown;

namespace {

namespace autodiff = boost::math::differentiation;

/// ln s_blow as it stands in the books; its Mills ratio overflows below x = -37.
template <class Beta, class W, class C2>
auto log_blow_up(const Beta& beta0, const W& w0, const C2& c2) {
  const auto kappa = c2 * exp(-beta0);
  const auto x = w0 - kappa;
  return log(log(1.0 + kappa * std::sqrt(0.5 * std::numbers::pi) * exp(0.5 * x * x) * erfc(x / std::numbers::sqrt2)) /
             c2);
}

double central(const std::function<double(double)>& f, double at, double step) {
  // Five points: the error is step^4 f^(5)/30.
  return (8.0 * (f(at + step) - f(at - step)) - (f(at + 2.0 * step) - f(at - 2.0 * step))) / (12.0 * step);
}

/// c1 = (1/2)(1 + t/T)^-1.2 and c2 = 1 - c1 on a grid fine enough for differences.
OrderParameterCurves decaying_curves(double stretch = 1.0, double scale = 1.0) {
  std::vector<double> times, c1, c2;
  for (int i = 0; i <= 3000; ++i) {
    const double u = std::expm1(i * 1e-3);
    times.push_back(300.0 * stretch * u);
    const double value = 0.5 * std::pow(1.0 + u, -1.2);
    c1.push_back(scale * value);
    c2.push_back(1.0 - value);
  }
  return {Curve(times, c1), Curve(times, c2), {}, false};
}

OrderParameterCurves constant_curves(double c1, double c2, double t_max) {
  const std::vector<double> t{0.0, 0.5 * t_max, t_max};
  return {Curve(t, {c1, c1, c1}), Curve(t, {c2, c2, c2}), {}, false};
}

}  // namespace

TEST_CASE("sensitivity: the blow-up against automatic differentiation", "[theory][eq13][eq31][eq32][gradient]") {
  for (const double beta0 : {-3.0, -1.0, 0.0, 0.5, 4.0}) {
    for (const double w0 : {-3.0, -0.5, 0.0, 0.4, 6.0}) {
      for (const double c2 : {0.05, 0.5, 1.0}) {
        INFO("beta0 = " << beta0 << ", w0 = " << w0 << ", c2 = " << c2);
        const ExactFlow flow{.n_context = 80.0, .initial = {w0, beta0}, .c2 = c2};
        const LogGradient gradient = blow_up_gradient(flow);
        const auto by_beta = log_blow_up(autodiff::make_fvar<double, 1>(beta0), w0, c2);
        const auto by_w = log_blow_up(beta0, autodiff::make_fvar<double, 1>(w0), c2);
        const auto by_c2 = log_blow_up(beta0, w0, autodiff::make_fvar<double, 1>(c2));
        // The textbook form cancels in 1 + y; ours does not.
        const double y = std::expm1(c2 * theory::blow_up_integral(flow) / 160.0);
        const double open = 1e-13 + 4e-15 / y;
        REQUIRE_THAT(gradient.beta0, WithinAbs(by_beta.derivative(1), open));
        REQUIRE_THAT(gradient.w0, WithinAbs(by_w.derivative(1), 20.0 * open));
        REQUIRE_THAT(gradient.c2, WithinAbs(by_c2.derivative(1), 20.0 * open / c2));
        REQUIRE_THAT(gradient.log_context, WithinAbs(1.0, 1e-15));
      }
    }
  }
}

TEST_CASE("sensitivity: the blow-up against differences in every input", "[theory][eq31][eq32][gradient]") {
  for (const double beta0 : {-8.0, -0.4, 3.0}) {
    for (const double w0 : {-45.0, -0.3, 9.0}) {
      for (const double lambda_w : {0.0, 3e-3}) {
        INFO("beta0 = " << beta0 << ", w0 = " << w0 << ", lambda_w = " << lambda_w);
        const ExactFlow flow{.n_context = 80.0,
                             .initial = {w0, beta0},
                             .c2 = 0.4,
                             .rho = 0.6,
                             .copies = 2.0,
                             .lambda_w = lambda_w,
                             .c1 = 0.3};
        const LogGradient gradient = blow_up_gradient(flow);
        const auto difference = [&](auto change, double step) {
          return central(
              [&](double h) {
                ExactFlow moved = flow;
                change(moved, h);
                return std::log(blow_up_integral(moved));
              },
              0.0, step);
        };
        const double h = 1e-3;
        const auto close = [](double value) { return WithinAbs(value, 1e-9 * (1.0 + std::abs(value))); };
        REQUIRE_THAT(gradient.log_context, close(difference([](auto& f, double e) { f.n_context *= std::exp(e); }, h)));
        REQUIRE_THAT(gradient.beta0, close(difference([](auto& f, double e) { f.initial.beta += e; }, h)));
        REQUIRE_THAT(gradient.w0, close(difference([](auto& f, double e) { f.initial.w += e; }, h)));
        REQUIRE_THAT(gradient.c2, close(difference([](auto& f, double e) { f.c2 += e; }, h)));
        REQUIRE_THAT(gradient.log_c1, close(difference([](auto& f, double e) { f.c1 *= std::exp(e); }, h)));
        REQUIRE_THAT(gradient.log_rho, close(difference([](auto& f, double e) { f.rho *= std::exp(e); }, h)));
        REQUIRE_THAT(gradient.log_copies, close(difference([](auto& f, double e) { f.copies *= std::exp(e); }, h)));
        if (lambda_w > 0.0) {
          REQUIRE_THAT(gradient.lambda_w, close(difference([](auto& f, double e) { f.lambda_w += e; }, 1e-6)));
        }
      }
    }
  }
}

TEST_CASE("sensitivity: limits of the slope in beta0", "[theory][eq13][eq31][limits]") {
  const auto slope = [](double beta0, double c2) {
    return blow_up_gradient(ExactFlow{.n_context = 100.0, .initial = {0.0, beta0}, .c2 = c2}).beta0;
  };
  REQUIRE_THAT(slope(0.0, 0.5), WithinAbs(-1.09, 0.005));
  REQUIRE_THAT(slope(20.0, 0.5), WithinAbs(-1.0, 1e-8));
  REQUIRE_THAT(slope(-20.0, 0.5), WithinAbs(-2.0, 1e-7));
  REQUIRE_THAT(slope(-1.0, 0.0), WithinAbs(-1.0, 1e-15));
  // The derivative by c2 has no cancellation down to c2 = 0, where it is the first order of the series.
  const double w0 = 0.3;
  const double r = theory::mills_ratio(w0);
  const double first = std::exp(0.2) * (1.0 - w0 * r - 0.5 * r * r) / r;
  for (const double c2 : {0.0, 1e-300, 1e-14}) {
    const LogGradient gradient = blow_up_gradient(ExactFlow{.n_context = 100.0, .initial = {w0, -0.2}, .c2 = c2});
    REQUIRE_THAT(gradient.c2, WithinRel(first, 1e-12));
  }
  // Undamped, from far below: d ln R/d w0 = w0 - 1/R, where R itself leaves the range.
  REQUIRE_THAT(blow_up_gradient(ExactFlow{.n_context = 100.0, .initial = {-60.0, 0.0}, .c2 = 0.0}).w0,
               WithinRel(-60.0, 1e-14));
}

TEST_CASE("sensitivity: the threshold is that of the integral over nu", "[theory][eq12][eq13][gradient]") {
  const ExactFlow flow{.n_context = 100.0, .initial = {0.1, -0.3}, .lambda_w = 1e-3};
  const double prefactor = 1.8;
  const double nu = 0.7;
  const theory::ThresholdSensitivity result = threshold_sensitivity(flow, prefactor, nu);
  const auto k_star = [](const ExactFlow& f, double a, double exponent) {
    return theory::threshold_from_law(a, exponent, blow_up_integral(f));
  };
  REQUIRE_THAT(result.k_star, WithinRel(k_star(flow, prefactor, nu), 1e-15));
  const auto by_log_n = [&](double e) {
    ExactFlow moved = flow;
    moved.n_context *= std::exp(e);
    return std::log(k_star(moved, prefactor, nu));
  };
  REQUIRE_THAT(result.gradient.log_context, WithinRel(central(by_log_n, 0.0, 1e-3), 1e-9));
  const auto by_prefactor = [&](double e) { return std::log(k_star(flow, prefactor * std::exp(e), nu)); };
  REQUIRE_THAT(result.log_prefactor, WithinRel(central(by_prefactor, 0.0, 1e-3), 1e-9));
  const auto by_nu = [&](double e) { return std::log(k_star(flow, prefactor, nu + e)); };
  REQUIRE_THAT(result.nu, WithinRel(central(by_nu, 0.0, 1e-3), 1e-9));
  REQUIRE_THAT(result.gradient.beta0, WithinRel(blow_up_gradient(flow).beta0 / nu, 1e-15));
}

TEST_CASE("sensitivity on curves: constant curves give the closed form", "[theory][eq7][eq8][identity]") {
  for (const double lambda_w : {0.0, 2e-3}) {
    for (const FlowState start : {FlowState{0.0, 0.0}, FlowState{-0.6, -1.2}, FlowState{0.4, 2.0}}) {
      INFO("lambda_w = " << lambda_w << ", w0 = " << start.w);
      const ExactFlow flow{.n_context = 60.0, .initial = start, .c2 = 0.7, .lambda_w = lambda_w, .c1 = 0.3};
      const LogGradient expected = blow_up_gradient(flow);
      const auto result = theory::curve_sensitivity(constant_curves(0.3, 0.7, 1e5), 60.0, start, lambda_w);
      REQUIRE(result.outcome == theory::FlowOutcome::acquired);
      REQUIRE_THAT(*result.t_icl, WithinRel(blow_up_integral(flow) / 0.6, 1e-8));
      REQUIRE_THAT(result.gradient.log_context, WithinRel(expected.log_context, 1e-7));
      REQUIRE_THAT(result.gradient.beta0, WithinRel(expected.beta0, 1e-7));
      REQUIRE_THAT(result.gradient.w0, WithinRel(expected.w0, 1e-7));
      REQUIRE_THAT(result.gradient.lambda_w, WithinRel(expected.lambda_w, 1e-7));
      REQUIRE_THAT(result.gradient.log_c1, WithinRel(expected.log_c1 - 1.0, 1e-7));
    }
  }
}

TEST_CASE("sensitivity on curves: differences of the integrated flow", "[theory][eq7][eq8][gradient]") {
  const double n = 30.0;
  const FlowState start{0.1, -0.2};
  const OrderParameterCurves curves = decaying_curves();
  const auto log_time = [](const OrderParameterCurves& c, double n_context, FlowState initial) {
    return std::log(*theory::integrate_flow(initial, n_context, c, {.rel_tol = 1e-13, .abs_tol = 1e-14}).t_icl);
  };
  const auto result = theory::curve_sensitivity(curves, n, start);
  REQUIRE(result.outcome == theory::FlowOutcome::acquired);
  REQUIRE_THAT(std::log(*result.t_icl), WithinRel(log_time(curves, n, start), 1e-9));
  const double h = 2e-3;
  REQUIRE_THAT(result.gradient.log_context,
               WithinRel(central([&](double e) { return log_time(curves, n * std::exp(e), start); }, 0.0, h), 1e-6));
  REQUIRE_THAT(result.gradient.beta0, WithinRel(central(
                                                    [&](double e) {
                                                      return log_time(curves, n, {start.w, start.beta + e});
                                                    },
                                                    0.0, h),
                                                1e-6));
  REQUIRE_THAT(result.gradient.w0, WithinRel(central(
                                                 [&](double e) {
                                                   return log_time(curves, n, {start.w + e, start.beta});
                                                 },
                                                 0.0, h),
                                             1e-6));
  REQUIRE_THAT(
      result.gradient.log_c1,
      WithinRel(central([&](double e) { return log_time(decaying_curves(1.0, std::exp(e)), n, start); }, 0.0, h),
                1e-6));
  REQUIRE_THAT(
      result.log_stretch,
      WithinRel(central([&](double e) { return log_time(decaying_curves(std::exp(e)), n, start); }, 0.0, h), 1e-6));
  // With L2: its derivative against itself.
  const auto with_decay = theory::curve_sensitivity(curves, n, start, 1e-4);
  const auto by_lambda = [&](double e) {
    return std::log(*theory::curve_sensitivity(curves, n, start, 1e-4 + e).t_icl);
  };
  REQUIRE_THAT(with_decay.gradient.lambda_w, WithinRel(central(by_lambda, 0.0, 1e-5), 1e-5));
  // Memorization first: no time, no derivatives.
  const auto lost = theory::curve_sensitivity(curves, 1e5, start);
  REQUIRE(lost.outcome == theory::FlowOutcome::curve_ended);
  REQUIRE_FALSE(lost.t_icl.has_value());
  REQUIRE(theory::curve_sensitivity(curves, n, {0.0, 800.0}).outcome == theory::FlowOutcome::not_finite);
}

TEST_CASE("success: every row of the reference table", "[theory][eq12]") {
  const Table table = read_table("p_icl.csv");
  REQUIRE(table.rows() == 27);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    theory::SuccessSetting setting{
        .flow = {.n_context = table.number(i, "N"), .initial = {0.0, table.number(i, "mu_beta")}, .c2 = 0.5},
        .beta0_sd = table.number(i, "sigma_beta"),
        .w0_sd = 0.0,
        .i_infinity = table.number(i, "I_inf")};
    REQUIRE_THAT(success_sensitivity(setting).probability, WithinRel(table.number(i, "P_exact_w0zero"), 1e-12));
    setting.w0_sd = table.number(i, "sigma_w");
    REQUIRE_THAT(success_sensitivity(setting).probability, WithinRel(table.number(i, "P_exact"), 1e-12));
  }
}

TEST_CASE("success: derivatives against differences", "[theory][eq12][gradient]") {
  const theory::SuccessSetting setting{
      .flow = {.n_context = 100.0, .initial = {0.05, -0.1}, .c2 = 0.6, .lambda_w = 1e-3, .c1 = 0.4},
      .beta0_sd = 0.3,
      .w0_sd = 0.2,
      .i_infinity = 320.0};
  const theory::SuccessSensitivity result = success_sensitivity(setting);
  REQUIRE(result.probability > 0.2);
  REQUIRE(result.probability < 0.8);
  const auto difference = [&](auto change, double step) {
    return central(
        [&](double e) {
          theory::SuccessSetting moved = setting;
          change(moved, e);
          return success_sensitivity(moved).probability;
        },
        0.0, step);
  };
  const double h = 1e-3;
  const auto close = [](double value) { return WithinRel(value, 1e-8); };
  REQUIRE_THAT(result.log_context, close(difference([](auto& s, double e) { s.flow.n_context *= std::exp(e); }, h)));
  REQUIRE_THAT(result.beta0_mean, close(difference([](auto& s, double e) { s.flow.initial.beta += e; }, h)));
  REQUIRE_THAT(result.w0_mean, close(difference([](auto& s, double e) { s.flow.initial.w += e; }, h)));
  REQUIRE_THAT(result.beta0_sd, close(difference([](auto& s, double e) { s.beta0_sd += e; }, h)));
  REQUIRE_THAT(result.w0_sd, close(difference([](auto& s, double e) { s.w0_sd += e; }, h)));
  REQUIRE_THAT(result.c2, close(difference([](auto& s, double e) { s.flow.c2 += e; }, h)));
  REQUIRE_THAT(result.lambda_w, close(difference([](auto& s, double e) { s.flow.lambda_w += e; }, 1e-5)));
  REQUIRE_THAT(result.log_i_infinity, close(difference([](auto& s, double e) { s.i_infinity *= std::exp(e); }, h)));
  // A narrow beta0 beside a broad w0: P is that of w0 alone.
  theory::SuccessSetting narrow = setting;
  narrow.flow.lambda_w = 0.0;
  narrow.beta0_sd = 1e-4;
  narrow.w0_sd = 1.0;
  const theory::InverseAnswer edge = solve_for(Unknown::w0, narrow.flow, narrow.i_infinity);
  const double tail = 0.5 * std::erfc((*edge.value - 0.05) / std::numbers::sqrt2);
  REQUIRE_THAT(success_sensitivity(narrow).probability, WithinRel(tail, 1e-6));
}

TEST_CASE("inverse: what comes out needs the wanted integral", "[theory][eq13][eq31][eq32][identity]") {
  for (const double lambda_w : {0.0, 1e-4, 0.3}) {
    for (const double wanted : {1e-3, 40.0, 320.0, 1e9}) {
      for (const double w0 : {-5.0, 0.0, 0.7}) {
        const ExactFlow flow{.n_context = 50.0, .initial = {w0, -0.4}, .c2 = 0.5, .lambda_w = lambda_w};
        for (const Unknown unknown : {Unknown::n_context, Unknown::beta0, Unknown::w0, Unknown::lambda_w}) {
          INFO(name(unknown) << ", wanted " << wanted << ", lambda_w " << lambda_w << ", w0 " << w0);
          const theory::InverseAnswer answer = solve_for(unknown, flow, wanted);
          ExactFlow found = flow;
          if (unknown == Unknown::n_context) found.n_context = answer.value.value_or(2.0);
          if (unknown == Unknown::beta0) found.initial.beta = answer.value.value_or(0.0);
          if (unknown == Unknown::w0) found.initial.w = answer.value.value_or(0.0);
          if (unknown == Unknown::lambda_w) found.lambda_w = answer.value.value_or(0.0);
          if (answer.outcome == InverseOutcome::found) {
            REQUIRE_THAT(blow_up_integral(found), WithinRel(wanted, 1e-12));
          } else {  // only N = 2 and lambda_w = 0 set a limit here
            REQUIRE(answer.outcome == InverseOutcome::too_small);
            REQUIRE((unknown == Unknown::n_context || unknown == Unknown::lambda_w));
            REQUIRE(blow_up_integral(found) > wanted);
          }
        }
      }
    }
  }
  // Without decay I_K is in proportion to N.
  REQUIRE_THAT(*solve_for(Unknown::n_context, ExactFlow{.n_context = 100.0}, 547.2886795676871).value,
               WithinRel(200.0, 1e-12));
  REQUIRE_THAT(*solve_for(Unknown::lambda_w, ExactFlow{.n_context = 100.0, .lambda_w = 5.0},
                          theory::blow_up_integral({.n_context = 100.0}))
                    .value,
               WithinAbs(0.0, 1e-13));
  REQUIRE(name(InverseOutcome::too_small) == "too_small");
  REQUIRE(name(Unknown::n_context) == "context");
}

TEST_CASE("inverse on curves: what comes out acquires at the wanted time", "[theory][eq7][eq8][identity]") {
  const OrderParameterCurves curves = decaying_curves();
  const FlowState start{0.1, -0.2};
  const double n = 30.0;
  const double wanted = 400.0;
  const auto time = [&](double n_context, FlowState initial, double lambda_w) {
    return *theory::curve_sensitivity(curves, n_context, initial, lambda_w).t_icl;
  };
  REQUIRE_THAT(time(*theory::solve_for(Unknown::n_context, curves, n, start, 0.0, wanted).value, start, 0.0),
               WithinRel(wanted, 1e-9));
  REQUIRE_THAT(time(n, {0.1, *theory::solve_for(Unknown::beta0, curves, n, start, 0.0, wanted).value}, 0.0),
               WithinRel(wanted, 1e-9));
  REQUIRE_THAT(time(n, {*theory::solve_for(Unknown::w0, curves, n, start, 0.0, wanted).value, -0.2}, 0.0),
               WithinRel(wanted, 1e-9));
  const double plain = time(n, start, 0.0);
  const theory::InverseAnswer lambda = theory::solve_for(Unknown::lambda_w, curves, n, start, 0.0, 1.3 * plain);
  REQUIRE_THAT(time(n, start, *lambda.value), WithinRel(1.3 * plain, 1e-9));
  // L2 only delays.
  REQUIRE(theory::solve_for(Unknown::lambda_w, curves, n, start, 0.0, 0.9 * plain).outcome ==
          InverseOutcome::too_small);
}

TEST_CASE("sensitivity: impossible arguments are named", "[theory][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const OrderParameterCurves curves = constant_curves(0.5, 0.5, 100.0);
  REQUIRE_THROWS_WITH(theory::blow_up_gradient({.n_context = 1.0}), "context: expected a number of at least 2, got 1");
  REQUIRE_THROWS_WITH(theory::threshold_sensitivity({}, -1.0, 0.7), StartsWith("prefactor: expected"));
  REQUIRE_THROWS_WITH(theory::threshold_sensitivity({}, 1.0, 0.0), StartsWith("nu: expected"));
  REQUIRE_THROWS_WITH(theory::curve_sensitivity(curves, 1.0, {}), "context: expected a number of at least 2, got 1");
  REQUIRE_THROWS_WITH(theory::curve_sensitivity(curves, 9.0, {nan, 0.0}), "w0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::curve_sensitivity(curves, 9.0, {0.0, nan}), "beta0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::curve_sensitivity(curves, 9.0, {}, -1.0),
                      "lambda_w: expected a number that is not negative, got -1");
  theory::SuccessSetting setting{.i_infinity = 100.0};
  setting.beta0_sd = 0.0;
  REQUIRE_THROWS_WITH(theory::success_sensitivity(setting), "beta0_sd: expected a positive number, got 0");
  setting.beta0_sd = 0.1;
  setting.w0_sd = -1.0;
  REQUIRE_THROWS_WITH(theory::success_sensitivity(setting), "w0_sd: expected a number that is not negative, got -1");
  setting.w0_sd = 0.0;
  setting.i_infinity = 0.0;
  REQUIRE_THROWS_WITH(theory::success_sensitivity(setting), "i_infinity: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(theory::solve_for(Unknown::beta0, ExactFlow{}, 0.0),
                      "wanted_integral: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(theory::solve_for(Unknown::beta0, curves, 9.0, {}, 0.0, 101.0),
                      "wanted_time: expected a time within the curves, got 101");
  REQUIRE_THROWS_WITH(theory::solve_for(Unknown::beta0, curves, 9.0, {}, -1.0, 50.0),
                      "lambda_w: expected a number that is not negative, got -1");
}
