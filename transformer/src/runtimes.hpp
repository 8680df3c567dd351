#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace iclk::transformer {

/// How long a finished run took: a line of `FOLDER/runtimes.csv`. Nothing but the estimate of the time left depends on it.
struct Runtime {
  std::string run;                ///< run_name
  std::uint64_t iterations = 0;   ///< SGD steps in all
  double seconds_per_step = 0.0;  ///< measurements included
};

/// Appends a line, whole, also when several programs do so at once. Failing to is no failure of the run.
void add_runtime(const std::filesystem::path& folder, const Runtime& runtime) noexcept;

/// What is there. Lines that are not whole are left out.
std::vector<Runtime> read_runtimes(const std::filesystem::path& folder);

}  // namespace iclk::transformer
