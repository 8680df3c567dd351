#include "verb_options.hpp"

#include <CLI/App.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>
#include <utility>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::cli {
namespace {

constexpr std::size_t kHelpColumns = 100;
constexpr int kMostArguments = 1'000'000;  // chosen: beyond what a command line holds

std::string expected(const std::string& what, const std::string& found) {
  return "expected " + what + ", got \"" + found + "\"";
}

std::optional<std::uint64_t> parse_integer(const std::string& text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

}  // namespace

std::string wrapped(const std::string& text, std::size_t indent) {
  std::istringstream words(text);
  std::string result;
  std::string word;
  std::size_t column = indent;
  while (words >> word) {
    if (column > indent && column + 1 + word.size() > kHelpColumns) {
      result += '\n' + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
  }
  return result;
}

NumberRule positive_number() { return {.low = 0.0, .low_excluded = true, .words = "a positive number"}; }

NumberRule number_from(double low, double high) {
  return {.low = low, .high = high, .words = "a number from " + format_number(low) + " to " + format_number(high)};
}

std::string words(const CountRule& rule) {
  if (rule.high == kLargestExactInteger) return "a whole number, at least " + std::to_string(rule.low);
  return "a whole number from " + std::to_string(rule.low) + " to " + std::to_string(rule.high);
}

double parse_checked_number(const std::string& option, const std::string& text, const NumberRule& rule) {
  const std::optional<double> value = parse_number(text);
  if (!value || !std::isfinite(*value) || *value < rule.low || *value > rule.high ||
      (rule.low_excluded && *value <= rule.low)) {
    throw field_error(option, expected(rule.words, text));
  }
  return *value;
}

std::uint64_t parse_checked_count(const std::string& option, const std::string& text, const CountRule& rule) {
  std::optional<std::uint64_t> value = parse_integer(text);
  if (!value) {
    const std::optional<double> real = parse_number(text);
    if (real && *real >= 0 && *real <= static_cast<double>(kLargestExactInteger) && std::trunc(*real) >= *real) {
      value = static_cast<std::uint64_t>(*real);
    }
  }
  if (!value || *value < rule.low || *value > rule.high) throw field_error(option, expected(words(rule), text));
  return *value;
}

std::vector<std::uint64_t> parse_count_list(const std::string& option, const std::string& text, const CountRule& rule) {
  constexpr std::uint64_t kLongestList = 100'000;  // chosen: more runs than anyone trains from one command line
  std::vector<std::uint64_t> values;
  std::istringstream parts(text + ',');
  for (std::string part; std::getline(parts, part, ',');) {
    const std::size_t colon = part.find(':');
    if (colon == std::string::npos) {
      values.push_back(parse_checked_count(option, part, rule));
      continue;
    }
    const std::uint64_t first = parse_checked_count(option, part.substr(0, colon), rule);
    const std::uint64_t end = parse_checked_count(option, part.substr(colon + 1), {.low = rule.low});
    if (end <= first) throw field_error(option, "the range \"" + part + "\" is empty; a:b means a, a+1, ..., b-1");
    if (end - 1 > rule.high) throw field_error(option, expected(words(rule), std::to_string(end - 1)));
    if (end - first > kLongestList) throw field_error(option, "the range \"" + part + "\" is too long");
    for (std::uint64_t value = first; value < end; ++value) values.push_back(value);
  }
  return values;
}

std::string likely_meant(const std::string& text, const std::vector<std::string>& known) {
  const std::size_t allowed_edits = std::max<std::size_t>(1, text.size() / 3);
  std::string best;
  std::size_t best_distance = allowed_edits + 1;
  for (const std::string& candidate : known) {
    const bool is_start = text.size() >= 3 && candidate.starts_with(text);
    const std::size_t distance = is_start ? 1 : edit_distance(text, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

void VerbOptions::explain(std::string summary, std::string explanation) {
  summary_ = std::move(summary);
  explanation_ = std::move(explanation);
}

void VerbOptions::option(const Described& described, std::function<void(const std::string&)> read) {
  described_.push_back(described);
  app_->add_option(
          described.name,
          [read = std::move(read), name = described.name](const CLI::results_t& results) {
            // CLI11 hands the next word over even when it is an option: `--lr --items 5`.
            if (results.front().starts_with("--")) {
              throw field_error(name, "a value is missing before \"" + results.front() + "\"");
            }
            read(results.front());
            return true;
          },
          described.help)
      ->type_name(described.placeholder);
}

void VerbOptions::argument(const std::string& placeholder, std::string& value, const std::string& help) {
  option({placeholder, placeholder, help, "", true}, [&value](const std::string& text) { value = text; });
}

void VerbOptions::arguments(const std::string& placeholder, std::vector<std::string>& values, const std::string& help) {
  described_.push_back({placeholder, placeholder + "...", help, "", true});
  app_->add_option(
          placeholder,
          [&values](const CLI::results_t& results) {
            values = results;
            return true;
          },
          help)
      ->expected(1, kMostArguments)
      ->allow_extra_args()
      ->allow_extra_args()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void VerbOptions::number(const std::string& name, double& value, const NumberRule& rule, const std::string& help) {
  option({name, "X", help, format_number(value), false},
         [name, &value, rule](const std::string& text) { value = parse_checked_number(name, text, rule); });
}

void VerbOptions::number(const std::string& name, std::optional<double>& value, const NumberRule& rule,
                         const std::string& help) {
  option({name, "X", help, value ? format_number(*value) : "", false},
         [name, &value, rule](const std::string& text) { value = parse_checked_number(name, text, rule); });
}

void VerbOptions::count(const std::string& name, std::uint64_t& value, const CountRule& rule, const std::string& help) {
  option({name, "N", help, std::to_string(value), false},
         [name, &value, rule](const std::string& text) { value = parse_checked_count(name, text, rule); });
}

void VerbOptions::count(const std::string& name, std::optional<std::uint64_t>& value, const CountRule& rule,
                        const std::string& help) {
  option({name, "N", help, value ? std::to_string(*value) : "", false},
         [name, &value, rule](const std::string& text) { value = parse_checked_count(name, text, rule); });
}

void VerbOptions::counts(const std::string& name, std::vector<std::uint64_t>& values, const CountRule& rule,
                         const std::string& help, const std::string& shown_default) {
  option({name, "LIST", help, shown_default, false},
         [name, &values, rule](const std::string& text) { values = parse_count_list(name, text, rule); });
}

void VerbOptions::text(const std::string& name, std::optional<std::string>& value, const std::string& placeholder,
                       const std::string& help, const std::string& shown_default) {
  const std::string shown = value ? *value : shown_default;
  option({name, placeholder, help, shown, false}, [name, &value](const std::string& text) {
    if (text.empty()) throw field_error(name, "a value is missing");
    value = text;
  });
}

void VerbOptions::texts(const std::string& name, std::vector<std::string>& values, const std::string& placeholder,
                        const std::string& help) {
  described_.push_back({name, placeholder + "...", help, "", false});
  app_->add_option(
          name,
          [name, &values](const CLI::results_t& results) {
            for (const std::string& text : results) {
              if (text.empty() || text.starts_with("--")) throw field_error(name, "a value is missing");
            }
            values = results;
            return true;
          },
          help)
      ->type_name(placeholder)
      ->expected(1, kMostArguments)
      ->allow_extra_args()
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void VerbOptions::choice(const std::string& name, std::string& value, const std::vector<std::string>& allowed,
                         const std::string& help) {
  std::string list;
  for (const std::string& word : allowed) list += (list.empty() ? "" : "|") + word;
  option({name, list, help, value, false}, [name, &value, allowed, list](const std::string& text) {
    if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
      const std::string meant = likely_meant(text, allowed);
      throw field_error(name, expected(list, text) + (meant.empty() ? "" : "; did you mean \"" + meant + "\"?"));
    }
    value = text;
  });
}

void VerbOptions::flag(const std::string& name, bool& value, const std::string& help) {
  described_.push_back({name, "", help, "", false});
  app_->add_flag(name, value, help);
}

bool VerbOptions::given(const std::string& option) const { return app_->get_option(option)->count() > 0; }

std::vector<std::string> VerbOptions::option_names() const {
  std::vector<std::string> names{"--help"};
  for (const Described& described : described_) {
    if (!described.is_argument) names.push_back(described.name);
  }
  return names;
}

std::string VerbOptions::usage() const {
  std::string line = "iclk " + name_;
  for (const Described& described : described_) {
    if (described.is_argument) line += ' ' + described.placeholder;
  }
  return line + " [options]";
}

std::string VerbOptions::help() const {
  std::size_t width = 6;
  for (const Described& described : described_) {
    width = std::max(width, described.name.size() + 1 + (described.is_argument ? 0 : described.placeholder.size()));
  }
  width = std::min<std::size_t>(width, 28);
  std::string text = "usage: " + usage() + "\n\n" + wrapped(explanation_, 0) + "\n\n";
  const auto row = [&](const std::string& left, const std::string& right) {
    text += "  " + left;
    if (left.size() > width)
      text += '\n' + std::string(width + 4, ' ');
    else
      text += std::string(width + 2 - left.size(), ' ');
    text += wrapped(right, width + 4) + '\n';
  };
  for (const bool arguments : {true, false}) {
    for (const Described& described : described_) {
      if (described.is_argument != arguments) continue;
      const std::string left = described.is_argument || described.placeholder.empty()
                                   ? described.name
                                   : described.name + ' ' + described.placeholder;
      row(left, described.help + (described.shown_default.empty() ? "" : " [" + described.shown_default + "]"));
    }
  }
  row("--help", "print this help");
  for (const auto& [command, says] : examples_) text += "\nexample: " + says + "\n  " + command + '\n';
  return text;
}

std::string VerbOptions::help_markdown() const {
  std::string text = "## `iclk " + name_ + "`\n\n" + wrapped(explanation_, 0) + "\n\n    " + usage() + "\n\n";
  text += "| option | default | meaning |\n|---|---|---|\n";
  const auto escaped = [](const std::string& raw) {
    std::string safe;
    for (const char c : raw) safe += c == '|' ? std::string("\\|") : std::string(1, c);
    return safe;
  };
  for (const bool arguments : {true, false}) {
    for (const Described& described : described_) {
      if (described.is_argument != arguments) continue;
      std::string left = described.is_argument ? described.placeholder : described.name;
      if (!described.is_argument && !described.placeholder.empty()) left += ' ' + described.placeholder;
      text +=
          "| `" + escaped(left) + "` | " + escaped(described.shown_default) + " | " + escaped(described.help) + " |\n";
    }
  }
  for (const auto& [command, says] : examples_) {
    std::string sentence = says;
    if (!sentence.empty() && sentence[0] >= 'a' && sentence[0] <= 'z')
      sentence[0] = static_cast<char>(sentence[0] - 32);
    text += "\n" + sentence + ":\n\n    " + command + "\n";
  }
  return text;
}

}  // namespace iclk::cli
