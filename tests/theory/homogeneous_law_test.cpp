#include "iclk/theory/homogeneous_law.hpp"

#include <array>
#include <boost/numeric/odeint/integrate/integrate_adaptive.hpp>
#include <boost/numeric/odeint/stepper/generation.hpp>
#include <boost/numeric/odeint/stepper/runge_kutta_dopri5.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "iclk/core/error.hpp"
#include "iclk/theory/memorization_integral.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;
using theory::HomogeneousLaw;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("homogeneous law: times by arbitrary-precision quadrature", "[theory]") {
  // int exp(v) v^-m dv/C with C = 1/4 from c1 = 1/8 to 2^-20 and to 2^-300, 40 digits from mpmath.
  struct Case {
    double degree, to_20, to_300;
  };
  for (const Case& c : {Case{1.0, 4194272.0, 8.14814390533794434507378275364e+90},
                        Case{2.0, 328529.095752624604372635246887, 3.93745649881615172665749800222e+88},
                        Case{3.0, 140853.015389874342809700827949, 6.65687529739873372067813762507e+87},
                        Case{4.5, 80139.990911418957635970567872, 2.03535810165010090403884179462e+87}}) {
    const HomogeneousLaw law{c.degree, 0.25, 0.125};
    INFO("degree " << c.degree);
    REQUIRE_THAT(theory::homogeneous_time(law, std::exp2(-20)), WithinRel(c.to_20, 1e-13));
    // exp(v) at v = 208 magnifies the rounding of v by as much.
    REQUIRE_THAT(theory::homogeneous_time(law, std::exp2(-300)), WithinRel(c.to_300, 1e-12));
    REQUIRE_THAT(theory::homogeneous_c1(law, c.to_20), WithinRel(std::exp2(-20), 1e-13));
    REQUIRE_THAT(theory::homogeneous_log_inverse_c1(law, c.to_300), WithinRel(300.0 * std::log(2.0), 1e-13));
  }
}

TEST_CASE("homogeneous law: a solution of its differential equation", "[theory][eq10]") {
  // d(1/c1)/dt = C (ln 1/c1)^m and dI/dt = 2 c1 by Dormand-Prince steps.
  for (double degree : {1.0, 1.5, 2.0, 3.0, 8.0}) {
    const HomogeneousLaw law{degree, 0.4, 0.3};
    const double m = 2.0 - 2.0 / degree;
    std::array<double, 2> state{1.0 / law.c1_start, 0.0};
    namespace odeint = boost::numeric::odeint;
    double time = 0.0;
    for (double next : {0.3, 10.0, 3000.0}) {
      odeint::integrate_adaptive(
          odeint::make_controlled<odeint::runge_kutta_dopri5<std::array<double, 2>>>(1e-12, 1e-12),
          [&](const std::array<double, 2>& y, std::array<double, 2>& dy, double) {
            dy = {law.constant * std::pow(std::log(y[0]), m), 2.0 / y[0]};
          },
          state, time, next, 1e-3);
      time = next;
      INFO("degree " << degree << ", t = " << time);
      REQUIRE_THAT(theory::homogeneous_c1(law, time), WithinRel(1.0 / state[0], 1e-9));
      REQUIRE_THAT(theory::homogeneous_integral(law, time), WithinRel(state[1], 1e-9));
    }
  }
}

