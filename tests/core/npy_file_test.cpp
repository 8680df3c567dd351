#include "iclk/core/npy_file.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "message_of.hpp"
#include "support/catch.hpp"
#include "support/temporary_folder.hpp"

using namespace iclk;
using namespace iclk::test;

namespace {

/// A .npy file: magic, version, little-endian length of the header, the header as NumPy pads it, then the data.
std::string npy(const std::string& header, const std::string& data, int major = 1) {
  std::string file = "\x93NUMPY";
  file += static_cast<char>(major);
  file += '\0';
  const std::size_t n_length_bytes = major == 1 ? 2 : 4;
  std::string padded = header;
  while ((8 + n_length_bytes + padded.size() + 1) % 64 != 0) padded += ' ';
  padded += '\n';
  for (std::size_t i = 0; i < n_length_bytes; ++i) file += static_cast<char>((padded.size() >> (8 * i)) & 0xff);
  return file + padded + data;
}

std::string header(const std::string& dtype, const std::string& shape, bool fortran = false) {
  return "{'descr': '" + dtype + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': " + shape + ", }";
}

/// The bytes of numbers of one type, in this machine's order or reversed.
template <typename Stored>
std::string bytes(std::initializer_list<Stored> values, bool reversed = false) {
  std::string result;
  for (const Stored value : values) {
    std::string raw(sizeof(Stored), '\0');
    std::memcpy(raw.data(), &value, sizeof(Stored));
    result += reversed ? std::string(raw.rbegin(), raw.rend()) : raw;
  }
  return result;
}

const TemporaryFolder& folder() {
  static const TemporaryFolder instance;
  return instance;
}

NpyArray read_bytes(const std::string& contents) { return read_npy(folder().write("array.npy", contents)); }

/// The message without the path before it.
std::string error_of(const std::string& contents) {
  const auto path = folder().write("array.npy", contents);
  const std::string message = message_of([&] { read_npy(path); });
  REQUIRE_THAT(message, StartsWith(path.string() + ": "));
  return message.substr(path.string().size() + 2);
}

using Values = std::vector<double>;
using Shape = std::vector<std::size_t>;

}  // namespace

TEST_CASE("npy: every numeric type in both byte orders", "[core][format]") {
  static_assert(std::endian::native == std::endian::little, "the byte strings of this test are little-endian");
  const auto check = [](const std::string& type, const std::string& little, const std::string& big, const Values& v) {
    INFO(type);
    CHECK(read_bytes(npy(header("<" + type, "(3,)"), little)).values == v);
    CHECK(read_bytes(npy(header(">" + type, "(3,)"), big)).values == v);
  };
  check("f8", bytes<double>({1.5, -2.25, 1e300}), bytes<double>({1.5, -2.25, 1e300}, true), {1.5, -2.25, 1e300});
  check("f4", bytes<float>({1.5F, -2.25F, 0.5F}), bytes<float>({1.5F, -2.25F, 0.5F}, true), {1.5, -2.25, 0.5});
  check("i8", bytes<std::int64_t>({-1, 0, 7}), bytes<std::int64_t>({-1, 0, 7}, true), {-1, 0, 7});
  check("i4", bytes<std::int32_t>({-1, 0, 7}), bytes<std::int32_t>({-1, 0, 7}, true), {-1, 0, 7});
  check("i2", bytes<std::int16_t>({-1, 0, 7}), bytes<std::int16_t>({-1, 0, 7}, true), {-1, 0, 7});
  check("u8", bytes<std::uint64_t>({1, 0, 7}), bytes<std::uint64_t>({1, 0, 7}, true), {1, 0, 7});
  check("u4", bytes<std::uint32_t>({4000000000U, 0, 7}), bytes<std::uint32_t>({4000000000U, 0, 7}, true), {4e9, 0, 7});
  check("u2", bytes<std::uint16_t>({65535, 0, 7}), bytes<std::uint16_t>({65535, 0, 7}, true), {65535, 0, 7});
  CHECK(read_bytes(npy(header("|i1", "(3,)"), bytes<std::int8_t>({-1, 0, 7}))).values == Values{-1, 0, 7});
  CHECK(read_bytes(npy(header("|u1", "(3,)"), bytes<std::uint8_t>({255, 0, 7}))).values == Values{255, 0, 7});
  CHECK(read_bytes(npy(header("|b1", "(2,)"), bytes<std::uint8_t>({1, 0}))).values == Values{1, 0});
  CHECK(read_bytes(npy(header("=f8", "(1,)"), bytes<double>({0.5}))).values == Values{0.5});
}

