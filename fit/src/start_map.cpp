#include "iclk/fit/start_map.hpp"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/interpolators/pchip.hpp>
#include <boost/math/tools/roots.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"
#include "survival_data.hpp"

namespace iclk::fit {
namespace {

void require_time(double time) {
  if (!(time > 0) || !std::isfinite(time))
    throw field_error("time", "expected a positive number, got " + format_number(time));
}

void require_falling(std::span<const StartTime> points) {
  std::size_t n_finite = 0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto refuse = [&](const char* field, const std::string& expected, double found) {
      throw field_error("points[" + std::to_string(i) + "]." + field,
                        "expected " + expected + ", got " + format_number(found));
    };
    const StartTime& point = points[i];
    if (!std::isfinite(point.beta0)) refuse("beta0", "a finite number", point.beta0);
    if (!(point.time > 0)) refuse("time", "a positive number or infinity", point.time);
    if (std::isfinite(point.time)) ++n_finite;
    if (i == 0) continue;
    const StartTime& before = points[i - 1];
    if (!(point.beta0 > before.beta0)) {
      refuse("beta0", "more than that of the point before, " + format_number(before.beta0), point.beta0);
    }
    const bool both_never = std::isinf(point.time) && std::isinf(before.time);
    if (!both_never && !(point.time < before.time)) {
      refuse("time", "less than that of the point before, " + format_number(before.time), point.time);
    }
  }
  if (n_finite < 4) {
    throw field_error("points", "expected at least four of finite time, got " + std::to_string(n_finite));
  }
}

/// Slope at the first of three points by the parabola through them, of the first two where that would turn back.
double parabola_slope(double x0, double x1, double x2, double y0, double y1, double y2) {
  const double h0 = x1 - x0, h1 = x2 - x1;
  const double d0 = (y1 - y0) / h0, d1 = (y2 - y1) / h1;
  const double slope = ((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1);
  if (slope * d0 <= 0) return d0;
  return std::abs(slope) > 3 * std::abs(d0) ? 3 * d0 : slope;
}

}  // namespace

StartMap::StartMap(std::span<const StartTime> points) {
  require_falling(points);
  for (const StartTime& point : points) {
    if (std::isinf(point.time)) critical_ = point.beta0;
  }
  for (std::size_t i = points.size(); i-- > 0;) {
    if (std::isinf(points[i].time)) break;
    log_times_.push_back(std::log(points[i].time));
    beta0_.push_back(points[i].beta0);
  }
  const std::size_t n = log_times_.size();
  first_time_ = points.back().time;
  last_time_ = points[points.size() - n].time;
  const auto& x = log_times_;
  const auto& y = beta0_;
  const double first = parabola_slope(x[0], x[1], x[2], y[0], y[1], y[2]);
  const double last = parabola_slope(x[n - 1], x[n - 2], x[n - 3], y[n - 1], y[n - 2], y[n - 3]);
  auto knots = x;
  auto values = y;
  const boost::math::interpolators::pchip<std::vector<double>> cubic(std::move(knots), std::move(values), first, last);
  slopes_.push_back(first);
  for (std::size_t i = 1; i + 1 < n; ++i) slopes_.push_back(cubic.prime(x[i]));
  slopes_.push_back(last);
}

std::optional<std::size_t> StartMap::interval_of(double time) const {
  require_time(time);
  if (time < first_time_ || time > last_time_) return std::nullopt;
  const auto after = std::upper_bound(log_times_.begin(), log_times_.end(), std::log(time)) - log_times_.begin();
  return static_cast<std::size_t>(
      std::clamp<std::ptrdiff_t>(after - 1, 0, static_cast<std::ptrdiff_t>(log_times_.size()) - 2));
}

std::optional<double> StartMap::beta0_at(double time) const {
  const auto found = interval_of(time);
  if (!found) return std::nullopt;
  const std::size_t i = *found;
  const double h = log_times_[i + 1] - log_times_[i];
  const double s = (std::log(time) - log_times_[i]) / h;
  const double r = 1 - s;
  return r * r * ((1 + 2 * s) * beta0_[i] + s * h * slopes_[i]) +
         s * s * ((1 + 2 * r) * beta0_[i + 1] - r * h * slopes_[i + 1]);
}

std::optional<double> StartMap::slope_at(double time) const {
  const auto found = interval_of(time);
  if (!found) return std::nullopt;
  const std::size_t i = *found;
  const double h = log_times_[i + 1] - log_times_[i];
  const double s = (std::log(time) - log_times_[i]) / h;
  return 6 * s * (1 - s) * (beta0_[i + 1] - beta0_[i]) / h + (1 - s) * (1 - 3 * s) * slopes_[i] +
         s * (3 * s - 2) * slopes_[i + 1];
}

std::optional<double> StartMap::time_at(double beta0) const {
  if (critical_ && beta0 <= *critical_) return std::numeric_limits<double>::infinity();
  if (!(beta0 <= beta0_.front() && beta0 >= beta0_.back())) return std::nullopt;
  const auto after = std::upper_bound(beta0_.begin(), beta0_.end(), beta0, std::greater<>()) - beta0_.begin();
  const auto i = static_cast<std::size_t>(
      std::clamp<std::ptrdiff_t>(after - 1, 0, static_cast<std::ptrdiff_t>(beta0_.size()) - 2));
  if (!(beta0 < beta0_[i])) return std::exp(log_times_[i]);
  if (!(beta0 > beta0_[i + 1])) return std::exp(log_times_[i + 1]);
  const double h = log_times_[i + 1] - log_times_[i];
  const auto excess = [&](double s) {
    const double r = 1 - s;
    return r * r * ((1 + 2 * s) * (beta0_[i] - beta0) + s * h * slopes_[i]) +
           s * s * ((1 + 2 * r) * (beta0_[i + 1] - beta0) - r * h * slopes_[i + 1]);
  };
  std::uintmax_t steps = 100;
  const auto bracket = boost::math::tools::toms748_solve(excess, 0.0, 1.0, beta0_[i] - beta0, beta0_[i + 1] - beta0,
                                                         boost::math::tools::eps_tolerance<double>(50), steps);
  return std::exp(log_times_[i] + h * (bracket.first + bracket.second) / 2);
}

void validate(const StartLaw& law) {
  if (!std::isfinite(law.mean)) throw field_error("mean", "expected a finite number, got " + format_number(law.mean));
  if (!(law.sd > 0) || !std::isfinite(law.sd))
    throw field_error("sd", "expected a positive number, got " + format_number(law.sd));
}

std::optional<double> acquired_share(const StartMap& map, const StartLaw& law, double time) {
  validate(law);
  if (const auto beta0 = map.beta0_at(time)) return gaussian_share((law.mean - *beta0) / law.sd);
  return std::nullopt;
}

std::optional<double> acquired_density(const StartMap& map, const StartLaw& law, double time) {
  validate(law);
  const auto beta0 = map.beta0_at(time);
  if (!beta0) return std::nullopt;
  const double z = (law.mean - *beta0) / law.sd;
  return std::exp(-z * z / 2) / (law.sd * std::sqrt(2 * std::numbers::pi)) * -*map.slope_at(time) / time;
}

std::optional<double> acquired_quantile(const StartMap& map, const StartLaw& law, double probability) {
  validate(law);
  check_probability(probability);
  return map.time_at(law.mean - law.sd * boost::math::quantile(boost::math::normal(), probability));
}

double never_share(const StartMap& map, const StartLaw& law) {
  validate(law);
  const auto critical = map.critical_beta0();
  return critical ? gaussian_share((*critical - law.mean) / law.sd) : 0.0;
}

}  // namespace iclk::fit
