#pragma once

#include <boost/math/quadrature/gauss_kronrod.hpp>

namespace iclk::theory {

/// Integral of a smooth function from `low` to `high`, adaptive Gauss-Kronrod with 31 points, to about 1e-14 relative.
///
/// The interval is mapped to [0, 1]: Boost 1.74 compares an error not yet scaled by the length of the interval with a
/// tolerance that is, and halves any interval shorter than 4 eps/tolerance down to the last level, 2^depth times. Tolerance
/// (of the 15-point estimate; the 31-point one is far better) and depth are such that no level gets there.
template <class Function>
double adaptive_integral(const Function& function, double low, double high) {
  const double length = high - low;
  if (!(length > 0.0)) return 0.0;
  const auto mapped_function = [&](double x) { return function(low + length * x); };
  return length * boost::math::quadrature::gauss_kronrod<double, 31>::integrate(mapped_function, 0.0, 1.0, 10, 1e-12);
}

}  // namespace iclk::theory