TEST_CASE("npy: half precision with subnormals and infinities", "[core][format][limits]") {
  // 1, -2, 65504 (largest), 2^-24 (smallest), 2^-14 (smallest normal), inf, nan
  const auto array = read_bytes(
      npy(header("<f2", "(7,)"), bytes<std::uint16_t>({0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x7c00, 0x7e00})));
  const Values& v = array.values;
  REQUIRE(v.size() == 7);
  CHECK(v[0] == 1.0);
  CHECK(v[1] == -2.0);
  CHECK(v[2] == 65504.0);
  CHECK(v[3] == std::ldexp(1.0, -24));
  CHECK(v[4] == std::ldexp(1.0, -14));
  CHECK(std::isinf(v[5]));
  CHECK(std::isnan(v[6]));
  CHECK(read_bytes(npy(header(">f2", "(1,)"), bytes<std::uint16_t>({0x3c00}, true))).values == Values{1.0});
}

TEST_CASE("npy: header versions 1 to 3 and numbers without a shape", "[core][format]") {
  for (const int version : {1, 2, 3}) {
    const auto array = read_bytes(npy(header("<f4", "(2, 1)"), bytes<float>({1, 2}), version));
    CHECK(array.shape == Shape{2, 1});
    CHECK(array.values == Values{1, 2});
  }
  const auto scalar = read_bytes(npy(header("<f8", "()"), bytes<double>({3.5})));
  CHECK(scalar.shape.empty());
  CHECK(scalar.values == Values{3.5});
  CHECK(read_bytes(npy(header("<f8", "(0, 5)"), "")).values.empty());
  CHECK(read_bytes(npy(header("<f8", "(1L,)"), bytes<double>({2}))).shape == Shape{1});
  CHECK(read_bytes(npy("{'shape':(1,),'fortran_order':False,'descr':\"<f8\"}", bytes<double>({2}))).values ==
        Values{2});
}

TEST_CASE("npy: Fortran order gives the same array as C order", "[core][format][parity]") {
  // a[i][j][k] = 100 i + 10 j + k with shape (2, 3, 4)
  std::string c_data;
  std::string fortran_data;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 4; ++k) c_data += bytes<std::int32_t>({100 * i + 10 * j + k});
  for (int k = 0; k < 4; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 2; ++i) fortran_data += bytes<std::int32_t>({100 * i + 10 * j + k});
  const auto c = read_bytes(npy(header("<i4", "(2, 3, 4)"), c_data));
  const auto fortran = read_bytes(npy(header("<i4", "(2, 3, 4)", true), fortran_data));
  CHECK(c.values.at(12 + 4 + 3) == 113.0);
  CHECK(fortran.shape == c.shape);
  CHECK(fortran.values == c.values);
  CHECK(read_bytes(npy(header("<i4", "(3,)", true), bytes<std::int32_t>({1, 2, 3}))).values == Values{1, 2, 3});
}

TEST_CASE("npy: rows can be read a few at a time", "[core]") {
  std::string c_data;
  std::string fortran_data;
  for (int i = 0; i < 15; ++i) c_data += bytes<double>({static_cast<double>(i)});
  for (int i = 0; i < 15; ++i) fortran_data += bytes<double>({static_cast<double>(i % 5 * 3 + i / 5)});
  for (const bool fortran : {false, true}) {
    NpyReader first(folder().write("rows.npy", npy(header("<f8", "(5, 3)", fortran), fortran ? fortran_data : c_data)));
    const NpyReader reader = std::move(first);
    CHECK(reader.shape() == Shape{5, 3});
    CHECK(reader.n_rows() == 5);
    CHECK(reader.row_size() == 3);
    CHECK(reader.dtype() == "<f8");
    CHECK(reader.read_rows(0, 1) == Values{0, 1, 2});
    CHECK(reader.read_rows(3, 2) == Values{9, 10, 11, 12, 13, 14});
    CHECK(reader.read_rows(5, 0).empty());
    CHECK_THAT(message_of([&] { reader.read_rows(4, 2); }), EndsWith("expected rows below 5, got 2 from 4"));
    CHECK_THAT(message_of([&] { reader.read_rows(6, 0); }), EndsWith("expected rows below 5, got 0 from 6"));
  }
}

TEST_CASE("npy: files that are not arrays are named", "[core][errors]") {
  CHECK(error_of("") == "expected a .npy file, got an empty file");
  CHECK(error_of("step,c1\n0,0.5\n") == "expected a .npy file, got one that does not begin with \\x93NUMPY");
  CHECK(error_of("PK\x03\x04zip archive") == "expected a .npy file, got a zip archive such as .npz");
  CHECK(error_of("\x93NUM") == "expected a .npy file, got one that does not begin with \\x93NUMPY");
  CHECK(error_of(std::string("\x93NUMPY\x04\x00\x10\x00", 10)) == "expected .npy format 1.0, 2.0 or 3.0, got 4.0");
  const auto missing = folder() / "missing.npy";
  CHECK(message_of([&] { read_npy(missing); }) == missing.string() + ": cannot read: No such file or directory");
  CHECK(message_of([&] { read_npy(folder().path()); }) == folder().path().string() + ": expected a file, got a folder");
  CHECK(message_of([&] { read_npy("/dev/null"); }) == "/dev/null: expected a regular file, got a pipe or device");
}

