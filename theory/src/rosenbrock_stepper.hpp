#pragma once

#include <algorithm>
#include <array>
#include <boost/numeric/odeint/stepper/rosenbrock4.hpp>
#include <boost/numeric/ublas/lu.hpp>
#include <boost/numeric/ublas/matrix.hpp>
#include <boost/numeric/ublas/storage.hpp>
#include <boost/numeric/ublas/vector.hpp>
#include <cmath>
#include <cstddef>
#include <initializer_list>

namespace iclk::theory {

/// RODAS 4(3), the linearly implicit method of Boost.Odeint's rosenbrock4, for an autonomous system of `Size` equations
/// on arrays of fixed size. Boost's own class keeps its state in uBLAS containers that, as of Boost 1.74, do not compile
/// in C++20; coefficients and LU factors are Boost's.
///
/// Derivative: f(y, dy). Jacobian: f(y) returning [Size][Size], d(dy_i)/dy_j.
template <std::size_t Size>
class RosenbrockStepper {
 public:
  using State = std::array<double, Size>;
  using Rows = std::array<State, Size>;

  struct Step {
    State start{}, end{}, error{};
    State third{}, fourth{};  ///< of the interpolant between them

    /// At `fraction` of the step; third order.
    State inside(double fraction) const {
      State y{};
      const double rest = 1.0 - fraction;
      for (std::size_t i = 0; i < Size; ++i) {
        y[i] = start[i] * rest + fraction * (end[i] + rest * (third[i] + fraction * fourth[i]));
      }
      return y;
    }
  };

  /// One step of length h. Not finite when the derivative is not, or when the step meets a singular matrix.
  template <class Derivative, class Jacobian>
  Step step(const Derivative& derivative, const Jacobian& jacobian, const State& y, double h) const {
    const Rows rows = jacobian(y);
    Matrix matrix(Size, Size);
    for (std::size_t i = 0; i < Size; ++i) {
      for (std::size_t j = 0; j < Size; ++j) matrix(i, j) = (i == j ? 1.0 / (k_.gamma * h) : 0.0) - rows[i][j];
    }
    Permutation rows_swapped(Size);
    boost::numeric::ublas::lu_factorize(matrix, rows_swapped);

    // Stage g solves matrix g = f(y + sum a_j g_j) + sum (c_j/h) g_j.
    std::array<State, 5> g{};
    const auto stage = [&](const State& at, std::initializer_list<double> c) {
      State slope{};
      derivative(at, slope);
      Vector right(Size);
      for (std::size_t i = 0; i < Size; ++i) {
        double sum = 0.0;
        std::size_t j = 0;
        for (const double each : c) sum += each * g[j++][i];
        right(i) = slope[i] + sum / h;
      }
      boost::numeric::ublas::lu_substitute(matrix, rows_swapped, right);
      State solution;
      std::copy(right.begin(), right.end(), solution.begin());
      return solution;
    };
    const auto moved = [&](std::initializer_list<double> a) {
      State at = y;
      for (std::size_t i = 0; i < Size; ++i) {
        std::size_t j = 0;
        for (const double each : a) at[i] += each * g[j++][i];
      }
      return at;
    };
    g[0] = stage(y, {});
    g[1] = stage(moved({k_.a21}), {k_.c21});
    g[2] = stage(moved({k_.a31, k_.a32}), {k_.c31, k_.c32});
    g[3] = stage(moved({k_.a41, k_.a42, k_.a43}), {k_.c41, k_.c42, k_.c43});
    State end = moved({k_.a51, k_.a52, k_.a53, k_.a54});
    g[4] = stage(end, {k_.c51, k_.c52, k_.c53, k_.c54});
    for (std::size_t i = 0; i < Size; ++i) end[i] += g[4][i];

    Step result;
    result.start = y;
    result.error = stage(end, {k_.c61, k_.c62, k_.c63, k_.c64, k_.c65});
    for (std::size_t i = 0; i < Size; ++i) {
      result.end[i] = end[i] + result.error[i];
      result.third[i] = k_.d21 * g[0][i] + k_.d22 * g[1][i] + k_.d23 * g[2][i] + k_.d24 * g[3][i] + k_.d25 * g[4][i];
      result.fourth[i] = k_.d31 * g[0][i] + k_.d32 * g[1][i] + k_.d33 * g[2][i] + k_.d34 * g[3][i] + k_.d35 * g[4][i];
    }
    return result;
  }

 private:
  using Vector = boost::numeric::ublas::bounded_vector<double, Size>;
  using Matrix = boost::numeric::ublas::bounded_matrix<double, Size, Size>;
  using Permutation =
      boost::numeric::ublas::permutation_matrix<std::size_t, boost::numeric::ublas::bounded_array<std::size_t, Size>>;

  inline static const boost::numeric::odeint::default_rosenbrock_coefficients<double> k_{};
};

}  // namespace iclk::theory
