#include "everything.hpp"

#include <cmath>
#include <cstdio>
#include <exception>
#include <vector>

// One call into every library that was installed, so that each must link.
int main() {
  try {
    std::vector<iclk::fit::PowerLawPoint> points;
    for (const double n_items : {500.0, 1000.0, 2000.0, 4000.0}) {
      points.push_back({.x = n_items, .y = 2 * std::sqrt(n_items)});
    }
    const double nu = iclk::fit::fit_power_law(points).exponent.value.value();
    const double integral = iclk::theory::acquisition_integral_leading(100, 0.0);
    std::printf("icl_kinetics %s: nu %g, I_K %g\n", iclk::version().data(), nu, integral);
    if (std::abs(nu - 0.5) > 1e-9 || std::abs(integral - 250.66282746310) > 1e-9) return 1;
#ifdef CONSUMER_HAS_mlp_stats
    if (iclk::mlp_stats::onednn_description().empty()) return 1;
#endif
#ifdef CONSUMER_HAS_transformer
    iclk::transformer::IclTask task({.n_items = {}, .n_context = 4, .dim = 3}, 1);
    iclk::transformer::SequenceBatch batch;
    task.draw_training(0, 2, batch);
    if (batch.labels.size() != 10) return 1;
#endif
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
