#include "iclk/theory/transience.hpp"

#include <boost/math/special_functions/expint.hpp>
#include <cmath>
#include <limits>
#include <numbers>

#include "iclk/core/error.hpp"
#include "iclk/core/logistic.hpp"
#include "iclk/theory/loss_relation.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

constexpr double kTolerance = 1e-12;    // of every closed form, over the whole table
constexpr double kOdeTolerance = 1e-8;  // of every integrated number, over the whole table

theory::MemorizationDecay decay_of_row(const Table& table, std::size_t row) {
  theory::MemorizationDecay decay{table.number(row, "c3_0"), table.number(row, "T"), {}};
  if (table.text(row, "family") == "P") decay.exponent = table.number(row, "p");
  return decay;
}

}  // namespace

TEST_CASE("Lambert W: every row of the reference table", "[theory][eq15][eq45]") {
  const Table table = read_table("lambert_w.csv");
  REQUIRE(table.rows() == 26);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double x = table.number(i, "x");
    INFO("x = " << x);
    REQUIRE_THAT(theory::lambert_w(x), WithinRel(table.number(i, "W"), kTolerance));
    REQUIRE_THAT(theory::lambert_w_derivative(x), WithinRel(table.number(i, "dWdx"), kTolerance));
    if (x > 0.0) REQUIRE_THAT(theory::lambert_w_of_exp(std::log(x)), WithinRel(table.number(i, "W"), kTolerance));
  }
}

TEST_CASE("Lambert W of an exponential: its equation far beyond the range of doubles", "[theory][eq45][limits]") {
  for (double log_x : {-2000.0, -708.0, -700.0, -50.0, 0.0, 1.0, 300.0, 699.9999, 700.0, 700.0001, 1e4, 1e12, 1e300}) {
    INFO("log_x = " << log_x);
    const double w = theory::lambert_w_of_exp(log_x);
    if (log_x < -745.2) {
      REQUIRE(w == 0.0);
    } else {
      REQUIRE_THAT(w + std::log(w), WithinRel(log_x, 1e-13) || WithinAbs(log_x, 1e-13));
    }
  }
}

TEST_CASE("exponential integral: the library we rely on at every row of the reference table", "[theory][eq45]") {
  const Table table = read_table("special_ei.csv");
  REQUIRE(table.rows() == 15);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double x = table.number(i, "x");
    INFO("x = " << x);
    REQUIRE_THAT(boost::math::expint(x), WithinRel(table.number(i, "Ei"), kTolerance));
    REQUIRE_THAT(boost::math::expint(1, x), WithinRel(table.number(i, "E1"), kTolerance));
  }
}

TEST_CASE("settled strength: every row of the reference table", "[theory][eq14][eq15][eq42][eq43][eq44][eq45]") {
  const Table table = read_table("w_transient.csv");
  REQUIRE(table.rows() == 60);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double c3 = table.number(i, "c3");
    const double lambda_w = table.number(i, "lambda_w");
    INFO("c3 = " << c3 << ", lambda_w = " << lambda_w);
    const double w_tr = theory::transient_strength(c3, lambda_w);
    const theory::SettledStrength settled = theory::settled_strength(std::log(c3), lambda_w);
    REQUIRE_THAT(w_tr, WithinRel(table.number(i, "w_tr"), kTolerance));
    REQUIRE_THAT(settled.w_tr, WithinRel(table.number(i, "w_tr"), kTolerance));
    REQUIRE_THAT(theory::acquired_loss(w_tr, c3, lambda_w), WithinRel(table.number(i, "loss_eq43_at_wtr"), kTolerance));
    REQUIRE_THAT(settled.loss, WithinRel(table.number(i, "loss_eq43_at_wtr"), kTolerance));
    REQUIRE_THAT(settled.relaxation_rate, WithinRel(table.number(i, "relaxation_rate"), kTolerance));
    REQUIRE_THAT(settled.w_logistic, WithinRel(table.number(i, "w_stationary_logistic"), kTolerance));
  }
}

