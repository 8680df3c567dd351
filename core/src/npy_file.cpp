#include "iclk/core/npy_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "file_io.hpp"
#include "iclk/core/error.hpp"

namespace iclk {
namespace {

constexpr std::size_t kLongestHeader = std::size_t{1} << 20;  // NumPy's own is a hundred bytes; it refuses 10 kB

/// Parses the Python dictionary of a .npy header, e.g. {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : rest_(text) {}

  std::optional<std::string> dtype;
  std::optional<bool> fortran_order;
  std::optional<std::vector<std::size_t>> shape;

  /// What is wrong with the header; empty when all three entries were read.
  std::string parse() {
    if (!take('{')) return "expected a dictionary in the header";
    while (!take('}')) {
      const auto key = take_string();
      if (!key || !take(':')) return "expected 'key': value in the header";
      std::string problem = parse_value(*key);
      if (!problem.empty()) return problem;
      if (take(',')) continue;
      if (!take('}')) return "expected } at the end of the header";
      break;
    }
    skip_blanks();
    if (!rest_.empty()) return "expected nothing after the dictionary of the header";
    if (!dtype) return "expected 'descr' in the header";
    if (!fortran_order) return "expected 'fortran_order' in the header";
    if (!shape) return "expected 'shape' in the header";
    return {};
  }

 private:
  std::string parse_value(const std::string& key) {
    if (key == "descr" && !dtype) {
      skip_blanks();
      if (rest_.starts_with('[')) return "expected an array of numbers, got records (structured dtype)";
      dtype = take_string();
      return dtype ? "" : "expected a quoted dtype as 'descr' in the header";
    }
    if (key == "fortran_order" && !fortran_order) {
      if (take_word("True")) {
        fortran_order = true;
      } else if (take_word("False")) {
        fortran_order = false;
      } else {
        return "expected True or False as 'fortran_order' in the header";
      }
      return {};
    }
    if (key == "shape" && !shape) {
      shape = take_shape();
      return shape ? "" : "expected a tuple of sizes as 'shape' in the header";
    }
    return "expected each of 'descr', 'fortran_order', 'shape' once in the header, got " + in_quotes(key);
  }

