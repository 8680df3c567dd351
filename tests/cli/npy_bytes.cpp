#include "npy_bytes.hpp"

#include <cstring>

namespace iclk::test {

std::string npy_bytes(const std::string& shape, const std::vector<double>& values) {
  std::string header = "{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + ", }";
  constexpr std::size_t kPrefix = 10;  // magic, version, length of the header
  while ((kPrefix + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string bytes("\x93NUMPY\x01\x00", 8);
  bytes += static_cast<char>(header.size() & 0xff);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  const std::size_t start = bytes.size();
  bytes.resize(start + values.size() * sizeof(double));
  if (!values.empty()) std::memcpy(bytes.data() + start, values.data(), values.size() * sizeof(double));
  return bytes;
}

}  // namespace iclk::test
