#pragma once

#include <sys/types.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace iclk::test {

/// How one call of the built program ended.
struct ProgramRun {
  int status = -1;  ///< exit status; minus the signal's number when a signal ended it
  std::string out;
  std::string err;
};

/// Runs `iclk ARGUMENTS`, without a shell, and waits. Standard output goes to `output` where one is given.
ProgramRun run_program(const std::vector<std::string>& arguments, const std::filesystem::path& output = {});

/// `arguments` with the values of options replaced or, where they are not there, added; changes: option, value, option ...
std::vector<std::string> with_options(std::vector<std::string> arguments, const std::vector<std::string>& changes);

/// The JSON that `iclk ARGUMENTS --json -` prints. Fails the test unless it ends with `status`, prints one JSON value
/// and nothing on standard error.
nlohmann::json json_of(std::vector<std::string> arguments, int status = 0);

/// A program that runs on while the test does something else.
class RunningProgram {
 public:
  RunningProgram(const std::vector<std::string>& arguments, const std::filesystem::path& out,
                 const std::filesystem::path& err);
  ~RunningProgram();
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  void send(int signal) const;
  int wait();  ///< exit status, or minus the signal's number

 private:
  pid_t process_ = 0;
};

}  // namespace iclk::test