TEST_CASE("settled strength: a minimum whose curvature is the relaxation rate",
          "[theory][eq43][eq44][eq45][identity]") {
  for (double c3 : {1e-6, 0.01, 1.0, 3.0}) {
    for (double lambda_w : {1e-6, 1e-3, 0.1}) {
      INFO("c3 = " << c3 << ", lambda_w = " << lambda_w);
      const theory::SettledStrength settled = theory::settled_strength(std::log(c3), lambda_w);
      const double w = settled.w_tr;
      REQUIRE_THAT(theory::c3_at_strength(w, lambda_w), WithinRel(c3, 1e-13));
      const double loss = theory::acquired_loss(w, c3, lambda_w);
      REQUIRE(theory::acquired_loss(w + 0.01, c3, lambda_w) > loss);
      REQUIRE(theory::acquired_loss(w - 0.01, c3, lambda_w) > loss);
      // d^2 L/dw^2 is the rate of relaxation: central differences, whose next term is h^2/12 of c3 exp(-w).
      const double h = 1e-3;
      const double curvature =
          (theory::acquired_loss(w + h, c3, lambda_w) - 2.0 * loss + theory::acquired_loss(w - h, c3, lambda_w)) /
          (h * h);
      REQUIRE_THAT(curvature, WithinRel(settled.relaxation_rate, 1e-6) || WithinAbs(settled.relaxation_rate, 1e-9));
      const double logistic = settled.w_logistic;
      REQUIRE_THAT(sigmoid(std::log(c3) - logistic), WithinRel(lambda_w * logistic, 1e-13));
      REQUIRE(logistic < w);
    }
  }
  // The size of the correction, lambda_w w/(1 + w), where it is small and where it is not.
  const theory::SettledStrength weak = theory::settled_strength(0.0, 1e-3);
  REQUIRE_THAT(1.0 - weak.w_logistic / weak.w_tr, WithinAbs(8e-4, 1e-4));
  const theory::SettledStrength strong = theory::settled_strength(0.0, 0.1);
  REQUIRE_THAT(1.0 - strong.w_logistic / strong.w_tr, WithinAbs(0.07, 0.01));
}

TEST_CASE("settled strength: c3 and lambda_w at the ends of their range", "[theory][eq45][limits]") {
  // The ratio overflows: W + ln W = ln c3 - ln lambda_w.
  const double log_x = std::log(1e300) - std::log(1e-300);
  const double w = theory::transient_strength(1e300, 1e-300);
  REQUIRE_THAT(w + std::log(w), WithinRel(log_x, 1e-13));
  REQUIRE(theory::transient_strength(1e-300, 1e300) == 0.0);
  REQUIRE_THAT(theory::transient_strength(1e-300, 1e-3), WithinRel(1e-297, 1e-13));
  REQUIRE(std::isfinite(theory::transient_strength(1.0, std::numeric_limits<double>::denorm_min())));
  // c3 beyond the range, from its logarithm. The logistic loss cannot pull harder than 1: w <= 1/lambda_w.
  const theory::SettledStrength far = theory::settled_strength(5000.0, 1e-3);
  REQUIRE_THAT(far.w_tr + std::log(far.w_tr), WithinRel(5000.0 + 3.0 * std::numbers::ln10, 1e-13));
  REQUIRE_THAT(far.w_logistic, WithinRel(1000.0, 1e-12));
  const theory::SettledStrength near = theory::settled_strength(-2000.0, 1e-3);
  REQUIRE(near.w_tr == 0.0);
  REQUIRE(near.w_logistic == 0.0);
  REQUIRE_THAT(near.relaxation_rate, WithinRel(1e-3, 1e-15));
}

TEST_CASE("transient curve: losses along w_tr at every row of the reference table", "[theory][eq15][eq46]") {
  const Table table = read_table("transient_curve.csv");
  REQUIRE(table.rows() == 30);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double lambda_w = table.number(i, "lambda_w");
    const double xi = table.number(i, "xi");
    INFO("lambda_w = " << lambda_w << ", xi = " << xi);
    const theory::SettledStrength settled = theory::settled_strength(-xi, lambda_w);
    REQUIRE_THAT(std::exp(-xi), WithinRel(table.number(i, "c3"), kTolerance));
    REQUIRE_THAT(settled.w_tr, WithinRel(table.number(i, "w_tr"), kTolerance));
    REQUIRE_THAT(settled.w_logistic, WithinRel(table.number(i, "w_tr_logistic"), kTolerance));
    const theory::TwoPointLosses losses = theory::two_point_losses(settled.w_tr, xi);
    REQUIRE_THAT(losses.icl, WithinRel(table.number(i, "L_icl"), kTolerance));
    REQUIRE_THAT(losses.iwl, WithinRel(table.number(i, "L_iwl"), kTolerance));
    REQUIRE_THAT(theory::iwl_loss_leading(losses.icl), WithinRel(table.number(i, "eq46_rhs"), kTolerance));
  }
}

