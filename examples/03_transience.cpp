// Will a network keep what it learned from context?
//
// Attention that answers correctly leaves the MLP little to learn, so memorization goes on slowly behind its back. If
// the strength w of attention decays (weight decay lambda_w), the slowly growing memory needs it less and less, and one
// day in-context learning is gone. This example asks when, from a measured memorization curve, for several lambda_w:
//
//     03_transience figures/data/curves/k4000_s0.curves.csv

#include <cmath>
#include <cstdio>
#include <exception>

#include "iclk/core/curve_file.hpp"
#include "iclk/theory/loss_relation.hpp"
#include "iclk/theory/transience_prediction.hpp"

using namespace iclk;

int main(int argc, char** argv) {
  try {
    if (argc != 2) {
      std::fprintf(stderr, "usage: 03_transience CURVE\n");
      return 2;
    }
    const MeasuredCurve measured = read_curves(argv[1]).front();

    // Training starts with uniform attention over N = 100 exemplars and stops at time 1e6, 10^8 SGD steps at a
    // learning rate of 0.01.
    theory::TransienceOptions options;
    options.n_context = 100;
    options.fade.t_max = 1e6;

    std::printf("%10s  %-15s %10s %10s %12s %12s\n", "lambda_w", "outcome", "acquired", "largest w", "accuracy",
                "faded");
    const auto print = [](const std::optional<double>& time) {
      time ? std::printf(" %12.5g", *time) : std::printf(" %12s", "-");
    };
    for (const double lambda_w : {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1}) {
      const theory::TransiencePrediction fate = theory::predict_transience(measured.curves, lambda_w, options);
      std::printf("%10.0e  %-15s", lambda_w, theory::name(fate.outcome).data());
      fate.t_acquired ? std::printf(" %10.4g %10.4g", *fate.t_acquired, fate.peak->w)
                      : std::printf(" %10s %10s", "-", "-");
      print(fate.t_accuracy_fade);  // novel items are answered by chance from here on
      print(fate.t_fade.value);     // w = 1
      std::printf("%s\n", fate.extrapolated ? "  beyond the curve" : "");
    }

    // Where do the three fates meet? With too much decay attention is never acquired, with too little it outlives
    // training.
    const theory::TransienceRange range = theory::transience_range(measured.curves, options);
    if (range.fades_above && range.acquired_below) {
      std::printf("\ntransient for lambda_w from %.3g to %.3g\n", *range.fades_above, *range.acquired_below);
    }

    // Along the way the two test losses trade places. Eq. 16 relates them; exactly, their difference is (w - xi)/2.
    const double lambda_w = 1e-3;
    options.fade.record_trajectory = true;
    const theory::TransiencePrediction fate = theory::predict_transience(measured.curves, lambda_w, options);
    std::printf("\nlambda_w = 1e-3, along the way\n%10s %8s %10s %10s %10s %10s\n", "time", "w", "c3", "L_ICL", "L_IWL",
                "Eq. 16");
    double next = 0.0;
    for (const theory::FadePoint& point : fate.trajectory) {
      if (point.time < next) continue;
      next = 1.7 * point.time;
      const theory::TwoPointLosses losses = theory::two_point_losses(point.w, -point.log_c3);
      std::printf("%10.4g %8.3f %10.3g %10.4f %10.4f %10.4f\n", point.time, point.w, std::exp(point.log_c3), losses.icl,
                  losses.iwl, theory::iwl_loss_leading(losses.icl));
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
