#include "iclk/mlp_stats/mlp.hpp"

#include <algorithm>
#include <cmath>

#include "support/catch.hpp"

using namespace iclk::mlp_stats;
using namespace iclk::test;

TEST_CASE("MLP: initial values are uniform within 1/sqrt(fan in)", "[mlp_stats]") {
  const MlpShape shape{.n_features = 63, .hidden = 512};
  const auto p = initial_parameters(shape, 5);
  const auto check = [](const std::vector<double>& values, double fan_in) {
    const double bound = 1 / std::sqrt(fan_in);
    double squares = 0.0;
    for (const double v : values) {
      REQUIRE(std::abs(v) <= bound);
      REQUIRE(v == static_cast<double>(static_cast<float>(v)));
      squares += v * v;
    }
    const auto n = static_cast<double>(values.size());
    // <v^2> = bound^2/3 with standard error bound^2 sqrt(4/45/n); five of them.
    CHECK(std::abs(squares / n / (bound * bound) - 1.0 / 3) < 5 * std::sqrt(4.0 / 45 / n));
  };
  check(p.w1, 63);
  check(p.b1, 63);
  check(p.w2, 512);
  check(p.b2, 512);
  check(p.w3, 512);
  CHECK(std::abs(p.b3.front()) <= 1 / std::sqrt(512.0));
  CHECK(p == initial_parameters(shape, 5));
  CHECK_FALSE(p.w2 == initial_parameters(shape, 6).w2);
}

TEST_CASE("MLP: a step of the network of the paper costs about 0.22 GFLOP", "[mlp_stats]") {
  // Forward 63x512 + 512x512 + 512, gradients of the same sizes, and back through the last two layers:
  // 2 * 128 * (2*32256 + 3*262144 + 3*512).
  CHECK_THAT(flops_per_step({.n_features = 63, .hidden = 512}, 128), WithinRel(218234880.0, 1e-15));
}
