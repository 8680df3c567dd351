#pragma once

namespace iclk::test {

/// Allocations of this program through C++ so far, by whichever thread (oneDNN and Eigen take their packing buffers from
/// malloc, which is not counted). For executables that link iclk_test_allocation_count.
long n_allocations() noexcept;

}  // namespace iclk::test
