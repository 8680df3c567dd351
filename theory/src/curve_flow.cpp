#include <cmath>
#include <limits>

#include "arguments.hpp"
#include "blow_up_times.hpp"
#include "iclk/theory/seed_ensemble.hpp"
#include "integral_inverse.hpp"
#include "order_parameter_grid.hpp"

namespace iclk::theory {

struct CurveFlow::Tables {
  double n_context;
  MemorizationIntegral integral;
  OrderParameterTree tree;
  Curve c1;
  IntegralInverse inverse;
  TaylorStep step;
};

CurveFlow::CurveFlow(const OrderParameterCurves& curves, double n_context, const TailOptions& tail) {
  require_context(n_context);
  require_shared_times(curves);
  tables_ = std::make_unique<const Tables>(Tables{.n_context = n_context,
                                                  .integral = memorization_integral(curves.c1, tail),
                                                  .tree = OrderParameterTree(curves, n_context),
                                                  .c1 = curves.c1,
                                                  .inverse = IntegralInverse(curves.c1),
                                                  .step = best_taylor_step()});
}

CurveFlow::~CurveFlow() = default;
CurveFlow::CurveFlow(CurveFlow&& other) noexcept = default;
CurveFlow& CurveFlow::operator=(CurveFlow&& other) noexcept = default;

double CurveFlow::n_context() const noexcept { return tables_->n_context; }
const MemorizationIntegral& CurveFlow::integral() const noexcept { return tables_->integral; }

void CurveFlow::required_integrals(std::span<const FlowState> starts, std::span<double> required) const {
  if (starts.size() != required.size()) throw field_error("required", "expected as many places as there are starts");
  blow_up_times(tables_->tree, starts, required, tables_->step);
  for (double& each : required) each *= 2.0 * tables_->n_context;
}

double CurveFlow::required_integral(FlowState start) const {
  double required = 0.0;
  required_integrals({&start, 1}, {&required, 1});
  return required;
}

Verdict CurveFlow::verdict(double required) const {
  const MemorizationIntegral& integral = tables_->integral;
  if (required <= integral.measured) return Verdict::acquired;
  if (integral.infinity.high && required > *integral.infinity.high) return Verdict::memorized_first;
  if (required < *integral.infinity.low && time_of_extrapolated_integral(integral, required)) return Verdict::acquired;
  return Verdict::undecided;
}

double CurveFlow::time(double required) const {
  switch (verdict(required)) {
    case Verdict::memorized_first:
      return std::numeric_limits<double>::infinity();
    case Verdict::undecided:
      return std::numeric_limits<double>::quiet_NaN();
    case Verdict::acquired:
      break;
  }
  if (required <= tables_->integral.measured) return tables_->inverse(std::max(required, 0.0));
  return *time_of_extrapolated_integral(tables_->integral, required);
}

double CurveFlow::integral_at(double time) const {
  require(time >= 0.0, "time", "a time that is not negative", time);
  const Curve& c1 = tables_->c1;
  if (time <= c1.end_time()) return memorization_integral_at(c1, time);
  if (std::isinf(time)) return *tables_->integral.infinity.value;
  return extrapolated_integral(tables_->integral, time);
}

}  // namespace iclk::theory
