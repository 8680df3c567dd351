// What the kernels of backend cuda compute, on the host.

#include <cmath>
#include <limits>
#include <vector>

#include "device_random.hpp"
#include "host_space.hpp"
#include "iclk/core/order_parameters.hpp"
#include "mlp_kernels.hpp"
#include "network_kernels.hpp"
#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::device;
using namespace iclk::test;

TEST_CASE("device random: the draws are those of Rng", "[mlp_stats][cuda]") {
  for (const std::uint64_t seed : {0ULL, 5ULL, 0x123456789abcdef0ULL}) {
    for (const std::uint64_t index : {0ULL, 7ULL, 0xfedcba987654321ULL}) {
      Rng expected(seed, RandomPurpose::test, index);
      StreamRng found(seed, RandomPurpose::test, index);
      for (int i = 0; i < 50; ++i) REQUIRE(found() == expected());
      for (int i = 0; i < 50; ++i) REQUIRE(found.uniform() == expected.uniform());
      // The last one rejects nearly every second word.
      for (const std::uint64_t n : {1ULL, 2ULL, 100ULL, 9666ULL, 10'000'000ULL, 2'200'000'000ULL}) {
        for (int i = 0; i < 50; ++i) REQUIRE(found.below(n) == expected.below(n));
      }
    }
  }
}

TEST_CASE("device sampling: items of a step are those of the stream also where words are rejected",
          "[mlp_stats][cuda]") {
  HostSpace space;
  // With 2.2e9 items no batch is without a rejected word, with 1e7 about one in four is.
  const std::vector<std::uint32_t> n_items{2, 9666, 10'000'000, 2'200'000'000U};
  const std::uint32_t batch = 131, n_steps = 5, steps_per_replay = 7;
  std::vector<DataSlot> slots;
  for (std::uint32_t i = 0; i < n_items.size(); ++i) {
    slots.push_back({.items = nullptr, .labels = nullptr, .seed = 40 + i, .step = 1000 * i, .n_items = n_items[i]});
  }
  std::vector<std::uint32_t> items(n_items.size() * steps_per_replay * batch, 77);
  space.reduce<DrawItems::kLanes, Along::lanes>(n_items.size() * n_steps,
                                                DrawItems{.slots = slots.data(),
                                                          .items = items.data(),
                                                          .n_steps = n_steps,
                                                          .steps_per_replay = steps_per_replay,
                                                          .batch = batch});
  for (std::uint32_t slot = 0; slot < n_items.size(); ++slot) {
    for (std::uint32_t step = 0; step < n_steps; ++step) {
      CAPTURE(slot, step);
      Rng rng(slots[slot].seed, RandomPurpose::batches, slots[slot].step + step);
      const std::uint32_t* row = items.data() + (slot * steps_per_replay + step) * batch;
      for (std::uint32_t b = 0; b < batch; ++b) REQUIRE(row[b] == rng.below(n_items[slot]));
    }
    CHECK(items[(slot * steps_per_replay + n_steps) * batch] == 77);  // what was not asked for is left alone
  }
  space.for_each(1, slots.size(), AdvanceStep<DataSlot>{.slots = slots.data(), .n_steps = n_steps});
  CHECK(slots[3].step == 3005);
}

TEST_CASE("device order parameters: sums in parts give those of core", "[mlp_stats][cuda]") {
  Rng rng(3, RandomPurpose::test, 0);
  for (const double scale : {0.0, 1e-3, 1.0, 30.0, 600.0}) {
    for (const std::uint32_t n : {1U, 63U, 64U, 1000U}) {
      CAPTURE(scale, n);
      std::vector<float> logits(n);
      std::vector<std::int8_t> labels(n);
      std::vector<double> signed_logits(n);
      for (std::uint32_t i = 0; i < n; ++i) {
        logits[i] = static_cast<float>(scale * rng.normal());
        labels[i] = rng.below(2) != 0 ? 1 : -1;
        signed_logits[i] = labels[i] * static_cast<double>(logits[i]);
      }
      const DataSlot slot{.items = nullptr, .labels = labels.data(), .seed = 0, .step = 0, .n_items = n};
      OrderSums sums;
      HostSpace space;
      space.for_each(1, 1, ClearSums<OrderSums>{.sums = &sums});
      const std::uint32_t batch = 100;
      for (std::uint32_t first = 0; first < n; first += batch) {
        space.reduce<AddOrderSums<DataSlot>::kLanes, Along::lanes>(
            1, AddOrderSums<DataSlot>{.slots = &slot,
                                      .logits = logits.data() + first,
                                      .sums = &sums,
                                      .first = first,
                                      .n_counted = n,
                                      .batch = batch});
      }
      const OrderParameters found = order_parameters_of(sums);
      const OrderParameters expected = order_parameters(signed_logits);
      CHECK_THAT(found.log_c1, WithinRel(expected.log_c1, 1e-12) || WithinAbs(expected.log_c1, 1e-13));
      CHECK_THAT(found.log_c3, WithinRel(expected.log_c3, 1e-12) || WithinAbs(expected.log_c3, 1e-13));
      CHECK_THAT(found.c1, WithinRel(expected.c1, 1e-12));
      CHECK_THAT(found.c2, WithinRel(expected.c2, 1e-12));
      CHECK_THAT(found.loss, WithinRel(expected.loss, 1e-12));
      CHECK(found.accuracy == expected.accuracy);
    }
  }
}

TEST_CASE("device order parameters: a logit that is not finite is seen", "[mlp_stats][cuda]") {
  for (const double bad : {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()}) {
    OrderSums sums;
    sums.clear();
    sums.add(1.0);
    sums.add(bad);
    CHECK(std::isnan(order_parameters_of(sums).c1));
  }
  OrderSums none;
  none.clear();
  CHECK(std::isnan(order_parameters_of(none).c1));
}

TEST_CASE("device network: a NaN passes the ReLU", "[mlp_stats][cuda]") {
  float hidden = std::numeric_limits<float>::quiet_NaN();
  const float bias = 0.0F;
  AddBiasRelu{.hidden = &hidden, .bias = &bias, .width = 1, .batch = 1}(0, 0);
  CHECK(std::isnan(hidden));
}
