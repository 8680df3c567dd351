#include "iclk/core/curve.hpp"

#include <math.h>  // before Boost 1.74, whose pchip.hpp calls isnan without std::

#include <boost/math/interpolators/pchip.hpp>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <cmath>
#include <functional>
#include <limits>

#include "iclk/core/random.hpp"
#include "message_of.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

Curve sample(const std::function<double(double)>& f, double end, int n_intervals, double power = 1.0) {
  std::vector<double> times;
  std::vector<double> values;
  for (int i = 0; i <= n_intervals; ++i) {
    times.push_back(end * std::pow(static_cast<double>(i) / n_intervals, power));
    values.push_back(f(times.back()));
  }
  return {times, values};
}

/// A decreasing positive curve with random steps over several decades, like a measured c1(t).
Curve random_decay(std::uint64_t index) {
  Rng rng(1, RandomPurpose::test, index);
  std::vector<double> times{0.0};
  std::vector<double> values{0.5};
  for (int i = 0; i < 60; ++i) {
    times.push_back(times.back() + std::exp(0.1 * i + rng.normal()));
    values.push_back(values.back() * (rng.uniform() < 0.1 ? 1.0 : std::exp(-0.4 * rng.uniform())));
  }
  return {times, values};
}

/// Integral over [a, b] of the curve's values, interval by interval with 15-point Gauss-Kronrod (exact for cubics).
double quadrature(const Curve& curve, double a, double b) {
  double sum = 0.0;
  const auto times = curve.times();
  for (std::size_t i = 0; i + 1 < times.size(); ++i) {
    const double low = std::max(a, times[i]);
    const double high = std::min(b, times[i + 1]);
    if (low >= high) continue;
    sum +=
        boost::math::quadrature::gauss_kronrod<double, 15>::integrate([&](double t) { return curve(t); }, low, high, 0);
  }
  return sum;
}

}  // namespace

TEST_CASE("curve: passes exactly through its samples with the ends included", "[core]") {
  for (std::uint64_t k = 0; k < 20; ++k) {
    const Curve curve = random_decay(k);
    for (std::size_t i = 0; i < curve.size(); ++i) REQUIRE(curve(curve.times()[i]) == curve.values()[i]);
    REQUIRE(curve.integral(curve.start_time()) == 0.0);
    REQUIRE(curve.integral(curve.end_time()) == curve.total_integral());
  }
}

TEST_CASE("curve: does not overshoot and keeps monotone data monotone", "[core]") {
  for (std::uint64_t k = 0; k < 20; ++k) {
    const Curve curve = random_decay(k);
    const auto times = curve.times();
    double last_integral = -1.0;
    for (std::size_t i = 0; i + 1 < curve.size(); ++i) {
      double last = curve.values()[i];
      for (int j = 0; j <= 50; ++j) {
        const double t = std::min(times[i] + (times[i + 1] - times[i]) * j / 50.0, times[i + 1]);
        const double value = curve(t);
        REQUIRE(value <= last * (1.0 + 1e-15));  // falling, up to one rounding
        REQUIRE(value >= curve.values()[i + 1]);
        last = value;
        const double integral = curve.integral(t);
        REQUIRE(integral >= last_integral);
        last_integral = integral;
      }
    }
  }
}

TEST_CASE("curve: extrema of the data stay extrema", "[core]") {
  const Curve curve({0, 1, 2, 3, 4, 5}, {0, 1, 1, 0, 0.5, -2});
  for (double t = 0.0; t <= 5.0; t += 0.01) {
    REQUIRE(curve(t) <= 1.0);
    REQUIRE(curve(t) >= -2.0);
    if (t >= 1.0 && t <= 2.0) REQUIRE(curve(t) == 1.0);
  }
}

