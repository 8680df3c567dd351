#include "iclk/theory/memorization_family.hpp"

#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <cmath>
#include <limits>

#include "iclk/core/error.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/memorization_integral.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::MemorizationFamily;
using theory::MemorizationKind;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kTolerance = 1e-12;  // of every closed form, over the whole table

MemorizationKind kind_of(const std::string& letter) {
  if (letter == "P") return MemorizationKind::power;
  if (letter == "E") return MemorizationKind::exponential;
  return letter == "S" ? MemorizationKind::stretched : MemorizationKind::logarithmic;
}

double shape_of(const Table& table, std::size_t row) {
  return table.text(row, "shape") == "-" ? 0.0 : table.number(row, "shape");
}

MemorizationFamily family_of(const Table& table, std::size_t row) {
  return {kind_of(table.text(row, "family")), shape_of(table, row), table.number(row, "T")};
}

/// Every kind, with I_K(infinity) finite and infinite.
const std::vector<MemorizationFamily> kFamilies{
    {MemorizationKind::power, 1.5, 100.0},       {MemorizationKind::power, 1.0, 3.0},
    {MemorizationKind::power, 0.6, 250.0},       {MemorizationKind::power, 12.0, 40.0},
    {MemorizationKind::exponential, 0.0, 70.0},  {MemorizationKind::stretched, 0.25, 5.0},
    {MemorizationKind::stretched, 3.0, 80.0},    {MemorizationKind::logarithmic, 4.0 / 3.0, 50.0},
    {MemorizationKind::logarithmic, 1.0, 100.0}, {MemorizationKind::logarithmic, 0.0, 100.0},
    {MemorizationKind::logarithmic, 2.0, 1.0}};

}  // namespace

TEST_CASE("memorization family: every row of the reference table", "[theory][eq10]") {
  const Table table = read_table("toy_integral.csv");
  REQUIRE(table.rows() == 60);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const MemorizationFamily family = family_of(table, i);
    const double t = table.number(i, "t");
    INFO("row " << i << ", " << name(family.kind) << ", t = " << t);
    // The table prints what lies below the smallest normal double as zero.
    const double c1 = table.number(i, "c1");
    REQUIRE_THAT(theory::family_c1(family, t), WithinRel(c1, kTolerance) || WithinAbs(c1, 2.3e-308));
    REQUIRE_THAT(theory::family_integral(family, t), WithinRel(table.number(i, "I_K"), kTolerance));
    REQUIRE_THAT(theory::family_log_slope(family, t), WithinRel(table.number(i, "loglog_slope"), kTolerance));
    REQUIRE_THAT(theory::family_rate(family, t), WithinRel(table.number(i, "exp_rate"), kTolerance));
    const double total = table.number(i, "I_inf");
    if (std::isinf(total)) {
      REQUIRE(theory::family_total_integral(family) == kInfinity);
    } else {
      REQUIRE_THAT(theory::family_total_integral(family), WithinRel(total, kTolerance));
    }
  }
}