TEST_CASE("npy: truncated and overlong files are found before anything is read", "[core][errors]") {
  const std::string whole = npy(header("<f8", "(2, 3)"), std::string(48, '\0'));
  CHECK(error_of(whole.substr(0, whole.size() - 1)) ==
        "expected 48 bytes of data for shape (2, 3) of <f8, got 47: the file is truncated");
  CHECK(error_of(whole + "x") ==
        "expected 48 bytes of data for shape (2, 3) of <f8, got 49: something follows the array");
  CHECK(error_of(whole.substr(0, 8)) == "the file ends inside its header: it is truncated");
  CHECK(error_of(whole.substr(0, 40)) == "the file ends inside its header: it is truncated");
  const std::string huge_header = std::string("\x93NUMPY\x02\x00\x00\x00\x20\x00", 12) + std::string(1 << 21, ' ');
  CHECK(error_of(huge_header) == "expected a header below 1 MiB, got 2097152 bytes");
}

TEST_CASE("npy: absurd shapes do not allocate", "[core][errors]") {
  CHECK(error_of(npy(header("<f8", "(1000000000000,)"), "12345678")) ==
        "expected 8000000000000 bytes of data for shape (1000000000000,) of <f8, got 8: the file is truncated");
  CHECK(error_of(npy(header("<f8", "(4294967296, 4294967296)"), "")) ==
        "expected an array that fits in memory, got shape (4294967296, 4294967296)");
  CHECK(error_of(npy(header("<f8", "(99999999999999999999,)"), "")) ==
        "expected a tuple of sizes as 'shape' in the header");
  CHECK(error_of(npy(header("<f8", "(-1,)"), "")) == "expected a tuple of sizes as 'shape' in the header");
}

TEST_CASE("npy: elements must be real numbers", "[core][errors]") {
  const std::string rule = "expected real numbers (float16 to 64, integers, bool), got dtype ";
  CHECK(error_of(npy(header("|O", "(1,)"), "12345678")) == rule + "\"|O\", an array of Python objects");
  CHECK(error_of(npy(header("<c16", "(1,)"), std::string(16, '\0'))) == rule + "\"<c16\"");
  CHECK(error_of(npy(header("<U5", "(1,)"), std::string(20, '\0'))) == rule + "\"<U5\"");
  CHECK(error_of(npy(header("|V2", "(1,)"), "12")) == rule + "\"|V2\"");
  CHECK(error_of(npy(header("f8", "(1,)"), "12345678")) == rule + "\"f8\"");
  CHECK(error_of(npy(header("", "(1,)"), "12345678")) == rule + "\"\"");
  CHECK(error_of(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "1234")) ==
        "expected an array of numbers, got records (structured dtype)");
}

TEST_CASE("npy: malformed headers are named", "[core][errors]") {
  CHECK(error_of(npy("not a dictionary", "")) == "expected a dictionary in the header");
  CHECK(error_of(npy("{'descr': '<f8'", "")) == "expected } at the end of the header");
  CHECK(error_of(npy("{'descr' '<f8'}", "")) == "expected 'key': value in the header");
  CHECK(error_of(npy("{'descr': '<f8}", "")) == "expected a quoted dtype as 'descr' in the header");
  CHECK(error_of(npy("{'descr': '<f8', 'fortran_order': 0}", "")) ==
        "expected True or False as 'fortran_order' in the header");
  CHECK(error_of(npy("{'descr': '<f8', 'color': 'red'}", "")) ==
        "expected each of 'descr', 'fortran_order', 'shape' once in the header, got \"color\"");
  CHECK(error_of(npy("{'descr': '<f8', 'descr': '<f8'}", "")) ==
        "expected each of 'descr', 'fortran_order', 'shape' once in the header, got \"descr\"");
  CHECK(error_of(npy("{}", "")) == "expected 'descr' in the header");
  CHECK(error_of(npy("{'descr': '<f8'}", "")) == "expected 'fortran_order' in the header");
  CHECK(error_of(npy("{'descr': '<f8', 'fortran_order': False}", "")) == "expected 'shape' in the header");
  CHECK(error_of(npy(header("<f8", "(1,)") + " {}", "12345678")) ==
        "expected nothing after the dictionary of the header");
  CHECK(error_of(npy(header("<f8", "(1;)"), "12345678")) == "expected a tuple of sizes as 'shape' in the header");
}
