#include "token_kernels.hpp"

#include <limits>
#include <vector>

#include "iclk/core/random.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::transformer;
using namespace iclk::test;

namespace {

using Doubles = std::vector<double>;

template <class Real>
std::vector<Real> random_numbers(Rng& rng, std::size_t n) {
  std::vector<Real> numbers(n);
  for (auto& x : numbers) x = static_cast<Real>(rng.uniform(-1, 1));
  return numbers;
}

template <class Real>
void check_close(const char* what, const std::vector<Real>& found, const Doubles& expected, double tolerance) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(what, i);
    REQUIRE_THAT(static_cast<double>(found[i]), WithinAbs(expected[i], tolerance));
  }
}

/// M minus the mean of its column, in every column, or of its row.
void centre_columns(Doubles& m, std::size_t n) {
  for (std::size_t k = 0; k < n; ++k) {
    double mean = 0.0;
    for (std::size_t i = 0; i < n; ++i) mean += m[i * n + k] / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) m[i * n + k] -= mean;
  }
}
Doubles transposed(const Doubles& m, std::size_t n) {
  Doubles to(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < n; ++k) to[k * n + i] = m[i * n + k];
  }
  return to;
}

template <class Real>
void check_matrices(const TokenKernels<Real>& kernels, std::size_t n, double tolerance) {
  Rng rng(4, RandomPurpose::test, n);
  const auto g = random_numbers<Real>(rng, n), b = random_numbers<Real>(rng, n), a = random_numbers<Real>(rng, n * n),
             v = random_numbers<Real>(rng, n * n), u_sum = random_numbers<Real>(rng, n),
             direction_sum = random_numbers<Real>(rng, n), m = random_numbers<Real>(rng, n * n),
             r = random_numbers<Real>(rng, n * n), start = random_numbers<Real>(rng, n);
  const TokenMatrices<Real> matrices{n, g.data(), b.data(), a.data(), v.data()};
  const auto at = [](const std::vector<Real>& x, std::size_t i) { return static_cast<double>(x[i]); };

  std::vector<Real> turned(n * n);
  kernels.transpose(n, a.data(), turned.data());
  check_close("transpose", turned, transposed(Doubles(a.begin(), a.end()), n), 0.0);

  std::vector<Real> to_direction(n * n), to_input(n * n), from_mean(n * n), bias_direction(n), bias_input(n);
  kernels.combine(matrices,
                  {to_direction.data(), to_input.data(), from_mean.data(), bias_direction.data(), bias_input.data()});
  Doubles direction(n * n), input(n * n), direction_of_bias(n), input_of_bias(n);
  double mean = 0.0;
  for (std::size_t i = 0; i < n; ++i) {
    input_of_bias[i] = at(b, i);
    for (std::size_t k = 0; k < n; ++k) {
      direction[i * n + k] = at(g, i) * at(a, i * n + k) * at(g, k);
      input[i * n + k] = at(v, i * n + k) * at(g, k);
      direction_of_bias[i] += at(g, i) * at(a, i * n + k) * at(b, k);
      input_of_bias[i] += at(v, i * n + k) * at(b, k);
    }
    mean += direction_of_bias[i] / static_cast<double>(n);
  }
  for (double& x : direction_of_bias) x -= mean;
  centre_columns(direction, n);
  input = transposed(input, n);
  centre_columns(input, n);
  check_close("to_direction", to_direction, transposed(direction, n), tolerance);
  check_close("from_mean", from_mean, input, tolerance);
  check_close("to_input", to_input, transposed(input, n), tolerance);
  check_close("bias_direction", bias_direction, direction_of_bias, tolerance);
  check_close("bias_input", bias_input, input_of_bias, tolerance);

  std::vector<Real> d_value = m, d_a = r, d_gain = start, d_bias = start;
  kernels.separate(matrices,
                   {u_sum.data(), direction_sum.data(), d_value.data(), d_a.data(), d_gain.data(), d_bias.data()});
  // docs/equations.md: M G + m b^T, G (R G + n b^T), and what gain and bias get from both.
  Doubles value(n * n), both(n * n), gain(start.begin(), start.end()), bias(start.begin(), start.end());
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < n; ++k) {
      const std::size_t ik = i * n + k;
      const double inner = at(r, ik) * at(g, k) + at(direction_sum, i) * at(b, k);
      value[ik] = at(m, ik) * at(g, k) + at(u_sum, i) * at(b, k);
      both[ik] = at(g, i) * inner;
      gain[k] += at(v, ik) * at(m, ik) + at(g, i) * at(a, ik) * at(r, ik);
      gain[i] += at(a, ik) * inner;
      bias[k] += at(v, ik) * at(u_sum, i) + at(a, ik) * at(g, i) * at(direction_sum, i);
    }
  }
  check_close("d_value", d_value, value, tolerance);
  check_close("d_a", d_a, both, tolerance);
  check_close("d_gain", d_gain, gain, 4 * tolerance);
  check_close("d_bias", d_bias, bias, 4 * tolerance);

  auto p = m;
  kernels.descend(n * n, Real(0.75), Real(0.5), r.data(), p.data());
  Doubles descended(n * n);
  for (std::size_t i = 0; i < n * n; ++i) descended[i] = 0.75 * at(m, i) - 0.5 * at(r, i);
  check_close("descend", p, descended, tolerance);
}

