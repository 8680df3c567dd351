#include "runtimes.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>

#include "iclk/core/run_info.hpp"

namespace iclk::transformer {
namespace {

constexpr const char* kFile = "runtimes.csv";

}  // namespace

void add_runtime(const std::filesystem::path& folder, const Runtime& runtime) noexcept {
  try {
    const std::string line =
        runtime.run + ',' + std::to_string(runtime.iterations) + ',' + format_number(runtime.seconds_per_step) + '\n';
    const int file = ::open((folder / kFile).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0) return;
    // One short write in append mode is not torn apart by others.
    [[maybe_unused]] const auto written = ::write(file, line.data(), line.size());
    ::close(file);
  } catch (...) {
    return;  // out of memory for a line of text: the run itself is complete
  }
}

std::vector<Runtime> read_runtimes(const std::filesystem::path& folder) {
  std::vector<Runtime> runtimes;
  std::ifstream file(folder / kFile);
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(',');
    const std::size_t second = first == std::string::npos ? first : line.find(',', first + 1);
    if (second == std::string::npos) continue;
    const auto iterations = parse_number(std::string_view(line).substr(first + 1, second - first - 1));
    const auto seconds = parse_number(std::string_view(line).substr(second + 1));
    if (!iterations || !seconds || !(*iterations >= 0 && *iterations < 1e15) || !(*seconds >= 0)) continue;
    runtimes.push_back({line.substr(0, first), static_cast<std::uint64_t>(*iterations), *seconds});
  }
  return runtimes;
}

}  // namespace iclk::transformer
