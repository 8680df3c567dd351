#include "iclk/core/order_parameters.hpp"

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "iclk/core/logistic.hpp"
#include "iclk/core/random.hpp"
#include "message_of.hpp"
#include "support/catch.hpp"
#include "support/csv_table.hpp"

using namespace iclk;
using namespace iclk::test;
using nlohmann::json;

namespace {

json read_json(const char* name) { return json::parse(std::ifstream(data_path(name))); }

/// A number of the reference file, where "inf" stands above the range of a double.
double number(const json& value) {
  return value.is_string() ? std::numeric_limits<double>::infinity() : value.get<double>();
}

std::vector<double> weights_of(const json& row) {
  return row.at("weights").is_null() ? std::vector<double>{} : row.at("weights").get<std::vector<double>>();
}

/// Relative 1e-12; the reference prints 0.0 for values below the normal range of a double.
void check(double value, const json& expected, double tolerance = 1e-12) {
  const double target = number(expected);
  if (std::isinf(target)) {
    CHECK(value == target);
  } else {
    CHECK_THAT(value, WithinRel(target, tolerance) || WithinAbs(target, 1e-300));
  }
}

}  // namespace

TEST_CASE("order parameters: every row of the reference values", "[core][eq15][eq29][eq30]") {
  const json rows = read_json("order_parameters.json");
  REQUIRE(rows.size() >= 17);
  for (const json& row : rows) {
    INFO(row.at("id"));
    const auto weights = weights_of(row);
    const OrderParameters p = order_parameters(row.at("phi").get<std::vector<double>>(), weights);
    check(p.c1, row.at("c1"));
    check(p.c2, row.at("c2"));
    check(p.c3, row.at("c3"));
    check(p.loss, row.at("loss_mlp"));
    check(1.0 - p.accuracy, row.at("error_rate"));
    // A logarithm near zero has the absolute accuracy of the number whose logarithm it is.
    CHECK_THAT(p.log_c1,
               WithinRel(row.at("ln_c1").get<double>(), 1e-12) || WithinAbs(row.at("ln_c1").get<double>(), 1e-15));
    CHECK_THAT(p.log_c3,
               WithinRel(row.at("ln_c3").get<double>(), 1e-12) || WithinAbs(row.at("ln_c3").get<double>(), 1e-15));
  }
}

TEST_CASE("order parameters: named logit lists agree with the reference values", "[core][eq29][eq30]") {
  const json lists = read_json("logit_lists.json");
  const json rows = read_json("order_parameters.json");
  int compared = 0;
  for (const auto& [name, list] : lists.items()) {
    for (const json& row : rows) {
      if (row.at("id") != name) continue;
      const OrderParameters p = order_parameters(list.at("phi").get<std::vector<double>>(), weights_of(list));
      INFO(name);
      check(p.c1, row.at("c1"));
      check(p.c2, row.at("c2"));
      check(p.c3, row.at("c3"));
      ++compared;
    }
  }
  REQUIRE(compared == 4);
}

TEST_CASE("order parameters: agree with the averages as printed where those do not cancel", "[core][eq30]") {
  Rng rng(3, RandomPurpose::test, 1);
  std::vector<double> logits(257);
  double sigma = 0.0;
  double sigma_squared = 0.0;
  double exponential = 0.0;
  for (double& logit : logits) {
    logit = rng.normal() + 0.5;
    const double wrong = sigmoid(-logit);
    sigma += wrong / 257.0;
    sigma_squared += wrong * wrong / 257.0;
    exponential += std::exp(-logit) / 257.0;
  }
  const OrderParameters p = order_parameters(logits);
  REQUIRE_THAT(p.c1, WithinRel(sigma, 1e-13));
  REQUIRE_THAT(p.c2, WithinRel(1.0 - sigma_squared / sigma, 1e-13));
  REQUIRE_THAT(p.c3, WithinRel(exponential, 1e-13));
}

TEST_CASE("order parameters: finite logarithms for logits of any size", "[core][limits]") {
  for (const double size : {700.0, 746.0, 1e4, 1e300}) {
    INFO(size);
    const OrderParameters right = order_parameters(std::vector<double>{size, size});
    CHECK_THAT(right.log_c1, WithinRel(-size, 1e-12));
    CHECK_THAT(right.log_c3, WithinRel(-size, 1e-12));
    CHECK_THAT(right.c2, WithinRel(1.0, 1e-12));
    CHECK(right.accuracy == 1.0);
    const OrderParameters wrong = order_parameters(std::vector<double>{-size});
    CHECK(wrong.c1 == 1.0);
    CHECK_THAT(wrong.log_c3, WithinRel(size, 1e-12));
    CHECK_THAT(wrong.loss, WithinRel(size, 1e-12));
    CHECK(std::isinf(wrong.c3) == (size > 709.0));
  }
}

TEST_CASE("order parameters: weights count as repeated items and ties as half right", "[core][identity]") {
  const OrderParameters weighted = order_parameters(std::vector<double>{-1.0, 2.0}, std::vector<double>{1.0, 3.0});
  const OrderParameters repeated = order_parameters(std::vector<double>{-1.0, 2.0, 2.0, 2.0});
  REQUIRE_THAT(weighted.c1, WithinRel(repeated.c1, 1e-14));
  REQUIRE_THAT(weighted.c2, WithinRel(repeated.c2, 1e-14));
  REQUIRE_THAT(weighted.c3, WithinRel(repeated.c3, 1e-14));
  REQUIRE_THAT(weighted.loss, WithinRel(repeated.loss, 1e-14));
  REQUIRE(weighted.accuracy == 0.75);
  REQUIRE(order_parameters(std::vector<double>{0.0, 0.0}).accuracy == 0.5);
  const OrderParameters ignored = order_parameters(std::vector<double>{-1.0, 2.0}, std::vector<double>{1.0, 0.0});
  REQUIRE_THAT(ignored.c1, WithinRel(sigmoid(1.0), 1e-14));
}

TEST_CASE("order parameters: bad input is named", "[core][errors]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  using List = std::vector<double>;
  CHECK(message_of([] { order_parameters(List{}); }) == "logits: expected at least one logit, got none");
  CHECK(message_of([&] { order_parameters(List{1.0, nan}); }) == "logits: logit 1 is not finite");
  CHECK(message_of([] {
          order_parameters(List{1.0}, List{1.0, 2.0});
        }) == "weights: expected 1 weights, one per logit, got 2");
  CHECK(message_of([] { order_parameters(List{1.0}, List{-1.0}); }) ==
        "weights: weight 0 is not a non-negative number");
  CHECK(message_of([] { order_parameters(List{1.0}, List{0.0}); }) == "weights: the weights sum to zero");
}
