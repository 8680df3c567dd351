#include "blow_up_times.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "iclk/theory/acquisition_time.hpp"
#include "infinity.hpp"

namespace iclk::theory {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// A step stands when the last terms of its series change the blow-up by less than this share of its time; the first
/// ones left out are then kStepFraction times smaller.
constexpr double kLargestLastTerm = 5e-10;
constexpr double kSmallestShrink = 1e-9;  // a step that has to be shorter than this share of the wanted one has failed
constexpr long kMostSteps = 10'000'000;   // of one trajectory: a limit where there would be a hang
constexpr double kEndTolerance = 1e-10;   // share of s that the closed form at the end may be off
constexpr double kConstantTolerance = 1e-12;  // c2 that changes by less is constant

/// Near the blow-up the flow feels c2 with a weight that falls with p^2. For constant slope of c2 its value at the
/// centroid of that weight, this share of the way to the blow-up, makes the closed form right to first order. From the
/// integrals of w p^2 (1 - w R(w)) with p = exp(-w^2/2); 1/3 for large w. Within 1.1e-3 for w >= 2.
double response_centroid(double w) { return 1.0 / 3.0 + 0.433 / ((w * w + 5.0) * (w * w + 5.0)); }
constexpr double kCentroidFrom = 2.0;    // smallest w for it
constexpr double kCentroidError = 2e-3;  // of a closed form at the centroid, in units of |dc2/ds| (s left)^3
constexpr double kAnywhereError = 0.1;   // of a closed form with c2 from anywhere on the way, for w >= 0

struct Trajectory {
  std::size_t index = 0;  // into the starts
  std::size_t leaf = 0;
  double offset = 0.0;  // s - begin(leaf)
  double shrink = 1.0;  // of the wanted step, after rejections
  long steps = 0;
  bool active = false;
  // Where the step ends.
  std::size_t next_leaf = 0;
  double next_offset = 0.0;
};

class Integration {
 public:
  Integration(const OrderParameterTree& tree, std::span<const FlowState> starts, std::span<double> times)
      : tree_(tree), starts_(starts), times_(times) {
    for (int lane = 0; lane < kLanes; ++lane) start_next(lane);
  }

  void run(TaylorStep step) {
    while (n_active_ > 0) {
      block_.any_offset = false;
      for (int lane = 0; lane < kLanes; ++lane) choose_step(lane);
      step(block_);
      for (int lane = 0; lane < kLanes; ++lane) {
        if (trajectories_[lane].active) take_step(lane);
      }
    }
  }

 private:
  double time_of(const Trajectory& trajectory) const { return tree_.begin(trajectory.leaf) + trajectory.offset; }

  /// p R(w) for w >= 0, the time to the blow-up without damping, of which the wanted step is a share.
  double time_left(int lane) const { return wanted_[lane] * (1.0 / kStepFraction); }

  /// Puts the next start that needs integration on this lane; a harmless state that stands still when there is none.
  void start_next(int lane) {
    Trajectory& trajectory = trajectories_[lane];
    trajectory = {};
    while (next_ < starts_.size()) {
      const FlowState& start = starts_[next_];
      trajectory.index = next_++;
      const double p = std::exp(-start.beta);
      if (!std::isfinite(start.beta) || !std::isfinite(start.w)) {
        times_[trajectory.index] = kNaN;
        continue;
      }
      const double inverse_p = std::exp(start.beta);
      if (!std::isfinite(p) || !std::isfinite(inverse_p) || !(tree_.end() > 0.0)) {
        const double c2 = tree_.n_leaves() > 0 ? tree_.c2(0, 0.0) : tree_.end_c2();
        times_[trajectory.index] = std::isfinite(p) ? blow_up_time(p, start.w, c2) : kInfinity;
        continue;
      }
      set_state(lane, p, start.w, inverse_p, wanted_step(p, start.w));
      if (ends_here(lane)) continue;
      trajectory.active = true;
      ++n_active_;
      return;
    }
    set_state(lane, 1.0, 0.0, 1.0, 0.0);
  }

  void set_state(int lane, double p, double w, double inverse_p, double wanted) {
    block_.p[lane] = p;
    block_.w[lane] = w;
    block_.inverse_p[lane] = inverse_p;
    wanted_[lane] = wanted;
  }

  /// From where c2 hardly matters any more, or is constant, the closed form gives the rest.
  bool ends_here(int lane) {
    const Trajectory& trajectory = trajectories_[lane];
    const double p = block_.p[lane];
    const double w = block_.w[lane];
    const double s = time_of(trajectory);
    const double slope = tree_.steepest_after(trajectory.leaf);
    const double left = time_left(lane);
    double at = s;
    if (!(slope * (tree_.end() - s) <= kConstantTolerance)) {
      if (!(w >= 0.0)) return false;
      const double shift = slope * left * left * left;
      const double share = w >= kCentroidFrom ? kCentroidError : kAnywhereError;
      if (!(share * shift <= kEndTolerance * (s + left))) return false;
      at = s + left * response_centroid(w);
    }
    times_[trajectory.index] = s + blow_up_time(p, w, tree_.c2(trajectory.leaf, at));
    return true;
  }