TEST_CASE("homogeneous law: the integral diverges for degrees 1 and 2 and converges above", "[theory][limits][eq10]") {
  // L = 1: c1 = 1/(1/c1_start + C t), I = (2/C) ln(1 + C c1_start t).
  const HomogeneousLaw one{1.0, 0.5, 0.25};
  REQUIRE_THAT(theory::homogeneous_c1(one, 1e6), WithinRel(1.0 / (4.0 + 0.5e6), 1e-13));
  REQUIRE_THAT(theory::homogeneous_integral(one, 1e6), WithinRel(4.0 * std::log1p(0.125e6), 1e-13));
  REQUIRE_FALSE(theory::homogeneous_total_integral(one).has_value());
  // L = 2: I = (2/C) ln(v/v_start), which at t ~ 1e300 is still far from anything that looks like a limit.
  const HomogeneousLaw two{2.0, 0.5, 0.25};
  REQUIRE_FALSE(theory::homogeneous_total_integral(two).has_value());
  for (double time : {1e3, 1e300}) {
    const double v = theory::homogeneous_log_inverse_c1(two, time);
    REQUIRE_THAT(theory::homogeneous_integral(two, time), WithinRel(4.0 * std::log(v / std::log(4.0)), 1e-13));
  }
  // L = 3: the rest is (6/C) v^(-1/3); a third of it is left after 1e4 and a fifth at the end of the doubles.
  const HomogeneousLaw three{3.0, 0.5, 0.25};
  const double total = *theory::homogeneous_total_integral(three);
  REQUIRE_THAT(total, WithinRel(12.0 * std::pow(std::log(4.0), -1.0 / 3.0), 1e-14));
  for (double time : {1e4, 1e300}) {
    const double v = theory::homogeneous_log_inverse_c1(three, time);
    REQUIRE_THAT(total - theory::homogeneous_integral(three, time), WithinRel(12.0 / std::cbrt(v), 1e-12));
  }
  REQUIRE_THAT(theory::homogeneous_integral(three, kInfinity), WithinRel(total, 1e-15));
  REQUIRE(theory::homogeneous_integral(two, kInfinity) == kInfinity);
  REQUIRE(theory::homogeneous_c1(three, kInfinity) == 0.0);
}

TEST_CASE("homogeneous law: time and integral invert each other", "[theory][identity]") {
  for (double degree : {1.0, 2.0, 2.5, 3.0, 10.0}) {
    for (double c1_start : {0.99, 0.5, 1e-3}) {
      const HomogeneousLaw law{degree, 0.02, c1_start};
      for (double time : {1e-8, 1.0, 1e3, 1e12}) {
        INFO("degree " << degree << ", start " << c1_start << ", t = " << time);
        const double integral = theory::homogeneous_integral(law, time);
        // dt/t = [I/(2 c1 t)] dI/I: what rounding the integral costs.
        const double amplification = integral / (2.0 * theory::homogeneous_c1(law, time) * time);
        REQUIRE_THAT(*theory::time_of_homogeneous_integral(law, integral),
                     WithinRel(time, 1e-13 * (1.0 + amplification)));
        const double c1 = theory::homogeneous_c1(law, time);
        // Rounding c1 costs t as much as c1/(d c1/dt)/t; at the start, where c1 has hardly moved, more.
        const double v = theory::homogeneous_log_inverse_c1(law, time);
        const double cost = std::exp(v) * std::pow(v, degree > 1.0 ? 2.0 / degree - 2.0 : 0.0) / (law.constant * time);
        if (cost < 1e8) REQUIRE_THAT(theory::homogeneous_time(law, c1), WithinRel(time, 1e-13 * (1.0 + cost)));
      }
      REQUIRE(*theory::time_of_homogeneous_integral(law, 0.0) == 0.0);
      const auto total = theory::homogeneous_total_integral(law);
      if (total) REQUIRE_FALSE(theory::time_of_homogeneous_integral(law, *total).has_value());
      REQUIRE_FALSE(theory::time_of_homogeneous_integral(law, kInfinity).has_value());
    }
  }
}

