#include "attention_head.hpp"

#include <algorithm>
#include <cmath>

#include "head_kernel_vectors.hpp"

namespace iclk::transformer {
namespace {

HeadKernel best_kernel() noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return avx512_head_kernel();
  if (__builtin_cpu_supports("avx2")) return avx2_head_kernel();
#endif
  return baseline_head_kernel();
}

/// The dot product with the largest weight.
template <class Real>
Real top_of(double beta, std::span<const Real> dots, const Real* self) noexcept {
  Real top = self != nullptr ? *self : dots[0];
  if (beta > 0) {
    for (const Real s : dots) top = std::max(top, s);
  } else {
    for (const Real s : dots) top = std::min(top, s);
  }
  return top;
}

HeadOutput output_of(double total, double label, double dot, double both) noexcept {
  const double mean_label = label / total;
  return {.label = mean_label, .slope = both / total - mean_label * (dot / total)};
}

}  // namespace

HeadKernel baseline_head_kernel() { return {"baseline", dots_of, sums_of}; }

std::vector<HeadKernel> head_kernels() {
  std::vector<HeadKernel> kernels{baseline_head_kernel()};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) kernels.push_back(avx2_head_kernel());
  if (__builtin_cpu_supports("avx512f")) kernels.push_back(avx512_head_kernel());
#endif
  return kernels;
}

HeadOutput attend(double beta, std::span<const double> dots, const std::int8_t* labels, const double* self) noexcept {
  const double top = top_of(beta, dots, self);
  double total = 0.0, label = 0.0, dot = 0.0, both = 0.0;
  const auto add = [&](double s, double y) {
    const double weight = std::exp(beta * (s - top));
    total += weight;
    label += weight * y;
    dot += weight * (s - top);
    both += weight * y * (s - top);
  };
  for (std::size_t j = 0; j < dots.size(); ++j) add(dots[j], labels[j]);
  if (self != nullptr) add(*self, 0.0);
  return output_of(total, label, dot, both);
}

HeadOutput attend(double beta, std::span<const float> dots, const std::int8_t* labels, const float* self) noexcept {
  static const HeadKernel kernel = best_kernel();
  const float top = top_of(beta, dots, self);
  const HeadSums sums = kernel.sums(static_cast<float>(beta), top, dots.data(), labels, dots.size());
  double total = sums.total, dot = sums.dot;
  if (self != nullptr) {
    const double s = static_cast<double>(*self) - top;
    const double weight = std::exp(beta * s);
    total += weight;
    dot += weight * s;
  }
  return output_of(total, sums.label, dot, sums.both);
}

void dot_products(const HeadRows& rows, double* dots) noexcept {
  for (std::size_t j = 0; j < rows.n; ++j) {
    const float* row = rows.table + rows.items[j] * rows.stride;
    double sum = 0.0;
    for (std::size_t d = 0; d < rows.dim; ++d) sum += static_cast<double>(row[d]) * rows.target[d];
    dots[j] = sum;
  }
}

void dot_products(const HeadRows& rows, float* dots) noexcept {
  static const HeadKernel kernel = best_kernel();
  kernel.dots(rows, dots);
}

}  // namespace iclk::transformer