  void skip_blanks() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n' || rest_.front() == '\t')) {
      rest_.remove_prefix(1);
    }
  }

  bool take(char c) {
    skip_blanks();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool take_word(std::string_view word) {
    skip_blanks();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  std::optional<std::string> take_string() {
    skip_blanks();
    if (!rest_.starts_with('\'') && !rest_.starts_with('"')) return std::nullopt;
    const std::size_t end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) return std::nullopt;
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::optional<std::vector<std::size_t>> take_shape() {
    if (!take('(')) return std::nullopt;
    std::vector<std::size_t> sizes;
    while (!take(')')) {
      skip_blanks();
      std::size_t size = 0;
      const auto result = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (result.ec != std::errc{}) return std::nullopt;  // a sign, or a size beyond 2^64
      rest_.remove_prefix(static_cast<std::size_t>(result.ptr - rest_.data()));
      if (rest_.starts_with('L')) rest_.remove_prefix(1);  // Python 2
      sizes.push_back(size);
      if (take(',')) continue;
      if (!take(')')) return std::nullopt;
      break;
    }
    return sizes;
  }

  std::string_view rest_;
};

/// IEEE half precision: sign, 5 bits of exponent, 10 bits of fraction.
double half_to_double(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const double fraction = bits & 1023;
  double magnitude = 0.0;
  if (exponent == 31) {
    magnitude = fraction > 0.0 ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  } else if (exponent == 0) {
    magnitude = std::ldexp(fraction, -24);
  } else {
    magnitude = std::ldexp(fraction + 1024.0, exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

template <typename Stored>
Stored load(const unsigned char* bytes, bool swapped) {
  std::array<unsigned char, sizeof(Stored)> raw;
  std::memcpy(raw.data(), bytes, raw.size());
  if (swapped) std::reverse(raw.begin(), raw.end());
  return std::bit_cast<Stored>(raw);
}

template <typename Stored>
double to_double(const unsigned char* bytes, bool swapped) {
  return static_cast<double>(load<Stored>(bytes, swapped));
}

using Converter = double (*)(const unsigned char*, bool);

/// How to read an element of a dtype without its byte order, e.g. "f4"; no converter when it is not a real number.
std::pair<Converter, std::size_t> converter(std::string_view type) {
  if (type == "f8") return {to_double<double>, 8};
  if (type == "f4") return {to_double<float>, 4};
  if (type == "f2")
    return {[](const unsigned char* b, bool s) { return half_to_double(load<std::uint16_t>(b, s)); }, 2};
  if (type == "i8") return {to_double<std::int64_t>, 8};
  if (type == "i4") return {to_double<std::int32_t>, 4};
  if (type == "i2") return {to_double<std::int16_t>, 2};
  if (type == "i1") return {to_double<std::int8_t>, 1};
  if (type == "u8") return {to_double<std::uint64_t>, 8};
  if (type == "u4") return {to_double<std::uint32_t>, 4};
  if (type == "u2") return {to_double<std::uint16_t>, 2};
  if (type == "u1" || type == "b1") return {to_double<std::uint8_t>, 1};
  return {nullptr, 0};
}

/// Byte order marks: < little, > big, | not applicable, = the machine's.
constexpr std::string_view kByteOrders = "<>|=";

std::string_view type_of(std::string_view dtype) { return dtype.substr(std::min<std::size_t>(dtype.size(), 1)); }

bool is_swapped(std::string_view dtype) {
  return dtype.front() == (std::endian::native == std::endian::little ? '>' : '<');
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  std::string text = "(";
  for (const std::size_t size : shape) text += std::to_string(size) + (shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1) text.resize(text.size() - 2);
  return text + ')';
}

/// Product of sizes, empty when it exceeds the address space.
std::optional<std::size_t> product(const std::vector<std::size_t>& sizes, std::size_t first_factor) {
  if (std::find(sizes.begin(), sizes.end(), std::size_t{0}) != sizes.end()) return 0;
  std::size_t result = first_factor;
  for (const std::size_t size : sizes) {
    if (result > std::numeric_limits<std::ptrdiff_t>::max() / size) return std::nullopt;
    result *= size;
  }
  return result;
}

}  // namespace

NpyReader::NpyReader(const std::filesystem::path& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  if (descriptor_ < 0) throw system_error(path_, "cannot read", errno);
  try {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) throw system_error(path_, "cannot read", errno);
    const Location where{path_.string(), {}, {}};
    if (S_ISDIR(status.st_mode)) throw Error(where, "expected a file, got a folder");
    if (!S_ISREG(status.st_mode)) throw Error(where, "expected a regular file, got a pipe or device");
    file_size_ = static_cast<std::uint64_t>(status.st_size);
    read_header();
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

NpyReader::~NpyReader() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

NpyReader::NpyReader(NpyReader&& other) noexcept { *this = std::move(other); }

NpyReader& NpyReader::operator=(NpyReader&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(file_size_, other.file_size_);
  std::swap(data_start_, other.data_start_);
  std::swap(shape_, other.shape_);
  std::swap(dtype_, other.dtype_);
  std::swap(row_size_, other.row_size_);
  std::swap(item_size_, other.item_size_);
  std::swap(fortran_order_, other.fortran_order_);
  return *this;
}

void NpyReader::read_at(std::uint64_t offset, void* destination, std::size_t n_bytes) const {
  auto* bytes = static_cast<unsigned char*>(destination);
  while (n_bytes > 0) {
    const ssize_t got = ::pread(descriptor_, bytes, n_bytes, static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      throw system_error(path_, "cannot read", errno);
    }
    if (got == 0) throw Error(Location{path_.string(), {}, {}}, "the file ends before its data: it is truncated");
    bytes += got;
    offset += static_cast<std::uint64_t>(got);
    n_bytes -= static_cast<std::size_t>(got);
  }
}

void NpyReader::read_header() {
  using namespace std::string_view_literals;
  const Location where{path_.string(), {}, {}};
  std::array<unsigned char, 12> start{};
  read_at(0, start.data(), std::min<std::uint64_t>(start.size(), file_size_));
  const std::string_view magic(reinterpret_cast<const char*>(start.data()), 6);
  if (file_size_ == 0) throw Error(where, "expected a .npy file, got an empty file");
  if (magic.starts_with("PK\x03\x04"sv)) throw Error(where, "expected a .npy file, got a zip archive such as .npz");
  if (magic != "\x93NUMPY"sv) throw Error(where, "expected a .npy file, got one that does not begin with \\x93NUMPY");
  const int major = start[6];
  if (major < 1 || major > 3 || start[7] != 0) {
    throw Error(where,
                "expected .npy format 1.0, 2.0 or 3.0, got " + std::to_string(major) + '.' + std::to_string(start[7]));
  }
  const std::size_t header_start = major == 1 ? 10 : 12;
  std::size_t length = start[8] + std::size_t{256} * start[9];
  if (major > 1) length += (std::size_t{1} << 16) * start[10] + (std::size_t{1} << 24) * start[11];
  if (file_size_ < header_start || length > file_size_ - header_start) {
    throw Error(where, "the file ends inside its header: it is truncated");
  }
  if (length > kLongestHeader)
    throw Error(where, "expected a header below 1 MiB, got " + std::to_string(length) + " bytes");
  std::string text(length, '\0');
  read_at(header_start, text.data(), length);
  data_start_ = header_start + length;

  HeaderParser header(text);
  const std::string problem = header.parse();
  if (!problem.empty()) throw Error(where, problem);
  dtype_ = *header.dtype;
  shape_ = *header.shape;
  fortran_order_ = *header.fortran_order;
  const auto [convert, item_size] = converter(type_of(dtype_));
  if (convert == nullptr || kByteOrders.find(dtype_.front()) == std::string_view::npos) {
    const bool is_object = dtype_.find('O') != std::string::npos;
    throw Error(where, "expected real numbers (float16 to 64, integers, bool), got dtype " + in_quotes(dtype_) +
                           (is_object ? ", an array of Python objects" : ""));
  }
  item_size_ = item_size;
  const auto n_bytes = product(shape_, item_size_);
  if (!n_bytes) throw Error(where, "expected an array that fits in memory, got shape " + shape_text(shape_));
  const std::uint64_t present = file_size_ - data_start_;
  if (*n_bytes != present) {
    throw Error(where, "expected " + std::to_string(*n_bytes) + " bytes of data for shape " + shape_text(shape_) +
                           " of " + dtype_ + ", got " + std::to_string(present) +
                           (present < *n_bytes ? ": the file is truncated" : ": something follows the array"));
  }
  row_size_ = 1;
  if (*n_bytes == 0) {
    row_size_ = 0;
  } else if (!shape_.empty()) {
    row_size_ = *n_bytes / item_size_ / shape_.front();
  }
}

std::vector<double> NpyReader::read_rows(std::size_t first, std::size_t count) const {
  if (first > n_rows() || count > n_rows() - first) {
    throw Error(Location{path_.string(), {}, {}}, "expected rows below " + std::to_string(n_rows()) + ", got " +
                                                      std::to_string(count) + " from " + std::to_string(first));
  }
  const std::size_t n = count * row_size_;
  std::vector<double> values(n);
  if (n == 0) return values;
  const Converter convert = converter(type_of(dtype_)).first;
  const bool swapped = is_swapped(dtype_);
  if (!fortran_order_ || shape_.size() < 2) {
    std::vector<unsigned char> bytes(n * item_size_);
    read_at(data_start_ + first * row_size_ * item_size_, bytes.data(), bytes.size());
    for (std::size_t i = 0; i < n; ++i) values[i] = convert(bytes.data() + i * item_size_, swapped);
    return values;
  }
  // Fortran order keeps the first index fastest: for each place within a row, `count` neighbouring numbers. Their
  // places run with the second index fastest, in a row of ours with the last.
  std::vector<unsigned char> bytes(count * item_size_);
  std::vector<std::size_t> index(shape_.size(), 0);  // index[0] unused
  for (std::size_t place = 0; place < row_size_; ++place) {
    read_at(data_start_ + (place * n_rows() + first) * item_size_, bytes.data(), bytes.size());
    std::size_t column = 0;
    for (std::size_t axis = 1; axis < shape_.size(); ++axis) column = column * shape_[axis] + index[axis];
    for (std::size_t row = 0; row < count; ++row) {
      values[row * row_size_ + column] = convert(bytes.data() + row * item_size_, swapped);
    }
    for (std::size_t axis = 1; axis < shape_.size() && ++index[axis] == shape_[axis]; ++axis) index[axis] = 0;
  }
  return values;
}

NpyArray read_npy(const std::filesystem::path& path) {
  const NpyReader reader(path);
  return {reader.shape(), reader.read_rows(0, reader.n_rows())};
}

}  // namespace iclk
