#include "iclk/core/run_batch.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <numeric>

namespace iclk {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kTurnSeconds = 0.3;             // how promptly a batch notices a stop
constexpr std::uint64_t kLargestTurn = 1 << 16;  // steps

}  // namespace

BatchWork::BatchWork(std::vector<std::size_t> queue, std::size_t capacity, std::unique_ptr<RunBatch> batch)
    : queue_(queue.rbegin(), queue.rend()), capacity_(capacity), batch_(std::move(batch)) {}

void BatchWork::fill() {
  while (active_.size() < capacity_ && !queue_.empty()) {
    const std::size_t index = queue_.back();
    queue_.pop_back();
    if (batch_->start(active_.size(), index)) active_.push_back(index);
  }
}

void BatchWork::measure_due() {
  std::vector<std::size_t> due;
  for (std::size_t slot = 0; slot < active_.size(); ++slot) {
    if (batch_->steps_until_due(slot) == 0) due.push_back(slot);
  }
  if (due.empty()) return;
  batch_->measure(due);
  let_go();
}

void BatchWork::let_go() {
  for (std::size_t slot = active_.size(); slot-- > 0;) {  // from the last one: what is behind it goes on
    if (!batch_->ended(slot)) continue;
    batch_->move(active_.size() - 1, slot);
    active_[slot] = active_.back();
    active_.pop_back();
  }
}

bool BatchWork::advance() {
  fill();
  measure_due();
  fill();
  if (active_.empty()) return false;
  std::uint64_t steps = steps_per_turn_;
  for (std::size_t slot = 0; slot < active_.size(); ++slot) steps = std::min(steps, batch_->steps_until_due(slot));
  if (steps == 0) return true;  // just started: to be measured first
  const auto started = Clock::now();
  batch_->train(active_.size(), steps);
  const double seconds = std::chrono::duration<double>(Clock::now() - started).count();
  if (steps == steps_per_turn_ && seconds < 0.5 * kTurnSeconds) steps_per_turn_ = std::min(kLargestTurn, 2 * steps);
  if (seconds > 2.0 * kTurnSeconds) steps_per_turn_ = std::max<std::uint64_t>(1, steps / 2);
  steps_done_ += steps * active_.size();
  let_go();
  return true;
}

void BatchWork::save() {
  for (std::size_t slot = 0; slot < active_.size(); ++slot) batch_->save(slot);
}

void work_through_batches(std::span<const std::size_t> queue, const std::function<std::string(std::size_t)>& kind,
                          const std::function<std::unique_ptr<RunBatch>(std::size_t, std::size_t)>& make_batch,
                          const RunSetOptions& options) {
  std::map<std::string, std::size_t> known;
  std::vector<std::vector<std::size_t>> groups;
  for (const std::size_t index : queue) {
    const auto [group, is_new] = known.try_emplace(kind(index), groups.size());
    if (is_new) groups.emplace_back();
    groups[group->second].push_back(index);
  }
  std::vector<std::size_t> numbers(groups.size());
  std::iota(numbers.begin(), numbers.end(), std::size_t{0});

  RunSetOptions one_by_one = options;
  one_by_one.jobs = 1;
  std::vector<std::size_t> active;
  one_by_one.after_turn = [&](std::size_t, const ResumableRun& work) {
    const auto runs = static_cast<const BatchWork&>(work).active();
    active.assign(runs.begin(), runs.end());
  };
  if (options.on_progress) {
    one_by_one.on_progress = [&](const RunSetProgress& work) {
      options.on_progress({.steps_done = work.steps_done, .steps_per_second = work.steps_per_second, .active = active});
    };
  }
  const std::size_t together = options.jobs > 0 ? static_cast<std::size_t>(options.jobs) : kRunsTogether;
  work_through(
      numbers,
      [&](std::size_t number) {
        const std::vector<std::size_t>& group = groups[number];
        const std::size_t capacity = std::min(together, group.size());
        return std::make_unique<BatchWork>(group, capacity, make_batch(group.front(), capacity));
      },
      one_by_one);
}

}  // namespace iclk