TEST_CASE("memorization family: thresholds and acquisition times of the reference table", "[theory][eq12][eq13]") {
  const Table table = read_table("toy_threshold.csv");
  REQUIRE(table.rows() == 47);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const theory::HorizonLaw law{table.number(i, "a"), table.number(i, "nu")};
    const double shape = shape_of(table, i);
    const MemorizationKind kind = kind_of(table.text(i, "family"));
    const MemorizationFamily family{kind, shape, theory::horizon_at(law, table.number(i, "K"))};
    INFO("row " << i << ", " << name(kind) << ", K = " << table.number(i, "K"));
    REQUIRE_THAT(family.horizon, WithinRel(table.number(i, "T_K"), kTolerance));
    const double total = table.number(i, "I_inf");
    if (std::isfinite(total)) REQUIRE_THAT(theory::family_total_integral(family), WithinRel(total, kTolerance));

    const double n = table.number(i, "N");
    const double beta0 = table.number(i, "beta0");
    const double leading = theory::acquisition_integral_leading(n, beta0);
    const double exact = theory::acquisition_integral_exact(n, beta0, 0.0, 0.5);
    REQUIRE_THAT(leading, WithinRel(table.number(i, "X_eq10"), kTolerance));
    REQUIRE_THAT(exact, WithinRel(table.number(i, "X_exact_c2half"), kTolerance));
    for (const auto& [required, k_star, t_icl] : {std::tuple{leading, "Kstar_eq10", "t_icl_eq10"},
                                                  std::tuple{exact, "Kstar_exact_c2half", "t_icl_exact_c2half"}}) {
      const auto threshold = theory::family_threshold(kind, shape, law, required);
      REQUIRE(threshold.has_value() == std::isfinite(table.number(i, k_star)));
      if (threshold) REQUIRE_THAT(*threshold, WithinRel(table.number(i, k_star), kTolerance));
      const auto time = theory::time_of_family_integral(family, required);
      REQUIRE(time.has_value() == std::isfinite(table.number(i, t_icl)));
      if (time) REQUIRE_THAT(*time, WithinRel(table.number(i, t_icl), kTolerance));
    }
  }
}

TEST_CASE("memorization family: truncated curves and what they leave", "[theory][eq10]") {
  const Table table = read_table("tail_extrapolation.csv");
  REQUIRE(table.rows() == 35);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const MemorizationFamily family = family_of(table, i);
    const double t = table.number(i, "t_max");
    INFO("row " << i << ", " << name(family.kind) << ", t = " << t);
    const double c1 = table.number(i, "c1_at_tmax");
    REQUIRE_THAT(theory::family_c1(family, t), WithinRel(c1, kTolerance) || WithinAbs(c1, 2.3e-308));
    REQUIRE_THAT(theory::family_integral(family, t), WithinRel(table.number(i, "I_tmax"), kTolerance));
    const double slope = theory::family_log_slope(family, t);
    REQUIRE_THAT(slope, WithinRel(table.number(i, "loglog_slope"), kTolerance));
    const double rest = table.number(i, "tail_exact");
    if (std::isinf(rest)) {
      REQUIRE(theory::family_integral_left(family, t) == kInfinity);
    } else {
      // The table takes the difference of two integrals of 50 digits.
      REQUIRE_THAT(theory::family_integral_left(family, t),
                   WithinRel(rest, kTolerance) || WithinAbs(rest, 1e-50 * table.number(i, "I_inf")));
    }
    const auto tails = theory::tail_estimates(theory::family_c1(family, t), t, slope);
    REQUIRE_THAT(tails.exponential, WithinRel(table.number(i, "tail_exp"), kTolerance));
    REQUIRE(tails.power.has_value() == std::isfinite(table.number(i, "tail_power")));
    if (tails.power) REQUIRE_THAT(*tails.power, WithinRel(table.number(i, "tail_power"), kTolerance));
  }
}

TEST_CASE("memorization family: incomplete gamma functions of the reference table", "[theory]") {
  // With b = 1/a and u = x^a the stretched law has I = T a Gamma_lower(a, x).
  const Table table = read_table("special_gamma.csv");
  REQUIRE(table.rows() == 54);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double a = table.number(i, "a");
    const double x = table.number(i, "x");
    INFO("a = " << a << ", x = " << x);
    const MemorizationFamily family{MemorizationKind::stretched, 1.0 / a, 1.0 / a};
    const double t = std::pow(x, a) / a;
    REQUIRE_THAT(theory::family_integral(family, t), WithinRel(table.number(i, "lower_gamma"), kTolerance));
    REQUIRE_THAT(theory::family_integral_left(family, t), WithinRel(table.number(i, "upper_gamma"), kTolerance));
    REQUIRE_THAT(theory::family_integral(family, t) / theory::family_total_integral(family),
                 WithinRel(table.number(i, "P_regularised"), kTolerance));
  }
}

