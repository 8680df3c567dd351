#include "tail_fit.hpp"

#include <algorithm>
#include <array>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace iclk::theory {
namespace {

constexpr std::size_t kMaxParameters = 4;
using Vector = std::array<double, kMaxParameters>;
using Matrix = std::array<Vector, kMaxParameters>;

/// Linear least squares in at most four parameters. The columns are orthonormalized (modified Gram-Schmidt, twice),
/// which keeps the half of the digits that normal equations would lose.
struct LeastSquares {
  Vector solution{};
  Vector variance_factor{};  // diagonal of (A^T A)^-1
  bool regular = true;
};

LeastSquares solve_least_squares(std::vector<Vector> rows, std::vector<double> right, std::size_t n_parameters) {
  LeastSquares result;
  Matrix r{};
  for (std::size_t j = 0; j < n_parameters; ++j) {
    double original = 0.0;
    for (const auto& row : rows) original += row[j] * row[j];
    for (int pass = 0; pass < 2; ++pass) {
      for (std::size_t k = 0; k < j; ++k) {
        double projection = 0.0;
        for (const auto& row : rows) projection += row[k] * row[j];
        for (auto& row : rows) row[j] -= projection * row[k];
        r[k][j] += projection;
      }
    }
    double norm = 0.0;
    for (const auto& row : rows) norm += row[j] * row[j];
    if (!(norm > 1e-26 * original)) {
      result.regular = false;
      return result;
    }
    r[j][j] = std::sqrt(norm);
    for (auto& row : rows) row[j] /= r[j][j];
  }
  Vector projected{};
  for (std::size_t j = 0; j < n_parameters; ++j) {
    for (std::size_t i = 0; i < rows.size(); ++i) projected[j] += rows[i][j] * right[i];
    for (std::size_t i = 0; i < rows.size(); ++i) right[i] -= projected[j] * rows[i][j];
  }
  Matrix inverse{};  // of the upper triangle r
  for (std::size_t j = n_parameters; j-- > 0;) {
    inverse[j][j] = 1.0 / r[j][j];
    for (std::size_t i = j; i-- > 0;) {
      double sum = 0.0;
      for (std::size_t k = i + 1; k <= j; ++k) sum += r[i][k] * inverse[k][j];
      inverse[i][j] = -sum / r[i][i];
    }
  }
  for (std::size_t i = 0; i < n_parameters; ++i) {
    for (std::size_t j = i; j < n_parameters; ++j) {
      result.solution[i] += inverse[i][j] * projected[j];
      result.variance_factor[i] += inverse[i][j] * inverse[i][j];
    }
  }
  return result;
}

struct Samples {
  std::span<const double> times;  // [n], the window
  std::vector<double> log_c1;     // [n]
  double end() const { return times.back(); }
  std::size_t size() const { return times.size(); }
};

/// ln(1 + h v)/h and its derivative in h, smooth through h = 0. v > -1/h.
std::pair<double, double> log_over_shape(double h, double v) {
  const double u = h * v;
  if (std::abs(u) < 1e-4) {
    return {v * (1.0 - u / 2.0 + u * u / 3.0 - u * u * u / 4.0), v * v * (-0.5 + 2.0 * u / 3.0 - 0.75 * u * u)};
  }
  const double logarithm = std::log1p(u);
  return {logarithm / h, (v / (1.0 + u) - logarithm / h) / h};
}

/// Sum of squares of ln c1 - model; infinite where the model does not exist on the window.
double misfit(const Samples& samples, double a, double rate, double shape) {
  double sum = 0.0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double v = rate * (samples.times[i] - samples.end());
    if (!(1.0 + shape * v > 1e-12)) return std::numeric_limits<double>::infinity();
    const double residual = samples.log_c1[i] - (a - log_over_shape(shape, v).first);
    sum += residual * residual;
  }
  return sum;
}

/// Rows of d model/d(a, ln r, h), the fourth column the change that a drift of h in ln t makes to leading order, and
/// the residuals.
void linearize(const Samples& samples, const TailFit& fit, std::vector<Vector>& rows, std::vector<double>& residuals) {
  rows.clear();
  residuals.clear();
  const double slope = fit.rate * samples.end();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double v = fit.rate * (samples.times[i] - samples.end());
    const auto [value, by_shape] = log_over_shape(fit.shape, v);
    const double log_time = std::log(samples.times[i] / samples.end());
    rows.push_back({1.0, -v / (1.0 + fit.shape * v), -by_shape, slope * slope * log_time * log_time * log_time / 6.0});
    residuals.push_back(samples.log_c1[i] - (fit.log_c1 - value));
  }
}

