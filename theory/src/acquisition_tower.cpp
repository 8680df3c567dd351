#include <algorithm>
#include <array>
#include <boost/math/tools/toms748_solve.hpp>
#include <cmath>
#include <cstdint>

#include "arguments.hpp"
#include "flow_integrator.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/attention_flow.hpp"
#include "memorization_source.hpp"

namespace iclk::theory {
namespace {

/// When I_K(t) reaches `integral`; empty where it never does.
std::optional<double> time_of_integral(const Memorization& memorization, double integral, double rel_tol) {
  if (!(integral < 1e300)) return std::nullopt;
  MemorizationSource source(memorization, false);
  if (!source.changes()) return 0.5 * integral / source.at(0.0).c1;
  if (const auto* curves = std::get_if<OrderParameterCurves>(&memorization)) {
    const double before_start = curves->c1.start_time() * curves->c1.values().front();
    if (0.5 * integral <= before_start) return 0.5 * integral / curves->c1.values().front();
    return curves->c1.time_of_integral(0.5 * integral - before_start);
  }
  // x with t = unit (exp(x) - 1), and I_K in units of what is asked for.
  const double unit = 0.5 * integral / source.at(0.0).c1;
  auto system = [&](const std::array<double, 2>& y, std::array<double, 2>& rates) {
    const double c1 = source.at(unit * std::expm1(y[0])).c1;
    rates = {1.0, 2.0 * c1 * unit * std::exp(y[0]) / integral};
  };
  FlowIntegrator<2, 1, decltype(system)> run(system, {0.0, 0.0}, 0.01, {rel_tol, 1e-2 * rel_tol, 100'000});
  const double end = std::log1p(std::min(source.end_time(), 1e300) / unit);
  while (run.step() == StepOutcome::accepted) {
    if (run.now().y[1] >= 1.0) {
      const auto at = run.locate([](const std::array<double, 2>& y) { return y[1] - 1.0; });
      if (at.y[0] > end) return std::nullopt;
      return unit * std::expm1(at.y[0]);
    }
    if (run.now().y[0] >= end) return std::nullopt;
  }
  return std::nullopt;
}

std::optional<double> time_of(const std::optional<AttentionPoint>& marker) {
  return marker ? std::optional(marker->time) : std::nullopt;
}

}  // namespace

AcquisitionTower acquisition_tower(double n_context, FlowState initial, const Memorization& memorization,
                                   const AttentionFlowOptions& options) {
  if (options.closed_loop) throw field_error("closed_loop", "the closed forms do not contain it");
  const auto flow = [&](LossModel model) {
    return attention_flow({.model = model, .n_context = n_context}, initial, memorization, options);
  };
  AcquisitionTower tower;
  const AttentionFlow exact = flow(LossModel::binomial);
  tower.binomial = time_of(exact.attention_half);
  tower.half_loss = time_of(exact.half_loss);
  tower.accuracy_95 = time_of(exact.accuracy_95);
  tower.gaussian = time_of(flow(LossModel::gaussian).attention_half);
  tower.flow = time_of(flow(LossModel::leading).blow_up);
  const auto at_integral = [&](double integral) { return time_of_integral(memorization, integral, options.rel_tol); };
  const double c2 = MemorizationSource(memorization, false).at(0.0).c2;
  tower.leading = at_integral(acquisition_integral_leading(n_context, initial.beta));
  tower.undamped = at_integral(acquisition_integral(n_context, initial.beta, initial.w));
  tower.exact = at_integral(acquisition_integral_exact(n_context, initial.beta, initial.w, c2));
  return tower;
}

std::optional<DecayFold> decay_fold(double n_context, double decay_ratio) {
  require_context(n_context);
  require(decay_ratio > 0.0 && std::isfinite(decay_ratio), "decay_ratio", "a positive number", decay_ratio);
  const auto at = [&](double beta) {
    const double p = std::exp(-beta);
    const double others = (n_context - 1.0) * p;  // (1 - a)/a
    const double a = 1.0 / (1.0 + others);
    const double w = std::sqrt(decay_ratio * beta / (others * a));
    return DecayFold{w * std::exp(w * a) / a, {w, beta}, a};
  };
  // d ln(w exp(w a)/a)/d beta, with d ln w/d beta = (1/beta + a)/2 and da/dbeta = a (1 - a).
  const auto slope = [&](double beta) {
    const DecayFold fold = at(beta);
    const double wa = fold.state.w * fold.attention;
    return 0.5 * (1.0 / beta + fold.attention) * (1.0 + wa) + (1.0 - fold.attention) * (wa - 1.0);
  };
  // c3 rises with beta from 0, falls beyond a maximum near 1/2 and, once the attention turns, rises for good: the minimum
  // is the last change of sign. It lies below ln N + 1, where a > e/(1 + e) and the first term exceeds 1 - a.
  const double last = std::log(n_context) + 1.0;
  constexpr int kCells = 2000;
  double high = last;
  for (int i = kCells - 1; i > 0; --i) {
    const double low = last * i / kCells;
    if (slope(low) < 0.0) {
      std::uintmax_t n_calls = 100;
      const auto root =
          boost::math::tools::toms748_solve(slope, low, high, boost::math::tools::eps_tolerance<double>(53), n_calls);
      return at(0.5 * (root.first + root.second));
    }
    high = low;
  }
  return std::nullopt;
}

}  // namespace iclk::theory