TEST_CASE("memorization family: the integral is that of c1", "[theory][identity]") {
  for (const MemorizationFamily& family : kFamilies) {
    for (double u : {1e-9, 1e-3, 0.4, 2.0, 30.0}) {
      const double t = u * family.horizon;
      INFO(name(family.kind) << " " << family.shape << ", u = " << u);
      // A slow independent sum: in the variable t^(1/4), which smooths exp(-u^(1/4)) at zero.
      const auto integrand = [&](double y) { return 8.0 * y * y * y * theory::family_c1(family, y * y * y * y); };
      const double sum =
          boost::math::quadrature::gauss_kronrod<double, 61>::integrate(integrand, 0.0, std::pow(t, 0.25), 12, 1e-13);
      REQUIRE_THAT(theory::family_integral(family, t), WithinRel(sum, 1e-12));
      const double c1 = theory::family_c1(family, t);
      if (c1 > 0.0) REQUIRE_THAT(theory::log_family_c1(family, t), WithinAbs(std::log(c1), 1e-12));
      // Slope and rate by central differences: truncation h^2, rounding eps/h.
      const double h = 1e-5;
      const double slope =
          -(theory::log_family_c1(family, t * (1 + h)) - theory::log_family_c1(family, t * (1 - h))) / (2 * h);
      REQUIRE_THAT(theory::family_log_slope(family, t), WithinAbs(slope, 1e-8 * (1.0 + slope)));
      REQUIRE_THAT(theory::family_rate(family, t) * t, WithinRel(theory::family_log_slope(family, t), 1e-14));
    }
  }
}

TEST_CASE("memorization family: what is spent and what is left add up and invert", "[theory][identity]") {
  for (const MemorizationFamily& family : kFamilies) {
    const double total = theory::family_total_integral(family);
    REQUIRE(theory::family_integral(family, kInfinity) == total);
    REQUIRE_FALSE(theory::time_of_family_integral(family, total).has_value());
    REQUIRE(*theory::time_of_family_integral(family, 0.0) == 0.0);
    for (double u : {1e-200, 1e-30, 1e-9, 1e-3, 0.4, 2.0, 30.0, 1e3}) {
      const double t = u * family.horizon;
      const double integral = theory::family_integral(family, t);
      INFO(name(family.kind) << " " << family.shape << ", u = " << u);
      if (std::isfinite(total)) {
        REQUIRE_THAT(integral + theory::family_integral_left(family, t), WithinRel(total, 1e-14));
      }
      // dt/t = dI/(2 c1 t): what rounding I to a double costs.
      const double amplification = integral / (2.0 * theory::family_c1(family, t) * t);
      if (!(amplification < 1e10)) continue;
      REQUIRE_THAT(*theory::time_of_family_integral(family, integral), WithinRel(t, 1e-14 * (1.0 + amplification)));
    }
  }
}

