#include "run_progress.hpp"

#include <cmath>
#include <csignal>
#include <iostream>

namespace iclk::cli {
namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

extern "C" void request_stop(int signal) {
  stop_requested = true;
  std::signal(signal, SIG_DFL);
}

}  // namespace

const std::atomic<bool>& catch_interrupts() {
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  return stop_requested;
}

std::string duration(double seconds) {
  if (!std::isfinite(seconds)) return "-";
  const auto minutes = static_cast<long long>(std::ceil(seconds / 60.0));
  if (minutes < 60) return std::to_string(minutes) + " min";
  return std::to_string(minutes / 60) + " h " + std::to_string(minutes % 60) + " min";
}

void show_progress_line(std::size_t n_done, std::size_t n_runs, const std::string& text) {
  constexpr std::size_t kBarWidth = 20;
  const std::size_t filled = n_runs == 0 ? 0 : kBarWidth * n_done / n_runs;
  std::string line = "[" + std::string(filled, '#') + std::string(kBarWidth - filled, '.') + "] " +
                     std::to_string(n_done) + "/" + std::to_string(n_runs) + " runs, " + text;
  constexpr std::size_t kLineWidth = 118;
  line.resize(kLineWidth, ' ');
  std::cerr << '\r' << line << std::flush;
}

void clear_progress_line() { std::cerr << "\r\x1b[K" << std::flush; }

}  // namespace iclk::cli
