#pragma once

#include <cstdint>
#include <span>

#include "iclk/core/random.hpp"

namespace iclk {

/// Fills `out` with independent N(0, sd^2) floats from the stream (seed, purpose, index), many times faster than
/// Rng::normal(): several Philox blocks at once, in the widest vectors that the machine has, with the same bits on every
/// machine. A shorter `out` gets the same first numbers.
///
/// Differs  from Rng::normal() in its numbers: single precision, 23 random bits of radius and 24 of angle. The tails
///          reach to 5.77 standard deviations, beyond which a normal number lies once in 1.3e8.
/// Takes    a stream that nothing else reads; up to 2^34 numbers.
void fill_normals(std::span<float> out, double sd, std::uint64_t seed, RandomPurpose purpose, std::uint64_t index);

}  // namespace iclk
