#include "iclk/figures/report.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "figure_parts.hpp"
#include "iclk/core/error.hpp"

namespace iclk::figures {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

ReportFigure draw(const FigureInfo& info, const fs::path& data, const fs::path& out, const FigureOptions& options) {
  ReportFigure figure{.info = info, .files = {}, .svg = {}, .caption = {}, .problem = {}};
  try {
    const DrawnFigure drawn = draw_figure(info.id, info.data == DataUse::unused ? fs::path() : data, out, options);
    figure.svg = inline_svg(text_of(drawn.svg), info.id, info.title);
    figure.caption = text_of(drawn.caption);
    figure.files = drawn;
  } catch (const Error& error) {
    figure.problem = error.what();
  }
  return figure;
}

/// Draws all figures by `jobs` threads; one that fails in an unforeseen way passes its exception on.
std::vector<ReportFigure> draw_all(const fs::path& data, const fs::path& out, const ReportOptions& options) {
  const std::span<const FigureInfo> infos = figures();
  std::vector<ReportFigure> drawn(infos.size());
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t n_done = 0;
  std::exception_ptr failure;
  const auto work = [&] {
    for (std::size_t i = next++; i < infos.size(); i = next++) {
      std::exception_ptr problem;
      try {
        drawn[i] = draw(infos[i], data, out, options.figure);
      } catch (...) {
        problem = std::current_exception();
      }
      const std::lock_guard lock(mutex);
      if (problem && !failure) failure = problem;
      ++n_done;
      changed.notify_one();
    }
  };
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t jobs = options.jobs > 0 ? static_cast<std::size_t>(options.jobs) : cores;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < std::min(jobs, infos.size()); ++i) threads.emplace_back(work);
  for (std::size_t shown = 0; shown < infos.size();) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return n_done > shown; });
    shown = n_done;
    lock.unlock();
    if (options.on_progress) options.on_progress(shown, infos.size());
  }
  threads.clear();  // joins
  if (failure) std::rethrow_exception(failure);
  return drawn;
}

/// Claims that a folder of curves can say something about.
bool needs_no_runs(const Claim& claim) { return claim.measured.value.has_value(); }

}  // namespace

void validate(const ReportOptions& options) {
  validate(options.figure);
  if (options.jobs < 0) {
    throw field_error("jobs", "expected a number that is not negative, got " + std::to_string(options.jobs));
  }
}

Report make_report(Results results, const fs::path& out, const ReportOptions& options) {
  validate(options);
  Report report;
  report.results = std::move(results);
  report.options = options.figure;
  report.out = out;
  ReportOptions tolerant = options;
  tolerant.figure.skip_bad_files = true;  // `results` names them
  report.claims = claims_of(report.results, options.figure);
  if (report.is_short()) {
    const std::size_t all = report.claims.size();
    std::erase_if(report.claims, [](const Claim& claim) { return !needs_no_runs(claim); });
    report.n_untested_left_out = all - report.claims.size();
    int number = 0;
    for (Claim& claim : report.claims) claim.number = ++number;
  }
  report.figures = draw_all(report.results.data, out / "figures", tolerant);
  return report;
}

}  // namespace iclk::figures
