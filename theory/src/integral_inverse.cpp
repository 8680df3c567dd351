#include "integral_inverse.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace iclk::theory {
namespace {

constexpr double kTolerance = 1e-12;         // relative to the time
constexpr double kIntegralRounding = 4e-16;  // of I_K: no time can be known better than that allows
constexpr int kDeepest = 8;                  // halvings of one interval of the curve

}  // namespace

double IntegralInverse::Piece::time(double integral) const noexcept {
  const double y = (integral - start) / length;
  double sum = coefficients[kPoints - 1];
  for (std::size_t i = kPoints - 1; i-- > 0;) sum = sum * (y - nodes[i]) + coefficients[i];
  return std::clamp(start_time + sum * (end_time - start_time), start_time, end_time);
}

IntegralInverse::Piece IntegralInverse::make_piece(const Curve& c1, double before, double t0, double t1) {
  Piece piece;
  piece.start_time = t0;
  piece.end_time = t1;
  piece.start = before + 2.0 * c1.integral(t0);
  piece.length = before + 2.0 * c1.integral(t1) - piece.start;
  if (!(piece.length > 0.0)) return piece;
  for (std::size_t i = 0; i < kPoints; ++i) {
    // Both ends and, between them, the extrema of a Chebyshev polynomial in time.
    const double u = 0.5 * (1.0 - std::cos(std::numbers::pi * static_cast<double>(i) / (kPoints - 1)));
    const double t = i + 1 == kPoints ? t1 : t0 + u * (t1 - t0);
    piece.nodes[i] = (before + 2.0 * c1.integral(t) - piece.start) / piece.length;
    piece.coefficients[i] = (t - t0) / (t1 - t0);
  }
  for (std::size_t order = 1; order < kPoints; ++order) {
    for (std::size_t i = kPoints - 1; i >= order; --i) {
      piece.coefficients[i] =
          (piece.coefficients[i] - piece.coefficients[i - 1]) / (piece.nodes[i] - piece.nodes[i - order]);
    }
  }
  return piece;
}

void IntegralInverse::add_pieces(const Curve& c1, double before, double t0, double t1, int depth) {
  const Piece piece = make_piece(c1, before, t0, t1);
  if (!(piece.length > 0.0)) return;  // c1 so small that I_K does not move
  bool smooth = true;
  double worst = 0.0;  // in units of what is allowed
  for (const double u : {0.02, 0.12, 0.3, 0.5, 0.7, 0.88, 0.98}) {
    const double t = t0 + u * (t1 - t0);
    const double integral = before + 2.0 * c1.integral(t);
    const double error = std::abs(piece.time(integral) - t);
    worst = std::max(worst, error / (kTolerance * t + kIntegralRounding * integral / c1(t)));
    smooth = smooth && std::isfinite(error);
  }
  if (!smooth) worst = std::numeric_limits<double>::infinity();
  const double middle = 0.5 * (t0 + t1);
  if (worst > 1.0 && depth < kDeepest && middle > t0 && middle < t1) {
    add_pieces(c1, before, t0, middle, depth + 1);
    add_pieces(c1, before, middle, t1, depth + 1);
    return;
  }
  starts_.push_back(piece.start);
  pieces_.push_back(smooth ? piece : straight_piece(piece.start, piece.length, t0, t1));
}

IntegralInverse::Piece IntegralInverse::straight_piece(double start, double length, double t0, double t1) {
  Piece piece;
  piece.start = start;
  piece.length = length;
  piece.start_time = t0;
  piece.end_time = t1;
  piece.coefficients = {0.0, 1.0};
  return piece;
}

IntegralInverse::IntegralInverse(const Curve& c1) {
  const double before = 2.0 * c1.start_time() * c1.values().front();
  if (before > 0.0) {
    starts_.push_back(0.0);
    pieces_.push_back(straight_piece(0.0, before, 0.0, c1.start_time()));
  }
  const auto times = c1.times();
  for (std::size_t i = 0; i + 1 < times.size(); ++i) add_pieces(c1, before, times[i], times[i + 1], 0);
  if (pieces_.empty()) {  // I_K is zero in double
    starts_.push_back(0.0);
    pieces_.push_back(straight_piece(0.0, 1.0, c1.end_time(), c1.end_time()));
  }
}

double IntegralInverse::operator()(double integral) const noexcept {
  const auto next = std::upper_bound(starts_.begin() + 1, starts_.end(), integral);
  return pieces_[static_cast<std::size_t>(next - starts_.begin()) - 1].time(integral);
}

}  // namespace iclk::theory