TEST_CASE("accuracy fade: every row of the reference table", "[theory][eq45]") {
  const Table table = read_table("transient_crossover.csv");
  REQUIRE(table.rows() == 7);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const double lambda_w = table.number(i, "lambda_w");
    INFO("lambda_w = " << lambda_w);
    const theory::AccuracyFade fade = theory::accuracy_fade(lambda_w);
    REQUIRE_THAT(fade.xi, WithinRel(table.number(i, "xi_equal_w"), kTolerance));
    REQUIRE_THAT(fade.c3, WithinRel(table.number(i, "c3_equal_w"), kTolerance));
    REQUIRE_THAT(theory::c3_at_strength(1.0, lambda_w), WithinRel(table.number(i, "c3_w1"), kTolerance));
    REQUIRE_THAT(theory::c3_at_strength(theory::lambert_w(1.0), lambda_w),
                 WithinRel(table.number(i, "c3_w_omega"), kTolerance));
  }
}

TEST_CASE("accuracy fade: w_tr equals the novel logit for every ratio", "[theory][eq45][identity]") {
  for (double ratio : {1e-3, 0.2, 0.5, 1.0, 3.0}) {
    for (double lambda_w : {1e-9, 1e-3, 0.3}) {
      INFO("ratio = " << ratio << ", lambda_w = " << lambda_w);
      const theory::AccuracyFade fade = theory::accuracy_fade(lambda_w, ratio);
      const double w_tr = theory::transient_strength(fade.c3, lambda_w);
      REQUIRE_THAT(w_tr, WithinRel(ratio * fade.xi, 1e-12));
      REQUIRE(theory::novel_accuracy(w_tr * (1.0 + 1e-9), ratio * fade.xi) == 1.0);
      REQUIRE(theory::novel_accuracy(w_tr * (1.0 - 1e-9), ratio * fade.xi) == 0.5);
    }
  }
}

TEST_CASE("novel accuracy: two points and a normal distribution", "[theory][eq45]") {
  using theory::NovelLogits;
  REQUIRE(theory::novel_accuracy(2.0, 1.0) == 1.0);
  REQUIRE(theory::novel_accuracy(2.0, -3.0) == 0.5);
  REQUIRE(theory::novel_accuracy(1.0, 1.0) == 0.75);
  REQUIRE(theory::novel_accuracy(-2.0, 1.0) == 0.0);
  REQUIRE_THAT(theory::novel_accuracy(2.0, 1.0, NovelLogits::gaussian), WithinRel(0.97724986805182079, 1e-14));
  REQUIRE(theory::novel_accuracy(0.0, 1.0, NovelLogits::gaussian) == 0.5);
  REQUIRE(theory::novel_accuracy(1e-300, 0.0, NovelLogits::gaussian) == 1.0);
  // The 90 % quantile of the normal distribution, and the accuracy there.
  const double ratio = theory::strength_ratio_at_accuracy(0.9, NovelLogits::gaussian);
  REQUIRE_THAT(ratio, WithinRel(1.2815515655446004, 1e-14));
  REQUIRE_THAT(theory::novel_accuracy(3.0 * ratio, 3.0, NovelLogits::gaussian), WithinRel(0.9, 1e-14));
  REQUIRE(theory::strength_ratio_at_accuracy(0.9, NovelLogits::two_point) == 1.0);
}

