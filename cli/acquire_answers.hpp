#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "iclk/core/curve_file.hpp"
#include "iclk/theory/balanced.hpp"
#include "iclk/theory/sensitivity.hpp"
#include "point_table.hpp"

namespace iclk::cli {

/// What `acquire` can be told about a point. The order is that of the answer's columns.
enum class AcquireInput {
  context,
  beta0,
  w0,
  c2,
  c1,
  rho,
  copies,
  lambda_w,
  lambda_beta,
  integral,
  beta_cross,
  v,
  beta0_sd,
  w0_sd,
  i_infinity,
  prefactor,
  nu,
  wanted_x,
  wanted_time,
  wanted_k_star,
};
inline constexpr std::size_t kAcquireInputs = 20;

using AcquirePoint = std::array<double, kAcquireInputs>;  ///< by AcquireInput; defaults where not given

inline double of(const AcquirePoint& point, AcquireInput input) { return point[static_cast<std::size_t>(input)]; }

/// Which answers are asked for beside the four closed forms.
struct AcquireQuestion {
  std::function<bool(AcquireInput)> in_use;  ///< given as an option or a column
  std::optional<theory::BalancedCount> balanced;
  bool sensitivity = false;
  std::optional<theory::Unknown> unknown;  ///< of --solve-for
  std::shared_ptr<const MeasuredCurve> curve;
};

/// Some columns of the answer and what fills them.
struct AcquireBlock {
  struct Column {
    std::string name;
    std::string meaning;
  };
  std::vector<Column> columns;
  std::vector<AcquireInput> uses;  ///< beside context, beta0, w0, c2
  std::function<void(const AcquirePoint& point, std::vector<AnswerCell>& answer)> fill;
};

/// The blocks that answer the question, the four closed forms first.
/// Throws   Error naming the option for questions that lack something or contradict each other.
std::vector<AcquireBlock> acquire_blocks(const AcquireQuestion& question);

}  // namespace iclk::cli