template <class Real>
void check_rows(const TokenKernels<Real>& kernels, std::size_t n, double tolerance) {
  constexpr std::size_t kRows = 7;
  Rng rng(5, RandomPurpose::test, n);
  const auto x = random_numbers<Real>(rng, kRows * n), y = random_numbers<Real>(rng, kRows * n);
  Doubles sum(n), product(n);
  double dot = 0.0;
  for (std::size_t i = 0; i < kRows * n; ++i) {
    sum[i % n] += static_cast<double>(x[i]);
    product[i % n] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
    if (i < n) dot += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
  std::vector<Real> found(n, std::numeric_limits<Real>::quiet_NaN());
  kernels.sum_rows(kRows, n, x.data(), found.data());
  check_close("sum_rows", found, sum, tolerance);
  kernels.sum_products(kRows, n, x.data(), y.data(), found.data());
  check_close("sum_products", found, product, tolerance);
  CHECK_THAT(static_cast<double>(kernels.dot(n, x.data(), y.data())), WithinAbs(dot, tolerance));

  // Two features of a label behind the coordinates, then everything minus its mean.
  const std::size_t dim = n - 2;
  std::vector<Real> token(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n));
  Doubles centred(token.begin(), token.end());
  centred[dim] = 0.25;
  centred[dim + 1] = -0.5;
  double mean = 0.0;
  for (const double value : centred) mean += value / static_cast<double>(n);
  for (double& value : centred) value -= mean;
  kernels.add_features(dim, Real(0.25), Real(-0.5), token.data());
  check_close("add_features", token, centred, tolerance);

  const auto item = random_numbers<float>(rng, dim);
  const TokenMatrices<Real> matrices{n, y.data(), nullptr, nullptr, nullptr};
  auto bias_direction = random_numbers<Real>(rng, n), bias_input = random_numbers<Real>(rng, n);
  std::vector<Real> normed(n), direction(n), u(n);
  kernels.start_target(matrices, {nullptr, nullptr, nullptr, bias_direction.data(), bias_input.data()}, item.data(),
                       dim, Real(0.125), Real(3), normed.data(), direction.data(), u.data());
  Doubles target(n), input(n);
  for (std::size_t i = 0; i < n; ++i) {
    target[i] = 3.0 * ((i < dim ? static_cast<double>(item[i]) : 0.0) - 0.125);
    input[i] = static_cast<double>(y[i]) * target[i] + static_cast<double>(bias_input[i]);
  }
  check_close("normed", normed, target, tolerance);
  check_close("u", u, input, tolerance);
  CHECK(direction == bias_direction);
}

template <class Real>
void check_variants() {
  for (const auto& kernels : token_kernel_variants<Real>()) {
    for (const std::size_t width : {3, 4, 7, 10, 16, 31, 64, 65, 66, 132}) {
      CAPTURE(kernels.name, width);
      // Sums of up to 2 x width terms below 1.
      const double tolerance =
          4.0 * static_cast<double>(width) * static_cast<double>(std::numeric_limits<Real>::epsilon());
      check_matrices(kernels, width, tolerance);
      check_rows(kernels, width, tolerance);
    }
  }
}

}  // namespace

TEST_CASE("token kernels: every variant is the plain formula at every width", "[transformer][parity]") {
  check_variants<float>();
  check_variants<double>();
}
