#pragma once

#include <cstddef>

namespace iclk::transformer {

// Sums in a fixed order with partial sums side by side, which compilers turn into vector operations.

/// x . y
template <class Real>
Real dot(const Real* x, const Real* y, std::size_t n) {
  constexpr std::size_t kPartialSums = 8;
  Real partial[kPartialSums] = {};
  std::size_t i = 0;
  for (; i + kPartialSums <= n; i += kPartialSums) {
    for (std::size_t lane = 0; lane < kPartialSums; ++lane) partial[lane] += x[i + lane] * y[i + lane];
  }
  for (; i < n; ++i) partial[0] += x[i] * y[i];
  Real sum = 0;
  for (const Real part : partial) sum += part;
  return sum;
}

/// x <- x minus its mean.
template <class Real>
void centre(Real* x, std::size_t n) {
  constexpr std::size_t kPartialSums = 8;
  Real partial[kPartialSums] = {};
  std::size_t i = 0;
  for (; i + kPartialSums <= n; i += kPartialSums) {
    for (std::size_t lane = 0; lane < kPartialSums; ++lane) partial[lane] += x[i + lane];
  }
  for (; i < n; ++i) partial[0] += x[i];
  Real sum = 0;
  for (const Real part : partial) sum += part;
  const Real mean = sum / static_cast<Real>(n);
  for (i = 0; i < n; ++i) x[i] -= mean;
}

}  // namespace iclk::transformer
