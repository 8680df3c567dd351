#include "headless_browser.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace iclk::test {
namespace {

constexpr int kLongestWait = 60'000;  ///< [ms] for one answer; a busy machine starts the browser slowly

[[noreturn]] void fail(const std::string& problem) { throw std::runtime_error("browser: " + problem); }

}  // namespace

HeadlessBrowser::HeadlessBrowser() {
  int commands[2], answers[2];
  if (::pipe2(commands, O_CLOEXEC) != 0 || ::pipe2(answers, O_CLOEXEC) != 0) fail("no pipes");
  // The child reads commands from 3 and writes answers to 4. High copies keep the two from overwriting each other.
  const int read_end = ::fcntl(commands[0], F_DUPFD_CLOEXEC, 10), write_end = ::fcntl(answers[1], F_DUPFD_CLOEXEC, 10);
  ::close(commands[0]);
  ::close(answers[1]);
  std::vector<std::string> words{ICLK_CHROMIUM,
                                 "--headless=new",
                                 "--no-sandbox",  // tests run as root in containers; the page is a local file of ours
                                 "--disable-gpu",
                                 "--disable-dev-shm-usage",
                                 "--no-first-run",
                                 "--disable-background-networking",
                                 "--disable-component-update",
                                 "--hide-scrollbars",
                                 "--user-data-dir=" + profile_.path().string(),
                                 "--remote-debugging-pipe",
                                 "about:blank"};
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, read_end, 3);
  posix_spawn_file_actions_adddup2(&actions, write_end, 4);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const int failure = posix_spawn(&process_, ICLK_CHROMIUM, &actions, nullptr, pointers.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(read_end);
  ::close(write_end);
  to_ = commands[1];
  from_ = answers[0];
  if (failure != 0) fail("cannot be started");
  const auto target = call("Target.createTarget", {{"url", "about:blank"}});
  session_ = call("Target.attachToTarget", {{"targetId", target["targetId"]}, {"flatten", true}})["sessionId"];
  for (const char* domain : {"Page", "Runtime", "Log", "Network"}) call(std::string(domain) + ".enable");
}

HeadlessBrowser::~HeadlessBrowser() {
  if (to_ >= 0) ::close(to_);
  if (from_ >= 0) ::close(from_);
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

nlohmann::json HeadlessBrowser::next_message() {
  for (;;) {
    const std::size_t end = buffer_.find('\0');
    if (end != std::string::npos) {
      auto message = nlohmann::json::parse(buffer_.substr(0, end));
      buffer_.erase(0, end + 1);
      return message;
    }
    pollfd waiting{.fd = from_, .events = POLLIN, .revents = 0};
    if (::poll(&waiting, 1, kLongestWait) <= 0) fail("no answer");
    char part[65536];
    const ssize_t n = ::read(from_, part, sizeof part);
    if (n <= 0) fail("it ended");
    buffer_.append(part, static_cast<std::size_t>(n));
  }
}

void HeadlessBrowser::take_event(const nlohmann::json& message) {
  if (!message.contains("method")) return;
  const std::string method = message["method"];
  const auto& parameters = message["params"];
  if (method == "Page.loadEventFired") loaded_ = true;
  if (method == "Runtime.exceptionThrown") errors_.push_back(parameters.dump());
  if (method == "Runtime.consoleAPICalled" && parameters["type"] == "error") errors_.push_back(parameters.dump());
  if (method == "Log.entryAdded" && parameters["entry"]["level"] == "error") errors_.push_back(parameters.dump());
  if (method == "Network.requestWillBeSent") {
    const std::string address = parameters["request"]["url"];
    if (!address.starts_with("data:")) requests_.push_back(address);  // pictures inside the page are part of it
  }
}

nlohmann::json HeadlessBrowser::call(const std::string& method, nlohmann::json parameters) {
  nlohmann::json message = {{"id", ++last_id_}, {"method", method}, {"params", std::move(parameters)}};
  if (!session_.empty()) message["sessionId"] = session_;
  const std::string text = message.dump() + '\0';
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t n = ::write(to_, text.data() + sent, text.size() - sent);
    if (n <= 0) fail("it takes no commands");
    sent += static_cast<std::size_t>(n);
  }
  for (;;) {
    const nlohmann::json answer = next_message();
    if (answer.value("id", 0) != last_id_) {
      take_event(answer);
      continue;
    }
    if (answer.contains("error")) fail(method + ": " + answer["error"].dump());
    return answer["result"];
  }
}

void HeadlessBrowser::open(const std::filesystem::path& page, int width, int height) {
  errors_.clear();
  requests_.clear();
  call("Emulation.setDeviceMetricsOverride",
       {{"width", width}, {"height", height}, {"deviceScaleFactor", 1}, {"mobile", false}});
  loaded_ = false;
  call("Page.navigate", {{"url", "file://" + std::filesystem::absolute(page).string()}});
  while (!loaded_) take_event(next_message());
}

nlohmann::json HeadlessBrowser::evaluate(const std::string& expression) {
  const auto answer = call("Runtime.evaluate", {{"expression", expression}, {"returnByValue", true}});
  if (answer.contains("exceptionDetails")) fail(answer["exceptionDetails"].dump());
  return answer["result"].contains("value") ? answer["result"]["value"] : nlohmann::json();
}

}  // namespace iclk::test
