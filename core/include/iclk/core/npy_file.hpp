#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace iclk {

/// A NumPy array as doubles in row-major order.
struct NpyArray {
  std::vector<std::size_t> shape;  ///< empty for a single number
  std::vector<double> values;      ///< [product of shape], last index fastest
};

/// Reads a .npy file (format 1.0, 2.0 or 3.0) row by row, where a row is everything that shares the first index: an
/// array [steps, items] larger than the memory can be read one step at a time.
///
/// Accepts float16, float32, float64, signed and unsigned integers of 8 to 64 bits and bool, in either byte order, in
/// C or Fortran order. 64-bit integers beyond 2^53 are rounded to the nearest double. Holds the file open; moves, does
/// not copy.
class NpyReader {
 public:
  /// Reads and checks the header. Throws Error naming the file: missing, a folder, not a .npy file, truncated or
  /// longer than its shape says, a shape beyond the address space, or elements that are not real numbers.
  explicit NpyReader(const std::filesystem::path& path);
  ~NpyReader();
  NpyReader(NpyReader&& other) noexcept;
  NpyReader& operator=(NpyReader&& other) noexcept;
  NpyReader(const NpyReader&) = delete;
  NpyReader& operator=(const NpyReader&) = delete;

  const std::vector<std::size_t>& shape() const noexcept { return shape_; }
  const std::string& dtype() const noexcept { return dtype_; }  ///< as NumPy writes it, e.g. "<f4"
  std::size_t n_rows() const noexcept { return shape_.empty() ? 1 : shape_.front(); }
  std::size_t row_size() const noexcept { return row_size_; }  ///< numbers in a row

  /// Rows first, ..., first + count - 1: [count x row_size], row-major. Throws Error outside [0, n_rows] or when the
  /// file cannot be read.
  std::vector<double> read_rows(std::size_t first, std::size_t count) const;

 private:
  void read_at(std::uint64_t offset, void* destination, std::size_t n_bytes) const;
  void read_header();

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t file_size_ = 0;
  std::uint64_t data_start_ = 0;
  std::vector<std::size_t> shape_;
  std::string dtype_;
  std::size_t row_size_ = 1;
  std::size_t item_size_ = 1;  // bytes
  bool fortran_order_ = false;
};

/// The whole array. Throws Error as NpyReader does.
NpyArray read_npy(const std::filesystem::path& path);

}  // namespace iclk