TEST_CASE("memorization family: reference values at the far ends", "[theory][limits]") {
  // T/b times the incomplete gamma functions of (1/b, u^b), 40 digits from mpmath 1.x.
  struct Case {
    double b, horizon, t, integral, left;
  };
  for (const Case& c : {Case{0.25, 3.0, 1e4, 68.00893389303731117009285, 3.991066106962688829907154},
                        Case{8.0, 2.0, 1.5, 1.483746840816688129998774, 0.3997385588827148461760335},
                        Case{0.03125, 1.0, 1e10, 1367767748.805044825115061, 2.63130836933693530167218e35}}) {
    const MemorizationFamily family{MemorizationKind::stretched, c.b, c.horizon};
    INFO("b = " << c.b);
    REQUIRE_THAT(theory::family_integral(family, c.t), WithinRel(c.integral, 1e-13));
    REQUIRE_THAT(theory::family_integral_left(family, c.t), WithinRel(c.left, 1e-13));
  }
  // I = t before anything happens, whatever the law.
  for (const MemorizationFamily& family : kFamilies) {
    if (family.kind == MemorizationKind::stretched && family.shape < 1.0) continue;  // it happens at once
    REQUIRE_THAT(theory::family_integral(family, 1e-290), WithinRel(1e-290, 1e-15));
    REQUIRE_THAT(*theory::time_of_family_integral(family, 1e-290), WithinRel(1e-290, 1e-15));
  }
  // The neighbourhood of p = 1 and m = 1 is smooth.
  for (MemorizationKind kind : {MemorizationKind::power, MemorizationKind::logarithmic}) {
    const double at_one = theory::family_integral({kind, 1.0, 2.0}, 50.0);
    REQUIRE_THAT(theory::family_integral({kind, 1.0 + 1e-14, 2.0}, 50.0), WithinRel(at_one, 1e-12));
    REQUIRE_THAT(*theory::time_of_family_integral({kind, 1.0 - 1e-14, 2.0}, at_one), WithinRel(50.0, 1e-11));
  }
  // Acquired, at a time that no double holds.
  REQUIRE(*theory::time_of_family_integral({MemorizationKind::logarithmic, 1.0, 1.0}, 9.0) == kInfinity);
  REQUIRE(theory::family_c1({MemorizationKind::exponential, 0.0, 1.0}, 1e4) == 0.0);
  REQUIRE_THAT(theory::log_family_c1({MemorizationKind::exponential, 0.0, 1.0}, 1e4),
               WithinRel(-1e4 - std::log(2.0), 1e-15));
}

TEST_CASE("memorization family: at the threshold I_K at infinity is what acquisition needs", "[theory][eq13][limits]") {
  const theory::HorizonLaw law{0.4, 0.7};
  const double required = theory::acquisition_integral_exact(100.0, 0.0, 0.0, 0.5);
  const auto k_star = theory::family_threshold(MemorizationKind::exponential, 0.0, law, required);
  const auto time_at = [&](double k) {
    return theory::time_of_family_integral({MemorizationKind::exponential, 0.0, theory::horizon_at(law, k)}, required);
  };
  REQUIRE_FALSE(time_at(*k_star * (1.0 - 1e-6)).has_value());
  // Logarithmic: t = -T ln(1 - X/T), and 1 - X/T = nu delta for K = K*(1 + delta).
  const double delta = 1e-6;
  const double expected = -required * std::log(0.7 * delta);
  REQUIRE_THAT(*time_at(*k_star * (1.0 + delta)), WithinRel(expected, 1e-5));
  // A power law ends far more slowly: at K = 1.01 K* the exponential needs 5.0 times the integral, t^-1.5 10 500 times.
  const double share = std::pow(1.01, -0.7);  // of I_K(infinity) that is needed
  REQUIRE_THAT(*time_at(1.01 * *k_star) / required, WithinRel(5.0, 0.002));
  const MemorizationFamily power{MemorizationKind::power, 1.5, 0.5 * required / share};
  REQUIRE_THAT(theory::family_total_integral(power), WithinRel(required / share, 1e-15));
  REQUIRE_THAT(*theory::time_of_family_integral(power, required) / required, WithinRel(10450.0, 0.002));
  REQUIRE_THAT(theory::family_total_share(MemorizationKind::power, 3.0), WithinRel(0.5, 1e-15));
}

