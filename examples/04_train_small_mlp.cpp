// How fast does an MLP memorize random labels?
//
// The other examples read memorization curves. This one makes one: a small network learns K random item-label pairs,
// and on the way we watch the three averages through which memorization enters the theory. It takes a second:
//
//     04_train_small_mlp small.curves.csv

#include <cstdio>
#include <exception>

#include "iclk/core/curve_file.hpp"
#include "iclk/mlp_stats/trainer.hpp"

using namespace iclk;

int main(int argc, char** argv) {
  try {
    // The defaults are the paper's: 63-512-512-1, batch 128, learning rate 0.01. We take less of everything.
    mlp_stats::TrainingOptions options;
    options.n_items = 100;
    options.hidden = 128;
    options.batch = 32;
    options.lr = 0.1;
    options.stop_c1 = 0.01;  // the mean probability of the wrong label: memorized, for our purpose
    options.points_per_decade = 8;

    mlp_stats::Trainer trainer(options);
    while (trainer.advance(1000) == mlp_stats::TrainingOutcome::unfinished) {
    }

    std::printf("%10s %10s %8s %8s %8s %9s\n", "SGD steps", "time", "c1", "c2", "c3", "accuracy");
    for (const CurveSample& sample : trainer.samples()) {
      const OrderParameters& v = sample.values;
      std::printf("%10llu %10.4g %8.4f %8.4f %8.4f %9.3f\n", static_cast<unsigned long long>(sample.iteration),
                  sample.time, v.c1, v.c2, v.c3, v.accuracy);
    }
    std::printf("\nended: %s\n", mlp_stats::name(trainer.outcome()).data());

    // With a file name we keep the curve, with the settings that made it; 01_predict_threshold reads it.
    if (argc > 1) write_curves(argv[1], mlp_stats::run_info(options), trainer.samples());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
