#pragma once

#include <string>
#include <vector>

namespace iclk::test {

/// Bytes of a .npy file as numpy.save writes them: float64, C order. `shape` as Python writes it, e.g. "(3, 4)".
std::string npy_bytes(const std::string& shape, const std::vector<double>& values);

}  // namespace iclk::test
