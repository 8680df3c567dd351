#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "iclk/core/order_parameters.hpp"
#include "taylor_step.hpp"

namespace iclk::theory {

/// c2 as a function of intrinsic time s = I_K/(2 N) along one curve, as Taylor steps want it: for intervals of every
/// length, the polynomial of degree 5 that has the same first six moments as c2 there.
///
/// The flow sees c2 only as an integral against functions of s that are smooth on the scale of a step. What a
/// polynomial with the right moments leaves out is orthogonal to their first six terms, so that it may run over many
/// samples of the curve, noise included, and the cost of a trajectory does not grow with the number of samples. Leaves
/// are short enough for steps of any length inside them; pairs of neighbours, pairs of pairs, ... are for whole steps.
class OrderParameterTree {
 public:
  /// curves: shared times, c1 > 0, c2 in [0, 1]. Continued back to t = 0 by their first values.
  OrderParameterTree(const OrderParameterCurves& curves, double n_context);

  struct alignas(64) Node {
    std::array<double, kOrderParameterDegree + 1> c2;  ///< coefficients in y = (s - begin)/length
    double length;                                     ///< in s
    double whole_step;  ///< length, or infinity where the interval is too rough for one step
  };

  std::size_t n_leaves() const noexcept { return begins_.size(); }
  const Node& leaf(std::size_t index) const noexcept { return nodes_[index]; }
  double inverse_length(std::size_t leaf) const noexcept { return inverse_lengths_[leaf]; }
  double begin(std::size_t leaf) const noexcept { return begins_[leaf]; }
  double end() const noexcept { return end_; }  ///< s at the end of the curve
  double end_c2() const noexcept { return end_c2_; }

  /// The longest interval that starts with this leaf and is not longer than `length`; the leaf itself at the least.
  const Node& interval(std::size_t leaf, double length, std::size_t& n_leaves_in_it) const noexcept {
    std::size_t level = 0;
    std::size_t index = leaf;
    const Node* node = &nodes_[leaf];
    while (index % 2 == 0 && index / 2 < levels_[level + 1].size) {
      const Node& pair = nodes_[levels_[level + 1].first + index / 2];
      if (!(pair.whole_step <= length)) break;
      node = &pair;
      index /= 2;
      ++level;
    }
    n_leaves_in_it = std::size_t{1} << level;
    return *node;
  }

  /// Largest |d c2/ds| from this leaf to the end of the curve.
  double steepest_after(std::size_t leaf) const noexcept { return steepest_after_[leaf]; }

  /// c2 at s >= begin(leaf); its last value past the end.
  double c2(std::size_t leaf, double s) const noexcept;

 private:
  struct Level {
    std::size_t first, size;
  };

  std::vector<double> begins_, inverse_lengths_, steepest_after_;  // [n_leaves]
  std::vector<Node> nodes_;    // leaves, then pairs of leaves, pairs of pairs, ...; complete ones only
  std::vector<Level> levels_;  // where they lie in nodes_; an empty one at the end
  double end_ = 0.0;
  double end_c2_ = 0.0;
};

}  // namespace iclk::theory
