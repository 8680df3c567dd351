#include "iclk/transformer/icl_model.hpp"

#include <cassert>
#include <cmath>
#include <limits>

#include "iclk/core/error.hpp"
#include "iclk/core/run_info.hpp"

namespace iclk::transformer {
namespace {

void require_decay(double decay, double lr, const char* field) {
  if (!(decay >= 0 && lr * decay < 1)) {
    throw field_error(field, "expected 0 or more and lr times it below 1, got " + format_number(decay));
  }
}

}  // namespace

void validate(const IclSgd& sgd) {
  if (!(sgd.lr > 0 && std::isfinite(sgd.lr))) {
    throw field_error("lr", "expected a positive learning rate, got " + format_number(sgd.lr));
  }
  require_decay(sgd.mlp_weight_decay, sgd.lr, "weight_decay");
  require_decay(sgd.attention_weight_decay, sgd.lr, "attention_decay");
  require_decay(sgd.lambda_w, sgd.lr, "lambda_w");
  require_decay(sgd.lambda_beta, sgd.lr, "lambda_beta");
}

void LogitParts::resize(std::size_t n_sequences) {
  total.resize(n_sequences);
  mlp.resize(n_sequences);
  attention.resize(n_sequences);
}

double IclModel::train(const DotBatch&, const IclSgd&) {
  assert(!"a model that takes no dot products was given some");
  return std::numeric_limits<double>::quiet_NaN();
}

void IclModel::logits(const DotBatch&, LogitParts&) { assert(!"a model that takes no dot products was given some"); }

double IclModel::train(const SketchBatch&, const IclSgd&) {
  assert(!"a model that takes no sketches was given some");
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace iclk::transformer
