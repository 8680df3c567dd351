#include "iclk/fit/report.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

std::vector<fit::PowerLawPoint> points() {
  // Four levels of two runs with a bracket that is wider for larger x.
  std::vector<fit::PowerLawPoint> result;
  for (int k = 0; k < 4; ++k) {
    const double x = 1000 * std::pow(2.0, k);
    for (const double sign : {-1.0, 1.0}) {
      const double y = 2 * std::pow(x, 0.7) * std::exp(0.01 * sign + (k % 2 == 0 ? 0.02 : -0.02));
      result.push_back({.x = x, .y = y, .low = y * (1 - 0.01 * k), .high = y * (1 + 0.02 * k)});
    }
  }
  return result;
}

}  // namespace

TEST_CASE("fit report: says estimates and counts and scatter and goodness and tails", "[fit][report]") {
  const std::string text = fit::report(fit::fit_power_law(points()));
  CAPTURE(text);
  CHECK_THAT(text, StartsWith("Power law  I_K(inf) = prefactor K^nu\n"));
  CHECK_THAT(text, ContainsSubstring("8 runs at 4 levels of K, 1000 to 8000"));
  CHECK_THAT(text,
             ContainsSubstring("Student t, 2 degrees of freedom, scatter of the levels, united over 3 tail cases"));
  CHECK_THAT(text, ContainsSubstring("share of the tails"));
  CHECK_THAT(text, ContainsSubstring("within a level"));
  CHECK_THAT(text, ContainsSubstring("between levels"));
  CHECK_THAT(text, ContainsSubstring("R^2 = 0.99"));
  CHECK_THAT(text, ContainsSubstring("chi^2 = "));
  CHECK_THAT(text, ContainsSubstring("lack of fit p = "));
  CHECK_THAT(text, EndsWith("\n"));
  CHECK(text.find("nan") == std::string::npos);
}

TEST_CASE("fit report: names come from the options and warnings are printed", "[fit][report]") {
  const std::vector<fit::PowerLawPoint> two{{.x = 1, .y = 2}, {.x = 2, .y = 5}};
  const std::string text =
      fit::report(fit::fit_power_law(two), {.x_name = "width", .y_name = "loss", .exponent_name = "b"});
  CAPTURE(text);
  CHECK_THAT(text, StartsWith("Power law  loss = prefactor width^b\n"));
  CHECK_THAT(text, ContainsSubstring("95 %, normal, scatter assumed"));
  CHECK_THAT(text, ContainsSubstring("warning: two single runs"));
}

TEST_CASE("fit report: an open interval and a missing law are said in words", "[fit][report]") {
  auto open = points();
  for (auto& p : open) p.high.reset();
  CHECK_THAT(fit::report(fit::fit_power_law(open)), ContainsSubstring(", open]"));
  CHECK_THAT(fit::report(fit::fit_power_law({})), ContainsSubstring("no law (no_points)"));
}

TEST_CASE("fit report: the joint fit shows the collapse and the simpler fits", "[fit][report]") {
  std::vector<fit::TruncatedCurve> curves;
  for (const double n_items : {500.0, 1000.0, 2000.0, 4000.0}) {
    std::vector<double> times, values;
    for (int i = 0; i < 80; ++i) {
      const double t = i == 0 ? 0 : std::pow(10.0, i / 20.0);
      times.push_back(t);
      values.push_back(0.5 * std::pow(1 + t / std::pow(n_items, 0.7), -1.5));
    }
    curves.push_back({n_items, Curve(times, values), {}});
  }
  const std::string text = fit::report(fit::fit_memorization_law(curves));
  CAPTURE(text);
  CHECK_THAT(text, ContainsSubstring("from the shape that the curves share"));
  CHECK_THAT(text, ContainsSubstring("common shape            holds: rms of ln t"));
  CHECK_THAT(text, ContainsSubstring("drift of the exponent"));
  CHECK_THAT(text, ContainsSubstring("without tails"));
}

TEST_CASE("fit report: least squares prints coefficients or why there are none", "[fit][report]") {
  const std::vector<double> design{1, 0, 1, 1, 1, 2, 1, 3}, y{1, 3.1, 4.9, 7};
  const std::string text = fit::report(fit::fit_least_squares(design, 2, y));
  CHECK_THAT(text, ContainsSubstring("b1"));
  CHECK_THAT(text, ContainsSubstring("standard error"));
  CHECK_THAT(text, ContainsSubstring("residual sd"));
  const std::vector<double> dependent{1, 2, 1, 2, 1, 2, 1, 2};
  CHECK_THAT(fit::report(fit::fit_least_squares(dependent, 2, y)), ContainsSubstring("no unique answer"));
}
