#include <cmath>
#include <utility>

#include "iclk/transformer/attention_model.hpp"
#include "token_norm.hpp"

namespace iclk::transformer {
namespace {

/// A square matrix of width dim + 2, the labels last, seen as content and label block.
struct Blocks {
  const std::vector<double>& m;
  std::size_t dim;

  double at(std::size_t i, std::size_t j) const { return m[i * (dim + 2) + j]; }
  double content() const {
    double sum = 0.0;
    for (std::size_t i = 0; i < dim; ++i) sum += at(i, i);
    return sum / static_cast<double>(dim);
  }
  double rest() const {
    const double mean = content();
    double sum = 0.0;
    for (std::size_t i = 0; i < dim; ++i) {
      for (std::size_t j = 0; j < dim; ++j) {
        const double x = at(i, j) - (i == j ? mean : 0.0);
        sum += x * x;
      }
    }
    return std::sqrt(sum) / static_cast<double>(dim);
  }
  /// (1, sign) M (1, sign)^T / 2 on the label block.
  double along(double sign) const {
    return (at(dim, dim) + sign * (at(dim, dim + 1) + at(dim + 1, dim)) + at(dim + 1, dim + 1)) / 2;
  }
};

}  // namespace

std::vector<NamedValue> attention_diagnostics(const AttentionMatrices& matrices) {
  const std::size_t dim = matrices.dim;
  const std::size_t width = dim + 2;
  const std::vector<double>& gain = matrices.gain;
  std::vector<double> a(width * width, 0.0);
  for (std::size_t k = 0; k < width; ++k) {
    for (std::size_t i = 0; i < width; ++i) {
      const double key = matrices.key[k * width + i];
      for (std::size_t j = 0; j < width; ++j) a[i * width + j] += key * matrices.query[k * width + j];
    }
  }
  const Blocks qk{a, dim};
  const Blocks v{matrices.value, dim};

  // LayerNorm of an item of norm 1 whose coordinates add up to 0, with and without a label.
  const double exemplar_scale = token_norm(1.0, 2.0, width).scale;
  const double target_scale = token_norm(0.0, 1.0, width).scale;
  double beta = 0.0;
  for (std::size_t i = 0; i < dim; ++i) beta += gain[i] * gain[i] * qk.at(i, i);
  beta *= exemplar_scale * target_scale / static_cast<double>(dim);

  const auto [plus, minus] = std::pair{dim, dim + 1};
  const double w =
      exemplar_scale / std::sqrt(8.0) *
      (gain[plus] * (v.at(plus, plus) - v.at(minus, plus)) - gain[minus] * (v.at(plus, minus) - v.at(minus, minus)));

  // Scores of the parts of an exemplar that do not depend on its item, with the mean target, LayerNorm's bias.
  const double shift = 1.0 / static_cast<double>(width);
  double label_score = 0.0, exemplar_score = 0.0;
  for (std::size_t i = 0; i < width; ++i) {
    double along_bias = 0.0;
    for (std::size_t j = 0; j < width; ++j) along_bias += a[i * width + j] * matrices.bias[j];
    const double through = exemplar_scale * gain[i] * along_bias;
    if (i == plus) label_score += through;
    if (i == minus) label_score -= through;
    exemplar_score += through * ((i < dim ? 0.0 : 0.5) - shift);
  }
  return {{"qk_content", qk.content()},
          {"qk_rest", qk.rest()},
          {"qk_label", qk.along(-1.0)},
          {"qk_self", qk.along(1.0)},
          {"v_content", v.content()},
          {"v_rest", v.rest()},
          {"v_label", v.along(-1.0)},
          {"v_self", v.along(1.0)},
          {"beta", beta},
          {"w", w},
          {"score_label", label_score},
          {"score_exemplar", exemplar_score}};
}

}  // namespace iclk::transformer