TEST_CASE("memorization family: the flow of Eqs. 7-8 acquires when the closed form says so", "[theory][eq7][eq12]") {
  // With c2 = 1/2 the integral that acquisition needs is known, whatever c1(t).
  for (const MemorizationFamily& family :
       {MemorizationFamily{MemorizationKind::power, 1.5, 400.0}, {MemorizationKind::stretched, 0.7, 600.0}}) {
    const auto functions = theory::order_parameter_functions(family, theory::C2Closure::constant);
    const auto flow = theory::integrate_flow({.w = 0.1, .beta = 0.2}, 60.0, functions);
    const double required = theory::acquisition_integral_exact(60.0, 0.2, 0.1, 0.5);
    REQUIRE(flow.outcome == theory::FlowOutcome::acquired);
    REQUIRE_THAT(*flow.t_icl, WithinRel(*theory::time_of_family_integral(family, required), 1e-8));
    // Equal logits: c2 = 1 - c1 damps more.
    const auto closed = theory::order_parameter_functions(family, theory::C2Closure::homogeneous);
    REQUIRE_THAT(closed.c1(100.0) + closed.c2(100.0), WithinRel(1.0, 1e-15));
    REQUIRE(*theory::integrate_flow({.w = 0.1, .beta = 0.2}, 60.0, closed).t_icl > *flow.t_icl);
  }
}

TEST_CASE("memorization family: sampled curves", "[theory]") {
  const MemorizationFamily family{MemorizationKind::power, 2.0, 10.0};
  const std::vector<double> times{0.0, 5.0, 10.0};
  const auto curves = theory::sample_family(family, times, theory::C2Closure::homogeneous);
  REQUIRE_THAT(curves.c1.values()[2], WithinRel(0.125, 1e-15));
  REQUIRE_THAT(curves.c2.values()[2], WithinRel(0.875, 1e-15));
  REQUIRE_THAT(curves.c3->values()[2], WithinRel(1.0 / 7.0, 1e-15));
  REQUIRE(curves.c2_is_closure);
  const auto constant = theory::sample_family(family, times, theory::C2Closure::constant);
  REQUIRE_THAT(constant.c2.values()[2], WithinRel(0.5, 1e-15));
  REQUIRE_THROWS_WITH(
      theory::sample_family({MemorizationKind::exponential, 0.0, 1e-3}, times, theory::C2Closure::constant),
      "times: expected times at which c1 is above the smallest number, sample 1 is not");
}

TEST_CASE("memorization family: names and bad input", "[theory][errors]") {
  REQUIRE(name(MemorizationKind::power) == "power");
  REQUIRE(name(MemorizationKind::exponential) == "exponential");
  REQUIRE(name(MemorizationKind::stretched) == "stretched");
  REQUIRE(name(MemorizationKind::logarithmic) == "logarithmic");
  const auto at = [](MemorizationKind kind, double shape, double horizon) {
    return theory::family_integral({kind, shape, horizon}, 1.0);
  };
  REQUIRE_THROWS_WITH(at(MemorizationKind::power, 0.0, 1.0), "shape: expected a positive exponent p, got 0");
  REQUIRE_THROWS_WITH(at(MemorizationKind::stretched, 0.001, 1.0),
                      "shape: expected an exponent b in [0.01, 100], got 0.001");
  REQUIRE_THROWS_WITH(at(MemorizationKind::logarithmic, -1.0, 1.0),
                      "shape: expected an exponent m that is not negative, got -1");
  REQUIRE_THROWS_WITH(at(MemorizationKind::exponential, 0.0, 0.0), "horizon: expected a positive number, got 0");
  const MemorizationFamily family;
  REQUIRE_THROWS_WITH(theory::family_integral(family, -1.0), "time: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(theory::time_of_family_integral(family, -1.0),
                      "integral: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(theory::horizon_at({0.0, 0.7}, 500.0), "prefactor: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(theory::horizon_at({1.0, -0.7}, 500.0), "nu: expected a positive number, got -0.7");
  REQUIRE_THROWS_WITH(theory::horizon_at({1.0, 0.7}, 0.5), "n_items: expected a number of at least 1, got 0.5");
  REQUIRE_THROWS_WITH(theory::family_threshold(MemorizationKind::power, 2.0, {}, 0.0),
                      "required_integral: expected a positive number, got 0");
}