TEST_CASE("curve: straight lines and two samples are reproduced", "[core][limits]") {
  const Curve two({1.0, 3.0}, {2.0, 6.0});
  REQUIRE_THAT(two(1.5), WithinRel(3.0, 1e-15));
  REQUIRE_THAT(two.integral(2.0), WithinRel(3.0, 1e-15));
  const Curve line({0, 1, 5, 6}, {1, 3, 11, 13});
  for (double t = 0.0; t <= 6.0; t += 0.125) {
    REQUIRE_THAT(line(t), WithinRel(1.0 + 2.0 * t, 1e-14));
    REQUIRE_THAT(line.integral(t), WithinRel(t + t * t, 1e-14) || WithinAbs(0.0, 1e-300));
  }
}

TEST_CASE("curve: agrees with the PCHIP of Boost given the same end slopes", "[core][parity]") {
  for (std::uint64_t k = 0; k < 5; ++k) {
    const Curve curve = random_decay(k);
    const auto t = curve.times();
    const auto v = curve.values();
    const std::size_t n = curve.size();
    // Three-point formula of the end slope, limited to 0 where it has the wrong sign.
    const auto slope = [](double h0, double h1, double d0, double d1) {
      const double parabola = ((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1);
      return parabola * d0 > 0.0 ? parabola : 0.0;
    };
    const auto h = [&](std::size_t i) { return t[i + 1] - t[i]; };
    const auto d = [&](std::size_t i) { return (v[i + 1] - v[i]) / h(i); };
    const boost::math::interpolators::pchip<std::vector<double>> reference(
        std::vector<double>(t.begin(), t.end()), std::vector<double>(v.begin(), v.end()), slope(h(0), h(1), d(0), d(1)),
        slope(h(n - 2), h(n - 3), d(n - 2), d(n - 3)));
    for (int j = 0; j < 2000; ++j) {
      const double time = curve.end_time() * std::pow(j / 2000.0, 3);
      REQUIRE_THAT(curve(time), WithinRel(reference(time), 1e-10));
    }
  }
}

TEST_CASE("curve: the integral is that of the interpolant", "[core][identity]") {
  for (std::uint64_t k = 0; k < 5; ++k) {
    const Curve curve = random_decay(k);
    for (const double share : {1e-6, 1e-3, 0.1, 0.5, 0.77, 1.0}) {
      const double t = share * curve.end_time();
      REQUIRE_THAT(curve.integral(t), WithinRel(quadrature(curve, 0.0, t), 1e-13));
    }
  }
}

TEST_CASE("curve: values converge at third order and integrals at fourth", "[core][order]") {
  const auto f = [](double t) { return 0.5 * std::exp(-t); };
  double last_value_error = 0.0;
  double last_integral_error = 0.0;
  for (const int n : {40, 80, 160, 320}) {
    const Curve curve = sample(f, 4.0, n);
    double value_error = 0.0;
    for (int i = 0; i < 5000; ++i) {
      const double t = 4.0 * i / 5000.0;
      value_error = std::max(value_error, std::abs(curve(t) - f(t)));
    }
    const double integral_error = std::abs(curve.total_integral() + 0.5 * std::expm1(-4.0));
    if (last_value_error > 0.0) {
      CHECK(std::log2(last_value_error / value_error) > 2.8);
      CHECK(std::log2(last_integral_error / integral_error) > 3.8);
    }
    last_value_error = value_error;
    last_integral_error = integral_error;
  }
}

TEST_CASE("curve: I_K of the toy families from sampled curves", "[core][eq10]") {
  const auto table = test::read_table("toy_integral.csv");
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::string family = table.text(row, "family");
    const double T = table.number(row, "T");
    const double t = table.number(row, "t");
    const double shape = family == "E" ? 0.0 : table.number(row, "shape");
    INFO(family << " " << shape << " t = " << t);
    const auto c1 = [&](double time) {
      const double u = time / T;
      if (family == "P") return 0.5 * std::pow(1.0 + u, -shape);
      if (family == "E") return 0.5 * std::exp(-u);
      if (family == "S") return 0.5 * std::exp(-std::pow(u, shape));
      return 0.5 / ((1.0 + u) * std::pow(1.0 + std::log1p(u), shape));
    };
    REQUIRE_THAT(c1(t), WithinRel(table.number(row, "c1"), 1e-12) || WithinAbs(table.number(row, "c1"), 1e-300));
    // Times clustered at zero as the fourth power. Measured: worst error 1.4e-9, for the fastest decay (S with shape 2
    // over 10^4 time constants), and 16 times more with half the intervals.
    const Curve curve = sample(c1, t, 4000, 4.0);
    CHECK_THAT(2.0 * curve.total_integral(), WithinRel(table.number(row, "I_K"), 2e-9));
  }
}

