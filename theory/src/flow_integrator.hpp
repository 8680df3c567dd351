#pragma once

#include <algorithm>
#include <array>
#include <boost/math/tools/roots.hpp>
#include <boost/math/tools/toms748_solve.hpp>
#include <boost/numeric/odeint/stepper/controlled_runge_kutta.hpp>
#include <boost/numeric/odeint/stepper/dense_output_runge_kutta.hpp>
#include <boost/numeric/odeint/stepper/generation.hpp>
#include <boost/numeric/odeint/stepper/runge_kutta_dopri5.hpp>
#include <boost/numeric/odeint/util/odeint_error.hpp>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "rosenbrock_stepper.hpp"

namespace iclk::theory {

/// Beyond this the time itself would overflow; nothing that a double can resolve happens there.
inline constexpr double kLastTime = 1e300;

struct StepControl {
  double rel_tol = 1e-10;     ///< local relative error per step
  double abs_tol = 1e-12;     ///< local absolute error per step
  int max_steps = 1'000'000;  ///< accepted steps
  /// Bit i: component i is a logarithm, which is as good as its absolute error. Implicit steps, which can be many, heed it.
  unsigned logarithms = 0;
};

enum class StepOutcome {
  accepted,    ///< one more step was taken
  step_limit,  ///< max_steps were taken before
  not_finite,  ///< the derivative stopped being finite, or no step is small enough for the tolerance
};

/// The one adaptive integrator of this component: an autonomous system of `Size` equations, step by step.
///
///     for (StepOutcome o = run.step(); o == StepOutcome::accepted; o = run.step()) { ... run.locate(height) ... }
///
/// The system is called as system(y, dy) and may use any parameter as its independent variable. If ArcSize > 0 the
/// integrator replaces that parameter by the arc length of the first ArcSize components: their derivatives are then at
/// most 1, and a trial step can neither overflow nor jump over a blow-up. A component of constant speed (ln time) among
/// them keeps the arc length moving at fixed points.
///
/// Dormand-Prince 5(4) steps of Odeint; where stability rather than accuracy limits them, the implicit RODAS 4(3) with a
/// Jacobian from central differences of the system. A step is tried again with a smaller size at most 500 times.
/// The system must outlive the integrator.
template <std::size_t Size, std::size_t ArcSize, class System>
class FlowIntegrator {
  static_assert(ArcSize <= Size);

 public:
  using State = std::array<double, Size>;
  struct Point {
    double x = 0.0;  ///< arc length, or the system's own parameter when ArcSize = 0; 0 at the start
    State y{};
  };

  FlowIntegrator(System& system, const State& start, double first_step, const StepControl& control)
      : system_(&system),
        control_(control),
        now_{0.0, start},
        before_(now_),
        explicit_(boost::numeric::odeint::make_dense_output(control.abs_tol, control.rel_tol, Dopri5())) {
    explicit_.initialize(start, 0.0, first_step);
  }

  const Point& now() const noexcept { return now_; }        ///< after the last accepted step
  const Point& before() const noexcept { return before_; }  ///< before it
  int steps() const noexcept { return steps_; }             ///< accepted so far
  bool is_stiff() const noexcept { return implicit_.has_value(); }

  StepOutcome step() {
    if (steps_ >= control_.max_steps) return StepOutcome::step_limit;
    if (steps_ >= kFirstStiffnessTest && steps_ % kStiffnessPeriod == 0) choose_method();
    Point next;
    if (is_stiff()) {
      if (!implicit_step(next)) return StepOutcome::not_finite;
    } else {
      try {
        next.x = explicit_.do_step([this](const State& y, State& dy, double) { derivative(y, dy); }).second;
      } catch (const boost::numeric::odeint::odeint_error&) {  // the step size underflowed
        return StepOutcome::not_finite;
      }
      next.y = explicit_.current_state();
    }
    if (!all_finite(next.y)) return StepOutcome::not_finite;
    before_ = std::exchange(now_, next);
    ++steps_;
    return StepOutcome::accepted;
  }

