#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "iclk/core/order_parameters.hpp"

namespace iclk::test {

/// The curves of one of the files curves_*.csv, by number of items, with what curves_*_expected.json says about them.
struct GoldenCurves {
  std::map<double, OrderParameterCurves> by_items;
  nlohmann::json expected;
};
GoldenCurves golden_curves(const std::string& name);  ///< "E" reads curves_E.csv and curves_E_expected.json

/// A measured curve of a real MLP: columns step, c1, c2; time = lr * step.
OrderParameterCurves pytorch_curves(const std::string& file, double lr);

/// A law c1 = (1/2) f(t/T) with c2 = 1/2 or the closure 1 - c1, known in closed form.
struct Family {
  std::string name;
  double horizon = 1.0;                    ///< T
  std::function<double(double)> shape;     ///< f(u)
  std::function<double(double)> integral;  ///< I_K(t)/T at u = t/T

  double c1(double time) const { return 0.5 * shape(time / horizon); }
};
Family power_family(double p, double horizon);                                      ///< (1 + u)^-p
Family exponential_family(double horizon);                                          ///< exp(-u)
Family stretched_family(double b, double horizon);                                  ///< exp(-u^b)
Family logarithmic_family(double m, double horizon);                                ///< 1/[(1 + u)(1 + ln(1 + u))^m]
Family family_of_row(const std::string& letter, double parameter, double horizon);  ///< P, E, S or L

/// The family sampled at t = 0 and n times spaced evenly in ln t up to t_max; c2 = 1/2 unless it is the closure.
OrderParameterCurves sampled(const Family& family, double t_max, int n, bool closure = false);

}  // namespace iclk::test
