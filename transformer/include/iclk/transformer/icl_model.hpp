#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "iclk/transformer/icl_task.hpp"

namespace iclk::transformer {

/// One step of plain stochastic gradient descent, no momentum. Decays are added to the gradient as decay * parameter.
struct IclSgd {
  double lr = 0.01;                 ///< learning rate of every parameter
  double mlp_weight_decay = 1e-10;  ///< of every MLP, biases included
  double attention_weight_decay =
      1e-10;                    ///< transformers: Q, K, V and, with decay_layernorm, LayerNorm's gain and bias
  bool decay_layernorm = true;  ///< transformers: as in the released code
  double lambda_w = 0.0;        ///< minimal model: of w [1/time]
  double lambda_beta = 0.0;     ///< minimal model: of beta [1/time]
};
void validate(const IclSgd& sgd);  ///< throws Error naming the field, its value and the rule

/// Logits of the targets, not signed by the label: total = mlp + attention.
struct LogitParts {
  std::vector<double> total;      ///< [n_sequences]
  std::vector<double> mlp;        ///< [n_sequences] what the MLP says of the target alone
  std::vector<double> attention;  ///< [n_sequences] the rest

  void resize(std::size_t n_sequences);
};

struct NamedValue {
  std::string name;
  double value = 0.0;
};

/// An array of parameters, as a checkpoint keeps it. Every float is a double, so nothing is lost.
struct NamedArray {
  std::string name;
  std::vector<double> values;

  bool operator==(const NamedArray&) const = default;
};

/// A model that is trained on sequences. One model uses one thread; what it computes depends on nothing outside. The
/// loss of a batch is the mean of sp(-y z) over its sequences, y the target's label and z the logit.
class IclModel {
 public:
  virtual ~IclModel() = default;

  /// One SGD step. Returns the loss before it [nats]; not finite when the training has diverged. Allocates nothing.
  /// Takes    as many sequences as the model was made for.
  virtual double train(const SequenceBatch& batch, const IclSgd& sgd) = 0;

  /// Logits of any number of sequences.
  virtual void logits(const SequenceBatch& batch, LogitParts& parts) = 0;

  /// Whether the model takes dot products in place of fresh items. One that does not must not be given any.
  virtual bool takes_dots() const noexcept { return false; }
  virtual double train(const DotBatch& batch, const IclSgd& sgd);
  virtual void logits(const DotBatch& batch, LogitParts& parts);

  /// Whether the model trains on sketches in place of fresh items. One that does not must not be given any.
  virtual bool takes_sketches() const noexcept { return false; }
  virtual double train(const SketchBatch& batch, const IclSgd& sgd);

  /// The MLP path alone on items as targets, as c1, c2, c3 are measured: items [n x dim] to logits [n], not signed.
  virtual void memory_logits(std::span<const float> items, std::span<double> logits) = 0;

  /// What there is to follow in a run beyond logits: beta and w of the minimal model, projections of the transformers.
  /// The same names in the same order each time.
  virtual std::vector<NamedValue> diagnostics() const = 0;

  /// Everything that training changes, and back. load() expects the arrays of a model of the same options.
  /// Throws   Error when names or sizes differ.
  virtual std::vector<NamedArray> parameters() const = 0;
  virtual void load(std::span<const NamedArray> arrays) = 0;
};

}  // namespace iclk::transformer
