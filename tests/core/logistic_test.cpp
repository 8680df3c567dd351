#include "iclk/core/logistic.hpp"

#include <utility>

#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;

TEST_CASE("logistic functions: 17-digit reference values", "[core]") {
  const auto table = test::read_table("special_normal.csv");
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const double x = table.number(row, "x");
    INFO("x = " << x);
    for (const auto& [name, value] : {std::pair{"sigmoid", sigmoid(x)}, std::pair{"softplus", softplus(x)},
                                      std::pair{"log_sigmoid", log_sigmoid(x)}}) {
      const double expected = table.number(row, name);
      INFO(name);
      // Values below the normal range of a double are printed as 0.0, hence the absolute alternative.
      CHECK_THAT(value, WithinRel(expected, 1e-14) || WithinAbs(expected, 1e-300));
    }
  }
}

TEST_CASE("logistic functions: tails keep their relative accuracy", "[core][limits]") {
  // exp(-700), 17 digits, from the golden order parameters of the logit 700.
  REQUIRE_THAT(sigmoid(-700.0), WithinRel(9.8596765437597709e-305, 1e-14));
  REQUIRE_THAT(softplus(-700.0), WithinRel(9.8596765437597709e-305, 1e-14));
  REQUIRE(sigmoid(-1e4) == 0.0);
  REQUIRE(sigmoid(1e308) == 1.0);
  REQUIRE(softplus(1e308) == 1e308);
  REQUIRE(log_sigmoid(-1e308) == -1e308);
}

TEST_CASE("logistic functions: sigma(x) + sigma(-x) = 1 and sp(x) - sp(-x) = x", "[core][identity]") {
  for (double x = -40.0; x < 40.0; x += 0.37) {
    REQUIRE_THAT(sigmoid(x) + sigmoid(-x), WithinRel(1.0, 4e-16));
    REQUIRE_THAT(softplus(x) - softplus(-x), WithinAbs(x, 1e-14));
    REQUIRE_THAT(std::log(sigmoid(x)), WithinRel(log_sigmoid(x), 1e-13) || WithinAbs(log_sigmoid(x), 2e-16));
  }
}
