#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "iclk/core/curve.hpp"

namespace iclk::theory {

/// Time as a function of I_K = 2 int c1 within the measured part of a curve: polynomials of degree 7 between the knots
/// of the interpolant, each checked to 1e-12 of the time. A table because one ensemble asks for millions of times.
class IntegralInverse {
 public:
  explicit IntegralInverse(const Curve& c1);  ///< c1 > 0 on times >= 0

  /// 0 <= integral <= I_K at the end of the curve.
  double operator()(double integral) const noexcept;

 private:
  static constexpr std::size_t kPoints = 8;
  struct Piece {
    std::array<double, kPoints> nodes{};         // of I_K, relative to the start of the piece, in [0, 1]
    std::array<double, kPoints> coefficients{};  // of Newton's form in the nodes
    double start = 0.0, length = 0.0;            // of I_K
    double start_time = 0.0, end_time = 0.0;

    double time(double integral) const noexcept;
  };
  static Piece straight_piece(double start, double length, double t0, double t1);
  static Piece make_piece(const Curve& c1, double before, double t0, double t1);
  void add_pieces(const Curve& c1, double before, double t0, double t1, int depth);

  std::vector<Piece> pieces_;
  std::vector<double> starts_;  // [pieces]
};

}  // namespace iclk::theory
