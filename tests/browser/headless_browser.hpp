#pragma once

#include <sys/types.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"

namespace iclk::test {

/// A headless Chromium with one page, driven through the pipe of its DevTools protocol: nothing else is installed for it.
class HeadlessBrowser {
 public:
  HeadlessBrowser();
  ~HeadlessBrowser();
  HeadlessBrowser(const HeadlessBrowser&) = delete;
  HeadlessBrowser& operator=(const HeadlessBrowser&) = delete;

  /// Opens a file in a window of this size and waits until it is loaded. What the page says on the console or asks for is
  /// kept below.
  void open(const std::filesystem::path& page, int width, int height);

  /// Value of a JavaScript expression. Throws std::runtime_error when it throws.
  nlohmann::json evaluate(const std::string& expression);

  const std::vector<std::string>& errors() const noexcept { return errors_; }      ///< console errors and exceptions
  const std::vector<std::string>& requests() const noexcept { return requests_; }  ///< addresses that the page loaded

 private:
  nlohmann::json call(const std::string& method, nlohmann::json parameters = nlohmann::json::object());
  nlohmann::json next_message();
  void take_event(const nlohmann::json& message);

  TemporaryFolder profile_;
  pid_t process_ = 0;
  int to_ = -1, from_ = -1;
  int last_id_ = 0;
  bool loaded_ = false;
  std::string session_, buffer_;
  std::vector<std::string> errors_, requests_;
};

}  // namespace iclk::test
