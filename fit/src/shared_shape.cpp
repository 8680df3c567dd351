#include "shared_shape.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

namespace iclk::fit {
namespace {

// Window, in ln c1, over which a curve is matched to the shape at its end and over which the end slope is taken: a
// factor of three in c1. Chosen: wide enough to average the noise of single samples (a few per cent of c1), narrow
// enough to stay local.
constexpr double kEndWindow = 1.0986;

}  // namespace

std::vector<double> monotone_log_values(const Curve& c1) {
  std::vector<double> mean;
  std::vector<std::size_t> count;
  for (const double value : c1.values()) {
    mean.push_back(std::log(value));
    count.push_back(1);
    while (mean.size() > 1 && mean[mean.size() - 2] < mean.back()) {
      const std::size_t last = mean.size() - 1;
      const std::size_t total = count[last - 1] + count[last];
      const auto weight = static_cast<double>(count[last]) / static_cast<double>(total);
      mean[last - 1] += weight * (mean[last] - mean[last - 1]);
      count[last - 1] = total;
      mean.pop_back();
      count.pop_back();
    }
  }
  std::vector<double> values;
  for (std::size_t block = 0; block < mean.size(); ++block) values.insert(values.end(), count[block], mean[block]);
  return values;
}

LevelTimes level_times(const Curve& c1, std::span<const double> monotone_log_c1, double n_items,
                       std::span<const double> log_levels) {
  const auto times = c1.times();
  LevelTimes result{.log_items = std::log(n_items), .log_horizon = std::log(c1.end_time())};
  std::size_t level = 0;
  while (level < log_levels.size() && log_levels[level] > monotone_log_c1[0]) ++level;
  result.first = level;
  for (std::size_t i = 0; i + 1 < times.size(); ++i) {
    const double upper = monotone_log_c1[i];
    const double lower = monotone_log_c1[i + 1];
    for (; level < log_levels.size() && log_levels[level] >= lower && upper > lower; ++level) {
      const double part = (upper - log_levels[level]) / (upper - lower);
      if (times[i] > 0) {
        result.log_time.push_back(std::log(times[i]) + part * std::log(times[i + 1] / times[i]));
      } else {
        const double time = times[i] + part * (times[i + 1] - times[i]);  // the first step, where ln t does not start
        if (time > 0) {
          result.log_time.push_back(std::log(time));
        } else {
          result.first = level + 1;
        }
      }
    }
  }
  return result;
}

SharedShape fit_shared_shape(std::span<const LevelTimes> curves, std::span<const double> log_levels,
                             std::optional<double> fixed_drift) {
  const std::size_t n_curves = curves.size();
  const std::size_t n_levels = log_levels.size();
  SharedShape shape;
  shape.log_level.assign(log_levels.begin(), log_levels.end());
  std::size_t n_values = 0;
  for (const LevelTimes& curve : curves) {
    shape.mean_log_items += curve.log_items / static_cast<double>(n_curves);
    for (std::size_t j = curve.first; j < curve.end(); ++j) {
      shape.mean_log_level += log_levels[j];
      ++n_values;
    }
  }
  shape.mean_log_level /= static_cast<double>(n_values);

  // Sweep the shape out: at each level, subtract the mean over the curves that reach it. What is left is linear in
  // the shifts and the drift alone: columns 0 .. n_curves-1 are the shifts, the last one is the drift.
  const auto size = static_cast<Eigen::Index>(n_curves + 1);
  Eigen::MatrixXd normal = Eigen::MatrixXd::Zero(size, size);
  Eigen::VectorXd right = Eigen::VectorXd::Zero(size);
  const auto product = [&](std::size_t k, std::size_t j) {
    return (curves[k].log_items - shape.mean_log_items) * (log_levels[j] - shape.mean_log_level);
  };
  std::vector<double> mean_time(n_levels, 0.0), mean_product(n_levels, 0.0);
  std::vector<std::vector<std::size_t>> reached(n_levels);
  for (std::size_t k = 0; k < n_curves; ++k) {
    for (std::size_t j = curves[k].first; j < curves[k].end(); ++j) reached[j].push_back(k);
  }
  for (std::size_t j = 0; j < n_levels; ++j) {
    const auto count = static_cast<double>(reached[j].size());
    for (const std::size_t k : reached[j]) {
      mean_time[j] += curves[k].log_time[j - curves[k].first] / count;
      mean_product[j] += product(k, j) / count;
    }
    for (const std::size_t k : reached[j]) {
      const auto row = static_cast<Eigen::Index>(k);
      const double time = curves[k].log_time[j - curves[k].first] - mean_time[j];
      const double swept = product(k, j) - mean_product[j];
      right(row) += time;
      right(size - 1) += time * swept;
      normal(row, row) += 1;
      for (const std::size_t other : reached[j]) normal(row, static_cast<Eigen::Index>(other)) -= 1 / count;
      normal(row, size - 1) += swept;
      normal(size - 1, row) += swept;
      normal(size - 1, size - 1) += swept * swept;
    }
  }

  // Shifts are fixed up to a constant: adding 1 to every entry of their block sets their sum to zero. Drift is solved
  // for by eliminating the shifts; what is left of its column, `information`, is zero when all K are equal.
  const auto m = static_cast<Eigen::Index>(n_curves);
  const Eigen::LDLT<Eigen::MatrixXd> shifts((normal.topLeftCorner(m, m).array() + 1).matrix());
  const Eigen::VectorXd drift_column = normal.topRightCorner(m, 1);
  const Eigen::VectorXd drift_projection = shifts.solve(drift_column);
  const double information = normal(m, m) - drift_column.dot(drift_projection);
  const bool estimable = information > 1e-12 * (1 + normal(m, m));
  if (fixed_drift) {
    shape.drift = *fixed_drift;
  } else if (estimable) {
    shape.drift = (right(m) - drift_projection.dot(right.head(m))) / information;
  }
  const Eigen::VectorXd shift = shifts.solve(right.head(m) - shape.drift * drift_column);
  shape.shift.assign(shift.begin(), shift.end());

  // Residuals, and the drift's error with each curve as one unit (levels of one curve are not independent).
  std::vector<double> score(n_curves, 0.0);
  double sum = 0;
  for (std::size_t j = 0; j < n_levels; ++j) {
    const auto count = static_cast<double>(reached[j].size());
    double mean_shift = 0, mean_projection = 0;
    for (const std::size_t k : reached[j]) {
      mean_shift += shape.shift[k] / count;
      mean_projection += drift_projection(static_cast<Eigen::Index>(k)) / count;
    }
    shape.log_time.push_back(mean_time[j] - mean_shift - shape.drift * mean_product[j]);
    for (const std::size_t k : reached[j]) {
      const double fitted = shape.log_time[j] + shape.shift[k] + shape.drift * product(k, j);
      const double residual = curves[k].log_time[j - curves[k].first] - fitted;
      const double swept =
          product(k, j) - mean_product[j] - (drift_projection(static_cast<Eigen::Index>(k)) - mean_projection);
      sum += residual * residual;
      score[k] += residual * swept;
    }
  }
  shape.residual = std::sqrt(sum / static_cast<double>(n_values));
  if (estimable && n_curves > 2) {
    double squares = 0;
    for (const double s : score) squares += s * s;
    const auto n = static_cast<double>(n_curves);
    shape.drift_error = std::sqrt(squares * n / (n - 2)) / information;
  }
  for (std::size_t j = 1; j < n_levels; ++j) shape.log_time[j] = std::max(shape.log_time[j], shape.log_time[j - 1]);
  return shape;
}

double end_slope(const SharedShape& shape) {
  std::size_t first = shape.log_level.size() - 1;
  while (first > 0 && shape.log_level[first] < shape.log_level.back() + kEndWindow) --first;
  const double rise = shape.log_time.back() - shape.log_time[first];
  return rise > 0 ? (shape.log_level[first] - shape.log_level.back()) / rise : HUGE_VAL;
}

Extension extend(const SharedShape& shape, const LevelTimes& curve, std::size_t index, double slope) {
  // Times of this K along the shape, then moved to meet the curve over its last factor of three in c1.
  const std::size_t n_levels = shape.log_level.size();
  std::vector<double> log_time(n_levels);
  for (std::size_t j = 0; j < n_levels; ++j) {
    log_time[j] = shape.log_time[j] + shape.shift[index] +
                  shape.drift * (curve.log_items - shape.mean_log_items) * (shape.log_level[j] - shape.mean_log_level);
  }
  double offset = 0;
  double count = 0;
  for (std::size_t j = curve.end(); j-- > curve.first;) {
    if (count > 0 && shape.log_level[j] > shape.log_level[curve.end() - 1] + kEndWindow) break;
    offset += curve.log_time[j - curve.first] - log_time[j];
    ++count;
  }
  for (double& time : log_time) time += offset / count;
  for (std::size_t j = 1; j < n_levels; ++j) log_time[j] = std::max(log_time[j], log_time[j - 1]);

  if (curve.log_horizon >= log_time.back()) {  // beyond the shape: its power continuation gives the level there
    const double level = shape.log_level.back() - slope * (curve.log_horizon - log_time.back());
    return {.integral = 0.0,
            .end_c1 = std::exp(std::isfinite(slope) ? level : shape.log_level.back()),
            .end_time = std::exp(curve.log_horizon)};
  }

  // 2 integral of (t(c) - t_m) dc between the level at the horizon and the lowest one, t a power of c between levels:
  // integral of t dc = c t (1 - e^(-(1-g) d))/(1 - g) with d = ln of the step in c and g = -d ln t/d ln c.
  const double horizon = std::exp(curve.log_horizon);
  double integral = 0;
  double c = std::exp(shape.log_level.front());
  for (std::size_t j = 0; j + 1 < n_levels; ++j) {
    if (log_time[j + 1] <= curve.log_horizon) continue;
    double log_c = shape.log_level[j];
    double log_t = log_time[j];
    const double g = (log_time[j + 1] - log_t) / (log_c - shape.log_level[j + 1]);
    if (log_t < curve.log_horizon) {
      log_c -= (curve.log_horizon - log_t) / g;
      log_t = curve.log_horizon;
    }
    const double step = log_c - shape.log_level[j + 1];
    c = std::exp(log_c);
    const double exponent = 1 - g;
    const double part = std::abs(exponent * step) < 1e-12 ? step : -std::expm1(-exponent * step) / exponent;
    integral += c * std::exp(log_t) * part + c * horizon * std::expm1(-step);
  }
  const double end_c1 = std::exp(shape.log_level.back());
  const double end_time = std::exp(log_time.back());
  // Up to end_time the curve also holds the rectangle below its lowest level.
  integral += end_c1 * (end_time - horizon);
  return {.integral = 2 * integral, .end_c1 = end_c1, .end_time = end_time};
}

}  // namespace iclk::fit