TEST_CASE("curve: the time of an integral inverts the integral", "[core][identity]") {
  for (std::uint64_t k = 0; k < 20; ++k) {
    const Curve curve = random_decay(k);
    for (int j = 0; j <= 200; ++j) {
      const double target = curve.total_integral() * (j / 200.0);
      const auto time = curve.time_of_integral(target);
      REQUIRE(time.has_value());
      REQUIRE_THAT(curve.integral(*time), WithinRel(target, 1e-14) || WithinAbs(target, 1e-300));
    }
    REQUIRE(curve.time_of_integral(0.0) == curve.start_time());
    REQUIRE(curve.time_of_integral(curve.total_integral()) == curve.end_time());
    REQUIRE_FALSE(curve.time_of_integral(std::nextafter(curve.total_integral(), 1e300)).has_value());
    REQUIRE_THAT(*curve.time_of_integral(1e-200), WithinRel(2e-200, 1e-12));
  }
}

TEST_CASE("curve: spans many decades of values", "[core][limits]") {
  const Curve steep({0, 1, 2, 3}, {0.5, 1e-100, 1e-200, 1e-300});
  for (double t = 0.0; t <= 3.0; t += 0.01) REQUIRE(steep(t) > 0.0);
  REQUIRE(steep(2.0) == 1e-200);
  REQUIRE_THAT(*steep.time_of_integral(steep.integral(0.5)), WithinRel(0.5, 1e-12));
}

TEST_CASE("curve: a copy is independent of the original", "[core]") {
  const Curve first({0, 1}, {1, 2});
  Curve second = first;
  second = Curve({0, 1}, {5, 6});
  REQUIRE(first(0.0) == 1.0);
  REQUIRE(second(0.0) == 5.0);
}

TEST_CASE("curve: what breaks the invariant is named", "[core][errors]") {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto error = [](std::vector<double> t, std::vector<double> v) { return message_of([&] { Curve(t, v); }); };
  CHECK(error({0}, {1}) == "times: expected at least two samples, got 1");
  CHECK(error({0, 1}, {1}) == "values: expected 2 values, one per time, got 1");
  CHECK(error({0, 1, 1}, {1, 1, 1}) == "times: sample 2: expected a time later than 1, got 1");
  CHECK(error({0, 2, 1}, {1, 1, 1}) == "times: sample 2: expected a time later than 2, got 1");
  CHECK(error({0, inf}, {1, 1}) == "times: sample 1: expected a finite time, got inf");
  CHECK(error({0, 1}, {1, nan}) == "values: sample 1: expected a finite value, got nan");
  CHECK(error({0, 1e10}, {1e308, 1e308}) == "values: sample 1: the integral exceeds the range of a double");
}

TEST_CASE("curve: does not extrapolate", "[core][errors]") {
  const Curve curve({1, 2, 3}, {0.5, 0.25, -0.25});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::string span = "time: expected a time in [1, 3], the span of the curve, got ";
  CHECK(message_of([&] { curve(0.5); }) == span + "0.5");
  CHECK(message_of([&] { curve.integral(3.5); }) == span + "3.5");
  CHECK(message_of([&] { curve(nan); }) == span + "nan");
  CHECK(message_of([&] {
          Curve({0, 1}, {1, 1}).time_of_integral(-1.0);
        }) == "target: expected a non-negative integral, got -1");
  CHECK(message_of([&] { curve.time_of_integral(0.1); }) ==
        "values: the inverse of an integral needs a curve with positive values");
}
