#pragma once

#include <span>
#include <vector>

#include "iclk/theory/attention_flow.hpp"

namespace iclk::theory {

/// The MLP at one moment, as the losses need it.
struct MlpState {
  double c1 = 0.5;
  double c2 = 0.5;                  ///< leading models only
  std::span<const double> logits;   ///< full models only: [n]
  std::span<const double> weights;  ///< [n], of sum 1
  double wrong = 0.5;               ///< <sigma(-phi)> of these logits; more than c1 where that leaves their range
};

/// Any Memorization as a function of the MLP's time. Keeps a reference to it, and the logits of the last call.
class MemorizationSource {
 public:
  /// Throws Error for a bad memorization.
  MemorizationSource(const Memorization& memorization, bool needs_logits);
  MemorizationSource(const MemorizationSource&) = delete;  // states point into it
  MemorizationSource& operator=(const MemorizationSource&) = delete;

  /// Not a number in c1 or c2 where the source gives no valid value. Valid until the next call.
  MlpState at(double time);
  double end_time() const noexcept { return end_time_; }  ///< infinite where the source has no end
  bool changes() const noexcept { return changes_; }

 private:
  MlpState from_order_parameters(double c1, double c2);

  const Memorization* memorization_;
  bool needs_logits_;
  bool changes_ = true;
  double end_time_ = 0.0;
  MlpState constant_;            // of a source that does not change
  std::vector<double> logits_;   // [n] at the time of the last call
  std::vector<double> weights_;  // [n], of sum 1
};

}  // namespace iclk::theory