  /// Where `height(y)`, negative before the last step and not negative after it, crosses zero: guessed on the dense
  /// output, then met by a step of exactly that length, whose error is that of any other step.
  template <class Height>
  Point locate(const Height& height) {
    const double length = now_.x - before_.x;
    const double height_before = height(before_.y);
    const double height_now = height(now_.y);
    if (!(height_before < 0.0)) return before_;
    if (!(height_now > 0.0)) return now_;
    const auto guessed = [&](double h) { return height(interpolated(before_.x + h)); };
    const auto exact = [&](double h) { return height(stepped(h)); };
    const auto [low, high] = bracket(guessed, 0.0, length, height_before, height_now, 20);
    double h = 0.0;
    const double left = std::max(0.0, low - 1e-5 * length);
    const double right = std::min(length, high + 1e-5 * length);
    const double height_left = left > 0.0 ? exact(left) : height_before;
    const double height_right = right < length ? exact(right) : height_now;
    if (height_left < 0.0 && height_right > 0.0) {
      h = bracket(exact, left, right, height_left, height_right, 52).second;
    } else {
      h = bracket(exact, 0.0, length, height_before, height_now, 52).second;
    }
    return {before_.x + h, stepped(h)};
  }

  /// The state at `fraction` of the last step, on the dense output.
  State inside(double fraction) { return interpolated(before_.x + fraction * (now_.x - before_.x)); }

 private:
  using Dopri5 = boost::numeric::odeint::runge_kutta_dopri5<State>;
  using ExplicitStepper = typename boost::numeric::odeint::result_of::make_dense_output<Dopri5>::type;
  struct ImplicitState {
    double next_size = 0.0;
    typename RosenbrockStepper<Size>::Step last{};
  };
  static constexpr int kFirstStiffnessTest = 400;  // chosen: most flows are over by then and pay nothing
  static constexpr int kStiffnessPeriod = 50;

  static bool all_finite(const State& y) {
    return std::all_of(y.begin(), y.end(), [](double v) { return std::isfinite(v); });
  }

  /// Speed of the first ArcSize components, without overflow; 1 without an arc.
  static double speed(const State& rates) {
    if constexpr (ArcSize == 0) {
      return 1.0;
    } else {
      double largest = 0.0;
      for (std::size_t i = 0; i < ArcSize; ++i) largest = std::max(largest, std::abs(rates[i]));
      double sum = 0.0;
      for (std::size_t i = 0; i < ArcSize; ++i) sum += (rates[i] / largest) * (rates[i] / largest);
      return largest * std::sqrt(sum);
    }
  }

  void derivative(const State& y, State& dy) {
    (*system_)(y, dy);
    if constexpr (ArcSize > 0) {
      const double v = speed(dy);
      for (double& rate : dy) rate /= v;
    }
  }

  /// Jacobian of the derivative, [Size][Size]: central differences of the system, then the chain rule for the arc
  /// length, which differences would lose where one component is far faster than the others.
  std::array<State, Size> jacobian(const State& y) {
    std::array<State, Size> columns;
    for (std::size_t j = 0; j < Size; ++j) {
      const double width = 1e-5 * std::max(1.0, 1e-2 * std::abs(y[j]));
      State up = y;
      State down = y;
      up[j] += width;
      down[j] -= width;
      State rates_up{};
      State rates_down{};
      (*system_)(up, rates_up);
      (*system_)(down, rates_down);
      for (std::size_t i = 0; i < Size; ++i) columns[j][i] = (rates_up[i] - rates_down[i]) / (up[j] - down[j]);
    }
    State rates{};
    (*system_)(y, rates);
    const double v = speed(rates);
    std::array<State, Size> result;
    for (std::size_t j = 0; j < Size; ++j) {
      double d_v = 0.0;
      for (std::size_t i = 0; i < ArcSize; ++i) d_v += rates[i] / v * columns[j][i];
      for (std::size_t i = 0; i < Size; ++i) result[i][j] = (columns[j][i] - rates[i] / v * d_v) / v;
    }
    return result;
  }

  typename RosenbrockStepper<Size>::Step rosenbrock_step(const State& y, double h) {
    return RosenbrockStepper<Size>().step([this](const State& at, State& dy) { derivative(at, dy); },
                                          [this](const State& at) { return jacobian(at); }, y, h);
  }

