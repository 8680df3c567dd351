#include <cmath>
#include <map>
#include <string>

#include "iclk/core/random.hpp"
#include "iclk/transformer/attention_model.hpp"
#include "support/catch.hpp"
#include "support/plain_transformer.hpp"

using namespace iclk;
using namespace iclk::transformer;
using namespace iclk::test;

namespace {

constexpr std::size_t kDim = 4, kWidth = kDim + 2;

AttentionMatrices empty_matrices() {
  return {.dim = kDim,
          .gain = std::vector<double>(kWidth, 1.0),
          .bias = std::vector<double>(kWidth, 0.0),
          .query = std::vector<double>(kWidth * kWidth, 0.0),
          .key = std::vector<double>(kWidth * kWidth, 0.0),
          .value = std::vector<double>(kWidth * kWidth, 0.0)};
}

AttentionMatrices random_matrices(std::uint64_t seed) {
  AttentionMatrices m = empty_matrices();
  Rng rng(seed, RandomPurpose::test, 0);
  for (auto* array : {&m.gain, &m.bias, &m.query, &m.key, &m.value}) {
    for (double& x : *array) x += 0.3 * rng.normal();
  }
  return m;
}

std::map<std::string, double> by_name(const AttentionMatrices& matrices) {
  std::map<std::string, double> result;
  for (const auto& [name, value] : attention_diagnostics(matrices)) result[name] = value;
  return result;
}

PlainTransformer plain(const AttentionMatrices& m, std::size_t n_context) {
  PlainTransformer result;
  result.n_context = n_context;
  result.dim = kDim;
  result.arrays = {
      {"norm_gain", m.gain}, {"norm_bias", m.bias}, {"query", m.query}, {"key", m.key}, {"value", m.value}};
  return result;
}

// Items of norm 1 whose coordinates add up to 0, so that LayerNorm scales all alike; over all of them the mean is 0 and
// the mean of x x^T a multiple of the identity on what is left (1/2 on the diagonal of the first two coordinates ...).
const std::vector<float> kItems = {0.5F,  0.5F, -0.5F, -0.5F, -0.5F, -0.5F, 0.5F,  0.5F, 0.5F,  -0.5F, 0.5F, -0.5F,
                                   -0.5F, 0.5F, -0.5F, 0.5F,  0.5F,  -0.5F, -0.5F, 0.5F, -0.5F, 0.5F,  0.5F, -0.5F};
constexpr std::size_t kNItems = 6;

}  // namespace

TEST_CASE("attention diagnostics: the form of Eq. 2 is read back", "[transformer][eq2]") {
  AttentionMatrices m = empty_matrices();
  for (std::size_t i = 0; i < kDim; ++i) {
    m.key[i * kWidth + i] = 1.0;
    m.query[i * kWidth + i] = 0.7;
  }
  // w l on the label feature: w/2 (1, -1) (1, -1)^T on one-hot labels.
  m.value[4 * kWidth + 4] = m.value[5 * kWidth + 5] = 0.4;
  m.value[4 * kWidth + 5] = m.value[5 * kWidth + 4] = -0.4;
  const auto found = by_name(m);
  CHECK_THAT(found.at("qk_content"), WithinRel(0.7, 1e-14));
  CHECK_THAT(found.at("v_label"), WithinRel(0.8, 1e-14));
  for (const char* name :
       {"qk_rest", "qk_label", "qk_self", "v_content", "v_rest", "v_self", "score_label", "score_exemplar"}) {
    CAPTURE(name);
    CHECK_THAT(found.at(name), WithinAbs(0.0, 1e-14));
  }
}

TEST_CASE("attention diagnostics: self direction is what exemplars share", "[transformer][eq2]") {
  AttentionMatrices m = empty_matrices();
  m.key[4 * kWidth + 4] = m.query[4 * kWidth + 4] = 1.0;
  m.key[4 * kWidth + 5] = m.query[4 * kWidth + 5] = 1.0;  // A = f f^T times 2
  for (std::size_t i = 4; i < 6; ++i) {
    for (std::size_t j = 4; j < 6; ++j) m.value[i * kWidth + j] = 0.25;
  }
  const auto found = by_name(m);
  CHECK_THAT(found.at("qk_self"), WithinRel(2.0, 1e-14));
  CHECK_THAT(found.at("qk_label"), WithinAbs(0.0, 1e-14));
  CHECK_THAT(found.at("v_self"), WithinRel(0.5, 1e-14));
  CHECK_THAT(found.at("v_label"), WithinAbs(0.0, 1e-14));
}

