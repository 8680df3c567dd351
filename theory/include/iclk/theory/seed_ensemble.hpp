#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "iclk/core/estimate.hpp"
#include "iclk/core/order_parameters.hpp"
#include "iclk/theory/gradient_flow.hpp"
#include "iclk/theory/memorization_integral.hpp"
#include "iclk/theory/threshold.hpp"

namespace iclk::theory {

/// Start values of attention over training seeds: beta0 and w0 independent and normal.
struct StartDistribution {
  double beta0_mean = 0.0;
  double beta0_sd = 0.0;  ///< >= 0
  double w0_mean = 0.0;
  double w0_sd = 0.0;  ///< >= 0
};
void validate(const StartDistribution& start);  ///< throws Error naming the bad field

/// Start of one training run. Depends on seed and index alone, not on how many are drawn or by whom.
FlowState start_state(const StartDistribution& start, std::uint64_t seed, std::uint64_t index);

/// ln of the I_K that acquisition needs is about normal over seeds.
struct LognormalLaw {
  double log_mean = 0.0;
  double log_sd = 0.0;
};

/// The lognormal law of the required I_K when damping is neglected and w0 is close to its mean m.
///
///     log_mean = ln[2 N R(m)] - beta0_mean + (1 - (1 - m R(m))/R(m)^2) w0_sd^2/2
///     log_sd^2 = beta0_sd^2 + (m - 1/R(m))^2 w0_sd^2,     at m = 0: ln(N sqrt(2 pi)), 1 - 2/pi and 2/pi
///
/// Source   Eq. 34, Eq. 35, Fig. A.1b.
/// Valid    kappa = c2 exp(-beta0) << 1, w0_sd << 1; exact for kappa = 0 and w0_sd = 0.
/// Takes    n_context >= 2.
/// Throws   Error when n_context < 2 or for a bad distribution.
/// Checked  [eq34] [eq35]
LognormalLaw lognormal_law(double n_context, const StartDistribution& start);

double probability(const LognormalLaw& law, double integral);        ///< P(required I_K <= integral)
double probability_above(const LognormalLaw& law, double integral);  ///< P(required I_K > integral), small ones exactly
double density(const LognormalLaw& law, double integral);            ///< of the required I_K [1/time]; needs log_sd > 0
double quantile(const LognormalLaw& law, double share);              ///< [time]; share in (0, 1)

/// P(required I_K <= integral) for constant c2, exact: the share of seeds that acquire in-context learning when
/// `integral` is I_K(infinity), and by time t when it is I_K(t).
///
///     P = E_w0 Phi[(beta0_mean - b(w0))/beta0_sd],   acquisition_integral_exact(N, b(w0), w0, c2) = integral
///
/// The average is a trapezoidal sum, which converges exponentially here; over beta0 instead where that is the wider
/// of the two. The required I_K falls with beta0 and with w0, so that the root is unique.
///
/// Source   Eq. 12 over random starts, Fig. A.1b.
/// Differs  the paper has no formula for it; Eq. 34 and Eq. 35 in the place of the exact integral give lognormal_law.
/// Valid    0 <= c2 <= 1; relative accuracy 1e-11 down to P = 1e-15.
/// Takes    integral >= 0 [time], infinite too; n_context >= 2.
/// Throws   Error naming the bad argument.
/// Checked  [eq12] [eq34] [eq35]
double acquisition_probability(double integral, double n_context, const StartDistribution& start, double c2);

/// P(required I_K > integral), the atom of seeds that never acquire when `integral` is I_K(infinity): what
/// acquisition_probability leaves to one, exact also where that is very little.
///
/// Source   Eq. 12 over random starts, Fig. A.1b.
/// Checked  [eq12]
double acquisition_probability_above(double integral, double n_context, const StartDistribution& start, double c2);

/// Density of the required I_K, the derivative of acquisition_probability in `integral` [1/time]; times 2 c1(t) it is
/// the density of t_ICL. Needs beta0_sd > 0 or w0_sd > 0.
///
/// Source   Eq. 12, Fig. A.1b.
/// Checked  [eq12]
double acquisition_density(double integral, double n_context, const StartDistribution& start, double c2);

/// The required I_K that a share of the seeds does not exceed, the inverse of acquisition_probability [time]. Infinite
/// where it exceeds the range of doubles.
///
/// Source   Eq. 12, Fig. A.1b.
/// Takes    share in (0, 1).
/// Checked  [eq12]
double acquisition_quantile(double share, double n_context, const StartDistribution& start, double c2);

/// P(in-context learning) against the number of items for the memorization law I_K(infinity) = prefactor K^nu: a normal
/// distribution in ln K.
struct ItemTransition {
  double k_half = 0.0;            ///< K at which half of the seeds acquire, exact for constant c2
  double k_half_lognormal = 0.0;  ///< the same from lognormal_law
  double log_width = 0.0;         ///< standard deviation in ln K, log_sd/nu; 10 to 90 % takes 2.563 of it
};

/// Centre and width of the transition in K.
///
///     K_half = (median required I_K/prefactor)^(1/nu),   width in ln K: log_sd/nu
///
/// Source   Eq. 12, Eq. 13.
/// Takes    prefactor > 0 [time]; nu > 0; n_context >= 2; c2 in [0, 1].
/// Throws   Error naming the bad argument.
/// Checked  [eq12] [eq13]
ItemTransition item_transition(double prefactor, double nu, double n_context, const StartDistribution& start,
                               double c2);

/// P(in-context learning) measured at one number of items.
struct ItemProbability {
  double n_items = 0.0;      ///< K >= 1
  double probability = 0.0;  ///< in [0, 1]
};

/// Where P(in-context learning) crosses a level between measured K.
struct MeasuredTransition {
  std::optional<double> k_10, k_half, k_90;  ///< items; empty where the level is not crossed
  std::optional<double> log_width;           ///< ln(k_90/k_10)/2.563, the standard deviation of a normal transition
};

/// Levels of P against K by straight lines in (ln K, normal quantile of P), which a lognormal law follows exactly.
/// Replicates of one K are averaged, and neighbours that noise has put in the wrong order too.
///
/// Source   Eq. 12, Eq. 13.
/// Takes    points: in any order.
/// Throws   Error naming the bad point.
/// Checked  [eq12] [eq13]
MeasuredTransition measured_transition(std::span<const ItemProbability> points);

/// The flow of Eqs. 7-8 along one pair of measured curves, prepared for very many starts.
///
/// In intrinsic time s = I_K/(2 N) only c2(s) is left of the curves. It is tabulated once, with the knots of its
/// interpolant, and trajectories of p = exp(-beta), p'' + c2 p' + 1/p = 0, are advanced side by side by Taylor series
/// (docs/equations.md, "Many trajectories"). Agrees with integrate_flow to 1e-8 in t_ICL.
///
/// Source   Eq. 7, Eq. 8.
/// Valid    as predict_curve: past the end of the curve c2 keeps its last value.
/// Checked  [eq7] [eq8]
class CurveFlow {
 public:
  /// Throws Error for bad curves, options or n_context < 2, as predict_curve does.
  CurveFlow(const OrderParameterCurves& curves, double n_context, const TailOptions& tail = {});
  ~CurveFlow();
  CurveFlow(CurveFlow&& other) noexcept;
  CurveFlow& operator=(CurveFlow&& other) noexcept;
  CurveFlow(const CurveFlow&) = delete;
  CurveFlow& operator=(const CurveFlow&) = delete;

