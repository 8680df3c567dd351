#include "file_io.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

#include "iclk/core/curve_file.hpp"

namespace iclk {
namespace {

namespace fs = std::filesystem;

/// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) noexcept : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const noexcept { return number_; }
  bool valid() const noexcept { return number_ >= 0; }
  /// Closing reports errors of delayed writes (network and quota file systems), so it is checked.
  int close() noexcept { return ::close(std::exchange(number_, -1)); }

 private:
  int number_;
};

constexpr std::size_t kProbeSize = 4096;  // bytes looked at for signs of a binary file: more than any magic number

/// Why the beginning of a file shows that it is not text; empty when it may be.
std::string_view binary_kind(std::string_view start) {
  using namespace std::string_view_literals;
  if (start.starts_with("\x1f\x8b"sv)) return "a gzip file (unpack it first)";
  if (start.starts_with("PK\x03\x04"sv)) return "a zip archive or spreadsheet (export it as CSV)";
  if (start.starts_with("\x93NUMPY"sv)) return "a NumPy array";
  if (start.starts_with("\xff\xfe"sv) || start.starts_with("\xfe\xff"sv)) return "UTF-16 text (save it as UTF-8)";
  const auto is_control = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f') || byte == 0x7f;
  };
  if (std::any_of(start.begin(), start.end(), is_control)) return "a binary file";
  return {};
}

/// Writes everything to an open file; the system's error number, or 0.
int write_all(int descriptor, std::string_view contents) {
  while (!contents.empty()) {
    const ssize_t written = ::write(descriptor, contents.data(), contents.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    contents.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

/// Devices and pipes (/dev/stdout, /dev/null) cannot be replaced: they are written directly.
void write_in_place(const fs::path& path, const fs::path& target, std::string_view contents) {
  Descriptor file(::open(target.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) throw system_error(path, "cannot write", errno);
  if (const int error = write_all(file.number(), contents)) throw system_error(path, "cannot write", error);
  if (file.close() != 0) throw system_error(path, "cannot write", errno);
}

/// A new file in the folder of its target that vanishes unless it is renamed to it.
class TemporaryFile {
 public:
  TemporaryFile(const fs::path& folder, mode_t mode, int& error) : descriptor_(-1) {
    // Unique among processes by the process id, among threads by O_EXCL; leftovers of a killed process are skipped.
    const std::string stem = ".iclk-" + std::to_string(::getpid()) + '-';
    for (int attempt = 0; attempt < 10'000; ++attempt) {
      path_ = folder / (stem + std::to_string(attempt) + ".tmp");
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
      if (descriptor_ >= 0 || errno != EEXIST) break;
    }
    error = descriptor_ >= 0 ? 0 : errno;
    if (error != 0) path_.clear();
  }
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  int descriptor() const noexcept { return descriptor_; }

  /// Puts the contents on the disk; the system's error number, or 0.
  int write_and_close(std::string_view contents) {
    if (const int error = write_all(descriptor_, contents)) return error;
    if (::fsync(descriptor_) != 0) return errno;
    return ::close(std::exchange(descriptor_, -1)) == 0 ? 0 : errno;
  }

  int rename_to(const fs::path& target) {
    if (::rename(path_.c_str(), target.c_str()) != 0) return errno;
    path_.clear();
    return 0;
  }

 private:
  fs::path path_;
  int descriptor_;
};

/// Makes the rename itself durable. File systems that cannot sync a folder, and folders that we may not read, are
/// no reason to fail: the file is complete either way.
void sync_folder(const fs::path& path, const fs::path& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!descriptor.valid() || ::fsync(descriptor.number()) == 0) return;
  if (errno == EIO || errno == ENOSPC || errno == EDQUOT) throw system_error(path, "cannot write", errno);
}

}  // namespace

Error system_error(const fs::path& path, const std::string& action, int error_number) {
  return {Location{path.string(), {}, {}}, action + ": " + std::generic_category().message(error_number)};
}

std::string read_text(const fs::path& path) {
  const Location where{path.string(), {}, {}};
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) throw system_error(path, "cannot read", errno);
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) throw system_error(path, "cannot read", errno);
  if (S_ISDIR(status.st_mode)) throw Error(where, "expected a file, got a folder");

  constexpr std::size_t kChunk = std::size_t{1} << 20;
  constexpr std::size_t kLimit = std::size_t{1} << 32;
  std::string text;
  if (status.st_size > 0 && static_cast<std::size_t>(status.st_size) < kLimit) {
    text.reserve(static_cast<std::size_t>(status.st_size) + kChunk);
  }
  std::size_t length = 0;
  bool probed = false;
  for (;;) {
    text.resize(length + kChunk);
    const ssize_t got = ::read(file.number(), text.data() + length, kChunk);
    if (got < 0) {
      if (errno == EINTR) continue;
      throw system_error(path, "cannot read", errno);
    }
    length += static_cast<std::size_t>(got);
    if (got == 0 || (!probed && length >= kProbeSize)) {
      const auto kind = binary_kind(std::string_view(text).substr(0, std::min(length, kProbeSize)));
      if (!kind.empty()) throw Error(where, "expected a text file, got " + std::string(kind));
      probed = true;
    }
    if (got == 0) break;
    if (length >= kLimit) throw Error(where, "expected a file below 4 GiB");
  }
  text.resize(length);
  if (text.find('\0') != std::string::npos) throw Error(where, "expected a text file, got a binary file");
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  return text;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      result += "\\x";
      result += kHex[byte >> 4];
      result += kHex[byte & 15];
    } else {
      result += c;
    }
  }
  if (text.size() > kLongest) result += "...";
  return result + '"';
}

void write_file_atomically(const fs::path& path, std::string_view contents) {
  // Through a link we replace the file that it names, not the link.
  std::error_code ignored;
  fs::path target = path;
  if (fs::is_symlink(fs::symlink_status(path, ignored))) {
    const fs::path resolved = fs::canonical(path, ignored);
    if (!resolved.empty()) target = resolved;
  }
  mode_t mode = 0666;
  struct stat status {};
  const bool exists = ::stat(target.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) {
    throw Error(Location{path.string(), {}, {}}, "cannot write: it is a folder");
  }
  if (exists && !S_ISREG(status.st_mode)) return write_in_place(path, target, contents);
  if (!target.has_filename()) throw Error(Location{path.string(), {}, {}}, "cannot write: expected the name of a file");

  const fs::path folder = target.has_parent_path() ? target.parent_path() : fs::path(".");
  int error = 0;
  TemporaryFile temporary(folder, mode, error);
  if (error != 0) throw system_error(path, "cannot write", error);
  if (exists && ::fchmod(temporary.descriptor(), status.st_mode & 07777) != 0) {
    throw system_error(path, "cannot write", errno);
  }
  error = temporary.write_and_close(contents);
  if (error == 0) error = temporary.rename_to(target);
  if (error != 0) throw system_error(path, "cannot write", error);
  sync_folder(path, folder);
}

}  // namespace iclk