TEST_CASE("quasi-static fade: every row of the reference table", "[theory][eq45]") {
  const Table table = read_table("fade_quasistatic.csv");
  REQUIRE(table.rows() == 26);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    const theory::QuasiStaticFade fade =
        theory::quasi_static_fade(decay_of_row(table, i), table.number(i, "lambda_w"), table.number(i, "w_fade"));
    REQUIRE(fade.fades);
    REQUIRE_THAT(fade.w_start, WithinRel(table.number(i, "w_start"), kTolerance));
    REQUIRE_THAT(*fade.tau_fade, WithinRel(table.number(i, "tau_fade"), kTolerance));
    REQUIRE_THAT(*fade.t_leading, WithinRel(table.number(i, "t_fade_exp"), kTolerance));
    REQUIRE_THAT(*fade.t_fade, WithinRel(table.number(i, "t_fade_logit"), kTolerance));
    REQUIRE_THAT(*fade.slow_down, WithinRel(table.number(i, "slowdown"), kTolerance));
  }
}

TEST_CASE("quasi-static fade: closed forms and quadrature agree", "[theory][eq45][identity]") {
  // p = 1: T (c3_0/lambda_w) [ln W - 1/W].
  const theory::MemorizationDecay power{1.0, 50.0, 1.0};
  const double w_start = theory::lambert_w(1e4);
  const double by_hand = 50.0 * 1e4 * (std::log(w_start) - 1.0 / w_start + 1.0);
  REQUIRE_THAT(*theory::quasi_static_fade(power, 1e-4).t_leading, WithinRel(by_hand, 1e-13));
  // The exponential family by its closed form and, close to the end where that would cancel, by quadrature: the pieces
  // of a split interval add up.
  const theory::MemorizationDecay whole{1.0, 1000.0, {}};
  const double lambda_w = 1e-3;
  const double w_low = 5.2;
  const double w_high = theory::transient_strength(1.0, lambda_w);
  REQUIRE(w_high - w_low < 0.1);
  const theory::MemorizationDecay rest{theory::c3_at_strength(w_low, lambda_w), 1000.0, {}};
  REQUIRE_THAT(*theory::quasi_static_fade(whole, lambda_w, w_low).t_leading +
                   *theory::quasi_static_fade(rest, lambda_w).t_leading,
               WithinRel(*theory::quasi_static_fade(whole, lambda_w).t_leading, 1e-12));
  // A power law of large exponent is an exponential: (1 + tau/(p T))^-p, to order 1/p.
  const theory::MemorizationDecay steep{1.0, 1e6 * 1000.0, 1e6};
  REQUIRE_THAT(*theory::quasi_static_fade(steep, lambda_w).t_fade,
               WithinRel(*theory::quasi_static_fade(whole, lambda_w).t_fade, 2e-5));
}

TEST_CASE("quasi-static fade: far ends", "[theory][eq45][limits]") {
  const theory::MemorizationDecay decay{1.0, 1.0, {}};
  // t_leading -> T c3_0/(lambda_w W_0) as lambda_w -> 0, with a relative error of order 1/W.
  const double w = theory::transient_strength(1.0, 1e-280);
  REQUIRE_THAT(*theory::quasi_static_fade(decay, 1e-280).t_leading, WithinRel(1e280 / w, 2.0 / w));
  REQUIRE(std::isinf(*theory::quasi_static_fade({1e200, 1.0, {}}, 1e-200).t_leading));
  REQUIRE_THAT(*theory::quasi_static_fade({1e200, 1.0, {}}, 1e-200).tau_fade,
               WithinRel(400.0 * std::numbers::ln10 - 1.0, 1e-13));
  // Nothing fades when w starts below.
  const theory::QuasiStaticFade none = theory::quasi_static_fade(decay, 1.0);
  REQUIRE_FALSE(none.fades);
  REQUIRE_FALSE(none.t_fade);
  REQUIRE_FALSE(none.tau_fade);
  REQUIRE_THAT(none.w_start, WithinRel(theory::lambert_w(1.0), 1e-14));
}

TEST_CASE("fade flow: every row of the reference table", "[theory][eq44]") {
  const Table table = read_table("fade_ode.csv");
  REQUIRE(table.rows() == 12);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    INFO("row " << i);
    theory::FadeOptions options;
    if (table.text(i, "variant") == "exp") options.slow_down = theory::SlowDown::exponential;
    const theory::FadeResult result = theory::integrate_fade(
        {0.0, 0.0, table.number(i, "w_start")}, decay_of_row(table, i), table.number(i, "lambda_w"), options);
    REQUIRE(result.outcome == theory::FadeOutcome::faded);
    CHECK_THAT(result.peak.time, WithinRel(table.number(i, "t_peak"), kOdeTolerance));
    CHECK_THAT(result.peak.w, WithinRel(table.number(i, "w_peak"), kOdeTolerance));
    CHECK_THAT(result.peak.mlp_time, WithinRel(table.number(i, "tau_peak"), kOdeTolerance));
    REQUIRE(result.fade);
    CHECK_THAT(result.fade->time, WithinRel(table.number(i, "t_fade"), kOdeTolerance));
    CHECK_THAT(result.fade->mlp_time, WithinRel(table.number(i, "tau_fade"), kOdeTolerance));
  }
}

