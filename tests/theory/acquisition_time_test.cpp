#include "iclk/theory/acquisition_time.hpp"

#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <limits>
#include <numbers>

#include "iclk/core/error.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

constexpr double kTolerance = 1e-12;  // of every closed form, over the whole table

OrderParameterCurves constant_curves(double c1, double c2, double t_max) {
  const std::vector<double> t{0.0, 0.5 * t_max, t_max};
  return {Curve(t, {c1, c1, c1}), Curve(t, {c2, c2, c2}), {}, false};
}

}  // namespace

TEST_CASE("mills ratio and scaled erfc: reference values from x = -26 to 1e8", "[theory][limits]") {
  const Table table = read_table("special_normal.csv");
  REQUIRE(table.rows() > 20);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double x = table.number(i, "x");
    INFO("x = " << x);
    REQUIRE_THAT(theory::scaled_erfc(x), WithinRel(table.number(i, "erfcx"), 3e-15));
    REQUIRE_THAT(theory::mills_ratio(x), WithinRel(table.number(i, "mills_ratio"), 3e-15));
  }
}

TEST_CASE("mills ratio: reflection and derivative identities", "[theory][identity]") {
  for (double x : {0.01, 0.3, 1.0, 2.7, 8.0, 24.9, 25.1, 35.0}) {
    INFO("x = " << x);
    const double square = std::exp(0.5 * x * x) * std::sqrt(2.0 * std::numbers::pi);
    // exp(x^2/2) of the test itself loses x^2/2 roundings.
    REQUIRE_THAT(theory::mills_ratio(x) + theory::mills_ratio(-x), WithinRel(square, 1e-15 * (4.0 + x * x)));
    // R' = x R - 1, by central differences; the step balances truncation h^2 R''' and rounding eps/h.
    const double h = 1e-5;
    const double slope = (theory::mills_ratio(x + h) - theory::mills_ratio(x - h)) / (2.0 * h);
    REQUIRE_THAT(slope, WithinAbs(x * theory::mills_ratio(x) - 1.0, 1e-9));
  }
  REQUIRE(theory::mills_ratio(-38.0) == std::numeric_limits<double>::infinity());
  REQUIRE(theory::scaled_erfc(-27.0) == std::numeric_limits<double>::infinity());
}

TEST_CASE("acquisition integrals: every row of the reference table", "[theory][eq10][eq11][eq32][eq34][eq35][eq37]") {
  const Table table = read_table("acq_closed_form.csv");
  REQUIRE(table.rows() == 420);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double n = table.number(i, "N");
    const double beta0 = table.number(i, "beta0");
    const double w0 = table.number(i, "w0");
    const double c2 = table.number(i, "c2");
    INFO("N = " << n << ", beta0 = " << beta0 << ", w0 = " << w0 << ", c2 = " << c2);
    const double leading = theory::acquisition_integral_leading(n, beta0);
    const double undamped = theory::acquisition_integral(n, beta0, w0);
    const double exact = theory::acquisition_integral_exact(n, beta0, w0, c2);
    REQUIRE_THAT(leading, WithinRel(table.number(i, "X_eq10"), kTolerance));
    REQUIRE_THAT(undamped, WithinRel(table.number(i, "X_nodamp"), kTolerance));
    REQUIRE_THAT(exact, WithinRel(table.number(i, "X_exact"), kTolerance));
    REQUIRE_THAT(theory::cold_start_integral(n, beta0), WithinRel(table.number(i, "J_eq37_corrected"), kTolerance));
    REQUIRE_THAT(exact / leading, WithinRel(table.number(i, "ratio_exact_eq10"), kTolerance));
    REQUIRE_THAT(exact / undamped, WithinRel(table.number(i, "ratio_exact_nodamp"), kTolerance));
    // First order in kappa, the expansion that the exact form must share.
    const double kappa = c2 * std::exp(-beta0);
    const double r = theory::mills_ratio(w0);
    const double first_order = 2.0 * n * std::exp(-beta0) * (r + kappa * (1.0 - w0 * r - 0.5 * r * r));
    REQUIRE_THAT(first_order, WithinRel(table.number(i, "X_first_order_kappa"), kTolerance));
  }
}

TEST_CASE("acquisition integral: Eq. 34 at w0 = 0 is Eq. 35", "[theory][eq34][eq35][limits]") {
  // 100 sqrt(2 pi), 30 digits from an arbitrary-precision calculator.
  REQUIRE_THAT(theory::acquisition_integral(100, 0.0, 0.0), WithinRel(250.662827463100050241576528481, 1e-14));
}

