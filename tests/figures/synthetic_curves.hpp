#pragma once

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "iclk/core/curve_file.hpp"

namespace iclk::test {

/// c1 = (1/2)(1 + t/T)^-p with T = (p - 1) a K^nu: I_K(infinity) = a K^nu exactly (shared definition I_K = 2 int c1).
struct SyntheticLaw {
  double prefactor = 1.8;
  double nu = 0.7;
  double power = 2.5;
  double last_c1 = 2e-3;
  double run_spread = 0.01;  ///< relative change of T from run to run, around zero
};

inline std::vector<CurveSample> synthetic_samples(double n_items, double run, const SyntheticLaw& law = {},
                                                  int n_samples = 120) {
  constexpr double kLr = 0.01;
  const double scale = (law.power - 1) * law.prefactor * std::pow(n_items, law.nu) * (1 + law.run_spread * run);
  const double end = scale * (std::pow(0.4999 / law.last_c1, 1 / law.power) - 1);
  std::vector<CurveSample> samples;
  for (int i = 0; i < n_samples; ++i) {
    const double share = static_cast<double>(i) / (n_samples - 1);
    CurveSample sample;
    sample.iteration = static_cast<std::uint64_t>(std::llround((std::pow(1 + end, share) - 1) / kLr));
    sample.time = kLr * static_cast<double>(sample.iteration);
    if (!samples.empty() && sample.iteration <= samples.back().iteration) continue;
    const double c1 = 0.4999 * std::pow(1 + sample.time / scale, -law.power);
    sample.values.c1 = c1;
    sample.values.c2 = 1 - c1;
    sample.values.c3 = c1 / (1 - c1);
    sample.values.loss = -std::log1p(-c1);
    sample.values.accuracy = 1.0;
    samples.push_back(sample);
  }
  return samples;
}

inline RunInfo synthetic_info(double n_items, int seed) {
  RunInfo info;
  info.add("n_items", n_items);
  info.add("dim", 63.0);
  info.add("hidden", 512.0);
  info.add("lr", 0.01);
  info.add("batch", 128.0);
  info.add("seed", static_cast<double>(seed));
  return info;
}

/// Writes kK_sS.curves.csv for every K and seed.
inline void write_synthetic_curves(const std::filesystem::path& folder, const std::vector<double>& items, int n_seeds,
                                   const SyntheticLaw& law = {}) {
  std::filesystem::create_directories(folder);
  for (const double n_items : items) {
    for (int seed = 0; seed < n_seeds; ++seed) {
      const double run = seed - 0.5 * (n_seeds - 1);
      const std::string name =
          "k" + std::to_string(static_cast<int>(n_items)) + "_s" + std::to_string(seed) + ".curves.csv";
      write_curves(folder / name, synthetic_info(n_items, seed), synthetic_samples(n_items, run, law));
    }
  }
}

inline const std::vector<double> kSyntheticItems = {500, 1000, 2000, 4000, 8000, 16000};

}  // namespace iclk::test
