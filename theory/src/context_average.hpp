#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "iclk/theory/landscape.hpp"

namespace iclk::theory {

/// Where the loss falls, and how often the model is wrong.
struct Descent {
  double w = 0.0;      ///< -dL/dw
  double beta = 0.0;   ///< -dL/dbeta
  double wrong = 0.0;  ///< E<sigma(-phi - w X)>
  double size = 0.0;   ///< of the terms that cancel in -dL/dw
};

/// Averages over the contexts of a full model, for any list of logits.
///
/// Every model is a sum over equally spaced values S of the other labels with fixed weights, so that exp(phi + w X) is
/// a geometric sequence. Extra copies and the overlap of items make several such sums, one per number of copies and
/// node of |x|^2.
class ContextAverage {
 public:
  explicit ContextAverage(const ContextModel& context);

  /// logits: [n]; weights: [n], of sum 1.
  Descent descent(FlowState state, std::span<const double> logits, std::span<const double> weights) const;
  double loss(FlowState state, std::span<const double> logits, std::span<const double> weights) const;

  /// The mean of X over all contexts; by convexity L >= <sp(-phi - w mean_x)>.
  double mean_x(FlowState state) const;

 private:
  /// Contexts that share the number of copies and |x|^2 of the target.
  struct Group {
    double share = 1.0;       ///< of all contexts
    double log_copies = 0.0;  ///< ln(1 + m)
    double others = 0.0;      ///< n = N - 1 - m
    double mean_sum = 0.0;    ///< mean of S
    double widening = 1.0;    ///< sd of S over that of the lattice, at beta = 0
    double square = 1.0;      ///< r = |x|^2
  };
  /// The same at one beta.
  struct Attention {
    double on_copies = 0.0;       ///< a = Q/D
    double on_other = 0.0;        ///< b = 1/D
    double mean_x = 0.0;          ///< a + b times the mean of S
    double width = 0.0;           ///< b sigma, the step of X per unit of S
    double log_slope = 0.0;       ///< d ln Q/d beta
    double width_slope = 0.0;     ///< d sigma/d beta, times b
    double balanced_x = 0.0;      ///< X on balanced contexts
    double balanced_slope = 0.0;  ///< dX/d beta there
  };
  /// Values S = first + i spacing with their weights.
  struct Lattice {
    double first = 0.0;
    double spacing = 2.0;
    std::span<const double> weights;
  };

  Attention attention(const Group& group, double beta) const;
  /// The lattice on which the average of a function of w X is exact in double; `storage` holds it where it has to be made.
  Lattice lattice(double x_per_sum, std::vector<double>& storage) const;
  void make_groups();

  ContextModel context_;
  double random_share_ = 1.0;  // v: share of contexts with random labels
  double inverse_dim_ = 0.0;   // 1/d
  std::vector<Group> groups_;
  double first_sum_ = 0.0;             // binomial: the smallest S kept
  std::vector<double> probabilities_;  // binomial: [n_terms]
  std::vector<std::vector<double>>
      normal_weights_;  // gaussian: per step, the largest first and each half of the one before
};

}  // namespace iclk::theory