TEST_CASE("acquisition integral: Eq. 34 as printed holds for w0 >= 0 and its reflection below", "[theory][eq34]") {
  const double gamma_half = std::sqrt(std::numbers::pi);
  for (double w0 : {0.1, 0.5, 1.0, 3.0}) {
    INFO("w0 = " << w0);
    const double prefactor = 50.0 * std::numbers::sqrt2 * std::exp(0.7 + 0.5 * w0 * w0);
    const double upper = boost::math::tgamma(0.5, 0.5 * w0 * w0);
    REQUIRE_THAT(theory::acquisition_integral(50, -0.7, w0), WithinRel(prefactor * upper, 1e-13));
    REQUIRE_THAT(theory::acquisition_integral(50, -0.7, -w0), WithinRel(prefactor * (2.0 * gamma_half - upper), 1e-13));
  }
  const Table table = read_table("acq_closed_form.csv");
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double w0 = table.number(i, "w0");
    const double printed = table.number(i, "X_eq34_printed");
    const double ours = theory::acquisition_integral(table.number(i, "N"), table.number(i, "beta0"), w0);
    if (w0 >= 0.0) {
      REQUIRE_THAT(ours, WithinRel(printed, kTolerance));
    } else {
      REQUIRE(ours > printed * 1.1);
    }
  }
}

TEST_CASE("incomplete gamma function: reference values and its error function form", "[theory][eq34][identity]") {
  const Table table = read_table("special_gamma.csv");
  REQUIRE(table.rows() > 50);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double a = table.number(i, "a");
    const double x = table.number(i, "x");
    INFO("a = " << a << ", x = " << x);
    REQUIRE_THAT(boost::math::tgamma(a, x), WithinRel(table.number(i, "upper_gamma"), 1e-13));
    REQUIRE_THAT(boost::math::tgamma_lower(a, x), WithinRel(table.number(i, "lower_gamma"), 1e-13));
    if (std::abs(a - 0.5) < 1e-15) {
      const double by_mills = std::numbers::sqrt2 * std::exp(-x) * theory::mills_ratio(std::sqrt(2.0 * x));
      REQUIRE_THAT(by_mills, WithinRel(table.number(i, "upper_gamma"), 1e-13));
    }
  }
}

TEST_CASE("exact acquisition integral: without damping it is Eq. 34", "[theory][eq34][limits]") {
  for (double w0 : {-40.0, -3.0, -0.4, 0.0, 0.8, 12.0}) {
    INFO("w0 = " << w0);
    REQUIRE_THAT(theory::acquisition_integral_exact(80, 0.3, w0, 0.0),
                 WithinRel(theory::acquisition_integral(80, 0.3, w0), 1e-15));
    if (w0 < -30.0) continue;
    REQUIRE_THAT(theory::acquisition_integral_exact(80, 0.3, w0, 1e-300),
                 WithinRel(theory::acquisition_integral(80, 0.3, w0), 1e-14));
  }
  // The error of the first order in kappa falls as kappa^2: halving c2 divides it by four.
  const auto error = [](double c2) {
    const double r = theory::mills_ratio(0.2);
    const double first = 2.0 * 100.0 * (r + c2 * (1.0 - 0.2 * r - 0.5 * r * r));
    return std::abs(theory::acquisition_integral_exact(100, 0.0, 0.2, c2) - first);
  };
  for (double c2 : {0.08, 0.04, 0.02, 0.01}) REQUIRE_THAT(error(c2) / error(c2 / 2.0), WithinRel(4.0, 0.03));
}

TEST_CASE("exact acquisition integral: far below zero it is Eq. 37 with the factor one half",
          "[theory][eq37][limits]") {
  // X = N c2 exp(-2 beta0) (1 + O(ln kappa/kappa^2)) at w0 = 0.
  for (double beta0 : {-8.0, -12.0, -20.0, -100.0, -300.0}) {
    INFO("beta0 = " << beta0);
    const double kappa = 0.5 * std::exp(-beta0);
    const double j = theory::cold_start_integral(100, beta0);
    const double x = theory::acquisition_integral_exact(100, beta0, 0.0, 0.5);
    const double next = 2.0 / (kappa * kappa) * (std::log(kappa) + 0.5 * std::log(2.0 * std::numbers::pi));
    REQUIRE_THAT(x / (2.0 * 0.5 * j), WithinRel(1.0 + next, 1e-13 + 10.0 / std::pow(kappa, 4.0)));
  }
  REQUIRE(theory::acquisition_integral_exact(100, -800.0, 0.0, 0.5) == std::numeric_limits<double>::infinity());
}

