// Trajectories of Eqs. 7-8 along a measured curve: from the random start to t_ICL, on one thread and on all.
//
//     build/release/tests/bench/iclk_bench_ensemble [CURVE.csv]

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "iclk/theory/seed_ensemble.hpp"
#include "taylor_step.hpp"

using namespace iclk;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// A curve of the shape of a measured one: a plateau, then c1 ~ t^-2, 150 samples evenly spaced in ln t.
OrderParameterCurves synthetic_curve() {
  std::vector<double> times{0.0}, c1{0.5}, c2{0.5};
  for (int i = 0; i < 150; ++i) {
    const double time = 0.1 * std::pow(10.0, i / 32.0);
    times.push_back(time);
    c1.push_back(0.5 / (1.0 + std::pow(time / 200.0, 2)));
    c2.push_back(1.0 - c1.back());
  }
  return {.c1 = Curve(times, c1), .c2 = Curve(times, c2), .c3 = {}, .c2_is_closure = false};
}

struct Case {
  const char* name;
  theory::StartDistribution start;
};

/// Runs per second: by the processor time of one thread, which other work on the machine hardly changes, and by the
/// clock on the wall. The best of a few repeats.
struct Rate {
  double processor = 0.0, wall = 0.0;
};
Rate rate(const theory::CurveFlow& flow, const theory::StartDistribution& start, std::uint64_t n_samples, int jobs) {
  Rate best;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto begin = Clock::now();
    const std::clock_t processor = std::clock();
    const auto ensemble = sample_ensemble(flow, start, {.n_samples = n_samples, .jobs = jobs});
    const double seconds = static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC;
    best.processor = std::max(best.processor, static_cast<double>(n_samples) / seconds);
    best.wall = std::max(best.wall, static_cast<double>(n_samples) / seconds_since(begin));
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr double kContext = 100;
  constexpr std::uint64_t kSamples = 200'000;
  const OrderParameterCurves curves = argc > 1 ? read_curves(argv[1]).front().curves : synthetic_curve();
  const theory::CurveFlow flow(curves, kContext);
  const Case cases[] = {{"beta0 = 0 +- 0.3, w0 = 0", {.beta0_sd = 0.3}},
                        {"beta0 = 0 +- 0.3, w0 = 0 +- 0.3", {.beta0_sd = 0.3, .w0_sd = 0.3}},
                        {"beta0 = -2 +- 1, w0 = 0 +- 1", {.beta0_mean = -2.0, .beta0_sd = 1.0, .w0_sd = 1.0}}};
  const int n_cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  for (const Case& each : cases) {
    const Rate one = rate(flow, each.start, kSamples, 1);
    const Rate all = rate(flow, each.start, kSamples * static_cast<std::uint64_t>(n_cores), n_cores);

    // Times of the runs, in their random order, and the same runs one by one.
    const auto ensemble = sample_ensemble(flow, each.start, {.n_samples = kSamples, .keep_runs = true});
    std::clock_t processor = std::clock();
    double sum = 0.0;
    for (const theory::EnsembleRun& run : ensemble.runs) {
      const double time = flow.time(run.required_integral);
      sum += std::isfinite(time) ? time : 0.0;
    }
    const double seconds_of_time =
        static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC / static_cast<double>(kSamples);
    processor = std::clock();
    constexpr std::size_t kSingle = 200;
    double worst = 0.0;
    for (std::size_t i = 0; i < kSingle; ++i) {
      const auto single =
          theory::integrate_flow(ensemble.runs[i].start, kContext, curves, {.rel_tol = 1e-13, .abs_tol = 1e-15});
      if (single.t_icl) {
        const double time = flow.time(ensemble.runs[i].required_integral);
        worst = std::max(worst, std::abs(time / *single.t_icl - 1.0));
      }
    }
    const double single_rate = kSingle / (static_cast<double>(std::clock() - processor) / CLOCKS_PER_SEC);
    std::printf("%-34s one thread: %.0f runs/s of processor time, %.0f with t_ICL of each, %.0f by the wall\n",
                each.name, one.processor, 1.0 / (1.0 / one.processor + seconds_of_time), one.wall);
    std::printf("%-34s %d threads: %.0f runs/s by the wall\n", "", n_cores, all.wall);
    std::printf("%-34s integrate_flow at 1e-13: %.0f runs/s; largest difference in t_ICL %.1e; mean t_ICL %.0f\n", "",
                single_rate, worst, sum / static_cast<double>(std::max<std::uint64_t>(1, ensemble.n_acquired)));
  }

  theory::LaneBlock block{};
  for (std::size_t lane = 0; lane < theory::kLanes; ++lane) {
    block.p[lane] = block.inverse_p[lane] = 1.0;
    block.w[lane] = 0.1 * static_cast<double>(lane);
    block.step[lane] = block.y_per_step[lane] = 0.1;
    block.c2[0][lane] = 0.5;
  }
  for (const theory::TaylorStepVariant& variant : theory::taylor_step_variants()) {
    constexpr int kSteps = 50'000;
    double best = 1e9;
    for (int repeat = 0; repeat < 5; ++repeat) {
      const std::clock_t begin = std::clock();
      for (int i = 0; i < kSteps; ++i) variant.step(block);
      best = std::min(best, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
    }
    std::printf("Taylor step of order %d, %-8s %.1f ns per trajectory\n", theory::kTaylorOrder,
                std::string(variant.instructions).c_str(), 1e9 * best / kSteps / theory::kLanes);
  }
}