  /// One accepted implicit step; false when no size is small enough.
  bool implicit_step(Point& next) {
    for (int trial = 0; trial < 500; ++trial) {
      const double h = implicit_->next_size;
      const auto step = rosenbrock_step(now_.y, h);
      double error = 0.0;
      for (std::size_t i = 0; i < Size; ++i) {
        double size = std::max(std::abs(step.start[i]), std::abs(step.end[i]));
        if ((control_.logarithms >> i & 1U) != 0U) size = std::min(size, 1.0);
        const double share = std::abs(step.error[i]) / (control_.abs_tol + control_.rel_tol * size);
        error = std::isnan(share) ? std::numeric_limits<double>::infinity() : std::max(error, share);
      }
      // The error estimate is of third order; 0.9, 1/5 and 6 are the usual safety factor and limits.
      implicit_->next_size = h * (std::isfinite(error) ? std::clamp(0.9 * std::pow(error, -0.25), 0.2, 6.0) : 0.2);
      if (error <= 1.0) {
        implicit_->last = step;
        next = {now_.x + h, step.end};
        return next.x > now_.x;
      }
      if (!(now_.x + implicit_->next_size > now_.x)) return false;
    }
    return false;
  }

  /// The fastest decay, from the power method on the Jacobian; 0 when the fastest mode grows.
  double fastest_decay() {
    const std::array<State, Size> rows = jacobian(now_.y);
    State v;
    v.fill(1.0);
    double eigenvalue = 0.0;
    for (int i = 0; i < 30; ++i) {
      State image{};
      for (std::size_t r = 0; r < Size; ++r) {
        for (std::size_t c = 0; c < Size; ++c) image[r] += rows[r][c] * v[c];
      }
      double product = 0.0;
      double square = 0.0;
      double norm = 0.0;
      for (std::size_t r = 0; r < Size; ++r) {
        product += v[r] * image[r];
        square += v[r] * v[r];
        norm = std::max(norm, std::abs(image[r]));
      }
      if (!(norm > 0.0) || !std::isfinite(norm)) return 0.0;
      eigenvalue = product / square;
      for (std::size_t r = 0; r < Size; ++r) v[r] = image[r] / norm;
    }
    return std::max(0.0, -eigenvalue);
  }

  /// Dormand-Prince steps are stable up to step x decay = 3.3; a controller that is held there reports it.
  void choose_method() {
    const double step = now_.x - before_.x;
    const double stiffness = step * fastest_decay();
    if (!implicit_ && stiffness > 2.0) {
      implicit_.emplace(ImplicitState{.next_size = step, .last = {}});
    } else if (implicit_ && stiffness < 0.5) {
      implicit_.reset();
      explicit_ = boost::numeric::odeint::make_dense_output(control_.abs_tol, control_.rel_tol, Dopri5());
      explicit_.initialize(now_.y, now_.x, step);
    }
  }

  State interpolated(double x) {
    if (implicit_) return implicit_->last.inside((x - before_.x) / (now_.x - before_.x));
    State y{};
    explicit_.calc_state(x, y);
    return y;
  }

  /// The state after one step of length h from before().
  State stepped(double h) {
    if (!(h > 0.0)) return before_.y;
    if (implicit_) return rosenbrock_step(before_.y, h).end;
    State y = before_.y;
    Dopri5().do_step([this](const State& at, State& dy, double) { derivative(at, dy); }, y, before_.x, h);
    return y;
  }

  template <class Function>
  static std::pair<double, double> bracket(const Function& f, double low, double high, double f_low, double f_high,
                                           int bits) {
    std::uintmax_t n_calls = 60;
    return boost::math::tools::toms748_solve(f, low, high, f_low, f_high,
                                             boost::math::tools::eps_tolerance<double>(bits), n_calls);
  }

  System* system_;
  StepControl control_;
  Point now_;
  Point before_;
  int steps_ = 0;
  ExplicitStepper explicit_;
  std::optional<ImplicitState> implicit_;  // set while the flow is stiff
};

}  // namespace iclk::theory