TEST_CASE("fade flow: requested against achieved accuracy", "[theory][eq44][order]") {
  const Table table = read_table("fade_ode.csv");
  for (std::size_t i : {std::size_t{0}, std::size_t{6}, std::size_t{11}}) {
    for (double rel_tol : {1e-6, 1e-8, 1e-10, 1e-12}) {
      INFO("row " << i << ", rel_tol " << rel_tol);
      theory::FadeOptions options;
      options.rel_tol = rel_tol;
      options.abs_tol = rel_tol;
      if (table.text(i, "variant") == "exp") options.slow_down = theory::SlowDown::exponential;
      const theory::FadeResult result = theory::integrate_fade(
          {0.0, 0.0, table.number(i, "w_start")}, decay_of_row(table, i), table.number(i, "lambda_w"), options);
      REQUIRE(result.fade);
      // The reference itself is printed with 17 digits.
      CHECK_THAT(result.fade->time, WithinRel(table.number(i, "t_fade"), 10.0 * rel_tol + 1e-14));
    }
  }
}

TEST_CASE("fade flow: functions and the decay law are the same flow", "[theory][eq44][parity]") {
  const theory::MemorizationDecay decay{1.0, 300.0, 1.5};
  const theory::FadeResult law = theory::integrate_fade({0.0, 0.0, 3.0}, decay, 1e-3);
  const theory::FadeResult functions =
      theory::integrate_fade({0.0, 0.0, 3.0}, theory::homogeneous_functions(decay), 1e-3);
  REQUIRE_THAT(functions.fade->time, WithinRel(law.fade->time, 1e-11));
  // c1 = c3 is the exponential limit of the general form.
  theory::MemorizationFunctions equal = theory::homogeneous_functions(decay);
  equal.c1 = equal.c3;
  theory::FadeOptions exponential;
  exponential.slow_down = theory::SlowDown::exponential;
  REQUIRE_THAT(theory::integrate_fade({0.0, 0.0, 3.0}, equal, 1e-3).fade->time,
               WithinRel(theory::integrate_fade({0.0, 0.0, 3.0}, decay, 1e-3, exponential).fade->time, 1e-11));
}

TEST_CASE("fade flow: slow memorization follows w_tr with the first-order lag", "[theory][eq44][eq45]") {
  // The slower the MLP, the closer the flow to the quasi-static time; the distance falls like 1/T.
  const double lambda_w = 1e-3;
  double last = 0.0;
  for (double scale : {1e3, 1e4, 1e5}) {
    const theory::MemorizationDecay decay{1.0, scale, {}};
    theory::FadeOptions options;
    options.slow_down = theory::SlowDown::exponential;
    options.record_trajectory = true;
    const double start = theory::transient_strength(1.0, lambda_w);
    const theory::FadeResult flow = theory::integrate_fade({0.0, 0.0, start}, decay, lambda_w, options);
    const double gap = flow.fade->time / *theory::quasi_static_fade(decay, lambda_w).t_leading - 1.0;
    INFO("T = " << scale << ", gap " << gap << ", " << flow.steps << " steps");
    REQUIRE(gap > 0.0);
    if (last > 0.0) REQUIRE_THAT(gap, WithinRel(0.1 * last, 0.1));
    last = gap;
    if (scale < 5e4) continue;
    for (const theory::FadePoint& point : flow.trajectory) {
      if (point.w > 4.5 || point.w < 1.5) continue;
      const double w_tr = theory::transient_strength(std::exp(point.log_c3), lambda_w);
      const double lag = theory::tracking_lag(w_tr, lambda_w, std::exp(-w_tr) / scale);
      REQUIRE_THAT(point.w - w_tr, WithinRel(lag, 0.05));
    }
  }
}

