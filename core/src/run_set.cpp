#include "iclk/core/run_set.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <exception>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "iclk/core/curve_file.hpp"
#include "iclk/core/error.hpp"

namespace iclk {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr double kProgressSeconds = 0.5;  // between two calls of on_progress
constexpr double kRateSeconds = 10.0;     // window of the reported rate

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

/// The work of one call of work_through, shared by its threads.
class Work {
 public:
  Work(std::span<const std::size_t> queue, const std::function<std::unique_ptr<ResumableRun>(std::size_t)>& start,
       const RunSetOptions& options)
      : start_(start), options_(options), queue_(queue.begin(), queue.end()) {
    history_.push_back({Clock::now(), 0});
  }

  /// Takes run after run until none is left, the caller asks to stop, or one fails.
  void take_runs() noexcept {
    for (;;) {
      std::size_t index = 0;
      {
        const std::scoped_lock lock(mutex_);
        if (queue_.empty() || stopping()) return;
        index = queue_.front();
        queue_.pop_front();
        active_.insert(index);
      }
      try {
        work_on(index);
      } catch (...) {
        const std::scoped_lock lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
      const std::scoped_lock lock(mutex_);
      active_.erase(index);
    }
  }

  void rethrow_failure() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  bool stopping() const { return failure_ || (options_.stop != nullptr && options_.stop->load()); }

  void work_on(std::size_t index) {
    const std::unique_ptr<ResumableRun> run = start_(index);
    auto last_save = Clock::now();
    for (;;) {
      const std::uint64_t before = run->iteration();
      const bool goes_on = run->advance();
      bool stop = false;
      {
        const std::scoped_lock lock(mutex_);
        stop = stopping();
        steps_done_ += run->iteration() - before;
        if (options_.after_turn) options_.after_turn(index, *run);
        show_progress();
      }
      if (!goes_on) return;
      const auto now = Clock::now();
      if (stop || seconds_between(last_save, now) >= options_.checkpoint_seconds) {
        run->save();
        last_save = now;
      }
      if (stop) return;
    }
  }

  void show_progress() {
    const auto now = Clock::now();
    if (!options_.on_progress || seconds_between(history_.back().when, now) < kProgressSeconds) return;
    history_.push_back({now, steps_done_});
    while (history_.size() > 2 && seconds_between(history_.front().when, now) > kRateSeconds) history_.pop_front();
    const double steps = static_cast<double>(steps_done_ - history_.front().steps);
    options_.on_progress({.steps_done = steps_done_,
                          .steps_per_second = steps / seconds_between(history_.front().when, now),
                          .active = {active_.begin(), active_.end()}});
  }

  struct Moment {
    Clock::time_point when;
    std::uint64_t steps;
  };

  const std::function<std::unique_ptr<ResumableRun>(std::size_t)>& start_;
  const RunSetOptions& options_;
  std::mutex mutex_;
  std::deque<std::size_t> queue_;
  std::set<std::size_t> active_;
  std::exception_ptr failure_;
  std::uint64_t steps_done_ = 0;
  std::deque<Moment> history_;
};

}  // namespace

RunFolder::RunFolder(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) {
    throw Error(Location{.file = folder.string(), .line = {}, .field = {}}, "cannot be made: " + failure.message());
  }
  descriptor_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ >= 0) {
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {
      for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string file = entry.path().filename().string();
        std::error_code ignored;
        if (file.starts_with(".iclk-") && file.ends_with(".tmp")) fs::remove(entry.path(), ignored);
      }
    }
    ::flock(descriptor_, LOCK_SH | LOCK_NB);
  }
  const fs::path probe = folder / ".iclk-write-test.tmp";
  try {
    write_file_atomically(probe, "");
  } catch (...) {
    if (descriptor_ >= 0) ::close(descriptor_);
    throw;
  }
  fs::remove(probe, failure);
}

RunFolder::~RunFolder() {
  if (descriptor_ >= 0) ::close(descriptor_);  // releases the lock
}

void work_through(std::span<const std::size_t> queue,
                  const std::function<std::unique_ptr<ResumableRun>(std::size_t)>& start,
                  const RunSetOptions& options) {
  Work work(queue, start, options);
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t wanted = options.jobs > 0 ? static_cast<std::size_t>(options.jobs) : cores;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < std::min(wanted, queue.size()); ++i)
      threads.emplace_back([&work] { work.take_runs(); });
  }
  work.rethrow_failure();
}

}  // namespace iclk
