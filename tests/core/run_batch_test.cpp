#include "iclk/core/run_batch.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "support/catch.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

/// Runs that last so many steps and are measured at every third; their numbers move with them.
class CountingBatch final : public RunBatch {
 public:
  CountingBatch(std::vector<std::uint64_t> lengths, std::size_t capacity)
      : done(lengths.size(), 0), lengths_(std::move(lengths)), slots_(capacity), measured_at_(done.size(), 0) {}

  bool start(std::size_t slot, std::size_t index) override {
    order.push_back(index);
    slots_[slot] = index;
    return lengths_[index] > 0;
  }
  std::uint64_t steps_until_due(std::size_t slot) const override {
    const std::size_t index = slots_[slot];
    const bool due = done[index] % 3 == 0 || done[index] == lengths_[index];
    if (due && measured_at_[index] != done[index] + 1) return 0;
    return std::min(3 - done[index] % 3, lengths_[index] - done[index]);
  }
  void train(std::size_t n_slots, std::uint64_t n_steps) override {
    CHECK(n_steps > 0);
    most_together = std::max(most_together, n_slots);
    for (std::size_t slot = 0; slot < n_slots; ++slot) {
      CHECK(n_steps <= steps_until_due(slot));
      CHECK_FALSE(ended(slot));
      done[slots_[slot]] += n_steps;
    }
  }
  void measure(std::span<const std::size_t> slots) override {
    for (const std::size_t slot : slots) measured_at_[slots_[slot]] = done[slots_[slot]] + 1;
  }
  bool ended(std::size_t slot) const override {
    const std::size_t index = slots_[slot];
    return done[index] == lengths_[index] && measured_at_[index] == done[index] + 1;
  }
  void move(std::size_t from, std::size_t to) override {
    CHECK(ended(to));
    slots_[to] = slots_[from];
  }
  void save(std::size_t slot) override { saved.push_back(slots_[slot]); }

  std::vector<std::uint64_t> done;
  std::vector<std::size_t> order, saved;
  std::size_t most_together = 0;

 private:
  std::vector<std::uint64_t> lengths_;
  std::vector<std::size_t> slots_;
  std::vector<std::uint64_t> measured_at_;  // steps + 1 at the last measurement, 0: none yet
};

}  // namespace

TEST_CASE("run batch: slots stay full and no run goes beyond its measurement", "[core]") {
  for (const std::size_t capacity : {1U, 2U, 3U, 10U}) {
    CAPTURE(capacity);
    const std::vector<std::uint64_t> lengths{7, 0, 30, 1, 12, 5};
    const std::vector<std::size_t> queue{2, 0, 1, 3, 5};  // run 4 is not asked for
    auto owned = std::make_unique<CountingBatch>(lengths, capacity);
    CountingBatch& batch = *owned;
    BatchWork work(queue, capacity, std::move(owned));
    int n_turns = 0;
    while (work.advance()) REQUIRE(++n_turns < 1000);
    CHECK(batch.order == queue);
    CHECK(batch.done == std::vector<std::uint64_t>{7, 0, 30, 1, 0, 5});
    CHECK(batch.most_together == std::min<std::size_t>(capacity, 4));
    CHECK(work.iteration() == 43);
    CHECK(work.active().empty());
    CHECK_FALSE(work.advance());
  }
}

TEST_CASE("run batch: the runs in slots are saved", "[core]") {
  auto owned = std::make_unique<CountingBatch>(std::vector<std::uint64_t>{9, 9, 9}, 2);
  CountingBatch& batch = *owned;
  BatchWork work({1, 2, 0}, 2, std::move(owned));
  work.advance();
  work.save();
  CHECK(batch.saved == std::vector<std::size_t>{1, 2});
  CHECK(std::vector<std::size_t>(work.active().begin(), work.active().end()) == std::vector<std::size_t>{1, 2});
}

namespace {

/// Runs of 9 steps, by the order in which they start.
class ShortBatch final : public RunBatch {
 public:
  explicit ShortBatch(std::vector<std::size_t>& order) : order_(order), slots_(8) {}

  bool start(std::size_t slot, std::size_t index) override {
    order_.push_back(index);
    slots_[slot] = 9;
    return true;
  }
  std::uint64_t steps_until_due(std::size_t slot) const override { return slots_[slot]; }
  void train(std::size_t n_slots, std::uint64_t n_steps) override {
    for (std::size_t slot = 0; slot < n_slots; ++slot) slots_[slot] -= n_steps;
  }
  void measure(std::span<const std::size_t>) override {}
  bool ended(std::size_t slot) const override { return slots_[slot] == 0; }
  void move(std::size_t from, std::size_t to) override { slots_[to] = slots_[from]; }
  void save(std::size_t) override {}

 private:
  std::vector<std::size_t>& order_;
  std::vector<std::uint64_t> slots_;  // steps left
};

}  // namespace

TEST_CASE("run batches: runs of one kind share a batch and the kinds follow one another", "[core]") {
  std::vector<std::size_t> order, fronts, capacities;
  const auto make_batch = [&](std::size_t front, std::size_t capacity) {
    fronts.push_back(front);
    capacities.push_back(capacity);
    return std::make_unique<ShortBatch>(order);
  };
  const std::vector<std::size_t> queue{5, 2, 4, 1, 3, 7, 9, 6};
  const auto parity = [](std::size_t index) { return std::string(index % 2 == 0 ? "even" : "odd"); };
  work_through_batches(queue, parity, make_batch, {.jobs = 4});
  CHECK(order == std::vector<std::size_t>{5, 1, 3, 7, 9, 2, 4, 6});
  CHECK(fronts == std::vector<std::size_t>{5, 2});
  CHECK(capacities == std::vector<std::size_t>{4, 3});
}

TEST_CASE("run batches: progress names the runs in slots", "[core]") {
  const std::vector<std::size_t> queue{3, 8};
  std::atomic<bool> stop{false};
  const auto on_progress = [&](const RunSetProgress& progress) {
    CHECK(progress.steps_done > 0);
    CHECK(progress.active == queue);
    stop = true;
  };
  class EndlessBatch final : public RunBatch {
   public:
    bool start(std::size_t, std::size_t) override { return true; }
    std::uint64_t steps_until_due(std::size_t) const override { return 1; }
    void train(std::size_t, std::uint64_t) override { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }
    void measure(std::span<const std::size_t>) override {}
    bool ended(std::size_t) const override { return false; }
    void move(std::size_t, std::size_t) override {}
    void save(std::size_t) override {}
  };
  work_through_batches(
      queue, [](std::size_t) { return std::string(); },
      [](std::size_t, std::size_t capacity) {
        CHECK(capacity == 2);  // no more slots than runs, of the 64 that there could be
        return std::make_unique<EndlessBatch>();
      },
      {.stop = &stop, .on_progress = on_progress});
  CHECK(stop);
}
