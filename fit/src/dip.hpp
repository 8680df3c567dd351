#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace iclk::fit {

/// Working memory of the dip, for many samples in turn.
class DipCalculator {
 public:
  double operator()(std::span<const double> sorted);  ///< values in increasing order, at least one

 private:
  struct Level {
    double x = 0.0;
    double below = 0.0, upto = 0.0;  ///< number of values smaller than x, and not larger
  };
  struct Round {
    double distance = 0.0;          ///< largest between majorant and minorant
    std::size_t low = 0, high = 0;  ///< modal interval that goes with it
  };

  void link();
  Round furthest_apart(std::size_t low, std::size_t high);
  /// Largest distance of the distribution from the minorant left of a modal interval that starts at `to`.
  double cut_left(std::size_t to) const;
  double cut_right(std::size_t from) const;  ///< from the majorant right of one that ends at `from`

  std::vector<Level> levels_;               // distinct values
  std::vector<std::size_t> minorant_;       // before each level: its predecessor on the minorant of all up to it
  std::vector<std::size_t> majorant_;       // after each level: its successor on the majorant of all from it
  std::vector<std::size_t> lower_, upper_;  // vertices on the modal interval, increasing
};

}  // namespace iclk::fit
