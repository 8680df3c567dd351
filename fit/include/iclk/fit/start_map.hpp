#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace iclk::fit {

/// Where a run with this start value of attention ends.
struct StartTime {
  double beta0 = 0.0;
  double time = 0.0;  ///< when it acquires ICL, in any unit; infinity: never
};

/// Acquisition time as a falling function of beta0, given as a table that the caller has from a theory.
///
/// Between points of finite time beta0 is a monotone cubic (PCHIP) in ln t, a straight line for the lognormal law.
/// Invariant: at least four points of finite time, times positive and falling, beta0 finite and rising; points that
/// never acquire lie below all others in beta0.
class StartMap {
 public:
  /// points: in increasing order of beta0. Throws Error naming the point that breaks the invariant.
  explicit StartMap(std::span<const StartTime> points);

  double first_time() const noexcept { return first_time_; }  ///< of the finite ones, that of the largest beta0
  double last_time() const noexcept { return last_time_; }

  /// The largest beta0 of the table that never acquires; empty when all acquire.
  std::optional<double> critical_beta0() const noexcept { return critical_; }

  /// beta0 of a run that acquires at `time` > 0, and its derivative d beta0/d ln t <= 0. Empty outside
  /// [first_time, last_time].
  std::optional<double> beta0_at(double time) const;
  std::optional<double> slope_at(double time) const;

  /// The inverse of beta0_at: infinite from critical_beta0 downwards, empty where the table does not say.
  std::optional<double> time_at(double beta0) const;

 private:
  std::optional<std::size_t> interval_of(double time) const;

  double first_time_ = 0.0, last_time_ = 0.0;
  std::optional<double> critical_;
  std::vector<double> log_times_, beta0_, slopes_;  // [n finite], in increasing order of time
};

/// beta0 of training runs, normal over seeds.
struct StartLaw {
  double mean = 0.0;
  double sd = 1.0;  ///< > 0
};
void validate(const StartLaw& law);  ///< throws Error naming the bad field

/// Share of the runs that have acquired ICL by `time` > 0, and its derivative [1/time].
///
///     P(t_ICL <= t) = Phi((mean - beta0(t))/sd),   density = phi((mean - beta0(t))/sd)/sd * |d beta0/dt|
///
/// With the exact map (Eq. 10 without its approximations) this is the theory's distribution of t_ICL; with the leading
/// one, t ~ N exp(-beta0), it is lognormal with log-sd sd.
///
/// Source   Fig. A.1b.
/// Valid    w0 the same in all runs. Relative error of a map over a factor of 25 in time (start_map_test): 1000 points
///          give the share to 2e-9 and the density to 6e-5, 250 points to 1e-7 and 1e-3.
/// Returns  empty where the map does not reach.
/// Throws   Error for a bad law or a time that is not positive and finite.
/// Checked  distribution and quantiles of the exact flow to 30 digits; [eq11].
std::optional<double> acquired_share(const StartMap& map, const StartLaw& law, double time);
std::optional<double> acquired_density(const StartMap& map, const StartLaw& law, double time);

/// Time by which the share `probability` has acquired: infinite when so many never do; empty where the map does not
/// reach. Throws Error for a bad law and unless 0 < probability < 1.
std::optional<double> acquired_quantile(const StartMap& map, const StartLaw& law, double probability);

/// Share of the runs that never acquires: Phi((critical_beta0 - mean)/sd), 0 without a critical beta0.
double never_share(const StartMap& map, const StartLaw& law);

}  // namespace iclk::fit
