#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "iclk/mlp_stats/mlp_engine.hpp"
#include "iclk/transformer/icl_model.hpp"
#include "support/plain_transformer.hpp"

// What the tests of every transformer share.
namespace iclk::test {

struct NamedBackend {
  mlp_stats::BackendKind kind;
  mlp_stats::Precision precision;
  double rounding;  ///< relative rounding of one number
};
inline constexpr NamedBackend kBackends[] = {
    {mlp_stats::BackendKind::eigen, mlp_stats::Precision::float64, 2.2e-16},
    {mlp_stats::BackendKind::eigen, mlp_stats::Precision::float32, 1.2e-7},
    {mlp_stats::BackendKind::onednn, mlp_stats::Precision::float32, 1.2e-7},
};

struct BatchSizes {
  std::size_t n_sequences = 3;
  std::size_t n_context = 4;
  std::size_t dim = 5;
  std::size_t n_items = 9;  ///< rows of the table
};

/// Random sequences; in every other one the target is among the exemplars.
transformer::SequenceBatch random_batch(const BatchSizes& sizes, std::uint64_t seed);

/// Moves every parameter by N(0, sd^2): LayerNorm starts at gain 1 and bias 0, which would hide mistakes.
void perturb(transformer::IclModel& model, double sd, std::uint64_t seed);

/// Mean loss from the model's own logits.
double mean_loss(transformer::IclModel& model, const transformer::SequenceBatch& batch);

/// The gradient of every parameter: what one step of lr 1 without decay takes away. The model is left as it was.
std::vector<transformer::NamedArray> gradients(transformer::IclModel& model, const transformer::SequenceBatch& batch);

double norm(const std::vector<double>& a);
std::vector<double> difference(std::vector<double> a, const std::vector<double>& b);

/// Turns the labels that are asked for, which must change no logit, and the label of one exemplar, which must.
void check_target_label_is_not_seen(transformer::IclModel& model, const BatchSizes& sizes);

/// Trains `make(precision, backend)` in double and, on both backends, in single precision on the same sequences, and compares
/// every parameter.
using MakeModel = std::function<std::unique_ptr<transformer::IclModel>(mlp_stats::Precision, mlp_stats::BackendKind)>;
void check_float_follows_double(const MakeModel& make, const BatchSizes& sizes, const transformer::IclSgd& sgd,
                                std::uint64_t n_steps);

/// Compares every gradient (but those of arrays beginning with `frozen`, expected to be 0) with the central difference of
/// the mean loss.
void check_central_differences(transformer::IclModel& model, const transformer::SequenceBatch& batch, double tolerance,
                               const std::string& frozen = {});

/// The plain model with the parameters of this one.
PlainTransformer plain_twin(const transformer::IclModel& model, const BatchSizes& sizes, bool attend_self);

nlohmann::json pytorch_reference(const std::string& file);

/// Follows one recorded PyTorch run: logits and loss before each step, gradients at the first, parameters at the end.
/// `tolerance`: absolute, of every number.
void check_against_pytorch(transformer::IclModel& model, const nlohmann::json& reference, const nlohmann::json& run,
                           double tolerance);

}  // namespace iclk::test
