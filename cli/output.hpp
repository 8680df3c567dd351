#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/estimate.hpp"
#include "verb_options.hpp"

namespace iclk::cli {

using Json = nlohmann::ordered_json;

/// Where one answer goes besides the table on standard output; "-" is standard output itself.
struct Destinations {
  std::optional<std::string> json;
  std::optional<std::string> csv;
  bool quiet = false;  ///< no progress on standard error
};
void declare_destinations(VerbOptions& options, Destinations& destinations);

/// One answer in its three forms.
struct Answer {
  std::string text;  ///< for people
  Json json;
  std::string csv;
};

/// Throws Error when the answer could not be written later: no such folder, a folder, no permission, standard output
/// asked for twice, or an output that is one of the inputs. Called before the work starts.
void check_destinations(const Destinations& destinations, std::span<const std::string> inputs);
void check_destination(const std::string& option, const std::string& path, std::span<const std::string> inputs = {});

/// Writes the files, then the text, which is left out when a destination is "-". Throws Error when anything cannot be
/// written, standard output included.
void write_answer(const Destinations& destinations, const Answer& answer);

/// Writes `contents` to standard output ("-") or to a file, whole or not at all.
void write_output(const std::string& path, std::string_view contents);

/// null for what JSON cannot say (NaN, infinity) or what does not exist.
Json json_number(double value);
Json json_number(const std::optional<double>& value);
Json json_head(std::string_view schema);       ///< {"schema": "iclk-figure 1", "program": "iclk 0.1.0"}
Json json_estimate(const Estimate& estimate);  ///< {"value": v, "low": l, "high": h}
Json json_count(const std::optional<std::uint64_t>& value);

/// CSV rows in one buffer; numbers in their shortest exact form, nothing for what does not exist.
class CsvText {
 public:
  explicit CsvText(std::initializer_list<std::string_view> header);
  explicit CsvText(std::span<const std::string> header);

  CsvText& cell(std::string_view text);  ///< quoted when it has to be
  CsvText& cell(double value);
  CsvText& cell(const std::optional<double>& value);
  CsvText& cell(const Estimate& estimate);  ///< three cells: value, low, high
  CsvText& count(std::uint64_t value);
  CsvText& count(const std::optional<std::uint64_t>& value);
  void end_row();

  void reserve(std::size_t bytes) { text_.reserve(bytes); }
  std::string take() && { return std::move(text_); }

 private:
  void separate();

  std::string text_;
  bool row_started_ = false;
};

/// A table for people: columns as wide as their widest cell. `alignment` has a letter per column, l or r; the last one
/// holds for the columns that follow.
class PrintedTable {
 public:
  PrintedTable(std::vector<std::string> header, std::string alignment)
      : rows_{std::move(header)}, alignment_(std::move(alignment)) {}

  void add_row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string str() const;  ///< without the header line when the header is empty

 private:
  std::vector<std::vector<std::string>> rows_;
  std::string alignment_;
};

/// Four significant digits (or `digits`), "-" for what does not exist.
std::string human(double value, int digits = 4);
std::string human(const std::optional<double>& value, int digits = 4);

/// "129.1 [128.6, 131]", with as many digits as it takes to tell the ends of the interval apart.
std::string human(const Estimate& estimate);
std::string human_range(const Estimate& estimate);  ///< "[128.6, 131]"; an open end is "?"

}  // namespace iclk::cli
