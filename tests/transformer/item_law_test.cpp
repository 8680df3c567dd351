#include "item_law.hpp"

#include <vector>

#include "iclk/core/random.hpp"
#include "sequence_rules.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::transformer;

namespace {

std::vector<std::uint32_t> numbers(std::uint32_t n, std::uint32_t step) {
  std::vector<std::uint32_t> items(n);
  for (std::uint32_t i = 0; i < n; ++i) items[i] = step * i;
  return items;
}

}  // namespace

TEST_CASE("item law: many at once are those drawn one by one", "[transformer][parity]") {
  for (const std::uint32_t n : {1U, 2U, 37U, 2000U}) {
    for (const std::uint32_t step : {1U, 3U}) {
      for (const double exponent : {0.0, 1.1}) {
        CAPTURE(n, step, exponent);
        const ItemLaw law(numbers(n, step), exponent);
        Rng one(7, RandomPurpose::test, n), many(7, RandomPurpose::test, n);
        std::vector<std::uint32_t> items(333);
        law.draw(many, items);
        for (const std::uint32_t item : items) REQUIRE(item == law.draw(one));
        CHECK(one() == many());
      }
    }
  }
}

TEST_CASE("sequence rules: exemplars drawn in a row are those drawn one by one", "[transformer][parity]") {
  constexpr std::size_t n = 100;
  std::vector<std::uint32_t> items(n);
  std::vector<std::int8_t> labels(n);
  const auto check = [&](auto one_source, auto row_source) {
    Rng one(8, RandomPurpose::test, 0), row(8, RandomPurpose::test, 0);
    for (int sequence = 0; sequence < 5; ++sequence) {
      row_source.draw(row, n, items.data(), labels.data());
      for (std::size_t j = 0; j < n; ++j) {
        const Pick pick = one_source.draw(one, 0);
        REQUIRE(items[j] == pick.item);
        REQUIRE(int{labels[j]} == int{pick.label});
      }
      CHECK(one() == row());
    }
  };
  check(FreshItems{}, FreshItems{});

  std::vector<std::int8_t> item_labels(500);
  for (std::size_t i = 0; i < item_labels.size(); ++i) item_labels[i] = i % 3 == 0 ? 1 : -1;
  const ItemLaw all(numbers(500, 1), 0.0), none({}, 0.0);
  const KnownItems known{.all = all, .positive = none, .negative = none, .labels = item_labels};
  check(known, known);
}
