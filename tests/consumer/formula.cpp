#include <cmath>
#include <cstdio>

#include "iclk/core/run_info.hpp"
#include "iclk/theory/acquisition_time.hpp"

int main() {
  // (2 N/c2) ln[1 + c2 R(-c2)] at N = 100, c2 = 1/2, with R the Mills ratio.
  const double r = std::sqrt(std::acos(-1.0) / 2) * std::exp(0.125) * std::erfc(-0.5 / std::sqrt(2.0));
  const double expected = 400 * std::log1p(0.5 * r);
  const double found = iclk::theory::acquisition_integral_exact(100, 0.0, 0.0, 0.5);
  std::printf("icl_kinetics %s: %.12g, expected %.12g\n", iclk::version().data(), found, expected);
  return std::abs(found / expected - 1) < 1e-12 ? 0 : 1;
}
