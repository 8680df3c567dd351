#include "iclk/core/run_set.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "iclk/core/error.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk;
using namespace iclk::test;
namespace fs = std::filesystem;

namespace {

/// What became of a run, as seen from outside.
struct Trace {
  std::uint64_t steps = 0;
  int saves = 0;
  bool ended = false;
};

/// Counts to `n_turns`; throws at turn `fails_at`.
class CountingRun final : public ResumableRun {
 public:
  CountingRun(Trace& trace, std::uint64_t n_turns, std::uint64_t fails_at = 0)
      : trace_(trace), n_turns_(n_turns), fails_at_(fails_at) {}

  bool advance() override {
    if (++trace_.steps == fails_at_) throw std::runtime_error("this run fails");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    trace_.ended = trace_.steps == n_turns_;
    return !trace_.ended;
  }
  void save() override { ++trace_.saves; }
  std::uint64_t iteration() const noexcept override { return trace_.steps; }

 private:
  Trace& trace_;
  std::uint64_t n_turns_;
  std::uint64_t fails_at_;
};

}  // namespace

TEST_CASE("run set: every run in the queue ends and the others are left alone", "[core]") {
  for (const int jobs : {1, 3, 8}) {
    std::vector<Trace> traces(5);
    const std::vector<std::size_t> queue{4, 0, 2};
    std::vector<std::size_t> order;
    RunSetOptions options{.jobs = jobs};
    options.after_turn = [&](std::size_t index, const ResumableRun& run) {
      CHECK(run.iteration() == traces[index].steps);
      if (traces[index].steps == 1) order.push_back(index);
    };
    work_through(
        queue, [&](std::size_t index) { return std::make_unique<CountingRun>(traces[index], 3 + index); }, options);
    for (const std::size_t index : queue) {
      CHECK(traces[index].ended);
      CHECK(traces[index].saves == 0);
    }
    CHECK(traces[1].steps == 0);
    CHECK(order.size() == 3);
    if (jobs == 1) CHECK(order == queue);
  }
}

TEST_CASE("run set: a stop saves the runs in work and starts no other", "[core]") {
  std::vector<Trace> traces(3);
  std::atomic<bool> stop{false};
  RunSetOptions options{.jobs = 2, .checkpoint_seconds = 1e9, .stop = &stop};
  options.after_turn = [&](std::size_t, const ResumableRun&) { stop = traces[0].steps > 2 && traces[1].steps > 2; };
  const std::vector<std::size_t> queue{0, 1, 2};
  work_through(
      queue, [&](std::size_t index) { return std::make_unique<CountingRun>(traces[index], 1'000'000); }, options);
  for (const std::size_t index : {std::size_t{0}, std::size_t{1}}) {
    CHECK(traces[index].saves == 1);
    CHECK_FALSE(traces[index].ended);
  }
  CHECK(traces[2].steps == 0);
}

TEST_CASE("run set: running work is saved as often as asked", "[core]") {
  Trace trace;
  const std::vector<std::size_t> queue{0};
  const auto start = [&](std::size_t) { return std::make_unique<CountingRun>(trace, 10); };
  work_through(queue, start, {.jobs = 1, .checkpoint_seconds = 0});
  CHECK(trace.saves == 9);
}

TEST_CASE("run set: the first failure is thrown after the others were saved", "[core][errors]") {
  std::vector<Trace> traces(2);
  const std::vector<std::size_t> queue{0, 1};
  const auto start = [&](std::size_t index) {
    return std::make_unique<CountingRun>(traces[index], 1'000'000, index == 1 ? 5 : 0);
  };
  CHECK_THROWS_WITH(work_through(queue, start, {.jobs = 2}), "this run fails");
  CHECK(traces[0].saves == 1);
}

TEST_CASE("run folder: is made and cleared of what killed programs left", "[core]") {
  const TemporaryFolder folder;
  { const RunFolder made(folder / "a/b"); }
  CHECK(fs::is_directory(folder / "a/b"));
  folder.write("a/b/.iclk-77-0.tmp", "part of a file");
  folder.write("a/b/keep.csv", "a file");
  const RunFolder first(folder / "a/b");
  CHECK_FALSE(fs::exists(folder / "a/b/.iclk-77-0.tmp"));
  CHECK(fs::exists(folder / "a/b/keep.csv"));
  folder.write("a/b/.iclk-78-0.tmp", "in work elsewhere");
  const RunFolder second(folder / "a/b");
  CHECK(fs::exists(folder / "a/b/.iclk-78-0.tmp"));
}

TEST_CASE("run folder: one that cannot be made is named", "[core][errors]") {
  const TemporaryFolder folder;
  const auto file = folder.write("file", "x");
  CHECK_THROWS_AS(RunFolder(file / "runs"), Error);
  CHECK_THROWS_AS(RunFolder(file), Error);
}
