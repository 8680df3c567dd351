#include "iclk/core/table_file.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "file_io.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk {

/// Splits the buffer of a table into fields. Quoted fields are unescaped in place: they only get shorter.
class TableReader {
 public:
  explicit TableReader(const std::filesystem::path& path) {
    table_.source_ = path.string();
    table_.buffer_ = read_text(path);
  }

  TextTable read() {
    std::string& buffer = table_.buffer_;
    if (buffer.empty()) throw error_at({}, "expected a table with a header row, got an empty file");
    const bool has_line_feeds = buffer.find('\n') != std::string::npos;
    const char line_end = has_line_feeds ? '\n' : '\r';  // CR alone: files from classic Mac programs
    for (std::size_t start = 0; start < buffer.size();) {
      ++line_;
      std::size_t end = buffer.find(line_end, start);
      if (end == std::string::npos) end = buffer.size();
      read_line(start, end > start && buffer[end - 1] == '\r' ? end - 1 : end);
      start = end + 1;
    }
    if (table_.columns_.empty()) throw error_at({}, "expected a table with a header row, got no rows");
    if (table_.lines_.empty()) throw error_at(line_, "expected rows below the header, got none");
    return std::move(table_);
  }

 private:
  Error error_at(std::optional<std::size_t> line, const std::string& problem) const {
    return {Location{table_.source_, line, {}}, problem};
  }

  bool is_blank(char c) const { return c == ' ' || (c == '\t' && separator_ != '\t'); }

  void trim(std::size_t& start, std::size_t& end) const {
    while (start < end && is_blank(table_.buffer_[start])) ++start;
    while (end > start && is_blank(table_.buffer_[end - 1])) --end;
  }

  void read_line(std::size_t start, std::size_t end) {
    const std::string_view line = std::string_view(table_.buffer_).substr(start, end - start);
    const std::size_t first = line.find_first_not_of(" \t\f");
    if (first == std::string_view::npos) return;
    if (line[first] == '#') return read_comment(line.substr(first + 1));
    if (table_.columns_.empty()) return read_header(start, end);
    split(start, end);
    const std::size_t n_fields = table_.fields_.size() - table_.lines_.size() * table_.columns_.size();
    if (n_fields != table_.columns_.size()) {
      throw error_at(line_, "expected " + std::to_string(table_.columns_.size()) + " fields as in the header, got " +
                                std::to_string(n_fields));
    }
    table_.lines_.push_back(line_);
  }

  void read_comment(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    const std::size_t last = text.find_last_not_of(" \t");
    text = first == std::string_view::npos ? std::string_view{} : text.substr(first, last - first + 1);
    table_.comments_.push_back({line_, std::string(text)});
  }

  void read_header(std::size_t start, std::size_t end) {
    separator_ = most_frequent_separator(std::string_view(table_.buffer_).substr(start, end - start));
    table_.header_line_ = line_;
    split(start, end);
    for (const TextTable::Field field : table_.fields_) {
      std::string name = table_.buffer_.substr(field.start, field.length);
      // A column without a name (the row index that pandas writes) cannot be asked for and is harmless.
      if (!name.empty() && table_.find_column(name)) {
        throw error_at(line_, "expected different column names, got " + in_quotes(name) + " twice");
      }
      table_.columns_.push_back(std::move(name));
    }
    table_.fields_.clear();
    const auto n_lines =
        std::count(table_.buffer_.begin() + static_cast<std::ptrdiff_t>(end), table_.buffer_.end(), '\n');
    table_.lines_.reserve(static_cast<std::size_t>(n_lines));
    table_.fields_.reserve(static_cast<std::size_t>(n_lines) * table_.columns_.size());
  }

  static char most_frequent_separator(std::string_view header) {
    std::size_t count[3] = {0, 0, 0};
    constexpr std::string_view kSeparators = ",\t;";
    bool inside = false;
    for (const char c : header) {
      if (c == '"') inside = !inside;
      const std::size_t which = kSeparators.find(c);
      if (!inside && which != std::string_view::npos) ++count[which];
    }
    return kSeparators[static_cast<std::size_t>(std::max_element(count, count + 3) - count)];
  }

  void split(std::size_t start, std::size_t end) {
    const char* text = table_.buffer_.data();
    const bool has_quotes = std::memchr(text + start, '"', end - start) != nullptr;
    for (;;) {
      std::size_t field_end = start;
      if (has_quotes && starts_with_quote(start, end)) {
        field_end = unquote(start, end);
      } else {
        while (field_end < end && text[field_end] != separator_) ++field_end;
        add_field(start, field_end);
      }
      if (field_end == end) return;
      start = field_end + 1;
    }
  }

  bool starts_with_quote(std::size_t& start, std::size_t end) const {
    std::size_t first = start;
    while (first < end && is_blank(table_.buffer_[first])) ++first;
    if (first == end || table_.buffer_[first] != '"') return false;
    start = first;
    return true;
  }

  void add_field(std::size_t start, std::size_t end) {
    trim(start, end);
    table_.fields_.push_back({static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(end - start)});
  }

  /// Takes the quoted field at `start`; returns the position of the separator behind it, or `end`.
  std::size_t unquote(std::size_t start, std::size_t end) {
    std::string& text = table_.buffer_;
    std::size_t read = start + 1;
    std::size_t write = start;
    for (;; ++read) {
      if (read >= end) throw error_at(line_, "expected a closing quote, got the end of the line");
      if (text[read] == '"') {
        if (read + 1 >= end || text[read + 1] != '"') break;
        ++read;
      }
      text[write++] = text[read];
    }
    for (++read; read < end && is_blank(text[read]);) ++read;
    if (read < end && text[read] != separator_) {
      throw error_at(line_, "expected a separator after the closing quote, got " + in_quotes(text.substr(read, 1)));
    }
    add_field(start, write);
    return read;
  }

  TextTable table_;
  std::size_t line_ = 0;
  char separator_ = ',';
};

std::optional<std::size_t> TextTable::find_column(std::string_view name) const noexcept {
  const auto found = std::find(columns_.begin(), columns_.end(), name);
  if (found == columns_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - columns_.begin());
}

std::size_t TextTable::column(std::string_view name) const {
  if (const auto found = find_column(name)) return *found;
  throw Error(Location{source_, header_line_, std::string(name)}, "expected a column of this name, got none");
}

TextTable read_table(const std::filesystem::path& path) { return TableReader(path).read(); }

Error field_error(const TextTable& table, std::size_t row, std::size_t column, const std::string& expected) {
  const std::string_view text = table.text(row, column);
  std::string problem = "expected " + expected + ", got " + in_quotes(text);
  if (text.find(',') != std::string_view::npos) problem += " (decimals are written with a point)";
  return {Location{table.source(), table.line(row), table.columns()[column]}, problem};
}

double number(const TextTable& table, std::size_t row, std::size_t column) {
  const auto value = parse_number(table.text(row, column));
  if (!value) throw field_error(table, row, column, "a number");
  if (!std::isfinite(*value)) throw field_error(table, row, column, "a finite number");
  return *value;
}

double number(const TextTable& table, std::size_t row, std::string_view column) {
  return number(table, row, table.column(column));
}

}  // namespace iclk