TEST_CASE("attention diagnostics: rest is the root mean square beside the diagonal", "[transformer][eq2]") {
  AttentionMatrices m = empty_matrices();
  for (std::size_t i = 0; i < kDim; ++i) m.key[i * kWidth + i] = 1.0;
  for (std::size_t i = 0; i < kDim; ++i) {
    for (std::size_t j = 0; j < kDim; ++j) {
      m.query[i * kWidth + j] = i == j ? 3.0 : 0.5;
      m.value[i * kWidth + j] = i == j ? -1.0 : (i < j ? 0.25 : -0.25);
    }
  }
  const auto found = by_name(m);
  CHECK_THAT(found.at("qk_content"), WithinRel(3.0, 1e-14));
  CHECK_THAT(found.at("qk_rest"), WithinRel(0.5 * std::sqrt(12.0) / 4, 1e-14));  // 12 of 16 entries
  CHECK_THAT(found.at("v_content"), WithinRel(-1.0, 1e-14));
  CHECK_THAT(found.at("v_rest"), WithinRel(0.25 * std::sqrt(12.0) / 4, 1e-14));
}

TEST_CASE("attention diagnostics: scores and strengths are those of the plain model", "[transformer][eq2]") {
  // Scores are logarithms of attention: differences between tokens, averaged over target items (and exemplar items),
  // which leaves LayerNorm's bias of the target.
  const AttentionMatrices m = random_matrices(4);
  const auto found = by_name(m);
  const auto model = plain(m, 3);
  // Exemplars: +1, -1 and +1 of one item; the target's own score is the fourth.
  double label_score = 0.0;
  for (std::uint32_t target = 0; target < kNItems; ++target) {
    for (std::uint32_t item = 0; item < kNItems; ++item) {
      const std::vector<std::uint32_t> items = {item, item, item, target};
      const std::vector<std::int8_t> labels = {1, -1, 1, 1};
      const auto weights = model.attend(model.normalised(kItems, items, labels), "").weights.back();
      label_score += std::log(weights[0] / weights[1]) / (kNItems * kNItems);
    }
  }
  CHECK_THAT(found.at("score_label"), WithinAbs(label_score, 1e-10));

  // A target item of zeros: the bias is all that is left of it. Two opposite items average away.
  const std::vector<float> table = {0, 0, 0, 0, 0.5F, 0.5F, -0.5F, -0.5F, -0.5F, -0.5F, 0.5F, 0.5F};
  double alone = 0.0;
  for (std::uint32_t item = 1; item < 3; ++item) {
    const std::vector<std::uint32_t> items = {item, item, item, 0};
    const std::vector<std::int8_t> labels = {1, -1, 1, 1};
    const auto weights = model.attend(model.normalised(table, items, labels), "").weights.back();
    alone += ((std::log(weights[0]) + std::log(weights[1])) / 2 - std::log(weights[3])) / 2;
  }
  CHECK_THAT(found.at("score_exemplar"), WithinAbs(alone, 1e-10));

  // w: what the head gives out for +1 less what it gives out for -1, halved, along (1, -1)/sqrt 2.
  AttentionMatrices uniform = m;
  uniform.query.assign(kWidth * kWidth, 0.0);
  const auto even = plain(uniform, 2);
  const auto output = [&](std::int8_t label) {
    const std::vector<std::uint32_t> items = {0, 0, 0};
    const std::vector<std::int8_t> labels = {label, label, 1};
    return even.attend(even.normalised(kItems, items, labels), "").outputs.back();
  };
  const auto plus = output(1), minus = output(-1);
  const double length = ((plus[4] - minus[4]) - (plus[5] - minus[5])) / 2 / std::sqrt(2.0);
  CHECK_THAT(found.at("w") * 2.0 / 3.0, WithinAbs(length, 1e-12));  // two of three equal weights

  // beta: a copy's score less that of an exemplar with the opposite item, halved: all that is odd in both items.
  AttentionMatrices diagonal = m;
  for (std::size_t i = 0; i < kWidth; ++i) {
    for (std::size_t j = 0; j < kWidth; ++j) {
      const std::size_t k = i * kWidth + j;
      if (i != j || i >= kDim) diagonal.key[k] = diagonal.query[k] = 0.0;
    }
    diagonal.bias[i] = 0.0;
  }
  const auto copier = plain(diagonal, 3);
  double beta = 0.0;
  for (std::uint32_t item = 0; item < kNItems; ++item) {
    const std::vector<std::uint32_t> items = {item, item ^ 1U, item, item};
    const std::vector<std::int8_t> labels = {1, 1, 1, 1};
    const auto weights = copier.attend(copier.normalised(kItems, items, labels), "").weights.back();
    beta += std::log(weights[0] / weights[1]) / 2 / kNItems;
  }
  CHECK_THAT(by_name(diagonal).at("beta"), WithinRel(beta, 1e-10));
}
