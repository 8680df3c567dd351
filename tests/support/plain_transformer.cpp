#include "support/plain_transformer.hpp"

#include <algorithm>
#include <cmath>

namespace iclk::test {
namespace {

using Token = PlainTransformer::Token;

Token times(const std::vector<double>& matrix, const Token& x) {
  const std::size_t n_rows = matrix.size() / x.size();
  Token y(n_rows, 0.0);
  for (std::size_t i = 0; i < n_rows; ++i) {
    for (std::size_t j = 0; j < x.size(); ++j) y[i] += matrix[i * x.size() + j] * x[j];
  }
  return y;
}

double dot(const Token& a, const Token& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Token sum(const Token& a, const Token& b) {
  Token c = a;
  for (std::size_t i = 0; i < c.size(); ++i) c[i] += b[i];
  return c;
}

Token layer_norm(Token x, const Token& gain, const Token& bias) {
  double mean = 0.0, variance = 0.0;
  for (const double value : x) mean += value / static_cast<double>(x.size());
  for (const double value : x) variance += (value - mean) * (value - mean) / static_cast<double>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = gain[i] * (x[i] - mean) / std::sqrt(variance + 1e-5) + bias[i];
  return x;
}

}  // namespace

std::vector<Token> PlainTransformer::normalised(std::span<const float> table, std::span<const std::uint32_t> items,
                                                std::span<const std::int8_t> labels) const {
  std::vector<Token> tokens;
  for (std::size_t j = 0; j <= n_context; ++j) {
    Token token(table.begin() + static_cast<std::ptrdiff_t>(items[j] * dim),
                table.begin() + static_cast<std::ptrdiff_t>((items[j] + 1) * dim));
    token.push_back(j < n_context && labels[j] == 1 ? 1.0 : 0.0);
    token.push_back(j < n_context && labels[j] == -1 ? 1.0 : 0.0);
    tokens.push_back(layer_norm(token, arrays.at("norm_gain"), arrays.at("norm_bias")));
  }
  return tokens;
}

PlainTransformer::Head PlainTransformer::attend(const std::vector<Token>& tokens, const std::string& layer) const {
  Head head;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool sees_itself = i < n_context || attend_self;
    const Token query = times(arrays.at("query" + layer), tokens[i]);
    std::vector<double> weights(tokens.size(), 0.0);
    double total = 0.0;
    for (std::size_t j = 0; j < (sees_itself ? i + 1 : i); ++j) {
      weights[j] = std::exp(dot(query, times(arrays.at("key" + layer), tokens[j])));
      total += weights[j];
    }
    Token output(dim + 2, 0.0);
    for (std::size_t j = 0; j < tokens.size(); ++j) {
      weights[j] /= total;
      const Token value = times(arrays.at("value" + layer), tokens[j]);
      for (std::size_t d = 0; d < output.size(); ++d) output[d] += weights[j] * value[d];
    }
    head.outputs.push_back(output);
    head.weights.push_back(weights);
  }
  return head;
}

std::vector<double> PlainTransformer::mlp(const std::string& prefix, const Token& input) const {
  Token x = input;
  for (const std::string layer : {"1", "2", "3"}) {
    x = sum(times(arrays.at(prefix + "w" + layer), x), arrays.at(prefix + "b" + layer));
    if (layer == "3") break;
    for (double& value : x) value = std::max(value, 0.0);
  }
  return x;
}

double PlainTransformer::one_layer_logit(std::span<const float> table, std::span<const std::uint32_t> items,
                                         std::span<const std::int8_t> labels) const {
  const auto tokens = normalised(table, items, labels);
  return mlp("", sum(tokens.back(), attend(tokens, "").outputs.back())).at(0);
}

double PlainTransformer::two_layer_logit(std::span<const float> table, std::span<const std::uint32_t> items,
                                         std::span<const std::int8_t> labels) const {
  auto tokens = normalised(table, items, labels);
  const Head first = attend(tokens, "1");
  for (std::size_t j = 0; j < tokens.size(); ++j) tokens[j] = mlp("token_mlp.", sum(tokens[j], first.outputs[j]));
  const Head second = attend(tokens, "2");
  return mlp("readout.", sum(tokens.back(), second.outputs.back())).at(0);
}

}  // namespace iclk::test
