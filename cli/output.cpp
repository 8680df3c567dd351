#include "output.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "iclk/core/curve_file.hpp"
#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::cli {
namespace {

namespace fs = std::filesystem;

bool is_stream_like(const fs::path& path) {
  std::error_code none;
  const fs::file_status status = fs::status(path, none);
  return fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status);
}

/// Significant digits that show the width of an interval to one digit.
int digits_of(const Estimate& estimate) {
  constexpr int kFewest = 4;
  constexpr int kMost = 8;
  if (!estimate.low || !estimate.high || !(*estimate.high > *estimate.low)) return kFewest;
  const double relative_width = (*estimate.high - *estimate.low) / std::abs(*estimate.high);
  return std::clamp(static_cast<int>(std::ceil(1.0 - std::log10(relative_width))), kFewest, kMost);
}

}  // namespace

void declare_destinations(VerbOptions& options, Destinations& destinations) {
  options.text("--json", destinations.json, "FILE", "write the answer as JSON; - is standard output");
  options.text("--csv", destinations.csv, "FILE", "write the answer as CSV; - is standard output");
  options.flag("--quiet", destinations.quiet, "no progress on standard error, where there would be any");
}

void check_destination(const std::string& option, const std::string& path, std::span<const std::string> inputs) {
  if (path == "-") return;
  std::error_code none;
  if (fs::is_directory(path, none)) throw field_error(option, "\"" + path + "\" is a directory, expected a file");
  if (!is_stream_like(path)) {
    fs::path folder = fs::path(path).parent_path();
    if (folder.empty()) folder = ".";
    if (!fs::is_directory(folder, none)) {
      throw field_error(option, "cannot write \"" + path + "\": there is no folder \"" + folder.string() + "\"");
    }
    if (::access(folder.c_str(), W_OK | X_OK) != 0) {
      throw field_error(option, "cannot write \"" + path + "\": " + std::strerror(errno));
    }
  } else if (::access(path.c_str(), W_OK) != 0) {
    throw field_error(option, "cannot write \"" + path + "\": " + std::strerror(errno));
  }
  for (const std::string& input : inputs) {
    if (fs::is_regular_file(path, none) && fs::equivalent(path, input, none)) {
      throw field_error(option, "\"" + path + "\" is also an input; it would be overwritten");
    }
  }
}

void check_destinations(const Destinations& destinations, std::span<const std::string> inputs) {
  if (destinations.json) check_destination("--json", *destinations.json, inputs);
  if (destinations.csv) check_destination("--csv", *destinations.csv, inputs);
  if (destinations.json && destinations.csv && *destinations.json == *destinations.csv) {
    throw field_error("--csv", "\"" + *destinations.csv + "\" is already the output of --json");
  }
}

void write_output(const std::string& path, std::string_view contents) {
  if (path != "-") return write_file_atomically(path, contents);
  errno = 0;
  const bool written = std::fwrite(contents.data(), 1, contents.size(), stdout) == contents.size();
  if (!written || std::fflush(stdout) != 0) {
    throw Error({.file = "standard output", .line = {}, .field = {}},
                std::string("cannot write: ") + std::strerror(errno));
  }
}

void write_answer(const Destinations& destinations, const Answer& answer) {
  bool stdout_taken = false;
  const auto write = [&](const std::optional<std::string>& path, const std::string& contents) {
    if (!path) return;
    stdout_taken = stdout_taken || *path == "-";
    write_output(*path, contents);
  };
  write(destinations.json, destinations.json ? answer.json.dump(2) + '\n' : std::string());
  write(destinations.csv, answer.csv);
  if (!stdout_taken) write_output("-", answer.text);
}

Json json_number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json json_number(const std::optional<double>& value) { return value ? json_number(*value) : Json(nullptr); }

Json json_head(std::string_view schema) { return {{"schema", schema}, {"program", "iclk " + std::string(version())}}; }

Json json_estimate(const Estimate& estimate) {
  return {
      {"value", json_number(estimate.value)}, {"low", json_number(estimate.low)}, {"high", json_number(estimate.high)}};
}

Json json_count(const std::optional<std::uint64_t>& value) { return value ? Json(*value) : Json(nullptr); }

CsvText::CsvText(std::initializer_list<std::string_view> header) {
  for (const std::string_view name : header) cell(name);
  end_row();
}

CsvText::CsvText(std::span<const std::string> header) {
  for (const std::string& name : header) cell(name);
  end_row();
}

void CsvText::separate() {
  if (row_started_) text_ += ',';
  row_started_ = true;
}

CsvText& CsvText::cell(std::string_view text) {
  separate();
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    text_ += text;
    return *this;
  }
  text_ += '"';
  for (const char c : text) {
    if (c == '"') text_ += '"';
    text_ += c;
  }
  text_ += '"';
  return *this;
}

CsvText& CsvText::cell(double value) {
  separate();
  if (!std::isfinite(value)) return *this;
  std::array<char, 32> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  text_.append(buffer.data(), result.ptr);
  return *this;
}

CsvText& CsvText::cell(const std::optional<double>& value) {
  if (value) return cell(*value);
  separate();
  return *this;
}

CsvText& CsvText::cell(const Estimate& estimate) { return cell(estimate.value).cell(estimate.low).cell(estimate.high); }

CsvText& CsvText::count(std::uint64_t value) { return cell(std::string_view(std::to_string(value))); }

CsvText& CsvText::count(const std::optional<std::uint64_t>& value) {
  if (value) return count(*value);
  separate();
  return *this;
}

void CsvText::end_row() {
  text_ += '\n';
  row_started_ = false;
}

std::string PrintedTable::str() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    if (row.empty()) continue;
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      line += i == 0 ? "  " : "   ";
      line += alignment_[std::min(i, alignment_.size() - 1)] == 'l' ? row[i] + padding : padding + row[i];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + '\n';
  }
  return text;
}

std::string human(double value, int digits) {
  if (!std::isfinite(value)) return "-";
  std::array<char, 40> buffer;
  const double size = std::abs(value);
  const double plain_up_to = 1e7;
  if (size >= std::pow(10.0, digits) && size < plain_up_to) {
    std::snprintf(buffer.data(), buffer.size(), "%.0f", value);
  } else {
    std::snprintf(buffer.data(), buffer.size(), "%.*g", digits, value);
  }
  return buffer.data();
}

std::string human(const std::optional<double>& value, int digits) { return value ? human(*value, digits) : "-"; }

std::string human_range(const Estimate& estimate) {
  if (!estimate.low && !estimate.high) return "-";
  const int digits = digits_of(estimate);
  return '[' + (estimate.low ? human(*estimate.low, digits) : "?") + ", " +
         (estimate.high ? human(*estimate.high, digits) : "?") + ']';
}

std::string human(const Estimate& estimate) {
  if (!estimate.value) return "-";
  const std::string value = human(*estimate.value, digits_of(estimate));
  return estimate.low || estimate.high ? value + ' ' + human_range(estimate) : value;
}

}  // namespace iclk::cli
