#pragma once

#include <cstdint>
#include <span>

#include "iclk/core/random.hpp"

namespace iclk {

/// Fills `out` with independent N(0, sd^2) floats from the stream (seed, purpose, index), many times faster than
/// Rng::normal(): several Philox blocks at once, in the widest vectors that the machine has, with the same bits on
/// every machine. A shorter `out` gets the same first numbers.
///
/// Differs  from Rng::normal() in its numbers: single precision, 32 random bits for the radius and 26 for the angle of
///          each pair. The tails reach to 6.76 standard deviations, beyond which a normal number lies once in 7e10.
/// Takes    a stream that nothing else reads; up to 2^34 numbers.
void fill_normals(std::span<float> out, double sd, std::uint64_t seed, RandomPurpose purpose, std::uint64_t index);

}  // namespace iclk
