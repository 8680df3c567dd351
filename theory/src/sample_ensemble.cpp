#include <algorithm>
#include <array>
#include <atomic>
#include <boost/math/distributions/binomial.hpp>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "arguments.hpp"
#include "iclk/core/random.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/seed_ensemble.hpp"

namespace iclk::theory {
namespace {

constexpr std::size_t kBlock = 4096;  // trajectories handed to a thread at a time: a few milliseconds
constexpr auto kProgressInterval = std::chrono::milliseconds(500);
constexpr double kTailShare = 0.025;  // 95 % intervals

/// Calls work(block) for every block on `jobs` threads, and progress(blocks done) from this one.
template <class Work, class Progress>
void for_each_block(std::size_t n_blocks, int jobs, const Work& work, const Progress& progress) {
  std::size_t n_threads =
      jobs > 0 ? static_cast<std::size_t>(jobs) : std::max<std::size_t>(1, std::thread::hardware_concurrency());
  n_threads = std::min(n_threads, n_blocks);
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t n_done = 0;
  const auto run = [&] {
    for (std::size_t block = next++; block < n_blocks; block = next++) {
      work(block);
      const std::lock_guard lock(mutex);
      ++n_done;
      if (n_done == n_blocks) changed.notify_one();
    }
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < n_threads; ++i) threads.emplace_back(run);
  std::unique_lock lock(mutex);
  while (!changed.wait_for(lock, kProgressInterval, [&] { return n_done == n_blocks; })) {
    const std::size_t done = n_done;
    lock.unlock();
    progress(done);
    lock.lock();
  }
}

/// Ascending order, by blocks on several threads and then by merging neighbours.
void sort_numbers(std::vector<double>& numbers, int jobs) {
  constexpr std::size_t kSerial = 1 << 18;
  if (numbers.size() <= kSerial) {
    std::sort(numbers.begin(), numbers.end());
    return;
  }
  const auto at = [&](std::size_t i) {
    return numbers.begin() + static_cast<std::ptrdiff_t>(std::min(i, numbers.size()));
  };
  const auto nothing = [](std::size_t) {};
  for_each_block((numbers.size() + kSerial - 1) / kSerial, jobs,
                 [&](std::size_t block) { std::sort(at(block * kSerial), at((block + 1) * kSerial)); }, nothing);
  for (std::size_t sorted = kSerial; sorted < numbers.size(); sorted *= 2) {
    for_each_block((numbers.size() + 2 * sorted - 1) / (2 * sorted), jobs,
                   [&](std::size_t pair) {
                     const std::size_t begin = pair * 2 * sorted;
                     std::inplace_merge(at(begin), at(begin + sorted), at(begin + 2 * sorted));
                   },
                   nothing);
  }
}

/// `integrate(starts, required)` fills the required integrals of one block.
template <class Integrate, class Judge>
Ensemble sample(const StartDistribution& start, const EnsembleOptions& options, const Integrate& integrate,
                const Judge& judge) {
  validate(start);
  validate(options);
  Ensemble result;
  result.n_samples = options.n_samples;
  const auto n_samples = static_cast<std::size_t>(options.n_samples);
  result.required_integrals.resize(n_samples);
  if (options.keep_runs) result.runs.resize(n_samples);
  const auto work = [&](std::size_t block) {
    std::array<FlowState, kBlock> starts;
    const std::size_t begin = block * kBlock;
    const std::size_t size = std::min(kBlock, n_samples - begin);
    for (std::size_t i = 0; i < size; ++i) starts[i] = start_state(start, options.seed, begin + i);
    const std::span<double> required = std::span(result.required_integrals).subspan(begin, size);
    integrate(std::span<const FlowState>(starts).first(size), required);
    if (options.keep_runs) {
      for (std::size_t i = 0; i < size; ++i) result.runs[begin + i] = {starts[i], required[i]};
    }
  };
  const auto progress = [&](std::size_t n_blocks) {
    if (options.on_progress) options.on_progress(std::min(n_blocks * kBlock, n_samples), n_samples);
  };
  for_each_block((n_samples + kBlock - 1) / kBlock, options.jobs, work, progress);

  std::vector<double>& required = result.required_integrals;
  required.erase(std::remove_if(required.begin(), required.end(), [](double x) { return std::isnan(x); }),
                 required.end());
  result.n_failed = n_samples - required.size();
  sort_numbers(required, options.jobs);
  // With growing required integral the verdict goes from acquired over undecided to memorized first.
  const auto not_acquired =
      std::partition_point(required.begin(), required.end(), [&](double x) { return judge(x) == Verdict::acquired; });
  const auto never = std::partition_point(not_acquired, required.end(),
                                          [&](double x) { return judge(x) != Verdict::memorized_first; });
  result.n_acquired = static_cast<std::uint64_t>(not_acquired - required.begin());
  result.n_undecided = static_cast<std::uint64_t>(never - not_acquired);
  result.n_never = static_cast<std::uint64_t>(required.end() - never);
  return result;
}

}  // namespace

void validate(const StartDistribution& start) {
  require_finite("beta0_mean", start.beta0_mean);
  require(start.beta0_sd >= 0.0 && std::isfinite(start.beta0_sd), "beta0_sd", "a number that is not negative",
          start.beta0_sd);
  require_finite("w0_mean", start.w0_mean);
  require(start.w0_sd >= 0.0 && std::isfinite(start.w0_sd), "w0_sd", "a number that is not negative", start.w0_sd);
}

void validate(const EnsembleOptions& options) {
  require(options.n_samples >= 1, "n_samples", "at least 1", static_cast<double>(options.n_samples));
  require(options.jobs >= 0, "jobs", "a number that is not negative", options.jobs);
}

FlowState start_state(const StartDistribution& start, std::uint64_t seed, std::uint64_t index) {
  Rng rng(seed, RandomPurpose::ensemble, index);
  const double beta0 = start.beta0_mean + start.beta0_sd * rng.normal();
  return {.w = start.w0_mean + start.w0_sd * rng.normal(), .beta = beta0};
}

Ensemble sample_ensemble(const CurveFlow& flow, const StartDistribution& start, const EnsembleOptions& options) {
  return sample(
      start, options,
      [&](std::span<const FlowState> starts, std::span<double> required) { flow.required_integrals(starts, required); },
      [&](double required) { return flow.verdict(required); });
}

Ensemble sample_ensemble(double i_infinity, double n_context, double c2, const StartDistribution& start,
                         const EnsembleOptions& options) {
  require(i_infinity > 0.0, "i_infinity", "a positive number", i_infinity);
  require_context(n_context);
  require(c2 >= 0.0 && c2 <= 1.0, "c2", "a number in [0, 1]", c2);
  return sample(
      start, options,
      [&](std::span<const FlowState> starts, std::span<double> required) {
        for (std::size_t i = 0; i < starts.size(); ++i) {
          required[i] = acquisition_integral_exact(n_context, starts[i].beta, starts[i].w, c2);
        }
      },
      [&](double required) { return required < i_infinity ? Verdict::acquired : Verdict::memorized_first; });
}

Estimate share_estimate(std::uint64_t n_yes, std::uint64_t n) {
  require(n >= 1, "n", "at least 1", static_cast<double>(n));
  require(n_yes <= n, "n_yes", "no more than n", static_cast<double>(n_yes));
  using boost::math::binomial_distribution;
  const auto trials = static_cast<double>(n);
  const auto successes = static_cast<double>(n_yes);
  return {.value = successes / trials,
          .low = n_yes == 0 ? 0.0 : binomial_distribution<>::find_lower_bound_on_p(trials, successes, kTailShare),
          .high = n_yes == n ? 1.0 : binomial_distribution<>::find_upper_bound_on_p(trials, successes, kTailShare)};
}

Estimate sample_quantile(std::span<const double> ascending, double share) {
  require(!ascending.empty(), "ascending", "at least one number", 0.0);
  require(share > 0.0 && share < 1.0, "share", "a number in (0, 1)", share);
  const auto n = static_cast<double>(ascending.size());
  const auto element = [&](double rank) { return ascending[static_cast<std::size_t>(rank) - 1]; };
  Estimate result;
  result.value = element(std::clamp(std::ceil(n * share), 1.0, n));
  // The number B of runs below the true quantile is binomial. Rank r is above it with P(B < r), below with P(B >= r).
  const boost::math::binomial below(n, share);
  const double low = std::floor(boost::math::quantile(below, kTailShare));
  const double high = std::ceil(boost::math::quantile(boost::math::complement(below, kTailShare)));
  if (boost::math::cdf(below, low) <= kTailShare) result.low = element(low + 1.0);
  if (high + 1.0 <= n && boost::math::cdf(boost::math::complement(below, high)) <= kTailShare) {
    result.high = element(high + 1.0);
  }
  return result;
}

}  // namespace iclk::theory