/// Start values from a parabola of ln c1 in ln t: s = slope, k = ds/d ln t, h = 1/s - k/s^2.
bool start_values(const Samples& samples, TailFit& fit) {
  std::vector<Vector> rows;
  for (double t : samples.times) {
    const double x = std::log(t / samples.end());
    rows.push_back({1.0, -x, -0.5 * x * x, 0.0});
  }
  LeastSquares parabola = solve_least_squares(rows, samples.log_c1, 3);
  if (!parabola.regular || !(parabola.solution[1] > 0.0)) {
    parabola = solve_least_squares(rows, samples.log_c1, 2);
    parabola.solution[2] = 0.0;
  }
  const double slope = parabola.solution[1];
  if (!parabola.regular || !(slope > 0.0)) return false;
  fit.log_c1 = parabola.solution[0];
  fit.rate = slope / samples.end();
  // The model must exist on the whole window: 1 + h r (t - t_m) > 0.
  const double largest = 0.9 / (fit.rate * (samples.end() - samples.times.front()));
  fit.shape = std::clamp(1.0 / slope - parabola.solution[2] / (slope * slope), -2.0, std::min(largest, 5.0));
  return true;
}

}  // namespace

std::optional<TailFit> fit_tail(std::span<const double> times, std::span<const double> c1, double window,
                                int min_points) {
  const std::size_t n = times.size();
  const auto needed = static_cast<std::size_t>(min_points);
  // Samples at t = 0 have no ln t; values that underflowed have no ln c1.
  const auto usable = [&](std::size_t i) { return times[i] > 0.0 && c1[i] > 0.0; };
  std::size_t first = n;
  while (first > 0 && usable(first - 1) &&
         (n - first < needed || (times[first - 1] >= times.back() / window && c1[first - 1] <= 10.0 * c1.back()))) {
    --first;
  }
  if (n - first < needed) return std::nullopt;
  Samples samples{times.subspan(first), {}};
  for (std::size_t i = first; i < n; ++i) samples.log_c1.push_back(std::log(c1[i]));

  TailFit fit;
  fit.n_points = static_cast<int>(samples.size());
  if (!start_values(samples, fit)) return std::nullopt;

  std::vector<Vector> rows;
  std::vector<double> residuals;
  double best = misfit(samples, fit.log_c1, fit.rate, fit.shape);
  for (int iteration = 0; iteration < 50; ++iteration) {
    linearize(samples, fit, rows, residuals);
    const LeastSquares step = solve_least_squares(rows, residuals, 3);
    if (!step.regular) break;
    double factor = 1.0;
    bool improved = false;
    for (int halving = 0; halving < 30; ++halving, factor *= 0.5) {
      const double a = fit.log_c1 + factor * step.solution[0];
      const double rate = fit.rate * std::exp(factor * step.solution[1]);
      const double shape = fit.shape + factor * step.solution[2];
      const double sum = misfit(samples, a, rate, shape);
      if (sum < best) {
        improved = best - sum > 1e-12 * best;
        best = sum;
        fit.log_c1 = a;
        fit.rate = rate;
        fit.shape = shape;
        break;
      }
    }
    if (!improved) break;
  }

  linearize(samples, fit, rows, residuals);
  const LeastSquares three = solve_least_squares(rows, residuals, 3);
  const double degrees = static_cast<double>(samples.size()) - 3.0;
  fit.quantile = boost::math::quantile(boost::math::complement(boost::math::students_t(degrees), 0.025));
  // ln c1 itself is known to rounding at best, so a perfect fit keeps errors of that size.
  constexpr double kRounding = 1e-15;
  const double variance = best / degrees + kRounding * kRounding;
  fit.log_c1_error = std::sqrt(variance * three.variance_factor[0]);
  fit.log_rate_error = std::sqrt(variance * three.variance_factor[1]);
  fit.shape_error = std::sqrt(variance * three.variance_factor[2]);
  if (!three.regular) return std::nullopt;

  fit.drift_error = std::numeric_limits<double>::infinity();
  if (samples.size() >= 6) {
    const LeastSquares four = solve_least_squares(rows, residuals, 4);
    if (four.regular) {
      double left = 0.0;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        double residual = residuals[i];
        for (std::size_t j = 0; j < 4; ++j) residual -= rows[i][j] * four.solution[j];
        left += residual * residual;
      }
      fit.drift = four.solution[3];
      fit.drift_error = std::sqrt((left / (degrees - 1.0) + kRounding * kRounding) * four.variance_factor[3]);
    }
  }
  return fit;
}

}  // namespace iclk::theory
