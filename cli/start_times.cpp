#include "start_times.hpp"

#include <algorithm>
#include <boost/math/tools/roots.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>

#include "iclk/theory/seed_ensemble.hpp"
#include "iclk/theory/sensitivity.hpp"
#include "output.hpp"

namespace iclk::cli {
namespace {

/// Of the map, in equal ratios of time. Its share of acquired runs is then exact to about 1e-8 (start_map_test).
constexpr int kPoints = 1000;
constexpr double kMargin = 2.0;  // the cubics of a map are less exact in its first and last interval

using StartOf = std::function<std::optional<double>(double integral)>;

/// beta0 whose trajectory along the curve blows up at this I_K, searched outwards from the last answer.
class StartOnCurve {
 public:
  StartOnCurve(const theory::CurveFlow& flow, double w0) : flow_(flow), w0_(w0) {}

  /// From the closed form for constant c2: trajectories from starts far from the answer are long.
  void search_near(double integral) {
    const auto guess = theory::solve_for(
        theory::Unknown::beta0, {.n_context = flow_.n_context(), .initial = {.w = w0_, .beta = 0.0}}, integral);
    if (guess.value) guess_ = *guess.value;
  }

  std::optional<double> operator()(double integral) {
    const auto excess = [&](double beta0) {  // falls with beta0
      const double log_ratio = std::log(flow_.required_integral({.w = w0_, .beta = beta0}) / integral);
      return std::clamp(log_ratio, -1e3, 1e3);
    };
    double low = guess_ - 0.01, high = guess_ + 0.01;
    double at_low = excess(low), at_high = excess(high);
    for (double stride = 0.02; at_low < 0 && stride < 1e3; stride *= 2) {
      high = low;
      at_high = at_low;
      low -= stride;
      at_low = excess(low);
    }
    for (double stride = 0.02; at_high > 0 && stride < 1e3; stride *= 2) {
      low = high;
      at_low = at_high;
      high += stride;
      at_high = excess(high);
    }
    if (!(at_low >= 0) || !(at_high <= 0)) return std::nullopt;
    if (!(at_low > 0)) return low;
    if (!(at_high < 0)) return high;
    std::uintmax_t steps = 100;
    const auto bracket = boost::math::tools::toms748_solve(excess, low, high, at_low, at_high,
                                                           boost::math::tools::eps_tolerance<double>(46), steps);
    guess_ = (bracket.first + bracket.second) / 2;
    return guess_;
  }

 private:
  const theory::CurveFlow& flow_;
  double w0_;
  double guess_ = 0.0;
};

/// The map from times in equal ratios; a time at which I_K has stopped rising adds nothing.
std::optional<fit::StartMap> map_through(const StartTimesQuestion& question, const StartOf& start_of,
                                         const std::function<double(double)>& integral_at,
                                         const std::optional<double>& i_infinity) {
  std::optional<double> critical;
  if (i_infinity) critical = start_of(*i_infinity);
  const double low = question.first / kMargin;
  const double ratio = kMargin * question.last / low;
  std::vector<fit::StartTime> points;
  for (int i = 0; i < kPoints; ++i) {
    const double time = low * std::pow(ratio, static_cast<double>(i) / (kPoints - 1));
    const double integral = integral_at(question.unit * time);
    if (!(integral > 0) || !std::isfinite(integral)) continue;
    const auto beta0 = start_of(integral);
    if (!beta0 || (critical && *beta0 <= *critical)) continue;
    if (points.empty() || *beta0 < points.back().beta0) points.push_back({*beta0, time});
  }
  if (points.size() < 4) return std::nullopt;
  if (critical) points.push_back({*critical, std::numeric_limits<double>::infinity()});
  std::reverse(points.begin(), points.end());
  return fit::StartMap(points);
}

}  // namespace

StartTimes start_times(const StartTimesQuestion& question, const MeasuredCurve* curve) {
  StartTimes result;
  if (curve == nullptr) {
    const auto start_of = [&](double integral) {
      return theory::solve_for(
                 theory::Unknown::beta0,
                 {.n_context = question.n_context, .initial = {.w = question.w0, .beta = 0.0}, .c2 = question.c2},
                 integral)
          .value;
    };
    result.map = map_through(
        question, start_of, [](double time) { return time; }, std::nullopt);
  } else {
    const theory::CurveFlow flow(curve->curves, question.n_context);
    const theory::MemorizationIntegral& integral = flow.integral();
    StartOnCurve start_of(flow, question.w0);
    const double early = flow.integral_at(question.unit * question.first);
    if (early > 0 && std::isfinite(early)) start_of.search_near(early);
    const bool known = integral.tail != theory::TailModel::unresolved;
    result.map = map_through(
        question, std::ref(start_of), [&](double time) { return flow.integral_at(time); },
        known ? integral.infinity.value : std::nullopt);
    if (!known) {
      result.warnings.push_back("theory: the tail of " + curve->source +
                                " is unresolved, so that the share of runs that never acquire is not known");
    }
    if (question.unit * question.last > integral.end_time) {
      result.warnings.push_back("theory: times beyond " + human(integral.end_time / question.unit) +
                                ", where the curve ends, rest on its extrapolation");
    }
  }
  if (!result.map) result.warnings.emplace_back("theory: no map from beta0 to the times of these runs");
  return result;
}

}  // namespace iclk::cli