TEST_CASE("fade flow: accuracy on novel items falls where w crosses their logit", "[theory][eq44]") {
  theory::FadeOptions options;
  options.record_trajectory = true;
  const theory::MemorizationDecay decay{1.0, 1e5, {}};
  const theory::FadeResult result = theory::integrate_fade({0.0, 0.0, 5.0}, decay, 1e-3, options);
  REQUIRE(result.accuracy_fade);
  REQUIRE(result.accuracy_fade->time < result.fade->time);
  REQUIRE_THAT(result.accuracy_fade->w, WithinRel(-result.accuracy_fade->log_c3, 1e-9));
  // Slow memorization: the crossing of accuracy_fade, less the logistic correction of w_tr.
  REQUIRE_THAT(result.accuracy_fade->w, WithinRel(theory::accuracy_fade(1e-3).xi, 2e-3));
  options.novel_ratio = 0.5;
  const theory::FadeResult smaller = theory::integrate_fade({0.0, 0.0, 5.0}, decay, 1e-3, options);
  REQUIRE(smaller.accuracy_fade->time > result.accuracy_fade->time);
  options.novel_ratio = 0.0;
  REQUIRE_FALSE(theory::integrate_fade({0.0, 0.0, 5.0}, decay, 1e-3, options).accuracy_fade);
  REQUIRE(result.trajectory.size() == static_cast<std::size_t>(result.steps) + 1);
  REQUIRE(result.trajectory.front().w == 5.0);
  REQUIRE(result.trajectory.back().w == 1.0);
}

TEST_CASE("fade flow: attention still on its way", "[theory][eq44]") {
  const theory::MemorizationDecay decay{1.0, 1000.0, {}};
  theory::FadeOptions options;
  const theory::FadeResult full = theory::integrate_fade({0.0, 0.0, 3.0}, decay, 1e-3, options);
  REQUIRE(std::isinf(full.end.beta));
  options.n_context = 100.0;
  // An infinite or a very large beta is full attention.
  REQUIRE(theory::integrate_fade({0.0, 0.0, 3.0}, decay, 1e-3, options).fade->time == full.fade->time);
  const theory::FadeResult large = theory::integrate_fade({0.0, 0.0, 3.0, 60.0}, decay, 1e-3, options);
  REQUIRE_THAT(large.fade->time, WithinRel(full.fade->time, 1e-10));
  // From one half on beta grows, w is larger than with full attention, and memorization faster.
  const theory::FadeResult half = theory::integrate_fade({0.0, 0.0, 3.0, std::log(99.0)}, decay, 1e-3, options);
  REQUIRE(half.end.beta > std::log(99.0) + 3.0);
  REQUIRE(half.peak.w > full.peak.w);
  REQUIRE(half.fade->time < full.fade->time);
  // w follows its stationary point for the attention of the moment: lambda_w w = a c3 exp(-w a).
  const theory::MemorizationDecay still{1.0, 1e12, {}};
  options.slow_down = theory::SlowDown::exponential;
  options.t_max = 2e4;
  const theory::FadePoint end = theory::integrate_fade({0.0, 0.0, 3.0, 8.0}, still, 1e-3, options).end;
  const double a = sigmoid(end.beta - std::log(99.0));
  REQUIRE_THAT(1e-3 * end.w, WithinRel(a * std::exp(-end.w * a), 1e-3));
}

TEST_CASE("fade flow: without decay w grows for ever", "[theory][eq44][limits]") {
  const theory::MemorizationDecay decay{1.0, 1000.0, {}};
  theory::FadeOptions options;
  options.t_max = 1e6;
  const theory::FadeResult result = theory::integrate_fade({0.0, 0.0, 3.0}, decay, 0.0, options);
  REQUIRE(result.outcome == theory::FadeOutcome::reached_t_max);
  REQUIRE_THAT(result.end.time, WithinRel(1e6, 1e-12));
  // dw/dt = exp(-w) c3: w = ln(exp(w_0) + t) while c3 = 1 and the logistic correction is small.
  REQUIRE(result.end.w > 10.0);
  REQUIRE(result.end.w < std::log(1e6 + std::exp(3.0)));
  // Without an end of training, until the time leaves the range of doubles.
  const theory::FadeResult endless = theory::integrate_fade({0.0, 0.0, 3.0}, decay, 0.0);
  REQUIRE(endless.outcome == theory::FadeOutcome::reached_t_max);
  REQUIRE(endless.end.time >= 1e299);
}

