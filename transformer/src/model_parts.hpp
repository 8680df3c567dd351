#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "iclk/core/logistic.hpp"
#include "iclk/mlp_stats/matrix_product.hpp"
#include "iclk/mlp_stats/mlp_engine.hpp"
#include "iclk/transformer/icl_model.hpp"

namespace iclk::transformer {

/// The sizes that every transformer has. Throws Error naming the field.
void validate_sizes(std::size_t n_context, std::size_t dim, std::size_t hidden, std::size_t batch);

/// Throws Error when the backend does not offer the precision, and for backend cuda, which trains whole runs only.
void validate_precision(mlp_stats::BackendKind backend, mlp_stats::Precision precision);

/// A square matrix of `width` as PyTorch initialises a linear layer without bias: U(-1/sqrt(width), 1/sqrt(width)),
/// rounded to float, from stream (seed, initial_attention, index).
template <class Real>
void initialise_square(mlp_stats::AlignedArray<Real>& matrix, std::size_t width, std::uint64_t seed,
                       std::uint64_t index);

template <class Real>
void add_array(std::vector<NamedArray>& arrays, std::string name, const mlp_stats::AlignedArray<Real>& values) {
  arrays.push_back({std::move(name), std::vector<double>(values.data(), values.data() + values.size())});
}

template <class Real>
void assign_array(mlp_stats::AlignedArray<Real>& to, const std::vector<double>& from) {
  for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<Real>(from[i]);
}

/// Loss (1/B) sum_b sp(-y_b z_b) of the targets' labels y, and its gradient -y_b sigma(-y_b z_b)/B in the logits z.
template <class Batch, class Real>
double loss_and_gradient(const Batch& batch, std::span<const Real> logits, std::span<Real> d_logits) {
  double loss = 0.0;
  const std::size_t length = batch.n_context + 1;
  const auto n_sequences = static_cast<double>(logits.size());
  for (std::size_t b = 0; b < logits.size(); ++b) {
    const double label = batch.labels[b * length + batch.n_context];
    const double signed_logit = label * static_cast<double>(logits[b]);
    loss += softplus(-signed_logit);
    d_logits[b] = static_cast<Real>(-label * sigmoid(-signed_logit) / n_sequences);
  }
  return loss / n_sequences;
}

}  // namespace iclk::transformer