  double n_context() const noexcept;
  const MemorizationIntegral& integral() const noexcept;

  /// I_K at which each start blows up [time], the required_integral of predict_curve. Infinite beyond the range of
  /// doubles; NaN for a start that is not finite or could not be integrated. Each depends on its own start only.
  /// starts, required: [n].
  void required_integrals(std::span<const FlowState> starts, std::span<double> required) const;
  double required_integral(FlowState start) const;

  /// acquired, memorized_first or undecided, by the rule of predict_curve; NaN is undecided.
  Verdict verdict(double required) const;

  /// Time at which I_K reaches `required`, on the curve or on its central tail [time]: infinite when the verdict is
  /// memorized_first, NaN when it is undecided.
  double time(double required) const;

  /// I_K(t) on the curve and then on its central tail [time]; the inverse of `time`.
  double integral_at(double time) const;

 private:
  struct Tables;
  std::unique_ptr<const Tables> tables_;
};

/// The same probabilities and quantile with measured c2.
///
/// Source   Eq. 12, Fig. A.1b.
/// Valid    absolute accuracy 1e-8.
/// Checked  [eq12]
double acquisition_probability(const CurveFlow& flow, double integral, const StartDistribution& start);
double acquisition_probability_above(const CurveFlow& flow, double integral, const StartDistribution& start);
double acquisition_quantile(const CurveFlow& flow, double share, const StartDistribution& start);

struct EnsembleOptions {
  std::uint64_t n_samples = 100'000;  ///< training runs; >= 1
  std::uint64_t seed = 0;
  int jobs = 1;            ///< threads; 0: one per core. The numbers do not depend on it
  bool keep_runs = false;  ///< fill Ensemble::runs
  /// Called about twice a second from the calling thread.
  std::function<void(std::uint64_t n_done, std::uint64_t n_samples)> on_progress = {};
};
void validate(const EnsembleOptions& options);  ///< throws Error naming the bad field

struct EnsembleRun {
  FlowState start;
  double required_integral = 0.0;  ///< [time]
};

/// Sampled training runs.
struct Ensemble {
  std::uint64_t n_samples = 0;
  std::uint64_t n_acquired = 0;            ///< by the rule of predict_curve
  std::uint64_t n_never = 0;               ///< memorized first
  std::uint64_t n_undecided = 0;           ///< depends on a tail that the curve does not settle
  std::uint64_t n_failed = 0;              ///< could not be integrated; in none of the other three
  std::vector<double> required_integrals;  ///< [n_samples - n_failed] ascending [time]
  std::vector<EnsembleRun> runs;           ///< [n_samples] in the order of start_state; empty unless asked for
};

/// Trajectories of Eqs. 7-8 from random starts.
///
/// Source   Eq. 7, Eq. 8, Fig. A.1b.
/// Throws   Error for a bad distribution or options.
/// Checked  [eq7] [eq8]
Ensemble sample_ensemble(const CurveFlow& flow, const StartDistribution& start, const EnsembleOptions& options = {});

/// The same for constant c2, where every trajectory is known in closed form, and a known I_K(infinity), which may be
/// infinite.
///
/// Source   Eq. 12, Fig. A.1b.
/// Takes    i_infinity > 0 [time]; n_context >= 2; c2 in [0, 1].
/// Throws   Error naming the bad argument.
/// Checked  [eq12]
Ensemble sample_ensemble(double i_infinity, double n_context, double c2, const StartDistribution& start,
                         const EnsembleOptions& options = {});

/// Share of n_yes in n with its 95 % interval (Clopper and Pearson). n >= 1, n_yes <= n.
Estimate share_estimate(std::uint64_t n_yes, std::uint64_t n);

/// Quantile of a sample with its 95 % interval from order statistics; an end is empty where the sample does not reach.
/// ascending: [n], n >= 1; share in (0, 1).
Estimate sample_quantile(std::span<const double> ascending, double share);

}  // namespace iclk::theory