TEST_CASE("fade flow: named endings", "[theory][eq44][limits]") {
  const theory::MemorizationDecay decay{1.0, 1000.0, {}};
  theory::FadeOptions options;
  options.t_max = 100.0;
  REQUIRE(theory::integrate_fade({0.0, 0.0, 3.0}, decay, 1e-3, options).outcome == theory::FadeOutcome::reached_t_max);
  REQUIRE(theory::integrate_fade({200.0, 0.0, 3.0}, decay, 1e-3, options).outcome ==
          theory::FadeOutcome::reached_t_max);
  // lambda_w so large that w never gets to 1.
  REQUIRE(theory::integrate_fade({0.0, 0.0, 0.0}, decay, 0.5).outcome == theory::FadeOutcome::stayed_below);
  REQUIRE(theory::integrate_fade({0.0, 0.0, 0.9}, decay, 5.0).outcome == theory::FadeOutcome::stayed_below);
  options = {};
  options.max_steps = 3;
  REQUIRE(theory::integrate_fade({0.0, 0.0, 3.0}, decay, 1e-3, options).outcome == theory::FadeOutcome::step_limit);
  theory::MemorizationFunctions functions = theory::homogeneous_functions(decay);
  functions.end_time = 50.0;
  const theory::FadeResult ended = theory::integrate_fade({0.0, 0.0, 3.0}, functions, 1e-3);
  REQUIRE(ended.outcome == theory::FadeOutcome::curve_ended);
  REQUIRE(ended.end.mlp_time == 50.0);
  REQUIRE(theory::integrate_fade({0.0, 60.0, 3.0}, functions, 1e-3).outcome == theory::FadeOutcome::curve_ended);
  functions.c1 = [](double tau) { return tau < 10.0 ? 0.5 : std::numeric_limits<double>::quiet_NaN(); };
  REQUIRE(theory::integrate_fade({0.0, 0.0, 3.0}, functions, 1e-3).outcome == theory::FadeOutcome::not_finite);
  REQUIRE(theory::integrate_fade({0.0, 20.0, 3.0}, functions, 1e-3).outcome == theory::FadeOutcome::not_finite);
}

