#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace iclk::cli {

/// How a command ended; the numbers are the program's exit status.
enum class Exit : int { answered = 0, no_answer = 1, bad_input = 2, our_fault = 3, interrupted = 130 };

/// What a real number must be, in a form that can be checked and said.
struct NumberRule {
  double low = -std::numeric_limits<double>::max();
  double high = std::numeric_limits<double>::max();
  bool low_excluded = false;  ///< `low` itself is not allowed
  std::string words = "a finite number";
};

inline constexpr std::uint64_t kLargestExactInteger = std::uint64_t{1} << 53;  // a count is also held in a double

/// What a whole number must be.
struct CountRule {
  std::uint64_t low = 0;
  std::uint64_t high = kLargestExactInteger;
};

NumberRule positive_number();
NumberRule number_from(double low, double high);
std::string words(const CountRule& rule);  ///< "a whole number from 2 to 1000"

/// The whole of `text` as a number that keeps `rule`. Throws Error naming `option`, what was found and what was
/// expected. Counts may be written 1e6.
double parse_checked_number(const std::string& option, const std::string& text, const NumberRule& rule);
std::uint64_t parse_checked_count(const std::string& option, const std::string& text, const CountRule& rule);

/// `a,b,c` or half-open ranges `a:b`, e.g. "0:3,7" is 0 1 2 7. Throws Error for anything else.
std::vector<std::uint64_t> parse_count_list(const std::string& option, const std::string& text, const CountRule& rule);

/// The member of `known` that `text` was probably meant to be, or an empty string.
std::string likely_meant(const std::string& text, const std::vector<std::string>& known);

/// `text` broken at blanks into lines, each after the first indented by `indent`.
std::string wrapped(const std::string& text, std::size_t indent);

/// The options of one verb: each declaration says at once how the value is read, which values are allowed and what the
/// help and docs/cli.md say about it. Values are written through the references when the command line is parsed, so
/// they must outlive it.
class VerbOptions {
 public:
  VerbOptions(CLI::App& app, std::string name) : app_(&app), name_(std::move(name)) {}

  void explain(std::string summary, std::string explanation);  ///< one line; one paragraph
  void example(std::string command, std::string says) { examples_.emplace_back(std::move(command), std::move(says)); }

  void argument(const std::string& placeholder, std::string& value, const std::string& help);
  void arguments(const std::string& placeholder, std::vector<std::string>& values, const std::string& help);
  void number(const std::string& option, double& value, const NumberRule& rule, const std::string& help);
  void number(const std::string& option, std::optional<double>& value, const NumberRule& rule, const std::string& help);
  void count(const std::string& option, std::uint64_t& value, const CountRule& rule, const std::string& help);
  void count(const std::string& option, std::optional<std::uint64_t>& value, const CountRule& rule,
             const std::string& help);
  void counts(const std::string& option, std::vector<std::uint64_t>& values, const CountRule& rule,
              const std::string& help, const std::string& shown_default = {});
  void text(const std::string& option, std::optional<std::string>& value, const std::string& placeholder,
            const std::string& help, const std::string& shown_default = {});
  void texts(const std::string& option, std::vector<std::string>& values, const std::string& placeholder,
             const std::string& help);  ///< one or more words after the option, which may be repeated
  void choice(const std::string& option, std::string& value, const std::vector<std::string>& allowed,
              const std::string& help);
  void flag(const std::string& option, bool& value, const std::string& help);

  bool given(const std::string& option) const;  ///< on the command line
  const std::string& name() const noexcept { return name_; }
  const std::string& summary() const noexcept { return summary_; }
  std::vector<std::string> option_names() const;
  std::string help() const;           ///< for the terminal
  std::string help_markdown() const;  ///< section of docs/cli.md

 private:
  struct Described {
    std::string name;         // "--lr", or the placeholder of an argument
    std::string placeholder;  // "LR"; empty for a flag
    std::string help;
    std::string shown_default;
    bool is_argument = false;
  };

  void option(const Described& described, std::function<void(const std::string&)> read);
  std::string usage() const;

  CLI::App* app_;
  std::string name_, summary_, explanation_;
  std::vector<std::pair<std::string, std::string>> examples_;
  std::vector<Described> described_;
};

}  // namespace iclk::cli
