#include "iclk/mlp_stats/item_dataset.hpp"

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "iclk/core/error.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::mlp_stats;
using namespace iclk::test;

namespace {

/// LayerNorm with gain 1, bias 0 and PyTorch's epsilon, written from its definition.
std::vector<double> layer_normed(std::vector<double> x) {
  const auto n = static_cast<double>(x.size());
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / n;
  double variance = 0.0;
  for (const double v : x) variance += (v - mean) * (v - mean) / n;
  for (double& v : x) v = (v - mean) / std::sqrt(variance + 1e-5);
  return x;
}

}  // namespace

TEST_CASE("item data set: coordinates have mean 0 and variance 1/dim", "[mlp_stats]") {
  const std::uint64_t dim = 63;
  const auto dataset = make_item_dataset(4000, dim, LabelRule::random, InputForm::raw, 7);
  REQUIRE(dataset.features.size() == 4000 * dim);
  const auto n = static_cast<double>(dataset.features.size());
  double sum = 0.0;
  double squares = 0.0;
  double fourths = 0.0;
  for (const float x : dataset.features) {
    const double z = x * std::sqrt(63.0);
    sum += z;
    squares += z * z;
    fourths += z * z * z * z;
  }
  // Standard errors of the moments of N(0, 1): 1/sqrt(n), sqrt(2/n), sqrt(96/n); five of them.
  CHECK(std::abs(sum / n) < 5 / std::sqrt(n));
  CHECK(std::abs(squares / n - 1) < 5 * std::sqrt(2 / n));
  CHECK(std::abs(fourths / n - 3) < 5 * std::sqrt(96 / n));
}

TEST_CASE("item data set: items of one seed are the same whatever their number", "[mlp_stats]") {
  const auto few = make_item_dataset(10, 5, LabelRule::random, InputForm::raw, 3);
  const auto many = make_item_dataset(100, 5, LabelRule::random, InputForm::raw, 3);
  const auto other = make_item_dataset(10, 5, LabelRule::random, InputForm::raw, 4);
  CHECK(std::equal(few.features.begin(), few.features.end(), many.features.begin()));
  CHECK(std::equal(few.labels.begin(), few.labels.end(), many.labels.begin()));
  CHECK(few.features != other.features);
}

TEST_CASE("item data set: random labels are fair and balanced labels exactly so", "[mlp_stats]") {
  const auto total = [](const ItemDataset& d) { return std::accumulate(d.labels.begin(), d.labels.end(), 0); };
  const auto random = make_item_dataset(10000, 1, LabelRule::random, InputForm::raw, 0);
  for (const auto label : random.labels) REQUIRE((label == 1 || label == -1));
  CHECK(std::abs(total(random)) < 500);  // five standard errors, 5 sqrt(10000)
  CHECK(total(random) != 0);
  const auto balanced = make_item_dataset(10000, 1, LabelRule::balanced, InputForm::raw, 0);
  CHECK(total(balanced) == 0);
  // In random order: the first half holds both labels about equally; sd of its sum is sqrt(5000 / 2) = 50.
  CHECK(std::abs(std::accumulate(balanced.labels.begin(), balanced.labels.begin() + 5000, 0)) < 250);
}

TEST_CASE("item data set: labels can be drawn without the items", "[mlp_stats]") {
  for (const LabelRule rule : {LabelRule::random, LabelRule::balanced}) {
    CHECK(make_labels(60, rule, 4) == make_item_dataset(60, 2, rule, InputForm::raw, 4).labels);
    CHECK(make_labels(60, rule, 4) != make_labels(60, rule, 5));
  }
}

TEST_CASE("item data set: the token is the LayerNorm of the item with two zero labels", "[mlp_stats]") {
  std::ifstream file(std::string(ICLK_TEST_DATA) + "/pytorch/mlp_reference.json");
  const auto reference = nlohmann::json::parse(file);
  const auto items = reference["items"].get<std::vector<double>>();
  const auto tokens = reference["tokens"].get<std::vector<double>>();
  const std::size_t dim = reference["n_features"];
  for (std::size_t i = 0; i * dim < items.size(); ++i) {
    std::vector<double> token(items.begin() + i * dim, items.begin() + (i + 1) * dim);
    token.resize(dim + 2);
    token = layer_normed(token);
    for (std::size_t d = 0; d < dim + 2; ++d) REQUIRE_THAT(token[d], WithinAbs(tokens[i * (dim + 2) + d], 1e-14));
  }

  const auto raw = make_item_dataset(20, 63, LabelRule::random, InputForm::raw, 1);
  const auto token = make_item_dataset(20, 63, LabelRule::random, InputForm::token, 1);
  REQUIRE(token.n_features == 65);
  CHECK(token.labels == raw.labels);
  for (std::size_t i = 0; i < 20; ++i) {
    std::vector<double> expected(raw.features.begin() + i * 63, raw.features.begin() + (i + 1) * 63);
    expected.resize(65);
    expected = layer_normed(expected);
    for (std::size_t d = 0; d < 65; ++d) {
      // The raw features were rounded to float first: 6e-8 of values up to about 4.
      REQUIRE_THAT(token.features[i * 65 + d], WithinAbs(expected[d], 1e-6));
    }
  }
}

TEST_CASE("item data set: impossible sizes are named", "[mlp_stats][errors]") {
  CHECK_THROWS_WITH(make_item_dataset(1, 5, LabelRule::random, InputForm::raw, 0),
                    "n_items: expected 2 to 10000000 items, got 1");
  CHECK_THROWS_WITH(make_item_dataset(1'000'000'000'000, 5, LabelRule::random, InputForm::raw, 0),
                    "n_items: expected 2 to 10000000 items, got 1000000000000");
  CHECK_THROWS_WITH(make_item_dataset(7, 5, LabelRule::balanced, InputForm::raw, 0),
                    "n_items: balanced labels need an even number of items, got 7");
  CHECK_THROWS_WITH(make_item_dataset(8, 0, LabelRule::random, InputForm::raw, 0), "dim: expected 1 to 16384, got 0");
}
