#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "iclk/mlp_stats/mlp_engine.hpp"
#include "iclk/transformer/icl_model.hpp"

namespace iclk::transformer {

/// The model that the theory is about: an MLP on the target plus an attention head with two numbers.
struct MinimalOptions {
  std::size_t n_context = 100;  ///< N, labelled exemplars
  std::size_t dim = 63;         ///< D
  std::size_t hidden = 512;     ///< width of both hidden layers of the MLP
  std::size_t batch = 128;      ///< sequences per SGD step
  double beta0 = 0.0;           ///< start of beta, or its mean
  double beta0_sd = 0.0;        ///< standard deviation over seeds; 0: beta0 exactly
  double w0 = 0.0;              ///< the same of w
  double w0_sd = 0.0;
  bool attend_self = false;  ///< the target is in the softmax too, without a label (the released code)
  mlp_stats::BackendKind backend = mlp_stats::BackendKind::onednn;
  mlp_stats::Precision precision = mlp_stats::Precision::float32;
};
void validate(const MinimalOptions& options);  ///< throws Error naming the field, its value and the rule

/// The minimal model, its MLP initialised as PyTorch does and beta, w drawn from stream (seed, initial_attention, 0):
///
///     z = phi(x_t) + w sum_j a_j y_j,   a_j = exp(beta x_j . x_t) / sum_k exp(beta x_k . x_t)
///
/// with the sums over the N exemplars, labels y = +-1. beta and w are doubles whatever the precision of the MLP.
///
/// Source   Eq. 2, Eq. 3.
/// Differs  with attend_self the softmax runs over the target too, whose label counts as 0: the copy then gets at most
///          half of the attention.
/// Returns  a model with diagnostics `beta`, `w`, and arrays `w1` `b1` `w2` `b2` `w3` `b3` `beta` `w`; it takes dots.
/// Throws   Error as validate does.
/// Checked  [eq2] [eq3]
std::unique_ptr<IclModel> make_minimal_model(const MinimalOptions& options, std::uint64_t seed);

}  // namespace iclk::transformer
