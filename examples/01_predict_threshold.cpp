// How many different items must a training set hold before a network learns from context?
//
// While the MLP memorizes K items, the gradient that builds attention fades with its error c1(t). What attention gets
// in total is I_K = 2 integral of c1. It needs a certain amount, which grows with the length N of the context; if I_K
// does not reach it, the network has memorized first and never learns from context. Since I_K grows with K, there is a
// threshold K*. This example finds it from measured memorization curves:
//
//     01_predict_threshold figures/data/curves/*.curves.csv

#include <cstdio>
#include <exception>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/threshold.hpp"

using namespace iclk;

int main(int argc, char** argv) {
  try {
    const double n_context = 100;                         // N, the labelled exemplars
    const theory::FlowState start = {.w = 0, .beta = 0};  // attention begins uniform

    std::printf("%8s %12s %12s  %s\n", "K", "I_K(inf)", "needed", "outcome");
    std::vector<theory::ThresholdPoint> points;
    for (int i = 1; i < argc; ++i) {
      for (const MeasuredCurve& measured : read_curves(argv[i])) {
        // Does attention get there first? The flow of Eqs. 7-8 is driven by this curve's own c1(t) and c2(t).
        const theory::CurvePrediction answer = theory::predict_curve(measured.curves, n_context, start);

        const double n_items = static_cast<double>(measured.n_items.value());
        const Estimate infinity = answer.integral.infinity;
        std::printf("%8.0f %12.2f %12.2f  %s\n", n_items, infinity.value.value(), answer.required_integral,
                    theory::name(answer.verdict).data());
        points.push_back({.n_items = n_items, .i_infinity = infinity, .required_integral = answer.required_integral});
      }
    }

    // K* is where what the curve gives equals what attention needs.
    const theory::Threshold threshold = theory::threshold_from_curves(points);
    std::printf("\nneeded to leading order, N sqrt(2 pi): %.2f\n",
                theory::acquisition_integral_leading(n_context, start.beta));
    if (!threshold.k_star.value) {
      std::printf("no threshold: %s\n", theory::name(threshold.outcome).data());
      return 1;
    }
    std::printf("K* = %.0f", *threshold.k_star.value);
    if (threshold.k_star.low && threshold.k_star.high) {
      std::printf("  (95 %%: %.0f to %.0f)", *threshold.k_star.low, *threshold.k_star.high);
    }
    std::printf("\n");
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
