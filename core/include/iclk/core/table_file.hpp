#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "iclk/core/error.hpp"

namespace iclk {

/// A text table with a header row, as it stands in a file: every field is text until it is asked for as a number.
///
/// The fields lie in one buffer, so a million rows cost one allocation; the views that the table hands out live as
/// long as the table. Made by read_table.
class TextTable {
 public:
  /// A line that starts with `#`, without the `#` and the blanks around the text.
  struct Comment {
    std::size_t line = 0;  ///< 1 is the first line of the file
    std::string text;
  };

  const std::string& source() const noexcept { return source_; }  ///< file, as the user named it
  std::span<const std::string> columns() const noexcept { return columns_; }
  std::size_t n_columns() const noexcept { return columns_.size(); }
  std::size_t n_rows() const noexcept { return lines_.size(); }
  std::span<const Comment> comments() const noexcept { return comments_; }

  /// Position of the column with exactly this name; empty when there is none.
  std::optional<std::size_t> find_column(std::string_view name) const noexcept;
  std::size_t column(std::string_view name) const;  ///< the same; throws Error when there is none

  /// Field without the blanks and quotes around it. row < n_rows(), column < n_columns().
  std::string_view text(std::size_t row, std::size_t column) const noexcept {
    const Field field = fields_[row * columns_.size() + column];
    return std::string_view(buffer_).substr(field.start, field.length);
  }

  std::size_t header_line() const noexcept { return header_line_; }         ///< line of the header in the file
  std::size_t line(std::size_t row) const noexcept { return lines_[row]; }  ///< line of a row in the file

 private:
  friend class TableReader;
  struct Field {
    std::uint32_t start;
    std::uint32_t length;
  };

  std::string source_;
  std::string buffer_;  // the file
  std::vector<std::string> columns_;
  std::vector<Comment> comments_;
  std::vector<Field> fields_;       // [n_rows x n_columns]
  std::vector<std::size_t> lines_;  // [n_rows]
  std::size_t header_line_ = 0;
};

/// Reads a table: a header row, then at least one row with as many fields. The separator is a comma, tab or semicolon,
/// whichever the header row has most of. Accepts LF, CRLF and CR line ends, a UTF-8 byte order mark, blank lines, lines
/// that start with `#`, and quoted fields ("a ""b"""; a quote closes on its own line).
///
/// Throws   Error with file and line: missing, a folder, empty, not text, header only, wrong number of fields, a quote
///          that does not close, two columns of the same name.
TextTable read_table(const std::filesystem::path& path);

/// A field as a finite number. Throws Error `file:line: column: expected a number, got "..."`.
double number(const TextTable& table, std::size_t row, std::size_t column);
double number(const TextTable& table, std::size_t row, std::string_view column);

/// Error about one field: `file:line: column: expected <expected>, got "<field>"`.
Error field_error(const TextTable& table, std::size_t row, std::size_t column, const std::string& expected);

}  // namespace iclk
