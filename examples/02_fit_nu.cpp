// The memorization law: how does I_K grow with the number of items, I_K(infinity) = prefactor K^nu?
//
// A curve ends somewhere, so part of I_K(infinity) is extrapolated. Each curve alone brackets its tail; together they
// say more, because the curves of small K reach further down and show the shape that the tails of large K will have.
//
//     02_fit_nu figures/data/curves/*.curves.csv

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "iclk/fit/memorization_law.hpp"
#include "iclk/theory/acquisition_time.hpp"
#include "iclk/theory/memorization_integral.hpp"

using namespace iclk;

int main(int argc, char** argv) {
  try {
    std::vector<fit::TruncatedCurve> curves;
    for (int i = 1; i < argc; ++i) {
      for (const MeasuredCurve& measured : read_curves(argv[i])) {
        const Curve& c1 = measured.curves.c1;
        curves.push_back({.n_items = static_cast<double>(measured.n_items.value()),
                          .c1 = c1,
                          .infinity = theory::memorization_integral(c1).infinity});
      }
    }

    const fit::MemorizationLawFit result = fit::fit_memorization_law(curves);
    std::printf("%8s %12s %12s %8s\n", "K", "measured", "to infinity", "tail");
    for (std::size_t i = 0; i < curves.size(); ++i) {
      std::printf("%8.0f %12.2f %12.2f %7.2f%%\n", curves[i].n_items, result.measured[i],
                  result.infinity[i].value.value(), 100 * result.tail_fraction[i]);
    }
    if (!result.law.exponent.value) {
      std::printf("no law: %s\n", fit::name(result.law.outcome).data());
      return 1;
    }

    // The interval holds both the scatter of the runs and what the tails leave open.
    const Estimate nu = result.law.exponent;
    std::printf("\nnu = %.3f  (95 %%: %.3f to %.3f), tails: %s\n", *nu.value, nu.low.value(), nu.high.value(),
                fit::name(result.treatment).data());
    std::printf("from the measured parts alone: %.3f\n", result.truncated.exponent.value.value());

    // Read backwards, the law says how many items give attention what it needs, to leading order at N = 100.
    const double needed = theory::acquisition_integral_leading(100, 0.0);
    std::printf("I_K(infinity) = %.1f at K = %.0f\n", needed, fit::x_at(result.law, needed).value.value());
    for (const std::string& warning : result.warnings) std::printf("note: %s\n", warning.c_str());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