TEST_CASE("exact acquisition integral: smooth across its branches and falling in beta0 and w0", "[theory][limits]") {
  // The branch changes at kappa - w0 = 37. The slope there is known: d ln(kappa R(-x))/dx = 1/x + x.
  const double c2 = 0.5;
  for (double w0 : {-30.0, 0.0, 5.0}) {
    const double beta0 = -std::log((37.0 + w0) / c2);
    const double below = theory::acquisition_integral_exact(100, beta0 + 1e-9, w0, c2);
    const double above = theory::acquisition_integral_exact(100, beta0 - 1e-9, w0, c2);
    INFO("w0 = " << w0);
    REQUIRE(above > below);
    REQUIRE_THAT(above / below, WithinRel(1.0, 2e-8 * (37.0 + w0 + 2.0)));
  }
  double last = std::numeric_limits<double>::infinity();
  for (double beta0 = -7.0; beta0 < 6.0; beta0 += 0.01) {
    const double x = theory::acquisition_integral_exact(100, beta0, -0.3, 0.7);
    REQUIRE(x < last);
    last = x;
  }
  last = std::numeric_limits<double>::infinity();
  for (double w0 = -60.0; w0 < 20.0; w0 += 0.1) {
    const double x = theory::acquisition_integral_exact(100, -1.0, w0, 0.7);
    REQUIRE(x < last);
    last = x;
  }
  // A damping that is all but zero beside a w0 that is far below zero: no cancellation.
  REQUIRE_THAT(theory::acquisition_integral_exact(100, 0.0, -37.5, 1e-307),
               WithinRel(theory::acquisition_integral(100, 0.0, -37.5), 0.03));
}

TEST_CASE("acquisition integral: the closed form against the integrated flow at N = 100", "[theory][eq10][eq11]") {
  // The known gap of the leading order at c2 = 1/2: integration gives 273.64, Eq. 11 250.66.
  REQUIRE_THAT(theory::acquisition_integral_exact(100, 0, 0, 0.5), WithinRel(273.64433978384357, 1e-14));
  REQUIRE_THAT(theory::acquisition_integral_leading(100, 0), WithinRel(250.66282746310005, 1e-14));
}

TEST_CASE("cold start: the time on constant and on measured order parameters", "[theory][eq36][eq37]") {
  const auto curves = constant_curves(0.5, 0.5, 200000.0);
  const auto result = theory::cold_start_acquisition_time(curves, 100, -4.0);
  REQUIRE(result.outcome == theory::AcquisitionOutcome::acquired);
  REQUIRE(result.time.has_value());
  // 50 exp(8), and the full integration it approximates.
  REQUIRE_THAT(*result.time, WithinRel(149047.8993520864, 1e-12));
  REQUIRE_THAT(theory::acquisition_integral_exact(100, -4.0, 0.0, 0.5) / *result.time, WithinRel(1.01134, 1e-4));
  REQUIRE_THAT(result.required, WithinRel(149047.8993520864, 1e-14));

  const auto uneven = constant_curves(0.2, 0.8, 100.0);
  const auto early = theory::cold_start_acquisition_time(uneven, 10, 0.0);
  REQUIRE_THAT(*early.time, WithinRel(20.0, 1e-14));  // (10/2)/(0.2/0.8)
  REQUIRE_THAT(early.integral, WithinRel(25.0, 1e-14));

  const auto too_short = theory::cold_start_acquisition_time(uneven, 100, 0.0);
  REQUIRE(too_short.outcome == theory::AcquisitionOutcome::curve_too_short);
  REQUIRE_FALSE(too_short.time.has_value());

  // A curve that starts late is continued back to t = 0.
  const OrderParameterCurves late{Curve({4.0, 100.0}, {0.2, 0.2}), Curve({4.0, 100.0}, {0.8, 0.8}), {}, false};
  REQUIRE_THAT(*theory::cold_start_acquisition_time(late, 10, 0.0).time, WithinRel(20.0, 1e-14));
  REQUIRE_THAT(*theory::cold_start_acquisition_time(late, 2, 0.5).time, WithinRel(4.0 * std::exp(-1.0), 1e-14));
}

TEST_CASE("acquisition integrals: impossible arguments are named", "[theory][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  REQUIRE_THROWS_WITH(theory::acquisition_integral_leading(1.5, 0.0),
                      "context: expected a number of at least 2, got 1.5");
  REQUIRE_THROWS_WITH(theory::acquisition_integral_leading(nan, 0.0),
                      "context: expected a number of at least 2, got nan");
  REQUIRE_THROWS_WITH(theory::acquisition_integral_leading(10, nan), "beta0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::acquisition_integral(10, 0.0, nan), "w0: expected a finite number, got nan");
  REQUIRE_THROWS_WITH(theory::acquisition_integral(1, 0.0, 0.0), "context: expected a number of at least 2, got 1");
  REQUIRE_THROWS_WITH(theory::acquisition_integral_exact(10, 0.0, 0.0, 1.1),
                      "c2: expected a number in [0, 1], got 1.1");
  REQUIRE_THROWS_WITH(theory::acquisition_integral_exact(10, 0.0, 0.0, nan),
                      "c2: expected a number in [0, 1], got nan");
  REQUIRE_THROWS_WITH(theory::cold_start_integral(10, nan), "beta0: expected a finite number, got nan");
  const OrderParameterCurves uneven{Curve({0.0, 1.0}, {0.5, 0.4}), Curve({0.0, 2.0}, {0.5, 0.4}), {}, false};
  REQUIRE_THROWS_WITH(theory::cold_start_acquisition_time(uneven, 10, 0.0), "c2: expected the same times as c1");
}
