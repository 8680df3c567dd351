#include "likelihood_ratio.hpp"

#include <algorithm>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/students_t.hpp>

namespace iclk::fit {

double deviance_limit(double n_runs, bool small_sample) {
  if (!small_sample) return boost::math::quantile(boost::math::chi_squared(1), 0.95);
  const double t = boost::math::quantile(boost::math::students_t(n_runs / 2), 0.975);
  return t * t;
}

double chi_squared_tail(double statistic, double dof) {
  return boost::math::cdf(boost::math::complement(boost::math::chi_squared(dof), std::max(statistic, 0.0)));
}

}  // namespace iclk::fit
