#include "program_run.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

namespace iclk::test {

RunningProgram::RunningProgram(const std::vector<std::string>& arguments, const std::filesystem::path& out,
                               const std::filesystem::path& err) {
  std::vector<std::string> words{ICLK_PROGRAM};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  const int failure = posix_spawn(&process_, ICLK_PROGRAM, &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw std::runtime_error(std::string(ICLK_PROGRAM) + ": cannot be started");
}

RunningProgram::~RunningProgram() {
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  wait();
}

void RunningProgram::send(int signal) const {
  if (process_ != 0) ::kill(process_, signal);
}

int RunningProgram::wait() {
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0) {
    if (errno != EINTR) throw std::runtime_error("waitpid failed");
  }
  process_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

ProgramRun run_program(const std::vector<std::string>& arguments, const std::filesystem::path& output) {
  const TemporaryFolder folder;
  const std::filesystem::path out = output.empty() ? folder / "out" : output;
  RunningProgram program(arguments, out, folder / "err");
  ProgramRun run;
  run.status = program.wait();
  if (output.empty()) run.out = read_file(out);
  run.err = read_file(folder / "err");
  return run;
}

std::vector<std::string> with_options(std::vector<std::string> arguments, const std::vector<std::string>& changes) {
  for (std::size_t i = 0; i + 1 < changes.size(); i += 2) {
    const auto known = std::find(arguments.begin(), arguments.end(), changes[i]);
    if (known == arguments.end()) {
      arguments.insert(arguments.end(), {changes[i], changes[i + 1]});
    } else {
      *(known + 1) = changes[i + 1];
    }
  }
  return arguments;
}

nlohmann::json json_of(std::vector<std::string> arguments, int status) {
  arguments.insert(arguments.end(), {"--json", "-"});
  const ProgramRun run = run_program(arguments);
  INFO(run.err);
  REQUIRE(run.status == status);
  REQUIRE(run.err.empty());
  return nlohmann::json::parse(run.out);
}

}  // namespace iclk::test
