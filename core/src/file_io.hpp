#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "iclk/core/error.hpp"

namespace iclk {

/// `file: action: reason` with the reason of the system's error number, e.g. "cannot read: No such file or directory".
Error system_error(const std::filesystem::path& path, const std::string& action, int error_number);

/// The whole of a text file, without a UTF-8 byte order mark. Throws Error when it cannot be read, or is not text
/// (NUL bytes, compressed, UTF-16), or is 4 GiB or larger.
std::string read_text(const std::filesystem::path& path);

/// `"text"` for an error message on one line: control characters escaped, long text cut.
std::string in_quotes(std::string_view text);

}  // namespace iclk
