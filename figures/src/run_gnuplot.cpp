#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "iclk/core/error.hpp"
#include "iclk/figures/draw_figure.hpp"

namespace iclk::figures {
namespace {

constexpr const char* kLogFile = "gnuplot.log";

/// File actions of posix_spawn, released on every path.
struct FileActions {
  posix_spawn_file_actions_t actions{};
  FileActions() { posix_spawn_file_actions_init(&actions); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
};

/// gnuplot's message as one line: the echo of the script and the caret below it carry nothing.
std::string message_in(const std::filesystem::path& log) {
  std::ifstream file(log);
  std::string message, line;
  while (std::getline(file, line)) {
    if (line.find_first_not_of(" \t^") == std::string::npos) continue;
    message += (message.empty() ? "" : " | ") + line;
  }
  constexpr std::size_t kLongest = 600;
  if (message.size() > kLongest) message = "... " + message.substr(message.size() - kLongest);
  return message.empty() ? "no message" : message;
}

}  // namespace

void run_gnuplot(const std::string& program, const std::filesystem::path& folder, const std::string& script,
                 std::string_view format) {
  FileActions files;
  posix_spawn_file_actions_addchdir_np(&files.actions, folder.c_str());
  posix_spawn_file_actions_addopen(&files.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&files.actions, STDERR_FILENO, kLogFile, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&files.actions, STDERR_FILENO, STDOUT_FILENO);

  // -d: a user's own gnuplot settings do not change the figures.
  std::string name = program.find('/') == std::string::npos ? program : std::filesystem::absolute(program).string();
  std::string defaults = "-d", execute = "-e", choice = "format='" + std::string(format) + "'";
  std::string file = script;
  char* const arguments[] = {name.data(), defaults.data(), execute.data(), choice.data(), file.data(), nullptr};
  pid_t child = 0;
  const int failure = posix_spawnp(&child, name.c_str(), &files.actions, nullptr, arguments, environ);
  if (failure == ENOENT || failure == EACCES) {
    throw field_error(program,
                      "cannot be started, and figures are drawn by gnuplot; install the package gnuplot-nox "
                      "(Debian, Ubuntu: sudo apt-get install gnuplot-nox)");
  }
  if (failure != 0) throw field_error(program, std::string("cannot be started: ") + std::strerror(failure));

  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw field_error(program, std::string("lost while drawing: ") + std::strerror(errno));
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw field_error(program, "failed on " + script + ": " + message_in(folder / kLogFile));
  }
}

}  // namespace iclk::figures
