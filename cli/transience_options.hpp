#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "iclk/core/run_info.hpp"
#include "iclk/theory/transience.hpp"
#include "output.hpp"
#include "verb_options.hpp"

namespace iclk::cli {

/// Everything that `iclk transience` is asked.
struct TransienceInput {
  // a point, or one per row of a table
  std::optional<double> c3;
  std::optional<std::string> lambda_w;  ///< one number; with a curve also a list or a range
  double time_scale = 0.0;              ///< 0: none
  double exponent = 0.0;                ///< 0: exponential
  std::optional<double> w_start;
  double lambda_beta = 0.0;  ///< 0: beta does not decay
  std::optional<std::string> table;
  // a measured curve
  std::optional<std::string> curve;
  std::optional<double> lr;
  std::optional<std::uint64_t> n_items;
  std::string model = "binomial";
  double beta0 = 0.0, w0 = 0.0;
  std::optional<double> t_max;
  bool no_extrapolation = false;
  bool range = false;
  std::uint64_t points = 0;  ///< of each trajectory; 0: none
  // both
  std::optional<std::uint64_t> n_context;
  double w_fade = 1.0;
  double novel_ratio = 1.0;
  std::string novel = "two_point";
  double accuracy = 0.9;
  std::string slow_down = "logistic";
  bool sensitivity = false;
  std::optional<double> wanted_fade_time;
  Destinations destinations;

  theory::NovelLogits novel_logits() const {
    return novel == "gaussian" ? theory::NovelLogits::gaussian : theory::NovelLogits::two_point;
  }
  theory::SlowDown slowing() const {
    return slow_down == "exponential" ? theory::SlowDown::exponential : theory::SlowDown::logistic;
  }
};

inline NumberRule not_negative() { return {.low = 0.0, .words = "a number of at least 0"}; }

inline Json transience_head() {
  return {{"schema", "iclk-transience 1"}, {"program", "iclk " + std::string(version())}};
}

/// `--curve`: the fate of ICL against lambda_w on each curve of the file.
Exit answer_transience_of_curve(const TransienceInput& input);

}  // namespace iclk::cli
