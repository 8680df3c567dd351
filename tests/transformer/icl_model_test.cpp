#include "iclk/transformer/icl_model.hpp"

#include <limits>

#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::transformer;
using namespace iclk::test;

TEST_CASE("icl model: bad steps are named", "[transformer][errors]") {
  CHECK_NOTHROW(validate(IclSgd{}));
  CHECK_THROWS_WITH(validate(IclSgd{.lr = 0.0}), "lr: expected a positive learning rate, got 0");
  CHECK_THROWS_WITH(validate(IclSgd{.lr = std::numeric_limits<double>::infinity()}),
                    "lr: expected a positive learning rate, got inf");
  CHECK_THROWS_WITH(validate(IclSgd{.mlp_weight_decay = -1.0}),
                    "weight_decay: expected 0 or more and lr times it below 1, got -1");
  CHECK_THROWS_WITH(validate(IclSgd{.attention_weight_decay = 100.0}),
                    "attention_decay: expected 0 or more and lr times it below 1, got 100");
  CHECK_THROWS_WITH(validate(IclSgd{.lambda_w = -0.5}),
                    "lambda_w: expected 0 or more and lr times it below 1, got -0.5");
  CHECK_THROWS_WITH(validate(IclSgd{.lambda_beta = 1e300}),
                    "lambda_beta: expected 0 or more and lr times it below 1, got 1e+300");
}

TEST_CASE("icl model: logit parts have one size", "[transformer]") {
  LogitParts parts;
  parts.resize(7);
  CHECK(parts.total.size() == 7);
  CHECK(parts.mlp.size() == 7);
  CHECK(parts.attention.size() == 7);
}
