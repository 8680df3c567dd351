#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "model_batch.hpp"

// What the tests of models on a device share.
namespace iclk::test {

/// A batch of backend cuda with its kernels on the host.
std::unique_ptr<transformer::ModelBatch> make_host_batch(const transformer::ModelBatchOptions& options);

/// A run of the minimal model and one of the one-layer model that are over in milliseconds.
transformer::SimulationOptions small_minimal_run(std::optional<std::uint64_t> n_items, std::uint64_t seed);
transformer::SimulationOptions small_attention_run(transformer::Profile profile, std::optional<std::uint64_t> n_items,
                                                   std::uint64_t seed);

/// All settings of a run in one line, for messages.
std::string words_of(const transformer::SimulationOptions& run);

/// Trains the run 100 steps in the last of several slots, whose neighbours have other seeds and other K, and compares every
/// measurement and, at the end, every array of parameters with what backend eigen computes of the run alone in double.
///
/// Takes    a seed at which no ReLU's input passes zero within rounding: there any two precisions part.
void follows_the_reference(const transformer::ModelBatchFactory& make_batch, const transformer::SimulationOptions& run,
                           double tolerance);

}  // namespace iclk::test
