#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace iclk::test {

/// The transformers as one would write them down: every token, its query, key and value, the whole table of attention.
/// In double, forward only, one sequence at a time.
struct PlainTransformer {
  std::size_t n_context = 0;
  std::size_t dim = 0;
  std::size_t hidden = 0;
  bool attend_self = true;                            ///< of the target; exemplars attend to themselves anyway
  std::map<std::string, std::vector<double>> arrays;  ///< by the names that the models use

  using Token = std::vector<double>;

  /// Tokens after LayerNorm: [n_context + 1].
  std::vector<Token> normalised(std::span<const float> table, std::span<const std::uint32_t> items,
                                std::span<const std::int8_t> labels) const;

  /// What a head adds to each token, with its attention weights [query][key]. `layer`: behind the names of its arrays.
  struct Head {
    std::vector<Token> outputs;
    std::vector<std::vector<double>> weights;
  };
  Head attend(const std::vector<Token>& tokens, const std::string& layer) const;

  /// The MLP whose arrays have `prefix` before their names.
  std::vector<double> mlp(const std::string& prefix, const Token& input) const;

  double one_layer_logit(std::span<const float> table, std::span<const std::uint32_t> items,
                         std::span<const std::int8_t> labels) const;
  double two_layer_logit(std::span<const float> table, std::span<const std::uint32_t> items,
                         std::span<const std::int8_t> labels) const;
};

}  // namespace iclk::test