TEST_CASE("fade flow: stiff and long flows end", "[theory][eq44][limits]") {
  // 1e7 relaxation times of w pass before it fades.
  const theory::MemorizationDecay slow{1.0, 1e7, {}};
  const theory::FadeResult result = theory::integrate_fade({0.0, 0.0, 3.0}, slow, 1e-2);
  REQUIRE(result.outcome == theory::FadeOutcome::faded);
  REQUIRE(result.steps < 100'000);
  const double gap = result.fade->time / *theory::quasi_static_fade(slow, 1e-2).t_fade - 1.0;
  REQUIRE(std::abs(gap) < 0.05);  // of the logistic correction of w_tr, which the quasi-static time leaves out
  // Once c3 < 1/T the MLP outruns w, which then decays freely, w ~ exp(-lambda_w t): at most ln w_peak/lambda_w longer
  // than the quasi-static time.
  const double lambda_w = 1e-13;
  const theory::FadeResult tiny = theory::integrate_fade({0.0, 0.0, 3.0}, {1.0, 1000.0, {}}, lambda_w);
  REQUIRE(tiny.outcome == theory::FadeOutcome::faded);
  const double quasi_static = *theory::quasi_static_fade({1.0, 1000.0, {}}, lambda_w).t_fade;
  REQUIRE(tiny.fade->time > quasi_static);
  REQUIRE(tiny.fade->time < quasi_static + std::log(tiny.peak.w) / lambda_w);
}

TEST_CASE("transience: bad arguments are named", "[theory][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  REQUIRE_THROWS_MATCHES(theory::lambert_w(-0.5), Error, Message("x: expected a number of at least -1/e, got -0.5"));
  REQUIRE_THROWS_MATCHES(theory::lambert_w_derivative(-0.5), Error,
                         Message("x: expected a number above -1/e, got -0.5"));
  REQUIRE_THROWS_MATCHES(theory::lambert_w_of_exp(nan), Error, Message("log_x: expected a finite number, got nan"));
  REQUIRE_THROWS_MATCHES(theory::transient_strength(0.0, 1.0), Error, Message("c3: expected a positive number, got 0"));
  REQUIRE_THROWS_MATCHES(theory::transient_strength(1.0, 0.0), Error,
                         Message("lambda_w: expected a positive number, got 0"));
  REQUIRE_THROWS_MATCHES(theory::settled_strength(0.0, -1.0), Error,
                         Message("lambda_w: expected a positive number, got -1"));
  REQUIRE_THROWS_MATCHES(theory::acquired_loss(1.0, 1.0, -1.0), Error,
                         Message("lambda_w: expected a number of at least 0, got -1"));
  REQUIRE_THROWS_MATCHES(theory::c3_at_strength(0.0, 1.0), Error, Message("w: expected a positive number, got 0"));
  REQUIRE_THROWS_MATCHES(theory::tracking_lag(-1.0, 1.0, 1.0), Error,
                         Message("w_tr: expected a number of at least 0, got -1"));
  REQUIRE_THROWS_MATCHES(theory::novel_accuracy(1.0, nan), Error, Message("xi: expected a finite number, got nan"));
  REQUIRE_THROWS_MATCHES(theory::accuracy_fade(1.0, 0.0), Error,
                         Message("novel_ratio: expected a positive number, got 0"));
  REQUIRE_THROWS_MATCHES(theory::strength_ratio_at_accuracy(0.5, theory::NovelLogits::two_point), Error,
                         Message("accuracy: expected a number in (0.5, 1), got 0.5"));
  const theory::MemorizationDecay decay{1.0, 1000.0, {}};
  REQUIRE_THROWS_MATCHES(theory::quasi_static_fade(decay, 1e-3, 0.0), Error,
                         Message("w_fade: expected a positive number, got 0"));
  REQUIRE_THROWS_MATCHES(theory::quasi_static_fade({0.0, 1.0, {}}, 1e-3), Error,
                         Message("c3_start: expected a positive number, got 0"));
  REQUIRE_THROWS_MATCHES(theory::quasi_static_fade({1.0, -1.0, {}}, 1e-3), Error,
                         Message("time_scale: expected a positive number, got -1"));
  REQUIRE_THROWS_MATCHES(theory::quasi_static_fade({1.0, 1.0, 0.0}, 1e-3), Error,
                         Message("exponent: expected a positive number, got 0"));
  REQUIRE_THROWS_MATCHES(theory::integrate_fade({0.0, 0.0, 1.0}, decay, -1.0), Error,
                         Message("lambda_w: expected a number of at least 0, got -1"));
  REQUIRE_THROWS_MATCHES(theory::integrate_fade({0.0, -1.0, 1.0}, decay, 1.0), Error,
                         Message("mlp_time: expected a number of at least 0, got -1"));
  REQUIRE_THROWS_MATCHES(theory::integrate_fade({0.0, 0.0, 1.0, nan}, decay, 1.0), Error,
                         Message("beta: expected a number, or infinity, got nan"));
  REQUIRE_THROWS_MATCHES(theory::integrate_fade({0.0, 0.0, 1.0}, theory::MemorizationFunctions{}, 1.0), Error,
                         Message("functions: expected both c1 and c3"));
  const auto refused = [&](auto change) {
    theory::FadeOptions options;
    change(options);
    REQUIRE_THROWS_AS(theory::integrate_fade({0.0, 0.0, 3.0}, decay, 1e-3, options), Error);
  };
  refused([](theory::FadeOptions& o) { o.n_context = 1.0; });
  refused([](theory::FadeOptions& o) { o.w_fade = 0.0; });
  refused([](theory::FadeOptions& o) { o.novel_ratio = -1.0; });
  refused([](theory::FadeOptions& o) { o.t_max = 0.0; });
  refused([](theory::FadeOptions& o) { o.rel_tol = 1.0; });
  refused([](theory::FadeOptions& o) { o.abs_tol = 0.0; });
  refused([](theory::FadeOptions& o) { o.max_steps = 0; });
}