TEST_CASE("homogeneous law: through a point of a curve and as its tail", "[theory][eq10]") {
  const HomogeneousLaw truth{3.0, 0.05, 0.4};
  const double rate = truth.constant * truth.c1_start * std::pow(-std::log(truth.c1_start), 4.0 / 3.0);
  REQUIRE_THAT(theory::homogeneous_law_through(truth.c1_start, rate).constant, WithinRel(truth.constant, 1e-14));

  // A curve of that law, cut: with the right law the whole integral is recovered, at cuts where the fitted family is
  // far off.
  std::vector<double> times{0.0}, c1{truth.c1_start};
  for (double t = 1.0; t < 3e4; t *= 1.03) {
    times.push_back(t);
    c1.push_back(theory::homogeneous_c1(truth, t));
  }
  const Curve curve(times, c1);
  const double total = *theory::homogeneous_total_integral(truth);
  const auto fitted = theory::memorization_integral(curve);
  const auto integral = theory::memorization_integral(curve, {.central = theory::TailForm::homogeneous});
  REQUIRE(integral.tail == theory::TailModel::logarithmic);
  REQUIRE(integral.tail_law.has_value());
  REQUIRE(std::abs(*integral.infinity.value / total - 1.0) < 0.003);
  REQUIRE(std::abs(*fitted.infinity.value / total - 1.0) > 0.03);
  REQUIRE(*integral.infinity.low <= *integral.infinity.value);
  REQUIRE(*integral.infinity.high >= *integral.infinity.value);
  for (double later : {5e4, 1e9}) {
    const double extrapolated = theory::extrapolated_integral(integral, later);
    REQUIRE_THAT(extrapolated, WithinRel(theory::homogeneous_integral(truth, later), 0.003));
    REQUIRE_THAT(*theory::time_of_extrapolated_integral(integral, extrapolated), WithinRel(later, 1e-8));
  }
  REQUIRE_FALSE(theory::time_of_extrapolated_integral(integral, *integral.infinity.value * 1.0001).has_value());
  REQUIRE_FALSE(theory::time_of_extrapolated_integral(integral, 0.5 * integral.measured).has_value());

  // Degree 2: the tail never ends. Only its lower end is a number, but the time of any integral is known.
  const auto endless =
      theory::memorization_integral(curve, {.homogeneity = 2.0, .central = theory::TailForm::homogeneous});
  REQUIRE(endless.tail == theory::TailModel::unresolved);
  REQUIRE_FALSE(endless.infinity.high.has_value());
  REQUIRE(theory::extrapolated_integral(endless, 1e100) > *endless.infinity.value);
  REQUIRE(theory::time_of_extrapolated_integral(endless, 1.05 * endless.measured).has_value());
}

TEST_CASE("homogeneous law: bad input", "[theory][errors]") {
  REQUIRE_THROWS_WITH(theory::homogeneous_c1({.degree = 0.5}, 1.0), "degree: expected a number of at least 1, got 0.5");
  REQUIRE_THROWS_WITH(theory::homogeneous_c1({.constant = 0.0}, 1.0), "constant: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(theory::homogeneous_c1({.c1_start = 1.0}, 1.0), "c1_start: expected a number in (0, 1), got 1");
  REQUIRE_THROWS_WITH(theory::homogeneous_c1({}, -1.0), "time: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(theory::homogeneous_time({}, 0.7), "c1: expected a number between 0 and its start, got 0.7");
  REQUIRE_THROWS_WITH(theory::time_of_homogeneous_integral({}, -1.0),
                      "integral: expected a number that is not negative, got -1");
  REQUIRE_THROWS_WITH(theory::homogeneous_law_through(1.0, 1.0), "c1: expected a number in (0, 1), got 1");
  REQUIRE_THROWS_WITH(theory::homogeneous_law_through(0.5, 0.0), "rate: expected a positive number, got 0");
  REQUIRE_THROWS_WITH(theory::homogeneous_law_through(0.5, 1.0, 0.9),
                      "degree: expected a number of at least 1, got 0.9");
  const Curve curve({0.0, 1.0}, {0.5, 0.4});
  REQUIRE_THROWS_WITH(
      theory::memorization_integral(curve, {.homogeneity = 0.5, .central = theory::TailForm::homogeneous}),
      "homogeneity: expected a number of at least 1, got 0.5");
}