  void choose_step(int lane) {
    Trajectory& trajectory = trajectories_[lane];
    if (!trajectory.active) {
      block_.step[lane] = block_.y0[lane] = block_.y_per_step[lane] = 0.0;
      for (Lane& coefficient : block_.c2) coefficient[lane] = 0.0;
      return;
    }
    const double wanted = wanted_[lane] * trajectory.shrink;
    const OrderParameterTree::Node* node = &tree_.leaf(trajectory.leaf);
    const double left_in_leaf = node->length - trajectory.offset;
    double y0 = 0.0;
    double y_per_step = 1.0;
    double step = 0.0;
    if (trajectory.offset <= 0.0 && wanted >= node->length) {
      std::size_t n_leaves = 1;
      node = &tree_.interval(trajectory.leaf, wanted, n_leaves);
      step = node->length;
      trajectory.next_leaf = trajectory.leaf + n_leaves;
      trajectory.next_offset = 0.0;
    } else {
      y0 = trajectory.offset * tree_.inverse_length(trajectory.leaf);
      if (wanted >= left_in_leaf) {
        step = left_in_leaf;
        trajectory.next_leaf = trajectory.leaf + 1;
        trajectory.next_offset = 0.0;
      } else {
        step = wanted > 0.6 * left_in_leaf ? 0.5 * left_in_leaf : wanted;  // no sliver at the end
        trajectory.next_leaf = trajectory.leaf;
        trajectory.next_offset = trajectory.offset + step;
      }
      y_per_step = step * tree_.inverse_length(trajectory.leaf);
      block_.any_offset = true;
    }
    block_.step[lane] = step;
    block_.y0[lane] = y0;
    block_.y_per_step[lane] = y_per_step;
    for (std::size_t k = 0; k < node->c2.size(); ++k) block_.c2[k][lane] = node->c2[k];
  }

  void take_step(int lane) {
    Trajectory& trajectory = trajectories_[lane];
    const double p = block_.new_p[lane];
    const double w = block_.new_w[lane];
    ++trajectory.steps;
    // Once on the way down without much damping, errors of the time left count less and less against s.
    double error = block_.last_term[lane];
    if (block_.p[lane] <= 1.0 && block_.w[lane] >= 0.0)
      error *= time_left(lane) / (time_of(trajectory) + time_left(lane));
    // Written so that NaN is refused.
    if (!(error <= kLargestLastTerm) || !(p > 0.0) || !std::isfinite(block_.new_inverse_p[lane]) || !std::isfinite(w)) {
      trajectory.shrink *= 0.5;
      if (!(trajectory.shrink >= kSmallestShrink) || trajectory.steps >= kMostSteps) finish(lane, kNaN);
      return;
    }
    trajectory.shrink = std::min(1.0, 1.5 * trajectory.shrink);
    trajectory.leaf = trajectory.next_leaf;
    trajectory.offset = trajectory.next_offset;
    block_.p[lane] = p;
    block_.w[lane] = w;
    block_.inverse_p[lane] = block_.new_inverse_p[lane];
    wanted_[lane] = block_.wanted_step[lane];
    if (trajectory.leaf >= tree_.n_leaves()) {
      finish(lane, tree_.end() + blow_up_time(p, w, tree_.end_c2()));
    } else if (ends_here(lane)) {
      finish(lane, times_[trajectory.index]);
    } else if (trajectory.steps >= kMostSteps) {
      finish(lane, kNaN);
    }
  }

  void finish(int lane, double time) {
    times_[trajectories_[lane].index] = time;
    --n_active_;
    start_next(lane);
  }

  const OrderParameterTree& tree_;
  std::span<const FlowState> starts_;
  std::span<double> times_;
  std::size_t next_ = 0;
  int n_active_ = 0;
  std::array<Trajectory, kLanes> trajectories_{};
  Lane wanted_{};  // step for the present state
  LaneBlock block_{};
};

}  // namespace

double blow_up_time(double p, double w, double c2) {
  const double x = c2 * p - w;
  if (x < 37.0) {
    const double ratio = mills_ratio(-x);
    const double y = c2 * p * ratio;
    return p * ratio * (y > 0.0 ? std::log1p(y) / y : 1.0);
  }
  return acquisition_integral_exact(2.0, -std::log(p), w, c2) / 4.0;
}

void blow_up_times(const OrderParameterTree& tree, std::span<const FlowState> starts, std::span<double> times,
                   TaylorStep step) {
  Integration(tree, starts, times).run(step);
}

}  // namespace iclk::theory
