#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "acquisition_family.hpp"

namespace iclk::fit {

/// Runs with equal time and ending, together.
struct RunGroup {
  double time = 0.0;
  double n_runs = 0.0;
  bool acquired = false;
};

/// ln L and its derivatives by the two parameters of the family (1, 2) and the cured fraction c.
struct Likelihood {
  double value = 0.0;
  std::array<double, 2> gradient{};
  std::array<double, 3> hessian{};  // 11, 12, 22
  double by_cured = 0.0;
  std::array<double, 3> cured_hessian{};  // 1c, 2c, cc
};

/// Censored likelihood of one family, and its maximum over the two parameters at given c.
class AcquisitionLikelihood {
 public:
  AcquisitionLikelihood(AcquisitionFamily family, std::vector<RunGroup> groups);

  struct Maximum {
    FamilyParameters at{};
    double cured = 0.0;
    Likelihood likelihood;
    bool at_edge = false;  ///< inverse Gaussian with drift 0
  };

  Likelihood operator()(const FamilyParameters& at, double cured) const;

  /// Maximum at fixed c, started at `start`, or at moments of the acquired runs. Empty when there is none.
  std::optional<Maximum> maximum_at(double cured, const std::optional<FamilyParameters>& start = {}) const;

  /// Maximum over c in [0, share of the censored runs] as well.
  std::optional<Maximum> maximum() const;

  /// Ends of the profile interval of c about `best`.
  std::array<std::optional<double>, 2> cured_interval(const Maximum& best) const;

  double n_runs() const { return n_runs_; }
  double n_acquired() const { return n_acquired_; }

 private:
  FamilyParameters moments() const;
  std::optional<FamilyParameters> solve(double cured, const FamilyParameters& start) const;
  std::optional<FamilyParameters> solve_at_zero_drift(double cured, double log_threshold) const;
  FamilyParameters search(double cured, const FamilyParameters& start) const;

  AcquisitionFamily family_;
  std::vector<RunGroup> groups_;
  double n_runs_ = 0.0, n_acquired_ = 0.0;
};

}  // namespace iclk::fit
