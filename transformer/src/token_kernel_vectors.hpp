#pragma once

// Loops over tokens' features for one instruction set. Each of token_kernel_*.cpp, and token_kernels.cpp for what every
// machine has, compiles this with the flags of its own set. Nothing of the standard library comes in here, where it would
// be compiled with these flags too.

#include "token_kernel.hpp"

namespace iclk::transformer {
namespace {

#if defined(__AVX2__)
constexpr std::size_t kRegister = 32;  // bytes
#else
constexpr std::size_t kRegister = 16;
#endif
template <class Real, std::size_t kBytes = kRegister>
struct Lanes {
  typedef Real Pack __attribute__((vector_size(kBytes)));
};

/// V: a number or a pack of them.
template <class V, class Real>
[[gnu::always_inline]] inline V load(const Real* from) {
  V to;
  __builtin_memcpy(&to, from, sizeof to);
  return to;
}
template <class V, class Real>
[[gnu::always_inline]] inline void store(Real* to, V from) {
  __builtin_memcpy(to, &from, sizeof from);
}

/// body<V>(i) for all i < n: whole registers, then half of one, half of that, and so on.
template <class Real, std::size_t kBytes = kRegister, class Body>
[[gnu::always_inline]] inline void for_features(std::size_t n, Body body, std::size_t i = 0) {
  if constexpr (kBytes == sizeof(Real)) {
    if (i < n) body.template operator()<Real>(i);
  } else {
    constexpr std::size_t kLanes = kBytes / sizeof(Real);
    for (; i + kLanes <= n; i += kLanes) body.template operator()<typename Lanes<Real, kBytes>::Pack>(i);
    for_features<Real, kBytes / 2>(n, body, i);
  }
}

/// start + sum of term<V>(i), i < n, in the same way; halves of registers are added up.
template <class Real, std::size_t kBytes = kRegister, class Term>
[[gnu::always_inline]] inline Real sum_features(
    std::size_t n, Term term, std::size_t i = 0,
    typename Lanes<Real, kBytes>::Pack start = typename Lanes<Real, kBytes>::Pack{}) {
  constexpr std::size_t kLanes = kBytes / sizeof(Real);
  for (; i + kLanes <= n; i += kLanes) start += term.template operator()<typename Lanes<Real, kBytes>::Pack>(i);
  if constexpr (kLanes == 2) {
    const Real sum = start[0] + start[1];
    return i < n ? sum + term.template operator()<Real>(i) : sum;
  } else {
    using Half = typename Lanes<Real, kBytes / 2>::Pack;
    const Real* lanes = reinterpret_cast<const Real*>(&start);
    const Half half = load<Half>(lanes) + load<Half>(lanes + kLanes / 2);
    return sum_features<Real, kBytes / 2>(n, term, i, half);
  }
}

template <class Real>
Real dot_features(std::size_t n, const Real* x, const Real* y) {
  return sum_features<Real>(n, [=]<class V>(std::size_t i) { return load<V>(x + i) * load<V>(y + i); });
}

/// x <- factor (x minus its mean)
template <class Real>
void centre_features(std::size_t n, Real factor, Real* x) {
  const Real mean =
      sum_features<Real>(n, [=]<class V>(std::size_t i) { return load<V>(x + i); }) / static_cast<Real>(n);
  for_features<Real>(n, [=]<class V>(std::size_t i) { store(x + i, (load<V>(x + i) - mean) * factor); });
}

/// to = from transposed, n x n, in blocks of 4 x 4: entry by entry would take a cache line for each.
template <class Real>
void transpose_square(std::size_t n, const Real* from, Real* to) {
  using Row = typename Lanes<Real, 4 * sizeof(Real)>::Pack;
  const std::size_t whole = n / 4 * 4;
  for (std::size_t i = 0; i < whole; i += 4) {
    for (std::size_t k = 0; k < whole; k += 4) {
      const Real* at = from + i * n + k;
      const Row a = load<Row>(at), b = load<Row>(at + n), c = load<Row>(at + 2 * n), d = load<Row>(at + 3 * n);
      const Row ac = __builtin_shufflevector(a, c, 0, 4, 1, 5), bd = __builtin_shufflevector(b, d, 0, 4, 1, 5);
      const Row ac2 = __builtin_shufflevector(a, c, 2, 6, 3, 7), bd2 = __builtin_shufflevector(b, d, 2, 6, 3, 7);
      Real* into = to + k * n + i;
      store(into, __builtin_shufflevector(ac, bd, 0, 4, 1, 5));
      store(into + n, __builtin_shufflevector(ac, bd, 2, 6, 3, 7));
      store(into + 2 * n, __builtin_shufflevector(ac2, bd2, 0, 4, 1, 5));
      store(into + 3 * n, __builtin_shufflevector(ac2, bd2, 2, 6, 3, 7));
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = i < whole ? whole : 0; k < n; ++k) to[k * n + i] = from[i * n + k];
  }
}

template <class Real>
void combine_matrices(const TokenMatrices<Real>& matrices, const CombinedMatrices<Real>& combined) {
  const std::size_t width = matrices.width;
  const Real *g = matrices.gain, *bias = matrices.bias;
  transpose_square(width, matrices.a, combined.to_direction);
  for (std::size_t i = 0; i < width; ++i) {
    const Real* value = matrices.value + i * width;
    Real *direction = combined.to_direction + i * width, *input = combined.to_input + i * width;
    for_features<Real>(width, [=]<class V>(std::size_t k) {
      store(direction + k, load<V>(direction + k) * load<V>(g + k));
      store(input + k, load<V>(value + k) * load<V>(g + k));
    });
    centre_features(width, g[i], direction);
    centre_features(width, Real(1), input);
    combined.bias_input[i] = bias[i] + dot_features(width, value, bias);
    combined.bias_direction[i] = g[i] * dot_features(width, matrices.a + i * width, bias);
  }
  centre_features(width, Real(1), combined.bias_direction);
  transpose_square(width, combined.to_input, combined.from_mean);
}

template <class Real>
void start_target(const TokenMatrices<Real>& matrices, const CombinedMatrices<Real>& combined, const float* item,
                  std::size_t dim, Real shift, Real scale, Real* __restrict normed, Real* direction, Real* u) {
  for (std::size_t d = 0; d < dim; ++d) normed[d] = scale * (static_cast<Real>(item[d]) - shift);
  for (std::size_t d = dim; d < matrices.width; ++d) normed[d] = -scale * shift;
  const Real *g = matrices.gain, *bias_input = combined.bias_input, *bias_direction = combined.bias_direction;
  for_features<Real>(matrices.width, [=]<class V>(std::size_t i) {
    store(u + i, load<V>(g + i) * load<V>(normed + i) + load<V>(bias_input + i));
    store(direction + i, load<V>(bias_direction + i));
  });
}

template <class Real>
void add_features(std::size_t dim, Real plus, Real minus, Real* x) {
  const std::size_t width = dim + 2;
  const Real mean = (sum_features<Real>(dim, [=]<class V>(std::size_t i) { return load<V>(x + i); }) + (plus + minus)) /
                    static_cast<Real>(width);
  for_features<Real>(dim, [=]<class V>(std::size_t i) { store(x + i, load<V>(x + i) - mean); });
  x[dim] = plus - mean;
  x[dim + 1] = minus - mean;
}

// Row by row: what comes from memory comes in order.

template <class Real>
void sum_rows(std::size_t n, std::size_t width, const Real* rows, Real* sum) {
  for (std::size_t i = 0; i < width; ++i) sum[i] = 0;
  for (std::size_t row = 0; row < n; ++row, rows += width) {
    for_features<Real>(width, [=]<class V>(std::size_t i) { store(sum + i, load<V>(sum + i) + load<V>(rows + i)); });
  }
}

template <class Real>
void sum_products(std::size_t n, std::size_t width, const Real* rows, const Real* others, Real* sum) {
  for (std::size_t i = 0; i < width; ++i) sum[i] = 0;
  for (std::size_t row = 0; row < n; ++row, rows += width, others += width) {
    for_features<Real>(width, [=]<class V>(std::size_t i) {
      store(sum + i, load<V>(sum + i) + load<V>(rows + i) * load<V>(others + i));
    });
  }
}

/// One row of a matrix M that acts on g x + c: from d_row, the gradient in the row where it acts on x, and `sum`, that in
/// its product with 1, to the gradients in g, c and the row. `factor` stands before all.
template <class Real>
void separate_row(const TokenMatrices<Real>& matrices, Real factor, Real sum, const Real* row, Real* d_row,
                  Real* d_gain, Real* d_bias) {
  const Real *g = matrices.gain, *c = matrices.bias;
  for_features<Real>(matrices.width, [=]<class V>(std::size_t k) {
    const V entry = factor * load<V>(row + k), gradient = load<V>(d_row + k);
    store(d_gain + k, load<V>(d_gain + k) + entry * gradient);
    store(d_bias + k, load<V>(d_bias + k) + entry * sum);
    store(d_row + k, gradient * load<V>(g + k) + sum * load<V>(c + k));
  });
}

/// The way back through combine_matrices: d_value holds sum_b du y^T and d_a sum_b dr h_T^T, y and h_T without gain and
/// bias, and r = P g A t_T is the direction.
template <class Real>
void separate_gradients(const TokenMatrices<Real>& matrices, const SeparatedGradients<Real>& gradients) {
  const std::size_t width = matrices.width;
  for (std::size_t i = 0; i < width; ++i) {
    separate_row(matrices, Real(1), gradients.u_sum[i], matrices.value + i * width, gradients.d_value + i * width,
                 gradients.d_gain, gradients.d_bias);
  }
  for (std::size_t i = 0; i < width; ++i) {
    const Real gain = matrices.gain[i];
    const Real* a = matrices.a + i * width;
    Real* d_a = gradients.d_a + i * width;
    separate_row(matrices, gain, gradients.direction_sum[i], a, d_a, gradients.d_gain, gradients.d_bias);
    gradients.d_gain[i] += dot_features(width, a, d_a);
    for_features<Real>(width, [=]<class V>(std::size_t k) { store(d_a + k, load<V>(d_a + k) * gain); });
  }
}

template <class Real>
void descend(std::size_t n, Real keep, Real rate, const Real* gradient, Real* p) {
  for_features<Real>(
      n, [=]<class V>(std::size_t i) { store(p + i, keep * load<V>(p + i) - rate * load<V>(gradient + i)); });
}

template <class Real>
TokenKernels<Real> token_kernels(const char* name) {
  return {name,
          transpose_square<Real>,
          combine_matrices<Real>,
          start_target<Real>,
          dot_features<Real>,
          add_features<Real>,
          sum_rows<Real>,
          sum_products<Real>,
          separate_gradients<Real>,
          descend<Real>};
}

}  // namespace
}  // namespace iclk::transformer
