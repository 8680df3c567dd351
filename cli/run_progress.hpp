#pragma once

#include <atomic>
#include <cstddef>
#include <string>

namespace iclk::cli {

/// Makes Ctrl-C and a request to terminate set the returned flag, for work that can stop cleanly. A second one ends the
/// program at once, which loses at most the time since the last checkpoint.
const std::atomic<bool>& catch_interrupts();

/// "12 min", "3 h 5 min"; "-" for what is not finite.
std::string duration(double seconds);

/// Writes a bar and `text` on one line of standard error, over the line before; clear_progress removes it.
void show_progress_line(std::size_t n_done, std::size_t n_runs, const std::string& text);
void clear_progress_line();

}  // namespace iclk::cli
